"""Mean attention distances: in closed form on attention made by hand, and of every family against pairs of pixels."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from helpers.micro_backbones import FAMILIES, build, inputs
from mmhvt.analysis.attention_distance import add_up, distances, grid_places, mean_distances, write_distances

SIZE = (8, 32, 32)


def uniform(*shape: int) -> torch.Tensor:
    return torch.full(shape, 1 / shape[-1])


def test_uniform_attention_in_time_has_the_closed_form() -> None:
    """The mean of |i - j| over n places that are s apart is s (n² - 1) / (3 n)."""
    places = grid_places((6, 1, 1), (12, 32, 48)).flatten(1, -2)
    total, count = add_up(uniform(1, 1, 2, 6, 6), distances(places, places, (12, 32, 48)))
    assert count == 6
    expected = torch.tensor([2 * 35 / 18 / 12 / 3**0.5, 0, 2 * 35 / 18])
    torch.testing.assert_close(total / count, expected[:, None].expand(3, 2))


def test_identical_attention_is_at_no_distance() -> None:
    places = grid_places((2, 3, 4), SIZE).flatten(1, -2)
    total, count = add_up(torch.eye(24).expand(3, 1, 2, 24, 24), distances(places, places, SIZE))
    assert count == 72 and not total.any()


def test_from_corner_to_corner_is_one() -> None:
    corners = torch.tensor([[[1.0, 0, 0, 0], [1, *SIZE]]])
    attention = torch.eye(2).flip(0)[None, None, None]
    total, count = add_up(attention, distances(corners, corners, SIZE))
    torch.testing.assert_close(total[:, 0] / count, torch.tensor([1, 32 * 2**0.5, 8]))


def test_tokens_without_a_place_do_not_count() -> None:
    """Neither as queries nor as keys, whatever attention they have."""
    places = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 0, 6]]])
    attention = torch.tensor([[0.0, 0.9, 0.1], [0.8, 0.1, 0.1], [0.6, 0.3, 0.1]])[None, None, None]
    total, count = add_up(attention, distances(places, places, (8, 8)))
    assert count == 2
    assert total[1].item() / 2 == pytest.approx((6 * 0.5 + 6 * 0.75) / 2)


# ------------------------------------------------------------------------------------------------------------- families


def indices(grid: tuple[int, ...]) -> np.ndarray:
    return np.array(list(itertools.product(*map(range, grid))))


def brute_force(
    queries: tuple[int, ...], keys: tuple[int, ...], sees: np.ndarray | bool = True, size: tuple[int, ...] = SIZE
) -> list[float]:
    """Mean distances of uniform attention of a grid of queries to the keys that each sees."""
    q, k = ((indices(grid) + 0.5) * np.array(size) / grid for grid in (queries, keys))
    steps = q[:, None] - k[None]
    sees = np.broadcast_to(sees, steps.shape[:2])
    found = [np.sqrt(((steps / size) ** 2).sum(-1) / len(size)), np.sqrt((steps[..., -2:] ** 2).sum(-1))]
    found += [abs(steps[..., 0])] if len(size) == 3 else []
    return [((each * sees).sum(1) / sees.sum(1)).mean() for each in found]


def same(grid: tuple[int, ...], window: tuple[int, ...], shift: tuple[int, ...] = (0, 0, 0)) -> np.ndarray:
    """Whether tokens of a grid are in one window: shifted, and on the same side of where the shift wraps around."""
    moved = indices(grid) - shift[-len(grid) :]
    labels = np.concatenate([moved % grid // window, moved < 0], 1)
    return (labels[:, None] == labels[None]).all(-1)


def same_unit(queries: tuple[int, ...], keys: tuple[int, ...], unit: int) -> np.ndarray:
    """Whether tokens are in one mask unit of a frame; `unit` is its side in keys."""
    frames, height, width = np.array(keys) // queries
    q, k = indices(queries) // (1, unit // height, unit // width), indices(keys) // (1, unit, unit)
    assert frames == 1
    return (q[:, None] == k[None]).all(-1)


def without_attention(family: str, **kwargs: object) -> nn.Module:
    """A backbone whose queries and biases are zero, so that attention is uniform."""
    model = build(family, **kwargs)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if '.qkv.' in name:
                parameter[: len(parameter) // 3] = 0
            if 'rel_pos' in name or '.pool_q.norm.bias' in name:
                parameter.zero_()
    return model


GRIDS = (4, 8, 8), (4, 4, 4), (4, 2, 2)
# queries and keys of MViT: strides of the keys are 8, 4, 2, 2 of what enters a block
POOLED = (GRIDS[0], (4, 1, 1)), (GRIDS[1], (4, 2, 2)), (GRIDS[2], (4, 2, 2)), (GRIDS[2], (4, 1, 1))
FRAME = (8, 4, 4)
IN_FRAME = indices(FRAME)[:, None, 0] == indices(FRAME)[None, :, 0]
EXPECTED = {
    'SMViT': [
        brute_force(GRIDS[0], GRIDS[0], same_unit(GRIDS[0], GRIDS[0], 4)),
        brute_force(GRIDS[1], GRIDS[0], same_unit(GRIDS[1], GRIDS[0], 4)),
        brute_force(GRIDS[2], GRIDS[1], same_unit(GRIDS[2], GRIDS[1], 2)),
        brute_force(GRIDS[2], GRIDS[2]),
    ],
    'MViT': [brute_force(*grids) for grids in POOLED],
    'MViTv2': [brute_force(*grids) for grids in POOLED],
    'VisionTransformer': [brute_force(FRAME, FRAME, IN_FRAME)] * 3,
    'UniFormerV2': [brute_force(FRAME, FRAME, IN_FRAME)] * 3,
    'VideoSwin': [
        brute_force(GRIDS[0], GRIDS[0], same(GRIDS[0], (2, 4, 4))),
        brute_force(GRIDS[0], GRIDS[0], same(GRIDS[0], (2, 4, 4), (1, 2, 2))),
        brute_force(GRIDS[1], GRIDS[1], same(GRIDS[1], (2, 4, 4))),
        brute_force(GRIDS[1], GRIDS[1], same(GRIDS[1], (2, 4, 4), (1, 0, 0))),
    ],
}


@pytest.mark.parametrize('family', FAMILIES)
def test_distances_of_uniform_attention(family: str) -> None:
    found = list(mean_distances(without_attention(family), inputs('video')).values())
    for layer, expected in zip(found, EXPECTED[family], strict=True):
        for unit, value in zip(('normalized', 'pixels', 'frames'), expected, strict=True):
            assert layer[unit] == pytest.approx([value] * len(layer[unit]), rel=1e-3, abs=1e-4), unit


def test_padding_has_no_place() -> None:
    """A Swin of 9×9 tokens has windows of 4×4 that reach beyond its edge, and SMViT's mask units do as well."""
    size = (36, 36)
    x = torch.randn(1, 3, *size)
    first, *_ = mean_distances(without_attention('VideoSwin', kind='images'), x).values()
    expected = brute_force((9, 9), (9, 9), same((9, 9), (4, 4)), size)
    assert first['pixels'] == pytest.approx([expected[1]], rel=1e-3)
    *_, last = mean_distances(without_attention('SMViT', kind='images'), x).values()
    # of 9 tokens, the last three are 16, 16 and 4 pixels wide
    places = np.array(list(itertools.product([8, 24, 34], repeat=2)))
    expected = np.linalg.norm(places[:, None] - places[None], axis=-1).mean()
    assert last['pixels'] == pytest.approx([expected] * len(last['pixels']), rel=1e-3)


def test_distances_in_windows_of_detection() -> None:
    model = without_attention('MViTv2', kind='images', window_size=4, kv_stride=(1, 1))
    first, *_ = mean_distances(model, inputs('images')).values()
    expected = brute_force((8, 8), (8, 8), same((8, 8), (4, 4)), (32, 32))
    assert first['pixels'] == pytest.approx([expected[1]], rel=1e-3)


@pytest.mark.parametrize('temporal', ['divided', 'joint'])
def test_distances_of_attention_between_frames(temporal: str) -> None:
    model = without_attention('UniFormerV2', local_layers='all', temporal=temporal)
    found = mean_distances(model, inputs('video'))
    if temporal == 'joint':
        assert found['blocks.0.attn']['frames'] == pytest.approx([brute_force(FRAME, FRAME)[2]] * 2, rel=1e-3)
    else:
        in_time = found['blocks.0.temporal1.attn']
        assert in_time['frames'] == pytest.approx([63 / 24] * 2, rel=1e-3) and not any(in_time['pixels'])


@pytest.mark.parametrize('family', FAMILIES)
def test_distances_leave_the_model_as_it_is(family: str) -> None:
    model, x = build(family), inputs('video')
    with torch.no_grad():
        before = model(x)[0]
        mean_distances(model, x)
        assert torch.equal(model(x)[0], before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_relative_positions_count() -> None:
    """The weights are those of queries and keys with MViTv2's bias, written out."""
    model, x = build('MViTv2', kind='images'), inputs('images')
    attn, seen = model.blocks[0].attn, []
    hook = attn.register_forward_pre_hook(lambda module, args: seen.append(args))
    with torch.no_grad():
        model(x)
        hook.remove()
        tokens, grid = seen[0]
        q, k, _ = attn.qkv(tokens).chunk(3, -1)
        (q, q_grid), (k, k_grid) = attn.pool(attn.pool_q, q, grid), attn.pool(attn.pool_k, k, grid)
        bias = attn.rel_pos.bias(q, k, q_grid, k_grid).dense()
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + bias).softmax(-1)
    places = [(indices(g) + 0.5) * 32 / np.array(g) for g in (q_grid, k_grid)]
    apart = np.linalg.norm(places[0][:, None] - places[1][None], axis=-1)
    expected = (weights.numpy() * apart).sum(-1).mean((0, 2))
    assert mean_distances(model, x)['blocks.0.attn']['pixels'] == pytest.approx(expected.tolist(), rel=1e-4)
    assert bias.std() > 0.01


def test_long_sequences_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = build('MViT'), inputs('video')
    whole = mean_distances(model, x)
    monkeypatch.setattr('mmhvt.analysis.attention_distance.MOST_WEIGHTS', 1000)
    for name, units in mean_distances(model, x).items():
        for unit, heads in units.items():
            assert heads == pytest.approx(whole[name][unit], rel=1e-4, abs=1e-6)


def test_backbones_without_attention_are_refused() -> None:
    with pytest.raises(ValueError, match='Conv2d has no attention whose distances are known'):
        mean_distances(nn.Conv2d(3, 3, 1), torch.randn(1, 3, 8, 8))


def test_written_files(tmp_path: Path) -> None:
    found = mean_distances(build('VideoSwin'), inputs('video'))
    table, picture = write_distances(tmp_path / 'x_distance', found, SIZE)
    written = json.loads(table.read_text())
    assert written['layers'] == found and written['size'] == [8, 32, 32]
    assert picture.name == 'x_distance.png' and picture.stat().st_size > 5000
