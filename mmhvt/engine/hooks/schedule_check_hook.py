"""Compares schedules with the length and the batch of the run, before the first step."""

from collections.abc import Iterator
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook
from mmengine.optim import (
    ConstantParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    OneCycleParamScheduler,
    OptimWrapper,
    OptimWrapperDict,
    _ParamScheduler,
)
from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner

from mmhvt.registry import HOOKS

from .dataset_labels import source_of
from .optional_hook import OptionalHook
from .running_loops import running_loops
from .wrapped_datasets import unwrap_datasets

# rounding of epochs to iterations
TOLERANCE = 1e-3
# that of linear probes on features of MoCo is 30
LARGEST_RATE = 1000
# 100 seconds at 30 fps
LONGEST_CLIP = 3000


@HOOKS.register_module()
class ScheduleCheckHook(OptionalHook):
    """Rejects runs that would train nothing, or nonsense, and warns about schedules that do not fit the run.

    A recipe in which only ``train_cfg.max_epochs`` or the number of GPUs was changed still has the warm-up, decay,
    validation and learning rate of the long run. Such a run may be intended, and is not rejected. Neither is a learning
    rate of 0, overall or of some parameters, with which runs are timed or parts are frozen.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    priority = 'LOW'

    def before_run(self, runner: Runner) -> None:
        """Checks lengths, data, learning rate and clips, before weights are loaded.

        Raises:
            ValueError: If the run has no step or no sample, or one of these is out of its range.
        """
        for mode, loop in running_loops(runner):
            _check_data(mode, loop)
            if mode == 'train':
                _check_length(runner, loop)
                _check_optimizer(runner)

    def before_train(self, runner: Runner) -> None:
        """Logs a warning for each problem."""
        for problem in find_problems(runner):
            runner.logger.warning(problem)


def _check_data(mode: str, loop: BaseLoop) -> None:
    """Checks that a dataloader returns batches, and its transforms return clips."""
    loader = loop.dataloader
    for dataset in unwrap_datasets(loader.dataset):
        for transform in getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []:
            for name, value in _sampling(transform).items():
                if value < 1:
                    raise ValueError(
                        f'{type(transform).__name__} in the pipeline of {mode}_dataloader has {name}={value}, which '
                        'must be 1 or more'
                    )
    if hasattr(loader.dataset, '__len__') and not len(loader.dataset):
        raise ValueError(f'{mode}_dataloader has no sample: the dataset of {_sources(loader.dataset)} is empty')
    if not isinstance(loader.sampler, InfiniteSampler) and hasattr(loader.dataset, '__len__') and not len(loader):
        raise ValueError(
            f'{mode}_dataloader has no batch: drop_last=True leaves out the {len(loader.dataset)} samples of '
            f'{_sources(loader.dataset)}, which are fewer than batch_size={loader.batch_size} for each process. Set '
            'drop_last=False, or a smaller batch_size'
        )


def _sampling(transform: object) -> dict[str, int]:
    """Length, interval and number of the clips that a transform samples."""
    values = {name: getattr(transform, name, None) for name in ('clip_len', 'frame_interval', 'num_clips')}
    return {name: value for name, value in values.items() if type(value) is int}


def _sources(dataset: object) -> str:
    return ', '.join(source_of(each) for each in unwrap_datasets(dataset))


def _check_length(runner: Runner, loop: BaseLoop) -> None:
    length, unit, name = _length(loop)
    if length < 1:
        raise ValueError(f'{name}={length} trains nothing: set train_cfg.{name} to the number of {unit}s, 1 or more')
    interval = getattr(loop, 'val_interval', 1)
    if runner.val_loop is not None and interval < 1:
        raise ValueError(
            f'val_interval={interval} must be the number of {unit}s between two validations, 1 or more. To train '
            'without validation, set val_dataloader, val_cfg and val_evaluator to None'
        )
    for scheduler in _all_schedulers(runner):
        scale = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) and not scheduler.by_epoch else 1
        total = getattr(scheduler, 'total_steps', INF)
        last = scheduler.begin + total
        if isinstance(scheduler, OneCycleParamScheduler) and last < min(length * scale, scheduler.end) - TOLERANCE:
            raise ValueError(
                f'{type(scheduler).__name__} has total_steps={total / scale:g} {unit}s, but {name}={length}: it cannot '
                f'go on after them. Set total_steps={length}'
            )


def _check_optimizer(runner: Runner) -> None:
    wrappers = runner.optim_wrapper
    if not isinstance(wrappers, OptimWrapper):
        return  # not built if only the hooks are run
    for wrapper in wrappers.values() if isinstance(wrappers, OptimWrapperDict) else [wrappers]:
        rates = [group['lr'] for group in wrapper.param_groups]
        for scheduler in _all_schedulers(runner):
            values = [getattr(scheduler, name, None) for name in ('eta_max', '_eta_max', 'eta_min')]
            rates += [value for value in values if isinstance(value, int | float)]
        for rate in rates:
            if not 0 <= rate <= LARGEST_RATE:
                raise ValueError(
                    f'the learning rate {rate:g} of optim_wrapper.optimizer or param_scheduler must be from 0 to '
                    f'{LARGEST_RATE}'
                )
        for name, value in (getattr(wrapper, 'clip_grad_kwargs', None) or {}).items():
            # infinity measures the norm and clips nothing
            if name in ('max_norm', 'clip_value') and (isinstance(value, bool | str) or not value > 0):
                raise ValueError(
                    f'optim_wrapper.clip_grad has {name}={value!r}, which must be positive: other values reverse '
                    'gradients, or set them to 0. Set clip_grad=None to clip nothing'
                )


def _all_schedulers(runner: Runner) -> list[_ParamScheduler]:
    found = runner.param_schedulers or []
    return [one for own in found.values() for one in own] if isinstance(found, dict) else list(found)


def find_problems(runner: Runner) -> Iterator[str]:
    """Yields what does not fit: schedulers, validation, checkpoints, and the learning rate for this batch."""
    loop = runner.train_loop
    schedulers = runner.param_schedulers or []
    if isinstance(schedulers, list):
        yield from _schedulers(schedulers, loop)
    yield from _intervals(runner, loop)
    yield from _learning_rate(runner)
    yield from _nothing_left(runner, loop)
    yield from _clips(loop)


def _schedulers(schedulers: list[_ParamScheduler], loop: BaseLoop) -> Iterator[str]:
    """Schedulers that the run cuts off, and a decay that ends long before it."""
    length, unit, name = _length(loop)
    # for schedulers that count iterations in a run that counts epochs
    per_epoch = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else 1
    last_decay = None
    for scheduler in schedulers:
        scale = 1 if scheduler.by_epoch else per_epoch
        begin, end = scheduler.begin / scale, scheduler.end / scale
        what, rises = type(scheduler).__name__, _is_warmup(scheduler)
        late = [step / scale for step in getattr(scheduler, 'milestones', ()) if step / scale >= length]
        if isinstance(scheduler, MultiStepParamScheduler) and late:
            yield (
                f'{what} has steps at {unit} {", ".join(f"{step:g}" for step in sorted(late))}, but {name}={length}: '
                'the learning rate does not decay to its end. Set its milestones'
            )
        elif scheduler.end < INF and end > length + TOLERANCE:
            yield (
                f'{what} runs from {unit} {begin:g} to {end:g}, but {name}={length}: the learning rate '
                f'{"does not rise to its full value" if rises else "does not decay to its end"}. Set its end to fit, '
                'or use mmhvt.WarmupCosineLR, which follows the length of the run'
            )
        if not rises:
            last_decay = max(last_decay or 0, end)
    if last_decay is not None and last_decay < length - TOLERANCE:
        yield (
            f'the learning rate is constant from {unit} {last_decay:g} on, where the last scheduler ends, but '
            f'{name}={length}. Set the end of the scheduler to fit'
        )


def _is_warmup(scheduler: _ParamScheduler) -> bool:
    if isinstance(scheduler, LinearParamScheduler):
        return scheduler.start_factor < scheduler.end_factor
    return isinstance(scheduler, ConstantParamScheduler) and scheduler.factor < 1


def _length(loop: BaseLoop) -> tuple[int, str, str]:
    if isinstance(loop, EpochBasedTrainLoop):
        return loop.max_epochs, 'epoch', 'max_epochs'
    return loop.max_iters, 'iteration', 'max_iters'


def _intervals(runner: Runner, loop: BaseLoop) -> Iterator[str]:
    """A validation or a checkpoint that is due only after the run ends."""
    length, unit, name = _length(loop)
    if runner.val_loop is not None:
        begin, interval = getattr(loop, 'val_begin', 1), getattr(loop, 'val_interval', 1)
        # as MMEngine decides, and the last epoch is always validated
        if begin > length:
            yield (
                f'val_begin={begin} is after the last {unit}, {name}={length}: there is no validation and no best '
                'checkpoint. Set train_cfg.val_begin and val_interval'
            )
        elif interval > length:
            yield (
                f'val_interval={interval} is longer than {name}={length}: the model is validated only at the end. '
                'Set train_cfg.val_interval'
            )
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook) or hook.by_epoch != isinstance(loop, EpochBasedTrainLoop):
            continue
        if hook.interval > length and not hook.save_last:
            yield (
                f'the checkpoint hook saves every {hook.interval} {unit}s, but {name}={length}: nothing is saved. '
                'Set default_hooks.checkpoint.interval'
            )


def _learning_rate(runner: Runner) -> Iterator[str]:
    """A learning rate that is for another batch size."""
    scale: dict[str, Any] = runner.auto_scale_lr or {}
    base = scale.get('base_batch_size')
    batch = getattr(runner.train_dataloader, 'batch_size', None)
    if not base or not batch or not isinstance(runner.optim_wrapper, OptimWrapper):
        return
    if scale.get('enable'):
        if any(isinstance(scheduler, OneCycleParamScheduler) for scheduler in runner.param_schedulers or ()):
            yield (
                'auto_scale_lr scales the learning rate of the optimizer, which OneCycleLR replaces with its eta_max. '
                'Set eta_max for the batch size, or use mmhvt.WarmupCosineLR'
            )
        return
    accumulated = runner.optim_wrapper._accumulative_counts
    total = batch * runner.world_size * accumulated
    if total != base:
        parts = f'{batch} × {runner.world_size} GPU{"s" * (runner.world_size > 1)}'
        if accumulated > 1:
            parts += f' × {accumulated} accumulated'
        rate = max(group.get('initial_lr', group['lr']) for group in runner.optim_wrapper.param_groups)
        yield (
            f'the learning rate {rate:g} is for batches of {base} samples, but this run has {total} ({parts}): '
            'pass --auto-scale-lr, or set auto_scale_lr.enable=True, to scale it'
        )


def _nothing_left(runner: Runner, loop: BaseLoop) -> Iterator[str]:
    """A resumed run that is over, and learning rates of 0 that stay 0."""
    length, unit, name = _length(loop)
    done = loop.epoch if isinstance(loop, EpochBasedTrainLoop) else loop.iter
    if done >= length:
        yield f'nothing is left to train: {done} of {name}={length} {unit}s are done. Set train_cfg.{name}'
    wrappers = runner.optim_wrapper
    groups = wrappers.param_groups if isinstance(wrappers, OptimWrapper) else []
    if groups and not any(group['lr'] or group.get('initial_lr') for group in groups):
        yield 'the learning rate is 0 for all parameters: nothing is trained. Set optim_wrapper.optimizer.lr'


def _clips(loop: BaseLoop) -> Iterator[str]:
    """Clips that are longer than most videos."""
    for dataset in unwrap_datasets(loop.dataloader.dataset):
        for transform in getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []:
            options = _sampling(transform)
            frames = options.get('clip_len', 1) * options.get('frame_interval', 1)
            if frames > LONGEST_CLIP:
                yield (
                    f'{type(transform).__name__} samples clips of {frames} frames (clip_len × frame_interval), '
                    f'{frames / 30:.0f} s at 30 fps: in shorter videos, frames repeat. Set frame_interval'
                )
