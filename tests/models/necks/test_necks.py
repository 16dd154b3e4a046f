"""Necks between backbones and detectors."""

import pytest
import torch
from mmengine.config import ConfigDict

from mmhvt.models import UniFormerV2
from mmhvt.registry import MODELS

ARCH = dict(embed_dims=24, num_heads=3, depth=2, patch_size=16)


def test_simple_feature_pyramid_gives_strides_4_to_64_of_a_plain_vit() -> None:
    torch.manual_seed(0)
    backbone = UniFormerV2(ARCH, input_size=(64, 64), out_type='featmap')
    neck = MODELS.build(ConfigDict(type='mmhvt.SimpleFeaturePyramid', in_channels=[24], out_channels=16))
    backbone.init_weights()
    neck.init_weights()
    x = torch.randn(2, 3, 64, 128)
    outs = neck(backbone(x))
    assert [tuple(out.shape) for out in outs] == [(2, 16, 64 // s, 128 // s) for s in (4, 8, 16, 32, 64)]
    sum(out.square().mean() for out in outs).backward()
    assert all(p.grad is not None for p in neck.parameters())
    # norms over channels: at every place of the four levels mean 0 and deviation 1
    for out in outs[:4]:
        torch.testing.assert_close(out.mean(1), torch.zeros_like(out[:, 0]), rtol=0, atol=1e-4)
        torch.testing.assert_close(out.std(1, unbiased=False), torch.ones_like(out[:, 0]), rtol=0, atol=1e-2)


def test_levels_see_only_what_is_below_them() -> None:
    """A level's place depends on its own patch of the map and the 3×3 convolution's neighbors."""
    neck = MODELS.build(dict(type='mmhvt.SimpleFeaturePyramid', in_channels=8, out_channels=4, num_outs=4)).eval()
    x = torch.randn(1, 8, 8, 8)
    moved = x.clone()
    moved[..., 4, 4] += 1
    for out, after, scale in zip(neck(x), neck(moved), (4, 2, 1, 0.5), strict=True):
        rows = (out - after).abs().amax((0, 1, 3)).gt(1e-6).nonzero().flatten()
        assert rows.min() == 4 * scale - 1 and rows.max() == max(5 * scale, 4 * scale + 1)


@pytest.mark.parametrize('shape', [(1, 8, 4, 4), (1, 24, 2, 4, 4)])
def test_other_inputs_say_what_would_do(shape) -> None:
    neck = MODELS.build(dict(type='mmhvt.SimpleFeaturePyramid', in_channels=24))
    with pytest.raises(ValueError, match=r"takes maps \(N, 24, H, W\), got .* needs out_type='featmap'"):
        neck(torch.zeros(shape))


def test_too_few_levels() -> None:
    with pytest.raises(ValueError, match='num_outs=3: use 4, or more'):
        MODELS.build(dict(type='mmhvt.SimpleFeaturePyramid', in_channels=24, num_outs=3))
