"""Checks of settings that the packages of a model leave unchecked, run when the model is built.

RoIAlign or masks of size 0 crash the process, anchors whose strides differ from those of the maps silently train on the
wrong locations, and a standard deviation of 0 yields NaN.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from logging import WARNING
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from .base import Backbone

# necks whose output strides are known
PYRAMIDS = {'FPN', 'SimpleFeaturePyramid'}


def check_settings(model: nn.Module, name: str, part: nn.Module, backbone: Backbone) -> None:
    """Checks a part of a model with one of our backbones.

    Args:
        model: Module that the part is set on.
        name: Name of the part, such as 'roi_head'. For the backbone itself, the data_preprocessor set before it is
            checked.
        part: The part.
        backbone: The backbone.

    Raises:
        ValueError: If a model cannot be trained with a value. The message names it and what would do.
    """
    preprocessor = model._modules.get('data_preprocessor')
    if name in ('backbone', 'data_preprocessor') and preprocessor is not None:
        _check_preprocessor(preprocessor, backbone)
    if name == 'backbone':
        return
    for path, module in part.named_modules():
        where = '.'.join(filter(None, (name, path)))
        smoothing = getattr(module, 'label_smooth_eps', None)
        if isinstance(smoothing, int | float) and not 0 <= smoothing < 1:
            raise ValueError(f'{where}: label_smooth_eps={smoothing} must be at least 0 and less than 1')
        if type(module).__name__ in ('RoIAlign', 'RoIPool'):
            _check_roi_layer(where, module)
        stds = getattr(getattr(module, 'bbox_coder', None), 'stds', None)
        if stds is not None and not all(0 < std < math.inf for std in stds):
            raise ValueError(f'{where}: bbox_coder.target_stds={list(stds)} must be finite and positive')
        for key in ('train_cfg', 'test_cfg'):
            _check_cfg(f'{where}.{key}', getattr(module, key, None))
    heads = list(_heads(name, part))
    if heads or name == 'roi_head':
        neck: Any = model._modules.get('neck')
        channels = neck.out_channels if hasattr(neck, 'out_channels') else None
        if neck is None and len(set(backbone.out_channels)) == 1:
            channels = backbone.out_channels[0]
        strides = _strides(neck, backbone)
        for where, head in heads:
            _check_anchors(where, head, strides, channels)
        if name == 'roi_head':
            _check_regions(part, strides, channels)


def _check_preprocessor(preprocessor: Any, backbone: Backbone) -> None:
    kind = type(preprocessor).__name__
    divisor = getattr(preprocessor, 'pad_size_divisor', 1)
    if not isinstance(divisor, int) or divisor < 1:
        raise ValueError(f'{kind}: pad_size_divisor={divisor!r} must be a positive integer; 1 leaves sizes as they are')
    mean, std = (getattr(preprocessor, key, None) for key in ('mean', 'std'))
    if not isinstance(mean, torch.Tensor) or not isinstance(std, torch.Tensor):
        return
    channels = next((m.in_channels for m in backbone.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)), None)
    for key, values in dict(mean=mean, std=std).items():
        count = values.numel()
        if channels is not None and count != channels:
            raise ValueError(
                f'{kind}: {key} has {count} value{"s" * (count != 1)}, but {backbone.name} takes {channels} channels: '
                'it needs one for each'
            )
        if values.is_meta:  # the model is built only for its shapes
            continue
        if not values.isfinite().all() or (key == 'std' and (values <= 0).any()):
            shown = [round(value, 4) for value in values.flatten().tolist()]
            raise ValueError(f'{kind}: {key}={shown} must be finite' + (' and positive' if key == 'std' else ''))


def _check_roi_layer(where: str, layer: Any) -> None:
    size = layer.output_size if isinstance(layer.output_size, Sequence) else (layer.output_size,)
    if not all(isinstance(side, int) and side > 0 for side in size):
        raise ValueError(f'{where} ({type(layer).__name__}): output_size={layer.output_size} must be positive integers')
    if getattr(layer, 'sampling_ratio', 0) < 0:
        raise ValueError(f'{where}: sampling_ratio={layer.sampling_ratio} must be 0 (adaptive) or more')


# options of train_cfg and test_cfg that are fractions: IoU thresholds and shares of samples
_SHARES = {'pos_iou_thr', 'neg_iou_thr', 'min_pos_iou', 'iou_threshold', 'pos_fraction'}


def _check_cfg(where: str, cfg: Any) -> None:
    """Checks a train_cfg or test_cfg and the configs within it."""
    entries = cfg.items() if isinstance(cfg, Mapping) else enumerate(cfg) if isinstance(cfg, list | tuple) else ()
    is_sampler = isinstance(cfg, Mapping) and str(cfg.get('type', '')).endswith('Sampler')
    for key, value in entries:
        values = value if isinstance(value, list | tuple) else (value,)
        name = f'{where}[{key}]' if isinstance(key, int) else f'{where}.{key}'
        if key in _SHARES:
            if not all(isinstance(one, int | float) and 0 <= one <= 1 for one in values):
                raise ValueError(f'{name}={value!r} must be from 0 to 1')
        elif key == 'mask_size' or (key == 'num' and is_sampler):
            # masks of size 0 crash the process
            if not all(isinstance(one, int) and one > 0 for one in values):
                raise ValueError(f'{name}={value!r} must be a positive integer')
        elif isinstance(value, float) and math.isnan(value):
            raise ValueError(f'{name} is NaN')
        else:
            _check_cfg(name, value)


def _strides(neck: Any, backbone: Backbone) -> list[int] | None:
    """Strides of the maps that the heads of a detector take; None if they are not known."""
    own = [stride[-1] for stride in backbone.out_strides if len(set(stride[-2:])) == 1]
    if len(own) != len(backbone.out_strides) or backbone.out_type != 'featmap':
        return None
    if neck is None:
        return own
    kinds = {base.__name__ for base in type(neck).__mro__}
    if not kinds & PYRAMIDS or 'RFP' in kinds:
        return None
    if 'SimpleFeaturePyramid' in kinds:
        own = [own[-1] // 4, own[-1] // 2, own[-1], own[-1] * 2]
    else:
        own = own[neck.start_level : neck.backbone_end_level]
    while len(own) < neck.num_outs:
        own.append(own[-1] * 2)
    return own


def _heads(name: str, part: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Dense heads: the part itself, or those within it."""
    for path, module in part.named_modules():
        if hasattr(module, 'prior_generator'):
            yield '.'.join(filter(None, (name, path))), module


def _check_anchors(where: str, head: Any, strides: list[int] | None, channels: int | None) -> None:
    anchors = head.prior_generator
    own = [stride if isinstance(stride, int | float) else stride[0] for stride in getattr(anchors, 'strides', ())]
    option = 'anchor_generator.strides' if hasattr(anchors, 'scales') else 'strides'
    for key in ('scales', 'ratios'):
        values = getattr(anchors, key, None)
        if isinstance(values, torch.Tensor) and not values.is_meta and not (len(values) and (values > 0).all()):
            raise ValueError(f'{where}: anchor_generator.{key}={values.tolist()} must be one or more positive numbers')
    _compare_strides(f'{where}: {option}', own, strides, f'set {option} to these, or change num_outs of the neck')
    given = getattr(head, 'in_channels', None)
    if isinstance(channels, int) and isinstance(given, int) and given != channels:
        # no error, since such a model may be built only to inspect its parameters
        print_log(
            f'{where} has in_channels={given}, but the maps that it takes have {channels} channels, so it will fail: '
            f'set in_channels={channels}',
            'current',
            WARNING,
        )


def _compare_strides(option: str, own: list, strides: list[int] | None, remedy: str) -> None:
    """Checks that the strides of an option are those of the maps, in number and value."""
    if not all(stride > 0 for stride in own):
        raise ValueError(f'{option}={own} must be positive')
    if strides is None or not own or own == strides:
        return
    fault = f'{option}={own}, but the maps that it takes have strides of {strides} pixels'
    if len(own) != len(strides):
        raise ValueError(f'{fault}: {remedy}')
    # this trains, but on the wrong locations
    print_log(f'{fault}, so boxes are compared with the wrong locations: {remedy}', 'current', WARNING)


def _check_regions(roi_head: Any, strides: list[int] | None, channels: int | None) -> None:
    """Compares RoI extractors and heads with each other and with the maps."""
    if roi_head._modules.get('shared_head') is not None:
        return
    for kind in ('bbox', 'mask'):
        heads = _listed(roi_head, f'{kind}_head')
        extractors = _listed(roi_head, f'{kind}_roi_extractor') or _listed(roi_head, 'bbox_roi_extractor')
        for index, (where, head) in enumerate(heads):
            if not extractors:
                continue
            name, extractor = extractors[min(index, len(extractors) - 1)]
            _check_extractor(f'roi_head.{name}', extractor, channels, strides)
            own = getattr(head, 'in_channels', None)
            wanted: Any = getattr(extractor, 'out_channels', channels)
            if isinstance(wanted, int) and getattr(extractor, 'with_global', False):
                wanted *= 2
            if isinstance(own, int) and isinstance(wanted, int) and own != wanted:
                raise ValueError(
                    f'roi_head.{where} has in_channels={own}, but regions have {wanted} channels: set in_channels='
                    f'{wanted}'
                )
            size = getattr(head, 'roi_feat_size', None)
            layers = getattr(extractor, 'roi_layers', None)
            if kind == 'bbox' and size is not None and layers is not None and getattr(head, 'num_shared_fcs', False):
                given = tuple(layers[0].output_size)
                if tuple(size) != given:
                    raise ValueError(
                        f'roi_head.{where} has roi_feat_size={tuple(size)}, but roi_layer.output_size of '
                        f'{name} is {given}: they must be equal'
                    )


def _check_extractor(where: str, extractor: Any, channels: Any, strides: list[int] | None) -> None:
    own = list(getattr(extractor, 'featmap_strides', ()))
    levels = strides and strides[: len(own)]  # the first of them
    _compare_strides(f'{where}: featmap_strides', own, levels, 'set featmap_strides to these')
    given = getattr(extractor, 'out_channels', None)
    if isinstance(channels, int) and isinstance(given, int) and given != channels:
        raise ValueError(
            f'{where} has out_channels={given}, but the maps that it takes have {channels} channels: set out_channels='
            f'{channels}'
        )


def _listed(roi_head: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """A part of an RoI head, or one per stage of a cascade, with their names."""
    found = roi_head._modules.get(name)
    if found is None:
        return []
    if isinstance(found, nn.ModuleList):
        return [(f'{name}.{index}', each) for index, each in enumerate(found)]
    return [(name, found)]
