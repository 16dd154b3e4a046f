"""Which frames of a video make clips, and the part of a test pipeline that prepares them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from mmaction.datasets.transforms import SampleFrames
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope

from mmhvt.analysis.views import CROPS
from mmhvt.apis.models import test_dataset
from mmhvt.datasets import NameDataset, SampleKeyFrameClip


@dataclass
class Sampling:
    """How the clips of a video are chosen.

    Without `stride`, `sampler` chooses them, a transform of mmaction. With it, a window of `clip_len` frames,
    `interval` apart, slides over the video from its first frame until it covers the last one. Past the end, the last
    frame is repeated.

    Args:
        clip_len: Frames of a clip.
        interval: Distance from one frame of a window to the next, in frames. Defaults to 1.
        stride: Distance from one window to the next, in frames, or in seconds if `in_seconds`.
        in_seconds: Whether `stride` is in seconds. Defaults to False.
        fps: Frame rate at which videos are sampled, and at which the values above count. Defaults to their own.
        sampler: Transform that adds ``frame_inds`` to a dict of ``total_frames``, ``avg_fps``, ``start_index``.
    """

    clip_len: int
    interval: int = 1
    stride: float | None = None
    in_seconds: bool = False
    fps: float | None = None
    sampler: Callable[[dict], dict] | None = None

    def __call__(self, total: int, fps: float) -> 'Clips':
        """The clips of a video of `total` frames at `fps` frames a second.

        Raises:
            ValueError: If windows would be less than a frame apart, or there is neither `stride` nor `sampler`.
        """
        seen = self.fps or fps
        count = total if self.fps is None else max(1, round(total / fps * self.fps))
        ratio = fps / seen
        if self.stride is None:
            if self.sampler is None:
                raise ValueError('clips are chosen by a stride or by a sampler, got neither')
            found = self.sampler(dict(total_frames=count, avg_fps=seen, start_index=0, modality='RGB'))
            inds = np.asarray(found['frame_inds']).reshape(-1, self.clip_len)
            return Clips(len(inds), lambda places: inds[places], total, ratio)
        stride = self.stride * seen if self.in_seconds else self.stride
        if stride < 1:
            raise ValueError(f'a stride of {self.stride:g} s is less than a frame at {seen:g} frames a second')
        span = (self.clip_len - 1) * self.interval + 1
        windows = max(1, min(math.ceil((count - span) / stride) + 1, math.ceil(count / stride)))
        offsets = np.arange(self.clip_len) * self.interval
        return Clips(
            windows,
            lambda places: (np.rint(places * stride)[:, None] + offsets).clip(0, count - 1),
            total,
            ratio,
            short=count < span,
        )


class Clips:
    """Frame numbers of the clips of a video, made when asked for.

    Args:
        count: Number of clips.
        frames: Function from clip numbers (n,) to frame numbers (n, clip_len) at the sampled rate.
        total: Number of frames of the video.
        ratio: Frames of the video per frame at the sampled rate.
        short: Whether the video is shorter than a clip. Defaults to False.
    """

    def __init__(
        self, count: int, frames: Callable[[np.ndarray], np.ndarray], total: int, ratio: float, short: bool = False
    ) -> None:
        self.count, self.short = count, short
        self._frames, self._total, self._ratio = frames, total, ratio

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, places: slice) -> np.ndarray:
        """(n, clip_len) int64."""
        seen = self._frames(np.arange(*places.indices(self.count)))
        return np.rint(seen * self._ratio).astype(np.int64).clip(0, self._total - 1)


class Preprocessing:
    """The part of a config's test pipeline that follows the reading of frames.

    Args:
        cfg: Config with `test_dataloader.dataset.pipeline`, of mmaction, mmpretrain or mmdet.
        center_crop: Whether a center crop replaces ThreeCrop, FiveCrop and TenCrop. Defaults to False.

    Attributes:
        sampling: Config of the transform that chooses frames, or None for images.
        image: Whether each frame goes through a pipeline for images.
        dataset: Name that NameDataset gives the dataset, or None.

    Raises:
        ValueError: If there is no such pipeline, or nothing in it reads frames.
    """

    def __init__(self, cfg: Config, center_crop: bool = False) -> None:
        try:
            dataset = test_dataset(cfg)
        except ValueError as error:
            hint = ''
            if str(cfg.model.get('type')).endswith('MAE'):
                hint = ': a fine-tuning config has one, and loads a pre-training checkpoint into its backbone'
            raise ValueError(f'{error}{hint}') from None
        pipeline = dataset.pipeline
        self.scope = dataset.get('_scope_', cfg.get('default_scope', 'mmengine'))
        names = [_name(transform) for transform in pipeline]
        readers = [i for i, name in enumerate(names) if name.endswith('Decode') or name.startswith('LoadImage')]
        if not readers:
            raise ValueError(f'the test pipeline reads no frames: {", ".join(names)}')
        self.image = names[readers[-1]].startswith('LoadImage')
        before, after = pipeline[: readers[-1]], pipeline[readers[-1] + 1 :]
        self.sampling = next((transform for transform in before if 'clip_len' in transform), None)
        after = [transform for transform in after if not _name(transform).startswith('Load')]
        named = [transform['name'] for transform in after if _name(transform) == NameDataset.__name__]
        self.dataset = named[-1] if named else None
        if center_crop:
            after = [
                dict(type='mmaction.CenterCrop', crop_size=transform['crop_size']) if _name(transform) in CROPS
                else transform
                for transform in after
            ]  # fmt: skip
        # frames (M, C, H, W), not clips
        self.flat = any(transform.get('input_format') == 'NCHW' for transform in after)
        self.cfgs = [dict(transform) for transform in after]
        self._compose: Compose | None = None

    def build(self, transforms: Sequence[dict]) -> Compose:
        """Transforms in the scope of the pipeline."""
        with DefaultScope.overwrite_default_scope(self.scope):
            return Compose(transforms)

    def __call__(self, frames: list[np.ndarray], path: str, indices: np.ndarray, total: int, fps: float) -> dict:
        """`inputs` and `data_samples` of frames (H, W, 3) uint8 RGB."""
        if self._compose is None:
            self._compose = self.build(self.cfgs)
        size = frames[0].shape[:2]
        shapes = dict(img_shape=size, ori_shape=size, original_shape=size)
        if self.image:
            bgr = cv2.cvtColor(frames[0], cv2.COLOR_RGB2BGR)
            return self._compose(dict(img=bgr, img_path=path, img_id=int(indices[0]), sample_idx=0, **shapes))
        return self._compose(
            dict(
                imgs=list(frames), num_clips=1, clip_len=len(frames), frame_inds=indices, frame_interval=None,
                filename=path, total_frames=total, avg_fps=fps, start_index=0, modality='RGB', label=-1, **shapes,
            )
        )  # fmt: skip


def _name(transform: dict) -> str:
    kind = transform['type']
    return kind.split('.')[-1] if isinstance(kind, str) else kind.__name__


def choose_sampling(
    preprocessing: Preprocessing,
    clip_len: int | None = None,
    interval: int | None = None,
    stride: float | None = None,
    in_seconds: bool = False,
    fps: float | None = None,
    num_clips: int | None = None,
) -> Sampling:
    """The config's own choice of clips, or another one.

    Args:
        preprocessing: Preprocessing of the config.
        clip_len: Frames of a clip. Defaults to the config's; images have one.
        interval: As in :class:`Sampling`. Defaults to the config's.
        stride: As in :class:`Sampling`. Defaults to the clips that the config tests, and to each frame for images.
        in_seconds: As in :class:`Sampling`.
        fps: As in :class:`Sampling`. Defaults to the config's `target_fps`, if it has one, with `stride`.
        num_clips: Number of clips, spread over the video as the config's transform spreads them. Defaults to the
            config's.

    Raises:
        ValueError: If these contradict one another, or the config does not say what is left out.
    """
    cfg = preprocessing.sampling
    if stride is not None and num_clips is not None:
        raise ValueError('--stride and --num-clips are two ways to choose clips: give one')
    if cfg is None:
        if (clip_len or 1) != 1 or (interval or 1) != 1:
            raise ValueError(
                'the test pipeline reads images: a clip is one frame, without --clip-len and --frame-interval'
            )
        if num_clips is None:
            return Sampling(1, 1, 1 if stride is None else stride, in_seconds, fps)
        return Sampling(1, fps=fps, sampler=SampleFrames(clip_len=1, num_clips=num_clips, test_mode=True))
    length = clip_len or cfg['clip_len']
    if stride is not None:
        step = interval or cfg.get('frame_interval')
        if step is None:
            raise ValueError(
                f'{_name(cfg)} of the config spreads the frames of a clip over the video: --stride needs '
                '--frame-interval, the distance between the frames of a window'
            )
        if fps is None:
            fps = cfg.get('target_fps', 30 if _name(cfg) == SampleKeyFrameClip.__name__ else None)
        return Sampling(length, step, stride, in_seconds, fps)
    if _name(cfg) == SampleKeyFrameClip.__name__:
        raise ValueError(
            f'{_name(cfg)} of the config chooses clips around key frames: --stride says where there are clips, '
            '--stride 1s for one per second'
        )
    changes = dict(clip_len=length)
    changes |= dict(frame_interval=interval) if interval else {}
    changes |= dict(num_clips=num_clips) if num_clips else {}
    try:
        (sampler,) = preprocessing.build([{**cfg, **changes}]).transforms
    except TypeError as error:
        raise ValueError(f'{_name(cfg)} of the config does not accept {changes}: {error}') from error
    return Sampling(length, fps=fps, sampler=sampler)
