"""Package attributes that are imported when they are first used.

A backbone needs only mmcv, a head needs mmaction2, a detector mmdet. A package that imported all of its classes would
need all of these libraries for any one of them.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

# how to install what a class may need, by the name of the module that is not found
INSTALL = {
    'decord': ('decord', 'pip install decord'),
    'mmaction': ('mmaction2', 'pip install mmaction2'),
    'mmcv._ext': (
        'mmcv with compiled ops',
        'MMCV_WITH_OPS=1 pip install --no-cache-dir --no-build-isolation --no-deps --force-reinstall onedl-mmcv',
    ),
    'mmdet': ('mmdet', 'pip install onedl-mmdetection'),
    'mmpretrain': ('mmpretrain', 'pip install onedl-mmpretrain'),
}


class MissingDependencyError(ImportError):
    """A class needs a package that is not installed."""


def lazy_attributes(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package that imports its classes when they are first used.

    Args:
        package: Its ``__name__``.
        modules: Names by the submodule that defines them.

    Raises:
        MissingDependencyError: By ``__getattr__``, if the submodule needs a package that is not installed.
    """
    module_of = {name: module for module, names in modules.items() for name in names}

    def get_attribute(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        try:
            return getattr(import_module(f'{package}.{module_of[name]}'), name)
        except ModuleNotFoundError as error:
            if error.name not in INSTALL:
                raise
            dependency, command = INSTALL[error.name]
            raise MissingDependencyError(
                f'{name} needs {dependency}, which is not installed: {command}', name=error.name
            ) from error

    return get_attribute, lambda: sorted(module_of), sorted(module_of)


def is_sharded(module: Any) -> bool:
    """Whether a module is wrapped by FSDP. FSDP takes a second to import, and any such module has imported it."""
    fsdp = sys.modules.get('torch.distributed.fsdp')
    return fsdp is not None and isinstance(module, fsdp.FullyShardedDataParallel)
