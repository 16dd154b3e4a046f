"""Finds shapes and cuts them out: trains a Mask R-CNN with a micro SMViT on generated images, and draws what it finds.

Works in the current folder, as a user would: images in data/shapes_coco, the rest in work_dirs/demo-coco. What an
earlier call has finished is not done again, and a training that it was interrupted in goes on; remove the folder to
begin anew. The last two lines are metrics of COCO on the validation images: average precision of boxes and of masks
at an overlap (IoU) of 0.5.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from pycocotools import mask as rle
from train_demo import GRID, INK, MUTED, ROOT, StepError, mim, newest_log, run_program, step
from train_mae_demo import BLUE, ORANGE, curve, train

matplotlib.use('Agg')
import matplotlib.pyplot as plt

CONFIG = ROOT / 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
# mim does not know it by the name `mmdet`
PACKAGE = 'onedl-mmdetection'
# as the config has it
DATA = Path('data/shapes_coco')
WORK_DIR = Path('work_dirs/demo-coco')
METRICS = {'bbox_AP50': 'coco/bbox_mAP_50', 'segm_AP50': 'coco/segm_mAP_50'}
SHOWN = 12
LEAST_SCORE = 0.5


def test(checkpoint: Path, work_dir: Path) -> tuple[dict[str, float], Path]:
    """Test with mim; what is there for this checkpoint is not done again.

    Args:
        checkpoint: Of training.
        work_dir: New, or of an earlier call.

    Returns:
        Values of :data:`METRICS`, and the file of predicted masks in COCO's format of results.

    Raises:
        StepError: If it fails.
    """
    prefix = work_dir / 'predictions'
    predictions = work_dir / 'predictions.segm.json'
    if predictions.is_file() and predictions.stat().st_mtime > checkpoint.stat().st_mtime:
        print(f'\n=== Testing: done already, {predictions}', flush=True)
    else:
        command = mim('test', CONFIG, work_dir, '--checkpoint', checkpoint, package=PACKAGE)
        step('Testing', *command, '--cfg-options', f'test_evaluator.outfile_prefix={prefix}')
    entry = next((entry for entry in newest_log(work_dir, '*/*.json') if METRICS['bbox_AP50'] in entry), None)
    if entry is None or not predictions.is_file():
        raise StepError(f'no result in {work_dir}: did the test stop early? Remove the folder and call again')
    return {name: entry[key] for name, key in METRICS.items()}, predictions


def draw_predictions(axes: plt.Axes, pixels: np.ndarray, found: list[dict], names: dict[int, str]) -> None:
    """An image with boxes, masks and labels.

    Args:
        axes: To draw into.
        pixels: (H, W, 3) uint8, RGB.
        found: Results as COCO has them, of this image.
        names: Category by its id.
    """
    colours = dict(zip(sorted(names), plt.get_cmap('Set2').colors, strict=False))
    shown = pixels / 255
    for result in found:
        mask = rle.decode(result['segmentation']).astype(bool)
        shown[mask] = 0.4 * shown[mask] + 0.6 * np.array(colours[result['category_id']])
    axes.imshow(shown, interpolation='nearest')
    for result in found:
        x, y, width, height = result['bbox']
        colour = colours[result['category_id']]
        axes.add_patch(plt.Rectangle((x - 0.5, y - 0.5), width, height, fill=False, edgecolor=colour, linewidth=1))
        label = f'{names[result["category_id"]]} {result["score"]:.2f}'
        background = dict(facecolor=colour, edgecolor='none', pad=0.6, alpha=0.9)
        axes.text(x, y, label, fontsize=5.5, color=INK, va='bottom', bbox=background, clip_on=True)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw(path: Path, predictions: Path, metrics: dict[str, float], curves: dict[str, list[tuple[int, float]]]) -> None:
    """Draw the first validation images with what was found in them, and the curves of training.

    Args:
        path: PNG to write.
        predictions: Results in COCO's format.
        metrics: For the title.
        curves: 'loss' by step, and those of :data:`METRICS` by epoch.
    """
    truth = json.loads((DATA / 'annotations/instances_val.json').read_text())
    names = {category['id']: category['name'] for category in truth['categories']}
    found = defaultdict(list)
    for result in json.loads(predictions.read_text()):
        if result['score'] >= LEAST_SCORE:
            found[result['image_id']].append(result)

    plt.rcParams.update({'font.size': 10, 'text.color': INK, 'axes.edgecolor': GRID, 'font.family': 'DejaVu Sans'})
    figure = plt.figure(figsize=(12, 8.6), dpi=110, facecolor='white')
    figure.suptitle('What is where?', x=0.03, y=0.975, ha='left', fontsize=17, weight='bold')
    figure.text(
        0.03,
        0.91,
        f'Mask R-CNN with a micro SMViT, trained from scratch: AP50 of boxes {metrics["bbox_AP50"]:.1%}, of masks '
        f'{metrics["segm_AP50"]:.1%}.\nBelow the first validation images with what it finds, from a score of '
        f'{LEAST_SCORE} on.',
        color=MUTED,
        va='center',
        linespacing=1.5,
    )
    columns = SHOWN // 2
    grid = figure.add_gridspec(2, columns, left=0.03, right=0.97, top=0.87, bottom=0.32, wspace=0.06, hspace=0.08)
    for place, image in zip(grid, truth['images'], strict=False):
        pixels = cv2.imread(str(DATA / 'val' / image['file_name']))[..., ::-1]
        draw_predictions(figure.add_subplot(place), pixels, found[image['id']], names)

    left, right = figure.add_axes((0.06, 0.07, 0.4, 0.2)), figure.add_axes((0.56, 0.07, 0.4, 0.2))
    left.plot(*zip(*curves['loss'], strict=True), color=MUTED, linewidth=1.6)
    left.set_xlabel('step', color=MUTED)
    left.set_ylabel('training loss', color=MUTED)
    left.set_ylim(bottom=0)
    for name, colour in zip(METRICS, (BLUE, ORANGE), strict=True):
        label = {'bbox_AP50': 'boxes', 'segm_AP50': 'masks'}[name]
        right.plot(*zip(*curves[name], strict=True), color=colour, marker='o', markersize=4, label=label)
    right.set_xlabel('epoch', color=MUTED)
    right.set_ylabel('validation AP50', color=MUTED)
    right.set_ylim(0, 1.04)
    right.legend(frameon=False, loc='upper left', ncols=2)
    for axes in (left, right):
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.tick_params(colors=MUTED, length=0)
        axes.spines[['top', 'left', 'right']].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def run(seed: int, images: int, val_images: int, epochs: int | None, min_bbox: float, min_segm: float) -> None:
    """The whole demo; see the module.

    Raises:
        StepError: If a step fails, or if a metric is below what it must reach.
    """
    counts = ['--images', str(images), '--val-images', str(val_images)]
    step('Generating images', sys.executable, ROOT / 'tools/data/shapes_coco.py', DATA, *counts)
    # the schedule is as long as training
    keys = ('train_cfg.max_epochs', 'param_scheduler.0.end', 'param_scheduler.0.total_steps')
    options = [f'randomness.seed={seed}', *(f'{key}={epochs}' for key in keys if epochs)]
    checkpoint = train('Training', PACKAGE, CONFIG, WORK_DIR / 'train', options)
    metrics, predictions = test(checkpoint, WORK_DIR / 'test')

    curves = {name: curve(WORK_DIR / 'train', key) for name, key in (METRICS | {'loss': 'loss'}).items()}
    picture = WORK_DIR / 'demo-coco.png'
    draw(picture, predictions, metrics, curves)
    print(f'\npicture: {picture}')
    for name, value in metrics.items():
        print(f'metric {name}={value:.4f}', flush=True)
    for (name, value), least in zip(metrics.items(), (min_bbox, min_segm), strict=True):
        if value < least:
            raise StepError(f'{name} is {value:.4f}, below the {least} that this demo must reach')


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0, help='of initialisation, sampling and order of images')
    parser.add_argument('--images', type=int, default=1000, help='training images')
    parser.add_argument('--val-images', type=int, default=100, help='validation images')
    parser.add_argument('--epochs', type=int, help='in place of those of the config')
    parser.add_argument('--min-bbox', type=float, default=0.6, help='exit status 1 below this AP50 of boxes')
    parser.add_argument('--min-segm', type=float, default=0.5, help='exit status 1 below this AP50 of masks')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
