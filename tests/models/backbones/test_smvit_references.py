"""SMViT against the public Hiera code on the same weights, and the map between their names."""

import functools

import hiera
import pytest
import torch
from hiera.hiera_mae import MaskedAutoencoderHiera
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
    state_dict = migrate.get_source('hiera.fair').state_dict(reference.state_dict())
    backbone = MODELS.build(migrate.get_source('hiera.fair').backbone_cfg(config) | kwargs).eval()
    head = RecognitionHead(7, backbone.embed_dims).eval()
    backbone.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('backbone.')})
    head.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('cls_head.')})
    x = torch.randn(2, 3, *config['input_size'])
    return reference, backbone, head, x


def gradients(module):
    return {name: parameter.grad for name, parameter in module.named_parameters()}


@pytest.mark.parametrize('case', CASES)
def test_logits_and_gradients_equal_hieras(case) -> None:
    reference, backbone, head, x = reference_and_ours(case)
    reference.head.act_func = lambda scores: scores
    # in single precision another rounding now and then chooses another maximum
    for module in (reference, backbone, head):
        module.double()
    x = x.double()
    x_ours = x.clone().requires_grad_()
    x.requires_grad_()
    theirs, ours = reference(x).float(), head(backbone(x_ours))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.std().item())

    weight = torch.randn_like(theirs)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    expected = migrate.get_source('hiera.fair').state_dict(gradients(reference))
    actual = {f'backbone.{k}': v for k, v in gradients(backbone).items()}
    actual |= {f'cls_head.{k}': v for k, v in gradients(head).items()}
    assert actual.keys() == expected.keys()
    for name, grad in expected.items():
        torch.testing.assert_close(actual[name], grad, rtol=1e-3, atol=1e-4 * (grad.std().item() + 1e-6), msg=name)
    torch.testing.assert_close(x_ours.grad, x.grad, rtol=1e-3, atol=1e-4 * x.grad.std().item())


@pytest.mark.parametrize('case', CASES)
def test_stages_equal_hieras(case) -> None:
    reference, backbone, _, x = reference_and_ours(case, out_indices=(0, 1, 2, 3), out_type='featmap')
    _, stages = reference(x, return_intermediates=True)
    outs = backbone(x)
    assert len(outs) == len(stages) == 4
    for ours, theirs in zip(outs, stages, strict=True):
        torch.testing.assert_close(ours.movedim(1, -1), theirs, rtol=1e-4, atol=1e-4 * theirs.std().item())


@pytest.mark.parametrize('arch', ARCHS)
@pytest.mark.parametrize('video', [False, True])
def test_architectures_have_hieras_parameters(arch, video, monkeypatch) -> None:
    monkeypatch.setattr(torch, 'linspace', functools.partial(torch.linspace, device='cpu'))  # Hiera reads its values
    name = f'hiera_{arch}_16x224' if video else f'hiera_{arch}_224'
    if not hasattr(hiera, name):  # the public code has no video model of tiny and small
        name = 'hiera_base_16x224'
    sizes = {
        k: getattr(ARCHS[arch], ours)
        for k, ours in (('embed_dim', 'embed_dims'), ('num_heads', 'num_heads'), ('stages', 'depths'))
    }
    with torch.device('meta'):
        reference = getattr(hiera, name)(**(sizes if name == 'hiera_base_16x224' and arch != 'base' else {}))
        ours = SMViT(arch, input_size=(16, 224, 224) if video else (224, 224))
    expected = migrate.get_source('hiera.fair').state_dict(reference.state_dict())
    expected = {k[9:]: v.shape for k, v in expected.items() if k.startswith('backbone.')}
    assert {k: v.shape for k, v in ours.state_dict().items()} == expected


def test_hiera_export_is_the_inverse() -> None:
    reference = hiera.Hiera(**MICRO_REFERENCE, input_size=(32, 32)).state_dict()
    back = migrate.get_source('hiera.fair').export(migrate.get_source('hiera.fair').state_dict(reference))
    assert back.keys() == reference.keys()
    assert all(torch.equal(back[name], value) for name, value in reference.items())
    with pytest.raises(ValueError, match='stages.0.weight'):
        migrate.get_source('hiera.fair').state_dict({'stages.0.weight': torch.zeros(1)})
    with pytest.raises(ValueError, match='backbone.blocks.0.other'):
        migrate.get_source('hiera.fair').export({'backbone.blocks.0.other': torch.zeros(1)})


def test_checkpoints_load_whole_or_not_at_all(tmp_path) -> None:
    reference = hiera.Hiera(**MICRO_REFERENCE, input_size=(64, 64))
    published, other, ours, cut, text = (tmp_path / name for name in ('hiera.pth', 'other', 'ours', 'cut', 'text'))
    torch.save({'model_state': reference.state_dict()}, published)
    cfg = dict(type='mmhvt.SMViT', arch=MICRO, input_size=(64, 64))

    def build(path, **kwargs):
        model = MODELS.build(cfg | dict(init_cfg=dict(type='Pretrained', checkpoint=str(path))) | kwargs)
        model.init_weights()
        return model

    model = build(published)
    assert torch.equal(model.blocks[1].mlp.fc2.weight, reference.blocks[1].mlp.fc2.weight)

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


def test_pretrained_autoencoder_loads_but_for_its_final_norm(tmp_path) -> None:
    config = {key: value for key, value in MICRO_REFERENCE.items() if key != 'num_classes'}
    size = dict(input_size=(4, 64, 64), sep_pos_embed=True, **VIDEO_REFERENCE)
    reference = MaskedAutoencoderHiera(**config, **size, decoder_embed_dim=16, decoder_depth=1, decoder_num_heads=2)
    state_dict = reference.state_dict()
    torch.save({'model_state': state_dict}, tmp_path / 'mae.pth')
    back = migrate.get_source('hiera.fair').export(migrate.get_source('hiera.fair').state_dict(state_dict))
    assert back.keys() == state_dict.keys()
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'mae.pth'))
    model = SMViT(MICRO, input_size=(4, 64, 64), init_cfg=init_cfg)
    model.init_weights()
    assert torch.equal(model.pos_embed.temporal, reference.pos_embed_temporal)
    assert torch.equal(model.blocks[5].attn.proj.weight, reference.blocks[5].attn.proj.weight)
    assert (model.norm.weight == 1).all()
