"""Stochastic depth (arXiv:1603.09382), the rate of each block; the layer itself is mmcv's `DropPath`."""


def drop_path_rates(rate: float, depth: int) -> list[float]:
    """Drop rates of `depth` blocks, growing linearly from 0 to `rate`."""
    return [rate * index / max(depth - 1, 1) for index in range(depth)]
