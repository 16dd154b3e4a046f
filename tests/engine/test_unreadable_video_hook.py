"""Samples that are counted as unreadable, for any collate function, dataset and batch."""

import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.runner import Runner
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from helpers.training import PACK, dataset_cfg, frames_cfg, train, write_frames
from mmhvt.datasets import UnreadableVideoError, known_files, reading
from mmhvt.engine import UnreadableVideoHook
from mmhvt.engine.hooks.wrapped_datasets import unwrap_datasets
from mmhvt.registry import DATASETS


@FUNCTIONS.register_module()
def takes_lists(batch: list) -> list | dict:
    return pseudo_collate(batch)


@DATASETS.register_module()
class OwnClips(BaseDataset):
    """A dataset of somebody who knows nothing of ours."""

    def load_data_list(self) -> list[dict]:
        return [dict(number=i) for i in range(8)]

    def __getitem__(self, idx: int) -> dict:
        return dict(inputs=torch.zeros(1, 3, 4, 32, 32), data_samples=None)


@pytest.mark.parametrize('kind', ['VideoDataset', 'RawframeDataset', 'OwnClips'])
def test_a_collate_fn_of_lists_for_a_dataset_of_samples(
    kind: str, config: Config, videos: Path, tmp_path: Path
) -> None:
    """Bugs 11: it was a TypeError in UnreadableVideoHook."""
    if kind == 'RawframeDataset':
        write_frames(tmp_path / 'frames')
        dataset = frames_cfg(tmp_path / 'frames')
    else:
        dataset = dataset_cfg(videos) if kind == 'VideoDataset' else dict(type='mmhvt.OwnClips')
    config.train_dataloader.update(dataset=dataset, collate_fn=dict(type='repeat_pseudo_collate'))
    runner = Runner.from_cfg(config)
    with pytest.raises(ValueError, match=f"collate_fn=dict.type='repeat_pseudo_collate'.*{kind} returns one:"):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('collate', ['pseudo_collate', 'default_collate'])
def test_a_collate_fn_of_samples_for_a_dataset_of_lists(collate: str, config: Config, videos: Path) -> None:
    pipeline = [dict(type='DecordInit'), dict(type='SampleFrames', clip_len=4), dict(type='DecordDecode'), *PACK]
    repeat = dataset_cfg(videos, type='mmhvt.RepeatAugDataset', num_repeats=3, pipeline=pipeline)
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=repeat)
    config.train_dataloader.collate_fn = dict(type=collate)
    with pytest.raises(
        ValueError, match=f'RepeatAugDataset returns a list.*collate_fn={collate}.*repeat_pseudo_collate'
    ):
        train(config)


SAMPLE = SimpleNamespace(metainfo=dict(unreadable={'a.mp4': 'cannot read a.mp4'}))
BATCHES = {
    'none': None,
    'text': ['inputs', 'data_samples'],
    'loaders of several datasets': [dict(inputs=[], data_samples=[SAMPLE])],
    'tuple': (torch.zeros(2), torch.zeros(2)),
    'tensor': torch.zeros(2),
    'no samples': dict(inputs=[]),
    'samples of None': dict(inputs=[], data_samples=None),
    'samples in branches': dict(inputs={}, data_samples=dict(sup=[SAMPLE])),
    'samples without metainfo': dict(data_samples=[None, 3, dict(), SimpleNamespace(metainfo=None)]),
    'a mark of somebody else': dict(data_samples=[SimpleNamespace(metainfo=dict(unreadable=True))]),
}


@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
def test_batches_of_other_shapes_are_left_alone(batch: object, tmp_path: Path) -> None:
    warnings = []
    loader = SimpleNamespace(dataset=SimpleNamespace(), collate_fn=pseudo_collate)
    logger = SimpleNamespace(warning=warnings.append)
    runner = SimpleNamespace(train_dataloader=loader, logger=logger, epoch=0, log_dir=str(tmp_path))
    hook = UnreadableVideoHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    hook.before_train_iter(runner, 0, batch)
    hook.after_train_epoch(runner)
    assert not warnings
    hook.before_train_iter(runner, 1, dict(data_samples=[SAMPLE]))
    assert warnings == ['cannot read a.mp4; training continues with another sample']


def test_attributes_that_are_no_datasets() -> None:
    for other in (SimpleNamespace(dataset='k400'), SimpleNamespace(dataset=None), SimpleNamespace(datasets='ab')):
        assert list(unwrap_datasets(other)) == [other]
    a, b = SimpleNamespace(), SimpleNamespace()
    assert list(unwrap_datasets(SimpleNamespace(datasets=dict(one=a, two=b)))) == [a, b]


OTHER_ENDS = 'SIGABRT', 'loop', 'SIGKILL'


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, videos: Path) -> Callable[[str], Path]:
    """Makes opening cut.mp4 do something in workers, which are forked; returns the log of what they opened."""

    def make(end: str) -> Path:
        log, open_video = videos / f'opened_{uuid.uuid4().hex}', reading.open_video

        def opens(path: str, *args) -> object:
            with open(log, 'a') as file:
                file.write(f'{Path(path).name}\n')
            if path.endswith('cut.mp4'):
                while end == 'loop':
                    pass
                if end == 'sleep':
                    time.sleep(60)
                if end == 'late':
                    time.sleep(0.3)
                    os.abort()
                os.kill(os.getpid(), getattr(signal, end))
            return open_video(path, *args)

        monkeypatch.setattr(reading, 'open_video', opens)
        monkeypatch.setattr(known_files, 'READING_LIMIT', 0.3)
        return log

    return make


@pytest.mark.parametrize('end', ['SIGSEGV', *(pytest.param(end, marks=pytest.mark.faults) for end in OTHER_ENDS)])
def test_a_worker_that_dies_of_a_file(end: str, config: Config, videos: Path, hostile: Callable[[str], Path]) -> None:
    """The error names the file. If the file killed the worker, the next run goes on without it (faults D1)."""
    log = hostile(end)
    config.train_dataloader.update(dataset=dataset_cfg(videos, 'all.txt'), num_workers=1)
    with pytest.raises(UnreadableVideoError, match=rf'DataLoader worker .* while it read {videos}/cut\.mp4') as caught:
        train(config)
    listed = Path(config.work_dir) / 'unreadable_videos.txt'
    assert listed.is_file() == (end != 'SIGKILL') == ('--resume goes on without it' in str(caught.value))
    if end == 'SIGKILL':  # perhaps for want of memory
        return
    assert listed.read_text().startswith(f'{videos}/cut.mp4\tthe worker that read it died (')
    log.write_text('')
    text = train(config)
    assert 'cut.mp4' not in log.read_text() and '0.mp4' in log.read_text()
    assert 'are not opened: 1 of ' in text and '2 of 12 samples were replaced' in text
    assert [line.split('\t')[0] for line in listed.read_text().splitlines()] == [
        str(videos / name) for name in ('cut.mp4', 'missing.mp4')
    ]


def test_a_worker_that_dies_before_its_batch_is_fetched(
    config: Config, videos: Path, hostile: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main process asks the worker for the memory of a batch, and finds a closed pipe (faults D1)."""
    log = hostile('late')

    fetch = _MultiProcessingDataLoaderIter._try_get_data

    def closes(self: _MultiProcessingDataLoaderIter) -> tuple[bool, object]:
        while not log.exists() or 'cut.mp4' not in log.read_text():
            fetched = fetch(self, timeout=0.01)
            if fetched[0]:
                return fetched
        raise EOFError

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, '_try_get_data', closes)
    config.train_dataloader.update(dataset=dataset_cfg(videos, 'all.txt'), num_workers=1)
    with pytest.raises(UnreadableVideoError, match=rf'Aborted.* while it read {videos}/cut\.mp4'):
        train(config)


def test_an_idle_worker_that_dies(config: Config, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a closed pipe, Python says "Connection reset by peer"."""

    def closes(self: _MultiProcessingDataLoaderIter) -> None:
        time.sleep(0.5)  # what is prefetched has been read
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's handler would raise at once
        self._workers[0].kill()
        time.sleep(0.2)
        signal.signal(signal.SIGCHLD, before)
        raise ConnectionResetError('Connection reset by peer')

    monkeypatch.setattr(_MultiProcessingDataLoaderIter, '_try_get_data', closes)
    config.train_dataloader.update(dataset=dataset_cfg(videos, 'good.txt'), num_workers=1)
    with pytest.raises(RuntimeError, match='worker .* killed by signal: Killed') as caught:
        train(config)
    assert 'while it read' not in str(caught.value) and isinstance(caught.value.__cause__, ConnectionResetError)


@pytest.mark.parametrize('persistent', [pytest.param(False, marks=pytest.mark.faults), True])
def test_unreadable_files_are_opened_once_a_run(
    persistent: bool, config: Config, videos: Path, hostile: Callable[[str], Path]
) -> None:
    log = hostile('SIGCONT')  # which does nothing
    config.train_cfg.max_epochs = 3
    config.train_dataloader.update(dataset=dataset_cfg(videos, 'all.txt'), num_workers=1, persistent_workers=persistent)
    assert 'Epoch 3: 2 of 12 samples were replaced because 2 videos are unreadable' in train(config)
    assert log.read_text().count('cut.mp4') == 1
    config.merge_from_dict(dict(experiment_name=uuid.uuid4().hex, resume=True, train_cfg=dict(max_epochs=4)))
    assert 'Epoch 4: 2 of 12 samples' in train(config)
    assert log.read_text().count('cut.mp4') == 1


@pytest.mark.faults
def test_a_dataloader_that_times_out_names_the_file(config: Config, videos: Path, hostile: Callable) -> None:
    hostile('sleep')
    config.train_dataloader.update(dataset=dataset_cfg(videos, 'all.txt'), num_workers=1, timeout=3)
    with pytest.raises(UnreadableVideoError, match=r'timed out after 3 seconds while it read .*/cut\.mp4'):
        train(config)
