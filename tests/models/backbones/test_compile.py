"""torch.compile: forward and backward are one graph each, for batches of one size; no step waits for the device.

Backends that need no compiler of C++ stand for inductor.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from helpers.micro_backbones import FAMILIES, INPUTS, MICRO, build, config, inputs, randomize
from mmhvt.models import MAE
from mmhvt.registry import MODELS

# all stages as maps; windows and a global block in each stage, as MViTv2 detects
DETECTION = {
    'windows': dict(
        type='mmhvt.MViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 2), version=2, window_size=4)
    ),
    **{family: None for family in FAMILIES},
}
# operators whose result the host waits for, or whose shape depends on data
WAITING = ('_local_scalar_dense', 'is_nonzero', 'nonzero', 'masked_select', '_unique2', 'equal', 'repeat_interleave')


class NothingWaits(TorchDispatchMode):
    """Raises at an operator for which the host would wait."""

    def __torch_dispatch__(
        self, func: OpOverload, types: Sequence[type], args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        masks = (
            [i for i in args[1] if i is not None and i.dtype == torch.bool] if name in ('index', 'index_put') else []
        )
        assert name not in WAITING and not masks, f'{func} waits for the device'
        out = func(*args, **(kwargs or {}))
        source = dict(_to_copy=args[:1], copy_=args[1:2]).get(name, ())
        assert all(x.device.type == out.device.type for x in source), f'{func} copies from {source[0].device}'
        return out


def mae() -> MAE:
    decoder = dict(embed_dims=32, depth=1, num_heads=2)
    return randomize(MAE(config('SMViT', drop_path_rate=0.2), mask_ratio=0.75, decoder=decoder))


def detector(kind: str) -> nn.Module:
    stages = range(len(MICRO.get(kind, MICRO['MViTv2']).depths))
    settings = dict(out_type='featmap', out_indices=tuple(stages), drop_path_rate=0.2, with_cp=[0])
    return build('MViTv2' if kind == 'windows' else kind, 'images', **settings, **(DETECTION[kind] or {}))


def loss_of(model: nn.Module, x: Tensor) -> Tensor:
    if hasattr(model, 'reconstruct'):
        return model(x, mode='loss')['loss']
    return sum((out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum() for out in model(x))


STEPS = {
    **{
        (family, kind): lambda f=family, k=kind: build(f, k, drop_path_rate=0.2)
        for family in FAMILIES
        for kind in INPUTS
    },
    **{('detection', kind): lambda k=kind: detector(k) for kind in DETECTION},
    ('MAE', 'video'): mae,
}


@pytest.mark.parametrize('case', STEPS, ids=' '.join)
def test_no_step_waits_for_the_device(case: tuple[str, str]) -> None:
    model, x = STEPS[case]().train(), inputs('video' if case[1] == 'video' else 'images')
    with NothingWaits():
        loss_of(model, x).backward()


@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('family', FAMILIES)
def test_nothing_is_copied_from_the_host(family: str, kind: str) -> None:
    """On a GPU that need not be there."""
    with FakeTensorMode():
        with torch.device('cuda'):
            model = MODELS.build(config(family, kind, drop_path_rate=0.2)).train()
            x = torch.randn(2, 3, *INPUTS[kind])
        with NothingWaits():
            assert model(x)[0].device.type == 'cuda'


@pytest.mark.parametrize('case', [case for case in STEPS if case[0] == 'MAE'], ids=' '.join)
def test_masked_pre_training_copies_nothing_from_the_host(case: tuple[str, str]) -> None:
    with FakeTensorMode():
        with torch.device('cuda'):
            model, x = STEPS[case]().train(), torch.randn(2, 3, *INPUTS['video' if case[1] == 'video' else 'image'])
        with NothingWaits():
            assert loss_of(model, x).device.type == 'cuda'


@pytest.mark.slow
@pytest.mark.parametrize('case', [case for case in STEPS if case[0] in ('detection', 'MAE')], ids=' '.join)
def test_a_step_is_one_graph_each_way(case: tuple[str, str]) -> None:
    """With recomputation, too; there are no others for further batches."""
    x, grads = inputs('video' if case[1] == 'video' else 'images'), []
    for compiles in (False, True):
        model = STEPS[case]().eval()
        run = torch.compile(model, backend='aot_eager', fullgraph=True) if compiles else model
        with torch._dynamo.config.patch(error_on_recompile=True):
            for batch in (x.flip(0), x):
                model.zero_grad()
                torch.manual_seed(0)
                loss_of(run, batch).backward()
        grads.append({name: p.grad for name, p in model.named_parameters() if p.requires_grad})
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    'family',
    [  # symbolic sizes of shifted windows take ten minutes
        pytest.param(family, marks=[] if family in ('VisionTransformer', 'SMViT') else pytest.mark.thorough)
        for family in FAMILIES
    ],
)
@torch.no_grad()
def test_other_sizes_need_few_graphs(family: str) -> None:
    """The second batch size makes a graph for all; PyTorch stops at eight."""
    model, graphs, (height, width) = build(family, 'images'), CompileCounter(), INPUTS['images']
    compiled = torch.compile(model, backend=graphs, fullgraph=True)
    for batch in (2, 3, 5, 4):
        compiled(torch.randn(batch, 3, height, width))
    # PyTorch's choice of a kernel for small convolutions on CPUs depends on the batch, once
    assert graphs.frame_count <= 3
    for rows, columns in itertools.product((1, 2, 3), (1, 2, 4)):
        compiled(torch.randn(2, 3, rows * height, columns * width))
    assert graphs.frame_count <= 8
