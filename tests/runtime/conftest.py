"""A micro recognizer in ONNX files with the metadata of any test pipeline, and videos for it."""

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from helpers import ROOT
from mmhvt.apis import ActionRecogInferencer

onnx = pytest.importorskip('onnx')
for name in ('onnxruntime', 'onnxscript'):
    pytest.importorskip(name)

CONFIG = ROOT / 'configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
SAMPLE = dict(type='mmaction.SampleFrames', clip_len=8, frame_interval=2, test_mode=True)
RESIZE = dict(type='mmaction.Resize', scale=(32, 32), keep_ratio=False)


def set_metadata(path: Path, metadata: dict[str, str]) -> Path:
    """Replaces the metadata of an ONNX file."""
    model = onnx.load(path, load_external_data=False)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


class Exported:
    """A micro recognizer of random weights, and ONNX files of it.

    Args:
        folder: Folder to write into.

    Attributes:
        checkpoint: Its weights.
        cfg: Its config.
    """

    def __init__(self, folder: Path) -> None:
        self.checkpoint, self._files, self._folder = folder / 'weights.pth', {}, folder
        self.cfg = Config.fromfile(CONFIG)
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope('mmaction'):
            self._model: Any = MODELS.build(self.cfg.model)
        for value in self._model.parameters():
            if value.ndim > 1:
                nn.init.xavier_uniform_(value.flatten(1), gain=1.5)
        # scores that differ, and are neither 0 nor 1, so that a wrong frame shows
        nn.init.normal_(self._model.cls_head.fc_cls.weight, std=0.1)
        torch.save(dict(state_dict=self._model.state_dict()), self.checkpoint)

    def config(self, *steps: dict, **head: Any) -> Config:
        """The config with another test pipeline, from the sampler to the crops, and with options of its head."""
        cfg = copy.deepcopy(self.cfg)
        sampler, *rest = steps or (SAMPLE, RESIZE)
        whole = cfg.test_dataloader.dataset.pipeline
        decode = dict(type='mmaction.DecordDecode')
        cfg.test_dataloader.dataset.pipeline = [whole[0], sampler, decode, *rest, *whole[-2:]]
        cfg.model.cls_head.update(head)
        return cfg

    def file(self, **options: Any) -> Path:
        """An ONNX file of mmhvt.export, written once."""
        from mmhvt.export import export_model

        key = repr(options)
        if key not in self._files:
            path = self._folder / f'{len(self._files)}.onnx'
            self._files[key] = export_model(self.cfg, self.checkpoint, path, **options)
        return self._files[key]

    def write(self, path: Path, cfg: Config | None = None, **changes: str | None) -> Path:
        """Writes an ONNX file with the metadata of a config, changed; keys that are None are left out."""
        from mmhvt.export.metadata import describe, encode

        path.write_bytes(self.file().read_bytes())
        cfg = cfg or self.config()
        with DefaultScope.overwrite_default_scope('mmaction'):
            self._model.cls_head.average_clips = cfg.model.cls_head.average_clips
            metadata, unknown = describe(cfg, self._model, 'recognition', (8, 32, 32), 'frames')
        assert not unknown
        texts = encode(metadata) | changes
        return set_metadata(path, {key: text for key, text in texts.items() if text is not None})

    def inferencer(self, cfg: Config) -> Callable[[Path], np.ndarray]:
        """Scores of a video by mmaction2's inferencer."""
        inferencer = ActionRecogInferencer(cfg, str(self.checkpoint), device='cpu')
        inferencer.show_progress = False

        def scores(video: Path) -> np.ndarray:
            return np.array(inferencer(str(video))['predictions'][0]['pred_scores'])

        return scores


@pytest.fixture(scope='session')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(tmp_path_factory.mktemp('exported'))


def _frames(count: int, width: int, height: int) -> np.ndarray:
    """Frames (count, height, width, 3) of drifting colors, each like no other."""
    corners = np.random.RandomState(0).uniform(0, 40, (count, 4, 5, 3)).cumsum(0)
    grids = np.abs(corners % 510 - 255).astype(np.uint8)
    return np.stack([cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) for grid in grids])


@pytest.fixture(scope='session')
def encode(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Encodes a video by ffmpeg with options such as '-c:v libx264', and returns the file."""
    ffmpeg = pytest.importorskip('imageio_ffmpeg').get_ffmpeg_exe()
    folder = tmp_path_factory.mktemp('encoded')

    def run(
        name: str = 'video.mp4',
        count: int = 60,
        size: tuple[int, int] = (64, 48),
        options: str = '-c:v libx264 -pix_fmt yuv420p',
        fps: str = '25',
    ) -> Path:
        if not (path := folder / name).exists():
            width, height = size
            source = f'-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps} -i -'
            command = [ffmpeg, '-loglevel', 'error', '-y', *source.split(), *options.split(), str(path)]
            subprocess.run(command, input=_frames(count, width, height).tobytes(), check=True)
        return path

    return run


@pytest.fixture(scope='session')
def runtime() -> Any:
    """The module, from the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'runtime'))
        import mmhvt_runtime
    return mmhvt_runtime


def tiny(
    path: Path, source: str = 'frames', classes: int = 3, sides: tuple = ('T', 'H', 'W'), batch: Any = 'N'
) -> Path:
    """An ONNX file without metadata. Scores are the mean colors of a clip, and blue again for more classes."""
    from onnx import TensorProto, helper, numpy_helper

    frames = source == 'frames'
    shape = [batch, *sides, 3] if frames else [batch, 3, *sides]
    nodes = [
        helper.make_node('Cast', [source], ['x'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['x', 'axes'], ['mean'], keepdims=0),
        helper.make_node('Gather', ['mean', 'colors'], ['scores'], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([1, 2, 3] if frames else [2, 3, 4]), 'axes'),
        numpy_helper.from_array(np.minimum(np.arange(classes), 2), 'colors'),
    ]
    kind = TensorProto.UINT8 if frames else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info(source, kind, shape)],
        [helper.make_tensor_value_info('scores', TensorProto.FLOAT, [batch, classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


METADATA = dict(
    format='mmhvt/1', task='recognition', config='tiny.py', precision='fp32', input='"frames"',
    classes='["r", "g", "b"]', clip_len='8', frame_interval='2', num_clips='1', sampling='"SampleFrames"',
    target_fps='null', out_of_bound='"loop"', twice_sample='false', resize='null', crop='null',
    mean='[0, 0, 0]', std='[1, 1, 1]', activation='null', average='"mean"', class_token='null',
)  # fmt: skip


@pytest.fixture
def write_tiny(tmp_path: Path) -> Callable[..., Path]:
    """Writes such a file with metadata, changed; keys that are None are left out."""

    def run(name: str = 'tiny.onnx', options: dict | None = None, **changes: str | None) -> Path:
        texts = {key: text for key, text in (METADATA | changes).items() if text is not None}
        return set_metadata(tiny(tmp_path / name, **(options or {})), texts)

    return run
