"""Relative positions against a plain gather."""

import math

import pytest
import torch

from helpers.micro_backbones import build
from mmhvt.models.layers import FramePositionBias, reference_math, table_rows


def naive_attention(attn, x, grid, prefix):
    """Pooling attention with every relative position gathered token by token (MViTv2, A.4)."""
    heads = attn.num_heads
    q, k, v = attn.qkv(x).chunk(3, -1)
    (q, q_grid), (k, k_grid), (v, _) = (
        pool(y, grid, heads, prefix) for pool, y in ((attn.pool_q, q), (attn.pool_k, k), (attn.pool_v, v))
    )
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    out_extra = torch.zeros_like(q)
    vectors = {term: torch.zeros(math.prod(q_grid), math.prod(k_grid), q.shape[-1]) for term in 'qkv'}
    for term, tables in attn.rel_pos.items():
        for i, a in enumerate(torch.cartesian_prod(*map(torch.arange, q_grid)).tolist()):
            for j, b in enumerate(torch.cartesian_prod(*map(torch.arange, k_grid)).tolist()):
                for group in tables.groups:
                    axes = [tables.axes[name] for name in group if name in tables.axes]
                    table = getattr(tables, group).view(*tables.sizes[group], -1)
                    rows = [int(table_rows(q_grid[x], k_grid[x], torch.device('cpu'))[a[x], b[x]]) for x in axes]
                    vectors[term][i, j] += table[tuple(rows)]
    bias = torch.einsum('bnic,ijc->bnij', q[:, :, prefix:], vectors['q'])
    bias = bias + torch.einsum('bnjc,ijc->bnij', k[:, :, prefix:], vectors['k'])
    scores[:, :, prefix:, prefix:] += bias
    weights = scores.softmax(-1)
    out_extra[:, :, prefix:] = torch.einsum('bnij,ijc->bnic', weights[:, :, prefix:, prefix:], vectors['v'])
    out = weights @ v + out_extra
    out[:, :, prefix:] += q[:, :, prefix:]
    return attn.proj(out.transpose(1, 2).flatten(2))


@pytest.mark.parametrize('kind, terms, cls', [
    ('time', 'q', False), ('space', 'q', True), ('decomposed', 'q', True), ('decomposed', 'k', True),
    ('decomposed', 'v', True), ('decomposed', 'qkv', False), ('joint_space', 'q', True), ('joint', 'q', False),
])  # fmt: skip
def test_relative_positions_are_those_of_a_plain_gather(kind, terms, cls) -> None:
    model = build(
        'MViTv2',
        arch=dict(version=2, embed_dims=8, num_heads=2, depths=(1,)),
        input_size=(4, 32, 24),
        kv_stride=(1, 4, 2),
        rel_pos=kind,
        rel_pos_terms=tuple(terms),
        with_cls_token=cls,
    )
    grid, attn = (2, 8, 6), model.blocks[0].attn
    x = torch.randn(2, int(cls) + math.prod(grid), 8)
    with torch.no_grad():
        expected = naive_attention(attn, x, grid, int(cls))
        for reference in (False, True):
            with reference_math(reference):
                torch.testing.assert_close(attn(x, grid)[0], expected, rtol=1e-5, atol=1e-5)


def test_frame_position_bias_looks_up_offsets() -> None:
    torch.manual_seed(0)
    module = FramePositionBias(2, (3, 2))
    torch.nn.init.normal_(module.table)
    bias = module((3, 2))[0]
    for i in range(6):
        for j in range(6):
            row = (i // 2 - j // 2 + 2) * 3 + i % 2 - j % 2 + 1
            assert torch.equal(bias[:, 1 + i, 1 + j], module.table[row])
    assert torch.equal(bias[:, 0, 3], module.table[-3]) and torch.equal(bias[:, 3, 0], module.table[-2])
    assert torch.equal(bias[:, 0, 0], module.table[-1])
    assert module((5, 4)).shape == (1, 2, 21, 21)
