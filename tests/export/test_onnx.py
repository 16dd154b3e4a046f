"""ONNX files give the outputs of the models, for each family and task, at several batch sizes and input sizes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from torch import Tensor

from helpers import ROOT
from helpers.micro_backbones import FAMILIES
from mmhvt.export import export_model
from mmhvt.synthetic.moving_shapes import MOTIONS, draw_clip

CONFIGS = ROOT / 'configs'
TASKS = ('recognition', 'classification', 'features', 'action_detection', 'detection_features')
# the file is traced with 2
BATCHES = (1, 3, 5)
# the backbone's, and others: not square, of the fewest frames, of one unit along an axis
VIDEO_SIZES = [(8, 32, 32), (4, 64, 96), (2, 96, 32)]
SIZES = dict(
    recognition=VIDEO_SIZES,
    classification=[(32, 32), (16, 48), (64, 32)],
    features=VIDEO_SIZES,
    action_detection=[(8, 64, 64), (4, 96, 64), (2, 32, 96)],
    detection_features=[(64, 64), (96, 160), (32, 64)],
)
# of two units or more along each axis: see mmhvt.export.sizes.least_units
MVITV2_SIZES = dict(
    recognition=[(8, 64, 64), (4, 64, 96), (6, 128, 64)],
    classification=[(32, 32), (64, 48), (32, 64)],
    features=[(8, 64, 64), (4, 64, 96), (6, 128, 64)],
    action_detection=[(8, 64, 64), (4, 96, 64), (6, 64, 128)],
    detection_features=[(64, 64), (96, 160), (128, 64)],
)
TOLERANCE = 1e-4
# of outputs between samples, relative to the same deviation: what a file that mixes up samples would get wrong
LEAST_CONTRAST = 0.05


@pytest.fixture
def assert_same(micro_model, inputs, run_onnx, difference) -> Callable[..., None]:
    """Compares a file with the model of a task and a family, at all batch sizes."""

    def check(path: Path, task: str, family: str, size: tuple[int, ...]) -> None:
        for batch in BATCHES:
            x = inputs(batch, size, boxes=task == 'action_detection')
            expected = micro_model(task, family).outputs(task, *x.values())
            if batch > 1:
                assert min((out - out.mean(0)).abs().max() / out.std() for out in expected) > LEAST_CONTRAST
            assert difference(run_onnx(path, x), expected) < TOLERANCE

    return check


# ------------------------------------------------------------------------------------------- outputs


def _marked(family: str, task: str) -> Any:
    """Unmarked is one of them."""
    return pytest.param(family, task, marks=[] if (family, task) == ('SMViT', 'recognition') else pytest.mark.slow)


@pytest.mark.parametrize(('family', 'task'), [_marked(family, task) for family in FAMILIES for task in TASKS])
def test_outputs(family: str, task: str, export, assert_same) -> None:
    """At the size of the config, with any batch."""
    assert_same(export(task, family), task, family, SIZES[task][0])


def _all_sizes(family: str, task: str) -> Any:
    """Quick enough are classifiers; tracing several blocks of MViTv2 with sizes that vary takes a minute."""
    is_quick = task == 'recognition' and family != 'MViTv2'
    return pytest.param(family, task, marks=pytest.mark.slow if is_quick else pytest.mark.thorough)


@pytest.mark.parametrize(
    ('family', 'task'),
    [_all_sizes(family, task) for family in FAMILIES for task in TASKS]
    + [pytest.param('MViTv2, shallow', 'recognition', marks=pytest.mark.slow)],
)
def test_sizes(family: str, task: str, export, assert_same) -> None:
    """One file for all sizes; where windows fix it, a file of each."""
    by_shape = family == 'VideoSwin'
    axes = ('batch', 'size') if len(SIZES[task][0]) == 2 else ('batch', 'frames', 'size')
    for size in (MVITV2_SIZES if family.startswith('MViTv2') else SIZES)[task]:
        path = export(task, family, **(dict(shape=size) if by_shape else dict(dynamic=axes)))
        assert_same(path, task, family, size)


@pytest.mark.slow
def test_sizes_far_below_the_traced_one(export, assert_same) -> None:
    """Tables of relative positions have fewer rows than where they were traced."""
    path = export('classification', 'MViTv2, shallow', dynamic=('batch', 'size'), shape=(128, 128))
    for size in [(32, 32), (32, 128), (48, 64)]:
        assert_same(path, 'classification', 'MViTv2, shallow', size)


def test_shape_of_the_input(export) -> None:
    """What varies has a name, what does not a number."""
    (frames,) = onnxruntime.InferenceSession(export('recognition')).get_inputs()
    assert (frames.name, frames.type, frames.shape) == ('frames', 'tensor(uint8)', ['N', 8, 32, 32, 3])


@pytest.mark.slow
def test_probabilities_of_views(export, micro_model, inputs, run_onnx) -> None:
    """Softmax of the logits, averaged over the views of a video, is what mmaction2 predicts."""
    made, clips = micro_model('recognition'), inputs(6, (8, 32, 32))['frames']
    views = clips.permute(0, 4, 1, 2, 3).unflatten(0, (2, 3))  # of two videos
    before, made.model.cls_head.average_clips = made.model.cls_head.average_clips, 'prob'
    with torch.no_grad(), DefaultScope.overwrite_default_scope('mmaction'):
        samples = made.model.test_step(dict(inputs=list(views), data_samples=[ActionDataSample(), ActionDataSample()]))
    made.model.cls_head.average_clips = before
    (logits,) = run_onnx(export('recognition'), dict(frames=clips))
    found = logits.softmax(-1).unflatten(0, (2, 3)).mean(1)
    torch.testing.assert_close(found, torch.stack([sample.pred_score for sample in samples]), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_single_clip(export, assert_same, inputs, run_onnx, micro_model, difference) -> None:
    """Nothing varies."""
    path = export('recognition', dynamic=())
    (frames,) = onnxruntime.InferenceSession(path).get_inputs()
    assert frames.shape == [1, 8, 32, 32, 3]
    x = inputs(1, (8, 32, 32))
    assert difference(run_onnx(path, x), micro_model('recognition').outputs('recognition', x['frames'])) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize('flipped', [False, True], ids=['usual colors', 'B, G, R'])
@pytest.mark.parametrize('task', ['recognition', 'classification'])
def test_colors_and_normalized_inputs(
    task: str, flipped: bool, micro_from, inputs, run_onnx, difference, tmp_path
) -> None:
    """Files take R, G, B, in the order and normalization of the metadata, whatever the model takes."""
    made = micro_from(task, 'VisionTransformer', lambda cfg: cfg.merge_from_dict(
        {'model.data_preprocessor.to_rgb': True} if task == 'recognition' else {'data_preprocessor.to_rgb': False}
    ) if flipped else None)  # fmt: skip
    size = SIZES[task][0]
    x = inputs(3, size)
    (pixels,) = x.values()
    expected = made.outputs(task, pixels)
    path = export_model(made.cfg, made.checkpoint, tmp_path / 'pixels.onnx')
    assert difference(run_onnx(path, x), expected) < TOLERANCE
    other = export_model(made.cfg, made.checkpoint, tmp_path / 'normalized.onnx', preprocess=False)
    metadata = {each.key: each.value for each in onnx.load(other).metadata_props}
    name = 'clips' if task == 'recognition' else 'pixels'
    assert metadata['input'] == f'"{name}"'
    mean, std = (torch.tensor(eval(metadata[key], {})) for key in ('mean', 'std'))
    normalized = ((pixels - mean) / std).movedim(-1, 1).contiguous()
    assert difference(run_onnx(other, {name: normalized}), expected) < TOLERANCE


@pytest.mark.slow
def test_detections(micro_model, inputs, run_onnx, tmp_path: Path) -> None:
    """Boxes, scores, labels and masks of Mask R-CNN are those of mmdet."""
    made, size = micro_model('detection_features'), (96, 128)
    path = export_model(made.cfg, made.checkpoint, tmp_path / 'detector.onnx', shape=size, say=lambda line: None)
    for number in range(3):
        image = inputs(3, size)['images'][number : number + 1]
        boxes, scores, labels, masks = run_onnx(path, dict(images=image))
        sample = DetDataSample(metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0), img_id=0))
        with torch.no_grad(), DefaultScope.overwrite_default_scope('mmdet'):
            data = dict(inputs=[image[0].flip(-1).permute(2, 0, 1)], data_samples=[sample])
            (found,) = made.model.test_step(data)
        expected = found.pred_instances
        assert len(scores) == len(expected) > 10
        torch.testing.assert_close(scores, expected.scores, rtol=0, atol=1e-5)
        torch.testing.assert_close(boxes, expected.bboxes, rtol=0, atol=1e-2)
        assert torch.equal(labels, expected.labels)
        pasted = _do_paste_mask(masks[:, None], boxes, *size, skip_empty=False)[0] >= 0.5
        assert (pasted != expected.masks).float().mean() < 1e-3 and 0.02 < pasted.float().mean() < 0.98


# ------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    'opset', [pytest.param(18, marks=pytest.mark.slow), pytest.param(21, marks=pytest.mark.slow), None]
)
def test_opset(opset: int | None, export, assert_same) -> None:
    """The file says which version of the operators it has; attention is one of them from 23 on."""
    path = export('recognition', **({} if opset is None else dict(opset=opset)))
    model = onnx.load(path)
    assert [(each.domain, each.version) for each in model.opset_import] == [('', opset or 23)]
    assert {node.domain for node in model.graph.node} == {''} and not model.functions
    assert sum(node.op_type == 'Attention' for node in model.graph.node) == (4 if opset is None else 0)
    assert_same(path, 'recognition', 'SMViT', (8, 32, 32))


@pytest.mark.slow
def test_opset_of_action_detectors(export) -> None:
    model = onnx.load(export('action_detection'))
    assert [(each.domain, each.version) for each in model.opset_import] == [('', 21)]


@pytest.fixture
def nodes(micro_from, tmp_path: Path) -> Callable[..., Counter]:
    """Counts the nodes of a recognizer by operator."""

    def count(family: str, **arch: Any) -> Counter:
        options = dict(backbone=dict(arch=arch), cls_head=dict(in_channels=16))  # of one stage
        made = micro_from('recognition', family, lambda cfg: cfg.merge_from_dict(dict(model=options)))
        path = export_model(made.cfg, made.checkpoint, tmp_path / 'model.onnx')
        return Counter(node.op_type for node in onnx.load(path).graph.node)

    return count


@pytest.mark.slow
def test_nodes_of_shifted_windows(nodes) -> None:
    """A block with shifted windows has a gather each way in place of what splits and merges windows."""
    one, two, three = (nodes('VideoSwin', depths=(depth,), num_heads=(1,)) for depth in (1, 2, 3))
    shifted, plain = two - one, three - two
    assert (shifted['Gather'], plain['Gather']) == (2, 0)
    assert (shifted['Transpose'], plain['Transpose']) == (4, 6)
    # counted on 2026-11-27
    assert shifted.total() <= 39 and plain.total() <= 38
    assert not {'ScatterND', 'Where', 'Pad', 'Concat', 'Expand'} & set(three)


@pytest.mark.slow
def test_nodes_of_extended_heads(nodes) -> None:
    """Relative positions cost few nodes, as their coordinates are constants, and attention stays one operator."""
    one, two = (nodes('MViTv2', depths=(depth,)) for depth in (1, 2))
    block = two - one
    one, two = (nodes('MViTv2', depths=(depth,), rel_pos='none') for depth in (1, 2))
    without = two - one
    assert block['Attention'] == without['Attention'] == 1
    added = block - without
    # scores of all offsets, those of each token's own, and longer queries, keys and values; counted on 2026-11-27
    assert added.total() <= 8 and block.total() <= 50
    assert added['MatMul'] == added['GatherElements'] == 1
    assert not {'ScatterND', 'Where', 'Pad', 'Resize', 'GatherND'} & set(two)


# ------------------------------------------------------------------------------------------- precision


@pytest.mark.slow
@pytest.mark.parametrize('family', ['SMViT', 'MViTv2', 'VideoSwin'])
def test_half(family: str, export, micro_model, inputs, run_onnx, difference) -> None:
    """Weights of two bytes; inputs and outputs keep their types."""
    path, x = export('recognition', family, half=True), inputs(5, (8, 32, 32))
    model = onnx.load(path)
    kinds = Counter()
    for each in model.graph.initializer:
        kinds[each.data_type] += int(np.prod(each.dims))
    assert kinds[onnx.TensorProto.FLOAT16] > 100 * kinds[onnx.TensorProto.FLOAT]
    assert path.stat().st_size < 0.6 * export('recognition', family).stat().st_size
    metadata = {each.key: each.value for each in model.metadata_props}
    assert metadata['precision'] == 'fp16' and metadata['clip_len'] == '8'
    expected = micro_model('recognition', family).outputs('recognition', x['frames'])
    assert 1e-5 < difference(run_onnx(path, x), expected) < 1e-2


@pytest.mark.slow
def test_half_on_a_gpu(export, micro_model, inputs, difference) -> None:
    providers = onnxruntime.get_available_providers()
    if 'CUDAExecutionProvider' not in providers:
        pytest.skip(f'onnxruntime has no GPU provider here, only {", ".join(providers)}')
    session = onnxruntime.InferenceSession(export('recognition', half=True), providers=['CUDAExecutionProvider'])
    if 'CUDAExecutionProvider' not in session.get_providers():
        pytest.skip('onnxruntime finds no GPU')
    x = inputs(5, (8, 32, 32))
    found = [torch.from_numpy(out) for out in session.run(None, {'frames': x['frames'].numpy()})]
    assert difference(found, micro_model('recognition').outputs('recognition', x['frames'])) < 2e-2


def _clips(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Moving shapes (N, 8, 32, 32, 3), `count` of each motion, and their labels."""
    rng = np.random.default_rng(seed)
    clips = [draw_clip(motion, 24, 32, rng)[0:16:2] for motion in MOTIONS for _ in range(count)]
    return torch.from_numpy(np.stack(clips)), torch.arange(len(MOTIONS)).repeat_interleave(count)


@pytest.mark.slow
def test_int8(micro_from, run_onnx, tmp_path: Path) -> None:
    """Top-1 classes of clips of a classifier that tells them apart mostly stay."""
    made = micro_from('recognition', 'SMViT')
    clips, labels = _clips(64, seed=0)
    (features,) = made.outputs('features', clips)
    # the best linear classifier, in closed form
    mean, scale = features.mean(0), features.std(0)
    x = torch.cat([(features - mean) / scale, torch.ones(len(features), 1)], 1).double()
    targets = torch.nn.functional.one_hot(labels).double()
    weights = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ targets).float().T
    made.model.cls_head.fc_cls.weight.data = weights[:, :-1] / scale
    made.model.cls_head.fc_cls.bias.data = weights[:, -1] - weights[:, :-1] @ (mean / scale)
    torch.save(dict(state_dict=made.model.state_dict()), made.checkpoint)

    whole = export_model(made.cfg, made.checkpoint, tmp_path / 'fp32.onnx')
    small = export_model(made.cfg, made.checkpoint, tmp_path / 'int8.onnx', int8=True)
    assert small.stat().st_size < 0.45 * whole.stat().st_size
    model = onnx.load(small)
    metadata = {each.key: each.value for each in model.metadata_props}
    assert metadata['precision'] == 'int8' and metadata['clip_len'] == '8'
    clips, labels = _clips(16, seed=1)
    best, others = (run_onnx(path, dict(frames=clips))[0].argmax(1) for path in (whole, small))
    accuracy, agreement = ((best == other).float().mean() for other in (labels, others))
    assert accuracy > 0.4
    # 0.82 was measured; micro models without training have close scores
    assert agreement > 0.7
