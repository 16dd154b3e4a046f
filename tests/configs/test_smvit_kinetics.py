"""Fine-tuning recipes of SMViT on Kinetics-400 say what the paper says."""

import re

import pytest
import torch
from modelindex.load_model_index import load as load_metafile
from torch.utils.flop_counter import FlopCounterMode

from helpers import ROOT
from helpers.micro_recipes import build_on_meta, learning_rates
from helpers.recipes import CLASSIFIERS, K400, SMVIT_LARGE_ON_KINETICS, read

# SMViT, table 11(b)
LARGE = dict(SMVIT_LARGE_ON_KINETICS, betas=(0.9, 0.999))
TABLE_11B = dict(
    base=LARGE | dict(epochs=150, dropout=0.3, layer_decay=0.85),
    large=LARGE,
    huge=LARGE | dict(lr=2.5e-5, drop_path=0.3, layer_decay=0.925),
)


def test_all_smvit_kinetics_recipes_are_classifiers() -> None:
    assert set(K400.values()) <= set(CLASSIFIERS)


@pytest.mark.parametrize('size', K400)
def test_recipe_is_the_papers(size: str) -> None:
    config = read(K400[size])
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
    assert {cfg.num_classes for cfg in blending.values()} == {None} and config.model.cls_head.num_classes == 400
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
    (model,) = (model for model in metafile.models if model.name == K400[size].stem)
    assert model.config == str(K400[size].relative_to(ROOT)) and not model.weights
    assert (ROOT / metafile.collections[0].readme).exists()
    config = read(K400[size])
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
    config = read(K400[size])
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
