"""Masked auto-encoding against the public Hiera code, and its own promises."""

import copy
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hiera.hiera_mae import MaskedAutoencoderHiera
from mmaction.datasets.repeat_aug_dataset import repeat_pseudo_collate
from mmaction.datasets.transforms import DecordDecode
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from torch.utils.flop_counter import FlopCounterMode

from helpers import ROOT
from helpers.processes import free_port
from helpers.recipes import fit_device
from mmhvt import migrate
from mmhvt.models import MAE, SMViT
from mmhvt.models.layers import merge_windows
from mmhvt.models.selfsup.mask import count_visible, draw_visible, masked_tokens
from mmhvt.models.selfsup.target import normalize, pixel_patches
from mmhvt.registry import DATASETS, MODELS
from mmhvt.synthetic.moving_shapes import write_dataset

CONFIGS = sorted((ROOT / 'configs/mae').glob('*.py'))
MICRO = dict(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1))
MVIT = dict(
    type='mmhvt.MViT', arch=MICRO | dict(version=2), rel_pos='none', abs_pos='joint', mask_unit_size=(8, 8), q_pool=2
)
DECODER = dict(embed_dims=24, depth=1, num_heads=2)
REFERENCE = dict(
    embed_dim=16,
    num_heads=1,
    stages=(1, 2, 1, 1),
    q_pool=2,
    decoder_embed_dim=24,
    decoder_depth=1,
    decoder_num_heads=2,
)
VIDEO = dict(
    q_stride=(1, 2, 2),
    mask_unit_size=(1, 8, 8),
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
    sep_pos_embed=True,
)
CASES = {
    'image': dict(input_size=(96, 128)),
    'video': dict(input_size=(6, 64, 96), **VIDEO),
    'video, joint positions': dict(input_size=(4, 64, 64), **VIDEO | dict(sep_pos_embed=False)),
    'one pooling': dict(input_size=(64, 96), q_pool=1),
    'three poolings': dict(input_size=(4, 64, 96), **VIDEO | dict(q_pool=3)),
    'no pooling': dict(input_size=(64, 64), q_pool=0),
    'three stages, small units': dict(input_size=(48, 64), stages=(1, 1, 2), mask_unit_size=(4, 4),
                                      mask_unit_attn=(True, True, False)),
    'all global': dict(input_size=(64, 96), mask_unit_attn=(False,) * 4),
    'all in mask units': dict(input_size=(4, 64, 64), mask_unit_attn=(True,) * 4, **VIDEO),
    'stride 2 patches': dict(input_size=(32, 48), patch_stride=(2, 2), patch_kernel=(3, 3), patch_padding=(1, 1)),
    'patches apart': dict(input_size=(64, 64), patch_kernel=(4, 4), patch_padding=(0, 0)),
    'one frame a token': dict(input_size=(3, 64, 64), **VIDEO | dict(patch_stride=(1, 4, 4))),
    'other factors': dict(input_size=(64, 64), dim_mul=1.5, head_mul=3.0, mlp_ratio=3.0, in_chans=1,
                          decoder_depth=3, decoder_embed_dim=20, decoder_num_heads=5),
}  # fmt: skip


def reference_and_ours(case, **kwargs):
    """Hiera's auto-encoder with random weights, ours with the same, an input and Hiera's mask and our indices."""
    config = REFERENCE | CASES[case]
    reference = MaskedAutoencoderHiera(**config).eval()
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter, std=0.2 if parameter.ndim > 1 else 0.5)
    ours = MODELS.build(migrate.get_source('hiera.fair').mae_cfg(config) | kwargs).eval()
    ours.load_state_dict(migrate.get_source('hiera.fair').state_dict(reference.state_dict()))
    x = torch.randn(3, config.get('in_chans', 3), *config['input_size'])
    mask = reference.get_random_mask(x, 0.6)
    return reference, ours, x, mask, mask.nonzero()[:, 1].view(len(x), -1)


@pytest.mark.parametrize('case', CASES)
def test_loss_prediction_label_and_gradients_equal_hieras(case) -> None:
    reference, ours, x, mask, visible = reference_and_ours(case)
    ours_x, reference_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    loss, prediction, label, _ = reference(reference_x, mask=mask)
    found, target, _ = ours.reconstruct(ours_x, visible)
    our_loss = ours.loss(ours_x, visible=visible)['loss']
    torch.testing.assert_close(our_loss, loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(target.flatten(0, 1), label, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.flatten(0, 1), prediction, rtol=1e-4, atol=1e-4 * prediction.std().item())

    loss.backward()
    our_loss.backward()
    expected = migrate.get_source('hiera.fair').state_dict({name: p.grad for name, p in reference.named_parameters()})
    actual = {name: p.grad for name, p in ours.named_parameters()}
    assert actual.keys() == expected.keys()
    for name, grad in expected.items():
        torch.testing.assert_close(actual[name], grad, rtol=1e-3, atol=1e-4 * (grad.std().item() + 1e-6), msg=name)
    torch.testing.assert_close(ours_x.grad, reference_x.grad, rtol=1e-3, atol=1e-4 * reference_x.grad.std().item())


def test_export_is_the_inverse() -> None:
    reference = MaskedAutoencoderHiera(**REFERENCE, input_size=(64, 64)).state_dict()
    back = migrate.get_source('hiera.fair').export(migrate.get_source('hiera.fair').state_dict(reference))
    assert back.keys() == reference.keys()
    assert all(torch.equal(back[name], value) for name, value in reference.items())


UNMASKED = {
    'image': dict(input_size=(64, 96), q_pool=2),
    'video': dict(input_size=(4, 64, 96), q_pool=2),
    'three poolings': dict(input_size=(64, 96)),
    'units of two blocks': dict(input_size=(64, 128), mask_unit_size=(16, 16), q_pool=2),
    'units within a block': dict(input_size=(48, 80), mask_unit_size=(4, 4), q_pool=2),
    'units of two times': dict(input_size=(8, 64, 64), mask_unit_size=(2, 8, 8), q_pool=2),
    'pooling in time': dict(input_size=(32, 32, 64), mask_unit_size=(8, 8, 8), q_stride=(2, 2, 2), q_pool=2),
}


@pytest.mark.parametrize('case', UNMASKED)
def test_with_nothing_masked_the_encoder_is_the_backbone(case) -> None:
    kwargs = UNMASKED[case]
    model = SMViT(MICRO, out_indices=(0, 1, 2, 3), out_type='featmap', **kwargs).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, 3, *kwargs['input_size'])
    units = math.prod(model.unit_grid(x.shape[2:]))
    visible = torch.stack([torch.randperm(units), torch.arange(units)])  # in any order
    for dense, sparse in zip(model(x), model.forward_units(x, visible), strict=True):
        grid, unit = dense.shape[2:], sparse.shape[2:-1]
        in_rows = torch.stack([stage[order.argsort()] for stage, order in zip(sparse, visible, strict=True)])
        merged = merge_windows(in_rows.flatten(0, 1).flatten(1, -2), unit, grid)
        torch.testing.assert_close(merged.movedim(-1, 1), dense, rtol=1e-4, atol=1e-4 * dense.std().item())


@pytest.mark.parametrize('backbone', [{}, MVIT | dict(mask_unit_size=(1, 8, 8), abs_pos='separate')])
def test_masked_pixels_reach_nothing_but_the_target(backbone: dict) -> None:
    model = build((4, 64, 64), backbone=backbone).eval()
    x, other = torch.randn(2, 1, 3, 4, 64, 64)
    visible = torch.tensor([[1, 6]])
    shown = torch.zeros(1, 1, 2, 2, 2).flatten(2).scatter(2, visible[None], 1).view(1, 1, 2, 2, 2)
    shown = torch.nn.functional.interpolate(shown, x.shape[2:])
    prediction, target, masked = model.reconstruct(x, visible)
    same, moved, _ = model.reconstruct(x * shown + other * (1 - shown), visible)
    assert torch.equal(prediction, same) and not torch.allclose(target, moved)
    changed, _, _ = model.reconstruct(x * (1 - shown) + other * shown, visible)
    assert not torch.allclose(prediction, changed)
    assert masked.shape == (1, 6 * 4)


def test_encoder_computes_visible_tokens_only() -> None:
    """Without global attention, which is cheaper than proportional, the encoder's products are proportional to them."""
    counts = {}
    with torch.device('meta'):
        model = SMViT('base', input_size=(16, 224, 224), q_pool=2, mask_unit_attn=(True,) * 4)
        x = torch.empty(2, 3, 16, 224, 224)
        for kept in (39, 392):
            with FlopCounterMode(display=False) as counter:
                model.forward_units(x, torch.empty(2, kept, dtype=torch.long))
            counts[kept] = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            model(x)
    assert counts[39] * 392 == counts[392] * 39
    assert counts[392] == counter.get_total_flops()


def test_masks_are_reproducible_uniform_and_each_samples_own() -> None:
    def draw(seed, batch=400):
        return draw_visible(batch, 10, 0.6, generator=torch.Generator().manual_seed(seed))

    visible = draw(3)
    assert visible.shape == (400, 4)
    assert torch.equal(visible, draw(3)) and not torch.equal(visible, draw(4))
    assert (visible.diff(dim=1) > 0).all(), 'ascending, none twice'
    frequency = torch.bincount(visible.flatten(), minlength=10) / len(visible)
    assert frequency == pytest.approx(0.4, abs=0.1)
    assert len({tuple(row) for row in visible.tolist()}) > 100


def test_places_of_masked_tokens() -> None:
    visible = torch.tensor([[0, 3], [4, 5]])
    masked = masked_tokens(visible, (3, 2), (1, 2))  # 3 × 2 units of 1 × 2 tokens: a grid of 3 × 4
    assert masked.tolist() == [[2, 3, 4, 5, 8, 9, 10, 11], [0, 1, 2, 3, 4, 5, 6, 7]]


def test_ratios() -> None:
    assert count_visible(49, 0.6) == 19 and count_visible(392, 0.9) == 39
    assert count_visible(10, 0.9) == 1, 'rounding of 1 - 0.9 costs no unit'


def test_targets_are_pixels_of_first_frames() -> None:
    image = torch.arange(2 * 3 * 8 * 12.0).view(2, 3, 8, 12)
    patches = pixel_patches(image, (4, 4))
    assert patches.shape == (2, 6, 48)
    assert torch.equal(patches[1, 5].view(3, 4, 4), image[1, :, 4:, 8:])
    video = torch.arange(3 * 4 * 8 * 8.0).view(1, 3, 4, 8, 8)
    patches = pixel_patches(video, (2, 4, 4))
    assert patches.shape == (1, 8, 48)
    assert torch.equal(patches[0, 6].view(4, 4, 3), video[0, :, 2, 4:, :4].movedim(0, -1))
    normal = normalize(patches)
    torch.testing.assert_close(normal.mean(-1), torch.zeros(1, 8), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.var(-1), torch.ones(1, 8))


def build(size=(64, 96), **kwargs):
    backbone = dict(type='mmhvt.SMViT', arch=MICRO, input_size=size, q_pool=2) | kwargs.pop('backbone', {})
    model = MAE(backbone, decoder=DECODER | kwargs.pop('decoder', {}), **kwargs)
    model.init_weights()
    return model


OPTIONS = {
    'image': dict(),
    'video': dict(size=(4, 64, 64)),
    'last stage': dict(multi_scale=False),
    'last stage, no pooling': dict(multi_scale=False, backbone=dict(q_pool=0)),
    'pixels': dict(norm_pix=False),
    'kept': dict(keep_masked=True),
    'kept, video, last stage': dict(size=(4, 64, 64), keep_masked=True, multi_scale=False),
    'drop path, recomputed': dict(backbone=dict(drop_path_rate=0.2, with_cp=True)),
    'deep decoder': dict(decoder=dict(depth=3, embed_dims=32, num_heads=4, mlp_ratio=2.0)),
    'pooling in time': dict(size=(32, 32, 64), backbone=dict(mask_unit_size=(8, 8, 8), q_stride=(2, 2, 2))),
    # the models between MViTv2 and SMViT: tests/models/backbones/test_masking.py
    'convolutions': dict(backbone=MVIT),
    'convolutions, video': dict(size=(4, 64, 64), backbone=MVIT | dict(mask_unit_size=(1, 8, 8), abs_pos='separate')),
    'max pools, kept, no pooling at the end': dict(
        keep_masked=True, backbone=MVIT | dict(pool_mode='max', q_pool=None)
    ),
}


@pytest.mark.parametrize('case', OPTIONS)
def test_every_parameter_learns(case) -> None:
    """DistributedDataParallel waits for ever for one that does not."""
    model = build(**OPTIONS[case]).train()
    x = torch.randn(8, 3, *model.backbone.input_size)
    loss = model(x, mode='loss')['loss']
    assert loss.ndim == 0 and loss.isfinite()
    loss.backward()
    idle = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle
    assert not [name for name, _ in model.named_parameters() if name.startswith('backbone.norm')]


def test_options_change_what_they_say() -> None:
    x = torch.randn(2, 3, 64, 96)
    model = build()
    visible = draw_visible(2, 6, 0.6)
    assert len(model.fusion.heads) == 2 and len(build(multi_scale=False).fusion.heads) == 0
    model.norm_pix = False
    _, target, masked = model.reconstruct(x, visible)
    patches = pixel_patches(x, (16, 16))
    assert torch.equal(target[1], patches[1, masked[1]])
    model.norm_pix = True
    assert torch.equal(model.reconstruct(x, visible)[1], normalize(target))


def test_kept_mask_units_stand_in_the_encoder() -> None:
    model = build(keep_masked=True).eval()
    x, visible = torch.randn(2, 3, 64, 96), draw_visible(2, 6, 0.6)
    assert model.decoder.mask_token is None
    seen = []
    model.backbone.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    prediction, _, _ = model.reconstruct(x, visible)
    (tokens,) = seen
    assert tokens.shape == (2, 6 * 64, 16), 'all tokens go through the encoder'
    other = torch.randn_like(x)
    shown = torch.zeros(2, 6).scatter(1, visible, 1).view(2, 1, 2, 3)
    shown = torch.nn.functional.interpolate(shown, (64, 96))
    assert torch.equal(prediction, model.reconstruct(x * shown + other * (1 - shown), visible)[0])
    with torch.no_grad():
        model.mask_token += 1
    assert not torch.allclose(prediction, model.reconstruct(x, visible)[0])


def test_each_step_draws_its_own_masks_unless_told() -> None:
    model, x = build().eval(), torch.randn(4, 3, 64, 96)

    def draw(seed):
        return model.reconstruct(x, generator=seed and torch.Generator().manual_seed(seed))[2]

    assert not torch.equal(draw(None), draw(None))
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
    assert torch.equal(model.reconstruct(x, torch.tensor([[1, 4]] * 4))[2][0, :6], torch.tensor([0, 1, 4, 5, 6, 7]))


def test_clips_of_a_video_are_samples_of_their_own() -> None:
    model = build((4, 64, 64)).eval()
    clips = torch.randn(2, 3, 3, 4, 64, 64)  # 2 videos, 3 clips each
    torch.manual_seed(1)
    loss = model.loss(clips)['loss']
    torch.manual_seed(1)
    assert loss == model.loss(clips.flatten(0, 1))['loss']
    assert model(clips)[0].shape == (6, 128)


def test_features_are_the_backbones() -> None:
    model = build(backbone=dict(out_type='featmap', out_indices=(1, 3))).eval()
    x = torch.randn(2, 3, 64, 96)
    assert [tuple(out.shape) for out in model(x)] == [(2, 32, 8, 12), (2, 128, 4, 6)]
    assert model.get_layer_depth('backbone.blocks.1.attn.qkv.weight') == (2, 7)
    assert model.get_layer_depth('decoder.predict.weight') == (6, 7)


def test_is_built_where_another_package_is_the_default() -> None:
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(migrate.get_source('hiera.fair').mae_cfg(REFERENCE | CASES['image']))
    assert type(model.data_preprocessor).__name__ == 'SelfSupDataPreprocessor'


def test_sizes_other_than_the_built_one() -> None:
    model = build().eval()
    prediction, target, _ = model.reconstruct(torch.randn(1, 3, 128, 64))
    assert prediction.shape == target.shape == (1, 5 * 4, 768)
    with pytest.raises(ValueError, match=r'mask units of \(32, 32\) .* do not divide .*\(80, 96\); \(64, 96\) would'):
        model.reconstruct(torch.randn(1, 3, 80, 96))


def test_autocast_and_compile_agree() -> None:
    model = build().eval()
    x, visible = torch.randn(2, 3, 64, 96), draw_visible(2, 6, 0.6)
    expected = model.loss(x, visible=visible)['loss']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert model.loss(x, visible=visible)['loss'].item() == pytest.approx(expected.item(), rel=0.02)
    compiled = torch.compile(model.reconstruct, backend='eager', fullgraph=True)
    for ours, theirs in zip(compiled(x, visible), model.reconstruct(x, visible), strict=True):
        torch.testing.assert_close(ours, theirs)


# on two processes: a step of the auto-encoder whose encoder FSDP wraps by itself, and one of a plain copy
SHARDED = """
import copy
import torch
from torch import distributed, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from mmhvt.models import MAE, SMViT

distributed.init_process_group('gloo')
torch.set_num_threads(1)
torch.manual_seed(0)
arch = dict(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1))
plain = MAE(dict(type='mmhvt.SMViT', arch=arch, input_size=(64, 96), q_pool=2), decoder=dict(depth=1))
for parameter in plain.parameters():
    nn.init.normal_(parameter, std=0.1)
before, x = copy.deepcopy(plain.state_dict()), torch.randn(2, 3, 64, 96)
policy, cpu = ModuleWrapPolicy({SMViT}), torch.device('cpu')
sharded = FullyShardedDataParallel(copy.deepcopy(plain), auto_wrap_policy=policy, device_id=cpu, use_orig_params=True)
assert isinstance(sharded.module.backbone, FullyShardedDataParallel)
for model in (plain, sharded):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(1)
    model(x, mode='loss')['loss'].backward()
    optimizer.step()
with FullyShardedDataParallel.summon_full_params(sharded):
    found = {name.replace('_fsdp_wrapped_module.', ''): value for name, value in sharded.named_parameters()}
    assert found.keys() == dict(plain.named_parameters()).keys()
    for name, value in plain.named_parameters():
        torch.testing.assert_close(found[name], value, msg=name)
        assert not torch.equal(value, before[name]), name
"""


@pytest.mark.slow
def test_encoder_that_fsdp_wraps_by_itself_trains_as_ever():
    """FSDP gathers parameters in `__call__`, and the encoder is entered by another method."""
    port = str(free_port())
    processes = [
        subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', SHARDED],
            env=os.environ | dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, WORLD_SIZE='2', RANK=rank),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in '01'
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs


def test_it_begins_as_mae_does_unless_told_otherwise() -> None:
    weight = build(backbone=dict(arch='tiny')).backbone.patch_embed.proj.weight
    assert weight.abs().max().item() == pytest.approx(math.sqrt(6 / (147 + 96)), rel=0.01)
    model = build((4, 64, 64))
    assert model.backbone.blocks[0].attn.qkv.weight.abs().max() > 0.2  # Xavier; 0.04 of the paper's normal
    assert (model.fusion.norm.bias == 0).all() and (model.backbone.blocks[0].norm1.bias == 0).all()
    assert model.decoder.mask_token.std().item() == pytest.approx(0.02, rel=0.5)
    own = build(backbone=dict(init_cfg=dict(type='Constant', layer='Linear', val=0.5)))
    assert (own.backbone.blocks[0].attn.qkv.weight == 0.5).all()


@pytest.mark.parametrize('kwargs, message', [
    (dict(mask_ratio=1.0), r'mask_ratio=1.0: the share of mask units to delete must be between 0 and 1'),
    (dict(mask_ratio=0), r'mask_ratio=0: the share'),
    (dict(mask_ratio=0.9), r'mask_ratio=0.9 keeps 0 of 6 mask units: use a lower ratio'),
    (dict(mask_ratio=1e-9), r'keeps 6 of 6 mask units: use a higher ratio'),
    (dict(size=(80, 96)), r'mask units of \(32, 32\) .* do not divide an input of \(80, 96\); \(64, 96\) would do'),
    (dict(backbone=dict(mask_unit_size=(4, 4), q_pool=3)), r'mask units of \(4, 4\) tokens do not survive q_pool=3'),
    (dict(backbone=dict(out_indices=(0, 1))), 'have its last stage in out_indices, got SMViT'),
    (dict(decoder=dict(num_heads=5)), r'5 heads do not divide the 24 channels of the decoder'),
    (dict(decoder=dict(depth=0)), r'a decoder of depth=0 has no block'),
    (dict(decoder=dict(embed_dim=8)), r'the decoder has no embed_dim: choose from embed_dims, depth, num_heads'),
])  # fmt: skip
def test_wrong_configs_say_what_would_do(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_other_backbones_are_refused() -> None:
    with pytest.raises(ValueError, match='the backbone must be mmhvt.SMViT, .*got VisionTransformer'):
        MAE(dict(type='mmhvt.VisionTransformer', input_size=(8, 64, 64)))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_builds_and_trains_every_parameter(path) -> None:
    config = Config.fromfile(path)
    fit_device(config)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        with torch.device('meta'):
            model = MODELS.build(config.model)
        wrapper = build_optim_wrapper(model, config.optim_wrapper)
    trained = {parameter for group in wrapper.optimizer.param_groups for parameter in group['params']}
    assert trained == {parameter for parameter in model.parameters() if parameter.requires_grad}
    video = len(model.backbone.input_size) == 3
    if video:
        # mmpretrain's train.py puts default_collate where nothing stands; mmaction's preprocessor takes lists alone
        repeats = config.train_dataloader.dataset.type == 'mmhvt.RepeatAugDataset'
        collate = config.train_dataloader.get('collate_fn', dict(type='default_collate'))
        assert collate['type'] == ('repeat_pseudo_collate' if repeats else 'pseudo_collate')
    x = torch.empty(2, 3, *model.backbone.input_size, device='meta')
    loss = model.eval()(x[:, None] if video else x, mode='loss')['loss']
    loss.backward()
    assert not [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_repeated_sampling_decodes_once(root, tmp_path, monkeypatch) -> None:
    """A dataset of mmaction in an mmpretrain config: one video read, four clips of it."""
    config = Config.fromfile(next((root / 'configs/mae').glob('mae_smvit-micro_*moving-shapes-rgb.py')))
    assert config.default_scope == 'mmpretrain'
    write_dataset(tmp_path / 'shapes', clips_per_class=1, val_clips_per_class=1, size=32, processes=1)
    decoded, decode = [], DecordDecode.transform
    monkeypatch.setattr(DecordDecode, 'transform', lambda self, results: decoded.append(1) or decode(self, results))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(dict(config.train_dataloader.dataset, data_root=str(tmp_path / 'shapes')))
        model = MODELS.build(config.model)
    samples = dataset[0]
    assert len(samples) == 4 and len(decoded) == 1
    assert len({sample['inputs'].numpy().tobytes() for sample in samples}) > 1
    data = model.data_preprocessor(repeat_pseudo_collate([samples, dataset[3]]), training=True)
    assert data['inputs'].shape == (8, 1, 3, 8, 32, 32)
    assert model(**data, mode='loss')['loss'].isfinite()


SHAPES = dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1))  # of configs/_base_/models/mae_smvit_micro.py
# what pre-training is for, in the scope of each
USES = {
    'mmaction': dict(
        type='Recognizer3D',
        backbone=dict(input_size=(8, 32, 32)),
        cls_head=dict(type='mmhvt.RecognitionHead', num_classes=8, in_channels=384),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3, format_shape='NCTHW'),
    ),
    'mmpretrain': dict(
        type='ImageClassifier',
        backbone=dict(input_size=(32, 32)),
        head=dict(type='LinearClsHead', num_classes=8, in_channels=384),
    ),
    'mmdet': dict(
        type='RetinaNet',
        backbone=dict(input_size=(32, 32), out_indices=(0, 1, 2, 3), out_type='featmap'),
        neck=dict(type='FPN', in_channels=[48, 96, 192, 384], out_channels=16, num_outs=5),
        bbox_head=dict(type='RetinaHead', num_classes=3, in_channels=16, feat_channels=16, stacked_convs=1),
    ),
}
NORM = ['norm.bias', 'norm.weight']


def use(scope, checkpoint, monkeypatch):
    """The model of a scope with a checkpoint loaded into its backbone, and what is reported of that."""
    cfg, reports = copy.deepcopy(USES[scope]), []
    monkeypatch.setattr(migrate, 'print_log', lambda message, *args: reports.append(message))
    cfg['backbone'] |= dict(
        type='mmhvt.SMViT', arch=SHAPES, init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint))
    )
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg)
        model.init_weights()
    (report,) = reports
    return model, report


IMAGES = """
_base_ = ['{base}']
data_preprocessor = dict(type='SelfSupDataPreprocessor', mean=[114.75] * 3, std=[57.375] * 3, bgr_to_rgb=True)
model = dict(
    data_preprocessor=dict(_delete_=True, **data_preprocessor),
    backbone=dict(input_size=(32, 32), mask_unit_size=(4, 4)))
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    collate_fn=dict(_delete_=True, type='default_collate'),
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='{data}',
        with_label=False,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResizedCrop', scale=32, crop_ratio_range=(0.5, 1.0)),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs')]))
train_cfg = dict(max_epochs=1)
"""
VIDEOS = """
_base_ = ['{base}']
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{data}'))
train_cfg = dict(max_epochs=1)
"""


@pytest.fixture(scope='module', params=['image', 'video'])
def trained(request, root, tmp_path_factory):
    """Kind and checkpoint of a run of two iterations through mim, on PNGs or MP4s."""
    folder, data = tmp_path_factory.mktemp(request.param), tmp_path_factory.mktemp('data')
    if request.param == 'video':
        write_dataset(data / 'shapes', clips_per_class=4, val_clips_per_class=1, size=32, processes=1)
        text, data = VIDEOS, data / 'shapes'
    else:
        text, generator = IMAGES, np.random.RandomState(0)
        for index in range(32):
            cv2.imwrite(str(data / f'{index}.png'), generator.randint(0, 256, (48, 40, 3), dtype=np.uint8))
    base = next((root / 'configs/mae').glob('mae_smvit-micro_*moving-shapes-rgb.py'))
    (folder / 'config.py').write_text(text.format(base=base, data=data))
    environ = os.environ | {
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        'OMP_NUM_THREADS': '1',
        'CUDA_VISIBLE_DEVICES': '',
    }
    command = ['mim', 'train', 'mmpretrain', folder / 'config.py', '--work-dir', folder / 'work', '--gpus', '0']
    done = subprocess.run(
        list(map(str, command)), env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return request.param, folder / 'work/epoch_1.pth'


@pytest.mark.slow
def test_what_mim_wrote_goes_to_use(trained, monkeypatch) -> None:
    kind, checkpoint = trained
    content = migrate.read(str(checkpoint))
    assert not [name for name in content if name.split('.')[0] not in ('backbone', 'fusion', 'decoder')]
    for scope, cfg in USES.items():
        if scope == 'mmdet':
            pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
        model, report = use(scope, checkpoint, monkeypatch)
        state_dict = model.backbone.state_dict()
        missing = report.split('left as initialized: ')[1].split(', ')
        assert missing == NORM, report
        same_axes = (len(cfg['backbone']['input_size']) == 3) == (kind == 'video')
        for name, value in state_dict.items():
            found = content.get(f'backbone.{name}')
            if name not in NORM and (same_axes or not name.startswith(('patch_embed.proj.weight', 'pos_embed'))):
                assert torch.equal(value, found), name
        assert ('resized or derived' in report) == (not same_axes)
        if same_axes:
            continue
        kernel = content['backbone.patch_embed.proj.weight']
        ours = state_dict['patch_embed.proj.weight']
        assert torch.equal(ours[:, :, 1], kernel) if kind == 'image' else torch.equal(ours, kernel.sum(2))
