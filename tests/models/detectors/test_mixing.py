"""Our backbones in other detectors of mmdet, other packages' backbones with our necks and heads: by configs alone."""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor, nn

from mmhvt.migrate import adapt_model

pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
from mmdet.testing import demo_mm_inputs

from helpers import ROOT
from helpers.detection import FAMILIES, detector_parts
from helpers.references import randomize

CLASSES = 4
# one layer of each kind, few queries; what trains in minutes is another matter
DETR_NECK = "neck=dict(out_channels=32, norm_cfg=dict(type='GN', num_groups=8)),"
DETR = f"""
    data_preprocessor=dict(pad_size_divisor=32),
    {DETR_NECK}
    encoder=dict(num_layers=1, layer_cfg=dict(
        self_attn_cfg=dict(embed_dims=32), ffn_cfg=dict(embed_dims=32, feedforward_channels=48))),
    decoder=dict(num_layers=2, layer_cfg=dict(
        self_attn_cfg=dict(embed_dims=32), cross_attn_cfg=dict(embed_dims=32),
        ffn_cfg=dict(embed_dims=32, feedforward_channels=48))),
    positional_encoding=dict(num_feats=16),
    num_queries=20,
    bbox_head=dict(num_classes=4, embed_dims=32),
    test_cfg=dict(max_per_img=10),
"""
# mmdet's configs, what of them is made small, and the channels that their necks give
DETECTORS = {
    'RetinaNet': (
        'mmdet::_base_/models/retinanet_r50_fpn.py',
        'bbox_head=dict(num_classes=4, in_channels=32, feat_channels=32, stacked_convs=1),',
    ),
    'FCOS': (
        'mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
        'data_preprocessor=dict(pad_size_divisor=32),'
        'bbox_head=dict(num_classes=4, in_channels=32, feat_channels=32, stacked_convs=1),',
    ),
    'ATSS': (
        'mmdet::atss/atss_r50_fpn_1x_coco.py',
        'bbox_head=dict(num_classes=4, in_channels=32, feat_channels=32, stacked_convs=1),',
    ),
    'Deformable DETR': ('mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', DETR),
    'DINO': ('mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py', DETR + 'dn_cfg=dict(group_cfg=dict(num_dn_queries=4)),'),
}


def read_config(path: Path, base: str, model: str) -> Config:
    """A config file that inherits `base` and says `model`, as a user would write it."""
    path.write_text(
        f"_base_ = ['{base}']\n"
        "custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)\n"
        f'model = dict({model})\n'
    )
    return Config.fromfile(path)


def build(config: Config, scope: str = 'mmdet') -> nn.Module:
    init_default_scope(scope)
    config.model.pop('pretrained', None)
    model = MODELS.build(config.model)
    model.init_weights()
    return model


def train_and_predict(model: nn.Module, with_mask: bool = False) -> None:
    """One step of training, which moves the first layer, and a prediction; images of two sizes."""
    data = demo_mm_inputs(2, [(3, 96, 120), (3, 70, 64)], num_items=[3, 2], num_classes=CLASSES, with_mask=with_mask)
    model.train()
    first = next(p for name, p in model.backbone.named_parameters() if name.endswith('weight') and p.ndim == 4)
    before = first.detach().clone()
    log = model.train_step(data, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01)))
    assert log['loss'].isfinite() and first.isfinite().all() and not torch.equal(first, before)

    model.eval()
    with torch.no_grad():
        found = model.test_step(demo_mm_inputs(2, [(3, 96, 120), (3, 70, 64)], num_items=[3, 2]))
    for sample in found:
        boxes, scores = sample.pred_instances.bboxes, sample.pred_instances.scores
        assert boxes.isfinite().all() and scores.isfinite().all()
        assert not with_mask or sample.pred_instances.masks.shape[1:] == sample.ori_shape


@pytest.mark.parametrize(
    'detector, family',
    [
        *(('RetinaNet', family) for family in (*FAMILIES, 'UniFormerV2')),
        ('FCOS', 'Video Swin'),
        ('FCOS', 'MViT'),
        ('FCOS', 'UniFormerV2'),
        ('Deformable DETR', 'SMViT'),
        ('Deformable DETR', 'MViT'),
        *((detector, family) for detector in ('ATSS', 'DINO') for family in (*FAMILIES, 'UniFormerV2')),
    ],
)
def test_our_backbones_in_detectors_of_mmdet(detector: str, family: str, tmp_path: Path) -> None:
    base, small = DETECTORS[detector]
    backbone, neck = detector_parts(family, size=(96, 96), channels=32)
    text = f'backbone=dict(_delete_=True, **{backbone!r}),'
    if family == 'UniFormerV2':
        levels = 4 if DETR in small else 5
        text += f'neck=dict(_delete_=True, **{neck | dict(num_outs=levels)!r}),'
        small = small.replace(DETR_NECK, '')
    elif 'neck=dict(' in small:
        small = small.replace('neck=dict(', f'neck=dict(in_channels={neck["in_channels"]}, num_outs=4, ')
    else:  # the detector's FPN begins with its second input
        text += f'neck=dict(in_channels={neck["in_channels"]}, out_channels=32),'
    model = build(read_config(tmp_path / 'config.py', base, text + small))
    assert type(model).__name__ == detector.replace(' ', '')
    train_and_predict(model)


STRIDES = r'set out_indices=\(0, 1, 2, 3\) in the backbone$'


@pytest.mark.parametrize(
    'detector, family, outputs, neck, message',
    [
        ('RetinaNet', 'MViTv2', dict(out_type='avg_featmap'), {}, "FPN .*set out_type='featmap' in the backbone$"),
        ('RetinaNet', 'MViTv2', dict(out_indices=-1), {}, f'FPN with 4 in_channels takes as many maps.*{STRIDES}'),
        (
            'ATSS',
            'SMViT',
            dict(out_type='avg_featmap', out_indices=-1),
            {},
            r"has out_type='avg_featmap', out_indices=\[3\]: set out_type='featmap', out_indices=\(0, 1, 2, 3\) in",
        ),
        ('DINO', 'Video Swin', dict(out_indices=-1), {}, f'ChannelMapper with 4 in_channels .*{STRIDES}'),
        ('DINO', 'Video Swin', {}, dict(in_channels=[32, 64, 128]), r'set out_indices=\(1, 2, 3\) in the backbone$'),
        (
            'RetinaNet',
            'MViT',
            {},
            dict(in_channels=[256, 512, 1024, 2048]),
            r'FPN has in_channels=\[256, 512, 1024, 2048\], but .* MViT have 32, 64, 128, 128 channels: '
            r'set in_channels=\[32, 64, 128, 128\]$',
        ),
        ('RetinaNet', 'UniFormerV2', {}, {}, "the same stride: set neck=dict.*SimpleFeaturePyramid', in_channels=24"),
        (
            'RetinaNet',
            'SMViT',
            dict(out_indices=-1, as_tuple=False),
            dict(_delete_=True, type='mmhvt.SimpleFeaturePyramid', in_channels=128, out_channels=32),
            'SimpleFeaturePyramid takes maps, .* set as_tuple=True',
        ),
    ],
)
def test_forgotten_options_are_named(
    detector: str, family: str, outputs: dict, neck: dict, message: str, tmp_path: Path
) -> None:
    base, small = DETECTORS[detector]
    backbone, parts = detector_parts(family, size=(96, 96), channels=32)
    neck = dict(in_channels=[24] * 4 if family == 'UniFormerV2' else parts['in_channels']) | neck
    small = small.replace('neck=dict(', 'unused=dict(')
    text = f'backbone=dict(_delete_=True, **{backbone | outputs!r}), neck=dict(**{neck!r}),' + small
    config = read_config(tmp_path / 'config.py', base, text)
    config.model.pop('unused', None)
    with pytest.raises(ValueError, match=message) as caught:
        build(config)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('detector', ['mmdet::retinanet', 'mmdet::dino'])
def test_configs_of_the_page_build(detector: str, tmp_path: Path) -> None:
    """Those of docs/guides/mixing.md, as they are."""
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/guides/mixing.md').read_text(), re.S)
    (text,) = (block for block in blocks if detector in block)
    (tmp_path / 'config.py').write_text(text)
    model = build(Config.fromfile(tmp_path / 'config.py'))
    maps = model.extract_feat(torch.randn(1, 3, 64, 64))
    assert len(maps) == (5 if 'retinanet' in detector else 4)


def test_recognizers_of_videos_become_detectors(tmp_path: Path) -> None:
    """What tools/checkpoint/convert.py does: the backbone without time, and a report of the rest."""
    base, small = DETECTORS['RetinaNet']
    backbone, neck = detector_parts('SMViT', size=(96, 96))
    text = f'backbone=dict(_delete_=True, **{backbone!r}), neck=dict(in_channels={neck["in_channels"]}),' + small
    model = build(read_config(tmp_path / 'config.py', base, text))
    video = randomize(MODELS.build(backbone | dict(input_size=(8, 64, 64), out_type='avg_featmap', out_indices=-1)))
    content = {f'backbone.{name}': value for name, value in video.state_dict().items()}
    content['cls_head.fc_cls.weight'] = torch.zeros(5, 128)
    state, report = adapt_model(model, content, 'video.pth')
    model.load_state_dict(state, strict=False)
    torch.testing.assert_close(model.backbone.patch_embed.proj.weight, video.patch_embed.proj.weight.sum(2))
    found = {tensor.name: tensor.status for tensor in report.tensors}
    assert found.pop('cls_head.fc_cls.weight') == 'left out'
    assert found['backbone.patch_embed.proj.weight'] == 'summed' and found['backbone.pos_embed.joint'] == 'derived'
    fresh = [name for name, what in found.items() if what == 'missing']
    assert fresh and all(name.startswith(('neck.', 'bbox_head.')) for name in fresh)


def test_detectors_that_do_not_pad_say_how(tmp_path: Path) -> None:
    """DETRs of mmdet pad batches to their largest image and no further."""
    backbone, neck = detector_parts('SMViT', size=(96, 96))
    small = DETR.replace('pad_size_divisor=32', '').replace(
        'neck=dict(', f'neck=dict(in_channels={neck["in_channels"]}, '
    )
    text = f'backbone=dict(_delete_=True, **{backbone!r}),' + small
    model = build(read_config(tmp_path / 'config.py', DETECTORS['Deformable DETR'][0], text))
    data = demo_mm_inputs(1, [(3, 70, 93)], num_items=[2], num_classes=CLASSES)
    with pytest.raises(ValueError, match=r'input of \(70, 93\); .* pad_size_divisor=4 in the data_preprocessor'):
        model.train_step(data, OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01)))


VIT = "patch_size=16, out_type='featmap', arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=48)"
# of one map with stride 16, and its channels
PLAIN = {
    'mmdet.ResNet': ('depth=18, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1), out_indices=(2,)', 256),
    'mmdet.SwinTransformer': (
        'embed_dims=16, depths=(1, 1, 1), num_heads=(1, 2, 4), strides=(4, 2, 2), out_indices=(2,)',
        64,
    ),
    'mmpretrain.VisionTransformer': (f'img_size=96, {VIT}', 24),
    'mmpretrain.ViTSAM': (
        'img_size=96, patch_size=16, out_channels=32, use_abs_pos=True, window_size=4, '
        'arch=dict(embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=48, global_attn_indexes=[1])',
        32,
    ),
}


@pytest.mark.parametrize('backbone', PLAIN)
def test_simple_feature_pyramid_on_other_backbones(backbone: str, tmp_path: Path) -> None:
    arguments, channels = PLAIN[backbone]
    base, small = DETECTORS['RetinaNet']
    text = f"""
        backbone=dict(_delete_=True, type='{backbone}', {arguments}),
        neck=dict(_delete_=True, type='mmhvt.SimpleFeaturePyramid', in_channels={channels}, out_channels=32),
        {small}
    """
    if 'ViTSAM' in backbone:  # its positions are those of one size
        text += 'data_preprocessor=dict(pad_size_divisor=96),'
    model = build(read_config(tmp_path / 'config.py', base, text))
    levels = model.neck(model.backbone(torch.randn(1, 3, 96, 96)))
    assert [level.shape[-1] for level in levels] == [24, 12, 6, 3, 2]
    train_and_predict(model)


HIERARCHICAL = {
    'mmdet.SwinTransformer': ('embed_dims=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8)', [16, 32, 64, 128]),
    'mmpretrain.ConvNeXt': (
        'arch=dict(depths=[1, 1, 1, 1], channels=[8, 16, 24, 32]), out_indices=(0, 1, 2, 3), '
        'gap_before_final_norm=False',
        [8, 16, 24, 32],
    ),
}


@pytest.mark.parametrize('backbone', HIERARCHICAL)
def test_our_mask_rcnn_on_other_backbones(backbone: str, tmp_path: Path) -> None:
    """Heads and norms of our recipes; the backbone is exchanged in the config."""
    arguments, channels = HIERARCHICAL[backbone]
    text = f"""
        data_preprocessor=dict(pad_size_divisor=32),
        backbone=dict(_delete_=True, type='{backbone}', {arguments}),
        neck=dict(in_channels={channels}, out_channels=32),
        rpn_head=dict(in_channels=32, feat_channels=32),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=32),
            bbox_head=dict(in_channels=32, conv_out_channels=32, fc_out_channels=32, num_classes=4),
            mask_roi_extractor=dict(out_channels=32),
            mask_head=dict(in_channels=32, conv_out_channels=32, num_classes=4)),
        test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=5)),
    """
    base = ROOT / 'configs/_base_/models/mask-rcnn_smvit_fpn.py'
    train_and_predict(build(read_config(tmp_path / 'config.py', base, text)), with_mask=True)


@pytest.mark.parametrize(
    'backbone',
    [
        "type='mmpretrain.ResNet', depth=18",
        "type='mmpretrain.ConvNeXt', arch=dict(depths=[1] * 4, channels=[8, 16, 24, 512]), gap_before_final_norm=False",
    ],
)
def test_image_head_on_backbones_of_mmpretrain(backbone: str, tmp_path: Path) -> None:
    from mmpretrain.structures import DataSample

    text = f"""
        type='mmpretrain.ImageClassifier',
        backbone=dict({backbone}),
        neck=dict(type='mmpretrain.GlobalAveragePooling'),
        head=dict(type='mmhvt.ImageHead', num_classes=4, in_channels=512, dropout_ratio=0.1),
    """
    base = ROOT / 'configs/_base_/default_runtime_image.py'
    model = build(read_config(tmp_path / 'config.py', base, text), 'mmpretrain')
    samples = [DataSample().set_gt_label(i) for i in range(2)]
    x = torch.randn(2, 3, 64, 64)
    losses = model(x, samples, mode='loss')
    losses['loss'].backward()
    assert losses['loss'].isfinite() and next(model.backbone.parameters()).grad.abs().sum() > 0
    found = model.eval()(x, samples, mode='predict')
    assert [len(sample.pred_score) for sample in found] == [4, 4]


VIDEO = {
    'mmaction.VisionTransformer': 'img_size=32, embed_dims=16, depth=1, num_heads=2, num_frames=4, qkv_bias=True',
    'mmaction.UniFormerV2': (
        'input_resolution=32, width=16, layers=2, heads=2, t_size=4, return_list=[1], n_layers=1, n_dim=16, n_head=2, '
        'mlp_dropout=[0.0], clip_pretrained=False'
    ),
}


def recognizer(backbone: str, arguments: str, path: Path, channels: int = 16) -> nn.Module:
    text = f"""
        type='mmaction.Recognizer3D',
        backbone=dict(type='{backbone}', {arguments}),
        cls_head=dict(type='mmhvt.RecognitionHead', num_classes=4, in_channels={channels}, average_clips='prob'),
    """
    return build(read_config(path, ROOT / 'configs/_base_/default_runtime.py', text), 'mmaction')


def clips() -> tuple[Tensor, list]:
    from mmaction.structures import ActionDataSample

    samples = [ActionDataSample().set_gt_label(i) for i in range(2)]
    return torch.randn(2, 1, 3, 4, 32, 32), samples


@pytest.mark.parametrize('backbone', VIDEO)
def test_recognition_head_on_backbones_of_mmaction(backbone: str, tmp_path: Path) -> None:
    model = recognizer(backbone, VIDEO[backbone], tmp_path / 'config.py')
    x, samples = clips()
    losses = model(x, samples, mode='loss')
    losses['loss_cls'].backward()
    assert losses['loss_cls'].isfinite()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.backbone.parameters())
    found = model.eval()(x, samples, mode='predict')
    torch.testing.assert_close(found[0].pred_score.sum(), torch.tensor(1.0))


def test_faster_rcnn_of_actions_on_our_backbones(tmp_path: Path) -> None:
    """mmaction2's detector of actions, whose config says the stride that ActionDetector reads off its backbone."""
    text = """
        type='mmdet.FastRCNN',
        _scope_='mmdet',
        data_preprocessor=dict(
            type='mmaction.ActionDataPreprocessor', mean=[123.0] * 3, std=[58.0] * 3, format_shape='NCTHW'),
        backbone=dict(
            type='mmhvt.VideoSwin', arch=dict(embed_dims=8, depths=(1, 1), num_heads=(1, 2)), input_size=(4, 64, 64),
            out_type='featmap'),
        roi_head=dict(
            type='AVARoIHead',
            bbox_roi_extractor=dict(
                type='SingleRoIExtractor3D', roi_layer_type='RoIAlign', output_size=4, featmap_stride=8,
                with_temporal_pool=True),
            bbox_head=dict(
                type='BBoxHeadAVA', background_class=True, in_channels=16, num_classes=5, multilabel=True,
                topk=2)),
        train_cfg=dict(rcnn=dict(
            assigner=dict(
                type='MaxIoUAssignerAVA', pos_iou_thr=0.9, neg_iou_thr=0.9, min_pos_iou=0.9),
            sampler=dict(
                type='RandomSampler', num=8, pos_fraction=1, neg_pos_ub=-1, add_gt_as_proposals=True),
            pos_weight=1.0)),
        test_cfg=dict(rcnn=None),
    """
    from mmaction.structures import ActionDataSample

    model = build(read_config(tmp_path / 'config.py', ROOT / 'configs/_base_/default_runtime.py', text), 'mmaction')
    sample = ActionDataSample(metainfo=dict(img_shape=(64, 64)))
    boxes = torch.tensor([[4.0, 4, 40, 50]])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.eye(5)[[2]])
    sample.proposals = InstanceData(bboxes=boxes.clone())
    data = dict(inputs=[torch.randint(0, 256, (3, 4, 64, 64), dtype=torch.uint8)], data_samples=[sample])
    losses, _ = model.parse_losses(model(**model.data_preprocessor(data, True), mode='loss'))
    losses.backward()
    assert losses.isfinite() and model.backbone.patch_embed.proj.weight.grad.abs().sum() > 0
