"""facebookresearch/mvit, timm's Hiera, and Swin and ViT of mmpretrain and mmdet: equal to their models, both ways."""

import re

import pytest
import timm
import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as MMPRETRAIN
from timm.models.mvitv2 import checkpoint_filter_fn

from helpers.port_references import CASES, HIERA_CASES, MVIT, SWIN_ARCH, hiera_case, make, swin_case, vit_case
from helpers.references import CLASSES, GRADIENTS, OUTPUTS, assert_close, randomize
from mmhvt import migrate
from mmhvt.migrate import get_source
from mmhvt.migrate.sources.vit.mmpretrain import ARCH_KEYS
from mmhvt.models import RecognitionHead
from mmhvt.registry import MODELS

mmpretrain_swin = get_source('swin.mmpretrain')
mmpretrain_vit = get_source('vit.mmpretrain')
mvit = get_source('mvit.fair')
timm_hiera = get_source('hiera.timm')

# files whose classifier or final norm has another name when it is exported
RENAMED = {'vit averaged'}


def parameters(state_dict):
    return {name: value for name, value in state_dict.items() if not name.endswith('relative_position_index')}


def ours_with(source, config, converted, **kwargs):
    backbone = MODELS.build(source.backbone_cfg(config) | kwargs).eval()
    backbone.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('backbone.')})
    head = RecognitionHead(CLASSES, backbone.embed_dims).eval()
    head.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('cls_head.')})
    return backbone, head


@pytest.mark.parametrize('case', CASES)
def test_logits_and_gradients_equal_theirs(case) -> None:
    source, config, reference, forward, size, names = make(case)
    backbone, head = ours_with(source, config, source.state_dict(names(reference.state_dict())))
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert_close(head(backbone(x)[-1:]), forward(reference, x), OUTPUTS, 'logits')

    reference.double(), backbone.double(), head.double()
    x = x.double().requires_grad_()
    x_ours = x.detach().clone().requires_grad_()
    theirs, ours = forward(reference, x), head(backbone(x_ours)[-1:])
    weight = torch.randn_like(theirs)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    assert_close(x_ours.grad, x.grad, GRADIENTS, 'gradient of the input')
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in reference.named_parameters()}
    gradients = source.state_dict(names(gradients))
    if config.get('type') == 'DeiT3':  # of a position that it has not, and of one norm in two places
        gradients = {k: v for k, v in gradients.items() if not re.search(r'pos_embed\.cls|blocks\.\d+\.norm', k)}
    for name, parameter in backbone.named_parameters(prefix='backbone'):
        # a bias that all keys share changes no attention, norms of inner outputs nothing here
        if not name.endswith('pool_k.norm.bias') and parameter.grad is not None and name in gradients:
            scale = None if gradients[name].abs().max() > 1e-9 else 1.0
            assert_close(parameter.grad, gradients[name], GRADIENTS, f'gradient of {name}', scale)


@pytest.mark.parametrize('case', CASES)
def test_files_go_both_ways(case, tmp_path) -> None:
    source, config, reference, forward, size, names = make(case)
    theirs = parameters(names(reference.state_dict()))
    converted = source.state_dict(theirs)
    assert migrate.identify(theirs) is source
    assert migrate.identify(converted) is None, "ours is nobody else's"
    back = source.export(converted)
    if case in RENAMED:
        back = {re.sub('backbone.ln1', 'backbone.ln2', k).replace('layers.head', 'fc'): v for k, v in back.items()}
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[name], value) for name, value in theirs.items())

    # the reference takes what is exported
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = forward(reference, x)
        for parameter in reference.parameters():
            parameter.data = torch.ones_like(parameter)
        if source is mvit:
            back = checkpoint_filter_fn(dict(model_state=back), reference)
        missing, unexpected = reference.load_state_dict(back, strict=False)
        assert not unexpected and all(name.endswith('relative_position_index') for name in missing)
        assert torch.equal(forward(reference, x), expected)

    # and a config of ours its file
    torch.save(dict(state_dict=theirs), tmp_path / 'theirs.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'theirs.pth'))
    backbone = MODELS.build(source.backbone_cfg(config) | dict(init_cfg=init_cfg)).eval()
    backbone.init_weights()
    _, head = ours_with(source, config, converted)
    with torch.no_grad():
        assert_close(head(backbone(x)[-1:]), expected, OUTPUTS, 'logits')


@pytest.mark.parametrize('case', ['hiera image', 'hiera video', 'hiera abswin, pooled skips'])
@torch.no_grad()
def test_stages_equal_timms(case) -> None:
    source, config, reference, _, size, _ = make(case)
    converted = source.state_dict(reference.state_dict())
    backbone, _ = ours_with(source, config, converted, out_indices=(0, 1, 2, 3), out_type='featmap')
    x = torch.randn(1, 3, *size)
    _, stages = reference.forward_features(x, return_intermediates=True)
    for ours, theirs in zip(backbone(x), stages, strict=True):
        assert_close(ours.movedim(1, -1), theirs, OUTPUTS, 'feature map')


def test_published_models_have_our_parameters() -> None:
    with torch.device('meta'):
        for name in timm_hiera.models:
            size = timm_hiera.models[name].get('img_size', 224)
            theirs = timm.create_model(name, img_size=size).state_dict()
            converted = timm_hiera.state_dict(theirs)
            ours = MODELS.build(timm_hiera.backbone_cfg(dict(name=f'{name}.mae')))
            expected = {k[9:]: v.shape for k, v in converted.items() if k.startswith('backbone.')}
            assert {k: v.shape for k, v in ours.state_dict().items()} == expected, name
            assert {k: v.shape for k, v in timm_hiera.export(converted).items()} == {
                k: v.shape for k, v in theirs.items()
            }


def test_archs_are_mmpretrains() -> None:
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for kind in ('VisionTransformer', 'DeiT3'):
            zoo = MMPRETRAIN.get(kind).arch_zoo
            for arch in zoo:
                # of its giants mmpretrain's zoo has the widths, without the gated MLPs that come with them
                ours = mmpretrain_vit.backbone_cfg(dict(type=kind, arch=arch))
                hidden = round(ours['mlp_ratio'] * ours['arch']['embed_dims'])
                sizes = (*(ours['arch'][key] for key in ('embed_dims', 'depth', 'num_heads')), hidden)
                assert sizes == tuple(zoo[arch][key] for key in ARCH_KEYS)
        zoo = MMPRETRAIN.get('SwinTransformer').arch_zoo
        for arch in zoo:
            cfg = mmpretrain_swin.backbone_cfg(dict(arch=arch)) | dict(type='mmhvt.VideoSwin')
            with torch.device('meta'):
                ours = MODELS.build(cfg)
            assert len(ours.blocks) == sum(zoo[arch]['depths'])
            assert ours.embed_dims == 8 * zoo[arch]['embed_dims']


def mmdet_swin(config):
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    from mmdet.models.backbones import SwinTransformer

    return SwinTransformer(**config)


@torch.no_grad()
def test_detectors_of_mmdet() -> None:
    config = dict(SWIN_ARCH, window_size=3, strides=(4, 2, 2), out_indices=(0, 1, 2), mlp_ratio=3)
    reference = mmdet_swin(config)
    randomize(reference)
    theirs = {f'backbone.{name}': value for name, value in parameters(reference.state_dict()).items()}
    theirs |= {'neck.lateral_convs.0.conv.weight': torch.randn(4, 8, 1, 1), 'rpn_head.rpn_conv.bias': torch.randn(4)}
    converted = mmpretrain_swin.state_dict(theirs)
    assert migrate.identify(theirs) is mmpretrain_swin
    back = mmpretrain_swin.export(converted)
    assert back.keys() == theirs.keys() and all(torch.equal(back[name], value) for name, value in theirs.items())
    backbone = MODELS.build(mmpretrain_swin.backbone_cfg(config) | dict(out_type='featmap'))
    backbone.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('backbone.')})
    x = torch.randn(1, 3, 72, 104)  # windows divide no grid
    for ours, expected in zip(backbone.eval()(x), reference(x), strict=True):
        assert_close(ours, expected, OUTPUTS, 'feature map')


@pytest.mark.parametrize('stages', [-1, 0, 1])
@pytest.mark.parametrize('detects', [False, True], ids=['mmpretrain', 'mmdet'])
def test_frozen_stages_are_theirs(detects, stages) -> None:
    _, config, reference, *_ = swin_case(dict(size=(64, 64), frozen_stages=stages))
    if detects:
        config = dict(SWIN_ARCH, window_size=3, strides=(4, 2, 2), out_indices=(2,), frozen_stages=stages)
        reference.backbone = mmdet_swin(config)
    reference.backbone.train()
    theirs = mmpretrain_swin.state_dict(dict(reference.backbone.named_parameters(prefix='backbone')))
    ours = MODELS.build(mmpretrain_swin.backbone_cfg(config)).named_parameters(prefix='backbone')
    assert {name: p.requires_grad for name, p in ours} == {name: p.requires_grad for name, p in theirs.items()}


def test_what_pre_training_adds_keeps_its_names() -> None:
    theirs = vit_case({})[2].state_dict() | {
        'neck.decoder_embed.bias': torch.randn(4),
        'head.predictor.w': torch.ones(1),
    }
    converted = mmpretrain_vit.state_dict(theirs)
    assert torch.equal(converted['neck.decoder_embed.bias'], theirs['neck.decoder_embed.bias'])
    assert mmpretrain_vit.export(converted).keys() == theirs.keys()


def test_timms_older_name_of_positions() -> None:
    theirs = hiera_case(HIERA_CASES['hiera abswin'])[2].state_dict()
    old = {name.replace('pos_embed', 'pos_embed_abs') if name == 'pos_embed' else name: v for name, v in theirs.items()}
    assert timm_hiera.matches(old)
    assert timm_hiera.state_dict(old).keys() == timm_hiera.state_dict(theirs).keys()


ARCH = dict(embed_dims=32, num_layers=3)


@pytest.mark.parametrize(
    'source, config, message',
    [
        (mvit, MVIT | dict(PATCH_2D=True), r'facebookresearch/mvit: unknown option PATCH_2D: choose from CROP'),
        (mvit, MVIT | dict(PATCH_KERNEL=[3, 7, 7]), r'PATCH_KERNEL=\[3, 7, 7\]: give two numbers; PySlow'),
        (mvit, MVIT | dict(POOL_Q_STRIDE=[[1, 1, 2, 2]]), r'give a block and two strides a row'),
        (mvit, MVIT | dict(POOL_FIRST=True), r'facebookresearch/mvit: POOL_FIRST=True is not supported: choose False'),
        (mvit, {k: v for k, v in MVIT.items() if k != 'CROP'}, r'missing CROP, which has no default'),
        (timm_hiera, dict(name='hiera_giant_224'), r"no model 'hiera_giant_224': choose from hiera_tiny_224"),
        (timm_hiera, dict(global_pool='max'), r"timm's Hiera: global_pool='max' is not supported: choose 'avg'"),
        (timm_hiera, dict(depths=(1, 1)), r"timm's Hiera: unknown option depths"),
        (timm_hiera, dict(norm_layer='BN'), r"norm_layer='BN' is not supported"),
        (mmpretrain_swin, dict(arch='giant'), r"Swin: no arch 'giant': choose from tiny, small, base, large"),
        (mmpretrain_swin, dict(use_abs_pos_embed=True), r'use_abs_pos_embed=True is not supported: choose False'),
        (mmpretrain_swin, dict(norm_cfg=dict(type='BN')), r"norm_cfg=\{'type': 'BN'\} is not supported"),
        (mmpretrain_swin, dict(embed_dims=96, arch='t'), r"mmdet's Swin: unknown option arch"),
        (
            mmpretrain_swin,
            dict(embed_dims=96, strides=(4, 2, 2, 1)),
            r'strides=.* not supported: choose \(4, 2, 2, 2\)',
        ),
        (mmpretrain_vit, dict(arch='giant'), r"no VisionTransformer 'giant': choose from small, base"),
        (mmpretrain_vit, dict(arch=ARCH), r'arch as a dict needs embed_dims, .* got embed_dims, num_layers'),
        (mmpretrain_vit, dict(type='BEiTViT'), r"type='BEiTViT' .*: choose from VisionTransformer, DeiT3"),
        (mmpretrain_vit, dict(out_type='avg_featmap'), r"'avg_featmap' with final_norm=True is not supported"),
        (mmpretrain_vit, dict(layer_cfgs=dict(ffn_type='swiglu_fused')), r'layer_cfgs=.*swiglu_fused.* not supported'),
        (mmpretrain_vit, dict(with_cls_token=False), r'with_cls_token=False is not supported: choose True'),
    ],
)
def test_what_has_no_like_in_ours_is_refused(source, config, message) -> None:
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


@pytest.mark.parametrize('case', ['mvit', 'hiera image', 'swin', 'vit'])
def test_unknown_names_are_refused(case) -> None:
    source, _, reference, _, _, names = make(case)
    for name in ('backbone.other.weight', 'blocks.0.other') if case == 'mvit' else ('backbone.other.weight',):
        with pytest.raises(ValueError, match=f"'{name}' is not a parameter of"):
            source.state_dict(names(reference.state_dict()) | {name: torch.zeros(1)})
    with pytest.raises(ValueError, match="'backbone.other' is not a parameter of"):
        source.export({'backbone.other': torch.zeros(1)})


def test_what_has_no_place_is_refused() -> None:
    theirs = vit_case({})[2].state_dict()
    two = theirs | {name.replace('ln1', 'ln2'): v for name, v in theirs.items() if name.startswith('backbone.ln1')}
    with pytest.raises(
        ValueError, match=r'backbone.ln1.weight and backbone.ln2.weight are both our backbone.norm.weight'
    ):
        mmpretrain_vit.state_dict(two)
    with pytest.raises(ValueError, match=r'pos_embed_abs of 6 embeddings is not square'):
        timm_hiera.export({'backbone.pos_embed.whole': torch.zeros(1, 6, 4)})


MICRO = dict(embed_dims=24, num_heads=1, depths=(1, 2, 2, 1))
