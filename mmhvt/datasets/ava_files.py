"""Readers of AVA's file formats, whose errors name file and line, or key.

A key frame is a video and a time in seconds (in frames, if a dataset has fps=1). mmaction2 writes it as 'VIDEO,0902'
everywhere, and silently ignores proposals whose keys are spelled differently.
"""

import csv
import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.fileio import get, load
from mmengine.logging import print_log

from mmhvt.migrate.pickles import ArrayUnpickler, read_pickle
from mmhvt.utils.files import READ_ERRORS

from .annotations import read_text
from .folders import does_not_exist
from .labels import is_label_map, numbered_names

COLUMNS = 'VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON'
# Tracked or rounded boxes may exceed the frame by this fraction of its size. They are clipped.
OVERHANG = 0.05
RELATIVE = 'x1, y1, x2, y2 must be relative to width and height, from 0 to 1'
PIXELS = 'tools/data/proposals.py --pixels divides by width and height'


class Action(NamedTuple):
    """A line of annotations: one action of a person in a key frame. Each action of a person has its own line."""

    video: str
    time: int
    box: tuple[float, float, float, float]
    label: int
    person: int


def key_of(video: str, time: int) -> str:
    """Returns mmaction2's key of a key frame: 'VIDEO,0902'."""
    return f'{video},{time:04d}'


def examples(keys: Iterable[str], most: int = 3) -> str:
    """Returns the first of the sorted key frames, for messages."""
    keys = sorted(keys)
    return ', '.join(map(repr, keys[:most])) + (', …' if len(keys) > most else '')


def read_annotations(
    path: str, num_classes: int | None = None, first_class: int = 1, needs_person: bool = True
) -> list[Action]:
    """Reads annotations. Empty lines and key frames without a person ('VIDEO,0902,,,,,,' in AVA-Kinetics) are skipped.

    Args:
        path: Path of a CSV file with the columns `COLUMNS`.
        num_classes: Largest allowed class plus one. Defaults to None, unchecked.
        first_class: Smallest allowed class. Defaults to 1, since AVA's class 0 is the background.
        needs_person: Whether the last column is required. Defaults to True.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a line is malformed or there is none. The message names file and line.
    """
    overhanging = wide = 0

    def parse(fields: list[str]) -> Action | None:
        nonlocal overhanging, wide
        somebody = any(fields[2:8])
        if len(fields) < ((8 if needs_person else 7) if somebody else 2):
            raise ValueError(f'has {len(fields)} columns, but needs {COLUMNS}, separated by commas')
        video, time = _key_frame(fields)
        if not somebody:
            return None
        wide += any(fields[8:])
        if not all(map(_is_numeric, fields[2:6])):
            raise ValueError(f'has a box that is not numeric: {RELATIVE}')
        x1, y1, x2, y2 = map(float, fields[2:6])
        box = x1, y1, x2, y2
        if fault := _fault(box):
            raise ValueError(f'has {fault}')
        if min(box) < 0 or max(box) > 1:
            overhanging += 1
            x1, y1, x2, y2 = (min(max(side, 0.0), 1.0) for side in box)
            box = x1, y1, x2, y2
        label = _whole(fields[6], 'class')
        if label < first_class:
            rule = 'classes start at 1, since class 0 is the background' if first_class else 'classes start at 0'
            raise ValueError(f'has class {label}: {rule}')
        if num_classes is not None and label >= num_classes:
            background = ' including the background' if first_class else ''
            raise ValueError(
                f'has class {label}, but num_classes={num_classes}{background}: classes must be from {first_class} to '
                f'{num_classes - 1}. Set num_classes={label + 1}, or choose classes with custom_classes'
            )
        return Action(video, time, box, label, _whole(fields[7], 'person') if len(fields) > 7 else 0)

    actions = [action for action in _parse_lines(path, 'annotation file', parse) if action is not None]
    if not actions:
        raise ValueError(f'annotation file {path} has no line with a person: lines are {COLUMNS}')
    if repeated := len(actions) - len(set(actions)):
        (twice, _), *_ = Counter(actions).most_common(1)
        warn(
            f'{path}: {repeated} of {len(actions)} lines repeat another one, such as that of class {twice.label} in '
            f'{key_of(twice.video, twice.time)!r}, and count once'
        )
        actions = list(dict.fromkeys(actions))
    if wide:
        warn(f'{path}: {wide} of {len(actions)} lines have more columns than {COLUMNS}, which are ignored')
    if overhanging:
        warn(f'{path}: {overhanging} of {len(actions)} boxes exceed the frame and are clipped')
    return actions


def read_exclusions(path: str) -> set[tuple[str, int]]:
    """Reads key frames, as video and time, from lines VIDEO,SECOND. Empty lines are skipped.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a line is malformed. The message names file and line.
    """

    def parse(fields: list[str]) -> tuple[str, int]:
        if len(fields) != 2:
            raise ValueError(f'has {len(fields)} columns, but needs VIDEO,SECOND, separated by a comma')
        return _key_frame(fields)

    return set(_parse_lines(path, 'exclude_file', parse))


def without_exclusions(key_frames: Iterable[tuple[str, int]], ann_file: str, exclude_file: str | None) -> set:
    """Returns the annotated key frames that the exclusions leave.

    Warns if the exclusions seem to belong to other annotations: all have other videos, or times before or after the
    annotated ones. Excluding no key frame is not an error: the annotations may already lack them.

    Raises:
        ValueError: If no key frame is left.
    """
    key_frames = set(key_frames)
    if exclude_file is None:
        return key_frames
    excluded = read_exclusions(exclude_file)
    left = key_frames - excluded
    if not left:
        raise ValueError(f'{exclude_file} excludes all {len(key_frames)} key frames of {ann_file}')
    videos, times = {video for video, _ in key_frames}, {time for _, time in key_frames}
    meant = any(video in videos and min(times) <= time <= max(times) for video, time in excluded)
    if excluded and not meant:
        there, here = (examples(key_of(*frame) for frame in frames) for frames in (excluded, key_frames))
        warn(
            f'{exclude_file} excludes nothing: its {len(excluded)} key frames ({there}) have other videos or times '
            f'than those of {ann_file} ({here})'
        )
    return left


def read_label_map(path: str) -> dict[int, str]:
    """Reads the names of classes by number.

    The file is in AVA's format, or a list of one name per line (:func:`mmhvt.datasets.labels.numbered_names`).

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it has no class, or something else is wrong with it. The message names file and line.
    """
    text = _text(path, 'label_file')
    names = numbered_names(path, text)
    if not names:
        raise ValueError(
            f'label_file {path} has no class: write '
            + ('item { name: "bend" id: 1 } for each' if is_label_map(path, text) else 'one name per line')
        )
    return names


def default_num_classes(custom_classes: Iterable[int] | None, label_file: str | None) -> int:
    """Returns the default number of classes of datasets and metrics, including class 0, the background.

    It is one more than the number of `custom_classes`; otherwise one more than the largest class of `label_file`;
    otherwise AVA's 81.
    """
    if custom_classes is not None:
        return len(list(custom_classes)) + 1
    return 81 if label_file is None else max(read_label_map(label_file)) + 1


def names_of_all(
    label_file: str | None, num_classes: int, custom_classes: Sequence[int] | None
) -> tuple[str, ...] | None:
    """Returns the names of the classes from 1 on, or of `custom_classes`; None if `label_file` does not name them all.

    AVA's files name 60 of its 80 classes.
    """
    if label_file is None:
        return None
    named = read_label_map(label_file)
    numbers = list(custom_classes or range(1, num_classes))
    return tuple(named[number] for number in numbers) if set(numbers) <= named.keys() else None


def check_custom_classes(custom_classes: Iterable[int], num_classes: int, label_file: str | None) -> list[int]:
    """Returns `custom_classes` as a list.

    Raises:
        ValueError: If they are not distinct classes of `label_file`, or `num_classes` is not their number plus one.
    """
    classes = list(custom_classes)
    given = f'custom_classes={classes}'
    if label_file is None:
        raise ValueError(f'{given} needs label_file, from which classes are chosen')
    if num_classes != len(classes) + 1:
        raise ValueError(
            f'{given} needs num_classes={len(classes) + 1}, their number plus one for the background, got {num_classes}'
        )
    if len(set(classes)) < len(classes) or not classes:
        raise ValueError(f'{given}: name at least one class, each once')
    if unknown := set(classes) - set(read_label_map(label_file)):
        raise ValueError(f'{given}: {sorted(unknown)} are not classes of {label_file}, which start at 1')
    return classes


class _ProposalUnpickler(ArrayUnpickler):
    """:class:`ArrayUnpickler`, which runs no code. It also accepts defaultdicts, in which boxes are collected."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('collections', 'defaultdict'):
            return _plain_dict
        if module in ('builtins', '__builtin__') and name in ('list', 'dict'):
            return {'list': list, 'dict': dict}[name]
        return super().find_class(module, name)


def _plain_dict(*_) -> dict:
    return {}


def read_proposals(path: str, size_of: Callable[[str], tuple[int, int]] | None = None) -> dict[str, np.ndarray]:
    """Reads boxes (n, 4), or (n, 5) with scores, by key frame ('VIDEO,0902') from a pickled dict, a JSON or a CSV file.

    No code in the file is run. In a dict, boxes may be arrays or lists. Other spellings of keys, such as
    ('VIDEO', 902), b'VIDEO,0902' or 'VIDEO,902.0', are accepted with a warning, since other programs do not find them.
    CSV has AVA's lines: VIDEO,SECOND,x1,y1,x2,y2, with a score in the last of 7 columns, or in the last of 8 if the one
    before is empty. The columns CLASS,PERSON of annotations are ignored; a box that is listed several times counts
    once. Key frames without boxes are left out.

    Args:
        path: Path of the file, which ends with .json for JSON and with .csv for CSV.
        size_of: Function that returns width and height of a video, if boxes are in pixels. Defaults to None: they are
            relative to the size of the frame.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it cannot be read, or a key or line has something other than boxes within the frame. The message
            names the key or the line.
    """
    if Path(path).suffix == '.csv':
        return _read_proposal_lines(path, size_of)
    content = _load(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f'proposal_file {path} has {"no key frames" if content == {} else f"a {type(content).__name__}"}: it needs '
            "a dict from 'VIDEO,0902' to arrays of boxes"
        )
    found, respelled, largest = {}, [], 0.0
    for key, rows in content.items():
        name = f'proposal_file {path}, key {key!r}'
        try:
            video, time = _parse_key(key)
            frame = key_of(video, time)
            boxes = np.asarray(rows)
            boxes = boxes.astype(np.result_type(boxes, np.float32), copy=False)  # no float16, no integers
        except (ValueError, TypeError) as error:
            raise ValueError(f'{name} {error}') from None
        if not boxes.size:
            continue
        if boxes.ndim != 2 or boxes.shape[1] not in (4, 5) or boxes.dtype.kind != 'f':
            raise ValueError(f'{name} has {boxes.dtype} {boxes.shape}: it needs numbers (n, 4), or (n, 5) with scores')
        if frame != key:
            respelled.append((key, frame))
        if frame in found:
            raise ValueError(f'{name} is {frame!r}, which occurs twice')
        largest = max(largest, boxes[:, :4].max())
        found[frame] = _as_shares(boxes, size_of(video)) if size_of else boxes
    if size_of:
        _check_pixels(path, largest)
    if found:
        _check_boxes(path, found)
    if respelled:
        key, frame = respelled[0]
        warn(
            f'proposal_file {path}: {len(respelled)} keys such as {key!r} are read as {frame!r}, the spelling that '
            'mmaction2 and others need'
        )
    return found


def _as_shares(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Divides boxes (n, 4) or (n, 5) by width and height."""
    return boxes / np.array([*size, *size, 1], boxes.dtype)[: boxes.shape[1]]


def _check_pixels(path: str, largest: float) -> None:
    """Rejects boxes that are declared to be in pixels but are relative."""
    if 0 < largest <= 1:
        raise ValueError(f'proposal_file {path}: no side exceeds 1, so boxes are not in pixels: leave out --pixels')


def _read_proposal_lines(path: str, size_of: Callable[[str], tuple[int, int]] | None) -> dict[str, np.ndarray]:
    """Reads proposals from lines of CSV."""
    found: dict[str, dict[tuple[float, ...], float]] = {}
    largest = 0.0

    def parse(fields: list[str]) -> None:
        nonlocal largest
        if len(fields) not in (2, 6, 7, 8) and any(fields[2:6]):
            raise ValueError(f'has {len(fields)} columns, but needs VIDEO,SECOND,x1,y1,x2,y2, and may have a score')
        video, time = _key_frame(fields)
        if not any(fields[2:6]):
            return
        last = '' if len(fields) == 6 or (len(fields) == 8 and fields[6]) else fields[-1]
        try:
            box = np.array([float(side) for side in fields[2:6]])
            score = float(last) if last else math.nan
        except ValueError:
            raise ValueError('has a box or a score that is not a number') from None
        if size_of:
            largest = max(largest, box.max())
            box = _as_shares(box[None], size_of(video))[0]
        if fault := _fault(box.tolist(), PIXELS):
            raise ValueError(f'has {fault}')
        if last and not math.isfinite(score):
            raise ValueError('has a score that is not finite')
        found.setdefault(key_of(video, time), {}).setdefault(tuple(box.tolist()), score)

    for _ in _parse_lines(path, 'proposal_file', parse):
        pass
    if size_of:
        _check_pixels(path, largest)
    if not found:
        raise ValueError(f'proposal_file {path} has no boxes: lines are VIDEO,SECOND,x1,y1,x2,y2,SCORE')
    boxes = {key: np.array([(*box, score) for box, score in rows.items()]) for key, rows in found.items()}
    scored = [~np.isnan(rows[:, 4]) for rows in boxes.values()]
    if not np.concatenate(scored).any():
        boxes = {key: rows[:, :4] for key, rows in boxes.items()}
    elif not np.concatenate(scored).all():
        key = next(key for key, has_score in zip(boxes, scored, strict=True) if not has_score.all())
        raise ValueError(f'proposal_file {path} has boxes with a score and others, as in {key!r}, without one')
    _check_boxes(path, boxes)
    return boxes


def _load(path: str) -> Any:
    suffix = Path(path).suffix
    try:
        if suffix == '.json':
            return load(path)
        # AVA's own were written by Python 2
        return read_pickle(bytes(get(path)), _ProposalUnpickler)
    except FileNotFoundError:
        raise FileNotFoundError(does_not_exist('proposal_file', path)) from None
    except READ_ERRORS as error:
        reason = (str(error) or type(error).__name__).replace(' in a checkpoint', '')
        if 'torch' in reason or 'persistent' in reason:
            reason += '; write tensors as arrays (tensor.numpy()) or lists with pickle.dump'
        raise ValueError(
            f"proposal_file {path} cannot be read as a pickled dict, or JSON, from 'VIDEO,0902' to boxes: {reason}"
        ) from None


def _parse_key(key: Any) -> tuple[str, int]:
    """Parses the video and time of a key of proposals, in any spelling."""
    if isinstance(key, bytes):
        key = key.decode()
    if isinstance(key, str):
        key = key.rpartition(',')[::2]
    parts = key if isinstance(key, tuple) else ()
    video, *time = (part.decode() if isinstance(part, bytes) else str(part).strip() for part in parts or [''])
    if not video or len(time) != 1:
        raise ValueError("is not a key frame: keys must be 'VIDEO,SECOND'")
    return video, _whole(time[0], 'second')


def _check_boxes(path: str, found: dict[str, np.ndarray]) -> None:
    """Checks all boxes and clips them to the frame in place. All at once, since AVA has 170,000 arrays."""
    boxes = np.concatenate([rows[:, :4] for rows in found.values()]).astype(float)
    scores = np.concatenate([rows[:, 4:].ravel() for rows in found.values()])
    owners = np.repeat(np.arange(len(found)), [len(rows) for rows in found.values()])
    inside = ((boxes >= -OVERHANG) & (boxes <= 1 + OVERHANG)).all(1)  # NaN is not
    wrong = ~(inside & (boxes[:, 2:] >= boxes[:, :2]).all(1))
    keys = list(found)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f'proposal_file {path}, key {keys[owners[row]]!r} has {_fault(boxes[row].tolist(), PIXELS)}')
    if not np.isfinite(scores).all():
        key = next(key for key, rows in found.items() if not np.isfinite(rows[:, 4:]).all())
        raise ValueError(f'proposal_file {path}, key {key!r} has a score that is not finite')
    overhanging = ((boxes < 0) | (boxes > 1)).any(1)
    for owner in np.unique(owners[overhanging]):
        rows = found[keys[owner]] = found[keys[owner]].copy()
        rows[:, :4] = rows[:, :4].clip(0, 1)
    if overhanging.any():
        warn(f'{path}: {overhanging.sum()} of {len(boxes)} boxes exceed the frame and are clipped')


def _fault(box: Iterable[float], remedy: str = 'divide by width and height') -> str:
    """Describes what is wrong with a box, or returns ''. `remedy` is for boxes in pixels."""
    x1, y1, x2, y2 = box
    if not all(-OVERHANG <= side <= 1 + OVERHANG for side in box):
        fault = f'{RELATIVE}, not in pixels' + (f': {remedy}' if max(box) > 1 else '')
    elif x2 < x1 or y2 < y1:
        fault = 'it must have x1 ≤ x2 and y1 ≤ y2'
    else:
        return ''
    return f'the box [{", ".join(f"{side:g}" for side in box)}]: {fault}'


def _text(path: str, what: str) -> str:
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise FileNotFoundError(does_not_exist(what, path)) from None
    return text.replace('\r\n', '\n').replace('\r', '\n')


def _parse_lines(path: str, what: str, parse: Callable[[list[str]], Any]) -> Iterator[Any]:
    """Parses the fields of each line that is not empty. Errors name file and line."""
    for number, line in enumerate(_text(path, what).split('\n'), 1):
        if not line.strip():
            continue
        try:
            fields = next(csv.reader([line])) if '"' in line else line.split(',')
            yield parse([field.strip() for field in fields])
        except (ValueError, csv.Error) as error:
            header = number == 1 and not any(map(str.isdigit, ''.join(line.split(',')[1:2])))
            hint = '. Is it a header? This format has none' if header else ''
            shown = line.strip() if len(line) < 200 else f'{line[:200]}…'
            raise ValueError(f'{path}, line {number}: {shown!r} {error}{hint}') from None


def _key_frame(fields: list[str]) -> tuple[str, int]:
    video, time = fields[:2]
    if not video or ',' in video:
        raise ValueError('needs the name of a video, without a comma')
    return video, _whole(time, 'second')


def _whole(text: str, what: str) -> int:
    """Parses an integer: 902 for '0902', '902' and '902.0'."""
    number = float(text) if _is_numeric(text) else math.nan
    # beyond 2**53 a float has no exact integers
    if not number.is_integer() or abs(number) >= 2**53 or (number < 0 and what == 'second'):
        raise ValueError(f'has the {what} {text!r}, which must be an integer')
    return int(number)


def _is_numeric(text: str) -> bool:
    """Whether a string is a number that other programs can read: not '1_000', nor in other digits."""
    return (
        re.fullmatch(r'[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)', text, re.ASCII | re.IGNORECASE)
        is not None
    )


def warn(message: str) -> None:
    """Logs a warning."""
    print_log(message, 'current', logging.WARNING)
