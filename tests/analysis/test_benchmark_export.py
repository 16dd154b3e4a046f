"""tools/analysis/benchmark_export.py: its cases, its inputs, and a row of its table."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmhvt.analysis.benchmarks import exports, measure

pytest.importorskip('onnxscript')


@pytest.fixture
def benchmark(load_tool: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the tool; its exit status."""
    tool = load_tool('analysis/benchmark_export.py')
    monkeypatch.setattr(measure, 'PRODUCTS', {'cpu': (8, 8, 8)})

    def call(*args: object) -> int:
        monkeypatch.setattr(sys, 'argv', ['benchmark_export.py', *map(str, args)])
        return tool.main()

    return call


def test_each_family_has_each_task() -> None:
    names = {tuple(name.split('/')) for name in exports.MICRO}
    assert names == {(f'{family}-micro', task) for family in exports.BACKBONES for task in exports.TASKS}
    cases = exports.choose_cases([], full=True)
    assert all((exports.CONFIGS / case.config).is_file() for case in cases.values())
    assert {name.partition('/')[2] for name in exports.FULL} == set(exports.TASKS) - {'features'}
    assert list(exports.choose_cases(['*b/recog*'], full=True)) == [
        'smvit-b/recognition',
        'mvit-b/recognition',
        'uniformerv2-b/recognition',
    ]
    with pytest.raises(ValueError, match=r'no case matches smvit-b\*: choose from smvit-micro/recognition, '):
        exports.choose_cases(['smvit-b*'], full=False)


@pytest.mark.parametrize('name', ['video-swin-micro/detection-features', 'uniformerv2-micro/detection-features',
                                  'mvit-micro/action-detection', 'vit-micro/classification',
                                  'video-swin-micro/classification'])  # fmt: skip
def test_backbones_fit_into_models_of_other_tasks(name: str) -> None:
    cfg = exports.build_config(exports.MICRO[name])
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model).eval()
    size = model.backbone.input_size
    task = exports.choose_task(model, exports.MICRO[name].outputs, name)
    others = [exports._boxes(size)] if task.boxes else []
    with torch.no_grad():
        found = task.part(torch.randn(1, 3, *size), *others)
    assert torch.cat([out.flatten() for out in (found if isinstance(found, tuple) else [found])]).isfinite().all()


def test_inputs_are_clips_and_images() -> None:
    clips = exports.draw_inputs((8, 32, 48), 9)
    assert clips.shape == (9, 8, 32, 48, 3) and clips.dtype == torch.uint8
    assert (clips[:, 1:] != clips[:, :-1]).flatten(1).any(1).all(), 'nothing moves'
    images = exports.draw_inputs((40, 32), 3)
    assert images.shape == (3, 40, 32, 3) and len(np.unique(images[0])) > 20


def test_agreement_of_untrained_models_is_that_of_what_inputs_change() -> None:
    class Scores(nn.Module):
        def __init__(self, *rows: list[float]) -> None:
            super().__init__()
            self.rows = torch.tensor(rows)

        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [self.rows[x.long()]]

    # class 0 always wins; what the inputs change agrees on the first of both alone
    runners = {exports.ONNX: Scores([9.0, 2, 0], [9, 0, 2]), exports.INT8: Scores([9.0, 2, 0], [9, 2, 0])}
    x = torch.tensor([0, 1])
    assert exports._agreement(runners, x, trained=True) == 1
    assert exports._agreement(runners, x, trained=False) == 0.5


@pytest.mark.slow
def test_a_row(benchmark: Callable[..., int], capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    name = 'smvit-micro/recognition'
    assert benchmark(name, '--rounds', 1, '--clips', 8) == 0
    header, _, row, _, caption = capsys.readouterr().out.splitlines()
    cells = [cell.strip() for cell in row.strip('|').split('|')]
    assert len(cells) == len(header.strip('|').split('|'))
    assert cells[:3] == ['smvit-micro', 'recognition', '8×32×32']
    assert 50 < int(cells[3]) < 300 and cells[4] == '5 Attention'
    assert 0 < float(cells[5]) < 1e-4
    assert all(float(cell) > 0 for cell in cells[6:11])
    assert cells[11].endswith('% *') and 0 <= int(cells[11].removesuffix('% *')) <= 100
    assert caption.startswith('1 rounds, 1 threads of ')
    assert benchmark(name, '--weights', f'{name}={tmp_path}/none.pth') == 1
    assert f'{name}: ' in capsys.readouterr().err
    assert benchmark(name, '--weights', 'vit=x.pth') == 2
    assert '--weights vit: not among the cases' in capsys.readouterr().err
