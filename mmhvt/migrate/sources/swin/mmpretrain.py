"""Swin for images of mmpretrain (`SwinTransformer` in an `ImageClassifier`) and of mmdet.

Theirs merges patches with `nn.Unfold`, channel by channel, where Swin puts whole tokens side by side; weights of
mergings are reordered here. Outputs are equal where every stage is larger than its window: mmdet also shifts windows
that cover an axis, and mmpretrain does not shift along either axis if the shorter one is covered. Output norms of
frozen stages, which theirs also freeze, are trained in ours.

Necks and heads of detectors keep their names. Load what is exported with `strict=False`:
`relative_position_index`, which a model computes, is not exported.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...names import NameTable, prefixed
from ...options import as_tuple, resolve_options
from ...source import Source, StateDict, register
from . import common

_COMMON = dict(in_channels=3, patch_size=4, window_size=7, drop_path_rate=0.1, frozen_stages=-1, with_cp=False)
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
_FIXED_DETECTION = common.FIXED | dict(patch_norm=True, use_abs_pos_embed=False, act_cfg=dict(type='GELU'))


@register()
class MMPretrainSwin(Source):
    """Options are arguments of mmpretrain's `SwinTransformer`, or of mmdet's, which has `embed_dims`, `depths` and
    `num_heads` in place of an `arch`.
    """

    family, repository, title = 'swin', 'mmpretrain', "mmpretrain's Swin"
    aliases = ('mmcls', 'mmdet')
    buffers = common.BUFFERS
    translated = ('backbone.', 'head.fc.')
    signature = (
        'backbone.patch_embed.projection.weight',
        'backbone.stages.0.blocks.0.attn.w_msa.relative_position_bias_table',
    )
    table = NameTable(
        ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),
        *prefixed(
            'backbone.',
            'backbone.',
            ('patch_embed.projection.{leaf}', 'patch_embed.proj.{leaf}'),
            ('patch_embed.norm.{leaf}', 'patch_norm.{leaf}'),
            ('blocks.{i}.attn.w_msa.relative_position_bias_table', 'blocks.{i}.attn.rel_pos.table'),
            ('blocks.{i}.attn.w_msa.{layer}.{leaf}', 'blocks.{i}.attn.{layer}.{leaf}'),
            ('blocks.{i}.ffn.layers.0.0.{leaf}', 'blocks.{i}.mlp.fc1.{leaf}'),
            ('blocks.{i}.ffn.layers.1.{leaf}', 'blocks.{i}.mlp.fc2.{leaf}'),
            ('blocks.{i}.norm{n}.{leaf}', 'blocks.{i}.norm{n}.{leaf}'),
            ('stages.{i}.downsample.{layer}.{leaf}', 'merges.{i}.{layer}.{leaf}'),
            ('norm.{leaf}', 'norm.{leaf}'),
            ('norm{i}.{leaf}', 'norm{i}.{leaf}'),
        ),
    )
    defaults = dict(_COMMON, arch='tiny', img_size=224, out_indices=(3,), norm_cfg=dict(type='LN'))
    fixed = dict(drop_rate=0.0, out_after_downsample=False, use_abs_pos_embed=False, stage_cfgs={}, patch_cfg={})
    # initialization, and what a config says about files
    ignored = (
        'type', 'init_cfg', 'pretrained', 'convert_weights', 'norm_eval', 'interpolate_mode', 'pad_small_map',
    )  # fmt: skip

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options, or mmdet's."""
        if not {'embed_dims', 'depths', 'num_heads', 'pretrain_img_size'} & set(reference_config):
            return super().options(reference_config)
        return resolve_options("mmdet's Swin", reference_config, _DETECTION, _FIXED_DETECTION, self.ignored)

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        classifies = 'arch' in options
        norm, frozen = dict(options['norm_cfg']), options['frozen_stages']
        eps = norm.get('eps', 1e-5)
        # mmpretrain's is only for the outputs
        if norm.get('type') != 'LN' or (classifies and eps != 1e-5):
            raise ValueError(f'{self.title}: norm_cfg={norm} is not supported: choose {dict(type="LN")}')
        if options.get('strides'):
            halving = (options['patch_size'], *(2 for _ in options['depths'][1:]))
            if tuple(options['strides']) != halving:
                raise ValueError(f"mmdet's Swin: strides={options['strides']} is not supported: choose {halving}")
        if classifies:
            arch = common.named_arch(self.title, options['arch'])
        else:
            arch = {key: options[key] for key in ('embed_dims', 'depths', 'num_heads')}
        ours = dict(
            type='mmhvt.VideoSwin',
            arch=arch,
            input_size=as_tuple(options['img_size' if classifies else 'pretrain_img_size']),
            in_channels=options['in_channels'],
            patch_size=as_tuple(options['patch_size']),
            window_size=(options['window_size'],) * 2,
            drop_path_rate=options['drop_path_rate'],
            # mmpretrain counts stages from 0
            frozen_stages=frozen + 1 if frozen >= 0 and classifies else frozen,
            norm_cfg=dict(type='LN', eps=eps),
            with_cp=options['with_cp'],
            out_indices=tuple(options['out_indices']),
        )
        return ours | {key: options[key] for key in ('mlp_ratio', 'qkv_bias') if key in options}

    def unpack(self, theirs: StateDict) -> StateDict:
        """Blocks numbered across stages, the last norm without a number, mergings of whole tokens."""
        theirs = {name: _as_tokens(value) if _merges(name) else value for name, value in theirs.items()}
        return common.number_layers(common.rename_last_norm(theirs, numbered=False), 'stages', 'backbone.')

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        theirs = {name: _as_unfolded(value) if _merges(name) else value for name, value in theirs.items()}
        return common.rename_last_norm(common.stage_layers(theirs, 'stages', 'backbone.'), numbered=True)


def _merges(name: str) -> bool:
    return name.startswith('backbone.') and '.downsample.' in name


def _as_tokens(value: Tensor) -> Tensor:
    """(…, C·2·2) in the order of `nn.Unfold`, (C, row, column), to Swin's, (column, row, C)."""
    return value.unflatten(-1, (-1, 2, 2)).transpose(-1, -3).flatten(-3)


def _as_unfolded(value: Tensor) -> Tensor:
    """Inverse of :func:`_as_tokens`."""
    return value.unflatten(-1, (2, 2, -1)).transpose(-1, -3).flatten(-3)
