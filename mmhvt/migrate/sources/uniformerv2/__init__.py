"""UniFormerV2."""

from . import mmaction, opengvlab

__all__ = ['mmaction', 'opengvlab']
