"""Folders of generated clips, one class each, with the annotation files that mmaction2's VideoDataset reads."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mmhvt.apis.videos import write_video

from .generate import SPLITS, begin_dataset, draw_in_parallel, finish_dataset

# draws the frames (T, H, W, 3) uint8 RGB of a clip of a class, for a split
DrawClip = Callable[[str, str, np.random.Generator], np.ndarray]
SOME = 20  # clips per task: few enough to show progress


def clip_name(name: str, index: int) -> str:
    """File name of a clip of a class."""
    return f'{name}_{index:05d}.mp4'


def _write_some(
    task: tuple[str, int, int, int], out: Path, names: Sequence[str], draw: DrawClip, fps: float, seed: int
) -> None:
    """Clips `first` to `last` (exclusive) of one class in one split."""
    split, label, first, last = task
    for index in range(first, last):
        # a clip depends on its number alone, not on which process draws it or on how many there are
        rng = np.random.default_rng([seed, SPLITS.index(split), label, index])
        write_video(out / f'videos_{split}' / clip_name(names[label], index), draw(names[label], split, rng), fps)


def write_clips(
    out: Path,
    kind: str,
    names: Sequence[str],
    draw: DrawClip,
    counts: dict[str, int],
    arguments: dict,
    fps: float,
    processes: int,
) -> bool:
    """Write videos and annotation files.

    `out` then holds `videos_train/`, `videos_val/`, `{kind}_{train,val}_list_videos.txt` (lines of file name and
    label), `label_map.txt` (class names in order of their labels) and `manifest.json` (the arguments). Annotation files
    and manifest come last and together: a folder that an interrupted call left cannot be trained on, and the next call
    with the same arguments finishes it.

    Args:
        out: Folder; new, empty, or left by an earlier call with the same arguments.
        kind: What is generated, in lower case with underscores.
        names: Names of the classes.
        draw: Draws a clip.
        counts: Clips of each class by split.
        arguments: Arguments that determine the contents, `seed` among them.
        fps: Frames a second.
        processes: Number of processes that draw.

    Returns:
        True if the dataset was written, False if it existed.

    Raises:
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    videos = {f'videos_{split}': count * len(names) for split, count in counts.items()}
    if not begin_dataset(out, arguments, videos, kind.replace('_', ' ')):
        return False
    tasks = [
        (split, label, first, min(first + SOME, count))
        for split, count in counts.items()
        for label in range(len(names))
        for first in range(0, count, SOME)
    ]
    write = partial(_write_some, out=out, names=names, draw=draw, fps=fps, seed=arguments['seed'])
    draw_in_parallel(write, tasks, processes, keep_order=False)
    for split, count in counts.items():
        # classes take turns, so that the first N lines are balanced
        lines = [f'{clip_name(name, index)} {label}' for index in range(count) for label, name in enumerate(names)]
        (out / f'{kind}_{split}_list_videos.txt').write_text('\n'.join(lines) + '\n')
    (out / 'label_map.txt').write_text('\n'.join(names) + '\n')
    finish_dataset(out)
    return True
