"""Several views of an image in one detection."""

import copy
from pathlib import Path

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import nn

from helpers.coco_recipes import COCO_RECIPES, SYSTEM, built_detector, micro_coco
from mmhvt.models.detectors import InstanceTTAModel

pytestmark = pytest.mark.usefixtures('mmdet_scope')


def merged(model: nn.Module, views: list[dict], **cfg) -> DetDataSample:
    """One image through views of it."""
    tta_cfg = ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=5)
    tta = InstanceTTAModel(module=model, tta_cfg=tta_cfg, **cfg)
    data = {key: [[copy.deepcopy(view[key])] for view in views] for key in ('inputs', 'data_samples')}
    with torch.no_grad():
        (sample,) = tta.test_step(data)
    return sample


def view(image: torch.Tensor, shape: tuple[int, int], direction: str | None = None) -> dict:
    """An image (3, H, W) resized to `shape` and flipped."""
    scale = tuple(b / a for a, b in zip(image.shape[:0:-1], shape[::-1], strict=True))
    inputs = nn.functional.interpolate(image[None].float(), shape, mode='bilinear')[0]
    inputs = inputs.flip(dict(horizontal=-1, vertical=-2).get(direction, ())) if direction else inputs
    meta = dict(ori_shape=tuple(image.shape[1:]), img_shape=shape, scale_factor=scale, flip=bool(direction))
    return dict(inputs=inputs.byte(), data_samples=DetDataSample(metainfo=dict(meta, flip_direction=direction)))


@pytest.fixture(params=[COCO_RECIPES[0], SYSTEM], ids=['Mask R-CNN', 'Cascade'])
def detector(request: pytest.FixtureRequest, shapes: Path, tmp_path: Path) -> nn.Module:
    """A tiny detector whose masks are no noise."""
    config = micro_coco(request.param, shapes, tmp_path)
    config.model.data_preprocessor.pad_size_divisor = 32
    config.model.test_cfg.rcnn.nms = dict(type='nms', iou_threshold=0.5)
    model = built_detector(config)
    for parameter in model.roi_head.mask_head.parameters():
        nn.init.normal_(parameter, std=0.3)
    masks = model.roi_head.mask_head
    # of pixels inside and outside, whatever was drawn
    (masks[0] if isinstance(masks, nn.ModuleList) else masks).register_forward_hook(
        lambda module, args, logits: logits - logits.mean((2, 3), keepdim=True)
    )
    return model


def assert_same(found: InstanceData, expected: InstanceData) -> None:
    torch.testing.assert_close(found.bboxes, expected.bboxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.scores, expected.scores)
    assert torch.equal(found.labels, expected.labels) and len(found) == 5
    assert found.masks.dtype == torch.bool and found.masks.shape == expected.masks.shape
    assert (found.masks == expected.masks).float().mean() > 0.99
    assert 0.01 < found.masks.float().mean() < 0.99


def test_one_view_is_a_plain_test(detector: nn.Module) -> None:
    """Of another size than the image."""
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    single = view(image, (64, 96))
    with torch.no_grad():
        (expected,) = detector.test_step({key: [copy.deepcopy(value)] for key, value in single.items()})
    assert expected.pred_instances.masks.shape[1:] == (96, 128)
    assert_same(merged(detector, [single]).pred_instances, expected.pred_instances)


@pytest.mark.parametrize('direction', ['horizontal', 'vertical'])
def test_flipped_view_is_the_flipped_image(direction: str, detector: nn.Module) -> None:
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    axis = dict(horizontal=-1, vertical=-2)[direction]
    plain = view(image.flip(axis), (96, 128))
    with torch.no_grad():
        (expected,) = detector.test_step({key: [copy.deepcopy(value)] for key, value in plain.items()})
    expected = expected.pred_instances
    first = dict(horizontal=0, vertical=1)[direction]
    boxes = expected.bboxes.clone()
    boxes[:, [first, first + 2]] = image.shape[axis] - expected.bboxes[:, [first + 2, first]]
    expected.bboxes, expected.masks = boxes, expected.masks.flip(axis)
    assert_same(merged(detector, [view(image, (96, 128), direction)]).pred_instances, expected)


def test_masks_are_the_mean_of_all_views(detector: nn.Module) -> None:
    """Each draws the same merged boxes; those of one view alone would be others."""
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    views = [view(image, (96, 128)), view(image, (64, 96), 'horizontal')]
    drawn = []
    draw = detector.roi_head.predict_mask
    detector.roi_head.predict_mask = lambda *args, **kwargs: drawn.append(draw(*args, **kwargs)) or drawn[-1]
    found = merged(detector, views).pred_instances
    first, second = (results[0].masks.float() / 255 for results in drawn)
    mean = (first + second.flip(-1)) / 2
    sure = (mean - 0.5).abs() > 0.01
    assert torch.equal(found.masks[sure], (mean > 0.5)[sure]) and sure.float().mean() > 0.9
    assert not torch.equal(first > 0.5, second.flip(-1) > 0.5)


def test_nothing_found_in_any_view(detector: nn.Module) -> None:
    detector.roi_head.test_cfg.score_thr = 1.1
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    found = merged(detector, [view(image, (96, 128)), view(image, (64, 96), 'horizontal')]).pred_instances
    assert len(found) == 0 and found.masks.shape == (0, 96, 128) and found.masks.dtype == torch.bool


def test_views_of_a_detector_without_masks() -> None:
    module = nn.Module()
    module.test_step = None
    with pytest.raises(ValueError, match='Module predicts no masks: use DetTTAModel'):
        InstanceTTAModel(module=module)
