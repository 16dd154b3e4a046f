"""What stands inside MMEngine's dataset wrappers."""

from collections.abc import Iterator, Mapping


def innermost_datasets(dataset: object) -> Iterator[object]:
    """The datasets that ConcatDataset, RepeatDataset, ClassBalancedDataset, KFoldDataset, torch's Subset and
    `num_batch_per_epoch` wrap.
    """
    for name in ('datasets', 'dataset', '_dataset'):
        inner = getattr(dataset, name, None)
        # a dataset may have a name or a table by these names
        if inner is None or isinstance(inner, str | bytes | int):
            continue
        parts = inner.values() if isinstance(inner, Mapping) else inner if name == 'datasets' else [inner]
        if isinstance(parts, str | bytes) or not hasattr(parts, '__iter__'):
            continue
        for part in parts:
            yield from innermost_datasets(part)
        return
    yield dataset
