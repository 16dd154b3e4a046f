"""What is said before the first step of a schedule that does not fit the run."""

from typing import Any

import pytest
from mmengine import Config
from mmengine.runner import Runner

from helpers import ROOT
from helpers.training import log_of

WARMUP = dict(type='LinearLR', start_factor=0.01, end=30, convert_to_iter_based=True)
COSINE = dict(type='CosineAnnealingLR', begin=30, end=200, convert_to_iter_based=True)


def warnings(config: Config, **changes: Any) -> list[str]:
    """The hook's warnings in the log of a training that is stopped before its first step."""
    config.merge_from_dict(changes)
    runner = Runner.from_cfg(config)
    runner.train_loop.run_epoch = lambda: setattr(runner.train_loop, '_epoch', 10**6)
    runner.val_loop.run = lambda: None
    runner.train()
    lines = [line for line in log_of(config).splitlines() if 'WARNING' in line]
    return [line.split('WARNING - ')[1] for line in lines if 'Set ' in line or '--auto-scale-lr' in line]


def test_a_run_that_fits_is_silent(config: Config) -> None:
    schedulers = [dict(WARMUP, end=2.5), dict(COSINE, begin=2.5, end=10)]
    assert warnings(config, train_cfg=dict(max_epochs=10, val_interval=3), param_scheduler=schedulers) == []


@pytest.mark.parametrize('converted', [True, False])
def test_a_short_run_with_the_schedule_of_a_long_one(converted: bool, config: Config) -> None:
    """The audit's finding: 10 epochs, of which all are warm-up, and no validation."""
    schedulers = [dict(part, convert_to_iter_based=converted) for part in (WARMUP, COSINE)]
    warmup, cosine, validation = warnings(
        config, train_cfg=dict(max_epochs=10, val_begin=15), param_scheduler=schedulers
    )
    assert warmup.startswith('LinearLR runs from epoch 0 to 30, but max_epochs=10: the learning rate does not rise')
    assert cosine.startswith('CosineAnnealingLR runs from epoch 30 to 200, but max_epochs=10: the learning rate does')
    assert validation.startswith('val_begin=15 is after the last epoch, max_epochs=10: there is no validation')


def test_a_long_run_with_the_schedule_of_a_short_one(config: Config) -> None:
    (constant,) = warnings(
        config, train_cfg=dict(max_epochs=40, val_interval=5), param_scheduler=[dict(COSINE, begin=0, end=30)]
    )
    assert constant.startswith('the learning rate is constant from epoch 30 on')


def test_warm_up_alone_may_end(config: Config) -> None:
    config.train_cfg.val_interval = 1
    assert warnings(config, train_cfg=dict(max_epochs=40), param_scheduler=[WARMUP]) == []


def test_steps_after_the_end(config: Config) -> None:
    steps = dict(type='MultiStepLR', milestones=[4, 8, 11], end=12)
    (line,) = warnings(config, train_cfg=dict(max_epochs=8, val_interval=2), param_scheduler=[steps])
    assert line.startswith('MultiStepLR has steps at epoch 8, 11, but max_epochs=8')


def test_a_run_counted_in_iterations(config: Config) -> None:
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=20, val_interval=50)
    schedulers = [dict(type='LinearLR', start_factor=0.1, end=40, by_epoch=False)]
    config.param_scheduler = schedulers
    runner = Runner.from_cfg(config)
    runner.train_loop.run_iter = lambda *_: setattr(runner.train_loop, '_iter', 10**6)
    runner.val_loop.run = lambda: None
    runner.train()
    log = log_of(config)
    assert 'LinearLR runs from iteration 0 to 40, but max_iters=20' in log
    assert 'val_interval=50 is longer than max_iters=20' in log


def test_validation_only_at_the_end_and_no_checkpoint(config: Config) -> None:
    validation, checkpoint = warnings(
        config,
        train_cfg=dict(max_epochs=10, val_interval=11),
        default_hooks=dict(checkpoint=dict(interval=20, save_last=False)),
    )
    assert 'val_interval=11 is longer than max_epochs=10' in validation
    assert 'saves every 20 epochs, but max_epochs=10: nothing is saved' in checkpoint


def test_learning_rate_of_another_batch(config: Config) -> None:
    config.train_cfg.val_interval = 1
    line = 'the learning rate 0.01 is for batches of 256 samples, but this run has 4 (4 × 1 GPU): pass --auto-scale-lr'
    (said,) = warnings(config, auto_scale_lr=dict(enable=False, base_batch_size=256))
    assert said.startswith(line)


def test_a_learning_rate_that_cannot_be_scaled(config: Config) -> None:
    config.train_cfg.val_interval = 1
    one_cycle = dict(type='OneCycleLR', eta_max=0.01, end=1, total_steps=1, convert_to_iter_based=True)
    (line,) = warnings(config, auto_scale_lr=dict(enable=True, base_batch_size=256), param_scheduler=[one_cycle])
    assert line.startswith('auto_scale_lr scales the learning rate of the optimizer, which OneCycleLR replaces')


@pytest.mark.parametrize(
    'changes',
    [
        dict(auto_scale_lr=dict(enable=True, base_batch_size=256)),
        dict(auto_scale_lr=dict(enable=False, base_batch_size=4)),
        dict(auto_scale_lr=dict(enable=False, base_batch_size=12), optim_wrapper=dict(accumulative_counts=3)),
        dict(
            auto_scale_lr=dict(enable=False, base_batch_size=256),
            default_hooks=dict(schedule_check=dict(enabled=False)),
        ),
    ],
)
def test_a_learning_rate_that_fits_or_a_hook_left_out(changes: dict, config: Config) -> None:
    config.train_cfg.val_interval = 1
    assert warnings(config, **changes) == []


@pytest.mark.parametrize('runtime', ['', '_ava', '_det', '_image', '_mae', '_micro'])
def test_every_runtime_has_it(runtime: str) -> None:
    hooks = Config.fromfile(ROOT / f'configs/_base_/default_runtime{runtime}.py').default_hooks
    assert hooks.schedule_check.type == 'mmhvt.ScheduleCheckHook'


# ---- runs that should not begin

ONE_CYCLE = dict(type='OneCycleLR', eta_max=0.1, total_steps=5, by_epoch=True)
REFUSED = {
    'no epoch': (dict(train_cfg=dict(max_epochs=0)), 'max_epochs=0 trains nothing: set train_cfg.max_epochs'),
    'epochs below 0': (dict(train_cfg=dict(max_epochs=-1)), 'max_epochs=-1 trains nothing'),
    'no interval': (dict(train_cfg=dict(val_interval=0)), 'val_interval=0 must be the number of epochs between'),
    'infinite rate': (dict(optim_wrapper=dict(optimizer=dict(lr=float('inf')))), 'the learning rate inf .* from 0 to'),
    'absurd rate': (dict(optim_wrapper=dict(optimizer=dict(lr=1e30))), r'the learning rate 1e\+30 .* from 0 to 1000'),
    'absurd peak': (dict(param_scheduler=[dict(ONE_CYCLE, eta_max=1e30)]), r'the learning rate \S+e\+\d+ of'),
    'no clipping': (dict(optim_wrapper=dict(clip_grad=dict(max_norm=0))), 'clip_grad has max_norm=0, .* positive'),
    'clipping below 0': (dict(optim_wrapper=dict(clip_grad=dict(max_norm=-1))), 'clip_grad has max_norm=-1, which'),
    'clipping at NaN': (dict(optim_wrapper=dict(clip_grad=dict(max_norm=float('nan')))), 'clip_grad has max_norm=nan'),
    'short cycle': (
        dict(param_scheduler=[ONE_CYCLE], train_cfg=dict(max_epochs=7)),
        'OneCycleLR has total_steps=5 epochs, but max_epochs=7: it cannot go on after them. Set total_steps=7',
    ),
    'short cycle of iterations': (
        dict(param_scheduler=[dict(ONE_CYCLE, convert_to_iter_based=True)], train_cfg=dict(max_epochs=7)),
        'OneCycleLR has total_steps=5 epochs, but max_epochs=7',
    ),
    'one frame all over': (
        {'train_dataloader.dataset.pipeline.1.frame_interval': 0},
        'SampleFrames in the pipeline of train_dataloader has frame_interval=0, which must be 1 or more',
    ),
    'no frames': ({'val_dataloader.dataset.pipeline.1.clip_len': 0}, 'of val_dataloader has clip_len=0'),
    'no clips': ({'train_dataloader.dataset.pipeline.1.num_clips': -1}, 'of train_dataloader has num_clips=-1'),
    'no batch': (
        dict(train_dataloader=dict(batch_size=11, drop_last=True)),
        'train_dataloader has no batch: drop_last=True leaves out the 10 samples of .*good.txt, .* batch_size=11',
    ),
    'no sample': (
        {'train_dataloader.dataset.indices': [], 'train_dataloader.dataset.serialize_data': False},
        'train_dataloader has no sample: the dataset of .*good.txt is empty',
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_runs_that_should_not_begin(name: str, config: Config) -> None:
    changes, message = REFUSED[name]
    config.merge_from_dict(changes)
    runner = Runner.from_cfg(config)
    with pytest.raises(ValueError, match=message) as error:
        runner.train()
    assert runner.iter == 0 and '\n' not in str(error.value)


@pytest.mark.parametrize(
    'changes',
    [
        dict(param_scheduler=[ONE_CYCLE], train_cfg=dict(max_epochs=5)),
        dict(optim_wrapper=dict(clip_grad=dict(max_norm=float('inf')))),
        dict(optim_wrapper=dict(paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0)}))),
        dict(train_dataloader=dict(batch_size=11)),
    ],
)
def test_what_is_done_on_purpose(changes: dict, config: Config) -> None:
    assert not [line for line in warnings(config, **changes) if 'validated only at the end' not in line]


def test_a_rate_of_0_and_long_clips_are_warned_of(config: Config) -> None:
    (rate,) = warnings(config, train_cfg=dict(val_interval=1), optim_wrapper=dict(optimizer=dict(lr=0.0)))
    assert rate.startswith('the learning rate is 0 for all parameters: nothing is trained')
    config.optim_wrapper.optimizer.lr = 0.1
    config.work_dir += '2'
    (clip,) = warnings(config, **{'train_dataloader.dataset.pipeline.1.frame_interval': 1000})
    assert clip.startswith('SampleFrames samples clips of 4000 frames (clip_len × frame_interval), 133 s')
