"""Video Swin against torchvision, mmaction2 and timm on the same weights, and the maps between their names."""

import functools
import json
from unittest import mock

import pytest
import torch
from mmaction.registry import MODELS as MMACTION
from torchvision.models.video import swin_transformer as torchvision_models

from helpers import DATA
from helpers.references import (
    CLASSES,
    OUTPUTS,
    assert_close,
    assert_equal,
    logits_and_tokens,
    randomize,
    run_mmaction,
)
from helpers.video_swin_references import (
    IMAGES,
    MICRO,
    VIDEO,
    microsoft_names,
    mmaction_config,
    mmaction_reference,
    public_names,
    timm_reference,
    torchvision_reference,
    video_case,
)
from mmhvt import migrate
from mmhvt.migrate import get_source
from mmhvt.registry import MODELS

mmaction_swin = get_source('swin.mmaction')
swin = get_source('swin.microsoft')
torchvision_swin = get_source('swin.torchvision')
video_swin = get_source('swin.video_swin')

GOLDEN = DATA / 'golden' / 'video_swin_t_32f.json'
BUFFERS = ('relative_position_index', 'attn_mask')


def parameters(state_dict):
    return {name: value for name, value in state_dict.items() if not name.endswith(BUFFERS)}


def ours_with(source, config, state_dict, **kwargs):
    """Our backbone with all parameters of a state dict of theirs, and no others."""
    state_dict = source.state_dict(state_dict)
    backbone = MODELS.build(source.backbone_cfg(config) | kwargs).eval()
    backbone.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('backbone.')})
    return backbone, state_dict


def assert_equals(source, config, reference, forward, size, names=dict, batch=2):
    randomize(reference)
    backbone, state_dict = ours_with(source, config, names(reference.state_dict()), out_type='raw')
    # windows of one token leave no gradient to their table
    assert_equal(
        source,
        config,
        reference,
        forward,
        backbone,
        state_dict,
        x=torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(0)),
        scale=lambda name, gradient: None if gradient.any() else 1.0,
        names=names,
    )


@pytest.mark.parametrize('case', VIDEO)
def test_equals_torchvision(case) -> None:
    config, size, batch = video_case(VIDEO[case])
    reference = torchvision_reference(config)
    assert_equals(torchvision_swin, config, reference, torch.nn.Module.__call__, size, batch=batch)


PUBLISHED = ['swin3d_t', 'swin3d_s', 'swin3d_b']


@pytest.mark.parametrize('name', ['swin3d_t', 'swin3d_s', pytest.param('swin3d_b', marks=pytest.mark.slow)])
def test_equals_published_torchvision(name) -> None:
    reference = getattr(torchvision_models, name)(num_classes=CLASSES)
    assert_equals(torchvision_swin, dict(name=name), reference, torch.nn.Module.__call__, (3, 60, 40), batch=1)


ONLY_MMACTION = {
    'without patch norm': dict(patch_norm=False, window_size=(2, 3, 3), size=(8, 48, 40)),
    'without bias': dict(qkv_bias=False, window_size=(2, 3, 3), norm_cfg=dict(type='LN', eps=1e-3), size=(8, 48, 40)),
}


@pytest.mark.parametrize('case', [*VIDEO, *ONLY_MMACTION])
def test_equals_mmaction(case) -> None:
    config, size, batch = video_case((VIDEO | ONLY_MMACTION)[case])
    config = mmaction_config(config)
    assert_equals(mmaction_swin, config, mmaction_reference(config), run_mmaction, size, batch=batch)


def test_equals_published_mmaction() -> None:
    config = dict(arch='tiny')
    assert_equals(mmaction_swin, config, mmaction_reference(config), run_mmaction, (3, 60, 40), batch=1)


def test_inner_stages() -> None:
    config = mmaction_config(video_case(VIDEO['windows divide no grid'])[0] | dict(out_indices=(0, 2)))
    reference = randomize(mmaction_reference(config))
    backbone, _ = ours_with(mmaction_swin, config, reference.state_dict(), out_type='featmap')
    x = torch.randn(1, 3, 6, 44, 56)
    for ours, expected in zip(backbone(x), reference.backbone(x), strict=True):
        assert_close(ours, expected, OUTPUTS, 'feature map')


@pytest.mark.parametrize('stages', [-1, 0, 1, 2, 3])
def test_frozen_stages_are_theirs(stages) -> None:
    config = mmaction_config(video_case(VIDEO['windows divide no grid'])[0] | dict(frozen_stages=stages))
    theirs = mmaction_swin.state_dict(dict(mmaction_reference(config).backbone.named_parameters(prefix='backbone')))
    ours = MODELS.build(mmaction_swin.backbone_cfg(config)).named_parameters(prefix='backbone')
    assert {name: p.requires_grad for name, p in ours} == {name: p.requires_grad for name, p in theirs.items()}


@pytest.mark.parametrize('case', IMAGES)
def test_equals_timm(case) -> None:
    config = MICRO | IMAGES[case]
    size = config['img_size'] if isinstance(config['img_size'], tuple) else (config['img_size'],) * 2
    assert_equals(swin, config, timm_reference(config), torch.nn.Module.__call__, size, microsoft_names)


def test_equals_published_timm() -> None:
    config = dict(img_size=224)
    assert_equals(swin, config, timm_reference(config), torch.nn.Module.__call__, (224, 224), microsoft_names, batch=1)


def test_public_names_are_those_of_mmaction() -> None:
    """The papers' own code, which is no package, as mmaction2 took it over."""
    config = mmaction_config(video_case(VIDEO['windows divide all grids'])[0])
    theirs = mmaction_reference(config).state_dict()
    expected = mmaction_swin.state_dict(theirs)
    for found in (
        video_swin.state_dict(public_names(theirs)),
        video_swin.state_dict({k.removeprefix('backbone.'): v for k, v in public_names(theirs).items()}),
    ):
        assert found.keys() == expected.keys()
        assert all(found[name] is value for name, value in expected.items())


def micro_models():
    """(source, config, size, reference, forward, names)."""
    call = torch.nn.Module.__call__
    config, size, _ = video_case(VIDEO['windows divide no grid'])
    yield torchvision_swin, config, size, torchvision_reference(config), call, dict
    theirs = mmaction_config(config)
    yield mmaction_swin, theirs, size, mmaction_reference(theirs), run_mmaction, dict
    public = config | dict(patch_norm=True)
    yield video_swin, public, size, mmaction_reference(theirs), run_mmaction, public_names
    config = MICRO | IMAGES['windows divide all grids']
    yield swin, config, (64, 64), timm_reference(config), call, microsoft_names


@pytest.mark.parametrize('index', range(4))
def test_checkpoints_load(index, tmp_path) -> None:
    source, config, size, reference, forward, names = list(micro_models())[index]
    torch.save(dict(model=names(randomize(reference).state_dict())), tmp_path / 'theirs.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'theirs.pth'))
    backbone = MODELS.build(source.backbone_cfg(config) | dict(out_type='raw', init_cfg=init_cfg)).eval()
    backbone.init_weights()
    x = torch.randn(1, 3, *size)
    assert_close(backbone(x)[0], logits_and_tokens(reference, x, forward)[1].flatten(1, -2), OUTPUTS, 'tokens')


def state_dicts():
    """(source, config, state dict on meta) of models in their published sizes."""
    # mmaction2 asks for numbers, which meta has not
    linspace = functools.partial(torch.linspace, device='cpu')
    with torch.device('meta'), mock.patch.object(torch, 'linspace', linspace):
        for name in PUBLISHED:
            yield torchvision_swin, dict(name=name), getattr(torchvision_models, name)().state_dict()
        for arch in ('tiny', 'small', 'base', 'large'):
            model = MMACTION.get('SwinTransformer3D')(arch, pretrained2d=False)
            theirs = {f'backbone.{name}': value for name, value in model.state_dict().items()}
            yield mmaction_swin, dict(arch=arch), theirs
            config = {'embed_dim' if k == 'embed_dims' else k: v for k, v in model.arch_settings.items()}
            image = timm_reference(config)
            yield swin, config, microsoft_names(image.state_dict())
            config |= dict(patch_size=(2, 4, 4), window_size=(8, 7, 7), patch_norm=True)
            yield video_swin, config, public_names(theirs)
            head = {'cls_head.fc_cls.weight': torch.empty(CLASSES, model.num_features[-1])}
            yield video_swin, config, public_names(theirs) | head
        golden = json.loads(GOLDEN.read_text())
        theirs = {name: torch.empty(shape) for name, shape in golden['state_dict'].items()}
        yield video_swin, golden['config'], theirs


def test_published_models_have_our_parameters() -> None:
    for source, config, theirs in state_dicts():
        with torch.device('meta'):
            ours = MODELS.build(source.backbone_cfg(config))
        converted = source.state_dict(theirs)
        expected = {name[9:]: value.shape for name, value in converted.items() if name.startswith('backbone.')}
        assert {name: value.shape for name, value in ours.state_dict().items()} == expected, config


def test_export_is_the_inverse() -> None:
    found = [(source, names(reference.state_dict())) for source, _, _, reference, _, names in micro_models()]
    config = mmaction_config(video_case(VIDEO['windows divide no grid'])[0] | dict(out_indices=(0, 1, 2)))
    found += [(mmaction_swin, mmaction_reference(config).state_dict())]
    found += [(source, theirs) for source, _, theirs in state_dicts()]
    for source, theirs in found:
        theirs = parameters(theirs)
        if source is video_swin and 'cls_head.fc_cls.weight' not in theirs:
            theirs = {name.removeprefix('backbone.'): value for name, value in theirs.items()}
        back = source.export(source.state_dict(theirs))
        assert back.keys() == theirs.keys()
        assert all(back[name] is value for name, value in theirs.items())


def test_sources_tell_each_other_apart() -> None:
    found = [(source, theirs) for source, _, theirs in state_dicts()]
    found += [(source, names(reference.state_dict())) for source, _, _, reference, _, names in micro_models()]
    for source, theirs in found:
        assert migrate.identify(theirs) is source
        assert migrate.identify(source.state_dict(theirs)) is None, "ours is nobody else's"


def test_files_of_timm_are_not_taken_for_microsofts() -> None:
    config = MICRO | IMAGES['windows divide all grids']
    assert migrate.identify(timm_reference(config).state_dict()) is None


@pytest.mark.parametrize('source, config, message', [
    (video_swin, dict(norm_layer='BN'), r"norm_layer='BN' is not supported: choose 'LN'"),
    (video_swin, dict(window=7), r"the authors' Video Swin: unknown option window: choose from patch_size"),
    (video_swin, dict(qk_scale=0.1), r'qk_scale=0.1 is not supported: choose None'),
    (swin, dict(ape=True), r'Swin: ape=True is not supported: choose False'),
    (swin, dict(drop_rate=0.1), r'drop_rate=0.1 is not supported: choose 0.0'),
    (torchvision_swin, dict(name='swin3d_l'), r"no model 'swin3d_l': choose from swin3d_t, swin3d_s, swin3d_b"),
    (torchvision_swin, dict(name='swin3d_t', depths=(1, 1)), r'Swin: unknown option depths'),
    (torchvision_swin, MICRO, r'Video Swin: missing patch_size, window_size, which have no default'),
    (torchvision_swin, dict(name='swin3d_t', dropout=0.1), r'dropout=0.1 is not supported: choose 0.0'),
    (mmaction_swin, dict(arch='giant'), r"no arch 'giant': choose from tiny, small, base, large"),
    (mmaction_swin, {}, r'missing arch, which has no default'),
    (mmaction_swin, dict(arch='t', out_after_downsample=True), r'downsample=True is not supported: choose False'),
    (mmaction_swin, dict(arch='t', spatial_size=224), r"mmaction2's Video Swin: unknown option spatial_size"),
])  # fmt: skip
def test_what_has_no_like_in_ours_is_refused(source, config, message) -> None:
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


def test_unknown_names_are_refused() -> None:
    for source, _, _, reference, _, names in micro_models():
        with pytest.raises(ValueError, match=r'0\.weight'):
            source.state_dict(names(reference.state_dict()) | {'layers.0.weight': torch.zeros(1)})
