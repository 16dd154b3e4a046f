"""Picture of the classes of a video over time."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from mmhvt.demos.plots import MUTED, STYLE, finish_axes

# of other classes, and of those with curves: Paul Tol's bright scheme, which color-blind people can tell apart
OTHERS = '#d4d4d4'
COLORS = ('#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377')
LONGEST_NAME = 32
# seconds between ticks of long videos
TICKS = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def clock(seconds: float) -> str:
    """Time as minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}' if hours else f'{minutes}:{rest:02}'


class Timeline:
    """Scores of clips over time, kept at the resolution that a picture can show.

    Args:
        names: Names of the classes.
        most: Number of points in time to keep. At twice as many, each two neighbors become their mean. Defaults to 512.
    """

    def __init__(self, names: Sequence[str], most: int = 512) -> None:
        self._names, self._most = names, most
        self._middles: list[float] = []
        self._scores: list[np.ndarray] = []
        self._clips_per_point = 1
        self._waiting, self._middle, self._sum = 0, 0.0, np.zeros(len(names))
        self._start, self._end = 0.0, 0.0

    def add(self, start: float, end: float, scores: np.ndarray) -> None:
        """Adds a clip.

        Args:
            start, end: Times in seconds.
            scores: (classes,).
        """
        if not self._middles and not self._waiting:
            self._start = start
        self._end = end
        self._middle += (start + end) / 2
        self._sum = self._sum + scores
        self._waiting += 1
        if self._waiting == self._clips_per_point:
            self._flush()
        if len(self._middles) == 2 * self._most:
            self._middles = [
                (one + other) / 2 for one, other in zip(self._middles[::2], self._middles[1::2], strict=True)
            ]
            self._scores = [(one + other) / 2 for one, other in zip(self._scores[::2], self._scores[1::2], strict=True)]
            self._clips_per_point *= 2

    def _flush(self) -> None:
        self._middles.append(self._middle / self._waiting)
        self._scores.append(self._sum / self._waiting)
        self._waiting, self._middle, self._sum = 0, 0.0, np.zeros(len(self._names))

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (points,) in seconds, and scores (points, classes)."""
        if self._waiting:
            self._flush()
        return np.array(self._middles), np.array(self._scores).reshape(len(self._middles), len(self._names))

    def chosen(self) -> list[int]:
        """Classes that have a curve: those that are best for longest, then those with the highest peaks."""
        _, scores = self.points()
        longest = np.bincount(scores.argmax(1), minlength=len(self._names))
        return np.lexsort((-scores.max(0), -longest))[: len(COLORS)].tolist()

    def draw(self, path: Path, title: str) -> None:
        """Write a picture: curves of the chosen classes over time, and below them the best class of each moment.

        Args:
            path: File to write; its suffix says the format.
            title: Title.
        """
        middles, scores = self.points()
        chosen = self.chosen()
        # each point stands for the time nearest to it
        edges = np.concatenate([[self._start], (middles[1:] + middles[:-1]) / 2, [self._end]])
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(12, 4), dpi=110, facecolor='white', layout='constrained')
            figure.suptitle(title, x=0.01, ha='left', fontsize=14, weight='bold')
            curves, bands = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
            for color, place in zip(COLORS, chosen, strict=False):
                values = scores[:, place]
                curves.plot(
                    np.concatenate([edges[:1], middles, edges[-1:]]),
                    np.concatenate([values[:1], values, values[-1:]]),
                    color=color,
                    linewidth=2,
                )
            curves.set_ylabel('score', color=MUTED)
            curves.set_ylim(min(0.0, float(scores.min())), max(1.0, float(scores.max())) * 1.02)
            self._draw_bands(bands, edges, scores.argmax(1), chosen)
            finish_axes(curves)
            finish_axes(bands, grid=False)
            handles = [
                Patch(color=color, label=_shortened(self._names[place]))
                for color, place in zip(COLORS, chosen, strict=False)
            ]
            if set(scores.argmax(1)) - set(chosen):
                handles.append(Patch(color=OTHERS, label='others'))
            figure.legend(handles=handles, loc='outside right upper', frameon=False)
            figure.savefig(path)

    def _draw_bands(self, axes: Axes, edges: np.ndarray, best: np.ndarray, chosen: list[int]) -> None:
        colors = dict(zip(chosen, COLORS, strict=False))
        for place, run in groupby(range(len(best)), key=lambda point: best[point]):
            points = list(run)
            left, right = edges[points[0]], edges[points[-1] + 1]
            axes.axvspan(left, right, color=colors.get(place, OTHERS), linewidth=0)
        axes.set_yticks([])
        axes.set_ylabel('best', color=MUTED)
        axes.set_xlim(self._start, self._end)
        axes.set_xlabel('time (s)', color=MUTED)
        if self._end - self._start >= 4 * TICKS[0]:
            distance = next((ticks for ticks in TICKS if (self._end - self._start) / ticks <= 8), None)
            axes.set_xlabel('time (min:s)' if self._end < 3600 else 'time (h:min:s)', color=MUTED)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
            if distance:
                axes.xaxis.set_major_locator(MultipleLocator(distance))


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f'{name[: LONGEST_NAME - 1]}…'
