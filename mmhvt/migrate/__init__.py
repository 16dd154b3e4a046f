"""Checkpoints of other repositories: one file a source, each with `NAMES`, `recognise`, `backbone_cfg`,
`state_dict` and `export`.
"""

import logging
from typing import Any

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
    mmpretrain_swin,
    mmpretrain_vit,
    mvit,
    pyslowfast,
    swin,
    timm,
    timm_hiera,
    torchvision,
    torchvision_swin,
    uniformerv2,
    video_swin,
    vit,
)
from .loading import adapt_backbone, line
from .reading import read

SOURCES = (
    hiera,
    timm_hiera,
    uniformerv2,
    detectron2,
    pyslowfast,
    mvit,
    torchvision,
    timm,
    mmaction,
    mmpretrain,
    mmpretrain_swin,
    mmpretrain_vit,
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


def recognise(content: dict[str, Tensor]):
    """The source that a state dict looks like, or None."""
    return next((source for source in SOURCES if source.recognise(content)), None)


def load(path: str, source: str | None = None) -> dict[str, Tensor]:
    """State dict of a file in the names of an mm* model (`backbone.…`), converted if another repository wrote it.

    Args:
        path: File or URL (:func:`read`).
        source: Whose it is, by a name that :func:`source_of` knows; None tells it from the file.

    Raises:
        ValueError: See :func:`read` and :func:`source_of`; or if the file is of a known repository but not of a model
            that ours has.
    """
    return convert(read(path), path, source)[0]


def convert(content: dict[str, Tensor], path: str, source: str | None = None) -> tuple[dict[str, Tensor], Any]:
    """A state dict in the names of an mm* model, and the source that wrote it; None if it has such names already.

    Args:
        content: State dict.
        path: Where it is from, for messages.
        source: As in :func:`load`.

    Raises:
        ValueError: As :func:`load`.
    """
    wrote = source_of(source) if source else recognise(content)
    if wrote is None:
        return content, None
    try:
        return wrote.state_dict(content), wrote
    except (ValueError, LookupError) as error:
        # a source that was named need not find in the file what it builds on
        seen = recognise(content)
        hint = f'; it looks like a file of {seen.NAMES[0]}' if seen not in (None, wrote) else ''
        raise ValueError(f'{path} cannot be converted as a file of {wrote.NAMES[0]}: {error}{hint}') from error


def dropped(content: dict[str, Tensor], converted: dict[str, Tensor], source: Any) -> dict[str, str]:
    """What a source left out when it converted a state dict, and why."""
    if source is None:
        return {}
    back = source.export(converted)
    # what comes back by another name, or as a part of something
    kept = {value.untyped_storage().data_ptr() for value in converted.values()}

    def comes_back(name: str) -> bool:
        parts = name.split('.')
        return any('.'.join(parts[i:]) in back for i in range(len(parts)))

    buffers = ('relative_position_index', 'relative_coords_table', 'attn_mask')
    return {
        name: 'computed, not learned' if name.endswith(buffers) else 'of no part of a backbone, and of no classifier'
        for name, value in content.items()
        if not comes_back(name) and value.untyped_storage().data_ptr() not in kept
    }


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
    fitted, fates = adapt_backbone(backbone, load(path), path, prefix)
    backbone.load_state_dict(fitted, strict=not any(fate.what == 'missing' for fate in fates))
    print_log(f'{path}, {type(backbone).__name__}: {line(fates)}', 'current', logging.INFO)
