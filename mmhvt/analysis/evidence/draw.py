"""Figures of the parts, for light and dark pages alike: transparent, in colors of middling lightness."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .results import ACCURACIES, Result, curve_points

GRAY = '#808080'
COLORS = ('#4a8fd1', '#ee7733', '#2f9e57', '#b5569a')
STYLE = {
    'font.size': 10,
    'font.family': 'DejaVu Sans',
    **dict.fromkeys(('text.color', 'axes.edgecolor', 'axes.labelcolor', 'xtick.color', 'ytick.color'), GRAY),
}
LABELS = {'params': 'parameters, M', 'multiply_adds': 'multiply-adds, M', 'giga_multiply_adds': 'multiply-adds, G'}
LABELS |= {'ms': 'ms', **dict.fromkeys(ACCURACIES, 'top-1, %')}
SCALES = {'params': 1e-6, 'multiply_adds': 1e-6, **dict.fromkeys(ACCURACIES, 100)}


def panels(result: Result) -> list[list[str]]:
    """Columns of each panel: all accuracies share one, but for those of a curve, of which the first is enough."""
    part, found = result.part, []
    accuracies = [name for name, column in part.columns.items() if column.metric in ACCURACIES]
    if part.curve:
        accuracies = [name for name in accuracies if part.columns[name].x is None] or accuracies[:1]
    if accuracies:
        found.append(accuracies)
    return found + [[name] for name, column in part.columns.items() if column.metric not in ACCURACIES]


def draw(path: Path, result: Result) -> None:
    """Draw a row for each variant: a dot for each seed and a bar at their mean; below or beside, costs and curves.

    Args:
        path: PNG to write.
        result: What to draw.
    """
    part, columns = result.part, panels(result)
    drawn = [name for names in columns for name in names]
    variants = [name for name in part.variants if any((name, column) in result.table for column in drawn)]
    width = [2.2] + [1.0] * (len(columns) - 1) + ([1.8] if part.curve else [])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.6 + 2 * sum(width), 0.9 + 0.42 * max(len(variants), 4)), layout='constrained')
        axes = figure.subplots(1, len(width), width_ratios=width, squeeze=False)[0]
        for place, (one, names) in enumerate(zip(axes, columns, strict=False)):
            draw_rows(one, result, names, variants, with_names=place == 0)
        if part.curve:
            draw_curve(axes[-1], result)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, transparent=True, pil_kwargs=dict(optimize=True))


def draw_rows(axes: Axes, result: Result, columns: Sequence[str], variants: Sequence[str], with_names: bool) -> None:
    """Draw columns of a table, a row for each variant from top to bottom, empty where it has no number."""
    part = result.part
    metric = part.columns[columns[0]].metric
    scale = SCALES.get(metric, 1)
    for color, column in zip(cycle(COLORS), columns, strict=False):
        for row, variant in enumerate(variants):
            number = result.table.get((variant, column))
            if number is None:
                continue
            label = column if row == 0 and len(columns) > 1 else None
            if metric in ACCURACIES:
                dots = [scale * value for value in number.values]
                axes.plot(dots, [row] * len(dots), 'o', color=color, alpha=0.6, ms=5)
                axes.plot(scale * number.mean, row, '|', color=color, ms=16, mew=2.5, label=label)
            else:
                axes.barh(row, scale * number.mean, height=0.5, color=color, alpha=0.8)
    axes.set_yticks(range(len(variants)), variants if with_names else [''] * len(variants))
    axes.set_ylim(len(variants) - 0.5, -0.5)
    one_of_curve = part.curve is not None and metric in ACCURACIES and len(columns) == 1
    axes.set_xlabel(f'{LABELS[metric]}, {columns[0]}' if one_of_curve else LABELS[metric])
    if metric not in ACCURACIES:
        axes.set_xlim(left=0)
    _finish(axes, 'x')
    if len(columns) > 1:
        axes.legend(frameon=False, loc='lower center', bbox_to_anchor=(0.5, 1), ncols=len(columns))


def draw_curve(axes: Axes, result: Result) -> None:
    """Draw the accuracy of the part's curve over x, on a logarithmic axis."""
    curve = result.part.curve
    assert curve is not None
    ticks: set[float] = set()
    for color, variant in zip(COLORS, curve['variants'], strict=False):
        points = curve_points(result.part, result.table, variant)
        ticks |= {x for x, _ in points}
        axes.plot([x for x, _ in points], [100 * number.mean for _, number in points], color=color, label=variant)
        for x, number in points:
            axes.plot([x] * len(number.values), [100 * v for v in number.values], 'o', color=color, alpha=0.6, ms=5)
    axes.set_xscale('log')
    axes.set_xticks(sorted(ticks), labels=[f'{x:g}' for x in sorted(ticks)])
    axes.minorticks_off()
    axes.set_xlabel(curve['label'])
    axes.set_ylabel('top-1, %')
    axes.legend(frameon=False, loc='lower center', bbox_to_anchor=(0.5, 1), ncols=2)
    _finish(axes, 'both')


def _finish(axes: Axes, grid: str) -> None:
    axes.grid(axis=grid, color=GRAY, alpha=0.25)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
