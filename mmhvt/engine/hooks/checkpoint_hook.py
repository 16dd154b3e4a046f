"""Saves checkpoints so that there is a whole one at any time."""

import hashlib
import io
import os
from collections import deque
from pathlib import Path

import torch
from mmengine.dist import is_main_process, master_only
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.runner import BaseLoop, Runner

from mmhvt.engine.durable import DURABLE, DurableBackend, remove_unfinished, write_durably
from mmhvt.engine.resuming import POINTER, find_resumed, folder_of, on_rank_0
from mmhvt.migrate.reading import load_pickle
from mmhvt.registry import HOOKS


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's hook, but there is a whole checkpoint at any time, and `resume=True` finds it.

    MMEngine removes the old checkpoint, writes the new one in its place, and then the file `last_checkpoint`: a run
    that is killed, or whose disk is full, may leave nothing to resume. Here a file is written under another name,
    flushed to the disk and renamed; then `last_checkpoint` is updated in the same way, and then the old ones are
    removed. So the disk needs room for one more than `max_keep_ckpts`. A run whose disk is full stops with an OSError,
    and keeps what it has saved before.

    `resume=True` without a file resumes from the newest whole checkpoint, whatever `last_checkpoint` says:
    :func:`mmhvt.engine.resuming.find_resumed`. Without `resume`, a folder that holds checkpoints of an earlier run is
    rejected.

    An `out_dir` that is not on a local disk is written as in MMEngine, but with the old files removed last.

    Args:
        *args: Arguments of :class:`mmengine.hooks.CheckpointHook`.
        overwrite: Whether a run that does not resume may overwrite checkpoints of an earlier one. Defaults to False.
        **kwargs: Arguments of :class:`mmengine.hooks.CheckpointHook`.
    """

    def __init__(self, *args, overwrite: bool = False, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.overwrite = overwrite

    def before_run(self, runner: Runner) -> None:
        """Finds what `resume=True` resumes from, or makes sure that a new run overwrites nothing.

        Raises:
            ValueError: If there is nothing whole to resume, or a checkpoint of an earlier run is in the way.
        """
        if not isinstance(runner._train_loop, BaseLoop) or runner.iter > 0:
            return  # a test, or a training that goes on
        find_resumed(runner)
        folder = folder_of(runner)
        resumes = runner._resume and (runner._load_from is not None or runner._has_loaded)
        if resumes or self.overwrite or folder is None:
            return
        saved = on_rank_0(folder.saved)
        if saved and os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') != '0':
            # torchrun --max-restarts restarted this run, and its first start found the folder empty
            runner._resume, runner._load_from = True, None
            find_resumed(runner)
            if not isinstance(runner, Runner):
                runner.load_or_resume()  # FlexibleRunner has already done so before its hooks run
        elif saved:
            raise ValueError(
                f'{folder.path} holds {saved[0].name} of an earlier run: go on with --resume, choose another '
                '--work-dir, or overwrite it with default_hooks.checkpoint.overwrite=True'
            )

    def before_train(self, runner: Runner) -> None:
        """Prepares the folder: see :class:`mmengine.hooks.CheckpointHook`."""
        moved, info = self._resumes_elsewhere(runner), runner.message_hub.runtime_info
        ids = info.get('keep_ckpt_ids', [])
        if moved or not (isinstance(ids, list) and all(isinstance(number, int) for number in ids)):
            # of another folder: files with these numbers in this one belong to another run
            runner.message_hub.update_info('keep_ckpt_ids', [])
        super().before_train(runner)
        if self.save_best is not None:
            for key, best in self._best.items():
                # A copy of a folder must not remove the best checkpoint of the original. The file that a checkpoint
                # names is going to be removed, so it must be a best one.
                name = Path(best).name if isinstance(best, str) and not moved else ''
                is_best = name.startswith('best_')
                self._set_best(key, self.file_backend.join_path(self.out_dir, name) if is_best else None)
        if self.file_client_args is not None or type(self.file_backend) not in (LocalBackend, DurableBackend):
            return
        self.backend_args = dict(backend=DURABLE)
        if is_main_process():
            for path in remove_unfinished(Path(self.out_dir)) + remove_unfinished(Path(runner.work_dir)):
                runner.logger.info(f'Removed {path}, which a killed run left behind')

    @staticmethod
    def _resumes_elsewhere(runner: Runner) -> bool:
        """Whether a run resumes from a checkpoint outside of the folder that it is going to save to."""
        folder = folder_of(runner)
        if folder is None or not runner._resume or runner._load_from is None:
            return False
        return Path(runner._load_from).resolve().parent != folder.path.resolve()

    @property
    def _best(self) -> dict[str, str | None]:
        """Path of the best checkpoint by metric; MMEngine has two attributes for them."""
        if len(self.key_indicators) == 1:
            return {self.key_indicators[0]: self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best(self, key: str, path: str | None) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = path
        else:
            self.best_ckpt_path_dict[key] = path

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Saves, moves the pointer, and removes outdated checkpoints, in this order.

        Raises:
            OSError: If it cannot be written. Pointer and older checkpoints are then unchanged.
        """
        kept = [*(other for other in getattr(self, 'keep_ckpt_ids', ()) if other != step), step]
        if self.max_keep_ckpts > 0:
            # with the one that is removed in the end: if this run is killed before that, the resumed one removes it
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            write_durably(Path(runner.work_dir, POINTER), self.last_ckpt.encode())
        if self.max_keep_ckpts > 0:
            for outdated in kept[: -self.max_keep_ckpts]:
                path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(outdated))
                if path != self.last_ckpt:  # a template may be one name for all
                    self._remove(path)
            self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Saves the best checkpoint, and then removes the previous one."""
        if not self.save_best:
            return
        previous = list(self._best.values())
        # hidden from MMEngine, which would remove them first
        for key in self._best:
            self._set_best(key, None)
        super()._save_best_checkpoint(runner, metrics)
        # by position, as MMEngine replaces the key 'auto' with that of a metric
        for (key, path), old in zip(self._best.items(), previous, strict=True):
            if path is None:
                self._set_best(key, old)
            elif old not in (None, path):
                self._remove(old)
                runner.logger.info(f'The previous best checkpoint {old} is removed')

    @master_only
    def _remove(self, path: str) -> None:
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            self.file_backend.rmtree(path)  # of DeepSpeed

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        """Writes a checkpoint with only `published_keys`; its name ends in the SHA-256 of the file."""
        if self.backend_args != dict(backend=DURABLE):
            super()._publish_model(runner, ckpt_path)
            return
        content = {key: value for key, value in load_pickle(ckpt_path).items() if key in self.published_keys}
        file = io.BytesIO()
        torch.save(content, file)
        digest = hashlib.sha256(file.getvalue()).hexdigest()[:8]
        path = Path(ckpt_path).with_suffix('')
        path = path.with_name(f'{path.name}-{digest}.pth')
        write_durably(path, file.getvalue())
        runner.logger.info(f'The checkpoint ({ckpt_path}) is published to {path}.')
