"""Attention of all families: one function, on torch's fused kernels."""

import torch.nn.functional as F
from torch import Tensor


def attend(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / √d) v by the fastest kernel that torch has for the device and dtype.

    Args:
        q: Queries (B, heads, Lq, d). Windows, where there are any, stand in B: the fused
            kernels take 4-D tensors only.
        k: Keys (B, heads, Lk, d).
        v: Values (B, heads, Lk, d).
        key_mask: Bool (B or 1, Lk), False for keys that nobody may look at. A row without
            any True counts as all True, so that nothing is divided by zero.

    Returns:
        Tensor: (B, heads, Lq, d).
    """
    if key_mask is None:
        return F.scaled_dot_product_attention(q, k, v)
    seen = key_mask | ~key_mask.any(-1, keepdim=True)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None, None, :])


def split_heads(x: Tensor, num_heads: int, window: int | None = None) -> Tensor:
    """(N, L, heads * d) -> (N * L / window, heads, window, d), a view.

    Args:
        x: Tokens; a window is a run of them.
        num_heads: Heads.
        window: Tokens of a window; None for one window of all tokens.
    """
    return x.reshape(-1, window or x.shape[1], num_heads, x.shape[2] // num_heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, L, d) -> (B, L, heads * d)."""
    return x.transpose(1, 2).flatten(2)


__all__ = ['attend', 'merge_heads', 'split_heads']
