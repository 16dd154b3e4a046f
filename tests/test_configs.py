"""Every config builds; recipes say what the papers say, agree with themselves, and train."""

import copy
import functools
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.models.utils import MixupBlending
from mmaction.registry import DATASETS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner
from modelindex.load_model_index import load as load_metafile
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmhvt import registry
from mmhvt.analysis.views import count_views
from mmhvt.datasets.kinetics710 import to_k710

ROOT = Path(__file__).parents[1]
# those of masked pre-training have no head: tests/test_mae.py; detectors have others: tests/test_action_detector.py,
# tests/test_shapes_coco.py
ELSEWHERE = ('_base_', 'mae', 'ava', 'coco')
RECIPES = sorted(path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name not in ELSEWHERE)
K400 = {
    size: next((ROOT / 'configs/smvit').glob(f'smvit-{size}-*_kinetics400-rgb.py'))
    for size in ('base', 'large', 'huge')
}
# SMViT, table 11(b)
LARGE = dict(
    lr=5e-5,
    betas=(0.9, 0.999),
    weight_decay=0.05,
    warmup_epochs=10,
    epochs=100,
    repeated_sampling=2,
    rand_augment=(7, 0.5),
    batch_size=256,
    mixup=0.8,
    cutmix=1.0,
    label_smoothing=0.1,
    drop_path=0.2,
    dropout=0.5,
    layer_decay=0.9,
)
TABLE_11B = dict(
    base=LARGE | dict(epochs=150, dropout=0.3, layer_decay=0.85),
    large=LARGE,
    huge=LARGE | dict(lr=2.5e-5, drop_path=0.3, layer_decay=0.925),
)


# papers/mvit, D.1
SCRATCH = dict(
    lr=1.6e-3,
    end_lr=1.6e-5,
    weight_decay=0.05,
    warmup_epochs=30,
    epochs=200,
    repeats=2,
    batch_size=512,
    mixup=0.8,
    rand_augment=(7, 4, 0.5),
    erasing=0.25,
    flip=0.5,
    area=(0.08, 1.0),
    label_smoothing=0.1,
    drop_path=0.2,
    dropout=0.5,
    views=5,
)
LONG_CLIPS = SCRATCH | dict(
    lr=1.6e-5, end_lr=0, weight_decay=1e-8, warmup_epochs=0, epochs=30, batch_size=128, mixup=None
)
# papers/mvitv2, B.4
FROM_IN1K = SCRATCH | dict(lr=4.8e-4, end_lr=4.8e-6, warmup_epochs=15, epochs=100)
FROM_IN21K = SCRATCH | dict(lr=1.6e-4, end_lr=1.6e-6, warmup_epochs=11, epochs=75)
MVIT_KINETICS = {
    'mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb': SCRATCH,
    'mvit/mvit-base-p244_128xb4-32x3x1-200e_kinetics400-rgb': SCRATCH,
    # 5 epochs and 3 x 3 views: section 4.1
    'mvit/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb': LONG_CLIPS | dict(epochs=5, views=9),
    'mvit/mvit-small-p288_128xb4-16x4x1-200e_kinetics400-rgb': SCRATCH,
    'mvit/mvit-base-max-p244_128xb4-16x4x1-200e_kinetics400-rgb': SCRATCH,
    'mvit/vit-base-p16_128xb4-8x8x1-200e_kinetics400-rgb': SCRATCH,
    'mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics600-rgb': SCRATCH,
    'mvit/mvit-base-p244_128xb4-32x3x1-200e_kinetics600-rgb': SCRATCH,
    'mvit/mvit-base-24-p244_128xb4-32x3x1-200e_kinetics600-rgb': SCRATCH,
    'mvitv2/mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb': SCRATCH,
    'mvitv2/mvitv2-base-p244_128xb4-32x3x1-200e_kinetics400-rgb': SCRATCH | dict(drop_path=0.3),
    'mvitv2/mvitv2-base-p244_128xb4-32x3x1-200e_kinetics600-rgb': SCRATCH | dict(drop_path=0.3),
    'mvitv2/mvitv2-base-p244_128xb4-32x3x1-200e_kinetics700-rgb': SCRATCH | dict(drop_path=0.3),
    'mvitv2/mvitv2-small-p244_in1k-pre_128xb4-16x4x1-100e_kinetics400-rgb': FROM_IN1K,
    'mvitv2/mvitv2-base-p244_in1k-pre_128xb4-32x3x1-100e_kinetics400-rgb': FROM_IN1K | dict(drop_path=0.3),
    'mvitv2/mvitv2-base-p244_in21k-pre_128xb4-32x3x1-75e_kinetics400-rgb': FROM_IN21K | dict(drop_path=0.3),
    **{
        f'mvitv2/mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics{k}00-rgb': FROM_IN21K | dict(drop_path=0.75)
        for k in (4, 6, 7)
    },
    **{
        f'mvitv2/mvitv2-large-p244_k{k}00-16x4-pre_64xb2-40x3x1-30e_kinetics{k}00-rgb-312px': LONG_CLIPS
        | dict(drop_path=0.75, views=15)
        for k in (4, 6, 7)
    },
}
# papers/mvit, D.3 and D.4; papers/mvitv2, B.5: lr, batch, weight decay, epochs, drop path
MVIT_TRANSFER = {
    **{name: (0.02, 512, 1e-4, 100, 0.4) for name in (ROOT / 'configs').glob('mvit*/*u[136]*-100e_sthv2-rgb.py')},
    **{name: (0.02, 512, 1e-4, 40, 0.4) for name in (ROOT / 'configs').glob('mvit*/*u40-40e_sthv2-rgb-312px.py')},
    **{name: (0.6, 256, 1e-7, 200, 0.45) for name in (ROOT / 'configs').glob('mvit*/*charades-rgb.py')},
}
# papers/mvit, D.5; papers/mvitv2, B.2: lr, batch, weight decay, epochs, drop path, blending
MVIT_IMAGE = {
    'mvit/mvit-base-16_64xb64-100e-repeat3_in1k': (5e-4 * 8, 4096, 0.05, 300, 0.1, True),
    'mvit/mvit-base-16-max_64xb64-100e-repeat3_in1k': (5e-4 * 8, 4096, 0.05, 300, 0.1, True),
    'mvit/mvit-base-24_64xb64-100e-repeat3_in1k': (5e-4 * 8, 4096, 0.05, 300, 0.3, True),
    'mvit/mvit-base-24-wide_64xb64-100e-repeat3_in1k-320px': (5e-4 * 8, 4096, 0.05, 300, 0.3, True),
    'mvitv2/mvitv2-tiny_64xb32-300e_in1k': (2e-3, 2048, 0.05, 300, 0.1, True),
    'mvitv2/mvitv2-small_64xb32-300e_in1k': (2e-3, 2048, 0.05, 300, 0.1, True),
    'mvitv2/mvitv2-base_64xb32-300e_in1k': (2e-3, 2048, 0.05, 300, 0.3, True),
    'mvitv2/mvitv2-large_64xb32-300e_in1k': (2e-3, 2048, 0.1, 300, 0.5, True),
    'mvitv2/mvitv2-huge_64xb32-300e_in1k': (2e-3, 2048, 0.1, 300, 0.8, True),
    'mvitv2/mvitv2-base_in1k-pre_64xb8-30e_in1k-384px': (4e-5 * 2, 512, 0.05, 30, 0.3, True),
    'mvitv2/mvitv2-large_in1k-pre_8xb8-30e_in1k-384px': (5e-4, 64, 0.1, 30, 0.5, False),
    'mvitv2/mvitv2-huge_in1k-pre_8xb8-30e_in1k-384px': (5e-4, 64, 0.1, 30, 0.8, False),
    'mvitv2/mvitv2-small_64xb32-90e_in21k': (6.75e-5 * 8, 2048, 0.01, 90, 0.1, True),
    'mvitv2/mvitv2-base_64xb32-90e_in21k': (6.75e-5 * 8, 2048, 0.01, 90, 0.3, True),
    'mvitv2/mvitv2-large_64xb32-90e_in21k': (1e-4 * 8, 2048, 0.1, 90, 0.5, True),
    'mvitv2/mvitv2-huge_64xb32-60e_in21k': (1e-4 * 8, 2048, 0.1, 60, 0.8, True),
    'mvitv2/mvitv2-large_in21k-pre_8xb8-30e_in1k': (7e-5, 64, 0.05, 30, 0.5, False),
    'mvitv2/mvitv2-huge_in21k-pre_8xb8-30e_in1k': (7e-5, 64, 0.05, 30, 0.8, False),
    'mvitv2/mvitv2-large_in21k-pre_8xb8-30e_in1k-384px': (7e-5, 64, 0.05, 30, 0.5, False),
    'mvitv2/mvitv2-huge_in21k-pre_8xb8-30e_in1k-384px': (7e-5, 64, 0.05, 30, 0.8, False),
    'mvitv2/mvitv2-huge_in21k-384px-pre_8xb8-3e_in1k-512px': (7e-5, 64, 1e-8, 3, 0.8, True),
}
# papers/video_swin, section 4.1, but for Swin-L, which is mmaction2's: drop path, weight decay
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
SWIN_STHV2 = 'video_swin/video-swin-base-p244-w1677_k400-pre_8xb8-u32-60e_sthv2-rgb'
# papers/uniformerv2, table 11: by what is trained on what
UNIFORMER = dict(
    betas=(0.9, 0.999),
    weight_decay=0.05,
    start_lr=1e-6,
    end_lr=1e-6,
    warmup_epochs=5,
    area=(0.08, 1.0),
    aspect_ratio=(0.75, 1.33),
    jitter=(0.4, 0.4, 0.4),
    rand_augment=(7, 4, 0.5),
    repeats=1,
    dropout=0.5,
    global_dropout=0.5,
    drop_path=0.0,
    global_drop_path=0.0,
)
_UNTRIMMED = UNIFORMER | dict(repeats=2, drop_path=0.2, global_drop_path=0.4)
TABLE_11 = dict(
    k710=dict(
        base=UNIFORMER | dict(batch_size=512, lr=2e-5, epochs=55),
        large=UNIFORMER | dict(batch_size=512, lr=1e-5, epochs=40),
        # appendix A
        frozen=UNIFORMER | dict(batch_size=512, lr=4e-4, epochs=40, warmup_epochs=0, start_lr=4e-4),
    ),
    kinetics=dict(
        base=UNIFORMER | dict(batch_size=256, lr=2e-6, epochs=5, warmup_epochs=1),
        large=UNIFORMER | dict(batch_size=256, lr=1.5e-6, epochs=5, warmup_epochs=1),
        frozen=UNIFORMER | dict(batch_size=256, lr=4e-4, epochs=5, warmup_epochs=0, start_lr=4e-4),
    ),
    mit=dict(
        base=UNIFORMER | dict(batch_size=512, lr=2e-5, epochs=24),
        large=UNIFORMER | dict(batch_size=512, lr=1e-5, epochs=18),
    ),
    untrimmed=dict(large=_UNTRIMMED | dict(batch_size=64, lr=5e-6, epochs=20)),
    sth=dict(
        base=_UNTRIMMED | dict(batch_size=128, lr=4e-5, epochs=22),
        large=_UNTRIMMED | dict(batch_size=128, lr=2e-5, epochs=15),
    ),
)
# papers/uniformerv2, tables 16 to 19 and, of other ViTs, table 8: (size, pixels, start) -> frames, crops, clips
VITS = {'in21k': 'vit', 'deit3-in21k': 'deit3', 'dino-in1k': 'vit', 'mae-in1k': 'vit', 'beit-in22k': 'beit'}
_KINETICS = {
    ('base', 224, 'clip'): [(8, 3, 4)],
    ('large', 224, 'clip'): [(8, 3, 4)],
    ('frozen', 336, 'clip'): [(8, 1, 3)],
    ('base', 224, 'k710'): [(8, 3, 4)],
    ('large', 224, 'k710'): [(8, 3, 4), (16, 3, 4), (32, 3, 2)],
    ('large', 336, 'k710'): [(32, 3, 2), (64, 3, 2)],
    ('frozen', 336, 'k710'): [(8, 1, 3), (32, 3, 1)],
}
_STH = {('base', 224, 'clip'): [(16, 3, 1), (32, 3, 1)], ('large', 224, 'clip'): [(16, 3, 1), (32, 3, 1)]}
UNIFORMER_VIEWS = {
    # no result in the paper
    'kinetics710': {
        (size, pixels, 'clip'): [(8, 3, 4)]
        for size, pixels in (('base', 224), ('large', 224), ('large', 336), ('frozen', 336))
    },
    'kinetics400': _KINETICS | {('base', 224, start): [(8, 3, 4)] for start in VITS},
    'kinetics600': _KINETICS,
    'kinetics700': _KINETICS,
    'kinetics400-600-700': {('base', 224, start): [(8, 3, 4)] for start in ('clip', 'k710')},
    'mit': {
        ('base', 224, 'clip'): [(8, 3, 4), (32, 3, 4)],
        **{('base', 224, start): [(8, 3, 4)] for start in ('k710', 'k710-k400', 'k710-k700')},
        ('large', 224, 'clip'): [(8, 3, 4), (16, 3, 4), (32, 3, 4)],
        **{('large', 224, start): [(8, 3, 4)] for start in ('k710', 'k710-k400')},
        **{('large', 336, start): [(8, 3, 4)] for start in ('clip', 'k710', 'k710-k400')},
    },
    'sthv1': _STH,
    'sthv2': _STH | {('base', 224, start): [(16, 3, 1)] for start in VITS},
    'activitynet': {
        ('large', 224, 'k400'): [(8, 3, 10), (16, 3, 10)],
        ('large', 224, 'k710-k400'): [(16, 3, 10), (32, 3, 10)],
        ('large', 224, 'k710-k700'): [(16, 3, 10)],
    },
    'hacs': {
        ('large', 224, 'k400'): [(16, 3, 10)],
        ('large', 224, 'k710-k400'): [(16, 3, 10), (32, 3, 10)],
        ('large', 224, 'k710-k700'): [(16, 3, 10)],
    },
}
UNIFORMER_STHV2 = 'uniformerv2/uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv2-rgb'
UNIFORMER_CO_TRAINING = 'uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-600-700-rgb'
UNIFORMERS = [path for path in RECIPES if path.parent.name == 'uniformerv2' and 'micro' not in path.stem]
CLASSES = dict(
    kinetics400=400,
    kinetics600=600,
    kinetics700=700,
    kinetics710=710,
    mit=339,
    sthv1=174,
    sthv2=174,
    activitynet=200,
    hacs=200,
    charades=157,
    in1k=1000,
    in21k=19168,
    inat2017=5089,
    inat2018=8142,
    inat2019=1010,
    places365=365,
    moving=8,
)


@functools.cache
def parse(path: Path) -> Config:
    return Config.fromfile(path)


def read(name: str | Path) -> Config:
    """The config of a path, or of a name under configs/."""
    return copy.deepcopy(parse(name if isinstance(name, Path) else ROOT / 'configs' / f'{name}.py'))


def by_type(pipeline: list[dict]) -> dict[str, dict]:
    """The last transform of each type."""
    return {transform.type: transform for transform in pipeline}


def build_on_meta(config: Config) -> nn.Module:
    """The model without its preprocessor, which draws its blending from distributions that need values."""
    model = copy.deepcopy(config.model)
    model.pop('data_preprocessor', None)
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'):
        return MODELS.build(model)


def head_of(config: Config) -> dict:
    """The head, or the first of several."""
    head = config.model.get('cls_head') or config.model.head
    return head.heads.k400 if 'heads' in head else head


def dataset_of(loader: dict) -> dict:
    """The dataset within wrappers, or the first of several."""
    dataset = loader.dataset
    return dataset.datasets[0] if 'datasets' in dataset else dataset.get('dataset', dataset)


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_config_builds(path: Path) -> None:
    config = read(path)
    model = build_on_meta(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        if config.model.type == 'Recognizer3D':
            MODELS.build(config.model.data_preprocessor)
        else:
            MODELS.build(
                dict(config.data_preprocessor, type='ClsDataPreprocessor', batch_augments=config.model.train_cfg)
            )
        wrapper = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
    trained = {parameter for group in wrapper.optimizer.param_groups for parameter in group['params']}
    frozen = {parameter for parameter in model.parameters() if not parameter.requires_grad}
    assert trained - frozen == set(model.parameters()) - frozen and bool(frozen) == ('-frozen_' in path.name)
    assert head_of(config).in_channels == model.backbone.embed_dims


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_config_agrees_with_itself_and_its_name(path: Path) -> None:
    config = read(path)
    model, loaders = config.model, [config.train_dataloader, config.val_dataloader, config.test_dataloader]
    dataset = re.search(f'({"|".join(CLASSES)})[^_]*(_shuffled|_10x5)?$', path.stem)[1]
    classes = CLASSES[dataset]
    assert head_of(config).num_classes == classes
    for loader in filter(None, loaders):
        inner = dataset_of(loader)
        assert inner.get('num_classes', classes) == classes
        assert inner.get('multi_class', False) == (dataset == 'charades')
        if dataset != 'moving':
            assert {'in1k': 'imagenet', 'in21k': 'imagenet21k'}.get(dataset, dataset) in str(inner)

    # what the pipelines give is what the backbone takes
    size = tuple(model.backbone.input_size) if 'input_size' in model.backbone else (16, 224, 224)
    for loader in filter(None, loaders):
        transforms = by_type(dataset_of(loader).pipeline)
        if len(size) == 3:
            sample = transforms.get('SampleFrames') or transforms['UniformSample']
            assert sample.clip_len == size[0]
            sampling = re.search(r'-(\d+)x(\d+)x1-', path.stem)
            if sampling:
                assert (sample.clip_len, sample.frame_interval) == tuple(map(int, sampling.groups()))
            else:
                assert f'-u{sample.clip_len}-' in path.stem
        crops = ('CenterCrop', 'ThreeCrop', 'mmhvt.ThreeCrop', 'mmhvt.FiveCrop')
        crop = next((transforms[name] for name in crops if name in transforms), None)
        given = crop.crop_size if crop else (transforms.get('RandomCrop') or {}).get('size')
        if given is None and len(size) == 3:
            given = transforms['Resize'].scale[0]
        elif given is None:
            given = (transforms.get('RandomResizedCrop') or transforms['Resize']).scale
        assert given == size[-1] == size[-2]

    # blending knows as many classes as the head
    if model.type == 'Recognizer3D':
        blending = model.data_preprocessor.get('blending')
        parts = blending.get('augments', [blending]) if blending else []
    else:
        assert config.data_preprocessor.num_classes == classes
        augments = model.train_cfg.augments if model.train_cfg else []
        parts = augments if isinstance(augments, list) else [augments]
    # mmpretrain's own take any number
    assert all(part.get('num_classes', classes) == classes for part in parts)

    # the schedule is whole, and for the batch of the name
    end = config.train_cfg.max_epochs
    schedulers = config.param_scheduler
    assert [s.begin for s in schedulers] == [0, *(s.end for s in schedulers[:-1])] and schedulers[-1].end == end
    if dataset != 'moving':
        gpus, samples = map(int, re.search(r'_(\d+)xb(\d+)-', path.name).groups())
        repeats = config.train_dataloader.dataset.get('num_repeats', 1)
        assert config.train_dataloader.batch_size * repeats == samples
        assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * config.train_dataloader.batch_size)


def test_recipes_start_from_recipes() -> None:
    """What a recipe expects in work_dirs/ is what another leaves there, except for weights of other projects."""
    starts = 0
    for path in RECIPES:
        config = read(path)
        # the classifier of the same file, where one goes on
        checkpoints = {
            part.init_cfg.checkpoint
            for part in (config.model.backbone, head_of(config))
            if (part.get('init_cfg') or {}).get('type') == 'Pretrained'
        }
        assert len(checkpoints) <= 1
        for checkpoint in checkpoints:
            if checkpoint.startswith('https://') or checkpoint in (
                'work_dirs/vit-base-p16_in21k.pth',
                'work_dirs/beit_base_patch16_224_pt22k_ft22k.pth',
            ):
                continue
            _, name, file = checkpoint.split('/')
            (earlier,) = (read(other) for other in (ROOT / 'configs').glob(f'*/{name}.py'))
            assert file == f'epoch_{earlier.train_cfg.max_epochs}.pth'
            starts += 1
            ours, theirs = (dict(c.model.backbone) for c in (config, earlier))
            for key in ('arch', 'expand_in', 'with_cls_token', 'pool_mode', 'vit', 'local_layers', 'global_layers'):
                assert ours.get(key) == theirs.get(key), key
    assert starts > 20


def test_all_families_have_recipes() -> None:
    assert set(K400.values()) <= set(RECIPES)
    tested = {ROOT / 'configs' / f'{name}.py' for name in [*MVIT_KINETICS, *MVIT_IMAGE]} | set(MVIT_TRANSFER)
    rest = {path.stem for path in RECIPES if path.parent.name.startswith('mvit') and path not in tested}
    # tested in ways of their own
    assert rest == {
        'vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb',
        'mvit-base-max-p244_128xb4-16x4x1-200e_kinetics400-rgb_shuffled',
        'vit-base-p16_128xb4-8x8x1-200e_kinetics400-rgb_shuffled',
        'mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    }
    swins = {f'{path.parent.name}/{path.stem}' for path in RECIPES if path.parent.name == 'video_swin'}
    micro_swin = 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb'
    more_views = {f'{name}_10x5' for name in SWIN_KINETICS if '384px' in name}
    assert swins == {*SWIN_KINETICS, *more_views, SWIN_STHV2, micro_swin}
    uniformers = {}
    for path in UNIFORMERS:
        dataset, size, pixels, start, frames, _ = about_uniformer(path)
        uniformers.setdefault(dataset, {}).setdefault((size, pixels, start), []).append(frames)
    assert {
        dataset: {key: sorted(frames) for key, frames in found.items()} for dataset, found in uniformers.items()
    } == {
        dataset: {key: [frames for frames, *_ in views] for key, views in expected.items()}
        for dataset, expected in UNIFORMER_VIEWS.items()
    }


def about_uniformer(path: Path) -> tuple[str, str, int, str, int, int]:
    """Dataset, size, pixels, start, frames and clips of a batch, as the name says."""
    name = r'uniformerv2-(\w+)-p\d+(-frozen)?_(.*)-pre_(\d+)xb(\d+)-u(\d+)-\d+e_(.*)-rgb(-336px)?'
    size, frozen, start, gpus, clips, frames, dataset, larger = re.fullmatch(name, path.stem).groups()
    return dataset, 'frozen' if frozen else size, 336 if larger else 224, start, int(frames), int(gpus) * int(clips)


@pytest.mark.parametrize('name', MVIT_KINETICS)
def test_mvit_trains_on_kinetics_as_the_paper_does(name: str) -> None:
    config = read(name)
    gpus, clips = map(int, re.search(r'_(\d+)xb(\d+)-', name).groups())
    transforms, test = (
        by_type(config.train_dataloader.dataset.pipeline),
        by_type(config.test_dataloader.dataset.pipeline),
    )
    augment = transforms['mmhvt.RandAugment']
    blending = config.model.data_preprocessor.blending
    assert config.optim_wrapper.optimizer.type == 'AdamW'
    cosine = config.param_scheduler[-1]
    lr = config.optim_wrapper.optimizer.lr
    found = dict(
        lr=lr,
        end_lr=pytest.approx(lr * cosine.eta_min_ratio if 'eta_min_ratio' in cosine else cosine.eta_min),
        weight_decay=config.optim_wrapper.optimizer.weight_decay,
        warmup_epochs=cosine.begin,
        epochs=cosine.end,
        repeats=config.train_dataloader.dataset.num_repeats,
        batch_size=gpus * clips,
        mixup=blending and blending.mixup_alpha,
        rand_augment=(augment.magnitude, augment.num_ops, augment.prob),
        erasing=transforms['RandomErasing'].erase_prob,
        flip=transforms['Flip'].flip_ratio,
        area=transforms['RandomResizedCrop'].area_range,
        label_smoothing=config.model.cls_head.label_smooth_eps,
        drop_path=config.model.backbone.drop_path_rate,
        dropout=config.model.cls_head.dropout_ratio,
        views=test['SampleFrames'].num_clips * (3 if 'mmhvt.ThreeCrop' in test else 1),
    )
    assert found == MVIT_KINETICS[name]
    assert f'-{found["epochs"]}e_' in name


@pytest.mark.parametrize('path', MVIT_TRANSFER, ids=lambda path: path.stem)
def test_mvit_transfers_as_the_paper_does(path: Path) -> None:
    config = read(path)
    gpus, clips = map(int, re.search(r'_(\d+)xb(\d+)-', path.name).groups())
    optimizer = config.optim_wrapper.optimizer
    (cosine,) = config.param_scheduler
    assert optimizer.type == 'SGD' and cosine.type == 'CosineAnnealingLR'
    found = optimizer.lr, gpus * clips, optimizer.weight_decay, cosine.end, config.model.backbone.drop_path_rate
    assert found == MVIT_TRANSFER[path]
    assert f'-{cosine.end}e_' in path.name
    train, test = by_type(config.train_dataloader.dataset.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    assert train['mmhvt.RandAugment'].magnitude == 7 and train['RandomErasing'].erase_prob == 0.25
    assert 'mmhvt.ThreeCrop' in test
    if 'sthv2' in path.name:
        assert 'Flip' not in train and not train['UniformSample'].get('test_mode') and test['UniformSample'].test_mode
        assert config.model.data_preprocessor.blending.mixup_alpha == 0.8
        assert config.model.cls_head.label_smooth_eps == 0.1
    else:
        assert train['Flip'].flip_ratio == 0.5 and test['SampleFrames'].num_clips == 10
        assert config.model.data_preprocessor.blending is None
        assert config.model.cls_head.type == 'mmhvt.MultiLabelHead'


@pytest.mark.parametrize('name', MVIT_IMAGE)
def test_mvit_trains_on_images_as_the_paper_does(name: str) -> None:
    config = read(name)
    gpus, images = map(int, re.search(r'_(\d+)xb(\d+)-', name).groups())
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.type == 'AdamW'
    found = (
        pytest.approx(optimizer.lr),
        gpus * images,
        optimizer.weight_decay,
        config.train_cfg.max_epochs,
        config.model.backbone.drop_path_rate,
        bool(config.model.train_cfg),
    )
    assert found == MVIT_IMAGE[name]
    repeats = config.train_dataloader.sampler.get('num_repeats', 1)
    assert repeats == (3 if name.startswith('mvit/') else 1)
    assert f'-{config.train_cfg.max_epochs // repeats}e' in name
    transforms = by_type(config.train_dataloader.dataset.pipeline)
    augment = transforms['RandAugment']
    assert (augment.magnitude_level, augment.num_policies) == (9, 4 if 'max' in name else 6)
    assert transforms['RandomErasing'].erase_prob == 0.25
    assert config.model.head.loss.label_smooth_val == 0.1
    if config.param_scheduler[0].type == 'LinearLR' and config.train_cfg.max_epochs == 300:
        assert config.param_scheduler[0].end == (5 if name.startswith('mvit/') else 70)


def test_vit_is_fine_tuned_as_the_paper_does() -> None:
    config = read('mvit/vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb')
    optimizer = config.optim_wrapper.optimizer
    # 1e-3 for 16 clips, 2 a GPU
    assert (optimizer.type, optimizer.lr, optimizer.weight_decay) == ('SGD', 1e-3, 1e-4)
    assert config.train_dataloader.batch_size == 2 and config.train_dataloader.dataset.num_repeats == 1
    assert [s.type for s in config.param_scheduler] == ['CosineAnnealingLR'] and config.train_cfg.max_epochs == 30
    assert config.model.backbone.init_cfg.type == 'Pretrained'


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
        decays = parameter not in norms and 'bias_table' not in key
        assert group['weight_decay'] == (weight_decay if decays else 0), key
    assert sum('bias_table' in key for key in names.values()) == (12 if size == 'tiny' else 24)

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


@pytest.mark.parametrize('path', UNIFORMERS, ids=lambda path: path.stem)
def test_uniformerv2_trains_as_the_paper_does(path: Path) -> None:
    config = read(path)
    dataset, size, pixels, start, frames, batch_size = about_uniformer(path)
    column = 'kinetics' if 'kinetics' in dataset and start == 'k710' else 'k710' if 'kinetics' in dataset else dataset
    column = dict(sthv1='sth', sthv2='sth', activitynet='untrimmed', hacs='untrimmed').get(column, column)
    expected = TABLE_11[column][size]

    data, backbone, optimizer = (
        dataset_of(config.train_dataloader),
        config.model.backbone,
        config.optim_wrapper.optimizer,
    )
    train, cosine = by_type(data.pipeline), config.param_scheduler[-1]
    augment, jitter, crop = train['mmhvt.RandAugment'], train['ColorJitter'], train['RandomResizedCrop']
    assert (optimizer.type, cosine.type) == ('AdamW', 'CosineAnnealingLR')
    found = dict(
        betas=optimizer.betas,
        weight_decay=optimizer.weight_decay,
        lr=optimizer.lr,
        start_lr=pytest.approx(optimizer.lr * config.param_scheduler[0].get('start_factor', 1)),
        end_lr=cosine.eta_min,
        warmup_epochs=cosine.begin,
        epochs=cosine.end,
        batch_size=batch_size,
        area=crop.area_range,
        aspect_ratio=crop.aspect_ratio_range,
        jitter=(jitter.brightness, jitter.contrast, jitter.saturation),
        rand_augment=(augment.magnitude, augment.num_ops, augment.magnitude_std),
        repeats=data.num_repeats,
        dropout=head_of(config).dropout_ratio,
        global_dropout=backbone.global_dropout,
        drop_path=backbone.drop_path_rate,
        global_drop_path=backbone.global_drop_path_rate,
    )
    assert found == expected
    assert f'-{expected["epochs"]}e_' in path.name
    # appendix A: neither mixup, CutMix, label smoothing nor random erasing
    assert 'blending' not in config.model.data_preprocessor and 'RandomErasing' not in train
    assert head_of(config).get('label_smooth_eps', 0) == 0
    assert ('Flip' in train) == (column != 'sth')

    # section 4 and appendix A
    assert (backbone.arch, backbone.get('frozen', False)) == ('base' if size == 'base' else 'large', size == 'frozen')
    assert backbone.vit == VITS.get(start, 'clip')
    layers = (backbone.local_layers, backbone.global_layers, backbone.temporal_downsample)
    if column == 'sth':
        assert layers == ('all', 'last 8' if size == 'base' else 'last 16', True)
    else:
        assert layers == (None, 'last 4', False)

    # sparse sampling; whole videos in tests
    tested = dataset_of(config.test_dataloader)
    test = by_type(tested.pipeline)
    assert not train['UniformSample'].get('test_mode') and test['UniformSample'].test_mode
    crops = 3 if 'ThreeCrop' in test else 1
    views = frames, crops, test['UniformSample'].get('num_clips', 1)
    assert views in UNIFORMER_VIEWS[dataset][size, pixels, start]
    assert data.type == ('mmhvt.SegmentVideoDataset' if column == 'untrimmed' else 'mmhvt.RepeatAugDataset')
    assert tested.type == 'mmhvt.VideoDataset'
    assert ('segments' in data.ann_file) == (column == 'untrimmed') and 'videos' in tested.ann_file

    # starts: of the classifier too, if it is another of Kinetics'
    sources = {
        'clip': '/clip/models/.*/ViT-',
        'k710': '_clip-pre_.*_kinetics710-',
        'k400': '_clip-pre_.*_kinetics400-',
        'k710-k400': '_k710-pre_.*_kinetics400-',
        'k710-k700': '_k710-pre_.*_kinetics700-',
        'in21k': '/B_16-i21k-',
        'deit3-in21k': '/deit_3_base_224_21k',
        'dino-in1k': '/dino_vitbase16_pretrain',
        'mae-in1k': '/mae_pretrain_vit_base',
        'beit-in22k': '/beit_base_patch16_224_pt22k_ft22k',
    }
    assert re.search(sources[start], backbone.init_cfg.checkpoint)
    if start == 'k710' and 'kinetics' in dataset:
        assert head_of(config).init_cfg == backbone.init_cfg
        assert head_of(config).labels == f'k710->k{head_of(config).num_classes}'
    else:
        assert 'labels' not in head_of(config) and 'init_cfg' not in head_of(config)


@pytest.mark.parametrize('path', UNIFORMERS, ids=lambda path: path.stem)
def test_uniformerv2_learning_rate_over_the_training(path: Path) -> None:
    config, epoch_length = read(path), 20
    rates, peak = learning_rates(config, epoch_length), config.optim_wrapper.optimizer.lr
    warmup = config.param_scheduler[-1].begin * epoch_length
    assert max(rates) == pytest.approx(peak) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[0] == pytest.approx(1e-6 if warmup else peak)
    assert rates[-1] == pytest.approx(1e-6, rel=0.01, abs=peak * 1e-3)
    assert rates[(warmup + len(rates)) // 2] == pytest.approx((peak + 1e-6) / 2, rel=0.05)


def test_frozen_uniformerv2_trains_global_blocks_and_classifier() -> None:
    config = read('uniformerv2/uniformerv2-large-p14-frozen_k710-pre_16xb16-u8-5e_kinetics400-rgb-336px')
    trained = {name for name, parameter in build_on_meta(config).named_parameters() if parameter.requires_grad}
    parts = {'.'.join(name.split('.')[:2]) for name in trained}
    assert parts == {'backbone.fusion', 'backbone.balance', 'backbone.norm', 'cls_head.fc_cls'}


@pytest.mark.parametrize('start', ['clip', 'k710'])
def test_co_training_has_a_head_and_a_dataset_for_each_kinetics(start: str) -> None:
    (path,) = (path for path in UNIFORMERS if about_uniformer(path)[::3] == ('kinetics400-600-700', start))
    config = read(path)
    heads = config.model.cls_head.heads
    assert {name: head.num_classes for name, head in heads.items()} == dict(k400=400, k600=600, k700=700)
    assert all(head.get('labels') == (f'k710->{name}' if start == 'k710' else None) for name, head in heads.items())
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        parts = {dataset.pipeline[-1].name: dataset for dataset in loader.dataset.datasets}
        assert {name: dataset.num_classes for name, dataset in parts.items()} == dict(k400=400, k600=600, k700=700)
        for dataset in parts.values():
            assert f'/kinetics{dataset.num_classes}_' in dataset.ann_file
            # all alike but for the name
            assert dataset.pipeline[:-1] == parts['k400'].pipeline[:-1]
    assert {metric.dataset for metric in config.test_evaluator} == {'k400', 'k600', 'k700'}


def test_micro_uniformerv2_without_temporal_modelling_lacks_local_blocks_alone() -> None:
    name = 'uniformerv2/uniformerv2-micro{}_1xb16-8x2x1-5e_moving-shapes-rgb'
    plain, local = read(name.format('-mean-pooling')), read(name.format(''))
    assert (plain.model.backbone.pop('local_layers'), local.model.backbone.pop('local_layers')) == (None, 'all')
    assert plain.to_dict() == local.to_dict()
    # nothing else sees two frames at once
    assert plain.model.backbone.global_layers is None and not plain.model.backbone.temporal_downsample


def test_shuffled_configs_differ_by_shuffling_alone() -> None:
    for path in RECIPES:
        if path.parent.name == 'mvit' and path.stem.endswith('_shuffled'):
            shuffled, plain = read(path), read(path.with_name(path.name.replace('_shuffled', '')))
            pipeline = shuffled.test_dataloader.dataset.pipeline
            assert [t.type for t in pipeline].index('mmhvt.ShuffleFrames') == 3
            pipeline.pop(3)
            shuffled.test_pipeline = pipeline
            assert shuffled.to_dict() == plain.to_dict()


@pytest.mark.parametrize('name', [name for name in SWIN_KINETICS if '384px' in name])
def test_more_views_differ_by_views_alone(name: str) -> None:
    more, fewer = read(f'{name}_10x5'), read(name)
    assert (count_views(more), count_views(fewer)) == ((10, 5), (4, 3))
    more.test_pipeline = more.test_dataloader.dataset.pipeline = fewer.test_pipeline
    assert more.to_dict() == fewer.to_dict()


@pytest.mark.parametrize('size', K400)
def test_recipe_is_the_papers(size: str) -> None:
    config = Config.fromfile(K400[size])
    gpus, clips = map(int, re.search(r'_(\d+)xb(\d+)-', K400[size].name).groups())
    loader = config.train_dataloader
    repeats = loader.dataset.num_repeats
    assert loader.batch_size * repeats == clips
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * loader.batch_size)
    warmup, cosine = config.param_scheduler
    assert (warmup.type, cosine.type) == ('LinearLR', 'CosineAnnealingLR')
    assert cosine.begin == warmup.end and cosine.end == config.train_cfg.max_epochs
    transforms = {transform.type: transform for transform in loader.dataset.pipeline}
    blending = {cfg.type: cfg for cfg in config.model.data_preprocessor.blending.augments}
    assert {cfg.num_classes for cfg in blending.values()} == {400}
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.type == 'AdamW'
    found = dict(
        lr=optimizer.lr,
        betas=optimizer.betas,
        weight_decay=optimizer.weight_decay,
        warmup_epochs=warmup.end * repeats,
        epochs=cosine.end * repeats,
        repeated_sampling=repeats,
        rand_augment=(transforms['mmhvt.RandAugment'].magnitude, transforms['mmhvt.RandAugment'].magnitude_std),
        batch_size=gpus * clips,
        mixup=blending['MixupBlending'].alpha,
        cutmix=blending['CutmixBlending'].alpha,
        label_smoothing=config.model.cls_head.label_smooth_eps,
        drop_path=config.model.backbone.drop_path_rate,
        dropout=config.model.cls_head.dropout_ratio,
        layer_decay=config.optim_wrapper.paramwise_cfg.layer_decay_rate,
    )
    assert found == TABLE_11B[size]
    assert f'-{found["epochs"]}e_' in K400[size].name
    # 16 frames (section 5), 3 spatial x 5 temporal views (table 4)
    assert {t.type: t for t in config.test_dataloader.dataset.pipeline}['SampleFrames'].num_clips == 5
    assert 'ThreeCrop' in [t.type for t in config.test_dataloader.dataset.pipeline]
    assert config.model.backbone.init_cfg.checkpoint.endswith(f'/mae_hiera_{size}_16x224.pth')


@pytest.mark.parametrize('family', ['mvit', 'mvitv2', 'uniformerv2', 'video_swin'])
def test_metafile_of_a_family_says_what_the_configs_do(family: str) -> None:
    metafile = load_metafile(str(ROOT / f'configs/{family}/metafile.yml'))
    readme = (ROOT / metafile.collections[0].readme).read_text()
    listed = {ROOT / model.config for model in metafile.models}
    rest = {path.stem for path in RECIPES if path.parent.name == family} - {path.stem for path in listed}
    assert all(re.search('shuffled|10x5|micro', stem) for stem in rest) and listed <= set(RECIPES)
    for model in metafile.models:
        path, about = ROOT / model.config, model.metadata.data
        assert model.name == path.stem and f']({path.name})' in readme
        config = read(path)
        gpus, batch, epochs = re.search(r'_(\d+)xb(\d+)-.*?(\d+)e[_-]', path.stem).groups()
        assert (about['Batch Size'], about['Epochs']) == (int(batch), int(epochs))
        assert about['Resolution'] == 'x'.join(map(str, config.model.backbone.input_size[-2:]))
        if 'Parameters' in about:
            built = build_on_meta(config)
            # of a frozen backbone the paper counts what is trained
            frozen = config.model.backbone.get('frozen')
            counted = [parameter for parameter in built.parameters() if parameter.requires_grad or not frozen]
            parameters = sum(parameter.numel() for parameter in counted) / 1e6
            assert parameters == pytest.approx(float(about['Parameters'].rstrip('M')), rel=0.02), model.name


@pytest.mark.parametrize('size', K400)
def test_metafile_says_what_the_config_does(size: str) -> None:
    metafile = load_metafile(str(ROOT / 'configs/smvit/metafile.yml'))
    (model,) = (model for model in metafile.models if model.config == str(K400[size].relative_to(ROOT)))
    assert model.name == K400[size].stem
    assert (ROOT / metafile.collections[0].readme).exists()
    config = Config.fromfile(K400[size])
    about = model.metadata.data
    assert about['Epochs'] == TABLE_11B[size]['epochs']
    assert about['Batch Size'] == config.train_dataloader.batch_size * 2
    built = build_on_meta(config).eval()
    parameters = sum(parameter.numel() for parameter in built.parameters())
    assert f'{parameters / 1e6:.0f}M' == about['Parameters']
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        built.cls_head(built.backbone(torch.empty(1, 3, 16, 224, 224, device='meta')))
    # the counter counts two for a multiply-add
    assert counter.get_total_flops() / 2e9 == pytest.approx(float(about['FLOPs'].rstrip('G')), rel=0.01)


def learning_rates(config: Config, epoch_length: int) -> list[float]:
    """One for each iteration of the training."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.optimizer.lr)
    schedulers = [
        PARAM_SCHEDULERS.build(copy.deepcopy(cfg), default_args=dict(optimizer=optimizer, epoch_length=epoch_length))
        for cfg in config.param_scheduler
    ]
    rates = []
    for _ in range(config.train_cfg.max_epochs * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


@pytest.mark.parametrize('name', [*MVIT_KINETICS, *MVIT_IMAGE])
def test_mvit_learning_rate_over_the_training(name: str) -> None:
    config = read(name)
    epoch_length = max(8, 400 // config.train_cfg.max_epochs)
    rates, peak = learning_rates(config, epoch_length), config.optim_wrapper.optimizer.lr
    low = MVIT_KINETICS[name]['end_lr'] if name in MVIT_KINETICS else config.param_scheduler[-1].eta_min
    warmup = config.param_scheduler[-1].begin * epoch_length
    assert max(rates) == pytest.approx(peak, rel=1e-3) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[(warmup + len(rates)) // 2] == pytest.approx((peak + low) / 2, rel=0.05)
    assert rates[-1] == pytest.approx(low, rel=0.01, abs=peak * 1e-3)
    if warmup:
        assert rates[0] <= peak * 0.01 * 1.001 and rates[warmup // 2] == pytest.approx(peak / 2, rel=0.05)


@pytest.mark.parametrize('name', [*SWIN_KINETICS, SWIN_STHV2])
def test_video_swin_learning_rate_over_the_training(name: str) -> None:
    epoch_length, peak = 20, 3e-5
    rates, warmup = learning_rates(read(name), epoch_length), 5 * epoch_length // 2
    assert rates[0] == pytest.approx(peak * 0.1) and rates[warmup // 2] == pytest.approx(peak * 0.55, rel=0.02)
    assert max(rates) == pytest.approx(peak, rel=1e-3) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[(warmup + len(rates)) // 2] == pytest.approx(peak / 2, rel=0.02)
    assert 0 <= rates[-1] < peak * 1e-4


@pytest.mark.parametrize('size', K400)
def test_learning_rate_over_the_training(size: str) -> None:
    config = Config.fromfile(K400[size])
    peak, epoch_length = TABLE_11B[size]['lr'], 20
    assert config.optim_wrapper.optimizer.lr == peak
    assert [scheduler.type for scheduler in config.param_scheduler] == ['LinearLR', 'CosineAnnealingLR']
    rates = learning_rates(config, epoch_length)
    warmup = 5 * epoch_length
    assert rates[0] == pytest.approx(peak * 1e-3)
    assert rates[warmup // 2] == pytest.approx(peak / 2, rel=0.02)
    assert max(rates) == pytest.approx(peak, rel=1e-3) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[(warmup + len(rates)) // 2] == pytest.approx(peak / 2, rel=0.02)
    assert 0 <= rates[-1] < peak * 1e-4


def test_blending_and_label_smoothing_combine_as_in_timm() -> None:
    with DefaultScope.overwrite_default_scope('mmaction'):
        head = MODELS.build(dict(type='mmhvt.RecognitionHead', num_classes=5, in_channels=8, label_smooth_eps=0.1))
    labels, share = torch.tensor([1, 3]), 0.3
    samples = [ActionDataSample().set_gt_label(int(label)) for label in labels]
    blending = MixupBlending(num_classes=5, alpha=0.8)
    blending.beta.sample = lambda: torch.tensor(share)
    clips = torch.rand(2, 1, 3, 4, 8, 8)
    while True:  # until the two are mixed with each other rather than with themselves
        mixed, mixed_samples = blending(clips, copy.deepcopy(samples))
        if not torch.allclose(mixed, clips):
            break
    assert torch.allclose(mixed, share * clips + (1 - share) * clips.flip(0))
    scores = torch.randn(2, 5)
    loss = head.loss_by_feat(scores, mixed_samples)['loss_cls']
    target = mixup_target(labels, num_classes=5, lam=share, smoothing=0.1)
    assert torch.allclose(loss, SoftTargetCrossEntropy()(scores, target))


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three MP4 files of 200 frames of 80x64 and annotation files."""
    folder = tmp_path_factory.mktemp('videos')
    generator = np.random.RandomState(0)
    for index in range(3):
        writer = cv2.VideoWriter(str(folder / f'{index}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, (80, 64))
        assert writer.isOpened()
        frame = cv2.resize(generator.randint(0, 256, (4, 5, 3), dtype=np.uint8), (80, 64))
        for shift in range(200):
            writer.write(np.roll(frame, shift, axis=1))
        writer.release()
    (folder / 'list.txt').write_text(''.join(f'{index}.mp4 {index * 60}\n' for index in range(3)))
    (folder / 'segments.txt').write_text('0.mp4 0 4.5 0\n1.mp4 2 7.5 60\n2.mp4 1 9 120\n')
    (folder / 'multi_label.txt').write_text('0.mp4 0\n1.mp4 1 60\n2.mp4 60 120 156\n')
    return folder


def shrink(config: Config) -> None:
    """Gives a recipe's model fewer channels and layers."""
    backbone, channels = config.model.backbone, 128
    heads = (1, 1, 1, 1) if backbone.type == 'mmhvt.VideoSwin' else 1
    if backbone.type == 'mmhvt.UniFormerV2':
        depth, channels = int(backbone.global_layers.removeprefix('last ')), 16
        backbone.arch = dict(embed_dims=16, num_heads=1, depth=depth, patch_size=16 if backbone.arch == 'base' else 14)
    else:
        backbone.arch = dict(embed_dims=16, num_heads=heads, depths=(1, 1, 1, 1))
    for head in config.model.cls_head.get('heads', dict(only=config.model.cls_head)).values():
        head.in_channels = channels


def micro(path: Path, videos: Path, work_dir: Path) -> Config:
    """A recipe on another backbone size and other data, otherwise as it stands."""
    config = read(path)
    shrink(config)
    config.model.backbone.init_cfg = None
    for head in config.model.cls_head.get('heads', dict(only=config.model.cls_head)).values():
        head.init_cfg = None
    ann_file = videos / ('multi_label.txt' if config.train_dataloader.dataset.get('multi_class') else 'list.txt')
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
        for dataset in loader.dataset.get('datasets', [loader.dataset]):
            lines = videos / 'segments.txt' if dataset.type == 'mmhvt.SegmentVideoDataset' else ann_file
            dataset.update(ann_file=str(lines), data_prefix=dict(video=str(videos)))
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


def datasets(config: Config) -> list:
    """Of training, validation and test."""
    loaders = (config.train_dataloader, config.val_dataloader, config.test_dataloader)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        return [DATASETS.build(loader.dataset) for loader in loaders]


# clips in training, shape of a clip, views in testing
PIPELINES = {
    'mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb': (2, (3, 16, 224, 224), 5),
    'mvit/mvit-base-p244_128xb4-32x3x1-200e_kinetics600-rgb': (2, (3, 32, 224, 224), 5),
    'mvit/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb': (2, (3, 64, 224, 224), 3 * 3),
    'mvit/vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb': (1, (3, 8, 224, 224), 5),
    'mvit/vit-base-p16_128xb4-8x8x1-200e_kinetics400-rgb_shuffled': (2, (3, 8, 224, 224), 5),
    'mvit/mvit-base-p244_k400-pre_64xb8-u16-100e_sthv2-rgb': (1, (3, 16, 224, 224), 3),
    'mvit/mvit-base-p244_k400-pre_32xb8-16x4x1-200e_charades-rgb': (1, (3, 16, 224, 224), 3 * 10),
    'mvitv2/mvitv2-large-p244_k400-pre_64xb8-u40-40e_sthv2-rgb-312px': (1, (3, 40, 312, 312), 3),
    'mvitv2/mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px': (2, (3, 40, 312, 312), 3 * 5),
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
    'uniformerv2/uniformerv2-large-p14-frozen_k710-pre_16xb16-u8-5e_kinetics600-rgb-336px': (1, (3, 8, 336, 336), 3),
    'uniformerv2/uniformerv2-large-p14-frozen_k710-pre_32xb8-u32-5e_kinetics600-rgb-336px': (1, (3, 32, 336, 336), 3),
    UNIFORMER_STHV2: (2, (3, 16, 224, 224), 3),
    'uniformerv2/uniformerv2-large-p14_k710-k400-pre_16xb4-u16-20e_hacs-rgb': (2, (3, 16, 224, 224), 10 * 3),
    UNIFORMER_CO_TRAINING: (1, (3, 8, 224, 224), 4 * 3),
}


@pytest.mark.parametrize('name', PIPELINES)
def test_pipelines_of_families_give_what_the_model_takes(name: str, videos: Path, tmp_path: Path) -> None:
    clips, shape, views = PIPELINES[name]
    train, val, test = datasets(micro(ROOT / 'configs' / f'{name}.py', videos, tmp_path))
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
        plain = micro(ROOT / 'configs' / f'{name.removesuffix("_shuffled")}.py', videos, tmp_path)
        for ours, theirs in zip(tested, datasets(plain)[2][1]['inputs'], strict=True):
            ours, theirs = ([frame.numpy().tobytes() for frame in clip.unbind(1)] for clip in (ours, theirs))
            assert sorted(ours) == sorted(theirs) and ours != theirs


def test_pipelines_give_what_the_model_takes(videos: Path, tmp_path: Path) -> None:
    config = micro(K400['base'], videos, tmp_path)
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


@pytest.fixture
def own_scope():
    """A Runner leaves its default scope behind; this takes it away again."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.mark.usefixtures('own_scope')
def test_recipe_trains_and_tests(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = micro(K400['base'], videos, tmp_path)
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


def train_and_test(config: Config, epochs: int = 1) -> dict:
    """What the test of a model says that was trained for a moment; all parameters have to change, and stay finite."""
    config.train_cfg.update(max_epochs=epochs, val_begin=epochs, val_interval=1)
    runner = Runner.from_cfg(config)
    before = {}

    class Remember(Hook):
        def before_train(self, runner: Runner) -> None:
            before.update({name: value.clone() for name, value in runner.model.named_parameters()})

    runner.register_hook(Remember())
    runner.train()
    after = dict(runner.model.named_parameters())
    assert all(value.isfinite().all() for value in after.values())
    unchanged = [name for name, value in after.items() if torch.equal(before[name], value)]
    # what is added to all keys alike does not change attention
    assert not [name for name in unchanged if not name.endswith('pool_k.norm.bias')]
    return runner.test()


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
        ('uniformerv2/uniformerv2-large-p14_k400-pre_16xb4-u16-20e_activitynet-rgb', 'acc/top1'),
        (UNIFORMER_CO_TRAINING, 'k700/top1'),
    ],
)
@pytest.mark.usefixtures('own_scope')
def test_recipe_of_a_family_trains_and_tests(name: str, metric: str, videos: Path, tmp_path: Path) -> None:
    config = micro(ROOT / 'configs' / f'{name}.py', videos, tmp_path)
    if name.startswith('mvit'):
        config.model.backbone.arch['version'] = 2 if name.startswith('mvitv2') else 1
    if name.startswith('uniformerv2'):
        # what begins at zero changes step by step, from behind: the first blocks after five
        config.optim_wrapper.optimizer.lr = 1e-2
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


@pytest.mark.parametrize(
    'name',
    [
        'mvit/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb',
        'mvitv2/mvitv2-large-p244_k600-16x4-pre_64xb2-40x3x1-30e_kinetics600-rgb-312px',
        'mvitv2/mvitv2-large_in1k-pre_8xb8-30e_in1k-384px',
    ],
)
def test_larger_inputs_go_on_from_smaller_ones(name: str, tmp_path: Path) -> None:
    """Positions are resized, all else is the file's, the classifier too."""
    config = read(name)
    earlier = read(f'{name.split("/")[0]}/{config.model.backbone.init_cfg.checkpoint.split("/")[1]}')
    models = []
    for part in (earlier, config):
        part.model.backbone.arch = dict(
            version=2 if 'v2' in name else 1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)
        )
        head_of(part).in_channels = 128
        part.model.pop('data_preprocessor', None)
        for module in (part.model.backbone, head_of(part)):
            if (module.get('init_cfg') or {}).get('type') == 'Pretrained':
                checkpoint = dict(module.init_cfg, checkpoint=str(tmp_path / 'earlier.pth'))
                module.init_cfg = checkpoint if part is config else None
        with DefaultScope.overwrite_default_scope(part.default_scope):
            models.append(MODELS.build(part.model))
        models[-1].init_weights()
        torch.save(dict(state_dict=models[0].state_dict()), tmp_path / 'earlier.pth')
    small, large = (model.state_dict() for model in models)
    resized = {key for key in large if large[key].shape != small[key].shape}
    assert resized and all('pos' in key for key in resized)
    assert all(torch.equal(small[key], large[key]) for key in large if key not in resized)


@pytest.mark.parametrize('heads', [('k400',), ('k400', 'k600', 'k700')])
def test_kinetics_goes_on_from_kinetics_710(heads: tuple[str, ...], tmp_path: Path) -> None:
    """Backbone and classifier are the file's, rows by the names of the classes."""
    datasets = '-'.join(head[1:] for head in heads)
    config = read(f'uniformerv2/uniformerv2-base-p16_k710-pre_8xb32-u8-5e_kinetics{datasets}-rgb')
    earlier = read(f'uniformerv2/{config.model.backbone.init_cfg.checkpoint.split("/")[1]}')
    models = []
    for part in (earlier, config):
        shrink(part)
        part.model.pop('data_preprocessor')
        parts = [part.model.backbone, *part.model.cls_head.get('heads', dict(only=part.model.cls_head)).values()]
        for module in parts:
            init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'earlier.pth'))
            assert part is earlier or module.init_cfg.type == init_cfg['type']
            module.init_cfg = init_cfg if part is config else None
        with DefaultScope.overwrite_default_scope('mmaction'):
            models.append(MODELS.build(part.model))
        models[-1].init_weights()
        if part is earlier:
            for parameter in models[0].parameters():
                nn.init.normal_(parameter)
            torch.save(dict(state_dict=models[0].state_dict()), tmp_path / 'earlier.pth')
    before, after = (model.state_dict() for model in models)
    assert all(torch.equal(before[key], value) for key, value in after.items() if key.startswith('backbone.'))
    for head in heads:
        prefix = 'cls_head' if len(heads) == 1 else f'cls_head.heads.{head}'
        for leaf in ('weight', 'bias'):
            rows = before[f'cls_head.fc_cls.{leaf}'][list(to_k710(head))]
            assert torch.equal(after[f'{prefix}.fc_cls.{leaf}'], rows)


def test_larger_windows_go_on_from_smaller_ones(tmp_path: Path) -> None:
    """Relative positions are resized, all else of the backbone is the file's."""
    config = read(SWIN_STHV2)
    backbones = []
    for part in (read(f'video_swin/{config.model.backbone.init_cfg.checkpoint.split("/")[1]}'), config):
        backbone = part.model.backbone
        backbone.arch = dict(embed_dims=16, num_heads=(1, 1, 1, 1), depths=(1, 2, 1, 1))
        backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'earlier.pth')) if backbones else None
        backbones.append(MODELS.build(backbone))
        backbones[-1].init_weights()
        if backbone.init_cfg is None:
            state = {f'backbone.{key}': value for key, value in backbones[0].state_dict().items()}
            torch.save(dict(state_dict=state), tmp_path / 'earlier.pth')
    small, large = (backbone.state_dict() for backbone in backbones)
    resized = {key for key in large if large[key].shape != small[key].shape}
    assert resized == {f'blocks.{index}.attn.bias_table' for index in range(5)}
    assert all(large[key].std() > 0.005 for key in resized)
    assert all(torch.equal(small[key], large[key]) for key in large if key not in resized)


@pytest.fixture(scope='module')
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two classes of four JPEG files of 300x260."""
    folder = tmp_path_factory.mktemp('images')
    generator = np.random.RandomState(0)
    for index in range(8):
        path = folder / f'class_{index % 2}' / f'{index}.jpg'
        path.parent.mkdir(exist_ok=True)
        picture = cv2.resize(generator.randint(0, 256, (4, 5, 3), dtype=np.uint8), (300, 260))
        assert cv2.imwrite(str(path), picture)
    return folder


def micro_images(name: str, images: Path, work_dir: Path) -> Config:
    """An image recipe on another backbone size and other data, otherwise as it stands."""
    config = read(name)
    config.model.backbone.arch = dict(
        version=2 if name.startswith('mvitv2') else 1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)
    )
    config.model.backbone.init_cfg = None
    config.model.head.in_channels = 128
    for loader in filter(None, (config.train_dataloader, config.val_dataloader, config.test_dataloader)):
        loader.update(num_workers=0, persistent_workers=False, batch_size=4)
        loader.dataset = dict(type='CustomDataset', data_root=str(images), pipeline=loader.dataset.pipeline)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


@pytest.mark.parametrize(
    ('name', 'size'),
    [
        ('mvit/mvit-base-24-wide_64xb64-100e-repeat3_in1k-320px', 320),
        ('mvitv2/mvitv2-tiny_64xb32-300e_in1k', 224),
        ('mvitv2/mvitv2-large_in1k-pre_8xb8-30e_in1k-384px', 384),
        ('mvitv2/mvitv2-huge_in21k-384px-pre_8xb8-3e_in1k-512px', 512),
    ],
)
def test_image_pipelines_give_what_the_model_takes(name: str, size: int, images: Path, tmp_path: Path) -> None:
    for dataset in datasets(micro_images(name, images, tmp_path)):
        assert dataset[1]['inputs'].shape == (3, size, size) and dataset[1]['inputs'].dtype == torch.uint8


@pytest.mark.parametrize('name', ['mvit/mvit-base-16_64xb64-100e-repeat3_in1k', 'mvitv2/mvitv2-tiny_64xb32-300e_in1k'])
@pytest.mark.usefixtures('own_scope')
def test_image_recipe_trains_and_tests(name: str, images: Path, tmp_path: Path) -> None:
    config = micro_images(name, images, tmp_path)
    config.train_cfg.pop('val_begin', None)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert 0 <= train_and_test(config)['accuracy/top1'] <= 100


@pytest.mark.usefixtures('own_scope')
def test_image_recipe_without_validation_trains(images: Path, tmp_path: Path) -> None:
    config = micro_images('mvitv2/mvitv2-small_64xb32-90e_in21k', images, tmp_path)
    config.train_cfg.max_epochs = 1
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        Runner.from_cfg(config).train()
    assert (tmp_path / 'epoch_1.pth').is_file()


SCOPED = """
default_scope = {scope!r}
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
model = dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), input_size=(4, 32, 32))
transform = dict(type='mmhvt.RandAugment')
"""
BUILD = """
import sys
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import MODELS, TRANSFORMS, init_default_scope
config = Config.fromfile(sys.argv[1])
init_default_scope(config.default_scope)
print(type(MODELS.build(config.model)).__module__, TRANSFORMS.build(config.transform))
"""


@pytest.mark.parametrize('scope', ['mmaction', 'mmdet', 'mmpretrain'])
def test_names_resolve_in_every_scope(scope: str, tmp_path: Path) -> None:
    if scope == 'mmdet':
        pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    (tmp_path / 'config.py').write_text(SCOPED.format(scope=scope))
    # a process of its own: nothing of mmhvt is imported yet
    command = [sys.executable, '-c', BUILD, str(tmp_path / 'config.py')]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith('mmhvt.models.backbones.smvit RandAugment(magnitude=7')


NEW_STYLE_BASE = """
from mmaction.models import ActionDataPreprocessor, CrossEntropyLoss, Recognizer3D
from mmhvt.models import RecognitionHead, SMViT

model = dict(
    type=Recognizer3D,
    data_preprocessor=dict(type=ActionDataPreprocessor, mean=[0.0] * 3, std=[1.0] * 3, format_shape='NCTHW'),
    backbone=dict(
        type=SMViT, arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), input_size=(4, 32, 32)),
    cls_head=dict(type=RecognitionHead, num_classes=3, in_channels=128, loss_cls=dict(type=CrossEntropyLoss)))
"""
NEW_STYLE = """
from mmengine.config import read_base

with read_base():
    from .base import *

from torch.optim import AdamW

from mmhvt.datasets.transforms import RandAugment
from mmhvt.engine import LayerDecayOptimWrapperConstructor

model.update(dict(backbone=dict(drop_path_rate=0.1)))
pipeline = [dict(type=RandAugment, num_ops=2)]
optim_wrapper = dict(
    optimizer=dict(type=AdamW, lr=1e-3, weight_decay=0.05),
    constructor=LayerDecayOptimWrapperConstructor,
    paramwise_cfg=dict(layer_decay_rate=0.5))
"""


def test_new_style_config(tmp_path: Path) -> None:
    (tmp_path / 'base.py').write_text(NEW_STYLE_BASE)
    (tmp_path / 'recipe.py').write_text(NEW_STYLE)
    config = Config.fromfile(tmp_path / 'recipe.py')
    config.dump(tmp_path / 'dumped.py')
    for path in ('recipe.py', 'dumped.py'):
        config = Config.fromfile(tmp_path / path)
        model = MODELS.build(config.model)
        assert type(model.backbone).__name__ == 'SMViT'
        assert model.backbone.blocks[-1].drop_path.drop_prob == pytest.approx(0.1)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
        rates = [group['lr'] for group in wrapper.optimizer.param_groups]
        assert min(rates) == pytest.approx(1e-3 * 0.5**5)
        samples = [ActionDataSample().set_gt_label(label) for label in (0, 2)]
        batch = dict(inputs=[torch.zeros(1, 3, 4, 32, 32, dtype=torch.uint8)] * 2, data_samples=samples)
        assert model.train_step(batch, wrapper)['loss'].isfinite()


@pytest.mark.parametrize('name', registry.__all__)
def test_registries_find_their_locations(name: str) -> None:
    found = getattr(registry, name)
    found.import_from_location()
    assert found.scope == 'mmhvt' and found.module_dict
