"""What other packages do not check in the parts of a model: an error when it is built, before a step can crash."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from helpers import ROOT

pytest.importorskip('mmcv._ext', reason='detectors need the compiled ops of mmcv')

FASTER = 'coco/faster-rcnn_smvit-micro_fpn_1xb4-5e_shapes-coco.py'
RETINA = 'coco/retinanet_smvit-micro_fpn_1xb4-5e_shapes-coco.py'
MASK = 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
AVA = 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
MAPS = r'but the maps that it takes have strides of \[4, 8, 16, 32\] pixels'
REGIONS = 'roi_head.bbox_roi_extractor'
# recipe, option, value, and what is said of it
REFUSED = [
    # mmcv's RoIAlign ends the process
    (FASTER, f'{REGIONS}.roi_layer.output_size', 0, r'RoIAlign\): output_size=\(0, 0\) must be positive integers'),
    (FASTER, f'{REGIONS}.roi_layer.output_size', (7, -1), r'output_size=\(7, -1\) must be positive integers'),
    (FASTER, f'{REGIONS}.roi_layer.sampling_ratio', -1, 'sampling_ratio=-1 must be 0'),
    (MASK, 'roi_head.mask_roi_extractor.roi_layer.output_size', 0, 'mask_roi_extractor.* must be positive integers'),
    (AVA, f'{REGIONS}.output_size', 0, r'RoIAlign\): output_size=\(0, 0\) must be positive integers'),
    (FASTER, 'rpn_head.anchor_generator.strides', [4, 8, 16], rf'strides=\[4, 8, 16\], {MAPS}'),
    (FASTER, 'rpn_head.anchor_generator.strides', [0, 0, 0, 0], r'strides=\[0, 0, 0, 0\] must be positive'),
    (FASTER, 'rpn_head.anchor_generator.ratios', [0.5, 0.0], r'ratios=\[0.5, 0.0\] must be one or more'),
    (FASTER, 'rpn_head.anchor_generator.scales', [-1], r'anchor_generator.scales=\[-1.0\] must be one or more'),
    (FASTER, 'rpn_head.anchor_generator.ratios', [], r'anchor_generator.ratios=\[\] must be one or more'),
    (MASK, 'train_cfg.rcnn.mask_size', 0, 'roi_head.train_cfg.mask_size=0 must be a positive integer'),
    (FASTER, 'rpn_head.bbox_coder.target_stds', [0.0, 1.0, 1.0, 1.0], 'rpn_head: bbox_coder.target_stds=.* positive'),
    (FASTER, 'train_cfg.rcnn.sampler.num', 0, 'roi_head.train_cfg.sampler.num=0 must be a positive integer'),
    (FASTER, 'train_cfg.rpn.sampler.pos_fraction', 2.0, 'rpn_head.train_cfg.sampler.pos_fraction=2.0 must be from 0'),
    (FASTER, 'train_cfg.rpn.assigner.pos_iou_thr', '0.7', "assigner.pos_iou_thr='0.7' must be from 0 to 1"),
    (FASTER, 'test_cfg.rcnn.nms.iou_threshold', -1, 'roi_head.test_cfg.nms.iou_threshold=-1 must be from 0 to 1'),
    (RETINA, 'test_cfg.score_thr', float('nan'), 'bbox_head.test_cfg.score_thr is NaN'),
    (FASTER, 'neck.num_outs', 5, r'have strides of \[4, 8, 16, 32, 64\] pixels: set anchor_generator.strides to these'),
    (FASTER, 'neck.out_channels', 16, 'bbox_roi_extractor has out_channels=32, but the maps .* have 16 channels'),
    (RETINA, 'bbox_head.anchor_generator.strides', [8, 16, 32, 64, 128], r'bbox_head: anchor_generator.strides=\[8'),
    (FASTER, f'{REGIONS}.featmap_strides', [4, 8, 16, 32, 64], rf'featmap_strides=\[4, 8, 16, 32, 64\], {MAPS}'),
    (FASTER, f'{REGIONS}.out_channels', 64, 'bbox_roi_extractor has out_channels=64, .* have 32 channels'),
    (FASTER, 'roi_head.bbox_head.in_channels', 64, 'bbox_head has in_channels=64, but regions have 32 channels'),
    (
        FASTER,
        'roi_head.bbox_head.roi_feat_size',
        14,
        r'roi_feat_size=\(14, 14\), but roi_layer.output_size .* \(7, 7\)',
    ),
    (MASK, 'roi_head.mask_head.in_channels', 64, 'mask_head has in_channels=64, but regions have 32 channels'),
    (AVA, 'roi_head.bbox_head.in_channels', 7, 'bbox_head has in_channels=7, but regions have 384 channels'),
    (AVA, 'roi_head.bbox_head.topk', (3, 9), r'topk=\(3, 9\), but num_classes=9 includes the background'),
    (FASTER, 'data_preprocessor.pad_size_divisor', 0, 'pad_size_divisor=0 must be a positive integer'),
    (FASTER, 'data_preprocessor.std', [0.0, 1.0, 1.0], r'std=\[0.0, 1.0, 1.0\] must be finite and positive'),
    (FASTER, 'data_preprocessor.mean', [float('nan'), 1.0, 1.0], r'mean=\[nan, 1.0, 1.0\] must be finite'),
    (AVA, 'data_preprocessor.std', (0, 0, 0), 'ActionDataPreprocessor: std=.* must be finite and positive'),
    (AVA, 'data_preprocessor.mean', (1,), 'mean has 1 value, but SMViT takes 3 channels: it needs one for each'),
]


def build(recipe: str, **changes: object) -> torch.nn.Module:
    config = Config.fromfile(ROOT / 'configs' / recipe)
    config.merge_from_dict({f'model.{option}': value for option, value in changes.items()})
    with DefaultScope.overwrite_default_scope(config.default_scope):
        return MODELS.build(config.model)


@pytest.mark.parametrize(
    ('recipe', 'option', 'value', 'message'), REFUSED, ids=[f'{option}={value}' for _, option, value, _ in REFUSED]
)
def test_what_would_crash_later(recipe: str, option: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        build(recipe, **{option: value})
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('recipe', [FASTER, RETINA, MASK, AVA])
def test_recipes_as_they_are(recipe: str) -> None:
    assert build(recipe)
    with torch.device('meta'):
        assert build(recipe)


@pytest.mark.parametrize(
    ('recipe', 'option', 'value', 'message'),
    [
        (FASTER, 'rpn_head.anchor_generator.strides', [8, 16, 32, 64], 'strides=[8, 16, 32, 64], but the maps that it'),
        (FASTER, f'{REGIONS}.featmap_strides', [8, 16, 32, 64], 'strides=[8, 16, 32, 64], but the maps that it takes'),
        (
            RETINA,
            'bbox_head.in_channels',
            7,
            'bbox_head has in_channels=7, but the maps that it takes have 32 channels',
        ),
    ],
)
def test_what_is_warned_of(
    recipe: str, option: str, value: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other strides train, as RetinaNet's do on the maps of a SimpleFeaturePyramid."""
    warnings: list[str] = []
    monkeypatch.setattr(
        'mmhvt.models.backbones.consumer_settings.print_log', lambda text, logger, level: warnings.append(text)
    )
    assert build(recipe, **{option: value})
    assert len(warnings) == 1 and message in warnings[0]


def test_what_fits_otherwise() -> None:
    """Another number of levels, and fewer top scores for fewer classes."""
    strides = [4, 8, 16, 32, 64]
    assert build(FASTER, **{'neck.num_outs': 5, 'rpn_head.anchor_generator.strides': strides})
    assert build(AVA, **{'roi_head.bbox_head.num_classes': 5}).roi_head.bbox_head.topk == (3,)


@pytest.mark.parametrize('smoothing', [2, -1, 1.0])
def test_smoothing_of_labels(smoothing: float) -> None:
    """Of a head of mmaction2; ours checks its options by itself."""
    head = dict(type='TSNHead', num_classes=4, in_channels=64, spatial_type=None, label_smooth_eps=smoothing)
    backbone = dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
        input_size=(4, 32, 32),
        out_type='avg_featmap',
        as_tuple=False,
    )
    with (
        DefaultScope.overwrite_default_scope('mmaction'),
        pytest.raises(ValueError, match=f'cls_head: label_smooth_eps={smoothing} must be at least 0 and less than 1'),
    ):
        MODELS.build(dict(type='Recognizer3D', backbone=backbone, cls_head=head))
