"""Sizes of inputs: what a file is exported for, and what may vary in it.

A size that varies is a multiple of a unit at which no stage pads its tokens: then an exporter can tell how many tokens
there are at any size.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmhvt.models.backbones import MViT, SMViT, VideoSwin
from mmhvt.models.backbones.base import Backbone
from mmhvt.models.layers import MaskUnitOrder

# axes of the input as --dynamic names them, and the axes of clips (N, C, T, H, W) that they stand for
DYNAMIC = ('batch', 'frames', 'size')
ANOTHER_SIZE = '--shape exports another size, to a file of its own'
LARGEST_BATCH, LARGEST_BOXES, MOST_UNITS = 4096, 65536, 1024


def size_unit(backbone: Backbone) -> tuple[int, ...]:
    """([T,] H, W) of which inputs that vary are multiples."""
    patch = backbone.patch_stride
    if isinstance(backbone, SMViT):
        block = MaskUnitOrder(patch, backbone.mask_unit_size, backbone.q_stride, backbone.num_levels).block
        return tuple(p * b for p, b in zip(patch, block, strict=True))
    stage = backbone.stage_stride(len(backbone.last_blocks) - 1)
    if isinstance(backbone, MViT) and backbone.arch.kv_stride != 'none':
        stage = tuple(math.lcm(q, kv) for q, kv in zip(stage, backbone.arch.kv_stride, strict=True))
    return tuple(p * s for p, s in zip(patch, stage, strict=True))


def least_units(backbone: Backbone, format: str) -> int:
    """Smallest number of units along an axis that varies.

    Relative positions of a grid of one token, a size that exporters fix, do not run at others. Packages of PyTorch
    check that no such size comes.
    """
    return 2 if format == 'pt2' or (isinstance(backbone, MViT) and backbone.arch.rel_pos != 'none') else 1


def why_fixed(backbone: Backbone, axes: Sequence[str], format: str = 'onnx') -> str:
    """Why these axes of a backbone's input cannot vary, and what would do; '' if they can."""
    if not (sizes := [axis for axis in axes if axis != 'batch']):
        return ''
    if 'frames' in sizes and len(backbone.input_size) == 2:
        return 'the model takes images, which have no frames'
    if isinstance(backbone, VideoSwin):
        return f'windows, shifts and padding of Video Swin are computed for one size; {ANOTHER_SIZE}'
    if isinstance(backbone, MViT) and backbone.arch.rel_pos in ('joint', 'joint_space'):
        return f'rel_pos={backbone.arch.rel_pos!r} is computed frame by frame; {ANOTHER_SIZE}'
    if format == 'pt2' and 'batch' in axes and isinstance(backbone, MViT) and backbone.arch.rel_pos != 'none':
        return (
            'PyTorch fixes the batch of a .pt2 in which relative positions vary: --dynamic batch or --dynamic '
            f'{",".join(sizes)} alone, or --format onnx'
        )
    return ''


def example_size(backbone: Backbone, size: Sequence[int], axes: Sequence[str]) -> tuple[int, ...]:
    """The size to trace: the given one, rounded to two units or more where it varies; exporters fix a size of 1."""
    units = zip(size, size_unit(backbone), _vary(size, axes), strict=True)
    return tuple(max(2, round(n / unit)) * unit if varies else n for n, unit, varies in units)


def other_sizes(
    backbone: Backbone, size: Sequence[int], axes: Sequence[str], format: str = 'onnx'
) -> list[tuple[int, ...]]:
    """The traced size, and two more at which a file whose sizes vary is checked."""
    if not any(_vary(size, axes)):
        return [tuple(size)]
    units, least = size_unit(backbone), least_units(backbone, format)
    vary = list(zip(size, units, _vary(size, axes), strict=True))
    smaller = [max(n - unit, least * unit) if varies else n for n, unit, varies in vary]
    larger = [n + unit if varies else n for n, unit, varies in vary]
    if 'size' in axes:  # not square
        larger[-1] += units[-1]
    return [tuple(size), tuple(smaller), tuple(larger)]


def dynamic_shapes(
    backbone: Backbone,
    inputs: Mapping[str, Tensor],
    size: Sequence[int],
    axes: Sequence[str],
    first_axis: int,
    format: str = 'onnx',
) -> tuple:
    """Axes that vary, as `torch.export` takes them; the number of boxes always does.

    Args:
        backbone: Backbone of the model.
        inputs: Example by name.
        size: ([T,] H, W) of it.
        axes: What may vary, of :data:`DYNAMIC`.
        first_axis: Axis of the input where the size begins: 1 of pixels (N, [T,] H, W, 3), 2 of (N, 3, [T,] H, W).
        format: Format of the file. Defaults to 'onnx'.
    """
    shape: dict[int, object] = {}
    if 'batch' in axes:
        shape[0] = torch.export.Dim('N', min=1, max=LARGEST_BATCH)
    units = zip('THW'[-len(size) :], size_unit(backbone), _vary(size, axes), strict=True)
    for axis, (name, unit, varies) in enumerate(units, start=first_axis):
        if varies:
            count = torch.export.Dim(name, min=least_units(backbone, format), max=MOST_UNITS)
            shape[axis] = unit * count if unit > 1 else count
    boxes = {0: torch.export.Dim('K', min=1, max=LARGEST_BOXES)}
    return (shape, (boxes,)) if 'boxes' in inputs else (shape,)


def _vary(size: Sequence[int], axes: Sequence[str]) -> list[bool]:
    """Which of ([T,] H, W) vary."""
    names = ('frames', 'size', 'size')[-len(size) :]
    return [name in axes for name in names]
