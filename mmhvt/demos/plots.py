"""The look of the demos' pictures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = '#222222', '#777777', '#e6e6e6'
GREEN, RED = '#1a9850', '#d73027'
BLUE, ORANGE = '#4477aa', '#ee7733'
DASHED = (0, (4, 3))
STYLE: dict[Any, Any] = {'font.size': 10, 'text.color': INK, 'axes.edgecolor': GRID, 'font.family': 'DejaVu Sans'}


@contextmanager
def new_picture(path: Path, height: float, title: str, text: str, text_y: float) -> Iterator[Figure]:
    """A figure with a title and lines of text, which is written at the end.

    Args:
        path: PNG to write.
        height: Height in inches; the width is 12.
        title: Title.
        text: Lines below the title.
        text_y: Middle of these lines, as a fraction of the height.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, height), dpi=110, facecolor='white')
        figure.suptitle(title, x=0.03, y=0.97, ha='left', fontsize=17, weight='bold')
        figure.text(0.03, text_y, text, color=MUTED, va='center', linespacing=1.5)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)


def plot_points(axes: Axes, points: Sequence[tuple[float, float]], color: str, **kwargs: Any) -> None:
    """Draw a curve with a marker at each of its points.

    Args:
        axes: Axes to draw into.
        points: (x, y) pairs.
        color: Color of the curve.
        kwargs: Further properties of the line.
    """
    axes.plot(*zip(*points, strict=True), color=color, marker='o', **kwargs)


def finish_axes(*axes: Axes, grid: bool = True) -> None:
    """Remove frame and ticks from plots, and draw a grid behind the curves."""
    for one in axes:
        if grid:
            one.grid(color=GRID)
            one.set_axisbelow(True)
        one.tick_params(colors=MUTED, length=0)
        one.spines[['top', 'left', 'right']].set_visible(False)
