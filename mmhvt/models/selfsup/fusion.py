"""Multi-scale fusion: from the stages of the encoder to the input of the decoder (papers/smvit, table 3a)."""

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import channels_first, channels_last


class MultiScaleFusion(BaseModule):
    """Sum of stages, those of higher resolution brought down by a convolution each, and a norm.

    The convolutions do not overlap and end with the mask unit, so they see nothing that is masked. Without any of
    them it is the norm of the last stage.

    Args:
        in_dims: Channels of the stages to bring down.
        strides: Per axis, for each of them.
        out_dims: Channels of the last stage.
        norm_cfg: Config of the norm.
        init_cfg: MMEngine's.
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
            (nn.Conv3d if len(stride) == 3 else nn.Conv2d)(dims, out_dims, tuple(stride), tuple(stride))
            for dims, stride in zip(in_dims, strides, strict=True)
        )
        self.norm = build_norm_layer(norm_cfg, out_dims)[1]

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """Stages to bring down, then the last, each (N, K, [t,] h, w, C) -> (N, K, [t,] h, w, C) of the last."""
        fused = stages[-1]
        for head, stage in zip(self.heads, stages[:-1], strict=True):
            fused = fused + channels_last(head(channels_first(stage.flatten(0, 1)))).view_as(fused)
        return self.norm(fused)
