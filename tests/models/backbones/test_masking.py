"""Mask units in MViT: the models between MViTv2 and SMViT (SMViT, table 1), whose poolings treat units apart."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from mmhvt.models.backbones import MViT, SMViT
from mmhvt.models.layers import Pooling, merge_windows, split_windows

STAGES = dict(embed_dims=16, num_heads=1, depths=(1, 2, 2, 1))
# what each row of table 1 has that the row before has not
STEPS: dict[str, dict[str, Any]] = {'absolute positions': dict(rel_pos='none')}
STEPS['max pools'] = STEPS['absolute positions'] | dict(pool_mode='max')
STEPS['no pools of stride 1'] = STEPS['max pools'] | dict(full_q_pool=False, full_kv_pool=False)
STEPS['kernel = stride'] = STEPS['max pools'] | dict(full_q_pool=False, pool_kernel='s')
STEPS['no residuals'] = STEPS['kernel = stride'] | dict(residual_pooling=False)
# "Requires the separate-and-pad trick"
PADDED = ('absolute positions', 'max pools', 'no pools of stride 1')
INPUTS: dict[str, dict[str, Any]] = {
    'images': dict(input_size=(64, 96), mask_unit_size=(8, 8), kv_stride=(4, 4), abs_pos='joint'),
    'video': dict(input_size=(4, 64, 64), mask_unit_size=(1, 8, 8), kv_stride=(1, 4, 4), abs_pos='separate'),
}


def build(step: str, kind: str, **kwargs: Any) -> MViT:
    """A micro model with random weights, whose outputs are not normalized."""
    options = STEPS[step] | INPUTS[kind] | dict(out_indices=(0, 1, 2, 3), out_type='featmap') | kwargs
    model = MViT(dict(STAGES, version=2), **options).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    for name in ('norm0', 'norm1', 'norm2', 'norm'):
        if hasattr(model, name):
            setattr(model, name, nn.Identity())
    return model


def clip(kind: str, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 3, *INPUTS[kind]['input_size'])


@pytest.mark.parametrize('q_pool', [None, 2])
@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('step', STEPS)
def test_masked_pixels_change_nothing_in_visible_units(step: str, kind: str, q_pool: int | None) -> None:
    model, x, other = build(step, kind, q_pool=q_pool), clip(kind, 1), clip(kind, 1)
    counts, visible = model.unit_grid(x.shape[2:]), torch.tensor([[1, 4]])
    shown = torch.zeros(1, math.prod(counts)).scatter(1, visible, 1.0).view(1, 1, *counts)
    shown = nn.functional.interpolate(shown, x.shape[2:])
    stages = model.forward_units(x, visible)
    for stage, same in zip(stages, model.forward_units(x * shown + other * (1 - shown), visible), strict=True):
        assert torch.equal(stage, same)
    changed = model.forward_units(x * (1 - shown) + other * shown, visible)
    assert all(not torch.allclose(stage, out) for stage, out in zip(stages, changed, strict=True))
    sides = [8, 4, 2, 1 if q_pool is None else 2]
    assert [stage.shape[-3:-1] for stage in stages] == [(side, side) for side in sides]
    assert model.pooled_unit[-2:] == (sides[-1],) * 2


@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('step', STEPS)
def test_with_nothing_masked_units_are_those_of_the_dense_model(step: str, kind: str) -> None:
    model, x = build(step, kind), clip(kind)
    units = math.prod(model.unit_grid(x.shape[2:]))
    visible = torch.stack([torch.randperm(units), torch.arange(units)])  # in any order
    for dense, sparse in zip(model(x), model.forward_units(x, visible), strict=True):
        in_rows = torch.stack([stage[order.argsort()] for stage, order in zip(sparse, visible, strict=True)])
        merged = merge_windows(in_rows.flatten(0, 1).flatten(1, -2), sparse.shape[2:-1], dense.shape[2:])
        torch.testing.assert_close(merged.movedim(-1, 1), dense, rtol=1e-4, atol=1e-4 * dense.std().item())


@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('step', STEPS)
def test_units_change_the_dense_model_only_where_kernels_overlap(step: str, kind: str) -> None:
    model, x = build(step, kind), clip(kind)
    whole = build(step, kind, mask_unit_size=None)
    whole.load_state_dict(model.state_dict())
    for apart, together in zip(model(x), whole(x), strict=True):
        assert apart.shape == together.shape
        same = torch.allclose(apart, together, rtol=1e-4, atol=1e-4 * together.std().item())
        assert same == (step not in PADDED)


def test_poolings_see_zeros_around_each_unit() -> None:
    x = torch.randn(2, 3 * 16, 8)  # 3 units of 4×4 tokens
    for mode in ('conv', 'max', 'avg'):
        pooling = Pooling(4, mode, (3, 3), (2, 2), (1, 1), norm_cfg=dict(type='LN'), in_units=True)
        out, grid = pooling(x, (4, 4), num_heads=2, prefix=0)
        assert grid == (2, 2) and out.shape == (2, 2, 3 * 4, 4)
        alone = Pooling(4, mode, (3, 3), (2, 2), (0, 0), norm_cfg=dict(type='LN'))
        alone.load_state_dict(pooling.state_dict())
        for index, unit in enumerate(x.split(16, 1)):
            padded = nn.functional.pad(unit.unflatten(1, (4, 4)), (0, 0, 1, 1, 1, 1)).flatten(1, 2)
            expected = alone(padded, (6, 6), num_heads=2, prefix=0)[0]
            torch.testing.assert_close(out[:, :, 4 * index : 4 * index + 4], expected)


def test_max_pool_of_a_single_token_is_a_relu() -> None:
    """So with small mask units "this in effect performs a relu on every feature map" (section 3.2)."""
    x = torch.randn(2, 5, 8)
    pooling = Pooling(8, 'max', (3, 3, 3), (1, 1, 1), (1, 1, 1), norm_cfg=dict(type='LN'), in_units=True)
    assert torch.equal(pooling(x, (1, 1, 1), num_heads=1, prefix=0)[0][:, 0], x.relu())


@pytest.mark.parametrize('kind', INPUTS)
def test_last_step_with_global_attention_is_smvit(kind: str) -> None:
    """But for mask unit attention, the last row, nothing is left to replace: weights and outputs are the same."""
    model, x = build('no residuals', kind, kv_stride='none'), clip(kind)
    smvit = SMViT(
        STAGES,
        input_size=INPUTS[kind]['input_size'],
        mask_unit_attn=(False,) * 4,
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
    ).eval()
    smvit.norm = nn.Identity()
    weights = model.state_dict()
    # MViT resizes positions as its authors do, which matters at other sizes only
    assert smvit.load_state_dict(weights).missing_keys == []
    for ours, theirs in zip(model(x), smvit(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.std().item())
    visible = torch.tensor([[0, 5, 3], [4, 1, 2]]) if kind == 'images' else torch.tensor([[0, 7, 3], [4, 1, 2]])
    for ours, theirs in zip(model.forward_units(x, visible), smvit.forward_units(x, visible), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.std().item())


@pytest.mark.parametrize('kind', INPUTS)
def test_ladder_from_mvitv2_large_to_smvit_large(kind: str) -> None:
    size = (224, 224) if kind == 'images' else (16, 224, 224)
    with torch.device('meta'):
        counts = {
            step: sum(
                p.numel() for p in MViT('v2_large', **(INPUTS[kind] | STEPS[step] | dict(input_size=size))).parameters()
            )
            for step in STEPS
        }
        smvit = SMViT('large', input_size=size)
        mvit = MViT('v2_large', input_size=size)
    final = sum(p.numel() for p in smvit.parameters())
    assert round(final / 1e6) == 213  # table 2
    assert {counts[step] for step in STEPS if step != 'absolute positions'} == {final}
    poolings = sum(p.numel() for name, p in mvit.named_parameters() if '.pool_' in name)
    assert counts['absolute positions'] == final + poolings
    tables = sum(p.numel() for name, p in mvit.named_parameters() if '.rel_pos.' in name)
    positions = sum(p.numel() for p in smvit.pos_embed.parameters())
    assert sum(p.numel() for p in mvit.parameters()) == counts['absolute positions'] - positions + tables


@pytest.mark.parametrize('kind', INPUTS)
def test_poolings_that_are_left(kind: str) -> None:
    """At last "the only pooling layers that remain are for Q at stage transitions and for KV pooling in the first two
    stages", 3×3 until kernels equal strides (section 3.2).
    """
    for step in STEPS:
        model = build(step, kind)
        left = {
            (name, index): getattr(block.attn, f'pool_{name}').kernel[-2:]
            for index, block in enumerate(model.blocks)
            for name in 'qkv'
            if getattr(block.attn, f'pool_{name}') is not None
        }
        if step in ('absolute positions', 'max pools'):
            assert len(left) == 3 * len(model.blocks) and set(left.values()) == {(3, 3)}
            continue
        # two blocks in the second stage; the first of it has the keys of its own resolution
        assert set(left) == {('q', 1), ('q', 3), ('q', 5), *((name, index) for name in 'kv' for index in (0, 1, 2))}
        kernels = {left['k', 0], left['k', 1], left['q', 1]}
        assert kernels == ({(3, 3)} if step in PADDED else {(4, 4), (2, 2)})

        assert model.blocks[1].pool_skip.kernel[-2:] == ((3, 3) if step in PADDED else (2, 2))


def test_hooked_maps_are_those_of_the_whole_grid() -> None:
    model, x, maps = build('absolute positions', 'images'), clip('images'), {}
    for stage in range(4):
        model.stage_maps[stage].register_forward_hook(lambda _, args, out, stage=stage: maps.update({stage: out}))
    for stage, out in enumerate(model(x)):
        torch.testing.assert_close(maps[stage], out)
    raw = build('absolute positions', 'images', out_type='raw')
    raw.load_state_dict(model.state_dict())
    for out, tokens in zip(model(x), raw(x), strict=True):
        torch.testing.assert_close(tokens, out.flatten(2).transpose(1, 2))


def test_recomputed_units_and_empty_batches() -> None:
    for kind in INPUTS:
        model, x, visible = (
            build('absolute positions', kind, with_cp=True).train(),
            clip(kind),
            torch.tensor([[0, 3]] * 2),
        )
        outs = model.forward_units(x, visible)
        sum(out.sum() for out in outs).backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert [len(out) for out in model.eval()(x[:0])] == [0] * 4
        assert len(model.forward_units(x[:0], visible[:0])[0]) == 0


def test_units_in_order_of_windows() -> None:
    model, x, seen = build('absolute positions', 'images'), clip('images', 1), []
    model.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args))
    with torch.no_grad():
        model(x)
    tokens, grid = seen[0]
    whole = model.patch_embed(x) + model.pos_embed((16, 24))
    assert grid == (8, 8)
    torch.testing.assert_close(tokens.view(6, 64, 16), split_windows(whole, (8, 8)))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            dict(with_cls_token=True),
            'mask_unit_size=.* with with_cls_token=True: a class token belongs to no mask unit',
        ),
        (dict(rel_pos='space'), "mask_unit_size=.* with rel_pos='space': deleted mask units leave no grid"),
        (dict(window_size=56, mask_unit_size=(8, 8)), 'with window_size=56: attention is over all mask units'),
        (
            dict(input_size=(64, 80)),
            r'mask units of \(32, 32\) .* do not divide an input of \(64, 80\); \(64, 64\) would',
        ),
        (dict(mask_unit_size=(4, 4)), r'mask_unit_size=\(4, 4\) becomes \(1, 1\) tokens'),
        (dict(mask_unit_size=(1, 8, 8)), r'mask_unit_size \(1, 8, 8\) needs 2 numbers'),
        (dict(mask_unit_size=(8, 8), kv_stride=(16, 16), abs_pos='none'), 'a smaller kv_stride or q_pool'),
        (dict(q_pool=4), r'q_pool=4 with 4 stages: choose from 0 to 3'),
        (dict(q_pool=2, mask_unit_size=None, window_size=56), 'windows shrink at every transition'),
    ],
)
def test_wrong_options_say_what_would_do(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f'MViT: .*{message}' if 'needs 2' not in message else message):
        build('absolute positions', 'images', **options)
