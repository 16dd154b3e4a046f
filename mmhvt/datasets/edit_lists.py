"""Frames that a player shows of an MP4 whose edit list cuts some off.

What trims a video without encoding it again (``ffmpeg -ss 0.5 -c copy``, telephones, editors) cannot begin between key
frames. It stores the frames from the key frame before on, and an edit list (ISO/IEC 14496-12, 8.6.6) that tells players
to show a part of them. FFmpeg decodes the others and drops them. decord counts what is stored: asked for a frame, it
seeks to the key frame before by stored number and counts what the decoder puts out from there, so that it skips and
repeats frames at random access, and repeats the last for those that are missing at the end.

:class:`ShownFrames` knows from the file which are dropped, and reads so that none of that happens.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import cv2  # before decord: behind its libraries cv2 reads no PNG
import decord
import numpy as np


def open_video(file: str | Path | bytes, num_threads: int = 1) -> 'decord.VideoReader | ShownFrames':
    """Opens a video for reading exactly the frames that a player shows, each once and in order.

    Args:
        file: Path or content.
        num_threads: As decord's.

    Returns:
        decord's reader, or one of the same interface if decord's would count frames that an edit list cuts off.
        `len` is the number of frames that are shown, index 0 the first of them.

    Raises:
        RuntimeError: If the file cannot be read as a video, or none of it is shown; decord's errors.
    """
    # FFmpeg writes hundreds of lines about a damaged file to stderr; what counts of it comes as an exception.
    decord.logging.set_level(decord.logging.QUIET)
    reader = decord.VideoReader(BytesIO(file) if isinstance(file, bytes) else str(file), num_threads=num_threads)
    try:
        with BytesIO(file) if isinstance(file, bytes) else open(file, 'rb') as opened:
            tracks = list(_edited_tracks(opened))
    except (struct.error, ValueError, IndexError, ArithmeticError):
        return reader  # a damaged index: FFmpeg decides what becomes of it
    for packets in tracks:
        if packets is None:
            source = _FromTheBeginning(file)
            return ShownFrames(source, [0], [0], source.count(), reader.get_avg_fps())
        # decord does not tell which of several tracks it reads
        if len(packets) == len(reader) and packets.keys() == list(reader.get_key_indices()):
            shown = int(packets.is_shown.sum())
            return ShownFrames(_FromKeyFrames(reader), *packets.entries(), shown, reader.get_avg_fps())
    return reader


@dataclass
class _Packets:
    """What FFmpeg's demuxer hands out of a track, in the order of decoding.

    Attributes:
        times: Of being shown, in the track's units.
        is_key: Of key frames.
        is_shown: Not dropped behind the decoder.
    """

    times: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def keys(self) -> list[int]:
        return np.flatnonzero(self.is_key).tolist()

    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Key frames to begin at: their numbers among the packets, and how many frames are shown before them.

        All that is decoded later is shown later too (no B-frames that refer to what is before), so that what the
        decoder puts out from there on is known.
        """
        before = np.maximum.accumulate(self.times)
        after = np.minimum.accumulate(self.times[::-1])[::-1]
        is_entry = self.is_key.copy()
        is_entry[1:] &= (before[:-1] < self.times[1:]) & (after[1:] == self.times[1:])
        is_entry[0] = True
        places = np.flatnonzero(is_entry)
        return places, (np.cumsum(self.is_shown) - self.is_shown)[places]


class _FromKeyFrames:
    """decord, for files with one edit."""

    def __init__(self, reader: decord.VideoReader) -> None:
        self._reader = reader
        self.next = reader.next

    def begin(self, place: int) -> None:
        # decord takes a seek to where it believes to be for none, and its belief counts what is stored
        self._reader.seek(0)
        self._reader.seek(place)


class _FromTheBeginning:
    """OpenCV, for files with several edits, of some of which decord does not find the first frame."""

    def __init__(self, file: str | Path | bytes) -> None:
        if isinstance(file, bytes):
            self._file = NamedTemporaryFile(suffix='.mp4')  # noqa: SIM115  lives as long as this
            self._file.write(file)
            self._file.flush()
            file = self._file.name
        self._path = str(file)
        self.begin(0)

    def count(self) -> int:
        """Decodes all, since the index does not tell what decoders drop where one edit ends and the next begins."""
        count = 0
        while self._capture.grab():
            count += 1
        self.begin(0)
        return count

    def begin(self, place: int) -> None:
        self._capture = cv2.VideoCapture(self._path, cv2.CAP_FFMPEG)

    def next(self) -> decord.nd.NDArray:
        there, frame = self._capture.read()
        if not there:
            raise RuntimeError('it ends before its index says so')
        return decord.nd.array(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


class ShownFrames:
    """The part of decord.VideoReader's interface that transforms use, over the shown frames alone.

    Args:
        source: Reads on from a place.
        places: To begin at, increasing.
        firsts: The shown frames that come first from there.
        count: Of all frames that are shown.
        fps: Frames a second.

    Raises:
        RuntimeError: If there are none.
    """

    def __init__(
        self,
        source: _FromKeyFrames | _FromTheBeginning,
        places: Sequence[int],
        firsts: Sequence[int],
        count: int,
        fps: float,
    ) -> None:
        if not count:
            raise RuntimeError('its edit list leaves no frame to show')
        self._source, self._places, self._firsts, self._count, self._fps = source, places, firsts, count, fps
        self._next = 0  # the frame that the decoder puts out next

    def __len__(self) -> int:
        return self._count

    def get_avg_fps(self) -> float:
        """Frames a second."""
        return self._fps

    def seek(self, index: int) -> bool:
        """Makes `index` the next frame. Drops what was decoded ahead."""
        entry = self._entry(index)
        self._source.begin(int(self._places[entry]))
        self._next = int(self._firsts[entry])
        self._read_to(index)
        return True

    seek_accurate = seek

    def _entry(self, index: int) -> int:
        """The last place to begin at for a frame."""
        return int(np.searchsorted(self._firsts, index, 'right')) - 1

    def _read_to(self, index: int) -> None:
        # decord's skip_frames goes by stored numbers
        while self._next < index:
            self.next()

    def next(self) -> decord.nd.NDArray:
        """The next frame (H, W, 3)."""
        if self._next >= self._count:
            raise StopIteration
        self._next += 1
        return self._source.next()

    def __getitem__(self, index: int) -> decord.nd.NDArray:
        """Frame (H, W, 3)."""
        if not -self._count <= index < self._count:
            raise IndexError(f'frame {index} of {self._count}')
        index = int(index) % self._count
        if not self._firsts[self._entry(index)] <= self._next <= index:
            self.seek(index)
        self._read_to(index)
        return self.next()

    def get_batch(self, indices: Sequence[int]) -> decord.nd.NDArray:
        """Frames (N, H, W, 3), in any order and any number of times; each is decoded once."""
        indices = np.asarray(indices)
        if indices.size and (indices.min() < 0 or indices.max() >= self._count):
            raise IndexError(f'frames {indices.min()} to {indices.max()} of {self._count}')
        wanted, places = np.unique(indices, return_inverse=True)
        frames = np.stack([self[index].asnumpy() for index in wanted])
        return decord.nd.array(frames[places])


# of a file whose tables are taken for whole: 155 hours at 30 a second
MOST_FRAMES = 2**24

# What follows reads as much of an MP4 as it takes to know what FFmpeg's demuxer (mov.c, mov_fix_index) makes of it.


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the boxes in a box."""
    at = 0
    while at + 8 <= len(content):
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
    """Content of the box of a file that describes its tracks; empty if it has none."""
    file.seek(0)
    while len(head := file.read(8)) == 8:
        size, name = struct.unpack('>I4s', head)
        rest = size - 8
        if size == 1:
            rest = struct.unpack('>Q', file.read(8))[0] - 16
        elif size == 0:
            rest = -1  # up to the end
        # printable, or it is no file of boxes
        if (size and rest < 0) or not all(32 <= byte < 127 for byte in name):
            return b''
        if name == b'moov':
            return file.read(rest)
        if rest < 0:
            return b''
        file.seek(rest, 1)
    return b''


def _find(content: bytes, *names: bytes) -> bytes:
    """The first box of each name within the one before; empty if there is none."""
    for name in names:
        content = next((inner for found, inner in _boxes(content) if found == name), b'')
    return content


def _table(box: bytes, columns: str) -> np.ndarray:
    """Rows of a box that holds a version, flags, a number of rows, and these."""
    if len(box) < 8:
        return np.zeros(0, columns)
    dtype = np.dtype(columns)
    (count,) = struct.unpack_from('>I', box, 4)
    return np.frombuffer(box, dtype, min(count, (len(box) - 8) // dtype.itemsize), 8)


def _runs(table: np.ndarray) -> np.ndarray:
    """Values of a table of counts and values, as int64."""
    if table['f0'].sum(dtype=np.int64) > MOST_FRAMES:
        raise ValueError('a damaged table')
    return np.repeat(table['f1'].astype(np.int64), table['f0'])


def _edited_tracks(file: BinaryIO) -> Iterator[_Packets | None]:
    """Video tracks whose edit lists cut something; None is one of several edits, which cut, repeat and reorder."""
    movie = _movie_box(file)
    if not movie:
        return
    header = _find(movie, b'mvhd')
    (units,) = struct.unpack_from('>I', header, 20 if header[0] else 12)  # a second of the edit list
    for name, track in _boxes(movie):
        edits = _find(track, b'edts', b'elst')
        if name != b'trak' or not edits or _find(track, b'mdia', b'hdlr')[8:12] != b'vide':
            continue
        media = _find(track, b'mdia', b'mdhd')
        (media_units,) = struct.unpack_from('>I', media, 20 if media[0] else 12)
        rows = _table(edits, '>u8,>i8,>i4' if edits[0] else '>u4,>i4,>i4')
        # in units of the track, rounded as FFmpeg does
        spans = [(start, (2 * length * media_units + units) // (2 * units)) for length, start, _ in rows.tolist()]
        while spans and spans[0][0] == -1:  # empty: a later start
            spans.pop(0)
        if len(spans) > 1:
            yield None
        elif spans:
            packets = _cut(_find(track, b'mdia', b'minf', b'stbl'), *spans[0])
            if not packets.is_shown.all():
                yield packets


def _cut(samples: bytes, start: int, duration: int) -> _Packets:
    """Packets that the demuxer hands out for one edit.

    Args:
        samples: Box of the sample tables. In fragmented files they are empty, and the edit cuts nothing.
        start: Of the edit, in the track's units.
        duration: Of the edit.
    """
    steps = _runs(_table(_find(samples, b'stts'), '>u4,>u4'))
    offsets = _runs(_table(_find(samples, b'ctts'), '>u4,>i4'))[: len(steps)]
    decoded = np.cumsum(steps) - steps
    shown = decoded.copy()
    shown[: len(offsets)] += offsets
    is_key = np.ones(len(steps), bool)
    if sync := _find(samples, b'stss'):
        is_key[:] = False
        is_key[_table(sync, '>u4').astype(np.int64) - 1] = True

    # from the last key frame that is shown at the start or before
    earlier = np.flatnonzero(is_key & (decoded <= start) & (shown <= start))
    first = earlier[-1] if len(earlier) else 0
    # up to the first key frame behind the end, and one more where B-frames may follow it
    behind = np.flatnonzero(is_key[first:] & ((shown + steps)[first:] >= start + duration))[int(len(offsets) > 0) :]
    handed_out = slice(first, first + behind[0] + 1 if len(behind) else None)
    times, is_key = shown[handed_out], is_key[handed_out]

    is_shown = (start <= times) & (times < start + duration)
    # B-frames of an open GOP that refer to what is not there: decoders drop them
    later = np.flatnonzero(is_key[1:])
    first_group = slice(1, later[0] + 1 if len(later) else None)
    is_shown[first_group] &= times[first_group] > times[:1]
    return _Packets(times, is_key, is_shown)
