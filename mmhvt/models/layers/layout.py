"""Layouts: channels last in tokens on a grid, channels first in maps.

Shapes: N batch, C channels, T frames, H height, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# attributes of a module that hold its hooks
_HOOKS = ('_forward_pre_hooks', '_forward_hooks', '_backward_pre_hooks', '_backward_hooks')


def channels_first(x: Tensor) -> Tensor:
    """(N, …grid, C) -> (N, C, …grid), a view."""
    # axes counted from the first: ONNX's older exporter copies negative ones into the file, where they are invalid
    return x.movedim(x.ndim - 1, 1)


def channels_last(x: Tensor) -> Tensor:
    """(N, C, …grid) -> (N, …grid, C), a view."""
    return x.movedim(1, x.ndim - 1)


def as_numbers(sides: Sequence[int]) -> tuple[int, ...]:
    """Sides of a grid as Python numbers, from which windows and padding are computed.

    While `torch.jit.trace` and ONNX's older exporter trace, sides are tensors, and the exporter would lose track of
    shapes that are computed from them and fix the batch size.
    """
    return tuple(int(n) for n in sides) if torch.jit.is_tracing() else tuple(sides)


def is_hooked(module: nn.Module) -> bool:
    """Whether a module has hooks on its input, its output or their gradients."""
    return any(getattr(module, name) for name in _HOOKS)


class StageMap(nn.Module):
    """Where to hook a stage's output as a map (N, C, [T,] H, W).

    Blocks pass on tokens in an order of their own, which tools that draw maps, such as those for Grad-CAM, cannot know.
    Everything after a stage depends on the output of this module, so that gradients flow through it and changes of the
    map take effect. Without a hook the module is not called, and costs nothing.
    """

    def forward(self, x: Tensor) -> Tensor:
        """A map -> the same map as a new tensor, so that backward hooks see its gradient."""
        return x.view_as(x)

    @property
    def in_use(self) -> bool:
        """Whether there is a hook on the map."""
        return is_hooked(self)
