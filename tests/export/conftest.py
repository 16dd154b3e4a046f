"""Micro models of each family and task, files of them by mmhvt.export, and the outputs of the models themselves.

Expected outputs come from `test_step` or `forward` of mmaction2, mmpretrain and mmdet, with their preprocessors, for
the same uint8 pixels; nothing of mmhvt.export computes them.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmaction.structures import ActionDataSample
from mmdet.structures import DetDataSample
from mmengine import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample
from torch import Tensor

from helpers import ROOT
from helpers import micro_backbones as micro
from helpers.detection import ACTION_FAMILIES, detector_parts, last_dims

for package in ('onnx', 'onnxruntime', 'onnxscript'):
    pytest.importorskip(package)

CONFIGS = ROOT / 'configs'
RECOGNIZER = CONFIGS / 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
CLASSIFIER = CONFIGS / 'smvit/smvit-micro_1xb32-15e_digits.py'
ACTION_DETECTOR = CONFIGS / 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
DETECTOR = CONFIGS / 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'

# colors that differ, so that a change of their order shows
MEAN, STD = [120.0, 110.0, 100.0], [60.0, 50.0, 40.0]
# names of families in helpers/detection.py
DETECTION_NAMES = dict(VideoSwin='Video Swin', VisionTransformer='ViT')
LAST_STAGES = dict(VideoSwin=(0, 1))  # of three otherwise
# after the name of a family: its classifier with a single block
SHALLOW = ', shallow'


def _recognizer(family: str) -> Config:
    cfg = Config.fromfile(RECOGNIZER)
    cfg.model.backbone = micro.config(family)
    cfg.model.cls_head.update(in_channels=micro.MICRO[family].channels[-1], average_clips='score')
    cfg.model.data_preprocessor.update(mean=MEAN, std=STD)
    return cfg


def _classifier(family: str) -> Config:
    cfg = Config.fromfile(CLASSIFIER)
    cfg.model.backbone = micro.config(family, 'images')
    cfg.model.head.in_channels = micro.MICRO[family].channels[-1]
    cfg.data_preprocessor.update(mean=MEAN, std=STD, to_rgb=True)
    return cfg


def _features(family: str) -> Config:
    cfg = _recognizer(family)
    cfg.model.backbone.update(out_type='featmap', out_indices=LAST_STAGES.get(family, (1, 2)))
    return cfg


def _action_detector(family: str) -> Config:
    cfg, name = Config.fromfile(ACTION_DETECTOR), DETECTION_NAMES.get(family, family)
    cfg.model.backbone = dict(ACTION_FAMILIES[name], input_size=(8, 64, 64), out_type='featmap')
    cfg.model.roi_head.bbox_head.in_channels = last_dims(name)
    cfg.model.data_preprocessor.update(mean=MEAN, std=STD)
    return cfg


def _detector(family: str) -> Config:
    cfg = Config.fromfile(DETECTOR)
    if family == 'VisionTransformer':
        cfg.model.backbone, cfg.model.neck = detector_parts('UniFormerV2', channels=32)
        arch = dict(embed_dims=24, num_heads=3, depth=2, patch_size=16)
        cfg.model.backbone = dict(type='mmhvt.VisionTransformer', arch=arch, input_size=(64, 64), out_type='featmap')
    else:
        cfg.model.backbone, cfg.model.neck = detector_parts(DETECTION_NAMES.get(family, family), channels=32)
    cfg.model.data_preprocessor.update(mean=MEAN, std=STD)
    return cfg


MAKERS = dict(
    recognition=_recognizer,
    classification=_classifier,
    features=_features,
    action_detection=_action_detector,
    detection_features=_detector,
)


class MicroModel:
    """A model of random weights, its config, and its checkpoint.

    Args:
        cfg: Config.
        folder: Folder for the checkpoint, which has to be there.

    Attributes:
        cfg: Config.
        checkpoint: File of the weights.
        model: Model in evaluation mode.
    """

    def __init__(self, cfg: Config, folder: Path) -> None:
        self.cfg, self.checkpoint = cfg, folder / 'weights.pth'
        model_cfg = copy.deepcopy(cfg.model)
        if 'data_preprocessor' in cfg:
            model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            self.model = micro.randomize(MODELS.build(model_cfg))
        generator = torch.Generator().manual_seed(0)
        for name, value in self.model.named_buffers():
            if name.endswith(('running_mean', 'running_var')):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        torch.save(dict(state_dict=self.model.state_dict()), self.checkpoint)

    @torch.inference_mode()
    def outputs(self, task: str, pixels: Tensor, boxes: Tensor | None = None) -> list[Tensor]:
        """Outputs of the model's prediction.

        Args:
            task: A key of `MAKERS`.
            pixels: uint8 RGB (N, [T,] H, W, 3).
            boxes: (K, 5) as an exported action detector takes them.
        """
        with DefaultScope.overwrite_default_scope(self.cfg.default_scope):
            return getattr(self, f'_{task}')(pixels, *([] if boxes is None else [boxes]))

    def _recognition(self, frames: Tensor) -> list[Tensor]:
        clips = frames.permute(0, 4, 1, 2, 3)[:, None]  # one view
        samples = self.model.test_step(dict(inputs=list(clips), data_samples=[ActionDataSample() for _ in clips]))
        return [torch.stack([sample.pred_score for sample in samples])]

    def _features(self, frames: Tensor) -> list[Tensor]:
        clips = frames.permute(0, 4, 1, 2, 3)[:, None]
        data = dict(inputs=list(clips), data_samples=[ActionDataSample() for _ in clips])
        return list(self.model(**self.model.data_preprocessor(data), mode='tensor'))

    def _classification(self, images: Tensor) -> list[Tensor]:
        bgr = images.flip(-1).permute(0, 3, 1, 2)  # as files are read
        data = dict(inputs=list(bgr), data_samples=[DataSample() for _ in bgr])
        logits = self.model(self.model.data_preprocessor(data)['inputs'], mode='tensor')
        samples = self.model.test_step(dict(inputs=list(bgr), data_samples=[DataSample() for _ in bgr]))
        probabilities = torch.stack([sample.pred_score for sample in samples])
        torch.testing.assert_close(logits.softmax(-1), probabilities)
        return [logits]

    def _action_detection(self, frames: Tensor, boxes: Tensor) -> list[Tensor]:
        samples, size = [], tuple(frames.shape[2:4])
        for number in range(len(frames)):
            sample = ActionDataSample(metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0)))
            sample.proposals = InstanceData(bboxes=boxes[boxes[:, 0] == number, 1:])
            samples.append(sample)
        data = dict(inputs=list(frames.permute(0, 4, 1, 2, 3)), data_samples=samples)
        return [torch.cat([sample.pred_instances.scores for sample in self.model.test_step(data)])]

    def _detection_features(self, images: Tensor) -> list[Tensor]:
        bgr, size, seen = images.flip(-1).permute(0, 3, 1, 2), tuple(images.shape[1:3]), []
        metainfo = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=0)
        hook = self.model.neck.register_forward_hook(lambda module, inputs, outputs: seen.extend(outputs))
        self.model.test_step(dict(inputs=list(bgr), data_samples=[DetDataSample(metainfo=metainfo) for _ in bgr]))
        hook.remove()
        return seen


def _inputs(batch: int, size: tuple[int, ...], boxes: bool = False) -> dict[str, Tensor]:
    """Pixels uint8 RGB (N, [T,] H, W, 3) of smooth colors, each sample like no other, and boxes on request."""
    generator = torch.Generator().manual_seed(batch)
    coarse = torch.rand(batch, 3, *[3] * len(size), generator=generator)
    smooth = F.interpolate(coarse, size, mode='trilinear' if len(size) == 3 else 'bilinear', align_corners=True)
    pixels = (smooth + 0.1 * torch.rand(smooth.shape, generator=generator)).mul(230).movedim(1, -1).to(torch.uint8)
    inputs = {'frames' if len(size) == 3 else 'images': pixels.contiguous()}
    if boxes:
        height, width = size[-2:]
        corners = torch.rand(2 * batch + 1, 2, 2, generator=generator).sort(1).values
        numbers = torch.arange(len(corners)).remainder(batch).sort().values[:, None].float()
        inputs['boxes'] = torch.cat([numbers, (corners * torch.tensor([width, height])).flatten(1)], 1)
    return inputs


def _run_onnx(path: Path, inputs: Mapping[str, Tensor]) -> list[Tensor]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return [
        torch.from_numpy(np.asarray(out))
        for out in session.run(None, {name: value.numpy() for name, value in inputs.items()})
    ]


def _difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """Largest difference of outputs, relative to the standard deviation of each."""
    assert [out.shape for out in found] == [out.shape for out in expected]
    assert all(out.dtype == torch.float32 for out in found)
    pairs = list(zip(found, expected, strict=True))
    return max(float((ours - theirs).abs().max() / theirs.std()) for ours, theirs in pairs)


@pytest.fixture(scope='session')
def inputs() -> Callable[..., dict[str, Tensor]]:
    return _inputs


@pytest.fixture(scope='session')
def run_onnx() -> Callable[[Path, Mapping[str, Tensor]], list[Tensor]]:
    return _run_onnx


@pytest.fixture(scope='session')
def difference() -> Callable[[list[Tensor], list[Tensor]], float]:
    return _difference


@pytest.fixture(scope='session')
def micro_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MicroModel]:
    """Makes a model of a task and a family, or of a config, once."""
    made: dict[tuple, MicroModel] = {}

    def get(task: str, family: str = 'SMViT') -> MicroModel:
        if (task, family) not in made:
            cfg = MAKERS[task](family.removesuffix(SHALLOW))
            if family.endswith(SHALLOW):
                cfg.model.backbone.arch.depths = (1,)
                cfg.model.get('cls_head', cfg.model.get('head')).in_channels = 16
            made[task, family] = MicroModel(cfg, tmp_path_factory.mktemp('model'))
        return made[task, family]

    return get


@pytest.fixture
def micro_from(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MicroModel]:
    """Makes a model of a task and a family whose config a function changes."""

    def make(task: str, family: str = 'SMViT', change: Callable[[Config], Any] = lambda cfg: None) -> MicroModel:
        cfg = MAKERS[task](family)
        change(cfg)
        return MicroModel(cfg, tmp_path_factory.mktemp('model'))

    return make


@pytest.fixture(scope='session')
def export(micro_model: Callable[..., MicroModel], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Exports a model of a task and a family once for each choice of options."""
    from mmhvt.export import export_model

    written: dict[str, Path] = {}
    folder = tmp_path_factory.mktemp('files')

    def get(task: str, family: str = 'SMViT', **options: Any) -> Path:
        key = repr((task, family, options))
        if key not in written:
            made, outputs = micro_model(task, family), 'features' if task.endswith('features') else 'scores'
            path = folder / f'{len(written)}.{options.get("format", "onnx")}'
            said: list[str] = []
            written[key] = export_model(made.cfg, made.checkpoint, path, outputs=outputs, say=said.append, **options)
            said = [line for line in said if 'shape' not in options or 'the test pipeline makes' not in line]
            # detectors keep the ratio of images within two sides
            assert ['Resize' in line for line in said] == [True] * (task == 'detection_features')
        return written[key]

    return get
