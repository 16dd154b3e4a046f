"""facebookresearch/mvit, timm's Hiera, and Swin and ViT of mmpretrain and mmdet: equal to their models, both ways."""

import re

import pytest
import timm
import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as MMPRETRAIN
from test_mvit_references import (
    CLASSES,
    GRADIENTS,
    OUTPUTS,
    assert_close,
    one_thread,  # noqa: F401 - a fixture for all tests
    randomise,
    run_mmpretrain,
)
from timm.models.hiera import Hiera
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg, checkpoint_filter_fn

from mmhvt import migrate
from mmhvt.migrate import mmpretrain_swin, mmpretrain_vit, mvit, timm_hiera
from mmhvt.models import RecognitionHead, SMViT
from mmhvt.models.backbones.smvit import mean_pool_tokens
from mmhvt.models.layers import PositionEmbedding, resize_position_embedding
from mmhvt.registry import MODELS

call = torch.nn.Module.__call__

# facebookresearch/mvit: timm's port reads its files
MVIT = dict(
    MODE='conv',
    EMBED_DIM=16,
    DEPTH=4,
    DIM_MUL=[[1, 2.0], [3, 2.0]],
    HEAD_MUL=[[1, 2.0], [3, 2.0]],
    POOL_KVQ_KERNEL=[3, 3],
    POOL_KV_STRIDE_ADAPTIVE=[4, 4],
    POOL_Q_STRIDE=[[0, 1, 1], [1, 2, 2], [2, 1, 1], [3, 2, 2]],
    CROP=64,
)
MVIT_CASES = {
    'mvit': ({}, {}),
    'mvit expansion in the MLP': (dict(DIM_MUL_IN_ATT=False), dict(expand_attn=False)),
    'mvit class token': (
        dict(CLS_EMBED_ON=True, USE_ABS_POS=True, RESIDUAL_POOLING=False),
        dict(use_cls_token=True, use_abs_pos=True, residual_pooling=False),
    ),
}


def mvit_case(section, fields):
    cfg = MultiScaleVitCfg(
        depths=(1, 2, 1),
        embed_dim=16,
        num_heads=1,
        stride_q=((1, 1), (2, 2), (2, 2)),
        stride_kv_adaptive=(4, 4),
        **fields,
    )
    section = MVIT | section
    if not section.get('DIM_MUL_IN_ATT', True):  # channels grow at the end of the stage before
        section |= dict(DIM_MUL=[[1, 2.0], [3, 2.0]])
    return mvit, section, MultiScaleVit(cfg, img_size=64, num_classes=CLASSES), call, (64, 64)


def facebook_names(state_dict):
    """MViTv2 of timm as facebookresearch/mvit writes it."""
    places = list(dict.fromkeys(m[0] for name in state_dict if (m := re.match(r'stages\.\d+\.blocks\.\d+', name))))
    theirs = {}
    for name, value in state_dict.items():
        name = re.sub(r'^stages\.\d+\.blocks\.\d+', lambda m: f'blocks.{places.index(m[0])}', name)
        name = re.sub(r'shortcut_proj_(attn|mlp)', 'proj', name)
        theirs[name.replace('head.fc', 'head.projection')] = value
    return theirs


HIERA = dict(embed_dim=24, num_heads=1, stages=(1, 2, 2, 1))
VIDEO = dict(
    q_stride=(1, 2, 2),
    mask_unit_size=(1, 8, 8),
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
)
ABSWIN = dict(abs_win_pos_embed=True, init_values=0.1)
HIERA_CASES = {
    'hiera image': dict(img_size=(96, 64)),
    'hiera video': dict(img_size=(4, 64, 96), sep_pos_embed=True, **VIDEO),
    'hiera video joint': dict(img_size=(4, 64, 64), **VIDEO),
    'hiera two poolings': dict(img_size=64, q_pool=2, head_mul=1.0, mlp_ratio=3.0),
    'hiera abswin': dict(img_size=(128, 128), global_pos_size=(14, 14), **ABSWIN),
    'hiera abswin, larger table': dict(img_size=(64, 96), global_pos_size=(20, 20), **ABSWIN),
    'hiera abswin, pooled skips': dict(img_size=(128, 64), use_expand_proj=False, global_pos_size=(7, 7), **ABSWIN),
    'hiera pooled skips, two poolings': dict(img_size=64, use_expand_proj=False, q_pool=2),
}


def hiera_case(settings):
    config = HIERA | settings
    size = config['img_size']
    size = (size, size) if isinstance(size, int) else size
    return timm_hiera, config, Hiera(**config, num_classes=CLASSES), call, size


def mmpretrain_model(kind, config, head, neck=None):
    model = dict(type='ImageClassifier', backbone=dict(type=kind, **config), neck=neck, head=head)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MMPRETRAIN.build(model)


SWIN_ARCH = dict(embed_dims=8, depths=[2, 2, 1], num_heads=[1, 2, 4])
SWIN = dict(arch=SWIN_ARCH, img_size=64, window_size=3, out_indices=(2,))
SWIN_CASES = {
    'swin': dict(size=(64, 64)),
    'swin rectangle': dict(size=(72, 96), window_size=4),
    'swin all norms': dict(size=(64, 64), out_indices=(0, 1, 2)),
}


def swin_case(settings):
    config = SWIN | settings
    size = config.pop('size')
    head = dict(type='LinearClsHead', num_classes=CLASSES, in_channels=32)
    reference = mmpretrain_model('SwinTransformer', config, head, dict(type='GlobalAveragePooling'))
    return mmpretrain_swin, config, reference, run_mmpretrain, size


VIT = dict(
    arch=dict(embed_dims=32, num_layers=3, num_heads=2, feedforward_channels=96), img_size=64, drop_path_rate=0.1
)
CLIP = dict(
    pre_norm=True, norm_cfg=dict(type='LN', eps=1e-5), layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU'))
)
VIT_CASES = {
    'vit': dict(),
    'vit layer scale': dict(layer_scale_init_value=0.1, patch_size=8, norm_cfg=dict(type='LN')),
    'vit of CLIP': CLIP,
    'vit averaged': dict(out_type='avg_featmap', final_norm=False, qkv_bias=False),
    'vit DeiT3': dict(type='DeiT3'),
}
# files whose classifier or final norm has another name when it is exported
RENAMED = {'vit averaged'}


def vit_case(settings):
    config = VIT | settings
    arguments = {key: value for key, value in config.items() if key != 'type'}
    kind = 'LinearClsHead' if config.get('out_type') == 'avg_featmap' else 'VisionTransformerClsHead'
    head = dict(type=kind, num_classes=CLASSES, in_channels=32)
    reference = mmpretrain_model(config.get('type', 'VisionTransformer'), arguments, head)

    def forward(model, x):
        return model.head(model.backbone(x))

    return mmpretrain_vit, config, reference, forward, (64, 64)


CASES = {name: lambda case=case: mvit_case(*case) for name, case in MVIT_CASES.items()}
CASES |= {name: lambda case=case: hiera_case(case) for name, case in HIERA_CASES.items()}
CASES |= {name: lambda case=case: swin_case(case) for name, case in SWIN_CASES.items()}
CASES |= {name: lambda case=case: vit_case(case) for name, case in VIT_CASES.items()}


def make(case):
    source, config, reference, forward, size = CASES[case]()
    randomise(reference)
    if config.get('type') == 'DeiT3':  # which uses its first norms in place of the second
        for layer in reference.backbone.layers:
            layer.ln2.load_state_dict(layer.ln1.state_dict())
    return source, config, reference, forward, size, facebook_names if source is mvit else dict


def parameters(state_dict):
    return {name: value for name, value in state_dict.items() if not name.endswith('relative_position_index')}


def ours_with(source, config, converted, **kwargs):
    backbone = MODELS.build(source.backbone_cfg(config) | kwargs).eval()
    backbone.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('backbone.')})
    head = RecognitionHead(CLASSES, backbone.embed_dims).eval()
    head.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('cls_head.')})
    return backbone, head


@pytest.mark.parametrize('case', CASES)
def test_logits_and_gradients_equal_theirs(case):
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
def test_files_go_both_ways(case, tmp_path):
    source, config, reference, forward, size, names = make(case)
    theirs = parameters(names(reference.state_dict()))
    converted = source.state_dict(theirs)
    assert [other for other in migrate.SOURCES if other.recognise(theirs)] == [source]
    assert not any(other.recognise(converted) for other in migrate.SOURCES), "ours is nobody else's"
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
def test_stages_equal_timms(case):
    source, config, reference, _, size, _ = make(case)
    converted = source.state_dict(reference.state_dict())
    backbone, _ = ours_with(source, config, converted, out_indices=(0, 1, 2, 3), out_type='featmap')
    x = torch.randn(1, 3, *size)
    _, stages = reference.forward_features(x, return_intermediates=True)
    for ours, theirs in zip(backbone(x), stages, strict=True):
        assert_close(ours.movedim(1, -1), theirs, OUTPUTS, 'feature map')


def test_published_models_have_our_parameters():
    with torch.device('meta'):
        for name in timm_hiera._MODELS:
            size = timm_hiera._MODELS[name].get('img_size', 224)
            theirs = timm.create_model(name, img_size=size).state_dict()
            converted = timm_hiera.state_dict(theirs)
            ours = MODELS.build(timm_hiera.backbone_cfg(dict(name=f'{name}.mae')))
            expected = {k[9:]: v.shape for k, v in converted.items() if k.startswith('backbone.')}
            assert {k: v.shape for k, v in ours.state_dict().items()} == expected, name
            assert {k: v.shape for k, v in timm_hiera.export(converted).items()} == {
                k: v.shape for k, v in theirs.items()
            }


def test_archs_are_mmpretrains():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        for kind, archs in (('VisionTransformer', mmpretrain_vit._ARCHS), ('DeiT3', mmpretrain_vit._DEIT3)):
            zoo = MMPRETRAIN.get(kind).arch_zoo
            for arch in zoo:
                # of its giants mmpretrain's zoo has the widths, without the gated MLPs that come with them
                assert mmpretrain_vit._arch(arch, archs, kind) == tuple(zoo[arch][k] for k in mmpretrain_vit._KEYS)
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
def test_detectors_of_mmdet():
    config = dict(SWIN_ARCH, window_size=3, strides=(4, 2, 2), out_indices=(0, 1, 2), mlp_ratio=3)
    reference = mmdet_swin(config)
    randomise(reference)
    theirs = {f'backbone.{name}': value for name, value in parameters(reference.state_dict()).items()}
    theirs |= {'neck.lateral_convs.0.conv.weight': torch.randn(4, 8, 1, 1), 'rpn_head.rpn_conv.bias': torch.randn(4)}
    converted = mmpretrain_swin.state_dict(theirs)
    assert [other for other in migrate.SOURCES if other.recognise(theirs)] == [mmpretrain_swin]
    back = mmpretrain_swin.export(converted)
    assert back.keys() == theirs.keys() and all(torch.equal(back[name], value) for name, value in theirs.items())
    backbone = MODELS.build(mmpretrain_swin.backbone_cfg(config) | dict(out_type='featmap'))
    backbone.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('backbone.')})
    x = torch.randn(1, 3, 72, 104)  # windows divide no grid
    for ours, expected in zip(backbone.eval()(x), reference(x), strict=True):
        assert_close(ours, expected, OUTPUTS, 'feature map')


@pytest.mark.parametrize('stages', [-1, 0, 1])
@pytest.mark.parametrize('detects', [False, True], ids=['mmpretrain', 'mmdet'])
def test_frozen_stages_are_theirs(detects, stages):
    _, config, reference, *_ = swin_case(dict(size=(64, 64), frozen_stages=stages))
    if detects:
        config = dict(SWIN_ARCH, window_size=3, strides=(4, 2, 2), out_indices=(2,), frozen_stages=stages)
        reference.backbone = mmdet_swin(config)
    reference.backbone.train()
    theirs = mmpretrain_swin.state_dict(dict(reference.backbone.named_parameters(prefix='backbone')))
    ours = MODELS.build(mmpretrain_swin.backbone_cfg(config)).named_parameters(prefix='backbone')
    assert {name: p.requires_grad for name, p in ours} == {name: p.requires_grad for name, p in theirs.items()}


def test_what_pre_training_adds_keeps_its_names():
    theirs = vit_case({})[2].state_dict() | {
        'neck.decoder_embed.bias': torch.randn(4),
        'head.predictor.w': torch.ones(1),
    }
    converted = mmpretrain_vit.state_dict(theirs)
    assert torch.equal(converted['neck.decoder_embed.bias'], theirs['neck.decoder_embed.bias'])
    assert mmpretrain_vit.export(converted).keys() == theirs.keys()


def test_timms_older_name_of_positions():
    theirs = hiera_case(HIERA_CASES['hiera abswin'])[2].state_dict()
    old = {name.replace('pos_embed', 'pos_embed_abs') if name == 'pos_embed' else name: v for name, v in theirs.items()}
    assert timm_hiera.recognise(old)
    assert timm_hiera.state_dict(old).keys() == timm_hiera.state_dict(theirs).keys()


ARCH = dict(embed_dims=32, num_layers=3)


@pytest.mark.parametrize('source, config, message', [
    (mvit, MVIT | dict(PATCH_2D=True), r'mvit: PATCH_2D: options of PySlowFast'),
    (mvit, MVIT | dict(PATCH_KERNEL=[3, 7, 7]), r'MVIT.PATCH_KERNEL=\[3, 7, 7\]: images have two numbers'),
    (mvit, MVIT | dict(POOL_Q_STRIDE=[[1, 1, 2, 2]]), r'images have a block and two strides a row'),
    (mvit, MVIT | dict(POOL_FIRST=True), r'mvit: as a config of PySlowFast: .*POOL_FIRST=True is not known'),
    (mvit, {k: v for k, v in MVIT.items() if k != 'CROP'}, r'mvit: the MVIT section needs CROP'),
    (timm_hiera, dict(name='hiera_giant_224'), r"timm: no Hiera 'hiera_giant_224': choose from hiera_tiny_224"),
    (timm_hiera, dict(global_pool='max'), r"timm: global_pool='max' is not known; 'avg' is"),
    (timm_hiera, dict(depths=(1, 1)), r'timm: arguments that are not known: depths'),
    (timm_hiera, dict(norm_layer='BN'), r"norm_layer 'BN' is not known"),
    (mmpretrain_swin, dict(arch='giant'), r"mmpretrain: no Swin 'giant': choose from tiny, small, base, large"),
    (mmpretrain_swin, dict(use_abs_pos_embed=True), r'use_abs_pos_embed=True is not known; False is'),
    (mmpretrain_swin, dict(norm_cfg=dict(type='BN')), r"norm_cfg=\{'type': 'BN'\} is not known"),
    (mmpretrain_swin, dict(embed_dims=96, arch='t'), r'mmdet: arguments that are not known: arch'),
    (mmpretrain_swin, dict(embed_dims=96, strides=(4, 2, 2, 1)), r'strides=.* is not known; \(4, 2, 2, 2\) is'),
    (mmpretrain_vit, dict(arch='giant'), r"mmpretrain: no VisionTransformer 'giant': choose from small, base"),
    (mmpretrain_vit, dict(arch=ARCH), r'arch as a dict needs embed_dims, .* got embed_dims, num_layers'),
    (mmpretrain_vit, dict(type='BEiTViT'), r"type='BEiTViT' is not known; VisionTransformer and DeiT3 are"),
    (mmpretrain_vit, dict(out_type='avg_featmap'), r"out_type='avg_featmap' with final_norm=True is not known"),
    (mmpretrain_vit, dict(layer_cfgs=dict(ffn_type='swiglu_fused')), r"layer_cfgs=.*swiglu_fused.* is not known"),
    (mmpretrain_vit, dict(with_cls_token=False), r'with_cls_token=False is not known; True is'),
])  # fmt: skip
def test_what_has_no_like_in_ours_is_refused(source, config, message):
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


@pytest.mark.parametrize('case', ['mvit', 'hiera image', 'swin', 'vit'])
def test_unknown_names_are_refused(case):
    source, _, reference, _, _, names = make(case)
    for name in ('backbone.other.weight', 'blocks.0.other') if case == 'mvit' else ('backbone.other.weight',):
        with pytest.raises(ValueError, match=f"'{name}' is no parameter of"):
            source.state_dict(names(reference.state_dict()) | {name: torch.zeros(1)})
    with pytest.raises(ValueError, match="'backbone.other' is no parameter of"):
        source.export({'backbone.other': torch.zeros(1)})


def test_what_has_no_place_is_refused():
    theirs = vit_case({})[2].state_dict()
    two = theirs | {name.replace('ln1', 'ln2'): v for name, v in theirs.items() if name.startswith('backbone.ln1')}
    with pytest.raises(ValueError, match=r'backbone.ln1 and backbone.ln2'):
        mmpretrain_vit.state_dict(two)
    with pytest.raises(ValueError, match=r'backbone.pos_embed.whole of 6 embeddings is no square'):
        timm_hiera.export({'backbone.pos_embed.whole': torch.zeros(1, 6, 4)})


def random_embedding(grid, kind='joint', **kwargs):
    embedding = PositionEmbedding(4, grid, kind, **kwargs)
    for parameter in embedding.parameters():
        torch.nn.init.normal_(parameter)
    return embedding


def fitted(embedding, found):
    embedding.load_state_dict(embedding.fit(dict(found.state_dict())))
    return embedding


@torch.no_grad()
def test_both_extensions_equal_the_pretrained_embedding_at_its_size():
    pretrained = random_embedding((24, 24))
    windowed = fitted(random_embedding((24, 24), 'windowed', window=(8, 8)), pretrained)
    plain = fitted(random_embedding((24, 24)), pretrained)
    expected = pretrained.joint.view(1, 24, 24, 4)
    assert torch.equal(plain((24, 24)), expected)
    torch.testing.assert_close(windowed((24, 24)), expected, rtol=0, atol=1e-6)

    # what windows have in common is in the table that is tiled
    mean = expected.unflatten(2, (3, 8)).unflatten(1, (3, 8)).mean((1, 3))
    torch.testing.assert_close(windowed.window.view(1, 8, 8, 4), mean)

    # larger, the one repeats from window to window but for what changes slowly, the other is stretched throughout
    grid = (48, 64)
    whole = resize_position_embedding(windowed.whole, (24, 24), grid, antialias=True).view(1, *grid, 4)
    repeated = (windowed(grid) - whole).unflatten(2, (8, 8)).unflatten(1, (6, 8))
    torch.testing.assert_close(repeated, windowed.window.view(1, 1, 8, 1, 8, 4).expand_as(repeated), rtol=0, atol=1e-5)
    assert (windowed(grid) - plain(grid)).std() > 0.1
    # a model that is built for them gets the same
    larger = fitted(random_embedding(grid, 'windowed', window=(8, 8), whole_grid=(24, 24)), pretrained)
    torch.testing.assert_close(larger(grid), windowed(grid))


@torch.no_grad()
def test_windowed_embeddings_of_other_kinds_and_back():
    clip = random_embedding((4, 16, 16), 'separate')
    windowed = fitted(random_embedding((16, 16), 'windowed', window=(8, 8)), clip)
    torch.testing.assert_close(windowed((16, 16)), clip((4, 16, 16)).mean(1), rtol=0, atol=1e-6)
    for kind in ('joint', 'space'):
        back = fitted(random_embedding((16, 16), kind), windowed)
        torch.testing.assert_close(back((16, 16)), windowed((16, 16)))
    back = fitted(random_embedding((4, 24, 16), 'separate'), windowed)
    torch.testing.assert_close(back((4, 24, 16))[:, 3], windowed((24, 16)))
    # other grids of the table, and grids that windows do not divide
    coarse = fitted(random_embedding((16, 16), 'windowed', window=(8, 8), whole_grid=(5, 5)), windowed)
    assert torch.equal(coarse.window, windowed.window)
    assert torch.equal(coarse.whole, resize_position_embedding(windowed.whole, (16, 16), (5, 5), antialias=True))
    assert coarse((13, 9)).shape == (1, 13, 9, 4)
    small = random_embedding((4, 4))
    torch.testing.assert_close(
        fitted(random_embedding((4, 4), 'windowed', window=(8, 8)), small)((4, 4)), small((4, 4)), rtol=0, atol=1e-6
    )
    with pytest.raises(ValueError, match='window of 8 position embeddings is no square'):
        random_embedding((8, 8)).fit(dict(window=torch.zeros(1, 8, 4), whole=torch.zeros(1, 64, 4)))


MICRO = dict(embed_dims=24, num_heads=1, depths=(1, 2, 2, 1))


@torch.no_grad()
def test_pretrained_models_load_windowed(tmp_path):
    plain = randomise(SMViT(MICRO, input_size=(64, 64), out_type='raw'))
    torch.save({f'backbone.{k}': v for k, v in plain.state_dict().items()}, tmp_path / 'plain.pth')

    def load(path, **kwargs):
        init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / path))
        model = SMViT(MICRO, out_type='raw', init_cfg=init_cfg, **kwargs)
        model.init_weights()
        return model.eval()

    x, larger = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 128, 96)
    windowed = load('plain.pth', input_size=(64, 64), pos_embed='windowed')
    assert_close(windowed(x)[0], plain(x)[0], OUTPUTS, 'tokens')
    assert (windowed(larger)[0] - plain(larger)[0]).std() > 0.01
    detector = load('plain.pth', input_size=(128, 96), pos_embed='windowed', pos_grid=(16, 16))
    assert_close(detector(larger)[0], windowed(larger)[0], OUTPUTS, 'tokens')
    # and back into a plain one of the same grid, whose table has the same shape as a part of theirs
    torch.save({f'backbone.{k}': v for k, v in windowed.state_dict().items()}, tmp_path / 'windowed.pth')
    assert_close(load('windowed.pth', input_size=(64, 64))(x)[0], plain(x)[0], OUTPUTS, 'tokens')


@torch.no_grad()
def test_pooled_skips_leave_padding_out():
    model = randomise(SMViT(MICRO, input_size=(64, 64), expand='pool', layer_scale=0.1, out_type='featmap'))
    x = torch.randn(1, 3, 64, 96)
    alone = SMViT(MICRO, input_size=(64, 64), expand='pool', layer_scale=0.1).eval()
    assert (alone.blocks[0].gamma1 == 0.1).all() and alone.blocks[1].proj is None
    assert model(x[..., :88])[0].shape == (1, 192, 2, 3)
    tokens = torch.tensor([[1.0], [3.0], [5.0], [7.0], [9.0], [9.0], [9.0], [9.0]])
    real = torch.tensor([True, True, True, False, False, False, False, False])
    assert mean_pool_tokens(tokens, 4, real).flatten().tolist() == [3.0, 0.0]
    assert mean_pool_tokens(tokens, 4).flatten().tolist() == [4.0, 9.0]


@pytest.mark.parametrize('kwargs', [
    dict(pos_embed='tiled'),
    dict(pos_embed='windowed', input_size=(4, 64, 64)),
    dict(pos_embed='windowed', pos_grid=(4, 16, 16)),
    dict(pos_embed='joint', pos_grid=(16, 16)),
    dict(pos_grid=(16, 16)),
    dict(pos_embed='windowed', sep_pos_embed=False),
    dict(pos_grid=(16, 16), sep_pos_embed=False),
])  # fmt: skip
def test_position_settings_that_contradict_each_other_are_refused(kwargs):
    with pytest.raises(ValueError, match="SMViT: pos_embed=.*pos_embed is 'joint', 'separate' or, for images"):
        SMViT(MICRO, **dict(input_size=(64, 64)) | kwargs)


def test_other_skips_are_refused():
    for kwargs in (dict(expand='max'), dict(expand='pool', dim_mul=1.5)):
        with pytest.raises(ValueError, match=r"SMViT: expand='\w+': choose from linear, and, where dim_mul"):
            SMViT(MICRO, input_size=(64, 64), **kwargs)
    with pytest.raises(ValueError, match=r'windowed position embeddings are for images'):
        PositionEmbedding(4, (2, 4, 4), 'windowed', window=(8, 8))
