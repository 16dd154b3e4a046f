"""Bad videos, annotation files, class counts and checkpoints, end to end (docs/guides/bad_input.md)."""

import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import decord
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.runner import Runner
from torch._utils import ExceptionWrapper

from helpers.training import PACK, READ, dataset_cfg, log_of, moov_first, train, write_video
from mmhvt.datasets import UnreadableVideoError
from mmhvt.engine.hooks.wrapped_datasets import unwrap_datasets
from mmhvt.registry import DATASETS, TRANSFORMS


@TRANSFORMS.register_module()
class BrokenTransform:
    """A programming error that looks like a failed read."""

    def __call__(self, results: dict) -> dict:
        raise OSError('not the fault of a video')


def test_moov_first_writes_a_readable_video(videos: Path, tmp_path: Path) -> None:
    (tmp_path / 'a.mp4').write_bytes(moov_first((videos / '0.mp4').read_bytes()))
    (tmp_path / 'a.txt').write_text('a.mp4 0\n')
    cfg = dataset_cfg(tmp_path, 'a.txt', on_unreadable='raise')
    assert DATASETS.build(cfg)[0]['inputs'].shape == (1, 3, 4, 32, 32)


@pytest.mark.parametrize('kind', ['missing', 'empty', 'text', 'directory', 'picture', 'zeroed', 'avi'])
@pytest.mark.parametrize('mode', ['accurate', 'efficient'])
def test_kinds_of_unreadable_files(kind: str, mode: str, videos: Path, tmp_path: Path) -> None:
    path, content = tmp_path / f'bad.{"avi" if kind == "avi" else "mp4"}', (videos / '0.mp4').read_bytes()
    if kind == 'directory':
        path.mkdir()
    elif kind == 'picture':
        path.write_bytes(cv2.imencode('.png', np.zeros((32, 32, 3), np.uint8))[1].tobytes())
    elif kind == 'zeroed':
        # all pictures, whichever frames are drawn; the index stays
        index = content.index(b'moov') - 4
        path.write_bytes(content[:48] + bytes(index - 48) + content[index:])
    elif kind == 'avi':
        # decord takes the process down with such a file
        write_video(path, fourcc='MJPG')
        path.write_bytes(path.read_bytes()[:-2000])
    elif kind != 'missing':
        path.write_bytes(b'' if kind == 'empty' else b'not a video' * 100)
    assert_unreadable(path, mode)


@pytest.mark.parametrize('percent', [10, 50, 90])
@pytest.mark.parametrize('front', [False, True], ids=['moov last', 'moov first'])
def test_cut_videos(percent: int, front: bool, videos: Path, tmp_path: Path) -> None:
    content = (videos / '0.mp4').read_bytes()
    content = moov_first(content) if front else content
    (tmp_path / 'bad.mp4').write_bytes(content[: len(content) * percent // 100])
    assert_unreadable(tmp_path / 'bad.mp4')


def assert_unreadable(path: Path, mode: str = 'accurate') -> None:
    (path.parent / 'bad.txt').write_text(f'{path.name} 0\n')
    pipeline = [READ[0], READ[1], READ[2] | dict(mode=mode), *PACK]
    dataset = DATASETS.build(dataset_cfg(path.parent, 'bad.txt', pipeline=pipeline, on_unreadable='raise'))
    with pytest.raises(UnreadableVideoError) as caught:
        dataset[0]
    message = str(caught.value)
    assert message.startswith(f'cannot read video {path}: ') and '\n' not in message
    assert 'bad.txt' in message and "on_unreadable='warn'" in message


@pytest.mark.parametrize(
    'error', [AssertionError('Invalid frame count: 0'), StopIteration(), decord.DECORDLimitReachedError('recovered')]
)
def test_rare_errors_of_decord(error: Exception, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decord, 'VideoReader', Mock(side_effect=error))
    pipeline = [dict(type='mmhvt.DecordInit', backend='decord'), *READ[1:], *PACK]
    dataset = DATASETS.build(dataset_cfg(videos, on_unreadable='raise', pipeline=pipeline))
    with pytest.raises(UnreadableVideoError, match=f'0.mp4: {type(error).__name__}: {error}'):
        dataset[0]


WORKERS = {
    'main process': dict(num_workers=0),
    'fork': dict(num_workers=2),
    'fork, persistent': dict(num_workers=2, persistent_workers=True),
    'spawn, persistent': dict(num_workers=1, persistent_workers=True, multiprocessing_context='spawn'),
}


@pytest.mark.parametrize('workers', WORKERS.values(), ids=WORKERS)
def test_training_goes_on_and_counts(workers: dict, config: Config, videos: Path) -> None:
    config.train_cfg.max_epochs = 2
    config.train_dataloader.update(dataset=dataset_cfg(videos, 'all.txt'), **workers)
    log = train(config)
    for epoch in (1, 2):
        assert log.count(f'Epoch {epoch}: 2 of 12 samples were replaced because 2 videos are unreadable') == 1
    for name in ('missing.mp4', 'cut.mp4'):
        assert log.count(f'WARNING - cannot read video {videos / name}: ') == 1
    (listing,) = Path(config.work_dir).rglob('unreadable_videos.txt')
    assert str(listing) in log
    assert [line.split('\t')[0] for line in listing.read_text().splitlines()] == [
        str(videos / 'cut.mp4'),
        str(videos / 'missing.mp4'),
    ]


def test_counts_of_repeated_augmentation_and_of_wrappers(config: Config, videos: Path) -> None:
    pipeline = [dict(type='DecordInit'), dict(type='SampleFrames', clip_len=4), dict(type='DecordDecode'), *PACK]
    repeat = dataset_cfg(videos, 'all.txt', type='mmhvt.RepeatAugDataset', num_repeats=3, pipeline=pipeline)
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=repeat)
    config.train_dataloader.collate_fn = dict(type='repeat_pseudo_collate')
    log = train(config)
    assert '12 of 72 samples were replaced because 2 videos are unreadable' in log
    assert log.count('WARNING - cannot read video') == 2


def test_datasets_are_found_inside_wrappers() -> None:
    a, b = SimpleNamespace(ann_file='a'), SimpleNamespace(ann_file='b')
    sliced = SimpleNamespace(_dataset=SimpleNamespace(dataset=b))
    assert list(unwrap_datasets(SimpleNamespace(datasets=[a, sliced]))) == [a, b]


def test_nothing_is_said_of_good_videos(config: Config) -> None:
    assert 'replaced' not in train(config)
    assert not list(Path(config.work_dir).rglob('unreadable_videos.txt'))


def test_without_the_hook_the_dataset_warns(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = []
    monkeypatch.setattr('mmhvt.datasets.video_dataset.print_log', lambda message, *_: messages.append(message))
    dataset = DATASETS.build(dataset_cfg(videos, 'all.txt'))
    for index in (10, 11, 10):
        assert 'unreadable' not in dataset[index]['data_samples'].metainfo
    assert sorted(message.split(': ')[0] for message in messages) == [
        f'cannot read video {videos / name}' for name in ('cut.mp4', 'missing.mp4')
    ]


def test_raise_stops_training(config: Config, videos: Path) -> None:
    config.train_dataloader.dataset = dataset_cfg(videos, 'broken.txt', on_unreadable='raise')
    with pytest.raises(UnreadableVideoError, match=r'cannot read video .*(missing|cut)\.mp4'):
        train(config)


def test_all_unreadable_stops_training(config: Config, videos: Path) -> None:
    config.train_dataloader.dataset = dataset_cfg(videos, 'broken.txt')
    with pytest.raises(UnreadableVideoError, match='11 videos in a row are unreadable: check .*data_prefix'):
        train(config)


@pytest.mark.parametrize('mode', ['val', 'test'])
def test_validation_and_test_stop(mode: str, config: Config, videos: Path) -> None:
    config[f'{mode}_dataloader'].dataset = dataset_cfg(videos, 'all.txt', test_mode=True, on_unreadable='warn')
    runner = Runner.from_cfg(config)
    with pytest.raises(UnreadableVideoError, match=r'cannot read video .*missing\.mp4.*would not be comparable'):
        getattr(runner, mode)()


def test_the_error_outlives_the_way_from_a_worker(videos: Path) -> None:
    dataset = DATASETS.build(dataset_cfg(videos, 'broken.txt', test_mode=True))
    try:
        dataset[0]
    except UnreadableVideoError:
        crossing = ExceptionWrapper(where='in DataLoader worker process 0')
    with pytest.raises(UnreadableVideoError, match='cannot read video .*missing.mp4'):
        crossing.reraise()


def test_errors_of_other_transforms_are_not_taken_for_bad_videos(videos: Path) -> None:
    pipeline = [*READ, dict(type='mmhvt.BrokenTransform'), *PACK]
    dataset = DATASETS.build(dataset_cfg(videos, pipeline=pipeline))
    with pytest.raises(OSError, match='not the fault of a video'):
        dataset[0]


def test_wrong_choice_is_named(videos: Path) -> None:
    with pytest.raises(ValueError, match="on_unreadable='skip': choose from warn, raise"):
        DATASETS.build(dataset_cfg(videos, on_unreadable='skip'))


def _train_rank(rank: int, cfg: Config, port: int) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    train(cfg)


def test_counts_are_summed_over_ranks(config: Config, videos: Path) -> None:
    # unshuffled, rank 0 of 2 gets the even lines, 10 (missing.mp4) among them, and rank 1 the odd with 11 (cut.mp4)
    config.train_dataloader.update(
        dataset=dataset_cfg(videos, 'all.txt'), sampler=dict(type='DefaultSampler', shuffle=False), batch_size=3
    )
    config.merge_from_dict(dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(backend='gloo'))))
    # fork spares the imports
    torch.multiprocessing.start_processes(
        _train_rank, (config, 29500 + os.getpid() % 2000), nprocs=2, start_method='fork'
    )
    log = log_of(config)
    assert '2 of 12 samples were replaced because 2 videos are unreadable' in log
    (listing,) = Path(config.work_dir).rglob('unreadable_videos.txt')
    assert len(listing.read_text().splitlines()) == 2
