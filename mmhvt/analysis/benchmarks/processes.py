"""Measurements in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def call_in_process(function: Callable[..., Any], *args: str) -> Any:
    """Result of a function in a new process, whose peak memory is its own.

    Args:
        function: Function of a module, whose result JSON can express.
        args: Its arguments.

    Raises:
        RuntimeError: If it fails, with the last line of its error.
    """
    code = (
        f'import json; from {function.__module__} import {function.__name__} as function; '
        f'print(json.dumps(function(*{args!r})))'
    )
    environment = os.environ | {'MALLOC_MMAP_THRESHOLD_': '65536'}  # freed memory leaves the process, without holes
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or 'killed').splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1])
