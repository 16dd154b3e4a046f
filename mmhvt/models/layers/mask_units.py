"""Mask units: tokens in an order in which pooling and local attention are plain views.

A mask unit is the square of 32×32 pixels that masked pre-training keeps or deletes as a whole
(papers/smvit, section 3 and figure 4a), 8×8 tokens in stage 1, halved with each pooling. Laid
out row by row, the four tokens that a 2×2 pooling joins are far apart, and after units have
been deleted there are no rows any more. So tokens are kept in *nested order*:

    mask unit, then the 4×4 corner within it, then the 2×2 corner within that, …

Four tokens that the next pooling joins are then neighbours, and so are the 64, 16 or 4 tokens of
one unit: pooling is ``view(…, 4, C).amax``, local attention a view that moves units to the batch.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


def max_pool_tokens(x: Tensor, stride: int, real: Tensor | None = None) -> Tensor:
    """Max over each run of `stride` tokens in nested order: max pooling over space (section 3.2).

    Args:
        x: (..., L, C).
        stride: Tokens joined, over all axes: 4 for 2×2.
        real: Bool (L,), False for padding, which wins over nothing; None if all are real.

    Returns:
        Tensor: (..., L / stride, C), zero where a run was padding throughout.
    """
    if stride == 1:
        return x
    if real is None:
        return x.unflatten(-2, (-1, stride)).amax(-2)
    x = x.masked_fill(~real[:, None], -math.inf).unflatten(-2, (-1, stride)).amax(-2)
    return x.masked_fill(~pool_real(real, stride)[:, None], 0.0)


def pool_real(real: Tensor | None, stride: int) -> Tensor | None:
    """Which tokens are real after a pooling: those joined from at least one real token."""
    return real if real is None else real.view(-1, stride).any(1)


@dataclass(frozen=True)
class NestedOrder:
    """Carries tokens of one grid to nested order and back.

    Args:
        grid: Token grid of stage 1, ([T,] H, W). What no whole number of blocks covers is padded.
        mask_unit_size: Tokens of a mask unit in stage 1, per axis.
        q_stride: Stride of one pooling, per axis.
        num_levels: Poolings that the order is made for.
    """

    grid: tuple[int, ...]
    mask_unit_size: tuple[int, ...]
    q_stride: tuple[int, ...]
    num_levels: int

    @property
    def block(self) -> tuple[int, ...]:
        """Tokens per axis of the smallest piece that pooling and mask units both divide."""
        return tuple(math.lcm(m, s**self.num_levels) for m, s in zip(self.mask_unit_size, self.q_stride, strict=True))

    @property
    def padded_grid(self) -> tuple[int, ...]:
        return tuple(math.ceil(g / b) * b for g, b in zip(self.grid, self.block, strict=True))

    def _padded_after(self, level: int) -> tuple[int, ...]:
        return tuple(p // s**level for p, s in zip(self.padded_grid, self.q_stride, strict=True))

    def grid_after(self, level: int) -> tuple[int, ...]:
        """Token grid after `level` poolings, without padding."""
        return tuple(math.ceil(g / s**level) for g, s in zip(self.grid, self.q_stride, strict=True))

    def real(self, device: torch.device) -> Tensor | None:
        """Bool (L,) in nested order, False for padding; None if there is no padding."""
        if self.padded_grid == self.grid:
            return None
        return self.nest(torch.ones(1, *self.grid, 1, device=device, dtype=torch.bool)).flatten()

    def _split(self, level: int) -> list[tuple[int, ...]]:
        """Digits of a coordinate after `level` poolings, coarse to fine: a tuple of D sizes a digit."""
        blocks = tuple(p // b for p, b in zip(self.padded_grid, self.block, strict=True))
        rest = tuple(b // s**self.num_levels for b, s in zip(self.block, self.q_stride, strict=True))
        return [blocks, rest] + [self.q_stride] * (self.num_levels - level)

    def nest(self, x: Tensor, level: int = 0) -> Tensor:
        """(N, [T,] H, W, C) of the grid after `level` poolings -> (N, L, C) in nested order, padded with zeros."""
        if self.padded_grid != self.grid:
            pad = [(0, p - g) for p, g in zip(self._padded_after(level), self.grid_after(level), strict=True)]
            x = F.pad(x, [0, 0] + [n for pair in reversed(pad) for n in pair])
        digits = self._split(level)
        axes, count = len(self.grid), len(digits)
        # (N, T, H, W, C) -> (N, T's digits, H's digits, W's digits, C) -> (N, digit 1 of all axes, digit 2 …, C)
        x = x.reshape(x.shape[0], *(digit[axis] for axis in range(axes) for digit in digits), x.shape[-1])
        order = [1 + axis * count + digit for digit in range(count) for axis in range(axes)]
        return x.permute(0, *order, x.ndim - 1).flatten(1, -2)

    def unnest(self, x: Tensor, level: int) -> Tensor:
        """(N, L, C) in nested order after `level` poolings -> (N, [T,] H, W, C) of that level's grid, cropped."""
        digits = self._split(level)
        axes, count = len(self.grid), len(digits)
        x = x.reshape(x.shape[0], *(size for digit in digits for size in digit), x.shape[-1])
        order = [1 + digit * axes + axis for axis in range(axes) for digit in range(count)]
        x = x.permute(0, *order, x.ndim - 1)
        x = x.reshape(x.shape[0], *self._padded_after(level), x.shape[-1])
        return x[(slice(None), *(slice(g) for g in self.grid_after(level)))]


def cut_units(
    x: Tensor,
    index: Tensor,
    counts: Sequence[int],
    unit: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
) -> Tensor:
    """What a patch embedding sees of some mask units: their pixels and as many beyond as its kernel reaches.

    Args:
        x: (N, C, [T,] H, W), with the padding of the patch embedding.
        index: (N, K), row-major over the grid of units.
        counts: Units per axis.
        unit: Tokens of a unit, per axis.
        kernel, stride: Of the patch embedding, per axis.

    Returns:
        Tensor: (N, K, C, [t,] h, w), on which the same convolution without padding gives the tokens of each unit.
    """
    for axis, (m, k, s) in enumerate(zip(unit, kernel, stride, strict=True), start=2):
        x = x.unfold(axis, (m - 1) * s + k, m * s)  # a view: (N, C, *counts, *window) in the end
    samples = torch.arange(x.shape[0], device=x.device)[:, None]
    return x.movedim(1, 1 + len(counts))[(samples, *torch.unravel_index(index, counts))]


def check_mask_unit(mask_unit_size: Sequence[int], q_stride: Sequence[int], num_levels: int) -> None:
    """Checks that mask units are runs of the nested order.

    Raises:
        ValueError: If they are neither multiples of the total stride ``q_stride ** num_levels`` on all axes nor
            one and the same power of the stride on all axes.
    """
    total = [s**num_levels for s in q_stride]
    multiple = all(m % t == 0 for m, t in zip(mask_unit_size, total, strict=True))
    power = any(all(m == s**k for m, s in zip(mask_unit_size, q_stride, strict=True)) for k in range(num_levels))
    if not (multiple or power):
        raise ValueError(
            f'mask_unit_size {tuple(mask_unit_size)} does not go with q_stride {tuple(q_stride)} over {num_levels} '
            f'poolings: use a multiple of {tuple(total)} or a smaller power of the stride'
        )
