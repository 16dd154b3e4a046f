"""MViT, MViTv2 and video ViT: switches, shapes, properties, loading; test_mvit_references compares with others."""

import pytest
import torch

from helpers.checkpoints import save_backbone
from mmhvt import migrate
from mmhvt.models import MViT
from mmhvt.models.backbones.mvit import ARCHS, MViTArch, MViTv2Arch, hybrid_window, resolve_mvit_arch
from mmhvt.models.layers import REL_POS

MICRO = dict(version=2, embed_dims=16, num_heads=1, depths=(1, 1, 2, 1))
VIDEO = dict(input_size=(4, 64, 64), kv_stride=(1, 4, 4))
IMAGE = dict(input_size=(64, 64), kv_stride=(4, 4))


def build(arch=MICRO, seed=0, **kwargs):
    """A model in eval mode with no parameter at zero."""
    torch.manual_seed(seed)
    model = MViT(arch, **kwargs).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, 1.0, 0.1)
        else:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@pytest.mark.parametrize(
    'out_type, shapes',
    [
        ('featmap', [(2, 16, 2, 16, 12), (2, 128, 2, 2, 2)]),
        ('avg_featmap', [(2, 16), (2, 128)]),
        ('cls_token', [(2, 16), (2, 128)]),
        ('raw', [(2, 1 + 2 * 16 * 12, 16), (2, 1 + 2 * 2 * 2, 128)]),
    ],
)
def test_outputs(out_type, shapes) -> None:
    model = build(
        input_size=(4, 64, 48), kv_stride=(1, 4, 4), with_cls_token=True, out_indices=(0, 3), out_type=out_type
    )
    assert [tuple(out.shape) for out in model(torch.randn(2, 3, 4, 64, 48))] == shapes


def test_channels_grow_in_the_mlp_before_or_in_the_attention_after() -> None:
    x = torch.randn(1, 3, 64, 64)
    cfg = dict(**IMAGE, out_indices=(0, 1, 2, 3), out_type='featmap')
    assert [out.shape[1] for out in build(expand_in='attn', **cfg)(x)] == [16, 32, 64, 128]
    assert [out.shape[1] for out in build(expand_in='mlp', **cfg)(x)] == [32, 64, 128, 128]
    assert [out.shape[-1] for out in build(expand_in='mlp', **cfg)(x)] == [16, 8, 4, 2]


def test_versions_are_the_papers() -> None:
    one, two = MViT('base'), MViT('v2_small')
    assert one.out_type == 'cls_token' and two.out_type == 'avg_featmap'
    assert one.pos_embed.kind == 'separate' and two.pos_embed is None
    assert one.blocks[4].attn.pool_q is None and two.blocks[4].attn.pool_q.stride == (1, 1, 1)
    # keys and values keep one resolution, section 3.3: 56 / 8 = 28 / 4 = 14 / 2 = 7 / 1
    assert [one.blocks[i].attn.pool_k.stride[-1] for i in (0, 1, 2, 3, 13, 14, 15)] == [8, 4, 4, 2, 2, 1, 1]
    # temporal tables count unpooled frames, spatial ones the finer of queries and keys
    assert len(two.blocks[0].attn.rel_pos['q'].t) == 15 and len(two.blocks[0].attn.rel_pos['q'].h) == 111
    assert len(two.blocks[1].attn.rel_pos['q'].h) == 55


@pytest.mark.parametrize('name', ARCHS)
def test_architectures_on_meta(name) -> None:
    arch = ARCHS[name]
    with torch.device('meta'):
        model = MViT(name, out_indices=range(len(arch.depths)), out_type='featmap')
        outs = model(torch.empty(1, 3, 16, 224, 224))
    assert len(model.blocks) == sum(arch.depths)
    stride, frames = dict(small=(8, 8), vit_base=(16, 16)).get(name, (4, 8))
    for stage, out in enumerate(outs):
        grown = stage + (not isinstance(arch, MViTv2Arch) and stage < len(outs) - 1)
        assert out.shape == (1, arch.embed_dims * 2**grown, frames, *[224 // stride // 2**stage] * 2)


def test_an_arch_is_a_name_an_object_or_a_dict() -> None:
    fields = dict(embed_dims=24, num_heads=2, depths=(1, 1), kv_stride=(1, 4, 4))
    for version, arch in ((1, MViTArch(**fields)), (2, MViTv2Arch(**fields))):
        assert MViT(arch, VIDEO['input_size']).arch == MViT(dict(version=version, **fields), VIDEO['input_size']).arch
    assert resolve_mvit_arch('small', depths=(1, 1), rel_pos='space') == MViTArch(
        embed_dims=128, num_heads=1, depths=(1, 1), patch_kernel=(3, 8, 8), patch_stride=(2, 8, 8),
        patch_padding=(1, 0, 0), kv_stride=(1, 4, 4), rel_pos='space',
    )  # fmt: skip


def test_images_take_architectures_without_time() -> None:
    small = resolve_mvit_arch('small', images=True)
    assert (small.patch_kernel, small.pool_kernel, small.q_stride) == ((8, 8), (3, 3), (2, 2))
    # keys are pooled half as much, and positions of images are joint
    assert (small.kv_stride, small.abs_pos) == ((2, 2), 'joint')
    assert resolve_mvit_arch('vit_base', images=True).kv_stride == 'none'
    # what a dict says is of video and loses time; an option is taken as it is
    arch = resolve_mvit_arch(dict(MICRO, kv_stride=(1, 4, 4), pool_kernel=(5, 3, 3)), images=True, q_stride=(3, 3))
    assert (arch.kv_stride, arch.pool_kernel, arch.q_stride, arch.abs_pos) == ((4, 4), (3, 3), (3, 3), 'none')


def test_blocks_of_an_arch() -> None:
    blocks = ARCHS['base'].blocks((8, 56, 56), drop_path_rate=0.3)
    assert [blocks[i].drop_path_rate for i in (0, 5, 15)] == pytest.approx([0, 0.1, 0.3])
    dims = [(block.in_dims, block.attn_dims, block.out_dims, block.num_heads) for block in blocks]
    assert dims[:4] == [(96, 96, 192, 1), (192, 192, 192, 2), (192, 192, 384, 2), (384, 384, 384, 4)]
    starts = [i for i, block in enumerate(blocks) if block.q_pool]
    assert starts == [1, 3, 14] and all(bool(block.skip_pool) == (i in starts) for i, block in enumerate(blocks))
    assert [blocks[i].grid[-1] for i in (0, 1, 2, 3, 4, 15)] == [56, 56, 28, 28, 14, 7]
    # the kernel of the skip connection follows the stride, and leaves time alone
    assert blocks[1].q_pool == dict(kernel=(3, 3, 3), stride=(1, 2, 2), padding=(1, 1, 1))
    assert blocks[1].skip_pool == dict(kernel=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
    # MViTv2 expands in the attention that starts a stage, and pools queries everywhere
    blocks = ARCHS['v2_small'].blocks((8, 56, 56))
    dims = [(block.in_dims, block.attn_dims, block.out_dims, block.num_heads) for block in blocks]
    assert dims[:3] == [(96, 96, 96, 1), (96, 192, 192, 2), (192, 192, 192, 2)]
    assert all(block.q_pool for block in blocks) and blocks[0].q_pool['stride'] == (1, 1, 1)


def test_hybrid_windows() -> None:
    # of 56 tokens in stage 1: as many pixels in all stages, global in the last blocks of stages 2 to 4
    windows = {stage: [hybrid_window(56, stage, index, 3) for index in range(3)] for stage in range(4)}
    assert windows == {0: [56, 56, 56], 1: [56, 28, None], 2: [28, 14, None], 3: [14, 7, None]}
    assert hybrid_window(56, 1, 0, 1) is None and hybrid_window(None, 0, 0, 3) is None


@pytest.mark.parametrize(
    'kwargs',
    [
        dict(pool_mode='max', pool_kernel='s+1', full_q_pool=False),
        dict(pool_mode='avg', pool_kernel='2s+1', full_q_pool=False),
        dict(pool_mode='conv', pool_kernel='s', full_q_pool=False),
        dict(kv_stride='none'),
        dict(kv_stride=(2, 4, 4), adaptive_kv=False),
        dict(transition_skip='plain'),
        dict(transition_skip='none'),
        dict(transition_skip='none', expand_in='mlp'),
        dict(abs_pos='space', with_cls_token=True),
        dict(abs_pos='joint'),
        dict(abs_pos='separate', with_cls_token=True),
        *(dict(rel_pos=kind, with_cls_token=True) for kind in REL_POS),
        dict(rel_pos_terms=('q', 'k')),
        dict(rel_pos_terms=('q', 'v'), with_cls_token=True),
        dict(rel_pos_terms=('q', 'k', 'v')),
        dict(residual_pooling=False),
        dict(full_q_pool=False),
    ],
    ids=str,
)
def test_switches_train_every_parameter_and_follow_the_input(kwargs) -> None:
    model = build(**VIDEO | kwargs, out_type='avg_featmap')
    x = torch.randn(2, 3, 4, 64, 64, requires_grad=True)
    model(x)[0].square().sum().backward()
    assert x.grad.abs().sum() > 0
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []
    with torch.no_grad():
        (other,) = model(torch.randn(1, 3, 6, 96, 40))
    assert other.shape == (1, 128) and other.isfinite().all()


def test_local_blocks_look_within_their_window_only() -> None:
    # two stages: the last block of the second one sees everything
    cfg = dict(version=2, embed_dims=16, num_heads=1, depths=(2, 2))
    model = build(cfg, input_size=(64, 64), kv_stride=(2, 2), window_size=8, out_indices=(0, 1), out_type='featmap')
    windows = [block.attn.windows for block in model.blocks]
    assert windows == [[(8, 8), (4, 4)], [(8, 8), (4, 4)], [(4, 4), (8, 8)], None]
    x = torch.randn(1, 3, 96, 64)
    moved = x.clone()
    moved[..., 80:, :] += 1  # a corner of the picture, far from the first window
    with torch.no_grad():
        before, after = model(x), model(moved)
    assert torch.equal(before[0][..., :8, :8], after[0][..., :8, :8])
    assert not torch.equal(before[1][..., :4, :4], after[1][..., :4, :4])


def test_initialization_is_the_public_codes() -> None:
    torch.manual_seed(0)
    model = MViT(MICRO, **VIDEO, abs_pos='separate', with_cls_token=True)
    model.init_weights()
    zero = [name for name, p in model.named_parameters() if not p.detach().any()]
    assert zero == ['patch_embed.proj.bias']
    assert model.patch_embed.proj.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.blocks[0].attn.pool_q.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert model.blocks[0].attn.qkv.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.blocks[0].attn.rel_pos['q'].h.std().item() == pytest.approx(0.02, rel=0.2)
    assert (model.blocks[0].norm1.bias == 0.02).all() and (model.blocks[0].mlp.fc1.bias == 0.02).all()


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='v2_smal'), r"no arch 'v2_smal': choose from small, base, .*v2_huge, or give a dict of embed_dims"),
    (dict(arch='v2_small', depth=3), 'MViT has no option depth: an arch has embed_dims, num_heads, depths, patch_kern'),
    (dict(arch=dict(embed_dims=16, num_heads=1, depths=(1,))), 'needs a version, 1 for MViT or 2 for MViTv2, got None'),
    (dict(arch=MICRO | dict(version=3)), 'needs a version, 1 for MViT or 2 for MViTv2, got 3'),
    (dict(arch=dict(version=1, embed_dims=16)), 'arch as a dict also needs num_heads, depths, got embed_dims'),
    (dict(arch=MICRO | dict(depth=3)), 'MViT has no option depth: an arch has embed_dims, num_heads, depths'),
    (dict(arch=MICRO | dict(depths=(1, 0))), r'depths=\(1, 0\): each stage needs at least one block'),
    (dict(arch=3), 'arch=3: give a name, a dict or an MViTArch'),
    (dict(**IMAGE, window_size=8, with_cls_token=True), 'window_size=8 with with_cls_token=True'),
    (dict(**IMAGE, window_size=8, rel_pos='joint'), "window_size=8 with rel_pos='joint'"),
    (dict(**VIDEO, window_size=8), r'window_size=8 with input_size=\(4, 64, 64\)'),
    (dict(**IMAGE, window_size=6), 'stage 0 .*cut its windows of 6'),
    (dict(**IMAGE, rel_pos='time'), r"rel_pos='time' with input_size=\(64, 64\): images have no time, use 'space'"),
    (dict(**VIDEO, rel_pos='joint', rel_pos_terms=('q', 'v')), r"rel_pos='joint' with rel_pos_terms=\('q', 'v'\)"),
    (dict(**VIDEO, rel_pos_terms=('x',)), r"rel_pos_terms=\('x',\)"),
    (dict(**VIDEO, pool_kernel='s+1'), r"full_q_pool=True with pool_kernel='s\+1'"),
    (dict(**VIDEO, pool_mode='median'), "pool_mode='median': choose from max, avg, conv"),
    (dict(input_size=(4, 16, 16), kv_stride=(1, 1, 1)), r'q_stride=\(1, 2, 2\) in 3 .*no token .*\(2, 32, 32\)'),
    (dict(input_size=(4, 64, 64), kv_stride=(1, 32, 32)), r'kv_stride=\(1, 32, 32\) .*no token of .*\(2, 16, 16\)'),
    (dict(arch=MICRO | dict(num_heads=3), **VIDEO), '3 heads do not divide 16 channels of stage 0'),
    (dict(**IMAGE, abs_pos='separate'), r"abs_pos='separate' with input_size=\(64, 64\)"),
    (dict(**VIDEO, out_type='cls_token'), "out_type='cls_token': choose from featmap, avg_featmap, raw"),
    (dict(**VIDEO, out_indices=()), r'out_indices=\(\) names no stage'),
    (dict(**VIDEO, pool_kernel=(3, 2, 2)), r'pool_kernel=\(3, 2, 2\) with q_stride=\(1, 2, 2\) pools queries'),
    (dict(**VIDEO, q_stride=(1, 3, 3)), r'pool_kernel=\(3, 3, 3\) with q_stride=\(1, 3, 3\) pools queries'),
    (dict(**VIDEO, q_stride=(1, 0, 2)), r'q_stride=\(1, 0, 2\) .*need numbers from 1'),
    (dict(**IMAGE, window_size=16, pool_kernel='s', full_q_pool=False), "window_size=16 with pool_kernel='s'"),
    (dict(input_size=64), r'input_size=64: give \(H, W\) for images'),
    (dict(input_size=(4, 64, 64), kv_stride=(4, 4)), r'kv_stride \(4, 4\) needs 3 numbers, like input_size'),
    (dict(**VIDEO, pool_kernel='3s'), r"pool_kernel='3s': choose from s, s\+1, 2s\+1"),
    (dict(input_size=(4, 64, 64), kv_stride='all'), "kv_stride='all': choose from none"),
    (dict(**VIDEO, residual_pooling='some'), "residual_pooling='some': choose from True, False, all"),
    (dict(**VIDEO, patch_padding=(1, 0, 0)), r'patch_kernel \(3, 7, 7\) with patch_padding \(1, 0, 0\) does not give'),
])  # fmt: skip
def test_contradictions_fail_at_construction(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message):
        MViT(**dict(arch=MICRO) | kwargs)


def test_sizes_that_the_stride_does_not_divide_say_what_would() -> None:
    with pytest.raises(ValueError, match=r'does not divide an input of \(4, 62, 64\); \(4, 64, 64\) would do'):
        build(**VIDEO)(torch.randn(1, 3, 4, 62, 64))


@pytest.mark.parametrize('arch, options', [
    ('base', {}), ('v2_small', {}), ('vit_base', {}), ('vit_base', dict(depths=(6, 6))),
    ('vit_base', dict(kv_stride=(2, 2))),
])  # fmt: skip
def test_named_architectures_take_images_too(arch, options) -> None:
    with torch.device('meta'):
        (out,) = MViT(arch, input_size=(224, 224), **options)(torch.empty(1, 3, 224, 224))
    assert out.shape == (1, 768)


@pytest.mark.parametrize(
    'options, blocks_at', [({}, [1569] * 12), (dict(depths=(6, 6)), [1569] * 6 + [393] * 6)], ids=['', 'two scales']
)
def test_the_baseline_is_a_vit(options, blocks_at) -> None:
    with torch.device('meta'):
        model = MViT('vit_base', input_size=(8, 224, 224), **options)
        lengths = []
        for block in model.blocks:
            block.register_forward_hook(lambda _, args, out: lengths.append(out[0].shape[1]))
        (out,) = model(torch.empty(1, 3, 8, 224, 224))
    assert lengths == blocks_at and out.shape == (1, 768)
    assert model.blocks[0].attn.pool_q is None and model.blocks[-1].attn.num_heads == 12


def test_global_blocks_of_detection_pool_keys_twice_as_much() -> None:
    strides = [block.attn.pool_k.stride for block in build(**IMAGE, coarse_last_kv=True).blocks]
    assert strides == [(4, 4), (4, 4), (1, 1), (2, 2), (1, 1)]  # of depths 1, 1, 2, 1
    assert [block.attn.pool_k.stride for block in build(**IMAGE).blocks] == [(4, 4), (2, 2), (1, 1), (1, 1), (1, 1)]


def loaded(path, **kwargs):
    model = build(seed=1, **kwargs)
    migrate.load_backbone(model, path)
    return model


@pytest.mark.parametrize('abs_pos, size', [('separate', (8, 96, 96)), ('joint', (8, 64, 64)), ('joint', (4, 96, 96))])
def test_longer_and_larger_inputs_load_resized(tmp_path, abs_pos, size) -> None:
    small = build(**VIDEO, abs_pos=abs_pos, with_cls_token=True)
    cfg = dict(input_size=size, kv_stride=(1, 4, 4), abs_pos=abs_pos, with_cls_token=True)
    large = loaded(save_backbone(small, tmp_path / 'small.pth'), **cfg)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        # what loading resizes once is what the smaller model resizes at run time
        torch.testing.assert_close(large(x)[0], small(x)[0], rtol=1e-4, atol=1e-4)


def test_image_weights_become_a_videos(tmp_path) -> None:
    image = build(**IMAGE, abs_pos='joint')
    video = loaded(save_backbone(image, tmp_path / 'image.pth'), **VIDEO, abs_pos='separate')
    assert not video.pos_embed.temporal.any() and not video.blocks[0].attn.rel_pos['q'].t.any()
    frames = video.patch_embed.proj.weight.unbind(2)
    assert torch.equal(frames[1], image.patch_embed.proj.weight) and not frames[0].any() and not frames[2].any()
    clip = torch.randn(1, 3, 1, 64, 64).repeat(1, 1, 4, 1, 1)
    with torch.no_grad():  # each frame attends to equal frames, so a still clip is the image
        torch.testing.assert_close(video(clip)[0], image(clip[:, :, 0])[0], rtol=1e-4, atol=1e-4)


def test_classifiers_load_into_models_of_all_stages(tmp_path) -> None:
    path = save_backbone(build(**IMAGE), tmp_path / 'classifier.pth')
    model = loaded(path, **IMAGE, out_indices=(0, 1, 2, 3), out_type='featmap')
    assert torch.equal(model.norm.weight, build(**IMAGE).norm.weight)
    with pytest.raises(ValueError, match=r'does not fit MViT: .*a checkpoint of the same arch would'):
        loaded(path, **IMAGE, arch=MICRO | dict(embed_dims=32))
