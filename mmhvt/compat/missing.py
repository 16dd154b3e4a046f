"""Stand-ins for what mmaction2's wheel lacks."""

from mmaction.registry import MODELS

__all__ = ['DRN']


@MODELS.register_module()
class DRN:
    """Takes the place of mmaction's localizer DRN, so that what imports it imports.

    Raises:
        NotImplementedError: Always, when built.
    """

    def __init__(self, *args, **kwargs) -> None:
        raise NotImplementedError(
            "DRN is not in the wheel of mmaction2 1.2.0: install mmaction2 from its repository's source to use it"
        )
