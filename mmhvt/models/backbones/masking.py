"""Backbones that compute only some mask units, for masked pre-training (SMViT, arXiv:2306.00989, section 3, figure 4).

Shapes: N batch, C channels, T frames, H height, W width, K mask units, t, h, w tokens of a mask unit per axis.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmhvt.models.layers import PatchEmbed, PositionEmbedding, gather_units, split_windows

from .base import HierarchicalBackbone


class MaskedBackbone(HierarchicalBackbone):
    """A backbone whose tokens form mask units, each of which masked pre-training keeps or deletes as a whole.

    Attributes:
        mask_unit_size: Tokens of a mask unit in the first stage per axis; () for no mask units.
        q_stride: Stride of the pooling at a stage transition per axis.
        q_pool: Number of stage transitions that pool, counted from the first.
    """

    mask_unit_size: tuple[int, ...]
    q_stride: tuple[int, ...]
    q_pool: int
    patch_embed: PatchEmbed
    pos_embed: PositionEmbedding | None

    def stage_stride(self, stage: int) -> tuple[int, ...]:
        """See :class:`Backbone`; the first `q_pool` transitions pool."""
        return tuple(stride ** min(stage, self.q_pool) for stride in self.q_stride)

    @property
    def pooled_unit(self) -> tuple[int, ...]:
        """Tokens per axis of a mask unit after all poolings; () without mask units.

        Raises:
            ValueError: If a pooling joins tokens of several mask units, which works only if none is deleted.
        """
        if not self.mask_unit_size:
            return ()  # tracing reads every property
        total = self.stage_stride(self.q_pool)
        if any(m % t for m, t in zip(self.mask_unit_size, total, strict=True)):
            raise ValueError(
                f'{self.name}: mask units of {self.mask_unit_size} tokens do not survive q_pool={self.q_pool} poolings '
                f'by {self.q_stride}: masking needs units that are a multiple of {total}, or a smaller q_pool'
            )
        return tuple(m // t for m, t in zip(self.mask_unit_size, total, strict=True))

    def unit_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Mask units per axis of an input of `size` frames and pixels.

        Raises:
            ValueError: If mask units do not divide the size; names the nearest size that would do.
        """
        grid = self.token_grid(size)
        if any(n % m for n, m in zip(grid, self.mask_unit_size, strict=True)):
            unit = tuple(m * s for m, s in zip(self.mask_unit_size, self.patch_stride, strict=True))
            nearest = tuple(max(1, round(n / u)) * u for n, u in zip(size, unit, strict=True))
            raise ValueError(
                f'{self.name}: mask units of {unit} frames and pixels do not divide an input of {tuple(size)}; '
                f'{nearest} would do'
            )
        return tuple(n // m for n, m in zip(grid, self.mask_unit_size, strict=True))

    def forward_units(self, x: Tensor, visible: Tensor, mask_token: Tensor | None = None) -> tuple[Tensor, ...]:
        """Run all stages on the visible mask units alone (section 3, figure 4).

        Masked units are deleted before the first layer, so that only visible tokens are computed. Patches that reach
        beyond the edge of a unit see zeros where the neighbor is masked.

        Args:
            x: Images or clips (N, C, [T,] H, W).
            visible: Visible units of each sample, (N, K) row-major indices over the grid of mask units.
            mask_token: (C,), replaces each token of a masked unit in the encoder (figure 4c): all units are computed
                and returned in row-major order. Defaults to None, which deletes masked units.

        Returns:
            tuple[Tensor, ...]: (N, K, [t,] h, w, C) for each stage, the tokens of a unit in row-major order.

        Raises:
            ValueError: If mask units do not divide the size.
        """
        raise NotImplementedError

    def embed_units(
        self, x: Tensor, visible: Tensor, counts: Sequence[int], mask_token: Tensor | None
    ) -> tuple[Tensor, int]:
        """Embedded tokens (N, K, t · h · w, C) of the units to compute, and their number K.

        Args:
            x, visible, mask_token: Arguments of :meth:`forward_units`.
            counts: Mask units per axis, :meth:`unit_grid`.
        """
        batch, unit, embed, kept = x.shape[0], self.mask_unit_size, self.patch_embed.proj, visible
        seen = x.new_zeros(batch, math.prod(counts)).scatter_(1, visible, 1.0)
        if mask_token is not None:
            kept = torch.arange(math.prod(counts), device=x.device).expand(batch, -1)
        x = x * F.interpolate(seen.view(batch, 1, *counts), x.shape[2:])
        pad = [p for p in reversed(embed.padding) for _ in range(2)]
        x = gather_units(F.pad(x, pad), kept, counts, unit, kernel=embed.kernel_size, stride=embed.stride)
        convolve = F.conv3d if len(unit) == 3 else F.conv2d
        x = convolve(x.flatten(0, 1), embed.weight, embed.bias, embed.stride)
        x = x.flatten(2).transpose(1, 2).unflatten(0, (batch, kept.shape[1]))  # (N, K, length, C)
        if mask_token is not None:
            x = torch.where(seen.bool()[:, :, None, None], x, mask_token.to(x.dtype))
        if self.pos_embed is not None:
            grid = [c * u for c, u in zip(counts, unit, strict=True)]
            x = x + split_windows(self.pos_embed(grid).expand(1, *grid, -1), unit)[kept]
        return x, kept.shape[1]
