"""Mask units: an order of tokens in which pooling and local attention are plain views.

A mask unit is the square of 32×32 pixels that masked pre-training keeps or deletes as a whole (Hiera,
https://arxiv.org/abs/2306.00989, section 3 and figure 4a): 8×8 tokens in stage 1, half as many per axis after each
pooling. In row-major order the four tokens that a 2×2 pooling joins are far apart, and once units have been deleted
there are no rows left. So tokens are kept in *unit order*:

    mask unit, then the 4×4 corner within it, then the 2×2 corner within that, …

The four tokens that the next pooling joins are then neighbors, and so are the 64, 16 or 4 tokens of one unit: pooling
is ``view(…, 4, C).amax``, and local attention is a view that moves units to the batch. Hiera's code reaches this order
with its modules `Unroll` and `Reroll`; here they are :meth:`MaskUnitOrder.to_units` and :meth:`MaskUnitOrder.to_grid`.

Shapes: N batch, C channels, T frames, H height, W width, L tokens in unit order, K mask units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .tracing import exports_onnx, same_size


def max_pool_tokens(x: Tensor, stride: int, valid: Tensor | None = None) -> Tensor:
    """Max over each run of `stride` tokens in unit order, which is max pooling over space (section 3.2).

    Args:
        x: Tokens (..., L, C).
        stride: Number of tokens that are joined, over all axes: 4 for 2×2.
        valid: Mask (L,), False for padding, which the max ignores. Defaults to None for no padding.

    Returns:
        Tensor: (..., L / stride, C), zero where all tokens of a run are padding.
    """
    if stride == 1:
        return x
    if valid is None:
        return x.unflatten(-2, (-1, stride)).amax(-2)
    x = x.masked_fill(~valid[:, None], -math.inf).unflatten(-2, (-1, stride)).amax(-2)
    return x.masked_fill(~pool_valid(valid, stride)[:, None], 0.0)


def mean_pool_tokens(x: Tensor, stride: int, valid: Tensor | None = None) -> Tensor:
    """Mean over each run of `stride` tokens in unit order; arguments and result as in :func:`max_pool_tokens`."""
    if valid is None:
        return x.unflatten(-2, (-1, stride)).mean(-2)
    counts = valid.view(-1, stride).sum(1).clamp(min=1)
    return x.masked_fill(~valid[:, None], 0.0).unflatten(-2, (-1, stride)).sum(-2) / counts[:, None].to(x.dtype)


def pool_valid(valid: Tensor, stride: int) -> Tensor:
    """The mask after a pooling: a token is valid if any of the tokens that it joins is."""
    return valid.view(-1, stride).any(1)


@dataclass(frozen=True)
class MaskUnitOrder:
    """Reorders the tokens of a grid into unit order and back.

    Args:
        grid: Token grid of stage 1, ([T,] H, W). It is padded to a multiple of :attr:`block`.
        mask_unit_size: Tokens of a mask unit in stage 1 per axis.
        q_stride: Stride of one pooling per axis.
        num_levels: Number of poolings.
    """

    grid: tuple[int, ...]
    mask_unit_size: tuple[int, ...]
    q_stride: tuple[int, ...]
    num_levels: int

    @property
    def block(self) -> tuple[int, ...]:
        """Tokens per axis of the smallest piece that mask units and the total stride of all poolings divide."""
        return tuple(math.lcm(m, s**self.num_levels) for m, s in zip(self.mask_unit_size, self.q_stride, strict=True))

    @property
    def padded_grid(self) -> tuple[int, ...]:
        """The grid with its padding."""
        # not -(-g // b): ONNX divides towards zero
        return tuple((g + b - 1) // b * b for g, b in zip(self.grid, self.block, strict=True))

    @property
    def is_padded(self) -> bool:
        """Whether the grid needs padding."""
        if torch.compiler.is_exporting() and not exports_onnx():
            # whether a varying size has a remainder becomes a guard of the .pt2, and that fixes its batch
            return not same_size(self.padded_grid, self.grid)
        return any(g % b for g, b in zip(self.grid, self.block, strict=True))

    def _padded_after(self, level: int) -> tuple[int, ...]:
        return tuple(p // s**level for p, s in zip(self.padded_grid, self.q_stride, strict=True))

    def grid_after(self, level: int) -> tuple[int, ...]:
        """Token grid after `level` poolings, without padding."""
        return tuple((g + s**level - 1) // s**level for g, s in zip(self.grid, self.q_stride, strict=True))

    def valid(self, device: torch.device) -> Tensor | None:
        """Mask (L,) in unit order, False for padding; None if there is no padding."""
        if not self.is_padded:
            return None
        return self.to_units(torch.ones(1, *self.grid, 1, device=device, dtype=torch.bool)).flatten()

    def _split(self, level: int) -> list[tuple[int, ...]]:
        """Digits of a coordinate after `level` poolings, coarse to fine: one size per axis for each digit."""
        blocks = tuple(p // b for p, b in zip(self.padded_grid, self.block, strict=True))
        rest = tuple(b // s**self.num_levels for b, s in zip(self.block, self.q_stride, strict=True))
        return [blocks, rest] + [self.q_stride] * (self.num_levels - level)

    def to_units(self, x: Tensor, level: int = 0) -> Tensor:
        """(N, [T,] H, W, C) on the grid after `level` poolings -> (N, L, C) in unit order, padded with zeros."""
        if self.is_padded:
            pad = [(0, p - g) for p, g in zip(self._padded_after(level), self.grid_after(level), strict=True)]
            x = F.pad(x, [0, 0] + [n for pair in reversed(pad) for n in pair])
        digits = self._split(level)
        axes, count = len(self.grid), len(digits)
        # (N, T, H, W, C) -> (N, T's digits, H's digits, W's digits, C) -> (N, digit 1 of all axes, digit 2 …, C)
        x = x.reshape(x.shape[0], *(digit[axis] for axis in range(axes) for digit in digits), x.shape[-1])
        order = [1 + axis * count + digit for digit in range(count) for axis in range(axes)]
        return x.permute(0, *order, x.ndim - 1).flatten(1, -2)

    def to_grid(self, x: Tensor, level: int) -> Tensor:
        """(N, L, C) in unit order after `level` poolings -> (N, [T,] H, W, C) on that grid, without padding."""
        digits = self._split(level)
        axes, count = len(self.grid), len(digits)
        x = x.reshape(x.shape[0], *(size for digit in digits for size in digit), x.shape[-1])
        order = [1 + digit * axes + axis for axis in range(axes) for digit in range(count)]
        x = x.permute(0, *order, x.ndim - 1)
        x = x.reshape(x.shape[0], *self._padded_after(level), x.shape[-1])
        if not self.is_padded:
            return x
        return x[(slice(None), *(slice(g) for g in self.grid_after(level)))]


def gather_units(
    x: Tensor,
    index: Tensor,
    counts: Sequence[int],
    unit: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    """Pixels of some mask units, with the margin that the kernel of the patch embedding reaches beyond them.

    Args:
        x: Input (N, C, [T,] H, W), padded as the patch embedding pads it.
        index: Mask units (N, K), row-major over the grid of units.
        counts: Mask units per axis.
        unit: Tokens of a mask unit per axis.
        kernel, stride: Kernel and stride of the patch embedding per axis.

    Returns:
        Tensor: (N, K, C, [t,] h, w), on which the convolution without padding computes the tokens of each unit.
    """
    for axis, (m, k, s) in enumerate(zip(unit, kernel, stride, strict=True), start=2):
        x = x.unfold(axis, (m - 1) * s + k, m * s)  # a view: (N, C, *counts, *window) in the end
    samples = torch.arange(x.shape[0], device=x.device)[:, None]
    # not torch.unravel_index, which copies `counts` to the device and waits for it
    places = [index // math.prod(counts[axis + 1 :]) % count for axis, count in enumerate(counts)]
    return x.movedim(1, 1 + len(counts))[(samples, *places)]


def check_mask_unit_size(mask_unit_size: Sequence[int], q_stride: Sequence[int], num_levels: int) -> None:
    """Check that the tokens of a mask unit are neighbors in unit order.

    Raises:
        ValueError: If mask units are neither a multiple of the total stride ``q_stride ** num_levels`` on all axes nor
            the same power of the stride on all axes.
    """
    total = [s**num_levels for s in q_stride]
    multiple = all(m % t == 0 for m, t in zip(mask_unit_size, total, strict=True))
    power = any(all(m == s**k for m, s in zip(mask_unit_size, q_stride, strict=True)) for k in range(num_levels))
    if not (multiple or power):
        raise ValueError(
            f'SMViT: mask_unit_size {tuple(mask_unit_size)} does not suit q_stride {tuple(q_stride)} over {num_levels} '
            f'poolings: use a multiple of {tuple(total)} or a smaller power of the stride'
        )
