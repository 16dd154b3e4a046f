"""Lists of videos, and files of what was computed of them, which are whole or not there."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmhvt.datasets.annotations import read_text

SUFFIXES = ('.avi', '.flv', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.ts', '.webm', '.wmv')


def read_list(path: Path, root: Path) -> list[str]:
    """Paths of a list of videos, a line each, with or without labels behind; empty lines are skipped.

    A label is a whole number behind a space, a tab, a comma or a semicolon. Where the whole line names a file, it is
    one. Quotes about a path, and backslashes of Windows, are read as in annotation files.

    Raises:
        ValueError: If the list cannot be read or is empty.
    """
    try:
        lines = read_text(str(path)).splitlines()
    except FileNotFoundError:
        raise ValueError(f'there is no list {path}') from None
    found = []
    for text in filter(None, map(str.strip, lines)):
        name = re.sub(r'(?:[\s,;]+-?\d+)+$', '', text).strip('"')
        names = [text, name, text.replace('\\', '/'), name.replace('\\', '/')]
        found.append(next((name for name in names if (root / name).is_file()), name))
    if not found:
        raise ValueError(f'the list {path} is empty: it needs the path of a video a line')
    return found


def find_videos(paths: Iterable[str], root: Path) -> list[Path]:
    """Files of paths, each once; of a folder the videos in it, at any depth.

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

    Where two would have the same name (a.mp4, a.avi), or one that of a folder (a.mp4, a/b.mp4), they keep the suffix.

    Raises:
        ValueError: If a video is not below `root`.
    """
    # not resolved: links to videos are named as they are called
    full = [Path(os.path.abspath(video)) for video in videos]
    base = Path(os.path.abspath(root) if root else os.path.commonpath([path.parent for path in full]))
    if outside := [path for path in full if not path.is_relative_to(base)]:
        raise ValueError(f'{outside[0]} is not below --video-root {root}, from which on its path would be its name')
    relative = [path.relative_to(base) for path in full]
    taken = Counter(path.with_suffix('') for path in relative)
    taken.update({folder for path in relative for folder in path.parents})
    return [(path if taken[path.with_suffix('')] > 1 else path.with_suffix('')).as_posix() for path in relative]


class ArrayFile:
    """A .npy file to which rows are appended, under another name until it is whole.

    Args:
        path: Of the whole file.
        rows: That there will be.
        dtype: Of the values.
    """

    def __init__(self, path: Path, rows: int, dtype: str) -> None:
        self.path, self.rows, self.dtype = path, rows, np.dtype(dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.unfinished = path.with_name(f'{path.name}.unfinished')
        self._file = self.unfinished.open('wb')
        self.shape: tuple[int, ...] | None = None

    def append(self, rows: np.ndarray) -> None:
        """Adds (n, …)."""
        if self.shape is None:
            self.shape = (self.rows, *rows.shape[1:])
            header = dict(descr=self.dtype.str, fortran_order=False, shape=self.shape)
            np.lib.format.write_array_header_1_0(self._file, header)
        self._file.write(np.ascontiguousarray(rows, self.dtype).tobytes())

    def finish(self) -> None:
        """Gives the file its name."""
        self._file.close()
        self.unfinished.replace(self.path)

    def abandon(self) -> None:
        """Leaves nothing."""
        self._file.close()
        self.unfinished.unlink(missing_ok=True)


@dataclass
class Folder:
    """A folder with `NAME.npy`, `NAME.scores.npy`, … and `NAME.json` of each video; the last is written last.

    Args:
        path: The folder.
        settings: What the features depend on.
    """

    path: Path
    settings: dict

    def file(self, name: str, kind: str) -> Path:
        """Of an array: `kind` is '', 'stage0', 'scores', …"""
        return self.path / (f'{name}.{kind}.npy' if kind else f'{name}.npy')

    def done(self, name: str) -> bool:
        """Whether all of a video is there.

        Raises:
            ValueError: If what is there was made with other settings.
        """
        try:
            found = json.loads((self.path / f'{name}.json').read_text())
            files = [self.path / file for file in found['files']]
        except (OSError, ValueError, LookupError, TypeError):
            return False
        if not all(file.is_file() for file in files):
            return False
        check_settings(found.get('settings', {}), self.settings, self.path / f'{name}.json')
        return True

    def finish(self) -> None:
        """Nothing is left to do."""


def check_settings(found: dict, wanted: dict, where: Path) -> None:
    """Refuses to mix features.

    Raises:
        ValueError: If settings differ; names the first.
    """
    for key in [*wanted, *(key for key in found if key not in wanted)]:
        if found.get(key) != wanted.get(key):
            raise ValueError(
                f'{where} was made with {key}={found.get(key)!r}, now it is {wanted.get(key)!r}: choose another '
                '--out, or --overwrite'
            )


class H5File:
    """An .h5 file with a dataset for each video, made from a folder beside it when all of them are there.

    HDF5 files do not outlive a killed process, .npy files do.

    Args:
        path: The file.
        settings: What the features depend on.

    Raises:
        ValueError: If h5py is not installed, or `path` is no HDF5 file.
    """

    def __init__(self, path: Path, settings: dict) -> None:
        try:
            import h5py
        except ImportError:
            raise ValueError(
                f'{path}: .h5 files need h5py (pip install h5py); a folder in its place gets .npy files'
            ) from None
        self._h5py = h5py
        self.path, self.settings = path, settings
        self.parts = Folder(path.with_name(f'{path.name}.parts'), settings)
        self.file = self.parts.file
        self._names: set[str] = set()
        if path.exists():
            try:
                with h5py.File(path) as file:
                    file.visititems(self._look_at)
            except OSError as error:
                raise ValueError(f'{path} is there and no HDF5 file: {error}') from error

    def _look_at(self, name: str, item: Any) -> None:
        if 'settings' in item.attrs:
            check_settings(json.loads(item.attrs['settings']), self.settings, self.path)
            self._names.add(item.attrs['name'])

    def done(self, name: str) -> bool:
        """As that of :class:`Folder`."""
        return name in self._names or self.parts.done(name)

    def finish(self) -> None:
        """Puts the parts into the file."""
        if not self.parts.path.is_dir():
            return
        unfinished = self.path.with_name(f'{self.path.name}.unfinished')
        if self.path.exists():
            shutil.copyfile(self.path, unfinished)
        else:
            unfinished.unlink(missing_ok=True)
        # attributes of more than 64 KB, the times of long videos, came with 1.8
        with self._h5py.File(unfinished, 'a', libver=('v108', 'v110')) as file:
            for path in sorted(self.parts.path.rglob('*.json')):
                self._add(file, json.loads(path.read_text()))
        unfinished.replace(self.path)
        shutil.rmtree(self.parts.path)

    def _add(self, file: Any, info: dict) -> None:
        for name in info.pop('files'):
            values = np.load(self.parts.path / name, mmap_mode='r')
            dataset = name.removesuffix('.npy')
            if dataset in file:
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


def open_output(path: Path, settings: dict) -> Folder | H5File:
    """What `--out` names: an .h5 or .hdf5 file, or a folder.

    Raises:
        ValueError: If the path cannot be that.
    """
    if path.suffix.lower() in ('.h5', '.hdf5'):
        if path.is_dir():
            raise ValueError(f'{path} is a folder, and has to be the name of a file')
        return H5File(path, settings)
    if path.is_file() or path.suffix.lower() in ('.npy', '.npz', '.pkl', '.json'):
        raise ValueError(f'{path}: give a folder, for a .npy file of each video, or one .h5 file for all')
    return Folder(path, settings)
