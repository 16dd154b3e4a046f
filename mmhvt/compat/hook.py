"""Repairs modules while they are imported. :mod:`.startup` calls :func:`find_spec`.

A module whose source contains the broken text of a row of :data:`.repairs.REPAIRS` gets a loader that compiles the
source with the text replaced. Neither the file nor its bytecode cache changes, so that ``pip uninstall mmhvt`` undoes
all repairs. Every other module keeps its own loader.
"""

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType

from .repairs import REPAIRS, Repair

__all__ = ['REPAIRED', 'find_spec']

REPAIRED: list[Repair] = []
"""Repairs that were applied in this process, in the order of the imports."""


class RepairingLoader(SourceFileLoader):
    """Loader that applies the repairs that a module needs."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Compiles the repaired source, without reading or writing the bytecode cache."""
        due = [repair for repair in find_broken(fullname, self.path) if repair.is_due(Path(self.path))]
        source = self.get_source(fullname) if due else None
        if source is None:
            return super().get_code(fullname)
        for repair in due:
            source = source.replace(repair.broken, repair.repaired)
        REPAIRED.extend(due)
        return self.source_to_code(source, self.path)


def find_broken(name: str, path: str) -> list[Repair]:
    """Returns the repairs of a module whose broken text occurs in its file."""
    repairs = [repair for repair in REPAIRS if repair.module == name]
    source = Path(path).read_text(encoding='utf-8') if repairs else ''
    return [repair for repair in repairs if repair.broken in source]


def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
    """Finds the spec of a module that needs a repair, and sets its repairing loader.

    Args:
        name: Full name of the module.
        path: ``__path__`` of the parent package. Defaults to None.
        target: Module to reload. Defaults to None.

    Returns:
        ModuleSpec | None: The spec. None if the module needs no repair, so that the import system asks the other
        finders, or if the environment sets ``MMHVT_COMPAT=0``.
    """
    if os.environ.get('MMHVT_COMPAT') == '0' or all(repair.module != name for repair in REPAIRS):
        return None
    for finder in sys.meta_path:
        # skip the finder that called this function
        if getattr(finder, '__name__', '') == 'MMHVTFinder' or not hasattr(finder, 'find_spec'):
            continue
        spec = finder.find_spec(name, path, target)
        if spec is None:
            continue
        if type(spec.loader) is SourceFileLoader and find_broken(name, spec.loader.path):
            spec.loader = RepairingLoader(spec.loader.name, spec.loader.path)
            return spec
        return None
    return None
