"""Runs are killed in every window of a save, and go on from the newest whole checkpoint.

A training of one family or task is forked when it is about to save its second epoch. The child saves, and is killed by
the system at a call that changes the folder, or in the middle of a file. Then a new runner resumes what is left.
"""

import io
import os
import resource
import shutil
import signal
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from mmhvt.synthetic import moving_actors, moving_shapes, shapes_coco

pytestmark = pytest.mark.faults

TASKS = {
    'MViTv2': 'mvitv2/mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'SMViT': 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'Video Swin': 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'UniFormerV2': 'uniformerv2/uniformerv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'MAE': 'mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb',
    'AVA': 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb',
    'COCO': 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco',
}
EPOCHS = 3
CALLS = [(io, 'open'), (os, 'open'), (os, 'fsync'), (os, 'replace'), (os, 'remove'), (os, 'unlink')]
KILLS = 20  # a task
TORN = (0.01, 0.4, 0.99)  # of the checkpoint is written when the system ends the process


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated data of all tasks, as little as there can be."""
    folder = tmp_path_factory.mktemp('kills')
    moving_shapes.write_dataset(folder / 'data/moving_shapes', 1, 1, size=32, processes=1)
    moving_actors.write_dataset(folder / 'data/moving_actors', videos=1, val_videos=1, seconds=4, processes=1)
    shapes_coco.write_dataset(folder / 'data/shapes_coco', images=2, val_images=2, size=96, processes=1)
    return folder


def config_of(task: str, work_dir: Path, **changes) -> Config:
    """A micro recipe as it stands, which keeps one checkpoint and the best one, without validation."""
    config = Config.fromfile(ROOT / f'configs/{TASKS[task]}.py')
    config.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=4)
    config.train_cfg.max_epochs = EPOCHS
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    for scheduler in config.param_scheduler:
        scheduler.update(end=EPOCHS, total_steps=EPOCHS)
    assert config.default_hooks.checkpoint.max_keep_ckpts == 1
    config.default_hooks.checkpoint.update(save_best='acc')
    config.update(work_dir=str(work_dir), experiment_name=uuid.uuid4().hex, randomness=dict(seed=0), **changes)
    return config


def files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and path.suffix != '.py']


def in_a_child(work: Callable[[], None]) -> int:
    """Does something in a fork of this process; returns how it ended, negative for a signal."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class End(Exception):
    """Ends a training that is not needed further."""


class Kill(Hook):
    """Kills forks of a run at the end of its second epoch, and keeps what each has left.

    Args:
        out: Folder for copies of the work dir, one for each kill.
    """

    priority = 'LOW'  # before the checkpoint hook

    def __init__(self, out: Path) -> None:
        self.out = out

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 1:
            self._hook(runner).after_val_epoch(runner, dict(acc=0.1))

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 0:
            return
        work, before = Path(runner.work_dir), self.out / 'before'
        before.mkdir(parents=True)
        for path in files(work):
            shutil.copy2(path, before)
        size = (work / 'epoch_1.pth').stat().st_size
        count = self.out / 'count'
        assert in_a_child(lambda: self._save(runner, count=count)) == 0
        calls = int(count.read_text())
        places = torch.linspace(0, calls - 1, KILLS - len(TORN)).round().int().tolist()
        ends = [dict(call=place) for place in places] + [dict(limit=int(size * share)) for share in TORN]
        for number, end in enumerate(ends):
            self._restore(work, before)
            signaled = in_a_child(lambda end=end: self._save(runner, **end))
            assert signaled == -(signal.SIGXFSZ if 'limit' in end else signal.SIGKILL), end
            shutil.copytree(work, self.out / f'{number}/work')
        raise End

    @staticmethod
    def _hook(runner: Runner) -> CheckpointHook:
        return next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))

    @staticmethod
    def _restore(work: Path, before: Path) -> None:
        for path in files(work):
            path.unlink()
        for path in before.iterdir():
            shutil.copy2(path, work)

    def _save(self, runner: Runner, call: int = -1, limit: int = 0, count: Path | None = None) -> None:
        """The second epoch's checkpoint, and a new best one, up to a call, or to a number of bytes in a file."""
        seen = 0

        def counted(function: Callable) -> Callable:
            def wrapper(*args, **kwargs) -> object:
                nonlocal seen
                if seen == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1
                return function(*args, **kwargs)

            return wrapper

        if limit:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for module, name in CALLS:
            setattr(module, name, counted(getattr(module, name)))
        hook = self._hook(runner)
        hook.after_train_epoch(runner)
        runner.train_loop._epoch += 1
        hook.after_val_epoch(runner, dict(acc=0.2))
        if count:
            count.write_text(str(seen))


def newest(folder: Path) -> int:
    """Epoch of the newest whole checkpoint, as zip files say it."""
    whole = [path for path in folder.glob('epoch_*.pth') if zipfile.is_zipfile(path) and not bad_zip(path)]
    return max(int(path.stem.removeprefix('epoch_')) for path in whole)


def bad_zip(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        return archive.testzip()


@pytest.mark.parametrize('task', TASKS)
def test_killed_at_any_point_of_a_save(
    task: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.chdir(data)
    first = config_of(task, tmp_path / 'work')
    with DefaultScope.overwrite_default_scope(first.default_scope):
        runner = Runner.from_cfg(first)
        runner.register_hook(Kill(tmp_path))
        with pytest.raises(End):
            runner.train()
    resumed = []
    for number in range(KILLS):
        left = tmp_path / f'{number}/work'
        epoch = newest(left)
        second = config_of(task, left, resume=True)
        with DefaultScope.overwrite_default_scope(second.default_scope):
            runner = Runner.from_cfg(second)
            runner.train()
        assert runner._load_from == str(left / f'epoch_{epoch}.pth')
        assert runner.epoch == EPOCHS and all(value.isfinite().all() for value in runner.model.parameters())
        names = {path.name for path in files(left)}
        # a best checkpoint that no other knew of yet stays beside the known one
        best = {name for name in names if name.startswith('best_acc_epoch_')}
        assert names - best == {'last_checkpoint', f'epoch_{EPOCHS}.pth'} and best
        assert (left / 'last_checkpoint').read_text() == str(left / f'epoch_{EPOCHS}.pth')
        assert not any(bad_zip(left / name) for name in best)
        resumed.append(epoch)
    # windows on both sides of the rename
    assert set(resumed) == {1, 2}
    record_property('section', 'B work is not lost')
    record_property('tried', KILLS)
    record_property('held', len(resumed))
