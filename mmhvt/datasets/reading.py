"""Readers of videos and frames whose errors name the file."""

import codecs
import io
import os
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import cv2  # before decord: after its libraries cv2 cannot read PNG files
import decord
import mmaction.datasets.transforms
import numpy as np
from mmaction.datasets.transforms import DecordDecode, RawFrameDecode
from mmengine.fileio import FileClient

from mmhvt.registry import TRANSFORMS
from mmhvt.utils.files import require_file
from mmhvt.utils.option_types import Range

from .known_files import KnownFiles, path_of_video
from .pyav_reader import Backend, find_pyav, open_video

# first bytes of files that are listed as videos by mistake, and what to say about them
_TO_MP4 = (
    "decord cannot read it; convert it with ffmpeg -i {0} -pix_fmt yuv420p -vf 'pad=ceil(iw/2)*2:ceil(ih/2)*2' {1}.mp4"
)
_PICTURE = 'an image ({}), not a video; for frames on disk use mmhvt.RawframeDataset, with a folder per video'
_SOUND = 'an audio file ({}), not a video'
_KINDS = (
    (rb'GIF8[79]a', 'a GIF; ' + _TO_MP4),
    (rb'RIFF....WEBP', 'a WebP, which decord cannot read; convert it to MP4, for example from frames read by Pillow'),
    (rb'\x89PNG', _PICTURE.format('PNG')),
    (rb'\xff\xd8\xff', _PICTURE.format('JPEG')),
    (rb'BM.{4}\0{4}', _PICTURE.format('BMP')),
    (rb'II\*\0|MM\0\*', _PICTURE.format('TIFF')),
    (rb'....ftyp(avi[fs]|hei[cfx]|mif1)', _PICTURE.format('AVIF or HEIC')),
    (rb'RIFF....WAVE', _SOUND.format('WAV')),
    (rb'ID3|\xff[\xf2\xf3\xfa\xfb]', _SOUND.format('MP3')),
    (rb'fLaC', _SOUND.format('FLAC')),
    (rb'....ftypM4[AB]', _SOUND.format('M4A')),
    (rb'\s*<(!DOCTYPE|html|\?xml)', 'a web page, not a video; the download may have returned an error page'),
    (rb'#EXTM3U|ffconcat', 'a playlist, not a video; list the files that it names'),
    (rb'version https://git-lfs', 'a Git LFS pointer; run git lfs pull to get the video'),
)


class UnreadableVideoError(RuntimeError):
    """A video or folder of frames is missing, truncated, empty or not a video.

    Args:
        message: Error message that names the file.
        filename: Path of the file. Defaults to ''; also '' in an error that a dataloader worker passed on.
    """

    def __init__(self, message: str, filename: str = ''):
        super().__init__(message)
        self.filename = filename


def _kind(filename: str) -> str:
    """Describes a file that is not a video, with a remedy. Empty if its kind is unknown."""
    path = path_of_video(filename)
    try:
        if not os.path.exists(path) and os.path.isdir(filename):
            return 'it is a folder, not a video; for frames on disk use mmhvt.RawframeDataset'
        if not os.path.isfile(path):
            return ''
        with open(path, 'rb') as file:
            head = file.read(512)
    except OSError:  # no permission, a broken disk
        return ''
    if not head:
        return 'it is empty'
    kind = next((text for start, text in _KINDS if re.match(start, head, re.DOTALL | re.IGNORECASE)), '')
    if not kind and _is_text(head):
        kind = 'a text file, not a video'
    return kind and f'it is {kind.format(filename, os.path.splitext(filename)[0])}'


def _is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are text."""
    try:
        text = codecs.getincrementaldecoder('utf-8')().decode(head)
    except UnicodeDecodeError:
        return False
    return re.search(r'[^\S\t\n\r ]|[\0-\x08\x0e-\x1f]', text) is None


class DecodeErrorWrapper:
    """Wrapper of DecordInit, DecordDecode or RawFrameDecode whose errors name the file.

    Other transforms do not read, so their errors are not about the file. mmhvt's DecordInit replaces mmaction's.

    Args:
        transform: Transform to wrap.
        known: Files that are not opened again. Defaults to the wrapper's own.
    """

    def __init__(self, transform: Callable, known: KnownFiles | None = None):
        if type(transform) is mmaction.datasets.transforms.DecordInit:
            transform = DecordInit.like(transform)
        self.transform = transform
        self.known = KnownFiles() if known is None else known

    def __call__(self, results: dict) -> dict:
        """Applies the transform.

        Raises:
            UnreadableVideoError: If it cannot read the file.
        """
        filename = results.get('filename') or results['frame_dir']
        opens = isinstance(self.transform, mmaction.datasets.transforms.DecordInit)
        # whether a damaged video can be decoded depends on which frames are sampled
        if opens and (reason := self.known.find(filename)):
            raise UnreadableVideoError(reason, filename)
        try:
            with self.known.noting(filename):
                return self._read(results, filename)
        except UnreadableVideoError as error:
            if opens:
                self.known.add(filename, str(error))
            raise

    def _read(self, results: dict, filename: str) -> dict:
        # as in open_video, for readers that were opened elsewhere
        decord.logging.set_level(decord.logging.QUIET)
        of_frames = isinstance(self.transform, RawFrameDecode)
        try:
            if of_frames:
                _check_files(results)
            results = self.transform(results)
            if of_frames:
                _check_frames(results)
            return results
        except UnreadableVideoError:
            raise
        except (
            OSError,  # no file, or no permission
            RuntimeError,  # decord: not a video, no moov atom; seek failed
            AssertionError,  # decord: no frames
            StopIteration,  # decord, mode='efficient': no such frame
            decord.DECORDError,  # decoding failed, or no index of frames
            decord.DECORDLimitReachedError,
            cv2.error,  # not an image
        ) as error:
            # decord prefixes its messages with '[time] source file:line: ', once for each thread that passes them on
            reason = re.sub(r'\[\d\d:\d\d:\d\d\] \S+:\d+: ', '', str(error)).strip()
            what = 'video'
            if of_frames:
                broken = _broken_frame(results)
                reason = f'{broken} is not an image' if broken else f'{type(error).__name__}: {reason}'
                what, reason = 'frames of', reason + _count_frames(results)
            elif not isinstance(error, io.UnsupportedOperation):  # says that it is a folder
                reason = _kind(filename) or f'{type(error).__name__}: {reason}'
            raise UnreadableVideoError(f'cannot read {what} {filename}: {reason}', filename) from error

    def __repr__(self) -> str:
        return repr(self.transform)


def _files_of(results: dict) -> Iterator[str]:
    """Names of the sampled frames, which need not exist."""
    axes = [['x'], ['y']] if results['modality'] == 'Flow' else [[]]
    for index in np.unique(results['frame_inds']):
        for axis in axes:
            yield results['filename_tmpl'].format(*axis, index + results.get('offset', 0))


def _check_files(results: dict) -> None:
    """Rejects named pipes and devices, on which a reader would wait."""
    for name in _files_of(results):
        path = os.path.join(results['frame_dir'], name)
        if os.path.exists(path):
            require_file(path)


def _check_frames(results: dict) -> None:
    """Rejects optical flow files that OpenCV cannot read, for which mmcv returns None."""
    if any(image.dtype == object for image in results['imgs']):
        raise OSError('not an image')


def _broken_frame(results: dict) -> str:
    """Name of the first sampled frame that exists but is not an image, or ''."""
    for name in _files_of(results):
        path = os.path.join(results['frame_dir'], name)
        if os.path.isfile(path) and (not os.path.getsize(path) or cv2.imread(path) is None):
            return name
    return ''


def _count_frames(results: dict) -> str:
    """Describes a folder whose number of files differs from the annotation file."""
    folder, total = results['frame_dir'], results.get('total_frames')
    if not os.path.isdir(folder):
        return '. The folder does not exist'
    count = len(os.listdir(folder))
    if total in (None, count):  # AVA's annotations do not say
        return ''
    return f'. The folder has {count} files, the annotation file says {total} frames'


@TRANSFORMS.register_module()
class DecordInit(mmaction.datasets.transforms.DecordInit):
    """mmaction's DecordInit, which counts only the frames that a player shows of a video with an edit list
    (:mod:`mmhvt.datasets.edit_lists`), and whose errors name the file.

    Files are opened by path; files that are not on a disk are written to a temporary file first
    (:mod:`mmhvt.datasets.containers`).

    Added keys: ``video_reader``, ``total_frames``, ``avg_fps``. Frame 0 is the first one that is shown.

    Args:
        io_backend, num_threads, kwargs: Arguments of mmaction's DecordInit.
        backend: Decoder: 'decord', or 'pyav', which is faster for clips that skip frames, and returns the same frames
            (:mod:`mmhvt.datasets.pyav_reader`). Defaults to 'auto': 'pyav' if it is installed. With `num_threads` other
            than 1, it is decord.

    Raises:
        ImportError: If `backend` is 'pyav' and PyAV is not installed.
    """

    file_client: FileClient | None

    def __init__(
        self,
        io_backend: str = 'disk',
        num_threads: Annotated[int, Range(0, 256)] = 1,
        *,
        backend: Backend = 'auto',
        **kwargs: Any,
    ) -> None:
        super().__init__(io_backend, num_threads, **kwargs)
        if backend == 'pyav' and find_pyav() is None:
            raise ImportError("DecordInit: backend='pyav' needs PyAV: pip install av, or leave out backend")
        self.backend = backend

    @classmethod
    def like(cls, transform: mmaction.datasets.transforms.DecordInit) -> 'DecordInit':
        """Builds one with the arguments of mmaction's transform."""
        return cls(transform.io_backend, transform.num_threads, **transform.kwargs)

    def _get_video_reader(self, filename: str) -> object:
        path = path_of_video(filename)
        if self.io_backend in ('disk', 'local') and not self.kwargs:
            return open_video(path, self.num_threads, self.backend)
        if self.file_client is None:
            self.file_client = FileClient(self.io_backend, **self.kwargs)
        return open_video(bytes(self.file_client.get(path)), self.num_threads, self.backend)

    def transform(self, results: dict) -> dict:
        """Opens the video.

        Raises:
            UnreadableVideoError: If the file cannot be opened.
        """
        return DecodeErrorWrapper(super().transform)(results)


def wrap_readers(transforms: list[Callable], known: KnownFiles | None = None) -> list[Callable]:
    """Wraps the transforms of a pipeline that read files in :class:`DecodeErrorWrapper`.

    Args:
        transforms: Transforms of the pipeline.
        known: Files that are not opened again. Defaults to the pipeline's own.
    """
    known = KnownFiles() if known is None else known
    reading = mmaction.datasets.transforms.DecordInit | DecordDecode | RawFrameDecode
    return [
        DecodeErrorWrapper(transform, known) if isinstance(transform, reading) else transform
        for transform in transforms
    ]
