"""What a model confuses: confusion matrix, accuracy by class, and the worst mistakes of a test, as a page with clips.

Metrics and matrix are mmaction2's, which accept the predictions of mmpretrain's classifiers as well.

Shapes: N samples, C classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2  # before decord: after its libraries cv2 reads no PNG
import numpy as np
import torch
from mmaction.evaluation import ConfusionMatrix, mean_class_accuracy, top_k_accuracy
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from torch import Tensor

from mmhvt.apis.models import test_dataset
from mmhvt.apis.writing import whole_file
from mmhvt.datasets import UnreadableVideoError
from mmhvt.engine.hooks.dataset_labels import class_names
from mmhvt.migrate.pickles import read_results
from mmhvt.utils.configs import read_config
from mmhvt.utils.files import READ_ERRORS, require_file

from .mistakes_page import ClassRow, Mistake, Pair, Report, render
from .reconstructions import write_gif

# with more classes, a matrix cannot be read, and the most confused pairs replace it
MOST_CLASSES = 30
MOST_PAIRS = 30
MOST_SCORES = 5
# limits of a preview: frames, and pixels of the shorter side
MOST_FRAMES, SIDE = 24, 160

_HOW = 'tools/test.py CONFIG CHECKPOINT --dump FILE.pkl writes them'


class Predictions(NamedTuple):
    """Scores (N, C) float32 and labels (N,) int64."""

    scores: np.ndarray
    labels: np.ndarray


# ------------------------------------------------------------------------------------------------------------- reading


def read_predictions(path: Path) -> Predictions:
    """Predictions of a test of mmaction2 or mmpretrain. Nothing in the file is run.

    Args:
        path: Pickle that `--dump` of tools/test.py wrote.

    Raises:
        ValueError: If the file holds anything else, or a sample has not exactly one label.
        OSError: If it is no file, or cannot be read.
    """
    require_file(path)
    try:
        with path.open('rb') as file:
            samples = read_results(file)
    except OSError:
        raise
    except READ_ERRORS as error:
        reason = (str(error) or type(error).__name__).replace(' in a checkpoint', '')
        raise ValueError(f'{path} cannot be read: {" ".join(reason.split())}') from None
    if not isinstance(samples, list) or not samples or not all(isinstance(sample, dict) for sample in samples):
        raise ValueError(f'{path} holds no predictions: {_HOW}')
    try:
        scores = [_scores(sample) for sample in samples]
        labels = [_label(sample, len(scores[0])) for sample in samples]
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    if len({len(each) for each in scores}) > 1:
        raise ValueError(f'{path}: samples have scores of different numbers of classes')
    return Predictions(np.stack(scores).astype(np.float32), np.array(labels))


def _scores(sample: dict) -> np.ndarray:
    scores = sample.get('pred_score')
    if 'pred_instances' in sample:
        raise ValueError('these are predictions of a detector, which are boxes: analyze_results of mmdet draws them')
    if not isinstance(scores, Tensor) or scores.ndim != 1 or not len(scores):
        found = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f'pred_score must be a tensor (classes,), not {found}: {_HOW}')
    return scores.float().numpy()


def _label(sample: dict, classes: int) -> int:
    label = sample.get('gt_label')
    if not isinstance(label, Tensor) or label.numel() != 1:
        raise ValueError('samples need one label each: with several there is no one class to be confused with')
    if not 0 <= int(label) < classes:
        raise ValueError(f'label {int(label)} is none of the {classes} classes that have scores')
    return int(label)


def build_test_set(cfg: Config) -> Any:
    """The test dataset of a config, with the config's pipeline up to the reading of frames.

    Raises:
        ValueError: If there is none, or its pipeline reads no frames.
        OSError: If its annotation file is missing.
    """
    dataset = test_dataset(cfg).copy()
    kinds = [str(transform['type']).rpartition('.')[2] for transform in dataset.pipeline]
    readers = [i for i, kind in enumerate(kinds) if kind.endswith('Decode') or kind.startswith('LoadImage')]
    if not readers:
        raise ValueError(f'{cfg.filename}: the test pipeline reads no frames: {", ".join(kinds)}')
    dataset.pipeline = dataset.pipeline[: readers[-1] + 1]
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')):
        try:
            return DATASETS.build(dataset)
        except OSError:
            raise
        except Exception as error:  # whatever a dataset of any package raises
            raise ValueError(f'{cfg.filename}: {" ".join(str(error).split())}') from error


def name_samples(dataset: Any, labels: np.ndarray, path: Path) -> list[str]:
    """Names of the files of all samples.

    Args:
        dataset: Result of :func:`build_test_set`.
        labels: (N,) of the predictions.
        path: Path of the predictions, for messages.

    Raises:
        ValueError: If the predictions are not for this dataset.
    """
    if len(dataset) != len(labels):
        raise ValueError(
            f'{path} has {len(labels)} predictions, and the config tests {len(dataset)} samples: name the config that '
            'the test was run with'
        )
    names = []
    for index, label in enumerate(labels):
        info = dataset.get_data_info(index)
        keys = ('filename', 'img_path', 'frame_dir')
        names.append(next((str(info[key]) for key in keys if key in info), f'sample {index}'))
        own = info.get('gt_label', info.get('label'))
        if own is not None and np.size(own) == 1 and int(np.ravel(own)[0]) not in (-1, label):
            raise ValueError(
                f'sample {index} of {path} has label {label}, but {names[-1]} has {int(np.ravel(own)[0])} in the '
                "config's list: name the config that the test was run with"
            )
    return names


# ------------------------------------------------------------------------------------------------------------ previews


def write_preview(dataset: Any, index: int, stem: Path) -> Path:
    """Write what the test saw of a sample: a GIF of all views in their order in time, or a PNG of an image.

    Browsers do not play the MP4s of OpenCV's wheel (MPEG-4 part 2), so clips are GIFs.

    Args:
        dataset: Result of :func:`build_test_set`.
        index: Index of the sample.
        stem: Path without its suffix.

    Raises:
        UnreadableVideoError: If the video cannot be read.
        OSError, ValueError: If the image cannot be read, or the file not written.
    """
    results = dataset[index]
    if 'imgs' not in results:
        path = stem.with_suffix('.png')
        if not cv2.imwrite(str(path), _smaller(results['img'], 2 * SIDE)):
            raise OSError(f'{path} cannot be written')
        return path
    frames, times = results['imgs'], np.ravel(results.get('frame_inds', ()))
    if len(times) != len(frames):
        times = np.arange(len(frames))
    seen, places = np.unique(times, return_index=True)
    kept = np.linspace(0, len(seen) - 1, min(len(seen), MOST_FRAMES)).round().astype(int)
    film = np.stack([_smaller(frames[place], SIDE) for place in places[kept]])
    span = (seen[-1] - seen[0]) / (results.get('avg_fps') or 25)
    path = stem.with_suffix('.gif')
    write_gif(path, [film], seconds=float(np.clip(span / max(1, len(film) - 1), 0.04, 0.5)))
    return path


def _smaller(frame: np.ndarray, side: int) -> np.ndarray:
    scale = side / min(frame.shape[:2])
    return frame if scale >= 1 else cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


# -------------------------------------------------------------------------------------------------------------- report


def find_mistakes(predictions: Predictions, most: int) -> list[int]:
    """Indices of samples that are taken for another class, the most confident mistakes first.

    A mistake is confident if the wrong class has a much higher score than the right one.
    """
    scores, labels = predictions
    margins = scores.max(1) - scores[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(scores.argmax(1) != labels)
    return wrong[np.argsort(-margins[wrong], kind='stable')][:most].tolist()


def class_rows(matrix: np.ndarray, names: Sequence[str]) -> list[ClassRow]:
    """Accuracy of each class that has samples, the lowest first, and what it is most often taken for.

    Args:
        matrix: (C, C) counts, a row for each true class.
        names: Names of the classes.
    """
    rows = []
    for label, counts in enumerate(matrix):
        if total := int(counts.sum()):
            others = np.where(np.arange(len(counts)) == label, 0, counts)
            worst = int(others.argmax())
            taken = f'{names[worst]} ({others[worst]})' if others[worst] else ''
            rows.append(ClassRow(names[label], total, int(counts[label]) / total, taken))
    return sorted(rows, key=lambda row: row.accuracy)


def confused_pairs(matrix: np.ndarray, names: Sequence[str], most: int) -> list[Pair]:
    """The pairs of classes (true, predicted) that are confused most often."""
    others = matrix * (1 - np.eye(len(matrix), dtype=matrix.dtype))
    order = np.argsort(-others, axis=None, kind='stable')[:most]
    cells = [(int(place) // len(matrix), int(place) % len(matrix)) for place in order]
    return [
        Pair(names[true], names[taken], int(others[true, taken]), int(matrix[true].sum()))
        for true, taken in cells
        if others[true, taken]
    ]


def write_report(config: str, path: Path, out: Path, most: int = 20, options: dict | None = None) -> list[str]:
    """Write DIR/index.html and the previews of the worst mistakes, DIR/clips.

    Args:
        config: Path of a config that tests a recognizer of mmaction2 or a classifier of mmpretrain.
        path: Predictions of its test, see :func:`read_predictions`.
        out: Folder to write to.
        most: Mistakes to show. Defaults to 20.
        options: Settings that override those of the config.

    Returns:
        Remarks on clips that cannot be read.

    Raises:
        ValueError: If config and predictions do not fit together, or one cannot be read.
        OSError: If a file cannot be read or written.
    """
    if most < 0:
        raise ValueError(f'--worst {most}: the number of mistakes to show is 0 or more')
    predictions = read_predictions(path)
    scores, labels = predictions
    dataset = build_test_set(read_config(config, options))
    files = name_samples(dataset, labels, path)
    classes = scores.shape[1]
    names = class_names(dataset) or [f'class {label}' for label in range(classes)]
    if len(names) != classes:
        raise ValueError(f'{config} names {len(names)} classes, but {path} has scores of {classes}')
    clips = out / 'clips'
    clips.mkdir(parents=True, exist_ok=True)
    mistakes, remarks = [], []
    for number, index in enumerate(find_mistakes(predictions, most), 1):
        try:
            preview = f'clips/{write_preview(dataset, index, clips / f"{number:04}").name}'
        except (UnreadableVideoError, OSError, ValueError) as error:
            preview = ''
            remarks.append(f'{files[index]} is shown without its clip: {error}')
        best = np.argsort(-scores[index], kind='stable')[:MOST_SCORES].tolist()
        shown = best if labels[index] in best else [*best, labels[index]]
        mistakes.append(
            Mistake(
                preview, files[index], names[labels[index]], names[best[0]],
                [(names[label], float(scores[index, label]), label == labels[index]) for label in shown],
            )
        )  # fmt: skip
    matrix = ConfusionMatrix.calculate(torch.from_numpy(scores), torch.from_numpy(labels)).numpy()
    top1, top5 = top_k_accuracy(list(scores), labels, (1, 5))
    report = Report(
        config=config, predictions=str(path), samples=len(labels),
        metrics={'top1': top1, 'top5': top5, 'mean1': mean_class_accuracy(scores, labels)},  # AccMetric's names
        names=list(names) if classes <= MOST_CLASSES else [],
        matrix=matrix.tolist() if classes <= MOST_CLASSES else [],
        pairs=confused_pairs(matrix, names, MOST_PAIRS),
        classes=class_rows(matrix, names), mistakes=mistakes,
        wrong=int((scores.argmax(1) != labels).sum()),
    )  # fmt: skip
    with whole_file(out / 'index.html') as file:
        file.write_text(render(report), encoding='utf-8', errors='replace')  # file names may not be UTF-8
    return remarks
