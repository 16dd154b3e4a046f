"""Recipes of MViT and MViTv2: what follows from their values. The values are in recipes.yml, with their sources."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import ROOT
from helpers.micro_recipes import by_type, learning_rates
from helpers.recipes import CLASSIFIERS, read
from mmhvt.models import MViT

RECIPES = [path for path in CLASSIFIERS if path.parent.name in ('mvit', 'mvitv2') and '-micro_' not in path.name]
KINETICS = [path for path in RECIPES if re.search(r'kinetics\d00-rgb', path.name)]
LARGE_VIDEO = [path for path in RECIPES if '-large-p244_' in path.name and '-pre_' in path.name]


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize('path', paths, ids=lambda path: path.stem)


@named(RECIPES)
def test_learning_rate_over_the_training(path: Path) -> None:
    config = read(path)
    epoch_length = max(8, 400 // config.train_cfg.max_epochs)
    rates, peak = learning_rates(config, epoch_length), config.optim_wrapper.optimizer.lr
    cosine = config.param_scheduler[-1]
    low = peak * cosine.eta_min_ratio if 'eta_min_ratio' in cosine else cosine.eta_min
    warmup = cosine.begin * epoch_length
    assert max(rates) == pytest.approx(peak, rel=1e-3) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[(warmup + len(rates)) // 2] == pytest.approx((peak + low) / 2, rel=0.05)
    assert rates[-1] == pytest.approx(low, rel=0.01, abs=peak * 1e-3)
    if warmup:
        start = config.param_scheduler[0].start_factor
        assert rates[0] == pytest.approx(peak * start)
        assert rates[warmup // 2] == pytest.approx(peak * (1 + start) / 2, rel=0.05)
    repeats = config.train_dataloader.get('sampler', {}).get('num_repeats', 1)
    assert f'-{config.train_cfg.max_epochs // repeats}e' in path.name


@named([path for path in RECIPES if path.name.endswith(('sthv2-rgb.py', 'sthv2-rgb-312px.py', 'charades-rgb.py'))])
def test_transfer_is_with_nesterov_and_without_repeats(path: Path) -> None:
    """And three crops in testing."""
    config = read(path)
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.nesterov) == ('SGD', 0.9, True)
    # SlowFast's configs clip in the large one alone
    assert config.optim_wrapper.get('clip_grad') == (dict(max_norm=2.0) if '-large-' in path.name else None)
    assert 'num_repeats' not in config.train_dataloader.dataset
    train, test = by_type(config.train_dataloader.dataset.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    assert 'mmhvt.ThreeCrop' in test
    if 'sthv2' in path.name:
        assert 'Flip' not in train and not train['UniformSample'].get('test_mode') and test['UniformSample'].test_mode
        assert config.model.data_preprocessor.blending.type == 'mmhvt.MixupCutmix'
    else:
        assert 'Flip' in train and config.model.data_preprocessor.blending is None
        assert train['mmhvt.SampleFrames'].target_fps == test['mmhvt.SampleFrames'].target_fps == 24
        assert config.model.cls_head.type == 'mmhvt.MultiLabelHead'


@named(KINETICS)
def test_clips_of_kinetics_are_cut_in_time(path: Path) -> None:
    """As PySlowFast does: strides at 30 frames a second, the last frame held, one clip augmented twice from scratch."""
    config = read(path)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        sample = by_type(loader.dataset.pipeline)['mmhvt.SampleFrames']
        assert (sample.target_fps, sample.out_of_bound_opt) == (30, 'repeat_last')
    dataset = config.train_dataloader.dataset
    short = 'vit-base-p16_in21k' in path.name or '_64xb2-' in path.name
    assert (dataset.num_repeats, dataset.get('sample_once', False)) == ((1, False) if short else (2, True))


@named(LARGE_VIDEO)
def test_the_large_model_has_the_statistics_of_its_images(path: Path) -> None:
    config = read(path)
    images = read('mvitv2/mvitv2-large_64xb32-90e_in21k').data_preprocessor
    ours = config.model.data_preprocessor
    assert (ours.mean, ours.std) == (images.mean, images.std)
    # frames and images come as RGB and BGR; erased regions have the statistics, too
    assert images.to_rgb and not ours.get('to_rgb')
    erasing = by_type(config.train_dataloader.dataset.pipeline)['RandomErasing']
    assert [*erasing.fill_color] == ours.mean and [*erasing.fill_std] == ours.std
    assert config.model.backbone.with_cls_token


def test_there_are_large_video_recipes() -> None:
    assert len(LARGE_VIDEO) == 7 and len(KINETICS) > 20


@named([path for path in RECIPES if read(path).model.get('test_cfg')])
def test_limited_views_go_with_batches_of_one(path: Path) -> None:
    """What mmaction2 requires, in validation as in testing."""
    config = read(path)
    assert config.val_dataloader.batch_size == config.test_dataloader.batch_size == 1


def test_pooled_queries_are_not_added_to_the_class_token() -> None:
    """Neither public code does; timm's port alone."""
    for path in RECIPES:
        assert read(path).model.backbone.get('residual_pooling', True) is True


def test_shuffled_configs_differ_by_shuffling_alone() -> None:
    shuffled_paths = [*(ROOT / 'configs/mvit').rglob('*_shuffled.py')]
    assert len(shuffled_paths) == 3
    for path in shuffled_paths:
        plain_name = path.name.replace('_shuffled', '')
        shuffled, plain = read(path), read(ROOT / 'configs/mvit' / plain_name)
        pipeline = shuffled.test_dataloader.dataset.pipeline
        assert [t.type for t in pipeline].index('mmhvt.ShuffleFrames') == 3
        pipeline.pop(3)
        shuffled.test_pipeline = pipeline
        assert shuffled.to_dict() == plain.to_dict()


def test_vit_starts_from_the_file_of_its_authors(tmp_path: Path) -> None:
    """The published file is an archive of Flax's arrays; each frame gets the positions of the image."""
    config = read('mvit/vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb').model.backbone
    assert config.init_cfg.checkpoint.endswith('/imagenet21k/ViT-B_16.npz')
    channels, heads, patch = 32, 2, 16
    block = 'Transformer/encoderblock_0/'
    attention = f'{block}MultiHeadDotProductAttention_1/'
    norms = [f'{block}LayerNorm_0', f'{block}LayerNorm_2', 'Transformer/encoder_norm']
    shapes = {
        'cls': (1, 1, channels),
        'embedding/kernel': (patch, patch, 3, channels),
        'embedding/bias': (channels,),
        'Transformer/posembed_input/pos_embedding': (1, 1 + 4, channels),
        **{f'{norm}/{leaf}': (channels,) for norm in norms for leaf in ('scale', 'bias')},
        **{f'{attention}{part}/kernel': (channels, heads, channels // heads) for part in ('query', 'key', 'value')},
        **{f'{attention}{part}/bias': (heads, channels // heads) for part in ('query', 'key', 'value')},
        f'{attention}out/kernel': (heads, channels // heads, channels),
        f'{attention}out/bias': (channels,),
        f'{block}MlpBlock_3/Dense_0/kernel': (channels, 4 * channels),
        f'{block}MlpBlock_3/Dense_0/bias': (4 * channels,),
        f'{block}MlpBlock_3/Dense_1/kernel': (4 * channels, channels),
        f'{block}MlpBlock_3/Dense_1/bias': (channels,),
        'pre_logits/kernel': (channels, channels),
        'pre_logits/bias': (channels,),
        'head/kernel': (channels, 21),
        'head/bias': (21,),
    }
    random = np.random.default_rng(0)
    arrays = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    np.savez(tmp_path / 'ViT-B_16.npz', **arrays)
    options = dict(config, input_size=(3, 32, 32), embed_dims=channels, num_heads=heads, depths=(1,))
    options.pop('type')
    model = MViT(**options | dict(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'ViT-B_16.npz'))))
    model.init_weights()
    positions = torch.from_numpy(arrays['Transformer/posembed_input/pos_embedding'])
    found = model.pos_embed((3, 2, 2)).detach().flatten(0, -2).unflatten(0, (3, 4))
    for frame in found:
        torch.testing.assert_close(frame, positions[0, 1:])
    embedding = torch.from_numpy(arrays['embedding/kernel']).permute(3, 2, 0, 1)
    torch.testing.assert_close(model.patch_embed.proj.weight.detach()[:, :, 0], embedding)
    torch.testing.assert_close(model.norm.weight.detach(), torch.from_numpy(arrays['Transformer/encoder_norm/scale']))


ABLATIONS = sorted((ROOT / 'configs').glob('mvit*/ablations/*.py'))


@named(ABLATIONS)
def test_ablations_take_what_they_give(path: Path) -> None:
    config, size = read(path), tuple(read(path).model.backbone.input_size)
    plain = read(path.parents[1] / f'{path.stem.rpartition("_")[0]}.py')
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        transforms = by_type(loader.dataset.pipeline)
        if len(size) == 3:
            assert transforms['mmhvt.SampleFrames'].clip_len == size[0]
        else:
            crop, scaled = transforms.get('CenterCrop'), transforms.get('RandomResizedCrop') or transforms.get('Resize')
            assert (crop.crop_size if crop else scaled.scale) == size[0] == size[1]
    # what differs is what the name says
    differing = {key for key in config if config[key] != plain[key]} - {'clip'}
    what = path.stem.rpartition('_')[2]
    if what in ('shuffled', 'center-crop'):
        assert all(key.startswith(('test_', 'val_')) for key in differing) and differing
    else:
        assert 'model' in differing and config.optim_wrapper == plain.optim_wrapper
    if what == 'max':
        assert by_type(config.train_dataloader.dataset.pipeline)['RandAugment'].num_policies == 4


def test_there_are_ablations() -> None:
    assert len(ABLATIONS) == 7
