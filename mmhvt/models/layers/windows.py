"""Windows: blocks of neighboring tokens that attend to each other only.

Shapes: B batch, C channels, n tokens of a window, d channels of a head; windows and grids have any number of axes.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from .attention import attend, merge_heads
from .constants import constant
from .layout import as_numbers
from .reference import in_reference_math
from .relative_position import fill_head
from .tracing import is_traced

# scores that a CPU core works on at a time: they stay in its cache
SCORES = 5 * 2**16
# tokens of a window above which this pays off
LARGE = 128
# added to scores of pairs that must not attend: its exp is 0, and half precision can represent it
FAR = -3e4


def pad_to_multiple(x: Tensor, window: Sequence[int]) -> Tensor:
    """Pad ``(B, *grid, C)`` with zeros at the end of each axis, to a multiple of the window."""
    pad = [-n % w for n, w in zip(as_numbers(x.shape[1:-1]), window, strict=True)]
    return F.pad(x, [0, 0] + [n for p in reversed(pad) for n in (0, p)]) if any(pad) else x


def split_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """``(B, *grid, C)`` -> (B · windows, prod(window), C); the last windows are padded with zeros."""
    x = pad_to_multiple(x, window)
    # (B, n1, w1, n2, w2, …, C) -> (B, n1, n2, …, w1, w2, …, C)
    axes = len(window)
    grid = as_numbers(x.shape[1:-1])
    x = x.reshape(-1, *(n for m, w in zip(grid, window, strict=True) for n in (m // w, w)), x.shape[-1])
    order = [0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1]
    return x.permute(order).flatten(axes + 1, 2 * axes).flatten(0, axes)


def merge_windows(x: Tensor, window: Sequence[int], grid: Sequence[int]) -> Tensor:
    """(B · windows, prod(window), C) -> ``(B, *grid, C)``, the inverse of :func:`split_windows`."""
    axes = len(window)
    # not -(-n // w): ONNX divides towards zero
    counts = [(n + w - 1) // w for n, w in zip(grid, window, strict=True)]
    x = x.reshape(-1, *counts, *window, x.shape[-1])
    order = [
        0,
        *(axis for pair in zip(range(1, axes + 1), range(axes + 1, 2 * axes + 1), strict=True) for axis in pair),
    ]
    x = x.permute(*order, 2 * axes + 1)
    x = x.reshape(-1, *(n * w for n, w in zip(counts, window, strict=True)), x.shape[-1])
    return x[(slice(None), *(slice(n) for n in grid))]


# ----------------------------------------------------------------------------------------------------- shifted windows


@constant
def shifted_order(
    grid: tuple[int, ...], window: tuple[int, ...], shift: tuple[int, ...], device: torch.device
) -> Tensor:
    """Token of a grid at each place of its shifted windows, (prod(grid),); windows divide the grid."""
    tokens = torch.arange(math.prod(grid), device=device).view(1, *grid, 1)
    rolled = tokens.roll([-n for n in shift], list(range(1, len(grid) + 1)))
    return split_windows(rolled, window).flatten()


@constant
def shifted_places(
    grid: tuple[int, ...], window: tuple[int, ...], shift: tuple[int, ...], device: torch.device
) -> Tensor:
    """Place in shifted windows of each token of a grid, (prod(grid),): the inverse of :func:`shifted_order`."""
    places = torch.arange(math.prod(grid), device=device).view(-1, math.prod(window), 1)
    rolled = merge_windows(places, window, grid)
    return rolled.roll(list(shift), list(range(1, len(grid) + 1))).flatten()


@constant
def shifted_regions(
    grid: tuple[int, ...], window: tuple[int, ...], shift: tuple[int, ...], device: torch.device
) -> Tensor:
    """Region of the tokens of shifted windows, (windows, n): a number below 2**axes.

    The cyclic shift brings the first tokens along an axis to the end of its last window (Swin, figure 4). Tokens of a
    window are neighbors, and attend to each other, if their regions are the same.
    """
    region = torch.zeros(1, *grid, 1, dtype=torch.long, device=device)
    for axis, (side, cut) in enumerate(zip(grid, shift, strict=True)):
        came_around = torch.arange(side, device=device) >= side - cut
        region = 2 * region + came_around.view(-1, *[1] * (len(grid) - axis))
    return split_windows(region, window).flatten(1)


@constant
def shifted_mask(
    grid: tuple[int, ...],
    window: tuple[int, ...],
    shift: tuple[int, ...],
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Mask to add to scores within shifted windows: -∞ between regions, else 0, (windows, 1, n, n)."""
    regions = shifted_regions(grid, window, shift, device)[:, None]
    apart = regions[..., None] != regions[..., None, :]
    return torch.zeros(apart.shape, device=device, dtype=dtype).masked_fill(apart, -math.inf)


@constant
def shifted_channels(
    grid: tuple[int, ...],
    window: tuple[int, ...],
    shift: tuple[int, ...],
    dims: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Tensor:
    """Channels to append to heads of `dims`, so that tokens of different regions do not attend to each other.

    Returns:
        Tensor: Channels for queries, keys and values, (windows, n, 3, 1, channels). Products within a region do not
            change, not even by rounding; products between regions have :data:`FAR` added.
    """
    count = 2 ** len(grid)
    count += fill_head(dims + count)
    own = F.one_hot(shifted_regions(grid, window, shift, device), count).to(dtype)
    return torch.stack([FAR * (1 - own), own, torch.zeros_like(own)], 2)[:, :, :, None]


class _Reorder(torch.autograd.Function):
    """`x.index_select(1, order)` of a permutation: its gradient is a gather, too, where torch would scatter."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return x.index_select(1, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return _Reorder.apply(grad, inverse, order), None, None


def reorder(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Tokens (B, L, C) in another order.

    Args:
        x: Tokens.
        order: Token at each place, (L,), a permutation.
        inverse: Place of each token, (L,).
    """
    if torch.compiler.is_exporting() or torch.jit.is_tracing():
        return x.index_select(1, order)
    return _Reorder.apply(x, order, inverse)


# ---------------------------------------------------------------------------------------------------------- attention


def attend_in_windows(
    qkv: Tensor,
    num_heads: int,
    bias: Tensor,
    grid: tuple[int, ...],
    window: tuple[int, ...],
    shift: tuple[int, ...],
) -> Tensor:
    """softmax(q kᵀ / √d + bias) v within (shifted) windows, masked by :func:`shifted_regions`.

    Args:
        qkv: Queries, keys and values (B · windows, n, 3 C).
        num_heads: Number of heads.
        bias: Bias for each pair of tokens of a window, (heads, n, n).
        grid: Tokens per axis, a multiple of the window.
        window: Tokens of a window per axis.
        shift: Shift of the windows in tokens per axis; all 0 for none.

    Returns:
        Tensor: (B · windows, n, C).
    """
    x, bias = qkv.unflatten(-1, (3, num_heads, -1)), bias.to(qkv.dtype)
    windows, dims = math.prod(grid) // math.prod(window), x.shape[-1]
    form, shifted, where = form_of_attention(x), any(shift), (grid, window, shift)
    longer = partial(shifted_channels, *where, dims, x.device, x.dtype)
    if form == 'cached':
        return _CachedAttention.apply(x, bias, longer() if shifted else None).flatten(2)
    if form == 'fused' and shifted:
        x = x.unflatten(0, (-1, windows))
        x = torch.cat([x, longer().expand(*x.shape[:-2], num_heads, -1)], -1).flatten(0, 1)
    q, k, v = (part.transpose(1, 2) for part in x.unbind(2))
    if form == 'fused':
        return merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None], scale=dims**-0.5)[..., :dims])
    bias = bias + shifted_mask(*where, x.device, x.dtype) if shifted else bias[None]  # (windows or 1, heads, n, n)
    if form == 'reference':
        return merge_heads(attend(q, k, v, bias=bias.repeat(q.shape[0] // windows, 1, 1, 1) if shifted else bias))
    scores = (q * dims**-0.5) @ k.transpose(2, 3)
    scores = (scores.unflatten(0, (-1, windows)) + bias).flatten(0, 1) if shifted else scores + bias
    return merge_heads(scores.softmax(-1) @ v)


def form_of_attention(x: Tensor) -> Literal['fused', 'cached', 'plain', 'reference']:
    """How attention within windows (B · windows, n, ...) is computed; the results agree.

    'fused': a kernel of PyTorch, which has none for CPUs with a learned bias. 'cached': :class:`_CachedAttention`, for
    large windows on a CPU. 'plain': step by step, for small windows, and for ONNX, where it needs no known batch size.
    'reference': with masks, as the paper writes it; see :func:`~mmhvt.models.layers.reference_math`.
    """
    if in_reference_math():
        return 'reference'
    if torch.onnx.is_in_onnx_export():
        return 'plain'
    if is_traced() or x.device.type != 'cpu' or x.dtype not in (torch.float32, torch.float64):
        return 'fused'
    transformed = torch._C._functorch.is_functorch_wrapped_tensor(x)  # by torch.func
    return 'cached' if x.shape[1] > LARGE and not transformed else 'plain'


class _CachedAttention(torch.autograd.Function):
    """Attention for a few heads and windows at a time, so that their scores stay in the CPU's cache.

    Scores of large windows do not fit in it: writing them to memory and reading them again in each step would take
    longer than the products. They are not kept for the backward pass, which would cost more memory than everything
    else.
    """

    @staticmethod
    def forward(ctx, qkv: Tensor, bias: Tensor, longer: Tensor | None) -> Tensor:
        """(B · windows, n, 3, heads, d), (heads, n, n), :func:`shifted_channels` -> (B · windows, n, heads, d)."""
        out, scores = torch.empty_like(qkv[:, :, 0]), _Scores(qkv, bias, longer)
        for windows, heads in scores.parts():
            q, k, v = qkv[windows, :, :, heads].permute(2, 0, 3, 1, 4)
            out[windows, :, heads] = (scores.weights(q, k, windows, heads) @ v).transpose(1, 2)
        ctx.save_for_backward(qkv, bias, longer, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Gradients of queries, keys, values and bias."""
        qkv, bias, longer, out = ctx.saved_tensors
        scale = qkv.shape[-1] ** -0.5
        grad_qkv, grad_bias = torch.empty_like(qkv), torch.zeros_like(bias)
        means, scores = (grad * out).sum(-1), _Scores(qkv, bias, longer)
        memory = torch.empty_like(scores.memory)
        for windows, heads in scores.parts():
            q, k, v = qkv[windows, :, :, heads].permute(2, 0, 3, 1, 4)
            grad_q, grad_k, grad_v = grad_qkv[windows, :, :, heads].permute(2, 0, 3, 1, 4)
            grad_x = grad[windows, :, heads].transpose(1, 2)
            weights = scores.weights(q, k, windows, heads)
            grad_v.copy_(weights.mT @ grad_x)
            # softmax: weights · (gradient - its mean by the weights)
            grad_scores = memory[: weights[..., 0, 0].numel()].view_as(weights)
            torch.bmm(grad_x.flatten(0, 1), v.flatten(0, 1).mT, out=grad_scores.flatten(0, 1))
            grad_scores.sub_(means[windows, :, heads].transpose(1, 2)[..., None]).mul_(weights)
            grad_bias[heads] += grad_scores[0] if len(grad_scores) == 1 else grad_scores.sum(0)
            torch.mul(grad_scores @ k, scale, out=grad_q)
            torch.mul(grad_scores.mT @ q, scale, out=grad_k)
        return grad_qkv, grad_bias, None


class _Scores:
    """Softmax of scores, part by part, in one buffer.

    Args:
        qkv: See :class:`_CachedAttention`.
        bias: See :class:`_CachedAttention`.
        longer: See :class:`_CachedAttention`.
    """

    def __init__(self, qkv: Tensor, bias: Tensor, longer: Tensor | None):
        self.bias, self.longer = bias, longer
        (self.num_windows, n), self.num_heads = qkv.shape[:2], qkv.shape[3]
        most = max(1, SCORES * torch.get_num_threads() // n**2)
        self.heads, self.windows = min(most, self.num_heads), max(1, most // self.num_heads)
        if longer is not None:  # a part belongs to one clip
            self.windows = math.gcd(self.windows, len(longer))
        self.memory = qkv.new_empty(self.windows * self.heads, n, n)

    def parts(self) -> Iterator[tuple[slice, slice]]:
        """Windows and heads to work on at a time."""
        for window in range(0, self.num_windows, self.windows):
            for head in range(0, self.num_heads, self.heads):
                yield (
                    slice(window, min(window + self.windows, self.num_windows)),
                    slice(head, min(head + self.heads, self.num_heads)),
                )

    def weights(self, q: Tensor, k: Tensor, windows: slice, heads: slice) -> Tensor:
        """softmax(q kᵀ / √d + bias) of a part, (windows, heads, n, n), valid until the next part."""
        scale = q.shape[-1] ** -0.5
        if self.longer is not None:
            first = windows.start % len(self.longer)
            longer = self.longer[first : first + len(q)].transpose(1, 3)  # (windows, 1, 3, n, channels)
            q, k = (torch.cat([x, longer[:, :, i].expand(*x.shape[:-1], -1)], -1) for i, x in enumerate((q, k)))
        scores = self.memory[: len(q) * q.shape[1]]
        weights = scores.view(*q.shape[:2], *scores.shape[1:])
        weights.copy_(self.bias[heads])
        torch.baddbmm(scores, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=scale, out=scores)
        torch.softmax(scores, -1, out=scores)
        return weights
