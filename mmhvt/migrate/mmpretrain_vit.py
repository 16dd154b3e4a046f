"""ViT from mmpretrain (`VisionTransformer`, `DeiT3` in an `ImageClassifier`): configs and state dicts.

mmpretrain's own `DeiT3` leaves the second norm of its layers idle and norms by the first twice, so that its outputs
are not DeiT III's; ours norms by the second. Necks and heads of pre-training keep their names.
"""

from torch import Tensor

from . import vit
from .names import Names
from .video_swin import settings

# names of golden files and of the command line
NAMES = ('mmpretrain-vit', 'mmcls-vit')

_LAYER = 'backbone.layers.{i}.', 'blocks.{i}.'
# their names -> timm's; the first of a kind is what is exported
_PARAMETERS = Names(
    "mmpretrain's ViT",
    ('backbone.cls_token', 'cls_token'),
    ('backbone.pos_embed', 'pos_embed'),
    ('backbone.patch_embed.projection.{leaf}', 'patch_embed.proj.{leaf}'),
    ('backbone.pre_norm.{leaf}', 'norm_pre.{leaf}'),
    (_LAYER[0] + 'ln{n}.{leaf}', _LAYER[1] + 'norm{n}.{leaf}'),
    (_LAYER[0] + 'attn.gamma1.weight', _LAYER[1] + 'ls1.gamma'),
    (_LAYER[0] + 'ffn.gamma2.weight', _LAYER[1] + 'ls2.gamma'),
    (_LAYER[0] + 'attn.{layer}.{leaf}', _LAYER[1] + 'attn.{layer}.{leaf}'),
    (_LAYER[0] + 'ffn.layers.0.0.{leaf}', _LAYER[1] + 'mlp.fc1.{leaf}'),
    (_LAYER[0] + 'ffn.layers.1.{leaf}', _LAYER[1] + 'mlp.fc2.{leaf}'),
    ('backbone.ln1.{leaf}', 'norm.{leaf}'),
    ('backbone.ln2.{leaf}', 'fc_norm.{leaf}'),
    ('head.layers.head.{leaf}', 'head.{leaf}'),
    ('head.fc.{leaf}', 'head.{leaf}'),  # of `LinearClsHead`
    ('head.layers.pre_logits.{leaf}', 'pre_logits.fc.{leaf}'),
)

# embed_dims, num_layers, num_heads, feedforward_channels
_ARCHS = {
    'small': (768, 8, 8, 2304),
    'base': (768, 12, 12, 3072),
    'large': (1024, 24, 16, 4096),
    'huge': (1280, 32, 16, 5120),
    'eva-giant': (1408, 40, 16, 6144),
    'deit-tiny': (192, 12, 3, 768),
    'deit-small': (384, 12, 6, 1536),
    'dinov2-small': (384, 12, 6, 1536),
    'deit-base': (768, 12, 12, 3072),
    'dinov2-giant': (1536, 40, 24, 6144),
}
_SHORT = {
    's': 'small',
    'b': 'base',
    'l': 'large',
    'h': 'huge',
    'eva-g': 'eva-giant',
    'deit-t': 'deit-tiny',
    'deit-s': 'deit-small',
    'dinov2-s': 'dinov2-small',
    'deit-b': 'deit-base',
    'dinov2-g': 'dinov2-giant',
}
# of its class DeiT3, which has names of its own
_DEIT3 = {
    'small': (384, 12, 6, 1536),
    'medium': (512, 12, 8, 2048),
    **{k: _ARCHS[k] for k in ('base', 'large', 'huge')},
}
_KEYS = ('embed_dims', 'num_layers', 'num_heads', 'feedforward_channels')

_DEFAULTS = dict(
    type='VisionTransformer',
    arch='base',
    img_size=224,
    patch_size=16,
    in_channels=3,
    drop_path_rate=0.0,
    qkv_bias=True,
    norm_cfg=dict(type='LN', eps=1e-6),
    final_norm=True,
    out_type='cls_token',
    layer_scale_init_value=0.0,
    use_layer_scale=True,
    layer_cfgs={},
    pre_norm=False,
)
_FIXED = dict(out_indices=-1, drop_rate=0.0, with_cls_token=True, interpolate_mode='bicubic', patch_cfg={})
_IGNORED = ('init_cfg', 'frozen_stages')
_ACTIVATIONS = dict(GELU='gelu', QuickGELU='quick_gelu')
# with their final norm, without it
_OUTPUTS = {('cls_token', True): 'cls_token', ('avg_featmap', False): 'avg_featmap', ('featmap', False): 'featmap'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone, for images and without UniBlocks, from the arguments of a ViT of mmpretrain.

    Args:
        reference_config: Arguments of `mmpretrain.models.VisionTransformer`, or, with `type='DeiT3'`, of `DeiT3`; those
            left out have its defaults.

    Raises:
        ValueError: For an argument that is not known.
    """
    cfg = settings('mmpretrain', reference_config, _DEFAULTS, _FIXED, _IGNORED)
    kind = cfg['type'].split('.')[-1]
    if kind not in ('VisionTransformer', 'DeiT3'):
        raise ValueError(f'mmpretrain: type={cfg["type"]!r} is not known; VisionTransformer and DeiT3 are')
    norm, layers = dict(cfg['norm_cfg']), cfg['layer_cfgs']
    act = dict(layers).get('act_cfg', dict(type='GELU')) if isinstance(layers, dict) else {}
    activation = _ACTIVATIONS.get(act.get('type', '').split('.')[-1])
    if activation is None or set(layers) - {'act_cfg'}:
        raise ValueError(f'mmpretrain: layer_cfgs={layers!r} is not known; an act_cfg of GELU or QuickGELU is')
    if norm.get('type') != 'LN':
        raise ValueError(f'mmpretrain: norm_cfg={norm} is not known; {dict(type="LN")} is')
    output = cfg['out_type'], cfg['final_norm']
    if output not in _OUTPUTS:
        raise ValueError(
            f'mmpretrain: out_type={output[0]!r} with final_norm={output[1]} is not known; cls_token with it and '
            'avg_featmap and featmap without it are'
        )
    dims, depth, heads, hidden = _arch(cfg['arch'], _DEIT3 if kind == 'DeiT3' else _ARCHS, kind)
    theirs = dict(
        img_size=cfg['img_size'],
        patch_size=cfg['patch_size'],
        in_chans=cfg['in_channels'],
        embed_dim=dims,
        depth=depth,
        num_heads=heads,
        mlp_ratio=hidden / dims,
        qkv_bias=cfg['qkv_bias'],
        drop_path_rate=cfg['drop_path_rate'],
    )
    scaled = cfg['use_layer_scale'] if kind == 'DeiT3' else cfg['layer_scale_init_value']
    return vit.common_cfg('mmpretrain', theirs) | dict(
        vit=dict(
            act=activation,
            pre_norm=cfg['pre_norm'],
            patch_bias=not cfg['pre_norm'],
            layer_scale=bool(scaled),
            eps=norm.get('eps', 1e-5),
        ),
        out_type=_OUTPUTS[output],
    )


def _arch(arch: str | dict, archs: dict[str, tuple], kind: str) -> tuple[int, int, int, int]:
    if isinstance(arch, dict):
        if set(arch) != set(_KEYS):
            raise ValueError(f'mmpretrain: arch as a dict needs {", ".join(_KEYS)}, got {", ".join(arch)}')
        return tuple(arch[key] for key in _KEYS)
    name = _SHORT.get(str(arch).lower(), str(arch).lower())
    name = 'medium' if kind == 'DeiT3' and name == 'm' else name
    if name not in archs:
        raise ValueError(f'mmpretrain: no {kind} {arch!r}: choose from {", ".join(archs)}, or give a dict')
    return archs[name]


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like a ViT in a classifier of mmpretrain."""
    return all(
        f'backbone.{name}' in state_dict
        for name in ('cls_token', 'patch_embed.projection.weight', 'layers.0.ln1.weight', 'layers.0.attn.qkv.weight')
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    The norm of averaged patches (`ln2`) becomes the final norm of ours, `head.fc` its classifier.

    Raises:
        ValueError: For a name that our ViT does not have, or two final norms, one behind the other.
    """
    if 'backbone.ln1.weight' in reference_state_dict and 'backbone.ln2.weight' in reference_state_dict:
        raise ValueError(
            'mmpretrain: backbone.ln1 and backbone.ln2, a norm of patches and one of their mean; ours has one'
        )
    theirs, others = {}, {}
    for name, value in reference_state_dict.items():
        if _is_own(name):
            theirs[_PARAMETERS.ours(name)] = value
        else:
            others[name] = value
    return vit.state_dict(theirs) | others


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`, with the final norm as `ln1` and the classifier as `head.layers.head`.

    Raises:
        ValueError: For a name that their ViT does not have.
    """
    own = {name: value for name, value in state_dict.items() if name.startswith(('backbone.', 'cls_head.'))}
    others = {name: value for name, value in state_dict.items() if name not in own}
    return {_PARAMETERS.theirs(name): value for name, value in vit.export(own).items()} | others


def _is_own(name: str) -> bool:
    """Whether a parameter is of the backbone or of a classifier, not of pre-training."""
    return name.startswith(('backbone.', 'head.layers.', 'head.fc.'))
