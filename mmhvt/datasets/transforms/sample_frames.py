"""Clips with strides in time, as in PySlowFast."""

import math
from typing import Annotated, Literal

import mmaction.datasets.transforms
import numpy as np

from mmhvt.datasets.reading import UnreadableVideoError
from mmhvt.registry import TRANSFORMS
from mmhvt.utils.option_types import Count, Number, Range


@TRANSFORMS.register_module()
class SampleFrames(mmaction.datasets.transforms.SampleFrames):
    """mmaction's SampleFrames, but a clip that is longer than its video can hold the last frame of the video.

    With `target_fps`, it follows PySlowFast (slowfast/datasets/decoder.py, with ``DATA.TARGET_FPS`` and
    ``DATA.USE_OFFSET_SAMPLING``). In a video of N frames at f frames per second, a clip is c = T · τ · f / `target_fps`
    frames long, but at least 1; its frames are start + ⌊i · (c − 1) / (T − 1)⌋ for i < T, and none is beyond N − 1. In
    training, start is drawn from the integers from 0 to N − c; in testing, clip k of K starts at
    k · ⌊(N − c) / (K − 1)⌋, or a single one at ⌊(N − c) / 2⌋. PySlowFast draws a real number for start and takes the
    frame after it.

    Without `target_fps`, and for frames on disk, whose rate is not known, the stride is `frame_interval` frames.

    mmaction's version differs: with ``out_of_bound_opt='repeat_last'``, it repeats the last frame *of the clip* that
    the video has, which is up to a stride before the end. On a video without a frame rate, it fails somewhere in NumPy.

    Required keys: ``total_frames``, ``start_index``, and ``avg_fps`` (optional). Added keys: ``frame_inds``
    (`num_clips` · `clip_len`), ``clip_len``, ``frame_interval``, ``num_clips``.

    Args:
        clip_len: Frames T of a clip.
        frame_interval: Stride τ, at `target_fps` frames a second or in frames of the video. Defaults to 1.
        num_clips: Number K of clips. Defaults to 1.
        out_of_bound_opt: What follows the end of a video: 'loop', the video again, or 'repeat_last', its last frame.
            Defaults to 'loop'.
        target_fps: Frame rate that `frame_interval` refers to. Defaults to None, that of the video.
        test_mode: Whether clips are spread evenly, rather than drawn. Defaults to False.
        temporal_jitter: Whether to move each frame by less than a stride, at random. Defaults to False.
        twice_sample, keep_tail_frames: As in mmaction's SampleFrames. Default to False.
    """

    def __init__(
        self,
        clip_len: Number,
        frame_interval: Number = 1,
        num_clips: Count = 1,
        temporal_jitter: bool = False,
        twice_sample: bool = False,
        out_of_bound_opt: Literal['loop', 'repeat_last'] = 'loop',
        test_mode: bool = False,
        keep_tail_frames: bool = False,
        target_fps: Annotated[float, Range(0, 1000, above=True)] | None = None,
    ) -> None:
        super().__init__(
            clip_len,
            frame_interval,
            num_clips,
            temporal_jitter,
            twice_sample,
            out_of_bound_opt,
            test_mode,
            keep_tail_frames,
            target_fps,
        )

    def transform(self, results: dict) -> dict:
        """Adds ``frame_inds``.

        Raises:
            UnreadableVideoError: If the frame rate of the video is unknown, and `target_fps` is set.
        """
        total, fps, ratio = results['total_frames'], results.get('avg_fps'), 1.0
        if self.target_fps and fps is not None:
            if not 0 < fps < math.inf:
                filename = results.get('filename', '')
                raise UnreadableVideoError(
                    f'cannot sample frames of {filename} at {self.target_fps} per second: its frame rate is unknown; '
                    'with target_fps=None every frame counts',
                    filename,
                )
            ratio = fps / self.target_fps
        length = self._get_ori_clip_len(ratio)
        offsets = np.arange(self.clip_len) * self.frame_interval
        if self.target_fps:
            offsets = np.linspace(0, length - 1, self.clip_len).astype(np.int64)
        frames = self._sample_clips(total, length).astype(np.int64)[:, None] + offsets
        if self.temporal_jitter:
            frames = frames + np.random.randint(self.frame_interval, size=frames.shape)
        frames = frames % total if self.out_of_bound_opt == 'loop' else frames.clip(max=total - 1)
        results.update(
            frame_inds=(frames.ravel() + results['start_index']).astype(np.int32),
            clip_len=self.clip_len,
            frame_interval=self.frame_interval,
            num_clips=self.num_clips,
        )
        return results
