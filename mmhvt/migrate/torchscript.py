"""State dicts of TorchScript archives, such as OpenAI's CLIP, without running any of their code.

`torch.jit.load` compiles the archive's code, and `torch.load(weights_only=True)` rejects such files. The tensors are
in a pickle of the module tree (`data.pkl`) and one record per storage (`data/0` …); these two are read here.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any
from zipfile import ZipFile

import torch
from torch import Tensor

from .pickles import UNFOLDS, check_pickle

_DTYPES = dict(
    FloatStorage=torch.float32,
    DoubleStorage=torch.float64,
    HalfStorage=torch.float16,
    BFloat16Storage=torch.bfloat16,
    LongStorage=torch.int64,
    IntStorage=torch.int32,
    ShortStorage=torch.int16,
    CharStorage=torch.int8,
    ByteStorage=torch.uint8,
    BoolStorage=torch.bool,
)


def is_archive(archive: ZipFile) -> bool:
    """Whether a zip file is a TorchScript archive: what `torch.save` writes has no constants."""
    return any(name.endswith('/constants.pkl') and name.count('/') == 1 for name in archive.namelist())


def read(archive: ZipFile) -> dict[str, Tensor]:
    """State dict of the module in an archive, with its other tensor attributes.

    Raises:
        pickle.UnpicklingError: If the pickle names anything but modules, tensors and plain values.
        KeyError: If a record is missing.
        RuntimeError: If a record is shorter than its tensor.
    """
    root = next(name for name in archive.namelist() if name.endswith('/constants.pkl')).split('/')[0]
    data = read_pickled(archive, f'{root}/data.pkl')
    check_pickle(data)
    module = _Unpickler(io.BytesIO(data), archive, root).load()
    return dict(_tensors(module))


def read_pickled(archive: ZipFile, name: str) -> bytes:
    """A pickle in an archive, which takes much longer to read than to unfold.

    Raises:
        pickle.UnpicklingError: If it is long, and compressed as only repetitions can be.
    """
    entry = archive.getinfo(name)
    if entry.file_size > max(1 << 20, UNFOLDS * entry.compress_size):
        raise pickle.UnpicklingError(f'its {name} unfolds from {entry.compress_size} bytes to {entry.file_size}')
    return archive.read(name)


class _Module:
    """Stands in for a class of the archive's code: attributes, no behavior."""


def _tensors(module: Any, prefix: str = '', within: tuple = ()) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(module, _Module) or any(module is outer for outer in within):
        raise pickle.UnpicklingError('it is not a tree of modules')
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _tensors(value, f'{prefix}{name}.', (*within, module))


class _Unpickler(pickle.Unpickler):
    """Knows modules, which become :class:`_Module`, tensors and plain values.

    What a pickle can call is made for each instance, so that changes to it end with the instance.
    """

    def __init__(self, file, archive: ZipFile, root: str):
        super().__init__(file)
        self.archive, self.root = archive, root
        self.storages: dict[str, Tensor] = {}

        def tensor(storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_) -> Tensor:
            return storage.as_strided(size, stride, offset)

        def same(value: Any, *_) -> Any:
            return value

        lists = ('build_intlist', 'build_doublelist', 'build_boollist', 'build_tensorlist', 'restore_type_tag')
        self.known = {
            ('torch._utils', '_rebuild_tensor_v2'): tensor,
            ('collections', 'OrderedDict'): OrderedDict,
            **{('torch.jit._pickle', name): same for name in lists},
            **{('torch', name): dtype for name, dtype in _DTYPES.items()},
        }

    def find_class(self, module: str, name: str) -> Any:
        if module.split('.')[0] == '__torch__':
            return self.known.setdefault((module, name), type(name, (_Module,), {}))
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f'{module}.{name} is not allowed in a checkpoint')
        return self.known[module, name]

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, *_ = pid
        if kind != 'storage' or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f'{kind!r} is not allowed in a checkpoint')
        if key not in self.storages:
            record = bytearray(self.archive.read(f'{self.root}/data/{key}'))
            self.storages[key] = torch.frombuffer(record, dtype=dtype) if record else torch.empty(0, dtype=dtype)
        return self.storages[key]
