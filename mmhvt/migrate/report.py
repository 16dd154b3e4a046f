"""Whether a checkpoint fits a model: one report for loading, resuming, converting and checking."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from torch import Tensor, nn

# of tensors whose shape or number of axes was changed to fit
CHANGED = ('resized', 'inflated', 'summed', 'derived')
# in the order of tables
STATUSES = ('loaded', *CHANGED, 'mismatched', 'left out', 'missing')


class TensorReport(NamedTuple):
    """What becomes of one tensor.

    Args:
        name: Its name in the model, or in the file if the model does not have it.
        status: 'loaded'; 'resized', 'inflated', 'summed' or 'derived', loaded after a change; 'mismatched', of another
            shape; 'left out', only in the file; 'missing', only in the model.
        detail: Shapes before and after, or the reason. Defaults to nothing.
    """

    name: str
    status: str
    detail: str = ''


class LoadReport:
    """What becomes of the tensors of a checkpoint and of a model.

    Args:
        tensors: Reports of single tensors.
    """

    def __init__(self, tensors: Iterable[TensorReport] = ()):
        self.tensors = list(tensors)

    def __add__(self, other: 'LoadReport') -> 'LoadReport':
        return LoadReport([*self.tensors, *other.tensors])

    def select(self, *statuses: str) -> list[TensorReport]:
        """Tensors of some statuses, in the order of these."""
        return [tensor for status in statuses for tensor in self.tensors if tensor.status == status]

    @property
    def changed(self) -> list[TensorReport]:
        """Tensors that were changed to fit."""
        return self.select(*CHANGED)

    @property
    def missing_keys(self) -> list[str]:
        """Names of tensors that are only in the model."""
        return [tensor.name for tensor in self.select('missing')]

    @property
    def unexpected_keys(self) -> list[str]:
        """Names of tensors that are only in the file."""
        return [tensor.name for tensor in self.select('left out')]

    @property
    def mismatched_keys(self) -> list[str]:
        """Names of tensors of another shape."""
        return [tensor.name for tensor in self.select('mismatched')]

    @property
    def num_matching(self) -> int:
        """Number of the model's tensors that are loaded."""
        return len(self.select('loaded', *CHANGED))

    @property
    def num_expected(self) -> int:
        """Number of the model's tensors."""
        return len(self.tensors) - len(self.unexpected_keys)

    @property
    def problems(self) -> list[TensorReport]:
        """Tensors without a counterpart; wrong shapes come first, since they tell most."""
        return [
            tensor
            for tensor in self.select('mismatched', 'missing', 'left out')
            # as MMEngine, which accepts checkpoints from before PyTorch 0.4.1
            if tensor.status != 'missing' or not tensor.name.endswith('num_batches_tracked')
        ]

    def summary(self) -> str:
        """One line for a log."""
        changed, left_out, missing = self.changed, self.unexpected_keys, self.missing_keys
        parts = [f'loaded {self.num_matching} parameters']
        if changed:
            listed = ', '.join(f'{tensor.name} {tensor.detail}' for tensor in changed)
            parts.append(f'resized or derived {len(changed)}: {listed}')
        if left_out:
            parts.append(f'left out {len(left_out)}: {group_names(left_out)}')
        if missing:
            parts.append(f'not in the file and left as initialized: {group_names(missing)}')
        return '; '.join(parts)

    def format_table(self) -> str:
        """A table for a terminal: a row per tensor that was changed, else one per status and reason."""
        rows = []
        for status in STATUSES:
            tensors = sorted(self.select(status), key=lambda tensor: (tensor.detail, tensor.name))
            if status in CHANGED:
                rows += [(status, 1, f'{tensor.name} {tensor.detail}') for tensor in sorted(tensors)]
                continue
            for reason, group in groupby(tensors, lambda tensor: tensor.detail):
                names = [tensor.name for tensor in group]
                rows.append((status, len(names), group_names(names) + (f': {reason}' if reason else '')))
        return '\n'.join(f'{status:10}{count:6}  {text}' for status, count, text in rows)


def compare(model: nn.Module, state_dict: Mapping[str, Any]) -> LoadReport:
    """Compare a checkpoint with a model by names and shapes, after what modules rename or resize when they load.

    Args:
        model: The model. It is not changed.
        state_dict: State dict of the checkpoint, without 'module.' prefixes.
    """
    found = dict(state_dict)
    for name, module in model.named_modules():
        for hook in module._load_state_dict_pre_hooks.values():
            hook(found, f'{name}.' if name else '', {}, True, [], [], [])
    expected = model.state_dict()
    tensors = []
    for name, value in expected.items():
        if name not in found:
            tensors.append(TensorReport(name, 'missing', 'missing in the checkpoint'))
        elif _shape(found[name]) == _shape(value):
            tensors.append(TensorReport(name, 'loaded'))
        else:
            detail = f'{_shape(found[name])} in the checkpoint, {_shape(value)} in the model'
            tensors.append(TensorReport(name, 'mismatched', detail))
    tensors += [TensorReport(name, 'left out', 'not in the model') for name in found if name not in expected]
    return LoadReport(tensors)


def format_problems(problems: Iterable[TensorReport], most: int = 3) -> str:
    """The first problems by name.

    Args:
        problems: Tensors without a counterpart.
        most: Maximum number of names. Defaults to 3.
    """
    problems = list(problems)
    listed = '; '.join(f'{tensor.name}: {tensor.detail}' for tensor in problems[:most])
    return listed + (f'; and {len(problems) - most} more' if len(problems) > most else '')


def group_names(names: Iterable[str], most: int = 8) -> str:
    """A list of names, counted where many begin alike.

    Args:
        names: The names.
        most: Maximum number of names with the same beginning that are written out. Defaults to 8.
    """
    parts: list[str] = []
    for head, group in groupby(sorted(names), lambda name: re.findall(r'(?:backbone\.)?[^.]*', name)[0]):
        alike = list(group)
        parts += alike if len(alike) <= most else [f'{len(alike)} of {head}']
    return ', '.join(parts)


def describe_arch(parameters: Mapping[str, Tensor]) -> str:
    """What a backbone's parameters tell about its architecture."""
    patches = parameters.get('patch_embed.proj.weight')
    if patches is None:
        return 'no patch embedding'
    blocks = {name.split('.')[1] for name in parameters if name.startswith('blocks.')}
    size = '×'.join(map(str, patches.shape[2:]))
    return f'{len(patches)} channels, {len(blocks)} blocks, patches of {size}'


def describe_archs(*models: Mapping[str, Tensor]) -> tuple[str, ...]:
    """What the parameters of backbones tell about their architectures; for UniFormerV2s, with the class token's use."""
    described = tuple(map(describe_arch, models))
    if not all('fusion.queries' in parameters for parameters in models):
        return described
    tokens = ('alpha_logit' in parameters for parameters in models)
    return tuple(f'{text}, with_class_token={token}' for text, token in zip(described, tokens, strict=True))


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if hasattr(value, 'shape') else None
