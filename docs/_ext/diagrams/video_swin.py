"""Diagrams of Video Swin."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch

from mmhvt.models.layers.windows import shifted_mask, shifted_order, shifted_regions

from .canvas import WIDTH, Canvas, Point, times
from .models import backbone, stages
from .mvit import pyramid

GRID, WINDOW = (8, 8, 8), (4, 4, 4)  # small enough to draw
SIDE, DEPTH, GAP = 13.0, 6.0, 7.0  # a token's side, its depth, and the room between windows


def swin_stages() -> str:
    """Video Swin-T: tokens and channels of its stages."""
    model = backbone('video_swin')
    rows = stages(model)
    return pyramid(
        'Stages of Video Swin-T: patch merging halves the grid in space, time keeps its resolution.',
        rows,
        f'clip of {times(model.input_size)}, in patches of {times(model.patch_stride)}',
        [f'{stage.depth} blocks, {stage.num_heads} heads' for stage in rows],
        ['merge 2×2'] * (len(rows) - 1),
    )


def cuts(side: int, window: int, shift: int) -> list[int]:
    """Where windows begin and end along an axis."""
    return [0, *range(shift or window, side, window), side]


def swin_windows() -> str:
    """Windows of two successive blocks."""
    shift = tuple(side // 2 for side in WINDOW)
    canvas = Canvas(
        f'Windows of two successive blocks on a grid of {times(GRID)} tokens: the shifted ones join tokens of '
        'neighboring windows.',
        236,
    )
    for left, moved, name in ((6, (0, 0, 0), 'regular windows'), (252, shift, f'shifted by {times(shift)}')):
        pieces = [cuts(*axis) for axis in zip(GRID, WINDOW, moved, strict=True)]
        total = math.prod(len(bounds) - 1 for bounds in pieces)
        _cuboids(canvas, left + (0 if any(moved) else 6), 76 if any(moved) else 78, pieces)
        middle = left + 100
        canvas.text(middle, 212, name, style='dg-strong')
        canvas.note(middle, 230, f'{total} windows')
    canvas.note(258, 22, 'T')
    canvas.arrow((229, 44), (251, 22))
    return canvas.svg()


def _cuboids(canvas: Canvas, left: float, top: float, pieces: Sequence[Sequence[int]]) -> None:
    """Windows apart from one another; tokens have the tint of their regular window."""
    frames, rows, columns = (list(pairwise(bounds)) for bounds in pieces)

    def place(gaps: tuple[int, int, int], t: float, h: float, w: float) -> Point:
        back = t * DEPTH + gaps[0] * GAP
        return left + w * SIDE + gaps[2] * GAP + back, top + h * SIDE + gaps[1] * GAP - back

    for i in reversed(range(len(frames))):
        for j in reversed(range(len(rows))):
            for k in range(len(columns)):
                _cuboid(canvas, (frames[i], rows[j], columns[k]), partial(place, (i, j, k)))


def _cuboid(canvas: Canvas, window: Sequence[tuple[int, int]], place: Callable[..., Point]) -> None:
    """The three faces that one sees of a window: the first frame, the upper rows, the right columns."""
    for axis, where, inside in ((0, 0, 0), (1, 0, 0), (2, 1, -1)):
        _face(canvas, window, place, axis, window[axis][where], window[axis][where] + inside)


def _face(
    canvas: Canvas,
    window: Sequence[tuple[int, int]],
    place: Callable[..., Point],
    axis: int,
    side: int,
    inside: int,
) -> None:
    """A face across an axis, at the coordinate `side`, of the tokens at the coordinate `inside`."""
    first, second = (other for other in range(3) if other != axis)
    (a0, a1), (b0, b1) = window[first], window[second]

    def at(a: float, b: float) -> Point:
        return place(*(side if i == axis else a if i == first else b for i in range(3)))

    def rectangle(a0: float, a1: float, b0: float, b1: float) -> list[Point]:
        return [at(a0, b0), at(a0, b1), at(a1, b1), at(a1, b0)]

    canvas.polygon(rectangle(a0, a1, b0, b1), 'dg-sheet')
    for rows in _within(first, a0, a1):
        for columns in _within(second, b0, b1):
            token = {axis: inside, first: rows[0], second: columns[0]}
            if sum(token[i] // WINDOW[i] for i in range(3)) % 2:
                canvas.polygon(rectangle(*rows, *columns), 'dg-tint2')
    lines = [[at(a, b0), at(a, b1)] for a in range(a0 + 1, a1)]
    canvas.lines(lines + [[at(a0, b), at(a1, b)] for b in range(b0 + 1, b1)], 'dg-thin')
    corners = rectangle(a0, a1, b0, b1)
    canvas.lines([[*corners, corners[0]]], 'dg-frame')


def _within(axis: int, start: int, end: int) -> list[tuple[int, int]]:
    """Parts of an interval that lie in one regular window each."""
    inner = [n for n in cuts(GRID[axis], WINDOW[axis], 0) if start < n < end]
    return list(pairwise([start, *inner, end]))


def swin_shift() -> str:
    """Cyclic shift and mask, on one frame."""
    grid, window = GRID[1:], WINDOW[1:]
    shift = tuple(side // 2 for side in window)
    where, cpu = (grid, window, shift), torch.device('cpu')
    regions = shifted_regions(*where, cpu)  # (windows, n)
    order = shifted_order(*where, cpu)
    by_token = torch.empty(len(order), dtype=torch.long)
    by_token[order] = regions.flatten()
    rolled = order.view(grid[0] // window[0], grid[1] // window[1], *window).permute(0, 2, 1, 3).flatten()
    tints = ['', 'dg-tint1', 'dg-tint2', 'dg-tint3']
    side = 17
    width = side * grid[1]
    gap = (WIDTH - 3 * width - 16) / 2
    canvas = Canvas(
        'The cyclic shift: what the shift cuts off at the top and left goes to the bottom and right, so that there '
        'are as many windows as before; a mask keeps apart the tokens that were no neighbors.',
        width + 74,
    )
    lefts = [8 + i * (width + gap) for i in range(3)]
    top = 30
    canvas.grid(lefts[0], top, *grid, side, [tints[i] for i in by_token])
    lines = cuts(grid[0], window[0], shift[0])
    canvas.lines([[(lefts[0] + n * side, top), (lefts[0] + n * side, top + width)] for n in lines], 'dg-bold')
    canvas.lines([[(lefts[0], top + n * side), (lefts[0] + width, top + n * side)] for n in lines], 'dg-bold')
    canvas.grid(lefts[1], top, *grid, side, [tints[by_token[i]] for i in rolled])
    lines = cuts(grid[0], window[0], 0)
    canvas.lines([[(lefts[1] + n * side, top), (lefts[1] + n * side, top + width)] for n in lines], 'dg-bold')
    canvas.lines([[(lefts[1], top + n * side), (lefts[1] + width, top + n * side)] for n in lines], 'dg-bold')
    mask = shifted_mask(*where, cpu, torch.float32)[-1, 0]
    canvas.grid(
        lefts[2], top, *mask.shape, width / len(mask), ['dg-tint3' if seen else '' for seen in (mask == 0).flatten()],
        lines=False,
    )  # fmt: skip
    pieces = (len(cuts(grid[0], window[0], shift[0])) - 1) ** 2
    names = ('shifted windows', 'after the cyclic shift', 'who attends')
    notes = (f'{pieces} pieces', f'{len(regions)} windows', f'in the last, {len(mask)}×{len(mask)}')
    for left, name, note in zip(lefts, names, notes, strict=True):
        canvas.text(left + width / 2, 18, name)
        canvas.note(left + width / 2, top + width + 18, note)
    words = f'windows of {times(window)} on a frame of {times(grid)} tokens; tints tell regions apart'
    canvas.note(WIDTH / 2, top + width + 40, words)
    return canvas.svg()
