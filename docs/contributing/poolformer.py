"""PoolFormer (arXiv:2111.11418) as a family of mmhvt: the worked example of docs/contributing/.

Shapes: N batch, C channels; a grid is ([T,] H, W).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch.nn.functional as F
from mmcv.cnn import build_conv_layer, build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmhvt.migrate.names import NameTable
from mmhvt.migrate.source import Source, StateDict, register
from mmhvt.models.backbones.arch import resolve_arch
from mmhvt.models.backbones.base import FrozenStages, HierarchicalBackbone, OutType
from mmhvt.models.layers import (
    Mlp,
    PatchEmbed,
    build_layer_scale,
    channels_first,
    channels_last,
    drop_path_rates,
)
from mmhvt.registry import MODELS
from mmhvt.utils import check_fields
from mmhvt.utils.option_configs import InitCfg
from mmhvt.utils.option_types import (
    Channels,
    Depths,
    Index,
    LayerScaleValue,
    PassedTo,
    Range,
    Rate,
    Ratio,
    Recomputed,
    Size,
)


# ------------------------------------------------------------------------------------------------ architecture
@dataclass(frozen=True)
class PoolFormerArch:
    """Architecture of a PoolFormer.

    Args:
        embed_dims: Channels of each stage.
        depths: Number of blocks in each stage.
        mlp_ratio: Hidden channels of an MLP over the channels of its input.
        pool_size: Side of the pooling that mixes the tokens of a frame.
        layer_scale: Initial factor of residual branches.

    Raises:
        ValueError: If channels and depths have different numbers of stages.
    """

    embed_dims: Sequence[Channels]
    depths: Depths
    mlp_ratio: Ratio = 4.0
    pool_size: Annotated[int, Range(1, 31)] = 3
    layer_scale: LayerScaleValue = 1e-5

    def __post_init__(self) -> None:
        check_fields('PoolFormer', self)
        if len(self.embed_dims) != len(self.depths):
            raise ValueError(f'PoolFormer: embed_dims={self.embed_dims} and depths={self.depths} differ in length')


# table 1
ARCHS = {
    's12': PoolFormerArch(embed_dims=(64, 128, 320, 512), depths=(2, 2, 6, 2)),
    's24': PoolFormerArch(embed_dims=(64, 128, 320, 512), depths=(4, 4, 12, 4)),
}


# ---------------------------------------------------------------------------------------------- block, backbone
class PoolFormerBlock(BaseModule):
    """Pooling and MLP, each in a residual branch (equations 3 and 4).

        Y = Pool(Norm(X)) − Norm(X) + X
        Z = MLP(Norm(Y)) + Y

    Args:
        dims: Number of channels.
        arch: Architecture.
        drop_path_rate: Stochastic depth rate.
    """

    def __init__(self, dims: int, arch: PoolFormerArch, drop_path_rate: float):
        super().__init__()
        self.pool_size = arch.pool_size
        self.norm1, self.norm2 = nn.GroupNorm(1, dims), nn.GroupNorm(1, dims)
        self.mlp = Mlp(dims, int(dims * arch.mlp_ratio))
        self.ls1, self.ls2 = (build_layer_scale(dims, arch.layer_scale) for _ in range(2))
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *grid) -> the same shape."""
        x = x + self.drop_path(self._scale(self.ls1, self._pool(self.norm1(x))))
        return x + self.drop_path(self._scale(self.ls2, channels_first(self.mlp(channels_last(self.norm2(x))))))

    def _pool(self, x: Tensor) -> Tensor:
        frames = x.flatten(1, -3)  # (N, C·T, H, W): each channel of each frame is pooled by itself
        pooled = F.avg_pool2d(frames, self.pool_size, stride=1, padding=self.pool_size // 2, count_include_pad=False)
        return pooled.view_as(x) - x

    @staticmethod
    def _scale(layer_scale: nn.Module, x: Tensor) -> Tensor:
        return channels_first(layer_scale(channels_last(x)))


@MODELS.register_module()
class PoolFormer(HierarchicalBackbone):
    """PoolFormer backbone for images and video.

    Args:
        arch: 's12', 's24', a dict of the fields of :class:`PoolFormerArch`, or one of these.
        input_size: (H, W) or (T, H, W).
        drop_path_rate: Stochastic depth rate of the last block; grows linearly from 0. Defaults to 0.
        **kwargs: `out_indices`, `out_type`, `frozen_stages`, `with_cp` and `init_cfg` of the base class, and fields of
            the architecture that differ from `arch`.
    """

    def __init__(
        self,
        arch: str | Mapping | PoolFormerArch = 's12',
        input_size: Size = (224, 224),
        drop_path_rate: Rate = 0.0,
        out_indices: Index | Sequence[Index] = -1,
        out_type: OutType = 'avg_featmap',
        frozen_stages: FrozenStages = -1,
        with_cp: Recomputed = False,
        init_cfg: InitCfg = None,
        **overrides: Annotated[Any, PassedTo(PoolFormerArch)],
    ):
        arch = resolve_arch('PoolFormer', arch, ARCHS, PoolFormerArch, **overrides)
        axes = len(input_size)
        super().__init__(
            input_size=input_size,
            patch_stride=(2, 4, 4)[-axes:],
            depths=arch.depths,
            out_indices=out_indices,
            out_type=out_type,
            frozen_stages=frozen_stages,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )
        dims = arch.embed_dims
        self.patch_embed = PatchEmbed(3, dims[0], (3, 7, 7)[-axes:], self.patch_stride, (1, 2, 2)[-axes:])
        rates = iter(drop_path_rates(drop_path_rate, sum(arch.depths)))
        self.blocks = ModuleList(
            PoolFormerBlock(channels, arch, next(rates))
            for channels, depth in zip(dims, arch.depths, strict=True)
            for _ in range(depth)
        )
        conv = dict(type=f'Conv{axes}d')
        kernel, stride, padding = (1, 3, 3)[-axes:], (1, 2, 2)[-axes:], (0, 1, 1)[-axes:]
        self.downsamples = ModuleList(
            build_conv_layer(conv, before, after, kernel, stride, padding)
            for before, after in zip(dims[:-1], dims[1:], strict=True)
        )
        self.embed_dims = dims[-1]
        self.norm = build_norm_layer(dict(type='LN', eps=1e-6), self.embed_dims)[1]
        last = self.out_indices[-1]
        normed = out_type == 'avg_featmap' and last == len(dims) - 1
        self.freeze(*self.downsamples[last:], None if normed else self.norm)

    # ---- what base.Backbone asks of a family

    def stage_stride(self, stage: int) -> tuple[int, ...]:
        """Stride per axis of a stage's tokens over those of the patch embedding."""
        return (1, 2**stage, 2**stage)[-len(self.input_size) :]

    def step(self, block: nn.Module, x: Tensor) -> Tensor:
        """Run one block."""
        return self.run_block(block, x)

    def route_map(self, stage: int, x: Tensor) -> Tensor:
        """Send a stage's map through `stage_maps` if a hook waits there."""
        return channels_first(self.show_map(stage, channels_last(x))) if self.stage_maps[stage].in_use else x

    def transition(self, stage: int, x: Tensor) -> Tensor:
        """Halve the resolution."""
        return self.downsamples[stage](x)

    def transitions(self, stages: int) -> Iterable[nn.Module]:
        """Modules of the transitions after the first `stages` stages."""
        return self.downsamples[:stages]

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Layer of a parameter; a transition belongs to the first block of its stage."""
        name = param_name.removeprefix(prefix)
        if name.startswith('downsamples.'):
            return self.last_blocks[int(name.split('.')[1])] + 2, len(self.blocks) + 2
        return super().get_layer_depth(param_name, prefix)

    def paper_init_cfg(self) -> list[dict]:
        """Truncated normal of standard deviation 0.02 and zero biases."""
        return [dict(type='TruncNormal', layer=['Linear', 'Conv2d', 'Conv3d'], std=0.02, bias=0.0)]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, [T,] H, W) -> one tensor for each of `out_indices`, shaped as `out_type` says."""
        self.input_grid(x)  # refuses sizes that the patch stride does not divide
        x = channels_first(self.patch_embed(x))
        return tuple(self._output(stage, state) for stage, state in self.run_stages(x))

    def _output(self, stage: int, x: Tensor) -> Tensor:
        out = self.format_output(channels_last(x))
        last = stage == len(self.last_blocks) - 1
        return self.norm(out) if last and self.out_type == 'avg_featmap' else out


# ------------------------------------------------------------------------------------------- source of weights
@register()
class TimmPoolFormer(Source):
    """Options are arguments of timm's `MetaFormer` that its PoolFormers have."""

    family, repository, title = 'poolformer', 'timm', "timm's PoolFormer"
    signature = ('stem.conv.weight', 'stages.0.blocks.0.layer_scale1.scale')
    table = NameTable(
        ('stem.conv.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
        ('stages.{i}.downsample.conv.{leaf}', 'backbone.downsamples.{i}.{leaf}'),
        ('blocks.{i}.layer_scale{n}.scale', 'backbone.blocks.{i}.ls{n}.gamma'),
        ('blocks.{i}.{rest}', 'backbone.blocks.{i}.{rest}'),
        ('head.norm.{leaf}', 'backbone.norm.{leaf}'),
        ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    models = {
        'poolformer_s12': dict(depths=(2, 2, 6, 2), dims=(64, 128, 320, 512)),
        'poolformer_s24': dict(depths=(4, 4, 12, 4), dims=(64, 128, 320, 512)),
    }
    defaults = dict(layer_scale_init_values=1e-5)
    required = ('depths', 'dims')
    ignored = ('num_classes', 'drop_rate')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        layer_scale = options['layer_scale_init_values']
        arch = dict(embed_dims=options['dims'], depths=options['depths'], layer_scale=layer_scale)
        return dict(type='mmhvt.PoolFormer', arch=arch)

    def unpack(self, theirs: StateDict) -> StateDict:
        """Number blocks through all stages and downsamplings from 0; point-wise convolutions become linear."""
        blocks = sorted({tuple(map(int, n.split('.')[1:4:2])) for n in theirs if '.blocks.' in n})
        found = {}
        for name, value in theirs.items():
            parts = name.split('.')
            if '.blocks.' in name:
                name = '.'.join(['blocks', str(blocks.index((int(parts[1]), int(parts[3])))), *parts[4:]])
            elif '.downsample.' in name:
                name = '.'.join(['stages', str(int(parts[1]) - 1), *parts[2:]])
            found[name] = value.flatten(1) if '.mlp.' in name and value.ndim == 4 else value
        return found
