"""Learned absolute position embeddings, resized to the grid at hand."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


def resize_position_embedding(embedding: Tensor, source: Sequence[int], target: Sequence[int]) -> Tensor:
    """Resizes an embedding of a token grid to another grid.

    Space is resized bicubically, time linearly, each on its own.

    Args:
        embedding: (1, prod(source), C).
        source: Its grid, ([T,] H, W) or (T,).
        target: The grid to resize to, of the same rank.

    Returns:
        Tensor: (1, prod(target), C) in the dtype of `embedding`.
    """
    source, target = tuple(source), tuple(target)
    if source == target:
        return embedding
    dims = embedding.shape[-1]
    x = embedding.float()
    if len(source) > 1 and source[-2:] != target[-2:]:
        frames = math.prod(source[:-2])
        x = x.view(frames, *source[-2:], dims).permute(0, 3, 1, 2)  # (T, C, H, W)
        x = F.interpolate(x, size=target[-2:], mode='bicubic', align_corners=False)
        x = x.permute(0, 2, 3, 1)
    if len(source) != 2 and source[0] != target[0]:
        x = x.reshape(source[0], -1).t()[None]  # (1, H * W * C, T)
        x = F.interpolate(x, size=target[0], mode='linear', align_corners=False)[0].t()
    return x.reshape(1, math.prod(target), dims).to(embedding.dtype)


class PositionEmbedding(BaseModule):
    """One learned vector a token, or the sum of one a place and one a time.

    Args:
        embed_dims: Channels of a token.
        grid: Token grid ([T,] H, W) that the embedding is built for.
        separate: Space and time apart (parameters `spatial` (1, H·W, C) and `temporal` (1, T, C)) rather than
            one embedding for all (`joint` (1, T·H·W, C)). Images have no time to set apart.

    Raises:
        ValueError: If `separate` is asked for a grid without time.
    """

    def __init__(self, embed_dims: int, grid: Sequence[int], separate: bool = False, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if separate and len(grid) != 3:
            raise ValueError(f'position embeddings separate in space and time need a (T, H, W) grid, not {tuple(grid)}')
        self.grid = tuple(grid)
        self.separate = separate
        if separate:
            self.spatial = nn.Parameter(torch.zeros(1, math.prod(grid[1:]), embed_dims))
            self.temporal = nn.Parameter(torch.zeros(1, grid[0], embed_dims))
        else:
            self.joint = nn.Parameter(torch.zeros(1, math.prod(grid), embed_dims))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=0.02)
        super().init_weights()

    def forward(self, grid: Sequence[int]) -> Tensor:
        """The embedding (1, [T,] H, W, C) of a token grid of any size."""
        if not self.separate:
            return resize_position_embedding(self.joint, self.grid, grid).view(1, *grid, -1)
        spatial = resize_position_embedding(self.spatial, self.grid[1:], grid[1:]).view(1, 1, *grid[1:], -1)
        temporal = resize_position_embedding(self.temporal, self.grid[:1], grid[:1]).view(1, grid[0], 1, 1, -1)
        return spatial + temporal
