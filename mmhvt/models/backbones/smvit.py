"""SMViT, known outside as Hiera (papers: "Simple MViT: A Hierarchical Vision Transformer without
the Bells-and-Whistles").

Plain transformer blocks in four stages. Between stages the features are doubled and space is
max-pooled 2×2; the first two stages attend within mask units, the others globally (figure 2).
No convolution but the patch embedding, no shifted windows, no relative positions: what these
would give is learned in masked pre-training. Tokens are kept in the nested order of
:mod:`mmhvt.models.layers.mask_units`, in which all of that is a view.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmcv.cnn.bricks.transformer import FFN
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmhvt.models.layers import (
    NestedOrder,
    PatchEmbed,
    PositionEmbedding,
    as_numbers,
    attend,
    check_mask_unit,
    max_pool_tokens,
    merge_heads,
    pool_real,
    split_heads,
    split_windows,
)
from mmhvt.models.layers.mask_units import cut_units
from mmhvt.registry import MODELS

from .base import HierarchicalBackbone, choose_arch

# table 2; tiny and small, which the paper does not have, as the public code has them
ARCHS = {
    'tiny': dict(embed_dims=96, num_heads=1, depths=(1, 2, 7, 2)),
    'small': dict(embed_dims=96, num_heads=1, depths=(1, 2, 11, 2)),
    'base': dict(embed_dims=96, num_heads=1, depths=(2, 3, 16, 3)),
    'base_plus': dict(embed_dims=112, num_heads=2, depths=(2, 3, 16, 3)),
    'large': dict(embed_dims=144, num_heads=2, depths=(2, 6, 36, 4)),
    'huge': dict(embed_dims=256, num_heads=4, depths=(2, 6, 36, 4)),
}


def mean_pool_tokens(x: Tensor, stride: int, real: Tensor | None = None) -> Tensor:
    """Mean over each run of `stride` tokens in nested order, arguments and result as of `max_pool_tokens`."""
    if real is None:
        return x.unflatten(-2, (-1, stride)).mean(-2)
    counts = real.view(-1, stride).sum(1).clamp(min=1)
    return x.masked_fill(~real[:, None], 0.0).unflatten(-2, (-1, stride)).sum(-2) / counts[:, None].to(x.dtype)


class MaskUnitAttention(BaseModule):
    """Attention within mask units or over all tokens, with max-pooled queries (figure 5b, section 3.2).

    Args:
        in_dims, out_dims: Channels of a token before and after.
        num_heads: Heads of the output.
        q_stride: Tokens that query pooling joins, over all axes; 1 for none.
    """

    def __init__(self, in_dims: int, out_dims: int, num_heads: int, q_stride: int = 1):
        super().__init__()
        self.num_heads = num_heads
        self.q_stride = q_stride
        self.qkv = nn.Linear(in_dims, 3 * out_dims)
        self.proj = nn.Linear(out_dims, out_dims)

    def forward(self, x: Tensor, unit: int | None, real: Tensor | None = None) -> Tensor:
        """(N, L, in_dims) -> (N, L / q_stride, out_dims).

        Args:
            x: Tokens in nested order.
            unit: Tokens of a mask unit before pooling, or None to attend globally.
            real: Bool (L,), False for padding; None if all tokens are real.
        """
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q = max_pool_tokens(q, self.q_stride, real)
        x = attend(
            split_heads(q, self.num_heads, unit and unit // self.q_stride),
            split_heads(k, self.num_heads, unit),
            split_heads(v, self.num_heads, unit),
            None if real is None else real.view(-1, unit or length).repeat(batch, 1),
        )  # (N [* units], heads, [unit or] L / q_stride, d)
        return self.proj(merge_heads(x).view(batch, length // self.q_stride, -1))


class SMViTBlock(BaseModule):
    """Transformer block; where features are doubled, skip and queries are pooled alike (figure 2).

    Args:
        in_dims, out_dims: Channels of a token before and after.
        num_heads: Heads.
        mlp_ratio: Hidden channels of the MLP over `out_dims`.
        drop_path_rate: Probability to skip either branch.
        q_stride: Tokens that pooling joins, over all axes; 1 for none.
        norm_cfg: Config of the norms.
        layer_scale: Initial factor of either branch, one for each channel; None for no factors.
        expand: How the skip gets its channels, see :class:`SMViT`.
    """

    def __init__(
        self,
        in_dims: int,
        out_dims: int,
        num_heads: int,
        mlp_ratio: float,
        drop_path_rate: float,
        q_stride: int,
        norm_cfg: dict,
        layer_scale: float | None = None,
        expand: str = 'linear',
    ):
        super().__init__()
        self.q_stride = q_stride
        self.norm1 = build_norm_layer(norm_cfg, in_dims)[1]
        self.attn = MaskUnitAttention(in_dims, out_dims, num_heads, q_stride)
        self.norm2 = build_norm_layer(norm_cfg, out_dims)[1]
        self.mlp = FFN(out_dims, int(out_dims * mlp_ratio), act_cfg=dict(type='GELU'), add_identity=False)
        self.drop_path = DropPath(drop_path_rate)
        self.pools_skip = in_dims != out_dims and expand == 'pool'
        self.proj = nn.Linear(in_dims, out_dims) if in_dims != out_dims and expand == 'linear' else None
        self.gamma1 = self.gamma2 = None
        if layer_scale is not None:
            self.gamma1 = nn.Parameter(torch.full((out_dims,), float(layer_scale)))
            self.gamma2 = nn.Parameter(torch.full((out_dims,), float(layer_scale)))

    def forward(self, x: Tensor, unit: int | None, real: Tensor | None = None) -> Tensor:
        """(N, L, in_dims) -> (N, L / q_stride, out_dims), arguments as in :class:`MaskUnitAttention`."""
        normed = self.norm1(x)
        # the skip leaves after the norm where channels change, as in MViTv2
        if self.proj is not None:
            x = max_pool_tokens(self.proj(normed), self.q_stride, real)
        elif self.pools_skip:
            x = torch.cat([pool(x, self.q_stride, real) for pool in (max_pool_tokens, mean_pool_tokens)], -1)
        x = x + self._branch(self.attn(normed, unit, real), self.gamma1)
        return x + self._branch(self.mlp(self.norm2(x)), self.gamma2)

    def _branch(self, x: Tensor, gamma: Tensor | None) -> Tensor:
        return self.drop_path(x if gamma is None else gamma * x)


@MODELS.register_module()
class SMViT(HierarchicalBackbone):
    """SMViT backbone for images and video.

    Args:
        arch: 'tiny', 'small', 'base', 'base_plus', 'large', 'huge', or a dict of embed_dims, num_heads, depths.
        input_size: (T, H, W) or (H, W) that the position embeddings are built for.
        in_channels: Channels of the input.
        patch_kernel, patch_stride, patch_padding: Of the patch embedding, per axis; by default 7×7 stride 4, over
            3 frames with stride 2 for video.
        mask_unit_size: Tokens of a mask unit in stage 1, per axis; by default 8×8 of one time slice.
        q_stride: Stride of a query pooling, per axis; by default 2×2 in space.
        q_pool: Stage transitions that pool; masked pre-training uses 2 of the 3.
        mask_unit_attn: Per stage, attend within mask units rather than globally.
        pos_embed: Position embeddings, 'joint', 'separate' or 'windowed' (images only), see
            :class:`~mmhvt.models.layers.PositionEmbedding`; by default 'separate' for video and 'joint' for images.
            'windowed' is tiled by the mask unit, for images much larger than those that were trained on.
        pos_grid: (H, W) of the table of 'windowed' that is resized; by default the token grid of `input_size`.
        sep_pos_embed: True is `pos_embed='separate'`, False `pos_embed='joint'`.
        dim_mul, head_mul: Factors of channels and heads at a stage transition.
        mlp_ratio: Hidden channels of an MLP over its input's.
        drop_path_rate: Of the last block, growing linearly from 0.
        layer_scale: Initial factor of the branches of a block, one for each channel; by default there are none.
        expand: Where channels are doubled, the skip is a 'linear' layer's (the paper), or 'pool': the max and the mean
            over the tokens that pooling joins, side by side (timm's `use_expand_proj=False`).
        norm_cfg: Config of the norms.
        with_cp: Recompute blocks in the backward pass instead of keeping their activations.
        out_indices: Stages to return.
        out_type: 'avg_featmap' (N, C): mean over tokens, then the final norm if the stage is the last, as the
            paper's head takes it; 'featmap' (N, C, [T,] H, W) and 'raw' (N, L, C, in row-major order) come before
            that norm.
        init_cfg, frozen_stages: See :class:`HierarchicalBackbone`.

    Raises:
        ValueError: For an unknown arch, a size that the patch stride does not divide, mask units that poolings cut,
            or an output type, position embedding or skip that SMViT does not have.

    Example:
        >>> model = SMViT('base', input_size=(16, 224, 224), out_indices=(0, 1, 2, 3), out_type='featmap')
        >>> for stage in model(torch.rand(1, 3, 16, 224, 224)):
        ...     print(tuple(stage.shape))
        (1, 96, 8, 56, 56)
        (1, 192, 8, 28, 28)
        (1, 384, 8, 14, 14)
        (1, 768, 8, 7, 7)
    """

    def __init__(
        self,
        arch: str | dict = 'base',
        input_size: Sequence[int] = (16, 224, 224),
        in_channels: int = 3,
        patch_kernel: Sequence[int] | None = None,
        patch_stride: Sequence[int] | None = None,
        patch_padding: Sequence[int] | None = None,
        mask_unit_size: Sequence[int] | None = None,
        q_stride: Sequence[int] | None = None,
        q_pool: int = 3,
        mask_unit_attn: Sequence[bool] = (True, True, False, False),
        pos_embed: str | None = None,
        pos_grid: Sequence[int] | None = None,
        sep_pos_embed: bool | None = None,
        dim_mul: float = 2.0,
        head_mul: float = 2.0,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.0,
        layer_scale: float | None = None,
        expand: str = 'linear',
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        with_cp: bool = False,
        out_indices: int | Sequence[int] = (-1,),
        out_type: str = 'avg_featmap',
        init_cfg: dict | list | None = None,
        frozen_stages: int = -1,
    ):
        arch = choose_arch(arch, ARCHS, 'SMViT')
        depths = tuple(arch['depths'])
        video = len(input_size) == 3
        patch_stride = patch_stride or ((2, 4, 4) if video else (4, 4))
        super().__init__(input_size, patch_stride, len(depths), out_indices, out_type, init_cfg, frozen_stages)
        patch_kernel = tuple(patch_kernel or ((3, 7, 7) if video else (7, 7)))
        patch_padding = tuple(patch_padding or ((1, 3, 3) if video else (3, 3)))
        self.mask_unit_size = tuple(mask_unit_size or ((1, 8, 8) if video else (8, 8)))
        self.q_stride = tuple(q_stride or ((1, 2, 2) if video else (2, 2)))
        self.check_axes(
            patch_kernel=patch_kernel,
            patch_padding=patch_padding,
            mask_unit_size=self.mask_unit_size,
            q_stride=self.q_stride,
        )
        self.num_levels = len(depths) - 1
        check_mask_unit(self.mask_unit_size, self.q_stride, self.num_levels)
        unit = math.prod(self.mask_unit_size)
        if len(mask_unit_attn) != len(depths) or not 0 <= q_pool <= self.num_levels:
            raise ValueError(
                f'SMViT with {len(depths)} stages: mask_unit_attn needs as many entries, got {tuple(mask_unit_attn)}, '
                f'and q_pool is 0 to {self.num_levels}, got {q_pool}'
            )
        self.with_cp, self.q_pool = with_cp, q_pool

        embed_dims, num_heads = arch['embed_dims'], arch['num_heads']
        self.patch_embed = PatchEmbed(
            in_channels,
            embed_dims,
            patch_kernel,
            self.patch_stride,
            patch_padding,
        )
        if expand not in ('linear', 'pool') or (expand == 'pool' and dim_mul != 2.0):
            raise ValueError(f'SMViT: expand={expand!r}: choose from linear, and, where dim_mul={dim_mul} is 2, pool')
        self.pos_embed = PositionEmbedding(
            embed_dims,
            self.token_grid(self.input_size),
            self._position_kind(pos_embed, pos_grid, sep_pos_embed),
            window=self.mask_unit_size,
            whole_grid=pos_grid,
        )
        drop_path_rates = torch.linspace(0, drop_path_rate, sum(depths), device='cpu').tolist()
        self.blocks = ModuleList()
        self.windowed = []  # per block: within mask units?
        self.last_blocks = []  # per stage: index of its last block
        for stage, depth in enumerate(depths):
            for index in range(depth):
                enters = stage > 0 and index == 0
                out_dims = int(embed_dims * dim_mul) if enters else embed_dims
                num_heads = int(num_heads * head_mul) if enters else num_heads
                pooled = math.prod(self.q_stride) if enters and stage <= q_pool else 1
                # the block that pools still attends as the stage that it leaves: its keys are at that resolution
                self.windowed.append(bool(mask_unit_attn[stage - 1 if enters else stage]))
                unit //= pooled
                if out_dims % num_heads:
                    raise ValueError(f'SMViT: {num_heads} heads do not divide {out_dims} channels of stage {stage}')
                if self.windowed[-1] and not unit:
                    raise ValueError(
                        f'SMViT: nothing is left of mask units of {self.mask_unit_size} tokens where stage {stage} '
                        'begins: use larger ones or mask_unit_attn=False in the stage before'
                    )
                self.blocks.append(
                    SMViTBlock(
                        embed_dims,
                        out_dims,
                        num_heads,
                        mlp_ratio,
                        drop_path_rates[len(self.blocks)],
                        pooled,
                        norm_cfg,
                        layer_scale,
                        expand,
                    )
                )
                embed_dims = out_dims
            self.last_blocks.append(len(self.blocks) - 1)
        self.embed_dims = embed_dims
        self.norm = build_norm_layer(norm_cfg, embed_dims)[1]
        # blocks behind the last output do not run
        self.num_running = self.last_blocks[self.out_indices[-1]] + 1
        normed = self.num_running == len(self.blocks) and out_type == 'avg_featmap'
        self.freeze_idle([*self.blocks[self.num_running :], *([] if normed else [self.norm])])
        self.freeze_stages()

    def _position_kind(self, kind: str | None, grid: Sequence[int] | None, separate: bool | None) -> str:
        """The kind of position embedding that three arguments say.

        Raises:
            ValueError: If there is none or they contradict each other.
        """
        video = len(self.input_size) == 3
        kinds = (None,) if separate is not None else (None, 'joint', 'separate', *(() if video else ('windowed',)))
        if kind not in kinds or (grid is not None and (kind != 'windowed' or len(grid) != 2)):
            raise ValueError(
                f'SMViT: pos_embed={kind!r} with pos_grid={grid}, sep_pos_embed={separate} and input_size='
                f"{self.input_size}: pos_embed is 'joint', 'separate' or, for images, 'windowed', which alone may have "
                'a pos_grid (H, W); or give sep_pos_embed alone'
            )
        return kind or ('separate' if (video if separate is None else separate) else 'joint')

    def paper_init_cfg(self) -> list[dict]:
        """As the public code: weights from a truncated normal, biases of linears and norms 0.02.

        The bias of the patch embedding, which that code leaves to PyTorch, begins at 0.
        """
        return [
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.02),
            dict(type='TruncNormal', layer=['Conv2d', 'Conv3d'], std=0.02),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.02),
        ]

    def pooling(self, stage: int) -> tuple[int, ...]:
        """See :class:`HierarchicalBackbone`; the first `q_pool` transitions pool."""
        return tuple(stride ** min(stage, self.q_pool) for stride in self.q_stride)

    @property
    def pooled_unit(self) -> tuple[int, ...]:
        """Tokens of a mask unit after all poolings, per axis.

        Raises:
            ValueError: If a pooling joins tokens of several mask units, which only works where none is deleted.
        """
        total = tuple(s**self.q_pool for s in self.q_stride)
        if any(m % t for m, t in zip(self.mask_unit_size, total, strict=True)):
            raise ValueError(
                f'SMViT: mask units of {self.mask_unit_size} tokens do not outlast q_pool={self.q_pool} poolings by '
                f'{self.q_stride}: masking needs units of a multiple of {total}, or a smaller q_pool'
            )
        return tuple(m // t for m, t in zip(self.mask_unit_size, total, strict=True))

    def unit_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Mask units per axis of an input of `size` frames and pixels.

        Raises:
            ValueError: If they do not divide it; names the nearest size that would do.
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

    def forward(self, x: Tensor, visible: Tensor | None = None, mask_token: Tensor | None = None) -> tuple[Tensor, ...]:
        """(N, C, [T,] H, W) -> one tensor for each of `out_indices`, shaped as `out_type` says.

        A token grid that is no multiple of the mask unit is padded; padding is seen by no token and cut off again.

        Args:
            x: Images or clips.
            visible: For masked pre-training, see :meth:`forward_units`.
            mask_token: As well.

        Raises:
            ValueError: If the patch stride does not divide the size.
        """
        if visible is not None:
            return self.forward_units(x, visible, mask_token)
        grid = self.input_grid(x)
        order = NestedOrder(grid, self.mask_unit_size, self.q_stride, self.num_levels)
        x = self.patch_embed(x)  # (N, [T,] H, W, C)
        x = order.nest(x + self.pos_embed(grid))  # (N, L, C)
        outs = []
        for stage, level, tokens in self.run_stages(x, order.real(x.device), self.out_indices, order):
            out = self.format_output(order.unnest(tokens, level))
            last = stage == len(self.last_blocks) - 1
            outs.append(self.norm(out) if last and self.out_type == 'avg_featmap' else out)
        return tuple(outs)

    def forward_units(self, x: Tensor, visible: Tensor, mask_token: Tensor | None = None) -> tuple[Tensor, ...]:
        """Every stage on the visible mask units alone (section 3, figure 4e).

        Masked units are deleted before the first layer, so that all that is computed is computed for visible tokens.
        Patches that reach over the edge of a unit see zeros where the neighbour is masked.

        Args:
            x: (N, C, [T,] H, W).
            visible: Visible units of each sample, (N, K) row-major indices over the grid of mask units.
            mask_token: (C,), stands in the encoder for each token of a masked unit (figure 4c): then all units are
                computed, and returned in row-major order. None to delete them.

        Returns:
            tuple[Tensor, ...]: For each stage (N, K, [t,] h, w, C), the tokens of a unit in rows.

        Raises:
            ValueError: If mask units do not divide the size.
        """
        size = as_numbers(x.shape[2:])
        grid, counts = self.token_grid(size), self.unit_grid(size)
        batch, unit, kept = x.shape[0], self.mask_unit_size, visible
        seen = x.new_zeros(batch, math.prod(counts)).scatter_(1, visible, 1.0)
        if mask_token is not None:
            kept = torch.arange(math.prod(counts), device=x.device).expand(batch, -1)
        x = x * F.interpolate(seen.view(batch, 1, *counts), x.shape[2:])
        embed = self.patch_embed.proj
        pad = [p for p in reversed(embed.padding) for _ in range(2)]
        x = cut_units(F.pad(x, pad), kept, counts, unit, embed.kernel_size, embed.stride)  # (N, K, C, [t,] h, w)
        convolve = F.conv3d if len(unit) == 3 else F.conv2d
        x = convolve(x.flatten(0, 1), embed.weight, embed.bias, embed.stride)
        x = x.flatten(2).transpose(1, 2).unflatten(0, (batch, -1))  # (N, K, length, C)
        if mask_token is not None:
            x = torch.where(seen.bool()[:, :, None, None], x, mask_token.to(x.dtype))
        x = x + split_windows(self.pos_embed(grid), unit)[kept]
        # a unit is a grid of its own, and the units of a sample follow one another
        order = NestedOrder(unit, unit, self.q_stride, self.q_pool)
        x = order.nest(x.reshape(-1, *unit, x.shape[-1])).reshape(batch, -1, x.shape[-1])  # (N, K * length, C)
        return tuple(
            order.unnest(tokens.reshape(batch * kept.shape[1], -1, tokens.shape[-1]), level).unflatten(0, (batch, -1))
            for _, level, tokens in self.run_stages(x, None, range(len(self.last_blocks)))
        )

    def run_stages(
        self, x: Tensor, real: Tensor | None, stages: Sequence[int], order: NestedOrder | None = None
    ) -> list[tuple[int, int, Tensor]]:
        """Runs the blocks on tokens (N, L, C) in nested order.

        Args:
            x: Tokens, of whole mask units.
            real: Bool (L,), False for padding; None if all tokens are real.
            stages: Those to return.
            order: The order of the tokens, for `stage_maps`; None where some are deleted and there is no map.

        Returns:
            list: (stage, poolings so far, tokens).
        """
        unit = math.prod(self.mask_unit_size)
        level, outs = 0, []
        for index in range(self.num_running):
            block = self.blocks[index]
            args = (x, unit if self.windowed[index] else None, real)
            x = checkpoint(block, *args, use_reentrant=False) if self.with_cp and x.requires_grad else block(*args)
            if block.q_stride > 1:
                unit, real, level = unit // block.q_stride, pool_real(real, block.q_stride), level + 1
            if index not in self.last_blocks:
                continue
            stage = self.last_blocks.index(index)
            if order is not None and self.stage_maps[stage].in_use:
                x = order.nest(self.show_map(stage, order.unnest(x, level)), level)
            if stage in stages:
                outs.append((stage, level, x))
        return outs
