"""Checkpoints of other repositories: one file a source, each with `NAMES`, `recognise`, `backbone_cfg`,
`state_dict` and `export`.
"""

import io
import logging
import pickle
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.fileio import get
from mmengine.logging import HistoryBuffer, print_log
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
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
    torchscript,
    torchvision,
    torchvision_swin,
    uniformerv2,
    video_swin,
    vit,
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
    mmaction_uniformerv2,
    clip,
    vit,
    beit,
    google_vit,
)


def _named_function(owner: type, name: str):
    """Stands in for the builtin getattr, by which pickles name functions of a class, and gives nothing else.

    A HistoryBuffer names its methods, the state of a OneCycleLR its curve.
    """
    curve = owner is OneCycleParamScheduler and name in ('_annealing_cos', '_annealing_linear')
    if not curve and (owner is not HistoryBuffer or name.startswith('_')):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')
    return getattr(owner, name)


# What MMEngine's runner saves beside tensors, its log of losses, and what others do, their command line. Nothing of it
# runs anything when it is loaded.
_named_function.__module__, _named_function.__qualname__ = 'builtins', 'getattr'
_reconstruct, _scalar = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
_dtypes = [type(np.dtype(name)) for name in ('f4', 'f8', 'i8', 'u4')]
ALLOWED = [
    HistoryBuffer,
    Namespace,
    OneCycleParamScheduler,
    _named_function,
    np.ndarray,
    np.dtype,
    _reconstruct,
    _scalar,
    *_dtypes,
]


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

    Files are what `torch.save`, `torch.jit.save` and `numpy.savez` write.

    Raises:
        ValueError: If the file is no checkpoint, is cut off, or holds more than tensors and plain values.
    """
    try:
        content = _unpack(io.BytesIO(get(fetch(path))))
    except (
        pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError,
        zipfile.BadZipFile,
    ) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f'{path} cannot be read as a checkpoint (is it whole?): {reason}') from error
    # 'teacher': of DINO's training, which evaluates it
    for key in ('state_dict', 'model_state', 'model', 'teacher'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if isinstance(content, dict) and all(str(name).startswith('module.') for name in content):
        content = {name.removeprefix('module.'): value for name, value in content.items()}  # of DataParallel
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f'{path} holds no state dict')
    return content


def _unpack(file: io.BytesIO):
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if torchscript.is_archive(archive):
                return torchscript.read(archive)
            arrays = all(name.endswith('.npy') for name in archive.namelist())
        file.seek(0)
        if arrays:
            return {name: torch.from_numpy(value) for name, value in np.load(file, allow_pickle=False).items()}
    file.seek(0)
    # allowed for this call: MMEngine's own loader strikes its list from torch's when it is done
    with torch.serialization.safe_globals(ALLOWED):
        return torch.load(file, map_location='cpu', weights_only=True)


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
