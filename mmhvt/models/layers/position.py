"""Learned absolute position embeddings, resized to the grid at hand."""

import contextlib
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


def resize_position_embedding(
    embedding: Tensor, source: Sequence[int], target: Sequence[int], mode: str = 'bicubic'
) -> Tensor:
    """Resizes an embedding of a token grid to another grid.

    Space and time are resized each on its own, time linearly.

    Args:
        embedding: (1, prod(source), C).
        source: Its grid, ([T,] H, W) or (T,).
        target: The grid to resize to, of the same rank.
        mode: How space is resized, 'bicubic' or 'bilinear'.

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
        x = F.interpolate(x, size=target[-2:], mode=mode, align_corners=False)
        x = x.permute(0, 2, 3, 1)
    if len(source) != 2 and source[0] != target[0]:
        x = x.reshape(source[0], -1).t()[None]  # (1, H * W * C, T)
        x = F.interpolate(x, size=target[0], mode='linear', align_corners=False)[0].t()
    return x.reshape(1, math.prod(target), dims).to(embedding.dtype)


class PositionEmbedding(BaseModule):
    """Learned absolute position embedding of a token grid.

    Args:
        embed_dims: Channels of a token.
        grid: Token grid ([T,] H, W) that the embedding is built for.
        kind: 'joint', a vector for each token (parameter `joint` (1, [T·]H·W, C)); 'separate', the sum of one
            for its place and one for its time (`spatial` (1, H·W, C), `temporal` (1, T, C)); 'space', one for
            its place only (`spatial`). Images have no time to set apart: 'separate' is an error there.
        with_cls_token: Whether there is a vector for the class token too (`cls` (1, 1, C)).
        mode: How the embedding is resized in space, 'bicubic' or 'bilinear'.

    Raises:
        ValueError: For another kind, or 'separate' on a grid without time.
    """

    def __init__(
        self,
        embed_dims: int,
        grid: Sequence[int],
        kind: str = 'joint',
        with_cls_token: bool = False,
        mode: str = 'bicubic',
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if kind not in ('joint', 'separate', 'space'):
            raise ValueError(f'position embeddings are joint, separate or space, not {kind!r}')
        if kind == 'separate' and len(grid) != 3:
            raise ValueError(f'position embeddings separate in space and time need a (T, H, W) grid, not {tuple(grid)}')
        self.grid, self.kind, self.mode = tuple(grid), kind, mode
        if kind == 'joint':
            self.joint = nn.Parameter(torch.zeros(1, math.prod(grid), embed_dims))
        else:
            self.spatial = nn.Parameter(torch.zeros(1, math.prod(grid[-2:]), embed_dims))
        if kind == 'separate':
            self.temporal = nn.Parameter(torch.zeros(1, grid[0], embed_dims))
        if with_cls_token:
            self.cls = nn.Parameter(torch.zeros(1, 1, embed_dims))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        for parameter in self.parameters():
            nn.init.trunc_normal_(parameter, std=0.02)
        super().init_weights()

    def forward(self, grid: Sequence[int]) -> Tensor:
        """The embedding (1, [T or 1,] H, W, C) of a token grid of any size."""
        if self.kind == 'joint':
            return resize_position_embedding(self.joint, self.grid, grid, self.mode).view(1, *grid, -1)
        spatial = resize_position_embedding(self.spatial, self.grid[-2:], grid[-2:], self.mode)
        spatial = spatial.view(1, *[1] * (len(grid) - 2), *grid[-2:], -1)
        if self.kind == 'space':
            return spatial
        temporal = resize_position_embedding(self.temporal, self.grid[:1], grid[:1], self.mode)
        return spatial + temporal.view(1, grid[0], 1, 1, -1)

    def fit(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Parameters of this embedding from those of one of another grid or kind.

        An image's embedding serves all frames; of a clip's, an image gets the mean over time. Time that is new
        to a separate embedding begins at zero.

        Args:
            found: Parameters by our names, of any kind.

        Raises:
            ValueError: If the grid that they were made for cannot be told, or its parts cannot be separated.
        """
        fitted = {'cls': found['cls']} if 'cls' in found and hasattr(self, 'cls') else {}
        space = self.grid[-2:]
        if 'joint' in found:
            frames, source = self._source_grid(found['joint'].shape[1])
        else:
            source = self._side(found['spatial'].shape[1])
            frames = found['temporal'].shape[1] if 'temporal' in found else 1
        if self.kind == 'joint':
            joint = found.get('joint')
            if joint is None:
                times = found['temporal'] if 'temporal' in found else torch.zeros_like(found['spatial'][:, :1])
                joint = (found['spatial'][:, None] + times[:, :, None]).flatten(1, 2)
            if len(self.grid) == 2:
                joint = joint.unflatten(1, (frames, -1)).mean(1)
            elif frames == 1:
                joint = joint.repeat(1, self.grid[0], 1)
                frames = self.grid[0]
            source_grid = (frames, *source) if len(self.grid) == 3 else source
            return fitted | dict(joint=resize_position_embedding(joint, source_grid, self.grid, self.mode))
        if 'joint' in found and frames > 1:
            raise ValueError(f'a joint embedding of {frames} frames cannot be taken apart into space and time')
        spatial = found.get('spatial', found.get('joint'))
        fitted['spatial'] = resize_position_embedding(spatial, source, space, self.mode)
        if self.kind == 'separate':
            temporal = found.get('temporal', torch.zeros_like(spatial[:, : self.grid[0]]))
            fitted['temporal'] = resize_position_embedding(temporal, temporal.shape[1:2], self.grid[:1], self.mode)
        return fitted

    def _source_grid(self, tokens: int) -> tuple[int, tuple[int, int]]:
        """Frames and (H, W) of a joint embedding of so many tokens: this grid's space or time, or else an image."""
        space = self.grid[-2:]
        if tokens % math.prod(space) == 0:
            return tokens // math.prod(space), space
        frames = self.grid[0] if len(self.grid) == 3 else 1
        for guess in (frames, 1):
            with contextlib.suppress(ValueError):
                return guess, self._side(tokens / guess)
        if len(self.grid) == 2:
            self._side(tokens)
        raise ValueError(
            f"a joint embedding of {tokens} tokens has neither the frames nor the space of this model's grid "
            f'{self.grid}: change one at a time'
        )

    def _side(self, tokens: float) -> tuple[int, int]:
        """(H, W) of so many tokens with the proportions of this grid."""
        height, width = self.grid[-2:]
        rows = round(math.sqrt(tokens * height / width))
        columns = round(tokens / max(rows, 1))
        if rows * columns != tokens or rows * width != columns * height:
            raise ValueError(
                f"an embedding of {tokens:g} tokens has not the proportions of this model's {height}×{width}"
            )
        return rows, columns
