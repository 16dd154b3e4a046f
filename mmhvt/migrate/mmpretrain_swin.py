"""Swin for images from mmpretrain (`SwinTransformer` in an `ImageClassifier`) and mmdet: configs and state dicts.

Theirs merges patches by `nn.Unfold`, channel by channel, where Swin puts whole tokens side by side; weights of
mergings are put in order here. Outputs are equal where every stage is larger than its window: mmdet shifts windows
that cover an axis too, and mmpretrain does not shift along either axis if the shorter one is covered. Norms of
outputs of frozen stages, which theirs freeze too, are trained in ours.

Necks and heads of detectors keep their names. Positions in windows (`relative_position_index`), which are no
parameters, are left out and not exported: load what is exported with `strict=False`.
"""

from torch import Tensor

from . import mmaction_swin
from .names import Names
from .video_swin import FIXED, settings

# names of golden files and of the command line
NAMES = ('mmpretrain-swin', 'mmcls-swin', 'mmdet-swin')

# their names -> mmaction2's
_STAGE = 'backbone.stages.{s}.', 'backbone.layers.{s}.'
_BLOCK = tuple(stage + 'blocks.{i}.' for stage in _STAGE)
_PARAMETERS = Names(
    "mmpretrain's Swin",
    ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),
    ('backbone.patch_embed.projection.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
    ('backbone.patch_embed.norm.{leaf}', 'backbone.patch_embed.norm.{leaf}'),
    (_BLOCK[0] + 'attn.w_msa.{rest}', _BLOCK[1] + 'attn.{rest}'),
    (_BLOCK[0] + 'ffn.layers.0.0.{leaf}', _BLOCK[1] + 'mlp.fc1.{leaf}'),
    (_BLOCK[0] + 'ffn.layers.1.{leaf}', _BLOCK[1] + 'mlp.fc2.{leaf}'),
    (_BLOCK[0] + 'norm{n}.{leaf}', _BLOCK[1] + 'norm{n}.{leaf}'),
    (_STAGE[0] + 'downsample.{layer}.{leaf}', _STAGE[1] + 'downsample.{layer}.{leaf}'),
    ('backbone.norm{n}.{leaf}', 'backbone.norm{n}.{leaf}'),
)

_ARCHS = dict(t='tiny', s='small', b='base', l='large')
_COMMON = dict(in_channels=3, patch_size=4, window_size=7, drop_path_rate=0.1, frozen_stages=-1, with_cp=False)
_DEFAULTS = dict(_COMMON, arch='tiny', img_size=224, out_indices=(3,), norm_cfg=dict(type='LN'))
_DETECTION = dict(
    _COMMON,
    embed_dims=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    pretrain_img_size=224,
    mlp_ratio=4,
    qkv_bias=True,
    strides=None,
    out_indices=(0, 1, 2, 3),
    norm_cfg=dict(type='LN'),
)
# what is only supported as their own recipes have it
_FIXED = dict(drop_rate=0.0, out_after_downsample=False, use_abs_pos_embed=False, stage_cfgs={}, patch_cfg={})
_FIXED_DETECTION = FIXED | dict(patch_norm=True, use_abs_pos_embed=False, act_cfg=dict(type='GELU'))
# initialisation is no business of weights that are there
_IGNORED = ('type', 'init_cfg', 'pretrained', 'convert_weights', 'norm_eval', 'interpolate_mode', 'pad_small_map')


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of `mmpretrain.models.SwinTransformer`, or of mmdet's.

    Args:
        reference_config: Its arguments; those left out have its defaults. `embed_dims`, `depths` and `num_heads` are
            mmdet's, which has no `arch`.

    Raises:
        ValueError: For an argument that is not known.
    """
    detects = {'embed_dims', 'depths', 'num_heads', 'pretrain_img_size'} & set(reference_config)
    source, defaults, fixed = ('mmdet', _DETECTION, _FIXED_DETECTION) if detects else ('mmpretrain', _DEFAULTS, _FIXED)
    cfg = settings(source, reference_config, defaults, fixed, _IGNORED)
    norm = dict(cfg['norm_cfg'])
    eps = norm.get('eps', 1e-5)
    # mmpretrain's is of the outputs alone
    if norm.get('type') != 'LN' or (not detects and eps != 1e-5):
        raise ValueError(f'{source}: norm_cfg={norm} is not known; {dict(type="LN")} is')
    if cfg.get('strides'):
        halving = (cfg['patch_size'], *(2 for _ in cfg['depths'][1:]))
        if tuple(cfg['strides']) != halving:
            raise ValueError(f'mmdet: strides={cfg["strides"]} is not known; {halving} is')
    size, window, frozen = cfg[f'{"pretrain_" if detects else ""}img_size'], cfg['window_size'], cfg['frozen_stages']
    ours = dict(
        type='mmhvt.VideoSwin',
        arch=_arch(cfg),
        input_size=(size, size) if isinstance(size, int) else tuple(size),
        in_channels=cfg['in_channels'],
        patch_size=_pair(cfg['patch_size']),
        window_size=(window, window),
        drop_path_rate=cfg['drop_path_rate'],
        # mmpretrain counts stages from 0
        frozen_stages=frozen + 1 if frozen >= 0 and not detects else frozen,
        norm_cfg=dict(type='LN', eps=eps),
        with_cp=cfg['with_cp'],
        out_indices=tuple(cfg['out_indices']),
    )
    return ours | {key: cfg[key] for key in ('mlp_ratio', 'qkv_bias') if key in cfg}


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _arch(cfg: dict) -> str | dict:
    if 'arch' not in cfg:
        return {key: cfg[key] for key in ('embed_dims', 'depths', 'num_heads')}
    arch = cfg['arch']
    if isinstance(arch, dict):
        return dict(arch)
    arch = _ARCHS.get(str(arch).lower(), str(arch).lower())
    if arch not in _ARCHS.values():
        raise ValueError(
            f'mmpretrain: no Swin {cfg["arch"]!r}: choose from {", ".join(_ARCHS.values())}, or give a dict'
        )
    return arch


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like a classifier of mmpretrain or a detector of mmdet with a Swin Transformer."""
    return (
        'backbone.patch_embed.projection.weight' in state_dict
        and 'backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table' in state_dict
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Swin does not have.
    """
    theirs, others = {}, {}
    for name, value in reference_state_dict.items():
        if not name.startswith(('backbone.', 'head.fc.')):
            others[name] = value
        else:
            ours = _PARAMETERS.ours(name)
            theirs[ours] = _as_tokens(value) if _merges(ours) else value
    return mmaction_swin.state_dict(theirs) | others


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that Swin does not have.
    """
    own = {name: value for name, value in state_dict.items() if name.startswith(('backbone.', 'cls_head.fc_cls.'))}
    theirs = {
        _PARAMETERS.theirs(name): _as_unfolded(value) if _merges(name) else value
        for name, value in mmaction_swin.export(own).items()
    }
    return theirs | {name: value for name, value in state_dict.items() if name not in own}


def _merges(name: str) -> bool:
    return '.downsample.' in name


def _as_tokens(value: Tensor) -> Tensor:
    """(…, C·2·2) with the order of `nn.Unfold`, (C, row, column), to Swin's, (column, row, C)."""
    return value.unflatten(-1, (-1, 2, 2)).transpose(-1, -3).flatten(-3)


def _as_unfolded(value: Tensor) -> Tensor:
    """Inverse of :func:`_as_tokens`."""
    return value.unflatten(-1, (2, 2, -1)).transpose(-1, -3).flatten(-3)
