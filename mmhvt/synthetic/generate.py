"""Shared parts of the generators: argument checks, folders that are written whole or finished later, command line."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
from mmengine.utils import track_parallel_progress

SPLITS = ('train', 'val')
UNFINISHED = 'manifest.unfinished.json'


def check_arguments(
    arguments: Mapping[str, int], processes: int, least: Mapping[str, int], size_multiple: int = 1
) -> None:
    """Check that arguments of a generator are in range.

    Args:
        arguments: Values by name, `seed` and `size` among them.
        processes: Number of processes that draw.
        least: Smallest values by name; 0 for the seed and 1 for all others by default.
        size_multiple: Number of which the size has to be a multiple. Defaults to 1.

    Raises:
        ValueError: If a value is too small, or the size is no such multiple.
    """
    least = dict(seed=0) | dict(least)
    for name, value in {**arguments, 'processes': processes}.items():
        if value < least.get(name, 1):
            raise ValueError(f'{name}={value} is too small: it must be at least {least.get(name, 1)}')
    size = arguments['size']
    if size % size_multiple:
        raise ValueError(
            f'size={size} is no multiple of {size_multiple}: take {size + size_multiple - size % size_multiple}'
        )


def begin_dataset(
    out: Path, arguments: dict, counts: dict[str, int], kind: str, unit: str = 'videos', suffix: str = '.mp4'
) -> bool:
    """Make the folders of a generated dataset, unless it is complete.

    Args:
        out: Folder; new, empty, or left by an earlier call with the same arguments.
        arguments: Arguments that determine the contents.
        counts: Number of files by folder in `out`.
        kind: What is generated, for messages.
        unit: What a file is, for messages.
        suffix: Suffix of the files.

    Returns:
        False if the dataset is complete, True if it is to be written.

    Raises:
        FileExistsError: If `out` holds anything else, or has lost files.
    """
    manifest, unfinished = out / 'manifest.json', out / UNFINISHED
    if manifest.is_file():
        _check_arguments(manifest, arguments)
        for folder, count in counts.items():
            there = sum(1 for _ in (out / folder).glob(f'*{suffix}'))
            if there != count:
                raise FileExistsError(f'{out}/{folder} has {there} of {count} {unit}: remove {out} and call again')
        return False
    if unfinished.is_file():
        _check_arguments(unfinished, arguments)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f'{out} exists already and is no dataset of {kind}: choose a new or empty folder')
    for folder in counts:
        (out / folder).mkdir(parents=True, exist_ok=True)
    unfinished.write_text(json.dumps(arguments, indent=2) + '\n')
    return True


def draw_in_parallel(draw: Callable[[Any], Any], tasks: list, processes: int, keep_order: bool = True) -> list:
    """Results of `draw` for each task, with a progress bar; arguments as in mmengine's `track_parallel_progress`.

    Meanwhile, OpenCV has no threads of its own: those of several processes would get in each other's way, and a forked
    process that sets their number would wait forever for the threads of this one.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(0)
    try:
        return track_parallel_progress(draw, tasks, processes, keep_order=keep_order)
    finally:
        cv2.setNumThreads(threads)


def finish_dataset(out: Path) -> None:
    """Mark a dataset that :func:`begin_dataset` began as complete."""
    (out / UNFINISHED).rename(out / 'manifest.json')


def _check_arguments(manifest: Path, arguments: dict) -> None:
    """Raise FileExistsError if the folder of `manifest` was made with other arguments."""
    earlier = json.loads(manifest.read_text())
    if earlier != arguments:
        other = ', '.join(f'{key}={earlier.get(key)}' for key in arguments if earlier.get(key) != arguments[key])
        raise FileExistsError(f'{manifest.parent} was made with {other}: choose another folder or remove it')


def run_generator(parser: argparse.ArgumentParser, write_dataset: Callable[..., bool]) -> int:
    """Call a generator with the arguments of the command line.

    Args:
        parser: Its arguments are the generator's, `out` among them.
        write_dataset: Generator; returns whether it wrote the dataset.

    Returns:
        The exit status: 1 for a wrong argument or a file that cannot be written, 130 if it was interrupted.
    """
    arguments = parser.parse_args()
    try:
        wrote = write_dataset(**vars(arguments))
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{parser.prog}: interrupted; the same call again finishes {arguments.out}', file=sys.stderr)
        return 130
    print(f'{arguments.out}: {"written" if wrote else "there already, nothing to do"}')
    return 0
