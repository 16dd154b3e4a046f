"""Top-1 of scores (num_classes,), and the refusal of scores that keep an axis for views."""

import pytest
import torch

from mmhvt.evaluation import AccMetric


def samples(shape: tuple[int, ...]) -> list[dict]:
    return [dict(pred_score=torch.eye(4)[i].view(shape), gt_label=torch.tensor([i])) for i in range(4)]


def metric() -> AccMetric:
    return AccMetric(metric_list='top_k_accuracy', metric_options=dict(top_k_accuracy=dict(topk=1)))


def test_scores_of_videos() -> None:
    top1 = metric()
    top1.process(None, samples((4,)))
    assert top1.evaluate(4) == {'acc/top1': 1.0}


def test_scores_of_views_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(num_classes,\), got \(1, 4\): set average_clips='prob' in the head"):
        metric().process(None, samples((1, 4)))


def test_scores_of_several_modalities() -> None:
    """Of RGBPoseConv3D, which has a dict of them."""
    both = [dict(sample, pred_score=dict(rgb=sample['pred_score'].clone())) for sample in samples((4,))]
    top1 = metric()
    top1.process(None, both)
    assert top1.evaluate(4) == {'acc/rgb_top1': 1.0}
