"""Files in the format of AVA, read so that what is wrong in them is named by file and line, or by key.

A key frame is a video and a time, which counts seconds (frames, where a dataset has fps=1). mmaction2 writes it
'VIDEO,0902' everywhere: keys of proposals that are spelled otherwise it does not find, and says nothing.
"""

import csv
import io
import logging
import pickle
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.fileio import get, load
from mmengine.logging import print_log

from mmhvt.migrate.reading import ArrayUnpickler

from .annotations import read_text

COLUMNS = 'VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON'
# How far a box may reach over an edge of the picture, in shares of its side: trackers and rounding do so. It is cut.
OVERHANG = 0.05
SHARES = 'x1, y1, x2, y2 are shares of width and height, from 0 to 1'


class Action(NamedTuple):
    """A line of annotations: what a person does in a key frame. A person who does several things has several lines."""

    video: str
    time: int
    box: tuple[float, float, float, float]
    label: int
    person: int


def key_of(video: str, time: int) -> str:
    """How mmaction2 calls a key frame: 'VIDEO,0902'."""
    return f'{video},{time:04d}'


def examples(keys: Iterable[str], most: int = 3) -> str:
    """The first of some key frames in order, for messages."""
    keys = sorted(keys)
    return ', '.join(map(repr, keys[:most])) + (', …' if len(keys) > most else '')


def read_annotations(
    path: str, num_classes: int | None = None, first_class: int = 1, needs_person: bool = True
) -> list[Action]:
    """Lines of annotations. Empty lines and key frames of nobody ('VIDEO,0902,,,,,,' of AVA-Kinetics) are passed over.

    Args:
        path: CSV, see `COLUMNS`.
        num_classes: One more than the largest class that may be in it; None does not check.
        first_class: The smallest class: 0 is nobody's in AVA.
        needs_person: Whether the last column has to be there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is malformed, or there is none; names file and line.
    """
    overhanging = wide = 0

    def parse(fields: list[str]) -> Action | None:
        nonlocal overhanging, wide
        somebody = any(fields[2:8])
        if len(fields) < ((8 if needs_person else 7) if somebody else 2):
            raise ValueError(f'has {len(fields)} columns, not those of {COLUMNS}, with a comma between them')
        video, time = _key_frame(fields)
        if not somebody:
            return None
        wide += any(fields[8:])
        try:
            box = tuple(map(float, fields[2:6]))
        except ValueError:
            raise ValueError(f'has a box that is not of numbers: {SHARES}') from None
        if fault := _fault(box):
            raise ValueError(f'has {fault}')
        if min(box) < 0 or max(box) > 1:
            overhanging += 1
            box = tuple(min(max(side, 0.0), 1.0) for side in box)
        label = _whole(fields[6], 'class')
        if label < first_class:
            nobodys = ": classes count from 1, and class 0 is nobody's" if first_class else ': classes count from 0'
            raise ValueError(f'has class {label}{nobodys}')
        if num_classes is not None and label >= num_classes:
            counted = ', which counts class 0 of nobody' if first_class else ''
            raise ValueError(
                f'has class {label}, but num_classes={num_classes}{counted}: classes go from {first_class} to '
                f'{num_classes - 1}, and num_classes={label + 1} would take this one, or custom_classes choose others'
            )
        return Action(video, time, box, label, _whole(fields[7], 'person') if len(fields) > 7 else 0)

    actions = [action for action in _parse_lines(path, 'annotation file', parse) if action is not None]
    if not actions:
        raise ValueError(f'annotation file {path} has no line of a person: lines are {COLUMNS}')
    if wide:
        warn(f'{path}: {wide} of {len(actions)} lines have more columns than {COLUMNS}, which are left out')
    if overhanging:
        warn(f'{path}: {overhanging} of {len(actions)} boxes reach over an edge of the picture, and are cut there')
    return actions


def read_exclusions(path: str) -> set[tuple[str, int]]:
    """Key frames, as video and time, of lines VIDEO,SECOND. Empty lines are passed over.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is malformed; names file and line.
    """

    def parse(fields: list[str]) -> tuple[str, int]:
        if len(fields) != 2:
            raise ValueError(f'has {len(fields)} columns, not those of VIDEO,SECOND, with a comma between them')
        return _key_frame(fields)

    return set(_parse_lines(path, 'exclude_file', parse))


def without_exclusions(key_frames: Iterable[tuple[str, int]], ann_file: str, exclude_file: str | None) -> set:
    """What exclusions leave of the annotated key frames.

    Warns if exclusions cannot be meant for these annotations: of other videos, or of times that all lie before or
    behind what is annotated. That none of them meets a key frame is no fault: annotations may lack them already.

    Raises:
        ValueError: If nothing is left.
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
            f'{exclude_file} excludes nothing: its {len(excluded)} key frames ({there}) are of other videos or times '
            f'than those of {ann_file} ({here})'
        )
    return left


def read_label_map(path: str) -> dict[int, str]:
    """Names of actions by class, of a file as AVA's: item { name: "bend" id: 1 } or label { name: … label_id: … }.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no class, one twice, or one below 1; names file and line.
    """
    text = _text(path, 'label_file')
    names: dict[int, str] = {}
    for block in re.finditer(r'\b(?:item|label)\s*\{((?:"(?:[^"\\]|\\.)*"|[^"}])*)\}', text):
        where = f'{path}, line {text.count(chr(10), 0, block.start()) + 1}'
        number = re.search(r'\b(?:label_)?id\s*:\s*(-?\d+)(?![\w.])', block[1])
        if number is None:
            raise ValueError(f'{where}: {" ".join(block[0].split())!r} has no id that is a whole number')
        label, name = int(number[1]), re.search(r'\bname\s*:\s*"((?:[^"\\]|\\.)*)"', block[1])
        if label < 1:
            raise ValueError(f"{where}: class {label}: classes count from 1, and class 0 is nobody's")
        if label in names:
            raise ValueError(f'{where}: class {label} is there twice')
        names[label] = name[1] if name else str(label)
    if not names:
        raise ValueError(f'label_file {path} has no class: they are written as item {{ name: "bend" id: 1 }}')
    return names


def check_custom_classes(custom_classes: Iterable[int], num_classes: int, label_file: str | None) -> list[int]:
    """`custom_classes` as a list.

    Raises:
        ValueError: If they are not some of the classes of `label_file`, each once, or `num_classes` counts otherwise.
    """
    classes = list(custom_classes)
    said = f'custom_classes={classes}'
    if label_file is None:
        raise ValueError(f'{said} needs label_file, which has the classes to choose from')
    if num_classes != len(classes) + 1:
        raise ValueError(
            f"{said} needs num_classes={len(classes) + 1}, one for each and one for class 0, which is nobody's, "
            f'instead of {num_classes}'
        )
    if len(set(classes)) < len(classes) or not classes:
        raise ValueError(f'{said}: name one class or more, each once')
    if unknown := set(classes) - set(read_label_map(label_file)):
        raise ValueError(f'{said}: {sorted(unknown)} is not among the classes of {label_file}, which count from 1')
    return classes


class _ProposalUnpickler(ArrayUnpickler):
    """Runs nothing of the file, as :class:`ArrayUnpickler`, and knows defaultdicts, in which boxes are collected."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('collections', 'defaultdict'):
            return _plain_dict
        if module in ('builtins', '__builtin__') and name in ('list', 'dict'):
            return {'list': list, 'dict': dict}[name]
        return super().find_class(module, name)


def _plain_dict(*_) -> dict:
    return {}


def read_proposals(path: str) -> dict[str, np.ndarray]:
    """Boxes (n, 4), or (n, 5) with scores, by key frame ('VIDEO,0902'), of a pickled dict or a JSON. Lists will do.

    Nothing in the file is run. Keys that are meant for key frames, as ('VIDEO', 902), b'VIDEO,0902' or 'VIDEO,902.0',
    are read so, with a warning: other programs do not find them. Of nobody there is no entry.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or what it has for a key is no boxes within the picture; names the key.
    """
    content = _load(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(
            f'proposal_file {path} has {"no key frame" if content == {} else f"a {type(content).__name__}"}: it needs '
            "a dict from 'VIDEO,0902' to an array of boxes"
        )
    found, respelled = {}, []
    for key, rows in content.items():
        name = f'proposal_file {path}, key {key!r}'
        try:
            frame = key_of(*_parse_key(key))
            boxes = np.asarray(rows)
            boxes = boxes.astype(np.result_type(boxes, np.float32), copy=False)  # no float16, no integers
        except (ValueError, TypeError) as error:
            raise ValueError(f'{name} {error}') from None
        if not boxes.size:
            continue
        if boxes.ndim != 2 or boxes.shape[1] not in (4, 5) or boxes.dtype.kind != 'f':
            raise ValueError(f'{name} has {boxes.dtype} of shape {boxes.shape}: numbers (n, 4), or (n, 5) with scores')
        if frame != key:
            respelled.append((key, frame))
        if frame in found:
            raise ValueError(f'{name} is {frame!r}, which is there twice')
        found[frame] = boxes
    if found:
        _check_boxes(path, found)
    if respelled:
        key, frame = respelled[0]
        warn(
            f'proposal_file {path}: {len(respelled)} keys such as {key!r} are read as {frame!r}, the form in which '
            'mmaction2 and others look for them'
        )
    return found


def _load(path: str) -> Any:
    suffix = Path(path).suffix
    try:
        if suffix == '.json':
            return load(path)
        # Python 2 wrote AVA's own
        return _ProposalUnpickler(io.BytesIO(get(path)), encoding='latin1').load()
    except FileNotFoundError:
        raise FileNotFoundError(f'there is no proposal_file {path}') from None
    except (
        pickle.UnpicklingError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
        AssertionError, ImportError, MemoryError, struct.error,
    ) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).replace(' in a checkpoint', '')
        if 'torch' in reason or 'persistent' in reason:
            reason += '; tensors would do as arrays (tensor.numpy()) or lists, written by pickle.dump'
        raise ValueError(
            f"proposal_file {path} cannot be read as a pickled dict, or JSON, from 'VIDEO,0902' to boxes: {reason}"
        ) from None


def _parse_key(key: Any) -> tuple[str, int]:
    """Video and time of a key of proposals, however they are written down."""
    if isinstance(key, bytes):
        key = key.decode()
    if isinstance(key, str):
        key = key.rpartition(',')[::2]
    parts = key if isinstance(key, tuple) else ()
    video, *time = (part.decode() if isinstance(part, bytes) else str(part).strip() for part in parts or [''])
    if not video or len(time) != 1:
        raise ValueError("is no key frame: keys are 'VIDEO,SECOND'")
    return video, _whole(time[0], 'second')


def _check_boxes(path: str, found: dict[str, np.ndarray]) -> None:
    """Refuses what are no boxes, and cuts others to the picture in place. All at once: AVA has 170,000 arrays."""
    boxes = np.concatenate([rows[:, :4] for rows in found.values()]).astype(float)
    scores = np.concatenate([rows[:, 4:].ravel() for rows in found.values()])
    owners = np.repeat(np.arange(len(found)), [len(rows) for rows in found.values()])
    inside = ((boxes >= -OVERHANG) & (boxes <= 1 + OVERHANG)).all(1)  # NaN is not
    wrong = ~(inside & (boxes[:, 2:] >= boxes[:, :2]).all(1))
    keys = list(found)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f'proposal_file {path}, key {keys[owners[row]]!r} has {_fault(boxes[row].tolist())}')
    if not np.isfinite(scores).all():
        key = next(key for key, rows in found.items() if not np.isfinite(rows[:, 4:]).all())
        raise ValueError(f'proposal_file {path}, key {key!r} has a score that is no finite number')
    overhanging = ((boxes < 0) | (boxes > 1)).any(1)
    for owner in np.unique(owners[overhanging]):
        rows = found[keys[owner]] = found[keys[owner]].copy()
        rows[:, :4] = rows[:, :4].clip(0, 1)
    if overhanging.any():
        warn(f'{path}: {overhanging.sum()} of {len(boxes)} boxes reach over an edge of the picture, and are cut there')


def _fault(box: Iterable[float]) -> str:
    """What is wrong with a box, or ''."""
    x1, y1, x2, y2 = box
    if not all(-OVERHANG <= side <= 1 + OVERHANG for side in box):
        fault = f'{SHARES}, and no pixels'
    elif x2 < x1 or y2 < y1:
        fault = 'x1 ≤ x2 and y1 ≤ y2 are needed'
    else:
        return ''
    return f'the box [{", ".join(f"{side:g}" for side in box)}]: {fault}'


def _text(path: str, what: str) -> str:
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise FileNotFoundError(f'there is no {what} {path}') from None
    return text.replace('\r\n', '\n').replace('\r', '\n')


def _parse_lines(path: str, what: str, parse: Callable[[list[str]], Any]) -> Iterator[Any]:
    """What is made of the fields of each line that has any; names file and line of those that it fails at."""
    for number, line in enumerate(_text(path, what).split('\n'), 1):
        if not line.strip():
            continue
        fields = next(csv.reader([line])) if '"' in line else line.split(',')
        try:
            yield parse([field.strip() for field in fields])
        except ValueError as error:
            header = number == 1 and not any(map(str.isdigit, ''.join(fields[1:2])))
            hint = '. Is it a header? There is none in this format' if header else ''
            raise ValueError(f'{path}, line {number}: {line.strip()!r} {error}{hint}') from None


def _key_frame(fields: list[str]) -> tuple[str, int]:
    video, time = fields[:2]
    if not video or ',' in video:
        raise ValueError('has no name of a video without a comma')
    return video, _whole(time, 'second')


def _whole(text: str, what: str) -> int:
    """902 of '0902', '902' and '902.0'."""
    try:
        number = float(text)
    except ValueError:
        number = float('nan')
    if not number.is_integer() or (number < 0 and what == 'second'):
        raise ValueError(f'has the {what} {text!r}, which is no whole number')
    return int(number)


def warn(message: str) -> None:
    """Into the log of the run."""
    print_log(message, 'current', logging.WARNING)
