"""Whether a model computes, or is written down."""

import torch


def is_traced() -> bool:
    """Whether torch.compile, torch.export or torch.jit.trace follows the model: what is eager's alone is left out."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()
