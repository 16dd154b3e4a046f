"""Checkpoints of other repositories: one file a source, each with `NAMES`, `recognise`, `backbone_cfg`,
`state_dict` and `export`.
"""

import logging
from collections.abc import Mapping
from itertools import groupby

from mmengine.logging import print_log
from torch import Tensor, nn

from . import (
    beit,
    clip,
    detectron2,
    google_vit,
    hiera,
    mmaction,
    mmaction_swin,
    mmaction_uniformerv2,
    mmpretrain,
    pyslowfast,
    swin,
    timm,
    torchvision,
    torchvision_swin,
    uniformerv2,
    video_swin,
    vit,
)
from .fit import fit
from .reading import read

SOURCES = (
    hiera,
    uniformerv2,
    detectron2,
    pyslowfast,
    torchvision,
    timm,
    mmaction,
    mmpretrain,
    video_swin,
    torchvision_swin,
    mmaction_swin,
    swin,
    mmaction_uniformerv2,
    clip,
    vit,
    beit,
    google_vit,
)


def source_of(name: str):
    """The source of a name such as 'hiera-transformer 0.1.4'.

    Raises:
        ValueError: If there is none; lists those there are.
    """
    for source in SOURCES:
        if name.split()[0] in source.NAMES:
            return source
    known = ', '.join(source.NAMES[0] for source in SOURCES)
    raise ValueError(f'checkpoints of {name!r} are not known; known are {known}')


def load(path: str) -> dict[str, Tensor]:
    """State dict of a file in the names of an mm* model (`backbone.…`), converted if another repository wrote it.

    Raises:
        ValueError: See :func:`read`; or if the file is of a known repository but not of a model that ours has.
    """
    content = read(path)
    for source in SOURCES:
        if source.recognise(content):
            try:
                return source.state_dict(content)
            except ValueError as error:
                raise ValueError(f'{path} cannot be converted: {error}') from error
    return content


def load_backbone(backbone: nn.Module, path: str, prefix: str = 'backbone.') -> None:
    """Loads a checkpoint into a backbone, all of it or nothing, and logs what was changed and what left out.

    Position embeddings of other sizes are resized, and an image's weights made a video's (:mod:`.fit`).

    Args:
        backbone: The model; its class name stands in the messages.
        path: File or URL that :func:`load` reads.
        prefix: What leads to the backbone in the checkpoint's names; without any such name, all names count.

    Raises:
        ValueError: If the checkpoint lacks a parameter of the backbone, has it in another shape, or has layers that the
            backbone does not have.
    """
    content = load(path)
    found = {name[len(prefix) :]: value for name, value in content.items() if name.startswith(prefix)} or content
    expected = backbone.state_dict()
    try:
        fitted, notes = fit(found, backbone)
    except ValueError as error:
        raise ValueError(f'{path} does not fit {type(backbone).__name__}: {error}') from error
    missing = [name for name in expected if name not in fitted]
    # masked pre-training has no final norm: fine-tuning begins with the initial one, as the authors do
    pretrained = 'fusion.norm.weight' in content
    # parts that the file has nothing of: one that it has in another number is another model's
    present = {backbone.optional_part(name) for name in found} | {None}
    fresh = [
        name
        for name in missing
        if backbone.optional_part(name) not in present or (pretrained and name.startswith('norm.'))
    ]
    wrong = [f'{name} missing' for name in missing if name not in fresh] + [
        f'{name} {tuple(value.shape)} for {tuple(expected[name].shape)}'
        for name, value in fitted.items()
        if value.shape != expected[name].shape
    ]
    homeless = _without_place(found, backbone)
    wrong += [f'{name} is not in the model' for name in homeless]
    if wrong:
        total = len(expected) + len(homeless)
        raise ValueError(
            f'{path} does not fit {type(backbone).__name__}: {len(wrong)} of {total} parameters do not match '
            f'({"; ".join(wrong[:3])}{" …" if len(wrong) > 3 else ""}); expected: {_outline(expected)}; in the file: '
            f'{_outline(found)}; a checkpoint of the same arch would fit'
        )
    backbone.load_state_dict(fitted, strict=not fresh)
    left = sorted(set(content) - {prefix + name for name in expected} - set(expected))
    parts = [f'{path}: loaded {len(fitted)} parameters of {type(backbone).__name__}']
    parts += [f'resized or derived {len(notes)}: {", ".join(notes)}'] if notes else []
    parts += [f'left out {len(left)}: {_listing(left)}'] if left else []
    parts += [f'not in the file and left as initialised: {_listing(fresh)}'] if fresh else []
    print_log('; '.join(parts), 'current', logging.INFO)


def _without_place(found: Mapping[str, Tensor], backbone: nn.Module) -> list[str]:
    """Parameters of the file that shape what its blocks see and do, of which the backbone has no like."""
    # what modules make theirs from
    used = tuple(f'{name}.' for name, module in backbone.named_modules() if name and hasattr(module, 'fit'))
    own = set(backbone.state_dict())
    # the position of a class token goes with the token, which a model may do without
    parts = ('patch_embed.', 'pos_embed.', 'pre_norm.', 'blocks.')
    return [
        name
        for name in found
        if name.startswith(parts) and name not in own and not name.startswith(used) and name != 'pos_embed.cls'
    ]


def _outline(parameters: Mapping[str, Tensor]) -> str:
    """What of an architecture its parameters tell."""
    patches = parameters.get('patch_embed.proj.weight')
    if patches is None:
        return 'no patch embedding'
    blocks = {name.split('.')[1] for name in parameters if name.startswith('blocks.')}
    size = '×'.join(map(str, patches.shape[2:]))
    return f'{len(patches)} channels, {len(blocks)} blocks, patches of {size}'


def _listing(names: list[str], most: int = 8) -> str:
    """Names, counted where many begin alike."""
    parts = []
    for head, group in groupby(sorted(names), lambda name: name.split('.')[0]):
        group = list(group)
        parts += group if len(group) <= most else [f'{len(group)} of {head}']
    return ', '.join(parts)
