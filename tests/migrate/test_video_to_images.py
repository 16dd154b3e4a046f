"""Weights of video models in models of images."""

import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.config import ConfigDict
from torch import Tensor, nn

from helpers import mvit_references, port_references, uniformerv2_references
from helpers.checkpoints import build_from_file, save_backbone
from helpers.detection import FAMILIES, UNIFORMERV2, detector_parts, mvit
from helpers.references import randomize
from helpers.video_swin_references import VIDEO, mmaction_config, mmaction_reference, torchvision_reference, video_case
from mmhvt import migrate
from mmhvt.migrate import adapt_backbone, get_source
from mmhvt.models.backbones.mvit import Pooling
from mmhvt.registry import MODELS

mmaction = get_source('mvit.mmaction')
mmaction_swin = get_source('swin.mmaction')
mmaction_uniformerv2 = get_source('uniformerv2.mmaction')
timm_hiera = get_source('hiera.timm')
torchvision = get_source('mvit.torchvision')
torchvision_swin = get_source('swin.torchvision')

PATCHES_OF_TWO_FRAMES = dict(patch_kernel=(2, 7, 7), patch_stride=(2, 4, 4), patch_padding=(0, 3, 3))
SMVIT = dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1)))
SWIN = dict(type='mmhvt.VideoSwin', arch=dict(embed_dims=16, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8)))
SIDE, FRAMES = 96, 16
MAPS = dict(out_indices=(0, 1, 2, 3), out_type='featmap')
# models of videos and of images; without padding in time, which a still clip would not be still at
STILL = {
    'SMViT': (dict(SMVIT, **PATCHES_OF_TWO_FRAMES), SMVIT),
    'MViT': (
        mvit(1, with_cls_token=False, pool_kernel=(1, 3, 3), kv_stride=(1, 4, 4), **PATCHES_OF_TWO_FRAMES),
        mvit(1, with_cls_token=False),
    ),
    'MViTv2': (mvit(2, pool_kernel=(1, 3, 3), kv_stride=(1, 4, 4), **PATCHES_OF_TWO_FRAMES), mvit(2)),
    'Video Swin': (dict(SWIN, window_size=(4, 3, 3)), dict(SWIN, window_size=(3, 3))),
}


def video(cfg: dict, **kwargs) -> nn.Module:
    return randomize(MODELS.build(dict(cfg, input_size=(FRAMES, SIDE, SIDE)) | kwargs))


def still(x: Tensor, frames: int = FRAMES) -> Tensor:
    return x[:, :, None].repeat(1, 1, frames, 1, 1)


@pytest.mark.parametrize('family', STILL)
@torch.no_grad()
def test_an_image_is_what_a_still_clip_is_to_the_video_model(family: str, tmp_path: Path) -> None:
    """Kernels over time are summed, positions in time averaged, and what looks between frames finds nothing new.

    Exact without a class token, which a clip's keys outnumber, and where positions in time and biases between frames
    are the same everywhere. Relative positions in time may be any: keys of all frames have their shares of them.
    """
    cfg, image_cfg = STILL[family]
    model = video(cfg, **MAPS)
    if family in ('SMViT', 'MViT'):
        model.pos_embed.temporal.data[:] = torch.randn(model.pos_embed.temporal.shape[-1])
    if family == 'Video Swin':
        for block in model.blocks:
            table = block.attn.rel_pos.table.data.unflatten(0, (7, 5, 5))
            table.copy_(torch.randn(7, 1, 1, 1) + torch.randn(5, 5, table.shape[-1]))
    image = build_from_file(image_cfg, save_backbone(model, tmp_path / 'video.pth'), input_size=(SIDE, SIDE), **MAPS)
    x = torch.randn(1, 3, SIDE, SIDE)
    for ours, clips in zip(image(x), model(still(x)), strict=True):
        torch.testing.assert_close(still(ours, clips.shape[2]), clips, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('family', [*FAMILIES, 'UniFormerV2'])
@torch.no_grad()
def test_classifiers_of_images_load(family: str, tmp_path: Path) -> None:
    """And see in the last map what they saw, at the size of their training."""
    cfg, _ = detector_parts(family)
    # of classification: no windows, plain positions, one norm
    plain = {key: value for key, value in cfg.items() if key not in ('window_size', 'pos_embed', 'out_indices')}
    classifier = randomize(MODELS.build(ConfigDict(plain)))
    path = save_backbone(classifier, tmp_path / 'image.pth')
    x = torch.randn(1, 3, 64, 64)
    outs = build_from_file(cfg, path)(x)
    assert len(outs) == (1 if family == 'UniFormerV2' else 4)
    if family == 'MViTv2':  # windows see zeros behind the image's end: what they do is tested by hand
        assert outs[-1].shape == classifier(x)[-1].shape
        outs = build_from_file({key: value for key, value in cfg.items() if key != 'window_size'}, path)(x)
    torch.testing.assert_close(outs[-1], classifier(x)[-1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_positions_in_time_are_averaged(tmp_path: Path) -> None:
    """And the default patches of three frames are summed: at the clip's first slice one of them is padding."""
    model = video(SMVIT, **MAPS)
    path = save_backbone(model, tmp_path / 'video.pth')
    image = build_from_file(SMVIT, path, input_size=(SIDE, SIDE), **MAPS)
    tables = model.pos_embed
    torch.testing.assert_close(image.pos_embed.joint, tables.spatial + tables.temporal.mean(1, keepdim=True))
    x = torch.randn(1, 3, SIDE, SIDE)
    clip, one = model.patch_embed(still(x)), image.patch_embed(x)
    torch.testing.assert_close(clip[:, 1:], one[:, None].expand_as(clip[:, 1:]), rtol=1e-4, atol=1e-4)
    assert (clip[:, 0] - one).abs().max() > 0.1
    # larger, in both forms
    for form in ('joint', 'windowed'):
        large = build_from_file(SMVIT, path, input_size=(SIDE, SIDE), pos_embed=form, **MAPS)
        embedding = large.pos_embed((SIDE // 4, SIDE // 4)).flatten(1, 2)
        torch.testing.assert_close(embedding, image.pos_embed.joint, rtol=0, atol=1e-5)


@pytest.mark.parametrize('stride', [1, 2])
@torch.no_grad()
def test_poolings_over_three_frames_are_summed(stride: int) -> None:
    """As :func:`migrate.resizing.resize_parameters` sums them; the first and the last frame of a clip see padding."""
    settings = dict(head_dims=4, mode='conv', norm_cfg=dict(type='LN', eps=1e-6))
    clip = randomize(Pooling(kernel=(3, 3, 3), stride=(1, stride, stride), padding=(1, 1, 1), **settings))
    image = Pooling(kernel=(3, 3), stride=(stride, stride), padding=(1, 1), **settings)
    image.load_state_dict(clip.state_dict() | dict(weight=clip.weight.sum(2)))
    x = torch.randn(1, 8 * 8, 8)
    one, grid = image(x, (8, 8), 2, 0)
    all_frames, grids = clip(x.repeat(1, 5, 1), (5, 8, 8), 2, 0)
    assert grids == (5, *grid)
    all_frames = all_frames.unflatten(2, (5, -1))
    inner = all_frames[:, :, 1:-1]
    torch.testing.assert_close(inner, one[:, :, None].expand_as(inner), rtol=1e-4, atol=1e-4)
    assert (all_frames[:, :, 0] - one).abs().max() > 0.1


@torch.no_grad()
def test_biases_that_mix_time_and_space_stay_close(tmp_path: Path) -> None:
    """No image's table does what such a window does at each of its frames; the one within a frame is farther off."""
    model = video(dict(SWIN, window_size=(4, 3, 3)), **MAPS)
    image = build_from_file(
        dict(SWIN, window_size=(3, 3)), save_backbone(model, tmp_path / 'video.pth'), input_size=(SIDE, SIDE), **MAPS
    )
    x = torch.randn(1, 3, SIDE, SIDE)
    clips = [maps.mean(2) for maps in model(still(x))]

    def distances() -> list[float]:
        return [((a - b).norm() / b.norm()).item() for a, b in zip(image(x), clips, strict=True)]

    found = distances()
    for block, other in zip(image.blocks, model.blocks, strict=True):
        block.attn.rel_pos.table.data = other.attn.rel_pos.table.unflatten(0, (7, -1))[3]
    assert max(found) < 0.02 and all(3 * a < b for a, b in zip(found, distances(), strict=True))


LOCAL = dict(UNIFORMERV2, local_layers='all', global_layers='2')


@torch.no_grad()
def test_uniformerv2_sees_a_still_clip_as_the_image(tmp_path: Path) -> None:
    """With local blocks, whose kernels over time are summed: two in each of two layers see four frames to a side."""
    model = video(LOCAL, input_size=(12, 64, 48), out_type='featmap')
    for name, buffer in model.named_buffers():
        if name.endswith('running_var'):
            buffer.uniform_(0.5, 2.0)
    image = build_from_file(
        LOCAL, save_backbone(model, tmp_path / 'video.pth'), input_size=(64, 48), out_type='featmap'
    )
    x = torch.randn(1, 3, 64, 48)
    (ours,), (clips,) = image(x), model(still(x, 12))
    torch.testing.assert_close(still(ours, 4), clips[:, :, 4:8], rtol=1e-4, atol=1e-4)
    assert (clips[:, :, 0] - ours).abs().max() > 1e-2


def statuses_of(cfg: dict, model: nn.Module, **kwargs) -> dict[str, list[str]]:
    """What becomes of a video model's parameters in a model of images: names by status."""
    image = MODELS.build(cfg | kwargs)
    fitted, report = adapt_backbone(image, model.state_dict(), 'video.pth')
    image.load_state_dict(fitted, strict=not report.missing_keys)
    found = {}
    for tensor in report.tensors:
        found.setdefault(tensor.status, []).append(tensor.name)
    return found


def test_what_looks_between_frames_is_left_out_and_told() -> None:
    """Of models of images that have none of it: local blocks, designs of Video Swin, class tokens, tables of time."""
    plain = dict(UNIFORMERV2, global_layers=None, input_size=(64, 48), out_type='featmap')
    model = video(LOCAL, input_size=(4, 64, 48))
    found = statuses_of(plain, model)
    temporal = [name for name in model.state_dict() if name.startswith('blocks.') and '.temporal' in name]
    fusion = [name for name in model.state_dict() if name.startswith('fusion.')]
    assert temporal and found['left out'] == sorted([*temporal, *fusion, 'alpha_logit'])
    assert found['summed'] == ['patch_embed.proj.weight'] and 'missing' not in found
    # not where only some layers have them, which tells another model
    with pytest.raises(ValueError, match=r'blocks\.0\.temporal1\.\w+\.\w+ is not in the model'):
        statuses_of(dict(plain, local_layers='2'), model)

    for design in ('split', 'factorized'):
        model = video(SWIN, design=design)
        found = statuses_of(dict(SWIN, input_size=(SIDE, SIDE)), model)
        assert found['left out'] == sorted(name for name in model.state_dict() if 'temporal' in name)

    model = video(mvit(2, with_cls_token=True))
    found = statuses_of(mvit(2, window_size=56), model, input_size=(SIDE, SIDE), **MAPS)
    times = [f'blocks.{i}.attn.rel_pos.q.t' for i in range(6)]
    assert found['left out'] == [*times, 'cls_token']
    assert found['missing'] == [f'norm{i}.{name}' for i in range(3) for name in ('weight', 'bias')]
    kernels = [f'blocks.{i}.attn.pool_{x}.weight' for i in range(6) for x in 'qkv']
    assert sorted(found['summed']) == sorted([*kernels, 'patch_embed.proj.weight'])


def test_the_log_says_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    monkeypatch.setattr(migrate, 'print_log', lambda message, *_: lines.append(message))
    build_from_file(SMVIT, save_backbone(video(SMVIT), tmp_path / 'video.pth'), input_size=(128, 160), **MAPS)
    (line,) = lines
    assert re.search(
        r'SMViT: loaded \d+ parameters; resized or derived 2: .*patch_embed.proj.weight \(16, 3, 3, 7, 7\) → '
        r'\(16, 3, 7, 7\).*pos_embed.joint \(new, derived\)',
        line,
    )


@pytest.mark.parametrize('sides', [(32, 32), (64, 64)], ids=['other grid', 'as many tokens'])
def test_joint_positions_of_clips_need_their_space(
    sides: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 slices of 8×8 tokens are as many as 16×16 of an image: files do not tell which."""
    model = MODELS.build(dict(SMVIT, input_size=(8, 32, 32), pos_embed='joint'))
    path = save_backbone(model, tmp_path / 'joint.pth')
    if sides == (64, 64):
        with pytest.raises(ValueError, match=r"clip's joint embedding of 256 tokens .* an input_size of the clip's"):
            build_from_file(SMVIT, path, input_size=sides)
        return
    lines = []
    monkeypatch.setattr(migrate, 'print_log', lambda message, *_: lines.append(message))
    image = build_from_file(SMVIT, path, input_size=sides)
    torch.testing.assert_close(image.pos_embed.joint, model.pos_embed.joint.unflatten(1, (4, 64)).mean(1))
    assert 'pos_embed.joint (1, 256, 16) → (1, 64, 16), read as 4 frames of 8x8' in lines[0]


AXES = (
    'input_size', 'patch_kernel', 'patch_stride', 'patch_padding', 'patch_size', 'mask_unit_size', 'q_stride',
    'pool_kernel', 'kv_stride', 'window_size',
)  # fmt: skip


def of_images(cfg: dict) -> dict:
    """The config of a video backbone without time."""
    cfg = {key: value[-2:] if key in AXES else value for key, value in (dict(input_size=(64, 64)) | cfg).items()}
    if cfg.get('pos_embed') == 'separate':
        del cfg['pos_embed']
    return dict(type='mmhvt.UniFormerV2') | cfg if 'vit' in cfg else cfg


def swin_cfg_and_reference(source: ModuleType) -> tuple[dict, nn.Module]:
    config, _, _ = video_case(VIDEO['windows divide all grids'])
    if source is torchvision_swin:
        return config, torchvision_reference(config)
    return mmaction_config(config), mmaction_reference(mmaction_config(config))


SOURCES = {
    timm_hiera: lambda: port_references.make('hiera video')[1:3],
    torchvision: lambda: mvit_references.torchvision_case(mvit_references.TORCHVISION['v2 odd grids'])[:2],
    mmaction: lambda: mvit_references.mmaction_case(mvit_references.MMACTION_CASES['like v1'])[:2],
    torchvision_swin: lambda: swin_cfg_and_reference(torchvision_swin),
    mmaction_swin: lambda: swin_cfg_and_reference(mmaction_swin),
    mmaction_uniformerv2: lambda: uniformerv2_references.mmaction_case(
        uniformerv2_references.MMACTION_CASES['temporal downsampling']
    ),
}


@pytest.mark.parametrize('source', SOURCES, ids=lambda source: source.name)
@torch.no_grad()
def test_published_video_models_load_into_image_models(source: ModuleType, tmp_path: Path) -> None:
    """As they were published: with the same result as our own file of the same weights, and a use in a detector."""
    config, reference = SOURCES[source]()
    theirs = randomize(reference).state_dict()
    if source is mmaction_uniformerv2:
        theirs = {f'backbone.{name}': value for name, value in theirs.items()}
    torch.save(dict(state_dict=theirs), tmp_path / 'theirs.pth')
    ours = MODELS.build(source.backbone_cfg(config))
    converted = source.state_dict(theirs)
    ours.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('backbone.')})

    cfg = of_images(source.backbone_cfg(config)) | dict(out_type='featmap')
    image = build_from_file(cfg, str(tmp_path / 'theirs.pth'))
    again = build_from_file(cfg, save_backbone(ours, tmp_path / 'ours.pth'))
    kernel = ours.patch_embed.proj.weight
    torch.testing.assert_close(image.patch_embed.proj.weight, kernel.sum(2))
    found = again.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in image.state_dict().items())
    (maps,) = image(torch.randn(1, 3, 128, 96))
    ((height, width),) = image.out_strides
    assert maps.isfinite().all() and maps.shape[2:] == (128 // height, 96 // width)
