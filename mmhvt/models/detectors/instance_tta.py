"""Test-time augmentation for instance segmentation with scales and flips.

Paper: MViTv2 (https://arxiv.org/abs/2112.01526).
"""

import torch
from mmdet.models import DetTTAModel
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmhvt.registry import MODELS
from mmhvt.utils.option_types import Number


@MODELS.register_module()
class InstanceTTAModel(DetTTAModel):
    """Multi-scale testing of Mask R-CNN and Cascade Mask R-CNN (MViTv2, table A.1). mmdet's DetTTAModel rejects masks.

    The boxes of all views are merged by NMS, as in mmdet. Then every view predicts the masks of the merged boxes, and
    their mean is thresholded at the detector's `mask_thr_binary`. The feature maps of all views of a batch are in
    memory at once.

    Args:
        pad_size_divisor: Views are padded to a multiple of this. Defaults to the detector's own, which may pad large
            views a lot.
        kwargs: Arguments of mmdet's DetTTAModel: `module`, a two-stage detector with masks, and `tta_cfg` with `nms`
            and `max_per_img`.

    Raises:
        ValueError: If the detector predicts no masks.
    """

    def __init__(self, pad_size_divisor: Number | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        roi_head = getattr(self.module, 'roi_head', None)
        if roi_head is None or not roi_head.with_mask:
            raise ValueError(
                f'InstanceTTAModel: {type(self.module).__name__} predicts no masks: use DetTTAModel for boxes'
            )
        if pad_size_divisor:
            self.module.data_preprocessor.pad_size_divisor = pad_size_divisor
        self.mask_threshold = roi_head.test_cfg.mask_thr_binary
        # with a negative threshold mmdet returns soft masks from 0 to 255
        roi_head.test_cfg = ConfigDict(roi_head.test_cfg, mask_thr_binary=-1)

    def test_step(self, data: dict) -> list[DetDataSample]:
        """Predicts a batch.

        Args:
            data: `inputs` and `data_samples`: one list over the images for each view.

        Returns:
            list[DetDataSample]: One sample per image, whose `pred_instances` have bboxes, scores, labels and masks
            (N, H, W), bool, in pixels of the original image.
        """
        maps, views = [], []
        for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True):
            batch = self.module.data_preprocessor(dict(inputs=inputs, data_samples=samples), False)
            x, samples = self.module.extract_feat(batch['inputs']), batch['data_samples']
            metas = [sample.metainfo for sample in samples]
            proposals = self.module.rpn_head.predict(x, samples, rescale=False)
            roi_head = self.module.roi_head
            results = roi_head.predict_bbox(x, metas, proposals, roi_head.test_cfg, rescale=True)
            maps.append(x)
            views.append(self.module.add_pred_to_datasample(samples, results))
        merged = self.merge_preds(list(zip(*views, strict=True)))
        found = [sample.pred_instances for sample in merged]
        masks = [self._predict_masks(x, samples, found) for x, samples in zip(maps, views, strict=True)]
        for instances, soft_masks in zip(found, zip(*masks, strict=True), strict=True):
            # half a step compensates for rounding down to integers
            instances.masks = (torch.stack(soft_masks).float().mean(0) + 0.5) / 255 >= self.mask_threshold
        return merged

    def _predict_masks(self, x: tuple[Tensor], samples: list[DetDataSample], found: list[InstanceData]) -> list[Tensor]:
        """Predicts soft masks (N, H, W), uint8, of each image's merged boxes from one view."""
        instances, metas = [], []
        for sample, merged in zip(samples, found, strict=True):
            boxes = merged.bboxes
            if sample.flip:
                boxes = bbox_flip(boxes, sample.ori_shape, sample.flip_direction)
            boxes = boxes * boxes.new_tensor(sample.scale_factor).repeat(2)
            instances.append(InstanceData(bboxes=boxes, labels=merged.labels))
            # without `flip`, on which CascadeRoIHead would act
            metas.append(dict(ori_shape=sample.ori_shape, scale_factor=sample.scale_factor))
        soft_masks = self.module.roi_head.predict_mask(x, metas, instances, rescale=True)
        axes = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))
        return [
            result.masks.flip(axes[sample.flip_direction]) if sample.flip else result.masks
            for sample, result in zip(samples, soft_masks, strict=True)
        ]
