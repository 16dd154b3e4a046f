"""Finds the modules that need a repair and repairs them while they load. :mod:`.startup` calls :func:`find_spec`.

A module whose source holds the broken text of a row of :data:`.repairs.REPAIRS` gets a loader that compiles the
source with the text replaced. The file on disk stays as it is, and so does its byte code cache: with
``pip uninstall mmhvt`` the repairs are gone. Every other module keeps its own loader.
"""

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType

from .repairs import REPAIRS, Repair

__all__ = ['REPAIRED', 'find_spec']

REPAIRED: list[Repair] = []
"""The repairs made in this process, in the order of the imports."""


class RepairingLoader(SourceFileLoader):
    """Loads a module from its source with the repairs that are due."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the repaired source; its byte code is neither read from nor written to the cache."""
        due = [repair for repair in find_broken(fullname, self.path) if repair.is_due(Path(self.path))]
        if not due:
            return super().get_code(fullname)
        source = self.get_source(fullname)
        for repair in due:
            source = source.replace(repair.broken, repair.repaired)
        REPAIRED.extend(due)
        return self.source_to_code(source, self.path)


def find_broken(name: str, path: str) -> list[Repair]:
    """The repairs of module ``name`` whose broken text stands in the file at ``path``."""
    repairs = [repair for repair in REPAIRS if repair.module == name]
    source = Path(path).read_text(encoding='utf-8') if repairs else ''
    return [repair for repair in repairs if repair.broken in source]


def find_spec(name: str, path=None, target=None) -> ModuleSpec | None:
    """The spec that another finder gives, with a repairing loader where the source needs one.

    Args:
        name: Full name of a module.
        path: ``__path__`` of the parent package, as for any meta path finder.
        target: The module to reload, if one is.

    Returns:
        None for a module that needs no repair: the import system then asks the other finders itself. Likewise
        with ``MMHVT_COMPAT=0`` in the environment, which shows the packages as they are.
    """
    if os.environ.get('MMHVT_COMPAT') == '0' or all(repair.module != name for repair in REPAIRS):
        return None
    for finder in sys.meta_path:
        # not the one that asks
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
