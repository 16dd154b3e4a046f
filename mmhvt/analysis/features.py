"""Features and scores of videos, clip by clip, in memory that depends on neither their length nor their number.

`tools/analysis/extract_features.py` calls these; docs/features.md tells what comes out.
"""

import hashlib
import json
import math
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2  # before decord: behind its libraries cv2 reads no PNG
import numpy as np
import torch
import torch.nn.functional as F
from mmaction.datasets.transforms import SampleFrames
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from mmhvt import migrate
from mmhvt.analysis.feature_files import ArrayFile, Folder, H5File, unfinished_name
from mmhvt.analysis.views import CROPS
from mmhvt.apis.labels import check_names
from mmhvt.apis.models import test_dataset
from mmhvt.apis.videos import Video
from mmhvt.datasets import NameDataset, SampleKeyFrameClip, UnreadableVideoError
from mmhvt.engine.hooks.checkpoint_check_hook import Comparison
from mmhvt.migrate.loading import adapt, adapt_backbone, line
from mmhvt.migrate.reading import fetch

POOLS = ('mean', 'space', 'none')
# at least so many frames are read at once: a read begins at a key frame, which may be far back
FRAMES_AT_ONCE = 64
# of whole frames, before the pipeline makes them small; a clip may have more
BYTES_AT_ONCE = 2**28
MOST_LABELS = 5


# ---- which frames


@dataclass
class Sampling:
    """How the clips of a video are chosen.

    Without `stride` they are those of `sampler`, a transform of mmaction. With it, a window of `clip_len` frames,
    `interval` apart, slides over the video from its first frame on until it has seen the last one. What reaches over
    the end repeats the last frame.

    Args:
        clip_len: Frames of a clip.
        interval: From one frame of a window to the next, in frames.
        stride: From one window to the next, in frames, or in seconds if `in_seconds`.
        in_seconds: What `stride` counts.
        fps: Videos are seen at so many frames a second, which is then what frames mean above; None for their own.
        sampler: Adds ``frame_inds`` to a dict of ``total_frames``, ``avg_fps``, ``start_index``.
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
            ValueError: If windows would be less than a frame apart.
        """
        seen = self.fps or fps
        count = total if self.fps is None else max(1, round(total / fps * self.fps))
        ratio = fps / seen
        if self.stride is None:
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
        count: Clips.
        frames: Frames (n, clip_len) as seen of clips (n,).
        total: Frames of the video.
        ratio: Frames of the video for one as seen.
        short: Whether the video is shorter than a clip.
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


# ---- what the model is given


class Preprocessing:
    """The part of a config's test pipeline that stands behind the reading of frames.

    Args:
        cfg: With `test_dataloader.dataset.pipeline`, of mmaction, mmpretrain or mmdet.
        center_crop: One crop in the middle in the place of ThreeCrop, FiveCrop and TenCrop.

    Attributes:
        sampling: Config of the transform that chooses frames, or None for images.
        image: Whether each frame goes through a pipeline of images.
        dataset: What NameDataset calls it, or None.

    Raises:
        ValueError: If there is no such pipeline, or nothing in it reads frames.
    """

    def __init__(self, cfg: Config, center_crop: bool = False) -> None:
        try:
            dataset = test_dataset(cfg)
        except ValueError as error:
            hint = ''
            if str(cfg.model.get('type')).endswith('MAE'):
                hint = ': a config of fine-tuning has one, and takes a checkpoint of pre-training for its backbone'
            raise ValueError(f'{error}{hint}') from None
        pipeline = dataset.pipeline
        self.scope = dataset.get('_scope_', cfg.get('default_scope', 'mmengine'))
        names = [_name(transform) for transform in pipeline]
        readers = [i for i, name in enumerate(names) if name.endswith('Decode') or name.startswith('LoadImage')]
        if not readers:
            raise ValueError(f'the test pipeline reads no frames: {", ".join(names)}')
        self.image = names[readers[-1]].startswith('LoadImage')
        before, behind = pipeline[: readers[-1]], pipeline[readers[-1] + 1 :]
        self.sampling = next((transform for transform in before if 'clip_len' in transform), None)
        behind = [transform for transform in behind if not _name(transform).startswith('Load')]
        named = [transform['name'] for transform in behind if _name(transform) == NameDataset.__name__]
        self.dataset = named[-1] if named else None
        if center_crop:
            behind = [
                dict(type='mmaction.CenterCrop', crop_size=transform['crop_size']) if _name(transform) in CROPS
                else transform
                for transform in behind
            ]  # fmt: skip
        # frames (M, C, H, W), not clips
        self.flat = any(transform.get('input_format') == 'NCHW' for transform in behind)
        self.cfgs = [dict(transform) for transform in behind]
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
        preprocessing: Of the config.
        clip_len: Frames of a clip; None for the config's. Images have one.
        interval: As in :class:`Sampling`; None for the config's.
        stride: As in :class:`Sampling`; None for the clips that the config tests, and for images each frame.
        in_seconds: As in :class:`Sampling`.
        fps: As in :class:`Sampling`; None for the config's `target_fps`, if it has one, with `stride`.
        num_clips: Evenly spread over the video, as the config's transform spreads them; None for as many as there.

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
                '--frame-interval, the frames from one of a window to the next'
            )
        if fps is None:
            fps = cfg.get('target_fps', 30 if _name(cfg) == SampleKeyFrameClip.__name__ else None)
        return Sampling(length, step, stride, in_seconds, fps)
    if _name(cfg) == SampleKeyFrameClip.__name__:
        raise ValueError(
            f'{_name(cfg)} of the config chooses clips about key frames: --stride says where there are clips, '
            '--stride 1s for one a second'
        )
    changes = dict(clip_len=length)
    changes |= dict(frame_interval=interval) if interval else {}
    changes |= dict(num_clips=num_clips) if num_clips else {}
    try:
        (sampler,) = preprocessing.build([{**cfg, **changes}]).transforms
    except TypeError as error:
        raise ValueError(f'{_name(cfg)} of the config does not take {changes}: {error}') from error
    return Sampling(length, fps=fps, sampler=sampler)


# ---- the model


class Extractor:
    """The features that a config's model makes of clips.

    Args:
        cfg: Config with `model`.
        checkpoint: File or URL of a runner or of a source that :mod:`mmhvt.migrate` knows. What it has beside the
            backbone is not needed, but for scores.
        stages: Of the backbone, negative ones count from the last; None for those of the config.
        out_type: Of the backbone; None for the config's, or what `pool` needs.
        pool: 'mean' over all places and frames: (C,). 'space': over the places of each frame, (C, T). 'none': maps
            (C, [T,] H, W).
        scores: Compute class scores too.
        device: To run on.
        amp: Run under autocast, float16 on GPUs and bfloat16 on CPUs.
        flat: Whether inputs of 5 axes are frames (N, M, C, H, W) rather than clips (N, C, T, H, W).

    Attributes:
        names: Of the arrays that it gives: '' for features of one stage, 'stage0' … of several, 'scores'.
        report: What became of the checkpoint.

    Raises:
        ValueError: If the model cannot be built, has no backbone or no such stage, or the checkpoint does not fit.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        stages: Sequence[int] | None = None,
        out_type: str | None = None,
        pool: str = 'mean',
        scores: bool = False,
        device: str = 'cpu',
        amp: bool = False,
        flat: bool = False,
    ) -> None:
        self.pool, self.amp, self.flat, self.device = pool, amp, flat, torch.device(device)
        scope = cfg.get('default_scope', 'mmengine')
        with DefaultScope.overwrite_default_scope(scope):
            self.model = revert_sync_batchnorm(MODELS.build(_model_cfg(cfg)))
            if not isinstance(getattr(self.model, 'backbone', None), nn.Module):
                raise ValueError(f'the model is {type(self.model).__name__}, which has no backbone')
            if scores and not (hasattr(self.model, 'cls_head') or hasattr(self.model, 'head')):
                raise ValueError(f'--scores: the model is {type(self.model).__name__}, which does not classify clips')
            backbone = self._backbone(cfg.model.backbone, stages, out_type, scores)
        content = migrate.load(checkpoint)
        if backbone is not self.model.backbone and not scores:
            self.model.backbone = backbone
        self.report = _load(self.model, content, checkpoint, scores)
        if backbone is not self.model.backbone:
            backbone.load_state_dict(adapt_backbone(backbone, content, checkpoint)[0], strict=False)
        self.backbone = backbone
        for module in (self.model, backbone):
            module.to(self.device)
            module.eval()  # of mmaction's ResNet gives None
        self.scores = scores
        if scores and isinstance(getattr(self.model, 'test_cfg', None), dict):
            # a clip is a sample here, and max_testing_views takes one at a time
            self.model.test_cfg = {k: v for k, v in self.model.test_cfg.items() if k != 'max_testing_views'}
        indices = getattr(self.backbone, 'out_indices', None)
        several = isinstance(indices, Sequence) and len(indices) > 1
        self.names = [f'stage{i}' for i in indices] if several else ['']
        self.names += ['scores'] if scores else []

    def _backbone(self, cfg: ConfigDict, stages: Sequence[int] | None, out_type: str | None, scores: bool) -> nn.Module:
        """The model's own, or another one that gives what is asked for."""
        own = self.model.backbone
        if out_type is None and self.pool != 'mean' and hasattr(own, 'out_type'):
            out_type = 'featmap'
        changes = dict(out_indices=tuple(stages)) if stages else {}
        changes |= dict(out_type=out_type) if out_type else {}
        if not changes:
            return own
        if not hasattr(own, 'optional_part'):
            kind = type(own).__name__
            if 'out_type' in changes or not hasattr(own, 'out_indices') or scores:
                raise ValueError(
                    f'--out-type, and --stage with --scores, are for backbones of mmhvt, and the backbone is {kind}'
                )
            return MODELS.build({**cfg, **changes})
        # the mean over the map has every stage, a class token or what the whole model makes of a clip has not
        other = MODELS.build({**cfg, **dict(out_type='avg_featmap' if own.out_type != 'featmap' else 'featmap'),
                              **changes})  # fmt: skip
        same_type = out_type is None or other.out_type == own.out_type
        return own if same_type and other.out_indices == own.out_indices else other

    @torch.no_grad()
    def __call__(self, samples: list[dict]) -> dict[str, Tensor]:
        """(N, …) by the names of :attr:`names` of what the pipeline made of N clips.

        Raises:
            ValueError: If maps of several crops would have to become one.
        """
        context = torch.autocast(self.device.type, torch.float16 if self.device.type == 'cuda' else torch.bfloat16)
        data = self.model.data_preprocessor(pseudo_collate(samples), False)
        found: dict[str, Tensor] = {}
        with context if self.amp else nullcontext():
            if self.scores:
                caught: list[Any] = []
                hook = self.model.backbone.register_forward_hook(lambda module, args, output: caught.append(output))
                try:
                    predictions = self.model(**data, mode='predict')
                finally:
                    hook.remove()
                found['scores'] = torch.stack([_score(prediction) for prediction in predictions]).float()
            if self.scores and self.backbone is self.model.backbone:
                (outputs,) = caught
            else:
                outputs = self.backbone(self._views(data['inputs']))
        outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
        names = [name for name in self.names if name != 'scores']
        for name, output in zip(names, outputs, strict=True):
            found[name] = self._pooled(output.float(), len(samples))
        return found

    def _views(self, inputs: Tensor) -> Tensor:
        """Clips or crops (N, M, …) -> (N · M, …)."""
        if inputs.ndim == 6 or (inputs.ndim == 5 and self.flat):
            inputs = inputs.flatten(0, 1)
        if hasattr(self.model, 'roi_head') and hasattr(self.backbone, 'patch_stride'):
            # as mmhvt.ActionDetector does
            sides = zip(inputs.shape[-2:], self.backbone.patch_stride[-2:], strict=True)
            down, right = (-n % stride for n, stride in sides)
            inputs = F.pad(inputs, (0, right, 0, down)) if down or right else inputs
        return inputs

    def _pooled(self, output: Tensor, clips: int) -> Tensor:
        tokens = getattr(self.backbone, 'out_type', None) == 'raw'
        if output.ndim > 2 and self.pool == 'mean':
            output = output.mean(1) if tokens else output.flatten(2).mean(2)
        elif self.pool == 'space':
            if output.ndim < 4 or tokens:
                raise ValueError(f'--pool space takes maps, the backbone gives {tuple(output.shape[1:])} for a clip')
            output = output.mean((-2, -1))
        output = output.unflatten(0, (clips, -1))  # (N, M, …)
        if output.shape[1] > 1 and self.pool == 'none' and output.ndim > 3:
            raise ValueError(
                f'the pipeline makes {output.shape[1]} crops of a clip, whose maps cannot be averaged: --center-crop '
                'takes the middle one, --pool mean or space averages'
            )
        return output.mean(1)


def _model_cfg(cfg: Config) -> ConfigDict:
    """As MMEngine's runner builds it."""
    model = ConfigDict(cfg.model.to_dict())
    if cfg.get('data_preprocessor') is not None:
        model.setdefault('data_preprocessor', cfg.data_preprocessor)
    return model


def _score(prediction: Any) -> Tensor:
    score = prediction.get('pred_score', None)
    if not isinstance(score, Tensor):
        raise ValueError('--scores: the model gives no class scores of a clip')
    return score.float().mean(0) if score.ndim > 1 else score  # average_clips=None keeps views


def _load(model: nn.Module, content: dict[str, Tensor], path: str, scores: bool) -> str:
    """Loads the backbone whole, and what there is of the rest; says what was done."""
    if hasattr(model.backbone, 'optional_part'):
        state, fates = adapt(model, content, path)
        left = [fate.name for fate in fates if fate.what == 'missing' and not fate.name.startswith('backbone.')]
        fates = [fate for fate in fates if fate.what in ('resized', 'inflated', 'summed', 'derived', 'missing')]
        told = line([fate for fate in fates if fate.name.startswith('backbone.')])
        # how many fit is no news
        told = told.partition('; ')[2]
    else:
        comparison = Comparison(model, content)
        problems = {name: what for name, what in comparison.problems.items() if what != 'not in the model'}
        wrong = {name: what for name, what in problems.items() if name.startswith('backbone.')}
        if wrong:
            raise ValueError(
                f'{path} does not fit the backbone {type(model.backbone).__name__}: {comparison.text(wrong)}'
            )
        left = [name for name in problems if name not in wrong]
        state = {name: value for name, value in content.items() if name not in problems}
        told = ''
    if scores and left:
        raise ValueError(f'--scores: {path} lacks what gives them: {", ".join(left[:3])}{" …" if left[3:] else ""}')
    model.load_state_dict(state, strict=False)
    return told


# ---- from videos to samples


class Request(NamedTuple):
    """Clips to read.

    Args:
        video: Number of the video.
        count: Clips of the video; 0 if it cannot be read.
        info: The video's `frames`, `fps`, `short`; the `error` if it cannot be read.
        first: Number of the first clip of this request.
        frames: Their numbers (n, clip_len); None if the video cannot be read.
    """

    video: int
    count: int
    info: dict
    first: int = 0
    frames: np.ndarray | None = None


class ClipReader(Dataset):
    """Clips as the test pipeline packs them, by :class:`Request`.

    Args:
        paths: Videos.
        preprocessing: What the pipeline does behind the reading.
        sampling: Which clips.
        clips: To read at once.
    """

    def __init__(self, paths: Sequence[Path], preprocessing: Preprocessing, sampling: Sampling, clips: int = 1) -> None:
        self.paths, self.preprocessing, self.sampling = paths, preprocessing, sampling
        self.clips = clips * max(1, round(FRAMES_AT_ONCE / (clips * sampling.clip_len)))
        self._open: tuple[int, Video] | None = None

    def video(self, number: int) -> Video:
        """A video; the last one stays open."""
        if self._open is None or self._open[0] != number:
            self._open = None
            self._open = number, Video(self.paths[number])
        return self._open[1]

    def requests(self) -> Iterator[Request]:
        """Of all videos, one after the other."""
        for number in range(len(self.paths)):
            try:
                video = self.video(number)
                clips = self.sampling(len(video), video.fps)
            except Exception as error:  # of any kind: the other videos do not suffer from it
                yield Request(number, 0, dict(error=_text(error)))
                continue
            info = dict(frames=len(video), fps=video.fps, short=clips.short)
            for first in range(0, len(clips), self.clips):
                yield Request(number, len(clips), info, first, clips[first : first + self.clips])

    def __getitem__(self, request: Request) -> tuple[Request, list[dict]]:
        if request.frames is None:
            return request, []
        path, info = str(self.paths[request.video]), request.info
        samples = []
        try:
            video = self.video(request.video)
            some = max(1, BYTES_AT_ONCE // (3 * video.height * video.width * request.frames.shape[1]))
            for first in range(0, len(request.frames), some):
                numbers = request.frames[first : first + some]
                frames = video.get_batch(numbers.ravel()).asnumpy()
                samples += [
                    self.preprocessing(
                        frames[i * len(row) : (i + 1) * len(row)], path, row, info['frames'], info['fps']
                    )
                    for i, row in enumerate(numbers)
                ]
        except Exception as error:
            return request._replace(info=dict(error=_text(error))), []
        return request, samples


def _text(error: Exception) -> str:
    text = ' '.join(str(error).split()) or type(error).__name__
    return text if isinstance(error, UnreadableVideoError | ValueError) else f'{type(error).__name__}: {text}'


def _as_is(found: Any) -> Any:
    return found


def _begin_worker(number: int) -> None:
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers


# ---- all of it


def _digest(*parts: str | Path) -> str:
    """The first 12 digits of SHA-256 of texts and files."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open('rb') as file:
                while block := file.read(2**20):
                    found.update(block)
        else:
            found.update(part.encode())
    return found.hexdigest()[:12]


def describe(cfg: Config, checkpoint: str, sampling: Sampling, preprocessing: Preprocessing, **options: Any) -> dict:
    """What features depend on, as it is kept beside them: weights and config by what is in them."""
    local = Path(fetch(checkpoint))
    sampler = None if sampling.sampler is None else repr(sampling.sampler)
    return dict(
        config=_digest(repr(_model_cfg(cfg).to_dict()), repr(preprocessing.cfgs)),
        checkpoint=_digest(local if local.is_file() else checkpoint),
        clip_len=sampling.clip_len,
        frame_interval=None if sampler else sampling.interval,
        stride=None if sampling.stride is None else f'{sampling.stride:g}{"s" if sampling.in_seconds else ""}',
        fps=sampling.fps,
        sampler=sampler,
        **options,
    )


@dataclass
class Summary:
    """What :func:`extract` did.

    Args:
        done: Videos.
        clips: Of these.
        failed: Why by the path of a video.
        short: Videos shorter than a clip.
        endless: Videos of which some values are no numbers.
    """

    done: int = 0
    clips: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    short: int = 0
    endless: int = 0


class _Job:
    """The files of a video in the making."""

    def __init__(self, request: Request, name: str, out: Folder | H5File, kinds: Sequence[str], dtype: str) -> None:
        self.name, self.request, self.out = name, request, out
        self.files = {kind: ArrayFile(out.file(name, kind), request.count, dtype) for kind in kinds}
        self.ends: list[np.ndarray] = []
        self.labels: list[list[dict]] = []
        self.finite = True

    def abandon(self) -> None:
        for file in self.files.values():
            file.abandon()

    def add(self, arrays: dict[str, np.ndarray], classes: Sequence[str] | None) -> None:
        for kind, values in arrays.items():
            self.files[kind].append(values)
            self.finite &= bool(np.isfinite(values.astype(self.files[kind].dtype)).all())
        if classes and 'scores' in arrays:
            check_names(classes, arrays['scores'].shape[1], '--labels')  # of heads that do not say how many
        for row in arrays.get('scores', ()):
            best = np.argsort(-row, kind='stable')[:MOST_LABELS]
            self.labels.append(
                [
                    dict(label=int(i), **(dict(name=classes[i]) if classes else {}), score=round(float(row[i]), 4))
                    for i in best
                ]
            )

    def finish(self, video: Path, folder: Path) -> None:
        for file in self.files.values():
            file.finish()
        ends, fps = np.concatenate(self.ends), self.request.info['fps']
        info = dict(
            video=os.path.abspath(video), name=self.name, frames=self.request.info['frames'], fps=fps,
            clips=ends.tolist(), seconds=np.round(ends / fps + [0, 1 / fps], 4).tolist(),
            files=[file.path.relative_to(folder).as_posix() for file in self.files.values()],
            **(dict(labels=self.labels) if self.labels else {}),
            settings=self.out.settings,
        )  # fmt: skip
        path = folder / f'{self.name}.json'
        unfinished = unfinished_name(path)
        unfinished.write_text(json.dumps(info))
        unfinished.replace(path)


def extract(
    videos: Sequence[Path],
    names: Sequence[str],
    extractor: Extractor,
    preprocessing: Preprocessing,
    sampling: Sampling,
    out: Folder | H5File,
    batch_size: int = 8,
    num_workers: int = 0,
    dtype: str = 'float32',
    classes: Sequence[str] | None = None,
    progress: Callable[[int, int, int], None] = lambda video, done, count: None,
) -> Summary:
    """Writes features of videos. One that cannot be read, or that the model does not take, does not stop the others.

    Args:
        videos: Files.
        names: Of each in `out` (:func:`output_names`).
        extractor: Makes the features.
        preprocessing: What stands between frames and the model.
        sampling: Which clips.
        out: Where to.
        batch_size: Clips that the model gets at once.
        num_workers: Processes that read videos; 0 reads in this one.
        dtype: Of the written features.
        classes: Names of the classes, for the JSON beside scores.
        progress: Called with the number of the video, its clips so far, and all of them, which are equal at its end.

    Raises:
        ValueError: If two files would have one name.
        torch.cuda.OutOfMemoryError: If the batch is too large for the device.
        OSError: If nothing can be written.
    """
    folder = out.parts.path if isinstance(out, H5File) else out.path
    files = Counter(out.file(name, kind) for name in names for kind in extractor.names)
    if files and (twice := files.most_common(1)[0])[1] > 1:
        raise ValueError(f'{twice[0]} would be of two of the videos: rename one, or give them another --out')
    reader = ClipReader(videos, preprocessing, sampling, batch_size)
    loader = DataLoader(
        reader, batch_size=None, sampler=reader.requests(), num_workers=num_workers,
        worker_init_fn=_begin_worker, collate_fn=_as_is,
    )  # fmt: skip
    summary = Summary()
    job: _Job | None = None
    try:
        for request, samples in loader:
            path = videos[request.video]
            if str(path) in summary.failed:
                continue  # was asked for before it failed
            try:
                if 'error' in request.info:
                    raise ValueError(request.info['error'])
                if request.first == 0:
                    job = _Job(request, names[request.video], out, extractor.names, dtype)
                job.ends.append(np.stack([request.frames.min(1), request.frames.max(1)], 1))
                for first in range(0, len(samples), batch_size):
                    found = extractor(samples[first : first + batch_size])
                    job.add({kind: values.cpu().numpy() for kind, values in found.items()}, classes)
                if request.first + len(samples) == request.count:
                    out.done(names[request.video], path)  # a parallel call may have taken its name for another video
            except (OSError, torch.cuda.OutOfMemoryError):
                raise
            except Exception as error:  # the model's, of a size that it does not take
                if job is not None:
                    job.abandon()
                    job = None
                summary.failed[str(path)] = _text(error)
                progress(request.video, 1, 1)
                continue
            seen = request.first + len(samples)
            if seen == request.count:
                job.finish(path, folder)
                summary.done += 1
                summary.clips += seen
                summary.short += request.info['short']
                summary.endless += not job.finite
                job = None
            progress(request.video, seen, request.count)
    finally:
        if job is not None:
            job.abandon()
    return summary
