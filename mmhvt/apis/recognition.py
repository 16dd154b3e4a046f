"""Recognition in whole videos, and in videos of any length by clips that slide over them."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, overload

import numpy as np
import torch
from mmaction.datasets import transforms
from mmaction.models import BaseRecognizer
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from torch import nn

from mmhvt.datasets import NameDataset
from mmhvt.datasets.reading import DecordInit, wrap_readers
from mmhvt.hub import INFERENCERS
from mmhvt.utils.configs import naming_config

from .labels import read_names
from .models import (
    check_device,
    class_names,
    find_model,
    load_config,
    load_model,
    test_pipeline,
)
from .streams import FrameSource, RecentFrames, check_interval, check_readable, kind_of

OPENING = (transforms.DecordInit, transforms.OpenCVInit, transforms.PyAVInit, transforms.PIMSInit)
DECODING = (
    transforms.DecordDecode, transforms.OpenCVDecode, transforms.PyAVDecode, transforms.PIMSDecode,
    transforms.RawFrameDecode,
)  # fmt: skip
# length of a clip if the sampler draws from the whole video, whatever its length: that of Kinetics' videos
USUAL_SECONDS = 10.0


class Label(NamedTuple):
    """A class and its score.

    Args:
        name: Name of the class.
        score: Its score; a probability if the head's `average_clips` is 'prob'.
    """

    name: str
    score: float


class ClipLabels(NamedTuple):
    """The best classes of a part of a video.

    Args:
        start, end: Times in seconds from the start of the video; the end is not included.
        labels: Classes, best first.
    """

    start: float
    end: float
    labels: list[Label]


class LabeledClip(NamedTuple):
    """Scores of a part of a video.

    Args:
        first: Number of the first frame.
        length: Number of frames.
        scores: (classes,) scores.
    """

    first: int
    length: int
    scores: np.ndarray

    def times(self, fps: float) -> tuple[float, float]:
        """Start and end in seconds, of a video of `fps` frames a second."""
        return self.first / fps, (self.first + self.length) / fps


def best_labels(
    scores: np.ndarray, names: Sequence[str], top: int | None = None, least: float | None = None
) -> list[Label]:
    """The best classes, best first.

    Args:
        scores: (classes,).
        names: Names of the classes.
        top: Number of classes. Defaults to all.
        least: Lowest score. Defaults to none.
    """
    ranked = np.argsort(-scores, kind='stable')[:top]
    return [Label(names[place], float(scores[place])) for place in ranked if least is None or scores[place] >= least]


class ClipRecognizer:
    """Scores of the classes of videos and of clips, by a recognizer of mmaction2 with any backbone and head.

    Whole videos go through the config's test pipeline as in a test. Clips go through it one at a time, with all of
    their crops.

    Args:
        model: Name of a model or config of this package, path of a config or its name as 'mmaction::PATH', a config, or
            a model of mmaction's `init_recognizer`.
        checkpoint: File or URL of the weights. Defaults to those that the metafile names.
        labels: File of the class names, one per line, or name of a list in :mod:`mmhvt.datasets.labels`. Defaults to
            the `classes` of the checkpoint's `dataset_meta`, or else those of the config's test dataset.
        device: Device of the model. Defaults to the first GPU, if there is one.

    Attributes:
        cfg: The config.
        model: The model.
        names: Names of the classes, in order.
        has_names: Whether the classes have names.

    Raises:
        ValueError: If there is no such model, no weights are known, or config, checkpoint and names do not fit
            together.
    """

    def __init__(
        self,
        model: str | Path | Config | nn.Module,
        checkpoint: str | Path | None = None,
        labels: str | Path | None = None,
        device: str | None = None,
    ) -> None:
        given = None if labels is None else read_names(Path(labels))
        if isinstance(model, nn.Module):
            self.cfg = self._config_of(model, checkpoint, device)
            self.model: Any = model.eval()
            self._set_pipelines()
        else:
            config, weights = find_model(model, checkpoint)
            self.cfg = config if isinstance(config, Config) else load_config(config)
            if self._scope != 'mmaction' and self._scope in INFERENCERS:
                raise ValueError(f'{model} is no recognizer of videos, but a model for {INFERENCERS[self._scope]}')
            device = device or get_device()
            check_device(device)
            self._set_pipelines()
            with DefaultScope.overwrite_default_scope(self._scope):
                self.model = load_model(self.cfg, weights, device, BaseRecognizer)
        self.names, self.has_names = self._names(given, str(labels))

    @property
    def _scope(self) -> str:
        return self.cfg.get('default_scope', 'mmaction')

    @staticmethod
    def _config_of(model: nn.Module, checkpoint: str | Path | None, device: str | None) -> Config:
        """The config of a model that is already initialized."""
        if not isinstance(model, BaseRecognizer) or not isinstance(getattr(model, 'cfg', None), Config):
            raise ValueError(f'{type(model).__name__} is no recognizer with its config: init_recognizer returns one')
        if checkpoint or device:
            raise ValueError('an initialized model has its weights and device already: pass these to init_recognizer')
        return model.cfg

    def _set_pipelines(self) -> None:
        """Makes the pipelines of clips and of whole videos from the config's test pipeline."""
        steps = self._transforms()
        places = [place for place, step in enumerate(steps) if isinstance(step, DECODING)]
        samplers = [step for step in steps[: places[0]] if not isinstance(step, OPENING)] if places else []
        if not samplers or not hasattr(samplers[-1], 'clip_len'):
            raise ValueError(
                f'{self.cfg.filename}: the test pipeline needs a sampler of frames (SampleFrames, UniformSample, …), '
                'and then DecordDecode or another that decodes RGB frames'
            )
        self._sampler = samplers[-1]
        # a clip is one sample, always the same; for 2D recognizers, a sample is a clip of one frame from each segment
        one = dict(num_sample_positions=1, twice_sample=False, test_mode=True)
        if self._sampler.clip_len > 1:
            one['num_clips'] = 1
        for sampler in samplers:
            for name, value in one.items():
                if hasattr(sampler, name):
                    setattr(sampler, name, value)
        rest = steps[places[0] + 1 :]
        # frames are held after resizing, so that they are small and resized once for all clips that share them
        self._resize = None
        if rest and type(rest[0]) is transforms.Resize and not rest[0].lazy:
            self._resize, *rest = rest
        if not any('Pack' in type(step).__name__ for step in rest):
            raise ValueError(f'{self.cfg.filename}: the test pipeline has to end with PackActionInputs')
        self._pipeline = Compose([*samplers, transforms.DecordDecode(), *rest])
        self._whole_pipeline = Compose(self._for_files(self._transforms()))

    def _transforms(self) -> list:
        with DefaultScope.overwrite_default_scope(self._scope), naming_config(self.cfg.filename):
            return Compose(test_pipeline(self.cfg)).transforms

    @staticmethod
    def _for_files(steps: list) -> list:
        """Transforms that read a video file, even if the pipeline is one for frames on disk."""
        if not any(isinstance(step, OPENING) for step in steps):
            steps = [DecordInit(), *steps]
            steps = [
                transforms.DecordDecode() if isinstance(step, transforms.RawFrameDecode) else step for step in steps
            ]
        return wrap_readers(steps)

    def _names(self, given: dict[int, str] | None, file: str) -> tuple[list[str], bool]:
        datasets = [step.name for step in self._pipeline.transforms if isinstance(step, NameDataset)]
        with DefaultScope.overwrite_default_scope(self._scope):
            return class_names(self.model, self.cfg, datasets[-1] if datasets else None, given, file)

    def score_video(self, video: str | Path) -> np.ndarray:
        """Scores (classes,) of a whole video file, from all views of the test pipeline, as `inference_recognizer` does.

        Raises:
            UnreadableVideoError: If the file cannot be read; the message names it.
        """
        path = check_readable(str(video))
        return self._score(self._whole_pipeline, dict(filename=path, label=-1, start_index=0, modality='RGB'))

    def _score(self, pipeline: Compose, sample: dict) -> np.ndarray:
        with torch.no_grad():
            (found,) = self.model.test_step(pseudo_collate([pipeline(sample)]))
        scores = found.pred_score.float().cpu().numpy()
        if scores.ndim != 1:
            raise ValueError(
                f"{self.cfg.filename}: scores of views are not averaged: set average_clips='prob' in the cls_head"
            )
        return scores

    def length(self, fps: float, seconds: float | None = None) -> int:
        """Number of video frames that a clip extends over.

        Args:
            fps: Frame rate of the video.
            seconds: Length of a clip. Defaults to what the sampler's interval implies, or to 10 if the sampler draws
                frames from the whole video, whatever its length.
        """
        if seconds is not None:
            return max(1, round(seconds * fps))
        interval = getattr(self._sampler, 'frame_interval', None)
        if not interval or self._sampler.clip_len == 1:
            return max(1, round(USUAL_SECONDS * fps))
        if target := getattr(self._sampler, 'target_fps', None):
            interval = interval * fps / target
        return math.ceil(self._sampler.clip_len * interval)

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        """Resize a frame (H, W, 3) uint8 RGB to the size in which clips hold it."""
        if self._resize is None:
            return frame
        return self._resize(dict(imgs=[frame], img_shape=frame.shape[:2]))['imgs'][0]

    def __call__(self, video: RecentFrames, first: int, length: int) -> np.ndarray:
        """Scores (classes,) of a clip of a video.

        Args:
            video: Frames that went through :meth:`prepare`.
            first: Number of the first frame of the clip.
            length: Number of frames that the clip is sampled from.
        """
        reader = SimpleNamespace(get_batch=lambda indices: video.get_batch(first + np.asarray(indices)))
        sample = dict(
            filename=video.name, video_reader=reader, total_frames=length, avg_fps=video.fps, start_index=0,
            modality='RGB', label=-1,
        )  # fmt: skip
        return self._score(self._pipeline, sample)


def label_clips(
    source: FrameSource, recognizer: ClipRecognizer, length: int, step: int
) -> Iterator[tuple[np.ndarray | None, LabeledClip | None]]:
    """Labels clips that slide over a source, each as soon as it is complete.

    The last clip ends with the video. Clips of a live source are skipped if a newer one is already waiting.

    Args:
        source: Video to read.
        recognizer: Model that scores clips.
        length: Frames of a clip.
        step: Frames from the start of a clip to the start of the next.

    Yields:
        Each frame (H, W, 3) uint8 RGB, or None after the last, and the clip that ends there, or None.
    """
    recent = RecentFrames((), length, source.name, source.fps)
    ends = 0  # of the last clip
    try:
        for frame in source.frames(length):
            recent.append(recognizer.prepare(frame))
            clip = None
            first = len(recent) - length
            if first >= 0 and first % step == 0 and not (source.live and source.waiting >= step):
                clip, ends = LabeledClip(first, length, recognizer(recent, first, length)), len(recent)
            yield frame, clip
        if ends < len(recent) and not source.stopped:
            length = min(length, len(recent))
            first = len(recent) - length
            yield None, LabeledClip(first, length, recognizer(recent, first, length))
    except KeyboardInterrupt:
        source.stop()


def with_labels(
    labeled: Iterable[tuple[np.ndarray | None, LabeledClip | None]], step: int, lag: int
) -> Iterator[tuple[np.ndarray, LabeledClip | None]]:
    """Frames with the clip whose middle is nearest, or the first one available.

    Args:
        labeled: Frames and clips of :func:`label_clips`.
        step: Frames from clip to clip.
        lag: Number of frames to hold back; labels of longer clips come late.

    Yields:
        Frame and clip; the clip is None before the first one, if that comes late.
    """
    held: deque[np.ndarray] = deque()
    coming: deque[LabeledClip] = deque()
    shown, index = None, 0

    def show() -> tuple[np.ndarray, LabeledClip | None]:
        nonlocal shown, index
        while coming and (shown is None or coming[0].first + (coming[0].length - step) / 2 <= index):
            shown = coming.popleft()
        index += 1
        return held.popleft(), shown

    for frame, clip in labeled:
        if clip is not None:
            coming.append(clip)
        if frame is not None:
            held.append(frame)
        while len(held) > lag:
            yield show()
    while held:
        yield show()


@overload
def recognize(
    video: str | Path,
    model: str | Path | Config | nn.Module | ClipRecognizer,
    checkpoint: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    top: int = 5,
    every: None = None,
    window: None = None,
    device: str | None = None,
) -> list[Label]: ...


@overload
def recognize(
    video: str | Path,
    model: str | Path | Config | nn.Module | ClipRecognizer,
    checkpoint: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    top: int = 5,
    every: float,
    window: float | None = None,
    device: str | None = None,
) -> Iterator[ClipLabels]: ...


def recognize(
    video: str | Path,
    model: str | Path | Config | nn.Module | ClipRecognizer,
    checkpoint: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    top: int = 5,
    every: float | None = None,
    window: float | None = None,
    device: str | None = None,
) -> list[Label] | Iterator[ClipLabels]:
    """Recognize a video: its best classes, or those of clips that slide over it.

    Examples:
        >>> for name, score in recognize('video.mp4', 'configs/….py', 'work_dirs/…/epoch_5.pth'):
        ...     print(f'{score:.2f} {name}')
        >>> for clip in recognize('long.mp4', model, every=1.0):
        ...     print(clip.start, clip.end, clip.labels[0].name)

    For several videos, initialize the model once, with mmaction's `init_recognizer` or as a :class:`ClipRecognizer`.

    Args:
        video: File; with `every`, also a stream URL or camera, as :class:`~mmhvt.apis.FrameSource` accepts it.
        model: A :class:`ClipRecognizer`, or what it accepts. An initialized model already has its weights and device.
        checkpoint: File or URL of the weights. Defaults to those that the metafile names.
        labels: File of the class names, one per line, or name of a list such as 'kinetics400'. Defaults to the names
            in the checkpoint or config.
        top: Number of classes. Defaults to 5.
        every: Seconds from clip to clip. Defaults to one result for the whole video, from all views of the test
            pipeline.
        window: Length of a clip in seconds, with `every`. Defaults to what the config says.
        device: Device of the model. Defaults to the first GPU, if there is one.

    Returns:
        The best classes of the whole video, as (name, score), best first. With `every`, an iterator over the clips. It
        reads as it goes, so its memory does not depend on the length of the video.

    Raises:
        ValueError: If arguments, model, checkpoint and names do not fit together.
        UnreadableVideoError: If the video cannot be read.
    """
    for option, value in dict(every=every, window=window, top=top).items():
        if value is not None and not value > 0:
            raise ValueError(f'{option}={value} has to be positive')
    if every is None:
        if window is not None:
            raise ValueError(f'window={window} is the length of a clip, and needs every=SECONDS from clip to clip')
        if kind_of(str(video)) != 'file':
            raise ValueError(f'{video} is no file to recognize as a whole: every=1.0 recognizes clips of it')
        check_readable(str(video))
    else:
        source = FrameSource(video)
        check_interval(every, source, 'clips')
    if not isinstance(model, ClipRecognizer):
        model = ClipRecognizer(model, checkpoint, labels, device)
    elif checkpoint or labels or device:
        raise ValueError('a ClipRecognizer has its weights, names and device already: pass them to its constructor')
    if every is None:
        return best_labels(model.score_video(video), model.names, top)
    return _clip_labels(source, model, model.length(source.fps, window), round(every * source.fps), top)


def _clip_labels(
    source: FrameSource, recognizer: ClipRecognizer, length: int, step: int, top: int
) -> Iterator[ClipLabels]:
    for _, clip in label_clips(source, recognizer, length, step):
        if clip is not None:
            yield ClipLabels(*clip.times(source.fps), best_labels(clip.scores, recognizer.names, top))
