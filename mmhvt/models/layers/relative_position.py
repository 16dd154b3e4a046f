"""Relative positions in attention: what is added to q · k / √d for the offset between two tokens.

MViTv2 (arXiv:2112.01526, section 4.1 and appendix A.4) learns a vector R for each offset along each axis:

    E_q(i, j) = q_i · R_{p(i), p(j)}     with R_{p(i), p(j)} = R^h_{h(i), h(j)} + R^w_{w(i), w(j)} + R^t_{t(i), t(j)}

and in ablations the same for keys, E_k(i, j) = R_{p(i), p(j)} · k_j, and for values, E_v(i) = Σ_j A_ij R_{p(i), p(j)}.
The paper divides E_q and E_k by √d, too; the authors' code and weights, and so this file, do not.
:class:`RelativePositionTables` holds R, :class:`RelativePositions` computes E, :class:`GridBias` adds it to attention.

E is a sum over axes, and each summand depends on query i and *one* coordinate of key j. So it needs no tensor of all
pairs, which a fused kernel avoids in the first place: it can be part of longer heads. With

    q'_i = [q_i / √d,  q_i · R^h_{h(i), 0},  q_i · R^h_{h(i), 1},  …]     k'_j = [k_j,  one-hot h(j),  …]

q'_i · k'_j is the biased score, and the kernel needs no mask. In the same way, one-hot coordinates appended to the
values come out of the kernel as Σ_j A_ij over the keys at each coordinate, which is all that E_v depends on.
docs/how/relative_positions.md has the measurements.

Swin (arXiv:2103.14030, equation 4) and BEiT (arXiv:2106.08254) learn a number for each head and offset on all axes:

    B(i, j) = table[p(i) - p(j)]

Shapes: B batch, n heads, L tokens, Lq queries, Lk keys, d channels of a head, T frames, H height, W width. Grids are
([T,] H, W). The first `prefix` tokens are not on the grid (a class token) and have no relative positions.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleDict
from torch import Tensor, nn

from .constants import constant, zeros
from .layout import channels_first, channels_last
from .reference import in_reference_math
from .tracing import same_size

# ------------------------------------------------------------------------------------------------------------- MViTv2

# axes that share a table, for each kind of relative positions (MViTv2, table A.6)
REL_POS = {
    'none': (),
    'time': ('t',),
    'space': ('h', 'w'),
    'decomposed': ('h', 'w', 't'),
    'joint_space': ('hw', 't'),
    'joint': ('thw',),
}


@constant
def one_hot_coordinates(
    grid: tuple[int, ...], axes: tuple[int, ...], prefix: int, width: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """One-hot coordinates of a grid's tokens on some axes, (prefix + prod(grid), width); 0 for the prefix.

    Columns are the coordinates of one axis after the other; further ones, up to the width, are 0.
    """
    parts = []
    for axis in axes:
        coordinates = torch.arange(grid[axis], device=device)
        per_token = coordinates.view(-1, *[1] * (len(grid) - axis - 1)).expand(*grid).flatten()
        parts.append((per_token[:, None] == coordinates).to(dtype))
    one_hot = torch.cat(parts, 1)
    return F.pad(one_hot, (0, width - one_hot.shape[1], prefix, 0))


@constant
def table_rows(num_queries: int, num_keys: int, device: torch.device) -> Tensor:
    """Row of a table of relative positions for each query and key of an axis, (num_queries, num_keys).

    Where one side is pooled more than the other, its coordinates are stretched to the finer side.
    """
    q_stretch, k_stretch = max(num_keys / num_queries, 1.0), max(num_queries / num_keys, 1.0)
    q = torch.arange(num_queries, device=device)[:, None] * q_stretch
    k = torch.arange(num_keys, device=device)[None, :] * k_stretch
    return (q - k + (num_keys - 1) * k_stretch).long()


@constant
def table_columns(
    q_grid: tuple[int, ...],
    k_grid: tuple[int, ...],
    axes: tuple[int, ...],
    of_keys: bool,
    prefix: int,
    width: int,
    device: torch.device,
) -> Tensor:
    """Columns of the products with all rows of :meth:`RelativePositionTables.joined` in which each token finds its own.

    Args:
        q_grid: Grid of the queries.
        k_grid: Grid of the keys.
        axes: Axes with a table, in the order of the tables.
        of_keys: Whether the tokens are keys, and the coordinates those of queries.
        prefix: Number of tokens before the grid; they find zeros.
        width: Number of columns; those after the coordinates of the other grid on all axes find zeros.
        device: Device of the result.

    Returns:
        Tensor: (prefix + prod(grid), width), in each row the coordinates of one axis after the other.
    """
    grid = k_grid if of_keys else q_grid
    columns, start = [], 0
    for axis in axes:
        rows = table_rows(q_grid[axis], k_grid[axis], device)
        rows = rows.t() if of_keys else rows
        shape = [n if i == axis else 1 for i, n in enumerate(grid)]
        columns.append((start + rows).view(*shape, -1).expand(*grid, -1).flatten(0, -2))
        start += 2 * max(q_grid[axis], k_grid[axis]) - 1
    joined = torch.cat(columns, 1)
    # shifted, since a trace would fix the number `start` as a value to pad with
    return F.pad(joined - start, (0, width - joined.shape[1], prefix, 0)) + start


def for_each_head(x: Tensor, like: Tensor) -> Tensor:
    """(L, C) as a view (B, n, L, C) with the batch and the heads of another tensor (B, n, …)."""
    if torch.jit.is_tracing():  # ONNX's older exporter fixes a batch that it reads as a number
        return x + (like[:, :, :1, :1] * 0).to(x.dtype)
    return x.expand(*like.shape[:2], -1, -1)


@dataclass
class GridBias:
    """An attention bias that is a sum over axes, E(i, j) = Σ_a query_a(i)[c_a(j)] + Σ_a key_a(j)[c_a(i)].

    c_a(j) is the coordinate of token j on axis a of its grid.

    Args:
        q_grid: Grid of the queries.
        k_grid: Grid of the keys.
        axes: The axes a.
        query: Scores of each query with the coordinates of keys, (B, n, Lq, Σ k_grid[a] or more), one axis after the
            other; further channels are zero. None for none.
        key: Scores of each key with the coordinates of queries, (B, n, Lk, Σ q_grid[a] or more). None for none.
        prefix: Number of queries and of keys before the grid, whose scores must be 0. Defaults to 0.
    """

    q_grid: Sequence[int]
    k_grid: Sequence[int]
    axes: Sequence[int]
    query: Tensor | None = None
    key: Tensor | None = None
    prefix: int = 0

    def dense(self) -> Tensor:
        """The bias of all pairs, (B, n, Lq, Lk)."""
        parts = []
        if self.query is not None:
            parts.append(self._over_grid(self.query, self.k_grid))
        if self.key is not None:
            parts.append(self._over_grid(self.key, self.q_grid).transpose(2, 3))
        return reduce(torch.add, parts)

    def runs(self, length: int) -> Iterator[tuple[slice, Tensor]]:
        """:meth:`dense` in runs of `length` queries, each with its slice: (B, n, length, Lk); only without `key`."""
        assert self.query is not None and self.key is None
        for start in range(0, self.query.shape[2], length):
            run = slice(start, start + length)
            yield run, replace(self, query=self.query[:, :, run]).dense()

    def _over_grid(self, scores: Tensor, grid: Sequence[int]) -> Tensor:
        """Sum over axes of the scores with each token of a grid, (B, n, L, prefix + prod(grid))."""
        lengths = [grid[axis] for axis in self.axes]
        spread = []
        for axis, values in zip(self.axes, scores[..., : sum(lengths)].split(lengths, -1), strict=True):
            shape = [n if i == axis else 1 for i, n in enumerate(grid)]
            spread.append(values.reshape(*values.shape[:3], *shape).expand(*values.shape[:3], *grid))
        return F.pad(reduce(torch.add, spread).flatten(3), (self.prefix, 0))

    @property
    def width(self) -> int:
        """Minimum number of channels that :meth:`extend` adds to a head."""
        return sum(scores.shape[-1] for scores in (self.query, self.key) if scores is not None)

    def extend(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, n, Lq, d') and keys (B, n, Lk, d') of longer heads, whose product is q · k / √d + E."""
        q_parts, k_parts = [q], [k * q.shape[-1] ** -0.5]  # there are never more keys than queries
        if self.query is not None:
            q_parts.append(self.query)
            k_parts.append(self._coordinates(self.k_grid, self.query))
        if self.key is not None:
            q_parts.append(self._coordinates(self.q_grid, self.key))
            k_parts.append(self.key)
        return self._join(q_parts), self._join(k_parts)

    def _coordinates(self, grid: Sequence[int], scores: Tensor) -> Tensor:
        """One-hot coordinates of the other side, to multiply scores by: (B, n, prefix + prod(grid), …)."""
        one_hot = one_hot_coordinates(
            tuple(grid), tuple(self.axes), self.prefix, scores.shape[-1], scores.device, scores.dtype
        )
        return for_each_head(one_hot, scores)

    @staticmethod
    def _join(parts: Sequence[Tensor]) -> Tensor:
        # scores have the dtype of products, which autocast lowers; attention would use it anyway
        x = torch.cat([part.to(parts[-1].dtype) for part in parts], -1)
        return F.pad(x, (0, fill)) if (fill := fill_head(x.shape[-1])) else x


def fill_head(dims: int) -> int:
    """Channels that pad a head to a multiple of 8, which fused kernels on GPUs want."""
    return -dims % 8


class RelativePositionTables(BaseModule):
    """Learned vectors R by offset, one table for each group of axes: parameters 'h', 'w', 't', 'hw', 'thw'.

    Args:
        kind: Kind of relative positions, a key of `REL_POS`.
        size: Longer side of the grids of queries and keys, per axis.
        dims: Channels of a head.
    """

    def __init__(self, kind: str, size: Sequence[int], dims: int):
        super().__init__()
        self.axes = {name: axis for axis, name in enumerate('thw'[-len(size) :])}
        self.groups = [group for group in REL_POS[kind] if group in self.axes or len(group) > 1]
        self.sizes = {group: [2 * size[axis] - 1 for axis in self.axes_of(group)] for group in self.groups}
        for group in self.groups:
            self.register_parameter(group, nn.Parameter(torch.zeros(math.prod(self.sizes[group]), dims)))

    def axes_of(self, group: str) -> list[int]:
        """Axes of the grid that a group names; images have no time."""
        return [self.axes[name] for name in group if name in self.axes]

    @property
    def single_axes(self) -> list[int]:
        """Axes with a table of their own."""
        return [self.axes[group] for group in self.groups if len(group) == 1]

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=0.02)
        super().init_weights()

    def resize_pretrained(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Resize tables to these sizes; a table of time, which images lack, starts at zero.

        Raises:
            ValueError: If a table of several axes has another size or is missing.
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

    def resized(self, group: str, sides: Sequence[int]) -> Tensor:
        """The table of a group for grids whose longer sides are `sides`, (offsets on each axis …, d)."""
        table, size = getattr(self, group), self.sizes[group]
        target = [2 * side - 1 for side in sides]
        table = table.view(*size, -1)
        if not same_size(target, size):
            mode = ('linear', 'bilinear', 'trilinear')[len(size) - 1]
            table = channels_last(F.interpolate(channels_first(table[None]).float(), size=target, mode=mode))[0]
        return table.to(getattr(self, group).dtype)

    def between(self, axis: int, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        """R of an axis with a table of its own, for each pair of coordinates: (q_grid[axis], k_grid[axis], d)."""
        table = self.resized('thw'[-len(q_grid) :][axis], [max(q_grid[axis], k_grid[axis])])
        return F.embedding(table_rows(q_grid[axis], k_grid[axis], table.device), table)

    def joined(self, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        """R of all axes with a table of their own, one after the other, then zeros: (offsets + 1 or more, d).

        Zeros pad it to a multiple of 8 rows.
        """
        axes = {name: self.axes[name] for name in self.groups if len(name) == 1}
        tables = [self.resized(name, [max(q_grid[axis], k_grid[axis])]) for name, axis in axes.items()]
        rows = sum(table.shape[0] for table in tables) + 1  # len() would fix them in a trace
        like = tables[0]
        return torch.cat([*tables, zeros((1 + fill_head(rows), like.shape[1]), like.device, like.dtype)])

    def joint_bias(self, q: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor | None:
        """q_i · R of the tables of several axes, (B, n, prod(q_grid), prod(k_grid)); None without such tables.

        Gathers a vector for each pair of tokens, which makes the joint kinds expensive (MViTv2, table A.6).

        Args:
            q: Queries of the grid, (B, n, prod(q_grid), d).
        """
        groups = [group for group in self.groups if len(group) > 1]
        parts = [self._group_bias(group, q.unflatten(2, tuple(q_grid)), q_grid, k_grid) for group in groups]
        return reduce(torch.add, [part.reshape(*q.shape[:3], math.prod(k_grid)) for part in parts]) if parts else None

    def _group_bias(self, group: str, q: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        axes = self.axes_of(group)
        pairs = [(q_grid[axis], k_grid[axis]) for axis in axes]
        table = self.resized(group, [max(pair) for pair in pairs])
        rows = [table_rows(*pair, table.device) for pair in pairs]
        if len(axes) == len(q_grid):
            return self._bias_on_all_axes(q, table, rows)
        # space only: each frame of queries has the same bias in all frames of keys
        gathered = table[rows[0][:, None, :, None], rows[1][None, :, None, :]]  # (Hq, Wq, Hk, Wk, d)
        bias = torch.einsum('bnthwc,hwklc->bnthwkl', q, gathered)[:, :, :, :, :, None]
        return bias.expand(*bias.shape[:5], k_grid[0], *bias.shape[6:])

    @staticmethod
    def _bias_on_all_axes(q: Tensor, table: Tensor, rows: Sequence[Tensor]) -> Tensor:
        """Queries (B, n, [T,] H, W, d) · table[offsets on all axes], one frame of queries at a time to bound memory."""
        h, w = rows[-2][:, None, :, None], rows[-1][None, :, None, :]
        if len(rows) == 2:
            return torch.einsum('bnhwc,hwklc->bnhwkl', q, table[h, w])
        frames = []
        for frame, frame_rows in enumerate(rows[0]):
            gathered = table[frame_rows[:, None, None, None, None], h, w]  # (Tk, Hq, Wq, Hk, Wk, d)
            frames.append(torch.einsum('bnhwc,thwklc->bnhwtkl', q[:, :, frame], gathered))
        return torch.stack(frames, 2)


class RelativePositions(ModuleDict):
    """E of queries, keys and values: :class:`RelativePositionTables` for each of 'q', 'k', 'v' that has them.

    Attention with relative positions is three steps::

        bias = positions.bias(q, k, q_grid, k_grid)
        x = attend(q, k, positions.append_coordinates(v, k_grid), bias=bias)
        x = positions.add_to_values(x, q_grid, k_grid)

    Args:
        kind: Kind of relative positions, a key of `REL_POS`.
        terms: Which of 'q', 'k', 'v' have relative positions (MViTv2, table A.4).
        size: Longer side of the grids of queries and keys, per axis.
        dims: Channels of a head.
        prefix: Number of tokens before the grid. Defaults to 0.
    """

    def __init__(self, kind: str, terms: Sequence[str], size: Sequence[int], dims: int, prefix: int = 0):
        terms = terms if kind != 'none' else ()
        super().__init__({term: RelativePositionTables(kind, size, dims) for term in terms})
        self.prefix = prefix

    def bias(self, q: Tensor, k: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> GridBias | Tensor | None:
        """E_q + E_k as :func:`~mmhvt.models.layers.attention.attend` takes it; None without any.

        Args:
            q: Queries (B, n, Lq, d) of `q_grid`.
            k: Keys (B, n, Lk, d) of `k_grid`.
        """
        axes = self.single_axes
        lengths = [sum(grid[axis] for axis in axes) for grid in (k_grid, q_grid)]
        widths = [length if term in self else 0 for term, length in zip('qk', lengths, strict=True)]
        fill = fill_head(q.shape[-1] + sum(widths))
        decomposed = joint = None
        if axes and sum(widths):
            decomposed = GridBias(q_grid, k_grid, axes, prefix=self.prefix)
            if 'q' in self:
                decomposed.query = self._scores('q', q, q_grid, k_grid, widths[0] + fill)
            if 'k' in self:
                decomposed.key = self._scores('k', k, q_grid, k_grid, widths[1] + (0 if 'q' in self else fill))
        if 'q' in self:
            joint = self['q'].joint_bias(q[:, :, self.prefix :], q_grid, k_grid)
        if joint is None:
            return decomposed
        joint = F.pad(joint, (self.prefix, 0, self.prefix, 0))
        return joint if decomposed is None else joint + decomposed.dense()

    @property
    def single_axes(self) -> tuple[int, ...]:
        """Axes with a table of their own."""
        return tuple(next(iter(self.values())).single_axes) if len(self) else ()

    def append_coordinates(self, v: Tensor, k_grid: Sequence[int]) -> Tensor:
        """Values (B, n, Lk, d) with one-hot coordinates appended, if values have relative positions."""
        if 'v' not in self:
            return v
        width = sum(k_grid[axis] for axis in self.single_axes)
        one_hot = one_hot_coordinates(tuple(k_grid), self.single_axes, self.prefix, width, v.device, v.dtype)
        return torch.cat([v, for_each_head(one_hot, v)], -1)

    def add_to_values(self, x: Tensor, q_grid: Sequence[int], k_grid: Sequence[int]) -> Tensor:
        """A V + E_v (B, n, Lq, d) from attention over values with appended coordinates."""
        if 'v' not in self:
            return x
        width = sum(k_grid[axis] for axis in self.single_axes)
        x, attention = x.split([x.shape[-1] - width, width], -1)
        tables = self['v'].joined(q_grid, k_grid).to(x.dtype)
        columns = table_columns(tuple(q_grid), tuple(k_grid), self.single_axes, False, self.prefix, width, x.device)
        by_offset = attention.new_zeros(*attention.shape[:3], tables.shape[0])
        return x + by_offset.scatter(-1, for_each_head(columns, attention), attention) @ tables

    def _scores(self, term: str, x: Tensor, q_grid: Sequence[int], k_grid: Sequence[int], width: int) -> Tensor:
        """x_i · R for the coordinate of i and each coordinate of the other grid, (B, n, L, width); 0 for the prefix.

        Multiplies by all of R, from which each token picks what it needs: on GPUs and CPUs alike, more multiplications
        cost less than sorting the tokens by their coordinates.

        Args:
            term: 'q' for queries, 'k' for keys.
            x: Tokens (B, n, L, d).
            q_grid: Grid of the queries.
            k_grid: Grid of the keys.
            width: Number of channels; those after the coordinates are 0.
        """
        if in_reference_math():
            return self._scores_by_axis(term, x, q_grid, k_grid, width)
        products = F.linear(x, self[term].joined(q_grid, k_grid).to(x.dtype))
        columns = table_columns(
            tuple(q_grid), tuple(k_grid), self.single_axes, term == 'k', self.prefix, width, x.device
        )
        return products.gather(-1, for_each_head(columns, products))

    def _scores_by_axis(self, term: str, x: Tensor, q_grid: Sequence[int], k_grid: Sequence[int], width: int) -> Tensor:
        """:meth:`_scores` with one product per axis and only the needed rows of its table, as papers count them."""
        grid, parts = q_grid if term == 'q' else k_grid, []
        for axis in self.single_axes:
            vectors = self[term].between(axis, q_grid, k_grid).to(x.dtype)
            vectors = vectors if term == 'q' else vectors.transpose(0, 1)
            sides = math.prod(grid[:axis]), grid[axis], math.prod(grid[axis + 1 :])
            along = x[:, :, self.prefix :].unflatten(2, sides)
            parts.append(torch.einsum('bnpqrc,qkc->bnpqrk', along, vectors).flatten(2, 4))
        scores = torch.cat(parts, -1)
        return F.pad(scores, (0, width - scores.shape[-1], self.prefix, 0))


# -------------------------------------------------------------------------------------------------------- Swin, BEiT


def offset_index(window: Sequence[int], table_window: Sequence[int], device: torch.device) -> Tensor:
    """Row of the table of `table_window` for each pair of tokens of a window that is no larger, (n, n)."""
    sides = [2 * side - 1 for side in table_window]
    count = math.prod(sides)
    # rows are offsets in row-major order: an offset's row is the difference of its positions' rows, from the middle
    rows = torch.arange(count, device=device).view(sides)[tuple(slice(n) for n in window)].flatten()
    return (rows + count // 2)[:, None] - rows


@constant
def window_rows(window: tuple[int, ...], table_window: tuple[int, ...], device: torch.device) -> Tensor:
    """:func:`offset_index` of a window as Swin and Video Swin have it, (n · n,)."""
    if len(window) == 2:
        return offset_index(window, table_window, device).flatten()
    # as in the public code: a clip's window that shrank uses the first rows of the whole window's index
    size = math.prod(window)
    return offset_index(table_window, table_window, device)[:size, :size].flatten()


class WindowPositionBias(BaseModule):
    """Swin's bias: a learned number for each head and each offset within a window.

    Args:
        window_size: Tokens of a window per axis, ([P,] M, M).
        num_heads: Number of attention heads.
        inflation: How an image's table becomes a clip's (Video Swin, section 3.4 and table 9): 'duplicate', the same
            values between all frames, or 'center', the same values within a frame and −4.6 between frames. Defaults to
            'duplicate'.
    """

    def __init__(self, window_size: Sequence[int], num_heads: int, inflation: str = 'duplicate'):
        super().__init__()
        self.window_size, self.inflation = tuple(window_size), inflation
        self.table = nn.Parameter(torch.zeros(math.prod(2 * side - 1 for side in window_size), num_heads))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        nn.init.trunc_normal_(self.table, std=0.02)
        super().init_weights()

    def forward(self, window: Sequence[int]) -> Tensor:
        """Bias (heads, n, n) of a window that may be smaller than `window_size`."""
        rows, n = window_rows(tuple(window), self.window_size, self.table.device), math.prod(window)
        # transposed first: the result is in order, and gradients are summed without sorting, in fp32 at least
        table = self.table.t().to(torch.promote_types(self.table.dtype, torch.float32)).contiguous()
        return table.index_select(1, rows).view(-1, n, n)

    def resize_pretrained(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert a table of other windows, bicubically in space and linearly in time, or of images.

        A clip's table becomes an image's by the logarithm of the mean of exp(bias) over all pairs of frames of a
        window: for each offset in space, the softmax of a still clip sums exp(bias) over the frames.

        Args:
            found: `table`, or `image_table` if the file is known to be an image model's.

        Raises:
            ValueError: If the windows of the file's table cannot be inferred.
        """
        table = found.get('image_table', found.get('table'))
        if table is None or table.shape == self.table.shape:
            return {} if table is None else {'table': table}
        frames, side = self._source_sides(len(table), 'image_table' in found)
        sides = [2 * n - 1 for n in self.window_size]
        x = table.t().reshape(-1, 1, frames, side, side)  # (heads, 1, time, H, W)
        if (side, side) != tuple(sides[-2:]):
            x = F.interpolate(x.flatten(1, 2), size=sides[-2:], mode='bicubic', align_corners=False)[:, None]
        if len(sides) == 2:
            pairs = (frames + 1) // 2 - (torch.arange(frames) - frames // 2).abs()
            x = (x + (pairs / pairs.sum()).log()[:, None, None].to(x)).logsumexp(2)
        elif frames == 1 and self.inflation == 'center':
            within, x = x, torch.full((len(x), 1, *sides), -4.6, dtype=x.dtype)
            x[:, :, sides[0] // 2] = within[:, :, 0]
        elif frames == 1:
            x = x.repeat(1, 1, sides[0], 1, 1)
        elif frames != sides[0]:
            x = F.interpolate(x, size=sides, mode='trilinear', align_corners=False)
        return {'table': x.reshape(len(x), -1).t()}

    def _source_sides(self, rows: int, image: bool) -> tuple[int, int]:
        """Offsets in time and along a side that a table of `rows` rows has; 1 in time for an image's.

        Windows are square. If the number of rows is ambiguous, they are assumed to share their time or their side with
        this model.
        """
        clip, side = len(self.window_size) == 3, 2 * self.window_size[-1] - 1
        time = 2 * self.window_size[0] - 1 if clip else 1
        sides = [(rows // n**2, n) for n in range(1, math.isqrt(rows) + 1, 2) if rows % n**2 == 0]
        frame = [(t, n) for t, n in sides if t == 1]
        if image:
            usual = frame
        elif side == 1:  # attention over time alone
            usual = [(rows, 1)] if rows % 2 else []
        else:  # more than one token along each axis, and in time at most 16 unless this model has more
            usual = [(t, n) for t, n in sides if n > 1 and t % 2 and (1 < t < 32 or (clip and t == time))] or frame
        alike = [(t, n) for t, n in usual if t == time or n == side]
        found = usual if len(usual) == 1 else alike
        if len(found) == 1:
            return found[0]
        if not usual:
            raise ValueError(
                f'a table of {rows} biases belongs to no windows that can be resized to {self.window_size}'
            )
        windows = ', '.join(f'({t // 2 + 1}, {n // 2 + 1}, {n // 2 + 1})' for t, n in usual)
        raise ValueError(
            f'a table of {rows} biases may belong to windows {windows}, so it is unclear how to resize it to '
            f'{self.window_size}: use a window_size with the time or the side of the file'
        )


@constant
def frame_rows(grid: tuple[int, ...], device: torch.device) -> Tensor:
    """Row of BEiT's table for each pair of tokens of a frame, the class token first, ((1 + H·W)²,)."""
    index = F.pad(offset_index(grid, grid, device), (1, 0, 1, 0))
    count = math.prod(2 * n - 1 for n in grid) + 3
    index[0, :], index[:, 0], index[0, 0] = count - 3, count - 2, count - 1
    return index.flatten()


class FramePositionBias(BaseModule):
    """BEiT's bias: a learned number for each head and each offset between two patches of a frame.

    Three more rows of the table are for class token to patch, patch to class token, and the class token to itself.

    Args:
        num_heads: Number of attention heads.
        grid: (H, W) of patches that the table is built for; it is resized for other grids.
    """

    def __init__(self, num_heads: int, grid: Sequence[int]):
        super().__init__()
        self.grid = tuple(grid)
        self.table = nn.Parameter(torch.zeros(math.prod(2 * n - 1 for n in grid) + 3, num_heads))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        nn.init.trunc_normal_(self.table, std=0.02)
        super().init_weights()

    def forward(self, grid: Sequence[int]) -> Tensor:
        """Bias (1, heads, 1 + H·W, 1 + H·W) of a grid (H, W) with one class token."""
        table = self._resize(self.table, [2 * n - 1 for n in self.grid], [2 * n - 1 for n in grid])
        rows, heads = frame_rows(tuple(grid), table.device), table.shape[1]
        side = math.prod(grid) + 1
        return table.t().gather(1, rows.expand(heads, -1)).view(1, heads, side, side)

    def resize_pretrained(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Resize the table of another, square grid.

        Raises:
            ValueError: If the grid of the file's table cannot be inferred.
        """
        table = found.get('table', found.get('image_table'))
        if table is None:
            return {}
        side = math.isqrt(len(table) - 3)
        if side**2 + 3 != len(table) or side % 2 == 0:
            raise ValueError(f'a table of {len(table)} biases belongs to no square grid with a class token')
        return {'table': self._resize(table, (side, side), [2 * n - 1 for n in self.grid])}

    @staticmethod
    def _resize(table: Tensor, source: Sequence[int], target: Sequence[int]) -> Tensor:
        if tuple(source) == tuple(target):
            return table
        offsets, others = table[:-3], table[-3:]
        offsets = offsets.t().reshape(1, -1, *source)
        offsets = F.interpolate(offsets.float(), size=tuple(target), mode='bicubic', align_corners=False)
        return torch.cat([offsets[0].flatten(1).t().to(table.dtype), others])
