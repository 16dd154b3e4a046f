"""Random masks over mask units (Hiera, https://arxiv.org/abs/2306.00989, section 3 and figure 4a).

Shapes: N batch, K visible mask units, M masked tokens.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmhvt.models.layers import merge_windows


def count_visible(units: int, ratio: float) -> int:
    """Number of visible mask units, rounded down.

    Args:
        units: Number of mask units.
        ratio: Share of them that is masked.

    Raises:
        ValueError: If the ratio is not between 0 and 1, or masks no unit or all.
    """
    if not 0 < ratio < 1:
        raise ValueError(f'mask_ratio={ratio}: the share of mask units to delete must be between 0 and 1')
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
    """Draw the mask units that each sample keeps, all subsets being equally likely.

    Args:
        batch: Number of samples.
        units: Number of mask units of a sample.
        ratio: Share of mask units to delete.
        device: Device of the result and of `generator`. Defaults to the CPU.
        generator: Source of randomness. Defaults to torch's global generator.

    Returns:
        Tensor: Ascending indices (N, K).

    Raises:
        ValueError: See :func:`count_visible`.
    """
    visible = count_visible(units, ratio)
    return torch.rand(batch, units, device=device, generator=generator).argsort(1)[:, :visible].sort(1).values


def masked_tokens(visible: Tensor, counts: Sequence[int], unit: Sequence[int]) -> Tensor:
    """Tokens of the masked units.

    Args:
        visible: Visible units (N, K), row-major over the grid of units.
        counts: Mask units per axis.
        unit: Tokens of a mask unit per axis.

    Returns:
        Tensor: Ascending indices (N, M), row-major over the grid of tokens.
    """
    units, length = math.prod(counts), math.prod(unit)
    hidden = torch.ones(visible.shape[0], units, device=visible.device, dtype=torch.bool).scatter_(1, visible, 0)
    grid = [c * u for c, u in zip(counts, unit, strict=True)]
    hidden = merge_windows(hidden[:, :, None, None].expand(-1, -1, length, 1), unit, grid).flatten(1)
    # all samples have the same number of masked tokens, so a stable sort replaces nonzero, whose shape depends on data
    return hidden.int().argsort(dim=1, descending=True, stable=True)[:, : (units - visible.shape[1]) * length]
