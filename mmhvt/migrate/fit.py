"""Parameters of one backbone for another of other size, frame count or number of axes."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


def fit(found: dict[str, Tensor], backbone: nn.Module) -> tuple[dict[str, Tensor], list[tuple[str, str, str]]]:
    """Parameters for `backbone` from those of a file, as far as they can be had.

    Modules with a method `fit` (position embeddings, tables of relative positions) take theirs as they need.
    Kernels of convolutions get a time axis as the backbone's `inflation` says: 'centre', with the weights in its
    centre and zeros elsewhere (mvitv2, section 4.3), or 'mean', with an equal part in every frame (video_swin,
    section 3.4). They lose it by a sum: a still clip is then to the video model what its frame is to the backbone, as
    far as kernels do not reach over the clip's ends.

    Half precision becomes single first, so that nothing is rounded on the way.

    Args:
        found: The file's parameters by our names.
        backbone: The model to load.

    Returns:
        tuple: The parameters, those that fit as they are included; for each that was changed its name, how ('resized',
        'derived', 'inflated' or 'summed'), and the shapes.

    Raises:
        ValueError: If a module cannot use what there is, such as joint positions of no whole number of frames.
    """
    expected = backbone.state_dict()
    halves = (torch.float16, torch.bfloat16)
    found = {name: value.float() if value.dtype in halves else value for name, value in found.items()}
    fitted = {name: value for name, value in found.items() if name in expected}
    patches = found.get('patch_embed.proj.weight')
    image = patches is not None and patches.ndim == 4
    clip_to_image = loses_time(found, expected)
    changes = []
    for prefix, module in backbone.named_modules():
        if hasattr(module, 'fit'):
            own = {name[len(prefix) + 1 :]: value for name, value in found.items() if name.startswith(prefix + '.')}
            if image and prefix == 'pos_embed' and own.keys() <= {'joint', 'cls'}:
                # of one frame, which the number of its tokens alone does not say
                own = {name.replace('joint', 'spatial'): value for name, value in own.items()}
            if image:
                # so is the window of a table of biases, of which the number of rows says less
                own = {name.replace('bias_table', 'image_bias_table'): value for name, value in own.items()}
            if clip_to_image and prefix == 'pos_embed' and 'joint' in own:
                read_as = _read_joint(own['joint'].shape[1], module.grid)
            else:
                read_as = ''
            mine = {f'{prefix}.{name}': parameter for name, parameter in module.named_parameters()}
            if own and any(name not in fitted or fitted[name].shape != mine[name].shape for name in mine):
                new = {f'{prefix}.{name}': value for name, value in module.fit(own).items()}
                fitted |= new
                changes += [
                    (name, 'resized' if name in found else 'derived', _shapes(found.get(name), value) + read_as)
                    for name, value in new.items()
                    if name not in found or found[name].shape != value.shape
                ]
    for name, value in fitted.items():
        target = expected[name]
        if value.shape != target.shape and target.ndim >= 4 and abs(target.ndim - value.ndim) == 1:
            inflated = target.ndim > value.ndim
            if inflated and not hasattr(backbone, 'inflation'):
                continue  # a neck or a head, to which no paper gives a time axis
            fitted[name] = _inflate(value, target.shape[2], backbone.inflation) if inflated else value.sum(2)
            changes.append((name, 'inflated' if inflated else 'summed', _shapes(value, fitted[name])))
    return fitted, changes


def loses_time(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    """Whether parameters of a video model go into a model of images."""
    kernels = [parameters.get('patch_embed.proj.weight') for parameters in (found, expected)]
    return all(kernel is not None for kernel in kernels) and kernels[0].ndim > kernels[1].ndim


def _read_joint(tokens: int, space: Sequence[int]) -> str:
    """How a clip's joint position embedding is read, for the report: its grid is nowhere in the file.

    Raises:
        ValueError: If it is not of several frames of the image's grid.
    """
    if tokens % math.prod(space) or tokens == math.prod(space):
        raise ValueError(
            f"a clip's joint embedding of {tokens} tokens does not tell its frames, and is not of frames of this "
            f"image's grid {tuple(space)}: an input_size of the clip's height and width would do"
        )
    return f', read as {tokens // math.prod(space)} frames of {"x".join(map(str, space))}'


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
