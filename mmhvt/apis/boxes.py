"""Boxes of persons from files."""

import csv
import math
from pathlib import Path

import numpy as np

from mmhvt.migrate.pickles import read_pickle
from mmhvt.utils.files import READ_ERRORS, read_json, require_file


def read_boxes(path: Path, video: str, start: float) -> dict[float, np.ndarray]:
    """Boxes of a file, in the formats that `tools/demo/spatiotemporal.py --help` lists.

    Args:
        path: File of proposals or annotations, or JSON that the demo wrote.
        video: Name of the video in the file; ignored for the demo's JSON, which has a single video.
        start: Time of the video's first frame in the file.

    Returns:
        (n, 5) by seconds from the start of the video: x1, y1, x2, y2 as fractions of the frame, and score or NaN.

    Raises:
        ValueError: If the file cannot be read, or has other videos but not this one.
    """
    formats = {'.pkl': _boxes_of_pickle, '.csv': _boxes_of_csv, '.json': _boxes_of_json}
    if path.suffix not in formats:
        raise ValueError(f'{path}: boxes come from files that end with {", ".join(formats)}')
    try:
        found: dict[str, dict[float, np.ndarray]] = formats[path.suffix](require_file(path), video)
    except FileNotFoundError:
        raise ValueError(f'there is no file of boxes {path}') from None
    except READ_ERRORS as error:
        reason = f'it lacks {error}' if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise ValueError(f'{path} cannot be read as boxes in a format that --help lists: {reason}') from error
    if found and video not in found:
        some = ', '.join(sorted(found)[:3]) + (' …' if len(found) > 3 else '')
        raise ValueError(f'{path} has boxes of {some}, but none of {video}: the video needs the name that it has there')
    times = found.get(video, {})
    if endless := [seconds for seconds in times if not math.isfinite(seconds)]:
        raise ValueError(f'{path}: {endless[0]} is no time in seconds')
    return {seconds - start: rows for seconds, rows in times.items()}


def _boxes_of_pickle(path: Path, video: str) -> dict[str, dict[float, np.ndarray]]:
    content = read_pickle(path.read_bytes())
    boxes: dict[str, dict[float, np.ndarray]] = {}
    for key, rows in content.items():
        name, _, seconds = key.rpartition(',')
        # without persons, the array may have any shape
        rows = np.array(rows, float).reshape(len(rows), -1) if len(rows) else np.zeros((0, 5))
        if rows.shape[1] not in (4, 5):
            raise ValueError(f'{key!r} has {rows.shape[1]} columns, not 4 or 5')
        full = np.full((len(rows), 5), np.nan)
        full[:, : rows.shape[1]] = rows
        boxes.setdefault(name, {})[float(seconds)] = full
    return boxes


def _boxes_of_csv(path: Path, video: str) -> dict[str, dict[float, np.ndarray]]:
    # a person with several actions has several lines
    found: dict[str, dict[float, dict[tuple[float, ...], float]]] = {}
    with path.open(newline='', encoding='utf-8-sig') as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            try:
                persons = found.setdefault(row[0], {}).setdefault(float(row[1]), {})
                if any(row[2:6]):  # AVA-Kinetics lists key frames without a person
                    x1, y1, x2, y2 = map(float, row[2:6])
                    score = float(row[7]) if len(row) == 8 and not row[6] else np.nan
                    persons.setdefault((x1, y1, x2, y2), score)
            except (ValueError, IndexError) as error:
                raise ValueError(f'line {number}: {error}') from error
    return {
        name: {
            seconds: np.array([(*box, score) for box, score in persons.items()]).reshape(-1, 5)
            for seconds, persons in times.items()
        }
        for name, times in found.items()
    }


def _boxes_of_json(path: Path, video: str) -> dict[str, dict[float, np.ndarray]]:
    content = read_json(path)
    width, height = content['size']
    boxes = {}
    for entry in content['key_frames']:
        rows = [(*found['box'], np.nan if found['score'] is None else found['score']) for found in entry['boxes']]
        boxes[float(entry['seconds'])] = np.array(rows, float).reshape(-1, 5) / [width, height, width, height, 1]
    return {video: boxes}


def inside(rows: np.ndarray) -> np.ndarray:
    """Boxes (n, 5) clipped to the frame, without those that have no area left."""
    rows = rows.copy()
    rows[:, :4] = rows[:, :4].clip(0, 1)
    return rows[(rows[:, 2:4] > rows[:, :2]).all(1)]
