"""Architectures: what a backbone's `arch` may be, resolved in one place."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from mmhvt.registry import MODELS
from mmhvt.utils import OptionError, nearest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Arch = TypeVar('Arch', bound='DataclassInstance')

_SIZE, _HEAD = 'input_size=(T, H, W) or (H, W)', 'num_classes of the head'
_PRETRAINED = "init_cfg=dict(type='Pretrained', checkpoint=…)"
# our options by their names in mmaction2, mmpretrain, timm and torchvision, where the spelling gives no hint
OTHER_OPTIONS = {
    'act_checkpoint': 'with_cp',
    'dim': 'embed_dims',
    'drop_path': 'drop_path_rate',
    'droppath_rate': 'drop_path_rate',
    'freeze': 'frozen_stages',
    'frozen': 'frozen_stages',
    'heads': 'num_heads',
    'img_size': _SIZE,
    'in_chans': 'in_channels',
    'input_resolution': _SIZE,
    'layers': 'depth or depths',
    'norm_layer': 'norm_cfg',
    'num_classes': _HEAD,
    'num_frames': _SIZE,
    'out_scales': 'out_indices',
    'output_cls_token': "out_type='cls_token'",
    'pretrained': _PRETRAINED,
    'pretrained2d': _PRETRAINED,
    'spatial_size': _SIZE,
    'stochastic_depth_prob': 'drop_path_rate',
    't_size': _SIZE,
    'temporal_size': _SIZE,
    'use_checkpoint': 'with_cp',
    'weights': _PRETRAINED,
    'width': 'embed_dims',
}


def resolve_arch(
    owner: str, arch: str | Mapping | Arch, zoo: Mapping[str, Arch], arch_class: type[Arch], **overrides: Any
) -> Arch:
    """The architecture that `arch` names or describes.

    Args:
        owner: Name of the model, for messages.
        arch: Name in `zoo`, fields of `arch_class` as a dict, or an `arch_class` itself.
        zoo: Named architectures.
        arch_class: Dataclass of the family's architectures.
        **overrides: Fields that differ from `arch`.

    Returns:
        An instance of `arch_class`, which checks its own values.

    Raises:
        OptionError: If a field is unknown; lists the known ones and suggests the nearest.
        ValueError: If the name is unknown or a field is missing; lists the choices.
    """
    known = {field.name: field for field in fields(arch_class) if field.init}
    if isinstance(arch, str):
        if arch not in zoo:
            raise ValueError(
                f'{owner} has no arch {arch!r}: choose from {", ".join(zoo)}, or give a dict of {", ".join(known)}'
            )
        arch = zoo[arch]
    given = dict(arch) | overrides if isinstance(arch, Mapping) else overrides
    unknown = sorted(set(given) - set(known))
    if unknown:
        listed, advice = ', '.join(known), _advice(owner, unknown, known)
        raise OptionError(f'{owner} has no option {", ".join(unknown)}: an arch has {listed}{advice}')
    if not isinstance(arch, Mapping):
        if not isinstance(arch, arch_class):
            raise ValueError(f'{owner}: arch={arch!r}: give a name, a dict or a {arch_class.__name__}')
        return replace(arch, **given)
    missing = [
        name
        for name, field in known.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ValueError(f'{owner}: arch as a dict also needs {", ".join(missing)}, got {", ".join(given)}')
    return arch_class(**given)


def check_hidden(owner: str, dims: int, ratio: float, name: str = 'mlp_ratio') -> None:
    """Check that an MLP has a hidden channel.

    Raises:
        ValueError: If the ratio leaves none.
    """
    if int(dims * ratio) < 1:
        raise ValueError(f'{owner}: {name}={ratio} leaves no hidden channel of {dims}: give {1 / dims:g} or more')


def _advice(owner: str, unknown: Iterable[str], known: Iterable[str]) -> str:
    """What to write instead of unknown options."""
    model = MODELS.module_dict.get(owner)
    options = [*known, *(inspect.signature(model).parameters if model else ())]
    instead = {}
    for name in unknown:
        near = [OTHER_OPTIONS[name]] if name in OTHER_OPTIONS else nearest(name, options)
        if near:
            instead[name] = ' or '.join(near)
    return ''.join(f'; for {name}, use {words}' for name, words in instead.items())
