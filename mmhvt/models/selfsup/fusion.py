"""Multi-scale fusion: from the stages of the encoder to the input of the decoder.

Hiera, https://arxiv.org/abs/2306.00989, table 3a.

Shapes: N batch, C channels, K mask units, t, h, w tokens of a mask unit per axis.
"""

from collections.abc import Sequence

from mmcv.cnn import build_conv_layer, build_norm_layer
from mmengine.model import BaseModule, ModuleList
from torch import Tensor

from mmhvt.models.layers import channels_first, channels_last


class MultiScaleFusion(BaseModule):
    """Sum of stages, each brought to the resolution of the last by a convolution, followed by a norm.

    The kernels do not overlap and mask units are multiples of them, so that no masked token is seen. With the last
    stage alone, the fusion is only the norm.

    Args:
        in_dims: Channels of each stage before the last.
        strides: Stride of the convolution of each of these stages, per axis.
        out_dims: Channels of the last stage.
        norm_cfg: Config of the norm.
        init_cfg: MMEngine's initialization config.
    """

    def __init__(
        self,
        in_dims: Sequence[int],
        strides: Sequence[Sequence[int]],
        out_dims: int,
        norm_cfg: dict,
        init_cfg: dict | list | None = None,
    ):
        super().__init__(init_cfg)
        self.heads = ModuleList(
            build_conv_layer(
                dict(type=f'Conv{len(stride)}d'), dims, out_dims, kernel_size=tuple(stride), stride=tuple(stride)
            )
            for dims, stride in zip(in_dims, strides, strict=True)
        )
        self.norm = build_norm_layer(norm_cfg, out_dims)[1]

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Stages (N, K, [t,] h, w, C) in order -> (N, K, [t,] h, w, C) at the resolution of the last."""
        fused = stages[-1]
        for head, stage in zip(self.heads, stages[:-1], strict=True):
            fused = fused + channels_last(head(channels_first(stage.flatten(0, 1)))).view_as(fused)
        return self.norm(fused)
