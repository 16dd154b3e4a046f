"""Runs what is not done yet: trainings in a few processes, each of which trains one after the other."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from statistics import median

import torch

from mmhvt.analysis.benchmarks.measure import Settings, giga_multiply_adds, take_turns
from mmhvt.registry import MODELS

from .experiments import RUNS, Part, Training
from .store import Store
from .train import prepare_worker, train


class EvidenceError(Exception):
    """Some runs failed; the message says which."""


def names_of(parts: Iterable[Part]) -> dict[str, tuple[str, Training]]:
    """Trainings by key, each with a name for people: the first of its cells. A pre-training precedes what needs it."""
    found: dict[str, tuple[str, Training]] = {}
    for part in parts:
        for (variant, column, seed), training in part.trainings().items():
            name = f'{part.name}: {variant}, {column}, seed {seed}'
            if training.pretraining:
                found.setdefault(training.pretraining.key, (f'{name}: pre-training', training.pretraining))
            found.setdefault(training.key, (name, training))
    return found


def call_train(training: Training) -> dict[str, float]:
    """:func:`train`, whose refusals of a config reach the other process as errors."""
    try:
        return train(training)
    except SystemExit as error:
        raise RuntimeError(str(error)) from None


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the context, processes that start compute by one thread each: they share the cores as they are."""
    before = os.environ.get('OMP_NUM_THREADS')
    os.environ['OMP_NUM_THREADS'] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ['OMP_NUM_THREADS']
        else:
            os.environ['OMP_NUM_THREADS'] = before


def open_pool(processes: int) -> Executor:
    """Processes that train. They start anew: a fork of one that has computed may wait for ever for its threads."""
    spawn = multiprocessing.get_context('spawn')
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=prepare_worker)


def run_trainings(
    parts: Sequence[Part], store: Store, processes: int, say: Callable[[str], None] = print, work: Callable = call_train
) -> None:
    """Train what has no result yet. Each result is stored when it is there, so that another call goes on.

    Args:
        parts: What to train.
        store: Results.
        processes: How many train at the same time.
        say: Takes a line for each training.
        work: Makes the result of a training, in another process.

    Raises:
        EvidenceError: If trainings failed, after all others, or a process was killed.
    """
    wanted = names_of(parts)
    # what a done fine-tuning started from is not needed again
    todo = {key: pair for key, pair in wanted.items() if store.done(pair[1]) is None}
    needed = {training.pretraining.key for _, training in todo.values() if training.pretraining}
    pretrainings = {training.pretraining.key for _, training in wanted.values() if training.pretraining}
    todo = {key: pair for key, pair in todo.items() if key not in pretrainings or key in needed}
    if not todo:
        return
    for data in {training.data.name: training.data for _, training in todo.values()}.values():
        data.write(processes)
    RUNS.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    waiting = dict(todo)
    running: dict[Future, str] = {}
    with one_thread(), open_pool(processes) as pool:
        try:
            while waiting or running:
                for key, (name, training) in list(waiting.items()):
                    before = training.pretraining.key if training.pretraining else None
                    if before in failed:
                        failed[key] = f'{name}: its pre-training failed'
                        del waiting[key]
                    elif before not in waiting and before not in running.values():
                        running[pool.submit(work, training)] = key
                        del waiting[key]
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    name, training = todo[key]
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        raise EvidenceError(
                            f'{name}: its process was killed, for lack of memory perhaps; with --processes 1 the same '
                            f'call goes on, {RUNS}/workers.log has what it said'
                        ) from None
                    except Exception as error:
                        failed[key] = f'{name}: {type(error).__name__}: {error}'
                        say(f'failed: {failed[key]}')
                        continue
                    store.save(training.settings, result)
                    count = len(todo) - len(waiting) - len(running)
                    top1 = f'top-1 {result["top1"]:.3f}' if 'top1' in result else f'loss {result["loss"]:.3f}'
                    say(f'[{count}/{len(todo)}] {name}: {top1} ({result["seconds"]:.0f} s)')
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        raise EvidenceError(
            f'{len(failed)} of {len(todo)} trainings failed, {next(iter(failed.values()))}; '
            f'{RUNS}/workers.log has what they said'
        )


def measure_speed(part: Part, store: Store, say: Callable[[str], None] = print) -> None:
    """Measure the models of a part at their published size, unless that is done: forward passes of one clip, in turns.

    The result has `ms` and `giga_multiply_adds` by variant, and the number of `threads`.
    """
    settings = part.speed_settings
    if settings is None or store.load(settings) is not None:
        return
    say(f'{part.name}: measuring the time of {len(settings["backbones"])} models')
    torch.manual_seed(0)
    models = {name: MODELS.build(cfg) for name, cfg in part.backbones().items()}
    x = torch.randn(1, 3, *part.speed['input_size'])  # type: ignore[index]
    multiply_adds = giga_multiply_adds(models, x)
    times = take_turns(models, x, 'inference', Settings(rounds=settings['rounds']))
    ms = {name: 1e3 * median(seconds) for name, seconds in times.seconds.items()}
    store.save(settings, dict(ms=ms, giga_multiply_adds=multiply_adds, threads=torch.get_num_threads()))


def run(parts: Sequence[Part], store: Store, processes: int = 2) -> None:
    """Train and measure what has no result yet.

    Raises:
        EvidenceError: See :func:`run_trainings`.
    """
    run_trainings(parts, store, processes, say=_say)
    for part in parts:
        measure_speed(part, store, say=_say)


def _say(line: str) -> None:
    print(line, flush=True)
