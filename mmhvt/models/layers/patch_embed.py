"""Patch embedding of images and video."""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer
from mmengine.model import BaseModule
from torch import Tensor

from .layout import channels_last


class PatchEmbed(BaseModule):
    """Patch embedding by one convolution, of images or video; patches overlap if the kernel exceeds the stride.

    Args:
        in_channels: Number of input channels.
        embed_dims: Number of output channels.
        kernel, stride, padding: Arguments of the convolution per axis, (T, H, W) or (H, W), in frames and pixels.
        bias: Whether the convolution has a bias. Defaults to True.
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
            kernel_size=tuple(kernel),
            stride=tuple(stride),
            padding=tuple(padding),
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> (N, [T',] H', W', embed_dims)."""
        return channels_last(self.proj(x))
