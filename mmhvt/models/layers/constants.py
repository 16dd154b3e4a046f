"""Tensors that follow from sizes alone, such as indices: made once for each size, device and dtype."""

import functools
from collections.abc import Callable, Hashable

import torch
from torch import Tensor
from torch._guards import detect_fake_mode

from .tracing import is_traced

# blocks share most sizes of a run, and images of all sizes must not fill the memory
LIMIT = 512
LARGEST = 2**24  # bytes of what is worth keeping: larger tensors are rare, and making them is little of what they serve


def constant(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Keep the tensors that a function makes of its arguments, the latest :data:`LIMIT` of them.

    What is kept is used in every mode, so only plain tensors are: none of a compiler, an exporter, `torch.func` or a
    CUDA graph, which would outlive what it belongs to, and none of inference mode, which autograd would refuse. Where
    others trace, the function is called, so that they see what it does.

    Tensors of more than :data:`LARGEST` bytes are made anew, too.

    Args:
        make: Makes a tensor of hashable arguments alone, a device among them. Nobody may change the result.
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
    """Zeros to fill up tensors with; joining them costs less than padding, in the backward pass above all."""
    return torch.zeros(shape, device=device, dtype=dtype)
