"""Rejects checkpoints that are truncated or belong to another model."""

import os

from mmengine.runner import BaseLoop, Runner, find_latest_checkpoint

from mmhvt.engine.resuming import find_resumed, lacking_to_resume, whole_beside
from mmhvt.hub import missing_checkpoint
from mmhvt.migrate.reading import check_whole
from mmhvt.migrate.whole import Purpose, fit_checkpoint, has_own_backbone, unwrap_model
from mmhvt.registry import HOOKS

from .optional_hook import OptionalHook
from .resumed_state import find_fault


@HOOKS.register_module()
class CheckpointCheckHook(OptionalHook):
    """Rejects a checkpoint that does not fit the model, where MMEngine loads what fits and warns.

    For a test, it must have every tensor of the model. To start training with `load_from`, the backbone must fit; what
    comes after it may differ (another number of classes, another task's head), and is named in one warning. A model
    without a backbone must fit as a whole. To resume, the two must be the same.

    For a backbone of ours, files of other libraries are converted and positions resized, with a one-line report:
    :func:`mmhvt.migrate.whole.fit_checkpoint`.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    # before EMAHook, which reads the checkpoint too
    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Finds the file from which `resume=True` resumes, or checks the given one before it is unpickled.

        Raises:
            FileNotFoundError: If it is a path on disk that does not exist.
            ValueError: If it is not a checkpoint or not whole, or if there is none to resume.
        """
        found = find_resumed(runner)
        path = self._path(runner)
        if found or path is None or '://' in path:
            return  # checked, or a URL
        if not os.path.lexists(path):
            raise FileNotFoundError(missing_checkpoint(path))
        try:
            check_whole(path)
        except ValueError as error:
            advice = whole_beside(path) if runner._resume else ''
            raise ValueError(f'{error}: {advice or "copy or download it again"}') from error

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares a checkpoint with the model before anything is copied into it; converts and resizes what it can.

        Raises:
            ValueError: If it does not fit, or if there is nothing to resume in it.
        """
        path = self._path(runner) or 'the checkpoint'
        if not isinstance(checkpoint, dict):
            raise ValueError(f'{path} holds a {type(checkpoint).__name__}, not a state dict')
        if runner._resume and (lacking := lacking_to_resume(checkpoint)):
            raise ValueError(
                f'{path} cannot be resumed, it lacks {", ".join(lacking)}: '
                'load_from with resume=False would start a new training from its weights'
            )
        trains = isinstance(runner._train_loop, BaseLoop)
        purpose: Purpose = 'resume' if runner._resume else 'train' if trains else 'test'
        fit_checkpoint(runner.model, checkpoint, path, purpose)
        if runner._resume and (fault := find_fault(runner, checkpoint)):
            raise ValueError(
                f'{path} cannot be resumed, {fault}: resume with the config that it was trained with; '
                'load_from with resume=False would start a new training from its weights'
            )

    @staticmethod
    def _path(runner: Runner) -> str | None:
        """The file that the runner is going to load, found in the same way."""
        if runner._resume and runner._load_from is None:
            return find_latest_checkpoint(runner.work_dir)
        return runner._load_from


def check_checkpoint(runner: Runner, checkpoint: dict) -> None:
    """Does what the hook does if the config of a runner does not name it, and the model's backbone is one of ours.

    MMEngine's runners, as repaired by :mod:`mmhvt.compat`, call it before their hooks see the checkpoint.

    Args:
        runner: Runner that loads.
        checkpoint: Content of its file, changed in place.

    Raises:
        ValueError: See :meth:`CheckpointCheckHook.after_load_checkpoint`.
    """
    named = any(issubclass(getattr(hook, 'left_out', type(hook)), CheckpointCheckHook) for hook in runner.hooks)
    if not named and has_own_backbone(unwrap_model(runner.model)):
        CheckpointCheckHook().after_load_checkpoint(runner, checkpoint)
