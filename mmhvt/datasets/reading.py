"""Reading of videos and frames, with errors that name the file."""

import codecs
import os
import re
from collections.abc import Callable

import cv2  # before decord: behind its libraries cv2 reads no PNG
import decord
import mmaction.datasets.transforms
import numpy as np
from mmaction.datasets.transforms import DecordDecode, RawFrameDecode
from mmengine.fileio import FileClient

from mmhvt.registry import TRANSFORMS

from .edit_lists import open_video

# beginnings of files that people take for videos, and what to tell them
_TO_MP4 = (
    "decord does not read it. ffmpeg -i {0} -pix_fmt yuv420p -vf 'pad=ceil(iw/2)*2:ceil(ih/2)*2' {1}.mp4 converts it"
)
_PICTURE = 'a picture, {}, and no video: of frames on disk mmhvt.RawframeDataset takes a folder a video'
_SOUND = 'sound alone, {}, and no video'
_KINDS = (
    (rb'GIF8[79]a', 'a GIF: ' + _TO_MP4),
    (rb'RIFF....WEBP', 'a WebP, which decord does not read: convert it to MP4; Pillow reads its frames'),
    (rb'\x89PNG', _PICTURE.format('PNG')),
    (rb'\xff\xd8\xff', _PICTURE.format('JPEG')),
    (rb'BM.{4}\0{4}', _PICTURE.format('BMP')),
    (rb'II\*\0|MM\0\*', _PICTURE.format('TIFF')),
    (rb'....ftyp(avi[fs]|hei[cfx]|mif1)', _PICTURE.format('AVIF or HEIC')),
    (rb'RIFF....WAVE', _SOUND.format('WAV')),
    (rb'ID3|\xff[\xf2\xf3\xfa\xfb]', _SOUND.format('MP3')),
    (rb'fLaC', _SOUND.format('FLAC')),
    (rb'....ftypM4[AB]', _SOUND.format('M4A')),
    (rb'\s*<(!DOCTYPE|html|\?xml)', 'a page of the web and no video: was it downloaded as a page of an error?'),
    (rb'version https://git-lfs', 'what Git LFS puts in the place of a file: git lfs pull gets the video'),
)


class UnreadableVideoError(RuntimeError):
    """A video or folder of frames that is missing, cut off, empty or no video.

    Args:
        message: Names the file.
        filename: The file alone. Empty after the error crossed from a dataloader worker, which hands on the message.
    """

    def __init__(self, message: str, filename: str = ''):
        super().__init__(message)
        self.filename = filename


def _check_avi(filename: str) -> None:
    """Refuses an AVI that is shorter than its header says.

    decord 0.6 runs past the end of such a file that it reads from memory and takes the process down with it, so there
    is no exception to catch.
    """
    if not os.path.isfile(filename):
        return
    with open(filename, 'rb') as file:
        head = file.read(12)
    if head[:4] == b'RIFF' and head[8:] == b'AVI ':
        declared, size = int.from_bytes(head[4:8], 'little') + 8, os.path.getsize(filename)
        if size < declared:
            raise OSError(f'cut off after {size} of {declared} bytes')


def _kind(filename: str) -> str:
    """What a file is if it is no video, and what would do; empty if that is not known."""
    if not os.path.isfile(filename):
        return ''
    with open(filename, 'rb') as file:
        head = file.read(512)
    if not head:
        return 'it is empty'
    told = next((text for start, text in _KINDS if re.match(start, head, re.DOTALL | re.IGNORECASE)), '')
    if not told and _is_text(head):
        told = 'text and no video'
    return told and f'it is {told.format(filename, os.path.splitext(filename)[0])}'


def _is_text(head: bytes) -> bool:
    """Whether a file that begins like this is text."""
    try:
        text = codecs.getincrementaldecoder('utf-8')().decode(head)
    except UnicodeDecodeError:
        return False
    return re.search(r'[^\S\t\n\r ]|[\0-\x08\x0e-\x1f]', text) is None


class NamingFile:
    """DecordInit, DecordDecode or RawFrameDecode, whose errors name the file. No other transform reads, so no other is
    wrapped: what goes wrong there is no fault of the file. Ours stands in for mmaction's DecordInit.
    """

    def __init__(self, transform: Callable):
        if type(transform) is mmaction.datasets.transforms.DecordInit:
            transform = DecordInit.like(transform)
        self.transform = transform

    def __call__(self, results: dict) -> dict:
        """Results of the transform.

        Raises:
            UnreadableVideoError: If it cannot read.
        """
        # as open_video, for readers that others opened
        decord.logging.set_level(decord.logging.QUIET)
        filename = results.get('filename') or results['frame_dir']
        try:
            if isinstance(self.transform, mmaction.datasets.transforms.DecordInit):
                _check_avi(filename)
            results = self.transform(results)
            if isinstance(self.transform, RawFrameDecode):
                _check_frames(results)
            return results
        except UnreadableVideoError:
            raise
        except (
            OSError,  # no file, or none that may be read
            RuntimeError,  # decord: no video, no moov atom; seek failed
            AssertionError,  # decord: no frames
            StopIteration,  # decord, mode='efficient': no frame there
            decord.DECORDError,  # decoding failed, or no index of frames
            decord.DECORDLimitReachedError,
            cv2.error,  # no picture
        ) as error:
            # decord puts '[time] source file:line: ' before what it says, once for each thread that hands it on
            reason = re.sub(r'\[\d\d:\d\d:\d\d\] \S+:\d+: ', '', str(error)).strip()
            what = 'video'
            if isinstance(self.transform, RawFrameDecode):
                broken = _broken_frame(results)
                reason = f'{broken} is no picture' if broken else f'{type(error).__name__}: {reason}'
                what, reason = 'frames of', reason + _count_frames(results)
            else:
                reason = _kind(filename) or f'{type(error).__name__}: {reason}'
            raise UnreadableVideoError(f'cannot read {what} {filename}: {reason}', filename) from error

    def __repr__(self) -> str:
        return repr(self.transform)


def _check_frames(results: dict) -> None:
    """Refuses files of flow that OpenCV takes for no picture, for which mmcv gives None."""
    if any(image.dtype == object for image in results['imgs']):
        raise OSError('no picture')


def _broken_frame(results: dict) -> str:
    """The first of the frames that is there and no picture; empty if there is none."""
    axes = [['x'], ['y']] if results['modality'] == 'Flow' else [[]]
    for index in np.unique(results['frame_inds']):
        for axis in axes:
            name = results['filename_tmpl'].format(*axis, index + results.get('offset', 0))
            path = os.path.join(results['frame_dir'], name)
            if os.path.isfile(path) and (not os.path.getsize(path) or cv2.imread(path) is None):
                return name
    return ''


def _count_frames(results: dict) -> str:
    """What a folder holds, if it is another number than the annotation file says."""
    folder, told = results['frame_dir'], results.get('total_frames')
    if not os.path.isdir(folder):
        return '. There is no such folder'
    there = len(os.listdir(folder))
    return f'. The folder holds {there} files, and the annotation file says {told} frames' if there != told else ''


@TRANSFORMS.register_module()
class DecordInit(mmaction.datasets.transforms.DecordInit):
    """mmaction's DecordInit that counts the frames that a player shows of a video with an edit list
    (:mod:`mmhvt.datasets.edit_lists`), and whose errors name the file.

    Files on disk are read by their path, in which decord 0.6 outlives more damage, and leaks less, than in memory.

    Added keys: ``video_reader``, ``total_frames``, ``avg_fps``; the frame that is shown first is number 0.
    """

    @classmethod
    def like(cls, transform: mmaction.datasets.transforms.DecordInit) -> 'DecordInit':
        """With the arguments of mmaction's."""
        return cls(transform.io_backend, transform.num_threads, **transform.kwargs)

    def _get_video_reader(self, filename: str) -> object:
        if not os.path.splitext(filename)[1]:
            filename += '.mp4'
        if self.io_backend in ('disk', 'local') and not self.kwargs:
            os.stat(filename)  # FileNotFoundError, where decord says that it is no video
            return open_video(filename, self.num_threads)
        if self.file_client is None:
            self.file_client = FileClient(self.io_backend, **self.kwargs)
        return open_video(bytes(self.file_client.get(filename)), self.num_threads)

    def transform(self, results: dict) -> dict:
        """Opens the video.

        Raises:
            UnreadableVideoError: If that fails.
        """
        return NamingFile(super().transform)(results)


def name_files(transforms: list[Callable]) -> list[Callable]:
    """Transforms of a pipeline, where those that read show what players show, with errors that name the file."""
    reading = mmaction.datasets.transforms.DecordInit | DecordDecode | RawFrameDecode
    return [NamingFile(transform) if isinstance(transform, reading) else transform for transform in transforms]
