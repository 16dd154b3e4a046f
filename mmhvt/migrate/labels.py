"""Classifiers for another list of classes, row by label name (UniFormerV2, arXiv:2211.09552, appendix F)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmhvt.datasets import kinetics710
from mmhvt.datasets.labels import names_in
from mmhvt.utils.files import require_file

# a class by its names, the list's own first
Classes = Sequence[Sequence[str]]


def label_list(spec: str | Path) -> list[tuple[str, ...]]:
    """The classes of a label list, each by its names.

    Args:
        spec: 'k400', 'k600', 'k700' or 'k710', whose classes have Kinetics-710's name as a second one, or a text file
            with one name per line, in the order of the labels.

    Raises:
        ValueError: If it is neither, or the file is empty or has a name twice.
    """
    if spec == 'k710':
        return [(name,) for name in kinetics710.labels('k710')]
    if spec in kinetics710.SETS:
        table, places = kinetics710.table(), kinetics710.to_k710(spec)
        own = kinetics710.labels(spec)
        return [(name, table[place]['k710']) for name, place in zip(own, places, strict=True)]
    try:
        names = names_in(require_file(spec).read_text(encoding='utf-8-sig'))
    except (OSError, UnicodeDecodeError) as error:
        known = ', '.join([*kinetics710.SETS, 'k710'])
        raise ValueError(f'{str(spec)!r} is neither one of {known} nor a file of label names ({error})') from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ValueError(f'{spec} {f"has {twice[0]!r} twice" if twice else "has no label name"}: it needs one per line')
    return [(name,) for name in names]


def align(source: Classes, target: Classes) -> list[int | None]:
    """For each class of `target` its place in `source`, or None. Ignores case; own names take precedence."""
    places: dict[str, int] = {}
    for which in (0, -1):
        for place, names in enumerate(source):
            places.setdefault(names[which].casefold(), place)
    found = ([places[name.casefold()] for name in names if name.casefold() in places] for names in target)
    return [next(iter(some), None) for some in found]


def map_classifier(
    state_dict: Mapping[str, Tensor],
    source: Classes,
    target: Classes,
    name: str = 'cls_head.fc_cls',
    initial: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """A state dict whose classifier has the classes of `target`.

    Args:
        state_dict: State dict with `{name}.weight` (classes, …) and, maybe, `{name}.bias` (classes,).
        source: Current classes of the classifier (:func:`label_list`).
        target: New classes of the classifier.
        name: Name of the classifier.
        initial: Tensors of the same names, with rows for classes that `source` lacks.

    Raises:
        ValueError: If there is no such classifier, its number of classes is not that of `source`, or `source` lacks
            classes of `target` and `initial` is not given. The message lists them.
    """
    keys = [key for key in (f'{name}.weight', f'{name}.bias') if key in state_dict]
    if f'{name}.weight' not in keys:
        raise ValueError(f'there is no {name}.weight among the {len(state_dict)} tensors')
    places = align(source, target)
    missing = [names[0] for names, place in zip(target, places, strict=True) if place is None]
    if missing and initial is None:
        raise ValueError(
            f'{len(missing)} of the {len(target)} classes are not among the {len(source)} of the classifier: '
            f'{", ".join(missing[:5])}{" …" if len(missing) > 5 else ""}'
        )
    mapped = dict(state_dict)
    kept = torch.tensor([place is not None for place in places])
    rows = torch.tensor([place for place in places if place is not None], dtype=torch.long)
    for key in keys:
        value = state_dict[key]
        if len(value) != len(source):
            raise ValueError(f'{key} is {tuple(value.shape)}, but the label list for it is {len(source)} long')
        if initial is None or not missing:
            mapped[key] = value[rows.to(value.device)]
            continue
        mapped[key] = initial[key].detach().to(value, copy=True)
        mapped[key][kept.to(value.device)] = value[rows.to(value.device)]
    return mapped
