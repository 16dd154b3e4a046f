"""The tutorials, pasted from top to bottom; those with boxes are in test_own_detection_data.py."""

import json
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from helpers.pages import paste
from mmhvt.synthetic.moving_shapes import MOTIONS

pytestmark = pytest.mark.slow


def output(written: dict[str, str], command: str) -> str:
    """What the block with a command wrote."""
    (found,) = (text for block, text in written.items() if command in block)
    return found


def classes_of(checkpoint: Path) -> tuple[str, ...]:
    return torch.load(checkpoint, weights_only=False)['meta']['dataset_meta']['classes']


def test_own_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = paste('tutorials/own_videos.md', tmp_path)
    assert re.search(r'acc/top1: \d\.\d+', output(written, 'test.py own_videos.py'))
    assert classes_of(tmp_path / 'work_dirs/own_videos/epoch_5.pth') == tuple(sorted(MOTIONS))
    predicted = output(written, 'predict.py')
    ranked = [line.split() for line in predicted.splitlines() if re.fullmatch(r'\d\.\d{3} \S+', line)]
    assert len(ranked) == 5 and {name for _, name in ranked} <= set(MOTIONS)
    assert predicted.count('.mp4') >= len(MOTIONS) * 3, 'one of the videos was not recognized'
    for name in ('own_list', 'own_frames'):
        assert classes_of(tmp_path / f'work_dirs/{name}/epoch_1.pth') == ('up', 'down')
    assert Config.fromfile(tmp_path / 'own_mvitv2.py').model.cls_head.num_classes == 8
    monkeypatch.chdir(tmp_path)
    frames = Config.fromfile('own_frames.py').train_dataloader.dataset
    assert 'DecordDecode' in str(frames.pipeline), 'the pipeline is that for videos'


def test_own_images(tmp_path: Path) -> None:
    written = paste('tutorials/own_images.md', tmp_path)
    assert re.search(r'accuracy/top1: \d+\.\d+', output(written, 'test.py own_images.py'))
    assert classes_of(tmp_path / 'work_dirs/own_images/epoch_2.pth') == ('circle', 'square', 'triangle')
    # The progress bar does not end its line where nobody watches, so the first prediction follows it.
    predicted = re.findall(r'[01]\.\d{3} (?:circle|square|triangle)$', output(written, 'python predict.py'), re.M)
    assert len(predicted) == 2
    assert classes_of(tmp_path / 'work_dirs/own_list/epoch_1.pth') == ('square', 'circle')
    assert Config.fromfile(tmp_path / 'own_mvitv2.py').model.head.num_classes == 3


def test_recognize(tmp_path: Path) -> None:
    written = paste('tutorials/recognize.md', tmp_path)
    ranked = re.findall(r'^[01]\.\d{3} (\w+)$', output(written, 'recognize_one.py'), re.M)
    assert len(ranked) == 5 and set(ranked) <= set(MOTIONS)
    assert len(re.findall(r'^up_\d+\.mp4: \w+ [01]\.\d{3}$', output(written, 'recognize_many.py'), re.M)) == 3
    lines = (tmp_path / 'work_dirs/recognize/labels.jsonl').read_text().splitlines()
    assert len(lines) == len(MOTIONS) * 3 and all(len(json.loads(line)['labels']) == 2 for line in lines)
    assert (
        len(re.findall(r'^ *\d\.\d\d to +\d\.\d\d s: \w+ [01]\.\d{3}$', output(written, 'recognize_long.py'), re.M)) > 1
    )


def test_pretrain(tmp_path: Path) -> None:
    written = paste('tutorials/pretrain.md', tmp_path)
    shown = {path.suffix for path in (tmp_path / 'work_dirs/pretrain/shown').iterdir()}
    assert shown == {'.png', '.gif'}
    assert 'pretrain/epoch_2.pth' in output(written, 'train.py finetune.py'), 'the encoder was not loaded'
    assert re.search(r'acc/top1: \d\.\d+', output(written, 'test.py finetune.py'))


def test_several_machines(tmp_path: Path) -> None:
    written = paste('tutorials/several_machines.md', tmp_path)
    assert re.search(r'acc/top1: \d\.\d+', output(written, 'dist_test.sh two.py'))
    resumed = output(written, '--resume')
    assert 'epoch_2.pth' in resumed and classes_of(tmp_path / 'work_dirs/two/epoch_3.pth')
