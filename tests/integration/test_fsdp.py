"""Sharded trainings on two gloo processes: those of DDP, with the same checkpoints."""

from pathlib import Path

import pytest
import torch
from mmengine import Config
from torch import multiprocessing

from helpers import ROOT
from helpers.fsdp_runs import MODELS, train_all
from helpers.processes import free_port
from mmhvt.engine.hooks.config_check_hook import check_built_later


@pytest.mark.slow
def test_sharded_training_is_that_of_ddp(tmp_path: Path) -> None:
    """After six steps of AdamW, at a rate of 1e-3, weights differ by less than 1e-5; both go on from FSDP's file."""
    multiprocessing.start_processes(train_all, (tmp_path, free_port()), nprocs=2, start_method='spawn')
    for case in MODELS:
        expected, *others = (
            torch.load(tmp_path / case / name / 'epoch_2.pth', weights_only=False)
            for name in ('ddp', 'ddp again', 'fsdp', 'fsdp again')
        )
        for found in others:
            torch.testing.assert_close(found['state_dict'], expected['state_dict'], rtol=0, atol=1e-5)
            assert found['optimizer'].keys() == expected['optimizer'].keys()
            assert found['optimizer']['param_groups'] == expected['optimizer']['param_groups']
            # moments of gradients
            torch.testing.assert_close(
                found['optimizer']['state'], expected['optimizer']['state'], rtol=1e-3, atol=1e-6
            )
        whole, resumed = others[1:]
        for name, value in whole['state_dict'].items():
            assert torch.equal(resumed['state_dict'][name], value), name
    tuned = torch.load(tmp_path / case / 'fine-tuned/epoch_2.pth', weights_only=False)['state_dict']
    assert tuned['cls_head.fc_cls.weight'].shape[0] == 5
    assert torch.equal(tuned['backbone.cls_token'], expected['state_dict']['backbone.cls_token'])


@pytest.mark.parametrize(
    'recipe',
    [
        'mae/mae_smvit-huge-p244_*_kinetics400-rgb.py',
        'uniformerv2/uniformerv2-large-p14_k710-pre_128xb2*_kinetics400-rgb*',
    ],
)
def test_recipes_of_the_largest_models_can_be_sharded(recipe: str, tmp_path: Path) -> None:
    name, *_ = sorted((ROOT / 'configs').glob(recipe))
    config = tmp_path / 'sharded.py'
    config.write_text(f'_base_ = [{str(name)!r}, {str(ROOT / "configs/_base_/fsdp.py")!r}]')
    cfg = Config.fromfile(config)
    check_built_later(cfg)
    assert cfg.strategy.type == 'mmhvt.FSDPStrategy' and cfg.runner_type == 'FlexibleRunner'
