"""Backbones as detectors of images use them: their pyramids, sizes that windows do not divide, weights of videos."""

import math
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from torch import nn

from helpers.detection import FAMILIES, detector_parts
from helpers.references import randomize
from mmhvt.registry import MODELS

STRIDES = (4, 8, 16, 32)


def build(family: str, **kwargs) -> tuple[nn.Module, nn.Module]:
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    return tuple(randomize(MODELS.build(ConfigDict(cfg))) for cfg in detector_parts(family, **kwargs))


def sizes_of_levels(size: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(math.ceil(n / stride) for n in size) for stride in STRIDES]


# 32 pixels: one mask unit, less than one window; 36: odd grids, a last stage of 2 by 2; windows divide the others not
@pytest.mark.parametrize('size', [(32, 32), (36, 60), (192, 320), (200, 264)])
@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_strides_4_to_32(family: str, size: tuple[int, int]) -> None:
    backbone, neck = build(family)
    maps = backbone(torch.randn(1, 3, *size))
    assert [tuple(out.shape[2:]) for out in maps] == sizes_of_levels(size)
    assert [out.shape[1] for out in maps] == FAMILIES[family][1]
    assert all(out.is_contiguous() and out.isfinite().all() for out in maps)
    levels = neck(maps)
    assert [tuple(level.shape[2:]) for level in levels] == sizes_of_levels(size)


@pytest.mark.parametrize('size', [(16, 16), (48, 80), (192, 320)])
@torch.no_grad()
def test_strides_4_to_32_of_a_plain_vit(size: tuple[int, int]) -> None:
    backbone, neck = build('UniFormerV2')
    levels = neck(backbone(torch.randn(1, 3, *size)))
    assert [tuple(level.shape[2:]) for level in levels] == sizes_of_levels(size)
    assert all(level.isfinite().all() for level in levels)


@pytest.mark.parametrize('family', [*FAMILIES, 'UniFormerV2'])
def test_batches_of_unequal_images(family: str) -> None:
    """Padded to one size by mmdet; an image's features do not depend on its neighbors, and gradients reach pixels."""
    backbone, neck = build(family)
    from mmdet.models import DetDataPreprocessor
    from mmdet.structures import DetDataSample

    preprocessor = DetDataPreprocessor(mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=False, pad_size_divisor=32)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in ((50, 90), (91, 37))]
    samples = [DetDataSample(metainfo=dict(img_shape=image.shape[1:])) for image in images]
    inputs = preprocessor(dict(inputs=images, data_samples=samples))['inputs']
    assert inputs.shape == (2, 3, 96, 96)
    levels = neck(backbone(inputs))
    assert [tuple(level.shape[2:]) for level in levels] == sizes_of_levels((96, 96))
    for i in range(2):
        for level, alone in zip(levels, neck(backbone(inputs[i : i + 1])), strict=True):
            torch.testing.assert_close(level[i : i + 1], alone, rtol=1e-4, atol=1e-4)
    sum(level.square().mean() for level in levels).backward()
    assert backbone.patch_embed.proj.weight.grad.abs().sum() > 0
    # DistributedDataParallel would wait for them
    assert not [name for name, p in backbone.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize('family, divisor', [(name, 4) for name in FAMILIES] + [('UniFormerV2', 16)])
@torch.no_grad()
def test_sides_that_patches_do_not_divide(family: str, divisor: int) -> None:
    backbone, _ = build(family)
    x = torch.randn(1, 3, 65, 94)
    if family == 'Video Swin':  # which fills up by itself
        whole = F.pad(x, (0, 2, 0, 3))
        assert all(torch.equal(a, b) for a, b in zip(backbone(x), backbone(whole), strict=True))
        return
    wanted = (
        rf'\({divisor}, {divisor}\) does not divide an input of \(65, 94\); .*'
        f'pad_size_divisor={divisor} in the data_preprocessor'
    )
    with pytest.raises(ValueError, match=wanted):
        backbone(x)
