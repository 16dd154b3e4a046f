"""Key frames of actions: those that are tested, and those that count."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmhvt.registry import HOOKS

from .running_loops import running_loops
from .wrapped_datasets import innermost_datasets


@HOOKS.register_module()
class KeyFramesCheckHook(Hook):
    """Compares key frames of datasets and :class:`mmhvt.AVAMetric` before the first step, in validation and test.

    The metric does so after the test, too: without this hook it is known late that it was of other videos.
    """

    def before_run(self, runner: Runner) -> None:
        """Checks the loops that run.

        Raises:
            ValueError: If a metric counts none of the key frames of its datasets.
        """
        for mode, loop in running_loops(runner):
            if mode == 'train':
                continue
            datasets = list(innermost_datasets(loop.dataloader.dataset))
            if not all(hasattr(dataset, 'key_frames') for dataset in datasets):
                continue
            metrics = [metric for metric in loop.evaluator.metrics if hasattr(metric, 'compare_with')]
            keys = set().union(*(dataset.key_frames for dataset in datasets)) if metrics else set()
            for metric in metrics:
                metric.compare_with(keys, f'is in the {mode} dataset')
