"""Runs at every interpreter start, from mmhvt-compat.pth, whose one line holds this source.

It may import nothing and must not fail: all it does is to put a finder before the others that passes on
whatever is not mmaction.
"""

import sys


class MmactionFinder:
    """Hands the imports of mmaction and its modules to :mod:`mmhvt.compat.hook`."""

    @staticmethod
    def find_spec(name, path=None, target=None):  # noqa: D102
        if name != 'mmaction' and not name.startswith('mmaction.'):
            return None
        try:
            from mmhvt.compat.hook import find_spec
        except ImportError:  # mmhvt is half removed, or not on this path: mmaction stays as it is
            return None
        return find_spec(name, path, target)


sys.meta_path.insert(0, MmactionFinder)
