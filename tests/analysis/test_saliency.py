"""tools/analysis/saliency.py, mmaction2's and mmpretrain's vis_cam, and pytorch-grad-cam agree on every family."""

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import mmaction
import mmpretrain
import numpy as np
import pytest
import torch
from mmaction.utils import GradCAM
from mmcv.image import imresize
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from pytorch_grad_cam import GradCAM as ImageGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from helpers.micro_backbones import FAMILIES, INPUTS, build, config, randomize
from mmhvt.analysis.clips import Preprocessing
from mmhvt.analysis.extractor import model_cfg
from mmhvt.analysis.saliency import activation_maps, choose_stages, find_class, read_sample
from mmhvt.apis.videos import Video, write_video
from mmhvt.registry import MODELS
from mmhvt.synthetic.moving_shapes import draw_clip

CLASSES = ('walking', 'running', 'jumping', 'talking', 'Sitting down')
RECOGNIZER = """
default_scope = 'mmaction'
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
model = dict(
    type='Recognizer3D',
    backbone={backbone},
    cls_head=dict(type='mmhvt.RecognitionHead', num_classes=5, in_channels={dims}, average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor', format_shape='NCTHW', mean=[114.75] * 3, std=[57.375] * 3))
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='SampleFrames', clip_len=8, frame_interval=2, num_clips={clips}, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 32)),
    dict(type='ThreeCrop', crop_size=32){flat},
    dict(type='PackActionInputs')]
test_dataloader = dict(
    dataset=dict(type='mmhvt.VideoDataset', metainfo=dict(classes={classes}), pipeline=test_pipeline))
"""
CLASSIFIER = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
data_preprocessor = dict(num_classes=5, mean=[124., 116., 104.], std=[58., 57., 57.], to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone={backbone},
    head=dict(type='LinearClsHead', num_classes=5, in_channels={dims}))
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]
test_dataloader = dict(dataset=dict(type='CustomDataset', pipeline=test_pipeline))
"""


def write_config(path: Path, family: str, kind: str, clips: int = 1, classes: object = CLASSES) -> Path:
    text = RECOGNIZER if kind == 'video' else CLASSIFIER
    shape = ", dict(type='FormatShape', input_format='NCTHW')"
    dims = build(family, kind).embed_dims
    path.write_text(text.format(backbone=config(family, kind), dims=dims, clips=clips, classes=classes, flat=shape))
    return path


def build_model(path: Path) -> nn.Module:
    """The model of a config with random weights, in evaluation mode."""
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return randomize(MODELS.build(model_cfg(cfg)))


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video, an image, and a config and a checkpoint of each family for videos and images."""
    folder = tmp_path_factory.mktemp('home')
    frames = draw_clip('right', 24, 48, np.random.default_rng(0))
    write_video(folder / 'clip.mp4', np.pad(frames, ((0, 0), (0, 0), (0, 16), (0, 0)), mode='edge'))
    cv2.imwrite(str(folder / 'photo.png'), np.random.RandomState(0).randint(0, 256, (40, 60, 3), np.uint8))
    for family in FAMILIES:
        for kind in INPUTS:
            path = write_config(folder / f'{family}_{kind}.py', family, kind)
            torch.save(dict(state_dict=build_model(path).state_dict(), meta={}), path.with_suffix('.pth'))
    return folder


# --------------------------------------------------------------------------------------------------------- other tools


@pytest.mark.parametrize('family', FAMILIES)
def test_maps_are_those_of_mmaction(family: str, home: Path) -> None:
    path = home / f'{family}_video.py'
    model, preprocessing = build_model(path), Preprocessing(Config.fromfile(path), center_crop=True)
    sample = read_sample(home / 'clip.mp4', preprocessing, str(path))
    stages = list(range(len(model.backbone.stage_maps)))
    found = activation_maps(model, model.data_preprocessor(sample.data, False), (8, 32, 32), stages)
    for stage in stages:
        cam = GradCAM(model, f'backbone/stage_maps/{stage}')
        expected, _ = cam._calculate_localization_map(sample.data, use_labels=False)
        assert expected.shape == (1, 8, 32, 32) and expected.max() == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(found.maps[stage], expected[0], atol=1e-3)
    with torch.no_grad():
        (scored,) = build_model(path).test_step(sample.data)
    assert found.label == scored.pred_score.argmax() and found.score == pytest.approx(scored.pred_score.max().item())


@pytest.mark.parametrize('family', FAMILIES)
def test_maps_are_those_of_pytorch_grad_cam(family: str, home: Path) -> None:
    path = home / f'{family}_images.py'
    model, preprocessing = build_model(path), Preprocessing(Config.fromfile(path), center_crop=True)
    sample = read_sample(home / 'photo.png', preprocessing, str(path))
    data = model.data_preprocessor(sample.data, False)
    stages = list(range(len(model.backbone.stage_maps)))
    found = activation_maps(model, data, (1, 32, 32), stages, label=3)
    assert found.label == 3
    for stage in stages:
        with ImageGradCAM(model, [model.backbone.stage_maps[stage]]) as cam:
            expected = cam(data['inputs'], [ClassifierOutputTarget(3)])
        np.testing.assert_allclose(found.maps[stage], expected, atol=2e-3)


@pytest.fixture
def run_tool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a script of a package as `python PATH` does; its own scope is what a new process has."""

    def run(package: ModuleType, path: str, *args: str | Path) -> None:
        monkeypatch.setattr(sys, 'argv', [path, *map(str, args)])
        with DefaultScope.overwrite_default_scope(package.__name__):
            runpy.run_path(str(Path(package.__file__).parent / '.mim/tools' / path), run_name='__main__')

    return run


@pytest.mark.parametrize('family', FAMILIES)
def test_vis_cam_of_mmaction(family: str, home: Path, tmp_path: Path, run_tool: Callable[..., None]) -> None:
    path, out = home / f'{family}_video.py', tmp_path / 'cam.gif'
    target = f'backbone/stage_maps/{len(build(family).stage_maps) - 1}'
    options = ['--device', 'cpu', '--target-layer-name', target, '--out-filename', out]
    run_tool(mmaction, 'visualizations/vis_cam.py', path, path.with_suffix('.pth'), home / 'clip.mp4', *options)
    assert Image.open(out).n_frames > 1 and Image.open(out).size == (32, 32)


@pytest.mark.parametrize('family', FAMILIES)
def test_vis_cam_of_mmpretrain(family: str, home: Path, tmp_path: Path, run_tool: Callable[..., None]) -> None:
    path, out = home / f'{family}_images.py', tmp_path / 'cam.png'
    target = f'backbone.stage_maps.{len(build(family).stage_maps) - 1}'
    options = ['--target-layers', target, '--save-path', out]
    run_tool(mmpretrain, 'visualization/vis_cam.py', home / 'photo.png', path, path.with_suffix('.pth'), *options)
    assert cv2.imread(str(out)).shape == (32, 32, 3)


# ------------------------------------------------------------------------------------------------------------- our tool


def test_frames_are_those_of_the_middle_clip_and_crop(home: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path / 'views.py', 'SMViT', 'video', clips=3)
    sample = read_sample(home / 'clip.mp4', Preprocessing(Config.fromfile(path), center_crop=True), str(path))
    video = Video(home / 'clip.mp4')
    # the 16 frames in the middle of 24, one in two
    numbers = np.arange(8) * 2 + 4
    np.testing.assert_allclose(sample.times, numbers / video.fps)
    for number, frame in zip(numbers, sample.frames, strict=True):
        np.testing.assert_array_equal(frame, imresize(video[int(number)], (43, 32))[:, 5:37])


def test_image_is_in_its_colors(home: Path) -> None:
    path = home / 'SMViT_images.py'
    sample = read_sample(home / 'photo.png', Preprocessing(Config.fromfile(path)), str(path))
    expected = imresize(cv2.imread(str(home / 'photo.png')), (32, 32))[..., ::-1]
    np.testing.assert_array_equal(sample.frames, expected[None])


@pytest.fixture(scope='module')
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool('analysis/saliency.py')


@pytest.fixture
def call(
    tool: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Callable[..., list[str]]:
    """Calls the tool in the folder of videos and configs; gives the lines that it prints."""
    monkeypatch.chdir(home)

    def run(*args: str | Path) -> list[str]:
        monkeypatch.setattr(sys, 'argv', ['saliency.py', *map(str, args)])
        capsys.readouterr()
        tool.main()
        return capsys.readouterr().out.splitlines()

    return run


def of(family: str, kind: str) -> list[str]:
    return ['--config', f'{family}_{kind}.py', '--checkpoint', f'{family}_{kind}.pth']


@pytest.mark.parametrize('family', ['MViTv2', 'UniFormerV2'])
def test_video(family: str, call: Callable[..., list[str]], tmp_path: Path) -> None:
    out = tmp_path / 'new' / 'out'
    line, *files = call('clip.mp4', *of(family, 'video'), '--out', out, '--distance', '--class', 'sitting DOWN')
    assert line.startswith('clip.mp4: Sitting down 0.')
    assert files == [str(out / f'clip{end}') for end in ('.png', '.gif', '_distance.json', '_distance.png')]
    film = Image.open(files[1])
    # the input and three stages, 160 pixels high, with gaps of 4
    assert film.n_frames == 8 and film.size == (4 * 160 + 3 * 4, 160)
    layers = json.loads(Path(files[2]).read_text())['layers']
    assert list(layers) == [f'blocks.{i}.attn' for i in range(len(layers))]
    assert cv2.imread(files[0]) is not None and cv2.imread(files[3]) is not None


def test_image(call: Callable[..., list[str]], tmp_path: Path) -> None:
    line, *files = call('photo.png', *of('SMViT', 'images'), '--out', tmp_path, '--distance', '--stages', '-1')
    assert line.startswith('photo.png: class ')
    assert [Path(file).name for file in files] == ['photo.png', 'photo_distance.json', 'photo_distance.png']
    assert 'frames' not in json.loads(Path(files[1]).read_text())['units']


def test_names_of_a_file(call: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / 'names.txt').write_text('a\nb\nc\nd\ne\n')
    options = ['--labels', tmp_path / 'names.txt', '--class', 'd', '--out', tmp_path]
    assert call('photo.png', *of('MViT', 'images'), *options)[0].startswith('photo.png: d 0.')


def test_frames_by_themselves(call: Callable[..., list[str]], home: Path, tmp_path: Path) -> None:
    """A recognizer of frames has a map for each."""
    cfg = Config.fromfile(home / 'VisionTransformer_video.py')
    pipeline = cfg.test_pipeline
    pipeline[1].update(clip_len=1, num_clips=4)
    pipeline[4] = dict(type='CenterCrop', crop_size=32)
    pipeline[5] = dict(type='FormatShape', input_format='NCHW')
    cfg.test_dataloader.dataset.pipeline = pipeline
    backbone = config('VisionTransformer', 'images')
    head = dict(type='TSNHead', num_classes=5, in_channels=24, average_clips='prob')
    cfg.model.data_preprocessor.format_shape = 'NCHW'
    cfg.model.update(type='Recognizer2D', backbone=backbone | dict(out_type='featmap', as_tuple=False), cls_head=head)
    cfg.dump(tmp_path / 'frames.py')
    torch.save(dict(state_dict=build_model(tmp_path / 'frames.py').state_dict(), meta={}), tmp_path / 'frames.pth')
    files = call(
        'clip.mp4', '--config', tmp_path / 'frames.py', '--checkpoint', tmp_path / 'frames.pth', '--out', tmp_path
    )[1:]
    assert Image.open(files[1]).n_frames == 4


def test_stages_that_are_shown() -> None:
    plain = build('VisionTransformer', arch=dict(embed_dims=24, num_heads=2, depth=12, patch_size=8))
    assert choose_stages(plain, None) == [2, 5, 8, 11]
    assert choose_stages(plain, [-1, 0, 0]) == [0, 11]
    early = build('SMViT', out_indices=[0, 1])
    assert choose_stages(early, None) == [0, 1]
    with pytest.raises(ValueError, match='--stages 2: there are stages 0 to 1'):
        choose_stages(early, [2])


def test_classes_by_name_and_number() -> None:
    names = ['Up', 'up', '7', 'down']
    found = [find_class(text, names) for text in ('Up', 'up', 'UP', '7', '3', 'DOWN')]
    assert found == [0, 1, 0, 2, 3, 3]


BAD = {
    'unknown class': (['clip.mp4', *of('SMViT', 'video'), '--class', 'jumpin'], 'nearest names are jumping'),
    'class beyond': (['clip.mp4', *of('SMViT', 'video'), '--class', '5'], '--class 5: .* are 0 to 4'),
    'negative class': (['clip.mp4', *of('SMViT', 'video'), '--class=-1'], '--class -1: .* are 0 to 4'),
    'stage beyond': (['clip.mp4', *of('SMViT', 'video'), '--stages', '3'], '--stages 3: there are stages 0 to 2'),
    'image for videos': (['photo.png', *of('SMViT', 'video')], 'photo.png is an image, .* takes videos'),
    'video for images': (['clip.mp4', *of('SMViT', 'images')], 'clip.mp4 cannot be read as an image, .* takes images'),
    'no file': (['none.mp4', *of('SMViT', 'video')], 'none.mp4: no such file'),
    'folder': (['.', *of('SMViT', 'video')], r'^saliency.py: \.: no such file'),
    'no video': (['SMViT_video.py', *of('SMViT', 'video')], 'SMViT_video.py'),
    'cut video': (['cut.mp4', *of('SMViT', 'video')], 'cut.mp4'),
    'no config': (['clip.mp4', '--config', 'x.py', '--checkpoint', 'x.pth'], 'x.py: no such config file'),
    'no checkpoint': (['clip.mp4', '--config', 'SMViT_video.py', '--checkpoint', 'x.pth'], 'x.pth'),
    'without checkpoint': (['clip.mp4', '--config', 'SMViT_video.py'], 'SMViT_video.py is a config without weights'),
    'other checkpoint': (
        ['clip.mp4', '--config', 'SMViT_video.py', '--checkpoint', 'MViT_video.pth'],
        'MViT_video.pth .*SMViT',
    ),
    'labels': (['clip.mp4', *of('SMViT', 'video'), '--labels', 'few.txt'], 'few.txt names 1 classes, the head has 5'),
    'device': (['clip.mp4', *of('SMViT', 'video'), '--device', 'tpu'], '--device tpu'),
    'other backbone': (['clip.mp4', '--config', 'other.py', '--checkpoint', 'other.pth'], 'ResNet3dSlowOnly is no'),
    'detector': (['clip.mp4', '--config', 'mae.py', '--checkpoint', 'other.pth'], 'test_dataloader'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input_is_one_line(case: str, call: Callable[..., list[str]], home: Path, tmp_path: Path) -> None:
    args, says = BAD[case]
    whole = (home / 'clip.mp4').read_bytes()
    (home / 'cut.mp4').write_bytes(whole[: len(whole) // 2])
    (home / 'few.txt').write_text('one\n')
    (home / 'mae.py').write_text("_base_ = 'SMViT_video.py'\ntest_dataloader = None\n")
    if case == 'other backbone':
        cfg = Config.fromfile(home / 'SMViT_video.py')
        cfg.model.backbone = dict(type='ResNet3dSlowOnly', depth=18, pretrained=None, lateral=False)
        cfg.model.cls_head = dict(type='I3DHead', num_classes=5, in_channels=512)
        cfg.dump(home / 'other.py')
        torch.save(dict(state_dict=build_model(home / 'other.py').state_dict(), meta={}), home / 'other.pth')
    with pytest.raises(SystemExit, match=says) as error:
        call(*args, '--out', tmp_path / 'out')
    message = str(error.value)
    assert message.startswith('saliency.py: ') and '\n' not in message and 'Traceback' not in message
    assert not (tmp_path / 'out').exists()
