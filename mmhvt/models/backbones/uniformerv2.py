"""UniFormerV2 ("UniFormerV2: Spatiotemporal Learning by Arming Image ViTs with Video UniFormer", arXiv:2211.09552).

A pre-trained image ViT sees every frame. Local UniBlocks add a temporal module to its blocks, global UniBlocks after
its later blocks gather the clip into a video token F, and the feature is the norm of (section 3.3)

    Z = αF + (1 − α)F^C,   α = σ(alpha_logit),

where F^C is the mean class token of the frames. All new parts start at zero, so that the model initially equals the ViT
(appendix A).

Shapes: N batch, C channels, T frames, H height, W width in patches.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from mmengine.model import ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import resize_position_embedding
from mmhvt.registry import MODELS
from mmhvt.utils.option_configs import InitCfg
from mmhvt.utils.option_types import Channels, Index, PassedTo, Rate, Ratio, Recomputed, Says, Size, Stride

from .arch import check_hidden, resolve_arch
from .base import FrozenStages, OutType
from .uniformerv2_blocks import Fusion, LocalUniBlock, MultiStageFusion, NumQueries, Temporal
from .vit import BASE_16, LARGE_14, Activation, DividingHeads, VisionTransformer, ViTArch, ViTBlock, ViTStyle

# numbers are compared with the depth
Layers = str | Index | Sequence[Index] | None


def parse_layers(layers: Layers, depth: int, name: str = 'layers') -> list[int]:
    """Convert layers counted from 1, as in the paper's tables, to layers counted from 0.

    Args:
        layers: '9-12', '1-4, 9, 11-12', 'last 4', 'last 4 or all' (for models with fewer layers), 'all', a list of
            numbers, or None for no layer.
        depth: Number of layers.
        name: Name of the option, for messages.

    Raises:
        ValueError: For layers that do not exist, or an unknown notation.
    """
    options = f"'9-12', '1, 5-8', 'last 4', 'all', numbers from 1 to {depth}, or None"
    if layers is None:
        return []
    if layers == 'all':
        return list(range(depth))
    if isinstance(layers, str):
        parts = re.split(r'\s*,\s*', layers.strip())
        if last := re.fullmatch(r'last (\d+)( or all)?', layers):
            first = depth - int(last[1]) + 1
            parts = [f'{max(first, 1) if last[2] else first}-{depth}']
        matches = [match for part in parts if (match := re.fullmatch(r'(-?\d+)(?:\s*-\s*(\d+))?', part))]
        if len(matches) < len(parts):
            raise ValueError(f'{name}={layers!r}: give {options}')
        numbers = [i for m in matches for i in range(int(m[1]), int(m[2] or m[1]) + 1)]
    else:
        numbers = [int(i) for i in (layers if isinstance(layers, Sequence) else [layers])]
    if not numbers or not all(1 <= i <= depth for i in numbers):
        raise ValueError(f'{name}={layers!r}: there are {depth} layers, numbered from 1; give {options}')
    return [i - 1 for i in sorted(set(numbers))]


@dataclass(frozen=True)
class UniFormerV2Arch(ViTArch):
    """Architecture of a UniFormerV2; layers are written as for :func:`parse_layers`.

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        depth: Number of layers.
        patch_size: Side of a patch in pixels.
        mlp_ratio: Ratio of the hidden channels of the ViT's MLPs to C. Defaults to 4.
        qkv_bias: Whether the ViT's projections to queries, keys and values have a bias. Defaults to True.
        vit: Kind of pre-training of the ViT, as in :class:`ViTArch`. Defaults to 'clip'.
        local_layers: Layers with a temporal module. Defaults to None, as for Kinetics (appendix A).
        global_layers: Layers that a global UniBlock follows. Defaults to 'last 4 or all'.
        temporal: Temporal module of the local layers, as in :class:`LocalUniBlock`; or 'transformer', six blocks over
            the frames' class tokens after the last layer (table 15). Defaults to 'local_mhra'.
        local_times: 1 for LT_MHRA before the attention, 2 for a second one after it (table 9b). Defaults to 2.
        local_reduction: Ratio of C to the channels within the temporal module (table 9b). Defaults to 1.5.
        temporal_kernel: Number of frames of a temporal convolution. Defaults to 3.
        local_dpe: Whether local blocks have DPE (table 9b, "Local MHRA + DPE"). Defaults to False.
        temporal_downsample: Whether patches have `patch_frames` frames and a stride of 2. Defaults to False.
        patch_frames: Number of frames of a patch with `temporal_downsample`. Defaults to 3.
        fusion: 'sequential', 'parallel', 'hierarchical_kv' or 'hierarchical_q' (section 3.3). Defaults to 'sequential'.
        num_queries: Number of queries of a global block (table 14). Defaults to 1.
        global_dpe: Whether global blocks have DPE (table 9c). Defaults to True.
        global_num_heads: Number of heads of the global blocks. Defaults to `num_heads`.
        global_mlp_ratio: Ratio of the hidden channels of the global blocks' MLPs to C. Defaults to 4.
        with_class_token: Whether the feature is Z, rather than the video token F alone (table 12). Defaults to True,
            unless the backbone is `frozen`, as in the authors' code. Without global UniBlocks the feature is F^C.

    Raises:
        ValueError: For an unknown option or layer, or for options that contradict each other.
    """

    owner: ClassVar[str] = 'UniFormerV2'

    vit: str | Mapping | ViTStyle = 'clip'
    local_layers: Layers = None
    global_layers: Layers = 'last 4 or all'
    temporal: Literal[Temporal, 'transformer'] = 'local_mhra'
    local_times: Literal[1, 2] = 2
    local_reduction: Ratio = 1.5
    temporal_kernel: Stride = 3
    local_dpe: bool = False
    temporal_downsample: bool = False
    patch_frames: Stride = 3
    fusion: Fusion = 'sequential'
    num_queries: NumQueries = 1
    global_dpe: bool = True
    global_num_heads: DividingHeads | None = None
    global_mlp_ratio: Ratio = 4.0
    with_class_token: bool | None = None

    def __post_init__(self):
        super().__post_init__()
        check_hidden(self.owner, self.embed_dims, self.global_mlp_ratio, 'global_mlp_ratio')
        if self.global_num_heads is not None:
            self.check_heads(self.global_num_heads, 'global_num_heads')
        if self.style.rel_pos_bias and self.temporal == 'joint' and self.local_indices:
            raise ValueError(
                f"{self.owner}: temporal='joint' attends between frames, for which rel_pos_bias has no values"
            )
        if self.temporal == 'transformer' and self.local_indices and self.with_class_token is False:
            raise ValueError(
                f"{self.owner}: temporal='transformer' mixes class tokens, which with_class_token=False leaves out"
            )
        if not self.global_indices and self.with_class_token is False:
            raise ValueError(f'{self.owner}: with_class_token=False and global_layers=None leave no feature')

    @property
    def local_indices(self) -> list[int]:
        """`local_layers`, counted from 0."""
        return parse_layers(self.local_layers, self.depth, f'{self.owner}: local_layers')

    @property
    def global_indices(self) -> list[int]:
        """`global_layers`, counted from 0."""
        return parse_layers(self.global_layers, self.depth, f'{self.owner}: global_layers')

    def patch_conv(self, axes: int) -> dict[str, tuple[int, ...]]:
        """Kernel, stride and padding of the patch embedding of images (2 axes) or clips (3 axes)."""
        conv = super().patch_conv(axes)
        if axes == 2 or not self.temporal_downsample:
            return conv
        times = dict(kernel=self.patch_frames, stride=2, padding=(self.patch_frames - 1) // 2)
        return {key: (times[key], *space) for key, (_, *space) in conv.items()}

    def blocks(self, grid: Sequence[int], drop_path_rate: float) -> list[dict[str, Any]]:
        """Arguments of each local UniBlock, as in :meth:`ViTArch.blocks`; images have no neighboring frames."""
        local: dict[str, Any] = dict(
            temporal='none' if self.temporal == 'transformer' else self.temporal,
            times=self.local_times,
            reduction=self.local_reduction,
            temporal_kernel=self.temporal_kernel if len(grid) == 3 else 1,
            with_dpe=self.local_dpe,
            axes=len(grid),
        )
        indices = self.local_indices
        if indices:
            self._check_local(local['temporal_kernel'])
        blocks = super().blocks(grid, drop_path_rate)
        return [block | (local if i in indices else dict(temporal='none')) for i, block in enumerate(blocks)]

    def _check_local(self, kernel: int) -> None:
        convolves = self.temporal in ('local_mhra', 'conv', 'st_adapter')
        if convolves and kernel % 2 == 0:
            raise ValueError(
                f'{self.owner}: temporal_kernel={kernel}: kernel_size={kernel} over time has no center: give an odd '
                'number'
            )
        low = 1 if self.temporal == 'local_mhra' else 0
        if self.temporal in ('local_mhra', 'st_adapter') and not low <= self.local_reduction <= self.embed_dims:
            raise ValueError(
                f'{self.owner}: local_reduction={self.local_reduction} of {self.embed_dims} channels: use 1, 1.5, 2 or '
                '4, as in table 9b'
            )

    def global_block(self, axes: int) -> dict[str, Any]:
        """Arguments that the global UniBlocks of images (2 axes) or clips (3 axes) share."""
        return dict(
            num_heads=self.num_heads if self.global_num_heads is None else self.global_num_heads,
            mlp_ratio=self.global_mlp_ratio,
            with_dpe=self.global_dpe,
            axes=axes,
            act=self.style.act,
            norm_cfg=self.style.norm_cfg,
        )


ARCHS = {'base': UniFormerV2Arch(**BASE_16), 'large': UniFormerV2Arch(**LARGE_14)}


class TemporalTransformer(ModuleList):
    """Transformer blocks over the class tokens of the frames (table 15: six, after the backbone).

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        num_frames: Number of frames of the position embedding; it is resized for other numbers.
        num_layers: Number of blocks.
        act: Activation of the MLPs, 'gelu' or 'quick_gelu'.
        norm_cfg: Config of the norms.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, num_frames: int, num_layers: int, act: Activation, norm_cfg: dict
    ):
        super().__init__(ViTBlock(embed_dims, num_heads, act=act, norm_cfg=norm_cfg) for _ in range(num_layers))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_frames, embed_dims))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        x = x + resize_position_embedding(self.pos_embed, self.pos_embed.shape[1:2], x.shape[1:2])
        for block in self:
            x = block(x)
        return x


@MODELS.register_module()
class UniFormerV2(VisionTransformer):
    """UniFormerV2 backbone for video, and a ViT with its blocks for images.

    Args:
        arch: 'base' (B/16), 'large' (L/14), a :class:`UniFormerV2Arch`, or its fields as a dict. Defaults to 'base'.
        input_size: (T, H, W) or (H, W). Defaults to (8, 224, 224).
        in_channels: Number of channels of the input. Defaults to 3.
        drop_path_rate: Stochastic depth rate of the last layer; grows linearly from 0 and drops whole clips. Defaults
            to 0.
        global_drop_path_rate: Stochastic depth rate of the last global block; grows linearly from 0. Defaults to 0.
        global_dropout: Dropout rate of the hidden channels in the global blocks' MLPs. Defaults to 0.
        frozen: Whether to train only the global blocks and the final norm, like `frozen_stages` set to all layers. The
            feature is then the video token alone, unless `with_class_token` says otherwise (table 1, "frozen").
            Defaults to False.
        inflation: How an image's patch embedding is inflated to several frames, 'center' or 'mean'. Defaults to
            'center'.
        with_cp: See :class:`Backbone`; a list of layers recomputes only those. Defaults to False.
        out_indices: Layers to return, counted from 0; negative ones count from the last. Defaults to -1.
        out_type: 'cls_token', the norm of Z (N, C); 'featmap', the patches after local blocks (N, C, [T,] H, W), which
            leaves the global blocks idle; 'avg_featmap', the norm of their mean (N, C); 'raw', the patches as tokens
            (N, L, C). Defaults to 'cls_token'.
        frozen_stages: Parts without gradients that stay in evaluation mode: -1 for none, 0 for the patch embedding with
            positions and class token, n for the first n layers, with their temporal modules, as well. Defaults to -1.
        as_tuple: Whether to return a tuple or the tensor of a single output; see :class:`Backbone`. Defaults to True.
        init_cfg: MMEngine's initialization config. `dict(type='Pretrained', checkpoint=…)` loads files of CLIP, of
            other image ViTs and of UniFormerV2.
        **overrides: Fields of :class:`UniFormerV2Arch` that differ from `arch`.

    Raises:
        ValueError: For an option, name or layer that does not exist, or options that contradict each other.

    Examples:
        >>> model = UniFormerV2('base', input_size=(16, 224, 224), local_layers='all', global_layers='5-12')
        >>> model(torch.rand(1, 3, 16, 224, 224))[0].shape
        torch.Size([1, 768])
    """

    block = LocalUniBlock

    def __init__(
        self,
        arch: Annotated[str | Mapping | UniFormerV2Arch, Says(': give a name, a dict or a UniFormerV2Arch')] = 'base',
        input_size: Size = (8, 224, 224),
        in_channels: Channels = 3,
        drop_path_rate: Rate = 0.0,
        global_drop_path_rate: Rate = 0.0,
        global_dropout: Rate = 0.0,
        frozen: bool = False,
        inflation: Literal['center', 'mean'] = 'center',
        with_cp: Recomputed = False,
        out_indices: Index | Sequence[Index] = -1,
        out_type: OutType = 'cls_token',
        frozen_stages: FrozenStages = -1,
        as_tuple: bool = True,
        init_cfg: InitCfg = None,
        **overrides: Annotated[Any, PassedTo(UniFormerV2Arch)],
    ):
        arch = resolve_arch('UniFormerV2', arch, ARCHS, UniFormerV2Arch, **overrides)
        if frozen and frozen_stages not in (-1, arch.depth):
            raise ValueError(
                f'UniFormerV2: frozen=True freezes all {arch.depth} layers, frozen_stages={frozen_stages} does not'
            )
        if arch.with_class_token is None:
            arch = replace(arch, with_class_token=not (frozen and arch.global_indices))
        super().__init__(
            arch=arch,
            input_size=input_size,
            in_channels=in_channels,
            drop_path_rate=drop_path_rate,
            with_cp=with_cp,
            out_indices=out_indices,
            out_type=out_type,
            frozen_stages=arch.depth if frozen else frozen_stages,
            as_tuple=as_tuple,
            init_cfg=init_cfg,
        )
        if out_type == 'cls_token' and self.out_indices != [arch.depth - 1]:
            raise ValueError(
                f"UniFormerV2: out_type='cls_token' is the feature of the whole model, not of out_indices={out_indices}"
            )
        self.inflation, self.frozen, self.global_layers = inflation, frozen, arch.global_indices
        self.temporal_transformer = self.fusion = self.alpha_logit = None
        if arch.temporal == 'transformer' and arch.local_indices:
            self.temporal_transformer = TemporalTransformer(
                arch.embed_dims,
                arch.num_heads,
                num_frames=self.token_grid(self.input_size)[0],
                num_layers=6,
                act=arch.style.act,
                norm_cfg=arch.style.norm_cfg,
            )
        if self.global_layers:
            self.fusion = MultiStageFusion(
                arch.embed_dims,
                num_blocks=len(self.global_layers),
                fusion=arch.fusion,
                num_queries=arch.num_queries,
                drop_path_rate=global_drop_path_rate,
                dropout=global_dropout,
                **arch.global_block(len(self.input_size)),
            )
        if self.global_layers and arch.with_class_token:
            self.alpha_logit = nn.Parameter(torch.zeros(arch.embed_dims))
        if out_type == 'cls_token' and not arch.with_class_token:
            self.freeze(*self.blocks[self.global_layers[-1] + 1 :])  # no video token sees them
        if out_type != 'cls_token':
            self.freeze(self.temporal_transformer, self.fusion, self.alpha_logit)

    def paper_init_cfg(self) -> list[dict]:
        """Initialization of the ViT; batch norm weights one, biases zero.

        The paper has no model without a pre-trained ViT; the new parts start as in appendix A.
        """
        return [*super().paper_init_cfg(), dict(type='Constant', layer='BatchNorm1d', val=1.0, bias=0.0)]

    def optional_part(self, name: str) -> str | None:
        """Parts that make the ViT a video model, which files of image ViTs lack.

        A file with global UniBlocks but without α belongs to a different model, whose feature is the video token alone.
        """
        if name.startswith('blocks.'):
            return 'local' if '.temporal' in name or '.dpe.' in name else None
        parts = dict(fusion='fusion', alpha_logit='fusion', temporal_transformer='temporal_transformer')
        return parts.get(name.split('.')[0]) or super().optional_part(name)

    def embed(self, x: Tensor) -> tuple:
        """(N, C, [T,] H, W) -> tokens (N, T, 1 + H·W, C), their grid ([T,] H, W), and no video tokens yet."""
        x, grid = super().embed(x)
        return x if len(grid) == 3 else x[:, None], grid, ()

    def after_map(self, stage: int, state: tuple) -> tuple:
        """Gather a layer's tokens with its global UniBlock."""
        if self.fusion is None or self.out_type != 'cls_token' or stage not in self.global_layers:
            return state
        x, grid, videos = state
        clip = grid if len(grid) == 3 else (1, *grid)
        return x, grid, (*videos, self.fusion(len(videos), videos, x, clip))

    def output(self, state: tuple) -> Tensor:
        """A layer's tokens in the shape of `out_type`."""
        if self.out_type == 'raw':
            return state[0][:, :, 1:].flatten(1, 2)
        return super().output(state)

    def class_feature(self, state: tuple) -> Tensor:
        """Z = αF + (1 − α)F^C (section 3.3), (N, C)."""
        x, _, videos = state
        class_tokens = x[:, :, 0]
        if self.temporal_transformer is not None:
            class_tokens = self.temporal_transformer(class_tokens)
        class_token = class_tokens.mean(1)
        if self.fusion is None:
            return class_token
        video = self.fusion.reduce(videos)
        if self.alpha_logit is None:
            return video
        alpha = self.alpha_logit.sigmoid().to(video.dtype)
        return alpha * video + (1 - alpha) * class_token
