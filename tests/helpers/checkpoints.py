"""Checkpoints of backbones as runners write them."""

from pathlib import Path

import torch
from mmengine.config import ConfigDict
from torch import nn

from mmhvt.registry import MODELS


def save_backbone(model: nn.Module, path: Path) -> str:
    """Save a backbone as the part of a model; returns the path."""
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in model.state_dict().items()}), path)
    return str(path)


def build_from_file(cfg: dict, path: str, **kwargs) -> nn.Module:
    """A backbone for images with the weights of a file, as a config asks for them."""
    cfg = dict(cfg, init_cfg=dict(type='Pretrained', checkpoint=path)) | kwargs
    model = MODELS.build(ConfigDict(cfg))
    torch.nn.init.normal_(next(model.parameters()))
    model.init_weights()
    return model.eval()
