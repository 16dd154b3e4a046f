"""Shapes that move: their outlines, and frames in which they are painted on a background."""

import math

import cv2
import numpy as np

# Radius of the shape, as a fraction of the frame.
RADIUS = (0.2, 0.4)
# Shapes are bright, backgrounds dark: without this one sign of contrast, a small model learns nothing in minutes.
SHAPE_LEVELS = (170, 255)
TAIL_SHADE = 0.55
GROUND_LEVELS = (0, 70)


def arc(start: float, stop: float, points: int, radius: float = 1.0, y: float = 0.0) -> list[tuple[float, float]]:
    """Points of an arc around (0, y), from `start` to `stop` degrees."""
    angles = np.deg2rad(np.linspace(start, stop, points))
    return [(radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _normalized(corners: list[tuple[float, float]]) -> np.ndarray:
    """Corners relative to the middle of their bounding box, the farthest at distance 1."""
    polygon = np.array(corners)
    polygon = polygon - (polygon.min(0) + polygon.max(0)) / 2
    return polygon / np.linalg.norm(polygon, axis=1).max()


# Polygons (corners, 2), x to the right and y down. None looks the same after less than a full turn.
SHAPES: dict[str, np.ndarray] = {
    'hook': _normalized([(-0.6, -0.9), (-0.1, -0.9), (-0.1, 0.4), (0.7, 0.4), (0.7, 0.9), (-0.6, 0.9)]),
    'tee': _normalized(
        [(-0.8, -0.9), (0.8, -0.9), (0.8, -0.4), (0.25, -0.4), (0.25, 0.9), (-0.25, 0.9), (-0.25, -0.4), (-0.8, -0.4)]
    ),
    'arrow': _normalized(
        [(0, -1), (0.8, -0.1), (0.28, -0.1), (0.28, 0.95), (-0.28, 0.95), (-0.28, -0.1), (-0.8, -0.1)]
    ),
    'wedge': _normalized([(0, -1), (0.6, 0.8), (-0.6, 0.8)]),
    'mouth': _normalized([(0, 0), *arc(-50, -310, 24)]),
    'drop': _normalized([(0, -1), *arc(-30, 210, 20, radius=0.6, y=0.35)]),
    'flag': _normalized([(-0.6, -1), (0.8, -0.5), (-0.2, 0), (-0.2, 1), (-0.6, 1)]),
    'bowl': _normalized(arc(0, 180, 20)),
}


def draw_ground(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size, 3): one dark color that turns into another, in a random direction."""
    one, other = rng.uniform(*GROUND_LEVELS, (2, 3))
    direction = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[:size, :size] / size - 0.5
    mix = np.clip(0.5 + 0.8 * (x * math.cos(direction) + y * math.sin(direction)), 0, 1)[..., None]
    return one * (1 - mix) + other * mix


def radii(scale: np.ndarray, radius: tuple[float, float] = RADIUS) -> np.ndarray:
    """Radius of a shape, as a fraction of the frame, for its size coordinate in [0, 1]."""
    return radius[0] * (radius[1] / radius[0]) ** scale


def outline(poses: np.ndarray, polygon: np.ndarray, radius: tuple[float, float] = RADIUS) -> np.ndarray:
    """(frames, corners, 2): x and y of a polygon's corners in each pose, as fractions of the frame."""
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
        poses: (frames, 4): x, y, angle and size, as :func:`draw_poses` returns them.
        polygon: (corners, 2), see :data:`SHAPES`.
        head: RGB.
        ground: (size, size, 3).
        radius: Radius of the smallest and of the largest shape, as fractions of the frame.

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
    right = (pixels - x[:, None] + 0.5) % 1 - 0.5  # from the center of the shape, the shorter way round
    below = (pixels - y[:, None] + 0.5) % 1 - 0.5
    along = (cos[:, None] * below)[:, :, None] - (sin[:, None] * right)[:, None, :]  # -radius at the head
    fade = np.clip(along / (2 * reach[:, None, None]) + 0.5, 0, 1)
    faded = head.astype(np.float32) * (1 - (1 - TAIL_SHADE) * fade.astype(np.float32))[..., None]
    opacity = (cover * np.float32(1 / 255))[..., None]
    return np.rint(ground.astype(np.float32) * (1 - opacity) + faded * opacity).astype(np.uint8)
