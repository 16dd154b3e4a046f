"""Boxes of persons from files."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from mmhvt.apis.boxes import read_boxes


@pytest.mark.parametrize(
    ('name', 'content'),
    [
        # in some files an array of nobody has no columns
        ('a.pkl', pickle.dumps({'a,1': np.array([[0, 0, 1, 1, 0.9]]), 'a,2': np.zeros(0), 'a,3': []})),
        ('a.csv', b'\xef\xbb\xbfa,1,0,0,1,1,,0.9\r\na,2,,,,\r\na,3,,,,\r\n'),  # as spreadsheets write it
    ],
)
def test_other_forms_of_files_of_boxes(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    boxes = read_boxes(tmp_path / name, 'a', 0)
    assert {seconds: rows.tolist() for seconds, rows in boxes.items()} == {1: [[0, 0, 1, 1, 0.9]], 2: [], 3: []}


def test_json_that_is_nested_too_deeply(tmp_path: Path) -> None:
    """Faults D9: a traceback of a RecursionError."""
    (tmp_path / 'boxes.json').write_text(100_000 * '[')
    with pytest.raises(ValueError, match='boxes.json cannot be read as boxes.*nested too deeply'):
        read_boxes(tmp_path / 'boxes.json', 'video', 0)
