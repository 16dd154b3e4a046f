"""Checks of arguments, with messages that say what would do."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def check_choice(owner: str, name: str, value: Any, choices: Iterable) -> None:
    """Check that an argument is one of several values.

    Args:
        owner: Class or function that takes the argument, for the message.
        name: Name of the argument.
        value: Its value.
        choices: Allowed values.

    Raises:
        ValueError: If the value is not among them; lists them.
    """
    choices = tuple(choices)
    # `in` compares by equality, under which 1 is True
    if not any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices):
        raise ValueError(f'{owner}: {name}={value!r}: choose from {", ".join(map(str, choices))}')


def nearest(name: str, choices: Iterable[str], cutoff: float = 0.7) -> list[str]:
    """Up to three of `choices` that are spelled like `name`, ignoring case, the nearest first.

    Args:
        name: A name that is not among them.
        choices: Known names.
        cutoff: How alike they must be, from 0 to 1. Defaults to 0.7.
    """
    by_spelling = {_plain(choice): choice for choice in choices}
    return [by_spelling[match] for match in get_close_matches(_plain(name), by_spelling, n=3, cutoff=cutoff)]


def _plain(name: str) -> str:
    return name.lower().replace('_', '')
