"""The head of image classifiers."""

import torch

from mmhvt.models import ImageHead


def test_image_head_drops_in_training_alone() -> None:
    head = ImageHead(num_classes=3, in_channels=8, dropout_ratio=0.5)
    feats = (torch.ones(64, 8),)
    dropped = head.train().pre_logits(feats)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(head.eval().pre_logits(feats), feats[0])
    assert torch.allclose(head(feats), head.fc(feats[0]))
