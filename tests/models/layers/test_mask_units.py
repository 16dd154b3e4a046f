"""Pooling of runs of tokens."""

import pytest
import torch

from mmhvt.models.layers import max_pool_tokens

VALID = torch.tensor([True, True, False, True, False, False, False, False])


@pytest.mark.parametrize('valid', [None, VALID])
def test_maxima_and_their_gradients(valid) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 3, dtype=torch.double, requires_grad=True)
    seen = torch.ones(8, dtype=torch.bool) if valid is None else valid
    runs = [torch.arange(8)[start : start + 4][seen[start : start + 4]] for start in (0, 4)]
    expected = torch.stack([x[:, run].amax(1) if len(run) else x.new_zeros(2, 3) for run in runs], 1)
    pooled = max_pool_tokens(x, 4, valid)
    torch.testing.assert_close(pooled, expected)
    grad = torch.randn_like(pooled)
    torch.testing.assert_close(*(torch.autograd.grad(out, x, grad)[0] for out in (pooled, expected)))


def test_equal_maxima_share_the_gradient() -> None:
    """Plain ground gives equal tokens; with all of it at one, the demo learned less: docs/guides/performance.md."""
    x = torch.ones(1, 4, 1, requires_grad=True)
    max_pool_tokens(x, 4).backward(torch.ones(1, 1, 1))
    assert x.grad.flatten().tolist() == [0.25] * 4
