"""The pages about one's own COCO and AVA sets, pasted from top to bottom."""

import json
import pickle
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope

from helpers.pages import blocks, paste
from mmhvt.synthetic.moving_shapes import MOTIONS
from mmhvt.synthetic.shapes_coco import FORMS

pytest.importorskip('mmcv._ext', reason='detectors need the compiled ops of mmcv')
pytestmark = pytest.mark.slow


def output(written: dict[str, str], command: str) -> str:
    """What the block with a command wrote."""
    (found,) = (text for block, text in written.items() if command in block)
    return found


def test_own_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # after a minute of training few scores are high
    written = paste('tutorials/own_coco.md', tmp_path, {'score > 0.3': 'score > 0.05'})
    assert f'has 5 classes: {", ".join(FORMS)}' in output(written, 'tools/train.py')
    assert re.search(r'coco/bbox_mAP_50: \d\.\d+', output(written, 'tools/test.py'))
    printed = output(written, 'python predict.py')
    assert re.search(rf'^({"|".join(FORMS)}) 0\.\d\d at \[\d+, \d+, \d+, \d+\]$', printed, re.M), printed
    assert len(list((tmp_path / 'predictions/vis').glob('*'))) == 8
    monkeypatch.chdir(tmp_path)
    # the other configs: models with as many classes as the data, from other weights than those of the page
    python = [text for language, text in blocks('tutorials/own_coco.md') if language == 'python']
    configs = [re.match(r'# (\w+\.py)\n', text)[1] for text in python]
    assert {'own_cascade.py', 'own_mask_rcnn.py'} < set(configs)
    for name in ('own_cascade.py', 'own_mask_rcnn.py'):
        config = Config.fromfile(name)
        with DefaultScope.overwrite_default_scope('mmdet'):
            model = MODELS.build(config.model)
            counts = {m.num_classes for n, m in model.roi_head.named_modules() if hasattr(m, 'num_classes')}
            assert counts == {5}
            if name == 'own_mask_rcnn.py':
                dataset = DATASETS.build(config.train_dataloader.dataset)
                assert dataset.metainfo['classes'] == tuple(FORMS)
                assert len(dataset[0]['data_samples'].gt_instances.masks) > 0


def test_own_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = paste('tutorials/own_ava.md', tmp_path)
    trained = output(written, 'tools/train.py')
    assert 'no proposal_file, so the boxes of persons are those of data/own_ava/train.csv' in trained
    assert 'no proposal_file, so the boxes of persons are those of data/own_ava/val.csv' in trained
    for command in ('test.py own_ava.py', 'test.py own_ava_detected.py'):
        assert re.search(r'mAP/overall: \d\.\d+', output(written, command))
    assert 'no proposal_file' not in output(written, 'test.py own_ava_detected.py')
    proposals = pickle.loads((tmp_path / 'data/own_ava/proposals.pkl').read_bytes())
    assert len(proposals) == 12 and all(rows.shape[1] == 5 for rows in proposals.values())
    found = json.loads((tmp_path / 'predictions/val_00000.json').read_text())
    names = {action['name'] for entry in found['key_frames'] for box in entry['boxes'] for action in box['actions']}
    assert names and names <= set(MOTIONS)
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile('own_ava_mvitv2.py')
    config.model.backbone.init_cfg = None
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
        sample = DATASETS.build(config.val_dataloader.dataset)[0]
    assert model.roi_head.bbox_head.num_classes == 9 and sample['inputs'].shape[:3] == (3, 16, 224)
