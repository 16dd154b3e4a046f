"""UniFormerV2 and its UniBlocks; test_uniformerv2_sources compares with other repositories."""

import copy
import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn
from torch.nn import functional as F

from mmhvt.migrate.fit import fit
from mmhvt.models import UniFormerV2
from mmhvt.models.backbones.uniformerv2 import PRESETS, VITS, parse_layers
from mmhvt.models.layers import (
    C_MHRA,
    DPE,
    FUSIONS,
    GS_MHRA,
    LT_MHRA,
    TEMPORAL_MODULES,
    GlobalUniBlock,
    LocalUniBlock,
    MultiStageFusion,
    STAdapter,
    TemporalConv,
    grid_bias_form,
)
from mmhvt.models.layers.uniblocks import RelativePositionBias, temporal_shift
from mmhvt.registry import MODELS

MICRO = dict(embed_dims=24, num_heads=3, depth=4, patch_size=8)
VIDEO = dict(input_size=(4, 32, 24))
IMAGE = dict(input_size=(32, 24))
ALL = dict(local_layers='all', global_layers='2-4', temporal_downsample=True)


def build(arch=MICRO, seed=0, **kwargs):
    """A model in eval mode with no parameter at zero."""
    torch.manual_seed(seed)
    model = UniFormerV2(arch, **kwargs).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.1)
    return model


@pytest.mark.parametrize('out_type, shapes', [
    ('featmap', [(2, 24, 2, 4, 3), (2, 24, 2, 4, 3)]),
    ('avg_featmap', [(2, 24), (2, 24)]),
    ('raw', [(2, 24, 24), (2, 24, 24)]),
])  # fmt: skip
def test_outputs(out_type, shapes):
    model = build(**VIDEO, **ALL, out_indices=(1, -1), out_type=out_type)
    assert [tuple(out.shape) for out in model(torch.randn(2, 3, 4, 32, 24))] == shapes


def test_any_run_time_size_that_the_patches_divide():
    model = build(**VIDEO, **ALL)
    assert model(torch.randn(2, 3, 6, 16, 40))[0].shape == (2, 24)
    with pytest.raises(ValueError, match=r'does not divide an input of \(4, 30, 24\); \(4, 32, 24\) would do'):
        model(torch.randn(2, 3, 4, 30, 24))


@pytest.mark.parametrize('name', PRESETS)
def test_presets_on_meta(name):
    with torch.device('meta'):
        model = UniFormerV2(name)
        (out,) = model(torch.empty(1, 3, *model.input_size))
    assert out.shape == (1, model.embed_dims)


@pytest.mark.parametrize('layers, expected', [
    (None, []),
    ('all', list(range(12))),
    ('9-12', [8, 9, 10, 11]),
    ('last 4', [8, 9, 10, 11]),
    ('1, 5-7,12', [0, 4, 5, 6, 11]),
    ([12, 3], [2, 11]),
    ('7', [6]),
])  # fmt: skip
def test_layers_as_a_person_writes_them(layers, expected):
    assert parse_layers(layers, 12) == expected


@pytest.mark.parametrize('layers', ['9-13', '0-3', 'last 13', '5-3', [0], [13], 'late', '', [], '3;4', -1])
def test_layers_outside_the_depth_list_what_would_do(layers):
    with pytest.raises(ValueError, match=r'numbers from 1 to 12, or None') as caught:
        parse_layers(layers, 12, 'UniFormerV2: local_layers')
    assert 'UniFormerV2: local_layers=' in str(caught.value) and '\n' not in str(caught.value)


def frame_by_frame(vit, clip, weights):
    """What the ViT that a model is built on makes of each frame: class tokens (N, T, C), normed."""
    vit.load_state_dict({name: weights[name] for name in vit.state_dict()})
    frames = [vit(frame[:, :, None])[0] for frame in clip.unbind(2)]
    return torch.stack(frames, 1)


def test_begins_as_the_pretrained_vit():
    """Appendix A: with its zero initialisations the model is the ViT, its feature that of the mean class token."""
    torch.manual_seed(0)
    clip = torch.randn(2, 3, 4, 32, 24)
    common = dict(with_class_token=True)
    plain = UniFormerV2(MICRO, input_size=(1, 32, 24), global_layers=None, **common)
    plain.norm = nn.Identity()
    for fusion in FUSIONS:
        for temporal in ('local_mhra', 'conv', 'divided', 'st_adapter'):
            model = UniFormerV2(
                MICRO, **VIDEO, local_layers='all', global_layers='2-4', fusion=fusion, temporal=temporal,
                num_queries=2, **common,
            )  # fmt: skip
            model.init_weights()
            model.eval()
            plain.eval()
            tokens = frame_by_frame(plain, clip, model.state_dict())
            torch.testing.assert_close(model(clip)[0], model.norm(tokens.mean(1) / 2), rtol=1e-4, atol=1e-5)
            # and that of the mean class token itself but for the norm's epsilon
            torch.testing.assert_close(model(clip)[0], model.norm(tokens.mean(1)), rtol=1e-3, atol=1e-4)


def test_zero_initialisations_are_those_of_appendix_a():
    model = UniFormerV2(MICRO, **VIDEO, **ALL)
    model.init_weights()
    zero = {
        name for name, p in model.named_parameters()
        if not p.any() and not name.endswith('bias') and 'pos_embed' not in name
    }  # fmt: skip
    expected = {f'blocks.{i}.temporal{j}.proj.weight' for i in range(4) for j in (1, 2)}
    expected |= {f'fusion.blocks.{i}.{leaf}.weight' for i in range(3) for leaf in ('attn.proj', 'mlp.3')}
    assert zero == expected | {'fusion.queries', 'balance'}


def test_local_uniblock_is_equations_1_to_3():
    torch.manual_seed(0)
    block = LocalUniBlock(12, 3, times=2, reduction=1.5).eval()
    for parameter in block.parameters():
        nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
    block.temporal1.norm.running_mean.normal_()
    x = torch.randn(2, 3, 1 + 4, 12)

    def lt_mhra(module, x):
        """Equation 6 token by token."""
        norm = module.norm
        normed = (x - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        values, out = module.value(normed), torch.zeros(*x.shape[:3], 8)
        for t in range(3):
            for j in range(max(t - 1, 0), min(t + 2, 3)):
                out[:, t] += module.conv.weight[:, 0, j - t + 1, 0] * values[:, j]
        return module.proj(out + module.conv.bias)

    def attention(x):
        qkv = block.attn.qkv(block.norm1(x)).view(2, 3, 5, 3, 3, 4).permute(3, 0, 1, 4, 2, 5)
        affinity = (qkv[0] @ qkv[1].mT / 2).softmax(-1)
        return block.attn.proj((affinity @ qkv[2]).transpose(2, 3).flatten(3))

    y = x.clone()
    y[:, :, 1:] += lt_mhra(block.temporal1, x[:, :, 1:])
    y = y + attention(y)
    z = y.clone()
    z[:, :, 1:] += lt_mhra(block.temporal2, y[:, :, 1:])
    hidden = block.mlp[0](block.norm2(z))
    z = z + block.mlp[3](hidden * torch.sigmoid(1.702 * hidden))
    torch.testing.assert_close(block(x), z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('num_queries', [1, 4])
def test_folded_cross_attention_is_equation_11(num_queries):
    torch.manual_seed(0)
    attn = C_MHRA(24, 3)
    nn.init.normal_(attn.proj.weight)
    nn.init.normal_(attn.kv.bias)
    query, x = torch.randn(2, num_queries, 24, requires_grad=True), torch.randn(2, 50, 24, requires_grad=True)
    outs, grads = [], []
    for form in (None, 'bias'):
        with grid_bias_form(form):
            out = attn(query, x)
        outs.append(out)
        leaves = [query, x, *attn.parameters()]
        grads.append(torch.autograd.grad(out.square().sum(), leaves))
    reference = F.multi_head_attention_forward(
        query.transpose(0, 1), x.transpose(0, 1), x.transpose(0, 1), 24, 3,
        torch.cat([attn.q.weight, attn.kv.weight]), torch.cat([attn.q.bias, attn.kv.bias]), None, None, False, 0.0,
        attn.proj.weight, attn.proj.bias, need_weights=False,
    )[0].transpose(0, 1)  # fmt: skip
    torch.testing.assert_close(outs[0], reference, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outs[0], outs[1], rtol=1e-4, atol=1e-4)
    for ours, plain in zip(*grads, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)


def test_dpe_is_a_convolution_of_the_grid():
    torch.manual_seed(0)
    dpe, x = DPE(6), torch.randn(2, 3, 20, 6)
    expected = dpe.conv(x.view(2, 3, 4, 5, 6).permute(0, 4, 1, 2, 3)).permute(0, 2, 3, 4, 1).reshape(x.shape)
    torch.testing.assert_close(dpe(x, (3, 4, 5)), expected)


def reach(model, frame):
    """Frames of a clip of 8 that change when one of the input's does: at the patches, and at the class tokens."""
    torch.manual_seed(1)
    clip = torch.randn(1, 3, 8, 16, 16)
    moved = clip.clone()
    moved[:, :, frame] += torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        change = (model(clip)[0] - model(moved)[0]).abs().amax((0, 1, 3, 4))
    return (change > 1e-6).nonzero().flatten().tolist()


@pytest.mark.parametrize('temporal, frames', [
    ('none', [4]),
    ('conv', [3, 4, 5]),
    ('st_adapter', [3, 4, 5]),
    ('local_mhra', [2, 3, 4, 5, 6]),  # twice
    ('shift', [3, 4, 5]),
    ('divided', list(range(8))),
    ('joint', list(range(8))),
])  # fmt: skip
def test_frames_that_a_temporal_module_joins(temporal, frames):
    """One layer sees as far in time as table 15's modules do."""
    arch = dict(embed_dims=24, num_heads=3, depth=1, patch_size=8)
    model = build(arch, input_size=(8, 16, 16), local_layers='1', temporal=temporal, out_type='featmap')
    assert reach(model, 4) == frames


def test_temporal_shift():
    x = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 2, 8) + 1
    shifted = temporal_shift(x)[0, :, 0]
    assert shifted[:, 0].tolist() == [2, 3, 4, 0]
    assert shifted[:, 1].tolist() == [0, 1, 2, 3]
    assert (shifted[:, 2:] == x[0, :, 0, 2:]).all()


def test_temporal_transformer_sees_the_order_of_frames():
    model = build(**VIDEO, local_layers='all', global_layers=None, temporal='transformer')
    clip = torch.randn(1, 3, 4, 32, 24)
    assert not torch.allclose(model(clip)[0], model(clip.flip(2))[0], atol=1e-4)
    plain = build(**VIDEO, local_layers='all', global_layers=None, temporal='none')
    torch.testing.assert_close(plain(clip)[0], plain(clip.flip(2))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind, counts', [
    ('sequential', [2, 2, 2]),
    ('parallel', [2, 2, 2]),
    ('hierarchical_kv', [2, 2, 2]),
    ('hierarchical_q', [2, 4, 6]),
])  # fmt: skip
def test_fusions(kind, counts):
    """Section 3.3: what each block gets as queries and beside its keys."""
    torch.manual_seed(0)
    x, grid = torch.randn(2, 2, 1 + 6, 24), (2, 2, 3)
    fusion = MultiStageFusion(24, 3, kind, num_queries=2, num_heads=3).eval()
    for parameter in fusion.parameters():
        nn.init.normal_(parameter, std=0.3)
    tokens = []
    for i in range(3):
        tokens.append(fusion(i, tokens, x, grid))
    assert [token.shape[1] for token in tokens] == counts
    block, own = fusion.blocks[1], fusion.queries[-1 if kind == 'sequential' else 1].expand(2, -1, -1)
    torch.testing.assert_close(tokens[0], fusion.blocks[0](fusion.queries[0].expand(2, -1, -1), x, grid))
    query = dict(sequential=tokens[0], hierarchical_q=torch.cat([tokens[0], own], 1)).get(kind, own)
    context = tokens[0] if kind == 'hierarchical_kv' else None
    torch.testing.assert_close(tokens[1], block(query, x, grid, context))
    reduced = tokens[2] if kind != 'parallel' else torch.cat(tokens, -1) @ fusion.fuse.weight.T + fusion.fuse.bias
    torch.testing.assert_close(fusion.reduce(tokens), reduced.mean(1))


def test_class_token_is_weighed_by_channel():
    model = build(**VIDEO, global_layers='4')
    clip = torch.randn(1, 3, 4, 32, 24)
    nn.init.constant_(model.balance, 20.0)
    plain = UniFormerV2(MICRO, **VIDEO, global_layers=None).eval()
    plain.load_state_dict({name: model.state_dict()[name] for name in plain.state_dict()})
    torch.testing.assert_close(model(clip)[0], plain(clip)[0], rtol=1e-4, atol=1e-5)
    nn.init.constant_(model.balance, -20.0)
    alone = UniFormerV2(MICRO, **VIDEO, global_layers='4', with_class_token=False).eval()
    alone.load_state_dict({name: model.state_dict()[name] for name in alone.state_dict()})
    torch.testing.assert_close(model(clip)[0], alone(clip)[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(plain(clip)[0], alone(clip)[0], atol=1e-3)


@pytest.mark.parametrize('vit', VITS)
def test_image_model_is_the_video_model_of_one_frame(vit):
    """Images take a video's weights: kernels over time are summed, positions are a frame's already."""
    video = build(input_size=(1, 32, 24), vit=vit, local_layers=None, global_layers='3-4')
    image = UniFormerV2(MICRO, **IMAGE, vit=vit, local_layers=None, global_layers='3-4').eval()
    weights = {name: value for name, value in video.state_dict().items()}
    for name, value in weights.items():
        if 'dpe.conv.weight' in name:
            weights[name] = value[:, :, 1]
        elif name == 'patch_embed.proj.weight':
            weights[name] = value.sum(2)
    image.load_state_dict(weights)
    x = torch.randn(2, 3, 32, 24)
    torch.testing.assert_close(image(x)[0], video(x[:, :, None])[0], rtol=1e-4, atol=1e-5)


def test_video_checkpoint_loads_into_an_image_model(tmp_path):
    video = build(**VIDEO, **ALL)
    torch.save(dict(state_dict={'backbone.' + k: v for k, v in video.state_dict().items()}), tmp_path / 'video.pth')
    image = UniFormerV2(
        MICRO, input_size=(64, 48), local_layers='all', global_layers='2-4', out_type='featmap',
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'video.pth')),
    )  # fmt: skip
    image.init_weights()
    kernel = video.blocks[2].temporal2.conv.weight
    torch.testing.assert_close(image.blocks[2].temporal2.conv.weight, kernel.sum(2, keepdim=True))
    torch.testing.assert_close(image.patch_embed.proj.weight, video.patch_embed.proj.weight.sum(2))
    assert image.pos_embed.spatial.shape == (1, 8 * 6, 24)
    assert image(torch.randn(1, 3, 64, 48))[0].shape == (1, 24, 8, 6)


@pytest.mark.parametrize('kwargs, name', [
    (dict(local_layers='1-2', global_layers='2-4'), 'blocks.2.temporal1'),
    (dict(local_layers='all', global_layers='3-4'), 'fusion.blocks.2'),
])  # fmt: skip
def test_more_blocks_than_the_checkpoint_has_are_refused(tmp_path, kwargs, name):
    """Not filled up: what the file has would stand behind other layers."""
    torch.save({'backbone.' + k: v for k, v in build(**VIDEO, **kwargs).state_dict().items()}, tmp_path / 'few.pth')
    model = UniFormerV2(
        MICRO, **VIDEO, local_layers='all', global_layers='2-4',
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'few.pth')),
    )  # fmt: skip
    with pytest.raises(ValueError, match=rf'do not match \({name}.* missing'):
        model.init_weights()


@pytest.mark.parametrize('inflation', ['centre', 'mean'])
def test_inflated_patch_embedding_sees_a_still_clip_as_the_image(tmp_path, inflation):
    image = build(**IMAGE, global_layers=None)
    torch.save({'backbone.' + k: v for k, v in image.state_dict().items()}, tmp_path / 'image.pth')
    video = UniFormerV2(
        MICRO, input_size=(8, 32, 24), **ALL, inflation=inflation,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'image.pth')),
    )  # fmt: skip
    video.init_weights()
    kernel = video.patch_embed.proj.weight
    assert kernel.shape[2] == 3 and torch.count_nonzero(kernel.flatten(3).any(-1).any(0).any(0)) == (
        1 if inflation == 'centre' else 3
    )
    x = torch.randn(2, 3, 32, 24)
    still = x[:, :, None].repeat(1, 1, 8, 1, 1)
    # the first patch in time reaches over the clip's edge
    ours = video.patch_embed(still)[:, 1:]
    torch.testing.assert_close(ours, image.patch_embed(x)[:, None].expand_as(ours), rtol=1e-4, atol=1e-5)


def test_relative_position_bias_looks_up_offsets():
    torch.manual_seed(0)
    module = RelativePositionBias(2, (3, 2))
    nn.init.normal_(module.table)
    bias = module((3, 2))[0]
    for i in range(6):
        for j in range(6):
            row = (i // 2 - j // 2 + 2) * 3 + i % 2 - j % 2 + 1
            assert torch.equal(bias[:, 1 + i, 1 + j], module.table[row])
    assert torch.equal(bias[:, 0, 3], module.table[-3]) and torch.equal(bias[:, 3, 0], module.table[-2])
    assert torch.equal(bias[:, 0, 0], module.table[-1])
    assert module((5, 4)).shape == (1, 2, 21, 21)


@pytest.mark.parametrize('kwargs', [
    dict(**VIDEO, **ALL),
    dict(**VIDEO, **ALL, fusion='parallel', num_queries=3),
    dict(**VIDEO, **ALL, fusion='hierarchical_kv'),
    dict(**VIDEO, **ALL, fusion='hierarchical_q'),
    dict(**VIDEO, **ALL, out_type='featmap'),
    dict(**VIDEO, **ALL, out_type='avg_featmap', out_indices=2),
    dict(**VIDEO, local_layers='all', global_layers=None, temporal='transformer', vit='vit'),
    dict(**VIDEO, local_layers='2-3', temporal='divided', vit='beit'),
    dict(**IMAGE, vit='deit3'),
])  # fmt: skip
def test_every_parameter_trains(kwargs):
    model = build(**kwargs).train()
    sum(out.square().sum() for out in model(torch.randn(2, 3, *kwargs['input_size']))).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_frozen_trains_the_global_blocks_alone():
    model = build(**VIDEO, **ALL, frozen=True).train()
    head = nn.Linear(24, 5)
    whole = nn.Sequential(model, head)
    before = copy.deepcopy(model.state_dict())
    wrapper = build_optim_wrapper(whole, dict(optimizer=dict(type='AdamW', lr=0.1)))
    for _ in range(2):
        wrapper.update_params(head(model(torch.randn(2, 3, 4, 32, 24))[0]).square().sum())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith(('fusion.', 'balance', 'norm.')) for name in changed)
    assert not model.blocks.training and not model.blocks[0].temporal1.norm.training and model.fusion.training
    trained = {id(p) for p in whole.parameters() if p.requires_grad}
    assert {id(p) for p in wrapper.optimizer.state} == trained
    assert len(trained) < len(list(whole.parameters()))
    model.eval()
    model.train()
    assert not model.blocks[0].temporal1.norm.training


def test_recomputing_gives_the_same_gradients():
    grads = []
    for with_cp in (False, True):
        model = build(**VIDEO, **ALL, with_cp=with_cp).train()
        torch.manual_seed(1)
        model(torch.randn(2, 3, 4, 32, 24, requires_grad=True))[0].square().sum().backward()
        grads.append([p.grad for p in model.parameters()])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_autocast_compile_and_batches_agree():
    model = build(**VIDEO, **ALL)
    x = torch.randn(3, 3, 4, 32, 24)
    (out,) = model(x)
    torch.testing.assert_close(model(x.flip(0))[0].flip(0), out, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.compile(model, backend='aot_eager')(x)[0], out, rtol=1e-4, atol=1e-5)
    with torch.autocast('cpu', torch.bfloat16):
        half = model(x)[0].float()
    torch.testing.assert_close(half, out, rtol=0.1, atol=0.1)


def test_drop_path_skips_whole_clips():
    model = build(**VIDEO, **ALL, drop_path_rate=0.99, out_type='featmap').train()
    model.blocks[3].drop_path.drop_prob = 0.99
    assert model.blocks[0].drop_path.drop_prob == 0.0 and model.blocks[2].drop_path.drop_prob == pytest.approx(0.66)
    assert [block.drop_path.drop_prob for block in build(**VIDEO, **ALL, global_drop_path_rate=0.4).fusion.blocks] == [
        0.0,
        0.2,
        0.4,
    ]


def test_layers_count_for_decay():
    model = UniFormerV2(MICRO, **VIDEO, **ALL)
    depth = {name: model.get_layer_depth('backbone.' + name, 'backbone.') for name, _ in model.named_parameters()}
    for name in ('cls_token', 'pos_embed.cls', 'pre_norm.weight', 'patch_embed.proj.weight'):
        assert depth[name] == (0, 6)
    assert depth['blocks.3.temporal1.proj.weight'] == (4, 6)
    assert depth['fusion.blocks.0.attn.q.weight'] == depth['balance'] == depth['norm.weight'] == (5, 6)


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='huge'), "UniFormerV2 has no arch 'huge': choose from base, large, uniformerv2-b16-8f"),
    (dict(arch=dict(embed_dims=24)), 'arch as a dict needs the keys'),
    (dict(vit='dino2'), "vit='dino2': choose from clip, open_clip, vit, deit3, beit, or give a dict"),
    (dict(vit=dict(gelu=True)), 'vit as a dict has the keys act, pre_norm'),
    (dict(vit=dict(act='relu')), "act='relu': choose from gelu, quick_gelu"),
    (dict(temporal='tsm'), "temporal='tsm': choose from none, local_mhra, .*transformer"),
    (dict(fusion='late'), "fusion='late': choose from sequential, parallel, hierarchical_kv, hierarchical_q"),
    (dict(num_queries=0), 'num_queries=0: 1 or more'),
    (dict(local_layers='1-5'), "local_layers='1-5': there are 4 layers, numbered from 1"),
    (dict(local_layers='all', local_times=3), 'times=3: choose from 1, 2'),
    (dict(local_layers='all', local_reduction=0.5), 'reduction=0.5 of 24 channels'),
    (dict(local_layers='all', temporal_kernel=4), 'kernel_size=4 over time has no centre'),
    (dict(inflation='copy'), "inflation='copy': choose from centre, mean"),
    (dict(out_indices=1), "out_type='cls_token' is the feature of the whole model"),
    (dict(global_layers=None, with_class_token=False), 'leave no feature'),
    (dict(vit='beit', temporal='joint', local_layers='all'), "temporal='joint' attends between frames"),
    (dict(arch=dict(embed_dims=25, num_heads=3, depth=2, patch_size=8)), '3 heads do not divide 25 channels'),
    (dict(patch_size=0), 'patch_size=0 has to be a pixel or more'),
    (dict(global_num_heads=0), 'global_num_heads=0 heads do not divide'),
    (dict(input_size=(4, 30, 24)), 'does not divide an input of'),
    (dict(input_size=32), r'input_size=32 is \(H, W\) for images or'),
])  # fmt: skip
def test_wrong_settings_say_what_would_do(kwargs, message):
    with pytest.raises(ValueError, match=message) as caught:
        UniFormerV2(**(dict(arch=MICRO, **VIDEO) | kwargs))
    assert '\n' not in str(caught.value)


def test_blocks_are_registered_on_their_own():
    x = torch.randn(1, 4, 1 + 6, 24)
    for kind in ('mmhvt.LT_MHRA', 'mmhvt.TemporalConv', 'mmhvt.STAdapter'):
        module = MODELS.build(dict(type=kind, embed_dims=24)).train()
        assert not module(x).any() and module(x).shape == x.shape
    assert isinstance(MODELS.build(dict(type='mmhvt.TemporalAttention', embed_dims=24, num_heads=3)).attn, GS_MHRA)
    local = MODELS.build(dict(type='mmhvt.LocalUniBlock', embed_dims=24, num_heads=3))
    assert isinstance(local.temporal2, LT_MHRA) and local(x).shape == x.shape
    whole = MODELS.build(dict(type='mmhvt.GlobalUniBlock', embed_dims=24, num_heads=3, with_dpe=False))
    assert isinstance(whole, GlobalUniBlock) and whole(torch.randn(1, 2, 24), x, (4, 2, 3)).shape == (1, 2, 24)
    assert {'local_mhra', 'conv', 'st_adapter', 'divided', 'joint', 'shift', 'none'} == set(TEMPORAL_MODULES)
    assert issubclass(TemporalConv, nn.Module) and issubclass(STAdapter, nn.Module)


def test_kernels_over_time_load_into_others():
    torch.manual_seed(0)
    small, large = LT_MHRA(8, kernel_size=3), LT_MHRA(8, kernel_size=5)
    found = dict(small.state_dict())
    kernel = large.fit(found)['conv.weight']
    assert torch.equal(kernel[:, :, 1:4], found['conv.weight']) and not kernel[:, :, [0, 4]].any()
    fitted, changes = fit(found, type('Backbone', (nn.Sequential,), dict(inflation='centre'))(large))
    assert not fitted and not changes  # other names


def test_snippets_of_the_docs_run(root, capsys):
    page = (root / 'docs/uniblocks.md').read_text()
    config, program = re.findall(r'```python\n(.*?)```', page, re.S)
    names = {}
    exec(config, names)
    with torch.device('meta'):
        model = MODELS.build(names['backbone'])
    assert len(model.global_layers) == 8 and isinstance(model.blocks[0].temporal2, LT_MHRA)
    exec(program, {})
    assert 'torch.Size([8, 192])' in capsys.readouterr().out
