"""ViT (arXiv:2010.11929), with the details in which published pre-trained ViTs differ.

Shapes: N batch, C channels, T frames, H height, W width in tokens, L tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.models.layers import (
    FramePositionBias,
    Mlp,
    PatchEmbed,
    PositionEmbedding,
    attend,
    build_layer_scale,
    drop_path_rates,
    merge_heads,
    split_heads,
)
from mmhvt.registry import MODELS
from mmhvt.utils import OptionError, check_choice, check_fields, check_options
from mmhvt.utils.option_configs import InitCfg, TokenNorm
from mmhvt.utils.option_types import (
    Channels,
    Count,
    Eps,
    Heads,
    Index,
    LayerScaleValue,
    Length,
    PassedTo,
    Range,
    Rate,
    Ratio,
    Recomputed,
    Says,
    Side,
    Size,
)

from .arch import check_hidden, resolve_arch
from .base import Backbone, FrozenStages, OutType

NORM = dict(type='LN', eps=1e-5)
# checked against the channels
DividingHeads = Annotated[int, Range(high=1024)]
PatchSide = Annotated[Side, Says(': a patch has 1 pixel or more')]
PatchGrid = Annotated[Sequence[Side], Length(2, 2)]


class QuickGELU(nn.Module):
    """x · σ(1.702 x), the approximation of GELU that CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        # SiLU is one kernel, forward and backward, and keeps one tensor rather than two
        return F.silu(1.702 * x).mul_(1 / 1.702)


Activation = Literal['gelu', 'quick_gelu']
ACTIVATIONS = {'gelu': nn.GELU, 'quick_gelu': QuickGELU}


@dataclass(frozen=True)
class ViTStyle:
    """Details in which ViTs of the same size differ, depending on their pre-training.

    Args:
        act: Activation of the MLPs, 'gelu' or 'quick_gelu'.
        pre_norm: Whether a norm precedes the first block.
        patch_bias: Whether the patch embedding has a bias.
        layer_scale: Initial factor of both branches of a block; None for no layer scale.
        rel_pos_bias: Whether attention has BEiT's table of relative positions.
        abs_pos: Whether absolute positions are embedded.
        eps: Epsilon of the norms.

    Raises:
        ValueError: For an unknown activation, or a layer scale that is not a number.
    """

    act: Activation = 'gelu'
    pre_norm: bool = False
    patch_bias: bool = True
    layer_scale: Annotated[LayerScaleValue, Says(': give its initial value, such as 1e-6, or None')] | None = None
    rel_pos_bias: bool = False
    abs_pos: bool = True
    eps: Eps = 1e-6

    def __post_init__(self):
        check_fields('vit', self)

    @property
    def norm_cfg(self) -> dict:
        """Config of all norms."""
        return dict(type='LN', eps=self.eps)


# layer scale starts as in timm's base-size models
VITS = {
    'clip': ViTStyle(act='quick_gelu', pre_norm=True, patch_bias=False, eps=1e-5),
    'open_clip': ViTStyle(pre_norm=True, patch_bias=False, eps=1e-5),
    # supervised on ImageNet-21K, DINO, MAE
    'vit': ViTStyle(),
    'deit3': ViTStyle(layer_scale=1e-6),
    'beit': ViTStyle(layer_scale=0.1, rel_pos_bias=True, abs_pos=False),
}


@dataclass(frozen=True)
class ViTArch:
    """Architecture of a ViT.

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        depth: Number of blocks.
        patch_size: Side of a patch in pixels.
        mlp_ratio: Ratio of the MLPs' hidden channels to C. Defaults to 4.
        qkv_bias: Whether the projections to queries, keys and values have a bias. Defaults to True.
        vit: Kind of pre-training that the ViT's details suit (`VITS`): 'clip', 'open_clip', 'vit' (supervised, DINO,
            MAE), 'deit3', 'beit'; or a :class:`ViTStyle`, also as a dict. Defaults to 'vit'.

    Raises:
        ValueError: For an unknown kind of pre-training, or a size that the model cannot have.
    """

    owner: ClassVar[str] = 'VisionTransformer'

    embed_dims: Channels
    num_heads: DividingHeads
    depth: Count
    patch_size: PatchSide
    mlp_ratio: Ratio = 4.0
    qkv_bias: bool = True
    vit: str | Mapping | ViTStyle = 'vit'

    def __post_init__(self):
        check_fields(self.owner, self)
        object.__setattr__(self, 'vit', self.style)
        self.check_heads(self.num_heads)
        check_hidden(self.owner, self.embed_dims, self.mlp_ratio)

    @property
    def style(self) -> ViTStyle:
        """What `vit` names or describes."""
        vit = self.vit
        if isinstance(vit, ViTStyle):
            return vit
        if isinstance(vit, Mapping):
            known = [field.name for field in fields(ViTStyle)]
            unknown = [key for key in vit if key not in known]
            if unknown:
                raise ValueError(f'{self.owner}: vit has no key {", ".join(unknown)}: choose from {", ".join(known)}')
            try:
                return ViTStyle(**vit)
            except OptionError as error:
                raise OptionError(f'{self.owner}: {error}') from None
        check_choice(self.owner, 'vit', vit, VITS)
        return VITS[vit]

    def check_heads(self, num_heads: int, name: str = 'num_heads') -> None:
        """Check that a number of heads divides the channels.

        Raises:
            ValueError: If it does not.
        """
        if num_heads < 1 or self.embed_dims % num_heads:
            raise ValueError(f'{self.owner}: {name}={num_heads} does not divide {self.embed_dims} channels')

    def patch_conv(self, axes: int) -> dict[str, tuple[int, ...]]:
        """Kernel, stride and padding of the patch embedding of images (2 axes) or clips (3 axes)."""
        size = (1, self.patch_size, self.patch_size)[-axes:]
        return dict(kernel=size, stride=size, padding=(0,) * axes)

    def blocks(self, grid: Sequence[int], drop_path_rate: float) -> list[dict[str, Any]]:
        """Arguments of each block.

        Args:
            grid: Token grid ([T,] H, W).
            drop_path_rate: Stochastic depth rate of the last block.
        """
        common: dict[str, Any] = dict(
            embed_dims=self.embed_dims,
            num_heads=self.num_heads,
            mlp_ratio=self.mlp_ratio,
            qkv_bias=self.qkv_bias,
            act=self.style.act,
            layer_scale=self.style.layer_scale,
            rel_pos_grid=grid[-2:] if self.style.rel_pos_bias else None,
            norm_cfg=self.style.norm_cfg,
        )
        return [common | dict(drop_path_rate=rate) for rate in drop_path_rates(drop_path_rate, self.depth)]


BASE_16: dict[str, Any] = dict(embed_dims=768, num_heads=12, depth=12, patch_size=16)
LARGE_14: dict[str, Any] = dict(embed_dims=1024, num_heads=16, depth=24, patch_size=14)
ARCHS = {'base': ViTArch(**BASE_16), 'large': ViTArch(**LARGE_14)}


class Attention(BaseModule):
    """Multi-head self-attention among the tokens of an image or a frame.

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        qkv_bias: Whether the projections to queries, keys and values have a bias. Defaults to True.
        rel_pos_grid: (H, W) of BEiT's table of relative positions. Defaults to None for no table.

    Raises:
        ValueError: If the heads do not divide the channels.
    """

    def __init__(
        self,
        embed_dims: Channels,
        num_heads: Heads,
        qkv_bias: bool = True,
        rel_pos_grid: PatchGrid | None = None,
        init_cfg: InitCfg = None,
    ):
        super().__init__(init_cfg)
        if embed_dims % num_heads:
            raise ValueError(f'{type(self).__name__}: {num_heads} heads do not divide {embed_dims} channels')
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dims, 3 * embed_dims, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.rel_pos = FramePositionBias(num_heads, rel_pos_grid) if rel_pos_grid else None

    def forward(self, x: Tensor, grid: Sequence[int] | None = None) -> Tensor:
        """(N, [T,] L, C) -> the same shape; `grid` (H, W) is needed for relative positions only."""
        q, k, v = (split_heads(part, self.num_heads) for part in self.qkv(x.flatten(0, -3)).chunk(3, -1))
        bias = None if self.rel_pos is None else self.rel_pos(grid).to(q.dtype)
        return self.proj(merge_heads(attend(q, k, v, bias=bias))).view(x.shape)


@check_options
class ViTBlock(BaseModule):
    """Block of a ViT.

        Y = X + s_1 · MHSA(Norm(X))
        Z = Y + s_2 · MLP(Norm(Y))

    Args:
        embed_dims: Number of channels C.
        num_heads: Number of attention heads.
        mlp_ratio: Ratio of the MLP's hidden channels to C. Defaults to 4.
        qkv_bias: Whether the projections to queries, keys and values have a bias. Defaults to True.
        act: Activation of the MLP, 'gelu' or 'quick_gelu'. Defaults to 'gelu'.
        layer_scale: Initial value of the factors s_1 and s_2 of each channel. Defaults to None for no layer scale.
        rel_pos_grid: (H, W) of BEiT's table of relative positions. Defaults to None for no table.
        drop_path_rate: Stochastic depth rate. Defaults to 0.
        norm_cfg: Config of the norms.

    Raises:
        ValueError: For an unknown activation, or heads that do not divide the channels.
    """

    attention: type[Attention] = Attention

    def __init__(
        self,
        embed_dims: Channels,
        num_heads: Heads,
        mlp_ratio: Ratio = 4.0,
        qkv_bias: bool = True,
        act: Activation = 'gelu',
        layer_scale: LayerScaleValue | None = None,
        rel_pos_grid: PatchGrid | None = None,
        drop_path_rate: Rate = 0.0,
        norm_cfg: TokenNorm = NORM,
        init_cfg: InitCfg = None,
    ):
        super().__init__(init_cfg)
        check_hidden(type(self).__name__, embed_dims, mlp_ratio)
        self.norm1 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.attn = self.attention(embed_dims, num_heads, qkv_bias=qkv_bias, rel_pos_grid=rel_pos_grid)
        self.ls1 = build_layer_scale(embed_dims, layer_scale)
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)[1]
        self.mlp = Mlp(embed_dims, int(embed_dims * mlp_ratio), act_layer=ACTIVATIONS[act])
        self.ls2 = build_layer_scale(embed_dims, layer_scale)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor, grid: Sequence[int] | None = None) -> Tensor:
        """(N, [T,] 1 + L, C) -> the same shape; `grid` (H, W) is needed for relative positions only."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x), grid)))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


@MODELS.register_module()
class VisionTransformer(Backbone):
    """ViT backbone for images; it processes each frame of a clip by itself.

    Args:
        arch: 'base' (B/16), 'large' (L/14), a :class:`ViTArch`, or its fields as a dict. Defaults to 'base'.
        input_size: (H, W) or (T, H, W). Defaults to (224, 224).
        in_channels: Number of channels of the input. Defaults to 3.
        drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.
        with_cp: See :class:`Backbone`; a list of layers recomputes only those. Defaults to False.
        out_indices: Layers to return, counted from 0; negative ones count from the last. Defaults to -1.
        out_type: 'cls_token', the norm of the class token, for clips of its mean over the frames, (N, C); 'featmap',
            patches (N, C, [T,] H, W); 'avg_featmap', the norm of their mean (N, C); 'raw', all tokens
            (N, [T ·] (1 + H·W), C). Defaults to 'cls_token'.
        frozen_stages: Parts without gradients that stay in evaluation mode: -1 for none, 0 for the patch embedding with
            positions and class token, n for the first n layers as well. Defaults to -1.
        as_tuple: Whether to return a tuple or the tensor of a single output; see :class:`Backbone`. Defaults to True.
        init_cfg: MMEngine's initialization config. `dict(type='Pretrained', checkpoint=…)` loads files of image ViTs
            (docs/guides/pretrained_vits.md).
        **overrides: Fields of :class:`ViTArch` that differ from `arch`.

    Raises:
        ValueError: For an option, name or layer that does not exist.

    Examples:
        >>> model = VisionTransformer('base', vit='clip')
        >>> model(torch.rand(1, 3, 224, 224))[0].shape
        torch.Size([1, 768])
    """

    unit = 'layer'
    block: type[ViTBlock] = ViTBlock

    def __init__(
        self,
        arch: Annotated[str | Mapping | ViTArch, Says(': give a name, a dict or a ViTArch')] = 'base',
        input_size: Size = (224, 224),
        in_channels: Channels = 3,
        drop_path_rate: Rate = 0.0,
        with_cp: Recomputed = False,
        out_indices: Index | Sequence[Index] = -1,
        out_type: OutType = 'cls_token',
        frozen_stages: FrozenStages = -1,
        as_tuple: bool = True,
        init_cfg: InitCfg = None,
        **overrides: Annotated[Any, PassedTo(ViTArch)],
    ):
        arch = resolve_arch(type(self).__name__, arch, ARCHS, ViTArch, **overrides)
        conv = arch.patch_conv(len(input_size))
        super().__init__(
            input_size=input_size,
            patch_stride=conv['stride'],
            depths=(1,) * arch.depth,
            out_indices=out_indices,
            out_type=out_type,
            has_cls_token=True,
            frozen_stages=frozen_stages,
            as_tuple=as_tuple,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )
        self.check_axes(patch_kernel=conv['kernel'], patch_padding=conv['padding'])
        self.embed_dims = dims = arch.embed_dims
        self.stage_dims = (dims,) * arch.depth
        grid, style = self.token_grid(self.input_size), arch.style
        self.patch_embed = PatchEmbed(
            in_channels,
            dims,
            kernel=conv['kernel'],
            stride=conv['stride'],
            padding=conv['padding'],
            bias=style.patch_bias,
        )
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims))
        self.pos_embed = PositionEmbedding(dims, grid, kind='space', with_cls_token=True) if style.abs_pos else None
        self.pre_norm = build_norm_layer(style.norm_cfg, dims)[1] if style.pre_norm else None
        self.blocks = ModuleList(self.block(**block) for block in arch.blocks(grid, drop_path_rate))
        self.norm = build_norm_layer(style.norm_cfg, dims)[1]
        self.freeze(None if out_type in ('cls_token', 'avg_featmap') else self.norm)

    def init_weights(self) -> None:
        """Initialize like :class:`Backbone`, and the class token like CLIP's public code."""
        nn.init.normal_(self.cls_token, std=self.embed_dims**-0.5)
        super().init_weights()

    def paper_init_cfg(self) -> list[dict]:
        """Linear layers from a truncated normal of standard deviation 0.02; norms one, biases zero."""
        return [
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
            dict(type='Constant', layer='LayerNorm', val=1.0, bias=0.0),
        ]

    def optional_part(self, name: str) -> str | None:
        """The final norm, which models that pool their patches lack."""
        return 'norm' if name.startswith('norm.') else None

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        """(N, C, [T,] H, W) of any size -> one tensor for each of `out_indices`, in the shape of `out_type`.

        Raises:
            ValueError: If the patch size does not divide the input size.
        """
        return self.pack(self.output(state) for _, state in self.run_stages(self.embed(x)))

    def embed(self, x: Tensor) -> tuple:
        """(N, C, [T,] H, W) -> tokens (N, [T,] 1 + H·W, C), the class token first, and their grid."""
        grid = self.input_grid(x)
        x = self.patch_embed(x).flatten(-3, -2)
        cls_token: Tensor = self.cls_token
        if self.pos_embed is not None:
            x = x + self.pos_embed(grid).flatten(-3, -2)
            cls_token = cls_token + self.pos_embed.cls
        x = torch.cat([cls_token.to(x.dtype).expand(*x.shape[:-2], 1, -1), x], -2)
        return x if self.pre_norm is None else self.pre_norm(x), grid

    def step(self, block: nn.Module, state: tuple) -> tuple:
        """Run one block."""
        x, grid, *others = state
        return self.run_block(block, x, grid[-2:]), grid, *others

    def route_map(self, stage: int, state: tuple) -> tuple:
        """Send the patches through `stage_maps[stage]` if that is hooked."""
        if not self.stage_maps[stage].in_use:
            return state
        x, grid, *others = state
        shown = self.show_map(stage, self.patch_tokens(x, grid))
        return torch.cat([x[..., :1, :], shown.reshape(x[..., 1:, :].shape)], -2), grid, *others

    @staticmethod
    def patch_tokens(x: Tensor, grid: Sequence[int]) -> Tensor:
        """Tokens (N, [T,] 1 + H·W, C) without class tokens, (N, [T,] H, W, C)."""
        return x[..., 1:, :].reshape(x.shape[0], *grid, x.shape[-1])

    def output(self, state: tuple) -> Tensor:
        """A layer's tokens in the shape of `out_type`."""
        if self.out_type == 'cls_token':
            return self.norm(self.class_feature(state))
        x, grid, *_ = state
        if self.out_type == 'raw':
            return x.flatten(1, -2)
        x = self.format_output(self.patch_tokens(x, grid))
        return self.norm(x) if self.out_type == 'avg_featmap' else x

    def class_feature(self, state: tuple) -> Tensor:
        """The class token, or its mean over the frames, (N, C)."""
        x, grid, *_ = state
        return x[..., 0, :] if len(grid) == 2 else x[..., 0, :].mean(1)
