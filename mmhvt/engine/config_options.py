"""Types and ranges of a config's sections, which MMEngine and PyTorch check late or not at all.

`tools/train.py` and `tools/test.py` compare a config with them before anything is built, and
:class:`mmhvt.ConfigCheckHook` before the first step. Options of models, and of our datasets and hooks, are checked
where they are built: :mod:`mmhvt.utils.options`.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import mmengine.registry
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from mmhvt.utils import nearest
from mmhvt.utils.option_types import Built, Check, Number, Range, Rate, Share
from mmhvt.utils.options import options_of, problem, show

_Count = Annotated[int, Range(1)]
_Index = Annotated[int, Range(0)]
_AboveZero = Annotated[float, Range(0, above=True)]
_LearningRate = Annotated[float, Range(0, 1000)]
_Factor = Annotated[float, Range(0, 10_000)]
_Hints = Mapping[str, Any]


def _not_positive(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and value > 0 else ' must be a number above 0; inf measures the norm and clips nothing'


# including infinity
_Positive = Annotated[Any, Check(_not_positive)]
# computed by division in configs
_Whole = Annotated[float, Range(1), Check(lambda value: None if value == int(value) else ' must be a whole number')]
_LOOP: _Hints = dict(
    max_epochs=_Count,
    max_iters=_Count,
    val_begin=_Index,
    val_interval=_Whole,
    dynamic_intervals=Sequence[tuple[_Index, _Count]] | None,
    fp16=bool,
)
_LOOPS = {
    ('train', True): 'EpochBasedTrainLoop',
    ('train', False): 'IterBasedTrainLoop',
    ('val', False): 'ValLoop',
    ('test', False): 'TestLoop',
}
_SCOPES = ('mmengine', 'mmaction', 'mmpretrain', 'mmdet', 'mmseg', 'mmhvt')
# whose paramwise_cfg has no other keys
_CONSTRUCTORS = ('DefaultOptimWrapperConstructor', 'mmhvt.LayerDecayOptimWrapperConstructor')
_LOADER: _Hints = dict(
    batch_size=Number,
    num_workers=Annotated[int, Range(0, 1024)],
    persistent_workers=bool,
    pin_memory=bool,
    drop_last=bool,
    timeout=Annotated[float, Range(0, 1_000_000)],
    prefetch_factor=Annotated[int, Range(1, 1000)] | None,
    num_batch_per_epoch=_Count | None,
)
_SAMPLER: _Hints = dict(shuffle=bool, round_up=bool, seed=_Index | None)
_CLIPS: _Hints = dict(
    clip_len=_Count | dict, frame_interval=_Count, num_clips=_Count, out_of_bound_opt=Literal['loop', 'repeat_last']
)
_PRIORITIES = Literal[
    'HIGHEST', 'VERY_HIGH', 'HIGH', 'ABOVE_NORMAL', 'NORMAL', 'BELOW_NORMAL', 'LOW', 'VERY_LOW', 'LOWEST'
]
_HOOK: _Hints = dict(
    interval=Annotated[int, Range(-1)],
    momentum=Annotated[float, Range(0, 1, above=True, below=True)],
    priority=Annotated[int, Range(0, 100)] | _PRIORITIES,
)
_BLENDING: _Hints = dict(alpha=_AboveZero, mixup_alpha=_AboveZero, cutmix_alpha=_AboveZero)
_TRAINED: _Hints = dict(blending=Built | None)
_TESTED: _Hints = dict(max_testing_views=_Count | None, feature_extraction=bool, fcn_test=bool)
_WRAPPER: _Hints = dict(accumulative_counts=_Count, clip_grad=dict | None, paramwise_cfg=dict | None, optimizer=dict)
_OPTIMIZER: _Hints = dict(
    lr=_LearningRate | None,
    weight_decay=Annotated[float, Range(0, 1000)],
    momentum=Rate,
    betas=tuple[Rate, Rate] | tuple[Rate, Rate, Rate],
    eps=Annotated[float, Range(0, 1, above=True)] | Sequence[float],
    dampening=Share,
    nesterov=bool,
    amsgrad=bool,
)
_CLIPPING: _Hints = dict(
    type=Literal['norm', 'value'],
    max_norm=_Positive,
    clip_value=_Positive,
    norm_type=_Positive,
    error_if_nonfinite=bool,
    foreach=bool | None,
)
_LAYER_RATE = Annotated[float, Range(0, 1, above=True)]
_PARAMWISE: _Hints = dict(
    custom_keys=dict,
    bias_lr_mult=_Factor,
    bias_decay_mult=_Factor,
    norm_decay_mult=_Factor,
    flat_decay_mult=_Factor,
    dwconv_decay_mult=_Factor,
    dcn_offset_lr_mult=_Factor,
    bypass_duplicate=bool,
    layer_decay_rate=_LAYER_RATE,
    decay_rate=_LAYER_RATE,
)
_CUSTOM: _Hints = dict(lr_mult=_Factor, decay_mult=_Factor)
_SCHEDULER: _Hints = dict(
    # in epochs, which may be fractions for a scheduler that counts iterations
    begin=Annotated[float, Range(0)],
    end=_AboveZero,
    by_epoch=bool,
    convert_to_iter_based=bool,
    T_max=_AboveZero | None,
    eta_min=_LearningRate | None,
    eta_min_ratio=Share | None,
    eta_max=_LearningRate,
    total_steps=_Count | None,
    pct_start=Share,
    div_factor=_AboveZero,
    final_div_factor=_AboveZero,
    anneal_strategy=Literal['cos', 'linear'],
    start_factor=_LAYER_RATE,
    end_factor=Share,
    factor=Share,
    gamma=Annotated[float, Range(0, 100)],
    milestones=Sequence[Annotated[float, Range(0)]],
    step_size=_Count,
    power=Annotated[float, Range(0, 100)],
)
_RANDOMNESS: _Hints = dict(seed=Annotated[int, Range(0, 2**32 - 1)] | None, diff_rank_seed=bool, deterministic=bool)
ENVIRONMENT: _Hints = dict(cudnn_benchmark=bool, mp_cfg=dict, dist_cfg=dict, resource_limit=_Count)
_PROCESSES: _Hints = dict(
    mp_start_method=Literal['fork', 'spawn', 'forkserver', None], opencv_num_threads=Annotated[int, Range(0, 1024)]
)
SCALING: _Hints = dict(enable=bool, base_batch_size=_Count)
_RUNNER: _Hints = dict(
    model=Built,
    train_cfg=dict | None,
    val_cfg=dict | None,
    test_cfg=dict | None,
    train_dataloader=dict | None,
    optim_wrapper=dict | None,
    default_hooks=dict | None,
    custom_hooks=list[Built] | tuple[Built, ...] | None,
    auto_scale_lr=dict | None,
    randomness=dict,
    env_cfg=dict,
    load_from=str | None,
    resume=bool,
    log_processor=dict | None,
    visualizer=Built | None,
    log_level=Literal['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'] | int,
    default_scope=str | None,
    compile=bool | dict,
    strategy=Built | None,
)


def config_problems(cfg: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with a config: the key, with dots, and a sentence that names it.

    Args:
        cfg: Config of a runner. Values that are already built are not checked.
    """
    cfg = {key: value for key, value in cfg.items() if not _is_built(value)}
    wrong = False
    for fault in _values('', cfg, _RUNNER):
        wrong = True
        yield fault
    if wrong:
        return
    scope = cfg.get('default_scope')
    if scope is not None and find_spec(scope) is None:
        near = nearest(scope, _SCOPES)
        yield 'default_scope', f'default_scope={scope!r} is not a package{f", is it {near[0]}?" if near else ""}'
        return
    with DefaultScope.overwrite_default_scope(scope):
        yield from _model(cfg.get('model') or {})
        yield from _runs(cfg)
        yield from _optimization(cfg)
        yield from _hooks(cfg)
        yield from _section(cfg, 'randomness', _RANDOMNESS)
        yield from _section(cfg, 'auto_scale_lr', SCALING)
        if (cfg.get('auto_scale_lr') or {}).get('enable') and 'base_batch_size' not in cfg['auto_scale_lr']:
            yield 'auto_scale_lr', 'auto_scale_lr.enable=True needs base_batch_size, which the learning rate is for'
        yield from _section(cfg, 'log_processor', dict(window_size=_Count))
        yield from _section(cfg, 'env_cfg', ENVIRONMENT)
        yield from _section(cfg.get('env_cfg') or {}, 'mp_cfg', _PROCESSES, 'env_cfg.')


def _runs(cfg: Mapping) -> Iterator[tuple[str, str]]:
    """Loops, dataloaders and metrics."""
    keys = [name for name in inspect.signature(DataLoader.__init__).parameters if name != 'self']
    keys += ['num_batch_per_epoch', 'disable_subprocess_warning']
    for mode in ('train', 'val', 'test'):
        loop, loader = cfg.get(f'{mode}_cfg'), cfg.get(f'{mode}_dataloader')
        if loop:
            if mode == 'train' and 'type' not in loop and 'by_epoch' not in loop:
                yield f'{mode}_cfg', f"{mode}_cfg needs type='EpochBasedTrainLoop' or 'IterBasedTrainLoop'"
                return
            default = dict(type=_LOOPS[mode, mode == 'train' and bool(loop.get('by_epoch'))])
            yield from _built(f'{mode}_cfg', default | dict(loop), 'LOOPS', _LOOP, ('by_epoch',))
        if isinstance(loader, Mapping):
            yield from _names(f'{mode}_dataloader', loader, keys)
            yield from _values(f'{mode}_dataloader.', loader, _LOADER)
            yield from _built(f'{mode}_dataloader.sampler', loader.get('sampler'), 'DATA_SAMPLERS', _SAMPLER)
            yield from _dataset(f'{mode}_dataloader.dataset', loader.get('dataset'))
        for path, metric in _listed(f'{mode}_evaluator', cfg.get(f'{mode}_evaluator')):
            yield from _built(path, metric, 'METRICS', {})


def _model(model: Mapping) -> Iterator[tuple[str, str]]:
    """What recognizers and classifiers look up in dicts, which accept any key."""
    for key, hints in dict(train_cfg=_TRAINED, test_cfg=_TESTED).items():
        if not isinstance(model.get(key), list | tuple):  # of a cascade
            yield from _section(model, key, hints, 'model.')
    preprocessor = model.get('data_preprocessor')
    blending = preprocessor.get('blending') if isinstance(preprocessor, Mapping) else None
    for path, one in _listed('model.data_preprocessor.blending', blending):
        yield from _built(path, one, 'MODELS', _BLENDING)


def _dataset(path: str, dataset: Any) -> Iterator[tuple[str, str]]:
    """A dataset, the transforms of its pipeline, and the datasets that it wraps."""
    if not isinstance(dataset, Mapping):
        return
    yield from _built(path, dataset, 'DATASETS', {})
    for key in ('dataset', 'datasets'):
        for inner, one in _listed(f'{path}.{key}', dataset.get(key)):
            yield from _dataset(inner, one)
    pipeline = dataset.get('pipeline')
    if isinstance(pipeline, list | tuple) and not pipeline:
        yield f'{path}.pipeline', f'{path}.pipeline={pipeline} gives the model no inputs'
    # a dataset from another package than the default scope has its own transforms
    kind, _ = _find('DATASETS', dataset.get('type'))
    current = DefaultScope.get_current_instance()
    packages = [base.__module__.partition('.')[0] for base in getattr(kind, '__mro__', ())]
    if current is not None and current.scope_name in packages:
        for inner, transform in _listed(f'{path}.pipeline', pipeline):
            yield from _built(inner, transform, 'TRANSFORMS', _CLIPS)


def _optimization(cfg: Mapping) -> Iterator[tuple[str, str]]:
    """Optimizer, its wrapper, and the schedule."""
    wrapper = cfg.get('optim_wrapper') or {}
    if 'optimizer' in wrapper:
        yield from _values('optim_wrapper.', wrapper, _WRAPPER)
        if not isinstance(wrapper.get('optimizer'), Mapping):
            return
        if 'constructor' not in wrapper:
            with_type = {'type': 'OptimWrapper'} | dict(wrapper)
            yield from _built('optim_wrapper', with_type, 'OPTIM_WRAPPERS', {}, ('constructor', 'paramwise_cfg'))
        yield from _built('optim_wrapper.optimizer', wrapper['optimizer'], 'OPTIMIZERS', _OPTIMIZER)
        yield from _section(wrapper, 'clip_grad', _CLIPPING, 'optim_wrapper.')
        is_open = wrapper.get('constructor') not in (None, *_CONSTRUCTORS)
        yield from paramwise_problems(wrapper, 'optim_wrapper.', is_open)
    schedule = cfg.get('param_scheduler')
    parts = schedule.items() if isinstance(schedule, Mapping) and 'type' not in schedule else [('', schedule)]
    for name, part in parts:
        for path, one in _listed('.'.join(filter(None, ('param_scheduler', name))), part):
            yield from _built(path, one, 'PARAM_SCHEDULERS', _SCHEDULER, ('convert_to_iter_based',))


def paramwise_problems(wrapper: Mapping, prefix: str = '', is_open: bool = False) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with the `paramwise_cfg` of an optimizer wrapper, like :func:`config_problems`.

    Args:
        wrapper: Config of the wrapper.
        prefix: Prefix of the key. Defaults to ''.
        is_open: Whether its constructor may accept options other than MMEngine's and ours. Defaults to False.
    """
    yield from _section(wrapper, 'paramwise_cfg', _PARAMWISE, prefix, is_open)
    keys = (wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}
    for key in keys if isinstance(keys, Mapping) else ():
        yield from _section(keys, key, _CUSTOM, f'{prefix}paramwise_cfg.custom_keys.')


def _hooks(cfg: Mapping) -> Iterator[tuple[str, str]]:
    hooks = [(f'default_hooks.{name}', hook) for name, hook in (cfg.get('default_hooks') or {}).items()]
    for path, hook in [*hooks, *_listed('custom_hooks', cfg.get('custom_hooks'))]:
        if hook is not None:
            yield from _built(path, hook, 'HOOKS', _HOOK, ('priority',))


def _is_built(value: Any) -> bool:
    return not (value is None or isinstance(value, Mapping | list | tuple | str | int | float))


def _listed(path: str, value: Any) -> list[tuple[str, Any]]:
    """A config, or each of a list of them, with their paths."""
    if isinstance(value, list | tuple):
        return [(f'{path}.{index}', one) for index, one in enumerate(value)]
    return [] if value is None else [(path, value)]


def _section(
    cfg: Mapping, key: str, hints: _Hints, prefix: str = '', is_open: bool = True
) -> Iterator[tuple[str, str]]:
    """A dict whose keys have types; other keys may belong to another constructor."""
    values, path = cfg.get(key), f'{prefix}{key}'
    if values is None:
        return
    if not isinstance(values, Mapping):
        yield path, f'{path}={show(values)} must be a dict'
        return
    yield from _names(path, values, list(hints), is_open)
    yield from _values(f'{path}.', values, hints)


def _values(prefix: str, cfg: Mapping, hints: _Hints) -> Iterator[tuple[str, str]]:
    for key, value in cfg.items():
        if text := problem(value, hints.get(key)):
            yield f'{prefix}{key}', f'{prefix}{key}={show(value)}{text}'


def _names(path: str, cfg: Mapping, known: Sequence[str], is_open: bool = False) -> Iterator[tuple[str, str]]:
    """Keys that nothing reads; where another constructor might, only those that are misspelled."""
    for key in cfg:
        if key in known or not isinstance(key, str) or key.startswith('_'):
            continue
        near = nearest(key, known, cutoff=0.85 if is_open else 0.7)
        if near:
            yield f'{path}.{key}', f'{path} has no {key}, is it {near[0]}?'
        elif not is_open:
            yield f'{path}.{key}', f'{path} has no {key}: choose from {", ".join(known)}'


def _built(path: str, cfg: Any, registry: str, hints: _Hints, others: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Checks the config of a class: that the class exists, the names of its options, and their values by `hints`."""
    if _is_built(cfg) or cfg is None:
        return
    if not isinstance(cfg, Mapping):
        yield path, f'{path}={show(cfg)} must be a dict with type'
        return
    if text := problem(cfg, Built):
        yield path, f'{path}{text}'
        return
    kind, text = _find(registry, cfg['type'])
    if text:
        yield f'{path}.type', f'{path}.type={cfg["type"]!r} {text}'
    if not inspect.isclass(kind):
        return
    with suppress(Exception):  # from type annotations of any package
        options = options_of(kind)  # type: ignore[arg-type]
        names = [*options.hints, *others]
        if not options.is_passed_on:
            given = {key: value for key, value in cfg.items() if key != 'type'}
            yield from list(_names(path, given, names, options.is_open))
        taken = {key: hints[key] for key in hints if options.is_open or key in names}
        yield from list(_values(f'{path}.', cfg, taken))


def _find(registry: str, kind: Any) -> tuple[Any, str]:
    """A class by its name, or else what is wrong with the name."""
    if not isinstance(kind, str):
        return kind, ''
    with getattr(mmengine.registry, registry).switch_scope_and_registry(None) as found:
        try:
            cls = found.get(kind)
        except Exception:  # building raises its own error, or a package is missing
            return None, ''
    if cls is not None or '.' in kind:
        return cls, ''
    # other packages may know datasets and metrics that the default scope does not
    is_sure = registry not in ('DATASETS', 'TRANSFORMS', 'METRICS', 'MODELS')
    near = nearest(kind, {*found.module_dict, *found.root.module_dict}, cutoff=0.65 if is_sure else 0.85)
    if near or is_sure:
        return None, f'is no {found.name}' + (f', is it {near[0]}?' if near else '')
    return None, ''
