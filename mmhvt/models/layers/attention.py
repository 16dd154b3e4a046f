"""Attention of all families: one function, on torch's fused kernels."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# 'bias' or 'extended' to force one form of grid biases, None to choose
_form = None


@contextlib.contextmanager
def grid_bias_form(form: str | None) -> Iterator[None]:
    """Forces the form in which :func:`attend` computes a :class:`GridBias`: 'bias' or 'extended'; None chooses.

    The two agree. 'bias' is what counting operations means by attention: QKᵀ and AV, nothing else, and every
    product in the order in which the papers write it (:func:`as_written`).
    """
    global _form
    before, _form = _form, form
    try:
        yield
    finally:
        _form = before


def as_written() -> bool:
    """Whether products are to be computed as the papers write and count them, not in a cheaper order."""
    return _form == 'bias'


@dataclass
class GridBias:
    """A bias that is a sum over axes, bias(i, j) = Σ_a query_a(i)[c_a(j)] + Σ_a key_a(j)[c_a(i)].

    c_a(j) is the coordinate of token j on axis a of its grid. Decomposed relative positions have this
    form (papers/mvitv2_appendix, A.4): query_a(i)[c] = q_i · R_a[c_a(i) − c].

    Args:
        q_grid, k_grid: Grids of queries and keys, row by row, behind `prefix` tokens that have no place.
        query: {axis: (B, heads, Lq, k_grid[axis])}.
        key: {axis: (B, heads, Lk, q_grid[axis])}.
        prefix: Tokens before the grid on both sides (a class token); their rows and columns have no bias.
    """

    q_grid: Sequence[int]
    k_grid: Sequence[int]
    query: dict[int, Tensor]
    key: dict[int, Tensor]
    prefix: int = 0

    def dense(self) -> Tensor:
        """The bias itself, (B, heads, Lq, Lk)."""
        parts = []
        if self.query:
            over_grid = sum(self._spread(values, axis, self.k_grid) for axis, values in self.query.items())
            parts.append(F.pad(over_grid.flatten(3), (self.prefix, 0)))
        if self.key:
            over_grid = sum(self._spread(values, axis, self.q_grid) for axis, values in self.key.items())
            parts.append(F.pad(over_grid.flatten(3), (self.prefix, 0)).transpose(2, 3))
        return sum(parts)

    @staticmethod
    def _spread(values: Tensor, axis: int, grid: Sequence[int]) -> Tensor:
        """(B, heads, L, grid[axis]) -> (B, heads, L, *grid), a view."""
        shape = [1] * len(grid)
        shape[axis] = grid[axis]
        return values.reshape(*values.shape[:3], *shape).expand(*values.shape[:3], *grid)

    def extensions(self) -> tuple[Tensor, Tensor]:
        """What makes the bias part of the product of queries and keys: (B, heads, Lq, e), (B, heads, Lk, e)."""
        batch = next(iter((self.query | self.key).values()))
        q_parts, k_parts = [], []
        for axis, values in self.query.items():
            q_parts.append(values)
            k_parts.append(place_indicators(self.k_grid, axis, values, self.prefix))
        for axis, values in self.key.items():
            q_parts.append(place_indicators(self.q_grid, axis, values, self.prefix))
            k_parts.append(values)
        return tuple(
            torch.cat([part.expand(*batch.shape[:2], -1, -1) for part in parts], -1) for parts in (q_parts, k_parts)
        )


def place_indicators(grid: Sequence[int], axis: int, like: Tensor, prefix: int = 0) -> Tensor:
    """One-hot coordinates of tokens on one axis, (1, 1, prefix + prod(grid), grid[axis]); 0 for the prefix."""
    places = torch.arange(grid[axis], device=like.device)
    coordinate = places.view(-1, *[1] * (len(grid) - axis - 1)).expand(*grid).flatten()
    indicators = (coordinate[:, None] == places).to(like.dtype)
    return F.pad(indicators, (0, 0, prefix, 0))[None, None]


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    key_mask: Tensor | None = None,
    bias: Tensor | GridBias | None = None,
) -> Tensor:
    """softmax(q kᵀ / √d + bias) v by the fastest kernel that torch has for the device and dtype.

    Args:
        q: Queries (B, heads, Lq, d). Windows, where there are any, stand in B: the fused
            kernels take 4-D tensors only.
        k: Keys (B, heads, Lk, d).
        v: Values (B, heads, Lk, dv).
        key_mask: Bool (B or 1, Lk), False for keys that nobody may look at. A row without
            any True counts as all True, so that nothing is divided by zero.
        bias: (B or 1, heads or 1, Lq, Lk), or a :class:`GridBias`, which is added exactly without a
            tensor of that size: a dot product of longer heads, q' = [q / √d, its values] with
            k' = [k, one-hot coordinates].

    Returns:
        Tensor: (B, heads, Lq, dv).
    """
    scale = None
    if isinstance(bias, GridBias):
        if _form == 'bias':
            bias = bias.dense()
        else:
            # heads of a multiple of 8, or the fused kernels of GPUs leave it to a slow one
            extensions = bias.extensions()
            pad = -(q.shape[-1] + extensions[0].shape[-1]) % 8
            q_extension, k_extension = (F.pad(x, (0, pad)) for x in extensions)
            q = torch.cat([q * q.shape[-1] ** -0.5, q_extension.to(q.dtype)], -1)
            k = torch.cat([k, k_extension.to(k.dtype)], -1)
            bias, scale = None, 1.0
    if key_mask is not None:
        seen = (key_mask | ~key_mask.any(-1, keepdim=True))[:, None, None, :]
        bias = seen if bias is None else bias.masked_fill(~seen, -math.inf)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    if bias is not None and torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export():
        # PyTorch's own decomposition of masked attention forgets the layout that its fused kernels promised
        scores = q @ k.transpose(-2, -1) * scale
        scores = scores.masked_fill(~bias, -math.inf) if bias.dtype == torch.bool else scores + bias
        return scores.softmax(-1) @ v
    # the fused kernels want heads of one length for all three
    dims, length = v.shape[-1], max(q.shape[-1], v.shape[-1])
    if q.shape[-1] == dims:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
    q, k, v = (F.pad(x, (0, length - x.shape[-1])) if x.shape[-1] < length else x for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)[..., :dims]


def split_heads(x: Tensor, num_heads: int, window: int | None = None) -> Tensor:
    """(N, L, heads * d) -> (N * L / window, heads, window, d), a view.

    Args:
        x: Tokens; a window is a run of them.
        num_heads: Heads.
        window: Tokens of a window; None for one window of all tokens.
    """
    return x.reshape(-1, window or x.shape[1], num_heads, x.shape[2] // num_heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, L, d) -> (B, L, heads * d)."""
    return x.transpose(1, 2).flatten(2)


__all__ = ['GridBias', 'as_written', 'attend', 'grid_bias_form', 'merge_heads', 'place_indicators', 'split_heads']
