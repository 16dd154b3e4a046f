"""Steps of the demos: commands that are run, trainings that are resumed, and logs that are read."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

import mmhvt

_MIM = Path(mmhvt.__file__).parent / '.mim'
CONFIGS, TOOLS = (_MIM / 'configs').resolve(), (_MIM / 'tools').resolve()


class StepError(Exception):
    """A step of a demo failed; the message says which."""


def run_program(parser: argparse.ArgumentParser, run: Callable[..., None]) -> int:
    """Call a demo with the options of the command line; returns the exit status.

    Args:
        parser: Its options are the arguments of `run`.
        run: The demo.
    """
    try:
        run(**vars(parser.parse_args()))
    except StepError as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    return 0


def step(title: str, *command: str | Path) -> float:
    """Run a command and pass its output on.

    Args:
        title: Heading for the terminal.
        command: Program and arguments.

    Returns:
        Seconds it took.

    Raises:
        StepError: If it fails.
    """
    words = [str(part) for part in command]
    print(f'\n=== {title}\n$ {" ".join(words)}', flush=True)
    start = time.monotonic()
    # The model is small: more threads would wait for one another, and on 2 cores the other core decodes. Measured on 2
    # busy cores, an iteration takes 1 s with 2 threads and 0.1 s with 1.
    status = subprocess.run(words, env={'OMP_NUM_THREADS': '1', **os.environ}).returncode
    if status:
        raise StepError(f'{title} failed with exit status {status}; its output is above')
    return time.monotonic() - start


def generate(title: str, tool: str, out: Path, **counts: int) -> None:
    """Run a generator of tools/data.

    Args:
        title: Heading for the terminal.
        tool: Name of the script.
        out: Folder of the data.
        counts: Options of the script.

    Raises:
        StepError: If it fails.
    """
    options = [word for name, count in counts.items() for word in (f'--{name.replace("_", "-")}', str(count))]
    step(title, sys.executable, TOOLS / 'data' / tool, out, *options)


def mim(verb: str, config: Path, work_dir: Path, *arguments: str | Path, package: str = 'mmaction') -> list[str | Path]:
    """Command line of `mim VERB PACKAGE CONFIG`, on a GPU where there is one.

    Args:
        verb: 'train' or 'test'.
        config: Config file.
        work_dir: Folder for logs and checkpoints.
        arguments: Further arguments.
        package: Package whose runner is used. Defaults to 'mmaction'.
    """
    program = Path(sys.executable).with_name('mim')
    gpus = 1 if torch.cuda.is_available() else 0
    return [program, verb, package, config, *arguments, '--gpus', str(gpus), '--work-dir', work_dir]


def training_options(seed: int, epochs: int | None = None, *others: str) -> list[str]:
    """KEY=VALUE pairs that override a config.

    Args:
        seed: Seed of all generators.
        epochs: Length of training and of its schedule. Defaults to that of the config.
        others: Further pairs.
    """
    keys = ('train_cfg.max_epochs', 'param_scheduler.0.end', 'param_scheduler.0.total_steps')
    return [f'randomness.seed={seed}', *others, *(f'{key}={epochs}' for key in keys if epochs)]


def train(title: str, package: str, config: Path, work_dir: Path, options: Sequence[str]) -> Path:
    """Train with mim, on a GPU where there is one; a training that an earlier call finished is not repeated.

    Args:
        title: Heading for the terminal.
        package: Package whose runner is used.
        config: Config to train.
        work_dir: Folder, new or from an earlier call, which is resumed where it stopped.
        options: KEY=VALUE pairs that override the config.

    Returns:
        Checkpoint of the last epoch.

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
    step(title, *mim('train', config, work_dir, '--resume', package=package), '--cfg-options', *options)
    if not checkpoint.is_file():
        raise StepError(f'{title} left no {checkpoint}: did the run stop early?')
    return checkpoint


def run_test(title: str, command: Sequence[str | Path], checkpoint: Path, predictions: Path) -> None:
    """Run a test, unless its predictions are newer than the checkpoint.

    Args:
        title: Heading for the terminal.
        command: Program and arguments.
        checkpoint: Checkpoint that is tested.
        predictions: File that the test writes.

    Raises:
        StepError: If it fails.
    """
    if predictions.is_file() and predictions.stat().st_mtime > checkpoint.stat().st_mtime:
        print(f'\n=== {title}: done already, {predictions}', flush=True)
    else:
        step(title, *command)


def newest_log(work_dir: Path, pattern: str) -> list[dict]:
    """JSON lines of the newest run in a work dir of MMEngine.

    Args:
        work_dir: Folder of runs.
        pattern: Glob pattern of the file.

    Raises:
        StepError: If there is no such file.
    """
    files = sorted(work_dir.glob(pattern))
    if not files:
        raise StepError(f'no {pattern} in {work_dir}: did the run stop early?')
    return [json.loads(line) for line in files[-1].read_text().splitlines()]


def read_metrics(work_dir: Path, *keys: str) -> list[float]:
    """Metrics that the newest test in a work dir logged.

    Args:
        work_dir: Folder of tests.
        keys: Names of the metrics, as MMEngine logs them.

    Raises:
        StepError: If no test has finished.
    """
    for entry in newest_log(work_dir, '*/*.json'):
        if all(key in entry for key in keys):
            return [entry[key] for key in keys]
    raise StepError(f'no result in {work_dir}: did the test stop early? Remove the folder and call again')


def curve(work_dir: Path, key: str) -> list[tuple[int, float]]:
    """(step, value) of a logged value over all runs in a work dir, resumed ones included.

    Raises:
        StepError: If there is no log.
    """
    newest_log(work_dir, '*/vis_data/scalars.json')  # raises if there is none
    values = {}
    for folder in sorted(path for path in work_dir.iterdir() if (path / 'vis_data/scalars.json').is_file()):
        log = newest_log(folder, 'vis_data/scalars.json')
        values.update({entry['step']: entry[key] for entry in log if key in entry})
    return sorted(values.items())


def print_metrics(**metrics: float) -> None:
    """Print the last lines of a demo, which scripts read."""
    for name, value in metrics.items():
        print(f'metric {name}={value:.1f}' if name == 'seconds' else f'metric {name}={value:.4f}', flush=True)
