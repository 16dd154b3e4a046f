"""Features of videos: the same numbers as by hand, whole files, constant memory, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import decord
import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from torch import nn

from helpers import ROOT
from mmhvt.analysis import features
from mmhvt.analysis.clips import Sampling
from mmhvt.analysis.extractor import Extractor
from mmhvt.analysis.feature_files import ArrayFile, _machine, find_videos, open_output, output_names, read_list
from mmhvt.apis.videos import write_video
from mmhvt.migrate import get_source
from mmhvt.migrate.labels import label_list
from mmhvt.synthetic.moving_shapes import MOTIONS, draw_clip

hiera = get_source('hiera.fair')

CONFIGS = ROOT / 'configs'
SMVIT = CONFIGS / 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
MVITV2 = CONFIGS / 'mvitv2/mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
UNIFORMERV2 = CONFIGS / 'uniformerv2/uniformerv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
MAE = CONFIGS / 'mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb.py'
AVA = CONFIGS / 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
COCO = CONFIGS / 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
# of mmpretrain, of mmaction on frames, with several crops, with clips of frames from all over the video
WRITTEN = dict(
    mvit=f"""
_base_ = '{MVITV2}'
model = dict(
    backbone=dict(arch=dict(_delete_=True, version=1, embed_dims=24, num_heads=1, depths=(1, 1, 1))),
    cls_head=dict(in_channels=96))
""",
    uniformerv2_global=f"""
_base_ = '{UNIFORMERV2}'
model = dict(backbone=dict(global_layers='last 2'))
""",
    image="""
default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)
data_preprocessor = dict(num_classes=5, mean=[120., 110., 100.], std=[60., 50., 40.], to_rgb=True)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmhvt.SMViT', arch=dict(embed_dims=24, num_heads=1, depths=(1, 1, 1, 1)), input_size=(32, 32)),
    head=dict(type='LinearClsHead', num_classes=5, in_channels=192))
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]
test_dataloader = dict(dataset=dict(type='CustomDataset', pipeline=test_pipeline))
""",
    resnet="""
default_scope = 'mmaction'
model = dict(
    type='Recognizer2D',
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[1., 2., 3.], std=[60., 50., 40.], format_shape='NCHW'),
    backbone=dict(type='mmaction.ResNet', depth=18, norm_eval=False),
    cls_head=dict(type='TSNHead', num_classes=5, in_channels=512))
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=3, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(type='VideoDataset', pipeline=test_pipeline))
""",
    crops=f"""
_base_ = '{SMVIT}'
test_pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=8, num_clips=2, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 40)),
    dict(type='mmhvt.ThreeCrop', crop_size=32),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
""",
)
FAMILIES = ['smvit', 'mvit', 'mvitv2', 'video_swin', 'uniformerv2', 'uniformerv2_global']
FRAMES = {'a/x.mp4': 41, 'b/x.mp4': 24, 'short.mp4': 5}


@pytest.fixture(scope='module')
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    """The script as a module."""
    return load_tool('analysis/extract_features.py')


def build(config: Path | str) -> nn.Module:
    """The model of a config with random weights, ready to test."""
    cfg = Config.fromfile(config)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model_cfg = cfg.model
        if 'data_preprocessor' in cfg:
            model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
        model = MODELS.build(model_cfg)
    for value in model.parameters():
        nn.init.normal_(value, 0.1 if value.ndim == 1 else 0, 0.1)
    return model.eval()


@pytest.fixture(scope='module')
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with videos and configs, to call the tool in."""
    folder = tmp_path_factory.mktemp('home')
    for i, (name, frames) in enumerate(FRAMES.items()):
        path = folder / 'videos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, draw_clip('right', frames, 64, np.random.default_rng(i)))
    for name, text in WRITTEN.items():
        (folder / f'{name}.py').write_text(text)
    return folder


@pytest.fixture(scope='module')
def model_of(home: Path) -> Callable[[str], tuple[Path, Path, nn.Module]]:
    """Config, checkpoint and model of a name, made once."""
    made: dict[str, tuple[Path, Path, nn.Module]] = {}
    paths = dict(smvit=SMVIT, mvitv2=MVITV2, uniformerv2=UNIFORMERV2, mae=MAE, ava=AVA, coco=COCO)
    paths['video_swin'] = CONFIGS / 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'

    def get(name: str) -> tuple[Path, Path, nn.Module]:
        if name not in made:
            config, checkpoint = paths.get(name, home / f'{name}.py'), home / f'{name}.pth'
            model = build(config)
            torch.save(dict(state_dict=model.state_dict()), checkpoint)
            made[name] = config, checkpoint, model
        return made[name]

    return get


@pytest.fixture
def call(tool: ModuleType, home: Path, model_of, monkeypatch: pytest.MonkeyPatch):
    """Calls the tool in `home` for a model; `words` are further arguments. Returns the exit status."""

    def call(name: str, out: Path, *words: object, config: Path | None = None, checkpoint: object = None) -> int:
        own, weights, _ = model_of(name)
        given = [config or own, checkpoint or weights, '--out', out, '--device', 'cpu', '--num-workers', 0, *words]
        monkeypatch.chdir(home)
        monkeypatch.setattr(sys, 'argv', ['extract_features.py', *map(str, given)])
        return tool.main()

    return call


def decode(path: Path | str) -> np.ndarray:
    video = decord.VideoReader(str(path))
    return np.stack([video[i].asnumpy() for i in range(len(video))])


def windows(frames: np.ndarray, stride: int) -> list[np.ndarray]:
    """Clips of 8 frames, 2 apart, the last of which sees the last frame."""
    found, start = [], 0
    while True:
        found.append(frames[np.minimum(start + np.arange(0, 16, 2), len(frames) - 1)])
        if start + 15 >= len(frames):
            return found
        start += stride


def inputs_of(clips: list[np.ndarray], mean: list, std: list) -> torch.Tensor:
    """(N, 3, T, 32, 32), resized and normalized."""
    small = np.stack([[mmcv.imresize(frame, (32, 32)) for frame in clip] for clip in clips]).astype(np.float32)
    return torch.from_numpy((small - np.float32(mean)) / np.float32(std)).permute(0, 4, 1, 2, 3).contiguous()


# ---- numbers


@pytest.mark.parametrize('family', FAMILIES)
def test_features_and_scores_are_those_by_hand(
    family: str, call, model_of: Callable, home: Path, tmp_path: Path
) -> None:
    """Of sliding windows; the same files by hand through decord, resizing, normalization, backbone and head."""
    assert call(family, tmp_path, 'videos', '--stride', 4, '--scores', '--batch-size', 3) == 0
    model = model_of(family)[2]
    preprocessor = model.data_preprocessor
    mean, std = (getattr(preprocessor, name).flatten().tolist() for name in ('mean', 'std'))
    for name, frames in FRAMES.items():
        found = np.load(tmp_path / f'{name[:-4]}.npy')
        x = inputs_of(windows(decode(home / 'videos' / name), 4), mean, std)
        with torch.no_grad():
            (wanted,), _ = model.extract_feat(x[:, None], stage='backbone')
            scores = model.cls_head((wanted,)).softmax(1)
        assert found.dtype == np.float32 and found.shape == (max(1, -(-(frames - 15) // 4) + 1), wanted.shape[1])
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(np.load(tmp_path / f'{name[:-4]}.scores.npy'), scores, atol=1e-5)
        if len(found) > 1:
            assert not np.allclose(found[0], found[1], atol=1e-3)  # windows differ by more than the tolerance

    info = json.loads((tmp_path / 'b/x.json').read_text())
    assert info['clips'] == [[0, 14], [4, 18], [8, 22], [12, 23]] and info['frames'] == 24 and info['fps'] == 16
    assert info['seconds'][1] == pytest.approx([4 / 16, 19 / 16]) and info['files'] == ['b/x.npy', 'b/x.scores.npy']
    best = [labels[0] for labels in info['labels']]
    scores = np.load(tmp_path / 'b/x.scores.npy')
    assert [b['label'] for b in best] == scores.argmax(1).tolist()


def test_clips_are_those_that_the_runner_tests(call, model_of: Callable, home: Path, tmp_path: Path) -> None:
    names = tmp_path / 'names.txt'
    names.write_text('\n'.join(MOTIONS), encoding='utf-8-sig')
    assert label_list(names)[0] == (list(MOTIONS)[0],)  # without the byte order mark
    assert call('mvitv2', tmp_path / 'out', 'videos', '--scores', '--labels', names) == 0
    config, checkpoint, _ = model_of('mvitv2')
    cfg = Config.fromfile(config)
    (tmp_path / 'list.txt').write_text(''.join(f'{name} 0\n' for name in FRAMES))
    cfg.work_dir, cfg.load_from = str(tmp_path), str(checkpoint)
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(
        ann_file=str(tmp_path / 'list.txt'), data_root=str(home / 'videos'), data_prefix=dict(video='')
    )
    cfg.test_evaluator = dict(type='DumpResults', out_file_path=str(tmp_path / 'dump.pkl'))
    Runner.from_cfg(cfg).test()
    import pickle

    for name, sample in zip(FRAMES, pickle.loads((tmp_path / 'dump.pkl').read_bytes()), strict=True):
        (found,) = np.load(tmp_path / f'out/{name[:-4]}.scores.npy')
        np.testing.assert_allclose(found, sample['pred_score'], atol=1e-5)
        (labels,) = json.loads((tmp_path / f'out/{name[:-4]}.json').read_text())['labels']
        assert labels[0]['name'] == list(MOTIONS)[int(found.argmax())] and len(labels) == 5


@pytest.mark.parametrize('family', ['smvit', 'mvitv2', 'uniformerv2_global'])
def test_any_stage_as_maps_and_pooled(family: str, call, model_of: Callable, home: Path, tmp_path: Path) -> None:
    stages = [0, -1]
    video = 'videos/b/x.mp4'
    words = (video, '--stride', 8, '--stage', *stages)
    assert call(family, tmp_path / 'maps', *words, '--pool', 'none') == 0
    assert call(family, tmp_path / 'space', *words, '--pool', 'space') == 0
    assert call(family, tmp_path / 'mean', *words, '--out-type', 'featmap', '--scores') == 0
    assert call(family, tmp_path / 'raw', *words, '--out-type', 'raw') == 0
    config, _, model = model_of(family)
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope('mmaction'):
        backbone = MODELS.build({**cfg.model.backbone, 'out_indices': stages, 'out_type': 'featmap'}).eval()
    lacking = backbone.load_state_dict(model.backbone.state_dict(), strict=False).missing_keys
    assert all(name.startswith('norm0.') for name in lacking)
    mean, std = (getattr(model.data_preprocessor, name).flatten().tolist() for name in ('mean', 'std'))
    x = inputs_of(windows(decode(home / video), 8), mean, std)
    with torch.no_grad():
        outputs = backbone(x)
        scores = model.cls_head(model.backbone(x)).softmax(1)
    for stage, output in zip(backbone.out_indices, outputs, strict=True):
        maps = np.load(tmp_path / f'maps/x.stage{stage}.npy')
        assert maps.ndim == 5 and len(maps) == 3
        np.testing.assert_allclose(maps, output, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(np.load(tmp_path / f'space/x.stage{stage}.npy'), maps.mean((-1, -2)), atol=1e-4)
        np.testing.assert_allclose(np.load(tmp_path / f'mean/x.stage{stage}.npy'), maps.mean((2, 3, 4)), atol=1e-4)
        assert np.load(tmp_path / f'raw/x.stage{stage}.npy').shape == maps.shape[:2]
    np.testing.assert_allclose(np.load(tmp_path / 'mean/x.scores.npy'), scores, atol=1e-5)


def test_a_stage_that_the_config_has_is_the_default(call, tmp_path: Path) -> None:
    assert call('mvit', tmp_path / 'a', 'videos/short.mp4') == 0
    assert call('mvit', tmp_path / 'b', 'videos/short.mp4', '--stage', -1) == 0
    assert call('mvit', tmp_path / 'c', 'videos/short.mp4', '--stage', -1, '--out-type', 'avg_featmap') == 0
    own, same, other = (np.load(tmp_path / name / 'short.npy') for name in 'abc')
    assert np.array_equal(own, same) and not np.allclose(own, other, atol=1e-2)


def test_frames_of_image_models(call, model_of: Callable, home: Path, tmp_path: Path) -> None:
    """Every frame, some of them, and every fourth of an mmpretrain classifier, which wants BGR."""
    frames = decode(home / 'videos/b/x.mp4')
    x = inputs_of([frames[:, None][i] for i in range(len(frames))], [120, 110, 100], [60, 50, 40])[:, :, 0]
    model = model_of('image')[2]
    with torch.no_grad():
        (wanted,) = model.backbone(x)
        scores = model.head((wanted,)).softmax(1)
    assert call('image', tmp_path / 'a', 'videos/b/x.mp4', '--scores') == 0
    np.testing.assert_allclose(np.load(tmp_path / 'a/x.npy'), wanted, atol=1e-4)
    np.testing.assert_allclose(np.load(tmp_path / 'a/x.scores.npy'), scores, atol=1e-5)
    assert call('image', tmp_path / 'b', 'videos/b/x.mp4', '--stride', '0.25s') == 0
    np.testing.assert_allclose(np.load(tmp_path / 'b/x.npy'), wanted[::4], atol=1e-4)
    assert call('image', tmp_path / 'c', 'videos/b/x.mp4', '--num-clips', 3) == 0
    np.testing.assert_allclose(np.load(tmp_path / 'c/x.npy'), wanted[[4, 12, 20]], atol=1e-4)


def test_frames_of_a_backbone_of_mmaction(call, model_of: Callable, home: Path, tmp_path: Path) -> None:
    assert call('resnet', tmp_path / 'a', 'videos/b/x.mp4', '--scores') == 0
    assert call('resnet', tmp_path / 'b', 'videos/b/x.mp4', '--stride', 8, '--pool', 'none') == 0
    frames = decode(home / 'videos/b/x.mp4')
    x = inputs_of([frames[:, None][i] for i in range(len(frames))], [1, 2, 3], [60, 50, 40])[:, :, 0]
    with torch.no_grad():
        maps = model_of('resnet')[2].backbone(x)
    np.testing.assert_allclose(np.load(tmp_path / 'a/x.npy'), maps[[4, 12, 20]].mean((2, 3)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.load(tmp_path / 'b/x.npy'), maps[::8], rtol=1e-3, atol=1e-3)
    assert np.load(tmp_path / 'a/x.scores.npy').shape == (3, 5)
    assert call('resnet', tmp_path / 'c', 'videos/b/x.mp4', '--stage', 1, 3) == 0
    np.testing.assert_allclose(np.load(tmp_path / 'c/x.stage3.npy'), np.load(tmp_path / 'a/x.npy'), atol=1e-4)
    assert np.load(tmp_path / 'c/x.stage1.npy').shape == (3, 128)


def test_backbones_of_detectors(call, model_of: Callable, home: Path, tmp_path: Path) -> None:
    assert call('ava', tmp_path / 'ava', 'videos/b/x.mp4', '--stride', '1s') == 0
    frames, model = decode(home / 'videos/b/x.mp4'), model_of('ava')[2]
    with open(tmp_path / 'ava/x.json') as file:
        clips = json.load(file)['clips']
    numbers = np.minimum(np.array([[0], [16]]) + np.arange(8) * 2, 23)  # its 8 x 2 frames are of 16 a second
    assert clips == [[0, 14], [16, 23]]
    x = torch.from_numpy(np.stack([frames[row] for row in numbers])).float()  # its pipeline resizes nothing
    preprocessor = model.data_preprocessor
    mean, std = (getattr(preprocessor, name).flatten() for name in ('mean', 'std'))
    with torch.no_grad():
        (maps,) = model.extract_feat(((x - mean) / std).permute(0, 4, 1, 2, 3))
    found = np.load(tmp_path / 'ava/x.npy')
    assert found.shape == (2, maps.shape[1])
    np.testing.assert_allclose(found, maps.mean((2, 3, 4)), rtol=1e-3, atol=1e-3)

    assert call('coco', tmp_path / 'coco', 'videos/short.mp4') == 0
    assert call('coco', tmp_path / 'map', 'videos/short.mp4', '--stage', 1, '--pool', 'none') == 0
    shapes = [np.load(tmp_path / f'coco/short.stage{stage}.npy').shape for stage in range(4)]
    assert [shape[0] for shape in shapes] == [5] * 4 and [shape[1] // shapes[0][1] for shape in shapes] == [1, 2, 4, 8]
    pooled, maps = np.load(tmp_path / 'coco/short.stage1.npy'), np.load(tmp_path / 'map/short.npy')
    np.testing.assert_allclose(pooled, maps.mean((2, 3)), atol=1e-4)


def test_crops_are_averaged_or_the_middle_one(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_video(
        home / 'wide.mp4', np.pad(draw_clip('up', 20, 64, np.random.default_rng(5)), ((0, 0),) * 2 + ((0, 40), (0, 0)))
    )
    assert call('crops', tmp_path / 'a', 'wide.mp4', '--scores') == 0
    assert call('crops', tmp_path / 'b', 'wide.mp4', '--center-crop') == 0
    assert call('crops', tmp_path / 'c', 'wide.mp4', '--center-crop', '--pool', 'none') == 0
    mean, middle, maps = (np.load(tmp_path / name / 'wide.npy') for name in 'abc')
    assert mean.shape == middle.shape == maps.shape[:2] == (2, 384) and not np.allclose(mean, middle)
    np.testing.assert_allclose(np.load(tmp_path / 'a/wide.scores.npy').sum(1), 1, atol=1e-5)
    assert call('crops', tmp_path / 'd', 'wide.mp4', '--pool', 'none') == 1
    assert '3 crops of a clip' in capsys.readouterr().err


def test_checkpoints_of_pre_training_and_of_the_authors(
    call, model_of: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """MAE gives its backbone to the config of fine-tuning; a file of Hiera is converted on the way."""
    _, mae, model = model_of('mae')
    assert call('smvit', tmp_path / 'mae', 'videos/short.mp4', '--out-type', 'featmap', checkpoint=mae) == 0
    assert (
        'not in the file and left as initialized: backbone.norm.bias, backbone.norm.weight' in capsys.readouterr().out
    )
    assert call('smvit', tmp_path / 'no', 'videos/short.mp4', '--scores', checkpoint=mae) == 1
    assert 'lacks weights for them: cls_head' in capsys.readouterr().err
    assert call('mae', tmp_path / 'no', 'videos/short.mp4') == 1
    assert 'a fine-tuning config has one' in capsys.readouterr().err

    theirs = hiera.export(model_of('smvit')[2].state_dict())
    torch.save(dict(model_state=theirs), tmp_path / 'hiera.pth')
    assert call('smvit', tmp_path / 'a', 'videos/short.mp4', '--scores', checkpoint=tmp_path / 'hiera.pth') == 0
    assert call('smvit', tmp_path / 'b', 'videos/short.mp4', '--scores') == 0
    for file in ('short.npy', 'short.scores.npy'):
        assert np.array_equal(np.load(tmp_path / 'a' / file), np.load(tmp_path / 'b' / file))


def test_edit_lists(call, model_of: Callable, tmp_path: Path) -> None:
    """Features of the frames that a player shows, of a file that was cut without encoding it again."""
    path = ROOT / 'tests/data/edit_lists/h264_trimmed.mp4'
    capture, shown = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (read := capture.read())[0]:
        shown.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)[None])
    assert len(shown) < len(decord.VideoReader(str(path)))
    with torch.no_grad():
        (wanted,) = model_of('image')[2].backbone(inputs_of(shown, [120, 110, 100], [60, 50, 40])[:, :, 0])
    assert call('image', tmp_path, path) == 0
    found = np.load(tmp_path / 'h264_trimmed.npy')
    assert found.shape == wanted.shape
    # each is nearest to its own frame: the libraries round colors differently
    distances = torch.cdist(torch.from_numpy(found), wanted)
    assert (distances.argmin(1) == torch.arange(len(found))).all()


def test_rates_and_lengths(call, home: Path, tmp_path: Path) -> None:
    """A video at half the rate with every frame once is what one at the full rate is with every frame twice."""
    frames = draw_clip('left', 24, 64, np.random.default_rng(1))
    write_video(home / 'slow.mp4', frames, 8)
    words = ('slow.mp4', '--stride', 4, '--clip-len', 4)
    assert call('smvit', tmp_path / 'a', *words, '--fps', 16, '--frame-interval', 2, '--pool', 'space') == 0
    assert call('smvit', tmp_path / 'b', 'slow.mp4', '--stride', 2, '--clip-len', 4, '--frame-interval', 1,
                '--pool', 'space') == 0  # fmt: skip
    one, other = (json.loads((tmp_path / name / 'slow.json').read_text()) for name in 'ab')
    assert one['clips'][:11] == other['clips'][:11] and one['seconds'][:11] == other['seconds'][:11]
    one, other = (np.load(tmp_path / name / 'slow.npy') for name in 'ab')
    assert one.shape[1:] == (384, 2)
    np.testing.assert_allclose(one[:11], other[:11], atol=1e-5)


def test_workers_half_precision_and_batches_make_no_difference(
    call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call('smvit', tmp_path / 'a', 'videos', '--stride', 2) == 0
    assert call('smvit', tmp_path / 'b', 'videos', '--stride', 2, '--batch-size', 1, '--dtype', 'float16') == 0
    assert call('smvit', tmp_path / 'c', 'videos', '--stride', 2, '--num-workers', 2) == 0
    assert call('smvit', tmp_path / 'd', 'videos', '--stride', 2, '--amp') == 0
    for name in FRAMES:
        one, half, other, mixed = (np.load(tmp_path / folder / f'{name[:-4]}.npy') for folder in 'abcd')
        assert half.dtype == np.float16 and np.array_equal(one, other)
        np.testing.assert_allclose(half, one, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(mixed, one, rtol=0.1, atol=0.1)
        assert not np.array_equal(mixed, one)


# ---- files


def test_h5_has_what_folders_have(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    h5py = pytest.importorskip('h5py')
    words = ('--stride', 1, '--scores', '--stage', 0, -1)
    assert call('smvit', tmp_path / 'npy', 'videos', *words) == 0
    out = tmp_path / 'new/all.h5'
    assert call('smvit', out, 'videos/a', *words, '--video-root', 'videos') == 0
    (home / 'videos/bad.mp4').write_bytes(b'no video')
    assert call('smvit', out, 'videos', *words, '--video-root', 'videos') == 1  # adds to it
    (home / 'videos/bad.mp4').unlink()
    assert [path.name for path in out.parent.iterdir()] == ['all.h5']
    with h5py.File(out) as file:
        for name in FRAMES:
            info = json.loads((tmp_path / f'npy/{name[:-4]}.json').read_text())
            for kind in ('stage0', 'stage3', 'scores'):
                dataset = file[f'{name[:-4]}.{kind}']
                assert np.array_equal(dataset, np.load(tmp_path / f'npy/{name[:-4]}.{kind}.npy'))
                assert np.array_equal(dataset.attrs['clips'], info['clips'])
                assert np.array_equal(dataset.attrs['seconds'], info['seconds'])
                assert dataset.attrs['fps'] == 16 and dataset.attrs['video'] == str(home / 'videos' / name)
    before = out.stat().st_mtime_ns
    assert call('smvit', out, 'videos', *words, '--video-root', 'videos') == 0
    assert call('smvit', out, 'videos', '--stride', 2, '--video-root', 'videos') == 1
    assert "stride='1', now it is '2'" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == before


def test_h5_holds_the_times_of_long_videos(call, home: Path, tmp_path: Path) -> None:
    """Of 6000 clips they are more than the 64 KB that attributes of HDF5 used to have."""
    h5py = pytest.importorskip('h5py')
    out = open_output(tmp_path / 'a.h5', dict(x=1))
    file = ArrayFile(out.file('v', ''), 6000, 'float32')
    file.append(np.arange(12000, dtype=np.float32).reshape(6000, 2))
    file.finish()
    clips = [[i, i + 15] for i in range(6000)]
    info = dict(name='v', clips=clips, seconds=clips, files=['v.npy'], settings=dict(x=1))
    (out.parts.path / 'v.json').write_text(json.dumps(info))
    out.finish()
    with h5py.File(tmp_path / 'a.h5') as file:
        assert np.array_equal(file['v'].attrs['clips'], clips) and file['v'][-1].tolist() == [11998, 11999]


def test_a_killed_run_leaves_no_half_file_and_goes_on(
    call, model_of: Callable, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ('videos/b', 'videos/a', '--stride', 1, '--batch-size', 8, '--video-root', 'videos')
    model_of('smvit')
    if (child := os.fork()) == 0:
        torch.set_num_threads(1)  # OpenMP's do not outlive a fork
        signal.alarm(100)
        append, calls = ArrayFile.append, []

        def dies(self: ArrayFile, rows: np.ndarray) -> None:
            append(self, rows)
            calls.append(self.path.name)
            if len(calls) == 4:  # in the middle of the second video
                self._file.flush()
                os.kill(os.getpid(), signal.SIGKILL)

        ArrayFile.append = dies
        call('smvit', tmp_path / 'out', *words)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    half, *files = sorted(str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*.*'))
    assert half.startswith('a/x.npy.') and half.endswith(f'-{child}.unfinished') and files == ['b/x.json', 'b/x.npy']
    written = (tmp_path / 'out' / half).stat().st_size
    before = (tmp_path / 'out/b/x.npy').stat().st_mtime_ns
    assert call('smvit', tmp_path / 'out', *words) == 0
    assert '1 of 2 videos are done already' in capsys.readouterr().out
    assert (tmp_path / 'out/b/x.npy').stat().st_mtime_ns == before
    assert call('smvit', tmp_path / 'whole', *words) == 0
    for name in ('a/x', 'b/x'):
        assert np.array_equal(np.load(tmp_path / f'out/{name}.npy'), np.load(tmp_path / f'whole/{name}.npy'))
    assert 0 < written < (tmp_path / 'out/a/x.npy').stat().st_size  # it was killed in the middle
    assert not list((tmp_path / 'out').rglob('*.unfinished'))


def test_unfinished_files_of_others(tmp_path: Path) -> None:
    """Parallel calls do not share them; those of dead processes, and old ones of other machines, are removed."""
    ready, go = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        signal.alarm(30)  # if the test fails
        file = ArrayFile(tmp_path / 'x.npy', 2, 'float32')
        file.append(np.ones((1, 3)))
        os.write(ready[1], b'.')
        os.read(go[0], 1)
        file.append(np.ones((1, 3)))
        file.finish()
        os._exit(0)
    os.read(ready[0], 1)
    out = open_output(tmp_path, {})
    old, new, dead, theirs = (
        tmp_path / f'{name}.unfinished'
        for name in ('a.npy.00000000-1', 'b.npy.00000000-1', f'c.npy.{_machine()}-{2**22 + 1}', 'my own')
    )
    for path in (old, new, dead, theirs):
        path.touch()
    os.utime(old, (0, 0))
    mine = ArrayFile(tmp_path / 'x.npy', 1, 'float32')
    out.remove_stale()
    assert new.exists() and theirs.exists() and not old.exists() and not dead.exists()
    mine.append(np.zeros((1, 3)))
    mine.finish()
    assert np.load(tmp_path / 'x.npy').tolist() == [[0, 0, 0]]
    os.write(go[1], b'.')
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.load(tmp_path / 'x.npy').tolist() == [[1, 1, 1]] * 2


@pytest.mark.parametrize('out', ['folder', 'all.h5'])
def test_a_name_that_is_there_for_another_video(
    out: str, call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A list that is split over calls: names are below the folder that the videos of each share."""
    if out == 'all.h5':
        pytest.importorskip('h5py')
    for name in 'ab':
        (tmp_path / f'{name}.txt').write_text(f'videos/{name}/x.mp4\n')
    first, second = (('--list', tmp_path / f'{name}.txt') for name in 'ab')
    assert call('smvit', tmp_path / out, *first) == 0
    capsys.readouterr()
    assert call('smvit', tmp_path / out, *second) == 1
    err = capsys.readouterr().err
    assert all(f'{home}/videos/{name}/x.mp4' in err for name in 'ab') and '--video-root' in err
    assert call('smvit', tmp_path / out, home / 'videos/a/x.mp4') == 0  # the same, called otherwise
    assert '1 of 1 videos are done already' in capsys.readouterr().out
    if out == 'folder':
        assert call('smvit', tmp_path / out, *second, '--overwrite') == 0
        assert json.loads((tmp_path / out / 'x.json').read_text())['video'] == f'{home}/videos/b/x.mp4'
    for words in (first, second):
        assert call('smvit', tmp_path / f'new {out}', *words, '--video-root', '.') == 0
    assert 'are done already' not in capsys.readouterr().out


def test_a_parallel_call_takes_the_name(
    call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    forward = Extractor.__call__

    def meanwhile(self: Extractor, samples: list) -> dict:
        monkeypatch.setattr(Extractor, '__call__', forward)
        assert call('smvit', tmp_path / 'out', 'videos/a/x.mp4') == 0
        return forward(self, samples)

    monkeypatch.setattr(Extractor, '__call__', meanwhile)
    assert call('smvit', tmp_path / 'out', 'videos/b/x.mp4') == 1
    assert f'not done: videos/b/x.mp4: {tmp_path}/out/x.json belongs to the video' in capsys.readouterr().err
    assert json.loads((tmp_path / 'out/x.json').read_text())['video'] == f'{home}/videos/a/x.mp4'
    assert len(list((tmp_path / 'out').iterdir())) == 2


def test_an_h5_file_of_two_calls_at_once(tmp_path: Path) -> None:
    """The one that ends first adds what is whole, and leaves the other's."""
    h5py = pytest.importorskip('h5py')
    calls = {name: open_output(tmp_path / 'a.h5', {}) for name in 'vw'}
    files = {name: ArrayFile(out.file(name, ''), 1, 'float32') for name, out in calls.items()}
    for name, out in calls.items():
        files[name].append(np.full((1, 2), ord(name)))
        files[name].finish()
        info = dict(name=name, video=f'/{name}.mp4', files=[f'{name}.npy'], settings={})
        (out.parts.path / f'{name}.json').write_text(json.dumps(info))
        out.finish()
    with h5py.File(tmp_path / 'a.h5') as file:
        assert file['v'][0, 0] == ord('v') and file['w'][0, 0] == ord('w')
    assert [path.name for path in tmp_path.iterdir()] == ['a.h5']


def test_ctrl_c(
    call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    forward, calls = Extractor.__call__, []

    def interrupted(self: Extractor, samples: list) -> dict:
        calls.append(len(samples))
        if len(calls) == 6:  # in the middle of the second video
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, samples)

    monkeypatch.setattr(Extractor, '__call__', interrupted)
    assert call('smvit', tmp_path / 'out', 'videos', '--stride', 2, '--batch-size', 4) == 130
    assert 'the same command resumes' in capsys.readouterr().err
    files = sorted(str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*.*'))
    assert files and not any('unfinished' in file for file in files)
    monkeypatch.setattr(Extractor, '__call__', forward)
    assert call('smvit', tmp_path / 'out', 'videos', '--stride', 2, '--batch-size', 4) == 0
    assert len(list((tmp_path / 'out').rglob('*.npy'))) == 3


def test_other_settings_are_not_mixed(call, model_of: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    video = 'videos/short.mp4'
    assert call('smvit', tmp_path / 'out', video, '--stride', 2) == 0
    made = (tmp_path / 'out/short.npy').stat().st_mtime_ns
    assert call('smvit', tmp_path / 'out', video, '--stride', 4) == 1
    assert "stride='2', now it is '4'" in capsys.readouterr().err
    model = build(SMVIT)
    nn.init.zeros_(model.backbone.norm.weight)
    torch.save(model.state_dict(), tmp_path / 'other.pth')
    assert call('smvit', tmp_path / 'out', video, '--stride', 2, checkpoint=tmp_path / 'other.pth') == 1
    assert 'was made with checkpoint=' in capsys.readouterr().err
    assert (tmp_path / 'out/short.npy').stat().st_mtime_ns == made
    assert call('smvit', tmp_path / 'out', video, '--stride', 4, '--overwrite') == 0
    assert json.loads((tmp_path / 'out/short.json').read_text())['settings']['stride'] == '4'


def test_memory_does_not_grow_with_the_video(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames are 1106 MB, which nobody keeps."""
    texture = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    texture, held = cv2.GaussianBlur(texture, (15, 15), 0), []
    write_video(tmp_path / 'long.mp4', (np.roll(texture, i, 1) for i in range(400)), 16)

    def weighs(function: Callable) -> Callable:
        def weigh(*args: object) -> object:
            time.sleep(0.1)  # as of a large model, meanwhile decord would decode all of it
            held.append(int(Path('/proc/self/status').read_text().split('RssAnon:')[1].split()[0]) / 1024)
            return function(*args)

        return weigh

    monkeypatch.setattr(features, 'open_output', weighs(features.open_output))  # the model is there, nothing is read
    monkeypatch.setattr(Extractor, '__call__', weighs(Extractor.__call__))
    assert call('smvit', tmp_path / 'out', tmp_path / 'long.mp4', '--stride', 8, '--batch-size', 2) == 0
    assert len(np.load(tmp_path / 'out/long.npy')) == 50 and len(held) >= 26
    assert max(held) - held[0] < 250, held


# ---- names and lists


def test_names_keep_folders_and_do_not_meet(tmp_path: Path) -> None:
    def names(*paths: str, root: str | None = None) -> list[str]:
        return output_names([Path(path) for path in paths], Path(root) if root else None)

    assert names('a.mp4') == ['a'] and names('/x/y/a.mp4') == ['a']
    assert names('v/a/x.mp4', 'v/b/x.mp4') == ['a/x', 'b/x']
    assert names('/d/a/x.mp4', '/d/b.c/x.y.mp4') == ['a/x', 'b.c/x.y']
    assert names('/d/a/x.mp4', root='/d') == ['a/x']
    with pytest.raises(ValueError, match='/e/x.mp4 is not below --video-root /d'):
        names('/d/y.mp4', '/d/../e/x.mp4', root='/d')
    assert names('v/x.mp4', 'v/x.avi', 'v/y.avi') == ['x.mp4', 'x.avi', 'y']
    assert names('v/x.mp4', 'v/x/y.mp4') == ['x.mp4', 'x/y']


def test_lists_with_and_without_labels(tmp_path: Path) -> None:
    def read(text: str) -> list[str]:
        (tmp_path / 'list.txt').write_bytes(text.encode())
        return read_list(tmp_path / 'list.txt', tmp_path)

    assert read('a.mp4\nb/c.mp4\n\n') == ['a.mp4', 'b/c.mp4']
    assert read('\ufeffa.mp4 3\r\nb.mp4 1 2\r\nc d.mp4\t7\r\ne.mp4, 5\r\n') == ['a.mp4', 'b.mp4', 'c d.mp4', 'e.mp4']
    (tmp_path / 'take 2').write_bytes(b'')
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b/c.mp4').write_bytes(b'')
    assert read('"p, q.mp4",4\nr.mp4;5') == ['p, q.mp4', 'r.mp4']
    assert read('take 2\ntake 3\nb\\c.mp4 1') == ['take 2', 'take', 'b/c.mp4']
    with pytest.raises(ValueError, match='is empty'):
        read('\n \n')
    with pytest.raises(ValueError, match='there is no list'):
        read_list(tmp_path / 'none.txt', tmp_path)


def test_two_files_of_one_name(call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ('x.mp4', 'x.scores.mp4'):
        (tmp_path / name).write_bytes((home / 'videos/short.mp4').read_bytes())
    assert call('smvit', tmp_path / 'out', tmp_path / 'x.mp4', tmp_path / 'x.scores.mp4') == 0
    assert call('smvit', tmp_path / 'new', tmp_path / 'x.mp4', tmp_path / 'x.scores.mp4', '--scores') == 1
    assert 'x.scores.npy would belong to two of the videos' in capsys.readouterr().err


def test_folders_and_repeated_paths(home: Path) -> None:
    found = find_videos(['videos/a', 'videos', 'videos/b/x.mp4'], home)
    assert found == [home / 'videos' / name for name in FRAMES]


def test_a_list_of_videos(call, home: Path, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('a/x.mp4\nb/x.mp4 3\na/x.mp4 0\n')
    words = ('--list', tmp_path / 'list.txt', '--video-root', home / 'videos')
    assert call('smvit', tmp_path / 'out', *words) == 0
    assert sorted(path.parent.name for path in (tmp_path / 'out').rglob('*.npy')) == ['a', 'b']


# ---- bad input


def test_unreadable_videos_do_not_stop_the_others(
    call, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    whole = (home / 'videos/a/x.mp4').read_bytes()
    (tmp_path / 'in').mkdir()
    for name, content in {'a': whole, 'b': whole[: len(whole) // 2], 'c': b'', 'e': whole}.items():
        (tmp_path / f'in/{name}.mp4').write_bytes(content)
    write_video(tmp_path / 'in/d.mp4', draw_clip('up', 30, 64, np.random.default_rng(0)))
    (tmp_path / 'list.txt').write_text('a.mp4\nb.mp4\nnone.mp4\nc.mp4\nd.mp4\ne.mp4\n')
    words = ('--list', tmp_path / 'list.txt', '--video-root', tmp_path / 'in', '--stride', 4)
    for workers in (0, 1):
        assert call('smvit', tmp_path / f'out{workers}', *words, '--num-workers', workers) == 1
        said = capsys.readouterr()
        for name in ('b', 'c', 'none'):
            assert f'not done: {tmp_path / "in" / name}.mp4: ' in said.err
        assert '3 of 6 videos are not done' in said.err
        there = sorted(path.name for path in (tmp_path / f'out{workers}').iterdir())
        assert there == [f'{name}.{kind}' for name in 'ade' for kind in ('json', 'npy')]


def test_sizes_that_the_model_does_not_take(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert call('smvit', tmp_path / 'out', 'videos/b/x.mp4', '--stride', 4, '--clip-len', 3) == 1
    assert 'the patch stride (2, 4, 4) does not divide an input of (3, 32, 32)' in capsys.readouterr().err
    assert not list((tmp_path / 'out').rglob('*.*'))


def test_short_videos_are_counted(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert call('smvit', tmp_path / 'out', 'videos', '--stride', 4) == 0
    assert '1 videos are shorter than a clip' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('name', 'words', 'said'),
    [
        ('smvit', [], 'no videos are given'),
        ('smvit', ['--list', 'none.txt'], 'there is no list none.txt'),
        ('smvit', ['videos', '--stage', 7], 'out_indices [7]: there are stages 0 to 3'),
        ('smvit', ['videos', '--out-type', 'cls_token'], "out_type='cls_token': choose from"),
        ('smvit', ['videos', '--stride', 4, '--num-clips', 2], 'are two ways to choose clips'),
        ('smvit', ['videos', '--pool', 'space', '--out-type', 'avg_featmap'], '--pool space needs maps'),
        ('smvit', ['videos', '--device', 'nowhere'], '--device nowhere'),
        ('smvit', ['videos', '--labels', 'none', '--scores'], 'none'),
        ('smvit', ['videos', '--labels', 'k400', '--scores'], '--labels k400 names 400 classes, the head has 8'),
        ('image', ['videos', '--labels', 'k600', '--scores'], '--labels k600 names 600 classes, the head has 5'),
        ('smvit', ['videos', '--stride', '0.01s'], 'less than a frame'),
        ('crops', ['videos', '--stride', 4], '--stride needs --frame-interval'),
        ('ava', ['videos'], 'chooses clips around key frames'),
        ('ava', ['videos', '--stride', 8, '--scores'], 'which does not classify clips'),
        ('image', ['videos', '--clip-len', 4], 'a clip is one frame'),
        ('resnet', ['videos', '--stage', 1, '--out-type', 'raw'], 'the backbone is ResNet'),
        ('resnet', ['videos', '--stage', 1, '--scores'], 'the backbone is ResNet'),
    ],
)
def test_wrong_arguments_end_in_one_line(
    name: str, words: list, said: str, call, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert call(name, tmp_path / 'out', *words) == 1
    err = capsys.readouterr().err
    assert said in err and 'Traceback' not in err
    assert not list((tmp_path / 'out').rglob('*.*'))


def test_fewer_names_than_classes(call, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'names.txt').write_text('up\ndown\nleft\n')
    assert call('smvit', tmp_path / 'out', 'videos', '--scores', '--labels', tmp_path / 'names.txt') == 1
    err = capsys.readouterr().err
    assert f'--labels {tmp_path}/names.txt names 3 classes, the head has 8' in err and 'not done' not in err
    assert not (tmp_path / 'out').exists()


def test_wrong_files_end_in_one_line(
    call, model_of: Callable, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(said: str, *args: object, **kwargs: object) -> None:
        assert call(*args, **kwargs) == 1
        err = capsys.readouterr().err
        assert said in err and 'Traceback' not in err

    video, out = 'videos/short.mp4', tmp_path / 'out'
    says('none.py: no such config file', 'smvit', out, video, config=Path('none.py'))
    says('cannot be read as a checkpoint', 'smvit', out, video, checkpoint='videos/short.mp4')
    says('does not fit', 'smvit', out, video, checkpoint=model_of('mvitv2')[1])
    (tmp_path / 'wrong.py').write_text('model = dict(type="Nothing")\ntest_dataloader = 1 / 0')
    says('wrong.py: ZeroDivisionError', 'smvit', out, video, config=tmp_path / 'wrong.py')
    says('give a folder', 'smvit', tmp_path / 'a.npy', video)
    (tmp_path / 'a.h5').write_bytes(b'nothing')
    monkeypatch.setitem(sys.modules, 'h5py', None)
    says('pip install h5py', 'smvit', tmp_path / 'b.h5', video)


def test_stride_is_of_frames_or_seconds(tool: ModuleType, capsys: pytest.CaptureFixture) -> None:
    assert (
        tool.distance('16') == (16, False) and tool.distance('.5s') == (0.5, True) and tool.distance('2 s') == (2, True)
    )
    for text in ('0', '1.5', '-3', '1m', '0s', ''):
        with pytest.raises(tool.argparse.ArgumentTypeError, match='neither a whole number of frames'):
            tool.distance(text)


def test_clips_need_a_stride_or_a_sampler() -> None:
    with pytest.raises(ValueError, match='by a stride or by a sampler, got neither'):
        Sampling(clip_len=4)(20, 25.0)


@pytest.mark.slow
def test_mim_runs_it(home: Path, model_of: Callable, tmp_path: Path) -> None:
    config, checkpoint, _ = model_of('smvit')
    command = [Path(sys.executable).with_name('mim'), 'run', 'mmhvt', 'extract_features', config, checkpoint]
    command += [home / 'videos/short.mp4', '--out', tmp_path / 'out', '--device', 'cpu']
    subprocess.run([str(word) for word in command], check=True, cwd=home)
    assert np.load(tmp_path / 'out/short.npy').shape == (1, 384)
