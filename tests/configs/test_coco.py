"""Recipes of COCO say what the papers say, and build; their pipelines."""

import copy
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmcv.cnn import ConvModule
from mmcv.ops import batched_nms
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.optim import build_optim_wrapper
from mmengine.optim.optimizer import default_constructor
from mmengine.registry import MODELS
from modelindex.load_model_index import load as load_metafile
from torch import nn

from helpers import ROOT
from helpers.coco_recipes import (
    BOXES,
    COCO_RECIPES,
    DINO,
    FASTER,
    OURS_MVIT,
    OURS_SWIN,
    OURS_UNIFORMERV2,
    RETINA,
    SYSTEM,
    micro_coco,
    read_coco,
)

pytestmark = pytest.mark.usefixtures('mmdet_scope')
FOLDER = ROOT / 'configs/coco'
RECIPES = sorted(path.stem for path in FOLDER.glob('*.py') if 'micro' not in path.stem)

# SMViT, table A2: lr, batch, weight decay, epochs, drop path, and the heads of appendix A.2
TABLE_A2 = dict(
    base=dict(lr=3.5e-5, drop_path=0.1), baseplus=dict(lr=3e-5, drop_path=0.1), large=dict(lr=3e-5, drop_path=0.4)
)
SMVIT = dict(batch=64, weight_decay=0.1, epochs=100, amp=True, augmentation='lsj', betas=(0.9, 0.999))
# MViTv2, B.3
B3 = dict(lr=1.6e-4, batch=64, weight_decay=0.1, epochs=36, amp=True, augmentation='ms-crop', betas=(0.9, 0.999))
DROP_PATH = dict(tiny=0.1, small=0.3, base=0.4, large=0.5, huge=0.6)
PAPER = {
    **{
        f'mask-rcnn_smvit-{size}_mae-in1k-pre_fpn_64xb1-amp-lsj-100e_coco': SMVIT | values
        for size, values in TABLE_A2.items()
    },
    # "for SMViT and all comparison detection methods" (smvit, A.2); lr of ViTDet's code, drop path of B.3
    **{
        f'mask-rcnn_mvitv2-{size}_{start}-pre_fpn_64xb1-amp-lsj-100e_coco': SMVIT
        | dict(lr=8e-5, drop_path=DROP_PATH[size])
        for size in ('base', 'large')
        for start in ('in1k', 'in21k')
    },
    **{
        f'{detector}_mvitv2-{size}_{start}-pre_fpn_{"8xb8" if size in ("tiny", "small", "base") else "64xb1"}'
        '-amp-ms-crop-36e_coco': B3 | dict(drop_path=drop_path)
        for detector in ('mask-rcnn', 'cascade-mask-rcnn')
        for size, drop_path in DROP_PATH.items()
        for start in ('in1k', 'in21k')
        if (size, start) != ('tiny', 'in21k')
    },
    # "large-scale jittering … and a longer schedule (50 epochs) with IN-21K pre-training" (B.3)
    **{
        f'cascade-mask-rcnn_mvitv2-{size}_in21k-pre_fpn_64xb1-amp-lsj-50e_coco': B3
        | dict(epochs=50, augmentation='lsj', drop_path=DROP_PATH[size])
        for size in ('large', 'huge')
    },
}
# no paper's: ViTDet's code, and ours
OURS = {
    'cascade-mask-rcnn_mvitv2-base_in21k-pre_fpn-ln_64xb1-amp-lsj-100e_coco': SMVIT | dict(lr=8e-5, drop_path=0.4),
    'cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn-ln_64xb1-amp-lsj-50e_coco': SMVIT
    | dict(lr=8e-5, drop_path=0.5, epochs=50),
    'cascade-mask-rcnn_mvitv2-huge_in21k-pre_fpn-ln_64xb1-amp-lsj-36e_coco': SMVIT
    | dict(lr=1.6e-4, drop_path=0.6, epochs=36),
    OURS_MVIT: B3 | dict(drop_path=0.3),
    OURS_UNIFORMERV2: SMVIT | dict(lr=1e-4, drop_path=0.1),
    OURS_SWIN: B3 | dict(lr=1e-4, batch=16, weight_decay=0.05, drop_path=0.2),
    FASTER: B3 | dict(drop_path=0.1),
    RETINA: B3 | dict(drop_path=0.1),
    # mmdet's
    DINO: dict(lr=1e-4, batch=16, weight_decay=1e-4, epochs=12, amp=False, augmentation='ms-crop', drop_path=0.1),
}
# filled up to 1024² and tested so, as in ViTDet's code; MViTv2's own is tested at a short side of 800
AT_1024 = [name for name in RECIPES if 'lsj' in name and ('fpn-ln' in name or 'lsj-50e' not in name)]
AT_800 = [name for name in RECIPES if 'lsj' in name and name not in AT_1024]


def test_all_recipes_are_of_a_paper_or_ours() -> None:
    assert sorted(PAPER | OURS) == RECIPES


@pytest.mark.parametrize('name', RECIPES)
def test_recipe_says_what_the_paper_says(name: str) -> None:
    config, said = read_coco(name), (PAPER | OURS)[name]
    optimizer = config.optim_wrapper.optimizer
    gpus, batch, epochs = map(int, re.search(r'_(\d+)xb(\d+)-.*-(\d+)e_', name).groups())
    pipeline = [transform.type for transform in config.train_dataloader.dataset.pipeline]
    resized = dict(config.train_dataloader.dataset.pipeline[2])
    assert said == dict(
        lr=optimizer.lr,
        batch=gpus * config.train_dataloader.batch_size,
        weight_decay=optimizer.weight_decay,
        epochs=config.train_cfg.max_epochs,
        amp=config.optim_wrapper.type == 'AmpOptimWrapper',
        augmentation='lsj'
        if resized.get('ratio_range') == (0.1, 2.0) and resized['scale'] == (1024, 1024)
        else 'ms-crop',
        **(dict(betas=tuple(optimizer.betas)) if 'betas' in optimizer else {}),
        drop_path=config.model.backbone.drop_path_rate,
    )
    assert optimizer.type == 'AdamW' and config.auto_scale_lr.base_batch_size == said['batch']
    assert batch == config.train_dataloader.batch_size and epochs == said['epochs'] and said['augmentation'] in name
    # B.3's recipe for MViTv2-L and -H has mixed precision, too
    assert ('amp' in name) == said['amp']
    assert ('RandomChoice' in pipeline) == ('ms-crop' in name)
    # images are filled up to 1024² by the model or, to train alone, by the pipeline; or to the last stage's stride
    assert config.model.data_preprocessor.pad_size_divisor == (1024 if name in AT_1024 else 32)
    assert ('Pad' in pipeline) == (name in AT_800)
    (test_size,) = (part.scale for part in config.test_dataloader.dataset.pipeline if part.type == 'mmhvt.DetResize')
    assert test_size == ((1024, 1024) if name in AT_1024 else (1333, 800))
    assert config.model.backbone.input_size == (224, 224)
    metric = 'bbox' if name in BOXES else ['bbox', 'segm']
    assert config.val_evaluator.metric == config.test_evaluator.metric == metric
    loads_masks = [
        any(transform.get('with_mask', False) for transform in config[f'{mode}_dataloader'].dataset.pipeline)
        for mode in ('train', 'val', 'test')
    ]
    assert not any(loads_masks) if name in BOXES else loads_masks[0]


@pytest.mark.parametrize('name', BOXES)
def test_without_masks_all_else_is_as_with_masks(name: str) -> None:
    boxes, masks = (read_coco(each).to_dict() for each in (name, COCO_RECIPES[2]))
    for mode in ('train', 'val', 'test'):
        pipelines = [parts[f'{mode}_dataloader']['dataset']['pipeline'] for parts in (boxes, masks)]
        for pipeline in pipelines:
            for transform in pipeline:
                transform.pop('with_mask', None)
        assert pipelines[0] == pipelines[1]


def test_dino_has_the_settings_of_mmdet() -> None:
    theirs, ours = (get_config('mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py'), read_coco(DINO))
    for model in (theirs.model, ours.model):
        for key in ('backbone', 'data_preprocessor'):
            del model[key]
        del model.neck['in_channels']
    assert ours.model.to_dict() == theirs.model.to_dict()
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr'):
        assert ours[key] == theirs[key], key


@pytest.mark.parametrize('name', RECIPES)
def test_steps_of_the_learning_rate(name: str) -> None:
    """Warm-up, and two steps by 10 in the last quarter of the training."""
    config = read_coco(name)
    if name == DINO:
        (steps,) = config.param_scheduler
        assert steps.milestones == [11] and steps.end == 12
        return
    warm_up, steps = config.param_scheduler
    assert not warm_up.by_epoch and warm_up.start_factor == 1e-3 and warm_up.end in (250, 1000)
    assert steps.type == 'MultiStepLR' and steps.gamma == 0.1 and steps.end == config.train_cfg.max_epochs
    # ViTDet's and MViTv2's iterations over the whole; Swin's epochs
    expected = {100: (163889 / 184375, 177546 / 184375), 50: (163889 / 184375, 177546 / 184375)}
    expected[36] = (27 / 36, 33 / 36) if 'swin' in name else (52500 / 67500, 62500 / 67500)
    epochs = [round(part * config.train_cfg.max_epochs) for part in expected[config.train_cfg.max_epochs]]
    assert steps.milestones == epochs


@pytest.mark.parametrize('name', RECIPES)
def test_recipe_builds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device: maps of strides 4 to 32 with the channels that the neck takes, all trained, and how."""
    config = read_coco(name)
    shallow = copy.deepcopy(config.model.backbone)
    if shallow.type == 'mmhvt.MViT':
        shallow.depths = (1, 1, 1, 1)
    with torch.device('meta'):
        model = MODELS.build(config.model)
        levels = model.neck(MODELS.build(shallow)(torch.empty(1, 3, 64, 96)))
    # two lines a parameter, which take longer than all else
    monkeypatch.setattr(default_constructor, 'print_log', lambda *args, **kwargs: None)
    strides = (4, 8, 16, 32, 64)
    strides = {RETINA: (8, 16, 32, 64, 128), DINO: (8, 16, 32, 64)}.get(name, strides)
    assert [tuple(level.shape) for level in levels] == [(1, 256, -(-64 // s), -(-96 // s)) for s in strides]
    wrapper = build_optim_wrapper(model, copy.deepcopy(dict(config.optim_wrapper, type='OptimWrapper')))
    rates = {parameter: group for group in wrapper.optimizer.param_groups for parameter in group['params']}
    assert all(parameter in rates for parameter in model.parameters() if parameter.requires_grad)
    kinds = (nn.LayerNorm, nn.SyncBatchNorm)
    norms = {value for module in model.modules() if isinstance(module, kinds) for value in module.parameters()}
    # relative positions decay in ViTDet's code, not in MViTv2's
    exempt = 'pos_embed' if name in AT_1024 else 'pos_embed|rel_pos'
    for key, value in model.named_parameters():
        if value.requires_grad:
            plain = value not in norms and not re.search(exempt, key)
            # mmdet's DINO has it on all
            assert (rates[value]['weight_decay'] > 0) == (plain or name == DINO), key
    decayed = 'uniformerv2' in name or name == DINO  # DINO: less in the backbone
    assert (len({group['lr'] for group in wrapper.optimizer.param_groups}) > 1) == decayed
    assert model.backbone.blocks[-1].drop_path.drop_prob == pytest.approx((PAPER | OURS)[name]['drop_path'])


@pytest.mark.parametrize('name', [name for name in RECIPES if 'lsj' in name or 'cascade' in name])
def test_heads_have_convolutions_and_norms(name: str) -> None:
    """2 hidden convolutions in the RPN and 4 in the heads of regions.

    In a Mask R-CNN "followed by LayerNorm" (smvit, A.2), the FPN too; in a cascade as in detectron2's
    projects/MViTv2/configs/cascade_mask_rcnn_mvitv2_t_3x.py, with BatchNorm over all GPUs in the heads alone, or as in
    its projects/ViTDet/configs/COCO/cascade_mask_rcnn_mvitv2_b_in21k_100ep.py, with LayerNorm there and in the FPN.
    """
    with torch.device('meta'):
        model = MODELS.build(read_coco(name).model)
    cascade = 'cascade' in name
    boxes = model.roi_head.bbox_head
    heads = [*(boxes if isinstance(boxes, nn.ModuleList) else [boxes])]
    hidden = [head.shared_convs for head in heads]
    masks = model.roi_head.mask_head
    hidden += [(masks[0] if isinstance(masks, nn.ModuleList) else masks).convs]
    assert [len(convs) for convs in (model.rpn_head.rpn_conv, *hidden)] == [2] + [4] * len(hidden)
    for conv in (conv for convs in hidden for conv in convs):
        assert isinstance(conv.norm, nn.LayerNorm if name in AT_1024 else nn.SyncBatchNorm) and conv.conv.bias is None
    neck = [module for module in model.neck.modules() if isinstance(module, ConvModule)]
    for conv in [*model.rpn_head.rpn_conv, *neck]:
        has_norm = name in AT_1024 and not (cascade and conv not in neck)
        assert conv.with_norm == has_norm == (conv.conv.bias is None)
        assert not has_norm or isinstance(conv.norm, nn.LayerNorm)
    assert [len(head.shared_fcs) for head in heads] == [1] * (3 if cascade else 1)


@pytest.mark.parametrize('name', [name for name in RECIPES if 'cascade' in name])
def test_cascades_are_detectron2s(name: str) -> None:
    """Losses, proposals and samples, where mmdet's defaults are others."""
    model = read_coco(name).model
    roi_head, rpn, train_cfg = model.roi_head, model.rpn_head, model.train_cfg
    for stage, head in enumerate(roi_head.bbox_head, 1):
        # weights of (10, 10, 5, 5), (20, 20, 10, 10) and (30, 30, 15, 15)
        assert [1 / std for std in head.bbox_coder.target_stds] == pytest.approx([10 * stage] * 2 + [5 * stage] * 2)
        assert head.loss_bbox == dict(type='L1Loss', loss_weight=1.0) and head.reg_class_agnostic
    assert rpn.loss_bbox == dict(type='L1Loss', loss_weight=1.0) and roi_head.stage_loss_weights == [1, 1, 1]
    assert train_cfg.rpn.allowed_border == -1 and train_cfg.rpn_proposal.max_per_img == 1000
    assert [stage.assigner.pos_iou_thr for stage in train_cfg.rcnn] == [0.5, 0.6, 0.7]
    assert [stage.sampler.pos_fraction for stage in train_cfg.rcnn] == [0.25, 1.0, 1.0]
    assert not any(stage.assigner.match_low_quality for stage in train_cfg.rcnn)


def test_regions_below_the_threshold_are_ground_as_in_detectron2() -> None:
    """But not in detectors that are mmdet's."""
    for name in RECIPES:
        rcnn = read_coco(name).model.get('train_cfg', {}).get('rcnn')
        if name.startswith('mask-rcnn'):
            assert rcnn.assigner.match_low_quality == (name == OURS_SWIN), name


@pytest.mark.parametrize('name', [name for name in RECIPES if 'mvitv2' in name])
def test_largest_models_are_checkpointed(name: str) -> None:
    assert bool(read_coco(name).model.backbone.get('with_cp')) == ('huge' in name)


def test_recipes_start_from_files_that_exist_or_are_made_here() -> None:
    """What is expected in work_dirs/ is what a recipe leaves there; nobody publishes MViTv2-S of ImageNet-21K."""
    made = 0
    for name in RECIPES:
        backbone = read_coco(name).model.backbone
        checkpoint = backbone.init_cfg.checkpoint
        assert 'S_in21k' not in checkpoint and 'H_in1k' not in checkpoint
        if checkpoint.startswith('work_dirs/'):
            _, earlier, file = checkpoint.split('/')
            (path,) = ROOT.glob(f'configs/*/{earlier}.py')
            config = Config.fromfile(path)
            assert file == f'epoch_{config.train_cfg.max_epochs}.pth'
            assert backbone.arch == config.model.backbone.arch
            made += 1
    assert made == 5  # S of ImageNet-21K and H of ImageNet-1K, twice each, and MViT-B


def test_demo_has_plain_proposals() -> None:
    """What its figures were measured with."""
    model = Config.fromfile(next(FOLDER.glob('mask-rcnn*micro*.py'))).model
    assert model.rpn_head.type == 'RPNHead' and model.data_preprocessor.pad_size_divisor == 32
    convs = MODELS.build(model).rpn_head.rpn_conv
    assert len(convs) == 2 and not any(conv.with_norm for conv in convs)


@pytest.fixture(scope='module')
def photo(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """An image of 640×427 with two objects, as CocoDataset hands it to a pipeline."""
    path = tmp_path_factory.mktemp('photo') / 'photo.png'
    assert cv2.imwrite(str(path), np.random.RandomState(0).randint(0, 256, (427, 640, 3), dtype=np.uint8))
    boxes = [[20.0, 30.0, 420.0, 330.0], [500.0, 50.0, 630.0, 400.0]]
    polygons = [[[x1, y1, x2, y1, x2, y2, x1, y2]] for x1, y1, x2, y2 in boxes]
    objects = [
        dict(bbox=box, mask=mask, bbox_label=0, ignore_flag=0) for box, mask in zip(boxes, polygons, strict=True)
    ]
    return dict(img_path=str(path), height=427, width=640, img_id=1, instances=objects)


def drawn(name: str, photo: dict, times: int) -> list[dict]:
    """Results of a recipe's training pipeline."""
    np.random.seed(0)
    pipeline = copy.deepcopy(read_coco(name).train_dataloader.dataset.pipeline)
    dataset = DATASETS.build(dict(type='BaseDetDataset', pipeline=pipeline, lazy_init=True))
    return [dataset.pipeline(copy.deepcopy(photo)) for _ in range(times)]


def test_large_scale_jittering(photo: dict) -> None:
    """From a tenth to twice the size that fits 1024², no more than 1024² of it, filled up to 1024² by the model."""
    name = COCO_RECIPES[0]
    results = drawn(name, photo, 60)
    sides = np.array([result['data_samples'].img_shape for result in results])
    scales = np.array([result['data_samples'].scale_factor[0] for result in results]) * 640 / 1024
    assert sides.max() == 1024 and 0.1 <= scales.min() < 0.3 and 1.7 < scales.max() <= 2.0
    whole = scales < 1
    assert np.abs(sides[whole] - np.outer(scales[whole] * 1024, [427 / 640, 1])).max() <= 1
    objects = [len(result['data_samples'].gt_instances) for result in results]
    assert min(objects) < 2 == max(objects)
    for result in results:
        boxes = result['data_samples'].gt_instances.bboxes
        masks = result['data_samples'].gt_instances.masks
        assert torch.equal(boxes.tensor, masks.get_bboxes('hbox').tensor)  # of what is left of an object
    batch = MODELS.build(read_coco(name).model.data_preprocessor)(
        dict(
            inputs=[result['inputs'] for result in results[:2]], data_samples=[r['data_samples'] for r in results[:2]]
        ),
        training=True,
    )
    assert batch['inputs'].shape == (2, 3, 1024, 1024)
    assert all(sample.gt_instances.masks.masks.shape[1:] == (1024, 1024) for sample in batch['data_samples'])
    height, width = sides[0]
    assert not batch['inputs'][0, :, height:].any() and not batch['inputs'][0, :, :, width:].any()


def test_images_that_lose_all_objects_are_ground(photo: dict) -> None:
    small = copy.deepcopy(photo)
    corner = [0.0, 0.0, 4.0, 4.0]
    small['instances'] = [dict(photo['instances'][0], bbox=corner, mask=[[0.0, 0, 4, 0, 4, 4, 0, 4]])]
    results = drawn(COCO_RECIPES[0], small, 60)
    assert None not in results and {len(result['data_samples'].gt_instances) for result in results} == {0, 1}


def test_multi_scale_training(photo: dict) -> None:
    results = drawn(COCO_RECIPES[2], photo, 100)
    short = {min(result['data_samples'].img_shape) for result in results}
    assert {min(size) for size in ((480, 719), (800, 1199))} <= short and max(short) == 800
    assert max(max(result['data_samples'].img_shape) for result in results) <= 1333
    # half of them are cut before
    ratios = [max(r['data_samples'].img_shape) / min(r['data_samples'].img_shape) for r in results]
    assert 0.3 < np.mean([abs(ratio - 640 / 427) < 0.01 for ratio in ratios]) < 0.7


@pytest.mark.parametrize(
    ('name', 'source'),
    [
        (COCO_RECIPES[0], 'smvit/smvit-base_mae-in1k-pre_16xb64-100e_in1k'),
        ('mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-amp-lsj-100e_coco', 'mvitv2/mvitv2-large_64xb32-300e_in1k'),
        (SYSTEM, 'mvitv2/mvitv2-large_64xb32-90e_in21k'),
        (OURS_MVIT, 'mvit/mvit-base-16_64xb64-100e-repeat3_in1k'),
        (OURS_SWIN, 'video_swin/video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb'),
        (OURS_UNIFORMERV2, 'uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb'),
    ],
)
def test_recipe_goes_on_from_classification(name: str, source: str, shapes: Path, tmp_path: Path) -> None:
    """Of images, or of video; the public files are of the same forms."""
    detection = micro_coco(name, shapes, tmp_path).model.backbone
    classification = Config.fromfile(ROOT / f'configs/{source}.py').model.backbone
    classification.update(arch=detection.arch, init_cfg=None)
    before = MODELS.build(classification)
    for parameter in before.parameters():
        nn.init.normal_(parameter)
    state = before.state_dict()
    torch.save(dict(state_dict={f'backbone.{key}': value for key, value in state.items()}), tmp_path / 'source.pth')
    detection.init_cfg = dict(read_coco(name).model.backbone.init_cfg, checkpoint=str(tmp_path / 'source.pth'))
    after = MODELS.build(detection)
    after.init_weights()
    fresh = []
    for key, value in after.state_dict().items():
        same = key in state and state[key].shape == value.shape
        # positions are those of the file, by one name or another
        if not (same and torch.equal(state[key], value)) and not re.search('pos|patch_embed', key):
            fresh.append(key)
    # norms of inner stages, and of a class token's model the last, are new
    assert all(re.fullmatch(r'norm\d?\.(weight|bias)', key) for key in fresh), fresh
    assert (after.patch_embed.proj.weight.std() > 0.5) and any('blocks.' in key for key in state)


def test_soft_nms_keeps_what_overlaps() -> None:
    """Table A.1: in the system-level comparison; boxes lose score by what they overlap, linearly."""
    tests = {name: read_coco(name).model.test_cfg for name in RECIPES if name != DINO}  # which needs none
    nms = {name: test_cfg.get('rcnn', test_cfg).nms for name, test_cfg in tests.items()}
    soft = [name for name in nms if nms[name].type == 'soft_nms']
    assert soft == sorted(AT_800)
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 8], [20.0, 20, 30, 30]])
    scores, labels = torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, dtype=torch.long)
    found, kept = batched_nms(boxes, scores, labels, nms[SYSTEM])
    assert kept.tolist() == [0, 2, 1]
    assert found[:, 4].tolist() == pytest.approx([0.9, 0.7, 0.8 * (1 - 0.8)])


def test_readme_and_metafile_list_all_recipes() -> None:
    assert '- configs/coco/metafile.yml' in (ROOT / 'model-index.yml').read_text()
    # those of the families' own files
    collections = {
        collection.name
        for path in (ROOT / 'configs').glob('*/metafile.yml')
        for collection in load_metafile(str(path)).collections
    }
    metafile = load_metafile(str(FOLDER / 'metafile.yml'))
    readme = (FOLDER / 'README.md').read_text()
    models = {model.name: model for model in metafile.models}
    assert sorted(models) == sorted(PAPER | OURS)
    for name, model in models.items():
        config, about = read_coco(name), model.metadata.data
        assert model.config == f'configs/coco/{name}.py' and f']({name}.py)' in readme
        assert model.in_collection in collections
        assert about['Epochs'] == config.train_cfg.max_epochs
        assert about['Batch Size'] == config.train_dataloader.batch_size


def test_several_scales_by_our_own_tool(
    load_tool: Callable, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'x.pth').touch()
    tool, built = load_tool('test.py'), []
    monkeypatch.setattr(tool, 'build_runner', lambda cfg: built.append(cfg) or SimpleNamespace(test=dict))

    def call(name: str) -> None:
        monkeypatch.setattr(
            sys, 'argv', ['test.py', str(root / f'configs/coco/{name}.py'), str(tmp_path / 'x.pth'), '--tta']
        )
        tool.main()

    call('cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-lsj-50e_coco')
    (cfg,) = built
    assert cfg.model.type == 'mmhvt.InstanceTTAModel' and cfg.model.module.type == 'CascadeRCNN'
    assert cfg.test_dataloader.dataset.pipeline == cfg.tta_pipeline
    with pytest.raises(SystemExit, match='has no tta_model and tta_pipeline'):
        call('mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco')
