"""Files of checkpoints, read without running anything that is in them."""

import hashlib
import io
import pickle
import re
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
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


class _Kind:
    """Stands in for numpy.dtype: numbers, truth values, text. A real one takes flags to make NumPy follow pointers."""

    def __init__(self, name: str, *_):
        if not re.fullmatch(r'b1|[iu][1248]|f[248]|c8|c16|U[1-9]\d{0,4}', str(name)):
            raise pickle.UnpicklingError(f'arrays of {name!r} are not allowed in a checkpoint; numbers are')
        self.dtype = np.dtype(str(name))

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1] if state[1] in ('<', '>') else '=')

    def read(self, data: bytes | str) -> np.ndarray:
        """Values in the machine's order of bytes."""
        data = data.encode('latin1') if isinstance(data, str) else data  # written by Python 2
        if not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError(f'values of an array are bytes, not {type(data).__name__}')
        return np.frombuffer(data, self.dtype).astype(self.dtype.newbyteorder('='))


class _Array(np.ndarray):
    """Stands in for numpy.ndarray, which could be given a buffer to misread; it is made of its bytes alone."""

    def __new__(cls, *_, **__):
        raise pickle.UnpicklingError('an array that is made by hand is not allowed in a checkpoint')

    def __setstate__(self, state: tuple) -> None:
        *_, shape, kind, fortran, data = state
        values = kind.read(data).reshape(shape, order='F' if fortran else 'C')
        super().__setstate__((1, values.shape, values.dtype, False, values.tobytes()))

    def __reduce__(self) -> tuple:
        return np.array(self, subok=False).__reduce__()


def _functions_of_arrays(module: str) -> list[Callable]:
    """What pickles of arrays call, under the names that NumPy 1 ('numpy.core') or 2 has for it."""

    def _reconstruct(*_) -> np.ndarray:
        return np.ndarray.__new__(_Array, 0, 'u1')

    def scalar(kind: _Kind, data: bytes | str) -> np.generic:
        return kind.read(data)[0]

    def _frombuffer(data: bytes | bytearray, kind: _Kind, shape: tuple, order: str) -> np.ndarray:
        return kind.read(data).reshape(shape, order=order)

    places = {_reconstruct: 'multiarray', scalar: 'multiarray', _frombuffer: 'numeric'}
    for function, file in places.items():
        function.__module__, function.__qualname__ = f'{module}.{file}', function.__name__
    return list(places)


def _no_bytes() -> bytes:
    """Stands in for the builtin bytes, by which protocol 2 writes empty ones; of a number it would make as many."""
    return b''


# What MMEngine's runner saves beside tensors, its log of losses, and what others do, their command line. Nothing of it
# runs anything when it is loaded.
_named_function.__module__, _named_function.__qualname__ = 'builtins', 'getattr'
_Kind.__module__, _Kind.__qualname__ = 'numpy', 'dtype'
_Array.__module__, _Array.__qualname__ = 'numpy', 'ndarray'
_ARRAYS = [_Kind, _Array]
_ARRAYS += [f for core in ('core', '_core') for f in _functions_of_arrays(f'numpy.{core}')]
ALLOWED = [HistoryBuffer, Namespace, OneCycleParamScheduler, _named_function, *_ARRAYS]


# how files of torch.save began before they were zip archives: a pickled number
_LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[:14]


class ArrayUnpickler(pickle.Unpickler):
    """Knows arrays and plain values: the files of detectron2's model zoo."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('_codecs', 'encode'):
            return _latin1
        if module in ('builtins', '__builtin__') and name == 'bytes':
            return _no_bytes
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        for known in _ARRAYS:
            if (known.__module__, known.__qualname__) == (module, name):
                return known
        raise pickle.UnpicklingError(f'it wants to import {module}.{name}, which is not allowed in a checkpoint')


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
    name = Path(urlparse(path).path).name
    if checksum(path) is None:
        # many files are called model.safetensors
        name = f'{hashlib.sha256(path.encode()).hexdigest()[:8]}-{name}'
    target = Path(torch.hub.get_dir()) / 'checkpoints' / name
    try:
        if not target.exists() and get_local_rank() == 0:
            target.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(path, str(target), hash_prefix=checksum(path))
    except OSError as error:
        raise ValueError(
            f'{path} cannot be downloaded ({error}): fetch it elsewhere and name the file in its place'
        ) from error
    except RuntimeError as error:
        raise ValueError(f'{path} did not arrive whole: {error}') from error
    finally:
        barrier()  # also if it fails, so that nobody waits for this process
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
        return _state_dict(_unpack(get(local), Path(local).suffix))
    except (
        pickle.UnpicklingError, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError,
        ArithmeticError, AssertionError, ImportError, struct.error, zipfile.BadZipFile, safetensors.SafetensorError,
    ) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f'{path} cannot be read as a checkpoint (is it whole?): {reason}') from error


def _state_dict(content: Any) -> dict[str, Tensor]:
    """The tensors of a file's content by name.

    Raises:
        ValueError: If there are none, or more than that.
    """
    # 'teacher': of DINO's training, which evaluates it
    for key in ('state_dict', 'model_state', 'model', 'teacher'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content or not all(isinstance(name, str) for name in content):
        raise ValueError('it holds no state dict')
    content = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in content.items()}
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError('it holds no state dict')
    if all(name.startswith('module.') for name in content):
        content = {name.removeprefix('module.'): value for name, value in content.items()}  # of DataParallel
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
    file.seek(0)
    if suffix == '.pkl' and data[:2] != b'PK' and not data.startswith(_LEGACY):
        return ArrayUnpickler(file, encoding='latin1').load()
    if data[257:262] == b'ustar':
        raise ValueError('it is in the tar format of PyTorch 0.1: load and save it again with a PyTorch of 1.x')
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
            reason = re.search(r'WeightsUnpickler error:\s*(.+)', str(error))
            if wanted:
                said = f'it wants to import {wanted[1]}, which is not allowed in a checkpoint'
            else:
                said = reason[1].strip() if reason else 'it is no file of torch.save'
            raise pickle.UnpicklingError(said) from error
