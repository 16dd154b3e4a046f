"""What the distributions hold, and that installing and removing them switches the repairs on and off."""

import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from helpers.packaging import FILES, Scratch, build, check, copy_tree, run


@pytest.fixture(scope='module')
def tree(tmp_path_factory) -> Path:
    """A copy of what the checkout builds from."""
    return copy_tree(tmp_path_factory.mktemp('tree'))


@pytest.fixture(scope='module')
def wheel(tree, tmp_path_factory) -> Path:
    """The wheel, beside the sdist that it is built from."""
    return build(tree, tmp_path_factory.mktemp('dist'))


# ---- contents


def files(root: Path, folder: str) -> set[str]:
    """Names of the files below a folder, relative to `root`, without byte code."""
    paths = (path for path in (root / folder).rglob('*') if path.is_file() and path.suffix != '.pyc')
    return {str(path.relative_to(root)) for path in paths}


def test_wheel(wheel, root) -> None:
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    assert len(names) == len(set(names))
    mim = {name.removeprefix('mmhvt/.mim/') for name in names if name.startswith('mmhvt/.mim/')}
    tools = {name for name in files(root, 'tools') if not name.startswith('tools/dev/')}
    assert mim == {'model-index.yml'} | files(root, 'configs') | tools
    modules = {name for name in files(root, 'mmhvt') if not name.startswith('mmhvt/.mim/')}
    rest = {name for name in names if not name.startswith('mmhvt/.mim/') and '.dist-info/' not in name}
    assert rest == modules | {'mmhvt-compat.pth'}
    assert any(name.endswith('.dist-info/licenses/LICENSE') for name in names)
    assert archive.read('mmhvt-compat.pth').count(b'\n') == 1


def test_metadata(wheel, root) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith('METADATA'))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata['Name'] == 'mmhvt'
    assert f"__version__ = '{metadata['Version']}'" in (root / 'mmhvt' / 'version.py').read_text()
    assert metadata['License-Expression'] == 'Apache-2.0'
    assert set(metadata['Requires-Python'].split(',')) == {'>=3.10', '<3.13'}
    assert set(metadata.get_all('Provides-Extra')) == {'all', 'mim', 'optional', 'export', 'tests', 'docs'}
    needed = metadata.get_all('Requires-Dist')
    assert 'torch>=2.5' in needed
    assert 'mmaction2==1.2.0; extra == "mim"' in needed
    assert metadata.get_payload() == (root / 'README.md').read_text()


def test_sdist(wheel) -> None:
    with tarfile.open(next(wheel.parent.glob('*.tar.gz'))) as archive:
        names = archive.getnames()
    paths = {name.partition('/')[2] for name in names}
    assert {*FILES, 'tools/train.py', 'configs/smvit/metafile.yml', 'requirements/runtime.txt'} <= paths
    assert not any(path.startswith(('tests', 'tools/dev', 'mmhvt/.mim')) for path in paths)


def test_links_of_an_editable_install(root) -> None:
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (root / 'mmhvt' / '.mim' / name).resolve() == root / name


# ---- installing and removing


@pytest.fixture
def scratch(tmp_path) -> Scratch:
    return Scratch(tmp_path / 'venv')


def assert_removed(scratch: Scratch) -> None:
    scratch.pip('uninstall', '-q', '-y', 'mmhvt')
    assert scratch.files() - {'packages.pth'} == scratch.empty
    done = run(scratch.python, '-W', 'ignore', '-c', 'import mmaction.models')
    assert 'AssertionError: MMCV==' in done.stderr


@pytest.mark.slow
def test_wheel_installs_and_leaves_nothing(scratch, wheel) -> None:
    scratch.pip('install', '-q', '--no-deps', wheel)
    where = check(scratch.python, '-c', 'import mmhvt.compat as m; print(m.__file__)')
    assert where.startswith(str(scratch.site))
    report = check(scratch.python, '-m', 'mmhvt.compat')
    assert 'applied: localizer DRN' in report
    check(scratch.python, '-c', 'import mmaction.models')
    assert_removed(scratch)


@pytest.mark.slow
def test_editable_installs_and_leaves_nothing(scratch, tree) -> None:
    scratch.install_editable(tree)
    where = check(scratch.python, '-c', 'import mmhvt.compat as m; print(m.__file__)')
    assert where.startswith(str(tree))
    check(scratch.python, '-c', 'import mmaction.models')
    assert (tree / 'mmhvt' / '.mim' / 'tools' / 'train.py').exists()
    assert_removed(scratch)
