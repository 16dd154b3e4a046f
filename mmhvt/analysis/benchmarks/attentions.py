"""One attention of MViTv2-S, with decomposed relative positions in each of their exact forms."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from mmhvt.models.layers import GridBias, attend, reference_math

# heads, grid of queries, grid of keys of MViTv2-S at 16×224²
ATTENTIONS = {
    'stage-1': (1, (8, 56, 56), (8, 7, 7)),
    'stage-2-first': (2, (8, 28, 28), (8, 14, 14)),
    'stage-2': (2, (8, 28, 28), (8, 7, 7)),
    'stage-3': (4, (8, 14, 14), (8, 7, 7)),
    'stage-4': (8, (8, 7, 7), (8, 7, 7)),
}
DIMS = 96


def query_shape(name: str) -> tuple[int, ...]:
    """(1, heads, queries, channels) of an attention."""
    heads, queries, _ = ATTENTIONS[name]
    return 1, heads, math.prod(queries), DIMS


class Attention(nn.Module):
    """Attention from an input, the queries, to keys and values that are parameters, as are the position scores.

    Args:
        name: Key of :data:`ATTENTIONS`.
        form: 'plain' has no positions, 'bias' a tensor of queries × keys, 'extended' longer heads.
    """

    def __init__(self, name: str, form: Literal['plain', 'bias', 'extended']):
        super().__init__()
        heads, self.queries, self.keys = ATTENTIONS[name]
        self.form = form
        keys, queries = math.prod(self.keys), math.prod(self.queries)
        self.shift = nn.Parameter(torch.zeros(DIMS))  # queries take gradients
        self.k, self.v = (nn.Parameter(torch.randn(1, heads, keys, DIMS)) for _ in range(2))
        positions = form != 'plain'
        self.scores = nn.Parameter(torch.randn(1, heads, queries, sum(self.keys))) if positions else None

    def forward(self, q: Tensor) -> Tensor:
        """(1, heads, queries, channels) -> the same."""
        bias = None if self.scores is None else GridBias(self.queries, self.keys, (0, 1, 2), query=self.scores)
        with reference_math(self.form == 'bias'):
            return attend(q + self.shift, self.k, self.v, bias=bias)
