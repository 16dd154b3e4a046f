"""Every config builds; the Kinetics-400 recipes say what the paper says and train."""

import copy
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
from mmengine.optim import build_optim_wrapper
from mmengine.optim.scheduler import CosineAnnealingLR, LinearLR
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner
from modelindex.load_model_index import load as load_metafile
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmhvt import registry

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_')
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


def build_on_meta(config: Config) -> nn.Module:
    """The model without its preprocessor, which draws its blending from distributions that need values."""
    model = copy.deepcopy(config.model)
    model.pop('data_preprocessor', None)
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'):
        return MODELS.build(model)


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_config_builds(path: Path) -> None:
    config = Config.fromfile(path)
    model = build_on_meta(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        MODELS.build(config.model.data_preprocessor)
        wrapper = build_optim_wrapper(model, copy.deepcopy(config.optim_wrapper))
    trained = {parameter for group in wrapper.optimizer.param_groups for parameter in group['params']}
    assert trained == set(model.parameters())
    assert config.model.cls_head.in_channels == model.backbone.embed_dims


def test_all_families_have_recipes() -> None:
    assert set(K400.values()) <= set(RECIPES)


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


@pytest.mark.parametrize('size', K400)
def test_learning_rate_over_the_training(size: str) -> None:
    config = Config.fromfile(K400[size])
    peak, epoch_length = TABLE_11B[size]['lr'], 20
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=peak)
    schedulers = [
        PARAM_SCHEDULERS.build(copy.deepcopy(cfg), default_args=dict(optimizer=optimizer, epoch_length=epoch_length))
        for cfg in config.param_scheduler
    ]
    assert [type(scheduler) for scheduler in schedulers] == [LinearLR, CosineAnnealingLR]
    rates = []
    for _ in range(config.train_cfg.max_epochs * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
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
    """Folder of three MP4 files of 70 frames of 80x64 and an annotation file."""
    folder = tmp_path_factory.mktemp('videos')
    generator = np.random.RandomState(0)
    for index in range(3):
        writer = cv2.VideoWriter(str(folder / f'{index}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, (80, 64))
        assert writer.isOpened()
        frame = cv2.resize(generator.randint(0, 256, (4, 5, 3), dtype=np.uint8), (80, 64))
        for shift in range(70):
            writer.write(np.roll(frame, shift, axis=1))
        writer.release()
    (folder / 'list.txt').write_text(''.join(f'{index}.mp4 {index * 100}\n' for index in range(3)))
    return folder


def micro(path: Path, videos: Path, work_dir: Path) -> Config:
    """A recipe on another backbone size and other data, otherwise as it stands."""
    config = Config.fromfile(path)
    config.model.backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))
    config.model.backbone.init_cfg = None
    config.model.cls_head.in_channels = 128
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
        loader.dataset.update(ann_file=str(videos / 'list.txt'), data_prefix=dict(video=str(videos)))
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


def test_pipelines_give_what_the_model_takes(videos: Path, tmp_path: Path) -> None:
    config = micro(K400['base'], videos, tmp_path)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        train, val, test = (
            DATASETS.build(loader.dataset)
            for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader)
        )
    first, second = train[1]
    for sample in (first, second):
        assert sample['inputs'].shape == (1, 3, 16, 224, 224) and sample['inputs'].dtype == torch.uint8
        assert sample['data_samples'].gt_label.tolist() == [100]
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


SCOPED = """
default_scope = {scope!r}
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
model = dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), input_size=(4, 32, 32))
transform = dict(type='mmhvt.RandAugment')
"""
BUILD = """
import sys
from mmengine.config import Config
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
