"""Pipelines of recipes give what their models take."""

from pathlib import Path

import pytest
import torch

from helpers import ROOT
from helpers.micro_recipes import datasets, micro, micro_images
from helpers.recipes import K400, SWIN_STHV2, UNIFORMER_CO_TRAINING, UNIFORMER_STHV2

# clips in training, shape of a clip, views in testing
PIPELINES = {
    'mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb': (2, (3, 16, 224, 224), 5),
    'mvit/mvit-base-p244_128xb4-32x3x1-200e_kinetics600-rgb': (2, (3, 32, 224, 224), 5),
    'mvit/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb': (1, (3, 64, 224, 224), 3 * 3),
    'mvit/vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb': (1, (3, 8, 224, 224), 5),
    'mvit/vit-base-p16_128xb4-8x8x1-200e_kinetics400-rgb_shuffled': (2, (3, 8, 224, 224), 5),
    'mvit/mvit-base-p244_k400-pre_64xb8-u16-100e_sthv2-rgb': (1, (3, 16, 224, 224), 3),
    'mvit/mvit-base-p244_k400-pre_32xb8-16x4x1-200e_charades-rgb': (1, (3, 16, 224, 224), 3 * 10),
    'mvitv2/mvitv2-large-p244_k400-pre_64xb8-u40-40e_sthv2-rgb-312px': (1, (3, 40, 312, 312), 3),
    'mvitv2/mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px': (1, (3, 40, 312, 312), 3 * 5),
    'video_swin/video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb': (1, (3, 32, 224, 224), 4 * 3),
    'video_swin/video-swin-large-p244-w81212_in21k-pre_32xb2-32x2x1-30e_kinetics600-rgb-384px': (
        1,
        (3, 32, 384, 384),
        4 * 3,
    ),
    'video_swin/video-swin-large-p244-w81212_in21k-pre_32xb2-32x2x1-30e_kinetics400-rgb-384px_10x5': (
        1,
        (3, 32, 384, 384),
        10 * 5,
    ),
    SWIN_STHV2: (1, (3, 32, 224, 224), 3),
    'uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics710-rgb': (1, (3, 8, 224, 224), 4 * 3),
    'uniformerv2/uniformerv2-large-p14_k710-pre_128xb2-u64-5e_kinetics400-rgb-336px': (1, (3, 64, 336, 336), 2 * 3),
    'uniformerv2/uniformerv2-large-p14-frozen_k710-pre_32xb16-u8-5e_kinetics600-rgb-336px': (1, (3, 8, 336, 336), 3),
    'uniformerv2/uniformerv2-large-p14-frozen_k710-pre_32xb8-u32-5e_kinetics600-rgb-336px': (1, (3, 32, 336, 336), 3),
    UNIFORMER_STHV2: (2, (3, 16, 224, 224), 3),
    # from frames on disk
    'uniformerv2/uniformerv2-base-p16_clip-pre_8xb32-u16-22e_sthv1-rgb': (2, (3, 16, 224, 224), 3),
    'uniformerv2/uniformerv2-large-p14_k710-k400-pre_16xb8-u16-20e_hacs-rgb': (2, (3, 16, 224, 224), 10 * 3),
    UNIFORMER_CO_TRAINING: (1, (3, 8, 224, 224), 4 * 3),
}


@pytest.mark.parametrize('name', PIPELINES)
def test_pipelines_of_families_give_what_the_model_takes(name: str, recipe_videos: Path, tmp_path: Path) -> None:
    clips, shape, views = PIPELINES[name]
    train, val, test = datasets(micro(ROOT / 'configs' / f'{name}.py', recipe_videos, tmp_path))
    samples = train[1] if isinstance(train[1], list) else [train[1]]
    assert len(samples) == clips
    for sample in samples:
        assert sample['inputs'].shape == (1, *shape) and sample['inputs'].dtype == torch.uint8
        label = sample['data_samples'].gt_label
        assert label.nonzero().flatten().tolist() == [1, 60] if 'charades' in name else label.tolist() == [60]
    assert val[1]['inputs'].shape == (1, *shape)
    tested = test[1]['inputs']
    assert tested.shape == (views, *shape)
    assert len({view.numpy().tobytes() for view in tested}) == views
    if 'shuffled' in name:
        plain = micro(ROOT / 'configs' / f'{name.removesuffix("_shuffled")}.py', recipe_videos, tmp_path)
        for ours, theirs in zip(tested, datasets(plain)[2][1]['inputs'], strict=True):
            ours, theirs = ([frame.numpy().tobytes() for frame in clip.unbind(1)] for clip in (ours, theirs))
            assert sorted(ours) == sorted(theirs) and ours != theirs


def test_pipelines_give_what_the_model_takes(recipe_videos: Path, tmp_path: Path) -> None:
    config = micro(K400['base'], recipe_videos, tmp_path)
    train, val, test = datasets(config)
    first, second = train[1]
    for sample in (first, second):
        assert sample['inputs'].shape == (1, 3, 16, 224, 224) and sample['inputs'].dtype == torch.uint8
        assert sample['data_samples'].gt_label.tolist() == [60]
    assert not torch.equal(first['inputs'], second['inputs'])
    assert val[1]['inputs'].shape == (1, 3, 16, 224, 224)
    views = test[1]['inputs']
    assert views.shape == (15, 3, 16, 224, 224)
    assert not torch.equal(views[0], views[1])


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('mvit/mvit-base-24-wide_64xb64-100e-repeat3_in1k-320px', 320),
        ('mvitv2/mvitv2-tiny_64xb32-300e_in1k', 224),
        ('mvitv2/mvitv2-large_in1k-pre_8xb8-30e_in1k-384px', 384),
        ('mvitv2/mvitv2-huge_in21k-384px-pre_8xb8-3e_in1k-512px', 512),
    ],
)
def test_image_pipelines_give_what_the_model_takes(name: str, size: int, recipe_images: Path, tmp_path: Path) -> None:
    for dataset in datasets(micro_images(name, recipe_images, tmp_path)):
        assert dataset[1]['inputs'].shape == (3, size, size) and dataset[1]['inputs'].dtype == torch.uint8
