"""Types and ranges of constructor options, checked by one mechanism.

A registered class says in its signature what its options may be, and the registry checks them in every call::

    @MODELS.register_module()
    class MyNeck(BaseModule):
        def __init__(self, num_outs: Annotated[int, Range(1, 8)], mode: Literal['max', 'mean'] = 'max'): ...

    MyNeck(num_outs=0)      # MyNeck: num_outs=0 must be a whole number from 1 to 8
    MyNeck(4, mod='mean')   # MyNeck: unknown option mod, did you mean mode?

Annotations may be built of ``bool``, ``int``, ``float``, ``str``, ``None``, ``Literal``, unions, ``Sequence[…]``,
``tuple[…]``, ``Mapping[…]``, callables and classes, with :class:`Range`, :class:`Length`, :class:`Check` and
:class:`Says` in ``Annotated``. A list is accepted for a tuple and a NumPy number for a number; a bool is not a number,
and a number must be finite. Options passed on to another constructor by ``**kwargs`` have that constructor's types;
those of other packages are listed in :mod:`mmhvt.utils.foreign_options`.

Why not pydantic: in strict mode it rejects NumPy integers, and lists for tuples, both of which mm* configs contain;
otherwise it accepts '4' for 4. It copies a ConfigDict into a dict, and its messages have several lines. beartype and
typeguard do not support ranges.
"""

import functools
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from .checks import nearest
from .foreign_options import FOREIGN_OPTIONS
from .option_types import Check, Length, PassedTo, Range, Says, Sets

Class = TypeVar('Class')

# packages whose annotations are not checked, since many are incomplete; `FOREIGN_OPTIONS` replaces them
FOREIGN = ('builtins', 'mmaction', 'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'torch', 'torchvision')


_SET = Annotated[Any, Check(lambda value: ' is set by the class itself: remove it')]


class OptionError(TypeError, ValueError):
    """A wrong option: a TypeError as for any call, a ValueError as for a config."""


@dataclass(frozen=True)
class Options:
    """Options of a constructor.

    Args:
        hints: Annotation of each; None if its type is not known.
        required: Those without a default.
        positional: Those that may be given by position; None for any number of positions.
        is_open: Whether the constructor takes others, whose names cannot be known.
        is_passed_on: Whether another class checks those others.
    """

    hints: dict[str, Any]
    required: tuple[str, ...]
    positional: tuple[str, ...] | None
    is_open: bool
    is_passed_on: bool = False


# ---------------------------------------------------------------------------------------------------- one value


def problem(value: Any, hint: Any) -> str | None:
    """What is wrong with a value, as the end of a sentence that begins with it; None if nothing is.

    Args:
        value: Any value.
        hint: Annotation; None if it is not known.
    """
    if hint is Any or hint is None:
        return None
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated_problem(value, hint, *args)
    if origin in (Union, types.UnionType):
        problems = [(each, problem(value, each)) for each in args]
        if any(text is None for _, text in problems):
            return None
        # only a string can have been meant as one of the choices
        telling = [
            text
            for each, text in problems
            if text != f' must be {describe(each)}' and (get_origin(each) is not Literal or isinstance(value, str))
        ]
        return telling[0] if telling else f' must be {describe(hint)}'
    if origin is Literal:
        # `in` compares by equality, under which 1 is True
        if any(type(each) is type(value) and value == each for each in args):
            return None
        return f': choose from {", ".join(map(str, args))}'
    if _fits(value, origin or hint, args):
        return None
    return f' must be {describe(hint)}'


def _annotated_problem(value: Any, hint: Any, base: Any, *notes: Any) -> str | None:
    found = problem(value, base)
    outside = found is None and any(
        (isinstance(note, Range) and value not in note) or (isinstance(note, Length) and len(value) not in note)
        for note in notes
    )
    if found or outside:
        plain = f' must be {describe(hint)}'
        words = next((note.words for note in notes if isinstance(note, Says)), plain)
        return words if outside or found == f' must be {describe(base)}' else found
    return next((text for note in notes if isinstance(note, Check) and (text := note.function(value))), None)


def _fits(value: Any, kind: Any, args: tuple) -> bool:
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind is int:
        return isinstance(value, Integral) and not isinstance(value, bool)
    if kind is float:
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        return is_number and (isinstance(value, Integral) or math.isfinite(value))
    if kind is type(None):
        return value is None
    if kind is type:
        return inspect.isclass(value) and (not args or issubclass(value, args[0]))
    if kind is Callable:
        return callable(value)
    if not inspect.isclass(kind):
        return True
    if _is_sequence(kind):
        return _fits_sequence(value, kind, args)
    if issubclass(kind, Mapping) and args:
        return isinstance(value, Mapping) and all(
            problem(k, args[0]) is None and problem(v, args[1]) is None for k, v in value.items()
        )
    return isinstance(value, kind)


def _is_sequence(kind: Any) -> bool:
    """Whether a class is a list, a tuple or one of Python's abstract sequences, sets and iterables."""
    plain = inspect.isclass(kind) and kind.__module__ in ('builtins', 'collections.abc')
    return plain and issubclass(kind, Iterable) and not issubclass(kind, str | bytes | Mapping)


def _fits_sequence(value: Any, kind: Any, args: tuple) -> bool:
    kind = Sequence if kind in (tuple, list) else kind  # mm* configs turn tuples into lists
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, kind):
        return False
    if len(args) > 1 and args[1] is not ...:
        return len(value) == len(args) and all(problem(*pair) is None for pair in zip(value, args, strict=True))
    # an iterator would be used up
    return not args or not isinstance(value, Sequence | set | frozenset) or not any(problem(v, args[0]) for v in value)


_NOUNS = {int: 'whole number', float: 'number', str: 'string', dict: 'dict', bool: 'True or False'}


def describe(hint: Any, plural: bool = False) -> str:
    """An annotation in words.

    Args:
        hint: Annotation.
        plural: Whether to describe several such values. Defaults to False.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        base, *notes = args
        length = next((f'{note} ' for note in notes if isinstance(note, Length)), '')
        limits = next((f' {note}' for note in notes if isinstance(note, Range)), '')
        return describe(base, plural).replace('list of ', f'list of {length}', 1) + limits
    if origin in (Union, types.UnionType):
        return ' or '.join(dict.fromkeys(describe(each, plural) for each in args))
    if origin is Literal:
        return ' or '.join(map(repr, args))
    if hint is type(None):
        return 'None'
    if hint is bool:
        return _NOUNS[bool]
    kind = origin or hint
    if kind is Callable:
        noun = 'callable'
    elif _is_sequence(kind):
        if len(args) > 1 and args[1] is not ...:
            return f'({", ".join(describe(each) for each in args)})'
        noun, rest = 'list', f' of {describe(args[0], plural=True)}' if args else ' of values'
        return f'lists{rest}' if plural else f'a list{rest}'
    elif inspect.isclass(kind) and issubclass(kind, Mapping):
        noun = 'dict'
    else:
        noun = _NOUNS.get(kind, getattr(kind, '__name__', str(kind)))
    return f'{noun}s' if plural else f'{"an" if noun[0] in "aeiouAEIO" else "a"} {noun}'


def show(value: Any) -> str:
    """A value for a message: one line of at most 80 characters."""
    text = ' '.join(repr(value).split())
    return text if len(text) <= 80 else f'{text[:77]}…'


def check_value(owner: str, name: str, value: Any, hint: Any) -> None:
    """Check one value.

    Args:
        owner: Class or function that takes it, for the message.
        name: Name of the option.
        value: Its value.
        hint: Annotation of the option.

    Raises:
        OptionError: If the value is of another type or outside the range.
    """
    if text := problem(value, hint):
        raise OptionError(f'{owner}: {name}={show(value)}{text}')


@functools.cache
def _field_hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def check_fields(owner: str, instance: Any) -> None:
    """Check all fields of a dataclass against their annotations.

    Raises:
        OptionError: For the first that does not fit.
    """
    for name, hint in _field_hints(type(instance)).items():  # type: ignore[arg-type]
        check_value(owner, name, getattr(instance, name), hint)


# ------------------------------------------------------------------------------------------------- constructors


def check_call(owner: str, options: Options, args: tuple, kwargs: Mapping[str, Any]) -> None:
    """Check the arguments of a constructor.

    Args:
        owner: Name of the class, for messages.
        options: Its options.
        args: Positional arguments.
        kwargs: Arguments by name.

    Raises:
        OptionError: For an unknown option, with the nearest known name; for a missing one; for a wrong value.
    """
    hints, places = options.hints, options.positional
    for name in kwargs:
        if name not in hints and not options.is_passed_on:
            # if others are allowed, the nearest name is suggested only where nothing else can be meant
            near = nearest(name, hints, cutoff=0.9 if options.is_open else 0.7)
            if near:
                raise OptionError(f'{owner}: unknown option {name}, did you mean {near[0]}?')
            if not options.is_open:
                raise OptionError(f'{owner}: unknown option {name}, it has {", ".join(hints) or "none"}')
    if places is not None and len(args) > len(places):
        raise OptionError(f'{owner} takes {len(places)} values by position, got {len(args)}: give options by name')
    given = {**dict(zip(places or (), args, strict=False)), **kwargs}
    missing = [name for name in options.required if name not in given]
    if missing and places is not None:
        raise OptionError(f'{owner} needs {", ".join(missing)}')
    for name, value in given.items():
        if text := problem(value, hints.get(name)):
            raise OptionError(f'{owner}: {name}={show(value)}{text}')


@functools.cache
def options_of(cls: type) -> Options:
    """Options of a class, including those that ``**kwargs`` passes on to the next class with a constructor."""
    hints: dict[str, Any] = {}
    required: tuple[str, ...] = ()
    positional: tuple[str, ...] | None = None
    own, is_open, is_passed_on = None, True, False
    for base in cls.__mro__:
        function = inspect.unwrap(vars(base).get('__init__', object.__init__))
        if base is object:
            is_open = own is not None  # what no further constructor takes is used by those that have taken it
            positional = () if own is None else positional
            break
        if not inspect.isfunction(function):
            continue
        parameters = list(inspect.signature(function).parameters.values())[1:]
        found = _hints_of(function)
        names = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        if own is None:
            own = function
            required = tuple(p.name for p in names if p.default is p.empty)
            if all(p.kind is not p.VAR_POSITIONAL for p in parameters):
                positional = tuple(p.name for p in names if p.kind is not p.KEYWORD_ONLY)
        for parameter in names:
            hints.setdefault(parameter.name, found.get(parameter.name))
        rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        if rest is None:
            is_open = False
            break
        notes = getattr(found.get(rest), '__metadata__', ())
        for name in (name for note in notes if isinstance(note, Sets) for name in note.names):
            hints.setdefault(name, _SET)
        # only a class that is not ours knows where its options go
        if _package(function) not in ('mmhvt', *FOREIGN) or any(isinstance(note, PassedTo) for note in notes):
            is_passed_on = True
            break
    return Options(hints, required, positional, is_open, is_passed_on)


def _package(function: Callable) -> str:
    return function.__module__.partition('.')[0]


def _hints_of(function: Callable) -> dict[str, Any]:
    if _package(function) not in FOREIGN:
        try:
            return get_type_hints(function, include_extras=True)
        except NameError:  # a name that is imported for type checkers only
            return {}
    names = inspect.signature(function).parameters
    owner = function.__qualname__.partition('.')[0]
    return {name: FOREIGN_OPTIONS.get(f'{owner}.{name}', FOREIGN_OPTIONS.get(name)) for name in names}


def check_options(cls: type[Class]) -> type[Class]:
    """Make a class check its options before its constructor. Our registries call this; others use the decorator.

    Nothing else about the class changes: its signature, pickling and copying stay as they are.
    """
    inherited = cls.__init__  # type: ignore[misc]
    own = vars(cls).get('__init__')
    if own is None and hasattr(inherited, 'checks_options_of'):
        return cls

    @functools.wraps(inherited)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        check_call(type(self).__name__, options_of(cls), args, kwargs)  # type: ignore[arg-type]
        if own is None:
            super(cls, self).__init__(*args, **kwargs)
        else:
            own(self, *args, **kwargs)

    __init__.checks_options_of = cls  # type: ignore[attr-defined]
    cls.__init__ = __init__  # type: ignore[method-assign]
    return cls
