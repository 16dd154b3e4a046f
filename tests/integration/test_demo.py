"""The demo: its steps, its figures and its picture, on a handful of videos."""

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from helpers import ROOT
from mmhvt.demos import ava, coco, image, mae, motion
from mmhvt.demos.motion import choose_clips
from mmhvt.demos.runs import TOOLS, StepError, read_metrics, step

SCRIPT = ROOT / 'tools/demo/train_demo.py'


def test_configs_and_tools_are_there() -> None:
    configs = [value for module in (ava, coco, image, mae, motion) for value in vars(module).values()
               if isinstance(value, Path) and value.suffix == '.py']  # fmt: skip
    assert len(configs) == 10 and all(config.is_file() for config in configs)
    tools = ('digits', 'moving_shapes', 'moving_actors', 'shapes_coco')
    assert all((TOOLS / f'data/{name}.py').is_file() for name in tools)


def test_failing_step_is_named() -> None:
    with pytest.raises(StepError, match='Baking failed with exit status 3'):
        step('Baking', sys.executable, '-c', 'raise SystemExit(3)')


def test_top1_is_the_newest_run_s(tmp_path: Path) -> None:
    for stamp, top1 in [('20260101_000000', 0.5), ('20260101_000001', 0.75)]:
        (tmp_path / stamp).mkdir()
        (tmp_path / stamp / f'{stamp}.json').write_text(json.dumps({'acc/top1': top1}) + '\n')
    assert read_metrics(tmp_path, 'acc/top1') == [0.75]
    with pytest.raises(StepError, match='stop early'):
        read_metrics(tmp_path / 'nothing', 'acc/top1')
    with pytest.raises(StepError, match='no result in .*: did the test stop early'):
        read_metrics(tmp_path, 'acc/top1', 'acc/top5')


def test_one_clip_of_each_class(tmp_path: Path) -> None:
    predictions = [dict(gt_label=label, pred_label=0, filename=str(i)) for i, label in enumerate([1, 0, 1, 2])]
    dump = tmp_path / 'predictions.pkl'
    dump.write_bytes(pickle.dumps(predictions))
    assert [clip['filename'] for clip in choose_clips(dump)] == ['1', '0', '3']


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
    assert Image.open(tmp_path / 'work_dirs/demo/demo.webp').n_frames == 15
