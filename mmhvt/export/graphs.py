"""What is exported of a model: modules from tensors to tensors, one for each task.

Shapes: N batch, T frames, H height, W width, C channels, K boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from mmaction.models import BaseRecognizer, Recognizer2D
from mmengine.model import BaseModel
from mmpretrain.models import BaseClassifier
from torch import Tensor, nn

from mmhvt.models.backbones.base import Backbone
from mmhvt.models.heads import CoTrainingHead

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
        mean, std = (color.view(3, *[1] * (x.ndim - 2)) for color in (self.mean, self.std))
        # moved as bytes: ONNX Runtime is slow to subtract along a short last axis
        return (x.movedim(x.ndim - 1, 1).float() - mean) / std


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
        head = model.head if isinstance(model, BaseClassifier) else model.cls_head
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


class Graph(nn.Module):
    """A part of a model, which takes raw pixels on request.

    Args:
        part: Module from the model's input.
        normalize: What comes before it. Defaults to None, the input is normalized.
        takes_bgr: Whether the model takes colors as B, G, R. The input is R, G, B in any case. Defaults to False.
    """

    def __init__(self, part: nn.Module, normalize: Normalize | None = None, takes_bgr: bool = False) -> None:
        super().__init__()
        self.normalize, self.part, self.takes_bgr = normalize, part, takes_bgr

    def forward(self, x: Tensor, *others: Tensor) -> Any:
        x = x if self.normalize is None else self.normalize(x)
        return self.part(x.flip(1) if self.takes_bgr else x, *others)


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
        outputs: 'scores', or 'features' of the backbone (of COCO detectors: of backbone and neck).
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
    if (channels := cast(Any, backbone).patch_embed.proj.in_channels) != 3:
        raise ValueError(f'{where}: the backbone takes {channels} channels, and only models of RGB are exported')
    if isinstance(model, BaseRecognizer | BaseClassifier):
        return _feature_task(model) if outputs == 'features' else _score_task(model, where, dataset)
    # needs the compiled operators of mmcv
    from .detection import choose_detection_task

    task = choose_detection_task(model, outputs, where)
    if task is None and outputs == 'features':
        return _feature_task(model)
    if task is None:
        raise ValueError(f'{where}: {type(model).__name__} has no scores; --outputs features exports its backbone')
    return task


def _feature_task(model: BaseModel) -> Task:
    return Task('features', Features(model), feature_names(len(model.backbone.out_indices)))


def feature_names(count: int) -> tuple[str, ...]:
    """Names of features in a file."""
    return ('feature',) if count == 1 else tuple(f'feature{index}' for index in range(count))


def _score_task(model: BaseRecognizer | BaseClassifier, where: str, dataset: str | None) -> Task:
    if isinstance(model, Recognizer2D):
        raise ValueError(f'{where}: Recognizer2D reads frames one by one: export its backbone by --outputs features')
    is_classifier = isinstance(model, BaseClassifier)
    _check_head(model.head if is_classifier else getattr(model, 'cls_head', None), dataset, where)
    if not is_classifier and model.with_neck:
        raise ValueError(f'{where}: necks of mmaction2 have losses of their own and are not exported')
    return Task('classification' if is_classifier else 'recognition', Scores(model, dataset), ('scores',))


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
