"""Mean attention distance by head and layer (MViT, arXiv:2104.11227, appendix B and figure A.6).

The distance between a query's and a key's token, weighted by the attention between them and averaged over queries.
Fused kernels keep no attention, so it is computed again, from the queries, keys and bias that a kernel gets.

Shapes: N batch, n heads, Lq queries, Lk keys, T frames, H height, W width. Attention within windows has G groups of
tokens, and a batch of B = N · G. Places are homogeneous coordinates (1, [frame,] row, column). The first is 0 for
tokens without a place: class tokens and padding. Means of places are places, too.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mmhvt.models.backbones.base import Backbone
from mmhvt.models.backbones.smvit import MaskUnitAttention, SMViT
from mmhvt.models.backbones.video_swin import WindowAttention
from mmhvt.models.backbones.vit import Attention
from mmhvt.models.layers import (
    MaskUnitOrder,
    Pooling,
    PoolingAttention,
    pad_to_multiple,
    reference_math,
    split_windows,
)

# places of queries and keys (G, L, 1 + axes) in a kernel call
Call = tuple[Tensor, Tensor]
# attention weights that are held at a time
MOST_WEIGHTS = 2**24
UNITS = {'normalized': "share of the input's diagonal", 'pixels': 'pixels', 'frames': 'frames'}


def grid_places(grid: Sequence[int], size: Sequence[int]) -> Tensor:
    """Places (1, *grid, 1 + axes) of tokens that cover an input of `size` frames and pixels evenly."""
    sides = [(torch.arange(n) + 0.5) * (side / n) for n, side in zip(grid, size, strict=True)]
    return torch.stack([torch.ones(*grid), *torch.meshgrid(*sides, indexing='ij')], -1)[None]


def distances(queries: Tensor, keys: Tensor, size: Sequence[int]) -> Tensor:
    """Distances (units, G, Lq, Lk) from places (G, Lq, 1 + axes) to places (G, Lk, 1 + axes); NaN without a place.

    'normalized' counts frames, rows and columns as fractions of the input's sides, and is 1 from one corner of the
    input to the opposite one.
    """
    ends = (places[..., 1:] / places[..., :1] for places in (queries, keys))
    steps = next(ends)[:, :, None] - next(ends)[:, None]  # (G, Lq, Lk, axes)
    shares = steps / steps.new_tensor(size)
    found = [shares.norm(dim=-1) / len(size) ** 0.5, steps[..., -2:].norm(dim=-1)]
    return torch.stack([*found, steps[..., 0].abs()] if len(size) == 3 else found)


def add_up(attention: Tensor, apart: Tensor) -> tuple[Tensor, Tensor]:
    """Mean distance of each query, summed over the queries that have a place.

    Args:
        attention: Weights (N, G, n, Lq, Lk); keys without a place do not count.
        apart: :func:`distances` (units, G, Lq, Lk).

    Returns:
        tuple[Tensor, Tensor]: Sums (units, n), and the number of queries per head.
    """
    known = ~apart[0].isnan()
    attention = attention * known[:, None]
    attention = attention / attention.sum(-1, keepdim=True).clamp(min=torch.finfo(attention.dtype).tiny)
    total = torch.einsum('bgnqk,ugqk->un', attention, apart.nan_to_num())
    return total, known.any(-1).sum() * len(attention)


class Watch(TorchFunctionMode):
    """Sums the distances in all calls of `scaled_dot_product_attention` while a layer runs.

    Args:
        size: Frames and pixels of the input.
    """

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self._size = size
        self._calls: Iterator[Call] = iter(())
        self._layer: tuple[str, int] | None = None
        self._sums: dict[str, tuple[Tensor, Tensor]] = {}

    def enter(self, name: str, heads: int, calls: Sequence[Call]) -> None:
        """A layer begins; it calls the kernel once for each of `calls`."""
        self._layer, self._calls = (name, heads), iter(calls)

    def leave(self, *_: Any) -> None:
        """The layer ends."""
        self._layer = None

    def means(self) -> dict[str, Tensor]:
        """Mean distance of each layer, (units, n)."""
        return {name: total / count for name, (total, count) in self._sums.items()}

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Calls the function as without the mode."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and self._layer is not None:
            self._measure(*self._layer, *args, **kwargs)
        return func(*args, **kwargs)

    def _measure(
        self,
        name: str,
        heads: int,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        attn_mask: Tensor | None = None,
        scale: float | None = None,
    ) -> None:
        queries, keys = (places.to(q.device) for places in next(self._calls))
        groups, (batch, kernel_heads, length, dims) = len(queries), q.shape
        step = max(1, MOST_WEIGHTS // (batch * kernel_heads * k.shape[2]))
        for first in range(0, length, step):
            part = slice(first, first + step)
            scores = q[:, :, part].float() @ k.float().transpose(-2, -1) * (scale or dims**-0.5)
            if attn_mask is not None:
                mask = attn_mask.expand(*attn_mask.shape[:-2], length, -1)[..., part, :]
                scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
            weights = scores.softmax(-1)
            if kernel_heads == heads:
                weights = weights.unflatten(0, (-1, groups))
            else:  # in the batch, heads come before windows
                weights = weights[:, 0].unflatten(0, (-1, heads, groups)).transpose(1, 2)
            found = add_up(weights, distances(queries[:, part], keys, self._size))
            before = self._sums.get(name, (0, 0))
            self._sums[name] = before[0] + found[0], before[1] + found[1]


# --------------------------------------------------------------------------------------------- places by kind of layer


def pooled_grid(grid: Sequence[int], pool: Pooling | None) -> tuple[int, ...]:
    """Token grid after a pooling."""
    if pool is None:
        return tuple(grid)
    shape = zip(grid, pool.kernel, pool.stride, pool.padding, strict=True)
    return tuple((n + 2 * padding - kernel) // stride + 1 for n, kernel, stride, padding in shape)


def of_pooling_attention(
    backbone: Backbone, attn: PoolingAttention, args: tuple, size: Sequence[int]
) -> Iterator[Call]:
    """MViT: all tokens of pooled grids after the class token, or those of windows."""
    ends = [grid_places(pooled_grid(args[1], pool), size) for pool in (attn.pool_q, attn.pool_k)]
    if attn.windows is None:
        queries, keys = (F.pad(places.flatten(1, -2), (0, 0, attn.prefix, 0)) for places in ends)
    else:
        queries, keys = (split_windows(places, window) for places, window in zip(ends, attn.windows, strict=True))
    yield queries, keys


def of_mask_unit_attention(
    backbone: SMViT, attn: MaskUnitAttention, args: tuple, size: Sequence[int]
) -> Iterator[Call]:
    """SMViT: tokens of a mask unit in unit order; pooling joins neighbors in that order."""
    grid = backbone.token_grid(size)
    order = MaskUnitOrder(grid, backbone.mask_unit_size, backbone.q_stride, backbone.num_levels)
    places, length = order.to_units(grid_places(grid, size)), args[0].shape[1]
    unit = attn.mask_unit or length
    keys = places.unflatten(1, (length, -1)).mean(2)
    queries = keys.unflatten(1, (-1, attn.q_stride)).mean(2)
    yield queries.view(-1, unit // attn.q_stride, queries.shape[-1]), keys.view(-1, unit, keys.shape[-1])


def of_window_attention(backbone: Backbone, attn: WindowAttention, args: tuple, size: Sequence[int]) -> Iterator[Call]:
    """Video Swin: shifted windows."""
    x, shift = args
    window, shift = attn.fit(x.shape[1:-1], shift)
    places = pad_to_multiple(grid_places(x.shape[1:-1], size), window)
    places = places.roll([-n for n in shift], list(range(1, len(window) + 1)))
    places = split_windows(places, window)
    yield places, places


def of_vit_attention(backbone: Backbone, attn: Attention, args: tuple, size: Sequence[int]) -> Iterator[Call]:
    """ViT and UniFormerV2: class token and patches of each frame or of all frames, or one place over time."""
    places = grid_places(backbone.token_grid(size), size)
    tokens = F.pad(places.flatten(-3, -2).flatten(0, -3), (0, 0, 1, 0))  # (T, 1 + H·W, 1 + axes)
    x, grid = (*args, None)[:2]
    if grid is None:  # of all frames together, or of one place over time
        tokens = places.mean((-3, -2)) if x.shape[-2] == len(tokens) else tokens.flatten(0, 1)[None]
    yield tokens, tokens


KINDS: dict[type[nn.Module], Any] = {
    PoolingAttention: of_pooling_attention,
    MaskUnitAttention: of_mask_unit_attention,
    WindowAttention: of_window_attention,
    Attention: of_vit_attention,
}


@torch.no_grad()
def mean_distances(backbone: Backbone, x: Tensor) -> dict[str, dict[str, list[float]]]:
    """Mean attention distance of each head of each layer.

    Class tokens and padding have no place and do not count, nor does attention whose queries are no tokens
    (UniFormerV2's global blocks).

    Args:
        backbone: Backbone in evaluation mode.
        x: Images (N, C, H, W) or clips (N, C, T, H, W).

    Returns:
        dict[str, dict[str, list[float]]]: Distance of each head, by layer and then by unit (`UNITS`; images have no
        'frames').

    Raises:
        ValueError: If the backbone has no attention of a known kind.
    """
    size = tuple(x.shape[2:])
    with ExitStack() as stack:
        watch = Watch(size)

        def enter(name: str, places: Any, attn: Any, args: tuple) -> None:
            watch.enter(name, attn.num_heads, list(places(backbone, attn, args, size)))

        for name, module in backbone.named_modules():
            places = next((places for kind, places in KINDS.items() if isinstance(module, kind)), None)
            if places is not None:
                stack.callback(module.register_forward_pre_hook(partial(enter, name, places)).remove)
                stack.callback(module.register_forward_hook(watch.leave).remove)
        stack.enter_context(reference_math())  # faster forms of attention do not call the kernel
        stack.enter_context(watch)
        backbone(x)
    means = watch.means()
    if not means:
        raise ValueError(f'{type(backbone).__name__} has no attention whose distances are known')
    return {name: dict(zip(UNITS, found.tolist(), strict=False)) for name, found in means.items()}


def write_distances(stem: Path, found: Mapping[str, Mapping[str, list[float]]], size: Sequence[int]) -> list[Path]:
    """Write STEM.json, and STEM.png with a point for each head of each layer.

    Args:
        stem: Path without suffix.
        found: Result of :func:`mean_distances`.
        size: ([T,] H, W) of the input.

    Returns:
        list[Path]: The files.
    """
    units = list(next(iter(found.values())))
    written = dict(size=list(size), units={unit: UNITS[unit] for unit in units}, layers=found)
    paths = [stem.with_name(f'{stem.name}.json'), stem.with_name(f'{stem.name}.png')]
    paths[0].write_text(json.dumps(written, indent=1))
    figure = Figure(figsize=(4 * len(units), 3.2), dpi=100, facecolor='white', layout='constrained')
    for axes, unit in zip(figure.subplots(1, len(units), squeeze=False)[0], units, strict=True):
        for layer, heads in enumerate(found.values()):
            axes.scatter([layer] * len(heads[unit]), heads[unit], s=14, color='C0', alpha=0.7, linewidths=0)
        axes.set(xlabel='layer', ylabel=UNITS[unit], ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle('mean attention distance of each head', fontsize=10)
    figure.savefig(paths[1])
    return paths
