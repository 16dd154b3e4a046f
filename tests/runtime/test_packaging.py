"""The runtime as a distribution of its own, installed where there is no PyTorch."""

import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from email.parser import Parser
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.packaging import SITE, check, run

NEEDED = ('numpy', 'onnxruntime', 'opencv-python-headless')
# folders of these, and of what onnxruntime imports
FOLDERS = ('numpy', 'numpy.libs', 'onnxruntime', 'cv2', '*opencv*.libs', 'flatbuffers', 'google', 'packaging')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy."""
    folder = tmp_path_factory.mktemp('runtime')
    shutil.copytree(
        ROOT / 'runtime', folder / 'tree', ignore=shutil.ignore_patterns('__pycache__', 'build', '*.egg-info')
    )
    pip = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
    check(*pip, 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w', folder, folder / 'tree')
    (built,) = folder.glob('*.whl')
    return built


@pytest.mark.slow
def test_the_wheel_holds_one_module(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    assert {name for name in archive.namelist() if '.dist-info/' not in name} == {'mmhvt_runtime.py'}
    name = next(name for name in archive.namelist() if name.endswith('METADATA'))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata['Name'] == 'mmhvt-runtime' and metadata['Requires-Python'] == '>=3.10'
    needed = [re.match(r'[\w-]+', line)[0] for line in metadata.get_all('Requires-Dist')]
    assert sorted(needed) == sorted(NEEDED)
    assert metadata.get_payload().startswith('# mmhvt-runtime')


@pytest.mark.slow
def test_installed_alone_it_recognizes(wheel: Path, write_tiny: Callable, encode: Callable, tmp_path: Path) -> None:
    venv = tmp_path / 'venv'
    check(sys.executable, '-m', 'venv', '--without-pip', venv)
    python = venv / 'bin' / 'python'
    site = Path(check(python, '-c', "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    pip = (sys.executable, '-m', 'pip', '--python', python, '--disable-pip-version-check')
    check(*pip, 'install', '-q', '--no-deps', wheel)
    for pattern in FOLDERS:
        for folder in SITE.glob(pattern):
            (site / folder.name).symlink_to(folder)
    for name in ('torch', 'mmengine', 'mmhvt', 'onnx', 'av'):
        assert 'ModuleNotFoundError' in run(python, '-c', f'import {name}').stderr
    command = venv / 'bin' / 'mmhvt-recognize'
    lines = check(command, '--model', write_tiny(), encode()).splitlines()
    assert len(lines) == 3
    assert check(python, '-m', 'mmhvt_runtime', '--model', write_tiny(), encode()).splitlines() == lines
    done = run(command, '--model', write_tiny(), tmp_path / 'none.mp4')
    assert (done.returncode, done.stderr) == (1, f'mmhvt-recognize: there is no video {tmp_path}/none.mp4\n')
    assert run(command).returncode == 2
