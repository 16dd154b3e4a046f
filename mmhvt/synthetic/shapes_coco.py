"""Generated images for object detection and instance segmentation, annotated as COCO is.

Bright shapes on dark backgrounds overlap one another and the edges of the image; their categories differ in form alone.
The visible part of a shape is its instance: a fully visible one has a polygon, one that is partly hidden or cut off has
a run-length encoding (RLE). Some images have a crowd, many small shapes of one category under one annotation with
`iscrowd=1`, and some have nothing. The sides of an image are at least three quarters of the largest possible one, so
that images in a batch need different padding.
"""

import json
import math
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from .generate import SPLITS, begin_dataset, check_arguments, draw_in_parallel, finish_dataset
from .shapes import arc, draw_ground


def _ring(points: int, *radii: float) -> list[tuple[float, float]]:
    """Corners at even angles, whose distances from the center alternate."""
    angles = 2 * np.pi * np.arange(points) / points
    return [(radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a)) for i, a in enumerate(angles)]


_ARM = 0.33  # half the width of the cross's arms
# category: polygon (corners, 2) around the origin, the farthest corner at distance 1; x to the right and y down
FORMS: dict[str, np.ndarray] = {
    'circle': np.array(arc(0, 360, 41)[:-1]),
    'square': np.array(_ring(4, 1.0)),
    'triangle': np.array(_ring(3, 1.0)),
    'star': np.array(_ring(10, 1.0, 0.42)),
    'cross': np.array(
        [(-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM)]
        + [(_ARM, 1), (-_ARM, 1), (-_ARM, _ARM), (-1, _ARM), (-1, -_ARM), (-_ARM, -_ARM)]
    )
    / math.hypot(1, _ARM),
}
MOST_OBJECTS = 20
# Radius of a shape, as a fraction of the largest side; the more shapes, the smaller.
RADIUS = (0.08, 0.4)
CROWD_RADIUS = (0.025, 0.045)
LEAST_SIDE = 0.75
SHARE_EMPTY, SHARE_CROWD = 0.03, 0.1
# At least this fraction of a shape is inside the image, and this fraction of that is visible.
LEAST_INSIDE, LEAST_SEEN = 0.6, 0.5
OUTLINE_SHADE = 0.45
_FINE = 8  # sampling points per pixel and axis
_BITS = 6  # of a point, in cv2's fixed-point coordinates


def _cover(polygon: np.ndarray, shape: tuple[int, int], outline: bool = False) -> np.ndarray:
    """(H, W) uint8: how much of each pixel the polygon, or the line around it, covers; 255 for all of it.

    cv2 draws with smooth edges itself, but half a pixel too far.
    """
    cover = np.zeros(shape, np.uint8)
    low = np.clip(np.floor(polygon.min(0)).astype(int) - 1, 0, shape[::-1])
    high = np.clip(np.ceil(polygon.max(0)).astype(int) + 1, 0, shape[::-1])
    if (low >= high).any():
        return cover
    fine = np.zeros((high - low)[::-1] * _FINE, np.uint8)
    # COCO's pixel i spans i to i + 1, cv2's has its center at i
    points = np.round(((polygon - low) * _FINE - 0.5) * 2**_BITS).astype(np.int32)
    if outline:
        cv2.polylines(fine, [points], True, 255, 2 * _FINE, shift=_BITS)
    else:
        cv2.fillPoly(fine, [points], 255, shift=_BITS)
    cover[low[1] : high[1], low[0] : high[0]] = cv2.resize(fine, tuple(high - low), interpolation=cv2.INTER_AREA)
    return cover


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


def _draw_polygon(category: str, center: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """(corners, 2) in pixels, rotated at random."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    return FORMS[category] @ np.array([[cos, sin], [-sin, cos]]) * radius + center


def _draw_color(rng: np.random.Generator) -> np.ndarray:
    """Bright in one channel at least; backgrounds are dark in all."""
    color = rng.uniform(80, 255, 3)
    color[rng.integers(3)] = rng.uniform(200, 255)
    return color


def run_lengths(mask: np.ndarray) -> dict:
    """A bool mask (H, W) as COCO's uncompressed RLE: lengths of runs down the columns, the first of them zeros."""
    flat = mask.ravel(order='F')
    starts = np.flatnonzero(np.diff(flat, prepend=False))
    return dict(size=list(mask.shape), counts=np.diff(starts, prepend=0, append=len(flat)).tolist())


class _Scene:
    """An image and its objects, from the bottom to the top.

    Args:
        pixels: (H, W, 3) background.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.objects: list[dict] = []  # category, polygons, inside (mask), seen (mask)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width, _ = self.pixels.shape
        return width, height

    def add(self, category: str, polygons: list[np.ndarray], rng: np.random.Generator) -> bool:
        """Draw an object on top; False if too little of it or of another one would be visible."""
        shape = self.pixels.shape[:2]
        covers = [_cover(polygon, shape) for polygon in polygons]
        inside = np.any([cover > 127 for cover in covers], axis=0)
        whole = sum(_area(polygon) for polygon in polygons) if len(polygons) == 1 else 0
        if inside.sum() < max(LEAST_INSIDE * whole, 1) or any(
            (other['seen'] & ~inside).sum() < LEAST_SEEN * other['inside'].sum() for other in self.objects
        ):
            return False
        for other in self.objects:
            other['seen'] &= ~inside
        self.objects.append(dict(category=category, polygons=polygons, inside=inside, seen=inside.copy()))
        for polygon, cover in zip(polygons, covers, strict=True):
            color = _draw_color(rng)
            edge = _cover(polygon, shape, outline=True)
            for paint, share in ((color, cover), (color * OUTLINE_SHADE, np.minimum(edge, cover))):
                share = (share / 255)[..., None]
                self.pixels[...] = self.pixels * (1 - share) + paint * share
        return True


def _add_crowd(scene: _Scene, size: int, rng: np.random.Generator) -> None:
    """Many small shapes of one category, as one object."""
    category = rng.choice(list(FORMS))
    center = rng.uniform(0.2, 0.8, 2) * scene.size
    places = center + rng.uniform(-0.16, 0.16, (rng.integers(10, 17), 2)) * size
    polygons = [_draw_polygon(category, p, rng.uniform(*CROWD_RADIUS) * size, rng) for p in places]
    scene.add(category, polygons, rng)


def _add_shapes(scene: _Scene, size: int, rng: np.random.Generator) -> None:
    """Shapes, as far as there is space; few are more likely than many."""
    count = int((MOST_OBJECTS + 1) ** rng.uniform())
    largest = min(RADIUS[1], 0.8 / math.sqrt(count))
    # the small ones on top, where they are seen
    for radius in sorted(np.exp(rng.uniform(math.log(RADIUS[0]), math.log(largest), count)), reverse=True):
        category = rng.choice(list(FORMS))
        for _ in range(20):  # after so many attempts, there is no place for it
            place = rng.uniform(size=2) * scene.size
            if scene.add(category, [_draw_polygon(category, place, radius * size, rng)], rng):
                break


def _annotate(thing: dict, crowd: bool, size: tuple[int, int]) -> dict:
    """The annotation of an object in an image of `size` (width, height)."""
    seen, polygon = thing['seen'], thing['polygons'][0]
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    left, top = int(columns[0]), int(rows[0])
    whole = (seen == thing['inside']).all() and (polygon >= 0).all() and (polygon <= size).all()
    return dict(
        category_id=list(FORMS).index(thing['category']) + 1,
        bbox=[left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        area=int(seen.sum()),
        segmentation=[polygon.round(2).ravel().tolist()] if whole and not crowd else run_lengths(seen),
        iscrowd=int(crowd),
    )


def draw_image(size: int, rng: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    """An image and its annotations.

    Args:
        size: Largest height and width in pixels.
        rng: Source of all randomness.

    Returns:
        Pixels (H, W, 3) uint8, RGB, and a dict for each object, at most :data:`MOST_OBJECTS` besides crowds, in COCO's
        format without ids: `category_id` (from 1, in order of :data:`FORMS`), `bbox` (x, y, width, height) and `area`
        of the visible part in pixels, `segmentation`, `iscrowd`.
    """
    height, width = (int(n) for n in rng.integers(math.ceil(LEAST_SIDE * size), size + 1, 2))
    scene = _Scene(draw_ground(size, rng)[:height, :width])
    crowds = 0
    if rng.uniform() >= SHARE_EMPTY:
        if rng.uniform() < SHARE_CROWD:
            _add_crowd(scene, size, rng)
        crowds = len(scene.objects)
        _add_shapes(scene, size, rng)
    annotations = [_annotate(thing, index < crowds, scene.size) for index, thing in enumerate(scene.objects)]
    return np.rint(scene.pixels).astype(np.uint8), annotations


def _write_some(task: tuple[str, int, int], out: Path, size: int, seed: int) -> list[tuple[dict, list[dict]]]:
    """Images `first` to `last` (exclusive) of a split; their entries in the annotation file."""
    split, first, last = task
    entries = []
    for index in range(first, last):
        # an image depends on its number alone, not on which process draws it or on how many there are
        pixels, annotations = draw_image(size, np.random.default_rng([seed, SPLITS.index(split), index]))
        height, width, _ = pixels.shape
        name = f'{index:06d}.png'
        path = out / split / name
        if not cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)):
            raise OSError(f'{path} cannot be written: is the folder writable, and is there space left?')
        entries.append((dict(id=index + 1, file_name=name, height=height, width=width), annotations))
    return entries


def write_dataset(
    out: str | Path, images: int = 1000, val_images: int = 100, size: int = 160, seed: int = 0, processes: int = 2
) -> bool:
    """Write images and the annotation files that mmdet's CocoDataset and CocoMetric read.

    `out` then holds `train/` and `val/` (PNG), `annotations/instances_{train,val}.json` and `manifest.json` (these
    arguments). The arguments alone, except `processes`, determine the contents. Annotation files and manifest come last
    and together: a folder that an interrupted call left cannot be trained on, and the next call with the same arguments
    finishes it.

    Args:
        out: Folder; new, empty, or left by an earlier call with the same arguments.
        images: Training images.
        val_images: Validation images.
        size: Largest height and width in pixels, 64 or more.
        seed: Decides every image; 0 or more.
        processes: Number of processes that draw.

    Returns:
        True if the dataset was written, False if it existed.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    out = Path(out)
    counts = {'train': images, 'val': val_images}
    arguments = dict(images=images, val_images=val_images, size=size, seed=seed)
    check_arguments(arguments, processes, least=dict(size=64))
    if not begin_dataset(out, arguments, counts, 'shapes', 'images', '.png'):
        return False
    (out / 'annotations').mkdir(exist_ok=True)
    some = 20  # images per task: few enough to show progress
    tasks = [
        (split, first, min(first + some, count)) for split, count in counts.items() for first in range(0, count, some)
    ]
    parts = draw_in_parallel(partial(_write_some, out=out, size=size, seed=seed), tasks, processes)
    for split in SPLITS:
        entries = [entry for task, part in zip(tasks, parts, strict=True) if task[0] == split for entry in part]
        pairs = [(image['id'], annotation) for image, annotations in entries for annotation in annotations]
        content = dict(
            info=dict(description='generated shapes, mmhvt.synthetic.shapes_coco'),
            images=[image for image, _ in entries],
            annotations=[
                dict(id=number, image_id=image, **annotation) for number, (image, annotation) in enumerate(pairs, 1)
            ],
            categories=[dict(id=number, name=name, supercategory='shape') for number, name in enumerate(FORMS, 1)],
        )
        (out / f'annotations/instances_{split}.json').write_text(json.dumps(content) + '\n')
    finish_dataset(out)
    return True
