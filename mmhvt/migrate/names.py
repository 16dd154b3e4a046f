"""Two-way tables of parameter names."""

import re


class Names:
    """Parameter names of another repository and ours, pair by pair; the first that fits counts.

    In a pair, {i} stands for a number, {rest} for whatever follows, and any other word in braces for a run of
    characters without a dot; the same on both sides.

    Args:
        model: What the names belong to; stands in messages.
        *pairs: (theirs, ours).
    """

    def __init__(self, model: str, *pairs: tuple[str, str]):
        self.model, self.pairs = model, pairs

    def ours(self, name: str) -> str:
        """Our name for theirs.

        Raises:
            ValueError: If no pair fits.
        """
        return self._translate(name, 0)

    def theirs(self, name: str) -> str:
        """Their name for ours.

        Raises:
            ValueError: If no pair fits.
        """
        return self._translate(name, 1)

    def _translate(self, name: str, side: int) -> str:
        for pair in self.pairs:
            match = re.fullmatch(_pattern(pair[side]), name)
            if match:
                return pair[1 - side].format(**match.groupdict())
        raise ValueError(f'{name!r} is no parameter of {self.model}')


def _pattern(template: str) -> str:
    kinds = dict(i=r'\d+', rest='.+')
    return re.sub(r'\\{(\w+)\\}', lambda m: f'(?P<{m[1]}>{kinds.get(m[1], "[^.]+")})', re.escape(template))
