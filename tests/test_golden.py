"""The golden tool and the goldens that this repository carries."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

DATA = Path(__file__).parent / 'data' / 'golden'


def run(root, *files):
    return subprocess.run(
        [sys.executable, str(root / 'tools' / 'golden.py'), *map(str, files)], capture_output=True, text=True
    )


def test_goldens_hold(root):
    files = sorted(DATA.glob('*.json'))
    result = run(root, *files)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == f'{len(files)} of {len(files)} goldens hold'


def test_wrong_outputs_and_unknown_sources_fail(root, tmp_path):
    golden = json.loads((DATA / 'smvit_b_image.json').read_text())
    for name in list(golden['outputs']):
        if name != 'stage1':
            del golden['outputs'][name]
    golden['outputs']['stage1']['last'][7] += 0.01
    (tmp_path / 'moved.json').write_text(json.dumps(golden))
    golden['source'] = 'somebody-else 1.0'
    (tmp_path / 'unknown.json').write_text(json.dumps(golden))
    result = run(root, tmp_path / 'moved.json', tmp_path / 'unknown.json')
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert 'DIFFERS' in lines[-3] and 'stage1' in lines[-3]
    assert 'FAILED' in lines[-2] and 'somebody-else' in lines[-2]
    assert lines[-1] == '0 of 2 goldens hold'


@pytest.mark.parametrize('name', ['smvit_b_image', 'smvit_b_16x224'])
def test_weights_are_the_files_names(load_tool, name):
    tool = load_tool('golden.py')
    shapes = json.loads((DATA / f'{name}.json').read_text())['state_dict']
    weights = tool.golden_weights(shapes)
    assert {key: list(value.shape) for key, value in weights.items()} == shapes
    assert weights['norm.weight'].mean().item() == pytest.approx(1.0, abs=0.02)


def test_not_a_number_is_a_difference(load_tool):
    tool = load_tool('golden.py')
    x = torch.randn(300)
    golden = dict(shape=[300], first=x[:64].tolist(), last=x[-64:].tolist(), mean=x.mean().item(), std=x.std().item())
    assert tool.difference(x, golden) < 1e-6
    x[100] = math.nan
    assert math.isnan(tool.difference(x, golden))
