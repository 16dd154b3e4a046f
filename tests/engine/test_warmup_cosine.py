"""The schedule that follows the length of the run."""

import pytest
import torch
from mmengine import Config
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from mmengine.runner import Runner

from mmhvt.registry import PARAM_SCHEDULERS


def optimizer(lr: float = 0.5) -> torch.optim.Optimizer:
    layers = [dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=lr * scale) for scale in (1, 0.1)]
    return torch.optim.SGD(layers, lr=lr)


def rates(steps: int, *schedulers, wrapper: OptimWrapper) -> torch.Tensor:
    """Learning rates of the groups at every step, (steps, groups)."""
    values = []
    for _ in range(steps):
        values.append([group['lr'] for group in wrapper.param_groups])
        wrapper.step()
        for scheduler in schedulers:
            scheduler.step()
    return torch.tensor(values)


def test_equals_mmengines_warmup_and_cosine() -> None:
    """Of 40 steps, 10 of warm-up; each group keeps its share, as layer-wise decay needs it."""
    wrapper = OptimWrapper(optimizer())
    cfg = dict(type='mmhvt.WarmupCosineLR', warmup_ratio=0.25, start_factor=0.1, end_factor=0.01, end=40)
    ours = rates(40, PARAM_SCHEDULERS.build(cfg | dict(optimizer=wrapper, by_epoch=False)), wrapper=wrapper)
    theirs = OptimWrapper(optimizer())
    warmup = LinearLR(theirs, start_factor=0.1, end=11, by_epoch=False)
    cosine = CosineAnnealingLR(theirs, eta_min_ratio=0.01, begin=10, end=40, T_max=29, by_epoch=False)
    assert torch.allclose(ours, rates(40, warmup, cosine, wrapper=theirs), rtol=1e-5)
    assert ours[0, 0] == pytest.approx(0.05) and ours[10, 0] == 0.5 and ours[-1, 0] == pytest.approx(0.005)
    assert torch.allclose(ours[:, 1], ours[:, 0] / 10)


@pytest.mark.parametrize('epochs', [1, 2, 7])
@pytest.mark.parametrize('per_iteration', [True, False])
def test_follows_max_epochs(epochs: int, per_iteration: bool, config: Config) -> None:
    config.train_cfg.max_epochs = epochs
    config.param_scheduler = dict(type='mmhvt.WarmupCosineLR', warmup_ratio=0.3, convert_to_iter_based=per_iteration)
    runner = Runner.from_cfg(config)
    assert runner.train_loop.max_epochs == epochs
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    (scheduler,) = runner.build_param_scheduler(config.param_scheduler)
    steps = epochs * (len(runner.train_dataloader) if per_iteration else 1)
    assert (scheduler.begin, scheduler.end) == (0, steps)
    values = rates(steps, scheduler, wrapper=runner.optim_wrapper)[:, 0]
    assert values.max() == pytest.approx(0.01)
    assert steps < 3 or (values[0] == pytest.approx(1e-4) and values[-1] == pytest.approx(0, abs=1e-9))


def test_resumes(config: Config) -> None:
    """Its state is all that it needs."""
    first, whole = OptimWrapper(optimizer()), OptimWrapper(optimizer())
    build = lambda wrapper: PARAM_SCHEDULERS.build(  # noqa: E731
        dict(type='mmhvt.WarmupCosineLR', optimizer=wrapper, end=20, by_epoch=False)
    )
    scheduler = build(first)
    rates(8, scheduler, wrapper=first)
    second = OptimWrapper(optimizer())
    resumed = build(second)
    resumed.load_state_dict(scheduler.state_dict())
    second.load_state_dict(first.state_dict())
    after = rates(12, resumed, wrapper=second)
    assert torch.equal(after, rates(20, build(whole), wrapper=whole)[8:])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(warmup_ratio=5), r'warmup_ratio=5 must be in \[0, 1\): it is a fraction of the run'),
        (dict(warmup_ratio=-0.1), r'warmup_ratio=-0\.1 must be in'),
        (dict(start_factor=2), r'start_factor=2 must be in \[0, 1\]'),
        (dict(end_factor=1e-3 - 1), r'end_factor=-0\.999 must be in \[0, 1\]'),
    ],
)
def test_bad_values(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PARAM_SCHEDULERS.build(dict(type='mmhvt.WarmupCosineLR', optimizer=OptimWrapper(optimizer()), end=3, **options))
