"""The demo on images: its steps, its figures and its picture."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from helpers import ROOT
from mmhvt.demos import image as demo
from mmhvt.demos import runs

SCRIPT = ROOT / 'tools/demo/train_image_demo.py'


def prediction(path: Path, written: int, predicted: int, score: float = 0.9) -> dict:
    """One of a digit, as mmpretrain dumps it."""
    scores = torch.full((10,), (1 - score) / 9)
    scores[predicted] = score
    labels = dict(gt_label=torch.tensor([written]), pred_label=torch.tensor([predicted]))
    return dict(labels, pred_score=scores, img_path=str(path))


@pytest.fixture
def predictions(tmp_path: Path) -> list[dict]:
    """Of twelve images, of which three are mistaken."""
    path = tmp_path / 'digit.png'
    Image.linear_gradient('L').resize((8, 8)).save(path)
    right = [prediction(path, digit % 10, digit % 10) for digit in range(9)]
    return [*right, prediction(path, 3, 8, 0.5), prediction(path, 3, 5, 0.8), prediction(path, 1, 7, 0.6)]


def test_confusions_are_counted(predictions: list[dict]) -> None:
    axes = Figure().subplots()
    demo.draw_confusion(axes, 'SMViT', 0.75, predictions)
    counts = axes.images[0].get_array()
    assert counts.sum() == 12 and counts[3, 8] == counts[3, 5] == counts[1, 7] == counts[0, 0] == 1
    assert axes.get_title('left') == 'SMViT: 75.0%'


def test_surest_mistakes_come_first(predictions: list[dict]) -> None:
    figure = Figure()
    demo.draw_mistakes(figure, 0.1, 0.9, predictions)
    assert [axes.get_title() for axes in figure.axes] == ['3 → 5', '1 → 7', '3 → 8']
    assert figure.texts[0].get_text() == '3 of 12 are misclassified'


def test_no_mistake_and_many_are_drawn(predictions: list[dict], tmp_path: Path) -> None:
    results = {'MViTv2': (1.0, predictions[:9]), 'SMViT': (0.75, predictions * 9)}
    demo.draw(tmp_path / 'picture.png', results)
    picture = Image.open(tmp_path / 'picture.png').convert('RGB')
    assert picture.width > 1000 and len(picture.getcolors(1 << 24)) > 300


def test_results_are_read_and_tested_anew_only_for_a_new_checkpoint(
    predictions: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, stamp = tmp_path / 'epoch_1.pth', tmp_path / 'test/20260101_000000'
    checkpoint.touch()
    stamp.mkdir(parents=True)
    (stamp / '20260101_000000.json').write_text('{"accuracy/top1": 75.0}\n')
    (tmp_path / 'test/predictions.pkl').write_bytes(pickle.dumps(predictions))
    calls = []
    monkeypatch.setattr(runs, 'step', lambda *args: calls.append(args))
    for _ in range(2):
        accuracy, found = demo.evaluate('SMViT', checkpoint, tmp_path / 'test')
        assert accuracy == 0.75 and len(found) == 12
        os.utime(checkpoint, (2e9, 2e9))
    assert len(calls) == 1 and checkpoint in calls[0]
    (tmp_path / 'test/predictions.pkl').unlink()
    with pytest.raises(runs.StepError, match=r'no .*predictions\.pkl: did the test stop early'):
        demo.evaluate('SMViT', checkpoint, tmp_path / 'test')


@pytest.mark.slow
def test_whole_demo_in_one_epoch(tmp_path: Path) -> None:
    """Too short to learn much in, and the accuracy is out of reach; the second call trains and tests nothing."""
    command = [sys.executable, SCRIPT, '--epochs', '1', '--min-accuracy', '1.01']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    for call in range(2):
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
        last = result.stdout.strip().splitlines()[-2:]
        assert [re.sub(r'=[01]\.\d{4}$', '', line) for line in last] == [
            'metric accuracy_mvitv2',
            'metric accuracy_smvit',
        ], result.stderr[-2000:]
        assert result.returncode == 1 and 'below the 1.01' in result.stderr
        assert result.stdout.count('done already') == 4 * call
    picture = Image.open(tmp_path / 'work_dirs/demo-image/demo-image.png').convert('RGB')
    assert picture.width > 1000 and len(picture.getcolors(1 << 24)) > 300
