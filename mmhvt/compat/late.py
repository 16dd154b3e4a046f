"""What repaired packages call to start faster: imports and formatting happen only when needed, and only once."""

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ['format_code', 'late_class', 'late_function', 'load_naming']


class LateClasses(dict):
    """Classes of a registry by name, some of which are imported when they are first looked up.

    Args:
        classes: Classes registered so far.
    """

    def __init__(self, classes: dict[str, type]) -> None:
        super().__init__(classes)
        self.modules: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name) and name in self.modules:
            import_module(self.modules[name])
        return super().__contains__(name)


def late_class(module: str, name: str, registry: Any) -> Callable[[str], Any]:
    """Returns a ``__getattr__`` for packages that export a class. It imports the class on first access.

    Args:
        module: Full name of the module that defines the class and registers it.
        name: Name of the class.
        registry: MMEngine's registry of the class, which finds it as before.
    """
    if not isinstance(registry._module_dict, LateClasses):
        registry._module_dict = LateClasses(registry._module_dict)
    registry._module_dict.modules[name] = module

    def get_attribute(attribute: str) -> Any:
        if attribute != name:
            raise AttributeError(f'module {module.rpartition(".")[0]!r} has no attribute {attribute!r}')
        return getattr(import_module(module), name)

    return get_attribute


def late_function(module: str, name: str) -> Callable:
    """Returns a stand-in for a function or class whose module is imported on the first call.

    Args:
        module: Full name of the module.
        name: Name of the function or class.

    Raises:
        ModuleNotFoundError: If the package of the module is not installed.
    """
    package = module.partition('.')[0]
    if package not in sys.modules and find_spec(package) is None:
        raise ModuleNotFoundError(f'No module named {package!r}', name=package)

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    return call


def format_code(text: str, style_config: dict, **options: Any) -> tuple[str, bool]:
    """:func:`yapf.yapflib.yapf_api.FormatCode`, once per text: a runner formats the text of its config six times."""
    return _format_code(text, tuple(style_config.items()), **options)


@lru_cache(maxsize=4)
def _format_code(text: str, style: tuple, **options: Any) -> tuple[str, bool]:
    from yapf.yapflib.yapf_api import FormatCode

    return FormatCode(text, style_config=dict(style), **options)


def load_naming(config: str, metafile: str) -> dict:
    """Loads a metafile if it names a config.

    Args:
        config: Name of the config.
        metafile: Path of the file.

    Returns:
        dict: Content of the file, or an empty list `Models` if it does not name the config.
    """
    from mmengine.fileio import load

    return load(metafile) if config in Path(metafile).read_text(encoding='utf-8') else dict(Models=[])
