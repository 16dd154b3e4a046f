"""`frozen_stages` of every family: what it names takes no gradients and stays in evaluation mode."""

import copy

import pytest
import torch
from micro_backbones import FAMILIES, INPUTS, build, config, inputs
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from mmhvt.registry import MODELS

STEM = ('patch_embed.', 'patch_norm.', 'pos_embed.', 'cls_token', 'pre_norm.')
# per family, blocks and mergings of the first so many stages; plain ViTs count layers
BLOCKS = {
    'SMViT': (0, 1, 2, 4),
    'MViT': (0, 1, 2, 4),
    'MViTv2': (0, 1, 2, 4),
    'VisionTransformer': (0, 1, 2, 3),
    'VideoSwin': (0, 2, 4),
    'UniFormerV2': (0, 1, 2, 3),
}
CASES = [(family, stages) for family, blocks in BLOCKS.items() for stages in range(-1, len(blocks))]


def is_frozen(name: str, family: str, stages: int) -> bool:
    """Whether a parameter is among what `stages` names."""
    if stages < 0:
        return False
    first, number = (name.split('.') + [''])[:2]
    if first == 'merges':
        return int(number) < stages
    return name.startswith(STEM) or (first == 'blocks' and int(number) < BLOCKS[family][stages])


def step(model: nn.Module, x: Tensor) -> None:
    """One step of AdamW, in training mode."""
    head = nn.Linear(model.embed_dims, 3)
    whole = nn.Sequential(model, head)
    wrapper = build_optim_wrapper(whole, dict(optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1)))
    wrapper.update_params(head(model(x)[0]).square().sum())


@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('family, stages', CASES)
def test_what_is_frozen_stays_as_it_is(family: str, stages: int, kind: str) -> None:
    model = build(family, kind, frozen_stages=stages, drop_path_rate=0.5).train()
    before = copy.deepcopy(model.state_dict())
    # the model that nothing is frozen in has what is idle
    idle = {name for name, p in build(family, kind).named_parameters() if not p.requires_grad}
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != (name in idle or is_frozen(name, family, stages)), name
    for name, module in model.named_modules():
        if name.startswith(('blocks.', 'merges.', 'patch_embed', 'pos_embed', 'patch_norm', 'pre_norm')):
            assert module.training != is_frozen(name + '.', family, stages), name
    step(model, inputs(kind, 4))
    after = model.state_dict()
    assert after.keys() == build(family, kind).state_dict().keys()
    frozen = {name for name in after if is_frozen(name, family, stages)}
    assert all(torch.equal(after[name], before[name]) for name in frozen)  # running means of norms among them
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed and bool(frozen) == (stages >= 0)
    model.eval()
    model.train()
    assert model.patch_embed.training == (stages < 0) and model.training


@pytest.mark.parametrize('family', FAMILIES)
def test_frozen_stages_give_the_features_of_evaluation(family: str) -> None:
    """No path is dropped in them, and all that trains still has gradients, with recomputation too."""
    model = build(family, frozen_stages=len(BLOCKS[family]) - 1, drop_path_rate=0.9)
    x = inputs('video')
    with torch.no_grad():
        expected = model(x)[0]
        torch.testing.assert_close(model.train()(x)[0], expected, rtol=1e-5, atol=1e-5)
    results = []
    for with_cp in (False, True):
        model = build(family, frozen_stages=1, with_cp=with_cp).train()
        (model(x)[0] * torch.linspace(-1, 1, model.embed_dims)).sum().backward()
        results.append({name: p.grad for name, p in model.named_parameters() if p.requires_grad})
    assert all(grad is not None for grads in results for grad in grads.values())
    for name, grad in results[0].items():
        torch.testing.assert_close(results[1][name], grad, msg=name, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('value', [-2, 99, 1.5, True, '1', None])
@pytest.mark.parametrize('family', FAMILIES)
def test_wrong_values(family: str, value: object) -> None:
    count = len(BLOCKS[family]) - 1
    with pytest.raises(ValueError, match=rf'frozen_stages={value!r}: -1 to {count} would do'):
        build(family, frozen_stages=value)


def test_frozen_of_uniformerv2_is_all_layers() -> None:
    trained = [
        {name for name, p in build('UniFormerV2', **kwargs).named_parameters() if p.requires_grad}
        for kwargs in (dict(frozen=True), dict(frozen_stages=3), dict(frozen=True, frozen_stages=3))
    ]
    assert trained[0] == trained[1] == trained[2]
    with pytest.raises(ValueError, match='frozen=True freezes all 3 layers, frozen_stages=1 not'):
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
        assert (parameter.grad is None) == is_frozen(name, 'SMViT', 1), name
    assert not model.backbone.blocks[0].training and model.backbone.blocks[1].training
    assert all(p.grad is not None for p in model.decoder.parameters())


def test_detector_trains_norms_of_frozen_outputs() -> None:
    """As in mmaction2: the norms of outputs belong to what takes them."""
    model = build('VideoSwin', 'images', frozen_stages=2, out_indices=(0, 1), out_type='featmap')
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {
        f'{norm}.{leaf}' for norm in ('norm0', 'norm') for leaf in ('weight', 'bias')
    }
