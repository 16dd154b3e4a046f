"""Norms by name for configs."""

from torchvision.models.convnext import LayerNorm2d

from mmhvt.registry import MODELS

# norm over channels of maps (N, C, H, W): norm_cfg=dict(type='mmhvt.LN2d')
MODELS.register_module('LN2d', module=LayerNorm2d)

__all__ = ['LayerNorm2d']
