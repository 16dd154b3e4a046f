"""Recipes of SMViT's pre-training and fine-tuning say what the paper says, and train."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from modelindex.load_model_index import load as load_metafile

from helpers import ROOT
from helpers.micro_recipes import build_on_meta, by_type, learning_rates
from helpers.recipes import SMVIT_LARGE_ON_KINETICS, read

SIZES = dict(base=51, baseplus=70, large=213, huge=672)  # table 2: M parameters
ARCHS = dict(base='base', baseplus='base_plus', large='large', huge='huge')
TRANSFER = dict(inat2017=5089, inat2018=8142, inat2019=1010, places365=365)

# table 11(a); drop path by size, of which B+ is as B
KINETICS_MAE = dict(
    optimizer='AdamW',
    betas=(0.9, 0.95),
    weight_decay=0.05,
    lr=8e-4,
    warmup_epochs=120,
    epochs=1600,
    repeated_sampling=4,
    batch_size=512,
    decoder_depth=8,
    clip_grad=None,
    mask_ratio=0.9,
    crop=(0.5, 1.0),
    flip=0.5,
)
STHV2_MAE = KINETICS_MAE | dict(
    warmup_epochs=30, repeated_sampling=1, batch_size=1024, clip_grad=0.02, drop_path=0.2, flip=None
)
IMAGENET_MAE = KINETICS_MAE | dict(
    warmup_epochs=40, repeated_sampling=1, batch_size=4096, mask_ratio=0.6, crop=(0.2, 1.0)
)
DROP_PATH = dict(base=0.1, baseplus=0.1, large=0.2, huge=0.3)
DROP_PATH_IMAGES = dict(base=0.2, baseplus=0.2, large=0.2, huge=0.3)
K400_MAE = dict(base='32xb16', baseplus='32xb16', large='64xb8', huge='64xb8')
IN1K_MAE = dict(base='32xb128', baseplus='32xb128', large='64xb64', huge='64xb64')
MAE = {
    **{
        f'mae_smvit-{size}-p244_{gpus}-16x4x1-1600e_kinetics400-rgb': KINETICS_MAE | dict(drop_path=DROP_PATH[size])
        for size, gpus in K400_MAE.items()
    },
    **{
        f'mae_smvit-large-p244_64xb8-16x4x1-{epochs}e_kinetics{k}00-rgb': KINETICS_MAE
        | dict(drop_path=0.2, epochs=epochs)
        for k, epochs in ((4, 3200), (6, 1600), (7, 1600))
    },
    'mae_smvit-large-p244_64xb16-u16-1600e_sthv2-rgb': STHV2_MAE,
    # table A1(a)
    **{
        f'mae_smvit-{size}_{gpus}-1600e_in1k': IMAGENET_MAE | dict(drop_path=DROP_PATH_IMAGES[size])
        for size, gpus in IN1K_MAE.items()
    },
}
# table 11(b)
KINETICS = dict(SMVIT_LARGE_ON_KINETICS, optimizer='AdamW')
# table 12(b)
STHV2 = KINETICS | dict(
    optimizer='SGD',
    lr=0.16,
    weight_decay=1e-4,
    warmup_epochs=3,
    epochs=40,
    repeated_sampling=1,
    drop_path=0.1,
    layer_decay=0.875,
)
VIDEO = {
    'smvit-baseplus-p244_mae-k400-pre_16xb16-16x4x1-150e_kinetics400-rgb': KINETICS
    | dict(epochs=150, dropout=0.3, layer_decay=0.85),
    'smvit-large-p244_mae-k600-pre_32xb8-16x4x1-100e_kinetics600-rgb': KINETICS,
    'smvit-large-p244_mae-k700-pre_32xb8-16x4x1-100e_kinetics700-rgb': KINETICS,
    'smvit-large-p244_mae-k400-pre_32xb8-u16-40e_sthv2-rgb': STHV2,
    'smvit-large-p244_mae-sthv2-pre_32xb8-u16-40e_sthv2-rgb': STHV2,
    # table 12(c)
    'smvit-large-p244_mae-sthv2-pre_64xb2-u32-40e_sthv2-rgb': STHV2
    | dict(lr=0.08, batch_size=128, mixup=None, cutmix=None, label_smoothing=0.0, drop_path=0.2),
}
# table A1(b)
IMAGENET = dict(
    lr=2.5e-5,
    betas=(0.9, 0.999),
    weight_decay=0.05,
    warmup_epochs=5,
    epochs=50,
    rand_augment=(9, 0.5),
    batch_size=1024,
    mixup=0.8,
    cutmix=1.0,
    label_smoothing=0.1,
    drop_path=0.2,
    layer_decay=0.85,
    pixels=224,
)
LARGER = dict(base=dict(epochs=100, layer_decay=0.7), large={}, huge=dict(drop_path=0.3))
LARGER['baseplus'] = LARGER['base']
GPUS = dict(base='16xb64-100e', baseplus='16xb64-100e', large='32xb32-50e', huge='64xb16-50e')
IMAGE = {
    f'smvit-{size}_mae-in1k-pre_{gpus}_{data}': IMAGENET
    | LARGER[size]
    | (dict(layer_decay=0.9) if data in TRANSFER else {})
    for data in ('in1k', *TRANSFER)
    for size, gpus in GPUS.items()
}
AT_448 = {
    f'smvit-huge_mae-in1k-pre_128xb8-50e_{data}-448px': IMAGENET | dict(drop_path=0.3, layer_decay=0.9, pixels=448)
    for data in TRANSFER
}
IMAGE |= AT_448


def size_of(name: str) -> str:
    return re.match(r'(?:mae_)?smvit-([a-z]+)[-_]', name)[1]


def batch_of(name: str) -> tuple[int, int]:
    """GPUs, and samples on each."""
    return tuple(map(int, re.search(r'_(\d+)xb(\d+)-', name).groups()))


def epochs_of(name: str) -> int:
    return int(re.search(r'(\d+)e_', name)[1])


def test_all_recipes_are_tested() -> None:
    found = {path.stem for path in (ROOT / 'configs/mae').glob('*.py')}
    assert {name for name in found if not re.search('micro|3rdparty', name)} == set(MAE)
    found = {path.stem for path in (ROOT / 'configs/smvit').glob('*.py')}
    k400 = {name for name in found if re.match('smvit-(base|large|huge)-.*_kinetics400-rgb', name)}
    assert len(k400) == 3  # tests/test_configs.py
    assert {name for name in found - k400 if not re.search('micro|3rdparty', name)} == {*VIDEO, *IMAGE}


@pytest.mark.parametrize('name', MAE)
def test_pretraining_is_the_papers(name: str) -> None:
    config = read(f'mae/{name}')
    gpus, samples = batch_of(name)
    data, model, optimizer = config.train_dataloader.dataset, config.model, config.optim_wrapper.optimizer
    repeats = data.get('num_repeats', 1)
    train = by_type(data.pipeline)
    warmup, cosine = config.param_scheduler
    flip = train.get('Flip') or train.get('RandomFlip')
    crop = train['RandomResizedCrop']
    found = dict(
        optimizer=optimizer.type,
        betas=optimizer.betas,
        weight_decay=optimizer.weight_decay,
        lr=optimizer.lr,
        warmup_epochs=warmup.end * repeats,
        epochs=cosine.end * repeats,
        repeated_sampling=repeats,
        batch_size=gpus * config.train_dataloader.batch_size * repeats,
        decoder_depth=model.decoder.depth,
        clip_grad=config.optim_wrapper.get('clip_grad', dict(max_norm=None))['max_norm'],
        mask_ratio=model.mask_ratio,
        crop=crop.get('area_range') or crop.crop_ratio_range,
        flip=flip and (flip.get('flip_ratio') or flip.get('prob')),
        drop_path=model.backbone.drop_path_rate,
    )
    assert found == MAE[name]
    assert (cosine.begin, cosine.end) == (warmup.end, config.train_cfg.max_epochs)
    assert samples == config.train_dataloader.batch_size * repeats and found['epochs'] == epochs_of(name)
    # what the linear rule starts from, in what the loader counts
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * config.train_dataloader.batch_size)
    # random crops and flips are all there is
    reading = {'mmhvt.DecordInit', 'SampleFrames', 'UniformSample', 'DecordDecode', 'Resize', 'FormatShape'}
    reading |= {'PackActionInputs', 'LoadImageFromFile', 'PackInputs'}
    assert set(train) - reading <= {'RandomResizedCrop', 'Flip', 'RandomFlip'}
    dataset = name.split('_')[-1].removesuffix('-rgb')
    assert f'data/{dataset.replace("in1k", "imagenet")}/' in str(data)
    if 'in1k' not in name:
        sample = train.get('SampleFrames') or train['UniformSample']
        assert sample.clip_len == model.backbone.input_size[0] == 16
        assert ('-16x4x1-' in name) == (sample.get('frame_interval') == 4)


@pytest.mark.parametrize('name', MAE)
def test_pretraining_builds(name: str) -> None:
    config = read(f'mae/{name}')
    config.model.data_preprocessor.pop('_scope_', None)
    model = build_on_meta(config)
    encoder = sum(parameter.numel() for parameter in model.backbone.parameters()) / 1e6
    # without the classifier
    assert encoder == pytest.approx(SIZES[size_of(name)], rel=0.03)
    assert len(model.decoder.blocks) == 8 and len(model.fusion.heads) == 2
    assert model.backbone.blocks[-1].drop_path.drop_prob == pytest.approx(config.model.backbone.drop_path_rate)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        MODELS.build(config.model.data_preprocessor)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {parameter: key for key, parameter in model.named_parameters()}
    groups = {names[p]: group for group in wrapper.optimizer.param_groups for p in group['params']}
    assert set(groups) == set(names.values())
    for parameter, key in names.items():
        decays = parameter.ndim > 1 and 'pos_embed' not in key
        assert (groups[key]['lr'], groups[key]['weight_decay']) == (8e-4, 0.05 if decays else 0), key


@pytest.mark.parametrize('name', VIDEO)
def test_video_fine_tuning_is_the_papers(name: str) -> None:
    config = read(f'smvit/{name}')
    gpus, samples = batch_of(name)
    data, optimizer = config.train_dataloader.dataset, config.optim_wrapper.optimizer
    repeats = data.get('num_repeats', 1)
    train, test = by_type(data.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    blending = config.model.data_preprocessor.get('blending')
    blending = {part.type: part.alpha for part in blending.augments} if blending else {}
    augment = train['mmhvt.RandAugment']
    warmup, cosine = config.param_scheduler
    found = dict(
        optimizer=optimizer.type,
        lr=optimizer.lr,
        weight_decay=optimizer.weight_decay,
        warmup_epochs=warmup.end * repeats,
        epochs=cosine.end * repeats,
        repeated_sampling=repeats,
        rand_augment=(augment.magnitude, augment.magnitude_std),
        batch_size=gpus * samples,
        mixup=blending.get('MixupBlending'),
        cutmix=blending.get('CutmixBlending'),
        label_smoothing=config.model.cls_head.label_smooth_eps,
        drop_path=config.model.backbone.drop_path_rate,
        dropout=config.model.cls_head.dropout_ratio,
        layer_decay=config.optim_wrapper.paramwise_cfg.layer_decay_rate,
    )
    assert found == VIDEO[name]
    assert 'clip_grad' not in config.optim_wrapper and 'RandomErasing' not in train
    assert config.train_dataloader.batch_size * repeats == samples and found['epochs'] == epochs_of(name)
    assert config.model.backbone.arch == ARCHS[size_of(name)]
    assert 'ThreeCrop' in test
    if 'sthv2' in name:
        assert 'Flip' not in train and (test['UniformSample'].get('num_clips', 1), optimizer.momentum) == (1, 0.9)
        assert train['UniformSample'].clip_len == test['UniformSample'].clip_len == config.model.backbone.input_size[0]
    else:
        assert train['Flip'].flip_ratio == 0.5 and test['SampleFrames'].num_clips == 5
        assert optimizer.betas == (0.9, 0.999)


@pytest.mark.parametrize('name', IMAGE)
def test_image_fine_tuning_is_the_papers(name: str) -> None:
    config = read(f'smvit/{name}')
    gpus, samples = batch_of(name)
    optimizer, head = config.optim_wrapper.optimizer, config.model.head
    train, test = by_type(config.train_dataloader.dataset.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    augments = {part.type: part.alpha for part in config.model.train_cfg.augments}
    augment = train['RandAugment']
    warmup, cosine = config.param_scheduler
    assert optimizer.type == 'AdamW'
    found = dict(
        lr=optimizer.lr,
        betas=optimizer.betas,
        weight_decay=optimizer.weight_decay,
        warmup_epochs=warmup.end,
        epochs=cosine.end,
        rand_augment=(augment.magnitude_level, augment.magnitude_std),
        batch_size=gpus * samples,
        mixup=augments['Mixup'],
        cutmix=augments['CutMix'],
        label_smoothing=head.loss.label_smooth_val,
        drop_path=config.model.backbone.drop_path_rate,
        layer_decay=config.optim_wrapper.paramwise_cfg.layer_decay_rate,
        pixels=train['RandomResizedCrop'].scale,
    )
    assert found == IMAGE[name]
    assert config.train_dataloader.batch_size == samples
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * samples)
    assert cosine.end == config.train_cfg.max_epochs == epochs_of(name) and cosine.begin == warmup.end
    assert 'RandomErasing' not in train
    assert (found['pixels'],) * 2 == config.model.backbone.input_size == (test['CenterCrop'].crop_size,) * 2
    assert test['ResizeEdge'].scale == (448 if found['pixels'] == 448 else 256)
    checkpoint = f'https://dl.fbaipublicfiles.com/hiera/mae_hiera_{ARCHS[size_of(name)]}_224.pth'
    assert config.model.backbone.init_cfg == dict(type='Pretrained', checkpoint=checkpoint)
    data = re.search('(in1k|inat20..|places365)(-448px)?$', name)[1]
    assert head.num_classes == TRANSFER.get(data, 1000) and 'num_classes' not in config.data_preprocessor
    # searched in appendix A.2
    assert data == 'in1k' or (head.dropout_ratio in (0.1, 0.2, 0.3) and found['layer_decay'] in (0.875, 0.9, 0.925))
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.data_root == f'data/{data.replace("in1k", "imagenet")}'


@pytest.mark.parametrize('name', IMAGE)
def test_image_fine_tuning_builds(name: str) -> None:
    config = read(f'smvit/{name}')
    model = build_on_meta(config)
    parameters = sum(parameter.numel() for parameter in model.backbone.parameters()) / 1e6
    assert parameters == pytest.approx(SIZES[size_of(name)], rel=0.03)
    assert config.model.head.in_channels == model.backbone.embed_dims
    with DefaultScope.overwrite_default_scope(config.default_scope):
        MODELS.build(dict(config.data_preprocessor, type='ClsDataPreprocessor', batch_augments=config.model.train_cfg))
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {parameter: key for key, parameter in model.named_parameters()}
    groups = {names[group['params'][0]]: group for group in wrapper.optimizer.param_groups}
    assert set(groups) == set(names.values())
    lr, rate = IMAGE[name]['lr'], IMAGE[name]['layer_decay']
    layers = len(model.backbone.blocks) + 1
    # appendix A.2: of SMViT-H at 448² the position embeddings have a rate of their own
    positions = 'backbone.pos_embed.joint'
    own = 0.5 if name in AT_448 else rate**layers
    assert groups[positions]['lr'] == pytest.approx(lr * own)
    assert groups[positions]['weight_decay'] == 0
    assert groups['backbone.patch_embed.proj.weight']['lr'] == pytest.approx(lr * rate**layers)
    assert groups['backbone.blocks.1.mlp.fc2.weight']['lr'] == pytest.approx(lr * rate ** (layers - 2))
    assert groups['head.fc.weight'] | dict(params=None, initial_lr=None) == groups['head.fc.weight'] | dict(
        params=None, initial_lr=None, lr=lr, weight_decay=0.05
    )


@pytest.mark.parametrize('name', [*VIDEO, *IMAGE, *(f'../mae/{name}' for name in MAE)])
def test_learning_rate_over_the_training(name: str) -> None:
    config, epoch_length = read(f'smvit/{name}'), 2
    rates, peak = learning_rates(config, epoch_length), config.optim_wrapper.optimizer.lr
    warmup = config.param_scheduler[0].end * epoch_length
    assert max(rates) == pytest.approx(peak) and abs(rates.index(max(rates)) - warmup) <= 1
    assert rates[0] == pytest.approx(peak * 1e-3) and rates[-1] < peak * 1e-2
    assert rates[(warmup + len(rates)) // 2] == pytest.approx(peak / 2, rel=0.05)


def test_fine_tuning_starts_from_pretraining() -> None:
    """What is expected in work_dirs/ is what pre-training leaves; the rest are the authors' files."""
    starts = []
    for name in [*VIDEO, *IMAGE]:
        config = read(f'smvit/{name}')
        checkpoint = config.model.backbone.init_cfg.checkpoint
        if checkpoint.startswith('https://'):
            arch = config.model.backbone.arch
            pixels = '224' if name in IMAGE else '16x224'
            assert checkpoint == f'https://dl.fbaipublicfiles.com/hiera/mae_hiera_{arch}_{pixels}.pth'
            continue
        _, earlier, file = checkpoint.split('/')
        earlier = read(f'mae/{earlier}')
        assert file == f'epoch_{earlier.train_cfg.max_epochs}.pth'
        assert earlier.model.backbone.arch == config.model.backbone.arch
        starts.append(checkpoint.split('_')[-2])
    assert starts == ['kinetics600-rgb/epoch', 'kinetics700-rgb/epoch', 'sthv2-rgb/epoch', 'sthv2-rgb/epoch']


@pytest.mark.parametrize(
    ('name', 'earlier', 'resized'),
    [
        (
            'smvit-huge_mae-in1k-pre_128xb8-50e_inat2017-448px',
            'mae_smvit-huge_64xb64-1600e_in1k',
            {'pos_embed.joint'},
        ),
        (
            'smvit-large-p244_mae-sthv2-pre_64xb2-u32-40e_sthv2-rgb',
            'mae_smvit-large-p244_64xb16-u16-1600e_sthv2-rgb',
            {'pos_embed.temporal'},
        ),
    ],
)
def test_larger_inputs_go_on_from_pretraining(name: str, earlier: str, resized: set[str], tmp_path: Path) -> None:
    backbones = []
    for path in (f'mae/{earlier}', f'smvit/{name}'):
        config = read(path)
        config.model.backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))
        if backbones:
            config.model.backbone.init_cfg.checkpoint = str(tmp_path / 'earlier.pth')
        else:
            config.model.decoder.update(embed_dims=24, depth=1, num_heads=2)
        config.model.pop('data_preprocessor', None)
        with DefaultScope.overwrite_default_scope(config.default_scope):
            model = MODELS.build(config.model)
        model.init_weights()
        backbones.append(model.backbone)
        if len(backbones) == 1:
            torch.save(dict(state_dict=model.state_dict()), tmp_path / 'earlier.pth')
    small, large = (backbone.state_dict() for backbone in backbones)
    assert set(large) - set(small) == {'norm.weight', 'norm.bias'}
    assert {key for key in small if small[key].shape != large[key].shape} == resized
    assert all(torch.equal(small[key], large[key]) for key in small if key not in resized)
    assert all(large[key].std() > 0.005 for key in resized)


@pytest.mark.parametrize(('family', 'names'), [('mae', MAE), ('smvit', [*VIDEO, *IMAGE])])
def test_metafile_says_what_the_configs_do(family: str, names: list[str]) -> None:
    metafile = load_metafile(str(ROOT / f'configs/{family}/metafile.yml'))
    readme = (ROOT / metafile.collections[0].readme).read_text()
    models = {model.name: model for model in metafile.models}
    assert set(names) <= set(models)
    assert f'configs/{family}/metafile.yml' in (ROOT / 'model-index.yml').read_text()
    for name in names:
        config, about = read(f'{family}/{name}'), models[name].metadata.data
        assert models[name].config == f'configs/{family}/{name}.py'
        assert f']({name}.py)' in readme, name
        assert (about['Batch Size'], about['Epochs']) == (batch_of(name)[1], epochs_of(name))
        assert about['Resolution'] == 'x'.join(map(str, config.model.backbone.input_size[-2:]))
        if 'Parameters' in about:
            assert about['Parameters'] == f'{SIZES[size_of(name)]}M'
