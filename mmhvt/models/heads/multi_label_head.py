"""Recognition head for videos with several labels.

Paper: MViT (https://arxiv.org/abs/2104.11227).
"""

from typing import Annotated, Any

import torch
from mmaction.utils import SampleList
from torch import Tensor

from mmhvt.registry import MODELS
from mmhvt.utils.option_configs import ActionLoss
from mmhvt.utils.option_types import Channels, Number, Sets

from .loss_kind import loss_kind
from .recognition_head import RecognitionHead


@MODELS.register_module()
class MultiLabelHead(RecognitionHead):
    """RecognitionHead with a sigmoid per class. A video gets the maximum score of its views (MViT, appendix D.3).

    The dataset needs ``multi_class=True``, the metric ``metric_list='mean_average_precision'``.

    Args:
        num_classes: Number of classes.
        in_channels: Number of channels of the backbone's last stage.
        loss_cls: Config of the loss on logits. Defaults to mmaction's BCELossWithLogits.
        kwargs: Arguments of :class:`RecognitionHead` other than `average_clips` and `label_smooth_eps`: dropout_ratio,
            init_scale, labels, init_cfg.

    Raises:
        ValueError: If `average_clips` or `label_smooth_eps` is given, since scores are not averaged and mmaction
            smooths labels as a distribution over classes. If the loss takes one label per video.
    """

    def __init__(
        self,
        num_classes: Number,
        in_channels: Channels,
        loss_cls: ActionLoss = dict(type='mmaction.BCELossWithLogits'),
        **kwargs: Annotated[Any, Sets('multi_class')],
    ) -> None:
        for name in ('average_clips', 'label_smooth_eps'):
            if kwargs.get(name):
                raise ValueError(
                    f'MultiLabelHead takes no {name}, got {kwargs[name]!r}: remove it, or set it to None if a base '
                    'config has it'
                )
            kwargs.pop(name, None)
        super().__init__(num_classes, in_channels, loss_cls=loss_cls, multi_class=True, **kwargs)

    def _check_loss(self) -> None:
        if loss_kind(self.loss_cls) not in (None, 'sigmoid'):
            raise ValueError(
                f'MultiLabelHead: loss_cls={type(self.loss_cls).__name__} takes one label per video: use '
                'BCELossWithLogits for several labels, or RecognitionHead for one'
            )

    def loss_by_feat(self, cls_scores: Tensor, data_samples: SampleList) -> dict[str, Tensor]:
        """Computes the loss.

        Args:
            cls_scores: Logits (N, num_classes).
            data_samples: Samples with `gt_label` (num_classes,).

        Raises:
            ValueError: If the labels have another shape.
        """
        if not data_samples:
            return dict(loss_cls=cls_scores.sum())
        labels = [sample.gt_label for sample in data_samples]
        wrong = [tuple(label.shape) for label in labels if label.shape != (self.num_classes,)]
        if wrong:
            raise ValueError(
                f'MultiLabelHead takes labels of shape ({self.num_classes},), got {wrong[0]}: set multi_class=True and '
                f'num_classes={self.num_classes} in the dataset'
            )
        return dict(loss_cls=self.loss_cls(cls_scores, torch.stack(labels).to(cls_scores)))

    def average_clip(self, cls_scores: Tensor, num_segs: int = 1) -> Tensor:
        """Reduces the views of each video by the maximum.

        Args:
            cls_scores: Logits (N * num_segs, num_classes).
            num_segs: Number of views, clips times crops. Defaults to 1.

        Returns:
            Tensor: Probabilities (N, num_classes).
        """
        return cls_scores.unflatten(0, (-1, num_segs)).sigmoid().amax(1)
