"""Micro models of facebookresearch/mvit, of timm's Hiera, and of Swin and ViT in mmpretrain."""

import re
from collections.abc import Callable
from typing import Any

import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as MMPRETRAIN
from timm.models.hiera import Hiera
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg
from torch import nn

from helpers.references import CLASSES, randomize, run_mmpretrain
from mmhvt.migrate import get_source

mmpretrain_swin = get_source('swin.mmpretrain')
mmpretrain_vit = get_source('vit.mmpretrain')
mvit = get_source('mvit.fair')
timm_hiera = get_source('hiera.timm')

call = torch.nn.Module.__call__
State = dict[str, torch.Tensor]
# source, config, reference, its forward, input size
Case = tuple[Any, dict, nn.Module, Callable, tuple[int, ...]]
# facebookresearch/mvit: timm's port reads its files
MVIT = dict(
    MODE='conv',
    EMBED_DIM=16,
    DEPTH=4,
    DIM_MUL=[[1, 2.0], [3, 2.0]],
    HEAD_MUL=[[1, 2.0], [3, 2.0]],
    POOL_KVQ_KERNEL=[3, 3],
    POOL_KV_STRIDE_ADAPTIVE=[4, 4],
    POOL_Q_STRIDE=[[0, 1, 1], [1, 2, 2], [2, 1, 1], [3, 2, 2]],
    CROP=64,
)
MVIT_CASES = {
    'mvit': ({}, {}),
    'mvit expansion in the MLP': (dict(DIM_MUL_IN_ATT=False), dict(expand_attn=False)),
    'mvit class token': (
        dict(CLS_EMBED_ON=True, USE_ABS_POS=True, RESIDUAL_POOLING=False),
        dict(use_cls_token=True, use_abs_pos=True, residual_pooling=False),
    ),
}


def mvit_case(section: dict, fields: dict) -> Case:
    cfg = MultiScaleVitCfg(
        depths=(1, 2, 1),
        embed_dim=16,
        num_heads=1,
        stride_q=((1, 1), (2, 2), (2, 2)),
        stride_kv_adaptive=(4, 4),
        **fields,
    )
    section = MVIT | section
    if not section.get('DIM_MUL_IN_ATT', True):  # channels grow at the end of the stage before
        section |= dict(DIM_MUL=[[1, 2.0], [3, 2.0]])
    return mvit, section, MultiScaleVit(cfg, img_size=64, num_classes=CLASSES), call, (64, 64)


def facebook_names(state_dict: State) -> State:
    """MViTv2 of timm as facebookresearch/mvit writes it."""
    places = list(dict.fromkeys(m[0] for name in state_dict if (m := re.match(r'stages\.\d+\.blocks\.\d+', name))))
    theirs = {}
    for name, value in state_dict.items():
        name = re.sub(r'^stages\.\d+\.blocks\.\d+', lambda m: f'blocks.{places.index(m[0])}', name)
        name = re.sub(r'shortcut_proj_(attn|mlp)', 'proj', name)
        theirs[name.replace('head.fc', 'head.projection')] = value
    return theirs


HIERA = dict(embed_dim=24, num_heads=1, stages=(1, 2, 2, 1))
VIDEO = dict(
    q_stride=(1, 2, 2),
    mask_unit_size=(1, 8, 8),
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
)
ABSWIN = dict(abs_win_pos_embed=True, init_values=0.1)
HIERA_CASES = {
    'hiera image': dict(img_size=(96, 64)),
    'hiera video': dict(img_size=(4, 64, 96), sep_pos_embed=True, **VIDEO),
    'hiera video joint': dict(img_size=(4, 64, 64), **VIDEO),
    'hiera two poolings': dict(img_size=64, q_pool=2, head_mul=1.0, mlp_ratio=3.0),
    'hiera abswin': dict(img_size=(128, 128), global_pos_size=(14, 14), **ABSWIN),
    'hiera abswin, larger table': dict(img_size=(64, 96), global_pos_size=(20, 20), **ABSWIN),
    'hiera abswin, pooled skips': dict(img_size=(128, 64), use_expand_proj=False, global_pos_size=(7, 7), **ABSWIN),
    'hiera pooled skips, two poolings': dict(img_size=64, use_expand_proj=False, q_pool=2),
}


def hiera_case(settings: dict) -> Case:
    config = HIERA | settings
    size = config['img_size']
    size = (size, size) if isinstance(size, int) else size
    return timm_hiera, config, Hiera(**config, num_classes=CLASSES), call, size


def mmpretrain_model(kind: str, config: dict, head: dict, neck: dict | None = None) -> nn.Module:
    model = dict(type='ImageClassifier', backbone=dict(type=kind, **config), neck=neck, head=head)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MMPRETRAIN.build(model)


SWIN_ARCH = dict(embed_dims=8, depths=[2, 2, 1], num_heads=[1, 2, 4])
SWIN = dict(arch=SWIN_ARCH, img_size=64, window_size=3, out_indices=(2,))
SWIN_CASES = {
    'swin': dict(size=(64, 64)),
    'swin rectangle': dict(size=(72, 96), window_size=4),
    'swin all norms': dict(size=(64, 64), out_indices=(0, 1, 2)),
}


def swin_case(settings: dict) -> Case:
    config = SWIN | settings
    size = config.pop('size')
    head = dict(type='LinearClsHead', num_classes=CLASSES, in_channels=32)
    reference = mmpretrain_model('SwinTransformer', config, head, dict(type='GlobalAveragePooling'))
    return mmpretrain_swin, config, reference, run_mmpretrain, size


VIT = dict(
    arch=dict(embed_dims=32, num_layers=3, num_heads=2, feedforward_channels=96), img_size=64, drop_path_rate=0.1
)
CLIP = dict(
    pre_norm=True, norm_cfg=dict(type='LN', eps=1e-5), layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU'))
)
VIT_CASES = {
    'vit': dict(),
    'vit layer scale': dict(layer_scale_init_value=0.1, patch_size=8, norm_cfg=dict(type='LN')),
    'vit of CLIP': CLIP,
    'vit averaged': dict(out_type='avg_featmap', final_norm=False, qkv_bias=False),
    'vit DeiT3': dict(type='DeiT3'),
}


def vit_case(settings: dict) -> Case:
    config = VIT | settings
    arguments = {key: value for key, value in config.items() if key != 'type'}
    kind = 'LinearClsHead' if config.get('out_type') == 'avg_featmap' else 'VisionTransformerClsHead'
    head = dict(type=kind, num_classes=CLASSES, in_channels=32)
    reference = mmpretrain_model(config.get('type', 'VisionTransformer'), arguments, head)

    def forward(model, x):
        return model.head(model.backbone(x))

    return mmpretrain_vit, config, reference, forward, (64, 64)


CASES = {name: lambda case=case: mvit_case(*case) for name, case in MVIT_CASES.items()}


CASES |= {name: lambda case=case: hiera_case(case) for name, case in HIERA_CASES.items()}


CASES |= {name: lambda case=case: swin_case(case) for name, case in SWIN_CASES.items()}


CASES |= {name: lambda case=case: vit_case(case) for name, case in VIT_CASES.items()}


def make(case: str) -> tuple[Any, dict, nn.Module, Callable, tuple[int, ...], Callable[[State], State]]:
    """Source, config, reference of random weights, its forward, input size, and its names in published files."""
    source, config, reference, forward, size = CASES[case]()
    randomize(reference)
    if config.get('type') == 'DeiT3':  # which uses its first norms in place of the second
        for layer in reference.backbone.layers:
            layer.ln2.load_state_dict(layer.ln1.state_dict())
    return source, config, reference, forward, size, facebook_names if source is mvit else dict
