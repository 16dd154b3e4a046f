"""Metrics."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'acc_metric': ['AccMetric'],
        'ava_metric': ['AVAMetric'],
        'coco_metric': ['CocoMetric'],
        'dataset_acc_metric': ['DatasetAccMetric'],
    },
)
