"""Labels of videos of any length, by sliding clips."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from mmaction.datasets import transforms
from mmaction.models import BaseRecognizer
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from mmhvt.datasets import NameDataset

from .labels import check_names, read_names
from .models import count_classes, load_config, load_model, naming_config, test_dataset, test_pipeline
from .streams import FrameSource, RecentFrames

OPENING = (transforms.DecordInit, transforms.OpenCVInit, transforms.PyAVInit, transforms.PIMSInit)
DECODING = (
    transforms.DecordDecode, transforms.OpenCVDecode, transforms.PyAVDecode, transforms.PIMSDecode,
    transforms.RawFrameDecode,
)  # fmt: skip
# of a clip of a sampler that takes the whole video, whatever its length: as long as videos of Kinetics
USUAL_SECONDS = 10.0


class LabeledClip(NamedTuple):
    """What a recognizer says of a part of a video.

    Args:
        first: Number of the first frame.
        length: Frames.
        scores: (classes,).
    """

    first: int
    length: int
    scores: np.ndarray


class ClipRecognizer:
    """Scores of the classes of clips, by a recognizer of mmaction2 with any backbone and head.

    The clips go through the config's test pipeline, one a time with all of its crops.

    Args:
        config: Path.
        checkpoint: File or URL.
        labels: Names of the classes; by default the `classes` of the metainfo of the config's test dataset.
        device: To run on.

    Attributes:
        names: Of the classes, in order.
        has_names: Whether they were given.

    Raises:
        ValueError: If config, checkpoint and names do not fit together.
    """

    def __init__(self, config: str, checkpoint: str, labels: Path | None, device: str) -> None:
        cfg = load_config(config)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmaction')):
            self.model = load_model(cfg, checkpoint, device, BaseRecognizer)
            with naming_config(config):
                steps = Compose(test_pipeline(cfg)).transforms
        places = [place for place, step in enumerate(steps) if isinstance(step, DECODING)]
        samplers = [step for step in steps[: places[0]] if not isinstance(step, OPENING)] if places else []
        if not samplers or not hasattr(samplers[-1], 'clip_len'):
            raise ValueError(
                f'{config}: the test pipeline needs a choice of frames (SampleFrames, UniformSample, …), and then '
                'DecordDecode or another that decodes RGB frames'
            )
        self._sampler = samplers[-1]
        # a clip is one sample, always the same; to 2D recognizers a sample is a clip of one frame from each segment
        one = dict(num_sample_positions=1, twice_sample=False, test_mode=True)
        if self._sampler.clip_len > 1:
            one['num_clips'] = 1
        for sampler in samplers:
            for name, value in one.items():
                if hasattr(sampler, name):
                    setattr(sampler, name, value)
        rest = steps[places[0] + 1 :]
        # frames that are held are small, and resized once for all clips that they are in
        self._resize = None
        if rest and type(rest[0]) is transforms.Resize and not rest[0].lazy:
            self._resize, *rest = rest
        self._pipeline = Compose([*samplers, transforms.DecordDecode(), *rest])
        if not any('Pack' in type(step).__name__ for step in rest):
            raise ValueError(f'{config}: the test pipeline has to end with PackActionInputs')
        self.names, self.has_names = self._names(labels, test_dataset(cfg).get('metainfo') or {})

    def _names(self, labels: Path | None, metainfo: dict) -> tuple[list[str], bool]:
        datasets = [step.name for step in self._pipeline.transforms if isinstance(step, NameDataset)]
        classes = count_classes(self.model, datasets[-1] if datasets else None)
        if not classes:
            raise ValueError(
                f'{self.model.cfg.filename}: the model has no head that tells classes apart, or no one for the dataset '
                'that the test pipeline names (mmhvt.NameDataset)'
            )
        if labels is None and not metainfo.get('classes'):
            return [f'class {number}' for number in range(classes)], False
        if labels is None:
            names, where = list(metainfo['classes']), f'{self.model.cfg.filename}: metainfo'
        else:
            numbered = read_names(labels)
            names, where = [numbered[number] for number in sorted(numbered)], str(labels)
        check_names(names, classes, where)
        return names, True

    def length(self, fps: float, seconds: float | None = None) -> int:
        """Frames of a video that a clip extends over.

        Args:
            fps: Of the video.
            seconds: To take clips of; by default what the sampler's interval says, or 10 if it takes frames from the
                whole video, whatever its length.
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
        """A frame (H, W, 3) uint8 RGB as clips hold it."""
        if self._resize is None:
            return frame
        return self._resize(dict(imgs=[frame], img_shape=frame.shape[:2]))['imgs'][0]

    def __call__(self, video: RecentFrames, first: int, length: int) -> np.ndarray:
        """Scores (classes,) of a clip of a video.

        Args:
            video: Frames that went through :meth:`prepare`.
            first: Number of the first frame of the clip.
            length: Frames that the clip is sampled from.
        """
        reader = SimpleNamespace(get_batch=lambda indices: video.get_batch(first + np.asarray(indices)))
        sample = dict(
            filename=video.name, video_reader=reader, total_frames=length, avg_fps=video.fps, start_index=0,
            modality='RGB', label=-1,
        )  # fmt: skip
        with torch.no_grad():
            (found,) = self.model.test_step(pseudo_collate([self._pipeline(sample)]))
        return found.pred_score.float().cpu().numpy()


def label_clips(
    source: FrameSource, recognizer: ClipRecognizer, length: int, step: int
) -> Iterator[tuple[np.ndarray | None, LabeledClip | None]]:
    """Labels clips that slide over a source, each as soon as it is whole.

    What is left at the end is labeled with the last clip, that ends there. Of a live source, clips are left out while
    a newer one is there already.

    Args:
        source: To read.
        recognizer: Scores clips.
        length: Frames of a clip.
        step: Frames from the start of a clip to the start of the next.

    Yields:
        Each frame (H, W, 3) uint8 RGB, or None behind the last, and the clip that ends with it, if one does.
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
    """Frames with the clip whose middle is nearest, or the first that there is.

    Args:
        labeled: Of :func:`label_clips`.
        step: Frames from clip to clip.
        lag: Frames to hold back; labels of clips that are longer come late.

    Yields:
        Frame and clip; None before the first of them, if that comes late.
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
