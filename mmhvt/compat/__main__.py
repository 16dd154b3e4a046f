"""``python -m mmhvt.compat``: reports installed versions, repairs, and what cannot work and why.

The exit status is 1 if a package that mmhvt always needs is missing or cannot be imported. A package that only some
features need, such as mmcv's compiled ops for detection, is reported as a limitation with exit status 0.
"""

import contextlib
import importlib
import io
import os
import platform
import sys
import warnings
from dataclasses import dataclass
from importlib import metadata

import mmhvt

from .hook import REPAIRED
from .repairs import REPAIRS, release


@dataclass(frozen=True)
class Package:
    """A package to check.

    Attributes:
        module: Module to import.
        minimum: Oldest version that works. Defaults to '', any.
        lost: Features that need the package. Defaults to '', all of mmhvt.
        hint: How to fix a fault. Defaults to ''.
    """

    module: str
    minimum: str = ''
    lost: str = ''
    hint: str = ''

    @property
    def root(self) -> str:
        return self.module.partition('.')[0]

    @property
    def distributions(self) -> list[str]:
        """Names of the installed distributions that provide the module."""
        return sorted(set(metadata.packages_distributions().get(self.root, [])))

    @property
    def version(self) -> str:
        """Version of the imported module, or of its distribution if the module does not have one."""
        found = getattr(sys.modules.get(self.root), '__version__', None)
        return found or next(map(metadata.version, self.distributions), '-')

    def fault(self) -> str:
        """Imports the package. Returns why it cannot be used, in one line, or '' if it can."""
        try:
            importlib.import_module(self.module)
        except Exception as error:  # a broken binary raises anything
            return f'{type(error).__name__}: {error}'.splitlines()[0]
        if self.minimum and release(self.version) < release(self.minimum):
            return f'{self.version} is older than {self.minimum}'
        return ''


# pip's wheel cache ignores which torch a wheel was compiled for
OPS = 'MMCV_WITH_OPS=1 pip install --no-cache-dir --no-build-isolation --no-deps --force-reinstall onedl-mmcv'

PACKAGES = [
    Package('torch', '2.4'),
    Package('torchvision', '0.19', hint='install the version that was built for this torch'),
    Package('numpy', '1.26'),
    Package('cv2'),
    Package('decord', hint='pip install decord'),
    Package('mmengine.runner'),
    Package('mmcv'),
    Package('mmpretrain.models'),
    Package('mmaction.models', hint='pip install "mmhvt[mim]"'),
    Package('mmdet', lost='detection (AVA, COCO)'),
    Package('mmcv.ops', lost='detection (AVA, COCO), deformable attention, TIN', hint=OPS),
    Package('mim', lost='`mim train` and the like; use tools/train.py instead'),
]


def report() -> int:
    """Prints the report.

    Returns:
        int: Exit status.
    """
    # the report is clearer than what the packages print while they load
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter('ignore')
        faults = {package: package.fault() for package in PACKAGES}
        for module in {repair.module for repair in REPAIRS}:
            with contextlib.suppress(Exception):
                importlib.import_module(module)

    print(f'mmhvt {mmhvt.__version__}, Python {platform.python_version()}')
    for package, fault in faults.items():
        names = ', '.join(package.distributions)
        print(f'  {package.module:18} {package.version:14} {names:32} {"no" if fault else "ok"}')

    print('\nRepairs, applied while modules are imported')
    if os.environ.get('MMHVT_COMPAT') == '0':
        print('  off: the environment sets MMHVT_COMPAT=0')
    elif all(getattr(finder, '__name__', '') != 'MMHVTFinder' for finder in sys.meta_path):
        print('  off: mmhvt-compat.pth did not run; install mmhvt with pip')
    for repair in REPAIRS:
        print(
            f'  {"applied" if repair in REPAIRED else "not needed"}: {repair.name} ({repair.module})\n'
            f'    {repair.reason}'
        )

    for title, is_limit in (('Limitations', True), ('Broken', False)):
        rows = [(package, fault) for package, fault in faults.items() if fault and bool(package.lost) is is_limit]
        if rows:
            print(f'\n{title}')
        for package, fault in rows:
            print(f'  {package.lost or "mmhvt"}: {package.module}: {fault}')
            if package.hint:
                print(f'    {package.hint}')
    return int(any(fault and not package.lost for package, fault in faults.items()))


if __name__ == '__main__':
    sys.exit(report())
