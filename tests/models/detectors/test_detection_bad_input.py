"""Detectors on images that are tiny, empty or crowded, on every family; test_shapes_coco.py has SMViT's demo."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from torch import nn

from helpers import ROOT
from helpers.detection import FAMILIES, detection_sample, detector_parts

pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')

WIDTH = 16


def detector_config(family: str) -> Config:
    """The demo's config with a tiny backbone of another family."""
    config = Config.fromfile(ROOT / 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py')
    init_default_scope('mmdet')
    model = config.model
    model.backbone, neck = detector_parts(family, channels=WIDTH)
    model.neck = neck | dict(norm_cfg=dict(type='mmhvt.LN2d', eps=1e-6))
    # RPNs of our recipes
    model.rpn_head.update(type='mmhvt.NormedRPNHead', in_channels=WIDTH, feat_channels=WIDTH)
    heads = model.roi_head
    for part in (heads.bbox_roi_extractor, heads.mask_roi_extractor):
        part.out_channels = WIDTH
    heads.bbox_head.update(in_channels=WIDTH, conv_out_channels=WIDTH, fc_out_channels=32)
    heads.mask_head.update(in_channels=WIDTH, conv_out_channels=WIDTH)
    model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=5)
    return config


def build(family: str) -> nn.Module:
    model = MODELS.build(detector_config(family).model)
    model.init_weights()
    return model


CASES = {
    'no annotations': [detection_sample((64, 64), []), detection_sample((64, 64), [])],
    'all crowd': [detection_sample((64, 64), [[5.0, 5.0, 40.0, 30.0]], crowd=True)],
    'smaller than a window': [detection_sample((20, 24), [[2.0, 3.0, 15.0, 14.0]])],
    'one pixel high': [detection_sample((1, 40), [[2.0, 0.0, 15.0, 1.0]])],
    'one pixel wide, beside a large one': [
        detection_sample((70, 1), [[0.0, 3.0, 1.0, 60.0]]),
        detection_sample((96, 200), [[2.0, 3.0, 150.0, 84.0]]),
    ],
    'one pixel': [detection_sample((1, 1), [])],
}
# that of SMViT as the demo has it is in test_shapes_coco.py
OTHERS = [*(family for family in FAMILIES if family != 'SMViT'), 'UniFormerV2']


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('family', OTHERS)
def test_trains_and_predicts(family: str, case: str) -> None:
    samples = CASES[case]
    model = build(family)
    inputs = [torch.randint(256, (3, *one.img_shape), dtype=torch.uint8) for one in samples]
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-4))
    before = model.backbone.patch_embed.proj.weight.detach().clone()
    losses = model.train_step(dict(inputs=inputs, data_samples=copy.deepcopy(samples)), optimizer)
    assert losses['loss'].isfinite() and losses['loss'] > 0
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert not torch.equal(model.backbone.patch_embed.proj.weight, before)  # ground is learned from, too
    # nothing but ground has a class, no box and no mask
    found = any(len(one.gt_instances) for one in samples)
    assert (losses['loss_bbox'] > 0) == (losses['loss_mask'] > 0) == found

    model.eval()
    with torch.no_grad():
        results = model.test_step(dict(inputs=inputs, data_samples=copy.deepcopy(samples)))
    for result, one in zip(results, samples, strict=True):
        assert result.pred_instances.bboxes.isfinite().all() and result.pred_instances.scores.isfinite().all()
        assert result.pred_instances.masks.shape[1:] == one.img_shape


def write(folder: Path, sizes: list[tuple[int, int]], annotations: list[dict]) -> str:
    """Images and their annotations as COCO has them; the name of the annotation file."""
    images = []
    for i, (height, width) in enumerate(sizes, start=1):
        picture = np.random.RandomState(i).randint(0, 256, (height, width, 3), dtype=np.uint8)
        assert cv2.imwrite(str(folder / f'{i}.png'), picture)
        images.append(dict(id=i, file_name=f'{i}.png', height=height, width=width))
    names = ('circle', 'square', 'triangle', 'star', 'cross')
    categories = [dict(id=i, name=name) for i, name in enumerate(names, start=1)]
    (folder / 'instances.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )
    return 'instances.json'


def annotation(number: int, image: int, box: list[float], crowd: bool = False) -> dict:
    x, y, width, height = box
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return dict(
        id=number,
        image_id=image,
        category_id=1 + number % 5,
        bbox=box,
        area=width * height,
        iscrowd=int(crowd),
        # crowds are run lengths, column by column: all of an image of 40 by 50
        segmentation=dict(size=[40, 50], counts=[0, 2000]) if crowd else [corners],
    )


def runner(family: str, folder: Path) -> Runner:
    config = detector_config(family)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        loader.dataset.update(data_root=str(folder), ann_file='instances.json', data_prefix=dict(img=''))
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(folder / 'instances.json')
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.param_scheduler = None
    config.work_dir = str(folder / 'work')
    config.launcher = 'none'
    return Runner.from_cfg(config)


@pytest.mark.parametrize('family', ['MViTv2', 'Video Swin'])
def test_files_of_odd_images_train_and_test(family: str, tmp_path: Path) -> None:
    """Tiny, empty and crowded images through the pipelines and COCO's metric."""
    sizes = [(1, 60), (60, 1), (20, 24), (40, 50), (40, 50), (90, 131)]
    boxes = {1: [5, 0, 20, 1], 2: [0, 5, 1, 20], 3: [2, 2, 10, 9], 6: [10, 10, 50, 60]}
    annotations = [annotation(image, image, box) for image, box in boxes.items()]
    annotations.append(annotation(9, 4, [0, 0, 50, 40], crowd=True))
    write(tmp_path, sizes, annotations)
    run = runner(family, tmp_path)
    assert len(run.train_dataloader.dataset) == 6
    run.train()
    assert all(parameter.isfinite().all() for parameter in run.model.parameters())
    metrics = run.test()
    assert 0 <= metrics['coco/bbox_mAP'] <= 1 and 0 <= metrics['coco/segm_mAP'] <= 1


@pytest.mark.parametrize('crowd', [False, True], ids=['no annotations', 'all crowd'])
def test_files_without_objects_train_and_test(crowd: bool, tmp_path: Path) -> None:
    """Of ground alone; COCO's metric has then no value, which it writes as -1."""
    annotations = [annotation(i, i, [0, 0, 50, 40], crowd=True) for i in (1, 2)] if crowd else []
    write(tmp_path, [(40, 50)] * 3, annotations)
    run = runner('SMViT', tmp_path)
    run.train()
    assert all(parameter.isfinite().all() for parameter in run.model.parameters())
    assert run.test()['coco/bbox_mAP'] == -1
