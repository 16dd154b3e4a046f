"""Accuracy of one dataset among several that are evaluated together."""

from collections.abc import Sequence

from mmhvt.registry import METRICS

from .acc_metric import AccMetric


@METRICS.register_module()
class DatasetAccMetric(AccMetric):
    """AccMetric of the samples of one dataset, whose name :class:`mmhvt.NameDataset` writes into their metainfo.

    Args:
        dataset: Name of the dataset. Also the default prefix of the metrics: ``k400/top1``.
        kwargs: Arguments of :class:`AccMetric`: metric_list, metric_options, collect_device, prefix.
    """

    def __init__(self, dataset: str, **kwargs):
        super().__init__(**{'prefix': dataset, **kwargs})
        self.dataset = dataset

    def process(self, data_batch: Sequence, data_samples: Sequence[dict]) -> None:
        """Stores the scores of the dataset's samples.

        For other samples, only the name of their dataset is stored: MMEngine counts results to drop those that the
        dataloader padded.
        """
        for sample in data_samples:
            if sample.get('dataset') == self.dataset:
                super().process(data_batch, [sample])
            else:
                self.results.append(dict(other=sample.get('dataset')))

    def compute_metrics(self, results: list[dict]) -> dict:
        """Computes the metrics of the dataset's results.

        Raises:
            ValueError: If there are none. The message names the datasets that were found.
        """
        own = [result for result in results if 'other' not in result]
        if not own:
            others = sorted({str(result['other']) for result in results})
            raise ValueError(
                f'DatasetAccMetric(dataset={self.dataset!r}) found no sample of this dataset, only of '
                f"{', '.join(others)}: end the pipeline with dict(type='mmhvt.NameDataset', name=…)"
            )
        return super().compute_metrics(own)
