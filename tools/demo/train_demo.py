"""From nothing to a picture: generates videos, trains and tests an SMViT on them with mim, and draws what came out.

Works in the current folder, as a user would: videos in data/moving_shapes, the rest in work_dirs/demo. The last three
lines are metrics: top-1 accuracy on the validation videos, the same with the frames of each clip in random order
(chance is 0.125), and the seconds that `mim train` took from start to end, validation and imports included.
"""

import argparse
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import decord
import matplotlib
import torch
from mmengine.config import Config

from mmhvt.datasets.moving_shapes import MOTIONS

matplotlib.use('Agg')
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
SHUFFLED_CONFIG = CONFIG.with_name(CONFIG.stem + '_shuffled.py')
# as the configs and the README have them
DATA = Path('data/moving_shapes')
WORK_DIR = Path('work_dirs/demo')

INK, MUTED, GRID = '#222222', '#777777', '#e6e6e6'
RIGHT, WRONG = '#1a9850', '#d73027'
LOSS, ACCURACY = '#4477aa', '#ee7733'


class StepError(Exception):
    """A step of the demo failed; the message says which."""


def step(title: str, *command: str | Path) -> float:
    """Run a command, its output passed on.

    Returns:
        Seconds it took.

    Raises:
        StepError: If it fails.
    """
    command = [str(part) for part in command]
    print(f'\n=== {title}\n$ {" ".join(command)}', flush=True)
    start = time.monotonic()
    # The model is small: more threads wait for one another, and on 2 cores the other one decodes. Measured on 2 busy
    # cores, an iteration takes 1 s with 2 threads and 0.1 s with 1.
    status = subprocess.run(command, env={'OMP_NUM_THREADS': '1', **os.environ}).returncode
    if status:
        raise StepError(f'{title} failed with exit status {status}; its output is above')
    return time.monotonic() - start


def mim(verb: str, config: Path, work_dir: Path, *arguments: str | Path, package: str = 'mmaction') -> list[str | Path]:
    """Command line of `mim VERB PACKAGE CONFIG`, on a GPU where there is one."""
    program = Path(sys.executable).with_name('mim')
    gpus = 1 if torch.cuda.is_available() else 0
    return [program, verb, package, config, *arguments, '--gpus', str(gpus), '--work-dir', work_dir]


def run_program(parser: argparse.ArgumentParser, run: Callable[..., None]) -> int:
    """Call a demo with what the command line says; returns the exit status."""
    try:
        run(**vars(parser.parse_args()))
    except StepError as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    return 0


def newest_log(work_dir: Path, pattern: str) -> list[dict]:
    """The JSON lines of the newest run in a work dir of MMEngine.

    Raises:
        StepError: If there is no such file.
    """
    files = sorted(work_dir.glob(pattern))
    if not files:
        raise StepError(f'no {pattern} in {work_dir}: did the run stop early?')
    return [json.loads(line) for line in files[-1].read_text().splitlines()]


def test_top1(work_dir: Path) -> float:
    """Top-1 accuracy that `mim test` logged."""
    return next(entry['acc/top1'] for entry in newest_log(work_dir, '*/*.json') if 'acc/top1' in entry)


def choose_clips(dump: Path) -> list[dict]:
    """A prediction for each class, in order of the classes: the first of each in the dump of `mim test`."""
    with dump.open('rb') as file:  # written a moment ago by the step before
        predictions = pickle.load(file)
    first = {}
    for prediction in predictions:
        first.setdefault(int(prediction['gt_label']), prediction)
    return [first[label] for label in sorted(first)]


def read_clip(filename: str, config: Config) -> list:
    """The frames that the model saw, at the size that the video has."""
    video = decord.VideoReader(filename)
    sample = next(t for t in config.test_pipeline if t['type'] == 'SampleFrames')
    length, interval = sample['clip_len'], sample['frame_interval']
    start = max(len(video) - ((length - 1) * interval + 1), 0) // 2  # SampleFrames in test mode
    return list(video.get_batch([start + interval * i for i in range(length)]).asnumpy())


def draw(path: Path, clips: list[dict], config: Config, scalars: list[dict], top1: float, shuffled: float) -> None:
    """Draw a clip per class with truth and prediction, and the training curve below."""
    names = list(MOTIONS)
    plt.rcParams.update({'font.size': 10, 'text.color': INK, 'axes.edgecolor': GRID, 'font.family': 'DejaVu Sans'})
    figure = plt.figure(figsize=(12, 7.4), dpi=110, facecolor='white')
    figure.suptitle('Which way does it move?', x=0.03, y=0.97, ha='left', fontsize=17, weight='bold')
    figure.text(
        0.03,
        0.885,
        f'SMViT on videos whose classes differ in motion alone: top-1 {top1:.1%}; with the frames in random order '
        f'{shuffled:.1%} (chance {1 / len(names):.1%}).\n'
        'Below a validation video of each class, time from left to right; what leaves a frame comes back opposite.',
        color=MUTED,
        va='center',
        linespacing=1.5,
    )

    rows, columns = len(names) // 2, 2
    outer = figure.add_gridspec(rows, columns, left=0.03, right=0.97, top=0.82, bottom=0.34, wspace=0.06, hspace=0.38)
    for index, clip in enumerate(clips):
        truth, guess = names[int(clip['gt_label'])], names[int(clip['pred_label'])]
        colour = RIGHT if truth == guess else WRONG
        frames = read_clip(clip['filename'], config)
        strip = outer[index % rows, index // rows].subgridspec(1, len(frames), wspace=0.1)
        for position, frame in enumerate(frames):
            axes = figure.add_subplot(strip[position])
            axes.imshow(frame, interpolation='nearest')
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(color=colour, linewidth=1.6)
            if position == 0:
                verdict = f'predicted: {guess}' if truth == guess else f'predicted: {guess} (wrong)'
                axes.set_title(f'{truth}   ', loc='left', fontsize=11, weight='bold', color=INK, pad=5)
            if position == len(frames) - 1:
                axes.set_title(verdict, loc='right', fontsize=10, color=colour, pad=5)

    losses = [(entry['step'], entry['loss']) for entry in scalars if 'loss' in entry]
    epochs = [(entry['step'], entry['acc/top1']) for entry in scalars if 'acc/top1' in entry]
    iterations_per_epoch = max(step for step, _ in losses) / max(step for step, _ in epochs)
    left = figure.add_axes((0.06, 0.08, 0.88, 0.2))
    left.plot([s / iterations_per_epoch for s, _ in losses], [loss for _, loss in losses], color=LOSS, linewidth=1.6)
    left.set_xlabel('epoch', color=MUTED)
    left.set_ylabel('training loss', color=LOSS)
    left.set_ylim(bottom=0)
    left.set_xlim(0, max(step for step, _ in epochs) * 1.01)
    left.grid(color=GRID)
    left.set_axisbelow(True)
    right = left.twinx()
    right.plot(*zip(*epochs, strict=True), color=ACCURACY, marker='o', markersize=5, linewidth=1.6)
    right.axhline(1 / len(names), color=ACCURACY, linewidth=1, linestyle=(0, (4, 3)))
    right.text(0.05, 1 / len(names) + 0.02, 'chance', color=ACCURACY, fontsize=9)
    right.set_ylabel('validation top-1', color=ACCURACY)
    right.set_ylim(0, 1.04)
    for axes in (left, right):
        axes.tick_params(colors=MUTED, length=0)
        axes.spines[['top', 'left', 'right']].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def run(clips_per_class: int, val_clips_per_class: int, min_top1: float) -> None:
    """The whole demo; see the module.

    Raises:
        StepError: If a step fails, or the accuracy is below `min_top1`.
    """
    train, test, shuffle = WORK_DIR / 'train', WORK_DIR / 'test', WORK_DIR / 'test_shuffled'
    generator = [sys.executable, ROOT / 'tools/data/moving_shapes.py', DATA]
    counts = ['--clips-per-class', str(clips_per_class), '--val-clips-per-class', str(val_clips_per_class)]
    step('Generating videos', *generator, *counts)
    seconds = step('Training', *mim('train', CONFIG, train))
    checkpoint = (train / 'last_checkpoint').read_text().strip()
    dump = test / 'predictions.pkl'
    step('Testing', *mim('test', CONFIG, test, '--checkpoint', checkpoint, '--dump', dump))
    step('Testing with frames in random order', *mim('test', SHUFFLED_CONFIG, shuffle, '--checkpoint', checkpoint))

    top1, shuffled = test_top1(test), test_top1(shuffle)
    picture = WORK_DIR / 'demo.png'
    scalars = newest_log(train, '*/vis_data/scalars.json')
    draw(picture, choose_clips(dump), Config.fromfile(CONFIG), scalars, top1, shuffled)
    print(f'\npicture: {picture}')
    print(f'metric top1={top1:.4f}')
    print(f'metric top1_shuffled={shuffled:.4f}')
    print(f'metric seconds={seconds:.1f}', flush=True)
    if top1 < min_top1:
        raise StepError(f'top-1 is {top1:.4f}, below the {min_top1} that this demo must reach')


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clips-per-class', type=int, default=400, help='training clips of each class')
    parser.add_argument('--val-clips-per-class', type=int, default=50, help='validation clips of each class')
    parser.add_argument('--min-top1', type=float, default=0.95, help='exit status 1 below this accuracy')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
