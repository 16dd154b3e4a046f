"""Frames of video files, streams and cameras: in order, of any length, without seeking.

OpenCV reads all of them. It returns the frames that a player shows, each once, even if the file's edit list cuts some
off. It comes with mmcv; PyAV would be another dependency, and torchcodec needs FFmpeg's libraries.
"""

import http.client
import math
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.containers import quiet_opencv
from mmhvt.datasets.edit_lists import is_converted

# seconds without an answer after which a stream counts as lost
TIMEOUT = 10.0
# rate of a camera or live stream that reports none
USUAL_FPS = 25.0
# memory of frames that wait for a slow model
MOST_WAITING_BYTES = 2**29
PORTS = dict(http=80, https=443, rtsp=554, rtsps=322, rtmp=1935, rtmps=443)
SCHEMES = (*PORTS, 'udp', 'rtp', 'tcp', 'srt')


class FrameSource:
    """A video file, a stream or a camera, frame by frame.

    A live source (a camera, or a stream that does not wait for its reader) is read by a thread that drops the oldest
    frames if they are not taken in time, so that the caller stays near the present. Where frames were dropped or came
    late, the previous frame is repeated: frame `n` shows the scene `n / fps` seconds after the start. Frames of files,
    even on a web server, are never dropped.

    Args:
        source: Path of a file, URL (rtsp, rtmp, http, udp, …), number of a camera or its device such as '/dev/video0'.
        fps: Frames a second, if the source gives a wrong rate or none.
        live: Whether frames are dropped. Defaults to True for cameras, for streams other than HTTP, and over HTTP for
            multipart JPEG and for playlists (.m3u8) without an end.
        duration: Longest time to read, in seconds. Defaults to no limit.

    Attributes:
        name: The source as given.
        stem: Name for files that are named after the source.
        kind: 'file', 'stream' or 'camera'.
        fps: Frames a second.
        height, width: Size of the frames.
        announced: Number of frames in the index of the file, which may be wrong; None if it has none.
        note: What the user should know about the rate; empty if nothing.
        dropped: Number of frames of a live source that were not taken in time.
        lost: Reason why the source ended early; empty if it did not.
        stopped: Whether :meth:`stop` ended it.

    Raises:
        UnreadableVideoError: If the source cannot be opened or has no frame; the message names it.
        ValueError: If an argument is not positive.
    """

    def __init__(
        self, source: str | Path, fps: float | None = None, live: bool | None = None, duration: float | None = None
    ) -> None:
        for option, value in dict(fps=fps, duration=duration).items():
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f'{option}={value} has to be positive')
        self.name = str(source)
        self.kind = kind_of(self.name)
        self._opens = check_file(self.name) if self.kind == 'file' else self.name
        self.duration = duration
        if self.kind == 'file' and live:
            raise ValueError(f'{self.name} is a file, of which no frame is dropped: --live is for streams')
        if self.kind == 'stream':
            _check_url(self.name)
        self.stem = stem_of(self.name)
        capture, first = self._open()
        self._opened: tuple[cv2.VideoCapture, np.ndarray] | None = capture, first
        self.height, self.width, _ = first.shape
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.announced = int(count) if self.kind != 'camera' and count > 0 else None
        self.live = self._is_live(capture) if live is None else live
        self.note = ''
        self.fps = fps or self._own_rate(capture)
        self.dropped, self.lost, self.stopped = 0, '', False
        self._reader: _Reader | None = None
        self._count = 0

    def _open(self) -> tuple[cv2.VideoCapture, np.ndarray]:
        """An open capture, and its first frame."""
        begin = time.monotonic()
        with quiet_opencv():
            if self.kind == 'camera':
                capture = cv2.VideoCapture(int(self.name) if self.name.isdecimal() else self.name, cv2.CAP_ANY)
            else:
                milliseconds = round(TIMEOUT * 1000)
                timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
                capture = cv2.VideoCapture(self._opens, cv2.CAP_FFMPEG, timeouts)
            first = capture.read()[1] if capture.isOpened() else None
        if first is None:
            capture.release()
            raise UnreadableVideoError(self._why_closed(time.monotonic() - begin), self.name)
        if self.kind == 'file' and not is_converted(self._opens):
            raise UnreadableVideoError(
                f'cannot read video {self.name}: OpenCV {cv2.__version__} does not convert its interlaced frames; '
                'ffmpeg -i FILE -vf yadif NEW.mp4 writes a readable one',
                self.name,
            )
        return capture, first

    def _why_closed(self, waited: float) -> str:
        if self.kind == 'camera':
            cameras = ', '.join(map(str, sorted(Path('/dev').glob('video*')))) or 'none'
            return (
                f'camera {self.name} cannot be read: is it connected, and not in use by another program? '
                f'Cameras of this machine: {cameras}'
            )
        if self.kind == 'file':
            return _without_frames(self.name)
        if waited > 0.9 * TIMEOUT:
            return f'stream {self.name} cannot be read: nothing came for {TIMEOUT:g} s'
        reason = _unreachable(self.name, True) or (
            'it is no video, or an MP4 with its index at the end on a server that sends no byte ranges '
            '(ffmpeg -i FILE -c copy -movflags faststart NEW.mp4 moves it to the front)'
        )
        return f'stream {self.name} cannot be read: {reason}'

    def _is_live(self, capture: cv2.VideoCapture) -> bool:
        if self.kind != 'stream':
            return self.kind == 'camera'
        if urlsplit(self.name).scheme.lower() not in ('http', 'https'):
            return True
        # others, such as MPEG-TS, announce no length either, but wait for their reader
        is_jpeg = int(capture.get(cv2.CAP_PROP_FOURCC)) == cv2.VideoWriter.fourcc(*'MJPG')
        return self.announced is None and (is_jpeg or urlsplit(self.name).path.lower().endswith('.m3u8'))

    def _own_rate(self, capture: cv2.VideoCapture) -> float:
        fps = capture.get(cv2.CAP_PROP_FPS)
        if self.live and not 0 < fps <= 1000:
            self.note = f'{self.name} reports no frame rate: {USUAL_FPS:g} frames a second are assumed (--fps)'
            return USUAL_FPS
        if not 0 < fps < math.inf:
            raise UnreadableVideoError(f'{self.name} reports no frame rate (--fps)', self.name)
        return fps

    @property
    def path(self) -> str | None:
        """Path of a file; None for other sources."""
        return self._opens if self.kind == 'file' else None

    def remarks(self, count: int) -> Iterator[str]:
        """What the user should know at the end, after `count` frames."""
        if self.stopped:
            yield f'{self.name} was stopped after {count / self.fps:.1f} s'
        elif self.duration is None and self.announced is not None and count + 2 < self.announced:
            yield (
                f'the index of {self.name} has {self.announced} frames, but {count} can be shown: an edit list cuts '
                'the others off, or the file is damaged'
            )
        if self.dropped:
            yield f'{self.dropped} frames of {self.name} were dropped to stay near the present (--no-live reads all)'

    @property
    def is_stream(self) -> bool:
        """Whether it can be read only once."""
        return self.kind != 'file'

    @property
    def waiting(self) -> int:
        """Number of frames of a live source that wait to be taken."""
        return self._reader.newest + 1 - self._count if self._reader and self.live else 0

    def stop(self) -> None:
        """End :meth:`frames` before the next frame; may be called by a signal handler."""
        self.stopped = True

    def frames(self, ahead: int = 32) -> Iterator[np.ndarray]:
        """Frames (H, W, 3) uint8 RGB, at least one, and all of one size; for a file it may be called again.

        Args:
            ahead: Number of frames of a stream or camera that may wait to be taken. Defaults to 32.
        """
        opened, self._opened = self._opened, None
        if opened is None and self.is_stream:
            raise RuntimeError(f'{self.name} can be read only once')
        capture, first = opened or self._open()
        return (self._stream if self.is_stream else self._file)(capture, first, ahead)

    def _file(self, capture: cv2.VideoCapture, frame: np.ndarray, ahead: int) -> Iterator[np.ndarray]:
        there, count = True, 0
        while there and not (count and self._is_over(count)):
            yield self._as_rgb(frame)
            count += 1
            there, frame = capture.read()
        capture.release()

    def _stream(self, capture: cv2.VideoCapture, frame: np.ndarray, ahead: int) -> Iterator[np.ndarray]:
        ahead = max(1, min(ahead, MOST_WAITING_BYTES // frame.nbytes))
        self._reader = reader = _Reader(capture, frame, ahead, self.fps if self.live else None)
        reader.start()
        begin, before = time.monotonic(), self._as_rgb(frame)
        try:
            # the duration also ends a live stream that stalls
            while item := reader.take(
                lambda: self._count and self._is_over((time.monotonic() - begin) * self.fps if self.live else 0)
            ):
                index, frame = item
                frame = self._as_rgb(frame)
                while self._count < index and not self._is_over(self._count):
                    self._count += 1
                    yield before
                if self._count and self._is_over(self._count):
                    return
                self._count, before = index + 1, frame
                yield frame
            if reader.has_ended and not self._is_over(self._count):
                self.lost = self._why_lost(reader.newest + 1, reader.waited)
        finally:
            self.dropped = reader.dropped
            reader.stop()

    def _is_over(self, count: float) -> bool:
        return self.stopped or (self.duration is not None and count >= self.duration * self.fps)

    def _as_rgb(self, frame: np.ndarray) -> np.ndarray:
        if frame.shape[:2] != (self.height, self.width):  # adaptive streams change size
            frame = cv2.resize(frame, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def _why_lost(self, count: int, waited: float) -> str:
        after = f'after {count / self.fps:.1f} s'
        if self.kind == 'camera':
            return f'camera {self.name} sends no more frames {after}: is it still connected?'
        if waited > 0.9 * TIMEOUT:
            return f'stream {self.name} was lost {after}: nothing came for {TIMEOUT:g} s'
        if self.announced is None:
            reason = _unreachable(self.name)
        else:
            reason = self._why_short(count) if count < self.announced else ''
        return f'stream {self.name} was lost {after}: {reason}' if reason else ''

    def _why_short(self, count: int) -> str:
        """Why fewer frames came from a file on a server than its index has; empty if the file has no more (the index
        also counts those that an edit list cuts off).
        """
        try:
            with urllib.request.urlopen(self.name, timeout=TIMEOUT) as answer, NamedTemporaryFile() as file:
                size = int(answer.headers.get('Content-Length', 0))
                while part := answer.read(2**20):
                    file.write(part)
                if file.tell() < size:
                    return f'{file.tell()} of {size} bytes were sent'
                file.flush()
                capture, whole = cv2.VideoCapture(file.name, cv2.CAP_FFMPEG), 0
                while capture.grab():
                    whole += 1
        except (OSError, http.client.HTTPException) as error:
            return str(getattr(error, 'reason', error))
        return f'it has {whole} frames, and {count} came' if count < whole else ''


class _Reader(threading.Thread):
    """Thread that reads a capture ahead.

    Args:
        capture: Capture; it is released in the end.
        first: Frame that was read already.
        ahead: Number of frames to hold.
        fps: Frame rate of a live source, whose oldest frames are dropped; None for others, which wait.
    """

    def __init__(self, capture: cv2.VideoCapture, first: np.ndarray, ahead: int, fps: float | None) -> None:
        super().__init__(daemon=True)
        self._capture, self._first, self._ahead, self._fps = capture, first, ahead, fps
        self._items: deque[tuple[int, np.ndarray]] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self.newest, self.dropped, self.waited, self.has_ended = -1, 0, 0.0, False

    def run(self) -> None:
        """Reads to the end."""
        there, frame, begin = True, self._first, time.monotonic()
        while there and not self._stopped:
            self._put(frame, time.monotonic() - begin)
            asked = time.monotonic()
            with suppress(cv2.error):
                there, frame = self._capture.read()
            self.waited = time.monotonic() - asked
        self._capture.release()
        with self._changed:
            self.has_ended = True
            self._changed.notify_all()

    def _put(self, frame: np.ndarray, seconds: float) -> None:
        with self._changed:
            # frames that arrive at once, out of some buffer, are as far apart as others
            self.newest = max(self.newest + 1, round(seconds * self._fps)) if self._fps else self.newest + 1
            if self._fps and len(self._items) >= self._ahead:
                self._items.popleft()
                self.dropped += 1
            while not self._fps and len(self._items) >= self._ahead and not self._stopped:
                self._changed.wait(0.1)
            self._items.append((self.newest, frame))
            self._changed.notify_all()

    def take(self, is_over: Callable[[], bool | int]) -> tuple[int, np.ndarray] | None:
        """The oldest frame and its number; None after the last, or if `is_over` while none is waiting."""
        with self._changed:
            while not self._items and not self.has_ended:
                if is_over():
                    return None
                self._changed.wait(0.1)
            self._changed.notify_all()
            return self._items.popleft() if self._items else None

    def stop(self) -> None:
        """Ends the thread, without waiting for the camera or server that it may wait for."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self.join(0.5)


class RecentFrames:
    """The newest frames of a source, with as much of the interface of decord's reader as DecordDecode needs.

    Args:
        frames: Frames of the source, (H, W, 3) each.
        size: Number of frames to hold.
        name: Name of the source.
        fps: Frames a second.
    """

    def __init__(self, frames: Iterable[np.ndarray], size: int, name: str, fps: float) -> None:
        self._frames = iter(frames)
        self._held: deque[np.ndarray] = deque(maxlen=size)
        self._count = 0
        self.name, self.fps = name, fps

    def __len__(self) -> int:
        """Number of frames read so far, which is more than are held."""
        return self._count

    def append(self, frame: np.ndarray) -> None:
        """Adds the next frame."""
        self._held.append(frame)
        self._count += 1

    def read_to(self, index: int) -> bool:
        """Reads up to a frame; False if the source ends before it."""
        while self._count <= index:
            frame = next(self._frames, None)
            if frame is None:
                return False
            self.append(frame)
        return True

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame (H, W, 3) uint8 RGB by its number from the start.

        Raises:
            IndexError: If it is not read yet, or no longer held.
        """
        place = int(index) - (self._count - len(self._held))
        if not 0 <= place < len(self._held):
            raise IndexError(f'frame {index} is none of the {len(self._held)} held of {self._count} read')
        return self._held[place]

    def get_batch(self, indices: Iterable[int]) -> SimpleNamespace:
        """Frames as decord returns them."""
        frames = [self[index] for index in indices]
        return SimpleNamespace(asnumpy=lambda: frames)


def check_interval(seconds: float, source: FrameSource, what: str) -> None:
    """Raise a ValueError if an interval is shorter than that of the frames.

    Args:
        seconds: Interval, `--every` of the demos.
        source: Video.
        what: What comes at this interval, for the message.
    """
    if not seconds * source.fps >= 1:
        raise ValueError(
            f'--every {seconds}: frames of {source.name} are {1 / source.fps:.4g} s apart, and {what} have to be at '
            'least as far apart'
        )


@contextmanager
def stopped_by_interrupt(source: FrameSource) -> Iterator[None]:
    """Ctrl-C stops a source, so that what was written so far is complete; a second one interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        source.stop()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def kind_of(source: str) -> str:
    """Whether a source is a 'file', a 'stream' or a 'camera'."""
    is_device = source.startswith('/dev/') and not source.startswith('/dev/shm/')  # files in memory
    if is_device or (source.isdecimal() and not Path(source).exists()):
        return 'camera'
    is_url = re.match(r'[A-Za-z][A-Za-z0-9+.-]+://', source)
    return 'stream' if is_url and not source.lower().startswith('file://') else 'file'


def _path_of(source: str) -> str:
    return unquote(urlsplit(source).path) if source.lower().startswith('file://') else source


def stem_of(source: str) -> str:
    """Name for files that are named after a source, without a suffix."""
    kind = kind_of(source)
    if kind == 'camera':
        return f'camera{source}' if source.isdecimal() else Path(source).name
    if kind == 'stream':
        parts = urlsplit(source)
        return re.sub(r'[^\w.-]', '_', Path(unquote(parts.path)).stem or parts.netloc.rpartition('@')[2]) or 'stream'
    return Path(_path_of(source)).stem


def check_file(name: str) -> str:
    """Path of a video file that is given as a path or a file:// URL.

    Raises:
        UnreadableVideoError: If it does not exist, or is something else that readers would accept as a video.
    """
    path = _path_of(name)
    if Path(path).is_dir():
        raise UnreadableVideoError(f'{name} is a folder, no video: a file, URL or camera is needed', name)
    if Path(path).exists() and not Path(path).is_file():
        raise UnreadableVideoError(f'{name} is a named pipe or device, no video file', name)
    if not Path(path).is_file():
        mangled = re.match(r'(https?|rtsps?|rtmps?|udp):/', name)
        hint = f' (a URL begins with {mangled[1]}://)' if mangled else ''
        raise UnreadableVideoError(f'there is no video {name}{hint}', name)
    try:
        with open(path, 'rb') as file:
            is_gif = file.read(4) == b'GIF8'
    except OSError as error:  # no permission, a broken disk
        raise UnreadableVideoError(f'cannot read video {name}: {error.strerror}', name) from None
    # haveImageReader looks at the content
    if not is_gif and cv2.haveImageReader(path):
        raise UnreadableVideoError(f'{name} is a picture, no video', name)
    return path


def check_readable(name: str) -> str:
    """Path of a video file with at least one readable frame, see :func:`check_file`.

    decord, which reads whole videos, would print its own line about an unreadable one.

    Raises:
        UnreadableVideoError: If the file does not exist, is no video, or has no such frame.
    """
    path = check_file(name)
    with quiet_opencv():
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        is_readable = capture.isOpened() and capture.read()[0]
        capture.release()
    if not is_readable:
        raise UnreadableVideoError(_without_frames(name), name)
    return path


def _without_frames(name: str) -> str:
    return (
        f'cannot read video {name}: OpenCV finds no frame in it. If it plays elsewhere, ffmpeg -i FILE NEW.mp4 writes '
        'a readable one'
    )


def _unreachable(url: str, asks: bool = False) -> str:
    """Why no server answers at a URL; empty if one does, or there is no way to tell.

    Args:
        url: URL of a stream.
        asks: Whether to request the content from a web server, too.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    port = parts.port or PORTS.get(scheme)
    if not parts.hostname or not port or scheme not in PORTS:
        return ''
    try:
        if asks and scheme in ('http', 'https'):
            urllib.request.urlopen(url, timeout=TIMEOUT).close()
        else:
            socket.create_connection((parts.hostname, port), timeout=TIMEOUT).close()
    except urllib.error.HTTPError as error:
        return f'the server answers {error.code} {error.reason}'
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, 'reason', error))
    return ''


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises
    except ValueError as error:
        raise UnreadableVideoError(f'{url} is no URL: {error}', url) from None
    if parts.scheme.lower() not in SCHEMES:
        raise UnreadableVideoError(
            f'stream {url} cannot be read: {parts.scheme}:// is none of {", ".join(SCHEMES)}', url
        )
