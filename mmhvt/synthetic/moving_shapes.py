"""Generated videos of one shape, whose class is its motion and nothing else.

The pose of the shape has four coordinates, each on a circle: x and y (the frame wraps around), angle, and size (which
starts over at the smallest after the largest). All start anywhere. In each class, one of them advances evenly in one
direction, and the others stay. So every pose is equally likely at every time in every class: a single frame says
nothing. A clip played backwards belongs to the opposite class, so frames in random order say nothing about direction.
They do show which coordinate varies, and with it the pair of opposites: they allow an accuracy of 0.5 at most.
"""

from functools import partial
from pathlib import Path

import numpy as np

from .clip_files import write_clips
from .generate import check_arguments
from .shapes import SHAPE_LEVELS, SHAPES, draw_ground, paint

# motion: (coordinate of the pose that it advances, direction); opposites are side by side
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

# Speed: the fraction of its circle that x, y, angle or size covers in a clip.
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
    """Frames of a clip: one shape of random form, color, speed and start on a random background.

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


def _draw(motion: str, split: str, rng: np.random.Generator, frames: int, size: int) -> np.ndarray:
    return draw_clip(motion, frames, size, rng)


def write_dataset(
    out: str | Path,
    clips_per_class: int = 400,
    val_clips_per_class: int = 50,
    size: int = 64,
    frames: int = 24,
    seed: int = 0,
    processes: int = 2,
) -> bool:
    """Write videos and the annotation files that mmaction2's VideoDataset reads, see :func:`.clip_files.write_clips`.

    The arguments alone, except `processes`, determine the contents.

    Args:
        out: Folder; new, empty, or left by an earlier call with the same arguments.
        clips_per_class: Training clips of each class.
        val_clips_per_class: Validation clips of each class.
        size: Height and width in pixels; even, 16 or more.
        frames: Length of a clip, 2 or more.
        seed: Decides every clip; 0 or more.
        processes: Number of processes that draw.

    Returns:
        True if the dataset was written, False if it existed.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    arguments = dict(
        clips_per_class=clips_per_class, val_clips_per_class=val_clips_per_class, size=size, frames=frames, seed=seed
    )
    check_arguments(arguments, processes, least=dict(size=16, frames=2), size_multiple=2)
    counts = dict(train=clips_per_class, val=val_clips_per_class)
    draw = partial(_draw, frames=frames, size=size)
    return write_clips(Path(out), 'moving_shapes', list(MOTIONS), draw, counts, arguments, FPS, processes)
