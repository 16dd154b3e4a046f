"""Detectors and their parts, which need mmdet and mmcv's compiled ops."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'action_detector': ['ActionDetector'],
        'cascade_roi_head': ['OneMaskCascadeRoIHead'],
        'instance_tta': ['InstanceTTAModel'],
        'rpn_head': ['NormedRPNHead'],
    },
)
