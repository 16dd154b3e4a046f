"""Datasets that take their classes from their files are compared before the first step."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from mmhvt.synthetic.shapes_coco import FORMS

pytest.importorskip('mmcv._ext', reason='detectors need the compiled ops of mmcv')


@pytest.fixture
def config(shapes: Path, tmp_path: Path) -> Iterator[Config]:
    """The smallest RetinaNet on two images, without classes in the config."""
    config = Config.fromfile(ROOT / 'configs/coco/retinanet_smvit-micro_fpn_1xb4-5e_shapes-coco.py')
    config.work_dir = str(tmp_path / 'work')
    config.train_cfg.update(max_epochs=1)
    config.param_scheduler = []
    for mode in ('train', 'val', 'test'):
        loader, folder = config[f'{mode}_dataloader'], 'train' if mode == 'train' else 'val'
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.update(
            data_root='', ann_file=str(shapes / f'annotations/instances_{folder}.json'), metainfo=None,
            data_prefix=dict(img=str(shapes / folder)),
        )  # fmt: skip
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(shapes / 'annotations/instances_val.json')
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield config


def reordered(path: str, folder: Path) -> str:
    """A copy of annotations whose categories are in the other order."""
    content = json.loads(Path(path).read_text())
    content['categories'].reverse()
    (folder / 'other.json').write_text(json.dumps(content))
    return str(folder / 'other.json')


def test_classes_reach_the_checkpoint_and_the_test(config: Config, tmp_path: Path) -> None:
    Runner.from_cfg(config).train()
    checkpoint = tmp_path / 'work/epoch_1.pth'
    assert torch.load(checkpoint, weights_only=False)['meta']['dataset_meta']['classes'] == tuple(FORMS)
    config.load_from = str(checkpoint)
    Runner.from_cfg(config).test()
    config.test_dataloader.dataset.ann_file = reordered(config.test_dataloader.dataset.ann_file, tmp_path)
    config.test_evaluator.ann_file = config.test_dataloader.dataset.ann_file
    message = r"label 0 is 'circle' in the checkpoint, but 'cross' in the test dataset of .*other\.json"
    with pytest.raises(ValueError, match=message):
        Runner.from_cfg(config).test()


def test_validation_in_another_order(config: Config, tmp_path: Path) -> None:
    config.val_dataloader.dataset.ann_file = reordered(config.val_dataloader.dataset.ann_file, tmp_path)
    runner = Runner.from_cfg(config)
    message = r"label 0 is 'circle' in the train dataset, but 'cross' in the val dataset of .*other\.json"
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda content: content['categories'].reverse(), r"metric\.json has the classes \['cross', .* wrong names"),
        (
            lambda content: content['images'].pop(),
            r'metric\.json has 1 images, but lacks 1 of the 2 of the val',
        ),
        (lambda content: content['annotations'][0].update(bbox=[1, 2, 3]), r'metric\.json: annotation 1 has bbox='),
    ],
)
def test_a_metric_of_other_annotations(change: Callable, message: str, config: Config, tmp_path: Path) -> None:
    content = json.loads(Path(config.val_evaluator.ann_file).read_text())
    change(content)
    known = {image['id'] for image in content['images']}
    content['annotations'] = [each for each in content['annotations'] if each['image_id'] in known]
    (tmp_path / 'metric.json').write_text(json.dumps(content))
    config.val_evaluator.ann_file = str(tmp_path / 'metric.json')
    runner = Runner.from_cfg(config)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


def test_masks_that_are_not_loaded_or_not_predicted(config: Config) -> None:
    config.val_evaluator.metric = ['bbox', 'segm']
    with pytest.raises(ValueError, match="CocoMetric of val_evaluator has metric='segm', but RetinaNet predicts no"):
        Runner.from_cfg(config).train()
    other = Config.fromfile(ROOT / 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py')
    other.model.backbone.init_cfg = None
    config.model = other.model
    with pytest.raises(ValueError, match='MaskRCNN predicts masks, but the pipeline of the train dataset .* with_mask'):
        Runner.from_cfg(config).train()


def test_a_head_with_another_number(config: Config) -> None:
    """Mmdet's hook, which counts the classes of the file."""
    config.model.bbox_head.num_classes = 4
    with pytest.raises(AssertionError, match=r'`num_classes` \(4\) in RetinaHead.*`classes` 5\) in CocoDataset'):
        Runner.from_cfg(config).train()
