"""Recipes of UniFormerV2 say what the paper says."""

import re
from pathlib import Path

import pytest
from mmengine.optim import build_optim_wrapper

from helpers import ROOT
from helpers.micro_recipes import build_on_meta, by_type, dataset_of, head_of, learning_rates
from helpers.recipes import CLASSIFIERS, UNIFORMER_STHV2, fit_device, read
from mmhvt.analysis.recipes import Recipes
from mmhvt.datasets.labels import configured_classes
from mmhvt.migrate import get_source

# UniFormerV2, table 11, where columns differ: by what is trained on what; a batch is of videos. What is the same in all
# columns stands in configs/uniformerv2/recipes.yml.
PLAIN = dict(warmup_epochs=5, repeats=1, drop_path=0.0, global_drop_path=0.0)
UNTRIMMED = PLAIN | dict(repeats=2, drop_path=0.2, global_drop_path=0.4)
TABLE_11 = dict(
    k710=dict(
        base=PLAIN | dict(batch_size=512, lr=2e-5, epochs=55),
        large=PLAIN | dict(batch_size=512, lr=1e-5, epochs=40),
        # appendix A; epochs of the released code
        frozen=PLAIN | dict(batch_size=512, lr=4e-4, epochs=50, warmup_epochs=0),
    ),
    kinetics=dict(
        base=PLAIN | dict(batch_size=256, lr=2e-6, epochs=5, warmup_epochs=1),
        large=PLAIN | dict(batch_size=256, lr=1.5e-6, epochs=5, warmup_epochs=1),
        # the released code; 8 and 32 frames
        frozen=PLAIN | dict(batch_size=(512, 256), lr=5e-5, epochs=5, warmup_epochs=1),
    ),
    mit=dict(
        base=PLAIN | dict(batch_size=512, lr=2e-5, epochs=24),
        large=PLAIN | dict(batch_size=512, lr=1e-5, epochs=18),
    ),
    untrimmed=dict(large=UNTRIMMED | dict(batch_size=64, lr=5e-6, epochs=20)),
    sth=dict(
        base=UNTRIMMED | dict(batch_size=128, lr=4e-5, epochs=22),
        large=UNTRIMMED | dict(batch_size=128, lr=2e-5, epochs=15),
    ),
)
VITS = {'in21k': 'vit', 'deit3-in21k': 'deit3', 'dino-in1k': 'vit', 'mae-in1k': 'vit', 'beit-in22k': 'beit'}
# of which the paper has no result, but others begin with them
STARTS = ('kinetics710', 'k710-pre_32xb8-u8-5e_kinetics400-rgb-336px')
RECIPES = Recipes(ROOT / 'configs')
UNIFORMERS = [path for path in CLASSIFIERS if path.parent.name == 'uniformerv2' and 'micro' not in path.stem]


def test_all_but_starts_have_a_result_in_the_paper() -> None:
    without = [path for path in UNIFORMERS if 'top1' not in RECIPES.printed(path)]
    assert len(without) == 5 and all(any(name in path.name for name in STARTS) for path in without)


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
    expected = dict(TABLE_11[column][size])
    if isinstance(expected['batch_size'], tuple):
        expected['batch_size'] = expected['batch_size'][frames == 32]
    if (size, start) == ('large', 'beit-in22k'):
        expected['epochs'] = 55  # table 1

    data, backbone, optimizer = (
        dataset_of(config.train_dataloader),
        config.model.backbone,
        config.optim_wrapper.optimizer,
    )
    train, cosine = by_type(data.pipeline), config.param_scheduler[-1]
    assert (optimizer.type, cosine.type) == ('AdamW', 'CosineAnnealingLR')
    found = dict(
        lr=optimizer.lr,
        warmup_epochs=cosine.begin,
        epochs=cosine.end,
        batch_size=batch_size // data.num_repeats,
        repeats=data.num_repeats,
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
    assert f'-p{backbone.get("patch_size", 16 if size == "base" else 14)}' in path.name
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
    views = f'{crops}×{test["UniformSample"].get("num_clips", 1)}'
    assert views == RECIPES.printed(path).get('views', '3×4')
    types = dict(activitynet='Segment', hacs='Segment', sthv1='Rawframe').get(dataset, 'RepeatAug')
    assert data.type == f'mmhvt.{types.replace("Segment", "SegmentVideo")}Dataset'
    assert tested.type == ('mmhvt.RawframeDataset' if dataset == 'sthv1' else 'mmhvt.VideoDataset')
    assert ('segments' in data.ann_file) == (column == 'untrimmed')
    assert ('rawframes' if dataset == 'sthv1' else 'videos') in tested.ann_file
    # slowfast/datasets/sth.py: one decoded clip, augmented twice
    assert data.get('sample_once', False) == (data.num_repeats > 1)
    # tools/train_net.py; MODEL.USE_CHECKPOINT of exp/
    assert (config.optim_wrapper.type, config.optim_wrapper.dtype) == ('AmpOptimWrapper', 'float16')
    recomputed = size == 'large' and (column in ('sth', 'untrimmed') or (pixels == 336 and dataset != 'kinetics710'))
    assert backbone.get('with_cp', False) == recomputed

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
        'beit-in22k': f'/beit_{size}_patch16_224_pt22k_ft22k',
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


def test_what_has_several_axes_in_the_released_code_decays() -> None:
    """slowfast/models/optimizer.py leaves out what has one: norms, biases, α and the class token."""
    config = read(UNIFORMER_STHV2)
    fit_device(config)
    model = build_on_meta(config)
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    decays = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    found = {name: decays[id(p)] for name, p in model.named_parameters()}
    assert set(found.values()) == {0.0, 0.05}
    theirs = get_source('uniformerv2.opengvlab').export(model.state_dict())
    axes = {name: value.ndim for name, value in theirs.items()}
    expected = {
        # of the table and of the tensors that ours splits
        'backbone.pos_embed.cls': axes['positional_embedding'],
        'backbone.pos_embed.spatial': axes['positional_embedding'],
        'backbone.cls_token': axes['class_embedding'],
        'backbone.fusion.queries': axes['transformer.temporal_cls_token'],
        'backbone.alpha_logit': axes['transformer.balance'],
        'backbone.blocks.0.temporal1.value.weight': axes['transformer.resblocks.0.lmhra1.pos_embed.1.weight'],
        'backbone.blocks.0.temporal1.norm.weight': axes['transformer.resblocks.0.lmhra1.pos_embed.0.weight'],
        'backbone.fusion.blocks.0.dpe.conv.weight': axes['transformer.dpe.0.weight'],
        'cls_head.fc_cls.weight': axes['transformer.proj.2.weight'],
    }
    assert {name: found[name] > 0 for name in expected} == {name: count > 1 for name, count in expected.items()}
    rest = found.keys() - expected.keys()
    shapes = dict(model.named_parameters())
    assert {name for name in rest if found[name] > 0} == {name for name in rest if shapes[name].ndim > 1}


def test_something_something_takes_a_start_on_kinetics() -> None:
    """Table 13: the model of table 9a's last row has the parameters of that of Something-Something, positions too."""
    start = 'uniformerv2/ablations/uniformerv2-base-p16_clip-pre_16xb32-u16-55e_kinetics400-rgb_all-designs'
    options = {result.options.get('model.backbone.init_cfg.checkpoint') for result in RECIPES.results}
    assert f'work_dirs/{start.rpartition("/")[2]}/epoch_{read(start).train_cfg.max_epochs}.pth' in options
    models = [build_on_meta(read(name)).backbone.state_dict() for name in (start, UNIFORMER_STHV2)]
    shapes = [{name: value.shape for name, value in model.items()} for model in models]
    assert shapes[0] == shapes[1]


def test_frozen_uniformerv2_trains_global_blocks_and_classifier() -> None:
    config = read('uniformerv2/uniformerv2-large-p14-frozen_k710-pre_32xb16-u8-5e_kinetics400-rgb-336px')
    trained = {name for name, parameter in build_on_meta(config).named_parameters() if parameter.requires_grad}
    parts = {'.'.join(name.split('.')[:2]) for name in trained}
    assert parts == {'backbone.fusion', 'backbone.norm', 'cls_head.fc_cls'}


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
