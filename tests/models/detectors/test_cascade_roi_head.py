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


def test_gradients_of_features_are_divided_by_the_number_of_stages(model: nn.Module) -> None:
    """Those of the heads are not."""
    roi_head, maps = model.roi_head, model.extract_feat(torch.rand(1, 3, 96, 96))
    rois = torch.tensor([[0.0, 20, 10, 60, 40], [0, 50, 50, 90, 90]])
    for stage in range(2):
        head, extractor = roi_head.bbox_head[stage], roi_head.bbox_roi_extractor[stage]
        scores, boxes = head(extractor(maps, rois))
        plain = torch.autograd.grad(scores.sum() + boxes.sum(), [maps[0], head.fc_cls.weight])
        found = roi_head._bbox_forward(stage, maps, rois)
        gradients = torch.autograd.grad(
            found['cls_score'].sum() + found['bbox_pred'].sum(), [maps[0], head.fc_cls.weight]
        )
        torch.testing.assert_close(gradients[0], plain[0] / 2)
        torch.testing.assert_close(gradients[1], plain[1])
        assert plain[0].any()


def test_probabilities_of_the_stages_are_averaged(model: nn.Module) -> None:
    """As detectron2's `CascadeROIHeads`; the mean of logits would be another number."""
    roi_head, seen = model.eval().roi_head, []
    for head in roi_head.bbox_head:
        nn.init.normal_(head.fc_cls.weight)
        head.register_forward_hook(lambda module, args, out: seen.append(out[0]))
    data = model.data_preprocessor(batch(), False)
    with torch.no_grad():
        maps = model.extract_feat(data['inputs'])
        proposals = [InstanceData(bboxes=torch.tensor([[20.0, 10, 60, 40], [50, 50, 90, 90], [0, 0, 30, 30]]))]
        metas = [data['data_samples'][0].metainfo]
        (found,) = roi_head.predict_bbox(maps, metas, proposals, rcnn_test_cfg=None)
    first, second = (logits.softmax(-1) for logits in seen)
    torch.testing.assert_close(found.scores, (first + second) / 2)
    assert (found.scores - ((seen[0] + seen[1]) / 2).softmax(-1)).abs().max() > 1e-3
