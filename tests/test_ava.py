"""AVA: recipes say what the papers say, read every annotation format, train and test; and what bad input does."""

import copy
import functools
import pickle
import re
from multiprocessing.pool import ThreadPool
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.evaluation.functional import ava_utils
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import Runner
from modelindex.load_model_index import load as load_metafile
from test_action_detector import FAMILIES, last_dims
from torch import nn

import mmhvt.models.detectors  # noqa: F401
from mmhvt.datasets import SampleKeyFrameClip
from mmhvt.datasets.moving_actors import write_dataset

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'configs/ava'
RECIPES = sorted(path for path in FOLDER.glob('*_ava*.py'))
TRAINED = [path for path in RECIPES if not path.stem.endswith('_full')]

# papers/mvit, D.2; papers/mvitv2, B.6
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
# papers/smvit, table 13
TABLE_13 = SGD | dict(lr=6.0, batch_size=128, dropout=0.5)
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
# the recipe of a family, for tests with tiny models
RECIPE_OF = {
    'MViT': 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb',
    'MViTv2': 'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb',
    'SMViT': 'smvit-large-p244_mae-k400-ft-k400-pre_16xb8-16x4x1-30e_ava22-rgb',
    'Video Swin': 'video-swin-base-p244-w877_k400-pre_8xb8-32x2x1-20e_ava22-rgb',
    'ViT': 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb',
    'UniFormerV2': 'uniformerv2-base-p16_k710-k400-pre_8xb8-8x8x1-20e_ava22-rgb',
}
SIZE = (8, 64, 64)


@functools.cache
def parse(path: Path) -> Config:
    return Config.fromfile(path)


def read(name: str) -> Config:
    """The config of a name under configs/ava."""
    return copy.deepcopy(parse(FOLDER / f'{name}.py'))


def by_type(pipeline: list[dict]) -> dict[str, dict]:
    return {transform.type: transform for transform in pipeline}


def build_on_meta(config: Config) -> nn.Module:
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'):
        return MODELS.build(copy.deepcopy(config.model))


def tiny(family: str) -> Config:
    """The recipe of a family with a tiny backbone and the nine classes of moving actors."""
    config = read(RECIPE_OF[family])
    backbone = config.model.backbone
    if family == 'ViT':
        backbone = dict(drop_path_rate=backbone.drop_path_rate)
    for key in ('init_cfg', 'window_size'):
        backbone.pop(key, None)
    config.model.backbone = dict(backbone) | dict(FAMILIES[family], input_size=SIZE, out_type='featmap')
    config.model.roi_head.bbox_head.update(num_classes=9, in_channels=last_dims(family))
    return config


# what docs/ava.md says of videos
def read_videos(pipeline: list[dict]) -> list[dict]:
    """A pipeline of frames for videos."""
    decode = [transform.type for transform in pipeline].index('RawFrameDecode')
    return [dict(type='mmhvt.DecordInit'), *pipeline[:decode], dict(type='DecordDecode'), *pipeline[decode + 1 :]]


def test_every_recipe_is_tested() -> None:
    assert {path.stem for path in TRAINED} == set(PAPERS)
    full = {path.stem.removesuffix('_full') for path in set(RECIPES) - set(TRAINED)}
    assert full == {name for name in PAPERS if name.startswith('mvitv2') and 'ava22' in name}


@pytest.mark.parametrize('name', PAPERS)
def test_recipe_is_the_papers(name: str) -> None:
    config = read(name)
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
    full, centre = read(path.stem), read(path.stem.removesuffix('_full'))
    pipeline = full.test_dataloader.dataset.pipeline
    assert [transform.type for transform in pipeline][3:5] == ['Resize', 'FormatShape']
    pipeline.insert(4, centre.test_pipeline[4])
    full.test_pipeline = pipeline
    assert full.to_dict() == centre.to_dict()


@pytest.mark.parametrize('name', PAPERS)
def test_recipe_builds(name: str) -> None:
    """With channels and strides of its backbone, features of the whole picture too, and an optimizer for all of it."""
    config = read(name)
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


@pytest.mark.parametrize('name', [name for name in PAPERS if PAPERS[name]['layer_decay']])
def test_layer_decay_spares_the_head(name: str) -> None:
    config = read(name)
    model = build_on_meta(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        groups = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper)).optimizer.param_groups
    rates = {parameter: group['lr'] for group in groups for parameter in group['params']}
    peak, decay = PAPERS[name]['lr'], PAPERS[name]['layer_decay']
    blocks = len(model.backbone.blocks)
    assert rates[model.roi_head.bbox_head.fc_cls.weight] == pytest.approx(peak)
    assert rates[
        model.backbone.blocks[-1].mlp.layers[0][0].weight
        if name.startswith('smvit')
        else next(model.backbone.blocks[-1].mlp.parameters())
    ] == pytest.approx(peak * decay)
    assert rates[model.backbone.patch_embed.proj.weight] == pytest.approx(peak * decay ** (blocks + 1))


def test_recipes_start_from_recipes() -> None:
    """What a recipe expects in work_dirs/ is what another leaves there."""
    starts = 0
    for name in PAPERS:
        backbone = read(name).model.backbone
        checkpoint = backbone.init_cfg.checkpoint
        if name.startswith('smvit'):
            size = re.match('smvit-([a-z]+)-', name)[1]
            assert checkpoint == f'https://dl.fbaipublicfiles.com/hiera/hiera_{size}_16x224.pth'
            continue
        _, earlier, file = checkpoint.split('/')
        (config,) = (parse(path) for path in (ROOT / 'configs').glob(f'*/{earlier}.py'))
        assert file == f'epoch_{config.train_cfg.max_epochs}.pth'
        for key in ('arch', 'with_cls_token', 'residual_pooling', 'vit', 'temporal_downsample', 'window_size'):
            assert backbone.get(key) == config.model.backbone.get(key), key
        for key in ('mean', 'std'):
            assert read(name).model.data_preprocessor[key] == config.model.data_preprocessor[key]
        started = re.search(r'(k\d+)-pre_', name)[1].replace('k', 'kinetics')
        assert f'_{started}-rgb' in earlier
        # the same clips as far as its table has them
        assert backbone.input_size == config.model.backbone.input_size
        starts += 1
    assert starts == 15


@pytest.mark.parametrize('family', RECIPE_OF)
def test_recognizers_become_detectors(family: str, tmp_path: Path) -> None:
    """By `init_cfg`: all of the backbone is the file's, but for local UniBlocks, which begin as identities."""
    config, checkpoint = tiny(family), tmp_path / 'epoch_1.pth'
    earlier = dict(FAMILIES[family], input_size=SIZE)
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
        clip, plain = torch.randn(1, 3, *SIZE), MODELS.build(dict(earlier, out_type='featmap')).eval()
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
        config = read(model.name)
        batch_size, epochs = re.search(r'xb(\d+)-.*?(\d+)e_', path.stem).groups()
        assert (about['Batch Size'], about['Epochs']) == (int(batch_size), int(epochs))
        assert about['Resolution'] == 'x'.join(map(str, config.model.backbone.input_size[-2:]))
        if 'Parameters' in about:
            parameters = sum(parameter.numel() for parameter in build_on_meta(config).parameters()) / 1e6
            assert parameters == pytest.approx(float(about['Parameters'].rstrip('M')), rel=0.02)
    for path in set(RECIPES) - set(TRAINED):
        assert f']({path.name})' in readme


def loaders(config: Config) -> list[dict]:
    return [config.train_dataloader, config.val_dataloader, config.test_dataloader]


@pytest.fixture(scope='module')
def actors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of four key frames to train on, and one to test."""
    folder = tmp_path_factory.mktemp('actors')
    write_dataset(folder / 'data', videos=1, val_videos=1, seconds=5, processes=1)
    return folder / 'data'


def on_actors(config: Config, actors: Path, work_dir: Path) -> Config:
    """The recipe as it stands, on smaller clips of moving actors."""
    annotations = actors / 'annotations'
    for split, loader in zip(('train', 'val', 'val'), loaders(config), strict=True):
        files = dict(
            ann_file=str(annotations / f'moving_actors_{split}.csv'),
            exclude_file=str(annotations / f'moving_actors_{split}_excluded_timestamps.csv'),
            label_file=str(annotations / 'moving_actors_action_list.pbtxt'),
            num_classes=9,
        )
        transforms = by_type(loader.dataset.pipeline)
        transforms['mmhvt.SampleKeyFrameClip'].update(clip_len=SIZE[0], frame_interval=2, target_fps=16)
        small = dict(
            RandomRescale=dict(scale_range=(72, 90)),
            RandomCrop=dict(size=64),
            Resize=dict(scale=(-1, 72)),
            CenterCrop=dict(crop_size=64),
        )
        for name, change in small.items():
            if name in transforms:
                transforms[name].update(change)
        loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 4))
        loader.dataset.update(
            files,
            use_frames=False,
            timestamp_start=0,
            data_prefix=dict(img=str(actors / f'videos_{split}')),
            proposal_file=str(annotations / f'moving_actors_proposals_{split}.pkl'),
            pipeline=read_videos(loader.dataset.pipeline),
        )
        if split == 'val':
            config.val_evaluator = config.test_evaluator = dict(files, type='mmhvt.AVAMetric')
    config.train_cfg.update(max_epochs=1, val_begin=2)
    config.work_dir, config.randomness = str(work_dir), dict(seed=0)
    return config


@pytest.mark.parametrize('family', RECIPE_OF)
def test_recipe_trains_and_tests(family: str, actors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of training on four clips reaches the patch embedding, and AVAMetric evaluates four others."""
    # in place of 32 processes
    monkeypatch.setattr(ava_utils.multiprocessing, 'Pool', lambda _: ThreadPool(1))
    config = on_actors(tiny(family), actors, tmp_path)
    with DefaultScope.overwrite_default_scope(config.default_scope):  # a runner leaves its own behind
        runner = Runner.from_cfg(config)
        gradients = []
        weight = runner.model.backbone.patch_embed.proj.weight
        weight.register_hook(lambda gradient: gradients.append(gradient.abs().sum()))
        runner.train()
        assert len(gradients) == runner.iter == 1 and gradients[0] > 0
        assert all(parameter.isfinite().all() for parameter in runner.model.parameters())
        assert 0 <= runner.test()['mAP/overall'] <= 1
        assert len(runner.test_dataloader.dataset) == 4


VIDEO, OTHER, KINETICS = '0f39OWEqJ24', '_-Z6wFjXtGQ', 'o3lCwWyyc_s_000012_000022'
ITEM = 'item {{\n  name: "{}"\n  id: {}\n}}\n'
LABEL = 'label {{\n  name: "{}"\n  label_id: {}\n  label_type: PERSON_MOVEMENT\n}}\n'
# video, second: boxes with their actions
TRUTH = {
    (VIDEO, 902): {(0.4, 0.2, 0.55, 0.6): [12, 17, 79], (0.2, 0.3, 0.3, 0.8): [80]},
    (VIDEO, 906): {(0.45, 0.2, 0.6, 0.6): [12, 1]},
    (OTHER, 902): {(0.5, 0.25, 0.625, 0.75): [11]},
}
ON_KINETICS = {(KINETICS, 17): {(0.25, 0.25, 0.5, 0.5): [11, 80]}}
# of the detector, with confidences
FOUND = np.array(
    [[0.4, 0.2, 0.55, 0.6, 0.99], [0.02, 0.3, 0.3, 0.8, 0.85], [0.9, 0.9, 1.0, 1.0, 0.82], [0, 0, 1, 1, 0.5]]
)
PROPOSALS = {
    f'{VIDEO},0902': FOUND,
    f'{OTHER},0902': np.array([[0.0, 0.0, 0.1, 0.1, 0.1], [0.5, 0.25, 0.625, 0.75, 0.4]]),
    'o3lCwWyyc_s,0017': np.array([[0.25, 0.25, 0.5, 0.5, 0.95]]),
}
PICTURE = (160, 90)


def write_frames(folder: Path, video: str, second: int, start: int, boxes: list) -> None:
    """Frames about a key frame, whose grey level tells how far it is. What is in a box is white."""
    (folder / video).mkdir(parents=True, exist_ok=True)
    key = (second - start) * 30 + 1
    for number in range(key - 32, key + 33):
        picture = np.full((*PICTURE[::-1], 3), 100 + 2 * (number - key), np.uint8)
        for box in boxes:
            left, top, right, bottom = (np.array(box) * [*PICTURE, *PICTURE]).round().astype(int)
            picture[top:bottom, left:right] = 255
        assert cv2.imwrite(str(folder / video / f'img_{number:05d}.jpg'), picture)


def lines(truth: dict) -> str:
    return ''.join(
        f'{video},{second:04d},{",".join(f"{side:.3f}" for side in box)},{action},{person}\n'
        for (video, second), people in truth.items()
        for person, (box, actions) in enumerate(people.items())
        for action in actions
    )


@pytest.fixture(scope='module')
def ava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ava and data/ava_kinetics in the published formats. v2.1 excludes another key frame."""
    root = tmp_path_factory.mktemp('ava')
    for name in ('ava', 'ava_kinetics'):
        folder = root / 'data' / name / 'annotations'
        folder.mkdir(parents=True)
        for version, excluded, item in (('2.1', f'{OTHER},0902\n', LABEL), ('2.2', f'{VIDEO},0906\n', ITEM)):
            year = dict([('2.1', 2018), ('2.2', 2019)])[version]
            names = folder / f'ava_action_list_v{version}_for_activitynet_{year}.pbtxt'
            names.write_text(''.join(item.format(f'action {i}', i) for i in (1, 11, 12, 17, 79, 80)))
            for split in ('train', 'val'):
                merged = TRUTH | (ON_KINETICS if (name, split) == ('ava_kinetics', 'train') else {})
                (folder / f'ava_{split}_v{version}.csv').write_text(lines(merged))
                (folder / f'ava_{split}_excluded_timestamps_v{version}.csv').write_text(excluded)
        for split in ('train', 'val'):
            path = folder / f'ava_dense_proposals_{split}.FAIR.recall_93.9.pkl'
            path.write_bytes(pickle.dumps(PROPOSALS))
        for (video, second), people in (TRUTH | ON_KINETICS).items():
            write_frames(folder.parent / 'rawframes', video, second, 12 if video == KINETICS else 900, list(people))
    return root


def build(loader: dict, monkeypatch: pytest.MonkeyPatch, ava: Path) -> object:
    monkeypatch.chdir(ava)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return DATASETS.build(copy.deepcopy(loader.dataset))


@pytest.mark.parametrize('version', ['ava21', 'ava22', 'ava-kinetics'])
def test_annotations_of_every_version(version: str, ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read(f'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_{version}-rgb')
    for split, loader in zip(('train', 'val', 'test'), loaders(config), strict=True):
        excluded = (OTHER, 902) if version == 'ava21' else (VIDEO, 906)
        merged = TRUTH | (ON_KINETICS if (version, split) == ('ava-kinetics', 'train') else {})
        merged = {key: people for key, people in merged.items() if key != excluded}
        dataset = build(loader, monkeypatch, ava)
        assert len(dataset) == len(merged)
        for sample, ((video, second), people) in zip(dataset, merged.items(), strict=True):
            clip, data = sample['inputs'], sample['data_samples']
            assert (data.video_id, data.timestamp) == (video, second)
            assert clip.shape == (3, 16, 224, 224) and clip.dtype == torch.uint8
            # frames of their time, by the ground that they show
            grey = clip.float().flatten(2).quantile(0.1, 2).mean(0)
            np.testing.assert_allclose(grey, 100 + 2 * (np.arange(16) - 8) * 4, atol=2)

            actions = [torch.zeros(81).index_fill(0, torch.tensor(own), 1.0) for own in people.values()]
            assert torch.equal(data.gt_instances.labels, torch.stack(actions))
            # boxes follow the pictures: what is left of them is white, and so is nothing else
            inside = torch.zeros(224, 224, dtype=torch.bool)
            for left, top, right, bottom in data.gt_instances.bboxes.round().int().tolist():
                inside[top : bottom + 1, left : right + 1] = True
            white = (clip[:, 8] > 200).all(0)
            assert (white != inside).float().mean() < 0.03

            key = f'{"_".join(video.split("_")[:-2]) if video == KINETICS else video},{second:04d}'
            found = PROPOSALS.get(key, np.array([[0, 0, 1, 1, 1]]))
            kept = found[found[:, 4] >= min(0.8, found[:, 4].max()), :4]  # the best if none is good
            assert len(data.proposals.bboxes) == len(kept)
            if split != 'train':
                np.testing.assert_allclose(data.whole_proposals, kept)


def test_centre_and_whole_picture(ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A centre crop shows parts of boxes, and scores are for whole ones; the whole picture shows all."""
    name = 'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb'
    centre, full = (build(read(each).test_dataloader, monkeypatch, ava)[0] for each in (name, f'{name}_full'))
    assert centre['inputs'].shape[-2:] == (224, 224) and full['inputs'].shape[-2:] == (224, 398)
    assert torch.equal(full['inputs'][..., 87 : 87 + 224], centre['inputs'])
    whole = FOUND[:3, :4]  # the last is outside the crop
    pixels = torch.tensor(whole * [398, 224, 398, 224])
    torch.testing.assert_close(full['data_samples'].proposals.bboxes.double(), pixels, atol=1e-3, rtol=0)
    cut = (pixels - torch.tensor([87, 0, 87, 0])).clamp(0, 223)
    assert cut[2].tolist() == [223, pytest.approx(201.6), 223, 223]
    torch.testing.assert_close(centre['data_samples'].proposals.bboxes.double(), cut, atol=1e-3, rtol=0)

    config = tiny('MViTv2')
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model).eval()
    for sample in (centre, full):
        (done,) = model.test_step(dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']]))
        np.testing.assert_allclose(done.pred_instances.bboxes, whole, atol=1e-6)
        assert done.pred_instances.scores.isfinite().all()


def test_videos_are_read_as_the_docs_say(ava: Path, tmp_path: Path) -> None:
    """The configuration in docs/ava.md is the recipe on videos of 15 minutes."""
    (text,) = re.findall(r'```python\n(_base_ = .*?videos_15min.*?)```', (ROOT / 'docs/ava.md').read_text(), re.S)
    (tmp_path / 'config.py').write_text(text.replace("_base_ = '", f"_base_ = '{FOLDER}/"))
    config = Config.fromfile(tmp_path / 'config.py')
    plain = Config.fromfile(re.search(r"_base_ = '(.*)'", (tmp_path / 'config.py').read_text())[1])
    for loader, frames in zip(loaders(config), loaders(plain), strict=True):
        assert loader.dataset.pipeline == read_videos(frames.dataset.pipeline)
        assert not loader.dataset.use_frames and loader.dataset.data_prefix == dict(img='data/ava/videos_15min')
        assert loader.dataset.ann_file == frames.dataset.ann_file
        assert loader.dataset.get('timestamp_start', 900) == 900


@pytest.mark.parametrize('version', ['ava22', 'ava-kinetics'])
@pytest.mark.parametrize('found', [{}, {f'{VIDEO},0906': np.zeros((0, 5))}], ids=['no key', 'no box'])
def test_nobody_was_found_in_a_key_frame(
    found: dict, version: str, ava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mmaction2 takes the whole picture for a person."""
    loader = read(f'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_{version}-rgb').test_dataloader
    loader.dataset.update(exclude_file=str(tmp_path / 'none.csv'), proposal_file=str(tmp_path / 'proposals.pkl'))
    (tmp_path / 'none.csv').touch()
    (tmp_path / 'proposals.pkl').write_bytes(pickle.dumps(PROPOSALS | found))
    sample = build(loader, monkeypatch, ava)[1]['data_samples']
    assert sample.timestamp == 906 and sample.whole_proposals.tolist() == [[0, 0, 1, 1]]
    assert sample.proposals.bboxes.tolist() == [[0, 0, 223, 223]]


def test_no_proposals_at_all(ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = read('mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb').test_dataloader
    loader.dataset.proposal_file = None
    with pytest.raises(ValueError, match=f'key frame {VIDEO},0902 has no proposals: give the dataset a proposal_file'):
        build(loader, monkeypatch, ava)[0]


@pytest.mark.parametrize('part', ['model.roi_head.bbox_head', 'train_dataloader.dataset', 'val_evaluator'])
def test_numbers_of_classes_that_differ(part: str, actors: Path, tmp_path: Path) -> None:
    config = on_actors(tiny('SMViT'), actors, tmp_path)
    config.merge_from_dict({f'{part}.num_classes': 12})
    with DefaultScope.overwrite_default_scope(config.default_scope):
        runner = Runner.from_cfg(config)
        with pytest.raises(ValueError, match='bbox_head has num_classes=.* has num_classes=.*: they must be equal'):
            runner.train()


def test_proposals_outside_the_picture(ava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = read('mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb').test_dataloader
    wrong = tmp_path / 'outside.pkl'
    wrong.write_bytes(pickle.dumps({f'{VIDEO},0902': np.array([[0.1, 0.1, 1.2, 0.5, 0.9]])}))
    loader.dataset.proposal_file = str(wrong)
    with pytest.raises(ValueError, match=rf"outside\.pkl, key '{VIDEO},0902' has the box \[0.1, 0.1, 1.2, 0.5\]"):
        build(loader, monkeypatch, ava)[0]


def test_frames_that_are_not_there(ava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong timestamp_start, and a video that ends early."""
    loader = read('mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb').train_dataloader
    for start, message in ((903, 'which is -1 s from its start'), (0, 'key frame at timestamp 902, which is 902 s')):
        loader.dataset.timestamp_start, loader.dataset.timestamp_end = start, start + 900
        with pytest.raises(ValueError, match=f'rawframes/{VIDEO} lasts 900.0 s and has no .*{message}'):
            build(loader, monkeypatch, ava)[0]
    loader.dataset.timestamp_start, loader.dataset.timestamp_end = (
        901,
        1801,
    )  # off by a second: there are no such frames
    with pytest.raises(FileNotFoundError, match=f'rawframes/{VIDEO}/img_000'):
        build(loader, monkeypatch, ava)[0]


def test_clips_at_the_ends_of_frames() -> None:
    """They repeat the first or last frame, of AVA's and of AVA-Kinetics' numbering."""
    sample = SampleKeyFrameClip(clip_len=8, frame_interval=10)
    ava = dict(timestamp_start=900, fps=30, shot_info=(0, 300), start_index=1, frame_dir='a')
    kinetics = dict(timestamp_start=900, fps=30, shot_info=(1, 301), start_index=0, frame_dir='a')
    for results in (ava, kinetics):
        begin, end = (sample(dict(results, timestamp=time))['frame_inds'].tolist() for time in (901, 909))
        assert begin == [1, 1, 11, 21, 31, 41, 51, 61] and end == [231, 241, 251, 261, 271, 281, 291, 300]
        first = results['shot_info'][0]
        short = dict(results, timestamp=900, shot_info=(first, first + 3))  # shorter than the clip
        assert sample(short)['frame_inds'].tolist() == [1, 1, 1, 1, 1, 3, 3, 3]
