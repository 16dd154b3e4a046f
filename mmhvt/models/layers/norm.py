"""Norms by name for configs."""

from torch import Tensor
from torchvision.models import convnext

from mmhvt.registry import MODELS


@MODELS.register_module('LN2d')
class LayerNorm2d(convnext.LayerNorm2d):
    """Norm over the channels of maps: norm_cfg=dict(type='mmhvt.LN2d')."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, laid out in this order: mmcv's RoIAlign reads memory as if all maps were."""
        return super().forward(x).contiguous()
