"""Blocks that are numbered within stages in other repositories, and across stages in ours."""

import re
from collections.abc import Sequence

from ..source import StateDict


def number_blocks(theirs: StateDict, pattern: str, prefix: str = '') -> StateDict:
    """Rename blocks of stages to `blocks.<number across stages>`.

    Args:
        theirs: State dict.
        pattern: Regular expression of the beginning of a block's names, whose two groups are stage and block.
        prefix: What precedes it, and stays. Defaults to nothing.
    """
    compiled = re.compile(re.escape(prefix) + pattern)
    places = {tuple(map(int, match.groups())) for match in map(compiled.match, theirs) if match}
    numbers = {place: number for number, place in enumerate(sorted(places))}

    def rename(match: re.Match) -> str:
        return f'{prefix}blocks.{numbers[int(match[1]), int(match[2])]}.'

    return {re.sub(f'^{compiled.pattern}', rename, name): value for name, value in theirs.items()}


def stage_blocks(theirs: StateDict, starts: Sequence[int], template: str, prefix: str = '') -> StateDict:
    """Inverse of :func:`number_blocks`.

    Args:
        theirs: State dict.
        starts: First block of each stage.
        template: Beginning of a block's names, with {stage} and {block}.
        prefix: What precedes it, and stays. Defaults to nothing.
    """

    def rename(match: re.Match) -> str:
        number = int(match[1])
        stage = max(s for s, start in enumerate(starts) if start <= number)
        return prefix + template.format(stage=stage, block=number - starts[stage])

    pattern = rf'^{re.escape(prefix)}blocks\.(\d+)\.'
    return {re.sub(pattern, rename, name): value for name, value in theirs.items()}
