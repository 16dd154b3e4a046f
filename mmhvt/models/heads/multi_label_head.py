"""Recognition of several classes at once."""

import torch
from mmaction.utils import SampleList
from torch import Tensor

from mmhvt.registry import MODELS

from .loss_kind import loss_kind
from .recognition_head import RecognitionHead


@MODELS.register_module()
class MultiLabelHead(RecognitionHead):
    """A sigmoid for each class; a video scores as high as its best view (papers/mvit, appendix D.3).

    The dataset needs `multi_class=True`, the metric `AccMetric(metric_list='mean_average_precision')`.

    Args:
        num_classes: Classes.
        in_channels: Channels of the backbone's last stage.
        loss_cls: Config of the loss, on scores before the sigmoid.
        kwargs: As :class:`RecognitionHead` has them: dropout_ratio, init_scale. `average_clips` has no meaning here.

    Raises:
        ValueError: If `average_clips` or `label_smooth_eps` is given: scores are not averaged, and the smoothing of
            mmaction is one of a distribution over classes. Or if the loss is one of a single label a video.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss_cls: dict = dict(type='mmaction.BCELossWithLogits'),
        **kwargs,
    ) -> None:
        for name in ('average_clips', 'label_smooth_eps'):
            if kwargs.get(name):
                raise ValueError(
                    f'MultiLabelHead takes no {name}, got {kwargs[name]!r}: leave it out (None, to undo a base config)'
                )
            kwargs.pop(name, None)
        super().__init__(num_classes, in_channels, loss_cls=loss_cls, multi_class=True, **kwargs)

    def _check_loss(self) -> None:
        if loss_kind(self.loss_cls) not in (None, 'sigmoid'):
            raise ValueError(
                'MultiLabelHead scores by a sigmoid for each class, but '
                f'loss_cls={type(self.loss_cls).__name__} is for one label a video: '
                'BCELossWithLogits would do, or RecognitionHead if a video has one label'
            )

    def loss_by_feat(self, cls_scores: Tensor, data_samples: SampleList) -> dict[str, Tensor]:
        """Loss of scores (N, num_classes) before the sigmoid.

        Raises:
            ValueError: If the labels are not one number for each class.
        """
        labels = [sample.gt_label for sample in data_samples]
        wrong = [tuple(label.shape) for label in labels if label.shape != (self.num_classes,)]
        if wrong:
            raise ValueError(
                f'MultiLabelHead needs labels of shape ({self.num_classes},), got {wrong[0]}: '
                f'the dataset needs multi_class=True and num_classes={self.num_classes}'
            )
        return dict(loss_cls=self.loss_cls(cls_scores, torch.stack(labels).to(cls_scores)))

    def average_clip(self, cls_scores: Tensor, num_segs: int = 1) -> Tensor:
        """(B * num_segs, num_classes) of all clips and crops -> (B, num_classes): probabilities, the largest each."""
        return cls_scores.unflatten(0, (-1, num_segs)).sigmoid().amax(1)
