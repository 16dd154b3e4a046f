"""Attention, on fused kernels and as the papers write it."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmhvt.models.layers import GridBias, attend, attention, in_reference_math, reference_math


@pytest.mark.parametrize('prefix', [0, 1])
@pytest.mark.parametrize('sides', ['q', 'k', 'qk'])
def test_longer_heads_are_a_dense_bias(prefix, sides) -> None:
    torch.manual_seed(0)
    q_grid, k_grid, heads, dims = (2, 6, 5), (2, 3, 5), 3, 8
    lengths = {'q': prefix + math.prod(q_grid), 'k': prefix + math.prod(k_grid)}
    tensors = {name: torch.randn(2, heads, lengths[name[0]], dims) for name in ('q', 'k', 'k v')}
    biases = {
        side: torch.randn(2, heads, lengths[side], sum(other))
        for side, other in (('q', k_grid), ('k', q_grid))
        if side in sides
    }
    for value in biases.values():
        value[:, :, :prefix] = 0
    results = []
    for reference in (True, False):
        leaves = [t.clone().requires_grad_() for t in (*tensors.values(), *biases.values())]
        values = dict(zip(biases, leaves[3:], strict=True))
        bias = GridBias(q_grid, k_grid, (0, 1, 2), values.get('q'), values.get('k'), prefix)
        with reference_math(reference):
            out = attend(*leaves[:3], bias=bias)
        out.square().sum().backward()
        grads = [leaf.grad[:, :, prefix:] if index >= 3 else leaf.grad for index, leaf in enumerate(leaves)]
        results.append([out.detach(), *grads])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_reference_math_ends_with_its_context() -> None:
    states = [in_reference_math()]
    with pytest.raises(RuntimeError), reference_math():
        states.append(in_reference_math())
        with reference_math(False):
            states.append(in_reference_math())
        states.append(in_reference_math())
        raise RuntimeError
    assert [*states, in_reference_math()] == [False, True, False, True, False]


@pytest.mark.parametrize('prefix', [0, 1])
def test_only_reference_math_makes_a_tensor_of_all_pairs(prefix) -> None:
    q_grid, k_grid = (2, 3), (4, 5)
    q, k = torch.randn(1, 2, prefix + 6, 8), torch.randn(1, 2, prefix + 20, 8)
    query = torch.randn(1, 2, prefix + 6, 9)
    query[:, :, :prefix] = 0
    bias = GridBias(q_grid, k_grid, (0, 1), query, prefix=prefix)
    long_q, long_k = bias.extend(q, k)
    # heads of 8 + 4 + 5 channels, up to a multiple of 8
    assert long_q.shape == (1, 2, prefix + 6, 24) and long_k.shape == (1, 2, prefix + 20, 24)
    torch.testing.assert_close(long_q @ long_k.mT, q @ k.mT / 8**0.5 + bias.dense())


@pytest.mark.parametrize('device, side, dense', [('meta', 64, False), ('meta', 128, True), ('cpu', 128, False)])
def test_heads_longer_than_gpus_fuse_have_a_dense_bias(device, side, dense, monkeypatch) -> None:
    """Such as those of global attention in images of 1024², d = 96, where a stage begins."""
    given = {}
    monkeypatch.setattr(F, 'scaled_dot_product_attention', lambda q, k, v, **other: given.update(other, q=q) or v)
    q, k, query = (
        torch.empty(1, 1, length, channels, device=device)
        for length, channels in ((side, 96), (side**2, 96), (side, 2 * side))
    )
    attend(q, k, k, bias=GridBias((side, 1), (side, side), (0, 1), query))
    assert (given['attn_mask'] is not None) == dense
    assert given['q'].shape[-1] == (96 if dense else 96 + 2 * side)


@pytest.mark.parametrize('prefix', [0, 1])
def test_without_gradients_a_long_bias_is_made_for_a_run_of_queries_at_a_time(prefix, monkeypatch) -> None:
    torch.manual_seed(0)
    q_grid, k_grid = (4, 6), (5, 5)
    q, k, v = (torch.randn(2, 3, prefix + length, 8) for length in (24, 25, 25))
    query = torch.randn(2, 3, prefix + 24, 10)
    query[:, :, :prefix] = 0
    bias = GridBias(q_grid, k_grid, (0, 1), query, prefix=prefix)
    expected = attend(q, k, v, bias=bias)
    monkeypatch.setattr(attention, 'SCORES_AT_ONCE', 7 * k.shape[2])
    masks, fused = [], F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, 'scaled_dot_product_attention', lambda *x, **given: masks.append(given['attn_mask']) or fused(*x, **given)
    )
    with torch.no_grad():
        torch.testing.assert_close(attend(q, k, v, bias=bias), expected)
        assert [mask.shape[2] for mask in masks] == [7, 7, 7, 3 + prefix]
        with reference_math():
            torch.testing.assert_close(attend(q, k, v, bias=bias), expected)
    assert masks[-1].shape[2] == 24 + prefix
