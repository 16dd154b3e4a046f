"""Absolute position embeddings: of other grids and other kinds."""

from pathlib import Path

import pytest
import torch

from helpers.checkpoints import build_from_file, save_backbone
from helpers.references import randomize
from mmhvt.models.layers import PositionEmbedding, resize_position_embedding
from mmhvt.registry import MODELS

SMVIT = dict(type='mmhvt.SMViT', arch=dict(embed_dims=16, num_heads=1, depths=(1, 2, 1, 1)))


def test_squares_fit_into_rectangles() -> None:
    tables = {side: torch.randn(1, side**2, 4) for side in (3, 12)}
    for grid in ((6, 4), (20, 6)):
        fitted = PositionEmbedding(4, grid, 'space').resize_pretrained(dict(spatial=tables[3]))['spatial']
        assert torch.equal(fitted, resize_position_embedding(tables[3], (3, 3), grid))
        # an image's 144 tokens, which could be frames of 6×4
        fitted = PositionEmbedding(4, (2, *grid), 'separate').resize_pretrained(dict(spatial=tables[12]))['spatial']
        assert torch.equal(fitted, resize_position_embedding(tables[12], (12, 12), grid))
    clip = torch.randn(1, 2 * 144, 4)
    fitted = PositionEmbedding(4, (2, 6, 4)).resize_pretrained(dict(joint=clip))['joint']
    assert torch.equal(fitted, resize_position_embedding(clip, (2, 12, 12), (2, 6, 4)))
    # 36 tokens are 9×4 rather than a square where the model has these proportions
    table = torch.randn(1, 36, 4)
    fitted = PositionEmbedding(4, (18, 8), 'space').resize_pretrained(dict(spatial=table))['spatial']
    assert torch.equal(fitted, resize_position_embedding(table, (9, 4), (18, 8)))


def test_embeddings_of_other_proportions_are_refused() -> None:
    embedding = PositionEmbedding(4, (6, 4))
    with pytest.raises(
        ValueError, match='26 tokens neither has the aspect ratio of this model.s 6×4 nor is it a square'
    ):
        embedding.resize_pretrained(dict(joint=torch.zeros(1, 26, 4)))
    with pytest.raises(ValueError, match=r'512 tokens .*neither the frames nor the space of .*\(4, 24, 24\)'):
        PositionEmbedding(4, (4, 24, 24)).resize_pretrained(dict(joint=torch.zeros(1, 2 * 16 * 16, 4)))
    with pytest.raises(ValueError, match='cannot be split into space and time'):
        PositionEmbedding(4, (2, 4, 4), 'separate').resize_pretrained(dict(joint=torch.zeros(1, 32, 4)))


def random_embedding(grid, kind='joint', **kwargs):
    embedding = PositionEmbedding(4, grid, kind, **kwargs)
    for parameter in embedding.parameters():
        torch.nn.init.normal_(parameter)
    return embedding


def fitted(embedding, found):
    embedding.load_state_dict(embedding.resize_pretrained(dict(found.state_dict())))
    return embedding


@torch.no_grad()
def test_both_extensions_equal_the_pretrained_embedding_at_its_size() -> None:
    pretrained = random_embedding((24, 24))
    windowed = fitted(random_embedding((24, 24), 'windowed', window=(8, 8)), pretrained)
    plain = fitted(random_embedding((24, 24)), pretrained)
    expected = pretrained.joint.view(1, 24, 24, 4)
    assert torch.equal(plain((24, 24)), expected)
    torch.testing.assert_close(windowed((24, 24)), expected, rtol=0, atol=1e-6)

    # what windows have in common is in the table that is tiled
    mean = expected.unflatten(2, (3, 8)).unflatten(1, (3, 8)).mean((1, 3))
    torch.testing.assert_close(windowed.window.view(1, 8, 8, 4), mean)

    # larger, the one repeats from window to window but for what changes slowly, the other is stretched throughout
    grid = (48, 64)
    whole = resize_position_embedding(windowed.whole, (24, 24), grid, antialias=True).view(1, *grid, 4)
    repeated = (windowed(grid) - whole).unflatten(2, (8, 8)).unflatten(1, (6, 8))
    torch.testing.assert_close(repeated, windowed.window.view(1, 1, 8, 1, 8, 4).expand_as(repeated), rtol=0, atol=1e-5)
    assert (windowed(grid) - plain(grid)).std() > 0.1
    # a model that is built for them gets the same
    larger = fitted(random_embedding(grid, 'windowed', window=(8, 8), whole_grid=(24, 24)), pretrained)
    torch.testing.assert_close(larger(grid), windowed(grid))


@torch.no_grad()
def test_windowed_embeddings_of_other_kinds_and_back() -> None:
    clip = random_embedding((4, 16, 16), 'separate')
    windowed = fitted(random_embedding((16, 16), 'windowed', window=(8, 8)), clip)
    torch.testing.assert_close(windowed((16, 16)), clip((4, 16, 16)).mean(1), rtol=0, atol=1e-6)
    for kind in ('joint', 'space'):
        back = fitted(random_embedding((16, 16), kind), windowed)
        torch.testing.assert_close(back((16, 16)), windowed((16, 16)))
    back = fitted(random_embedding((4, 24, 16), 'separate'), windowed)
    torch.testing.assert_close(back((4, 24, 16))[:, 3], windowed((24, 16)))
    # other grids of the table, and grids that windows do not divide
    coarse = fitted(random_embedding((16, 16), 'windowed', window=(8, 8), whole_grid=(5, 5)), windowed)
    assert torch.equal(coarse.window, windowed.window)
    assert torch.equal(coarse.whole, resize_position_embedding(windowed.whole, (16, 16), (5, 5), antialias=True))
    assert coarse((13, 9)).shape == (1, 13, 9, 4)
    small = random_embedding((4, 4))
    torch.testing.assert_close(
        fitted(random_embedding((4, 4), 'windowed', window=(8, 8)), small)((4, 4)), small((4, 4)), rtol=0, atol=1e-6
    )
    with pytest.raises(ValueError, match='window of 8 position embeddings is not a square'):
        random_embedding((8, 8)).resize_pretrained(dict(window=torch.zeros(1, 8, 4), whole=torch.zeros(1, 64, 4)))


@torch.no_grad()
def test_windowed_positions_of_a_detector_at_1024(tmp_path: Path) -> None:
    """A plain file of 224² in both forms: in a mask unit the trained differences stay, or become a fifth of them."""
    plain = randomize(MODELS.build(dict(SMVIT, input_size=(224, 224))))
    unit = torch.randn(8, 8, 16).repeat(7, 7, 1)
    plain.pos_embed.joint.data = unit.flatten(0, 1)[None]
    path = save_backbone(plain, tmp_path / 'plain.pth')
    places = (slice(None), slice(96, 104), slice(96, 104))
    tables = {}
    for form in ('joint', 'windowed'):
        # built for 224² or for 1024² alike
        small = build_from_file(SMVIT, path, input_size=(224, 224), pos_embed=form).pos_embed((256, 256))
        grid = dict(pos_grid=(56, 56)) if form == 'windowed' else {}
        large = build_from_file(SMVIT, path, input_size=(1024, 1024), pos_embed=form, **grid).pos_embed((256, 256))
        torch.testing.assert_close(large, small, rtol=0, atol=1e-5)
        tables[form] = small[places]
    torch.testing.assert_close(tables['windowed'][0], unit[:8, :8], rtol=0, atol=1e-5)
    assert tables['joint'].diff(dim=2).std() < 0.3 * unit[:8, :8].diff(dim=1).std()
