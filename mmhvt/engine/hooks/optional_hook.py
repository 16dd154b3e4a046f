"""Hooks that a config can leave out."""

from typing import Any

from mmengine.hooks import Hook


class OptionalHook(Hook):
    """Base of hooks that ``default_hooks=dict(NAME=dict(enabled=False))`` leaves out.

    MMEngine removes only its own six default hooks by ``NAME=None``.

    Args:
        enabled: Whether to build the hook. If False, a plain Hook, which does nothing, takes its place. Defaults to
            True.
    """

    def __new__(cls, enabled: bool = True, **kwargs: Any) -> Hook:
        if enabled is not False:  # the constructor rejects anything but a bool
            return super().__new__(cls)
        stand_in = Hook()
        stand_in.left_out = cls
        return stand_in

    def __init__(self, enabled: bool = True) -> None:
        super().__init__()
