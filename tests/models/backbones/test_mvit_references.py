"""MViT against torchvision, timm, mmaction2 and mmpretrain on the same weights, and the maps between their names."""

import json

import pytest
import timm as timm_package
import torch
from mmaction.models import MViT as MMActionMViT
from mmpretrain.models.backbones import MViT as MMPretrainMViT
from torchvision.models.video import mvit as torchvision_mvit

from helpers import DATA
from helpers.mvit_references import (
    MICRO_ARCH,
    MMACTION_CASES,
    MMPRETRAIN_CASES,
    TIMM,
    TORCHVISION,
    V1_SETTINGS,
    V2_SETTINGS,
    mmaction_case,
    mmpretrain_case,
    timm_case,
    torchvision_case,
)
from helpers.references import (
    CLASSES,
    OUTPUTS,
    assert_close,
    assert_equal,
    logits_and_tokens,
    randomize,
    run_mmaction,
    run_mmpretrain,
)
from mmhvt import migrate
from mmhvt.analysis.goldens import golden_weights
from mmhvt.migrate import get_source
from mmhvt.models import MViT
from mmhvt.registry import MODELS

mmaction = get_source('mvit.mmaction')
mmpretrain = get_source('mvit.mmpretrain')
pyslowfast = get_source('mvit.pyslowfast')
timm = get_source('mvit.timm')
torchvision = get_source('mvit.torchvision')

GOLDEN = DATA / 'golden'
# the same is asked of them in test_video_swin_references, test_uniformerv2_sources, test_more_sources and
# test_published_kinds
ELSEWHERE = {source for source in migrate.all_sources() if source.family != 'mvit'}
ELSEWHERE |= {get_source('mvit.fair'), get_source('mvit.pytorchvideo')}


def ours_with(source, reference_config, state_dict):
    """Our backbone, which returns all tokens, with the parameters of a state dict of theirs; and the state dict."""
    state_dict = source.state_dict(state_dict)
    backbone = MODELS.build(source.backbone_cfg(reference_config) | dict(out_type='raw')).eval()
    expected = {f'backbone.{name}' for name in backbone.state_dict()}
    left = {name for name in state_dict if name.startswith('backbone.')} - expected
    # mmaction2 has a class token even where it does not use it
    assert left <= ({'backbone.cls_token', 'backbone.pos_embed.cls'} if source is mmaction else set())
    backbone.load_state_dict({name[9:]: state_dict[name] for name in expected})
    return backbone, state_dict


def assert_equals(source, reference_config, reference, forward, size):
    backbone, state_dict = ours_with(source, reference_config, reference.state_dict())
    # a bias that all keys share changes no attention: its gradient is rounding alone
    assert_equal(
        source,
        reference_config,
        reference,
        forward,
        backbone,
        state_dict,
        x=torch.randn(2, 3, *size),
        scale=lambda name, gradient: 1.0 if name.endswith('pool_k.norm.bias') else None,
    )


@pytest.mark.parametrize('case', TORCHVISION)
def test_equals_torchvision(case) -> None:
    config, reference, size = torchvision_case(TORCHVISION[case])
    assert_equals(torchvision, config, randomize(reference), torch.nn.Module.__call__, size)


@pytest.mark.parametrize('case', TIMM)
def test_equals_timm(case) -> None:
    config, reference, size = timm_case(TIMM[case])
    assert_equals(timm, config, randomize(reference), torch.nn.Module.__call__, size)


@pytest.mark.parametrize('case', MMACTION_CASES)
def test_equals_mmaction(case) -> None:
    config, reference, size = mmaction_case(MMACTION_CASES[case])
    assert_equals(mmaction, config, randomize(reference), run_mmaction, size)


@pytest.mark.parametrize('case', MMPRETRAIN_CASES)
def test_equals_mmpretrain(case) -> None:
    config, reference, size = mmpretrain_case(MMPRETRAIN_CASES[case])
    assert_equals(mmpretrain, config, randomize(reference), run_mmpretrain, size)


MICRO_MODELS = {
    torchvision: lambda: (*torchvision_case(TORCHVISION['v2 odd grids']), torch.nn.Module.__call__),
    timm: lambda: (*timm_case(TIMM['class token']), torch.nn.Module.__call__),
    mmaction: lambda: (*mmaction_case(MMACTION_CASES['like v1']), run_mmaction),
    mmpretrain: lambda: (*mmpretrain_case(MMPRETRAIN_CASES['absolute']), run_mmpretrain),
}


@pytest.mark.parametrize('source', MICRO_MODELS, ids=lambda source: source.name)
def test_checkpoints_load(source, tmp_path) -> None:
    config, reference, size, forward = MICRO_MODELS[source]()
    torch.save(dict(state_dict=randomize(reference).state_dict()), tmp_path / 'theirs.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'theirs.pth'))
    backbone = MODELS.build(source.backbone_cfg(config) | dict(out_type='raw', init_cfg=init_cfg)).eval()
    backbone.init_weights()
    x = torch.randn(1, 3, *size)
    assert_close(backbone(x)[0], logits_and_tokens(reference, x, forward)[1], OUTPUTS, 'tokens')


@pytest.mark.parametrize('expand', [True, False])
@pytest.mark.parametrize('scale', [0, 1])
@pytest.mark.parametrize('source', [mmaction, mmpretrain], ids=['mmaction', 'mmpretrain'])
def test_inner_scales(source, scale, expand) -> None:
    """One alone: theirs goes on from the normed tokens of a scale, the papers' code from the others."""
    make = mmaction_case if source is mmaction else mmpretrain_case
    size = (4, 48, 32) if source is mmaction else (64, 48)
    options = dict(output_cls_token=False) if source is mmaction else {}
    config, reference, _ = make(dict(options, out_scales=[scale], dim_mul_in_attention=expand, size=size))
    converted = source.state_dict(randomize(reference).state_dict())
    backbone = MODELS.build(source.backbone_cfg(config) | dict(out_type='featmap')).eval()
    backbone.load_state_dict({name: converted[f'backbone.{name}'] for name in backbone.state_dict()})
    assert any(name.startswith(f'norm{scale}.') for name in backbone.state_dict())
    x = torch.randn(1, 3, *size)
    assert_close(backbone(x)[0], reference.backbone(x)[0], OUTPUTS, 'feature map')


SMALL = dict(temporal_size=4, spatial_size=(64, 64))


@pytest.mark.parametrize('name', ['mvit_v1_b', 'mvit_v2_s'])
def test_equals_published_torchvision(name, monkeypatch) -> None:
    original = torchvision_mvit._mvit
    monkeypatch.setattr(torchvision_mvit, '_mvit', lambda **kwargs: original(**kwargs | SMALL))
    reference = randomize(getattr(torchvision_mvit, name)(num_classes=CLASSES))
    assert_equals(torchvision, dict(name=name, **SMALL), reference, torch.nn.Module.__call__, (4, 64, 64))


@pytest.mark.parametrize(
    'name',
    [
        'mvitv2_tiny',
        'mvitv2_small',
        'mvitv2_base',
        'mvitv2_small_cls',
        pytest.param('mvitv2_large', marks=pytest.mark.slow),
    ],
)
def test_equals_published_timm(name) -> None:
    reference = randomize(timm_package.create_model(name, img_size=64, num_classes=CLASSES))
    assert_equals(timm, dict(name=name, img_size=64), reference, torch.nn.Module.__call__, (64, 64))


def test_equals_published_mmaction() -> None:
    settings = dict(arch='small', spatial_size=64, adaptive_kv_stride=(1, 8, 8), size=(4, 64, 64))
    config, reference, size = mmaction_case(settings)
    assert_equals(mmaction, config, randomize(reference), run_mmaction, size)


def test_equals_published_mmpretrain() -> None:
    config, reference, size = mmpretrain_case(dict(arch='tiny', size=(64, 64)))
    assert_equals(mmpretrain, config, randomize(reference), run_mmpretrain, size)


def published():
    """(source, reference config, state dict on meta) of models in their published sizes."""
    with torch.device('meta'):
        for name in ('mvit_v1_b', 'mvit_v2_s'):
            yield torchvision, dict(name=name), getattr(torchvision_mvit, name)().state_dict()
        for name in ('mvitv2_tiny', 'mvitv2_small', 'mvitv2_base', 'mvitv2_large'):
            yield timm, dict(name=f'{name}.fb_in1k'), timm_package.create_model(name).state_dict()
        for arch in ('tiny', 'small', 'base', 'large'):
            model = MMActionMViT(arch=arch)
            yield mmaction, dict(arch=arch), {f'backbone.{k}': v for k, v in model.state_dict().items()}
            model = MMPretrainMViT(arch=arch)
            yield mmpretrain, dict(arch=arch), {f'backbone.{k}': v for k, v in model.state_dict().items()}


def test_published_models_have_our_parameters() -> None:
    for source, config, theirs in published():
        with torch.device('meta'):
            ours = MODELS.build(source.backbone_cfg(config))
        converted = source.state_dict(theirs)
        expected = {name[9:]: value.shape for name, value in converted.items() if name.startswith('backbone.')}
        assert {name: value.shape for name, value in ours.state_dict().items()} == expected, config


def golden_state_dicts(fill):
    """(source, state dict) of the golden files of all sources, filled from {name: shape}."""
    for path in sorted(GOLDEN.glob('*.json')):
        golden = json.loads(path.read_text())
        yield migrate.golden_source(golden['source']), fill(golden['state_dict'])


def test_export_is_the_inverse() -> None:
    state_dicts = [
        *golden_state_dicts(golden_weights),
        *((torchvision, randomize(torchvision_case(case)[1]).state_dict()) for case in TORCHVISION.values()),
        *((timm, randomize(timm_case(case)[1]).state_dict()) for case in TIMM.values()),
        *((mmaction, randomize(mmaction_case(case)[1]).state_dict()) for case in MMACTION_CASES.values()),
        *((mmpretrain, randomize(mmpretrain_case(case)[1]).state_dict()) for case in MMPRETRAIN_CASES.values()),
    ]
    assert {source for source, _ in state_dicts} | ELSEWHERE == set(migrate.all_sources())
    for source, theirs in state_dicts:
        back = source.export(source.state_dict(theirs))
        assert back.keys() == theirs.keys()
        assert all(torch.equal(back[name], value) for name, value in theirs.items())


def test_sources_tell_each_other_apart() -> None:
    def fill(shapes):
        return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}

    found = [*golden_state_dicts(fill), *((source, theirs) for source, _, theirs in published())]
    found += [(source, make()[1].state_dict()) for source, make in MICRO_MODELS.items()]
    assert {source for source, _ in found} | ELSEWHERE == set(migrate.all_sources())
    for source, theirs in found:
        assert migrate.identify(theirs) is source
        assert migrate.identify(source.state_dict(theirs)) is None, "ours is nobody else's"


V2_SETTING = TORCHVISION['v2']['block_setting']
MIXED_KERNELS = [block | dict(kernel_q=[1, 3, 3]) for block in V2_SETTING]
SOME_POOLED = [V2_SETTING[0] | dict(kernel_q=[], stride_q=[]), *V2_SETTING[1:]]
UNLIKE_STRIDES = [block | dict(stride_kv=[1, 1 + i % 2, 1]) for i, block in enumerate(V2_SETTING)]
V2 = V2_SETTINGS | dict(block_setting=V2_SETTING)


@pytest.mark.parametrize(
    'source, config, message',
    [
        (torchvision, dict(name='mvit_v3'), r"no model 'mvit_v3': choose from mvit_v1_b, mvit_v2_s"),
        (torchvision, dict(name='mvit_v2_s', residual_pool=True), r'unknown option residual_pool'),
        (torchvision, V1_SETTINGS, r'missing block_setting, which has no default'),
        (torchvision, V2 | dict(attention_dropout=0.1), r'attention_dropout=0.1 is not supported: choose 0.0'),
        (torchvision, V2 | dict(residual_with_cls_embed=True), r'choose False, as in mvit_v2_s'),
        (torchvision, V2 | dict(block_setting=MIXED_KERNELS), r'kernels .* neither all the same nor s\+1'),
        (torchvision, V2 | dict(block_setting=SOME_POOLED), r'queries are pooled in blocks \[[\d, ]+\], which'),
        (torchvision, V2 | dict(block_setting=UNLIKE_STRIDES), r'strides of keys and values .* neither the same'),
        (timm, dict(name='mvitv2_giant'), r"no model 'mvitv2_giant': choose from mvitv2_tiny"),
        (timm, dict(name='mvitv2_tiny', depths=(1, 1, 1, 1)), r'unknown option depths'),
        (timm, dict(cfg=dict(pool_first=True)), r'pool_first=True is not supported: choose False'),
        (timm, dict(cfg=dict(mode='conv_unshared')), r"mode='conv_unshared' .*: choose from conv, max, avg"),
        (timm, dict(cfg=dict(embed_dim=(8, 16, 16, 32))), r'factor of channels differs between the stages'),
        (mmaction, dict(arch='giant'), r"no arch 'giant': choose from tiny, small, base, large"),
        (mmaction, dict(img_size=224), r'unknown option img_size'),
        (mmaction, dict(out_scales=(0, 1, 2, 3)), r'out_scales=\(0, 1, 2, 3\): .* choose one scale'),
        (mmaction, dict(adaptive_kv_stride=(2, 8, 8)), r'adaptive_kv_stride=\(2, 8, 8\), whose stride in time'),
        (mmaction, dict(arch=MICRO_ARCH | dict(dim_mul_indices=[1, 2])), r'dim_mul_indices=\[1, 2\] other than'),
        (mmaction, dict(interpolate_mode='nearest'), r"mode='nearest' is not supported: choose from trilinear"),
        (mmpretrain, dict(pool_kernel=(1, 1)), r'pool_kernel=\(1, 1\), which scales and norms without pooling'),
        (mmpretrain, dict(patch_cfg=dict(kernel_size=7)), r'needs kernel_size, stride and padding, got kernel_size'),
        (mmpretrain, dict(patch_cfg=dict(kernel_size=7, stride=4, padding='same')), r"'same'.*: give numbers"),
    ],
)
def test_what_has_no_like_in_ours_is_refused(source, config, message) -> None:
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


@pytest.mark.parametrize('source', MICRO_MODELS, ids=lambda source: source.name)
def test_unknown_names_are_refused(source) -> None:
    with pytest.raises(ValueError, match='layers.0.weight'):
        source.state_dict(MICRO_MODELS[source]()[1].state_dict() | {'layers.0.weight': torch.zeros(1)})


def test_plain_vits_load_and_agree(tmp_path) -> None:
    reference = randomize(timm_package.create_model('vit_base_patch16_224', img_size=64, num_classes=CLASSES)).eval()
    torch.save({f'module.{name}': value for name, value in reference.state_dict().items()}, tmp_path / 'vit.pth')
    image = MViT('vit_base', input_size=(64, 64)).eval()
    video = MViT('vit_base', input_size=(2, 64, 64)).eval()
    for model in (image, video):
        migrate.load_backbone(model, str(tmp_path / 'vit.pth'))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = reference.forward_features(x)[:, 0]
        assert_close(image(x)[0], expected, OUTPUTS, 'class token')
    # the paper's start from ImageNet (mvit, D.1): positions are the same in every frame
    assert torch.equal(*video.pos_embed.joint.chunk(2, 1))


@pytest.mark.parametrize('changes, message', [
    (dict(POOL_Q_STRIDE=[[0, 1, 1, 1], [1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]]), r'in blocks \[0, 1, 3, 14\]'),
    (dict(POOL_Q_STRIDE=[]), r'pooled in blocks \[\], which are neither all 16 blocks nor'),
    (dict(CROP=[224, 320]), r'CROP=\[224, 320\]: give one number'),
    (dict(POOL_FIRST=True), 'POOL_FIRST=True is not supported: choose False'),
])  # fmt: skip
def test_what_pyslowfast_can_say_and_we_cannot_is_refused(changes, message) -> None:
    golden = json.loads((GOLDEN / 'mvit_b_16x4_conv.json').read_text())
    with pytest.raises(ValueError, match=message):
        pyslowfast.backbone_cfg(golden['config'] | changes)


def test_a_published_section_needs_the_size_of_its_data() -> None:
    section = dict(PATCH_PADDING=[1, 3, 3], DIM_MUL=[[1, 2.0]], HEAD_MUL=[[1, 2.0]], POOL_Q_STRIDE=[[1, 1, 2, 2]])
    cfg = pyslowfast.backbone_cfg(section | dict(NUM_FRAMES=16, CROP=224))
    assert cfg['arch'] == dict(version=1, embed_dims=96, num_heads=1, depths=[1, 15]) and cfg['kv_stride'] == 'none'
    with pytest.raises(ValueError, match='missing NUM_FRAMES, CROP, which have no default'):
        pyslowfast.backbone_cfg(section)
