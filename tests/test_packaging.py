"""What the distributions hold, and that installing and removing them switches the repairs on and off."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

TREE = ('configs', 'mmhvt', 'requirements', 'tests', 'tools')
FILES = ('LICENSE', 'MANIFEST.in', 'README.md', 'model-index.yml', 'pyproject.toml', 'setup.py')
SITE = Path(sysconfig.get_path('purelib'))


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess:
    # elsewhere than in the checkout, whose mmhvt `python -c` would import
    return subprocess.run(
        [str(part) for part in command],
        cwd=tempfile.gettempdir(),
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def check(*command: str | Path, **environment: str) -> str:
    done = run(*command, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def tree(root, tmp_path_factory) -> Path:
    """A copy of what the checkout builds from."""
    copy = tmp_path_factory.mktemp('tree')
    for name in TREE:
        shutil.copytree(root / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
    for name in FILES:
        shutil.copy(root / name, copy)
    return copy


@pytest.fixture(scope='module')
def dist(tree, tmp_path_factory) -> Path:
    """Folder with the sdist and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp('dist')
    check(sys.executable, '-m', 'build', '--no-isolation', '-o', folder, tree)
    return folder


@pytest.fixture(scope='module')
def wheel(dist) -> Path:
    return next(dist.glob('*.whl'))


# ---- contents


def files(root: Path, folder: str) -> set[str]:
    """Names of the files below a folder, relative to `root`, without byte code."""
    paths = (path for path in (root / folder).rglob('*') if path.is_file() and path.suffix != '.pyc')
    return {str(path.relative_to(root)) for path in paths}


def test_wheel(wheel, root):
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


def test_metadata(wheel, root):
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith('METADATA'))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata['Name'] == 'mmhvt'
    assert f"__version__ = '{metadata['Version']}'" in (root / 'mmhvt' / 'version.py').read_text()
    assert metadata['License-Expression'] == 'Apache-2.0'
    assert set(metadata['Requires-Python'].split(',')) == {'>=3.10', '<3.13'}
    assert set(metadata.get_all('Provides-Extra')) == {'all', 'mim', 'optional', 'tests', 'docs'}
    needed = metadata.get_all('Requires-Dist')
    assert 'torch>=2.4' in needed
    assert 'mmaction2==1.2.0; extra == "mim"' in needed
    assert metadata.get_payload() == (root / 'README.md').read_text()


def test_sdist(dist):
    with tarfile.open(next(dist.glob('*.tar.gz'))) as archive:
        names = archive.getnames()
    paths = {name.partition('/')[2] for name in names}
    assert {*FILES, 'tools/train.py', 'configs/smvit/metafile.yml', 'requirements/runtime.txt'} <= paths
    assert not any(path.startswith(('tests', 'tools/dev', 'mmhvt/.mim')) for path in paths)


def test_links_of_an_editable_install(root):
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (root / 'mmhvt' / '.mim' / name).resolve() == root / name


# ---- installing and removing


class Scratch:
    """A virtual environment that sees the packages of this one, but runs none of its .pth files.

    So it has mmaction, without mmhvt and without the repairs.
    """

    def __init__(self, folder: Path):
        check(sys.executable, '-m', 'venv', '--without-pip', folder)
        self.python = folder / 'bin' / 'python'
        self.site = Path(check(self.python, '-c', "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (self.site / 'kept').touch()  # pip removes a folder that it empties
        self.empty = self.files()
        self.packages = self.site / 'packages.pth'

    def files(self) -> set[str]:
        paths = (path.relative_to(self.site) for path in self.site.rglob('*'))
        return {str(path) for path in paths}

    def pip(self, *args: str | Path, **environment: str) -> None:
        """Pip, which must not see this environment's mmhvt."""
        self.packages.unlink(missing_ok=True)
        pip = (sys.executable, '-m', 'pip', '--python', self.python, '--disable-pip-version-check')
        check(*pip, *args, **environment)
        self.packages.write_text(f'{SITE}\n')


@pytest.fixture
def scratch(tmp_path) -> Scratch:
    return Scratch(tmp_path / 'venv')


def assert_removed(scratch: Scratch) -> None:
    scratch.pip('uninstall', '-q', '-y', 'mmhvt')
    assert scratch.files() - {'packages.pth'} == scratch.empty
    done = run(scratch.python, '-W', 'ignore', '-c', 'import mmaction.models')
    assert 'AssertionError: MMCV==' in done.stderr


@pytest.mark.slow
def test_wheel_installs_and_leaves_nothing(scratch, wheel):
    scratch.pip('install', '-q', '--no-deps', wheel)
    where = check(scratch.python, '-c', 'import mmhvt.compat as m; print(m.__file__)')
    assert where.startswith(str(scratch.site))
    report = check(scratch.python, '-m', 'mmhvt.compat')
    assert 'made: localizer DRN' in report
    check(scratch.python, '-c', 'import mmaction.models')
    assert_removed(scratch)


@pytest.mark.slow
def test_editable_installs_and_leaves_nothing(scratch, tree, tmp_path):
    # the build backend alone, so that pip does not see this environment's mmhvt
    backend = tmp_path / 'backend'
    backend.mkdir()
    for path in (SITE / '_distutils_hack', *SITE.glob('setuptools*')):
        (backend / path.name).symlink_to(path)
    scratch.pip('install', '-q', '--no-deps', '--no-build-isolation', '-e', tree, PYTHONPATH=str(backend))
    where = check(scratch.python, '-c', 'import mmhvt.compat as m; print(m.__file__)')
    assert where.startswith(str(tree))
    check(scratch.python, '-c', 'import mmaction.models')
    assert (tree / 'mmhvt' / '.mim' / 'tools' / 'train.py').exists()
    assert_removed(scratch)
