"""tools/data/inat_lists.py: lists of iNaturalist from its annotations."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT


def write_annotations(path: Path, categories: list[int], images: list[tuple[int, str, int]]) -> str:
    path.write_text(
        json.dumps(
            dict(
                categories=[dict(id=category, name=f'species {category}') for category in categories],
                images=[dict(id=image, file_name=name) for image, name, _ in images],
                annotations=[dict(image_id=image, category_id=category) for image, _, category in reversed(images)],
            )
        )
    )
    return str(path)


def inat_lists(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / 'tools/data/inat_lists.py', *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_inat_lists(tmp_path: Path) -> None:
    train = write_annotations(tmp_path / 'train.json', [7, 3], [(1, 'a b/1.jpg', 7), (2, 'c/2.jpg', 3)])
    val = write_annotations(tmp_path / 'val.json', [3, 7], [(3, 'c/3.jpg', 3)])
    done = inat_lists(train, val, str(tmp_path / 'inat'))
    assert (done.returncode, done.stdout) == (0, '2 images to train on and 1 to test on, of 2 classes\n'), done.stderr
    assert (tmp_path / 'inat/meta/train.txt').read_text() == 'a b/1.jpg 1\nc/2.jpg 0\n'
    assert (tmp_path / 'inat/meta/val.txt').read_text() == 'c/3.jpg 0\n'
    assert (tmp_path / 'inat/meta/classes.txt').read_text() == 'species 3\nspecies 7\n'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'there is no annotation file'),
        ('{', 'is not JSON'),
        ('{"images": []}', "does not have the format that --help describes (KeyError('categories'))"),
        ('{"categories": [{"id": 1}], "images": [], "annotations": []}', '(1) differ'),
    ],
)
def test_inat_lists_say_what_is_wrong(content: str | None, message: str, tmp_path: Path) -> None:
    train = write_annotations(tmp_path / 'train.json', [3, 7], [(1, '1.jpg', 7)])
    if content is not None:
        (tmp_path / 'val.json').write_text(content)
    done = inat_lists(train, str(tmp_path / 'val.json'), str(tmp_path))
    assert done.returncode == 1 and message in done.stderr and 'Traceback' not in done.stderr
