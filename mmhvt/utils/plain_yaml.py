"""YAML, read as plain values and tuples, in bounded time."""

from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode
from yaml.constructor import ConstructorError

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

_DEEPEST, _MOST, _LONGEST = 500, 100_000, 4300


class PlainLoader(SafeLoader):
    """PyYAML's safe loader, which also knows tuples, as MMEngine writes them.

    The original recurses until the process crashes, follows merges and hashes tuples of aliases forever, and spends
    minutes on base-60 numbers.

    Raises:
        ConstructorError: If there are other tags, merges of more than 100 000 entries, or numbers of more than 4300
            digits.
    """

    def __init__(self, stream: Any) -> None:
        text = stream.read() if hasattr(stream, 'read') else stream
        depth = 0
        for event in yaml.parse(text, SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise ConstructorError(None, None, 'it is nested too deeply', event.start_mark)
        super().__init__(text)
        self._within: dict[int, int] = {}

    def flatten_mapping(self, node: MappingNode) -> None:
        """Replaces merges with their entries."""
        super().flatten_mapping(node)
        if len(node.value) > _MOST:
            raise ConstructorError(None, None, 'it merges more than 100 000 entries', node.start_mark)

    def construct_number(self, node: ScalarNode) -> int | float:
        """A number, unless its text is too long."""
        if len(node.value) > _LONGEST:
            raise ConstructorError(None, None, f'a number has {len(node.value)} digits', node.start_mark)
        return self.construct_yaml_int(node) if node.tag.endswith(':int') else self.construct_yaml_float(node)

    def construct_tuple(self, node: Node) -> tuple:
        """A tuple; as a key, everything in it is hashed."""
        if not isinstance(node, SequenceNode):
            raise ConstructorError(None, None, 'a tuple needs a list', node.start_mark)
        found = tuple(self.construct_sequence(node, deep=True))
        self._within[id(node)] = 1 + sum(self._within.get(id(part), 1) for part in node.value)
        if self._within[id(node)] > _MOST:
            raise ConstructorError(None, None, 'it nests tuples too deeply', node.start_mark)
        return found


PlainLoader.add_constructor('tag:yaml.org,2002:python/tuple', PlainLoader.construct_tuple)
for _kind in ('int', 'float'):
    PlainLoader.add_constructor(f'tag:yaml.org,2002:{_kind}', PlainLoader.construct_number)
