"""Diagrams of UniFormerV2."""

import math

from .canvas import SMALL, Box, Canvas, Point, count, times
from .models import backbone

NEW = 'dg-line dg-new'


def uniformerv2_model() -> str:
    """UniFormerV2-B/16 for Something-Something: layers, global UniBlocks and their fusion."""
    model = backbone('uniformerv2')
    grid = model.token_grid(model.input_size)
    local = [block.temporal1 is not None for block in model.blocks]
    canvas = Canvas(
        f'UniFormerV2-B/16: local UniBlocks in {sum(local)} of {len(local)} layers of the ViT, a global UniBlock after '
        f'each of the last {len(model.global_layers)}, and the sum of video token and class token.'
    )
    step, height, left, wide = 34, 23, 28, 204
    embed = canvas.box(
        left, 6, wide, 46, 'patch embedding', f'{times(model.input_size)}, stride {times(model.patch_stride)}'
    )
    canvas.note(embed.right[0] + 12, 24, f'{grid[0]} × (1 + {times(grid[1:])}) tokens of', anchor='start')
    canvas.note(embed.right[0] + 12, 42, f'{model.embed_dims} channels, a class token a frame', anchor='start')
    y, previous, video = 76, embed, None
    right, narrow = 320, 130
    for layer, has_local in enumerate(local):
        box = canvas.rect(left, y, wide, height, 'dg-box', radius=5)
        canvas.text(left + 10, y + 16, f'ViT layer {layer + 1}', anchor='start', size=SMALL)
        if has_local:
            canvas.rect(left + 92, y + 3, 105, height - 6, 'dg-accent', radius=4)
            canvas.note(left + 144, y + 16, '+ LT_MHRA')
        canvas.arrow(previous.bottom, box.top)
        if layer in model.global_layers:
            block = canvas.rect(right, y, narrow, height, 'dg-accent', radius=5)
            index = model.global_layers.index(layer) + 1
            canvas.note(block.middle[0], y + 16, f'global UniBlock {index}')
            canvas.arrow(box.right, block.left, style=NEW)
            if video is None:
                query = canvas.box(right, y - step - 10, narrow, 32, 'query q = 0', style='dg-accent')
                video = query
            canvas.arrow(video.bottom, block.top, style=NEW)
            video = block
        previous, y = box, y + step
    y += 14
    mean = canvas.box(left, y, wide, 46, 'F^{C}', 'mean of the class tokens')
    canvas.arrow(previous.bottom, mean.top)
    token = canvas.box(right, y, narrow, 46, 'F', 'video token', style='dg-accent')
    canvas.arrow(video.bottom, token.top, style=NEW)
    total = canvas.box(
        110, y + 76, 260, 46, 'Z = α F + (1 − α) F^{C}', f'α: {count(model.alpha_logit.numel())} numbers, learned'
    )
    canvas.arrow(mean.bottom, (mean.middle[0], total.y))
    canvas.arrow(token.bottom, (token.middle[0], total.middle[1]), total.right, style=NEW)
    canvas.height = total.bottom[1] + 6
    return canvas.svg()


def uniformerv2_blocks() -> str:
    """What is within a local and a global UniBlock."""
    model = backbone('uniformerv2')
    twice = model.blocks[0].temporal2 is not None
    kernel = model.blocks[0].temporal1.conv.kernel_size[0]
    grid = model.token_grid(model.input_size)
    tokens = grid[0] * (1 + math.prod(grid[1:]))
    dpe = model.fusion.blocks[0].dpe.conv.kernel_size
    canvas = Canvas(
        'Left, a local UniBlock: temporal convolution, then the attention and the MLP of the image ViT. Right, a '
        'global UniBlock: a query attends to all tokens of the clip, after a convolution for their positions.'
    )
    local, wide = 110, 150
    canvas.text(local, 16, 'Local UniBlock', style='dg-strong')
    steps = [('LT_MHRA', f'BN, conv of {kernel} frames', 'dg-accent'), ('GS_MHRA', 'LN, within a frame', 'dg-box')]
    steps += [('LT_MHRA', 'a second one', 'dg-accent')] if twice else []
    steps += [('FFN', 'LN, MLP', 'dg-box')]
    y, start = 44.0, (local, 28.0)
    canvas.note(local + 10, 38, 'X^{in}', anchor='start')
    for name, what, style in steps:
        start = _branch(canvas, local, wide, start, y, name, what, style)
        y = start[1] + 16
    canvas.arrow(start, (local, start[1] + 22))
    canvas.note(local + 10, start[1] + 18, 'X^{L}', anchor='start')
    bottom = start[1] + 30

    middle, wide = 366, 150
    canvas.text(middle, 16, 'Global UniBlock', style='dg-strong')
    canvas.note(middle + 10, 38, 'X^{L}', anchor='start')
    start = _branch(canvas, middle, wide, (middle, 28.0), 44.0, 'DPE', f'{times(dpe)} convolution', 'dg-accent')
    cross = canvas.box(middle - wide / 2, start[1] + 34, wide, 46, 'C_MHRA', 'LN, cross attention', style='dg-accent')
    canvas.arrow(start, cross.top)
    canvas.note(middle + 10, start[1] + 24, f'{count(tokens)} tokens', anchor='start')
    query = (246.0, cross.middle[1])
    canvas.note(query[0] - 2, query[1] - 8, 'q: 1')
    canvas.arrow((query[0] - 14, query[1]), cross.left)
    plus = canvas.plus(middle, cross.bottom[1] + 24)
    canvas.arrow(cross.bottom, plus.top)
    canvas.arrow((query[0] + 8, query[1]), (query[0] + 8, plus.middle[1]), plus.left)
    start = _branch(canvas, middle, wide, plus.bottom, plus.bottom[1] + 16, 'FFN', 'LN, MLP', 'dg-accent')
    canvas.arrow(start, (middle, start[1] + 22))
    canvas.note(middle + 10, start[1] + 18, 'X^{G}', anchor='start')
    canvas.height = max(bottom, start[1] + 30)
    return canvas.svg()


def _branch(canvas: Canvas, x: float, width: float, start: Point, y: float, name: str, what: str, style: str) -> Point:
    """A module and its residual connection; returns where the next one starts."""
    box = canvas.box(x - width / 2, y + 8, width, 46, name, what, style=style)
    plus = canvas.plus(x, box.bottom[1] + 20)
    canvas.arrow(start, box.top)
    canvas.arrow(box.bottom, plus.top)
    aside = x - width / 2 - 18
    canvas.arrow((x, y), (aside, y), (aside, plus.middle[1]), plus.left)
    return plus.bottom


def uniformerv2_fusion() -> str:
    """Four ways to fuse the video tokens of three global UniBlocks."""
    canvas = Canvas(
        'Four ways to fuse the tokens of the global UniBlocks: as the next query, by a linear layer, among the next '
        'keys, or among the next queries.',
        452,
    )
    names = ('sequential', 'parallel', 'hierarchical_kv', 'hierarchical_q')
    notes = (
        'the next query',
        'all, through a linear layer',
        'among the next keys and values',
        'among the next queries',
    )
    for index, (name, note) in enumerate(zip(names, notes, strict=True)):
        _fusion(canvas, 8 + index % 2 * 242, index // 2 * 228, name, note)
    return canvas.svg()


def _fusion(canvas: Canvas, left: float, top: float, name: str, note: str) -> None:
    chosen = name == 'sequential'
    canvas.text(left + 110, top + 16, name, style='dg-strong')
    canvas.note(left + 110, top + 33, note + (', the default' if chosen else ''))
    blocks: list[Box] = []
    for i in range(3):
        y = top + 62 + i * 48
        keys = canvas.rect(left + 4, y, 44, 28, 'dg-box')
        canvas.text(keys.middle[0], y + 18.5, f'X^{{L}}_{{{i + 1}}}', size=SMALL)
        block = canvas.rect(left + 90, y, 44, 28, 'dg-accent')
        canvas.text(block.middle[0], y + 18.5, f'G_{{{i + 1}}}', size=SMALL)
        canvas.arrow(keys.right, block.left)
        if i == 0 or name != 'sequential':
            at = y + (7 if name == 'parallel' else 14)
            canvas.note(left + 164, at + 3.5, f'q_{{{i + 1}}}', anchor='start')
            canvas.arrow((left + 160, at), (block.x + block.width, at))
        if name == 'parallel':
            canvas.arrow((block.x + block.width, y + 22), (left + 190, y + 22), style=NEW)
        if blocks and name == 'sequential':
            canvas.arrow(blocks[-1].bottom, block.top, style=NEW)
        if blocks and name == 'hierarchical_kv':
            above = blocks[-1].bottom
            canvas.arrow(above, (above[0], above[1] + 10), (left + 69, above[1] + 10), (left + 69, y + 6),
                         (block.x, y + 6), style=NEW)  # fmt: skip
        if blocks and name == 'hierarchical_q':
            above = blocks[-1].bottom
            canvas.arrow(above, (above[0], above[1] + 10), (left + 147, above[1] + 10), (left + 147, y + 6),
                         (block.x + block.width, y + 6), style=NEW)  # fmt: skip
        blocks.append(block)
    if name == 'parallel':
        linear = canvas.rect(left + 190, top + 62, 34, 124, 'dg-accent')
        canvas.text(linear.middle[0], linear.middle[1] + 5, 'U^{F}', size=SMALL)
    last = (linear if name == 'parallel' else blocks[-1]).bottom
    canvas.arrow(last, (last[0], last[1] + 16), style=NEW)
    canvas.text(last[0] + 10, last[1] + 16, 'F', anchor='start', size=SMALL)
