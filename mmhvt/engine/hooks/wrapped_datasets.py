"""Datasets within MMEngine's dataset wrappers."""

from collections.abc import Iterator, Mapping
from typing import Any


def unwrap_datasets(dataset: object) -> Iterator[Any]:
    """Yields the datasets within ConcatDataset, RepeatDataset, ClassBalancedDataset, KFoldDataset, torch's Subset and
    `num_batch_per_epoch`, or the dataset itself if it is not wrapped.
    """
    for name in ('datasets', 'dataset', '_dataset'):
        inner = getattr(dataset, name, None)
        # a dataset may use these attributes for its name or a table
        if inner is None or isinstance(inner, str | bytes | int):
            continue
        parts = inner.values() if isinstance(inner, Mapping) else inner if name == 'datasets' else [inner]
        if isinstance(parts, str | bytes) or not hasattr(parts, '__iter__'):
            continue
        for part in parts:
            yield from unwrap_datasets(part)
        return
    yield dataset
