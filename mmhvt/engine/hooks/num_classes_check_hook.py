"""Classes of the model and of the annotation files."""

import logging
from collections.abc import Iterator

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmhvt.registry import HOOKS

from .wrapped_datasets import innermost_datasets


@HOOKS.register_module()
class NumClassesCheckHook(Hook):
    """Compares `num_classes` of the head with the largest label of the annotation files, before a weight is loaded.

    Looks at the datasets of the loops that run (training and its validation, or test) that know their largest label:
    mmhvt's do. For detectors of actions it compares `num_classes` of the head with that of datasets and metrics.
    """

    def before_run(self, runner) -> None:
        """Checks the model and every dataset.

        Raises:
            ValueError: If a label is too large for the head, or if what else of the model or the dataset counts
                classes (blending, `multi_class` labels, the metric of actions) counts otherwise.
        """
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        bbox_head = getattr(getattr(model, 'roi_head', None), 'bbox_head', None)
        # mmaction's BBoxHeadAVA alone has it; its import would need mmdet, and recognition does not
        if hasattr(bbox_head, 'multilabel'):
            self._check_actions(runner, bbox_head.num_classes)
        num_classes = getattr(getattr(model, 'cls_head', None), 'num_classes', None)
        if num_classes is None:
            return
        self._check_blending(model, num_classes)
        for mode, loop in self._loops(runner):
            for dataset in innermost_datasets(loop.dataloader.dataset):
                if hasattr(dataset, 'largest_label'):
                    self._check_dataset(dataset, num_classes, mode)

    @staticmethod
    def _loops(runner: Runner) -> Iterator[tuple[str, BaseLoop]]:
        for mode in ('train', 'val', 'test'):
            # runner.train_loop would build a loop that is not to run
            loop = getattr(runner, f'_{mode}_loop')
            if isinstance(loop, BaseLoop):
                yield mode, loop

    @classmethod
    def _check_actions(cls, runner: Runner, num_classes: int) -> None:
        for mode, loop in cls._loops(runner):
            counting = [*innermost_datasets(loop.dataloader.dataset)]
            if mode != 'train':
                counting += loop.evaluator.metrics
            for part in counting:
                if getattr(part, 'num_classes', None) not in (None, num_classes):
                    raise ValueError(
                        f'bbox_head has num_classes={num_classes}, but {type(part).__name__} of {mode} has '
                        f"num_classes={part.num_classes}: they must be equal, and count class 0, which is nobody's"
                    )

    @staticmethod
    def _check_blending(model: nn.Module, num_classes: int) -> None:
        blending = getattr(model.data_preprocessor, 'blending', None)
        for part in [blending, *getattr(blending, 'augments', [])]:
            if getattr(part, 'num_classes', None) not in (None, num_classes):
                raise ValueError(
                    f'data_preprocessor.blending ({type(part).__name__}) has num_classes={part.num_classes}, '
                    f'but cls_head has num_classes={num_classes}: they must be equal'
                )

    @staticmethod
    def _check_dataset(dataset, num_classes: int, mode: str) -> None:
        largest = dataset.largest_label
        where = f'{dataset.ann_file}, line {dataset.largest_label_line}'
        if largest >= num_classes:
            raise ValueError(
                f'cls_head has num_classes={num_classes}, but the largest label of the {mode} annotations is '
                f'{largest} ({where}). Labels count from 0: num_classes={largest + 1} would do, if the file is right'
            )
        if dataset.multi_class and dataset.num_classes != num_classes:
            raise ValueError(
                f'cls_head has num_classes={num_classes}, but the multi_class {mode} dataset of {dataset.ann_file} '
                f'has num_classes={dataset.num_classes}: they must be equal'
            )
        if mode == 'train' and largest + 1 < num_classes:
            print_log(
                f'cls_head has num_classes={num_classes}, but the largest label of the train annotations is '
                f'{largest} ({where}): classes from {largest + 1} on have no sample',
                'current',
                logging.WARNING,
            )
