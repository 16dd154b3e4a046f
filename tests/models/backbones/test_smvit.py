"""SMViT against the public Hiera code, and its own promises."""

import pytest
import torch

from helpers.references import OUTPUTS, assert_close, randomize
from mmhvt.models import SMViT
from mmhvt.models.layers import PositionEmbedding, mean_pool_tokens

MICRO = dict(embed_dims=24, num_heads=1, depths=(1, 2, 2, 1))


def test_raw_is_the_featmap_row_by_row() -> None:
    torch.manual_seed(1)
    featmap = SMViT(MICRO, input_size=(4, 64, 64), out_indices=1, out_type='featmap').eval()
    raw = SMViT(MICRO, input_size=(4, 64, 64), out_indices=1, out_type='raw').eval()
    raw.load_state_dict(featmap.state_dict())
    x = torch.randn(1, 3, 4, 64, 64)
    assert torch.equal(featmap(x)[0].flatten(2).transpose(1, 2), raw(x)[0])


def brute_force(model, x, fill):
    """Stage outputs with the tokens of the padding set to `fill` before every block."""
    hooks = [
        block.register_forward_pre_hook(lambda _, args: (overwrite(*args, fill), args[1])) for block in model.blocks
    ]
    try:
        return model(x)
    finally:
        for hook in hooks:
            hook.remove()


def overwrite(tokens, valid, fill):
    return torch.where(valid[:, None], tokens, torch.full_like(tokens, fill))


@pytest.mark.parametrize('size', [(36, 44), (4, 4), (100, 64), (40, 200)])
def test_padding_is_cropped_and_seen_by_nobody(size) -> None:
    model = SMViT(MICRO, input_size=(64, 64), out_indices=(0, 1, 2, 3), out_type='featmap').eval()
    model.init_weights()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    x = torch.randn(2, 3, *size)
    outs = model(x)
    tokens = [n // 4 for n in size]
    for level, out in enumerate(outs):
        assert out.isfinite().all()
        assert tuple(out.shape[2:]) == tuple(-(-n // 2**level) for n in tokens)
    for fill in (-7.0, 1e3):
        for expected, out in zip(outs, brute_force(model, x, fill), strict=True):
            torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)


def test_pooled_feature_leaves_padding_out() -> None:
    model = SMViT(MICRO, input_size=(64, 64)).eval()
    maps = SMViT(MICRO, input_size=(64, 64), out_type='featmap').eval()
    maps.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 40, 72)
    torch.testing.assert_close(model(x)[0], model.norm(maps(x)[0].flatten(2).mean(2)))


def test_map_of_the_last_stage_is_normed_on_demand() -> None:
    """As PySlowFast's is for action detection; inner stages are not."""
    options = dict(input_size=(4, 64, 64), out_indices=(2, 3), out_type='featmap')
    plain, normed = (SMViT(MICRO, **options, norm_last=norm_last).eval() for norm_last in (False, True))
    randomize(plain)
    normed.load_state_dict(plain.state_dict())
    assert normed.norm.weight.requires_grad and not plain.norm.weight.requires_grad
    x = torch.randn(1, 3, 4, 64, 96)
    (inner, last), (same, found) = plain(x), normed(x)
    assert torch.equal(same, inner)
    torch.testing.assert_close(found, plain.norm(last.movedim(1, -1)).movedim(-1, 1))


def test_gradients_flow_through_padding() -> None:
    model = SMViT(MICRO, input_size=(64, 64))
    model(torch.randn(2, 3, 44, 36))[0].square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_drop_path_grows_linearly_and_works_in_training() -> None:
    model = SMViT(MICRO, input_size=(32, 32), drop_path_rate=0.5)
    assert [block.drop_path.drop_prob for block in model.blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    x = torch.randn(1, 3, 32, 32)
    assert not torch.equal(model(x)[0], model(x)[0])


def test_initialization() -> None:
    model = SMViT('tiny', input_size=(32, 32))
    model.init_weights()
    assert model.blocks[0].attn.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert (model.blocks[0].attn.qkv.bias == 0.02).all() and (model.norm.bias == 0.02).all()
    assert model.pos_embed.joint.std().item() == pytest.approx(0.02, rel=0.05)
    xavier = SMViT('tiny', input_size=(32, 32), init_cfg=dict(type='Xavier', layer='Linear'))
    xavier.init_weights()
    assert xavier.blocks[0].attn.qkv.weight.std().item() == pytest.approx((2 / (96 + 288)) ** 0.5, rel=0.05)


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='giant'), r"no arch 'giant': choose from tiny, small, base, base_plus, large, huge"),
    (dict(arch=dict(depths=(1, 1))), r'arch as a dict also needs embed_dims, num_heads, got depths'),
    (dict(sep_pos_embed=True), r'SMViT has no option sep_pos_embed: an arch has embed_dims, num_heads, depths'),
    (dict(input_size=(15, 224, 224)), r'\(2, 4, 4\) does not divide an input of \(15, 224, 224\); \(16, 224, 224\)'),
    (dict(input_size=(224,)), r'\(H, W\) for images or \(T, H, W\) for video'),
    (dict(out_type='cls_token'), r"out_type='cls_token': choose from featmap, avg_featmap, raw"),
    (dict(out_indices=(4,)), r'stages 0 to 3'),
    (dict(patch_kernel=(7, 7)), r'patch_kernel \(7, 7\) needs 3 numbers'),
    (dict(mask_unit_size=(8, 8)), r'mask_unit_size \(8, 8\) needs 3 numbers'),
    (dict(patch_kernel=(2, 4, 4)), r'does not give one token per stride \(2, 4, 4\)'),
    (dict(arch=dict(embed_dims=16, num_heads=3, depths=(1, 1, 1, 1))), r'3 heads do not divide 16 channels'),
    (dict(q_pool=4), r'q_pool is 0 to 3, got 4'),
    (dict(mask_unit_attn=(True,)), r'mask_unit_attn needs 4 entries, got \(True,\)'),
    (dict(mask_unit_size=(1, 6, 6)), r'mask_unit_size \(1, 6, 6\) does not suit q_stride'),
    (dict(mask_unit_size=(1, 4, 4), mask_unit_attn=(True,) * 4), r'nothing is left of mask units'),
    (dict(input_size=(64, 64), pos_embed='separate'), r'separate in space and time need a \(T, H, W\) grid'),
])  # fmt: skip
def test_wrong_configs_say_what_would_do(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message):
        SMViT(**kwargs)


@pytest.mark.parametrize(
    'shape, message',
    [
        ((1, 3, 4, 30, 32), r'does not divide an input of \(4, 30, 32\); \(4, 32, 32\) would do'),
        ((1, 3, 1, 32, 32), r'does not divide an input of \(1, 32, 32\); \(2, 32, 32\) would do'),
        ((1, 3, 32, 32), r'built for video'),
    ],
)
def test_wrong_inputs_say_what_would_do(shape, message) -> None:
    with pytest.raises(ValueError, match=message):
        SMViT(MICRO, input_size=(4, 32, 32))(torch.randn(shape))


@torch.no_grad()
def test_pretrained_models_load_windowed(tmp_path) -> None:
    plain = randomize(SMViT(MICRO, input_size=(64, 64), out_type='raw'))
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
def test_pooled_skips_leave_padding_out() -> None:
    model = randomize(SMViT(MICRO, input_size=(64, 64), expand='pool', layer_scale=0.1, out_type='featmap'))
    x = torch.randn(1, 3, 64, 96)
    alone = SMViT(MICRO, input_size=(64, 64), expand='pool', layer_scale=0.1).eval()
    assert (alone.blocks[0].ls1.gamma == 0.1).all() and alone.blocks[1].proj is None
    assert model(x[..., :88])[0].shape == (1, 192, 2, 3)
    tokens = torch.tensor([[1.0], [3.0], [5.0], [7.0], [9.0], [9.0], [9.0], [9.0]])
    valid = torch.tensor([True, True, True, False, False, False, False, False])
    assert mean_pool_tokens(tokens, 4, valid).flatten().tolist() == [3.0, 0.0]
    assert mean_pool_tokens(tokens, 4).flatten().tolist() == [4.0, 9.0]


@pytest.mark.parametrize('kwargs, message', [
    (dict(pos_embed='tiled'), "pos_embed='tiled': choose from joint, separate, windowed"),
    (dict(pos_embed='windowed', input_size=(4, 64, 64)), "pos_embed='windowed': choose from joint, separate$"),
    (dict(pos_embed='windowed', pos_grid=(4, 16, 16)), r"pos_grid=\(4, 16, 16\) with pos_embed='windowed': pos_grid"),
    (dict(pos_embed='joint', pos_grid=(16, 16)), r"pos_grid=\(16, 16\) with pos_embed='joint': pos_grid is"),
    (dict(pos_grid=(16, 16)), r"pos_grid=\(16, 16\) with pos_embed='joint': pos_grid is the \(H, W\) of the resized"),
])  # fmt: skip
def test_position_settings_that_contradict_each_other_are_refused(kwargs, message) -> None:
    with pytest.raises(ValueError, match=f'SMViT: {message}'):
        SMViT(MICRO, **dict(input_size=(64, 64)) | kwargs)


def test_other_skips_are_refused() -> None:
    with pytest.raises(ValueError, match="SMViT: expand='max': choose from linear, pool"):
        SMViT(MICRO, input_size=(64, 64), expand='max')
    with pytest.raises(ValueError, match="SMViT: expand='pool' doubles the channels, which dim_mul=1.5 does not"):
        SMViT(MICRO, input_size=(64, 64), expand='pool', dim_mul=1.5)
    with pytest.raises(ValueError, match=r'windowed position embeddings are for images'):
        PositionEmbedding(4, (2, 4, 4), 'windowed', window=(8, 8))
