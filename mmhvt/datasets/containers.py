"""What the header of a video says, checked before decord 0.6 trusts it.

decord reserves memory for as many frames as the header announces, whatever the container, and ends the process if there
is not enough. OpenCV, whose FFmpeg is newer, reads the same numbers and reserves nothing. Files are opened by path:
from memory, decord leaks every file that it cannot open, and reads beyond the end of some.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from mmhvt.utils.files import require_file

# FFmpeg in OpenCV must not write to stderr: what matters is raised as an error that names the file. The variable is
# read when a process opens its first video.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

# 155 hours at 30 fps
MOST_FRAMES = 2**24
# twice 8K
MOST_PIXELS = 2**26
_UNKNOWN = 2**32 - 1
_RGB = int.from_bytes(b'RGB\x18', 'little')
MATROSKA = b'\x1a\x45\xdf\xa3'
# MPEG transport (also of 192 bytes) and program streams, ASF, FLV: decord seeks in them by times that they do not have
_MISLEADING = re.compile(
    rb'(.{4})?\x47.{187}(.{4})?\x47|\0\0\x01[\xba\xb3]|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01', re.DOTALL
)
# of HLS, FFmpeg, DASH, SDP
_PLAYLIST = re.compile(rb'\s*(#EXTM3U|ffconcat|<\?xml|<MPD|v=0\s)', re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """What a header announces; zeros if OpenCV cannot read it.

    Attributes:
        frames: Number of frames.
        width, height: Size of the frames.
        fps: Frame rate.
        is_rgb: Whether the decoder returns RGB, without a conversion.
        misleads: Whether decord cannot find frames by number in the container, or ignores a rotation.
    """

    frames: float
    width: int
    height: int
    fps: float
    is_rgb: bool
    misleads: bool


def read_header(path: str | Path) -> Header:
    """Reads the header of a video, in 2 ms.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it is a folder, named pipe or device, which may never end, or an AVI that was cut off or has no
            length.
        RuntimeError: If it announces more frames, or larger ones, than videos have.
    """
    with open(require_file(path), 'rb') as file:
        head = file.read(512)
    _check_head(head, Path(path))
    with quiet_opencv():
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    properties = cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
    frames, width, height = map(capture.get, properties)
    fps, rotation = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_ORIENTATION_META)
    pixels = int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT))
    capture.release()
    # OpenCV returns a negative number for what it does not know
    if frames > MOST_FRAMES:
        raise RuntimeError(
            f'its header announces {frames:.0f} frames, more than {MOST_FRAMES}: it is damaged. If it plays, '
            f'{_remux(path)} writes a new one'
        )
    if width * height > MOST_PIXELS:
        raise RuntimeError(f'its header announces frames of {width:.0f}×{height:.0f} pixels: it is damaged')
    misleads = _MISLEADING.match(head) is not None or (rotation != 0 and head.startswith(MATROSKA))
    return Header(frames, int(width), int(height), fps, pixels == _RGB, misleads)


def _check_head(head: bytes, path: Path) -> None:
    """Rejects a playlist, which makes FFmpeg open whatever a stranger wrote into it, and an AVI file that is shorter
    than its header says, which decord reads without an error.
    """
    if _PLAYLIST.match(head):
        raise OSError('a playlist, not a video')
    if head[:4] != b'RIFF' or head[8:12] != b'AVI ':
        return
    declared, size = int.from_bytes(head[4:8], 'little'), path.stat().st_size
    if declared == _UNKNOWN:
        raise OSError(f'its header has no length, as in an AVI that was written to a pipe; {_remux(path)} writes one')
    if size < declared + 8:
        raise OSError(f'truncated after {size} of {declared + 8} bytes')


def _remux(path: str | Path) -> str:
    path = Path(path)
    return f'ffmpeg -i {path} -c copy {path.with_name(f"{path.stem}_new{path.suffix}")}'


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV from writing to stderr."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
