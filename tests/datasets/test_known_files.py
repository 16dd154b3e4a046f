"""Videos that cannot be opened are not opened again, until they change (mmhvt/datasets/known_files.py)."""

import os
import pickle
from pathlib import Path

import pytest

from helpers.training import dataset_cfg, write_video
from mmhvt.datasets import UnreadableVideoError, reading
from mmhvt.datasets.known_files import KnownFiles, format_list, read_list
from mmhvt.registry import DATASETS


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are opened."""
    names, open_video = [], reading.open_video
    monkeypatch.setattr(reading, 'open_video', lambda path, *args: names.append(Path(path).name) or open_video(path))
    return names


@pytest.mark.parametrize('type_', ['VideoDataset', 'RepeatAugDataset'])
def test_a_file_is_opened_once(type_: str, tmp_path: Path, opened: list[str]) -> None:
    (tmp_path / 'a.mp4').write_bytes(b'x' * 1000)
    (tmp_path / 'a.txt').write_text('a.mp4 0\n')
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'a.txt', type=f'mmhvt.{type_}', on_unreadable='raise'))
    messages = []
    for _ in range(3):
        with pytest.raises(UnreadableVideoError) as caught:
            dataset[0]
        messages.append(str(caught.value))
    assert len(set(messages)) == 1 and opened == ['a.mp4']
    # a copy, as a worker has it, knows it too; and the transform of that copy
    with pytest.raises(UnreadableVideoError):
        pickle.loads(pickle.dumps(dataset))[0]
    assert opened == ['a.mp4']
    # mended
    write_video(tmp_path / 'a.mp4')
    assert dataset[0] and opened == ['a.mp4', 'a.mp4'] and len(dataset.known_files) == 0


def test_a_missing_file_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_text('a.mp4 0\n')
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'a.txt', on_unreadable='raise'))
    with pytest.raises(UnreadableVideoError, match='FileNotFoundError'):
        dataset[0]
    write_video(tmp_path / 'a.mp4')
    assert dataset[0]


def test_the_list_and_what_became_of_its_files(tmp_path: Path) -> None:
    names = ['a.mp4', 'with a space.mp4', 'ünï\udcff.mp4', 'later.mp4', 'part.mp4']
    known = KnownFiles()
    for name in names:
        (tmp_path / name).write_bytes(b'x')
        if name != 'part.mp4':  # some of its frames can be read
            known.add(str(tmp_path / name), f'cannot read {name}: it\tis\nbroken')
    known.add(str(tmp_path / 'missing.mp4'), 'missing')
    assert len(known) == 4
    reasons = known.reasons() | {str(tmp_path / 'part.mp4'): 'damaged', str(tmp_path / 'missing.mp4'): 'missing'}
    listed = tmp_path / 'unreadable_videos.txt'
    listed.write_bytes(format_list(reasons, known).encode(errors='surrogateescape') + b'junk\nmore\tjunk\t1\n')
    (tmp_path / 'later.mp4').write_bytes(b'xy')
    found = read_list(listed).reasons()
    assert sorted(found) == sorted(str(tmp_path / name) for name in names[:3])
    assert found[str(tmp_path / 'a.mp4')] == 'cannot read a.mp4: it is broken'
    os.utime(tmp_path / 'a.mp4', (1, 1))
    assert str(tmp_path / 'a.mp4') not in read_list(listed)
    assert len(read_list(tmp_path / 'none.txt')) == 0
