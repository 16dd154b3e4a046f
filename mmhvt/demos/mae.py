"""Masked pre-training where labels are few: a micro SMViT learns from unlabeled videos before it is fine-tuned."""

from pathlib import Path

from matplotlib.figure import Figure
from mmengine.config import Config

from mmhvt.analysis.reconstructions import Reconstruction, draw_rows, load_model, read_input, reconstruct, write_gif
from mmhvt.synthetic.moving_shapes import MOTIONS

from .plots import BLUE, DASHED, INK, MUTED, ORANGE, finish_axes, new_picture, plot_points
from .runs import CONFIGS, StepError, curve, generate, print_metrics, train, training_options

PRETRAINING = CONFIGS / 'mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb.py'
FINE_TUNING = CONFIGS / 'smvit/smvit-micro_mae-moving-shapes-pre_1xb16-8x2x1-8e_moving-shapes-40-rgb.py'
SCRATCH = CONFIGS / 'smvit/smvit-micro_1xb16-8x2x1-8e_moving-shapes-40-rgb.py'
DATA = Path('data/moving_shapes')
WORK_DIR = Path('work_dirs/demo-mae')
# validation videos in the picture
SHOWN = ('right', 'up', 'growing')

Curve = list[tuple[int, float]]


def draw_reconstructions(figure: Figure, shown: dict[str, Reconstruction]) -> None:
    """Draw input, masked input and reconstruction of videos side by side."""
    outer = figure.add_gridspec(1, len(shown), left=0.05, right=0.97, top=0.79, bottom=0.39, wspace=0.12)
    for column, (motion, reconstruction) in enumerate(shown.items()):
        grid = outer[column].subgridspec(3, len(reconstruction.original), wspace=0.06, hspace=0.06)
        axes = grid.subplots(squeeze=False)
        draw_rows(axes, reconstruction)
        axes[0, 0].set_title(motion, loc='left', fontsize=11, weight='bold', color=INK)
        if column:
            for axis in axes[:, 0]:
                axis.set_ylabel('')


def draw_curves(figure: Figure, loss: Curve, top1: dict[str, Curve]) -> None:
    """Draw the loss of pre-training and the accuracies of fine-tuning."""
    left, right = figure.add_axes((0.06, 0.08, 0.4, 0.24)), figure.add_axes((0.56, 0.08, 0.4, 0.24))
    left.plot(*zip(*loss, strict=True), color=BLUE, linewidth=1.6)
    left.set_xlabel('step of pre-training', color=MUTED)
    left.set_ylabel('loss', color=MUTED)
    left.set_ylim(bottom=0)
    for (name, points), color in zip(top1.items(), (BLUE, ORANGE), strict=True):
        plot_points(right, points, color, markersize=4, linewidth=1.6, label=name)
    right.axhline(1 / len(MOTIONS), color=MUTED, linewidth=1, linestyle=DASHED, label='chance')
    right.set_xlabel('epoch of fine-tuning', color=MUTED)
    right.set_ylabel('validation top-1', color=MUTED)
    right.set_ylim(0, 1.04)
    right.legend(frameon=False, loc='upper left', bbox_to_anchor=(0, 1.2), ncols=3)
    finish_axes(left, right)


def draw(
    path: Path, shown: dict[str, Reconstruction], loss: Curve, top1: dict[str, Curve], counts: tuple[int, int]
) -> None:
    """Draw reconstructions, the loss of pre-training, and the accuracy of both fine-tunings.

    Args:
        path: PNG to write.
        shown: Reconstructions by name of the motion.
        loss: (step, value) of pre-training.
        top1: (epoch, value) of fine-tuning, pre-trained first.
        counts: Numbers of videos without and with labels.
    """
    final = ', '.join(f'{name} {points[-1][1]:.1%}' for name, points in top1.items())
    text = (
        f'A micro SMViT pre-trained as masked auto-encoder on {counts[0]} videos, then fine-tuned on {counts[1]} of '
        f'them that have labels.\nTop-1 on validation videos: {final} (chance {1 / len(MOTIONS):.1%}).\n'
        'Gray is hidden from the encoder. A token spans two frames; the first is predicted, and shown.'
    )
    with new_picture(path, 7.2, 'Learning from what is hidden', text, text_y=0.88) as figure:
        draw_reconstructions(figure, shown)
        draw_curves(figure, loss, top1)


def reconstruct_videos(checkpoint: Path, seed: int, folder: Path) -> dict[str, Reconstruction]:
    """Reconstructions of validation videos, each of which is also written as a GIF in `folder`."""
    cfg = Config.fromfile(PRETRAINING)
    model = load_model(cfg, str(checkpoint))
    shown = {}
    for mask, motion in enumerate(SHOWN, seed):
        video = DATA / f'videos_val/{motion}_00000.mp4'
        shown[motion] = reconstruct(model, read_input(cfg, str(video), seed), mask)
        write_gif(folder / f'{motion}.gif', shown[motion])
    return shown


def run(seed: int, pretraining_epochs: int | None, fine_tuning_epochs: int | None, clips_per_class: int) -> None:
    """Pre-train, fine-tune with and without the pre-trained encoder, and draw the results.

    Args:
        seed: Seed of initialization, masks and order of videos.
        pretraining_epochs: Epochs of pre-training; None for those of the config.
        fine_tuning_epochs: Epochs of fine-tuning; None for those of the configs.
        clips_per_class: Training videos of each class.

    Raises:
        StepError: If a step fails, or pre-training does not win.
    """
    folder = WORK_DIR / f'seed{seed}'
    generate('Generating videos', 'moving_shapes.py', DATA, clips_per_class=clips_per_class)
    options = training_options(seed, pretraining_epochs)
    checkpoint = train('Pre-training without labels', 'mmpretrain', PRETRAINING, folder / 'pretrain', options)
    weights = f'model.backbone.init_cfg.checkpoint={checkpoint}'
    runs = {
        'pre-trained': (FINE_TUNING, folder / 'finetune', training_options(seed, fine_tuning_epochs, weights)),
        'from scratch': (SCRATCH, folder / 'scratch', training_options(seed, fine_tuning_epochs)),
    }
    for name, (config, work_dir, options) in runs.items():
        train(f'Fine-tuning on videos with few labels, {name}', 'mmaction', config, work_dir, options)

    loss = curve(folder / 'pretrain', 'loss')
    top1 = {name: curve(work_dir, 'acc/top1') for name, (_, work_dir, _) in runs.items()}
    videos = clips_per_class * len(MOTIONS)
    labeled = min(Config.fromfile(SCRATCH).train_dataloader.dataset.dataset.indices, videos)
    picture = folder / 'demo-mae.png'
    draw(picture, reconstruct_videos(checkpoint, seed, folder), loss, top1, (videos, labeled))
    print(f'\nloss of pre-training: {loss[0][1]:.4f} at step {loss[0][0]}, {loss[-1][1]:.4f} at step {loss[-1][0]}')
    print(f'picture: {picture}')
    pretrained, scratch = (top1[name][-1][1] for name in runs)
    print_metrics(top1_pretrained=pretrained, top1_scratch=scratch)
    if not pretrained > scratch:
        raise StepError(f'pre-training did not win: {pretrained:.4f} with it, {scratch:.4f} without')
