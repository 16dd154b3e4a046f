"""The worked examples of docs/contributing/: a family, weights of timm that load into it, and a task that learns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import ROOT

# in a process of its own: a registered family stays registered
WEIGHTS = """
import sys
sys.path.insert(0, 'docs/contributing')
import poolformer, timm, torch
from torch import nn
from mmhvt import migrate
from mmhvt.registry import MODELS

theirs = timm.create_model('poolformer_s12').eval()
for parameter in theirs.parameters():
    nn.init.normal_(parameter, std=0.1)
state_dict = theirs.state_dict()
source = migrate.identify(state_dict)
assert source.name == 'poolformer.timm', source
torch.save(state_dict, sys.argv[1])
cfg = source.backbone_cfg(dict(name='poolformer_s12')) | dict(init_cfg=dict(type='Pretrained', checkpoint=sys.argv[1]))
ours = MODELS.build(cfg).eval()
ours.init_weights()
images = torch.randn(2, 3, 64, 64)
with torch.no_grad():
    features = theirs.forward_head(theirs.forward_features(images), pre_logits=True)
    torch.testing.assert_close(ours(images)[0], features)
print('equal')
"""

SCORES = """
import sys
sys.path.insert(0, 'docs/contributing')
from pathlib import Path
import torch
from video_score import ScoreDataset, ScoreHead

folder = Path(sys.argv[1])
for line in ('a.mp4 good', 'a.mp4'):
    (folder / 'train.txt').write_text('b.mp4 2.5\\n' + line)
    try:
        ScoreDataset('train.txt', data_root=str(folder), pipeline=[])
    except ValueError as error:
        print(error)
(folder / 'train.txt').write_text('path,score\\nb.mp4,-2.5\\n')
sample = ScoreDataset('train.txt', data_root=str(folder), data_prefix=dict(video='x'), pipeline=[])[0]
print(sample['filename'].endswith('x/b.mp4'), sample['score'], 'label' in sample)
try:
    ScoreHead(in_channels=4)((torch.zeros(1, 8),))
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_the_example_family_passes_the_contract_of_all_backbones() -> None:
    contract = 'tests/models/backbones/test_contract.py'
    options = ['-p', 'helpers.poolformer_plugin', '-p', 'no:cacheprovider', '-q', '-k', 'PoolFormer or registered']
    run = subprocess.run([sys.executable, '-m', 'pytest', contract, *options], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]


def test_the_example_source_loads_weights_of_timm(tmp_path) -> None:
    command = [sys.executable, '-c', WEIGHTS, str(tmp_path / 'poolformer_s12.pth')]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.endswith('equal\n'), run.stdout[-1000:] + run.stderr[-3000:]


@pytest.mark.slow
def test_the_example_task_learns(tmp_path: Path) -> None:
    """By the commands of its page, but for one epoch."""
    for folder in ('configs', 'docs', 'tools'):
        (tmp_path / folder).symlink_to(ROOT / folder)
    commands = re.search(r'```bash\n(.*?)\n```', (ROOT / 'docs/contributing/new_task.md').read_text(), re.S)[1]
    environment = os.environ | dict(PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}')
    script = f'set -e\n{commands} --cfg-options train_cfg.max_epochs=1'
    run = subprocess.run(['bash', '-c', script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-1000:] + run.stderr[-3000:]
    (log,) = (tmp_path / 'work_dirs/video_score_config').glob('*/*.log')
    (found,) = re.findall(r'score/SRCC: (\S+)  score/PLCC: (\S+)  score/RMSE: (\S+)', log.read_text())
    spearman, pearson, error = map(float, found)
    assert 0.8 < spearman <= 1 and 0.7 < pearson <= 1 and 0 < error < 2


def test_the_example_task_checks_its_input(tmp_path: Path) -> None:
    command = [sys.executable, '-c', SCORES, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    number, missing, sample, shape = run.stdout.strip().splitlines()[-4:]
    assert number.endswith("train.txt, line 2: 'a.mp4 good': score must be a number, got 'good'")
    assert "train.txt, line 2: 'a.mp4' has 1 fields: it needs a path, its score" in missing
    assert sample == 'True -2.5 False'
    assert shape.startswith('ScoreHead takes features of shape (N, 4), got (1, 8)')
