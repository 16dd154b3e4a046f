"""What options may be: notes for ``Annotated``, and the annotations that many constructors share.

:mod:`mmhvt.utils.options` reads them. Upper bounds are far beyond any model; they catch a number that was meant for
another option before it fills the memory.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any


def _show(number: float) -> str:
    return str(number) if isinstance(number, int) else f'{number:.7g}'


@dataclass(frozen=True)
class Range:
    """Numbers that an option may have; None for no bound."""

    low: float | None = None
    high: float | None = None
    above: bool = False  # whether `low` itself is left out
    below: bool = False  # whether `high` itself is left out

    def __contains__(self, value: Any) -> bool:
        low, high = self.low, self.high
        return (low is None or value > low or (value == low and not self.above)) and (
            high is None or value < high or (value == high and not self.below)
        )

    def __str__(self) -> str:
        low = '' if self.low is None else f'above {self.low:g}' if self.above else f'from {_show(self.low)}'
        high = '' if self.high is None else f'{"below" if self.below else "to" if low else "up to"} {_show(self.high)}'
        return ' to '.join(filter(None, (low, high))) if self.below else ' '.join(filter(None, (low, high)))


@dataclass(frozen=True)
class Length:
    """Number of entries that a sequence may have; `high=None` for any number from `low`."""

    low: int
    high: int | None = None

    def __contains__(self, count: int) -> bool:
        return self.low <= count and (self.high is None or count <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f'{self.low} or more'
        return str(self.low) if self.low == self.high else f'{self.low} to {self.high}'


@dataclass(frozen=True)
class Check:
    """A check of a value of the right type, which returns what is wrong with it, or None."""

    function: Callable[[Any], str | None]


@dataclass(frozen=True)
class Says:
    """What an option must be, as the end of a sentence that begins with its value."""

    words: str


@dataclass(frozen=True)
class PassedTo:
    """Marks ``**kwargs`` as options of another class, which checks them: ``**arch: Annotated[Any, PassedTo(…)]``."""

    owner: type


class Sets:
    """Options that a constructor sets for the class that gets ``**kwargs``: ``**kwargs: Annotated[Any, Sets('x')]``."""

    def __init__(self, *names: str) -> None:
        self.names = names


def _lacks_type(cfg: Any) -> str | None:
    if not isinstance(cfg, Mapping):
        return None
    kind = cfg.get('type')
    if isinstance(kind, str) or callable(kind):
        return None
    return ': it needs a type, the name of a class' if kind is None else f': type={kind!r} is not the name of a class'


def _step_lacks_type(pipeline: Sequence) -> str | None:
    for index, step in enumerate(pipeline):
        if text := _lacks_type(step):
            return f': transform {index}{text}'
    return None


Channels = Annotated[int, Range(1, 65536)]
Heads = Annotated[int, Range(1, 1024)]
Count = Annotated[int, Range(1, 1000)]  # blocks, queries
Depths = Annotated[Sequence[Count], Length(1, 64), Says(': each stage needs at least one block and at most 1000')]
Number = Annotated[int, Range(1, 1_000_000)]  # classes, samples
# numbers whose range a constructor checks itself
CheckedInt = Annotated[int, Range()]
CheckedFloat = Annotated[float, Range()]
Index = Annotated[int, Range(-1000, 999)]  # of blocks; the constructor checks it against their number
# whether to recompute activations, or in which stages
Recomputed = Annotated[bool | Sequence[Index], Says(' must be True or False, or a list of stages')]
# of frames and pixels
Side = Annotated[int, Range(1, 65536)]
Size = Annotated[
    Sequence[Side], Length(2, 3), Says(': give (H, W) for images or (T, H, W) for video, numbers from 1 to 65536')
]
Stride = Annotated[int, Range(1, 1024)]
Padding = Annotated[int, Range(0, 1024)]
_PER_AXIS = ' must be (T, H, W) or (H, W): settings per axis need numbers from'
Strides = Annotated[Sequence[Stride], Length(2, 3), Says(f'{_PER_AXIS} 1 to 1024')]
Paddings = Annotated[Sequence[Padding], Length(2, 3), Says(f'{_PER_AXIS} 0 to 1024')]
Rate = Annotated[float, Range(0, 1, below=True)]  # of dropping
Share = Annotated[float, Range(0, 1)]
Ratio = Annotated[float, Range(0, 100, above=True)]
Eps = Annotated[float, Range(0, 1, above=True)]
LayerScaleValue = Annotated[float, Range(0, 100)]
Factor = Annotated[float, Range(0, 16, above=True)]  # from stage to stage
Positive = Annotated[float, Range(0, 1e6, above=True)]
# configs of what is built
Built = Annotated[dict, Check(_lacks_type)]
Pipeline = Annotated[Sequence[dict | Callable], Check(_step_lacks_type)]
