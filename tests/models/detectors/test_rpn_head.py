"""RPN with norms."""

import pytest
import torch
from mmengine.registry import MODELS
from torch import nn

from helpers.coco_recipes import COCO_RECIPES, read_coco

pytestmark = pytest.mark.usefixtures('mmdet_scope')


@pytest.mark.parametrize('num_convs', [1, 2])
def test_normed_rpn_head(num_convs: int) -> None:
    """Convolution, norm over channels, ReLU, as often as there are hidden convolutions; initialized as mmdet's."""
    cfg = dict(read_coco(COCO_RECIPES[0]).model.rpn_head, num_convs=num_convs, in_channels=8, feat_channels=12)
    head = MODELS.build(cfg)
    head.init_weights()
    x = torch.randn(2, 8, 5, 7)
    scores, boxes = head.forward_single(x)
    hidden = x
    for layer in head.rpn_conv:
        weight = layer.conv.weight
        assert weight.detach().std() == pytest.approx(0.01, rel=0.1)
        hidden = nn.functional.conv2d(hidden, weight, padding=1)
        hidden = nn.functional.layer_norm(hidden.movedim(1, -1), weight.shape[:1], eps=1e-6).movedim(-1, 1).relu()
    torch.testing.assert_close(scores, head.rpn_cls(hidden))
    torch.testing.assert_close(boxes, head.rpn_reg(hidden))
    assert hidden.shape[1] == 12 and len(head.rpn_conv) == num_convs
    (scores.square().mean() + boxes.square().mean()).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in head.parameters())
