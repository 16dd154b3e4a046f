"""Diagrams of MViT and MViTv2."""

import math
from collections.abc import Sequence

import torch

from mmhvt.models.backbones.mvit import BlockSpec
from mmhvt.models.layers.relative_position import table_rows

from .canvas import SMALL, WIDTH, Box, Canvas, Point, count, times
from .models import Stage, backbone, stages


def pyramid(title: str, rows: Sequence[Stage], above: str, notes: Sequence[str], between: Sequence[str]) -> str:
    """Stages from top to bottom: frames of tokens shrink, bars of channels grow.

    Args:
        title: What screen readers say.
        rows: Stages.
        above: What the tokens of the first stage are.
        notes: A line on each stage.
        between: What happens between two stages.
    """
    axis, left, gap, step = 118, 222, 26, 3.0
    unit = 104 / max(stage.grid[-1] for stage in rows)
    longest = max(stage.dims for stage in rows)
    depths = [step * (stage.grid[0] - 1) * stage.grid[-1] / rows[0].grid[-1] for stage in rows]
    tall = [max(unit * stage.grid[-2] + depth, 72) for stage, depth in zip(rows, depths, strict=True)]
    canvas = Canvas(title, 34 + sum(tall) + gap * (len(rows) - 1) + 8)
    canvas.note(WIDTH / 2, 16, above)
    y = 30.0
    for index, (stage, depth, height) in enumerate(zip(rows, depths, tall, strict=True)):
        frames, rows_, columns = stage.grid
        side, middle = unit * columns, y + height / 2
        x0, y0 = axis - side / 2 - depth / 2, middle - unit * rows_ / 2 + depth / 2
        for frame in reversed(range(frames)):
            shift = depth * frame / max(frames - 1, 1)
            canvas.rect(x0 + shift, y0 - shift, side, unit * rows_, 'dg-sheet' if frame else 'dg-accent', radius=0)
        canvas.text(left, middle - 20, f'Stage {index + 1}', anchor='start', style='dg-strong')
        canvas.note(WIDTH - 4, middle - 20, notes[index], anchor='end')
        canvas.text(left, middle, f'{times(stage.grid)} = {count(math.prod(stage.grid))} tokens', anchor='start')
        bar = canvas.rect(left, middle + 11, 150 * stage.dims / longest, 12, 'dg-full', radius=2)
        canvas.note(bar.right[0] + 7, bar.right[1] + 4.5, f'{stage.dims} channels', anchor='start')
        if index + 1 < len(rows):
            start = y0 + unit * rows_ + 6
            end = y + height + gap + (tall[index + 1] - unit * rows[index + 1].grid[-2] - depths[index + 1]) / 2 - 5
            canvas.arrow((axis, start), (axis, end))
            canvas.note(axis + 10, (start + end) / 2 + 4, between[index], anchor='start')
        y += height + gap
    return canvas.svg()


def mvit_stages() -> str:
    """MViT-B: tokens and channels of its stages."""
    model = backbone('mvit')
    rows = stages(model)
    kernel, stride = times(model.arch.patch_kernel), times(model.arch.patch_stride)
    return pyramid(
        'Stages of MViT-B: the grid of tokens shrinks from stage to stage, the channels grow.',
        rows,
        f'clip of {times(model.input_size)}, in cubes of {kernel} at a stride of {stride}',
        [_blocks(stage) for stage in rows],
        [f'÷ {times(model.arch.q_stride)}'] * (len(rows) - 1),
    )


def _blocks(stage: Stage) -> str:
    blocks = f'{stage.depth} block{"s" if stage.depth > 1 else ""}'
    return f'{blocks}, {stage.num_heads} head{"s" if stage.num_heads > 1 else ""}'


def mvit_attention() -> str:
    """Pooling attention in the block that starts stage 2 of MViT-B."""
    return _attention('mvit')


def mvitv2_attention() -> str:
    """The same of MViTv2-S, with what MViTv2 adds."""
    return _attention('mvitv2')


def _attention(page: str) -> str:
    model, second = backbone(page), page == 'mvitv2'
    spec = model.arch.blocks(model.token_grid(model.input_size))[model.arch.depths[0]]
    length = count(math.prod(spec.grid))
    q_length, k_length = (count(_pooled(spec.grid, pool['stride'])) for pool in (spec.q_pool, spec.kv_pool))
    canvas = Canvas(
        f'Pooling attention where stage 2 begins: {q_length} queries attend to {k_length} keys'
        + (', with relative positions E added to the scores and the pooled queries to the output.' if second else '.'),
        0,
    )
    q, k, v = columns = (194, 306, 418)
    width, added = 98, 'dg-line dg-new'
    x = canvas.box(142, 6, 330, 42, 'X', f'{length} tokens × {spec.in_dims} channels')
    pools = []
    for column, name, pool in zip(columns, 'QKV', (spec.q_pool, spec.kv_pool, spec.kv_pool), strict=True):
        linear = canvas.box(column - width / 2, 76, width, 34, f'X W_{{{name}}}')
        canvas.arrow((column, x.bottom[1]), linear.top)
        style, stride = 'dg-box' if second else 'dg-accent', times(pool['stride'])
        pools.append(
            canvas.box(column - width / 2, 138, width, 46, f'pool Θ_{{{name}}}', f'stride {stride}', style=style)
        )
        canvas.arrow(linear.bottom, pools[-1].top)
    beyond = v + 38 if second else v  # where the values go down
    for at, words in ((q, f'Q:\u2002{q_length}'), (k, f'K:\u2002{k_length}')):
        canvas.text(at + 8, 205, words, anchor='start', size=SMALL)
    side, anchor = (-8, 'end') if second else (8, 'start')
    canvas.text(beyond + side, 205, f'V:\u2002{k_length}', anchor=anchor, size=SMALL)

    box = canvas.box(145, 222, 210, 46, 'Q K^{⊤} / √d', f'{q_length} × {k_length} scores a head')
    canvas.arrow(pools[0].bottom, (q, box.y))
    canvas.arrow(pools[1].bottom, (k, box.y))
    center = box.middle[0]
    if second:
        plus = canvas.plus(center, box.bottom[1] + 34, 'dg-accent')
        canvas.arrow(box.bottom, plus.top)
        e = canvas.box(312, plus.middle[1] - 22, 126, 44, 'E', 'relative positions', style='dg-accent')
        canvas.arrow(e.left, plus.right, style=added)
        box = plus
    for words in ('Softmax', 'A V'):
        following = canvas.box(145, box.bottom[1] + (28 if box.width > 20 else 22), 210, 34, words)
        canvas.arrow(box.bottom, following.top)
        box = following
    canvas.arrow((beyond, pools[2].bottom[1]), (beyond, box.middle[1]), box.right)
    if second:
        plus = canvas.plus(center, box.bottom[1] + 28, 'dg-accent')
        canvas.arrow(box.bottom, plus.top)
        turn, start = 130, pools[0].middle[1] + 10
        canvas.arrow((pools[0].x, start), (turn, start), (turn, plus.middle[1]), plus.left, style=added)
        canvas.note(turn + 8, plus.middle[1] - 8, 'residual pooling', anchor='start')
        box = plus
    out = canvas.box(145, box.bottom[1] + (28 if box.width > 20 else 22), 210, 34, 'linear')
    canvas.arrow(box.bottom, out.top)
    _skip(canvas, x, 62, out, spec, q_length)
    canvas.height = out.bottom[1] + 46
    return canvas.svg()


def _skip(canvas: Canvas, x: Box, column: float, out: Box, spec: BlockSpec, q_length: str) -> None:
    """The skip connection on the left, and the sum below."""
    start: list[Point] = [x.left, (column, x.middle[1])]
    if spec.in_dims != spec.attn_dims:
        linear = canvas.box(column - 52, 76, 104, 34, 'linear')
        canvas.arrow(*start, linear.top)
        start = [linear.bottom]
    pool = canvas.box(column - 52, 138, 104, 46, 'max pool', f'stride {times(spec.skip_pool["stride"])}')
    canvas.arrow(*start, pool.top)
    plus = canvas.plus(out.middle[0], out.bottom[1] + 28)
    canvas.arrow(out.bottom, plus.top)
    canvas.arrow(pool.bottom, (column, plus.middle[1]), plus.left)
    canvas.arrow(plus.right, (plus.right[0] + 34, plus.middle[1]))
    words = f'{q_length} tokens × {spec.attn_dims}'
    canvas.text(plus.right[0] + 42, plus.middle[1] + 4.5, words, anchor='start')


def _pooled(grid: Sequence[int], stride: Sequence[int]) -> int:
    return math.prod(n // s for n, s in zip(grid, stride, strict=True))


def mvitv2_positions() -> str:
    """Decomposed relative positions of one pair of tokens of a small grid."""
    grid, query, key = (3, 5, 5), (0, 3, 1), (2, 1, 4)
    tables = backbone('mvitv2').blocks[0].attn.rel_pos['q']
    size = {name: len(getattr(tables, name)) for name in tables.groups}
    canvas = Canvas(
        'A query and a key lie some frames, rows and columns apart. Each of the three offsets selects a vector from '
        'the table of its axis; their products with the query add up to E.'
    )
    side, gap, top = 24, 40, 28
    left = (WIDTH - 3 * 5 * side - 2 * gap) / 2
    for frame in range(grid[0]):
        x = left + frame * (5 * side + gap)
        styles = [''] * 25
        for token, style in ((query, 'dg-full'), (key, 'dg-tint2')):
            if token[0] == frame:
                styles[token[1] * 5 + token[2]] = style
        canvas.grid(x, top, 5, 5, side, styles)
        canvas.note(x + 2.5 * side, top - 9, f't = {frame}')
    y = top + 5 * side + 14
    for x, name, style in ((172, 'query i', 'dg-full'), (262, 'key j', 'dg-tint2')):
        canvas.rect(x, y, 12, 12, style, radius=0)
        canvas.note(x + 18, y + 10.5, name, anchor='start')
    y += 44
    canvas.note(WIDTH / 2, y, 'a table for each axis, with a vector for each offset; 0 is in the middle')
    y += 14
    for axis, name in enumerate('thw'):
        rows = table_rows(grid[axis], grid[axis], torch.device('cpu'))
        chosen, cells = int(rows[query[axis], key[axis]]), 2 * grid[axis] - 1
        offset = query[axis] - key[axis]
        x = 200 - cells * 10
        canvas.text(60, y + 18, f'R^{{{name}}}', style='dg-strong')
        canvas.grid(x, y, 1, cells, 20, ['dg-full' if i == chosen else '' for i in range(cells)])
        canvas.lines([[(200, y - 3), (200, y + 23)]], 'dg-frame')
        words = f'{name}(i) − {name}(j) = {offset:+d}'.replace('-', '−')
        canvas.text(304, y + 10, words, anchor='start', size=SMALL)
        canvas.note(304, y + 26, f'{size[name]} vectors in stage 1', anchor='start')
        y += 44
    y += 14
    canvas.box(30, y, 420, 40, 'E_{ij} = Q_{i} · R^{t} + Q_{i} · R^{h} + Q_{i} · R^{w}', style='dg-accent')
    canvas.height = y + 48
    return canvas.svg()
