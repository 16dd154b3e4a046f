"""Warns of unreadable videos and counts them."""

import os.path as osp

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook

from mmhvt.registry import HOOKS

from .wrapped_datasets import innermost_datasets


@HOOKS.register_module()
class UnreadableVideoHook(Hook):
    """Tells of the samples that mmhvt.VideoDataset replaced in training, because their videos cannot be read.

    Each file is warned of once, when the first batch arrives that should have held it. Every epoch ends with the number
    of samples replaced and of files, over all ranks, and with `unreadable_videos.txt` in the log directory: the files
    of the run so far with the reasons. An iteration-based run is one epoch.

    The samples themselves say what they stand in for, so the counts are exact whatever the workers are and however
    far they prefetch.
    """

    def before_train(self, runner) -> None:
        """Takes over the reporting, before the dataloader's workers copy the dataset."""
        self._files_of_run: dict[str, str] = {}
        for dataset in innermost_datasets(runner.train_dataloader.dataset):
            if hasattr(dataset, 'hook_reports'):
                dataset.hook_reports = True

    def before_train_epoch(self, runner) -> None:
        """Starts counting anew."""
        self._samples = self._replaced = 0
        self._files_of_epoch: dict[str, str] = {}

    def before_train_iter(self, runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Counts a batch and warns of files that are new."""
        samples = data_batch['data_samples']
        self._samples += len(samples)
        for sample in samples:
            unreadable = sample.metainfo.get('unreadable')
            if not unreadable:
                continue
            self._replaced += 1
            self._files_of_epoch.update(unreadable)
            for filename in unreadable.keys() - self._files_of_run.keys():
                runner.logger.warning(f'{unreadable[filename]}; training goes on with another sample')
            self._files_of_run.update(unreadable)

    def after_train_epoch(self, runner) -> None:
        """Sums over the ranks, logs and writes the list."""
        parts = all_gather_object((self._samples, self._replaced, self._files_of_epoch))
        samples, replaced = (sum(part[i] for part in parts) for i in range(2))
        files = {filename: message for part in parts for filename, message in part[2].items()}
        if not replaced or not is_main_process():
            return
        self._files_of_run.update(files)
        path = osp.join(runner.log_dir, 'unreadable_videos.txt')
        with open(path, 'w') as file:
            file.writelines(f'{name}\t{message}\n' for name, message in sorted(self._files_of_run.items()))
        runner.logger.warning(
            f'Epoch {runner.epoch + 1}: {replaced} of {samples} samples were replaced by others, because '
            f'{len(files)} videos cannot be read. Their names: {path}',
        )
