"""Checkpoints that are cut off or another model's."""

import logging
import os
import re
import zipfile

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, find_latest_checkpoint
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from mmhvt.registry import HOOKS


def _shape(value: object) -> tuple[int, ...] | None:
    return tuple(value.shape) if hasattr(value, 'shape') else None


class Comparison:
    """Tensors of a model beside those of a checkpoint.

    Args:
        model: The bare model.
        state_dict: Of the checkpoint, without 'module.' prefixes.
    """

    def __init__(self, model: nn.Module, state_dict: dict):
        found = dict(state_dict)
        for name, module in model.named_modules():
            # a module may rename or resize what it loads
            for hook in module._load_state_dict_pre_hooks.values():
                hook(found, f'{name}.' if name else '', {}, True, [], [], [])
        expected = model.state_dict()
        self.total = len(expected)
        self.fit = sum(name in found and _shape(found[name]) == _shape(value) for name, value in expected.items())
        # name -> what is wrong with it
        self.problems = {}
        for name, value in expected.items():
            if name not in found:
                # as MMEngine, which takes checkpoints of before PyTorch 0.4.1
                if not name.endswith('num_batches_tracked'):
                    self.problems[name] = 'missing in the checkpoint'
            elif _shape(found[name]) != _shape(value):
                self.problems[name] = f'{_shape(found[name])} in the checkpoint, {_shape(value)} in the model'
        self.problems |= {name: 'not in the model' for name in found if name not in expected}

    @staticmethod
    def text(problems: dict[str, str], most: int = 3) -> str:
        """A few of the problems. Wrong shapes come first: they tell most."""
        ranked = sorted(problems, key=lambda name: not problems[name].startswith('('))
        listed = '; '.join(f'{name}: {problems[name]}' for name in ranked[:most])
        return listed + (f'; and {len(ranked) - most} more' if len(ranked) > most else '')


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Refuses a checkpoint that does not fit the model, where MMEngine loads what fits and warns.

    To test and to resume, every tensor must fit. To start training with `load_from`, the backbone must fit; what
    stands behind it may differ (another number of classes, another task's head), and is named in one warning. A model
    without a backbone must fit whole. A model that FSDP shards is not checked.
    """

    # before EMAHook, which reads the checkpoint too
    priority = 'VERY_HIGH'

    def before_run(self, runner) -> None:
        """Looks at the file before it is unpickled.

        Raises:
            ValueError: If it is no checkpoint or is cut off.
        """
        path = self._path(runner)
        if path is None or not os.path.isfile(path):
            return  # a URL, or a file that MMEngine will name as missing
        with open(path, 'rb') as file:
            head = file.read(2)
        # torch.save writes zip files, whose directory stands at the end; before PyTorch 1.6 it wrote pickles
        if head == b'PK':
            reason = '' if zipfile.is_zipfile(path) else f'it is cut off after {os.path.getsize(path)} bytes'
        else:
            reason = '' if head[:1] == b'\x80' else 'it is empty' if not head else 'torch.save did not write it'
        if reason:
            advice = 'resume from an earlier one, or copy' if runner._resume else 'copy'
            raise ValueError(f'{path} cannot be read as a checkpoint, {reason}: {advice} or download it again')

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compares with the model, before anything is copied into it.

        Raises:
            ValueError: If it does not fit, or if there is nothing to resume in it.
        """
        path = self._path(runner) or 'the checkpoint'
        if not isinstance(checkpoint, dict):
            raise ValueError(f'{path} holds a {type(checkpoint).__name__}, not a state dict')
        if runner._resume:
            lacking = [key for key in ('state_dict', 'meta', 'message_hub', 'optimizer') if key not in checkpoint]
            if lacking:
                raise ValueError(
                    f'{path} cannot be resumed, it lacks {", ".join(lacking)}: '
                    'load_from with resume=False would start a new training from its weights'
                )
        model = runner.model
        if isinstance(model, FullyShardedDataParallel):
            return  # a rank has only shards to compare with, and FSDP's own hooks do not bear a trial run
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        state_dict = checkpoint.get('state_dict', checkpoint)
        comparison = Comparison(model, {re.sub(r'^module\.', '', str(name)): v for name, v in state_dict.items()})
        problems, behind = comparison.problems, {}

        starts_training = isinstance(runner._train_loop, BaseLoop) and not runner._resume
        if starts_training and hasattr(model, 'backbone'):
            behind = {name: problem for name, problem in problems.items() if not name.startswith('backbone.')}
            problems = {name: problem for name, problem in problems.items() if name.startswith('backbone.')}
        if problems:
            raise ValueError(
                f'{path} does not fit the model: {comparison.fit} of the {comparison.total} tensors of the model are '
                f'in it with the right shape. {comparison.text(problems)}. The config that it was trained with would '
                "fit; weights of another library or task go in by the backbone's "
                "init_cfg=dict(type='Pretrained', checkpoint=…)"
            )
        if behind:
            print_log(
                f'{path}: the backbone is loaded whole, {len(behind)} tensors behind it are not: '
                f'{comparison.text(behind)}',
                'current',
                logging.WARNING,
            )

    @staticmethod
    def _path(runner) -> str | None:
        """The file that the runner is to load, found as it finds it."""
        if runner._resume and runner._load_from is None:
            return find_latest_checkpoint(runner.work_dir)
        return runner._load_from
