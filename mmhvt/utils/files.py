"""Data files: checks before they are opened, and errors that name them."""

import io
import json
import os
import pickle
import stat
import struct
from pathlib import Path
from typing import Any

from yaml import YAMLError

# what parsers raise on a file that is damaged or malicious
READ_ERRORS = (
    pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError,
    ArithmeticError, AssertionError, ImportError, MemoryError, struct.error, YAMLError,
)  # fmt: skip
_KINDS = {
    stat.S_ISDIR: 'folder',
    stat.S_ISFIFO: 'named pipe',
    stat.S_ISSOCK: 'socket',
    stat.S_ISCHR: 'device',
    stat.S_ISBLK: 'device',
}


def require_file(path: str | Path) -> Path:
    """Return a path if it is a file or a link to one. Opening a pipe or reading a device may never end.

    Raises:
        FileNotFoundError: If nothing has that name.
        ValueError: If it is a folder, named pipe, socket or device. The error is an OSError, too.
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:  # a NUL byte
        raise io.UnsupportedOperation(f'{str(path)!r} is not the name of a file: {error}') from None
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS.items() if is_kind(mode)), 'special file')
        raise io.UnsupportedOperation(f'{path} is a {kind}, not a file')
    return Path(path)


def parse(handler: Any, backend: Any, path: str, kwargs: dict[str, Any]) -> Any:
    """Content of a JSON, YAML or pickle file, for `mmengine.fileio.load`.

    Args:
        handler: MMEngine's handler of the format.
        backend: MMEngine's storage backend of the file.
        path: Path of the file.
        kwargs: Arguments of the handler.

    Raises:
        OSError: If the file does not exist or is not a file (:func:`require_file`).
        ValueError: If it cannot be read; names the file.
    """
    try:
        opened = io.StringIO(backend.get_text(path)) if handler.str_like else io.BytesIO(backend.get(path))
        return handler.load_from_fileobj(opened, **kwargs)
    except OSError:
        raise
    except READ_ERRORS as error:
        reason = (str(error) or type(error).__name__).replace(' in a checkpoint', '')
        raise ValueError(f'{path} cannot be read: {" ".join(reason.split())}') from error


def read_json(path: str | Path) -> Any:
    """The content of a JSON file.

    Raises:
        FileNotFoundError: If nothing has that name.
        ValueError: If it is not a file, not JSON, not UTF-8, or nested too deeply. The message names it.
    """
    try:
        return json.loads(require_file(path).read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not JSON: {error}') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not JSON: it is not UTF-8 text ({error})') from None
    except RecursionError:
        raise ValueError(f'{path} is not JSON that can be read: it is nested too deeply') from None
