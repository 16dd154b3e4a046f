"""Models of the rows of paper_figures.yaml: backbones with a linear classifier, and detectors of recipes.

A row's id leads to the options of its backbone in `MVIT_ROWS`, `SMVIT_ROWS`, `SWIN_ROWS` or `UNIFORMERV2_ROWS`, or to a
recipe in `DETECTORS`. The input size is the row's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from torch import Tensor, nn

import mmhvt
from mmhvt.registry import MODELS

# number of classes of the classifier that is part of a table's parameters, by (family, table)
NUM_CLASSES = {
    ('mvit', '3a'): 400,  # "5-Center view testing on K400"
    ('mvit', '3c'): 400,
    ('mvit', '4'): 400,  # "Comparison with previous work on Kinetics-400"
    ('mvit', '5'): 600,  # "Comparison with previous work on Kinetics-600"
    ('mvit', '9'): 400,  # section 4.2: "We carry out ablations on Kinetics-400", to table 16
    ('mvit', '10'): 400,
    ('mvit', '11'): 400,
    ('mvit', '12'): 400,
    ('mvit', '13'): 400,
    ('mvit', '14'): 400,
    ('mvit', '17'): 1000,  # section 5: "on ImageNet-1K"
    ('mvit', 'A.3'): 1000,
    ('mvitv2', 'A.2'): 80,  # AVA's actions; a linear layer on RoI features, as PySlowFast has it
    ('mvitv2', 'A.3'): 1000,  # "Comparison to previous work on ImageNet-1K"
    ('mvitv2', 'A.6'): 400,  # "Ablation of positional embeddings on K400"
    ('mvitv2', 'A.7'): 400,  # "Ablation of residual pooling connections on K400"
    ('video_swin', '1'): 400,  # "Comparison to state-of-the-art on Kinetics-400"
    ('video_swin', '3'): 174,  # "Comparison to state-of-the-art on Something-Something v2"
    ('video_swin', '4'): 400,  # "with Swin-T on K400", to table 9
    ('video_swin', '5'): 400,
    ('smvit', '2'): 1000,  # "measured for image classification": section 4 has ImageNet-1K
    ('smvit', '4'): 400,  # "K400 results"
    ('smvit', '6'): 174,  # "SSv2 results"
    ('uniformerv2', '1'): 400,  # "Comparison with the state-of-the-art on Kinetics-400"
    ('uniformerv2', '4'): 174,  # "on Something-Something V2"
    ('uniformerv2', '15'): 174,  # "SSV2"
}
# recipes of detectors, by row
CONFIGS = Path(mmhvt.__file__).parent / '.mim/configs'
DETECTORS = {
    'smvit-b-mask-rcnn': 'coco/mask-rcnn_smvit-base_mae-in1k-pre_fpn_64xb1-amp-lsj-100e_coco.py',
    'smvit-bplus-mask-rcnn': 'coco/mask-rcnn_smvit-baseplus_mae-in1k-pre_fpn_64xb1-amp-lsj-100e_coco.py',
    'smvit-l-mask-rcnn': 'coco/mask-rcnn_smvit-large_mae-in1k-pre_fpn_64xb1-amp-lsj-100e_coco.py',
    'mvitv2-b-mask-rcnn': 'coco/mask-rcnn_mvitv2-base_in1k-pre_fpn_64xb1-amp-lsj-100e_coco.py',
    'mvitv2-l-mask-rcnn': 'coco/mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-amp-lsj-100e_coco.py',
    # pre-trained on ImageNet-21K in the paper, where channels could expand elsewhere; 270 M fits the expansion here
    'mvitv2-l-cascade': 'coco/cascade-mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-amp-ms-crop-36e_coco.py',
}

# options of `mmhvt.MViT` by row of the tables of MViT and MViTv2
_MAX = dict(arch='base', pool_mode='max', pool_kernel='s+1')
# of table 12, which has cubes of a single frame
_CUBE = _MAX | dict(patch_stride=(1, 4, 4))
# table 13 has its own stride of keys and values: the cost of its V5 is that of table 14's adaptive 2×4×4
_STAGES = _MAX | dict(kv_stride=(2, 4, 4))
MVIT_ROWS: dict[str, dict[str, Any]] = {
    # MViT, tables 3 and 10: the baseline
    'vit-b-video': dict(arch='vit_base'),
    'vit-b-2scale-qpool': dict(arch='vit_base', depths=(6, 6)),
    'vit-b-kvpool': dict(arch='vit_base', kv_stride=(1, 2, 2)),
    # tables 3, 4, 5 and 9
    'mvit-b-16x4-max': _MAX,
    'mvit-s-16x4-max': _MAX | dict(arch='small'),
    'mvit-b-16x4-conv': dict(arch='base'),
    'mvit-b-32x3-conv': dict(arch='base'),
    'mvit-b-64x3-conv': dict(arch='base'),
    'mvit-b-24-32x3-conv': dict(arch='base_24'),
    # table 11: position embeddings
    'mvit-b-pos-none': _MAX | dict(abs_pos='none'),
    'mvit-b-pos-joint': _MAX | dict(abs_pos='joint'),
    # table 12: cubes
    'mvit-b-cube-1x4x4': _CUBE | dict(patch_kernel=(1, 4, 4), patch_padding=(0, 0, 0)),
    'mvit-b-cube-1x7x7': _CUBE | dict(patch_kernel=(1, 7, 7), patch_padding=(0, 3, 3)),
    # table 13: blocks of the stages
    'mvit-b-stages-v1': _STAGES | dict(depths=(2, 6, 6, 2)),
    'mvit-b-stages-v2': _STAGES | dict(depths=(2, 4, 6, 4)),
    'mvit-b-stages-v6': _STAGES | dict(depths=(2, 2, 10, 2)),
    # table 14: pooling of keys and values
    'mvit-b-kv-none': _MAX | dict(kv_stride='none'),
    'mvit-b-kv-2x4x4': _MAX | dict(kv_stride=(2, 4, 4)),
    'mvit-b-kv-1x8x8': _MAX,
    'mvit-b-kv-2x8x8': _MAX | dict(kv_stride=(2, 8, 8)),
    # tables 17 and A.3: images
    'mvit-b-16-image': dict(arch='base'),
    'mvit-b-24-image': dict(arch='base_24'),
    'mvit-b-24-wide-image': dict(arch='base_24_wide'),
    'mvit-b-image-kv-8x8': dict(arch='base', kv_stride=(8, 8)),
    'mvit-b-image-kv-2x2': dict(arch='base', kv_stride=(2, 2)),
    'mvit-b-image-kv-none': dict(arch='base', kv_stride='none'),
    # MViTv2, table A.3: images
    'mvitv2-t-image': dict(arch='v2_tiny'),
    'mvitv2-s-image': dict(arch='v2_small'),
    'mvitv2-b-image': dict(arch='v2_base'),
    'mvitv2-b-image-384': dict(arch='v2_base'),
    'mvitv2-l-image': dict(arch='v2_large'),
    'mvitv2-l-image-384': dict(arch='v2_large'),
    # table A.2: video
    'mvitv2-s-16x4-ava': dict(arch='v2_small'),
    'mvitv2-b-32x3-ava': dict(arch='v2_base'),
    'mvitv2-l-40x3-ava': dict(arch='v2_large'),
    # table A.6: positions
    'mvitv2-s-pos-none': dict(arch='v2_small', rel_pos='none'),
    'mvitv2-s-pos-abs': dict(arch='v2_small', rel_pos='none', abs_pos='separate'),
    'mvitv2-s-pos-time': dict(arch='v2_small', rel_pos='time'),
    'mvitv2-s-pos-space': dict(arch='v2_small', rel_pos='space'),
    'mvitv2-s-16x4': dict(arch='v2_small'),
    'mvitv2-s-pos-joint-space': dict(arch='v2_small', rel_pos='joint_space'),
    'mvitv2-s-pos-joint': dict(arch='v2_small', rel_pos='joint'),
    # table A.7: residual pooling
    'mvitv2-s-no-respool': dict(arch='v2_small', residual_pooling=False, full_q_pool=False),
    'mvitv2-s-fullq': dict(arch='v2_small', residual_pooling=False),
    'mvitv2-s-respool': dict(arch='v2_small', full_q_pool=False),
    'mvitv2-s-fullq-respool': dict(arch='v2_small'),
}

# options of `mmhvt.UniFormerV2` by row; "we adopt all the designs" for Something-Something (appendix A)
_ALL_DESIGNS = dict(local_layers='all', temporal_downsample=True)
_TABLE_15 = dict(arch='base', global_layers=None, **_ALL_DESIGNS)
UNIFORMERV2_ROWS: dict[str, dict[str, Any]] = {
    # table 1
    'uniformerv2-b16-8f': dict(arch='base'),
    'uniformerv2-b16-16f': dict(arch='base'),
    'uniformerv2-l14-8f': dict(arch='large'),
    'uniformerv2-l14-32f': dict(arch='large'),
    'uniformerv2-l14-336-32f': dict(arch='large'),
    'uniformerv2-l14-336-64f': dict(arch='large'),
    'uniformerv2-l14-336-frozen-8f': dict(arch='large', frozen=True),
    'uniformerv2-l14-336-frozen-32f': dict(arch='large', frozen=True),
    # table 4
    'uniformerv2-b16-sthv2-16f': dict(arch='base', global_layers='5-12', **_ALL_DESIGNS),
    'uniformerv2-b16-sthv2-32f': dict(arch='base', global_layers='5-12', **_ALL_DESIGNS),
    'uniformerv2-l14-sthv2-16f': dict(arch='large', global_layers='9-24', **_ALL_DESIGNS),
    'uniformerv2-l14-sthv2-32f': dict(arch='large', global_layers='9-24', **_ALL_DESIGNS),
    # table 15: temporal modules
    'temporal-mean-pooling': _TABLE_15 | dict(temporal='none'),
    'temporal-divided-st': _TABLE_15 | dict(temporal='divided'),
    'temporal-joint-st': _TABLE_15 | dict(temporal='joint'),
    'temporal-conv': _TABLE_15 | dict(temporal='conv'),
    'temporal-shift': _TABLE_15 | dict(temporal='shift'),
    'temporal-transformer': _TABLE_15 | dict(temporal='transformer'),
    'temporal-local-mhra': _TABLE_15 | dict(temporal='local_mhra'),
}

# options of `mmhvt.SMViT` by row
SMVIT_ROWS: dict[str, dict[str, Any]] = {
    # table 2: images
    'smvit-b-image': dict(arch='base'),
    'smvit-bplus-image': dict(arch='base_plus'),
    'smvit-l-image': dict(arch='large'),
    'smvit-h-image': dict(arch='huge'),
    # tables 4 and 6: video
    'smvit-b-16x224': dict(arch='base'),
    'smvit-bplus-16x224': dict(arch='base_plus'),
    'smvit-l-16x224': dict(arch='large'),
    'smvit-h-16x224': dict(arch='huge'),
    'smvit-l-32x224': dict(arch='large'),
}

# options of `mmhvt.VideoSwin` by row
SWIN_ROWS: dict[str, dict[str, Any]] = {
    # table 1
    'video-swin-t': dict(arch='tiny'),
    'video-swin-s': dict(arch='small'),
    'video-swin-b': dict(arch='base'),
    'video-swin-l': dict(arch='large'),
    # windows as in image Swin at 384²
    'video-swin-l-384': dict(arch='large', window_size=(8, 12, 12)),
    # table 3
    'video-swin-b-sthv2': dict(arch='base', window_size=(16, 7, 7)),
    # table 4: spatiotemporal attention
    'video-swin-t-split': dict(arch='tiny', design='split'),
    'video-swin-t-factorized': dict(arch='tiny', design='factorized'),
    # table 5: tokens in time and tokens of a window in time
    'video-swin-t-16-16': dict(arch='tiny', window_size=(16, 7, 7)),
    'video-swin-t-8-8': dict(arch='tiny'),
    'video-swin-t-4-4': dict(arch='tiny', window_size=(4, 7, 7)),
    'video-swin-t-16-4': dict(arch='tiny', window_size=(4, 7, 7)),
}

# configs of backbones, without input_size, by row
BACKBONES = {
    row: dict(type=f'mmhvt.{name}', **options)
    for name, rows in dict(MViT=MVIT_ROWS, SMViT=SMVIT_ROWS, VideoSwin=SWIN_ROWS, UniFormerV2=UNIFORMERV2_ROWS).items()
    for row, options in rows.items()
}


class ReadOut(nn.Module):
    """A backbone with a linear classifier on its last output (N, C)."""

    def __init__(self, backbone: BaseModule, num_classes: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.embed_dims, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> scores (N, num_classes)."""
        return self.head(self.backbone(x)[-1])


def input_shape(row: Mapping) -> tuple[int, ...]:
    """([T,] H, W) of a row's input; detectors have 1024² (Hiera, appendix A.2)."""
    return (1024, 1024) if row['id'] in DETECTORS else tuple(map(int, row['input']))


def build(family: str, row: Mapping) -> nn.Module:
    """Build a row's model on the meta device.

    Args:
        family: Family that the row belongs to, such as 'mvitv2'.
        row: Row with its 'id', 'table' and 'input'.
    """
    name = row['id']
    if name in DETECTORS:
        cfg = Config.fromfile(CONFIGS / DETECTORS[name])
        with DefaultScope.overwrite_default_scope('mmdet'), torch.device('meta'):
            return MODELS.build(cfg.model)
    with torch.device('meta'):
        backbone = MODELS.build(BACKBONES[name] | dict(input_size=input_shape(row)))
        return ReadOut(backbone, num_classes=NUM_CLASSES[family, row['table']])
