"""Windows of a grid."""

import math

import pytest
import torch

from mmhvt.models.layers import windows
from mmhvt.models.layers.windows import attend_in_windows, merge_windows, reorder, split_windows


@pytest.mark.parametrize('grid, window', [((8, 8), (4, 4)), ((7, 10), (4, 3)), ((3, 5, 6), (2, 4, 3))])
def test_windows_come_back_whole(grid, window) -> None:
    x = torch.randn(2, *grid, 5)
    parts = split_windows(x, window)
    assert parts.shape == (2 * math.prod(-(-n // w) for n, w in zip(grid, window, strict=True)), math.prod(window), 5)
    assert torch.equal(merge_windows(parts, window, grid), x)
    first = x[0][tuple(slice(w) for w in window)].flatten(0, -2)
    assert torch.equal(parts[0], first)


@pytest.mark.parametrize('grid, window, shift', [
    ((4, 4, 4), (2, 2, 2), (0, 0, 0)), ((4, 4, 6), (2, 2, 2), (1, 1, 1)), ((2, 6, 6), (2, 3, 3), (0, 1, 1)),
    ((8, 6), (4, 3), (2, 1)),
])  # fmt: skip
@pytest.mark.parametrize('form', ['fused', 'cached', 'reference'])
def test_all_forms_of_attention_agree(form, grid, window, shift, monkeypatch) -> None:
    """The plain one is compared with tokens one by one in test_video_swin.py."""
    heads, n, batch = 3, math.prod(window), 2
    torch.manual_seed(0)
    qkv = 3 * torch.randn(batch * math.prod(grid) // n, n, 3 * heads * 4, dtype=torch.double)
    bias, upstream = torch.randn(heads, n, n, dtype=torch.double), torch.randn(*qkv.shape[:2], heads * 4).double()
    results = {}
    for name in ('plain', form):
        monkeypatch.setattr(windows, 'form_of_attention', lambda x, name=name: name)
        monkeypatch.setattr(windows, 'SCORES', n**2 * 2 if len(grid) == 3 else n**2 * 10)  # a part of heads, or windows
        inputs = [x.clone().requires_grad_() for x in (qkv, bias)]
        out = attend_in_windows(inputs[0], heads, inputs[1], grid, window, shift)
        results[name] = out, *torch.autograd.grad(out, inputs, upstream)
    for ours, plain in zip(results[form], results['plain'], strict=True):
        torch.testing.assert_close(ours, plain)


def test_gradients_return_in_the_order_of_tokens() -> None:
    order = torch.randperm(6)
    x = torch.randn(2, 6, 3, dtype=torch.double, requires_grad=True)
    assert torch.equal(reorder(x, order, order.argsort()), x[:, order])
    assert torch.autograd.gradcheck(reorder, (x, order, order.argsort()))
    assert torch.autograd.gradgradcheck(reorder, (x, order, order.argsort()))
