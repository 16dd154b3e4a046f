"""Models from names, configs and checkpoints, with errors that name these."""

from pathlib import Path
from typing import TypeVar

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn

from mmhvt.datasets.labels import configured_classes
from mmhvt.hub import named_models, nearest
from mmhvt.migrate.reading import read_with_meta
from mmhvt.migrate.whole import Misfit, fit_checkpoint
from mmhvt.models.heads import CoTrainingHead
from mmhvt.utils.configs import naming_config, read_config

from .labels import check_names

Model = TypeVar('Model', bound=nn.Module)


def find_model(model: str | Path | Config, checkpoint: str | Path | None = None) -> tuple[str | Config, str]:
    """Config and weights of a model.

    Args:
        model: Name of a model or config of this package; path of a config, or its name in another library as in
            mmaction::recognition/tsn/tsn_imagenet-pretrained-r50_8xb32-1x1x8-100e_kinetics400-rgb.py; or a config.
        checkpoint: File or URL of the weights. Defaults to those that the metafile names.

    Returns:
        Config or its path, and file or URL of the weights.

    Raises:
        ValueError: If there is no such model, or no weights are known.
    """
    text = str(model.filename or 'the config') if isinstance(model, Config) else str(model)
    name, models = Path(text).name.removesuffix('.py'), named_models()
    weights = checkpoint or models.get(name, {}).get('Weights')
    if isinstance(model, Config) or '::' in text or Path(text).is_file():
        if not checkpoint:
            published = f', or say {name}, which has published weights' if weights else ''
            raise ValueError(f'{text} is a config without weights: name a checkpoint (--checkpoint){published}')
        return model if isinstance(model, Config) else text, str(checkpoint)
    if text not in (name, f'{name}.py') or name not in models:
        raise ValueError(f'{text}: no such config file, and no model has that name; {nearest(name, models)}')
    if not weights:
        raise ValueError(f'{name} has no published weights: name a checkpoint (--checkpoint)')
    return models[name]['Config'], str(weights)


def load_config(path: str, options: dict | None = None, for_tests: bool = True) -> Config:
    """A config by its path, or by its name in another library as in mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py.

    Args:
        path: Path or name.
        options: Settings that override those of the config.
        for_tests: Whether a test pipeline is needed. Defaults to True.

    Raises:
        ValueError: If there is no such config, it does not run, or it has no model or no test pipeline.
    """
    cfg = read_config(path, options)
    if for_tests:
        test_pipeline(cfg)
    if 'model' not in cfg:
        raise ValueError(f'{path} has no model')
    return cfg


def test_dataset(cfg: Config) -> ConfigDict:
    """The test dataset of a config, which has the pipeline, inside any dataset wrappers.

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
    """Transforms of the test pipeline; for configs of mmdet, that package is not needed."""
    return test_dataset(cfg).pipeline


def load_model(cfg: Config, checkpoint: str, device: str, kind: type[Model]) -> Model:
    """The model of a config with the weights of a checkpoint, in evaluation mode; no code of the checkpoint runs.

    Files of other libraries are converted, see :func:`mmhvt.migrate.whole.fit_checkpoint`.

    Args:
        cfg: Config with a model.
        checkpoint: File or URL of the weights.
        device: Device of the model.
        kind: Class that the model has to be an instance of.

    Raises:
        ValueError: If the model cannot be built or is not a `kind`, or the checkpoint cannot be read or does not fit.
    """
    with naming_config(cfg.filename):
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
    if not isinstance(model, kind):
        wanted = f'{kind.__module__.partition(".")[0]}.{kind.__name__}'
        raise ValueError(f'{cfg.filename}: the model is {type(model).__name__}, and has to be {wanted}')
    state_dict, meta = read_with_meta(checkpoint)
    content = dict(state_dict=state_dict)
    try:
        fit_checkpoint(model, content, checkpoint)
    except Misfit as error:
        raise ValueError(f'{checkpoint} is no checkpoint of {cfg.filename}: {error.reason}') from error
    model.load_state_dict(content['state_dict'], strict=False)
    # for mmdet's inference_detector
    model.cfg, model.dataset_meta = cfg, meta.get('dataset_meta')
    return model.to(device).eval()


def count_classes(model: nn.Module, dataset: str | None = None) -> int:
    """Number of classes of a recognizer of mmaction2 or a classifier of mmpretrain; 0 if its head does not say.

    Args:
        model: Model with a `cls_head` or `head`.
        dataset: Dataset whose head in a :class:`mmhvt.models.CoTrainingHead` counts, by its name in the pipeline's
            `NameDataset`.
    """
    head = getattr(model, 'cls_head', None) or getattr(model, 'head', None)
    if isinstance(head, CoTrainingHead):
        head = dict(head.heads.items()).get(dataset)
    return getattr(head, 'num_classes', None) or 0


def class_names(
    model: nn.Module, cfg: Config, dataset: str | None, given: dict[int, str] | None, file: str
) -> tuple[list[str], bool]:
    """Class names of a model, from a file, the checkpoint or the config, and whether any of them has names.

    The caller sets the default scope to that of the config.

    Args:
        model: Model of :func:`load_model`.
        cfg: Its config.
        dataset: See :func:`count_classes`.
        given: Names of :func:`~mmhvt.apis.labels.read_names`; None for those of the checkpoint or config.
        file: File that they come from.

    Raises:
        ValueError: If the head has no classes, or not as many as there are names.
    """
    classes = count_classes(model, dataset)
    if not classes:
        raise ValueError(
            f'{cfg.filename}: the model has no head that tells classes apart, or none for the dataset that the test '
            'pipeline names (mmhvt.NameDataset)'
        )
    of_checkpoint = (getattr(model, 'dataset_meta', None) or {}).get('classes')
    with naming_config(cfg.filename):
        of_config = configured_classes(test_dataset(cfg))
    if given:
        names, where = [given[number] for number in sorted(given)], file
    elif of_checkpoint:
        names, where = list(of_checkpoint), "the checkpoint's dataset_meta"
    elif of_config:
        names, where = list(of_config), f'{cfg.filename}: metainfo'
    else:
        return [f'class {number}' for number in range(classes)], False
    check_names(names, classes, where)
    return names, True


def check_device(device: str) -> None:
    """Raises a ValueError if there is no such device."""
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f'--device {device}: {str(error).splitlines()[0]}') from error
