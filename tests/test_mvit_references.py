"""MViT against torchvision, timm, mmaction2 and mmpretrain on the same weights, and the maps between their names."""

import json
import math
from pathlib import Path

import pytest
import timm as timm_package
import torch
from mmaction.models import MViT as MMActionMViT
from mmaction.registry import MODELS as MMACTION
from mmengine.registry import DefaultScope
from mmpretrain.models.backbones import MViT as MMPretrainMViT
from mmpretrain.registry import MODELS as MMPRETRAIN
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg
from torchvision.models.video import mvit as torchvision_mvit

from mmhvt import migrate
from mmhvt.migrate import (
    beit,
    clip,
    google_vit,
    mmaction,
    mmaction_swin,
    mmaction_uniformerv2,
    mmpretrain,
    mmpretrain_swin,
    mmpretrain_vit,
    mvit,
    pyslowfast,
    swin,
    timm,
    timm_hiera,
    torchvision,
    torchvision_swin,
    video_swin,
    vit,
)
from mmhvt.models import RecognitionHead, VisionTransformer
from mmhvt.registry import MODELS

DATA = Path(__file__).parent / 'data' / 'golden'
CLASSES = 7
# the same is asked of them in test_video_swin_references, test_uniformerv2_sources and test_more_sources
ELSEWHERE = {mmaction_swin, swin, torchvision_swin, video_swin}
ELSEWHERE |= {beit, clip, google_vit, mmaction_uniformerv2, vit}
ELSEWHERE |= {mmpretrain_swin, mmpretrain_vit, mvit, timm_hiera}
# relative to the standard deviation of what is compared
OUTPUTS, GRADIENTS = 1e-5, 1e-4


@pytest.fixture(autouse=True)
def one_thread():
    """Models of this size spend more time on waiting for threads than on anything else."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def randomise(model):
    """Weights that let every parameter tell: nothing is near 0 but its mean, nothing saturates."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith('weight') and parameter.ndim > 1:
            noise /= math.sqrt(parameter[0].numel())
        elif name.endswith('weight'):  # scale of a norm
            noise = 1 + 0.2 * noise
        else:  # biases, tokens, positions
            noise *= 0.5
        parameter.data = noise
    return model.eval()


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


def our_logits(source, reference_config, state_dict, x):
    backbone = MODELS.build(source.backbone_cfg(reference_config)).eval()
    backbone.load_state_dict({name: state_dict[f'backbone.{name}'] for name in backbone.state_dict()})
    head = RecognitionHead(CLASSES, backbone.embed_dims).eval()
    head.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('cls_head.')})
    return head(backbone(x))


def logits_and_tokens(reference, x, forward):
    """What a reference gives, and gave to its head before it left tokens out."""
    tokens = []
    norm = [module for module in reference.modules() if isinstance(module, torch.nn.LayerNorm)][-1]
    hook = norm.register_forward_hook(lambda module, args, output: tokens.append(output))
    logits = forward(reference, x)
    hook.remove()
    return logits, tokens[0]


def assert_close(ours, theirs, tolerance, name, scale=None):
    assert ours.shape == theirs.shape, name
    difference = (ours - theirs).abs().max().item() / (scale or theirs.std().item())
    assert difference <= tolerance, f'{name} differs by {difference:.1e}'


def assert_equal(source, reference_config, reference, forward, size):
    """All tokens and the logits in fp32; gradients of the input and of all parameters in fp64.

    In fp32 a near tie of a max pooling can fall out differently and turn a gradient, so that fp64 tells more.
    """
    backbone, state_dict = ours_with(source, reference_config, reference.state_dict())
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        logits, theirs = logits_and_tokens(reference, x, forward)
        assert_close(backbone(x)[0], theirs, OUTPUTS, 'tokens')
        assert_close(our_logits(source, reference_config, state_dict, x), logits, OUTPUTS, 'logits')

    reference.double(), backbone.double()
    x = x.double().requires_grad_()
    x_ours = x.detach().clone().requires_grad_()
    _, theirs = logits_and_tokens(reference, x, forward)
    (ours,) = backbone(x_ours)
    weight = torch.randn_like(theirs)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    assert_close(x_ours.grad, x.grad, GRADIENTS, 'gradient of the input')
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in reference.named_parameters()}
    gradients = source.state_dict(gradients)
    for name, parameter in backbone.named_parameters():
        # a bias that all keys share changes no attention: its gradient is rounding alone
        scale = 1.0 if name.endswith('pool_k.norm.bias') else None
        assert_close(parameter.grad, gradients[f'backbone.{name}'], GRADIENTS, f'gradient of {name}', scale)


def blocks(depths, dims, heads, kv_stride, expand_in, full_q_pool, q_stride=(1, 2, 2), kernel=None):
    """A `block_setting` of torchvision; without a kernel, it follows the stride as s+1."""
    settings = []
    for stage, depth in enumerate(depths):
        for i in range(depth):
            enters, leaves = i == 0 and stage > 0, i == depth - 1 and stage < len(depths) - 1
            if enters:
                kv_stride = [max(k // q, 1) for k, q in zip(kv_stride, q_stride, strict=True)]
            before = dims // 2 if enters and expand_in == 'attn' else dims
            after = dims * 2 if leaves and expand_in == 'mlp' else dims
            stride_q = list(q_stride) if enters else [1, 1, 1] if full_q_pool else []
            settings.append(
                dict(
                    num_heads=heads,
                    input_channels=before,
                    output_channels=after,
                    kernel_q=stride_q and (kernel or [s + (s > 1) for s in stride_q]),
                    kernel_kv=kernel or [s + (s > 1) for s in kv_stride],
                    stride_q=stride_q,
                    stride_kv=list(kv_stride),
                )
            )
            dims = after
        dims, heads = dims * 2 if expand_in == 'attn' else dims, heads * 2
    return settings


V1_BLOCKS = dict(depths=(1, 2, 1), dims=16, heads=1, kv_stride=[1, 4, 4], expand_in='mlp', full_q_pool=False)
V2_BLOCKS = dict(depths=(1, 2, 1), dims=16, heads=1, kv_stride=[1, 4, 4], expand_in='attn', full_q_pool=True)
V1_SETTINGS = dict(residual_pool=False, residual_with_cls_embed=False, rel_pos_embed=False, proj_after_attn=False)
V2_SETTINGS = dict(residual_pool=True, residual_with_cls_embed=False, rel_pos_embed=True, proj_after_attn=True)
TORCHVISION = {
    'v1': dict(V1_SETTINGS, block_setting=blocks(**V1_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 32)),
    'v1 rectangle, odd grids': dict(V1_SETTINGS, block_setting=blocks(**V1_BLOCKS, kernel=[3, 3, 3]), size=(6, 56, 44)),
    'v1 kernels s+1': dict(V1_SETTINGS, block_setting=blocks(**V1_BLOCKS), size=(4, 32, 48)),
    'v1 with residual pooling': dict(
        V1_SETTINGS, residual_pool=True, block_setting=blocks(**V1_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 32)
    ),
    'v1 strides in time': dict(
        V1_SETTINGS,
        block_setting=blocks(**V1_BLOCKS | dict(kv_stride=[4, 4, 4]), q_stride=(2, 2, 2), kernel=[3, 3, 3]),
        size=(10, 32, 32),
    ),
    'v2': dict(V2_SETTINGS, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 32)),
    'v2 rectangle': dict(V2_SETTINGS, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(4, 64, 32)),
    'v2 odd grids': dict(V2_SETTINGS, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(6, 56, 44)),
    'v2 without residual pooling': dict(
        V2_SETTINGS, residual_pool=False, block_setting=blocks(**V2_BLOCKS, kernel=[1, 3, 3]), size=(4, 32, 32)
    ),
    'v2 with absolute positions': dict(
        V2_SETTINGS, rel_pos_embed=False, block_setting=blocks(**V2_BLOCKS, kernel=[3, 3, 3]), size=(4, 32, 48)
    ),
    'v2 patches of one frame': dict(
        V2_SETTINGS,
        block_setting=blocks(**V2_BLOCKS | dict(dims=24, heads=3), kernel=[3, 3, 3]),
        patch_embed_kernel=(1, 4, 4),
        patch_embed_stride=(1, 4, 4),
        patch_embed_padding=(0, 0, 0),
        size=(2, 32, 32),
    ),
}


def torchvision_case(settings):
    config = dict(settings)
    size = config.pop('size')
    config |= dict(temporal_size=size[0], spatial_size=size[1:])
    setting = [torchvision_mvit.MSBlockConfig(**block) for block in config['block_setting']]
    return config, torchvision_mvit.MViT(**config | dict(block_setting=setting), num_classes=CLASSES), size


MICRO_CFG = dict(depths=(1, 2, 1), embed_dim=16, stride_q=((1, 1), (2, 2), (2, 2)))
TIMM = {
    'relative': dict(cfg=MICRO_CFG, img_size=64),
    'odd grids': dict(cfg=MICRO_CFG, img_size=56),
    'absolute, rectangle': dict(cfg=MICRO_CFG | dict(use_abs_pos=True, rel_pos_type=''), img_size=(64, 40)),
    'class token': dict(
        cfg=MICRO_CFG | dict(use_cls_token=True, use_abs_pos=True, residual_pooling=False), img_size=64
    ),
    'mean beside a class token': dict(
        cfg=MICRO_CFG | dict(use_cls_token=True, residual_pooling=False), img_size=64, global_pool='avg'
    ),
    'residual pooling of a class token': dict(cfg=MICRO_CFG | dict(use_cls_token=True), img_size=64),
    'expansion in the MLP': dict(cfg=MICRO_CFG | dict(expand_attn=False, embed_dim=24, num_heads=3), img_size=64),
    'max': dict(cfg=MICRO_CFG | dict(mode='max'), img_size=64),
    'average': dict(cfg=MICRO_CFG | dict(mode='avg'), img_size=64),
    'fixed stride of keys': dict(cfg=MICRO_CFG | dict(stride_kv=((2, 2),) * 3, qkv_bias=False), img_size=64),
    'listed stride of keys': dict(cfg=MICRO_CFG | dict(stride_kv=((8, 8), (4, 4), (2, 2)), mlp_ratio=3.0), img_size=64),
    'factors of 3': dict(cfg=MICRO_CFG | dict(embed_dim=(8, 24, 72), num_heads=(1, 3, 9), norm_eps=1e-3), img_size=32),
}


def timm_case(settings):
    reference = MultiScaleVit(**settings | dict(cfg=MultiScaleVitCfg(**settings['cfg'])), num_classes=CLASSES)
    size = settings['img_size']
    return settings, reference, (size, size) if isinstance(size, int) else size


MICRO_ARCH = dict(embed_dims=16, num_layers=4, num_heads=1, downscale_indices=[1, 3])
V1_OPTIONS = dict(rel_pos_embed=False, use_abs_pos_embed=True, residual_pooling=False, dim_mul_in_attention=False)
MMACTION_CASES = {
    'default': dict(size=(4, 32, 32)),
    'other sizes': dict(size=(8, 40, 56)),
    'without class token': dict(with_cls_token=False, output_cls_token=False, size=(4, 32, 32)),
    'mean beside a class token': dict(output_cls_token=False, size=(4, 32, 32)),
    'like v1': dict(V1_OPTIONS, size=(4, 32, 32)),
    'like v1, other sizes': dict(V1_OPTIONS, size=(8, 56, 40)),
    'like v1 without class token': dict(V1_OPTIONS, with_cls_token=False, output_cls_token=False, size=(6, 24, 48)),
    'all positions': dict(use_abs_pos_embed=True, size=(6, 40, 40)),
    'other factors': dict(
        arch=MICRO_ARCH | dict(embed_dims=8, num_layers=3, downscale_indices=[1, 2]),
        dim_mul=3,
        head_mul=3,
        mlp_ratio=3.0,
        qkv_bias=False,
        norm_cfg=dict(type='LN', eps=1e-3),
        size=(4, 32, 32),
    ),
    'other patches': dict(
        patch_cfg=dict(kernel_size=(1, 4, 4), stride=(1, 4, 4), padding=0), temporal_size=2, size=(3, 32, 32)
    ),
}


def mmaction_case(settings):
    config = dict(arch=MICRO_ARCH, temporal_size=4, spatial_size=32, adaptive_kv_stride=(1, 4, 4)) | settings
    size = config.pop('size')
    with_cls_token = config.get('output_cls_token', True)
    backbone = MMActionMViT(**config)
    head = dict(type='MViTHead', num_classes=CLASSES, in_channels=backbone.blocks[-1].out_dims)
    model = dict(type='Recognizer3D', backbone=dict(type='MViT', **config))
    with DefaultScope.overwrite_default_scope('mmaction'):
        return config, MMACTION.build(dict(model, cls_head=dict(head, with_cls_token=with_cls_token))), size


def run_mmaction(reference, x):
    return reference.cls_head(reference.backbone(x))


MMPRETRAIN_CASES = {
    'default': dict(size=(64, 64)),
    'other sizes': dict(size=(56, 100)),
    'absolute': dict(rel_pos_spatial=False, use_abs_pos_embed=True, img_size=(64, 40), size=(64, 40)),
    'absolute, other sizes': dict(rel_pos_spatial=False, use_abs_pos_embed=True, img_size=(64, 40), size=(56, 72)),
    'absolute bilinear': dict(use_abs_pos_embed=True, interpolate_mode='bilinear', size=(48, 72)),
    'expansion in the MLP': dict(dim_mul_in_attention=False, residual_pooling=False, size=(64, 64)),
    'kernel of 5': dict(pool_kernel=(5, 5), adaptive_kv_stride=8, size=(64, 64)),
    'plain patches': dict(patch_cfg=dict(kernel_size=4, stride=4, padding=0), size=(64, 64)),
}


def mmpretrain_case(settings):
    config = dict(arch=MICRO_ARCH, img_size=64) | settings
    size = config.pop('size')
    backbone = MMPretrainMViT(**config)
    head = dict(type='LinearClsHead', num_classes=CLASSES, in_channels=backbone.blocks[-1].out_dims)
    neck = dict(type='GlobalAveragePooling')
    model = dict(type='ImageClassifier', backbone=dict(type='MViT', **config), neck=neck, head=head)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return config, MMPRETRAIN.build(model), size


def run_mmpretrain(reference, x):
    return reference.head(reference.neck(reference.backbone(x)))


@pytest.mark.parametrize('case', TORCHVISION)
def test_equals_torchvision(case):
    config, reference, size = torchvision_case(TORCHVISION[case])
    assert_equal(torchvision, config, randomise(reference), torch.nn.Module.__call__, size)


@pytest.mark.parametrize('case', TIMM)
def test_equals_timm(case):
    config, reference, size = timm_case(TIMM[case])
    assert_equal(timm, config, randomise(reference), torch.nn.Module.__call__, size)


@pytest.mark.parametrize('case', MMACTION_CASES)
def test_equals_mmaction(case):
    config, reference, size = mmaction_case(MMACTION_CASES[case])
    assert_equal(mmaction, config, randomise(reference), run_mmaction, size)


@pytest.mark.parametrize('case', MMPRETRAIN_CASES)
def test_equals_mmpretrain(case):
    config, reference, size = mmpretrain_case(MMPRETRAIN_CASES[case])
    assert_equal(mmpretrain, config, randomise(reference), run_mmpretrain, size)


MICRO_MODELS = {
    torchvision: lambda: (*torchvision_case(TORCHVISION['v2 odd grids']), torch.nn.Module.__call__),
    timm: lambda: (*timm_case(TIMM['class token']), torch.nn.Module.__call__),
    mmaction: lambda: (*mmaction_case(MMACTION_CASES['like v1']), run_mmaction),
    mmpretrain: lambda: (*mmpretrain_case(MMPRETRAIN_CASES['absolute']), run_mmpretrain),
}


@pytest.mark.parametrize('source', MICRO_MODELS, ids=lambda source: source.NAMES[0])
def test_checkpoints_load(source, tmp_path):
    config, reference, size, forward = MICRO_MODELS[source]()
    torch.save(dict(state_dict=randomise(reference).state_dict()), tmp_path / 'theirs.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'theirs.pth'))
    backbone = MODELS.build(source.backbone_cfg(config) | dict(out_type='raw', init_cfg=init_cfg)).eval()
    backbone.init_weights()
    x = torch.randn(1, 3, *size)
    assert_close(backbone(x)[0], logits_and_tokens(reference, x, forward)[1], OUTPUTS, 'tokens')


@pytest.mark.parametrize('expand', [True, False])
@pytest.mark.parametrize('scale', [0, 1])
@pytest.mark.parametrize('source', [mmaction, mmpretrain], ids=['mmaction', 'mmpretrain'])
def test_inner_scales(source, scale, expand):
    """One alone: theirs goes on from the normed tokens of a scale, the papers' code from the others."""
    make = mmaction_case if source is mmaction else mmpretrain_case
    size = (4, 48, 32) if source is mmaction else (64, 48)
    options = dict(output_cls_token=False) if source is mmaction else {}
    config, reference, _ = make(dict(options, out_scales=[scale], dim_mul_in_attention=expand, size=size))
    converted = source.state_dict(randomise(reference).state_dict())
    backbone = MODELS.build(source.backbone_cfg(config) | dict(out_type='featmap')).eval()
    backbone.load_state_dict({name: converted[f'backbone.{name}'] for name in backbone.state_dict()})
    assert any(name.startswith(f'norm{scale}.') for name in backbone.state_dict())
    x = torch.randn(1, 3, *size)
    assert_close(backbone(x)[0], reference.backbone(x)[0], OUTPUTS, 'feature map')


SMALL = dict(temporal_size=4, spatial_size=(64, 64))


@pytest.mark.parametrize('name', ['mvit_v1_b', 'mvit_v2_s'])
def test_equals_published_torchvision(name, monkeypatch):
    original = torchvision_mvit._mvit
    monkeypatch.setattr(torchvision_mvit, '_mvit', lambda **kwargs: original(**kwargs | SMALL))
    reference = randomise(getattr(torchvision_mvit, name)(num_classes=CLASSES))
    assert_equal(torchvision, dict(name=name, **SMALL), reference, torch.nn.Module.__call__, (4, 64, 64))


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
def test_equals_published_timm(name):
    reference = randomise(timm_package.create_model(name, img_size=64, num_classes=CLASSES))
    assert_equal(timm, dict(name=name, img_size=64), reference, torch.nn.Module.__call__, (64, 64))


def test_equals_published_mmaction():
    settings = dict(arch='small', spatial_size=64, adaptive_kv_stride=(1, 8, 8), size=(4, 64, 64))
    config, reference, size = mmaction_case(settings)
    assert_equal(mmaction, config, randomise(reference), run_mmaction, size)


def test_equals_published_mmpretrain():
    config, reference, size = mmpretrain_case(dict(arch='tiny', size=(64, 64)))
    assert_equal(mmpretrain, config, randomise(reference), run_mmpretrain, size)


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


def test_published_models_have_our_parameters():
    for source, config, theirs in published():
        with torch.device('meta'):
            ours = MODELS.build(source.backbone_cfg(config))
        converted = source.state_dict(theirs)
        expected = {name[9:]: value.shape for name, value in converted.items() if name.startswith('backbone.')}
        assert {name: value.shape for name, value in ours.state_dict().items()} == expected, config


def golden_state_dicts(fill):
    """(source, state dict) of the golden files of all sources, filled from {name: shape}."""
    by_name = {name: source for source in migrate.SOURCES for name in source.NAMES}
    for path in sorted(DATA.glob('*.json')):
        golden = json.loads(path.read_text())
        source = by_name.get(golden['source'].split()[0])
        if source is not None:
            yield source, fill(golden['state_dict'])


def test_export_is_the_inverse(load_tool):
    state_dicts = [
        *golden_state_dicts(load_tool('golden.py').golden_weights),
        *((torchvision, randomise(torchvision_case(case)[1]).state_dict()) for case in TORCHVISION.values()),
        *((timm, randomise(timm_case(case)[1]).state_dict()) for case in TIMM.values()),
        *((mmaction, randomise(mmaction_case(case)[1]).state_dict()) for case in MMACTION_CASES.values()),
        *((mmpretrain, randomise(mmpretrain_case(case)[1]).state_dict()) for case in MMPRETRAIN_CASES.values()),
    ]
    assert {source for source, _ in state_dicts} | ELSEWHERE == set(migrate.SOURCES)
    for source, theirs in state_dicts:
        back = source.export(source.state_dict(theirs))
        assert back.keys() == theirs.keys()
        assert all(torch.equal(back[name], value) for name, value in theirs.items())


def test_sources_tell_each_other_apart():
    def fill(shapes):
        return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}

    found = [*golden_state_dicts(fill), *((source, theirs) for source, _, theirs in published())]
    found += [(source, make()[1].state_dict()) for source, make in MICRO_MODELS.items()]
    assert {source for source, _ in found} | ELSEWHERE == set(migrate.SOURCES)
    for source, theirs in found:
        assert [other for other in migrate.SOURCES if other.recognise(theirs)] == [source]
        assert not any(other.recognise(source.state_dict(theirs)) for other in migrate.SOURCES), "ours is nobody else's"


V2_SETTING = TORCHVISION['v2']['block_setting']
MIXED_KERNELS = [block | dict(kernel_q=[1, 3, 3]) for block in V2_SETTING]
SOME_POOLED = [V2_SETTING[0] | dict(kernel_q=[], stride_q=[]), *V2_SETTING[1:]]
UNLIKE_STRIDES = [block | dict(stride_kv=[1, 1 + i % 2, 1]) for i, block in enumerate(V2_SETTING)]
V2 = V2_SETTINGS | dict(block_setting=V2_SETTING)


@pytest.mark.parametrize('source, config, message', [
    (torchvision, dict(name='mvit_v3'), r"no MViT 'mvit_v3': choose from mvit_v1_b, mvit_v2_s"),
    (torchvision, dict(name='mvit_v2_s', residual_pool=True), r'arguments of mvit_v2_s .* residual_pool'),
    (torchvision, V1_SETTINGS, r'missing or not known: block_setting'),
    (torchvision, V2 | dict(attention_dropout=0.1), r'attention_dropout=0.1 is not known; 0.0 is'),
    (torchvision, V2 | dict(residual_with_cls_embed=True), r'residual_with_cls_embed=False is, as in mvit_v2_s'),
    (torchvision, V2 | dict(block_setting=MIXED_KERNELS), r'kernels that neither are alike nor follow the strides'),
    (torchvision, V2 | dict(block_setting=SOME_POOLED), r'queries with stride 1 in some blocks, not in all'),
    (torchvision, V2 | dict(block_setting=UNLIKE_STRIDES), r'POOL_KV_STRIDE .* neither the same'),
    (timm, dict(name='mvitv2_giant'), r"no MViTv2 'mvitv2_giant': choose from mvitv2_tiny"),
    (timm, dict(name='mvitv2_tiny', depths=(1, 1, 1, 1)), r'not known: depths'),
    (timm, dict(cfg=dict(pool_first=True)), r'pool_first=True is not known; False is'),
    (timm, dict(cfg=dict(mode='conv_unshared')), r"mode='conv_unshared' is not known; conv, max and avg are"),
    (timm, dict(cfg=dict(embed_dim=(8, 16, 16, 32))), r'DIM_MUL differs between the stages'),
    (mmaction, dict(arch='giant'), r"no arch 'giant': choose from tiny, small, base, large"),
    (mmaction, dict(img_size=224), r'arguments of MViT that are not known: img_size'),
    (mmaction, dict(out_scales=(0, 1, 2, 3)), r'out_scales=\(0, 1, 2, 3\): .* name one scale'),
    (mmaction, dict(adaptive_kv_stride=(2, 8, 8)), r'adaptive_kv_stride=\(2, 8, 8\), whose stride in time'),
    (mmaction, dict(arch=MICRO_ARCH | dict(dim_mul_indices=[1, 2])), r'dim_mul_indices=\[1, 2\] other than'),
    (mmaction, dict(interpolate_mode='nearest'), r"interpolate_mode='nearest' is not known; trilinear would do"),
    (mmpretrain, dict(pool_kernel=(1, 1)), r'pool_kernel=\(1, 1\), which scales and norms without pooling'),
    (mmpretrain, dict(patch_cfg=dict(kernel_size=7)), r'needs kernel_size, stride and padding, got kernel_size'),
    (mmpretrain, dict(patch_cfg=dict(kernel_size=7, stride=4, padding='same')), r"padding='same' is not known"),
])  # fmt: skip
def test_what_has_no_like_in_ours_is_refused(source, config, message):
    with pytest.raises(ValueError, match=message):
        source.backbone_cfg(config)


@pytest.mark.parametrize('source', MICRO_MODELS, ids=lambda source: source.NAMES[0])
def test_unknown_names_are_refused(source):
    with pytest.raises(ValueError, match='layers.0.weight'):
        source.state_dict(MICRO_MODELS[source]()[1].state_dict() | {'layers.0.weight': torch.zeros(1)})


def test_plain_vits_load_and_agree(tmp_path):
    reference = randomise(timm_package.create_model('vit_base_patch16_224', img_size=64, num_classes=CLASSES)).eval()
    torch.save({f'module.{name}': value for name, value in reference.state_dict().items()}, tmp_path / 'vit.pth')
    image = VisionTransformer('base', input_size=(64, 64)).eval()
    video = VisionTransformer('base', input_size=(2, 64, 64)).eval()
    for model in (image, video):
        migrate.load_backbone(model, str(tmp_path / 'vit.pth'))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = reference.forward_features(x)[:, 0]
        assert_close(image(x)[0], expected, OUTPUTS, 'class token')
    # the paper's start from ImageNet (mvit, D.1): positions are the same in every frame
    assert torch.equal(*video.pos_embed.joint.chunk(2, 1))


@pytest.mark.parametrize('changes, message', [
    (dict(POOL_Q_STRIDE=[[0, 1, 1, 1], [1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]]), r'lists blocks \[0, 1, 3, 14\]'),
    (dict(POOL_Q_STRIDE=[]), r'lists blocks \[\], which are neither all 16 nor'),
    (dict(CROP=[224, 320]), r'CROP=\[224, 320\] is one number'),
    (dict(POOL_FIRST=True), 'POOL_FIRST=True is not known'),
])  # fmt: skip
def test_what_pyslowfast_can_say_and_we_cannot_is_refused(changes, message):
    golden = json.loads((DATA / 'mvit_b_16x4_conv.json').read_text())
    with pytest.raises(ValueError, match=message):
        pyslowfast.backbone_cfg(golden['config'] | changes)


def test_a_published_section_needs_the_size_of_its_data():
    section = dict(PATCH_PADDING=[1, 3, 3], DIM_MUL=[[1, 2.0]], HEAD_MUL=[[1, 2.0]], POOL_Q_STRIDE=[[1, 1, 2, 2]])
    cfg = pyslowfast.backbone_cfg(section | dict(NUM_FRAMES=16, CROP=224))
    assert cfg['arch'] == dict(version=1, embed_dims=96, num_heads=1, depths=[1, 15]) and cfg['kv_stride'] == 'none'
    with pytest.raises(ValueError, match='needs NUM_FRAMES and CROP of the DATA section'):
        pyslowfast.backbone_cfg(section)
