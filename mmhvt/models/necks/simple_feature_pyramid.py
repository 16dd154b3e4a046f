"""Simple feature pyramid of ViTDet (Li et al., "Exploring Plain Vision Transformer Backbones", section 3)."""

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.registry import MODELS


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """Strides 4, 8, 16, 32 from the last map of a plain ViT, which has one stride only.

    The map of stride 16 is convolved transposed twice and once, left alone, and max-pooled; each result goes
    through a 1×1 and a 3×3 convolution with norms. Detectors that want further levels get them by subsampling.

    Args:
        in_channels: Channels of the map; a list's last entry counts, so that what stands in mmdet's configs for an
            FPN does here.
        out_channels: Channels of each level.
        num_outs: Levels, 4 or more.
        norm_cfg: Config of the norms.

    Raises:
        ValueError: For fewer than 4 levels, or an input that is not (N, in_channels, H, W).
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        out_channels: int = 256,
        num_outs: int = 5,
        norm_cfg: dict = dict(type='mmhvt.LN2d', eps=1e-6),
        init_cfg: dict | list = dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    ):
        super().__init__(init_cfg)
        if num_outs < 4:
            raise ValueError(f'SimpleFeaturePyramid: num_outs={num_outs}: 4, or more for subsampled levels')
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
            # as backbones of stages round, which leave no map without a token
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
        """A map (N, C, H, W), or a tuple that ends with it -> `num_outs` maps, the first of 4·H × 4·W."""
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
