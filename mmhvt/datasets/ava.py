"""Clips around the key frames of AVA, from videos or frames on disk.

mmaction2's AVADataset reads videos with `use_frames=False`, but its SampleAVAFrames assumes the same frame rate for all
of them. That is right for AVA's frames on disk, which are extracted at 30 fps, and wrong for videos: at 24 fps it is 3
minutes off after 15. For frames on disk, its key frame is one frame late for AVADataset and one early for
AVAKineticsDataset, which number frames differently, and in training it shifts each frame at random.

Paper: MViT (https://arxiv.org/abs/2104.11227).
"""

import math

import numpy as np
from mmcv.transforms import BaseTransform

from mmhvt.registry import TRANSFORMS
from mmhvt.utils.option_types import CheckedFloat, CheckedInt


@TRANSFORMS.register_module()
class SampleKeyFrameClip(BaseTransform):
    """Samples a clip around a key frame by time, whatever the frame rate of the video.

    mmaction's SampleAVAFrames is for frames on disk at one rate.

    MViT, appendix D.2: "T frames sampled with stride τ centered at the frame that is to be evaluated". The key frame is
    frame `clip_len // 2` of the clip, counted from 0. Beyond an end of the video, its first or last frame is repeated.
    Nothing is random, as in the code of the papers.

    Required keys: ``timestamp``, ``timestamp_start`` (time of the video's first frame, in seconds); for videos
    ``total_frames`` and ``avg_fps`` (from ``DecordInit``) and ``filename``; for frames on disk ``fps``, ``shot_info``,
    ``start_index`` and ``frame_dir`` (from the dataset). Added keys: ``frame_inds`` (clip_len,), ``clip_len``,
    ``frame_interval``, ``num_clips``, ``crop_quadruple``.

    Args:
        clip_len: Number of frames.
        frame_interval: Temporal stride in frames of a video with `target_fps`.
        target_fps: Frame rate that the interval refers to. Defaults to 30, the rate of AVA's frames.

    Raises:
        ValueError: If an argument is not positive, or a key frame is outside its video.
    """

    def __init__(self, clip_len: CheckedInt, frame_interval: CheckedInt, target_fps: CheckedFloat = 30) -> None:
        for name, value in dict(clip_len=clip_len, frame_interval=frame_interval, target_fps=target_fps).items():
            if value <= 0:
                raise ValueError(f'SampleKeyFrameClip: {name} must be positive, got {value}')
        self.clip_len, self.frame_interval, self.target_fps = clip_len, frame_interval, target_fps

    def transform(self, results: dict) -> dict:
        """Adds ``frame_inds`` and the keys that later transforms need."""
        if 'total_frames' in results:
            name, fps, total, first = results['filename'], results['avg_fps'], results['total_frames'], 0
        else:
            begin, end = results['shot_info']
            # 1 for both: AVADataset has it in start_index, AVAKineticsDataset in shot_info
            first = results['start_index'] + begin
            name, fps, total = results['frame_dir'], results['fps'], end - begin
        if not 0 < fps < math.inf:
            raise ValueError(f'{name} has no frame rate, which is needed to find the key frame')
        seconds = results['timestamp'] - results['timestamp_start']
        key_frame = round(seconds * fps)
        if not 0 <= key_frame < total:
            raise ValueError(
                f'{name} lasts {total / fps:.1f} s and has no key frame at timestamp {results["timestamp"]}, '
                f'{seconds} s from its start: check timestamp_start={results["timestamp_start"]}'
            )
        offsets = (np.arange(self.clip_len) - self.clip_len // 2) * (self.frame_interval / self.target_fps)
        results['frame_inds'] = np.rint((seconds + offsets) * fps).astype(int).clip(0, total - 1) + first
        results['clip_len'] = self.clip_len
        results['frame_interval'] = self.frame_interval
        results['num_clips'] = 1
        # visible part of the frame, which mmaction's crops reduce and its head takes into account
        results['crop_quadruple'] = np.array([0, 0, 1, 1], dtype=np.float32)
        return results


@TRANSFORMS.register_module()
class KeepWholeProposals(BaseTransform):
    """Copies the proposals before a crop, so that the scores of a center crop are assigned to whole boxes.

    A crop cuts boxes at its edges, and mapping them back to the frame does not undo this. The papers' public code
    evaluates the original boxes, and so does :class:`mmhvt.ActionDetector` if `meta_keys` of `PackActionInputs`
    contains ``whole_proposals``.

    Place it before decoding, which converts relative coordinates to pixels.

    Required keys: ``proposals`` (N, 4), relative to the size of the frame; ``img_key``. Added keys:
    ``whole_proposals`` (N, 4).

    Raises:
        ValueError: If the sample has no proposals. They may be empty.
    """

    def transform(self, results: dict) -> dict:
        """Adds ``whole_proposals``."""
        if 'proposals' not in results:
            raise ValueError(
                f'KeepWholeProposals: key frame {results["img_key"]} has no proposals: set proposal_file of the '
                'dataset. For key frames that the file lacks, mmaction2 uses the whole frame'
            )
        results['whole_proposals'] = results['proposals'].copy()
        return results


@TRANSFORMS.register_module()
class RepeatKeyFrame(BaseTransform):
    """Replaces all frames of a clip with its key frame, to measure what is recognized without motion.

    Place it between sampling and decoding.

    Required keys: ``frame_inds``, ``clip_len``. Modified keys: ``frame_inds``.
    """

    def transform(self, results: dict) -> dict:
        """Repeats frame `clip_len // 2`."""
        length = results['clip_len']
        results['frame_inds'] = np.full(length, results['frame_inds'][length // 2])
        return results
