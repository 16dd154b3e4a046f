"""Recipes of COCO say what the papers say, build, and train, test and merge views through their own pipelines."""

import copy
import functools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmcv.cnn import ConvModule
from mmcv.ops import batched_nms
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.optim.optimizer import default_constructor
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from modelindex.load_model_index import load as load_metafile
from recipes import fit_heads, smaller
from torch import nn

from mmhvt.datasets.shapes_coco import FORMS, write_dataset
from mmhvt.models import MViT
from mmhvt.models.detectors import InstanceTTAModel

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'configs/coco'
RECIPES = sorted(path.stem for path in FOLDER.glob('*.py') if 'micro' not in path.stem)

# papers/smvit, table A2: lr, batch, weight decay, epochs, drop path, and the heads of appendix A.2
TABLE_A2 = dict(
    base=dict(lr=3.5e-5, drop_path=0.1), baseplus=dict(lr=3e-5, drop_path=0.1), large=dict(lr=3e-5, drop_path=0.4)
)
SMVIT = dict(batch=64, weight_decay=0.1, epochs=100, amp=False, augmentation='lsj', betas=(0.9, 0.999))
# papers/mvitv2_appendix, B.3
B3 = dict(lr=1.6e-4, batch=64, weight_decay=0.1, epochs=36, amp=True, augmentation='ms-crop', betas=(0.9, 0.999))
DROP_PATH = dict(tiny=0.1, small=0.3, base=0.4, large=0.5, huge=0.6)
PAPER = {
    **{
        f'mask-rcnn_smvit-{size}_mae-in1k-pre_fpn_64xb1-lsj-100e_coco': SMVIT | values
        for size, values in TABLE_A2.items()
    },
    # "for SMViT and all comparison detection methods" (smvit, A.2); lr and drop path of B.3
    **{
        f'mask-rcnn_mvitv2-{size}_{start}-pre_fpn_64xb1-lsj-100e_coco': SMVIT
        | dict(lr=1.6e-4, drop_path=DROP_PATH[size])
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
# no paper's
OURS = {
    'mask-rcnn_mvit-base_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco': B3 | dict(drop_path=0.3),
    'mask-rcnn_uniformerv2-base-p16_clip-pre_sfp_64xb1-lsj-100e_coco': SMVIT | dict(lr=1e-4, drop_path=0.1),
    'mask-rcnn_video-swin-tiny_in1k-pre_fpn_8xb2-amp-ms-crop-36e_coco': B3
    | dict(lr=1e-4, batch=16, weight_decay=0.05, drop_path=0.2),
}
OURS_MVIT, OURS_UNIFORMER, OURS_SWIN = OURS
SYSTEM = 'cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-lsj-50e_coco'
# one of each backbone, framework and augmentation
TRAINED = [
    'mask-rcnn_smvit-base_mae-in1k-pre_fpn_64xb1-lsj-100e_coco',
    'mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-lsj-100e_coco',
    'mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-ms-crop-36e_coco',
    SYSTEM,
    *OURS,
]


@functools.cache
def parse(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def read(name: str) -> Config:
    return copy.deepcopy(parse(name))


@pytest.fixture(autouse=True)
def scope() -> Iterator[None]:
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images to train on and two to test."""
    out = tmp_path_factory.mktemp('shapes') / 'coco'
    write_dataset(out, images=2, val_images=2, size=96, processes=1)
    return out


def tiny(name: str, shapes: Path, work_dir: Path, times: int = 4) -> Config:
    """A recipe with few channels, images of a fraction of the sides, and other data; all else as it stands."""
    config = read(name)
    model, backbone = config.model, config.model.backbone
    sizes = dict(
        SMViT=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)),
        MViT=dict(version=2 if 'mvitv2' in name else 1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)),
        VideoSwin=dict(embed_dims=16, num_heads=(1, 1, 1, 1), depths=(1, 1, 1, 1)),
        UniFormerV2=dict(embed_dims=32, num_heads=2, depth=4, patch_size=16),
    )
    backbone.arch = sizes[backbone.type.removeprefix('mmhvt.')]
    backbone.update(init_cfg=None, drop_path_rate=0.0)
    fit_heads(config)
    boxes, masks = model.roi_head.bbox_head, model.roi_head.mask_head
    for head in [*(boxes if isinstance(boxes, list) else [boxes]), masks]:
        head.num_classes = len(FORMS)
    if 'tta_model' in config:
        config.tta_model.tta_cfg.max_per_img = 5
        config.tta_pipeline = smaller(config.tta_pipeline, times)
    if 'lsj' in name:
        model.data_preprocessor.pad_size_divisor //= times
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, batch_size=2)
        folder = 'train' if split == 'train' else 'val'
        loader.dataset.update(
            data_root=f'{shapes}/',
            ann_file=f'annotations/instances_{folder}.json',
            data_prefix=dict(img=f'{folder}/'),
            metainfo=dict(classes=tuple(FORMS)),
            pipeline=smaller(loader.dataset.pipeline, times),
        )
    config.train_dataloader.dataset.filter_cfg = None
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = f'{shapes}/annotations/instances_val.json'
    config.optim_wrapper.type = 'OptimWrapper'  # mixed precision is for accelerators
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


def built(config: Config) -> nn.Module:
    """An initialised detector, in evaluation mode."""
    model = MODELS.build(config.model)
    model.init_weights()
    return model.eval()


def test_all_recipes_are_of_a_paper_or_ours() -> None:
    assert sorted(PAPER | OURS) == RECIPES


@pytest.mark.parametrize('name', RECIPES)
def test_recipe_says_what_the_paper_says(name: str) -> None:
    config, said = read(name), (PAPER | OURS)[name]
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
        betas=tuple(optimizer.betas),
        drop_path=config.model.backbone.drop_path_rate,
    )
    assert optimizer.type == 'AdamW' and config.auto_scale_lr.base_batch_size == said['batch']
    assert batch == config.train_dataloader.batch_size and epochs == said['epochs'] and said['augmentation'] in name
    # B.3's recipe for MViTv2-L and -H has mixed precision, too
    assert ('amp' in name) == said['amp']
    assert ('RandomChoice' in pipeline) == ('ms-crop' in name)
    # images are filled up to 1024² or to the last stage's stride
    assert config.model.data_preprocessor.pad_size_divisor == (1024 if 'lsj' in name else 32)
    assert config.model.backbone.input_size == (224, 224)
    assert config.val_evaluator.metric == ['bbox', 'segm']


@pytest.mark.parametrize('name', RECIPES)
def test_steps_of_the_learning_rate(name: str) -> None:
    """Warm-up, and two steps by 10 in the last quarter of the training."""
    config = read(name)
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
    config = read(name)
    shallow = copy.deepcopy(config.model.backbone)
    if shallow.type == 'mmhvt.MViT':
        shallow.arch = MViT.archs[shallow.arch] | dict(depths=(1, 1, 1, 1))
    with torch.device('meta'):
        model = MODELS.build(config.model)
        levels = model.neck(MODELS.build(shallow)(torch.empty(1, 3, 64, 96)))
    # two lines a parameter, which take longer than all else
    monkeypatch.setattr(default_constructor, 'print_log', lambda *args, **kwargs: None)
    assert [tuple(level.shape) for level in levels] == [(1, 256, -(-64 // s), -(-96 // s)) for s in (4, 8, 16, 32, 64)]
    wrapper = build_optim_wrapper(model, copy.deepcopy(dict(config.optim_wrapper, type='OptimWrapper')))
    rates = {parameter: group for group in wrapper.optimizer.param_groups for parameter in group['params']}
    assert all(parameter in rates for parameter in model.parameters() if parameter.requires_grad)
    norms = {value for module in model.modules() if isinstance(module, nn.LayerNorm) for value in module.parameters()}
    for key, value in model.named_parameters():
        if value.requires_grad:
            plain = value not in norms and not re.search('pos_embed|rel_pos|bias_table', key)
            assert (rates[value]['weight_decay'] > 0) == plain, key
    decayed = 'uniformerv2' in name
    assert (len({group['lr'] for group in wrapper.optimizer.param_groups}) > 1) == decayed
    assert model.backbone.blocks[-1].drop_path.drop_prob == pytest.approx((PAPER | OURS)[name]['drop_path'])


@pytest.mark.parametrize('name', [name for name in RECIPES if 'lsj' in name or 'cascade' in name])
def test_heads_have_convolutions_and_norms(name: str) -> None:
    """Papers/smvit, A.2: 2 hidden convolutions in the RPN, 4 in the heads of regions, "followed by LayerNorm"."""
    with torch.device('meta'):
        model = MODELS.build(read(name).model)
    boxes = model.roi_head.bbox_head
    heads = [*(boxes if isinstance(boxes, nn.ModuleList) else [boxes])]
    hidden = [head.shared_convs for head in heads]
    masks = model.roi_head.mask_head
    hidden += [(masks[0] if isinstance(masks, nn.ModuleList) else masks).convs]
    assert [len(convs) for convs in (model.rpn_head.rpn_conv, *hidden)] == [2] + [4] * len(hidden)
    neck = [module for module in model.neck.modules() if isinstance(module, ConvModule)]
    for conv in [*model.rpn_head.rpn_conv, *neck, *(conv for convs in hidden for conv in convs)]:
        assert isinstance(conv.norm, nn.LayerNorm) and conv.conv.bias is None
    assert [len(head.shared_fcs) for head in heads] == [1] * (3 if 'cascade' in name else 1)


@pytest.mark.parametrize('num_convs', [1, 2])
def test_normed_rpn_head(num_convs: int) -> None:
    """Convolution, norm over channels, ReLU, as often as there are hidden convolutions; initialised as mmdet's."""
    cfg = dict(read(SYSTEM).model.rpn_head, num_convs=num_convs, in_channels=8, feat_channels=12)
    head = MODELS.build(cfg)
    head.init_weights()
    x = torch.randn(2, 8, 5, 7)
    scores, boxes = head.forward_single(x)
    hidden = x
    for layer in head.rpn_conv:
        weight = layer.conv.weight
        assert weight.detach().std() == pytest.approx(0.01, rel=0.1)
        hidden = nn.functional.conv2d(hidden, weight, padding=1)
        hidden = nn.functional.layer_norm(hidden.movedim(1, -1), weight.shape[:1], eps=1e-6).movedim(-1, 1).relu()
    torch.testing.assert_close(scores, head.rpn_cls(hidden))
    torch.testing.assert_close(boxes, head.rpn_reg(hidden))
    assert hidden.shape[1] == 12 and len(head.rpn_conv) == num_convs
    (scores.square().mean() + boxes.square().mean()).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in head.parameters())


def test_demo_has_plain_proposals() -> None:
    """What its figures were measured with."""
    model = Config.fromfile(next(FOLDER.glob('*micro*.py'))).model
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
    pipeline = copy.deepcopy(read(name).train_dataloader.dataset.pipeline)
    dataset = DATASETS.build(dict(type='BaseDetDataset', pipeline=pipeline, lazy_init=True))
    return [dataset.pipeline(copy.deepcopy(photo)) for _ in range(times)]


def test_large_scale_jittering(photo: dict) -> None:
    """From a tenth to twice the size that fits 1024², no more than 1024² of it, filled up to 1024² by the model."""
    name = TRAINED[0]
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
    batch = MODELS.build(read(name).model.data_preprocessor)(
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
    results = drawn(TRAINED[0], small, 60)
    assert None not in results and {len(result['data_samples'].gt_instances) for result in results} == {0, 1}


def test_multi_scale_training(photo: dict) -> None:
    results = drawn(TRAINED[2], photo, 100)
    short = {min(result['data_samples'].img_shape) for result in results}
    assert {min(size) for size in ((480, 719), (800, 1199))} <= short and max(short) == 800
    assert max(max(result['data_samples'].img_shape) for result in results) <= 1333
    # half of them are cut before
    ratios = [max(r['data_samples'].img_shape) / min(r['data_samples'].img_shape) for r in results]
    assert 0.3 < np.mean([abs(ratio - 640 / 427) < 0.01 for ratio in ratios]) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize('name', TRAINED)
def test_recipe_trains_and_tests(name: str, shapes: Path, tmp_path: Path) -> None:
    """A step of its own pipeline, in which all parameters have a gradient, and COCO's metric of what is found."""
    # Cascade trains no anchors that reach over the edge, and has anchors of 256 pixels
    config = tiny(name, shapes, tmp_path, times=1 if 'smvit' in name else 2 if 'cascade' in name else 4)
    del config.param_scheduler[0]
    config.optim_wrapper.optimizer.weight_decay = 0.0
    runner = Runner.from_cfg(config)
    before = {}

    class Remember(Hook):
        def before_train(self, runner: Runner) -> None:
            before.update({k: value.clone() for k, value in runner.model.named_parameters() if value.requires_grad})

    runner.register_hook(Remember())
    runner.train()
    after = dict(runner.model.named_parameters())
    unchanged = [key for key, value in before.items() if torch.equal(value, after[key])]
    assert not [key for key in unchanged if not key.endswith('pool_k.norm.bias')]
    assert all(value.isfinite().all() for value in after.values())
    metrics = runner.test()
    assert {f'coco/{kind}_mAP_50' for kind in ('bbox', 'segm')} <= set(metrics)


@pytest.mark.parametrize(
    ('name', 'source'),
    [
        (TRAINED[0], 'smvit/smvit-base_mae-in1k-pre_16xb64-100e_in1k'),
        ('mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-lsj-100e_coco', 'mvitv2/mvitv2-large_64xb32-300e_in1k'),
        (SYSTEM, 'mvitv2/mvitv2-large_64xb32-90e_in21k'),
        (OURS_MVIT, 'mvit/mvit-base-16_64xb64-100e-repeat3_in1k'),
        (OURS_SWIN, 'video_swin/video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb'),
        (OURS_UNIFORMER, 'uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb'),
    ],
)
def test_recipe_goes_on_from_classification(name: str, source: str, shapes: Path, tmp_path: Path) -> None:
    """Of images, or of video; the public files are of the same forms."""
    detection = tiny(name, shapes, tmp_path).model.backbone
    classification = Config.fromfile(ROOT / f'configs/{source}.py').model.backbone
    classification.update(arch=detection.arch, init_cfg=None)
    before = MODELS.build(classification)
    for parameter in before.parameters():
        nn.init.normal_(parameter)
    state = before.state_dict()
    torch.save(dict(state_dict={f'backbone.{key}': value for key, value in state.items()}), tmp_path / 'source.pth')
    detection.init_cfg = dict(read(name).model.backbone.init_cfg, checkpoint=str(tmp_path / 'source.pth'))
    after = MODELS.build(detection)
    after.init_weights()
    fresh = []
    for key, value in after.state_dict().items():
        same = key in state and state[key].shape == value.shape
        # positions are those of the file, by one name or another
        if not (same and torch.equal(state[key], value)) and not re.search('pos|bias_table|patch_embed', key):
            fresh.append(key)
    # norms of inner stages, and of a class token's model the last, are new
    assert all(re.fullmatch(r'norm\d?\.(weight|bias)', key) for key in fresh), fresh
    assert (after.patch_embed.proj.weight.std() > 0.5) and any('blocks.' in key for key in state)


def test_soft_nms_keeps_what_overlaps() -> None:
    """Table A.1: in the system-level comparison; boxes lose score by what they overlap, linearly."""
    nms = {name: read(name).model.test_cfg.rcnn.nms for name in RECIPES}
    soft = [name for name in RECIPES if nms[name].type == 'soft_nms']
    assert soft == sorted(name for name in RECIPES if 'lsj-50e' in name)
    boxes = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 8], [20.0, 20, 30, 30]])
    scores, labels = torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, dtype=torch.long)
    found, kept = batched_nms(boxes, scores, labels, nms[SYSTEM])
    assert kept.tolist() == [0, 2, 1]
    assert found[:, 4].tolist() == pytest.approx([0.9, 0.7, 0.8 * (1 - 0.8)])


def merged(model: nn.Module, views: list[dict], **cfg) -> DetDataSample:
    """One image through views of it."""
    tta_cfg = ConfigDict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=5)
    tta = InstanceTTAModel(module=model, tta_cfg=tta_cfg, **cfg)
    data = {key: [[copy.deepcopy(view[key])] for view in views] for key in ('inputs', 'data_samples')}
    with torch.no_grad():
        (sample,) = tta.test_step(data)
    return sample


def view(image: torch.Tensor, shape: tuple[int, int], direction: str | None = None) -> dict:
    """An image (3, H, W) resized to `shape` and flipped."""
    scale = tuple(b / a for a, b in zip(image.shape[:0:-1], shape[::-1], strict=True))
    inputs = nn.functional.interpolate(image[None].float(), shape, mode='bilinear')[0]
    inputs = inputs.flip(dict(horizontal=-1, vertical=-2).get(direction, ())) if direction else inputs
    meta = dict(ori_shape=tuple(image.shape[1:]), img_shape=shape, scale_factor=scale, flip=bool(direction))
    return dict(inputs=inputs.byte(), data_samples=DetDataSample(metainfo=dict(meta, flip_direction=direction)))


@pytest.fixture(params=[TRAINED[0], SYSTEM], ids=['Mask R-CNN', 'Cascade'])
def detector(request: pytest.FixtureRequest, shapes: Path, tmp_path: Path) -> nn.Module:
    """A tiny detector whose masks are no noise."""
    config = tiny(request.param, shapes, tmp_path)
    config.model.data_preprocessor.pad_size_divisor = 32
    config.model.test_cfg.rcnn.nms = dict(type='nms', iou_threshold=0.5)
    model = built(config)
    for parameter in model.roi_head.mask_head.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def assert_same(found: InstanceData, expected: InstanceData) -> None:
    torch.testing.assert_close(found.bboxes, expected.bboxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(found.scores, expected.scores)
    assert torch.equal(found.labels, expected.labels) and len(found) == 5
    assert found.masks.dtype == torch.bool and found.masks.shape == expected.masks.shape
    assert (found.masks == expected.masks).float().mean() > 0.99
    assert 0.01 < found.masks.float().mean() < 0.99


def test_one_view_is_a_plain_test(detector: nn.Module) -> None:
    """Of another size than the image."""
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    single = view(image, (64, 96))
    with torch.no_grad():
        (expected,) = detector.test_step({key: [copy.deepcopy(value)] for key, value in single.items()})
    assert expected.pred_instances.masks.shape[1:] == (96, 128)
    assert_same(merged(detector, [single]).pred_instances, expected.pred_instances)


@pytest.mark.parametrize('direction', ['horizontal', 'vertical'])
def test_flipped_view_is_the_flipped_image(direction: str, detector: nn.Module) -> None:
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    axis = dict(horizontal=-1, vertical=-2)[direction]
    plain = view(image.flip(axis), (96, 128))
    with torch.no_grad():
        (expected,) = detector.test_step({key: [copy.deepcopy(value)] for key, value in plain.items()})
    expected = expected.pred_instances
    first = dict(horizontal=0, vertical=1)[direction]
    boxes = expected.bboxes.clone()
    boxes[:, [first, first + 2]] = image.shape[axis] - expected.bboxes[:, [first + 2, first]]
    expected.bboxes, expected.masks = boxes, expected.masks.flip(axis)
    assert_same(merged(detector, [view(image, (96, 128), direction)]).pred_instances, expected)


def test_masks_are_the_mean_of_all_views(detector: nn.Module) -> None:
    """Each draws the same merged boxes; those of one view alone would be others."""
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    views = [view(image, (96, 128)), view(image, (64, 96), 'horizontal')]
    drawn = []
    draw = detector.roi_head.predict_mask
    detector.roi_head.predict_mask = lambda *args, **kwargs: drawn.append(draw(*args, **kwargs)) or drawn[-1]
    found = merged(detector, views).pred_instances
    first, second = (results[0].masks.float() / 255 for results in drawn)
    mean = (first + second.flip(-1)) / 2
    sure = (mean - 0.5).abs() > 0.01
    assert torch.equal(found.masks[sure], (mean > 0.5)[sure]) and sure.float().mean() > 0.9
    assert not torch.equal(first > 0.5, second.flip(-1) > 0.5)


def test_nothing_found_in_any_view(detector: nn.Module) -> None:
    detector.roi_head.test_cfg.score_thr = 1.1
    image = torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    found = merged(detector, [view(image, (96, 128)), view(image, (64, 96), 'horizontal')]).pred_instances
    assert len(found) == 0 and found.masks.shape == (0, 96, 128) and found.masks.dtype == torch.bool


def test_views_of_a_detector_without_masks() -> None:
    module = nn.Module()
    module.test_step = None
    with pytest.raises(ValueError, match='Module draws no masks; DetTTAModel would do'):
        InstanceTTAModel(module=module)


@pytest.mark.parametrize('name', [TRAINED[0], SYSTEM])
def test_multi_scale_testing(name: str, shapes: Path, tmp_path: Path) -> None:
    """As `mim test … --tta` sets it up: three scales, each flipped too, from a checkpoint."""
    config = tiny(name, shapes, tmp_path)
    torch.save(dict(state_dict=built(config).state_dict()), tmp_path / 'detector.pth')
    config.load_from = str(tmp_path / 'detector.pth')
    config.model = ConfigDict(**config.tta_model, module=config.model)
    config.test_dataloader.dataset.pipeline = config.tta_pipeline
    runner = Runner.from_cfg(config)
    seen = []
    preprocess = runner.model.module.data_preprocessor.forward

    def remember(data: dict, training: bool) -> dict:
        seen.append(preprocess(data, training))
        return seen[-1]

    runner.model.module.data_preprocessor.forward = remember
    metrics = runner.test()
    assert {f'coco/{kind}_mAP_50' for kind in ('bbox', 'segm')} <= set(metrics)
    sides = [max(batch['inputs'].shape[-2:]) for batch in seen]
    assert sides == [192, 192, 256, 256, 320, 320]
    assert [batch['data_samples'][0].flip for batch in seen] == [False, True] * 3


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
        config, about = read(name), model.metadata.data
        assert model.config == f'configs/coco/{name}.py' and f']({name}.py)' in readme
        assert model.in_collection in collections
        assert about['Epochs'] == config.train_cfg.max_epochs
        assert about['Batch Size'] == config.train_dataloader.batch_size


def test_several_scales_by_our_own_tool(load_tool: Callable, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, built = load_tool('test.py'), []
    monkeypatch.setattr(tool, 'build_runner', lambda cfg: built.append(cfg) or SimpleNamespace(test=dict))

    def call(name: str) -> None:
        monkeypatch.setattr(sys, 'argv', ['test.py', str(root / f'configs/coco/{name}.py'), 'x.pth', '--tta'])
        tool.main()

    call('cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-lsj-50e_coco')
    (cfg,) = built
    assert cfg.model.type == 'mmhvt.InstanceTTAModel' and cfg.model.module.type == 'CascadeRCNN'
    assert cfg.test_dataloader.dataset.pipeline == cfg.tta_pipeline
    with pytest.raises(SystemExit, match='has no tta_model and tta_pipeline'):
        call('mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco')
