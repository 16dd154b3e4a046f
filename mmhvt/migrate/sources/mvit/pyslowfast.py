"""MViT and MViTv2 of PySlowFast (facebookresearch/SlowFast)."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...names import NameTable, prefixed
from ...source import Source, StateDict, register
from .common import BLOCKS, Block, join_class_position, split_class_position, stage_options

# what blocks of Hiera, of a plain ViT and of our own models do not have
_ATTENTION = re.compile(r'blocks\.\d+\.attn\.(?:norm_[qkv]\.weight|rel_pos_[hwt])')


@register(priority=10)
class PySlowFastMViT(Source):
    """Options are those of the `MVIT` section of a config, with `NUM_FRAMES` and `CROP`, the training crop as one
    number, of its `DATA` section.
    """

    family, repository, title = 'mvit', 'pyslowfast', "PySlowFast's MViT"
    aliases: ClassVar[tuple[str, ...]] = ('SlowFast',)
    golden: ClassVar[str | None] = 'PySlowFast'
    table = NameTable(
        ('cls_token', 'backbone.cls_token'),
        ('pos_embed_class', 'backbone.pos_embed.cls'),
        ('pos_embed', 'backbone.pos_embed.joint'),
        ('pos_embed_{axis}', 'backbone.pos_embed.{axis}'),
        ('patch_embed.proj.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
        *prefixed('', 'backbone.', *BLOCKS),
        ('norm.{leaf}', 'backbone.norm.{leaf}'),
        ('head.projection.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    required: ClassVar[tuple[str, ...]] = ('NUM_FRAMES', 'CROP')
    defaults = dict(
        MODE='conv',
        CLS_EMBED_ON=True,
        PATCH_KERNEL=[3, 7, 7],
        PATCH_STRIDE=[2, 4, 4],
        PATCH_PADDING=[2, 4, 4],
        PATCH_2D=False,
        EMBED_DIM=96,
        NUM_HEADS=1,
        MLP_RATIO=4.0,
        QKV_BIAS=True,
        DROPPATH_RATE=0.1,
        DEPTH=16,
        DIM_MUL=[],
        HEAD_MUL=[],
        POOL_KV_STRIDE=[],
        POOL_KV_STRIDE_ADAPTIVE=None,
        POOL_Q_STRIDE=[],
        POOL_KVQ_KERNEL=None,
        SEP_POS_EMBED=False,
        USE_ABS_POS=True,
        REL_POS_SPATIAL=False,
        REL_POS_TEMPORAL=False,
        RESIDUAL_POOLING=False,
        DIM_MUL_IN_ATT=False,
        USE_MEAN_POOLING=False,
        REV={},
    )
    # other values are in none of its recipes
    fixed = dict(
        POOL_FIRST=False,
        NORM='layernorm',
        NORM_STEM=False,
        LAYER_SCALE_INIT_VALUE=0.0,
        DROPOUT_RATE=0.0,
        USE_FIXED_SINCOS_POS=False,
    )
    # of optimizers, heads and initialization; SEPARATE_QKV shows in a file
    ignored: ClassVar[tuple[str, ...]] = (
        'ZERO_DECAY_POS_CLS', 'REL_POS_ZERO_INIT', 'HEAD_INIT_SCALE', 'SEPARATE_QKV', 'NUM_CLASSES', 'TEST_CROP',
    )  # fmt: skip

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        if options['REV'].get('ENABLE'):
            raise ValueError(f'{self.title}: REV.ENABLE=True, the reversible MViT, is not supported')
        if not isinstance(options['CROP'], int):
            raise ValueError(f'{self.title}: CROP={options["CROP"]!r}: give one number, the side of a square')
        axes = 2 if options['PATCH_2D'] else 3
        kernel, adaptive_kv = options['POOL_KVQ_KERNEL'], options['POOL_KV_STRIDE_ADAPTIVE']
        depths, pooling = stage_options(
            self.title,
            _blocks(options, axes),
            axes,
            fixed_kernel=bool(kernel),
            adaptive_kv=adaptive_kv and adaptive_kv[-axes:],
        )
        mean_pooled = options['USE_MEAN_POOLING'] or not options['CLS_EMBED_ON']
        positions = 'separate' if options['SEP_POS_EMBED'] else 'joint'
        return dict(
            type='mmhvt.MViT',
            arch=dict(
                version=2 if options['DIM_MUL_IN_ATT'] else 1,
                embed_dims=options['EMBED_DIM'],
                num_heads=options['NUM_HEADS'],
                depths=depths,
            ),
            input_size=(*([options['NUM_FRAMES']] if axes == 3 else []), options['CROP'], options['CROP']),
            patch_kernel=options['PATCH_KERNEL'],
            patch_stride=options['PATCH_STRIDE'],
            patch_padding=options['PATCH_PADDING'],
            pool_mode=options['MODE'],
            pool_kernel=kernel[-axes:] if kernel else 's+1',
            **pooling,
            with_cls_token=options['CLS_EMBED_ON'],
            abs_pos=positions if options['USE_ABS_POS'] else 'none',
            rel_pos={(False, False): 'none', (True, False): 'space', (False, True): 'time', (True, True): 'decomposed'}[
                options['REL_POS_SPATIAL'], options['REL_POS_TEMPORAL']
            ],
            residual_pooling=options['RESIDUAL_POOLING'],
            expand_in='attn' if options['DIM_MUL_IN_ATT'] else 'mlp',
            mlp_ratio=options['MLP_RATIO'],
            qkv_bias=options['QKV_BIAS'],
            drop_path_rate=options['DROPPATH_RATE'],
            mean_before_norm=options['USE_MEAN_POOLING'],
            out_type='avg_featmap' if mean_pooled else 'cls_token',
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like an MViT of PySlowFast or facebookresearch/mvit, or its ViT for video."""
        patches = state_dict.get('patch_embed.proj.weight')
        return (
            patches is not None
            and 'blocks.0.mlp.fc1.weight' in state_dict
            and (any(map(_ATTENTION.match, state_dict)) or ('cls_token' in state_dict and _is_no_image_vit(state_dict)))
        )

    def unpack(self, theirs: StateDict) -> StateDict:
        """Class positions apart, queries, keys and values in one layer, poolings of images as those of images."""
        theirs = split_class_position(theirs)
        for name in [name for name in theirs if name.endswith(('.attn.q.weight', '.attn.q.bias'))]:
            block, leaf = name.rsplit('.q.', 1)
            theirs[f'{block}.qkv.{leaf}'] = torch.cat([theirs.pop(f'{block}.{part}.{leaf}') for part in 'qkv'])
        patches = theirs.get('patch_embed.proj.weight')
        if patches is not None and patches.ndim == 4:
            # images are pooled as clips of one frame, which only the center of a kernel sees
            for name, value in theirs.items():
                if '.attn.pool_' in name and value.ndim == 5:
                    theirs[name] = value[:, :, value.shape[2] // 2]
        return theirs

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`, with queries, keys and values in one layer."""
        theirs = join_class_position(theirs)
        pooling = {k: v.unsqueeze(2) for k, v in theirs.items() if '.attn.pool_' in k and v.ndim == 4}
        return theirs | pooling


def _is_no_image_vit(state_dict: Mapping[str, Tensor]) -> bool:
    """Whether a model with a class token has PySlowFast's head or positions, or those of a ViT and more than that."""
    if 'head.projection.weight' in state_dict or 'pos_embed_spatial' in state_dict:
        return True
    expands = any(re.match(r'blocks\.\d+\.proj\.', name) for name in state_dict)
    return 'pos_embed' in state_dict and (expands or state_dict['patch_embed.proj.weight'].ndim == 5)


def _blocks(options: dict[str, Any], axes: int) -> list[Block]:
    """Blocks from lists of [block, value, …]."""
    dims, heads, q_strides, kv_strides = (
        {row[0]: tuple(row[1:]) for row in options[key] or []}
        for key in ('DIM_MUL', 'HEAD_MUL', 'POOL_Q_STRIDE', 'POOL_KV_STRIDE')
    )
    if not options['POOL_KVQ_KERNEL']:  # kernels of s+1 pool nothing where the stride is 1
        q_strides = {i: stride for i, stride in q_strides.items() if max(stride) > 1}
    return [
        Block(
            dim_mul=dims.get(i, (1.0,))[0],
            head_mul=heads.get(i, (1.0,))[0],
            q_stride=q_strides[i][-axes:] if i in q_strides else None,
            kv_stride=kv_strides[i][-axes:] if i in kv_strides else None,
        )
        for i in range(options['DEPTH'])
    ]
