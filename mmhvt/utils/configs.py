"""Config files and `--cfg-options`, with one-line errors that name them."""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction


class CfgOptions(DictAction):
    """MMEngine's DictAction, which rejects what is not KEY=VALUE the way argparse rejects other arguments."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Parses the values of one `--cfg-options`."""
        for value in values or ():
            if not re.match(r'[^=\s.]+(\.[^=\s.]+)*=', value):
                raise argparse.ArgumentError(self, f'{value!r} is not KEY=VALUE, such as train_cfg.max_epochs=10')
            if any(value.count(left) != value.count(right) for left, right in ('()', '[]')):
                raise argparse.ArgumentError(self, f'{value!r} has an unmatched bracket')
        super().__call__(parser, namespace, values, option_string)


@contextmanager
def naming_config(config: str) -> Iterator[None]:
    """Turns any error of a config, which is a program, into a one-line ValueError that names it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f'{config}: {error}') from error
    except Exception as error:
        raise ValueError(f'{config}: {_line(error)}') from error


def read_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Reads a config and applies options to it.

    Args:
        path: File, or name in another library such as mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py. A config is a
            program and is executed.
        options: Values by dotted keys, as :class:`CfgOptions` returns them.

    Raises:
        ValueError: If there is no such file, it is not a config, or an option does not fit it.
    """
    name = str(path)
    if '::' in name:
        from mmengine.hub import get_config  # imports torch, which files do not need

        with naming_config(name):
            cfg = get_config(name)
    else:
        _check_bases(Path(name))
        with naming_config(name):
            cfg = Config.fromfile(name)
    merge_options(cfg, options, path)
    return cfg


def merge_options(cfg: Config, options: Mapping[str, Any] | None, where: str | Path) -> None:
    """Applies options to a config.

    Args:
        cfg: The config, which is modified.
        options: Values by dotted keys, or None.
        where: Its name, for messages.

    Raises:
        ValueError: If an option does not fit it.
    """
    for key, value in (options or {}).items():
        try:
            cfg.merge_from_dict({key: value})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f'{where}: --cfg-options {key}={value} does not fit it: {_line(error)}') from error


def _line(error: Exception) -> str:
    """Type and first line of an error."""
    return f'{type(error).__name__}: {"".join(str(error).splitlines()[:1])}'


def _check_bases(path: Path, children: tuple[Path, ...] = ()) -> None:
    """Rejects files that are not configs, and circular bases, which MMEngine follows for 18 seconds."""
    within = f', a base of {children[-1]}' if children else ''
    if not path.is_file():
        raise ValueError(f'{path}{within}: no such config file')
    if path.suffix not in ('.py', '.json', '.yaml', '.yml'):
        raise ValueError(f'{path}{within}: the name of a config ends in .py, .json, .yaml or .yml')
    if path.resolve() in (child.resolve() for child in children):
        raise ValueError(f'{path} is a base of itself: {" <- ".join(map(str, (*children, path)))}')
    try:
        bases = Config._get_base_files(str(path))
    except Exception as error:  # whatever the parser of the format raises
        raise ValueError(f'{path}{within}: {_line(error)}') from error
    for base in bases:
        if isinstance(base, str) and '::' not in base:
            _check_bases(path.parent / base, (*children, path))
