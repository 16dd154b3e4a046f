"""Windows of a grid."""

import math

import pytest
import torch

from mmhvt.models.layers.windows import merge_windows, split_windows


@pytest.mark.parametrize('grid, window', [((8, 8), (4, 4)), ((7, 10), (4, 3)), ((3, 5, 6), (2, 4, 3))])
def test_windows_come_back_whole(grid, window) -> None:
    x = torch.randn(2, *grid, 5)
    windows = split_windows(x, window)
    assert windows.shape == (2 * math.prod(-(-n // w) for n, w in zip(grid, window, strict=True)), math.prod(window), 5)
    assert torch.equal(merge_windows(windows, window, grid), x)
    first = x[0][tuple(slice(w) for w in window)].flatten(0, -2)
    assert torch.equal(windows[0], first)
