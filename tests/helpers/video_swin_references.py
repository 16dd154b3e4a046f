"""Micro models of Video Swin in torchvision and mmaction2, and of Swin in timm."""

import re

from mmaction.registry import MODELS as MMACTION
from mmengine.registry import DefaultScope
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn
from torchvision.models.video import swin_transformer as torchvision_models

from helpers.references import CLASSES

MICRO = dict(embed_dim=16, depths=(2, 2, 2), num_heads=(1, 2, 4))
TWO_STAGES = dict(embed_dim=8, depths=(2, 2), num_heads=(1, 2))
# tokens of the first stage in brackets
VIDEO = {
    'windows divide all grids': dict(window_size=(2, 3, 3), size=(8, 48, 48)),  # (4, 12, 12)
    'windows divide no grid': dict(window_size=(2, 5, 4), size=(6, 44, 56)),  # (3, 11, 14)
    'patches do not divide the input': dict(window_size=(4, 5, 5), **TWO_STAGES, size=(21, 178, 150)),  # (11, 45, 38)
    'the published window there': dict(window_size=(8, 7, 7), **TWO_STAGES, batch=1, size=(21, 178, 150)),
    'windows over all axes': dict(window_size=(8, 7, 7), size=(6, 20, 24)),  # (3, 5, 6)
    'windows over time': dict(window_size=(8, 3, 3), size=(6, 48, 40)),  # (3, 12, 10)
    'windows over height': dict(window_size=(2, 7, 3), size=(8, 20, 48)),  # (4, 5, 12)
    'windows over width': dict(window_size=(2, 3, 7), size=(8, 48, 20)),  # (4, 12, 5)
    'windows over a frame': dict(window_size=(2, 7, 7), size=(10, 24, 20)),  # (5, 6, 5)
    'windows as large as the grid': dict(window_size=(4, 8, 8), size=(8, 32, 32)),  # (4, 8, 8)
    'windows of one frame': dict(window_size=(1, 4, 4), size=(4, 48, 40)),  # (2, 12, 10)
    'one frame': dict(window_size=(8, 3, 3), size=(1, 40, 48)),  # (1, 10, 12)
    'other patches and MLPs': dict(window_size=(2, 4, 4), patch_size=(4, 2, 3), mlp_ratio=2.5, size=(10, 24, 30)),
}


def video_case(settings: dict) -> tuple[dict, tuple[int, ...], int]:
    """Their arguments in the names of torchvision, size and batch."""
    config = MICRO | dict(patch_size=(2, 4, 4)) | settings
    return config, config.pop('size'), config.pop('batch', 2)


def torchvision_reference(config: dict) -> nn.Module:
    # theirs copies its windows as lists
    config = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
    return torchvision_models.SwinTransformer3d(**config, num_classes=CLASSES)


def mmaction_config(config: dict) -> dict:
    arch = {'embed_dims' if key == 'embed_dim' else key: config[key] for key in MICRO}
    out_indices = config.get('out_indices', (len(arch['depths']) - 1,))
    return {k: v for k, v in config.items() if k not in MICRO} | dict(arch=arch, out_indices=out_indices)


def mmaction_reference(config: dict) -> nn.Module:
    arch = config['arch']
    dims = 768 if arch == 'tiny' else arch['embed_dims'] * 2 ** (len(arch['depths']) - 1)
    head = dict(type='I3DHead', num_classes=CLASSES, in_channels=dims)
    backbone = dict(type='SwinTransformer3D', pretrained2d=False, **config)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MMACTION.build(dict(type='Recognizer3D', backbone=backbone, cls_head=head))


def public_names(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of mmaction2's recognizer as the papers' own code has them."""
    return {re.sub(r'^backbone\.norm\d\.', 'backbone.norm.', name): value for name, value in state_dict.items()}


IMAGES = {
    'windows divide all grids': dict(window_size=4, img_size=64),  # (16, 16)
    'windows as large as the last grid': dict(window_size=7, depths=(1, 2, 3), img_size=112),  # (28, 28)
    'rectangle': dict(window_size=2, img_size=(32, 48), mlp_ratio=3.0, qkv_bias=False),
    'other patches': dict(window_size=3, patch_size=2, img_size=24),  # (12, 12)
}


def timm_reference(config: dict) -> nn.Module:
    return SwinTransformer(**config, num_classes=CLASSES)


def microsoft_names(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of timm as the papers' own code has them, where a merging ends a stage."""
    names = {name: re.sub(r'^head\.fc\.', 'head.', name) for name in state_dict}
    return {
        re.sub(r'^layers\.(\d+)\.downsample', lambda m: f'layers.{int(m[1]) - 1}.downsample', names[name]): value
        for name, value in state_dict.items()
    }
