"""Compares the key frames of datasets with those of metrics, before the first step."""

from mmengine.runner import Runner

from mmhvt.registry import HOOKS

from .optional_hook import OptionalHook
from .running_loops import running_loops
from .wrapped_datasets import unwrap_datasets


@HOOKS.register_module()
class KeyFramesCheckHook(OptionalHook):
    """Checks before the first step that :class:`mmhvt.AVAMetric` counts key frames of the dataset that it evaluates.

    The metric repeats the check after an evaluation, which is late to find out that its annotations have other videos.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    def before_run(self, runner: Runner) -> None:
        """Checks validation and test.

        Raises:
            ValueError: If a metric counts none of the key frames of its datasets.
        """
        for mode, loop in running_loops(runner):
            if mode == 'train':
                continue
            datasets = list(unwrap_datasets(loop.dataloader.dataset))
            if not all(hasattr(dataset, 'key_frames') for dataset in datasets):
                continue
            metrics = [metric for metric in loop.evaluator.metrics if hasattr(metric, 'compare_with')]
            keys = set().union(*(dataset.key_frames for dataset in datasets)) if metrics else set()
            for metric in metrics:
                metric.compare_with(keys, f'the {mode} dataset has')
