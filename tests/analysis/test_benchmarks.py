"""Measurements in processes of their own."""

import os
import posixpath

import pytest

from mmhvt.analysis.benchmarks import mae, training
from mmhvt.analysis.benchmarks.processes import alternate, call_in_process


def test_a_function_runs_in_another_process() -> None:
    assert call_in_process(posixpath.join, 'a', 'b') == 'a/b'
    assert call_in_process(os.getenv, 'MMHVT_NOTHING', "it's") == "it's"


def test_models_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def call(function: object, *args: str) -> int:
        calls.append(args)
        return len(calls)

    monkeypatch.setattr('mmhvt.analysis.benchmarks.processes.call_in_process', call)
    assert alternate(print, 'case', ['one', 'other'], 2, 'cpu') == {'one': [1, 3], 'other': [2, 4]}
    assert calls == [('case', 'one', 'cpu'), ('case', 'other', 'cpu')] * 2


def test_a_model_that_fails_is_named() -> None:
    with pytest.raises(RuntimeError, match='^nothing: TypeError: '):
        alternate(int, 'x', ['nothing'], 1)


def test_rows_compare_with_the_first_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    found = {'mmhvt': [dict(seconds=2.0, bytes=2**21), dict(seconds=1.0, bytes=2**20)]}
    found['mmaction2'] = [dict(seconds=3.0, bytes=2**22)]
    monkeypatch.setattr(training, 'alternate', lambda *_: found)
    training.compare('mvitv2-s-16x224', 'cpu', 2)
    _, ours, theirs = capsys.readouterr().out.splitlines()
    assert ours.split()[1:] == ['1.00', 's', '(1.00', '×)', 'peak', '1', 'MiB', '(1.00', '×)']
    assert theirs.split()[1:] == ['3.00', 's', '(3.00', '×)', 'peak', '4', 'MiB', '(4.00', '×)']


def test_deleted_units_cost_less() -> None:
    """Of 49 mask units 4 are visible; the decoder has all."""
    kept, deleted = (mae.count('image', name, 'tiny') for name in ('kept', 'ratio 0.9'))
    assert 8 < kept[0] / deleted[0] < 14
    assert deleted[1] < kept[1]


@pytest.mark.parametrize('case', training.CASES)
def test_models_of_a_case_have_the_same_size(case: str) -> None:
    """They are the same architecture, up to a classifier."""
    sizes = {
        name: sum(parameter.numel() for parameter in training.build(*model).parameters())
        for name, model in training.CASES[case][1].items()
    }
    assert max(sizes.values()) < 1.05 * min(sizes.values()), sizes
