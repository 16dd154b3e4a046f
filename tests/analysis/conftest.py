"""Tools of tools/analysis."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def caller(
    load_tool: Callable[[str], ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> Callable[[str], Callable[..., tuple[str, str]]]:
    """Makes a function that calls a tool in a folder, and gives what it prints and its errors."""
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> Callable[..., tuple[str, str]]:
        tool = load_tool(f'analysis/{name}')

        def run(*args: str | Path) -> tuple[str, str]:
            monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
            capsys.readouterr()
            tool.main()
            return tuple(capsys.readouterr())

        return run

    return make
