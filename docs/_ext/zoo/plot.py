"""Accuracy against the cost of a test as inline SVG, whose colors are CSS variables of zoo.css."""

import math
from collections.abc import Sequence
from html import escape

from .data import FAMILIES, Entry

WIDTH, HEIGHT = 640, 430
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 62
# markers of about the same area around (0, 0): families are told apart without colors, too
MARKERS = dict(zip(dict.fromkeys(FAMILIES.values()), (
    'M-6-6H6V6H-6Z', 'M0-8L7 6H-7Z', 'M-7 0A7 7 0 1 0 7 0A7 7 0 1 0-7 0Z', 'M0-8.5L8.5 0L0 8.5L-8.5 0Z', 'M0 8L7-6H-7Z',
    'M-2.5-7H2.5V-2.5H7V2.5H2.5V7H-2.5V2.5H-7V-2.5H-2.5Z',
), strict=True))  # fmt: skip


def points(entries: Sequence[Entry], dataset: str) -> list[tuple[float, float, Entry]]:
    """GFLOPs of all views, top-1 and entry of the configs whose paper prints both, on frames in their order."""
    found = []
    for entry in entries:
        first = next((result.figures for result in entry.results if not result.options), {})
        if entry.folder == 'mae' or entry.name.endswith('_shuffled'):
            continue
        if entry.dataset == dataset and entry.cost is not None and 'top1' in first:
            found.append((entry.cost, float(first['top1']), entry))
    return found


def style(family: str) -> str:
    """CSS class of a family: its color."""
    return f'zoo-{list(MARKERS).index(family)}'


def legend(families: Sequence[str]) -> str:
    """Families with their markers, as HTML."""
    items = [
        f'<li class="{style(family)}"><svg viewBox="-9 -9 18 18" aria-hidden="true"><path d="{MARKERS[family]}"/></svg>'
        f'{escape(family)}</li>'
        for family in MARKERS
        if family in families
    ]
    return f'<ul class="zoo-legend">{"".join(items)}</ul>'


def plot(entries: Sequence[Entry], dataset: str) -> str:
    """A figure of all results on a data set, with links `zoo:PAGE#ANCHOR` to be resolved.

    Raises:
        ValueError: If no paper prints a result with a cost on the data set.
    """
    found = points(entries, dataset)
    if not found:
        raise ValueError(f'no recipe has a printed top-1 and cost on {dataset!r}')
    costs, scores = [point[0] for point in found], [point[1] for point in found]
    low, high = math.log10(min(costs)) - 0.12, math.log10(max(costs)) + 0.12
    step = next(step for step in (1, 2, 5, 10) if (max(scores) - min(scores)) / step <= 8)
    bottom, top = min(scores) // step * step, -(-max(scores) // step) * step

    def x(cost: float) -> float:
        return LEFT + (math.log10(cost) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (score - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for score in range(int(bottom), int(top) + 1, step):
        parts.append(f'<path class="zoo-grid" d="M{LEFT} {y(score):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(score):.1f}" text-anchor="end" dy=".35em">{score}</text>')
    for power in range(math.floor(low), math.ceil(high) + 1):
        for digit in (1, 2, 5):
            cost = digit * 10.0**power
            if low <= math.log10(cost) <= high:
                parts.append(f'<path class="zoo-grid" d="M{x(cost):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
                if digit == 1 or high - low < 2.2:
                    anchor = 'end' if x(cost) > WIDTH - RIGHT - 30 else 'middle'
                    parts.append(
                        f'<text x="{x(cost):.1f}" y="{HEIGHT - BOTTOM + 8}" text-anchor="{anchor}" dy=".8em">'
                        f'{_thousands(cost)}</text>'
                    )
    middle = (HEIGHT - BOTTOM + TOP) / 2
    parts.append(f'<text class="zoo-axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
                 f'GFLOPs of all views</text>')  # fmt: skip
    parts.append(f'<text class="zoo-axis" transform="translate(15 {middle}) rotate(-90)" text-anchor="middle">'
                 f'top-1 in the paper, %</text>')  # fmt: skip
    for cost, score, entry in found:
        lines = [entry.model + (f', from {entry.start}' if entry.start else ''), entry.name]
        lines += [f'{score} top-1 ({entry.result.source})' if entry.result else f'{score} top-1']
        lines += [f'{entry.cost_text} = {_thousands(cost)} GFLOPs']
        parts.append(
            f'<a href="zoo:{entry.folder}#{entry.anchor}" class="{style(entry.family)}">'
            f'<path d="{MARKERS[entry.family]}" transform="translate({x(cost):.1f} {y(score):.1f})"/>'
            f'<title>{escape(chr(10).join(lines))}</title></a>'
        )
    label = f'Top-1 on {dataset} against GFLOPs of all views, {len(found)} recipes'
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    families = [entry.family for _, _, entry in found]
    return f'<figure class="zoo-plot">{legend(families)}{svg}</figure>'


def _thousands(number: float) -> str:
    """A number with three digits, or all before the point, in groups."""
    text = f'{number:.0f}' if number >= 100 else f'{number:.3g}'
    return f'{int(text):,}'.replace(',', '\u202f') if '.' not in text else text
