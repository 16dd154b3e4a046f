"""What becomes of the tensors of a checkpoint that goes into a model: loaded, changed to fit, left out or missing."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from torch import Tensor, nn

from .fit import fit, loses_time

# in the order of reports
FATES = ('loaded', 'resized', 'inflated', 'summed', 'derived', 'left out', 'missing')


class Fate(NamedTuple):
    """Of one tensor.

    Args:
        name: Its name in our model, or in the file if it has no place in the model.
        what: One of :data:`FATES`.
        detail: Shapes before and after, or why it was left out.
    """

    name: str
    what: str
    detail: str = ''


def adapt_backbone(
    backbone: nn.Module, content: Mapping[str, Tensor], path: str, prefix: str = 'backbone.'
) -> tuple[dict[str, Tensor], list[Fate]]:
    """Parameters for a backbone from a state dict in our names, all of them or an error.

    Args:
        backbone: The model; its class name stands in the messages.
        content: State dict.
        path: Where it is from, for messages.
        prefix: What leads to the backbone in its names; without any such name, all names count.

    Returns:
        tuple: The parameters by the backbone's names, and what became of each tensor.

    Raises:
        ValueError: If a parameter is missing or of another shape, or if there are layers that the backbone has not.
    """
    found = {name[len(prefix) :]: value for name, value in content.items() if name.startswith(prefix)} or content
    expected = backbone.state_dict()
    try:
        fitted, changes = fit(found, backbone)
    except ValueError as error:
        raise ValueError(f'{path} does not fit {type(backbone).__name__}: {error}') from error
    missing = [name for name in expected if name not in fitted]
    # masked pre-training has no final norm: fine-tuning begins with the initial one, as the authors do
    pretrained = 'fusion.norm.weight' in content
    # parts that the file has nothing of: one that it has in another number is another model's
    present = {backbone.optional_part(name) for name in found} | {None}
    fresh = [
        name
        for name in missing
        if backbone.optional_part(name) not in present or (pretrained and name.startswith('norm.'))
    ]
    wrong = [f'{name} missing' for name in missing if name not in fresh] + [
        f'{name} {tuple(value.shape)} for {tuple(expected[name].shape)}'
        for name, value in fitted.items()
        if value.shape != expected[name].shape
    ]
    homeless = _without_place(found, backbone)
    wrong += [f'{name} is not in the model' for name in homeless]
    if wrong:
        total = len(expected) + len(homeless)
        ours, theirs = outline(expected), outline(found)
        told = (
            f'both have {ours}, so it was trained with other arguments than arch, which would fit'
            if ours == theirs
            else f'expected: {ours}; in the file: {theirs}; a checkpoint of the same arch would fit'
        )
        raise ValueError(
            f'{path} does not fit {type(backbone).__name__}: {len(wrong)} of {total} parameters do not match '
            f'({"; ".join(wrong[:3])}{" …" if len(wrong) > 3 else ""}); {told}'
        )
    changed = {name for name, _, _ in changes}
    fates = [Fate(name, 'loaded') for name in fitted if name not in changed]
    fates += [Fate(name, what, detail) for name, what, detail in changes]
    used = {name.rpartition('.')[0] for name, what, _ in changes if what == 'derived'}
    left = [
        name
        for name in sorted(set(content) - {prefix + name for name in expected} - set(expected))
        if name.endswith('.cls') or name.removeprefix(prefix).rpartition('.')[0] not in used
    ]
    fates += [Fate(name, 'left out', f'no part of {type(backbone).__name__}') for name in left]
    fates += [Fate(name, 'missing') for name in fresh]
    return fitted, fates


def adapt(model: nn.Module, content: Mapping[str, Tensor], path: str) -> tuple[dict[str, Tensor], list[Fate]]:
    """Parameters for a whole model of mmaction, mmpretrain or mmdet, as far as there are any; the backbone's all.

    A classifier that maps labels (`labels` of `mmhvt.RecognitionHead`) does so; another of other classes is left out.

    Args:
        model: With a `backbone` of ours.
        content: State dict in our names.
        path: Where it is from, for messages.

    Returns:
        tuple: The parameters by the model's names, and what became of each tensor.

    Raises:
        ValueError: If the backbone's do not fit (:func:`adapt_backbone`).
    """
    state, fates = _adapt_own_backbone(model, content, path)
    expected = model.state_dict()
    others = {_name_in(expected, name): value for name, value in content.items() if not name.startswith('backbone.')}
    for part, names in groupby(sorted(others), lambda name: name.split('.')[0]):
        names = list(names)
        module = getattr(model, part, None)
        if not isinstance(module, nn.Module):
            fates += [Fate(name, 'left out', f'{type(model).__name__} has no {part}') for name in names]
            continue
        found = {name[len(part) + 1 :]: others[name] for name in names}
        try:
            fitted, changes = fit(found, module)  # positions of a decoder
            absent, unknown = module.load_state_dict(found | fitted, strict=False)
        except (RuntimeError, ValueError) as error:
            # torch's lists the parameters behind a line of its own
            why = '; '.join(text.strip() for text in str(error).splitlines()[1:] or [str(error)])
            fates += [Fate(name, 'left out', why) for name in names]
            continue
        loaded = {f'{part}.{name}': v.clone() for name, v in module.state_dict().items() if name not in absent}
        changed = {f'{part}.{name}': (what, detail) for name, what, detail in changes}
        fates += [Fate(name, *changed.get(name, ('loaded',))) for name in loaded]
        fates += [Fate(f'{part}.{name}', 'left out', f'{part} has no such parameter') for name in unknown]
        state |= loaded
    told = {fate.name for fate in fates if fate.what != 'left out'}
    # buffers that no file has to carry, such as the means of a preprocessor, are no parameters
    fates += [Fate(name, 'missing') for name, _ in model.named_parameters() if name not in told]
    return state, fates


def refit(model: nn.Module, content: Mapping[str, Tensor], path: str) -> tuple[dict[str, Tensor], list[Fate]]:
    """A checkpoint of a whole model, for the same kind of model of another length, size or window.

    Args:
        model: With a `backbone` of ours; it is not changed.
        content: State dict in the model's names.
        path: Where it is from, for messages.

    Returns:
        tuple: The state dict, in which the backbone's tensors fit and other parts' positions are resized; and what
        became of the tensors of the backbone, and of those positions.

    Raises:
        ValueError: If the backbone's do not fit (:func:`adapt_backbone`).
    """
    own, fates = _adapt_own_backbone(model, content, path)
    state = {name: value for name, value in content.items() if not name.startswith('backbone.')} | own
    for part, module in model.named_children():
        found = {name[len(part) + 1 :]: value for name, value in content.items() if name.startswith(f'{part}.')}
        expected = module.state_dict()
        if part == 'backbone' or all(v.shape == expected[name].shape for name, v in found.items() if name in expected):
            continue
        with contextlib.suppress(ValueError):  # what cannot be resized stays for the caller to see
            fitted, changes = fit(found, module)
            changes = [change for change in changes if change[1] == 'resized']
            state |= {f'{part}.{name}': fitted[name] for name, *_ in changes}
            fates += [Fate(f'{part}.{name}', *change) for name, *change in changes]
    return state, fates


def _adapt_own_backbone(
    model: nn.Module, content: Mapping[str, Tensor], path: str
) -> tuple[dict[str, Tensor], list[Fate]]:
    """The backbone's part of a whole model's state dict, under the model's names."""
    own = {name: value for name, value in content.items() if name.startswith('backbone.')}
    if not own:
        raise ValueError(f'{path} has no backbone: none of its {len(content)} names begins with "backbone."')
    # the fusion's norm tells a checkpoint of pre-training
    own |= {name: value for name, value in content.items() if name == 'fusion.norm.weight'}
    fitted, fates = adapt_backbone(model.backbone, own, path)
    state = {f'backbone.{name}': value for name, value in fitted.items()}
    fates = [
        fate._replace(name=fate.name if fate.what == 'left out' else f'backbone.{fate.name}')
        for fate in fates
        if fate.name != 'fusion.norm.weight'
    ]
    return state, fates


def _name_in(expected: Mapping[str, Tensor], name: str) -> str:
    """The name of a classifier in mmpretrain's models."""
    other = name.replace('cls_head.fc_cls.', 'head.fc.', 1)
    return other if name not in expected and other in expected else name


def line(fates: Iterable[Fate]) -> str:
    """Report for a log."""
    names = {what: [fate for fate in fates if fate.what == what] for what in FATES}
    changed = [fate for what in ('resized', 'inflated', 'summed', 'derived') for fate in names[what]]
    left, fresh = ([fate.name for fate in names[what]] for what in ('left out', 'missing'))
    parts = [f'loaded {len(names["loaded"]) + len(changed)} parameters']
    parts += [
        f'resized or derived {len(changed)}: {", ".join(f"{fate.name} {fate.detail}" for fate in changed)}'
    ] if changed else []  # fmt: skip
    parts += [f'left out {len(left)}: {listing(left)}'] if left else []
    parts += [f'not in the file and left as initialised: {listing(fresh)}'] if fresh else []
    return '; '.join(parts)


def table(fates: Iterable[Fate]) -> str:
    """Report for a terminal: a line for each tensor that was changed, and for tensors of one fate and reason."""
    rows = []
    for what in FATES:
        those = sorted(fate for fate in fates if fate.what == what)
        if what in ('resized', 'inflated', 'summed', 'derived'):
            rows += [(what, 1, f'{fate.name} {fate.detail}') for fate in those]
            continue
        for why, group in groupby(sorted(those, key=lambda fate: fate.detail), lambda fate: fate.detail):
            names = [fate.name for fate in group]
            rows.append((what, len(names), listing(names) + (f': {why}' if why else '')))
    return '\n'.join(f'{what:10}{count:6}  {text}' for what, count, text in rows)


def listing(names: Iterable[str], most: int = 8) -> str:
    """Names, counted where many begin alike."""
    parts = []
    for head, group in groupby(sorted(names), lambda name: re.match(r'(backbone\.)?[^.]*', name)[0]):
        group = list(group)
        parts += group if len(group) <= most else [f'{len(group)} of {head}']
    return ', '.join(parts)


def _without_place(found: Mapping[str, Tensor], backbone: nn.Module) -> list[str]:
    """Parameters of the file that shape what its blocks see and do, of which the backbone has no like."""
    # what modules make theirs from
    used = tuple(f'{name}.' for name, module in backbone.named_modules() if name and hasattr(module, 'fit'))
    own = backbone.state_dict()
    # of a video model, an image's may do without what looks between frames, if it has none of it
    optional = {backbone.optional_part(name) for name in found} - {backbone.optional_part(name) for name in own}
    spare = optional if loses_time(found, own) else set()
    # the position of a class token goes with the token, which a model may do without
    parts = ('patch_embed.', 'pos_embed.', 'pre_norm.', 'blocks.')
    return [
        name
        for name in found
        if name.startswith(parts)
        and name not in own
        and not name.startswith(used)
        and name != 'pos_embed.cls'
        and backbone.optional_part(name) not in spare
    ]


def outline(parameters: Mapping[str, Tensor]) -> str:
    """What of an architecture its parameters tell."""
    patches = parameters.get('patch_embed.proj.weight')
    if patches is None:
        return 'no patch embedding'
    blocks = {name.split('.')[1] for name in parameters if name.startswith('blocks.')}
    size = '×'.join(map(str, patches.shape[2:]))
    return f'{len(patches)} channels, {len(blocks)} blocks, patches of {size}'
