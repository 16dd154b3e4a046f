"""Frames by PyAV are those of the whole video, decoded in order, and as few are decoded as that takes."""

from pathlib import Path
from typing import Any

import cv2  # noqa: F401 (before decord: after its libraries cv2 cannot read PNG files)
import decord
import numpy as np
import pytest
from mmengine.dataset import Compose

from helpers import DATA
from helpers.numbered_videos import number_in, write_numbered
from helpers.training import write_video
from mmhvt.datasets import edit_lists, pyav_reader, reading
from mmhvt.datasets.pyav_reader import PacketReader, open_video
from mmhvt.registry import TRANSFORMS

needs_pyav = pytest.mark.skipif(pyav_reader.find_pyav() is None, reason='needs PyAV')
VIDEOS = DATA / 'edit_lists'


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames of MPEG-4, a key frame in 12."""
    path = tmp_path_factory.mktemp('plain') / 'plain.mp4'
    write_numbered(path, 60, 25)
    return path


class Counting:
    """A decoder that counts the frames that it returns."""

    def __init__(self, decoder: Any) -> None:
        self.__dict__.update(decoder=decoder, count=0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.decoder, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.decoder, name, value)

    def decode(self, packet: Any) -> list:
        frames = self.decoder.decode(packet)
        self.__dict__['count'] += len(frames)
        return frames


@needs_pyav
@pytest.mark.parametrize('name', ['plain', 'h264_open_gop', 'hevc_open_gop'])
def test_frames_in_any_order(name: str, plain: Path) -> None:
    path = plain if name == 'plain' else VIDEOS / f'{name}.mp4'
    decord_reads = decord.VideoReader(str(path), num_threads=1)
    whole = decord_reads.get_batch(range(60)).asnumpy()
    assert [number_in(frame) for frame in whole] == [*range(60)]
    rng = np.random.RandomState(0)
    for file in (path, path.read_bytes()):
        reader = open_video(file)
        assert isinstance(reader, PacketReader) and len(reader) == 60
        assert reader.get_avg_fps() == decord_reads.get_avg_fps()
        for _ in range(6):
            indices = rng.randint(-60, 60, 8)
            assert np.array_equal(reader.get_batch(indices).asnumpy(), whole[indices])
    for index in range(60):
        assert np.array_equal(open_video(path).get_batch([index]).asnumpy(), whole[[index]])


@needs_pyav
def test_what_nothing_refers_to_is_not_decoded() -> None:
    counts = []
    for stride in (1, 4):
        reader = open_video(VIDEOS / 'h264_open_gop.mp4')
        reader._decoder = Counting(reader._decoder)
        assert [number_in(frame) for frame in reader.get_batch(range(0, 60, stride))] == [*range(0, 60, stride)]
        counts.append(reader._decoder.count)
    assert counts[0] == 60 and counts[1] < 45


@needs_pyav
def test_as_mmaction_decodes(plain: Path, mmaction_scope: None) -> None:
    """With the modes of its DecordDecode, by each backend."""
    clips = {}
    for backend in ('auto', 'pyav', 'decord'):
        for mode in ('accurate', 'efficient'):
            decode = dict(type='DecordDecode', mode=mode)
            steps = [TRANSFORMS.build(step) for step in (dict(type='mmhvt.DecordInit', backend=backend), decode)]
            results = Compose(steps[:1])(dict(filename=str(plain)))
            assert isinstance(results['video_reader'], PacketReader) == (backend != 'decord')
            frames = Compose(steps[1:])(dict(results, frame_inds=np.array([50, 3, 50])))['imgs']
            clips[backend, mode] = np.stack(frames)
    for (_, mode), frames in clips.items():
        assert np.array_equal(frames, clips['decord', mode])


@needs_pyav
def test_other_files_are_left_to_the_usual_reader(plain: Path, tmp_path: Path) -> None:
    write_video(tmp_path / 'a.avi', fourcc='MJPG')
    for path in (VIDEOS / 'h264_trimmed.mp4', tmp_path / 'a.avi'):
        assert type(open_video(path)) is type(edit_lists.open_video(path))
    assert type(open_video(plain, num_threads=2)) is decord.VideoReader


@needs_pyav
def test_damage_is_left_to_the_usual_reader(plain: Path, tmp_path: Path) -> None:
    content = bytearray(plain.read_bytes())
    begin = content.index(b'mdat') + 4
    content[begin + 2000 : begin + 6000] = bytes(4000)
    path = tmp_path / 'damaged.mp4'
    path.write_bytes(content)
    reader = open_video(path)
    assert isinstance(reader, PacketReader)
    try:
        wanted = edit_lists.open_video(path).get_batch(range(60)).asnumpy()
    except decord.DECORDError as error:
        with pytest.raises(type(error)):
            reader.get_batch(range(60))
    else:
        assert np.array_equal(reader.get_batch(range(60)).asnumpy(), wanted)
    with pytest.raises(IndexError):
        reader.get_batch([60])


def test_without_pyav(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pyav_reader, reading):
        monkeypatch.setattr(module, 'find_pyav', lambda: None)
    assert type(open_video(plain)) is decord.VideoReader
    init = TRANSFORMS.build(dict(type='mmhvt.DecordInit'))
    assert type(init(dict(filename=str(plain)))['video_reader']) is decord.VideoReader
    with pytest.raises(ImportError, match='needs PyAV: pip install av'):
        TRANSFORMS.build(dict(type='mmhvt.DecordInit', backend='pyav'))
