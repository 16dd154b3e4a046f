"""Clips about the key frames of AVA, from videos or frames on disk.

mmaction2's AVADataset hands out videos with `use_frames=False`, but its SampleAVAFrames counts frames at one rate for
all of them, which is right for AVA's frames on disk, extracted at 30 a second, and wrong for videos at their own rates:
a film of 24 frames a second is 3 minutes off after 15. On disk its key frame is one late for AVADataset and one early
for AVAKineticsDataset, which number frames differently, and in training it moves each frame at random.
"""

import numpy as np
from mmcv.transforms import BaseTransform

from mmhvt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SampleKeyFrameClip(BaseTransform):
    """Chooses the frames of a clip about a key frame by their time (papers/mvit, appendix D.2: "T frames sampled with
    stride τ centered at the frame that is to be evaluated"), whatever the rate of the video.

    The key frame is number `clip_len // 2` of the clip, counted from 0. What reaches over an end of the video repeats
    its first or last frame. There is nothing random in it, as in the code of the papers.

    Required keys: ``timestamp``, ``timestamp_start`` (seconds; the time of the video's first frame), and of a video
    ``total_frames``, ``avg_fps`` (of ``DecordInit``), ``filename``; of frames on disk ``fps``, ``shot_info``,
    ``start_index``, ``frame_dir`` (of the dataset). Added keys: ``frame_inds`` (clip_len,), ``clip_len``,
    ``frame_interval``, ``num_clips``, ``crop_quadruple``.

    Args:
        clip_len: Frames.
        frame_interval: From one frame of the clip to the next, in frames of a video of `target_fps`.
        target_fps: What the interval is given for; the frames of AVA come at 30 a second.

    Raises:
        ValueError: If an argument is not positive, or a key frame lies outside its video.
    """

    def __init__(self, clip_len: int, frame_interval: int, target_fps: float = 30) -> None:
        for name, value in dict(clip_len=clip_len, frame_interval=frame_interval, target_fps=target_fps).items():
            if value <= 0:
                raise ValueError(f'SampleKeyFrameClip: {name}={value} has to be positive')
        self.clip_len, self.frame_interval, self.target_fps = clip_len, frame_interval, target_fps

    def transform(self, results: dict) -> dict:
        """Adds ``frame_inds`` and what later transforms ask for."""
        if 'total_frames' in results:
            name, fps, total, first = results['filename'], results['avg_fps'], results['total_frames'], 0
        else:
            begin, end = results['shot_info']
            # 1 in both: AVADataset says so by start_index, AVAKineticsDataset by shot_info
            first = results['start_index'] + begin
            name, fps, total = results['frame_dir'], results['fps'], end - begin
        seconds = results['timestamp'] - results['timestamp_start']
        key_frame = round(seconds * fps)
        if not 0 <= key_frame < total:
            raise ValueError(
                f'{name} lasts {total / fps:.1f} s and has no key frame at timestamp '
                f'{results["timestamp"]}, which is {seconds} s from its start: is timestamp_start='
                f'{results["timestamp_start"]} right?'
            )
        offsets = (np.arange(self.clip_len) - self.clip_len // 2) * (self.frame_interval / self.target_fps)
        results['frame_inds'] = np.rint((seconds + offsets) * fps).astype(int).clip(0, total - 1) + first
        results['clip_len'] = self.clip_len
        results['frame_interval'] = self.frame_interval
        results['num_clips'] = 1
        # the part of the picture that is seen, which mmaction's crops narrow down and its head undoes
        results['crop_quadruple'] = np.array([0, 0, 1, 1], dtype=np.float32)
        return results


@TRANSFORMS.register_module()
class KeepWholeProposals(BaseTransform):
    """Remembers the proposals as they are before a crop: scores of a centre crop are for whole boxes.

    What a crop cuts off a box does not come back by undoing the crop, so that persons at the edge would be found too
    small. The papers' public code evaluates the boxes that it was given; so does :class:`mmhvt.ActionDetector` if it
    finds them in the sample, for which `PackActionInputs` names them in `meta_keys`.

    Goes before the decoding, which turns shares of the picture into pixels.

    Required keys: ``proposals`` (N, 4), shares of the picture; ``img_key``. Added keys: ``whole_proposals``, a copy.

    Raises:
        ValueError: If there are no proposals, not even an empty array.
    """

    def transform(self, results: dict) -> dict:
        """Copies them."""
        if 'proposals' not in results:
            raise ValueError(
                f'KeepWholeProposals: key frame {results["img_key"]} has no proposals: give the dataset a '
                'proposal_file, which may lack key frames (mmaction2 takes the whole picture for them)'
            )
        results['whole_proposals'] = results['proposals'].copy()
        return results


@TRANSFORMS.register_module()
class RepeatKeyFrame(BaseTransform):
    """Puts the key frame in the place of all frames of a clip: what is left of an action without motion?

    Goes between the choice of frames and their decoding.

    Required keys: ``frame_inds``, ``clip_len``. Modified keys: ``frame_inds``.
    """

    def transform(self, results: dict) -> dict:
        """Repeats frame number `clip_len // 2`."""
        length = results['clip_len']
        results['frame_inds'] = np.full(length, results['frame_inds'][length // 2])
        return results
