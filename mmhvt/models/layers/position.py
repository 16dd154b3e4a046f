"""Learned absolute position embeddings, resized to the grid at hand."""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

KINDS = ('joint', 'separate', 'space', 'windowed')


def resize_position_embedding(
    embedding: Tensor, source: Sequence[int], target: Sequence[int], mode: str = 'bicubic', antialias: bool = False
) -> Tensor:
    """Resizes an embedding of a token grid to another grid.

    Space and time are resized each on its own, time linearly.

    Args:
        embedding: (1, prod(source), C).
        source: Its grid, ([T,] H, W) or (T,).
        target: The grid to resize to, of the same rank.
        mode: How space is resized, 'bicubic' or 'bilinear'.
        antialias: Whether to filter space, as PIL does.

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
        x = F.interpolate(x, size=target[-2:], mode=mode, align_corners=False, antialias=antialias)
        x = x.permute(0, 2, 3, 1)
    if len(source) != 2 and source[0] != target[0]:
        x = x.reshape(source[0], -1).t()[None]  # (1, H * W * C, T)
        x = F.interpolate(x, size=target[0], mode='linear', align_corners=False)[0].t()
    return x.reshape(1, math.prod(target), dims).to(embedding.dtype)


def places_in_windows(grid: Sequence[int], window: Sequence[int], device: torch.device | None = None) -> Tensor:
    """Which token of its window each token of an (H, W) grid is, (H·W,); the last windows may reach over the edge."""
    rows, columns = (torch.arange(n, device=device) % side for n, side in zip(grid, window, strict=True))
    return (rows[:, None] * window[1] + columns).flatten()


class PositionEmbedding(BaseModule):
    """Learned absolute position embedding of a token grid.

    A joint embedding that a model with window attention learned repeats itself from window to window, and stretching
    it breaks the repetition. The kind 'windowed' keeps it: one table is tiled, only the other is stretched ("Window
    Attention is Bugged: How not to Interpolate Position Embeddings", arXiv 2311.05613, "absolute win").

    Args:
        embed_dims: Channels of a token.
        grid: Token grid ([T,] H, W) that the embedding is built for.
        kind: 'joint', a vector for each token (parameter `joint` (1, [T·]H·W, C)); 'separate', the sum of one
            for its place and one for its time (`spatial` (1, H·W, C), `temporal` (1, T, C)); 'space', one for
            its place only (`spatial`); 'windowed', the sum of one for its place in its window (`window`
            (1, h·w, C), tiled) and one for its place in the image (`whole` (1, H'·W', C), resized with a filter).
            Images have no time to set apart: 'separate' is an error there, and 'windowed' is for images alone.
        with_cls_token: Whether there is a vector for the class token too (`cls` (1, 1, C)).
        mode: How the embedding is resized in space, 'bicubic' or 'bilinear'.
        window: Tokens (h, w) of a window, for 'windowed'.
        whole_grid: (H', W') of `whole`; by default `grid`.

    Raises:
        ValueError: For another kind, or one that the grid does not suit.
    """

    def __init__(
        self,
        embed_dims: int,
        grid: Sequence[int],
        kind: str = 'joint',
        with_cls_token: bool = False,
        mode: str = 'bicubic',
        window: Sequence[int] | None = None,
        whole_grid: Sequence[int] | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        if kind not in KINDS:
            raise ValueError(f'position embeddings are {", ".join(KINDS)}, not {kind!r}')
        if kind == 'separate' and len(grid) != 3:
            raise ValueError(f'position embeddings separate in space and time need a (T, H, W) grid, not {tuple(grid)}')
        if kind == 'windowed' and len(grid) != 2:
            raise ValueError(f'windowed position embeddings are for images, an (H, W) grid, not {tuple(grid)}')
        self.grid, self.kind, self.mode = tuple(grid), kind, mode
        if kind == 'joint':
            self.joint = nn.Parameter(torch.zeros(1, math.prod(grid), embed_dims))
        elif kind == 'windowed':
            self.window_size, self.whole_grid = tuple(window), tuple(whole_grid or grid)
            self.window = nn.Parameter(torch.zeros(1, math.prod(self.window_size), embed_dims))
            self.whole = nn.Parameter(torch.zeros(1, math.prod(self.whole_grid), embed_dims))
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
        if self.kind == 'windowed':
            return self._tile(self.window, self.window_size, self.whole, self.whole_grid, grid).view(1, *grid, -1)
        spatial = resize_position_embedding(self.spatial, self.grid[-2:], grid[-2:], self.mode)
        spatial = spatial.view(1, *[1] * (len(grid) - 2), *grid[-2:], -1)
        if self.kind == 'space':
            return spatial
        temporal = resize_position_embedding(self.temporal, self.grid[:1], grid[:1], self.mode)
        return spatial + temporal.view(1, grid[0], 1, 1, -1)

    def _tile(
        self, window: Tensor, window_size: Sequence[int], whole: Tensor, whole_grid: Sequence[int], grid: Sequence[int]
    ) -> Tensor:
        """A windowed embedding at an (H, W) grid, (1, H·W, C)."""
        whole = resize_position_embedding(whole, whole_grid, grid, self.mode, antialias=True)
        return whole + window[:, places_in_windows(grid, window_size, window.device)]

    def fit(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Parameters of this embedding from those of one of another grid or kind.

        An image's embedding serves all frames; of a clip's, an image gets the mean over time. Time that is new
        to a separate embedding begins at zero. Of a plain embedding, a windowed one takes the mean over all windows as
        `window` and what is left as `whole`, so that on the grid of the plain one nothing changes if `whole_grid` is
        that grid.

        Files do not tell their grids, so that these are guessed: this model's proportions, or else a square.

        Args:
            found: Parameters by our names, of any kind.

        Raises:
            ValueError: If the grid that they were made for cannot be told, or its parts cannot be separated.
        """
        fitted = {'cls': found['cls']} if 'cls' in found and hasattr(self, 'cls') else {}
        space = self.grid[-2:]
        if self.kind == 'windowed':
            return fitted | self._fit_windowed(found)
        if 'window' in found:
            side = math.isqrt(found['window'].shape[1])
            if side**2 != found['window'].shape[1]:
                raise ValueError(f'a window of {found["window"].shape[1]} position embeddings is no square')
            whole_grid = self._side(found['whole'].shape[1])
            found = dict(spatial=self._tile(found['window'], (side, side), found['whole'], whole_grid, space))
        if self.kind == 'joint':
            joint, frames, source = self._as_joint(found)
            if len(self.grid) == 2:
                joint = joint.unflatten(1, (frames, -1)).mean(1)
            elif frames == 1:
                joint = joint.repeat(1, self.grid[0], 1)
                frames = self.grid[0]
            source_grid = (frames, *source) if len(self.grid) == 3 else source
            return fitted | dict(joint=resize_position_embedding(joint, source_grid, self.grid, self.mode))
        if 'joint' in found:
            frames, source = self._source_grid(found['joint'].shape[1])
            if frames > 1:
                raise ValueError(f'a joint embedding of {frames} frames cannot be taken apart into space and time')
        spatial = found.get('spatial', found.get('joint'))
        source = self._side(spatial.shape[1])
        fitted['spatial'] = resize_position_embedding(spatial, source, space, self.mode)
        if self.kind == 'separate':
            temporal = found.get('temporal', torch.zeros_like(spatial[:, : self.grid[0]]))
            fitted['temporal'] = resize_position_embedding(temporal, temporal.shape[1:2], self.grid[:1], self.mode)
        return fitted

    def _fit_windowed(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        if 'window' in found:
            window, whole = found['window'], found['whole']
            same = whole.shape[1] == math.prod(self.whole_grid)
            source = self.whole_grid if same else self._side(whole.shape[1])
        else:
            joint, frames, source = self._as_joint(found)
            joint = joint.unflatten(1, (frames, -1)).mean(1)
            places = places_in_windows(source, self.window_size)
            # an image smaller than a window has no token in some places
            counts = places.bincount(minlength=math.prod(self.window_size)).clamp(min=1)
            window = joint.new_zeros(1, len(counts), joint.shape[-1]).index_add(1, places, joint) / counts[:, None]
            whole = joint - window[:, places]
        return dict(
            window=window, whole=resize_position_embedding(whole, source, self.whole_grid, self.mode, antialias=True)
        )

    def _as_joint(self, found: dict[str, Tensor]) -> tuple[Tensor, int, tuple[int, int]]:
        """A plain embedding as one vector for each token (1, T·H·W, C), with its T and (H, W)."""
        if 'joint' in found:
            return found['joint'], *self._source_grid(found['joint'].shape[1])
        spatial = found['spatial']
        times = found['temporal'] if 'temporal' in found else torch.zeros_like(spatial[:, :1])
        joint = (spatial[:, None] + times[:, :, None]).flatten(1, 2)
        return joint, times.shape[1], self._side(spatial.shape[1])

    def _source_grid(self, tokens: int) -> tuple[int, tuple[int, int]]:
        """Frames and (H, W) of a joint embedding of so many tokens: this grid's space or time, or else an image."""
        space, video = self.grid[-2:], len(self.grid) == 3
        frames = self.grid[0] if video else 1
        times, rest = divmod(tokens, math.prod(space))
        # most files are of squares: as many frames of one are likelier than other frames of this very rectangle
        square = video and times != frames and space[0] != space[1] and _of_proportions(tokens / frames, (1, 1))
        if square:
            return frames, square
        if rest == 0:
            return times, space
        for proportions, guess in itertools.product((space, (1, 1)), dict.fromkeys((frames, 1))):
            if side := _of_proportions(tokens / guess, proportions):
                return guess, side
        if not video:
            self._side(tokens)
        raise ValueError(
            f"a joint embedding of {tokens} tokens has neither the frames nor the space of this model's grid "
            f'{self.grid}: change one at a time'
        )

    def _side(self, tokens: int) -> tuple[int, int]:
        """(H, W) of so many tokens with the proportions of this grid, or else of a square."""
        height, width = self.grid[-2:]
        side = _of_proportions(tokens, (height, width)) or _of_proportions(tokens, (1, 1))
        if side is None:
            raise ValueError(
                f"an embedding of {tokens} tokens has not the proportions of this model's {height}×{width} and is no "
                'square'
            )
        return side


def _of_proportions(tokens: float, proportions: Sequence[int]) -> tuple[int, int] | None:
    """(H, W) of so many tokens in these proportions, or None."""
    height, width = proportions
    rows = round(math.sqrt(tokens * height / width))
    columns = round(tokens / max(rows, 1))
    return (rows, columns) if rows * columns == tokens and rows * width == columns * height else None
