"""SMViT against the public Hiera code, and its own promises."""

import functools

import hiera
import pytest
import torch
from hiera.hiera_mae import MaskedAutoencoderHiera
from mmaction.structures import ActionDataSample
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader, save_checkpoint

from mmhvt import migrate
from mmhvt.models import RecognitionHead, SMViT
from mmhvt.models.backbones.smvit import ARCHS
from mmhvt.models.layers import resize_position_embedding
from mmhvt.registry import MODELS

MICRO = dict(embed_dims=24, num_heads=1, depths=(1, 2, 2, 1))
MICRO_REFERENCE = dict(embed_dim=24, num_heads=1, stages=(1, 2, 2, 1), num_classes=7)
VIDEO_REFERENCE = dict(
    q_stride=(1, 2, 2),
    mask_unit_size=(1, 8, 8),
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
)
CASES = {
    'image': dict(input_size=(96, 64)),
    'video separate': dict(input_size=(4, 64, 96), sep_pos_embed=True, **VIDEO_REFERENCE),
    'video joint': dict(input_size=(4, 64, 64), sep_pos_embed=False, **VIDEO_REFERENCE),
    'all global': dict(input_size=(64, 64), mask_unit_attn=(False,) * 4),
    'all in mask units': dict(input_size=(64, 96), mask_unit_attn=(True,) * 4),
    'two poolings': dict(input_size=(64, 96), q_pool=2),
    'small mask units': dict(input_size=(64, 96), mask_unit_size=(4, 4)),
    'other factors': dict(input_size=(64, 64), dim_mul=1.5, head_mul=3.0, mlp_ratio=3.0, patch_stride=(4, 4)),
    'stride 2 patches': dict(input_size=(32, 32), patch_stride=(2, 2), patch_kernel=(3, 3), patch_padding=(1, 1)),
}


def reference_and_ours(case, **kwargs):
    """Hiera with random weights and our backbone and head with the same."""
    config = MICRO_REFERENCE | CASES[case]
    reference = hiera.Hiera(**config).eval()
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim > 1 else 0.5)
    state_dict = migrate.hiera.state_dict(reference.state_dict())
    backbone = MODELS.build(migrate.hiera.backbone_cfg(config) | kwargs).eval()
    head = RecognitionHead(7, backbone.embed_dims).eval()
    backbone.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('backbone.')})
    head.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('cls_head.')})
    x = torch.randn(2, 3, *config['input_size'])
    return reference, backbone, head, x


def gradients(module):
    return {name: parameter.grad for name, parameter in module.named_parameters()}


@pytest.mark.parametrize('case', CASES)
def test_logits_and_gradients_equal_hieras(case):
    reference, backbone, head, x = reference_and_ours(case)
    reference.head.act_func = lambda scores: scores
    x_ours = x.clone().requires_grad_()
    x.requires_grad_()
    theirs, ours = reference(x), head(backbone(x_ours))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.std().item())

    weight = torch.randn_like(theirs)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    expected = migrate.hiera.state_dict(gradients(reference))
    actual = {f'backbone.{k}': v for k, v in gradients(backbone).items()}
    actual |= {f'cls_head.{k}': v for k, v in gradients(head).items()}
    assert actual.keys() == expected.keys()
    for name, grad in expected.items():
        torch.testing.assert_close(actual[name], grad, rtol=1e-3, atol=1e-4 * (grad.std().item() + 1e-6), msg=name)
    torch.testing.assert_close(x_ours.grad, x.grad, rtol=1e-3, atol=1e-4 * x.grad.std().item())


@pytest.mark.parametrize('case', CASES)
def test_stages_equal_hieras(case):
    reference, backbone, _, x = reference_and_ours(case, out_indices=(0, 1, 2, 3), out_type='featmap')
    _, stages = reference(x, return_intermediates=True)
    outs = backbone(x)
    assert len(outs) == len(stages) == 4
    for ours, theirs in zip(outs, stages, strict=True):
        torch.testing.assert_close(ours.movedim(1, -1), theirs, rtol=1e-4, atol=1e-4 * theirs.std().item())


@pytest.mark.parametrize('arch', ARCHS)
@pytest.mark.parametrize('video', [False, True])
def test_architectures_have_hieras_parameters(arch, video, monkeypatch):
    monkeypatch.setattr(torch, 'linspace', functools.partial(torch.linspace, device='cpu'))  # Hiera reads its values
    name = f'hiera_{arch}_16x224' if video else f'hiera_{arch}_224'
    if not hasattr(hiera, name):  # the public code has no video model of tiny and small
        name = 'hiera_base_16x224'
    sizes = {k: ARCHS[arch][ours] for k, ours in
             (('embed_dim', 'embed_dims'), ('num_heads', 'num_heads'), ('stages', 'depths'))}  # fmt: skip
    with torch.device('meta'):
        reference = getattr(hiera, name)(**(sizes if name == 'hiera_base_16x224' and arch != 'base' else {}))
        ours = SMViT(arch, input_size=(16, 224, 224) if video else (224, 224))
    expected = migrate.hiera.state_dict(reference.state_dict())
    expected = {k[9:]: v.shape for k, v in expected.items() if k.startswith('backbone.')}
    assert {k: v.shape for k, v in ours.state_dict().items()} == expected


def test_hiera_export_is_the_inverse():
    reference = hiera.Hiera(**MICRO_REFERENCE, input_size=(32, 32)).state_dict()
    back = migrate.hiera.export(migrate.hiera.state_dict(reference))
    assert back.keys() == reference.keys()
    assert all(torch.equal(back[name], value) for name, value in reference.items())
    with pytest.raises(ValueError, match='stages.0.weight'):
        migrate.hiera.state_dict({'stages.0.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match='backbone.blocks.0.other'):
        migrate.hiera.export({'backbone.blocks.0.other': torch.zeros(1)})


@pytest.mark.parametrize('out_type, shapes', [
    ('featmap', [(2, 24, 2, 16, 12), (2, 192, 2, 2, 2)]),
    ('avg_featmap', [(2, 24), (2, 192)]),
    ('raw', [(2, 2 * 16 * 12, 24), (2, 2 * 2 * 2, 192)]),
])  # fmt: skip
def test_output_types(out_type, shapes):
    model = SMViT(MICRO, input_size=(4, 64, 48), out_indices=(0, -1), out_type=out_type)
    assert [tuple(out.shape) for out in model(torch.randn(2, 3, 4, 64, 48))] == shapes


def test_raw_is_the_featmap_row_by_row():
    torch.manual_seed(1)
    featmap = SMViT(MICRO, input_size=(4, 64, 64), out_indices=1, out_type='featmap').eval()
    raw = SMViT(MICRO, input_size=(4, 64, 64), out_indices=1, out_type='raw').eval()
    raw.load_state_dict(featmap.state_dict())
    x = torch.randn(1, 3, 4, 64, 64)
    assert torch.equal(featmap(x)[0].flatten(2).transpose(1, 2), raw(x)[0])


@pytest.mark.parametrize('size', [(4, 64, 64), (8, 96, 32), (2, 128, 160)])
def test_sizes_other_than_the_built_one(size):
    model = SMViT(MICRO, input_size=(4, 64, 64), out_indices=(0, 1, 2, 3), out_type='featmap')
    for level, out in enumerate(model(torch.randn(1, 3, *size))):
        assert out.shape[2:] == (size[0] // 2, size[1] // 4 // 2**level, size[2] // 4 // 2**level)


def brute_force(model, x, fill):
    """Stage outputs with the tokens of the padding set to `fill` before every block."""
    grid = model.token_grid(x.shape[2:])
    order, real = model_order(model, grid)
    hooks = [
        block.register_forward_pre_hook(lambda _, args: (overwrite(args[0], args[2], fill), *args[1:]))
        for block in model.blocks
    ]
    try:
        return model(x)
    finally:
        for hook in hooks:
            hook.remove()


def model_order(model, grid):
    from mmhvt.models.layers import NestedOrder

    order = NestedOrder(grid, model.mask_unit_size, model.q_stride, model.num_levels)
    return order, order.real(torch.device('cpu'))


def overwrite(tokens, real, fill):
    return torch.where(real[:, None], tokens, torch.full_like(tokens, fill))


@pytest.mark.parametrize('size', [(36, 44), (4, 4), (100, 64), (40, 200)])
def test_padding_is_cropped_and_seen_by_nobody(size):
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


def test_pooled_feature_leaves_padding_out():
    model = SMViT(MICRO, input_size=(64, 64)).eval()
    maps = SMViT(MICRO, input_size=(64, 64), out_type='featmap').eval()
    maps.load_state_dict(model.state_dict())
    x = torch.randn(1, 3, 40, 72)
    torch.testing.assert_close(model(x)[0], model.norm(maps(x)[0].flatten(2).mean(2)))


def test_gradients_flow_through_padding():
    model = SMViT(MICRO, input_size=(64, 64))
    model(torch.randn(2, 3, 44, 36))[0].square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_batch_order_does_not_matter():
    model = SMViT(MICRO, input_size=(4, 32, 32)).eval()
    x = torch.randn(4, 3, 4, 32, 32)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model(x)[0][order], model(x[order])[0])


def test_recomputed_blocks_give_the_same_gradients():
    plain = SMViT(MICRO, input_size=(4, 32, 32))
    recomputed = SMViT(MICRO, input_size=(4, 32, 32), with_cp=True)
    recomputed.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 4, 32, 32)
    for model in (plain, recomputed):
        model(x)[0].square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), recomputed.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


def test_autocast_agrees():
    model = SMViT(MICRO, input_size=(4, 64, 64), out_indices=(0, 3)).eval()
    x = torch.randn(2, 3, 4, 64, 64)
    expected = model(x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        for ours, full in zip(model(x), expected, strict=True):
            assert (ours.float() - full).abs().max() < 0.1 * full.std()


def test_compiled_model_agrees():
    model = SMViT(MICRO, input_size=(4, 32, 32)).eval()
    compiled = torch.compile(model, backend='aot_eager', fullgraph=True)
    x = torch.randn(1, 3, 4, 32, 32)
    torch.testing.assert_close(compiled(x)[0], model(x)[0])


def test_layer_depth():
    model = SMViT(MICRO, input_size=(4, 32, 32))
    layers = {name: model.get_layer_depth(f'backbone.{name}', 'backbone.') for name, _ in model.named_parameters()}
    assert layers['patch_embed.proj.weight'] == layers['pos_embed.spatial'] == (0, 8)
    assert layers['blocks.0.norm1.weight'] == (1, 8) and layers['blocks.5.mlp.layers.1.bias'] == (6, 8)
    assert layers['norm.weight'] == model.get_layer_depth('cls_head.fc_cls.weight', 'backbone.') == (7, 8)


@pytest.mark.parametrize('kwargs', [
    dict(out_type='featmap', out_indices=(0, 1, 2, 3)),
    dict(out_type='featmap', out_indices=(0, 1)),
    dict(out_type='raw'),
    dict(out_type='avg_featmap', out_indices=1),
    dict(out_type='avg_featmap'),
])  # fmt: skip
def test_every_parameter_that_trains_has_a_gradient(kwargs):
    """DistributedDataParallel waits for those that have none."""
    model = SMViT(MICRO, input_size=(4, 32, 32), **kwargs)
    sum(out.square().sum() for out in model(torch.randn(1, 3, 4, 32, 32))).backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {
        name for name, p in model.named_parameters() if p.requires_grad
    }


def test_drop_path_grows_linearly_and_works_in_training():
    model = SMViT(MICRO, input_size=(32, 32), drop_path_rate=0.5)
    assert [block.drop_path.drop_prob for block in model.blocks] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    x = torch.randn(1, 3, 32, 32)
    assert not torch.equal(model(x)[0], model(x)[0])


def test_initialisation():
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
    (dict(arch=dict(depths=(1, 1))), r'needs the keys'),
    (dict(input_size=(15, 224, 224)), r'\(2, 4, 4\) does not divide an input of \(15, 224, 224\); \(16, 224, 224\)'),
    (dict(input_size=(224,)), r'\(H, W\) for images or \(T, H, W\) for video'),
    (dict(out_type='cls_token'), r"out_type 'cls_token': choose from featmap, avg_featmap, raw"),
    (dict(out_indices=(4,)), r'stages 0 to 3'),
    (dict(patch_kernel=(7, 7)), r'patch_kernel \(7, 7\) needs 3 numbers'),
    (dict(mask_unit_size=(8, 8)), r'mask_unit_size \(8, 8\) needs 3 numbers'),
    (dict(patch_kernel=(2, 4, 4)), r'does not give one token for each stride \(2, 4, 4\)'),
    (dict(arch=dict(embed_dims=16, num_heads=3, depths=(1, 1, 1, 1))), r'3 heads do not divide 16 channels'),
    (dict(q_pool=4), r'q_pool is 0 to 3, got 4'),
    (dict(mask_unit_attn=(True,)), r'mask_unit_attn'),
    (dict(mask_unit_size=(1, 6, 6)), r'mask_unit_size \(1, 6, 6\) does not go'),
    (dict(mask_unit_size=(1, 4, 4), mask_unit_attn=(True,) * 4), r'nothing is left of mask units'),
    (dict(input_size=(64, 64), sep_pos_embed=True), r'separate in space and time need a \(T, H, W\) grid'),
])  # fmt: skip
def test_wrong_configs_say_what_would_do(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SMViT(**kwargs)


@pytest.mark.parametrize('shape, message', [
    ((1, 3, 4, 30, 32), r'does not divide an input of \(4, 30, 32\); \(4, 32, 32\) would do'),
    ((1, 3, 1, 32, 32), r'does not divide an input of \(1, 32, 32\); \(2, 32, 32\) would do'),
    ((1, 3, 32, 32), r'built for video'),
])  # fmt: skip
def test_wrong_inputs_say_what_would_do(shape, message):
    with pytest.raises(ValueError, match=message):
        SMViT(MICRO, input_size=(4, 32, 32))(torch.randn(shape))


def test_checkpoints_load_whole_or_not_at_all(tmp_path):
    reference = hiera.Hiera(**MICRO_REFERENCE, input_size=(64, 64))
    published, other, ours, cut, text = (tmp_path / name for name in ('hiera.pth', 'other', 'ours', 'cut', 'text'))
    torch.save({'model_state': reference.state_dict()}, published)
    cfg = dict(type='mmhvt.SMViT', arch=MICRO, input_size=(64, 64))

    def build(path, **kwargs):
        model = MODELS.build(cfg | dict(init_cfg=dict(type='Pretrained', checkpoint=str(path))) | kwargs)
        model.init_weights()
        return model

    model = build(published)
    assert torch.equal(model.blocks[1].mlp.layers[1].weight, reference.blocks[1].mlp.fc2.weight)

    history = HistoryBuffer()
    history.update(1.5)
    history.statistics('mean')
    message_hub = dict(log_scalars={'train/loss': history}, resumed_keys={'train/loss': True})
    state_dict = {f'backbone.{k}': v for k, v in model.state_dict().items()}
    save_checkpoint(dict(state_dict=state_dict, message_hub=message_hub, meta=dict(epoch=1)), str(ours))
    CheckpointLoader.load_checkpoint(str(ours))  # MMEngine's loader strikes what it allowed from torch's list
    assert torch.equal(build(ours).norm.weight, model.norm.weight)

    smaller = hiera.Hiera(**MICRO_REFERENCE, input_size=(32, 32)).state_dict()
    torch.save({'model_state': smaller}, other)
    resized = resize_position_embedding(smaller['pos_embed'], (8, 8), (16, 16))
    assert torch.equal(build(other).pos_embed.joint, resized)
    wider = hiera.Hiera(**MICRO_REFERENCE | dict(embed_dim=48), input_size=(64, 64)).state_dict()
    torch.save({'model_state': wider}, other)
    with pytest.raises(ValueError, match=r'does not fit SMViT: \d+ of .*\(1, 256, 48\) for \(1, 256, 24\)'):
        build(other)
    torch.save(torch.nn.Linear(2, 2).state_dict(), other)
    with pytest.raises(ValueError, match='does not fit SMViT'):
        build(other)

    cut.write_bytes(published.read_bytes()[:5000])
    text.write_text('no checkpoint')
    for path in (cut, text):
        with pytest.raises(ValueError, match=f'{path} cannot be read as a checkpoint'):
            build(path)


def test_pretrained_autoencoder_loads_but_for_its_final_norm(tmp_path):
    config = {key: value for key, value in MICRO_REFERENCE.items() if key != 'num_classes'}
    size = dict(input_size=(4, 64, 64), sep_pos_embed=True, **VIDEO_REFERENCE)
    reference = MaskedAutoencoderHiera(**config, **size, decoder_embed_dim=16, decoder_depth=1, decoder_num_heads=2)
    state_dict = reference.state_dict()
    torch.save({'model_state': state_dict}, tmp_path / 'mae.pth')
    back = migrate.hiera.export(migrate.hiera.state_dict(state_dict))
    assert back.keys() == state_dict.keys()
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'mae.pth'))
    model = SMViT(MICRO, input_size=(4, 64, 64), init_cfg=init_cfg)
    model.init_weights()
    assert torch.equal(model.pos_embed.temporal, reference.pos_embed_temporal)
    assert torch.equal(model.blocks[5].attn.proj.weight, reference.blocks[5].attn.proj.weight)
    assert (model.norm.weight == 1).all()


def test_head_computes_loss_under_bfloat16():
    head = RecognitionHead(5, 8)
    samples = [ActionDataSample().set_gt_label(label) for label in (0, 3)]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss((torch.randn(2, 8),), samples)
    assert losses['loss_cls'].dtype == torch.float32 and 'top1_acc' in losses


class Reach:
    """Pickles as getattr(subprocess.Popen, …), which a file has no business with."""

    def __reduce__(self):
        import subprocess

        return getattr, (subprocess.Popen, 'communicate')


def test_checkpoints_reach_nothing_by_getattr(tmp_path):
    torch.save(dict(state_dict={}, message_hub=Reach()), tmp_path / 'reach.pth')
    with pytest.raises(ValueError, match='cannot be read as a checkpoint'):
        migrate.read(str(tmp_path / 'reach.pth'))


def test_unreachable_checkpoint_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r'http://127.0.0.1:9/x.pth cannot be downloaded .* name the file'):
        migrate.read('http://127.0.0.1:9/x.pth')


def test_head_takes_pooled_features_only():
    head = RecognitionHead(5, 8)
    head.init_weights()
    assert head(torch.randn(2, 8)).shape == (2, 5)
    assert head.fc_cls.weight.std() < 1e-4
    with pytest.raises(ValueError, match="out_type='avg_featmap'"):
        head((torch.randn(2, 8, 4, 4, 4),))
