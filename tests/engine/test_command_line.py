"""Command lines of tools/train.py and tools/test.py that cannot run end in a line, before anything is built."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CONFIG = """
model = dict(type='mmhvt.SMViT', depths=[1, 2])
train_cfg = dict(max_epochs=1)
train_dataloader = dict()
test_cfg = dict()
test_dataloader = dict()
test_evaluator = []
"""


@pytest.fixture
def end(
    load_tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable:
    """Runs a script in an empty folder and returns the last line of its error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'config.py').write_text(CONFIG)
    (tmp_path / 'some.pth').touch()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(('RANK', 'SLURM', 'OMPI'))}
    monkeypatch.setattr(os, 'environ', environ)

    def run(script: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, 'argv', [script, *arguments])
        module = load_tool(script)
        monkeypatch.setattr(module, 'build_runner', lambda cfg: pytest.fail('a runner is built'))
        before = set(tmp_path.rglob('*'))
        with pytest.raises(SystemExit) as error:
            module.main()
        assert set(tmp_path.rglob('*')) == before
        if isinstance(error.value.code, str):
            assert '\n' not in error.value.code
            return error.value.code
        assert error.value.code == 2  # argparse has printed the line
        return capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--cfg-options', 'foo'], "'foo' is not KEY=VALUE"),
        (['--cfg-options', '=3'], "'=3' is not KEY=VALUE"),
        (['--cfg-options', 'train_cfg..max_epochs=3'], "'train_cfg..max_epochs=3' is not KEY=VALUE"),
        (['--cfg-options', 'a=(1,2'], "'a=(1,2' has an unmatched bracket"),
        (['--cfg-options', 'model.depths.7=3'], 'config.py: --cfg-options model.depths.7=3 does not fit it: '),
        (['--cfg-options', 'model.type.x.y=3'], 'config.py: --cfg-options model.type.x.y=3 does not fit it: '),
        (['--launcher', 'pytorch'], '--launcher pytorch needs the environment variables RANK, '),
        (['--launcher', 'slurm'], '--launcher slurm needs the environment variables SLURM_PROCID, '),
        (['--launcher', 'mpi'], '--launcher mpi needs the environment variables OMPI_COMM_WORLD_LOCAL_RANK, '),
        (['--launcher', 'ray'], "invalid choice: 'ray'"),
        (['--work-dir', 'config.py'], '--work-dir config.py: config.py is a file; choose a folder'),
        (['--work-dir', 'config.py/in'], '--work-dir config.py/in: config.py is a file; choose a folder'),
    ],
)
@pytest.mark.parametrize('script', ['train.py', 'test.py'])
def test_options(script: str, options: list[str], message: str, end: Callable) -> None:
    checkpoint = ['some.pth'] if script == 'test.py' else []
    assert message in end(script, 'config.py', *checkpoint, *options)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--seed', '-1'], '-1 must be from 0 to 4294967295'),
        (['--seed', '4294967296'], '4294967296 must be from 0 to 4294967295'),
        (['--seed', 'x'], "invalid seed value: 'x'"),
        (['--resume', 'epoch_9.pth'], '--resume: there is no checkpoint epoch_9.pth'),
        (['--resume', '.'], '--resume: there is no checkpoint .'),
        (
            ['--resume', 'work_dirs/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb/epoch_200.pth'],
            'epoch_200.pth: training with configs/mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb.py writes it',
        ),
        (['--auto-scale-lr'], '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=…) in the config'),
    ],
)
def test_options_of_training(options: list[str], message: str, end: Callable) -> None:
    assert message in end('train.py', 'config.py', *options)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['epoch_9.pth'], 'checkpoint: there is no checkpoint epoch_9.pth'),
        (['some.pth', '--dump', 'scores.txt'], '--dump writes a pickle: FILE.pkl, not scores.txt'),
        (['some.pth', '--tta'], 'config.py has no tta_model and tta_pipeline, which --tta needs'),
    ],
)
def test_options_of_test(arguments: list[str], message: str, end: Callable) -> None:
    assert message in end('test.py', 'config.py', *arguments)


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({}, 'x.py: no such config file'),
        ({'x.py/y': ''}, 'x.py: no such config file'),
        ({'README.md': '# title'}, 'README.md: the name of a config ends in .py, .json, .yaml or .yml'),
        ({'x.py': 'model = ('}, 'x.py: SyntaxError: '),
        ({'x.py': "_base_ = 'y.py'"}, 'y.py, a base of x.py: no such config file'),
        ({'x.py': "_base_ = 'y.py'", 'y.py': '1 +'}, 'y.py, a base of x.py: SyntaxError: '),
        ({'x.py': "_base_ = ['x.py']"}, 'x.py is a base of itself: x.py <- x.py'),
        ({'x.py': "_base_ = './y.py'", 'y.py': "_base_ = ['x.py']"}, 'is a base of itself: x.py <- y.py <- x.py'),
        ({'x.json': '{'}, 'x.json: '),
        ({'x.yml': '_base_: x.yml'}, 'x.yml is a base of itself: x.yml <- x.yml'),
        ({'x.py': b'\xff\xfe'}, 'x.py: UnicodeDecodeError: '),
        ({'x.py': 'work_dir = "work"'}, 'x.py has no train_dataloader and train_cfg to train with'),
    ],
)
def test_configs(files: dict[str, str | bytes], message: str, end: Callable) -> None:
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    name = next(iter(files), 'x.py').partition('/')[0]
    assert message in end('train.py', name)
