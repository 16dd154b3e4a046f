"""Windows of MViTv2 that do not divide the grid, against dense attention written by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from helpers.references import randomize
from mmhvt.registry import MODELS


def mvitv2_by_hand(weights: dict[str, Tensor], x: Tensor, depths: Sequence[int], window: int) -> list[Tensor]:
    """Outputs (N, C, H, W) of MViTv2 for detection with one head in stage 1, head by head and window by window.

    Attention of mvitv2, sections 4.1 and 4.2: pooled queries, keys and values, dense scores with a bias gathered for
    each pair of places, hybrid windows that zeros fill up. Blocks at the end of stages 2 to 4 see everything.
    """

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f'{name}.weight'], weights[f'{name}.bias'], eps=1e-6)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f'{name}.weight'], weights[f'{name}.bias'])

    def relative(table: Tensor, queries: int, keys: int) -> Tensor:
        """R of each pair of coordinates, (queries, keys, d)."""
        size = 2 * max(queries, keys) - 1
        table = F.interpolate(table.t()[None], size=size, mode='linear')[0].t()
        q = np.arange(queries, dtype=np.float32)[:, None] * np.float32(max(keys / queries, 1))
        k = np.arange(keys, dtype=np.float32)[None] * np.float32(max(queries / keys, 1))
        return table[(q - k + np.float32((keys - 1) * max(queries / keys, 1))).astype(np.int64)]

    def attention(q: Tensor, k: Tensor, v: Tensor, name: str) -> Tensor:
        """Maps (h, w, d) of queries and of keys -> (h, w, d)."""
        rows = relative(weights[f'{name}.rel_pos.q.h'], len(q), len(k))
        columns = relative(weights[f'{name}.rel_pos.q.w'], q.shape[1], k.shape[1])
        scores = torch.einsum('hwc,klc->hwkl', q, k) * q.shape[-1] ** -0.5
        scores = scores + torch.einsum('hwc,hkc->hwk', q, rows)[:, :, :, None]
        scores = scores + torch.einsum('hwc,wlc->hwl', q, columns)[:, :, None, :]
        return torch.einsum('hwkl,klc->hwc', scores.flatten(2).softmax(-1).view_as(scores), v)

    def windows(q: Tensor, k: Tensor, v: Tensor, q_side: int, k_side: int, name: str) -> Tensor:
        height, width, _ = q.shape
        rows, columns = math.ceil(height / q_side), math.ceil(width / q_side)

        def fill(x: Tensor, side: int) -> Tensor:
            return F.pad(x, (0, 0, 0, columns * side - x.shape[1], 0, rows * side - x.shape[0]))

        q, k, v = fill(q, q_side), fill(k, k_side), fill(v, k_side)
        out = torch.zeros_like(q)
        for row in range(rows):
            for column in range(columns):
                queries, keys = (
                    (slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side))
                    for side in (q_side, k_side)
                )
                out[queries] = attention(q[queries], k[keys], v[keys], name)
        return out[:height, :width]

    x = F.conv2d(x, weights['patch_embed.proj.weight'], weights['patch_embed.proj.bias'], stride=4, padding=3)
    x = x.movedim(1, -1)
    outs, block, heads, kv = [], 0, 1, 4
    for stage, depth in enumerate(depths):
        for index in range(depth):
            enters, last = stage > 0 and index == 0, stage > 0 and index == depth - 1
            name = f'blocks.{block}'
            if enters:
                heads, kv = 2 * heads, max(kv // 2, 1)
            q_stride = 2 if enters else 1
            kv_stride = 2 * kv if last and stage < len(depths) - 1 else kv
            normed = norm(x, f'{name}.norm1')
            qkv = linear(normed, f'{name}.attn.qkv').chunk(3, -1)
            samples = []
            for sample in range(len(x)):
                results = []
                for head in range(heads):
                    pooled = []
                    for part, letter in zip(qkv, 'qkv', strict=True):
                        one = part[sample].unflatten(-1, (heads, -1))[:, :, head].movedim(-1, 0)
                        stride = q_stride if letter == 'q' else kv_stride
                        kernel = weights[f'{name}.attn.pool_{letter}.weight']
                        one = F.conv2d(one[None], kernel, stride=stride, padding=1, groups=len(one))[0]
                        pooled.append(norm(one.movedim(0, -1), f'{name}.attn.pool_{letter}.norm'))
                    if last:
                        out = attention(*pooled, f'{name}.attn')
                    else:
                        out = windows(*pooled, window // q_stride, window // kv_stride, f'{name}.attn')
                    results.append(out + pooled[0])
                samples.append(torch.cat(results, -1))
            attended = linear(torch.stack(samples), f'{name}.attn.proj')
            if f'{name}.proj.weight' in weights:
                x = linear(normed, f'{name}.proj')
            if enters:
                x = F.max_pool2d(x.movedim(-1, 1), 3, 2, 1).movedim(1, -1)
                window //= 2
            x = x + attended
            hidden = F.gelu(linear(norm(x, f'{name}.norm2'), f'{name}.mlp.fc1'))
            x = x + linear(hidden, f'{name}.mlp.fc2')
            block += 1
        outs.append(norm(x, 'norm' if stage == 3 else f'norm{stage}').movedim(-1, 1))
    return outs


@pytest.mark.parametrize('window', [16, 56])
@pytest.mark.parametrize('size', [(192, 320), (200, 264), (64, 36)])
@torch.no_grad()
def test_windows_of_rectangles_are_those_of_dense_attention(size: tuple[int, int], window: int) -> None:
    depths = (1, 2, 3, 2)
    arch = dict(version=2, embed_dims=8, num_heads=1, depths=depths)
    model = MODELS.build(
        dict(
            type='mmhvt.MViT',
            arch=arch,
            input_size=(64, 64),
            window_size=window,
            out_indices=(0, 1, 2, 3),
            out_type='featmap',
        )
    )
    randomize(model)
    x = torch.randn(1, 3, *size)
    for ours, expected in zip(model(x), mvitv2_by_hand(model.state_dict(), x, depths, window), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
