"""mmhvt_runtime gives the scores of mmaction2's inferencer, needs neither PyTorch nor much memory, and names what is
wrong in one line.
"""

import json
import random
import re
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmaction.datasets.transforms import SampleFrames, UniformSample

import mmhvt.datasets.transforms
from helpers import DATA, ROOT
from helpers.training import moov_first
from mmhvt.apis import ClipRecognizer, recognize

MODULES = ('torch', 'mmcv', 'mmengine', 'mmaction', 'mmdet', 'mmpretrain', 'mmhvt', 'onnx', 'decord', 'av')
TOLERANCE = 1e-4

# ---- the same frames


def settings_of(kind: str, sampler: Any) -> dict[str, Any]:
    keys = dict(target_fps=None, out_of_bound=None, twice_sample=None, frame_interval=None)
    found = dict(sampling=kind, clip_len=sampler.clip_len, num_clips=sampler.num_clips) | keys
    if kind != 'UniformSample':
        found |= {key: getattr(sampler, key) for key in ('target_fps', 'twice_sample', 'frame_interval')}
        found |= dict(out_of_bound=sampler.out_of_bound_opt)
    return found


@pytest.mark.parametrize('kind', ['SampleFrames', 'mmhvt.SampleFrames', 'UniformSample'])
def test_frames_are_those_of_the_sampler(kind: str, runtime: Any) -> None:
    choose = random.Random(0).choice
    kinds = {'SampleFrames': SampleFrames, 'mmhvt.SampleFrames': mmhvt.datasets.transforms.SampleFrames}
    loops = 0
    for _ in range(400):
        shape = dict(clip_len=choose([1, 2, 8, 16]), num_clips=choose([1, 2, 3, 10]), test_mode=True)
        if kind == 'UniformSample':
            sampler = UniformSample(**shape)
        else:
            sampler = kinds[kind](
                **shape,
                frame_interval=choose([1, 2, 5]),
                target_fps=choose([None, 24, 30]),
                out_of_bound_opt=choose(['loop', 'repeat_last']),
                twice_sample=shape['num_clips'] > 1 and choose([False, False, True]),
            )
        fps, total = choose([5, 12.5, 25, 30000 / 1001, 60]), choose([1, 2, 7, 31, 64, 300, 10007])
        wanted = sampler.transform(dict(total_frames=total, avg_fps=fps, start_index=0))['frame_inds']
        found = runtime.sample(settings_of(kind, sampler), total, fps)
        np.testing.assert_array_equal(found.ravel(), wanted, str(vars(sampler)))
        loops += bool((np.diff(found) < 0).any())
    assert kind != 'SampleFrames' or loops > 10


def test_a_video_without_a_frame_rate(runtime: Any) -> None:
    settings = settings_of('SampleFrames', SampleFrames(8, 2, target_fps=30, test_mode=True))
    wanted = SampleFrames(8, 2, target_fps=30, test_mode=True).transform(
        dict(total_frames=50, avg_fps=0, start_index=0)
    )['frame_inds']
    np.testing.assert_array_equal(runtime.sample(settings, 50, 0.0).ravel(), wanted)
    with pytest.raises(runtime.VideoError, match='does not tell its frame rate'):
        runtime.sample(settings | dict(sampling='mmhvt.SampleFrames'), 50, 0.0)


# ---- the same scores

# test pipelines: the sampler, and what follows the decoding. Types have a scope: for a plain SampleFrames or ThreeCrop
# the inferencer takes one clip and the center crop.
OURS = dict(type='mmhvt.SampleFrames', clip_len=8, test_mode=True)
THEIRS = dict(type='mmaction.SampleFrames', clip_len=8, test_mode=True)
UNIFORM = dict(type='mmaction.UniformSample', clip_len=8, test_mode=True)


def resized(*scale: int) -> dict:
    return dict(type='mmaction.Resize', scale=scale, keep_ratio=-1 in scale)


def crop(kind: str, size: Any = 32) -> dict:
    return dict(type=kind, crop_size=size)


CASES: dict[str, tuple[list[dict], dict]] = {
    'one view': ([THEIRS | dict(frame_interval=2), resized(32, 32)], {}),
    'dense, three crops': ([THEIRS | dict(num_clips=5), resized(-1, 32), crop('mmaction.ThreeCrop')], {}),
    'by the second': (
        [OURS | dict(frame_interval=2, num_clips=3, target_fps=30, out_of_bound_opt='repeat_last'),
         resized(-1, 40), crop('mmaction.CenterCrop')],
        {},
    ),
    'crops within': (
        [OURS | dict(frame_interval=3, num_clips=2, target_fps=24), resized(-1, 36), crop('mmhvt.ThreeCrop')], {}
    ),
    'held at its end': (
        [THEIRS | dict(frame_interval=9, num_clips=2, out_of_bound_opt='repeat_last'), resized(-1, 33),
         crop('mmaction.CenterCrop', (32, 32))],
        {},
    ),
    'over and over': (
        [THEIRS | dict(frame_interval=11, num_clips=3), resized(47, 35), crop('mmhvt.ThreeCrop', (32, 32))], {}
    ),
    'the whole video, five crops': ([UNIFORM | dict(num_clips=4), resized(-1, 32), crop('mmhvt.FiveCrop')], {}),
    'logits': ([UNIFORM, dict(resized(32, 32), interpolation='bicubic')], dict(average_clips='score')),
}  # fmt: skip
# of odd widths and rates; 24 frames are fewer than some clips have. Of odd heights decoders differ: runtime/README.md
VIDEOS = {
    'h264.mp4': dict(count=90, size=(64, 46), options='-c:v libx264 -pix_fmt yuv420p -g 12 -bf 3', fps='30000/1001'),
    'hevc.mp4': dict(count=40, size=(50, 90), options='-c:v libx265 -x265-params log-level=none -pix_fmt yuv420p'),
    'mpeg4.mp4': dict(count=24, size=(97, 72), options='-c:v mpeg4 -q:v 3 -bf 2', fps='12'),
}


@pytest.mark.parametrize('case', CASES)
def test_scores_are_those_of_the_inferencer(
    case: str, exported: Any, encode: Callable, runtime: Any, tmp_path: Path
) -> None:
    steps, head = CASES[case]
    cfg = exported.config(*steps, **head)
    model = runtime.Recognizer(exported.write(tmp_path / 'model.onnx', cfg), threads=1)
    inferencer = exported.inferencer(cfg)
    found = []
    for name, options in VIDEOS.items():
        wanted = inferencer(encode(name, **options))
        scores = model.scores(encode(name, **options))
        np.testing.assert_allclose(scores, wanted, atol=TOLERANCE)
        found.append(scores)
    # other frames would give other scores
    assert np.abs(found[0] - found[1]).max() > 100 * TOLERANCE
    assert model.classes == list(cfg.metainfo.classes)
    best = model.recognize(encode('h264.mp4', **VIDEOS['h264.mp4']))
    assert [name for name, _ in best] == [model.classes[place] for place in np.argsort(-found[0])]
    assert best[0].score == found[0].max()


# what is shown is not what is stored, or not as the header says
ODD = {
    'edit list': lambda encode: DATA / 'edit_lists' / 'h264_trimmed.mp4',
    'open groups': lambda encode: DATA / 'edit_lists' / 'hevc_open_gop.mp4',
    'variable rate': lambda encode: encode(
        'vfr.mp4', options='-vf setpts=(N*N/40+N)/25/TB -fps_mode vfr -enc_time_base 1/90000 -c:v libx264'
    ),
    'fragments': lambda encode: encode(
        'frag.mp4', options='-c:v libx264 -pix_fmt yuv420p -movflags frag_keyframe+empty_moov'
    ),
    'transport stream': lambda encode: encode('a.ts', options='-c:v mpeg2video -g 12'),
    'avi': lambda encode: encode('a.avi', options='-c:v mpeg4 -bf 2'),
    'webm': lambda encode: encode('a.webm', options='-c:v libvpx -deadline realtime -cpu-used 8'),
    'one frame': lambda encode: encode('one.mp4', count=1),
}


@pytest.mark.parametrize('kind', ODD)
def test_odd_files(kind: str, exported: Any, encode: Callable, runtime: Any, tmp_path: Path) -> None:
    cfg = exported.config(OURS | dict(frame_interval=2, num_clips=3, target_fps=30), resized(32, 32))
    path = ODD[kind](encode)
    scores = runtime.Recognizer(exported.write(tmp_path / 'model.onnx', cfg), threads=1).scores(path)
    np.testing.assert_allclose(scores, exported.inferencer(cfg)(path), atol=TOLERANCE)


def test_rotated_phone_videos(exported: Any, encode: Callable, runtime: Any, tmp_path: Path) -> None:
    cfg = exported.config(THEIRS, resized(32, 32))
    ffmpeg = pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe()
    path = tmp_path / 'turned.mp4'
    turn = ['-loglevel', 'error', '-display_rotation', '90', '-i', str(encode()), '-c', 'copy', str(path)]
    subprocess.run([ffmpeg, *turn], check=True)
    model = runtime.Recognizer(exported.write(tmp_path / 'model.onnx', cfg), threads=1)
    np.testing.assert_allclose(model.scores(path), exported.inferencer(cfg)(path), atol=TOLERANCE)
    assert np.abs(model.scores(path) - model.scores(encode())).max() > 100 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize('options', [dict(preprocess=False), dict(dynamic=()), dict(half=True)], ids=str)
def test_other_files_of_the_exporter(options: dict, exported: Any, encode: Callable, runtime: Any) -> None:
    """Normalized input; a fixed number of clips in a run; half precision."""
    model = runtime.Recognizer(exported.file(**options), threads=1)
    wanted = exported.inferencer(exported.config())(encode())
    np.testing.assert_allclose(model.scores(encode()), wanted, atol=2e-2 if 'half' in options else TOLERANCE)


def test_normalized_input_and_fixed_batches(write_tiny: Callable, encode: Callable, runtime: Any) -> None:
    """By a model whose scores are the colors of the clip: 5 clips in batches of 4 or 3, padded."""
    wanted = runtime.Recognizer(write_tiny(num_clips='5')).scores(encode())
    assert np.ptp(wanted) > 1
    changes = dict(num_clips='5', mean='[9, 8, 7]', std='[2, 3, 4]')
    for batch in (1, 3, 'N'):
        for source in ('frames', 'clips'):
            path = write_tiny(options=dict(source=source, batch=batch), input=f'"{source}"', **changes)
            scores = runtime.Recognizer(path).scores(encode())
            if source == 'clips':
                scores = scores * (2, 3, 4) + (9, 8, 7)
            np.testing.assert_allclose(scores, wanted, atol=1e-3)


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid', None])
@pytest.mark.parametrize('average', ['mean', 'max'])
def test_activation_and_average(
    activation: str | None, average: str, write_tiny: Callable, encode: Callable, runtime: Any
) -> None:
    """The activation is that of each view, before the average."""
    scale = dict(input='"clips"', mean='[120, 120, 120]', std='[40, 40, 40]')
    clips = dict(num_clips='6', frame_interval='1', activation=json.dumps(activation), average=json.dumps(average))
    model = runtime.Recognizer(write_tiny(options=dict(source='clips'), **scale, **clips))
    capture, frames = cv2.VideoCapture(str(encode())), []
    while (answer := capture.read())[0]:
        frames.append(answer[1][..., ::-1])
    indices = runtime.sample(model.metadata, len(frames), 25)
    logits = np.stack([np.mean([frames[i] for i in row], (0, 1, 2)) for row in indices]) / 40 - 3
    if activation == 'softmax':
        logits = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if activation == 'sigmoid':
        logits = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(model.scores(encode()), getattr(logits, average)(0), atol=1e-4)


# ---- streams


@pytest.fixture(scope='module')
def clips_by_mmhvt(exported: Any, encode: Callable) -> tuple[Any, list]:
    """A config, and clips of a video by mmhvt.apis.recognize."""
    cfg = exported.config(
        OURS | dict(frame_interval=2, num_clips=4, target_fps=30), resized(-1, 32), crop('mmhvt.ThreeCrop')
    )
    return cfg, list(recognize(encode(), ClipRecognizer(cfg, exported.checkpoint, device='cpu'), every=0.5, top=8))


def assert_same_clips(found: list, wanted: list) -> None:
    assert len(found) == len(wanted) == 5
    for ours, theirs in zip(found, wanted, strict=True):
        assert (ours.start, ours.end) == (theirs.start, theirs.end)
        assert {label.name: label.score for label in ours.labels} == pytest.approx(
            {label.name: label.score for label in theirs.labels}, abs=TOLERANCE
        )


def test_clips_of_a_file_are_those_of_mmhvt(
    clips_by_mmhvt: tuple, exported: Any, encode: Callable, runtime: Any, tmp_path: Path
) -> None:
    cfg, wanted = clips_by_mmhvt
    model = runtime.Recognizer(exported.write(tmp_path / 'model.onnx', cfg), threads=1)
    found = list(model.recognize_stream(encode(), every=0.5))
    assert_same_clips(found, wanted)
    assert [clip.frames for clip in found] == [(0, 14), (12, 26), (24, 38), (36, 50), (46, 60)]
    short = list(model.recognize_stream(encode(), every=0.5, duration=1.0))
    assert short[-1].frames[1] == 25 and short[0] == found[0]


class Server(SimpleHTTPRequestHandler):
    """Files, and /mjpeg: JPEGs of a video, 50 a second, as a camera sends them."""

    frames: list[bytes] = []

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        if self.path != '/mjpeg':
            return super().do_GET()
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=next')
        self.end_headers()
        for jpeg in self.frames:
            part = b'--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n' % (len(jpeg), jpeg)
            self.wfile.write(part)
            time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves a folder. Yields the URL."""
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Server, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def test_clips_of_a_file_on_a_server(
    clips_by_mmhvt: tuple, exported: Any, encode: Callable, runtime: Any, tmp_path: Path, server: str
) -> None:
    cfg, wanted = clips_by_mmhvt
    (tmp_path / 'a.mp4').write_bytes(moov_first(encode().read_bytes()))
    model = runtime.Recognizer(exported.write(tmp_path / 'model.onnx', cfg), threads=1)
    assert_same_clips(list(model.recognize_stream(f'{server}/a.mp4', every=0.5)), wanted)


def test_a_slow_model_leaves_out_clips_of_a_live_stream(
    write_tiny: Callable, encode: Callable, runtime: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = cv2.VideoCapture(str(encode()))
    pictures = [cv2.imencode('.jpg', capture.read()[1])[1].tobytes() for _ in range(60)]
    monkeypatch.setattr(Server, 'frames', pictures)
    model = runtime.Recognizer(write_tiny())
    run = model._run
    monkeypatch.setattr(model, '_run', lambda views: (time.sleep(0.3), run(views))[1])
    clips = list(model.recognize_stream(f'{server}/mjpeg', every=0.08, fps=50))
    firsts = [clip.frames[0] for clip in clips]
    # 45 ends of a clip came in 1.2 s
    assert firsts == sorted(set(firsts)) and 2 <= len(clips) < 8
    assert all(clip.frames[1] - clip.frames[0] == 16 for clip in clips) and clips[-1].frames[1] >= 57


def test_the_newest_is_taken_and_errors_are_passed_on(runtime: Any) -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)
        raise OSError('lost')

    found = []
    with pytest.raises(OSError, match='lost'):
        for number in runtime._newest(numbers()):
            time.sleep(0.1)
            found.append(number)
    assert found[-1] == 2 and len(found) <= 2


# ---- errors: one line each


def fails(runtime: Any, capsys: pytest.CaptureFixture, *arguments: object) -> str:
    """The line that the command prints, with exit status 1."""
    assert runtime.main([str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert not out and err.count('\n') == 1 and 'Traceback' not in err
    return err


def test_models_that_cannot_be_read(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    good = write_tiny()
    texts = {
        tmp_path / 'none.onnx': 'there is no model',
        tmp_path: 'is a folder, no model',
    }
    contents = dict(empty=b'', page=b'<html>no model</html>', text=b'model', zeros=bytes(999))
    contents |= dict(cut=good.read_bytes()[:99], cut_late=good.read_bytes()[:-5])
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        texts[tmp_path / name] = 'is empty' if name == 'empty' else 'is damaged or no ONNX file'
    for path, text in texts.items():
        err = fails(runtime, capsys, '--model', path, encode())
        assert str(path) in err and text in err
        with pytest.raises(runtime.ModelFileError, match=re.escape(text)):
            runtime.Recognizer(path)


def test_a_damaged_graph(write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture) -> None:
    path = write_tiny()
    content = path.read_bytes()
    path.write_bytes(content.replace(b'ReduceMean', b'ReduceMoon'))
    assert 'does not run in onnxruntime' in fails(runtime, capsys, '--model', path, encode())


def test_every_cut_and_flip_is_one_line(write_tiny: Callable, encode: Callable, runtime: Any, tmp_path: Path) -> None:
    content, video = write_tiny().read_bytes(), encode()
    rng = np.random.RandomState(0)
    path, ends = tmp_path / 'changed.onnx', []
    for _ in range(300):
        changed = bytearray(content)
        for place in rng.randint(0, len(content), rng.choice([1, 1, 3])):
            changed[place] = rng.randint(256)
        if rng.rand() < 0.3:
            del changed[rng.randint(len(content)) :]
        path.write_bytes(changed)
        try:
            runtime.Recognizer(path).scores(video)
        except (runtime.ModelFileError, runtime.VideoError) as error:
            assert '\n' not in str(error)
            ends.append(str(error))
    assert 100 < len(ends) < 300


@pytest.mark.parametrize('key', ['task', 'input', 'clip_len', 'classes', 'sampling', 'resize', 'crop', 'mean'])
def test_missing_and_wrong_keys_are_named(
    key: str, write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture
) -> None:
    def error(value: str | None) -> str:
        return fails(runtime, capsys, '--model', write_tiny(**{key: value}), encode())

    err = error(None)
    assert f"lacks the metadata key '{key}'" in err and 'tools/export.py' in err
    if key == 'task':
        return
    assert f"metadata key '{key}' is no JSON: {{oops" in error('{oops')
    assert f"metadata key '{key}' is no JSON" in error('[' * 10**5)
    for wrong in ('-1', '{"a": []}', '[[]]', 'NaN', '1e999'):
        assert f"metadata key '{key}' is {wrong}; it has to be" in error(wrong)


@pytest.mark.parametrize(
    'changes, text',
    [
        (dict(format=None), 'has no metadata of mmhvt: python tools/export.py CONFIG CHECKPOINT --out FILE.onnx'),
        (dict(format='mmhvt/2'), "has format 'mmhvt/2', this mmhvt_runtime reads mmhvt/1"),
        (dict(task='action_detection'), 'is a model for action detection; mmhvt_runtime runs those for recognition'),
        (dict(sampling='null'), "metadata key 'sampling' is null"),
        (dict(frame_interval='null'), "metadata key 'frame_interval' is null"),
        (dict(clip_len='-8'), 'is -8; it has to be "whole number from 1 to 16383"'),
        (dict(std='[0, 1, 1]'), 'number from 1e-06 to 1e+06'),
        (dict(num_clips='16383'), 'whole number from 1 to 1000'),
        (dict(twice_sample='true'), "metadata key 'twice_sample' is true"),
        (dict(num_clips='2', average='null'), "metadata key 'average' is null for 2 views"),
        (dict(resize='{"width": 9, "height": 9, "backend": "pillow"}'), "metadata key 'resize' is"),
        (dict(input='"clips"'), 'does not fit its metadata, by which it has one input clips'),
        (dict(options=dict(sides=(9, 48, 64))), 'views are 8x?x? (frames, height, width), the model takes 9x48x64'),
        (dict(resize='{"width": 32, "height": 40}', options=dict(sides=(8, 48, 64))), 'views are 8x40x32 (frames'),
        (dict(options=dict(classes=4)), 'names 3 classes, the model has 4'),
        (dict(options=dict(sides=(8, 32, 32))), 'views are 8x48x64 (frames, height, width), the model takes 8x32x32'),
        (dict(crop='{"type": "center", "width": 60, "height": 60}'), 'are 64x48 after resizing, too small for crops'),
        (dict(crop='{"type": "three", "width": 32, "height": 32}'), 'are 64x48 after resizing; three crops of 32x32'),
        (dict(crop='{"type": "five", "width": 32, "height": 32}'), 'are 64x48 after resizing; five crops of 32x32'),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit(
    changes: dict, text: str, write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture
) -> None:
    path = write_tiny(**changes)
    err = fails(runtime, capsys, '--model', path, encode())
    assert text in err and (str(path) in err or str(encode()) in err)


def test_foreign_files(encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, write_tiny: Callable) -> None:
    """Of another exporter, with metadata of its own, and operators that onnxruntime does not know."""
    import onnx

    path = write_tiny()
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(author='somebody', stride='32'))
    onnx.save(model, path)
    assert 'has no metadata of mmhvt' in fails(runtime, capsys, '--model', path, encode())
    model.graph.node[0].domain = 'libevil.so'
    onnx.save(model, path)
    err = fails(runtime, capsys, '--model', path, encode())
    assert 'does not run in onnxruntime' in err and 'libevil.so' in err


def test_external_data(
    encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, write_tiny: Callable, tmp_path: Path
) -> None:
    import onnx

    path = write_tiny()
    wanted = runtime.Recognizer(path).scores(encode())
    model = onnx.load(path)
    weights = model.graph.initializer[1]
    onnx.external_data_helper.set_external_data(weights, 'weights.bin')
    onnx.external_data_helper.save_external_data(weights, str(tmp_path))
    weights.ClearField('raw_data')
    onnx.save(model, path)
    np.testing.assert_array_equal(runtime.Recognizer(path).scores(encode()), wanted)
    (tmp_path / 'weights.bin').unlink()
    err = fails(runtime, capsys, '--model', path, encode())
    assert 'keeps its weights in a file beside it, which cannot be read' in err and 'weights.bin' in err


def test_libraries_of_operators_are_not_loaded(runtime: Any) -> None:
    """There is no other way in which onnxruntime runs what is not in a graph."""
    source = Path(runtime.__file__).read_text()
    for name in ('register_custom_ops', 'pickle', 'eval(', 'exec(', 'subprocess', 'os.system', 'import_'):
        assert name not in source


def test_videos_that_cannot_be_read(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    model, good = write_tiny(), encode().read_bytes()
    avi = encode('a.avi', options='-c:v mpeg4 -bf 2').read_bytes()
    contents = {
        'empty.mp4': (b'', 'is empty'),
        'text.mp4': (b'a list of videos\n' * 99, 'is a text file, no video'),
        'page.mp4': (b'<!DOCTYPE html><html>', 'is a text file, no video'),
        'list.m3u8': (b'#EXTM3U\nhttp://localhost/a.ts', 'is a text file, no video'),
        'noise.mp4': (np.random.RandomState(0).bytes(5000), 'is no video that OpenCV can read'),
        'picture.mp4': (cv2.imencode('.png', np.eye(64) * 255)[1].tobytes(), 'is a picture, no video'),
        'cut.mp4': (good[: len(good) // 2], 'is truncated after'),
        'cut_first.mp4': (moov_first(good)[: len(good) * 2 // 3], 'is truncated after'),
        'cut.avi': (avi[: len(avi) // 2], 'is truncated after'),
        'no_frames.mp4': (moov_first(good)[:-40], 'is truncated after'),
    }
    for name, (content, text) in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        for more in ((), ('--every', '1')):
            err = fails(runtime, capsys, '--model', model, path, *more)
            assert text in err and str(path) in err
        with pytest.raises(runtime.VideoError):
            runtime.Recognizer(model).recognize(path)
    assert 'there is no video' in fails(runtime, capsys, '--model', model, tmp_path / 'none.mp4')
    assert 'is a folder, no video' in fails(runtime, capsys, '--model', model, tmp_path)
    assert 'is a pipe or device, no video' in fails(runtime, capsys, '--model', model, '/dev/null')
    # before the model
    assert 'there is no video' in fails(runtime, capsys, '--model', tmp_path / 'none.onnx', tmp_path / 'none.mp4')


def without_pictures(content: bytes) -> bytes:
    """An MP4 whose pictures are zeros."""
    at = content.index(b'mdat')
    (size,) = struct.unpack('>I', content[at - 4 : at])
    return content[: at + 4] + bytes(size - 8) + content[at + size - 4 :]


def test_nothing_can_be_decoded(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    path = tmp_path / 'zeros.mp4'
    path.write_bytes(without_pictures(encode().read_bytes()))
    err = fails(runtime, capsys, '--model', write_tiny(), path)
    assert str(path) in err


def test_interlaced_videos_are_refused_and_still_ones_are_not(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture
) -> None:
    """OpenCV returns whatever is in memory for interlaced frames."""
    model = write_tiny()
    interlaced = encode('interlaced.mp4', options='-vf interlace -c:v libx264 -flags +ilme+ildct -pix_fmt yuv420p')
    still = encode('still.mp4', options='-vf trim=end_frame=1,loop=40:1 -c:v mpeg4')
    black = encode('black.mp4', options='-vf drawbox=c=black:t=fill -c:v mpeg4')
    assert runtime.Recognizer(model).scores(still).max() > 9 > runtime.Recognizer(model).scores(black).max()
    assert len(list(runtime.Recognizer(model).recognize_stream(still))) == 2
    for more in ((), ('--every', '0.4')):
        assert 'does not convert the interlaced frames' in fails(runtime, capsys, '--model', model, interlaced, *more)


def test_streams_that_cannot_be_read(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, tmp_path: Path, server: str
) -> None:
    model = write_tiny()
    short = encode('short.mp4', count=12)
    # as a whole it is looped, as by the test pipeline
    assert runtime.main(['--model', str(model), str(short)]) == 0
    capsys.readouterr()
    lengths = 'ends after 12 frames (0.48 s), before its first clip of 16 frames (0.64 s)'
    assert f'{short} {lengths}: leave out --every' in fails(runtime, capsys, '--model', model, short, '--every', '1')
    (tmp_path / 'short.mp4').write_bytes(moov_first(short.read_bytes()))
    url = f'{server}/short.mp4'
    assert f'{url} {lengths}\n' in fails(runtime, capsys, '--model', model, url)
    assert f'stream {server}/none.mp4 cannot be read' in fails(runtime, capsys, '--model', model, f'{server}/none.mp4')
    assert 'there is no video concat://a|b' in fails(runtime, capsys, '--model', model, 'concat://a|b')
    assert 'camera 93 cannot be read' in fails(runtime, capsys, '--model', model, '93')
    err = fails(runtime, capsys, '--model', model, encode(), '--every', '0.01')
    assert 'frames of' in err and 'are 0.04 s apart' in err
    for option in ('every', 'duration', 'fps'):
        with pytest.raises(ValueError, match=f'{option}=-1 has to be positive'):
            runtime.Recognizer(model).recognize_stream(encode(), **{option: -1})


def test_labels(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    unnamed, names = write_tiny(classes='null'), tmp_path / 'names.txt'
    assert runtime.Recognizer(unnamed).classes == ['class 0', 'class 1', 'class 2']
    names.write_text('red\ngreen\n\nblüe\n', encoding='utf-8')
    assert runtime.Recognizer(unnamed, labels=names).classes == ['red', 'green', 'blüe']
    names.write_text('red\ngreen\n')
    err = fails(runtime, capsys, '--model', unnamed, '--labels', names, encode())
    assert f'{names} names 2 classes, the model has 3' in err
    assert 'there is no file of labels' in fails(
        runtime, capsys, '--model', unnamed, '--labels', tmp_path / 'none.txt', encode()
    )
    names.write_bytes(b'\xff\xfe\x00')
    assert 'cannot read labels' in fails(runtime, capsys, '--model', unnamed, '--labels', names, encode())


def test_providers(write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture) -> None:
    assert runtime.Recognizer(write_tiny(), providers='cpu').providers == ['CPUExecutionProvider']
    err = fails(runtime, capsys, '--model', write_tiny(), '--provider', 'abacus', encode())
    assert "onnxruntime has no provider 'abacus' here; it has " in err and 'cpu' in err
    choose, both = runtime._choose_providers, ['CUDAExecutionProvider', 'CPUExecutionProvider']
    assert [name for name, _ in choose(None, both)] == both
    assert [name for name, _ in choose(None, ['AzureExecutionProvider', both[1]])] == [both[1]]
    assert [name for name, _ in choose('cuda', both)] == [both[0]]
    assert choose([('CPUExecutionProvider', {})], both) == [('CPUExecutionProvider', {})]


def test_cuda_without_its_libraries(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU stands in for it, but not where CUDA is asked for."""
    import onnxruntime

    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('has CUDA')
    both = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: both)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        assert runtime.Recognizer(write_tiny()).providers == ['CPUExecutionProvider']
        err = fails(runtime, capsys, '--model', write_tiny(), '--provider', 'cuda', encode())
    assert 'CUDAExecutionProvider' in err


def test_scores_that_are_no_numbers(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture
) -> None:
    import onnx

    path = write_tiny()
    model = onnx.load(path)
    model.graph.node[-1].output[0] = 'whole'
    model.graph.node.append(onnx.helper.make_node('Div', ['whole', 'zero'], ['scores']))
    model.graph.initializer.append(onnx.helper.make_tensor('zero', onnx.TensorProto.FLOAT, [1], [0]))
    onnx.save(model, path)
    assert 'gives scores that are not finite' in fails(runtime, capsys, '--model', path, encode())


# ---- the command


def test_what_the_command_prints(
    write_tiny: Callable, encode: Callable, runtime: Any, capsys: pytest.CaptureFixture
) -> None:
    model, video = str(write_tiny()), str(encode())
    recognizer = runtime.Recognizer(model)
    best = recognizer.recognize(video)
    assert runtime.main(['--model', model, video, '--top', '2']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [label.name for label in best[:2]]
    assert runtime.main(['--model', model, video, '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['video'] == video and [one['name'] for one in found['labels']] == [label.name for label in best]
    assert [one['score'] for one in found['labels']] == pytest.approx([label.score for label in best], abs=1e-5)
    assert runtime.main(['--model', model, video, '--every', '0.6', '--json', '--top', '1']) == 0
    clips = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    wanted = list(recognizer.recognize_stream(video, every=0.6))
    assert [tuple(clip['frames']) for clip in clips] == [clip.frames for clip in wanted] and len(clips) == 4
    assert clips[1]['start'] == 0.6 and len(clips[1]['labels']) == 1
    assert runtime.main(['--model', model, video, '--every', '0.6', '--duration', '0.64']) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r' +0\.00 - +0\.64 s  (\w [\d.]+(, )?){3}', line)


@pytest.mark.parametrize(
    'wrong', [['--top', '0'], ['--every', '0'], ['--every', 'nan'], ['--duration', '-1'], ['--x'], ['--fps', 'x']]
)
def test_usage(wrong: list[str], runtime: Any, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        runtime.main(['--model', 'a.onnx', 'a.mp4', *wrong])
    assert end.value.code == 2 and wrong[0] in capsys.readouterr().err


# VmHWM, since ru_maxrss begins with that of the process that starts this one
START = """
import json, re, resource, sys
sys.path.insert(0, {folder!r})
import mmhvt_runtime
status = mmhvt_runtime.main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
modules = sorted({{name.partition('.')[0] for name in sys.modules}})
kilobytes = int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])
report = dict(seconds=used.ru_utime + used.ru_stime, megabytes=kilobytes / 1024, modules=modules, status=status)
print(json.dumps(report), file=sys.stderr)
"""


def in_a_process(*arguments: object) -> dict:
    """What the command uses in a process of its own."""
    code = START.format(folder=str(ROOT / 'runtime'))
    command = [sys.executable, '-c', code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd='/')
    report = json.loads(done.stderr.splitlines()[-1])
    assert report['status'] == 0, done.stderr
    return report | dict(out=done.stdout)


def test_starts_fast_and_without_pytorch(exported: Any, encode: Callable) -> None:
    """Time of the CPU, which other processes on the machine do not add to: on 2 cores it takes no longer."""
    reports = [in_a_process('--model', exported.file(), encode()) for _ in range(3)]
    assert len(reports[0]['out'].splitlines()) == 5
    assert not set(MODULES) & set(reports[0]['modules']) and 'cv2' in reports[0]['modules']
    assert min(report['seconds'] for report in reports) < 1.5


def test_help_imports_neither_onnxruntime_nor_opencv() -> None:
    code = (
        f'import sys; sys.path.insert(0, {str(ROOT / "runtime")!r}); import mmhvt_runtime; mmhvt_runtime._parser();'
        'assert not {"cv2", "onnxruntime"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd='/')


def test_from_a_checkout_and_as_a_module(write_tiny: Callable, encode: Callable) -> None:
    options = ['--model', str(write_tiny()), str(encode()), '--top', '1']
    for command in ([str(ROOT / 'runtime' / 'recognize.py')], ['-m', 'mmhvt_runtime']):
        done = subprocess.run(
            [sys.executable, *command, *options], capture_output=True, text=True, cwd=ROOT / 'runtime'
        )
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 1, done.stderr
        assert not done.stderr


@pytest.mark.parametrize(
    'options, sampling',
    [((), dict(num_clips='10')), ((), dict(sampling='"UniformSample"', num_clips='3')), (('--every', '1'), {})],
    ids=['clips', 'whole', 'stream'],
)
def test_memory_does_not_grow_with_the_video(
    options: tuple, sampling: dict, write_tiny: Callable, encode: Callable
) -> None:
    """Frames of 320x240: 700 of them are 161 MB."""
    model = write_tiny(**sampling, resize='{"width": 320, "height": 240}')
    quick = '-vf scale=320:240 -c:v mpeg4 -q:v 20'
    short, long = (encode(f'{count}.mp4', count=count, size=(32, 24), options=quick, fps='25') for count in (100, 800))
    used = [in_a_process('--model', model, video, *options)['megabytes'] for video in (short, long)]
    assert used[1] - used[0] < 20, used
