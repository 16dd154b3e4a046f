"""Which mask units are visible and which tokens are not (papers/smvit, section 3, figure 4a)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmhvt.models.layers import merge_windows


def count_visible(units: int, ratio: float) -> int:
    """Visible ones of so many mask units, rounded down.

    Raises:
        ValueError: If the ratio is no share, or leaves no unit or all.
    """
    if not 0 < ratio < 1:
        raise ValueError(f'mask_ratio={ratio}: it is the share of mask units to delete, between 0 and 1')
    # 10 units less 0.9 of them is one, though 10 * (1 - 0.9) is 0.9999999999999998
    visible = math.floor(units * (1 - ratio) + 1e-6)
    if visible in (0, units):
        raise ValueError(
            f'mask_ratio={ratio} keeps {visible} of {units} mask units: use a {"lower" if visible == 0 else "higher"} '
            'ratio, or a larger input or smaller mask units'
        )
    return visible


def draw_visible(
    batch: int, units: int, ratio: float, device: torch.device | str = 'cpu', generator: torch.Generator | None = None
) -> Tensor:
    """Indices (N, K) of the mask units that each sample keeps, ascending; any set is as likely as any other.

    Args:
        batch: Samples.
        units: Mask units of a sample.
        ratio: Share of them to delete.
        device: Of the result, and of `generator`.
        generator: Source of randomness; None for the global one.

    Raises:
        ValueError: See :func:`count_visible`.
    """
    visible = count_visible(units, ratio)
    return torch.rand(batch, units, device=device, generator=generator).argsort(1)[:, :visible].sort(1).values


def masked_tokens(visible: Tensor, counts: Sequence[int], unit: Sequence[int]) -> Tensor:
    """Tokens of the units that are not visible.

    Args:
        visible: (N, K), row-major over the grid of units.
        counts: Units per axis.
        unit: Tokens of a unit, per axis.

    Returns:
        Tensor: (N, M), ascending and row-major over the grid of tokens.
    """
    units, length = math.prod(counts), math.prod(unit)
    hidden = torch.ones(visible.shape[0], units, device=visible.device, dtype=torch.bool).scatter_(1, visible, 0)
    grid = [c * u for c, u in zip(counts, unit, strict=True)]
    hidden = merge_windows(hidden[:, :, None, None].expand(-1, -1, length, 1), unit, grid).flatten(1)
    # a stable sort in place of nonzero: as many in every sample, so the shape is known without looking
    return hidden.int().argsort(dim=1, descending=True, stable=True)[:, : (units - visible.shape[1]) * length]
