"""Features of backbones that return a tensor, a tuple of one map, or SlowFast's two."""

import torch

from mmhvt.models import FeatureHead


def test_pooled_features_pass() -> None:
    pooled = torch.rand(2, 4)
    assert FeatureHead(average_clips='score')((pooled,)) is pooled


def test_a_tuple_of_one_map_is_pooled_like_the_map() -> None:
    maps = torch.rand(2, 4, 3, 5, 5)
    head = FeatureHead(average_clips='score')
    assert torch.equal(head((maps,)), maps.mean((3, 4)).mean(2))
    assert torch.equal(head(maps), head((maps,)))


def test_two_maps_of_slowfast() -> None:
    slow, fast = torch.rand(2, 4, 3, 5, 5), torch.rand(2, 2, 3, 5, 5)
    features = FeatureHead(backbone_name='slowfast', average_clips='score')((slow, fast))
    assert torch.equal(features, torch.cat([slow.mean((3, 4)).mean(2), fast.mean((3, 4)).mean(2)], dim=1))
