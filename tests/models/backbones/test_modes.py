"""A model trains in a process in which it, or another, ran in inference, export, tracing, fake and meta modes."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from helpers.micro_backbones import FAMILIES, INPUTS, config, inputs, randomize
from mmhvt.registry import MODELS


class Pixels(nn.Module):
    """A masked auto-encoder with given visible units, (N, C, [T,] H, W) -> predicted pixels."""

    def __init__(self, kind: str):
        super().__init__()
        backbone = config('SMViT', kind, out_type='raw')
        self.mae = MODELS.build(
            dict(
                type='mmhvt.MAE',
                backbone=backbone,
                decoder=dict(embed_dims=16, depth=1, num_heads=2),
                mask_ratio=0.5,
                data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor'),
            )
        )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """See the class."""
        visible = torch.arange(0, 4, 2, device=x.device).expand(x.shape[0], -1)
        return (self.mae.reconstruct(x, visible)[0],)


def build(family: str, kind: str) -> nn.Module:
    """A micro model of a family or, for 'MAE', an auto-encoder."""
    return randomize(Pixels(kind) if family == 'MAE' else MODELS.build(config(family, kind)))


def run_inference(model: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        model(x)


def run_export(model: nn.Module, x: Tensor) -> None:
    for _ in range(2):
        torch.export.export(model, (x,))


def run_trace(model: nn.Module, x: Tensor) -> None:
    torch.jit.trace(model, (x,), check_trace=False)


def run_make_fx(model: nn.Module, x: Tensor) -> None:
    for mode in ('real', 'fake'):
        make_fx(lambda x: model(x)[0], tracing_mode=mode, _allow_non_fake_inputs=True)(x)


def run_fake(model: nn.Module, x: Tensor) -> None:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        model(mode.from_tensor(x))


def run_meta(model: nn.Module, x: Tensor) -> None:
    family, kind = model.built_from
    with torch.device('meta'):
        build(family, kind)(x.to('meta'))


MODES = (run_inference, run_export, run_trace, run_make_fx, run_fake, run_meta)


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Of all parameters that have one, in one step."""
    model.zero_grad()
    (out,) = model(x)
    (out * torch.linspace(-1, 1, out.shape[-1])).sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize('mode', MODES, ids=lambda mode: mode.__name__[4:])
@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('family', [*FAMILIES, 'MAE'])
def test_training_behind_another_mode(family: str, kind: str, mode: Callable) -> None:
    """The first to run in this size, and only one of many: what the mode made would be found by the next forward."""
    model, x = build(family, kind), inputs(kind)
    model.built_from = family, kind
    mode(model, x)
    found = gradients(model, x)
    compare_with_new(family, kind, found)


@pytest.mark.slow
@pytest.mark.parametrize('kind', INPUTS)
@pytest.mark.parametrize('family', [*FAMILIES, 'MAE'])
def test_training_behind_compilation(family: str, kind: str) -> None:
    """And within it."""
    model, x = build(family, kind), inputs(kind)
    torch.compile(model, backend='eager', fullgraph=True)(x)
    compare_with_new(family, kind, gradients(model, x))


def compare_with_new(family: str, kind: str, found: list[Tensor]) -> None:
    """Gradients are those of a model that never ran."""
    expected = gradients(build(family, kind), inputs(kind))
    assert len(found) == len(expected) > 5
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)


def test_nothing_of_another_mode_is_kept() -> None:
    for family in (*FAMILIES, 'MAE'):
        for kind in INPUTS:
            run_inference(build(family, kind), inputs(kind))
    gc.collect()
    assert not [x.shape for x in gc.get_objects() if type(x) is Tensor and x.is_inference()]
