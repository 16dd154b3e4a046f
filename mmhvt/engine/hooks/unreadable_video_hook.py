"""Warns about unreadable videos and counts them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from torch.utils.data._utils.signal_handling import _error_if_any_worker_fails

from mmhvt.datasets.known_files import KnownFiles, format_list, read_list
from mmhvt.engine.durable import write_durably
from mmhvt.registry import HOOKS

from .optional_hook import OptionalHook
from .running_loops import running_loops
from .wrapped_datasets import unwrap_datasets


@HOOKS.register_module()
class UnreadableVideoHook(OptionalHook):
    """Reports the samples that :class:`mmhvt.VideoDataset` replaced in training because their videos are unreadable.

    Warns about each file once, when the first batch arrives that should have contained it. At the end of each epoch,
    logs the number of replaced samples and of files over all ranks, and writes the files of the run so far and the
    reasons to `unreadable_videos.txt` in the work directory. An iteration-based run is one epoch.

    Files in this list that could not be opened are not opened again, by any worker, in any epoch or any later run with
    the same work directory, until their size or modification time changes.

    If a worker dies, the error names the file that it was reading. If the decoder crashed, or took 300 s of CPU time
    for it, the file is added to the list, so that a resumed run trains on without it.

    Samples carry in their metainfo which files they replace, so that the counts do not depend on the workers or on how
    far they prefetch. Batches without such samples are left alone, whatever their structure.

    The hook also checks that `collate_fn` fits the dataset: repeated augmentation returns a list of samples per video
    and needs `repeat_pseudo_collate`, which other datasets must not have.

    Without this hook the dataset warns by itself.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        super().__init__(enabled)
        self._known = KnownFiles()
        self._files_of_run: dict[str, str] = {}

    def before_run(self, runner: Runner) -> None:
        """Makes workers note what they read, and tells datasets which files earlier runs could not open."""
        self._notes = TemporaryDirectory(prefix='mmhvt_reading_')
        self._known = read_list(self._list_of(runner))
        self._files_of_run = self._known.reasons()
        for _, loop in running_loops(runner):
            for dataset in _reading_files(loop.dataloader.dataset):
                dataset.known_files.reading = self._notes.name
                dataset.known_files.update(self._known)
            if not isinstance(loop.run, partial):
                loop.run = partial(self._run, runner, loop.run)
        if self._known:
            runner.logger.warning(
                f'Videos that earlier runs could not open, and that have not changed, are not opened: '
                f'{len(self._known)} of {self._list_of(runner)}'
            )

    @staticmethod
    def _list_of(runner: Runner) -> Path:
        return Path(runner.work_dir, 'unreadable_videos.txt')

    def _run(self, runner: Runner, run: Callable[[], Any]) -> Any:
        """Runs a loop, and names the file that a worker was reading when it died."""
        try:
            return run()
        except (EOFError, ConnectionError) as closed:
            if (error := _death_of_a_worker()) is None:
                raise
            self._name_file(runner, error, closed)
            raise error from closed
        except RuntimeError as error:
            self._name_file(runner, error, error)
            raise

    def _name_file(self, runner: Runner, error: RuntimeError, cause: Exception) -> None:
        """Raises an error with the file that a worker was reading when it died, if ``error`` says that one did."""
        said = f'{error} {error.__cause__ or error.__context__ or ""}'
        names = self._read_by_the_dead(said)
        if not names:
            return
        # it needs mmaction2, which a run on images may lack
        from mmhvt.datasets import UnreadableVideoError

        found = re.search('signal: ([^.]*)', said)
        death = found[1] if found else ''
        message = f'{str(error).strip(" .")}{f" ({death})" if death not in str(error) else ""}'
        message += f' while it read {", ".join(names)}'
        if death in _CRASHES:
            for name in names:
                self._known.add(name, f'the worker that read it died ({death})')
            self._write(runner)
            message += f'. The file is now in {self._list_of(runner)}, so that a run with --resume goes on without it'
        raise UnreadableVideoError(message, names[0]) from cause

    def _read_by_the_dead(self, said: str) -> list[str]:
        """Files that workers were reading that died, or did not answer in time, according to an error."""
        notes = {path.name: os.fsdecode(path.read_bytes()) for path in Path(self._notes.name).iterdir()}
        if said.startswith('DataLoader timed out'):
            return sorted(notes.values())
        pids = re.findall(r'\d+', ' '.join(re.findall(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)', said)))
        return sorted({notes[pid] for pid in pids if pid in notes})

    def _write(self, runner: Runner) -> None:
        """Writes the list of the run so far."""
        listed = format_list(self._files_of_run | self._known.reasons(), self._known)
        write_durably(self._list_of(runner), listed.encode(errors='surrogateescape'))

    def before_train(self, runner: Runner) -> None:
        """Takes over the reporting from the datasets, before the workers of the dataloader copy them.

        Raises:
            ValueError: If the dataset returns lists of samples and `collate_fn` takes samples, or the other way round.
        """
        self._samples = self._replaced = 0
        self._files_of_epoch: dict[str, str] = {}
        self._seen_batch = False
        collate_fn = _collate_fn(runner.train_dataloader)
        for dataset in unwrap_datasets(runner.train_dataloader.dataset):
            if hasattr(dataset, 'hook_reports'):
                dataset.hook_reports = True
            # only datasets with repeated augmentation have this attribute
            repeats = getattr(dataset, 'num_repeats', None) is not None
            if repeats and collate_fn in ('pseudo_collate', 'default_collate'):
                raise ValueError(
                    f'{type(dataset).__name__} returns a list of num_repeats={dataset.num_repeats} samples per video, '
                    f'but collate_fn={collate_fn} of train_dataloader takes one: use '
                    f"collate_fn=dict(type='{_REPEATED}')"
                )
            if not repeats and collate_fn == _REPEATED and type(dataset).__module__.startswith(_PACKAGES):
                raise ValueError(_no_lists(dataset))

    def before_train_epoch(self, runner: Runner) -> None:
        """Resets the counts."""
        self._samples = self._replaced = 0
        self._files_of_epoch = {}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Counts the samples of a batch and warns about new files.

        Raises:
            ValueError: If `collate_fn` takes lists of samples, and the dataset returns samples.
        """
        if not self._seen_batch:
            self._seen_batch = True
            # repeat_pseudo_collate iterates over its items: over a dict, that yields the keys
            if _collate_fn(runner.train_dataloader) == _REPEATED and not isinstance(data_batch, Mapping):
                raise ValueError(_no_lists(next(unwrap_datasets(runner.train_dataloader.dataset))))
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
            for filename in sample.metainfo.get('unopened', ()):
                self._known.add(filename, unreadable[filename])
            for filename in unreadable.keys() - self._files_of_run.keys():
                runner.logger.warning(f'{unreadable[filename]}; training continues with another sample')
            self._files_of_run.update(unreadable)

    def after_train_epoch(self, runner: Runner) -> None:
        """Sums up over the ranks, logs the counts and writes the list."""
        parts = all_gather_object((self._samples, self._replaced, self._files_of_epoch, self._known))
        samples, replaced = (sum(part[i] for part in parts) for i in range(2))
        files = {filename: message for part in parts for filename, message in part[2].items()}
        # for workers that start with an epoch
        for _, _, _, known in parts:
            self._known.update(known)
        for dataset in _reading_files(runner.train_dataloader.dataset):
            dataset.known_files.update(self._known)
        if not replaced or not is_main_process():
            return
        self._files_of_run.update(files)
        self._write(runner)
        runner.logger.warning(
            f'Epoch {runner.epoch + 1}: {replaced} of {samples} samples were replaced because {len(files)} videos are '
            f'unreadable; see {self._list_of(runner)}',
        )


_REPEATED = 'repeat_pseudo_collate'
# how a file kills a worker; "Killed" means that the system lacked memory, or that a person did it
_CRASHES = (
    'Aborted',
    'Bus error',
    'Floating point exception',
    'Illegal instruction',
    'Profiling timer expired',  # KnownFiles.noting
    'Segmentation fault',
)
_PACKAGES = ('mmaction.', 'mmpretrain.', 'mmdet.', 'mmhvt.')


def _reading_files(dataset: object) -> Iterator[Any]:
    """Datasets of videos within wrappers."""
    return (inner for inner in unwrap_datasets(dataset) if hasattr(inner, 'known_files'))


def _death_of_a_worker() -> RuntimeError | None:
    """PyTorch's error for a worker that died after it had sent a batch, before that batch was fetched from it."""
    try:
        for _ in range(20):  # the pipe may close before the process ends
            _error_if_any_worker_fails()
            sleep(0.05)
    except RuntimeError as error:
        return error
    return None


def _collate_fn(loader: DataLoader) -> str:
    """Name of the collate function of a dataloader."""
    function = getattr(loader, 'collate_fn', None)
    function = getattr(function, 'func', function)  # MMEngine wraps it in a partial
    return getattr(function, '__name__', type(function).__name__)


def _no_lists(dataset: object) -> str:
    return (
        f"collate_fn=dict(type='{_REPEATED}') of train_dataloader takes a list of samples per video, as returned by "
        f'mmhvt.RepeatAugDataset or mmhvt.RawframeDataset with num_repeats, but {type(dataset).__name__} returns one: '
        "remove collate_fn, or set collate_fn=dict(type='pseudo_collate') if a base config has it"
    )
