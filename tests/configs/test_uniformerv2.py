"""Recipes of UniFormerV2 say what the paper says."""

import re
from pathlib import Path

import pytest

from helpers.micro_recipes import build_on_meta, by_type, dataset_of, head_of, learning_rates
from helpers.recipes import CLASSIFIERS, read
from mmhvt.datasets.labels import configured_classes

# UniFormerV2, table 11: by what is trained on what
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
UNTRIMMED = UNIFORMER | dict(repeats=2, drop_path=0.2, global_drop_path=0.4)
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
    untrimmed=dict(large=UNTRIMMED | dict(batch_size=64, lr=5e-6, epochs=20)),
    sth=dict(
        base=UNTRIMMED | dict(batch_size=128, lr=4e-5, epochs=22),
        large=UNTRIMMED | dict(batch_size=128, lr=2e-5, epochs=15),
    ),
)
# UniFormerV2, tables 16 to 19 and, of other ViTs, table 8: (size, pixels, start) -> frames, crops, clips
VITS = {'in21k': 'vit', 'deit3-in21k': 'deit3', 'dino-in1k': 'vit', 'mae-in1k': 'vit', 'beit-in22k': 'beit'}
KINETICS = {
    ('base', 224, 'clip'): [(8, 3, 4)],
    ('large', 224, 'clip'): [(8, 3, 4)],
    ('frozen', 336, 'clip'): [(8, 1, 3)],
    ('base', 224, 'k710'): [(8, 3, 4)],
    ('large', 224, 'k710'): [(8, 3, 4), (16, 3, 4), (32, 3, 2)],
    ('large', 336, 'k710'): [(32, 3, 2), (64, 3, 2)],
    ('frozen', 336, 'k710'): [(8, 1, 3), (32, 3, 1)],
}
STH = {('base', 224, 'clip'): [(16, 3, 1), (32, 3, 1)], ('large', 224, 'clip'): [(16, 3, 1), (32, 3, 1)]}
UNIFORMER_VIEWS = {
    # no result in the paper
    'kinetics710': {
        (size, pixels, 'clip'): [(8, 3, 4)]
        for size, pixels in (('base', 224), ('large', 224), ('large', 336), ('frozen', 336))
    },
    'kinetics400': KINETICS | {('base', 224, start): [(8, 3, 4)] for start in VITS},
    'kinetics600': KINETICS,
    'kinetics700': KINETICS,
    'kinetics400-600-700': {('base', 224, start): [(8, 3, 4)] for start in ('clip', 'k710')},
    'mit': {
        ('base', 224, 'clip'): [(8, 3, 4), (32, 3, 4)],
        **{('base', 224, start): [(8, 3, 4)] for start in ('k710', 'k710-k400', 'k710-k700')},
        ('large', 224, 'clip'): [(8, 3, 4), (16, 3, 4), (32, 3, 4)],
        **{('large', 224, start): [(8, 3, 4)] for start in ('k710', 'k710-k400')},
        **{('large', 336, start): [(8, 3, 4)] for start in ('clip', 'k710', 'k710-k400')},
    },
    'sthv1': STH,
    'sthv2': STH | {('base', 224, start): [(16, 3, 1)] for start in VITS},
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
UNIFORMERS = [path for path in CLASSIFIERS if path.parent.name == 'uniformerv2' and 'micro' not in path.stem]


def test_all_uniformerv2_recipes_are_tested() -> None:
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
    assert parts == {'backbone.fusion', 'backbone.alpha_logit', 'backbone.norm', 'cls_head.fc_cls'}


@pytest.mark.parametrize('start', ['clip', 'k710'])
def test_co_training_has_a_head_and_a_dataset_for_each_kinetics(start: str) -> None:
    (path,) = (path for path in UNIFORMERS if about_uniformer(path)[::3] == ('kinetics400-600-700', start))
    config = read(path)
    heads = config.model.cls_head.heads
    assert {name: head.num_classes for name, head in heads.items()} == dict(k400=400, k600=600, k700=700)
    assert all(head.get('labels') == (f'k710->{name}' if start == 'k710' else None) for name, head in heads.items())
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        parts = {dataset.pipeline[-1].name: dataset for dataset in loader.dataset.datasets}
        classes = {name: len(configured_classes(dataset)) for name, dataset in parts.items()}
        assert classes == dict(k400=400, k600=600, k700=700)
        for name, dataset in parts.items():
            assert f'/kinetics{classes[name]}_' in dataset.ann_file
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
