"""Depth-wise convolution whose backward pass on a CPU is as fast as its forward pass."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .tracing import is_traced


def depthwise_conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Depth-wise convolution of maps (N, C, [T,] H, W), torch's with `groups=C`.

    Args:
        x: Maps; channels last in memory are fastest.
        weight: Kernel (C, 1, …kernel).
        bias: (C,) or None.
        stride: Per axis.
        padding: Per axis.
    """
    rewritten = (
        x.device.type == 'cpu' and torch.is_grad_enabled() and not (torch.is_autocast_enabled('cpu') or is_traced())
    )
    if not rewritten:
        return _conv(x, weight, bias, stride, padding)
    x = _DepthwiseConv.apply(x, weight, tuple(stride), tuple(padding))
    return x if bias is None else x + bias.view(-1, *[1] * len(stride))


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int]) -> Tensor:
    conv = F.conv3d if len(stride) == 3 else F.conv2d
    return conv(x, weight, bias, tuple(stride), tuple(padding), groups=len(weight))


class _DepthwiseConv(torch.autograd.Function):
    """Computes the gradient of the input as a forward convolution with the mirrored kernel.

    torch computes the same, but oneDNN's kernel for gradients takes up to twelve times as long for depth-wise
    convolutions over time and space: docs/guides/performance.md.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: tuple[int, ...], padding: tuple[int, ...]) -> Tensor:
        return _conv(x, weight, None, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Tensor) -> None:
        x, weight, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        wanted_x, wanted_weight = ctx.needs_input_grad[:2]
        grad_x = grad_weight = None
        if wanted_x:
            grad_x = _grad_of_input(grad, weight, x.shape[2:], ctx.stride, ctx.padding)
        if wanted_weight:
            axes = len(ctx.stride)
            grad_weight = torch.ops.aten.convolution_backward(
                grad, x, weight, None, ctx.stride, ctx.padding, (1,) * axes, False, (0,) * axes, len(weight),
                (False, True, False),
            )[1]  # fmt: skip
        return grad_x, grad_weight, None, None


def _grad_of_input(
    grad: Tensor, weight: Tensor, size: Sequence[int], stride: tuple[int, ...], padding: tuple[int, ...]
) -> Tensor:
    kernel = weight.shape[2:]
    # one place per place of the input: zeros between the gradients of a stride, and where the last windows end
    places = [n + 2 * p - k + 1 for n, p, k in zip(size, padding, kernel, strict=True)]
    if tuple(places) != tuple(grad.shape[2:]):
        spread = grad.new_zeros(grad.shape[0], *places, grad.shape[1]).movedim(-1, 1)
        at: tuple[slice, ...] = tuple(slice(None, None, step) for step in stride)
        spread[(slice(None), slice(None), *at)] = grad
        grad = spread
    mirrored = weight.flip(*range(2, weight.ndim))
    return _conv(grad, mirrored, None, (1,) * len(stride), [k - 1 - p for k, p in zip(kernel, padding, strict=True)])
