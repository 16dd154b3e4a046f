"""SMViT, released as Hiera: "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles".

https://arxiv.org/abs/2306.00989; sections, figures and tables cited here are that paper's.

Plain transformer blocks in four stages. Between stages channels double and space is max-pooled 2×2; the first two
stages attend within mask units, the others globally (figure 2). Apart from the patch embedding there are no
convolutions, no shifted windows and no relative positions: masked pre-training learns what these would provide. Tokens
are kept in the unit order of :mod:`mmhvt.models.layers.mask_units`, in which pooling and local attention are views.

Shapes: N batch, C channels, T frames, H height, W width, L tokens in unit order, K mask units.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import (
    MaskUnitOrder,
    Mlp,
    PatchEmbed,
    PositionEmbedding,
    as_numbers,
    attend,
    build_layer_scale,
    check_mask_unit_size,
    drop_path_rates,
    max_pool_tokens,
    mean_pool_tokens,
    merge_heads,
    pool_valid,
    split_heads,
)
from mmhvt.registry import MODELS
from mmhvt.utils import check_choice, check_fields
from mmhvt.utils.option_configs import InitCfg, TokenNorm
from mmhvt.utils.option_types import (
    Channels,
    Depths,
    Factor,
    Heads,
    Index,
    LayerScaleValue,
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

# defaults with one number per axis, (T, H, W); images use the last two
PER_AXIS = dict(
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
    mask_unit_size=(1, 8, 8),
    q_stride=(1, 2, 2),
)


@dataclass(frozen=True)
class BlockSpec:
    """What distinguishes one block of SMViT from the others.

    Attributes:
        stage: Stage, from 0.
        in_dims, out_dims: Channels before and after the block.
        num_heads: Number of attention heads.
        q_stride: Number of tokens that query pooling joins, over all axes; 1 for none.
        mask_unit: Number of tokens of the mask unit that the block attends within, or None for global attention.
        drop_path_rate: Stochastic depth rate.
    """

    stage: int
    in_dims: int
    out_dims: int
    num_heads: int
    q_stride: int
    mask_unit: int | None
    drop_path_rate: float


@dataclass(frozen=True)
class SMViTArch:
    """Architecture of an SMViT. Settings per axis are for (T, H, W), or (H, W) for images.

    Args:
        embed_dims: Channels of the first stage.
        num_heads: Number of attention heads of the first stage.
        depths: Number of blocks in each stage.
        patch_kernel: Kernel of the patch embedding per axis. Defaults to 7×7, over 3 frames for video.
        patch_stride: Stride of the patch embedding per axis. Defaults to 4×4, and 2 frames for video.
        patch_padding: Padding of the patch embedding per axis. Defaults to 3×3, and 1 frame for video.
        mask_unit_size: Tokens of a mask unit in stage 1 per axis. Defaults to 8×8 of one time step.
        q_stride: Stride of a query pooling per axis. Defaults to 2×2 in space.
        q_pool: Number of stage transitions that pool. Defaults to 3; masked pre-training uses 2.
        mask_unit_attn: Whether each stage attends within mask units rather than globally. Defaults to the first two.
        pos_embed: Kind of position embedding, 'joint', 'separate' or, for images, 'windowed', see
            :class:`~mmhvt.models.layers.PositionEmbedding`. 'windowed' is tiled by the mask unit, for images much
            larger than in training. Defaults to 'separate' for video and 'joint' for images.
        pos_grid: (H, W) of the resized table of 'windowed'. Defaults to the token grid of the input.
        dim_mul: Factor of the channels at a stage transition. Defaults to 2.
        head_mul: Factor of the attention heads at a stage transition. Defaults to 2.
        mlp_ratio: Ratio of hidden to output channels of an MLP. Defaults to 4.
        layer_scale: Initial value of layer scale, or None for no layer scale. Defaults to None.
        expand: How the shortcut doubles its channels: 'linear', by a linear layer (the paper), or 'pool', by
            concatenating the max and the mean of the tokens that pooling joins (timm's `use_expand_proj=False`).
            Defaults to 'linear'.

    Raises:
        ValueError: If settings contradict each other.
    """

    embed_dims: Channels
    num_heads: Heads
    depths: Depths
    patch_kernel: Strides | None = None
    patch_stride: Strides | None = None
    patch_padding: Paddings | None = None
    mask_unit_size: Strides | None = None
    q_stride: Strides | None = None
    q_pool: Annotated[int, Range(0, 64)] = 3
    mask_unit_attn: Sequence[bool] = (True, True, False, False)
    pos_embed: Literal['joint', 'separate', 'windowed'] | None = None
    pos_grid: Sequence[Side] | None = None
    dim_mul: Factor = 2.0
    head_mul: Factor = 2.0
    mlp_ratio: Ratio = 4.0
    layer_scale: LayerScaleValue | None = None
    expand: Literal['linear', 'pool'] = 'linear'

    def __post_init__(self):
        check_fields('SMViT', self)
        check_hidden('SMViT', self.embed_dims, self.mlp_ratio)
        if len(self.mask_unit_attn) != len(self.depths) or not 0 <= self.q_pool < len(self.depths):
            raise ValueError(
                f'SMViT with {len(self.depths)} stages: mask_unit_attn needs {len(self.depths)} entries, got '
                f'{tuple(self.mask_unit_attn)}, and q_pool is 0 to {len(self.depths) - 1}, got {self.q_pool}'
            )
        if self.expand == 'pool' and self.dim_mul != 2:
            raise ValueError(f"SMViT: expand='pool' doubles the channels, which dim_mul={self.dim_mul} does not")

    def for_input(self, input_size: Sequence[int]) -> 'ResolvedSMViTArch':
        """Fill in the defaults of images (H, W) or video (T, H, W).

        Raises:
            ValueError: If the position embedding does not suit images or video.
        """
        axes = len(input_size)
        kind = self.pos_embed or ('separate' if axes == 3 else 'joint')
        check_choice('SMViT', 'pos_embed', kind, ('joint', 'separate', *(() if axes == 3 else ('windowed',))))
        if kind == 'separate' and axes == 2:
            raise ValueError(
                "SMViT: pos_embed='separate': position embeddings separate in space and time need a (T, H, W) grid; "
                "images have 'joint'"
            )
        if self.pos_grid is not None and (kind != 'windowed' or len(self.pos_grid) != 2):
            raise ValueError(
                f'SMViT: pos_grid={self.pos_grid} with pos_embed={kind!r}: pos_grid is the (H, W) of the resized table '
                "of pos_embed='windowed'"
            )
        sizes = {key: tuple(getattr(self, key) or value[-axes:]) for key, value in PER_AXIS.items()}
        return ResolvedSMViTArch(**vars(self) | sizes | dict(pos_embed=kind))


@dataclass(frozen=True, kw_only=True)
class ResolvedSMViTArch(SMViTArch):
    """Architecture for images or for video, as returned by :meth:`SMViTArch.for_input`: none of these is None."""

    patch_kernel: tuple[int, ...]
    patch_stride: tuple[int, ...]
    patch_padding: tuple[int, ...]
    mask_unit_size: tuple[int, ...]
    q_stride: tuple[int, ...]
    pos_embed: Literal['joint', 'separate', 'windowed']

    def blocks(self, drop_path_rate: float = 0.0) -> list[BlockSpec]:
        """All blocks, in order.

        Raises:
            ValueError: If heads do not divide channels, or poolings leave nothing of a mask unit.
        """
        rates = drop_path_rates(drop_path_rate, sum(self.depths))
        dims, heads, unit = self.embed_dims, self.num_heads, math.prod(self.mask_unit_size)
        specs: list[BlockSpec] = []
        for stage, depth in enumerate(self.depths):
            for index in range(depth):
                enters = stage > 0 and index == 0
                in_dims, q_stride = dims, math.prod(self.q_stride) if enters and stage <= self.q_pool else 1
                if enters:
                    dims, heads = int(dims * self.dim_mul), int(heads * self.head_mul)
                # the first block of a stage attends like the previous stage: its keys still have that resolution
                local = self.mask_unit_attn[stage - 1 if enters else stage]
                self._check_block(stage, dims, heads, unit // q_stride if local else None)
                specs.append(
                    BlockSpec(
                        stage=stage,
                        in_dims=in_dims,
                        out_dims=dims,
                        num_heads=heads,
                        q_stride=q_stride,
                        mask_unit=unit if local else None,
                        drop_path_rate=rates[len(specs)],
                    )
                )
                unit //= q_stride
        return specs

    def _check_block(self, stage: int, dims: int, heads: int, unit_after: int | None) -> None:
        if heads < 1 or dims < 1 or dims % heads:
            raise ValueError(
                f'SMViT: {heads} heads do not divide {dims} channels of stage {stage}: change num_heads, '
                'head_mul, embed_dims or dim_mul'
            )
        if unit_after == 0:
            raise ValueError(
                f'SMViT: nothing is left of mask units of {self.mask_unit_size} tokens where stage {stage} begins: use '
                'larger ones or mask_unit_attn=False in the stage before'
            )


# table 2; tiny and small, which the paper does not have, as in the public code
ARCHS = {
    'tiny': SMViTArch(embed_dims=96, num_heads=1, depths=(1, 2, 7, 2)),
    'small': SMViTArch(embed_dims=96, num_heads=1, depths=(1, 2, 11, 2)),
    'base': SMViTArch(embed_dims=96, num_heads=1, depths=(2, 3, 16, 3)),
    'base_plus': SMViTArch(embed_dims=112, num_heads=2, depths=(2, 3, 16, 3)),
    'large': SMViTArch(embed_dims=144, num_heads=2, depths=(2, 6, 36, 4)),
    'huge': SMViTArch(embed_dims=256, num_heads=4, depths=(2, 6, 36, 4)),
}


class MaskUnitAttention(BaseModule):
    """Attention within mask units or over all tokens, with max-pooled queries (figure 5b, section 3.2).

    Args:
        in_dims, out_dims: Channels before and after.
        num_heads: Number of attention heads.
        q_stride: Number of tokens that query pooling joins, over all axes. Defaults to 1 for none.
        mask_unit: Number of tokens of a mask unit before the pooling. Defaults to None for global attention.
    """

    def __init__(self, in_dims: int, out_dims: int, num_heads: int, q_stride: int = 1, mask_unit: int | None = None):
        super().__init__()
        self.num_heads, self.q_stride, self.mask_unit = num_heads, q_stride, mask_unit
        self.qkv = nn.Linear(in_dims, 3 * out_dims)
        self.proj = nn.Linear(out_dims, out_dims)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(N, L, in_dims) -> (N, L / q_stride, out_dims).

        Args:
            x: Tokens in unit order.
            valid: Mask (L,), False for padding, which no token attends to. Defaults to None for no padding.
        """
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = max_pool_tokens(q, self.q_stride, valid)
        unit = self.mask_unit or length
        x = attend(
            split_heads(q, self.num_heads, unit // self.q_stride),
            split_heads(k, self.num_heads, unit),
            split_heads(v, self.num_heads, unit),
            key_mask=None if valid is None else valid.view(-1, unit).repeat(batch, 1),
        )  # (N · units, heads, unit / q_stride, d)
        x = merge_heads(x)
        return self.proj(x.view(batch, length // self.q_stride, x.shape[-1]))


class SMViTBlock(BaseModule):
    """Transformer block; where channels double, the shortcut is pooled like the queries (figure 2).

    Args:
        in_dims, out_dims: Channels before and after.
        num_heads: Number of attention heads.
        q_stride: Number of tokens that pooling joins, over all axes. Defaults to 1 for none.
        mask_unit: Number of tokens of a mask unit before the pooling. Defaults to None for global attention.
        mlp_ratio: Ratio of hidden to output channels of the MLP. Defaults to 4.
        drop_path_rate: Stochastic depth rate. Defaults to 0.
        layer_scale: Initial value of layer scale. Defaults to None for no layer scale.
        expand: How the shortcut doubles its channels, see :class:`SMViTArch`. Defaults to 'linear'.
        norm_cfg: Config of the norms. Defaults to LayerNorm with eps 1e-6.
    """

    def __init__(
        self,
        in_dims: int,
        out_dims: int,
        num_heads: int,
        q_stride: int = 1,
        mask_unit: int | None = None,
        mlp_ratio: float = 4.0,
        drop_path_rate: Rate = 0.0,
        layer_scale: float | None = None,
        expand: str = 'linear',
        norm_cfg: dict = dict(type='LN', eps=1e-6),
    ):
        super().__init__()
        self.q_stride = q_stride
        self.expand = expand if in_dims != out_dims else None
        self.norm1 = build_norm_layer(norm_cfg, in_dims)[1]
        self.attn = MaskUnitAttention(in_dims, out_dims, num_heads=num_heads, q_stride=q_stride, mask_unit=mask_unit)
        self.ls1 = build_layer_scale(out_dims, layer_scale)
        self.norm2 = build_norm_layer(norm_cfg, out_dims)[1]
        self.mlp = Mlp(out_dims, hidden_dims=int(out_dims * mlp_ratio))
        self.ls2 = build_layer_scale(out_dims, layer_scale)
        self.proj = nn.Linear(in_dims, out_dims) if self.expand == 'linear' else None
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """(N, L, in_dims) -> (N, L / q_stride, out_dims); arguments as in :class:`MaskUnitAttention`."""
        normed = self.norm1(x)
        x = self._shortcut(x, normed, valid) + self.drop_path(self.ls1(self.attn(normed, valid)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))

    def _shortcut(self, x: Tensor, normed: Tensor, valid: Tensor | None) -> Tensor:
        if self.proj is not None:
            # where channels change, the shortcut branches off after the norm, as in MViTv2
            return max_pool_tokens(self.proj(normed), self.q_stride, valid)
        if self.expand == 'pool':
            return torch.cat([pool(x, self.q_stride, valid) for pool in (max_pool_tokens, mean_pool_tokens)], -1)
        # with dim_mul=1, channels stay the same where a stage begins
        return x if self.q_stride == 1 else max_pool_tokens(x, self.q_stride, valid)


class UnitState(NamedTuple):
    """Tokens on their way through the blocks.

    Attributes:
        tokens: (N, L, C) in unit order.
        valid: Mask (L,), False for padding, or None for no padding.
        level: Number of poolings so far.
        order: Order of the tokens of a whole grid, or None if mask units are deleted and there is no map.
    """

    tokens: Tensor
    valid: Tensor | None = None
    level: int = 0
    order: MaskUnitOrder | None = None


@MODELS.register_module(name=['SMViT', 'Hiera'])
class SMViT(MaskedBackbone):
    """SMViT backbone for images and video, released as Hiera.

    Args:
        arch: 'tiny', 'small', 'base', 'base_plus', 'large', 'huge', or an :class:`SMViTArch` or its fields as a dict.
            Defaults to 'base'.
        input_size: (T, H, W) or (H, W) that the position embeddings are built for. Defaults to (16, 224, 224).
        in_channels: Number of input channels. Defaults to 3.
        drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.
        norm_cfg: Config of the norms. Defaults to LayerNorm with eps 1e-6.
        with_cp: See :class:`Backbone`; a list of stages recomputes only those. Defaults to False.
        out_indices: Stages to return. Defaults to the last.
        out_type: 'avg_featmap' (N, C), the mean over tokens, followed by the final norm if the stage is the last, as in
            the paper's head; 'featmap' (N, C, [T,] H, W) and 'raw' (N, L, C, in row-major order) are taken before that
            norm. Defaults to 'avg_featmap'.
        norm_last: Whether the final norm is applied to 'featmap' and 'raw' of the last stage, too, as PySlowFast does
            for action detection. Defaults to False.
        frozen_stages: See :class:`Backbone`. Defaults to -1.
        as_tuple: Whether to return a tuple or the tensor of a single output; see :class:`Backbone`. Defaults to True.
        init_cfg: See :class:`Backbone`.
        **overrides: Fields of :class:`SMViTArch` that differ from `arch`.

    Raises:
        ValueError: For an unknown arch, a size that the patch stride does not divide, mask units that poolings cut
            apart, or an output type, position embedding or shortcut that SMViT does not have.

    Example:
        >>> model = SMViT('base', input_size=(16, 224, 224), out_indices=(0, 1, 2, 3), out_type='featmap')
        >>> for stage in model(torch.rand(1, 3, 16, 224, 224)):
        ...     print(tuple(stage.shape))
        (1, 96, 8, 56, 56)
        (1, 192, 8, 28, 28)
        (1, 384, 8, 14, 14)
        (1, 768, 8, 7, 7)
    """

    pos_embed: PositionEmbedding

    def __init__(
        self,
        arch: Annotated[str | Mapping | SMViTArch, Says(': give a name, a dict or an SMViTArch')] = 'base',
        input_size: Size = (16, 224, 224),
        in_channels: Channels = 3,
        drop_path_rate: Rate = 0.0,
        norm_cfg: TokenNorm = dict(type='LN', eps=1e-6),
        with_cp: Recomputed = False,
        out_indices: Index | Sequence[Index] = (-1,),
        out_type: OutType = 'avg_featmap',
        norm_last: bool = False,
        frozen_stages: FrozenStages = -1,
        as_tuple: bool = True,
        init_cfg: InitCfg = None,
        **overrides: Annotated[Any, PassedTo(SMViTArch)],
    ):
        arch = resolve_arch('SMViT', arch, ARCHS, SMViTArch, **overrides).for_input(input_size)
        super().__init__(
            input_size=input_size,
            patch_stride=arch.patch_stride,
            depths=arch.depths,
            out_indices=out_indices,
            out_type=out_type,
            frozen_stages=frozen_stages,
            as_tuple=as_tuple,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )
        self.check_axes(
            patch_kernel=arch.patch_kernel,
            patch_padding=arch.patch_padding,
            mask_unit_size=arch.mask_unit_size,
            q_stride=arch.q_stride,
        )
        self.mask_unit_size, self.q_stride, self.q_pool = arch.mask_unit_size, arch.q_stride, arch.q_pool
        self.num_levels = len(arch.depths) - 1
        check_mask_unit_size(self.mask_unit_size, self.q_stride, self.num_levels)
        specs = arch.blocks(drop_path_rate)
        self.stage_dims = [specs[last].out_dims for last in self.last_blocks]
        self.embed_dims = self.stage_dims[-1]

        self.patch_embed = PatchEmbed(
            in_channels,
            arch.embed_dims,
            kernel=arch.patch_kernel,
            stride=arch.patch_stride,
            padding=arch.patch_padding,
        )
        self.pos_embed = PositionEmbedding(
            arch.embed_dims,
            self.token_grid(self.input_size),
            kind=arch.pos_embed,
            window=self.mask_unit_size,
            whole_grid=arch.pos_grid,
        )
        self.blocks = ModuleList(
            SMViTBlock(
                in_dims=spec.in_dims,
                out_dims=spec.out_dims,
                num_heads=spec.num_heads,
                q_stride=spec.q_stride,
                mask_unit=spec.mask_unit,
                mlp_ratio=arch.mlp_ratio,
                drop_path_rate=spec.drop_path_rate,
                layer_scale=arch.layer_scale,
                expand=arch.expand,
                norm_cfg=norm_cfg,
            )
            for spec in specs
        )
        self.norm_last = norm_last
        self.norm = build_norm_layer(norm_cfg, self.embed_dims)[1]
        self.freeze(None if self._is_normed(self.out_indices[-1]) else self.norm)

    def paper_init_cfg(self) -> list[dict]:
        """As in the public code: weights from a truncated normal; biases of linear layers and norms are 0.02.

        The bias of the patch embedding, which that code leaves to PyTorch, is 0.
        """
        return [
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.02),
            dict(type='TruncNormal', layer=['Conv2d', 'Conv3d'], std=0.02),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.02),
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        """(N, C, [T,] H, W) -> one tensor for each of `out_indices`, in the shape of `out_type`.

        A token grid that is not a multiple of the mask unit is padded. No token attends to padding, and outputs contain
        none.

        Raises:
            ValueError: If the patch stride does not divide the size.
        """
        grid = self.input_grid(x)
        order = MaskUnitOrder(grid, self.mask_unit_size, self.q_stride, self.num_levels)
        tokens = order.to_units(self.patch_embed(x) + self.pos_embed(grid))
        states = self.run_stages(UnitState(tokens, valid=order.valid(x.device), order=order))
        return self.pack(self._output(stage, order.to_grid(state.tokens, state.level)) for stage, state in states)

    def forward_units(self, x: Tensor, visible: Tensor, mask_token: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run all stages on the visible mask units alone (figure 4e); see :class:`MaskedBackbone`."""
        counts, batch = self.unit_grid(as_numbers(x.shape[2:])), x.shape[0]
        tokens, units = self.embed_units(x, visible, counts, mask_token)
        # a unit is a grid of its own, and the units of a sample follow one another
        order = MaskUnitOrder(self.mask_unit_size, self.mask_unit_size, self.q_stride, self.q_pool)
        tokens = order.to_units(tokens.reshape(-1, *self.mask_unit_size, tokens.shape[-1]))
        state = UnitState(tokens.unflatten(0, (batch, units)).flatten(1, 2))  # (N, K · length, C)
        return tuple(
            order.to_grid(
                state.tokens.unflatten(1, (units, -1)).flatten(0, 1),
                state.level,
            ).unflatten(0, (batch, units))
            for _, state in self.run_stages(state, range(len(self.last_blocks)))
        )

    def step(self, block: SMViTBlock, state: UnitState) -> UnitState:
        """Run one block; see :meth:`Backbone.run_stages`."""
        tokens = self.run_block(block, state.tokens, state.valid)
        if block.q_stride == 1:
            return state._replace(tokens=tokens)
        valid = None if state.valid is None else pool_valid(state.valid, block.q_stride)
        return state._replace(tokens=tokens, valid=valid, level=state.level + 1)

    def route_map(self, stage: int, state: UnitState) -> UnitState:
        """See :meth:`Backbone.route_map`; deleted units leave no map."""
        order, level = state.order, state.level
        if order is None or not self.stage_maps[stage].in_use:
            return state
        return state._replace(tokens=order.to_units(self.show_map(stage, order.to_grid(state.tokens, level)), level))

    def _is_normed(self, stage: int) -> bool:
        return stage == len(self.last_blocks) - 1 and (self.out_type == 'avg_featmap' or self.norm_last)

    def _output(self, stage: int, tokens: Tensor) -> Tensor:
        if not self._is_normed(stage):
            return self.format_output(tokens)
        if self.out_type == 'avg_featmap':
            return self.norm(self.format_output(tokens))
        return self.format_output(self.norm(tokens))


Hiera = SMViT
