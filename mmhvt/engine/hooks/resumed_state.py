"""What a checkpoint holds besides weights, compared with the run that resumes from it."""

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from mmengine.hooks import EMAHook
from mmengine.logging import HistoryBuffer
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch.optim import Optimizer

from mmhvt.migrate.whole import unwrap_model

# largest number of containers in a checkpoint, and how deeply they may be nested
_MOST, _DEEPEST = 1_000_000, 100


def find_fault(runner: Runner, checkpoint: dict) -> str:
    """The first thing in a checkpoint that keeps a run from resuming, or ''.

    Args:
        runner: Runner whose optimizers and schedules are built.
        checkpoint: Content of a file that has `meta`, `message_hub` and `optimizer`, each a dict.
    """
    return next(_faults(runner, checkpoint), '')


def _faults(runner: Runner, checkpoint: dict) -> Iterator[str]:
    for key in ('meta', 'message_hub', 'optimizer', 'param_schedulers'):
        if _is_endless(checkpoint.get(key)):
            yield f'its {key} is nested without end'
    meta, hub = checkpoint['meta'], checkpoint['message_hub']
    for key in ('epoch', 'iter'):
        if not _is_count(meta.get(key), 1 << 63):
            yield f'its meta.{key} is {_shown(meta.get(key))}, which is not a number from 0'
    if meta.get('seed') is not None and not _is_count(meta['seed'], 1 << 32):
        yield f'its meta.seed is {_shown(meta["seed"])}, which is not a number from 0 to 4294967295'
    yield from _faults_of_hub(hub)
    wrapper = getattr(runner, 'optim_wrapper', None)
    if isinstance(wrapper, OptimWrapperDict):
        for name, one in wrapper.items():
            yield from _faults_of_optimizer(one, checkpoint['optimizer'].get(name), f'optimizer.{name}')
    elif isinstance(wrapper, OptimWrapper):
        # of mmhvt.FSDPStrategy, whose optimizer has shards
        whole = getattr(getattr(runner, 'strategy', None), 'whole_parameters', None)
        yield from _faults_of_optimizer(wrapper, checkpoint['optimizer'], 'optimizer', whole)
    yield from _faults_of_averages(runner, checkpoint.get('ema_state_dict', {}))
    schedulers = getattr(runner, 'param_schedulers', None)
    found = checkpoint.get('param_schedulers')
    if isinstance(schedulers, dict):
        for name, some in schedulers.items():
            its_own = found.get(name) if isinstance(found, dict) else None
            yield from _faults_of_schedulers(some, its_own, f'param_schedulers.{name}')
    elif schedulers:
        yield from _faults_of_schedulers(schedulers, found, 'param_schedulers')


def _faults_of_hub(hub: dict) -> Iterator[str]:
    for key in ('log_scalars', 'runtime_info', 'resumed_keys'):
        if not isinstance(hub.get(key), dict):
            yield f'its message_hub has no dict of {key}'
            return
        if odd := [name for name in hub[key] if not isinstance(name, str)]:
            yield f'{key} in its message_hub have {_shown(odd[0])} as a name'
            return
    for key, log in hub['log_scalars'].items():
        # MMEngine leaves out others
        if isinstance(log, HistoryBuffer) and not _is_log(vars(log)):
            yield f'the log of {_shown(key)} in its message_hub does not consist of numbers'
    for key, value in hub['runtime_info'].items():
        if key == 'keep_ckpt_ids':
            fits = isinstance(value, list) and all(_is_count(number, 1 << 63) for number in value)
        elif key.startswith('best_score'):
            fits = isinstance(value, int | float | np.number | torch.Tensor) and np.size(value) == 1 and value == value
        else:
            fits = not key.startswith(('best_ckpt', 'last_ckpt')) or isinstance(value, str | None)
        if not fits:
            yield f'{key} in its message_hub is {_shown(value)}'
    for key, value in hub['resumed_keys'].items():
        if not isinstance(value, bool):
            yield f'its message_hub has {_shown(value)} for the resumed key {_shown(key)} instead of True or False'


def _is_log(state: dict[str, Any]) -> bool:
    """Whether the attributes of a HistoryBuffer are those that its class gives it."""
    numbers: list[Any] = [state.get(name) for name in ('_log_history', '_count_history')]
    return (
        not state.keys() - {'_log_history', '_count_history', '_statistics_methods', 'max_length'}
        and all(isinstance(part, np.ndarray) and part.ndim == 1 and part.dtype.kind in 'iuf' for part in numbers)
        and len(numbers[0]) == len(numbers[1])
        and _is_count(state.get('max_length'), 1 << 63)
    )


def _faults_of_optimizer(
    wrapper: OptimWrapper, found: Any, name: str, whole: list[torch.nn.Parameter] | None = None
) -> Iterator[str]:
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
        yield f'its {name} has {count} parameter groups, but that of the run has {len(own["param_groups"])}'
        return
    for key in ('loss_scaler', 'base_param_settings'):
        if not isinstance(found.get(key, {}), dict):
            yield f'its {name} has {key}={_shown(found[key])}, not a dict'
    parameters = whole or [parameter for group in optimizer.param_groups for parameter in group['params']]
    numbers: list[Any] = []
    for i, (theirs, ours) in enumerate(zip(found['param_groups'], own['param_groups'], strict=True)):
        group = f'group {i} of its {name}'
        if not isinstance(theirs, dict) or not isinstance(theirs.get('params'), list):
            yield f'{group} has no list of parameters'
            return
        if len(theirs['params']) != len(ours['params']):
            yield f'{group} has {len(theirs["params"])} parameters, but that of the run has {len(ours["params"])}'
            return
        for key, value in ours.items():
            # other versions of PyTorch have some more or fewer options, but none of these is a number
            if key not in theirs and isinstance(value, int | float | tuple) and not isinstance(value, bool):
                yield f'{group} lacks {key}, which {type(optimizer).__name__} needs: it is from another optimizer'
            elif not _is_alike(theirs.get(key, value), value):
                yield f'{group} has {key}={_shown(theirs[key])}, but the run has {_shown(value)}'
        numbers += theirs['params']
    places = {number: place for place, number in enumerate(numbers) if isinstance(number, int)}
    groups = [group for group in optimizer.param_groups for _ in group['params']]
    expected: dict[tuple[int, int], dict] = {}
    for number, state in found['state'].items():
        place = places.get(number, -1)
        if place < 0 or not isinstance(state, dict):
            yield f'its {name} has a state for {_shown(number)}, which is not a parameter'
            return
        shape = parameters[place].shape
        like = id(groups[place]), len(shape)
        if like not in expected:
            expected[like] = _first_state(optimizer, groups[place], len(shape))
        # a parameter without a gradient has none
        for key, value in expected[like].items() if state else ():
            if not _is_alike(state.get(key), value):
                yield f'its {name} has {key}={_shown(state.get(key))} for parameter {_shown(number)}'
        for key, value in state.items():
            if isinstance(value, list | tuple | dict) and key not in expected[like]:
                yield f'its {name} has {_shown(key)}={_shown(value)} for parameter {_shown(number)}'
            if not isinstance(value, torch.Tensor):
                continue
            if value.is_meta or value.layout is not torch.strided or value.nbytes > value.untyped_storage().nbytes():
                yield f'its {name} has {key} of {value.numel()} values, of which it holds only a part'
            elif key == 'step' and value.numel() == 1 and value < 0:
                yield f'its {name} has step={value.item()} for parameter {number}'
            # a step is a scalar; Adafactor keeps rows and columns
            if value.dim() == len(shape) and any(a not in (1, b) for a, b in zip(value.shape, shape, strict=True)):
                yield f'its {name} has {key} of {tuple(value.shape)} for a parameter of {tuple(shape)}'


def _first_state(optimizer: Optimizer, group: dict, dim: int) -> dict:
    """What one of PyTorch's optimizers keeps after a step for a parameter with `dim` axes."""
    if not type(optimizer).__module__.startswith('torch.optim'):
        return {}
    parameter = torch.nn.Parameter(torch.zeros((1,) * dim))
    parameter.grad = torch.zeros_like(parameter)
    try:
        trial = type(optimizer)([parameter], **{key: group[key] for key in optimizer.defaults})
        trial.step()
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        return {}
    state = trial.state[parameter]
    return {key: state[key] for key in state if isinstance(state[key], int | float | torch.Tensor)}


def _faults_of_averages(runner: Runner, found: Any) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f'its ema_state_dict is {_shown(found)}, not a dict'
        return
    own = unwrap_model(runner.model).state_dict()
    for hook in runner.hooks if found else ():
        if isinstance(hook, EMAHook) and hook.strict_load:
            averaged = {name for name in hook.ema_model.state_dict() if name.startswith('module.')}
            if lacking := sorted(averaged - found.keys()):
                yield f'its ema_state_dict lacks {lacking[0]}'
    for name, value in found.items():
        expected = own.get(str(name).removeprefix('module.'))
        if expected is not None and getattr(value, 'shape', None) != expected.shape:
            shape = tuple(value.shape) if isinstance(value, torch.Tensor) else _shown(value)
            yield f'its ema_state_dict has {shape} for {name} of {tuple(expected.shape)}'


def _faults_of_schedulers(own: list, found: Any, name: str) -> Iterator[str]:
    if not isinstance(found, list) or len(found) != len(own):
        count = f'{len(found)} schedules' if isinstance(found, list) else _shown(found)
        yield f'its {name} are {count}, but the run has {len(own)}'
        return
    for i, (scheduler, theirs) in enumerate(zip(own, found, strict=True)):
        ours = scheduler.state_dict()
        kind = f'its {name}[{i}] is no {type(scheduler).__name__}'
        if not isinstance(theirs, dict):
            yield kind
            continue
        for key, other in zip_longest(sorted(ours), sorted(map(str, theirs))):
            if key != other:
                yield f'{kind}: its state has {other}, but the run has {key}'
                break
        else:
            yield from (
                f'its {name}[{i}] has {key}={_shown(theirs[key])}, but the run has {_shown(value)}'
                for key, value in ours.items()
                if not _is_alike(theirs[key], value)
            )


def _is_endless(value: Any) -> bool:
    """Whether lists are nested so deeply, or so often, that MMEngine, which looks at each, would not finish."""
    left, seen = [(value, 0)], 0
    while left and seen < _MOST:
        found, depth = left.pop()
        parts = list(found.values()) if isinstance(found, dict) else found
        if isinstance(parts, list | tuple):
            if depth > _DEEPEST:
                return True
            seen += 1
            left += [(part, depth + 1) for part in parts if isinstance(part, dict | list | tuple)]
    return bool(left)


def _is_count(value: Any, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def _is_alike(value: Any, own: Any) -> bool:
    """Whether a value is of the same kind as another: a number, a string, a list of the same length. Any fits None."""
    if isinstance(own, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(own):
            return False
        return all(map(_is_alike, value, own))
    if isinstance(value, float) and math.isnan(value):
        return False
    if callable(own):
        return callable(value)
    for kind in (bool, int | float | torch.Tensor, str, dict):
        if isinstance(own, kind):
            return isinstance(value, kind)
    return True


def _shown(value: Any) -> str:
    # the text of a nested value, or of a number, may be endless
    is_plain = isinstance(value, bool | float | str | None) or (isinstance(value, int) and abs(value) < 1 << 64)
    text = repr(value) if is_plain else ''
    return text if 0 < len(text) < 40 else f'a {type(value).__name__}'
