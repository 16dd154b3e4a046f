"""Reader of the frames that a player shows, for MP4s with an edit list and containers in which decord is off.

Programs that trim a video without re-encoding it (``ffmpeg -ss 0.5 -c copy``, phones, editors) cannot start between key
frames. They store all frames from the previous key frame, and an edit list (ISO/IEC 14496-12, 8.6.6) that tells players
which part to show. FFmpeg decodes the other frames and drops them. decord counts stored frames: to read a frame, it
seeks to the previous key frame by its stored number and counts what the decoder returns from there. So it skips and
repeats frames in random access, and repeats the last frame for those that are missing at the end.

:class:`ShownFrames` finds out from the file which frames are dropped, and reads exactly the others.

To find a frame, decord seeks by its time. Where a frame has no time (AVI with B-frames), or seeking is by bytes
(MPEG-TS), decord ends up whole groups of pictures away. OpenCV, which reports the time of the frame that it found,
reads these files.
"""

import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import cv2  # before decord: after its libraries cv2 cannot read PNG files
import decord
import numpy as np

from .containers import MOST_FRAMES, read_header


def open_video(file: str | Path | bytes, num_threads: int = 1) -> 'decord.VideoReader | ShownFrames':
    """Opens a video to read exactly the frames that a player shows, each once and in order.

    Args:
        file: Path of the file, or its content, which is written to a temporary one.
        num_threads: Number of decord's threads. Defaults to 1.

    Returns:
        decord.VideoReader | ShownFrames: decord's reader, or one with the same interface if decord's would count frames
        that an edit list cuts off. `len` is the number of shown frames, and index 0 is the first of them.

    Raises:
        OSError: If it is not a file.
        RuntimeError: If the file cannot be read as a video, or no frame is shown; and decord's errors.
    """
    if isinstance(file, bytes):
        copy = NamedTemporaryFile(suffix='.mp4')  # noqa: SIM115 - deleted with the reader
        copy.write(file)
        copy.flush()
        opened = open_video(copy.name, num_threads)
        opened.copy = copy  # type: ignore[union-attr]
        return opened
    # FFmpeg would take 'a:b.mp4' for a URL
    file = os.path.abspath(file)
    header = read_header(file)
    # FFmpeg writes hundreds of lines about a damaged file to stderr; relevant errors are raised as exceptions
    decord.logging.set_level(decord.logging.QUIET)
    kind = PaddedRows if header.is_rgb or may_be_padded(header.width) else decord.VideoReader
    reader = kind(file, num_threads=num_threads)
    if header.misleads:
        return _read_by_time(file, reader, header.fps)
    try:
        with open(file, 'rb') as content:
            tracks = list(_edited_tracks(content))
    except (struct.error, ValueError, IndexError, ArithmeticError):
        return reader  # a damaged index, which is left to FFmpeg
    for packets in tracks:
        if packets is None and is_converted(file, reader):
            source = _FromTheBeginning(file)
            return ShownFrames(source, [0], [0], source.count(), reader.get_avg_fps())
        # decord does not say which of several tracks it reads
        if packets is not None and len(packets) == len(reader) and packets.keys() == list(reader.get_key_indices()):
            shown = int(packets.is_shown.sum())
            return ShownFrames(_FromKeyFrames(reader), *packets.entries(), shown, reader.get_avg_fps())
    return reader if _has_times(reader) else _read_by_time(file, reader, header.fps)


def _times_of(reader: decord.VideoReader) -> np.ndarray:
    """Times of the frames in seconds, (N,), as the container has them; (0,) if there are fewer times than frames."""
    try:
        return reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(float)
    except IndexError:  # damaged, as reading will show
        return np.zeros(0)


def _has_times(reader: decord.VideoReader) -> bool:
    """Whether frames have their own times, by which decord seeks. AVIs with B-frames have none."""
    times = _times_of(reader)
    return bool((times >= 0).all() and (np.diff(times) > 0).all())


def is_converted(file: str, reader: decord.VideoReader | None = None) -> bool:
    """Whether OpenCV converts frames to RGB. With FFmpeg 8, it returns whatever is in memory for interlaced ones.

    Args:
        file: Path of the file.
        reader: decord's reader of it. Defaults to a new one.
    """
    capture = cv2.VideoCapture(file, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    first, second = (capture.read()[1] for _ in range(2))
    if first is None:
        return False
    if second is not None and (first.shape != second.shape or (first != second).any()):
        return True  # memory would be the same
    try:
        shown = (reader or decord.VideoReader(file, num_threads=1))[0].asnumpy()
    except (RuntimeError, AssertionError, StopIteration, decord.DECORDError):
        return True  # a still picture, as far as anybody can tell
    picture = cv2.cvtColor(first, cv2.COLOR_BGR2RGB).astype(int)
    return shown.shape == picture.shape and bool(np.abs(picture - shown).mean() < 20)


def _read_by_time(file: str, reader: decord.VideoReader, fps: float) -> 'decord.VideoReader | ShownFrames':
    """Reads a file in which decord finds no frame by its number."""
    # decoders begin at the first key frame
    times = _times_of(reader)[min(reader.get_key_indices(), default=0) :]
    count = len(times)
    if not count or not is_converted(file, reader):
        return reader
    is_even = fps > 0 and bool((np.abs(times - times[0] - np.arange(count) / fps) < 0.4 / fps).all())
    # near the end, there may be fewer frames than in the index
    places = range(0, max(1, count - 4 * _MOST_REORDERED) if is_even else 1, 64)
    return ShownFrames(_ByTime(file), places, places, count, reader.get_avg_fps())


def may_be_padded(width: int) -> bool:
    """Whether decord 0.6 takes the padding of rows for more channels. Its FFmpeg pads them to a multiple of 32 pixels,
    and decord cuts that off unless the padded row is a multiple of the width: 72 pixels of 3 channels are padded to 96,
    which look like 72 of 4 channels.
    """
    row = 3 * math.ceil(width / 32) * 32
    return width > 0 and row % width == 0 and row != 3 * width


class PaddedRows(decord.VideoReader):
    """decord's reader for widths at which it leaves padding in the frames."""

    def next(self) -> decord.nd.NDArray:
        """Returns the next frame (H, W, 3)."""
        frame = super().next().asnumpy()
        height, width, channels = frame.shape
        return decord.nd.array(frame.reshape(height, width * channels)[:, : 3 * width].reshape(height, width, 3))

    def get_batch(self, indices: Sequence[int]) -> decord.nd.NDArray:
        """Returns frames (N, H, W, 3), in any order and with repetitions. Each is decoded once."""
        wanted, places = np.unique(self._validate_indices(indices), return_inverse=True)
        return decord.nd.array(np.stack([self[int(index)].asnumpy() for index in wanted])[places])


# frames that an H.264 or HEVC decoder may hold back
_MOST_REORDERED = 16


@dataclass
class Packets:
    """Packets that FFmpeg's demuxer returns for a track, in decoding order.

    Attributes:
        times: Presentation times in the time units of the track.
        is_key: Whether a packet is a key frame.
        is_shown: Whether a packet is not dropped after decoding.
    """

    times: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def keys(self) -> list[int]:
        return np.flatnonzero(self.is_key).tolist()

    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Key frames at which decoding can start: their packet numbers, and the number of frames shown before them.

        All packets that follow in decoding order are also shown later, i.e. no B-frame refers to an earlier frame, so
        that the output of the decoder from there is known.
        """
        before = np.maximum.accumulate(self.times)
        after = np.minimum.accumulate(self.times[::-1])[::-1]
        is_entry = self.is_key.copy()
        is_entry[1:] &= (before[:-1] < self.times[1:]) & (after[1:] == self.times[1:])
        # decord loses the last frames of an H.264 stream if it begins shortly before them, without an IDR picture
        is_entry[max(0, len(self) - _MOST_REORDERED) :] = False
        is_entry[0] = True
        places = np.flatnonzero(is_entry)
        return places, (np.cumsum(self.is_shown) - self.is_shown)[places]


class _FromKeyFrames:
    """Reads a file with one edit, with decord."""

    def __init__(self, reader: decord.VideoReader) -> None:
        self._reader = reader
        self.next = reader.next

    def begin(self, place: int) -> None:
        # decord ignores a seek to its current position, which it counts in stored frames
        self._reader.seek(0)
        self._reader.seek(place)


class _FromTheBeginning:
    """Reads a file with several edits with OpenCV, since decord does not find the first frame of some."""

    def __init__(self, file: str | Path) -> None:
        self._path = str(file)
        self.begin(0)

    def count(self) -> int:
        """Decodes all frames, since the index does not say which ones decoders drop between two edits."""
        count = 0
        while self._capture.grab():
            count += 1
        self.begin(0)
        return count

    def begin(self, place: int) -> None:
        self._capture = cv2.VideoCapture(self._path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        self._size: tuple[int, int] | None = None

    def _read(self) -> np.ndarray | None:
        """Next frame (H, W, 3), None after the last. All have the size of the first, even where streams were joined."""
        there, frame = self._capture.read()
        if not there:
            return None
        height, width, _ = frame.shape
        self._size = self._size or (width, height)
        if (width, height) != self._size:
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def next(self) -> decord.nd.NDArray:
        frame = self._read()
        if frame is None:
            raise RuntimeError('the video ends before the end of its index')
        return decord.nd.array(frame)


class _ByTime(_FromTheBeginning):
    """Reads with OpenCV, which finds frames by their times. The last frame is repeated for a few that are missing at
    the end, as in streams that were cut.
    """

    def begin(self, place: int) -> None:
        super().begin(0)
        self._last: np.ndarray | None = None
        self._missing = 0
        if not place:
            return
        first = self._read()
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, place)
        if self._capture.get(cv2.CAP_PROP_POS_FRAMES) != place:  # before the first possible start point
            super().begin(0)
            for _ in range(place):
                self._capture.grab()
        if first is not None:
            height, width, _ = first.shape
            self._size = width, height

    def next(self) -> decord.nd.NDArray:
        frame = self._read()
        if frame is None and self._last is not None and self._missing < _MOST_REORDERED:
            self._missing += 1
            frame = self._last
        if frame is None:
            raise RuntimeError('the video ends before the end of its index')
        self._last = frame
        return decord.nd.array(frame)


class ShownFrames:
    """Reader of the shown frames, with the part of decord.VideoReader's interface that transforms use.

    Args:
        source: Reader that decodes all frames from a start point.
        places: Start points, increasing.
        firsts: First shown frame from each start point.
        count: Number of shown frames.
        fps: Frame rate.

    Raises:
        RuntimeError: If no frame is shown.
    """

    def __init__(
        self,
        source: _FromKeyFrames | _FromTheBeginning,
        places: Sequence[int] | np.ndarray,
        firsts: Sequence[int] | np.ndarray,
        count: int,
        fps: float,
    ) -> None:
        if not count:
            raise RuntimeError('the edit list leaves no frame to show')
        self._source, self._places, self._firsts, self._count, self._fps = source, places, firsts, count, fps
        self._next = 0  # next frame of the decoder

    def __len__(self) -> int:
        return self._count

    def get_avg_fps(self) -> float:
        """Returns the frame rate."""
        return self._fps

    def seek(self, index: int) -> bool:
        """Makes `index` the next frame. Discards frames that were decoded ahead."""
        entry = self._entry(index)
        self._source.begin(int(self._places[entry]))
        self._next = int(self._firsts[entry])
        self._read_to(index)
        return True

    seek_accurate = seek

    def _entry(self, index: int) -> int:
        """The last start point for a frame."""
        return int(np.searchsorted(self._firsts, index, 'right')) - 1

    def _read_to(self, index: int) -> None:
        # decord's skip_frames counts stored frames
        while self._next < index:
            self.next()

    def next(self) -> decord.nd.NDArray:
        """Returns the next frame (H, W, 3)."""
        if self._next >= self._count:
            raise StopIteration
        self._next += 1
        return self._source.next()

    def __getitem__(self, index: int) -> decord.nd.NDArray:
        """Returns a frame (H, W, 3)."""
        if not -self._count <= index < self._count:
            raise IndexError(f'frame {index} is out of range for {self._count} frames')
        index = int(index) % self._count
        if not self._firsts[self._entry(index)] <= self._next <= index:
            self.seek(index)
        self._read_to(index)
        return self.next()

    def get_batch(self, indices: Sequence[int]) -> decord.nd.NDArray:
        """Returns frames (N, H, W, 3), in any order and with repetitions. Each is decoded once."""
        asked = np.asarray(indices)
        if asked.size and (asked.min() < 0 or asked.max() >= self._count):
            raise IndexError(f'frames {asked.min()} to {asked.max()} are out of range for {self._count} frames')
        wanted, places = np.unique(asked, return_inverse=True)
        frames = np.stack([self[index].asnumpy() for index in wanted])
        return decord.nd.array(frames[places])


# limits of an undamaged index: sample tables of MOST_FRAMES frames, and the boxes of one level
MOST_BYTES = 2**29
MOST_BOXES = 10_000

# The rest reads as much of an MP4 as is needed to know what FFmpeg's demuxer (mov.c, mov_fix_index) returns for it.


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the names and contents of the boxes within a box."""
    at = count = 0
    while at + 8 <= len(content):
        if (count := count + 1) > MOST_BOXES:
            raise ValueError('damaged box')
        size, name = struct.unpack_from('>I4s', content, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from('>Q', content, at + 8)
            head = 16
        elif size == 0:
            size = len(content) - at
        if size < head:
            return
        yield name, content[at + head : at + size]
        at += size


def _movie_box(file: BinaryIO) -> bytes:
    """Returns the content of the box that describes the tracks, or b'' if there is none."""
    file.seek(0)
    count = 0
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack('>I4s', head)
        rest = size - 8
        if size == 1:
            rest = struct.unpack('>Q', file.read(8))[0] - 16
        elif size == 0:
            rest = -1  # up to the end
        # names are printable in a file of boxes
        if (size and rest < 0) or not all(32 <= byte < 127 for byte in name):
            return b''
        if name == b'moov':
            return file.read(min(rest, MOST_BYTES) if rest >= 0 else MOST_BYTES)
        # fragments of a live stream come after the index
        if rest < 0 or (count := count + 1) > MOST_BOXES:
            return b''
        file.seek(rest, 1)
    return b''


def _find(content: bytes, *names: bytes) -> bytes:
    """Descends into the first box of each name. Returns its content, or b'' if there is none."""
    for name in names:
        content = next((inner for found, inner in _boxes(content) if found == name), b'')
    return content


def _table(box: bytes, columns: str) -> np.ndarray:
    """Returns the rows of a box that contains a version, flags, the number of rows, and the rows."""
    if len(box) < 8:
        return np.zeros(0, columns)
    dtype = np.dtype(columns)
    (count,) = struct.unpack_from('>I', box, 4)
    return np.frombuffer(box, dtype, min(count, (len(box) - 8) // dtype.itemsize), 8)


def _runs(table: np.ndarray) -> np.ndarray:
    """Expands a run-length table of counts and values to int64 values."""
    if table['f0'].sum(dtype=np.int64) > MOST_FRAMES:
        raise ValueError('damaged table')
    return np.repeat(table['f1'].astype(np.int64), table['f0'])


def _edited_tracks(file: BinaryIO) -> Iterator[Packets | None]:
    """Yields the video tracks whose edit lists cut frames, or None for one with several edits."""
    movie = _movie_box(file)
    if not movie:
        return
    header = _find(movie, b'mvhd')
    (units,) = struct.unpack_from('>I', header, 20 if header[0] else 12)  # per second, of the edit list
    for name, track in _boxes(movie):
        edits = _find(track, b'edts', b'elst')
        if name != b'trak' or not edits or _find(track, b'mdia', b'hdlr')[8:12] != b'vide':
            continue
        media = _find(track, b'mdia', b'mdhd')
        (media_units,) = struct.unpack_from('>I', media, 20 if media[0] else 12)
        rows = _table(edits, '>u8,>i8,>i4' if edits[0] else '>u4,>i4,>i4')
        # in units of the track, rounded like FFmpeg
        spans = [(start, (2 * length * media_units + units) // (2 * units)) for length, start, _ in rows.tolist()]
        while spans and spans[0][0] == -1:  # an empty edit, which delays the start
            spans.pop(0)
        if len(spans) > 1:
            yield None
        elif spans:
            packets = _cut(_find(track, b'mdia', b'minf', b'stbl'), *spans[0])
            if not packets.is_shown.all():
                yield packets


def _cut(samples: bytes, start: int, duration: int) -> Packets:
    """Returns the packets of the demuxer for one edit.

    Args:
        samples: Box of the sample tables. They are empty in fragmented files, where an edit cuts nothing.
        start: Start of the edit, in time units of the track.
        duration: Duration of the edit.
    """
    steps = _runs(_table(_find(samples, b'stts'), '>u4,>u4'))
    offsets = _runs(_table(_find(samples, b'ctts'), '>u4,>i4'))[: len(steps)]
    decoded = np.cumsum(steps) - steps
    shown = decoded.copy()
    shown[: len(offsets)] += offsets
    is_key: np.ndarray = np.ones(len(steps), bool)
    if sync := _find(samples, b'stss'):
        is_key[:] = False
        is_key[_table(sync, '>u4').astype(np.int64) - 1] = True

    # from the last key frame that is shown at or before the start
    earlier = np.flatnonzero(is_key & (decoded <= start) & (shown <= start))
    first = earlier[-1] if len(earlier) else 0
    # up to the first key frame after the end, and one more if B-frames may follow it
    behind = np.flatnonzero(is_key[first:] & ((shown + steps)[first:] >= start + duration))[int(len(offsets) > 0) :]
    handed_out = slice(first, first + behind[0] + 1 if len(behind) else None)
    times, is_key = shown[handed_out], is_key[handed_out]

    is_shown = (start <= times) & (times < start + duration)
    # decoders drop B-frames of an open GOP that refer to missing frames
    later = np.flatnonzero(is_key[1:])
    first_group = slice(1, later[0] + 1 if len(later) else None)
    is_shown[first_group] &= times[first_group] > times[:1]
    return Packets(times, is_key, is_shown)
