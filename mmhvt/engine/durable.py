"""Files that are whole whenever the process, or the machine, stops."""

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log

# a file under this name is being written, or was when its run was killed
UNFINISHED = '.mmhvt-unfinished'
# name of DurableBackend in MMEngine's backend_args
DURABLE = 'mmhvt.durable'
# errors of a disk, quota or limit that is exhausted
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_durably(path: Path, content: bytes) -> None:
    """Writes another file and renames it, so that the name always has the old content or the new, whole and on disk.

    Raises:
        OSError: If it cannot be written; the message names it. The file is then unchanged, and nothing else is left.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open('wb') as file:
            file.write(content)
        rename_durably(unfinished, path)
    except BaseException as error:
        with suppress(OSError):
            unfinished.unlink()
        if isinstance(error, OSError):
            advice = 'make room' if error.errno in FULL else 'fix that'
            reason = (
                f'{path} ({len(content) / 1e6:.1f} MB) cannot be written: {error.strerror}. '
                f'What was saved before is whole: {advice}, and go on with --resume'
            )
            raise OSError(error.errno, reason) from error
        raise


def rename_durably(unfinished: Path, path: Path) -> None:
    """Flushes a file that is written to the disk, and renames it."""
    with unfinished.open('rb') as file:
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk, where the file system supports it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_line(path: str, line: str) -> None:
    """Adds a line to a log. On a full disk, the line is lost with a warning, but the run goes on.

    Raises:
        OSError: If it cannot be written for another reason.
    """
    try:
        with open(path, 'a') as file:
            file.write(f'{line}\n')
    except OSError as error:
        if error.errno not in FULL:
            raise
        print_log(f'{path}: {error.strerror}, for the line {line}', 'current', logging.WARNING)


def remove_unfinished(folder: Path) -> list[Path]:
    """Removes the files that killed writers left in a folder, and returns them."""
    left = sorted(path for path in folder.glob(f'*{UNFINISHED}') if path.is_file())
    for path in left:
        path.unlink(missing_ok=True)
    return left


@register_backend(DURABLE)
class DurableBackend(LocalBackend):
    """MMEngine's backend of local files, which writes with :func:`write_durably`."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file.

        Raises:
            OSError: See :func:`write_durably`.
        """
        write_durably(Path(filepath), obj)
