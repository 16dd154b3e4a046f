"""Classes of the model, of its loss, of the annotations and of the metrics."""

import logging
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmhvt.registry import HOOKS

from .dataset_labels import Labels, labels_of, source_of
from .running_loops import running_loops
from .wrapped_datasets import innermost_datasets


class Head(NamedTuple):
    """A head of classification.

    Args:
        name: What leads to it in the model.
        module: The head, which has `num_classes`.
    """

    name: str
    module: nn.Module

    @property
    def num_classes(self) -> int:
        return self.module.num_classes

    @property
    def loss(self) -> tuple[str, nn.Module | None]:
        """Name and module of its loss, in mmaction and in mmpretrain."""
        name = 'loss_cls' if hasattr(self.module, 'loss_cls') else 'loss_module'
        loss = getattr(self.module, name, None)
        return f'{self.name}.{name}', loss if isinstance(loss, nn.Module) else None

    @property
    def loss_kind(self) -> str | None:
        """What the loss makes of scores, see :func:`mmhvt.models.heads.loss_kind.loss_kind`."""
        from mmhvt.models.heads.loss_kind import loss_kind  # here, since hooks come without models

        _, loss = self.loss
        return None if loss is None else loss_kind(loss)

    def is_a(self, *names: str) -> bool:
        """Whether its class or a base of it has one of these names."""
        return _is_a(self.module, *names)


@HOOKS.register_module()
class NumClassesCheckHook(Hook):
    """Compares what model, loss, annotations and metrics take for classes, before a weight is loaded.

    - `num_classes` of the head with the largest label of the annotations. Of the datasets, those of the loops that run
      count (training and its validation, or test), within any wrappers; classes that :func:`labels_of` cannot read
      are passed over. Each head of a :class:`mmhvt.models.CoTrainingHead` is compared with the datasets that
      :class:`mmhvt.datasets.NameDataset` gives it.
    - Samples without a label, where a loss or a metric needs one.
    - Weights of the loss with `num_classes`, and blending.
    - Losses, scores, labels and metrics of different tasks: of one label a sample, or of several.
    - For detectors of actions, `num_classes` of the head with that of datasets and metrics.

    Besides, `max_testing_views` with the batch size. `default_hooks=dict(num_classes_check=None)` leaves it out.
    """

    def before_run(self, runner: Runner) -> None:
        """Checks the model and every dataset.

        Raises:
            ValueError: If one of these does not fit another; names both, and what would do.
        """
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        bbox_head = getattr(getattr(model, 'roi_head', None), 'bbox_head', None)
        # mmaction's BBoxHeadAVA alone has it; its import would need mmdet, and recognition does not
        if hasattr(bbox_head, 'multilabel'):
            self._check_actions(runner, bbox_head.num_classes)
        self._check_views(runner, model)
        heads = _heads(model)
        trains = any(mode == 'train' for mode, _ in running_loops(runner))
        for head in heads.values():
            if trains:
                _check_weights(head)
            _check_pair(head)
        if None in heads:
            self._check_blending(model, heads[None].num_classes)
        for mode, loop in running_loops(runner) if heads else ():
            for head in heads.values():
                _check_averaging(head, mode, _metrics(loop))
            for dataset in innermost_datasets(loop.dataloader.dataset):
                self._check_dataset(heads, dataset, mode, _metrics(loop) if mode != 'train' else [])

    @staticmethod
    def _check_actions(runner: Runner, num_classes: int) -> None:
        chosen: dict[str, list[int] | None] = {}
        for mode, loop in running_loops(runner):
            counting = [*innermost_datasets(loop.dataloader.dataset)]
            if mode != 'train':
                counting += _metrics(loop)
            for part in counting:
                name = f'{type(part).__name__} of {mode}'
                if getattr(part, 'num_classes', None) not in (None, num_classes):
                    raise ValueError(
                        f'bbox_head has num_classes={num_classes}, but {name} has '
                        f"num_classes={part.num_classes}: they must be equal, and count class 0, which is nobody's"
                    )
                if getattr(part, 'proposal_file', '') is None:
                    raise ValueError(
                        f'{name} has no proposal_file: the boxes of persons come from there. It may lack key frames, '
                        'for which the whole picture stands'
                    )
                if hasattr(part, 'custom_classes'):
                    # mmaction puts class 0, which is nobody's, in front
                    chosen[name] = part.custom_classes and [label for label in part.custom_classes if label]
        (first, classes), *others = chosen.items() or [('', None)]
        for name, other in others:
            if other != classes:
                raise ValueError(
                    f'{first} has custom_classes={classes}, but {name} has custom_classes={other}: all must have the '
                    'same, in the same order'
                )

    @staticmethod
    def _check_views(runner: Runner, model: nn.Module) -> None:
        views = (getattr(model, 'test_cfg', None) or {}).get('max_testing_views')
        for mode, loop in running_loops(runner) if views and hasattr(model, 'cls_head') else ():
            batch_size = getattr(loop.dataloader, 'batch_size', None) or 1
            if mode != 'train' and batch_size > 1:
                raise ValueError(
                    f'model.test_cfg.max_testing_views={views} takes the views of one video at a time, but '
                    f'{mode}_dataloader has batch_size={batch_size}: batch_size=1 would do, or no max_testing_views'
                )

    @staticmethod
    def _check_blending(model: nn.Module, num_classes: int) -> None:
        preprocessor = getattr(model, 'data_preprocessor', None)
        blending = getattr(preprocessor, 'blending', None)
        for part in [blending, *getattr(blending, 'augments', [])]:
            if getattr(part, 'num_classes', None) not in (None, num_classes):
                raise ValueError(
                    f'data_preprocessor.blending ({type(part).__name__}) has num_classes={part.num_classes}, '
                    f'but cls_head has num_classes={num_classes}: they must be equal'
                )
        # mmpretrain's, which makes one-hot labels for its batch_augments
        if getattr(preprocessor, 'to_onehot', False) and preprocessor.num_classes not in (None, num_classes):
            raise ValueError(
                f'data_preprocessor makes one-hot labels of num_classes={preprocessor.num_classes}, but head has '
                f'num_classes={num_classes}: they must be equal'
            )

    @staticmethod
    def _check_dataset(heads: dict[str | None, Head], dataset: object, mode: str, metrics: list) -> None:
        name = _name_of(dataset)
        if None not in heads and name is not None and name not in heads:
            raise ValueError(
                f'the {mode} dataset of {source_of(dataset)} is named {name!r} by NameDataset, but CoTrainingHead has '
                f'heads for {", ".join(heads)}'
            )
        head = heads.get(None) or heads.get(name)
        labels = head and labels_of(dataset)
        if not labels:
            return
        # a metric may be of one dataset among several
        metrics = [metric for metric in metrics if getattr(metric, 'dataset', name) == name]
        _check_labels(head, dataset, labels, mode, metrics)
        if labels.largest >= 0:
            _check_task(head, dataset, labels, mode, metrics)
        if mode == 'train' and labels.largest + 1 < head.num_classes:
            print_log(
                f'{head.name} has num_classes={head.num_classes}, but the largest label of the train annotations is '
                f'{labels.largest} ({labels.where}): classes from {labels.largest + 1} on have no sample',
                'current',
                logging.WARNING,
            )


def _is_a(part: object, *names: str) -> bool:
    return any(base.__name__ in names for base in type(part).__mro__)


def _metrics(loop: BaseLoop) -> list:
    return list(getattr(getattr(loop, 'evaluator', None), 'metrics', []))


def _heads(model: nn.Module) -> dict[str | None, Head]:
    """Heads of classification: by the datasets that have one each, or under None the one of all."""
    for name in ('cls_head', 'head'):  # mmaction, mmpretrain
        module = getattr(model, name, None)
        several = getattr(module, 'heads', None)
        if isinstance(several, nn.ModuleDict):
            heads = {dataset: Head(f'{name}.heads.{dataset}', head) for dataset, head in several.items()}
        else:
            heads = {None: Head(name, module)}
        if heads := {key: h for key, h in heads.items() if isinstance(getattr(h.module, 'num_classes', None), int)}:
            return heads
    return {}


def _name_of(dataset: object) -> str | None:
    """The name that NameDataset gives the samples of a dataset."""
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []
    return next((t.name for t in reversed(transforms) if _is_a(t, 'NameDataset')), None)


def _check_weights(head: Head) -> None:
    """Compares the number of classes that a loss was built for with the head's."""
    name, loss = head.loss
    for part in loss.modules() if loss else ():
        counts = {'num_classes': getattr(part, 'num_classes', None)}
        for key in ('class_weight', 'pos_weight', 'weight', 'samples_per_cls'):
            value = getattr(part, key, None)
            shape = value.shape if hasattr(value, 'shape') else (len(value),) if hasattr(value, '__len__') else ()
            # one weight for all is a weight for each
            counts[key] = shape[-1] if len(shape) and not (key == 'pos_weight' and shape[-1] == 1) else None
        for key, count in counts.items():
            if count not in (None, head.num_classes):
                is_count = key == 'num_classes'
                raise ValueError(
                    f'{name} ({type(part).__name__}) has '
                    + (f'num_classes={count}' if is_count else f'a {key} of {count} classes')
                    + f', but {head.name} has num_classes={head.num_classes}: they must be equal'
                )


def _check_pair(head: Head) -> None:
    """Refuses a loss and scores of different tasks."""
    from mmhvt.models.heads.loss_kind import softmax_of_sigmoids

    name, loss = head.loss
    kind = head.loss_kind
    scores = f'{head.name} ({type(head.module).__name__})'
    if kind == 'sigmoid' and getattr(head.module, 'average_clips', None) == 'prob' and not head.is_a('MultiLabelHead'):
        raise ValueError(softmax_of_sigmoids(scores, f'{name} ({type(loss).__name__})'))
    if kind not in (None, 'sigmoid') and head.is_a('MultiLabelClsHead', 'MultiLabelHead'):
        raise ValueError(
            f'{scores} scores by a sigmoid for each class, but {name} ({type(loss).__name__}) is one of a single label '
            'a sample: CrossEntropyLoss with use_sigmoid=True (mmpretrain), BCELossWithLogits (mmaction) would do'
        )


def _check_averaging(head: Head, mode: str, metrics: list) -> None:
    """Refuses scores of each view for a metric that takes those of a video, which notices it after an epoch."""
    scores_views = head.is_a('BaseHead') and getattr(head.module, 'average_clips', '') is None
    if scores_views and not head.is_a('MultiLabelHead') and any(_is_a(metric, 'AccMetric') for metric in metrics):
        of_sigmoids = head.loss_kind == 'sigmoid'
        would_do = "average_clips='score', or type='mmhvt.MultiLabelHead'," if of_sigmoids else "average_clips='prob'"
        raise ValueError(
            f'{head.name} ({type(head.module).__name__}) has average_clips=None, so that it scores each view of a '
            f'video, but AccMetric of {mode}_evaluator takes one score a class: {would_do} would do'
        )


def _check_labels(head: Head, dataset: object, labels: Labels, mode: str, metrics: list) -> None:
    """Refuses samples without a label, and labels that the head has no class for."""
    # mmaction's, mmpretrain's and ours compare with labels; MMEngine's DumpResults does not
    packages = ('mmaction.', 'mmpretrain.', 'mmhvt.')
    needing = [m for m in metrics if any(base.__module__.startswith(packages) for base in type(m).__mro__)]
    if labels.unlabeled and (mode == 'train' or needing):
        use = 'training' if mode == 'train' else f'{type(needing[0]).__name__} of {mode}_evaluator'
        raise ValueError(
            f'{labels.unlabeled} of the {labels.total} samples of the {mode} annotations have no label, or a negative '
            f'one ({labels.first_unlabeled}), but {use} needs one of each'
            + ('' if mode == 'train' else ": DumpResults, MMEngine's metric that writes scores, needs none")
        )
    if labels.largest >= head.num_classes:
        raise ValueError(
            f'{head.name} has num_classes={head.num_classes}, but the largest label of the {mode} annotations is '
            f'{labels.largest} ({labels.where}). Labels count from 0: num_classes={labels.largest + 1} would do, if '
            'the file is right'
        )
    own = getattr(dataset, 'num_classes', None)
    if getattr(dataset, 'multi_class', False) and own != head.num_classes:
        raise ValueError(
            f'{head.name} has num_classes={head.num_classes}, but the multi_class {mode} dataset of '
            f'{source_of(dataset)} has num_classes={own}: they must be equal'
        )


def _check_task(head: Head, dataset: object, labels: Labels, mode: str, metrics: list) -> None:
    """Refuses a head or a metric of one label a sample for data of several, and the other way round."""
    name, loss = head.loss
    of_one = f'the {mode} dataset of {source_of(dataset)} gives one label a sample'
    of_several = f'the {mode} dataset of {source_of(dataset)} gives several labels a sample'
    if labels.several and not head.is_a('MultiLabelHead', 'MultiLabelClsHead'):
        kind = head.loss_kind
        # mmpretrain's scores are a softmax whatever the loss is
        if mode == 'train' and (kind not in (None, 'sigmoid') or head.is_a('ClsHead')):
            ours = 'MultiLabelLinearClsHead' if head.is_a('ClsHead') else 'mmhvt.MultiLabelHead'
            raise ValueError(
                f'{of_several}, but {head.name} ({type(head.module).__name__}) with {name} '
                f"({type(loss).__name__}) is for one: type='{ours}' would do"
            )
    if not labels.several and head.is_a('MultiLabelHead'):
        raise ValueError(
            f'{head.name} (MultiLabelHead) is for several labels a sample, but {of_one}: multi_class=True and '
            f'num_classes={head.num_classes} of the dataset would do'
        )
    for metric in metrics:
        chosen = set(metric.metrics) if _is_a(metric, 'AccMetric') else set()
        single = chosen & {'top_k_accuracy', 'mean_class_accuracy'}
        if labels.several and (single or _is_a(metric, 'Accuracy', 'SingleLabelMetric', 'ConfusionMatrix')):
            what = f'{type(metric).__name__}({", ".join(sorted(single))})' if single else type(metric).__name__
            others = "metric_list='mean_average_precision'" if single else 'MultiLabelMetric or AveragePrecision'
            raise ValueError(f'{of_several}, but {what} of {mode}_evaluator is for one: {others} would do')
        several = chosen - single
        if several and not labels.several:
            raise ValueError(
                f'{of_one}, but {type(metric).__name__}({", ".join(sorted(several))}) of {mode}_evaluator is for '
                "several: metric_list=('top_k_accuracy', 'mean_class_accuracy') would do"
            )
