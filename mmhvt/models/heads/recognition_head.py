"""Recognition head of hierarchical transformers: dropout and one linear layer."""

from mmaction.models.heads import BaseHead
from mmengine.model import trunc_normal_init
from torch import Tensor, nn

from mmhvt.registry import MODELS


@MODELS.register_module()
class RecognitionHead(BaseHead):
    """Dropout and a linear classifier on a backbone's pooled feature (papers/smvit, table 11: dropout).

    Args:
        num_classes: Classes.
        in_channels: Channels of the backbone's last stage.
        dropout_ratio: Of the feature, before the classifier.
        init_scale: Factor of the classifier's initial weights; near 0 the first predictions are uniform.
        loss_cls: Config of the loss.
        kwargs: As mmaction's BaseHead has them: average_clips, label_smooth_eps, topk, multi_class.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout_ratio: float = 0.0,
        init_scale: float = 0.001,
        loss_cls: dict = dict(type='mmaction.CrossEntropyLoss'),
        **kwargs,
    ):
        super().__init__(num_classes, in_channels, loss_cls, **kwargs)
        self.init_scale = init_scale
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc_cls = nn.Linear(in_channels, num_classes)

    def init_weights(self) -> None:
        """Truncated normal of deviation 0.02 and bias 0.02, both times `init_scale`, as the public SMViT code."""
        super().init_weights()
        if not self.init_cfg:
            trunc_normal_init(self.fc_cls, std=0.02 * self.init_scale, bias=0.02 * self.init_scale)

    def forward(self, x: Tensor | tuple[Tensor, ...], **kwargs) -> Tensor:
        """(N, in_channels), or a tuple that ends with it -> scores (N, num_classes).

        Raises:
            ValueError: If the feature is not pooled or has other channels.
        """
        x = x[-1] if isinstance(x, tuple | list) else x
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'RecognitionHead takes features (N, {self.in_channels}), got {tuple(x.shape)}: '
                "the backbone needs out_type='avg_featmap' or 'cls_token' and as many channels in its last stage"
            )
        # fp32 under autocast too: mmaction takes scores to NumPy, which has no bfloat16
        return self.fc_cls(self.dropout(x)).float()
