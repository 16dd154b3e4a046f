"""Norm layers for configs."""

from torch import Tensor, nn

from mmhvt.registry import MODELS


@MODELS.register_module('LN2d')
class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of maps, `norm_cfg=dict(type='mmhvt.LN2d')`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape, contiguous, as mmcv's RoIAlign assumes maps to be."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
