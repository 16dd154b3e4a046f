"""MViTv2 for images of timm (`timm.models.mvitv2`).

Its models with a class token (`mvitv2_base_cls` …) add the pooled queries to the class token too, which PySlowFast,
torchvision and mmaction2 do not.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...names import NameTable, prefixed
from ...options import as_tuple, resolve_options
from ...source import Source, StateDict, register
from ..stages import number_blocks, stage_blocks
from .common import BLOCKS, Block, join_class_position, split_class_position, stage_options

# fields of their `MultiScaleVitCfg`; `pool_type` is not read
_FIELDS = dict(
    depths=(2, 3, 16, 3),
    embed_dim=96,
    num_heads=1,
    mlp_ratio=4.0,
    expand_attn=True,
    qkv_bias=True,
    use_cls_token=False,
    use_abs_pos=False,
    residual_pooling=True,
    mode='conv',
    kernel_qkv=(3, 3),
    stride_q=((1, 1), (2, 2), (2, 2), (2, 2)),
    stride_kv=None,
    stride_kv_adaptive=(4, 4),
    patch_kernel=(7, 7),
    patch_stride=(4, 4),
    patch_padding=(3, 3),
    rel_pos_type='spatial',
    norm_eps=1e-6,
)
_FIXED_FIELDS = dict(pool_first=False, act_layer='gelu', norm_layer='layernorm')
_LARGE = dict(depths=(2, 6, 36, 4), embed_dim=144, num_heads=2)
_HUGE = dict(depths=(4, 8, 60, 8), embed_dim=192, num_heads=3)
_OUTPUTS = {'avg': 'avg_featmap', 'token': 'cls_token', '': 'raw'}


@register()
class TimmMViT(Source):
    """Options are `name`, such as 'mvitv2_tiny', or `cfg`, a `MultiScaleVitCfg` or a dict of its fields; and arguments
    of `MultiScaleVit`.
    """

    family, repository, title = 'mvit', 'timm', "timm's MViTv2"
    signature = ('patch_embed.proj.weight', 'stages.0.blocks.0.attn.qkv.weight', 'stages.0.blocks.0.mlp.fc1.weight')
    table = NameTable(
        ('cls_token', 'backbone.cls_token'),
        ('pos_embed_class', 'backbone.pos_embed.cls'),
        ('pos_embed', 'backbone.pos_embed.joint'),
        ('patch_embed.proj.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
        *prefixed('', 'backbone.', *BLOCKS),
        ('norm.{leaf}', 'backbone.norm.{leaf}'),
        ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    models = dict(
        mvitv2_tiny=dict(cfg=dict(depths=(1, 2, 5, 2))),
        mvitv2_small=dict(cfg=dict(depths=(1, 2, 11, 2))),
        mvitv2_base=dict(cfg=dict(depths=(2, 3, 16, 3))),
        mvitv2_large=dict(cfg=dict(_LARGE, expand_attn=False)),
        mvitv2_small_cls=dict(cfg=dict(depths=(1, 2, 11, 2), use_cls_token=True)),
        mvitv2_base_cls=dict(cfg=dict(depths=(2, 3, 16, 3), use_cls_token=True)),
        mvitv2_large_cls=dict(cfg=dict(_LARGE, use_cls_token=True)),
        mvitv2_huge_cls=dict(cfg=dict(_HUGE, use_cls_token=True)),
    )
    defaults = dict(cfg={}, img_size=224, in_chans=3, global_pool=None, drop_path_rate=0.0)
    ignored = ('num_classes', 'drop_rate')

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options, with the fields of the config beside the arguments."""
        if {'name', 'cfg'} <= set(reference_config):
            raise ValueError(f'{self.title}: give a name or a cfg, not both')
        arguments = super().options(reference_config)
        cfg = arguments.pop('cfg')
        fields = cfg if isinstance(cfg, Mapping) else asdict(cfg)
        return arguments | resolve_options(self.title, fields, _FIELDS, _FIXED_FIELDS, ignored=('pool_type',))

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        if options['mode'] not in ('conv', 'max', 'avg'):
            raise ValueError(f'{self.title}: mode={options["mode"]!r} is not supported: choose from conv, max, avg')
        kernel, dims, heads = options['kernel_qkv'], options['embed_dim'], options['num_heads']
        depths, pooling = stage_options(
            self.title,
            _blocks(options),
            axes=2,
            fixed_kernel=bool(kernel),
            adaptive_kv=None if options['stride_kv'] else options['stride_kv_adaptive'],
        )
        output = options['global_pool']
        if output is None:
            output = 'token' if options['use_cls_token'] else 'avg'
        return dict(
            type='mmhvt.MViT',
            arch=dict(
                version=2 if options['expand_attn'] else 1,
                embed_dims=dims if isinstance(dims, int) else dims[0],
                num_heads=heads if isinstance(heads, int) else heads[0],
                depths=depths,
            ),
            input_size=as_tuple(options['img_size']),
            in_channels=options['in_chans'],
            patch_kernel=options['patch_kernel'],
            patch_stride=options['patch_stride'],
            patch_padding=options['patch_padding'],
            pool_mode=options['mode'],
            pool_kernel=kernel or 's+1',
            **pooling,
            with_cls_token=options['use_cls_token'],
            abs_pos='joint' if options['use_abs_pos'] else 'none',
            rel_pos='space' if options['rel_pos_type'] == 'spatial' else 'none',
            residual_pooling=options['residual_pooling'] and 'all',
            expand_in='attn' if options['expand_attn'] else 'mlp',
            mlp_ratio=options['mlp_ratio'],
            qkv_bias=options['qkv_bias'],
            drop_path_rate=options['drop_path_rate'],
            mean_before_norm=False,
            norm_cfg=dict(type='LN', eps=options['norm_eps']),
            out_type=_OUTPUTS[output],
        )

    def unpack(self, theirs: StateDict) -> StateDict:
        """Blocks numbered across stages, class positions apart."""
        theirs = number_blocks(theirs, r'stages\.(\d+)\.blocks\.(\d+)\.')
        theirs = {re.sub(r'\.shortcut_proj_(attn|mlp)\.', '.proj.', name): value for name, value in theirs.items()}
        return split_class_position(theirs)

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`. Stages are recognized by channels that expand where they begin or end."""
        theirs = join_class_position(theirs)
        expands = sorted(int(m[1]) for m in map(re.compile(r'blocks\.(\d+)\.proj\.weight').fullmatch, theirs) if m)
        # channels that expand in attention are those of the second norm, and the block begins a stage
        first = f'blocks.{expands[0]}' if expands else ''
        in_mlp = bool(expands) and theirs[f'{first}.proj.weight'].shape[:1] != theirs[f'{first}.norm2.weight'].shape
        kind = 'mlp' if in_mlp else 'attn'
        starts = [0, *(i + in_mlp for i in expands)]
        theirs = {re.sub(r'^(blocks\.\d+\.)proj\.', rf'\1shortcut_proj_{kind}.', k): v for k, v in theirs.items()}
        return stage_blocks(theirs, starts, 'stages.{stage}.blocks.{block}.')


def _blocks(options: dict[str, Any]) -> list[Block]:
    """Blocks from fields that list stages."""
    strides_q, strides_kv = options['stride_q'], options['stride_kv']
    # a fixed kernel pools queries in all blocks
    others = (1, 1) if options['kernel_qkv'] else None
    blocks = []
    for stage, depth in enumerate(options['depths']):
        dim_mul, head_mul = (_factor(options[key], stage) for key in ('embed_dim', 'num_heads'))
        kv_stride = tuple(strides_kv[stage]) if strides_kv else None
        q_stride = tuple(strides_q[stage])
        pools_queries = others is not None or max(q_stride) > 1
        blocks.append(Block(dim_mul, head_mul, q_stride if pools_queries else None, kv_stride))
        blocks += [Block(q_stride=others, kv_stride=kv_stride)] * (depth - 1)
    return blocks


def _factor(values: int | tuple[int, ...], stage: int) -> float:
    """Growth from the stage before; a single number doubles."""
    if stage == 0:
        return 1.0
    return 2.0 if isinstance(values, int) else values[stage] / values[stage - 1]
