"""Trainings of milliseconds, for what runners and hooks do with checkpoints."""

import uuid
from pathlib import Path

import torch
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor, nn


class Line(BaseModel):
    """A linear model."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 1)

    def forward(self, x: list[Tensor], y: list[Tensor], mode: str = 'loss') -> dict[str, Tensor] | list[Tensor]:
        error = (self.fc(torch.stack(x)) - torch.stack(y)) ** 2
        return dict(loss=error.mean()) if mode == 'loss' else list(error)


class Scores:
    """Metric that gives the scores it is told, one a validation."""

    def __init__(self, *scores: float) -> None:
        self.scores = list(scores)
        self.dataset_meta: dict | None = None

    def process(self, data_samples: list, data_batch: dict) -> None:
        pass

    def evaluate(self, size: int) -> dict[str, float]:
        score = self.scores.pop(0)
        return dict(acc=score, f1=-score)


def loader(width: int) -> dict:
    samples = [dict(x=torch.full((width,), float(i)), y=torch.tensor([float(i)])) for i in range(4)]
    return dict(batch_size=2, dataset=samples, sampler=dict(type='DefaultSampler', shuffle=False))


def tiny_runner(
    work_dir: Path,
    epochs: int = 1,
    hook: dict | None = None,
    scores: tuple[float, ...] = (),
    width: int = 4,
    kind: type = Runner,
    **kwargs,
) -> Runner:
    """A runner of two iterations an epoch that saves with `mmhvt.CheckpointHook`.

    Args:
        work_dir: Folder of its checkpoints.
        epochs: Length.
        hook: Options of the checkpoint hook.
        scores: What validation gives, which comes after each epoch.
        width: Of the model, four bytes each.
        kind: Class of the runner.
        **kwargs: Further arguments of the runner.
    """
    init_default_scope('mmengine')
    torch.manual_seed(0)
    checkpoint = dict(type='mmhvt.CheckpointHook', interval=1) | (hook or {})
    arguments = dict(
        model=Line(width),
        work_dir=str(work_dir),
        train_dataloader=loader(width),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1 if scores else 1000),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.001, momentum=0.9)),
        param_scheduler=dict(type='MultiStepLR', milestones=[100]),
        default_hooks=dict(checkpoint=checkpoint, checkpoint_check=dict(type='mmhvt.CheckpointCheckHook')),
        experiment_name=uuid.uuid4().hex,
        default_scope='mmengine',
    )
    if scores:
        arguments.update(val_dataloader=loader(width), val_cfg=dict(), val_evaluator=[Scores(*scores)])
    return kind(**arguments | kwargs)
