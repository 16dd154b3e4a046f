"""Exact forms of decomposed relative positions, timed on the attentions of MViTv2-S 16×224²."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from mmhvt.models.layers import GridBias, attend, reference_math

# stage, heads, grid of queries, grid of keys
ATTENTIONS = {
    'stage 1': (1, (8, 56, 56), (8, 7, 7)),
    'stage 2, first block': (2, (8, 28, 28), (8, 14, 14)),
    'stage 2': (2, (8, 28, 28), (8, 7, 7)),
    'stage 3': (4, (8, 14, 14), (8, 7, 7)),
    'stage 4': (8, (8, 7, 7), (8, 7, 7)),
}
DIMS = 96
TURNS = 5


def leaves(heads: int, q_grid: tuple, k_grid: tuple, device: str, dtype: torch.dtype) -> list[Tensor]:
    """Queries, keys, values and, for each axis, scores of queries with coordinates of keys."""
    torch.manual_seed(0)
    queries, keys = math.prod(q_grid), math.prod(k_grid)
    lengths = [(queries, DIMS), (keys, DIMS), (keys, DIMS), *((queries, n) for n in k_grid)]
    return [torch.randn(1, heads, *length, device=device, dtype=dtype, requires_grad=True) for length in lengths]


def run(form: str, x: list[Tensor], q_grid: tuple, k_grid: tuple) -> Tensor:
    """Attention in one form: 'plain', 'bias' or 'extended'."""
    q, k, v, *scores = x
    bias = None if form == 'plain' else GridBias(q_grid, k_grid, query=dict(enumerate(scores)))
    with reference_math(form == 'bias'):
        return attend(q, k, v, bias=bias)


def seconds(call: Callable, device: str) -> float:
    """Time of one call."""
    if device == 'cuda':
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == 'cuda':
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(name: str, device: str, dtype: torch.dtype) -> str:
    """The row of one attention."""
    heads, q_grid, k_grid = ATTENTIONS[name]
    forms = ('plain', 'bias', 'extended')
    inputs = {form: leaves(heads, q_grid, k_grid, device, dtype) for form in forms}
    results = {}
    for form in forms[1:]:
        out = run(form, inputs[form], q_grid, k_grid)
        results[form] = [out, *torch.autograd.grad(out.square().sum(), inputs[form])]
    worst = max(
        ((a - b).abs().max() / a.abs().max()).item() for a, b in zip(results['bias'], results['extended'], strict=True)
    )

    def forward(form: str) -> None:
        with torch.no_grad():
            run(form, inputs[form], q_grid, k_grid)

    def training(form: str) -> None:
        x = inputs[form] if form != 'plain' else inputs[form][:3]
        torch.autograd.grad(run(form, inputs[form], q_grid, k_grid).sum(), x)

    cells = []
    for step in (forward, training):
        best = dict.fromkeys(forms, math.inf)
        for turn in range(TURNS + 1):
            for form in forms:
                took = seconds(lambda step=step, form=form: step(form), device)
                best[form] = min(best[form], took) if turn else math.inf  # the first turn warms up
        cells.append(' / '.join(f'{best[form] * 1e3:8.2f}' for form in forms))
    return f'{name:22}  {cells[0]:32}  {cells[1]:32}  {worst:.0e}'
