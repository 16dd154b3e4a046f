"""The models that diagrams take their numbers from, built without values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmhvt.models.backbones.base import Backbone
from mmhvt.models.selfsup import MAE
from mmhvt.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'
CLIP = (16, 224, 224)
MODELS_OF_PAGES: dict[str, dict[str, Any]] = {
    'mvit': dict(type='mmhvt.MViT', arch='base', input_size=CLIP),
    'mvitv2': dict(type='mmhvt.MViT', arch='v2_small', input_size=CLIP),
    'smvit': dict(type='mmhvt.SMViT', arch='base', input_size=CLIP),
    'video_swin': dict(type='mmhvt.VideoSwin', arch='tiny', input_size=(32, 224, 224)),
}


@dataclass(frozen=True)
class Stage:
    """A stage of a backbone.

    Attributes:
        depth: Number of blocks.
        grid: Tokens per axis after it.
        dims: Channels within its blocks.
        num_heads: Number of heads.
    """

    depth: int
    grid: tuple[int, ...]
    dims: int
    num_heads: int


def backbone(page: str) -> Backbone:
    """The model of a page, on the meta device."""
    with torch.device('meta'):
        if page == 'uniformerv2':  # that of Something-Something, which has all parts
            config = Config.fromfile(CONFIGS / '_base_/models/uniformerv2_base_sth.py').model.backbone
            return MODELS.build(config | dict(init_cfg=None, input_size=CLIP))
        return MODELS.build(dict(MODELS_OF_PAGES[page]))


def auto_encoder(input_size: Sequence[int] = (224, 224), mask_ratio: float = 0.6) -> MAE:
    """Masked pre-training of SMViT-B, on the meta device."""
    with torch.device('meta'):
        encoder = dict(type='mmhvt.SMViT', arch='base', input_size=input_size, q_pool=2)
        return MODELS.build(dict(type='mmhvt.MAE', backbone=encoder, mask_ratio=mask_ratio))


def stages(model: Backbone) -> list[Stage]:
    """Stages of a model, in order."""
    grid = model.token_grid(model.input_size)
    found, first = [], 0
    for stage, last in enumerate(model.last_blocks):
        block, strides = model.blocks[last], model.stage_stride(stage)
        found.append(
            Stage(
                depth=last + 1 - first,
                grid=tuple(n // s for n, s in zip(grid, strides, strict=True)),
                dims=block.attn.proj.out_features,
                num_heads=block.attn.num_heads,
            )
        )
        first = last + 1
    return found
