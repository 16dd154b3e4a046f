"""`--auto-scale-lr` gives the papers' linear rule, in clips where videos are repeated, by MMEngine's own scaling."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from helpers import ROOT
from helpers.micro_recipes import dataset_of
from helpers.recipes import read

# recipes, and the learning rate that a paper prints for a number of clips or images
PRINTED = {
    # mvit D.1: "η = 1.6 · 10⁻³ batchsize / 512", with 2 repeats; the same in mvitv2 B.4
    'mvit/mvit-base-p244_*-16x4x1-200e_kinetics400-rgb': (512, 1.6e-3),
    'mvitv2/mvitv2-small-p244_*-16x4x1-200e_kinetics400-rgb': (512, 1.6e-3),
    # mvit D.1, from ImageNet: "η = 10⁻³ batchsize / 16"
    'mvit/vit-base-p16_in21k-pre_*-30e_kinetics400-rgb': (16, 1e-3),
    # mvit D.5: "0.0005 per 512 batch-size"
    'mvit/mvit-base-16_*_in1k': (512, 5e-4),
    # mvit D.2 to D.4: 64, 32 and 64 GPUs of 8 clips
    'ava/mvit-base-p244_k400-pre_*-16x4x1-30e_ava22-rgb': (512, 0.6),
    'mvit/mvit-base-p244_k400-pre_*-16x4x1-200e_charades-rgb': (256, 0.6),
    'mvit/mvit-base-p244_k400-pre_*-u16-100e_sthv2-rgb': (512, 0.02),
    # mvitv2 B.1, B.2
    'mvitv2/mvitv2-tiny_*-300e_in1k': (2048, 2e-3),
    'mvitv2/mvitv2-base_in1k-pre_*_in1k-384px': (256, 4e-5),
    'mvitv2/mvitv2-large_in1k-pre_*_in1k-384px': (64, 5e-4),
    'mvitv2/mvitv2-base_*-90e_in21k': (256, 6.75e-5),
    'mvitv2/mvitv2-large_*-90e_in21k': (256, 1e-4),
    'mvitv2/mvitv2-large_in21k-pre_*-30e_in1k': (64, 7e-5),
    # mvitv2 B.3
    'coco/mask-rcnn_mvitv2-tiny_in1k-pre_fpn_*-36e_coco': (64, 1.6e-4),
    # mvitv2 B.4, B.5
    'mvitv2/mvitv2-small-p244_in1k-pre_*-100e_kinetics400-rgb': (512, 4.8e-4),
    'mvitv2/mvitv2-base-p244_in21k-pre_*-75e_kinetics400-rgb': (512, 1.6e-4),
    'mvitv2/mvitv2-large-p244_k400-16x4-pre_*-40x3x1-30e_kinetics400-rgb-312px': (128, 1.6e-5),
    'mvitv2/mvitv2-small-p244_k400-pre_*-u16-100e_sthv2-rgb': (512, 0.02),
    # smvit, tables 11(b), 12(b), 12(c) and A1
    'smvit/smvit-base-p244_mae-k400-pre_*_kinetics400-rgb': (256, 5e-5),
    'smvit/smvit-large-p244_mae-sthv2-pre_*-u16-40e_sthv2-rgb': (256, 0.16),
    'smvit/smvit-large-p244_mae-sthv2-pre_*-u32-40e_sthv2-rgb': (128, 0.08),
    'mae/mae_smvit-base_*-1600e_in1k': (4096, 8e-4),
    # uniformerv2, table 11
    'uniformerv2/uniformerv2-base-p16_clip-pre_*-u8-55e_kinetics400-rgb': (512, 2e-5),
    'uniformerv2/uniformerv2-large-p14_clip-pre_*-u8-40e_kinetics400-rgb': (512, 1e-5),
    'uniformerv2/uniformerv2-base-p16_k710-pre_*-u8-5e_kinetics400-rgb': (256, 2e-6),
    'uniformerv2/uniformerv2-base-p16_clip-pre_*-u8-24e_mit-rgb': (512, 2e-5),
    # video_swin, section 4.1: that of the backbone
    'video_swin/video-swin-tiny-p244-w877_in1k-pre_*-30e_kinetics400-rgb': (64, 3e-5),
}
# the same, where the paper counts videos and each gives 2 or 4 clips
PRINTED_OF_VIDEOS = {
    # uniformerv2, table 11: 128 videos, "repeated sampling 2"
    'uniformerv2/uniformerv2-base-p16_clip-pre_*-u16-22e_sthv2-rgb': (128, 4e-5),
}


def scaled(config: Config, gpus: int, samples: int) -> list[float]:
    """Learning rates of two groups, one at a tenth, of so many GPUs and clips or images on each."""
    repeats = dataset_of(config.train_dataloader).get('num_repeats', 1)
    assert samples % repeats == 0
    lr = config.optim_wrapper.optimizer.lr
    parameters = [dict(params=[nn.Parameter(torch.zeros(1))], lr=lr * factor) for factor in (1, 0.1)]
    wrapper = OptimWrapper(torch.optim.SGD(parameters, lr=lr))
    runner = SimpleNamespace(
        _train_dataloader=dict(config.train_dataloader, batch_size=samples // repeats),
        world_size=gpus,
        logger=MMLogger.get_instance('test_lr_scaling'),
        param_schedulers=copy.deepcopy(config.param_scheduler),
    )
    Runner.scale_lr(runner, wrapper, dict(config.auto_scale_lr, enable=True))
    # a third group has the settings of all
    return [group['lr'] for group in wrapper.param_groups[:2]]


def recipe(pattern: str) -> Config:
    """The recipe of a pattern: names say for how many GPUs it is, which this test does not repeat."""
    found = [path for path in (ROOT / 'configs').glob(f'{pattern}.py') if '3rdparty' not in path.stem]
    # 'mvit-base-p244_*' is not that of other weights
    starts = pattern.count('-pre_')
    (path,) = [path for path in found if path.stem.count('-pre_') == starts]
    return read(path)


@pytest.mark.parametrize('pattern', [*PRINTED, *PRINTED_OF_VIDEOS])
def test_the_linear_rule_of_the_papers(pattern: str) -> None:
    config = recipe(pattern)
    repeats = dataset_of(config.train_dataloader).get('num_repeats', 1)
    batch, lr = PRINTED.get(pattern) or PRINTED_OF_VIDEOS[pattern]
    clips = batch if pattern in PRINTED else batch * repeats
    for gpus in (1, 4, 8, 16):
        for factor in (1, 2, 0.5):
            samples = max(round(clips * factor / gpus) // repeats, 1) * repeats
            expected = lr * gpus * samples / clips
            assert scaled(config, gpus, samples) == pytest.approx([expected, 0.1 * expected])


def test_two_printed_rates_are_on_one_line() -> None:
    """Table 12(b) and (c) of SMViT, and B.1 and B.4 of MViTv2."""
    fine, wide = (recipe(f'smvit/smvit-large-p244_mae-sthv2-pre_*-{clip}-40e_sthv2-rgb') for clip in ('u16', 'u32'))
    assert scaled(fine, 64, 2)[0] == pytest.approx(wide.optim_wrapper.optimizer.lr)
    assert scaled(wide, 32, 8)[0] == pytest.approx(fine.optim_wrapper.optimizer.lr)


@pytest.mark.parametrize('pattern', ['mvit/mvit-base-p244_*-16x4x1-200e_kinetics400-rgb'])
def test_repeats_count_as_clips(pattern: str) -> None:
    """128 GPUs of 4 clips are 128 of 2 videos."""
    config = recipe(pattern)
    assert dataset_of(config.train_dataloader).num_repeats == 2 and config.train_dataloader.batch_size == 2
    assert config.auto_scale_lr.base_batch_size == 256
    assert scaled(config, 128, 4)[0] == config.optim_wrapper.optimizer.lr == 1.6e-3
