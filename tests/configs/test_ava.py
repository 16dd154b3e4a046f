"""Recipes of AVA say what the papers say."""

import copy
import re
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from modelindex.load_model_index import load as load_metafile
from torch import nn

from helpers import ROOT
from helpers.ava_recipes import AVA_RECIPES, AVA_SIZE, micro_ava, read_ava
from helpers.detection import ACTION_FAMILIES, last_dims
from helpers.micro_recipes import build_on_meta, by_type
from helpers.recipes import read

FOLDER = ROOT / 'configs/ava'
RECIPES = sorted(path for path in FOLDER.glob('*_ava*.py'))
TRAINED = [path for path in RECIPES if not path.stem.endswith('_full')]

# MViT, D.2; MViTv2, B.6
SGD = dict(
    optimizer='SGD',
    lr=0.6,
    batch_size=512,
    weight_decay=1e-8,
    epochs=30,
    warmup_epochs=5,
    drop_path=0.4,
    layer_decay=None,
    pixels=224,
)
# SMViT, table 13 as published
TABLE_13 = SGD | dict(lr=3.6, batch_size=128, dropout=0.5)
# mmaction2's of VideoMAE: ours
ADAMW = SGD | dict(optimizer='AdamW', lr=1.25e-4, batch_size=64, weight_decay=0.05, epochs=20, drop_path=0.2)
PAPERS = {
    # table 8
    'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb': SGD,
    'mvit-base-p244_k400-pre_64xb8-32x3x1-30e_ava22-rgb': SGD,
    'mvit-base-p244_k400-pre_64xb8-64x3x1-30e_ava22-rgb': SGD,
    'mvit-base-p244_k600-pre_64xb8-16x4x1-30e_ava22-rgb': SGD,
    'mvit-base-p244_k600-pre_64xb8-32x3x1-30e_ava22-rgb': SGD,
    'mvit-base-24-p244_k600-pre_64xb8-32x3x1-30e_ava22-rgb': SGD,
    # mvitv2, table A.2
    'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb': SGD,
    'mvitv2-base-p244_k400-pre_64xb8-32x3x1-30e_ava22-rgb': SGD,
    'mvitv2-base-p244_k600-pre_64xb8-32x3x1-30e_ava22-rgb': SGD,
    'mvitv2-base-p244_k700-pre_64xb8-32x3x1-30e_ava22-rgb': SGD,
    'mvitv2-large-p244_in21k-k700-pre_64xb8-40x3x1-30e_ava22-rgb-312px': SGD | dict(pixels=312),
    # ours
    'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava21-rgb': SGD,
    'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava-kinetics-rgb': SGD,
    # smvit, tables 7 and 13
    'smvit-large-p244_mae-k400-ft-k400-pre_16xb8-16x4x1-30e_ava22-rgb': TABLE_13 | dict(layer_decay=0.875),
    'smvit-huge-p244_mae-k400-ft-k400-pre_32xb4-16x4x1-30e_ava22-rgb': TABLE_13 | dict(layer_decay=0.9),
    # ours
    'video-swin-base-p244-w877_k400-pre_8xb8-32x2x1-20e_ava22-rgb': ADAMW
    | dict(lr=2.5e-4, layer_decay=0.8, drop_path=0.3),
    'uniformerv2-base-p16_k710-k400-pre_8xb8-8x8x1-20e_ava22-rgb': ADAMW | dict(layer_decay=0.75),
}


def test_every_recipe_is_tested() -> None:
    assert {path.stem for path in TRAINED} == set(PAPERS)
    full = {path.stem.removesuffix('_full') for path in set(RECIPES) - set(TRAINED)}
    assert full == {name for name in PAPERS if name.startswith('mvitv2') and 'ava22' in name}


@pytest.mark.parametrize('name', PAPERS)
def test_recipe_is_the_papers(name: str) -> None:
    config = read_ava(name)
    gpus, clips, frames, stride, epochs = map(int, re.search(r'_(\d+)xb(\d+)-(\d+)x(\d+)x1-(\d+)e_', name).groups())
    assert config.train_dataloader.batch_size == clips
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * clips)
    warmup, cosine = config.param_scheduler
    assert (warmup.type, cosine.type) == ('LinearLR', 'CosineAnnealingLR')
    assert warmup.begin == 0 and warmup.end == cosine.begin and cosine.end == config.train_cfg.max_epochs == epochs
    model, optimizer, wanted = config.model, config.optim_wrapper.optimizer, PAPERS[name]
    found = dict(
        optimizer=optimizer.type,
        lr=optimizer.lr,
        batch_size=gpus * clips,
        weight_decay=optimizer.weight_decay,
        epochs=cosine.end,
        warmup_epochs=warmup.end,
        drop_path=model.backbone.drop_path_rate,
        layer_decay=config.optim_wrapper.paramwise_cfg.get('layer_decay_rate'),
        dropout=model.roi_head.bbox_head.dropout_ratio,
    )
    side = wanted['pixels']
    assert found == {key: value for key, value in wanted.items() if key != 'pixels'} | dict(dropout=0.5)
    assert tuple(model.backbone.input_size) == (frames, side, side)

    train, val, test = (
        by_type(loader.dataset.pipeline)
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader)
    )
    for transforms in (train, val, test):
        sample = transforms['mmhvt.SampleKeyFrameClip']
        assert (sample.clip_len, sample.frame_interval, sample.get('target_fps', 30)) == (frames, stride, 30)
    assert train['RandomCrop'].size == side and train['Flip'].flip_ratio == 0.5
    assert train['RandomRescale'].scale_range == ((256, 320) if side == 224 else (356, 446))
    assert val == test and test['Resize'].scale == (-1, side) and test['CenterCrop'].crop_size == side
    # boxes: ground truth and what overlaps it by more than 0.9; a sigmoid for each class
    rcnn, head = model.train_cfg.rcnn, model.roi_head.bbox_head
    assert rcnn.assigner.pos_iou_thr == rcnn.assigner.min_pos_iou == 0.9 and rcnn.sampler.add_gt_as_proposals
    assert head.multilabel and head.num_classes == 81 and 'featmap_stride' not in model.roi_head.bbox_roi_extractor

    version = re.search(r'_ava(.*)-rgb', name)[1]
    folder = 'data/ava_kinetics' if version == '-kinetics' else 'data/ava'
    label = '2.1_for_activitynet_2018' if version == '21' else '2.2_for_activitynet_2019'
    for split, loader in zip(
        ('train', 'val', 'val'), (config.train_dataloader, config.val_dataloader, config.test_dataloader), strict=True
    ):
        files = dict(
            ann_file=f'{folder}/annotations/ava_{split}_v{label[:3]}.csv',
            exclude_file=f'{folder}/annotations/ava_{split}_excluded_timestamps_v{label[:3]}.csv',
            label_file=f'{folder}/annotations/ava_action_list_v{label}.pbtxt',
        )
        data = loader.dataset
        assert {key: data[key] for key in files} == files and data.data_prefix == dict(img=f'{folder}/rawframes')
        assert data.proposal_file == f'{folder}/annotations/ava_dense_proposals_{split}.FAIR.recall_93.9.pkl'
        assert data.type == ('mmhvt.AVAKineticsDataset' if version == '-kinetics' else 'mmhvt.AVADataset')
        assert bool(data.get('test_mode')) == (split == 'val')
    assert config.val_evaluator == config.test_evaluator == dict(files, type='mmhvt.AVAMetric')


@pytest.mark.parametrize('path', sorted(set(RECIPES) - set(TRAINED)), ids=lambda path: path.stem)
def test_full_differs_by_the_crop_of_the_test_alone(path: Path) -> None:
    full, center = read_ava(path.stem), read_ava(path.stem.removesuffix('_full'))
    pipeline = full.test_dataloader.dataset.pipeline
    assert [transform.type for transform in pipeline][3:5] == ['Resize', 'FormatShape']
    pipeline.insert(4, center.test_pipeline[4])
    full.test_pipeline = pipeline
    assert full.to_dict() == center.to_dict()


@pytest.mark.parametrize('name', PAPERS)
def test_recipe_builds(name: str) -> None:
    """With channels and strides of its backbone, features of the whole picture too, and an optimizer for all of it."""
    config = read_ava(name)
    model = build_on_meta(config)
    backbone, head = model.backbone, model.roi_head
    assert head.bbox_head.in_channels == backbone.embed_dims and backbone.training
    ((_, stride, _),) = backbone.out_strides
    assert stride == (16 if name.startswith('uniformerv2') else 32)
    assert head.bbox_roi_extractor.roi_layer.spatial_scale == 1 / stride
    frames, side, _ = backbone.input_size
    for height, width in ((side, side), (side, 10 * side // 7 - 21), (side + 77, side)):
        (features,) = model.extract_feat(torch.empty(1, 3, frames, height, width, device='meta'))
        patch = backbone.patch_stride[-1]
        # patches, halved three times
        sides = [-(-side // patch) for side in (height, width)]
        for _ in range({16: 0, 32: 3}[stride]):
            sides = [-(-side // 2) for side in sides]
        assert features.shape == (1, backbone.embed_dims, frames // backbone.out_strides[0][0], *sides)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        wrapper = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
    optimized = {parameter for group in wrapper.optimizer.param_groups for parameter in group['params']}
    assert {p for p in model.parameters() if p.requires_grad} <= optimized


@pytest.mark.parametrize('name', [name for name in PAPERS if PAPERS[name]['optimizer'] == 'SGD'])
def test_sgd_is_pyslowfasts(name: str) -> None:
    """With Nesterov's momentum, without gradient clipping; SMViT's warm-up starts at 0.01 for each of 16 nodes."""
    config = read_ava(name)
    wrapper, (warmup, _) = config.optim_wrapper, config.param_scheduler
    assert wrapper.optimizer.nesterov and wrapper.optimizer.momentum == 0.9 and 'clip_grad' not in wrapper
    start = warmup.start_factor * wrapper.optimizer.lr
    assert start == pytest.approx(0.16 if name.startswith('smvit') else 0.006)


@pytest.mark.parametrize('family', ['MViT', 'MViTv2', 'SMViT', 'Video Swin'])
def test_regions_are_of_a_normed_map(family: str) -> None:
    """As PySlowFast's for action detection: zeros of the final norm are zeros of the map."""
    backbone = MODELS.build(micro_ava(family).model.backbone).eval()
    nn.init.zeros_(backbone.norm.weight)
    nn.init.zeros_(backbone.norm.bias)
    (features,) = backbone(torch.randn(1, 3, *AVA_SIZE))
    assert not features.any() and backbone.norm.weight.requires_grad


def test_largest_model_is_checkpointed() -> None:
    found = {name for name in PAPERS if read_ava(name).model.backbone.get('with_cp')}
    assert found == {name for name in PAPERS if name.startswith('mvitv2-large')}


@pytest.mark.parametrize('name', [name for name in PAPERS if PAPERS[name]['layer_decay']])
def test_layer_decay_spares_the_head(name: str) -> None:
    config = read_ava(name)
    model = build_on_meta(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        groups = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper)).optimizer.param_groups
    rates = {parameter: group['lr'] for group in groups for parameter in group['params']}
    peak, decay = PAPERS[name]['lr'], PAPERS[name]['layer_decay']
    blocks = len(model.backbone.blocks)
    assert rates[model.roi_head.bbox_head.fc_cls.weight] == pytest.approx(peak)
    assert rates[model.backbone.blocks[-1].mlp.fc1.weight] == pytest.approx(peak * decay)
    assert rates[model.backbone.patch_embed.proj.weight] == pytest.approx(peak * decay ** (blocks + 1))


def test_recipes_start_from_recipes() -> None:
    """What a recipe expects in work_dirs/ is what another leaves there."""
    starts = 0
    for name in PAPERS:
        backbone = read_ava(name).model.backbone
        checkpoint = backbone.init_cfg.checkpoint
        if name.startswith('smvit'):
            size = re.match('smvit-([a-z]+)-', name)[1]
            assert checkpoint == f'https://dl.fbaipublicfiles.com/hiera/hiera_{size}_16x224.pth'
            continue
        _, earlier, file = checkpoint.split('/')
        (config,) = (read(path) for path in (ROOT / 'configs').glob(f'*/{earlier}.py'))
        assert file == f'epoch_{config.train_cfg.max_epochs}.pth'
        for key in ('arch', 'with_cls_token', 'residual_pooling', 'vit', 'temporal_downsample', 'window_size'):
            assert backbone.get(key) == config.model.backbone.get(key), key
        for key in ('mean', 'std'):
            assert read_ava(name).model.data_preprocessor[key] == config.model.data_preprocessor[key]
        started = re.search(r'(k\d+)-pre_', name)[1].replace('k', 'kinetics')
        assert f'_{started}-rgb' in earlier
        # the same clips as far as its table has them
        assert backbone.input_size == config.model.backbone.input_size
        starts += 1
    assert starts == 15


@pytest.mark.parametrize('family', AVA_RECIPES)
def test_recognizers_become_detectors(family: str, tmp_path: Path) -> None:
    """By `init_cfg`: all of the backbone is the file's, but for local UniBlocks, which begin as identities."""
    config, checkpoint = micro_ava(family), tmp_path / 'epoch_1.pth'
    earlier = dict(ACTION_FAMILIES[family], input_size=AVA_SIZE)
    if family == 'UniFormerV2':
        earlier.update(local_layers=None, global_layers='all')
    head = dict(type='mmhvt.RecognitionHead', num_classes=5, in_channels=last_dims(family))
    with DefaultScope.overwrite_default_scope(config.default_scope):
        recognizer = MODELS.build(dict(type='Recognizer3D', backbone=earlier, cls_head=head)).eval()
        recognizer.init_weights()
        torch.save(dict(state_dict=recognizer.state_dict()), checkpoint)
        config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint))
        torch.manual_seed(1)
        detector = MODELS.build(config.model).eval()
        detector.init_weights()
    before, after = recognizer.backbone.state_dict(), detector.backbone.state_dict()
    new = {name for name in after if name not in before}
    assert all('.temporal' in name for name in new) and bool(new) == (family == 'UniFormerV2')
    assert all(torch.equal(before[name], value) for name, value in after.items() if name not in new)
    if new:
        clip, plain = torch.randn(1, 3, *AVA_SIZE), MODELS.build(dict(earlier, out_type='featmap')).eval()
        plain.load_state_dict(before)
        with torch.no_grad():
            torch.testing.assert_close(detector.backbone(clip), plain(clip))


def test_metafile_is_in_the_index() -> None:
    assert 'configs/ava/metafile.yml' in (ROOT / 'model-index.yml').read_text()


def test_metafile_says_what_the_configs_do() -> None:
    metafile = load_metafile(str(FOLDER / 'metafile.yml'))
    readme = (FOLDER / 'README.md').read_text()
    assert {model.name for model in metafile.models} == set(PAPERS)
    # those of the families' own files
    collections = {
        collection.name
        for path in (ROOT / 'configs').glob('*/metafile.yml')
        for collection in load_metafile(str(path)).collections
    }
    for model in metafile.models:
        path, about = ROOT / model.config, model.metadata.data
        assert path.is_file() and model.name == path.stem and f']({path.name})' in readme
        assert model.in_collection in collections
        config = read_ava(model.name)
        batch_size, epochs = re.search(r'xb(\d+)-.*?(\d+)e_', path.stem).groups()
        assert (about['Batch Size'], about['Epochs']) == (int(batch_size), int(epochs))
        assert about['Resolution'] == 'x'.join(map(str, config.model.backbone.input_size[-2:]))
        if 'Parameters' in about:
            parameters = sum(parameter.numel() for parameter in build_on_meta(config).parameters()) / 1e6
            assert parameters == pytest.approx(float(about['Parameters'].rstrip('M')), rel=0.02)
    for path in set(RECIPES) - set(TRAINED):
        assert f']({path.name})' in readme
