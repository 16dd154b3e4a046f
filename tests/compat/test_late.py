"""What repaired packages call to start faster."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import pytest
from mmengine.config import Config
from mmengine.registry import Registry

from mmhvt.compat.late import format_code, late_function, load_naming
from mmhvt.compat.mim import options_of_script


@pytest.fixture
def late_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Writes a package of a new name with a module `heavy`, which registers a class Late in the package's registry."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str) -> ModuleType:
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').write_text(
            'from mmengine.registry import Registry\n'
            'from mmhvt.compat.late import late_class\n'
            "PARTS = Registry('part', scope='parts')\n"
            'PARTS.register_module(name="Early", module=dict)\n'
            f"__getattr__ = late_class('{name}.heavy', 'Late', PARTS)\n"
        )
        (tmp_path / name / 'heavy.py').write_text(
            f'from {name} import PARTS\n\n@PARTS.register_module()\nclass Late:\n    pass\n'
        )
        return __import__(name)

    return write


def test_late_class_is_imported_by_its_registry(late_package: Callable[[str], ModuleType]) -> None:
    package = late_package('late_by_registry')
    assert package.PARTS.get('Early') is dict
    assert package.PARTS.get('Absent') is None
    assert 'late_by_registry.heavy' not in sys.modules
    found = Registry('part', parent=package.PARTS, scope='child').get('Late')
    assert found is package.Late is package.PARTS.module_dict['Late']
    assert type(package.PARTS.build(dict(type='Late'))) is found


def test_late_class_is_imported_as_an_attribute(late_package: Callable[[str], ModuleType]) -> None:
    package = late_package('late_by_attribute')
    with pytest.raises(AttributeError, match="module 'late_by_attribute' has no attribute 'Other'"):
        _ = package.Other
    assert 'late_by_attribute.heavy' not in sys.modules
    assert package.Late.__module__ == 'late_by_attribute.heavy'
    assert package.PARTS.get('Late') is package.Late


def test_late_class_may_be_imported_by_its_own_module(late_package: Callable[[str], ModuleType]) -> None:
    late_package('late_by_module')
    heavy = __import__('late_by_module.heavy').heavy
    assert heavy.PARTS.get('Late') is heavy.Late


def test_late_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'late_arithmetic.py').write_text('def difference(a, b=0):\n    return a - b\n')
    difference = late_function('late_arithmetic', 'difference')
    assert 'late_arithmetic' not in sys.modules
    assert difference(3, b=1) == 2
    # as the import that it replaces, which packages try
    with pytest.raises(ModuleNotFoundError) as caught:
        late_function('no_such_package.part', 'difference')
    assert caught.value.name == 'no_such_package'


def test_config_is_laid_out_once_and_loads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Mock(side_effect=lambda text, **_: (text.replace('=', ' = '), True))
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', layout)
    config = Config(dict(once=dict(a=[1, 2]), path=str(tmp_path)))
    texts = [config.pretty_text, config.pretty_text, config.dump()]
    config.dump(tmp_path / 'dumped.py')
    assert layout.call_count == 1
    assert len({*texts, (tmp_path / 'dumped.py').read_text()}) == 1 and ' = ' in texts[0]
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()
    config.once.a[0] = 3
    assert '3' in config.pretty_text and layout.call_count == 2


def test_layout_depends_on_the_style(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, style_config, **_: (str(style_config), True))
    assert format_code('of_a_style=1', dict(a=1)) == ("{'a': 1}", True)
    assert format_code('of_a_style=1', dict(a=2), verify=True) == ("{'a': 2}", True)


def test_metafiles_that_name_a_config_are_loaded(tmp_path: Path) -> None:
    metafile = tmp_path / 'metafile.yml'
    metafile.write_text('Models:\n  - Name: a\n    Config: configs/x/a.py\n')
    assert load_naming('x/a', str(metafile))['Models'][0]['Name'] == 'a'
    metafile.write_text('Models: {')
    assert load_naming('_base_/default_runtime', str(metafile)) == dict(Models=[])


@pytest.mark.parametrize(
    ('source', 'is_started'),
    [
        ('parser.parse_args()\n', False),
        ("parser.add_argument('--gpus')\nparser.parse_args()\n", True),
        ('from package.tools import main\nmain()\n', True),
    ],
)
def test_script_is_started_for_its_help_if_its_source_does_not_tell(
    source: str, is_started: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'train.py').write_text(source)
    monkeypatch.setattr('subprocess.check_output', Mock(return_value=b'usage'))
    expected = b'usage' if is_started else source.encode()
    assert options_of_script(str(tmp_path / 'train.py')) == expected
