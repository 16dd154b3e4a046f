"""Options of a reference model: named models, defaults, and what cannot be translated."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def resolve_options(
    owner: str,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    fixed: Mapping[str, Any] | None = None,
    ignored: Collection[str] = (),
    required: Collection[str] = (),
) -> dict[str, Any]:
    """Fill in defaults and reject what our model cannot do.

    Args:
        owner: Whose options these are, for messages.
        given: Options as they were given.
        defaults: Options that are translated, with the reference's own defaults.
        fixed: Options of which our model supports one value, with that value.
        ignored: Options that do not change the backbone.
        required: Options that are translated and have no default.

    Returns:
        dict[str, Any]: Values of `defaults` and `required`.

    Raises:
        ValueError: If an option is unknown or missing, or has a value that is not supported.
    """
    fixed = fixed or {}
    known = [*required, *defaults, *fixed, *ignored]
    unknown = [key for key in given if key not in known]
    if unknown:
        options = 'option' if len(unknown) == 1 else 'options'
        raise ValueError(f'{owner}: unknown {options} {", ".join(map(str, unknown))}: choose from {", ".join(known)}')
    for key, value in fixed.items():
        if given.get(key, value) != value:
            raise ValueError(f'{owner}: {key}={given[key]!r} is not supported: choose {value!r}')
    missing = [key for key in required if key not in given]
    if missing:
        raise ValueError(f'{owner}: missing {", ".join(missing)}, which {"have" if missing[1:] else "has"} no default')
    return {key: given[key] for key in required} | {key: given.get(key, value) for key, value in defaults.items()}


def named_model(owner: str, given: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Replace the option `name` with the options of that model; other options override them.

    Args:
        owner: Whose model it is, for messages.
        given: Options, maybe with a name such as 'mvitv2_tiny.fb_in1k', whose tag does not matter.
        models: Options by name.

    Raises:
        ValueError: If there is no model with that name. The message lists them.
    """
    options = dict(given)
    name = options.pop('name', None)
    if name is None:
        return options
    if str(name).split('.')[0] not in models:
        raise ValueError(f'{owner}: no model {name!r}: choose from {", ".join(models)}')
    return {**models[str(name).split('.')[0]], **options}


def layer_norm_eps(owner: str, key: str, value: str, default: float) -> float:
    """Epsilon of a layer norm written as 'LN', 'LN eps=1e-6' or 'LayerNorm eps=1e-6'.

    Args:
        owner: Whose option it is, for messages.
        key: Name of the option.
        value: Its value.
        default: Epsilon if the value has none.

    Raises:
        ValueError: If it is another norm.
    """
    match = re.fullmatch(r'(?:LN|LayerNorm)(?: eps=(\S+))?', str(value))
    if match is None:
        raise ValueError(f"{owner}: {key}={value!r} is not supported: choose 'LN' or 'LN eps=…'")
    return float(match[1] or default)


def as_tuple(value: int | Sequence[int], axes: int = 2) -> tuple[int, ...]:
    """A number for each axis from one number or several."""
    return (value,) * axes if isinstance(value, int) else tuple(value)
