"""What cannot be exported says so in one line before the export starts, and files that are there stay as they are."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine import Config
from onnxruntime.capi import onnxruntime_pybind11_state

from helpers import ROOT
from helpers.micro_backbones import config as backbone_config
from mmhvt.export import ExportError, export_model, exporting, onnx_files, pt2_files

CONFIGS = ROOT / 'configs'
SMVIT = CONFIGS / 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
MVITV2 = CONFIGS / 'mvitv2/mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
VIDEO_SWIN = CONFIGS / 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
DIGITS = CONFIGS / 'smvit/smvit-micro_1xb32-15e_digits.py'
AVA = CONFIGS / 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
MASK_RCNN = CONFIGS / 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
DINO = CONFIGS / 'coco/dino-4scale_smvit-micro_1xb4-5e_shapes-coco.py'
RETINANET = CONFIGS / 'coco/retinanet_smvit-micro_fpn_1xb4-5e_shapes-coco.py'
MAE = CONFIGS / 'mae/mae_smvit-micro_1xb64-8x2x1-10e_moving-shapes-rgb.py'
NAME = SMVIT.stem
HEAD = dict(type='mmhvt.RecognitionHead', in_channels=384, num_classes=8)
BEFORE = b'an older file'
ONE_SIZE = (
    'windows, shifts and padding of Video Swin are computed for one size; --shape exports another size, to a file of '
    'its own'
)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Expects an error of one line before the export starts; returns it."""

    def run(config: Path | Config, error: type = ExportError, out: str = 'model.onnx', **options: Any) -> str:
        def started(*args: Any) -> None:
            raise AssertionError('the export has started')

        monkeypatch.setattr(onnx_files, 'write', started)
        monkeypatch.setattr(pt2_files, 'write', started)
        path = tmp_path / out
        path.write_bytes(BEFORE)
        with pytest.raises(ValueError) as caught:
            export_model(config, out=path, say=lambda line: None, **options)
        assert type(caught.value) is error
        assert [each.name for each in tmp_path.iterdir()] == [out] and path.read_bytes() == BEFORE
        message = str(caught.value)
        assert '\n' not in message
        return message

    return run


def changed(path: Path, change: Callable[[Config], Any]) -> Config:
    """A config, changed."""
    cfg = Config.fromfile(path)
    change(cfg)
    return cfg


# ------------------------------------------------------------------------------------------- options by themselves


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(format='tflite'), '--format tflite: choose from onnx, pt2'),
        (dict(outputs='logits'), '--outputs logits: choose from scores, features'),
        (dict(dynamic=('batch', 'time')), '--dynamic time: choose from batch, frames, size'),
        (dict(half=True, int8=True), '--half and --int8 exclude each other'),
        (dict(opset=17), '--opset 17: from 18 to 23'),
        (dict(opset=24), '--opset 24: from 18 to 23'),
        (dict(format='pt2', half=True), '--half is for --format onnx'),
        (dict(format='pt2', int8=True), '--int8 is for --format onnx'),
        (dict(format='pt2', opset=99), '--opset is for --format onnx'),
        (dict(dynamic='batch'), "dynamic='batch' is a string: give a sequence, ('batch',)"),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, dict) else '',
)
def test_options(options: dict, message: str, refused) -> None:
    # the config is not read
    assert refused(Path('nowhere.py'), **options) == message


def test_missing_packages(monkeypatch: pytest.MonkeyPatch, refused) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *args: None if 'onnx' in name else found(name, *args))
    message = refused(Path('nowhere.py'))
    assert message == "ONNX needs onnx, onnxruntime, onnxscript: pip install 'mmhvt[export]'"
    with pytest.raises(ValueError, match='no such config file'):  # PyTorch's packages need none of them
        export_model('nowhere.py', format='pt2', compiled=False)


def test_missing_compiler(monkeypatch: pytest.MonkeyPatch, refused) -> None:
    asked = []
    monkeypatch.setattr(shutil, 'which', lambda name: asked.append(name))
    message = refused(Path('nowhere.py'), format='pt2', out='model.pt2')
    assert message == 'a compiled .pt2 needs a C++ compiler, and there is none: --no-compile writes the graph'
    assert set(asked) == {'c++', 'g++', 'clang++'}


@pytest.mark.parametrize(
    ('format', 'out'), [('onnx', 'model.pt2'), ('pt2', 'model.onnx'), ('onnx', 'model'), ('onnx', 'model.ONNX')]
)
def test_suffix(format: str, out: str, refused) -> None:
    assert f'{out}: a file of the format {format} ends with .{format}' in refused(SMVIT, format=format, out=out)


# ------------------------------------------------------------------------------------------- inputs, sizes, weights


@pytest.mark.parametrize(
    ('config', 'options', 'reason'),
    [
        (VIDEO_SWIN, dict(dynamic=('batch', 'size')), ONE_SIZE),
        (VIDEO_SWIN, dict(dynamic=('frames',)), ONE_SIZE),
        (DIGITS, dict(dynamic=('batch', 'frames')), 'the model takes images, which have no frames'),
        (
            MVITV2,
            dict(format='pt2', out='model.pt2', dynamic=('batch', 'size')),
            'PyTorch fixes the batch of a .pt2 in which relative positions vary: --dynamic batch or --dynamic size '
            'alone, or --format onnx',
        ),
    ],
)
def test_axes_that_cannot_vary(config: Path, options: dict, reason: str, refused) -> None:
    message = refused(config, **options)
    assert message == f'{config.stem}, --dynamic {",".join(options["dynamic"])}: {reason}'


@pytest.mark.parametrize('kind', ['joint', 'joint_space'])
def test_relative_positions_that_fix_the_size(kind: str, refused) -> None:
    cfg = changed(MVITV2, lambda cfg: cfg.model.backbone.arch.update(rel_pos=kind))
    assert f"rel_pos='{kind}' is computed frame by frame" in refused(cfg, dynamic=('batch', 'size'))


@pytest.mark.parametrize(
    ('config', 'shape', 'message'),
    [
        (SMVIT, (32, 32), '--shape 32 32: SMViT was built for video (N, C, T, H, W) with input_size=(8, 32, 32)'),
        (DIGITS, (8, 32, 32), '--shape 8 32 32: SMViT was built for images (N, C, H, W)'),
        (SMVIT, (7, 32, 30), 'does not divide an input of (7, 32, 30); (8, 32, 32) would do'),
        (SMVIT, (8, 0, 32), 'does not divide an input of (8, 0, 32); (8, 4, 32) would do'),
        (SMVIT, (8, -32, 32), '(8, 4, 32) would do'),
        (SMVIT, (8, 10**7, 10**7), 'inputs of this size do not fit into memory'),
    ],
)
def test_shape(config: Path, shape: tuple, message: str, refused) -> None:
    found = refused(config, shape=shape)
    assert found.startswith(f'{config.stem}, --shape {" ".join(map(str, shape))}: ') and message in found


def test_opset_of_boxes(refused) -> None:
    assert refused(AVA, opset=22) == f'{AVA.stem}, --opset 22: ONNX Runtime has no RoIAlign above opset 21'


def test_weights_that_one_file_cannot_hold(monkeypatch: pytest.MonkeyPatch, refused) -> None:
    monkeypatch.setattr(exporting, 'LARGEST_FILE', 2**20)
    message = refused(SMVIT)
    assert 'GiB do not fit into an ONNX file, which holds 2: --format pt2 holds more' in message


def test_checkpoint_that_does_not_fit(tmp_path: Path, refused) -> None:
    other = tmp_path / 'weights'
    other.mkdir()
    torch.save(dict(state_dict={'backbone.norm.weight': torch.ones(3)}), other / 'other.pth')
    with pytest.raises(ValueError) as caught:
        export_model(SMVIT, other / 'other.pth', tmp_path / 'model.onnx')
    assert f'{other / "other.pth"} is no checkpoint of {SMVIT}' in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ['weights']


def test_unknown_names(refused) -> None:
    assert 'no such config file, and no model has that name' in refused(Path('nowhere.py'), ValueError)
    assert f'{NAME} has no published weights' in refused(Path(NAME), ValueError)


def test_output_that_is_read(micro_model, tmp_path: Path) -> None:
    made, path = micro_model('recognition'), tmp_path / 'weights.onnx'
    shutil.copy(made.checkpoint, path)
    with pytest.raises(ValueError, match='is read and would be overwritten: choose another name to write'):
        export_model(made.cfg, path, path)
    assert path.read_bytes() == made.checkpoint.read_bytes()


def test_output_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / 'model.onnx').mkdir()
    with pytest.raises(ValueError, match='is a folder, and has to be the name of a file to write'):
        export_model(SMVIT, out=tmp_path / 'model.onnx', say=lambda line: None)


# ------------------------------------------------------------------------------------------- models


def test_masked_auto_encoder(refused) -> None:
    message = refused(MAE, ValueError)
    assert message == f'{MAE.stem}: MAE has no scores; --outputs features exports its backbone'


def test_config_without_a_test(refused) -> None:
    cfg = changed(SMVIT, lambda cfg: cfg.pop('test_dataloader'))
    assert refused(cfg, ValueError) == f'{SMVIT} has no test_dataloader whose dataset has a pipeline'


@pytest.mark.parametrize(('config', 'detector'), [(DINO, 'DINO'), (RETINANET, 'RetinaNet')], ids=['DINO', 'RetinaNet'])
def test_detectors_of_one_stage(config: Path, detector: str, refused) -> None:
    assert refused(config, ValueError) == (
        f'{config.stem}: detection with type={detector} is not exported; --outputs features exports backbone and neck'
    )


@pytest.mark.parametrize(
    ('change', 'part'),
    [
        ({'roi_head.bbox_roi_extractor.type': 'GenericRoIExtractor'}, 'roi_extractor=GenericRoIExtractor'),
        ({'test_cfg.rcnn.nms.type': 'soft_nms'}, 'test_cfg.rcnn.nms=soft_nms'),
        ({'roi_head.bbox_roi_extractor.roi_layer.type': 'RoIPool'}, 'roi_extractor=SingleRoIExtractor'),
    ],
    ids=['extractor', 'NMS', 'RoIPool'],
)
def test_parts_of_detectors_that_are_not_exported(change: dict, part: str, refused) -> None:
    def apply(cfg: Config) -> None:
        if part.endswith('SingleRoIExtractor'):
            cfg.model.roi_head.bbox_roi_extractor.roi_layer.pop('sampling_ratio')
        cfg.merge_from_dict({f'model.{key}': value for key, value in change.items()})

    assert refused(changed(MASK_RCNN, apply), ValueError) == (
        f'{MASK_RCNN.stem}: detection with {part} is not exported; --outputs features exports backbone and neck'
    )


@pytest.mark.parametrize('dynamic', [('batch',), ('size',)], ids=' '.join)
def test_axes_of_detectors(dynamic: tuple, refused) -> None:
    assert refused(MASK_RCNN, dynamic=dynamic) == (
        f'{MASK_RCNN.stem}, --dynamic {dynamic[0]}: a detector takes one image of one size; --shape sets it'
    )


def test_recognizer_of_single_frames(refused) -> None:
    def single(cfg: Config) -> None:
        cfg.model.update(type='Recognizer2D', backbone=backbone_config('SMViT', 'images'))
        cfg.model.cls_head.in_channels = 64

    message = refused(changed(SMVIT, single), ValueError)
    assert message == f'{NAME}: Recognizer2D reads frames one by one: export its backbone by --outputs features'


def test_backbone_of_another_package(refused) -> None:
    def foreign(cfg: Config) -> None:
        cfg.model.backbone = dict(type='mmaction.ResNet3dSlowOnly', depth=50, pretrained=None)
        cfg.model.cls_head.in_channels = 2048

    message = refused(changed(SMVIT, foreign), ValueError)
    assert message == (
        f'{NAME}: the backbone is ResNet3dSlowOnly, and only models with a backbone of mmhvt are exported'
    )


def test_recognizer_without_a_head(refused) -> None:
    cfg = changed(SMVIT, lambda cfg: cfg.model.pop('cls_head'))
    assert refused(cfg, ValueError) == f'{NAME} has no head: export its backbone by --outputs features'


def test_classifier_without_a_head(refused) -> None:
    cfg = changed(DIGITS, lambda cfg: cfg.model.pop('head'))
    assert refused(cfg, ValueError) == f'{DIGITS.stem} has no head: export its backbone by --outputs features'


@pytest.mark.parametrize(
    ('dataset', 'given'),
    [(None, 'choose one by --dataset'), ('k700', '--dataset k700 is not one of them')],
)
def test_head_of_a_co_trained_model(dataset: str | None, given: str, refused) -> None:
    def several(cfg: Config) -> None:
        cfg.model.cls_head = dict(type='mmhvt.CoTrainingHead', heads=dict(k400=HEAD, k600=HEAD))

    message = refused(changed(SMVIT, several), ValueError, dataset=dataset)
    assert message == f'{NAME} has a head for each of k400, k600: {given}'


def test_dataset_of_a_single_head(refused) -> None:
    message = refused(SMVIT, ValueError, dataset='k400')
    assert message == f'--dataset k400: {NAME} has a single head; leave the option out'


@pytest.mark.parametrize(
    ('change', 'what'),
    [
        (dict(bbox_roi_extractor=dict(with_temporal_pool=False)), 'with_temporal_pool'),
        (dict(bbox_roi_extractor=dict(with_global=True), bbox_head=dict(in_channels=768)), 'with_global'),
    ],
    ids=['no temporal pooling', 'global'],
)
def test_heads_of_action_detectors_that_are_not_exported(change: dict, what: str, refused) -> None:
    cfg = changed(AVA, lambda cfg: cfg.merge_from_dict(dict(model=dict(roi_head=change))))
    assert refused(cfg, ValueError) == (
        f'{AVA.stem}: {what} of the roi_head or its extractor is not exported; --outputs features exports the backbone'
    )


def test_inputs_without_colors(refused) -> None:
    """Optical flow."""

    def flow(cfg: Config) -> None:
        cfg.model.backbone.in_channels = 2
        cfg.model.data_preprocessor.update(mean=[128.0] * 2, std=[64.0] * 2)

    message = refused(changed(SMVIT, flow), ValueError)
    assert message == f'{NAME}: the backbone takes 2 channels, and only models of RGB are exported'


# ------------------------------------------------------------------------------------------- while it is written


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Makes the export instant; the file computes what `outputs` says, by default the model's outputs."""
    what: dict = dict(change=lambda outputs: outputs)

    def write(graph: torch.nn.Module, inputs: dict, task: Any, shapes: tuple, opset: int, path: Path, *_: Any) -> None:
        path.write_bytes(b'new')
        what['graph'] = graph

    def open_file(path: Path) -> Callable[[dict], list]:
        assert path.read_bytes() == b'new'
        return lambda inputs: [what['change'](what['graph'](*inputs.values()))]

    monkeypatch.setattr(onnx_files, 'write', write)
    monkeypatch.setattr(onnx_files, 'open_file', open_file)
    return what


@pytest.mark.parametrize(
    'change',
    [lambda out: out + 2e-4 * out.std(), lambda out: out * float('nan'), lambda out: out[:, :-1]],
    ids=['other numbers', 'NaN', 'another shape'],
)
def test_a_file_that_differs_is_not_written(change: Callable, instant: dict, tmp_path: Path) -> None:
    path = tmp_path / 'model.onnx'
    path.write_bytes(BEFORE)
    instant['change'] = change
    options = dict(options={'model.cls_head.init_scale': 100.0}, say=lambda line: None)
    with torch.no_grad(), pytest.raises(ExportError, match=f'{NAME}: scores of the file differ from the model by'):
        export_model(SMVIT, out=path, **options)
    assert [each.name for each in tmp_path.iterdir()] == ['model.onnx'] and path.read_bytes() == BEFORE
    instant['change'] = lambda out: out + 5e-5 * out.std()
    with torch.no_grad():
        assert export_model(SMVIT, out=path, **options) == path
    assert [each.name for each in tmp_path.iterdir()] == ['model.onnx'] and path.read_bytes() == b'new'


@pytest.mark.parametrize('when', ['it is opened', 'it runs'])
def test_a_file_that_does_not_run_is_not_written(when: str, instant: dict, tmp_path: Path, monkeypatch) -> None:
    def fail(*args: Any) -> None:
        raise onnxruntime_pybind11_state.Fail('a node\nof the graph')

    monkeypatch.setattr(onnx_files, 'open_file', fail if when == 'it is opened' else lambda path: fail)
    with pytest.raises(ExportError) as caught:
        export_model(SMVIT, out=tmp_path / 'model.onnx', say=lambda line: None)
    where = ' for an input of (2, 8, 32, 32, 3)' if when == 'it runs' else ''
    assert str(caught.value) == f'{NAME}: the file does not run{where}: a node'
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('dynamic', [('batch',), ('batch', 'size')], ids=' '.join)
def test_what_pytorch_cannot_export(dynamic: tuple, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*args: Any) -> None:
        raise torch.onnx.OnnxExporterError('a message\nof several lines') from RuntimeError('\n the cause\nand more')

    monkeypatch.setattr(onnx_files, 'write', fail)
    with pytest.raises(ExportError) as caught:
        export_model(SMVIT, out=tmp_path / 'model.onnx', dynamic=dynamic, say=lambda line: None)
    more = '; it may work with --dynamic batch and --shape' if 'size' in dynamic else ''
    assert str(caught.value) == f'{NAME}: PyTorch cannot export it: the cause{more}'
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('end', [signal.SIGINT, signal.SIGKILL], ids=lambda end: end.name)
def test_a_killed_export_leaves_no_file(end: signal.Signals, instant: dict, tmp_path: Path) -> None:
    """A hidden folder stays if the process cannot clean up."""
    path = tmp_path / 'model.onnx'
    path.write_bytes(BEFORE)
    child = os.fork()
    if not child:
        try:
            instant['change'] = lambda out: os.kill(os.getpid(), end)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            export_model(SMVIT, out=path, say=lambda line: None)
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (130 if end == signal.SIGINT else -signal.SIGKILL)
    others = [each.name for each in tmp_path.iterdir() if each != path]
    assert path.read_bytes() == BEFORE
    assert len(others) == (end == signal.SIGKILL) and all(name.startswith('.model.onnx-') for name in others)


# ------------------------------------------------------------------------------------------- the tool


def call(tool: Any, monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Calls the tool in this process; returns the exit status."""
    monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, words)])
    return tool.main()


def test_errors_of_the_tool(load_tool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    out = tmp_path / 'model.onnx'
    assert call(load_tool('export.py'), monkeypatch, VIDEO_SWIN, '--out', out, '--dynamic', 'size') == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        f'export.py: {VIDEO_SWIN.stem}, --dynamic size: windows, shifts and padding of Video Swin are computed for one '
        'size; --shape exports another size, to a file of its own'
    ]
    assert not out.exists()


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--format', 'tflite'], "argument --format: invalid choice: 'tflite'"),
        (['--half', '--int8'], 'argument --int8: not allowed with argument --half'),
        (['--shape', '8', 'x'], "argument --shape: invalid int value: 'x'"),
    ],
)
def test_usage_of_the_tool(words: list[str], message: str, load_tool, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        call(load_tool('export.py'), monkeypatch, SMVIT, *words)
    assert caught.value.code == 2 and message in capsys.readouterr().err


OPTIONS = {
    '': dict(dynamic=None, format='onnx', outputs='scores', preprocess=True, compiled=True, shape=None, options=None),
    '--dynamic batch,frames,size --no-preprocess': dict(dynamic=('batch', 'frames', 'size'), preprocess=False),
    '--dynamic none --shape 8 64 32': dict(dynamic=(), shape=[8, 64, 32]),
    '--format pt2 --no-compile --outputs features': dict(format='pt2', compiled=False, outputs='features'),
    '--half --opset 20 --dataset k400': dict(half=True, int8=False, opset=20, dataset='k400'),
    '--int8 --cfg-options model.cls_head.num_classes=5': dict(int8=True, options={'model.cls_head.num_classes': 5}),
}


@pytest.mark.parametrize('words', OPTIONS)
def test_options_of_the_tool(words: str, load_tool, monkeypatch, tmp_path: Path, capsys) -> None:
    """All of them reach `export_model`."""
    tool, taken = load_tool('export.py'), {}
    (tmp_path / 'x.onnx').write_bytes(bytes(2**20))
    monkeypatch.setattr(tool, 'export_model', lambda **given: taken.update(given) or tmp_path / 'x.onnx')
    assert call(tool, monkeypatch, 'a.py', 'b.pth', *words.split()) == 0
    assert taken | OPTIONS[words] == taken and (taken['config'], taken['checkpoint']) == ('a.py', 'b.pth')
    assert capsys.readouterr().out == f'{tmp_path / "x.onnx"}: 1.0 MiB\n'


def in_a_process(*words: object, cwd: Path) -> subprocess.Popen:
    command = [sys.executable, ROOT / 'tools/export.py', *words]
    environment = os.environ | dict(OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    return subprocess.Popen(
        list(map(str, command)), cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.slow
def test_ctrl_c(tmp_path: Path) -> None:
    process = in_a_process(SMVIT, '--out', tmp_path / 'model.onnx', cwd=tmp_path)
    while not list(tmp_path.iterdir()) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130 and err.strip() == 'export.py: interrupted'
    assert not list(tmp_path.iterdir())
