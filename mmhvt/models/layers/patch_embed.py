"""Patch embedding of images and video."""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer
from mmengine.model import BaseModule
from torch import Tensor

from .layout import channels_last


class PatchEmbed(BaseModule):
    """Overlapping or plain patches by one convolution, for any number of axes (2 or 3).

    Args:
        in_channels: Channels of the input.
        embed_dims: Channels of a token.
        kernel, stride, padding: Per axis, (T, H, W) or (H, W), in frames and pixels.
        bias: Whether the convolution has one.
    """

    def __init__(
        self,
        in_channels: int,
        embed_dims: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        bias: bool = True,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.proj = build_conv_layer(
            dict(type=f'Conv{len(kernel)}d'),
            in_channels,
            embed_dims,
            tuple(kernel),
            tuple(stride),
            tuple(padding),
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> (N, [T',] H', W', embed_dims)."""
        return channels_last(self.proj(x))
