"""Cascade Mask R-CNN with one mask head."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData
from torch import nn

from helpers import ROOT

MASK_RCNN = ROOT / 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'


@pytest.fixture
def model() -> nn.Module:
    """The demo's detector with a cascade of two stages."""
    cfg = Config.fromfile(MASK_RCNN).model
    roi_head = cfg.roi_head
    roi_head.update(
        type='mmhvt.OneMaskCascadeRoIHead',
        num_stages=2,
        stage_loss_weights=[1, 0.5],
        bbox_head=[roi_head.bbox_head, roi_head.bbox_head],
    )
    rcnn = cfg.train_cfg.rcnn
    cfg.train_cfg.rcnn = [rcnn, rcnn]
    # an untrained model is sure of nothing
    cfg.test_cfg.rcnn.update(score_thr=0.0, max_per_img=5)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg)
        model.init_weights()
    return model


def batch() -> dict:
    sample = DetDataSample(
        metainfo=dict(img_shape=(96, 96), ori_shape=(96, 96), scale_factor=(1.0, 1.0), batch_input_shape=(96, 96))
    )
    masks = torch.zeros(2, 96, 96, dtype=torch.uint8)
    masks[0, 10:40, 20:60] = 1
    masks[1, 50:90, 50:90] = 1
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[20.0, 10, 60, 40], [50, 50, 90, 90]]),
        labels=torch.tensor([1, 3]),
        masks=BitmapMasks(masks.numpy(), 96, 96),
    )
    image = torch.randint(0, 256, (3, 96, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return dict(inputs=[image], data_samples=[sample])


def test_the_one_mask_head_learns_from_the_first_stage(model: nn.Module) -> None:
    assert len(model.roi_head.mask_head) == 1 and len(model.roi_head.bbox_head) == 2
    losses, log = model.parse_losses(model(**model.data_preprocessor(batch(), True), mode='loss'))
    assert {name for name in log if name.startswith('s') and 'loss' in name} == {
        's0.loss_cls',
        's0.loss_bbox',
        's0.loss_mask',
        's1.loss_cls',
        's1.loss_bbox',
    }
    losses.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_it_draws_the_masks_of_the_final_boxes(model: nn.Module) -> None:
    roi_head, seen = model.roi_head, []
    nn.init.normal_(roi_head.mask_head[0].conv_logits.weight)  # masks of both kinds of pixels
    roi_head.mask_roi_extractor[0].register_forward_hook(lambda module, args, out: seen.append((args[1], out)))
    found = model.eval().test_step(batch())[0].pred_instances
    assert roi_head.num_stages == 2 and len(found) == 5
    ((rois, features),) = seen
    torch.testing.assert_close(rois[:, 1:], found.bboxes)
    head = roi_head.mask_head[0]
    boxes = InstanceData(bboxes=found.bboxes, labels=found.labels)
    (wanted,) = head.predict_by_feat(
        (head(features),), [boxes], [batch()['data_samples'][0].metainfo], roi_head.test_cfg
    )
    assert found.masks.any() and torch.equal(found.masks, wanted.masks)
