"""Video files: reading any frame, and writing frames as MP4."""

import math
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2  # before decord: after its libraries cv2 reads no PNG
import numpy as np

from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.edit_lists import open_video
from mmhvt.datasets.reading import DecodeErrorWrapper


class Video:
    """A video file, of which only the requested frames are held in memory.

    decord decodes ahead as far as it can, so that its memory grows. Here, frames that were decoded ahead are dropped
    after each call. Frames are counted as players show them, without those that an edit list cuts off.

    Args:
        path: File to read.

    Attributes:
        fps: Frames a second.
        height, width: Size of the frames.

    Raises:
        UnreadableVideoError: If the file, or a frame of it, cannot be read; the message names the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise UnreadableVideoError(f'there is no video {path}', str(path))
        self.path = path
        self._reader = self._named(lambda: open_video(str(path), num_threads=1))
        self.fps = self._reader.get_avg_fps()
        if not 0 < self.fps < math.inf:
            raise UnreadableVideoError(f'{path} reports no frame rate', str(path))
        self.height, self.width, _ = self[0].shape

    def _named(self, read: Callable[[], Any]) -> Any:
        return DecodeErrorWrapper(lambda results: read())(dict(filename=str(self.path)))

    def _read(self, indices: Iterable[int]) -> list[np.ndarray]:
        self._reader.seek(0)
        try:
            return [self._reader[int(index)].asnumpy() for index in indices]
        finally:
            self._reader.seek(0)  # drops the frames decoded ahead, and stops the decoding

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame (H, W, 3) uint8 RGB."""
        return self._named(lambda: self._read([index])[0])

    def get_batch(self, indices: np.ndarray) -> SimpleNamespace:
        """Frames as decord's reader returns them, for DecordDecode."""
        indices, places = np.unique(indices, return_inverse=True)
        frames = self._named(lambda: self._read(indices))
        return SimpleNamespace(asnumpy=lambda: [frames[place] for place in places])


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float = 16) -> None:
    """Write frames as MP4 (MPEG-4 part 2, which needs nothing but OpenCV's wheel), each as it comes.

    Args:
        path: File to write.
        frames: One or more frames (height, width, 3) uint8 RGB: an array of them, or an iterator over a video of any
            length. Where a side is odd, its last row or column is repeated.
        fps: Frames a second, rounded to what the format can express: 65535 ticks a second at most. Defaults to 16.

    Raises:
        OSError: If the file cannot be written.
    """
    frames = iter(frames)
    first = next(frames)
    height, width, _ = first.shape
    down, right = height % 2, width % 2  # OpenCV would cut off an odd row or column
    fps = round(fps, int(math.log10(65535 / fps)))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), fps, (width + right, height + down))
    count = 0
    try:
        for frame in chain([first], frames):
            frame = cv2.copyMakeBorder(frame, 0, down, 0, right, cv2.BORDER_REPLICATE)
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        writer.release()
    # OpenCV reports neither a missing folder nor a full disk; the index, written last, shows both
    written = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT)) if path.is_file() else 0
    if written != count:
        raise OSError(f'{path} holds {written} of {count} frames: is the folder writable, and is there space left?')
