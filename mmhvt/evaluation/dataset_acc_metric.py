"""Accuracy of one dataset among several that are evaluated together."""

from collections.abc import Sequence

from mmaction.evaluation import AccMetric

from mmhvt.registry import METRICS


@METRICS.register_module()
class DatasetAccMetric(AccMetric):
    """mmaction's AccMetric of the samples whose metainfo `dataset` is the one that is named.

    Args:
        dataset: Its name; leads the names of the metrics too: k400/top1.
        kwargs: As AccMetric has them: metric_list, metric_options, collect_device.

    Raises:
        ValueError: In evaluation, if there is no sample of the dataset; names the datasets that there are.
    """

    def __init__(self, dataset: str, **kwargs):
        super().__init__(**{'prefix': dataset, **kwargs})
        self.dataset = dataset

    def process(self, data_batch: Sequence, data_samples: Sequence[dict]) -> None:
        """Keeps the scores of the dataset's samples, and of others what they are of: MMEngine drops what the loader
        padded by counting the results.
        """
        for sample in data_samples:
            if sample.get('dataset') == self.dataset:
                super().process(data_batch, [sample])
            else:
                self.results.append(dict(other=sample.get('dataset')))

    def compute_metrics(self, results: list[dict]) -> dict:
        """Metrics of the dataset's results."""
        own = [result for result in results if 'other' not in result]
        if not own:
            others = sorted({str(result['other']) for result in results})
            raise ValueError(
                f'DatasetAccMetric(dataset={self.dataset!r}) met no sample of it, but of {", ".join(others)}: '
                "pipelines need dict(type='mmhvt.NameDataset', name=…) at the end"
            )
        return super().compute_metrics(own)
