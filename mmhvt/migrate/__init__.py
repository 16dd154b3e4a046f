"""Checkpoints of other repositories: one file a source, each with `NAMES`, `recognise`, `backbone_cfg`,
`state_dict` and `export`.
"""

import io
import logging
import pickle
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.fileio import get
from mmengine.logging import HistoryBuffer, print_log
from torch import Tensor, nn

from . import (
    detectron2,
    hiera,
    mmaction,
    mmaction_swin,
    mmpretrain,
    pyslowfast,
    swin,
    timm,
    torchvision,
    torchvision_swin,
    uniformerv2,
    video_swin,
)
from .fit import fit

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
)


def _history_method(owner: type, name: str):
    """Stands in for the builtin getattr, by which a pickled HistoryBuffer names its methods, and gives nothing else."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')
    return getattr(owner, name)


# What MMEngine's runner saves beside tensors: its log of losses. Nothing of it runs anything when it is loaded.
_history_method.__module__, _history_method.__qualname__ = 'builtins', 'getattr'
_reconstruct, _scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
_dtypes = [type(np.dtype(name)) for name in ('f4', 'f8', 'i8', 'u4')]
ALLOWED = [HistoryBuffer, _history_method, np.ndarray, np.dtype, _reconstruct, _scalar, *_dtypes]


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


def fetch(path: str) -> str:
    """Path of a local file; a URL is downloaded once into torch's hub folder, by one process a machine.

    Raises:
        ValueError: If the download fails.
    """
    if not path.startswith(('http://', 'https://')):
        return path
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(path).path).name
    if not target.exists() and get_local_rank() == 0:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(path, str(target))
        except OSError as error:
            raise ValueError(
                f'{path} cannot be downloaded ({error}): fetch it elsewhere and name the file in its place'
            ) from error
    barrier()
    return str(target)


def read(path: str) -> dict[str, Tensor]:
    """State dict of a file or URL, as it is named there. Nothing is executed by reading it.

    Raises:
        ValueError: If the file is no checkpoint, is cut off, or holds more than tensors and plain values.
    """
    content = io.BytesIO(get(fetch(path)))
    try:
        # allowed for this call: MMEngine's own loader strikes its list from torch's when it is done
        with torch.serialization.safe_globals(ALLOWED):
            content = torch.load(content, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f'{path} cannot be read as a checkpoint (is it whole?): {reason}') from error
    for key in ('state_dict', 'model_state', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if isinstance(content, dict) and all(str(name).startswith('module.') for name in content):
        content = {name.removeprefix('module.'): value for name, value in content.items()}  # of DataParallel
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f'{path} holds no state dict')
    return content


def load(path: str) -> dict[str, Tensor]:
    """State dict of a file in the names of an mm* model (`backbone.…`), converted if another repository wrote it.

    Raises:
        ValueError: See :func:`read`.
    """
    content = read(path)
    for source in SOURCES:
        if source.recognise(content):
            return source.state_dict(content)
    return content


def load_backbone(backbone: nn.Module, path: str, prefix: str = 'backbone.') -> None:
    """Loads a checkpoint into a backbone, all of it or nothing, and logs what was changed and what left out.

    Position embeddings of other sizes are resized, and an image's weights made a video's (:mod:`.fit`).

    Args:
        backbone: The model; its class name stands in the messages.
        path: File or URL that :func:`load` reads.
        prefix: What leads to the backbone in the checkpoint's names; without any such name, all names count.

    Raises:
        ValueError: If the checkpoint lacks a parameter of the backbone, or has it in another shape.
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
    pretrained = 'mae.mask_token' in content
    fresh = [name for name in missing if backbone.may_be_missing(name) or (pretrained and name.startswith('norm.'))]
    wrong = [f'{name} missing' for name in missing if name not in fresh] + [
        f'{name} {tuple(value.shape)} for {tuple(expected[name].shape)}'
        for name, value in fitted.items()
        if value.shape != expected[name].shape
    ]
    if wrong:
        raise ValueError(
            f'{path} does not fit {type(backbone).__name__}: {len(wrong)} of {len(expected)} parameters do not match '
            f'({"; ".join(wrong[:3])}{" …" if len(wrong) > 3 else ""}); a checkpoint of the same arch would'
        )
    backbone.load_state_dict(fitted, strict=not fresh)
    left = sorted(set(content) - {prefix + name for name in expected} - set(expected))
    parts = [f'{path}: loaded {len(fitted)} parameters of {type(backbone).__name__}']
    parts += [f'resized or derived {len(notes)}: {", ".join(notes)}'] if notes else []
    parts += [f'left out {len(left)}: {", ".join(left)}'] if left else []
    parts += [f'not in the file and left as initialised: {", ".join(fresh)}'] if fresh else []
    print_log('; '.join(parts), 'current', logging.INFO)
