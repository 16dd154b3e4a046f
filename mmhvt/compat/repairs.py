"""What is broken in mmaction2 1.2.0 (2023) beside current packages, and the text that repairs it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ['REPAIRS', 'Repair']


@dataclass(frozen=True)
class Repair:
    """One text to replace in one module of mmaction.

    Attributes:
        name: Short name for the report.
        module: Full name of the module.
        broken: Text that stands in the module's source if it needs the repair.
        repaired: Text to put in its place, of as many lines: tracebacks keep their line numbers.
        reason: What fails without it.
        is_due: Takes the path of the module's file; whether the text fails in this environment.
    """

    name: str
    module: str
    broken: str
    repaired: str
    reason: str
    is_due: Callable[[Path], bool]


def mmcv_is_newer(path: Path) -> bool:
    """Whether mmcv is 2.2.0 or newer."""
    import mmcv
    from mmengine.utils import digit_version

    return digit_version(mmcv.__version__) >= digit_version('2.2.0')


def drn_is_missing(path: Path) -> bool:
    """Whether the wheel was built without the folder ``drn``."""
    return not (path.parent / 'drn').is_dir()


REPAIRS = [
    Repair(
        'mmcv version',
        'mmaction',
        "mmcv_maximum_version = '2.2.0'",
        "mmcv_maximum_version = '2.4.0'",
        'mmaction asserts mmcv < 2.2.0, which no PyTorch of today compiles with; mmcv 2.3 changed nothing that '
        'mmaction uses',
        mmcv_is_newer,
    ),
    Repair(
        'localizer DRN',
        'mmaction.models.localizers',
        'from .drn.drn import DRN',
        'from mmhvt.compat.missing import DRN',
        'the wheel lacks mmaction/models/localizers/drn, so mmaction.models does not import; building a DRN '
        'raises an error that says so',
        drn_is_missing,
    ),
]
