"""Micro detectors of images and of actions."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

DIMS = [16, 32, 64, 128]


def mvit(version: int, **kwargs) -> dict:
    arch = dict(version=version, embed_dims=16, num_heads=1, depths=(1, 2, 2, 1))
    return dict(type='mmhvt.MViT', arch=arch, **kwargs)


# backbones of four stages, and the channels of their outputs
FAMILIES = {
    'MViT': (mvit(1), [32, 64, 128, 128]),
    'MViTv2': (mvit(2, window_size=56), DIMS),
    'SMViT': (dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))), DIMS),
    'SMViT, windowed positions': (
        dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), pos_embed='windowed'),
        DIMS,
    ),
    'Video Swin': (
        dict(type='mmhvt.VideoSwin', arch=dict(embed_dims=16, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8))),
        DIMS,
    ),
}
UNIFORMERV2 = dict(type='mmhvt.UniFormerV2', arch=dict(embed_dims=24, num_heads=3, depth=2, patch_size=16))


def detector_parts(family: str, size: tuple[int, int] = (64, 64), channels: int = 8) -> tuple[dict, dict]:
    """Configs of a backbone for images and of its neck, which gives four levels."""
    if family == 'UniFormerV2':
        neck = dict(type='mmhvt.SimpleFeaturePyramid', in_channels=24, out_channels=channels, num_outs=4)
        return dict(UNIFORMERV2, input_size=size, out_type='featmap'), neck
    backbone, dims = FAMILIES[family]
    neck = dict(type='mmdet.FPN', in_channels=dims, out_channels=channels, num_outs=4)
    return dict(backbone, input_size=size, out_indices=(0, 1, 2, 3), out_type='featmap'), neck


def detection_sample(size: tuple[int, int], boxes: list[list[float]], crowd: bool = False) -> DetDataSample:
    """Annotations as PackDetInputs leaves them."""
    instances = InstanceData(
        bboxes=torch.tensor(boxes).view(-1, 4),
        labels=torch.zeros(len(boxes), dtype=torch.long),
        masks=BitmapMasks(np.ones((len(boxes), *size), np.uint8), *size),
    )
    result = DetDataSample(metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=0))
    nothing = instances[torch.zeros(len(boxes), dtype=torch.bool)]
    result.gt_instances, result.ignored_instances = (nothing, instances) if crowd else (instances, nothing)
    return result


def last_dims(family: str) -> int:
    """Channels of a family's last stage."""
    arch = ACTION_FAMILIES[family]['arch']
    return arch['embed_dims'] * (8 if len(arch.get('depths', ())) == 4 else 1)


ACTION_FAMILIES = {
    'MViT': dict(type='mmhvt.MViT', arch=dict(version=1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))),
    'MViTv2': dict(type='mmhvt.MViT', arch=dict(version=2, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))),
    'SMViT': dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))),
    'Video Swin': dict(type='mmhvt.VideoSwin', arch=dict(embed_dims=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))),
    'ViT': dict(type='mmhvt.VisionTransformer', arch=dict(embed_dims=16, num_heads=1, depth=2, patch_size=16)),
    'UniFormerV2': dict(
        type='mmhvt.UniFormerV2',
        arch=dict(embed_dims=32, num_heads=1, depth=2, patch_size=16),
        local_layers='all',
        global_layers=None,
    ),
}
