"""Region proposals with norms behind the hidden convolutions."""

from mmcv.cnn import ConvModule
from mmdet.models import RPNHead
from torch import nn

from mmhvt.registry import MODELS


@MODELS.register_module()
class NormedRPNHead(RPNHead):
    """mmdet's RPNHead, which knows no norms, with one behind each hidden convolution, "followed by LayerNorm layers"
    (papers/smvit, appendix A.2).

    Args:
        args, kwargs: As mmdet's; `num_convs` hidden convolutions.
        norm_cfg: Config of the norms.
    """

    def __init__(self, *args, norm_cfg: dict = dict(type='mmhvt.LN2d', eps=1e-6), **kwargs) -> None:
        self.norm_cfg = norm_cfg
        super().__init__(*args, **kwargs)

    def _init_layers(self) -> None:
        super()._init_layers()
        # not inplace, as mmdet's: all levels go through these layers before the backward pass
        self.rpn_conv = nn.Sequential(
            *(
                ConvModule(
                    self.feat_channels if index else self.in_channels,
                    self.feat_channels,
                    3,
                    padding=1,
                    norm_cfg=self.norm_cfg,
                    inplace=False,
                )
                for index in range(self.num_convs)
            )
        )
