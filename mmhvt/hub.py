"""Our models by their names, which are those of the metafiles.

:mod:`mmhvt.compat` makes functions of other packages that find a model by its name look here as well:
``mmpretrain.get_model``, ``mmaction.apis.MMAction2Inferencer``, ``mmdet.apis.DetInferencer`` and the like.
"""

import os
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmpretrain import ModelHub

__all__ = [
    'config_path',
    'list_configs',
    'metafile_models',
    'missing_checkpoint',
    'model_of_inferencer',
    'named_models',
    'nearest',
    'recipe_of',
    'register_models',
]

MIM = Path(__file__).parent / '.mim'
INFERENCERS = {
    'mmaction': 'mmaction.apis.MMAction2Inferencer(rec=NAME)',
    'mmdet': 'mmdet.apis.DetInferencer(NAME)',
    'mmpretrain': 'mmpretrain.ImageClassificationInferencer(NAME)',
}


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns the end of an error message that lists the names most similar to an unknown one.

    Args:
        name: Unknown name, whose end may be missing.
        names: Known names.
    """

    def likeness(known: str) -> tuple[bool, bool, float, int, str]:
        ratio = SequenceMatcher(None, known[: len(name)], name).ratio()
        return not known.startswith(name), name not in known, -ratio, len(known), known

    return f'the nearest names are {", ".join(sorted(set(names), key=likeness)[:3])}'


def list_configs(folder: str) -> list[str]:
    """Lists the config files below a folder as paths relative to it; follows links."""
    paths = (Path(root, file) for root, _, files in os.walk(folder, followlinks=True) for file in files)
    return [path.relative_to(folder).as_posix() for path in paths if path.suffix == '.py']


def config_path(folder: str, name: str) -> str:
    """Returns the path of a config in a folder of configs.

    Args:
        folder: Folder.
        name: Path of the config, relative to it.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path} does not exist: {nearest(name, list_configs(folder))}')
    return path


def recipe_of(path: str | os.PathLike) -> str | None:
    """The recipe below configs/ that writes a checkpoint, or None if its folder is not named after one."""
    name = f'{Path(path).parent.name}.py'
    return next((config for config in list_configs(str(MIM / 'configs')) if Path(config).name == name), None)


def missing_checkpoint(path: str | os.PathLike) -> str:
    """Message about a checkpoint that does not exist, with the recipe that makes it.

    Args:
        path: Path, such as work_dirs/RECIPE/epoch_200.pth.
    """
    recipe = recipe_of(path)
    remedy = f': training with configs/{recipe} writes it (mim train mmhvt {Path(recipe).stem})' if recipe else ''
    return f'there is no checkpoint {path}{remedy}'


@cache
def metafile_models() -> dict[str, dict]:
    """Entries of the metafiles by `Name`. `Config` is an absolute path, `Weights` one URL or missing."""
    from mmengine.fileio import load

    models = {}
    for metafile in load(MIM / 'model-index.yml')['Import']:
        for model in load(MIM / metafile)['Models']:
            model = {**model, 'Config': str(MIM / model['Config'])}
            if isinstance(model.get('Weights'), list):
                model['Weights'] = model['Weights'][0]
            models[model['Name']] = model
    return models


def named_models() -> dict[str, dict]:
    """Returns :func:`metafile_models`, and the `Config` of the micro recipes, which no metafile has, by name."""
    configs = MIM / 'configs'
    paths = (configs / path for path in list_configs(str(configs)) if not path.startswith('_base_/'))
    return {path.stem: dict(Config=str(path)) for path in paths} | metafile_models()


def model_of_inferencer(name: str, scope: str, others: Iterable[str]) -> tuple['Config', str | None]:
    """Finds what an inferencer of MMEngine needs to run one of our models.

    Args:
        name: Name of the model.
        scope: Scope of the inferencer: 'mmaction', 'mmdet', ...
        others: Names of the models of that scope's package.

    Returns:
        tuple[Config, str | None]: Config, and URL of the weights if there are any.

    Raises:
        ValueError: If there is no such model, or if it is a model of another scope.
    """
    from mmengine.config import Config

    models = named_models()
    if name not in models:
        raise ValueError(f'Cannot find model: {name} in {scope} or mmhvt: {nearest(name, {*others, *models})}')
    cfg = Config.fromfile(models[name]['Config'])
    if cfg.default_scope != scope:
        raise ValueError(f'{name} is a model for {INFERENCERS[cfg.default_scope]}, not for an inferencer of {scope}')
    return cfg, models[name].get('Weights')


def register_models(hub: 'type[ModelHub]') -> None:
    """Registers our models in mmpretrain's ``ModelHub``, if they are not in it yet."""
    if not metafile_models().keys() & hub._models_dict.keys():
        hub.register_model_index(MIM / 'model-index.yml', config_prefix=MIM)
