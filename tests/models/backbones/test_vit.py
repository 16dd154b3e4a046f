"""The plain ViT; tests/migrate compares it with other repositories."""

import pytest
import torch
from torch import nn

from helpers.micro_backbones import randomize
from mmhvt.models import UniFormerV2, VisionTransformer
from mmhvt.models.backbones.vit import ARCHS, VITS, QuickGELU, ViTArch, ViTBlock, ViTStyle

MICRO = dict(embed_dims=24, num_heads=3, depth=3, patch_size=8)


def build(**kwargs):
    """A micro ViT for images with random weights."""
    torch.manual_seed(0)
    return randomize(VisionTransformer(MICRO, **dict(input_size=(32, 24)) | kwargs))


@pytest.mark.parametrize('name, parameters', [('base', 85.8e6), ('large', 303.3e6)])
def test_archs_have_the_sizes_of_their_names(name, parameters) -> None:
    with torch.device('meta'):
        model = VisionTransformer(name)
        (out,) = model(torch.empty(1, 3, 224, 224))
    assert out.shape == (1, ARCHS[name].embed_dims)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(parameters, rel=1e-3)


@pytest.mark.parametrize('size', [(32, 24), (16, 40)])
@pytest.mark.parametrize('vit', VITS)
def test_is_a_vit_layer_by_layer(vit, size) -> None:
    """Patches, class token, positions, blocks and the final norm, written out."""
    model, x = build(vit=vit), torch.randn(2, 3, *size)
    tokens = nn.functional.conv2d(x, model.patch_embed.proj.weight, model.patch_embed.proj.bias, 8)
    grid = tokens.shape[2:]
    tokens = torch.cat([model.cls_token.expand(2, -1, -1), tokens.flatten(2).mT], 1)
    if VITS[vit].abs_pos:
        tokens = tokens + torch.cat([model.pos_embed.cls, model.pos_embed(grid).flatten(1, 2)], 1)
    if VITS[vit].pre_norm:
        tokens = model.pre_norm(tokens)
    for block in model.blocks:
        qkv = block.attn.qkv(block.norm1(tokens)).view(2, -1, 3, 3, 8).permute(2, 0, 3, 1, 4)
        scores = qkv[0] @ qkv[1].mT / 8**0.5
        if VITS[vit].rel_pos_bias:
            scores = scores + block.attn.rel_pos(grid)
        branch = block.attn.proj((scores.softmax(-1) @ qkv[2]).transpose(1, 2).flatten(2))
        tokens = tokens + (block.ls1.gamma if VITS[vit].layer_scale else 1) * branch
        hidden = block.mlp.fc1(block.norm2(tokens))
        hidden = hidden * (1.702 * hidden).sigmoid() if vit == 'clip' else nn.functional.gelu(hidden)
        tokens = tokens + (block.ls2.gamma if VITS[vit].layer_scale else 1) * block.mlp.fc2(hidden)
    torch.testing.assert_close(model(x)[0], model.norm(tokens[:, 0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('out_type, shape', [
    ('cls_token', (2, 24)), ('avg_featmap', (2, 24)), ('featmap', (2, 24, 4, 3)), ('raw', (2, 13, 24)),
])  # fmt: skip
def test_outputs_of_several_layers(out_type, shape) -> None:
    model = build(out_type=out_type, out_indices=(0, -1))
    x = torch.randn(2, 3, 32, 24)
    outs = model(x)
    assert [tuple(out.shape) for out in outs] == [shape] * 2
    (first,) = build(out_type=out_type, out_indices=0)(x)
    torch.testing.assert_close(outs[0], first)
    assert not torch.allclose(*outs)


@pytest.mark.parametrize('out_type', ['cls_token', 'featmap', 'raw', 'avg_featmap'])
def test_clips_are_seen_frame_by_frame(out_type) -> None:
    model, image = build(input_size=(3, 32, 24), out_type=out_type), build(out_type=out_type)
    weights = model.state_dict()
    weights['patch_embed.proj.weight'] = weights['patch_embed.proj.weight'].sum(2)
    image.load_state_dict(weights)
    model.norm = image.norm = nn.Identity()  # of the mean over frames, not the mean of norms
    clip = torch.randn(2, 3, 3, 32, 24)
    frames = torch.stack([image(frame)[0] for frame in clip.unbind(2)], 1)
    expected = {'raw': frames.flatten(1, 2), 'featmap': frames.transpose(1, 2)}.get(out_type, frames.mean(1))
    torch.testing.assert_close(model(clip)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('vit', VITS)
def test_uniformerv2_without_uniblocks_is_the_vit(vit) -> None:
    for size in ((32, 24), (2, 32, 24)):
        model = build(vit=vit, input_size=size)
        video = UniFormerV2(MICRO, vit=vit, input_size=size, global_layers=None).eval()
        video.load_state_dict(model.state_dict())
        x = torch.randn(2, 3, *size)
        torch.testing.assert_close(video(x)[0], model(x)[0], rtol=1e-5, atol=1e-5)


def test_layer_scale_begins_as_in_timm() -> None:
    for vit, value in (('deit3', 1e-6), ('beit', 0.1)):
        model = VisionTransformer(MICRO, input_size=(32, 24), vit=vit)
        model.init_weights()
        assert all((ls.gamma == value).all() for block in model.blocks for ls in (block.ls1, block.ls2))
    assert not [name for name, _ in build(vit='clip').named_parameters() if 'ls' in name.split('.')[2:3]]


def test_fields_of_an_arch_are_options() -> None:
    model = VisionTransformer('base', input_size=(32, 32), depth=2, patch_size=8, mlp_ratio=2, qkv_bias=False)
    assert len(model.blocks) == 2 and model.blocks[0].mlp.fc1.out_features == 2 * 768
    assert model.blocks[0].attn.qkv.bias is None and model.patch_embed.proj.kernel_size == (8, 8)
    same = VisionTransformer(ViTArch(**MICRO, vit=ViTStyle(layer_scale=0.5)), input_size=(32, 24))
    assert same.state_dict().keys() == build(vit=dict(layer_scale=0.5)).state_dict().keys()


def test_unused_parts_take_no_gradients() -> None:
    model = build(out_type='featmap', out_indices=1)
    unused = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert unused == {name for name, _ in model.named_parameters() if name.startswith(('blocks.2.', 'norm.'))}


@pytest.mark.parametrize('kwargs, message', [
    (dict(arch='huge'), "VisionTransformer has no arch 'huge': choose from base, large, or give a dict of embed_dims"),
    (dict(arch=dict(embed_dims=24)), 'arch as a dict also needs num_heads, depth, patch_size, got embed_dims'),
    (dict(local_layers='all'), 'VisionTransformer has no option local_layers: an arch has embed_dims'),
    (dict(vit='dino2'), "VisionTransformer: vit='dino2': choose from clip, open_clip, vit, deit3, beit"),
    (dict(vit=dict(gelu=True)), 'vit has no key gelu: choose from act, pre_norm'),
    (dict(vit=dict(act='relu')), "act='relu': choose from gelu, quick_gelu"),
    (dict(vit=dict(layer_scale=True)), 'layer_scale=True: give its initial value, such as 1e-6, or None'),
    (dict(num_heads=5), 'num_heads=5 does not divide 24 channels'),
    (dict(num_heads=0), 'num_heads=0 does not divide 24 channels'),
    (dict(patch_size=0), 'patch_size=0: a patch has 1 pixel or more'),
    (dict(out_indices=3), r'out_indices \[3\]: there are layers 0 to 2'),
    (dict(out_type='map'), "out_type='map': choose from featmap, avg_featmap, cls_token, raw"),
    (dict(input_size=(30, 24)), r'does not divide an input of \(30, 24\)'),
    (dict(input_size=32), r'input_size=32: give \(H, W\)'),
])  # fmt: skip
def test_wrong_options_are_named(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        VisionTransformer(**dict(arch=MICRO, input_size=(32, 24)) | kwargs)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_quick_gelu_keeps_its_input_and_one_tensor_more(dtype) -> None:
    x = torch.linspace(-200, 200, 4001).to(dtype)
    ours, exact, kept = x.clone().requires_grad_(), x.double().requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        out = QuickGELU()(ours)
    expected = exact * (1.702 * exact).sigmoid()
    tolerance = dict(rtol=10 * torch.finfo(dtype).eps, atol=torch.finfo(dtype).eps, check_dtype=False)
    torch.testing.assert_close(out, expected, **tolerance)
    out.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, exact.grad, **tolerance)
    with torch.no_grad():
        QuickGELU()(x)
    assert torch.equal(ours, x)
    assert [tensor.shape for tensor in kept] == [x.shape]


def test_a_block_checks_its_own_options() -> None:
    with pytest.raises(ValueError, match='5 heads do not divide 24 channels'):
        ViTBlock(24, 5)
    with pytest.raises(ValueError, match="ViTBlock: act='relu': choose from gelu, quick_gelu"):
        ViTBlock(24, 3, act='relu')
