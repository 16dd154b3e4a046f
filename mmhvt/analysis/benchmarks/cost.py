"""Cost of a clip by the number of frames and by their size."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .cases import CLIPS, FAMILIES, GROUPS, Mode, case_name
from .results import Row

TITLES: dict[Mode, str] = {
    'inference': 'forward pass, ms',
    'training': 'training step, ms',
    'memory': 'memory of a training step, MiB',
}
# what varies, by its index in (T, H, W)
AXES = {0: 'frames of 224²', 2: 'height and width of 16 frames'}


def costs(rows: Iterable[Row], family: str, mode: Mode, axis: int) -> dict[int, float]:
    """Cost of a family of models, by frames (axis 0) or by height and width (axis 2)."""
    found = {(row.case, row.mode): next(iter(row.values.values())) for row in rows}
    same = {0: lambda size: size[1] == 224, 2: lambda size: size[0] == 16}[axis]
    sizes = {size[axis]: case_name(family, size) for size in FAMILIES[family].cost if same(size)}
    return {n: found[name, mode] for n, name in sorted(sizes.items()) if (name, mode) in found}


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Plot rows of the group 'cost': a line for each family, log-log.

    Raises:
        ValueError: If there are none.
    """
    if not any(row.case in GROUPS['cost'] for row in rows):
        raise ValueError('no rows of the cases of the group cost')
    figure = Figure(figsize=(11, 6.5), layout='constrained')
    panels = figure.subplots(len(AXES), len(TITLES), sharex='row')
    for line, (axis, label) in zip(panels, AXES.items(), strict=True):
        for axes, (mode, title) in zip(line, TITLES.items(), strict=True):
            axes.set(title=title, xlabel=label, xscale='log', yscale='log')
            for family in [name for name in FAMILIES if FAMILIES[name].cost]:
                points = costs(rows, family, mode, axis)
                axes.plot(list(points), list(points.values()), marker='o', markersize=4, label=family)
            ticks = sorted({size[axis] for size in CLIPS})
            axes.set_xticks(ticks, labels=list(map(str, ticks)))
            axes.minorticks_off()
            axes.grid(alpha=0.3)
    panels[0, 0].legend()
    figure.savefig(path, dpi=80, pil_kwargs=dict(optimize=True))
