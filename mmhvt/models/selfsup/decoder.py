"""Decoder of the masked auto-encoder (Hiera, https://arxiv.org/abs/2306.00989, figure 4 and table 3d).

Shapes: N batch, C channels, K visible mask units, M masked tokens, t, h, w tokens of a mask unit per axis.
"""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.backbones.arch import check_hidden
from mmhvt.models.backbones.smvit import SMViTBlock
from mmhvt.models.layers import PositionEmbedding, merge_windows
from mmhvt.utils import check_options
from mmhvt.utils.option_types import Channels, Range, Ratio


@check_options
class MAEDecoder(BaseModule):
    """Transformer on all tokens that predicts the pixels of masked ones; mask tokens stand in for deleted ones.

    Args:
        in_dims: Channels of the encoder.
        out_dims: Number of values to predict for each token.
        grid: Tokens per axis that the position embedding is built for.
        unit: Tokens of a mask unit per axis.
        embed_dims: Channels of the decoder.
        depth: Number of blocks.
        num_heads: Number of attention heads.
        mlp_ratio: Ratio of hidden channels of an MLP to `embed_dims`.
        with_mask_token: Whether the encoder deletes masked tokens.
        norm_cfg: Config of the norms.
        init_cfg: MMEngine's initialization config.

    Raises:
        ValueError: If there is no block, or heads do not divide the channels.
    """

    def __init__(
        self,
        in_dims: int,
        out_dims: int,
        grid: Sequence[int],
        unit: Sequence[int],
        embed_dims: Channels,
        depth: Annotated[int, Range(high=1000)],
        num_heads: Annotated[int, Range(high=1024)],
        mlp_ratio: Ratio,
        with_mask_token: bool,
        norm_cfg: dict,
        init_cfg: dict | list | None = None,
    ):
        super().__init__(init_cfg)
        if depth < 1:
            raise ValueError(f'MAE: a decoder of depth={depth} has no block; the paper has 8')
        if num_heads < 1 or embed_dims % num_heads:
            raise ValueError(f'MAE: {num_heads} heads do not divide the {embed_dims} channels of the decoder')
        check_hidden('MAE', embed_dims, mlp_ratio)
        self.unit = tuple(unit)
        self.embed = nn.Linear(in_dims, embed_dims)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims)) if with_mask_token else None
        self.pos_embed = PositionEmbedding(embed_dims, grid)
        self.blocks = ModuleList(
            SMViTBlock(embed_dims, embed_dims, num_heads=num_heads, mlp_ratio=mlp_ratio, norm_cfg=norm_cfg)
            for _ in range(depth)
        )
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        self.predict = nn.Linear(embed_dims, out_dims)

    def init_weights(self) -> None:
        """Initialize the mask token from a truncated normal of std 0.02, everything else as `init_cfg` says."""
        if self.mask_token is not None:
            nn.init.trunc_normal_(self.mask_token, std=0.02)
        super().init_weights()

    def forward(self, x: Tensor, visible: Tensor, masked: Tensor, counts: Sequence[int]) -> Tensor:
        """Predict the pixels of masked tokens.

        Args:
            x: Encoded tokens (N, K, [t,] h, w, in_dims) of the visible units, or of all units without a mask token.
            visible: Visible units (N, K), row-major over the grid of units.
            masked: Masked tokens (N, M), row-major over the grid of tokens.
            counts: Mask units per axis.

        Returns:
            Tensor: (N, M, out_dims).
        """
        x = self.embed(x.flatten(2, -2))  # (N, K, h * w, embed_dims)
        if self.mask_token is not None:
            everywhere = self.mask_token.to(x.dtype).expand(x.shape[0], math.prod(counts), *x.shape[2:])
            x = everywhere.scatter(1, visible[:, :, None, None].expand_as(x), x)
        grid = tuple(c * u for c, u in zip(counts, self.unit, strict=True))
        x = (merge_windows(x, self.unit, grid) + self.pos_embed(grid)).flatten(1, -2)
        for block in self.blocks:
            x = block(x)
        x = x.gather(1, masked[:, :, None].expand(-1, -1, x.shape[2]))
        return self.predict(self.norm(x))
