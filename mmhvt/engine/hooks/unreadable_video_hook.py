"""Warns of unreadable videos and counts them."""

import os.path as osp
from collections.abc import Mapping

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmhvt.registry import HOOKS

from .wrapped_datasets import innermost_datasets


@HOOKS.register_module()
class UnreadableVideoHook(Hook):
    """Tells of the samples that mmhvt.VideoDataset replaced in training, because their videos cannot be read.

    Each file is warned of once, when the first batch arrives that should have held it. Every epoch ends with the number
    of samples replaced and of files, over all ranks, and with `unreadable_videos.txt` in the log directory: the files
    of the run so far with the reasons. An iteration-based run is one epoch.

    The samples themselves say what they stand in for, so the counts are exact whatever the workers are and however
    far they prefetch. Batches without such samples, of whatever shape, are left alone.

    Since it sees the batches, it also says so where a dataset and `collate_fn` do not belong together: repeated
    augmentation gives a list of samples for a video and needs `repeat_pseudo_collate`, which others must not have.

    `default_hooks=dict(unreadable_video=None)` leaves the hook out; the dataset then warns on its own.
    """

    def before_train(self, runner: Runner) -> None:
        """Takes over the reporting, before the dataloader's workers copy the dataset.

        Raises:
            ValueError: If the dataset gives lists of samples, and `collate_fn` takes samples.
        """
        self._files_of_run: dict[str, str] = {}
        self._samples = self._replaced = 0
        self._files_of_epoch: dict[str, str] = {}
        self._seen_batch = False
        collates_by = _collates_by(runner.train_dataloader)
        for dataset in innermost_datasets(runner.train_dataloader.dataset):
            if hasattr(dataset, 'hook_reports'):
                dataset.hook_reports = True
            # mmaction's and ours of repeated augmentation alone have it
            repeats = getattr(dataset, 'num_repeats', None) is not None
            if repeats and collates_by in ('pseudo_collate', 'default_collate'):
                raise ValueError(
                    f'{type(dataset).__name__} gives a list of num_repeats={dataset.num_repeats} samples for each '
                    f'video, but train_dataloader has collate_fn={collates_by}, which takes one: '
                    "collate_fn=dict(type='repeat_pseudo_collate') would do"
                )
            if not repeats and collates_by == _REPEATED and type(dataset).__module__.startswith(_PACKAGES):
                raise ValueError(_no_lists(dataset))

    def before_train_epoch(self, runner: Runner) -> None:
        """Starts counting anew."""
        self._samples = self._replaced = 0
        self._files_of_epoch = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Counts a batch and warns of files that are new.

        Raises:
            ValueError: If `collate_fn` takes lists of samples, and the dataset gives samples.
        """
        if not self._seen_batch:
            self._seen_batch = True
            # it iterates over what it takes for a list: over a dict, that gives the keys
            if _collates_by(runner.train_dataloader) == _REPEATED and not isinstance(data_batch, Mapping):
                raise ValueError(_no_lists(next(innermost_datasets(runner.train_dataloader.dataset))))
        samples = data_batch.get('data_samples') if isinstance(data_batch, Mapping) else None
        if not isinstance(samples, list | tuple):
            return
        self._samples += len(samples)
        for sample in samples:
            metainfo = getattr(sample, 'metainfo', None)
            unreadable = metainfo.get('unreadable') if isinstance(metainfo, Mapping) else None
            if not isinstance(unreadable, Mapping) or not unreadable:
                continue
            self._replaced += 1
            self._files_of_epoch.update(unreadable)
            for filename in unreadable.keys() - self._files_of_run.keys():
                runner.logger.warning(f'{unreadable[filename]}; training goes on with another sample')
            self._files_of_run.update(unreadable)

    def after_train_epoch(self, runner: Runner) -> None:
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


_REPEATED = 'repeat_pseudo_collate'
_PACKAGES = ('mmaction.', 'mmpretrain.', 'mmdet.', 'mmhvt.')


def _collates_by(loader: DataLoader) -> str:
    """Name of a dataloader's function that makes a batch of what the dataset gives."""
    function = getattr(loader, 'collate_fn', None)
    function = getattr(function, 'func', function)  # MMEngine hands it arguments by a partial
    return getattr(function, '__name__', type(function).__name__)


def _no_lists(dataset: object) -> str:
    return (
        f"train_dataloader has collate_fn=dict(type='{_REPEATED}'), for a list of samples for each video, as "
        f'mmhvt.RepeatAugDataset or mmhvt.RawframeDataset with num_repeats give it, but {type(dataset).__name__} gives '
        "one sample: leave collate_fn out, or set collate_fn=dict(type='pseudo_collate') where a base config has one"
    )
