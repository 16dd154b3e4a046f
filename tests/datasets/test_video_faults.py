"""Hundreds of broken videos, read ten thousand times: no crash, no hang, no leak (docs/guides/reliability.md)."""

import os
import pickle
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2  # noqa: F401 (before decord: after its libraries cv2 cannot read PNG files)
import decord
import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset, get_worker_info

from helpers.broken_videos import in_child, mutations, write_videos
from helpers.training import dataset_cfg
from mmhvt.apis.streams import check_readable
from mmhvt.apis.videos import Video
from mmhvt.datasets import UnreadableVideoError, pyav_reader
from mmhvt.datasets.edit_lists import open_video
from mmhvt.datasets.reading import DecodeErrorWrapper
from mmhvt.registry import DATASETS

pytest.importorskip('imageio_ffmpeg')  # brings ffmpeg
pytestmark = pytest.mark.faults

SECTION = 'D videos'
FILES = [
    'h264.flv',
    'h264.mkv',
    'h264.mp4',
    'h264.ts',
    'h264_first.mp4',
    'h264_fragments.mp4',
    'h264_sound.mov',
    'h264_trimmed.mp4',
    'hevc.mp4',
    'mjpeg.avi',
    'mpeg2.mpg',
    'mpeg4.mp4',
    'mpeg4_sound.avi',
    'vp8.webm',
    'vp9.webm',
    'wmv2.wmv',
]
COUNT = 25


@pytest.fixture(scope='module')
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('corpus')
    assert [path.name for path in write_videos(folder)] == FILES
    return folder


def read_clip(path: Path, open_it: Callable = open_video) -> None:
    """Frames in any order, as a dataset reads them."""

    def read(results: dict) -> dict:
        reader = open_it(path)
        indices = np.random.RandomState(0).randint(0, len(reader), 8)
        batch = reader.get_batch(indices).asnumpy()
        assert batch.shape[0] == 8 and batch.shape[3] == 3
        return results

    DecodeErrorWrapper(read)(dict(filename=str(path)))


def read_by_pyav(path: Path) -> None:
    """Where it is installed."""
    read_clip(path, pyav_reader.open_video)


def read_whole(path: Path) -> None:
    """As the demos do."""
    check_readable(str(path))
    video = Video(path)
    video.get_batch(np.array([0, len(video) - 1]))


def endings(paths: list[Path], read: Callable[[Path], None], seconds: int = 20) -> list[str]:
    """How reading of files ends: 'read', 'named', the name of another exception, or of the signal that ends it.

    Many files are read in one forked process, until one ends it.
    """
    found: list[str] = []
    while len(found) < len(paths):
        reading, writing = os.pipe()
        if not (pid := os.fork()):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            for path in paths[len(found) :]:
                signal.alarm(seconds)
                try:
                    read(path)
                    end = 'read'
                except UnreadableVideoError as error:
                    end = 'named' if str(path) in str(error) and '\n' not in str(error) else repr(str(error))
                except BaseException as error:
                    end = repr(error)
                os.write(writing, pickle.dumps(end))
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, 'rb') as pipe:
            while True:
                try:
                    found.append(pickle.load(pipe))
                except EOFError:
                    break
        if status := os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            found.append(signal.Signals(-status).name)
    return found


@pytest.mark.parametrize('read', [read_clip, read_by_pyav, read_whole])
@pytest.mark.parametrize('name', FILES)
def test_mutated_files_are_decoded_or_named(
    name: str, read: Callable[[Path], None], corpus: Path, tmp_path: Path, record_property: Callable
) -> None:
    whole = corpus / name
    assert endings([whole], read) == ['read']
    rng = random.Random(f'{name} {read.__name__}')
    paths = []
    for index, content in zip(range(COUNT), mutations(whole.read_bytes(), rng), strict=False):
        paths.append(tmp_path / f'{index}{whole.suffix}')
        paths[-1].write_bytes(content)
    found = endings(paths, read)
    record_property('section', SECTION)
    record_property('tried', len(found))
    record_property('held', sum(end in ('read', 'named') for end in found))
    others = {path.name: end for path, end in zip(paths, found, strict=True) if end not in ('read', 'named')}
    assert not others


def resident() -> float:
    """Memory of this process in MB."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.fixture
def half_broken(corpus: Path, tmp_path: Path) -> Path:
    """16 good and 16 broken files of up to 5 MB."""
    rng = random.Random(0)
    names = []
    for name in FILES:
        (tmp_path / name).write_bytes((corpus / name).read_bytes())
        content = (corpus / name).read_bytes()
        broken = [rng.randbytes(5_000_000), content[: len(content) // 2], b'', next(mutations(content, rng))]
        kind = len(names) // 2 % 4
        # 5 MB behind the end show a leak
        (tmp_path / f'bad_{name}').write_bytes(broken[kind] + (bytes(5_000_000) if kind == 1 else b''))
        names += [name, f'bad_{name}']
    (tmp_path / 'list.txt').write_text(''.join(f'{name} 0\n' for name in names))
    return tmp_path


class Soaked(Dataset):
    """Samples of a dataset until a time; items are process, number of reads, seconds and memory."""

    def __init__(self, dataset: Dataset, seconds: float, forgets: bool) -> None:
        self.dataset, self.until, self.forgets = dataset, time.monotonic() + seconds, forgets

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> tuple[int, float, float]:
        if time.monotonic() < self.until:
            if self.forgets:
                self.dataset.known_files._reasons.clear()
            self.dataset[random.randrange(len(self.dataset))]
        return get_worker_info().id, time.monotonic(), resident()


@pytest.mark.parametrize('forgets', [True, False], ids=['opened each time', 'remembered'])
def test_memory_is_flat(forgets: bool, half_broken: Path, record_property: Callable) -> None:
    """Faults C1: workers grew from 0.5 to 2.8 GB in ten minutes. MMHVT_SOAK_SECONDS sets the time."""
    seconds = float(os.environ.get('MMHVT_SOAK_SECONDS', 60)) / 2
    dataset = DATASETS.build(dataset_cfg(half_broken, 'list.txt', max_refetch=100))
    loader = DataLoader(
        Soaked(dataset, seconds, forgets),
        num_workers=2,
        batch_size=None,
        prefetch_factor=2,
        multiprocessing_context='fork',
    )
    begin, memory = time.monotonic(), {0: [], 1: []}
    for worker, at, used in loader:
        if at - begin > seconds:
            break
        memory[worker].append((at - begin, used))
    record_property('section', SECTION)
    record_property('tried', sum(map(len, memory.values())))
    growth = []
    for points in memory.values():
        warm = [used for at, used in points if seconds / 3 < at < seconds / 2]
        late = [used for at, used in points if at > seconds * 5 / 6]
        growth.append(np.median(late) - np.median(warm))
    record_property('growth_mb', ', '.join(f'{each:.1f}' for each in growth))
    record_property('held', sum(map(len, memory.values())) if max(growth) < 50 else 0)
    assert max(growth) < 50, growth


@pytest.mark.parametrize('how', ['disk', 'shelf', 'Video'])
def test_ten_thousand_openings_leak_nothing(how: str, corpus: Path, tmp_path: Path, record_property: Callable) -> None:
    """Opening alone, of good files and of broken ones of 2 MB, from a disk and from elsewhere."""
    good = (corpus / 'h264.mp4').read_bytes()
    bad = good[:-300] + bytes(2_000_000)
    paths = [tmp_path / 'good.mp4', tmp_path / 'bad.mp4']
    for path, content in zip(paths, (good, bad), strict=True):
        path.write_bytes(content)
    count = 10_000 if how == 'disk' else 1000

    def opens() -> tuple[Counter, float]:
        ends: Counter = Counter()
        for index in range(count):
            if index == count // 5:
                before = resident()
            path = paths[index % 2]
            try:
                if how == 'Video':
                    Video(path)
                else:
                    open_video(path if how == 'disk' else path.read_bytes())
                ends['read'] += 1
            except (UnreadableVideoError, RuntimeError, decord.DECORDError):
                ends['refused'] += 1
        return ends, resident() - before

    ends, growth = in_child(opens, 300)
    record_property('section', SECTION)
    record_property('tried', count)
    record_property('held', count if growth < 50 else 0)
    assert ends == dict(read=count // 2, refused=count // 2) and growth < 50, (ends, growth)
