"""Metrics that mm* lack."""

from .ava_metric import AVAMetric
from .dataset_acc_metric import DatasetAccMetric

__all__ = ['AVAMetric', 'DatasetAccMetric']
