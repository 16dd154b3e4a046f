"""What repaired commands of mim call."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from mmhvt.hub import list_configs, nearest

__all__ = ['find_configs', 'options_of_script', 'unknown_config']


def unknown_config(name: str, names: Iterable[str]) -> click.ClickException:
    """Returns the error for a name that is not one of `names`."""
    return click.ClickException(f'there is no config {name}: {nearest(name, names)}')


def find_configs(package: str, name: str) -> list[str]:
    """Finds config files of a package by name.

    Args:
        package: Folder of the package. Its configs are in .mim/configs, or else anywhere in it.
        name: Name of the file, with or without .py.

    Returns:
        list[str]: Paths of the files with that name.

    Raises:
        click.ClickException: If there is none.
    """
    name = name.removesuffix('.py')
    folder = Path(package, '.mim', 'configs')
    folder = folder if folder.is_dir() else Path(package)
    paths = [folder / path for path in list_configs(str(folder))]
    found = [str(path) for path in paths if path.stem == name]
    if not found:
        raise unknown_config(name, (path.stem for path in paths))
    return found


def options_of_script(path: str) -> bytes:
    """Returns the text in which mim looks for an option of a training script.

    Args:
        path: Path of the script.

    Returns:
        bytes: Its source if it parses its options itself and has no `--gpus`, like the scripts of OpenMMLab 2.0;
        otherwise what it prints with `-h`.
    """
    source = Path(path).read_bytes()
    if b'parse_args()' in source and b'--gpus' not in source:
        return source
    return subprocess.check_output([sys.executable, path, '-h'])
