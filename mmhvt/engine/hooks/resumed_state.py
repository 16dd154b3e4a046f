"""What a checkpoint holds beside weights, compared with the run that is to go on from it."""

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch.optim import Optimizer

from mmhvt.migrate.whole import unwrap_model


def find_fault(runner: Runner, checkpoint: dict) -> str:
    """The first thing in a checkpoint from which a run cannot go on, or ''.

    Args:
        runner: Runner whose optimizers and schedules are built.
        checkpoint: Content of a file that has `meta`, `message_hub` and `optimizer`, each a dict.
    """
    return next(_faults(runner, checkpoint), '')


def _faults(runner: Runner, checkpoint: dict) -> Iterator[str]:
    meta, hub = checkpoint['meta'], checkpoint['message_hub']
    for key in ('epoch', 'iter'):
        if not _is_count(meta.get(key)):
            yield f'its meta.{key} is {_shown(meta.get(key))}, which is not a number from 0'
    if meta.get('seed') is not None and not _is_count(meta['seed']):
        yield f'its meta.seed is {_shown(meta["seed"])}, which is not a number from 0'
    for key in ('log_scalars', 'runtime_info', 'resumed_keys'):
        if not isinstance(hub.get(key), dict):
            yield f'its message_hub has no dict of {key}'
    wrapper = getattr(runner, 'optim_wrapper', None)
    if isinstance(wrapper, OptimWrapperDict):
        for name, one in wrapper.items():
            yield from _faults_of_optimizer(one, checkpoint['optimizer'].get(name), f'optimizer.{name}')
    elif isinstance(wrapper, OptimWrapper):
        yield from _faults_of_optimizer(wrapper, checkpoint['optimizer'], 'optimizer')
    yield from _faults_of_averages(runner, checkpoint.get('ema_state_dict', {}))
    schedulers = getattr(runner, 'param_schedulers', None)
    found = checkpoint.get('param_schedulers')
    if isinstance(schedulers, dict):
        for name, some in schedulers.items():
            its_own = found.get(name) if isinstance(found, dict) else None
            yield from _faults_of_schedulers(some, its_own, f'param_schedulers.{name}')
    elif schedulers:
        yield from _faults_of_schedulers(schedulers, found, 'param_schedulers')


def _faults_of_optimizer(wrapper: OptimWrapper, found: Any, name: str) -> Iterator[str]:
    optimizer: Optimizer = wrapper.optimizer
    own = optimizer.state_dict()
    if not isinstance(found, dict):
        yield f'its {name} is {_shown(found)}, not a dict'
        return
    for key, kind in (('state', dict), ('param_groups', list)):
        if not isinstance(found.get(key), kind):
            yield f'its {name} has no {kind.__name__} of {key}'
            return
    if len(found['param_groups']) != len(own['param_groups']):
        count = len(found['param_groups'])
        yield f'its {name} has {count} groups of parameters, that of the run {len(own["param_groups"])}'
        return
    for key in ('loss_scaler', 'base_param_settings'):
        if not isinstance(found.get(key, {}), dict):
            yield f'its {name} has {key}={_shown(found[key])}, not a dict'
    parameters = [parameter for group in optimizer.param_groups for parameter in group['params']]
    numbers: list[Any] = []
    for i, (theirs, ours) in enumerate(zip(found['param_groups'], own['param_groups'], strict=True)):
        group = f'group {i} of its {name}'
        if not isinstance(theirs, dict) or not isinstance(theirs.get('params'), list):
            yield f'{group} has no list of parameters'
            return
        if len(theirs['params']) != len(ours['params']):
            yield f'{group} has {len(theirs["params"])} parameters, that of the run {len(ours["params"])}'
            return
        for key, value in ours.items():
            # other versions of PyTorch have some options more or less
            if not _is_alike(theirs.get(key, value), value):
                yield f'{group} has {key}={_shown(theirs[key])}, the run {_shown(value)}'
        numbers += theirs['params']
    for number, state in found['state'].items():
        if number not in numbers or not isinstance(state, dict):
            yield f'its {name} has a state of {_shown(number)}, which is no parameter'
            return
        shape = parameters[numbers.index(number)].shape
        for key, value in state.items():
            if not isinstance(value, torch.Tensor) or value.dim() != len(shape):
                continue  # a step is a scalar
            # Adafactor keeps rows and columns
            if any(size not in (1, own_size) for size, own_size in zip(value.shape, shape, strict=True)):
                yield f'its {name} has {key} of {tuple(value.shape)} for a parameter of {tuple(shape)}'


def _faults_of_averages(runner: Runner, found: Any) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f'its ema_state_dict is {_shown(found)}, not a dict'
        return
    own = unwrap_model(runner.model).state_dict()
    for name, value in found.items():
        expected = own.get(str(name).removeprefix('module.'))
        if expected is not None and getattr(value, 'shape', None) != expected.shape:
            shape = tuple(value.shape) if isinstance(value, torch.Tensor) else _shown(value)
            yield f'its ema_state_dict has {shape} for {name} of {tuple(expected.shape)}'


def _faults_of_schedulers(own: list, found: Any, name: str) -> Iterator[str]:
    if not isinstance(found, list) or len(found) != len(own):
        count = f'{len(found)} schedules' if isinstance(found, list) else _shown(found)
        yield f'its {name} are {count}, the run has {len(own)}'
        return
    for i, (scheduler, theirs) in enumerate(zip(own, found, strict=True)):
        ours = scheduler.state_dict()
        kind = f'its {name}[{i}] is no {type(scheduler).__name__}'
        if not isinstance(theirs, dict):
            yield kind
            continue
        for key, other in zip_longest(sorted(ours), sorted(map(str, theirs))):
            if key != other:
                yield f'{kind}: its state has {other}, the run {key}'
                break
        else:
            yield from (
                f'its {name}[{i}] has {key}={_shown(theirs[key])}, the run {_shown(value)}'
                for key, value in ours.items()
                if not _is_alike(theirs[key], value)
            )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_alike(value: Any, own: Any) -> bool:
    """Whether a value is of the kind of another: a number, a text, a list of as many. For None there may be any."""
    if isinstance(own, list | tuple):
        return isinstance(value, list | tuple) and len(value) == len(own)
    if isinstance(value, float) and math.isnan(value):
        return False
    if callable(own):
        return callable(value)
    for kind in (bool, int | float | torch.Tensor, str, dict):
        if isinstance(own, kind):
            return isinstance(value, kind)
    return True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f'a {type(value).__name__}'
