"""Recipes go on from the checkpoints of others."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from helpers.micro_recipes import head_of, shrink
from helpers.recipes import SWIN_STHV2, read
from mmhvt.datasets.kinetics710 import to_k710


@pytest.mark.parametrize(
    'name',
    [
        'mvit/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb',
        'mvitv2/mvitv2-large-p244_k600-16x4-pre_64xb2-40x3x1-30e_kinetics600-rgb-312px',
        'mvitv2/mvitv2-large_in1k-pre_8xb8-30e_in1k-384px',
    ],
)
def test_larger_inputs_go_on_from_smaller_ones(name: str, tmp_path: Path) -> None:
    """Positions are resized, all else is the file's, the classifier too."""
    config = read(name)
    earlier = read(f'{name.split("/")[0]}/{config.model.backbone.init_cfg.checkpoint.split("/")[1]}')
    models = []
    for part in (earlier, config):
        part.model.backbone.arch = dict(
            version=2 if 'v2' in name else 1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)
        )
        head_of(part).in_channels = 128
        part.model.pop('data_preprocessor', None)
        for module in (part.model.backbone, head_of(part)):
            if (module.get('init_cfg') or {}).get('type') == 'Pretrained':
                checkpoint = dict(module.init_cfg, checkpoint=str(tmp_path / 'earlier.pth'))
                module.init_cfg = checkpoint if part is config else None
        with DefaultScope.overwrite_default_scope(part.default_scope):
            models.append(MODELS.build(part.model))
        models[-1].init_weights()
        torch.save(dict(state_dict=models[0].state_dict()), tmp_path / 'earlier.pth')
    small, large = (model.state_dict() for model in models)
    resized = {key for key in large if large[key].shape != small[key].shape}
    assert resized and all('pos' in key for key in resized)
    assert all(torch.equal(small[key], large[key]) for key in large if key not in resized)


@pytest.mark.parametrize('heads', [('k400',), ('k400', 'k600', 'k700')])
def test_kinetics_goes_on_from_kinetics_710(heads: tuple[str, ...], tmp_path: Path) -> None:
    """Backbone and classifier are the file's, rows by the names of the classes."""
    datasets = '-'.join(head[1:] for head in heads)
    config = read(f'uniformerv2/uniformerv2-base-p16_k710-pre_8xb32-u8-5e_kinetics{datasets}-rgb')
    earlier = read(f'uniformerv2/{config.model.backbone.init_cfg.checkpoint.split("/")[1]}')
    models = []
    for part in (earlier, config):
        shrink(part)
        part.model.pop('data_preprocessor')
        parts = [part.model.backbone, *part.model.cls_head.get('heads', dict(only=part.model.cls_head)).values()]
        for module in parts:
            init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'earlier.pth'))
            assert part is earlier or module.init_cfg.type == init_cfg['type']
            module.init_cfg = init_cfg if part is config else None
        with DefaultScope.overwrite_default_scope('mmaction'):
            models.append(MODELS.build(part.model))
        models[-1].init_weights()
        if part is earlier:
            for parameter in models[0].parameters():
                nn.init.normal_(parameter)
            torch.save(dict(state_dict=models[0].state_dict()), tmp_path / 'earlier.pth')
    before, after = (model.state_dict() for model in models)
    assert all(torch.equal(before[key], value) for key, value in after.items() if key.startswith('backbone.'))
    for head in heads:
        prefix = 'cls_head' if len(heads) == 1 else f'cls_head.heads.{head}'
        for leaf in ('weight', 'bias'):
            rows = before[f'cls_head.fc_cls.{leaf}'][list(to_k710(head))]
            assert torch.equal(after[f'{prefix}.fc_cls.{leaf}'], rows)


def test_larger_windows_go_on_from_smaller_ones(tmp_path: Path) -> None:
    """Relative positions are resized, all else of the backbone is the file's."""
    config = read(SWIN_STHV2)
    backbones = []
    smaller = read('video_swin/video-swin-base-p244-w877_in21k-pre_8xb8-32x2x1-30e_kinetics400-rgb')
    for part in (smaller, config):
        backbone = part.model.backbone
        backbone.arch = dict(embed_dims=16, num_heads=(1, 1, 1, 1), depths=(1, 2, 1, 1))
        backbone.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'earlier.pth')) if backbones else None
        backbones.append(MODELS.build(backbone))
        backbones[-1].init_weights()
        if backbone.init_cfg is None:
            state = {f'backbone.{key}': value for key, value in backbones[0].state_dict().items()}
            torch.save(dict(state_dict=state), tmp_path / 'earlier.pth')
    small, large = (backbone.state_dict() for backbone in backbones)
    resized = {key for key in large if large[key].shape != small[key].shape}
    assert resized == {f'blocks.{index}.attn.rel_pos.table' for index in range(5)}
    assert all(large[key].std() > 0.005 for key in resized)
    assert all(torch.equal(small[key], large[key]) for key in large if key not in resized)
