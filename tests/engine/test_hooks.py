"""The checks of hooks on any dataset, head, batch and metric, and how to do without them (docs/guides/bad_input.md)."""

import copy
from argparse import ArgumentParser
from pathlib import Path

import pytest
from mmengine import Config
from mmengine.config import DictAction
from mmengine.hooks import Hook, LoggerHook
from mmengine.registry import HOOKS as HOOKS_REGISTRY
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmhvt.engine import CheckpointHook

HOOKS = {
    'checkpoint_check': 'CheckpointCheckHook',
    'num_classes_check': 'NumClassesCheckHook',
    'schedule_check': 'ScheduleCheckHook',
    'unreadable_video': 'UnreadableVideoHook',
}


@pytest.mark.parametrize('name', HOOKS)
def test_each_hook_can_be_left_out(name: str, config: Config) -> None:
    names = lambda runner: [type(hook).__name__ for hook in runner.hooks]  # noqa: E731  # noqa: E731
    assert set(HOOKS.values()) <= set(names(Runner.from_cfg(copy.deepcopy(config))))
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    config.merge_from_dict(parser.parse_args(['--cfg-options', f'default_hooks.{name}.enabled=False']).cfg_options)
    left = names(Runner.from_cfg(config))
    assert HOOKS[name] not in left and set(HOOKS.values()) - {HOOKS[name]} <= set(left)


def test_a_config_that_inherits_leaves_hooks_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'mine.py').write_text(
        f"_base_ = ['{root}/configs/_base_/default_runtime.py']\n"
        'off = dict(enabled=False)\n'
        'default_hooks = dict(checkpoint_check=off, num_classes_check=off, schedule_check=off, unreadable_video=off)\n'
        'default_hooks.update(config_check=off, exact_resume=off, compile=off, finite_loss=off, timer=None)\n'
    )
    config = Config.fromfile(tmp_path / 'mine.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        hooks = [type(HOOKS_REGISTRY.build(hook)) for hook in config.default_hooks.values() if hook]
    # MMEngine's own can be replaced by type='CheckpointHook'
    assert [hook for hook in hooks if hook.__module__.startswith('mmhvt.')] == [CheckpointHook]
    assert hooks.count(Hook) == 8 and {LoggerHook, CheckpointHook} <= set(hooks)
