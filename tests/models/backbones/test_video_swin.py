"""Video Swin: windows, shifts, designs, loading; test_video_swin_references compares with others."""

import math

import pytest
import torch

from helpers.checkpoints import save_backbone
from helpers.references import randomize
from mmhvt import migrate
from mmhvt.models import VideoSwin
from mmhvt.models.backbones.video_swin import ARCHS, WindowAttention
from mmhvt.models.layers import WindowPositionBias

MICRO = dict(embed_dims=16, num_heads=(2, 4, 8), depths=(2, 2, 2))
VIDEO = dict(input_size=(8, 32, 32), window_size=(2, 4, 4))
IMAGE = dict(input_size=(32, 32), window_size=(4, 4))


def build(arch=MICRO, seed=0, **kwargs):
    """A model in eval mode with no parameter at zero."""
    torch.manual_seed(seed)
    model = VideoSwin(arch, **kwargs).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.1)
    return model


@pytest.mark.parametrize('name', ARCHS)
@pytest.mark.parametrize('size', [(32, 224, 224), (224, 224)])
def test_architectures_on_meta(name, size) -> None:
    with torch.device('meta'):
        model = VideoSwin(name, input_size=size, out_indices=(0, 1, 2, 3), out_type='featmap')
        outs = model(torch.empty(1, 3, *size))
    time = (16,) if len(size) == 3 else ()
    for stage, out in enumerate(outs):
        assert out.shape == (1, ARCHS[name].embed_dims * 2**stage, *time, *[56 // 2**stage] * 2)
    assert not any(hasattr(module, 'rel_index') for module in model.modules()) and not list(model.buffers())


def masked_attention(attn, x, shift):
    """(Shifted) window attention token by token, masked by the window and by what the cyclic shift has moved."""
    grid = x.shape[1:-1]
    window = [min(w, n) for w, n in zip(attn.window_size, grid, strict=True)]
    shift = [s if n > w else 0 for s, n, w in zip(shift, grid, attn.window_size, strict=True)]
    padded = [-(-n // w) * w for n, w in zip(grid, window, strict=True)]
    full = torch.zeros(x.shape[0], *padded, x.shape[-1])
    full[(slice(None), *(slice(n) for n in grid))] = x
    places = torch.stack(torch.meshgrid(*map(torch.arange, padded), indexing='ij'), -1).flatten(0, -2)
    # after the shift, place p stands at p - shift; windows are cut there, and what came around is a group of its own
    moved = places - torch.tensor(shift)
    group = torch.cat([moved.remainder(torch.tensor(padded)) // torch.tensor(window), moved < 0], 1)
    allowed = (group[:, None] == group[None]).all(-1)
    inside = moved.remainder(torch.tensor(padded)).remainder(torch.tensor(window))
    row = torch.zeros(len(places), dtype=torch.long)
    for axis, side in enumerate(window):
        row = row * side + inside[:, axis]
    offsets = torch.zeros(math.prod(attn.window_size), math.prod(attn.window_size), dtype=torch.long)
    own = torch.cartesian_prod(*map(torch.arange, attn.window_size))
    for axis, side in enumerate(attn.window_size):
        offsets = offsets * (2 * side - 1) + own[:, None, axis] - own[None, :, axis] + side - 1
    bias = attn.rel_pos.table[offsets[row[:, None], row[None]]].permute(2, 0, 1)
    q, k, v = attn.qkv(full.flatten(1, -2)).unflatten(-1, (3, attn.num_heads, -1)).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + bias
    out = attn.proj((scores.masked_fill(~allowed, -math.inf).softmax(-1) @ v).transpose(1, 2).flatten(2))
    return out.unflatten(1, padded)[(slice(None), *(slice(n) for n in grid))]


@pytest.mark.parametrize('grid, window', [
    ((4, 8, 8), (2, 4, 4)), ((3, 7, 9), (2, 4, 4)), ((2, 8, 8), (4, 4, 4)), ((4, 3, 9), (2, 4, 4)),
    ((2, 3, 3), (4, 4, 4)), ((8, 8), (4, 4)), ((7, 5), (3, 4)),
])  # fmt: skip
@pytest.mark.parametrize('shifted', [False, True])
def test_windows_are_what_the_paper_draws(grid, window, shifted) -> None:
    torch.manual_seed(0)
    attn = WindowAttention(8, 2, window)
    torch.nn.init.normal_(attn.rel_pos.table)
    shift = [side // 2 if shifted else 0 for side in window]
    x = torch.randn(2, *grid, 8)
    with torch.no_grad():
        torch.testing.assert_close(attn(x, shift), masked_attention(attn, x, shift), rtol=1e-5, atol=1e-5)


def test_moving_the_input_by_a_window_moves_the_features() -> None:
    model = build(dict(embed_dims=16, num_heads=(2,), depths=(1,)), **VIDEO, out_type='featmap')
    x = torch.randn(1, 3, 8, 32, 64)
    with torch.no_grad():
        (still,), (moved,) = model(x), model(x.roll(16, -1))
    torch.testing.assert_close(still.roll(4, -1), moved)


def test_shifts_reach_where_table_6_says() -> None:
    """A change in one corner reaches the neighboring window in the axes that shift, and in no other."""
    cfg = dict(embed_dims=16, num_heads=(2,), depths=(2,))
    x = torch.randn(1, 3, 8, 32, 32)
    other = x.clone()
    other[:, :, 2:4, 12:16, 12:16] += 1  # one token, the last of the first window
    for shift, (in_time, in_space) in dict(all=(True, True), space=(False, True), none=(False, False)).items():
        model = build(cfg, **VIDEO, shift=shift, out_type='featmap')
        with torch.no_grad():
            differ = (model(x)[0] != model(other)[0]).any(1)[0]  # (4, 8, 8)
        assert differ[1, 3, 3]
        assert bool(differ[2:].any()) == in_time and bool(differ[:2, 4:].any()) == in_space


@pytest.mark.parametrize('kwargs', [
    dict(), dict(design='split'), dict(design='factorized'), dict(shift='none'), dict(patch_norm=False),
    dict(with_cp=True),
], ids=str)  # fmt: skip
def test_every_parameter_trains(kwargs) -> None:
    model = build(**VIDEO | kwargs, drop_path_rate=0.0).train()
    x = torch.randn(2, 3, 8, 32, 32, requires_grad=True)
    model(x)[0].square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert x.grad.any()


def test_factorized_begins_as_the_spatial_model() -> None:
    model = VideoSwin(MICRO, **VIDEO, design='factorized', out_type='featmap').eval()
    assert not model.blocks[0].temporal_weight.any()
    x = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        (both,), (half,) = model(x), model(x[:, :, :4])
    torch.testing.assert_close(both[:, :, :2], half)  # frames do not see each other yet


def test_layers_count_for_decay() -> None:
    model = build(**VIDEO)
    depth = {name: model.get_layer_depth('backbone.' + name, 'backbone.')[0] for name, _ in model.named_parameters()}
    assert depth['patch_embed.proj.weight'] == depth['patch_norm.weight'] == 0
    assert depth['merges.0.norm.weight'] == depth['blocks.2.norm1.weight'] == 3
    assert depth['merges.1.norm.weight'] == depth['blocks.4.norm1.weight'] == 5
    assert depth['norm.weight'] == 7


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(arch='giant'), "no arch 'giant': choose from tiny, small, base, large, or give"),
        (dict(design='mixed'), "design='mixed': choose from joint, split, factorized"),
        (dict(shift='time'), "shift='time': choose from all, space, none"),
        (dict(inflation='sum'), "inflation='sum': choose from mean, center"),
        (dict(input_size=(32, 32), design='split'), r"design='split' with input_size=\(32, 32\): images have no time"),
        (dict(input_size=(32, 32), window_size=(2, 4, 4)), r'window_size \(2, 4, 4\) needs 2 numbers'),
        (dict(arch=dict(embed_dims=16, num_heads=(3,), depths=(2,))), '3 heads do not divide 16 channels of stage 0'),
        (dict(arch=dict(embed_dims=16, num_heads=(2,), depths=(2, 2))), 'needs an entry for each of 2 stages'),
        (dict(frozen_stages=9), r'frozen_stages=9: choose from -1 \(nothing\), 0 \(the patch embedding\) and 1 to 4'),
    ],
)
def test_wrong_settings_say_what_would_do(kwargs, message) -> None:
    with pytest.raises(ValueError, match=message):
        VideoSwin(**kwargs)


def loaded(path, **kwargs):
    model = build(seed=1, **kwargs)
    migrate.load_backbone(model, path)
    return model


def test_duplicated_image_weights_see_a_still_clip_as_the_image(tmp_path) -> None:
    path = save_backbone(build(**IMAGE), tmp_path / 'image.pth')
    video, image = loaded(path, **VIDEO), build(**IMAGE)
    assert torch.allclose(video.patch_embed.proj.weight.sum(2), image.patch_embed.proj.weight)
    assert torch.equal(*video.patch_embed.proj.weight.unbind(2))
    table = video.blocks[0].attn.rel_pos.table.unflatten(0, (3, 49))
    assert all(torch.equal(frame, image.blocks[0].attn.rel_pos.table) for frame in table)
    # so large that no window shrinks: a shrunken one takes other rows of the table in a video than in an image
    clip = torch.randn(1, 3, 1, 64, 64).repeat(1, 1, 8, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(video(clip)[0], image(clip[:, :, 0])[0], rtol=1e-4, atol=1e-4)


def test_centered_image_weights_look_within_a_frame(tmp_path) -> None:
    path = save_backbone(build(**IMAGE), tmp_path / 'image.pth')
    video, image = loaded(path, **VIDEO, inflation='center', bias_inflation='center'), build(**IMAGE)
    first, second = video.patch_embed.proj.weight.unbind(2)
    assert not first.any() and torch.equal(second, image.patch_embed.proj.weight)
    table = video.blocks[0].attn.rel_pos.table.unflatten(0, (3, 49))
    assert torch.equal(table[1], image.blocks[0].attn.rel_pos.table) and (table[[0, 2]] == -4.6).all()


@pytest.mark.parametrize('window', [(2, 3, 3), (4, 4, 4)])
def test_other_windows_resize_the_table(tmp_path, window) -> None:
    source = build(**VIDEO)
    target = loaded(save_backbone(source, tmp_path / 'video.pth'), **VIDEO | dict(window_size=window))
    sides = [2 * side - 1 for side in window]
    table = target.blocks[0].attn.rel_pos.table.unflatten(0, sides)
    before = source.blocks[0].attn.rel_pos.table.unflatten(0, (3, 7, 7))
    assert table.shape[:3] == tuple(sides)
    center = tuple(side // 2 for side in sides)
    torch.testing.assert_close(
        table[center], before[1, 3, 3], atol=0.05, rtol=0
    )  # an offset of zero stays in the middle


def test_spatial_weights_load_into_designs_with_temporal_layers(tmp_path) -> None:
    path = save_backbone(build(**IMAGE), tmp_path / 'image.pth')
    for design in ('split', 'factorized'):
        model = loaded(path, **VIDEO, design=design)
        assert torch.equal(model.blocks[0].attn.rel_pos.table, build(**IMAGE).blocks[0].attn.rel_pos.table)
    with pytest.raises(ValueError, match='does not fit VideoSwin'):
        loaded(path, **VIDEO, arch=MICRO | dict(embed_dims=32))


def test_tables_of_no_windows_are_refused() -> None:
    with pytest.raises(ValueError, match='a table of 50 biases belongs to no windows'):
        WindowPositionBias((2, 4, 4), 2).resize_pretrained(dict(table=torch.zeros(50, 2)))


@pytest.mark.parametrize('target', [(8, 7, 7), (4, 2, 2), (8, 2, 2), (8, 12, 12), (2, 4, 4), (7, 7), (12, 12)])
@pytest.mark.parametrize(
    'source', [(8, 7, 7), (16, 7, 7), (4, 7, 7), (8, 12, 12), (2, 4, 4), (5, 4, 4), (1, 7, 7), (7, 7)]
)
def test_windows_of_a_file_are_told_from_the_rows_of_its_tables(source, target) -> None:
    rows = math.prod(2 * side - 1 for side in source)
    found = WindowPositionBias(target, 1)._source_sides(rows, image=len(source) == 2)
    assert found == (2 * source[0] - 1 if len(source) == 3 else 1, 2 * source[-1] - 1)


def test_windows_that_the_rows_of_a_table_do_not_tell_are_refused() -> None:
    """405 are of (3, 5, 5) and of (23, 2, 2), of which a window of 23 frames is not usual, unless the model's is."""
    assert WindowPositionBias((8, 7, 7), 1)._source_sides(405, image=False) == (5, 9)
    with pytest.raises(ValueError, match=r'may belong to windows \(23, 2, 2\), \(3, 5, 5\), so it is unclear how'):
        WindowPositionBias((23, 5, 5), 1)._source_sides(405, image=False)


@pytest.mark.parametrize('grid', [(3, 5), (5, 9), (9, 2)])
@torch.no_grad()
def test_windows_of_swin_shrink_to_small_images(grid: tuple[int, int]) -> None:
    """A token of a map smaller than a window sees all along that axis, with the bias of its true offset."""
    side = 7
    layer = randomize(WindowAttention(8, 2, (side, side)))
    x = torch.randn(1, *grid, 8)
    table = layer.rel_pos.table.view(2 * side - 1, 2 * side - 1, 2)
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
            tokens = torch.stack([x[0, r, c] if r < grid[0] and c < grid[1] else torch.zeros(8) for r, c in places])
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


def test_biases_between_frames_are_added_up_as_softmax_does() -> None:
    """An image's exp(bias) is the mean of exp(bias) over all pairs of frames of a clip's window."""
    frames, side = 4, 3
    table = torch.randn(2 * frames - 1, 2 * side - 1, 2 * side - 1, 2)
    fitted = WindowPositionBias((side, side), 2).resize_pretrained(dict(table=table.flatten(0, 2)))['table']
    pairs = [table[t - other + frames - 1].exp() for t in range(frames) for other in range(frames)]
    torch.testing.assert_close(fitted.exp(), torch.stack(pairs).mean(0).flatten(0, 1), rtol=1e-5, atol=1e-6)
    # what an image's table became in a clip goes back
    for inflation, atol in (('duplicate', 1e-6), ('center', 0.1)):
        image = 0.5 * torch.randn((2 * side - 1) ** 2, 2)
        clip = WindowPositionBias((frames, side, side), 2, inflation=inflation).resize_pretrained(dict(table=image))
        back = WindowPositionBias((side, side), 2).resize_pretrained(clip)['table']
        # up to what softmax drops
        torch.testing.assert_close(back - back.mean(0), image - image.mean(0), rtol=0, atol=atol)
