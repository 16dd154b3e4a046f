"""Reader of ordinary videos with PyAV, which skips frames that are neither wanted nor referred to by another one.

decord decodes all frames from a key frame to the last wanted one. No other frame refers to many of them, such as most
B-frames: H.264 marks them with nal_ref_idc = 0 (ITU-T H.264, 7.4.1), and in MPEG-4 Part 2 they are all B-frames. A
decoder can be told to drop them, and returns the same other frames.

Frames and their numbers are those of :func:`mmhvt.datasets.edit_lists.open_video`, which takes over wherever a file is
out of the ordinary: another container or codec, an edit list that cuts frames, several tracks, a rotation, interlacing,
and whatever cannot be decoded.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from mmhvt.utils.files import require_file

from . import edit_lists
from .containers import MATROSKA, MOST_FRAMES, MOST_PIXELS
from .edit_lists import Packets

Backend = Literal['auto', 'decord', 'pyav']

# of a file, since its packets are kept in memory
_MOST_BYTES = 2**26
# of an MPEG-4 packet that repeats a frame, for which decoders return none
_EMPTY_BYTES = 8
# whether a packet alone tells the decoder that no other one refers to it. In HEVC, this only holds for packets of the
# same temporal layer
_DROPS = dict(h264=True, mpeg4=True, hevc=False, vp9=False)


@cache
def find_pyav() -> ModuleType | None:
    """The module of PyAV; None if it is not installed."""
    try:
        import av
        import av.video.reformatter
    except ImportError:
        return None
    return av


def open_video(file: str | Path | bytes, num_threads: int = 1, backend: Backend = 'auto') -> Any:
    """Opens a video to read exactly the frames that a player shows, each once and in order.

    Args:
        file: Path of the file, or its content.
        num_threads: Number of decord's threads. PyAV is used with 1. Defaults to 1.
        backend: 'decord', or 'pyav' for ordinary files; 'auto' is 'pyav' if it is installed. Defaults to 'auto'.

    Returns:
        PacketReader, or what :func:`mmhvt.datasets.edit_lists.open_video` returns.

    Raises:
        OSError, RuntimeError: As in :func:`mmhvt.datasets.edit_lists.open_video`.
    """

    def usual() -> Any:
        return edit_lists.open_video(file, num_threads)

    if backend == 'decord' or num_threads != 1 or find_pyav() is None:
        return usual()
    ordinary = _open_ordinary(file if isinstance(file, bytes) else os.path.abspath(file), usual)
    return usual() if ordinary is None else ordinary


class _UnusualError(Exception):
    """A file that is left to the usual reader."""


def _open_ordinary(file: str | bytes, usual: Callable[[], Any]) -> 'PacketReader | None':
    av = find_pyav()
    assert av is not None
    try:
        if isinstance(file, bytes):
            head, size = file[:8], len(file)
        else:
            with open(require_file(file), 'rb') as content:
                head, size = content.read(8), os.path.getsize(file)
        name = 'mov' if head[4:] == b'ftyp' else 'matroska' if head.startswith(MATROSKA) else None
        if name is None or size > _MOST_BYTES:
            return None
        source, options = (io.BytesIO(file), {}) if isinstance(file, bytes) else (file, dict(protocol_whitelist='file'))
        return PacketReader(av.open(source, format=name, options=options, metadata_errors='ignore'), usual)
    except _errors():
        return None  # the usual reader raises its own error


def _errors() -> tuple[type[Exception], ...]:
    """Errors that leave a file to the usual reader: what PyAV raises for damaged files."""
    av = find_pyav()
    assert av is not None
    return _UnusualError, av.FFmpegError, OSError, ValueError, LookupError, ArithmeticError


class _Batch(np.ndarray):
    """Frames with the method that transforms call on decord's."""

    def asnumpy(self) -> np.ndarray:
        return self.view(np.ndarray)


class PacketReader:
    """Reader of a file with PyAV, with the part of decord.VideoReader's interface that transforms use.

    Args:
        container: PyAV's container with one video track.
        usual: Function that opens the reader that takes over, whose `len` is the same.
    """

    def __init__(self, container: Any, usual: Callable[[], Any]) -> None:
        self._container, self._open_usual, self._usual = container, usual, None
        streams = container.streams.video
        if len(streams) != 1 or not streams[0].average_rate or streams[0].frames > MOST_FRAMES:
            raise _UnusualError
        (self._stream,) = streams
        self._decoder = self._stream.codec_context  # None if the codec is not known
        if self._decoder is None or self._decoder.name not in _DROPS:
            raise _UnusualError
        self._form = self._form_of(self._decoder, self._decoder.pix_fmt)
        if self._form[2] not in ('yuv420p', 'yuvj420p') or not 0 < self._form[0] * self._form[1] <= MOST_PIXELS:
            raise _UnusualError
        self._decoder.thread_count = 1
        self._drops = False
        # the last one is empty
        self._packets = [packet for packet in container.demux(self._stream) if packet.size]
        self._times = self._times_of(self._packets)
        self._order = np.argsort(self._times)
        is_key = np.array([packet.is_keyframe for packet in self._packets])
        self._entries, _ = Packets(self._times, is_key, np.ones(len(is_key), bool)).entries()

    @staticmethod
    def _form_of(frames: Any, pixels: str) -> tuple[int, int, str]:
        return frames.width, frames.height, pixels

    def _times_of(self, packets: list) -> np.ndarray:
        """Presentation times of packets, each of which is one frame."""
        name, count = self._decoder.name, len(packets)
        if not 0 < count <= MOST_FRAMES or self._stream.frames not in (0, count) or not packets[0].is_keyframe:
            raise _UnusualError
        if any(packet.pts is None or packet.is_discard or packet.is_corrupt for packet in packets):
            raise _UnusualError
        if name == 'mpeg4' and any(packet.size <= _EMPTY_BYTES for packet in packets):
            raise _UnusualError
        times = np.array([packet.pts for packet in packets])
        # frames before the first key frame refer to missing ones
        if len(np.unique(times)) < count or times.min() < times[0]:
            raise _UnusualError
        return times

    def __len__(self) -> int:
        return len(self._packets)

    def get_avg_fps(self) -> float:
        """Returns the frame rate."""
        return float(self._stream.average_rate)

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Returns frames (N, H, W, 3), in any order and with repetitions. Each is decoded once."""
        asked = np.asarray(indices, dtype=np.int64)
        count = len(self)
        if not asked.size or asked.min() < -count or asked.max() >= count:
            return self.usual.get_batch(indices)
        wanted, places = np.unique(asked % count, return_inverse=True)
        try:
            frames = self._decode(self._order[wanted])
        except _errors():
            return self.usual.get_batch(indices)
        return (frames if np.array_equal(wanted, asked) else frames[places]).view(_Batch)

    def _decode(self, places: np.ndarray) -> np.ndarray:
        """Decodes the frames of packets, which are given in presentation order."""
        av = find_pyav()
        assert av is not None
        rows = {int(self._times[place]): row for row, place in enumerate(places)}
        to_rgb = av.video.reformatter.VideoReformatter()
        frames: np.ndarray | None = None
        starts = np.searchsorted(self._entries, places, 'right') - 1
        for start in np.unique(starts):
            own = set(places[starts == start].tolist())
            self._decoder.flush_buffers()
            for packet, is_wanted in self._packets_from(int(self._entries[start]), own):
                self._drop(not is_wanted)
                for frame in self._decoder.decode(packet):
                    if (row := rows.pop(frame.pts, None)) is None:
                        continue
                    self._check(frame)
                    plane = to_rgb.reformat(frame, format='rgb24').planes[0]
                    if frames is None:
                        frames = np.empty((len(places), frame.height, frame.width, 3), np.uint8)
                    pixels = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
                    frames[row] = pixels[:, : 3 * frame.width].reshape(frames[row].shape)
        if rows or frames is None:
            raise _UnusualError
        return frames

    def _packets_from(self, start: int, wanted: set[int]) -> Iterator[tuple[Any, bool]]:
        """Yields the packets up to the last wanted one, then None, for which a decoder returns what it holds back."""
        for place in range(start, max(wanted) + 1):
            yield self._packets[place], place in wanted
        yield None, True

    def _drop(self, drops: bool) -> None:
        """Sets whether the decoder drops packets that no other one refers to."""
        if self._drops != drops:
            self._drops = drops
            self._decoder.skip_frame = 'NONREF' if drops and _DROPS[self._decoder.name] else 'DEFAULT'

    def _check(self, frame: Any) -> None:
        if self._form_of(frame, frame.format.name) != self._form:
            raise _UnusualError
        if frame.is_corrupt or frame.interlaced_frame or frame.rotation:
            raise _UnusualError

    @property
    def usual(self) -> Any:
        """The reader that takes over.

        Raises:
            RuntimeError: If it finds a different number of frames.
        """
        if self._usual is None:
            usual = self._open_usual()
            if len(usual) != len(self):
                raise RuntimeError(f'its index has {len(self)} frames, but {len(usual)} can be found')
            self._usual = usual
        return self._usual

    def __getitem__(self, index: int) -> Any:
        """Returns a frame (H, W, 3)."""
        return self.usual[index]

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):
            raise AttributeError(name)
        return getattr(self.usual, name)
