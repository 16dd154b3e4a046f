"""The demo of the export: its steps and its figures, with a model of one epoch on a handful of videos."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT
from mmhvt.demos import export as demo
from mmhvt.demos.runs import StepError
from mmhvt.synthetic.moving_shapes import MOTIONS

pytest.importorskip('onnxscript')

SCRIPT = ROOT / 'tools/demo/export_demo.py'
ROW = re.compile(r'^(\S+)_00000\.mp4 +(\S+) +([\d.]+) +([\d.]+) +([\d.e-]+)$', re.M)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[demo.Comparison]:
    """Leaves out all steps but the last; returns what they find."""
    found = [demo.Comparison(Path('up_00000.mp4'), 'up', 0.9, 0.9, 9e-5)]
    for name in ('make_environment', 'train'):
        monkeypatch.setattr(demo, name, lambda *_: Path())
    for name in ('generate', 'step'):
        monkeypatch.setattr(demo, name, lambda *_, **__: None)
    monkeypatch.setattr(demo, 'compare', lambda *_: (found, 0.5))
    return found


def test_scores_that_differ_are_an_error(steps: list[demo.Comparison], capsys: pytest.CaptureFixture) -> None:
    demo.run(4, 1, 1)
    steps.append(steps[0]._replace(difference=2e-4))
    with pytest.raises(StepError, match=r'differ from those of PyTorch by 2\.0e-04, above 0\.0001'):
        demo.run(4, 1, 1)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        'metric largest_difference=2.0e-04',
        'metric seconds_to_first=0.50',
    ]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / 'mmhvt-recognize'
    script.write_text('#!/bin/sh\necho there is no video >&2\nexit 1\n')
    script.chmod(0o755)
    with pytest.raises(StepError, match=r'recognizing none\.mp4 failed: there is no video'):
        demo.recognize(script, Path('model.onnx'), Path('none.mp4'))
    monkeypatch.setattr(demo, 'RUNTIME', tmp_path / 'runtime')
    with pytest.raises(StepError, match='needs a checkout of mmhvt'):
        demo.make_environment(tmp_path / 'venv')
    monkeypatch.setattr(shutil, 'which', lambda *_, **__: None)
    with pytest.raises(StepError, match='needs uv'):
        demo.make_environment(tmp_path / 'venv')


@pytest.mark.slow
def test_whole_demo_in_one_epoch(tmp_path: Path) -> None:
    """The second call trains nothing, and replaces the environment."""
    uv = Path(sys.executable).with_name('uv')
    needed = re.findall(r'^    "([^"]+)",$', (ROOT / 'runtime/pyproject.toml').read_text(), re.M)
    assert len(needed) == 3
    probe = subprocess.run(
        [uv, 'pip', 'install', '--dry-run', '--target', tmp_path / 'probe', '--python', sys.executable, *needed],
        capture_output=True, text=True,
    )  # fmt: skip
    if probe.returncode:
        pytest.skip(f'packages of the runtime cannot be downloaded: {probe.stderr.strip()[-300:]}')
    command = [sys.executable, SCRIPT, '--clips-per-class', '4', '--val-clips-per-class', '1', '--epochs', '1']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    for call in range(2):
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
        assert result.stdout.count('done already') == call
        rows = ROW.findall(result.stdout)
        assert [row[0] for row in rows] == list(MOTIONS)
        assert {row[1] for row in rows} <= set(MOTIONS)
        assert all(abs(float(ours) - float(theirs)) <= 1e-4 for _, _, ours, theirs, _ in rows)
        last = result.stdout.strip().splitlines()[-2:]
        found = re.fullmatch(
            r'metric largest_difference=(\d\.\de-\d\d)\nmetric seconds_to_first=(\d+\.\d\d)', '\n'.join(last)
        )
        assert found and float(found[1]) <= 1e-4 and float(found[2]) > 0
    assert (tmp_path / 'work_dirs/demo-export/model.onnx').is_file()
