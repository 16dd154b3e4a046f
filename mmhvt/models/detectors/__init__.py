"""Detectors. They stand on mmdet, and with it on mmcv's compiled ops, which the other tasks do without: configs that
need them name this package in `custom_imports`.
"""

from .action_detector import ActionDetector
from .cascade_roi_head import OneMaskCascadeRoIHead
from .instance_tta import InstanceTTAModel
from .rpn_head import NormedRPNHead

__all__ = ['ActionDetector', 'InstanceTTAModel', 'NormedRPNHead', 'OneMaskCascadeRoIHead']
