"""Parameters of one model for another of different size, frame count or number of axes."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .report import TensorReport


def resize_parameters(found: Mapping[str, Tensor], model: nn.Module) -> tuple[dict[str, Tensor], list[TensorReport]]:
    """Change parameters of a file to fit a model, as far as possible.

    Modules with a method `resize_pretrained` (position embeddings, tables of relative positions) make theirs from what
    the file has. Kernels of convolutions get a time axis as the model's `inflation` says: 'center', with the weights in
    its center and zeros elsewhere (MViTv2, section 4.3), or 'mean', with an equal part in every frame (Video Swin,
    section 3.4). They lose it by a sum: the model then treats an image as the video model treats a still clip of it, as
    far as kernels do not reach beyond the clip's ends.

    Half precision becomes single first, so that nothing is rounded on the way.

    Args:
        found: Parameters of the file by our names.
        model: A backbone or another part of a model.

    Returns:
        tuple: The parameters, including those that fit as they are, and a report of each that was changed.

    Raises:
        ValueError: If a module cannot use what there is, such as joint positions of a fractional number of frames.
    """
    expected = model.state_dict()
    halves = (torch.float16, torch.bfloat16)
    found = {name: value.float() if value.dtype in halves else value for name, value in found.items()}
    fitted = {name: value for name, value in found.items() if name in expected}
    read_pretrained, inflation = (getattr(model, name, None) for name in ('read_pretrained', 'inflation'))
    given, notes = read_pretrained(found) if read_pretrained else (found, {})
    reports = []
    for prefix, module in model.named_modules():
        if not hasattr(module, 'resize_pretrained'):
            continue
        own = {name[len(prefix) + 1 :]: value for name, value in given.items() if name.startswith(f'{prefix}.')}
        targets = {f'{prefix}.{name}': parameter for name, parameter in module.named_parameters()}
        if not own or all(name in fitted and fitted[name].shape == targets[name].shape for name in targets):
            continue
        new = {f'{prefix}.{name}': value for name, value in module.resize_pretrained(own).items()}
        fitted |= new
        reports += [
            TensorReport(
                name,
                status='resized' if name in found else 'derived',
                detail=_shapes(found.get(name), value) + notes.get(prefix, ''),
            )
            for name, value in new.items()
            if name not in found or found[name].shape != value.shape
        ]
    for name, value in fitted.items():
        target = expected[name]
        if value.shape == target.shape or target.ndim < 4 or abs(target.ndim - value.ndim) != 1:
            continue
        if target.ndim < value.ndim:
            status, fitted[name] = 'summed', value.sum(2)
        elif inflation is not None:
            status, fitted[name] = 'inflated', _inflate(value, target.shape[2], inflation)
        else:
            continue  # a neck or a head, to which no paper gives a time axis
        reports.append(TensorReport(name, status, _shapes(value, fitted[name])))
    return fitted, reports


def _inflate(kernel: Tensor, frames: int, how: str) -> Tensor:
    """(out, in, kH, kW) -> (out, in, frames, kH, kW)."""
    if how == 'mean':
        return kernel[:, :, None].repeat(1, 1, frames, 1, 1) / frames
    inflated = torch.zeros(*kernel.shape[:2], frames, *kernel.shape[2:], dtype=kernel.dtype)
    inflated[:, :, frames // 2] = kernel
    return inflated


def _shapes(before: Tensor | None, after: Tensor) -> str:
    if before is None:
        return f'(new, {"zero" if not after.any() else "derived"})'
    return f'{tuple(before.shape)} → {tuple(after.shape)}'
