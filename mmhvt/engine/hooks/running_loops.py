"""Loops of a runner that are about to run."""

from collections.abc import Iterator

from mmengine.runner import BaseLoop, Runner


def running_loops(runner: Runner) -> Iterator[tuple[str, BaseLoop]]:
    """Yields the loops that are built, with their modes 'train', 'val' and 'test'."""
    for mode in ('train', 'val', 'test'):
        # runner.train_loop would build a loop that does not run
        loop = getattr(runner, f'_{mode}_loop')
        if isinstance(loop, BaseLoop):
            yield mode, loop
