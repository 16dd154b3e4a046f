"""Layer scale (CaiT, arXiv:2103.17239)."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn


class LayerScale(BaseModule):
    """A learned factor for each channel of a residual branch.

    Args:
        dims: Number of channels.
        init_value: Initial factor.
    """

    def __init__(self, dims: int, init_value: float, init_cfg: dict | list | None = None):
        super().__init__(init_cfg)
        self.gamma = nn.Parameter(torch.full((dims,), float(init_value)))

    def forward(self, x: Tensor) -> Tensor:
        """(..., dims) -> the same shape."""
        return self.gamma * x


def build_layer_scale(dims: int, init_value: float | None) -> nn.Module:
    """A :class:`LayerScale`, or the identity if there is no initial factor."""
    return nn.Identity() if init_value is None else LayerScale(dims, init_value)
