"""A training whose loss or weights are not finite stops, and names what it was trained on."""

import itertools
import math
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmaction.registry import HOOKS, TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from helpers.training import log_of, train
from mmhvt.engine import FiniteLossHook


@TRANSFORMS.register_module()
class SpoilVideo(BaseTransform):
    """Makes a pixel of a video NaN."""

    def __init__(self, name: str) -> None:
        self.name = name

    def transform(self, results: dict) -> dict:
        if results['filename'].endswith(self.name):
            results['imgs'] = np.asarray(results['imgs'], dtype='float32')
            results['imgs'].flat[0] = math.nan
        return results


def spoil_video(config: Config) -> None:
    config.train_dataloader.dataset.pipeline.insert(3, dict(type='SpoilVideo', name='7.mp4'))


def large_rate(config: Config) -> None:
    config.optim_wrapper.optimizer.lr = 1000.0
    config.train_cfg.max_epochs = 2
    config.default_hooks.checkpoint.interval = -1  # it would notice first


@HOOKS.register_module()
class LargeWeight(Hook):
    """Makes a layer overflow whose weights are finite."""

    def before_train(self, runner: Runner) -> None:
        runner.model.backbone.blocks[2].norm1.weight.data.fill_(3e38)


def overflow(config: Config) -> None:
    config.custom_hooks = [dict(type='LargeWeight')]


@pytest.mark.parametrize(
    ('spoil', 'layer'),
    [
        (spoil_video, 'the batch is not finite when it enters the model'),
        (
            large_rate,
            r'the first output that is not finite is that of backbone\.patch_embed\.proj \(Conv3d\), its weight is not '
            'finite',
        ),
        (overflow, r'the first output that is not finite is that of backbone\.blocks\.2\.norm1 \(LayerNorm\)'),
    ],
)
def test_stops_at_the_first(spoil: Callable, layer: str, config: Config) -> None:
    """The error names the batch, and the layer if it is asked to."""
    spoil(config)
    config.default_hooks.finite_loss.find_layer = True
    with pytest.raises(FloatingPointError) as caught:
        train(config)
    message = str(caught.value)
    found = re.fullmatch(
        r'the loss of iteration (\d)(?: \(epoch \d\))? is not finite: loss=(?:nan|-?inf), .*loss_cls=\S+; '
        rf'learning rate (\S+); batch of (.*); {layer}: lower the learning rate, .*',
        message,
    )
    assert found, message
    assert float(found[2]) == config.optim_wrapper.optimizer.lr
    names = [Path(name).name for name in found[3].split(', ')]
    assert 2 <= len(set(names)) == len(names) <= 4 and set(names) <= {f'{i}.mp4' for i in range(10)}
    assert '7.mp4' in names or spoil is not spoil_video
    assert not list(Path(config.work_dir).glob('*.pth'))


@pytest.mark.parametrize('compiled', [False, True])
def test_the_layer_is_found_by_the_same_random_numbers(compiled: bool) -> None:
    """Masks, dropout and stochastic depth are drawn again as they were."""

    class Lottery(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / (torch.rand(()) > 0.1)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.drawn = nn.Sequential(Lottery())

        def forward(self, x: torch.Tensor) -> dict:
            return dict(loss=self.drawn(x).sum())

    model, hook = Model(), FiniteLossHook(find_layer=True)
    if compiled:
        model.drawn.compile(backend='eager')
        model(torch.ones(3))
    hook.before_train(SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=())))
    found = 0
    for _ in range(100):
        before = torch.get_rng_state()
        loss = model(torch.ones(3))['loss']
        after = torch.get_rng_state()
        torch.set_rng_state(before)
        torch.rand(())
        assert torch.equal(after, torch.get_rng_state())
        if not loss.isfinite():
            assert hook._layer == 'the first output that is not finite is that of drawn.0 (Lottery)'
            hook._layer, found = None, found + 1
        assert hook._layer is None
    assert 0 < found < 100


def test_no_checkpoint_of_such_weights(config: Config, tmp_path: Path) -> None:
    """Neither written over good ones, nor loaded."""
    config.train_cfg.max_epochs = 2
    config.default_hooks.checkpoint.max_keep_ckpts = 1
    config.optim_wrapper.optimizer.momentum = 0.9

    class Spoil(Hook):
        def after_train_iter(self, runner: Runner, **kwargs) -> None:
            if runner.iter == 5:  # the last of the second epoch, whose loss was finite
                runner.model.backbone.norm.weight.data[3] = math.inf

    runner = Runner.from_cfg(config)
    runner.register_hook(Spoil())
    with pytest.raises(FloatingPointError, match=r'after iteration 6, 1 of 64 values of backbone.norm.weight are not'):
        runner.train()
    saved = Path(config.work_dir) / 'epoch_1.pth'
    assert saved.is_file() and not (saved.parent / 'epoch_2.pth').exists()

    for resume, spoiled in ((False, 'weights'), (True, 'weights'), (True, 'momentum')):
        content = torch.load(saved, weights_only=False)
        values = content['state_dict']['backbone.norm.bias']
        (values if spoiled == 'weights' else content['optimizer']['state'][0]['momentum_buffer']).view(-1)[2] = math.nan
        config.load_from, config.resume = str(tmp_path / 'spoiled.pth'), resume
        config.experiment_name, config.work_dir = uuid.uuid4().hex, str(tmp_path / 'other')
        torch.save(content, config.load_from)
        name = 'backbone.norm.bias' if spoiled == 'weights' else 'momentum_buffer of parameter 0 in the optimizer'
        with pytest.raises(ValueError, match=f'{config.load_from}.* {name}'):
            train(config)


@pytest.mark.parametrize('recovers', [True, False])
def test_a_scaler_that_skips_steps(recovers: bool, config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients that overflow are no error, nor is a loss that does; one that does not recover is."""
    # MMEngine's wrapper wants a GPU
    monkeypatch.setattr('mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available', lambda: True)
    monkeypatch.setattr(
        'mmengine.optim.optimizer.amp_optimizer_wrapper.GradScaler',
        lambda: torch.amp.GradScaler('cpu', init_scale=2.0**127),
    )
    config.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')
    config.train_cfg.max_epochs = 5
    runner = Runner.from_cfg(config)
    loss, steps = runner.model.cls_head.loss, itertools.count()

    def overflow(*args, **kwargs) -> dict:
        step = next(steps)
        scale = math.inf if step == 2 or (step > 2 and not recovers) else 1
        return {name: value * scale for name, value in loss(*args, **kwargs).items()}

    monkeypatch.setattr(runner.model.cls_head, 'loss', overflow)
    if recovers:
        runner.train()
        assert runner.iter == 15 and runner.optim_wrapper.loss_scaler.get_scale() < 2.0**127
    else:
        with pytest.raises(FloatingPointError, match='the loss of iteration 13 .* is not finite'):
            runner.train()
    text = log_of(config)
    assert 'the loss of iteration 3 (epoch 1) is not finite: ' in text
    assert text.count('The loss scaler skips the step') == (1 if recovers else 10)
    assert all(value.isfinite().all() for value in runner.model.parameters())


@pytest.mark.parametrize('enabled', [True, False])
def test_left_out(enabled: bool, config: Config) -> None:
    config.default_hooks.finite_loss.enabled = enabled
    large_rate(config)
    if enabled:
        with pytest.raises(FloatingPointError, match='default_hooks=dict.finite_loss=dict.find_layer=True'):
            train(config)
    else:
        train(config)
