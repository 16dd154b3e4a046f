"""SMViT's position embedding on larger images: stretched, or kept to its windows."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from mmhvt import migrate
from mmhvt.models.layers import PositionEmbedding
from mmhvt.models.layers.position import positions_in_windows

UNIT = (8, 8)


def stand_in(grid: Sequence[int] = (56, 56), dims: int = 96) -> Tensor:
    """A table (1, H·W, C): half of its variance repeats in every mask unit, half changes slowly over the image."""
    generator = torch.Generator().manual_seed(0)
    pattern = torch.randn(math.prod(UNIT), dims, generator=generator)
    slow = F.interpolate(torch.randn(1, dims, 4, 4, generator=generator), size=tuple(grid), mode='bicubic')
    parts = (pattern[positions_in_windows(grid, UNIT)], slow[0].flatten(1).t())
    repeated, changing = ((part - part.mean(0)) / (part - part.mean(0)).square().mean().sqrt() for part in parts)
    return (repeated + changing)[None]


def read_table(path: str) -> Tensor:
    """The table (1, H·W, C) of a checkpoint, for images of the trained size.

    Raises:
        ValueError: If it has none, or one for video.
    """
    found = {name.removeprefix('backbone.pos_embed.'): value for name, value in migrate.load(path).items()}
    if 'joint' not in found or math.isqrt(found['joint'].shape[1]) ** 2 != found['joint'].shape[1]:
        raise ValueError(f'{path} has no position embedding of square images')
    return found['joint'].float()


def embedding(table: Tensor, kind: str) -> PositionEmbedding:
    """A position embedding of a kind with the values of a table for square images."""
    side = math.isqrt(table.shape[1])
    result = PositionEmbedding(table.shape[2], (side, side), kind, window=UNIT)
    result.load_state_dict(result.resize_pretrained(dict(joint=table)))
    return result.requires_grad_(False)


def cut(x: Tensor) -> Tensor:
    """(1, H, W, C) -> whole mask units (units, h·w, C)."""
    height, width = (n // side for n, side in zip(x.shape[1:3], UNIT, strict=True))
    x = x[0, : height * UNIT[0], : width * UNIT[1]]
    x = x.unflatten(1, (width, UNIT[1])).unflatten(0, (height, UNIT[0]))
    return x.transpose(1, 2).flatten(0, 1).flatten(1, 2)


def repeats(x: Tensor) -> float:
    """Fraction of the variance of a table (1, H, W, C) that is the same in all mask units."""
    units = cut(x)
    units = units - units.mean((0, 1))
    return (units.mean(0).square().mean() / units.square().mean()).item()


def likeness(x: Tensor, trained: Tensor) -> float:
    """Mean correlation of a mask unit's embeddings with the mean unit of the table that was trained."""
    units, mean = (y - y.mean(-2, keepdim=True) for y in (cut(x), cut(trained).mean(0)))
    return F.cosine_similarity(units.flatten(1), mean.flatten()[None]).mean().item()


def contrast(x: Tensor) -> float:
    """Root mean square of the difference between neighboring tokens of a mask unit."""
    units = cut(x).unflatten(1, UNIT)
    steps = [units.diff(dim=axis).square().mean() for axis in (1, 2)]
    return (sum(steps) / 2).sqrt().item()


def measure(table: Tensor, grid: Sequence[int]) -> list[tuple[str, float, float, float]]:
    """Rows of a measure: its name, and its values for the trained table and for 'joint' and 'windowed' on a grid."""
    trained = embedding(table, 'joint')
    trained = trained(trained.grid)
    joint, windowed = (embedding(table, kind)(grid) for kind in ('joint', 'windowed'))
    measures: dict[str, Callable[[Tensor], float]] = {
        'share that repeats itself from mask unit to mask unit': repeats,
        "correlation of a mask unit with the trained table's mean unit": lambda x: likeness(x, trained),
        'step between neighboring tokens of a mask unit, relative': lambda x: contrast(x) / contrast(trained),
    }
    return [(name, value(trained), value(joint), value(windowed)) for name, value in measures.items()]


def draw(path: Path, table: Tensor, grid: Sequence[int]) -> None:
    """Draw the cosine similarity of a token in the middle of the image with the tokens around it."""
    trained = embedding(table, 'joint')
    side = trained.grid[0]
    parts = {f'trained, {side}²': trained(trained.grid)}
    parts |= {f"'{kind}', {grid[0]}×{grid[1]}": embedding(table, kind)(grid) for kind in ('joint', 'windowed')}
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    for axes, (title, x) in zip(figure.subplots(1, 3), parts.items(), strict=True):
        x = x[0] - x[0].mean((0, 1))
        row, column = (n // 2 // unit * unit + unit // 2 for n, unit in zip(x.shape[:2], UNIT, strict=True))
        # 8 units of tokens, as large as can be drawn
        area = [slice(max(0, c - 4 * unit), c + 4 * unit) for c, unit in zip((row, column), UNIT, strict=True)]
        similar = F.cosine_similarity(x, x[row, column], dim=-1)[area[0], area[1]]
        axes.imshow(similar, vmin=-1, vmax=1, cmap='RdBu_r', interpolation='nearest')
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=80, pil_kwargs=dict(optimize=True))
