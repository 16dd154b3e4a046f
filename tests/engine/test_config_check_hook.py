"""Misspelled keys of a config are refused before the first step, others are left alone."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import mmaction
import mmdet
import mmpretrain
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from helpers import ROOT
from mmhvt.engine import ConfigCheckHook


def check(allowed: tuple[str, ...] = (), **keys) -> None:
    ConfigCheckHook(allowed).before_run(SimpleNamespace(cfg=Config(keys)))


@pytest.mark.parametrize(
    ('key', 'right'),
    [
        ('train_dataloder', 'train_dataloader'),
        ('traindataloader', 'train_dataloader'),
        ('optim_warpper', 'optim_wrapper'),
        ('param_schedulers', 'param_scheduler'),
        ('custom_hook', 'custom_hooks'),
        ('default_hook', 'default_hooks'),
        ('val_evalutor', 'val_evaluator'),
        ('load_form', 'load_from'),
        ('resum', 'resume'),
        ('modle', 'model'),
        ('auto_scale_Lr', 'auto_scale_lr'),
        ('log_procesor', 'log_processor'),
    ],
)
def test_misspelled_keys_are_named(key: str, right: str) -> None:
    message = rf"the config has {key}, which nothing reads: is it {right}\? If it is meant, set .*allowed=\['{key}'\]"
    with pytest.raises(ValueError, match=message) as caught:
        check(**{key: dict()})
    assert '\n' not in str(caught.value)
    check(allowed=(key,), **{key: dict()})


def test_sections() -> None:
    with pytest.raises(ValueError, match=r'has auto_scale_lr\.enabled, .* is it auto_scale_lr\.enable\?'):
        check(auto_scale_lr=dict(enabled=True))
    check(auto_scale_lr=dict(enable=True, base_batch_size=8), env_cfg=dict(cudnn_benchmark=True))


def test_variables_of_published_configs_are_left_alone() -> None:
    """Whatever the configs of OpenMMLab's packages and ours define at the top level."""
    folders = [Path(package.__file__).parent / '.mim/configs' for package in (mmaction, mmdet, mmpretrain)]
    names = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    for path in (path for folder in [*folders, ROOT / 'configs'] for path in folder.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        names.update(re.findall(r'^([a-z]\w+) *=', text, re.MULTILINE))
    assert len(names) > 100
    check(**{name: None for name in names if not name.startswith('_')})
    check(val_evaluator2={}, train_dataloader_b={}, mode='x')
