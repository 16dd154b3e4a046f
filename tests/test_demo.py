"""The demo: its steps, its figures and its picture, on a handful of videos."""

import json
import os
import pickle
import re
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / 'tools/demo/train_demo.py'


@pytest.fixture(scope='module')
def demo() -> ModuleType:
    """The script as a module."""
    spec = spec_from_file_location('train_demo', SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_failing_step_is_named(demo: ModuleType) -> None:
    with pytest.raises(demo.StepError, match='Baking failed with exit status 3'):
        demo.step('Baking', sys.executable, '-c', 'raise SystemExit(3)')


def test_top1_is_the_newest_run_s(demo: ModuleType, tmp_path: Path) -> None:
    for stamp, top1 in [('20260101_000000', 0.5), ('20260101_000001', 0.75)]:
        (tmp_path / stamp).mkdir()
        (tmp_path / stamp / f'{stamp}.json').write_text(json.dumps({'acc/top1': top1}) + '\n')
    assert demo.test_top1(tmp_path) == 0.75
    with pytest.raises(demo.StepError, match='stop early'):
        demo.test_top1(tmp_path / 'nothing')


def test_one_clip_of_each_class(demo: ModuleType, tmp_path: Path) -> None:
    predictions = [dict(gt_label=label, pred_label=0, filename=str(i)) for i, label in enumerate([1, 0, 1, 2])]
    dump = tmp_path / 'predictions.pkl'
    dump.write_bytes(pickle.dumps(predictions))
    assert [clip['filename'] for clip in demo.choose_clips(dump)] == ['1', '0', '3']


@pytest.mark.slow
def test_whole_demo_on_few_videos(tmp_path: Path) -> None:
    """4 videos a class: too few to learn from, so the figure is out of reach and the exit status says so."""
    command = [sys.executable, SCRIPT, '--clips-per-class', '4', '--val-clips-per-class', '1', '--min-top1', '1.01']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    last = result.stdout.strip().splitlines()[-3:]
    assert [re.sub(r'=\d+\.\d+$', '', line) for line in last] == [
        'metric top1',
        'metric top1_shuffled',
        'metric seconds',
    ], result.stderr[-2000:]
    assert result.returncode == 1 and 'below the 1.01' in result.stderr
    picture = Image.open(tmp_path / 'work_dirs/demo/demo.png').convert('RGB')
    assert picture.width > 1000 and len(picture.getcolors(1 << 24)) > 1000
