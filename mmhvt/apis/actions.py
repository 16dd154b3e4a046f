"""Detection of persons and of their actions, by models of mmdet and of this package."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch
from mmaction.datasets.transforms import DecordDecode, DecordInit, RawFrameDecode
from mmdet.apis import inference_detector
from mmdet.models import BaseDetector
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import DefaultScope

from mmhvt.datasets import SampleKeyFrameClip
from mmhvt.models.detectors import ActionDetector
from mmhvt.utils.configs import naming_config

from .boxes import inside
from .labels import read_names
from .models import load_config, load_model, test_dataset, test_pipeline
from .streams import FrameSource, RecentFrames


class PersonDetector:
    """Detector of persons in a picture, by a model of mmdet.

    Args:
        config: Path or name of the config.
        checkpoint: File or URL of the weights.
        category: Index of the person class.
        device: Device of the model.

    Raises:
        ValueError: If the config is not that of an image detector, or the checkpoint does not fit it.
    """

    def __init__(self, config: str, checkpoint: str, category: int, device: str) -> None:
        cfg = load_config(config)
        self.scope, self.category = cfg.get('default_scope', 'mmdet'), category
        first, *others = test_pipeline(cfg) or [dict(type='nothing')]
        if 'LoadImage' not in str(first['type']):
            raise ValueError(
                f'{config} is no detector: its test pipeline begins with {first["type"]}, not with an image'
            )
        with DefaultScope.overwrite_default_scope(self.scope):
            self.model = load_model(cfg, checkpoint, device, BaseDetector)
            with naming_config(config):
                self.pipeline = Compose([{**first, 'type': 'mmdet.LoadImageFromNDArray'}, *others])

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Boxes (n, 5) in a frame (H, W, 3) uint8 RGB: x1, y1, x2, y2 as fractions of the frame, and score.

        Raises:
            ValueError: If the model predicts something other than boxes.
        """
        with DefaultScope.overwrite_default_scope(self.scope):
            found = inference_detector(self.model, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), self.pipeline)
        if 'pred_instances' not in found or 'bboxes' not in found.pred_instances:
            raise ValueError(f'{self.model.cfg.filename} is no detector: {type(self.model).__name__} predicts no boxes')
        persons = found.pred_instances[found.pred_instances.labels == self.category].cpu()
        height, width, _ = frame.shape
        boxes = persons.bboxes.numpy().astype(float) / [width, height, width, height]
        return np.c_[boxes, persons.scores.numpy()]


class ActionFinder:
    """Scores of the actions of persons whose boxes are given.

    Args:
        config: Path of the config.
        checkpoint: File or URL of the weights.
        labels: File of the names of the actions. Defaults to the config's `label_file` if it exists, or else to the
            names in the checkpoint.
        device: Device of the model.

    Attributes:
        names: Names of the actions by column of the scores.
        sampler: Transform that chooses the frames of a clip.

    Raises:
        ValueError: If config, checkpoint and names do not fit together.
    """

    def __init__(self, config: str, checkpoint: str, labels: Path | None, device: str) -> None:
        cfg = load_config(config)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmaction')):
            self.model = load_model(cfg, checkpoint, device, ActionDetector)
            with naming_config(config):
                transforms = Compose(test_pipeline(cfg)).transforms
        # the video is open already
        transforms = [transform for transform in transforms if not isinstance(transform, DecordInit)]
        decode = [isinstance(transform, DecordDecode | RawFrameDecode) for transform in transforms]
        sampler = next((transform for transform in transforms if isinstance(transform, SampleKeyFrameClip)), None)
        if not any(decode) or sampler is None:
            raise ValueError(
                f'{config}: the test pipeline needs mmhvt.SampleKeyFrameClip, and DecordDecode or RawFrameDecode'
            )
        self.sampler = sampler
        self.pipeline = Compose([DecordDecode() if is_one else t for t, is_one in zip(transforms, decode, strict=True)])
        self.columns = self.model.roi_head.bbox_head.num_classes
        dataset = test_dataset(cfg)
        self.names = self._names(labels, dataset.get('label_file'), dataset.get('custom_classes'))

    def _names(self, labels: Path | None, of_config: str | None, custom: list[int] | None) -> dict[int, str]:
        # column 0 stands for no action, or for whether there is a person
        ids = dict(enumerate(custom or range(1, self.columns), 1))
        of_checkpoint = (getattr(self.model, 'dataset_meta', None) or {}).get('classes') or ()
        if labels is None and of_config is not None and Path(of_config).is_file():
            labels = Path(of_config)
        if labels is None and len(of_checkpoint) == len(ids):
            return dict(enumerate(of_checkpoint, 1))
        if labels is None:
            print(f'note: the actions have no names, there is no {of_config or "label_file in the config"} (--labels)')
            return {column: f'action {number}' for column, number in ids.items()}
        named = read_names(labels)
        if custom and (nameless := sorted(set(custom) - set(named))):
            raise ValueError(f'{labels} has no name for action {nameless[0]}, one of custom_classes')
        if not custom and max(named) != self.columns - 1:
            raise ValueError(f'{labels} names actions up to number {max(named)}, the head has {self.columns - 1}')
        # AVA evaluates and names only 60 of its 80 actions
        return {column: named[number] for column, number in ids.items() if number in named}

    def reach(self, fps: float) -> tuple[int, int]:
        """Numbers of video frames that a clip needs before and after its key frame."""
        clip = self.sampler
        interval, middle = clip.frame_interval / clip.target_fps * fps, clip.clip_len // 2
        return math.ceil(middle * interval) + 1, math.ceil((clip.clip_len - 1 - middle) * interval) + 1

    def __call__(self, video: RecentFrames, seconds: float, boxes: np.ndarray) -> np.ndarray:
        """Scores (n, columns) of boxes (n, 4), fractions of the frame, from the clip around a key frame.

        `video` is read as far as the clip reaches, or to its end.
        """
        name = Path(video.name).stem
        sample = dict(
            filename=video.name, video_reader=video, total_frames=len(video), avg_fps=video.fps,
            video_id=name, img_key=f'{name},{seconds:g}', timestamp=seconds, timestamp_start=0,
            proposals=boxes, gt_bboxes=boxes.copy(), gt_labels=np.zeros((len(boxes), self.columns), np.float32),
        )  # fmt: skip
        with torch.no_grad():
            (found,) = self.model.test_step(pseudo_collate([self.pipeline(sample)]))
        return found.pred_instances.scores.cpu().numpy()


class KeyFrameFinder:
    """Actions of the persons at a moment of a video.

    Args:
        finder: Model of actions.
        boxes_at: Function of a video and a frame number. It returns (n, 5) boxes as fractions of the frame, and scores
            or NaN, or None if nothing is known about the frame.
        size: Width and height of the frames.
        fps: Frames a second.
        det_score: Lowest score of a box that has one.
        action_score: Lowest score of an action.

    Attributes:
        before, after: Numbers of frames that a clip reaches back and ahead.
        counts: Numbers of `key_frames`, of `unknown` ones among them, of `boxes`, and of boxes left out because their
            score is `low` or they lie `outside` the frame.
    """

    def __init__(
        self,
        finder: ActionFinder,
        boxes_at: Callable[[RecentFrames, int], np.ndarray | None],
        size: tuple[int, int],
        fps: float,
        det_score: float,
        action_score: float,
    ) -> None:
        self._finder, self._boxes_at, self._scale = finder, boxes_at, np.array(size * 2)
        self._det_score, self._action_score = det_score, action_score
        self.before, self.after = finder.reach(fps)
        self.counts: Counter = Counter()

    def __call__(self, video: RecentFrames, seconds: float) -> dict:
        """A key frame, as in the JSON of tools/demo/spatiotemporal.py.

        Args:
            video: Video, read as far as the clip reaches or to its end.
            seconds: Time of the key frame.
        """
        counts, index = self.counts, round(seconds * video.fps)
        rows = self._boxes_at(video, index)
        counts['key_frames'] += 1
        counts['unknown'] += rows is None
        rows = np.zeros((0, 5)) if rows is None else rows
        sure = rows[~(rows[:, 4] < self._det_score)]
        counts['low'] += len(rows) - len(sure)
        rows = inside(sure)
        counts['outside'] += len(sure) - len(rows)
        counts['boxes'] += len(rows)
        scores: Iterable[np.ndarray] = self._finder(video, seconds, rows[:, :4]) if len(rows) else []
        boxes = []
        for row, line in zip(rows, scores, strict=True):
            ranked = sorted((-float(line[column]), name) for column, name in self._finder.names.items())
            actions = [
                dict(name=name, score=round(-minus, 4)) for minus, name in ranked if -minus >= self._action_score
            ]
            score = None if np.isnan(row[4]) else round(float(row[4]), 4)
            boxes.append(dict(box=(row[:4] * self._scale).round(2).tolist(), score=score, actions=actions))
        return dict(seconds=round(seconds, 3), frame=index, boxes=boxes)


def file_key_frames(source: FrameSource, find: KeyFrameFinder, every: float) -> Iterator[dict]:
    """Key frames of a file, in order, up to its last frame.

    Args:
        source: File; frames to draw come from another call of its :meth:`frames`.
        find: Model of persons and actions at a moment.
        every: Seconds between key frames.
    """
    video = RecentFrames(source.frames(), find.before + find.after + 1, source.name, source.fps)
    for number in count():
        index = round(number * every * source.fps)
        video.read_to(index + find.after)
        if index >= len(video):
            return
        yield find(video, number * every)


def stream_key_frames(
    source: FrameSource, find: KeyFrameFinder, every: float
) -> Iterator[tuple[np.ndarray, dict | None]]:
    """Frames and key frames of a stream or camera, which can be read only once.

    Frames are held until the clip around them is complete. A key frame of a live source is skipped if a newer one is
    already waiting; `counts['skipped']` counts them.

    Args:
        source: Stream or camera.
        find: Model of persons and actions at a moment.
        every: Seconds between key frames.

    Yields:
        Each frame (H, W, 3) uint8 RGB, with its key frame entry, or None if it is not a key frame.
    """
    reach = find.before + find.after + 1
    video = RecentFrames(source.frames(reach), reach, source.name, source.fps)
    number = 0
    try:
        for index in count():
            video.read_to(index + find.after)
            if index >= len(video):
                return
            entry = None
            if index == round(number * every * source.fps):
                if source.live and source.waiting >= every * source.fps:
                    find.counts['skipped'] += 1
                elif not source.stopped:
                    entry = find(video, number * every)
                number += 1
            yield video[index], entry
    except KeyboardInterrupt:
        source.stop()
