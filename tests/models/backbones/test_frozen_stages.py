"""`frozen_stages` together with options of a family, optimizers and models; test_contract.py tests it alone."""

import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

from helpers.micro_backbones import build, config, inputs
from mmhvt.registry import MODELS


def test_frozen_of_uniformerv2_is_all_layers() -> None:
    trained = [
        {name for name, p in build('UniFormerV2', **kwargs).named_parameters() if p.requires_grad}
        for kwargs in (dict(frozen=True), dict(frozen_stages=3), dict(frozen=True, frozen_stages=3))
    ]
    # what is frozen in the paper has no class token beside the video token
    assert trained[0] == trained[1] - {'alpha_logit'} == trained[2]
    assert trained[1] == {
        name
        for name, p in build('UniFormerV2', frozen=True, with_class_token=True).named_parameters()
        if p.requires_grad
    }
    with pytest.raises(ValueError, match='frozen=True freezes all 3 layers, frozen_stages=1 does not'):
        build('UniFormerV2', frozen=True, frozen_stages=1)


def test_layer_decay_leaves_frozen_parts_out() -> None:
    model = nn.Sequential()
    model.backbone = build('MViTv2', frozen_stages=2)
    wrapper = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.05),
            constructor='mmhvt.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.5),
        ),
    )
    found = {id(p) for group in wrapper.optimizer.param_groups for p in group['params']}
    assert found == {id(p) for p in model.parameters() if p.requires_grad}
    rates = {group['lr'] for group in wrapper.optimizer.param_groups}
    assert max(rates) == pytest.approx(0.1) and min(rates) == pytest.approx(0.1 * 0.5**2)  # as without freezing


def test_encoder_of_masked_pre_training() -> None:
    """What is frozen in the encoder stays as it is, and what is behind it learns."""
    backbone = config('SMViT', frozen_stages=1)
    decoder = dict(embed_dims=16, depth=1, num_heads=2)
    model = MODELS.build(dict(type='mmhvt.MAE', backbone=backbone, decoder=decoder, mask_ratio=0.5))
    model.init_weights()
    model.train()
    model.loss(inputs('video'))['loss'].backward()
    for name, parameter in model.backbone.named_parameters():
        is_frozen = name.startswith(('patch_embed.', 'pos_embed.', 'blocks.0.'))
        assert (parameter.grad is None) == is_frozen, name
    assert not model.backbone.blocks[0].training and model.backbone.blocks[1].training
    assert all(p.grad is not None for p in model.decoder.parameters())


def test_detector_trains_norms_of_frozen_outputs() -> None:
    """As in mmaction2: the norms of outputs belong to what takes them."""
    model = build('VideoSwin', 'images', frozen_stages=2, out_indices=(0, 1), out_type='featmap')
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        f'{norm}.{leaf}' for norm in ('norm0', 'norm') for leaf in ('weight', 'bias')
    }
