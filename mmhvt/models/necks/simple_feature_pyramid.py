"""Simple feature pyramid of ViTDet.

"Exploring Plain Vision Transformer Backbones for Object Detection", https://arxiv.org/abs/2203.16527, section 3.
mmdet has one in `projects/ViTDet` of its repository, which its wheel leaves out.

Shapes: N batch, C channels, H height, W width.
"""

from collections.abc import Sequence
from typing import Annotated

import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.registry import MODELS
from mmhvt.utils.option_configs import InitCfg, MapNorm
from mmhvt.utils.option_types import Channels, Length, Range, Says

# two levels have a half and a quarter of the channels
Quarterable = Annotated[int, Range(4, 65536)]
NumOuts = Annotated[int, Range(4, 16), Says(': use 4, or more (to 16) for subsampled levels')]


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Feature pyramid with strides 4, 8, 16 and 32 from the last map of a plain ViT, which has a stride of 16.

    Two transposed convolutions, one, none, and a max pooling make the four resolutions. Each is followed by a 1×1 and a
    3×3 convolution with norms. Further levels are subsampled from the last.

    Args:
        in_channels: Channels of the map, or a list that ends with them, as in mmdet's FPN configs.
        out_channels: Channels of each level. Defaults to 256.
        num_outs: Number of levels, 4 or more. Defaults to 5.
        norm_cfg: Config of the norms. Defaults to `mmhvt.LN2d`.
        init_cfg: MMEngine's initialization config. Defaults to Xavier for convolutions.

    Raises:
        ValueError: For fewer than 4 levels, or an input that is not (N, in_channels, H, W).
    """

    def __init__(
        self,
        in_channels: Quarterable | Annotated[Sequence[Quarterable], Length(1)],
        out_channels: Channels = 256,
        num_outs: NumOuts = 5,
        norm_cfg: MapNorm = dict(type='mmhvt.LN2d', eps=1e-6),
        init_cfg: InitCfg = dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    ):
        super().__init__(init_cfg)
        self.in_channels = in_channels if isinstance(in_channels, int) else in_channels[-1]
        self.num_outs = num_outs
        dims = self.in_channels
        scales = [
            nn.Sequential(
                nn.ConvTranspose2d(dims, dims // 2, 2, 2),
                build_norm_layer(norm_cfg, dims // 2)[1],
                nn.GELU(),
                nn.ConvTranspose2d(dims // 2, dims // 4, 2, 2),
            ),
            nn.ConvTranspose2d(dims, dims // 2, 2, 2),
            nn.Identity(),
            # rounds up, as hierarchical backbones do, so that small maps keep a token
            nn.MaxPool2d(2, 2, ceil_mode=True),
        ]
        conv = dict(bias=False, norm_cfg=norm_cfg, act_cfg=None)
        self.levels = ModuleList(
            nn.Sequential(
                scale,
                ConvModule(channels, out_channels, 1, **conv),
                ConvModule(out_channels, out_channels, 3, padding=1, **conv),
            )
            for scale, channels in zip(scales, (dims // 4, dims // 2, dims, dims), strict=True)
        )

    def forward(self, inputs: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
        """A map (N, C, H, W), or a tuple that ends with one -> `num_outs` maps, the first of 4·H × 4·W."""
        x = inputs if isinstance(inputs, Tensor) else inputs[-1]
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'SimpleFeaturePyramid takes maps (N, {self.in_channels}, H, W), got {tuple(x.shape)}: the backbone '
                "needs out_type='featmap' and an input_size of images"
            )
        outs = [level(x) for level in self.levels]
        while len(outs) < self.num_outs:
            outs.append(F.max_pool2d(outs[-1], 1, stride=2))
        return tuple(outs)
