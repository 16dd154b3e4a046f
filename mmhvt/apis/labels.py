"""Names of classes from files."""

from collections.abc import Sized
from pathlib import Path

from mmhvt.datasets.labels import numbered_names, read_classes
from mmhvt.utils.files import require_file


def read_names(path: Path) -> dict[int, str]:
    """Names of classes by number from 1.

    Args:
        path: Label map like AVA's (.pbtxt), text file with one name per line, or name of a list in
            :mod:`mmhvt.datasets.labels`, such as 'kinetics400'.

    Raises:
        ValueError: If there are no names, no list has that name, or the label map lacks names or numbers.
    """
    is_name = path.name == str(path) and not path.suffix  # of a list, or looks like one
    if is_name and not path.is_file():
        return dict(enumerate(read_classes(path), 1))
    try:
        text = require_file(path).read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} cannot be read as names of actions: {error}') from error
    names = numbered_names(path, text)
    if not names:
        raise ValueError(f'{path} has no names of actions')
    return names


def check_names(names: Sized, classes: int, where: object) -> None:
    """Raises a ValueError if `names`, which come from `where`, are not as many as the head's classes."""
    if len(names) != classes:
        raise ValueError(f'{where} names {len(names)} classes, the head has {classes}')
