"""Accuracy that rejects scores of single views."""

from collections.abc import Sequence
from typing import Literal

import mmaction.evaluation
from torch import Tensor

from mmhvt.registry import METRICS

Metric = Literal['top_k_accuracy', 'mean_class_accuracy', 'mean_average_precision', 'mmit_mean_average_precision']


@METRICS.register_module()
class AccMetric(mmaction.evaluation.AccMetric):
    """mmaction's AccMetric, which rejects scores that are not averaged over the views of a video.

    A head with ``average_clips=None`` keeps an axis for the views. mmaction's AccMetric then reports a top-1 accuracy
    above 1, or fails with an error about array dimensions.

    Args:
        metric_list: Names of the metrics. Defaults to ('top_k_accuracy', 'mean_class_accuracy').
        kwargs: Arguments of mmaction's AccMetric: metric_options, collect_device, prefix.
    """

    def __init__(
        self, metric_list: Metric | Sequence[Metric] = ('top_k_accuracy', 'mean_class_accuracy'), **kwargs
    ) -> None:
        super().__init__(metric_list if isinstance(metric_list, str) else tuple(metric_list), **kwargs)

    def process(self, data_batch: Sequence, data_samples: Sequence[dict]) -> None:
        """Stores the scores and labels of a batch.

        Args:
            data_batch: Batch of the dataloader. Not used.
            data_samples: Samples with `pred_score` (num_classes,) and `gt_label`.

        Raises:
            ValueError: If scores have more than one axis.
        """
        for sample in data_samples:
            scores = sample['pred_score']
            if isinstance(scores, Tensor) and scores.ndim != 1:
                raise ValueError(
                    f'{type(self).__name__}: pred_score must have shape (num_classes,), got {tuple(scores.shape)}: set '
                    "average_clips='prob' in the head"
                )
        super().process(data_batch, data_samples)
