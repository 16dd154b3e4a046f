"""Learned absolute position embeddings, resized to the grid of the input.

Shapes: C channels, T frames, H height, W width of a token grid; h, w tokens of a window per axis.
"""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmhvt.utils import check_choice

from .tracing import same_size

KINDS = ('joint', 'separate', 'space', 'windowed')


def resize_position_embedding(
    embedding: Tensor, source: Sequence[int], target: Sequence[int], mode: str = 'bicubic', antialias: bool = False
) -> Tensor:
    """Resize a position embedding to another token grid.

    Space and time are resized separately, time linearly.

    Args:
        embedding: (1, prod(source), C).
        source: Grid of the embedding, ([T,] H, W) or (T,).
        target: Grid to resize to, with the same number of axes.
        mode: Interpolation in space, 'bicubic' or 'bilinear'. Defaults to 'bicubic'.
        antialias: Whether to filter in space, as PIL does. Defaults to False.

    Returns:
        Tensor: (1, prod(target), C) in the dtype of `embedding`.
    """
    source, target = tuple(source), tuple(target)
    if same_size(source, target):
        return embedding
    dims = embedding.shape[-1]
    x = embedding.float()
    if len(source) > 1 and not same_size(source[-2:], target[-2:]):
        frames = math.prod(source[:-2])
        x = x.view(frames, *source[-2:], dims).permute(0, 3, 1, 2)  # (T, C, H, W)
        x = F.interpolate(x, size=target[-2:], mode=mode, align_corners=False, antialias=antialias)
        x = x.permute(0, 2, 3, 1)
    if len(source) != 2 and not same_size(source[:1], target[:1]):
        x = x.reshape(source[0], -1).t()[None]  # (1, H * W * C, T)
        x = F.interpolate(x, size=target[0], mode='linear', align_corners=False)[0].t()
    return x.reshape(1, math.prod(target), dims).to(embedding.dtype)


def positions_in_windows(grid: Sequence[int], window: Sequence[int], device: torch.device | None = None) -> Tensor:
    """Index within its (h, w) window of each token of an (H, W) grid, (H·W,); the last windows may be cut off."""
    rows, columns = (torch.arange(n, device=device) % side for n, side in zip(grid, window, strict=True))
    return (rows[:, None] * window[1] + columns).flatten()


class PositionEmbedding(BaseModule):
    """Learned absolute position embedding of a token grid.

    With window attention a joint embedding learns a pattern that repeats from window to window, and stretching the
    embedding destroys the repetition. The kind 'windowed' keeps it: one table is tiled, and only the other is stretched
    ("Window Attention is Bugged: How not to Interpolate Position Embeddings", https://arxiv.org/abs/2311.05613,
    "absolute win").

    Args:
        embed_dims: Number of channels.
        grid: Token grid ([T,] H, W) that the embedding is built for.
        kind: 'joint', a vector for each token (parameter `joint` (1, [T·]H·W, C)); 'separate', for video, the sum of a
            vector for the position in space and one for the time (`spatial` (1, H·W, C), `temporal` (1, T, C));
            'space', a vector for the position in space (`spatial`); 'windowed', for images, the sum of a vector for the
            position in the window (`window` (1, h·w, C), tiled) and one for the position in the image (`whole`
            (1, H'·W', C), resized with a filter). Defaults to 'joint'.
        with_cls_token: Whether the class token has a vector, too (`cls` (1, 1, C)). Defaults to False.
        mode: Interpolation in space, 'bicubic' or 'bilinear'. Defaults to 'bicubic'.
        window: Tokens (h, w) of a window, for 'windowed'.
        whole_grid: (H', W') of `whole`. Defaults to `grid`.

    Raises:
        ValueError: For an unknown kind, or one that the grid cannot have, or 'windowed' without a window.
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
        check_choice('PositionEmbedding', 'kind', kind, KINDS)
        if kind == 'separate' and len(grid) != 3:
            raise ValueError(f'position embeddings separate in space and time need a (T, H, W) grid, not {tuple(grid)}')
        if kind == 'windowed' and len(grid) != 2:
            raise ValueError(f'windowed position embeddings are for images, an (H, W) grid, not {tuple(grid)}')
        self.grid, self.kind, self.mode = tuple(grid), kind, mode
        if kind == 'joint':
            self.joint = nn.Parameter(torch.zeros(1, math.prod(grid), embed_dims))
        elif kind == 'windowed':
            if window is None:
                raise ValueError('windowed position embeddings need a window, such as window=(8, 8)')
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
        return whole + window[:, positions_in_windows(grid, window_size, window.device)]

    def resize_pretrained(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert the parameters of another grid or kind to those of this embedding.

        An image's embedding is repeated over time, and a clip's is averaged over time for images. A temporal embedding
        that the file does not have starts at zero. A windowed embedding takes the mean of a plain one over all windows
        as `window` and the rest as `whole`; on the grid of the plain one nothing changes if `whole_grid` is that grid.

        Files do not state their grids, so they are inferred: this model's aspect ratio if it matches, otherwise a
        square.

        Args:
            found: Parameters by our names, of any kind.

        Raises:
            ValueError: If the grid of the file cannot be inferred, or space and time cannot be separated.
        """
        resized = {'cls': found['cls']} if 'cls' in found and hasattr(self, 'cls') else {}
        space = self.grid[-2:]
        if self.kind == 'windowed':
            return resized | self._resize_windowed(found)
        if 'window' in found:
            side = math.isqrt(found['window'].shape[1])
            if side**2 != found['window'].shape[1]:
                raise ValueError(f'a window of {found["window"].shape[1]} position embeddings is not a square')
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
            return resized | dict(joint=resize_position_embedding(joint, source_grid, self.grid, self.mode))
        if 'joint' in found:
            frames, source = self._source_grid(found['joint'].shape[1])
            if frames > 1:
                raise ValueError(f'a joint embedding of {frames} frames cannot be split into space and time')
        spatial = found['spatial'] if 'spatial' in found else found['joint']
        source = self._side(spatial.shape[1])
        resized['spatial'] = resize_position_embedding(spatial, source, space, self.mode)
        if self.kind == 'separate':
            temporal = found.get('temporal', torch.zeros_like(spatial[:, : self.grid[0]]))
            resized['temporal'] = resize_position_embedding(temporal, temporal.shape[1:2], self.grid[:1], self.mode)
        return resized

    def _resize_windowed(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        if 'window' in found:
            window, whole = found['window'], found['whole']
            same = whole.shape[1] == math.prod(self.whole_grid)
            source = self.whole_grid if same else self._side(whole.shape[1])
        else:
            joint, frames, source = self._as_joint(found)
            joint = joint.unflatten(1, (frames, -1)).mean(1)
            positions = positions_in_windows(source, self.window_size)
            # an image smaller than a window has no token at some positions
            counts = positions.bincount(minlength=math.prod(self.window_size)).clamp(min=1)
            window = joint.new_zeros(1, len(counts), joint.shape[-1]).index_add(1, positions, joint) / counts[:, None]
            whole = joint - window[:, positions]
        return dict(
            window=window, whole=resize_position_embedding(whole, source, self.whole_grid, self.mode, antialias=True)
        )

    def _as_joint(self, found: dict[str, Tensor]) -> tuple[Tensor, int, tuple[int, int]]:
        """Joint form (1, T·H·W, C) of a plain embedding, with its T and (H, W)."""
        if 'joint' in found:
            return found['joint'], *self._source_grid(found['joint'].shape[1])
        spatial = found['spatial']
        times = found['temporal'] if 'temporal' in found else torch.zeros_like(spatial[:, :1])
        joint = (spatial[:, None] + times[:, :, None]).flatten(1, 2)
        return joint, times.shape[1], self._side(spatial.shape[1])

    def _source_grid(self, tokens: int) -> tuple[int, tuple[int, int]]:
        """Infer frames and (H, W) of a joint embedding: this grid's space or time if it matches, otherwise an image."""
        height, width = self.grid[-2:]
        space, video = (height, width), len(self.grid) == 3
        frames = self.grid[0] if video else 1
        times, rest = divmod(tokens, math.prod(space))
        # most models are trained on squares: a square with as many frames is likelier than this rectangle with others
        square = video and times != frames and space[0] != space[1] and _grid_of_ratio(tokens / frames, (1, 1))
        if square:
            return frames, square
        if rest == 0:
            return times, space
        for ratio, guess in itertools.product((space, (1, 1)), dict.fromkeys((frames, 1))):
            if side := _grid_of_ratio(tokens / guess, ratio):
                return guess, side
        if not video:
            self._side(tokens)
        raise ValueError(
            f"a joint embedding of {tokens} tokens has neither the frames nor the space of this model's grid "
            f'{self.grid}: change one at a time'
        )

    def _side(self, tokens: int) -> tuple[int, int]:
        """Infer (H, W) from a token count: this grid's aspect ratio if it matches, otherwise a square."""
        height, width = self.grid[-2:]
        side = _grid_of_ratio(tokens, (height, width)) or _grid_of_ratio(tokens, (1, 1))
        if side is None:
            raise ValueError(
                f"an embedding of {tokens} tokens neither has the aspect ratio of this model's {height}×{width} nor is "
                'it a square'
            )
        return side


def _grid_of_ratio(tokens: float, ratio: Sequence[int]) -> tuple[int, int] | None:
    """(H, W) with this token count and aspect ratio, or None."""
    height, width = ratio
    rows = round(math.sqrt(tokens * height / width))
    columns = round(tokens / max(rows, 1))
    return (rows, columns) if rows * columns == tokens and rows * width == columns * height else None
