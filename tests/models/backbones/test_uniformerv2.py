"""UniFormerV2; tests/migrate compares it with other repositories."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmhvt.analysis.paper_models import UNIFORMERV2_ROWS
from mmhvt.models import UniFormerV2
from mmhvt.models.backbones.uniformerv2 import UniFormerV2Arch, parse_layers
from mmhvt.models.backbones.uniformerv2_blocks import FUSIONS
from mmhvt.models.backbones.vit import VITS

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


def test_any_run_time_size_that_the_patches_divide() -> None:
    model = build(**VIDEO, **ALL)
    assert model(torch.randn(2, 3, 6, 16, 40))[0].shape == (2, 24)
    with pytest.raises(ValueError, match=r'does not divide an input of \(4, 30, 24\); \(4, 32, 24\) would do'):
        model(torch.randn(2, 3, 4, 30, 24))


@pytest.mark.parametrize('name', UNIFORMERV2_ROWS)
def test_models_of_the_tables_on_meta(name) -> None:
    with torch.device('meta'):
        model = UniFormerV2(**UNIFORMERV2_ROWS[name])
        (out,) = model(torch.empty(1, 3, *model.input_size))
    assert out.shape == (1, model.embed_dims)


@pytest.mark.parametrize(
    'layers, expected',
    [
        (None, []),
        ('all', list(range(12))),
        ('9-12', [8, 9, 10, 11]),
        ('last 4', [8, 9, 10, 11]),
        ('1, 5-7,12', [0, 4, 5, 6, 11]),
        ([12, 3], [2, 11]),
        ('7', [6]),
        ('last 4 or all', [8, 9, 10, 11]),
        ('last 13 or all', list(range(12))),
    ],
)
def test_layers_as_a_person_writes_them(layers, expected) -> None:
    assert parse_layers(layers, 12) == expected


@pytest.mark.parametrize('layers', ['9-13', '0-3', 'last 13', '5-3', [0], [13], 'late', '', [], '3;4', -1])
def test_layers_outside_the_depth_list_what_would_do(layers) -> None:
    with pytest.raises(ValueError, match=r'numbers from 1 to 12, or None') as caught:
        parse_layers(layers, 12, 'UniFormerV2: local_layers')
    assert 'UniFormerV2: local_layers=' in str(caught.value) and '\n' not in str(caught.value)


def frame_by_frame(vit, clip, weights):
    """What the ViT that a model is built on makes of each frame: class tokens (N, T, C), normed."""
    vit.load_state_dict({name: weights[name] for name in vit.state_dict()})
    frames = [vit(frame[:, :, None])[0] for frame in clip.unbind(2)]
    return torch.stack(frames, 1)


def test_begins_as_the_pretrained_vit() -> None:
    """Appendix A: with its zero initializations the model is the ViT, its feature that of the mean class token."""
    torch.manual_seed(0)
    clip = torch.randn(2, 3, 4, 32, 24)
    common = dict(with_class_token=True)
    plain = UniFormerV2(MICRO, input_size=(1, 32, 24), global_layers=None, **common)
    plain.norm = nn.Identity()
    for fusion in FUSIONS:
        for temporal in ('local_mhra', 'conv', 'divided', 'st_adapter'):
            model = UniFormerV2(
                MICRO, **VIDEO, local_layers='all', global_layers='2-4', fusion=fusion, temporal=temporal,
                num_queries=2, local_dpe=temporal == 'local_mhra', **common,
            )  # fmt: skip
            model.init_weights()
            model.eval()
            plain.eval()
            tokens = frame_by_frame(plain, clip, model.state_dict())
            torch.testing.assert_close(model(clip)[0], model.norm(tokens.mean(1) / 2), rtol=1e-4, atol=1e-5)
            # and that of the mean class token itself but for the norm's epsilon
            torch.testing.assert_close(model(clip)[0], model.norm(tokens.mean(1)), rtol=1e-3, atol=1e-4)


def test_zero_initializations_are_those_of_appendix_a() -> None:
    model = UniFormerV2(MICRO, **VIDEO, **ALL)
    model.init_weights()
    zero = {
        name
        for name, p in model.named_parameters()
        if not p.any() and not name.endswith('bias') and 'pos_embed' not in name
    }
    expected = {f'blocks.{i}.temporal{j}.proj.weight' for i in range(4) for j in (1, 2)}
    expected |= {f'fusion.blocks.{i}.{leaf}.weight' for i in range(3) for leaf in ('attn.proj', 'mlp.fc2')}
    assert zero == expected | {'fusion.queries', 'alpha_logit'}


def reach(model, frame):
    """Frames of a clip of 8 that change when one of the input's does: at the patches, and at the class tokens."""
    torch.manual_seed(1)
    clip = torch.randn(1, 3, 8, 16, 16)
    moved = clip.clone()
    moved[:, :, frame] += torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        change = (model(clip)[0] - model(moved)[0]).abs().amax((0, 1, 3, 4))
    return (change > 1e-6).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    'temporal, frames',
    [
        ('none', [4]),
        ('conv', [3, 4, 5]),
        ('st_adapter', [3, 4, 5]),
        ('local_mhra', [2, 3, 4, 5, 6]),  # twice
        ('shift', [3, 4, 5]),
        ('divided', list(range(8))),
        ('joint', list(range(8))),
    ],
)
def test_frames_that_a_temporal_module_joins(temporal, frames) -> None:
    """One layer sees as far in time as table 15's modules do."""
    arch = dict(embed_dims=24, num_heads=3, depth=1, patch_size=8)
    model = build(arch, input_size=(8, 16, 16), local_layers='1', temporal=temporal, out_type='featmap')
    assert reach(model, 4) == frames


def test_temporal_transformer_sees_the_order_of_frames() -> None:
    model = build(**VIDEO, local_layers='all', global_layers=None, temporal='transformer')
    clip = torch.randn(1, 3, 4, 32, 24)
    assert not torch.allclose(model(clip)[0], model(clip.flip(2))[0], atol=1e-4)
    plain = build(**VIDEO, local_layers='all', global_layers=None, temporal='none')
    torch.testing.assert_close(plain(clip)[0], plain(clip.flip(2))[0], rtol=1e-4, atol=1e-5)


def test_feature_is_the_weighted_sum_of_section_3_3() -> None:
    """Z = αF + (1 − α)F^C with α = σ(alpha_logit), a number for each channel."""
    model = build(**VIDEO, global_layers='4')
    clip = torch.randn(1, 3, 4, 32, 24)
    plain = UniFormerV2(MICRO, **VIDEO, global_layers=None).eval()
    plain.load_state_dict({name: model.state_dict()[name] for name in plain.state_dict()})
    alone = UniFormerV2(MICRO, **VIDEO, global_layers='4', with_class_token=False).eval()
    alone.load_state_dict({name: model.state_dict()[name] for name in alone.state_dict()})
    for each in (model, plain, alone):
        each.norm = nn.Identity()
    nn.init.normal_(model.alpha_logit)
    video, class_token, alpha = alone(clip)[0], plain(clip)[0], model.alpha_logit.sigmoid()
    assert not torch.allclose(video, class_token, atol=1e-3)
    torch.testing.assert_close(model(clip)[0], alpha * video + (1 - alpha) * class_token, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('size', [(4, 32, 24), (32, 24)], ids=['clip', 'image'])
@torch.no_grad()
def test_dpe_of_local_blocks(size) -> None:
    """Table 9b: X + DWConv(X) of the patches before LT_MHRA, where UniFormer has it; class tokens stay."""
    model = build(input_size=size, local_layers='2-3', local_dpe=True, temporal='none')
    assert [block.dpe is not None for block in model.blocks] == [False, True, True, False]
    block = model.blocks[1]
    t, (h, w) = size[0] if len(size) == 3 else 1, (4, 3)
    nn.init.normal_(block.dpe.conv.weight, std=0.3)
    x = torch.randn(2, t, 1 + h * w, 24)
    maps = x[:, :, 1:].reshape(2, t, h, w, 24).permute(0, 4, 1, 2, 3)
    convolve = F.conv3d if len(size) == 3 else F.conv2d
    if len(size) == 2:
        maps = maps[:, :, 0]
    added = convolve(maps, block.dpe.conv.weight, block.dpe.conv.bias, padding=1, groups=24)
    moved = (maps + added).reshape(2, 24, t, h * w).permute(0, 2, 3, 1)
    expected = torch.cat([x[:, :, :1], moved], 2)
    plain = build(input_size=size, local_layers=None).blocks[1]
    plain.load_state_dict({name: p for name, p in block.state_dict().items() if not name.startswith('dpe.')})
    torch.testing.assert_close(block(x, (h, w)), plain(expected, (h, w)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('vit', VITS)
def test_image_model_is_the_video_model_of_one_frame(vit) -> None:
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


def test_video_checkpoint_loads_into_an_image_model(tmp_path) -> None:
    video = build(**VIDEO, **ALL)
    torch.save(dict(state_dict={'backbone.' + k: v for k, v in video.state_dict().items()}), tmp_path / 'video.pth')
    image = UniFormerV2(
        MICRO,
        input_size=(64, 48),
        local_layers='all',
        global_layers='2-4',
        out_type='featmap',
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'video.pth')),
    )
    image.init_weights()
    kernel = video.blocks[2].temporal2.conv.weight
    torch.testing.assert_close(image.blocks[2].temporal2.conv.weight, kernel.sum(2, keepdim=True))
    torch.testing.assert_close(image.patch_embed.proj.weight, video.patch_embed.proj.weight.sum(2))
    assert image.pos_embed.spatial.shape == (1, 8 * 6, 24)
    assert image(torch.randn(1, 3, 64, 48))[0].shape == (1, 24, 8, 6)


@pytest.mark.parametrize(
    'kwargs, name',
    [
        (dict(local_layers='1-2', global_layers='2-4'), 'blocks.2.temporal1'),
        (dict(local_layers='all', global_layers='3-4'), 'fusion.blocks.2'),
    ],
)
def test_more_blocks_than_the_checkpoint_has_are_refused(tmp_path, kwargs, name) -> None:
    """Not filled up: what the file has would stand behind other layers."""
    torch.save({'backbone.' + k: v for k, v in build(**VIDEO, **kwargs).state_dict().items()}, tmp_path / 'few.pth')
    model = UniFormerV2(
        MICRO,
        **VIDEO,
        local_layers='all',
        global_layers='2-4',
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'few.pth')),
    )
    with pytest.raises(ValueError, match=rf'do not match \({name}.* missing'):
        model.init_weights()


@pytest.mark.parametrize('inflation', ['center', 'mean'])
def test_inflated_patch_embedding_sees_a_still_clip_as_the_image(tmp_path, inflation) -> None:
    image = build(**IMAGE, global_layers=None)
    torch.save({'backbone.' + k: v for k, v in image.state_dict().items()}, tmp_path / 'image.pth')
    video = UniFormerV2(
        MICRO,
        input_size=(8, 32, 24),
        **ALL,
        inflation=inflation,
        init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'image.pth')),
    )
    video.init_weights()
    kernel = video.patch_embed.proj.weight
    assert kernel.shape[2] == 3 and torch.count_nonzero(kernel.flatten(3).any(-1).any(0).any(0)) == (
        1 if inflation == 'center' else 3
    )
    x = torch.randn(2, 3, 32, 24)
    still = x[:, :, None].repeat(1, 1, 8, 1, 1)
    # the first patch in time reaches over the clip's edge
    ours = video.patch_embed(still)[:, 1:]
    torch.testing.assert_close(ours, image.patch_embed(x)[:, None].expand_as(ours), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(**VIDEO, **ALL),
        dict(**VIDEO, **ALL, fusion='parallel', num_queries=3),
        dict(**VIDEO, **ALL, fusion='hierarchical_kv'),
        dict(**VIDEO, **ALL, fusion='hierarchical_q'),
        dict(**VIDEO, **ALL, out_type='featmap'),
        dict(**VIDEO, **ALL, out_type='avg_featmap', out_indices=2),
        dict(**VIDEO, local_layers='all', global_layers=None, temporal='transformer', vit='vit'),
        dict(**VIDEO, local_layers='2-3', temporal='divided', vit='beit'),
        dict(**IMAGE, vit='deit3'),
    ],
)
def test_every_parameter_trains(kwargs) -> None:
    model = build(**kwargs).train()
    sum(out.square().sum() for out in model(torch.randn(2, 3, *kwargs['input_size']))).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_frozen_trains_the_global_blocks_alone() -> None:
    model = build(**VIDEO, **ALL, frozen=True).train()
    head = nn.Linear(24, 5)
    whole = nn.Sequential(model, head)
    before = copy.deepcopy(model.state_dict())
    wrapper = build_optim_wrapper(whole, dict(optimizer=dict(type='AdamW', lr=0.1)))
    for _ in range(2):
        wrapper.update_params(head(model(torch.randn(2, 3, 4, 32, 24))[0]).square().sum())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.startswith(('fusion.', 'norm.')) for name in changed)
    assert not model.blocks.training and not model.blocks[0].temporal1.norm.training and model.fusion.training
    trained = {id(p) for p in whole.parameters() if p.requires_grad}
    assert {id(p) for p in wrapper.optimizer.state} == trained
    assert len(trained) < len(list(whole.parameters()))
    model.eval()
    model.train()
    assert not model.blocks[0].temporal1.norm.training


def test_drop_path_skips_whole_clips() -> None:
    model = build(**VIDEO, **ALL, drop_path_rate=0.99, out_type='featmap').train()
    model.blocks[3].drop_path.drop_prob = 0.99
    assert model.blocks[0].drop_path.drop_prob == 0.0 and model.blocks[2].drop_path.drop_prob == pytest.approx(0.66)
    assert [block.drop_path.drop_prob for block in build(**VIDEO, **ALL, global_drop_path_rate=0.4).fusion.blocks] == [
        0.0,
        0.2,
        0.4,
    ]


def test_layers_count_for_decay() -> None:
    model = UniFormerV2(MICRO, **VIDEO, **ALL)
    depth = {name: model.get_layer_depth('backbone.' + name, 'backbone.') for name, _ in model.named_parameters()}
    for name in ('cls_token', 'pos_embed.cls', 'pre_norm.weight', 'patch_embed.proj.weight'):
        assert depth[name] == (0, 6)
    assert depth['blocks.3.temporal1.proj.weight'] == (4, 6)
    assert depth['fusion.blocks.0.attn.q.weight'] == depth['alpha_logit'] == depth['norm.weight'] == (5, 6)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(arch='huge'), "UniFormerV2 has no arch 'huge': choose from base, large, or give a dict"),
        (dict(arch=dict(embed_dims=24)), 'arch as a dict also needs num_heads, depth, patch_size'),
        (dict(vit='dino2'), "UniFormerV2: vit='dino2': choose from clip, open_clip, vit, deit3, beit"),
        (dict(vit=dict(gelu=True)), 'vit has no key gelu: choose from act, pre_norm'),
        (dict(vit=dict(act='relu')), "act='relu': choose from gelu, quick_gelu"),
        (dict(temporal='tsm'), "temporal='tsm': choose from none, local_mhra, .*transformer"),
        (dict(fusion='late'), "fusion='late': choose from sequential, parallel, hierarchical_kv, hierarchical_q"),
        (dict(num_queries=0), 'num_queries=0: give 1 or more'),
        (dict(local_layers='1-5'), "local_layers='1-5': there are 4 layers, numbered from 1"),
        (dict(local_layers='all', local_times=3), 'times=3: choose from 1, 2'),
        (dict(local_layers='all', local_reduction=0.5), 'reduction=0.5 of 24 channels'),
        (dict(local_layers='all', temporal_kernel=4), 'kernel_size=4 over time has no center'),
        (dict(inflation='copy'), "inflation='copy': choose from center, mean"),
        (dict(out_indices=1), "out_type='cls_token' is the feature of the whole model"),
        (dict(global_layers=None, with_class_token=False), 'leave no feature'),
        (dict(vit='beit', temporal='joint', local_layers='all'), "temporal='joint' attends between frames"),
        (dict(arch=dict(embed_dims=25, num_heads=3, depth=2, patch_size=8)), 'num_heads=3 does not divide 25 channels'),
        (dict(patch_size=0), 'patch_size=0: a patch has 1 pixel or more'),
        (dict(global_num_heads=0), 'global_num_heads=0 does not divide 24 channels'),
        (dict(locals='all'), 'UniFormerV2 has no option locals: an arch has embed_dims, .*local_layers'),
        (dict(input_size=(4, 30, 24)), 'does not divide an input of'),
        (dict(input_size=32), r'input_size=32: give \(H, W\) for images or'),
    ],
)
def test_wrong_settings_say_what_would_do(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        UniFormerV2(**(dict(arch=MICRO, **VIDEO) | kwargs))
    assert '\n' not in str(caught.value)


def test_an_arch_is_a_name_a_dict_or_an_object() -> None:
    options = dict(local_layers='2-3', temporal='conv', vit='deit3')
    models = [
        UniFormerV2(MICRO | options, **VIDEO),
        UniFormerV2(MICRO, **VIDEO, **options),
        UniFormerV2(UniFormerV2Arch(**MICRO, **options), **VIDEO),
        UniFormerV2('base', **VIDEO, **MICRO, **options),
    ]
    shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in models]
    assert shapes[0] == shapes[1] == shapes[2] == shapes[3]
    assert [block.temporal1 is not None for block in models[0].blocks] == [False, True, True, False]
