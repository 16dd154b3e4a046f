"""Five crops of a frame."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmhvt.registry import TRANSFORMS
from mmhvt.utils.option_types import Side


@TRANSFORMS.register_module()
class FiveCrop(BaseTransform):
    """Five square crops as large as the shorter side, at equal distances along the longer one.

    Video Swin tests its largest models with 10 × 5 views (arXiv:2106.13230, tables 1 and 2). It does not say which
    five; here they extend the three of section 4.1 "that cover the longer spatial axis".

    Required keys: ``imgs``. Added or modified keys: ``imgs`` (all frames of the first crop, then of the second, and so
    on), ``crop_bbox``, ``img_shape``.

    Args:
        crop_size: Side of the crops in pixels.

    Raises:
        ValueError: If the shorter side of the frames is not `crop_size`.
    """

    def __init__(self, crop_size: Side):
        self.crop_size = crop_size

    def transform(self, results: dict) -> dict:
        """Crop ``results['imgs']``."""
        frames, side = results['imgs'], self.crop_size
        height, width = frames[0].shape[:2]
        if min(height, width) != side:
            raise ValueError(
                f'FiveCrop: crops of {side}x{side} are not as large as the shorter side of frames of {width}x{height}: '
                f'put Resize(scale=(-1, {side})) before it'
            )
        corners = [((width - side) * index // 4, (height - side) * index // 4) for index in range(5)]
        results['imgs'] = [frame[y : y + side, x : x + side] for x, y in corners for frame in frames]
        results['crop_bbox'] = np.array([(x, y, x + side, y + side) for x, y in corners for _ in frames])
        results['img_shape'] = (side, side)
        return results

    def __repr__(self) -> str:
        return f'FiveCrop(crop_size={self.crop_size})'
