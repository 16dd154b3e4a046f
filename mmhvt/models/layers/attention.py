"""Softmax attention of all families, on torch's fused kernels.

Shapes: N batch, B batch (times windows), L tokens, Lq queries, Lk keys, C channels, d channels of a head.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .constants import zeros
from .reference import in_reference_math
from .relative_position import GridBias
from .tracing import exports_onnx, is_traced

LONGEST_HEAD = 256  # channels that fused kernels on GPUs support
SCORES_AT_ONCE = 2**23  # of a head: biases are made for this many at a time


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    key_mask: Tensor | None = None,
    bias: Tensor | GridBias | None = None,
) -> Tensor:
    """softmax(q kᵀ / √d + bias) v by the fastest kernel that torch has for the device and dtype.

    Args:
        q: Queries (B, heads, Lq, d). Windows go into B: the fused kernels take 4-D tensors only.
        k: Keys (B, heads, Lk, d).
        v: Values (B, heads, Lk, dv).
        key_mask: Bool (B or 1, Lk), False for keys to ignore. A row without any True counts as all True, so that
            nothing is divided by zero.
        bias: Tensor (B or 1, heads or 1, Lq, Lk), or a :class:`~mmhvt.models.layers.GridBias`, which extends the
            heads instead.

    Returns:
        Tensor: (B, heads, Lq, dv).
    """
    scale = q.shape[-1] ** -0.5
    if isinstance(bias, GridBias):
        if _in_runs(q, bias):
            runs = bias.runs(max(1, SCORES_AT_ONCE // k.shape[2]))
            return torch.cat([attend(q[:, :, run], k, v, key_mask, dense.to(q.dtype)) for run, dense in runs], 2)
        long = q.device.type != 'cpu' and q.shape[-1] + bias.width > LONGEST_HEAD
        if in_reference_math() or long:
            bias = bias.dense().to(q.dtype)
        else:
            q, k = bias.extend(q, k)
            bias, scale = None, 1.0
    if key_mask is not None:
        seen = (key_mask | ~key_mask.any(-1, keepdim=True))[:, None, None, :]
        bias = seen if bias is None else bias.masked_fill(~seen, -math.inf)
    if bias is not None and exports_onnx():
        # PyTorch's own decomposition of masked attention forgets the layout that its fused kernels promised
        scores = q @ k.transpose(-2, -1) * scale
        scores = scores.masked_fill(~bias, -math.inf) if bias.dtype == torch.bool else scores + bias
        return scores.softmax(-1) @ v
    # the fused kernels want heads of the same length for all three, ONNX's operator does not
    dims, length = v.shape[-1], max(q.shape[-1], v.shape[-1])
    if q.shape[-1] == dims or exports_onnx():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
    q, k, v = (_lengthen(x, length) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)[..., :dims]


def _in_runs(q: Tensor, bias: GridBias) -> bool:
    """Whether a bias would more than double the length of heads, on a CPU, which multiplies by each channel.

    The bias of all pairs, made for a run of queries at a time, is then cheaper. The backward pass would keep all of it.
    """
    if torch.is_grad_enabled() or is_traced() or in_reference_math():
        return False
    return q.device.type == 'cpu' and bias.key is None and bias.width > q.shape[-1]


def _lengthen(x: Tensor, length: int) -> Tensor:
    """Heads (B, heads, L, d) of `length` channels, with zeros in the new ones."""
    if x.shape[-1] == length:
        return x
    if torch.jit.is_tracing():  # ONNX's older exporter fixes a batch that it reads from values
        return F.pad(x, (0, length - x.shape[-1]))
    fill = zeros((1, 1, 1, length - x.shape[-1]), x.device, x.dtype)
    return torch.cat([x, fill.expand(*x.shape[:3], -1)], -1)


def split_heads(x: Tensor, num_heads: int, window: int | None = None) -> Tensor:
    """(N, L, heads * d) -> (N * L / window, heads, window, d), a view.

    Args:
        x: Tokens; a window is a run of consecutive ones.
        num_heads: Number of heads.
        window: Number of tokens of a window. Defaults to all.
    """
    return x.reshape(-1, window or x.shape[1], num_heads, x.shape[2] // num_heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, L, d) -> (B, L, heads * d)."""
    return x.transpose(1, 2).flatten(2)


__all__ = ['attend', 'merge_heads', 'split_heads']
