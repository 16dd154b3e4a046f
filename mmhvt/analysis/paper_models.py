"""The models behind the rows of paper_figures.yaml: backbones and what reads them out, and detectors of recipes."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

import mmhvt
from mmhvt.registry import MODELS

# classes of the classifier that the tables' parameters include, by (family, table)
CLASSES = {
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
# configs of detectors, by row
CONFIGS = Path(mmhvt.__file__).parent / '.mim/configs'
DETECTORS = {
    'smvit-b-mask-rcnn': 'coco/mask-rcnn_smvit-base_mae-in1k-pre_fpn_64xb1-lsj-100e_coco.py',
    'smvit-bplus-mask-rcnn': 'coco/mask-rcnn_smvit-baseplus_mae-in1k-pre_fpn_64xb1-lsj-100e_coco.py',
    'smvit-l-mask-rcnn': 'coco/mask-rcnn_smvit-large_mae-in1k-pre_fpn_64xb1-lsj-100e_coco.py',
    'mvitv2-b-mask-rcnn': 'coco/mask-rcnn_mvitv2-base_in1k-pre_fpn_64xb1-lsj-100e_coco.py',
    'mvitv2-l-mask-rcnn': 'coco/mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-lsj-100e_coco.py',
    # from ImageNet-21K in the paper; the detector is the same but for where channels expand, and 270 M has it as here
    'mvitv2-l-cascade': 'coco/cascade-mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-amp-ms-crop-36e_coco.py',
}
SMVIT_ARCHS = {'b': 'base', 'bplus': 'base_plus', 'l': 'large', 'h': 'huge'}


class ReadOut(nn.Module):
    """A backbone's last feature (N, C) and one linear layer."""

    def __init__(self, backbone: nn.Module, num_classes: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.embed_dims, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> scores (N, num_classes)."""
        return self.head(self.backbone(x)[-1])


def input_shape(row: Mapping) -> tuple[int, ...]:
    """([T,] H, W) of a row's input; detectors have 1024² (papers/smvit, appendix A.2)."""
    return (1024, 1024) if row['id'] in DETECTORS else tuple(map(int, row['input']))


def backbone_cfg(family: str, row: Mapping) -> dict:
    """The config of the backbone of a row that is no detector.

    Args:
        family: 'mvit', 'mvitv2', …
        row: 'id' and 'input' of the row.
    """
    name, size = row['id'], input_shape(row)
    if family == 'smvit':
        return dict(type='mmhvt.SMViT', arch=SMVIT_ARCHS[name.split('-')[1]], input_size=size)
    if family == 'video_swin':
        return dict(type='mmhvt.VideoSwin', arch=name, input_size=size)
    if family == 'uniformerv2':
        return dict(type='mmhvt.UniFormerV2', arch=name, input_size=size)
    # presets of the name of the row
    return dict(type='mmhvt.VisionTransformer' if name.startswith('vit-') else 'mmhvt.MViT', arch=name, input_size=size)


def build(family: str, row: Mapping) -> nn.Module:
    """A row's model on the meta device."""
    if row['id'] in DETECTORS:
        cfg = Config.fromfile(CONFIGS / DETECTORS[row['id']])
        with DefaultScope.overwrite_default_scope('mmdet'), torch.device('meta'):
            return MODELS.build(cfg.model)
    with torch.device('meta'):
        return ReadOut(MODELS.build(backbone_cfg(family, row)), CLASSES[family, row['table']])
