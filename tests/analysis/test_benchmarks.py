"""tools/analysis/benchmark.py: what takes turns, what is compared, and when the exit status is 1."""

import json
import posixpath
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import nn

from mmhvt.analysis.benchmarks import measure
from mmhvt.analysis.benchmarks.attentions import Attention, query_shape
from mmhvt.analysis.benchmarks.cases import CASES, FAMILIES, GROUPS, Case, Goal, choose
from mmhvt.analysis.benchmarks.cost import draw
from mmhvt.analysis.benchmarks.measure import Settings, Times, giga_multiply_adds, measure_memory, take_turns
from mmhvt.analysis.benchmarks.peers import PEERS, Peer
from mmhvt.analysis.benchmarks.processes import call_in_process
from mmhvt.analysis.benchmarks.profile import kind_of
from mmhvt.analysis.benchmarks.results import Row, Verdict, as_markdown, load, save, timed

PEERS_TOO = Settings(peers=True, rounds=2, memory=False)


@pytest.fixture
def micro(monkeypatch: pytest.MonkeyPatch) -> str:
    """A case of linear layers, one of which stands for a peer."""
    models = {'mmhvt': lambda: nn.Linear(8, 8), 'timm': lambda: nn.Linear(8, 8)}
    monkeypatch.setitem(CASES, 'micro', Case((2, 8), models, [Goal('inference', 1e-9), Goal('training', 1e9, 'timm')]))
    monkeypatch.setattr(measure, 'PRODUCTS', {'cpu': (8, 8, 8)})
    return 'micro'


@pytest.fixture
def benchmark(load_tool, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int | str]:
    """Runs the tool; its exit status."""
    tool = load_tool('analysis/benchmark.py')

    def call(*args: object) -> int | str:
        monkeypatch.setattr(sys, 'argv', ['benchmark.py', *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            tool.main()
        return stop.value.code

    return call


def row(mode: str = 'training', missing: tuple[str, ...] = (), **seconds: float) -> Row:
    """A row of times of the case of the name 'micro'."""
    times = Times({name.replace('_', '-'): [value] * 2 for name, value in seconds.items()}, [100.0, 100.0])
    found = timed('micro', mode, times, dict.fromkeys(times.seconds, 10.0))
    found.missing = list(missing)
    return found


def judged(found: Row, *goals: Goal, settings: Settings = PEERS_TOO) -> list[bool]:
    found.judge(goals, settings)
    return [verdict.met for verdict in found.verdicts]


def test_a_model_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call_in_process(posixpath.join, "it's", 'b') == "it's/b"
    with pytest.raises(RuntimeError, match='^ValueError: invalid literal') as failure:
        call_in_process(int, 'x')

    def fail(*_: object) -> None:
        raise failure.value

    monkeypatch.setattr(measure, 'call_in_process', fail)
    with pytest.raises(RuntimeError, match='^mvit-b-16x224: mmhvt: ValueError: invalid literal'):
        measure_memory('mvit-b-16x224', ['mmhvt'], Settings())


def test_memory_is_that_of_the_step_alone() -> None:
    """Not of the process that asks, whose peak a new process begins with in the eyes of getrusage."""
    ballast = torch.ones(2**28)
    peak = measure_memory('relative-positions-stage-4', ['plain'], Settings())['plain']
    assert 4 * torch.Size(query_shape('stage-4')).numel() < peak < ballast.nbytes / 2


def test_models_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round warms up."""
    calls: list[str] = []

    class Noted(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(f'{self.name} {self.training} {torch.is_inference_mode_enabled()}')
            return super().forward(x)

    models = {'one': Noted(4, 4), 'other': Noted(4, 4)}
    for name, model in models.items():
        model.name = name
    monkeypatch.setattr(measure, 'product_rate', lambda _: calls.append('product') or 1.0)
    times = take_turns(models, torch.ones(1, 4), 'inference', Settings(rounds=2))
    assert calls == ['product', 'one False True', 'other False True'] * 3
    assert [*map(len, times.seconds.values()), len(times.rates)] == [2, 2, 2]
    calls.clear()
    take_turns(models, torch.ones(1, 4), 'training', Settings(rounds=1))
    assert calls == ['product', 'one True False', 'other True False'] * 2
    assert models['one'].weight.grad is None


def test_ratios_are_pair_by_pair() -> None:
    """The load of a round is the same for all models of it."""
    times = Times({'mmhvt': [1.0, 10.0, 2.0], 'timm': [1.5, 15.0, 2.0]}, [50.0, 100.0, 200.0])
    found = timed('micro', 'training', times, dict(mmhvt=10.0, timm=10.0))
    assert found.values == dict(mmhvt=2000.0, timm=2000.0)
    assert found.ratios == dict(timm=1.5)
    assert found.shares['mmhvt'] == pytest.approx(2 * 10 * 3 / 2 / 100)  # forward and backward are three forwards


@pytest.mark.parametrize(
    ('goal', 'found', 'met'),
    [
        (Goal('training', 1.5), row(mmhvt=1, timm=1.5, hiera=2), [True]),
        (Goal('training', 1.5), row(mmhvt=1, timm=2, hiera=1.4), [False]),
        (Goal('training', 1.5, 'timm'), row(mmhvt=1, timm=2, hiera=1.4), [True]),
        (Goal('training', 1.5), row(mmhvt=1, timm=2, missing=('hiera',)), [False]),
        (Goal('training', 1.5, 'timm'), row(mmhvt=1, timm=2, missing=('hiera',)), [True]),
        (Goal('training', 1.5, 'hiera'), row(mmhvt=1, timm=2, missing=('hiera',)), [False]),
        (Goal('training', 1.0), row(mmhvt=1), [False]),
        (Goal('inference', 1.5), row(mmhvt=1, timm=2), []),
        (Goal('training', 1.5, device='cuda'), row(mmhvt=1, timm=2), []),
    ],
)
def test_a_goal_that_cannot_be_judged_is_not_met(goal: Goal, found: Row, met: list[bool]) -> None:
    assert judged(found, goal) == met


def test_goals_are_for_their_settings() -> None:
    goals = Goal('training', 1.0), Goal('training', 3.0, device='cuda')
    for settings, met in (
        (Settings(), []),
        (Settings(peers=True, amp='bf16'), []),
        (Settings(peers=True, compile=True), []),
        (Settings('cuda', peers=True), []),
        (Settings('cuda', 'bf16', compile=True, peers=True), [False]),
    ):
        assert judged(row(mmhvt=1, timm=2), *goals, settings=settings) == met


def test_exit_status_says_whether_goals_are_met(
    micro: str, benchmark: Callable, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / 'report.json'
    assert benchmark(micro, '--no-memory', '--rounds', 1, '--json', report) == 0
    assert 'timm' not in capsys.readouterr().out + report.read_text()

    assert benchmark(micro, '--peers', '--no-memory', '--rounds', 1, '--json', report) == 1
    out = capsys.readouterr().out
    assert 'missed: micro training: timm / ours ' in out and 'goal 1000000000.00' in out
    assert out.endswith('1 of 2 goals reached\n')
    saved = json.loads(report.read_text())
    assert saved['settings'] == dict(device='cpu', amp=None, compile=False, rounds=1, peers=True, memory=False)
    assert [(found['case'], found['mode'], list(found['values'])) for found in saved['rows']] == [
        ('micro', 'inference', ['mmhvt', 'timm']),
        ('micro', 'training', ['mmhvt', 'timm']),
    ]
    assert saved['rows'][0]['multiply_adds']['mmhvt'] == 2 * 8 * 8 / 1e9

    monkeypatch.setitem(CASES, 'micro', Case((2, 8), CASES[micro].models, [Goal('inference', 1e-9)]))
    assert benchmark(micro, '--peers', '--no-memory', '--rounds', 1) == 0
    monkeypatch.setitem(PEERS, 'timm', Peer('no_such_module', 'timm'))
    assert benchmark(micro, '--peers', '--no-memory', '--rounds', 1) == 1
    out = capsys.readouterr().out
    assert 'timm is not installed: pip install timm' in out
    assert 'missed: micro inference: best peer / ours not judged, goal 0.00' in out


def test_profile_sorts_operations_by_kind(
    micro: str, load_tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert [kind_of(f'aten::{name}') for name in ('addmm', 'baddbmm', '_softmax', 'clone', 'gelu')] == [
        'linear layers',
        'batched products, softmax',
        'batched products, softmax',
        'copies',
        'others',
    ]
    assert kind_of('aten::_scaled_dot_product_flash_attention_for_cpu_backward') == 'fused attention'
    monkeypatch.setattr(sys, 'argv', ['benchmark.py', micro, '--peers', '--profile', '--rounds', '1'])
    load_tool('analysis/benchmark.py').main()
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head == '| micro, ms | mmhvt | timm |' and len(lines) == 7


def test_a_wrong_case_or_file_is_one_line(benchmark: Callable, tmp_path: Path) -> None:
    says = benchmark('mvitv3')
    assert says.startswith('benchmark.py: no case mvitv3: choose from goals, cost, mvitv2-s-16x224, ')
    (tmp_path / 'other.json').write_text('[]')
    assert 'other.json: not written by --json' in benchmark('--markdown', tmp_path / 'other.json')
    assert 'No such file' in benchmark('--plot', tmp_path / 'no.json', tmp_path / 'cost.png')


def test_cases_are_chosen_by_name_group_or_pattern() -> None:
    assert choose(['mae-*', 'mae-kept-224']) == ['mae-smvit-b-16x224', 'mae-kept-16x224', 'mae-kept-224']
    assert choose(['goals']) == GROUPS['goals'] and set(GROUPS['cost']) <= set(CASES)
    assert not any(CASES[name].goals for name in choose(['relative-positions-*', 'mae-kept-*']))


def test_files_are_read_as_they_were_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    found = row(mmhvt=1, timm=1.5, hiera_optim=1.25, missing=('hiera',))
    judged(found, Goal('training', 1.5, 'timm'))
    save(tmp_path / 'one.json', [found, row('inference', mmhvt=3)], PEERS_TOO)
    faster = row('inference', mmhvt=0.5, timm=1)
    faster.verdicts = [Verdict(None, 3.0, 2.0)]
    save(tmp_path / 'other.json', [faster], PEERS_TOO)
    assert load([tmp_path / 'one.json', tmp_path / 'other.json']) == [found, faster]
    assert as_markdown([found, faster]).splitlines()[-1] == (
        '| micro | **2.00 (timm)**, 40% | 1.25 (hiera-optim), 60% |  |'
    )


def test_plot_draws_the_costs(tmp_path: Path) -> None:
    costs = count(1)
    rows = [Row(case, mode, dict(mmhvt=next(costs)), {}) for case in GROUPS['cost'] for mode in ('training', 'memory')]
    draw(tmp_path / 'cost.png', rows)
    assert (tmp_path / 'cost.png').stat().st_size > 10000
    with pytest.raises(ValueError, match='no rows of the cases of the group cost'):
        draw(tmp_path / 'cost.png', [row(mmhvt=1)])


def test_deleted_units_cost_less() -> None:
    """Of 49 mask units 5 are visible; the decoder has all."""
    case = CASES['mae-kept-224']
    with torch.device('meta'):
        models = {name: build() for name, build in case.models.items()}
        found = giga_multiply_adds(models, torch.empty(1, *case.shape[1:]))
    assert 2 < found['kept'] / found['deleted'] < 4


def test_forms_of_relative_positions_agree() -> None:
    outputs = []
    for form in ('extended', 'bias', 'plain'):
        torch.manual_seed(0)
        attention = Attention('stage-4', form)
        outputs.append(attention(torch.ones(query_shape('stage-4'))))
    torch.testing.assert_close(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are built without random weights, which take most of the time."""
    for name in ('uniform_', 'normal_', 'erfinv_'):
        monkeypatch.setattr(torch.Tensor, name, lambda x, *_, **__: x)


@pytest.mark.parametrize('family', [name for name in FAMILIES if name not in ('smvit-l', 'video-swin-b')])
def test_models_of_a_case_have_the_same_size(family: str, undrawn: None) -> None:
    """They are the same architecture, up to a classifier, and nothing is dropped."""
    sizes = {}
    for name, build in FAMILIES[family].models(FAMILIES[family].size).items():
        if name not in PEERS or PEERS[name].installed:
            model = build()
            sizes[name] = sum(parameter.numel() for parameter in model.parameters())
            rates = {rate for m in model.modules() for rate in (getattr(m, 'drop_prob', 0), getattr(m, 'p', 0)) if rate}
            assert not rates, name
    assert len(sizes) > 1 and max(sizes.values()) < 1.05 * min(sizes.values()), sizes
