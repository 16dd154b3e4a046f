"""Pooling of runs of tokens: the same by both ways to remember the maxima."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from mmhvt.models.layers import max_pool_tokens

VALID = torch.tensor([True, True, False, True, False, False, False, False])


@pytest.mark.parametrize('valid', [None, VALID])
@pytest.mark.parametrize('keep', [False, True])
def test_maxima_and_their_gradients(valid, keep) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 3, dtype=torch.double, requires_grad=True)
    seen = torch.ones(8, dtype=torch.bool) if valid is None else valid
    runs = [torch.arange(8)[start : start + 4][seen[start : start + 4]] for start in (0, 4)]
    expected = torch.stack([x[:, run].amax(1) if len(run) else x.new_zeros(2, 3) for run in runs], 1)
    pooled = max_pool_tokens(x, 4, valid, keep=keep)
    torch.testing.assert_close(pooled, expected)
    grad = torch.randn_like(pooled)
    torch.testing.assert_close(*(torch.autograd.grad(out, x, grad)[0] for out in (pooled, expected)))
    with torch.no_grad():
        torch.testing.assert_close(max_pool_tokens(x, 4, valid, keep=keep), expected)


def test_the_input_is_not_kept_unless_something_else_keeps_it() -> None:
    x = torch.randn(2, 8, 3, requires_grad=True)
    for keep in (False, True):
        kept: list[int] = []
        with saved_tensors_hooks(lambda t, kept=kept: kept.append(t.untyped_storage().data_ptr()), lambda t: t):
            max_pool_tokens(x * 1, 4, keep=keep).sum()
            inside = x * 1
            max_pool_tokens(inside, 4, keep=keep)
        assert (inside.untyped_storage().data_ptr() in kept) == keep
