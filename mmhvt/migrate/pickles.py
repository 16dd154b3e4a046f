"""Pickles, read without calling anything but what is listed here.

`pickle.load` calls whatever a file names. :func:`read_pickle` reads only arrays and plain values, :func:`read_results`
also what tools of mm* write: tensors and data elements.
"""

import importlib
import io
import mmap
import pickle
import pickletools
import re
from argparse import Namespace
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler


def _named_function(owner: type, name: str):
    """Stands in for the builtin getattr, with which pickles name functions of a class, and returns nothing else.

    A HistoryBuffer names its methods, the state of a OneCycleLR its curve.
    """
    curve = owner is OneCycleParamScheduler and name in ('_annealing_cos', '_annealing_linear')
    if not curve and (owner is not HistoryBuffer or name.startswith('_')):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')
    return getattr(owner, name)


class _Kind:
    """Stands in for numpy.dtype: numbers, booleans, text. A real one accepts flags that make NumPy follow pointers."""

    def __init__(self, name: str, *_):
        if not re.fullmatch(r'b1|[iu][1248]|f[248]|c8|c16|U[1-9]\d{0,4}', str(name)):
            raise pickle.UnpicklingError(f'arrays of {name!r} are not allowed in a checkpoint; numbers are')
        self.dtype = np.dtype(str(name))

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1] if state[1] in ('<', '>') else '=')

    def read(self, data: bytes | bytearray | str) -> np.ndarray:
        """Values in the machine's byte order."""
        data = data.encode('latin1') if isinstance(data, str) else data  # written by Python 2
        if not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError(f'values of an array must be bytes, not {type(data).__name__}')
        return np.frombuffer(data, self.dtype).astype(self.dtype.newbyteorder('='))


class _Array(np.ndarray):
    """Stands in for numpy.ndarray, which could be given a buffer to misread; this one is made only of its bytes."""

    def __new__(cls, *_, **__):
        raise pickle.UnpicklingError('an array that is made by hand is not allowed in a checkpoint')

    def __setstate__(self, state: tuple) -> None:
        *_, shape, kind, fortran, data = state
        values = kind.read(data).reshape(shape, order='F' if fortran else 'C')
        # NumPy's stubs want its own bool, where its pickles have Python's
        super().__setstate__((1, values.shape, values.dtype, False, values.tobytes()))  # type: ignore[arg-type]

    def __reduce__(self) -> str | tuple:
        return np.array(self, subok=False).__reduce__()


def _functions_of_arrays(module: str) -> list[Callable]:
    """Functions that pickles of arrays call, under their names in NumPy 1 ('numpy.core') or 2."""

    def _reconstruct(*_) -> np.ndarray:
        return np.ndarray.__new__(_Array, 0, 'u1')

    def scalar(kind: _Kind, data: bytes | str) -> np.generic:
        return kind.read(data)[0]

    def _frombuffer(data: bytes | bytearray, kind: _Kind, shape: tuple, order: Literal['A', 'C', 'F']) -> np.ndarray:
        return kind.read(data).reshape(shape, order=order)

    places: dict[Callable, str] = {_reconstruct: 'multiarray', scalar: 'multiarray', _frombuffer: 'numeric'}
    for function, file in places.items():
        function.__module__, function.__qualname__ = f'{module}.{file}', function.__name__
    return list(places)


def _no_bytes() -> bytes:
    """Stands in for the builtin bytes, with which protocol 2 writes empty ones; from a number it would make as many."""
    return b''


# What MMEngine's runner saves besides tensors, its log of losses, and what others save, their command line. Loading
# these runs nothing.
_named_function.__module__, _named_function.__qualname__ = 'builtins', 'getattr'
_Kind.__module__, _Kind.__qualname__ = 'numpy', 'dtype'
_Array.__module__, _Array.__qualname__ = 'numpy', 'ndarray'
_ARRAYS: list[Callable] = [_Kind, _Array]
_ARRAYS += [f for core in ('core', '_core') for f in _functions_of_arrays(f'numpy.{core}')]
ALLOWED = [HistoryBuffer, Namespace, OneCycleParamScheduler, _named_function, *_ARRAYS]


class ArrayUnpickler(pickle.Unpickler):
    """Knows arrays and plain values: the files of detectron2's model zoo.

    What a pickle can call is wrapped for each instance, so that changes to it end with the instance.
    """

    def __init__(self, file: io.BytesIO | mmap.mmap, encoding: str = 'latin1', **kwargs):
        super().__init__(file, encoding=encoding, **kwargs)
        self.known: dict[tuple[str, str], Any] = {
            (known.__module__, known.__qualname__): partial(known) for known in _ARRAYS
        }
        self.known |= {(module, 'bytes'): partial(_no_bytes) for module in ('builtins', '__builtin__')}
        self.known |= {('_codecs', 'encode'): partial(_latin1), ('collections', 'OrderedDict'): OrderedDict}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f'it wants to import {module}.{name}, which is not allowed in a checkpoint')
        return self.known[module, name]


def _latin1(text: str, encoding: str) -> bytes:
    # how Python 2's byte strings are written in protocol 2
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'text in {encoding!r} is not allowed in a checkpoint')
    return text.encode(encoding)


def _bytearray(text: str = '', encoding: str = 'latin-1') -> bytearray:
    # from a number, the builtin would make as many zeros
    if not isinstance(text, str) or encoding != 'latin-1':
        raise pickle.UnpicklingError('a bytearray of anything but text is not allowed in a checkpoint')
    return bytearray(text.encode('latin-1'))


class _Settings:
    """Stands in for the CfgNode of yacs and fvcore, configs that Swin's trainers write: makes a dict of the values."""

    def __new__(cls, *_: Any) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


# for torch's own unpickler, in place of Python functions that make much of little, and of missing classes
INSTEAD: dict[str, Callable] = {
    '_codecs.encode': _latin1,
    'builtins.bytearray': _bytearray,
    'yacs.config.CfgNode': _Settings,
    'fvcore.common.config.CfgNode': _Settings,
}


class ResultsUnpickler(ArrayUnpickler):
    """Also knows what mm* dump: tensors, data elements, and the containers of Python."""

    def __init__(self, file: io.BytesIO | mmap.mmap, **kwargs):
        super().__init__(file, **kwargs)
        for module in ('builtins', '__builtin__'):
            self.known |= {(module, kind.__name__): kind for kind in (list, dict, set, frozenset, int, float)}
        self.known |= {
            ('collections', 'defaultdict'): defaultdict,
            ('torch._utils', '_rebuild_tensor_v2'): partial(torch._utils._rebuild_tensor_v2),
            ('torch.storage', '_load_from_bytes'): partial(_read_storage),
            ('torch', 'Size'): partial(torch.Size),
        }

    def find_class(self, module: str, name: str) -> Any:
        dtype = getattr(torch, name, None) if module == 'torch' else None
        if isinstance(dtype, torch.dtype):
            return dtype
        if (module, name) in DATA_ELEMENTS and (module, name) not in self.known:
            # a class of its own takes what a pickle sets; `_settle` replaces it with the real one
            self.known[module, name] = type(
                name, (getattr(importlib.import_module(module), name),), {'_stand_in': True}
            )
        return super().find_class(module, name)


DATA_ELEMENTS = [
    ('mmengine.structures.base_data_element', 'BaseDataElement'),
    ('mmengine.structures.instance_data', 'InstanceData'),
    ('mmengine.structures.pixel_data', 'PixelData'),
    ('mmaction.structures.action_data_sample', 'ActionDataSample'),
    ('mmdet.structures.det_data_sample', 'DetDataSample'),
    ('mmdet.structures.bbox.horizontal_boxes', 'HorizontalBoxes'),
    ('mmpretrain.structures.data_sample', 'DataSample'),
]


def _read_storage(data: bytes) -> Any:
    """A tensor's storage, which torch pickles as a file of `torch.save`."""
    from .reading import load  # it checks the data first, and itself needs this module

    return load(io.BytesIO(data))


def read_pickle(data: bytes | mmap.mmap, unpickler: type[ArrayUnpickler] = ArrayUnpickler, **kwargs) -> Any:
    """What a pickle holds, if an unpickler knows it. Text of Python 2 is read as Latin-1.

    Args:
        data: The pickle, or a file of it that is mapped into memory.
        unpickler: Class that knows what may be in it. Defaults to `ArrayUnpickler`: arrays and plain values.
        **kwargs: As in `pickle.load`.

    Raises:
        pickle.UnpicklingError: If there is more in it. The message says what. Damaged pickles raise various errors.
    """
    check_pickle(data)
    return unpickler(io.BytesIO(data) if isinstance(data, bytes) else data, **kwargs).load()


def read_results(file: Any, **kwargs) -> Any:
    """What `mmengine.fileio.load` returns for an open pickle: arrays, tensors, data elements and plain values.

    Args:
        file: Open file.
        **kwargs: As in `pickle.load`.

    Raises:
        pickle.UnpicklingError: See :func:`read_pickle`.
    """
    return _settle(read_pickle(file.read(), ResultsUnpickler, **{'encoding': 'ASCII'} | kwargs), {})


def _settle(value: Any, seen: dict[int, tuple[Any, Any]]) -> Any:
    """A value with NumPy's and mm*'s own classes in place of those that stood in for them while it was read."""
    if id(value) in seen:
        return seen[id(value)][1]
    settled = value.view(np.ndarray) if isinstance(value, _Array) else value
    if type(value) is tuple:
        settled = tuple(_settle(item, seen) for item in value)
    seen[id(value)] = value, settled  # keeps the value alive, so that its id is not reused
    if isinstance(value, list):
        value[:] = [_settle(item, seen) for item in value]
    elif isinstance(value, dict):
        value.update({key: _settle(item, seen) for key, item in value.items()})
    elif hasattr(type(value), '_stand_in'):
        vars(value).update({key: _settle(item, seen) for key, item in vars(value).items()})
        object.__setattr__(value, '__class__', type(value).__mro__[1])
    return settled


# of an argument that comes after its length: bytes of that length, as a negative number
_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: -1,
    pickletools.TAKEN_FROM_ARGUMENT4: -4,
    pickletools.TAKEN_FROM_ARGUMENT4U: -4,
    pickletools.TAKEN_FROM_ARGUMENT8U: -8,
}
# of an argument that is a line; one less for two lines
_LINE = -100
_PUSH, _PLAIN, _DROP, _PUT, _GET, _TUPLE, _MARK, _DUP, _ADD, _MAKE, _CALL, _BUILD = range(12)
# Python hashes a tuple by hashing everything in it, each time, and without regard for its own stack
_DEEPEST, _MOST = 500, 1_000_000
# a file that unfolds to more than so many times its size is rejected, if that is more than so many bytes
UNFOLDS, LARGE = 20, 1 << 26
# bytes of an empty container, of a tuple, of an object, and of an item, which may be a key and its value
_CONTAINERS = {'EMPTY_LIST': 64, 'EMPTY_DICT': 72, 'EMPTY_SET': 224, 'LIST': 64, 'DICT': 72, 'FROZENSET': 224}
_TUPLES = dict.fromkeys(('EMPTY_TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3', 'TUPLE'), 56)
_OBJECTS = dict.fromkeys(('REDUCE', 'INST', 'OBJ', 'NEWOBJ', 'NEWOBJ_EX'), 200)
_ITEM_BYTES = 16
_KINDS = {'MARK': _MARK, 'DUP': _DUP, 'BUILD': _BUILD}
_KINDS |= dict.fromkeys(('POP', 'POP_MARK', 'STOP', 'PROTO', 'FRAME'), _DROP)
_KINDS |= dict.fromkeys(('PUT', 'BINPUT', 'LONG_BINPUT', 'MEMOIZE'), _PUT)
_KINDS |= dict.fromkeys(('GET', 'BINGET', 'LONG_BINGET'), _GET)
_KINDS |= dict.fromkeys(('APPEND', 'APPENDS', 'SETITEM', 'SETITEMS', 'ADDITEMS'), _ADD)
for _kind, _names in ((_MAKE, _CONTAINERS), (_TUPLE, _TUPLES), (_CALL, _OBJECTS)):
    _KINDS |= dict.fromkeys(_names, _kind)


def _describe(op: pickletools.OpcodeInfo) -> tuple[int, int, bool, int, int]:
    """Size of an opcode's argument, values it removes, whether also those after a mark, its kind, bytes it makes."""
    size = op.arg.n if op.arg else 0
    if size == pickletools.UP_TO_NEWLINE:
        size = _LINE - (op.arg is pickletools.stringnl_noescape_pair)
    takes, marked = list(op.stack_before), pickletools.markobject in op.stack_before
    if marked:
        del takes[takes.index(pickletools.markobject) :]
    kind = _KINDS.get(op.name, _PLAIN if takes else _PUSH)
    makes = (_CONTAINERS | _TUPLES | _OBJECTS).get(op.name, 0)
    # what is added to, or built, stays
    return _WIDTHS.get(size, size), len(takes) - (kind in (_ADD, _BUILD)), marked, kind, makes


_STEPS = {ord(op.code): _describe(op) for op in pickletools.opcodes}


def check_pickle(data: bytes | mmap.mmap, place: int = 0) -> int:
    """Check, without reading a pickle, that reading it ends and does not need too much memory.

    It must be as long as it says, number no more values than it has, not nest tuples so that hashing one takes forever
    or more stack than there is, and not unfold, by empty containers or by copies of one long value, to more than
    :data:`UNFOLDS` allows.

    Args:
        data: Bytes of a file.
        place: Where the pickle begins in it. Defaults to 0.

    Returns:
        int: Where it ends.

    Raises:
        pickle.UnpicklingError: If it does not.
    """
    try:
        return _walk(data, place)
    except (LookupError, ValueError) as error:
        raise pickle.UnpicklingError('it is not a pickle, or damaged') from error


def _walk(data: bytes | mmap.mmap, place: int) -> int:
    size, made = len(data), 0
    most = max(LARGE, UNFOLDS * size)
    # Values are numbered, and 0 is any that is short. For each: bytes that a copy takes (containers grow), how deeply
    # tuples are nested in it, values within these, and for a tuple the numbers of its values that are not short.
    lengths, depths, withins = [_ITEM_BYTES], [0], [1]
    items: dict[int, list[int]] = {}
    stack: list[int] = []
    marks: list[int] = []
    memo: list[int | None] = []
    count = memoized = 0
    while place < size:
        code = data[place]
        length, takes, marked, kind, new = _STEPS[code]
        start, count = place + 1, count + 1
        if length >= 0:
            place = start + length
        elif length > _LINE:
            place = start - length + int.from_bytes(data[start : start - length], 'little')
        else:
            place = start
            for _ in range(1 + _LINE - length):
                place = data.find(b'\n', place) + 1 or size + 1
        if kind == _PUSH:
            if place - start < 64:
                stack.append(0)
            else:
                stack.append(len(lengths))
                lengths.append(place - start)
                depths.append(0)
                withins.append(1)
        elif kind == _GET:
            value = memo[int(data[start:place]) if length < 0 else int.from_bytes(data[start:place], 'little')]
            if value is None:
                raise LookupError
            stack.append(value)
        elif kind == _PUT:
            if length == 0:
                number = memoized
            else:
                number = int(data[start:place]) if length < 0 else int.from_bytes(data[start:place], 'little')
            if not 0 <= number <= count:
                raise pickle.UnpicklingError('it numbers more values than it has')
            if number >= len(memo):
                memo += [None] * (number + 1 - len(memo))
            memoized += memo[number] is None
            memo[number] = stack[-1]
        elif kind == _MARK:
            marks.append(len(stack))
        elif kind == _DUP:
            stack.append(stack[-1])
        elif kind == _DROP and takes and marks and marks[-1] == len(stack):
            marks.pop()
        else:
            rest = (marks.pop() if marked else len(stack)) - takes
            if rest < 0:
                raise LookupError
            taken = stack[rest:]
            del stack[rest:]
            if kind == _PLAIN:
                stack.append(0)
            elif kind == _ADD:
                if stack[-1]:
                    lengths[stack[-1]] += _ITEM_BYTES * len(taken)
            elif kind != _DROP:
                depth, within, own = 0, 1, _ITEM_BYTES * len(taken)
                if kind == _TUPLE:
                    depth = 1
                    for value in taken:
                        within += withins[value]
                        depth = max(depth, depths[value] + 1)
                    if depth > _DEEPEST or within > max(_MOST, size):
                        raise pickle.UnpicklingError('it nests tuples too deeply')
                    if any(taken):
                        items[len(lengths)] = [value for value in taken if value]
                elif kind != _MAKE:
                    # at least a copy of what it is given; of a tuple of arguments, or an array's state, one of each
                    own = 0
                    for value in taken:
                        own += lengths[value]
                        for item in items.get(value, ()):
                            own += lengths[item]
                    made += own
                made += new
                if kind != _BUILD:
                    stack.append(len(lengths))
                    lengths.append(own)
                    depths.append(depth)
                    withins.append(within)
            if made > most:
                raise pickle.UnpicklingError(f'it asks for more than {made / 1e6:.0f} MB, but has {size / 1e6:.1f}')
        if code == pickle.STOP[0] and place <= size:
            return place
    raise pickle.UnpicklingError('it is cut off, or says that it is longer than it is')
