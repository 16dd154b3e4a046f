"""Windows: blocks of neighboring tokens that attend to each other only.

Shapes: B batch, C channels; windows and grids have any number of axes.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from .layout import as_numbers


def pad_to_multiple(x: Tensor, window: Sequence[int]) -> Tensor:
    """Pad ``(B, *grid, C)`` with zeros at the end of each axis, to a multiple of the window."""
    pad = [-n % w for n, w in zip(as_numbers(x.shape[1:-1]), window, strict=True)]
    return F.pad(x, [0, 0] + [n for p in reversed(pad) for n in (0, p)]) if any(pad) else x


def split_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """``(B, *grid, C)`` -> (B · windows, prod(window), C); the last windows are padded with zeros."""
    x = pad_to_multiple(x, window)
    # (B, n1, w1, n2, w2, …, C) -> (B, n1, n2, …, w1, w2, …, C)
    axes = len(window)
    grid = as_numbers(x.shape[1:-1])
    x = x.reshape(-1, *(n for m, w in zip(grid, window, strict=True) for n in (m // w, w)), x.shape[-1])
    order = [0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1]
    return x.permute(order).flatten(axes + 1, 2 * axes).flatten(0, axes)


def merge_windows(x: Tensor, window: Sequence[int], grid: Sequence[int]) -> Tensor:
    """(B · windows, prod(window), C) -> ``(B, *grid, C)``, the inverse of :func:`split_windows`."""
    axes = len(window)
    counts = [-(-n // w) for n, w in zip(grid, window, strict=True)]
    x = x.reshape(-1, *counts, *window, x.shape[-1])
    order = [
        0,
        *(axis for pair in zip(range(1, axes + 1), range(axes + 1, 2 * axes + 1), strict=True) for axis in pair),
    ]
    x = x.permute(*order, 2 * axes + 1)
    x = x.reshape(-1, *(n * w for n, w in zip(counts, window, strict=True)), x.shape[-1])
    return x[(slice(None), *(slice(n) for n in grid))]
