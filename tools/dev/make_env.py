"""Builds .venv with the exact versions of requirements/tested.txt and mmhvt itself, editable.

    python3 tools/dev/make_env.py            # mmcv without compiled ops: enough for recognition
    python3 tools/dev/make_env.py --ops      # mmcv with compiled ops: detection too

Finished steps are skipped: each leaves a stamp in the environment that names what it was done
from. Compiled mmcv wheels are kept in $MMHVT_CACHE (~/.cache/mmhvt), one for each combination
of all that they depend on. Needs nothing but Python 3.10 to 3.12.

uv resolves, locks and installs. The rest is for what `uv sync` does not do: compile mmcv's ops against the torch that
was installed, and keep the wheel for other clones.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / 'requirements' / 'tested.txt'
UV = 'uv==0.13.8'
PYTHONS = ((3, 10), (3, 11), (3, 12))
# what mmcv's setup.py and torch's extension builder read from the environment
BUILD_VARIABLES = ('CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'FORCE_CUDA', 'CUDA_HOME',
                   'TORCH_CUDA_ARCH_LIST', 'MMCV_CUDA_ARGS')  # fmt: skip


def say(text: str) -> None:
    print(f'[env] {text}', flush=True)


def run(*command: str | Path, **kwargs) -> None:
    subprocess.run([str(part) for part in command], check=True, **kwargs)


def pinned(package: str) -> str:
    """Version of `package` in requirements/tested.txt."""
    return re.search(rf'^{re.escape(package)}==(\S+)', LOCK.read_text(), re.M).group(1)


def find_python() -> str:
    """An interpreter of a supported version: the running one, or one on the path.

    Raises SystemExit where there is none.
    """
    names = [sys.executable] + [f'python{major}.{minor}' for major, minor in reversed(PYTHONS)]
    for name in names:
        found = shutil.which(name)
        if not found:
            continue
        probe = subprocess.run(
            [found, '-c', 'import sys, ensurepip; print(*sys.version_info[:2])'],
            capture_output=True, text=True)  # fmt: skip
        if probe.returncode == 0 and tuple(map(int, probe.stdout.split())) in PYTHONS:
            return found
    raise SystemExit('mmhvt needs Python 3.10, 3.11 or 3.12 with the venv module; none found on PATH '
                     '(on Debian: apt-get install python3 python3-venv)')  # fmt: skip


class Environment:
    """A virtual environment and the steps that set it up."""

    def __init__(self, path: Path):
        self.path = path
        self.python = path / 'bin' / 'python'

    def stamp(self, name: str) -> Path:
        return self.path / f'.mmhvt-{name}'

    def step(self, name: str, made_from: str, action: Callable[[], None]) -> None:
        """Runs `action` unless the stamp `name` says that it ran for the same `made_from`."""
        stamp = self.stamp(name)
        digest = hashlib.sha256(made_from.encode()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest:
            return
        stamp.unlink(missing_ok=True)
        start = time.time()
        action()
        stamp.write_text(digest)
        say(f'{name}: done in {time.time() - start:.0f} s')

    def create(self) -> None:
        say(f'{self.path.name}: {find_python()}')
        run(find_python(), '-m', 'venv', '--clear', self.path)
        run(self.python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', UV)

    def install_packages(self) -> None:
        say(f'installing {LOCK.relative_to(ROOT)} (torch with its CUDA libraries is 4.7 GB unpacked)')
        # uv compiles no bytecode unless told to; without it, every start of a program compiles what it imports.
        # in an isolated build mmcv sees no torch and leaves its ops out; uv's cache never holds a compiled one
        run(self.path / 'bin' / 'uv', 'pip', 'install', '-p', self.python, '--no-deps',
            '--compile-bytecode', '--reinstall-package', 'onedl-mmcv', '-r', LOCK,
            env=os.environ | {'MMCV_WITH_OPS': '0'})  # fmt: skip
        self.stamp('ops').unlink(missing_ok=True)

    def install_mmhvt(self) -> None:
        result = subprocess.run(
            [self.python, '-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-deps',
             '--no-build-isolation', '-e', ROOT],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        if result.returncode:  # else setuptools warns of editable installs at length
            raise SystemExit(f'installing mmhvt failed:\n{result.stdout}')

    def install_ops(self) -> None:
        wheel = ops_wheel(self.python)
        run(self.path / 'bin' / 'uv', 'pip', 'install', '-q', '-p', self.python, '--no-deps',
            '--compile-bytecode', '--reinstall', '--no-cache', wheel)  # fmt: skip


def ops_key(python: Path) -> str:
    """All that a compiled mmcv wheel depends on, as text."""
    torch_is = subprocess.run(
        [python, '-c', 'import sys, torch; print(sys.version, torch.__version__, torch.version.cuda, '
         'torch.cuda.is_available() and torch.cuda.get_device_capability(), torch._C._GLIBCXX_USE_CXX11_ABI)'],
        check=True, capture_output=True, text=True).stdout  # fmt: skip
    compiler = subprocess.run([os.environ.get('CXX', 'c++'), '--version'],
                              check=True, capture_output=True, text=True).stdout.splitlines()[0]  # fmt: skip
    flags = [f'{name}={os.environ.get(name)}' for name in BUILD_VARIABLES]
    return '\n'.join([pinned('onedl-mmcv'), platform.machine(), *platform.libc_ver(), torch_is, compiler, *flags])


def ops_wheel(python: Path) -> Path:
    """Path of mmcv's wheel with compiled ops, from the cache or compiled now (12 minutes on 2 cores)."""
    base = os.environ.get('MMHVT_CACHE') or Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mmhvt'
    key = ops_key(python)
    cache = Path(base) / 'mmcv-ops' / hashlib.sha256(key.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second clone waits for the first one's wheel
        wheels = list(cache.glob('*.whl'))
        if wheels:
            say(f'mmcv with compiled ops: from {cache}')
            return wheels[0]
        say('mmcv with compiled ops: compiling, about 12 minutes on 2 cores')
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            compile_ops(python, Path(scratch))
            built = next(Path(scratch).glob('*.whl'))
            (cache / 'key.txt').write_text(key)
            return built.rename(cache / built.name)


def compile_ops(python: Path, target: Path) -> None:
    """Compiles mmcv against the torch of `python` and leaves the wheel in `target`.

    Raises SystemExit with the log's path when the compiler fails.
    """
    log = target.parent / 'build.log'
    # --no-cache-dir: pip's wheel cache does not know for which torch a wheel was compiled
    command = [python, '-m', 'pip', 'wheel', '-v', '--disable-pip-version-check', '--no-deps',
               '--no-cache-dir', '--no-build-isolation', '-w', target,
               f'onedl-mmcv=={pinned("onedl-mmcv")}']  # fmt: skip
    environ = os.environ | {'MMCV_WITH_OPS': '1', 'MAX_JOBS': str(os.cpu_count()),
                            'PATH': f'{Path(python).parent}:{os.environ["PATH"]}'}  # fmt: skip
    start = time.time()
    with open(log, 'w') as out:
        process = subprocess.Popen(list(map(str, command)), env=environ, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        for line in process.stdout:
            out.write(line)
            step = re.match(r'\s*\[(\d+)/(\d+)\]', line)
            if step:
                say(f'mmcv ops: compiled {step[1]} of {step[2]} ({time.time() - start:.0f} s)')
    if process.wait():
        raise SystemExit(f'compiling mmcv failed; the whole log is in {log}')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ops', action='store_true', help="compile mmcv's ops, or take them from the cache")
    parser.add_argument('--venv', type=Path, default=ROOT / '.venv', help='where (default: .venv)')
    args = parser.parse_args()

    environment = Environment(args.venv.resolve())
    lock = LOCK.read_text()
    # what an editable install copies into the environment
    project = [ROOT / name for name in ('setup.py', 'pyproject.toml', 'mmhvt/version.py', 'mmhvt/compat/startup.py')]
    # a new installation of packages keeps ops that were there
    ops = args.ops or environment.stamp('ops').exists()
    environment.step('python', UV, environment.create)
    environment.step('packages', lock, environment.install_packages)
    environment.step(
        'mmhvt', '\n'.join([str(ROOT), *(path.read_text() for path in project)]), environment.install_mmhvt
    )
    if ops:
        environment.step('ops', lock, environment.install_ops)


if __name__ == '__main__':
    main()
