"""Makes a resumed training equal to an uninterrupted one."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmhvt.migrate.whole import unwrap_model
from mmhvt.registry import HOOKS

from .optional_hook import OptionalHook

# entry of a checkpoint
_KEY = 'exact_resume'


@HOOKS.register_module()
class ExactResumeHook(OptionalHook):
    """Makes a resumed training end with the weights of an uninterrupted one, to the last bit.

    Random numbers depend on the seed of the run and on where they are drawn, instead of on all that was drawn before:
    those of a sample on the iteration, its place in the batch and the rank; those of a step (dropout, drop path, masks,
    mixup) on the iteration. They depend neither on the number of workers nor on how long these live, and a resumed run
    has no random state to restore. MMEngine's workers draw the same numbers in each epoch if they are not persistent.

    A checkpoint gets an entry `exact_resume`: the number of batches of the epoch that are done and the length of the
    epoch, the seed of the sampler, and gradients if it was written between two steps of the optimizer
    (`accumulative_counts`; in one process only). A run that resumes

    - takes the seed of the run and of its sampler from the checkpoint, even if the config has none;
    - continues within an epoch (``checkpoint=dict(by_epoch=False)``), with batches, logs and schedules in their place,
      where MMEngine repeats the epoch from its start;
    - skips batches of an :class:`~mmengine.runner.IterBasedTrainLoop` without loading them, whatever the sampler;
    - first repeats the validation that followed the checkpoint, on which the best checkpoint and schedules such as
      ReduceOnPlateauLR depend.

    Two runs are equal as far as their kernels are: on a GPU, set ``randomness=dict(deterministic=True)``. With another
    number of processes or batch size, a run continues at the same fraction of the epoch, with a warning.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    # after CheckpointHook, whose state the validation of before_train needs; nothing draws random numbers between this
    # and a step
    priority = 'LOWEST'

    def __init__(self, enabled: bool = True) -> None:
        super().__init__(enabled)
        self._resumed: dict[str, Any] | None = None
        self._batches: SeededBatches | None = None
        self._batches_done = 0
        self._validating = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Adds what a resumed run needs and MMEngine does not save."""
        if self._batches is None:
            return
        loader = runner.train_dataloader
        gradients = {}
        if getattr(runner.optim_wrapper, '_accumulative_counts', 1) > 1:
            parameters = unwrap_model(runner.model).named_parameters()
            gradients = {name: value.grad for name, value in parameters if value.grad is not None}
            if gradients and get_world_size() > 1:
                runner.logger.warning(
                    'This checkpoint lacks the gradients that are accumulated in several processes: save after a '
                    'multiple of accumulative_counts iterations to resume without a difference'
                )
                gradients = {}
            gradients = {name: value.cpu() for name, value in gradients.items()}
        # after the last batch of an epoch, CheckpointHook saves the beginning of the next one
        begins = self._batches.endless or checkpoint['meta']['epoch'] > runner.epoch
        checkpoint[_KEY] = dict(
            batches_done=0 if begins else self._batches_done,
            epoch_length=len(loader),
            sampler_seed=getattr(getattr(loader.batch_sampler, 'sampler', None), 'seed', None),
            validated=self._validating,
            gradients=gradients,
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Takes its entry from a checkpoint to resume."""
        if not runner._resume:
            return
        entry = checkpoint.get(_KEY)
        self._resumed = entry if _is_entry(entry, unwrap_model(runner.model)) else {}
        if not self._resumed:
            runner.logger.warning(
                'The checkpoint was written without ExactResumeHook: random numbers will differ from those of an '
                'uninterrupted run'
            )

    def before_train(self, runner: Runner) -> None:
        """Goes to the place of the checkpoint, and seeds everything from there on."""
        loop, resumed = runner.train_loop, self._resumed
        self._batches = batches = _seeded(runner.train_dataloader, runner.seed, Purpose.SAMPLE)
        if batches is None:
            return
        batches.endless = isinstance(loop, IterBasedTrainLoop)
        if resumed is None:
            return
        if resumed.get('sampler_seed') is not None and hasattr(batches, 'sampler'):
            batches.sampler.seed = resumed['sampler_seed']
        gradients = resumed.get('gradients', {})
        for name, parameter in unwrap_model(runner.model).named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter)
        if batches.endless:
            batches.skip = loop.iter
            # the iterator's own would skip as many again
            loop.dataloader_iterator.skip_iter = lambda num_iters: None
        else:
            self._batches_done = batches.skip = self._place(runner, resumed)
        if resumed.get('validated') is False and not self._batches_done:
            self._validate(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Tells the batches their position."""
        if (batches := self._batches) is None:
            return
        batches.iteration = runner.iter
        if not batches.endless:
            batches.epoch = runner.epoch
        if batches.skip and not batches.endless:
            loop, run_iter = runner.train_loop, runner.train_loop.run_iter
            loop.run_iter = lambda idx, data_batch, skipped=batches.skip: run_iter(idx + skipped, data_batch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Seeds the step."""
        self._batches_done = batch_idx + 1
        seed_generators(runner.seed, Purpose.STEP, runner.iter)

    def after_train_epoch(self, runner: Runner) -> None:
        """Counts from 0 again."""
        self._batches_done = 0
        vars(runner.train_loop).pop('run_iter', None)

    def before_val_epoch(self, runner: Runner) -> None:
        """Gives each validation the same random numbers; a checkpoint that is written during it needs no other one."""
        if batches := _seeded(runner.val_dataloader, runner.seed, Purpose.VALIDATION):
            batches.iteration = 0
        self._validating = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """See :meth:`before_val_epoch`."""
        self._validating = False

    @staticmethod
    def _place(runner: Runner, resumed: dict[str, Any]) -> int:
        """Number of batches of the epoch that the checkpoint has seen."""
        length = len(runner.train_dataloader)
        if not resumed:
            done = runner.iter - runner.epoch * length
            return done if 0 <= done <= length else 0
        done, length_before = resumed['batches_done'], resumed['epoch_length']
        if length_before != length:
            runner.logger.warning(
                f'An epoch has {length} batches, but {length_before} in the interrupted run, so samples come in '
                'another order: the number of processes, the batch size or the data has changed'
            )
            done = done * length // length_before
        if done:
            runner.logger.info(f'Epoch {runner.epoch + 1} goes on after {done} of {length} batches')
        return done

    @staticmethod
    def _validate(runner: Runner) -> None:
        """Validates if the interrupted run did so, or would have done, right after it had written the checkpoint."""
        loop = runner.train_loop
        loop._decide_current_val_interval()
        if isinstance(loop, IterBasedTrainLoop):
            done, end = loop.iter, loop.max_iters
        else:
            done, end = loop.epoch, loop.max_epochs
        due = done % loop.val_interval == 0 or done == end
        if runner.val_loop is not None and done >= loop.val_begin and due:
            runner.logger.info('Validating the checkpoint, as after it was written')
            runner.val_loop.run()


def _is_entry(entry: Any, model: nn.Module) -> bool:
    """Whether a checkpoint has the entry of :class:`ExactResumeHook`, of this model."""
    if not isinstance(entry, dict) or not isinstance(entry.get('gradients'), dict):
        return False
    done, length, seed = (entry.get(key) for key in ('batches_done', 'epoch_length', 'sampler_seed'))
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    return (
        isinstance(done, int)
        and isinstance(length, int)
        and 0 <= done <= length != 0
        and (seed is None or (isinstance(seed, int) and 0 <= seed < 1 << 62))
        and all(
            isinstance(gradient, Tensor) and gradient.shape == shapes.get(name)
            for name, gradient in entry['gradients'].items()
        )
    )


class Purpose(IntEnum):
    """What random numbers are for; each purpose has other numbers at the same position."""

    STEP, PASS, SAMPLE, VALIDATION = range(4)


def seed_generators(seed: int, purpose: Purpose, *position: int) -> None:
    """Seeds the generators of Python, NumPy and PyTorch by where they are used; for a step also those of GPUs."""
    words = np.random.SeedSequence((seed, purpose, *position)).generate_state(6)
    # from the same words, Python and NumPy would draw the same numbers
    random.seed(words[:2].tobytes())
    np.random.seed(words[2:4])
    # torch.manual_seed takes 0.3 ms, a hundred times as long
    seed_torch = torch.manual_seed if purpose is Purpose.STEP else torch.default_generator.manual_seed
    seed_torch(int(words[4]) << 32 | int(words[5]))


@dataclass
class SeededBatch:
    """Indices of a batch; iterating over them, as DataLoader does to load it, seeds each sample.

    Attributes:
        indices: Indices of the samples.
        position: Arguments of :func:`seed_generators` before the place of a sample in the batch.
    """

    indices: Sequence[Any]
    position: tuple[int, Purpose, int, int]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Any]:
        for place, index in enumerate(self.indices):
            seed_generators(*self.position, place)
            yield index


class SeededBatches:
    """A batch sampler whose batches are those of another one, as :class:`SeededBatch`.

    Args:
        batch_sampler: The other one.
        seed: Seed of the run.
        purpose: What the samples are for.

    Attributes:
        endless: Whether to begin again at the end of the data.
        epoch: Number of passes over the data so far.
        iteration: Iteration of the next batch.
        skip: Number of batches to skip, in the next pass or, if it is endless, in as many as it takes.
    """

    def __init__(self, batch_sampler: Any, seed: int, purpose: Purpose) -> None:
        self.batch_sampler = batch_sampler
        self.seed = seed
        self.purpose = purpose
        self.endless = False
        self.epoch = self.iteration = self.skip = 0

    def __getattr__(self, name: str) -> Any:
        """`sampler`, whose epoch hooks set, `batch_size`, `drop_last`."""
        return getattr(vars(self)['batch_sampler'], name)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[SeededBatch]:
        while True:
            # torch's RandomSampler draws its order
            seed_generators(self.seed, Purpose.PASS, self.epoch)
            for batch in self.batch_sampler:
                if self.skip:
                    self.skip -= 1
                    continue
                yield SeededBatch(batch, (self.seed, self.purpose, self.iteration, get_rank()))
                self.iteration += 1
            if not self.endless or not len(self):
                return
            self.epoch += 1
            if hasattr(getattr(self, 'sampler', None), 'set_epoch'):
                self.sampler.set_epoch(self.epoch)


def _seeded(loader: DataLoader, seed: int, purpose: Purpose) -> SeededBatches | None:
    """Seeds the samples of a loader; not those of an IterableDataset, which chooses them by itself."""
    if loader.batch_sampler is None or isinstance(loader.batch_sampler, SeededBatches):
        return loader.batch_sampler
    batches = SeededBatches(loader.batch_sampler, seed, purpose)
    # The loader stays the same object for loops and hooks that hold it. PyTorch forbids setting this attribute, as
    # another batch sampler may not fit its other settings.
    vars(loader)['batch_sampler'] = batches
    return batches
