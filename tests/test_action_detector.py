"""The detector of actions: its stride, what it computes, and what it refuses."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import roi_align

import mmhvt.models.detectors  # noqa: F401

CONFIG = Path(__file__).resolve().parents[1] / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
# inside, over the edge, as large as the picture
BOXES = torch.tensor([[8.0, 12.0, 30.0, 40.0], [50.0, 40.0, 70.0, 90.0], [0.0, 0.0, 64.0, 64.0]])


def build(**backbone: object) -> nn.Module:
    config = Config.fromfile(CONFIG)
    init_default_scope(config.default_scope)
    config.model.backbone.update(backbone)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    return model


def batch(size: tuple[int, int] = (64, 64), count: int = 1, boxes: Tensor = BOXES) -> dict:
    samples = []
    for _ in range(count):
        sample = ActionDataSample()
        sample.set_metainfo(dict(img_shape=size, video_id='v', timestamp=1))
        sample.proposals = InstanceData(bboxes=boxes.clone())
        sample.gt_instances = InstanceData(bboxes=boxes.clone(), labels=torch.eye(9)[[1, 2, 3]][: len(boxes)])
        samples.append(sample)
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randint(0, 256, (3, 8, *size), generator=generator, dtype=torch.uint8) for _ in range(count)]
    return dict(inputs=inputs, data_samples=samples)


@pytest.mark.parametrize(('q_pool', 'stride'), [(2, 16), (3, 32)])
@pytest.mark.parametrize('size', [(64, 64), (76, 100)])
def test_scores_are_those_of_the_recipe(q_pool: int, stride: int, size: tuple[int, int]) -> None:
    """RoIAlign of each time step at the backbone's stride, mean over time, largest over space, linear, sigmoid."""
    model = build(q_pool=q_pool).eval()
    assert model.backbone.out_strides == [(2, stride, stride)]
    data = batch(size)
    with torch.no_grad():
        inputs = model.data_preprocessor(deepcopy(data))['inputs']
        features = model.backbone(inputs)[0]
        found = model.test_step(data)[0].pred_instances
        rois = torch.cat([torch.zeros(3, 1), BOXES], dim=1)
        steps = [roi_align(step, rois, 4, 1 / stride, aligned=True) for step in features.unbind(2)]
        wanted = model.roi_head.bbox_head.fc_cls(torch.stack(steps).mean(0).amax((2, 3))).sigmoid()
    torch.testing.assert_close(found.scores, wanted, rtol=1e-4, atol=1e-5)
    height, width = size
    torch.testing.assert_close(found.bboxes, BOXES / torch.tensor([width, height, width, height]))


def test_training_reaches_the_patch_embedding() -> None:
    model = build().train()
    losses, log = model.parse_losses(model(**model.data_preprocessor(batch(count=2)), mode='loss'))
    losses.backward()
    assert log['loss_action_cls'].isfinite()
    assert model.backbone.patch_embed.proj.weight.grad.abs().sum() > 0
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle  # DistributedDataParallel would wait for them


def test_trains_on_close_proposals_alone() -> None:
    """Ground truth, and proposals that overlap it by more than 0.9."""
    model = build().train()
    data = batch(boxes=BOXES[:1])
    close, far = BOXES[:1] + torch.tensor([[0.5, 0, 0, 0]]), BOXES[:1] + torch.tensor([[4.0, 0, 0, 0]])
    data['data_samples'][0].proposals = InstanceData(bboxes=torch.cat([close, far]))
    scores = []
    model.roi_head.bbox_head.fc_cls.register_forward_hook(lambda module, args, out: scores.append(out))
    data = model.data_preprocessor(data)
    log = model.parse_losses(model(**data, mode='loss'))[1]
    order = nn.functional.binary_cross_entropy_with_logits(
        scores[0][:2, 1:], torch.eye(9)[[1, 1]][:, 1:]
    )  # positives stand first
    torch.testing.assert_close(log['loss_action_cls'], order)
    assert len(scores[0]) == 3


def test_backbones_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="out_type='avg_featmap' and 1 outputs"):
        build(out_type='avg_featmap')
    with pytest.raises(ValueError, match='2 outputs'):
        build(out_indices=(2, 3))
    with pytest.raises(ValueError, match='one stride, the backbone has 16 and 32'):
        build(patch_stride=(2, 4, 8), patch_padding=(1, 3, 3), patch_kernel=(3, 7, 11))


FAMILIES = {
    'MViT': dict(type='mmhvt.MViT', arch=dict(version=1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))),
    'MViTv2': dict(type='mmhvt.MViT', arch=dict(version=2, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))),
    'SMViT': dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))),
    'Video Swin': dict(type='mmhvt.VideoSwin', arch=dict(embed_dims=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))),
    'ViT': dict(
        type='mmhvt.VisionTransformer',
        arch=dict(
            version=1,
            embed_dims=16,
            num_heads=1,
            depths=(2,),
            patch_kernel=(1, 16, 16),
            patch_stride=(1, 16, 16),
            patch_padding=(0, 0, 0),
            kv_stride='none',
        ),
    ),
    'UniFormerV2': dict(
        type='mmhvt.UniFormerV2',
        arch=dict(embed_dims=32, num_heads=1, depth=2, patch_size=16),
        local_layers='all',
        global_layers=None,
    ),
}


@pytest.mark.parametrize('family', FAMILIES)
def test_every_family_detects(family: str) -> None:
    """A step of training reaches the patch embedding, and boxes get scores, by the config alone."""
    config = Config.fromfile(CONFIG)
    init_default_scope(config.default_scope)
    backbone = dict(FAMILIES[family], input_size=(8, 64, 64), out_type='featmap')
    config.model.backbone = backbone
    dims = (
        128 if 'depths' in backbone['arch'] and len(backbone['arch']['depths']) == 4 else backbone['arch']['embed_dims']
    )
    config.model.roi_head.bbox_head.in_channels = dims
    model = MODELS.build(config.model)
    model.init_weights()

    data = batch((64, 96))
    model.train()
    losses, _ = model.parse_losses(model(**model.data_preprocessor(deepcopy(data)), mode='loss'))
    losses.backward()
    assert losses.isfinite() and model.backbone.patch_embed.proj.weight.grad.abs().sum() > 0

    model.eval()
    with torch.no_grad():
        found = model.test_step(deepcopy(data))[0].pred_instances
        inputs = model.data_preprocessor(data)['inputs']
        (features,) = model.backbone(inputs)
    assert found.scores.shape == (3, 9) and found.scores.isfinite().all()
    ((*_, height, width),) = model.backbone.out_strides
    assert features.is_contiguous()  # RoIAlign reads memory as if all maps were
    assert features.shape[1:2] + features.shape[3:] == (dims, 64 // height, 96 // width)
