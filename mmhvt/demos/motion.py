"""Recognition: a micro SMViT learns to tell motions apart in generated videos."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from mmengine.config import Config
from mmengine.fileio import load

from mmhvt.apis.videos import Video
from mmhvt.synthetic.moving_shapes import MOTIONS

from .plots import BLUE, DASHED, GREEN, INK, MUTED, ORANGE, RED, STYLE, finish_axes, new_picture, plot_points
from .runs import CONFIGS, StepError, generate, mim, newest_log, print_metrics, read_metrics, step

CONFIG = CONFIGS / 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
SHUFFLED_CONFIG = CONFIG.with_name(CONFIG.stem + '_shuffled.py')
# as in the configs and the README
DATA = Path('data/moving_shapes')
WORK_DIR = Path('work_dirs/demo')


def choose_clips(dump: Path) -> list[dict]:
    """The first prediction for each class in the dump of `mim test`, in order of the classes."""
    predictions = load(dump)
    first: dict[int, dict] = {}
    for prediction in predictions:
        first.setdefault(int(prediction['gt_label']), prediction)
    return [first[label] for label in sorted(first)]


def read_clip(filename: str, config: Config, skipped: bool = False) -> list[np.ndarray]:
    """The frames that the model saw, at the size that the video has.

    Args:
        filename: Video.
        config: Config that was tested.
        skipped: Whether to read the frames between them, too. Defaults to False.
    """
    video = Video(Path(filename))
    sample = next(t for t in config.test_pipeline if t['type'] == 'SampleFrames')
    length, interval = sample['clip_len'], sample['frame_interval']
    span = (length - 1) * interval + 1
    start = max(len(video) - span, 0) // 2  # SampleFrames in test mode
    return video.get_batch(start + np.arange(0, span, 1 if skipped else interval)).asnumpy()


def draw_clips(figure: Figure, clips: list[dict], config: Config) -> None:
    """Draw a strip of frames for each clip, with truth and prediction."""
    names = list(MOTIONS)
    rows, columns = len(names) // 2, 2
    outer = figure.add_gridspec(rows, columns, left=0.03, right=0.97, top=0.82, bottom=0.34, wspace=0.06, hspace=0.38)
    for index, clip in enumerate(clips):
        truth, guess = names[int(clip['gt_label'])], names[int(clip['pred_label'])]
        color = GREEN if truth == guess else RED
        frames = read_clip(clip['filename'], config)
        grid = outer[index % rows, index // rows].subgridspec(1, len(frames), wspace=0.1)
        panels = grid.subplots(squeeze=False)[0]
        for axes, frame in zip(panels, frames, strict=True):
            axes.imshow(frame, interpolation='nearest')
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(color=color, linewidth=1.6)
        verdict = f'predicted: {guess}' if truth == guess else f'predicted: {guess} (wrong)'
        panels[0].set_title(f'{truth}   ', loc='left', fontsize=11, weight='bold', color=INK, pad=5)
        panels[-1].set_title(verdict, loc='right', fontsize=10, color=color, pad=5)


def film(path: Path, clips: list[dict], config: Config) -> None:
    """Write the clips as one moving picture, each with its prediction.

    Args:
        path: WebP or GIF to write.
        clips: Predictions, see :func:`choose_clips`.
        config: Config that was tested.
    """
    names, dark = list(MOTIONS), '#16181d'
    films = [read_clip(clip['filename'], config, skipped=True) for clip in clips]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.7), dpi=100, facecolor=dark)
        grid = figure.subplots(2, len(clips) // 2, gridspec_kw=dict(left=0.01, right=0.99, top=0.92, bottom=0.01))
        shown = []
        for axes, clip, frames in zip(grid.flat, clips, films, strict=True):
            truth, guess = names[int(clip['gt_label'])], names[int(clip['pred_label'])]
            shown.append(axes.imshow(frames[0], interpolation='nearest'))
            axes.set_axis_off()
            right = truth == guess
            title = f'✓ {truth}' if right else f'✗ {guess}, not {truth}'
            axes.set_title(title, fontsize=11, color='#7ee2a8' if right else '#ff8f80')

        def turn(time: int) -> list[AxesImage]:
            for image, frames in zip(shown, films, strict=True):
                image.set_data(frames[time])
            return shown

        path.parent.mkdir(parents=True, exist_ok=True)
        FuncAnimation(figure, turn, frames=len(films[0])).save(path, PillowWriter(fps=12))


def draw_training(figure: Figure, scalars: list[dict]) -> None:
    """Draw loss and validation accuracy of a training."""
    chance = 1 / len(MOTIONS)
    losses = [(entry['step'], entry['loss']) for entry in scalars if 'loss' in entry]
    epochs = [(entry['step'], entry['acc/top1']) for entry in scalars if 'acc/top1' in entry]
    iterations_per_epoch = max(step for step, _ in losses) / max(step for step, _ in epochs)
    left = figure.add_axes((0.06, 0.08, 0.88, 0.2))
    left.plot([s / iterations_per_epoch for s, _ in losses], [loss for _, loss in losses], color=BLUE, linewidth=1.6)
    left.set_xlabel('epoch', color=MUTED)
    left.set_ylabel('training loss', color=BLUE)
    left.set_ylim(bottom=0)
    left.set_xlim(0, max(step for step, _ in epochs) * 1.01)
    right = left.twinx()
    plot_points(right, epochs, ORANGE, markersize=5, linewidth=1.6)
    right.axhline(chance, color=ORANGE, linewidth=1, linestyle=DASHED)
    right.text(0.05, chance + 0.02, 'chance', color=ORANGE, fontsize=9)
    right.set_ylabel('validation top-1', color=ORANGE)
    right.set_ylim(0, 1.04)
    finish_axes(left)
    finish_axes(right, grid=False)


def draw(path: Path, clips: list[dict], config: Config, scalars: list[dict], top1: float, shuffled: float) -> None:
    """Draw a clip of each class with truth and prediction, and the training curves below.

    Args:
        path: PNG to write.
        clips: Predictions, see :func:`choose_clips`.
        config: Config that was tested.
        scalars: Log of training.
        top1: Accuracy on the validation videos.
        shuffled: The same with the frames of each clip in random order.
    """
    text = (
        f'SMViT on videos whose classes differ in motion alone: top-1 {top1:.1%}; with the frames in random order '
        f'{shuffled:.1%} (chance {1 / len(MOTIONS):.1%}).\n'
        'Below: a validation video of each class, time from left to right; what leaves a frame comes back opposite.'
    )
    with new_picture(path, 7.4, 'Which way does it move?', text, text_y=0.885) as figure:
        draw_clips(figure, clips, config)
        draw_training(figure, scalars)


def run(clips_per_class: int, val_clips_per_class: int, min_top1: float) -> None:
    """Generate videos, train and test on them with mim, and draw the results.

    Args:
        clips_per_class: Training clips of each class.
        val_clips_per_class: Validation clips of each class.
        min_top1: Accuracy that has to be reached.

    Raises:
        StepError: If a step fails, or the accuracy is below `min_top1`.
    """
    folder, test, shuffle = WORK_DIR / 'train', WORK_DIR / 'test', WORK_DIR / 'test_shuffled'
    counts = dict(clips_per_class=clips_per_class, val_clips_per_class=val_clips_per_class)
    generate('Generating videos', 'moving_shapes.py', DATA, **counts)
    anew = ('--cfg-options', 'default_hooks.checkpoint.overwrite=True')  # of what an earlier call left
    seconds = step('Training', *mim('train', CONFIG, folder), *anew)
    checkpoint = (folder / 'last_checkpoint').read_text().strip()
    dump = test / 'predictions.pkl'
    step('Testing', *mim('test', CONFIG, test, '--checkpoint', checkpoint, '--dump', dump))
    step('Testing with frames in random order', *mim('test', SHUFFLED_CONFIG, shuffle, '--checkpoint', checkpoint))

    (top1,), (shuffled,) = read_metrics(test, 'acc/top1'), read_metrics(shuffle, 'acc/top1')
    picture = WORK_DIR / 'demo.png'
    scalars = newest_log(folder, '*/vis_data/scalars.json')
    clips, config = choose_clips(dump), Config.fromfile(CONFIG)
    draw(picture, clips, config, scalars, top1, shuffled)
    film(picture.with_suffix('.webp'), clips, config)
    print(f'\npicture: {picture}, moving: {picture.with_suffix(".webp")}')
    print_metrics(top1=top1, top1_shuffled=shuffled, seconds=seconds)
    if top1 < min_top1:
        raise StepError(f'top-1 is {top1:.4f}, below the {min_top1} that this demo must reach')
