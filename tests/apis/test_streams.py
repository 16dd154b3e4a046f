"""Files, streams and cameras, frame by frame, and the demos on them. Streams come from a server on this machine."""

import json
import os
import re
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import MODELS, DefaultScope

from helpers import ROOT
from mmhvt.apis import streams
from mmhvt.apis.recognition import ClipRecognizer, LabeledClip, label_clips, with_labels
from mmhvt.apis.streams import FrameSource, RecentFrames, kind_of
from mmhvt.apis.videos import Video, write_video
from mmhvt.datasets import UnreadableVideoError
from mmhvt.synthetic.moving_shapes import MOTIONS

ACTIONS = ROOT / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
SHAPES = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
FPS = 25


def number_of(frame: np.ndarray) -> int:
    """The number of a frame of :func:`numbered`, modulo 64."""
    bits = frame[130:142].reshape(12, 6, 16, 3).mean((0, 2, 3)) > 127
    return int(bits @ 2 ** np.arange(6))


def numbered(count: int) -> Iterator[np.ndarray]:
    """Frames (160, 96, 3) that tell their number by six bits under their middle, where captions leave it."""
    for index in range(count):
        frame = np.full((160, 96, 3), 90, np.uint8)
        frame[:120, index % 60 : index % 60 + 36] = 200  # something for the models
        frame[126:146] = np.repeat([index >> bit & 1 for bit in range(6)], 16)[:, None] * np.uint8(255)
        yield frame


def numbers(path: Path | str) -> list[int]:
    """Numbers of the frames of a video."""
    capture = cv2.VideoCapture(str(path))
    found = []
    while (answer := capture.read())[0]:
        found.append(number_of(answer[1]))
    return found


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack('>I4s', 8 + len(content), name) + content


def trimmed(source: Path, path: Path, first: int) -> None:
    """An MP4 as `ffmpeg -ss … -c copy` writes it: all frames, and an edit list that begins at frame `first`."""
    content = source.read_bytes()
    moov = content.index(b'moov') - 4  # behind the frames, whose places stay as they are
    mdhd = content.index(b'mdhd')
    mvhd = content.index(b'mvhd')
    units, length = struct.unpack_from('>II', content, mdhd + 16)
    movie_units, _ = struct.unpack_from('>II', content, mvhd + 16)
    start = round(first / FPS * units)
    span = round((length - start) / units * movie_units)
    edits = box(b'edts', box(b'elst', struct.pack('>IIIiI', 0, 1, span, start, 1 << 16)))
    old = content.find(b'edts', moov) - 4
    if old > 0:
        (size,) = struct.unpack_from('>I', content, old)
        content = content[:old] + content[old + size :]
    else:
        size = 0
    place = content.index(b'mdia', moov) - 4
    content = content[:place] + edits + content[place:]
    for name in (b'moov', b'trak'):
        at = content.index(name, moov) - 4
        (whole,) = struct.unpack_from('>I', content, at)
        content = content[:at] + struct.pack('>I', whole - size + len(edits)) + content[at + 4 :]
    path.write_bytes(content)


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of videos, checkpoints of untrained models, and boxes."""
    folder = tmp_path_factory.mktemp('home')
    write_video(folder / 'plain.mp4', numbered(50), FPS)
    trimmed(folder / 'plain.mp4', folder / 'trimmed.mp4', 12)
    for config, name in [(ACTIONS, 'actions.pth'), (SHAPES, 'shapes.pth')]:
        cfg = Config.fromfile(config)
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            model = MODELS.build(cfg.model)
        model.init_weights()
        torch.save(dict(state_dict=model.state_dict()), folder / name)
    lines = [
        f'{video},{second / 2},0.1,0.1,0.5,0.9,,0.9\n'
        for video in ('plain', 'trimmed', 'mjpeg', 'half', 'dying')
        for second in range(40)
    ]
    (folder / 'boxes.csv').write_text(''.join(lines))
    (folder / 'names.txt').write_text('\n'.join(MOTIONS))
    return folder


class Handler(BaseHTTPRequestHandler):
    """Files of `server.home`; /mjpeg?frames=N&rate=R, /half (of plain.mp4), /dying (takes the server along)."""

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        path, _, query = self.path.strip('/').partition('?')
        options = dict(part.split('=') for part in query.split('&') if part)
        if path in ('mjpeg', 'dying'):
            with suppress(ConnectionError):  # whom it is sent to had enough
                self.send_jpegs(int(options['frames']), float(options['rate']))
            if path == 'dying':
                self.server.shutdown()
                self.server.socket.close()
            return
        file = self.server.home / ('plain.mp4' if path == 'half' else path)
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        if path == 'half':
            content = self.server.half
        self.send_response(200)
        self.send_header('Content-Type', 'video/mp4')
        self.send_header('Content-Length', str(self.server.length if path == 'half' else len(content)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(content)

    def send_jpegs(self, frames: int, rate: float) -> None:
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
        self.end_headers()
        begin = time.monotonic()
        for index, frame in enumerate(numbered(frames)):
            time.sleep(max(0, begin + index / rate - time.monotonic()))
            jpeg = cv2.imencode('.jpg', frame)[1].tobytes()
            head = f'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n'
            self.wfile.write(head.encode() + jpeg + b'\r\n')


def moov_first(content: bytes) -> bytes:
    """The MP4 with its index in front, so that a part of it can be played."""
    at = content.index(b'moov') - 4
    (size,) = struct.unpack_from('>I', content, at)
    moov = bytearray(content[at : at + size])
    place = moov.index(b'stco')
    (count,) = struct.unpack_from('>I', moov, place + 8)
    front = content.index(b'mdat') - 4
    for number in range(count):
        (offset,) = struct.unpack_from('>I', moov, place + 12 + 4 * number)
        struct.pack_into('>I', moov, place + 12 + 4 * number, offset + size)
    return content[:front] + bytes(moov) + content[front:at]


@pytest.fixture
def url(home: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.home, server.daemon_threads = home, True
    whole = moov_first((home / 'plain.mp4').read_bytes())
    server.length, server.half = len(whole), whole[: len(whole) * 3 // 4]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.fixture
def call(load_tool: Callable[[str], ModuleType], home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Calls a demo in `home`; of its options None leaves one out, and True has no value. Returns the exit status."""
    defaults = dict(
        spatiotemporal=dict(config=ACTIONS, checkpoint='actions.pth', boxes='boxes.csv', action_score=0),
        recognize=dict(model=SHAPES, checkpoint='shapes.pth', labels='names.txt'),
    )

    def call(name: str, video: str | Path, **options: object) -> int:
        given = defaults[name] | dict(device='cpu') | options
        words = [
            f'--{option.replace("_", "-")}' + ('' if value is True else f'={value}')
            for option, value in given.items()
            if value is not None
        ]
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', str(video), *words])
        return int(load_tool(f'demo/{name}.py').main())

    return call


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# ---- frames


def test_frames_of_a_file(home: Path) -> None:
    source = FrameSource(home / 'plain.mp4')
    assert (source.kind, source.stem, source.fps, source.announced, source.live) == ('file', 'plain', FPS, 50, False)
    for _ in range(2):
        assert [number_of(frame) for frame in source.frames()] == list(range(50))
    assert (source.height, source.width) == (160, 96)
    assert len(list(FrameSource(f'file://{home}/plain.mp4', duration=0.5).frames())) == 13


def test_frames_that_an_edit_list_cuts_off_are_not_there(home: Path) -> None:
    """By both readers."""
    source = FrameSource(home / 'trimmed.mp4')
    frames = list(source.frames())
    assert [number_of(frame) for frame in frames] == list(range(12, 50))
    video = Video(home / 'trimmed.mp4')
    assert len(video) == 38
    np.testing.assert_array_equal(video.get_batch(np.arange(38)).asnumpy(), frames)
    assert 'has 50 frames, but 38 can be shown: an edit list' in ' '.join(source.remarks(38))


@pytest.mark.parametrize(
    ('source', 'kind'),
    [
        ('/dev/video0', 'camera'),
        ('/dev/v4l/by-id/usb-1', 'camera'),
        ('987654', 'camera'),
        ('/dev/shm/a.mp4', 'file'),
        ('a.mp4', 'file'),
        ('file:///a.mp4', 'file'),
        ('rtsp://host/a', 'stream'),
    ],
)
def test_kinds_of_sources(source: str, kind: str) -> None:
    assert kind_of(source) == kind


def test_frames_of_a_file_on_a_server(url: str) -> None:
    source = FrameSource(f'{url}/plain.mp4')
    assert (source.name, source.stem, source.kind, source.live) == (f'{url}/plain.mp4', 'plain', 'stream', False)
    found = []
    for frame in source.frames(ahead=3):
        found.append(number_of(frame))
        time.sleep(0.002)
    assert found == list(range(50)) and not source.lost and not source.dropped
    with pytest.raises(RuntimeError, match='can be read only once'):
        next(source.frames())


def test_an_edit_list_on_a_server_is_no_lost_connection(url: str) -> None:
    source = FrameSource(f'{url}/trimmed.mp4')
    assert [number_of(frame) for frame in source.frames()] == list(range(12, 50)) and not source.lost


def test_a_live_stream_keeps_time(url: str) -> None:
    """Frames come half as fast as they say, or at once; those who come late are stood for by those before."""
    source = FrameSource(f'{url}/mjpeg?frames=10&rate=12.5')
    assert source.live and source.fps == 25 and source.stem == 'mjpeg'
    found = [number_of(frame) for frame in source.frames()]
    assert sorted(set(found)) == list(range(10)) and found == sorted(found) and 17 <= len(found) < 40
    assert not source.lost and not source.dropped
    at_once = FrameSource(f'{url}/mjpeg?frames=30&rate=10000')
    found = [number_of(frame) for frame in at_once.frames()]
    assert sorted(set(found)) == list(range(30)) and len(found) < 60


def test_a_live_stream_drops_the_oldest(url: str) -> None:
    source = FrameSource(f'{url}/mjpeg?frames=1000&rate=25', duration=2)
    found, begin = [], time.monotonic()
    for frame in source.frames(ahead=4):
        found.append(number_of(frame))
        if len(found) == 10:
            time.sleep(0.8)
    assert len(found) == 50 and source.dropped > 10
    assert found == sorted(found) and len(set(found)) <= 50 - source.dropped  # the last before the gap stands for it
    assert abs(found[-1] - 49) <= 12 and time.monotonic() - begin < 4
    everything = FrameSource(f'{url}/mjpeg?frames=40&rate=200', live=False)
    found = []
    for frame in everything.frames(ahead=4):
        found.append(number_of(frame))
        time.sleep(0.01)
    assert not everything.dropped and found == list(range(40))


def test_frames_that_were_dropped_before_the_first_was_taken(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first frame stands for them, and the others keep their time."""
    source = FrameSource(f'{url}/mjpeg?frames=3&rate=10000', duration=4 / FPS)
    first, *_, last = numbered(4)

    def start(reader: streams._Reader) -> None:
        reader._items.append((2, cv2.cvtColor(last, cv2.COLOR_RGB2BGR)))
        reader.newest, reader.dropped, reader.has_ended = 2, 2, True

    monkeypatch.setattr(streams._Reader, 'start', start)
    monkeypatch.setattr(streams._Reader, 'stop', lambda reader: None)
    assert [number_of(frame) for frame in source.frames()] == [number_of(first)] * 2 + [number_of(last)]
    assert source.dropped == 2


def test_a_stalled_live_stream_ends_in_time(url: str) -> None:
    source = FrameSource(f'{url}/mjpeg?frames=100&rate=0.5', duration=0.5)
    begin = time.monotonic()
    assert len(list(source.frames())) <= 13 and time.monotonic() - begin < 1.5 and not source.lost


def test_recent_frames() -> None:
    taken = []

    def frames() -> Iterator[int]:
        for index in range(10):
            taken.append(index)
            yield index

    recent = RecentFrames(frames(), 4, 'a', 25)
    assert recent.read_to(5) and taken == list(range(6)) and len(recent) == 6
    assert [recent[index] for index in range(2, 6)] == [2, 3, 4, 5]
    for index in (1, 6, -1):
        with pytest.raises(IndexError, match=f'frame {index} is none of the 4 held of 6'):
            recent[index]
    assert recent.get_batch(np.array([5, 3, 3])).asnumpy() == [5, 3, 3]
    assert not recent.read_to(10) and len(recent) == 10


MISSING = {
    '0': 'camera 0 cannot be read: is it connected',
    '/dev/video77': 'camera /dev/video77 cannot be read',
    'none.mp4': 'there is no video none.mp4',
    'rtsp:/host/path': r'there is no video rtsp:/host/path \(a URL begins with rtsp://\)',
    'rtsp://127.0.0.1:9/path': 'stream rtsp://127.0.0.1:9/path cannot be read: .*refused',
    'http://127.0.0.1:9/a.m3u8': 'stream http://127.0.0.1:9/a.m3u8 cannot be read: .*refused',
    'foo://host': 'stream foo://host cannot be read: foo:// is none of http, ',
    'http://[host/a': r'http://\[host/a is no URL',
    '.': r'\. is a folder, no video',
    'boxes.csv': 'cannot read video boxes.csv: OpenCV finds no frame in it.*ffmpeg -i',
    'a.jpg': 'a.jpg is a picture, no video',
}


@pytest.mark.parametrize('source', MISSING)
def test_what_cannot_be_read_is_named(source: str, home: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    if source == '0' and Path('/dev/video0').exists():
        pytest.skip('there is a camera')
    monkeypatch.chdir(home)
    cv2.imwrite('a.jpg', np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(UnreadableVideoError, match=MISSING[source]) as error:
        FrameSource(source)
    assert error.value.filename == source and '\n' not in str(error.value)
    assert capfd.readouterr().err == ''  # neither OpenCV nor FFmpeg speaks


def test_what_a_server_says_is_told(url: str) -> None:
    with pytest.raises(UnreadableVideoError, match=f'stream {url}/none.mp4 cannot be read: the server answers 404'):
        FrameSource(f'{url}/none.mp4')
    with pytest.raises(UnreadableVideoError, match=f'stream {url}/boxes.csv cannot be read: it is no video'):
        FrameSource(f'{url}/boxes.csv')


def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, 'TIMEOUT', 0.5)
    with pytest.raises(UnreadableVideoError, match='stream udp://127.0.0.1:50789 cannot be read: nothing came for 0.5'):
        FrameSource('udp://127.0.0.1:50789')


def test_a_gif_is_a_video(tmp_path: Path) -> None:
    if not hasattr(cv2, 'Animation'):
        pytest.skip('this OpenCV writes no GIF')
    animation = cv2.Animation()
    animation.frames = list(numbered(5))
    animation.durations = np.full(5, 100, np.int32)
    assert cv2.imwriteanimation(str(tmp_path / 'a.gif'), animation)
    assert len(list(FrameSource(tmp_path / 'a.gif').frames())) >= 5


def test_a_file_is_never_live(home: Path) -> None:
    with pytest.raises(ValueError, match='plain.mp4 is a file, of which no frame is dropped: --live is for streams'):
        FrameSource(home / 'plain.mp4', live=True)


@pytest.mark.parametrize('option', ['fps', 'duration'])
def test_options_are_positive(home: Path, option: str) -> None:
    with pytest.raises(ValueError, match=f'{option}=0 has to be positive'):
        FrameSource(home / 'plain.mp4', **{option: 0})


# ---- labels


def test_labels_are_those_of_the_model(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Every half a second, and at the end; through the pipeline of the config."""
    assert call('recognize', 'plain.mp4', every=0.5, top=8, json=tmp_path / 'new/a.jsonl', out=tmp_path) == 0
    entries = lines_of(tmp_path / 'new/a.jsonl')
    assert [entry['frames'] for entry in entries] == [[0, 16], [12, 28], [24, 40], [34, 50]]  # 12.5 is 12
    assert [entry['start'] for entry in entries] == [0, 0.48, 0.96, 1.36]
    model = init_recognizer(str(SHAPES), str(home / 'shapes.pth'), device='cpu')
    _, _, *pipeline = model.cfg.test_pipeline
    video = Video(home / 'plain.mp4')
    for entry in entries:
        sample = dict(
            filename='a', video_reader=video, frame_inds=entry['frames'][0] + 2 * np.arange(8), clip_len=8,
            frame_interval=2, num_clips=1, modality='RGB', label=-1,
        )  # fmt: skip
        with DefaultScope.overwrite_default_scope('mmaction'), torch.no_grad():
            (wanted,) = model.test_step(pseudo_collate([Compose(pipeline)(sample)]))
        found = {label['name']: label['score'] for label in entry['labels']}
        assert list(found.values()) == sorted(found.values(), reverse=True)
        np.testing.assert_allclose([found[name] for name in MOTIONS], wanted.pred_score, atol=1e-4)
    output = capsys.readouterr().out
    best = entries[1]['labels'][0]
    assert re.search(rf'0\.48 - +1\.12 s: {best["name"]} {best["score"]:.2f}, ', output)
    assert 'plain.mp4: 50 frames, 4 clips' in output and 'note' not in output
    assert numbers(tmp_path / 'plain.mp4') == list(range(50))


@pytest.mark.parametrize(
    'config', ['mvitv2/mvitv2-micro', 'uniformerv2/uniformerv2-micro', 'video_swin/video-swin-micro']
)
def test_every_family_labels(call, tmp_path: Path, config: str) -> None:
    path = ROOT / f'configs/{config}_1xb16-8x2x1-5e_moving-shapes-rgb.py'
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'a.pth')
    options = dict(model=path, checkpoint=tmp_path / 'a.pth', json=tmp_path / 'a.jsonl', every=1)
    assert call('recognize', 'plain.mp4', **options) == 0
    assert [len(entry['labels']) for entry in lines_of(tmp_path / 'a.jsonl')] == [3, 3, 3]


def test_a_caption_stands_where_its_clip_is_nearest() -> None:
    """Labels of clips of 10 frames every 4: about their middles; the first from the start, the last to the end."""
    clips = {9: LabeledClip(0, 10, None), 13: LabeledClip(4, 10, None), None: LabeledClip(7, 10, None)}
    labeled = [(index, clips.get(index)) for index in range(17)] + [(None, clips[None])]
    found = list(with_labels(iter(labeled), 4, 10))
    assert [frame for frame, _ in found] == list(range(17))
    assert [clip.first for _, clip in found] == [0] * 7 + [4] * 3 + [7] * 7
    late = [clip and clip.first for _, clip in with_labels(iter(labeled), 4, 0)]
    assert late == [None] * 9 + [0] * 4 + [4] * 4


@pytest.mark.parametrize('frames', [1, 5, 16])
def test_videos_no_longer_than_a_clip(call, tmp_path: Path, frames: int) -> None:
    write_video(tmp_path / 'a.mp4', numbered(frames), FPS)
    assert call('recognize', tmp_path / 'a.mp4', json=tmp_path / 'a.jsonl', out=tmp_path / 'b.mp4') == 0
    assert [entry['frames'] for entry in lines_of(tmp_path / 'a.jsonl')] == [[0, frames]]
    assert len(numbers(tmp_path / 'b.mp4')) == frames


def test_samplers_and_crops(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clip of each sampler, whatever the config's number of views; rates and spans in seconds."""
    monkeypatch.chdir(home)
    scores = []
    for number, (sampler, fps, length) in enumerate(
        [
            ("type='SampleFrames', clip_len=8, frame_interval=2, num_clips=4, test_mode=True", 25, 16),
            ("type='SampleFrames', clip_len=8, frame_interval=2, target_fps=50, num_clips=4, test_mode=True", 25, 8),
            ("type='DenseSampleFrames', clip_len=8, frame_interval=2, num_clips=2", 30, 16),
            ("type='UniformSample', clip_len=8, num_clips=3", 30, 300),
        ]
    ):
        config = tmp_path / f'{number}.py'
        config.write_text(f"""
_base_ = '{SHAPES}'
test_pipeline = [
    dict(type='OpenCVInit'), dict({sampler}), dict(type='OpenCVDecode'), dict(type='Resize', scale=(-1, 32)),
    dict(type='mmhvt.ThreeCrop', crop_size=32), dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, metainfo=dict(classes=None)))
model = dict(cls_head=dict(average_clips='prob'))
""")
        recognizer = ClipRecognizer(str(config), 'shapes.pth', None, 'cpu')
        assert recognizer.length(fps) == length and recognizer.length(10, 1.5) == 15
        recent = RecentFrames((), 64, 'a', FPS)
        for frame in numbered(40):
            recent.append(recognizer.prepare(frame))
        assert recent[0].shape == (53, 32, 3)
        found = recognizer(recent, 3, 37)
        np.testing.assert_array_equal(found, recognizer(recent, 3, 37))  # nothing random
        scores.append(found)
        assert recognizer.names == [f'class {number}' for number in range(8)] and not recognizer.has_names
    assert all(score.shape == (8,) and score.sum() == pytest.approx(1, abs=1e-5) for score in scores)


def test_segments_of_a_recognizer_of_images(home: Path, tmp_path: Path) -> None:
    """mmaction2's TSN sees a frame of each of 8 segments of 10 s."""
    (tmp_path / 'a.py').write_text("""
_base_ = ['mmaction::_base_/models/tsn_r50.py']
default_scope = 'mmaction'
model = dict(
    backbone=dict(depth=18, pretrained=None), cls_head=dict(in_channels=512, num_classes=4),
    data_preprocessor=dict(format_shape='NCHW'))
test_pipeline = [
    dict(type='DecordInit'), dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
    dict(type='DecordDecode'), dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(type='VideoDataset', metainfo=dict(classes=list('abcd')), pipeline=test_pipeline))
""")
    cfg = Config.fromfile(tmp_path / 'a.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'a.pth')
    recognizer = ClipRecognizer(str(tmp_path / 'a.py'), str(tmp_path / 'a.pth'), None, 'cpu')
    assert recognizer.length(FPS) == 250 and recognizer.names == list('abcd') and recognizer.has_names
    asked = []
    recent = RecentFrames((), 250, 'a', FPS)
    for frame in numbered(80):
        recent.append(recognizer.prepare(frame))
    get_batch = recent.get_batch
    recent.get_batch = lambda indices: asked.extend(indices) or get_batch(indices)
    assert recognizer(recent, 0, 80).shape == (4,) and asked == list(range(5, 80, 10))


def test_the_head_of_a_dataset(home: Path, tmp_path: Path) -> None:
    """Of a model that was trained on several: the one of the dataset that the pipeline names."""
    head = "dict(type='mmhvt.RecognitionHead', in_channels=384, average_clips='prob', num_classes={})"
    (tmp_path / 'a.py').write_text(f"""
_base_ = '{SHAPES}'
model = dict(cls_head=dict(
    _delete_=True, type='mmhvt.CoTrainingHead', heads=dict(one={head.format(3)}, other={head.format(5)})))
test_pipeline = _base_.test_pipeline + [dict(type='mmhvt.NameDataset', name='other')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, metainfo=dict(classes=None)))
""")
    cfg = Config.fromfile(tmp_path / 'a.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'a.pth')
    recognizer = ClipRecognizer(str(tmp_path / 'a.py'), str(tmp_path / 'a.pth'), None, 'cpu')
    recent = RecentFrames((), 16, 'a', FPS)
    for frame in numbered(16):
        recent.append(recognizer.prepare(frame))
    assert recognizer(recent, 0, 16).shape == (5,) and len(recognizer.names) == 5


BAD = {
    'names.txt names 8 classes, the head has 3': dict(cfg='model = dict(cls_head=dict(num_classes=3))', fits=False),
    'needs a sampler of frames': dict(cfg='test_dataloader = dict(dataset=dict(pipeline=[]))'),
    'has no test_dataloader': dict(cfg='test_dataloader = None'),
    'the model is ActionDetector, and has to be mmaction.BaseRecognizer': dict(model=ACTIONS),
    'actions.pth is no checkpoint of': dict(checkpoint='actions.pth'),
    '--every 0.001: frames of plain.mp4 are 0.04 s apart': dict(every=0.001),
    '--window -1.0 has to be positive': dict(window=-1),
    '--top 0 has to be positive': dict(top=0),
    'duration=-1.0 has to be positive': dict(duration=-1),
    'the video is written as MP4': dict(out='a.avi'),
    'plain.mp4 is read and would be overwritten': dict(out='plain.mp4'),
    'names.txt is read and would be overwritten': dict(json='names.txt'),
    '--device cuda:99': dict(device='cuda:99'),
}


@pytest.mark.parametrize('message', BAD)
def test_one_line_tells_what_is_wrong(
    call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture, message: str
) -> None:
    options = dict(BAD[message])
    if cfg := options.pop('cfg', None):
        options['model'] = tmp_path / 'a.py'
        options['model'].write_text(f"_base_ = '{SHAPES}'\n{cfg}\n")
    if not options.pop('fits', True):
        state = torch.load(home / 'shapes.pth')['state_dict']
        state = {name: tensor[:3] if 'fc_cls' in name else tensor for name, tensor in state.items()}
        torch.save(dict(state_dict=state), tmp_path / 'three.pth')
        options['checkpoint'] = tmp_path / 'three.pth'
    before = {path: path.stat().st_mtime_ns for path in home.rglob('*')}
    assert call('recognize', 'plain.mp4', **options) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('recognize.py: ') and message in last
    assert before == {path: path.stat().st_mtime_ns for path in home.rglob('*')}


@pytest.mark.parametrize('name', ['recognize', 'spatiotemporal'])
def test_demos_name_what_they_cannot_read(call, tmp_path: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    for source in ('/dev/video77', 'rtsp://127.0.0.1:9/path'):
        assert call(name, source, out=tmp_path / 'out') == 1
        assert re.search(rf'^{name}.py: \w+ {source} cannot be read', capsys.readouterr().err, re.MULTILINE)
    assert not list(tmp_path.iterdir())


# ---- demos on streams


def test_a_part_of_a_file(call, tmp_path: Path) -> None:
    assert call('spatiotemporal', 'plain.mp4', out=tmp_path, every=0.5, duration=0.8) == 0
    found = json.loads((tmp_path / 'plain.json').read_text())
    assert found['frames'] == 20 and [entry['seconds'] for entry in found['key_frames']] == [0, 0.5]
    assert numbers(tmp_path / 'plain.mp4') == list(range(20))


def test_actions_of_a_file_on_a_server(call, url: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The same key frames as of the file; nothing is dropped."""
    assert call('spatiotemporal', 'plain.mp4', out=tmp_path / 'a.mp4', every=0.5) == 0
    capsys.readouterr()
    assert call('spatiotemporal', f'{url}/plain.mp4', out=tmp_path, every=0.5) == 0
    one, other = (json.loads((tmp_path / f'{name}.json').read_text()) for name in ('a', 'plain'))
    assert other['video'] == f'{url}/plain.mp4' and other['frames'] == 50 and len(other['key_frames']) == 4
    assert one['key_frames'] == other['key_frames']
    assert all(box['actions'] for entry in other['key_frames'] for box in entry['boxes'])
    assert numbers(tmp_path / 'plain.mp4') == list(range(50))
    output = capsys.readouterr().out
    assert '50 frames, 4 key frames, 4 boxes' in output and 'dropped' not in output
    assert re.search(r'^ +1\.50 s: action \d \d\.\d\d', output, re.MULTILINE)


def test_the_demo_writes_the_frames_that_a_player_shows(
    call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert call('spatiotemporal', 'trimmed.mp4', out=tmp_path, every=0.5) == 0
    assert numbers(tmp_path / 'trimmed.mp4') == list(range(12, 50))
    found = json.loads((tmp_path / 'trimmed.json').read_text())
    assert found['frames'] == 38 and [entry['frame'] for entry in found['key_frames']] == [0, 12, 25, 38][:3]
    # the same frames as a file of their own, without loss
    writer = cv2.VideoWriter(str(tmp_path / 'cut.avi'), cv2.VideoWriter_fourcc(*'FFV1'), FPS, (96, 160))
    for frame in FrameSource(home / 'trimmed.mp4').frames():
        writer.write(frame[..., ::-1].copy())
    writer.release()
    (tmp_path / 'boxes.csv').write_text((home / 'boxes.csv').read_text().replace('plain', 'cut'))
    options = dict(out=tmp_path / 'b.mp4', every=0.5, boxes=tmp_path / 'boxes.csv')
    assert call('spatiotemporal', tmp_path / 'cut.avi', **options) == 0
    again = json.loads((tmp_path / 'b.json').read_text())
    for entry, same in zip(found['key_frames'], again['key_frames'], strict=True):
        assert entry['frame'] == same['frame']
        (one,), (other,) = entry['boxes'], same['boxes']
        scores = [{action['name']: action['score'] for action in box['actions']} for box in (one, other)]
        assert scores[0] == pytest.approx(scores[1], abs=0.004)
    assert 'has 50 frames, but 38 can be shown' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['recognize', 'spatiotemporal'])
def test_a_slow_model_stays_near_the_present(
    call, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, name: str
) -> None:
    """It takes 1.2 s where a clip comes every 0.2: some are left out, and the last that it sees is new."""
    seen = []

    def slow(function: Callable) -> Callable:
        def call(*arguments: object) -> object:
            seen.append(len(arguments[1]))
            time.sleep(1.2)
            return function(*arguments)

        return call

    kind = ClipRecognizer if name == 'recognize' else import_module('mmhvt.apis.actions').ActionFinder
    monkeypatch.setattr(kind, '__call__', slow(kind.__call__))
    boxes = dict(boxes=tmp_path / 'boxes.csv') if name == 'spatiotemporal' else {}
    (tmp_path / 'boxes.csv').write_text(''.join(f'mjpeg,{n / 5:.1f},0.1,0.1,0.5,0.9,,0.9\n' for n in range(50)))
    stream = f'{url}/mjpeg?frames=1000&rate=25'
    written = tmp_path / 'a.json'
    assert call(name, stream, out=tmp_path / 'a.mp4', json=written, every=0.2, duration=4, **boxes) == 0
    found = numbers(tmp_path / 'a.mp4')
    assert len(found) == 100
    assert (found[-1] + 64 if found[-1] < 50 else found[-1]) > 70  # of 99
    # of 20; when the stream is over, what is left comes without more frames
    assert 2 <= len(seen) <= 6 and all(np.diff(seen)[:-1] > 20)
    output = capsys.readouterr().out
    assert 'frames of http' in output and 'were dropped to stay near the present' in output
    if name == 'recognize':
        entries = lines_of(written)
        assert len(entries) == len(seen) and entries[-1]['end'] > 1.5
    else:
        entries = json.loads(written.read_text())['key_frames']
        assert len(entries) == len(seen) and 'key frames were left out' in output and entries[-1]['seconds'] > 1


def test_a_slow_model_drops_nothing_of_a_file(
    call, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    score = ClipRecognizer.__call__

    def slow(*arguments: object) -> np.ndarray:
        time.sleep(0.2)
        return score(*arguments)

    monkeypatch.setattr(ClipRecognizer, '__call__', slow)
    assert call('recognize', f'{url}/plain.mp4', out=tmp_path, json=tmp_path / 'a', every=0.2) == 0
    assert numbers(tmp_path / 'plain.mp4') == list(range(50))
    assert [entry['frames'][0] for entry in lines_of(tmp_path / 'a')] == [*range(0, 35, 5), 34]
    assert 'dropped' not in capsys.readouterr().out


@pytest.mark.parametrize('name', ['recognize', 'spatiotemporal'])
@pytest.mark.parametrize(
    ('path', 'reason'), [('half', r'\d+ of \d+ bytes were sent|IncompleteRead'), ('dying?frames=40&rate=40', 'refused')]
)
def test_a_lost_connection(
    call, url: str, tmp_path: Path, capsys: pytest.CaptureFixture, name: str, path: str, reason: str
) -> None:
    """What came is written whole; the message names the source."""
    assert call(name, f'{url}/{path}', out=tmp_path / 'a.mp4', json=tmp_path / 'a.json', every=0.4) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f'{name}.py: stream {url}/{path} was lost after ') and re.search(reason, last), last
    found = numbers(tmp_path / 'a.mp4')
    assert 20 < len(found) < 50 and found[:-1] == list(range(len(found) - 1))  # the last may be there in part
    if name == 'recognize':
        assert lines_of(tmp_path / 'a.json')[-1]['frames'][1] == len(found)
    else:
        assert json.loads((tmp_path / 'a.json').read_text())['frames'] == len(found)
    assert {file.name for file in tmp_path.iterdir()} == {'a.mp4', 'a.json'}


@pytest.mark.parametrize('name', ['recognize', 'spatiotemporal'])
def test_interruption_ends_a_stream(call, url: str, tmp_path: Path, capsys: pytest.CaptureFixture, name: str) -> None:
    before = signal.getsignal(signal.SIGINT)
    written = tmp_path / 'a.json'

    def interrupt() -> None:
        limit = time.monotonic() + 60
        # the first key frame or clip is told; JSON of key frames gets its name in the end
        while time.monotonic() < limit and not any(file.suffix == '.json' for file in tmp_path.rglob('*')):
            time.sleep(0.05)
        time.sleep(1.5)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    assert call(name, f'{url}/mjpeg?frames=100000&rate=25', out=tmp_path / 'a.mp4', json=written, every=0.4) == 0
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert re.search(r'mjpeg\S+ was stopped after \d\.\d s', capsys.readouterr().out)
    frames = len(numbers(tmp_path / 'a.mp4'))
    assert frames > 10
    if name == 'recognize':
        assert lines_of(written)
    else:
        assert json.loads(written.read_text())['frames'] == frames
    assert {file.name for file in tmp_path.iterdir()} == {'a.mp4', 'a.json'}


def test_a_camera_that_is_unplugged(
    call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """There is none here: a file plays its part, whose end is that of the camera."""
    capture = cv2.VideoCapture
    monkeypatch.setattr(streams.cv2, 'VideoCapture', lambda *_: capture(str(home / 'plain.mp4')))
    assert call('recognize', '7', json=tmp_path / 'a.jsonl', out=tmp_path) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(r'camera 7 sends no more frames after 2\.0 s: is it still connected\?', last)
    monkeypatch.undo()
    assert len(numbers(tmp_path / 'camera7.mp4')) == 50 and lines_of(tmp_path / 'a.jsonl')


class Counted(np.ndarray):
    """A frame of which is known whether it is held."""

    alive = most = 0

    def __array_finalize__(self, base: np.ndarray | None) -> None:
        Counted.alive += 1
        Counted.most = max(Counted.most, Counted.alive)

    def __del__(self) -> None:
        Counted.alive -= 1


class CountingSource(FrameSource):
    def _as_rgb(self, frame: np.ndarray) -> np.ndarray:
        return super()._as_rgb(frame).view(Counted)


@pytest.mark.parametrize('on_server', [False, True])
def test_memory_does_not_grow_with_the_video(
    home: Path, url: str, monkeypatch: pytest.MonkeyPatch, on_server: bool
) -> None:
    """No more frames are held than a clip, and what waits to be drawn."""
    monkeypatch.chdir(home)
    write_video(home / 'long.mp4', numbered(200), FPS)
    monkeypatch.setattr(Counted, 'most', 0)
    recognizer = ClipRecognizer(str(SHAPES), 'shapes.pth', None, 'cpu')
    recognizer._resize = None  # frames are held as they are
    source = CountingSource(f'{url}/long.mp4' if on_server else 'long.mp4')
    monkeypatch.setattr(ClipRecognizer, '__call__', lambda *_: np.zeros(8))
    count = sum(1 for _ in with_labels(label_clips(source, recognizer, 16, 100), 100, 16))
    assert count == 200 and 16 <= Counted.most <= 16 + 4
