"""Output files, which are either complete or absent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

OTHER_VIDEOS = ('.avi', '.flv', '.gif', '.m4v', '.mkv', '.mov', '.mpeg', '.mpg', '.webm', '.wmv')


def mp4_path(out: Path, stem: str) -> Path:
    """The MP4 that `--out` names, or STEM.mp4 in the folder that it names.

    Raises:
        ValueError: If it names a video in another format.
    """
    if out.suffix.lower() in OTHER_VIDEOS and not out.is_dir():
        raise ValueError(f'--out {out}: the video is written as MP4')
    return out if out.suffix.lower() == '.mp4' else out / f'{stem}.mp4'


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` at the end; nothing is left after an exception."""
    with TemporaryDirectory(prefix=f'.{path.name}-', dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        unfinished.replace(path)


def check_outputs(outputs: dict[str, Path | None], inputs: list[str | Path | None]) -> None:
    """Make the folders of files to write, and fail before the work, not after it, if one cannot be written.

    Args:
        outputs: Paths by kind, such as 'video'; None for those that are not written.
        inputs: Files that are read and must not be overwritten.

    Raises:
        ValueError: If an output is a folder, an input, or another output.
        OSError: If a folder cannot be made or written to.
    """
    read = {Path(path).resolve() for path in inputs if path}
    written: dict[Path, str] = {}
    for kind, path in outputs.items():
        if path is None:
            continue
        if path.resolve() in read:
            raise ValueError(f'{path} is read and would be overwritten: choose another name to write')
        if path.is_dir():
            raise ValueError(f'{path} is a folder, and has to be the name of a file to write')
        if other := written.get(path.resolve()):
            raise ValueError(f'{path} cannot be both {other} and {kind}')
        written[path.resolve()] = kind
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        TemporaryDirectory(dir=path.parent).cleanup()


class KeyFrameWriter:
    """JSON of key frames, each written as it comes.

    Args:
        file: File to write to.
        head: Items before the key frames.
    """

    def __init__(self, file: TextIO, head: dict) -> None:
        self._file = file
        self._separator = '\n'
        file.write(f'{json.dumps(head)[:-1]}, "key_frames": [')

    def write(self, entry: dict) -> None:
        """Add a key frame."""
        self._file.write(self._separator + json.dumps(entry))
        self._separator = ',\n'

    def close(self, tail: dict) -> None:
        """End the JSON.

        Args:
            tail: Items after the key frames.
        """
        self._file.write(f'\n], {json.dumps(tail)[1:]}\n')
