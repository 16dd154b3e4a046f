"""Recipes of MViT and MViTv2 say what the papers say."""

import re
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.micro_recipes import by_type, learning_rates
from helpers.recipes import CLASSIFIERS, read

# MViT, D.1
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
# MViTv2, B.4
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
# MViT, D.3 and D.4; MViTv2, B.5: lr, batch, weight decay, epochs, drop path
MVIT_TRANSFER = {
    **{name: (0.02, 512, 1e-4, 100, 0.4) for name in (ROOT / 'configs').glob('mvit*/*u[136]*-100e_sthv2-rgb.py')},
    **{name: (0.02, 512, 1e-4, 40, 0.4) for name in (ROOT / 'configs').glob('mvit*/*u40-40e_sthv2-rgb-312px.py')},
    **{name: (0.6, 256, 1e-7, 200, 0.45) for name in (ROOT / 'configs').glob('mvit*/*charades-rgb.py')},
}
# MViT, D.5; MViTv2, B.2: lr, batch, weight decay, epochs, drop path, blending
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


def test_all_mvit_recipes_are_tested() -> None:
    tested = {ROOT / 'configs' / f'{name}.py' for name in [*MVIT_KINETICS, *MVIT_IMAGE]} | set(MVIT_TRANSFER)
    rest = {path.stem for path in CLASSIFIERS if path.parent.name.startswith('mvit') and path not in tested}
    # tested in ways of their own
    assert rest == {
        'vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb',
        'mvit-base-max-p244_128xb4-16x4x1-200e_kinetics400-rgb_shuffled',
        'vit-base-p16_128xb4-8x8x1-200e_kinetics400-rgb_shuffled',
        'mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb',
    }


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


def test_shuffled_configs_differ_by_shuffling_alone() -> None:
    for path in CLASSIFIERS:
        if path.parent.name == 'mvit' and path.stem.endswith('_shuffled'):
            shuffled, plain = read(path), read(path.with_name(path.name.replace('_shuffled', '')))
            pipeline = shuffled.test_dataloader.dataset.pipeline
            assert [t.type for t in pipeline].index('mmhvt.ShuffleFrames') == 3
            pipeline.pop(3)
            shuffled.test_pipeline = pipeline
            assert shuffled.to_dict() == plain.to_dict()


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
