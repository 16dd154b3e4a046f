"""Checkpoints for whole models of mmaction, mmpretrain and mmdet, whoever loads them.

:func:`fit_checkpoint` decides. MMEngine's loading functions, which inference APIs and runners call, ask it through a
repair of :mod:`mmhvt.compat` (:func:`prepare`) and through `mmhvt.CheckpointCheckHook`.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.utils.lazy import is_sharded

from .loadable import LoadableBackbone
from .loading import check_values, classifier_name
from .reading import unwrap
from .report import LoadReport, TensorReport, compare, describe_archs, format_problems, group_names
from .source import Source

Purpose = Literal['test', 'train', 'resume']
# pairs of a pattern and its replacement in names, as MMEngine's loading functions take them
ReviseKeys = Sequence[tuple[str, str]]
# of DistributedDataParallel
WRAPPED: ReviseKeys = ((r'^module\.', ''),)

# what a classifier reads in a backbone that has the part, and the option that adds it
_READ = dict(
    cls_token=('a class token', 'with_cls_token=True'),
    fusion=('the video token of global UniBlocks', 'global_layers of the config that it was trained with'),
    alpha_logit=('the class token beside the video token', 'with_class_token=True'),
    temporal_transformer=('a temporal transformer', "temporal='transformer'"),
)
# beginnings of names in mmaction and mmpretrain
CLASSIFIERS = ('cls_head.', 'head.')
_POOLED = dict(cls_token='a class token', avg_featmap='the mean of the tokens')


class Misfit(ValueError):
    """A checkpoint that does not fit a model.

    Args:
        path: File.
        reason: What does not fit, and what would.
    """

    def __init__(self, path: str, reason: str):
        super().__init__(f'{path} does not fit the model: {reason}')
        self.reason = reason


class _Content(NamedTuple):
    """A checkpoint's tensors in our names.

    Args:
        tensors: By the model's names, as far as it has them.
        source: The source of a file of another library, else None.
        left_out: Tensors of the file that were left out, and why.
        pooled: How the input of its classifier is pooled (:meth:`Source.pooled`). Defaults to None.
    """

    tensors: dict[str, Any]
    source: Source | None
    left_out: dict[str, str]
    pooled: str | None = None


def prepare(model: nn.Module, checkpoint: dict | None, path: str, revise_keys: ReviseKeys = WRAPPED) -> ReviseKeys:
    """:func:`fit_checkpoint` for whoever loads a file into a model, if its backbone is one of ours.

    Args:
        model: The model.
        checkpoint: Content of the file, changed in place; None loads nothing.
        path: Name of the file, for messages.
        revise_keys: Replacements in the names of the file.

    Returns:
        What is left to replace: nothing if the names are now the model's.

    Raises:
        ValueError: See :func:`fit_checkpoint`.
    """
    model = unwrap_model(model)
    if not isinstance(checkpoint, dict) or not has_own_backbone(model):
        return revise_keys
    # what MMEngine's `init_cfg` loads is where a training begins
    purpose: Purpose = 'train' if hasattr(model, '_params_init_info') else 'test'
    return () if fit_checkpoint(model, checkpoint, path, purpose, revise_keys) else revise_keys


def has_own_backbone(model: nn.Module) -> bool:
    """Whether a model's backbone, or the model itself, is one of ours."""
    return isinstance(getattr(model, 'backbone', model), LoadableBackbone)


def unwrap_model(model: nn.Module) -> nn.Module:
    """The model within wrappers for several processes and for test-time augmentation; FSDP stays."""
    while not is_sharded(model) and (is_model_wrapper(model) or isinstance(model, BaseTTAModel)):
        model = cast(nn.Module, model.module)
    return model


def fit_checkpoint(
    model: nn.Module, checkpoint: dict, path: str, purpose: Purpose = 'test', revise_keys: ReviseKeys = WRAPPED
) -> bool:
    """Make the state dict of a checkpoint one that MMEngine loads completely into a model, or reject it.

    A file that has the model's names and shapes stays as it is. For a backbone of ours, a file of another library is
    converted, and positions are resized. A test needs everything that the model has, and only sizes may differ. A
    training may start from whatever the backbone's `init_cfg` accepts; what comes after the backbone may differ and
    keeps its initial values, with a warning. To resume, nothing may differ.

    Tensors that the model lacks are left out, with a line in the log, if the model computes the same without them, such
    as a classifier for a model that returns features. Those of a deeper model, or a class token, belong to another
    model. A classifier that reads what the backbone does not return, such as a class token, is rejected by a test and
    left out of a training.

    A model that FSDP shards is not compared.

    Args:
        model: Model of mmaction, mmpretrain or mmdet, or a backbone of ours. It is not changed.
        checkpoint: Content of a file. Its state dict is replaced if it has to change.
        path: Name of the file, for messages.
        purpose: 'test' is for inference as well. Defaults to 'test'.
        revise_keys: Replacements in the names of the file. Defaults to removing 'module.'.

    Returns:
        bool: Whether the state dict was replaced. Its names are then the model's.

    Raises:
        Misfit: If the file does not fit.
        ValueError: If the file is from a known library but not of a model that we have; see :func:`check_values`.
    """
    model = unwrap_model(model)
    if is_sharded(model):
        return False  # a rank has only shards to compare with, and FSDP's own hooks cannot be run on trial
    given = unwrap(checkpoint)
    in_place = given is checkpoint.get('state_dict', checkpoint)
    if not isinstance(checkpoint.get('state_dict', given), dict):
        raise Misfit(path, f'its state_dict is a {type(checkpoint["state_dict"]).__name__}, not a dict')
    if odd := [name for name in given if not isinstance(name, str)]:
        raise Misfit(path, f'its state_dict has a {type(odd[0]).__name__} as a name')
    named = {_revise(name, revise_keys): value for name, value in given.items()}
    check_values(model, named, path)
    report = compare(model, named)
    if in_place and not report.problems:
        return False
    if isinstance(model, LoadableBackbone):
        _replace(checkpoint, _fit_backbone(model, named, path))
        return True
    ours, resumes, trains = has_own_backbone(model), purpose == 'resume', purpose == 'train'
    found = _convert(model, named, path) if ours and not resumes else _Content(named, None, {})
    report = compare(model, found.tensors)
    fitted, resized, reason = _resize(model, found.tensors, path, trains) if ours else (named, LoadReport(), '')
    problems, others = report.problems, []
    if resized.tensors and not resumes:
        # tensors of that report are settled, including parameters that training leaves as initialized
        settled = {tensor.name for tensor in resized.tensors}
        problems = [problem for problem in compare(model, fitted).problems if problem.name not in settled]
    if trains and hasattr(model, 'backbone'):
        others = [problem for problem in problems if not problem.name.startswith('backbone.')]
        problems = [problem for problem in problems if problem.name.startswith('backbone.')]
    spare = [problem.name for problem in problems if not resumes and _is_spare(problem, model)]
    fits = all(p.name in spare or not p.name.startswith('backbone.') or _is_read(p.name) for p in problems)
    lost = lost_input(model, found.tensors, found.pooled) if ours and fits else ''
    expected = model.state_dict() if lost else {}
    classifier = [name for name in fitted if name.startswith(CLASSIFIERS) and name in expected]
    if len(spare) < len(problems) or (classifier and purpose == 'test'):
        counts = f'{report.num_matching} of the {report.num_expected} tensors of the model are in it'
        unfit = f'{counts} with the right shape. {format_problems(problems)}. ' if problems else ''
        raise Misfit(path, unfit + _advice(model, found, report, purpose, bool(resized.changed), lost or reason))
    if classifier:
        fitted = {name: value for name, value in fitted.items() if name not in classifier}
        others = [other for other in others if other.name not in classifier]
        others += [TensorReport(name, 'left out', lost) for name in classifier]
    if found.source:
        fitted = {name: value for name, value in fitted.items() if name not in spare}
        _log_converted(model, path, found, fitted, resized, trains)
    elif resized.tensors:
        level = logging.INFO if trains else logging.WARNING
        print_log(f'{path}, {type(model.backbone).__name__}: {resized.summary()}', 'current', level)
    for names, what in (
        (others, f'the whole backbone is loaded, but {len(others)} tensors after it are not: '
                 f'{format_problems(others)}'),
        (spare, f'everything in the model is loaded; {len(spare)} tensors that it does not have are left out: '
                f'{group_names(spare)}'),
    ):  # fmt: skip
        if names:
            print_log(f'{path}: {what}', 'current', logging.WARNING)
    if in_place and fitted is named:
        return False
    _replace(checkpoint, fitted)
    return True


def lost_input(model: nn.Module, content: Mapping[str, Any], pooled: str | None = None) -> str:
    """What the classifier of a checkpoint was trained on, but does not get from the model's backbone.

    Args:
        model: Model with a `backbone` of ours.
        content: State dict in the model's names.
        pooled: How the classifier's input is pooled, an `out_type`, as far as the file says (:meth:`Source.pooled`).

    Returns:
        str: A sentence that names the option that would fit; '' if nothing is lost.
    """
    backbone = cast(nn.Module, model.backbone)
    own = backbone.state_dict()
    for part, (what, option) in _READ.items():
        found = [value for name, value in content.items() if _is_read(name, part)]
        if any(value.any() for value in found) and not any(name.split('.')[0] == part for name in own):
            return f'Its classifier was trained on {what}, which the model lacks: {option} would fit'
    expected = model.state_dict()
    if any(name.startswith(CLASSIFIERS) and '.pre_logits.' in name and name not in expected for name in content):
        return 'Its classifier was trained on a layer before it, pre_logits, which the head lacks'
    given = 'cls_token' if getattr(backbone, 'out_type', None) == 'cls_token' else 'avg_featmap'
    if pooled not in (None, given) and any(name.startswith(CLASSIFIERS) for name in expected):
        return (
            f"Its classifier was trained on {_POOLED[pooled]}, not on {_POOLED[given]}: out_type='{pooled}' would fit"
        )
    return ''


def _is_read(name: str, *parts: str) -> bool:
    """Whether a tensor belongs to a part of a backbone that only the classifier reads, or to one of `parts`."""
    path = name.split('.')
    return path[0] == 'backbone' and (path[1] in (parts or _READ) or (not parts and path[1:] == ['pos_embed', 'cls']))


def _revise(name: str, revise_keys: ReviseKeys) -> str:
    for pattern, replacement in revise_keys:
        name = re.sub(pattern, replacement, name)
    return name


def _replace(checkpoint: dict, state_dict: Mapping[str, Tensor]) -> None:
    """Replace a checkpoint's own state dict."""
    given = checkpoint.get('state_dict')
    if not isinstance(given, dict):
        # it was bare, or under a name that other libraries use
        meta = {'meta': checkpoint['meta']} if isinstance(checkpoint.get('meta'), dict) else {}
        checkpoint.clear()
        checkpoint.update(meta)
    # MMEngine sets and reads an attribute of it, the versions of modules
    checkpoint['state_dict'] = OrderedDict(state_dict)
    checkpoint['state_dict']._metadata = getattr(given, '_metadata', OrderedDict())


def _convert(model: nn.Module, named: dict[str, Any], path: str) -> _Content:
    """The content of a file of another library in the model's names; other files as they are."""
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    state_dict, source, left_out = migrate.convert(tensors, path)
    expected = model.state_dict()
    state_dict = {classifier_name(expected, name): value for name, value in state_dict.items()}
    if source is None:
        return _Content(named if state_dict.keys() == named.keys() else state_dict, None, {})
    token = state_dict.get('backbone.cls_token')
    if token is not None and not token.any() and 'backbone.cls_token' not in expected:
        # mmaction2 writes the token of models that do not use it
        unused = [name for name in ('backbone.cls_token', 'backbone.pos_embed.cls') if name in state_dict]
        left_out |= {name: 'not used' for name in unused}
        state_dict = {name: value for name, value in state_dict.items() if name not in unused}
    return _Content(state_dict, source, left_out, source.pooled(tensors))


def _fit_backbone(backbone: LoadableBackbone, named: dict[str, Any], path: str) -> dict[str, Tensor]:
    """The part of a file that belongs to a backbone."""
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    fitted, report = migrate.adapt_backbone(backbone, migrate.convert(tensors, path).state_dict, path)
    print_log(f'{path}, {type(backbone).__name__}: {report.summary()}', 'current', logging.INFO)
    return fitted


def _resize(model: nn.Module, content: dict, path: str, trains: bool) -> tuple[dict, LoadReport, str]:
    """A state dict with tensors of other sizes resized, a report of its tensors, and the reason if that is impossible.

    Except at the start of training, only sizes may differ.
    """
    unchanged = content, LoadReport(), ''
    try:
        fitted, report = migrate.resize_model(model, content, path)
    except ValueError as error:
        # why positions cannot be resized; the comparison reports names and shapes
        return content, LoadReport(), str(error.__cause__ or '')
    if all(tensor.status == 'loaded' for tensor in report.tensors):
        return unchanged
    if trains:
        return fitted, report, ''
    resized = {tensor.name: fitted[tensor.name] for tensor in report.select('resized')}
    return (content | resized, LoadReport(report.select('loaded', 'resized')), '') if resized else unchanged


def _log_converted(
    model: nn.Module, path: str, found: _Content, fitted: Mapping[str, Tensor], resized: LoadReport, trains: bool
) -> None:
    """Logs in one line what became of a file of another library."""
    changes = {tensor.name: tensor for tensor in resized.changed}
    report = LoadReport(changes.get(tensor.name, tensor) for tensor in compare(model, fitted).tensors)
    report += LoadReport(resized.select('left out'))
    report += LoadReport(TensorReport(name, 'left out', reason) for name, reason in found.left_out.items())
    assert found.source is not None
    level = logging.WARNING if changes and not trains else logging.INFO
    kind = type(model.backbone).__name__
    print_log(f'{path}, a file of {found.source.name}, {kind}: {report.summary()}', 'current', level)


def _advice(
    model: nn.Module, found: _Content, report: LoadReport, purpose: Purpose, resizable: bool, reason: str
) -> str:
    """What would fit in place of a checkpoint that does not."""
    if purpose == 'resume':
        end = 'would start a new training from its weights' + (', resized' if resizable else '')
        return f'Resuming needs the config that it was trained with; load_from with resume=False {end}'
    if not has_own_backbone(model):
        return 'The config that it was trained with would fit'
    origin = f'It is a file of {found.source.name}. ' if found.source else ''
    if reason.startswith('Its classifier'):
        return origin + reason
    kind, backbone = type(model.backbone).__name__, cast(nn.Module, model.backbone).state_dict()
    own = {k.removeprefix('backbone.'): v for k, v in found.tensors.items() if k.startswith('backbone.')}
    init_cfg = "the backbone's init_cfg=dict(type='Pretrained', checkpoint=…)"
    if not own and len(found.tensors.keys() & backbone.keys()) > len(found.tensors) // 2:
        return f'Its names do not begin with "backbone.": it has only a backbone, which {init_cfg} loads'
    if not own:
        first = min(found.tensors, default='')
        return f'It is from no library whose {kind} is known: it has names such as {first!r}'
    if not any(problem.name.startswith('backbone.') for problem in report.problems):
        counts = _count_classes(model, found.tensors)
        if counts:
            return f'{origin}The file has {counts[0]} classes, the head {counts[1]}: num_classes={counts[0]} would fit'
        return f"{origin}Its backbone fits, but the rest is another model's: train from it with load_from or {init_cfg}"
    expected, theirs = describe_archs(backbone, own)
    if expected != theirs:
        reason = f'the model has {expected}, but the file has {theirs}'
    return f'{origin}The config that it was trained with would fit' + (f': {reason}' if reason else '')


def _count_classes(model: nn.Module, content: Mapping[str, Any]) -> tuple[int, int] | None:
    """Classes of a file's classifier and of the model's, if they differ."""
    for name, weight in model.state_dict().items():
        found = content.get(name, weight)
        if name.startswith(CLASSIFIERS) and found.shape != weight.shape and found.shape[1:] == weight.shape[1:]:
            return len(found), len(weight)
    return None


def _is_spare(problem: TensorReport, model: nn.Module) -> bool:
    """Whether a model without this tensor of a checkpoint computes the same as the model that was trained."""
    if problem.status != 'left out':
        return False
    path = problem.name.split('.')[:-1]
    owner: nn.Module | None = model
    for part in path:
        if owner is None or part not in owner._modules:
            break
        owner = owner._modules[part]
    if isinstance(owner, nn.ModuleList | nn.Sequential):
        return False  # of another depth
    if not problem.name.startswith('backbone.'):
        # a classifier reads whatever else its head has
        is_head = owner is not None and owner in (getattr(model, 'cls_head', None), getattr(model, 'head', None))
        return not (is_head and any(True for _ in cast(nn.Module, owner).parameters()))
    # a part after the backbone's last; of ours, a norm of a stage that is not returned
    ours = isinstance(owner, LoadableBackbone)
    return owner is getattr(model, 'backbone', None) and len(path) > 1 and (not ours or path[1].startswith('norm'))
