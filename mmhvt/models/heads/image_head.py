"""Image head of hierarchical transformers: dropout and one linear layer."""

from mmpretrain.models.heads import LinearClsHead
from torch import Tensor, nn

from mmhvt.registry import MODELS


@MODELS.register_module()
class ImageHead(LinearClsHead):
    """mmpretrain's LinearClsHead with dropout before the classifier (papers/smvit, appendix A.2: dropout).

    Args:
        num_classes: Classes.
        in_channels: Channels of the backbone's last stage.
        dropout_ratio: Of the feature.
        kwargs: As LinearClsHead has them: loss, topk, cal_acc, init_cfg.
    """

    def __init__(self, num_classes: int, in_channels: int, dropout_ratio: float = 0.0, **kwargs):
        super().__init__(num_classes, in_channels, **kwargs)
        self.dropout = nn.Dropout(dropout_ratio)

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The last stage's feature (N, in_channels), dropped out of in training."""
        return self.dropout(super().pre_logits(feats))
