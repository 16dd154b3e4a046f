"""Testing with several scales and flips, masks included."""

import torch
from mmdet.models import DetTTAModel
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_flip
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmhvt.registry import MODELS


@MODELS.register_module()
class InstanceTTAModel(DetTTAModel):
    """Multi-scale testing of Mask R-CNN and Cascade Mask R-CNN (papers/mvitv2_appendix, table A.1); mmdet's DetTTAModel
    refuses masks.

    The boxes of all views are merged by NMS, as mmdet does it. Then every view draws the masks of the merged boxes,
    and their mean is cut at the detector's `mask_thr_binary`. The maps of all views of a batch are held at once.

    Args:
        pad_size_divisor: What sides of views are filled up to a multiple of; None for what the detector says, which
            can be much for large views.
        kwargs: As mmdet's: `module`, a two-stage detector with masks, and `tta_cfg` with `nms` and `max_per_img`.

    Raises:
        ValueError: If the detector has no masks.
    """

    def __init__(self, pad_size_divisor: int | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        roi_head = getattr(self.module, 'roi_head', None)
        if not getattr(roi_head, 'with_mask', False):
            raise ValueError(
                f'InstanceTTAModel: {type(self.module).__name__} draws no masks; DetTTAModel would do for boxes'
            )
        if pad_size_divisor:
            self.module.data_preprocessor.pad_size_divisor = pad_size_divisor
        self.mask_threshold = roi_head.test_cfg.mask_thr_binary
        # a negative threshold leaves masks soft, 0 to 255
        roi_head.test_cfg = ConfigDict(roi_head.test_cfg, mask_thr_binary=-1)

    def test_step(self, data: dict) -> list[DetDataSample]:
        """Predictions of a batch.

        Args:
            data: `inputs` and `data_samples`, for each view a list over the images.

        Returns:
            list: For each image its sample with `pred_instances`: bboxes, scores, labels and masks (N, H, W), bool, in
            the original image's pixels.
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
        masks = [self._draw(x, samples, found) for x, samples in zip(maps, views, strict=True)]
        for instances, drawn in zip(found, zip(*masks, strict=True), strict=True):
            # half a step makes up for rounding down to whole numbers
            instances.masks = (torch.stack(drawn).float().mean(0) + 0.5) / 255 >= self.mask_threshold
        return merged

    def _draw(self, x: tuple[Tensor], samples: list[DetDataSample], found: list[InstanceData]) -> list[Tensor]:
        """Soft masks (N, H, W), uint8, of each image's merged boxes as one view sees them."""
        instances, metas = [], []
        for sample, merged in zip(samples, found, strict=True):
            boxes = merged.bboxes
            if sample.flip:
                boxes = bbox_flip(boxes, sample.ori_shape, sample.flip_direction)
            boxes = boxes * boxes.new_tensor(sample.scale_factor).repeat(2)
            instances.append(InstanceData(bboxes=boxes, labels=merged.labels))
            # not `flip`, which CascadeRoIHead would act on
            metas.append(dict(ori_shape=sample.ori_shape, scale_factor=sample.scale_factor))
        drawn = self.module.roi_head.predict_mask(x, metas, instances, rescale=True)
        axes = dict(horizontal=(-1,), vertical=(-2,), diagonal=(-2, -1))
        return [
            result.masks.flip(axes[sample.flip_direction]) if sample.flip else result.masks
            for sample, result in zip(samples, drawn, strict=True)
        ]
