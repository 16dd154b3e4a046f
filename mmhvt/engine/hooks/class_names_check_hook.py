"""Compares the classes of a run's datasets, what its metrics evaluate, and masks, before the first step."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner

from mmhvt.registry import HOOKS

from .dataset_labels import check_names, class_names, source_of
from .optional_hook import OptionalHook
from .running_loops import running_loops
from .wrapped_datasets import unwrap_datasets


@HOOKS.register_module()
class ClassNamesCheckHook(OptionalHook):
    """Checks that training, validation and test have the same classes in the same order, and a test those of its model.

    Datasets that take their classes from their files, such as :class:`mmhvt.CocoDataset`, may have them in another
    order, so that a class of the model would be compared with another one of the annotations. A
    :class:`mmhvt.CocoMetric` must have the classes and images that it evaluates, too. A detector of masks needs a
    pipeline that loads them, and a metric of masks needs such a detector.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    def before_run(self, runner: Runner) -> None:
        """Compares the datasets and metrics of the loops that run.

        Raises:
            ValueError: If one has other classes than another, a metric lacks an image, or masks are missing.
        """
        first: tuple[list[str], str] | None = None
        for mode, dataset in _datasets(runner):
            names = class_names(dataset)
            if first is not None:
                check_names(*first, dataset, mode)
            elif names is not None:
                first = names, f'the {mode} dataset'
        for mode, loop in running_loops(runner):
            _check_masks(runner.model, mode, loop)
            metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
            for metric in (metric for metric in metrics if hasattr(metric, 'compare_images')):
                datasets = list(unwrap_datasets(loop.dataloader.dataset))
                ids = [_image_ids(dataset) for dataset in datasets]
                if all(ids):
                    owner = f'the {mode} dataset of {source_of(datasets[0])}'
                    metric.compare_images(class_names(datasets[0]), set().union(*ids), owner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compares the dataset of a test with that of the training, if the checkpoint names its classes.

        Raises:
            ValueError: If the test has other classes.
        """
        if any(mode == 'train' for mode, _ in running_loops(runner)):
            return  # it may learn other classes
        meta = checkpoint.get('meta')
        trained = class_names(meta.get('dataset_meta')) if isinstance(meta, Mapping) else None
        for mode, dataset in _datasets(runner):
            check_names(trained or class_names(dataset) or [], 'the checkpoint', dataset, mode)


def _datasets(runner: Runner) -> Iterator[tuple[str, Any]]:
    for mode, loop in running_loops(runner):
        for dataset in unwrap_datasets(loop.dataloader.dataset):
            yield mode, dataset


def _check_masks(model: Any, mode: str, loop: BaseLoop) -> None:
    """Compares a detector, its training pipeline, and its metrics, some of which may need masks."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    has_masks = getattr(model, 'with_mask', None)
    if has_masks is None:
        return
    for dataset in unwrap_datasets(loop.dataloader.dataset) if mode == 'train' and has_masks else ():
        loading = [
            transform.with_mask
            for transform in getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
            if hasattr(transform, 'with_mask')
        ]
        if loading and not any(loading):
            raise ValueError(
                f'{type(model).__name__} predicts masks, but the pipeline of the train dataset of {source_of(dataset)} '
                'does not load them: set with_mask=True in LoadAnnotations, or use a detector without a mask_head'
            )
    for metric in getattr(getattr(loop, 'evaluator', None), 'metrics', ()):
        if not has_masks and 'segm' in getattr(metric, 'metrics', ()):
            raise ValueError(
                f"{type(metric).__name__} of {mode}_evaluator has metric='segm', but {type(model).__name__} predicts "
                "no masks: set metric='bbox'"
            )


def _image_ids(dataset: Any) -> set:
    """Ids of the images of a dataset of mmdet; empty if it has none."""
    if not hasattr(dataset, 'get_data_info') or not len(dataset) or 'img_id' not in dataset.get_data_info(0):
        return set()
    return {dataset.get_data_info(index)['img_id'] for index in range(len(dataset))}
