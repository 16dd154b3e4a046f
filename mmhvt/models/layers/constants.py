"""Tensors that follow from sizes alone, such as indices: made once for each size, device and dtype."""

import functools
from collections.abc import Callable, Hashable

import torch
from torch import Tensor
from torch._guards import detect_fake_mode

from .tracing import is_traced

# the blocks of a run share most sizes, and images of all sizes must not fill the memory
LIMIT = 512
LARGEST = 2**24  # bytes worth keeping: larger tensors are rare, and making them costs little next to their use


def constant(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Cache the tensors that a function makes from its arguments, the latest :data:`LIMIT` of them.

    Cached tensors are used in every mode, so only plain ones are cached: none from a compiler, an exporter,
    `torch.func` or a CUDA graph, which would outlive their owner, and none from inference mode, which autograd would
    reject. Under tracing the function is always called, so that the trace contains it.

    Tensors of more than :data:`LARGEST` bytes are not cached, either.

    Args:
        make: Makes a tensor from hashable arguments only, including a device. The result must not be modified.
    """
    kept: dict[tuple, Tensor] = {}

    @functools.wraps(make)
    def get(*args: Hashable) -> Tensor:
        if is_traced() or detect_fake_mode() is not None:
            return make(*args)
        found = kept.get(args)
        if found is not None:
            return found
        with torch.inference_mode(False):
            made = make(*args)
        if _is_plain(made):
            while len(kept) >= LIMIT:
                kept.pop(next(iter(kept)), None)
            kept[args] = made
        return made

    return get


def _is_plain(x: Tensor) -> bool:
    capturing = x.device.type == 'cuda' and torch.cuda.is_current_stream_capturing()
    small = x.numel() * x.element_size() <= LARGEST
    return small and type(x) is Tensor and not torch._C._functorch.is_functorch_wrapped_tensor(x) and not capturing


@constant
def zeros(shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Zeros to pad tensors with; concatenating them costs less than `F.pad`, above all in the backward pass."""
    return torch.zeros(shape, device=device, dtype=dtype)
