"""Finds misspelled keys of a config, before the first step."""

import inspect
from collections.abc import Iterable, Sequence

from mmengine.runner import Runner

from mmhvt.registry import HOOKS
from mmhvt.utils import nearest

from .optional_hook import OptionalHook

# what OpenMMLab's tools read beside the runner; names of views are too much like those of pipelines to compare with
_OF_TOOLS, _OF_VIEWS = ('auto_scale_lr', 'custom_imports'), ('tta_model', 'tta_pipeline')
# sections whose unknown keys nobody reads
_SECTIONS = {
    'auto_scale_lr': ('enable', 'base_batch_size'),
    'env_cfg': ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'),
}


@HOOKS.register_module()
class ConfigCheckHook(OptionalHook):
    """Refuses keys of the config that are spelled almost as those of the runner, which it would ignore.

    A config may have variables of any name: only a key that is near a known one, as `train_dataloder`, is refused.

    Args:
        allowed: Keys that are meant as they are. Defaults to none.
        enabled: Whether to build the hook. Defaults to True.
    """

    def __init__(self, allowed: Sequence[str] = (), enabled: bool = True) -> None:
        super().__init__(enabled)
        self.allowed = tuple(allowed)

    def before_run(self, runner: Runner) -> None:
        """Compares the keys of the config.

        Raises:
            ValueError: If one is misspelled; names the nearest right one, and how to keep it.
        """
        known = [*inspect.signature(Runner.__init__).parameters, *_OF_TOOLS]
        self._compare(runner.cfg, [name for name in known if name not in ('self', 'cfg')], '')
        for section, names in _SECTIONS.items():
            self._compare(runner.cfg.get(section) or (), names, f'{section}.')

    def _compare(self, keys: Iterable[str], known: Sequence[str], section: str) -> None:
        for key in keys:
            # short names, as mode, are variables
            if key in known or key in _OF_VIEWS or section + key in self.allowed or len(key) < 5:
                continue
            near = nearest(key, known, cutoff=0.8)
            if near and _is_misspelled(key, near[0]):
                raise ValueError(
                    f'the config has {section}{key}, which nothing reads: is it {section}{near[0]}? If it is meant, '
                    f'set default_hooks=dict(config_check=dict(allowed=[{section + key!r}]))'
                )


def _is_misspelled(key: str, near: str) -> bool:
    """Whether a key is no word of its own, as val_evaluator_2 and gallery_dataloader."""
    added = key.removeprefix(near)
    return abs(len(key) - len(near)) <= 2 and not (added[:1] == '_' or added.isdigit())
