"""Every config builds, in every scope and in both styles."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

from helpers.micro_recipes import build_on_meta, head_of
from helpers.recipes import CLASSIFIERS, fit_device, read


@pytest.mark.parametrize('path', CLASSIFIERS, ids=lambda path: path.stem)
def test_config_builds(path: Path) -> None:
    config = read(path)
    fit_device(config)
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
