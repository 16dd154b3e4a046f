"""Curves of runs from the logs that mmengine writes (`vis_data/scalars.json`).

`analyze_logs` of mmaction2 reads logs of MMCV 1. Those of mmpretrain and mmdet read these, but do not join the logs of
a resumed run, and put validation, counted in epochs, and training, counted in iterations, on the same axis.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from mmhvt.apis.writing import check_outputs, whole_file
from mmhvt.utils import nearest
from mmhvt.utils.files import require_file

# what each line has besides losses and metrics
_PLACES = ('epoch', 'iter', 'step')
_TIMES = ('time', 'data_time')
_MOST_COLUMNS = 3

# values by iteration, by name
Series = dict[str, dict[float, float]]


class Run(NamedTuple):
    """Values that a run logged, by name and iteration.

    Args:
        name: Name for legends.
        train: Values of training.
        val: Values of validation.
        epoch_length: Iterations of an epoch; None if the run is not counted in epochs.
    """

    name: str
    train: Series
    val: Series
    epoch_length: int | None

    @property
    def names(self) -> list[str]:
        """Names of the values that can be drawn."""
        return sorted({*self.train, *self.val})


# ------------------------------------------------------------------------------------------------------------- reading


def find_logs(path: Path) -> list[Path]:
    """Logs of a run in the order in which they were begun.

    Args:
        path: A log, or the work directory of a run, which has a log for each time that it was started or resumed.

    Raises:
        ValueError: If there is none.
    """
    if path.is_dir():
        # folders are named after their start time
        found = [file for pattern in ('', 'vis_data/', '*/vis_data/') for file in path.glob(f'{pattern}scalars.json')]
        if not found:
            raise ValueError(f'{path} has no log, */vis_data/scalars.json: is it the work directory of a training?')
        return sorted(found)
    return [require_file(path)]


def read_log(path: Path) -> list[dict]:
    """Lines of a log. An incomplete last line is still being written, and is left out.

    Raises:
        ValueError: If a line does not belong to a log; the message names file and line.
        OSError: If the file cannot be read.
    """
    lines = path.read_bytes().decode(errors='replace').split('\n')
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            if number == len(lines):
                break
            raise ValueError(f'{path}, line {number} is no JSON: is it a log, vis_data/scalars.json?') from None
        if not isinstance(entry, dict) or not _is_number(entry.get('step')):
            raise ValueError(f'{path}, line {number} has no step: is it a log, vis_data/scalars.json?')
        entries.append(entry)
    return entries


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_training(entry: dict) -> bool:
    return 'iter' in entry or 'lr' in entry


def read_run(path: Path, name: str) -> Run:
    """A run whose logs are joined: what a resumed run logged replaces all that was logged from its first step on.

    Args:
        path: See :func:`find_logs`.
        name: Name of the run.

    Raises:
        ValueError: If the logs have no values, or are no logs.
        OSError: If a log cannot be read.
    """
    train: Series = {}
    val: Series = {}
    length: int | None = None
    for log in find_logs(path):
        entries = read_log(log)
        trained = [entry for entry in entries if _is_training(entry)]
        length = _epoch_length(trained) or length
        if trained:
            first = min(entry['step'] for entry in trained)
            for series in (*train.values(), *val.values()):
                for step in [step for step in series if step >= first]:
                    del series[step]
        last = max((entry['epoch'] for entry in trained if _is_number(entry.get('epoch'))), default=math.inf)
        for entry in entries:
            is_training, step = _is_training(entry), entry['step']
            # LoggerHook counts validations in epochs, unless log_metric_by_epoch=False
            if not is_training and length and step <= last:
                step *= length
            for key, value in entry.items():
                if key not in _PLACES and _is_number(value):
                    (train if is_training else val).setdefault(key, {})[step] = value
    train, val = ({key: steps for key, steps in series.items() if steps} for series in (train, val))
    run = Run(name, train, val, length)
    if not run.names:
        raise ValueError(f'{path} has no values yet')
    return run


def _epoch_length(trained: Sequence[dict]) -> int | None:
    """Iterations of an epoch: the smallest number that puts each step in its epoch; None without epochs.

    It is exact if the last iteration of an epoch is logged, as in mmaction2, or else too small by less than the logging
    interval divided by the number of epochs.
    """
    counted = [entry for entry in trained if _is_number(entry.get('epoch')) and entry['epoch'] >= 1]
    return max((math.ceil(entry['step'] / entry['epoch']) for entry in counted), default=None)


# ------------------------------------------------------------------------------------------------------------- drawing


def matches(name: str, key: str) -> bool:
    """Whether a key stands for a logged value: `top1` is acc/top1 of validation and top1_acc of training."""
    return key in (name, name.rpartition('/')[2], name.rpartition('/')[2].removesuffix('_acc'))


def choose_keys(runs: Sequence[Run], keys: Sequence[str] | None = None) -> list[str]:
    """Keys to draw: those requested, or the loss and all that validation logs.

    Raises:
        ValueError: If no run has one of them; the message names the nearest.
    """
    names = sorted({name for run in runs for name in run.names})
    if keys is None:
        found = [name for run in runs for name in run.val if name.rpartition('/')[2] not in _TIMES]
        return list(dict.fromkeys(['loss'] * ('loss' in names) + found)) or names
    for key in keys:
        if not any(matches(name, key) for name in names):
            near = nearest(key, [*names, *(name.rpartition('/')[2] for name in names)])
            hint = f'did you mean {" or ".join(near)}?' if near else f'there are {", ".join(names)}'
            raise ValueError(f'--keys {key}: no run logged it; {hint}')
    return list(dict.fromkeys(keys))


def draw_runs(runs: Sequence[Run], keys: Sequence[str]) -> Figure:
    """A panel for each key, with a color for each run: lines of training, marks of validation.

    The axis counts epochs if all runs do, else iterations.
    """
    columns = min(len(keys), _MOST_COLUMNS)
    rows = math.ceil(len(keys) / columns)
    figure = Figure((4.6 * columns, 3.4 * rows), dpi=120, facecolor='white', layout='constrained')
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    by_epoch = all(run.epoch_length for run in runs)
    for panel in panels:
        panel.axis('off')
    for panel, key in zip(panels, keys, strict=False):
        panel.axis('on')
        for number, run in enumerate(runs):
            for kind, series, style in (('training', run.train, '-'), ('validation', run.val, '--')):
                found = [name for name in series if matches(name, key)]
                for name in found:
                    steps = sorted(series[name])
                    scale = run.epoch_length if by_epoch and run.epoch_length else 1
                    label = ' '.join([run.name] * (len(runs) > 1) + [name if len(found) > 1 else kind])
                    # a line of one point would be invisible
                    marker = 'o' if kind == 'validation' or len(steps) == 1 else ''
                    panel.plot(
                        np.array(steps) / scale, [series[name][step] for step in steps], color=f'C{number}',
                        label=label, linestyle=style, linewidth=1, marker=marker, markersize=3,
                    )  # fmt: skip
        panel.set_title(key, fontsize=10, parse_math=False)
        panel.set_xlabel('epoch' if by_epoch else 'iteration', fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        for text in panel.legend(fontsize=7).get_texts():
            text.set_parse_math(False)
    return figure


def draw_logs(paths: Sequence[Path], keys: Sequence[str] | None, out: Path) -> list[str]:
    """Write the curves of runs as a picture.

    Args:
        paths: Logs, or work directories, one for each run.
        keys: Values to draw. Defaults to the loss and what validation logged.
        out: Picture in a format that matplotlib writes.

    Returns:
        Remarks on runs that lack one of the keys.

    Raises:
        ValueError: If there is no log at a path, a file is no log, or no run has a key.
        OSError: If a file cannot be read or written.
    """
    kinds = FigureCanvasBase.get_supported_filetypes()
    if out.suffix[1:].lower() not in kinds:
        raise ValueError(f'--out {out}: the name of a picture ends in .{", .".join(sorted(kinds))}')
    names = [path.resolve().name for path in paths]
    runs = [
        read_run(path, name if names.count(name) == 1 else str(path))
        for path, name in zip(paths, names, strict=True)
    ]  # fmt: skip
    chosen = choose_keys(runs, keys)
    check_outputs({'picture': out}, list(paths))
    figure = draw_runs(runs, chosen)
    with whole_file(out) as file:
        figure.savefig(file)
    return [
        f'{run.name} logged no {key}'
        for run in runs
        for key in chosen
        if not any(matches(name, key) for name in run.names)
    ]
