"""Whether a model runs or is traced, and what a trace may depend on."""

from collections.abc import Sequence

import torch


def is_traced() -> bool:
    """Whether torch.compile, torch.export or torch.jit.trace traces the model; eager-only code is then skipped."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def exports_onnx() -> bool:
    """Whether the trace becomes an ONNX file by PyTorch's exporter of torch.export graphs."""
    return torch.compiler.is_exporting() and torch.onnx.is_in_onnx_export()


def same_size(sizes: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two grids have as many axes, of the same sizes.

    To torch.export, a size that may vary is the same as no other; comparing it would fix it.
    """
    if not torch.compiler.is_exporting():
        return tuple(sizes) == tuple(others)
    from torch.fx.experimental.symbolic_shapes import statically_known_true  # imports sympy, which takes long

    return len(sizes) == len(others) and all(
        statically_known_true(one == other) for one, other in zip(sizes, others, strict=True)
    )
