"""Files of checkpoints, read without running anything that is in them."""

import io
import pickle
import re
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import safetensors.torch
import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.fileio import get
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from torch import Tensor

from . import torchscript


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
_dtypes = {type(np.dtype(name)) for name in '?bBhHiIlLqQefd'}
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
# what pickles of arrays name, written by NumPy 1 or 2
_ARRAYS = {
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): np.dtype,
    ('collections', 'OrderedDict'): OrderedDict,
    **{
        (f'numpy.{core}.multiarray', name): function
        for core in ('core', '_core')
        for name, function in dict(_reconstruct=_reconstruct, scalar=_scalar).items()
    },
}


class _ArrayUnpickler(pickle.Unpickler):
    """Knows arrays and plain values: the files of detectron2's model zoo."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('_codecs', 'encode'):
            return _latin1
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f'it wants to import {module}.{name}, which is not allowed in a checkpoint')
        return _ARRAYS[module, name]


def _latin1(text: str, encoding: str) -> bytes:
    # how Python 2's byte strings are written in protocol 2
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'text in {encoding!r} is not allowed in a checkpoint')
    return text.encode(encoding)


def checksum(url: str) -> str | None:
    """Beginning of the SHA-256 that a URL carries: '…-b8a5da86.pth', or a part of the path of 64 digits; else None."""
    *folders, name = urlparse(url).path.split('/')
    found = re.findall(r'-([0-9a-f]{8,64})\.\w+$', name) + [
        part for part in folders if re.fullmatch('[0-9a-f]{64}', part)
    ]
    # eight decimal digits are a date
    return next((part for part in found if not part.isdecimal()), None)


def fetch(path: str) -> str:
    """Path of a local file; a URL is downloaded once into torch's hub folder, by one process a machine.

    The download shows its progress, and has to have the checksum that its URL carries, if it does.

    Raises:
        ValueError: If the download fails.
    """
    if not path.startswith(('http://', 'https://')):
        return path
    target = Path(torch.hub.get_dir()) / 'checkpoints' / Path(urlparse(path).path).name
    if not target.exists() and get_local_rank() == 0:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(path, str(target), hash_prefix=checksum(path))
        except OSError as error:
            raise ValueError(
                f'{path} cannot be downloaded ({error}): fetch it elsewhere and name the file in its place'
            ) from error
        except RuntimeError as error:
            raise ValueError(f'{path} did not arrive whole: {error}') from error
    barrier()
    return str(target)


def read(path: str) -> dict[str, Tensor]:
    """State dict of a file or URL, as it is named there. Nothing is executed by reading it.

    Files are what `torch.save`, `torch.jit.save`, `numpy.savez` and safetensors write, and pickles of arrays (.pkl of
    detectron2's model zoo).

    Raises:
        ValueError: If the file is no checkpoint, is cut off, or holds more than tensors and plain values; says what it
            wanted to import.
    """
    local = fetch(path)
    try:
        content = _unpack(get(local), Path(local).suffix)
    except (
        pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError,
        zipfile.BadZipFile, safetensors.SafetensorError,
    ) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f'{path} cannot be read as a checkpoint (is it whole?): {reason}') from error
    # 'teacher': of DINO's training, which evaluates it
    for key in ('state_dict', 'model_state', 'model', 'teacher'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if isinstance(content, dict):
        content = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in content.items()}
        if all(str(name).startswith('module.') for name in content):
            content = {name.removeprefix('module.'): value for name, value in content.items()}  # of DataParallel
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f'{path} holds no state dict')
    return content


def _unpack(data: bytes, suffix: str) -> Any:
    if suffix == '.safetensors':
        return safetensors.torch.load(data)
    file = io.BytesIO(data)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if torchscript.is_archive(archive):
                return torchscript.read(archive)
            arrays = all(name.endswith('.npy') for name in archive.namelist())
        file.seek(0)
        if arrays:
            return dict(np.load(file, allow_pickle=False))
    elif suffix == '.pkl':
        file.seek(0)
        return _ArrayUnpickler(file, encoding='latin1').load()
    file.seek(0)
    return load_pickle(file)


def load_pickle(file: Any, map_location: Any = 'cpu') -> Any:
    """What `torch.save` wrote, if it is made of tensors, plain values and :data:`ALLOWED`.

    Args:
        file: Path or open file.
        map_location: As torch's.

    Raises:
        pickle.UnpicklingError: If there is more in it; names what.
    """
    # allowed for this call: MMEngine's own loader strikes its list from torch's when it is done
    with torch.serialization.safe_globals(ALLOWED):
        try:
            return torch.load(file, map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:
            # of its message of many lines, what concerns the file
            wanted = re.search(r'GLOBAL ([\w.]+)', str(error))
            reason = re.search(r'WeightsUnpickler error: (.+)', str(error))
            if wanted:
                said = f'it wants to import {wanted[1]}, which is not allowed in a checkpoint'
            else:
                said = reason[1].strip() if reason else str(error).splitlines()[0]
            raise pickle.UnpicklingError(said) from error
