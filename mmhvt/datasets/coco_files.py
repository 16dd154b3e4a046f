"""Reader of annotation files in COCO's format, whose errors name file and annotation.

Whatever COCO's own files contain is valid: images without annotations, crowds as RLE, boxes and areas of less than a
pixel (mmdet leaves them out), parts with fewer than three points. `area` may be 0, and ids may be strings.
"""

import json
import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmengine.logging import print_log

from mmhvt.utils.files import require_file

from .folders import does_not_exist

# what mmdet, pycocotools and the metric read
IMAGE_KEYS = {'id', 'file_name', 'height', 'width'}
ANNOTATION_KEYS = {'id', 'image_id', 'category_id', 'bbox', 'area'}
CATEGORY_KEYS = {'id', 'name'}
# Tracked or rounded boxes may exceed the image by this fraction of its sides
OVERHANG = 0.05
# Bodies that the image cuts off may exceed it by more, up to this multiple of its sides
LARGEST_OVERHANG = 10
# in pixels, that OpenCV reads
LARGEST_IMAGE = 2**30
BOX = 'x, y, width, height in pixels'
SEGMENTATION = 'a list of polygons [x1, y1, x2, y2, …], or RLE: dict(size=[height, width], counts=…)'


class Entries:
    """Images, annotations or categories of a file, with errors that name one of them.

    Args:
        file: Name of the file, for messages.
        kind: 'image', 'annotation' or 'category'.
        entries: The entries.
        keys: Keys that each entry must have.

    Raises:
        ValueError: If an entry is not a dict, lacks a key, or has an invalid id or that of another entry.
    """

    def __init__(self, file: str, kind: str, entries: Sequence[dict], keys: Collection[str]) -> None:
        self.file, self.kind, self.entries = file, kind, entries
        keys = set(keys)
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self.fail(index, f'is {_short(entry)}: it must be a dict with {", ".join(sorted(keys))}')
            if lacking := keys - entry.keys():
                self.fail(
                    index,
                    f"has no {', '.join(sorted(lacking))}. In COCO's format, each {kind} has {', '.join(sorted(keys))}",
                )
        self.ids = self.column('id')
        self.check_ids('id', self.ids)
        if kind != 'annotation' and len(set(map(type, self.ids))) > 1:  # pycocotools sorts them
            index = next(i for i, one in enumerate(self.ids) if type(one) is not type(self.ids[0]))
            self.fail(index, f'has another type than {_short(self.ids[0])}: ids must be all integers, or all strings')
        # index of each entry by its id
        self.rows = dict(zip(self.ids, range(len(self.ids)), strict=True))
        if len(self.rows) < len(self.ids):
            index = next(i for i, one in enumerate(self.ids) if self.rows[one] != i)
            self.fail(index, f'occurs twice: each {kind} needs an id of its own')

    def column(self, key: str) -> list:
        """Values of a key."""
        return [entry[key] for entry in self.entries]

    def fail(self, index: int, fault: str) -> NoReturn:
        """Raises a ValueError about an entry."""
        raise ValueError(f'{self.file}: {self.name(index)} {fault}')

    def name(self, index: int) -> str:
        """Kind and id of an entry, or else its position, for messages."""
        entry = self.entries[index]
        known = isinstance(entry, dict) and _is_id(entry.get('id'))
        return f'{self.kind} {_short(entry["id"]) if known else f"at position {index + 1} in the file"}'

    def fail_if(self, wrong: np.ndarray, fault: Callable[[int], str]) -> None:
        """Raises a ValueError about the first entry that is wrong."""
        if wrong.any():
            index = int(wrong.argmax())
            self.fail(index, fault(index))

    def check_ids(self, key: str, values: list) -> None:
        """Checks the ids of a column."""
        if not set(map(type, values)) <= {int, str}:
            index = next(i for i, value in enumerate(values) if not _is_id(value))
            self.fail(index, f'has {key}={_short(values[index])}: it must be an integer or a string')

    def numbers(self, key: str) -> np.ndarray:
        """Finite numbers of a column, (n,).

        Raises:
            ValueError: If a value is not a finite number.
        """
        values = self.column(key)
        found = _as_numbers(values)
        if found is None:
            index = next(i for i, value in enumerate(values) if _as_numbers([value]) is None)
            self.fail(index, f'has {key}={_short(values[index])}: it must be a finite number')
        return found

    def refer(self, key: str, others: 'Entries', where: str) -> np.ndarray:
        """Indices among `others` of the ids that the entries have as `key`, (n,).

        Raises:
            ValueError: If one is not among their ids.
        """
        values, rows = self.column(key), others.rows
        self.check_ids(key, values)
        found = np.array([rows.get(value, -1) for value in values], dtype=int)
        self.fail_if(
            found < 0,
            lambda index: (
                f'has {key}={_short(values[index])}, which is not the id of one of the {len(rows)} {where}'
                f' (such as {_short(next(iter(rows), None))}): remove it, or add what it refers to'
            ),
        )
        return found


def _is_id(value: Any) -> bool:
    return type(value) in (int, str)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 60 else f'{text[:60]}…'


def _as_numbers(values: Iterable) -> np.ndarray | None:
    """Array of finite numbers; None if one is something else."""
    values = list(values)
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        found = np.array(values, dtype=float)
    except OverflowError:  # integers of hundreds of digits
        return None
    return found if np.isfinite(found).all() else None


@contextmanager
def named_if_missing(name: str) -> Iterator[None]:
    """Adds to the error for a missing annotation file what to do about it."""
    try:
        yield
    except FileNotFoundError:
        remedy = 'set ann_file, which is relative to data_root'
        raise FileNotFoundError(does_not_exist('annotation file', name, remedy)) from None


def read_coco(path: str, name: str) -> dict:
    """Reads a file in UTF-8, UTF-16 or UTF-32.

    Args:
        path: Path of the file.
        name: Its name in messages.

    Returns:
        dict: Lists of images, categories, and annotations, which the test sets lack.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If it is not a file (:func:`mmhvt.utils.files.require_file`), not JSON, or has no lists of images
            and categories.
    """
    no_format = f"{name} is not an annotation file in COCO's format: "
    data = require_file(path).read_bytes()
    if data.startswith(b'\x1f\x8b'):
        raise ValueError(f'{no_format}it is compressed. Unpack it with gunzip')
    try:
        content = json.loads(data)
    except UnicodeDecodeError as error:
        raise ValueError(f'{no_format}it is not {error.encoding.upper()} at byte {error.start}') from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{no_format}it is not JSON ({error})') from None
    if not isinstance(content, dict):
        raise ValueError(
            f'{no_format}it has a {type(content).__name__} ({_short(content)}), but needs a dict with images, '
            'annotations and categories'
        )
    for key in ('images', 'annotations', 'categories'):
        # the test sets have no annotations
        if not isinstance(content.get(key), list) and not (key == 'annotations' and key not in content):
            has = f'has {key}={_short(content[key])}' if key in content else f'has no {key}'
            raise ValueError(f'{no_format}it {has}, but needs a list of {key}')
        if not content.get(key, True) and key != 'annotations':
            raise ValueError(f'{no_format}its list of {key} is empty')
    return content


def index_coco(content: dict) -> COCO:
    """The index of a file's content that mmdet and its metric use."""
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    coco.img_ann_map, coco.cat_img_map = coco.imgToAnns, coco.catToImgs
    return coco


def check_coco(
    content: dict,
    file: str,
    *,
    evaluated: bool = False,
    masks: bool = False,
    classes: Collection[str] | None = None,
) -> int:
    """Checks the entries of a file, and removes parts of masks that have fewer than three points. COCO's 860 000
    annotations take 5 s, or 10 s with masks.

    Args:
        content: What :func:`read_coco` read.
        file: Name of the file, for messages.
        evaluated: Whether the file is for an evaluation, which needs `iscrowd`. Defaults to False.
        masks: Whether `segmentation` is needed. Defaults to False.
        classes: Names of the categories whose annotations are used. Defaults to None, all.

    Returns:
        int: Number of annotations of these classes.

    Raises:
        ValueError: If an entry is wrong. The message names file, entry, value, and what it must be.
    """
    categories = Entries(file, 'category', content['categories'], CATEGORY_KEYS)
    names = categories.column('name')
    categories.fail_if(
        np.array([not isinstance(name, str) for name in names]), lambda i: f'has name={names[i]!r}: it must be a string'
    )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'{file} has two categories named {twice[:60]!r}')
    images = Entries(file, 'image', content['images'], IMAGE_KEYS)
    files = images.column('file_name')
    images.fail_if(
        np.array([not isinstance(name, str) or not name.strip('\0 ') or '\0' in name for name in files]),
        lambda i: f'has file_name={_short(files[i])}: it must be the path of a file',
    )
    sizes = np.stack([images.numbers('width'), images.numbers('height')], axis=1)
    images.fail_if(
        np.any((sizes < 1) | (sizes % 1 > 0), axis=1) | (sizes.prod(1) > LARGEST_IMAGE),
        lambda i: (
            f'has width {sizes[i, 0]:g} and height {sizes[i, 1]:g}: they must be pixels, integers from 1, and at most '
            f'{LARGEST_IMAGE} in all'
        ),
    )
    for image, (width, height) in zip(images.entries, sizes.astype(int).tolist(), strict=True):
        image.update(width=width, height=height)  # pycocotools does not accept 640.0
    if 'annotations' not in content:
        return 0
    keys = ANNOTATION_KEYS | ({'iscrowd'} if evaluated else set())
    annotations = Entries(file, 'annotation', content['annotations'], keys)
    if not annotations.ids:
        return 0
    owners = annotations.refer('image_id', images, 'images')
    labels = annotations.refer('category_id', categories, 'categories')
    used = np.array([classes is None or name in classes for name in names])[labels]
    areas = annotations.numbers('area')
    annotations.fail_if(areas < 0, lambda i: f'has area={areas[i]:g}: it must not be negative')
    flags = [entry.get('iscrowd', 0) for entry in annotations.entries]
    if not set(map(type, flags)) <= {int, bool} or not set(flags) <= {0, 1}:
        wrong = next(i for i, flag in enumerate(flags) if type(flag) not in (int, bool) or flag not in (0, 1))
        annotations.fail(wrong, f'has iscrowd={_short(flags[wrong])}: it must be 0 or 1')
    kept = _check_boxes(annotations, sizes[owners], areas)
    if evaluated:
        kept[:] = True
    elif not kept.all() and kept.any():
        _warn(
            f'{file}: {(~kept).sum()} of {len(kept)} annotations are left out, as in mmdet, since box or area is less '
            f'than a pixel, or outside of the image, such as {annotations.name(int(kept.argmin()))}'
        )
    if masks:
        _check_masks(annotations, sizes[owners], np.flatnonzero(kept & used), files, owners)
    return int(used.sum())


def check_classes(file: str, categories: Sequence[str], classes: Sequence[str]) -> None:
    """Checks that classes are in the order of the file, in which mmdet numbers them.

    A class that the file lacks does not change the numbers of those before it.

    Args:
        file: Name of the file, for messages.
        categories: Names of its categories, in their order.
        classes: Names of the classes of a dataset.

    Raises:
        ValueError: If classes are in another order than in the file.
    """
    found = [name for name in categories if name in classes]
    if found != list(classes[: len(found)]):
        lacking = [name for name in classes if name not in categories]
        unknown = f' ({", ".join(map(repr, lacking))} not in the file)' if lacking else ''
        raise ValueError(
            f'{file} has the classes {found}, and metainfo {list(classes)}{unknown}: labels would have wrong names, '
            'since mmdet numbers classes in the order of the file. Use that order, or leave out metainfo'
        )


def _check_boxes(annotations: Entries, sizes: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Checks the boxes, and finds those that mmdet leaves out.

    Args:
        annotations: The annotations.
        sizes: Width and height of the image of each, (n, 2).
        areas: Area of each, (n,).

    Returns:
        np.ndarray: Whether mmdet keeps each, (n,).
    """
    values = annotations.column('bbox')
    lists = set(map(type, values)) <= {list} and set(map(len, values)) <= {4}
    flat = _as_numbers(chain.from_iterable(values)) if lists else None
    if flat is None:
        for index, value in enumerate(values):
            if not isinstance(value, list) or len(value) != 4 or _as_numbers(value) is None:
                annotations.fail(index, f'has bbox={_short(value)}: it must be four finite numbers, {BOX}')
    boxes = np.reshape(flat, (-1, 4))  # type: ignore[arg-type]  # numbers by now
    starts, sides = boxes[:, :2], boxes[:, 2:]

    def box(index: int) -> str:
        width, height = sizes[index]
        return f'bbox={_short(values[index])} in an image of {width:g} × {height:g}'

    annotations.fail_if(np.any(sides < 0, axis=1), lambda i: f'has {box(i)}: it is {BOX}, which must not be negative')
    ends = starts + sides
    over = ((starts < -OVERHANG * sizes - 1) | (ends > (1 + OVERHANG) * sizes + 1)).any(1)
    # read as x1, y1, x2, y2, all boxes are within their images
    corners = (starts <= sides) & (starts >= 0) & (sides <= (1 + OVERHANG) * sizes + 1)
    if over.any() and corners.all():
        index = int(over.argmax())
        raise ValueError(
            f'{annotations.file}: {over.sum()} of {len(boxes)} boxes end outside of their images, such as that of '
            f"{annotations.name(index)}, {box(index)}. They seem to be x1, y1, x2, y2, but COCO's bbox is "
            f'{BOX}: write [x1, y1, x2 - x1, y2 - y1]'
        )
    too_far = (starts < -LARGEST_OVERHANG * sizes) | (ends > (1 + LARGEST_OVERHANG) * sizes)
    annotations.fail_if(np.any(too_far, axis=1), lambda i: f'has {box(i)}: it is {BOX}, and far outside of the image')
    if over.mean() > 0.5:
        index = int(over.argmax())
        raise ValueError(
            f'{annotations.file}: {over.sum()} of {len(boxes)} boxes end outside of their images, such as that of '
            f"{annotations.name(index)}, {box(index)}. COCO's bbox is {BOX}, and x, y its upper left corner"
        )
    if over.any():
        _warn(
            f'{annotations.file}: {over.sum()} of {len(boxes)} boxes exceed their images by more than '
            f'{OVERHANG:.0%}, such as that of {annotations.name(int(over.argmax()))}'
        )
    return ((np.minimum(ends, sizes) > np.maximum(starts, 0)) & (sides >= 1)).all(1) & (areas > 0)


def _check_masks(
    annotations: Entries, sizes: np.ndarray, indices: np.ndarray, files: list[str], owners: np.ndarray
) -> None:
    """Checks the masks of some annotations, and removes parts with fewer than three points."""
    short = 0
    limits = ((1 + LARGEST_OVERHANG) * sizes.max(1)).tolist()
    for index in indices.tolist():
        entry = annotations.entries[index]
        found = entry.get('segmentation')
        if not found:
            annotations.fail(
                index,
                f'in {_short(files[owners[index]])[1:-1]} has no segmentation, but the pipeline or the metric needs '
                'masks. For boxes alone, use a detector without masks, such as Faster R-CNN, LoadAnnotations without '
                "with_mask, as in configs/_base_/datasets/coco_detection_ms-crop.py, and metric='bbox'",
            )
        if isinstance(found, dict):
            fault = _fault_of_rle(found, sizes[index])
        elif isinstance(found, list):
            fault = _fault_of_polygons(found, limits[index])
            if not fault and min(map(len, found)) < 6:
                whole = [polygon for polygon in found if len(polygon) >= 6]
                short += len(found) - len(whole)
                fault = '' if whole else 'it has no polygon of three points or more'
                entry['segmentation'] = whole
        else:
            fault = f'it must be {SEGMENTATION}'
        if fault:
            annotations.fail(index, f'has segmentation={_short(found)}: {fault}')
    if short:
        _warn(f'{annotations.file}: {short} polygons with fewer than three points are left out of masks')


def _fault_of_polygons(polygons: list, limit: float) -> str:
    """What is wrong with polygons, whose coordinates must be within a limit, or ''."""
    for polygon in polygons:
        try:
            # sums, since they are much faster than arrays
            if len(polygon) % 2 == 0 and polygon and math.isfinite(sum(polygon)):
                if min(polygon) < -limit or max(polygon) > limit:
                    return 'a point is far outside of the image'
                continue
        except (TypeError, OverflowError):  # not numbers
            pass
        if isinstance(polygon, list) and _as_numbers(polygon) is not None:
            return f'a polygon has {len(polygon)} coordinates, but needs x and y of each point'
        return f'it must be {SEGMENTATION}, of finite numbers'
    return ''


def _fault_of_rle(found: dict, size: np.ndarray) -> str:
    """What is wrong with a mask (height, width) as RLE, or ''."""
    height, width = int(size[1]), int(size[0])
    if found.get('size') != [height, width]:
        return f'its size must be that of the image, [{height}, {width}]'
    counts = found.get('counts')
    if isinstance(counts, str):
        runs = _decompress(counts)
    else:
        runs = _as_numbers(counts) if isinstance(counts, list) else None
        runs = None if runs is not None and (runs % 1).any() else runs
    if runs is None or (runs < 0).any():
        return 'its counts are not RLE'
    if runs.sum() != height * width:
        return f'its counts are {runs.sum():.0f} pixels, but the image has {height * width}'
    return ''


def _decompress(counts: str) -> np.ndarray | None:
    """Lengths of the runs of a compressed RLE, or None if it is invalid.

    Each character has 5 bits of a number, and one bit that says whether the number continues. From the fourth number
    on, it is the difference from the last but one. pycocotools leaves memory uninitialized if runs are missing.
    """
    codes = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(codes < 32)
    if not codes.size or codes.min() < 0 or codes.max() > 63 or not ends.size or ends[-1] != codes.size - 1:
        return None
    starts = np.append(0, ends[:-1] + 1)
    lengths = ends - starts + 1
    if lengths.max() > 7:
        return None
    places = 5 * (np.arange(codes.size) - np.repeat(starts, lengths))
    runs = np.add.reduceat((codes & 31) << places, starts)
    runs -= ((codes[ends] & 16) > 0).astype(np.int64) << 5 * lengths
    runs[1::2] = runs[1::2].cumsum()
    runs[2::2] = runs[2::2].cumsum()
    return runs


def _warn(message: str) -> None:
    print_log(message, 'current', logging.WARNING)
