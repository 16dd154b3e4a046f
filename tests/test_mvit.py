"""MViT, MViTv2 and video ViT: switches, shapes, properties, loading; test_mvit_references compares with others."""

import math

import pytest
import torch

from mmhvt import migrate
from mmhvt.models import MViT, VisionTransformer
from mmhvt.models.backbones.mvit import ARCHS, REL_POS, RelativePositions
from mmhvt.models.layers import GridBias, PositionEmbedding, attend, grid_bias_form, resize_position_embedding
from mmhvt.models.layers.windows import merge_windows, split_windows

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


@pytest.mark.parametrize('out_type, shapes', [
    ('featmap', [(2, 16, 2, 16, 12), (2, 128, 2, 2, 2)]),
    ('avg_featmap', [(2, 16), (2, 128)]),
    ('cls_token', [(2, 16), (2, 128)]),
    ('raw', [(2, 1 + 2 * 16 * 12, 16), (2, 1 + 2 * 2 * 2, 128)]),
])  # fmt: skip
def test_outputs(out_type, shapes):
    model = build(
        input_size=(4, 64, 48), kv_stride=(1, 4, 4), with_cls_token=True, out_indices=(0, 3), out_type=out_type
    )
    assert [tuple(out.shape) for out in model(torch.randn(2, 3, 4, 64, 48))] == shapes


def test_channels_grow_in_the_mlp_before_or_in_the_attention_after():
    x = torch.randn(1, 3, 64, 64)
    cfg = dict(**IMAGE, out_indices=(0, 1, 2, 3), out_type='featmap')
    assert [out.shape[1] for out in build(expand_in='attn', **cfg)(x)] == [16, 32, 64, 128]
    assert [out.shape[1] for out in build(expand_in='mlp', **cfg)(x)] == [32, 64, 128, 128]
    assert [out.shape[-1] for out in build(expand_in='mlp', **cfg)(x)] == [16, 8, 4, 2]


def test_versions_are_the_papers():
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
def test_architectures_on_meta(name):
    with torch.device('meta'):
        model = MViT(name, out_indices=range(len(ARCHS[name]['depths'])), out_type='featmap')
        outs = model(torch.empty(1, 3, 16, 224, 224))
    dims, stride = ARCHS[name]['embed_dims'], 8 if name == 'small' else 4
    assert len(model.blocks) == sum(ARCHS[name]['depths'])
    for stage, out in enumerate(outs):
        grown = stage + (ARCHS[name]['version'] == 1 and stage < len(outs) - 1)
        assert out.shape == (1, dims * 2**grown, 8, *[224 // stride // 2**stage] * 2)


@pytest.mark.parametrize('kwargs', [
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
], ids=str)  # fmt: skip
def test_switches_train_every_parameter_and_follow_the_input(kwargs):
    model = build(**VIDEO | kwargs, out_type='avg_featmap')
    x = torch.randn(2, 3, 4, 64, 64, requires_grad=True)
    model(x)[0].square().sum().backward()
    assert x.grad.abs().sum() > 0
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []
    with torch.no_grad():
        (other,) = model(torch.randn(1, 3, 6, 96, 40))
    assert other.shape == (1, 128) and other.isfinite().all()


def naive_attention(attn, x, grid, prefix):
    """Pooling attention with every relative position gathered token by token (mvitv2, A.4)."""
    heads = attn.num_heads
    q, k, v = attn.qkv(x).chunk(3, -1)
    (q, q_grid), (k, k_grid), (v, _) = (
        pool(y, grid, heads, prefix) for pool, y in ((attn.pool_q, q), (attn.pool_k, k), (attn.pool_v, v))
    )
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    out_extra = torch.zeros_like(q)
    vectors = {term: torch.zeros(math.prod(q_grid), math.prod(k_grid), q.shape[-1]) for term in 'qkv'}
    for term, tables in attn.rel_pos.items():
        for i, a in enumerate(torch.cartesian_prod(*map(torch.arange, q_grid)).tolist()):
            for j, b in enumerate(torch.cartesian_prod(*map(torch.arange, k_grid)).tolist()):
                for group in tables.groups:
                    axes = [tables.axes[name] for name in group if name in tables.axes]
                    table = getattr(tables, group).view(*tables.sizes[group], -1)
                    rows = [int(RelativePositions.offsets(q_grid[x], k_grid[x], 'cpu')[a[x], b[x]]) for x in axes]
                    vectors[term][i, j] += table[tuple(rows)]
    bias = torch.einsum('bnic,ijc->bnij', q[:, :, prefix:], vectors['q'])
    bias = bias + torch.einsum('bnjc,ijc->bnij', k[:, :, prefix:], vectors['k'])
    scores[:, :, prefix:, prefix:] += bias
    weights = scores.softmax(-1)
    out_extra[:, :, prefix:] = torch.einsum('bnij,ijc->bnic', weights[:, :, prefix:, prefix:], vectors['v'])
    out = weights @ v + out_extra
    out[:, :, prefix:] += q[:, :, prefix:]
    return attn.proj(out.transpose(1, 2).flatten(2))


@pytest.mark.parametrize('kind, terms, cls', [
    ('time', 'q', False), ('space', 'q', True), ('decomposed', 'q', True), ('decomposed', 'k', True),
    ('decomposed', 'v', True), ('decomposed', 'qkv', False), ('joint_space', 'q', True), ('joint', 'q', False),
])  # fmt: skip
def test_relative_positions_are_those_of_a_plain_gather(kind, terms, cls):
    model = build(
        dict(version=2, embed_dims=8, num_heads=2, depths=(1,)),
        input_size=(4, 32, 24), kv_stride=(1, 4, 2), rel_pos=kind, rel_pos_terms=tuple(terms), with_cls_token=cls,
    )  # fmt: skip
    grid, attn = (2, 8, 6), model.blocks[0].attn
    x = torch.randn(2, int(cls) + math.prod(grid), 8)
    with torch.no_grad():
        ours, expected = attn(x, grid)[0], naive_attention(attn, x, grid, int(cls))
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('prefix', [0, 1])
@pytest.mark.parametrize('sides', ['q', 'k', 'qk'])
def test_bias_form_and_extended_form_agree(prefix, sides):
    torch.manual_seed(0)
    q_grid, k_grid, heads, dims = (2, 6, 5), (2, 3, 5), 3, 8
    lengths = {'q': prefix + math.prod(q_grid), 'k': prefix + math.prod(k_grid)}
    tensors = {name: torch.randn(2, heads, lengths[name[0]], dims) for name in ('q', 'k', 'k v')}
    biases = {
        (side, axis): torch.randn(2, heads, lengths[side], other[axis])
        for side, other in (('q', k_grid), ('k', q_grid))
        for axis in (0, 1, 2)
        if side in sides
    }
    for (_, _), value in biases.items():
        value[:, :, :prefix] = 0
    results = []
    for form in ('bias', 'extended', None):
        leaves = [t.clone().requires_grad_() for t in (*tensors.values(), *biases.values())]
        values = dict(zip(biases, leaves[3:], strict=True))
        bias = GridBias(
            q_grid,
            k_grid,
            {axis: value for (side, axis), value in values.items() if side == 'q'},
            {axis: value for (side, axis), value in values.items() if side == 'k'},
            prefix,
        )
        with grid_bias_form(form):
            out = attend(*leaves[:3], bias=bias)
        out.square().sum().backward()
        grads = [leaf.grad[:, :, prefix:] if index >= 3 else leaf.grad for index, leaf in enumerate(leaves)]
        results.append([out.detach(), *grads])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('grid, window', [((8, 8), (4, 4)), ((7, 10), (4, 3)), ((3, 5, 6), (2, 4, 3))])
def test_windows_come_back_whole(grid, window):
    x = torch.randn(2, *grid, 5)
    windows = split_windows(x, window)
    assert windows.shape == (2 * math.prod(-(-n // w) for n, w in zip(grid, window, strict=True)), math.prod(window), 5)
    assert torch.equal(merge_windows(windows, window, grid), x)
    first = x[0][tuple(slice(w) for w in window)].flatten(0, -2)
    assert torch.equal(windows[0], first)


def test_local_blocks_look_within_their_window_only():
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


def test_recomputing_gives_the_same_gradients():
    x = torch.randn(1, 3, 4, 64, 64)
    grads = []
    for with_cp in (False, True):
        model = build(**VIDEO, with_cp=with_cp).train()
        model(x.clone().requires_grad_())[0].sum().backward()
        grads.append([p.grad for p in model.parameters()])
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))


def test_autocast_agrees():
    model, x = build(**VIDEO), torch.randn(1, 3, 4, 64, 64)
    with torch.no_grad():
        (expected,) = model(x)
        with torch.autocast('cpu', torch.bfloat16):
            (ours,) = model(x)
    assert (ours.float() - expected).abs().max() < 0.1 * expected.std()


def test_batch_order_does_not_matter():
    model, x = build(**VIDEO), torch.randn(3, 3, 4, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[0].flip(0), model(x.flip(0))[0])


def test_compiled_gives_the_same():
    model, x = build(**IMAGE), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model, backend='aot_eager')(x)[0], model(x)[0], rtol=1e-4, atol=1e-5)


def test_initialisation_is_the_public_codes():
    torch.manual_seed(0)
    model = MViT(MICRO, **VIDEO, abs_pos='separate', with_cls_token=True)
    model.init_weights()
    zero = [name for name, p in model.named_parameters() if not p.detach().any()]
    assert zero == ['patch_embed.proj.bias']
    assert model.patch_embed.proj.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.blocks[0].attn.pool_q.weight.std().item() == pytest.approx(0.02, rel=0.2)
    assert model.blocks[0].attn.qkv.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.blocks[0].attn.rel_pos['q'].h.std().item() == pytest.approx(0.02, rel=0.2)
    assert (model.blocks[0].norm1.bias == 0.02).all() and (model.blocks[0].mlp[0].bias == 0.02).all()


def test_layers_count_for_decay():
    model = build(**VIDEO, abs_pos='separate', with_cls_token=True)
    depth = {name: model.get_layer_depth('backbone.' + name, 'backbone.') for name, _ in model.named_parameters()}
    assert depth['cls_token'] == depth['pos_embed.cls'] == depth['patch_embed.proj.weight'] == (0, 7)
    assert depth['blocks.4.attn.rel_pos.q.h'] == (5, 7)
    assert depth['norm.weight'] == (6, 7)


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='v2_smal'), r"no arch 'v2_smal': choose from small, base, .*mvitv2-s-16x4"),
    (dict(arch=dict(embed_dims=16, num_heads=1, depths=(1,))), 'missing or unknown are version'),
    (dict(arch=MICRO | dict(depth=3)), 'missing or unknown are depth'),
    (dict(**IMAGE, window_size=8, with_cls_token=True), 'window_size=8 with with_cls_token=True'),
    (dict(**IMAGE, window_size=8, rel_pos='joint'), "window_size=8 with rel_pos='joint'"),
    (dict(**VIDEO, window_size=8), r'window_size=8 with input_size=\(4, 64, 64\)'),
    (dict(**IMAGE, window_size=6), 'stage 0 .*cut its windows of 6'),
    (dict(**IMAGE, rel_pos='time'), "rel_pos='time' with images"),
    (dict(**VIDEO, rel_pos='joint', rel_pos_terms=('q', 'v')), r"rel_pos='joint' with rel_pos_terms=\('q', 'v'\)"),
    (dict(**VIDEO, rel_pos_terms=('x',)), r"rel_pos_terms=\('x',\)"),
    (dict(**VIDEO, pool_kernel='s+1'), r"full_q_pool=True with pool_kernel='s\+1'"),
    (dict(**VIDEO, pool_mode='median'), "pool_mode='median': choose from max, avg, conv"),
    (dict(input_size=(4, 16, 16), kv_stride=(1, 1, 1)), r'q_stride=\(1, 2, 2\) in 3 .*no token .*\(2, 32, 32\)'),
    (dict(input_size=(4, 64, 64), kv_stride=(1, 32, 32)), r'kv_stride=\(1, 32, 32\) .*no token of .*\(2, 16, 16\)'),
    (dict(arch=MICRO | dict(num_heads=3), **VIDEO), '3 heads do not divide 16 channels of stage 0'),
    (dict(**IMAGE, abs_pos='separate'), r"abs_pos='separate' with input_size=\(64, 64\)"),
    (dict(**VIDEO, out_type='cls_token'), "out_type 'cls_token': choose from"),
    (dict(**VIDEO, out_indices=()), r'out_indices=\(\) names no stage'),
    (dict(**VIDEO, pool_kernel=(3, 2, 2)), r'pool_kernel=\(3, 2, 2\) with q_stride=\(1, 2, 2\) pools queries'),
    (dict(**VIDEO, q_stride=(1, 3, 3)), r'pool_kernel=\(3, 3, 3\) with q_stride=\(1, 3, 3\) pools queries'),
    (dict(**VIDEO, q_stride=(1, 0, 2)), r'q_stride=\(1, 0, 2\) .*need numbers from 1'),
    (dict(**IMAGE, window_size=16, pool_kernel='s', full_q_pool=False), "window_size=16 with pool_kernel='s'"),
    (dict(input_size=64), 'input_size=64 is'),
    (dict(input_size=(4, 64, 64), kv_stride=(4, 4)), 'kv_stride'),
])  # fmt: skip
def test_contradictions_fail_at_construction(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MViT(**dict(arch=MICRO) | kwargs)


def test_sizes_that_the_stride_does_not_divide_say_what_would():
    with pytest.raises(ValueError, match=r'does not divide an input of \(4, 62, 64\); \(4, 64, 64\) would do'):
        build(**VIDEO)(torch.randn(1, 3, 4, 62, 64))


@pytest.mark.parametrize(
    'name, blocks_at', [('vit-b-video', [1569] * 12), ('vit-b-2scale-qpool', [1569] * 6 + [393] * 6)]
)
def test_video_vit(name, blocks_at):
    with torch.device('meta'):
        model = VisionTransformer(name)
        lengths = []
        for block in model.blocks:
            block.register_forward_hook(lambda _, args, out: lengths.append(out[0].shape[1]))
        (out,) = model(torch.empty(1, 3, 8, 224, 224))
    assert lengths == blocks_at and out.shape == (1, 768)
    assert model.blocks[0].attn.pool_q is None and model.blocks[-1].attn.num_heads == 12


@pytest.mark.parametrize('model, name', [
    (MViT, 'mvit-b-kv-2x4x4'), (MViT, 'mvitv2-s-16x4'), (VisionTransformer, 'vit-b-2scale-qpool'),
    (VisionTransformer, 'vit-b-kvpool'),
])  # fmt: skip
def test_models_of_the_tables_take_images_too(model, name):
    with torch.device('meta'):
        (out,) = model(name, input_size=(224, 224))(torch.empty(1, 3, 224, 224))
    assert out.shape == (1, 768)


def test_global_blocks_of_detection_pool_keys_twice_as_much():
    strides = [block.attn.pool_k.stride for block in build(**IMAGE, coarse_last_kv=True).blocks]
    assert strides == [(4, 4), (4, 4), (1, 1), (2, 2), (1, 1)]  # of depths 1, 1, 2, 1
    assert [block.attn.pool_k.stride for block in build(**IMAGE).blocks] == [(4, 4), (2, 2), (1, 1), (1, 1), (1, 1)]


def save(model, path):
    torch.save(dict(state_dict={f'backbone.{k}': v for k, v in model.state_dict().items()}), path)
    return str(path)


def loaded(path, **kwargs):
    model = build(seed=1, **kwargs)
    migrate.load_backbone(model, path)
    return model


@pytest.mark.parametrize('abs_pos, size', [('separate', (8, 96, 96)), ('joint', (8, 64, 64)), ('joint', (4, 96, 96))])
def test_longer_and_larger_inputs_load_resized(tmp_path, abs_pos, size):
    small = build(**VIDEO, abs_pos=abs_pos, with_cls_token=True)
    cfg = dict(input_size=size, kv_stride=(1, 4, 4), abs_pos=abs_pos, with_cls_token=True)
    large = loaded(save(small, tmp_path / 'small.pth'), **cfg)
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        # what loading resizes once is what the smaller model resizes at run time
        torch.testing.assert_close(large(x)[0], small(x)[0], rtol=1e-4, atol=1e-4)


def test_image_weights_become_a_videos(tmp_path):
    image = build(**IMAGE, abs_pos='joint')
    video = loaded(save(image, tmp_path / 'image.pth'), **VIDEO, abs_pos='separate')
    assert not video.pos_embed.temporal.any() and not video.blocks[0].attn.rel_pos['q'].t.any()
    frames = video.patch_embed.proj.weight.unbind(2)
    assert torch.equal(frames[1], image.patch_embed.proj.weight) and not frames[0].any() and not frames[2].any()
    clip = torch.randn(1, 3, 1, 64, 64).repeat(1, 1, 4, 1, 1)
    with torch.no_grad():  # each frame attends to equal frames, so a still clip is the image
        torch.testing.assert_close(video(clip)[0], image(clip[:, :, 0])[0], rtol=1e-4, atol=1e-4)


def test_classifiers_load_into_models_of_all_stages(tmp_path):
    path = save(build(**IMAGE), tmp_path / 'classifier.pth')
    model = loaded(path, **IMAGE, out_indices=(0, 1, 2, 3), out_type='featmap')
    assert torch.equal(model.norm.weight, build(**IMAGE).norm.weight)
    with pytest.raises(ValueError, match=r'does not fit MViT: .*a checkpoint of the same arch would'):
        loaded(path, **IMAGE, arch=MICRO | dict(embed_dims=32))


def test_squares_fit_into_rectangles():
    tables = {side: torch.randn(1, side**2, 4) for side in (3, 12)}
    for grid in ((6, 4), (20, 6)):
        fitted = PositionEmbedding(4, grid, 'space').fit(dict(spatial=tables[3]))['spatial']
        assert torch.equal(fitted, resize_position_embedding(tables[3], (3, 3), grid))
        # an image's 144 tokens, which could be frames of 6×4
        fitted = PositionEmbedding(4, (2, *grid), 'separate').fit(dict(spatial=tables[12]))['spatial']
        assert torch.equal(fitted, resize_position_embedding(tables[12], (12, 12), grid))
    clip = torch.randn(1, 2 * 144, 4)
    fitted = PositionEmbedding(4, (2, 6, 4)).fit(dict(joint=clip))['joint']
    assert torch.equal(fitted, resize_position_embedding(clip, (2, 12, 12), (2, 6, 4)))
    # 36 tokens are 9×4 rather than a square where the model has these proportions
    table = torch.randn(1, 36, 4)
    fitted = PositionEmbedding(4, (18, 8), 'space').fit(dict(spatial=table))['spatial']
    assert torch.equal(fitted, resize_position_embedding(table, (9, 4), (18, 8)))


def test_embeddings_of_other_proportions_are_refused():
    embedding = PositionEmbedding(4, (6, 4))
    with pytest.raises(ValueError, match='26 tokens has not the proportions of this model.s 6×4 and is no square'):
        embedding.fit(dict(joint=torch.zeros(1, 26, 4)))
    with pytest.raises(ValueError, match=r'512 tokens .*neither the frames nor the space of .*\(4, 24, 24\)'):
        PositionEmbedding(4, (4, 24, 24)).fit(dict(joint=torch.zeros(1, 2 * 16 * 16, 4)))
    with pytest.raises(ValueError, match='cannot be taken apart'):
        PositionEmbedding(4, (2, 4, 4), 'separate').fit(dict(joint=torch.zeros(1, 32, 4)))
