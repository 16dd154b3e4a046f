"""Generated videos of one shape, whose class is its motion and nothing else.

The pose of the shape has four coordinates, each on a circle: x and y (the frame wraps around), angle, and size (which
starts over at the smallest after the largest). All start anywhere, and in each class one of them advances evenly in one
direction while the others rest. So every pose is equally likely at every time in every class: a single frame says
nothing. A clip played backwards belongs to the opposite class, so frames in random order say nothing about direction;
they do show which coordinate varies, that is the pair of opposites: no more than 0.5 is to be had from them.
"""

from functools import partial
from pathlib import Path

import numpy as np

from mmhvt.apis.videos import write_video

from .generate import SPLITS, begin_dataset, check_arguments, draw_in_parallel, finish_dataset
from .shapes import SHAPE_LEVELS, SHAPES, draw_ground, paint

# motion: (coordinate of the pose that it advances, direction); opposites stand side by side
MOTIONS: dict[str, tuple[int, int]] = {
    'up': (1, -1),
    'down': (1, 1),
    'left': (0, -1),
    'right': (0, 1),
    'clockwise': (2, 1),
    'counter-clockwise': (2, -1),
    'growing': (3, 1),
    'shrinking': (3, -1),
}
FPS = 16

# The share of its circle that x, y, angle or size goes in a clip: the speed.
TRAVEL = ((0.5, 1.0), (0.5, 1.0), (0.75, 1.5), (0.5, 1.0))


def draw_poses(motion: str, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Poses of a clip.

    Args:
        motion: Key of :data:`MOTIONS`.
        frames: Length of the clip.
        rng: Source of all randomness.

    Returns:
        (frames, 4): x, y, angle and size, each in [0, 1).

    Raises:
        ValueError: If there is no such motion.
    """
    if motion not in MOTIONS:
        raise ValueError(f'motion={motion!r}: choose from {", ".join(MOTIONS)}')
    driven, direction = MOTIONS[motion]
    poses = np.tile(rng.uniform(size=4), (frames, 1))
    speed = rng.uniform(*TRAVEL[driven]) / frames
    poses[:, driven] += direction * speed * np.arange(frames)
    return poses % 1


def draw_clip(motion: str, frames: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Frames of a clip: one shape of random form, color, speed and start on a random ground.

    Args:
        motion: Key of :data:`MOTIONS`.
        frames: Length of the clip.
        size: Height and width in pixels.
        rng: Source of all randomness.

    Returns:
        (frames, size, size, 3) uint8, RGB.
    """
    poses = draw_poses(motion, frames, rng)
    polygon = SHAPES[rng.choice(list(SHAPES))] * [rng.choice([-1, 1]) * rng.uniform(0.8, 1), 1]
    head = rng.uniform(*SHAPE_LEVELS, 3)
    return paint(poses, polygon, head, draw_ground(size, rng))


def _clip_name(motion: str, index: int) -> str:
    return f'{motion}_{index:05d}.mp4'


def _write_some(task: tuple[str, str, int, int], out: Path, size: int, frames: int, seed: int) -> None:
    """Clips `first` to `last` (exclusive) of one motion in one split."""
    split, motion, first, last = task
    for index in range(first, last):
        # a clip depends on its own number alone, whichever process draws it and however many there are
        rng = np.random.default_rng([seed, SPLITS.index(split), list(MOTIONS).index(motion), index])
        write_video(out / f'videos_{split}' / _clip_name(motion, index), draw_clip(motion, frames, size, rng), FPS)


def write_dataset(
    out: str | Path,
    clips_per_class: int = 400,
    val_clips_per_class: int = 50,
    size: int = 64,
    frames: int = 24,
    seed: int = 0,
    processes: int = 2,
) -> bool:
    """Write videos and the annotation files that mmaction2's VideoDataset reads.

    `out` then holds `videos_train/`, `videos_val/`, `moving_shapes_{train,val}_list_videos.txt` (lines of file name and
    label), `label_map.txt` (class names in order of their labels) and `manifest.json` (these arguments). The arguments
    alone, less `processes`, decide the contents. Annotation files and manifest come last and together: a folder that
    an interrupted call left cannot be trained on, and the next call with the same arguments finishes it.

    Args:
        out: Folder; new, empty, or what an earlier call with the same arguments left.
        clips_per_class: Training clips of each class.
        val_clips_per_class: Validation clips of each class.
        size: Height and width in pixels; even, 16 or more.
        frames: Length of a clip, 2 or more.
        seed: Decides every clip; 0 or more.
        processes: Draw at the same time.

    Returns:
        True if it wrote, False if the dataset was there.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    out = Path(out)
    counts = {'train': clips_per_class, 'val': val_clips_per_class}
    arguments = dict(
        clips_per_class=clips_per_class, val_clips_per_class=val_clips_per_class, size=size, frames=frames, seed=seed
    )
    check_arguments(arguments, processes, least=dict(size=16, frames=2), size_multiple=2)
    videos = {f'videos_{split}': count * len(MOTIONS) for split, count in counts.items()}
    if not begin_dataset(out, arguments, videos, 'moving shapes'):
        return False
    some = 20  # clips a task: often enough to see progress
    tasks = [
        (split, motion, first, min(first + some, count))
        for split, count in counts.items()
        for motion in MOTIONS
        for first in range(0, count, some)
    ]
    write = partial(_write_some, out=out, size=size, frames=frames, seed=seed)
    draw_in_parallel(write, tasks, processes, keep_order=False)
    for split, count in counts.items():
        lines = [
            f'{_clip_name(motion, index)} {label}' for index in range(count) for label, motion in enumerate(MOTIONS)
        ]
        (out / f'moving_shapes_{split}_list_videos.txt').write_text('\n'.join(lines) + '\n')
    (out / 'label_map.txt').write_text('\n'.join(MOTIONS) + '\n')
    finish_dataset(out)
    return True
