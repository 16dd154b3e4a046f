"""Parameters of a checkpoint for a model: as they are, changed to fit, or not at all."""

import contextlib
import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any, cast

import torch
from torch import Tensor, nn

from .loadable import LoadableBackbone
from .report import LoadReport, TensorReport, describe_archs
from .resizing import resize_parameters

Adapted = tuple[dict[str, Tensor], LoadReport]

# names in mmaction's heads, and in those of mmpretrain
_MMPRETRAIN_HEADS = {
    'cls_head.fc_cls.': ('head.fc.', 'head.layers.head.'),
    'cls_head.pre_logits.': ('head.layers.pre_logits.',),
}


def adapt_backbone(
    backbone: LoadableBackbone, content: Mapping[str, Tensor], path: str, prefix: str = 'backbone.'
) -> Adapted:
    """Parameters for a backbone from a state dict in our names, all of them or an error.

    Args:
        backbone: A backbone of ours; its class name appears in the messages.
        content: State dict.
        path: Where it is from, for messages.
        prefix: Prefix of the backbone in its names; if no name has it, all names count. Defaults to 'backbone.'.

    Returns:
        tuple: The parameters by the backbone's names, and a report.

    Raises:
        ValueError: If a parameter is missing or of another shape, or if there are layers that the backbone lacks; see
            :func:`check_values`.
    """
    kind = type(backbone).__name__
    found = {name[len(prefix) :]: value for name, value in content.items() if name.startswith(prefix)} or content
    expected = backbone.state_dict()
    check_values(backbone, found, path)
    try:
        fitted, changes = resize_parameters(found, backbone)
    except ValueError as error:
        raise ValueError(f'{path} does not fit {kind}: {error}') from error
    missing = [name for name in expected if name not in fitted]
    fresh = _may_be_missing(backbone, missing, found, content)
    unexpected = _unexpected_keys(backbone, found)
    problems = [f'{name} missing' for name in missing if name not in fresh]
    problems += [
        f'{name} {tuple(value.shape)} for {tuple(expected[name].shape)}'
        for name, value in fitted.items()
        if value.shape != expected[name].shape
    ]
    problems += [f'{name} is not in the model' for name in unexpected]
    if problems:
        listed = '; '.join(problems[:3]) + (' …' if len(problems) > 3 else '')
        raise ValueError(
            f'{path} does not fit {kind}: {len(problems)} of {len(expected) + len(unexpected)} parameters do not match '
            f'({listed}); {_compare_archs(expected, found)}'
        )
    changed = {report.name for report in changes}
    loaded = [TensorReport(name, 'loaded') for name in fitted if name not in changed]
    used = {report.name.rpartition('.')[0] for report in changes if report.status == 'derived'}
    left_out = [
        TensorReport(name, 'left out', f'no part of {kind}')
        for name in sorted(set(content) - {prefix + name for name in expected} - set(expected))
        if name.endswith('.cls') or name.removeprefix(prefix).rpartition('.')[0] not in used
    ]
    return fitted, LoadReport([*loaded, *changes, *left_out, *(TensorReport(name, 'missing') for name in fresh)])


def check_values(model: nn.Module, content: Mapping[str, Any], path: str) -> None:
    """Check that the parameters in a file have values that a model can have.

    Args:
        model: The model.
        content: State dict in its names; others are not checked.
        path: Where it is from, for messages.

    Raises:
        ValueError: If a parameter is not a tensor, has integers or complex numbers, or NaN or infinite values.
    """
    found = {name: content[name] for name, _ in model.named_parameters() if name in content}
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise ValueError(f'{path}: {name} is a {type(value).__name__}, not a tensor')
        if value.layout is not torch.strided:
            raise ValueError(f'{path}: {name} is sparse, but parameters must be dense')
        if not value.is_floating_point():
            dtype = str(value.dtype).removeprefix('torch.')
            raise ValueError(f'{path}: {name} is {dtype}, but parameters must be floating-point numbers')
    # on the meta device there are no numbers to look at
    if endless := [name for name, value in found.items() if not value.is_meta and not value.isfinite().all()]:
        raise ValueError(
            f'{path}: {len(endless)} of {len(found)} parameters have NaN or infinite values, such as {endless[0]}: its '
            'training had failed; use an earlier checkpoint'
        )


def adapt_model(model: nn.Module, content: Mapping[str, Tensor], path: str) -> Adapted:
    """Parameters for a whole model of mmaction, mmpretrain or mmdet, as far as there are any; all of the backbone's.

    A classifier that maps labels (`labels` of `mmhvt.RecognitionHead`) does so; any other with different classes is
    left out.

    Args:
        model: A model with a `backbone` of ours.
        content: State dict in our names.
        path: Where it is from, for messages.

    Returns:
        tuple: The parameters by the model's names, and a report.

    Raises:
        ValueError: If the backbone's do not fit (:func:`adapt_backbone`).
    """
    state, report = _adapt_own_backbone(model, content, path)
    expected = model.state_dict()
    behind = {name: value for name, value in content.items() if not name.startswith('backbone.')}
    others = {classifier_name(expected, name): value for name, value in behind.items()}
    for part, names in groupby(sorted(others), lambda name: name.split('.')[0]):
        found = {name: others[name] for name in names}
        module = getattr(model, part, None)
        if isinstance(module, nn.Module):
            loaded, part_report = _adapt_part(module, found, part)
            state |= loaded
        else:
            part_report = _all_left_out(found, f'{type(model).__name__} has no {part}')
        report += part_report
    settled = {tensor.name for tensor in report.tensors if tensor.status != 'left out'}
    # buffers that a file need not have, such as the means of a preprocessor, are not parameters
    missing = [TensorReport(name, 'missing') for name, _ in model.named_parameters() if name not in settled]
    return state, report + LoadReport(missing)


def resize_model(model: nn.Module, content: Mapping[str, Tensor], path: str) -> Adapted:
    """Resize a checkpoint of a whole model for the same kind of model of another length, size or window.

    Args:
        model: A model with a `backbone` of ours; it is not changed.
        content: State dict in the model's names.
        path: Where it is from, for messages.

    Returns:
        tuple: The state dict, in which the backbone's tensors fit and other parts' positions are resized; and a report
        of the backbone's tensors and those positions.

    Raises:
        ValueError: If the backbone's do not fit (:func:`adapt_backbone`).
    """
    own, report = _adapt_own_backbone(model, content, path)
    state = {name: value for name, value in content.items() if not name.startswith('backbone.')} | own
    for part, module in model.named_children():
        found = {name[len(part) + 1 :]: value for name, value in content.items() if name.startswith(f'{part}.')}
        expected = module.state_dict()
        if part == 'backbone' or all(v.shape == expected[name].shape for name, v in found.items() if name in expected):
            continue
        with contextlib.suppress(ValueError):  # what cannot be resized stays for the caller to see
            fitted, changes = resize_parameters(found, module)
            resized = [change for change in changes if change.status == 'resized']
            state |= {f'{part}.{change.name}': fitted[change.name] for change in resized}
            report += LoadReport(change._replace(name=f'{part}.{change.name}') for change in resized)
    return state, report


def _adapt_own_backbone(model: nn.Module, content: Mapping[str, Tensor], path: str) -> Adapted:
    """The backbone's part of a whole model's state dict, under the model's names."""
    if not any(name.startswith('backbone.') for name in content):
        raise ValueError(f'{path} has no backbone: none of its {len(content)} names begins with "backbone."')
    fitted, report = adapt_backbone(cast(LoadableBackbone, model.backbone), content, path)
    tensors = [
        tensor if tensor.status == 'left out' else tensor._replace(name=f'backbone.{tensor.name}')
        for tensor in report.tensors
        if tensor.status != 'left out' or tensor.name.startswith('backbone.')
    ]
    return {f'backbone.{name}': value for name, value in fitted.items()}, LoadReport(tensors)


def _adapt_part(module: nn.Module, found: Mapping[str, Tensor], part: str) -> Adapted:
    """Parameters for a neck or head, or none of them if they do not fit."""
    own = {name[len(part) + 1 :]: value for name, value in found.items()}
    try:
        fitted, changes = resize_parameters(own, module)  # positions of a decoder
        absent, unexpected = module.load_state_dict(own | fitted, strict=False)
    except (RuntimeError, ValueError) as error:
        # torch lists the parameters after a line of its own
        return {}, _all_left_out(found, '; '.join(line.strip() for line in str(error).splitlines()[1:] or [str(error)]))
    loaded = {f'{part}.{name}': v.clone() for name, v in module.state_dict().items() if name not in absent}
    changed = {f'{part}.{change.name}': change._replace(name=f'{part}.{change.name}') for change in changes}
    tensors = [changed.get(name, TensorReport(name, 'loaded')) for name in loaded]
    tensors += [TensorReport(f'{part}.{name}', 'left out', f'{part} has no such parameter') for name in unexpected]
    return loaded, LoadReport(tensors)


def _all_left_out(names: Mapping[str, Tensor], reason: str) -> LoadReport:
    return LoadReport(TensorReport(name, 'left out', reason) for name in names)


def classifier_name(expected: Mapping[str, Tensor], name: str) -> str:
    """A classifier's name in mmaction's models, or in mmpretrain's if it is one of theirs.

    Args:
        expected: State dict of the model.
        name: Name by an mmaction recognizer.
    """
    for ours, others in _MMPRETRAIN_HEADS.items():
        if name.startswith(ours) and name not in expected:
            return next((other for theirs in others if (other := theirs + name[len(ours) :]) in expected), name)
    return name


def _may_be_missing(
    backbone: LoadableBackbone, missing: list[str], found: Mapping[str, Tensor], content: Mapping[str, Tensor]
) -> list[str]:
    """Missing parameters of parts that a file may lack as a whole. A file with some of a part is another model's."""
    present = {backbone.optional_part(name) for name in found} | {None}
    no_norm = backbone.lacks_final_norm(content)
    return [
        name
        for name in missing
        if backbone.optional_part(name) not in present or (no_norm and re.match(r'norm\.', name))
    ]


def _unexpected_keys(backbone: LoadableBackbone, found: Mapping[str, Tensor]) -> list[str]:
    """Essential parameters of a file that the backbone does not have."""
    # modules make theirs from what is under their names
    used = tuple(
        f'{name}.' for name, module in backbone.named_modules() if name and hasattr(module, 'resize_pretrained')
    )
    own = backbone.state_dict()
    # an image model may do without the parts of a video model that look across frames, if it has none of them
    optional = {backbone.optional_part(name) for name in found} - {backbone.optional_part(name) for name in own}
    spare = optional if backbone.loses_time(found) else set()
    return [
        name
        for name in found
        if backbone.is_essential(name)
        and name not in own
        and not name.startswith(used)
        and backbone.optional_part(name) not in spare
    ]


def _compare_archs(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    ours, theirs = describe_archs(expected, found)
    if ours == theirs:
        return f'both have {ours}, so other arguments than arch differ: those that it was trained with would fit'
    return f'expected: {ours}; in the file: {theirs}; a checkpoint of the same arch would fit'
