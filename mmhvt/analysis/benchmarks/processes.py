"""Measurements in processes of their own, in alternation."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any


def call_in_process(function: Callable[..., Any], *args: str) -> Any:
    """Result of a function in a new process, whose peak of memory is its own.

    Args:
        function: Function of a module; its result is one that JSON can express.
        args: Its arguments.

    Raises:
        RuntimeError: If it fails, with the last line of its error.
    """
    code = (
        f'import json; from {function.__module__} import {function.__name__} as function; '
        f'print(json.dumps(function(*{args!r})))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or 'killed').splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])


def alternate(
    function: Callable[..., Any], case: str, names: Sequence[str], rounds: int, *args: str
) -> dict[str, list]:
    """Results of all rounds by name; models take turns, so that all meet the same load.

    Args:
        function: Measurement, called with `case`, a name and `args`.
        case: Case to measure.
        names: Models of the case.
        rounds: Number of measurements of each.
        args: Further arguments.

    Raises:
        RuntimeError: If a measurement fails; names the model.
    """
    results: dict[str, list] = {name: [] for name in names}
    for _ in range(rounds):
        for name, found in results.items():
            try:
                found.append(call_in_process(function, case, name, *args))
            except RuntimeError as error:
                raise RuntimeError(f'{name}: {error}') from None
    return results
