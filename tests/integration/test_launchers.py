"""Every recipe starts by every launcher, to the point where its data is missing."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers.processes import free_port
from helpers.recipes import RECIPES, ROOT, family, narrow, read
from mmhvt.engine import command_line

# every option of tools/train.py, those of type int with 0
ALL_OPTIONS = ['--work-dir', 'work', '--resume', '--no-validate', '--auto-scale-lr', '--seed', '0']
ALL_OPTIONS += [
    '--diff-rank-seed',
    '--deterministic',
    '--amp',
    '--launcher',
    'none',
    '--cfg-options',
    'log_level=ERROR',
]
MISSING = re.compile(r'FileNotFoundError.*data/|No such file or directory.*data/|there is no .*data/', re.DOTALL)


@pytest.fixture
def start(
    load_tool: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[FileNotFoundError, Runner]]:
    """Runs a script of tools/ in this process, in an empty folder, and returns its end and what it had built."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'some.pth').touch()
    # versions of compilers and GPUs, which take a second to find
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)

    def run(script: str, path: Path, *options: str) -> tuple[FileNotFoundError, Runner]:
        built = []
        monkeypatch.setattr(sys, 'argv', [script, str(path), *options])
        monkeypatch.setattr(Config, 'fromfile', lambda path, **kwargs: narrow(read(Path(path))))
        module = load_tool(script)
        monkeypatch.setattr(
            module, 'build_runner', lambda cfg: built.append(command_line.build_runner(cfg)) or built[0]
        )
        deterministic = torch.are_deterministic_algorithms_enabled()
        with DefaultScope.overwrite_default_scope('mmengine'), pytest.raises(FileNotFoundError, match='data/') as end:
            try:
                module.main()
            finally:
                torch.use_deterministic_algorithms(deterministic)
        return end.value, built[0]

    return run


@pytest.mark.filterwarnings('ignore:.* has been created')  # within a second, so of the same name
@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_recipe_starts(path: Path, start: Callable) -> None:
    config = read(path)
    _, runner = start('train.py', path)
    assert runner.work_dir.endswith(f'work_dirs/{path.stem}')
    if config.get('test_dataloader'):
        _, runner = start('test.py', path, 'some.pth', '--dump', 'predictions.pkl')
        assert runner._load_from == 'some.pth'


def one_of_each() -> dict[str, Path]:
    """A recipe for each family and task that no micro model is; large ones only where there is no other."""
    found: dict[str, Path] = {}
    for path in sorted(RECIPES, key=lambda path: ('huge' in path.stem, 'large' in path.stem, path)):
        if 'micro' not in path.stem:
            task = path.parent.name if path.parent.name in ('ava', 'coco', 'mae') else read(path).default_scope
            found.setdefault(f'{family(path)}-{task}', path)
    return found


EACH = one_of_each()


def test_families_and_tasks() -> None:
    families = {'mvit', 'mvitv2', 'smvit', 'video-swin', 'uniformerv2'}
    assert EACH.keys() >= {f'{family}-{task}' for family in families for task in ('mmaction', 'ava', 'coco')}
    assert EACH.keys() >= {'mvit-mmpretrain', 'mvitv2-mmpretrain', 'smvit-mmpretrain', 'smvit-mae'}


@pytest.mark.filterwarnings('ignore:.* has been created')
@pytest.mark.parametrize('name', EACH)
def test_recipe_starts_with_all_options(name: str, start: Callable) -> None:
    _, runner = start('train.py', EACH[name], *ALL_OPTIONS)
    assert runner.seed == 0 and runner.deterministic and runner.work_dir.endswith('work')
    assert runner._val_loop is None and runner._resume and runner._load_from is None


# a task and a family for each: a process starts what `test_recipe_starts` starts of every recipe
LAUNCHED = ('smvit-mae', 'mvit-mmpretrain', 'mvitv2-mmaction', 'video-swin-coco', 'uniformerv2-ava')


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=[] if name in ('mvitv2-mmaction', 'video-swin-coco') else pytest.mark.thorough)
        for name in LAUNCHED
    ],
)
def test_launched_for_real(name: str, tmp_path: Path) -> None:
    """All launchers at once, each as a process of its own in an empty folder; dist_train.sh starts train.py twice."""
    path, tools = EACH[name], ROOT / 'tools'
    config = read(path)
    package = 'onedl-mmdetection' if config.default_scope == 'mmdet' else config.default_scope
    commands = dict(
        dist=['bash', tools / 'dist_train.sh', path, '2', '--seed', '0'],
        mim=['mim', 'train', package, path, '--gpus', '0'],
        train=[sys.executable, tools / 'train.py', path],
    )
    if config.get('test_dataloader'):
        commands['test'] = [sys.executable, tools / 'test.py', path, 'some.pth']
    environ = os.environ | {
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',  # two processes share no GPU
        'PORT': str(free_port()),
    }
    running = {}
    for launcher, command in commands.items():
        (tmp_path / launcher).mkdir()
        (tmp_path / launcher / 'some.pth').touch()
        running[launcher] = subprocess.Popen(
            [str(part) for part in command],
            env=environ,
            cwd=tmp_path / launcher,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    outputs = {launcher: process.communicate()[0] for launcher, process in running.items()}
    for launcher, output in outputs.items():
        assert running[launcher].returncode, f'{launcher}: {output}'
        assert re.search(r"FileNotFoundError: .*[ ']data/", output), f'{launcher}: {output}'
