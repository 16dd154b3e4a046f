"""Multi-head pooling attention (MViT, arXiv:2104.11227, section 3.1; MViTv2, arXiv:2112.01526, section 4.1).

    Q = P(X W_Q; Θ_Q),  K = P(X W_K; Θ_K),  V = P(X W_V; Θ_V)
    PA(X) = Softmax(Q Kᵀ / √d + E) V + Q

E is the relative position bias (:mod:`mmhvt.models.layers.relative_position`), + Q residual pooling; MViTv2 has both.

Shapes: N batch, n heads, L tokens, d channels of a head, C channels, T frames, H height, W width. Grids are
([T,] H, W). The first `prefix` tokens are not on the grid (a class token).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from .attention import attend, merge_heads
from .constants import constant
from .depthwise import depthwise_conv
from .layout import channels_first, channels_last
from .relative_position import RelativePositions
from .windows import merge_windows, split_windows

POOL_MODES = ('max', 'avg', 'conv')
# kernels that follow the stride
POOL_KERNELS = {'s': lambda s: s, 's+1': lambda s: s + 1, '2s+1': lambda s: 2 * s + 1}


def pool_shape(stride: Sequence[int], kernel: str | Sequence[int]) -> dict[str, tuple[int, ...]] | None:
    """Kernel, stride and padding of a :class:`Pooling` that leaves one token per stride; None if it would pool nothing.

    Args:
        stride: Stride per axis.
        kernel: Kernel per axis, or a key of `POOL_KERNELS`.
    """
    sides = tuple(POOL_KERNELS[kernel](s) if s > 1 else 1 for s in stride) if isinstance(kernel, str) else tuple(kernel)
    if math.prod(sides) == 1 and math.prod(stride) == 1:
        return None
    padding = (0,) * len(sides) if kernel == 's' else tuple(side // 2 for side in sides)
    return dict(kernel=sides, stride=tuple(stride), padding=padding)


@constant
def grid_tokens(prefix: int, length: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """0 for the prefix and 1 for the tokens of the grid, (length, 1)."""
    return (torch.arange(length, device=device) >= prefix).to(dtype)[:, None]


class Pooling(BaseModule):
    """P(·; Θ): pools the tokens of each head on their grid.

    Tokens may come from several grids, one after the other, such as the mask units of SMViT (arXiv:2306.00989, figure
    4d). The grids are pooled separately, by "separate-and-pad": each is padded with zeros, also for the max.

    The prefix is not pooled. With 'conv', a depth-wise convolution that all heads share, a norm over the channels of a
    head follows, for the prefix too (MViT, table 15).

    Args:
        head_dims: Channels of a head; used by 'conv' only.
        mode: 'max', 'avg' or 'conv'.
        kernel: Kernel per axis.
        stride: Stride per axis.
        padding: Padding per axis.
        norm_cfg: Config of the norm after a convolution.
        in_units: Whether tokens come from several grids; there is no prefix then. Defaults to False.
    """

    def __init__(
        self,
        head_dims: int,
        mode: str,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        norm_cfg: dict,
        in_units: bool = False,
    ):
        super().__init__()
        self.mode, self.kernel, self.stride, self.padding = mode, tuple(kernel), tuple(stride), tuple(padding)
        self.in_units = in_units
        if mode == 'conv':
            self.weight = nn.Parameter(torch.empty(head_dims, 1, *kernel))
            self.norm = build_norm_layer(norm_cfg, head_dims)[1]
            nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as PyTorch initializes convolutions

    def forward(self, x: Tensor, grid: Sequence[int], num_heads: int, prefix: int) -> tuple[Tensor, tuple[int, ...]]:
        """(N, prefix + prod(grid), n * d) -> (N, n, prefix + prod(new grid), d) and the new grid.

        With `in_units`, (N, units · prod(grid), n * d) -> (N, n, units · prod(new grid), d).
        """
        x = x.unflatten(2, (num_heads, -1)).transpose(1, 2)  # (N, n, L, d)
        first, x = x.split([prefix, x.shape[2] - prefix], 2) if prefix else (None, x)
        units = x.shape[2] // math.prod(grid) if self.in_units else 1
        # (N · n · units, d, [T,] H, W) with channels last in memory
        x = channels_last(self._pool(channels_first(x.unflatten(2, (units, *grid)).flatten(0, 2))))
        grid = tuple(x.shape[1:-1])
        x = x.unflatten(0, (-1, num_heads, units)).flatten(2, -2)
        x = x if first is None else torch.cat([first, x], 2)
        return (self.norm(x) if self.mode == 'conv' else x), grid

    def _pool(self, x: Tensor) -> Tensor:
        """(N, d, [T,] H, W) -> the same on the new grid."""
        in_time = x.ndim == 5
        if self.mode == 'conv':
            return depthwise_conv(x, self.weight, None, self.stride, self.padding)
        if self.mode == 'max' and not self.in_units:
            return (F.max_pool3d if in_time else F.max_pool2d)(x, self.kernel, self.stride, self.padding)
        # padded beforehand: torch's 3D mean rejects grids smaller than its kernel, and its max ignores padding
        x = F.pad(x, [p for p in reversed(self.padding) for _ in range(2)])
        pools = (F.max_pool2d, F.max_pool3d) if self.mode == 'max' else (F.avg_pool2d, F.avg_pool3d)
        return pools[in_time](x, self.kernel, self.stride)


class PoolingAttention(BaseModule):
    """Multi-head pooling attention, MHPA.

    Args:
        in_dims: Channels of the input.
        out_dims: Channels of the output.
        num_heads: Number of attention heads.
        grid: Token grid that the tables of relative positions are built for.
        q_pool: Kernel, stride and padding of the pooling of queries; None for none.
        kv_pool: Kernel, stride and padding of the pooling of keys and values; None for none.
        pool_mode: 'max', 'avg' or 'conv'.
        rel_pos: Kind of relative positions, a key of `REL_POS`.
        rel_pos_terms: Which of 'q', 'k', 'v' have relative positions (MViTv2, table A.4).
        residual_pooling: Whether to add the pooled queries to the output: True for all tokens but the class token,
            'all' for all tokens, False for none.
        window_size: Side of an attention window, in tokens of the grid; None for global attention.
        with_cls_token: Whether the first token is a class token.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        norm_cfg: Config of the norms.
        in_units: Whether tokens come from mask units, which are pooled separately; see :class:`Pooling`. Defaults to
            False.
    """

    def __init__(
        self,
        *,
        in_dims: int,
        out_dims: int,
        num_heads: int,
        grid: Sequence[int],
        q_pool: dict | None,
        kv_pool: dict | None,
        pool_mode: str,
        rel_pos: str,
        rel_pos_terms: Sequence[str],
        residual_pooling: bool | str,
        window_size: int | None,
        with_cls_token: bool,
        qkv_bias: bool,
        norm_cfg: dict,
        in_units: bool = False,
    ):
        super().__init__()
        self.num_heads, self.prefix, self.residual_pooling = num_heads, int(with_cls_token), residual_pooling
        self.in_units = in_units
        head_dims = out_dims // num_heads
        self.qkv = nn.Linear(in_dims, 3 * out_dims, bias=qkv_bias)
        self.proj = nn.Linear(out_dims, out_dims)
        self.pool_q, self.pool_k, self.pool_v = (
            Pooling(head_dims, pool_mode, norm_cfg=norm_cfg, in_units=in_units, **shape) if shape else None
            for shape in (q_pool, kv_pool, kv_pool)
        )
        q_stride, k_stride = (shape['stride'] if shape else (1,) * len(grid) for shape in (q_pool, kv_pool))
        self.windows = None
        if window_size:
            self.windows = [tuple(window_size // s for s in stride) for stride in (q_stride, k_stride)]
        # as in the public code, table sizes are rounded down, and time counts as before pooling
        size = [max(n // q, n // k) for n, q, k in zip(grid, q_stride, k_stride, strict=True)]
        size[:-2] = grid[:-2]
        self.rel_pos = RelativePositions(rel_pos, rel_pos_terms, size=size, dims=head_dims, prefix=self.prefix)

    def forward(self, x: Tensor, grid: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        """(N, L, in_dims) on a grid -> (N, L', out_dims) and the grid of the pooled queries."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, q_grid = self.pool(self.pool_q, q, grid)  # (N, n, L', d)
        k, k_grid = self.pool(self.pool_k, k, grid)
        v, _ = self.pool(self.pool_v, v, grid)
        if self.windows is None:
            x = self.attend(q, k, v, q_grid, k_grid)
        else:
            x = self.attend_in_windows(q, k, v, q_grid, k_grid, *self.windows)
        return self.proj(merge_heads(self.add_queries(x, q))), q_grid

    def pool(self, pooling: Pooling | None, x: Tensor, grid: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        """P(x), (N, L, n * d) -> (N, n, L', d), and its grid."""
        if pooling is not None:
            return pooling(x, grid, self.num_heads, self.prefix)
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2), tuple(grid)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        """Softmax(Q Kᵀ / √d + E) V, (N, n, Lq, d); E of values is added to V."""
        bias = self.rel_pos.bias(q, k, q_grid, k_grid)
        x = attend(q, k, self.rel_pos.append_coordinates(v, k_grid), bias=bias)
        return self.rel_pos.add_to_values(x, q_grid, k_grid)

    def attend_in_windows(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        q_grid: Sequence[int],
        k_grid: Sequence[int],
        q_window: Sequence[int],
        k_window: Sequence[int],
    ) -> Tensor:
        """:meth:`attend` within windows of the pooled grids, (N, n, Lq, d).

        Padding of the last windows is attended to as zeros, as in the authors' code.
        """
        shape = q.shape
        # (N, n, L, d) -> (N * n * windows, 1, tokens of a window, d)
        q = split_windows(q.flatten(0, 1).unflatten(1, q_grid), q_window)[:, None]
        k, v = (split_windows(y.flatten(0, 1).unflatten(1, k_grid), k_window)[:, None] for y in (k, v))
        x = self.attend(q, k, v, q_window, k_window)[:, 0]
        return merge_windows(x, q_window, q_grid).reshape(shape)

    def add_queries(self, x: Tensor, q: Tensor) -> Tensor:
        """Residual pooling, x + Q (MViTv2, section 4.1)."""
        if self.residual_pooling is True and self.prefix:
            return torch.addcmul(x, q, grid_tokens(self.prefix, q.shape[2], q.device, q.dtype))
        return x + q if self.residual_pooling else x
