"""Placeholders for classes that mmaction2's wheel lacks."""

from mmaction.registry import MODELS

__all__ = ['DRN']


@MODELS.register_module()
class DRN:
    """Placeholder for mmaction's localizer DRN, so that mmaction.models can be imported.

    Raises:
        NotImplementedError: Always, when built.
    """

    def __init__(self, *args, **kwargs) -> None:
        raise NotImplementedError('the wheel of mmaction2 1.2.0 lacks DRN: install mmaction2 from source to use it')
