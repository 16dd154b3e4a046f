"""The detector of actions: its stride, what it computes, and what it refuses."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmaction.apis import init_recognizer
from mmaction.models import BBoxHeadAVA
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import roi_align

from helpers import ROOT
from helpers.detection import ACTION_FAMILIES, last_dims

CONFIG = ROOT / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
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


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    model = build()
    exact = model.eval().test_step(batch())[0].pred_instances.scores
    with torch.autocast('cpu', dtype=dtype):
        scores = model.test_step(batch())[0].pred_instances.scores
        loss = model.parse_losses(model.train()(**model.data_preprocessor(batch()), mode='loss'))[0]
    loss.backward()
    torch.testing.assert_close(scores, exact, atol=0.02, rtol=0)
    assert loss.isfinite() and model.backbone.patch_embed.proj.weight.grad.abs().sum() > 0


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
    with pytest.raises(ValueError, match='equal strides, got a backbone with 16 and 32'):
        build(patch_stride=(2, 4, 8), patch_padding=(1, 3, 3), patch_kernel=(3, 7, 11))


def test_backbones_of_other_packages() -> None:
    config = Config.fromfile(CONFIG)
    init_default_scope(config.default_scope)
    config.model.backbone = dict(type='mmaction.ResNet3dSlowOnly', depth=18, pretrained=None)
    with pytest.raises(TypeError, match="ResNet3dSlowOnly has no out_strides.* type='FastRCNN'"):
        MODELS.build(config.model)


def build_family(family: str) -> nn.Module:
    """The detector of the config on another backbone, which is made for clips of (8, 64, 64)."""
    config = Config.fromfile(CONFIG)
    init_default_scope(config.default_scope)
    config.model.backbone = dict(ACTION_FAMILIES[family], input_size=(8, 64, 64), out_type='featmap')
    config.model.roi_head.bbox_head.in_channels = last_dims(family)
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    return model


@pytest.mark.parametrize('family', ACTION_FAMILIES)
def test_every_family_detects(family: str) -> None:
    """A step of training reaches the patch embedding, and boxes get scores, by the config alone."""
    model, dims = build_family(family), last_dims(family)
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


@pytest.mark.parametrize('family', ACTION_FAMILIES)
def test_pictures_of_any_size(family: str) -> None:
    """Those that the patches do not divide are filled up behind the normalization. Boxes stay where they are."""
    model = build_family(family).eval()
    data = batch((66, 75))
    with torch.no_grad():
        found = model.test_step(deepcopy(data))[0].pred_instances
        inputs = model.data_preprocessor(deepcopy(data))['inputs']
        patch = model.backbone.patch_stride[-1]
        filled = nn.functional.pad(inputs, (0, -75 % patch, 0, -66 % patch))
        assert filled.shape[-2:] > inputs.shape[-2:]
        (features,) = model.backbone(filled)
        ((*_, stride),) = model.backbone.out_strides
        rois = torch.cat([torch.zeros(3, 1), BOXES], dim=1)
        pooled = roi_align(features.mean(2), rois, 4, 1 / stride, aligned=True).amax((2, 3))
        torch.testing.assert_close(found.scores, model.roi_head.bbox_head.fc_cls(pooled).sigmoid())
        embed = model.backbone.patch_embed.proj
        if embed.padding[-1] > 0:  # nothing but what the convolution sees over an edge
            torch.testing.assert_close(embed(inputs), embed(filled))
    torch.testing.assert_close(found.bboxes, BOXES / torch.tensor([75, 66, 75, 66]))

    losses, _ = model.train().parse_losses(model(**model.data_preprocessor(batch((66, 75))), mode='loss'))
    assert losses.isfinite()


@pytest.mark.parametrize('family', ACTION_FAMILIES)
def test_features_are_those_of_recognition(family: str) -> None:
    """On the same weights and input: their mean is what a recognizer takes, or they stand beside its class token."""
    backbone = build_family(family).backbone.eval()
    recognizer = MODELS.build(dict(ACTION_FAMILIES[family], input_size=(8, 64, 64))).eval()
    recognizer.load_state_dict(backbone.state_dict())
    last = []
    recognizer.blocks[-1].register_forward_hook(lambda module, args, out: last.append(out))
    clip = torch.randn(2, 3, 8, 64, 64)
    with torch.no_grad():
        (features,), (wanted,) = backbone(clip), recognizer(clip)
        if family in ('UniFormerV2', 'ViT'):
            # frames have class tokens of their own, and no global block is between them and the feature
            torch.testing.assert_close(recognizer.norm(last[0][:, :, 0].mean(1)), wanted)
            torch.testing.assert_close(features.movedim(1, -1).flatten(2, 3), last[0][:, :, 1:])
        elif backbone.has_cls_token:
            tokens = recognizer.norm(last[0][0])
            torch.testing.assert_close(tokens[:, 0], wanted)
            torch.testing.assert_close(features.flatten(2).transpose(1, 2), tokens[:, 1:])
        else:
            mean = features.mean((2, 3, 4))
            torch.testing.assert_close(recognizer.norm(mean) if family == 'SMViT' else mean, wanted)


def with_boxes(proposals: Tensor | None, truth: Tensor = BOXES, count: int = 1) -> dict:
    """A batch whose first sample has these boxes."""
    data = batch(count=count)
    sample = data['data_samples'][0]
    sample.set_metainfo(dict(img_key='v,0001'))
    sample.gt_instances = InstanceData(bboxes=truth, labels=torch.eye(9)[1 : 1 + len(truth)])
    del sample.proposals
    if proposals is not None:
        sample.proposals = InstanceData(bboxes=proposals.clone())
    return data


def loss_of(model: nn.Module, data: dict) -> Tensor:
    return model.parse_losses(model.train()(**model.data_preprocessor(data), mode='loss'))[0]


NONE = torch.zeros(0, 4)
OUTSIDE = torch.tensor([[-30.0, -10.0, -3.0, -2.0], [70.0, 70.0, 99.0, 99.0]])
NO_AREA = torch.tensor([[63.0, 10.0, 63.0, 20.0], [5.0, 5.0, 5.0, 5.0]])


def test_nobody_in_a_key_frame() -> None:
    model = build()
    # the other sample's loss, in whichever place it stands
    alone = loss_of(model, batch())
    for order in (0, 1), (1, 0):
        pair = [with_boxes(BOXES, NONE), batch()]
        pair[0]['inputs'][0] = 255 - pair[0]['inputs'][0]
        data = {key: [pair[i][key][0] for i in order] for key in ('inputs', 'data_samples')}
        torch.testing.assert_close(loss_of(model, data), alone)
    # nobody at all: zero, which reaches all parameters
    for proposals in (NONE, BOXES):
        model.zero_grad()
        loss = loss_of(model, with_boxes(proposals, NONE))
        loss.backward()
        assert loss == 0
        assert all(p.grad is not None and not p.grad.any() for p in model.parameters() if p.requires_grad)
    # nobody was detected: ground truth is there to train, and nothing to test
    torch.testing.assert_close(loss_of(model, with_boxes(NONE)), alone)
    (sample,) = model.eval().test_step(with_boxes(NONE))
    assert sample.pred_instances.bboxes.shape == (0, 4) and sample.pred_instances.scores.shape == (0, 9)


@pytest.mark.parametrize('boxes', [OUTSIDE, NO_AREA], ids=['outside', 'no area'])
def test_boxes_without_picture(boxes: Tensor) -> None:
    model = build()
    loss = loss_of(model, with_boxes(boxes, boxes))
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    (sample,) = model.eval().test_step(with_boxes(boxes))
    assert sample.pred_instances.scores.shape == (2, 9) and sample.pred_instances.scores.isfinite().all()


def test_boxes_that_are_none() -> None:
    model = build()
    inverted = torch.tensor([[1.0, 2.0, 3.0, 4.0], [30.0, 20.0, 10.0, 25.0]])
    message = r'key frame v,0001 has the box \[30.0, 20.0, 10.0, 25.0\] among its {}, in pixels'
    with pytest.raises(ValueError, match=message.format('proposals')):
        loss_of(model, with_boxes(inverted))
    with pytest.raises(ValueError, match=message.format('gt_instances')):
        loss_of(model, with_boxes(BOXES, inverted))
    with pytest.raises(ValueError, match=message.format('proposals')):
        model.eval().test_step(with_boxes(inverted))
    with pytest.raises(ValueError, match='key frame v,0001 has no proposals: set proposal_file of the dataset'):
        model.eval().test_step(with_boxes(None))
    with pytest.raises(ValueError, match='no proposals'):
        loss_of(model, with_boxes(None))


def test_scores_are_for_whole_boxes() -> None:
    """Of what a crop cut, the boxes from before it come out, in their order."""
    model = build().eval()
    whole = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    data = batch()
    plain = model.test_step(deepcopy(data))[0].pred_instances
    data['data_samples'][0].set_metainfo(dict(whole_proposals=whole.double().numpy()))
    found = model.test_step(data)[0].pred_instances
    torch.testing.assert_close(found.bboxes, whole)
    torch.testing.assert_close(found.scores, plain.scores)


def build_head(**head: object) -> nn.Module:
    config = Config.fromfile(CONFIG)
    init_default_scope(config.default_scope)
    config.model.roi_head.bbox_head.update(head)
    return MODELS.build(config.model)


@pytest.mark.parametrize(
    ('num_classes', 'topk'), [(2, (1,)), (3, (1,)), (4, (3,)), (5, (3,)), (6, (3, 5)), (81, (3, 5))]
)
def test_topk_of_few_classes(num_classes: int, topk: tuple[int, ...]) -> None:
    model = build_head(num_classes=num_classes)
    assert model.roi_head.bbox_head.topk == topk
    data = batch()
    data['data_samples'][0].gt_instances.labels = torch.eye(num_classes)[[1, num_classes - 1, 1]]
    log = model.parse_losses(model.train()(**model.data_preprocessor(data), mode='loss'))[1]
    assert {f'recall@top{k}' for k in topk} == {name for name in log if name.startswith('recall@top')}
    assert all(value.isfinite() for value in log.values())


def test_topk_that_is_given() -> None:
    for given, kept in ((2, (2,)), ([1, 2], (1, 2)), ((1, 8), (1, 8)), (None, ())):
        assert build_head(topk=given).roi_head.bbox_head.topk == kept
    for given in (9, [1, 9], (0,)):
        with pytest.raises(ValueError, match=r'bbox_head has topk=.*, but num_classes=9 .* from 1 to 8\. Remove topk'):
            build_head(topk=given)
    assert build_head(type=BBoxHeadAVA, num_classes=3).roi_head.bbox_head.topk == (1,)


def test_several_key_frames_at_once() -> None:
    """Scores are those of one at a time; of nobody there are none."""
    model = build().eval()
    data = batch(count=3)
    for number, boxes in enumerate((BOXES[:2], NONE, BOXES)):
        data['data_samples'][number].proposals = InstanceData(bboxes=boxes.clone())
    single = [
        model.test_step(dict(inputs=[clip], data_samples=[deepcopy(sample)]))[0].pred_instances
        for clip, sample in zip(data['inputs'], data['data_samples'], strict=True)
    ]
    together = [sample.pred_instances for sample in model.test_step(data)]
    assert [len(found) for found in together] == [2, 0, 3]
    for one, other in zip(single, together, strict=True):
        torch.testing.assert_close(one.scores, other.scores)
        torch.testing.assert_close(one.bboxes, other.bboxes)


def test_mmactions_inference(tmp_path: Path) -> None:
    """`init_recognizer`, and what mmaction's demo of spatiotemporal detection does with the model."""
    trained = build()
    checkpoint = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=trained.state_dict(), meta={}), checkpoint)
    model = init_recognizer(str(CONFIG), str(checkpoint), 'cpu')
    data = batch()
    sample = ActionDataSample()
    sample.proposals = InstanceData(bboxes=BOXES.clone())
    sample.set_metainfo(dict(img_shape=(64, 64)))
    clip = model.data_preprocessor(deepcopy(data))['inputs']
    with torch.no_grad():
        (found,) = model(clip, [sample], mode='predict')
    wanted = trained.eval().test_step(data)[0].pred_instances
    torch.testing.assert_close(found.pred_instances.scores, wanted.scores)
    assert found.pred_instances.scores.shape == (3, 9)


def test_nothing_to_train_on() -> None:
    model, data = build(), batch()
    del data['data_samples'][0].gt_instances
    with pytest.raises(ValueError, match='key frame has no gt_instances to train on'):
        loss_of(model, data)
