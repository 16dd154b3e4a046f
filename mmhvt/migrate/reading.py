"""Files of checkpoints, read without running anything that is in them.

`torch.load(weights_only=True)` reads what `torch.save` wrote. This module is for the rest: what runners save besides
tensors, pickles and archives of other tools (:mod:`.pickles`, :mod:`.torchscript`), and files that are damaged or ask
for much more memory than their size.
"""

import hashlib
import io
import mmap
import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal
from unittest import mock
from urllib.parse import urlparse

import numpy as np
import safetensors.torch
import torch
from mmengine.dist import barrier, get_local_rank
from mmengine.fileio import get
from torch import Tensor
from torch._weights_only_unpickler import _get_allowed_globals

from mmhvt.hub import missing_checkpoint, recipe_of
from mmhvt.utils.files import READ_ERRORS, require_file

from . import torchscript
from .pickles import ALLOWED, INSTEAD, LARGE, UNFOLDS, ArrayUnpickler, check_pickle, read_pickle

__all__ = ['ALLOWED', 'ArrayUnpickler', 'check_whole', 'checksum', 'fetch', 'load', 'load_pickle', 'read',
           'read_with_meta', 'unwrap']  # fmt: skip

# how files of torch.save began before they were zip archives: a pickled number
_LEGACY = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[:14]


def checksum(url: str) -> str | None:
    """Beginning of the SHA-256 in a URL: '…-b8a5da86.pth', or a part of the path with 64 digits; else None."""
    *folders, name = urlparse(url).path.split('/')
    found = re.findall(r'-([0-9a-f]{8,64})\.\w+$', name) + [
        part for part in folders if re.fullmatch('[0-9a-f]{64}', part)
    ]
    # eight decimal digits are a date
    return next((part for part in found if not part.isdecimal()), None)


def fetch(path: str) -> str:
    """Path of a local file; a URL is downloaded once into torch's hub folder, by one process per machine.

    The download shows its progress, and must have the checksum in its URL, if there is one.

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
            f'{path} cannot be downloaded ({error}): download it elsewhere and give the path of the file instead'
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
        ValueError: If the file is not a checkpoint, is cut off or damaged, or holds more than tensors and plain values.
            The message says what it wanted to import.
    """
    return read_with_meta(path)[0]


def read_with_meta(path: str) -> tuple[dict[str, Tensor], Any]:
    """State dict of a file or URL as :func:`read` returns it, and the `meta` that MMEngine writes beside it, if any.

    Raises:
        ValueError: See :func:`read`.
    """
    local = fetch(path)
    with _naming(path, ' (is it whole?)'):
        content = _content(io.BytesIO(get(local)) if '://' in local else Path(local))
        meta = content.get('meta') if isinstance(content, dict) else None
        return _state_dict(content), meta if isinstance(meta, dict) else {}


def load(file: Any, map_location: Any = 'cpu') -> Any:
    """What MMEngine's loader reads: the content of a file of `torch.save`, or the state dict of another file.

    Args:
        file: Path or open file.
        map_location: As in `torch.load`, for files of `torch.save`.

    Raises:
        ValueError: See :func:`read`.
    """
    is_path = isinstance(file, str | Path)
    with _naming(file if is_path else 'the file'):
        return _content(Path(file) if is_path else file, map_location)


def check_whole(path: str | Path) -> None:
    """Check that a checkpoint is whole: a zip file by its checksums, at about a second per GB, any other by reading it.

    Raises:
        ValueError: If it is missing, empty, cut off, damaged or not a checkpoint. The message names the file and says
            which.
    """
    with _naming(path):
        if not zipfile.is_zipfile(require_file(path)):
            _content(Path(path))
        else:
            _examine(Path(path))


@contextmanager
def _naming(path: Any, hint: str = '') -> Iterator[None]:
    """Turns the errors of file readers into a one-line ValueError that names the file."""
    try:
        yield
    except (*READ_ERRORS, zlib.error, zipfile.BadZipFile, safetensors.SafetensorError) as error:
        if isinstance(error, FileNotFoundError) and recipe_of(path):
            raise ValueError(missing_checkpoint(path)) from error
        reason = 'it asks for more memory than there is' if isinstance(error, MemoryError) else str(error)
        reason = (reason.strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, LookupError | TypeError | AttributeError | AssertionError):
            reason = f'it is damaged ({reason})'
        raise ValueError(f'{path} cannot be read as a checkpoint{hint}: {reason}') from error


def unwrap(content: Any) -> Any:
    """The state dict in a file's content, under the names that libraries have for it; or the content itself."""
    # 'teacher' is from DINO's training, which evaluates it
    for key in ('state_dict', 'model_state', 'model', 'teacher'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return content


def _state_dict(content: Any) -> dict[str, Tensor]:
    """The tensors of a file's content by name.

    Raises:
        ValueError: If there are none, or anything else.
    """
    content = unwrap(content)
    if not isinstance(content, dict) or not content or not all(isinstance(name, str) for name in content):
        raise ValueError('it holds no state dict')
    content = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in content.items()}
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError('it holds no state dict')
    if all(name.startswith('module.') for name in content):
        content = {name.removeprefix('module.'): value for name, value in content.items()}  # of DataParallel
    return content


def _content(file: Path | BinaryIO, map_location: Any = 'cpu') -> Any:
    """Content of a file of `torch.save`, or the state dict of another file."""
    kind, size = _examine(file)
    if kind == 'torch':
        content = load_pickle(file, map_location)
    elif kind == 'safetensors':
        content = safetensors.torch.load_file(file) if isinstance(file, Path) else safetensors.torch.load(file.read())
    elif kind == 'script':
        with zipfile.ZipFile(file) as archive:
            content = torchscript.read(archive)
    elif kind == 'arrays':
        with np.load(file, allow_pickle=False) as arrays:
            content = dict(arrays)
    else:
        content = _read_mapped(file) if isinstance(file, Path) else read_pickle(file.read())
    tensors = unwrap(content)
    if isinstance(tensors, dict):
        # a tensor may be a view of few values
        dense = (v for v in tensors.values() if isinstance(v, Tensor) and v.layout is torch.strided)
        _check_size('its tensors take', sum(v.nbytes for v in dense), size)
        hollow = [name for name, value in tensors.items() if isinstance(value, Tensor) and value.is_meta]
        if hollow and str(map_location) != 'meta':
            raise ValueError(f'{hollow[0]} has no values: it was saved from the meta device')
    return content if kind == 'torch' else _state_dict(content)


def _read_mapped(path: Path) -> Any:
    """What a pickle holds. It is not read until it is known to be one: a file of zeros may be a terabyte."""
    with path.open('rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_pickle(data)


def _check_size(what: str, unfolded: int, size: int) -> None:
    if unfolded > max(LARGE, UNFOLDS * size):
        raise ValueError(f'{what} {unfolded / 1e6:.1f} MB, but the file has {size / 1e6:.1f}')


Kind = Literal['torch', 'script', 'arrays', 'pickle', 'safetensors']


def _examine(file: Path | BinaryIO) -> tuple[Kind, int]:
    """What wrote a file, and its size in bytes. A zip file is checked as a whole, which PyTorch does not do.

    Raises:
        ValueError: If the file is empty, cut off or damaged, or of an unknown kind.
    """
    if isinstance(file, Path):
        with require_file(file).open('rb') as opened:
            return _kind_of(opened, file.suffix), file.stat().st_size
    size = file.seek(0, 2)
    kind = _kind_of(file, '')
    file.seek(0)
    return kind, size


def _kind_of(file: BinaryIO, suffix: str) -> Kind:
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(262)
    if not head:
        raise ValueError('it is empty')
    if suffix == '.safetensors':
        return 'safetensors'
    if head[:2] == b'PK':
        if not zipfile.is_zipfile(file):
            raise ValueError(f'it is cut off after {size} bytes')
        with zipfile.ZipFile(file) as archive:
            return _kind_of_archive(archive, size)
    if head[257:] == b'ustar':
        raise ValueError('it is in the tar format of PyTorch 0.1: load and save it again with PyTorch 1.x')
    if suffix == '.pkl' and not head.startswith(_LEGACY):
        return 'pickle'
    if head[:1] != pickle.PROTO:
        raise ValueError('it is not a file of torch.save')
    if isinstance(file, io.BufferedReader):
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_legacy(data)
    else:
        file.seek(0)
        _check_legacy(file.read())
    return 'torch'


def _check_legacy(data: bytes | mmap.mmap) -> None:
    """Check the pickles with which files of `torch.save` began: number, version, machine, content, storages."""
    place = 0
    for _ in range(5):
        place = check_pickle(data, place)


def _kind_of_archive(archive: zipfile.ZipFile, size: int) -> Kind:
    entries = archive.infolist()
    names = archive.namelist()
    # PyTorch and Python may read different ones of them
    if len(set(names)) < len(names):
        raise ValueError(f'it has {max(names, key=names.count)} twice')
    for entry in entries:
        # others return as much as they like in one piece, whatever they say
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f'{entry.filename} in it is compressed in a way that neither PyTorch nor NumPy uses')
    _check_size('it unfolds to', sum(entry.file_size for entry in entries), size)
    # if there are none, torch.serialization.set_crc32_options(False) was set
    damaged = archive.testzip() if any(entry.CRC for entry in entries) else None
    if damaged:
        raise ValueError(f'it is damaged: {damaged} does not have its checksum')
    if torchscript.is_archive(archive):
        return 'script'
    if names and all(name.endswith('.npy') for name in names):
        return 'arrays'
    pickled = [name for name in names if name.split('/')[1:] == ['data.pkl']]
    if not pickled:
        raise ValueError('it is a zip file, but not of torch.save, torch.jit.save or numpy.savez')
    for name in pickled:
        check_pickle(torchscript.read_pickled(archive, name))
    return 'torch'


def load_pickle(file: Any, map_location: Any = 'cpu') -> Any:
    """What `torch.save` wrote, if it consists of tensors, plain values and :data:`ALLOWED`.

    Args:
        file: Path or open file.
        map_location: As in `torch.load`.

    Raises:
        pickle.UnpicklingError: If there is more in it. The message says what.
    """
    # allowed for this call: MMEngine's own loader removes its list from torch's when it is done
    with torch.serialization.safe_globals(ALLOWED), mock.patch.dict(_get_allowed_globals(), INSTEAD):
        try:
            return torch.load(file, map_location=map_location, weights_only=True)
        except pickle.UnpicklingError as error:
            # from its message of many lines, what concerns the file
            wanted = re.search(r'GLOBAL ([\w.]+)', str(error))
            reason = re.search(r'WeightsUnpickler error:\s*(.+)', str(error))
            if wanted:
                said = f'it wants to import {wanted[1]}, which is not allowed in a checkpoint'
            else:
                said = reason[1].strip() if reason else 'it is not a file of torch.save'
            raise pickle.UnpicklingError(said) from error
