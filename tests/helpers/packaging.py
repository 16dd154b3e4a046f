"""Distributions of mmhvt, and virtual environments to install them in."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from . import ROOT

TREE = ('configs', 'mmhvt', 'requirements', 'tests', 'tools')
FILES = ('LICENSE', 'MANIFEST.in', 'README.md', 'model-index.yml', 'pyproject.toml', 'setup.py')
SITE = Path(sysconfig.get_path('purelib'))


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    # elsewhere than in the checkout, whose mmhvt `python -c` would import
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd or tempfile.gettempdir(),
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def check(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    done = run(*command, cwd=cwd, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def copy_tree(copy: Path) -> Path:
    """Copies what the checkout builds from."""
    for name in TREE:
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    return copy


def build(tree: Path, folder: Path) -> Path:
    """Writes the sdist, and the wheel that is built from it. Returns the wheel."""
    check(sys.executable, '-m', 'build', '--no-isolation', '-o', folder, tree)
    return next(folder.glob('*.whl'))


class Scratch:
    """A virtual environment that sees the packages of this one, but neither mmhvt nor the repairs.

    Args:
        folder: Folder to make.

    Attributes:
        python: Its interpreter.
        mim: Its command mim.
        site: Its site-packages.
    """

    def __init__(self, folder: Path) -> None:
        check(sys.executable, '-m', 'venv', '--without-pip', folder)
        self.python = folder / 'bin' / 'python'
        self.site = Path(check(self.python, '-c', "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (self.site / 'kept').touch()  # pip removes a folder that it empties
        self.empty = self.files()
        self.others = folder / 'others'
        self.others.mkdir()
        for path in SITE.iterdir():
            if not path.name.startswith(('mmhvt', '__editable__', '__pycache__')):
                (self.others / path.name).symlink_to(path)
        self.packages = self.site / 'packages.pth'
        self.mim = folder / 'bin' / 'mim'
        self.mim.write_text(f'#!{self.python}\nimport sys\nfrom mim.cli import cli\nsys.exit(cli())\n')
        self.mim.chmod(0o755)

    def files(self) -> set[str]:
        paths = (path.relative_to(self.site) for path in self.site.rglob('*'))
        return {str(path) for path in paths}

    def pip(self, *args: str | Path, **environment: str) -> None:
        """Pip, with which the packages of the other environment are out of sight."""
        self.packages.unlink(missing_ok=True)
        pip = (sys.executable, '-m', 'pip', '--python', self.python, '--disable-pip-version-check')
        check(*pip, *args, **environment)
        self.packages.write_text(f'{self.others}\n')

    def install_editable(self, tree: Path) -> None:
        # the build backend alone
        backend = self.others.parent / 'backend'
        backend.mkdir()
        for path in (SITE / '_distutils_hack', *SITE.glob('setuptools*')):
            (backend / path.name).symlink_to(path)
        self.pip('install', '-q', '--no-deps', '--no-build-isolation', '-e', tree, PYTHONPATH=str(backend))
