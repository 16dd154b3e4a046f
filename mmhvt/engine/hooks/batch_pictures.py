"""Pictures of training batches as a model sees them: after normalization, augmentation and blending.

The visualization hooks of mmengine and its packages draw predictions on what the pipeline returned; `browse_dataset`
draws samples before the data preprocessor. Neither shows what mixup and CutMix do to a batch.

Shapes: N batch, C channels, T frames, H height, W width.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.visualization.utils import img_from_canvas
from torch import Tensor, nn

from mmhvt.utils.drawing import BLUE, draw_boxes

# number of classes of a soft label that are named, and the least weight of one
MOST_LABELS, LEAST_WEIGHT = 4, 0.005
# metainfo that says where a sample is from
_FILES = ('img_path', 'filename', 'frame_dir', 'img_key')
# height from which captions of boxes can be read
_READABLE = 240

Names = Callable[[Any], Sequence[str] | None]


class Shown(NamedTuple):
    """A sample as it is drawn.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        caption: File and labels.
    """

    frames: np.ndarray
    caption: str


def pixels(
    inputs: Tensor, preprocessor: nn.Module, most_frames: int, channel_order: Literal[None, 'rgb', 'bgr'] = None
) -> np.ndarray:
    """Inputs of a model as frames, up to `most_frames` of each sample, spread over all.

    Args:
        inputs: What a data preprocessor returned: (N, C, H, W) images, (N, C, T, H, W) or (N, views, C, T, H, W) clips,
            or (N, frames, C, H, W), as its `format_shape` says.
        preprocessor: Data preprocessor, which has mean and standard deviation if it normalizes.
        most_frames: Maximum number of frames of a sample.
        channel_order: Channel order of the inputs. Defaults to RGB if the preprocessor swaps channels or takes videos,
            which are decoded as RGB, else BGR, as images are loaded.

    Returns:
        (N, T, H, W, 3) uint8 RGB. Padding has the color that the preprocessor pads with.

    Raises:
        ValueError: If the inputs have neither 1 nor 3 channels.
    """
    layout = getattr(preprocessor, 'format_shape', None)  # only mmaction's has it
    axis = -4 if layout in ('NCTHW', 'MIX2d3d') and inputs.ndim > 4 else -3
    if inputs.ndim < 4 or inputs.shape[axis] not in (1, 3):
        raise ValueError(
            f'inputs of shape {tuple(inputs.shape)} are not pictures: their axis {axis} must have 1 or 3 channels'
        )
    x = inputs.detach().movedim(axis, -1)  # (N, [views], [T], H, W, C)
    x = x.flatten(1, -4) if x.ndim > 4 else x[:, None]
    chosen = np.linspace(0, x.shape[1] - 1, min(x.shape[1], most_frames)).round().astype(int)
    x = x[:, chosen].cpu().float()
    if getattr(preprocessor, '_enable_normalize', False):
        mean, std = (getattr(preprocessor, name).detach().cpu().flatten() for name in ('mean', 'std'))
        x = x * std + mean
    swapped = getattr(preprocessor, 'to_rgb', getattr(preprocessor, '_channel_conversion', False))
    order = channel_order or ('rgb' if swapped or layout else 'bgr')
    x = x.expand(*x.shape[:-1], 3) if x.shape[-1] == 1 else x if order == 'rgb' else x.flip(-1)
    return x.nan_to_num().round().clamp(0, 255).to(torch.uint8).numpy()


def label_text(sample: Any, names: Sequence[str] | None) -> str:
    """Labels of a sample of mmaction or mmpretrain, soft ones with their weights; '' if it has none.

    Args:
        sample: Data sample with `gt_score` or `gt_label`: indices, or a weight for each class.
        names: Names of the classes, or None.
    """
    label = getattr(sample, 'gt_score', None)
    label = getattr(sample, 'gt_label', None) if label is None else label
    if not isinstance(label, Tensor):
        return ''
    label = label.detach().cpu().flatten()
    if not label.is_floating_point():
        return ', '.join(_name(int(index), names) for index in label)
    weights, order = label.sort(descending=True, stable=True)
    kept = [(float(w), int(i)) for w, i in zip(weights, order, strict=True) if w >= LEAST_WEIGHT]
    texts = [_name(i, names) if w == 1 else f'{w:.2f} {_name(i, names)}' for w, i in kept[:MOST_LABELS]]
    rest = [f'{len(kept) - MOST_LABELS} more'] if len(kept) > MOST_LABELS else []
    return ', '.join(texts + rest)


def _name(index: int, names: Sequence[str] | None) -> str:
    if index < 0:
        return 'no label'
    return str(names[index]) if names is not None and index < len(names) else f'class {index}'


def box_texts(labels: Tensor, names: Sequence[str] | None) -> list[str]:
    """Labels of boxes; several labels of one box are on separate lines.

    Args:
        labels: (n,) indices, or (n, classes) zeros and ones. AVA's class 0 is a background that `names` leaves out.
        names: Names of the classes, or None.
    """
    labels = labels.detach().cpu()
    if labels.ndim == 1:
        return [_name(int(index), names) for index in labels]
    if names is not None and labels.shape[1] == len(names) + 1:
        names = ['background', *names]
    return ['\n'.join(_name(int(index), names) for index in row.nonzero().flatten()) for row in labels]


def show_samples(inputs: np.ndarray, samples: Sequence[Any] | None, names: Names) -> list[Shown]:
    """Frames with their boxes and captions.

    Args:
        inputs: (N, T, H, W, 3) from :func:`pixels`.
        samples: Data samples of mmaction, mmdet or mmpretrain; there may be more than N. None for none.
        names: Function that returns the names of a sample's classes, or None.
    """
    shown = []
    for index, frames in enumerate(inputs):
        sample = samples[index] if samples is not None and index < len(samples) else None
        metainfo = getattr(sample, 'metainfo', {})
        path = next((str(metainfo[key]) for key in _FILES if metainfo.get(key) is not None), '')
        found = names(sample)
        instances = getattr(sample, 'gt_instances', None)
        if instances is not None and 'bboxes' in instances:
            frames = _with_boxes(frames, instances, found)
        shown.append(Shown(frames, '\n'.join(filter(None, (label_text(sample, found), Path(path).name)))))
    return shown


def _with_boxes(frames: np.ndarray, instances: Any, names: Sequence[str] | None) -> np.ndarray:
    """Frames (T, H, W, 3), enlarged where they are small, with boxes on all and captions on the first."""
    height, width = frames.shape[1:3]
    boxes = getattr(instances.bboxes, 'tensor', instances.bboxes).detach().cpu().float().numpy()
    texts = box_texts(instances.labels, names) if 'labels' in instances else [''] * len(boxes)
    shares = boxes.reshape(-1, 4) / [width, height, width, height]
    zoom = max(1, round(_READABLE / height))
    drawn = []
    for number, frame in enumerate(frames):
        captions = [(text if number == 0 else '', BLUE) for text in texts]
        drawn.append(draw_boxes(frame.repeat(zoom, 0).repeat(zoom, 1), shares, captions))
    return np.stack(drawn)


def draw_batch(shown: Sequence[Shown], title: str) -> np.ndarray:
    """A picture (height, width, 3) uint8 RGB: a row of frames for each clip, or images side by side.

    Args:
        shown: One or more samples.
        title: Title above the picture.
    """
    count, height, width, _ = shown[0].frames.shape
    columns = 1 if count > 1 else min(4 if height < _READABLE else 2, len(shown))
    rows = math.ceil(len(shown) / columns)
    inches = max(1.5 * count, 4.0) if count > 1 else 2.4 if height < _READABLE else 6.0
    gap = max(1, width // 20)
    tall = inches * height / (count * (width + gap)) + 0.5
    figure = Figure((columns * inches + 0.2, rows * tall + 0.6), dpi=100, facecolor='white', layout='constrained')
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.axis('off')
    for panel, (frames, caption) in zip(panels, shown, strict=False):
        strip = np.hstack([*np.pad(frames, ((0, 0), (0, 0), (0, gap), (0, 0)), constant_values=255)])
        panel.imshow(strip[:, :-gap], interpolation='nearest')
        # names of classes and files are not formulas, even with two dollar signs
        panel.set_title(caption, fontsize=8, loc='left', parse_math=False)
    figure.suptitle(title, fontsize=9, parse_math=False)
    canvas.draw()
    return img_from_canvas(canvas)
