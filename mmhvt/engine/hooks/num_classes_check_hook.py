"""Checks that model, loss, annotations and metrics agree on the classes, whose number the head has."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmhvt.registry import HOOKS

from .dataset_labels import Labels, check_names, class_names, labels_of, source_of
from .optional_hook import OptionalHook
from .running_loops import running_loops
from .wrapped_datasets import unwrap_datasets


class Head(NamedTuple):
    """A classification head.

    Args:
        name: Path of the head in the model.
        module: Module with `num_classes`.
        loss_name: Attribute of the module that has its loss.
    """

    name: str
    module: nn.Module
    loss_name: str

    @property
    def num_classes(self) -> int:
        return self.module.num_classes  # type: ignore[return-value]  # torch types it as Tensor | Module

    @property
    def loss(self) -> tuple[str, nn.Module | None]:
        """Path of the loss in the model, and the loss itself."""
        loss = getattr(self.module, self.loss_name, None)
        return f'{self.name}.{self.loss_name}', loss if isinstance(loss, nn.Module) else None

    @property
    def loss_kind(self) -> str | None:
        """What the loss does to scores, see :func:`mmhvt.models.heads.loss_kind.loss_kind`."""
        from mmhvt.models.heads.loss_kind import loss_kind  # here, since hooks do not need models

        _, loss = self.loss
        return None if loss is None else loss_kind(loss)

    def is_a(self, *names: str) -> bool:
        """Whether the class of the head, or one of its bases, has one of these names."""
        return _is_a(self.module, *names)


def _is_a(part: object, *names: str) -> bool:
    return any(base.__name__ in names for base in type(part).__mro__)


def _metrics(loop: BaseLoop) -> list[BaseMetric]:
    return list(getattr(getattr(loop, 'evaluator', None), 'metrics', []))


def _dataset_name(dataset: object) -> str | None:
    """The name that NameDataset gives the samples of a dataset."""
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []
    return next((t.name for t in reversed(transforms) if _is_a(t, 'NameDataset')), None)


# Classification: one label per sample, or several


def _check_classification(runner: Runner, model: nn.Module, head: Head) -> None:
    """Compares a head, or those of a CoTrainingHead, with its loss, blending, datasets and metrics."""
    _check_views(runner, model)
    heads = _heads(head)
    loops = list(running_loops(runner))
    for one in heads.values():
        if any(mode == 'train' for mode, _ in loops):
            _check_weights(one)
        _check_loss(one)
    if None in heads:
        _settle_blending(model, head)
    for mode, loop in loops if heads else ():
        metrics = _metrics(loop)
        for one in heads.values():
            _check_averaging(one, mode, metrics)
        for dataset in unwrap_datasets(loop.dataloader.dataset):
            _settle_dataset(heads, dataset)
            _check_dataset(heads, dataset, mode, metrics if mode != 'train' else [])
    _check_names(heads, loops)


def _heads(head: Head) -> dict[str | None, Head]:
    """Heads with a number of classes: by dataset, or the only one under None."""
    several = getattr(head.module, 'heads', None)
    heads: dict[str | None, Head] = {None: head}
    if isinstance(several, nn.ModuleDict):
        heads = {key: Head(f'{head.name}.heads.{key}', one, head.loss_name) for key, one in several.items()}
    return {key: one for key, one in heads.items() if isinstance(getattr(one.module, 'num_classes', None), int)}


def _check_views(runner: Runner, model: nn.Module) -> None:
    views = (getattr(model, 'test_cfg', None) or {}).get('max_testing_views')
    for mode, loop in running_loops(runner) if views else ():
        batch_size = getattr(loop.dataloader, 'batch_size', None) or 1
        if mode != 'train' and batch_size > 1:
            raise ValueError(
                f'model.test_cfg.max_testing_views={views} works on one video at a time, but {mode}_dataloader has '
                f'batch_size={batch_size}: set batch_size=1, or remove max_testing_views'
            )


def _check_weights(head: Head) -> None:
    """Compares the number of classes that the loss was built for with the head's."""
    name, loss = head.loss
    for part in loss.modules() if loss else ():
        counts = {'num_classes': getattr(part, 'num_classes', None)}
        for key in ('class_weight', 'pos_weight', 'weight', 'samples_per_cls'):
            value: Any = getattr(part, key, None)
            shape: Sequence[int] = (
                value.shape if hasattr(value, 'shape') else (len(value),) if hasattr(value, '__len__') else ()
            )
            # a single positive weight applies to all classes
            counts[key] = shape[-1] if len(shape) and not (key == 'pos_weight' and shape[-1] == 1) else None
        for key, count in counts.items():
            if count not in (None, head.num_classes):
                raise ValueError(
                    f'{name} ({type(part).__name__}) has '
                    + (f'num_classes={count}' if key == 'num_classes' else f'a {key} of {count} classes')
                    + f', but {head.name} has num_classes={head.num_classes}: they must be equal'
                )


def _check_loss(head: Head) -> None:
    """Checks that loss and scores are for the same task."""
    from mmhvt.models.heads.loss_kind import softmax_of_sigmoids

    name, loss = head.loss
    kind = head.loss_kind
    title = f'{head.name} ({type(head.module).__name__})'
    if kind == 'sigmoid' and getattr(head.module, 'average_clips', None) == 'prob' and not head.is_a('MultiLabelHead'):
        raise ValueError(softmax_of_sigmoids(title, f'{name} ({type(loss).__name__})'))
    if kind not in (None, 'sigmoid') and head.is_a('MultiLabelClsHead', 'MultiLabelHead'):
        raise ValueError(
            f'{title} applies a sigmoid to each class, but {name} ({type(loss).__name__}) takes one label per sample: '
            'use CrossEntropyLoss with use_sigmoid=True (mmpretrain) or BCELossWithLogits (mmaction)'
        )


def _settle_blending(model: nn.Module, head: Head) -> None:
    """Gives blending and one-hot labels the number of classes of the head, or compares it with their own."""
    num_classes = head.num_classes
    preprocessor: Any = getattr(model, 'data_preprocessor', None)
    blending: Any = getattr(preprocessor, 'blending', None)
    for part in [blending, *getattr(blending, 'augments', [])]:
        if not hasattr(part, 'num_classes'):
            continue
        if (count := part.num_classes) is None:
            part.num_classes = num_classes
        elif count != num_classes:
            raise ValueError(
                f'data_preprocessor.blending ({type(part).__name__}) has num_classes={count}, '
                f'but {head.name} has num_classes={num_classes}: they must be equal'
            )
    # mmpretrain's, for batch_augments
    if not getattr(preprocessor, 'to_onehot', False) or not hasattr(preprocessor, 'num_classes'):
        return
    if (count := preprocessor.num_classes) is None:
        preprocessor.num_classes = num_classes
    elif count != num_classes:
        raise ValueError(
            f'data_preprocessor with to_onehot=True has num_classes={count}, but {head.name} has '
            f'num_classes={num_classes}: they must be equal'
        )


def _check_averaging(head: Head, mode: str, metrics: list[BaseMetric]) -> None:
    """Checks that a metric of videos gets one score per video, which the metric itself notices only after an epoch."""
    scores_views = head.is_a('BaseHead') and getattr(head.module, 'average_clips', '') is None
    if scores_views and not head.is_a('MultiLabelHead') and any(_is_a(metric, 'AccMetric') for metric in metrics):
        of_sigmoids = head.loss_kind == 'sigmoid'
        choice = "average_clips='score' or type='mmhvt.MultiLabelHead'" if of_sigmoids else "average_clips='prob'"
        raise ValueError(
            f'{head.name} ({type(head.module).__name__}) has average_clips=None and scores each view of a video, but '
            f'AccMetric of {mode}_evaluator takes one score per class: use {choice}'
        )


def _head_of(heads: dict[str | None, Head], dataset: object) -> Head | None:
    return heads.get(None) or heads.get(_dataset_name(dataset))


def _settle_dataset(heads: dict[str | None, Head], dataset: Any) -> None:
    """Gives a dataset with several labels per sample the number of classes of its head."""
    head = _head_of(heads, dataset)
    if head is not None and getattr(dataset, 'multi_class', False) and dataset.num_classes is None:
        dataset.num_classes = head.num_classes


def _check_names(heads: dict[str | None, Head], loops: list[tuple[str, BaseLoop]]) -> None:
    """Checks that a dataset names as many classes as its head has, and validation the same ones as training."""
    named: dict[str | None, tuple[str, list[str]]] = {}
    for mode, dataset in ((mode, one) for mode, loop in loops for one in unwrap_datasets(loop.dataloader.dataset)):
        head, names = _head_of(heads, dataset), class_names(dataset)
        if head is None or names is None:
            continue
        first, others = named.setdefault(head.name, (mode, names))
        check_names(others, f'the {first} dataset', dataset, mode)
        if len(names) != head.num_classes:
            raise ValueError(
                f'{head.name} has num_classes={head.num_classes}, but the {mode} dataset of {source_of(dataset)} names '
                f'{len(names)} classes: set num_classes={len(names)} if these are yours, otherwise '
                'metainfo=dict(classes=…) of the datasets to the names of yours, or to None for no names'
            )


def _check_dataset(heads: dict[str | None, Head], dataset: object, mode: str, metrics: list[BaseMetric]) -> None:
    """Compares a dataset with its head and its metrics."""
    name = _dataset_name(dataset)
    if None not in heads and name is not None and name not in heads:
        raise ValueError(
            f'NameDataset names the {mode} dataset of {source_of(dataset)} {name!r}, but CoTrainingHead has heads for '
            f'{", ".join(map(str, heads))}'
        )
    head = _head_of(heads, dataset)
    labels = None if head is None else labels_of(dataset)
    if head is None or labels is None:
        return
    # DatasetAccMetric is for one of several datasets
    metrics = [metric for metric in metrics if getattr(metric, 'dataset', name) == name]
    _check_unlabeled(labels, mode, metrics)
    _check_labels(head, dataset, labels, mode)
    if labels.largest >= 0:
        _check_task(head, dataset, labels, mode, metrics)
    if mode == 'train' and labels.largest + 1 < head.num_classes:
        print_log(
            f'{head.name} has num_classes={head.num_classes}, but the largest label of the train annotations is '
            f'{labels.largest} ({labels.where}): classes from {labels.largest + 1} on have no sample',
            'current',
            logging.WARNING,
        )


def _check_unlabeled(labels: Labels, mode: str, metrics: list[BaseMetric]) -> None:
    """Checks that there are no samples without a label where training or a metric needs them."""
    # metrics of other packages, such as MMEngine's DumpResults, do without labels
    packages = ('mmaction.', 'mmpretrain.', 'mmhvt.')
    needing = [m for m in metrics if any(base.__module__.startswith(packages) for base in type(m).__mro__)]
    if labels.unlabeled and (mode == 'train' or needing):
        use = 'training' if mode == 'train' else f'{type(needing[0]).__name__} of {mode}_evaluator'
        raise ValueError(
            f'{labels.unlabeled} of the {labels.total} samples of the {mode} annotations have no label, or a negative '
            f'one ({labels.first_unlabeled}), but {use} needs one of each'
            + ('' if mode == 'train' else "; MMEngine's metric DumpResults, which writes scores, needs none")
        )


def _check_labels(head: Head, dataset: object, labels: Labels, mode: str) -> None:
    """Checks that the head has a class for every label."""
    if labels.largest >= head.num_classes:
        raise ValueError(
            f'{head.name} has num_classes={head.num_classes}, but the largest label of the {mode} annotations is '
            f'{labels.largest} ({labels.where}). Labels start at 0: set num_classes={labels.largest + 1} if the file '
            'is right'
        )
    own = getattr(dataset, 'num_classes', None)
    if getattr(dataset, 'multi_class', False) and own != head.num_classes:
        raise ValueError(
            f'{head.name} has num_classes={head.num_classes}, but the multi_class {mode} dataset of '
            f'{source_of(dataset)} has num_classes={own}: they must be equal'
        )


def _check_task(head: Head, dataset: object, labels: Labels, mode: str, metrics: list[BaseMetric]) -> None:
    """Checks that dataset, head and metrics all take one label per sample, or all take several."""
    name, loss = head.loss
    count = 'several labels' if labels.several else 'one label'
    gives = f'the {mode} dataset of {source_of(dataset)} has {count} per sample'
    if labels.several and not head.is_a('MultiLabelHead', 'MultiLabelClsHead'):
        kind = head.loss_kind
        # mmpretrain's ClsHead applies a softmax whatever the loss is
        if mode == 'train' and (kind not in (None, 'sigmoid') or head.is_a('ClsHead')):
            other = 'MultiLabelLinearClsHead' if head.is_a('ClsHead') else 'mmhvt.MultiLabelHead'
            raise ValueError(
                f'{gives}, but {head.name} ({type(head.module).__name__}) with {name} ({type(loss).__name__}) takes '
                f"one: use type='{other}'"
            )
    if not labels.several and head.is_a('MultiLabelHead'):
        raise ValueError(
            f'{gives}, but {head.name} (MultiLabelHead) takes several: set multi_class=True and '
            f'num_classes={head.num_classes} in the dataset'
        )
    for metric in metrics:
        _check_metric(metric, labels, gives, mode)


def _check_metric(metric: BaseMetric, labels: Labels, gives: str, mode: str) -> None:
    chosen = set(metric.metrics) if _is_a(metric, 'AccMetric') else set()
    single = chosen & {'top_k_accuracy', 'mean_class_accuracy'}
    if labels.several and (single or _is_a(metric, 'Accuracy', 'SingleLabelMetric', 'ConfusionMatrix')):
        what = f'{type(metric).__name__}({", ".join(sorted(single))})' if single else type(metric).__name__
        choice = "metric_list='mean_average_precision'" if single else 'MultiLabelMetric or AveragePrecision'
        raise ValueError(f'{gives}, but {what} of {mode}_evaluator takes one: use {choice}')
    several = chosen - single
    if several and not labels.several:
        raise ValueError(
            f'{gives}, but {type(metric).__name__}({", ".join(sorted(several))}) of {mode}_evaluator takes several: '
            "use metric_list=('top_k_accuracy', 'mean_class_accuracy')"
        )


# Actions of persons


def _check_actions(runner: Runner, model: nn.Module, head: Head) -> None:
    """Compares `num_classes` and `custom_classes` of head, datasets and metrics, and asks for proposals."""
    # mmaction's BBoxHeadAVA, which cannot be imported without mmdet, is the only one with this attribute
    if not hasattr(head.module, 'multilabel'):
        return
    chosen: dict[str, list[int] | None] = {}
    for mode, loop in running_loops(runner):
        parts = [*unwrap_datasets(loop.dataloader.dataset), *(_metrics(loop) if mode != 'train' else [])]
        for part in parts:
            name = f'{type(part).__name__} of {mode}'
            if getattr(part, 'num_classes', None) not in (None, head.num_classes):
                raise ValueError(
                    f'bbox_head has num_classes={head.num_classes}, but {name} has num_classes={part.num_classes}: '
                    'they must be equal, and include class 0, the background'
                )
            # mmhvt's datasets then have those of the annotations
            if getattr(part, 'proposal_file', '') is None and getattr(part, 'proposals', None) is None:
                raise ValueError(
                    f'{name} has no proposal_file with the boxes of persons. For key frames that the file lacks, the '
                    f"whole frame is used. type='mmhvt.{type(part).__name__}' needs no file: it uses the boxes of the "
                    'annotations'
                )
            if hasattr(part, 'custom_classes'):
                # mmaction inserts class 0, the background
                chosen[name] = part.custom_classes and [label for label in part.custom_classes if label]
    (first, classes), *others = chosen.items() or [('', None)]
    for name, other in others:
        if other != classes:
            raise ValueError(
                f'{first} has custom_classes={classes}, but {name} has custom_classes={other}: they must be the same, '
                'in the same order'
            )


class Task(NamedTuple):
    """Where the models of a task have their head, and what is compared with it.

    Args:
        head: Path of the head in the model.
        loss: Attribute of the head that has its loss.
        check: Function that takes runner, model and head, and raises a ValueError if something does not fit the head.
    """

    head: str
    loss: str
    check: Callable[[Runner, nn.Module, Head], None]


TASKS = (
    Task('cls_head', 'loss_cls', _check_classification),  # mmaction2
    Task('head', 'loss_module', _check_classification),  # mmpretrain
    Task('roi_head.bbox_head', 'loss_cls', _check_actions),  # mmaction2 with mmdet
)
"""A new task is one more row."""


@HOOKS.register_module()
class NumClassesCheckHook(OptionalHook):
    """Checks before weights are loaded that model, loss, annotations and metrics agree on the classes.

    - `num_classes` of the head and the largest label of the annotations. The datasets are those of the loops that run
      (training and its validation, or test), within any wrappers. Labels that :func:`labels_of` cannot read are
      skipped. Each head of a :class:`mmhvt.CoTrainingHead` is compared with the datasets that
      :class:`mmhvt.NameDataset` assigns to it.
    - Samples without a label, where a loss or a metric needs one.
    - Weights of the loss, blending, and `num_classes`. Where blending, mmpretrain's one-hot labels, or datasets with
      several labels per sample have no `num_classes`, they get the head's.
    - Names of classes in the datasets' metainfo: as many as the head has, and the same in training and validation, and
      in a checkpoint and the test of :class:`mmhvt.VideoDataset` and the like.
    - The tasks of loss, scores, labels and metrics: one label per sample, or several.
    - `num_classes` and `custom_classes` of action detectors, their datasets and metrics.
    - `max_testing_views` and the batch size.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    def before_run(self, runner: Runner) -> None:
        """Checks the model, the datasets and the metrics.

        Raises:
            ValueError: If one of these does not fit another. The message names both and a remedy.
        """
        model = runner.model
        while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
            model = model.module
        for task in TASKS:
            module = model
            for name in task.head.split('.'):
                module = getattr(module, name, None)
            if isinstance(module, nn.Module):
                task.check(runner, model, Head(task.head, module, task.loss))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks that the classes of a test are those that the checkpoint was trained on, where both have names.

        Raises:
            ValueError: If a label of our datasets has another name in the checkpoint.
        """
        meta = checkpoint.get('meta')
        trained = class_names(meta.get('dataset_meta')) if isinstance(meta, Mapping) else None
        loops = dict(running_loops(runner))
        for dataset in unwrap_datasets(loops['test'].dataloader.dataset) if trained and 'test' in loops else ():
            names = class_names(dataset)
            if trained and names and len(names) == len(trained) and _is_a(dataset, 'CheckedDataset'):
                check_names(trained, 'the checkpoint', dataset, 'test')
