"""Checkpoints of other repositories.

A file is read (:mod:`.reading`), identified and converted to our names by a source (:mod:`.source`, :mod:`.sources`),
and its parameters are adapted to a model (:mod:`.loading`, :mod:`.resizing`) with a report (:mod:`.report`).
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from mmengine.logging import print_log
from torch import Tensor

from . import sources  # registers them
from .loadable import LoadableBackbone
from .loading import adapt_backbone, adapt_model, resize_model
from .reading import read
from .report import LoadReport, TensorReport, compare
from .source import Source, all_sources, get_source, golden_source, identify, register

__all__ = [
    'Converted', 'LoadReport', 'LoadableBackbone', 'Source', 'TensorReport', 'adapt_backbone', 'adapt_model',
    'all_sources', 'compare', 'convert', 'get_source', 'golden_source', 'identify', 'load', 'load_backbone', 'read',
    'register', 'resize_model', 'sources',
]  # fmt: skip


class Converted(NamedTuple):
    """A converted state dict.

    Args:
        state_dict: Tensors in the names of an mm* model.
        source: The source that was converted from; None if the names were ours.
        left_out: Tensors of the file that its source leaves out, and why.
    """

    state_dict: dict[str, Tensor]
    source: Source | None
    left_out: dict[str, str]


def convert(content: Mapping[str, Tensor], path: str, source: str | None = None) -> Converted:
    """Convert a state dict to the names of an mm* model (`backbone.…`).

    Args:
        content: State dict.
        path: Where it is from, for messages.
        source: Name of the source, such as 'mvit.timm'. Defaults to None: identified by the names.

    Raises:
        ValueError: If there is no such source (:func:`get_source`), or the file is from a known repository but not of a
            model that we have.
    """
    origin = get_source(source) if source else identify(content)
    if origin is None:
        return Converted(dict(content), None, {})
    try:
        return Converted(origin.state_dict(content), origin, origin.left_out(content))
    except (ValueError, LookupError) as error:
        # the file may lack what a source that was named relies on
        seen = identify(content)
        hint = f'; it looks like a file of {seen.name}' if seen not in (None, origin) else ''
        raise ValueError(f'{path} cannot be converted as a file of {origin.name}: {error}{hint}') from error


def load(path: str, source: str | None = None) -> dict[str, Tensor]:
    """Read a file or URL as a state dict in the names of an mm* model (`backbone.…`).

    Args:
        path: File or URL (:func:`read`).
        source: As in :func:`convert`.

    Raises:
        ValueError: See :func:`read` and :func:`convert`.
    """
    return convert(read(path), path, source).state_dict


def load_backbone(backbone: LoadableBackbone, path: str, prefix: str = 'backbone.') -> None:
    """Load a checkpoint into a backbone, all of it or nothing, and log what was changed and what was left out.

    Position embeddings of other sizes are resized, and weights of images are converted to video (:mod:`.resizing`).

    Args:
        backbone: A backbone of ours; its class name appears in the messages.
        path: File or URL that :func:`load` reads.
        prefix: Prefix of the backbone in the checkpoint's names; if no name has it, all names count. Defaults to
            'backbone.'.

    Raises:
        ValueError: If the checkpoint lacks a parameter of the backbone, has it in another shape, or has layers that the
            backbone does not have.
    """
    content = load(path)
    fitted, report = adapt_backbone(backbone, content, path, prefix)
    backbone.load_state_dict(fitted, strict=not report.missing_keys)
    print_log(f'{path}, {type(backbone).__name__}: {report.summary()}', 'current', logging.INFO)
