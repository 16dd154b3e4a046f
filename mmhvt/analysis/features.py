"""Features and scores of videos, clip by clip, in memory that depends on neither their length nor their number.

`tools/analysis/extract_features.py` calls :func:`extract_features`; docs/guides/features.md describes the output.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2  # before decord: after its libraries cv2 reads no PNG
import numpy as np
import torch
from mmengine.config import Config
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader, Dataset

from mmhvt.apis.labels import check_names
from mmhvt.apis.models import check_device, count_classes, load_config
from mmhvt.apis.videos import Video
from mmhvt.datasets import UnreadableVideoError
from mmhvt.migrate.labels import label_list
from mmhvt.migrate.reading import fetch
from mmhvt.utils.configs import naming_config

from .clips import Preprocessing, Sampling, choose_sampling
from .extractor import Extractor, model_cfg
from .feature_files import (
    ArrayFile,
    Folder,
    H5File,
    find_videos,
    is_h5,
    open_output,
    output_names,
    read_list,
    unfinished_name,
)

# smallest number of frames per read: a read begins at a key frame, which may be far back
FRAMES_AT_ONCE = 64
# limit for whole frames, before the pipeline resizes them; a single clip may exceed it
BYTES_AT_ONCE = 2**28
MOST_LABELS = 5
MOST_LISTED = 20


class Request(NamedTuple):
    """Clips to read.

    Args:
        video: Number of the video.
        num_clips: Number of clips of the video; 0 if it cannot be read.
        info: `frames`, `fps` and `short` of the video; `error` if it cannot be read.
        first: Number of the first clip of this request. Defaults to 0.
        frames: Frame numbers (n, clip_len) of the clips; None if the video cannot be read.
    """

    video: int
    num_clips: int
    info: dict
    first: int = 0
    frames: np.ndarray | None = None


class ClipReader(Dataset):
    """Clips as the test pipeline packs them, by :class:`Request`.

    Args:
        paths: Video files.
        preprocessing: Part of the pipeline after reading.
        sampling: Choice of clips.
        clips: Number of clips to read at once. Defaults to 1.
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
        """Requests for all videos, one after the other."""
        for number in range(len(self.paths)):
            try:
                video = self.video(number)
                clips = self.sampling(len(video), video.fps)
            except Exception as error:  # of any kind: it does not affect the other videos
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


def _digest(*parts: str | Path) -> str:
    """The first 12 digits of the SHA-256 of texts and files."""
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
    """Settings that features depend on, as they are kept beside them; weights and config are digests."""
    local = Path(fetch(checkpoint))
    sampler = None if sampling.sampler is None else repr(sampling.sampler)
    return dict(
        config=_digest(repr(model_cfg(cfg).to_dict()), repr(preprocessing.cfgs)),
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
        done: Number of videos.
        clips: Number of their clips.
        failed: Reasons by video path.
        short: Number of videos that are shorter than a clip.
        endless: Number of videos with values that are not finite.
    """

    done: int = 0
    clips: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    short: int = 0
    endless: int = 0


class _Job:
    """The unfinished files of a video."""

    def __init__(self, request: Request, name: str, out: Folder | H5File, kinds: Sequence[str], dtype: str) -> None:
        self.name, self.request, self.out = name, request, out
        self.files = {kind: ArrayFile(out.file(name, kind), request.num_clips, dtype) for kind in kinds}
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
            check_names(classes, arrays['scores'].shape[1], '--labels')  # for heads that do not say how many
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
    """Write features of videos. One that cannot be read, or that the model rejects, does not stop the others.

    Args:
        videos: Video files.
        names: Name of each in `out`, see :func:`output_names`.
        extractor: Model of the features.
        preprocessing: Part of the pipeline between reading and the model.
        sampling: Choice of clips.
        out: Output.
        batch_size: Number of clips that the model gets at once. Defaults to 8.
        num_workers: Number of processes that read videos. Defaults to 0, which reads in this one.
        dtype: Data type of the written features. Defaults to 'float32'.
        classes: Names of the classes, for the JSON beside scores.
        progress: Function called with the number of the video, its clips so far, and the number of its clips.

    Raises:
        ValueError: If two files would have the same name.
        torch.cuda.OutOfMemoryError: If the batch is too large for the device.
        OSError: If nothing can be written.
    """
    folder = out.parts.path if isinstance(out, H5File) else out.path
    files = Counter(out.file(name, kind) for name in names for kind in extractor.names)
    if files and (twice := files.most_common(1)[0])[1] > 1:
        raise ValueError(f'{twice[0]} would belong to two of the videos: rename one, or give it another --out')
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
                continue  # was requested before its video failed
            try:
                if 'error' in request.info:
                    raise ValueError(request.info['error'])
                if job is None:  # the first clips of a video
                    job = _Job(request, names[request.video], out, extractor.names, dtype)
                job.ends.append(np.stack([request.frames.min(1), request.frames.max(1)], 1))
                for first in range(0, len(samples), batch_size):
                    found = extractor(samples[first : first + batch_size])
                    job.add({kind: values.cpu().numpy() for kind, values in found.items()}, classes)
                if request.first + len(samples) == request.num_clips:
                    out.done(names[request.video], path)  # a parallel call may have taken its name for another video
            except (OSError, torch.cuda.OutOfMemoryError):
                raise
            except Exception as error:  # from the model, for a size that it rejects
                if job is not None:
                    job.abandon()
                    job = None
                summary.failed[str(path)] = _text(error)
                progress(request.video, 1, 1)
                continue
            seen = request.first + len(samples)
            if seen == request.num_clips:
                job.finish(path, folder)
                summary.done += 1
                summary.clips += seen
                summary.short += request.info['short']
                summary.endless += not job.finite
                job = None
            progress(request.video, seen, request.num_clips)
    finally:
        if job is not None:
            job.abandon()
    return summary


@contextmanager
def _progress_bars(names: Sequence[str]) -> Iterator[Callable[[int, int, int], None]]:
    """Two progress bars on stderr, of videos and of the clips of one; yields the `progress` of :func:`extract`."""
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        videos = progress.add_task('videos', total=len(names))
        clips = progress.add_task('clips', total=None)

        def show(video: int, done: int, count: int) -> None:
            progress.update(clips, description=names[video][-40:], completed=done, total=count)
            if done == count:
                progress.advance(videos)

        yield show


def _report(out: Path, videos: int, done: Summary) -> int:
    """Print what was done and what was not; returns the exit status."""
    print(f'{out}: {done.clips} clips of {done.done} videos')
    if done.short:
        print(f'note: {done.short} videos are shorter than a clip; their last frame is repeated')
    if done.endless:
        print(f'note: features of {done.endless} videos are not finite numbers: --dtype float32, or without --amp')
    for path, why in list(done.failed.items())[:MOST_LISTED]:
        print(f'not done: {path}: {why}', file=sys.stderr)
    if done.failed:
        rest = ', the first of which are above' if len(done.failed) > MOST_LISTED else ''
        print(f'{len(done.failed)} of {videos} videos are not done{rest}', file=sys.stderr)
    return int(bool(done.failed))


def _start_output(path: Path, settings: dict, names: Sequence[str], overwrite: bool) -> Folder | H5File:
    """Open the output, without files that are stale or to be overwritten."""
    if overwrite and is_h5(path):
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_name(f'{path.name}.parts'), ignore_errors=True)
    out = open_output(path, settings)
    out.remove_stale()
    if overwrite:
        for name in names:
            out.forget(name)
    return out


def extract_features(
    config: str,
    checkpoint: str,
    videos: Sequence[str],
    out: Path,
    *,
    list: Path | None = None,
    video_root: Path | None = None,
    stage: Sequence[int] | None = None,
    out_type: str | None = None,
    pool: str = 'mean',
    scores: bool = False,
    labels: str | None = None,
    dtype: str = 'float32',
    overwrite: bool = False,
    stride: tuple[float, bool] | None = None,
    num_clips: int | None = None,
    clip_len: int | None = None,
    frame_interval: int | None = None,
    fps: float | None = None,
    center_crop: bool = False,
    batch_size: int = 8,
    num_workers: int = 2,
    device: str = 'cpu',
    amp: bool = False,
    cfg_options: dict | None = None,
) -> int:
    """Write features of videos, and class scores where asked for, and print what was done.

    Args:
        config: Path of a config, or its name as PACKAGE::PATH.
        checkpoint: File or URL, also of another repository.
        videos: Files, and folders of files.
        out: Folder for .npy files, or an .h5 file.
        list: File with one video per line, with or without labels.
        video_root: Folder that paths start from. Defaults to the working directory.
        stage: Stages of the backbone. Defaults to those of the config.
        out_type: Output type of the backbone. Defaults to that of the config.
        pool: Pooling of feature maps, 'mean', 'space' or 'none'. Defaults to 'mean'.
        scores: Whether class scores are written too. Defaults to False.
        labels: Names of the classes: 'k400', 'k600', 'k700', 'k710', or a file with one name per line.
        dtype: Data type of the arrays. Defaults to 'float32'.
        overwrite: Whether videos that are done are done again. Defaults to False.
        stride: Distance from window to window, and whether it is in seconds rather than frames. Defaults to the clips
            that the config tests.
        num_clips: Number of clips, spread over the video. Defaults to that of the config.
        clip_len: Frames of a clip. Defaults to that of the config.
        frame_interval: Distance from one frame of a clip to the next. Defaults to that of the config.
        fps: Frame rate at which videos are sampled. Defaults to their own.
        center_crop: Whether the middle one of several crops is taken. Defaults to False.
        batch_size: Clips at once. Defaults to 8.
        num_workers: Processes that read videos. Defaults to 2.
        device: Device of the model. Defaults to 'cpu'.
        amp: Whether the model runs under autocast. Defaults to False.
        cfg_options: Settings that override those of the config.

    Returns:
        Exit status: 1 if videos could not be done.

    Raises:
        ValueError: If arguments, config and checkpoint do not fit together, or a file cannot be read.
        OSError: If a file cannot be written.
    """
    root = video_root or Path()
    paths = find_videos([*videos, *(read_list(list, root) if list else [])], root)
    if not paths:
        raise ValueError('no videos are given: name some, or a --list of them')
    names = output_names(paths, video_root)
    cfg = load_config(config, cfg_options, for_tests=False)
    check_device(device)
    classes = [names[0] for names in label_list(labels)] if labels else None
    with naming_config(config):
        preprocessing = Preprocessing(cfg, center_crop)
        sampling = choose_sampling(
            preprocessing,
            clip_len=clip_len,
            interval=frame_interval,
            stride=stride[0] if stride else None,
            in_seconds=bool(stride and stride[1]),
            fps=fps,
            num_clips=num_clips,
        )
        extractor = Extractor(
            cfg,
            checkpoint,
            stages=stage,
            out_type=out_type,
            pool=pool,
            scores=scores,
            device=device,
            amp=amp,
            flat=preprocessing.flat,
        )
    if classes and (known := count_classes(extractor.model, preprocessing.dataset)):
        check_names(classes, known, f'--labels {labels}')
    if extractor.report:
        print(f'{checkpoint}: {extractor.report}')
    options = dict(stage=stage, out_type=out_type, pool=pool, scores=scores, amp=amp)
    settings = describe(cfg, checkpoint, sampling, preprocessing, dtype=dtype, **options)
    output = _start_output(out, settings, names, overwrite)
    todo = [i for i, name in enumerate(names) if not output.done(name, paths[i])]
    if len(todo) < len(names):
        print(f'{len(names) - len(todo)} of {len(names)} videos are done already')
    paths, names = [paths[i] for i in todo], [names[i] for i in todo]
    with _progress_bars(names) as progress:
        done = extract(
            paths,
            names,
            extractor=extractor,
            preprocessing=preprocessing,
            sampling=sampling,
            out=output,
            batch_size=batch_size,
            num_workers=num_workers,
            dtype=dtype,
            classes=classes,
            progress=progress,
        )
    output.finish()
    return _report(out, len(paths), done)
