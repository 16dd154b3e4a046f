"""Recipes of AVA train and test at reduced width on moving actors."""

from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from mmaction.evaluation.functional import ava_utils
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers.ava_recipes import AVA_RECIPES, micro_ava, on_moving_actors
from mmhvt.synthetic.moving_actors import write_dataset


@pytest.fixture(scope='module')
def actors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of four key frames to train on, and one to test."""
    folder = tmp_path_factory.mktemp('actors')
    write_dataset(folder / 'data', videos=1, val_videos=1, seconds=5, processes=1)
    return folder / 'data'


@pytest.mark.parametrize('family', AVA_RECIPES)
def test_recipe_trains_and_tests(family: str, actors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of training on four clips reaches the patch embedding, and AVAMetric evaluates four others."""
    # in place of 32 processes
    monkeypatch.setattr(ava_utils.multiprocessing, 'Pool', lambda _: ThreadPool(1))
    config = on_moving_actors(micro_ava(family), actors, tmp_path)
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


@pytest.mark.parametrize('part', ['model.roi_head.bbox_head', 'train_dataloader.dataset', 'val_evaluator'])
def test_numbers_of_classes_that_differ(part: str, actors: Path, tmp_path: Path) -> None:
    config = on_moving_actors(micro_ava('SMViT'), actors, tmp_path)
    config.merge_from_dict({f'{part}.num_classes': 12})
    with DefaultScope.overwrite_default_scope(config.default_scope):
        runner = Runner.from_cfg(config)
        with pytest.raises(ValueError, match='bbox_head has num_classes=.* has num_classes=.*: they must be equal'):
            runner.train()
