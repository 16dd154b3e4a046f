"""What every registered backbone does, whatever its family: shapes, modes, gradients, freezing, maps, export.

A new family is tested here as soon as it is registered and has an entry in tests/helpers/micro_backbones.py.
"""

import copy
import itertools
from collections.abc import Sequence

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from helpers.micro_backbones import (
    FAMILIES,
    INPUTS,
    MICRO,
    build,
    capture_maps,
    inputs,
    registered_backbones,
)

# exported with 2, run with 5
OTHER_BATCH = 5
DYNAMIC_BATCH = ({0: torch.export.Dim('N', min=1, max=64)},)
# parameters before the first block
STEM = ('patch_embed', 'patch_norm', 'pos_embed', 'cls_token', 'pre_norm')
# larger, smaller, not square
SIZES = {'video': ((8, 64, 64), (4, 48, 32), (16, 32, 80)), 'images': ((64, 64), (48, 32), (32, 80))}

families = pytest.mark.parametrize('family', FAMILIES)
kinds = pytest.mark.parametrize('kind', INPUTS)


def all_stages(family: str) -> tuple[int, ...]:
    return tuple(range(len(MICRO[family].depths)))


def map_shape(family: str, stage: int, size: Sequence[int], batch: int = 2) -> tuple[int, ...]:
    """Shape (N, C, [T,] H, W) of a stage's feature map."""
    micro = MICRO[family]
    strides = (micro.time_stride, micro.strides[stage], micro.strides[stage])[-len(size) :]
    return batch, micro.channels[stage], *(n // stride for n, stride in zip(size, strides, strict=True))


def gradients(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Of all parameters that are trained, from outputs that are weighed by channel."""
    model.zero_grad()
    sum(
        (out * torch.linspace(-1, 1, out.shape[1]).view(-1, *[1] * (out.ndim - 2))).sum() for out in model(x)
    ).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


def test_every_registered_backbone_is_tested() -> None:
    untested = registered_backbones() - {type(build(family)) for family in FAMILIES}
    names = ', '.join(sorted(backbone.__name__ for backbone in untested))
    assert not untested, f'{names}: add an entry to MICRO in tests/helpers/micro_backbones.py'


# ------------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize('out_type', ['featmap', 'avg_featmap', 'raw', 'cls_token'])
@families
@kinds
@torch.no_grad()
def test_out_types(kind: str, family: str, out_type: str) -> None:
    """Of one stage, of the last and of all; stages may be given from the end."""
    if out_type == 'cls_token' and not build(family, kind).has_cls_token:
        with pytest.raises(ValueError, match=f"out_type.*'{out_type}': choose from"):
            build(family, kind, out_type=out_type)
        return
    stages = all_stages(family)
    # UniFormerV2 has one class token for all of its layers
    for out_indices in (-1,) if out_type == 'cls_token' else (0, -1, stages, (0, -1)):
        model = build(family, kind, out_type=out_type, out_indices=out_indices)
        wanted = [i % len(stages) for i in ([out_indices] if isinstance(out_indices, int) else out_indices)]
        outs = model(inputs(kind))
        assert isinstance(outs, tuple) and len(outs) == len(wanted)
        assert all(out.isfinite().all() for out in outs)
        for stage, out in zip(wanted, outs, strict=True):
            batch, channels, *grid = map_shape(family, stage, INPUTS[kind])
            if out_type == 'featmap':
                assert out.shape == (batch, channels, *grid) and out.is_contiguous()
            elif out_type == 'raw':
                assert out.shape[::2] == (batch, channels) and out.shape[1] >= torch.Size(grid).numel()
            else:
                assert out.shape == (batch, channels)
    assert model.embed_dims == MICRO[family].channels[-1]


@families
@kinds
@torch.no_grad()
def test_other_sizes_than_built_for(kind: str, family: str) -> None:
    model = build(family, kind, out_type='featmap', out_indices=all_stages(family))
    for size in SIZES[kind]:
        outs = model(torch.randn(1, 3, *size))
        assert [tuple(out.shape) for out in outs] == [map_shape(family, i, size, 1) for i in all_stages(family)]
        assert all(out.isfinite().all() for out in outs)
    time, space = MICRO[family].time_stride, MICRO[family].strides[0]
    assert model.out_strides[0] == (time, space, space)[-len(size) :]


@families
@kinds
def test_inputs_of_the_other_kind_are_refused(kind: str, family: str) -> None:
    (other,) = set(INPUTS) - {kind}
    built = {'video': r'video \(N, C, T, H, W\)', 'images': r'images \(N, C, H, W\)'}[kind]
    with pytest.raises(ValueError, match=f'{MICRO[family].type} was built for {built}'):
        build(family, kind)(inputs(other))


@families
@torch.no_grad()
def test_samples_of_a_batch_do_not_see_each_other(family: str) -> None:
    model, x = build(family), inputs('video', 3)
    (together,) = model(x)
    torch.testing.assert_close(together.flip(0), model(x.flip(0))[0])
    torch.testing.assert_close(together[1:2], model(x[1:2])[0], rtol=1e-4, atol=1e-5)


# --------------------------------------------------------------------------------------------------------------- modes


@families
@kinds
def test_recomputation_changes_neither_outputs_nor_gradients(kind: str, family: str) -> None:
    x, results = inputs(kind).requires_grad_(), []
    for with_cp in (False, True):
        model = build(family, kind, with_cp=with_cp).train()
        torch.manual_seed(0)
        results.append((model(x)[0], gradients(model, x), dict(model.named_buffers())))
    (out, grads, buffers), (out_again, grads_again, buffers_again) = results
    torch.testing.assert_close(out_again, out)
    torch.testing.assert_close(buffers_again, buffers)  # of batch norms, which see a batch once
    for name, grad in grads.items():
        torch.testing.assert_close(grads_again[name], grad, msg=name, rtol=1e-4, atol=1e-5)


@families
def test_recomputation_of_some_stages(family: str) -> None:
    """Blocks of the stages that `with_cp` lists run again in the backward pass, others do not."""
    x, last = inputs('video'), len(MICRO[family].depths) - 1
    expected = gradients(build(family).train(), x)
    for with_cp, stages in (((0,), {0}), ([0, -1], {0, last})):
        model, runs = build(family, with_cp=with_cp).train(), list[int]()
        for index, block in enumerate(model.blocks):
            block.register_forward_pre_hook(lambda *_, index=index, runs=runs: runs.append(index))
        found = gradients(model, x)
        for stage, (start, end) in enumerate(itertools.pairwise(MICRO[family].stage_ends)):
            assert all(runs.count(index) == 1 + (stage in stages) for index in range(start, end))
        for name, grad in expected.items():
            torch.testing.assert_close(found[name], grad, msg=name, rtol=1e-4, atol=1e-5)


@families
@torch.no_grad()
def test_autocast_is_close(family: str) -> None:
    model, x = build(family, out_type='featmap', out_indices=all_stages(family)), inputs('video')
    plain = model(x)
    with torch.autocast('cpu', torch.bfloat16):
        for half, full in zip(model(x), plain, strict=True):
            assert (half.float() - full).abs().max() < 0.1 * full.std()


@families
def test_compiles_as_one_graph(family: str) -> None:
    """A training step, once for all batches of one size."""
    model, x = build(family, drop_path_rate=0.2).train(), inputs('video')
    compiled = torch.compile(model, backend='eager', fullgraph=True)
    gradients(compiled, inputs('video').flip(0))
    with torch._dynamo.config.patch(error_on_recompile=True):
        torch.manual_seed(0)
        found = gradients(compiled, x)
    torch.manual_seed(0)
    for name, grad in gradients(model, x).items():
        torch.testing.assert_close(found[f'_orig_mod.{name}'], grad, msg=name, rtol=1e-4, atol=1e-5)


@families
def test_exports_for_any_batch(family: str) -> None:
    model = build(family)
    exported = torch.export.export(model, (inputs('video'),), dynamic_shapes=DYNAMIC_BATCH).module()
    x = inputs('video', OTHER_BATCH)
    with torch.no_grad():
        for found, expected in zip(exported(x), model(x), strict=True):
            assert found.shape == expected.shape
            assert (found - expected).abs().max() <= 1e-4 * expected.std()


# ------------------------------------------------------------------------------------------------------------ training


@families
@kinds
def test_gradients_reach_every_trained_parameter(kind: str, family: str) -> None:
    """DistributedDataParallel waits for those that have none."""
    for outputs in ({}, *(dict(out_type='featmap', out_indices=i) for i in (0, all_stages(family)))):
        model = build(family, kind, **outputs).train()
        x = inputs(kind).requires_grad_()
        found = gradients(model, x)
        assert len(found) > 5 and x.grad.any()
        without = [name for name, grad in found.items() if grad is None or not grad.any()]
        assert not without, outputs


@families
def test_layer_depth(family: str) -> None:
    """From the patch embedding, layer 0, over a layer for each block to the last norm and the head."""
    model, num_blocks = build(family), MICRO[family].stage_ends[-1]
    depths = {}
    for name, _ in model.named_parameters():
        depth, num_layers = model.get_layer_depth(f'backbone.{name}', 'backbone.')
        assert num_layers == num_blocks + 2
        depths[name] = depth
    for name, depth in depths.items():
        part, *rest = name.split('.')
        if part == 'blocks':
            assert depth == int(rest[0]) + 1, name
        elif part in STEM:
            assert depth == 0, name
        else:
            assert 0 < depth <= num_blocks + 1, name
    assert sorted(set(depths.values())) == list(range(num_blocks + 2))
    assert depths['norm.weight'] == num_blocks + 1
    assert model.get_layer_depth('cls_head.fc_cls.weight', 'backbone.')[0] == num_blocks + 1


# ------------------------------------------------------------------------------------------------------------ freezing

FREEZING = [(family, stages) for family in FAMILIES for stages in range(-1, len(MICRO[family].stage_ends))]


def is_frozen(name: str, family: str, stages: int) -> bool:
    """Whether a parameter belongs to what `frozen_stages` names."""
    if stages < 0:
        return False
    first, number = (name.split('.') + [''])[:2]
    if first == MICRO[family].transitions:
        return int(number) < stages
    return first in STEM or (first == 'blocks' and int(number) < MICRO[family].stage_ends[stages])


def train_step(model: nn.Module, x: Tensor) -> None:
    head = nn.Linear(model.embed_dims, 3)
    whole = nn.Sequential(model, head)
    wrapper = build_optim_wrapper(whole, dict(optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1)))
    wrapper.update_params(head(model(x)[0]).square().sum())


@kinds
@pytest.mark.parametrize('family, stages', FREEZING)
def test_frozen_stages_stay_as_they_are(family: str, stages: int, kind: str) -> None:
    model = build(family, kind, frozen_stages=stages, drop_path_rate=0.5).train()
    before = copy.deepcopy(model.state_dict())
    # without freezing some parameters are idle, too
    idle = {name for name, p in build(family, kind).named_parameters() if not p.requires_grad}
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != (name in idle or is_frozen(name, family, stages)), name
    for name, module in model.named_modules():
        if name.startswith(('blocks.', 'merges.')) or name.split('.')[0] in STEM:
            assert module.training != is_frozen(f'{name}.', family, stages), name
    train_step(model, inputs(kind, 4))
    after = model.state_dict()
    assert after.keys() == build(family, kind).state_dict().keys()
    frozen = {name for name in after if is_frozen(name, family, stages)}
    assert all(torch.equal(after[name], before[name]) for name in frozen)  # running means of norms among them
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed and bool(frozen) == (stages >= 0)
    model.eval()
    model.train()
    assert model.patch_embed.training == (stages < 0) and model.training


@families
def test_frozen_stages_give_the_features_of_evaluation(family: str) -> None:
    """No path is dropped in them, and all that trains still has gradients, with recomputation too."""
    model = build(family, frozen_stages=len(MICRO[family].depths), drop_path_rate=0.9)
    x = inputs('video')
    with torch.no_grad():
        expected = model(x)[0]
        torch.testing.assert_close(model.train()(x)[0], expected, rtol=1e-5, atol=1e-5)
    plain, recomputed = (
        gradients(build(family, frozen_stages=1, with_cp=with_cp).train(), x) for with_cp in (False, True)
    )
    assert all(grad is not None for grad in plain.values())
    for name, grad in plain.items():
        torch.testing.assert_close(recomputed[name], grad, msg=name, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('value', [-2, 99, 1.5, True, '1', None])
@families
def test_wrong_frozen_stages_are_refused(family: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf'frozen_stages={value!r}: .*-1 .*{len(MICRO[family].depths)}'):
        build(family, frozen_stages=value)


# ---------------------------------------------------------------------------------------------------------------- maps


def as_output(model: nn.Module, family: str, stage: int, x: Tensor) -> Tensor:
    """A stage's map as `out_type='featmap'` gives it: with a norm, in a family that norms the outputs of stages."""
    if not MICRO[family].normed_maps:
        return x
    return getattr(model, model.norm_name(stage))(x.movedim(1, -1)).movedim(-1, 1)


@kinds
@families
@pytest.mark.parametrize('height', [32, 24])  # 24: SMViT pads, windows of Swin divide no grid
@torch.no_grad()
def test_stage_maps_are_feature_maps(height: int, family: str, kind: str) -> None:
    stages = all_stages(family)
    model = build(family, kind, out_type='featmap', out_indices=stages)
    x = inputs(kind)[..., :height, :]
    plain = model(x)
    maps, outs = capture_maps(model, x)
    assert len(maps) == len(outs) == len(model.stage_maps) == len(stages)
    for stage, (found, out, expected) in enumerate(zip(maps, outs, plain, strict=True)):
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(as_output(model, family, stage, found), expected, rtol=1e-5, atol=1e-5)


@kinds
@families
@torch.no_grad()
def test_a_patch_lights_up_its_place_in_stage_maps(family: str, kind: str) -> None:
    """Whatever is returned, a change of a corner of the input is the largest in that corner of every map."""
    model, x = build(family, kind), inputs(kind, 1)
    changed = x.clone()
    changed[..., -8:, :8] += 3  # the lower left, in the last frames
    if kind == 'video':
        changed[:, :, :-2] = x[:, :, :-2]
    before, after = (capture_maps(model, each)[0] for each in (x, changed))
    assert len(before) == len(model.stage_maps)
    for old, new in zip(before, after, strict=True):
        assert old.ndim == x.ndim and old.shape[-1] == old.shape[-2] > 1
        change = (new - old).norm(dim=1)[0]
        place = torch.unravel_index(change.argmax(), change.shape)
        last = [n - 1 for n in change.shape]
        rows, columns = max(1, change.shape[-2] // 4), max(1, change.shape[-1] // 4)
        assert place[-2] > last[-2] - rows and place[-1] < columns, (place, change.shape)
        assert kind == 'images' or place[0] >= last[0] - (change.shape[0] > 4)


@kinds
@families
def test_stage_maps_are_on_the_path_to_the_output(family: str, kind: str) -> None:
    """What a hook puts in a map's place goes on; the gradient of the output arrives at every map."""
    model, x = build(family, kind), inputs(kind)
    (expected,) = model(x)
    maps, (out,) = capture_maps(model, x)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    arrived = torch.autograd.grad((out * torch.linspace(-1, 1, out.shape[1]).sin()).sum(), maps)
    assert all(gradient.abs().amax(1).count_nonzero() > 1 for gradient in arrived)
    for place in model.stage_maps:
        hook = place.register_forward_hook(lambda module, args, out: out * (torch.arange(out.shape[-1]) > 0))
        assert not torch.allclose(model(x)[0], expected, atol=1e-4)
        hook.remove()
    assert torch.equal(model(x)[0], expected)


@families
def test_stage_maps_change_no_name_of_a_parameter(family: str) -> None:
    model = build(family)
    assert not any('stage_maps' in name for name in model.state_dict())
    assert copy.deepcopy(model).load_state_dict(model.state_dict())
