"""Proposals from files of boxes and from a detector, and what is refused."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from helpers import ROOT
from mmhvt.apis.proposals import write_proposals
from mmhvt.apis.videos import Video, write_video
from mmhvt.datasets import AVADataset

BOXES = {
    'a,0001': [[0.1, 0.2, 0.5, 0.75, 0.95], [0.0, 0.0, 1.0, 1.0, 0.5]],
    'a,0002': [[0.25, 0.25, 0.5, 0.5, 0.25]],
    'b,0001': [[0.5, 0.0, 1.0, 0.5, 1.0]],
}
SIZES = dict(a=(160, 80), b=(64, 128))
RATES = dict(a=10, b=25)
LINES = ''.join(f'{key},{",".join(map(str, row))}\n' for key, rows in BOXES.items() for row in rows)
ANNOTATIONS = 'a,1,0.1,0.2,0.5,0.7,1,0\na,1,0.1,0.2,0.5,0.7,3,0\na,0003,0,0,1,1,2,1\nb,0001,0,0,1,1,1,0\n'


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.mp4 of 3.5 seconds and b.mp4 of 2.4, with a brightness that tells the frame."""
    folder = tmp_path_factory.mktemp('videos')
    for name, (width, height) in SIZES.items():
        frames = [np.full((height, width, 3), 4 * n, np.uint8) for n in range(35 if name == 'a' else 60)]
        write_video(folder / f'{name}.mp4', frames, RATES[name])
    return folder


@pytest.fixture
def call(load_tool: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Calls the tool in `tmp_path`; returns the exit status, and what out.pkl has."""

    def call(*words: object) -> tuple[int, dict | None]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', ['proposals.py', 'out.pkl', '--device=cpu', *map(str, words)])
        status = load_tool('data/proposals.py').main()
        path = tmp_path / 'out.pkl'
        return status, pickle.loads(path.read_bytes()) if path.is_file() else None

    return call


def same(found: dict, wanted: dict) -> None:
    assert list(found) == list(wanted)
    for key, rows in wanted.items():
        assert isinstance(found[key], np.ndarray)
        np.testing.assert_allclose(found[key], rows, atol=1e-6)


def test_files_of_boxes(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Lines, JSON and pickles, several of them too; mmaction2's AVADataset reads what is written."""
    from mmaction.datasets import AVADataset as MmactionDataset

    (tmp_path / 'boxes.csv').write_text(LINES)
    (tmp_path / 'boxes.json').write_text(json.dumps(BOXES))
    (tmp_path / 'boxes.pkl').write_bytes(pickle.dumps({key: np.array(rows) for key, rows in BOXES.items()}))
    (tmp_path / 'a.csv').write_text(''.join(line for line in LINES.splitlines(True) if line.startswith('a')))
    (tmp_path / 'b.json').write_text(json.dumps({'b,0001': BOXES['b,0001']}))
    for files in (['boxes.csv'], ['boxes.json'], ['boxes.pkl'], ['a.csv', 'b.json']):
        status, found = call('--boxes', *files)
        assert status == 0 and 'out.pkl: 4 boxes in 3 key frames\n' in capsys.readouterr().out
        same(found, BOXES)
    (tmp_path / 'actions.csv').write_text('a,0001,0.1,0.2,0.5,0.7,1,0\n')
    for kind in (MmactionDataset, AVADataset):
        dataset = kind('actions.csv', [], proposal_file='out.pkl', num_classes=2, serialize_data=False)
        np.testing.assert_allclose(dataset.get_data_info(0)['proposals'], [BOXES['a,0001'][0][:4]])


def test_json_of_the_demo(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """In pixels of its own size, by seconds from the start."""
    boxes = [dict(box=[16, 16, 80, 60], score=0.95, actions=[]), dict(box=[0, 0, 160, 80], score=0.5, actions=[])]
    entries = [dict(seconds=1.0, frame=10, boxes=boxes), dict(seconds=2.0, frame=20, boxes=[])]
    content = dict(video='clips/a.avi', fps=10, size=[160, 80], key_frames=entries)
    (tmp_path / 'a.json').write_text(json.dumps(content))
    status, found = call('--boxes', 'a.json', '--timestamp-start', 900)
    assert status == 0
    same(found, {'a,0901': BOXES['a,0001']})
    entries[0]['seconds'] = 0.5
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert call('--boxes', 'a.json')[0] == 1
    assert 'a.json has a key frame at 0.5 s, and AVA counts whole seconds: --every 1' in capsys.readouterr().err


def test_boxes_in_pixels(call, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    rows = {key: [[*(np.array(row[:4]) * (SIZES[key[0]] * 2)), row[4]] for row in rows] for key, rows in BOXES.items()}
    lines = ''.join(f'{key},{",".join(map(str, row))}\n' for key, own in rows.items() for row in own)
    (tmp_path / 'boxes.csv').write_text(lines)
    (tmp_path / 'boxes.json').write_text(json.dumps(rows))
    for file in ('boxes.csv', 'boxes.json'):
        status, found = call('--boxes', file, '--pixels', '--videos', videos)
        assert status == 0
        same(found, BOXES)
        (tmp_path / 'out.pkl').unlink()
        assert call('--boxes', file) == (1, None)
        assert 'not in pixels: tools/data/proposals.py --pixels divides' in capsys.readouterr().err
    (tmp_path / 'boxes.csv').write_text('a,1,10,10,200,60\n')
    assert call('--boxes', 'boxes.csv', '--pixels', '--videos', videos) == (1, None)
    assert 'boxes.csv, line 1:' in (said := capsys.readouterr().err) and '1.25' in said
    (tmp_path / 'boxes.csv').write_text('c,1,10,10,60,60\n')
    assert call('--boxes', 'boxes.csv', '--pixels', '--videos', videos) == (1, None)
    assert 'there is no video' in (said := capsys.readouterr().err) and 'c.mp4' in said
    (tmp_path / 'boxes.csv').write_text(LINES)
    assert call('--boxes', 'boxes.csv', '--pixels', '--videos', videos) == (1, None)
    assert 'boxes.csv: no side exceeds 1, so boxes are not in pixels: leave out --pixels' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--boxes', 'none.csv'], 'none.csv does not exist'),
        (['--boxes', 'twice.csv', 'twice.csv'], "twice.csv has boxes at 'a,0001', and so has a file before it"),
        (['--boxes', 'twice.csv', '--pixels'], '--pixels needs the folder of the videos: --videos'),
        (['--boxes', 'twice.csv', '--pixels', '--videos', 'nowhere'], '--videos nowhere: there is no such folder'),
        (['--boxes', 'header.csv'], 'header.csv, line 1:'),
        (['--boxes', 'list.json'], 'list.json has a list'),
        (['--boxes', 'broken.json'], 'broken.json cannot be read'),
        (['--det-config', 'det.py', '--det-checkpoint', 'det.pth'], '--det-config needs the folder of the videos'),
    ],
)
def test_what_is_refused(words: list, message: str, call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'twice.csv').write_text(LINES)
    (tmp_path / 'header.csv').write_text(f'video,second,x1,y1,x2,y2,score\n{LINES}')
    (tmp_path / 'list.json').write_text('[1, 2]')
    (tmp_path / 'broken.json').write_text('{"a,0001": [')
    assert call(*words) == (1, None)
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1


def test_arguments_of_the_function(tmp_path: Path) -> None:
    (tmp_path / 'boxes.csv').write_text(LINES)
    with pytest.raises(ValueError, match=r'out\.csv: proposals are written as a pickle'):
        write_proposals(tmp_path / 'out.csv', boxes=[tmp_path / 'boxes.csv'])
    with pytest.raises(ValueError, match='boxes come from files .*, or from a detector'):
        write_proposals(tmp_path / 'out.pkl')
    with pytest.raises(ValueError, match=r'boxes\.pkl is read and would be overwritten'):
        write_proposals(tmp_path / 'boxes.pkl', boxes=[tmp_path / 'boxes.pkl'])


# ---- detectors


@pytest.fixture
def seen(videos: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A detector whose boxes are known; the sizes and numbers of the frames that it saw."""
    frames: list[tuple[str, int]] = []
    decoded = {name: Video(videos / f'{name}.mp4') for name in SIZES}
    decoded = {name: [video[n] for n in range(len(video))] for name, video in decoded.items()}

    class Detector:
        def __init__(self, *args: object) -> None:
            self.args = args

        def __call__(self, frame: np.ndarray) -> np.ndarray:
            name = next(name for name, size in SIZES.items() if size == frame.shape[1::-1])
            (number,) = (n for n, other in enumerate(decoded[name]) if np.array_equal(frame, other))
            frames.append((name, number))
            score = 0.04 if name == 'b' else 0.7
            return np.array([[-0.1, 0.2, 0.5, 1.1, score], [0.3, 0.3, 0.6, 0.6, score + 0.2], [1.1, 0, 1.2, 1, 0.9]])

    pytest.importorskip('mmcv._ext')
    monkeypatch.setattr('mmhvt.apis.actions.PersonDetector', Detector)
    return frames


DETECTED = ['--det-config', 'det.py', '--det-checkpoint', 'det.pth', '--videos']


def test_key_frames_of_annotations(
    call, seen: list, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The frames that SampleKeyFrameClip has in the middle; boxes inside the frame, the surest first."""
    (tmp_path / 'train.csv').write_text(ANNOTATIONS)
    (tmp_path / 'val.csv').write_text('b,2,0,0,1,1,1,0\n')
    status, found = call(*DETECTED, videos, '--ann-file', 'train.csv', 'val.csv', '--det-score', 0.05)
    assert status == 0 and seen == [('a', 10), ('a', 30), ('b', 25), ('b', 50)]
    rows = [[0.3, 0.3, 0.6, 0.6, 0.9], [0, 0.2, 0.5, 1, 0.7]]
    unsure = [[0.3, 0.3, 0.6, 0.6, 0.24]]
    same(found, {'a,0001': rows, 'a,0003': rows, 'b,0001': unsure, 'b,0002': unsure})
    assert 'out.pkl: 6 boxes in 4 key frames\n' in capsys.readouterr().out
    status, found = call(*DETECTED, videos, '--ann-file', 'train.csv', '--det-score', 0.3)
    same(found, {'a,0001': rows, 'a,0003': rows})
    said = capsys.readouterr().out
    assert 'out.pkl: 4 boxes in 2 key frames; 1 others show nobody with a score of 0.3, and datasets use the' in said


def test_every_second(call, seen: list, videos: Path, capsys: pytest.CaptureFixture) -> None:
    status, found = call(*DETECTED, videos, '--timestamp-start', 900)
    assert status == 0
    assert list(found) == [f'a,{second:04d}' for second in range(900, 904)] + [
        f'b,{second:04d}' for second in range(900, 903)
    ]


def test_key_frames_outside_of_videos(
    call, seen: list, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'ann.csv').write_text('a,902,0,0,1,1,1,0\n')
    assert call(*DETECTED, videos, '--ann-file', 'ann.csv') == (1, None)
    assert 'a.mp4 lasts 3.5 s and has no key frame at timestamp 902, 902 s from its start' in capsys.readouterr().err
    (tmp_path / 'ann.csv').write_text('c,1,0,0,1,1,1,0\n')
    assert call(*DETECTED, videos, '--ann-file', 'ann.csv') == (1, None)
    assert 'c.mp4' in capsys.readouterr().err
    assert call(*DETECTED, tmp_path) == (1, None)
    assert 'there are no MP4 files; --ann-file names others' in capsys.readouterr().err


def test_a_detector_of_mmdet(call, videos: Path, tmp_path: Path) -> None:
    """Its boxes on a frame, as shares."""
    pytest.importorskip('mmcv._ext')
    from mmhvt.apis.actions import PersonDetector

    config = ROOT / 'configs/coco/faster-rcnn_smvit-micro_fpn_1xb4-5e_shapes-coco.py'
    changes = 'model = dict(test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=-1)))'
    (tmp_path / 'det.py').write_text(f"_base_ = '{config}'\n{changes}\n")
    cfg = Config.fromfile(tmp_path / 'det.py')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'det.pth')
    (tmp_path / 'ann.csv').write_text(ANNOTATIONS)
    words = ['--det-config', 'det.py', '--det-checkpoint', 'det.pth', '--det-category', 2, '--det-score', 0]
    status, found = call(*words, '--videos', videos, '--ann-file', 'ann.csv')
    assert status == 0 and found
    detector = PersonDetector('det.py', 'det.pth', 2, 'cpu')
    for (name, second), rows in [(key.split(','), rows) for key, rows in found.items()]:
        video = Video(videos / f'{name}.mp4')
        wanted = detector(video[int(second) * RATES[name]])
        wanted = wanted[np.argsort(-wanted[:, 4])]
        wanted[:, :4] = wanted[:, :4].clip(0, 1)
        np.testing.assert_allclose(rows, wanted, atol=1e-6)
