"""Generated images for object detection and instance segmentation, annotated as COCO is.

Bright shapes on dark grounds overlap one another and the edges of the image; their categories differ in form alone.
What is seen of a shape is its instance: one that is seen whole has a polygon, one that is partly hidden or cut off has
a run-length encoding (RLE). Some images have a crowd, many small shapes of one category under one annotation with
`iscrowd=1`, and some have nothing. The smaller side of an image is at least three quarters of the larger possible one,
so that batches of them are padded unequally.
"""

import json
import math
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from .generated import SPLITS, begin_dataset, check_least, draw_in_parallel, finish_dataset
from .moving_shapes import arc, draw_ground


def _ring(points: int, *radii: float) -> list[tuple[float, float]]:
    """Corners at even angles whose distances from the centre take turns."""
    angles = 2 * np.pi * np.arange(points) / points
    return [(radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a)) for i, a in enumerate(angles)]


_ARM = 0.33  # half the width of the cross's arms
# category: polygon (corners, 2) about the origin, the farthest corner at distance 1; x to the right and y down
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
# Radius of a shape, as a share of the largest side; many shapes are smaller than few.
RADIUS = (0.08, 0.4)
CROWD_RADIUS = (0.025, 0.045)
LEAST_SIDE = 0.75
SHARE_EMPTY, SHARE_CROWD = 0.03, 0.1
# Of a shape this much lies in the image, and of that this much is not hidden.
LEAST_INSIDE, LEAST_SEEN = 0.6, 0.5
OUTLINE_SHADE = 0.45
_FINE = 8  # points that a pixel is sampled at, per axis
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
    # COCO's pixel i spans i to i + 1, cv2's has its centre at i
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


def _draw_polygon(category: str, centre: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """(corners, 2) in pixels, turned at random."""
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    return FORMS[category] @ np.array([[cos, sin], [-sin, cos]]) * radius + centre


def _draw_colour(rng: np.random.Generator) -> np.ndarray:
    """Bright in one channel at least; grounds are dark in all."""
    colour = rng.uniform(80, 255, 3)
    colour[rng.integers(3)] = rng.uniform(200, 255)
    return colour


def run_lengths(mask: np.ndarray) -> dict:
    """A bool mask (H, W) as COCO's uncompressed RLE: lengths of runs down the columns, the first of them zeros."""
    flat = mask.ravel(order='F')
    starts = np.flatnonzero(np.diff(flat, prepend=False))
    return dict(size=list(mask.shape), counts=np.diff(starts, prepend=0, append=len(flat)).tolist())


def draw_image(size: int, rng: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    """An image and its annotations.

    Args:
        size: Largest height and width in pixels.
        rng: Source of all randomness.

    Returns:
        Pixels (H, W, 3) uint8, RGB, and a dict for each object, at most :data:`MOST_OBJECTS` of them and crowds, as
        COCO has it less the ids: `category_id` (from 1, in order of :data:`FORMS`), `bbox` (x, y, width, height) and
        `area` in pixels of what is seen, `segmentation`, `iscrowd`.
    """
    height, width = (int(n) for n in rng.integers(math.ceil(LEAST_SIDE * size), size + 1, 2))
    pixels = draw_ground(size, rng)[:height, :width]
    objects = []  # of dicts: category, polygons, inside (mask), seen (mask), from the bottom to the top

    def add(category: str, polygons: list[np.ndarray]) -> bool:
        covers = [_cover(polygon, (height, width)) for polygon in polygons]
        inside = np.any([cover > 127 for cover in covers], axis=0)
        whole = sum(_area(polygon) for polygon in polygons) if len(polygons) == 1 else 0
        if inside.sum() < max(LEAST_INSIDE * whole, 1) or any(
            (other['seen'] & ~inside).sum() < LEAST_SEEN * other['inside'].sum() for other in objects
        ):
            return False
        for other in objects:
            other['seen'] &= ~inside
        objects.append(dict(category=category, polygons=polygons, inside=inside, seen=inside.copy()))
        for polygon, cover in zip(polygons, covers, strict=True):
            colour = _draw_colour(rng)
            edge = _cover(polygon, (height, width), outline=True)
            for paint, share in ((colour, cover), (colour * OUTLINE_SHADE, np.minimum(edge, cover))):
                share = (share / 255)[..., None]
                pixels[...] = pixels * (1 - share) + paint * share
        return True

    categories = list(FORMS)
    if rng.uniform() >= SHARE_EMPTY:
        if rng.uniform() < SHARE_CROWD:
            category = rng.choice(categories)
            centre = rng.uniform(0.2, 0.8, 2) * (width, height)
            places = centre + rng.uniform(-0.16, 0.16, (rng.integers(10, 17), 2)) * size
            add(category, [_draw_polygon(category, p, rng.uniform(*CROWD_RADIUS) * size, rng) for p in places])
        crowds = len(objects)
        count = int((MOST_OBJECTS + 1) ** rng.uniform())  # few more often than many
        largest = min(RADIUS[1], 0.8 / math.sqrt(count))
        # the small ones on top, where they are seen
        for radius in sorted(np.exp(rng.uniform(math.log(RADIUS[0]), math.log(largest), count)), reverse=True):
            category = rng.choice(categories)
            for _ in range(20):  # then there is no place for it
                place = rng.uniform(size=2) * (width, height)
                if add(category, [_draw_polygon(category, place, radius * size, rng)]):
                    break
    annotations = []
    for index, thing in enumerate(objects):
        seen = thing['seen']
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        left, top = int(columns[0]), int(rows[0])
        (polygon, *_) = thing['polygons']
        crowd = index < crowds
        whole = (seen == thing['inside']).all() and (polygon >= 0).all() and (polygon <= (width, height)).all()
        annotations.append(
            dict(
                category_id=categories.index(thing['category']) + 1,
                bbox=[left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
                area=int(seen.sum()),
                segmentation=[polygon.round(2).ravel().tolist()] if whole and not crowd else run_lengths(seen),
                iscrowd=int(crowd),
            )
        )
    return np.rint(pixels).astype(np.uint8), annotations


def _write_some(task: tuple[str, int, int], out: Path, size: int, seed: int) -> list[tuple[dict, list[dict]]]:
    """Images `first` to `last` (exclusive) of a split; their entries in the annotation file."""
    split, first, last = task
    entries = []
    for index in range(first, last):
        # an image depends on its own number alone, whichever process draws it and however many there are
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
    arguments). The arguments alone, less `processes`, decide the contents. Annotation files and manifest come last and
    together: a folder that an interrupted call left cannot be trained on, and the next call with the same arguments
    finishes it.

    Args:
        out: Folder; new, empty, or what an earlier call with the same arguments left.
        images: Training images.
        val_images: Validation images.
        size: Largest height and width in pixels, 64 or more.
        seed: Decides every image; 0 or more.
        processes: Draw at the same time.

    Returns:
        True if it wrote, False if the dataset was there.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    check_least(
        ('images', images, 1),
        ('val_images', val_images, 1),
        ('size', size, 64),
        ('seed', seed, 0),
        ('processes', processes, 1),
    )

    out = Path(out)
    counts = {'train': images, 'val': val_images}
    arguments = dict(images=images, val_images=val_images, size=size, seed=seed)
    if not begin_dataset(out, arguments, counts, 'shapes', 'images', '.png'):
        return False
    (out / 'annotations').mkdir(exist_ok=True)
    some = 20  # images a task: often enough to see progress
    tasks = [
        (split, first, min(first + some, count)) for split, count in counts.items() for first in range(0, count, some)
    ]
    parts = draw_in_parallel(partial(_write_some, out=out, size=size, seed=seed), tasks, processes)
    for split in SPLITS:
        entries = [entry for task, part in zip(tasks, parts, strict=True) if task[0] == split for entry in part]
        pairs = [(image['id'], annotation) for image, annotations in entries for annotation in annotations]
        content = dict(
            info=dict(description='generated shapes, mmhvt.datasets.shapes_coco'),
            images=[image for image, _ in entries],
            annotations=[
                dict(id=number, image_id=image, **annotation) for number, (image, annotation) in enumerate(pairs, 1)
            ],
            categories=[dict(id=number, name=name, supercategory='shape') for number, name in enumerate(FORMS, 1)],
        )
        (out / f'annotations/instances_{split}.json').write_text(json.dumps(content) + '\n')
    finish_dataset(out)
    return True
