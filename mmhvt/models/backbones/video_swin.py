"""Video Swin (paper: "Video Swin Transformer", papers/video_swin).

Transformer blocks that attend within 3D windows of P×M×M tokens; every second block shifts the windows
by half their size, so that neighbouring windows exchange what they know (section 3.2). Four stages, between
which patch merging halves the resolution in space; time keeps its resolution throughout. With images the
same blocks, on windows of M×M tokens, are the Swin Transformer.

Windows, shifts and padding follow the public code: a window that is larger than the grid shrinks to it
and does not shift along that axis, and grids that windows do not divide are filled up with zeros behind the norm.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torchvision.ops import MLP

from mmhvt.models.layers import (
    PatchEmbed,
    as_numbers,
    attend,
    channels_first,
    channels_last,
    merge_heads,
    merge_windows,
    pad_to_multiple,
    split_heads,
    split_windows,
)
from mmhvt.registry import MODELS

from .base import HierarchicalBackbone, choose_arch

# section 3.3
ARCHS = {
    'tiny': dict(embed_dims=96, num_heads=(3, 6, 12, 24), depths=(2, 2, 6, 2)),
    'small': dict(embed_dims=96, num_heads=(3, 6, 12, 24), depths=(2, 2, 18, 2)),
    'base': dict(embed_dims=128, num_heads=(4, 8, 16, 32), depths=(2, 2, 18, 2)),
    'large': dict(embed_dims=192, num_heads=(6, 12, 24, 48), depths=(2, 2, 18, 2)),
}
# models of the tables by name, with the input that they were measured on
PRESETS = {
    'video-swin-t': dict(arch='tiny'),
    'video-swin-s': dict(arch='small'),
    'video-swin-b': dict(arch='base'),
    'video-swin-l': dict(arch='large'),
    # as image Swin at 384²
    'video-swin-l-384': dict(arch='large', input_size=(32, 384, 384), window_size=(8, 12, 12)),
    'video-swin-b-sthv2': dict(arch='base', window_size=(16, 7, 7)),
    'video-swin-t-split': dict(arch='tiny', design='split'),
    'video-swin-t-factorized': dict(arch='tiny', design='factorized'),
    # tokens in time and tokens of a window in time, table 5
    'video-swin-t-16-16': dict(arch='tiny', window_size=(16, 7, 7)),
    'video-swin-t-8-8': dict(arch='tiny', input_size=(16, 224, 224)),
    'video-swin-t-4-4': dict(arch='tiny', input_size=(8, 224, 224), window_size=(4, 7, 7)),
    'video-swin-t-16-4': dict(arch='tiny', window_size=(4, 7, 7)),
}
# spatiotemporal attention, table 4
DESIGNS = ('joint', 'split', 'factorized')
# axes that windows are shifted along, table 6
SHIFTS = {'all': (True, True, True), 'space': (False, True, True), 'none': (False, False, False)}


# What both make is made anew in each forward: a cached tensor could be one of another mode, such as inference or
# export, which nobody else can use.
def bias_index(window: tuple[int, ...], whole: tuple[int, ...], device: torch.device) -> Tensor:
    """Row of the bias table of windows of `whole` tokens for each pair of tokens of a window no larger, (n, n)."""
    sides = [2 * side - 1 for side in whole]
    count = math.prod(sides)
    # rows of the table are offsets, row by row: two places differ by their offset as their rows do, from the middle
    rows = torch.arange(count, device=device).view(sides)[tuple(slice(n) for n in window)].flatten()
    return (rows + count // 2)[:, None] - rows


def seam_pairs(side: int, cut: int, device: torch.device) -> Tensor:
    """Pairs of coordinates along an axis of a window of which one, not both, is among the last `cut`, bool (n, n).

    In a window behind which the shifted grid begins anew, these are no neighbours.
    """
    behind = torch.arange(side, device=device) >= side - cut
    return behind[:, None] != behind


class WindowAttention(BaseModule):
    """3D(S)W-MSA: attention within (shifted) windows with a relative position bias (section 3.2, equation 2).

    Args:
        dims: Channels of a token.
        num_heads: Heads.
        window_size: Tokens of a window, per axis.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        inflation: What an image's bias becomes in a video (section 3.4, table 9): 'duplicate', the same between all
            frames; 'centre', its own within a frame and −4.6 between frames.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        window_size: Sequence[int],
        qkv_bias: bool = True,
        inflation: str = 'duplicate',
    ):
        super().__init__()
        self.inflation = inflation
        self.num_heads, self.window_size = num_heads, tuple(window_size)
        self.qkv = nn.Linear(dims, 3 * dims, bias=qkv_bias)
        self.proj = nn.Linear(dims, dims)
        self.bias_table = nn.Parameter(torch.zeros(math.prod(2 * side - 1 for side in window_size), num_heads))

    def init_weights(self) -> None:
        """Truncated normal of standard deviation 0.02."""
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        super().init_weights()

    def fit(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """The bias table from one of other windows, bicubically in space and linearly in time, or of an image.

        An image's from a clip's is the logarithm of the mean of exp(bias) over all pairs of frames of a window: what a
        still clip's softmax has for each offset in space, added up over the frames.

        Raises:
            ValueError: If the windows of the file's table cannot be told.
        """
        table = found.get('image_bias_table', found.get('bias_table'))
        if table is None or table.shape == self.bias_table.shape:
            return {} if table is None else {'bias_table': table}
        frames, side = self._source_sides(len(table), 'image_bias_table' in found)
        sides = [2 * n - 1 for n in self.window_size]
        x = table.t().reshape(-1, 1, frames, side, side)  # (heads, 1, time, H, W)
        if (side, side) != tuple(sides[-2:]):
            x = F.interpolate(x.flatten(1, 2), size=sides[-2:], mode='bicubic', align_corners=False)[:, None]
        if len(sides) == 2:
            pairs = (frames + 1) // 2 - (torch.arange(frames) - frames // 2).abs()
            x = (x + (pairs / pairs.sum()).log()[:, None, None].to(x)).logsumexp(2)
        elif frames == 1 and self.inflation == 'centre':
            within, x = x, torch.full((len(x), 1, *sides), -4.6, dtype=x.dtype)
            x[:, :, sides[0] // 2] = within[:, :, 0]
        elif frames == 1:
            x = x.repeat(1, 1, sides[0], 1, 1)
        elif frames != sides[0]:
            x = F.interpolate(x, size=sides, mode='trilinear', align_corners=False)
        return {'bias_table': x.reshape(len(x), -1).t()}

    def _source_sides(self, rows: int, image: bool) -> tuple[int, int]:
        """Offsets in time and along a side that a table of so many rows has; 1 in time for an image's.

        Windows are square. Where the number of rows says no more, they have their time or their side in common with
        those of this model.
        """
        clip, side = len(self.window_size) == 3, 2 * self.window_size[-1] - 1
        time = 2 * self.window_size[0] - 1 if clip else 1
        sides = [(rows // n**2, n) for n in range(1, math.isqrt(rows) + 1, 2) if rows % n**2 == 0]
        frame = [(t, n) for t, n in sides if t == 1]
        if image:
            usual = frame
        elif side == 1:  # of attention over time alone
            usual = [(rows, 1)] if rows % 2 else []
        else:  # more tokens than one along each axis, and in time no more than 16, but for what this model has
            usual = [(t, n) for t, n in sides if n > 1 and t % 2 and (1 < t < 32 or (clip and t == time))] or frame
        alike = [(t, n) for t, n in usual if t == time or n == side]
        found = usual if len(usual) == 1 else alike
        if len(found) == 1:
            return found[0]
        if not usual:
            raise ValueError(f'a table of {rows} biases belongs to no windows that can be made {self.window_size}')
        windows = ', '.join(f'({t // 2 + 1}, {n // 2 + 1}, {n // 2 + 1})' for t, n in usual)
        raise ValueError(
            f'a table of {rows} biases may be of windows {windows}, which does not tell how to make it one of '
            f'{self.window_size}: a window_size with the time or the side of the file would do'
        )

    def forward(self, x: Tensor, shift: Sequence[int]) -> Tensor:
        """(N, *grid, C) -> the same shape; windows are shifted by `shift` tokens per axis."""
        grid = as_numbers(x.shape[1:-1])
        # a window that covers an axis shrinks to it and need not shift
        window = tuple(min(side, n) for side, n in zip(self.window_size, grid, strict=True))
        shift = tuple(s if n > side else 0 for s, n, side in zip(shift, grid, self.window_size, strict=True))
        axes = [axis for axis, s in enumerate(shift) if s]
        x = pad_to_multiple(x, window)
        padded = as_numbers(x.shape[1:-1])
        if axes:
            x = x.roll([-shift[axis] for axis in axes], [axis + 1 for axis in axes])
        x = self.proj(self._attend(self.qkv(split_windows(x, window)), window, shift, padded))
        x = merge_windows(x, window, padded)
        if axes:
            x = x.roll([shift[axis] for axis in axes], [axis + 1 for axis in axes])
        return x[(slice(None), *(slice(n) for n in grid))]

    def _attend(self, qkv: Tensor, window: tuple[int, ...], shift: tuple[int, ...], padded: Sequence[int]) -> Tensor:
        """(N * windows, n, 3 C) -> (N * windows, n, C)."""
        size = math.prod(window)
        if len(window) == 2:
            index = bias_index(window, self.window_size, qkv.device)
        else:
            # as the public code: a clip's window that shrank takes the first rows of the whole window's index
            index = bias_index(self.window_size, self.window_size, qkv.device)[:size, :size]
        bias = self.bias_table[index].permute(2, 0, 1)  # (heads, n, n)
        counts = [n // side for n, side in zip(padded, window, strict=True)]
        if not any(shift):
            return self._fused(qkv, bias)
        # only the last windows along a shifted axis have a seam: few kinds of windows, each with one mask for all,
        # rather than a mask for each window
        seams = {axis: self._seam(axis, window, cut, qkv.device) for axis, cut in enumerate(shift) if cut}
        kinds = [(slice(-1), slice(-1, None)) if cut else (slice(None),) for cut in shift]
        qkv = qkv.reshape(-1, *counts, *qkv.shape[1:])
        out = qkv.new_empty(*qkv.shape[:-1], qkv.shape[-1] // 3)
        for kind in itertools.product(*kinds):
            masked = bias.unflatten(2, window).unflatten(1, window)
            for axis, seam in seams.items():
                if kind[axis].start == -1:
                    masked = masked.masked_fill(seam, -math.inf)
            where = (slice(None), *kind)
            windows = qkv[where]
            attended = self._fused(windows.flatten(0, -3), masked.reshape(bias.shape))
            out[where] = attended.view(*windows.shape[:-1], -1)
        return out.flatten(0, -3)

    @staticmethod
    def _seam(axis: int, window: tuple[int, ...], cut: int, device: torch.device) -> Tensor:
        """:func:`seam_pairs` of one axis as (*window, *window), 1 along the others."""
        shape = [side if i == axis else 1 for i, side in enumerate(window)]
        return seam_pairs(window[axis], cut, device).view(*shape, *shape)

    def _fused(self, qkv: Tensor, bias: Tensor) -> Tensor:
        """(B, n, 3 C) with a bias (heads, n, n) -> (B, n, C)."""
        q, k, v = (split_heads(x, self.num_heads) for x in qkv.chunk(3, -1))
        return merge_heads(attend(q, k, v, bias=bias[None].to(q.dtype)))


class PatchMerging(BaseModule):
    """Joins 2×2 neighbouring tokens of a frame into one of twice the channels (section 3.1).

    Args:
        dims: Channels of a token before.
        norm_cfg: Config of the norm.
    """

    def __init__(self, dims: int, norm_cfg: dict):
        super().__init__()
        self.norm = build_norm_layer(norm_cfg, 4 * dims)[1]
        self.reduction = nn.Linear(4 * dims, 2 * dims, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> (N, 2 C, [T,] ⌈H / 2⌉, ⌈W / 2⌉), channels last in memory."""
        x = channels_last(x)
        x = pad_to_multiple(x, (*[1] * (x.ndim - 4), 2, 2))
        # channels in the order of the public code: the four tokens column by column
        x = torch.cat([x[..., row::2, column::2, :] for column in (0, 1) for row in (0, 1)], -1)
        grid = as_numbers(x.shape[1:-1])
        x = self.reduction(self.norm(x.flatten(1, -2)))
        return channels_first(x.reshape(-1, *grid, x.shape[-1]))


class VideoSwinBlock(BaseModule):
    """Two branches, attention within windows and MLP, each behind a norm (equation 1).

    Args:
        dims: Channels.
        num_heads: Heads.
        window_size: Tokens of a window, per axis.
        shift: Tokens that windows are shifted by, per axis.
        mlp_ratio: Hidden channels of the MLP over `dims`.
        qkv_bias: See :class:`WindowAttention`.
        drop_path_rate: Probability to skip either branch.
        norm_cfg: Config of the norms.
        bias_inflation: See :class:`WindowAttention`.
        frames: Frames that a temporal-only attention after the spatial one sees (the factorized design of
            section 4.3); None for none.
    """

    def __init__(
        self,
        dims: int,
        num_heads: int,
        window_size: Sequence[int],
        shift: Sequence[int],
        mlp_ratio: float,
        qkv_bias: bool,
        drop_path_rate: float,
        norm_cfg: dict,
        bias_inflation: str,
        frames: int | None = None,
    ):
        super().__init__()
        self.shift = tuple(shift)
        self.norm1 = build_norm_layer(norm_cfg, dims)[1]
        self.attn = WindowAttention(dims, num_heads, window_size, qkv_bias, bias_inflation)
        self.temporal_attn = None
        if frames:
            self.temporal_norm = build_norm_layer(norm_cfg, dims)[1]
            self.temporal_attn = WindowAttention(dims, num_heads, (frames, 1, 1), qkv_bias)
            # begins at zero, so that the pre-trained spatial model is left as it is
            self.temporal_weight = nn.Parameter(torch.zeros(1))
        self.norm2 = build_norm_layer(norm_cfg, dims)[1]
        self.mlp = MLP(dims, [int(dims * mlp_ratio), dims], activation_layer=nn.GELU)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *grid) -> the same shape, a map to whoever hooks on it; channels are last in memory."""
        grid = as_numbers(x.shape[2:])
        x = channels_last(x).flatten(1, -2)  # (N, L, C)
        x = x + self.drop_path(self._attention(self.attn, self.norm1(x), grid, self.shift))
        if self.temporal_attn is not None:
            change = self._attention(self.temporal_attn, self.temporal_norm(x), grid, (0, 0, 0))
            x = x + self.drop_path(self.temporal_weight * change)
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        return channels_first(x.reshape(-1, *grid, x.shape[-1]))

    @staticmethod
    def _attention(attn: WindowAttention, x: Tensor, grid: Sequence[int], shift: Sequence[int]) -> Tensor:
        return attn(x.reshape(-1, *grid, x.shape[-1]), shift).flatten(1, -2)


@MODELS.register_module()
class VideoSwin(HierarchicalBackbone):
    """Video Swin backbone for video, and Swin for images.

    Args:
        arch: 'tiny', 'small', 'base', 'large'; a model of the paper's tables with its input and window, such as
            'video-swin-l-384' (`PRESETS`); or a dict of embed_dims, num_heads (per stage), depths.
        input_size: (T, H, W) or (H, W); by default the preset's or (32, 224, 224). No parameter depends on it but
            those of the designs 'split' and 'factorized', which attend over all frames.
        in_channels: Channels of the input.
        patch_size: Of the patch embedding, per axis; by default (2, 4, 4), for images (4, 4).
        window_size: (P, M, M), or (M, M) for images; by default the preset's or (8, 7, 7), for
            images (7, 7).
        mlp_ratio: Hidden channels of an MLP over its input's.
        qkv_bias: Whether the projections to queries, keys and values have a bias.
        drop_path_rate: Of the last block, growing linearly from 0.
        patch_norm: Norm behind the patch embedding.
        design: Spatiotemporal attention (table 4): 'joint', by default but for a preset that says otherwise;
            'split', spatial only with two temporal layers on top; 'factorized', a temporal attention after each
            spatial one.
        shift: Axes that every second block shifts windows along (table 6): 'all', 'space', 'none'.
        frozen_stages: See :class:`HierarchicalBackbone`; mergings behind frozen stages are frozen, too.
        inflation: What an image's patch embedding becomes when it is loaded (table 8): 'mean', an equal part in every
            frame of a patch (the paper's inflate), or 'centre'.
        bias_inflation: What an image's relative position bias becomes (table 9): 'duplicate' or 'centre'.
        norm_cfg: Config of the norms.
        with_cp: Recompute blocks in the backward pass instead of keeping their activations.
        out_indices: Stages to return. Each has a norm of its own, `norm` the last, `norm0` … the others.
        out_type: 'avg_featmap' (N, C), 'featmap' (N, C, [T,] H, W) or 'raw' (N, L, C), all normed.
        init_cfg: See :class:`HierarchicalBackbone`.

    Raises:
        ValueError: For an unknown arch, design or shift, or settings that contradict each other.

    Example:
        >>> model = VideoSwin('tiny', out_indices=(0, 1, 2, 3), out_type='featmap')
        >>> for stage in model(torch.rand(1, 3, 32, 224, 224)):
        ...     print(tuple(stage.shape))
        (1, 96, 16, 56, 56)
        (1, 192, 16, 28, 28)
        (1, 384, 16, 14, 14)
        (1, 768, 16, 7, 7)
    """

    def __init__(
        self,
        arch: str | dict = 'tiny',
        input_size: Sequence[int] | None = None,
        in_channels: int = 3,
        patch_size: Sequence[int] | None = None,
        window_size: Sequence[int] | None = None,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.0,
        patch_norm: bool = True,
        design: str | None = None,
        shift: str = 'all',
        frozen_stages: int = -1,
        inflation: str = 'mean',
        bias_inflation: str = 'duplicate',
        norm_cfg: dict = dict(type='LN', eps=1e-5),
        with_cp: bool = False,
        out_indices: int | Sequence[int] = (-1,),
        out_type: str = 'avg_featmap',
        init_cfg: dict | list | None = None,
    ):
        preset = dict(PRESETS.get(arch, {})) if isinstance(arch, str) else {}
        arch = choose_arch(preset.get('arch', arch), ARCHS, 'VideoSwin', PRESETS)
        input_size = input_size or preset.get('input_size', (32, 224, 224))
        window_size = window_size or preset.get('window_size')
        design = design or preset.get('design', 'joint')
        depths, heads = tuple(arch['depths']), tuple(arch['num_heads'])
        video = len(input_size) == 3
        patch_size = tuple(patch_size or ((2, 4, 4) if video else (4, 4)))
        super().__init__(input_size, patch_size, len(depths), out_indices, out_type, init_cfg, frozen_stages)
        window_size = tuple(window_size or ((8, 7, 7) if video else (7, 7)))
        self.check_axes(patch_size, (0,) * len(patch_size), window_size=window_size)
        self._check(arch, design=design, shift=shift, inflation=inflation, bias_inflation=bias_inflation)
        self.with_cp, self.inflation = with_cp, inflation
        if design != 'joint':
            window_size = (1, *window_size[1:])
        half = tuple(
            side // 2 if moves else 0
            for side, moves in zip(window_size, SHIFTS[shift][-len(window_size) :], strict=True)
        )
        frames = self.token_grid(self.input_size)[0]

        dims = arch['embed_dims']
        self.patch_embed = PatchEmbed(in_channels, dims, patch_size, patch_size, (0,) * len(patch_size))
        self.patch_norm = build_norm_layer(norm_cfg, dims)[1] if patch_norm else None
        rates = torch.linspace(0, drop_path_rate, sum(depths), device='cpu').tolist()
        self.blocks, self.merges = ModuleList(), ModuleList()
        self.last_blocks = []  # per stage: index of its last block
        for stage, depth in enumerate(depths):
            if stage:
                self.merges.append(PatchMerging(dims, norm_cfg))
                dims *= 2
            for index in range(depth):
                self.blocks.append(
                    VideoSwinBlock(
                        dims,
                        heads[stage],
                        window_size,
                        half if index % 2 else (0,) * len(half),
                        mlp_ratio,
                        qkv_bias,
                        rates[len(self.blocks)],
                        norm_cfg,
                        bias_inflation,
                        frames if design == 'factorized' else None,
                    )
                )
            self.last_blocks.append(len(self.blocks) - 1)
        self.embed_dims = dims
        self.temporal_blocks = ModuleList()
        if design == 'split':
            for _ in range(2):
                window = (frames, 1, 1)
                layer = VideoSwinBlock(
                    dims, heads[-1], window, (0, 0, 0), mlp_ratio, qkv_bias, 0.0, norm_cfg, bias_inflation
                )
                self.temporal_blocks.append(layer)
        for stage in self.out_indices:
            self.add_module(self.norm_name(stage), build_norm_layer(norm_cfg, arch['embed_dims'] * 2**stage)[1])
        last = self.out_indices[-1]
        self.num_running = self.last_blocks[last] + 1
        idle = [*self.blocks[self.num_running :], *self.merges[last:]]
        self.freeze_idle(idle + (list(self.temporal_blocks) if last < len(depths) - 1 else []))
        self.freeze_stages()

    def _check(self, arch: dict, **kinds: str) -> None:
        depths, heads = arch['depths'], arch['num_heads']
        if len(heads) != len(depths):
            raise ValueError(f'VideoSwin: num_heads {tuple(heads)} needs an entry for each of {len(depths)} stages')
        for stage, num in enumerate(heads):
            if arch['embed_dims'] * 2**stage % num:
                raise ValueError(
                    f'VideoSwin: {num} heads do not divide {arch["embed_dims"] * 2**stage} channels of stage {stage}'
                )
        choices = dict(
            design=DESIGNS, shift=tuple(SHIFTS), inflation=('mean', 'centre'), bias_inflation=('duplicate', 'centre')
        )
        for key, value in kinds.items():
            if value not in choices[key]:
                raise ValueError(f'VideoSwin: {key}={value!r}: choose from {", ".join(choices[key])}')
        if kinds['design'] != 'joint' and len(self.input_size) == 2:
            raise ValueError(
                f'VideoSwin: design={kinds["design"]!r} with input_size={self.input_size}: images have no time'
            )

    def transitions(self, stages: int) -> Iterable[nn.Module]:
        """See :class:`HierarchicalBackbone`: the mergings."""
        return self.merges[:stages]

    def optional_part(self, name: str) -> str | None:
        """As :meth:`HierarchicalBackbone.optional_part`; image Swin has none of the temporal layers either."""
        return 'temporal' if 'temporal_' in name else super().optional_part(name)

    def pooling(self, stage: int) -> tuple[int, ...]:
        """See :class:`HierarchicalBackbone`; patches merge in space where a stage begins."""
        return (*(1 for _ in self.patch_stride[:-2]), 2**stage, 2**stage)

    def token_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Tokens per axis; what the patch size does not divide is filled up with zeros, as in the public code.

        Raises:
            ValueError: If the size has another number of axes.
        """
        return super().token_grid([-(-n // s) * s for n, s in zip(size, self.patch_stride, strict=False)])

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """As :meth:`HierarchicalBackbone.get_layer_depth`; a merging belongs to the first block of its stage."""
        num_layers = len(self.blocks) + 2
        if param_name.startswith(prefix + 'merges.'):
            stage = int(param_name[len(prefix) :].split('.')[1])
            return self.last_blocks[stage] + 2, num_layers
        if param_name.startswith(prefix + 'patch_norm.'):
            return 0, num_layers
        return super().get_layer_depth(param_name, prefix)

    def paper_init_cfg(self) -> list[dict]:
        """As the public code: linears from a truncated normal of deviation 0.02, norms one, biases zero.

        The patch embedding, which that code leaves to PyTorch, begins as PyTorch's convolutions but for its bias.
        """
        return [
            dict(
                type='Kaiming',
                layer=['Conv2d', 'Conv3d'],
                a=math.sqrt(5),
                mode='fan_in',
                distribution='uniform',
                nonlinearity='leaky_relu',
            ),
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, [T,] H, W) of any size -> one tensor for each of `out_indices`, shaped as `out_type` says.

        Raises:
            ValueError: If the input has not the axes of `input_size`.
        """
        self.input_grid(x)
        x = self.patch_embed(
            F.pad(x, [n for s, p in zip(x.shape[:1:-1], self.patch_stride[::-1], strict=True) for n in (0, -s % p)])
        )  # (N, [T,] H, W, C)
        if self.patch_norm is not None:
            x = self.patch_norm(x.flatten(1, -2)).view_as(x)
        x = channels_first(x)
        outs, stage = [], 0
        for index in range(self.num_running):
            block = self.blocks[index]
            x = checkpoint(block, x, use_reentrant=False) if self.with_cp and x.requires_grad else block(x)
            if index != self.last_blocks[stage]:
                continue
            if stage == len(self.last_blocks) - 1:
                for layer in self.temporal_blocks:
                    x = layer(x)
            if self.stage_maps[stage].in_use:
                x = channels_first(self.show_map(stage, channels_last(x)))
            if stage in self.out_indices:
                outs.append(self._output(x, stage))
            stage += 1
            if index + 1 < self.num_running:
                x = self.merges[stage - 1](x)
        return tuple(outs)

    def _output(self, x: Tensor, stage: int) -> Tensor:
        # normed as a sequence: tools take four axes for a map
        tokens = channels_last(x)
        normed = getattr(self, self.norm_name(stage))(tokens.flatten(1, -2))
        return self.format_output(normed.unflatten(1, tokens.shape[1:-1]))
