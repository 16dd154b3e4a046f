"""Instance segmentation: a Mask R-CNN with a micro SMViT learns to find shapes in generated images."""

import json
from collections import defaultdict
from pathlib import Path

import matplotlib
import mmcv
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pycocotools import mask as rle

from .plots import BLUE, INK, MUTED, ORANGE, finish_axes, new_picture, plot_points
from .runs import (
    CONFIGS,
    StepError,
    curve,
    generate,
    mim,
    print_metrics,
    read_metrics,
    run_test,
    train,
    training_options,
)

CONFIG = CONFIGS / 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
# mim does not know it by the name `mmdet`
PACKAGE = 'onedl-mmdetection'
# as in the config
DATA = Path('data/shapes_coco')
WORK_DIR = Path('work_dirs/demo-coco')
METRICS = {'bbox_AP50': 'coco/bbox_mAP_50', 'segm_AP50': 'coco/segm_mAP_50'}
SHOWN = 12
MIN_SCORE = 0.5


def evaluate(checkpoint: Path, work_dir: Path) -> tuple[dict[str, float], Path]:
    """Test with mim, unless predictions of the checkpoint exist.

    Args:
        checkpoint: Checkpoint of training.
        work_dir: Folder, new or from an earlier call.

    Returns:
        Values of :data:`METRICS`, and the file of predicted masks in COCO's results format.

    Raises:
        StepError: If it fails.
    """
    predictions = work_dir / 'predictions.segm.json'
    command = mim('test', CONFIG, work_dir, '--checkpoint', checkpoint, package=PACKAGE)
    options = ['--cfg-options', f'test_evaluator.outfile_prefix={work_dir / "predictions"}']
    run_test('Testing', [*command, *options], checkpoint, predictions)
    metrics = dict(zip(METRICS, read_metrics(work_dir, *METRICS.values()), strict=True))
    if not predictions.is_file():
        raise StepError(f'no {predictions}: did the test stop early? Remove the folder and call again')
    return metrics, predictions


def draw_predictions(axes: Axes, pixels: np.ndarray, found: list[dict], names: dict[int, str]) -> None:
    """An image with boxes, masks and labels.

    Args:
        axes: Axes to draw into.
        pixels: (H, W, 3) uint8, RGB.
        found: Results for this image in COCO's format.
        names: Names of the categories by id.
    """
    colors = dict(zip(sorted(names), matplotlib.color_sequences['Set2'], strict=False))
    shown = pixels / 255
    for result in found:
        mask = rle.decode(result['segmentation']).astype(bool)
        shown[mask] = 0.4 * shown[mask] + 0.6 * np.array(colors[result['category_id']])
    axes.imshow(shown, interpolation='nearest')
    for result in found:
        x, y, width, height = result['bbox']
        color = colors[result['category_id']]
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=color, linewidth=1))
        label = f'{names[result["category_id"]]} {result["score"]:.2f}'
        background = dict(facecolor=color, edgecolor='none', pad=0.6, alpha=0.9)
        axes.text(x, y, label, fontsize=5.5, color=INK, va='bottom', bbox=background, clip_on=True)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_images(figure: Figure, predictions: Path) -> None:
    """Draw the first validation images with what was found in them."""
    truth = json.loads((DATA / 'annotations/instances_val.json').read_text())
    names = {category['id']: category['name'] for category in truth['categories']}
    found = defaultdict(list)
    for result in json.loads(predictions.read_text()):
        if result['score'] >= MIN_SCORE:
            found[result['image_id']].append(result)
    grid = figure.add_gridspec(2, SHOWN // 2, left=0.03, right=0.97, top=0.87, bottom=0.32, wspace=0.06, hspace=0.08)
    for place, image in enumerate(truth['images'][:SHOWN]):
        pixels = mmcv.imread(DATA / 'val' / image['file_name'], channel_order='rgb')
        draw_predictions(figure.add_subplot(grid[place]), pixels, found[image['id']], names)


def draw_curves(figure: Figure, curves: dict[str, list[tuple[int, float]]]) -> None:
    """Draw the loss by step and the metrics by epoch."""
    left, right = figure.add_axes((0.06, 0.07, 0.4, 0.2)), figure.add_axes((0.56, 0.07, 0.4, 0.2))
    left.plot(*zip(*curves['loss'], strict=True), color=MUTED, linewidth=1.6)
    left.set_xlabel('step', color=MUTED)
    left.set_ylabel('training loss', color=MUTED)
    left.set_ylim(bottom=0)
    plot_points(right, curves['bbox_AP50'], BLUE, markersize=4, label='boxes')
    plot_points(right, curves['segm_AP50'], ORANGE, markersize=4, label='masks')
    right.set_xlabel('epoch', color=MUTED)
    right.set_ylabel('validation AP50', color=MUTED)
    right.set_ylim(0, 1.04)
    right.legend(frameon=False, loc='upper left', ncols=2)
    finish_axes(left, right)


def draw(path: Path, predictions: Path, metrics: dict[str, float], curves: dict[str, list[tuple[int, float]]]) -> None:
    """Draw the first validation images with what was found in them, and the curves of training.

    Args:
        path: PNG to write.
        predictions: Results in COCO's format.
        metrics: Values of :data:`METRICS`, for the text.
        curves: 'loss' by step, and those of :data:`METRICS` by epoch.
    """
    text = (
        f'Mask R-CNN with a micro SMViT, trained from scratch: AP50 of boxes {metrics["bbox_AP50"]:.1%}, of masks '
        f'{metrics["segm_AP50"]:.1%}.\nBelow: the first validation images with what it finds, from a score of '
        f'{MIN_SCORE} on.'
    )
    with new_picture(path, 8.6, 'What is where?', text, text_y=0.91) as figure:
        draw_images(figure, predictions)
        draw_curves(figure, curves)


def run(seed: int, images: int, val_images: int, epochs: int | None, min_bbox: float, min_segm: float) -> None:
    """Generate images, train and test a Mask R-CNN on them with mim, and draw what it finds.

    Args:
        seed: Seed of initialization, sampling and order of images.
        images: Number of training images.
        val_images: Number of validation images.
        epochs: Epochs of training; None for those of the config.
        min_bbox: AP50 of boxes that has to be reached.
        min_segm: AP50 of masks that has to be reached.

    Raises:
        StepError: If a step fails, or a metric is below what it must reach.
    """
    generate('Generating images', 'shapes_coco.py', DATA, images=images, val_images=val_images)
    checkpoint = train('Training', PACKAGE, CONFIG, WORK_DIR / 'train', training_options(seed, epochs))
    metrics, predictions = evaluate(checkpoint, WORK_DIR / 'test')

    curves = {name: curve(WORK_DIR / 'train', key) for name, key in (METRICS | {'loss': 'loss'}).items()}
    picture = WORK_DIR / 'demo-coco.png'
    draw(picture, predictions, metrics, curves)
    print(f'\npicture: {picture}')
    print_metrics(**metrics)
    for (name, value), least in zip(metrics.items(), (min_bbox, min_segm), strict=True):
        if value < least:
            raise StepError(f'{name} is {value:.4f}, below the {least} that this demo must reach')
