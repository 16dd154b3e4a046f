"""UniBlocks of UniFormerV2 (arXiv:2211.09552, sections 3.1 to 3.3), and what the paper compares them with.

Tokens are (N, T, P + H·W, C) throughout: P class tokens of each frame, then its patches row by row. Images are clips of
one frame. Every block is registered, so that other backbones can use it.

Shapes: N batch, C channels, T frames, H height, W width in patches, L = H·W, Q queries.
"""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import (
    Mlp,
    attend,
    channels_first,
    channels_last,
    drop_path_rates,
    in_reference_math,
    merge_heads,
    split_heads,
)
from mmhvt.registry import MODELS
from mmhvt.utils.option_configs import InitCfg, RowNorm, TokenNorm
from mmhvt.utils.option_types import Channels, Count, Heads, PassedTo, Range, Rate, Ratio, Says, Stride

from .arch import check_hidden
from .vit import ACTIVATIONS, NORM, Activation, Attention, ViTBlock


def zero_init(layer: nn.Linear | nn.Conv2d | nn.Conv3d) -> None:
    """Set the last layer of a branch to zero, so that the branch adds nothing at first (appendix A)."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class DepthwiseTemporalConv(nn.Conv2d):
    """Depth-wise convolution over time of (N, C, T, L).

    Args:
        channels: Number of channels C.
        kernel_size: Number of frames of the kernel, odd.

    Raises:
        ValueError: If the kernel has no central frame.
    """

    def __init__(self, channels: int, kernel_size: int):
        if kernel_size % 2 == 0:
            raise ValueError(
                f'{type(self).__name__}: kernel_size={kernel_size} over time has no center: give an odd number'
            )
        super().__init__(channels, channels, (kernel_size, 1), padding=(kernel_size // 2, 0), groups=channels)

    def resize_pretrained(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a kernel of another length; for images, which are clips of one frame, it is summed over time."""
        if 'weight' not in found:
            return {}
        kernel, size = found['weight'], self.kernel_size[0]
        if size == 1:
            kernel = kernel.sum(2, keepdim=True)
        elif kernel.shape[2] <= size and kernel.shape[2] % 2:
            gap = (size - kernel.shape[2]) // 2
            kernel = F.pad(kernel, (0, 0, gap, gap))
        return {'weight': kernel}


# -------------------------------------------------------------------------------------------------- between frames


@MODELS.register_module()
class LT_MHRA(BaseModule):
    """Local temporal relation aggregator (equation 6): a learned affinity in a tube of t×1×1 tokens.

    As in UniFormer, the projection V, the affinity a_n and the fusion U of equations 4 and 5 are a point-wise, a
    depth-wise and a point-wise convolution, after a BatchNorm.

    Args:
        embed_dims: Number of channels C.
        reduction: Ratio of C to the channels of the tube (table 9b: 1, 1.5, 2, 4). Defaults to 1.5.
        kernel_size: Number of frames t of the tube. Defaults to 3.
        norm_cfg: Config of the norm over the channels of (tokens, C).

    Raises:
        ValueError: If the reduction leaves no channel or the tube has no central frame.
    """

    def __init__(
        self,
        embed_dims: Channels,
        reduction: Ratio = 1.5,
        kernel_size: Stride = 3,
        norm_cfg: RowNorm = dict(type='BN1d'),
        init_cfg: InitCfg = None,
    ):
        super().__init__(init_cfg)
        if not 1 <= reduction <= embed_dims:
            raise ValueError(f'LT_MHRA: reduction={reduction} of {embed_dims} channels: use 1, 1.5, 2 or 4 (table 9b)')
        dims = int(embed_dims / reduction)
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.value = nn.Linear(embed_dims, dims)
        self.conv = DepthwiseTemporalConv(dims, kernel_size)
        self.proj = nn.Linear(dims, embed_dims)
        zero_init(self.proj)

    def init_weights(self) -> None:
        """Set the last point-wise convolution to zero (appendix A)."""
        super().init_weights()
        zero_init(self.proj)

    def forward(self, x: Tensor) -> Tensor:
        """Patches (N, T, L, C) -> the same shape."""
        value = self.value(self.norm(x.flatten(0, 2)))
        value = value.view(*x.shape[:3], value.shape[-1])
        # channels stay last in memory, as the kernels of both layers prefer
        value = self.conv(value.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        # flattened to two axes: with more, torch adds the bias in a separate pass if they are not contiguous
        return self.proj(value.flatten(0, 2)).view(x.shape)


@MODELS.register_module()
class TemporalConv(BaseModule):
    """Depth-wise temporal convolution (table 15, after R(2+1)D).

    Args:
        embed_dims: Number of channels C.
        kernel_size: Number of frames of the kernel. Defaults to 3.
        norm_cfg: Config of the norm.
    """

    def __init__(
        self, embed_dims: Channels, kernel_size: Stride = 3, norm_cfg: TokenNorm = NORM, init_cfg: InitCfg = None
    ):
        super().__init__(init_cfg)
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.conv = DepthwiseTemporalConv(embed_dims, kernel_size)
        zero_init(self.conv)

    def init_weights(self) -> None:
        """Set the convolution to zero."""
        super().init_weights()
        zero_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """Patches (N, T, L, C) -> the same shape."""
        return self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@MODELS.register_module()
class GS_MHRA(Attention):
    """Global spatial relation aggregator (equation 7): the ViT's self-attention of the tokens of a frame.

    Its arguments are those of :class:`~mmhvt.models.backbones.vit.Attention`.
    """


@MODELS.register_module()
class TemporalAttention(BaseModule):
    """Attention among the tokens at one position (table 15: the temporal half of divided space-time MHSA).

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        norm_cfg: Config of the norm.
    """

    def __init__(self, embed_dims: Channels, num_heads: Heads, norm_cfg: TokenNorm = NORM, init_cfg: InitCfg = None):
        super().__init__(init_cfg)
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = GS_MHRA(embed_dims, num_heads)
        zero_init(self.attn.proj)

    def init_weights(self) -> None:
        """Set the output projection to zero."""
        super().init_weights()
        zero_init(self.attn.proj)

    def forward(self, x: Tensor) -> Tensor:
        """Patches (N, T, L, C) -> the same shape."""
        return self.attn(self.norm(x).transpose(1, 2)).transpose(1, 2)


@MODELS.register_module()
class STAdapter(BaseModule):
    """ST-Adapter (table 9b; appendix E): a temporal convolution and an activation between two narrow projections.

    Args:
        embed_dims: Number of channels C.
        reduction: Ratio of C to the channels between the projections. Defaults to 2.
        kernel_size: Number of frames of the kernel. Defaults to 3.
    """

    def __init__(self, embed_dims: Channels, reduction: Ratio = 2.0, kernel_size: Stride = 3, init_cfg: InitCfg = None):
        super().__init__(init_cfg)
        if reduction > embed_dims:
            raise ValueError(f'STAdapter: reduction={reduction} leaves none of {embed_dims} channels')
        dims = int(embed_dims / reduction)
        self.down = nn.Linear(embed_dims, dims)
        self.conv = DepthwiseTemporalConv(dims, kernel_size)
        self.act = nn.GELU()
        self.up = nn.Linear(dims, embed_dims)
        zero_init(self.up)

    def init_weights(self) -> None:
        """Set the last projection to zero."""
        super().init_weights()
        zero_init(self.up)

    def forward(self, x: Tensor) -> Tensor:
        """Patches (N, T, L, C) -> the same shape."""
        x = self.conv(self.down(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.up(self.act(x))


def add_to_patches(x: Tensor, branch: Callable[[Tensor], Tensor], num_prefix: int) -> Tensor:
    """Add a branch to the patches that it reads, not to class tokens; (N, T, P + L, C) -> the same shape."""
    # split and cat are each other's gradients; those of slices would be padded to full size and summed
    prefix, patches = x.split([num_prefix, x.shape[2] - num_prefix], 2)
    return torch.cat([prefix, patches + branch(patches)], 2)


def temporal_shift(x: Tensor, fraction: int = 8) -> Tensor:
    """TSM (table 15): 1/`fraction` of the channels from the next frame, as many from the previous one; (N, T, L, C)."""
    fold = x.shape[-1] // fraction
    following, previous, rest = x.split([fold, fold, x.shape[-1] - 2 * fold], -1)
    following = F.pad(following[:, 1:], (0, 0, 0, 0, 0, 1))
    previous = F.pad(previous[:, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat([following, previous, rest], -1)


# ------------------------------------------------------------------------------------------------ positions of patches


@MODELS.register_module()
class DPE(BaseModule):
    """Dynamic position encoding (equation 8): a depth-wise convolution over time and space.

    Args:
        embed_dims: Number of channels C.
        axes: 3 for video, 2 for images. Defaults to 3.
        zero: Whether it starts at zero, as it must between pre-trained layers. Defaults to False.
    """

    def __init__(self, embed_dims: Channels, axes: Literal[2, 3] = 3, zero: bool = False, init_cfg: InitCfg = None):
        super().__init__(init_cfg)
        conv = nn.Conv3d if axes == 3 else nn.Conv2d
        self.conv = conv(embed_dims, embed_dims, 3, padding=1, groups=embed_dims)
        self.zero = zero
        if zero:
            zero_init(self.conv)

    def init_weights(self) -> None:
        """Initialize like PyTorch's convolutions, but with a bias of zero; with `zero`, set everything to zero."""
        super().init_weights()
        self.conv.reset_parameters()
        nn.init.zeros_(self.conv.get_parameter('bias'))
        if self.zero:
            zero_init(self.conv)

    def forward(self, x: Tensor, grid: Sequence[int]) -> Tensor:
        """Patches (N, T, H·W, C) of a grid (T, H, W) -> the same shape."""
        images = isinstance(self.conv, nn.Conv2d)
        maps = x.flatten(0, 1).unflatten(1, grid[1:]) if images else x.unflatten(2, grid[1:])
        # channels stay last in memory: ten times faster than contiguous maps on CPU
        return channels_last(self.conv(channels_first(maps))).reshape(x.shape)


def add_dpe(dpe: DPE, x: Tensor, grid: Sequence[int], num_prefix: int) -> Tensor:
    """DPE(X) + X for the patches of a grid (T, H, W), not for class tokens; (N, T, P + H·W, C) -> the same shape."""
    return add_to_patches(x, lambda patches: dpe(patches, grid), num_prefix)


# ---------------------------------------------------------------------------------------------------- local UniBlock

# by name, what can precede (and for the first, also follow) the spatial attention
_TEMPORAL = {'local_mhra': LT_MHRA, 'conv': TemporalConv, 'divided': TemporalAttention, 'st_adapter': STAdapter}
Temporal = Literal['none', 'local_mhra', 'conv', 'divided', 'st_adapter', 'shift', 'joint']
TEMPORAL_MODULES = get_args(Temporal)
Prefix = Annotated[int, Range(0, 16)]  # class tokens of a frame


@MODELS.register_module()
class LocalUniBlock(ViTBlock):
    """Local UniBlock: a temporal module, then the block of the pre-trained ViT (equations 1 to 3).

        X^T = LT_MHRA(Norm(X^in)) + X^in
        X^S = GS_MHRA(Norm(X^T)) + X^T
        X^L = FFN(Norm(X^S)) + X^S

    With DPE, X^in is DPE(X) + X of the block's input X, as in UniFormer (section 3.1, discussion II; table 9b).

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of heads of the spatial attention.
        temporal: 'local_mhra', or what tables 9b and 15 compare it with: 'none', 'conv', 'divided' (attention in time,
            then in space), 'joint' (attention over all frames at once), 'shift' (channels of neighboring frames go into
            the attention), 'st_adapter'. Defaults to 'local_mhra'.
        times: 1 for LT_MHRA before the spatial attention, 2 for a second one after it (table 9b). Defaults to 2.
        reduction: Channel reduction of :class:`LT_MHRA` and :class:`STAdapter`. Defaults to 1.5.
        temporal_kernel: Number of frames of the temporal convolution. Defaults to 3.
        with_dpe: Whether to apply DPE to the patches; it starts at zero. Defaults to False.
        axes: Axes of DPE's kernel, 3 for video, 2 for images. Defaults to 3.
        num_prefix: Number P of class tokens of a frame, which only 'shift' and 'joint' touch. Defaults to 1.
        temporal_norm_cfg: Config of LT_MHRA's norm.
        act: Activation of the MLP, 'gelu' or 'quick_gelu'. Defaults to 'quick_gelu'.
        norm_cfg: Config of all other norms.
        **vit_block: Further arguments of :class:`~mmhvt.models.backbones.vit.ViTBlock`.

    Raises:
        ValueError: For an unknown module or number of modules.
    """

    attention = GS_MHRA

    def __init__(
        self,
        embed_dims: Channels,
        num_heads: Heads,
        temporal: Temporal = 'local_mhra',
        times: Literal[1, 2] = 2,
        reduction: Ratio = 1.5,
        temporal_kernel: Stride = 3,
        with_dpe: bool = False,
        axes: Literal[2, 3] = 3,
        num_prefix: Prefix = 1,
        temporal_norm_cfg: RowNorm = dict(type='BN1d'),
        act: Activation = 'quick_gelu',
        norm_cfg: TokenNorm = NORM,
        init_cfg: InitCfg = None,
        **vit_block: Any,
    ):
        super().__init__(embed_dims, num_heads, act=act, norm_cfg=norm_cfg, init_cfg=init_cfg, **vit_block)
        self.num_prefix, self.temporal = num_prefix, temporal
        settings: dict[str, dict[str, Any]] = dict(
            local_mhra=dict(reduction=reduction, kernel_size=temporal_kernel, norm_cfg=temporal_norm_cfg),
            st_adapter=dict(reduction=reduction, kernel_size=temporal_kernel),
            conv=dict(kernel_size=temporal_kernel, norm_cfg=norm_cfg),
            divided=dict(num_heads=num_heads, norm_cfg=norm_cfg),
        )
        self.dpe = DPE(embed_dims, axes, zero=True) if with_dpe else None
        self.temporal1 = self.temporal2 = None
        if temporal in settings:
            self.temporal1 = _TEMPORAL[temporal](embed_dims, **settings[temporal])
        if temporal == 'local_mhra' and times == 2:
            self.temporal2 = LT_MHRA(embed_dims, **settings[temporal])

    def forward(self, x: Tensor, grid: Sequence[int] | None = None) -> Tensor:
        """(N, T, P + L, C) -> the same shape; `grid` (H, W) is needed for relative positions and DPE only."""
        if self.dpe is not None:
            x = add_dpe(self.dpe, x, (x.shape[1], *(grid or ())), self.num_prefix)
        x = self.mix_frames(self.temporal1, x)
        x = x + self.drop_path(self.ls1(self.attend_in_space(x, grid)))
        x = self.mix_frames(self.temporal2, x)
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))

    def mix_frames(self, module: nn.Module | None, x: Tensor) -> Tensor:
        """Add the output of a temporal module to the patches, not to class tokens."""
        if module is None:
            return x
        return add_to_patches(x, lambda patches: self.drop_path(module(patches)), self.num_prefix)

    def attend_in_space(self, x: Tensor, grid: Sequence[int] | None) -> Tensor:
        """The ViT's attention, which 'shift' and 'joint' extend to other frames."""
        if self.temporal == 'shift':
            x = temporal_shift(x)
        elif self.temporal == 'joint':
            return self.attn(self.norm1(x).flatten(1, 2)[:, None]).view(x.shape)
        return self.attn(self.norm1(x), grid)


# --------------------------------------------------------------------------------------------------- global UniBlock


@MODELS.register_module()
class C_MHRA(BaseModule):
    """Cross relation aggregator (equations 11 to 13): a few queries attend to all tokens of the clip.

    Keys and values are not computed: with q_n = Q_n(q), the affinity q_n · (W_k x) equals (W_kᵀ q_n) · x up to a
    constant that softmax drops, and Σ A W_v x equals W_v Σ A x. Projecting a few queries replaces two projections of
    all tokens, and the softmax is taken here rather than in :func:`~mmhvt.models.layers.attend`. Under
    :func:`~mmhvt.models.layers.reference_math`, keys and values are computed.

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.

    Raises:
        ValueError: If the heads do not divide the channels.
    """

    def __init__(self, embed_dims: Channels, num_heads: Heads, init_cfg: InitCfg = None):
        super().__init__(init_cfg)
        if embed_dims % num_heads:
            raise ValueError(f'C_MHRA: {num_heads} heads do not divide {embed_dims} channels')
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dims, embed_dims)
        self.kv = nn.Linear(embed_dims, 2 * embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self._reset()

    def _reset(self) -> None:
        # Xavier's bound for the three matrices stacked, as the public code has them
        bound = math.sqrt(6 / (4 * self.q.in_features))
        for layer in (self.q, self.kv):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
        zero_init(self.proj)

    def init_weights(self) -> None:
        """Initialize like the public code, with Xavier, and the output projection with zero (appendix A)."""
        super().init_weights()
        self._reset()

    def forward(self, query: Tensor, x: Tensor) -> Tensor:
        """Queries (N, Q, C) and tokens (N, L, C) -> (N, Q, C)."""
        q = self.q(query)
        if in_reference_math():
            k, v = (split_heads(part, self.num_heads) for part in self.kv(x).chunk(2, -1))
            return self.proj(merge_heads(attend(split_heads(q, self.num_heads), k, v)))
        (batch, count, _), heads = query.shape, self.num_heads
        to_keys, to_values = self.kv.weight.to(q.dtype).view(2, heads, -1, x.shape[-1]).unbind(0)  # (heads, d, C) each
        # the queries of all samples at once, so that the weights are not repeated for each
        q = q.flatten(0, 1).unflatten(-1, (heads, -1)).transpose(0, 1)  # (heads, N · Q, d)
        q = (q * q.shape[-1] ** -0.5) @ to_keys
        q = q.unflatten(1, (batch, count)).transpose(0, 1).flatten(1, 2)  # (N, heads · Q, C)
        mean = (q @ x.transpose(1, 2)).softmax(-1).to(x.dtype) @ x
        mean = mean.unflatten(1, (heads, -1)).transpose(0, 1).flatten(1, 2)  # (heads, N · Q, C)
        value = mean @ to_values.transpose(1, 2).to(mean.dtype)
        value = value.transpose(0, 1).flatten(1).view(query.shape)
        return self.proj(value + self.kv.bias.chunk(2)[1].to(value.dtype))


@MODELS.register_module()
class GlobalUniBlock(BaseModule):
    """Global UniBlock: queries gather from all tokens of the clip (equations 8 to 10).

        X^C = DPE(X^L) + X^L
        X^ST = C_MHRA(Norm(q), Norm(X^C)) + q
        X^G = FFN(Norm(X^ST)) + X^ST

    The residual of q is in the public code but not in equation 9.

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        mlp_ratio: Ratio of the MLP's hidden channels to C. Defaults to 4.
        with_dpe: Whether to apply DPE (table 9c). Defaults to True.
        axes: 3 for video, 2 for images. Defaults to 3.
        num_prefix: Number P of class tokens of a frame, which DPE leaves alone. Defaults to 1.
        act: Activation of the MLP, 'gelu' or 'quick_gelu'. Defaults to 'quick_gelu'.
        dropout: Dropout rate of the MLP's hidden channels. Defaults to 0.
        drop_path_rate: Stochastic depth rate. Defaults to 0.
        norm_cfg: Config of the norms.
    """

    def __init__(
        self,
        embed_dims: Channels,
        num_heads: Heads,
        mlp_ratio: Ratio = 4.0,
        with_dpe: bool = True,
        axes: Literal[2, 3] = 3,
        num_prefix: Prefix = 1,
        act: Activation = 'quick_gelu',
        dropout: Rate = 0.0,
        drop_path_rate: Rate = 0.0,
        norm_cfg: TokenNorm = NORM,
        init_cfg: InitCfg = None,
    ):
        super().__init__(init_cfg)
        check_hidden('GlobalUniBlock', embed_dims, mlp_ratio)
        self.num_prefix = num_prefix
        self.dpe = DPE(embed_dims, axes) if with_dpe else None
        self.norm_q = build_norm_layer(norm_cfg, embed_dims)[1]
        self.norm_kv = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = C_MHRA(embed_dims, num_heads)
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.mlp = Mlp(embed_dims, round(embed_dims * mlp_ratio), act_layer=ACTIVATIONS[act], drop=dropout)
        self.drop_path = DropPath(drop_path_rate)
        zero_init(self.mlp.fc2)

    def init_weights(self) -> None:
        """Set the MLP's last layer to zero (appendix A)."""
        super().init_weights()
        zero_init(self.mlp.fc2)

    def forward(self, query: Tensor, x: Tensor, grid: Sequence[int], context: Tensor | None = None) -> Tensor:
        """Turn queries into video tokens.

        Args:
            query: Queries (N, Q, C).
            x: Tokens (N, T, P + H·W, C).
            grid: Grid (T, H, W) of the patches.
            context: Further tokens (N, K, C) to attend to. Defaults to None.

        Returns:
            Tensor: (N, Q, C).
        """
        if self.dpe is not None:
            x = add_dpe(self.dpe, x, grid, self.num_prefix)
        x = x.flatten(1, 2)
        if context is not None:
            x = torch.cat([context, x], 1)
        query = query + self.drop_path(self.attn(self.norm_q(query), self.norm_kv(x)))
        return query + self.drop_path(self.mlp(self.norm2(query)))


Fusion = Literal['sequential', 'parallel', 'hierarchical_kv', 'hierarchical_q']
FUSIONS = get_args(Fusion)
NumQueries = Annotated[Count, Says(': give 1 or more')]


@MODELS.register_module()
class MultiStageFusion(BaseModule):
    """Global UniBlocks after several layers, and the fusion of their video tokens (section 3.3).

    Args:
        embed_dims: Number of channels C.
        num_blocks: Number of global blocks.
        fusion: 'sequential' (X_i = G_i(X_{i−1}, ·)), 'parallel' (F = [X_1, …] U^F), 'hierarchical_kv' (the previous
            token is among the keys), 'hierarchical_q' (among the queries, whose number grows). Defaults to
            'sequential'.
        num_queries: Number Q of queries of a block; the fused token is their mean (table 14: 1, 4, 16). Defaults to 1.
        drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.
        **block: Further arguments of :class:`GlobalUniBlock`.

    Raises:
        ValueError: For an unknown fusion, or no query.
    """

    def __init__(
        self,
        embed_dims: Channels,
        num_blocks: Count,
        fusion: Fusion = 'sequential',
        num_queries: NumQueries = 1,
        drop_path_rate: Rate = 0.0,
        init_cfg: InitCfg = None,
        **block: Annotated[Any, PassedTo(GlobalUniBlock)],
    ):
        super().__init__(init_cfg)
        self.fusion, self.num_queries = fusion, num_queries
        rates = drop_path_rates(drop_path_rate, num_blocks)
        self.blocks = ModuleList(GlobalUniBlock(embed_dims, drop_path_rate=rate, **block) for rate in rates)
        # "the query token is zero-initialized" (section 3.2); sequential fusion has queries for its first block only
        count = 1 if fusion == 'sequential' else num_blocks
        self.queries = nn.Parameter(torch.zeros(count, num_queries, embed_dims))
        self.fuse = nn.Linear(num_blocks * embed_dims, embed_dims) if fusion == 'parallel' else None

    def forward(self, index: int, tokens: Sequence[Tensor], x: Tensor, grid: Sequence[int]) -> Tensor:
        """Run one global block.

        Args:
            index: Index of the block.
            tokens: Video tokens of the previous blocks.
            x: Tokens (N, T, P + H·W, C) of the block's layer.
            grid: Grid (T, H, W) of the patches.

        Returns:
            Tensor: The video tokens X_i (N, Q, C).
        """
        block, context = self.blocks[index], None
        query = self.queries[min(index, self.queries.shape[0] - 1)].expand(x.shape[0], -1, -1)
        if tokens and self.fusion == 'sequential':
            query = tokens[-1]
        elif tokens and self.fusion == 'hierarchical_q':
            query = torch.cat([tokens[-1], query], 1)
        elif tokens and self.fusion == 'hierarchical_kv':
            context = tokens[-1]
        return block(query, x, grid, context)

    def reduce(self, tokens: Sequence[Tensor]) -> Tensor:
        """The tokens of all blocks -> the video token F (N, C)."""
        return (tokens[-1] if self.fuse is None else self.fuse(torch.cat(tuple(tokens), -1))).mean(1)


__all__ = [
    'C_MHRA',
    'DPE',
    'FUSIONS',
    'GS_MHRA',
    'LT_MHRA',
    'TEMPORAL_MODULES',
    'GlobalUniBlock',
    'LocalUniBlock',
    'MultiStageFusion',
    'STAdapter',
    'TemporalAttention',
    'TemporalConv',
]
