"""Where the channels stand: last in tokens on a grid, behind the batch in maps."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# What a module holds that some hook asks for its input, output or their gradients
_HOOKS = ('_forward_pre_hooks', '_forward_hooks', '_backward_pre_hooks', '_backward_hooks')


def channels_first(x: Tensor) -> Tensor:
    """(N, *grid, C) -> (N, C, *grid), a view."""
    # axes counted from the first: ONNX's older exporter copies negative ones into the file, where they are invalid
    return x.movedim(x.ndim - 1, 1)


def channels_last(x: Tensor) -> Tensor:
    """(N, C, *grid) -> (N, *grid, C), a view."""
    return x.movedim(1, x.ndim - 1)


def as_numbers(sides: Sequence[int]) -> tuple[int, ...]:
    """Sides of a grid as Python numbers, which decide on windows and padding.

    While `torch.jit.trace` and ONNX's older exporter trace they are tensors otherwise, and of shapes that are computed
    with those the exporter loses sight and fixes the batch.
    """
    return tuple(int(n) for n in sides) if torch.jit.is_tracing() else tuple(sides)


def is_hooked(module: nn.Module) -> bool:
    """Whether a hook of the module's own waits for its input, its output or their gradients."""
    return any(getattr(module, name) for name in _HOOKS)


class StageMap(nn.Module):
    """The place of a backbone to hook on: what passes here is a stage's map (N, C, [T,] H, W).

    Blocks hand on tokens in whatever order suits them, which tools that draw maps, such as those for Grad-CAM, cannot
    know. All that stands behind a stage depends on what this module returns, so that gradients and changes reach
    it as well. Without a hook nothing passes, and nothing is computed.
    """

    def forward(self, x: Tensor) -> Tensor:
        """A map -> the same; its gradient is this module's own, for hooks of either kind."""
        return x.view_as(x)

    @property
    def in_use(self) -> bool:
        """Whether somebody looks at the map."""
        return is_hooked(self)
