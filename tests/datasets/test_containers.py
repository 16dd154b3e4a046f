"""Files that decord must not see: what ends or blocks a process is refused by name (mmhvt/datasets/containers.py)."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.fileio import BaseStorageBackend, FileClient

from helpers.broken_videos import in_child, with_number
from helpers.training import dataset_cfg, frames_cfg, write_frames, write_video
from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.annotations import read_lines
from mmhvt.datasets.edit_lists import PaddedRows, open_video
from mmhvt.registry import DATASETS, TRANSFORMS


@pytest.fixture(scope='module')
def mp4(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp('containers') / 'a.mp4'
    write_video(path)
    return path.read_bytes()


@pytest.fixture(scope='module')
def avi(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp('containers') / 'a.avi'
    write_video(path, fourcc='MJPG')
    return path.read_bytes()


def message_of(path: Path, **kwargs) -> str:
    """Why VideoDataset, in a process that may die, says that it cannot read a file."""
    (path.parent / 'list.txt').write_text(f'{path.name} 0\n')

    dataset = DATASETS.build(dataset_cfg(path.parent, 'list.txt', on_unreadable='raise') | kwargs)
    return in_child(lambda: _error_of(lambda: dataset[0]))


def _error_of(function: Callable[[], object]) -> str:
    try:
        function()
    except (UnreadableVideoError, ValueError) as error:
        return str(error)
    return 'read'


LIES: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    'MP4 of 2**31 frames': ('mp4', lambda c: with_number(c, b'stts', 12, 2**31 - 1), 'announces 2147483647 frames'),
    'MP4 of chunks behind its end': ('mp4', lambda c: with_number(c, b'stco', 12, 0xFFFFFFF0), ''),
    'MP4 of 2**32 sizes': ('mp4', lambda c: with_number(c, b'stsz', 12, 2**32 - 1), ''),
    'MP4 whose index has no end': ('mp4', lambda c: with_number(c, b'moov', -4, 2**32 - 1), ''),
    'AVI of 2**32 frames': ('avi', lambda c: with_number(c, b'vids', 32, 2**32 - 1, '<'), 'announces'),
    'AVI from a pipe': ('avi', lambda c: with_number(c, b'RIFF', 4, 2**32 - 1, '<'), 'ffmpeg -i .* -c copy .*_new.avi'),
    'AVI that was cut': ('avi', lambda c: c[:-2000], 'truncated after'),
    'AVI that was cut, with a false length': (
        'avi',
        lambda c: with_number(c[:-2000], b'RIFF', 4, len(c) - 2008, '<'),
        '',
    ),
    'AVI with a length that is too small': ('avi', lambda c: with_number(c, b'RIFF', 4, 3000, '<'), ''),
}


@pytest.mark.parametrize('lie', LIES)
def test_headers_that_lie(lie: str, mp4: bytes, avi: bytes, tmp_path: Path) -> None:
    """Decord ends the process over some of them (faults D1)."""
    suffix, change, reason = LIES[lie]
    path = tmp_path / f'a.{suffix}'
    path.write_bytes(change(dict(mp4=mp4, avi=avi)[suffix]))
    message = message_of(path)
    if reason:
        assert re.search(f'cannot read video {path}: .*{reason}', message)
    assert message == 'read' or (message.startswith(f'cannot read video {path}: ') and '\n' not in message)


@pytest.mark.parametrize('kind', ['pipe', 'device', 'folder'])
def test_what_is_not_a_file_blocks_nobody(kind: str, tmp_path: Path) -> None:
    """A reader of a named pipe waits for ever (faults D2)."""
    path = tmp_path / 'a.mp4'
    make = dict(pipe=os.mkfifo, device=lambda path: path.symlink_to('/dev/zero'), folder=Path.mkdir)
    make[kind](path)
    said = {'pipe': 'is a named pipe, not a file', 'device': 'is a device', 'folder': 'is a folder'}[kind]
    assert f'cannot read video {path}: {path} {said}' in message_of(path)
    (tmp_path / 'segments.txt').write_text('a.mp4 0 1 0\n')
    segments = dict(type='mmhvt.SegmentVideoDataset', ann_file='segments.txt')
    assert f'cannot read video {path}: {path} {said}' in message_of(path, **segments)

    message = in_child(lambda: _error_of(lambda: read_lines(str(path))))
    assert said in message and 'cannot be read as an annotation file' in message


def test_playlists_are_not_followed(tmp_path: Path) -> None:
    """Decord opens what they name, whatever their suffix, and would wait for the pipe."""
    os.mkfifo(tmp_path / 'part.ts')
    path = tmp_path / 'a.mp4'
    path.write_text('#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\npart.ts\n#EXT-X-ENDLIST\n')
    assert f'cannot read video {path}: it is a playlist, not a video' in message_of(path)


@pytest.mark.skipif(not os.path.exists('/proc/self/mem'), reason='needs /proc')
def test_a_file_that_a_disk_does_not_give(tmp_path: Path) -> None:
    path = tmp_path / 'a.mp4'
    path.symlink_to('/proc/self/mem')  # opens, and fails to be read
    assert message_of(path).startswith(f'cannot read video {path}: OSError: [Errno 5] Input/output error')


def test_names_like_those_of_urls(mp4: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ('a:b.mp4', 'concat:a.mp4'):
        Path(name).write_bytes(mp4)
        assert len(open_video(name)) == 16


def test_frames_that_are_rgb_already(tmp_path: Path) -> None:
    """Decord gives those of 96 pixels as 96×4 channels."""
    path = tmp_path / 'a.mov'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MPNG'), 10, (96, 32))
    frames = np.random.RandomState(0).randint(0, 255, (8, 32, 96, 3), dtype=np.uint8)
    for frame in frames:
        writer.write(frame)
    writer.release()
    assert np.array_equal(open_video(path).get_batch([5, 0]).asnumpy(), frames[[5, 0], ..., ::-1])


def test_frames_that_are_pipes_block_nobody(tmp_path: Path, mmaction_scope: None) -> None:
    write_frames(tmp_path, videos=1)
    for frame in (tmp_path / 'v0').iterdir():
        frame.unlink()
        os.mkfifo(frame)
    dataset = DATASETS.build(frames_cfg(tmp_path, type='mmhvt.RawframeDataset', test_mode=True))
    message = in_child(lambda: _error_of(lambda: dataset[0]))
    assert message.startswith(f'cannot read frames of {tmp_path / "v0"}') and 'named pipe, not a file' in message


@pytest.mark.parametrize('width', [2, 8, 16, 24, 32, 48, 50, 72, 96])
def test_frames_of_any_width(width: int, tmp_path: Path) -> None:
    """Decord gives 72 pixels as 72×4 channels, and batches of them not at all."""
    path = tmp_path / 'a.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (width, 32))
    picture = cv2.resize(np.random.RandomState(0).randint(0, 255, (4, 3, 3), dtype=np.uint8), (width, 32))
    for shift in range(8):
        writer.write(np.roll(picture, 3 * shift, axis=0))
    writer.release()
    reader, capture = open_video(path), cv2.VideoCapture(str(path))
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB).astype(int) for _ in range(8)]
    assert np.abs(reader[5].asnumpy() - frames[5]).mean() < 3
    batch = reader.get_batch([6, 0, 6, -1]).asnumpy()
    assert batch.shape == (4, 32, width, 3)
    for found, index in zip(batch, [6, 0, 6, 7], strict=True):
        assert np.abs(found - frames[index]).mean() < 3
    assert isinstance(reader, PaddedRows) == (width in (2, 8, 16, 24, 48, 72))


class Shelf(BaseStorageBackend):
    """Files that are nowhere on a disk."""

    content: dict[str, bytes] = {}

    def get(self, filepath: str) -> bytes:
        return self.content[filepath]

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        return self.get(filepath).decode(encoding)


def test_other_storage_is_read_by_way_of_a_file(mp4: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From memory decord loses the file with each failure, and reads behind the end of some (faults C1)."""
    FileClient.register_backend('shelf', Shelf, force=True)
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    Shelf.content = {'whole.mp4': mp4, 'cut.mp4': mp4[:-300]}
    init = TRANSFORMS.build(dict(type='mmhvt.DecordInit', io_backend='shelf'))
    results = init(dict(filename='whole.mp4'))
    assert results['total_frames'] == 16 and results['video_reader'].get_batch([15, 2]).shape == (2, 32, 32, 3)
    del results
    with pytest.raises(UnreadableVideoError, match='cannot read video cut.mp4'):
        init(dict(filename='cut.mp4'))
    assert not list(tmp_path.iterdir())
