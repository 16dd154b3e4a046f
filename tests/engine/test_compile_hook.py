"""`compile=True` in a config."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine import ConfigDict
from mmengine.runner import BaseLoop
from torch._dynamo.backends.registry import register_backend
from torch._dynamo.testing import CompileCounter
from torch.distributed.fsdp import FullyShardedDataParallel

from helpers.fsdp_runs import run
from helpers.micro_backbones import config
from mmhvt.engine import CompileHook

GRAPHS = CompileCounter()
register_backend(GRAPHS, 'counter')


def test_a_training_has_one_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all its steps; weights, their names and the config are those of a training without it."""
    monkeypatch.chdir(tmp_path)
    torch._dynamo.reset()
    GRAPHS.clear()
    model = dict(
        type='mmaction.Recognizer3D',
        data_preprocessor=dict(type='mmaction.ActionDataPreprocessor', format_shape='NCTHW'),
        backbone=config('VisionTransformer', arch=dict(embed_dims=8, num_heads=1, depth=1, patch_size=8)),
        cls_head=dict(type='mmhvt.RecognitionHead', num_classes=4, in_channels=8),
    )
    hooks = {'compile': dict(type='mmhvt.CompileHook'), 'exact_resume': dict(type='mmhvt.ExactResumeHook')}
    settings = dict(model=model, optim_wrapper=dict(optimizer={}), default_hooks=hooks, launcher='none')
    plain = run('plain', 'UniFormerV2', fsdp=False, **settings)
    compiled = run('compiled', 'UniFormerV2', fsdp=False, **settings, compile=dict(backend='counter', fullgraph=True))
    assert compiled.iter == 12 and GRAPHS.frame_count == 1
    assert compiled.cfg.compile == dict(backend='counter', fullgraph=True)
    torch.testing.assert_close(compiled.model.state_dict(), plain.model.state_dict())


def test_shards_are_not_compiled() -> None:
    model = FullyShardedDataParallel.__new__(FullyShardedDataParallel)
    loop = BaseLoop.__new__(type('Loop', (BaseLoop,), dict(run=None)))
    runner = SimpleNamespace(cfg=ConfigDict(compile=True), model=model, _train_loop=loop)
    with pytest.raises(ValueError, match='compile=True is not for models that FSDP shards: remove it, or strategy'):
        CompileHook().before_run(runner)
