"""Image classification head: dropout and a linear classifier.

Paper: Hiera (https://arxiv.org/abs/2306.00989).
"""

from mmpretrain.models.heads import LinearClsHead
from torch import Tensor, nn

from mmhvt.registry import MODELS
from mmhvt.utils.option_types import Channels, Number, Rate

from .pooling import Features, pool_features


@MODELS.register_module()
class ImageHead(LinearClsHead):
    """mmpretrain's LinearClsHead with dropout before the classifier (Hiera, appendix A.2), on features or maps.

    Args:
        num_classes: Number of classes.
        in_channels: Number of channels of the backbone's last stage.
        dropout_ratio: Dropout probability of the feature. Defaults to 0.
        kwargs: Arguments of LinearClsHead: loss, topk, cal_acc, init_cfg.
    """

    def __init__(self, num_classes: Number, in_channels: Channels, dropout_ratio: Rate = 0.0, **kwargs):
        super().__init__(num_classes, in_channels, **kwargs)
        self.dropout = nn.Dropout(dropout_ratio)

    def _get_loss(self, cls_score: Tensor, data_samples: list, **kwargs) -> dict[str, Tensor]:
        # zero for no samples
        return super()._get_loss(cls_score, data_samples, **kwargs) if data_samples else dict(loss=cls_score.sum())

    def pre_logits(self, feats: Features) -> Tensor:
        """Returns the pooled feature (N, in_channels) after dropout; see :func:`pool_features`.

        Raises:
            ValueError: For tokens, or another number of channels; says which options would do.
        """
        return self.dropout(pool_features(feats, type(self).__name__, self.in_channels))
