"""What docs/guides/inference.md and the README say of inference, run as it stands, on small videos and micro models."""

import json
import re
import shlex
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.visualization import Visualizer

from helpers import ROOT
from mmhvt.apis.videos import write_video
from mmhvt.hub import metafile_models
from mmhvt.synthetic.moving_shapes import MOTIONS

DOCS = {page: (ROOT / page).read_text() for page in ('docs/guides/inference.md', 'README.md')}
VIDEO_MODEL = 'mvitv2-small-p244_3rdparty-torchvision_16x4x1_kinetics400-rgb'
IMAGE_MODEL = 'mvitv2-tiny_3rdparty-fair_in1k'
SHAPES = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
ACTORS = ROOT / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
OBJECTS = ROOT / 'configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
MICRO_IMAGE = f"""
_base_ = '{ROOT}/configs/mvitv2/mvitv2-tiny_64xb32-300e_in1k.py'
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, version=2, embed_dims=8, num_heads=1, depths=(1, 1, 1, 1))),
    head=dict(in_channels=64))
"""


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf'```{kind}\n(.*?)```', DOCS[page], re.DOTALL)


def save(config: Path, path: Path, **meta: object) -> None:
    cfg = Config.fromfile(config)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


def square(count: int) -> Iterator[np.ndarray]:
    for index in range(count):
        frame = np.full((64, 96, 3), 50, np.uint8)
        frame[20:40, index % 60 : index % 60 + 25] = 220
        yield frame


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the files that the docs name."""
    folder = tmp_path_factory.mktemp('home')
    for name in ('configs', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    (folder / 'videos').mkdir()
    for name, count in [('video.mp4', 50), ('videos/a.mp4', 30), ('long.mp4', 130)]:
        write_video(folder / name, square(count), 25)
    (folder / 'list.txt').write_text('video.mp4 0\n')
    cv2.imwrite(str(folder / 'image.jpg'), next(square(1)))
    (folder / 'boxes.csv').write_text('video,0,0.1,0.1,0.6,0.9\nvideo,1,0.2,0.1,0.7,0.9\n')
    save(SHAPES, folder / 'epoch_5.pth')
    (folder / 'image.py').write_text(MICRO_IMAGE)
    save(folder / 'image.py', folder / 'image.pth')
    return folder


@pytest.fixture
def in_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Working directory; micro models stand in for those whose weights are published."""
    from mmpretrain.apis.model import ModelHub

    monkeypatch.chdir(home)
    # each block is a program of its own: inference APIs leave the default scope of their package
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
    monkeypatch.setitem(
        metafile_models(), VIDEO_MODEL, metafile_models()[VIDEO_MODEL] | dict(Config=str(SHAPES), Weights='epoch_5.pth')
    )
    image = ModelHub.get(IMAGE_MODEL)
    image.config, image.weights = Config.fromfile('image.py'), 'image.pth'
    monkeypatch.setitem(ModelHub._models_dict, IMAGE_MODEL, image)
    yield
    Visualizer._instance_dict.clear()  # inferencers of one second have one name


def run(code: str, capsys: pytest.CaptureFixture) -> tuple[dict, str]:
    """What a block of Python defines, and what it prints."""
    names: dict = {}
    capsys.readouterr()
    exec(compile(code, 'docs', 'exec'), names)
    return names, capsys.readouterr().out


def python_block(word: str) -> str:
    (block,) = (block for block in blocks('docs/guides/inference.md', 'python') if word in block)
    return block


def commands(page: str) -> list[list[str]]:
    lines = '\n'.join(blocks(page, 'bash')).replace('\\\n', ' ').splitlines()
    return [shlex.split(line) for line in lines if '/recognize.py' in line or 'tools/demo/spatio' in line]


@pytest.mark.usefixtures('in_home')
def test_five_lines(capsys: pytest.CaptureFixture) -> None:
    """Of the docs, and of the README, which are the same."""
    first, readme = python_block('for name, score in'), *[b for b in blocks('README.md', 'python') if 'recognize' in b]
    outputs = [run(block, capsys)[1] for block in (first, readme)]
    assert outputs[0] == outputs[1]
    lines = [re.fullmatch(r'(\d\.\d{3}) (\S+)', line) for line in outputs[0].splitlines()]
    assert len(lines) == 5 and {line[2] for line in lines} < set(MOTIONS)


@pytest.mark.usefixtures('in_home')
def test_clips_in_python(capsys: pytest.CaptureFixture) -> None:
    _, output = run(python_block('for clip in recognize'), capsys)
    starts = [float(start) for start in re.findall(r'^ +(\d\.\d) to +\d\.\d s: [\w-]+ 0\.\d{3}$', output, re.MULTILINE)]
    assert starts == [0, 1, 2, 3, 4, 4.6]
    _, output = run(python_block('label_clips(source'), capsys)
    assert re.findall(r'^(\d\.\d+) \S+$', output, re.MULTILINE) == ['0.0', '1.0', '2.0', '3.0', '3.36']


@pytest.mark.usefixtures('in_home')
@pytest.mark.parametrize(
    ('page', 'words'),
    [(page, words) for page in DOCS for words in commands(page) if 'tools/demo/recognize.py' in words],
    ids=lambda value: value if isinstance(value, str) else value[2],
)
def test_recognize_commands(
    home: Path, load_tool: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    page: str, words: list[str],
) -> None:  # fmt: skip
    words = [word.replace('rtsp://HOST/PATH', (home / 'long.mp4').as_uri()) for word in words]
    monkeypatch.setattr(sys, 'argv', words[1:])
    assert load_tool('demo/recognize.py').main() == 0
    output = capsys.readouterr().out
    slides = {'--every', '--duration'} & set(words)
    assert re.search(r'0\.00 - +0\.64 s: ' if slides else r'\.mp4(\n  \S+ +0\.\d{3}( .*)?){5}\n', output)
    for option, size in {'--json': 10, '--timeline': 10_000, '--out': 1000}.items():
        if option in words:
            path = home / words[words.index(option) + 1]
            path = path / 'long.mp4' if path.is_dir() else path
            assert path.stat().st_size > size
    if '--json' in words:
        entries = [json.loads(line) for line in (home / words[words.index('--json') + 1]).read_text().splitlines()]
        assert len(entries) == (6 if '--every' in words else 2)


@pytest.mark.usefixtures('in_home')
def test_mmaction_inferencer_by_name(home: Path, capsys: pytest.CaptureFixture) -> None:
    """It writes a video by moviepy."""
    pytest.importorskip('moviepy')
    names, output = run(python_block('MMAction2Inferencer(rec'), capsys)
    assert len(names['found']['rec_scores'][0]) == 8 and '[[' in output
    capture = cv2.VideoCapture(str(home / 'drawn/video.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 50


@pytest.mark.usefixtures('in_home')
def test_mmpretrain_inferencer_by_name(home: Path, capsys: pytest.CaptureFixture) -> None:
    names, output = run(python_block('ImageClassificationInferencer('), capsys)
    assert len(names['found']['pred_scores']) == 1000 and names['found']['pred_class'] in output
    assert cv2.imread(str(home / 'drawn/image.png')) is not None


@pytest.mark.usefixtures('in_home')
def test_mmdet_inferencer(home: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip('mmcv._ext', reason='detection needs mmcv with compiled ops')
    save(OBJECTS, home / 'epoch_8.pth', dataset_meta=dict(classes=('circle', 'square', 'star', 'moon', 'heart')))
    names, output = run(python_block('DetInferencer('), capsys)
    found = names['found']
    assert len(found['labels']) == len(found['scores']) == len(found['bboxes']) and '[' in output
    assert cv2.imread(str(home / 'drawn/vis/image.jpg')) is not None


@pytest.mark.usefixtures('in_home')
def test_spatiotemporal_command(
    home: Path, load_tool: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('mmcv._ext', reason='detection needs mmcv with compiled ops')
    save(ACTORS, home / 'epoch_2.pth')
    (words,) = (words for words in commands('docs/guides/inference.md') if 'tools/demo/spatiotemporal.py' in words)
    monkeypatch.setattr(sys, 'argv', words[1:])
    assert load_tool('demo/spatiotemporal.py').main() == 0
    entries = json.loads((home / 'shown/video.json').read_text())['key_frames']
    assert [len(entry['boxes']) for entry in entries] == [1, 1]
