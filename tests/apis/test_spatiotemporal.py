"""Boxes and actions of a whole video: the same numbers as the runner's, whole files, and what is refused."""

import json
import os
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import decord
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from mmhvt.apis import actions, detect
from mmhvt.apis.actions import ActionFinder
from mmhvt.apis.boxes import inside
from mmhvt.apis.videos import write_video
from mmhvt.synthetic.moving_actors import write_dataset
from mmhvt.synthetic.moving_shapes import MOTIONS
from mmhvt.utils.drawing import BLUE

CONFIG = ROOT / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
RECOGNIZER = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
PROPOSALS = 'data/moving_actors/annotations/moving_actors_proposals_val.pkl'
VIDEO = 'data/moving_actors/videos_val/val_00000.mp4'
DETECTOR = """
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(depth=18, init_cfg=None),
    neck=dict(in_channels=[64, 128, 256, 512], out_channels=32),
    rpn_head=dict(in_channels=32, feat_channels=32),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=32),
        bbox_head=dict(in_channels=32, fc_out_channels=32, num_classes=2)),
    test_cfg=dict(rcnn=dict(score_thr=0., max_per_img=6)))
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='Resize', scale=(160, 128), keep_ratio=True),
    dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
# as frames on disk, and through a crop, as recipes for AVA have them
CROPPED = f"""
_base_ = '{CONFIG}'
test_pipeline = [
    dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=2, target_fps=16),
    dict(type='RawFrameDecode'),
    dict(type='Resize', scale=(-1, 96)),
    dict(type='CenterCrop', crop_size=64),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""

# of clips, and yet its pipeline begins as one of pictures
IMAGES = f"""
_base_ = '{RECOGNIZER}'
test_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile')]))
"""


def save(config: Path, path: Path) -> None:
    """The weights of an untrained model."""
    cfg = Config.fromfile(config)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict()), path)


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with moving actors and checkpoints, to call the tool in."""
    folder = tmp_path_factory.mktemp('home')
    write_dataset(folder / 'data/moving_actors', videos=1, val_videos=1, seconds=5, processes=1)
    (folder / 'det.py').write_text(DETECTOR)
    (folder / 'cropped.py').write_text(CROPPED)
    for config, name in [(CONFIG, 'actions.pth'), (RECOGNIZER, 'shapes.pth'), (folder / 'det.py', 'det.pth')]:
        save(config, folder / name)
    return folder


@pytest.fixture
def call(load_tool: Callable[[str], ModuleType], home: Path, monkeypatch: pytest.MonkeyPatch):
    """Calls the tool in `home`: `video`, `out`, and options of which None leaves one out; returns the exit status."""

    def call(out: Path, video: str | Path = VIDEO, **options: object) -> int:
        given = dict(config=CONFIG, checkpoint='actions.pth', boxes=PROPOSALS, device='cpu') | options
        words = [f'--{name.replace("_", "-")}={value}' for name, value in given.items() if value is not None]
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, 'argv', ['spatiotemporal.py', str(video), f'--out={out}', *words])
        return load_tool('demo/spatiotemporal.py').main()

    return call


def decode(path: Path | str) -> tuple[np.ndarray, float]:
    video = decord.VideoReader(str(path))
    return np.stack([video[i].asnumpy() for i in range(len(video))]), video.get_avg_fps()


# ---- numbers


def test_scores_are_those_of_the_runner(call, home: Path, tmp_path: Path) -> None:
    assert call(tmp_path / 'new/a.mp4', det_score=0, action_score=0) == 0
    found = json.loads((tmp_path / 'new/a.json').read_text())

    cfg = Config.fromfile(CONFIG)
    cfg.work_dir, cfg.load_from = str(tmp_path), 'actions.pth'
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.person_det_score_thr = 0
    cfg.test_evaluator = dict(type='DumpResults', out_file_path=str(tmp_path / 'dump.pkl'))
    Runner.from_cfg(cfg).test()
    compared = 0
    proposals = pickle.loads((home / PROPOSALS).read_bytes())
    for sample in pickle.loads((tmp_path / 'dump.pkl').read_bytes()):
        if sample['img_key'] not in proposals:
            continue  # the dataset takes the whole picture there
        entry = found['key_frames'][sample['timestamp']]
        wanted = sample['pred_instances']
        assert entry['seconds'] == sample['timestamp']
        np.testing.assert_allclose([b['box'] for b in entry['boxes']], wanted['bboxes'] * 96, atol=0.01)
        for box, scores, proposal in zip(entry['boxes'], wanted['scores'], proposals[sample['img_key']], strict=True):
            values = {action['name']: action['score'] for action in box['actions']}
            np.testing.assert_allclose([values[name] for name in MOTIONS], scores[1:], atol=1e-4)
            assert list(values.values()) == sorted(values.values(), reverse=True)
            assert box['score'] == pytest.approx(proposal[4], abs=1e-4)
            compared += 1
    assert compared > 5


def test_files_of_boxes_say_the_same(call, home: Path, tmp_path: Path) -> None:
    """Proposals, lines of AVA with several for a person, and JSON; whatever the time that they begin at."""
    proposals = pickle.loads((home / PROPOSALS).read_bytes())
    lines = [
        ','.join([name, str(int(second) + 900), *map(repr, row[:4].tolist()), '', repr(float(row[4]))])
        for key, rows in proposals.items()
        for name, second in [key.split(',')]
        for row in rows
    ]
    (tmp_path / 'boxes.csv').write_text('\n'.join([*lines, *lines[:3], 'another,0902,0.1,0.1,0.2,0.2,1,0']) + '\n')
    assert call(tmp_path / 'a.mp4', action_score=0) == 0
    assert call(tmp_path / 'b.mp4', action_score=0, boxes=tmp_path / 'boxes.csv', boxes_start=900) == 0
    assert call(tmp_path / 'c.mp4', action_score=0, boxes=tmp_path / 'a.json') == 0
    one, *others = (json.loads((tmp_path / f'{name}.json').read_text())['key_frames'] for name in 'abc')
    assert one == others[0] and sum(len(entry['boxes']) for entry in one) > 5
    for entry, again in zip(one, others[1], strict=True):
        for box, same in zip(entry['boxes'], again['boxes'], strict=True):
            assert (box['box'], box['score']) == (same['box'], same['score'])
            values, again_values = ({a['name']: a['score'] for a in b['actions']} for b in (box, same))
            assert values == pytest.approx(again_values, abs=2e-3)


def test_boxes_of_a_detector(call, home: Path, tmp_path: Path) -> None:
    """What mmdet's own functions find in the key frame."""
    from mmdet.apis import inference_detector, init_detector

    detector = dict(boxes=None, det_config='det.py', det_checkpoint='det.pth', det_category=1, det_score=0)
    assert call(tmp_path / 'a.mp4', action_score=0, every=2, **detector) == 0
    entries = json.loads((tmp_path / 'a.json').read_text())['key_frames']
    frames, fps = decode(home / VIDEO)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = init_detector(str(home / 'det.py'), str(home / 'det.pth'), palette='random', device='cpu')
        total = 0
        for entry in entries:
            found = inference_detector(model, frames[entry['frame']][..., ::-1].copy()).pred_instances
            found = found[found.labels == 1]
            within = inside(np.c_[found.bboxes.numpy() / 96, found.scores.numpy()])
            wanted = [(*(row[:4] * 96).tolist(), row[4]) for row in within]
            np.testing.assert_allclose([(*b['box'], b['score']) for b in entry['boxes']], wanted, atol=0.01)
            assert all(len(box['actions']) == len(MOTIONS) for box in entry['boxes'])
            total += len(wanted)
    assert [entry['seconds'] for entry in entries] == [0, 2, 4] and total > 0
    assert [entry['frame'] for entry in entries] == [0, round(2 * fps), round(4 * fps)]


def test_pipelines_of_frames_on_disk_and_crops(call, tmp_path: Path) -> None:
    """They read the video; boxes are those that were given, also where a crop cuts them."""
    assert call(tmp_path / 'a.mp4', action_score=0) == 0
    assert call(tmp_path / 'b.mp4', action_score=0, config='cropped.py') == 0
    one, other = (json.loads((tmp_path / f'{name}.json').read_text())['key_frames'] for name in 'ab')
    assert [[b['box'] for b in entry['boxes']] for entry in one] == [[b['box'] for b in e['boxes']] for e in other]
    assert one != other


# ---- the video


def test_video_and_json_tell_of_the_same(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    plain, fps = decode(home / VIDEO)
    assert call(tmp_path) == 0
    drawn, rate = decode(tmp_path / 'val_00000.mp4')
    assert drawn.shape == plain.shape and rate == fps
    found = json.loads((tmp_path / 'val_00000.json').read_text())
    assert [found[key] for key in ('video', 'frames', 'fps', 'size')] == [VIDEO, len(plain), fps, [96, 96]]
    assert [entry['seconds'] for entry in found['key_frames']] == list(range(5))
    assert all(entry['frame'] == round(entry['seconds'] * fps) for entry in found['key_frames'])
    output = capsys.readouterr()
    boxes = sum(len(entry['boxes']) for entry in found['key_frames'])
    assert f'{len(plain)} frames, 5 key frames, {boxes} boxes' in output.out
    assert 'lacks 1 of the 5 key frames' in output.out  # the first, of which AVA's files say nothing
    assert 'are not key frames' not in output.out and 'no boxes' not in output.out
    assert '5/5' in output.err
    assert {path.name for path in tmp_path.iterdir()} == {'val_00000.mp4', 'val_00000.json'}


def test_boxes_stand_about_their_key_frame(call, home: Path, tmp_path: Path) -> None:
    """From half way to the one before to half way to the next."""
    plain, fps = decode(home / VIDEO)
    (tmp_path / 'boxes.csv').write_text('val_00000,2,0.25,0.25,0.75,0.75,1,0\nval_00000,2,0.25,0.25,0.75,0.75,2,0\n')
    assert call(tmp_path / 'a.mp4', boxes=tmp_path / 'boxes.csv', action_score=1, every=0.5) == 0
    drawn, _ = decode(tmp_path / 'a.mp4')
    edge = drawn[:, 30:66, 24].astype(int)  # (frames, pixels, 3) on the left side
    marked = (np.abs(edge - BLUE).mean((1, 2)) < 40).tolist()
    assert marked == [1.75 <= index / fps < 2.25 for index in range(len(plain))]
    others = np.array([not there for there in marked])
    assert np.abs(drawn[others].astype(int) - plain[others]).mean() < 6
    assert len(json.loads((tmp_path / 'a.json').read_text())['key_frames'][4]['boxes']) == 1


@pytest.mark.parametrize(
    ('width', 'height', 'fps', 'frames'),
    [(64, 112, 66.667, 90), (112, 64, 7.5, 3), (64, 64, 23.976, 1), (101, 75, 15, 20)],
)
def test_videos_of_any_size_rate_and_length(
    call, tmp_path: Path, width: int, height: int, fps: float, frames: int
) -> None:
    """Portrait, fast, shorter than a clip, a single frame, odd sides."""
    path = tmp_path / 'any.avi'
    # OpenCV's own encoder leaves odd sides as they are, and rounds the rate
    encoder = cv2.CAP_OPENCV_MJPEG if width % 2 else cv2.CAP_FFMPEG
    writer = cv2.VideoWriter(str(path), encoder, cv2.VideoWriter_fourcc(*'MJPG'), fps, (width, height))
    for index in range(frames):
        frame = np.full((height, width, 3), index % 100 + 50, np.uint8)
        frame[:, -1] = 255
        writer.write(frame)
    writer.release()
    (tmp_path / 'boxes.csv').write_text('any,0,0.2,0.2,0.9,0.9,,0.9\n')
    assert call(tmp_path / 'out', video=path, boxes=tmp_path / 'boxes.csv', action_score=1) == 0
    drawn, rate = decode(tmp_path / 'out/any.mp4')
    assert drawn.shape == (frames, height + height % 2, width + width % 2, 3)
    assert rate == pytest.approx(fps, abs=0.01)
    assert drawn[:, : height // 6, width - 1].mean() > 225  # nothing is cut off
    found = json.loads((tmp_path / 'out/any.json').read_text())
    assert found['size'] == [width, height] and len(found['key_frames'][0]['boxes']) == 1


@pytest.mark.skipif(not Path('/proc/self/status').is_file(), reason='reads what Linux tells of its processes')
def test_memory_does_not_grow_with_the_video(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames are 1106 MB, which nobody keeps; decord decodes some hundred MB ahead."""
    texture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    texture, held = cv2.GaussianBlur(texture, (15, 15), 0), []
    write_video(tmp_path / 'long.mp4', (np.roll(texture, i, 1) for i in range(400)), 16)
    (tmp_path / 'boxes.csv').write_text(''.join(f'long,{second},0.1,0.1,0.5,0.9,,0.9\n' for second in range(25)))

    def weigh(*_: object) -> None:
        held.append(int(Path('/proc/self/status').read_text().split('RssAnon:')[1].split()[0]) / 1024)

    # begins when the models are there, and counts key frames
    monkeypatch.setattr(detect.ProgressBar, 'start', weigh)
    monkeypatch.setattr(detect.ProgressBar, 'update', weigh)
    options = dict(video=tmp_path / 'long.mp4', boxes=tmp_path / 'boxes.csv', config='cropped.py')
    assert call(tmp_path / 'out', **options) == 0
    assert len(held) == 26 and max(held) - held[0] < 500, held


# ---- bad input


def test_no_boxes_at_all(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A key frame without a person is none that is lacking; the video is written, and a note."""
    (tmp_path / 'boxes.csv').write_text(''.join(f'val_00000,{second},,,,,,\n' for second in range(5)))
    assert call(tmp_path / 'a.mp4', boxes=tmp_path / 'boxes.csv') == 0
    output = capsys.readouterr().out
    assert 'note: the video shows no boxes\n' in output and 'lacks' not in output
    plain, drawn = decode(home / VIDEO)[0], decode(tmp_path / 'a.mp4')[0]
    assert np.abs(plain.astype(int) - drawn).mean() < 6
    assert [entry['boxes'] for entry in json.loads((tmp_path / 'a.json').read_text())['key_frames']] == [[]] * 5


def test_boxes_outside_the_frame(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    boxes = [[-0.5, 0.25, 0.5, 1.5], [1.1, 0.2, 1.5, 0.4], [0.5, 0.5, 0.5, 0.9], [0.9, 0.9, 0.1, 0.1], [np.nan] * 4]
    (tmp_path / 'boxes.pkl').write_bytes(pickle.dumps({'val_00000,0001': np.array(boxes)}))
    assert call(tmp_path / 'a.mp4', boxes=tmp_path / 'boxes.pkl') == 0
    output = capsys.readouterr().out
    assert '4 boxes lie outside the frame or have no area' in output
    assert 'are fractions of the frame, not pixels' in output
    (found,) = json.loads((tmp_path / 'a.json').read_text())['key_frames'][1]['boxes']
    assert found['box'] == [0, 24, 48, 96] and found['score'] is None


def test_boxes_of_other_times(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """They are counted, and no score is blamed for them."""
    lines = [f'val_00000,{seconds},0.1,0.1,0.5,0.5,,0.9\n' for seconds in (0.5, 1, 2.5, 902)]
    (tmp_path / 'boxes.csv').write_text(''.join(lines))
    assert call(tmp_path / 'a.mp4', boxes=tmp_path / 'boxes.csv', every=2) == 0
    output = capsys.readouterr().out
    times = f'4 of the 4 times in {tmp_path / "boxes.csv"}'
    assert f'note: {times} are not key frames: check --every, --boxes-start' in output
    assert 'note: the video shows no boxes\n' in output
    assert call(tmp_path / 'a.mp4', boxes=tmp_path / 'boxes.csv', every=0.5) == 0
    output = capsys.readouterr().out
    assert 'note: 1 of the 4 times' in output and 'no boxes' not in output


def test_boxes_of_low_scores(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'boxes.csv').write_text('val_00000,1,0.1,0.1,0.5,0.5,,0.7\nval_00000,2,0.1,0.1,0.5,0.5,,0.6\n')
    assert call(tmp_path / 'a.mp4', boxes=tmp_path / 'boxes.csv') == 0
    output = capsys.readouterr().out
    assert 'note: the video shows no boxes; 2 have a score below 0.8 (--det-score)' in output
    assert 'are not key frames' not in output


class _Malicious:
    def __reduce__(self):
        return os.mkdir, ('broken_in',)


def changed(folder: Path, lines: str) -> tuple[Path, bytes]:
    """The config of the actions with other lines."""
    return folder / 'a.py', f"_base_ = '{CONFIG}'\n{lines}\n".encode()


def _cut(path: Path, source: Path) -> Path:
    path.write_bytes(source.read_bytes()[:-1000])
    return path


BAD = {
    'there is no video none.mp4': lambda tmp, home: dict(video='none.mp4'),
    r'cannot read video .*det.py': lambda tmp, home: dict(video='det.py'),
    r'cannot read video .*cut.mp4': lambda tmp, home: dict(video=_cut(tmp / 'cut.mp4', home / VIDEO)),
    'there is no file of boxes none.pkl': lambda tmp, home: dict(boxes='none.pkl'),
    r'det.py: boxes come from files that end with .pkl, .csv, .json': lambda tmp, home: dict(boxes='det.py'),
    'proposals_train.pkl has boxes of train_00000, but none of val_00000': lambda tmp, home: dict(
        boxes=PROPOSALS.replace('_val', '_train')
    ),
    'wants to import posix.mkdir': lambda tmp, home: dict(boxes=(tmp / 'a.pkl', pickle.dumps(_Malicious()))),
    'has 3 columns, not 4 or 5': lambda tmp, home: dict(
        boxes=(tmp / 'a.pkl', pickle.dumps({'val_00000,1': np.zeros((2, 3))}))
    ),
    'a.pkl cannot be read as boxes': lambda tmp, home: dict(boxes=(tmp / 'a.pkl', b'nothing')),
    "line 2: could not convert string to float: 'x'": lambda tmp, home: dict(
        boxes=(tmp / 'a.csv', b'val_00000,1,0,0,1,1,1,0\nval_00000,1,x,0,1,1,1,0\n')
    ),
    'a.csv: inf is no time in seconds': lambda tmp, home: dict(boxes=(tmp / 'a.csv', b'val_00000,inf,0,0,1,1,1,0\n')),
    'a.csv: nan is no time in seconds': lambda tmp, home: dict(boxes=(tmp / 'a.csv', b'val_00000,nan,0,0,1,1,1,0\n')),
    'line 1: not enough values': lambda tmp, home: dict(boxes=(tmp / 'a.csv', b'val_00000,1,0,0\n')),
    "it lacks 'size'": lambda tmp, home: dict(boxes=(tmp / 'a.json', b'{}')),
    'a.json cannot be read as boxes': lambda tmp, home: dict(boxes=(tmp / 'a.json', b'{"size": ')),
    'none.py: no such config file': lambda tmp, home: dict(config='none.py'),
    'mmdet::faster_rcnn/none.py: FileNotFoundError': lambda tmp, home: dict(config='mmdet::faster_rcnn/none.py'),
    'a.py: KeyError: .Nothing is not in': lambda tmp, home: dict(
        config=changed(tmp, "model = dict(backbone=dict(type='Nothing'))")
    ),
    'py: KeyError: .Nowhere is not in': lambda tmp, home: dict(
        config=changed(tmp, "test_dataloader = dict(dataset=dict(pipeline=[dict(type='Nowhere')]))")
    ),
    'a.py: SMViT has no option color': lambda tmp, home: dict(
        config=changed(tmp, 'model = dict(backbone=dict(color=1))')
    ),
    'py: ImportError: .*nothing_there': lambda tmp, home: dict(
        config=changed(tmp, "custom_imports = dict(imports=['nothing_there'])")
    ),
    'a.py: ConfigParsingError': lambda tmp, home: dict(
        config=(tmp / 'a.py', b'from mmengine.config import read_base\nwith read_base():\n    from .nothing import *\n')
    ),
    'needs mmhvt.SampleKeyFrameClip, and DecordDecode or RawFrameDecode': lambda tmp, home: dict(
        config=changed(tmp, 'test_dataloader = dict(dataset=dict(pipeline=[]))')
    ),
    'rgb.py is no detector: its test pipeline begins with mmhvt.DecordInit, not with an image': lambda tmp, home: dict(
        boxes=None, det_config=CONFIG, det_checkpoint='actions.pth'
    ),
    'a.py is no detector: its test pipeline begins with nothing': lambda tmp, home: dict(
        boxes=None,
        det_config=changed(tmp, 'test_dataloader = dict(dataset=dict(pipeline=[]))'),
        det_checkpoint='det.pth',
    ),
    'a.py has no test_dataloader': lambda tmp, home: dict(config=changed(tmp, 'test_dataloader = dict(dataset=None)')),
    'the model is Recognizer3D, and has to be mmdet.BaseDetector': lambda tmp, home: dict(
        boxes=None, det_config=(tmp / 'a.py', IMAGES.encode()), det_checkpoint='shapes.pth'
    ),
    'the model is Recognizer3D, and has to be mmhvt.ActionDetector': lambda tmp, home: dict(config=RECOGNIZER),
    'shapes.pth is no checkpoint of .*: [1-9][0-9]* of the': lambda tmp, home: dict(checkpoint='shapes.pth'),
    'none.pth cannot be read as a checkpoint': lambda tmp, home: dict(checkpoint='none.pth'),
    'det.pth is no checkpoint': lambda tmp, home: dict(checkpoint='det.pth'),
    'actions.pth is no checkpoint of .*det.py': lambda tmp, home: dict(
        boxes=None, det_config='det.py', det_checkpoint='actions.pth'
    ),
    r'det.py: the model is FasterRCNN': lambda tmp, home: dict(config='det.py'),
    'names actions up to number 3, the head has 8': lambda tmp, home: dict(
        labels=(tmp / 'names.txt', b'up\ndown\nleft\n')
    ),
    'names.txt has no names of actions': lambda tmp, home: dict(labels=(tmp / 'names.txt', b'\n')),
    r'is read and would be overwritten': lambda tmp, home: dict(out=home / VIDEO),
    r'--out .*result.avi: the video is written as MP4': lambda tmp, home: dict(out=tmp / 'out/result.avi'),
    'cannot be both': lambda tmp, home: dict(json=tmp / 'out/val_00000.mp4'),
    'names.txt, line 1: an item needs a name .* and a whole number as id: .name: "up" id: x': lambda tmp, home: dict(
        labels=(tmp / 'names.txt', b'item {\n  name: "up"\n  id: x\n}\n')
    ),
    r'--every 0.001: frames of .* are .* s apart': lambda tmp, home: dict(every=0.001),
    '--device cuda:99': lambda tmp, home: dict(device='cuda:99'),
}


@pytest.mark.parametrize('message', BAD)
def test_one_line_tells_what_is_wrong(
    call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture, message: str
) -> None:
    options = BAD[message](tmp_path, home)
    for name, value in options.items():
        if isinstance(value, tuple):
            value[0].write_bytes(value[1])
            options[name] = value[0]
    before = {path: path.stat().st_mtime_ns for path in home.rglob('*')}
    assert call(**{'out': tmp_path / 'out'} | options) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('spatiotemporal.py: ')
    assert re.search(message, last), last
    assert before == {path: path.stat().st_mtime_ns for path in home.rglob('*')}
    assert not list(tmp_path.glob('out/*'))


def test_what_cannot_be_written_is_told_before_the_work(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'folder.mp4').mkdir()
    (tmp_path / 'file').touch()
    monkeypatch.setattr(actions, 'load_model', lambda *_: pytest.fail('works'))
    for options in [
        dict(out=tmp_path / 'folder.mp4'),
        dict(out=tmp_path / 'a.mp4', json=tmp_path / 'folder.mp4'),
        dict(out=tmp_path / 'file/a.mp4'),
        dict(out=tmp_path / 'a.mp4', json=tmp_path / 'file/a.json'),
    ]:
        assert call(**options) == 1
        assert re.search("folder.mp4 is a folder|File exists: '.*/file'", capsys.readouterr().err), options
    assert {path.name for path in tmp_path.rglob('*')} == {'folder.mp4', 'file'}


def test_out_in_capitals_is_a_file(call, tmp_path: Path) -> None:
    assert call(tmp_path / 'OUT.MP4', every=4) == 0
    assert {path.name for path in tmp_path.iterdir()} == {'OUT.MP4', 'OUT.json'}
    assert len(decode(tmp_path / 'OUT.MP4')[0]) > 10


@pytest.mark.parametrize('option', ['every', 'boxes_start', 'det_score', 'action_score'])
def test_options_are_finite(call, tmp_path: Path, capsys: pytest.CaptureFixture, option: str) -> None:
    for value in ('inf', 'nan'):
        with pytest.raises(SystemExit, match='2'):
            call(tmp_path, **{option: value})
        wanted = f"--{option.replace('_', '-')}: invalid number value: '{value}'"
        assert wanted in capsys.readouterr().err


def test_detector_needs_a_checkpoint(call, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match='2'):
        call(tmp_path, boxes=None, det_config='det.py')
    with pytest.raises(SystemExit, match='2'):
        call(tmp_path, det_config='det.py', det_checkpoint='det.pth')  # and boxes of a file


def test_boxes_have_to_come_from_somewhere(tmp_path: Path) -> None:
    for detector in ({}, dict(det_config='det.py'), dict(det_checkpoint='det.pth')):
        with pytest.raises(ValueError, match='boxes come from a file .--boxes., or from a detector'):
            detect.detect_actions('a.mp4', 'a.py', 'a.pth', tmp_path, **detector)


def test_interruption_leaves_what_was_there(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'a.mp4').write_text('earlier')
    calls, score = [], ActionFinder.__call__

    def interrupted(self, video, seconds, boxes):
        calls.append(seconds)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(self, video, seconds, boxes)

    monkeypatch.setattr(ActionFinder, '__call__', interrupted)
    assert call(tmp_path / 'a.mp4') == 130
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {'a.mp4': 'earlier'}
    assert calls == [1, 2, 3]


def test_names_of_actions(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'names.txt').write_text('\n'.join(f'does {name}' for name in MOTIONS))
    assert call(tmp_path / 'a.mp4', labels=tmp_path / 'names.txt', action_score=0) == 0
    assert '"does up"' in (tmp_path / 'a.json').read_text()
    # AVA names 60 of its 80: others are not told
    lines = 'item {\n  name: "up"\n  id: 1\n}\nitem {\n  name: "shrinking"\n  id: 8\n}\n'
    (tmp_path / 'names.pbtxt').write_text(lines)
    assert call(tmp_path / 'b.mp4', labels=tmp_path / 'names.pbtxt', action_score=0) == 0
    boxes = [box for entry in json.loads((tmp_path / 'b.json').read_text())['key_frames'] for box in entry['boxes']]
    assert boxes and all({action['name'] for action in box['actions']} == {'up', 'shrinking'} for box in boxes)

    finder = ActionFinder.__new__(ActionFinder)
    finder.columns, finder.model = 3, SimpleNamespace(dataset_meta=None)
    assert finder._names(None, None, None) == {1: 'action 1', 2: 'action 2'}
    assert 'the actions have no names' in capsys.readouterr().out
    assert finder._names(tmp_path / 'names.pbtxt', None, [1, 8]) == {1: 'up', 2: 'shrinking'}
    assert finder._names(tmp_path / 'names.txt', None, [2, 4]) == {1: 'does down', 2: 'does right'}
    with pytest.raises(ValueError, match='has no name for action 2, one of custom_classes'):
        finder._names(tmp_path / 'names.pbtxt', None, [1, 2])


def test_names_of_actions_that_the_checkpoint_carries(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Where the config's label_file is not there; a file that is there, or is given, comes first."""
    model = SimpleNamespace(dataset_meta=dict(classes=('walk', 'run')))
    finder = SimpleNamespace(model=model, columns=3)
    assert ActionFinder._names(finder, None, 'nowhere.pbtxt', None) == {1: 'walk', 2: 'run'}
    assert ActionFinder._names(finder, None, 'nowhere.pbtxt', [7, 9]) == {1: 'walk', 2: 'run'}
    (tmp_path / 'names.txt').write_text('jump\nsit\n')
    assert ActionFinder._names(finder, None, str(tmp_path / 'names.txt'), None) == {1: 'jump', 2: 'sit'}
    assert not capsys.readouterr().out
    model.dataset_meta = None
    assert ActionFinder._names(finder, None, 'nowhere.pbtxt', None) == {1: 'action 1', 2: 'action 2'}
    assert 'there is no nowhere.pbtxt (--labels)' in capsys.readouterr().out
