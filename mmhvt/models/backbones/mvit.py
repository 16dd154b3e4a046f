"""MViT (arXiv:2104.11227) and MViTv2 (arXiv:2112.01526): multiscale vision transformers.

The stages trade resolution for channels (MViT, section 3.2) and are built from pooling attention
(:mod:`mmhvt.models.layers.pooling_attention`): queries are pooled at the start of a stage, which shortens the sequence;
keys and values are pooled in every block, which makes attention affordable (section 3.1). MViTv2 replaces absolute
positions with decomposed relative ones, adds the pooled queries to the output (section 4.1), expands channels in the
attention that starts a stage rather than in the MLP that ends one, and has no class token (appendix B.1).

Shapes: N batch, L tokens, C channels, T frames, H height, W width. Grids are ([T,] H, W).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Annotated, Any, Literal, NamedTuple

import torch
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import (
    Mlp,
    PatchEmbed,
    Pooling,
    PoolingAttention,
    PositionEmbedding,
    as_numbers,
    drop_path_rates,
    merge_windows,
    pool_shape,
    split_windows,
)
from mmhvt.registry import MODELS
from mmhvt.utils import check_fields
from mmhvt.utils.option_configs import InitCfg, TokenNorm
from mmhvt.utils.option_types import (
    Channels,
    Depths,
    Factor,
    Heads,
    Index,
    Paddings,
    PassedTo,
    Range,
    Rate,
    Ratio,
    Recomputed,
    Says,
    Side,
    Size,
    Strides,
)

from .arch import check_hidden, resolve_arch
from .base import FrozenStages, OutType
from .masking import MaskedBackbone

# fields of an arch with one number per axis
PER_AXIS = ('patch_kernel', 'patch_stride', 'patch_padding', 'pool_kernel', 'q_stride', 'kv_stride', 'mask_unit_size')


@dataclass(frozen=True)
class BlockSpec:
    """One block. Each pooling is a dict of kernel, stride and padding, or None."""

    in_dims: int  # channels of the input
    attn_dims: int  # channels after attention
    out_dims: int  # channels after the MLP
    num_heads: int
    grid: tuple[int, ...]  # token grid of the input
    q_pool: dict | None
    kv_pool: dict | None
    skip_pool: dict | None  # max pooling of the skip connection
    window_size: int | None  # side in tokens; None for global attention
    drop_path_rate: float


def hybrid_window(window_size: int | None, stage: int, index: int, depth: int) -> int | None:
    """Window of a block in hybrid window attention ("Hwin", MViTv2, section 4.2).

    Attention is local except in the last block of each stage from the second on, where windows exchange information.
    Windows cover the same pixels in all stages; a block that pools still has the windows of the previous stage.

    Args:
        window_size: Side of a window in tokens of the first stage; None for global attention everywhere.
        stage: Stage of the block, from 0.
        index: Index of the block in its stage.
        depth: Number of blocks in the stage.

    Returns:
        int | None: Side of the window in tokens of the block's input; None for global attention.
    """
    if not window_size or (stage > 0 and index == depth - 1):
        return None
    return window_size // 2 ** (stage - 1 if stage > 0 and index == 0 else stage)


def last_two_axes(value: str | Sequence[int] | None) -> str | tuple[int, ...] | None:
    """Version for images of a field with one number per axis; strings and None stay as they are."""
    return value if value is None or isinstance(value, str) else tuple(value[-2:])


@dataclass(frozen=True)
class MViTArch:
    """Architecture of an MViT for video; :meth:`for_images` returns the one for images.

    Args:
        embed_dims: Channels of the first stage.
        num_heads: Number of attention heads of the first stage.
        depths: Number of blocks in each stage.
        patch_kernel: Kernel of the patch embedding per axis.
        patch_stride: Stride of the patch embedding per axis.
        patch_padding: Padding of the patch embedding per axis.
        pool_mode: Pooling of queries, keys and values: 'max', 'avg' or 'conv' (MViT, table 15).
        pool_kernel: Kernel of that pooling per axis, or a function of the stride: 's', 's+1', '2s+1'.
        q_stride: Stride of query pooling at the start of each later stage, per axis.
        q_pool: Number of stage transitions that pool, counted from the first; None for all. Masked pre-training uses 2.
        kv_stride: Stride of key and value pooling in the first stage, per axis; 'none' for no such pooling.
        adaptive_kv: Whether `kv_stride` shrinks with the resolution (MViT, table 14).
        full_q_pool: Whether queries are pooled in all blocks, with stride 1 within a stage (MViTv2, table A.7).
        full_kv_pool: Whether keys and values are also pooled where `kv_stride` has shrunk to 1.
        residual_pooling: Whether pooled queries are added to the output of attention (MViTv2, table A.7): True leaves
            out the class token, like the public code of both papers; 'all' includes it, like timm's port.
        with_cls_token: Whether a class token precedes the others.
        abs_pos: Absolute position embedding: 'none', 'space', 'joint' or 'separate' (MViT, table 11).
        pos_mode: Interpolation of absolute positions in space, 'bilinear' or 'bicubic'.
        rel_pos: Kind of relative positions: 'none', 'time', 'space', 'decomposed', 'joint_space' or 'joint' (MViTv2,
            table A.6).
        rel_pos_terms: Which of 'q', 'k', 'v' have relative positions (MViTv2, table A.4).
        expand_in: Where channels expand: 'mlp' at the end of a stage or 'attn' at the start of the next.
        transition_skip: Skip connection where channels expand: 'norm' for the normalized input, 'plain' for the input,
            both through a linear layer, 'none' for no skip connection (MViT, table A.1).
        dim_mul: Factor of channels from stage to stage.
        head_mul: Factor of heads from stage to stage.
        mlp_ratio: Ratio of an MLP's hidden channels to its input channels.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        window_size: Side of the windows of hybrid window attention in tokens of the first stage, for images of any size
            in detection: see :func:`hybrid_window`. None for global attention everywhere.
        coarse_last_kv: Whether the last block of each inner stage from the second on, which attends globally in
            detection, pools keys and values with twice the stride. Defaults to True if there are windows, else False.
        mask_unit_size: Tokens of a mask unit in the first stage per axis, for masked pre-training. Units are pooled
            separately, each padded with zeros, so that nothing leaks between them: "separate-and-pad", in training and
            inference (SMViT, arXiv:2306.00989, figure 4d and section 3.2). None for no mask units.

    Raises:
        ValueError: For an unknown choice or for fields that contradict each other; names both.
    """

    embed_dims: Channels
    num_heads: Heads
    depths: Depths
    patch_kernel: Strides = (3, 7, 7)
    patch_stride: Strides = (2, 4, 4)
    patch_padding: Paddings = (1, 3, 3)
    pool_mode: Literal['max', 'avg', 'conv'] = 'conv'
    pool_kernel: Literal['s', 's+1', '2s+1'] | Strides = (3, 3, 3)
    q_stride: Strides = (1, 2, 2)
    q_pool: Annotated[int, Range(0, 64)] | None = None
    kv_stride: Literal['none'] | Strides = (1, 8, 8)
    adaptive_kv: bool = True
    full_q_pool: bool = False
    full_kv_pool: bool = True
    residual_pooling: Literal[True, False, 'all'] = False
    with_cls_token: bool = True
    abs_pos: Literal['none', 'space', 'joint', 'separate'] = 'separate'
    pos_mode: Literal['bilinear', 'bicubic'] = 'bilinear'
    rel_pos: Literal['none', 'time', 'space', 'decomposed', 'joint_space', 'joint'] = 'none'
    rel_pos_terms: Sequence[Literal['q', 'k', 'v']] = ('q',)
    expand_in: Literal['mlp', 'attn'] = 'mlp'
    transition_skip: Literal['norm', 'plain', 'none'] = 'norm'
    dim_mul: Factor = 2.0
    head_mul: Factor = 2.0
    mlp_ratio: Ratio = 4.0
    qkv_bias: bool = True
    window_size: Side | None = None
    coarse_last_kv: bool | None = None
    mask_unit_size: Strides | None = None

    def __post_init__(self) -> None:
        check_fields('MViT', self)
        check_hidden('MViT', self.embed_dims, self.mlp_ratio)
        for stage, (dims, heads) in enumerate(zip(self.stage_dims, self.stage_heads, strict=True)):
            if heads < 1 or dims < 1 or dims % heads:
                raise ValueError(
                    f'MViT: {heads} heads do not divide {dims} channels of stage {stage}: change num_heads, '
                    'head_mul, embed_dims or dim_mul'
                )
        terms, window = tuple(self.rel_pos_terms), f'window_size={self.window_size}'
        if not terms:
            raise ValueError("MViT: rel_pos_terms=() needs one or more of 'q', 'k', 'v'")
        joint = self.rel_pos.startswith('joint')
        self._refuse({
            f"{window} with pool_kernel='s': pooled windows do not fit every image size": (
                bool(self.window_size) and self.pool_kernel == 's'
            ),
            f'{window} with with_cls_token=True: a class token belongs to no window': (
                bool(self.window_size) and self.with_cls_token
            ),
            f'{window} with rel_pos={self.rel_pos!r}: a joint table does not fit every image size; '
            '"space" does': bool(self.window_size) and joint,
            f'rel_pos={self.rel_pos!r} with rel_pos_terms={terms}: a table of several axes is for queries only': (
                joint and terms != ('q',)
            ),
            f'full_q_pool=True with pool_kernel={self.pool_kernel!r}: a kernel that follows the stride pools nothing '
            'where the stride is 1; give a fixed one': self.full_q_pool and isinstance(self.pool_kernel, str),
            f'q_pool={self.q_pool} with {len(self.depths)} stages: choose from 0 to {len(self.depths) - 1}': (
                self.q_pool is not None and self.q_pool >= len(self.depths)
            ),
            f'{window} with q_pool={self.q_pool}: windows shrink at every transition': (
                bool(self.window_size) and self.q_pool is not None
            ),
        } | {
            f'mask_unit_size={self.mask_unit_size} with {setting}: {reason}': self.mask_unit_size is not None and found
            for setting, reason, found in (
                ('with_cls_token=True', 'a class token belongs to no mask unit', self.with_cls_token),
                (window, 'attention is over all mask units', bool(self.window_size)),
                (f'rel_pos={self.rel_pos!r}', 'deleted mask units leave no grid', self.rel_pos != 'none'),
            )
        })  # fmt: skip

    @staticmethod
    def _refuse(contradictions: Mapping[str, bool]) -> None:
        for text, found in contradictions.items():
            if found:
                raise ValueError(f'MViT: {text}')

    @property
    def stage_dims(self) -> list[int]:
        """Channels of each stage."""
        return list(accumulate(self.depths[1:], lambda dims, _: int(dims * self.dim_mul), initial=self.embed_dims))

    @property
    def stage_heads(self) -> list[int]:
        """Number of attention heads of each stage."""
        return list(accumulate(self.depths[1:], lambda heads, _: int(heads * self.head_mul), initial=self.num_heads))

    @property
    def num_poolings(self) -> int:
        """Number of stage transitions that pool."""
        return len(self.depths) - 1 if self.q_pool is None else self.q_pool

    def for_images(self) -> 'MViTArch':
        """The same, without time. Keys are pooled half as much (MViT, table A.3), and positions are joint."""
        axes = {name: getattr(self, name) for name in PER_AXIS}
        axes = {name: last_two_axes(value) for name, value in axes.items()}
        if self.kv_stride != 'none':
            axes['kv_stride'] = tuple(max(stride // 2, 1) for stride in axes['kv_stride'])
        return replace(self, **axes, abs_pos='joint' if self.abs_pos == 'separate' else self.abs_pos)

    def check_input(self, input_size: Sequence[int]) -> None:
        """Check that the architecture suits an input of `input_size`; both must have the same axes.

        Raises:
            ValueError: If it has video settings for images or vice versa, or strides that leave no token.
        """
        images, size = len(input_size) == 2, f'input_size={tuple(input_size)}'
        self._refuse({
            f"abs_pos='separate' with {size}: images have no time, use 'joint'": images and self.abs_pos == 'separate',
            f"rel_pos='time' with {size}: images have no time, use 'space'": images and self.rel_pos == 'time',
            f'window_size={self.window_size} with {size}: windows are for images': (
                bool(self.window_size) and not images
            ),
        })  # fmt: skip
        grid = tuple(n // stride for n, stride in zip(input_size, self.patch_stride, strict=True))
        q_stride, kv_stride = tuple(self.q_stride), self.kv_stride
        kv = (1,) * len(grid) if isinstance(kv_stride, str) else tuple(kv_stride)
        if min(*q_stride, *kv) < 1:
            raise ValueError(f'MViT: q_stride={q_stride} and kv_stride={kv_stride} must be 1 or more')
        # the pooling of the skip connection has kernel s + 1, or none where the stride is 1
        sides = () if isinstance(self.pool_kernel, str) else zip(self.pool_kernel, q_stride, strict=True)
        if any((kernel - (stride + 1 if stride > 1 else 1)) % 2 for kernel, stride in sides):
            raise ValueError(
                f'MViT: pool_kernel={tuple(self.pool_kernel)} with q_stride={q_stride} pools queries to a different '
                'size than the skip connection: use an odd kernel where the stride is 1 or even, an even one elsewhere'
            )
        transitions = self.num_poolings
        total = tuple(stride**transitions for stride in q_stride)
        if any(n < stride for n, stride in zip(grid, total, strict=True)):
            smallest = tuple(q * patch for q, patch in zip(total, self.patch_stride, strict=True))
            raise ValueError(
                f'MViT: q_stride={q_stride} in {transitions} transitions leaves no token of the grid {grid} of {size}: '
                f'use a size of at least {smallest}'
            )
        if any(n < stride for n, stride in zip(grid, kv, strict=True)):
            raise ValueError(
                f'MViT: kv_stride={kv} leaves no token of the grid {grid} of {size}: use a smaller stride or '
                'kv_stride="none"'
            )
        if self.mask_unit_size is not None:
            self._check_units(tuple(self.mask_unit_size))

    def _check_units(self, unit: tuple[int, ...]) -> None:
        for spec in self.blocks(unit):
            for pool in filter(None, (spec.q_pool, spec.kv_pool, spec.skip_pool)):
                sides = [(n, pool['kernel'][i], pool['stride'][i], pool['padding'][i]) for i, n in enumerate(spec.grid)]
                if any(n % s or (n + 2 * p - k) // s + 1 != n // s for n, k, s, p in sides):
                    raise ValueError(
                        f'MViT: mask_unit_size={unit} becomes {spec.grid} tokens, which a '
                        f'pooling of kernel {pool["kernel"]} and stride {pool["stride"]} does not reduce to one per '
                        'stride: use a larger or different mask unit, a smaller kv_stride or q_pool, or odd kernels'
                    )

    def check_grid(self, grid: Sequence[int]) -> None:
        """Check that no pooling kernel is larger than its grid, as can happen without padding.

        Raises:
            ValueError: If one is; names what would do.
        """
        if self.pool_kernel != 's':
            return
        for stage in range(len(self.depths)):
            for coarse in (False, True) if stage else (False,):
                stride = self._kv_stride(stage, coarse) or (1,) * len(grid)
                if any(n < side for n, side in zip(grid, stride, strict=True)):
                    raise ValueError(
                        f"MViT: pool_kernel='s' with kv_stride={self.kv_stride} pools {stride} tokens of the grid "
                        f"{tuple(grid)} of stage {stage}: a larger input, a smaller kv_stride or pool_kernel='s+1' "
                        'would do'
                    )
            if stage < self.num_poolings:
                grid = tuple(n // q for n, q in zip(grid, self.q_stride, strict=True))
            if min(grid) < 1 and stage < len(self.depths) - 1:
                raise ValueError(
                    f"MViT: pool_kernel='s' with q_stride={self.q_stride} leaves no token after stage {stage}: a "
                    "larger input, a smaller q_stride or pool_kernel='s+1' would do"
                )

    def blocks(self, grid: Sequence[int], drop_path_rate: float = 0.0) -> list[BlockSpec]:
        """All blocks, in order.

        Args:
            grid: Token grid of the patch embedding.
            drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.

        Raises:
            ValueError: If a pooling cuts a window.
        """
        places = [(stage, index) for stage, depth in enumerate(self.depths) for index in range(depth)]
        rates = drop_path_rates(drop_path_rate, len(places))
        return [self._block(*place, grid, rate) for place, rate in zip(places, rates, strict=True)]

    def _block(self, stage: int, index: int, grid: Sequence[int], drop_path_rate: float) -> BlockSpec:
        depth, dims = self.depths[stage], self.stage_dims
        # whether the block starts a stage after the first, whether another stage follows it
        starts, ends = stage > 0 and index == 0, index == depth - 1 and stage < len(self.depths) - 1
        pools = starts and stage <= self.num_poolings
        stride = tuple(self.q_stride) if pools else (1,) * len(grid)
        kv_stride = self._kv_stride(stage, coarse=stage > 0 and ends)
        window = hybrid_window(self.window_size, stage, index, depth)
        if window and any(window % s for s in (*stride, *(kv_stride or ()))):
            raise ValueError(
                f'MViT: poolings of stage {stage} (q_stride={stride}, kv_stride={kv_stride}) cut its windows of '
                f'{window} tokens: a window_size of 56 would do with the default strides'
            )
        return BlockSpec(
            in_dims=dims[stage - 1] if starts and self.expand_in == 'attn' else dims[stage],
            attn_dims=dims[stage],
            out_dims=dims[stage + 1] if ends and self.expand_in == 'mlp' else dims[stage],
            num_heads=self.stage_heads[stage],
            grid=tuple(
                n // s ** min(stage - starts, self.num_poolings) for n, s in zip(grid, self.q_stride, strict=True)
            ),
            q_pool=pool_shape(stride, self.pool_kernel) if pools or self.full_q_pool else None,
            kv_pool=pool_shape(kv_stride, self.pool_kernel) if kv_stride else None,
            skip_pool=pool_shape(stride, 's' if self.pool_kernel == 's' else 's+1'),
            window_size=window,
            drop_path_rate=drop_path_rate,
        )

    def _kv_stride(self, stage: int, coarse: bool) -> tuple[int, ...] | None:
        if isinstance(self.kv_stride, str):
            return None
        stride = tuple(self.kv_stride)
        if self.adaptive_kv:
            poolings = min(stage, self.num_poolings)
            stride = tuple(max(k // q**poolings, 1) for k, q in zip(stride, self.q_stride, strict=True))
        coarse_last_kv = bool(self.window_size) if self.coarse_last_kv is None else self.coarse_last_kv
        stride = tuple(2 * s for s in stride) if coarse and coarse_last_kv else stride
        return stride if max(stride) > 1 or self.full_kv_pool else None


@dataclass(frozen=True)
class MViTv2Arch(MViTArch):
    """Architecture of an MViTv2: :class:`MViTArch` with other defaults (MViTv2, section 4.1 and appendix B.1)."""

    full_q_pool: bool = True
    residual_pooling: Literal[True, False, 'all'] = True
    with_cls_token: bool = False
    abs_pos: Literal['none', 'space', 'joint', 'separate'] = 'none'
    rel_pos: Literal['none', 'time', 'space', 'decomposed', 'joint_space', 'joint'] = 'decomposed'
    expand_in: Literal['mlp', 'attn'] = 'attn'


VERSIONS = {1: MViTArch, 2: MViTv2Arch}
# MViT, section 3.3, tables 3 and 17; MViTv2, section 4.4
ARCHS = {
    'small': MViTArch(
        embed_dims=128,
        num_heads=1,
        depths=(3, 7, 6),
        patch_kernel=(3, 8, 8),
        patch_stride=(2, 8, 8),
        patch_padding=(1, 0, 0),
        kv_stride=(1, 4, 4),
    ),
    'base': MViTArch(embed_dims=96, num_heads=1, depths=(1, 2, 11, 2)),
    'base_24': MViTArch(embed_dims=96, num_heads=1, depths=(2, 3, 16, 3)),
    'base_24_wide': MViTArch(embed_dims=112, num_heads=1, depths=(2, 3, 16, 3)),
    # the baseline, a ViT for video: a single stage without pooling (MViT, tables 1 and 3a)
    'vit_base': MViTArch(
        embed_dims=768,
        num_heads=12,
        depths=(12,),
        patch_kernel=(1, 16, 16),
        patch_stride=(1, 16, 16),
        patch_padding=(0, 0, 0),
        pool_mode='max',
        pool_kernel='s+1',
        kv_stride='none',
        abs_pos='joint',
        dim_mul=1.0,
        head_mul=1.0,
    ),
    'v2_tiny': MViTv2Arch(embed_dims=96, num_heads=1, depths=(1, 2, 5, 2)),
    'v2_small': MViTv2Arch(embed_dims=96, num_heads=1, depths=(1, 2, 11, 2)),
    'v2_base': MViTv2Arch(embed_dims=96, num_heads=1, depths=(2, 3, 16, 3)),
    'v2_large': MViTv2Arch(embed_dims=144, num_heads=2, depths=(2, 6, 36, 4)),
    'v2_huge': MViTv2Arch(embed_dims=192, num_heads=3, depths=(4, 8, 60, 8)),
}


def resolve_mvit_arch(
    arch: str | Mapping | MViTArch, images: bool = False, owner: str = 'MViT', **overrides
) -> MViTArch:
    """The architecture of a model for video or for images.

    Args:
        arch: Name in `ARCHS`, an :class:`MViTArch`, or its fields as a dict with `version`, 1 for MViT or 2 for MViTv2.
        images: Whether to drop the time axis of `arch`; `overrides` are used as they are. Defaults to False.
        owner: Name of the model, for messages.
        **overrides: Fields that differ from `arch`.

    Raises:
        ValueError: See :func:`resolve_arch` and :class:`MViTArch`.
    """
    given = {}
    if isinstance(arch, Mapping):
        given = dict(arch)
        version = given.pop('version', None)
        if version not in VERSIONS:
            raise ValueError(f'{owner}: an arch as a dict needs a version, 1 for MViT or 2 for MViTv2, got {version!r}')
        size = {name: given.pop(name) for name in ('embed_dims', 'num_heads', 'depths') if name in given}
        arch = resolve_arch(owner, size, ARCHS, VERSIONS[version])
    arch = resolve_arch(owner, arch, ARCHS, MViTArch)
    if images:
        arch = arch.for_images()
        given = {name: last_two_axes(value) if name in PER_AXIS else value for name, value in given.items()}
    return resolve_arch(owner, arch, ARCHS, MViTArch, **given | overrides)


class MViTBlock(BaseModule):
    """Transformer block of pooling attention and an MLP; either may expand the channels (MViT, 3.2; MViTv2, B.1).

    Args:
        spec: Shape of the block.
        arch: Architecture that the block is part of.
        norm_cfg: Config of the norms.
    """

    def __init__(self, spec: BlockSpec, arch: MViTArch, norm_cfg: dict):
        super().__init__()
        self.transition_skip, self.prefix = arch.transition_skip, int(arch.with_cls_token)
        self.expands_in_attn, self.expands_in_mlp = spec.in_dims != spec.attn_dims, spec.attn_dims != spec.out_dims
        self.norm1 = build_norm_layer(norm_cfg, spec.in_dims)[1]
        self.attn = PoolingAttention(
            in_dims=spec.in_dims,
            out_dims=spec.attn_dims,
            num_heads=spec.num_heads,
            grid=spec.grid,
            q_pool=spec.q_pool,
            kv_pool=spec.kv_pool,
            pool_mode=arch.pool_mode,
            rel_pos=arch.rel_pos,
            rel_pos_terms=arch.rel_pos_terms,
            residual_pooling=arch.residual_pooling,
            window_size=spec.window_size,
            with_cls_token=arch.with_cls_token,
            qkv_bias=arch.qkv_bias,
            norm_cfg=norm_cfg,
            in_units=arch.mask_unit_size is not None,
        )
        self.pool_skip = None
        if spec.skip_pool:
            self.pool_skip = Pooling(
                head_dims=0, mode='max', norm_cfg=norm_cfg, in_units=self.attn.in_units, **spec.skip_pool
            )
        self.norm2 = build_norm_layer(norm_cfg, spec.attn_dims)[1]
        self.mlp = Mlp(spec.attn_dims, int(spec.attn_dims * arch.mlp_ratio), spec.out_dims)
        self.drop_path = DropPath(spec.drop_path_rate)
        if arch.transition_skip != 'none' and (self.expands_in_attn or self.expands_in_mlp):
            self.proj = nn.Linear(spec.in_dims, spec.out_dims)

    def forward(self, x: Tensor, grid: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        """(N, L, in_dims) on a grid -> (N, L', out_dims) and its grid; with mask units, grids are those of one unit."""
        normed = self.norm1(x)
        attended, new_grid = self.attn(normed, grid)
        skip = self._skip(x, normed, self.expands_in_attn)
        if self.pool_skip is not None and skip is not None:
            skip = self.pool_skip(skip, grid, num_heads=1, prefix=self.prefix)[0][:, 0]
        x = self._add(skip, attended)
        normed = self.norm2(x)
        return self._add(self._skip(x, normed, self.expands_in_mlp), self.mlp(normed)), new_grid

    def _skip(self, x: Tensor, normed: Tensor, expands: bool) -> Tensor | None:
        if not expands:
            return x
        return None if self.transition_skip == 'none' else self.proj(normed if self.transition_skip == 'norm' else x)

    def _add(self, skip: Tensor | None, branch: Tensor) -> Tensor:
        # without a skip connection, dropping the branch would leave nothing
        return branch if skip is None else skip + self.drop_path(branch)


class TokenState(NamedTuple):
    """Tokens on their way through the blocks.

    Attributes:
        tokens: (N, L, C), the class token first; mask units follow one another.
        grid: Grid of the tokens, or of one mask unit's tokens.
        counts: Mask units per axis; None without mask units, () if some are deleted, so that there is no map.
    """

    tokens: Tensor
    grid: tuple[int, ...]
    counts: tuple[int, ...] | None = None


@MODELS.register_module()
class MViT(MaskedBackbone):
    """MViT and MViTv2 backbone for images and video.

    Args:
        arch: 'small', 'base', 'base_24', 'base_24_wide', 'v2_tiny', 'v2_small', 'v2_base', 'v2_large', 'v2_huge', or
            'vit_base', the ViT that MViT is compared with; an :class:`MViTArch`; or its fields as a dict, with
            `version`, 1 for MViT or 2 for MViTv2. For images its time axis is dropped: see :meth:`MViTArch.for_images`.
        input_size: (T, H, W) or (H, W) that position embeddings are built for. Defaults to (16, 224, 224).
        in_channels: Channels of the input. Defaults to 3.
        drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.
        norm_cfg: Config of the norms.
        with_cp: See :class:`Backbone`; a list of stages recomputes only those. Defaults to False.
        out_indices: Stages to return. Each has a norm of its own, `norm` for the last and `norm0` … for the others.
            Defaults to the last.
        out_type: 'cls_token' (N, C), the default with a class token; 'avg_featmap' (N, C), the mean over the grid, the
            default without; 'featmap' (N, C, [T,] H, W); 'raw' (N, L, C), the class token first. All are normalized.
            With `expand_in='mlp'`, all stages but the last have the channels of the next.
        mean_before_norm: Whether 'avg_featmap' averages tokens before the norm. Defaults to False.
        frozen_stages: See :class:`Backbone`. Defaults to -1.
        as_tuple: Whether to return a tuple or the tensor of a single output; see :class:`Backbone`. Defaults to True.
        init_cfg: See :class:`Backbone`.
        **overrides: Fields of :class:`MViTArch` that differ from `arch`.

    Raises:
        ValueError: For an unknown arch or option, a size that the patch stride does not divide, or settings that
            contradict each other; names both.

    Example:
        >>> model = MViT('v2_small', input_size=(16, 224, 224), out_indices=(0, 1, 2, 3), out_type='featmap')
        >>> for stage in model(torch.rand(1, 3, 16, 224, 224)):
        ...     print(tuple(stage.shape))
        (1, 96, 8, 56, 56)
        (1, 192, 8, 28, 28)
        (1, 384, 8, 14, 14)
        (1, 768, 8, 7, 7)
    """

    def __init__(
        self,
        arch: Annotated[str | Mapping | MViTArch, Says(': give a name, a dict or an MViTArch')] = 'v2_small',
        input_size: Size = (16, 224, 224),
        in_channels: Channels = 3,
        drop_path_rate: Rate = 0.0,
        norm_cfg: TokenNorm = dict(type='LN', eps=1e-6),
        with_cp: Recomputed = False,
        out_indices: Index | Sequence[Index] = (-1,),
        out_type: OutType | None = None,
        mean_before_norm: bool = False,
        frozen_stages: FrozenStages = -1,
        as_tuple: bool = True,
        init_cfg: InitCfg = None,
        **overrides: Annotated[Any, PassedTo(MViTArch)],
    ):
        arch = resolve_mvit_arch(arch, len(input_size) == 2, owner=type(self).__name__, **overrides)
        super().__init__(
            input_size=input_size,
            patch_stride=arch.patch_stride,
            depths=arch.depths,
            out_indices=out_indices,
            out_type=('cls_token' if arch.with_cls_token else 'avg_featmap') if out_type is None else out_type,
            has_cls_token=arch.with_cls_token,
            frozen_stages=frozen_stages,
            as_tuple=as_tuple,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )
        axes = {name: getattr(arch, name) for name in PER_AXIS if name != 'patch_stride'}
        self.check_axes(**{k: v for k, v in axes.items() if v is not None and not isinstance(v, str)})
        arch.check_input(self.input_size)
        self.arch, self.mean_before_norm = arch, mean_before_norm
        self.mask_unit_size = tuple(arch.mask_unit_size or ())
        self.q_stride, self.q_pool = tuple(arch.q_stride), arch.num_poolings
        if self.mask_unit_size:
            self.unit_grid(self.input_size)
        grid = self.token_grid(self.input_size)
        arch.check_grid(grid)
        specs = arch.blocks(grid, drop_path_rate)

        self.patch_embed = PatchEmbed(
            in_channels=in_channels,
            embed_dims=arch.embed_dims,
            kernel=arch.patch_kernel,
            stride=arch.patch_stride,
            padding=arch.patch_padding,
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, arch.embed_dims)) if arch.with_cls_token else None
        self.pos_embed = None
        if arch.abs_pos != 'none':
            self.pos_embed = PositionEmbedding(
                arch.embed_dims, grid, kind=arch.abs_pos, with_cls_token=arch.with_cls_token, mode=arch.pos_mode
            )
        self.blocks = ModuleList(MViTBlock(spec, arch, norm_cfg) for spec in specs)
        self.stage_dims = [specs[last].out_dims for last in self.last_blocks]
        self.embed_dims = self.stage_dims[-1]
        for stage in self.out_indices:
            self.add_module(self.norm_name(stage), build_norm_layer(norm_cfg, self.stage_dims[stage])[1])
        self.freeze()

    def init_weights(self) -> None:
        """Initialize as the paper or `init_cfg` says, then load checkpoints of `init_cfg`."""
        if self.cls_token is not None:
            nn.init.trunc_normal_(self.cls_token, std=0.02)
        super().init_weights()

    def paper_init_cfg(self) -> list[dict]:
        """As in the public code: weights from a truncated normal, biases of linear layers and norms 0.02."""
        return [
            dict(type='TruncNormal', layer=['Conv2d', 'Conv3d', 'Pooling'], std=0.02),
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.02),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.02),
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        """(N, C, [T,] H, W) -> one tensor for each of `out_indices`, in the shape of `out_type`.

        Raises:
            ValueError: If the patch stride does not divide the size.
        """
        grid = self.input_grid(x)
        self.arch.check_grid(grid)
        state = TokenState(self._embed(x, grid), grid)
        if self.mask_unit_size:
            counts = self.unit_grid(as_numbers(x.shape[2:]))
            state = self._in_units(state, self.mask_unit_size, counts)
        return self.pack(self._output(stage, self._in_rows(state)) for stage, state in self.run_stages(state))

    def forward_units(self, x: Tensor, visible: Tensor, mask_token: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run all stages on the visible mask units alone, each padded on its own for poolings (SMViT, figure 4d).

        See :class:`MaskedBackbone`; the architecture must have `mask_unit_size`.
        """
        tokens, units = self.embed_units(x, visible, self.unit_grid(as_numbers(x.shape[2:])), mask_token)
        states = self.run_stages(
            TokenState(tokens.flatten(1, 2), self.mask_unit_size, ()), range(len(self.last_blocks))
        )
        return tuple(state.tokens.unflatten(1, (units, *state.grid)) for _, state in states)

    def _in_units(self, state: TokenState, unit: tuple[int, ...], counts: tuple[int, ...]) -> TokenState:
        """Tokens of a grid in the order of its mask units."""
        x = split_windows(state.tokens.unflatten(1, state.grid), unit)
        return TokenState(x.unflatten(0, (-1, math.prod(counts))).flatten(1, 2), unit, counts)

    def _in_rows(self, state: TokenState) -> TokenState:
        """Tokens in row-major order of the whole grid."""
        if state.counts is None:
            return state
        grid = tuple(count * side for count, side in zip(state.counts, state.grid, strict=True))
        return TokenState(merge_windows(state.tokens, state.grid, grid).flatten(1, -2), grid)

    def _embed(self, x: Tensor, grid: Sequence[int]) -> Tensor:
        """Tokens (N, L, C) with absolute positions, the class token first."""
        x = self.patch_embed(x)  # (N, [T,] H, W, C)
        if self.pos_embed is not None:
            x = x + self.pos_embed(grid)
        x = x.flatten(1, -2)
        if self.cls_token is None:
            return x
        first = self.cls_token if self.pos_embed is None else self.cls_token + self.pos_embed.cls
        return torch.cat([first.expand(x.shape[0], -1, -1), x], 1)

    def step(self, block: MViTBlock, state: TokenState) -> TokenState:
        """Run one block; see :meth:`Backbone.run_stages`."""
        tokens, grid = self.run_block(block, state.tokens, state.grid)
        return TokenState(tokens, grid, state.counts)

    def route_map(self, stage: int, state: TokenState) -> TokenState:
        """Send a stage's tokens through `stage_maps[stage]` if that is hooked; deleted units leave no map."""
        if state.counts == () or not self.stage_maps[stage].in_use:
            return state
        rows = self._in_rows(state)
        first, x = rows.tokens[:, : self.num_extra_tokens], rows.tokens[:, self.num_extra_tokens :]
        x = torch.cat([first, self.show_map(stage, x.unflatten(1, tuple(rows.grid))).flatten(1, -2)], 1)
        rows = TokenState(x, rows.grid)
        return rows if state.counts is None else self._in_units(rows, state.grid, state.counts)

    def _output(self, stage: int, state: TokenState) -> Tensor:
        x, grid = state.tokens, state.grid
        norm = getattr(self, self.norm_name(stage))
        if self.out_type == 'cls_token':
            return norm(x[:, 0])
        if self.out_type == 'raw':
            return norm(x)
        x = x[:, self.num_extra_tokens :]
        if self.out_type == 'avg_featmap' and self.mean_before_norm:
            return norm(self.format_output(x.unflatten(1, grid)))
        # normalized as a sequence: tools mistake four axes for a map
        return self.format_output(norm(x).unflatten(1, grid))
