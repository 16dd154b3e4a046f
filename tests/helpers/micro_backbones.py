"""A backbone of each family that runs in milliseconds, for video and for images.

A new family needs one entry of `MICRO`; tests/models/backbones/test_contract.py tests it from then on.
"""

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import nn

from mmhvt.models.backbones.base import Backbone
from mmhvt.registry import MODELS

INPUTS = {'video': (8, 32, 32), 'images': (32, 32)}


@dataclass(frozen=True)
class Micro:
    """A micro backbone and what its outputs should be.

    Args:
        type: Name of the registered class.
        depths: Number of blocks of each stage; in a plain ViT each layer is a stage of its own.
        channels: Channels of each stage's feature map.
        strides: Stride of each stage's feature map in space, in pixels.
        time_stride: Stride of all feature maps in time, in frames.
        arguments: Arguments of the backbone for video.
        per_axis: Arguments of the backbone for video with one number per axis, of which images take the last two.
        normed_maps: Whether a norm per stage follows the maps of stages. Defaults to False.
        transitions: Name of the modules between stages, if they belong to no block.
    """

    type: str
    depths: tuple[int, ...]
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    time_stride: int
    arguments: dict
    per_axis: dict[str, tuple[int, int, int]]
    normed_maps: bool = False
    transitions: str | None = None

    @property
    def stage_ends(self) -> tuple[int, ...]:
        """Numbers of blocks of the first 0, 1, … stages."""
        return 0, *accumulate(self.depths)


STAGES = dict(embed_dims=16, num_heads=1, depths=(1, 1, 2))
PLAIN = dict(embed_dims=24, num_heads=2, depth=3, patch_size=8)
LAYERS = dict(depths=(1, 1, 1), channels=(24, 24, 24), strides=(8, 8, 8), time_stride=1, per_axis={})
MICRO = {
    'SMViT': Micro(
        type='SMViT',
        depths=(1, 1, 2),
        channels=(16, 32, 64),
        strides=(4, 8, 16),
        time_stride=2,
        arguments=dict(arch=STAGES, q_pool=2, mask_unit_attn=(True, True, False)),
        per_axis=dict(mask_unit_size=(1, 4, 4)),
    ),
    'MViT': Micro(
        type='MViT',
        depths=(1, 1, 2),
        channels=(32, 64, 64),
        strides=(4, 8, 16),
        time_stride=2,
        arguments=dict(arch=STAGES | dict(version=1)),
        per_axis={},
        normed_maps=True,
    ),
    'MViTv2': Micro(
        type='MViT',
        depths=(1, 1, 2),
        channels=(16, 32, 64),
        strides=(4, 8, 16),
        time_stride=2,
        arguments=dict(arch=STAGES | dict(version=2)),
        per_axis={},
        normed_maps=True,
    ),
    'VisionTransformer': Micro(type='VisionTransformer', arguments=dict(arch=PLAIN), **LAYERS),
    'VideoSwin': Micro(
        type='VideoSwin',
        depths=(2, 2),
        channels=(16, 32),
        strides=(4, 8),
        time_stride=2,
        arguments=dict(arch=dict(embed_dims=16, num_heads=(1, 2), depths=(2, 2))),
        per_axis=dict(window_size=(2, 4, 4)),
        normed_maps=True,
        transitions='merges',
    ),
    'UniFormerV2': Micro(
        type='UniFormerV2', arguments=dict(arch=PLAIN, local_layers='all', global_layers='last 2'), **LAYERS
    ),
}
FAMILIES = tuple(MICRO)


def registered_backbones() -> set[type[Backbone]]:
    """All backbones of the registry."""
    MODELS.import_from_location()
    return {each for each in MODELS.module_dict.values() if isinstance(each, type) and issubclass(each, Backbone)}


def config(family: str, kind: str = 'video', **kwargs) -> dict:
    """Config of a backbone.

    Args:
        family: One of `FAMILIES`.
        kind: 'video' or 'images'.
        **kwargs: Further arguments of the backbone.
    """
    micro, size = MICRO[family], INPUTS[kind]
    per_axis = {name: value[-len(size) :] for name, value in micro.per_axis.items()}
    return dict(type=f'mmhvt.{micro.type}', input_size=size) | micro.arguments | per_axis | kwargs


def randomize(model: nn.Module) -> nn.Module:
    """Random weights, so that no branch is zero, and evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'norm' not in name:
                parameter.normal_(std=0.1, generator=generator)
    return model.eval()


def build(family: str, kind: str = 'video', **kwargs) -> nn.Module:
    """A backbone of random weights in evaluation mode, arguments as of :func:`config`."""
    return randomize(MODELS.build(config(family, kind, **kwargs)))


def inputs(kind: str, batch: int = 2) -> torch.Tensor:
    """Random images (N, 3, 32, 32) or clips (N, 3, 8, 32, 32)."""
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, *INPUTS[kind], generator=generator)


def capture_maps(model: nn.Module, x: torch.Tensor) -> tuple[list[torch.Tensor], tuple[torch.Tensor, ...]]:
    """What passes each of `stage_maps`, and the output."""
    maps = {}
    hooks = [
        place.register_forward_hook(lambda module, args, out, i=i: maps.update({i: out}))
        for i, place in enumerate(model.stage_maps)
    ]
    outs = model(x)
    for hook in hooks:
        hook.remove()
    return [maps[i] for i in range(len(maps))], outs
