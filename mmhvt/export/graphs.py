"""What is exported of a model: modules from tensors to tensors, one for each task.

Shapes: N batch, T frames, H height, W width, C channels, K boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmaction.models import Recognizer2D, Recognizer3D
from mmcv.ops import RoIAlign
from mmdet.models import BaseDetector, TwoStageDetector
from mmengine.model import BaseModel
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn
from torchvision.ops import roi_align

from mmhvt.models.backbones.base import Backbone
from mmhvt.models.detectors import ActionDetector
from mmhvt.models.heads import CoTrainingHead

from .detection import Detections, unknown_parts

OUTPUTS = ('scores', 'features')


class Normalize(nn.Module):
    """Frames as readers return them, in the layout and the scale of the model.

    Args:
        mean, std: Numbers by color, R, G, B, from 0 to 255.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean))
        self.register_buffer('std', torch.tensor(std))

    def forward(self, x: Tensor) -> Tensor:
        """(N, [T,] H, W, 3) uint8 -> (N, 3, [T,] H, W)."""
        return ((x.float() - self.mean) / self.std).movedim(x.ndim - 1, 1)


class Scores(nn.Module):
    """A recognizer of mmaction2 or a classifier of mmpretrain, from clips or images to logits (N, classes).

    Args:
        model: The model.
        dataset: Dataset whose head of a :class:`mmhvt.models.CoTrainingHead` scores. Defaults to None.
    """

    def __init__(self, model: BaseModel, dataset: str | None = None) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.neck = model.neck if model.with_neck else nn.Identity()
        head = model.head if isinstance(model, ImageClassifier) else model.cls_head
        self.head = dict(head.heads.items())[dataset] if isinstance(head, CoTrainingHead) else head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.neck(self.backbone(x)))


class Features(nn.Module):
    """A backbone, or a backbone and a detector's neck, from clips or images to a tuple of features.

    Args:
        model: Model with the backbone.
        with_neck: Whether its neck follows. Defaults to False.
    """

    def __init__(self, model: BaseModel, with_neck: bool = False) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.neck = model.neck if with_neck else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outs = self.neck(self.backbone(x))
        return tuple(outs) if isinstance(outs, tuple | list) else (outs,)


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


class Graph(nn.Module):
    """A part of a model, which takes raw pixels on request.

    Args:
        part: Module from the model's input.
        normalize: What comes before it. Defaults to None, the input is normalized.
    """

    def __init__(self, part: nn.Module, normalize: Normalize | None = None) -> None:
        super().__init__()
        self.normalize, self.part = normalize, part

    def forward(self, x: Tensor, *others: Tensor) -> Any:
        return self.part(x if self.normalize is None else self.normalize(x), *others)


@dataclass(frozen=True)
class Task:
    """What a file does.

    Attributes:
        name: 'recognition', 'classification', 'features', 'action_detection', 'detection' or 'detection_features'.
        part: Module from the model's input to the outputs.
        outputs: Names of the outputs.
        boxes: Whether boxes are an input, beside clips.
        single: Whether it takes one image at a time.
        aligns: Whether it has RoIAlign.
    """

    name: str
    part: nn.Module
    outputs: tuple[str, ...]
    boxes: bool = False
    single: bool = False
    aligns: bool = False


def choose_task(model: BaseModel, outputs: str, where: str, dataset: str | None = None) -> Task:
    """What is exported of a model.

    Args:
        model: Model of mmaction2, mmdet or mmpretrain.
        outputs: 'scores', or 'features' of the backbone (of detectors: of backbone and neck).
        where: Name of the config, for messages.
        dataset: See :class:`Scores`.

    Raises:
        ValueError: If that cannot be exported; says what can.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, Backbone):
        raise ValueError(
            f'{where}: the backbone is {type(backbone).__name__}, and only models with a backbone of mmhvt are exported'
        )
    if outputs == 'features':
        # of detectors, whatever reads the backbone: ActionDetector has no neck
        with_neck = isinstance(model, BaseDetector) and model.with_neck
        count = model.neck.num_outs if with_neck else len(backbone.out_indices)
        names = ('feature',) if count == 1 else tuple(f'feature{index}' for index in range(count))
        return Task('detection_features' if with_neck else 'features', Features(model, with_neck), names)
    if isinstance(model, ActionDetector):
        _check_action_detector(model, where)
        return Task('action_detection', ActionScores(model), ('scores',), boxes=True, aligns=True)
    if isinstance(model, Recognizer3D | ImageClassifier):
        head = model.head if isinstance(model, ImageClassifier) else model.cls_head
        _check_head(head, dataset, where)
        name = 'classification' if isinstance(model, ImageClassifier) else 'recognition'
        return Task(name, Scores(model, dataset), ('scores',))
    if isinstance(model, TwoStageDetector) and not (parts := unknown_parts(model)):
        outputs_of_boxes = ('boxes', 'scores', 'labels', *(('masks',) if model.roi_head.with_mask else ()))
        return Task('detection', Detections(model), outputs_of_boxes, single=True, aligns=True)
    if isinstance(model, Recognizer2D):
        raise ValueError(f'{where}: Recognizer2D reads frames one by one: export its backbone by --outputs features')
    of = f' with {", ".join(parts)}' if isinstance(model, TwoStageDetector) else ''
    raise ValueError(
        f'{where}: what {type(model).__name__}{of} makes of features is not exported; --outputs features exports its '
        f'backbone{" and neck" if isinstance(model, BaseDetector) else ""}'
    )


def _check_head(head: nn.Module | None, dataset: str | None, where: str) -> None:
    """Raises a ValueError if no classifier is there to export, or it is not clear which."""
    if head is None:
        raise ValueError(f'{where} has no head: export its backbone by --outputs features')
    if isinstance(head, CoTrainingHead):
        heads = dict(head.heads.items())
        if dataset not in heads:
            given = f'--dataset {dataset} is not one of them' if dataset else 'choose one by --dataset'
            raise ValueError(f'{where} has a head for each of {", ".join(heads)}: {given}')
    elif dataset:
        raise ValueError(f'--dataset {dataset}: {where} has a single head; leave the option out')


def _check_action_detector(model: ActionDetector, where: str) -> None:
    """Raises a ValueError for options of mmaction2 that :class:`ActionScores` does not compute."""
    extractor, align = model.roi_head.bbox_roi_extractor, model.roi_head.bbox_roi_extractor.roi_layer
    others = dict(
        shared_head=model.roi_head.with_shared_head,
        with_global=extractor.with_global,
        with_temporal_pool=not extractor.with_temporal_pool,
        roi_layer_type=not isinstance(align, RoIAlign),
        pool_mode=getattr(align, 'pool_mode', 'avg') != 'avg',
        neck=model.with_neck,
    )
    if wrong := [name for name, differs in others.items() if differs]:
        raise ValueError(
            f'{where}: {", ".join(wrong)} of the roi_head or its extractor is not exported; --outputs features exports '
            'the backbone'
        )
