"""Norm layers for configs."""

from torch import Tensor
from torchvision.models import convnext

from mmhvt.registry import MODELS


@MODELS.register_module('LN2d')
class LayerNorm2d(convnext.LayerNorm2d):
    """LayerNorm over the channels of maps, `norm_cfg=dict(type='mmhvt.LN2d')`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape, contiguous, as mmcv's RoIAlign assumes maps to be."""
        return super().forward(x).contiguous()
