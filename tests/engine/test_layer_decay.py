"""Layer-wise learning rates in recognizers, classifiers and detectors."""

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from torch import nn

ARCH = dict(embed_dims=16, num_heads=1, depths=(1, 1, 2, 1))
NUM_LAYERS = 5 + 2
RATE = 0.5
LR = 1e-3
POS_EMBED = dict(pos_embed=dict(decay_mult=0.0))


def groups_of(
    model: nn.Module, constructor: str = 'mmhvt.LayerDecayOptimWrapperConstructor', custom_keys: dict = POS_EMBED
) -> dict[str, dict]:
    """Parameter name -> lr and weight decay of its group."""
    wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=LR, weight_decay=0.05),
            constructor=constructor,
            paramwise_cfg=dict(layer_decay_rate=RATE, flat_decay_mult=0.0, custom_keys=custom_keys),
        ),
    )
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = {}
    for group in wrapper.optimizer.param_groups:
        (parameter,) = group['params']
        groups[names[parameter]] = dict(lr=group['lr'], weight_decay=group['weight_decay'])
    assert set(groups) == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    return groups


def recognizer() -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MODELS.build(
            dict(
                type='Recognizer3D',
                backbone=dict(type='mmhvt.SMViT', arch=ARCH, input_size=(4, 32, 32)),
                cls_head=dict(type='mmhvt.RecognitionHead', num_classes=3, in_channels=128),
            )
        )


def expected_layer(name: str) -> int:
    if name.startswith(('backbone.patch_embed.', 'backbone.pos_embed.')):
        return 0
    if name.startswith('backbone.blocks.'):
        return int(name.split('.')[2]) + 1
    return NUM_LAYERS - 1


def check(groups: dict[str, dict], model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:  # a detector's backbone does not use its final norm
            continue
        assert groups[name]['lr'] == pytest.approx(LR * RATE ** (NUM_LAYERS - 1 - expected_layer(name))), name
        decays = parameter.ndim > 1 and 'pos_embed' not in name
        assert groups[name]['weight_decay'] == (0.05 if decays else 0.0), name


def test_recognizer() -> None:
    model = recognizer()
    groups = groups_of(model)
    check(groups, model)
    assert groups['backbone.pos_embed.spatial']['lr'] == pytest.approx(LR * RATE**6)
    assert groups['backbone.blocks.4.mlp.fc2.weight']['lr'] == pytest.approx(LR * RATE)
    assert groups['backbone.norm.weight']['lr'] == LR
    assert groups['cls_head.fc_cls.weight'] == dict(lr=LR, weight_decay=0.05)
    assert groups['cls_head.fc_cls.bias'] == dict(lr=LR, weight_decay=0.0)


def test_frozen_parameters_get_no_group() -> None:
    model = recognizer()
    model.backbone.patch_embed.requires_grad_(False)
    assert not any('patch_embed' in name for name in groups_of(model))


def test_detector() -> None:
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(
            dict(
                type='mmdet.RetinaNet',
                backbone=dict(
                    type='mmhvt.SMViT', arch=ARCH, input_size=(64, 64), out_indices=(0, 1, 2, 3), out_type='featmap'
                ),
                neck=dict(type='FPN', in_channels=[16, 32, 64, 128], out_channels=16, num_outs=5),
                bbox_head=dict(type='RetinaHead', num_classes=3, in_channels=16, feat_channels=16, stacked_convs=1),
            )
        )
    groups = groups_of(model)
    check(groups, model)
    assert groups['neck.lateral_convs.0.conv.weight'] == dict(lr=LR, weight_decay=0.05)
    assert groups['bbox_head.retina_cls.weight']['lr'] == LR


def test_image_classifier_as_mmpretrain_does() -> None:
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(
                    type='VisionTransformer',
                    arch=dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=32),
                    img_size=32,
                    patch_size=16,
                ),
                head=dict(type='VisionTransformerClsHead', num_classes=3, in_channels=16),
            )
        )
    theirs = groups_of(model, 'mmpretrain.LearningRateDecayOptimWrapperConstructor')
    assert groups_of(model) == theirs
    assert theirs['backbone.layers.0.ln1.weight']['lr'] == pytest.approx(LR * RATE**3)


def test_a_backbone_that_knows_no_layers() -> None:
    class Recognizer(BaseModel):
        def __init__(self, backbone: nn.Module | None):
            super().__init__()
            self.backbone = backbone
            self.head = nn.Linear(1, 1)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(inputs)

    with pytest.raises(TypeError, match=r'get_layer_depth, but Recognizer\.backbone is Linear'):
        groups_of(Recognizer(nn.Linear(1, 1)))
    with pytest.raises(TypeError, match=r'Recognizer\.backbone is NoneType'):
        groups_of(Recognizer(None))


def test_an_optimizer_without_weight_decay() -> None:
    config = dict(
        optimizer=dict(type='AdamW', lr=LR),
        constructor='mmhvt.LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(layer_decay_rate=RATE),
    )
    with pytest.raises(ValueError, match='needs weight_decay in the config of the optimizer'):
        build_optim_wrapper(recognizer(), config)


def test_a_key_with_a_rate_of_its_own() -> None:
    model = recognizer()
    groups = groups_of(model, custom_keys=dict(pos_embed=dict(decay_mult=0.0, lr_mult=0.25)))
    for name, group in groups.items():
        # in place of the layer's
        scale = 0.25 if 'pos_embed' in name else RATE ** (NUM_LAYERS - 1 - expected_layer(name))
        assert group['lr'] == pytest.approx(LR * scale), name
    assert groups['backbone.pos_embed.temporal'] == dict(lr=LR * 0.25, weight_decay=0.0)
