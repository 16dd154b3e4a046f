"""Cascade Mask R-CNN with a single mask head, like Detectron2's.

Paper: MViTv2 (https://arxiv.org/abs/2112.01526).
"""

import torch
from mmdet.models.roi_heads import CascadeRoIHead
from mmengine.model import ModuleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmhvt.registry import MODELS


@MODELS.register_module()
class OneMaskCascadeRoIHead(CascadeRoIHead):
    """mmdet's CascadeRoIHead as Detectron2 has it: one mask head for all stages, as in the parameter counts of MViTv2,
    table A.1.

    mmdet has one mask head per stage and averages their masks. Here a single one learns from the regions of the first
    stage and predicts the masks of the last stage's boxes. Gradients of the box heads with respect to the region
    features are divided by the number of stages, so that `stage_loss_weights` may be 1 in all of them. At test time,
    the probabilities of the stages are averaged, where mmdet averages their logits.

    Args:
        kwargs: Arguments of mmdet's CascadeRoIHead. `mask_head` and `mask_roi_extractor` are dicts.
    """

    mask_head: ModuleList
    mask_roi_extractor: ModuleList
    num_stages: int
    _gives_probabilities = False

    def init_mask_head(self, mask_roi_extractor: dict | None, mask_head: dict) -> None:
        """Builds the mask head and the extractor of the first stage."""
        super().init_mask_head(mask_roi_extractor, mask_head)
        self.mask_head = self.mask_head[:1]
        if not self.share_roi_extractor:
            self.mask_roi_extractor = self.mask_roi_extractor[:1]

    def _bbox_forward(self, stage: int, x: tuple[Tensor], rois: Tensor) -> dict:
        results = super()._bbox_forward(stage, x, rois)
        if results['bbox_feats'].requires_grad:
            results['bbox_feats'].register_hook(lambda gradient: gradient / self.num_stages)
        if self._gives_probabilities:
            results['cls_score'] = results['cls_score'].float().softmax(-1)
        return results

    def _refine_roi(self, *args, **kwargs) -> tuple:
        if self.bbox_head[-1].custom_cls_channels:  # its scores are not softmax logits
            return super()._refine_roi(*args, **kwargs)
        self._gives_probabilities = True
        try:
            rois, probabilities, boxes = super()._refine_roi(*args, **kwargs)
        finally:
            self._gives_probabilities = False
        # the softmax that follows turns their logarithms back into them
        tiny = torch.finfo(torch.float32).tiny
        return rois, [scores.clamp_min(tiny).log() for scores in probabilities], boxes

    def mask_loss(self, stage: int, *args) -> dict:
        """Computes the mask loss in the first stage only."""
        return super().mask_loss(stage, *args) if stage == 0 else dict(loss_mask={})

    def _mask_forward(self, stage: int, x: tuple[Tensor], rois: Tensor) -> dict:
        return super()._mask_forward(0, x, rois)

    def predict_mask(self, *args, **kwargs) -> list[InstanceData]:
        """Predicts masks like mmdet, as the mean over a single stage."""
        stages, self.num_stages = self.num_stages, 1
        try:
            return super().predict_mask(*args, **kwargs)
        finally:
            self.num_stages = stages
