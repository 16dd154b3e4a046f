"""Recipes of Video Swin say what the paper says."""

import copy
import re

import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

from helpers.micro_recipes import build_on_meta, by_type, learning_rates
from helpers.recipes import CLASSIFIERS, SWIN_STHV2, read
from mmhvt.analysis.views import count_views

# Video Swin, section 4.1, but for Swin-L, which is mmaction2's: drop path, weight decay
SWIN_SIZES = dict(tiny=(0.1, 0.02), small=(0.2, 0.02), base=(0.3, 0.05), large=(0.4, 0.05))
SWIN_KINETICS = {
    f'video_swin/video-swin-{size}-p244-w{window}_{start}-pre_{gpus}-32x2x1-30e_kinetics{k}00-rgb{pixels}': size
    for k in (4, 6)
    for size, window, start, gpus, pixels in (
        ('tiny', '877', 'in1k', '8xb8', ''),
        ('small', '877', 'in1k', '8xb8', ''),
        ('base', '877', 'in21k', '8xb8', ''),
        ('large', '877', 'in21k', '8xb8', ''),
        ('large', '81212', 'in21k', '32xb2', '-384px'),
    )
} | {'video_swin/video-swin-base-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb': 'base'}


def test_all_video_swin_recipes_are_tested() -> None:
    swins = {f'{path.parent.name}/{path.stem}' for path in CLASSIFIERS if path.parent.name == 'video_swin'}
    micro_swin = 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb'
    more_views = {f'{name}_10x5' for name in SWIN_KINETICS if '384px' in name}
    assert swins == {*SWIN_KINETICS, *more_views, SWIN_STHV2, micro_swin}


@pytest.mark.parametrize('name', [*SWIN_KINETICS, SWIN_STHV2])
def test_video_swin_trains_as_the_paper_does(name: str) -> None:
    config, sthv2 = read(name), name == SWIN_STHV2
    size = SWIN_KINETICS.get(name, 'base')
    drop_path, weight_decay = SWIN_SIZES[size]
    backbone = config.model.backbone
    assert (backbone.arch, backbone.drop_path_rate) == (size, 0.4 if sthv2 else drop_path)
    assert f'-w{"".join(map(str, backbone.window_size))}_' in name
    gpus, clips = map(int, re.search(r'_(\d+)xb(\d+)-', name).groups())
    epochs = config.train_cfg.max_epochs
    assert (gpus * clips, epochs) == (64, 60 if sthv2 else 30) and f'-{epochs}e_' in name
    assert 'clip_grad' not in config.optim_wrapper and 'blending' not in config.model.data_preprocessor

    model = build_on_meta(config)
    # one group for each parameter
    groups = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper)).optimizer.param_groups
    names = {parameter: key for key, parameter in model.named_parameters()}
    norms = {p for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()}
    for group in groups:
        (parameter,) = group['params']
        key = names[parameter]
        assert group['lr'] == pytest.approx(3e-4 if key.startswith('cls_head.') else 3e-5), key
        decays = parameter not in norms and 'rel_pos' not in key
        assert group['weight_decay'] == (weight_decay if decays else 0), key
    assert sum('rel_pos' in key for key in names.values()) == (12 if size == 'tiny' else 24)

    train, test = by_type(config.train_dataloader.dataset.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    assert config.model.cls_head.average_clips == 'prob'
    if sthv2:
        assert 'Flip' not in train and config.model.cls_head.label_smooth_eps == 0.1
        assert 'mmhvt.RandAugment' in train and 'RandomErasing' in train
        assert not train['UniformSample'].get('test_mode') and test['UniformSample'].test_mode
        assert 'mmhvt.ThreeCrop' in test and backbone.init_cfg.checkpoint.endswith('_kinetics400-rgb/epoch_30.pth')
    else:
        assert config.train_dataloader.dataset.num_repeats == 1 and train['Flip'].flip_ratio == 0.5
        assert test['SampleFrames'].num_clips == 4 and 'ThreeCrop' in test
        pixels = backbone.input_size[-1]
        images = (
            f'swin_{size}_patch4_window{backbone.window_size[-1]}_{pixels}{"_22k" if "_in21k-" in name else ""}.pth'
        )
        assert backbone.init_cfg.checkpoint.endswith(f'/{images}')
        assert test['Resize'].scale == (-1, pixels)


@pytest.mark.parametrize('name', [name for name in SWIN_KINETICS if '384px' in name])
def test_more_views_differ_by_views_alone(name: str) -> None:
    more, fewer = read(f'{name}_10x5'), read(name)
    assert (count_views(more), count_views(fewer)) == ((10, 5), (4, 3))
    more.test_pipeline = more.test_dataloader.dataset.pipeline = fewer.test_pipeline
    assert more.to_dict() == fewer.to_dict()


@pytest.mark.parametrize('name', [*SWIN_KINETICS, SWIN_STHV2])
def test_video_swin_learning_rate_over_the_training(name: str) -> None:
    epoch_length, peak = 20, 3e-5
    rates, warmup = learning_rates(read(name), epoch_length), 5 * epoch_length // 2
    assert rates[0] == pytest.approx(peak * 0.1) and rates[warmup // 2] == pytest.approx(peak * 0.55, rel=0.02)
    assert max(rates) == pytest.approx(peak, rel=1e-3) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[(warmup + len(rates)) // 2] == pytest.approx(peak / 2, rel=0.02)
    assert 0 <= rates[-1] < peak * 1e-4
