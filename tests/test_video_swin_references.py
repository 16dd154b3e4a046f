"""Video Swin against torchvision, mmaction2 and timm on the same weights, and the maps between their names."""

import functools
import json
import re
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmaction.registry import MODELS as MMACTION
from mmengine.registry import DefaultScope
from test_mvit_references import (
    CLASSES,
    GRADIENTS,
    OUTPUTS,
    assert_close,
    logits_and_tokens,
    one_thread,  # noqa: F401 - a fixture for all tests
    our_logits,
    randomise,
    run_mmaction,
)
from timm.models.swin_transformer import SwinTransformer
from torchvision.models.video import swin_transformer as torchvision_models

from mmhvt import migrate
from mmhvt.migrate import mmaction_swin, swin, torchvision_swin, video_swin
from mmhvt.registry import MODELS

GOLDEN = Path(__file__).parent / 'data' / 'golden' / 'video_swin_t_32f.json'
BUFFERS = ('relative_position_index', 'attn_mask')


def parameters(state_dict):
    return {name: value for name, value in state_dict.items() if not name.endswith(BUFFERS)}


def ours_with(source, config, state_dict, **kwargs):
    """Our backbone with all parameters of a state dict of theirs, and no others."""
    state_dict = source.state_dict(state_dict)
    backbone = MODELS.build(source.backbone_cfg(config) | kwargs).eval()
    backbone.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('backbone.')})
    return backbone, state_dict


def assert_equal(source, config, reference, forward, size, names=dict, batch=2):
    """All tokens and the logits in fp32; gradients of the input and of all parameters in fp64."""
    randomise(reference)
    backbone, state_dict = ours_with(source, config, names(reference.state_dict()), out_type='raw')
    x = torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, theirs = logits_and_tokens(reference, x, forward)
        assert_close(backbone(x)[0], theirs.flatten(1, -2), OUTPUTS, 'tokens')
        assert_close(our_logits(source, config, state_dict, x), logits, OUTPUTS, 'logits')

    reference.double(), backbone.double()
    x = x.double().requires_grad_()
    x_ours = x.detach().clone().requires_grad_()
    theirs = logits_and_tokens(reference, x, forward)[1].flatten(1, -2)
    (ours,) = backbone(x_ours)
    weight = torch.randn_like(theirs)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    assert_close(x_ours.grad, x.grad, GRADIENTS, 'gradient of the input')
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in reference.named_parameters()}
    gradients = source.state_dict(names(gradients))
    for name, parameter in backbone.named_parameters():
        theirs = gradients[f'backbone.{name}']
        # windows of one token leave no gradient to their table
        assert_close(parameter.grad, theirs, GRADIENTS, f'gradient of {name}', None if theirs.any() else 1.0)


MICRO = dict(embed_dim=16, depths=(2, 2, 2), num_heads=(1, 2, 4))
TWO_STAGES = dict(embed_dim=8, depths=(2, 2), num_heads=(1, 2))
# tokens of the first stage in brackets
VIDEO = {
    'windows divide all grids': dict(window_size=(2, 3, 3), size=(8, 48, 48)),  # (4, 12, 12)
    'windows divide no grid': dict(window_size=(2, 5, 4), size=(6, 44, 56)),  # (3, 11, 14)
    'patches do not divide the input': dict(window_size=(4, 5, 5), **TWO_STAGES, size=(21, 178, 150)),  # (11, 45, 38)
    'the published window there': dict(window_size=(8, 7, 7), **TWO_STAGES, batch=1, size=(21, 178, 150)),
    'windows over all axes': dict(window_size=(8, 7, 7), size=(6, 20, 24)),  # (3, 5, 6)
    'windows over time': dict(window_size=(8, 3, 3), size=(6, 48, 40)),  # (3, 12, 10)
    'windows over height': dict(window_size=(2, 7, 3), size=(8, 20, 48)),  # (4, 5, 12)
    'windows over width': dict(window_size=(2, 3, 7), size=(8, 48, 20)),  # (4, 12, 5)
    'windows over a frame': dict(window_size=(2, 7, 7), size=(10, 24, 20)),  # (5, 6, 5)
    'windows as large as the grid': dict(window_size=(4, 8, 8), size=(8, 32, 32)),  # (4, 8, 8)
    'windows of one frame': dict(window_size=(1, 4, 4), size=(4, 48, 40)),  # (2, 12, 10)
    'one frame': dict(window_size=(8, 3, 3), size=(1, 40, 48)),  # (1, 10, 12)
    'other patches and MLPs': dict(window_size=(2, 4, 4), patch_size=(4, 2, 3), mlp_ratio=2.5, size=(10, 24, 30)),
}  # fmt: skip


def video_case(settings):
    """Their arguments in the names of torchvision, size and batch."""
    config = MICRO | dict(patch_size=(2, 4, 4)) | settings
    return config, config.pop('size'), config.pop('batch', 2)


def torchvision_reference(config):
    # theirs copies its windows as lists
    config = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
    return torchvision_models.SwinTransformer3d(**config, num_classes=CLASSES)


def mmaction_config(config):
    arch = {'embed_dims' if key == 'embed_dim' else key: config[key] for key in MICRO}
    out_indices = config.get('out_indices', (len(arch['depths']) - 1,))
    return {k: v for k, v in config.items() if k not in MICRO} | dict(arch=arch, out_indices=out_indices)


def mmaction_reference(config):
    arch = config['arch']
    dims = 768 if arch == 'tiny' else arch['embed_dims'] * 2 ** (len(arch['depths']) - 1)
    head = dict(type='I3DHead', num_classes=CLASSES, in_channels=dims)
    backbone = dict(type='SwinTransformer3D', pretrained2d=False, **config)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return MMACTION.build(dict(type='Recognizer3D', backbone=backbone, cls_head=head))


def public_names(state_dict):
    """Names of mmaction2's recognizer as the papers' own code has them."""
    return {re.sub(r'^backbone\.norm\d\.', 'backbone.norm.', name): value for name, value in state_dict.items()}


IMAGES = {
    'windows divide all grids': dict(window_size=4, img_size=64),  # (16, 16)
    'windows as large as the last grid': dict(window_size=7, depths=(1, 2, 3), img_size=112),  # (28, 28)
    'rectangle': dict(window_size=2, img_size=(32, 48), mlp_ratio=3.0, qkv_bias=False),
    'other patches': dict(window_size=3, patch_size=2, img_size=24),  # (12, 12)
}


def timm_reference(config):
    return SwinTransformer(**config, num_classes=CLASSES)


def microsoft_names(state_dict):
    """Names of timm as the papers' own code has them, where a merging ends a stage."""
    names = {name: re.sub(r'^head\.fc\.', 'head.', name) for name in state_dict}
    return {
        re.sub(r'^layers\.(\d+)\.downsample', lambda m: f'layers.{int(m[1]) - 1}.downsample', names[name]): value
        for name, value in state_dict.items()
    }


@pytest.mark.parametrize('case', VIDEO)
def test_equals_torchvision(case):
    config, size, batch = video_case(VIDEO[case])
    reference = torchvision_reference(config)
    assert_equal(torchvision_swin, config, reference, torch.nn.Module.__call__, size, batch=batch)


PUBLISHED = ['swin3d_t', 'swin3d_s', 'swin3d_b']


@pytest.mark.parametrize('name', ['swin3d_t', 'swin3d_s', pytest.param('swin3d_b', marks=pytest.mark.slow)])
def test_equals_published_torchvision(name):
    reference = getattr(torchvision_models, name)(num_classes=CLASSES)
    assert_equal(torchvision_swin, dict(name=name), reference, torch.nn.Module.__call__, (3, 60, 40), batch=1)


ONLY_MMACTION = {
    'without patch norm': dict(patch_norm=False, window_size=(2, 3, 3), size=(8, 48, 40)),
    'without bias': dict(qkv_bias=False, window_size=(2, 3, 3), norm_cfg=dict(type='LN', eps=1e-3), size=(8, 48, 40)),
}


@pytest.mark.parametrize('case', [*VIDEO, *ONLY_MMACTION])
def test_equals_mmaction(case):
    config, size, batch = video_case((VIDEO | ONLY_MMACTION)[case])
    config = mmaction_config(config)
    assert_equal(mmaction_swin, config, mmaction_reference(config), run_mmaction, size, batch=batch)


def test_equals_published_mmaction():
    config = dict(arch='tiny')
    assert_equal(mmaction_swin, config, mmaction_reference(config), run_mmaction, (3, 60, 40), batch=1)


def test_inner_stages():
    config = mmaction_config(video_case(VIDEO['windows divide no grid'])[0] | dict(out_indices=(0, 2)))
    reference = randomise(mmaction_reference(config))
    backbone, _ = ours_with(mmaction_swin, config, reference.state_dict(), out_type='featmap')
    x = torch.randn(1, 3, 6, 44, 56)
    for ours, expected in zip(backbone(x), reference.backbone(x), strict=True):
        assert_close(ours, expected, OUTPUTS, 'feature map')


@pytest.mark.parametrize('stages', [-1, 0, 1, 2, 3])
def test_frozen_stages_are_theirs(stages):
    config = mmaction_config(video_case(VIDEO['windows divide no grid'])[0] | dict(frozen_stages=stages))
    theirs = mmaction_swin.state_dict(dict(mmaction_reference(config).backbone.named_parameters(prefix='backbone')))
    ours = MODELS.build(mmaction_swin.backbone_cfg(config)).named_parameters(prefix='backbone')
    assert {name: p.requires_grad for name, p in ours} == {name: p.requires_grad for name, p in theirs.items()}


@pytest.mark.parametrize('case', IMAGES)
def test_equals_timm(case):
    config = MICRO | IMAGES[case]
    size = config['img_size'] if isinstance(config['img_size'], tuple) else (config['img_size'],) * 2
    assert_equal(swin, config, timm_reference(config), torch.nn.Module.__call__, size, microsoft_names)


def test_equals_published_timm():
    config = dict(img_size=224)
    assert_equal(swin, config, timm_reference(config), torch.nn.Module.__call__, (224, 224), microsoft_names, batch=1)


def test_public_names_are_those_of_mmaction():
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
def test_checkpoints_load(index, tmp_path):
    source, config, size, reference, forward, names = list(micro_models())[index]
    torch.save(dict(model=names(randomise(reference).state_dict())), tmp_path / 'theirs.pth')
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


def test_published_models_have_our_parameters():
    for source, config, theirs in state_dicts():
        with torch.device('meta'):
            ours = MODELS.build(source.backbone_cfg(config))
        converted = source.state_dict(theirs)
        expected = {name[9:]: value.shape for name, value in converted.items() if name.startswith('backbone.')}
        assert {name: value.shape for name, value in ours.state_dict().items()} == expected, config


def test_export_is_the_inverse():
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


def test_sources_tell_each_other_apart():
    found = [(source, theirs) for source, _, theirs in state_dicts()]
    found += [(source, names(reference.state_dict())) for source, _, _, reference, _, names in micro_models()]
    for source, theirs in found:
        assert [other for other in migrate.SOURCES if other.recognise(theirs)] == [source]
        assert not any(other.recognise(source.state_dict(theirs)) for other in migrate.SOURCES), "ours is nobody else's"


def test_files_of_timm_are_not_taken_for_microsofts():
    config = MICRO | IMAGES['windows divide all grids']
    assert not any(source.recognise(timm_reference(config).state_dict()) for source in migrate.SOURCES)


@pytest.mark.parametrize('source, config, message', [
    (video_swin, dict(norm_layer='BN'), r"norm_layer='BN' is not known; LN is"),
    (video_swin, dict(window=7), r'Video-Swin: arguments that are not known: window'),
    (video_swin, dict(qk_scale=0.1), r'qk_scale=0.1 is not known; None is'),
    (swin, dict(ape=True), r'Swin: ape=True is not known; False is'),
    (swin, dict(drop_rate=0.1), r'drop_rate=0.1 is not known; 0.0 is'),
    (torchvision_swin, dict(name='swin3d_l'), r"no Video Swin 'swin3d_l': choose from swin3d_t, swin3d_s, swin3d_b"),
    (torchvision_swin, dict(name='swin3d_t', depths=(1, 1)), r'torchvision: arguments that are not known: depths'),
    (torchvision_swin, MICRO, r'arguments of Video Swin missing: patch_size, window_size; or give a name'),
    (torchvision_swin, dict(name='swin3d_t', dropout=0.1), r'dropout=0.1 is not known; 0.0 is'),
    (mmaction_swin, dict(arch='giant'), r"no Video Swin 'giant': choose from tiny, small, base, large"),
    (mmaction_swin, {}, r'no Video Swin None: choose from tiny'),
    (mmaction_swin, dict(arch='t', out_after_downsample=True), r'out_after_downsample=True is not known; False is'),
    (mmaction_swin, dict(arch='t', spatial_size=224), r'mmaction2: arguments that are not known: spatial_size'),
])  # fmt: skip
def test_what_has_no_like_in_ours_is_refused(source, config, message):
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


def test_unknown_names_are_refused():
    for source, _, _, reference, _, names in micro_models():
        with pytest.raises(ValueError, match=r'0\.weight'):
            source.state_dict(names(reference.state_dict()) | {'layers.0.weight': torch.zeros(1)})
