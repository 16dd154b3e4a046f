"""Where tools that draw maps hook on: a map (N, C, [T,] H, W) of every stage, in order, on the path to the output."""

import copy
import warnings

import pytest
import torch
from micro_backbones import FAMILIES, INPUTS, build, config, inputs, randomise
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmaction.utils import GradCAM
from torch import nn

KINDS = tuple(INPUTS)


def capture(model: nn.Module, x: torch.Tensor) -> tuple[list[torch.Tensor], tuple[torch.Tensor, ...]]:
    """What passes each place, and the output."""
    maps = {}
    hooks = [
        place.register_forward_hook(lambda module, args, out, i=i: maps.update({i: out}))
        for i, place in enumerate(model.stage_maps)
    ]
    outs = model(x)
    for hook in hooks:
        hook.remove()
    return [maps[i] for i in range(len(maps))], outs


def normed(model: nn.Module, stage: int, x: torch.Tensor) -> torch.Tensor:
    """A stage's map as `out_type='featmap'` gives it."""
    norm = (
        getattr(model, model.norm_name(stage), None) if type(model).__name__ not in ('SMViT', 'UniFormerV2') else None
    )
    return x if norm is None else norm(x.movedim(1, -1)).movedim(-1, 1)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('size', [None, 24])
def test_maps_are_feature_maps_of_every_stage(family: str, kind: str, size: int | None) -> None:
    model = build(family, kind, out_type='featmap')
    stages = range(len(model.stage_maps))
    if len(stages) > 1:
        model = build(family, kind, out_type='featmap', out_indices=tuple(stages))
    x = inputs(kind) if size is None else inputs(kind)[..., :size, :]  # SMViT pads, Swin's windows divide no grid
    with torch.no_grad():
        plain = model(x)
        maps, outs = capture(model, x)
    assert len(maps) == len(outs) == len(stages)
    for stage, (found, out, expected) in enumerate(zip(maps, outs, plain, strict=True)):
        torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(normed(model, stage, found), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('family', FAMILIES)
def test_a_patch_lights_up_its_place(family: str, kind: str) -> None:
    """Whatever is returned, a change of a corner of the input is the largest in that corner of every map."""
    model, x = build(family, kind), inputs(kind, 1)
    changed = x.clone()
    changed[..., -8:, :8] += 3  # the lower left, in the last frames
    if kind == 'video':
        changed[:, :, :-2] = x[:, :, :-2]
    with torch.no_grad():
        before, after = (capture(model, each)[0] for each in (x, changed))
    assert len(before) == len(model.stage_maps)
    for old, new in zip(before, after, strict=True):
        assert old.ndim == x.ndim and old.shape[-1] == old.shape[-2] > 1
        change = (new - old).norm(dim=1)[0]
        place = torch.unravel_index(change.argmax(), change.shape)
        last = [n - 1 for n in change.shape]
        rows, columns = max(1, change.shape[-2] // 4), max(1, change.shape[-1] // 4)
        assert place[-2] > last[-2] - rows and place[-1] < columns, (place, change.shape)
        assert kind == 'images' or place[0] >= last[0] - (change.shape[0] > 4)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('family', FAMILIES)
def test_maps_are_on_the_path(family: str, kind: str) -> None:
    """What a hook puts in a map's place is what goes on; the gradient of the output arrives at every map."""
    model, x = build(family, kind), inputs(kind)
    (expected,) = model(x)
    maps, (out,) = capture(model, x)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad((out * torch.linspace(-1, 1, out.shape[1]).sin()).sum(), maps)
    assert all(gradient.abs().amax(1).count_nonzero() > 1 for gradient in gradients)
    for place in model.stage_maps:
        hook = place.register_forward_hook(lambda module, args, out: out * (torch.arange(out.shape[-1]) > 0))
        assert not torch.allclose(model(x)[0], expected, atol=1e-4)
        hook.remove()
    assert torch.equal(model(x)[0], expected)


@pytest.mark.parametrize('family', FAMILIES)
def test_places_change_no_name(family: str) -> None:
    model = build(family)
    assert not any('stage_maps' in name for name in model.state_dict())
    assert copy.deepcopy(model).load_state_dict(model.state_dict())


@pytest.mark.parametrize('with_cp', [False, True])
def test_maps_of_frozen_stages_have_gradients(with_cp: bool) -> None:
    """And a hook in training does not thaw them."""
    model = build('VideoSwin', frozen_stages=1, with_cp=with_cp)
    maps, (out,) = capture(model, inputs('video'))
    assert torch.autograd.grad(out.sum(), maps[0])[0].any()
    maps, _ = capture(model.train(), inputs('video'))
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
    model = randomise(
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
