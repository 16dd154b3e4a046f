"""Detectors. They stand on mmdet, and with it on mmcv's compiled ops, which the other tasks do without: configs that
need them name this package in `custom_imports`.
"""

from .action_detector import ActionDetector

__all__ = ['ActionDetector']
