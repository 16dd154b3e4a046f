"""Masked pre-training. Masks, targets and decoder need only mmcv; MAE needs mmpretrain."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(__name__, {'mae': ['MAE']})
