"""Curves of runs from their logs."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine import Config
from mmengine.runner import Runner

from mmhvt.analysis.logs import choose_keys, draw_runs, find_logs, matches, read_log, read_run

TIMES = dict(time=0.1, data_time=0.0)


def trained(step: int, epoch: int | None, **values: float) -> dict:
    """A line of training as LoggerHook writes it."""
    counted = {} if epoch is None else dict(epoch=epoch)
    return dict(lr=0.1, **TIMES, **values, **counted, iter=step, step=step)


def validated(step: int, **values: float) -> dict:
    """A line of validation as LoggerHook writes it."""
    return dict(**values, **TIMES, step=step)


def write_log(work_dir: Path, start: str, *entries: dict) -> Path:
    """A log of a run that was started at a time."""
    path = work_dir / start / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(f'{json.dumps(entry)}\n' for entry in entries))
    return path


@pytest.fixture
def call(caller: Callable[[str], Callable[..., tuple[str, str]]]) -> Callable[..., tuple[str, str]]:
    """Calls the tool."""
    return caller('plot_log.py')


def curves(figure: object) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Points of each line by panel and label."""
    return {
        (panel.get_title(), line.get_label()): tuple(np.asarray(values).tolist() for values in line.get_data())
        for panel in figure.axes
        for line in panel.get_lines()
    }


def test_a_run_that_is_resumed(config: Config, call: Callable, tmp_path: Path) -> None:
    """Real logs of a training that is given up after its second epoch, and goes on from its first."""
    config.train_cfg.update(max_epochs=2, val_interval=1)
    config.default_hooks.logger.interval = 1
    config.work_dir = str(tmp_path / 'mine')
    Runner.from_cfg(config).train()
    (first,) = find_logs(tmp_path / 'mine')
    before = read_log(first)
    # values that a resumed run has to replace
    first.write_text(''.join(json.dumps(entry | dict(loss=100.0)) + '\n' for entry in before))
    first.parent.parent.rename(tmp_path / 'mine/20260101_000000')
    config.merge_from_dict(dict(experiment_name=uuid.uuid4().hex, train_cfg=dict(max_epochs=3), resume=False))
    config.merge_from_dict(dict(load_from=str(tmp_path / 'mine/epoch_1.pth'), resume=True))
    Runner.from_cfg(config).train()
    run = read_run(tmp_path / 'mine', 'mine')
    assert run.epoch_length == 3
    assert sorted(run.train['loss']) == list(range(1, 10))
    losses = [run.train['loss'][step] for step in range(1, 10)]
    assert losses[:3] == [100.0] * 3 and max(losses[3:]) < 100
    assert sorted(run.val['acc/top1']) == [3, 6, 9]
    found = curves(draw_runs([run], ['loss', 'top1']))
    steps, values = found['loss', 'training']
    assert values == losses and steps == pytest.approx([step / 3 for step in range(1, 10)])
    assert found['top1', 'validation'][0] == [1, 2, 3] and set(found) >= {('top1', 'training')}
    out, errors = call('mine', '--keys', 'loss', 'top1')
    assert out == 'curves.png\n' and not errors
    assert cv2.imread('curves.png').std() > 10


def test_runs_in_one_picture(call: Callable, tmp_path: Path) -> None:
    write_log(tmp_path / 'a', '1', trained(5, 1, loss=3.0), trained(10, 1, loss=2.0), validated(1, **{'acc/top1': 0.5}))
    other = write_log(tmp_path / 'b', '1', trained(20, 1, loss=1.0), validated(1, **{'acc/top1': 0.7}))
    runs = [read_run(tmp_path / 'a', 'a'), read_run(other, 'b')]
    # by epochs, so that runs of other batch sizes can be compared
    assert curves(draw_runs(runs, ['loss', 'top1'])) == {
        ('loss', 'a training'): ([0.5, 1.0], [3.0, 2.0]),
        ('loss', 'b training'): ([1.0], [1.0]),
        ('top1', 'a validation'): ([1.0], [0.5]),
        ('top1', 'b validation'): ([1.0], [0.7]),
    }
    assert call('a', other, '--out', 'new/both.svg') == ('new/both.svg\n', '')
    assert 'svg' in Path('new/both.svg').read_text()[:300]


def test_runs_that_count_iterations(tmp_path: Path) -> None:
    iterations = write_log(tmp_path / 'a', '1', trained(50, None, loss=3.0), validated(50, mAP=0.2))
    epochs = write_log(tmp_path / 'b', '1', trained(20, 1, loss=1.0), trained(40, 2, loss=1.0), validated(2, mAP=0.1))
    by_iteration = write_log(tmp_path / 'c', '1', trained(40, 2, loss=1.0), validated(40, mAP=0.3))
    runs = [read_run(path, path.parts[-4]) for path in (iterations, epochs, by_iteration)]
    assert [run.epoch_length for run in runs] == [None, 20, 20]
    found = curves(draw_runs(runs, ['mAP']))
    assert {label: points[0] for (_, label), points in found.items()} == {
        'a validation': [50.0],
        'b validation': [40.0],
        'c validation': [40.0],  # log_metric_by_epoch=False
    }


def test_training_that_is_begun_anew(tmp_path: Path) -> None:
    """Nothing is left of what was overwritten."""
    old = [trained(step, step // 11 + 1, loss=9.0, extra=1.0) for step in (10, 20)]
    write_log(tmp_path, '20260101_000000', *old, validated(1, mAP=0.9), validated(2, mAP=0.9))
    write_log(tmp_path, '20260102_000000', trained(5, 1, loss=1.0), trained(10, 1, loss=1.0), validated(1, mAP=0.1))
    run = read_run(tmp_path, 'mine')
    assert run.train['loss'] == {5: 1.0, 10: 1.0} and run.val['mAP'] == {10: 0.1}
    assert 'extra' not in run.names


@pytest.mark.parametrize(
    ('name', 'key', 'fits'),
    [
        ('loss', 'loss', True),
        ('loss_cls', 'loss', False),
        ('acc/top1', 'top1', True),
        ('acc/top1', 'acc/top1', True),
        ('top1_acc', 'top1', True),
        ('coco/bbox_mAP', 'bbox_mAP', True),
        ('coco/bbox_mAP', 'coco', False),
    ],
)
def test_keys(name: str, key: str, fits: bool) -> None:
    assert matches(name, key) is fits


def test_default_keys(tmp_path: Path) -> None:
    log = write_log(
        tmp_path, '1', trained(5, 1, loss=1.0, loss_cls=1.0), validated(1, **{'acc/top1': 0.1, 'text': 1.0})
    )
    assert choose_keys([read_run(log, 'a')]) == ['loss', 'acc/top1', 'text']
    only = write_log(tmp_path, '2', validated(0, mAP=0.5))
    assert choose_keys([read_run(only, 'b')]) == ['mAP']


def test_a_log_that_is_being_written(tmp_path: Path) -> None:
    log = write_log(tmp_path, '1', trained(5, 1, loss=1.0))
    log.write_text(log.read_text() + '{"loss": 0.5, "st')
    assert read_run(log, 'a').train['loss'] == {5: 1.0}


def test_a_run_that_lacks_a_key(call: Callable, tmp_path: Path) -> None:
    write_log(tmp_path / 'a', '1', trained(5, 1, loss=1.0, grad_norm=2.0))
    write_log(tmp_path / 'b', '1', trained(5, 1, loss=float('nan')))
    assert call('a', 'b', '--keys', 'loss', 'grad_norm') == ('curves.png\n', 'plot_log.py: b logged no grad_norm\n')


def test_names_are_no_formulas(call: Callable, tmp_path: Path) -> None:
    write_log(tmp_path / 'a$_{$', '1', trained(5, 1, **{'$\\frac$': 1.0}))
    write_log(tmp_path / '$^$', '1', trained(5, 1, **{'$\\frac$': 1.0}))
    assert call('a$_{$', '$^$', '--keys', '$\\frac$')[0] == 'curves.png\n'


BAD = {
    'nothing': (['none'], 'none'),
    'no log': (['empty'], r'empty has no log, \*/vis_data/scalars\.json'),
    'text': (['text.json'], 'text.json, line 2 is no JSON: is it a log'),
    'list': (['list.json'], 'list.json, line 1 has no step'),
    'no values': (['blank.json'], 'blank.json has no values yet'),
    'bytes': (['bytes.json'], 'bytes.json, line 1 is no JSON'),
    'nested': (['nested.json'], 'nested.json, line 1 is no JSON'),
    'key': (['run', '--keys', 'top_1'], r'--keys top_1: no run logged it; did you mean .*top1'),
    'other key': (['run', '--keys', 'xyz'], r'--keys xyz: no run logged it; there are acc/top1, data_time, loss'),
    'picture': (['run', '--out', 'a.doc'], r'--out a\.doc: the name of a picture ends in .*\.png'),
    'no ending': (['run', '--out', 'run'], '--out run: the name of a picture'),
    'overwritten': (['run.json', '--out', 'run.json'], '--out run.json: the name of a picture'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input_is_one_line(case: str, call: Callable, tmp_path: Path) -> None:
    args, says = BAD[case]
    log = write_log(tmp_path / 'run', '1', trained(5, 1, loss=1.0), validated(1, **{'acc/top1': 0.1}))
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'run.json').write_text(log.read_text())
    (tmp_path / 'text.json').write_text('{"step": 1}\nEpoch 1\n')
    (tmp_path / 'list.json').write_text('[1, 2]\n')
    (tmp_path / 'blank.json').write_text('\n')
    (tmp_path / 'bytes.json').write_bytes(b'\xff\xfe\x00\n' * 2)
    (tmp_path / 'nested.json').write_text('[' * 100_000 + '\n')
    with pytest.raises(SystemExit, match=says) as error:
        call(*args)
    message = str(error.value)
    assert message.startswith('plot_log.py: ') and '\n' not in message
    assert not (tmp_path / 'curves.png').exists()
