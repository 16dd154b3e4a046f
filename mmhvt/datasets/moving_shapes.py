"""Generated videos of one shape, whose class is its motion and nothing else.

The pose of the shape has four coordinates, each on a circle: x and y (the frame wraps around), angle, and size (which
starts over at the smallest after the largest). All start anywhere, and in each class one of them advances evenly in one
direction while the others rest. So every pose is equally likely at every time in every class: a single frame says
nothing. A clip played backwards belongs to the opposite class, so frames in random order say nothing about direction;
they do show which coordinate varies, that is the pair of opposites: no more than 0.5 is to be had from them.
"""

import math
from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from .generated import SPLITS, begin_dataset, check_least, draw_in_parallel, finish_dataset

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
# Radius of the shape, as a share of the frame.
RADIUS = (0.2, 0.4)
# Shapes are bright, grounds are dark: contrast of one sign, without which a small model learns nothing in minutes.
SHAPE_LEVELS = (170, 255)
TAIL_SHADE = 0.55
GROUND_LEVELS = (0, 70)


def arc(start: float, stop: float, points: int, radius: float = 1.0, y: float = 0.0) -> list[tuple[float, float]]:
    """Points of an arc about (0, y), from `start` to `stop` degrees."""
    angles = np.deg2rad(np.linspace(start, stop, points))
    return [(radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _normalised(corners: list[tuple[float, float]]) -> np.ndarray:
    """Corners about the middle of their bounding box, the farthest at distance 1."""
    polygon = np.array(corners)
    polygon = polygon - (polygon.min(0) + polygon.max(0)) / 2
    return polygon / np.linalg.norm(polygon, axis=1).max()


# Polygons (corners, 2), x to the right and y down. None looks the same after less than a full turn.
SHAPES: dict[str, np.ndarray] = {
    'hook': _normalised([(-0.6, -0.9), (-0.1, -0.9), (-0.1, 0.4), (0.7, 0.4), (0.7, 0.9), (-0.6, 0.9)]),
    'tee': _normalised(
        [(-0.8, -0.9), (0.8, -0.9), (0.8, -0.4), (0.25, -0.4), (0.25, 0.9), (-0.25, 0.9), (-0.25, -0.4), (-0.8, -0.4)]
    ),
    'arrow': _normalised(
        [(0, -1), (0.8, -0.1), (0.28, -0.1), (0.28, 0.95), (-0.28, 0.95), (-0.28, -0.1), (-0.8, -0.1)]
    ),
    'wedge': _normalised([(0, -1), (0.6, 0.8), (-0.6, 0.8)]),
    'mouth': _normalised([(0, 0), *arc(-50, -310, 24)]),
    'drop': _normalised([(0, -1), *arc(-30, 210, 20, radius=0.6, y=0.35)]),
    'flag': _normalised([(-0.6, -1), (0.8, -0.5), (-0.2, 0), (-0.2, 1), (-0.6, 1)]),
    'bowl': _normalised(arc(0, 180, 20)),
}


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
    """Frames of a clip: one shape of random form, colour, speed and start on a random ground.

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


def draw_ground(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size, 3): one dark colour that turns into another, in a random direction."""
    one, other = rng.uniform(*GROUND_LEVELS, (2, 3))
    direction = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[:size, :size] / size - 0.5
    mix = np.clip(0.5 + 0.8 * (x * math.cos(direction) + y * math.sin(direction)), 0, 1)[..., None]
    return one * (1 - mix) + other * mix


def radii(scale: np.ndarray, radius: tuple[float, float] = RADIUS) -> np.ndarray:
    """Radius of a shape, as a share of the frame, for its coordinate of size in [0, 1]."""
    return radius[0] * (radius[1] / radius[0]) ** scale


def outline(poses: np.ndarray, polygon: np.ndarray, radius: tuple[float, float] = RADIUS) -> np.ndarray:
    """(frames, corners, 2): x and y of a polygon's corners in each pose, as shares of the frame."""
    angle = 2 * np.pi * poses[:, 2]
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([cos, sin, -sin, cos], axis=-1).reshape(-1, 2, 2)
    return polygon @ turn * radii(poses[:, 3], radius)[:, None, None] + poses[:, None, :2]


def paint(
    poses: np.ndarray,
    polygon: np.ndarray,
    head: np.ndarray,
    ground: np.ndarray,
    radius: tuple[float, float] = RADIUS,
) -> np.ndarray:
    """Frames of a shape that fades from its head to a darker tail, which shows its angle.

    Args:
        poses: (frames, 4): x, y, angle and size, as :func:`draw_poses` gives them.
        polygon: (corners, 2), see :data:`SHAPES`.
        head: RGB.
        ground: (size, size, 3).
        radius: Of the smallest and of the largest shape, as shares of the frame.

    Returns:
        (frames, size, size, 3) uint8. What leaves the frame comes back opposite.
    """
    size = len(ground)
    x, y, angle, scale = poses.T
    cos, sin = np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)
    corners = outline(poses, polygon, radius) * size - 0.5
    reach = radii(scale, radius)

    cover = np.zeros((len(poses), size, size), np.uint8)
    bits = 6  # of a pixel, in cv2's fixed-point coordinates
    for mask, shape in zip(cover, corners, strict=True):
        low, high = shape.min(0), shape.max(0)
        for shift in np.array([(i, j) for i in (-size, 0, size) for j in (-size, 0, size)]):
            if (high + shift > -1).all() and (low + shift < size).all():
                points = np.round((shape + shift) * 2**bits).astype(np.int32)
                cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, bits)

    pixels = (np.arange(size) + 0.5) / size
    right = (pixels - x[:, None] + 0.5) % 1 - 0.5  # from the centre of the shape, the shorter way round
    below = (pixels - y[:, None] + 0.5) % 1 - 0.5
    along = (cos[:, None] * below)[:, :, None] - (sin[:, None] * right)[:, None, :]  # -radius at the head
    fade = np.clip(along / (2 * reach[:, None, None]) + 0.5, 0, 1)
    shape = head.astype(np.float32) * (1 - (1 - TAIL_SHADE) * fade.astype(np.float32))[..., None]
    cover = (cover * np.float32(1 / 255))[..., None]
    return np.rint(ground.astype(np.float32) * (1 - cover) + shape * cover).astype(np.uint8)


def write_video(path: Path, clip: Iterable[np.ndarray], fps: float = FPS) -> None:
    """Write frames as MP4 (MPEG-4 part 2, which needs nothing but OpenCV's wheel), each as it comes.

    Args:
        path: File to write.
        clip: One or more frames (height, width, 3) uint8 RGB: an array of them, or an iterator over a video of any
            length. Where a side is odd, its last row or column is repeated.
        fps: Frames a second, rounded to what the format can say: 65535 ticks a second at most.

    Raises:
        OSError: If the file cannot be written.
    """
    clip = iter(clip)
    first = next(clip)
    height, width, _ = first.shape
    down, right = height % 2, width % 2  # OpenCV would cut off what is odd
    fps = round(fps, int(math.log10(65535 / fps)))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, (width + right, height + down))
    frames = 0
    try:
        for frame in chain([first], clip):
            frame = cv2.copyMakeBorder(frame, 0, down, 0, right, cv2.BORDER_REPLICATE)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            frames += 1
    finally:
        writer.release()
    # OpenCV reports neither a missing folder nor a full disk; the index, written last, tells both
    written = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)) if path.is_file() else 0
    if written != frames:
        raise OSError(f'{path} holds {written} of {frames} frames: is the folder writable, and is there space left?')


def _clip_name(motion: str, index: int) -> str:
    return f'{motion}_{index:05d}.mp4'


def _write_some(task: tuple[str, str, int, int], out: Path, size: int, frames: int, seed: int) -> None:
    """Clips `first` to `last` (exclusive) of one motion in one split."""
    split, motion, first, last = task
    for index in range(first, last):
        # a clip depends on its own number alone, whichever process draws it and however many there are
        rng = np.random.default_rng([seed, SPLITS.index(split), list(MOTIONS).index(motion), index])
        write_video(out / f'videos_{split}' / _clip_name(motion, index), draw_clip(motion, frames, size, rng))


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
    check_least(
        ('clips_per_class', clips_per_class, 1),
        ('val_clips_per_class', val_clips_per_class, 1),
        ('size', size, 16),
        ('frames', frames, 2),
        ('seed', seed, 0),
        ('processes', processes, 1),
    )
    if size % 2:
        raise ValueError(f'size={size}: MPEG-4 needs an even number, such as {size + 1}')

    out = Path(out)
    counts = {'train': clips_per_class, 'val': val_clips_per_class}
    arguments = dict(
        clips_per_class=clips_per_class, val_clips_per_class=val_clips_per_class, size=size, frames=frames, seed=seed
    )
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
