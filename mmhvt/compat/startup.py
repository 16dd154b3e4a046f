"""Runs at every interpreter start, from the single line of mmhvt-compat.pth, which contains this source.

It must not fail and imports nothing: it only inserts a finder, which ignores all packages but six.
"""

import sys


class MMHVTFinder:
    """Passes the imports of six packages to :mod:`mmhvt.compat.hook`."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition('.')[0] not in ('mim', 'mmaction', 'mmdet', 'mmengine', 'mmpretrain', 'torchvision'):
            return None
        try:
            from mmhvt.compat.hook import find_spec
        except ImportError:  # mmhvt was removed in part
            return None
        return find_spec(name, path, target)


# site runs every .pth file twice in a virtual environment
if all(getattr(finder, '__name__', '') != 'MMHVTFinder' for finder in sys.meta_path):
    sys.meta_path.insert(0, MMHVTFinder)
