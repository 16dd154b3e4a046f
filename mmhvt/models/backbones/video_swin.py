"""Video Swin: "Video Swin Transformer", https://arxiv.org/abs/2106.13230.

Sections, equations and tables cited here are that paper's. On images, with windows of M×M tokens, the same blocks form
the Swin Transformer (https://arxiv.org/abs/2103.14030).

Transformer blocks attend within 3D windows of P×M×M tokens. Every second block shifts the windows by half their size,
so that neighboring windows exchange information (section 3.2). Between the four stages patch merging halves the
resolution in space; time keeps its resolution.

Windows, shifts and padding follow the public code: a window that is larger than the grid shrinks to it and does not
shift along that axis, and grids that windows do not divide are padded with zeros after the norm.

Shapes: N batch, C channels, T frames, H height, W width, L tokens, n tokens of a window.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import (
    Mlp,
    PatchEmbed,
    WindowPositionBias,
    as_numbers,
    channels_first,
    channels_last,
    drop_path_rates,
    merge_windows,
    pad_to_multiple,
    split_windows,
)
from mmhvt.models.layers.windows import attend_in_windows, reorder, shifted_order, shifted_places
from mmhvt.registry import MODELS
from mmhvt.utils import check_fields
from mmhvt.utils.option_configs import InitCfg, TokenNorm
from mmhvt.utils.option_types import (
    Channels,
    Depths,
    Heads,
    Index,
    Length,
    PassedTo,
    Rate,
    Ratio,
    Recomputed,
    Says,
    Size,
    Strides,
)

from .arch import check_hidden, resolve_arch
from .base import FrozenStages, HierarchicalBackbone, OutType

# axes along which windows are shifted, table 6
SHIFTS = {'all': (True, True, True), 'space': (False, True, True), 'none': (False, False, False)}


@dataclass(frozen=True)
class BlockSpec:
    """What distinguishes one block of Video Swin from the others.

    Attributes:
        stage: Stage, from 0.
        dims: Number of channels.
        num_heads: Number of attention heads.
        window_size: Tokens of a window per axis.
        shift: Shift of the windows in tokens per axis.
        drop_path_rate: Stochastic depth rate.
    """

    stage: int
    dims: int
    num_heads: int
    window_size: tuple[int, ...]
    shift: tuple[int, ...]
    drop_path_rate: float


@dataclass(frozen=True)
class SwinArch:
    """Architecture of a (Video) Swin Transformer. Settings per axis are for (T, H, W), or (H, W) for images.

    Args:
        embed_dims: Channels of the first stage; each patch merging doubles them.
        num_heads: Number of attention heads in each stage.
        depths: Number of blocks in each stage.
        patch_size: Size of a patch per axis. Defaults to (2, 4, 4), or (4, 4) for images.
        window_size: Tokens of a window per axis. Defaults to (8, 7, 7), or (7, 7) for images.
        mlp_ratio: Ratio of hidden to output channels of an MLP. Defaults to 4.
        qkv_bias: Whether the projections to queries, keys and values have a bias. Defaults to True.
        patch_norm: Whether a norm follows the patch embedding. Defaults to True.
        design: Spatiotemporal attention (table 4): 'joint'; 'split', spatial attention with two temporal layers on
            top; 'factorized', a temporal attention after each spatial one. Defaults to 'joint'.
        shift: Axes along which every second block shifts the windows (table 6): 'all', 'space' or 'none'. Defaults to
            'all'.

    Raises:
        ValueError: If settings contradict each other.
    """

    embed_dims: Channels
    num_heads: Annotated[Sequence[Heads], Length(1, 64)]
    depths: Depths
    patch_size: Strides | None = None
    window_size: Strides | None = None
    mlp_ratio: Ratio = 4.0
    qkv_bias: bool = True
    patch_norm: bool = True
    design: Literal['joint', 'split', 'factorized'] = 'joint'
    shift: Literal['all', 'space', 'none'] = 'all'

    def __post_init__(self):
        check_fields('VideoSwin', self)
        check_hidden('VideoSwin', self.embed_dims, self.mlp_ratio)
        if len(self.num_heads) != len(self.depths):
            raise ValueError(
                f'VideoSwin: num_heads {tuple(self.num_heads)} needs an entry for each of {len(self.depths)} stages'
            )
        for stage, (dims, heads) in enumerate(zip(self.stage_dims, self.num_heads, strict=True)):
            if dims % heads:
                raise ValueError(f'VideoSwin: {heads} heads do not divide {dims} channels of stage {stage}')

    @property
    def stage_dims(self) -> list[int]:
        """Number of channels of each stage."""
        return [self.embed_dims * 2**stage for stage in range(len(self.depths))]

    def for_input(self, input_size: Sequence[int]) -> 'ResolvedSwinArch':
        """Fill in the defaults of images (H, W) or video (T, H, W).

        Raises:
            ValueError: If images are combined with a spatiotemporal design.
        """
        axes = len(input_size)
        if self.design != 'joint' and axes == 2:
            raise ValueError(f'VideoSwin: design={self.design!r} with input_size={input_size}: images have no time')
        sizes = dict(
            patch_size=tuple(self.patch_size or (2, 4, 4)[-axes:]),
            window_size=tuple(self.window_size or (8, 7, 7)[-axes:]),
        )
        return ResolvedSwinArch(**vars(self) | sizes)


@dataclass(frozen=True, kw_only=True)
class ResolvedSwinArch(SwinArch):
    """Architecture for images or for video, as returned by :meth:`SwinArch.for_input`: its sizes are known."""

    patch_size: tuple[int, ...]
    window_size: tuple[int, ...]

    def blocks(self, drop_path_rate: float = 0.0) -> list[BlockSpec]:
        """All blocks, in order."""
        window = self.window_size if self.design == 'joint' else (1, *self.window_size[1:])
        moves = SHIFTS[self.shift][-len(window) :]
        half = tuple(side // 2 if moved else 0 for side, moved in zip(window, moves, strict=True))
        rates = iter(drop_path_rates(drop_path_rate, sum(self.depths)))
        return [
            BlockSpec(
                stage=stage,
                dims=self.stage_dims[stage],
                num_heads=self.num_heads[stage],
                window_size=window,
                shift=half if index % 2 else (0,) * len(half),
                drop_path_rate=next(rates),
            )
            for stage, depth in enumerate(self.depths)
            for index in range(depth)
        ]


# section 3.3
ARCHS = {
    'tiny': SwinArch(embed_dims=96, num_heads=(3, 6, 12, 24), depths=(2, 2, 6, 2)),
    'small': SwinArch(embed_dims=96, num_heads=(3, 6, 12, 24), depths=(2, 2, 18, 2)),
    'base': SwinArch(embed_dims=128, num_heads=(4, 8, 16, 32), depths=(2, 2, 18, 2)),
    'large': SwinArch(embed_dims=192, num_heads=(6, 12, 24, 48), depths=(2, 2, 18, 2)),
}


class WindowAttention(BaseModule):
    """3D(S)W-MSA: attention within (shifted) windows with a relative position bias (section 3.2).

    Equation 2, within each window: Attention(Q, K, V) = SoftMax(Q Kᵀ / √d + B) V. `rel_pos` is B.

    Args:
        dims: Number of channels.
        num_heads: Number of attention heads.
        window_size: Tokens of a window per axis.
        qkv_bias: Whether the projections to queries, keys and values have a bias. Defaults to True.
        inflation: How an image model's B becomes a video model's; see :class:`~mmhvt.models.layers.WindowPositionBias`.
            Defaults to 'duplicate'.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        window_size: Sequence[int],
        qkv_bias: bool = True,
        inflation: str = 'duplicate',
    ):
        super().__init__()
        self.num_heads, self.window_size = num_heads, tuple(window_size)
        self.qkv = nn.Linear(dims, 3 * dims, bias=qkv_bias)
        self.proj = nn.Linear(dims, dims)
        self.rel_pos = WindowPositionBias(window_size, num_heads, inflation=inflation)

    def forward(self, x: Tensor, shift: Sequence[int]) -> Tensor:
        """Attend within windows that are shifted by `shift` tokens per axis, (N, *grid, C) -> the same shape."""
        grid = as_numbers(x.shape[1:-1])
        window, shift = self.fit(grid, shift)
        x = pad_to_multiple(x, window)
        padded, length = as_numbers(x.shape[1:-1]), math.prod(window)
        bias, where = self.rel_pos(window), (padded, window, shift)
        if any(shift):
            order, places = shifted_order(*where, x.device), shifted_places(*where, x.device)
            qkv = self.qkv(reorder(x.flatten(1, -2), order, places))
            x = self.proj(attend_in_windows(qkv.view(-1, length, qkv.shape[-1]), self.num_heads, bias, *where))
            x = reorder(x.reshape(-1, math.prod(padded), x.shape[-1]), places, order).unflatten(1, padded)
        else:
            qkv = self.qkv(split_windows(x, window))
            x = merge_windows(self.proj(attend_in_windows(qkv, self.num_heads, bias, *where)), window, padded)
        return x if padded == grid else x[(slice(None), *(slice(n) for n in grid))]

    def fit(self, grid: Sequence[int], shift: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Window and shift on a grid: a window that covers an axis shrinks to it and need not shift."""
        window = tuple(min(side, n) for side, n in zip(self.window_size, grid, strict=True))
        return window, tuple(s if n > side else 0 for s, n, side in zip(shift, grid, self.window_size, strict=True))


class PatchMerging(BaseModule):
    """Patch merging: 2×2 neighboring tokens of a frame become one with twice the channels (section 3.1).

    Args:
        dims: Channels before.
        norm_cfg: Config of the norm.
    """

    def __init__(self, dims: int, norm_cfg: dict):
        super().__init__()
        self.norm = build_norm_layer(norm_cfg, 4 * dims)[1]
        self.reduction = nn.Linear(4 * dims, 2 * dims, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> (N, 2 C, [T,] ⌈H / 2⌉, ⌈W / 2⌉), channels last in memory."""
        x = channels_last(x)
        x = pad_to_multiple(x, (*[1] * (x.ndim - 4), 2, 2))
        *frames, height, width = as_numbers(x.shape[1:-1])
        grid = (*frames, height // 2, width // 2)
        # channels in the order of the public code: the four tokens column by column
        x = x.reshape(-1, height // 2, 2, width // 2, 2, x.shape[-1]).permute(0, 1, 3, 4, 2, 5)
        x = self.reduction(self.norm(x.reshape(-1, math.prod(grid), 4 * x.shape[-1])))
        return channels_first(x.reshape(-1, *grid, x.shape[-1]))


class VideoSwinBlock(BaseModule):
    """Two pre-norm branches: attention within windows and an MLP.

    Equation 1, with windows that every second block shifts (3DSW-MSA):

        ẑ^l = 3DW-MSA(LN(z^(l−1))) + z^(l−1),   z^l = FFN(LN(ẑ^l)) + ẑ^l

    Args:
        dims: Number of channels.
        num_heads: Number of attention heads.
        window_size: Tokens of a window per axis.
        shift: Shift of the windows in tokens per axis.
        mlp_ratio: Ratio of hidden to output channels of the MLP. Defaults to 4.
        qkv_bias: See :class:`WindowAttention`. Defaults to True.
        drop_path_rate: Stochastic depth rate. Defaults to 0.
        norm_cfg: Config of the norms. Defaults to LayerNorm.
        bias_inflation: See :class:`WindowAttention`. Defaults to 'duplicate'.
        frames: Number of frames of a temporal attention after the spatial one (the factorized design of section 4.3).
            Defaults to None for no such attention.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        window_size: Sequence[int],
        shift: Sequence[int],
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: Rate = 0.0,
        norm_cfg: dict = dict(type='LN'),
        bias_inflation: str = 'duplicate',
        frames: int | None = None,
    ):
        super().__init__()
        self.shift = tuple(shift)
        self.norm1 = build_norm_layer(norm_cfg, dims)[1]
        self.attn = WindowAttention(dims, num_heads, window_size, qkv_bias=qkv_bias, inflation=bias_inflation)
        self.temporal_attn = None
        if frames:
            self.temporal_norm = build_norm_layer(norm_cfg, dims)[1]
            self.temporal_attn = WindowAttention(dims, num_heads, (frames, 1, 1), qkv_bias=qkv_bias)
            # starts at zero, which leaves the pre-trained spatial model as it is
            self.temporal_weight = nn.Parameter(torch.zeros(1))
        self.norm2 = build_norm_layer(norm_cfg, dims)[1]
        self.mlp = Mlp(dims, hidden_dims=int(dims * mlp_ratio))
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *grid) -> the same shape, a map for hooks; channels are last in memory."""
        grid = as_numbers(x.shape[2:])
        x = channels_last(x).flatten(1, -2)  # (N, L, C)
        x = x + self.drop_path(self._attention(self.attn, self.norm1(x), grid, self.shift))
        if self.temporal_attn is not None:
            change = self._attention(self.temporal_attn, self.temporal_norm(x), grid, (0, 0, 0))
            x = x + self.drop_path(self.temporal_weight * change)
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return channels_first(x.reshape(-1, *grid, x.shape[-1]))

    @staticmethod
    def _attention(attn: WindowAttention, x: Tensor, grid: Sequence[int], shift: Sequence[int]) -> Tensor:
        return attn(x.reshape(-1, *grid, x.shape[-1]), shift).flatten(1, -2)


@MODELS.register_module()
class VideoSwin(HierarchicalBackbone):
    """Video Swin backbone for video, and Swin for images.

    Args:
        arch: 'tiny', 'small', 'base', 'large', or a :class:`SwinArch` or its fields as a dict. Defaults to 'tiny'.
        input_size: (T, H, W) or (H, W). No parameter depends on it except those of the designs 'split' and
            'factorized', which attend over all frames. Defaults to (32, 224, 224).
        in_channels: Number of input channels. Defaults to 3.
        drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.
        inflation: How the patch embedding of an image model is inflated when it is loaded (table 8): 'mean', an equal
            share in every frame of a patch (the paper's inflate), or 'center'. Defaults to 'mean'.
        bias_inflation: How the relative position bias of an image model is inflated (table 9): 'duplicate' or
            'center'. Defaults to 'duplicate'.
        norm_cfg: Config of the norms. Defaults to LayerNorm with eps 1e-5.
        with_cp: See :class:`Backbone`; a list of stages recomputes only those. Defaults to False.
        out_indices: Stages to return, each with a norm of its own: `norm` for the last stage, `norm0` … for the others.
            Defaults to the last.
        out_type: 'avg_featmap' (N, C), 'featmap' (N, C, [T,] H, W) or 'raw' (N, L, C), all after the norm. Defaults to
            'avg_featmap'.
        frozen_stages: See :class:`Backbone`; patch mergings after frozen stages are frozen, too. Defaults to -1.
        as_tuple: Whether to return a tuple or the tensor of a single output; see :class:`Backbone`. Defaults to True.
        init_cfg: See :class:`Backbone`.
        **overrides: Fields of :class:`SwinArch` that differ from `arch`.

    Raises:
        ValueError: For an unknown arch, design or shift, or settings that contradict each other.

    Example:
        >>> model = VideoSwin('tiny', out_indices=(0, 1, 2, 3), out_type='featmap')
        >>> for stage in model(torch.rand(1, 3, 32, 224, 224)):
        ...     print(tuple(stage.shape))
        (1, 96, 16, 56, 56)
        (1, 192, 16, 28, 28)
        (1, 384, 16, 14, 14)
        (1, 768, 16, 7, 7)
    """

    def __init__(
        self,
        arch: Annotated[str | Mapping | SwinArch, Says(': give a name, a dict or a SwinArch')] = 'tiny',
        input_size: Size = (32, 224, 224),
        in_channels: Channels = 3,
        drop_path_rate: Rate = 0.0,
        inflation: Literal['mean', 'center'] = 'mean',
        bias_inflation: Literal['duplicate', 'center'] = 'duplicate',
        norm_cfg: TokenNorm = dict(type='LN', eps=1e-5),
        with_cp: Recomputed = False,
        out_indices: Index | Sequence[Index] = (-1,),
        out_type: OutType = 'avg_featmap',
        frozen_stages: FrozenStages = -1,
        as_tuple: bool = True,
        init_cfg: InitCfg = None,
        **overrides: Annotated[Any, PassedTo(SwinArch)],
    ):
        arch = resolve_arch('VideoSwin', arch, ARCHS, SwinArch, **overrides).for_input(input_size)
        super().__init__(
            input_size=input_size,
            patch_stride=arch.patch_size,
            depths=arch.depths,
            out_indices=out_indices,
            out_type=out_type,
            frozen_stages=frozen_stages,
            as_tuple=as_tuple,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )
        no_padding = (0,) * len(arch.patch_size)
        self.check_axes(arch.patch_size, no_padding, window_size=arch.window_size)
        self.inflation = inflation
        self.stage_dims = arch.stage_dims
        self.embed_dims = self.stage_dims[-1]
        frames = self.token_grid(self.input_size)[0]
        common: dict[str, Any] = dict(
            mlp_ratio=arch.mlp_ratio, qkv_bias=arch.qkv_bias, norm_cfg=norm_cfg, bias_inflation=bias_inflation
        )

        self.patch_embed = PatchEmbed(
            in_channels, arch.embed_dims, kernel=arch.patch_size, stride=arch.patch_size, padding=no_padding
        )
        self.patch_norm = build_norm_layer(norm_cfg, arch.embed_dims)[1] if arch.patch_norm else None
        self.blocks = ModuleList(
            VideoSwinBlock(
                dims=spec.dims,
                num_heads=spec.num_heads,
                window_size=spec.window_size,
                shift=spec.shift,
                drop_path_rate=spec.drop_path_rate,
                frames=frames if arch.design == 'factorized' else None,
                **common,
            )
            for spec in arch.blocks(drop_path_rate)
        )
        self.merges = ModuleList(PatchMerging(dims, norm_cfg) for dims in arch.stage_dims[:-1])
        self.temporal_blocks = ModuleList(
            VideoSwinBlock(
                dims=self.embed_dims,
                num_heads=arch.num_heads[-1],
                window_size=(frames, 1, 1),
                shift=(0, 0, 0),
                **common,
            )
            for _ in range(2 if arch.design == 'split' else 0)
        )
        for stage in self.out_indices:
            self.add_module(self.norm_name(stage), build_norm_layer(norm_cfg, arch.stage_dims[stage])[1])
        last = self.out_indices[-1]
        self.freeze(*self.merges[last:], *(self.temporal_blocks if last < len(arch.depths) - 1 else ()))

    def transitions(self, stages: int) -> Iterable[nn.Module]:
        """See :class:`Backbone`: the patch mergings."""
        return self.merges[:stages]

    def optional_part(self, name: str) -> str | None:
        """See :class:`Backbone`; image models lack the temporal layers, too."""
        return 'temporal' if 'temporal_' in name else super().optional_part(name)

    def stage_stride(self, stage: int) -> tuple[int, ...]:
        """See :class:`Backbone`; patches merge in space where a stage begins."""
        return (*(1 for _ in self.patch_stride[:-2]), 2**stage, 2**stage)

    def token_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Tokens per axis; an input that the patch size does not divide is padded with zeros, as in the public code.

        Raises:
            ValueError: If the size has the wrong number of axes.
        """
        if len(size) == len(self.patch_stride):
            size = [-(-n // s) * s for n, s in zip(size, self.patch_stride, strict=True)]
        return super().token_grid(size)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """See :meth:`Backbone.get_layer_depth`; a patch merging belongs to the first block of its stage."""
        if param_name.startswith(prefix + 'merges.'):
            stage = int(param_name[len(prefix) :].split('.')[1])
            return self.last_blocks[stage] + 2, len(self.blocks) + 2
        return super().get_layer_depth(param_name, prefix)

    def paper_init_cfg(self) -> list[dict]:
        """As in the public code: linear layers from a truncated normal of std 0.02; norms one, biases zero.

        The patch embedding, which that code leaves to PyTorch, is initialized like PyTorch's convolutions, but with a
        bias of zero.
        """
        return [
            dict(
                type='Kaiming',
                layer=['Conv2d', 'Conv3d'],
                a=math.sqrt(5),
                mode='fan_in',
                distribution='uniform',
                nonlinearity='leaky_relu',
            ),
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        """(N, C, [T,] H, W) of any size -> one tensor for each of `out_indices`, in the shape of `out_type`.

        Raises:
            ValueError: If the input does not have the axes of `input_size`.
        """
        self.input_grid(x)
        pad = [n for s, p in zip(x.shape[:1:-1], self.patch_stride[::-1], strict=True) for n in (0, -s % p)]
        x = self.patch_embed(F.pad(x, pad) if any(pad) else x)  # (N, [T,] H, W, C)
        if self.patch_norm is not None:
            x = self.patch_norm(x.flatten(1, -2)).view_as(x)
        return self.pack(self._output(stage, maps) for stage, maps in self.run_stages(channels_first(x)))

    def step(self, block: VideoSwinBlock, state: Tensor) -> Tensor:
        """Run one block; see :meth:`Backbone.run_stages`."""
        return self.run_block(block, state)

    def finish_stage(self, stage: int, state: Tensor) -> Tensor:
        """The two temporal layers of the design 'split', at the end of the last stage."""
        if stage == len(self.last_blocks) - 1:
            for layer in self.temporal_blocks:
                state = layer(state)
        return state

    def route_map(self, stage: int, state: Tensor) -> Tensor:
        """See :meth:`Backbone.route_map`."""
        if not self.stage_maps[stage].in_use:
            return state
        return channels_first(self.show_map(stage, channels_last(state)))

    def transition(self, stage: int, state: Tensor) -> Tensor:
        """Merge patches."""
        return self.merges[stage](state)

    def _output(self, stage: int, maps: Tensor) -> Tensor:
        # normed as a sequence: tools mistake four axes for a map
        tokens = channels_last(maps)
        normed = getattr(self, self.norm_name(stage))(tokens.flatten(1, -2))
        return self.format_output(normed.unflatten(1, tokens.shape[1:-1]))
