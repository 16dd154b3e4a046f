"""A resumed run is the run that was interrupted, to the last bit."""

import copy
import json
import random
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from helpers.micro_recipes import micro_images
from helpers.project import Project
from helpers.recipes import read
from helpers.training import start_run
from mmhvt.synthetic import moving_actors, moving_shapes, shapes_coco


def read_log(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in work_dir.rglob('*.log'))


def train(config: Config, work_dir: Path, resume_from: Path | None = None) -> Path:
    """Trains in a state of the generators that no other run has, and returns the work directory."""
    config = copy.deepcopy(config)
    config.work_dir, config.experiment_name = str(work_dir), uuid.uuid4().hex
    config.visualizer.name = config.experiment_name  # of one name, runs in a process share one
    config.default_hooks.logger.interval = 1
    if resume_from:
        config.resume, config.load_from = True, str(resume_from)
    number = random.SystemRandom().getrandbits(32)
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    Runner.from_cfg(config).train()
    return work_dir


# what depends on the clock or the folder
OTHERS = {'time', 'cfg', 'experiment_name', 'eta', 'last_ckpt', 'best_ckpt', 'train/time', 'train/data_time'}
OTHERS |= {'mmengine_version', 'val/time', 'val/data_time', 'keep_ckpt_ids'}


def differences(one: Any, other: Any, name: str = '') -> list[str]:
    """Names of what differs in two checkpoints."""
    if isinstance(one, torch.Tensor):
        same = torch.equal(one, other)
    elif isinstance(one, dict):
        if one.keys() - OTHERS != other.keys() - OTHERS:
            return [f'{name}: {one.keys() ^ other.keys()}']
        return [line for key in one.keys() - OTHERS for line in differences(one[key], other[key], f'{name}.{key}')]
    elif isinstance(one, list | tuple):
        same = len(one) == len(other)
        parts = [differences(a, b, f'{name}.{i}') for i, (a, b) in enumerate(zip(one, other, strict=False))]
        return sum(parts, [] if same else [name])
    elif hasattr(one, 'data') and isinstance(one.data, tuple):  # HistoryBuffer
        return differences([list(part) for part in one.data], [list(part) for part in other.data], name)
    else:
        same = one == other or one != one
    return [] if same else [name]


def log(work_dir: Path) -> dict[tuple, dict]:
    """What was logged of each iteration and validation, without times."""
    lines = [
        json.loads(line) for path in sorted(work_dir.rglob('scalars.json')) for line in path.read_text().splitlines()
    ]
    times = ('time', 'data_time', 'memory')
    return {
        ('loss' in line, line['step']): {key: value for key, value in line.items() if key not in times}
        for line in lines
    }


def assert_resumed(whole: Path, resumed: Path, last: str) -> dict:
    """The last checkpoints are the same, and so are the logs from the checkpoint on."""
    one, other = (torch.load(folder / last, weights_only=False) for folder in (whole, resumed))
    assert one['exact_resume']
    assert not differences(one, other)
    logs = [log(folder) for folder in (whole, resumed)]
    assert logs[1] and {key: logs[0].get(key) for key in logs[1]} == logs[1]
    return other


def record(record_property: Callable[[str, object], None], tried: int, held: int) -> None:
    """For docs/guides/reliability.md."""
    for name, value in dict(section='B resumed runs that are the run', tried=tried, held=held).items():
        record_property(name, value)


@pytest.fixture
def config(config: Config) -> Config:
    """Three epochs of three batches with all that draws random numbers or keeps a state."""
    config.model.backbone.drop_path_rate = 0.5
    config.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=1))
    config.param_scheduler = [
        dict(type='OneCycleLR', eta_max=1e-3, total_steps=3, end=3, by_epoch=True, convert_to_iter_based=True)
    ]
    config.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    config.train_cfg.update(max_epochs=3, val_interval=1)
    config.train_dataloader.dataset.pipeline.insert(3, dict(type='Flip', flip_ratio=0.5))
    return config


def test_inside_an_epoch(config: Config, tmp_path: Path) -> None:
    config.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=-1)
    whole = train(config, tmp_path / 'whole')
    for iteration in (3, 5):
        resumed = train(config, tmp_path / f'{iteration}', whole / f'iter_{iteration}.pth')
        checkpoint = assert_resumed(whole, resumed, 'iter_9.pth')
        assert checkpoint['meta']['iter'] == 9


def with_workers(config: Config, num_workers: int, persistent: bool = False) -> None:
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(num_workers=num_workers, persistent_workers=persistent and num_workers > 0)


def test_workers_without_a_seed(config: Config, tmp_path: Path) -> None:
    """A seed that nobody gave is that of the checkpoint, for the order of the samples, too."""
    config.randomness = dict(seed=None)
    with_workers(config, 2, persistent=True)
    whole = train(config, tmp_path / 'whole')
    with_workers(config, 1)
    resumed = train(config, tmp_path / 'resumed', whole / 'epoch_1.pth')
    assert_resumed(whole, resumed, 'epoch_3.pth')


@pytest.mark.faults
@pytest.mark.parametrize('persistent', [False, True])
@pytest.mark.parametrize('num_workers', [0, 1, 2])
@pytest.mark.parametrize('loop', ['epochs', 'iterations', 'iterations over a finite sampler'])
def test_loops_and_workers(
    loop: str,
    num_workers: int,
    persistent: bool,
    config: Config,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with_workers(config, num_workers, persistent)
    last, places = 'epoch_3.pth', ('epoch_1.pth', 'epoch_2.pth')
    if loop != 'epochs':
        config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=9, val_interval=4)
        config.param_scheduler = [dict(type='CosineAnnealingLR', T_max=9, by_epoch=False)]
        config.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=-1)
        config.train_dataloader.sampler.type = 'DefaultSampler' if 'finite' in loop else 'InfiniteSampler'
        last, places = 'iter_9.pth', ('iter_2.pth', 'iter_4.pth', 'iter_7.pth')
    held = 0
    try:
        whole = train(config, tmp_path / 'whole')
        for place in places:
            resumed = train(config, tmp_path / place, whole / place)
            assert_resumed(whole, resumed, last)
            assert 'without ExactResumeHook' not in read_log(resumed)
            held += 1
    finally:
        record(record_property, len(places), held)


@pytest.mark.faults
def test_best_checkpoint_and_plateau(config: Config, tmp_path: Path) -> None:
    """Both depend on the validation that follows on the checkpoint."""
    config.train_cfg.update(max_epochs=4)
    config.default_hooks.checkpoint.update(save_best='acc/top1')
    config.param_scheduler = [
        dict(type='ReduceOnPlateauLR', monitor='acc/top1', rule='greater', patience=0, factor=0.5, by_epoch=True)
    ]
    whole = train(config, tmp_path / 'whole')
    best = {path.name for path in whole.glob('best*')}
    assert len(best) == 1
    for epoch in (1, 2, 3):
        resumed = train(config, tmp_path / f'{epoch}', whole / f'epoch_{epoch}.pth')
        checkpoint = assert_resumed(whole, resumed, 'epoch_4.pth')
        assert checkpoint['param_schedulers'][0]['_global_step'] == 4
        assert {path.name for path in resumed.glob('best*')} <= best


@pytest.mark.faults
def test_between_steps_of_the_optimizer(config: Config, tmp_path: Path) -> None:
    """Gradients that are accumulated go on."""
    config.optim_wrapper.update(accumulative_counts=2)
    config.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=-1)
    whole = train(config, tmp_path / 'whole')
    assert not torch.load(whole / 'iter_4.pth', weights_only=False)['exact_resume']['gradients']
    for iteration in (3, 4):
        assert_resumed(whole, train(config, tmp_path / f'{iteration}', whole / f'iter_{iteration}.pth'), 'iter_9.pth')


@pytest.mark.faults
def test_checkpoints_of_other_runs(config: Config, tmp_path: Path) -> None:
    """Without the entry, or with one that cannot be, a run resumes with a warning; so does one on other batches."""
    config.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=-1)
    whole = train(config, tmp_path / 'whole')
    content = torch.load(whole / 'iter_4.pth', weights_only=False)
    entry = content.pop('exact_resume')
    assert entry == dict(batches_done=1, epoch_length=3, sampler_seed=0, validated=False, gradients={})
    for number, other in enumerate([None, 7, entry | dict(batches_done=4), entry | dict(epoch_length='3')]):
        path = tmp_path / f'{number}.pth'
        torch.save(content if other is None else content | dict(exact_resume=other), path)
        resumed = train(config, tmp_path / f'{number}', path)
        assert 'The checkpoint was written without ExactResumeHook' in read_log(resumed)
        # nothing else draws numbers that depend on more than the seed and the place
        assert_resumed(whole, resumed, 'iter_9.pth')
    config.train_dataloader.batch_size = 2
    resumed = train(config, tmp_path / 'smaller', whole / 'iter_5.pth')
    text = read_log(resumed)
    assert 'An epoch has 5 batches, but 3 in the interrupted run' in text
    assert 'Epoch 2 goes on after 3 of 5 batches' in text
    # two more of that epoch, and the next one
    assert (resumed / 'iter_12.pth').is_file() and not (resumed / 'iter_13.pth').exists()
    again = train(config, tmp_path / 'again', resumed / 'iter_9.pth')
    assert_resumed(resumed, again, 'iter_12.pth')


@pytest.mark.faults
def test_left_out(config: Config, tmp_path: Path) -> None:
    config.default_hooks.exact_resume.enabled = False
    config.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=-1)
    whole = train(config, tmp_path / 'whole')
    assert 'exact_resume' not in torch.load(whole / 'iter_9.pth', weights_only=False)
    resumed = train(config, tmp_path / 'resumed', whole / 'iter_5.pth')
    # repeats the second epoch
    assert (resumed / 'iter_11.pth').is_file()
    one, other = (torch.load(folder / 'iter_9.pth', weights_only=False) for folder in (whole, resumed))
    assert differences(one['state_dict'], other['state_dict'])


def test_what_random_numbers_follow_from(config: Config) -> None:
    """Each sample has its own, whatever the workers, and other ones in the next epoch."""
    config.default_hooks.schedule_check.enabled = False  # of optimizers that are built
    drawn = []
    for num_workers, persistent in ((0, False), (2, False), (2, True)):
        with_workers(config, num_workers, persistent)
        runner = start_run(config)
        epochs = []
        for _ in range(2):
            runner.call_hook('before_train_epoch')
            epochs.append([batch['inputs'] for batch in runner.train_dataloader])
            runner.train_loop._epoch += 1
            runner.train_loop._iter += 3
        assert differences(*epochs)
        drawn.append(epochs)
    assert not differences(drawn[0], drawn[1]) and not differences(drawn[0], drawn[2])


FAMILIES = {
    'SMViT': 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'MViTv2': 'mvitv2/mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'Video Swin': 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'UniFormerV2 with EMA': 'uniformerv2/uniformerv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'repeated augmentation': 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    'MAE': 'mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb',
    'AVA': 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb',
    'COCO': 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco',
    'images with mixup': 'mvitv2/mvitv2-tiny_64xb32-300e_in1k',
    'images, each three times': 'mvit/mvit-base-16_64xb64-100e-repeat3_in1k',
}


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of data/moving_shapes, data/moving_actors and data/shapes_coco, two batches of four each."""
    folder = tmp_path_factory.mktemp('data')
    moving_shapes.write_dataset(folder / 'data/moving_shapes', 1, 1, size=32, processes=1)
    moving_actors.write_dataset(folder / 'data/moving_actors', videos=1, val_videos=1, seconds=9, processes=1)
    shapes_coco.write_dataset(folder / 'data/shapes_coco', images=8, val_images=1, size=96, processes=1)
    return folder


@pytest.mark.faults
@pytest.mark.parametrize('num_workers', [0, 2])
@pytest.mark.parametrize('name', FAMILIES)
def test_families_and_tasks(
    name: str,
    num_workers: int,
    data: Path,
    recipe_images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """Two epochs of two batches, resumed inside of each."""
    monkeypatch.chdir(data)
    config = micro_images(FAMILIES[name], recipe_images, tmp_path) if 'images' in name else read(FAMILIES[name])
    config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    loader = config.train_dataloader
    loader.update(num_workers=num_workers, persistent_workers=num_workers > 0, batch_size=4)
    if name == 'COCO':
        loader.batch_sampler = dict(type='AspectRatioBatchSampler')
    elif name == 'repeated augmentation':
        loader.dataset.num_repeats, loader.collate_fn = 2, dict(type='repeat_pseudo_collate')
    if name not in ('MAE', 'COCO'):
        config.model.backbone.drop_path_rate = 0.3
    if 'EMA' in name:
        config.custom_hooks = [dict(type='EMAHook', momentum=0.1)]
    config.default_hooks.checkpoint.update(by_epoch=False, interval=1, max_keep_ckpts=-1)
    held = 0
    try:
        with DefaultScope.overwrite_default_scope(config.default_scope):
            whole = train(config, tmp_path / 'whole')
            for iteration in (1, 3):
                resumed = train(config, tmp_path / f'{iteration}', whole / f'iter_{iteration}.pth')
                assert_resumed(whole, resumed, 'iter_4.pth')
                held += 1
    finally:
        record(record_property, 2, held)


CONFIG = """
_base_ = '{base}'
model = dict(backbone=dict(drop_path_rate=0.3))
train_dataloader = dict(batch_size=2, num_workers=1)
val_cfg = val_dataloader = val_evaluator = None
train_cfg = dict(max_epochs=2)
custom_hooks = [dict(type='EMAHook', momentum=0.1)]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=1, max_keep_ckpts=-1))
randomness = dict(_delete_=True, diff_rank_seed=True)
"""


@pytest.mark.faults
def test_two_processes(data: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Without a seed in the config; two epochs of two batches in each process."""
    project = Project(data, tmp_path)
    (tmp_path / 'data').symlink_to(data / 'data')
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(base=ROOT / 'configs' / f'{FAMILIES["SMViT"]}.py'))
    start = ['bash', ROOT / 'tools/dist_train.sh', config, 2, '--work-dir']
    held = 0
    try:
        project.run(*start, 'whole')
        project.run(*start, 'resumed', '--resume', 'whole/iter_3.pth')
        assert_resumed(tmp_path / 'whole', tmp_path / 'resumed', 'iter_4.pth')
        held = 1
    finally:
        record(record_property, 1, held)
