"""Backbones as detectors of images use them: their pyramids, sizes that windows do not divide, weights of videos."""

import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from test_more_sources import make as make_more
from test_mvit_references import (
    MMACTION_CASES,
    TORCHVISION,
    mmaction_case,
    one_thread,  # noqa: F401 - a fixture for all tests
    randomise,
    torchvision_case,
)
from test_uniformerv2_sources import MMACTION_CASES as UNIFORMERV2_CASES
from test_uniformerv2_sources import mmaction_case as uniformerv2_case
from test_video_swin_references import VIDEO, mmaction_config, mmaction_reference, torchvision_reference, video_case
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.migrate import mmaction, mmaction_swin, mmaction_uniformerv2, timm_hiera, torchvision, torchvision_swin
from mmhvt.migrate.loading import adapt_backbone
from mmhvt.models.backbones.mvit import Pooling
from mmhvt.models.backbones.video_swin import WindowAttention
from mmhvt.registry import MODELS

STRIDES = (4, 8, 16, 32)
DIMS = [16, 32, 64, 128]


def mvit(version: int, **kwargs) -> dict:
    arch = dict(version=version, embed_dims=16, num_heads=1, depths=(1, 2, 2, 1))
    return dict(type='mmhvt.MViT', arch=arch, **kwargs)


# backbones of four stages, and the channels of their outputs
FAMILIES = {
    'MViT': (mvit(1), [32, 64, 128, 128]),
    'MViTv2': (mvit(2, window_size=56), DIMS),
    'SMViT': (dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))), DIMS),
    'SMViT, windowed positions': (
        dict(
            type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)), pos_embed='windowed'
        ),
        DIMS,
    ),
    'Video Swin': (
        dict(type='mmhvt.VideoSwin', arch=dict(embed_dims=16, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8))),
        DIMS,
    ),
}  # fmt: skip
UNIFORMERV2 = dict(type='mmhvt.UniFormerV2', arch=dict(embed_dims=24, num_heads=3, depth=2, patch_size=16))


def detector_parts(family: str, size: tuple[int, int] = (64, 64), channels: int = 8) -> tuple[dict, dict]:
    """Configs of a backbone for images and of its neck, which gives four levels."""
    if family == 'UniFormerV2':
        neck = dict(type='mmhvt.SimpleFeaturePyramid', in_channels=24, out_channels=channels, num_outs=4)
        return dict(UNIFORMERV2, input_size=size, out_type='featmap'), neck
    backbone, dims = FAMILIES[family]
    neck = dict(type='mmdet.FPN', in_channels=dims, out_channels=channels, num_outs=4)
    return dict(backbone, input_size=size, out_indices=(0, 1, 2, 3), out_type='featmap'), neck


def build(family: str, **kwargs) -> tuple[nn.Module, nn.Module]:
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    return tuple(randomise(MODELS.build(ConfigDict(cfg))) for cfg in detector_parts(family, **kwargs))


def sizes_of_levels(size: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(math.ceil(n / stride) for n in size) for stride in STRIDES]


# 32 pixels: one mask unit, less than one window; 36: odd grids, a last stage of 2 by 2; windows divide the others not
@pytest.mark.parametrize('size', [(32, 32), (36, 60), (192, 320), (200, 264)])
@pytest.mark.parametrize('family', FAMILIES)
@torch.no_grad()
def test_strides_4_to_32(family: str, size: tuple[int, int]) -> None:
    backbone, neck = build(family)
    maps = backbone(torch.randn(1, 3, *size))
    assert [tuple(out.shape[2:]) for out in maps] == sizes_of_levels(size)
    assert [out.shape[1] for out in maps] == FAMILIES[family][1]
    assert all(out.is_contiguous() and out.isfinite().all() for out in maps)
    levels = neck(maps)
    assert [tuple(level.shape[2:]) for level in levels] == sizes_of_levels(size)


@pytest.mark.parametrize('size', [(16, 16), (48, 80), (192, 320)])
@torch.no_grad()
def test_strides_4_to_32_of_a_plain_vit(size: tuple[int, int]) -> None:
    backbone, neck = build('UniFormerV2')
    levels = neck(backbone(torch.randn(1, 3, *size)))
    assert [tuple(level.shape[2:]) for level in levels] == sizes_of_levels(size)
    assert all(level.isfinite().all() for level in levels)


@pytest.mark.parametrize('family', [*FAMILIES, 'UniFormerV2'])
def test_batches_of_unequal_images(family: str) -> None:
    """Padded to one size by mmdet; an image's features do not depend on its neighbours, and gradients reach pixels."""
    backbone, neck = build(family)
    from mmdet.models import DetDataPreprocessor
    from mmdet.structures import DetDataSample

    preprocessor = DetDataPreprocessor(mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=False, pad_size_divisor=32)
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in ((50, 90), (91, 37))]
    samples = [DetDataSample(metainfo=dict(img_shape=image.shape[1:])) for image in images]
    inputs = preprocessor(dict(inputs=images, data_samples=samples))['inputs']
    assert inputs.shape == (2, 3, 96, 96)
    levels = neck(backbone(inputs))
    assert [tuple(level.shape[2:]) for level in levels] == sizes_of_levels((96, 96))
    for i in range(2):
        for level, alone in zip(levels, neck(backbone(inputs[i : i + 1])), strict=True):
            torch.testing.assert_close(level[i : i + 1], alone, rtol=1e-4, atol=1e-4)
    sum(level.square().mean() for level in levels).backward()
    assert backbone.patch_embed.proj.weight.grad.abs().sum() > 0
    # DistributedDataParallel would wait for them
    assert not [name for name, p in backbone.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize('family, divisor', [(name, 4) for name in FAMILIES] + [('UniFormerV2', 16)])
@torch.no_grad()
def test_sides_that_patches_do_not_divide(family: str, divisor: int) -> None:
    backbone, _ = build(family)
    x = torch.randn(1, 3, 65, 94)
    if family == 'Video Swin':  # which fills up by itself
        whole = F.pad(x, (0, 2, 0, 3))
        assert all(torch.equal(a, b) for a, b in zip(backbone(x), backbone(whole), strict=True))
        return
    wanted = (
        rf'\({divisor}, {divisor}\) does not divide an input of \(65, 94\); .*'
        f'pad_size_divisor={divisor} of a data_preprocessor'
    )
    with pytest.raises(ValueError, match=wanted):
        backbone(x)


# ---- windows that do not divide the grid


def mvitv2_by_hand(weights: dict[str, Tensor], x: Tensor, depths: Sequence[int], window: int) -> list[Tensor]:
    """Outputs (N, C, H, W) of MViTv2 for detection with one head in stage 1, head by head and window by window.

    Attention of mvitv2, sections 4.1 and 4.2: pooled queries, keys and values, dense scores with a bias gathered for
    each pair of places, hybrid windows that zeros fill up. Blocks at the end of stages 2 to 4 see everything.
    """

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[f'{name}.weight'], weights[f'{name}.bias'], eps=1e-6)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, weights[f'{name}.weight'], weights[f'{name}.bias'])

    def relative(table: Tensor, queries: int, keys: int) -> Tensor:
        """R of each pair of coordinates, (queries, keys, d)."""
        size = 2 * max(queries, keys) - 1
        table = F.interpolate(table.t()[None], size=size, mode='linear')[0].t()
        q = np.arange(queries, dtype=np.float32)[:, None] * np.float32(max(keys / queries, 1))
        k = np.arange(keys, dtype=np.float32)[None] * np.float32(max(queries / keys, 1))
        return table[(q - k + np.float32((keys - 1) * max(queries / keys, 1))).astype(np.int64)]

    def attention(q: Tensor, k: Tensor, v: Tensor, name: str) -> Tensor:
        """Maps (h, w, d) of queries and of keys -> (h, w, d)."""
        rows = relative(weights[f'{name}.rel_pos.q.h'], len(q), len(k))
        columns = relative(weights[f'{name}.rel_pos.q.w'], q.shape[1], k.shape[1])
        scores = torch.einsum('hwc,klc->hwkl', q, k) * q.shape[-1] ** -0.5
        scores = scores + torch.einsum('hwc,hkc->hwk', q, rows)[:, :, :, None]
        scores = scores + torch.einsum('hwc,wlc->hwl', q, columns)[:, :, None, :]
        return torch.einsum('hwkl,klc->hwc', scores.flatten(2).softmax(-1).view_as(scores), v)

    def windows(q: Tensor, k: Tensor, v: Tensor, q_side: int, k_side: int, name: str) -> Tensor:
        height, width, _ = q.shape
        rows, columns = math.ceil(height / q_side), math.ceil(width / q_side)

        def fill(x: Tensor, side: int) -> Tensor:
            return F.pad(x, (0, 0, 0, columns * side - x.shape[1], 0, rows * side - x.shape[0]))

        q, k, v = fill(q, q_side), fill(k, k_side), fill(v, k_side)
        out = torch.zeros_like(q)
        for row in range(rows):
            for column in range(columns):
                queries, keys = (
                    (slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side))
                    for side in (q_side, k_side)
                )
                out[queries] = attention(q[queries], k[keys], v[keys], name)
        return out[:height, :width]

    x = F.conv2d(x, weights['patch_embed.proj.weight'], weights['patch_embed.proj.bias'], stride=4, padding=3)
    x = x.movedim(1, -1)
    outs, block, heads, kv = [], 0, 1, 4
    for stage, depth in enumerate(depths):
        for index in range(depth):
            enters, last = stage > 0 and index == 0, stage > 0 and index == depth - 1
            name = f'blocks.{block}'
            if enters:
                heads, kv = 2 * heads, max(kv // 2, 1)
            q_stride = 2 if enters else 1
            kv_stride = 2 * kv if last and stage < len(depths) - 1 else kv
            normed = norm(x, f'{name}.norm1')
            qkv = linear(normed, f'{name}.attn.qkv').chunk(3, -1)
            samples = []
            for sample in range(len(x)):
                results = []
                for head in range(heads):
                    pooled = []
                    for part, letter in zip(qkv, 'qkv', strict=True):
                        one = part[sample].unflatten(-1, (heads, -1))[:, :, head].movedim(-1, 0)
                        stride = q_stride if letter == 'q' else kv_stride
                        kernel = weights[f'{name}.attn.pool_{letter}.weight']
                        one = F.conv2d(one[None], kernel, stride=stride, padding=1, groups=len(one))[0]
                        pooled.append(norm(one.movedim(0, -1), f'{name}.attn.pool_{letter}.norm'))
                    if last:
                        out = attention(*pooled, f'{name}.attn')
                    else:
                        out = windows(*pooled, window // q_stride, window // kv_stride, f'{name}.attn')
                    results.append(out + pooled[0])
                samples.append(torch.cat(results, -1))
            attended = linear(torch.stack(samples), f'{name}.attn.proj')
            if f'{name}.proj.weight' in weights:
                x = linear(normed, f'{name}.proj')
            if enters:
                x = F.max_pool2d(x.movedim(-1, 1), 3, 2, 1).movedim(1, -1)
                window //= 2
            x = x + attended
            hidden = F.gelu(linear(norm(x, f'{name}.norm2'), f'{name}.mlp.0'))
            x = x + linear(hidden, f'{name}.mlp.3')
            block += 1
        outs.append(norm(x, 'norm' if stage == 3 else f'norm{stage}').movedim(-1, 1))
    return outs


@pytest.mark.parametrize('window', [16, 56])
@pytest.mark.parametrize('size', [(192, 320), (200, 264), (64, 36)])
@torch.no_grad()
def test_windows_of_rectangles_are_those_of_dense_attention(size: tuple[int, int], window: int) -> None:
    depths = (1, 2, 3, 2)
    arch = dict(version=2, embed_dims=8, num_heads=1, depths=depths)
    model = MODELS.build(
        dict(
            type='mmhvt.MViT',
            arch=arch,
            input_size=(64, 64),
            window_size=window,
            out_indices=(0, 1, 2, 3),
            out_type='featmap',
        )
    )
    randomise(model)
    x = torch.randn(1, 3, *size)
    for ours, expected in zip(model(x), mvitv2_by_hand(model.state_dict(), x, depths, window), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('scale', [0, 1, 2, 3])
def test_golden_of_detection_tells_every_scale(load_tool, tmp_path: Path, scale: int) -> None:
    """The golden holds in test_golden.py; here each of its four scales alone makes it fail."""
    golden = json.loads((Path(__file__).parent / 'data/golden/mvitv2_t_det_512.json').read_text())
    names = ['scale2', 'scale3', 'scale4', 'scale5']
    assert list(golden['outputs']) == names
    assert [out['shape'][2] for out in golden['outputs'].values()] == [512 // stride for stride in STRIDES]
    tool = load_tool('golden.py')
    # the outputs that the tool compares are stood in for by noise of the golden's shapes
    outputs = {name: torch.randn(out['shape']) for name, out in golden['outputs'].items()}
    tool.recognition_outputs = lambda cfg, state_dict, x, wanted: {name: outputs[name] for name in wanted}
    for name, x in outputs.items():
        flat = x.double().flatten()
        golden['outputs'][name] |= dict(
            mean=flat.mean().item(), std=flat.std().item(), first=flat[:64].tolist(), last=flat[-64:].tolist()
        )
    (tmp_path / 'golden.json').write_text(json.dumps(golden))
    assert max(tool.check(tmp_path / 'golden.json').values()) < 1e-6
    outputs[names[scale]][0, 0, 0, 7] += 0.01
    found = tool.check(tmp_path / 'golden.json')
    assert [name for name, worst in found.items() if worst > tool.TOLERANCE] == [names[scale]]


@pytest.mark.parametrize('grid', [(3, 5), (5, 9), (9, 2)])
@torch.no_grad()
def test_windows_of_swin_shrink_to_small_images(grid: tuple[int, int]) -> None:
    """A token of a map smaller than a window sees all along that axis, with the bias of its true offset."""
    side = 7
    layer = randomise(WindowAttention(8, 2, (side, side)))
    x = torch.randn(1, *grid, 8)
    table = layer.bias_table.view(2 * side - 1, 2 * side - 1, 2)
    expected = torch.zeros_like(x)
    # windows side by side, from the first token, of an axis that is longer; as many rows as there are, else
    for top in range(0, grid[0], side):
        for left in range(0, grid[1], side):
            places = [
                (row, column)
                for row in range(top, top + min(side, grid[0]))
                for column in range(left, left + min(side, grid[1]))
            ]
            # zeros behind the end of a longer axis are tokens like others
            tokens = torch.stack(
                [x[0, r, c] if r < grid[0] and c < grid[1] else torch.zeros(8) for r, c in places]
            )  # fmt: skip
            q, k, v = layer.qkv(tokens).view(-1, 3, 2, 4).unbind(1)
            scores = torch.einsum('ihc,jhc->hij', q, k) / 2
            for i, (r, c) in enumerate(places):
                for j, (other_r, other_c) in enumerate(places):
                    scores[:, i, j] += table[r - other_r + side - 1, c - other_c + side - 1]
            out = layer.proj(torch.einsum('hij,jhc->ihc', scores.softmax(-1), v).flatten(1))
            for (r, c), value in zip(places, out, strict=True):
                if r < grid[0] and c < grid[1]:
                    expected[0, r, c] = value
    torch.testing.assert_close(layer(x, (0, 0)), expected, rtol=1e-4, atol=1e-5)


# ---- weights of videos

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


def save(model: nn.Module, path: Path) -> str:
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in model.state_dict().items()}), path)
    return str(path)


def from_file(cfg: dict, path: str, **kwargs) -> nn.Module:
    """A backbone for images with the weights of a file, as a config asks for them."""
    cfg = dict(cfg, init_cfg=dict(type='Pretrained', checkpoint=path)) | kwargs
    model = MODELS.build(ConfigDict(cfg))
    torch.nn.init.normal_(next(model.parameters()))
    model.init_weights()
    return model.eval()


def video(cfg: dict, **kwargs) -> nn.Module:
    return randomise(MODELS.build(dict(cfg, input_size=(FRAMES, SIDE, SIDE)) | kwargs))


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
            table = block.attn.bias_table.data.unflatten(0, (7, 5, 5))
            table.copy_(torch.randn(7, 1, 1, 1) + torch.randn(5, 5, table.shape[-1]))
    image = from_file(image_cfg, save(model, tmp_path / 'video.pth'), input_size=(SIDE, SIDE), **MAPS)
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
    classifier = randomise(MODELS.build(ConfigDict(plain)))
    path = save(classifier, tmp_path / 'image.pth')
    x = torch.randn(1, 3, 64, 64)
    outs = from_file(cfg, path)(x)
    assert len(outs) == (1 if family == 'UniFormerV2' else 4)
    if family == 'MViTv2':  # windows see zeros behind the image's end: what they do is tested by hand
        assert outs[-1].shape == classifier(x)[-1].shape
        outs = from_file({key: value for key, value in cfg.items() if key != 'window_size'}, path)(x)
    torch.testing.assert_close(outs[-1], classifier(x)[-1], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_positions_in_time_are_averaged(tmp_path: Path) -> None:
    """And the default patches of three frames are summed: at the clip's first slice one of them is padding."""
    model = video(SMVIT, **MAPS)
    path = save(model, tmp_path / 'video.pth')
    image = from_file(SMVIT, path, input_size=(SIDE, SIDE), **MAPS)
    tables = model.pos_embed
    torch.testing.assert_close(image.pos_embed.joint, tables.spatial + tables.temporal.mean(1, keepdim=True))
    x = torch.randn(1, 3, SIDE, SIDE)
    clip, one = model.patch_embed(still(x)), image.patch_embed(x)
    torch.testing.assert_close(clip[:, 1:], one[:, None].expand_as(clip[:, 1:]), rtol=1e-4, atol=1e-4)
    assert (clip[:, 0] - one).abs().max() > 0.1
    # larger, in both forms
    for form in ('joint', 'windowed'):
        large = from_file(SMVIT, path, input_size=(SIDE, SIDE), pos_embed=form, **MAPS)
        embedding = large.pos_embed((SIDE // 4, SIDE // 4)).flatten(1, 2)
        torch.testing.assert_close(embedding, image.pos_embed.joint, rtol=0, atol=1e-5)


@pytest.mark.parametrize('stride', [1, 2])
@torch.no_grad()
def test_poolings_over_three_frames_are_summed(stride: int) -> None:
    """As :func:`migrate.fit.fit` sums them; the first and the last frame of a clip see padding."""
    settings = dict(head_dims=4, mode='conv', norm_cfg=dict(type='LN', eps=1e-6))
    clip = randomise(Pooling(kernel=(3, 3, 3), stride=(1, stride, stride), padding=(1, 1, 1), **settings))
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


def test_biases_between_frames_are_added_up_as_softmax_does() -> None:
    """An image's exp(bias) is the mean of exp(bias) over all pairs of frames of a clip's window."""
    frames, side = 4, 3
    table = torch.randn(2 * frames - 1, 2 * side - 1, 2 * side - 1, 2)
    fitted = WindowAttention(4, 2, (side, side)).fit(dict(bias_table=table.flatten(0, 2)))['bias_table']
    pairs = [table[t - other + frames - 1].exp() for t in range(frames) for other in range(frames)]
    torch.testing.assert_close(fitted.exp(), torch.stack(pairs).mean(0).flatten(0, 1), rtol=1e-5, atol=1e-6)
    # what an image's table became in a clip goes back
    for inflation, atol in (('duplicate', 1e-6), ('centre', 0.1)):
        image = 0.5 * torch.randn((2 * side - 1) ** 2, 2)
        clip = WindowAttention(4, 2, (frames, side, side), inflation=inflation).fit(dict(bias_table=image))
        back = WindowAttention(4, 2, (side, side)).fit(clip)['bias_table']
        # up to what softmax drops
        torch.testing.assert_close(back - back.mean(0), image - image.mean(0), rtol=0, atol=atol)


@torch.no_grad()
def test_biases_that_mix_time_and_space_stay_close(tmp_path: Path) -> None:
    """No image's table does what such a window does at each of its frames; the one within a frame is farther off."""
    model = video(dict(SWIN, window_size=(4, 3, 3)), **MAPS)
    image = from_file(
        dict(SWIN, window_size=(3, 3)), save(model, tmp_path / 'video.pth'), input_size=(SIDE, SIDE), **MAPS
    )
    x = torch.randn(1, 3, SIDE, SIDE)
    clips = [maps.mean(2) for maps in model(still(x))]

    def distances() -> list[float]:
        return [((a - b).norm() / b.norm()).item() for a, b in zip(image(x), clips, strict=True)]

    found = distances()
    for block, other in zip(image.blocks, model.blocks, strict=True):
        block.attn.bias_table.data = other.attn.bias_table.unflatten(0, (7, -1))[3]
    assert max(found) < 0.02 and all(3 * a < b for a, b in zip(found, distances(), strict=True))


LOCAL = dict(UNIFORMERV2, local_layers='all', global_layers='2')


@torch.no_grad()
def test_uniformerv2_sees_a_still_clip_as_the_image(tmp_path: Path) -> None:
    """With local blocks, whose kernels over time are summed: two in each of two layers see four frames to a side."""
    model = video(LOCAL, input_size=(12, 64, 48), out_type='featmap')
    for name, buffer in model.named_buffers():
        if name.endswith('running_var'):
            buffer.uniform_(0.5, 2.0)
    image = from_file(LOCAL, save(model, tmp_path / 'video.pth'), input_size=(64, 48), out_type='featmap')
    x = torch.randn(1, 3, 64, 48)
    (ours,), (clips,) = image(x), model(still(x, 12))
    torch.testing.assert_close(still(ours, 4), clips[:, :, 4:8], rtol=1e-4, atol=1e-4)
    assert (clips[:, :, 0] - ours).abs().max() > 1e-2


def fates_of(cfg: dict, model: nn.Module, **kwargs) -> dict[str, list[str]]:
    """What becomes of a video model's parameters in a model of images: fate -> names."""
    image = MODELS.build(cfg | kwargs)
    fitted, fates = adapt_backbone(image, model.state_dict(), 'video.pth')
    image.load_state_dict(fitted, strict=not any(fate.what == 'missing' for fate in fates))
    found = {}
    for fate in fates:
        found.setdefault(fate.what, []).append(fate.name)
    return found


def test_what_looks_between_frames_is_left_out_and_told() -> None:
    """Of models of images that have none of it: local blocks, designs of Video Swin, class tokens, tables of time."""
    plain = dict(UNIFORMERV2, global_layers=None, input_size=(64, 48), out_type='featmap')
    model = video(LOCAL, input_size=(4, 64, 48))
    found = fates_of(plain, model)
    temporal = [name for name in model.state_dict() if name.startswith('blocks.') and '.temporal' in name]
    fusion = [name for name in model.state_dict() if name.startswith('fusion.')]
    assert temporal and found['left out'] == sorted([*temporal, *fusion, 'balance'])
    assert found['summed'] == ['patch_embed.proj.weight'] and 'missing' not in found
    # not where only some layers have them, which tells another model
    with pytest.raises(ValueError, match=r'blocks\.0\.temporal1\.\w+\.\w+ is not in the model'):
        fates_of(dict(plain, local_layers='2'), model)

    for design in ('split', 'factorized'):
        model = video(SWIN, design=design)
        found = fates_of(dict(SWIN, input_size=(SIDE, SIDE)), model)
        assert found['left out'] == sorted(name for name in model.state_dict() if 'temporal' in name)

    model = video(mvit(2, with_cls_token=True))
    found = fates_of(mvit(2, window_size=56), model, input_size=(SIDE, SIDE), **MAPS)
    times = [f'blocks.{i}.attn.rel_pos.q.t' for i in range(6)]
    assert found['left out'] == [*times, 'cls_token']
    assert found['missing'] == [f'norm{i}.{name}' for i in range(3) for name in ('weight', 'bias')]
    kernels = [f'blocks.{i}.attn.pool_{x}.weight' for i in range(6) for x in 'qkv']
    assert sorted(found['summed']) == sorted([*kernels, 'patch_embed.proj.weight'])


def test_the_log_says_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    monkeypatch.setattr(migrate, 'print_log', lambda message, *_: lines.append(message))
    from_file(SMVIT, save(video(SMVIT), tmp_path / 'video.pth'), input_size=(128, 160), **MAPS)
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
    model = MODELS.build(dict(SMVIT, input_size=(8, 32, 32), sep_pos_embed=False))
    path = save(model, tmp_path / 'joint.pth')
    if sides == (64, 64):
        with pytest.raises(ValueError, match=r"clip's joint embedding of 256 tokens .* an input_size of the clip's"):
            from_file(SMVIT, path, input_size=sides)
        return
    lines = []
    monkeypatch.setattr(migrate, 'print_log', lambda message, *_: lines.append(message))
    image = from_file(SMVIT, path, input_size=sides)
    torch.testing.assert_close(image.pos_embed.joint, model.pos_embed.joint.unflatten(1, (4, 64)).mean(1))
    assert 'pos_embed.joint (1, 256, 16) → (1, 64, 16), read as 4 frames of 8x8' in lines[0]


AXES = (
    'input_size', 'patch_kernel', 'patch_stride', 'patch_padding', 'patch_size', 'mask_unit_size', 'q_stride',
    'pool_kernel', 'kv_stride', 'window_size',
)  # fmt: skip


def of_images(cfg: dict) -> dict:
    """The config of a video backbone without time."""
    cfg = {key: value[-2:] if key in AXES else value for key, value in (dict(input_size=(64, 64)) | cfg).items()}
    cfg.pop('sep_pos_embed', None)
    return dict(type='mmhvt.UniFormerV2') | cfg if 'vit' in cfg else cfg


def swin_cfg_and_reference(source: ModuleType) -> tuple[dict, nn.Module]:
    config, _, _ = video_case(VIDEO['windows divide all grids'])
    if source is torchvision_swin:
        return config, torchvision_reference(config)
    return mmaction_config(config), mmaction_reference(mmaction_config(config))


SOURCES = {
    timm_hiera: lambda: make_more('hiera video')[1:3],
    torchvision: lambda: torchvision_case(TORCHVISION['v2 odd grids'])[:2],
    mmaction: lambda: mmaction_case(MMACTION_CASES['like v1'])[:2],
    torchvision_swin: lambda: swin_cfg_and_reference(torchvision_swin),
    mmaction_swin: lambda: swin_cfg_and_reference(mmaction_swin),
    mmaction_uniformerv2: lambda: uniformerv2_case(UNIFORMERV2_CASES['temporal downsampling']),
}


@pytest.mark.parametrize('source', SOURCES, ids=lambda source: source.NAMES[0])
@torch.no_grad()
def test_published_video_models_load_into_image_models(source: ModuleType, tmp_path: Path) -> None:
    """As they were published: with the same result as our own file of the same weights, and a use in a detector."""
    config, reference = SOURCES[source]()
    theirs = randomise(reference).state_dict()
    if source is mmaction_uniformerv2:
        theirs = {f'backbone.{name}': value for name, value in theirs.items()}
    torch.save(dict(state_dict=theirs), tmp_path / 'theirs.pth')
    ours = MODELS.build(source.backbone_cfg(config))
    converted = source.state_dict(theirs)
    ours.load_state_dict({name[9:]: value for name, value in converted.items() if name.startswith('backbone.')})

    cfg = of_images(source.backbone_cfg(config)) | dict(out_type='featmap')
    image = from_file(cfg, str(tmp_path / 'theirs.pth'))
    again = from_file(cfg, save(ours, tmp_path / 'ours.pth'))
    kernel = ours.patch_embed.proj.weight
    torch.testing.assert_close(image.patch_embed.proj.weight, kernel.sum(2))
    found = again.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in image.state_dict().items())
    (maps,) = image(torch.randn(1, 3, 128, 96))
    ((height, width),) = image.out_strides
    assert maps.isfinite().all() and maps.shape[2:] == (128 // height, 96 // width)


# ---- positions of SMViT on large images


def test_page_on_positions_has_what_the_tool_prints(
    root: Path, load_tool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    tool = load_tool('analysis/plot_positions.py')
    monkeypatch.setattr(sys, 'argv', ['plot_positions.py', '--out', str(tmp_path / 'positions.png')])
    tool.main()
    printed = capsys.readouterr().out
    assert printed in (root / 'docs/positions.md').read_text()
    assert (tmp_path / 'positions.png').stat().st_size > 10000


@pytest.mark.parametrize(
    ('args', 'says'),
    [
        (['--grid', '4', '4'], 'less than a mask unit of 8 8'),
        (['--out', 'no/x.png'], 'No such file'),
        (['no.pth'], 'no.pth'),
    ],
)
def test_plot_positions_says_what_is_wrong(
    args: list[str], says: str, load_tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['plot_positions.py', *args])
    with pytest.raises(SystemExit) as caught:
        load_tool('analysis/plot_positions.py').main()
    assert says in f'{caught.value}{capsys.readouterr().err}'


def test_measures_of_positions_are_what_they_are_called(load_tool, tmp_path: Path) -> None:
    tool = load_tool('analysis/plot_positions.py')
    repeating = torch.randn(1, 8, 8, 4).repeat(1, 3, 3, 1)
    assert tool.repeats(repeating) == pytest.approx(1)
    assert tool.likeness(repeating, repeating) == pytest.approx(1)
    assert tool.likeness(-repeating, repeating) == pytest.approx(-1)
    noise = torch.randn(1, 24, 24, 64)
    assert tool.repeats(noise) == pytest.approx(1 / 9, abs=0.01)  # of a mean over nine
    assert tool.contrast(noise) == pytest.approx(2**0.5, abs=0.02)
    steps = torch.arange(16.0).view(1, 1, 16, 1).expand(1, 16, 16, 1)
    assert tool.contrast(steps) == pytest.approx(0.5**0.5)  # one to the side, none down
    # of a checkpoint, at the size of its training: as it was trained
    model = randomise(MODELS.build(dict(SMVIT, input_size=(96, 96))))
    table = tool.read_table(save(model, tmp_path / 'model.pth'))
    for name, trained, joint, windowed in tool.measure(table, (24, 24)):
        assert trained == joint == pytest.approx(windowed, abs=1e-4), name
    with pytest.raises(ValueError, match='no position embedding of square images'):
        tool.read_table(save(video(SMVIT), tmp_path / 'video.pth'))


@torch.no_grad()
def test_windowed_positions_of_a_detector_at_1024(tmp_path: Path) -> None:
    """A plain file of 224² in both forms: in a mask unit the trained differences stay, or become a fifth of them."""
    plain = randomise(MODELS.build(dict(SMVIT, input_size=(224, 224))))
    unit = torch.randn(8, 8, 16).repeat(7, 7, 1)
    plain.pos_embed.joint.data = unit.flatten(0, 1)[None]
    path = save(plain, tmp_path / 'plain.pth')
    places = (slice(None), slice(96, 104), slice(96, 104))
    tables = {}
    for form in ('joint', 'windowed'):
        # built for 224² or for 1024² alike
        small = from_file(SMVIT, path, input_size=(224, 224), pos_embed=form).pos_embed((256, 256))
        grid = dict(pos_grid=(56, 56)) if form == 'windowed' else {}
        large = from_file(SMVIT, path, input_size=(1024, 1024), pos_embed=form, **grid).pos_embed((256, 256))
        torch.testing.assert_close(large, small, rtol=0, atol=1e-5)
        tables[form] = small[places]
    torch.testing.assert_close(tables['windowed'][0], unit[:8, :8], rtol=0, atol=1e-5)
    assert tables['joint'].diff(dim=2).std() < 0.3 * unit[:8, :8].diff(dim=1).std()
