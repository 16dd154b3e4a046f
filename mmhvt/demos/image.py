"""Image classification: a micro MViTv2 and a micro SMViT learn handwritten digits."""

from pathlib import Path

import mmcv
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mmengine.fileio import load
from sklearn.metrics import ConfusionMatrixDisplay

from mmhvt.synthetic.digits import NAMES

from .plots import INK, MUTED, RED, new_picture
from .runs import (
    CONFIGS,
    StepError,
    generate,
    mim,
    print_metrics,
    read_metrics,
    run_test,
    train,
    training_options,
)

MVITV2 = CONFIGS / 'mvitv2/mvitv2-micro_1xb32-15e_digits.py'
SMVIT = CONFIGS / 'smvit/smvit-micro_1xb32-15e_digits.py'
MODELS = {'MViTv2': MVITV2, 'SMViT': SMVIT}
# as in the configs
DATA = Path('data/digits')
WORK_DIR = Path('work_dirs/demo-image')
# mistakes of a model in the picture: rows and columns
SHOWN = (2, 8)


def evaluate(name: str, checkpoint: Path, work_dir: Path) -> tuple[float, list[dict]]:
    """Test with mim, unless predictions of the checkpoint exist.

    Args:
        name: Key of :data:`MODELS`.
        checkpoint: Checkpoint of training.
        work_dir: Folder, new or from an earlier call.

    Returns:
        Accuracy, and a prediction for each held-out image, as mmpretrain dumps it.

    Raises:
        StepError: If it fails.
    """
    dump = work_dir / 'predictions.pkl'
    command = mim('test', MODELS[name], work_dir, '--checkpoint', checkpoint, package='mmpretrain')
    run_test(f'Testing {name}', [*command, '--out', dump, '--out-item', 'pred'], checkpoint, dump)
    (percent,) = read_metrics(work_dir, 'accuracy/top1')
    if not dump.is_file():
        raise StepError(f'no {dump}: did the test stop early? Remove the folder and call again')
    return percent / 100, load(dump)


def draw_confusion(axes: Axes, name: str, accuracy: float, predictions: list[dict]) -> None:
    """Draw how often each digit is taken for each other one.

    Args:
        axes: Axes to draw into.
        name: Name of the model.
        accuracy: Its accuracy, for the title.
        predictions: Predictions of :func:`evaluate`.
    """
    labels = [[int(one[key]) for one in predictions] for key in ('gt_label', 'pred_label')]
    ConfusionMatrixDisplay.from_predictions(
        *labels, labels=range(len(NAMES)), display_labels=NAMES, ax=axes, cmap='Blues', colorbar=False
    )
    axes.set_title(f'{name}: {accuracy:.1%}', loc='left', fontsize=11, weight='bold', color=INK)
    axes.set_xlabel('predicted', color=MUTED)
    axes.set_ylabel('written', color=MUTED)
    axes.tick_params(colors=MUTED, length=0)
    axes.spines[:].set_visible(False)


def draw_mistakes(figure: Figure, left: float, right: float, predictions: list[dict]) -> None:
    """Draw the digits that were taken for others, the most confident mistakes first.

    Args:
        figure: Figure to draw into.
        left: Left end, as a fraction of the width.
        right: Right end.
        predictions: Predictions of :func:`evaluate`.
    """
    mistakes = [one for one in predictions if int(one['gt_label']) != int(one['pred_label'])]
    mistakes.sort(key=lambda one: float(one['pred_score'].max()), reverse=True)
    figure.text(left, 0.305, f'{len(mistakes)} of {len(predictions)} are misclassified', color=MUTED)
    grid = figure.add_gridspec(*SHOWN, left=left, right=right, top=0.265, bottom=0.02, wspace=0.15, hspace=0.4)
    for place, one in enumerate(mistakes[: SHOWN[0] * SHOWN[1]]):
        axes = figure.add_subplot(grid[place])
        axes.imshow(mmcv.imread(one['img_path'], 'grayscale'), cmap='gray_r', interpolation='nearest')
        written, predicted = NAMES[int(one['gt_label'])], NAMES[int(one['pred_label'])]
        axes.set_title(f'{written} → {predicted}', fontsize=9, color=RED, pad=3)
        axes.set(xticks=[], yticks=[])


def draw(path: Path, results: dict[str, tuple[float, list[dict]]]) -> None:
    """Draw the confusion matrix and the mistakes of each model.

    Args:
        path: PNG to write.
        results: Accuracy and predictions by name of the model.
    """
    text = (
        'The smallest MViTv2 and SMViT, trained from scratch on two thirds of 1 797 handwritten digits of 8×8 pixels '
        '(scikit-learn), tested on the other third.\nBelow: the misclassified ones, written → predicted.'
    )
    with new_picture(path, 9.6, 'Which digit is it?', text, text_y=0.915) as figure:
        for column, (name, (accuracy, predictions)) in enumerate(results.items()):
            left = 0.05 + 0.49 * column
            draw_confusion(figure.add_axes((left, 0.38, 0.42, 0.47)), name, accuracy, predictions)
            draw_mistakes(figure, left, left + 0.42, predictions)


def run(seed: int, epochs: int | None, min_accuracy: float) -> None:
    """Write the digits, train and test both models on them with mim, and draw their mistakes.

    Args:
        seed: Seed of initialization, augmentation and order of images.
        epochs: Epochs of training; None for those of the configs.
        min_accuracy: Accuracy that each model has to reach.

    Raises:
        StepError: If a step fails, or an accuracy is below `min_accuracy`.
    """
    generate('Writing digits', 'digits.py', DATA)
    results = {}
    for name, config in MODELS.items():
        folder = WORK_DIR / name.lower()
        checkpoint = train(f'Training {name}', 'mmpretrain', config, folder / 'train', training_options(seed, epochs))
        results[name] = evaluate(name, checkpoint, folder / 'test')

    picture = WORK_DIR / 'demo-image.png'
    draw(picture, results)
    print(f'\npicture: {picture}')
    print_metrics(**{f'accuracy_{name.lower()}': accuracy for name, (accuracy, _) in results.items()})
    for name, (accuracy, _) in results.items():
        if accuracy < min_accuracy:
            raise StepError(f'accuracy of {name} is {accuracy:.4f}, below the {min_accuracy} that this demo must reach')
