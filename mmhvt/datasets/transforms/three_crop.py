"""Three crops of frames of any size."""

import mmaction.datasets.transforms

from mmhvt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ThreeCrop(mmaction.datasets.transforms.ThreeCrop):
    """Three crops that cover the longer side, in the middle of the shorter one.

    MViTv2 tests with 224² crops from frames whose shorter side is 256 (arXiv:2112.01526, appendix B.4); mmaction's
    ThreeCrop only accepts crops that are as high, or as wide, as the frame.

    Required keys: ``imgs``. Added or modified keys: ``imgs`` (all frames of the first crop, then of the second and the
    third), ``crop_bbox``, ``img_shape``.

    Args:
        crop_size: Side of the crops in pixels, or (width, height).

    Raises:
        ValueError: If the crops are larger than the frames.
    """

    def transform(self, results: dict) -> dict:
        """Crop ``results['imgs']``."""
        height, width = results['imgs'][0].shape[:2]
        crop_width, crop_height = self.crop_size
        if crop_height > height or crop_width > width:
            raise ValueError(
                f'ThreeCrop: crops of {crop_width}x{crop_height} do not fit into frames of {width}x{height}: '
                'put a Resize before it'
            )
        left = (width - crop_width) // 2 if width < height else 0
        top = (height - crop_height) // 2 if width >= height else 0
        results['imgs'] = [
            img[top : top + crop_height] if width >= height else img[:, left : left + crop_width]
            for img in results['imgs']
        ]
        results = super().transform(results)
        results['crop_bbox'] = results['crop_bbox'] + (left, top, left, top)
        return results
