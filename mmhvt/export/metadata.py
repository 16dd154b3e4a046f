"""What a file says about itself: classes, clips, views and normalization of the config that it was exported from.

docs/guides/export.md lists the keys. :mod:`mmhvt_runtime` reads them.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmaction.models import ActionDataPreprocessor, BaseRecognizer
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.models import ImageClassifier, MultiLabelClsHead
from torch import nn

from mmhvt.apis.labels import check_names
from mmhvt.apis.models import class_names, count_classes, test_dataset
from mmhvt.datasets.labels import configured_classes
from mmhvt.models.heads import CoTrainingHead, MultiLabelHead

FORMAT = 'mmhvt/1'
# keys whose values are plain text; others are JSON
PLAIN = ('format', 'task', 'config', 'precision')
SAMPLERS = ('SampleFrames', 'UniformSample', 'SampleKeyFrameClip')
RESIZES = ('Resize', 'ResizeEdge', 'DetResize')
CROPS = dict(CenterCrop='center', ThreeCrop='three', FiveCrop='five')
# the order that the keys imply
STEPS: tuple[Collection[str], ...] = (SAMPLERS, RESIZES, CROPS)
# arguments that keys describe or that change nothing in a test; others have to be off
DESCRIBED = (
    'type', 'clip_len', 'frame_interval', 'num_clips', 'target_fps', 'out_of_bound_opt', 'twice_sample', 'test_mode',
    'keep_tail_frames', 'scale', 'keep_ratio', 'interpolation', 'backend', 'edge', 'clip_object_border', 'crop_size',
    'pad_cfg',
)  # fmt: skip
# transforms that read or pack, and change no pixel
OTHERS = (
    'Init', 'Decode', 'FormatShape', 'LoadImageFromFile', 'LoadAnnotations', 'PackActionInputs', 'PackInputs',
    'PackDetInputs', 'KeepWholeProposals', 'NameDataset',
)  # fmt: skip


def describe(
    cfg: Config, model: BaseModel, task: str, shape: Sequence[int], input_name: str, dataset: str | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Metadata of a model, and what of its test pipeline they cannot say.

    Args:
        cfg: Its config.
        model: The model.
        task: Name of the task.
        shape: ([T,] H, W) of the input.
        input_name: Name of the input.
        dataset: Dataset whose head scores.

    Returns:
        Metadata by key, and transforms that change frames in a way that has no key.
    """
    # pre-training has no test
    is_tested = task != 'features' or cfg.get('test_dataloader') is not None
    pipeline = _named_dataset(cfg, dataset).pipeline if is_tested else []
    mean, std = normalization(model) if has_normalization(model) else (None, None)
    found: dict[str, Any] = dict(
        format=FORMAT, task=task, config=Path(cfg.filename or 'config.py').name, precision='fp32', input=input_name,
        classes=None if task == 'features' else _classes(cfg, model, dataset),
        clip_len=shape[0] if len(shape) == 3 else None, frame_interval=None, num_clips=None, sampling=None,
        target_fps=None, out_of_bound=None, twice_sample=None, resize=None, crop=None,
        mean=mean, std=std, activation=None, average=None, class_token=None,
    )  # fmt: skip
    unknown, last = [], -1
    for transform in pipeline:
        keys, step = _view(transform, is_video=len(shape) == 3), _step(transform)
        if keys is None or (step is not None and step <= last):
            kind = transform['type']
            unknown.append(kind if isinstance(kind, str) else kind.__name__)
        else:
            found |= keys
            last = last if step is None else step
    if found['sampling'] is not None and len(shape) == 3:
        found['clip_len'] = shape[0]  # by --shape, or of the backbone
    if task == 'features':
        found['class_token'] = model.backbone.out_type == 'cls_token'
    if task == 'action_detection':
        found['activation'] = 'sigmoid' if model.roi_head.bbox_head.multilabel else 'softmax'
    if task in ('recognition', 'classification'):
        found |= _reduction(model, dataset)
    return found, unknown


def view_size(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """(H, W) of what the test pipeline makes of any frame; None if it depends on the frame."""
    last = metadata['crop'] or metadata['resize'] or {}
    return (last['height'], last['width']) if 'width' in last else None


def has_normalization(model: BaseModel) -> bool:
    """Whether the preprocessor of a model tells how it normalizes."""
    preprocessor = model.data_preprocessor
    return getattr(preprocessor, 'mean', None) is not None or getattr(preprocessor, '_enable_normalize', None) is False


def normalization(model: BaseModel) -> tuple[list[float], list[float]]:
    """Mean and standard deviation by color, R, G, B, from 0 to 255; 0 and 1 if the model takes pixels as they are.

    Raises:
        ValueError: If the model's preprocessor does not tell.
    """
    preprocessor = model.data_preprocessor
    if not has_normalization(model):
        raise ValueError(f'{type(preprocessor).__name__} has no mean and std: set them in data_preprocessor')
    if getattr(preprocessor, 'mean', None) is None:
        return [0.0] * 3, [1.0] * 3
    mean, std = (getattr(preprocessor, name).flatten().tolist() for name in ('mean', 'std'))
    return (mean[::-1], std[::-1]) if takes_bgr(model) else (mean, std)


def takes_bgr(model: BaseModel) -> bool:
    """Whether the colors that reach a model's backbone are B, G, R."""
    preprocessor = model.data_preprocessor
    if isinstance(preprocessor, ActionDataPreprocessor):  # readers of video return R, G, B
        return preprocessor.to_rgb
    # and readers of images B, G, R
    return not getattr(preprocessor, 'to_rgb', getattr(preprocessor, '_channel_conversion', False))


def _type_of(transform: Mapping) -> tuple[str, bool]:
    """Name of a transform without its scope, and whether it is mmhvt's."""
    kind = transform['type']
    if not isinstance(kind, str):  # new-style configs
        return kind.__name__, kind.__module__.startswith('mmhvt')
    scope, _, name = kind.rpartition('.')
    return name, scope == 'mmhvt'


def _step(transform: Mapping) -> int | None:
    """Place of a transform in :data:`STEPS`; None if it is none of them."""
    name, _ = _type_of(transform)
    return next((number for number, names in enumerate(STEPS) if name in names), None)


def _view(transform: Mapping, is_video: bool) -> dict[str, Any] | None:
    """Keys of a transform of a test pipeline; None if there are none for what it does."""
    name, is_ours = _type_of(transform)
    if _step(transform) is not None and any(value for key, value in transform.items() if key not in DESCRIBED):
        return None
    if name in ('SampleFrames', 'UniformSample') and not transform.get('test_mode'):
        return None  # draws at random
    if name.endswith('Decode') and transform.get('mode', 'accurate') != 'accurate':
        return None  # other frames than those asked for
    if name in SAMPLERS:
        return dict(
            sampling=f'mmhvt.{name}' if is_ours else name,
            clip_len=transform['clip_len'],
            frame_interval=None if name == 'UniformSample' else transform.get('frame_interval', 1),
            num_clips=transform.get('num_clips', 1),
            target_fps=transform.get('target_fps'),
            out_of_bound=transform.get('out_of_bound_opt', 'loop'),
            twice_sample=transform.get('twice_sample', False),
        )
    if name in CROPS:
        size = transform['crop_size']
        width, height = (size, size) if isinstance(size, int) else size
        return dict(crop=dict(type=CROPS[name], mmhvt=is_ours, width=width, height=height))
    if name in RESIZES:
        resize = _resize(transform, is_video)
        return None if resize is None else dict(resize=resize)
    return {} if name.endswith(OTHERS) else None


def _resize(transform: Mapping, is_video: bool) -> dict[str, Any] | None:
    name, _ = _type_of(transform)
    scale, method = transform.get('scale'), {}
    if transform.get('interpolation', 'bilinear') != 'bilinear':
        method['interpolation'] = transform['interpolation']
    if transform.get('backend', 'cv2') != 'cv2':
        method['backend'] = transform['backend']
    if name == 'ResizeEdge':
        return None if transform.get('edge', 'short') != 'short' else dict(short_side=scale) | method
    if scale is None or isinstance(scale, float):
        return None
    width, height = (scale, scale) if isinstance(scale, int) else scale
    if -1 in (width, height):
        return dict(short_side=max(width, height)) | method
    # by default mmaction's Resize keeps the ratio, and mmcv's does not
    return None if transform.get('keep_ratio', is_video) else dict(width=width, height=height) | method


def _classes(cfg: Config, model: BaseModel, dataset: str | None) -> list[str] | None:
    """Names of the classes in the order of the scores, if they have any."""
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        if dataset is not None:  # of a co-trained model, whose checkpoint has the classes of one dataset at most
            given = configured_classes(_named_dataset(cfg, dataset))
            if given:
                check_names(given, count_classes(model, dataset), f'{cfg.filename}: metainfo of {dataset}')
            return list(given) if given else None
        if isinstance(model, BaseRecognizer | ImageClassifier):
            names, are_names = class_names(model, cfg, dataset, None, '')
            return names if are_names else None
        named = (getattr(model, 'dataset_meta', None) or {}).get('classes') or configured_classes(test_dataset(cfg))
    return list(named) if named else None


def _named_dataset(cfg: Config, dataset: str | None) -> ConfigDict:
    """The test dataset whose samples :class:`mmhvt.NameDataset` gives a name; without one, the first."""
    wrapped = ((cfg.get('test_dataloader') or {}).get('dataset') or {}).get('datasets')
    for each in (wrapped or ()) if dataset else ():
        if any(_type_of(step)[0] == 'NameDataset' and step.get('name') == dataset for step in each.get('pipeline', ())):
            return each
    return test_dataset(cfg)


def _head(model: BaseModel, dataset: str | None) -> nn.Module:
    head = model.cls_head if isinstance(model, BaseRecognizer) else model.head
    return dict(head.heads.items())[dataset] if isinstance(head, CoTrainingHead) else head


def _reduction(model: BaseModel, dataset: str | None) -> dict[str, str | None]:
    """How the logits of views become scores, as the head's `predict` does."""
    if not isinstance(model, BaseRecognizer):
        return dict(activation='sigmoid' if isinstance(model.head, MultiLabelClsHead) else 'softmax', average=None)
    head = _head(model, dataset)
    if isinstance(head, MultiLabelHead):
        return dict(activation='sigmoid', average='max')
    return dict(
        activation='softmax' if head.average_clips == 'prob' else None,
        average=None if head.average_clips is None else 'mean',
    )


def encode(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as the text that files hold."""
    return {key: value if key in PLAIN else json.dumps(value, ensure_ascii=False) for key, value in metadata.items()}
