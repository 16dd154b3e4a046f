"""Runs at every interpreter start, from mmhvt-compat.pth, whose one line holds this source.

It must not fail, and imports nothing: all it does is to put a finder before the others, which passes on
whatever does not belong to the packages named.
"""

import sys


class MMHVTFinder:
    """Hands the imports of four packages to :mod:`mmhvt.compat.hook`."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition('.')[0] not in ('mmaction', 'mmcv', 'mmengine', 'mmpretrain'):
            return None
        try:
            from mmhvt.compat.hook import find_spec
        except ImportError:  # mmhvt is half removed: leave all as it is
            return None
        return find_spec(name, path, target)


# in a virtual environment site runs every .pth twice
if all(getattr(finder, '__name__', '') != 'MMHVTFinder' for finder in sys.meta_path):
    sys.meta_path.insert(0, MMHVTFinder)
