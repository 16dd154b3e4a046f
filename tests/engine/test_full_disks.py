"""The disk, or a limit, is full at any point of a training: what was saved before is whole, and is gone on from."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from helpers.tiny_runs import tiny_runner

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings('ignore:.* has been created')]

HOOK = dict(max_keep_ckpts=1)
LOGGED = dict(visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]))
TRIED = 20
SIZE = 805_000  # of a checkpoint, in bytes


class Fill(Hook):
    """Leaves so many bytes of a disk after the first step, or so many for each file."""

    def __init__(self, left: int, disk: Path | None = None) -> None:
        self.left, self.disk = left, disk

    def after_train_iter(self, runner: Runner, batch_idx: int, **_) -> None:
        if batch_idx:
            return
        if self.disk is None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.left, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        else:
            room = os.statvfs(self.disk)
            (self.disk / 'filled').write_bytes(bytes(max(room.f_bavail * room.f_frsize - self.left, 0)))


@pytest.fixture
def unlimited() -> Iterator[Callable[[], None]]:
    """Takes a limit on files away again."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB, where it may be mounted."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f'no disk can be mounted: {done.stderr}')
    yield folder
    subprocess.run(['umount', '-l', folder], check=True)


def stops(work: Path, fill: Fill, make_room: Callable[[], None]) -> None:
    """A second epoch that cannot be saved, and a third try that can."""
    tiny_runner(work, 1, HOOK, width=100_000, **LOGGED).train()
    before = {name: (work / name).read_bytes() for name in ('epoch_1.pth', 'last_checkpoint')}
    runner = tiny_runner(work, 2, HOOK, width=100_000, resume=True, **LOGGED)
    runner.register_hook(fill)
    with pytest.raises(OSError) as caught:
        runner.train()
    make_room()
    message = str(caught.value)
    assert '\n' not in message and (f'{work}/epoch_2.pth' in message or f'{work}/last_checkpoint' in message)
    assert message.endswith('What was saved before is whole: make room, and go on with --resume')
    assert {name: (work / name).read_bytes() for name in before} == before
    assert not list(work.glob('*unfinished'))
    runner = tiny_runner(work, 2, HOOK, width=100_000, resume=True, **LOGGED)
    runner.train()
    assert runner.iter == 4
    assert torch.load(work / 'epoch_2.pth', weights_only=False)['meta']['iter'] == 4


def test_a_limit_on_files(tmp_path: Path, unlimited: Callable[[], None], record_property: Callable) -> None:
    for number in range(TRIED):
        stops(tmp_path / str(number), Fill(SIZE * number // TRIED), unlimited)
    record_property('section', 'B work is not lost')
    record_property('tried', TRIED)
    record_property('held', TRIED)


def test_a_full_disk(disk: Path, record_property: Callable) -> None:
    for number in range(TRIED):
        work = disk / str(number)
        stops(work, Fill(SIZE * number // TRIED, disk), (disk / 'filled').unlink)
        subprocess.run(['rm', '-r', work], check=True)
    record_property('section', 'B work is not lost')
    record_property('tried', TRIED)
    record_property('held', TRIED)
