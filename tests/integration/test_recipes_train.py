"""Recipes train and test at reduced width, with their own pipelines and schedules."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from helpers.micro_recipes import by_type, micro, micro_images, train_and_test
from helpers.recipes import K400, SWIN_STHV2, UNIFORMER_CO_TRAINING, UNIFORMER_STHV2


@pytest.mark.usefixtures('mmaction_scope')
def test_recipe_trains_and_tests(recipe_videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = micro(K400['base'], recipe_videos, tmp_path)
    config.train_cfg.update(max_epochs=1, val_begin=1, val_interval=1)
    runner = Runner.from_cfg(config)
    before = {}
    batches = []

    def loss(feats: torch.Tensor, data_samples: list, **kwargs) -> dict:
        before.update(before or {name: value.clone() for name, value in runner.model.state_dict().items()})
        batches.append(torch.stack([sample.gt_label for sample in data_samples]))
        return type(runner.model.cls_head).loss(runner.model.cls_head, feats, data_samples, **kwargs)

    monkeypatch.setattr(runner.model.cls_head, 'loss', loss)
    runner.train()
    # 3 videos in batches of 2, each video twice: 4 clips, then 2
    assert [tuple(labels.shape) for labels in batches] == [(4, 400), (2, 400)]
    for labels in batches:
        assert torch.allclose(labels.sum(1).float(), torch.ones(len(labels)))
    state = runner.model.state_dict()
    assert all(value.isfinite().all() for value in state.values())
    unchanged = [name for name, parameter in runner.model.named_parameters() if torch.equal(before[name], parameter)]
    assert not unchanged
    rates = [group['lr'] for group in runner.optim_wrapper.optimizer.param_groups]
    # 4 blocks, embeddings and head: ids 0 to 5
    assert min(rates) / max(rates) == pytest.approx(0.85**5)
    assert set(runner.test()) >= {'acc/top1', 'acc/top5'}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'metric'),
    [
        ('mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb', 'acc/top1'),
        ('mvit/mvit-base-p244_k400-pre_64xb8-u16-100e_sthv2-rgb', 'acc/top1'),
        ('mvit/mvit-base-p244_k400-pre_32xb8-16x4x1-200e_charades-rgb', 'acc/mean_average_precision'),
        ('mvitv2/mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb', 'acc/top1'),
        ('video_swin/video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb', 'acc/top1'),
        (SWIN_STHV2, 'acc/top1'),
        ('uniformerv2/uniformerv2-base-p16_k710-pre_8xb32-u8-5e_kinetics400-rgb', 'acc/top1'),
        (UNIFORMER_STHV2, 'acc/top1'),
        ('uniformerv2/uniformerv2-large-p14_k400-pre_16xb8-u16-20e_activitynet-rgb', 'acc/top1'),
        (UNIFORMER_CO_TRAINING, 'k700/top1'),
    ],
)
@pytest.mark.usefixtures('mmaction_scope')
def test_recipe_of_a_family_trains_and_tests(name: str, metric: str, recipe_videos: Path, tmp_path: Path) -> None:
    config = micro(ROOT / 'configs' / f'{name}.py', recipe_videos, tmp_path)
    if name.startswith('mvit'):
        config.model.backbone.arch['version'] = 2 if name.startswith('mvitv2') else 1
    if name.startswith('uniformerv2'):
        # what begins at zero changes step by step, from behind: the first blocks after five
        config.optim_wrapper.optimizer.lr = 1e-2
    if 'charades' in name:
        # in two steps of the warm-up, what has the smallest gradients would not change
        config.param_scheduler = []
    # smaller clips, by the last transform that says the size
    side = 4 * 14 if '-p14' in name else 64
    config.model.backbone.input_size = (*config.model.backbone.input_size[:1], side, side)
    for pipeline in (
        dataset.pipeline
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader)
        for dataset in loader.dataset.get('datasets', [loader.dataset])
    ):
        transforms = by_type(pipeline)
        for cropping in ('CenterCrop', 'ThreeCrop', 'mmhvt.ThreeCrop'):
            if cropping in transforms:
                # mmaction's crops are as high as the frame
                transforms['Resize'].scale = (-1, side if cropping == 'ThreeCrop' else side + 9)
                transforms[cropping].crop_size = side
        if 'RandomResizedCrop' in transforms:
            transforms['Resize'].scale = (side, side)
            # of all frames, before augmentation
            assert pipeline[3].type == 'Resize'
            pipeline[3].scale = (-1, side + 9)
    epochs = 3 if name.startswith('uniformerv2') and name != UNIFORMER_CO_TRAINING else 1
    assert 0 <= train_and_test(config, epochs)[metric] <= 1


@pytest.mark.parametrize('name', ['mvit/mvit-base-16_64xb64-100e-repeat3_in1k', 'mvitv2/mvitv2-tiny_64xb32-300e_in1k'])
@pytest.mark.usefixtures('mmaction_scope')
def test_image_recipe_trains_and_tests(name: str, recipe_images: Path, tmp_path: Path) -> None:
    config = micro_images(name, recipe_images, tmp_path)
    config.train_cfg.pop('val_begin', None)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert 0 <= train_and_test(config)['accuracy/top1'] <= 100


@pytest.mark.usefixtures('mmaction_scope')
def test_image_recipe_without_validation_trains(recipe_images: Path, tmp_path: Path) -> None:
    config = micro_images('mvitv2/mvitv2-small_64xb32-90e_in21k', recipe_images, tmp_path)
    config.train_cfg.max_epochs = 1
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        Runner.from_cfg(config).train()
    assert (tmp_path / 'epoch_1.pth').is_file()
