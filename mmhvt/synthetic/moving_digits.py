"""Generated videos of one handwritten digit that moves, whose class is the digit, the motion, or both.

A digit of :func:`sklearn.datasets.load_digits` moves evenly up, down, left or right along the middle of the frame, as
in :mod:`.moving_shapes`: it starts anywhere, and comes back opposite to where it leaves. There are three kinds of
classes:

- 'digit': the digit (10 classes). The direction is random, and most frames show the class.
- 'digit-direction': one of five digits, and whether it moves left or right (10 classes). A frame shows the digit; only
  the order of frames shows the direction, so that without it no more than half of the clips are right.
- 'turn': the digit moves one way for half of the clip and then the same way back, and the class is the first direction:
  up, down, left or right (4 classes). Each half of a clip also occurs in a clip of the opposite class, as the other
  half. So neither a frame nor half of a clip tells opposites apart, nor do both halves without their order.
"""

from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from sklearn.datasets import load_digits

from .clip_files import write_clips
from .digits import NAMES, WHITE
from .generate import check_arguments
from .moving_shapes import FPS, MOTIONS, draw_poses
from .shapes import SHAPE_LEVELS, draw_ground

DIRECTIONS = ('up', 'down', 'left', 'right')
# names of the classes, by kind
CLASSES: dict[str, tuple[str, ...]] = {
    'digit': NAMES,
    'digit-direction': tuple(f'{digit}-{direction}' for digit in NAMES[:5] for direction in ('left', 'right')),
    'turn': DIRECTIONS,
}
# Side of a digit, as a fraction of the frame.
SIDE = 0.625


def check_kind(kind: str) -> None:
    """Check the kind of classes.

    Raises:
        ValueError: If it is no key of :data:`CLASSES`.
    """
    if kind not in CLASSES:
        raise ValueError(f'classes={kind!r}: choose from {", ".join(CLASSES)}')


@cache
def digits(split: str) -> dict[str, np.ndarray]:
    """Images (n, 8, 8) in [0, 1] of each digit; every third one is held out, as in :mod:`.digits`."""
    images, labels = load_digits(return_X_y=True)
    chosen = (np.arange(len(labels)) % 3 > 0) == (split == 'train')
    images = images.reshape(-1, 8, 8).astype(np.float32) / WHITE
    return {name: images[chosen & (labels == label)] for label, name in enumerate(NAMES)}


def turn_back(poses: np.ndarray) -> np.ndarray:
    """Poses of the first half of a clip, and then the same backwards."""
    first = poses[: len(poses) // 2]
    return np.concatenate([first, first[::-1]])


def paint_digit(image: np.ndarray, poses: np.ndarray, color: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Frames of an image that moves, and comes back opposite to where it leaves.

    Args:
        image: Opacity (8, 8) in [0, 1].
        poses: (frames, 4), of which only x and y of the center count, as fractions of the frame.
        color: RGB.
        ground: (size, size, 3).

    Returns:
        (frames, size, size, 3) uint8.
    """
    size, scale = len(ground), SIDE * len(ground) / len(image)
    middle = (len(image) - 1) / 2
    frames = []
    for x, y, *_ in poses * size - 0.5:
        cover = np.zeros((size, size), np.float32)
        for shift_x in (-size, 0, size):
            for shift_y in (-size, 0, size):
                place = [[scale, 0, x + shift_x - scale * middle], [0, scale, y + shift_y - scale * middle]]
                cover += np.asarray(cv2.warpAffine(image, np.array(place), (size, size)), np.float32)
        opacity = np.clip(cover, 0, 1)[..., None]
        frames.append(np.rint(ground * (1 - opacity) + color * opacity).astype(np.uint8))
    return np.stack(frames)


def draw_clip(name: str, split: str, rng: np.random.Generator, kind: str, frames: int, size: int) -> np.ndarray:
    """Frames of a clip: a digit of random color, speed and start on a random background.

    Args:
        name: Class, of :data:`CLASSES`.
        split: 'train' or 'val', which have no digit in common.
        rng: Source of all randomness.
        kind: Kind of classes, a key of :data:`CLASSES`.
        frames: Length of the clip, even.
        size: Height and width in pixels.

    Returns:
        (frames, size, size, 3) uint8, RGB.
    """
    digit, _, direction = name.partition('-') if kind != 'turn' else ('', '', name)
    digit = digit or str(rng.choice(NAMES))
    direction = direction or str(rng.choice(DIRECTIONS))
    poses = draw_poses(direction, frames, rng)
    poses[:, 1 - MOTIONS[direction][0]] = 0.5  # centered across the motion
    images = digits(split)[digit]
    image = images[rng.integers(len(images))]
    color = rng.uniform(*SHAPE_LEVELS, 3)
    return paint_digit(image, turn_back(poses) if kind == 'turn' else poses, color, draw_ground(size, rng))


def _draw(name: str, split: str, rng: np.random.Generator, arguments: dict) -> np.ndarray:
    return draw_clip(name, split, rng, arguments['classes'], arguments['frames'], arguments['size'])


def write_dataset(
    out: str | Path,
    classes: str = 'digit-direction',
    clips_per_class: int = 100,
    val_clips_per_class: int = 20,
    size: int = 32,
    frames: int = 16,
    seed: int = 0,
    processes: int = 2,
) -> bool:
    """Write videos and the annotation files that mmaction2's VideoDataset reads, see :func:`.clip_files.write_clips`.

    The arguments alone, except `processes`, determine the contents.

    Args:
        out: Folder; new, empty, or left by an earlier call with the same arguments.
        classes: Kind of classes: 'digit', 'digit-direction' or 'turn'.
        clips_per_class: Training clips of each class.
        val_clips_per_class: Validation clips of each class, of digits that no training clip has.
        size: Height and width in pixels; even, 16 or more.
        frames: Length of a clip; even, 2 or more.
        seed: Decides every clip; 0 or more.
        processes: Number of processes that draw.

    Returns:
        True if the dataset was written, False if it existed.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    check_kind(classes)
    numbers = dict(
        clips_per_class=clips_per_class, val_clips_per_class=val_clips_per_class, size=size, frames=frames, seed=seed
    )
    check_arguments(numbers, processes, least=dict(size=16, frames=2), size_multiple=2)
    if frames % 2:
        raise ValueError(f'frames={frames} is odd: take {frames + 1}')
    arguments = dict(classes=classes, **numbers)
    counts = dict(train=clips_per_class, val=val_clips_per_class)
    draw = partial(_draw, arguments=arguments)
    return write_clips(Path(out), 'moving_digits', CLASSES[classes], draw, counts, arguments, FPS, processes)
