"""Depth-wise convolution against torch's, gradients of gradients included."""

import pytest
import torch
import torch.nn.functional as F

from mmhvt.models.layers import depthwise_conv

SHAPES = [
    ((4, 6, 5), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
    ((4, 7, 8), (3, 3, 3), (1, 2, 2), (1, 1, 1)),
    ((2, 9, 8), (3, 3, 3), (1, 8, 4), (1, 1, 1)),
    ((4, 6, 6), (1, 3, 3), (1, 2, 2), (0, 1, 1)),
    ((3, 4, 4), (2, 2, 2), (2, 2, 2), (0, 0, 0)),
    ((6, 7), (3, 1), (1, 1), (1, 0)),
    ((9, 8), (5, 5), (2, 2), (2, 2)),
]


@pytest.mark.parametrize('size, kernel, stride, padding', SHAPES)
@pytest.mark.parametrize('with_bias', [False, True])
def test_it_is_torchs(size, kernel, stride, padding, with_bias) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, *size, dtype=torch.double), torch.randn(3, 1, *kernel, dtype=torch.double)
    bias = torch.randn(3, dtype=torch.double) if with_bias else None
    conv, results = F.conv3d if len(size) == 3 else F.conv2d, []
    for ours in (True, False):
        leaves = [t.clone().requires_grad_() for t in (x, weight, bias) if t is not None]
        given = leaves if with_bias else [*leaves, None]
        out = depthwise_conv(*given, stride, padding) if ours else conv(*given, stride, padding, groups=3)
        results.append([out, *torch.autograd.grad(out.square().sum(), leaves)])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_second_derivatives_and_transforms() -> None:
    torch.manual_seed(0)
    x, weight = (torch.randn(shape, dtype=torch.double, requires_grad=True) for shape in ((1, 2, 4, 4), (2, 1, 3, 3)))
    assert torch.autograd.gradgradcheck(lambda *xs: depthwise_conv(*xs, None, (2, 1), (1, 1)), (x, weight))
    samples = torch.randn(3, 1, 2, 4, 4, dtype=torch.double)
    gradient = torch.func.grad(lambda x: depthwise_conv(x, weight.detach(), None, (2, 1), (1, 1)).square().sum())
    each = torch.stack([gradient(sample) for sample in samples])
    torch.testing.assert_close(torch.func.vmap(gradient)(samples), each)


@pytest.mark.parametrize('wanted', ['x', 'weight'])
def test_gradients_that_are_not_wanted_are_not_computed(wanted) -> None:
    x, weight = torch.randn(1, 2, 4, 4), torch.randn(2, 1, 3, 3)
    {'x': x, 'weight': weight}[wanted].requires_grad_()
    depthwise_conv(x, weight, None, (1, 1), (1, 1)).sum().backward()
    assert (x.grad is None) == (wanted != 'x') and (weight.grad is None) == (wanted != 'weight')


def test_lower_precision_is_torchs() -> None:
    x, weight = torch.randn(1, 2, 4, 4, requires_grad=True), torch.randn(2, 1, 3, 3, requires_grad=True)
    with torch.autocast('cpu', torch.bfloat16):
        out = depthwise_conv(x, weight, None, (1, 1), (1, 1))
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16 and x.grad.dtype == torch.float32
