"""Recipes of COCO train and test at reduced width on generated images."""

from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner

from helpers.coco_recipes import COCO_RECIPES, SYSTEM, built_detector, micro_coco

pytestmark = pytest.mark.usefixtures('mmdet_scope')


@pytest.mark.slow
@pytest.mark.parametrize('name', COCO_RECIPES)
def test_recipe_trains_and_tests(name: str, shapes: Path, tmp_path: Path) -> None:
    """A step of its own pipeline, in which all parameters have a gradient, and COCO's metric of what is found."""
    config = micro_coco(name, shapes, tmp_path, times=1 if 'smvit' in name else 4)
    config.randomness = dict(seed=1)  # a crop with objects of all sizes
    del config.param_scheduler[0]
    config.optim_wrapper.optimizer.weight_decay = 0.0
    runner = Runner.from_cfg(config)
    before = {}

    class Remember(Hook):
        def before_train(self, runner: Runner) -> None:
            before.update({k: value.clone() for k, value in runner.model.named_parameters() if value.requires_grad})

    runner.register_hook(Remember())
    runner.train()
    after = dict(runner.model.named_parameters())
    unchanged = [key for key, value in before.items() if torch.equal(value, after[key])]
    assert not [key for key in unchanged if not key.endswith('pool_k.norm.bias')]
    assert all(value.isfinite().all() for value in after.values())
    metrics = runner.test()
    assert {f'coco/{kind}_mAP_50' for kind in ('bbox', 'segm')} <= set(metrics)


@pytest.mark.parametrize('name', [COCO_RECIPES[0], SYSTEM])
def test_multi_scale_testing(name: str, shapes: Path, tmp_path: Path) -> None:
    """As `mim test … --tta` sets it up: three scales, each flipped too, from a checkpoint."""
    config = micro_coco(name, shapes, tmp_path)
    torch.save(dict(state_dict=built_detector(config).state_dict()), tmp_path / 'detector.pth')
    config.load_from = str(tmp_path / 'detector.pth')
    config.model = ConfigDict(**config.tta_model, module=config.model)
    config.test_dataloader.dataset.pipeline = config.tta_pipeline
    runner = Runner.from_cfg(config)
    seen = []
    preprocess = runner.model.module.data_preprocessor.forward

    def remember(data: dict, training: bool) -> dict:
        seen.append(preprocess(data, training))
        return seen[-1]

    runner.model.module.data_preprocessor.forward = remember
    metrics = runner.test()
    assert {f'coco/{kind}_mAP_50' for kind in ('bbox', 'segm')} <= set(metrics)
    sides = [max(batch['inputs'].shape[-2:]) for batch in seen]
    assert sides == ([192, 192, 224, 224, 288, 288] if name == SYSTEM else [192, 192, 256, 256, 320, 320])
    assert [batch['data_samples'][0].flip for batch in seen] == [False, True] * 3
