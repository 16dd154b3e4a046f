"""AVA on one's own data: what is wrong with files is said before the first step, by file and line, or by key."""

import copy
import json
import logging
import os
import pickle
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

import mmaction.datasets
import mmaction.evaluation
import numpy as np
import pytest
import torch
from mmaction.evaluation.functional import ava_utils
from mmengine.config import Config
from mmengine.dataset import ClassBalancedDataset, ConcatDataset
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from mmhvt.datasets import AVADataset, AVAKineticsDataset, UnreadableVideoError
from mmhvt.datasets.ava_files import read_annotations, read_label_map, read_proposals
from mmhvt.evaluation import AVAMetric
from mmhvt.synthetic.moving_actors import write_dataset

MICRO = ROOT / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
# with an empty line, a key frame of nobody as AVA-Kinetics has it, and seconds in three spellings
LINES = """\
film,0902,0.1,0.2,0.5,0.6,1,0
film,0902,0.1,0.2,0.5,0.6,3,0

film,902.0,0.5,0.2,0.7,0.6,2,1
film,903,0.1,0.2,0.5,0.6,8,0
film,0904,,,,,,
other,0902,0.0,0.0,1.0,1.0,4,-1
"""
KEYS = ['film,0902', 'film,0903', 'other,0902']
BOXES = np.array([[0.1, 0.2, 0.5, 0.6, 0.95], [0.0, 0.0, 0.5, 1.0, 0.3]])
PROPOSALS = {key: BOXES for key in KEYS}
ACTIONS = ''.join(f'item {{\n  name: "action {label}"\n  id: {label}\n}}\n' for label in range(1, 9))
# a line, and what is said of it
MALFORMED = {
    'six columns': ('film,0902,0.1,0.2,0.5,0.6', 'has 6 columns, but needs VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON'),
    'video alone': ('film', 'has 1 columns'),
    'semicolons': ('film;0902;0.1;0.2;0.5;0.6;1;0', 'has 1 columns, .* separated by commas'),
    'tabs': ('film\t0902\t0.1\t0.2\t0.5\t0.6\t1\t0', 'has 1 columns'),
    'no name': (',0902,0.1,0.2,0.5,0.6,1,0', 'needs the name of a video'),
    'half a second': ('film,902.5,0.1,0.2,0.5,0.6,1,0', "has the second '902.5', which must be an integer"),
    'no second': ('film,nan,0.1,0.2,0.5,0.6,1,0', "second 'nan'"),
    'negative second': ('film,-1,0.1,0.2,0.5,0.6,1,0', "second '-1'"),
    'box of words': ('film,0902,0.1,left,0.5,0.6,1,0', 'box that is not numeric: x1, y1, x2, y2 must be relative'),
    'hole in a box': ('film,0902,0.1,,0.5,0.6,1,0', 'box that is not numeric'),
    'pixels': (
        'film,0902,10,20,50,60,1,0',
        r'the box \[10, 20, 50, 60\]: .* relative to width and height, .* not in pixels',
    ),
    'digits with an underscore': ('film,0902,0.1,0.2,0.5,0.6,0_1,0', "class '0_1', which must be an integer"),
    'other digits': ('film,٩,0.1,0.2,0.5,0.6,1,0', "second '٩', which must be an integer"),
    'second of 300 digits': ('film,1e300,0.1,0.2,0.5,0.6,1,0', "second '1e300', which must be an integer"),
    'outside': ('film,0902,0.1,0.2,0.5,1.2,1,0', r'the box \[0.1, 0.2, 0.5, 1.2\]'),
    'NaN': ('film,0902,0.1,0.2,nan,0.6,1,0', r'the box \[0.1, 0.2, nan, 0.6\]'),
    'x2 < x1': ('film,0902,0.5,0.2,0.1,0.6,1,0', 'must have x1 ≤ x2 and y1 ≤ y2'),
    'class by name': ('film,0902,0.1,0.2,0.5,0.6,walk,0', "class 'walk', which must be an integer"),
    'no class': ('film,0902,0.1,0.2,0.5,0.6,,0', "class ''"),
    'class 0': ('film,0902,0.1,0.2,0.5,0.6,0,0', 'has class 0: classes start at 1, since class 0 is the background'),
    'class -1': ('film,0902,0.1,0.2,0.5,0.6,-1,0', 'has class -1'),
    'class 9': ('film,0902,0.1,0.2,0.5,0.6,9,0', 'class 9, but num_classes=9.* from 1 to 8. Set num_classes=10'),
    'person by name': ('film,0902,0.1,0.2,0.5,0.6,1,Ann', "person 'Ann'"),
}
HEADER = 'video_id,middle_frame_timestamp,x1,y1,x2,y2,action_id,person_id'


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings."""
    found: list[str] = []

    def keep(self: MMLogger, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            found.append(record.getMessage())

    monkeypatch.setattr(MMLogger, 'callHandlers', keep)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / 'actions.csv').write_text(LINES)
    (tmp_path / 'excluded.csv').write_text('film,0903\n\n')
    (tmp_path / 'actions.pbtxt').write_text(ACTIONS)
    (tmp_path / 'proposals.pkl').write_bytes(pickle.dumps(PROPOSALS))
    return tmp_path


def dataset(folder: Path, kind: type = AVADataset, **changes: object) -> mmaction.datasets.AVADataset:
    files = dict(ann_file=str(folder / 'actions.csv'), proposal_file=str(folder / 'proposals.pkl'), num_classes=9)
    files['label_file'] = str(folder / 'actions.pbtxt')
    # mmengine collects garbage before it serializes, which takes a while
    return kind(**(dict(files, pipeline=[], exclude_file=None, serialize_data=False) | changes))


def metric(folder: Path, kind: type = AVAMetric, **changes: object) -> mmaction.evaluation.AVAMetric:
    files = dict(ann_file=str(folder / 'actions.csv'), label_file=str(folder / 'actions.pbtxt'), num_classes=9)
    return kind(**(dict(files, exclude_file=None) | changes))


def proposals(folder: Path, content: object) -> str:
    path = folder / 'other.pkl'
    path.write_bytes(pickle.dumps(content))
    return str(path)


def samples(found: mmaction.datasets.AVADataset) -> list[dict]:
    return [found.get_data_info(index) for index in range(len(found))]


def same(ours: list[dict], theirs: list[dict]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            np.testing.assert_equal(value, other[key])


# --- what is right is read as mmaction reads it ---


@pytest.mark.parametrize('options', [{}, dict(use_frames=False, timestamp_start=0), dict(custom_classes=[8, 1, 4])])
@pytest.mark.parametrize('excluded', [False, True])
@pytest.mark.parametrize('kind', [AVADataset, AVAKineticsDataset])
def test_as_mmaction(kind: type, excluded: bool, options: dict, folder: Path) -> None:
    clip = 'abcdefghijk_000890_000910'
    text = LINES.replace('\n\n', '\n').replace('902.0', '0902').replace('film', 'elevenchars').replace('other', clip)
    if kind is AVAKineticsDataset:
        options = {key: value for key, value in options.items() if key != 'use_frames'}
        text = ''.join(sorted(text.splitlines(True)))  # mmaction gives all the last one's length
    (folder / 'actions.csv').write_text(text)
    (folder / 'excluded.csv').write_text('elevenchars,0903\n')
    found = {'elevenchars,0902': BOXES, f'{clip},0902': BOXES[:1], 'abcdefghijk,0902': BOXES[:, :4]}
    options = dict(options, proposal_file=proposals(folder, found), data_prefix=dict(img='somewhere'))
    options['num_classes'] = 4 if 'custom_classes' in options else 9
    if excluded:
        options['exclude_file'] = str(folder / 'excluded.csv')
    ours = samples(dataset(folder, kind, **options))
    # mmaction fails on a key frame without a person
    (folder / 'actions.csv').write_text(''.join(line for line in text.splitlines(True) if ',,' not in line))
    theirs = samples(dataset(folder, getattr(mmaction.datasets, kind.__name__), **options))
    if kind is AVAKineticsDataset:
        # each has the length of its own video, and its own entry before that of the whole video
        lengths = [sample.pop('shot_info') for sample in ours]
        whole = (1, 54001 if 'timestamp_start' in options else 27001)
        assert lengths == [(1, 601) if sample['video_id'] == clip else whole for sample in ours]
        for sample in theirs:
            del sample['shot_info']
        (mine,), (its,) = ([s for s in part if s['video_id'] == clip] for part in (ours, theirs))
        np.testing.assert_equal(mine['proposals'], BOXES[:1, :4])
        for sample in (mine, its):
            del sample['proposals']
            sample.pop('scores', None)
    same(ours, theirs)


def test_every_way_to_write_lines(folder: Path) -> None:
    """BOM, CRLF, CR, quotes, spaces, no line break at the end."""
    plain = read_annotations(str(folder / 'actions.csv'), 9)
    assert [(action.video, action.time, action.label) for action in plain] == [
        ('film', 902, 1),
        ('film', 902, 3),
        ('film', 902, 2),
        ('film', 903, 8),
        ('other', 902, 4),
    ]
    quoted = ''.join(','.join(f'"{field}"' for field in line.split(',')) + '\n' for line in LINES.split())
    for text in (
        '\ufeff' + LINES, LINES.replace('\n', '\r\n'), LINES.replace('\n', '\r'), LINES + '\n \n\r\n', LINES.strip(),
        LINES.replace(',', ' , '), quoted, LINES.replace(',1,0', ',1.0,0.0'),
        LINES.encode('utf-16'),
    ):  # fmt: skip
        (folder / 'actions.csv').write_bytes(text if isinstance(text, bytes) else text.encode())
        assert read_annotations(str(folder / 'actions.csv'), 9) == plain
        (folder / 'excluded.csv').write_bytes(b'\xef\xbb\xbffilm,903.0\r\n\r\n')
        found = dataset(folder, exclude_file=str(folder / 'excluded.csv'))
        assert found.key_frames == {'film,0902', 'other,0902'}
        assert metric(folder, exclude_file=str(folder / 'excluded.csv')).key_frames == found.key_frames


def test_boxes_over_an_edge_are_cut(folder: Path, logged: list[str]) -> None:
    (folder / 'actions.csv').write_text('film,0902,-0.02,0.2,1.03,0.6,1,0\nfilm,0903,0,0.2,1,0.6,1,0\n')
    outside = {'film,0902': [[-0.01, 0.2, 0.5, 1.04, 0.9]], 'film,0903': [[0, 0, 1, 1]]}
    found = samples(dataset(folder, proposal_file=proposals(folder, outside)))
    assert found[0]['gt_bboxes'].tolist() == [[0, 0.2, 1, 0.6]] and found[0]['proposals'].tolist() == [[0, 0.2, 0.5, 1]]
    assert ['1 of 2 boxes exceed the frame' in line for line in logged] == [True, True]


def test_single_label_counts_from_0(folder: Path) -> None:
    """As MultiSports in mmaction."""
    (folder / 'actions.csv').write_text('film,0902,0.1,0.2,0.5,0.6,0,0\n')
    found = dataset(folder, multilabel=False, num_classes=1)
    assert found.get_data_info(0)['gt_labels'].tolist() == [[0]] and found.get_cat_ids(0) == [0]
    (folder / 'actions.csv').write_text('film,0902,0.1,0.2,0.5,0.6,-1,0\n')
    with pytest.raises(ValueError, match=r'actions.csv, line 1: .* has class -1: classes start at 0'):
        dataset(folder, multilabel=False, num_classes=1)


def test_lines_that_occur_twice_count_once(folder: Path, logged: list[str]) -> None:
    (folder / 'actions.csv').write_text('film,0902,0.1,0.2,0.5,0.6,1,0\n' * 3 + 'film,0902,0.1,0.2,0.5,0.6,2,0\n')
    assert [action.label for action in read_annotations(str(folder / 'actions.csv'), 9)] == [1, 2]
    assert "2 of 4 lines repeat another one, such as that of class 1 in 'film,0902'" in logged[0]


def test_more_columns_than_needed(folder: Path, logged: list[str]) -> None:
    """Such as a score of the label, as mmaction reads them."""
    plain = read_annotations(str(folder / 'actions.csv'), 9)
    wider = ''.join(f'{line},0.9\n' for line in LINES.split())
    (folder / 'actions.csv').write_text(wider + 'film,0950\nfilm,0951,,,,,,\n')
    assert read_annotations(str(folder / 'actions.csv'), 9) == plain
    assert len(logged) == 1 and 'lines have more columns than VIDEO,SECOND' in logged[0]


# --- malformed lines ---


@pytest.mark.parametrize('part', [dataset, metric])
@pytest.mark.parametrize('name', MALFORMED)
def test_malformed_lines(name: str, part: type, folder: Path) -> None:
    line, message = MALFORMED[name]
    (folder / 'actions.csv').write_text(LINES + line + '\n')
    with pytest.raises(ValueError, match=rf'actions\.csv, line 8: .*{message}'):
        part(folder)
    if name == 'class 9':  # of which there is nothing to know
        assert part(folder, custom_classes=[1, 8], num_classes=3)
        return
    with pytest.raises(ValueError, match=rf'actions\.csv, line 8: .*{message}'):
        part(folder, custom_classes=[1, 8], num_classes=3)


@pytest.mark.parametrize('part', [dataset, metric])
def test_files_that_are_none(part: type, folder: Path) -> None:
    annotations = folder / 'actions.csv'
    annotations.write_text(f'{HEADER}\n{LINES}')
    with pytest.raises(
        ValueError, match=r"line 1: .*second 'middle_frame_timestamp'.*Is it a header\? This format has none"
    ):
        part(folder)
    annotations.write_text(LINES + 'f\xfclm,0902,0.1,0.2,0.5,0.6,1,0\n', encoding='latin1')
    with pytest.raises(ValueError, match=r'actions\.csv cannot be read .*: line 8 is not UTF-8'):
        part(folder)
    for empty in ('', '\n\n', 'film,0902,,,,,,\n'):
        annotations.write_text(empty)
        with pytest.raises(ValueError, match=r'actions\.csv has no line with a person'):
            part(folder)
    annotations.unlink()
    with pytest.raises(FileNotFoundError, match=r'annotation file .*actions\.csv does not exist'):
        part(folder)
    with pytest.raises(FileNotFoundError, match='exclude_file nowhere.csv does not exist'):
        annotations.write_text(LINES)
        part(folder, exclude_file='nowhere.csv')


def test_a_line_without_person_is_for_the_metric_alone(folder: Path) -> None:
    """As in mmaction, whose metric takes detections of 7 columns."""
    (folder / 'actions.csv').write_text(LINES + 'film,0905,0.1,0.2,0.5,0.6,1\n')
    assert 'film,0905' in metric(folder).key_frames
    with pytest.raises(ValueError, match=r'actions\.csv, line 8: .* has 7 columns'):
        dataset(folder)


@pytest.mark.parametrize('part', [dataset, metric])
def test_malformed_exclusions(part: type, folder: Path, logged: list[str]) -> None:
    path = folder / 'excluded.csv'
    for line, message in (
        ('film', 'has 1 columns, but needs VIDEO,SECOND'),
        ('film,0902,0.1,0.2,0.5,0.6,1,0', 'has 8 columns'),
        ('film,902.5', "second '902.5'"),
        ('video,timestamp', "second 'timestamp'"),
    ):
        path.write_text(f'\nfilm,0903\n{line}\n')
        with pytest.raises(ValueError, match=rf'excluded\.csv, line 3: .* {message}'):
            part(folder, exclude_file=str(path))
    path.write_text('film,0902\nfilm,0903\nother,902\n')
    with pytest.raises(ValueError, match=r'excluded\.csv excludes all 3 key frames of .*actions\.csv'):
        part(folder, exclude_file=str(path))
    # exclusions of other videos, or of frames in place of seconds, and others that annotations lack already
    for text, warned in (('movie,0902\n', True), ('film,27060\n', True), ('other,0903\n', False), ('', False)):
        path.write_text(text)
        logged.clear()
        part(folder, exclude_file=str(path))
        assert ['excluded.csv excludes nothing: its 1 key frames' in line for line in logged] == [True] * warned


# --- classes ---


def test_custom_classes(folder: Path) -> None:
    found = dataset(folder, custom_classes=(8, 1), num_classes=3)
    assert found.key_frames == {'film,0902', 'film,0903'}
    assert [sample['gt_labels'].tolist() for sample in samples(found)] == [[[0, 0, 1]], [[0, 1, 0]]]
    assert metric(folder, custom_classes=(8, 1), num_classes=3).key_frames == found.key_frames
    for part in (dataset, metric):
        with pytest.raises(ValueError, match=r'custom_classes=\[8, 1\] needs num_classes=3, .* got 9'):
            part(folder, custom_classes=[8, 1])
        with pytest.raises(ValueError, match=r'\[0\] are not classes of .*actions\.pbtxt, which start at 1'):
            part(folder, custom_classes=[0, 1], num_classes=3)
        with pytest.raises(ValueError, match='each once'):
            part(folder, custom_classes=[1, 1], num_classes=3)
    with pytest.raises(ValueError, match='needs label_file'):
        dataset(folder, custom_classes=[8, 1], num_classes=3, label_file=None)
    with pytest.raises(ValueError, match=r'no line with one of custom_classes=\[5, 6\]'):
        dataset(folder, custom_classes=[5, 6], num_classes=3)
    with pytest.raises(
        ValueError, match=r'no line of .*actions\.csv is to be evaluated: its classes are \[1, 2, 3, 4, 8\]'
    ):
        metric(folder, custom_classes=[5, 6], num_classes=3)


def test_label_maps(folder: Path, logged: list[str]) -> None:
    path = folder / 'names.pbtxt'
    wanted = {1: 'bend/bow (at the waist)', 80: 'a {b} c'}
    for text in (
        'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\nitem {\n  name: "a {b} c"\n  id: 80\n}\n',
        'label {\n  name: "bend/bow (at the waist)"\n  label_id: 1\n  label_type: X\n}\n'
        'label { label_id:80 name:"a {b} c" }',
        '\ufeffitem{\r\n\tid: 1\r\n\tname: "bend/bow (at the waist)"\r\n}\r\nitem{\r\n\tname: "a {b} c"\r\n\tid: 80}',
    ):
        path.write_text(text, encoding='utf-8')
        assert read_label_map(str(path)) == wanted
    for text, message in (
        ('1,walk\n2,run\n', "names.pbtxt, line 1 is not a label map of items .*: '1,walk 2,run'"),
        ('', 'names.pbtxt has no class: write item'),
        (ACTIONS + 'item {\n  name: "x"\n', r"names.pbtxt, line 33 is not a label map of items .*: 'item { name: "),
        (ACTIONS + 'item {\n  name: "x"\n}\n', r'names.pbtxt, line 33: .* a whole number as id'),
        (ACTIONS + 'item {\n  name: "x"\n  id: 1.5\n}\n', 'line 33: .* a whole number as id'),
        (ACTIONS + 'item {\n  name: "x"\n  id: 8\n}\n', 'line 33 has class 8 for the second time'),
        ('item {\n  name: "x"\n  id: 0\n}\n' + ACTIONS, 'line 1 has class 0: classes start at 1'),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            metric(folder, label_file=str(path))
    path.write_text('item {\n  name: "x"\n  id: 7\n}\n')
    with pytest.raises(ValueError, match=r'its classes are \[1, 2, 3, 4, 8\], and those of .*names\.pbtxt are \[7\]'):
        metric(folder, label_file=str(path))
    with pytest.raises(FileNotFoundError, match='label_file nowhere does not exist'):
        metric(folder, label_file='nowhere')
    # of a list of more classes there may be fewer
    (folder / 'actions.csv').write_text('film,0902,0.1,0.2,0.5,0.6,1,0\n')
    assert not logged and metric(folder, num_classes=3)
    assert 'has classes up to 8, but num_classes=3: classes from 3 on cannot be detected' in logged[0]


def test_lists_of_names(folder: Path) -> None:
    path = folder / 'names.txt'
    path.write_text('\ufeffbend (at the waist)\r\n\r\n  "sit"  \r\nrun/jog', encoding='utf-8')
    assert read_label_map(str(path)) == {1: 'bend (at the waist)', 2: '"sit"', 3: 'run/jog'}
    path.write_text(ACTIONS)
    assert read_label_map(str(path)) == read_label_map(str(folder / 'actions.pbtxt'))
    for text, message in (
        ('\n \n', 'label_file .*names.txt has no class: write one name per line'),
        ('sit\nrun\nsit\n', "names.txt, line 3 has the class 'sit' for the second time"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_label_map(str(path))


@pytest.mark.parametrize('part', [dataset, metric])
def test_number_of_classes_from_the_names(part: type, folder: Path) -> None:
    assert part(folder, num_classes=None).num_classes == 9
    assert part(folder, num_classes=None, custom_classes=[8, 1]).num_classes == 3
    assert part(folder, num_classes=None, label_file=None).num_classes == 81
    (folder / 'actions.txt').write_text('sit\nrun\njump\n')
    with pytest.raises(ValueError, match='class 8, but num_classes=4 including the background'):
        part(folder, num_classes=None, label_file=str(folder / 'actions.txt'))
    with pytest.raises(FileNotFoundError, match='label_file nowhere does not exist'):
        part(folder, num_classes=None, label_file='nowhere')


def test_names_of_the_classes(folder: Path) -> None:
    """What checkpoints carry: class 0, the background, has no name."""
    names = tuple(f'action {label}' for label in range(1, 9))
    assert dataset(folder).metainfo['classes'] == names
    assert dataset(folder, custom_classes=[8, 1], num_classes=3).metainfo['classes'] == ('action 8', 'action 1')
    assert 'classes' not in dataset(folder, label_file=None, num_classes=9).metainfo
    given = dict(metainfo=dict(classes=[f'a{label}' for label in range(1, 9)]))
    assert dataset(folder, **given).metainfo['classes'][0] == 'a1'
    assert dataset(folder, custom_classes=[8], num_classes=2, **given).metainfo['classes'] == ('a8',)
    with pytest.raises(ValueError, match='metainfo names 80 classes, but num_classes=9 needs 8, .* background: set'):
        dataset(folder, metainfo=dict(classes='ava'))
    lists = dataset(folder, metainfo=dict(classes='ava'), num_classes=81).metainfo['classes']
    assert len(lists) == 80 and lists[11] == 'stand'


@pytest.mark.filterwarnings('ignore:Mean of empty slice')
def test_quotes_in_names(folder: Path, one_process: None) -> None:
    """Mmaction's reader of names ends at the second quote."""
    (folder / 'actions.txt').write_text('\n'.join(['"', 'a "b" c', *'defghi']))
    quoted = metric(folder, label_file=str(folder / 'actions.txt'))
    np.testing.assert_equal(evaluate(quoted, results(KEYS)), evaluate(metric(folder), results(KEYS)))


def test_classes_of_a_key_frame(folder: Path) -> None:
    found = dataset(folder)
    assert [found.get_cat_ids(index) for index in range(3)] == [[1, 2, 3], [8], [4]]
    balanced = ClassBalancedDataset(found, oversample_thr=0.5)
    assert len(balanced) > len(found)


# --- proposals ---


def test_proposals_that_are_right(folder: Path, logged: list[str]) -> None:
    """Lists, arrays of any kind, JSON, defaultdicts, scores in per cent or none."""
    lists = {key: rows.tolist() for key, rows in PROPOSALS.items()}
    for content in (
        lists,
        defaultdict(list, lists),
        {key: rows[:, :4].astype(np.float16) for key, rows in PROPOSALS.items()},
        {key: rows.astype(np.float32) for key, rows in PROPOSALS.items()},
        {key: np.asfortranarray(rows) for key, rows in PROPOSALS.items()},
        {key: rows * [1, 1, 1, 1, 100] for key, rows in PROPOSALS.items()},
    ):
        for sample in samples(dataset(folder, proposal_file=proposals(folder, content))):
            np.testing.assert_allclose(sample['proposals'][0], BOXES[0, :4], atol=1e-3)
            assert sample['proposals'].dtype in (np.float32, np.float64)
    path = folder / 'proposals.json'
    path.write_text(json.dumps(lists))
    same(samples(dataset(folder, proposal_file=str(path))), samples(dataset(folder)))
    assert not logged


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('kind', [str, np.str_])
def test_every_protocol_of_pickle(kind: type, protocol: int, folder: Path) -> None:
    """mmengine.dump writes protocol 2, and an array of nobody then asks for bytes; 5 asks for a buffer."""
    content = {kind(key): BOXES for key in KEYS[:2]} | {KEYS[2]: np.zeros((0, 5))}
    (folder / 'proposals.pkl').write_bytes(pickle.dumps(content, protocol=protocol))
    found = read_proposals(str(folder / 'proposals.pkl'))
    assert list(found) == KEYS[:2] and all(np.array_equal(rows, BOXES) for rows in found.values())


def test_bytes_of_a_number_are_not_made(folder: Path) -> None:
    """bytes(10**12) would be a terabyte."""
    (folder / 'proposals.pkl').write_bytes(b'cbuiltins\nbytes\n(I1000000000000\ntR.')
    with pytest.raises(ValueError, match='cannot be read as a pickled dict'):
        read_proposals(str(folder / 'proposals.pkl'))


def test_proposals_in_lines(folder: Path, logged: list[str]) -> None:
    """6 columns, 7 with a score, 8 with an empty one before it, and annotations; key frames of nobody."""
    path = folder / 'proposals.csv'
    boxes = [','.join(map(str, row)) for row in BOXES[:, :4].tolist()]
    for ends, scores in (
        (['', ''], None),
        ([',0.95', ',0.3'], BOXES[:, 4]),
        ([',,0.95', ',,0.3'], BOXES[:, 4]),
        ([',1,0', ',3,1'], None),
    ):
        keys = [key.replace('0902', '902.0') for key in KEYS]
        lines = [f'{key},{box}{end}' for key in keys for box, end in zip(boxes, ends, strict=True)]
        lines += [lines[0], 'film,0950', 'film,0951,,,,,,']
        path.write_text('\ufeff' + '\r\n'.join(lines), encoding='utf-8')
        found = read_proposals(str(path))
        assert list(found) == KEYS
        for rows in found.values():
            np.testing.assert_array_equal(rows, BOXES[:, :4] if scores is None else BOXES)
    assert not logged
    pickled = proposals(folder, found)
    same(*(samples(dataset(folder, proposal_file=file)) for file in (str(path), pickled)))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('film,0902,0.1,0.2,0.5', 'line 1: .* has 5 columns, but needs VIDEO,SECOND,x1,y1,x2,y2'),
        ('film,0902,0.1,0.2,0.5,0.6,1,0,0.9', 'line 1: .* has 9 columns'),
        ('\nfilm,0902,10,20,50,60', r'line 2: .* the box \[10, 20, 50, 60\].* not in pixels.*proposals.py --pixels'),
        ('film,0902,0.5,0.2,0.1,0.6', 'must have x1 ≤ x2'),
        ('film,0902,0.1,0.2,0.5,nan', 'the box'),
        ('film,0902,0.1,left,0.5,0.6', 'has a box or a score that is not a number'),
        ('film,0902,0.1,0.2,0.5,0.6,inf', 'has a score that is not finite'),
        ('film,half,0.1,0.2,0.5,0.6', "second 'half'"),
        ('video,second,x1,y1,x2,y2', "second 'second'.* Is it a header"),
        ('film,0902\n', 'has no boxes: lines are VIDEO,SECOND,x1,y1,x2,y2,SCORE'),
        ('', 'has no boxes'),
        (
            'film,0902,0.1,0.2,0.5,0.6,0.9\nfilm,0903,0.1,0.2,0.5,0.6\n',
            "has boxes with a score and others, as in 'film,0903', without one",
        ),
    ],
)
def test_malformed_lines_of_proposals(text: str, message: str, folder: Path) -> None:
    path = folder / 'proposals.csv'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        dataset(folder, proposal_file=str(path))


def test_proposals_in_pixels(folder: Path) -> None:
    """They become shares by the size of each video, in a dict and in lines."""
    sizes = dict(film=(200, 100), other=(400, 50))
    scales = {key: np.array([*sizes[key[:-5]], *sizes[key[:-5]], 1]) for key in KEYS}
    path = folder / 'proposals.csv'
    rows = {key: (BOXES * scales[key]).tolist() for key in KEYS}
    path.write_text(''.join(f'{key},{",".join(map(str, row))}\n' for key in KEYS for row in rows[key]))
    for file in (str(path), proposals(folder, rows)):
        with pytest.raises(ValueError, match='not in pixels: tools/data/proposals.py --pixels divides by'):
            read_proposals(file)
        for found in read_proposals(file, sizes.get).values():
            np.testing.assert_allclose(found, BOXES)


def test_tensors_among_proposals(folder: Path) -> None:
    (folder / 'proposals.pkl').write_bytes(pickle.dumps({KEYS[0]: torch.rand(1, 5)}))
    with pytest.raises(ValueError, match='torch.*not allowed; write tensors as arrays'):
        read_proposals(str(folder / 'proposals.pkl'))


@pytest.mark.parametrize(
    'respell',
    [
        lambda video, second: (video, second),
        lambda video, second: (video, f'{second:04d}'),
        lambda video, second: (video, np.int64(second)),
        lambda video, second: (video.encode(), float(second)),
        lambda video, second: f'{video},{second}',
        lambda video, second: f'{video},{second}.0',
        lambda video, second: f'{video},{second:04d}'.encode(),
        lambda video, second: f'{video}, {second:06d}',
    ],
)
def test_keys_that_are_meant_for_key_frames(respell: object, folder: Path, logged: list[str]) -> None:
    content = {respell(key[:-5], int(key[-4:])): rows for key, rows in PROPOSALS.items()}
    same(samples(dataset(folder, proposal_file=proposals(folder, content))), samples(dataset(folder)))
    (warning,) = logged
    assert f"3 keys such as {next(iter(content))!r} are read as 'film,0902'" in warning


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([BOXES], "has a list: it needs a dict from 'VIDEO,0902'"),
        ({}, 'has no key frames'),
        ({'film': BOXES}, "key 'film' is not a key frame"),
        ({'film': {902: BOXES}}, "key 'film' is not a key frame"),
        ({('film', 902, 1): BOXES}, r"key \('film', 902, 1\) is not a key frame: keys must be 'VIDEO,SECOND'"),
        ({902: BOXES}, 'key 902 is not a key frame'),
        ({'film,half': BOXES}, "key 'film,half' has the second 'half', which must be an integer"),
        ({'film,902.5': BOXES}, "second '902.5'"),
        ({'film,0902': BOXES, ('film', 902): BOXES}, r"key \('film', 902\) is 'film,0902', which occurs twice"),
        (PROPOSALS | {'film,0903': BOXES[:, :3]}, r"key 'film,0903' has float64 \(2, 3\): it needs numbers \(n, 4\)"),
        (PROPOSALS | {'film,0903': BOXES[0]}, r'float64 \(5,\)'),
        (PROPOSALS | {'film,0903': [[0.1, 0.2, 0.3, 0.4], [0.1]]}, "key 'film,0903' .*inhomogeneous"),
        (PROPOSALS | {'film,0903': [['a', 'b', 'c', 'd']]}, "key 'film,0903' has "),
        (PROPOSALS | {'film,0903': None}, "key 'film,0903' has "),
        (
            PROPOSALS | {'film,0903': BOXES * 96},
            r"key 'film,0903' has the box \[9.6, 19.2, 48, 57.6\]: .* not in pixels",
        ),
        (PROPOSALS | {'film,0903': BOXES * np.nan}, r"key 'film,0903' has the box \[nan, nan, nan, nan\]"),
        (PROPOSALS | {'film,0903': BOXES * [1, 1, 1, 1, np.nan]}, "key 'film,0903' has a score that is not finite"),
        (PROPOSALS | {'film,0903': BOXES[:, [2, 1, 0, 3, 4]]}, r"key 'film,0903' has the box \[0.5, .*x1 ≤ x2"),
        (
            PROPOSALS | {'film,0903': torch.tensor(BOXES)},
            'wants to import torch._utils.*, which is not allowed; write tensors as arrays',
        ),
    ],
)
def test_malformed_proposals(content: object, message: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=rf'proposal_file .*other\.pkl\b.*{message}'):
        dataset(folder, proposal_file=proposals(folder, content))


class Bomb:
    def __reduce__(self) -> tuple:
        return os.mkdir, ('exploded',)


@pytest.mark.parametrize('kind', [AVADataset, AVAKineticsDataset])
def test_nothing_in_proposals_is_run(kind: type, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=r'cannot be read .*: it wants to import posix\.mkdir, which is not allowed'):
        dataset(folder, kind, proposal_file=proposals(folder, PROPOSALS | {'film,0904': Bomb()}))
    assert not Path('exploded').exists()


@pytest.mark.parametrize('data', [b'', b'PK\3\4', b'film,0902,0.1,0.2,0.5,0.6', pickle.dumps(PROPOSALS)[:200]])
def test_files_that_are_no_proposals(data: bytes, folder: Path) -> None:
    (folder / 'proposals.pkl').write_bytes(data)
    with pytest.raises(ValueError, match=r'proposals\.pkl cannot be read as a pickled dict'):
        dataset(folder)
    with pytest.raises(FileNotFoundError, match='proposal_file nowhere.pkl does not exist'):
        dataset(folder, proposal_file='nowhere.pkl')


@pytest.mark.parametrize('kind', [AVADataset, AVAKineticsDataset])
def test_proposals_of_other_key_frames(kind: type, folder: Path, logged: list[str]) -> None:
    for content, hint in (
        ({'movie,0902': BOXES}, 'Use the same video names'),
        ({'film.mp4,0902': BOXES}, 'Use the same video names'),
        ({'film,0002': BOXES, 'other,0002': BOXES}, 'Check that times have the same origin'),
        ({'film,0902': np.zeros((0, 5))}, 'it has no key frames'),
    ):
        wanted = "none of the 3 key frames of .*: it has .*needs 'film,0902', 'film,0903', 'other,0902'"
        for lazily in (False, True):
            with pytest.raises(ValueError, match=wanted) as error:
                found = dataset(folder, kind, proposal_file=proposals(folder, content), lazy_init=lazily)
                found.get_data_info(0)
            assert hint.replace('\\', '') in str(error.value)
    # some
    logged.clear()
    content = {'film,0902': BOXES, 'other,0902': [], 'film,0999': BOXES}
    found = samples(dataset(folder, kind, proposal_file=proposals(folder, content)))
    (warning,) = logged
    assert 'lacks 2 of the 3 key frames of' in warning and "('film,0903', 'other,0902')" in warning
    assert [len(sample['proposals']) for sample in found] == [1, 1, 1]
    assert [sample['proposals'][0].tolist() == [0, 0, 1, 1] for sample in found] == [False, True, True]


@pytest.mark.parametrize('custom', [None, [8, 1]])
@pytest.mark.parametrize('kind', [AVADataset, AVAKineticsDataset])
def test_annotated_boxes_in_place_of_proposals(
    kind: type, custom: list[int] | None, folder: Path, logged: list[str]
) -> None:
    """Those of all persons, also of persons with other classes, each once."""
    options = dict(proposal_file=None, custom_classes=custom, num_classes=3 if custom else 9)
    found = dataset(folder, kind, **options)
    everybody = {
        'film,0902': [[0.1, 0.2, 0.5, 0.6], [0.5, 0.2, 0.7, 0.6]],
        'film,0903': [[0.1, 0.2, 0.5, 0.6]],
        'other,0902': [[0, 0, 1, 1]],
    }
    there = {sample['img_key']: sample for sample in samples(found)}
    assert there.keys() == set(KEYS[: 2 if custom else 3])
    for key, sample in there.items():
        np.testing.assert_array_equal(sample['proposals'], everybody[key])
    assert len(there['film,0902']['gt_bboxes']) == (1 if custom else 2)
    assert not logged
    dataset(folder, kind, test_mode=True, **options)
    (warning,) = logged
    assert 'no proposal_file, so the boxes of persons are those of' in warning and 'has a higher mAP' in warning


@pytest.mark.parametrize('video', ['a', 'my_own_video', 'cam_2_1', 'elevenchars', 'cam_01_000000_000012'])
def test_names_of_videos_in_ava_kinetics(video: str, folder: Path) -> None:
    """Names that mmaction takes for clips of Kinetics, or fails at."""
    (folder / 'actions.csv').write_text(f'{video},0007,0.1,0.2,0.5,0.6,1,0\n')
    path = proposals(folder, {f'{video},0007': BOXES[:, :4]})
    (sample,) = samples(dataset(folder, AVAKineticsDataset, proposal_file=path, timestamp_start=0))
    np.testing.assert_equal(sample['proposals'], BOXES[:, :4])
    assert (sample['timestamp_start'], sample['timestamp_end']) == (0, 12 if '12' in video else 1800)


# --- the metric ---


def results(keys: list[str], seed: int = 0) -> list[dict]:
    """Samples as ActionDetector leaves them, of boxes near the true ones."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.6], [0.5, 0.2, 0.7, 0.6], [0.0, 0.0, 1.0, 1.0]])
    found = []
    for key in keys:
        video, second = key.split(',')
        scores = torch.rand(3, 9, generator=generator)
        pred = dict(bboxes=boxes + 0.02 * torch.rand(3, 4, generator=generator), scores=scores)
        found.append(dict(video_id=video, timestamp=int(second), pred_instances=pred))
    return found


def evaluate(part: mmaction.evaluation.AVAMetric, tested: list[dict]) -> dict:
    part.process(None, tested)
    return part.evaluate(len(tested))


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of mmaction's 32."""
    monkeypatch.setattr(ava_utils.multiprocessing, 'Pool', lambda _: ThreadPool(1))


@pytest.mark.filterwarnings('ignore:Mean of empty slice')
@pytest.mark.parametrize('options', [{}, dict(custom_classes=[8, 1, 4], num_classes=4)])
def test_metric_is_mmactions(
    options: dict, folder: Path, one_process: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    tested = results(KEYS)
    for sample in tested:
        sample['pred_instances']['scores'] = sample['pred_instances']['scores'][:, : options.get('num_classes', 9)]
    text = LINES.replace('\n\n', '\n').replace('film,0904,,,,,,\n', '').replace('902.0', '0902')
    (folder / 'actions.csv').write_text(text)
    (folder / 'none.csv').touch()
    theirs = metric(folder, mmaction.evaluation.AVAMetric, exclude_file=str(folder / 'none.csv'), **options)
    wanted = evaluate(theirs, copy.deepcopy(tested))
    before = set(tmp_path.iterdir())
    (folder / 'actions.csv').write_text(LINES + '\n')  # which mmaction fails at
    ours = metric(folder, **options)
    (folder / 'actions.csv').write_text('changed while it trained')
    np.testing.assert_equal(evaluate(ours, tested), wanted)
    assert 0 < wanted['mAP/overall'] < 1 and set(tmp_path.iterdir()) == before


@pytest.mark.filterwarnings('ignore:Mean of empty slice')
def test_key_frames_that_are_tested_and_count(folder: Path, one_process: None, logged: list[str]) -> None:
    """As in mmaction all that are annotated count, tested or not; excluded ones do not."""
    perfect = {(action.video, action.time): [] for action in read_annotations(str(folder / 'actions.csv'))}
    for action in read_annotations(str(folder / 'actions.csv')):
        perfect[action.video, action.time].append(action)
    tested = []
    for (video, second), actions in perfect.items():
        boxes = sorted({action.box for action in actions})
        scores = torch.zeros(len(boxes), 9)
        for action in actions:
            scores[boxes.index(action.box), action.label] = 0.9
        pred = dict(bboxes=torch.tensor(boxes), scores=scores)
        tested.append(dict(video_id=video, timestamp=second, pred_instances=pred))
    assert evaluate(metric(folder), tested)['mAP/overall'] == 1 and not logged
    exclude = dict(exclude_file=str(folder / 'excluded.csv'))
    assert evaluate(metric(folder, **exclude), tested)['mAP/overall'] == 1 and not logged
    # film,0902 again at 0905, which is not tested: half of its persons are missed
    more = ''.join(line.replace('902', '905') + '\n' for line in LINES.split() if line.startswith('film,0902'))
    (folder / 'actions.csv').write_text(LINES + more)
    assert evaluate(metric(folder), tested)['mAP/overall'] == pytest.approx((0.5 + 0.5 + 3) / 5)
    (warning,) = logged
    assert '1 of the 4 key frames of' in warning and "not tested ('film,0905'): persons in them count as" in warning
    logged.clear()
    # a test on a part of what is annotated, and on what is not
    strangers = [dict(sample, video_id='stranger') for sample in tested]
    evaluate(metric(folder), tested[:1] + strangers)
    assert '3 of the 4 key frames of' in logged[0] and '2 of the 3 tested key frames are not in' in logged[1]
    with pytest.raises(
        ValueError, match="evaluates 4 key frames of .* the results have none, but 'stranger,0902', 'str"
    ):
        evaluate(metric(folder), strangers)


def test_metric_that_knows_nothing_or_not_enough(folder: Path, one_process: None, logged: list[str]) -> None:
    with pytest.raises(ValueError, match=r"options must be \('mAP',\), got \('mAP@0.75',\)"):
        metric(folder, options=('mAP@0.75',))
    with pytest.raises(ValueError, match="needs 'video_id' and 'timestamp' among the meta_keys of PackActionInputs"):
        metric(folder).process(None, [dict(pred_instances={})])
    tested = results(KEYS)
    for sample in tested:
        sample['pred_instances']['scores'] *= 0
    with np.errstate(all='ignore'), pytest.warns(RuntimeWarning):
        assert np.isnan(evaluate(metric(folder), tested)['mAP/overall'])
    assert 'no score exceeds action_thr=0.002, so mAP is nan' in logged[0]


# --- runs ---


@pytest.fixture(scope='module')
def actors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where data/moving_actors is: a video of four key frames to train on, and one to test."""
    root = tmp_path_factory.mktemp('actors')
    write_dataset(root / 'data/moving_actors', videos=1, val_videos=1, seconds=5, processes=1)
    return root


@pytest.fixture
def recipe(actors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_process: None) -> Iterator[Config]:
    """The micro recipe on a copy of the data, in the folder where it is looked for."""
    for path in sorted((actors / 'data/moving_actors').rglob('*')):
        copied = tmp_path / path.relative_to(actors)
        copied.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            copied.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    config = Config.fromfile(MICRO)
    config.work_dir = str(tmp_path / 'work')
    config.model.backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))
    config.model.roi_head.bbox_head.in_channels = 128
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.param_scheduler = []
    with DefaultScope.overwrite_default_scope(config.default_scope):
        yield config


ANNOTATIONS = Path('data/moving_actors/annotations')


def change(split: str, old: str, new: str, name: str = 'moving_actors_{}.csv') -> None:
    path = ANNOTATIONS / name.format(split)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def fails(config: Config, message: str, kind: type = ValueError) -> None:
    runner = Runner.from_cfg(config)
    with pytest.raises(kind, match=message):
        runner.train()
    assert isinstance(runner._train_loop, dict) or runner.iter == 0


def test_run_as_it_is_and_with_respelled_files(recipe: Config) -> None:
    """An epoch and its validation: what was silently 0, or failed after the epoch, is as without the change."""
    scores = []
    for step in range(2):
        config = copy.deepcopy(recipe)
        config.work_dir = f'{recipe.work_dir}_{step}'
        if step:
            for split in ('train', 'val'):
                path = ANNOTATIONS / f'moving_actors_proposals_{split}.pkl'
                found = {tuple(key.split(',')): rows.tolist() for key, rows in pickle.loads(path.read_bytes()).items()}
                path.write_bytes(pickle.dumps({(video, int(second)): rows for (video, second), rows in found.items()}))
                text = (ANNOTATIONS / f'moving_actors_{split}.csv').read_text().replace(',000', ',')
                (ANNOTATIONS / f'moving_actors_{split}.csv').write_text(text.replace('\n', '\r\n') + '\r\n')
        runner = Runner.from_cfg(config)
        runner.train()
        scores.append(runner.message_hub.get_scalar('val/mAP/overall').current())
    assert scores[0] == scores[1] > 0


def test_proposals_of_other_videos_before_the_first_step(recipe: Config) -> None:
    path = ANNOTATIONS / 'moving_actors_proposals_train.pkl'
    path.write_bytes(path.read_bytes().replace(b'train_00000', b'clips_00000'))
    fails(recipe, "has none of the 4 key frames of .*train.csv: it has 'clips_00000,0001'.* needs 'train_00000,0001'")


def test_proposals_of_other_videos_in_validation_before_the_first_step(recipe: Config) -> None:
    recipe.val_dataloader.dataset.proposal_file = recipe.train_dataloader.dataset.proposal_file
    fails(recipe, "proposals_train.pkl has none of the 4 key frames of .*val.csv: it has 'train_00000,0001'")


def test_classes_from_0_before_the_first_step(recipe: Config) -> None:
    path = ANNOTATIONS / 'moving_actors_train.csv'
    fields = [line.split(',') for line in path.read_text().split()]
    path.write_text(''.join(','.join([*row[:6], str(int(row[6]) - 1), row[7]]) + '\n' for row in fields[:-1]))
    path.write_text(path.read_text() + ','.join([*fields[-1][:6], '0', '0']) + '\n')
    fails(recipe, r'moving_actors_train\.csv, line \d+: .* has class 0: classes start at 1')


def test_malformed_line_of_the_metric_before_the_first_step(recipe: Config) -> None:
    path = ANNOTATIONS / 'metric.csv'
    path.write_text((ANNOTATIONS / 'moving_actors_val.csv').read_text() + 'val_00000,1,10,20,50,60,1,0\n')
    recipe.val_evaluator.ann_file = str(path)
    fails(recipe, r'metric\.csv, line \d+: .* the box \[10, 20, 50, 60\]')


def test_metric_of_other_videos_before_the_first_step(recipe: Config) -> None:
    recipe.val_evaluator.update(
        ann_file=recipe.train_dataloader.dataset.ann_file, exclude_file=recipe.train_dataloader.dataset.exclude_file
    )
    fails(
        recipe,
        "evaluates 4 key frames of .*train.csv .* the val dataset has none, but 'val_00000,0001'",
    )


def test_metric_of_more_key_frames_warns_once(recipe: Config, tmp_path: Path) -> None:
    recipe.val_dataloader.dataset.indices = [0, 2]
    runner = Runner.from_cfg(recipe)
    runner.train()
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert log.read_text().count("are not tested ('val_00000,0002', 'val_00000,0004')") == 1


def test_concatenated_datasets_are_compared_together(recipe: Config, tmp_path: Path) -> None:
    halves = [dict(recipe.val_dataloader.dataset, indices=own) for own in ([0, 1], [2, 3])]
    recipe.test_dataloader.dataset = dict(type='ConcatDataset', datasets=halves)
    runner = Runner.from_cfg(recipe)
    assert runner.test()['mAP/overall'] > 0
    assert isinstance(runner.test_loop.dataloader.dataset, ConcatDataset)
    (log,) = (tmp_path / 'work').glob('*/*.log')
    assert 'not tested' not in log.read_text()


def test_videos_that_are_not_there_are_named(recipe: Config) -> None:
    Path('data/moving_actors/videos_train/train_00000.mp4').unlink()
    message = 'cannot read video data/moving_actors/videos_train/train_00000: FileNotFoundError'
    fails(recipe, message, UnreadableVideoError)


@pytest.mark.filterwarnings('ignore:Mean of empty slice')
@pytest.mark.parametrize('custom', [None, [3, 1]])
def test_few_classes(custom: list[int] | None, recipe: Config, tmp_path: Path) -> None:
    """Two actions, whose head logs no top 3 and top 5."""
    for split in ('train', 'val'):
        path = ANNOTATIONS / f'moving_actors_{split}.csv'
        fields = [line.split(',') for line in path.read_text().split()]
        labels = [1, 3, 8] if custom else [1, 2]
        lines = [','.join([*row[:6], str(labels[i % len(labels)]), row[7]]) for i, row in enumerate(fields)]
        path.write_text('\n'.join(lines))
    parts = [recipe.train_dataloader.dataset, recipe.val_dataloader.dataset, recipe.val_evaluator]
    for part in [recipe.model.roi_head.bbox_head, *parts]:
        part.num_classes = 3
    if custom:
        for part in parts:
            part.custom_classes = custom
    runner = Runner.from_cfg(recipe)
    runner.train()
    assert runner.model.roi_head.bbox_head.topk == (1,)
    assert 0 < runner.message_hub.get_scalar('val/mAP/overall').current() <= 1
    assert runner.message_hub.get_scalar('train/recall@top1').current() >= 0


@pytest.mark.parametrize('other', [[1, 2], [3, 1, 2], None])
def test_custom_classes_of_datasets_and_metric_are_the_same(other: list[int] | None, recipe: Config) -> None:
    """Others, or the same in another order, gave another mAP without a word."""
    parts = [recipe.train_dataloader.dataset, recipe.val_dataloader.dataset, recipe.val_evaluator]
    for part in parts:
        part.update(num_classes=4, custom_classes=[1, 2, 3])
    recipe.model.roi_head.bbox_head.num_classes = 4
    recipe.val_evaluator.custom_classes = other and [*other, *[8] * (3 - len(other))]
    if other is None:
        with pytest.raises(
            ValueError, match=r'num_classes=4 .* Set num_classes=.*, or choose classes with custom_classes'
        ):
            Runner.from_cfg(recipe).train()
    else:
        fails(recipe, r'AVADataset of train has custom_classes=\[1, 2, 3\], but AVAMetric of val has custom_classes=\[')


@pytest.mark.parametrize('mode', ['train', 'val'])
def test_no_proposals_at_all_before_the_first_step(mode: str, recipe: Config) -> None:
    """Mmaction's dataset has none then."""
    recipe[f'{mode}_dataloader'].dataset.update(type='AVADataset', proposal_file=None)
    fails(
        recipe,
        f"AVADataset of {mode} has no proposal_file with the boxes of persons.* type='mmhvt.AVADataset' needs no file",
    )


@pytest.mark.filterwarnings('ignore:Mean of empty slice')
def test_ground_truth_alone(recipe: Config, tmp_path: Path) -> None:
    """Trains, and tests on the annotated boxes; the log says so. num_classes is in the head alone, names are a list."""
    lines = Path('data/moving_actors/classes.txt')
    lines.write_text('\n'.join(read_label_map(str(ANNOTATIONS / 'moving_actors_action_list.pbtxt')).values()))
    parts = [loader.dataset for loader in (recipe.train_dataloader, recipe.val_dataloader, recipe.test_dataloader)]
    for part in [*parts, recipe.val_evaluator, recipe.test_evaluator]:
        part.pop('num_classes')
        part.label_file = str(lines)
    for part in parts:
        part.proposal_file = None
    for path in ANNOTATIONS.glob('*.pkl'):
        path.unlink()
    runner = Runner.from_cfg(recipe)
    runner.train()
    assert runner.val_loop.dataloader.dataset.num_classes == 9
    assert 0 < runner.message_hub.get_scalar('val/mAP/overall').current() <= 1
    (log,) = (tmp_path / 'work').glob('*/*.log')
    for split in ('train', 'val'):
        said = f'no proposal_file, so the boxes of persons are those of {ANNOTATIONS}/moving_actors_{split}.csv'
        assert log.read_text().count(said) == 1


def test_another_number_of_classes_than_names(recipe: Config) -> None:
    recipe.model.roi_head.bbox_head.num_classes = 8
    recipe.train_dataloader.dataset.pop('num_classes')
    fails(recipe, 'bbox_head has num_classes=8, but AVADataset of train has num_classes=9')


def test_exclusions_of_other_classes_are_no_fault(folder: Path, logged: list[str]) -> None:
    """custom_classes leave of the key frames one that the exclusions do not have."""
    (folder / 'excluded.csv').write_text('film,0903\n')
    found = dataset(folder, exclude_file=str(folder / 'excluded.csv'), custom_classes=[4], num_classes=2)
    assert found.key_frames == {'other,0902'} and not logged
    with pytest.raises(ValueError, match=r'excluded.csv leaves no key frame with custom_classes=\[8\]'):
        dataset(folder, exclude_file=str(folder / 'excluded.csv'), custom_classes=[8], num_classes=2)


def test_metric_without_names_counts_all_classes(folder: Path, one_process: None) -> None:
    named, unnamed = (evaluate(metric(folder, **names), results(KEYS)) for names in ({}, dict(label_file=None)))
    assert named['mAP/overall'] == unnamed['mAP/overall']
