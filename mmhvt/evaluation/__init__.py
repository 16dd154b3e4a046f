"""Metrics that mm* lack."""

from .dataset_acc_metric import DatasetAccMetric

__all__ = ['DatasetAccMetric']
