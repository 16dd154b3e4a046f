"""Lists of videos, and files of their features, which are either complete or absent."""

import fcntl
import json
import os
import platform
import re
import shutil
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mmhvt.datasets.annotations import read_lines

# age at which an unfinished file of another machine counts as abandoned
STALE_SECONDS = 24 * 3600
SUFFIXES = ('.avi', '.flv', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.ts', '.webm', '.wmv')


def read_list(path: Path, root: Path) -> list[str]:
    """Paths in a list of videos, one per line, with or without labels after them; empty lines are skipped.

    Lines are read as by datasets that ignore labels (docs/guides/bad_input.md#annotation-files). If a whole line names
    a file, it is the path.

    Raises:
        ValueError: If the list cannot be read or is empty.
    """
    try:
        lines = read_lines(str(path), multi_class=True)
    except FileNotFoundError:
        raise ValueError(f'there is no list {path}') from None
    found = []
    for line in lines:
        names = [line.text, name := line.fields[0], line.text.replace('\\', '/'), name.replace('\\', '/')]
        found.append(next((name for name in names if (root / name).is_file()), name))
    return found


def find_videos(paths: Iterable[str], root: Path) -> list[Path]:
    """Files at the paths, each once; for a folder, the videos in it, at any depth.

    Raises:
        ValueError: If there are no videos in a folder.
    """
    found: dict[Path, None] = {}
    for name in paths:
        path = Path(name) if not (root / name).exists() and Path(name).exists() else root / name
        if path.is_dir():
            inside = sorted(file for file in path.rglob('*') if file.suffix.lower() in SUFFIXES)
            if not inside:
                raise ValueError(f'{path} is a folder without videos (files that end with {", ".join(SUFFIXES)})')
            found.update(dict.fromkeys(inside))
        else:
            found[path] = None
    return list(found)


def output_names(videos: Sequence[Path], root: Path | None = None) -> list[str]:
    """A name for each video: its path without the suffix, below `root` or else below the folder that all share.

    Where two would have the same name (a.mp4, a.avi), or one the name of a folder (a.mp4, a/b.mp4), they keep the
    suffix.

    Raises:
        ValueError: If a video is not below `root`.
    """
    # not resolved: links to videos keep their own names
    full = [Path(os.path.abspath(video)) for video in videos]
    base = Path(os.path.abspath(root) if root else os.path.commonpath([path.parent for path in full]))
    if outside := [path for path in full if not path.is_relative_to(base)]:
        raise ValueError(f'{outside[0]} is not below --video-root {root}, which names are relative to')
    relative = [path.relative_to(base) for path in full]
    taken = Counter(path.with_suffix('') for path in relative)
    taken.update({folder for path in relative for folder in path.parents})
    return [(path if taken[path.with_suffix('')] > 1 else path.with_suffix('')).as_posix() for path in relative]


@cache
def _machine() -> str:
    """Eight digits for where process ids mean the same processes: the host and, within containers, the namespace."""
    namespace = ''
    with suppress(OSError):
        namespace = os.readlink('/proc/self/ns/pid')
    return f'{zlib.crc32((platform.node() + namespace).encode()):08x}'


def unfinished_name(path: Path) -> Path:
    """Name of a file while this process writes it: parallel calls that write the same file each have their own."""
    return path.with_name(f'{path.name}.{_machine()}-{os.getpid()}.unfinished')


def remove_stale(paths: Iterable[Path]) -> None:
    """Removes unfinished files of processes that have ended, and those of other machines unchanged for a day."""
    for path in paths:
        found = re.search(r'\.([0-9a-f]{8})-(\d+)\.unfinished$', path.name)
        with suppress(OSError):  # another call was faster
            if found and (_is_gone(int(found[2])) if found[1] == _machine() else _is_old(path)):
                path.unlink()


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # of another user
        return False
    return False


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > STALE_SECONDS


class ArrayFile:
    """A .npy file to which rows are appended, under another name until it is complete.

    Args:
        path: Path of the complete file.
        rows: Number of rows of the complete file.
        dtype: Data type of the values.
    """

    def __init__(self, path: Path, rows: int, dtype: str) -> None:
        self.path, self.rows, self.dtype = path, rows, np.dtype(dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.unfinished = unfinished_name(path)
        self._file = self.unfinished.open('wb')
        self.shape: tuple[int, ...] | None = None

    def append(self, rows: np.ndarray) -> None:
        """Add rows (n, …)."""
        if self.shape is None:
            self.shape = (self.rows, *rows.shape[1:])
            header = dict(descr=self.dtype.str, fortran_order=False, shape=self.shape)
            np.lib.format.write_array_header_1_0(self._file, header)
        self._file.write(np.ascontiguousarray(rows, self.dtype).tobytes())

    def finish(self) -> None:
        """Give the file its final name."""
        self._file.close()
        self.unfinished.replace(self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        self._file.close()
        self.unfinished.unlink(missing_ok=True)


@dataclass
class Folder:
    """A folder with `NAME.npy`, `NAME.scores.npy`, … and `NAME.json` for each video; the JSON is written last.

    Args:
        path: The folder.
        settings: Settings that the features depend on.
    """

    path: Path
    settings: dict

    def file(self, name: str, kind: str) -> Path:
        """Path of an array; `kind` is '', 'stage0', 'scores', …"""
        return self.path / (f'{name}.{kind}.npy' if kind else f'{name}.npy')

    def done(self, name: str, video: Path) -> bool:
        """Whether all files of a video exist.

        Raises:
            ValueError: If they belong to another video, or were made with other settings.
        """
        where = self.path / f'{name}.json'
        try:
            found = json.loads(where.read_text())
            files = [self.path / file for file in found['files']]
        except (OSError, ValueError, LookupError, TypeError):
            return False
        if not all(file.is_file() for file in files):
            return False
        check_video(found.get('video', ''), video, where)
        check_settings(found.get('settings', {}), self.settings, where)
        return True

    def forget(self, name: str) -> None:
        """Mark a video as not done."""
        (self.path / f'{name}.json').unlink(missing_ok=True)

    def remove_stale(self) -> None:
        """Removes the unfinished files of killed calls."""
        remove_stale(self.path.rglob('*.unfinished'))

    def finish(self) -> None:
        """Do nothing: the files are complete."""


def check_video(found: str, video: Path, where: Path | str) -> None:
    """Checks that existing features are not those of another video.

    Args:
        found: Absolute path of the video whose features exist.
        video: Video whose features are wanted.
        where: File or dataset of the features.

    Raises:
        ValueError: If these are two videos; the message names both.
    """
    wanted = os.path.abspath(video)
    if found == wanted or os.path.realpath(found) == os.path.realpath(wanted):
        return
    if os.path.splitext(found)[0] == os.path.splitext(wanted)[0]:
        advice = 'one call with both keeps their suffixes apart'
    else:
        advice = 'a --video-root above both, the same in each call, would keep them apart'
    raise ValueError(
        f'{where} belongs to the video {found}, and {wanted} would have the same name: {advice}, as does another --out'
    )


def check_settings(found: dict, wanted: dict, where: Path) -> None:
    """Checks that features of different settings are not mixed.

    Raises:
        ValueError: If settings differ; the message names the first.
    """
    for key in [*wanted, *(key for key in found if key not in wanted)]:
        if found.get(key) != wanted.get(key):
            raise ValueError(
                f'{where} was made with {key}={found.get(key)!r}, now it is {wanted.get(key)!r}: choose another '
                '--out, or --overwrite'
            )


class H5File:
    """An .h5 file with a dataset for each video, made from a folder beside it when all of them are done.

    HDF5 files do not survive if a process is killed, .npy files do.

    Args:
        path: The file.
        settings: Settings that the features depend on.

    Raises:
        ValueError: If h5py is not installed, or `path` is no HDF5 file.
    """

    def __init__(self, path: Path, settings: dict) -> None:
        try:
            import h5py
        except ImportError:
            raise ValueError(
                f'{path}: .h5 files need h5py (pip install h5py); a folder in its place would get .npy files'
            ) from None
        self._h5py = h5py
        self.path, self.settings = path, settings
        self.parts = Folder(path.with_name(f'{path.name}.parts'), settings)
        self.file = self.parts.file
        self._videos: dict[str, str] = {}
        if path.exists():
            try:
                with h5py.File(path) as file:
                    file.visititems(self._look_at)
            except OSError as error:
                raise ValueError(f'{path} exists and is no HDF5 file: {error}') from error

    def _look_at(self, name: str, item: Any) -> None:
        if 'settings' in item.attrs:
            check_settings(json.loads(item.attrs['settings']), self.settings, self.path)
            self._videos[item.attrs['name']] = item.attrs['video']

    def done(self, name: str, video: Path) -> bool:
        """See :class:`Folder`."""
        if name in self._videos:
            check_video(self._videos[name], video, f'{name} in {self.path}')
            return True
        return self.parts.done(name, video)

    def forget(self, name: str) -> None:
        """See :class:`Folder`; what the file has of it is replaced at the end."""
        self._videos.pop(name, None)
        self.parts.forget(name)

    def remove_stale(self) -> None:
        """See :class:`Folder`."""
        self.parts.remove_stale()
        remove_stale(path for path in self.path.parent.glob('*.unfinished') if path.name.startswith(self.path.name))

    def finish(self) -> None:
        """Moves the parts into the file, including complete ones of parallel calls."""
        if not self.parts.path.is_dir():
            return
        with _one_at_a_time(self.path.parent):
            infos = sorted(self.parts.path.rglob('*.json'))
            if infos:
                self._add_all(infos)
            # incomplete parts belong to a parallel call
            left = any(path.is_file() for path in self.parts.path.rglob('*'))
            if not left:
                shutil.rmtree(self.parts.path, ignore_errors=True)

    def _add_all(self, infos: Sequence[Path]) -> None:
        unfinished = unfinished_name(self.path)
        if self.path.exists():
            shutil.copyfile(self.path, unfinished)
        else:
            unfinished.unlink(missing_ok=True)
        added = []
        # attributes of more than 64 KB, such as the times of long videos, need version 1.8
        with self._h5py.File(unfinished, 'a', libver=('v108', 'v110')) as file:
            for path in infos:
                info = json.loads(path.read_text())
                added += [path, *(self.parts.path / name for name in info['files'])]
                self._add(file, info)
        unfinished.replace(self.path)
        for path in added:
            path.unlink(missing_ok=True)

    def _add(self, file: Any, info: dict) -> None:
        for name in info.pop('files'):
            values = np.load(self.parts.path / name, mmap_mode='r')
            dataset = name.removesuffix('.npy')
            if dataset in file:  # of a parallel call that ended since this one began
                check_video(file[dataset].attrs['video'], Path(info['video']), f'{dataset} in {self.path}')
                del file[dataset]
            found = file.create_dataset(dataset, values.shape, values.dtype)
            for first in range(0, len(values), 256):
                found[first : first + 256] = values[first : first + 256]
            for key, value in info.items():
                if key in ('clips', 'seconds'):
                    found.attrs[key] = np.array(value)
                elif isinstance(value, dict | list):
                    found.attrs[key] = json.dumps(value)
                else:
                    found.attrs[key] = value


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Makes other processes of the machine wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_h5(path: Path) -> bool:
    """Whether a path is that of an HDF5 file."""
    return path.suffix.lower() in ('.h5', '.hdf5')


def open_output(path: Path, settings: dict) -> Folder | H5File:
    """What `--out` names: an .h5 or .hdf5 file, or a folder.

    Raises:
        ValueError: If the path can be neither.
    """
    if is_h5(path):
        if path.is_dir():
            raise ValueError(f'{path} is a folder, and has to be the name of a file')
        return H5File(path, settings)
    if path.is_file() or path.suffix.lower() in ('.npy', '.npz', '.pkl', '.json'):
        raise ValueError(f'{path}: give a folder, for a .npy file of each video, or one .h5 file for all')
    return Folder(path, settings)
