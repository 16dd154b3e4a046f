"""Videos of which any frame is read."""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2  # noqa: F401 (before decord: behind its libraries cv2 reads no PNG)
import numpy as np

from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.edit_lists import open_video
from mmhvt.datasets.video_dataset import NamingFile


class Video:
    """A file of which no more is held than what is asked for.

    decord decodes ahead of those who take its frames, as far as it gets, so that its memory grows. Here it forgets
    what is ahead at each call. Frames count as players show them, without those that an edit list cuts off.

    Args:
        path: File to read.

    Attributes:
        fps: Frames a second.
        height, width: Of the frames.

    Raises:
        UnreadableVideoError: If the file, or a frame of it, cannot be read; names the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UnreadableVideoError(f'there is no video {path}', str(path))
        self.path = path
        self._reader = self._named(lambda: open_video(str(path), num_threads=1))
        self.fps = self._reader.get_avg_fps()
        if not self.fps > 0:
            raise UnreadableVideoError(f'{path} does not tell its frame rate', str(path))
        self.height, self.width, _ = self[0].shape

    def _named(self, read: Callable[[], Any]) -> Any:
        return NamingFile(lambda results: read())(dict(filename=str(self.path)))

    def _read(self, indices: Iterable[int]) -> list[np.ndarray]:
        self._reader.seek(0)
        try:
            return [self._reader[int(index)].asnumpy() for index in indices]
        finally:
            self._reader.seek(0)  # drops what was decoded ahead, and stops that

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame (H, W, 3) uint8 RGB."""
        return self._named(lambda: self._read([index])[0])

    def get_batch(self, indices: np.ndarray) -> SimpleNamespace:
        """Frames in the way of decord's reader, for DecordDecode."""
        indices, places = np.unique(indices, return_inverse=True)
        frames = self._named(lambda: self._read(indices))
        return SimpleNamespace(asnumpy=lambda: [frames[place] for place in places])
