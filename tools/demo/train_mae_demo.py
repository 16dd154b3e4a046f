"""Does masked pre-training help where labels are few? Pre-trains a micro SMViT on unlabelled videos and fine-tunes it.

Works in the current folder, as a user would: videos in data/moving_shapes, those of `make demo`, the rest in
work_dirs/demo-mae/seedN. `mim train mmpretrain` pre-trains on all training videos; `mim train mmaction` fine-tunes on
the few with labels, once from the pre-trained encoder and once from scratch, with as many steps. What an earlier call
has finished is not done again, and a training that it was interrupted in goes on; remove the folder to begin anew. The
last two lines are metrics: top-1 accuracy of either on the validation videos (chance is 0.125).
"""

import argparse
import sys
from pathlib import Path

import matplotlib
from mmengine.config import Config, DictAction
from train_demo import DATA, GRID, INK, MUTED, ROOT, StepError, mim, newest_log, run_program, step

from mmhvt.analysis.reconstructions import Reconstruction, draw_rows, load_model, read_input, reconstruct, write_gif
from mmhvt.datasets.moving_shapes import MOTIONS

matplotlib.use('Agg')
import matplotlib.pyplot as plt

PRETRAINING = ROOT / 'configs/mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb.py'
FINE_TUNING = ROOT / 'configs/smvit/smvit-micro_mae-moving-shapes-pre_1xb16-8x2x1-8e_moving-shapes-40-rgb.py'
SCRATCH = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-8e_moving-shapes-40-rgb.py'
WORK_DIR = Path('work_dirs/demo-mae')
BLUE, ORANGE = '#4477aa', '#ee7733'
# validation videos in the picture
SHOWN = ('right', 'up', 'growing')


def train(title: str, package: str, config: Path, work_dir: Path, options: list[str]) -> Path:
    """Train with mim, on a GPU where there is one; what is there is not done again.

    Args:
        title: For the terminal.
        package: Whose runner it is.
        config: To train.
        work_dir: New, or of an earlier call, which is resumed where it stopped.
        options: KEY=VALUE pairs that override the config.

    Returns:
        The checkpoint of the last epoch.

    Raises:
        StepError: If it fails.
    """
    cfg = Config.fromfile(config)
    # as the runner reads them
    parser = argparse.ArgumentParser()
    parser.add_argument('--options', nargs='+', action=DictAction)
    cfg.merge_from_dict(parser.parse_args(['--options', *options]).options)
    checkpoint = work_dir / f'epoch_{cfg.train_cfg.max_epochs}.pth'
    if checkpoint.is_file():
        print(f'\n=== {title}: done already, {checkpoint}', flush=True)
        return checkpoint
    resume = ['--resume'] if (work_dir / 'last_checkpoint').is_file() else []
    step(title, *mim('train', config, work_dir, *resume, package=package), '--cfg-options', *options)
    if not checkpoint.is_file():
        raise StepError(f'{title} left no {checkpoint}: did the run stop early?')
    return checkpoint


def curve(work_dir: Path, key: str) -> list[tuple[int, float]]:
    """(step, value) of all runs in a work dir, the resumed ones included."""
    newest_log(work_dir, '*/vis_data/scalars.json')  # says so if there is none
    values = {}
    for folder in sorted(path for path in work_dir.iterdir() if (path / 'vis_data/scalars.json').is_file()):
        log = newest_log(folder, 'vis_data/scalars.json')
        values.update({entry['step']: entry[key] for entry in log if key in entry})
    return sorted(values.items())


def draw(
    path: Path,
    shown: dict[str, Reconstruction],
    loss: list[tuple[int, float]],
    top1: dict[str, list[tuple[int, float]]],
    counts: tuple[int, int],
) -> None:
    """Draw reconstructions, the loss of pre-training, and the accuracy of both fine-tunings.

    Args:
        path: PNG to write.
        shown: Reconstructions by name of the motion.
        loss: (step, value) of pre-training.
        top1: (epoch, value) of fine-tuning, pre-trained first.
        counts: Videos without and with labels.
    """
    plt.rcParams.update({'font.size': 10, 'text.color': INK, 'axes.edgecolor': GRID, 'font.family': 'DejaVu Sans'})
    figure = plt.figure(figsize=(12, 7.2), dpi=110, facecolor='white')
    figure.suptitle('Learning from what is hidden', x=0.03, y=0.97, ha='left', fontsize=17, weight='bold')
    final = ', '.join(f'{name} {points[-1][1]:.1%}' for name, points in top1.items())
    figure.text(
        0.03,
        0.88,
        f'A micro SMViT pre-trained as masked auto-encoder on {counts[0]} videos, then fine-tuned on {counts[1]} of '
        f'them that have labels.\nTop-1 on validation videos: {final} (chance {1 / len(MOTIONS):.1%}).\n'
        'Grey is hidden from the encoder. A token spans two frames, of which the first is shown, and predicted.',
        color=MUTED,
        va='center',
        linespacing=1.5,
    )
    outer = figure.add_gridspec(1, len(shown), left=0.05, right=0.97, top=0.79, bottom=0.39, wspace=0.12)
    for column, (motion, reconstruction) in enumerate(shown.items()):
        axes = outer[column].subgridspec(3, len(reconstruction.original), wspace=0.06, hspace=0.06).subplots()
        draw_rows(axes, reconstruction)
        axes[0, 0].set_title(motion, loc='left', fontsize=11, weight='bold', color=INK)
        if column:
            for axis in axes[:, 0]:
                axis.set_ylabel('')

    left, right = figure.add_axes((0.06, 0.08, 0.4, 0.24)), figure.add_axes((0.56, 0.08, 0.4, 0.24))
    left.plot(*zip(*loss, strict=True), color=BLUE, linewidth=1.6)
    left.set_xlabel('step of pre-training', color=MUTED)
    left.set_ylabel('loss', color=MUTED)
    for (name, points), colour in zip(top1.items(), (BLUE, ORANGE), strict=True):
        right.plot(*zip(*points, strict=True), color=colour, marker='o', markersize=4, linewidth=1.6, label=name)
    right.axhline(1 / len(MOTIONS), color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label='chance')
    right.set_xlabel('epoch of fine-tuning', color=MUTED)
    right.set_ylabel('validation top-1', color=MUTED)
    right.set_ylim(0, 1.04)
    right.legend(frameon=False, loc='upper left', bbox_to_anchor=(0, 1.2), ncols=3)
    left.set_ylim(bottom=0)
    for axes in (left, right):
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.tick_params(colors=MUTED, length=0)
        axes.spines[['top', 'left', 'right']].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def run(seed: int, pretraining_epochs: int | None, fine_tuning_epochs: int | None, clips_per_class: int) -> None:
    """The whole demo; see the module.

    Raises:
        StepError: If a step fails, or if pre-training does not win.
    """
    folder = WORK_DIR / f'seed{seed}'
    generator = [sys.executable, ROOT / 'tools/data/moving_shapes.py', DATA]
    step('Generating videos', *generator, '--clips-per-class', str(clips_per_class))

    def options(epochs: int | None, *others: str) -> list[str]:
        # the schedule is as long as training
        keys = ('train_cfg.max_epochs', 'param_scheduler.0.end', 'param_scheduler.0.total_steps')
        return [f'randomness.seed={seed}', *others, *(f'{key}={epochs}' for key in keys if epochs)]

    checkpoint = train(
        'Pre-training without labels', 'mmpretrain', PRETRAINING, folder / 'pretrain', options(pretraining_epochs)
    )
    weights = f'model.backbone.init_cfg.checkpoint={checkpoint}'
    few = 'videos with few labels'
    runs = {
        'pre-trained': (FINE_TUNING, folder / 'finetune', options(fine_tuning_epochs, weights)),
        'from scratch': (SCRATCH, folder / 'scratch', options(fine_tuning_epochs)),
    }
    for name, (config, work_dir, overrides) in runs.items():
        train(f'Fine-tuning on {few}, {name}', 'mmaction', config, work_dir, overrides)

    loss = curve(folder / 'pretrain', 'loss')
    top1 = {name: curve(work_dir, 'acc/top1') for name, (_, work_dir, _) in runs.items()}
    cfg = Config.fromfile(PRETRAINING)
    model = load_model(cfg, str(checkpoint))
    shown = {}
    for mask, motion in enumerate(SHOWN, seed):
        video = DATA / f'videos_val/{motion}_00000.mp4'
        shown[motion] = reconstruct(model, read_input(cfg, str(video), seed), mask)
        write_gif(folder / f'{motion}.gif', shown[motion])
    videos = clips_per_class * len(MOTIONS)
    labelled = min(Config.fromfile(SCRATCH).train_dataloader.dataset.dataset.indices, videos)
    picture = folder / 'demo-mae.png'
    draw(picture, shown, loss, top1, (videos, labelled))
    print(f'\nloss of pre-training: {loss[0][1]:.4f} at step {loss[0][0]}, {loss[-1][1]:.4f} at step {loss[-1][0]}')
    print(f'picture: {picture}')
    pretrained, scratch = (top1[name][-1][1] for name in runs)
    print(f'metric top1_pretrained={pretrained:.4f}')
    print(f'metric top1_scratch={scratch:.4f}', flush=True)
    if not pretrained > scratch:
        raise StepError(f'pre-training did not win: {pretrained:.4f} with it, {scratch:.4f} without')


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0, help='of initialisation, masks and order of videos')
    parser.add_argument('--pretraining-epochs', type=int, help='in place of those of the config')
    parser.add_argument('--fine-tuning-epochs', type=int, help='in place of those of the configs')
    parser.add_argument('--clips-per-class', type=int, default=400, help='training videos of each class')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
