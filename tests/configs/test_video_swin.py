"""Recipes of Video Swin do what the paper says; test_recipes.py compares their numbers with the sources."""

import copy
import math
import re
from pathlib import Path

import pytest
from mmengine.optim import build_optim_wrapper

from helpers.micro_recipes import build_on_meta, by_type, learning_rates
from helpers.recipes import CLASSIFIERS, fit_device, read
from mmhvt.analysis.views import count_views

SWINS = [path for path in CLASSIFIERS if path.parent.name == 'video_swin' and 'micro' not in path.stem]
MORE_VIEWS = [path for path in SWINS if path.stem.endswith('_10x5')]
TRAINED = [path for path in SWINS if path not in MORE_VIEWS]
TINY = 'video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb'


def test_recipes_are_found() -> None:
    # 5 models on each Kinetics, two further starts on Kinetics-400, and Something-Something V2
    assert (len(TRAINED), len(MORE_VIEWS)) == (13, 2)


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_video_swin_trains_as_the_paper_does(path: Path) -> None:
    config, name, sthv2 = read(path), path.stem, 'sthv2' in path.stem
    backbone = config.model.backbone
    assert f'video-swin-{backbone.arch}-p244-w{"".join(map(str, backbone.window_size))}_' in name
    gpus, clips = map(int, re.search(r'_(\d+)xb(\d+)-', name).groups())
    epochs = config.train_cfg.max_epochs
    assert gpus * clips == 64 and f'-{epochs}e_' in name
    # apex's O1
    assert config.optim_wrapper.type == 'AmpOptimWrapper' and 'dtype' not in config.optim_wrapper
    assert 'clip_grad' not in config.optim_wrapper and 'blending' not in config.model.data_preprocessor

    fit_device(config)
    model = build_on_meta(config)
    # one group for each parameter
    optimizer = config.optim_wrapper.optimizer
    groups = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper)).optimizer.param_groups
    names = {parameter: key for key, parameter in model.named_parameters()}
    for group in groups:
        (parameter,) = group['params']
        key = names[parameter]
        assert group['lr'] == pytest.approx(3e-4 if key.startswith('cls_head.') else 3e-5), key
        assert group['weight_decay'] == (0 if 'rel_pos' in key else optimizer.weight_decay), key
    assert sum('rel_pos' in key for key in names.values()) == (12 if backbone.arch == 'tiny' else 24)

    train, test = by_type(config.train_dataloader.dataset.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    assert config.model.cls_head.average_clips == 'prob'
    # computed some at a time, which takes one video at a time
    assert config.model.test_cfg.max_testing_views in (1, 2, 4)
    assert config.val_dataloader.batch_size == config.test_dataloader.batch_size == 1
    if sthv2:
        assert 'Flip' not in train and config.model.cls_head.label_smooth_eps == 0.1
        order = list(train)
        assert order.index('RandomResizedCrop') < order.index('mmhvt.RandAugment') < order.index('RandomErasing')
        assert train['RandomErasing'].fill_color == config.model.data_preprocessor.mean
        assert not train['UniformSample'].get('test_mode') and test['UniformSample'].test_mode
        assert 'mmhvt.ThreeCrop' in test
        assert '-base-p244-w1677_in21k-pre_' in backbone.init_cfg.checkpoint
    else:
        assert config.train_dataloader.dataset.num_repeats == 1 and train['Flip'].flip_ratio == 0.5
        assert test['SampleFrames'].num_clips == 4 and 'ThreeCrop' in test
        pixels = backbone.input_size[-1]
        start = f'window{backbone.window_size[-1]}_{pixels}{"_22k" if "_in21k-" in name else ""}.pth'
        assert backbone.init_cfg.checkpoint.endswith(f'/swin_{backbone.arch}_patch4_{start}')
        assert test['Resize'].scale == (-1, pixels)


@pytest.mark.parametrize('path', MORE_VIEWS, ids=lambda path: path.stem)
def test_more_views_differ_by_views_alone(path: Path) -> None:
    more, fewer = read(path), read(path.with_stem(path.stem.removesuffix('_10x5')))
    assert (count_views(more), count_views(fewer)) == ((10, 5), (4, 3))
    more.test_pipeline = more.test_dataloader.dataset.pipeline = fewer.test_pipeline
    assert more.to_dict() == fewer.to_dict()


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_video_swin_learning_rate_over_the_training(path: Path) -> None:
    """Warm-up by iteration scales a cosine by epoch, as in the authors' runs."""
    config, epoch_length = read(path), 20
    # MMEngine's warm-up is over with its last iteration
    epochs, warmup = config.train_cfg.max_epochs, 2.5 * epoch_length - 1
    expected = [
        3e-5 * min(1, 0.1 + 0.9 * step / warmup) * (1 + math.cos(math.pi * (step // epoch_length) / epochs)) / 2
        for step in range(epochs * epoch_length)
    ]
    assert learning_rates(config, epoch_length) == pytest.approx(expected)


@pytest.mark.parametrize('path', sorted(SWINS[0].parent.glob('ablations/*.py')), ids=lambda path: path.stem)
def test_fewer_tokens_in_time_change_clip_and_window_alone(path: Path) -> None:
    config, recipe = read(path), read(path.parents[1] / f'{TINY}.py')
    frames, window = config.model.backbone.input_size[0], config.model.backbone.window_size[0]
    assert frames == 2 * window < 32 and f'-w{window}77_' in path.stem and f'-{frames}x2x1-' in path.stem
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        sampling = by_type(loader.dataset.pipeline)['SampleFrames']
        assert sampling.clip_len == frames
        sampling.clip_len = 32
    config.model.backbone.update(input_size=(32, 224, 224), window_size=(8, 7, 7))
    for key in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'optim_wrapper', 'param_scheduler'):
        assert config.to_dict()[key] == recipe.to_dict()[key], key
