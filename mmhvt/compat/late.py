"""What repaired packages call to start faster: they import and lay out no sooner, and no more often, than needed."""

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ['format_code', 'late_class', 'late_function', 'load_naming']


class LateClasses(dict):
    """Classes of a registry by their names, of which some are imported when they are first asked for.

    Args:
        classes: Those that are registered by now.
    """

    def __init__(self, classes: dict[str, type]) -> None:
        super().__init__(classes)
        self.modules: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name) and name in self.modules:
            import_module(self.modules[name])
        return super().__contains__(name)


def late_class(module: str, name: str, registry: Any) -> Callable[[str], Any]:
    """``__getattr__`` of the packages that export a class, which is imported when it is first asked for.

    Args:
        module: Full name of the module that defines the class and registers it.
        name: Its name.
        registry: MMEngine's registry of it, which finds it as ever.
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
    """A function or class of a module that is imported when it is first called.

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
    """:func:`yapf.yapflib.yapf_api.FormatCode`, once for each text: a runner asks for that of its config six times."""
    return _format_code(text, tuple(style_config.items()), **options)


@lru_cache(maxsize=4)
def _format_code(text: str, style: tuple, **options: Any) -> tuple[str, bool]:
    from yapf.yapflib.yapf_api import FormatCode

    return FormatCode(text, style_config=dict(style), **options)


def load_naming(config: str, metafile: str) -> dict:
    """Loads a metafile for the entry of a config, or nothing if the file does not name it.

    Args:
        config: Name of the config.
        metafile: Path of the file.

    Returns:
        dict: What the file has, with `Models`.
    """
    from mmengine.fileio import load

    return load(metafile) if config in Path(metafile).read_text(encoding='utf-8') else dict(Models=[])
