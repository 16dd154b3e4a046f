"""What is cached for the process."""

import ast

from helpers import ROOT

PACKAGE = ROOT / 'mmhvt'


def test_no_cache_returns_a_tensor() -> None:
    """Every function of the package that is cached for the process says what it returns, and it is none."""
    found = []
    for path in PACKAGE.rglob('*.py'):
        tree = ast.parse(path.read_text())
        uses = [
            node
            for node in ast.walk(tree)
            if (isinstance(node, ast.Name) and node.id in ('cache', 'lru_cache'))
            or (isinstance(node, ast.Attribute) and ast.unparse(node) in ('functools.cache', 'functools.lru_cache'))
        ]
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for use in [u for d in function.decorator_list for u in ast.walk(d) if u in uses]:
                    uses.remove(use)
                    found.append(f'{path.name}: {function.name}')
                    assert function.returns is not None, found[-1]
                    assert 'Tensor' not in ast.unparse(function.returns), found[-1]
        assert not uses, f'{path}: cached, but not by a decorator'
    assert any('kinetics710' in name for name in found)
