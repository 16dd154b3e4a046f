"""Checkpoints that are cut off or another model's."""

import logging
import os
import re
import zipfile

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel

from mmhvt import migrate
from mmhvt.migrate.loading import Fate, line, listing, outline, refit
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

    To test, every tensor of the model must be in it. To start training with `load_from`, the backbone must fit; what
    stands behind it may differ (another number of classes, another task's head), and is named in one warning. A model
    without a backbone must fit whole. To resume, the two must be the same.

    Positions and tables that a backbone of ours has for another clip length, size or window are resized, as by
    `init_cfg`, with a line of report, and so are those of a decoder. Training may start from whatever `init_cfg` takes:
    an image's weights for a video, pre-training's without the last norm, a classifier's for a detector.

    Tensors that the model lacks are left out, with a line, if the model computes the same without them: a classifier's
    for a model of features. A deeper model's, or a class token, are another model's.

    A model that FSDP shards is not checked. `default_hooks=dict(checkpoint_check=None)` leaves the hook out.
    """

    # before EMAHook, which reads the checkpoint too
    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
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

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares with the model, before anything is copied into it, and resizes what is of another size.

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
        content = {re.sub(r'^module\.', '', str(name)): value for name, value in state_dict.items()}
        comparison = Comparison(model, content)
        problems, behind = comparison.problems, {}
        if not problems:
            return
        starts_training = isinstance(runner._train_loop, BaseLoop) and not runner._resume
        fitted, fates, reason = _refit(model, content, path, starts_training)
        if fates and not runner._resume:
            # what the fates tell of is settled: parameters that training starts as initialised among them
            told = {fate.name for fate in fates}
            problems = {k: problem for k, problem in Comparison(model, fitted).problems.items() if k not in told}
        if starts_training and hasattr(model, 'backbone'):
            behind = {name: problem for name, problem in problems.items() if not name.startswith('backbone.')}
            problems = {name: problem for name, problem in problems.items() if name.startswith('backbone.')}
        spare = [name for name in problems if not runner._resume and _is_spare(name, problems[name], model)]
        if len(spare) < len(problems):
            raise ValueError(
                f'{path} does not fit the model: {comparison.fit} of the {comparison.total} tensors of the model are '
                f'in it with the right shape. {comparison.text(problems)}. '
                + _advice(runner, model, content, bool(fates), reason)
            )
        if fates:
            state_dict.clear()
            state_dict.update(fitted)
            level = logging.INFO if starts_training else logging.WARNING
            print_log(f'{path}, {type(model.backbone).__name__}: {line(fates)}', 'current', level)
        if behind:
            print_log(
                f'{path}: the backbone is loaded whole, {len(behind)} tensors behind it are not: '
                f'{comparison.text(behind)}',
                'current',
                logging.WARNING,
            )
        if spare:
            print_log(
                f'{path}: all that the model has is loaded, {len(spare)} tensors that it does not have are left out: '
                f'{listing(spare)}',
                'current',
                logging.WARNING,
            )

    @staticmethod
    def _path(runner: Runner) -> str | None:
        """The file that the runner is to load, found as it finds it."""
        if runner._resume and runner._load_from is None:
            return find_latest_checkpoint(runner.work_dir)
        return runner._load_from


def _refit(model: nn.Module, content: dict, path: str, starts_training: bool) -> tuple[dict, list[Fate], str]:
    """A state dict with what is of another size resized, what became of its tensors, and why not if it cannot be.

    For anything but the start of training, no more than sizes may differ.
    """
    if not hasattr(getattr(model, 'backbone', None), 'optional_part'):  # not one of ours
        return content, [], ''
    try:
        fitted, fates = refit(model, content, path)
    except ValueError as error:
        # why positions cannot be resized; of names and shapes the comparison tells
        return content, [], str(error.__cause__ or '')
    if all(fate.what == 'loaded' for fate in fates):
        return content, [], ''
    if starts_training:
        return fitted, fates, ''
    resized = {fate.name: fitted[fate.name] for fate in fates if fate.what == 'resized'}
    return content | resized, [fate for fate in fates if fate.what in ('loaded', 'resized')] if resized else [], ''


def _advice(runner: Runner, model: nn.Module, content: dict, resizable: bool, reason: str) -> str:
    """What would do in place of a checkpoint that does not fit."""
    backbone = getattr(model, 'backbone', None)
    if runner._resume:
        end = 'would start a new training from its weights' + (', resized' if resizable else '')
        return f'Resuming needs the config that it was trained with; load_from with resume=False {end}'
    if hasattr(backbone, 'optional_part'):  # ours
        init_cfg = "the backbone's init_cfg=dict(type='Pretrained', checkpoint=…)"
        # others call a state dict otherwise
        theirs = next((content[key] for key in ('model_state', 'model') if isinstance(content.get(key), dict)), content)
        source = migrate.recognise({name: value for name, value in theirs.items() if isinstance(value, Tensor)})
        if source is not None:
            return (
                f'It is a file of {source.NAMES[0]}: {init_cfg} takes it as it is, and tools/checkpoint/convert.py '
                'makes one for load_from and tests of it, with its classifier'
            )
        own = {name.removeprefix('backbone.'): v for name, v in content.items() if name.startswith('backbone.')}
        if not own and len(content.keys() & backbone.state_dict().keys()) > len(content) // 2:
            return f'Its names do not begin with "backbone.": it is of a backbone alone, which {init_cfg} takes'
        expected, found = outline(backbone.state_dict()), outline(own)
        if expected != found:
            reason = f'the model has {expected}, the file {found}'
    return 'The config that it was trained with would fit' + (f': {reason}' if reason else '')


def _is_spare(name: str, problem: str, model: nn.Module) -> bool:
    """Whether a tensor of a checkpoint is one without which the model computes what it did when it was trained."""
    if problem != 'not in the model':
        return False
    owner, path = model, name.split('.')[:-1]
    for part in path:
        if part not in owner._modules:
            break
        owner = owner._modules[part]
    if isinstance(owner, nn.ModuleList | nn.Sequential):
        return False  # of another depth
    if not name.startswith('backbone.'):
        return True
    # a part behind the backbone's last; of ours, a norm of a stage that is not returned
    ours = hasattr(owner, 'optional_part')
    return owner is getattr(model, 'backbone', None) and len(path) > 1 and (not ours or path[1].startswith('norm'))
