"""Whether a model runs or is traced, and what a trace may depend on."""

from collections.abc import Sequence

import torch
from torch.fx.experimental.symbolic_shapes import statically_known_true


def is_traced() -> bool:
    """Whether torch.compile, torch.export or torch.jit.trace traces the model; eager-only code is then skipped."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def same_size(sizes: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two grids have as many axes, of the same sizes.

    To torch.export, a size that may vary is the same as no other; comparing it would fix it.
    """
    pairs = list(zip(sizes, others, strict=False))
    if torch.compiler.is_exporting():
        return len(sizes) == len(others) and all(statically_known_true(a == b) for a, b in pairs)
    return len(sizes) == len(others) and all(a == b for a, b in pairs)
