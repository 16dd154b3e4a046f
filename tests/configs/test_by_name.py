"""Configs change what they inherit by name, and inherit little."""

import ast
from pathlib import Path

import pytest
from mmengine.config import Config

BY_POSITION = ('insert', 'pop', 'remove', 'append', 'extend', 'index', 'sort', 'reverse')
DEPTH = 3  # a recipe, a base, and the base of that
OPENED = 10  # a recipe; model, dataset, pipeline and schedule with a base each; a runtime


def positions(source: str) -> list[str]:
    """Lines of a config that change or read a list by position: 'LINE: CODE'."""

    def numeric(index: ast.expr) -> bool:
        if isinstance(index, ast.Slice):
            return True
        if isinstance(index, ast.UnaryOp):
            index = index.operand
        return isinstance(index, ast.Constant) and isinstance(index.value, int)

    def at_fault(node: ast.AST) -> bool:
        if isinstance(node, ast.Subscript):
            return numeric(node.slice)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr in BY_POSITION
        return isinstance(node, ast.Delete)

    return [f'{node.lineno}: {ast.unparse(node)}' for node in ast.walk(ast.parse(source)) if at_fault(node)]


def bases(path: Path) -> list[Path]:
    """Config files of this repository that a config inherits from."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == '_base_':
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else value
            return [(path.parent / name).resolve() for name in names if '::' not in name]
    return []


def depth(path: Path) -> int:
    return 1 + max(map(depth, bases(path)), default=0)


def opened(path: Path) -> set[Path]:
    return {path}.union(*map(opened, bases(path)))


def recipes(root: Path) -> list[Path]:
    return [path for path in sorted((root / 'configs').glob('*/*.py')) if path.parent.name != '_base_']


def parents(path: Path) -> list[Path]:
    """Recipes that a recipe inherits from."""
    return [base for base in bases(path) if '_base_' not in base.parts]


@pytest.mark.parametrize(
    'line',
    [
        'train_pipeline[1].update(clip)',
        'test_pipeline.pop(4)',
        'test_pipeline.insert(3, dict())',
        'crops = train_pipeline[2:]',
        'last = _base_.train_pipeline[-1]',
        'del train_pipeline[0]',
        'x = dict(a=_base_.model.augments[0].alpha)',
    ],
)
def test_what_is_by_position_is_seen(line: str) -> None:
    assert positions(f'a = 1\n{line}\n')[0].startswith('2: ')


def test_what_is_by_name_is_not() -> None:
    source = "clip = dict(_base_.clip, clip_len=8)\na = [*_base_.augment, _base_.model['backbone']]\nlr = 1e-3 / 2\n"
    assert positions(source) == []


def test_nothing_is_changed_by_position(root: Path) -> None:
    files = sorted((root / 'configs').rglob('*.py'))
    assert len(files) > 300
    found = [f'{path.relative_to(root)}:{line}' for path in files for line in positions(path.read_text())]
    assert not found, '\n'.join(found)


def test_a_recipe_opens_few_files(root: Path) -> None:
    # a recipe with another test has one more: the recipe
    deep = {path.name: depth(path) for path in recipes(root) if depth(path) > DEPTH + len(parents(path))}
    many = {path.name: len(opened(path)) for path in recipes(root) if len(opened(path)) > OPENED + len(parents(path))}
    assert not deep and not many


def test_recipes_inherit_from_recipes_only_to_test_them_otherwise(root: Path) -> None:
    """A config of published weights has another model, too, but is trained as the recipe."""
    children = [path for path in recipes(root) if parents(path)]
    assert children
    for path in children:
        (parent,) = parents(path)
        child, parent = (Config.fromfile(file, import_custom_modules=False).to_dict() for file in (path, parent))
        differing = {key for key in child.keys() | parent.keys() if child.get(key) != parent.get(key)}
        allowed = ('test_', 'tta_', 'model') if '3rdparty' in path.stem else ('test_', 'tta_')
        assert differing and all(key.startswith(allowed) for key in differing), (path.name, differing)
