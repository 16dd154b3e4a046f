"""The detection demo: its steps, its figures and its picture."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from helpers import ROOT
from mmhvt.demos import coco as demo
from mmhvt.demos import runs
from mmhvt.synthetic.shapes_coco import write_dataset

SCRIPT = ROOT / 'tools/demo/train_coco_demo.py'


def results_of_test(folder: Path) -> Path:
    """What `mim test` leaves, whose predictions are the truth; the checkpoint that it tested."""
    write_dataset('data/shapes_coco', images=1, val_images=12, size=96)
    coco = COCO('data/shapes_coco/annotations/instances_val.json')
    results = []
    for annotation in coco.anns.values():
        segmentation = coco.annToRLE(annotation)
        segmentation['counts'] = segmentation['counts'].decode()
        results.append({**annotation, 'segmentation': segmentation, 'score': 0.9})
    checkpoint = folder / 'epoch_1.pth'
    stamp = folder / 'test/20260101_000000'
    stamp.mkdir(parents=True)
    checkpoint.touch()
    (stamp / '20260101_000000.json').write_text(json.dumps({'coco/bbox_mAP_50': 0.75, 'coco/segm_mAP_50': 0.5}) + '\n')
    (folder / 'test/predictions.segm.json').write_text(json.dumps(results))
    return checkpoint


def test_results_that_are_there_are_read_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = results_of_test(tmp_path)
    monkeypatch.setattr(runs, 'step', lambda *args: pytest.fail('tested again'))
    metrics, predictions = demo.evaluate(checkpoint, tmp_path / 'test')
    assert metrics == {'bbox_AP50': 0.75, 'segm_AP50': 0.5}
    curves = {'loss': [(1, 2.0), (2, 1.0)], 'bbox_AP50': [(1, 0.75)], 'segm_AP50': [(1, 0.5)]}
    demo.draw(tmp_path / 'picture.png', predictions, metrics, curves)
    picture = Image.open(tmp_path / 'picture.png').convert('RGB')
    assert picture.width > 1000 and len(picture.getcolors(1 << 24)) > 1000


def test_new_checkpoint_is_tested_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = results_of_test(tmp_path)
    os.utime(checkpoint, (2e9, 2e9))
    calls = []
    monkeypatch.setattr(runs, 'step', lambda *args: calls.append(args))
    demo.evaluate(checkpoint, tmp_path / 'test')
    assert len(calls) == 1 and checkpoint in calls[0]


def test_lost_results_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = results_of_test(tmp_path)
    next((tmp_path / 'test').glob('*/*.json')).write_text('{}\n')
    with pytest.raises(runs.StepError, match='no result in .*test: did the test stop early'):
        demo.evaluate(checkpoint, tmp_path / 'test')


def test_boxes_masks_and_labels_are_drawn() -> None:
    mask = np.zeros((40, 60), np.uint8, order='F')
    mask[10:20, 30:50] = 1
    result = dict(bbox=[30, 10, 20, 10], score=0.75, category_id=2, segmentation=rle.encode(mask))
    axes = Figure().subplots()
    demo.draw_predictions(axes, np.zeros((40, 60, 3), np.uint8), [result], {1: 'circle', 2: 'square'})
    (box,), (label,), (image,) = axes.patches, axes.texts, axes.images
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (29.5, 9.5, 20, 10)
    assert label.get_text() == 'square 0.75'
    assert np.array_equal(np.asarray(image.get_array()).any(-1), mask.astype(bool))


@pytest.mark.slow
def test_whole_demo_on_few_images(tmp_path: Path) -> None:
    """8 images: too few to learn from, so the figures are out of reach; the second call trains and tests nothing."""
    command = [sys.executable, SCRIPT, '--images', '8', '--val-images', '4', '--epochs', '2', '--min-bbox', '1.01']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    for call in range(2):
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
        last = result.stdout.strip().splitlines()[-2:]
        assert [re.sub(r'=-?\d\.\d{4}$', '', line) for line in last] == [
            'metric bbox_AP50',
            'metric segm_AP50',
        ], result.stderr[-2000:]
        assert result.returncode == 1 and 'below the 1.01' in result.stderr
        assert result.stdout.count('done already') == 2 * call
    picture = Image.open(tmp_path / 'work_dirs/demo-coco/demo-coco.png').convert('RGB')
    assert picture.width > 1000 and len(picture.getcolors(1 << 24)) > 1000
