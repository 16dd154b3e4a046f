"""UniBlocks of UniFormerV2 (papers/uniformerv2, sections 3.1 and 3.2), and what the paper compares them with.

Tokens are (N, T, P + H·W, C) throughout: of each frame P class tokens first, then the patches row by row. Images
are clips of one frame. Every block stands on its own and is registered, so that other backbones can use it.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torchvision.ops import MLP

from mmhvt.registry import MODELS

from .attention import as_written, attend, merge_heads, split_heads
from .layout import channels_first, channels_last

NORM = dict(type='LN', eps=1e-5)


class QuickGELU(nn.Module):
    """x · σ(1.702 x), the approximation of GELU that CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {'gelu': nn.GELU, 'quick_gelu': QuickGELU}


def zero_init(layer: nn.Linear | nn.Conv2d) -> None:
    """Sets a layer to zero, so that the branch it ends adds nothing at first (appendix A)."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def temporal_conv(channels: int, kernel_size: int) -> nn.Conv2d:
    """Depth-wise convolution over time of (N, channels, T, places)."""
    if kernel_size % 2 == 0:
        raise ValueError(f'kernel_size={kernel_size} over time has no centre: an odd number would do')
    return nn.Conv2d(channels, channels, (kernel_size, 1), padding=(kernel_size // 2, 0), groups=channels)


class TemporalModule(BaseModule):
    """What stands before the spatial attention and exchanges information between frames: patches to patches.

    Patches are (N, T, L, C), without class tokens.
    """

    def fit(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Parameters from those of one with another kernel over time; an image's sees all of it as one frame."""
        if 'conv.weight' not in found:
            return {}
        kernel, size = found['conv.weight'], self.conv.kernel_size[0]
        if size == 1:
            kernel = kernel.sum(2, keepdim=True)
        elif kernel.shape[2] <= size and kernel.shape[2] % 2:
            gap = (size - kernel.shape[2]) // 2
            kernel = F.pad(kernel, (0, 0, gap, gap))
        return {'conv.weight': kernel}


@MODELS.register_module()
class LT_MHRA(TemporalModule):
    """Local temporal relation aggregator (equation 6): a learnable affinity in a tube of t×1×1 tokens.

    As in UniFormer, the projection V, the affinity a_n and the fusion U of equations 4 and 5 are a point-wise, a
    depth-wise and a point-wise convolution, behind a BatchNorm.

    Args:
        embed_dims: Channels C.
        reduction: Channels within are C / reduction (table 9b: 1, 1.5, 2, 4).
        kernel_size: Frames t of the tube.
        norm_cfg: Config of the norm over channels of (tokens, C).
    """

    def __init__(
        self,
        embed_dims: int,
        reduction: float = 1.5,
        kernel_size: int = 3,
        norm_cfg: dict = dict(type='BN1d'),
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if not 1 <= reduction <= embed_dims:
            raise ValueError(f'LT_MHRA: reduction={reduction} of {embed_dims} channels: 1, 1.5, 2 or 4, as in table 9b')
        dims = int(embed_dims / reduction)
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.value = nn.Linear(embed_dims, dims)
        self.conv = temporal_conv(dims, kernel_size)
        self.proj = nn.Linear(dims, embed_dims)
        zero_init(self.proj)

    def init_weights(self) -> None:
        """The last point-wise convolution begins at zero (appendix A)."""
        super().init_weights()
        zero_init(self.proj)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, L, C) -> the same shape."""
        x = self.value(self.norm(x.flatten(0, 2)).view(x.shape))
        # channels stay last in memory, which the kernels of both layers want
        x = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.proj(x)


@MODELS.register_module()
class TemporalConv(TemporalModule):
    """Depth-wise temporal convolution (table 15, after R(2+1)D).

    Args:
        embed_dims: Channels C.
        kernel_size: Frames.
        norm_cfg: Config of the norm.
    """

    def __init__(self, embed_dims: int, kernel_size: int = 3, norm_cfg: dict = NORM, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.conv = temporal_conv(embed_dims, kernel_size)
        zero_init(self.conv)

    def init_weights(self) -> None:
        """Begins at zero."""
        super().init_weights()
        zero_init(self.conv)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, L, C) -> the same shape."""
        return self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


@MODELS.register_module()
class TemporalAttention(BaseModule):
    """Attention among the tokens of one place (table 15: the temporal half of divided space-time MHSA).

    Args:
        embed_dims: Channels C.
        num_heads: Heads.
        norm_cfg: Config of the norm.
    """

    def __init__(self, embed_dims: int, num_heads: int, norm_cfg: dict = NORM, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = GS_MHRA(embed_dims, num_heads)
        zero_init(self.attn.proj)

    def init_weights(self) -> None:
        """The output projection begins at zero."""
        super().init_weights()
        zero_init(self.attn.proj)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, L, C) -> the same shape."""
        return self.attn(self.norm(x).transpose(1, 2)).transpose(1, 2)


@MODELS.register_module()
class STAdapter(TemporalModule):
    """ST-Adapter (table 9b; appendix E): a temporal convolution and an activation between two narrow projections.

    Args:
        embed_dims: Channels C.
        reduction: Channels within are C / reduction.
        kernel_size: Frames.
    """

    def __init__(self, embed_dims: int, reduction: float = 2.0, kernel_size: int = 3, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        dims = int(embed_dims / reduction)
        self.down = nn.Linear(embed_dims, dims)
        self.conv = temporal_conv(dims, kernel_size)
        self.act = nn.GELU()
        self.up = nn.Linear(dims, embed_dims)
        zero_init(self.up)

    def init_weights(self) -> None:
        """The last projection begins at zero."""
        super().init_weights()
        zero_init(self.up)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, L, C) -> the same shape."""
        x = self.conv(self.down(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.up(self.act(x))


def temporal_shift(x: Tensor, fraction: int = 8) -> Tensor:
    """TSM (table 15): one in `fraction` channels of the next frame, as many of the one before; (N, T, L, C)."""
    fold = x.shape[-1] // fraction
    following, previous, rest = x.split([fold, fold, x.shape[-1] - 2 * fold], -1)
    following = F.pad(following[:, 1:], (0, 0, 0, 0, 0, 1))
    previous = F.pad(previous[:, :-1], (0, 0, 0, 0, 1, 0))
    return torch.cat([following, previous, rest], -1)


class RelativePositionBias(BaseModule):
    """Bias of attention by the offset of two patches of a frame, as BEiT has it.

    Args:
        num_heads: Heads.
        grid: (H, W) of patches that the table is built for; it is resized for others.

    The table has a row for each offset and three more: class token to patch, patch to class token, and the class
    token to itself.
    """

    def __init__(self, num_heads: int, grid: Sequence[int], init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.grid = tuple(grid)
        self.table = nn.Parameter(torch.zeros(math.prod(2 * n - 1 for n in grid) + 3, num_heads))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        nn.init.trunc_normal_(self.table, std=0.02)
        super().init_weights()

    def fit(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """The table from one of another, square grid.

        Raises:
            ValueError: If the grid of the file's table cannot be told.
        """
        if 'table' not in found:
            return {}
        side = math.isqrt(len(found['table']) - 3)
        if side**2 + 3 != len(found['table']) or side % 2 == 0:
            raise ValueError(f'a table of {len(found["table"])} biases belongs to no square grid with a class token')
        return {'table': self._resize(found['table'], (side, side), [2 * n - 1 for n in self.grid])}

    @staticmethod
    def _resize(table: Tensor, source: Sequence[int], target: Sequence[int]) -> Tensor:
        if tuple(source) == tuple(target):
            return table
        places, others = table[:-3], table[-3:]
        places = places.t().reshape(1, -1, *source)
        places = F.interpolate(places.float(), size=tuple(target), mode='bicubic', align_corners=False)
        return torch.cat([places[0].flatten(1).t().to(table.dtype), others])

    def forward(self, grid: Sequence[int]) -> Tensor:
        """Bias (1, heads, 1 + H·W, 1 + H·W) of a grid (H, W) with one class token."""
        sides = [2 * n - 1 for n in grid]
        table = self._resize(self.table, [2 * n - 1 for n in self.grid], sides)
        rows, columns = (torch.arange(n, device=table.device) for n in grid)
        places = torch.stack(torch.meshgrid(rows, columns, indexing='ij')).flatten(1)  # (2, H·W)
        offsets = places[:, :, None] - places[:, None, :]
        index = (offsets[0] + grid[0] - 1) * sides[1] + offsets[1] + grid[1] - 1
        index = F.pad(index, (1, 0, 1, 0))
        count = table.shape[0]
        index[0, :], index[:, 0], index[0, 0] = count - 3, count - 2, count - 1
        return table[index].permute(2, 0, 1)[None]


@MODELS.register_module()
class GS_MHRA(BaseModule):
    """Global spatial relation aggregator (equation 7): self-attention of the tokens of a frame, the ViT's own.

    Args:
        embed_dims: Channels C.
        num_heads: Heads.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        rel_pos_grid: (H, W) for a relative position bias as BEiT's, None for none.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        qkv_bias: bool = True,
        rel_pos_grid: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if embed_dims % num_heads:
            raise ValueError(f'{num_heads} heads do not divide {embed_dims} channels')
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.rel_pos = RelativePositionBias(num_heads, rel_pos_grid) if rel_pos_grid else None

    def forward(self, x: Tensor, grid: Sequence[int] | None = None) -> Tensor:
        """(N, T, L, C) -> the same shape; `grid` (H, W) is needed for relative positions alone."""
        q, k, v = (split_heads(part, self.num_heads) for part in self.qkv(x.flatten(0, 1)).chunk(3, -1))
        bias = None if self.rel_pos is None else self.rel_pos(grid).to(q.dtype)
        return self.proj(merge_heads(attend(q, k, v, bias=bias))).view(x.shape)


@MODELS.register_module()
class C_MHRA(BaseModule):
    """Cross relation aggregator (equations 11–13): few queries look at all tokens of the clip.

    Keys and values are never computed: with q_n = Q_n(q), the affinity q_n · (W_k x) equals (W_kᵀ q_n) · x up to a
    constant that softmax drops, and Σ A W_v x equals W_v Σ A x. A projection of a few queries takes the place of two
    of all tokens.

    Args:
        embed_dims: Channels C.
        num_heads: Heads.
    """

    def __init__(self, embed_dims: int, num_heads: int, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if embed_dims % num_heads:
            raise ValueError(f'{num_heads} heads do not divide {embed_dims} channels')
        self.num_heads = num_heads
        self.q = nn.Linear(embed_dims, embed_dims)
        self.kv = nn.Linear(embed_dims, 2 * embed_dims)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self._reset()

    def _reset(self) -> None:
        # the bound of Xavier for the three matrices as one, as the public code has them
        bound = math.sqrt(6 / (4 * self.q.in_features))
        for layer in (self.q, self.kv):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
        zero_init(self.proj)

    def init_weights(self) -> None:
        """Xavier as the public code, and the output projection at zero (appendix A)."""
        super().init_weights()
        self._reset()

    def forward(self, query: Tensor, x: Tensor) -> Tensor:
        """Queries (N, Q, C) and tokens (N, L, C) -> (N, Q, C)."""
        q = split_heads(self.q(query), self.num_heads)  # (N, heads, Q, d)
        if as_written():
            k, v = (split_heads(part, self.num_heads) for part in self.kv(x).chunk(2, -1))
            return self.proj(merge_heads(attend(q, k, v)))
        heads, dims = self.num_heads, q.shape[-1]
        to_keys, to_values = self.kv.weight.view(2, heads, dims, -1)  # (heads, d, C) each
        scores = (q @ to_keys.to(q.dtype) * dims**-0.5).flatten(1, 2) @ x.transpose(1, 2)  # (N, heads · Q, L)
        mean = (scores.softmax(-1).to(x.dtype) @ x).unflatten(1, (heads, -1))  # (N, heads, Q, C)
        value = mean @ to_values.transpose(1, 2).to(mean.dtype)
        return self.proj(merge_heads(value) + self.kv.bias.chunk(2)[1].to(value.dtype))


@MODELS.register_module()
class DPE(BaseModule):
    """Dynamic position encoding (equation 8): a depth-wise convolution over time and space.

    Args:
        embed_dims: Channels C.
        axes: 3 for video, 2 for images.
    """

    def __init__(self, embed_dims: int, axes: int = 3, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        conv = nn.Conv3d if axes == 3 else nn.Conv2d
        self.conv = conv(embed_dims, embed_dims, 3, padding=1, groups=embed_dims)

    def init_weights(self) -> None:
        """As PyTorch's convolutions, the bias zero."""
        super().init_weights()
        self.conv.reset_parameters()
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor, grid: Sequence[int]) -> Tensor:
        """Patches (N, T, H·W, C) of a grid (T, H, W) -> the same shape."""
        images = isinstance(self.conv, nn.Conv2d)
        maps = x.flatten(0, 1).unflatten(1, grid[1:]) if images else x.unflatten(2, grid[1:])
        # channels stay last in memory: ten times faster than contiguous maps on CPU
        return channels_last(self.conv(channels_first(maps))).reshape(x.shape)


# by name, what can stand before (and for the first, behind) the spatial attention
_BEFORE_ATTENTION = {'local_mhra': LT_MHRA, 'conv': TemporalConv, 'divided': TemporalAttention, 'st_adapter': STAdapter}
TEMPORAL_MODULES = ('none', *_BEFORE_ATTENTION, 'shift', 'joint')


@MODELS.register_module()
class LocalUniBlock(BaseModule):
    """Local UniBlock: a temporal module, then the pre-trained ViT block (equations 1 to 3).

        X^T = LT_MHRA(Norm(X^in)) + X^in
        X^S = GS_MHRA(Norm(X^T)) + X^T
        X^L = FFN(Norm(X^S)) + X^S

    Args:
        embed_dims: Channels C.
        num_heads: Heads of the spatial attention.
        mlp_ratio: Hidden channels of the MLP over C.
        temporal: 'local_mhra', or what table 15 and 9b compare it with: 'none', 'conv', 'divided' (attention in time,
            then in space), 'joint' (the ViT's attention sees all frames), 'shift' (the ViT's attention sees channels
            of neighbouring frames), 'st_adapter'.
        times: LT_MHRA before the spatial attention (1), or a second one behind it too (2, table 9b).
        reduction: See :class:`LT_MHRA` and :class:`STAdapter`.
        temporal_kernel: Frames of the temporal convolution.
        num_prefix: Class tokens of a frame, which no temporal module but 'shift' and 'joint' touches.
        act: Of the MLP: 'gelu' or 'quick_gelu'.
        layer_scale: Whether both branches of the ViT block end in a learnable scale of each channel.
        qkv_bias, rel_pos_grid: See :class:`GS_MHRA`.
        drop_path_rate: Probability to skip a branch.
        norm_cfg: Config of the ViT's norms.
        temporal_norm_cfg: Config of LT_MHRA's norm.

    Raises:
        ValueError: For a module or number that there is not.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        temporal: str = 'local_mhra',
        times: int = 2,
        reduction: float = 1.5,
        temporal_kernel: int = 3,
        num_prefix: int = 1,
        act: str = 'quick_gelu',
        layer_scale: bool = False,
        qkv_bias: bool = True,
        rel_pos_grid: Sequence[int] | None = None,
        drop_path_rate: float = 0.0,
        norm_cfg: dict = NORM,
        temporal_norm_cfg: dict = dict(type='BN1d'),
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        for key, value, choices in (
            ('temporal', temporal, TEMPORAL_MODULES),
            ('times', times, (1, 2)),
            ('act', act, tuple(ACTIVATIONS)),
        ):
            if value not in choices:
                raise ValueError(f'LocalUniBlock: {key}={value!r}: choose from {", ".join(map(str, choices))}')
        self.num_prefix, self.temporal = num_prefix, temporal
        settings = dict(
            local_mhra=dict(reduction=reduction, kernel_size=temporal_kernel, norm_cfg=temporal_norm_cfg),
            st_adapter=dict(reduction=reduction, kernel_size=temporal_kernel),
            conv=dict(kernel_size=temporal_kernel, norm_cfg=norm_cfg),
            divided=dict(num_heads=num_heads, norm_cfg=norm_cfg),
        )
        self.temporal1 = self.temporal2 = None
        if temporal in settings:
            self.temporal1 = _BEFORE_ATTENTION[temporal](embed_dims, **settings[temporal])
        if temporal == 'local_mhra' and times == 2:
            self.temporal2 = LT_MHRA(embed_dims, **settings[temporal])
        self.norm1 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = GS_MHRA(embed_dims, num_heads, qkv_bias, rel_pos_grid)
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.mlp = MLP(embed_dims, [int(embed_dims * mlp_ratio), embed_dims], activation_layer=ACTIVATIONS[act])
        self.gamma1 = nn.Parameter(torch.ones(embed_dims)) if layer_scale else None
        self.gamma2 = nn.Parameter(torch.ones(embed_dims)) if layer_scale else None
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor, grid: Sequence[int] | None = None) -> Tensor:
        """(N, T, P + L, C) -> the same shape; `grid` (H, W) is needed for relative positions alone."""
        x = self._between_frames(self.temporal1, x)
        x = x + self._branch(self._attention(x, grid), self.gamma1)
        x = self._between_frames(self.temporal2, x)
        return x + self._branch(self.mlp(self.norm2(x)), self.gamma2)

    def _between_frames(self, module: nn.Module | None, x: Tensor) -> Tensor:
        """Adds what a temporal module makes of the patches; class tokens stay."""
        if module is None:
            return x
        change = self.drop_path(module(x[:, :, self.num_prefix :]))
        return x + F.pad(change, (0, 0, self.num_prefix, 0))

    def _attention(self, x: Tensor, grid: Sequence[int] | None) -> Tensor:
        if self.temporal == 'shift':
            x = temporal_shift(x)
        elif self.temporal == 'joint':
            return self.attn(self.norm1(x).flatten(1, 2)[:, None]).view(x.shape)
        return self.attn(self.norm1(x), grid)

    def _branch(self, x: Tensor, gamma: Tensor | None) -> Tensor:
        return self.drop_path(x if gamma is None else gamma * x)


@MODELS.register_module()
class GlobalUniBlock(BaseModule):
    """Global UniBlock: queries gather from all tokens of the clip (equations 8 to 10).

        X^C = DPE(X^L) + X^L
        X^ST = C_MHRA(Norm(q), Norm(X^C)) + q
        X^G = FFN(Norm(X^ST)) + X^ST

    The residual of q is not in equation 9 but in the public code.

    Args:
        embed_dims: Channels C.
        num_heads: Heads.
        mlp_ratio: Hidden channels of the MLP over C.
        with_dpe: Whether there is DPE (table 9c).
        axes: 3 for video, 2 for images.
        num_prefix: Class tokens of a frame, which DPE leaves alone.
        act: Of the MLP: 'gelu' or 'quick_gelu'.
        dropout: Of the MLP's hidden channels.
        drop_path_rate: Probability to skip a branch.
        norm_cfg: Config of the norms.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        with_dpe: bool = True,
        axes: int = 3,
        num_prefix: int = 1,
        act: str = 'quick_gelu',
        dropout: float = 0.0,
        drop_path_rate: float = 0.0,
        norm_cfg: dict = NORM,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.num_prefix = num_prefix
        self.dpe = DPE(embed_dims, axes) if with_dpe else None
        self.norm_q = build_norm_layer(norm_cfg, embed_dims)[1]
        self.norm_kv = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = C_MHRA(embed_dims, num_heads)
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)[1]
        hidden = round(embed_dims * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dims, hidden), ACTIVATIONS[act](), nn.Dropout(dropout), nn.Linear(hidden, embed_dims)
        )
        self.drop_path = DropPath(drop_path_rate)
        zero_init(self.mlp[3])

    def init_weights(self) -> None:
        """The MLP's last layer begins at zero (appendix A)."""
        super().init_weights()
        zero_init(self.mlp[3])

    def forward(self, query: Tensor, x: Tensor, grid: Sequence[int], context: Tensor | None = None) -> Tensor:
        """Video tokens from the queries.

        Args:
            query: (N, Q, C).
            x: Tokens (N, T, P + H·W, C).
            grid: (T, H, W).
            context: Further tokens (N, K, C) to look at.

        Returns:
            Tensor: (N, Q, C).
        """
        if self.dpe is not None:
            x = x + F.pad(self.dpe(x[:, :, self.num_prefix :], grid), (0, 0, self.num_prefix, 0))
        x = x.flatten(1, 2)
        if context is not None:
            x = torch.cat([context, x], 1)
        query = query + self.drop_path(self.attn(self.norm_q(query), self.norm_kv(x)))
        return query + self.drop_path(self.mlp(self.norm2(query)))


FUSIONS = ('sequential', 'parallel', 'hierarchical_kv', 'hierarchical_q')


@MODELS.register_module()
class MultiStageFusion(BaseModule):
    """Global UniBlocks, one behind each of some layers, and how their video tokens become one (section 3.3).

    Args:
        embed_dims: Channels C.
        num_blocks: Global blocks.
        fusion: 'sequential' (X_i = G_i(X_{i−1}, ·)), 'parallel' (F = [X_1, …] U^F), 'hierarchical_kv' (the former
            token is among the keys), 'hierarchical_q' (among the queries, whose number grows).
        num_queries: Queries q of a block; the fused token is their mean (table 14: 1, 4, 16).
        drop_path_rate: Of the last block, growing linearly from 0.
        **block: Arguments of :class:`GlobalUniBlock`.

    Raises:
        ValueError: For a fusion that there is not.
    """

    def __init__(
        self,
        embed_dims: int,
        num_blocks: int,
        fusion: str = 'sequential',
        num_queries: int = 1,
        drop_path_rate: float = 0.0,
        init_cfg: dict | None = None,
        **block,
    ):
        super().__init__(init_cfg)
        if fusion not in FUSIONS:
            raise ValueError(f'fusion={fusion!r}: choose from {", ".join(FUSIONS)}')
        if num_queries < 1:
            raise ValueError(f'num_queries={num_queries}: 1 or more')
        self.fusion, self.num_queries = fusion, num_queries
        rates = [drop_path_rate * i / max(num_blocks - 1, 1) for i in range(num_blocks)]
        self.blocks = ModuleList(GlobalUniBlock(embed_dims, drop_path_rate=rate, **block) for rate in rates)
        # zero (section 3.2: "the query token is zero-initialized"); sequential fusion has the first block's alone
        count = 1 if fusion == 'sequential' else num_blocks
        self.queries = nn.Parameter(torch.zeros(count, num_queries, embed_dims))
        self.fuse = nn.Linear(num_blocks * embed_dims, embed_dims) if fusion == 'parallel' else None

    def forward(self, index: int, tokens: list[Tensor], x: Tensor, grid: Sequence[int]) -> Tensor:
        """The video tokens X_i (N, Q, C) of block `index`, from those of the blocks before and the layer's tokens x."""
        block, context = self.blocks[index], None
        query = self.queries[min(index, len(self.queries) - 1)].expand(x.shape[0], -1, -1)
        if tokens and self.fusion == 'sequential':
            query = tokens[-1]
        elif tokens and self.fusion == 'hierarchical_q':
            query = torch.cat([tokens[-1], query], 1)
        elif tokens and self.fusion == 'hierarchical_kv':
            context = tokens[-1]
        return block(query, x, grid, context)

    def reduce(self, tokens: list[Tensor]) -> Tensor:
        """The tokens of all blocks -> F (N, C)."""
        return (tokens[-1] if self.fuse is None else self.fuse(torch.cat(tokens, -1))).mean(1)


__all__ = [
    'ACTIVATIONS',
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
