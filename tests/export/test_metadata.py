"""What files say of classes, clips, views and normalization, and what they do not say of this machine."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from mmengine import Config
from mmengine.registry import MODELS, DefaultScope

from helpers import ROOT
from helpers.micro_recipes import shrink
from helpers.recipes import read
from mmhvt.datasets.labels import read_classes
from mmhvt.export import export_model, onnx_files
from mmhvt.export.graphs import Graph
from mmhvt.export.metadata import PLAIN, describe, encode

CONFIGS = ROOT / 'configs'
MAE = CONFIGS / 'mae/mae_smvit-micro_1xb64-8x2x1-10e_moving-shapes-rgb.py'
CLASSES = ['up', 'down', 'left', 'right', 'clockwise', 'counter-clockwise', 'growing', 'shrinking']
RECOGNITION = dict(
    format='mmhvt/1',
    task='recognition',
    config='smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py',
    precision='fp32',
    input='frames',
    classes=CLASSES,
    clip_len=8,
    frame_interval=2,
    num_clips=1,
    sampling='SampleFrames',
    target_fps=None,
    out_of_bound='loop',
    twice_sample=False,
    resize=dict(width=32, height=32),
    crop=None,
    mean=[120.0, 110.0, 100.0],
    std=[60.0, 50.0, 40.0],
    activation=None,  # the tests' models average scores
    average='mean',
    class_token=None,
)


def metadata_of(path: Path) -> dict[str, Any]:
    """Of an ONNX file."""
    texts = {each.key: each.value for each in onnx.load(path).metadata_props}
    return {key: text if key in PLAIN else json.loads(text) for key, text in texts.items()}


def with_pipeline(cfg: Config, *steps: dict) -> Config:
    """A recognizer's config with another test pipeline, from the sampler to the crops."""
    cfg = copy.deepcopy(cfg)
    whole = cfg.test_dataloader.dataset.pipeline
    cfg.test_dataloader.dataset.pipeline = [whole[0], steps[0], dict(type='DecordDecode'), *steps[1:], *whole[-2:]]
    return cfg


SAMPLE = dict(type='SampleFrames', clip_len=8, frame_interval=2, test_mode=True)


@pytest.mark.parametrize(
    ('steps', 'expected'),
    [
        ([SAMPLE], dict(resize=None)),
        ([SAMPLE | dict(num_clips=5)], dict(num_clips=5, resize=None)),
        ([SAMPLE | dict(frame_interval=4, out_of_bound_opt='repeat_last', twice_sample=True)],
         dict(frame_interval=4, out_of_bound='repeat_last', twice_sample=True, resize=None)),
        ([dict(type='SampleFrames', clip_len=8, test_mode=True)], dict(frame_interval=1, resize=None)),
        ([dict(SAMPLE, type='mmaction.SampleFrames')], dict(resize=None)),
        ([dict(SAMPLE, type='mmhvt.SampleFrames', target_fps=30)],
         dict(sampling='mmhvt.SampleFrames', target_fps=30, resize=None)),
        ([dict(type='UniformSample', clip_len=8, num_clips=2, test_mode=True)],
         dict(sampling='UniformSample', frame_interval=None, num_clips=2, resize=None)),
        ([SAMPLE, dict(type='Resize', scale=(-1, 256))], dict(resize=dict(short_side=256))),
        ([SAMPLE, dict(type='Resize', scale=(256, -1))], dict(resize=dict(short_side=256))),
        ([SAMPLE, dict(type='Resize', scale=(48, 32), keep_ratio=False, interpolation='bicubic')],
         dict(resize=dict(width=48, height=32, interpolation='bicubic'))),
        ([SAMPLE, dict(type='Resize', scale=(-1, 40)), dict(type='CenterCrop', crop_size=32)],
         dict(resize=dict(short_side=40), crop=dict(type='center', mmhvt=False, width=32, height=32))),
        ([SAMPLE, dict(type='Resize', scale=(-1, 40)), dict(type='mmhvt.ThreeCrop', crop_size=(40, 32))],
         dict(resize=dict(short_side=40), crop=dict(type='three', mmhvt=True, width=40, height=32))),
        ([SAMPLE, dict(type='mmaction.ThreeCrop', crop_size=32)],
         dict(resize=None, crop=dict(type='three', mmhvt=False, width=32, height=32))),
        ([SAMPLE, dict(type='FiveCrop', crop_size=32)],
         dict(resize=None, crop=dict(type='five', mmhvt=False, width=32, height=32))),
    ],
)  # fmt: skip
def test_views(steps: list[dict], expected: dict, micro_model) -> None:
    made = micro_model('recognition')
    found, unknown = describe(with_pipeline(made.cfg, *steps), made.model, 'recognition', (8, 32, 32), 'frames')
    assert not unknown
    assert found == RECOGNITION | expected


RESIZE, CROP = dict(type='Resize', scale=(-1, 40)), dict(type='CenterCrop', crop_size=32)


@pytest.mark.parametrize(
    ('steps', 'expected'),
    [
        ([SAMPLE, dict(type='TenCrop', crop_size=32)], ['TenCrop']),
        ([SAMPLE, dict(type='Resize', scale=0.5)], ['Resize']),
        # within two sides, as keep_ratio is mmaction2's default
        ([SAMPLE, dict(type='Resize', scale=(64, 48))], ['Resize']),
        ([SAMPLE, dict(type='Flip', flip_ratio=1)], ['Flip']),
        ([SAMPLE, dict(type='ColorJitter'), CROP], ['ColorJitter']),
        # twice, or in an order that is not the runtime's
        ([SAMPLE, dict(RESIZE, scale=(-1, 16)), RESIZE], ['Resize']),
        ([SAMPLE, RESIZE, CROP, RESIZE, CROP], ['Resize', 'CenterCrop']),
        ([SAMPLE, CROP, RESIZE], ['Resize']),
        ([SAMPLE, SAMPLE, RESIZE], ['SampleFrames']),
        # arguments that no key describes
        ([dict(SAMPLE, test_mode=False)], ['SampleFrames']),
        ([dict(type='SampleFrames', clip_len=8)], ['SampleFrames']),
        ([dict(type='UniformSample', clip_len=8)], ['UniformSample']),
        ([dict(SAMPLE, type='mmhvt.SampleFrames', temporal_jitter=True)], ['mmhvt.SampleFrames']),
        ([SAMPLE, dict(RESIZE, lazy=True)], ['Resize']),
        ([SAMPLE, dict(CROP, auto_pad=True)], ['CenterCrop']),
        ([SAMPLE, dict(type='PyAVDecode', mode='efficient')], ['PyAVDecode']),
        ([SAMPLE, dict(type='PyAVDecode', mode='accurate'), dict(RESIZE, lazy=False)], []),
    ],
)
def test_transforms_that_have_no_key(steps: list[dict], expected: list[str], micro_model) -> None:
    made = micro_model('recognition')
    cfg = with_pipeline(made.cfg, *steps)
    _, unknown = describe(cfg, made.model, 'recognition', (8, 32, 32), 'frames')
    assert unknown == expected


@pytest.mark.parametrize(
    ('name', 'dataset', 'expected'),
    [
        ('mvitv2/mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb', None,
         dict(sampling='mmhvt.SampleFrames', clip_len=16, frame_interval=4, num_clips=5, classes='kinetics400',
              resize=dict(short_side=256), crop=dict(type='center', mmhvt=False, width=224, height=224))),
        ('smvit/smvit-large-p244_mae-k400-pre_32xb8-u16-40e_sthv2-rgb', None,
         dict(sampling='UniformSample', clip_len=16, frame_interval=None, num_clips=1, classes='sthv2',
              crop=dict(type='three', mmhvt=False, width=224, height=224))),
        ('uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-600-700-rgb', 'k400',
         dict(sampling='UniformSample', clip_len=8, num_clips=4, classes='kinetics400')),
        ('uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-600-700-rgb', 'k600',
         dict(sampling='UniformSample', clip_len=8, num_clips=4, classes='kinetics600')),
        ('mvit/mvit-base-p244_k400-pre_32xb8-16x4x1-200e_charades-rgb', None,
         dict(classes='charades', activation='sigmoid', average='max')),
    ],
    ids=['Kinetics', 'Something-Something', 'co-training, first', 'co-training, second', 'Charades'],
)  # fmt: skip
def test_recipes(name: str, dataset: str | None, expected: dict) -> None:
    """Labels, clips and views of recipes as they stand."""
    cfg = read(name)
    shrink(cfg)
    if cfg.model.backbone.type == 'mmhvt.MViT':
        cfg.model.backbone.arch.version = 2 if 'mvitv2' in name else 1
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
    found, unknown = describe(cfg, model, 'recognition', model.backbone.input_size, 'frames', dataset)
    assert not unknown and found['config'] == f'{Path(name).name}.py'
    expected = dict(activation='softmax', average='mean') | expected
    classes = expected.pop('classes')
    assert found['classes'] == list(read_classes(classes))
    assert {key: found[key] for key in expected} == expected


# ------------------------------------------------------------------------------------------- heads


@pytest.mark.parametrize(
    ('average_clips', 'activation', 'average'),
    [('prob', 'softmax', 'mean'), ('score', None, 'mean'), (None, None, None)],
)
def test_average_over_views(average_clips: str | None, activation: str | None, average: str | None, micro_from) -> None:
    made = micro_from('recognition', change=lambda cfg: cfg.model.cls_head.update(average_clips=average_clips))
    found, _ = describe(made.cfg, made.model, 'recognition', (8, 32, 32), 'frames')
    assert (found['activation'], found['average']) == (activation, average)


@pytest.mark.parametrize(('head', 'activation'), [('LinearClsHead', 'softmax'), ('MultiLabelLinearClsHead', 'sigmoid')])
def test_activation_of_classifiers(head: str, activation: str, micro_from) -> None:
    """As mmpretrain's predictions."""

    def change(cfg: Config) -> None:
        cfg.model.head = dict(type=head, num_classes=10, in_channels=64)

    made = micro_from('classification', change=change)
    found, _ = describe(made.cfg, made.model, 'classification', (32, 32), 'images')
    assert (found['activation'], found['average'], found['input']) == (activation, None, 'images')
    assert found['classes'] == [str(digit) for digit in range(10)]
    with torch.no_grad(), DefaultScope.overwrite_default_scope('mmpretrain'):
        x = torch.randn(2, 3, 32, 32)
        (sample, _), logits = made.model(x, mode='predict'), made.model(x, mode='tensor')
    torch.testing.assert_close(sample.pred_score, getattr(logits[0], activation)(*[-1] * (activation == 'softmax')))


def test_activation_of_action_detectors(micro_model) -> None:
    made = micro_model('action_detection')
    found, _ = describe(made.cfg, made.model, 'action_detection', (8, 64, 64), 'frames')
    keys = ('activation', 'sampling', 'frame_interval', 'target_fps', 'clip_len')
    assert [found[key] for key in keys] == ['sigmoid', 'mmhvt.SampleKeyFrameClip', 2, 16, 8]


@pytest.mark.parametrize(
    ('family', 'out_type', 'expected'),
    [('MViT', 'cls_token', True), ('MViT', 'featmap', False), ('SMViT', 'avg_featmap', False)],
)
def test_class_token(family: str, out_type: str, expected: bool, micro_from) -> None:
    made = micro_from('recognition', family, lambda cfg: cfg.model.backbone.update(out_type=out_type))
    found, _ = describe(made.cfg, made.model, 'features', (8, 32, 32), 'frames')
    assert found['class_token'] is expected
    assert found['classes'] is None and found['activation'] is None


def test_features_need_no_head(micro_from) -> None:
    """Neither one head nor the choice of one of several."""
    head = dict(type='mmhvt.RecognitionHead', in_channels=64, num_classes=8)
    several = dict(type='mmhvt.CoTrainingHead', heads=dict(k400=head, k600=head))
    for other in (None, several):

        def change(cfg: Config, other: dict | None = other) -> None:
            cfg.model.pop('cls_head')
            cfg.model.cls_head = other

        made = micro_from('recognition', change=change)
        found, unknown = describe(made.cfg, made.model, 'features', (8, 32, 32), 'frames')
        assert not unknown and (found['classes'], found['clip_len']) == (None, 8)


def test_names_of_the_checkpoint_come_first(micro_model) -> None:
    made = micro_model('recognition')
    names = [f'name {number}' for number in range(8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.model, 'dataset_meta', dict(classes=names), raising=False)
        found, _ = describe(made.cfg, made.model, 'recognition', (8, 32, 32), 'frames')
    assert found['classes'] == names


def test_classes_without_names(micro_model) -> None:
    made = micro_model('recognition')
    cfg = copy.deepcopy(made.cfg)
    cfg.test_dataloader.dataset.pop('metainfo')
    assert describe(cfg, made.model, 'recognition', (8, 32, 32), 'frames')[0]['classes'] is None


def test_names_of_another_number(micro_model) -> None:
    made = micro_model('recognition')
    cfg = copy.deepcopy(made.cfg)
    cfg.test_dataloader.dataset.metainfo = dict(classes=['up', 'down'])
    with pytest.raises(ValueError, match='metainfo names 2 classes, the head has 8'):
        describe(cfg, made.model, 'recognition', (8, 32, 32), 'frames')


# ------------------------------------------------------------------------------------------- normalization


@pytest.mark.parametrize(('to_rgb', 'mean'), [(False, [120.0, 110.0, 100.0]), (True, [100.0, 110.0, 120.0])])
def test_mean_is_of_r_g_b(to_rgb: bool, mean: list, micro_from) -> None:
    """Frames are read as R, G, B, which `to_rgb` turns around."""
    made = micro_from('recognition', change=lambda cfg: cfg.model.data_preprocessor.update(to_rgb=to_rgb))
    assert describe(made.cfg, made.model, 'recognition', (8, 32, 32), 'frames')[0]['mean'] == mean


@pytest.mark.parametrize(('to_rgb', 'mean'), [(True, [120.0, 110.0, 100.0]), (False, [100.0, 110.0, 120.0])])
def test_mean_of_images_is_of_r_g_b(to_rgb: bool, mean: list, micro_from) -> None:
    """Images are read as B, G, R."""
    made = micro_from('classification', change=lambda cfg: cfg.data_preprocessor.update(to_rgb=to_rgb))
    assert describe(made.cfg, made.model, 'classification', (32, 32), 'images')[0]['mean'] == mean


def test_no_normalization(micro_from) -> None:
    """Pixels that the model takes as they are."""
    made = micro_from('recognition', change=lambda cfg: cfg.model.data_preprocessor.update(mean=None, std=None))
    found, _ = describe(made.cfg, made.model, 'recognition', (8, 32, 32), 'frames')
    assert (found['mean'], found['std']) == ([0.0] * 3, [1.0] * 3)


# ------------------------------------------------------------------------------------------- files


def test_file(export) -> None:
    """It is what the config says, in text."""
    assert metadata_of(export('recognition')) == RECOGNITION


def test_text() -> None:
    texts = encode(
        dict(format='mmhvt/1', task='recognition', classes=['größer', '"'], clip_len=None, twice_sample=True)
    )
    assert texts == dict(
        format='mmhvt/1', task='recognition', classes='["größer", "\\""]', clip_len='null', twice_sample='true'
    )


@pytest.mark.slow
def test_keys_of_tasks(export) -> None:
    """All files have all keys."""
    for task in ('classification', 'features', 'action_detection', 'detection_features'):
        found = metadata_of(export(task))
        assert set(found) == set(RECOGNITION) and found['task'] == task
        assert found['input'] == ('images' if task in ('classification', 'detection_features') else 'frames')
    assert found['classes'] == ['circle', 'square', 'triangle', 'star', 'cross']
    assert found['sampling'] is None and found['clip_len'] is None


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Graph, list[str]]]:
    """Exports up to where the trace would start; returns the graph, and what was said."""

    def run(config: Config, checkpoint: Path | None = None, **options: Any) -> tuple[Graph, list[str]]:
        graphs, said = [], []

        def stop(graph: Graph, *args: object) -> None:
            graphs.append(graph)
            raise InterruptedError

        with monkeypatch.context() as patch, pytest.raises(InterruptedError):
            patch.setattr(onnx_files, 'write', stop)
            export_model(config, checkpoint, tmp_path / 'model.onnx', say=said.append, **options)
        return graphs[0], said

    return run


@pytest.mark.parametrize(('shape', 'sides'), [((8, 32, 32), None), ((8, 64, 96), '64x96')])
def test_a_pipeline_that_makes_another_size(shape: tuple, sides: str | None, micro_model, start) -> None:
    made = micro_model('recognition')
    _, said = start(made.cfg, made.checkpoint, shape=shape)
    assert len(said) == (sides is not None)
    if sides:
        wanted = f'the file takes {sides} pixels and the test pipeline makes 32x32: set --shape, or the pipeline by'
        assert wanted in said[0]
        assert not start(made.cfg, made.checkpoint, shape=shape, dynamic=('size',))[1]


def test_options_override_a_config_that_is_read(micro_model, start) -> None:
    cfg = micro_model('recognition').cfg
    assert cfg.model.cls_head.average_clips == 'score'
    graph, _ = start(cfg, options={'model.cls_head.average_clips': 'prob'})
    assert graph.part.head.average_clips == 'prob' and cfg.model.cls_head.average_clips == 'score'


@pytest.mark.slow
def test_transforms_that_the_file_does_not_know_are_named(micro_model, tmp_path: Path) -> None:
    made, said = micro_model('recognition'), []
    cfg = with_pipeline(made.cfg, SAMPLE, dict(type='Flip', flip_ratio=1))
    path = export_model(cfg, made.checkpoint, tmp_path / 'model.onnx', say=said.append)
    assert said == [f'{Path(cfg.filename).stem}: the file does not say what Flip of the test pipeline does']
    assert metadata_of(path)['sampling'] is None


@pytest.mark.slow
def test_pre_training(run_onnx, tmp_path: Path) -> None:
    """Its encoder is exported; there is no test pipeline to tell of."""
    said: list[str] = []
    path = export_model(MAE, out=tmp_path / 'model.onnx', outputs='features', say=said.append)
    assert len(said) == 1 and 'no checkpoint is given' in said[0]
    found = metadata_of(path)
    assert (found['task'], found['config'], found['sampling'], found['classes']) == ('features', MAE.name, None, None)
    (feature,) = run_onnx(path, dict(frames=torch.zeros(3, 8, 32, 32, 3, dtype=torch.uint8)))
    assert feature.shape == (3, 384)


@pytest.fixture
def private(tmp_path: Path) -> list[bytes]:
    """What files must not contain."""
    folders = [ROOT, tmp_path, Path.home(), Path(torch.__file__).parents[1]]
    return [str(folder).encode() for folder in folders if len(folder.parts) > 2] + [
        b'site-packages', b'Traceback', b'File "', b'stack_trace', b'.venv', b'weights.pth', b'pytest-of-',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'options',
    [{}] + [pytest.param(options, marks=pytest.mark.slow) for options in (dict(half=True), dict(int8=True))],
    ids=['as it is', 'fp16', 'int8'],
)
def test_no_traces_of_this_machine(options: dict, export, private: list[bytes]) -> None:
    path = export('recognition', **options)
    content = path.read_bytes()
    assert b'smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py' in content
    assert [text for text in private if text in content] == []
    model = onnx.load(path)
    assert model.producer_name in ('mmhvt', 'onnx.quantize') and not model.doc_string
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


# forbids modules, runs a file, saves its outputs
ALONE = """
import sys
for name in sys.argv[1].split(','):
    sys.modules[name] = None
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[2])
np.save(sys.argv[4], session.run(None, {session.get_inputs()[0].name: np.load(sys.argv[3])})[0])
"""


def test_files_run_without_mmhvt_and_torch(export, micro_model, inputs, difference, tmp_path: Path) -> None:
    x = inputs(3, (8, 32, 32))['frames']
    np.save(tmp_path / 'frames.npy', x.numpy())
    names = 'mmhvt,mmhvt_runtime,torch,torchvision,mmcv,mmengine,mmaction,mmdet,mmpretrain,onnx,onnxscript'
    command = [sys.executable, '-c', ALONE, names, export('recognition'), tmp_path / 'frames.npy', tmp_path / 'out.npy']
    subprocess.run(list(map(str, command)), check=True, cwd=tmp_path, env=os.environ | dict(OMP_NUM_THREADS='1'))
    found = torch.from_numpy(np.load(tmp_path / 'out.npy'))
    assert difference([found], micro_model('recognition').outputs('recognition', x)) < 1e-4


# ------------------------------------------------------------------------------------------- the tool


@pytest.mark.slow
@pytest.mark.parametrize('how', ['python', 'mim'])
def test_tool(how: str, micro_model, inputs, run_onnx, difference, tmp_path: Path) -> None:
    """A file by the command line, and an error of one line."""
    made = micro_model('recognition')
    made.cfg.dump(tmp_path / 'my_model.py')
    command: list[object] = [sys.executable, ROOT / 'tools/export.py']
    if how == 'mim':
        command = [Path(sys.executable).with_name('mim'), 'run', 'mmhvt', 'export']
    environment = os.environ | dict(OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')

    def run(*words: object) -> subprocess.CompletedProcess:
        words = tuple(map(str, (*command, tmp_path / 'my_model.py', made.checkpoint, *words)))
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)

    done = run('--no-preprocess') if how == 'mim' else run()
    assert done.returncode == 0, done.stderr
    assert any(line.startswith('my_model.onnx: ') for line in done.stdout.splitlines())
    assert 'Traceback' not in done.stderr
    metadata = metadata_of(tmp_path / 'my_model.onnx')
    assert metadata['config'] == 'my_model.py' and metadata['input'] == ('clips' if how == 'mim' else 'frames')
    if how == 'python':
        x = inputs(3, (8, 32, 32))
        expected = made.outputs('recognition', x['frames'])
        assert difference(run_onnx(tmp_path / 'my_model.onnx', x), expected) < 1e-4
        failed = run('--shape', '8', '30', '30', '--out', tmp_path / 'other.onnx')
        (line,) = failed.stderr.strip().splitlines()
        assert failed.returncode == 1 and line.startswith('export.py: my_model, --shape 8 30 30: SMViT: ')
        assert not (tmp_path / 'other.onnx').exists()
