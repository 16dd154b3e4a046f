"""Checks that the other parts of a model fit the outputs of its backbone, run when the model is built.

A backbone does not know what consumes its output, and mmaction2, mmdet, mmpretrain and mmseg build the parts of a model
without comparing them: a forgotten `out_type` fails in a convolution, `out_indices` in a bare assertion of an FPN. Both
sides are first known when a part is set next to a backbone, which triggers a PyTorch hook.

Only what is sure to fail raises an error. Parts that are not listed here, and heads behind a neck that does more than
pool, are not checked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from .base import Backbone
from .consumer_settings import check_settings

# by class name, since few of these packages are imported, or even installed; a subclass counts as its base.
# Heads of mmaction2 that pool maps, unless their `spatial_type` is None, and heads that take pooled features
POOLING_HEADS = {'I3DHead', 'TRNHead', 'TSMHead', 'TSNHead', 'X3DHead'}
VECTOR_HEADS = {'TimeSformerHead', 'UniFormerHead'}
# heads of mmpretrain that do not pool
LINEAR_HEADS = {
    'ArcFaceClsHead',
    'LinearClsHead',
    'MultiLabelLinearClsHead',
    'StackedLinearClsHead',
    'VisionTransformerClsHead',
}
# necks of mmpretrain that pool maps and keep their channels
POOLING_NECKS = {'GeneralizedMeanPooling', 'GlobalAveragePooling'}
# necks of mmdet and mmseg that take one input per entry of `in_channels`
PYRAMIDS = {'ChannelMapper', 'FPN', 'MultiLevelNeck', 'YOLOXPAFPN'}

VECTORS, MAPS = ('avg_featmap', 'cls_token'), ('featmap',)
POOLABLE = (*VECTORS, *MAPS)


@dataclass(frozen=True)
class Wanted:
    """What a part accepts.

    Args:
        what: Name of the part and what it takes, for messages.
        out_types: Values of `out_type` that fit.
        as_tuple: Whether it takes a tuple; False for a tensor, None for either.
        outputs: Number of outputs. Defaults to None for any number.
        or_else: Alternative remedy, for messages. Defaults to none.
        channels: Values of the part's `in_channels` that fit, from the channels of the outputs. Defaults to the last
            output's.
    """

    what: str
    out_types: Sequence[str]
    as_tuple: bool | None
    outputs: int | None = None
    or_else: str = ''
    channels: Callable[[list[int]], Sequence] = lambda found: found[-1:]


def check_consumer(model: nn.Module, name: str, part: nn.Module | None) -> None:
    """Compare a part of a model with its backbone; PyTorch calls this whenever a module is set.

    Args:
        model: Module that the part is set on.
        name: Name of the part.
        part: The part.

    Raises:
        ValueError: If the part does not take what the backbone returns. The message says which options would.
    """
    backbone = part if name == 'backbone' else model._modules.get('backbone')
    if part is None or not isinstance(backbone, Backbone):
        return
    if name == 'backbone':
        check_settings(model, name, part, backbone)
        return
    kinds, has_neck = _class_names(model), name != 'neck' and 'neck' in model._modules
    if 'BaseRecognizer' in kinds and name == 'cls_head' and not has_neck:
        wanted = _recognizer_head(part, backbone)
    elif 'BaseClassifier' in kinds and name == 'neck':
        wanted = _classifier_neck(part, backbone)
    elif 'BaseClassifier' in kinds and name == 'head':
        wanted = _classifier_head(part, has_neck)
    elif 'BaseDetector' in kinds and _is_ours(model):  # ActionDetector checks the rest itself
        wanted = Wanted(f'{type(model).__name__} takes a tuple', (*POOLABLE, 'raw'), as_tuple=True)
    elif kinds & {'BaseDetector', 'BaseSegmentor'}:
        wanted = _dense_part(name, part, backbone, has_neck)
    else:
        wanted = None
    if wanted is not None:
        _compare_outputs(backbone, wanted)
        in_channels = _in_channels(part)
        neck = model._modules['neck'] if has_neck else None
        keeps_channels = neck is None or ('BaseClassifier' in kinds and _class_names(neck) & POOLING_NECKS)
        if in_channels is not None and keeps_channels:
            _compare_channels(backbone, part, in_channels, wanted)
    check_settings(model, name, part, backbone)


def _class_names(module: nn.Module) -> set[str]:
    return {base.__name__ for base in type(module).__mro__}


def _is_ours(module: nn.Module) -> bool:
    return type(module).__module__.startswith('mmhvt.')


def _recognizer_head(part: Any, backbone: Backbone) -> Wanted | None:
    head, kinds = type(part).__name__, _class_names(part)
    axes = ', T, H, W'[-3 * len(backbone.input_size) :]
    if _is_ours(part):
        return Wanted(f'{head} takes features (N, C) or maps (N, C{axes})', POOLABLE, as_tuple=None)
    if 'MViTHead' in kinds and part.with_cls_token:
        raise ValueError(
            f'{head} with with_cls_token=True takes pairs of a map and a class token, which {backbone.name} does not '
            "return: set with_cls_token=False in the head and out_type='featmap' in the backbone, or use "
            "type='TimeSformerHead' and out_type='cls_token', as_tuple=False"
        )
    if 'MViTHead' in kinds:
        return Wanted(f'{head} takes a tuple of maps (N, C{axes})', MAPS, as_tuple=True)
    if 'SlowFastHead' in kinds:
        return Wanted(
            f'{head} takes maps (N, C{axes}) of two {backbone.unit}s',
            MAPS,
            as_tuple=True,
            outputs=2,
            channels=lambda found: (sum(found),),
        )
    if kinds & VECTOR_HEADS or (kinds & POOLING_HEADS and part.spatial_type is None):
        return Wanted(f'{head} takes a tensor (N, C)', VECTORS, as_tuple=False)
    if kinds & POOLING_HEADS and 'TPNHead' not in kinds:  # a TPNHead pools what its neck leaves
        return Wanted(
            f'{head} takes a tensor (N, C{axes})',
            MAPS,
            as_tuple=False,
            or_else='' if 'X3DHead' in kinds else ', or spatial_type=None in the head for features (N, C)',
        )
    if 'FeatureHead' in kinds and part.backbone_name is None:
        return Wanted(f'{head} takes a tensor', POOLABLE, as_tuple=False, or_else=", or use type='mmhvt.FeatureHead'")
    return None


def _classifier_neck(part: Any, backbone: Backbone) -> Wanted | None:
    kinds, axes = _class_names(part) & POOLING_NECKS, len(backbone.input_size)
    if not kinds:
        return None
    (kind,) = kinds
    if kind == 'GeneralizedMeanPooling' and axes == 3:
        raise ValueError(f"{kind} takes maps (N, C, H, W): for video, use type='GlobalAveragePooling', dim=3")
    pool = nn.AdaptiveAvgPool2d if axes == 2 else nn.AdaptiveAvgPool3d
    if kind == 'GlobalAveragePooling' and not isinstance(part.gap, pool):
        raise ValueError(f'{kind} of maps with {axes} axes needs dim={axes}, or leave the neck out')
    return Wanted(f'{kind} takes a tuple of maps', MAPS, as_tuple=True, or_else=', or leave the neck out')


def _classifier_head(part: nn.Module, has_neck: bool) -> Wanted | None:
    head, kinds = type(part).__name__, _class_names(part)
    if _is_ours(part):
        return Wanted(f'{head} takes features (N, C) or maps', POOLABLE, as_tuple=None)
    if not kinds & {'ClsHead', 'MultiLabelClsHead'}:
        return None
    if 'CSRAClsHead' in kinds and not has_neck:
        return Wanted(f'{head} takes a tuple of maps (N, C, H, W)', MAPS, as_tuple=True)
    if has_neck or not kinds & LINEAR_HEADS:
        return Wanted(f'{head} takes a tuple', (*POOLABLE, 'raw'), as_tuple=True)
    return Wanted(
        f'{head} takes a tuple of features (N, C)',
        VECTORS,
        as_tuple=True,
        or_else=", or add neck=dict(type='GlobalAveragePooling') for maps",
    )


def _dense_part(name: str, part: Any, backbone: Backbone, has_neck: bool) -> Wanted:
    """What a part of a detector or segmentor accepts."""
    kind, in_channels = type(part).__name__, _in_channels(part)
    if name == 'neck' and isinstance(in_channels, list):
        count, first = len(in_channels), getattr(part, 'start_level', 0)  # an FPN skips levels before its first
        return Wanted(
            f'{kind} with {count} in_channels takes as many maps',
            MAPS,
            as_tuple=True,
            outputs=count,
            channels=lambda found: (found, [*in_channels[:first], *found[first:]]),
        )
    indices = getattr(part, 'in_index', None)  # of a head of mmseg; may count from the end
    if indices is None or has_neck:
        return Wanted(f'{kind} takes maps', MAPS, as_tuple=True)
    chosen = [indices] if isinstance(indices, int) else list(indices)
    needed = max(i + 1 if i >= 0 else -i for i in chosen)

    def channels(found: list[int]) -> Sequence:
        taken = [found[i] for i in chosen]
        # a head that concatenates its maps stores the sum
        return (taken[0],) if isinstance(indices, int) else (taken, sum(taken))

    return Wanted(
        f'{kind} with in_index={indices} takes maps',
        MAPS,
        as_tuple=True,
        outputs=max(needed, len(backbone.out_indices)),
        channels=channels,
    )


def _in_channels(part: Any) -> int | list[int] | None:
    """`in_channels` of a part that reads the backbone's outputs, a list if it takes several maps; else None."""
    kinds = _class_names(part)
    if 'ChannelMapper' in kinds:
        return [conv.in_channels for conv in part.convs]
    if 'RFP' in kinds:  # an FPN that also takes the image
        return None
    value: Any = getattr(part, 'in_channels', None)
    if kinds & PYRAMIDS or hasattr(part, 'in_index'):
        return value if isinstance(value, int) else list(value)
    # our heads compare channels in `forward`, with any backbone
    is_head = kinds & {'BaseHead', 'ClsHead', 'MultiLabelClsHead'} and not _is_ours(part)
    return value if isinstance(value, int) and (is_head or 'SimpleFeaturePyramid' in kinds) else None


def _compare_outputs(backbone: Backbone, wanted: Wanted) -> None:
    options: dict[str, Any] = {}
    if backbone.out_type not in wanted.out_types:
        is_token = backbone.has_cls_token and wanted.out_types == VECTORS
        options['out_type'] = 'cls_token' if is_token else wanted.out_types[0]
    if wanted.as_tuple not in (None, backbone.as_tuple):
        options['as_tuple'] = wanted.as_tuple
    if wanted.outputs is not None and wanted.outputs != len(backbone.out_indices):
        if backbone.unit == 'layer' and wanted.outputs > 2:  # as in a plain ViT
            raise ValueError(
                f'{wanted.what}, but the layers of {backbone.name} all have the same stride: set '
                f"neck=dict(type='mmhvt.SimpleFeaturePyramid', in_channels={backbone.embed_dims}) and "
                "out_type='featmap' in the backbone"
            )
        options['out_indices'] = tuple(range(len(backbone.last_blocks)))[-wanted.outputs :]
    elif wanted.as_tuple is False and len(backbone.out_indices) > 1:
        options['out_indices'] = -1
    if options:
        present = {key: getattr(backbone, key) for key in options}
        raise ValueError(
            f'{wanted.what}, but {backbone.name} has {_listed(present)}: set {_listed(options)} in the '
            f'backbone{wanted.or_else}'
        )


def _listed(options: dict[str, Any]) -> str:
    return ', '.join(f'{key}={value!r}' for key, value in options.items())


def _compare_channels(backbone: Backbone, part: nn.Module, in_channels: int | list[int], wanted: Wanted) -> None:
    if not backbone.out_channels:
        return
    fitting = wanted.channels(backbone.out_channels)
    if in_channels not in fitting:
        raise ValueError(
            f'{type(part).__name__} has in_channels={in_channels}, but the outputs of {backbone.name} have '
            f'{", ".join(map(str, backbone.out_channels))} channels: set in_channels={fitting[0]}'
        )
