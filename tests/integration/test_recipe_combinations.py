"""Every recipe for images, and every combination of dataset, pipeline, loop, optimizer and schedule that another recipe
has, trains, validates and tests.

The recipes are read, narrowed and sorted into combinations here, so that a new one cannot be forgotten.
"""

import math
import re
from pathlib import Path

import pytest
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers.recipes import RECIPES, Data, combinations, narrow, read

# classification and masked pre-training
IMAGES = [path for path in RECIPES if re.search(r'_(in1k|in21k|inat\d+|places365|digits)(-\d+px)?$', path.stem)]
# one of each folder in short test runs, too
SHORT = {path.parent.name: path for path in reversed(IMAGES)}.values()
OTHERS = [path for path in combinations().values() if path not in IMAGES]


class Steps(Hook):
    """Remembers losses, and the parameters before the first step."""

    def __init__(self) -> None:
        self.losses = []

    def before_train(self, runner: Runner) -> None:
        self.before = {name: value.clone() for name, value in runner.model.named_parameters() if value.requires_grad}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict) -> None:
        self.losses.append(outputs['loss'].item())


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(tmp_path_factory.mktemp('recipes'))


def train_validate_test(path: Path, data: Data, work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of a narrowed recipe, its validation and its test, all of which have to give finite numbers."""
    monkeypatch.chdir(data.folder)
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    config = narrow(read(path))
    data.write(config)
    config.work_dir, config.randomness = str(work_dir), dict(seed=0)
    steps = Steps()
    with DefaultScope.overwrite_default_scope(config.default_scope):  # a runner leaves its own behind
        runner = Runner.from_cfg(config)
        runner.register_hook(steps)
        runner.train()
        after = dict(runner.model.named_parameters())
        assert len(steps.losses) == 2 and all(value.isfinite().all() for value in after.values())
        assert any(not value.equal(after[name]) for name, value in steps.before.items())
        if config.get('test_dataloader'):
            tested = runner.test()
            # of COCO and AVA, areas and groups of classes that do not occur are -1 and NaN
            assert math.isfinite(next(iter(tested.values())))
            logged = runner.message_hub.log_scalars
            assert all(f'val/{name}' in logged for name in tested), 'was not validated'


@pytest.mark.slow
@pytest.mark.parametrize('path', OTHERS, ids=lambda path: path.stem)
def test_combination_trains_validates_and_tests(
    path: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_validate_test(path, data, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    'path', [pytest.param(path, marks=[pytest.mark.slow][: path not in SHORT], id=path.stem) for path in IMAGES]
)
def test_image_recipe_trains_validates_and_tests(
    path: Path, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_validate_test(path, data, tmp_path, monkeypatch)
