"""Misspelled keys and wrong values of a config are refused before the first step, others are left alone."""

import copy
import inspect
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mmaction
import mmdet
import mmpretrain
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from helpers import ROOT
from helpers.recipes import RECIPES, read
from mmhvt.engine import ConfigCheckHook
from mmhvt.engine.command_line import build_runner
from mmhvt.engine.config_options import config_problems
from mmhvt.engine.hooks.config_check_hook import check_built_later


def check(allowed: tuple[str, ...] = (), **keys) -> None:
    ConfigCheckHook(allowed).before_run(SimpleNamespace(cfg=Config(keys)))


@pytest.mark.parametrize(
    ('key', 'right'),
    [
        ('train_dataloder', 'train_dataloader'),
        ('traindataloader', 'train_dataloader'),
        ('optim_warpper', 'optim_wrapper'),
        ('param_schedulers', 'param_scheduler'),
        ('custom_hook', 'custom_hooks'),
        ('default_hook', 'default_hooks'),
        ('val_evalutor', 'val_evaluator'),
        ('load_form', 'load_from'),
        ('resum', 'resume'),
        ('modle', 'model'),
        ('auto_scale_Lr', 'auto_scale_lr'),
        ('log_procesor', 'log_processor'),
    ],
)
def test_misspelled_keys_are_named(key: str, right: str) -> None:
    message = rf"the config has {key}, which nothing reads: is it {right}\? If it is meant, set .*allowed=\['{key}'\]"
    with pytest.raises(ValueError, match=message) as caught:
        check(**{key: dict()})
    assert '\n' not in str(caught.value)
    check(allowed=(key,), **{key: dict()})


def test_sections() -> None:
    with pytest.raises(ValueError, match=r'has auto_scale_lr\.enabled, .* is it auto_scale_lr\.enable\?'):
        check(auto_scale_lr=dict(enabled=True))
    check(auto_scale_lr=dict(enable=True, base_batch_size=8), env_cfg=dict(cudnn_benchmark=True))


def test_variables_of_published_configs_are_left_alone() -> None:
    """Whatever the configs of OpenMMLab's packages and ours define at the top level."""
    folders = [Path(package.__file__).parent / '.mim/configs' for package in (mmaction, mmdet, mmpretrain)]
    names = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    for path in (path for folder in [*folders, ROOT / 'configs'] for path in folder.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        names.update(re.findall(r'^([a-z]\w+) *=', text, re.MULTILINE))
    assert len(names) > 100
    needed = dict(model=dict(type='X'), randomness={}, env_cfg={}, log_level='INFO', resume=False)
    check(**{name: None for name in names if not name.startswith('_')} | needed)
    check(val_evaluator2={}, train_dataloader_b={}, mode='x')


def test_misspelled_hooks_are_named() -> None:
    with pytest.raises(ValueError, match=r'has default_hooks\.finite_los, .* is it default_hooks\.finite_loss\?'):
        check(default_hooks=dict(finite_los=dict(enabled=False)))
    check(default_hooks=dict(early_stopping=dict(type='EarlyStoppingHook', monitor='acc/top1')))


# ---- values of sections

SAMPLES = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmhvt.VideoDataset',
        ann_file='list.txt',
        pipeline=[dict(type='DecordInit'), dict(type='SampleFrames', clip_len=4, frame_interval=2, num_clips=1)],
    ),
)
GOOD = dict(
    default_scope='mmaction',
    model=dict(type='Recognizer3D', data_preprocessor=dict(type='ActionDataPreprocessor'), test_cfg=dict()),
    train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=1),
    val_cfg=dict(type='ValLoop'),
    train_dataloader=SAMPLES,
    val_dataloader=SAMPLES,
    val_evaluator=dict(type='AccMetric'),
    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05)),
    param_scheduler=[dict(type='mmhvt.WarmupCosineLR', convert_to_iter_based=True)],
    default_hooks=dict(config_check=dict(type='mmhvt.ConfigCheckHook'), logger=dict(type='LoggerHook', interval=20)),
    custom_hooks=[dict(type='EMAHook', momentum=1e-4)],
    randomness=dict(seed=0),
    env_cfg=dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl')),
)
DATASET, OPTIMIZER = 'train_dataloader.dataset', 'optim_wrapper.optimizer'
NUMBER = 'must be a whole number from'
WRONG = [
    ('train_cfg', [], 'must be a dict or None'),
    ('train_cfg', dict(max_epochs=2), "train_cfg needs type='EpochBasedTrainLoop' or"),
    ('train_cfg.max_epochs', '3', f"train_cfg.max_epochs='3' {NUMBER} 1"),
    ('train_cfg.max_epochs', 2.5, f'train_cfg.max_epochs=2.5 {NUMBER} 1'),
    ('train_cfg.max_epochs', math.nan, f'train_cfg.max_epochs=nan {NUMBER} 1'),
    ('train_cfg.max_epoch', 3, 'train_cfg has no max_epoch, is it max_epochs?'),
    ('train_cfg.val_interval', 'x', "train_cfg.val_interval='x' must be a number from 1"),
    ('train_cfg.val_interval', 1.5, 'train_cfg.val_interval=1.5 must be a whole number'),
    ('train_cfg.dynamic_intervals', [(1, 0)], 'train_cfg.dynamic_intervals'),
    ('train_cfg.type', 'EpochBasedTrainLop', 'is no loop, is it EpochBasedTrainLoop?'),
    ('val_cfg.fp61', True, 'val_cfg has no fp61, is it fp16?'),
    ('train_dataloader.batch_size', 0, f'train_dataloader.batch_size=0 {NUMBER} 1'),
    ('train_dataloader.batchsize', 4, 'train_dataloader has no batchsize, is it batch_size?'),
    ('train_dataloader.num_workers', -1, f'train_dataloader.num_workers=-1 {NUMBER} 0'),
    ('val_dataloader.pin_memory', 'x', "val_dataloader.pin_memory='x' must be True or False"),
    ('train_dataloader.sampler', [], 'train_dataloader.sampler'),
    ('train_dataloader.sampler', {}, 'train_dataloader.sampler: it needs a type'),
    ('train_dataloader.sampler.shuffl', True, 'sampler has no shuffl, is it shuffle?'),
    ('train_dataloader.sampler.shuffle', 'no', "sampler.shuffle='no' must be True or False"),
    (f'{DATASET}.ann_fiel', 'a.txt', f'{DATASET} has no ann_fiel, is it ann_file?'),
    (f'{DATASET}.pipeline', [], 'gives the model no inputs'),
    (f'{DATASET}.pipeline.1.cliplen', 4, 'pipeline.1 has no cliplen, is it clip_len?'),
    (f'{DATASET}.pipeline.1.frame_interval', 0.5, f'frame_interval=0.5 {NUMBER} 1'),
    (f'{DATASET}.pipeline.0.type', 'DecordInt', 'is no transform, is it DecordInit?'),
    ('val_evaluator.metric_lst', 'x', 'val_evaluator has no metric_lst, is it metric_list?'),
    ('model', {}, 'it needs a type, the name of a class'),
    ('model.test_cfg', 3, 'model.test_cfg=3 must be a dict'),
    ('model.test_cfg.max_testing_view', 1, 'model.test_cfg has no max_testing_view, is it max_testing_views?'),
    ('model.data_preprocessor.blending', dict(type='MixupBlending', num_classes=4, alpha=0), 'alpha=0 must be'),
    (f'{OPTIMIZER}.lr', '0.1', f"{OPTIMIZER}.lr='0.1' must be a number from 0 to 1000"),
    (f'{OPTIMIZER}.lr', True, f'{OPTIMIZER}.lr=True must be a number'),
    (f'{OPTIMIZER}.betas', (0.9,), f'{OPTIMIZER}.betas=(0.9,) must be'),
    (f'{OPTIMIZER}.weight_decay', math.inf, f'{OPTIMIZER}.weight_decay=inf must be'),
    (f'{OPTIMIZER}.weigth_decay', 0.1, f'{OPTIMIZER} has no weigth_decay, is it weight_decay?'),
    (f'{OPTIMIZER}.type', 'SDG', f"{OPTIMIZER}.type='SDG' is no optimizer"),
    ('optim_wrapper.optimizer', 'SGD', "optim_wrapper.optimizer='SGD' must be a dict"),
    ('optim_wrapper.accumulative_counts', 0, f'optim_wrapper.accumulative_counts=0 {NUMBER} 1'),
    ('optim_wrapper.clip_grad', 1.0, 'optim_wrapper.clip_grad=1.0 must be a dict or None'),
    ('optim_wrapper.clip_grad', dict(max_nrom=1), 'optim_wrapper.clip_grad has no max_nrom, is it max_norm?'),
    ('optim_wrapper.clip_grad', dict(max_norm='1'), "clip_grad.max_norm='1' must be a number above 0"),
    ('optim_wrapper.paramwise_cfg', dict(norm_decay_mul=0), 'has no norm_decay_mul, is it norm_decay_mult?'),
    ('optim_wrapper.paramwise_cfg', dict(norm_decay_mult=-1), 'norm_decay_mult=-1 must be'),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(norm=3)), 'custom_keys.norm=3 must be a dict'),
    ('optim_wrapper.paramwise_cfg', dict(custom_keys=dict(norm=dict(lr_mul=1))), 'has no lr_mul, is it lr_mult?'),
    ('param_scheduler.0.convert_to_iter_base', True, 'param_scheduler.0 has no convert_to_iter_base'),
    ('param_scheduler.0', dict(type='CosineAnnealingLR', T_max=0), 'param_scheduler.0.T_max=0 must be'),
    ('param_scheduler.0', dict(type='CosineAnealingLR'), 'is no parameter scheduler, is it CosineAnnealingLR?'),
    ('param_scheduler.0', 3, 'param_scheduler.0=3 must be a dict with type'),
    ('default_hooks.logger.intervl', 3, 'default_hooks.logger has no intervl, is it interval?'),
    ('custom_hooks', dict(type='EMAHook'), 'custom_hooks={'),
    ('custom_hooks.0.type', 'EMAHok', 'is no hook, is it EMAHook?'),
    ('custom_hooks.0.momentum', 2, 'custom_hooks.0.momentum=2 must be'),
    ('custom_hooks.0.priority', -1, 'custom_hooks.0.priority=-1'),
    ('randomness', None, 'randomness=None must be a dict'),
    ('randomness.sed', 1, 'randomness has no sed, is it seed?'),
    ('randomness.seed', -1, f'randomness.seed=-1 {NUMBER} 0 to 4294967295'),
    ('env_cfg.mp_cfg.mp_start_method', 'frok', "mp_start_method='frok': choose from fork, spawn, forkserver"),
    ('auto_scale_lr', dict(enable=True), 'auto_scale_lr.enable=True needs base_batch_size'),
    ('auto_scale_lr', dict(enable=True, base_batch_size=0), f'base_batch_size=0 {NUMBER} 1'),
    ('resume', 'x.pth', "resume='x.pth' must be True or False"),
    ('load_from', 3, 'load_from=3 must be a string or None'),
    ('log_level', 'info', "log_level='info': choose from DEBUG, INFO"),
    ('default_scope', 'mmactoin', "default_scope='mmactoin' is not a package, is it mmaction?"),
]  # fmt: skip


def with_value(key: str, value: Any) -> Config:
    config = Config(copy.deepcopy(GOOD))
    *path, last = key.split('.')
    node = config
    for part in path:
        node = node[int(part) if part.isdigit() else part]
    node[int(last) if last.isdigit() else last] = value
    return config


@pytest.mark.parametrize(('key', 'value', 'message'), WRONG, ids=[f'{key}={value}' for key, value, _ in WRONG])
def test_wrong_values_of_sections(key: str, value: Any, message: str) -> None:
    """In one line that names the key, by the tools before anything is built, by the hook before the first step."""
    config = with_value(key, value)
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        ConfigCheckHook().before_run(SimpleNamespace(cfg=config))
    assert '\n' not in str(caught.value)
    with pytest.raises(SystemExit, match=re.escape(message)):
        build_runner(config)
    config.default_hooks.config_check.allowed = re.findall(r"allowed=\['(.*)'\]", str(caught.value))
    assert len(config.default_hooks.config_check.allowed) == 1
    config.default_hooks.config_check.enabled = False
    check_built_later(config)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('train_cfg', dict(by_epoch=True, max_epochs=np.int64(3), val_interval=4.0)),
        ('train_cfg', dict(type='IterBasedTrainLoop', max_iters=10, dynamic_intervals=[[5, 1]])),
        ('train_dataloader.sampler', None),
        ('train_dataloader.num_batch_per_epoch', 3),
        (f'{DATASET}.pipeline.1', dict(type='SomeTransform', clip_len='x')),  # of a plugin
        (DATASET, dict(type='RepeatDataset', times=2, dataset=SAMPLES['dataset'])),
        (OPTIMIZER, dict(type='SGD', lr=0, momentum=0.9, nesterov=True)),
        ('optim_wrapper.clip_grad', dict(max_norm=math.inf, norm_type=math.inf)),
        ('optim_wrapper', dict(optimizer=dict(type='AdamW', lr=1e-3))),
        ('param_scheduler', dict(type='CosineAnnealingLR', T_max=2, begin=1.5, end=3, convert_to_iter_based=True)),
        ('val_evaluator', [dict(type='AccMetric'), dict(type='DumpResults', out_file_path='x.pkl')]),
        ('default_hooks.logger', None),
        ('env_cfg.dist_cfg', dict(backend='nccl', timeout=1800)),
    ],
)
def test_right_values_of_sections(key: str, value: Any) -> None:
    assert list(config_problems(with_value(key, value))) == []


@pytest.mark.parametrize('path', RECIPES[::20], ids=lambda path: path.stem)
def test_recipes_have_right_values(path: Path) -> None:
    assert list(config_problems(read(path))) == []


@pytest.mark.faults
def test_all_recipes_have_right_values() -> None:
    assert not [(path.stem, found) for path in RECIPES if (found := list(config_problems(read(path))))]
