"""UniFormerV2 (paper: "UniFormerV2: Spatiotemporal Learning by Arming Image ViTs with Video UniFormer",
papers/uniformerv2).

A pre-trained image ViT looks at every frame. Local UniBlocks put a temporal module into its layers, which begins at
zero; global UniBlocks behind its later layers gather the clip into a video token, which begins at zero too; the
tokens of several layers are fused, and the result is weighed against the mean class token of the frames. At the
first step the model is the ViT (appendix A).
"""

import re
from collections.abc import Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmengine.model import ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmhvt.models.layers import (
    TEMPORAL_MODULES,
    LocalUniBlock,
    MultiStageFusion,
    PatchEmbed,
    PositionEmbedding,
    resize_position_embedding,
)
from mmhvt.registry import MODELS

from .base import HierarchicalBackbone, choose_arch

ARCHS = {
    'base': dict(embed_dims=768, num_heads=12, depth=12, patch_size=16),
    'large': dict(embed_dims=1024, num_heads=16, depth=24, patch_size=14),
}
# ViTs by what they were pre-trained with (table 8): in what their layers differ
VITS = {
    'clip': dict(act='quick_gelu', pre_norm=True, patch_bias=False, eps=1e-5),
    'open_clip': dict(act='gelu', pre_norm=True, patch_bias=False, eps=1e-5),
    # supervised on ImageNet-21K, DINO, MAE
    'vit': dict(act='gelu', eps=1e-6),
    'deit3': dict(act='gelu', layer_scale=True, eps=1e-6),
    'beit': dict(act='gelu', layer_scale=True, rel_pos_bias=True, abs_pos=False, eps=1e-6),
}
_VIT = dict(act='gelu', pre_norm=False, patch_bias=True, layer_scale=False, rel_pos_bias=False, abs_pos=True, eps=1e-6)
# "we adopt all the designs" (appendix A) for Something-Something
_ALL_DESIGNS = dict(local_layers='all', temporal_downsample=True)
_TABLE_15 = dict(arch='base', global_layers=None, input_size=(16, 224, 224), **_ALL_DESIGNS)
# models of the tables by name, with the input that they were measured on
PRESETS = {
    'uniformerv2-b16-8f': dict(arch='base'),
    'uniformerv2-b16-16f': dict(arch='base', input_size=(16, 224, 224)),
    'uniformerv2-l14-8f': dict(arch='large'),
    'uniformerv2-l14-32f': dict(arch='large', input_size=(32, 224, 224)),
    'uniformerv2-l14-336-32f': dict(arch='large', input_size=(32, 336, 336)),
    'uniformerv2-l14-336-64f': dict(arch='large', input_size=(64, 336, 336)),
    'uniformerv2-l14-336-frozen-8f': dict(arch='large', input_size=(8, 336, 336), frozen=True),
    'uniformerv2-l14-336-frozen-32f': dict(arch='large', input_size=(32, 336, 336), frozen=True),
    'uniformerv2-b16-sthv2-16f': dict(arch='base', input_size=(16, 224, 224), global_layers='5-12', **_ALL_DESIGNS),
    'uniformerv2-b16-sthv2-32f': dict(arch='base', input_size=(32, 224, 224), global_layers='5-12', **_ALL_DESIGNS),
    'uniformerv2-l14-sthv2-16f': dict(arch='large', input_size=(16, 224, 224), global_layers='9-24', **_ALL_DESIGNS),
    'uniformerv2-l14-sthv2-32f': dict(arch='large', input_size=(32, 224, 224), global_layers='9-24', **_ALL_DESIGNS),
    'temporal-mean-pooling': dict(temporal='none', **_TABLE_15),
    'temporal-divided-st': dict(temporal='divided', **_TABLE_15),
    'temporal-joint-st': dict(temporal='joint', **_TABLE_15),
    'temporal-conv': dict(temporal='conv', **_TABLE_15),
    'temporal-shift': dict(temporal='shift', **_TABLE_15),
    'temporal-transformer': dict(temporal='transformer', **_TABLE_15),
    'temporal-local-mhra': dict(temporal='local_mhra', **_TABLE_15),
}
DEFAULTS = dict(
    input_size=(8, 224, 224),
    local_layers=None,
    temporal='local_mhra',
    temporal_downsample=False,
    frozen=False,
)


def parse_layers(layers: str | Sequence[int] | None, depth: int, name: str = 'layers') -> list[int]:
    """Layers counted from 0, from what a person writes, who counts from 1 as the paper's tables do.

    Args:
        layers: '9-12', '1-4, 9, 11-12', 'last 4', 'all', a list of numbers, or None for none.
        depth: Layers there are.
        name: What is being parsed; stands in messages.

    Raises:
        ValueError: For layers that there are not, or words that are not understood.
    """
    would_do = f"'9-12', '1, 5-8', 'last 4', 'all', numbers from 1 to {depth}, or None"
    if layers is None:
        return []
    if layers == 'all':
        return list(range(depth))
    if isinstance(layers, str):
        last = re.fullmatch(r'last (\d+)', layers)
        parts = [f'{depth - int(last[1]) + 1}-{depth}'] if last else re.split(r'\s*,\s*', layers.strip())
        matches = [re.fullmatch(r'(-?\d+)(?:\s*-\s*(\d+))?', part) for part in parts]
        if not all(matches):
            raise ValueError(f'{name}={layers!r} is not understood; {would_do} would do')
        numbers = [i for m in matches for i in range(int(m[1]), int(m[2] or m[1]) + 1)]
    else:
        numbers = [layers] if isinstance(layers, int) else list(layers)
    if not numbers or not all(isinstance(i, int) and 1 <= i <= depth for i in numbers):
        raise ValueError(f'{name}={layers!r}: there are {depth} layers, numbered from 1; {would_do} would do')
    return [i - 1 for i in sorted(set(numbers))]


class TemporalTransformer(ModuleList):
    """Transformer layers over the class tokens of the frames (table 15: six, behind the backbone).

    Args:
        embed_dims: Channels C.
        num_heads: Heads.
        frames: Frames that the position embedding is made for; it is resized for others.
        num_layers: Layers.
        act, norm_cfg: See :class:`LocalUniBlock`.
    """

    def __init__(self, embed_dims: int, num_heads: int, frames: int, num_layers: int, act: str, norm_cfg: dict):
        super().__init__(
            LocalUniBlock(embed_dims, num_heads, temporal='none', act=act, norm_cfg=norm_cfg) for _ in range(num_layers)
        )
        self.pos_embed = nn.Parameter(torch.zeros(1, frames, embed_dims))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, C) -> (N, T, C)."""
        x = x + resize_position_embedding(self.pos_embed, self.pos_embed.shape[1:2], x.shape[1:2])
        x = x[:, None]
        for layer in self:
            x = layer(x)
        return x[:, 0]


@MODELS.register_module()
class UniFormerV2(HierarchicalBackbone):
    """UniFormerV2 backbone for video, and a plain ViT with its blocks for images.

    Args:
        arch: 'base' (B/16), 'large' (L/14); a model of the paper's tables with its input and layers, such as
            'uniformerv2-b16-sthv2-16f' (`PRESETS`); or a dict of embed_dims, num_heads, depth, patch_size.
        input_size: (T, H, W) or (H, W); by default the preset's or (8, 224, 224).
        in_channels: Channels of the input.
        patch_size: Side of a patch in pixels; by default the arch's.
        vit: What the ViT is, by its pre-training (`VITS`): 'clip', 'open_clip', 'vit' (supervised, DINO, MAE),
            'deit3', 'beit'; or a dict of what differs: act, pre_norm, patch_bias, layer_scale, rel_pos_bias, abs_pos,
            eps (of all norms).
        local_layers: Layers that have the temporal module, counted from 1: '1-12', '1-4, 9', 'last 4', 'all', a list,
            or None. By default the preset's or none, as for Kinetics (appendix A).
        global_layers: Layers that a global UniBlock stands behind, in the same way; by default the preset's or
            'last 4'.
        temporal: The module in the local layers: 'local_mhra' by default, or what tables 9b and 15 compare it with:
            'none', 'conv', 'divided', 'joint', 'shift', 'st_adapter', and 'transformer', six layers over the frames'
            class tokens behind the last layer.
        local_times: 'local_mhra' before attention (1) or before and behind it (2).
        local_reduction: Channels within the temporal module are C over this (table 9b: 1, 1.5, 2, 4).
        temporal_kernel: Frames of a temporal convolution.
        temporal_downsample: Patches of `patch_frames` frames with stride 2 instead of single frames.
        patch_frames: Frames of a patch with `temporal_downsample`.
        fusion: 'sequential', 'parallel', 'hierarchical_kv', 'hierarchical_q' (section 3.3).
        num_queries: Queries of a global block (table 14).
        global_dpe: Whether global blocks have DPE (table 9c).
        global_num_heads, global_mlp_ratio: Of global blocks; by default those of the ViT, and 4.
        with_class_token: Weigh the fused token against the mean class token of the frames; without, the fused token
            alone is the feature (table 12).
        mlp_ratio: Hidden channels of the ViT's MLPs over C.
        qkv_bias: Whether the ViT's projections to queries, keys and values have a bias.
        drop_path_rate: Of the last layer, growing linearly from 0; a clip is dropped as a whole.
        global_drop_path_rate: Of the last global block, growing linearly from 0.
        global_dropout: Of the hidden channels in the global blocks' MLPs.
        frozen: Train the global blocks and the final norm alone (table 1, "frozen"): all else takes no gradients and
            stays in evaluation mode.
        inflation: What an image's patch embedding becomes when it is loaded: 'centre' or 'mean'.
        with_cp: Recompute layers in the backward pass instead of keeping their activations.
        out_indices: Layers to return, counted from 0, negative ones from the last.
        out_type: 'cls_token', the normed video feature (N, C); 'featmap', the patches behind the local blocks
            (N, C, [T,] H, W), which leaves the global blocks idle; 'avg_featmap', their mean, normed; 'raw',
            (N, L, C).
        frozen_stages: 0 freezes the patch embedding with positions and class token, n so many layers as well, with
            their temporal modules; -1 nothing. All layers are what `frozen` freezes.
        init_cfg: MMEngine's. `dict(type='Pretrained', checkpoint=…)` takes files of CLIP and other image ViTs and of
            UniFormerV2.

    Raises:
        ValueError: For a name or layer that there is not, or settings that contradict each other.

    Examples:
        >>> model = UniFormerV2('uniformerv2-b16-sthv2-16f')
        >>> model(torch.rand(1, 3, 16, 224, 224))[0].shape
        torch.Size([1, 768])
    """

    has_cls_token = True
    freezes_layers = True

    def __init__(
        self,
        arch: str | dict = 'base',
        input_size: Sequence[int] | None = None,
        in_channels: int = 3,
        patch_size: int | None = None,
        vit: str | dict = 'clip',
        local_layers: str | Sequence[int] | None = 'arch',
        global_layers: str | Sequence[int] | None = 'arch',
        temporal: str | None = None,
        local_times: int = 2,
        local_reduction: float = 1.5,
        temporal_kernel: int = 3,
        temporal_downsample: bool | None = None,
        patch_frames: int = 3,
        fusion: str = 'sequential',
        num_queries: int = 1,
        global_dpe: bool = True,
        global_num_heads: int | None = None,
        global_mlp_ratio: float = 4.0,
        with_class_token: bool = True,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.0,
        global_drop_path_rate: float = 0.0,
        global_dropout: float = 0.0,
        frozen: bool | None = None,
        inflation: str = 'centre',
        with_cp: bool = False,
        out_indices: int | Sequence[int] = -1,
        out_type: str = 'cls_token',
        init_cfg: dict | list | None = None,
        frozen_stages: int = -1,
    ):
        preset = PRESETS.get(arch, {}) if isinstance(arch, str) else {}
        given = dict(input_size=input_size, temporal=temporal, temporal_downsample=temporal_downsample, frozen=frozen)
        cfg = DEFAULTS | preset | {key: value for key, value in given.items() if value is not None}
        layers = dict(local_layers=local_layers, global_layers=global_layers)
        cfg |= {key: value for key, value in layers.items() if value != 'arch'}
        arch = choose_arch(preset.get('arch', arch), ARCHS, 'UniFormerV2', PRESETS)
        dims, num_heads, depth = arch['embed_dims'], arch['num_heads'], arch['depth']
        side = arch['patch_size'] if patch_size is None else patch_size
        if side < 1:
            raise ValueError(f'UniFormerV2: patch_size={side} has to be a pixel or more')
        if global_num_heads is None:
            global_num_heads = num_heads
        elif global_num_heads < 1 or dims % global_num_heads:
            raise ValueError(f'UniFormerV2: global_num_heads={global_num_heads} heads do not divide {dims} channels')
        vit = self._choose_vit(vit)
        temporal = cfg['temporal']
        if temporal not in (*TEMPORAL_MODULES, 'transformer'):
            raise ValueError(
                f'UniFormerV2: temporal={temporal!r}: choose from {", ".join((*TEMPORAL_MODULES, "transformer"))}'
            )
        if inflation not in ('centre', 'mean'):
            raise ValueError(f'UniFormerV2: inflation={inflation!r}: choose from centre, mean')
        local = parse_layers(cfg['local_layers'], depth, 'UniFormerV2: local_layers')
        behind = parse_layers(cfg.get('global_layers', f'last {min(4, depth)}'), depth, 'UniFormerV2: global_layers')
        images = isinstance(cfg['input_size'], Sequence) and len(cfg['input_size']) == 2
        down = cfg['temporal_downsample'] and not images
        time = (2 if down else 1,)
        if cfg['frozen'] and frozen_stages not in (-1, depth):
            raise ValueError(f'UniFormerV2: frozen=True freezes all {depth} layers, frozen_stages={frozen_stages} not')
        super().__init__(
            cfg['input_size'],
            (side, side) if images else (*time, side, side),
            depth,
            out_indices,
            out_type,
            init_cfg,
            depth if cfg['frozen'] else frozen_stages,
        )
        self.has_video_token = out_type == 'cls_token'
        if self.has_video_token and self.out_indices != [depth - 1]:
            raise ValueError(
                f"UniFormerV2: out_type='cls_token' is the feature of the whole model, not of out_indices={out_indices}"
            )
        if vit['rel_pos_bias'] and temporal == 'joint' and local:
            raise ValueError("UniFormerV2: temporal='joint' attends between frames, where rel_pos_bias has no values")
        if not (behind or with_class_token):
            raise ValueError('UniFormerV2: with_class_token=False and global_layers=None leave no feature')
        self.embed_dims, self.with_cp, self.inflation, self.frozen = dims, with_cp, inflation, cfg['frozen']
        norm_cfg = dict(type='LN', eps=vit['eps'])
        grid = self.token_grid(self.input_size)

        kernel = (side, side)
        padding = (0, 0)
        if not images:
            frames = patch_frames if down else 1
            kernel, padding = (frames, *kernel), ((frames - 1) // 2, *padding)
        self.check_axes(kernel, padding)
        self.patch_embed = PatchEmbed(in_channels, dims, kernel, self.patch_stride, padding, bias=vit['patch_bias'])
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dims))
        self.pos_embed = PositionEmbedding(dims, grid, 'space', with_cls_token=True) if vit['abs_pos'] else None
        self.pre_norm = build_norm_layer(norm_cfg, dims)[1] if vit['pre_norm'] else None
        self.blocks = ModuleList(
            LocalUniBlock(
                dims,
                num_heads,
                mlp_ratio,
                temporal if i in local and temporal != 'transformer' else 'none',
                local_times,
                local_reduction,
                1 if images else temporal_kernel,
                act=vit['act'],
                layer_scale=vit['layer_scale'],
                qkv_bias=qkv_bias,
                rel_pos_grid=grid[-2:] if vit['rel_pos_bias'] else None,
                drop_path_rate=drop_path_rate * i / max(depth - 1, 1),
                norm_cfg=norm_cfg,
            )
            for i in range(depth)
        )
        self.last_blocks = [depth - 1]  # a plain ViT is of one stage
        self.temporal_transformer = None
        if temporal == 'transformer' and local:
            self.temporal_transformer = TemporalTransformer(dims, num_heads, grid[0], 6, vit['act'], norm_cfg)
        self.global_layers = behind
        self.fusion = None
        if behind:
            self.fusion = MultiStageFusion(
                dims,
                len(behind),
                fusion,
                num_queries,
                global_drop_path_rate,
                num_heads=global_num_heads,
                mlp_ratio=global_mlp_ratio,
                with_dpe=global_dpe,
                axes=len(self.input_size),
                act=vit['act'],
                dropout=global_dropout,
                norm_cfg=norm_cfg,
            )
        # weight of the class token is its sigmoid, one half at first
        self.balance = nn.Parameter(torch.zeros(dims)) if behind and with_class_token else None
        self.with_class_token = with_class_token
        self.norm = build_norm_layer(norm_cfg, dims)[1]
        self.num_running = self.out_indices[-1] + 1
        self._freeze_idle()
        self.freeze_stages()

    @staticmethod
    def _choose_vit(vit: str | dict) -> dict:
        if isinstance(vit, dict):
            if not set(vit) <= set(_VIT):
                raise ValueError(f'UniFormerV2: vit as a dict has the keys {", ".join(_VIT)}, not {", ".join(vit)}')
            return _VIT | vit
        if vit not in VITS:
            raise ValueError(f'UniFormerV2: vit={vit!r}: choose from {", ".join(VITS)}, or give a dict')
        return _VIT | VITS[vit]

    def _freeze_idle(self) -> None:
        idle = [*self.blocks[self.num_running :]]
        if not self.has_video_token:
            idle += [module for module in (self.fusion, self.temporal_transformer) if module is not None]
            if self.balance is not None:
                self.balance.requires_grad_(False)
            if self.out_type != 'avg_featmap':
                idle.append(self.norm)
        self.freeze_idle(idle)

    def init_weights(self) -> None:
        """As :meth:`HierarchicalBackbone.init_weights`; class token and positions as the public code of CLIP."""
        nn.init.normal_(self.cls_token, std=self.embed_dims**-0.5)
        super().init_weights()

    def paper_init_cfg(self) -> list[dict]:
        """Linears from a truncated normal of deviation 0.02, norms one, biases zero.

        The paper has no model without a pre-trained ViT; what is new in it begins as appendix A says.
        """
        return [
            dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.0),
            dict(type='Constant', layer=['LayerNorm', 'BatchNorm1d'], val=1.0, bias=0.0),
        ]

    def optional_part(self, name: str) -> str | None:
        """As :meth:`HierarchicalBackbone.optional_part`: an image ViT has nothing of what makes it a video model."""
        if name.startswith('blocks.'):
            return 'local' if '.temporal' in name else None
        first = name.split('.')[0]
        return first if first in ('fusion', 'balance', 'temporal_transformer', 'norm') else None

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """As :meth:`HierarchicalBackbone.get_layer_depth`; the global blocks belong to the last layer."""
        if param_name.startswith(prefix + 'pre_norm.'):
            return 0, len(self.blocks) + 2
        return super().get_layer_depth(param_name, prefix)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, [T,] H, W) of any size -> one tensor for each of `out_indices`, shaped as `out_type` says.

        Raises:
            ValueError: If the patches do not divide the input.
        """
        grid = self.input_grid(x)
        x = self.patch_embed(x)  # (N, [T,] H, W, C)
        clip = grid if len(grid) == 3 else (1, *grid)
        x = x.reshape(x.shape[0], clip[0], -1, self.embed_dims)  # (N, T, H·W, C)
        cls_token = self.cls_token
        if self.pos_embed is not None:
            x = x + self.pos_embed(grid).flatten(1, -2)
            cls_token = cls_token + self.pos_embed.cls
        x = torch.cat([cls_token.to(x.dtype).expand(x.shape[0], clip[0], 1, -1), x], 2)
        if self.pre_norm is not None:
            x = self.pre_norm(x)
        outs, tokens = [], []
        last_before = self.num_running - 1 if self.has_video_token else None
        for i in range(self.num_running):
            block = self.blocks[i]
            if i == last_before:
                x = self._show(x, grid, i)
            cp = self.with_cp and x.requires_grad
            x = checkpoint(block, x, clip[1:], use_reentrant=False) if cp else block(x, clip[1:])
            if i != last_before:
                x = self._show(x, grid, i)
            if self.has_video_token and i in self.global_layers:
                tokens.append(self.fusion(len(tokens), tokens, x, clip))
            elif not self.has_video_token and i in self.out_indices:
                outs.append(self._format(x, grid))
        if self.has_video_token:
            return (self.norm(self._feature(x[:, :, 0], tokens)),)
        return tuple(outs)

    def _feature(self, frames: Tensor, tokens: list[Tensor]) -> Tensor:
        """Class tokens of the frames (N, T, C) and video tokens of the global blocks -> (N, C)."""
        if self.temporal_transformer is not None:
            frames = self.temporal_transformer(frames)
        frames = frames.mean(1)
        if not tokens:
            return frames
        video = self.fusion.reduce(tokens)
        if not self.with_class_token:
            return video
        return video.lerp(frames, self.balance.sigmoid().to(video.dtype))

    def _show(self, x: Tensor, grid: Sequence[int], layer: int) -> Tensor:
        """Tokens (N, T, 1 + H·W, C), by way of :meth:`show_map` if somebody looks at the layer's map."""
        if not self.stage_maps[layer].in_use:
            return x
        patches = x[:, :, 1:]
        shown = self.show_map(layer, patches.reshape(x.shape[0], *grid, self.embed_dims))
        return torch.cat([x[:, :, :1], shown.reshape(patches.shape)], 2)

    def _format(self, x: Tensor, grid: Sequence[int]) -> Tensor:
        """Tokens (N, T, 1 + H·W, C) as `out_type` says."""
        x = self.format_output(x[:, :, 1:].reshape(x.shape[0], *grid, self.embed_dims))
        return self.norm(x) if self.out_type == 'avg_featmap' else x
