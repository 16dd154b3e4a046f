"""Loops of a runner that are to run."""

from collections.abc import Iterator

from mmengine.runner import BaseLoop, Runner


def running_loops(runner: Runner) -> Iterator[tuple[str, BaseLoop]]:
    """'train', 'val', 'test' with their loops, as far as they are built."""
    for mode in ('train', 'val', 'test'):
        # runner.train_loop would build a loop that is not to run
        loop = getattr(runner, f'_{mode}_loop')
        if isinstance(loop, BaseLoop):
            yield mode, loop
