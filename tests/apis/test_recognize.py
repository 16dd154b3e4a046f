"""`recognize` and its command on files: names of models and classes, folders and lists, bars, timelines."""

import io
import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from mmaction.apis import inference_recognizer, init_recognizer
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from rich.cells import cell_len

from helpers import ROOT
from helpers.recipes import CLASSIFIERS, read
from mmhvt.apis import ClipRecognizer, Label, labeling, recognize
from mmhvt.apis import models as built
from mmhvt.apis.labeling import draw_bars, list_sources, plan_outputs
from mmhvt.apis.timeline import COLORS, OTHERS, Timeline, clock
from mmhvt.apis.videos import write_video
from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.labels import configured_classes
from mmhvt.hub import metafile_models
from mmhvt.synthetic.moving_shapes import MOTIONS

SHAPES = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
NAMES = list(MOTIONS)
NAME = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb'
FPS = 25
# three clips of three crops
VIEWS = f"""
_base_ = '{SHAPES}'
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=8, frame_interval=2, num_clips=3, test_mode=True),
    dict(type='DecordDecode'), dict(type='Resize', scale=(-1, 32)), dict(type='mmhvt.ThreeCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline, metainfo=dict(classes=None)))
"""


def frames(count: int, seed: int = 0, height: int = 64, width: int = 96) -> np.ndarray:
    """A bright square that wanders, (count, height, width, 3)."""
    places = np.random.default_rng(seed).integers(-2, 3, (count, 2)).cumsum(0) + 10
    video = np.full((count, height, width, 3), 40 + 5 * seed, np.uint8)
    for frame, (y, x) in zip(video, places % 40, strict=True):
        frame[y : y + 20, x : x + 20] = 220
    return video


def save(model: torch.nn.Module, path: Path, **meta: object) -> None:
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos, lists of them, and a model of large weights, so that its scores differ, with and without names."""
    folder = tmp_path_factory.mktemp('home')
    for index, name in enumerate(['plain.mp4', 'videos/a.mp4', 'videos/inner/b.avi', 'other/a.mp4']):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(folder / name, frames(60, index), FPS) if name.endswith('.mp4') else None
    writer = cv2.VideoWriter(str(folder / 'videos/inner/b.avi'), cv2.VideoWriter_fourcc(*'MJPG'), FPS, (96, 64))
    for frame in frames(60, 5):
        writer.write(frame)
    writer.release()
    (folder / 'videos/cut.mp4').write_bytes((folder / 'plain.mp4').read_bytes()[:2000])
    (folder / 'empty').mkdir()
    for name in ('list.txt', 'videos/list.txt'):
        (folder / name).write_text('a.mp4 3\ninner/b.avi 0\n')
    (folder / 'views.py').write_text(VIEWS)
    cfg = Config.fromfile(SHAPES)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
    for name, parameter in model.named_parameters():
        if 'fc_cls' in name:
            torch.nn.init.normal_(parameter)
    save(model, folder / 'plain.pth')
    save(model, folder / 'named.pth', dataset_meta=dict(classes=[f'{name}!' for name in NAMES]))
    save(model, folder / 'misnamed.pth', dataset_meta=dict(classes=['a', 'b']))
    (folder / 'names.txt').write_text('\n'.join(f'{name}?' for name in NAMES))
    (folder / 'few.txt').write_text('one\ntwo\n')
    return folder


@pytest.fixture(autouse=True)
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)


@pytest.fixture
def call(load_tool: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Calls the command with the micro model; returns the exit status."""

    def call(*words: object) -> int:
        given = [str(word) for word in words]
        if '--model' not in given:
            given += ['--model', 'views.py']
        if '--checkpoint' not in given and given[given.index('--model') + 1].endswith('.py'):
            given += ['--checkpoint', 'named.pth']
        monkeypatch.setattr(sys, 'argv', ['recognize.py', *given, '--device', 'cpu'])
        return int(load_tool('demo/recognize.py').main())

    return call


# ---- in Python


def test_a_whole_video_has_the_scores_of_inference_recognizer() -> None:
    """By all nine views; a model that is there already gives the same."""
    model = init_recognizer('views.py', 'named.pth', device='cpu')
    wanted = inference_recognizer(model, 'plain.mp4').pred_score.numpy()
    found = recognize('plain.mp4', 'views.py', 'named.pth', top=8, device='cpu')
    assert [name for name, _ in found] == [f'{NAMES[place]}!' for place in np.argsort(-wanted)]
    np.testing.assert_allclose([score for _, score in found], np.sort(wanted)[::-1], rtol=1e-5)
    assert wanted.max() > 2 * wanted.min()
    by_model = recognize('plain.mp4', model, labels='names.txt')
    assert [(label.name[:-1], label.score) for label in by_model] == [
        (label.name[:-1], label.score) for label in found[:5]
    ]
    recognizer = ClipRecognizer('views.py', 'named.pth', device='cpu')
    np.testing.assert_allclose(recognizer.score_video(Path('plain.mp4')), wanted, rtol=1e-5)
    assert recognize(Path('plain.mp4').absolute().as_uri(), recognizer, top=8) == found


def test_clips_slide_over_a_video() -> None:
    recognizer = ClipRecognizer('views.py', 'named.pth', device='cpu')
    clips = list(recognize('plain.mp4', recognizer, every=0.4, window=1.0, top=2))
    assert [clip.start for clip in clips] == pytest.approx([0, 0.4, 0.8, 1.2, 1.4])
    assert [clip.end - clip.start for clip in clips] == pytest.approx([1] * 5)
    assert all(len(clip.labels) == 2 and clip.labels[0].score > clip.labels[1].score for clip in clips)
    default = next(iter(recognize('plain.mp4', recognizer, every=1)))
    assert default.end == pytest.approx(16 / FPS) and len(default.labels) == 5


def test_memory_does_not_grow_with_the_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of 18 kB: a video of 15 MB takes no more than one of a tenth."""
    recognizer = ClipRecognizer('views.py', 'named.pth', device='cpu')
    monkeypatch.setattr(ClipRecognizer, '__call__', lambda *_: np.zeros(8))
    peaks = []
    for count in (80, 80, 800):  # the first time, caches are filled
        write_video(tmp_path / 'long.mp4', (frame for _ in range(count // 80) for frame in frames(80)), FPS)
        tracemalloc.start()
        assert sum(1 for _ in recognize(tmp_path / 'long.mp4', recognizer, every=0.2)) == (count - 16) // 5 + 2
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1] + 50_000 and peaks[2] < 1_000_000


@pytest.mark.parametrize(
    ('checkpoint', 'labels', 'classes', 'wanted'),
    [
        ('named.pth', None, None, [f'{name}!' for name in NAMES]),
        ('named.pth', 'names.txt', list('abcdefgh'), [f'{name}?' for name in NAMES]),
        ('named.pth', None, list('abcdefgh'), [f'{name}!' for name in NAMES]),
        ('plain.pth', None, list('abcdefgh'), list('abcdefgh')),
        ('plain.pth', None, 'names.txt', [f'{name}?' for name in NAMES]),
        ('plain.pth', None, None, [f'class {number}' for number in range(8)]),
    ],
)
def test_names_of_the_classes(
    tmp_path: Path, checkpoint: str, labels: str | None, classes: list[str] | str | None, wanted: list[str]
) -> None:
    """Those that are given, else those of the checkpoint, else those of the config, else numbers."""
    config = tmp_path / 'a.py'
    config.write_text(VIEWS.replace('classes=None', f'classes={classes!r}'))
    recognizer = ClipRecognizer(config, checkpoint, labels, 'cpu')
    assert recognizer.names == wanted and recognizer.has_names == (wanted[0] != 'class 0')


def test_names_of_a_list_of_the_package(tmp_path: Path) -> None:
    (tmp_path / 'a.py').write_text(f"_base_ = '{SHAPES}'\nmodel = dict(cls_head=dict(num_classes=157))\n")
    with DefaultScope.overwrite_default_scope('mmaction'):
        save(MODELS.build(Config.fromfile(tmp_path / 'a.py').model), tmp_path / 'a.pth')
    recognizer = ClipRecognizer(tmp_path / 'a.py', tmp_path / 'a.pth', 'charades', 'cpu')
    assert recognizer.names[0] == 'Holding some clothes' and len(recognizer.names) == 157


def test_a_name_has_the_weights_of_its_metafile(monkeypatch: pytest.MonkeyPatch) -> None:
    published = dict(Config='views.py', Weights='named.pth')
    monkeypatch.setitem(metafile_models(), NAME, published)
    for name in (NAME, f'{NAME}.py'):
        assert recognize('plain.mp4', name, device='cpu') == recognize('plain.mp4', 'views.py', 'named.pth')
    assert recognize('plain.mp4', NAME, 'plain.pth', device='cpu')[0].name.startswith('class ')


def test_a_recipe_without_a_metafile_is_known_by_its_name() -> None:
    found = recognize('plain.mp4', SHAPES.stem, 'named.pth', device='cpu')
    assert found == recognize('plain.mp4', SHAPES, 'named.pth', device='cpu')


def test_a_pipeline_for_frames_on_disk_reads_videos(tmp_path: Path) -> None:
    text = VIEWS.replace("    dict(type='DecordInit'),\n", '').replace('DecordDecode', 'RawFrameDecode')
    (tmp_path / 'a.py').write_text(text)
    found = recognize('plain.mp4', tmp_path / 'a.py', 'named.pth', device='cpu')
    assert found == recognize('plain.mp4', 'views.py', 'named.pth', device='cpu')


WRONG = {
    'there is no video none.mp4': dict(video='none.mp4'),
    'empty is a folder, no video': dict(video='empty'),
    'cannot read video videos/cut.mp4': dict(video='videos/cut.mp4'),
    'cannot read video names.txt': dict(video='names.txt', every=1.0),
    'rtsp://127.0.0.1:9/a is no file to recognize as a whole: every=1.0': dict(video='rtsp://127.0.0.1:9/a'),
    'every=0 has to be positive': dict(every=0),
    'top=0 has to be positive': dict(top=0),
    'window=1.0 is the length of a clip, and needs every=SECONDS': dict(window=1.0),
    '--every 0.001: frames of plain.mp4 are 0.04 s apart': dict(every=0.001),
    'few.txt names 2 classes, the head has 8': dict(labels='few.txt'),
    'none.txt cannot be read as names': dict(labels='none.txt'),
    "'kinetic400' is neither a file of names, one per line, nor one of the label lists of mmhvt: kinetics400": dict(
        labels='kinetic400'
    ),
    'is no recognizer of videos, but a model for mmpretrain.ImageClassificationInferencer(NAME)': dict(
        model='mvitv2-tiny_64xb32-300e_in1k'
    ),
    'is no recognizer of videos, but a model for mmdet.apis.DetInferencer(NAME)': dict(
        model=ROOT / 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
    ),
    "the checkpoint's dataset_meta names 2 classes, the head has 8": dict(checkpoint='misnamed.pth'),
    'views.py is a config without weights: name a checkpoint': dict(checkpoint=None),
    'none.py: no such config file': dict(model='none.py'),
    'has no published weights: name a checkpoint': dict(model=NAME, checkpoint=None),
    f'no model has that name; the nearest names are {NAME}': dict(model=NAME.replace('-rgb', ''), checkpoint=None),
    'none.pth cannot be read as a checkpoint': dict(checkpoint='none.pth'),
    '--device cuda:99': dict(device='cuda:99'),
}


@pytest.mark.parametrize('message', WRONG)
def test_one_line_says_what_is_wrong(message: str) -> None:
    options = dict(video='plain.mp4', model='views.py', checkpoint='named.pth', device='cpu') | WRONG[message]
    with pytest.raises((ValueError, UnreadableVideoError)) as error:
        recognize(**options)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    """Nothing is left at random."""
    (tmp_path / 'a.py').write_text(f"_base_ = '{SHAPES}'\nmodel = dict(cls_head=dict(num_classes=3))\n")
    with pytest.raises(ValueError, match=r'named.pth is no checkpoint of .*a.py') as error:
        recognize('plain.mp4', tmp_path / 'a.py', 'named.pth', device='cpu')
    assert '\n' not in str(error.value)


def test_what_belongs_to_a_model_that_is_there() -> None:
    model = init_recognizer('views.py', 'named.pth', device='cpu')
    with pytest.raises(ValueError, match='pass these to init_recognizer'):
        recognize('plain.mp4', model, 'plain.pth')
    with pytest.raises(ValueError, match='a ClipRecognizer has its weights, names and device'):
        recognize('plain.mp4', ClipRecognizer(model), labels='names.txt')
    with pytest.raises(ValueError, match='Linear is no recognizer with its config: init_recognizer returns one'):
        recognize('plain.mp4', torch.nn.Linear(1, 1))


def test_views_that_are_not_averaged(tmp_path: Path) -> None:
    (tmp_path / 'a.py').write_text(VIEWS + 'model = dict(cls_head=dict(average_clips=None))')
    with pytest.raises(ValueError, match="scores of views are not averaged: set average_clips='prob'"):
        recognize('plain.mp4', tmp_path / 'a.py', 'named.pth', device='cpu')


@pytest.mark.slow
def test_recipes_can_be_recognized_with() -> None:
    """Their test pipelines read files and clips, and name as many classes as the head has."""
    wrong = []
    for path in CLASSIFIERS:
        recognizer = object.__new__(ClipRecognizer)  # without a model
        recognizer.cfg = cfg = read(path)
        if cfg.get('default_scope') != 'mmaction':
            continue
        try:
            recognizer._set_pipelines()
        except ValueError as error:
            wrong.append(str(error))
            continue
        with DefaultScope.overwrite_default_scope('mmaction'):
            classes = configured_classes(built.test_dataset(cfg))
        if classes is None or cfg.model.cls_head.get('num_classes', len(classes)) != len(classes):
            wrong.append(f'{path.name}: {len(classes or ())} names')
    assert not wrong


# ---- the command


def test_bars_of_a_file(call, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    monkeypatch.setenv('COLUMNS', '60')
    assert call('plain.mp4', '--json', tmp_path / 'a.json') == 0
    output = capsys.readouterr()
    first, *lines = output.out.splitlines()
    wanted = recognize('plain.mp4', 'views.py', 'named.pth', device='cpu')
    assert first == 'plain.mp4' and len(lines) == 5 and 'videos' not in output.err
    for line, (name, score) in zip(lines, wanted, strict=True):
        found = re.fullmatch(r'  (.+?) +(\d\.\d{3})(?: ([█▏▎▍▌▋▊▉]+))?', line)
        assert (found[1], found[2]) == (name, f'{score:.3f}') and cell_len(line) <= 60
    assert '\x1b' not in output.out  # no colors where there is no terminal
    entry = json.loads((tmp_path / 'a.json').read_text())
    assert entry == dict(video='plain.mp4', labels=[dict(name=n, score=round(s, 4)) for n, s in wanted])


def test_lengths_of_bars() -> None:
    labels = [
        Label('one', 1.0),
        Label('half', 0.5),
        Label('猫が走る', 0.01),
        Label('logit', -3.0),
        Label('x' * 99, 7.0),
    ]
    lines = draw_bars(labels[:4], 50).splitlines()
    most = 50 - 8 - 11
    assert lines[0] == f'  one        1.000 {"█" * most}'
    assert lines[1] == f'  half       0.500 {"█" * (most // 2)}▌'
    assert lines[2] == '  猫が走る   0.010 ▎' and lines[3] == '  logit     -3.000'
    assert max(map(cell_len, lines)) == 50
    in_ascii = draw_bars(labels, 80, blocks=False).splitlines()
    assert in_ascii[0].endswith(' 1.000 ' + '#' * 29) and in_ascii[4].startswith('  ' + 'x' * 40 + '   7.000 #')
    assert draw_bars([], 80) == ''


def test_a_terminal_without_blocks(call, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    terminal = io.TextIOWrapper(buffer, 'ascii', write_through=True)
    monkeypatch.setattr(sys, 'stdout', terminal)
    assert call('plain.mp4') == 0
    monkeypatch.undo()
    assert re.search(r'^  \w+!.* #+$', buffer.getvalue().decode('ascii'), re.MULTILINE)


def test_folders_and_lists(call, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    """Each video once; the one that is cut is named, the others go on, and the status tells."""
    assert call('videos/list.txt', 'videos', 'none.mp4', 'plain.mp4', '--json', tmp_path / 'a.jsonl') == 1
    output = capsys.readouterr()
    read = ['videos/a.mp4', 'videos/inner/b.avi', 'plain.mp4']
    assert [line for line in output.out.splitlines() if not line.startswith(' ')] == read
    entries = [json.loads(line) for line in (tmp_path / 'a.jsonl').read_text().splitlines()]
    assert [entry['video'] for entry in entries] == read
    assert entries[0]['labels'] != entries[2]['labels']
    errors = output.err.splitlines()
    assert any(line.startswith('cannot read video videos/cut.mp4: ') for line in errors)
    assert 'there is no video none.mp4' in errors and 'ERROR' not in output.err
    assert re.search(r'videos .* 5/5', output.err)
    assert errors[-1] == 'recognize.py: 2 of 5 videos cannot be read to their end, see above'


def test_sources() -> None:
    assert list_sources(['list.txt'], Path('videos')) == ['videos/a.mp4', 'videos/inner/b.avi']
    assert list_sources(['list.txt', 'plain.mp4'], Path('other')) == ['other/a.mp4', 'other/inner/b.avi', 'plain.mp4']
    assert list_sources(['videos/list.txt', 'a.mp4'], None) == ['videos/a.mp4', 'videos/inner/b.avi', 'a.mp4']
    assert list_sources(['0', 'rtsp://host/a.mp4', '0']) == ['0', 'rtsp://host/a.mp4']
    with pytest.raises(ValueError, match='empty is a folder without videos'):
        list_sources(['empty'])


def test_outputs_are_named_after_the_videos() -> None:
    sources = ['videos/a.mp4', 'other/a.mp4', '0']
    plan = plan_outputs(sources, Path('out'), Path('lines'))
    assert [str(one.video) for one in plan.values()] == ['out/videos/a.mp4', 'out/other/a.mp4', 'out/camera0.mp4']
    assert [str(one.timeline) for one in plan.values()] == [
        'lines/videos/a.png',
        'lines/other/a.png',
        'lines/camera0.png',
    ]
    assert plan_outputs(['x/a.avi'], Path('b.mp4'), Path('b.svg'))['x/a.avi'] == (Path('b.mp4'), Path('b.svg'))
    assert plan_outputs(['x/a.avi'], None, Path('b'))['x/a.avi'] == (None, Path('b/a.png'))
    for option in (dict(out=Path('b.mp4'), timeline=None), dict(out=None, timeline=Path('b.png'))):
        with pytest.raises(ValueError, match=r'b\.\w+ is one file, and there are 3 videos: name a folder'):
            plan_outputs(sources, **option)


def test_several_videos_over_time(call, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    words = ['--every', 0.8, '--out', tmp_path, '--timeline', tmp_path, '--json', tmp_path / 'a.jsonl']
    assert call('videos', 'plain.mp4', *words) == 1
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*') if path.is_file()}
    stems = ['videos/a', 'videos/inner/b', 'plain']
    assert names == {'a.jsonl', *(f'{stem}.{kind}' for stem in stems for kind in ('mp4', 'png'))}
    entries = [json.loads(line) for line in (tmp_path / 'a.jsonl').read_text().splitlines()]
    assert [entry['video'] for entry in entries] == [
        name for name in ('videos/a.mp4', 'videos/inner/b.avi', 'plain.mp4') for _ in range(4)
    ]
    assert [entry['start'] for entry in entries[:4]] == [0, 0.8, 1.6, 1.76]
    assert '1 of 4 videos cannot be read' in capsys.readouterr().err


BAD = {
    'empty is a folder without videos': ['empty'],
    'there is no list none.txt': ['none.txt'],
    'there is no video none.mp4': ['none.mp4'],
    'cannot read video videos/cut.mp4: OpenCV finds no frame': ['videos/cut.mp4'],
    'few.txt names 2 classes, the head has 8': ['plain.mp4', '--labels', 'few.txt'],
    'a.mp4 is one file, and there are 2 videos': ['plain.mp4', 'videos/a.mp4', '--out', 'a.mp4'],
    'no model has that name; the nearest names are ': ['plain.mp4', '--model', 'mvitv2-smal'],
    f'{NAME} has no published weights: name a checkpoint': ['plain.mp4', '--model', NAME],
    '--top -1 has to be positive': ['plain.mp4', '--top', -1],
    '--every 0.0 has to be positive': ['plain.mp4', '--every', 0],
    'plain.mp4 is read and would be overwritten': ['plain.mp4', '--json', 'plain.mp4'],
    'a.png cannot be both': ['plain.mp4', '--json', 'a.png', '--timeline', 'a.png'],
    'views.py is no checkpoint': ['plain.mp4', '--checkpoint', 'views.py'],
}


@pytest.mark.parametrize('message', BAD)
def test_a_line_tells_what_is_wrong_and_nothing_is_written(
    call, home: Path, capfd: pytest.CaptureFixture, message: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob('*')}
    assert call(*BAD[message], *([] if '--json' in BAD[message] else ['--json', 'new.json'])) == 1
    errors = capfd.readouterr().err.splitlines()
    last = errors[-1]
    if message == 'views.py is no checkpoint':
        message = 'views.py cannot be read as a checkpoint'
    assert last.startswith('recognize.py: ') and message in last
    assert not any('decord' in line or 'video_reader' in line for line in errors)
    assert before == {path: path.stat().st_mtime_ns for path in home.rglob('*')}


def test_words_that_are_no_options(call, capsys: pytest.CaptureFixture) -> None:
    for words in (['plain.mp4', '--every', 'often'], [], ['plain.mp4', '--config', 'views.py']):
        with pytest.raises(SystemExit) as status:
            call(*words)
        assert status.value.code == 2 and 'usage: recognize.py' in capsys.readouterr().err


@pytest.mark.slow
def test_mim_runs_it(tmp_path: Path, home: Path) -> None:
    """From any directory."""
    command = [sys.executable, '-m', 'mim', 'run', 'mmhvt', 'recognize', home / 'plain.mp4', '--model', SHAPES]
    command += ['--checkpoint', home / 'named.pth', '--device', 'cpu', '--json', tmp_path / 'a.json']
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    assert len(json.loads((tmp_path / 'a.json').read_text())['labels']) == 5


# ---- timelines


def test_a_timeline_keeps_few_points_and_all_scores() -> None:
    timeline = Timeline(list('abc'), most=8)
    scores = np.random.default_rng(0).random((1000, 3))
    for second, row in enumerate(scores):
        timeline.add(second, second + 2, row)
        assert len(timeline._middles) < 16
    times, found = timeline.points()
    assert found.shape == (len(times), 3) and np.all(np.diff(times) > 0)
    assert times[0] == pytest.approx(32.5) and times[-1] > 950  # middles of 64 clips from 1 to 64 s
    np.testing.assert_allclose(found[0], scores[:64].mean(0), rtol=1e-6)
    np.testing.assert_allclose(found[-1], scores[len(times) * 64 - 64 :].mean(0), rtol=1e-6)


def test_a_timeline_draws_what_is_best_when(tmp_path: Path) -> None:
    """Colors of the band below the curves, from left to right; a seventh class is one of the others."""
    order = [3, 1, 0, 2, 4, 5, 6]
    timeline = Timeline([f'class {number}' for number in range(9)])
    second = 0
    for place, length in zip(order, (70, 60, 50, 40, 30, 20, 10), strict=True):
        for _ in range(length):
            timeline.add(second, second + 1, np.eye(9)[place] * 0.7 + 0.02)
            second += 1
    assert timeline.chosen() == order[:6]
    timeline.draw(tmp_path / 'a.png', 'a.mp4')
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / 'a.png')), cv2.COLOR_BGR2RGB)
    row = picture[int(picture.shape[0] * 0.83)]
    found = [tuple(row[place]) for place in np.flatnonzero(np.any(np.diff(row.astype(int), axis=0), axis=1))]
    colors = [tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) for color in (*COLORS, OTHERS)]
    assert [color for color in dict.fromkeys(found) if color in colors] == colors


def test_the_timeline_of_one_clip(tmp_path: Path) -> None:
    timeline = Timeline(['a', 'b'])
    timeline.add(0, 0.4, np.array([-2.0, 5.0]))
    timeline.draw(tmp_path / 'a.svg', 'short.mp4')
    assert '<svg' in (tmp_path / 'a.svg').read_text() and timeline.chosen() == [1, 0]


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 61, 3599, 3661)] == ['0:00', '1:00', '1:01', '59:59', '1:01:01']


def test_the_picture_of_a_video(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = []

    class Watched(Timeline):
        def add(self, start: float, end: float, scores: np.ndarray) -> None:
            added.append((start, end, scores.argmax()))
            super().add(start, end, scores)

    monkeypatch.setattr(labeling, 'Timeline', Watched)
    assert call('plain.mp4', '--timeline', tmp_path / 'new/a.png', '--json', tmp_path / 'a.jsonl') == 0
    entries = [json.loads(line) for line in (tmp_path / 'a.jsonl').read_text().splitlines()]
    assert [(round(s, 3), round(e, 3), f'{NAMES[i]}!') for s, e, i in added] == [
        (entry['start'], entry['end'], entry['labels'][0]['name']) for entry in entries
    ]
    assert cv2.imread(str(tmp_path / 'new/a.png')).shape[1] > 1000 and len(list((tmp_path / 'new').iterdir())) == 1
