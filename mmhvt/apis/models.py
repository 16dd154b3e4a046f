"""Models from configs and checkpoints, with errors that name these."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn

from mmhvt.engine.hooks.checkpoint_check_hook import Comparison
from mmhvt.migrate.reading import read
from mmhvt.models.heads import CoTrainingHead


@contextmanager
def naming_config(config: str) -> Iterator[None]:
    """Raises what a config, which is a program, does wrong as a ValueError of one line that names the config."""
    try:
        yield
    except Exception as error:
        what = ''.join(str(error).splitlines()[:1])
        raise ValueError(f'{config} is no config that works here: {type(error).__name__}: {what}') from error


def load_config(path: str) -> Config:
    """A config by its path, or by its name in another library as in mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py.

    Raises:
        ValueError: If there is none, or it has no model or no test pipeline.
    """
    if '::' not in path and not Path(path).is_file():
        raise ValueError(f'{path}: no such config file')
    with naming_config(path):
        cfg = get_config(path) if '::' in path else Config.fromfile(path)
    test_pipeline(cfg)
    if 'model' not in cfg:
        raise ValueError(f'{path} has no model')
    return cfg


def test_dataset(cfg: Config) -> ConfigDict:
    """The part of a config that has the pipeline of tests, within wrappers of datasets.

    Raises:
        ValueError: If there is none.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset')
    while isinstance(dataset, dict) and 'pipeline' not in dataset:
        dataset = dataset.get('dataset') or next(iter(dataset.get('datasets', [])), None)
    if not isinstance(dataset, dict):
        raise ValueError(f'{cfg.filename} has no test_dataloader whose dataset has a pipeline')
    return dataset


def test_pipeline(cfg: Config) -> list[dict]:
    """Transforms of tests, of mmdet's configs too, for which that package is not needed."""
    return test_dataset(cfg).pipeline


def load_model(cfg: Config, checkpoint: str, device: str, kind: type[nn.Module]) -> nn.Module:
    """The model of a config with the weights of a checkpoint, of which nothing is run, ready to test.

    Raises:
        ValueError: If the model cannot be built or is not of a kind, or the checkpoint cannot be read, lacks a tensor
            of the model or has it in another shape.
    """
    with naming_config(cfg.filename):
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
    if not isinstance(model, kind):
        wanted = f'{kind.__module__.partition(".")[0]}.{kind.__name__}'
        raise ValueError(f'{cfg.filename}: the model is {type(model).__name__}, and has to be {wanted}')
    content = read(checkpoint)
    comparison = Comparison(model, content)
    problems = {name: what for name, what in comparison.problems.items() if what != 'not in the model'}
    if problems:
        raise ValueError(
            f'{checkpoint} is no checkpoint of {cfg.filename}: {comparison.fit} of the {comparison.total} tensors of '
            f'the model are in it with the right shape. {comparison.text(problems)}'
        )
    model.load_state_dict(content, strict=False)
    model.cfg = cfg  # for mmdet's inference_detector
    return model.to(device).eval()


def count_classes(model: nn.Module, dataset: str | None = None) -> int:
    """Classes that a recognizer of mmaction2 or a classifier of mmpretrain tells apart; 0 if its head does not say.

    Args:
        model: With a `cls_head` or `head`.
        dataset: Whose head of a :class:`mmhvt.models.CoTrainingHead` counts, as `NameDataset` of a pipeline names it.
    """
    head = getattr(model, 'cls_head', None) or getattr(model, 'head', None)
    if isinstance(head, CoTrainingHead):
        head = dict(head.heads.items()).get(dataset)
    return getattr(head, 'num_classes', None) or 0


def check_device(device: str) -> None:
    """Raises a ValueError if there is no such device."""
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f'--device {device}: {str(error).splitlines()[0]}') from error
