"""A backbone of each family that runs in milliseconds, for video and for images."""

import torch
from torch import nn

import mmhvt.models.backbones  # noqa: F401
from mmhvt.registry import MODELS

THREE_STAGES = dict(embed_dims=16, num_heads=1, depths=(1, 1, 2))
FAMILIES = ('SMViT', 'MViT', 'MViTv2', 'VisionTransformer', 'VideoSwin', 'UniFormerV2')
INPUTS = {'video': (8, 32, 32), 'images': (32, 32)}


def config(family: str, kind: str = 'video', **kwargs) -> dict:
    """Config of a backbone.

    Args:
        family: One of `FAMILIES`.
        kind: 'video' or 'images'.
        **kwargs: Further arguments of the backbone.
    """
    axes = len(INPUTS[kind])
    patch = (1, 8, 8)[-axes:]
    plain = dict(version=1, embed_dims=24, num_heads=2, depths=(3,), kv_stride='none', abs_pos='joint')
    plain |= dict(patch_kernel=patch, patch_stride=patch, patch_padding=(0, 0, 0)[-axes:])
    own = {
        'SMViT': dict(
            arch=THREE_STAGES, mask_unit_size=(1, 4, 4)[-axes:], q_pool=2, mask_unit_attn=(True, True, False)
        ),
        'MViT': dict(arch=THREE_STAGES | dict(version=1)),
        'MViTv2': dict(type='mmhvt.MViT', arch=THREE_STAGES | dict(version=2)),
        'VisionTransformer': dict(arch=plain),
        'VideoSwin': dict(arch=dict(embed_dims=16, num_heads=(1, 2), depths=(2, 2)), window_size=(2, 4, 4)[-axes:]),
        'UniFormerV2': dict(
            arch=dict(embed_dims=24, num_heads=2, depth=3, patch_size=8), local_layers='all', global_layers='last 2'
        ),
    }[family]
    return dict(type=f'mmhvt.{family}', input_size=INPUTS[kind]) | own | kwargs


def randomise(model: nn.Module) -> nn.Module:
    """Random weights, so that no branch is zero, and evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'norm' not in name:
                parameter.normal_(std=0.1, generator=generator)
    return model.eval()


def build(family: str, kind: str = 'video', **kwargs) -> nn.Module:
    """A backbone of random weights in evaluation mode, arguments as of :func:`config`."""
    return randomise(MODELS.build(config(family, kind, **kwargs)))


def inputs(kind: str, batch: int = 2) -> torch.Tensor:
    """Random images (N, 3, 32, 32) or clips (N, 3, 8, 32, 32)."""
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, *INPUTS[kind], generator=generator)
