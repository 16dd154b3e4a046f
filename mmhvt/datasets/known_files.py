"""Videos that were found unreadable, which are not opened again until they change."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from torch.utils.data import get_worker_info

from mmhvt.utils.files import require_file

# CPU seconds after which a worker that reads a video is killed: decord is known to loop forever on some files. Waiting
# for a disk uses no CPU time.
READING_LIMIT = 300.0

Stamp = tuple[int, int]


class KnownFiles:
    """Videos that a dataset could not open, and the one that each worker is reading.

    A dataset and its transforms share one instance, and each worker gets a copy. :class:`mmhvt.UnreadableVideoHook`
    passes what was learned in one epoch or run to the workers of the next.

    Attributes:
        reading: Folder in which workers note what they read; None for no notes.
    """

    def __init__(self) -> None:
        self._reasons: dict[str, tuple[Stamp, str]] = {}
        self.reading: str | None = None

    def __contains__(self, name: str) -> bool:
        return self.find(name) is not None

    def find(self, name: str) -> str | None:
        """Returns why a file could not be opened; None if it is not known, or has changed since."""
        stamp, reason = self._reasons.get(name, (None, None))
        if reason is not None and stamp != stamp_of(name):
            del self._reasons[name]
            return None
        return reason

    def add(self, name: str, reason: str, stamp: Stamp | None = None) -> None:
        """Remembers a file, unless it does not exist: looking for it again is as quick.

        Args:
            name: Path.
            reason: Message of the error.
            stamp: Its size and modification time when it was unreadable. Defaults to the current ones.
        """
        if stamp := stamp or stamp_of(name):
            self._reasons[name] = stamp, reason

    def update(self, others: 'KnownFiles') -> None:
        """Adds the files of another instance."""
        self._reasons.update(others._reasons)

    def reasons(self) -> dict[str, str]:
        """Files that have not changed, and why they could not be opened."""
        return {name: reason for name in list(self._reasons) if (reason := self.find(name))}

    def __len__(self) -> int:
        return len(self._reasons)

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Notes in the folder `reading` which file a worker is reading, and limits the time."""
        if self.reading is None or get_worker_info() is None:
            yield
            return
        note = Path(self.reading, str(os.getpid()))
        with suppress(OSError):  # the disk is full, or the run is over
            note.write_bytes(os.fsencode(name))
        signal.setitimer(signal.ITIMER_PROF, READING_LIMIT)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            with suppress(OSError):
                note.unlink()


def path_of_video(name: str) -> str:
    """Path of a video: MMAction2 takes a name without a suffix for an MP4."""
    return name if os.path.splitext(name)[1] else f'{name}.mp4'


def stamp_of(name: str) -> Stamp | None:
    """Size in bytes and modification time in ns of a file; None if there is no such file."""
    try:
        stat = os.stat(path_of_video(name))
    except (OSError, ValueError):
        return None
    return stat.st_size, stat.st_mtime_ns


def read_list(path: Path) -> KnownFiles:
    """Reads the files in `unreadable_videos.txt` that have not changed since it was written."""
    known = KnownFiles()
    with suppress(FileNotFoundError), open(require_file(path), encoding='utf-8', errors='surrogateescape') as file:
        for line in file:
            name, _, rest = line.rstrip('\n').partition('\t')
            reason, *numbers = rest.rsplit('\t', 2)
            if len(numbers) == 2 and all(number.isdecimal() for number in numbers):
                known.add(name, reason, (int(numbers[0]), int(numbers[1])))
    return known


def format_list(reasons: Mapping[str, str], known: KnownFiles) -> str:
    """A line for each file with the reason, and with size and time if the file is not to be opened again."""
    lines = []
    for name, reason in sorted(reasons.items()):
        stamp = stamp_of(name) if name in known else None
        lines.append('\t'.join(re.sub(r'[\t\n]', ' ', str(field)) for field in (name, reason, *(stamp or ()))))
    return ''.join(f'{line}\n' for line in lines)
