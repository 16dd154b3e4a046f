"""Tensors that are kept serve every mode, and those of a mode are not kept."""

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensor, FakeTensorMode

from mmhvt.models.layers import constant, constants

CPU = torch.device('cpu')


@pytest.fixture
def calls() -> list:
    return []


@pytest.fixture
def places(calls):
    @constant
    def places(count: int, device: torch.device) -> Tensor:
        calls.append(count)
        return torch.arange(count, device=device, dtype=torch.float32)

    return places


def test_made_once_for_each_size_and_device(places, calls) -> None:
    assert places(3, CPU) is places(3, CPU)
    assert places(3, torch.device('meta')).is_meta and places(4, CPU).shape == (4,)
    assert calls == [3, 3, 4]


def test_made_in_inference_mode_and_used_in_training(places) -> None:
    with torch.inference_mode():
        places(3, CPU)
    x = torch.ones(3, requires_grad=True)
    (x * places(3, CPU)).sum().backward()  # autograd refuses to save a tensor of inference mode
    assert x.grad.tolist() == [0, 1, 2]


def test_fake_tensors_meet_fake_ones_and_are_not_kept(places) -> None:
    kept = places(3, CPU)
    with FakeTensorMode():
        assert isinstance(places(3, CPU), FakeTensor) and isinstance(places(4, CPU), FakeTensor)
    assert places(3, CPU) is kept and type(places(4, CPU)) is Tensor


def test_transforms_of_functions_leave_nothing_behind(places) -> None:
    def loss(x: Tensor) -> Tensor:
        return (x * places(3, CPU)).sum()

    x = torch.ones(2, 3)
    for _ in range(2):
        assert torch.func.vmap(torch.func.grad(loss))(x).tolist() == [[0, 1, 2]] * 2
    assert loss(x[0]).item() == 3


def test_compiled_functions_make_their_own(places, calls) -> None:
    compiled = torch.compile(lambda x: x * places(3, x.device), backend='eager', fullgraph=True)
    assert compiled(torch.ones(3)).tolist() == places(3, CPU).tolist()


def test_the_memory_is_bounded(places, calls, monkeypatch) -> None:
    monkeypatch.setattr(constants, 'LIMIT', 2)
    for count in (1, 2, 3, 1):
        places(count, CPU)
    assert calls == [1, 2, 3, 1]
    monkeypatch.setattr(constants, 'LARGEST', 16)
    assert places(5, CPU) is not places(5, CPU) and places(4, CPU) is places(4, CPU)
