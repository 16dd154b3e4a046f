"""Cascade Mask R-CNN as Detectron2 has it: one mask head."""

from mmdet.models.roi_heads import CascadeRoIHead
from mmengine.structures import InstanceData
from torch import Tensor

from mmhvt.registry import MODELS


@MODELS.register_module()
class OneMaskCascadeRoIHead(CascadeRoIHead):
    """mmdet's CascadeRoIHead with one mask head for all stages, which table A.1 of papers/mvitv2_appendix counts.

    mmdet has a mask head a stage and averages their masks. Here the one learns from the regions of the first stage, and
    draws the masks of the last stage's boxes.

    Args:
        kwargs: As mmdet's; `mask_head` and `mask_roi_extractor` are dicts.
    """

    def init_mask_head(self, mask_roi_extractor: dict | None, mask_head: dict) -> None:
        """Builds the head and the extractor of the first stage."""
        super().init_mask_head(mask_roi_extractor, mask_head)
        self.mask_head = self.mask_head[:1]
        if not self.share_roi_extractor:
            self.mask_roi_extractor = self.mask_roi_extractor[:1]

    def mask_loss(self, stage: int, *args) -> dict:
        """The loss in the first stage, none in others."""
        return super().mask_loss(stage, *args) if stage == 0 else dict(loss_mask={})

    def _mask_forward(self, stage: int, x: tuple[Tensor], rois: Tensor) -> dict:
        return super()._mask_forward(0, x, rois)

    def predict_mask(self, *args, **kwargs) -> list[InstanceData]:
        """See mmdet's; the mean over the stages of the masks is that over one."""
        stages, self.num_stages = self.num_stages, 1
        try:
            return super().predict_mask(*args, **kwargs)
        finally:
            self.num_stages = stages
