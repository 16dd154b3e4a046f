"""Our backbones under the heads of mmaction2 and mmpretrain, and their backbones under our heads.

docs/guides/mixing.md has these tables. Detectors are in detectors/test_mixing.py, segmentors in test_segmentation.py.
"""

import re
from collections.abc import Mapping

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from helpers import ROOT
from helpers.micro_backbones import FAMILIES, INPUTS, MICRO, config

CLASSES = 4
CLIPS, FRAMES, IMAGES = (2, 1, 3, 8, 32, 32), (2, 3, 3, 32, 32), (2, 3, 32, 32)

families = pytest.mark.parametrize('family', FAMILIES)


def build(scope: str, **model) -> nn.Module:
    with DefaultScope.overwrite_default_scope(scope):
        built = MODELS.build(model)
        built.init_weights()
    return built


def samples(scope: str) -> list:
    from mmpretrain.structures import DataSample

    kind = ActionDataSample if scope == 'mmaction' else DataSample
    return [kind().set_gt_label(label) for label in (0, 3)]


def train_and_predict(model: nn.Module, size: tuple[int, ...], scope: str = 'mmaction') -> list:
    """A loss whose gradient reaches the first layer, and scores of all classes."""
    x = torch.randn(size, generator=torch.Generator().manual_seed(0))
    for name, parameter in model.named_parameters():
        if name.startswith(('cls_head.', 'head.')):  # some begin with zeros, which no gradient passes
            nn.init.normal_(parameter, std=0.1)
    losses = model.train()(x, samples(scope), mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    first = next(p for p in model.backbone.parameters() if p.ndim >= 4)
    assert all(value.isfinite().all() for value in losses.values()) and first.grad.abs().sum() > 0
    with torch.no_grad():
        found = model.eval()(x, samples(scope), mode='predict')
    scores = torch.stack([sample.pred_score for sample in found])
    assert scores.shape == (2, CLASSES)
    torch.testing.assert_close(scores.sum(1), torch.ones(2))
    assert not torch.equal(scores[0], scores[1])
    return found


def last_channels(family: str) -> int:
    return MICRO[family].channels[-1]


# ------------------------------------------------------------------------------------- our backbones, mmaction2's heads

MAPS, VECTORS = dict(out_type='featmap', as_tuple=False), dict(as_tuple=False)
# head, options of it, options of the backbone
VIDEO_HEADS = {
    'mmhvt.RecognitionHead': (dict(), dict()),
    'mmhvt.RecognitionHead, maps': (dict(), dict(out_type='featmap')),
    'mmhvt.RecognitionHead, tensor': (dict(), MAPS),
    'I3DHead': (dict(), MAPS),
    'I3DHead, features': (dict(spatial_type=None), VECTORS),
    'X3DHead': (dict(), MAPS),
    'TimeSformerHead': (dict(), VECTORS),
    'UniFormerHead': (dict(), VECTORS),
    'MViTHead': (dict(with_cls_token=False), dict(out_type='featmap')),
    'SlowFastHead': (dict(), dict(out_type='featmap', out_indices=(0, 1))),
}


@families
@pytest.mark.parametrize('row', VIDEO_HEADS)
def test_our_backbones_under_heads_for_video(row: str, family: str) -> None:
    head, outputs = VIDEO_HEADS[row]
    channels = sum(MICRO[family].channels[:2]) if row == 'SlowFastHead' else last_channels(family)
    model = build(
        'mmaction',
        type='Recognizer3D',
        backbone=config(family, **outputs),
        cls_head=dict(type=row.split(',')[0], num_classes=CLASSES, in_channels=channels, average_clips='prob', **head),
    )
    train_and_predict(model, CLIPS)


def test_recognizers_test_by_max_testing_views() -> None:
    """mmaction2 then concatenates the outputs of the backbone."""
    head = dict(type='I3DHead', num_classes=CLASSES, in_channels=64, average_clips='prob')
    model = dict(type='Recognizer3D', backbone=config('SMViT', **MAPS), cls_head=head)
    plain, few = build('mmaction', **model), build('mmaction', **model, test_cfg=dict(max_testing_views=2))
    few.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, *CLIPS[2:])
    scores = [each.eval()(x, [ActionDataSample()], mode='predict')[0].pred_score for each in (plain, few)]
    torch.testing.assert_close(*scores)


IMAGE_HEADS = {
    'mmhvt.RecognitionHead': (dict(), dict()),
    'mmhvt.RecognitionHead, maps': (dict(), dict(out_type='featmap')),
    'TSNHead': (dict(), MAPS),
    'TSNHead, features': (dict(spatial_type=None), VECTORS),
    'TSMHead': (dict(num_segments=3, is_shift=False), MAPS),
}


@families
@pytest.mark.parametrize('row', IMAGE_HEADS)
def test_our_backbones_under_heads_for_frames(row: str, family: str) -> None:
    head, outputs = IMAGE_HEADS[row]
    model = build(
        'mmaction',
        type='Recognizer2D',
        backbone=config(family, 'images', **outputs),
        cls_head=dict(
            type=row.split(',')[0],
            num_classes=CLASSES,
            in_channels=last_channels(family),
            average_clips='prob',
            **head,
        ),
    )
    train_and_predict(model, FRAMES)


def test_recognition_head_averages_frames_as_a_tsn_head() -> None:
    heads = [
        build('mmaction', type=kind, num_classes=CLASSES, in_channels=6, dropout_ratio=0.0)
        for kind in ('TSNHead', 'mmhvt.RecognitionHead')
    ]
    heads[1].load_state_dict(heads[0].state_dict())
    maps = torch.randn(6, 6, 2, 2)
    torch.testing.assert_close(heads[0](maps, num_segs=3), heads[1](maps, num_segs=3))


# ------------------------------------------------------------------------------------ our backbones, mmpretrain's heads

GAP, GEM = dict(type='GlobalAveragePooling'), dict(type='GeneralizedMeanPooling')
CLASSIFIERS = {
    'LinearClsHead': (None, dict()),
    'LinearClsHead, pooled by the neck': (GAP, dict(out_type='featmap')),
    'LinearClsHead, pooled by a generalized mean': (GEM, dict(out_type='featmap')),
    'VisionTransformerClsHead': (None, dict()),
    'VisionTransformerClsHead, pooled by the neck': (GAP, dict(out_type='featmap')),
    'mmhvt.ImageHead': (None, dict()),
    'mmhvt.ImageHead, maps': (None, dict(out_type='featmap')),
    'mmhvt.ImageHead, tensor': (None, MAPS),
    'mmhvt.ImageHead, pooled by the neck': (GAP, dict(out_type='featmap')),
}


def classifier(backbone: Mapping, head: str, channels: int, neck: dict | None = None) -> nn.Module:
    head = dict(type=head, num_classes=CLASSES, in_channels=channels)
    return build('mmpretrain', type='ImageClassifier', backbone=backbone, neck=neck, head=head)


@families
@pytest.mark.parametrize('row', CLASSIFIERS)
def test_our_backbones_under_heads_for_images(row: str, family: str) -> None:
    neck, outputs = CLASSIFIERS[row]
    backbone = config(family, 'images', **outputs)
    train_and_predict(classifier(backbone, row.split(',')[0], last_channels(family), neck), IMAGES, 'mmpretrain')


# --------------------------------------------------------------------------------------- other backbones, our heads

THEIR_VIDEO = {
    'ResNet3dSlowOnly': (dict(depth=50, base_channels=2, pretrained=None, lateral=False), 64),
    'ResNet3dSlowFast': (
        dict(
            pretrained=None,
            resample_rate=4,
            speed_ratio=4,
            channel_ratio=2,
            slow_pathway=dict(
                type='resnet3d', depth=50, base_channels=8, pretrained=None, lateral=True, fusion_kernel=5
            ),
            fast_pathway=dict(type='resnet3d', depth=50, pretrained=None, lateral=False, base_channels=4),
        ),
        256 + 128,
    ),
    'SwinTransformer3D': (
        dict(arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2]), pretrained2d=False, out_indices=(1,)),
        16,
    ),
    'SwinTransformer3D, two stages': (
        dict(arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2]), pretrained2d=False, out_indices=(0, 1)),
        16,
    ),
    'MViT': (
        dict(
            arch=dict(embed_dims=8, num_layers=2, num_heads=1, downscale_indices=[1]), spatial_size=32, temporal_size=8
        ),
        16,
    ),
    'MViT, no class token': (
        dict(
            arch=dict(embed_dims=8, num_layers=2, num_heads=1, downscale_indices=[1]),
            spatial_size=32,
            temporal_size=8,
            with_cls_token=False,
            output_cls_token=False,
        ),
        16,
    ),
    'VisionTransformer': (
        dict(img_size=32, embed_dims=16, depth=1, num_heads=2, num_frames=8, qkv_bias=True),
        16,
    ),
    'UniFormerV2': (
        dict(
            input_resolution=32,
            width=16,
            layers=2,
            heads=2,
            t_size=8,
            return_list=[1],
            n_layers=1,
            n_dim=16,
            n_head=2,
            mlp_dropout=[0.0],
            clip_pretrained=False,
        ),
        16,
    ),
}
# several labels, several datasets
LABELS = {'MultiLabelHead': dict(type='MultiLabelHead'), 'CoTrainingHead': dict(type='CoTrainingHead')}


def their_recognizer(row: str, head: Mapping) -> nn.Module:
    backbone = dict(type=f'mmaction.{row.split(",")[0]}', **THEIR_VIDEO[row][0])
    return build('mmaction', type='Recognizer3D', backbone=backbone, cls_head=head)


@pytest.mark.parametrize('row', THEIR_VIDEO)
def test_recognition_head_on_backbones_of_mmaction(row: str) -> None:
    head = dict(num_classes=CLASSES, in_channels=THEIR_VIDEO[row][1])
    model = their_recognizer(row, dict(type='mmhvt.RecognitionHead', average_clips='prob', **head))
    train_and_predict(model, CLIPS)


@pytest.mark.parametrize('row', ['ResNet3dSlowFast', 'SwinTransformer3D', 'MViT'])
def test_heads_for_several_labels_and_datasets_on_backbones_of_mmaction(row: str) -> None:
    sizes = dict(num_classes=CLASSES, in_channels=THEIR_VIDEO[row][1])
    x = torch.randn(2, 2, *CLIPS[2:])  # two clips of two videos

    model = their_recognizer(row, dict(type='mmhvt.MultiLabelHead', **sizes))
    many = [ActionDataSample().set_gt_label(torch.tensor([1.0, 0, 1, 0])) for _ in range(4)]
    assert model(x, many, mode='loss')['loss_cls'].isfinite()
    found = model.eval()(x, [ActionDataSample() for _ in range(2)], mode='predict')
    assert all(sample.pred_score.shape == (CLASSES,) for sample in found)

    one = dict(type='mmhvt.RecognitionHead', average_clips='prob', **sizes)
    model = their_recognizer(row, dict(type='mmhvt.CoTrainingHead', heads=dict(a=one, b=one)))
    named = [ActionDataSample(metainfo=dict(dataset=name)).set_gt_label(1) for name in 'ba']
    found = model.eval()(x, named, mode='predict')
    (feats, _) = model.extract_feat(x)
    scores = model.cls_head.heads['b'](feats)[:2].softmax(1).mean(0)
    torch.testing.assert_close(found[0].pred_score, scores)
    assert model.train()(x[:, :1], named, mode='loss')['loss_cls'].isfinite()


@pytest.mark.parametrize('row', THEIR_VIDEO)
def test_feature_head_on_backbones_of_mmaction(row: str) -> None:
    name = 'slowfast' if row == 'ResNet3dSlowFast' else None
    model = their_recognizer(row, dict(type='mmhvt.FeatureHead', average_clips='score', backbone_name=name)).eval()
    feats = model(torch.randn(CLIPS), stage='head')
    assert feats.shape == (2, THEIR_VIDEO[row][1])


def test_slowfast_is_classified_as_by_its_own_head() -> None:
    """A checkpoint of mmaction2 fits: pathways are concatenated in the order of SlowFastHead."""
    sizes = dict(num_classes=CLASSES, in_channels=384)
    models = [
        their_recognizer('ResNet3dSlowFast', dict(type=head, **sizes, average_clips='prob')).eval()
        for head in ('SlowFastHead', 'mmhvt.RecognitionHead')
    ]
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(CLIPS)
    torch.testing.assert_close(models[0](x, stage='head'), models[1](x, stage='head'))


THEIR_IMAGES = {
    'mmaction.ResNet': (dict(depth=18, pretrained=None), 512),
    'mmpretrain.ResNet': (dict(depth=18), 512),
    'mmpretrain.VisionTransformer': (
        dict(
            img_size=32,
            patch_size=16,
            arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=48),
        ),
        24,
    ),
}


@pytest.mark.parametrize('row', THEIR_IMAGES)
def test_recognition_head_on_backbones_for_frames(row: str) -> None:
    arguments, channels = THEIR_IMAGES[row]
    model = build(
        'mmaction',
        type='Recognizer2D',
        backbone=dict(type=row, **arguments),
        cls_head=dict(type='mmhvt.RecognitionHead', num_classes=CLASSES, in_channels=channels, average_clips='prob'),
    )
    train_and_predict(model, FRAMES)


VIT = dict(
    type='VisionTransformer',
    img_size=32,
    patch_size=16,
    arch=dict(embed_dims=24, num_layers=1, num_heads=2, feedforward_channels=48),
)
THEIR_CLASSIFIERS = {
    'ResNet': (dict(type='ResNet', depth=18), 512),
    'ResNet, two stages': (dict(type='ResNet', depth=18, out_indices=(2, 3)), 512),
    'ConvNeXt': (dict(type='ConvNeXt', arch=dict(depths=[1] * 4, channels=[8, 16, 24, 32])), 32),
    'Swin': (
        dict(
            type='SwinTransformer', pad_small_map=True, arch=dict(embed_dims=8, depths=[1] * 4, num_heads=[1, 1, 2, 2])
        ),
        64,
    ),
    'ViT': (VIT, 24),
    'ViT, maps': (dict(VIT, out_type='featmap'), 24),
    'ViT, mean': (dict(VIT, out_type='avg_featmap'), 24),
}


@pytest.mark.parametrize('row', THEIR_CLASSIFIERS)
def test_image_head_on_backbones_of_mmpretrain(row: str) -> None:
    backbone, channels = THEIR_CLASSIFIERS[row]
    train_and_predict(classifier(backbone, 'mmhvt.ImageHead', channels), IMAGES, 'mmpretrain')


def test_classifier_takes_pairs_of_maps_and_class_tokens() -> None:
    """Of mmpretrain's ViTs before 1.0."""
    head = build('mmpretrain', type='mmhvt.ImageHead', num_classes=CLASSES, in_channels=8)
    token = torch.randn(2, 8)
    torch.testing.assert_close(head(([torch.randn(2, 8, 4, 4), token],)), head(token))


# ---------------------------------------------------------------------------------------------------------- forgotten

# family, options of the backbone, head, what the message says
FORGOTTEN = [
    (
        'SMViT',
        dict(),
        dict(type='I3DHead'),
        "I3DHead .*has out_type='avg_featmap', as_tuple=True: set out_type='featmap', as_tuple=False in the backbone",
    ),
    ('SMViT', dict(out_type='featmap'), dict(type='I3DHead'), 'I3DHead .*has as_tuple=True: set as_tuple=False'),
    ('MViT', dict(), dict(type='I3DHead'), "set out_type='featmap', as_tuple=False .*, or spatial_type=None in the"),
    ('SMViT', dict(as_tuple=False), dict(type='X3DHead'), "set out_type='featmap' in the backbone$"),
    ('MViT', dict(), dict(type='TimeSformerHead'), 'set as_tuple=False in the backbone$'),
    ('MViTv2', MAPS, dict(type='TimeSformerHead'), "has out_type='featmap': set out_type='avg_featmap'"),
    ('UniFormerV2', MAPS, dict(type='I3DHead', spatial_type=None), "set out_type='cls_token'"),
    (
        'VideoSwin',
        dict(),
        dict(type='MViTHead', with_cls_token=False),
        "MViTHead takes a tuple of maps .*set out_type='featmap'",
    ),
    ('MViT', dict(), dict(type='MViTHead'), "set with_cls_token=False in the head .*use type='TimeSformerHead'"),
    ('MViTv2', dict(out_type='featmap'), dict(type='SlowFastHead'), r'two stages, .*set out_indices=\(1, 2\)'),
    (
        'SMViT',
        dict(out_type='featmap', out_indices=(0, 2)),
        dict(type='I3DHead'),
        'set as_tuple=False, out_indices=-1 in the backbone',
    ),
    ('SMViT', dict(), dict(type='FeatureHead'), "set as_tuple=False in the .*, or use type='mmhvt.FeatureHead'"),
    ('SMViT', dict(out_type='raw'), dict(type='mmhvt.RecognitionHead'), "'raw': set out_type='avg_featmap'"),
]


@pytest.mark.parametrize('family, outputs, head, message', FORGOTTEN)
def test_forgotten_options_of_recognizers_are_named(family: str, outputs: dict, head: dict, message: str) -> None:
    sizes = {} if head['type'] == 'FeatureHead' else dict(num_classes=CLASSES, in_channels=last_channels(family))
    model = dict(type='Recognizer3D', backbone=config(family, **outputs), cls_head=head | sizes)
    with pytest.raises(ValueError, match=message) as caught:
        build('mmaction', **model)
    assert '\n' not in str(caught.value)


def test_forgotten_options_of_tsn_are_named() -> None:
    head = dict(type='TSNHead', num_classes=CLASSES, in_channels=64)
    message = (
        r"TSNHead takes a tensor \(N, C, H, W\), but SMViT .*set out_type='featmap', as_tuple=False in the backbone, or"
    )
    with pytest.raises(ValueError, match=message):
        build('mmaction', type='Recognizer2D', backbone=config('SMViT', 'images'), cls_head=head)


@pytest.mark.parametrize(
    'outputs, head, neck, message',
    [
        (dict(out_type='featmap'), 'LinearClsHead', None, "set out_type='avg_featmap' .*or add neck=dict"),
        (dict(as_tuple=False), 'LinearClsHead', None, 'LinearClsHead takes a tuple .*: set as_tuple=True'),
        (dict(as_tuple=False), 'ArcFaceClsHead', None, 'ArcFaceClsHead takes a tuple.*: set as_tuple=True'),
        (dict(out_type='featmap'), 'ArcFaceClsHead', None, "set out_type='avg_featmap' .*or add neck=dict"),
        (dict(out_type='featmap'), 'MultiLabelLinearClsHead', None, "set out_type='avg_featmap' .*or add neck=dict"),
        (dict(), 'LinearClsHead', GEM, "GeneralizedMeanPooling takes .* maps.*: set out_type='featmap' .*or leave"),
        (MAPS, 'VisionTransformerClsHead', GAP, 'GlobalAveragePooling takes a tuple of maps.*: set as_tuple=True'),
        (dict(), 'LinearClsHead', GAP, "set out_type='featmap' in the backbone, or leave the neck out"),
        (dict(out_type='featmap'), 'LinearClsHead', GAP | dict(dim=3), 'GlobalAveragePooling .*2 axes needs dim=2'),
        (dict(out_type='raw'), 'mmhvt.ImageHead', None, "ImageHead .*set out_type='avg_featmap'"),
    ],
)
def test_forgotten_options_of_classifiers_are_named(outputs: dict, head: str, neck: dict | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier(config('SMViT', 'images', **outputs), head, 64, neck)


def test_forgotten_maps_of_spatial_attention_are_named() -> None:
    head = dict(type='CSRAClsHead', num_classes=CLASSES, in_channels=64, num_heads=1, lam=0.1)
    cfg = dict(type='ImageClassifier', head=head)
    with pytest.raises(ValueError, match="CSRAClsHead takes a tuple of maps .*: set out_type='featmap'"):
        build('mmpretrain', **cfg, backbone=config('SMViT', 'images'))
    model = build('mmpretrain', **cfg, backbone=config('SMViT', 'images', out_type='featmap'))
    assert model(torch.zeros(2, 3, *model.backbone.input_size)).shape == (2, CLASSES)


@pytest.mark.parametrize('head', ['TimeSformerHead', 'I3DHead', 'X3DHead'])
def test_wrong_widths_are_named_when_a_model_is_built(head: str) -> None:
    outputs = dict(VIDEO_HEADS[head][1])
    cls_head = dict(type=head, num_classes=CLASSES, in_channels=768)
    message = f'{head} has in_channels=768, but the outputs of MViT have 64 channels: set in_channels=64'
    with pytest.raises(ValueError, match=message):
        build('mmaction', type='Recognizer3D', backbone=config('MViTv2', **outputs), cls_head=cls_head)
    with pytest.raises(ValueError, match='LinearClsHead has in_channels=768, .* set in_channels=64'):
        classifier(config('MViTv2', 'images'), 'LinearClsHead', 768)
    for neck in (GAP, GEM):
        with pytest.raises(ValueError, match='LinearClsHead has in_channels=768, .* set in_channels=64'):
            classifier(config('MViTv2', 'images', out_type='featmap'), 'LinearClsHead', 768, neck)
    with pytest.raises(ValueError, match='MultiLabelLinearClsHead has in_channels=768, .* set in_channels=64'):
        classifier(config('MViTv2', 'images'), 'MultiLabelLinearClsHead', 768)


def test_generalized_mean_pools_images_alone() -> None:
    with pytest.raises(ValueError, match="GeneralizedMeanPooling .*use type='GlobalAveragePooling', dim=3"):
        classifier(config('SMViT', out_type='featmap'), 'LinearClsHead', 64, GEM)


def test_wrong_widths_of_our_heads_are_named() -> None:
    """With any backbone."""
    message = 'ImageHead has in_channels=768, but the backbone returns 64 channels: set in_channels=64'
    with pytest.raises(ValueError, match=message):
        train_and_predict(classifier(config('MViTv2', 'images'), 'mmhvt.ImageHead', 768), IMAGES, 'mmpretrain')
    message = 'RecognitionHead has in_channels=768, but the backbone returns 16 channels: set in_channels=16'
    head = dict(type='mmhvt.RecognitionHead', num_classes=CLASSES, in_channels=768)
    with pytest.raises(ValueError, match=message):
        train_and_predict(their_recognizer('SwinTransformer3D', head), CLIPS)
    message = '2 outputs of 256, 128 channels: set in_channels=128 for the last or in_channels=384 for all'
    with pytest.raises(ValueError, match=message):
        train_and_predict(their_recognizer('ResNet3dSlowFast', head), CLIPS)


@pytest.mark.parametrize('kind', ['RecognitionHead', 'MultiLabelHead'])
def test_tokens_are_refused(kind: str) -> None:
    head = build('mmaction', type=f'mmhvt.{kind}', num_classes=CLASSES, in_channels=8)
    with pytest.raises(
        ValueError, match=rf"{kind} takes .* got \(2, 5, 8\): the backbone needs out_type='avg_featmap'"
    ):
        head(torch.randn(2, 5, 8))
    with pytest.raises(ValueError, match=r'FeatureHead takes .* got \(2, 5, 8\)'):
        build('mmaction', type='mmhvt.FeatureHead')((torch.randn(2, 5, 8),))


def test_one_tensor_of_several_stages_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r'SMViT: as_tuple=False returns one tensor, but out_indices=\(0, 1\) names several'
    ):
        MODELS.build(config('SMViT', out_indices=(0, 1), as_tuple=False))


@families
@pytest.mark.parametrize('kind', INPUTS)
def test_a_tensor_is_the_only_output(kind: str, family: str) -> None:
    x = torch.randn(1, 3, *INPUTS[kind])
    plain, other = (MODELS.build(config(family, kind, as_tuple=as_tuple)).eval() for as_tuple in (True, False))
    other.load_state_dict(plain.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other(x), plain(x)[0])
    assert other.out_channels == [other(x).shape[1]] == [last_channels(family)]


@pytest.mark.parametrize('name', ['I3DHead', 'mmaction.ResNet3dSlowOnly'])
def test_configs_of_the_page_build(name: str) -> None:
    """Those of docs/guides/mixing.md, as they are."""
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/guides/mixing.md').read_text(), re.S)
    (text,) = (block for block in blocks if name in block)
    model = Config.fromstring(text, '.py').model
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert MODELS.build(model).cls_head.num_classes == 400


def test_parts_that_are_not_known_are_left_alone() -> None:
    """And so is what stands behind a neck."""

    class Head(nn.Module):
        in_channels = 3

    class Recognizer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = MODELS.build(config('SMViT', out_type='raw'))
            self.cls_head = Head()

    assert Recognizer().cls_head is not None
    with DefaultScope.overwrite_default_scope('mmaction'):
        recognizer = MODELS.build(dict(type='Recognizer3D', backbone=config('SMViT', out_type='raw')))
        recognizer.neck = nn.Identity()
        recognizer.cls_head = MODELS.build(dict(type='I3DHead', num_classes=CLASSES, in_channels=3))
    assert isinstance(recognizer.neck, nn.Identity)
