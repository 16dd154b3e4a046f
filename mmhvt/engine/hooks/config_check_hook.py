"""Finds misspelled keys of a config, before the first step."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmengine.runner import Runner

from mmhvt.engine.config_options import ENVIRONMENT, SCALING, config_problems
from mmhvt.registry import HOOKS
from mmhvt.utils import nearest

from .optional_hook import OptionalHook

# what OpenMMLab's tools read besides the runner; names of views are too similar to those of pipelines to compare with
_OF_TOOLS, _OF_VIEWS = ('auto_scale_lr', 'custom_imports'), ('tta_model', 'tta_pipeline')
_KEEP = 'If it is meant, set default_hooks=dict(config_check=dict(allowed=[{!r}]))'
# sections whose unknown keys nobody reads
_SECTIONS = {
    'auto_scale_lr': tuple(SCALING),
    'env_cfg': tuple(ENVIRONMENT),
    # a hook of another name would run beside the one that is meant
    'default_hooks': (
        *('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint', 'visualization'),
        *('num_classes_check', 'config_check', 'checkpoint_check', 'schedule_check', 'class_names_check'),
        *('key_frames_check', 'exact_resume', 'finite_loss', 'unreadable_video', 'compile'),
    ),
}


@HOOKS.register_module()
class ConfigCheckHook(OptionalHook):
    """Rejects wrong values in a config, and keys that are spelled almost like those of the runner, which ignores them.

    A config may have variables of any name: only a key that is near a known one, such as `train_dataloder`, is
    rejected. :mod:`mmhvt.engine.config_options` has the allowed values. `tools/train.py` and `tools/test.py` check a
    config that has this hook before anything is built from it.

    Args:
        allowed: Keys that are intended as they are, with dots: 'train_cfg.max_epochs'. Defaults to none.
        enabled: Whether to build the hook. Defaults to True.
    """

    # other hooks know better what they check
    priority = 'VERY_LOW'

    def __init__(self, allowed: Sequence[str] = (), enabled: bool = True) -> None:
        super().__init__(enabled)
        self.allowed = tuple(allowed)

    def before_run(self, runner: Runner) -> None:
        """Checks the config.

        Raises:
            ValueError: See :func:`check_config`.
        """
        check_config(runner.cfg, self.allowed)


def check_built_later(cfg: Mapping[str, Any]) -> None:
    """Checks a config before a runner is built, if :class:`ConfigCheckHook` is among its hooks and enabled.

    Raises:
        ValueError: See :func:`check_config`.
    """
    hooks = cfg.get('default_hooks') or {}
    if not isinstance(hooks, Mapping):
        raise ValueError(f'default_hooks={hooks!r} must be a dict of hooks by name')
    for hook in hooks.values():
        if isinstance(hook, Mapping) and hook.get('type') in ('mmhvt.ConfigCheckHook', ConfigCheckHook):
            if hook.get('enabled', True) is not False:
                allowed = hook.get('allowed', ())
                check_config(cfg, allowed if isinstance(allowed, list | tuple) else ())
            return


def check_config(cfg: Mapping[str, Any], allowed: Sequence[str] = ()) -> None:
    """Checks keys and values of a config.

    Args:
        cfg: Config of a runner.
        allowed: Keys that are intended as they are. Defaults to none.

    Raises:
        ValueError: If a key is misspelled or a value is wrong. The message has the nearest key or what is allowed, and
            how to keep it.
    """
    known = [*inspect.signature(Runner.__init__).parameters, *_OF_TOOLS]
    _compare(cfg, [name for name in known if name not in ('self', 'cfg')], '', allowed)
    for section, names in _SECTIONS.items():
        keys = cfg.get(section)
        _compare(keys if isinstance(keys, Mapping) else (), names, f'{section}.', allowed)
    for key, text in config_problems(cfg):
        if key not in allowed:
            raise ValueError(f'{text}{"" if text.endswith("?") else "."} {_KEEP.format(key)}')


def _compare(keys: Iterable[str], known: Sequence[str], section: str, allowed: Sequence[str]) -> None:
    for key in keys:
        # short names, such as mode, are variables
        if key in known or key in _OF_VIEWS or section + key in allowed or len(key) < 5:
            continue
        near = nearest(key, known, cutoff=0.8)
        if near and _is_misspelled(key, near[0]):
            raise ValueError(
                f'the config has {section}{key}, which nothing reads: is it {section}{near[0]}? '
                f'{_KEEP.format(section + key)}'
            )


def _is_misspelled(key: str, near: str) -> bool:
    """Whether a key is not a name of its own, such as val_evaluator_2 and gallery_dataloader."""
    added = key.removeprefix(near)
    return abs(len(key) - len(near)) <= 2 and not (added[:1] == '_' or added.isdigit())
