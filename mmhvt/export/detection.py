"""Detectors as graphs, for exporters: actions in given boxes, and Faster and Mask R-CNN from an image to boxes.

mmdet's own prediction branches on values. The steps here are those of its RPNHead, SingleRoIExtractor, BBoxHead and
FCNMaskHead with fixed sizes: what non-maximum suppression drops keeps its place, with a score of -1, until the end.

Shapes: H height, W width, K proposals, C classes, D detections.
"""

import torch
from mmcv.ops import RoIAlign
from mmdet.models import (
    BaseDetector,
    FCNMaskHead,
    RPNHead,
    SingleRoIExtractor,
    StandardRoIHead,
    TwoStageDetector,
)
from mmdet.models.roi_heads.bbox_heads import ConvFCBBoxHead
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

from mmhvt.models.detectors import ActionDetector

from .graphs import Features, Task, feature_names

DROPPED = -1.0


class ActionScores(nn.Module):
    """An :class:`ActionDetector`, from clips and the boxes of persons to probabilities (K, classes).

    mmcv's RoIAlign is an operator of mmcv's library, which no exporter knows; torchvision's is the same function.
    """

    def __init__(self, model: ActionDetector) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        """Score boxes.

        Args:
            x: Clips (N, 3, T, H, W).
            boxes: (K, 5): number of the clip in the batch, and x1, y1, x2, y2 in pixels of the clip.
        """
        extractor, head = self.model.roi_head.bbox_roi_extractor, self.model.roi_head.bbox_head
        (maps,) = self.model.extract_feat(x)
        pooled = maps.amax(2) if extractor.temporal_pool_mode == 'max' else maps.mean(2)
        align = extractor.roi_layer
        rois = roi_align(pooled, boxes, align.output_size, align.spatial_scale, align.sampling_ratio, align.aligned)
        # as the poolings of the head, which no exporter knows
        pooled = rois.amax((2, 3)) if head.spatial_pool_type == 'max' else rois.mean((2, 3))
        logits = head.fc_cls(pooled)
        return logits.sigmoid() if head.multilabel else logits.softmax(-1)


class Detections(nn.Module):
    """A :class:`mmdet.models.FasterRCNN` or `MaskRCNN`, from an image (1, 3, H, W) to its detections.

    Args:
        model: The detector, without :func:`unknown_parts`.
    """

    def __init__(self, model: TwoStageDetector) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Returns:
            tuple[Tensor, ...]: Boxes (D, 4), x1, y1, x2, y2 in pixels of the image, scores (D,) and labels (D,), best
            first; with a mask head also probabilities (D, h, w) that a pixel of the box is the object's, in a grid
            that covers the box.
        """
        maps, size = self.model.extract_feat(x), tuple(x.shape[-2:])
        proposals = self._propose(maps, size)
        boxes, scores, labels = self._classify(maps, proposals, size)
        outs = [boxes, scores, labels]
        if self.model.roi_head.with_mask:
            outs.append(self._masks(maps, boxes, labels))
        found = (scores > DROPPED).nonzero().squeeze(1)
        return tuple(out[found] for out in outs)

    def _propose(self, maps: tuple[Tensor, ...], size: tuple[int, ...]) -> Tensor:
        """Proposals of all levels (K, 4), best first; those that are too many are empty boxes."""
        head, cfg = self.model.rpn_head, self.model.test_cfg.rpn
        anchors = head.prior_generator.grid_priors([each.shape[-2:] for each in maps], device=maps[0].device)
        found = []
        for level, (logits, deltas) in enumerate(zip(*head(maps), strict=True)):
            logits = logits[0].permute(1, 2, 0).reshape(-1, head.cls_out_channels)
            score = (logits.sigmoid() if head.use_sigmoid_cls else logits.softmax(-1))[:, 0]
            best, places = score.topk(min(cfg.nms_pre, len(score)) if cfg.nms_pre > 0 else len(score))
            delta = deltas[0].permute(1, 2, 0).reshape(-1, 4)[places]
            decoded = head.bbox_coder.decode(anchors[level][places], delta, max_shape=size)
            found.append((decoded, best, torch.full_like(places, level)))
        boxes, scores, levels = (torch.cat(parts) for parts in zip(*found, strict=True))
        if (smallest := cfg.get('min_bbox_size', -1)) >= 0:
            is_large = ((boxes[:, 2:] - boxes[:, :2]) > smallest).all(1)
            scores = torch.where(is_large, scores, DROPPED)
        scores = suppress(boxes, scores, levels, cfg.nms)
        best, places = scores.topk(min(cfg.max_per_img, len(scores)))
        return boxes[places] * (best > DROPPED)[:, None]

    def _classify(
        self, maps: tuple[Tensor, ...], proposals: Tensor, size: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes, scores and labels of the best of all classes; scores of what is none are :data:`DROPPED`."""
        head, cfg = self.model.roi_head.bbox_head, self.model.test_cfg.rcnn
        logits, deltas = head(align(self.model.roi_head.bbox_roi_extractor, maps, proposals))
        scores = logits.softmax(-1)[:, :-1]  # the last class is the background
        is_box = (proposals[:, 2:] > proposals[:, :2]).all(1, keepdim=True)
        scores = torch.where(is_box & (scores > cfg.score_thr), scores, DROPPED)
        each = 1 if head.reg_class_agnostic else head.num_classes
        rois = proposals.repeat_interleave(each, 0)
        boxes = head.bbox_coder.decode(rois, deltas.reshape(-1, 4), max_shape=size)
        boxes = boxes.unflatten(0, (-1, each)).expand(-1, head.num_classes, -1).flatten(0, 1)  # (K · C, 4)
        labels = torch.arange(head.num_classes, device=boxes.device).repeat(len(proposals))
        scores = suppress(boxes, scores.flatten(), labels, cfg.nms)
        scores, places = scores.topk(min(cfg.max_per_img, len(scores)))
        return boxes[places], scores, labels[places]

    def _masks(self, maps: tuple[Tensor, ...], boxes: Tensor, labels: Tensor) -> Tensor:
        """Probabilities (D, h, w) of the class of each box."""
        head = self.model.roi_head.mask_head
        masks = head(align(self.model.roi_head.mask_roi_extractor, maps, boxes)).sigmoid()
        rows = torch.zeros_like(labels) if head.class_agnostic else labels
        return masks.take_along_dim(rows[:, None, None, None], 1).squeeze(1)


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, cfg: ConfigDict) -> Tensor:
    """Scores (K,) after non-maximum suppression within each group; those of dropped boxes are :data:`DROPPED`.

    Args:
        boxes: (K, 4).
        scores: (K,), :data:`DROPPED` of boxes that take no part.
        groups: Level or label of each box, (K,).
        cfg: `nms` of mmdet's test_cfg.
    """
    (places,) = (scores > DROPPED).nonzero(as_tuple=True)
    apart = boxes + (groups * (boxes.max() + 1))[:, None]  # boxes of different groups do not overlap
    kept = places[nms(apart[places], scores[places], cfg.iou_threshold)]
    is_kept = torch.zeros_like(groups).index_fill(0, kept, 1).bool()
    return torch.where(is_kept, scores, DROPPED)


def align(extractor: SingleRoIExtractor, maps: tuple[Tensor, ...], boxes: Tensor) -> Tensor:
    """Features (K, C, h, w) of boxes, each from the level of its size.

    All levels are aligned, and one is chosen: the number of boxes of a level would depend on values.
    """
    rois = torch.cat([torch.zeros_like(boxes[:, :1]), boxes], 1)
    maps = maps[: extractor.num_inputs]
    levels = extractor.map_roi_levels(rois, len(maps))
    out: Tensor | None = None
    for level, (layer, each) in enumerate(zip(extractor.roi_layers, maps, strict=True)):
        found = roi_align(each, rois, layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.aligned)
        out = found if out is None else torch.where((levels == level)[:, None, None, None], found, out)
    assert out is not None
    return out


def unknown_parts(model: TwoStageDetector) -> list[str]:
    """Parts of a detector that :class:`Detections` does not compute."""
    roi, parts = model.roi_head, []
    if not isinstance(model.rpn_head, RPNHead):
        parts.append(f'rpn_head={type(model.rpn_head).__name__}')
    if type(roi) is not StandardRoIHead or roi.with_shared_head:
        return [*parts, f'roi_head={type(roi).__name__}']
    if not isinstance(roi.bbox_head, ConvFCBBoxHead) or roi.bbox_head.custom_cls_channels:
        parts.append(f'bbox_head={type(roi.bbox_head).__name__}')
    if roi.with_mask and type(roi.mask_head) is not FCNMaskHead:
        parts.append(f'mask_head={type(roi.mask_head).__name__}')
    extractors = [roi.bbox_roi_extractor, *([roi.mask_roi_extractor] if roi.with_mask else [])]
    for extractor in extractors:
        layers = getattr(extractor, 'roi_layers', [])
        if type(extractor) is not SingleRoIExtractor or not all(
            isinstance(layer, RoIAlign) and layer.pool_mode == 'avg' for layer in layers
        ):
            parts.append(f'roi_extractor={type(extractor).__name__}')
    for name in ('rpn', 'rcnn'):
        if (kind := model.test_cfg[name].nms.get('type', 'nms')) != 'nms':
            parts.append(f'test_cfg.{name}.nms={kind}')
    return parts


def choose_detection_task(model: BaseModel, outputs: str, where: str) -> Task | None:
    """What is exported of a detector; see :func:`mmhvt.export.graphs.choose_task`. None for other models.

    Raises:
        ValueError: If it cannot be exported; says what can.
    """
    if not isinstance(model, BaseDetector):
        return None
    if outputs == 'features':
        if not model.with_neck:
            return None
        return Task('detection_features', Features(model, with_neck=True), feature_names(model.neck.num_outs))
    if isinstance(model, ActionDetector):
        if parts := unknown_action_parts(model):
            raise ValueError(
                f'{where}: {", ".join(parts)} of the roi_head or its extractor is not exported; --outputs features '
                'exports the backbone'
            )
        return Task('action_detection', ActionScores(model), ('scores',), boxes=True, aligns=True)
    parts = unknown_parts(model) if isinstance(model, TwoStageDetector) else [f'type={type(model).__name__}']
    if parts:
        raise ValueError(
            f'{where}: detection with {", ".join(parts)} is not exported; --outputs features exports backbone and neck'
        )
    names = ('boxes', 'scores', 'labels', *(('masks',) if model.roi_head.with_mask else ()))
    return Task('detection', Detections(model), names, single=True, aligns=True)


def unknown_action_parts(model: ActionDetector) -> list[str]:
    """Options of the RoI head that :class:`ActionScores` does not compute."""
    extractor = model.roi_head.bbox_roi_extractor
    layer = extractor.roi_layer
    others = dict(
        shared_head=model.roi_head.with_shared_head,
        with_global=extractor.with_global,
        with_temporal_pool=not extractor.with_temporal_pool,
        roi_layer_type=not isinstance(layer, RoIAlign),
        pool_mode=getattr(layer, 'pool_mode', 'avg') != 'avg',
        neck=model.with_neck,
    )
    return [name for name, differs in others.items() if differs]
