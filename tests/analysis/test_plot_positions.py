"""tools/analysis/plot_positions.py, and docs/how/positions.md, which has what it prints."""

import sys
from pathlib import Path

import pytest
import torch

from helpers.checkpoints import save_backbone
from helpers.references import randomize
from mmhvt.analysis import positions
from mmhvt.registry import MODELS

SMVIT = dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1)))


def test_page_on_positions_has_what_the_tool_prints(
    root: Path, load_tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    tool = load_tool('analysis/plot_positions.py')
    monkeypatch.setattr(sys, 'argv', ['plot_positions.py', '--out', str(tmp_path / 'positions.png')])
    tool.main()
    printed = capsys.readouterr().out
    assert printed in (root / 'docs/how/positions.md').read_text()
    assert (tmp_path / 'positions.png').stat().st_size > 10000


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        (['--grid', '4', '4'], 'less than a mask unit of 8 8'),
        (['--out', 'no/x.png'], 'No such file'),
        (['no.pth'], 'no.pth'),
    ],
)
def test_plot_positions_says_what_is_wrong(
    args: list[str], says: str, load_tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['plot_positions.py', *args])
    with pytest.raises(SystemExit) as caught:
        load_tool('analysis/plot_positions.py').main()
    assert says in f'{caught.value}{capsys.readouterr().err}'


def test_measures_of_positions_are_what_they_are_called(tmp_path: Path) -> None:
    repeating = torch.randn(1, 8, 8, 4).repeat(1, 3, 3, 1)
    assert positions.repeats(repeating) == pytest.approx(1)
    assert positions.likeness(repeating, repeating) == pytest.approx(1)
    assert positions.likeness(-repeating, repeating) == pytest.approx(-1)
    noise = torch.randn(1, 24, 24, 64)
    assert positions.repeats(noise) == pytest.approx(1 / 9, abs=0.01)  # of a mean over nine
    assert positions.contrast(noise) == pytest.approx(2**0.5, abs=0.02)
    steps = torch.arange(16.0).view(1, 1, 16, 1).expand(1, 16, 16, 1)
    assert positions.contrast(steps) == pytest.approx(0.5**0.5)  # one to the side, none down
    # of a checkpoint, at the size of its training: as it was trained
    model = randomize(MODELS.build(dict(SMVIT, input_size=(96, 96))))
    table = positions.read_table(save_backbone(model, tmp_path / 'model.pth'))
    for name, trained, joint, windowed in positions.measure(table, (24, 24)):
        assert trained == joint == pytest.approx(windowed, abs=1e-4), name
    with pytest.raises(ValueError, match='no position embedding of square images'):
        positions.read_table(save_backbone(MODELS.build(dict(SMVIT, input_size=(16, 96, 96))), tmp_path / 'video.pth'))
