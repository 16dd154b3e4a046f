"""Whether to compute as the papers write it or in the fastest way."""

import contextlib
from collections.abc import Iterator

# a plain bool: torch.compile does not trace through a ContextVar
_reference_math = False


@contextlib.contextmanager
def reference_math(enabled: bool = True) -> Iterator[None]:
    """Compute products in the order in which the papers write and count them, rather than in the fastest one.

    Attention is then QKᵀ and AV at the paper's sizes, as counts of multiply-adds assume; the same holds for products
    with relative positions. The results agree.

    Args:
        enabled: Whether to do so within the context. Defaults to True.
    """
    global _reference_math
    before, _reference_math = _reference_math, enabled
    try:
        yield
    finally:
        _reference_math = before


def in_reference_math() -> bool:
    """Whether :func:`reference_math` is on."""
    return _reference_math
