"""Registries of scope ``mmhvt``, children of MMEngine's.

``type='mmhvt.SMViT'`` finds its class from any ``default_scope``: a name with a scope makes MMEngine import
``<scope>.registry``, and the registry imports the class when it is first asked for it. So a class needs no
``custom_imports``, and a program needs the packages of the classes that it uses and no others.
"""

import inspect
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import PARAM_SCHEDULERS as MMENGINE_PARAM_SCHEDULERS
from mmengine.registry import STRATEGIES as MMENGINE_STRATEGIES
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

from mmhvt.utils import check_options, nearest
from mmhvt.utils.lazy import MissingDependencyError

__all__ = [
    'DATASETS',
    'HOOKS',
    'METRICS',
    'MODELS',
    'OPTIM_WRAPPER_CONSTRUCTORS',
    'PARAM_SCHEDULERS',
    'STRATEGIES',
    'TRANSFORMS',
]

_MVIT = "type='mmhvt.MViT', arch='base' (or small, base_24)"
_MVITV2 = "type='mmhvt.MViT', arch='v2_small' (or v2_tiny, v2_base, v2_large, v2_huge)"
_SMVIT = "type='mmhvt.SMViT', arch='base' (or tiny, small, base_plus, large, huge)"
_SWIN = "type='mmhvt.VideoSwin', arch='tiny' (or small, base, large)"
_VIT = "type='mmhvt.VisionTransformer' for images, type='mmhvt.MViT', arch='vit_base' for video"
# what to write for other packages' names of our models; a name may continue, like hiera_base_224
OTHER_NAMES = {
    'mvitv2': _MVITV2,
    'mvit': _MVIT,
    'multiscalevisiontransformer': _MVIT,
    'hiera': _SMVIT,
    'swin': _SWIN,
    'videoswin': _SWIN,
    'uniformer': "type='mmhvt.UniFormerV2', arch='base' (or large)",
    'vit': _VIT,
    'visiontransformer': _VIT,
    'maskedautoencoder': "type='mmhvt.MAE'",
}


class LazyRegistry(Registry):
    """Registry that imports a class when it is first asked for it, and whose classes check their options.

    Its locations are packages that list their classes in ``__all__`` (:func:`mmhvt.utils.lazy.lazy_attributes`).
    Registering a class makes it check its options: see :mod:`mmhvt.utils.options`.
    """

    _imported: bool

    def _register_module(
        self, module: Callable, module_name: str | list[str] | None = None, force: bool = False
    ) -> None:
        super()._register_module(module, module_name, force)
        if inspect.isclass(module):
            check_options(module)

    def get(self, key: str) -> type | None:
        """Get a class by its name and import it if it is in this package.

        Args:
            key: Name, with or without a scope.

        Raises:
            MissingDependencyError: If the class needs a package that is not installed.
            KeyError: If there is no such class; suggests similar ones.
        """
        scope, name = self.split_scope_key(key)
        if scope not in (None, self.scope):
            return super().get(key)
        self._import(name)
        found = self.module_dict.get(name) or super().get(key)
        # a name with dots may be the path of a class, which MMEngine looks up after this
        if found is None and '.' not in name:
            # MMEngine's wording, plus advice
            raise KeyError(f'mmhvt.{name} is not in the {self.root.scope}::{self.name} registry: {self._advice(name)}')
        return found

    def __contains__(self, key: str) -> bool:
        try:
            return self.get(key) is not None
        except KeyError:
            return False

    def _advice(self, name: str) -> str:
        """What to write instead of an unknown name."""
        plain = name.lower().replace('_', '')
        near = [f"type='mmhvt.{each}'" for each in nearest(name, self.module_dict)]
        known = [start for start in OTHER_NAMES if plain.startswith(start)] if self is MODELS else []
        # a name that differs in case only needs no other advice
        if known and plain not in (each.lower() for each in self.module_dict):
            near = [OTHER_NAMES[max(known, key=len)]]
        near += [f"type='{scope}.{name}'" for scope, other in self.root.children.items() if name in other.module_dict]
        return f'use {", or ".join(near)}' if near else f'it has {", ".join(sorted(self.module_dict))}'

    def _import(self, name: str) -> None:
        for location in self._locations:
            if name in self.module_dict:
                return
            package = import_module(location)
            if name in package.__all__:
                getattr(package, name)

    def import_from_location(self) -> None:
        """Import all classes whose dependencies are installed."""
        if self._imported:
            return
        for location in self._locations:
            package = import_module(location)
            for name in package.__all__:
                with suppress(MissingDependencyError):
                    getattr(package, name)
        self._imported = True


MODELS = LazyRegistry('model', parent=MMENGINE_MODELS, scope='mmhvt', locations=['mmhvt.models', 'mmhvt.models.layers'])
DATASETS = LazyRegistry('dataset', parent=MMENGINE_DATASETS, scope='mmhvt', locations=['mmhvt.datasets'])
TRANSFORMS = LazyRegistry('transform', parent=MMENGINE_TRANSFORMS, scope='mmhvt', locations=['mmhvt.datasets'])
HOOKS = LazyRegistry('hook', parent=MMENGINE_HOOKS, scope='mmhvt', locations=['mmhvt.engine'])
METRICS = LazyRegistry('metric', parent=MMENGINE_METRICS, scope='mmhvt', locations=['mmhvt.evaluation'])
OPTIM_WRAPPER_CONSTRUCTORS = LazyRegistry(
    'optimizer wrapper constructor',
    parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
    scope='mmhvt',
    locations=['mmhvt.engine'],
)
PARAM_SCHEDULERS = LazyRegistry(
    'parameter scheduler', parent=MMENGINE_PARAM_SCHEDULERS, scope='mmhvt', locations=['mmhvt.engine']
)
STRATEGIES = LazyRegistry('strategy', parent=MMENGINE_STRATEGIES, scope='mmhvt', locations=['mmhvt.engine'])
