"""Measures cases, one after the other."""

from collections.abc import Iterator

from .cases import CASES
from .measure import Settings, build, giga_multiply_adds, measure_memory, random_input, take_turns
from .peers import PEERS
from .results import Row, remembered, timed


def measure_case(case: str, settings: Settings) -> Iterator[Row]:
    """A row for each mode of a case, judged by its goals.

    Raises:
        RuntimeError: If a process of a model fails.
    """
    models = CASES[case].models
    wanted = [name for name in models if name not in PEERS or settings.peers]
    names = [name for name in wanted if name not in PEERS or PEERS[name].installed]
    for row in measure_modes(case, names, settings):
        row.missing = [name for name in wanted if name not in names]
        row.judge(CASES[case].goals, settings)
        yield row


def measure_modes(case: str, names: list[str], settings: Settings) -> Iterator[Row]:
    """A row for each mode of a case."""
    modes = CASES[case].modes
    if 'memory' in modes and settings.memory:
        yield remembered(case, measure_memory(case, names, settings))
    models, x = {name: build(case, name, settings) for name in names}, random_input(case, settings)
    multiply_adds = giga_multiply_adds(models, x)
    if settings.compile:
        for model in models.values():
            model.compile()
    for mode in modes:
        if mode != 'memory':
            yield timed(case, mode, take_turns(models, x, mode, settings), multiply_adds)
