"""Whole detectors of detectron2's MViTv2 project: names, shapes, and outputs by the formulas that it publishes."""

import json
import math
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import roi_align

from helpers.coco_recipes import read_coco
from mmhvt import migrate
from mmhvt.migrate.conversion import convert_checkpoint

pytestmark = pytest.mark.usefixtures('mmdet_scope')
SOURCE = migrate.get_source('mvit.detectron2')
Shapes = dict[str, tuple[int, ...]]


# ------------------------------------------------------------ names and shapes, as detectron2/modeling and configs say


def backbone_shapes(embed_dim: int, num_heads: int, last: Sequence[int], grid: int = 56) -> Shapes:
    """Those of `backbone/mvit.py` with the arguments of projects/MViTv2/configs."""
    shapes: Shapes = {'patch_embed.proj.weight': (embed_dim, 3, 7, 7), 'patch_embed.proj.bias': (embed_dim,)}
    dim = dim_out = embed_dim
    stride_kv = 4
    for i in range(last[-1] + 1):
        coarse = stride_kv * 2 if i in last[1:3] else stride_kv
        stride_q, head = (2 if i - 1 in last else 1), dim_out // num_heads
        positions = 2 * max(grid // stride_q, grid // coarse) - 1
        block: Shapes = {'norm1.weight': (dim,), 'norm1.bias': (dim,)}
        block |= {f'attn.rel_pos_{axis}': (positions, head) for axis in 'hw'}
        block |= {'attn.qkv.weight': (3 * dim_out, dim), 'attn.qkv.bias': (3 * dim_out,)}
        block |= {'attn.proj.weight': (dim_out, dim_out), 'attn.proj.bias': (dim_out,)}
        for part in 'qkv':
            block |= {f'attn.pool_{part}.weight': (head, 1, 3, 3)}
            block |= {f'attn.norm_{part}.weight': (head,), f'attn.norm_{part}.bias': (head,)}
        block |= {'norm2.weight': (dim_out,), 'norm2.bias': (dim_out,)}
        block |= {'mlp.fc1.weight': (4 * dim_out, dim_out), 'mlp.fc1.bias': (4 * dim_out,)}
        block |= {'mlp.fc2.weight': (dim_out, 4 * dim_out), 'mlp.fc2.bias': (dim_out,)}
        if dim != dim_out:
            block |= {'proj.weight': (dim_out, dim), 'proj.bias': (dim_out,)}
        shapes |= {f'blocks.{i}.{name}': shape for name, shape in block.items()}
        dim = dim_out
        if i in last:
            scale = f'scale{2 + list(last).index(i)}_norm'
            shapes |= {f'{scale}.weight': (dim_out,), f'{scale}.bias': (dim_out,)}
            dim_out, num_heads, stride_kv = 2 * dim_out, 2 * num_heads, max(stride_kv // 2, 1)
        if i - 1 in last:
            grid //= 2
    return shapes


def conv_shapes(name: str, out: int, given: int, kernel: int, norm: str = '') -> Shapes:
    """A convolution, which has a bias if no norm follows."""
    if not norm:
        return {f'{name}.weight': (out, given, kernel, kernel), f'{name}.bias': (out,)}
    leaves = ['weight', 'bias', *(['running_mean', 'running_var'] if norm == 'BN' else [])]
    shapes = {f'{name}.weight': (out, given, kernel, kernel)} | {f'{name}.norm.{leaf}': (out,) for leaf in leaves}
    return shapes | ({f'{name}.norm.num_batches_tracked': ()} if norm == 'BN' else {})


def linear_shapes(name: str, out: int, given: int) -> Shapes:
    return {f'{name}.weight': (out, given), f'{name}.bias': (out,)}


def detector_shapes(
    embed_dim: int,
    num_heads: int,
    last: Sequence[int],
    cascade: bool,
    width: int = 256,
    hidden: int = 1024,
    classes: int = 80,
    fpn_norm: str = '',
    norm: str = 'BN',
) -> Shapes:
    """A Mask R-CNN of mask_rcnn_mvitv2_t_3x.py, or a Cascade Mask R-CNN of cascade_mask_rcnn_mvitv2_t_3x.py."""
    backbone = backbone_shapes(embed_dim, num_heads, last)
    shapes = {f'backbone.bottom_up.{name}': shape for name, shape in backbone.items()}
    for level in range(4):
        shapes |= conv_shapes(f'backbone.fpn_lateral{level + 2}', width, embed_dim * 2**level, 1, fpn_norm)
        shapes |= conv_shapes(f'backbone.fpn_output{level + 2}', width, width, 3, fpn_norm)
    rpn = 'proposal_generator.rpn_head'
    for conv in ('conv.conv0', 'conv.conv1') if cascade else ('conv',):
        shapes |= conv_shapes(f'{rpn}.{conv}', width, width, 3)
    shapes |= conv_shapes(f'{rpn}.objectness_logits', 3, width, 1) | conv_shapes(f'{rpn}.anchor_deltas', 12, width, 1)
    head_norm = norm if cascade else ''
    for stage in ('.0', '.1', '.2') if cascade else ('',):
        head, predictor = f'roi_heads.box_head{stage}', f'roi_heads.box_predictor{stage}'
        for k in range(1, 5) if cascade else ():
            shapes |= conv_shapes(f'{head}.conv{k}', width, width, 3, head_norm)
        shapes |= linear_shapes(f'{head}.fc1', hidden, width * 7 * 7)
        if not cascade:
            shapes |= linear_shapes(f'{head}.fc2', hidden, hidden)
        shapes |= linear_shapes(f'{predictor}.cls_score', classes + 1, hidden)
        shapes |= linear_shapes(f'{predictor}.bbox_pred', 4 if cascade else 4 * classes, hidden)
    for k in range(1, 5):
        shapes |= conv_shapes(f'roi_heads.mask_head.mask_fcn{k}', width, width, 3, head_norm)
    shapes |= {'roi_heads.mask_head.deconv.weight': (width, width, 2, 2), 'roi_heads.mask_head.deconv.bias': (width,)}
    return shapes | conv_shapes('roi_heads.mask_head.predictor', classes, width, 1)


# buffers of older files
COMPUTED: Shapes = {
    'pixel_mean': (3, 1, 1),
    'pixel_std': (3, 1, 1),
    **{f'proposal_generator.anchor_generator.cell_anchors.{level}': (3, 4) for level in range(5)},
}
TINY, SMALL, BASE = (96, 1, (0, 2, 7, 9)), (96, 1, (0, 2, 13, 15)), (96, 1, (1, 4, 20, 23))
LARGE, HUGE = (144, 2, (1, 7, 43, 47)), (192, 3, (3, 11, 71, 79))
# files of projects/MViTv2/README.md of detectron2, and the recipes that they are of
PUBLISHED = {
    'mask_rcnn_mvitv2_t_3x': (TINY, 'mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'),
    'cascade_mask_rcnn_mvitv2_t_3x': (TINY, 'cascade-mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'),
    'cascade_mask_rcnn_mvitv2_s_3x': (SMALL, 'cascade-mask-rcnn_mvitv2-small_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'),
    'cascade_mask_rcnn_mvitv2_b_3x': (BASE, 'cascade-mask-rcnn_mvitv2-base_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco'),
    'cascade_mask_rcnn_mvitv2_b_in21k_3x': (
        BASE,
        'cascade-mask-rcnn_mvitv2-base_in21k-pre_fpn_8xb8-amp-ms-crop-36e_coco',
    ),
    'cascade_mask_rcnn_mvitv2_l_in21k_lsj_50ep': (
        LARGE,
        'cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-lsj-50e_coco',
    ),
    'cascade_mask_rcnn_mvitv2_h_in21k_lsj_3x': (
        HUGE,
        'cascade-mask-rcnn_mvitv2-huge_in21k-pre_fpn_64xb1-amp-lsj-50e_coco',
    ),
    # of projects/ViTDet/README.md, with layer norms
    'cascade_mask_rcnn_mvitv2_b_in21k_100ep': (
        BASE,
        'cascade-mask-rcnn_mvitv2-base_in21k-pre_fpn-ln_64xb1-amp-lsj-100e_coco',
    ),
    'cascade_mask_rcnn_mvitv2_l_in21k_50ep': (
        LARGE,
        'cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn-ln_64xb1-amp-lsj-50e_coco',
    ),
    'cascade_mask_rcnn_mvitv2_h_in21k_36ep': (
        HUGE,
        'cascade-mask-rcnn_mvitv2-huge_in21k-pre_fpn-ln_64xb1-amp-lsj-36e_coco',
    ),
}


def test_names_and_shapes_here_are_those_of_their_backbone(root: Path) -> None:
    golden = json.loads((root / 'tests/data/golden/mvitv2_t_det_512.json').read_text())
    assert backbone_shapes(*TINY) == {name: tuple(shape) for name, shape in golden['state_dict'].items()}


@pytest.mark.parametrize('file', PUBLISHED)
def test_published_detectors_fit_their_recipes(file: str) -> None:
    arch, recipe = PUBLISHED[file]
    norms = dict(fpn_norm='LN', norm='LN') if 'fpn-ln' in recipe else {}
    shapes = detector_shapes(*arch, cascade=file.startswith('cascade'), **norms) | COMPUTED
    content = {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}
    converted = migrate.convert(content, file)
    with torch.device('meta'):
        model = MODELS.build(read_coco(recipe).model)
    assert converted.source is SOURCE
    assert converted.left_out == dict.fromkeys(COMPUTED, 'computed, not learned')
    found = {name: tuple(value.shape) for name, value in converted.state_dict.items()}
    assert found == {name: tuple(value.shape) for name, value in model.state_dict().items()}


# ------------------------------------------------------------------------------------------------ outputs of small ones

MICRO = dict(embed_dim=16, num_heads=1, last=(0, 1, 2, 3), width=8, hidden=24, classes=5)
RECIPES = {False: PUBLISHED['mask_rcnn_mvitv2_t_3x'][1], True: PUBLISHED['cascade_mask_rcnn_mvitv2_t_3x'][1]}
SIZE = (192, 256)


def micro_config(cascade: bool) -> Config:
    """The recipe with few channels and classes."""
    config = read_coco(RECIPES[cascade])
    model, width = config.model, MICRO['width']
    model.backbone.update(arch=dict(version=2, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), init_cfg=None)
    model.neck.update(in_channels=[16, 32, 64, 128], out_channels=width)
    model.rpn_head.update(in_channels=width, feat_channels=width)
    roi_head = model.roi_head
    for extractor in (roi_head.bbox_roi_extractor, roi_head.mask_roi_extractor):
        extractor.out_channels = width
    for head in roi_head.bbox_head if cascade else [roi_head.bbox_head]:
        head.update(in_channels=width, fc_out_channels=MICRO['hidden'], num_classes=MICRO['classes'])
        if cascade:
            head.conv_out_channels = width
    roi_head.mask_head.update(in_channels=width, conv_out_channels=width, num_classes=MICRO['classes'])
    return config


@pytest.fixture(params=[False, True], ids=['mask', 'cascade'])
def cascade(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def file(cascade: bool) -> dict[str, Tensor]:
    """A file's tensors, drawn at random; no score or box is the same for all inputs."""
    generator = torch.Generator().manual_seed(1)
    content = {}
    for name, shape in (detector_shapes(**MICRO, cascade=cascade) | COMPUTED).items():
        value = torch.randn(shape, generator=generator)
        fan_in = math.prod(shape[1:]) or 1
        content[name] = value / math.sqrt(fan_in) if len(shape) > 1 else 0.2 * value
        if name.endswith(('norm.weight', 'norm1.weight', 'norm2.weight', 'running_var')):
            content[name] = 1 + 0.2 * value.abs()
        if name.endswith('num_batches_tracked'):
            content[name] = torch.tensor(7)
    return content


@pytest.fixture
def path(file: dict[str, Tensor], tmp_path: Path) -> Path:
    """The file as the model zoo has it: a pickle of arrays."""
    path = tmp_path / 'model_final_1a1c30.pkl'
    arrays = {name: np.asarray(value) for name, value in file.items()}
    path.write_bytes(pickle.dumps(dict(model=arrays, __author__='someone')))
    return path


@pytest.fixture
def model(path: Path, cascade: bool) -> nn.Module:
    """Our detector with the file's weights."""
    model = MODELS.build(micro_config(cascade).model)
    model.load_state_dict(migrate.load(str(path)))
    return model.eval()


def conv(file: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """A convolution of odd kernel, and BatchNorm by its statistics if there is any."""
    weight = file[f'{name}.weight']
    x = F.conv2d(x, weight, file.get(f'{name}.bias'), padding=weight.shape[-1] // 2)
    if f'{name}.norm.weight' not in file:
        return x
    mean, var, scale, shift = (
        file[f'{name}.norm.{leaf}'][:, None, None] for leaf in ('running_mean', 'running_var', 'weight', 'bias')
    )
    return (x - mean) / (var + 1e-5).sqrt() * scale + shift


def linear(file: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ file[f'{name}.weight'].t() + file[f'{name}.bias']


def apply_deltas(deltas: Tensor, boxes: Tensor, weights: Sequence[float]) -> Tensor:
    """`Box2BoxTransform.apply_deltas`: deltas (N, 4) of boxes (N, 4)."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    x, y = ((boxes[:, 2:] + boxes[:, :2]) / 2).unbind(1)
    dx, dy, dw, dh = (delta / weight for delta, weight in zip(deltas.unbind(1), weights, strict=True))
    dw, dh = (delta.clamp(max=math.log(1000 / 16)) for delta in (dw, dh))
    x, y, width, height = x + dx * width, y + dy * height, width * dw.exp(), height * dh.exp()
    return torch.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1)


def clip(boxes: Tensor) -> Tensor:
    return torch.stack([boxes[:, i].clamp(0, SIZE[1 - i % 2]) for i in range(4)], 1)


def pool(maps: Sequence[Tensor], boxes: Tensor, size: int) -> Tensor:
    """`ROIPooler` with ROIAlignV2: the level by the box's area, 4 at 224²."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    levels = (4 + (area.sqrt() / 224 + 1e-8).log2()).floor().clamp(2, 5).long() - 2
    regions = [
        roi_align(maps[level], [box[None]], size, 1 / (4 * 2**level), 0, aligned=True)
        for level, box in zip(levels.tolist(), boxes, strict=True)
    ]
    return torch.cat(regions)


# of two levels of the pyramid
BOXES = torch.tensor([[40.0, 20, 120, 80], [8, 12, 252, 188], [100, 60, 180, 180], [0, 0, 60, 60], [4, 2, 254, 190]])


def pyramid(model: nn.Module, file: dict[str, Tensor]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Maps by the formula of `FPN`, and those of our model; the backbone's are compared with a golden elsewhere."""
    image = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(2))
    stages = model.backbone(image)
    above, maps = None, []
    for level in (5, 4, 3, 2):
        lateral = conv(file, f'backbone.fpn_lateral{level}', stages[level - 2])
        above = lateral if above is None else lateral + F.interpolate(above, scale_factor=2.0, mode='nearest')
        maps.insert(0, conv(file, f'backbone.fpn_output{level}', above))
    maps.append(F.max_pool2d(maps[-1], kernel_size=1, stride=2))
    return maps, model.neck(stages)


@torch.no_grad()
def test_pyramid_and_proposals_are_theirs(model: nn.Module, file: dict[str, Tensor], cascade: bool) -> None:
    maps, ours = pyramid(model, file)
    scores, deltas = model.rpn_head(ours)
    head = 'proposal_generator.rpn_head'
    for level, x in enumerate(maps):
        torch.testing.assert_close(ours[level], x, rtol=1e-4, atol=1e-5)
        for name in ('conv.conv0', 'conv.conv1') if cascade else ('conv',):
            x = conv(file, f'{head}.{name}', x).relu()
        logits, moves = (conv(file, f'{head}.{name}', x) for name in ('objectness_logits', 'anchor_deltas'))
        height, width = x.shape[2:]
        stride, side = 4 * 2**level, 32 * 2**level
        # `DefaultAnchorGenerator` with offset 0: places row by row, and at each the ratios 0.5, 1 and 2
        anchors = []
        for row in range(height):
            for column in range(width):
                for ratio in (0.5, 1.0, 2.0):
                    w = math.sqrt(side**2 / ratio)
                    h = ratio * w
                    x0, y0 = column * stride, row * stride
                    anchors.append([x0 - w / 2, y0 - h / 2, x0 + w / 2, y0 + h / 2])
        theirs = torch.tensor(anchors)
        boxes = apply_deltas(moves.view(3, 4, height, width).permute(2, 3, 0, 1).reshape(-1, 4), theirs, (1,) * 4)
        own = model.rpn_head.prior_generator.grid_priors([(height, width)] * 5, device='cpu')[level]
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-4)
        found = model.rpn_head.bbox_coder.decode(own, deltas[level][0].permute(1, 2, 0).reshape(-1, 4))
        torch.testing.assert_close(found, boxes, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(
            scores[level][0].permute(1, 2, 0).reshape(-1), logits[0].permute(1, 2, 0).reshape(-1), rtol=1e-4, atol=1e-5
        )


@torch.no_grad()
def test_boxes_and_classes_are_theirs(model: nn.Module, file: dict[str, Tensor], cascade: bool) -> None:
    """Of regions, stage by stage: scores are means of probabilities, and the last stage's boxes count."""
    maps, ours = pyramid(model, file)
    boxes, probabilities = BOXES, []
    for stage in range(3 if cascade else 1):
        suffix, factor = (f'.{stage}' if cascade else ''), stage + 1
        x = pool(maps, boxes, 7)
        for k in range(1, 5) if cascade else ():
            x = conv(file, f'roi_heads.box_head{suffix}.conv{k}', x).relu()
        x = x.flatten(1)  # channels, rows, columns
        for fc in ('fc1',) if cascade else ('fc1', 'fc2'):
            x = linear(file, f'roi_heads.box_head{suffix}.{fc}', x).relu()
        probabilities.append(linear(file, f'roi_heads.box_predictor{suffix}.cls_score', x).softmax(1))
        deltas = linear(file, f'roi_heads.box_predictor{suffix}.bbox_pred', x)
        weights = (10 * factor, 10 * factor, 5 * factor, 5 * factor)
        per_class = [clip(apply_deltas(part, boxes, weights)) for part in deltas.split(4, 1)]
        boxes = per_class[0] if cascade else torch.cat(per_class, 1)
    metas = [dict(img_shape=SIZE, ori_shape=SIZE, scale_factor=(1.0, 1.0))]
    (found,) = model.roi_head.predict_bbox(ours, metas, [InstanceData(bboxes=BOXES)], rcnn_test_cfg=None)
    scores = torch.stack(probabilities).mean(0)
    assert scores.std(0).min() > 1e-3  # the regions differ
    torch.testing.assert_close(found.scores, scores, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.bboxes, boxes, rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_masks_are_theirs(model: nn.Module, file: dict[str, Tensor], cascade: bool) -> None:
    maps, ours = pyramid(model, file)
    x = pool(maps, BOXES, 14)
    for k in range(1, 5):
        x = conv(file, f'roi_heads.mask_head.mask_fcn{k}', x).relu()
    name = 'roi_heads.mask_head.deconv'
    x = F.conv_transpose2d(x, file[f'{name}.weight'], file[f'{name}.bias'], stride=2).relu()
    logits = conv(file, 'roi_heads.mask_head.predictor', x)
    assert logits.shape == (5, 5, 28, 28) and logits.std() > 0.1
    rois = F.pad(BOXES, (1, 0))
    roi_head = model.roi_head
    found = roi_head._mask_forward(*([0] if cascade else []), ours, rois)['mask_preds']
    torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)


def test_detectors_go_there_and_back(file: dict[str, Tensor]) -> None:
    learned = {name: value for name, value in file.items() if name not in COMPUTED}
    back = SOURCE.export(SOURCE.state_dict(file))
    assert back.keys() == learned.keys() and all(torch.equal(back[name], value) for name, value in learned.items())


def test_a_file_is_converted_for_a_config(path: Path, tmp_path: Path, cascade: bool, capsys) -> None:
    """Whole, by the command that docs/guides/checkpoints.md names."""
    config = micro_config(cascade)
    config.dump(tmp_path / 'micro.py')
    convert_checkpoint(str(path), str(tmp_path / 'ours.pth'), config=str(tmp_path / 'micro.py'))
    said = capsys.readouterr().out
    assert 'missing' not in said and 'computed, not learned' in said
    model = MODELS.build(config.model)
    model.load_state_dict(torch.load(tmp_path / 'ours.pth', weights_only=True)['state_dict'])


def test_other_heads_are_left_out() -> None:
    keypoints = {'roi_heads.keypoint_head.conv_fcn1.weight': torch.zeros(1)}
    content = {name: torch.zeros(shape) for name, shape in detector_shapes(**MICRO, cascade=False).items()}
    converted = migrate.convert(content | keypoints, 'file')
    assert converted.left_out == dict.fromkeys(keypoints, 'no part of a Mask R-CNN')
    assert len(converted.state_dict) == len(content)
