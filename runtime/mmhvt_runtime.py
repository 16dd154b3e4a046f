"""Recognizes videos and streams with the ONNX files of mmhvt.export, without PyTorch and mm*.

    mmhvt-recognize --model FILE.onnx VIDEO
    mmhvt-recognize --model FILE.onnx VIDEO --every 1 --json
    mmhvt-recognize --model FILE.onnx rtsp://HOST/PATH --duration 60
    mmhvt-recognize --model FILE.onnx 0

A file is recognized as in a test of the model, from all views of its pipeline. With --every, --duration or --fps, and
for streams (rtsp://, http://, udp://, …) and cameras (0, /dev/video0), clips slide over the video: one begins every
second (--every), the last one ends with the video. If the model is slower than a live source, clips are left out.

--json prints a line for each file or clip, with times in seconds, numbers of frames (the end is not included), and the
best labels first: {"video": …, "start": 2.0, "end": 4.133, "frames": [50, 104], "labels": [{"name": …, "score": …}, …]}
"""

import argparse
import ctypes
import json
import math
import os
import re
import struct
import sys
import threading
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import numpy as np

# onnxruntime and OpenCV take 0.3 s to import: only what recognizes imports them

__all__ = ['Clip', 'Label', 'ModelFileError', 'Recognizer', 'VideoError']

FORMAT = 'mmhvt/1'
EXPORT = 'python tools/export.py CONFIG CHECKPOINT --out FILE.onnx'
# what a machine can start
MOST_THREADS = 256
# views in one run of the session, whatever their number: memory of the model
BATCH = 4
# length of a clip whose sampler draws from the whole video, whatever its length: that of Kinetics' videos
USUAL_SECONDS = 10.0
# rate of a camera or live stream that reports none
USUAL_FPS = 25.0
# interpolation: mmcv's names, OpenCV's numbers
METHODS = dict(nearest=0, bilinear=1, bicubic=2, area=3, lanczos=4)


class ModelFileError(ValueError):
    """An ONNX file is missing, damaged, foreign, of another task, or does not fit its metadata."""


class VideoError(ValueError):
    """A video or stream cannot be read, or is too short."""


class Label(NamedTuple):
    """Name of a class, and its score: a probability unless the model's metadata says otherwise."""

    name: str
    score: float


class Clip(NamedTuple):
    """Classes of a part of a video.

    Args:
        start, end: Times in seconds from the start of the video; the end is not included.
        frames: Numbers of the first frame, and of the one after the last.
        labels: All classes, best first.
    """

    start: float
    end: float
    frames: tuple[int, int]
    labels: list[Label]


def _short(text: object, most: int = 300) -> str:
    """One line of what a library or file says."""
    line = ' '.join(''.join(c if c.isprintable() else ' ' for c in str(text)).split())
    return line if len(line) <= most else f'{line[:most]}…'


def _check_file(path: str | Path, what: str, error: type[ValueError]) -> Path:
    """The path of a file that is neither missing nor empty. Reading a pipe or device may never end."""
    if not os.path.exists(path):
        raise error(f'there is no {what} {path}')
    if not os.path.isfile(path):
        raise error(f'{path} is a {"folder" if os.path.isdir(path) else "pipe or device"}, no {what}')
    if not os.path.getsize(path):
        raise error(f'{path} is empty')
    return Path(path)


WHOLE, CLIPS = range(1, 2**14), range(1, 1001)
NUMBER, POSITIVE, NAMES = slice(-1e6, 1e6), slice(1e-6, 1e6), str
SIDES, METHOD = dict(width=WHOLE, height=WHOLE), dict(interpolation=(*METHODS, None))
# what each key has to be: alternatives are tuples; keys that may be left out have None among theirs
KEYS: dict[str, Any] = dict(
    input=('frames', 'clips'), sampling=('SampleFrames', 'mmhvt.SampleFrames', 'UniformSample'), classes=(NAMES, None),
    clip_len=WHOLE, frame_interval=(WHOLE, None), num_clips=CLIPS, target_fps=(POSITIVE, None),
    out_of_bound=('loop', 'repeat_last'), twice_sample=(True, False),
    resize=(dict(short_side=WHOLE, **METHOD), dict(**SIDES, **METHOD), None),
    crop=(dict(type=('center', 'three', 'five'), **SIDES, mmhvt=(True, False, None)), None),
    mean=[NUMBER] * 3, std=[POSITIVE] * 3, activation=('softmax', 'sigmoid', None), average=('mean', 'max', None),
)  # fmt: skip


def _fits(value: Any, form: Any) -> bool:
    if isinstance(form, tuple):
        return any(_fits(value, one) for one in form)
    if isinstance(form, range):
        return type(value) is int and value in form
    if isinstance(form, slice):
        return type(value) in (int, float) and form.start <= value <= form.stop
    if form is NAMES:
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    if isinstance(form, dict) and isinstance(value, dict):
        return set(value) <= set(form) and all(_fits(value.get(key), one) for key, one in form.items())
    if isinstance(form, list) and isinstance(value, list):
        return len(value) == len(form) and all(map(_fits, value, form))
    return type(value) is type(form) and value == form


def _say(form: Any) -> str:
    def word(one: Any) -> str:
        if one is NAMES:
            return 'list of names'
        if isinstance(one, range):
            return f'whole number from {one.start} to {one.stop - 1}'
        return f'number from {one.start:g} to {one.stop:g}'

    text = json.dumps(form, default=word)
    return f'one of {text}' if isinstance(form, tuple) else text


def _decode(path: str, found: dict[str, str]) -> dict[str, Any]:
    """Checks metadata, and decodes the JSON in it."""
    if 'format' not in found:
        raise ModelFileError(f'{path} has no metadata of mmhvt: {EXPORT} writes a file that has')
    if found['format'] != FORMAT:
        raise ModelFileError(
            f'{path} has format {_short(found["format"])!r}, this mmhvt_runtime reads {FORMAT}: install another'
        )
    for key in ('task', *KEYS):
        if key not in found:
            raise ModelFileError(f'{path} lacks the metadata key {key!r}: {EXPORT} writes it')
    if found['task'] != 'recognition':
        task = _short(found['task']).replace('_', ' ')
        raise ModelFileError(f'{path} is a model for {task}; mmhvt_runtime runs those for recognition')
    decoded: dict[str, Any] = {}
    for key, form in KEYS.items():
        wrong = f'{path}: metadata key {key!r} is'
        try:
            value = decoded[key] = json.loads(found[key])
        except (ValueError, RecursionError):
            raise ModelFileError(f'{wrong} no JSON: {_short(found[key])}') from None
        if not _fits(value, form):
            raise ModelFileError(f'{wrong} {_short(found[key])}; it has to be {_say(form)}')
    if decoded['sampling'] == 'UniformSample':
        decoded['frame_interval'] = None
    elif decoded['frame_interval'] is None:
        raise ModelFileError(f"{path}: metadata key 'frame_interval' is null; it may be with UniformSample only")
    if decoded['twice_sample'] and decoded['num_clips'] == 1 and decoded['clip_len'] > 1:
        raise ModelFileError(f"{path}: metadata key 'twice_sample' is true; with 'num_clips' 1 it has to be false")
    return found | decoded


def sample(settings: dict[str, Any], total: int, fps: float, one_clip: bool = False) -> np.ndarray:
    """Numbers (clips, T) of the frames of all clips, or one clip, as mmaction2's and mmhvt's samplers choose them in a
    test from so many frames.
    """
    length, clips, twice = settings['clip_len'], settings['num_clips'], settings['twice_sample'] and not one_clip
    if one_clip and length > 1:  # models of single frames see several
        clips = 1
    interval, target = settings['frame_interval'], settings['target_fps']
    if interval is None:
        segment = (total - 1) / length
        starts = np.round(segment * np.arange(length)).astype(np.int64)
        shifts = (segment / (clips + 1) * np.arange(1, clips + 1)).astype(np.int64)
        return shifts[:, None] + starts
    is_ours = settings['sampling'] == 'mmhvt.SampleFrames'
    span: float = (length - 1) * interval + 1
    offsets = np.arange(length) * interval
    if target:
        known = 0 < fps < math.inf
        if is_ours and not known:
            raise VideoError(f'it does not tell its frame rate, and the model counts {target} frames a second')
        span = max(1.0, length * interval * (fps / target if known else 1.0))
        offsets = np.linspace(0, span - 1, length).astype(np.int64)
    room = max(total - span, 0)
    if length == 1:
        starts = np.arange(clips) * (total / clips)
        shifted = starts + total / clips / 2
        starts = np.concatenate([shifted, starts]) if twice else shifted
    elif clips == 1:
        starts = np.array([room // 2])
    else:
        step, numbers = room / (clips - 1), np.arange(2 * clips if twice else clips)
        starts = numbers * np.floor(step) if target else np.round(numbers * step)
    frames = starts[:, None] + offsets
    if settings['out_of_bound'] == 'loop':
        frames = np.mod(frames, total)
    elif is_ours:
        frames = frames.clip(max=total - 1)
    else:  # mmaction2 repeats the last frame of the clip that is in the video
        inside = frames < total
        frames = np.where(inside, frames, np.max(inside * frames, 1, keepdims=True))
    return frames.astype(np.int64)


def _corners(crop: dict[str, Any], width: int, height: int) -> list[tuple[int, int]]:
    """Left and top of each crop of a resized frame."""
    across, down = width - crop['width'], height - crop['height']
    kind, ours = crop['type'], crop.get('mmhvt')
    resized, side = f'its frames are {width}x{height} after resizing', f'{crop["width"]}x{crop["height"]}'
    if min(across, down) < 0:
        raise VideoError(f'{resized}, too small for crops of {side}')
    if kind == 'center':
        return [(across // 2, down // 2)]
    if across and down and not (kind == 'three' and ours):
        raise VideoError(f'{resized}; {kind} crops of {side} are smaller')
    if kind == 'five':
        return [(across * place // 4, down * place // 4) for place in range(5)]
    # mmhvt's are along the longer side, in the middle of the shorter one
    wide = width >= height if ours else across
    return [(across // 2 * place, down // 2) if wide else (across // 2, down // 2 * place) for place in (0, 2, 1)]


class _Frames:
    """Resizing and cropping of frames of one size to (h, w). Raises VideoError if crops do not fit into them."""

    def __init__(self, settings: dict[str, Any], height: int, width: int) -> None:
        self._size = self._resized = width, height
        resize, crop = settings['resize'] or {}, settings['crop']
        self._method = METHODS[resize.get('interpolation') or 'bilinear']
        if 'width' in resize:
            self._resized = resize['width'], resize['height']
        elif resize:  # mmcv.rescale_size
            scale = resize['short_side'] / min(width, height)
            self._resized = int(width * scale + 0.5), int(height * scale + 0.5)
        width, height = (crop['width'], crop['height']) if crop else self._resized
        self.size = height, width
        corners = _corners(crop, *self._resized) if crop else [(0, 0)]
        self._crops = [(slice(top, top + height), slice(left, left + width)) for left, top in corners]

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """A frame (H, W, 3) BGR as it is held, (h, w, 3) RGB: resized, and cropped if there is one crop."""
        cv2 = _opencv()
        if frame.shape[1::-1] != self._size:  # streams that were joined, or adapt
            frame = cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA)
        if self._resized != self._size:
            frame = cv2.resize(frame, self._resized, interpolation=self._method)
        if len(self._crops) == 1:
            frame = frame[self._crops[0]]
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def views(self, frames: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Yields crops (T, h, w, 3) of a clip of prepared frames."""
        for crop in self._crops if len(self._crops) > 1 else [...]:
            yield np.stack([frame[crop] for frame in frames])


def _opencv() -> ModuleType:
    # OpenCV and FFmpeg write hundreds of lines about a damaged file to stderr; what counts comes as an error. Read when
    # a process imports cv2, and opens its first video.
    os.environ.setdefault('OPENCV_LOG_LEVEL', 'SILENT')
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    import cv2

    return cv2


def _kind(source: str | int | Path) -> str:
    """Whether a source is a 'file', a 'stream' or a 'camera'."""
    source = str(source)
    if source.startswith('/dev/video') or (source.isdecimal() and not os.path.exists(source)):
        return 'camera'
    return 'stream' if re.match('(https?|rtsps?|rtmps?|udp|rtp|tcp|srt)://', source, re.IGNORECASE) else 'file'


def _check_video(video: str | int | Path) -> str:
    """Path of a video file. Raises VideoError if it is missing, truncated, or something else that OpenCV would read."""
    path = _check_file(str(video), 'video', VideoError)
    with path.open('rb') as file:
        head, size, end, length = file.read(512), path.stat().st_size, 0, 8
        # FFmpeg shows text as a terminal does, and opens what a playlist names
        if not re.search(rb'[\0-\x08\x0e-\x1a\x1c-\x1f]', head):
            raise VideoError(f'{video} is a text file, no video')
        # haveImageReader looks at the content
        if head[:4] != b'GIF8' and _opencv().haveImageReader(str(path)):
            raise VideoError(f'{video} is a picture, no video')
        # FFmpeg reads what is there of a file that is shorter than it says
        is_mp4, kind = head[4:8] in (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip'), head[8:12]
        if kind == b'AVI ' and (length := int.from_bytes(head[4:8], 'little')) < 2**32 - 1:  # which is that of a stream
            end = 8 + length
        while is_mp4 and length >= 8 and end + 16 <= size:
            # a box is its size (1: behind the name, 0: up to the end of the file), name and content
            file.seek(end)
            length, kind, long = struct.unpack('>I4sQ', file.read(16))
            length = long if length == 1 else length
            end += length
    if size < end and kind in (b'AVI ', b'moov', b'mdat', b'moof'):
        raise VideoError(f'{video} is truncated after {size} of at least {end} bytes')
    return str(path.absolute())  # FFmpeg takes 'a:b.mp4' for a URL


def _fill_memory(number: int) -> None:
    """Has glibc fill the memory that it allocates with the complement of a number, or not (0)."""
    with suppress(OSError, AttributeError, TypeError):  # another library
        ctypes.CDLL(None).mallopt(-6, number)  # M_PERTURB of malloc.h


class _Source:
    """A 'file', 'stream' or 'camera' that is read once, in order. Raises VideoError if it cannot be read.

    A live one does not wait for its reader. Its total of frames and its fps are what it says, which may be wrong. The
    first frame is (H, W, 3) BGR, the count that of the frames read so far.
    """

    def __init__(self, source: str | int | Path, kind: str | None = None) -> None:
        cv2 = _opencv()
        self.name, self.kind, self.count = str(source), kind or _kind(source), 0
        opened: Any = int(self.name) if self.name.isdecimal() else self.name
        if self.kind == 'file':
            opened = _check_video(source)
        self._capture = cv2.VideoCapture(opened, cv2.CAP_ANY if self.kind == 'camera' else cv2.CAP_FFMPEG)
        _fill_memory(85)
        there, self.first = self._capture.read()
        _fill_memory(0)
        if not there:
            what = 'is no video that OpenCV can read' if self.kind == 'file' else 'cannot be read: no frame came'
            raise VideoError(f'{self.kind} {source} {what}')
        # with FFmpeg 8 OpenCV does not convert interlaced frames, for all of which it returns what is in memory
        if (self.first == 255 - 85).all():
            advice = 'ffmpeg -i FILE -vf yadif NEW.mp4 writes a file that can be read'
            raise VideoError(f'OpenCV {cv2.__version__} does not convert the interlaced frames of {source}: {advice}')
        self.total, self.fps = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), self._capture.get(cv2.CAP_PROP_FPS)
        # streams that know their length wait for their reader
        self.live = self.kind == 'camera' or (self.kind == 'stream' and self.total <= 0)

    def frames(self, wanted: Container[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yields numbers and frames (H, W, 3) BGR; others than those wanted are decoded, but not converted."""
        while not self.count or self._capture.grab():
            number, self.count = self.count, self.count + 1
            if wanted is None or number in wanted:
                frame = self._capture.retrieve()[1] if number else self.first
                if frame is None:
                    raise VideoError(f'frame {number} of {self.name} cannot be decoded')
                yield number, frame


def _newest(items: Iterable[Any]) -> Iterator[Any]:
    """Yields the newest item of what a thread iterates; those that are not taken in time are left out."""
    waiting, ends = deque[Any](maxlen=1), list[BaseException | None]()
    changed, stopped = threading.Event(), threading.Event()

    def run() -> None:
        try:
            for item in items:
                waiting.append(item)
                changed.set()
                if stopped.is_set():
                    return
            ends.append(None)
        except BaseException as error:
            ends.append(error)
        changed.set()

    threading.Thread(target=run, daemon=True).start()
    try:
        while not ends or waiting:
            changed.wait()
            changed.clear()
            if waiting:
                yield waiting.pop()
        if ends[0]:
            raise ends[0]
    finally:
        stopped.set()


def _choose_providers(asked: str | Sequence[Any] | None, available: Sequence[str]) -> list[Any]:
    """Execution providers of onnxruntime: those asked for, or CUDA where there is one, and the CPU."""
    if asked is None:
        asked = [name for name in ('CUDAExecutionProvider', 'CPUExecutionProvider') if name in available]
    names, chosen = {name.lower().removesuffix('executionprovider'): name for name in available}, []
    for one in [asked] if isinstance(asked, str) else asked:
        if not isinstance(one, str):  # with options
            chosen.append(one)
            continue
        name = names.get(one.lower().removesuffix('executionprovider'))
        if name is None:
            raise ValueError(f'onnxruntime has no provider {one!r} here; it has {", ".join(sorted(names))}')
        # TF32 would change scores by more than the exporter does; to try out all convolutions takes seconds
        options = {'use_tf32': '0', 'cudnn_conv_algo_search': 'HEURISTIC'} if name.startswith('CUDA') else {}
        chosen.append((name, options))
    return chosen


class Recognizer:
    """A recognizer of mmhvt in an ONNX file.

    Nothing in the file is run but its graph, by onnxruntime; libraries of custom operators are never loaded.

    Args:
        path: File that mmhvt.export wrote.
        threads: Threads of onnxruntime on the CPU. Defaults to one for each core.
        providers: Execution providers of onnxruntime, or the name of one, such as 'cpu'. Defaults to CUDA if
            onnxruntime has it, and else the CPU.
        labels: File of the class names, one a line, instead of those in the model. Defaults to None.

    Attributes:
        classes: Names of the classes; 'class 0' and so on, if neither the file nor `labels` names them.
        metadata: What the file says about the model.
        providers: The execution providers in use.

    Raises:
        ModelFileError: If the file is missing, damaged, foreign or of another task; the message names it.
        ValueError: If there is no such provider, or the labels do not fit.
    """

    def __init__(
        self,
        path: str | Path,
        threads: int | None = None,
        providers: str | Sequence[Any] | None = None,
        labels: str | Path | None = None,
    ) -> None:
        self.path = str(path)
        _check_file(path, 'model', ModelFileError)
        self._session, metadata = self._load(threads, providers)
        self.metadata = _decode(self.path, metadata)
        self.providers: list[str] = self._session.get_providers()
        names = self.metadata['classes']
        if labels:
            try:
                lines = _check_file(labels, 'file of labels', ValueError).read_text('utf-8-sig').splitlines()
            except UnicodeDecodeError as reason:
                raise ValueError(f'cannot read labels {labels}: {reason}') from None
            names = [name for line in lines if (name := line.strip())]
        classes = self._check_shapes()
        if names and len(names) != classes:
            what, error = (labels, ValueError) if labels else (path, ModelFileError)
            raise error(f'{what} names {len(names)} classes, the model has {classes}')
        self.classes: list[str] = names or [f'class {number}' for number in range(classes)]
        self._mean, self._std = (np.array(self.metadata[key], np.float32) for key in ('mean', 'std'))

    def _load(self, threads: int | None, providers: str | Sequence[Any] | None) -> tuple[Any, dict[str, str]]:
        """A session, and the metadata in the file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what counts comes as an error
        options.intra_op_num_threads = min(threads or 0, MOST_THREADS)
        # between runs the cores decode
        options.add_session_config_entry('session.force_spinning_stop', '1')
        options.add_session_config_entry('session.load_model_format', 'ONNX')
        chosen = _choose_providers(providers, onnxruntime.get_available_providers())
        # onnxruntime's own fallback prints
        open_it = partial(onnxruntime.InferenceSession, self.path, options, enable_fallback=0)
        try:
            try:
                session = open_it(chosen)
            except Exception:  # its errors have no class of their own
                if providers:
                    raise
                session = open_it(chosen[-1:])  # CUDA without its libraries, or a GPU
            metadata = session.get_modelmeta().custom_metadata_map
        except Exception as error:
            self._explain(error)
        if providers and chosen[0][0] not in session.get_providers():
            raise ValueError(f'onnxruntime cannot start {chosen[0][0]}: are its libraries installed?')
        return session, metadata

    def _explain(self, error: Exception) -> NoReturn:
        reason = re.sub(r'^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed:)?', '', _short(error))
        what = 'does not run in onnxruntime'
        if re.search('external (data|initializer)', reason, re.IGNORECASE):
            what = 'keeps its weights in a file beside it, which cannot be read'
        elif re.search('protobuf|codec', reason, re.IGNORECASE):
            what = 'is damaged or no ONNX file'
        raise ModelFileError(f'{self.path} {what}: {reason}') from None

    def _check_shapes(self) -> int:
        """Compares the inputs and outputs of the session with the metadata. Returns the number of classes."""
        name, inputs, outputs = self.metadata['input'], self._session.get_inputs(), self._session.get_outputs()
        found = [(one.name, one.type, len(one.shape)) for one in (*inputs, *outputs)]
        kind = 'tensor(uint8)' if name == 'frames' else 'tensor(float)'
        if found != [(name, kind, 5), ('scores', 'tensor(float)', 2)] or not isinstance(outputs[0].shape[1], int):
            wanted = f'one input {name} (of 5 dimensions) and one output scores (N, classes)'
            raise ModelFileError(f'{self.path} does not fit its metadata, by which it has {wanted}')
        fixed, *shape = inputs[0].shape
        self._shape = shape[:3] if name == 'frames' else shape[1:]  # T, h, w: numbers, or names of those that vary
        last = self.metadata['crop'] or self.metadata['resize'] or {}
        if wrong := self._compare(last.get('height'), last.get('width')):
            raise ModelFileError(f'{self.path} does not fit its metadata: {wrong}')
        self._batch, self._multiple = (fixed, fixed) if isinstance(fixed, int) else (BATCH, 1)
        return outputs[0].shape[1]

    def _compare(self, *size: int | None) -> str:
        """What is wrong with views of this (h, w), where they are known; '' if nothing is."""
        pairs = [*zip((self.metadata['clip_len'], *size), self._shape, strict=True)]
        if all(made is None or made == taken or not isinstance(taken, int) for made, taken in pairs):
            return ''
        made, taken = ('x'.join('?' if one is None else str(one) for one in side) for side in zip(*pairs, strict=True))
        return f'views are {made} (frames, height, width), the model takes {taken}'

    def _fit(self, source: _Source, total: int, one_clip: bool = False) -> tuple[_Frames, np.ndarray]:
        """What prepares the frames of a source, and the numbers (clips, T) of those of its clips."""
        try:
            frames = _Frames(self.metadata, *source.first.shape[:2])
            if wrong := self._compare(*frames.size):
                raise VideoError(wrong)
            return frames, sample(self.metadata, total, source.fps, one_clip)
        except VideoError as error:
            raise VideoError(f'cannot recognize {source.name}: {error}') from None

    def _run(self, views: list[np.ndarray]) -> np.ndarray:
        """Scores (N, classes) of views (T, h, w, 3), after the activation."""
        clips = np.stack([*views, *views[-1:] * (-len(views) % self._multiple)])
        name, activation = self.metadata['input'], self.metadata['activation']
        if name == 'clips':
            normalized = (clips.astype(np.float32) - self._mean) / self._std
            clips = np.ascontiguousarray(normalized.transpose(0, 4, 1, 2, 3))  # (N, 3, T, h, w)
        try:
            (scores,) = self._session.run(['scores'], {name: clips})
        except Exception as error:
            self._explain(error)
        scores = scores[: len(views)]
        if scores.shape != (len(views), len(self.classes)):
            raise ModelFileError(f'{self.path} gives scores of shape {scores.shape} for {len(views)} views')
        if not np.isfinite(scores).all():
            raise ModelFileError(f'{self.path} gives scores that are not finite: export it without half precision')
        if activation == 'softmax':
            scores = np.exp(scores - scores.max(1, keepdims=True))
            return scores / scores.sum(1, keepdims=True)
        with np.errstate(over='ignore'):
            return 1 / (1 + np.exp(-scores)) if activation == 'sigmoid' else scores

    def _score(self, views: Iterator[np.ndarray]) -> np.ndarray:
        """Mean scores (classes,) of views (T, h, w, 3), which are run in batches as they come. Empty without views."""
        found: list[np.ndarray] = []
        average = self.metadata['average']
        while batch := list(islice(views, self._batch)):
            found.extend(self._run(batch))
        if average is None and len(found) > 1:
            advice = "set average_clips='prob' in the config's cls_head"
            raise ModelFileError(f"{self.path}: metadata key 'average' is null for {len(found)} views: {advice}")
        return (np.max if average == 'max' else np.mean)(found, axis=0) if found else np.empty(0)

    def _labels(self, scores: np.ndarray) -> list[Label]:
        return [Label(self.classes[place], float(scores[place])) for place in np.argsort(-scores, kind='stable')]

    def scores(self, video: str | Path) -> np.ndarray:
        """Scores of a video file from all views of the test pipeline.

        Args:
            video: Path of the file.

        Returns:
            np.ndarray: (classes,) float32, in the order of :attr:`classes`.

        Raises:
            VideoError: If it cannot be read; the message names it.
            ModelFileError: If the model does not fit it.
        """
        total = None
        for _ in range(3):  # only the end tells how many frames there are
            source = _Source(video, 'file')
            total = total or max(1, source.total)
            scores = self._score(self._views(source, total))
            if source.count == total:
                return scores
            total = source.count
        raise VideoError(f'cannot recognize {video}: its number of frames changes')

    def _views(self, source: _Source, total: int) -> Iterator[np.ndarray]:
        """Yields views (T, h, w, 3) of each clip as soon as its last frame is read; frames are held until then."""
        frames, indices = self._fit(source, total)
        pending: list[list[int]] = indices.tolist()
        held: dict[int, np.ndarray] = {}
        for number, frame in source.frames({one for clip in pending for one in clip}):
            held[number] = frames.prepare(frame)
            for clip in [clip for clip in pending if max(clip) == number]:
                yield from frames.views([held[one] for one in clip])
                pending.remove(clip)
                held = {one: held[one] for one in {one for clip in pending for one in clip} & set(held)}

    def recognize(self, video: str | Path) -> list[Label]:
        """Classes of a video file and their scores, best first.

        Args:
            video: Path of the file.

        Raises:
            VideoError, ModelFileError: See :meth:`scores`.
        """
        return self._labels(self.scores(video))

    def recognize_stream(
        self, source: str | int | Path, every: float = 1.0, duration: float | None = None, fps: float | None = None
    ) -> Iterator[Clip]:
        """Classes of clips that slide over a source, each as soon as it is complete.

        A clip is one sample of the test pipeline with all of its crops (with UniformSample, of 10 s). The last one ends
        with the source. Those of a live source are left out if a newer one is complete already.

        Args:
            source: Path of a file, URL, or number of a camera.
            every: Seconds from the start of a clip to the start of the next. Defaults to 1.
            duration: Seconds after which to stop. Defaults to no limit.
            fps: Frame rate, if the source gives none or a wrong one. Defaults to the source's.

        Raises:
            VideoError: If the source cannot be read, or ends before its first clip; the message names it.
            ModelFileError: If the model does not fit the source.
            ValueError: If an argument is not positive, or clips are closer than frames.
        """
        _check_positive(every=every, duration=duration, fps=fps)
        opened = _Source(source)
        known = 0 < opened.fps <= 1000
        if not (fps or known or opened.live):
            raise VideoError(f'{source} does not tell its frame rate (--fps)')
        rate = opened.fps = fps or (opened.fps if known else USUAL_FPS)
        if not every * rate >= 1:
            raise ValueError(f'every={every}: frames of {source} are {1 / rate:.4g} s apart, and clips have to be, too')
        most = None if duration is None else max(1, round(duration * rate))
        interval, length, target = (self.metadata[key] for key in ('frame_interval', 'clip_len', 'target_fps'))
        if length == 1 or interval is None:
            length = max(1, round(USUAL_SECONDS * rate))
        else:
            length = math.ceil(length * (interval * rate / target if target else interval))
        clips = self._clips(opened, length, round(every * rate), most)
        return (
            Clip((last - length) / rate, last / rate, (last - length, last), self._labels(self._score(views)))
            for last, views in (_newest(clips) if opened.live else clips)
        )

    def _clips(
        self, source: _Source, length: int, step: int, most: int | None
    ) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
        """Yields the last frame (not included) of each clip, and its views (T, h, w, 3)."""
        frames, indices = self._fit(source, length, one_clip=True)
        ring: deque[np.ndarray] = deque(maxlen=length)
        seen = 0

        def clip() -> tuple[int, Iterator[np.ndarray]]:
            held = [[ring[index] for index in row] for row in indices.tolist()]
            return seen, (view for row in held for view in frames.views(row))

        for _, frame in islice(source.frames(), most):
            ring.append(frames.prepare(frame))
            seen += 1
            if seen >= length and (seen - length) % step == 0:
                yield clip()
        if seen < length:
            advice = ': leave out --every to recognize it as a whole' if source.kind == 'file' and not most else ''
            raise VideoError(
                f'{source.name} ends after {seen} frames ({seen / source.fps:.2f} s), before its first clip of '
                f'{length} frames ({length / source.fps:.2f} s){advice}'
            )
        if (seen - length) % step:
            yield clip()


def _check_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f'{name}={value} has to be positive')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', metavar='VIDEO', help='file, URL of a stream, or camera (0)')
    parser.add_argument('--model', required=True, metavar='FILE.onnx', help='file that mmhvt.export wrote')
    parser.add_argument('--top', type=int, help='labels to print at most (default: 5; 3 of a clip)')
    parser.add_argument('--labels', metavar='FILE', help="class names, one a line (default: the model's)")
    parser.add_argument('--json', action='store_true', help='print JSON lines')
    parser.add_argument('--every', type=float, metavar='SECONDS', help='from clip to clip (default: 1)')
    parser.add_argument('--duration', type=float, metavar='SECONDS', help='longest time to read')
    parser.add_argument('--fps', type=float, help='frame rate, if VIDEO gives a wrong one or none')
    parser.add_argument('--provider', help='cpu, cuda, or another that onnxruntime has (default: cuda if it is there)')
    parser.add_argument('--threads', type=int, help='threads on the CPU (default: one a core)')
    return parser


def _print(video: str, labels: list[Label], as_json: bool, clip: Clip | None = None) -> None:
    if as_json:
        times = {} if clip is None else dict(start=round(clip.start, 3), end=round(clip.end, 3), frames=clip.frames)
        named = [dict(name=name, score=round(score, 6)) for name, score in labels]
        line = json.dumps(dict(video=video, **times, labels=named))
    elif clip is None:
        line = '\n'.join(f'{score:8.4f}  {name}' for name, score in labels)
    else:
        line = f'{clip.start:8.2f} -{clip.end:8.2f} s  ' + ', '.join(f'{name} {score:.2f}' for name, score in labels)
    print(line, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The command mmhvt-recognize.

    Args:
        argv: Arguments. Defaults to those of the process.

    Returns:
        int: 0; 1 after an error, which is one line on stderr; 130 after Ctrl-C. A wrong option ends the process with 2.
    """
    parser = _parser()
    asked = parser.parse_args(argv)
    video, every, duration, fps, top = asked.video, asked.every, asked.duration, asked.fps, asked.top
    try:
        _check_positive(top=top, every=every, duration=duration, fps=fps, threads=asked.threads)
    except ValueError as error:
        parser.error(f'--{error}')
    try:
        if _kind(video) == 'file':
            _check_video(video)  # before the model is loaded
        model = Recognizer(asked.model, asked.threads, asked.provider, asked.labels)
        if _kind(video) == 'file' and not (every or duration or fps):
            _print(video, model.recognize(video)[: top or 5], asked.json)
        else:
            for clip in model.recognize_stream(video, every or 1.0, duration, fps):
                _print(video, clip.labels[: top or 3], asked.json, clip)
    except BrokenPipeError:  # whom it is printed to had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not isinstance(error, (OSError, ValueError, ImportError, MemoryError)) and type(error).__module__ != 'cv2':
            raise
        print(f'{parser.prog}: {_short(error, 4000)}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
