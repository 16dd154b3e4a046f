"""Frames in random order: what is left of a class without motion?"""

import numpy as np
from mmcv.transforms import BaseTransform

from mmhvt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ShuffleFrames(BaseTransform):
    """Puts the frames of each clip into a random order, drawn anew for every clip.

    A model that recognizes classes by motion falls to chance on such clips; one that recognizes
    them by what a frame shows does not. The accuracy depends on the order that is drawn, so average
    over several draws: wrap the test set in MMEngine's ``RepeatDataset``.

    Required keys: ``imgs`` (``num_clips * clip_len`` frames, clip after clip), ``num_clips``,
    ``clip_len``. Modified keys: ``imgs``. Goes right after decoding, before multiple crops.

    Raises:
        ValueError: If ``imgs`` is not ``num_clips * clip_len`` frames.
    """

    def transform(self, results: dict) -> dict:
        """Shuffle ``results['imgs']`` within clips."""
        frames, clips, length = results['imgs'], results['num_clips'], results['clip_len']
        if len(frames) != clips * length:
            raise ValueError(
                f'ShuffleFrames needs {clips} clips of {length} frames, got {len(frames)} frames: '
                'put it right after decoding'
            )
        results['imgs'] = [
            frames[clip * length + frame] for clip in range(clips) for frame in np.random.permutation(length)
        ]
        return results
