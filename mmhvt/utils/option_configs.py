"""Options that are configs: of norms, of initialization, of losses. Their keys are options of what they build."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Annotated, Any

from torch import nn
from torch.nn.modules.instancenorm import _InstanceNorm

from .checks import nearest
from .option_types import Check
from .options import options_of, problem, show


def config_problem(
    cfg: dict, find: Callable[[str], Any], what: str, known: Sequence[str] = (), others: Sequence[str] = ()
) -> str | None:
    """What is wrong with a config: an unknown type or key, a value of another type or outside its range.

    Args:
        cfg: A config.
        find: Finds a class by its name; returns None if there is none.
        what: What the class is, for messages.
        known: Names of such classes, for messages. Defaults to none.
        others: Keys for what builds the class rather than for the class. Defaults to none.

    Returns:
        str | None: End of a sentence that begins with the config, None if nothing is wrong.
    """
    kind = cfg.get('type')
    cls = find(kind) if isinstance(kind, str) else kind
    if not callable(cls):
        near = (nearest(kind, known) if isinstance(kind, str) else None) or known
        advice = f', use {" or ".join(near)}' if near else ''
        return f': {"it needs a type, the name of" if kind is None else f"type={show(kind)} is not"} {what}{advice}'
    if not isinstance(cls, type):
        return None
    options = options_of(cls)
    for key, value in cfg.items():
        if key == 'type' or key in others:
            continue
        if key not in options.hints and not options.is_open:
            return f': unknown key {key}, use {" or ".join(nearest(key, options.hints) or options.hints)}'
        if key in options.hints and (text := problem(value, options.hints[key])):
            return f': {key}={show(value)}{text}'
    missing = [key for key in options.required if key not in cfg and what != 'a norm']  # a norm gets its channels later
    return f': it needs {", ".join(missing)}' if missing else None


def _get(registries: str, name: str, kind: str) -> Any:
    """A class by its name in a registry, None if there is none."""
    try:
        with getattr(import_module(registries), name).switch_scope_and_registry(None) as registry:
            return registry.get(kind)
    except KeyError:  # from a registry of mmhvt
        return None


_find_norm = partial(_get, 'mmengine.registry', 'MODELS')


# a model has the same config for each of its norms
_right_norms: set[tuple] = set()


def _norm_problem(cfg: dict, of: str, known: Sequence[str], refused: tuple[type, ...]) -> str | None:
    key = (of, *((name, type(value), repr(value)) for name, value in cfg.items()))
    if key in _right_norms:
        return None
    text = _new_norm_problem(cfg, of, known, refused)
    if text is None:
        _right_norms.add(key)
    return text


def _new_norm_problem(cfg: dict, of: str, known: Sequence[str], refused: tuple[type, ...]) -> str | None:
    import mmcv.cnn  # noqa: F401  # registers norms

    if text := config_problem(cfg, _find_norm, 'a norm', known, others=('requires_grad',)):
        return text
    cls = _find_norm(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    is_of_maps = any(base.__name__ == 'LayerNorm2d' for base in getattr(cls, '__mro__', ()))
    is_of_channels = isinstance(cls, type) and issubclass(cls, nn.LayerNorm) and not is_of_maps
    if (isinstance(cls, type) and issubclass(cls, refused)) or (is_of_channels if of == 'maps' else is_of_maps):
        return f': type={show(cfg["type"])} is not a norm of {of}, use {" or ".join(known)}'
    if cls is nn.GroupNorm and 'num_groups' not in cfg:
        return ': it needs num_groups'
    return None


def init_problem(cfg: dict | Sequence[dict]) -> str | None:
    """What is wrong with an `init_cfg`, as :func:`config_problem`."""
    for each in [cfg] if isinstance(cfg, dict) else cfg:
        find = partial(_get, 'mmengine.registry', 'WEIGHT_INITIALIZERS')
        known = ('Constant', 'Xavier', 'Normal', 'TruncNormal', 'Uniform', 'Kaiming', 'Pretrained')
        if text := config_problem(each, find, 'an initialization', known, others=('override',)):
            return text
    return None


def _loss_problem(package: str, cfg: dict) -> str | None:
    return config_problem(cfg, partial(_get, f'{package}.registry', 'MODELS'), f'a loss of {package}')


# of tokens (N, L, C), of rows (N, C), of maps (N, C, H, W)
_CHECK_TOKENS = dict(of='tokens', known=('LN',), refused=(nn.modules.batchnorm._NormBase, nn.GroupNorm))
_CHECK_ROWS = dict(of='rows', known=('BN1d', 'LN'), refused=(nn.BatchNorm2d, nn.BatchNorm3d, _InstanceNorm))
_CHECK_MAPS = dict(
    of='maps',
    known=('mmhvt.LN2d', 'BN', 'SyncBN', 'GN'),
    refused=(nn.BatchNorm1d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm3d),
)
TokenNorm = Annotated[dict, Check(partial(_norm_problem, **_CHECK_TOKENS))]
RowNorm = Annotated[dict, Check(partial(_norm_problem, **_CHECK_ROWS))]
MapNorm = Annotated[dict, Check(partial(_norm_problem, **_CHECK_MAPS))]
InitCfg = Annotated[dict | list[dict] | None, Check(lambda cfg: None if cfg is None else init_problem(cfg))]
ActionLoss = Annotated[dict, Check(partial(_loss_problem, 'mmaction'))]
