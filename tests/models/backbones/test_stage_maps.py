"""Tools that draw maps hook on `stage_maps`, and are told if they hook elsewhere; test_contract.py tests the maps."""

import warnings

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmaction.utils import GradCAM
from torch import nn

from helpers.micro_backbones import FAMILIES, build, capture_maps, config, inputs, randomize


@pytest.mark.parametrize('with_cp', [False, True])
def test_maps_of_frozen_stages_have_gradients(with_cp: bool) -> None:
    """And a hook in training does not thaw them."""
    model = build('VideoSwin', frozen_stages=1, with_cp=with_cp)
    maps, (out,) = capture_maps(model, inputs('video'))
    assert torch.autograd.grad(out.sum(), maps[0])[0].any()
    maps, _ = capture_maps(model.train(), inputs('video'))
    assert not maps[0].requires_grad and maps[1].requires_grad


def test_num_extra_tokens() -> None:
    """As mmpretrain has it: tokens of `out_type='raw'` less these are the grid, but for UniFormerV2's of each frame."""
    for family in FAMILIES:
        model = build(family, 'images')
        assert model.num_extra_tokens == (family in ('MViT', 'VisionTransformer', 'UniFormerV2'))
        if family != 'UniFormerV2':
            model = build(family, 'images', out_type='raw')
            (tokens,) = model(inputs('images'))
            (maps,) = build(family, 'images', out_type='featmap')(inputs('images'))
            assert tokens.shape[1] - model.num_extra_tokens == maps[0, 0].numel()
    assert build('MViTv2', with_cls_token=True).num_extra_tokens == 1


class Recorder:
    """mmaction2's and pytorch-grad-cam's way: activations by a forward hook, gradients by one on them."""

    def __init__(self, layer: nn.Module):
        layer.register_forward_hook(self.record)

    def record(self, module: nn.Module, args: tuple, out: torch.Tensor) -> None:
        """The hook."""
        self.map = out.detach()
        if out.requires_grad:
            out.register_hook(lambda gradient: setattr(self, 'gradient', gradient))

    def draw(self) -> torch.Tensor:
        """Grad-CAM before it is cut off at zero, (N, [T,] H, W)."""
        axes = tuple(range(2, self.map.ndim))
        return (self.gradient.mean(axes, keepdim=True) * self.map).sum(1)


@pytest.mark.parametrize('family', FAMILIES)
def test_grad_cam_of_mmaction(family: str) -> None:
    """mmaction2's GradCAM on every stage; the picture is that of the map, stretched to the clip."""
    model = randomize(
        MODELS.build(
            dict(
                type='mmaction.Recognizer3D',
                backbone=config(family),
                cls_head=dict(type='mmhvt.RecognitionHead', num_classes=5, in_channels=build(family).embed_dims),
                data_preprocessor=dict(
                    type='mmaction.ActionDataPreprocessor', format_shape='NCTHW', mean=[114.75] * 3, std=[57.4] * 3
                ),
            )
        )
    )
    backbone = model.backbone
    clip = torch.randint(0, 255, (1, 3, 8, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='.*sees tokens')
        for stage in range(len(backbone.stage_maps)):
            recorder = Recorder(backbone.stage_maps[stage])
            cam = GradCAM(model, f'backbone/stage_maps/{stage}')
            pictures, scores = cam(dict(inputs=[clip], data_samples=[ActionDataSample()]))
            assert pictures.shape == (1, 8, 32, 32, 3) and scores.shape == (1, 5)
            # mmaction2 weighs each frame of the map on its own
            weights = recorder.gradient.mean((3, 4), keepdim=True)
            drawn = (weights * recorder.map).sum(1).relu()
            found = cam._calculate_localization_map(dict(inputs=[clip], data_samples=[ActionDataSample()]), False)[0]
            assert drawn.any() and found.amax() == pytest.approx(1)
            expected = nn.functional.interpolate(drawn[None], size=(8, 32, 32), mode='trilinear')[0]
            expected = (expected - expected.amin()) / (expected.amax() - expected.amin())
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('family', FAMILIES)
def test_grad_cam_finds_what_decides(family: str) -> None:
    """A score that weighs the features against those of the image without its square is drawn where the square is."""
    model = build(family, 'images')
    recorder = Recorder(model.stage_maps[0])
    plain = torch.zeros(1, 3, 32, 32)
    image = plain.clone()
    image[..., 16:, :16] = 3
    with torch.no_grad():
        direction = model(image)[0] - model(plain)[0]
    (model(image)[0] * direction).sum().backward()
    drawn = recorder.draw()[0]
    drawn = (drawn - drawn.mean()).abs()
    half = drawn.shape[0] // 2
    inside = drawn[half:, :half].mean()
    assert inside > 1.2 * (drawn.sum() - drawn[half:, :half].sum()) / (drawn.numel() * 3 / 4)


@pytest.mark.parametrize('layer', ['blocks.1', 'blocks.1.norm1', 'patch_embed'])
@pytest.mark.parametrize('family', FAMILIES)
def test_hooks_on_tokens_are_told_where_maps_are(family: str, layer: str) -> None:
    model = build(family)
    model.get_submodule(layer).register_forward_hook(lambda module, args, out: None)
    with pytest.warns(UserWarning, match=rf'a hook on {layer} sees tokens.*stage_maps\.0 to stage_maps\.'):
        model(inputs('video'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model(inputs('video'))  # once is enough
        other = build(family)
        other.get_submodule(layer).register_forward_hook(lambda module, args, out: None)
        with torch.no_grad():
            other(inputs('video'))
        other.train()(inputs('video'))


def test_blocks_of_video_swin_hand_on_maps() -> None:
    """mmaction2's GradCAM takes any five axes for a map: (N, T, H, W, C) would be drawn, wrong, without a word."""
    model, shapes = build('VideoSwin'), []
    for module in (*model.blocks, *model.merges):
        module.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape)))
    with torch.no_grad():
        model(inputs('video'))
    assert shapes == [(2, 16, 4, 8, 8)] * 2 + [(2, 32, 4, 4, 4)] * 3
