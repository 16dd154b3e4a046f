"""Lists classes and functions on pages of the reference, so that none can be missing.

`<!-- registered: MODELS mmhvt.models.heads -->` stands for the classes of a registry that are defined in a package, and
`<!-- public: mmhvt.apis -->` for what the `__all__` of a module names.
"""

import importlib
import inspect
import re

from sphinx.application import Sphinx

import mmhvt.registry

COMMENT = re.compile(r'<!-- (registered|public): (\w[\w.]*)(?: ([\w.]+))? -->')


def registered(registry: str, package: str = 'mmhvt') -> list[str]:
    """Directives for the classes of a registry that are defined in a package."""
    modules = getattr(mmhvt.registry, registry)
    modules.import_from_location()
    names: dict[type, list[str]] = {}
    for name, cls in modules.module_dict.items():
        if f'{cls.__module__}.'.startswith(f'{package}.'):
            names.setdefault(cls, []).append(f"``type='mmhvt.{name}'``")
    lines = []
    for cls, types in sorted(names.items(), key=lambda item: (item[0].__module__, item[0].__name__)):
        lines += [f'.. autoclass:: {cls.__module__}.{cls.__name__}', '   :show-inheritance:', '']
        lines += [f'   In configs: {" or ".join(types)}', '']
    return lines


def public(module: str) -> list[str]:
    """Directives for the classes and functions that a module offers, but for registered ones."""
    found = importlib.import_module(module)
    elsewhere = {cls for name in mmhvt.registry.__all__ for cls in getattr(mmhvt.registry, name).module_dict.values()}
    lines = []
    for name in found.__all__:
        thing = getattr(found, name)
        if inspect.isclass(thing) and thing in elsewhere:
            continue
        if inspect.isclass(thing):
            lines += [f'.. autoclass:: {thing.__module__}.{thing.__name__}', '   :members:', '']
        elif inspect.isroutine(thing) or hasattr(thing, '__wrapped__'):
            lines += [f'.. autofunction:: {module}.{name}', '']
    return lines


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the comments of a page."""

    def listed(match: re.Match) -> str:
        kind, name, package = match.groups()
        lines = public(name) if kind == 'public' else registered(name, package or 'mmhvt')
        return '\n'.join(['```{eval-rst}', *lines, '```'])

    source[0] = COMMENT.sub(listed, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill in pages when they are read."""
    app.connect('source-read', fill_in)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
