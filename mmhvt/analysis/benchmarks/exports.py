"""Exported models beside eager PyTorch in one process: nodes, differences, times, and what 8-bit weights change.

`tools/analysis/benchmark_export.py` prints the table; docs/guides/export.md shows it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import filter as matching
from itertools import product
from pathlib import Path
from shutil import copyfile
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, DefaultScope
from sklearn.datasets import load_digits
from torch import Tensor, nn

import mmhvt
from mmhvt.apis.models import load_config, load_model
from mmhvt.export import export_model
from mmhvt.export.graphs import Graph, Normalize, choose_task
from mmhvt.export.metadata import normalization
from mmhvt.synthetic.digits import WHITE
from mmhvt.synthetic.moving_shapes import MOTIONS, draw_clip

from .measure import Settings, take_turns

CONFIGS = (Path(mmhvt.__file__).parent / '.mim/configs').resolve()
EAGER, ONNX, INT8 = 'PyTorch', 'ONNX Runtime', 'INT8'
# clips at once where top-1 is compared: ONNX Runtime keeps all scores of Video Swin, 4 GiB a clip of 32 frames
CHUNK = 1

RECOGNIZER = 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
# config of a micro model for each task, and what is exported of it
TASKS = {
    'recognition': (RECOGNIZER, 'scores'),
    'features': (RECOGNIZER, 'features'),
    'classification': ('smvit/smvit-micro_1xb32-15e_digits.py', 'scores'),
    'action-detection': ('ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py', 'scores'),
    'detection-features': ('coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py', 'features'),
}
STAGES = dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1))
PLAIN = dict(embed_dims=64, num_heads=2, depth=3, patch_size=8)
# that of each family in its micro recipe, where it has one
BACKBONES: dict[str, dict[str, Any]] = {
    'smvit': dict(type='mmhvt.SMViT', arch=STAGES),
    'mvit': dict(type='mmhvt.MViT', arch=dict(STAGES, version=1)),
    'mvitv2': dict(type='mmhvt.MViT', arch=dict(STAGES, version=2)),
    'video-swin': dict(
        type='mmhvt.VideoSwin', arch=dict(embed_dims=48, num_heads=(2, 4, 8), depths=(2, 2, 2)), window_size=(2, 4, 4)
    ),
    'uniformerv2': dict(type='mmhvt.UniFormerV2', arch=PLAIN, vit='vit', local_layers='all', global_layers=None),
    'vit': dict(type='mmhvt.VisionTransformer', arch=PLAIN),
}
RECIPES = {
    ('mvitv2', 'recognition'): 'mvitv2/mvitv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py',
    ('video-swin', 'recognition'): 'video_swin/video-swin-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py',
    ('uniformerv2', 'recognition'): 'uniformerv2/uniformerv2-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py',
    ('mvitv2', 'classification'): 'mvitv2/mvitv2-micro_1xb32-15e_digits.py',
}


@dataclass(frozen=True)
class ExportCase:
    """A model to export.

    Attributes:
        config: Path below configs/.
        outputs: 'scores' or 'features'. Defaults to 'scores'.
        backbone: Key of :data:`BACKBONES` that replaces the config's backbone. Defaults to None.
        shape: ([T,] H, W). Defaults to the config's.
    """

    config: str
    outputs: str = 'scores'
    backbone: str | None = None
    shape: tuple[int, ...] | None = None


def _micro(family: str, task: str) -> ExportCase:
    config, outputs = TASKS[task]
    if family == 'smvit' or (family, task) in RECIPES:
        return ExportCase(RECIPES.get((family, task), config), outputs)
    return ExportCase(config, outputs, family)


MICRO = {f'{family}-micro/{task}': _micro(family, task) for task, family in product(TASKS, BACKBONES)}
FULL = {
    'smvit-b/recognition': ExportCase('smvit/smvit-base-p244_mae-k400-pre_16xb16-16x4x1-150e_kinetics400-rgb.py'),
    'mvit-b/recognition': ExportCase('mvit/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'),
    'mvitv2-s/recognition': ExportCase('mvitv2/mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'),
    'video-swin-t/recognition': ExportCase(
        'video_swin/video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb.py'
    ),
    'uniformerv2-b/recognition': ExportCase(
        'uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'
    ),
    'smvit-b/classification': ExportCase('smvit/smvit-base_mae-in1k-pre_16xb64-100e_in1k.py'),
    'mvit-b/classification': ExportCase('mvit/mvit-base-16_64xb64-100e-repeat3_in1k.py'),
    'mvitv2-t/classification': ExportCase('mvitv2/mvitv2-tiny_64xb32-300e_in1k.py'),
    'swin-t/classification': ExportCase('video_swin/swin-tiny-w7_3rdparty_in1k.py'),
    'mvitv2-s/action-detection': ExportCase('ava/mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb.py'),
    'mvitv2-t/detection-features': ExportCase(
        'coco/mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco.py', 'features', shape=(512, 512)
    ),
}


def choose_cases(patterns: Sequence[str], full: bool) -> dict[str, ExportCase]:
    """Cases by name.

    Args:
        patterns: Names or patterns such as 'smvit-*'; none for all.
        full: Whether models of the papers' sizes are among them.

    Raises:
        ValueError: If a pattern matches none.
    """
    cases = MICRO | FULL if full else MICRO
    if not patterns:
        return cases
    chosen: dict[str, ExportCase] = {}
    for pattern in patterns:
        names = matching(cases, pattern)
        if not names:
            raise ValueError(f'no case matches {pattern}: choose from {", ".join(cases)}')
        chosen |= {name: cases[name] for name in names}
    return chosen


# ---- models and inputs


def build_config(case: ExportCase) -> Config:
    """Config of a case, with its backbone and its head's channels."""
    cfg = load_config(str(CONFIGS / case.config))
    if 'data_preprocessor' in cfg and 'data_preprocessor' not in cfg.model:  # as mmpretrain's runner
        cfg.model.data_preprocessor = cfg.data_preprocessor
    if case.backbone:
        _replace_backbone(cfg, case.backbone)
    return cfg


def _replace_backbone(cfg: Config, family: str) -> None:
    model, old = cfg.model, cfg.model.backbone
    size = tuple(old.input_size)
    new: dict[str, Any] = dict(BACKBONES[family], input_size=size)
    depths = new['arch'].get('depths')
    if 'window_size' in new:
        new['window_size'] = new['window_size'][-len(size) :]
    if old.get('out_type') == 'featmap':
        new['out_type'] = 'featmap'
    if 'neck' in model and depths:
        new['out_indices'] = tuple(range(len(depths)))
    elif 'neck' in model:
        new['arch'] = dict(new['arch'], patch_size=16)  # the pyramid begins with a stride of 4 pixels
    model.backbone = new
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        channels = MODELS.build(new).out_channels
    if 'neck' in model and depths:
        model.neck.in_channels = channels
    elif 'neck' in model:
        pyramid = dict(type='mmhvt.SimpleFeaturePyramid', in_channels=channels[-1], num_outs=4)
        model.neck = dict(pyramid, out_channels=model.neck.out_channels)
    else:
        head = model.roi_head.bbox_head if 'roi_head' in model else model.get('cls_head') or model.head
        head.in_channels = channels[-1]


def _randomize(model: nn.Module) -> None:
    """Weights that let each branch count: those that training starts from leave some at zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1:
                value.normal_(std=value[0].numel() ** -0.5, generator=generator)
            elif 'norm' not in name:
                value.normal_(std=0.1, generator=generator)


def draw_inputs(size: Sequence[int], count: int) -> Tensor:
    """Clips of moving shapes, or handwritten digits, of any size.

    Args:
        size: ([T,] H, W).
        count: How many; classes take turns.

    Returns:
        Tensor: (N, [T,] H, W, 3) uint8 RGB.
    """
    sides = size[-1], size[-2]
    if len(size) == 2:
        images = np.round(load_digits().images[:count] * (255 / WHITE)).astype(np.uint8)
        drawn = [
            np.repeat(cv2.resize(image, sides, interpolation=cv2.INTER_CUBIC)[..., None], 3, -1) for image in images
        ]
        return torch.from_numpy(np.stack(drawn))
    rng, motions, length = np.random.default_rng(0), list(MOTIONS), size[0]
    clips = []
    for number in range(count):
        # as the micro recipes: every second frame, from the middle of a clip
        frames = draw_clip(motions[number % len(motions)], 3 * length, 64, rng)[length // 2 :: 2][:length]
        clips.append(np.stack([cv2.resize(frame, sides) for frame in frames]))
    return torch.from_numpy(np.stack(clips))


class _Eager(nn.Module):
    """A graph with its further inputs."""

    def __init__(self, graph: Graph, others: Sequence[Tensor]) -> None:
        super().__init__()
        self.graph, self.others = graph, others

    def forward(self, x: Tensor) -> list[Tensor]:
        found = self.graph(x, *self.others)
        return list(found) if isinstance(found, tuple) else [found]


class _Session(nn.Module):
    """An ONNX file with its further inputs, on as many threads as PyTorch has."""

    def __init__(self, path: Path, others: Sequence[Tensor]) -> None:
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        # threads that wait for work would take the time of the model whose turn comes next
        options.add_session_config_entry('session.force_spinning_stop', '1')
        self.session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
        self.name, *names = (each.name for each in self.session.get_inputs())
        self.others = {name: value.numpy() for name, value in zip(names, others, strict=True)}

    def forward(self, x: Tensor) -> list[Tensor]:
        return [torch.from_numpy(out) for out in self.session.run(None, {self.name: x.numpy()} | self.others)]


# ---- measurements


@dataclass
class ExportRow:
    """What was found for a case.

    Attributes:
        case: Name of the case.
        size: ([T,] H, W) of the input.
        nodes: Number of nodes of the ONNX graph.
        attention: Number of operators that attend, by type: 'Attention', or 'Softmax' where a bias is added.
        difference: Largest difference of ONNX Runtime from PyTorch, relative to the output's standard deviation.
        milliseconds: Medians over rounds of :data:`EAGER`, :data:`ONNX` and :data:`INT8`.
        ratios: Medians of PyTorch / the others: above 1, they are faster.
        agreement: Fraction of inputs whose best class 8-bit weights keep; None without classes.
        trained: Whether the weights are those of a checkpoint.
    """

    case: str
    size: tuple[int, ...]
    nodes: int
    attention: dict[str, int]
    difference: float
    milliseconds: dict[str, float]
    ratios: dict[str, float] = field(default_factory=dict)
    agreement: float | None = None
    trained: bool = False

    def as_markdown(self) -> str:
        """A row of the table, see :data:`HEADER`."""
        model, task = self.case.split('/')
        attention = ', '.join(f'{count} {kind}' for kind, count in self.attention.items()) or '0'
        agreement = '–' if self.agreement is None else f'{self.agreement:.0%}' + ('' if self.trained else ' *')
        cells = [
            model, task.replace('-', ' '), '×'.join(map(str, self.size)), self.nodes, attention,
            f'{self.difference:.0e}', *(f'{self.milliseconds[name]:.3g}' for name in (EAGER, ONNX, INT8)),
            *(f'{self.ratios[name]:.2f}' for name in (ONNX, INT8)), agreement,
        ]  # fmt: skip
        return f'| {" | ".join(map(str, cells))} |'


HEADER = (
    '| model | task | input | nodes | attention | largest difference | PyTorch, ms | ONNX Runtime, ms | INT8, ms '
    '| PyTorch / ONNX Runtime | PyTorch / INT8 | top-1 kept by INT8 |\n' + '| --- ' * 3 + '| ---: ' * 9 + '|'
)


def measure_export(
    name: str, case: ExportCase, settings: Settings, weights: Path | None = None, count: int = 64
) -> ExportRow:
    """Export a model, compare the file with the model, and time both.

    Args:
        name: Name of the case.
        case: The case.
        settings: How to measure.
        weights: Checkpoint. Defaults to random weights.
        count: Clips or images on which the best class is compared.

    Raises:
        ExportError, ValueError: See :func:`mmhvt.export.export_model`.
    """
    with TemporaryDirectory() as folder:
        cfg = build_config(case)
        checkpoint = weights or _write_random(cfg, Path(folder))
        path, small = Path(folder) / 'model.onnx', Path(folder) / 'int8.onnx'
        export_model(cfg, checkpoint, path, outputs=case.outputs, shape=case.shape, say=logging.info)
        copyfile(path, small)
        from mmhvt.export.onnx_files import shrink  # imports onnx, which is optional

        with _hidden_warnings():
            shrink(small, half=False)
        model = _load(cfg, checkpoint)
        size = case.shape or tuple(model.backbone.input_size)
        task = choose_task(model, case.outputs, name)
        classifies = task.name in ('recognition', 'classification')
        pixels = draw_inputs(size, count if classifies else 1)
        others = [_boxes(size)] if task.boxes else []
        eager = _Eager(Graph(task.part, Normalize(*normalization(model))).eval(), others)
        runners = {EAGER: eager, ONNX: _Session(path, others), INT8: _Session(small, others)}
        times = take_turns(runners, pixels[:1], 'inference', settings)
        nodes, attention = _count_nodes(path)
        return ExportRow(
            name,
            size,
            nodes,
            attention,
            _difference(runners[ONNX], eager, pixels[:1]),
            {key: median(found) * 1e3 for key, found in times.seconds.items()},
            {key: _ratio(times.seconds, key) for key in (ONNX, INT8)},
            _agreement(runners, pixels, weights is not None) if classifies else None,
            weights is not None,
        )


def _write_random(cfg: Config, folder: Path) -> Path:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    _randomize(model)
    torch.save(dict(state_dict=model.state_dict()), folder / 'random.pth')
    return folder / 'random.pth'


def _load(cfg: Config, checkpoint: Path) -> BaseModel:
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return load_model(cfg, str(checkpoint), 'cpu', BaseModel)


def _boxes(size: Sequence[int]) -> Tensor:
    """Three boxes of the first clip: (K, 5)."""
    height, width = size[-2:]
    corners = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 0.5, 0.9], [0.4, 0.1, 0.9, 0.8]])
    return torch.cat([torch.zeros(3, 1), corners * torch.tensor([width, height, width, height])], 1)


def _count_nodes(path: Path) -> tuple[int, dict[str, int]]:
    import onnx

    kinds = [node.op_type for node in onnx.load(path, load_external_data=False).graph.node]
    counts = {kind: kinds.count(kind) for kind in ('Attention', 'Softmax')}
    return len(kinds), {kind: count for kind, count in counts.items() if count}


@torch.inference_mode()
def _difference(ours: nn.Module, theirs: nn.Module, x: Tensor) -> float:
    pairs = zip(ours(x), theirs(x), strict=True)
    return max(float((found - wanted).abs().max() / wanted.std()) for found, wanted in pairs)


def _ratio(seconds: Mapping[str, list[float]], name: str) -> float:
    return median(eager / other for eager, other in zip(seconds[EAGER], seconds[name], strict=True))


def _agreement(runners: Mapping[str, nn.Module], pixels: Tensor, trained: bool) -> float:
    scores = {name: torch.cat([runners[name](chunk)[0] for chunk in pixels.split(CHUNK)]) for name in (ONNX, INT8)}
    if not trained:  # whatever the input, such models prefer the same class
        mean = scores[ONNX].mean(0)
        scores = {name: found - mean for name, found in scores.items()}
    return float((scores[ONNX].argmax(1) == scores[INT8].argmax(1)).float().mean())


@contextmanager
def _hidden_warnings() -> Iterator[None]:
    """Hides what onnxruntime logs of a quantization."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
