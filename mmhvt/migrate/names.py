"""Two-way tables of parameter names."""

import re
from functools import cached_property


class NameTable:
    """Parameter names of another repository and ours, pair by pair; the first pair that fits counts.

    In a pair, {i} matches a number, {rest} any characters, and another word in braces a run of characters without a
    dot; the words are the same on both sides.

    Args:
        *pairs: (theirs, ours).
    """

    def __init__(self, *pairs: tuple[str, str]):
        self.pairs = pairs

    @cached_property
    def _patterns(self) -> tuple[tuple[re.Pattern, ...], ...]:
        return tuple(tuple(_compile(pair[side]) for pair in self.pairs) for side in (0, 1))

    def ours(self, name: str) -> str | None:
        """Our name for theirs, or None if no pair fits."""
        return self._translate(name, 0)

    def theirs(self, name: str) -> str | None:
        """Their name for ours, or None if no pair fits."""
        return self._translate(name, 1)

    def _translate(self, name: str, side: int) -> str | None:
        for pattern, pair in zip(self._patterns[side], self.pairs, strict=True):
            match = pattern.fullmatch(name)
            if match:
                return pair[1 - side].format(**match.groupdict())
        return None


def prefixed(theirs: str, ours: str, *pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Pairs with a prefix on each side."""
    return tuple((theirs + one, ours + other) for one, other in pairs)


def same(ours: str, *names: str) -> tuple[tuple[str, str], ...]:
    """Pairs of names that differ only by our prefix."""
    return tuple((name, ours + name) for name in names)


def _compile(template: str) -> re.Pattern:
    kinds = dict(i=r'\d+', rest='.+')
    return re.compile(re.sub(r'\\{(\w+)\\}', lambda m: f'(?P<{m[1]}>{kinds.get(m[1], "[^.]+")})', re.escape(template)))
