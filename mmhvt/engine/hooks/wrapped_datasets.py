"""What stands inside MMEngine's dataset wrappers."""

from collections.abc import Iterator


def innermost_datasets(dataset: object) -> Iterator[object]:
    """The datasets that ConcatDataset, RepeatDataset, ClassBalancedDataset and `num_batch_per_epoch` wrap."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from innermost_datasets(part)
    elif hasattr(dataset, 'dataset'):
        yield from innermost_datasets(dataset.dataset)
    elif hasattr(dataset, '_dataset'):
        yield from innermost_datasets(dataset._dataset)
    else:
        yield dataset
