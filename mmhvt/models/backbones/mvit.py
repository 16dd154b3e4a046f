"""MViT and MViTv2 (papers: "Multiscale Vision Transformers", papers/mvit, and "MViTv2: Improved
Multiscale Vision Transformers", papers/mvitv2_appendix).

Stages that trade resolution for channels (mvit, section 3.2), made of pooling attention: queries are
pooled where a stage begins, which shortens the sequence; keys and values are pooled in every
block, which makes attention affordable (section 3.1). MViTv2 is MViT with three changes:
decomposed relative positions in place of absolute ones, a residual connection over the pooled
queries, and channels that expand in the attention that begins a stage rather than in the MLP that
ends one (mvitv2, B.1); it has no class token by default. Each is a switch of its own here.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleDict, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import MLP

from mmhvt.models.layers import (
    GridBias,
    PatchEmbed,
    PositionEmbedding,
    attend,
    channels_first,
    channels_last,
    merge_heads,
    merge_windows,
    place_indicators,
    split_windows,
)
from mmhvt.registry import MODELS

from .base import HierarchicalBackbone
from .mvit_presets import PRESETS

# section 3.3 and tables 3 and 17 of mvit; section 4.4 of mvitv2. A dict of the same keys, and of any other
# structural argument of `MViT`, is an architecture too.
ARCHS = {
    'small': dict(
        version=1,
        embed_dims=128,
        num_heads=1,
        depths=(3, 7, 6),
        patch_kernel=(3, 8, 8),
        patch_stride=(2, 8, 8),
        patch_padding=(1, 0, 0),
        kv_stride=(1, 4, 4),
    ),
    'base': dict(version=1, embed_dims=96, num_heads=1, depths=(1, 2, 11, 2)),
    'base_24': dict(version=1, embed_dims=96, num_heads=1, depths=(2, 3, 16, 3)),
    'base_24_wide': dict(version=1, embed_dims=112, num_heads=1, depths=(2, 3, 16, 3)),
    'v2_tiny': dict(version=2, embed_dims=96, num_heads=1, depths=(1, 2, 5, 2)),
    'v2_small': dict(version=2, embed_dims=96, num_heads=1, depths=(1, 2, 11, 2)),
    'v2_base': dict(version=2, embed_dims=96, num_heads=1, depths=(2, 3, 16, 3)),
    'v2_large': dict(version=2, embed_dims=144, num_heads=2, depths=(2, 6, 36, 4)),
    'v2_huge': dict(version=2, embed_dims=192, num_heads=3, depths=(4, 8, 60, 8)),
}

# what makes a model an MViT or an MViTv2 (mvitv2, B.1)
VERSIONS = {
    1: dict(
        abs_pos='separate',
        rel_pos='none',
        residual_pooling=False,
        full_q_pool=False,
        expand_in='mlp',
        with_cls_token=True,
    ),
    2: dict(
        abs_pos='none',
        rel_pos='decomposed',
        residual_pooling=True,
        full_q_pool=True,
        expand_in='attn',
        with_cls_token=False,
    ),
}

# what both have, for video; for images the first axis falls away, and keys are pooled half as much
DEFAULTS = dict(
    input_size=(16, 224, 224),
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
    pool_mode='conv',
    pool_kernel=(3, 3, 3),
    q_stride=(1, 2, 2),
    kv_stride=(1, 8, 8),
    adaptive_kv=True,
    rel_pos_terms=('q',),
    transition_skip='norm',
    dim_mul=2.0,
    head_mul=2.0,
)
PER_AXIS = ('patch_stride', 'patch_kernel', 'patch_padding', 'pool_kernel', 'q_stride', 'kv_stride')

# axes of a token grid (T, H, W) that each kind of relative positions looks at, table A.6 of mvitv2:
# a table for each group, over all offsets that the axes of the group have together
REL_POS = {
    'none': (),
    'time': ('t',),
    'space': ('h', 'w'),
    'decomposed': ('h', 'w', 't'),
    'joint_space': ('hw', 't'),
    'joint': ('thw',),
}


class Pooling(BaseModule):
    """P(·; Θ) of section 3.1: pools the tokens of each head on their grid, by what `mode` says.

    A class token in front is not pooled. With 'conv', a depth-wise convolution that all heads share, a norm
    over the channels of a head follows, for the class token too (table 15).

    Args:
        head_dims: Channels of a head.
        mode: 'max', 'avg' or 'conv'.
        kernel, stride, padding: Per axis.
        norm_cfg: Config of the norm after a convolution.
    """

    def __init__(
        self,
        head_dims: int,
        mode: str,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        norm_cfg: dict,
    ):
        super().__init__()
        self.mode, self.kernel, self.stride, self.padding = mode, tuple(kernel), tuple(stride), tuple(padding)
        if mode == 'conv':
            self.weight = nn.Parameter(torch.empty(head_dims, 1, *kernel))
            self.norm = build_norm_layer(norm_cfg, head_dims)[1]
            nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # as PyTorch's convolutions are built

    def forward(self, x: Tensor, grid: Sequence[int], num_heads: int, prefix: int) -> tuple[Tensor, tuple[int, ...]]:
        """(N, prefix + prod(grid), heads * d) -> (N, heads, prefix + prod(new grid), d) and the new grid."""
        x, grid = self._pool(x, grid, num_heads, prefix)
        x = x.unflatten(2, (num_heads, -1))
        return (self.norm(x) if self.mode == 'conv' else x).transpose(1, 2), grid

    def _pool(self, x: Tensor, grid: Sequence[int], num_heads: int, prefix: int) -> tuple[Tensor, tuple[int, ...]]:
        first, x = x[:, :prefix], x[:, prefix:]
        # (N, heads * d, [T,] H, W) with channels last in memory, as it came: no transposition
        x = channels_first(x.contiguous().unflatten(1, tuple(grid)))
        if self.mode == 'conv':
            weight = self.weight.repeat(num_heads, *[1] * (self.weight.ndim - 1))
            conv = F.conv3d if len(grid) == 3 else F.conv2d
            x = conv(x, weight, None, self.stride, self.padding, groups=x.shape[1])
        elif self.mode == 'max':
            x = (F.max_pool3d if len(grid) == 3 else F.max_pool2d)(x, self.kernel, self.stride, self.padding)
        else:
            # padded beforehand: torch's 3D pooling refuses grids smaller than its kernel
            x = F.pad(x, [p for p in reversed(self.padding) for _ in range(2)])
            x = (F.avg_pool3d if len(grid) == 3 else F.avg_pool2d)(x, self.kernel, self.stride)
        grid = tuple(x.shape[2:])
        x = channels_last(x).flatten(1, -2)
        return (torch.cat([first, x], 1) if prefix else x), grid


class RelativePositions(BaseModule):
    """Tables of vectors R by offset between two tokens, for the axes that `kind` names (mvitv2, A.4 and table A.6).

    Args:
        kind: A key of `REL_POS`.
        size: Per axis of the grid, ([T,] H, W), the longer side of queries' and keys' grids.
        dims: Channels of a head.
    """

    def __init__(self, kind: str, size: Sequence[int], dims: int):
        super().__init__()
        self.axes = {name: axis for axis, name in enumerate('thw'[-len(size) :])}
        self.groups = [g for g in REL_POS[kind] if g in self.axes or len(g) > 1]
        self.sizes = {}
        for group in self.groups:
            group_axes = [self.axes[name] for name in group if name in self.axes]
            self.sizes[group] = [2 * size[axis] - 1 for axis in group_axes]
            self.register_parameter(group, nn.Parameter(torch.zeros(math.prod(self.sizes[group]), dims)))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=0.02)
        super().init_weights()

    def fit(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Tables of these sizes from those of other sizes; time that the others have not begins at zero.

        Raises:
            ValueError: If a table for several axes has another size.
        """
        fitted = {}
        for name, parameter in self.named_parameters():
            value = found.get(name, torch.zeros_like(parameter) if name == 't' else None)
            if value is None or (value.shape != parameter.shape and len(name) > 1):
                raise ValueError(f'no table for the axes {name} of {tuple(parameter.shape)} in the file')
            if value.shape != parameter.shape:
                value = F.interpolate(value.t()[None], size=len(parameter), mode='linear')[0].t()
            fitted[name] = value
        return fitted

    @staticmethod
    def offsets(num_queries: int, num_keys: int, device: torch.device) -> Tensor:
        """Row of the table for each query and key of an axis, (num_queries, num_keys).

        Where one side is pooled more than the other, its coordinates are stretched to the finer side.
        """
        q_stretch, k_stretch = max(num_keys / num_queries, 1.0), max(num_queries / num_keys, 1.0)
        q = torch.arange(num_queries, device=device)[:, None] * q_stretch
        k = torch.arange(num_keys, device=device)[None, :] * k_stretch
        return (q - k + (num_keys - 1) * k_stretch).long()

    def resized(self, group: str, sides: Sequence[int]) -> Tensor:
        """The table of a group for grids whose longer sides are `sides`, (offsets of each axis …, d)."""
        table, size = getattr(self, group), self.sizes[group]
        target = [2 * side - 1 for side in sides]
        table = table.view(*size, -1)
        if target != size:
            mode = ('linear', 'bilinear', 'trilinear')[len(size) - 1]
            table = channels_last(F.interpolate(channels_first(table[None]).float(), size=target, mode=mode))[0]
        return table.to(getattr(self, group).dtype)

    def between(self, axis: int, grid: Sequence[int], other: Sequence[int]) -> Tensor:
        """R of one axis that has a table of its own, for each pair of coordinates: (grid[axis], other[axis], d)."""
        table = self.resized('thw'[-len(grid) :][axis], [max(grid[axis], other[axis])])
        return table[self.offsets(grid[axis], other[axis], table.device)]

    @property
    def single_axes(self) -> list[int]:
        """Axes with a table of their own."""
        return [self.axes[group] for group in self.groups if len(group) == 1]

    def joint_bias(self, q: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor | int:
        """q_i · R for the groups of several axes: (B, heads, prod(q_grid), prod(k_grid)); 0 without any.

        Gathers a vector for each pair of places, which is what makes the joint kinds dear (table A.6).

        Args:
            q: Queries of the grid (B, heads, prod(q_grid), d).
        """
        total = 0
        for group in self.groups:
            if len(group) == 1:
                continue
            axes = [self.axes[name] for name in group if name in self.axes]
            pairs = [(q_grid[axis], k_grid[axis]) for axis in axes]
            table = self.resized(group, [max(pair) for pair in pairs])
            rows = [self.offsets(*pair, table.device) for pair in pairs]
            heads = q.unflatten(2, tuple(q_grid))
            if len(axes) == len(q_grid):
                bias = self._all_axes(heads, table, rows)
            else:  # space of every frame, the same for all frames of the keys
                gathered = table[rows[0][:, None, :, None], rows[1][None, :, None, :]]  # (Qh, Qw, Kh, Kw, d)
                bias = torch.einsum('bnthwc,hwklc->bnthwkl', heads, gathered)[:, :, :, :, :, None]
                bias = bias.expand(*bias.shape[:5], k_grid[0], *bias.shape[6:])
            total = total + bias.reshape(*q.shape[:3], -1)
        return total

    @staticmethod
    def _all_axes(q: Tensor, table: Tensor, rows: list[Tensor]) -> Tensor:
        """Queries (B, heads, [T,] H, W, d) · table[all offsets], frame by frame of the queries to bound memory."""
        h, w = rows[-2][:, None, :, None], rows[-1][None, :, None, :]
        if len(rows) == 2:
            return torch.einsum('bnhwc,hwklc->bnhwkl', q, table[h, w])
        frames = []
        for frame, frame_rows in enumerate(rows[0]):
            gathered = table[frame_rows[:, None, None, None, None], h, w]  # (Kt, Qh, Qw, Kh, Kw, d)
            frames.append(torch.einsum('bnhwc,thwklc->bnhwtkl', q[:, :, frame], gathered))
        return torch.stack(frames, 2)


class PoolingAttention(BaseModule):
    """MHPA, multi-head pooling attention (section 3.1; mvitv2, A.4 for relative positions).

    PA = softmax(Q Kᵀ / √d + E) V of pooled Q̂, K̂, V̂, and with residual pooling + Q.

    Args:
        in_dims, out_dims: Channels of a token before and after.
        num_heads: Heads.
        grid: Token grid that the tables of relative positions are built for.
        q_pool, kv_pool: Kernel, stride and padding of the poolings; None for none.
        pool_mode: See :class:`Pooling`.
        rel_pos: A key of `REL_POS`.
        rel_pos_terms: What has relative positions, of 'q', 'k', 'v' (table A.4).
        residual_pooling: Add the pooled queries to the output: True for all but the class token's, 'all' for all.
        window_size: (q, kv) per axis, tokens of a window in the pooled grids; None for global attention.
        with_cls_token: Whether the first token has no place in the grid.
        qkv_bias: Whether projections to Q̂, K̂, V̂ have a bias.
        norm_cfg: Config of the norms.
    """

    def __init__(
        self,
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
    ):
        super().__init__()
        self.num_heads = num_heads
        self.prefix = int(with_cls_token)
        self.residual_pooling = residual_pooling
        head_dims = out_dims // num_heads
        self.qkv = nn.Linear(in_dims, 3 * out_dims, bias=qkv_bias)
        self.proj = nn.Linear(out_dims, out_dims)

        def pooling(cfg: dict | None) -> Pooling | None:
            return cfg and Pooling(head_dims, pool_mode, norm_cfg=norm_cfg, **cfg)

        self.pool_q, self.pool_k, self.pool_v = pooling(q_pool), pooling(kv_pool), pooling(kv_pool)
        q_stride, k_stride = ((cfg or dict(stride=[1] * len(grid)))['stride'] for cfg in (q_pool, kv_pool))
        self.windows = None
        if window_size:
            self.windows = [tuple(window_size // s for s in stride) for stride in (q_stride, k_stride)]
        # the tables' sizes are the public code's, which divides rounding down; time counts unpooled
        size = [max(n // q, n // k) for n, q, k in zip(grid, q_stride, k_stride, strict=True)]
        size[:-2] = grid[:-2]
        terms = rel_pos_terms if rel_pos != 'none' else ()
        self.rel_pos = ModuleDict({term: RelativePositions(rel_pos, size, head_dims) for term in terms})

    def forward(self, x: Tensor, grid: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        """(N, L, in_dims) of a grid -> (N, L', out_dims) and the grid of the pooled queries."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, q_grid = self._pooled(self.pool_q, q, grid)  # (N, heads, L', d)
        k, k_grid = self._pooled(self.pool_k, k, grid)
        v, _ = self._pooled(self.pool_v, v, grid)
        pooled = q
        attend_where = self._within_windows if self.windows else self._attend
        x = attend_where(q, k, v, q_grid, k_grid)
        if self.residual_pooling is True and self.prefix:
            x = torch.cat([x[:, :, :1], x[:, :, 1:] + pooled[:, :, 1:]], 2)
        elif self.residual_pooling:
            x = x + pooled
        return self.proj(merge_heads(x)), q_grid

    def _pooled(self, pool: Pooling | None, x: Tensor, grid: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        if pool is not None:
            return pool(x, grid, self.num_heads, self.prefix)
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2), tuple(grid)

    def _within_windows(self, q: Tensor, k: Tensor, v: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        """Attention within windows of the pooled grids: local blocks of detection.

        What fills the last windows up is seen like any token of zeros, as in the authors' code.
        """
        q_window, k_window = self.windows
        shape = q.shape
        # (N, heads, L, d) -> (N * heads * windows, 1, tokens of a window, d)
        q = split_windows(q.flatten(0, 1).unflatten(1, q_grid), q_window)[:, None]
        k, v = (split_windows(y.flatten(0, 1).unflatten(1, k_grid), k_window)[:, None] for y in (k, v))
        x = self._attend(q, k, v, q_window, k_window)[:, 0]
        return merge_windows(x, q_window, q_grid).reshape(shape)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        """(B, heads, Lq, d), (B, heads, Lk, d), (B, heads, Lk, d) -> (B, heads, Lq, d), prefix included."""
        q_tables, k_tables, v_tables = map(dict(self.rel_pos.items()).get, 'qkv')
        bias = GridBias(q_grid, k_grid, {}, {}, self.prefix)
        joint = 0
        if q_tables is not None:
            bias.query = {
                axis: self._scores(q, q_grid, axis, q_tables.between(axis, q_grid, k_grid))
                for axis in q_tables.single_axes
            }
            joint = q_tables.joint_bias(q[:, :, self.prefix :], q_grid, k_grid)
        if k_tables is not None:
            bias.key = {
                axis: self._scores(k, k_grid, axis, k_tables.between(axis, q_grid, k_grid).transpose(0, 1))
                for axis in k_tables.single_axes
            }
        if not bias.query and not bias.key:
            bias = None
        if isinstance(joint, Tensor):
            joint = F.pad(joint, (self.prefix, 0, self.prefix, 0))
            bias = joint if bias is None else joint + bias.dense()
        if v_tables is None:
            return attend(q, k, v, bias=bias)
        # Σ_j A_ij R[c(i) − c(j)]: A summed over the keys of each coordinate comes with the values for nothing
        axes = v_tables.single_axes
        indicators = [place_indicators(k_grid, axis, v, self.prefix).expand(*v.shape[:2], -1, -1) for axis in axes]
        x, *sums = attend(q, k, torch.cat([v, *indicators], -1), bias=bias).split(
            [v.shape[-1], *(k_grid[axis] for axis in axes)], -1
        )
        for axis, attention in zip(axes, sums, strict=True):
            x = x + self._weighted(attention, q_grid, axis, v_tables.between(axis, q_grid, k_grid))
        return x

    def _scores(self, x: Tensor, grid: Sequence[int], axis: int, table: Tensor) -> Tensor:
        """x_i · R of c_a(i) and c, for all coordinates c of the other grid: (B, heads, Lx, c), 0 for the prefix.

        Args:
            x: Tokens (B, heads, Lx, d) of a grid.
            grid: Their grid.
            axis: The axis a.
            table: R, (coordinates of `grid` on the axis, coordinates c, d).
        """
        scores = torch.einsum('bnpqrc,qkc->bnpqrk', self._along(x, grid, axis), table.to(x.dtype))
        return F.pad(scores.flatten(2, 4), (0, 0, self.prefix, 0))

    def _weighted(self, attention: Tensor, grid: Sequence[int], axis: int, table: Tensor) -> Tensor:
        """Σ_c attention_i[c] R of c_a(i) and c: (B, heads, Lx, c) -> (B, heads, Lx, d), 0 for the prefix."""
        attention = self._along(attention, grid, axis)
        x = torch.einsum('bnpqrk,qkc->bnpqrc', attention, table.to(attention.dtype))
        return F.pad(x.flatten(2, 4), (0, 0, self.prefix, 0))

    def _along(self, x: Tensor, grid: Sequence[int], axis: int) -> Tensor:
        """(B, heads, prefix + prod(grid), d) -> (B, heads, tokens before the axis, along it, after it, d)."""
        return x[:, :, self.prefix :].unflatten(2, (math.prod(grid[:axis]), grid[axis], math.prod(grid[axis + 1 :])))


class MViTBlock(BaseModule):
    """Transformer block of pooling attention and MLP; either may expand the channels (section 3.2; mvitv2, B.1).

    Args:
        in_dims, attn_dims, out_dims: Channels before, after attention, after the MLP.
        mlp_ratio: Hidden channels of the MLP over `attn_dims`.
        drop_path_rate: Probability to skip either branch.
        skip_pool: Kernel, stride and padding of the max pooling of the skip connection where queries are pooled;
            None for none.
        transition_skip: What the skip connection carries where channels expand (table A.1): 'norm' the normed
            input, 'plain' the input, both through a linear layer; 'none' nothing.
        norm_cfg: Config of the norms.
        attn: Further arguments of :class:`PoolingAttention`.
    """

    def __init__(
        self,
        in_dims: int,
        attn_dims: int,
        out_dims: int,
        mlp_ratio: float,
        drop_path_rate: float,
        skip_pool: dict | None,
        transition_skip: str,
        norm_cfg: dict,
        **attn,
    ):
        super().__init__()
        self.transition_skip = transition_skip
        self.expands_in_attn, self.expands_in_mlp = in_dims != attn_dims, attn_dims != out_dims
        self.norm1 = build_norm_layer(norm_cfg, in_dims)[1]
        self.attn = PoolingAttention(in_dims, attn_dims, norm_cfg=norm_cfg, **attn)
        self.pool_skip = skip_pool and Pooling(0, 'max', norm_cfg=norm_cfg, **skip_pool)
        self.norm2 = build_norm_layer(norm_cfg, attn_dims)[1]
        self.mlp = MLP(attn_dims, [int(attn_dims * mlp_ratio), out_dims], activation_layer=nn.GELU)
        self.drop_path = DropPath(drop_path_rate)
        if transition_skip != 'none' and (self.expands_in_attn or self.expands_in_mlp):
            self.proj = nn.Linear(in_dims, out_dims)

    def forward(self, x: Tensor, grid: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
        """(N, L, in_dims) of a grid -> (N, L', out_dims) and its grid."""
        normed = self.norm1(x)
        attended, new_grid = self.attn(normed, grid)
        x = self._skip(x, normed, self.expands_in_attn)
        if self.pool_skip is not None and x is not None:
            x = self.pool_skip(x, grid, 1, self.attn.prefix)[0][:, 0]
        x = self._add(x, attended)
        normed = self.norm2(x)
        return self._add(self._skip(x, normed, self.expands_in_mlp), self.mlp(normed)), new_grid

    def _skip(self, x: Tensor, normed: Tensor, expands: bool) -> Tensor | None:
        if not expands:
            return x
        return None if self.transition_skip == 'none' else self.proj(normed if self.transition_skip == 'norm' else x)

    def _add(self, skip: Tensor | None, branch: Tensor) -> Tensor:
        # without a skip connection there is nothing to drop the branch for
        return branch if skip is None else skip + self.drop_path(branch)


@MODELS.register_module()
class MViT(HierarchicalBackbone):
    """MViT and MViTv2 backbone for images and video.

    Arguments that are None are what the arch says, and where it says nothing what its version has
    (`VERSIONS`, `DEFAULTS`).

    Args:
        arch: 'small', 'base', 'base_24', 'base_24_wide', 'v2_tiny', 'v2_small', 'v2_base', 'v2_large', 'v2_huge';
            a model of the papers' tables with its input, such as 'mvit-b-16x4-max' or 'mvitv2-l-image-384'
            (`PRESETS`); or a dict of version, embed_dims, num_heads, depths and any structural argument below.
        input_size: (T, H, W) or (H, W) that position embeddings are built for.
        in_channels: Channels of the input.
        patch_kernel, patch_stride, patch_padding: Of the patch embedding, per axis.
        pool_mode: Pooling of queries, keys and values: 'max', 'avg' or 'conv' (table 15).
        pool_kernel: Its kernel, per axis, or a function of the stride: 's', 's+1', '2s+1'.
        q_stride: Stride of query pooling where a stage begins, per axis.
        kv_stride: Stride of key and value pooling in stage 1, per axis; 'none' for no such pooling.
        adaptive_kv: Divide that stride as the stages reduce the resolution, rather than keep it (table 14).
        with_cls_token: Put a class token in front of the others.
        abs_pos: Absolute position embedding: 'none', 'space', 'joint', 'separate' (table 11).
        rel_pos: Relative positions: 'none', 'time', 'space', 'decomposed', 'joint_space', 'joint' (table A.6).
        rel_pos_terms: What has them, of 'q', 'k', 'v' (table A.4).
        residual_pooling: Add pooled queries to what attention gives (table A.7): True leaves the class token as it
            is, as PySlowFast does, 'all' does not, as the weights pre-trained on ImageNet-21K were made.
        full_q_pool: Pool queries in all blocks, with stride 1 where no stage begins (table A.7).
        expand_in: Where channels expand: 'mlp' at the end of a stage or 'attn' at the beginning of the next.
        transition_skip: Skip connection where channels expand: 'norm', 'plain', 'none' (mvit, table A.1).
        window_size: Tokens of stage 1 along the side of a window, for images of any size in detection: blocks
            attend within windows, the last of stages 2, 3, 4 globally. None for global attention everywhere.
        coarse_last_kv: Pool keys and values of the last blocks of stages 2 and 3 with twice the stride, since they
            see everything in detection; by default with windows.
        dim_mul, head_mul: Factors of channels and heads at a stage transition.
        mlp_ratio: Hidden channels of an MLP over its input's.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        drop_path_rate: Of the last block, growing linearly from 0.
        mean_before_norm: With 'avg_featmap', average tokens before the norm rather than normed ones.
        pos_mode: How absolute positions are resized in space, 'bilinear' or 'bicubic'.
        norm_cfg: Config of the norms.
        with_cp: Recompute blocks in the backward pass instead of keeping their activations.
        out_indices: Stages to return. Each has a norm of its own, `norm` the last, `norm0` … the others.
        out_type: 'cls_token' (N, C), by default with a class token; 'avg_featmap' (N, C), the mean over the grid,
            by default without; 'featmap' (N, C, [T,] H, W); 'raw' (N, L, C), the class token in front. All normed.
            Stages but the last have the channels of the next if `expand_in` is 'mlp'.
        init_cfg, frozen_stages: See :class:`HierarchicalBackbone`.

    Raises:
        ValueError: For an unknown arch or kind, a size that the patch stride does not divide, or settings that
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

    archs = ARCHS
    presets = PRESETS

    def __init__(
        self,
        arch: str | dict = 'v2_small',
        input_size: Sequence[int] | None = None,
        in_channels: int = 3,
        patch_kernel: Sequence[int] | None = None,
        patch_stride: Sequence[int] | None = None,
        patch_padding: Sequence[int] | None = None,
        pool_mode: str | None = None,
        pool_kernel: str | Sequence[int] | None = None,
        q_stride: Sequence[int] | None = None,
        kv_stride: str | Sequence[int] | None = None,
        adaptive_kv: bool | None = None,
        with_cls_token: bool | None = None,
        abs_pos: str | None = None,
        rel_pos: str | None = None,
        rel_pos_terms: Sequence[str] | None = None,
        residual_pooling: bool | str | None = None,
        full_q_pool: bool | None = None,
        expand_in: str | None = None,
        transition_skip: str | None = None,
        window_size: int | None = None,
        coarse_last_kv: bool | None = None,
        dim_mul: float | None = None,
        head_mul: float | None = None,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.0,
        mean_before_norm: bool = False,
        pos_mode: str = 'bilinear',
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        with_cp: bool = False,
        out_indices: int | Sequence[int] = (-1,),
        out_type: str | None = None,
        init_cfg: dict | list | None = None,
        frozen_stages: int = -1,
    ):
        given = dict(
            input_size=input_size,
            patch_kernel=patch_kernel,
            patch_stride=patch_stride,
            patch_padding=patch_padding,
            pool_mode=pool_mode,
            pool_kernel=pool_kernel,
            q_stride=q_stride,
            kv_stride=kv_stride,
            adaptive_kv=adaptive_kv,
            with_cls_token=with_cls_token,
            abs_pos=abs_pos,
            rel_pos=rel_pos,
            rel_pos_terms=rel_pos_terms,
            residual_pooling=residual_pooling,
            full_q_pool=full_q_pool,
            expand_in=expand_in,
            transition_skip=transition_skip,
            dim_mul=dim_mul,
            head_mul=head_mul,
        )
        cfg = self._settings(arch, {key: value for key, value in given.items() if value is not None})
        depths = tuple(cfg['depths'])
        self.has_cls_token = cfg['with_cls_token']
        out_type = out_type or ('cls_token' if self.has_cls_token else 'avg_featmap')
        super().__init__(
            cfg['input_size'], cfg['patch_stride'], len(depths), out_indices, out_type, init_cfg, frozen_stages
        )
        self.check_axes(
            **{key: cfg[key] for key in PER_AXIS if key != 'patch_stride' and not isinstance(cfg[key], str)}
        )
        self._check(cfg, window_size)
        self.with_cp, self.mean_before_norm = with_cp, mean_before_norm
        self.q_stride = tuple(cfg['q_stride'])
        coarse_last_kv = bool(window_size) if coarse_last_kv is None else coarse_last_kv
        grid = self.token_grid(self.input_size)
        embed_dims, num_heads = cfg['embed_dims'], cfg['num_heads']

        self.patch_embed = PatchEmbed(
            in_channels, embed_dims, cfg['patch_kernel'], self.patch_stride, cfg['patch_padding']
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims)) if self.has_cls_token else None
        self.pos_embed = None
        if cfg['abs_pos'] != 'none':
            self.pos_embed = PositionEmbedding(embed_dims, grid, cfg['abs_pos'], self.has_cls_token, pos_mode)

        rates = torch.linspace(0, drop_path_rate, sum(depths), device='cpu').tolist()
        kv = cfg['kv_stride'] if cfg['kv_stride'] != 'none' else None
        self.blocks = ModuleList()
        self.last_blocks = []  # per stage: index of its last block
        self.out_dims = []  # per stage: channels of its output
        for stage, depth in enumerate(depths):
            dims = embed_dims  # of the stage; embed_dims are those of the next block's input
            if stage and cfg['expand_in'] == 'attn':
                dims = int(embed_dims * cfg['dim_mul'])
            num_heads = int(num_heads * cfg['head_mul']) if stage else num_heads
            for index in range(depth):
                enters, leaves = stage > 0 and index == 0, index == depth - 1 and stage < len(depths) - 1
                stride = cfg['q_stride'] if enters else (1,) * len(grid)
                if enters and kv and cfg['adaptive_kv']:
                    kv = tuple(max(k // q, 1) for k, q in zip(kv, stride, strict=True))
                # detection: the last blocks of stages 2 to 4 see everything, stages 2 and 3 with fewer keys
                last = stage > 0 and index == depth - 1
                sees_all = not window_size or last
                block_kv = kv
                if kv and coarse_last_kv and last and stage < len(depths) - 1:
                    block_kv = tuple(2 * k for k in kv)
                if not sees_all and any(window_size % s for s in (*stride, *(block_kv or ()))):
                    raise ValueError(
                        f'{self.name}: poolings of stage {stage} (q_stride={stride}, kv_stride={block_kv}) cut its '
                        f'windows of {window_size} tokens: a window_size of 56 would do with the default strides'
                    )
                out_dims = dims
                if leaves and cfg['expand_in'] == 'mlp':
                    out_dims = int(dims * cfg['dim_mul'])
                q_pool = self._pool(stride, cfg['pool_kernel']) if enters or cfg['full_q_pool'] else None
                self.blocks.append(
                    MViTBlock(
                        embed_dims,
                        dims,
                        out_dims,
                        mlp_ratio,
                        rates[len(self.blocks)],
                        self._pool(stride, 's' if cfg['pool_kernel'] == 's' else 's+1'),
                        cfg['transition_skip'],
                        norm_cfg,
                        num_heads=num_heads,
                        grid=grid,
                        q_pool=q_pool,
                        kv_pool=block_kv and self._pool(block_kv, cfg['pool_kernel']),
                        pool_mode=cfg['pool_mode'],
                        rel_pos=cfg['rel_pos'],
                        rel_pos_terms=cfg['rel_pos_terms'],
                        residual_pooling=cfg['residual_pooling'],
                        window_size=None if sees_all else window_size,
                        with_cls_token=self.has_cls_token,
                        qkv_bias=qkv_bias,
                    )
                )
                embed_dims = out_dims
                grid = tuple(n // s for n, s in zip(grid, stride, strict=True))
                # the block that pools still has the windows of the stage that it leaves
                window_size = window_size // 2 if window_size and enters else window_size
            self.last_blocks.append(len(self.blocks) - 1)
            self.out_dims.append(embed_dims)
        self.embed_dims = embed_dims
        for stage in self.out_indices:
            self.add_module(self.norm_name(stage), build_norm_layer(norm_cfg, self.out_dims[stage])[1])
        # blocks behind the last output do not run
        self.num_running = self.last_blocks[self.out_indices[-1]] + 1
        self.freeze_idle(self.blocks[self.num_running :])
        self.freeze_stages()

    def pooling(self, stage: int) -> tuple[int, ...]:
        """See :class:`HierarchicalBackbone`; queries are pooled where a stage begins."""
        return tuple(stride**stage for stride in self.q_stride)

    def _settings(self, arch: str | dict, given: dict) -> dict:
        """All structural arguments, those that were not given from preset, arch, version and defaults.

        Raises:
            ValueError: If the arch is not known; lists what there is.
        """
        name, asked = type(self).__name__, given
        if isinstance(arch, str) and arch in self.presets:
            asked = self.presets[arch] | given
            arch = asked.pop('arch')
        if isinstance(arch, dict):
            needed = {'version', 'embed_dims', 'num_heads', 'depths'}
            wrong = (needed - set(arch)) | (set(arch) - needed - set(DEFAULTS) - set(VERSIONS[1]))
            if wrong:
                raise ValueError(
                    f'{name}: arch as a dict needs {", ".join(sorted(needed))} and may have other structural '
                    f'arguments; missing or unknown are {", ".join(sorted(wrong))}'
                )
            asked = {key: value for key, value in arch.items() if key not in needed} | asked
            arch = {key: arch[key] for key in needed}
        elif arch in self.archs:
            arch = self.archs[arch]
        else:
            raise ValueError(
                f"{name} has no arch {arch!r}: choose from {', '.join(self.archs)}, from the papers' tables "
                f'({", ".join(self.presets)}), or give a dict'
            )
        if arch['version'] not in VERSIONS:
            raise ValueError(f'{name}: version {arch["version"]!r}: 1 is MViT, 2 is MViTv2')
        cfg = DEFAULTS | VERSIONS[arch['version']] | arch
        input_size = asked.get('input_size', cfg['input_size'])
        if isinstance(input_size, Sequence) and len(input_size) == 2:
            # what is a clip's of a preset or arch loses time, what the user gave is left as it is
            asked = {
                key: value[-2:] if key in PER_AXIS and key not in given and not isinstance(value, str) else value
                for key, value in asked.items()
            }
            cfg |= {key: cfg[key][-2:] for key in PER_AXIS if not isinstance(cfg[key], str)}
            if cfg['kv_stride'] != 'none':
                cfg['kv_stride'] = tuple(max(s // 2, 1) for s in cfg['kv_stride'])
            if cfg['abs_pos'] == 'separate':
                cfg['abs_pos'] = 'joint'
        return cfg | asked

    def _check(self, cfg: dict, window_size: int | None) -> None:
        """Refuses kinds that there are not, and settings that contradict each other."""
        name, images = type(self).__name__, len(self.input_size) == 2
        kinds = dict(
            pool_mode=('max', 'avg', 'conv'),
            abs_pos=('none', 'space', 'joint', 'separate'),
            rel_pos=tuple(REL_POS),
            expand_in=('mlp', 'attn'),
            transition_skip=('norm', 'plain', 'none'),
            residual_pooling=(True, False, 'all'),
        )
        for key in ('pool_kernel', 'kv_stride'):
            if isinstance(cfg[key], str):
                kinds[key] = ('s', 's+1', '2s+1') if key == 'pool_kernel' else ('none',)
        for key, choices in kinds.items():
            if cfg[key] not in choices:
                raise ValueError(f'{name}: {key}={cfg[key]!r}: choose from {", ".join(map(str, choices))}')
        terms, rel_pos = tuple(cfg['rel_pos_terms']), cfg['rel_pos']
        if not terms or not set(terms) <= set('qkv'):
            raise ValueError(f"{name}: rel_pos_terms={terms} needs one or more of 'q', 'k', 'v'")
        contradictions = {
            f"abs_pos='separate' with input_size={self.input_size}: images have no time, use 'joint'": (
                cfg['abs_pos'] == 'separate' and images
            ),
            f"window_size={window_size} with pool_kernel='s': pooled windows would not fit images of any size": (
                window_size and cfg['pool_kernel'] == 's'
            ),
            f'rel_pos={rel_pos!r} with images, which have no time: use "space"': rel_pos == 'time' and images,
            f'rel_pos={rel_pos!r} with rel_pos_terms={terms}: a table for all axes together is for queries only': (
                rel_pos.startswith('joint') and terms != ('q',)
            ),
            f'window_size={window_size} with with_cls_token=True: a class token belongs to no window': (
                window_size and self.has_cls_token
            ),
            f'window_size={window_size} with input_size={self.input_size}: windows are for images': (
                window_size and not images
            ),
            f'window_size={window_size} with rel_pos={rel_pos!r}: a table for all axes together cannot follow images '
            'of any size, "space" can': window_size and rel_pos.startswith('joint'),
            f'full_q_pool=True with pool_kernel={cfg["pool_kernel"]!r}: a kernel that follows the stride pools nothing '
            'where the stride is 1; give a fixed one': cfg['full_q_pool'] and isinstance(cfg['pool_kernel'], str),
        }
        for text, found in contradictions.items():
            if found:
                raise ValueError(f'{name}: {text}')
        self._check_grids(cfg)

    def _check_grids(self, cfg: dict) -> None:
        """Refuses strides that leave no token and heads that do not divide channels."""
        name, stages = type(self).__name__, len(cfg['depths'])
        grid = self.token_grid(self.input_size)
        kernel, q_stride = cfg['pool_kernel'], tuple(cfg['q_stride'])
        strides = [q_stride, *([] if cfg['kv_stride'] == 'none' else [tuple(cfg['kv_stride'])])]
        if any(s < 1 for stride in strides for s in stride):
            raise ValueError(f'{name}: q_stride={q_stride} and kv_stride={cfg["kv_stride"]} need numbers from 1')
        # the skip connection is pooled with kernel s + 1, nothing with 1
        if not isinstance(kernel, str) and any(
            (k - (s + 1 if s > 1 else 1)) % 2 for k, s in zip(kernel, q_stride, strict=True)
        ):
            raise ValueError(
                f'{name}: pool_kernel={tuple(kernel)} with q_stride={q_stride} pools queries to another size than the '
                'skip connection: an odd kernel where the stride is 1 or even, an even one elsewhere would do'
            )
        total = tuple(q ** (stages - 1) for q in cfg['q_stride'])
        if any(n < q for n, q in zip(grid, total, strict=True)):
            raise ValueError(
                f'{name}: q_stride={tuple(cfg["q_stride"])} in {stages - 1} transitions leaves no token of the grid '
                f'{grid} that input_size={self.input_size} gives: use a size of at least '
                f'{tuple(q * s for q, s in zip(total, self.patch_stride, strict=True))}'
            )
        kv = (1,) * len(grid) if cfg['kv_stride'] == 'none' else cfg['kv_stride']
        if any(n < k for n, k in zip(grid, kv, strict=True)):
            raise ValueError(
                f'{name}: kv_stride={tuple(kv)} leaves no token of the grid {grid} that input_size={self.input_size} '
                'gives: use a smaller stride or kv_stride="none"'
            )
        dims, heads = cfg['embed_dims'], cfg['num_heads']
        for stage in range(stages):
            if dims % heads:
                raise ValueError(f'{name}: {heads} heads do not divide {dims} channels of stage {stage}')
            dims, heads = int(dims * cfg['dim_mul']), int(heads * cfg['head_mul'])

    @staticmethod
    def _pool(stride: Sequence[int], kernel: str | Sequence[int]) -> dict | None:
        """Arguments of :class:`Pooling` that give one token for each stride; None if nothing would be pooled."""
        sides = tuple(kernel)
        if isinstance(kernel, str):
            rule = {'s': lambda s: s, 's+1': lambda s: s + 1, '2s+1': lambda s: 2 * s + 1}[kernel]
            sides = tuple(rule(s) if s > 1 else 1 for s in stride)
        if math.prod(sides) == 1 and math.prod(stride) == 1:
            return None
        padding = (0,) * len(sides) if kernel == 's' else tuple(k // 2 for k in sides)
        return dict(kernel=sides, stride=tuple(stride), padding=padding)

    def init_weights(self) -> None:
        if self.cls_token is not None:
            nn.init.trunc_normal_(self.cls_token, std=0.02)
        super().init_weights()

    def paper_init_cfg(self) -> list[dict]:
        """As the public code: weights from a truncated normal, biases of linears and norms 0.02."""
        return [
            dict(type='TruncNormal', layer=['Conv2d', 'Conv3d', 'Pooling'], std=0.02),
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.02),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.02),
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, [T,] H, W) -> one tensor for each of `out_indices`, shaped as `out_type` says.

        Raises:
            ValueError: If the patch stride does not divide the size.
        """
        grid = self.input_grid(x)
        x = self.patch_embed(x)  # (N, [T,] H, W, C)
        if self.pos_embed is not None:
            x = x + self.pos_embed(grid)
        x = x.flatten(1, -2)  # (N, L, C)
        if self.cls_token is not None:
            first = self.cls_token if self.pos_embed is None else self.cls_token + self.pos_embed.cls
            x = torch.cat([first.expand(x.shape[0], -1, -1), x], 1)
        outs = []
        last_before = self.num_running - 1 if self.out_type == 'cls_token' else None
        for index in range(self.num_running):
            block = self.blocks[index]
            if index == last_before:
                x = self._show(x, grid, self.out_indices[-1])
            recompute = self.with_cp and x.requires_grad
            x, grid = checkpoint(block, x, grid, use_reentrant=False) if recompute else block(x, grid)
            if index not in self.last_blocks:
                continue
            stage = self.last_blocks.index(index)
            if index != last_before:
                x = self._show(x, grid, stage)
            if stage in self.out_indices:
                outs.append(self._output(x, grid, stage))
        return tuple(outs)

    def _show(self, x: Tensor, grid: Sequence[int], stage: int) -> Tensor:
        """Tokens (N, L, C), by way of :meth:`show_map` if somebody looks at the stage's map."""
        if not self.stage_maps[stage].in_use:
            return x
        first, x = x[:, : self.num_extra_tokens], x[:, self.num_extra_tokens :]
        return torch.cat([first, self.show_map(stage, x.unflatten(1, tuple(grid))).flatten(1, -2)], 1)

    def _output(self, x: Tensor, grid: Sequence[int], stage: int) -> Tensor:
        norm = getattr(self, self.norm_name(stage))
        if self.out_type == 'cls_token':
            return norm(x[:, 0])
        if self.out_type == 'raw':
            return norm(x)
        x = x[:, self.num_extra_tokens :]
        if self.out_type == 'avg_featmap' and self.mean_before_norm:
            return norm(self.format_output(x.unflatten(1, grid)))
        # normed as a sequence: tools take four axes for a map
        return self.format_output(norm(x).unflatten(1, grid))
