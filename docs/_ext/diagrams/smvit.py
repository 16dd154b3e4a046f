"""Diagrams of SMViT (Hiera) and its masked pre-training."""

import math

import torch

from mmhvt.models.selfsup.mask import draw_visible

from .canvas import SMALL, WIDTH, Canvas, count, times
from .models import auto_encoder, backbone, stages
from .mvit import pyramid


def smvit_stages() -> str:
    """SMViT-B: tokens, channels and attention of its stages."""
    model = backbone('smvit')
    rows, units = stages(model), [model.blocks[last].attn.mask_unit for last in model.last_blocks]
    return pyramid(
        'Stages of SMViT-B: the first two attend within mask units, the others globally.',
        rows,
        f'clip of {times(model.input_size)}, patch stride {times(model.patch_stride)}',
        [f'{stage.depth} blocks, {"local" if unit else "global"}' for stage, unit in zip(rows, units, strict=True)],
        [f'max ÷ {times(model.q_stride)}'] * (len(rows) - 1),
    )


def smvit_units() -> str:
    """A mask unit in all stages."""
    model = backbone('smvit')
    side, gap = 96, 22
    left = (WIDTH - 4 * side - 3 * gap) / 2
    pixels = model.mask_unit_size[-1] * model.patch_stride[-1]
    canvas = Canvas(
        f'The {pixels}×{pixels} pixels of a mask unit in the four stages: fewer and fewer tokens, which no pooling '
        'joins with those of another unit.',
        186,
    )
    for stage, last in enumerate(model.last_blocks):
        x, tokens = left + stage * (side + gap), model.mask_unit_size[-1] // model.q_stride[-1] ** stage
        local = model.blocks[last].attn.mask_unit is not None
        canvas.text(x + side / 2, 18, f'Stage {stage + 1}', style='dg-strong')
        canvas.grid(x, 30, tokens, tokens, side / tokens, ['dg-tint1'] * tokens**2 if local else ())
        if local:
            canvas.rect(x, 30, side, side, 'dg-bold', radius=0)
        canvas.text(x + side / 2, 148, f'{tokens}×{tokens}', size=SMALL)
        canvas.note(x + side / 2, 166, 'attends within' if local else 'attends to all')
        if local:
            canvas.note(x + side / 2, 181, 'its unit')
        if stage:
            canvas.arrow((x - gap + 3, 30 + side / 2), (x - 3, 30 + side / 2))
    return canvas.svg()


def smvit_mae() -> str:
    """Masked pre-training on an image: delete, encode, decode."""
    model = auto_encoder()
    encoder, decoder = model.backbone, model.decoder
    counts = encoder.unit_grid(encoder.input_size)
    units = math.prod(counts)
    visible = draw_visible(1, units, model.mask_ratio, generator=torch.Generator().manual_seed(2))[0].tolist()
    kept, per_unit, pooled = len(visible), math.prod(encoder.mask_unit_size), math.prod(encoder.pooled_unit)
    hidden = (units - kept) * pooled
    canvas = Canvas(
        f'Masked pre-training: {units - kept} of {units} mask units are deleted, the encoder sees the other {kept}, '
        f'and the decoder predicts the pixels of {hidden} masked tokens.'
    )
    cell, left = 18, 24
    step = cell * counts[1]
    canvas.grid(left, 30, *counts, cell, ['dg-tint2' if i in visible else 'dg-gone' for i in range(units)])
    canvas.note(left + step / 2, 20, f'{times(encoder.input_size)} pixels')
    right = left + step + 28
    canvas.text(right, 52, '1. Delete', anchor='start', style='dg-strong')
    side = encoder.mask_unit_size[-1] * encoder.patch_stride[-1]
    canvas.text(right, 74, f'{times(counts)} mask units of {side}×{side} pixels,', anchor='start', size=SMALL)
    canvas.text(right, 92, f'{model.mask_ratio:.0%} of them masked', anchor='start', size=SMALL)
    canvas.note(right, 116, f'{kept} are left, each with {per_unit} tokens of', anchor='start')
    canvas.note(right, 133, f'{times(encoder.patch_stride)} pixels: {count(kept * per_unit)} tokens', anchor='start')

    y = 30 + cell * counts[0]
    canvas.arrow((left + step / 2, y + 5), (left + step / 2, y + 50))
    canvas.text(right, y + 24, '2. Encode', anchor='start', style='dg-strong')
    canvas.note(right, y + 42, 'the visible units alone', anchor='start')
    y += 56
    row = (WIDTH - 2 * left) / kept
    for i in range(kept):
        for style in ('dg-tint2', 'dg-frame'):
            canvas.rect(left + i * row + 2, y, row - 4, row - 4, style, radius=0)
    canvas.arrow((left + 48, y + row), (left + 48, y + row + 20))
    y += row + 20
    dims = [encoder.stage_dims[stage] for stage in range(len(encoder.last_blocks))]
    width, gap = 96, (WIDTH - 2 * left - 4 * 96) / 3
    boxes = []
    for stage, channels in enumerate(dims):
        tokens = kept * per_unit // math.prod(encoder.stage_stride(stage))
        box = canvas.box(
            left + stage * (width + gap), y, width, 46, f'Stage {stage + 1}', f'{count(tokens)} × {channels}'
        )
        if boxes:
            canvas.arrow(boxes[-1].right, box.left)
        boxes.append(box)
    y += 46
    fused = [*model.stages[:-1], len(dims) - 1]
    bottom = canvas.box(left, y + 30, WIDTH - 2 * left, 32, 'sum of the stages at the last resolution, norm')
    for stage in fused:
        canvas.arrow(boxes[stage].bottom, (boxes[stage].middle[0], bottom.y))
    for stage in fused[:-1]:
        stride = times(model.fusion.heads[stage].stride)
        canvas.note(boxes[stage].middle[0] + 8, y + 20, f'conv ÷ {stride}', anchor='start')
    y = bottom.bottom[1]
    canvas.arrow((left + step / 2, y), (left + step / 2, y + 50))
    canvas.text(right, y + 24, '3. Decode', anchor='start', style='dg-strong')
    canvas.note(right, y + 42, 'with mask tokens for the deleted ones', anchor='start')
    y += 56
    whole = [c * u for c, u in zip(counts, decoder.unit, strict=True)]
    small = step / whole[1]
    masked = [row // decoder.unit[0] * counts[1] + column // decoder.unit[1] not in visible
              for row in range(whole[0]) for column in range(whole[1])]  # fmt: skip
    canvas.grid(left, y, *whole, small, ['dg-gone' if gone else 'dg-tint2' for gone in masked])
    blocks = canvas.box(
        right, y + 2, WIDTH - left - right, 46, f'{len(decoder.blocks)} transformer blocks',
        f'{count(math.prod(whole))} tokens × {decoder.embed.out_features}',
    )  # fmt: skip
    canvas.arrow((left + step + 4, blocks.middle[1]), blocks.left)
    values = decoder.predict.out_features
    loss = canvas.box(
        right, y + 76, WIDTH - left - right, 46, 'pixels of masked tokens', f'{hidden} × {count(values)} values, MSE',
        style='dg-accent',
    )  # fmt: skip
    canvas.arrow(blocks.bottom, loss.top)
    canvas.height = y + step + 8
    return canvas.svg()
