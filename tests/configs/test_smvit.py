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
from helpers.recipes import fit_device, read

# M parameters: table 2 and, without the classifier, the public code's
SIZES = dict(tiny=27, small=34, base=51, baseplus=70, large=213, huge=672)
ARCHS = {size: size for size in SIZES} | dict(baseplus='base_plus')
TRANSFER = dict(inat2017=5089, inat2018=8142, inat2019=1010, places365=365)
# Tables 11, 12, A1: effective epochs of warm-up, repeated sampling, and the batch, which pre-training counts in videos.
# All other numbers stand with their sources in configs/{mae,smvit}/recipes.yml.
PRE_TRAINING = dict(kinetics=(120, 4, 512), sthv2=(30, 1, 1024), in1k=(40, 1, 4096))
FINE_TUNING = dict(kinetics=(10, 2, 256), sthv2=(3, 1, 256), in1k=(5, 1, 1024), inat=(5, 1, 1024), places=(5, 1, 1024))


def recipes_in(family: str, pattern: str) -> list[str]:
    found = sorted(path.stem for path in (ROOT / f'configs/{family}').glob('*.py'))
    return [name for name in found if re.search(pattern, name) and not re.search('micro|3rdparty', name)]


MAE = recipes_in('mae', '')
VIDEO = recipes_in('smvit', '-rgb$')
IMAGE = recipes_in('smvit', r'_(in1k|inat20..|places365)(-448px)?$')
AT_448 = recipes_in('smvit', '-448px$')


def of_data(table: dict[str, tuple[int, int, int]], name: str) -> tuple[int, int, int]:
    """Row of a table by the data in a recipe's name."""
    (row,) = (row for data, row in table.items() if re.search(f'_{data}[^_]*$', name))
    return row


def size_of(name: str) -> str:
    return re.match(r'(?:mae_)?smvit-([a-z]+)[-_]', name)[1]


def batch_of(name: str) -> tuple[int, int]:
    """GPUs, and samples on each."""
    return tuple(map(int, re.search(r'_(\d+)xb(\d+)-', name).groups()))


def epochs_of(name: str) -> int:
    return int(re.search(r'(\d+)e_', name)[1])


def test_all_recipes_are_tested() -> None:
    assert len(MAE) == 14 and (len(VIDEO), len(IMAGE), len(AT_448)) == (9, 26, 4)
    assert set(VIDEO) | set(IMAGE) == set(recipes_in('smvit', ''))


@pytest.mark.parametrize('name', MAE)
def test_pretraining_is_the_papers(name: str) -> None:
    config = read(f'mae/{name}')
    gpus, samples = batch_of(name)
    data, model = config.train_dataloader.dataset, config.model
    repeats = data.get('num_repeats', 1)
    train = by_type(data.pipeline)
    warmup, cosine = config.param_scheduler
    videos = gpus * config.train_dataloader.batch_size
    assert (warmup.end * repeats, repeats, videos) == of_data(PRE_TRAINING, name)
    assert samples == config.train_dataloader.batch_size * repeats and cosine.end * repeats == epochs_of(name)
    assert (cosine.begin, cosine.end) == (warmup.end, config.train_cfg.max_epochs)
    # what the linear rule starts from, in what the loader counts
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=videos)
    assert ('in1k' in name) == (config.optim_wrapper.type == 'AmpOptimWrapper')
    # random crops and flips are all there is
    reading = {'mmhvt.DecordInit', 'mmhvt.SampleFrames', 'UniformSample', 'DecordDecode', 'Resize', 'FormatShape'}
    reading |= {'PackActionInputs', 'LoadImageFromFile', 'PackInputs'}
    flips = set() if 'sthv2' in name else {'RandomFlip'} if 'in1k' in name else {'Flip'}
    assert set(train) - reading == {'RandomResizedCrop'} | flips
    dataset = name.split('_')[-1].removesuffix('-rgb')
    assert f'data/{dataset.replace("in1k", "imagenet")}/' in str(data)
    if 'in1k' not in name:
        sample = train.get('mmhvt.SampleFrames') or train['UniformSample']
        assert sample.clip_len == model.backbone.input_size[0] == 16
        assert ('-16x4x1-' in name) == (sample.get('frame_interval') == 4)
    assert model.backbone.arch == ARCHS[size_of(name)]


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
        fit_device(config)
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
    augment = train['mmhvt.RandAugment']
    assert (augment.magnitude, augment.magnitude_std, augment.num_ops) == (7, 0.5, 2)
    assert train['RandomErasing'].erase_prob == 0.25 and 'ThreeCrop' in test
    warmup, cosine = config.param_scheduler
    long = '-u32-' in name  # table 12(c)
    assert (warmup.end * repeats, repeats, gpus * samples) == (of_data(FINE_TUNING, name) if not long else (3, 1, 128))
    assert config.train_dataloader.batch_size * repeats == samples and cosine.end * repeats == epochs_of(name)
    assert config.model.backbone.arch == ARCHS[size_of(name)]
    blending = config.model.data_preprocessor.get('blending')
    assert {part.type: part.alpha for part in (blending or dict(augments=[]))['augments']} == (
        {} if long else dict(MixupBlending=0.8, CutmixBlending=1.0)
    )
    clip_grad = config.optim_wrapper.get('clip_grad')
    if 'sthv2' in name:
        assert 'Flip' not in train and (test['UniformSample'].get('num_clips', 1), optimizer.momentum) == (1, 0.9)
        assert train['UniformSample'].clip_len == test['UniformSample'].clip_len == config.model.backbone.input_size[0]
        assert clip_grad is None and optimizer.nesterov
    else:
        assert train['Flip'].flip_ratio == 0.5 and test['mmhvt.SampleFrames'].num_clips == 5
        assert optimizer.betas == (0.9, 0.999) and clip_grad.max_norm == 5 and data.sample_once
        assert train['mmhvt.SampleFrames'].target_fps == test['mmhvt.SampleFrames'].target_fps == 30


@pytest.mark.parametrize('name', IMAGE)
def test_image_fine_tuning_is_the_papers(name: str) -> None:
    config = read(f'smvit/{name}')
    gpus, samples = batch_of(name)
    head, rate = config.model.head, config.optim_wrapper.paramwise_cfg.layer_decay_rate
    train, test = by_type(config.train_dataloader.dataset.pipeline), by_type(config.test_dataloader.dataset.pipeline)
    warmup, cosine = config.param_scheduler
    assert (warmup.end, 1, gpus * samples) == of_data(FINE_TUNING, name)
    assert config.train_dataloader.batch_size == samples
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * samples)
    assert cosine.end == config.train_cfg.max_epochs == epochs_of(name) and cosine.begin == warmup.end
    assert (train['RandomErasing'].erase_prob, config.optim_wrapper.type) == (0.25, 'AmpOptimWrapper')
    pixels = 448 if name in AT_448 else 224
    assert train['RandomResizedCrop'].scale == test['CenterCrop'].crop_size == pixels
    assert (pixels,) * 2 == config.model.backbone.input_size
    assert test['ResizeEdge'].scale == (448 if pixels == 448 else 256)
    checkpoint = f'https://dl.fbaipublicfiles.com/hiera/mae_hiera_{ARCHS[size_of(name)]}_224.pth'
    assert config.model.backbone.init_cfg == dict(type='Pretrained', checkpoint=checkpoint)
    data = re.search('(in1k|inat20..|places365)(-448px)?$', name)[1]
    assert head.num_classes == TRANSFER.get(data, 1000) and 'num_classes' not in config.data_preprocessor
    # searched in appendix A.2
    assert data == 'in1k' or (head.dropout_ratio in (0.1, 0.2, 0.3) and rate in (0.875, 0.9, 0.925))
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
        fit_device(config)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {parameter: key for key, parameter in model.named_parameters()}
    groups = {names[group['params'][0]]: group for group in wrapper.optimizer.param_groups}
    assert set(groups) == set(names.values())
    lr, rate = config.optim_wrapper.optimizer.lr, config.optim_wrapper.paramwise_cfg.layer_decay_rate
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
    assert rates[0] == pytest.approx(peak * 1e-3) and config.param_scheduler[1].eta_min == (
        0 if 'mae/' in name else 1e-6
    )
    end = config.param_scheduler[1].eta_min
    assert end <= rates[-1] < end + peak * 1e-2
    assert rates[(warmup + len(rates)) // 2] == pytest.approx((peak + end) / 2, rel=0.05)


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


ABLATIONS = {
    path.stem: path for family in ('mae', 'smvit') for path in (ROOT / f'configs/{family}/ablations').glob('*.py')
}
STARTED = [name for name in ABLATIONS if not name.startswith('mae_')]


def test_ladder_has_a_recipe_for_each_step() -> None:
    """Table 1: five models between MViTv2-L and SMViT-L, pre-trained and fine-tuned on images and video."""
    steps = {name.rpartition('_')[2] for name in ABLATIONS if 'mvitv2' in name}
    assert len(steps) == 5
    for step in steps:
        names = [name for name in ABLATIONS if name.endswith(f'_{step}')]
        assert sorted((name.startswith('mae_'), 'in1k' in name) for name in names) == [
            (False, False), (False, True), (True, False), (True, True),
        ]  # fmt: skip


@pytest.mark.parametrize('name', ABLATIONS)
def test_ablations_are_of_the_lengths_of_table_3(name: str) -> None:
    config = read(ABLATIONS[name])
    repeats = config.train_dataloader.dataset.get('num_repeats', 1)
    warmup, cosine = config.param_scheduler
    assert (cosine.begin, cosine.end) == (warmup.end, config.train_cfg.max_epochs)
    pre_training = name.startswith('mae_')
    epochs = (400 if 'in1k' in name else 800) if pre_training else 50
    assert config.train_cfg.max_epochs * repeats == epochs and f'-{epochs}e_' in name
    warmups = dict(mae=dict(in1k=40, k400=120), ft=dict(in1k=5, k400=10))['mae' if pre_training else 'ft']
    assert warmup.end * repeats == warmups['in1k' if 'in1k' in name else 'k400']
    assert config.model.backbone.drop_path_rate == 0.2
    model = build_on_meta(config)
    assert sum(p.numel() for p in model.backbone.parameters()) / 1e6 == pytest.approx(213, abs=0.5)
    if pre_training:
        assert len(model.fusion.heads) == 2 and model.decoder.unit[-2:] == (2, 2)


@pytest.mark.parametrize('name', STARTED)
def test_ablations_go_on_from_their_pretraining(name: str, tmp_path: Path) -> None:
    models = []
    config = read(ABLATIONS[name])
    _, earlier, file = config.model.backbone.init_cfg.checkpoint.split('/')
    pretraining = read(ABLATIONS[earlier])
    assert file == f'epoch_{pretraining.train_cfg.max_epochs}.pth'
    assert earlier.rpartition('_')[2] == name.rpartition('_')[2]
    for each in (pretraining, config):
        backbone = each.model.backbone
        backbone.input_size = (*backbone.input_size[:-2], 64, 64)
        if backbone.type == 'mmhvt.MViT':
            backbone.update(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1))
        else:
            backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1))
        if models:
            backbone.init_cfg.checkpoint = str(tmp_path / 'earlier.pth')
        else:
            each.model.decoder.update(embed_dims=24, depth=1, num_heads=2)
        each.model.pop('data_preprocessor', None)
        for head in ('head', 'cls_head'):
            if head in each.model:
                each.model[head].in_channels = 128
        with DefaultScope.overwrite_default_scope(each.default_scope):
            model = MODELS.build(each.model)
        model.init_weights()
        models.append(model)
        if len(models) == 1:
            loss = model.loss(torch.rand(2, 3, *backbone.input_size))['loss']
            assert loss.isfinite()
            torch.save(dict(state_dict=model.state_dict()), tmp_path / 'earlier.pth')
    small, large = (model.backbone.state_dict() for model in models)
    assert set(large) - set(small) == {'norm.weight', 'norm.bias'} and set(small) <= set(large)
    assert all(torch.equal(small[key], large[key]) for key in small)
