"""Region proposal network with norms after the hidden convolutions.

Paper: Hiera (https://arxiv.org/abs/2306.00989).
"""

from mmcv.cnn import ConvModule
from mmdet.models import RPNHead
from torch import nn

from mmhvt.registry import MODELS
from mmhvt.utils.option_configs import MapNorm


@MODELS.register_module()
class NormedRPNHead(RPNHead):
    """mmdet's RPNHead with a norm after each hidden convolution, "followed by LayerNorm layers" (Hiera, appendix A.2).

    Args:
        args, kwargs: Arguments of mmdet's RPNHead. `num_convs` is the number of hidden convolutions.
        norm_cfg: Config of the norms. Defaults to LN2d with eps=1e-6.
    """

    def __init__(self, *args, norm_cfg: MapNorm = dict(type='mmhvt.LN2d', eps=1e-6), **kwargs) -> None:
        self.norm_cfg = norm_cfg
        super().__init__(*args, **kwargs)

    def _init_layers(self) -> None:
        super()._init_layers()
        # not in place, like mmdet's: all levels pass through these layers before the backward pass
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
