"""Bad videos, annotation files, class counts and checkpoints, end to end (docs/bad_input.md)."""

import copy
import os
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import decord
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.runner import Runner
from torch import nn
from torch._utils import ExceptionWrapper

from mmhvt.datasets import UnreadableVideoError
from mmhvt.engine import CheckpointCheckHook
from mmhvt.engine.hooks.wrapped_datasets import innermost_datasets
from mmhvt.registry import DATASETS, TRANSFORMS

READ = [
    dict(type='mmaction.DecordInit'),
    dict(type='mmaction.SampleFrames', clip_len=4, frame_interval=2, num_clips=1),
    dict(type='mmaction.DecordDecode'),
]
PACK = [dict(type='mmaction.FormatShape', input_format='NCTHW'), dict(type='mmaction.PackActionInputs')]


@TRANSFORMS.register_module()
class BrokenTransform:
    """A programming error that looks like a failed read."""

    def __call__(self, results: dict) -> dict:
        raise OSError('not the fault of a video')


def write_video(path: Path, seed: int = 0, fourcc: str = 'mp4v') -> None:
    """16 frames of noise, 32×32. Noise compresses badly, so that most of the file is picture."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), 10, (32, 32))
    assert writer.isOpened()
    rng = np.random.RandomState(seed)
    for _ in range(16):
        writer.write(rng.randint(0, 256, (32, 32, 3), dtype=np.uint8))
    writer.release()


def moov_first(content: bytes) -> bytes:
    """An MP4 of one track with its index moved to the front, as for streaming."""
    atoms, at = {}, 0
    while at < len(content):
        size, name = struct.unpack('>I4s', content[at : at + 8])
        atoms[name] = content[at : at + size]
        at += size
    moov = bytearray(atoms[b'moov'])
    table = moov.index(b'stco')
    for entry in range(struct.unpack('>I', moov[table + 8 : table + 12])[0]):
        place = table + 12 + 4 * entry
        offset = struct.unpack('>I', moov[place : place + 4])[0]
        moov[place : place + 4] = struct.pack('>I', offset + len(moov))
    return b''.join([atoms[b'ftyp'], moov, *(atoms[n] for n in atoms if n not in (b'ftyp', b'moov'))])


@pytest.fixture(autouse=True)
def quick_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking every compiler for its version takes the runner longer than these trainings."""
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)


@pytest.fixture(scope='session')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten good videos 0.mp4 to 9.mp4, cut.mp4 without its end, all.txt with these, missing.mp4, and labels 0 to 3."""
    root = tmp_path_factory.mktemp('videos')
    for i in range(10):
        write_video(root / f'{i}.mp4', i)
    content = (root / '0.mp4').read_bytes()
    (root / 'cut.mp4').write_bytes(content[: len(content) // 2])
    names = [f'{i}.mp4' for i in range(10)]
    (root / 'good.txt').write_text(''.join(f'{name} {i % 4}\n' for i, name in enumerate(names)))
    (root / 'all.txt').write_text(
        ''.join(f'{name} {i % 4}\n' for i, name in enumerate([*names, 'missing.mp4', 'cut.mp4']))
    )
    (root / 'broken.txt').write_text('missing.mp4 0\ncut.mp4 1\n')
    return root


def dataset_cfg(videos: Path, ann: str = 'good.txt', **kwargs) -> dict:
    cfg = dict(
        type='mmhvt.VideoDataset', ann_file=ann, data_root=str(videos), data_prefix=dict(video=''), pipeline=READ + PACK
    )
    return copy.deepcopy(cfg | kwargs)


@pytest.fixture
def config(root: Path, videos: Path, tmp_path: Path) -> Config:
    """A training of one epoch on the good videos with a model of 30 000 parameters, its validation and its test."""
    cfg = Config.fromfile(root / 'configs/_base_/default_runtime.py')

    def loader(test_mode: bool) -> dict:
        return dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=not test_mode),
            dataset=dataset_cfg(videos, test_mode=test_mode),
        )

    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path / 'work'),
            experiment_name=uuid.uuid4().hex,
            randomness=dict(seed=0),
            model=dict(
                type='Recognizer3D',
                data_preprocessor=dict(
                    type='ActionDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3, format_shape='NCTHW'
                ),
                backbone=dict(
                    type='mmhvt.SMViT',
                    arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
                    input_size=(4, 32, 32),
                    out_type='avg_featmap',
                ),
                cls_head=dict(type='mmhvt.RecognitionHead', num_classes=4, in_channels=64, average_clips='prob'),
            ),
            train_dataloader=loader(False),
            val_dataloader=loader(True),
            test_dataloader=loader(True),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=100),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            val_evaluator=dict(type='AccMetric'),
            test_evaluator=dict(type='AccMetric'),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        )
    )
    return cfg


def log_of(cfg: Config) -> str:
    return ''.join(path.read_text() for path in Path(cfg.work_dir).rglob('*.log'))


def train(cfg: Config) -> str:
    """Trains and returns the log."""
    Runner.from_cfg(cfg).train()
    return log_of(cfg)


# Unreadable videos


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
    dataset = DATASETS.build(dataset_cfg(videos, on_unreadable='raise'))
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
        assert (
            log.count(f'Epoch {epoch}: 2 of 12 samples were replaced by others, because 2 videos cannot be read') == 1
        )
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
    assert '12 of 72 samples were replaced by others, because 2 videos cannot be read' in log
    assert log.count('WARNING - cannot read video') == 2


def test_datasets_are_found_inside_wrappers() -> None:
    a, b = SimpleNamespace(ann_file='a'), SimpleNamespace(ann_file='b')
    sliced = SimpleNamespace(_dataset=SimpleNamespace(dataset=b))
    assert list(innermost_datasets(SimpleNamespace(datasets=[a, sliced]))) == [a, b]


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
    with pytest.raises(UnreadableVideoError, match='11 videos in a row cannot be read.* data_prefix'):
        train(config)


@pytest.mark.parametrize('mode', ['val', 'test'])
def test_validation_and_test_stop(mode: str, config: Config, videos: Path) -> None:
    config[f'{mode}_dataloader'].dataset = dataset_cfg(videos, 'all.txt', test_mode=True, on_unreadable='warn')
    runner = Runner.from_cfg(config)
    with pytest.raises(UnreadableVideoError, match=r'cannot read video .*missing\.mp4.*could not be compared'):
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
    with pytest.raises(ValueError, match="on_unreadable='skip'.*'warn' or 'raise'"):
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
    assert '2 of 12 samples were replaced by others, because 2 videos cannot be read' in log
    (listing,) = Path(config.work_dir).rglob('unreadable_videos.txt')
    assert len(listing.read_text().splitlines()) == 2


# Annotation files


@pytest.mark.parametrize(
    'line, message',
    [
        ('b.mp4', 'has 0 labels: it needs a path and one label'),
        ('my b.mp4 1', 'has 2 labels: .*delimiter'),
        ('b.mp4 two', 'has a label that is no integer'),
        ('b.mp4 1.0', 'has a label that is no integer'),
        ('b.mp4 -1', 'has a negative label'),
        ('b.mp4 4', 'has label 4, but the dataset has num_classes=4: labels go from 0 to 3; num_classes=5 would'),
    ],
)
def test_malformed_lines_are_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'ann.txt').write_text(f'a.mp4 0\n\n{line}\n')
    with pytest.raises(ValueError, match=f'ann.txt, line 3: .*{message}'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', num_classes=4))


@pytest.mark.parametrize(
    'line, message', [('b.mp4', 'has 0 labels'), ('b.mp4 1 x', 'no integer'), ('b.mp4 1 9', 'label 9')]
)
def test_malformed_lines_of_several_labels(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'ann.txt').write_text(f'a.mp4 0 3\n{line}\n')
    with pytest.raises(ValueError, match=f'ann.txt, line 2: .*{message}'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', multi_class=True, num_classes=4))


def test_good_lines_are_read_as_mmaction_reads_them(tmp_path: Path) -> None:
    (tmp_path / 'one.txt').write_text('a b.mp4,1\n\nc.mp4,0\n')
    one = DATASETS.build(dataset_cfg(tmp_path, 'one.txt', delimiter=','))
    assert [one.get_data_info(i)['label'] for i in range(2)] == [1, 0] and len(one) == 2
    assert one.get_data_info(0)['filename'] == str(tmp_path / 'a b.mp4')
    assert (one.largest_label, one.largest_label_line) == (1, 1)
    (tmp_path / 'many.txt').write_text('a.mp4 0 3\nb.mp4 1\n')
    many = DATASETS.build(dataset_cfg(tmp_path, 'many.txt', multi_class=True, num_classes=4))
    assert many.get_data_info(0)['label'].tolist() == [1, 0, 0, 1]


def test_missing_and_empty_annotation_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='there is no annotation file .*ann.txt: set ann_file'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))
    (tmp_path / 'ann.txt').write_text('\n')
    with pytest.raises(ValueError, match='annotation file .*ann.txt is empty'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))
    (tmp_path / 'ann.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(ValueError, match='ann.txt cannot be read as an annotation file'):
        DATASETS.build(dataset_cfg(tmp_path, 'ann.txt'))


@pytest.mark.parametrize('eps', [0.0, 0.1])
@pytest.mark.parametrize('mode', ['train', 'val', 'test'])
def test_too_few_classes_stop_before_the_first_step(mode: str, eps: float, config: Config, videos: Path) -> None:
    (videos / 'large.txt').write_text('0.mp4 0\n1.mp4 7\n2.mp4 7\n')
    config.model.cls_head.label_smooth_eps = eps
    config[f'{mode}_dataloader'].dataset.ann_file = 'large.txt'
    runner = Runner.from_cfg(config)
    message = (
        f'cls_head has num_classes=4, but the largest label of the {mode} annotations is 7 '
        r'\(.*large.txt, line 2\).*num_classes=8 would do'
    )
    with pytest.raises(ValueError, match=message):
        # the validation of a training is checked with it
        runner.test() if mode == 'test' else runner.train()
    assert runner.iter == 0


def test_more_classes_than_labels_are_a_warning(config: Config) -> None:
    config.model.cls_head.num_classes = 6
    assert 'classes from 4 on have no sample' in train(config)


def test_classes_of_blending_and_of_several_labels(config: Config, videos: Path) -> None:
    blending = copy.deepcopy(config)
    blending.model.data_preprocessor.blending = dict(
        type='RandomBatchAugment',
        augments=[dict(type='MixupBlending', num_classes=4), dict(type='CutmixBlending', num_classes=5)],
    )
    with pytest.raises(ValueError, match=r'CutmixBlending\) has num_classes=5, but cls_head has num_classes=4'):
        train(blending)
    config.train_dataloader.dataset = dataset_cfg(videos, multi_class=True, num_classes=6)
    with pytest.raises(ValueError, match=r'cls_head has num_classes=4, but the multi_class .* has num_classes=6'):
        train(config)


# Checkpoints


@pytest.fixture(scope='session')
def save_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes what a change to a training checkpoint makes of it."""

    def save(checkpoint: dict, change: Callable[[dict], object] = lambda c: c) -> str:
        path = str(tmp_path_factory.mktemp('checkpoint') / 'file.pth')
        torch.save(change(dict(checkpoint)), path)
        return path

    return save


@pytest.fixture
def checkpoint(config: Config) -> dict:
    """What one epoch of training of `config` saves."""
    cfg = copy.deepcopy(config)
    cfg.work_dir, cfg.experiment_name = f'{config.work_dir}_before', uuid.uuid4().hex
    train(cfg)
    return torch.load(f'{cfg.work_dir}/epoch_1.pth', weights_only=False)


def other_model(cfg: Config) -> Config:
    """Wider and deeper, so that names and shapes differ."""
    cfg.model.backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 1, 2, 1))
    cfg.model.cls_head.in_channels = 128
    return cfg


def run(cfg: Config, path: str, how: str) -> None:
    cfg.load_from, cfg.resume = path, how == 'resume'
    runner = Runner.from_cfg(cfg)
    runner.test() if how == 'test' else runner.train()


@pytest.mark.parametrize('how', ['train', 'test', 'resume'])
def test_checkpoint_of_another_model(how: str, config: Config, checkpoint: dict, save_checkpoint: Callable) -> None:
    path = save_checkpoint(checkpoint)
    model = Runner.from_cfg(other_model(config)).model.state_dict()
    # biases of layers as wide as one of the other model
    fit = sum(checkpoint['state_dict'].get(name, torch.ones(())).shape == value.shape for name, value in model.items())
    assert fit < len(model) / 4
    config.experiment_name = uuid.uuid4().hex
    with pytest.raises(ValueError) as caught:
        run(config, path, how)
    message = str(caught.value)
    assert message.startswith(
        f'{path} does not fit the model: {fit} of the {len(model)} tensors of the model are in it'
    )
    assert '(8, 3, 3, 7, 7) in the checkpoint, (16, 3, 3, 7, 7) in the model' in message
    assert 'more. ' in message and '\n' not in message and len(message) < 800


CHANGES = {
    'as saved': lambda c: c,
    'bare': lambda c: c['state_dict'],
    'of DDP': lambda c: dict(state_dict={f'module.{name}': value for name, value in c['state_dict'].items()}),
}


@pytest.mark.parametrize('how', ['train', 'test'])
@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_checkpoints_that_fit(
    how: str, change: Callable, config: Config, checkpoint: dict, save_checkpoint: Callable
) -> None:
    run(config, save_checkpoint(checkpoint, change), how)
    assert 'tensors behind it are not' not in log_of(config)


def test_resume_goes_on(config: Config, checkpoint: dict, save_checkpoint: Callable) -> None:
    config.train_cfg.max_epochs = 2
    run(config, save_checkpoint(checkpoint), 'resume')
    assert 'resumed epoch: 1, iter: 3' in log_of(config)
    # and once more from the directory's latest
    config.train_cfg.max_epochs = 3
    config.load_from, config.experiment_name = None, uuid.uuid4().hex
    assert 'resumed epoch: 2, iter: 6' in train(config)


def test_resume_with_averaged_weights(config: Config) -> None:
    config.custom_hooks = [dict(type='EMAHook')]
    train(config)
    config.train_cfg.max_epochs, config.resume, config.experiment_name = 2, True, uuid.uuid4().hex
    assert 'resumed epoch: 1, iter: 3' in train(config)
    config.experiment_name = uuid.uuid4().hex
    run(config, f'{config.work_dir}/epoch_2.pth', 'test')


@pytest.mark.parametrize('lacking', ['optimizer', 'message_hub'])
def test_resume_needs_the_whole_state(
    lacking: str, config: Config, checkpoint: dict, save_checkpoint: Callable
) -> None:
    del checkpoint[lacking]
    with pytest.raises(ValueError, match=f'cannot be resumed, it lacks {lacking}: load_from with resume=False'):
        run(config, save_checkpoint(checkpoint), 'resume')


def test_another_head_is_for_training_only(config: Config, checkpoint: dict, save_checkpoint: Callable) -> None:
    path = save_checkpoint(checkpoint)
    config.model.cls_head.num_classes = 5
    run(copy.deepcopy(config), path, 'train')
    assert (
        f'{path}: the backbone is loaded whole, 2 tensors behind it are not: '
        'cls_head.fc_cls.weight: (4, 64) in the checkpoint, (5, 64) in the model'
    ) in log_of(config)
    for how in ('test', 'resume'):
        config.experiment_name = uuid.uuid4().hex
        with pytest.raises(ValueError, match=r'does not fit the model: .* cls_head\.fc_cls\.weight: \(4, 64\)'):
            run(copy.deepcopy(config), path, how)


def test_missing_and_surplus_tensors_of_the_backbone(
    config: Config, checkpoint: dict, save_checkpoint: Callable
) -> None:
    weights = checkpoint['state_dict']
    less = {name: value for name, value in weights.items() if name != 'backbone.blocks.3.norm1.weight'}
    for state, problem in [
        (less, 'backbone.blocks.3.norm1.weight: missing in the checkpoint'),
        (
            weights | {'backbone.blocks.4.norm1.weight': torch.ones(64)},
            'backbone.blocks.4.norm1.weight: not in the model',
        ),
    ]:
        path = save_checkpoint(dict(state_dict=state))
        for how in ('train', 'test'):
            config.experiment_name = uuid.uuid4().hex
            with pytest.raises(ValueError, match=problem):
                run(copy.deepcopy(config), path, how)


class Renamed(BaseModel):
    """Takes `old` for `weight`, as a module with a history does."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2))
        self._register_load_state_dict_pre_hook(self.rename)

    def forward(self, inputs: torch.Tensor, data_samples: list | None = None, mode: str = 'tensor') -> torch.Tensor:
        return inputs

    @staticmethod
    def rename(state_dict: dict, prefix: str, *_) -> None:
        if f'{prefix}old' in state_dict:
            state_dict[f'{prefix}weight'] = state_dict.pop(f'{prefix}old')


class TTA(BaseTTAModel):
    def merge_preds(self, data_samples_list: list) -> list:
        return data_samples_list


def test_conversions_and_wrappers_of_the_model_count() -> None:
    runner = SimpleNamespace(model=TTA(Renamed()), _resume=False, _load_from='a.pth', _train_loop=None)
    for name in ('weight', 'old'):
        checkpoint = {name: torch.ones(3, 2)}
        CheckpointCheckHook().after_load_checkpoint(runner, checkpoint)
        assert list(checkpoint) == [name]
    with pytest.raises(ValueError, match='a.pth does not fit .* 0 of the 1 .* weight: missing'):
        CheckpointCheckHook().after_load_checkpoint(runner, {'other': torch.ones(3, 2)})


def test_no_state_dict(config: Config, save_checkpoint: Callable) -> None:
    with pytest.raises(ValueError, match='holds a list, not a state dict'):
        run(config, save_checkpoint({}, lambda _: [1, 2]), 'test')


@pytest.mark.parametrize('how', ['train', 'test', 'resume'])
@pytest.mark.parametrize('kind', ['cut', 'empty', 'text'])
def test_checkpoints_that_are_no_file_of_torch(how: str, kind: str, config: Config, tmp_path: Path) -> None:
    path = tmp_path / 'bad.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(1000))), path)
    content = path.read_bytes()
    path.write_bytes(dict(cut=content[: len(content) * 9 // 10], empty=b'', text=b'404: Not Found')[kind])
    reason = dict(cut='it is cut off after', empty='it is empty', text='torch.save did not write it')[kind]
    with pytest.raises(ValueError, match=f'{path} cannot be read as a checkpoint, {reason}'):
        run(config, str(path), how)
