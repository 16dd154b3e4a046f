"""Micro models of MViT in torchvision, timm, mmaction2 and mmpretrain."""

from collections.abc import Sequence

from mmaction.models import MViT as MMActionMViT
from mmaction.registry import MODELS as MMACTION
from mmengine.registry import DefaultScope
from mmpretrain.models.backbones import MViT as MMPretrainMViT
from mmpretrain.registry import MODELS as MMPRETRAIN
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg
from torch import nn
from torchvision.models.video import mvit as torchvision_mvit

from helpers.references import CLASSES

# config of a reference, the reference, input size
Case = tuple[dict, nn.Module, tuple[int, ...]]


def blocks(
    depths: Sequence[int],
    dims: int,
    heads: int,
    kv_stride: Sequence[int],
    expand_in: str,
    full_q_pool: bool,
    q_stride: Sequence[int] = (1, 2, 2),
    kernel: Sequence[int] | None = None,
) -> list[dict]:
    """A `block_setting` of torchvision; without a kernel, it follows the stride as s+1."""
    settings = []
    for stage, depth in enumerate(depths):
        for i in range(depth):
            enters, leaves = i == 0 and stage > 0, i == depth - 1 and stage < len(depths) - 1
            if enters:
                kv_stride = [max(k // q, 1) for k, q in zip(kv_stride, q_stride, strict=True)]
            before = dims // 2 if enters and expand_in == 'attn' else dims
            after = dims * 2 if leaves and expand_in == 'mlp' else dims
            stride_q = list(q_stride) if enters else [1, 1, 1] if full_q_pool else []
            settings.append(
                dict(
                    num_heads=heads,
                    input_channels=before,
                    output_channels=after,
                    kernel_q=stride_q and (kernel or [s + (s > 1) for s in stride_q]),
                    kernel_kv=kernel or [s + (s > 1) for s in kv_stride],
                    stride_q=stride_q,
                    stride_kv=list(kv_stride),
                )
            )
            dims = after
        dims, heads = dims * 2 if expand_in == 'attn' else dims, heads * 2
    return settings


V1_BLOCKS = dict(depths=(1, 2, 1), dims=16, heads=1, kv_stride=[1, 4, 4], expand_in='mlp', full_q_pool=False)
V2_BLOCKS = dict(depths=(1, 2, 1), dims=16, heads=1, kv_stride=[1, 4, 4], expand_in='attn', full_q_pool=True)
V1_SETTINGS = dict(residual_pool=False, residual_with_cls_embed=False, rel_pos_embed=False, proj_after_attn=False)
V2_SETTINGS = dict(residual_pool=True, residual_with_cls_embed=False, rel_pos_embed=True, proj_after_attn=True)
TORCHVISION = {
    'v1': dict(V1_SETTINGS, block_setting=blocks(**V1_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 32)),
    'v1 rectangle, odd grids': dict(V1_SETTINGS, block_setting=blocks(**V1_BLOCKS, kernel=[3, 3, 3]), size=(6, 56, 44)),
    'v1 kernels s+1': dict(V1_SETTINGS, block_setting=blocks(**V1_BLOCKS), size=(4, 32, 48)),
    'v1 with residual pooling': dict(
        V1_SETTINGS, residual_pool=True, block_setting=blocks(**V1_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 32)
    ),
    'v1 strides in time': dict(
        V1_SETTINGS,
        block_setting=blocks(**V1_BLOCKS | dict(kv_stride=[4, 4, 4]), q_stride=(2, 2, 2), kernel=[3, 3, 3]),
        size=(10, 32, 32),
    ),
    'v2': dict(V2_SETTINGS, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 32)),
    'v2 rectangle': dict(V2_SETTINGS, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(4, 64, 32)),
    'v2 odd grids': dict(V2_SETTINGS, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(6, 56, 44)),
    'v2 without residual pooling': dict(
        V2_SETTINGS, residual_pool=False, block_setting=blocks(**V2_BLOCKS, kernel=[1, 3, 3]), size=(4, 32, 32)
    ),
    'v2 with absolute positions': dict(
        V2_SETTINGS, rel_pos_embed=False, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 48)
    ),
    'v2 patches of one frame': dict(
        V2_SETTINGS,
        block_setting=blocks(**V2_BLOCKS | dict(dims=24, heads=3), kernel=[3, 3, 3]),
        patch_embed_kernel=(1, 4, 4),
        patch_embed_stride=(1, 4, 4),
        patch_embed_padding=(0, 0, 0),
        size=(2, 32, 32),
    ),
}


def torchvision_case(settings: dict) -> Case:
    config = dict(settings)
    size = config.pop('size')
    config |= dict(temporal_size=size[0], spatial_size=size[1:])
    setting = [torchvision_mvit.MSBlockConfig(**block) for block in config['block_setting']]
    return config, torchvision_mvit.MViT(**config | dict(block_setting=setting), num_classes=CLASSES), size


MICRO_CFG = dict(depths=(1, 2, 1), embed_dim=16, stride_q=((1, 1), (2, 2), (2, 2)))
TIMM = {
    'relative': dict(cfg=MICRO_CFG, img_size=64),
    'odd grids': dict(cfg=MICRO_CFG, img_size=56),
    'absolute, rectangle': dict(cfg=MICRO_CFG | dict(use_abs_pos=True, rel_pos_type=''), img_size=(64, 40)),
    'class token': dict(
        cfg=MICRO_CFG | dict(use_cls_token=True, use_abs_pos=True, residual_pooling=False), img_size=64
    ),
    'mean beside a class token': dict(
        cfg=MICRO_CFG | dict(use_cls_token=True, residual_pooling=False), img_size=64, global_pool='avg'
    ),
    'residual pooling of a class token': dict(cfg=MICRO_CFG | dict(use_cls_token=True), img_size=64),
    'expansion in the MLP': dict(cfg=MICRO_CFG | dict(expand_attn=False, embed_dim=24, num_heads=3), img_size=64),
    'max': dict(cfg=MICRO_CFG | dict(mode='max'), img_size=64),
    'average': dict(cfg=MICRO_CFG | dict(mode='avg'), img_size=64),
    'fixed stride of keys': dict(cfg=MICRO_CFG | dict(stride_kv=((2, 2),) * 3, qkv_bias=False), img_size=64),
    'listed stride of keys': dict(cfg=MICRO_CFG | dict(stride_kv=((8, 8), (4, 4), (2, 2)), mlp_ratio=3.0), img_size=64),
    'factors of 3': dict(cfg=MICRO_CFG | dict(embed_dim=(8, 24, 72), num_heads=(1, 3, 9), norm_eps=1e-3), img_size=32),
}


def timm_case(settings: dict) -> Case:
    reference = MultiScaleVit(**settings | dict(cfg=MultiScaleVitCfg(**settings['cfg'])), num_classes=CLASSES)
    size = settings['img_size']
    return settings, reference, (size, size) if isinstance(size, int) else size


MICRO_ARCH = dict(embed_dims=16, num_layers=4, num_heads=1, downscale_indices=[1, 3])
V1_OPTIONS = dict(rel_pos_embed=False, use_abs_pos_embed=True, residual_pooling=False, dim_mul_in_attention=False)
MMACTION_CASES = {
    'default': dict(size=(4, 32, 32)),
    'other sizes': dict(size=(8, 40, 56)),
    'without class token': dict(with_cls_token=False, output_cls_token=False, size=(4, 32, 32)),
    'mean beside a class token': dict(output_cls_token=False, size=(4, 32, 32)),
    'like v1': dict(V1_OPTIONS, size=(4, 32, 32)),
    'like v1, other sizes': dict(V1_OPTIONS, size=(8, 56, 40)),
    'like v1 without class token': dict(V1_OPTIONS, with_cls_token=False, output_cls_token=False, size=(6, 24, 48)),
    'all positions': dict(use_abs_pos_embed=True, size=(6, 40, 40)),
    'other factors': dict(
        arch=MICRO_ARCH | dict(embed_dims=8, num_layers=3, downscale_indices=[1, 2]),
        dim_mul=3,
        head_mul=3,
        mlp_ratio=3.0,
        qkv_bias=False,
        norm_cfg=dict(type='LN', eps=1e-3),
        size=(4, 32, 32),
    ),
    'other patches': dict(
        patch_cfg=dict(kernel_size=(1, 4, 4), stride=(1, 4, 4), padding=0), temporal_size=2, size=(3, 32, 32)
    ),
}


def mmaction_case(settings: dict) -> Case:
    config = dict(arch=MICRO_ARCH, temporal_size=4, spatial_size=32, adaptive_kv_stride=(1, 4, 4)) | settings
    size = config.pop('size')
    with_cls_token = config.get('output_cls_token', True)
    backbone = MMActionMViT(**config)
    head = dict(type='MViTHead', num_classes=CLASSES, in_channels=backbone.blocks[-1].out_dims)
    model = dict(type='Recognizer3D', backbone=dict(type='MViT', **config))
    with DefaultScope.overwrite_default_scope('mmaction'):
        return config, MMACTION.build(dict(model, cls_head=dict(head, with_cls_token=with_cls_token))), size


MMPRETRAIN_CASES = {
    'default': dict(size=(64, 64)),
    'other sizes': dict(size=(56, 100)),
    'absolute': dict(rel_pos_spatial=False, use_abs_pos_embed=True, img_size=(64, 40), size=(64, 40)),
    'absolute, other sizes': dict(rel_pos_spatial=False, use_abs_pos_embed=True, img_size=(64, 40), size=(56, 72)),
    'absolute bilinear': dict(use_abs_pos_embed=True, interpolate_mode='bilinear', size=(48, 72)),
    'expansion in the MLP': dict(dim_mul_in_attention=False, residual_pooling=False, size=(64, 64)),
    'kernel of 5': dict(pool_kernel=(5, 5), adaptive_kv_stride=8, size=(64, 64)),
    'plain patches': dict(patch_cfg=dict(kernel_size=4, stride=4, padding=0), size=(64, 64)),
}


def mmpretrain_case(settings: dict) -> Case:
    config = dict(arch=MICRO_ARCH, img_size=64) | settings
    size = config.pop('size')
    backbone = MMPretrainMViT(**config)
    head = dict(type='LinearClsHead', num_classes=CLASSES, in_channels=backbone.blocks[-1].out_dims)
    neck = dict(type='GlobalAveragePooling')
    model = dict(type='ImageClassifier', backbone=dict(type='MViT', **config), neck=neck, head=head)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return config, MMPRETRAIN.build(model), size
