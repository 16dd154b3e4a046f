"""ViT of mmpretrain (`VisionTransformer`, `DeiT3` in an `ImageClassifier`).

mmpretrain's own `DeiT3` leaves the second norm of its layers idle and applies the first twice, so that its outputs are
not DeiT III's; ours applies the second. Necks and heads of pre-training keep their names.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...names import NameTable, prefixed
from ...source import Source, StateDict, register
from . import common

# embed_dims, num_layers, num_heads, feedforward_channels
ARCH_KEYS = ('embed_dims', 'num_layers', 'num_heads', 'feedforward_channels')
ARCHS = {
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
# the class DeiT3 has its own names
DEIT3_ARCHS = {
    'small': (384, 12, 6, 1536),
    'medium': (512, 12, 8, 2048),
    **{k: ARCHS[k] for k in ('base', 'large', 'huge')},
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
_ACTIVATIONS = dict(GELU='gelu', QuickGELU='quick_gelu')
# by out_type and final_norm
_OUTPUTS = {('cls_token', True): 'cls_token', ('avg_featmap', False): 'avg_featmap', ('featmap', False): 'featmap'}
# initial value of layer scale in DeiT3, which has no option for it
_DEIT3_LAYER_SCALE = 1e-5


@register()
class MMPretrainViT(Source):
    """Options are arguments of `mmpretrain.models.VisionTransformer`, or, with `type='DeiT3'`, of `DeiT3`."""

    family, repository, title = 'vit', 'mmpretrain', "mmpretrain's ViT"
    aliases = ('mmcls', 'DeiT')
    translated = ('backbone.', 'head.layers.', 'head.fc.')
    signature = tuple(
        f'backbone.{name}'
        for name in ('cls_token', 'patch_embed.projection.weight', 'layers.0.ln1.weight', 'layers.0.attn.qkv.weight')
    )
    table = NameTable(
        *prefixed(
            'backbone.',
            'backbone.',
            ('cls_token', 'cls_token'),
            ('pos_embed_cls', 'pos_embed.cls'),
            ('pos_embed_spatial', 'pos_embed.spatial'),
            ('patch_embed.projection.{leaf}', 'patch_embed.proj.{leaf}'),
            ('pre_norm.{leaf}', 'pre_norm.{leaf}'),
            ('layers.{i}.ln{n}.{leaf}', 'blocks.{i}.norm{n}.{leaf}'),
            ('layers.{i}.attn.gamma1.weight', 'blocks.{i}.ls1.gamma'),
            ('layers.{i}.ffn.gamma2.weight', 'blocks.{i}.ls2.gamma'),
            ('layers.{i}.attn.{layer}.{leaf}', 'blocks.{i}.attn.{layer}.{leaf}'),
            ('layers.{i}.ffn.layers.0.0.{leaf}', 'blocks.{i}.mlp.fc1.{leaf}'),
            ('layers.{i}.ffn.layers.1.{leaf}', 'blocks.{i}.mlp.fc2.{leaf}'),
            ('ln1.{leaf}', 'norm.{leaf}'),
            ('ln2.{leaf}', 'norm.{leaf}'),  # of averaged patches
        ),
        ('head.layers.head.{leaf}', 'cls_head.fc_cls.{leaf}'),
        ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),  # of `LinearClsHead`
        ('head.layers.pre_logits.{leaf}', 'cls_head.pre_logits.{leaf}'),
    )
    defaults = dict(
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
    fixed = dict(out_indices=-1, drop_rate=0.0, with_cls_token=True, interpolate_mode='bicubic', patch_cfg={})
    ignored = ('init_cfg', 'frozen_stages')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        kind, norm = options['type'].split('.')[-1], dict(options['norm_cfg'])
        if kind not in ('VisionTransformer', 'DeiT3'):
            raise ValueError(
                f'{self.title}: type={options["type"]!r} is not supported: choose from VisionTransformer, DeiT3'
            )
        if norm.get('type') != 'LN':
            raise ValueError(f'{self.title}: norm_cfg={norm} is not supported: choose {dict(type="LN")}')
        output = options['out_type'], options['final_norm']
        if output not in _OUTPUTS:
            raise ValueError(
                f'{self.title}: out_type={output[0]!r} with final_norm={output[1]} is not supported: choose cls_token '
                'with it, or avg_featmap or featmap without it'
            )
        dims, depth, heads, hidden = self._arch(options['arch'], kind)
        if kind == 'DeiT3':
            layer_scale = _DEIT3_LAYER_SCALE if options['use_layer_scale'] else None
        else:
            layer_scale = options['layer_scale_init_value'] or None
        style = dict(
            act=self._activation(options['layer_cfgs']),
            pre_norm=options['pre_norm'],
            patch_bias=not options['pre_norm'],
            layer_scale=layer_scale,
            eps=norm.get('eps', 1e-5),
        )
        sizes = dict(embed_dim=dims, depth=depth, num_heads=heads, mlp_ratio=hidden / dims)
        ours = common.vit_cfg(self.title, options | sizes | dict(in_chans=options['in_channels']), style)
        return ours | dict(out_type=_OUTPUTS[output])

    def _activation(self, layer_cfgs: Any) -> str:
        act = dict(layer_cfgs).get('act_cfg', dict(type='GELU')) if isinstance(layer_cfgs, Mapping) else {}
        activation = _ACTIVATIONS.get(act.get('type', '').split('.')[-1])
        if activation is None or set(layer_cfgs) - {'act_cfg'}:
            raise ValueError(
                f'{self.title}: layer_cfgs={layer_cfgs!r} is not supported: choose an act_cfg of GELU or QuickGELU'
            )
        return activation

    def _arch(self, arch: str | Mapping[str, int], kind: str) -> tuple[int, int, int, int]:
        if isinstance(arch, Mapping):
            if set(arch) != set(ARCH_KEYS):
                raise ValueError(f'{self.title}: arch as a dict needs {", ".join(ARCH_KEYS)}, got {", ".join(arch)}')
            dims, depth, heads, hidden = (arch[key] for key in ARCH_KEYS)
            return dims, depth, heads, hidden
        archs, short = (DEIT3_ARCHS, _SHORT | dict(m='medium')) if kind == 'DeiT3' else (ARCHS, _SHORT)
        name = short.get(str(arch).lower(), str(arch).lower())
        if name not in archs:
            raise ValueError(f'{self.title}: no {kind} {arch!r}: choose from {", ".join(archs)}, or give a dict')
        return archs[name]

    def pooled(self, reference_state_dict: Mapping[str, Tensor]) -> str | None:
        """The mean of the patches, if the second norm follows it."""
        return common.pooled_before(reference_state_dict, mean='backbone.ln2.weight', token='backbone.ln1.weight')

    def unpack(self, theirs: StateDict) -> StateDict:
        """Positions of the class token apart."""
        return common.split_positions(theirs, 'backbone.')

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`, with the final norm as `ln1` and the classifier as `head.layers.head`."""
        return common.join_positions(theirs, 'backbone.')
