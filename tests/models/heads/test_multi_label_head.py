"""Several labels per clip: loss, scores and metric."""

import numpy as np
import pytest
import torch
from mmaction.evaluation import AccMetric
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch.nn import functional as F

from mmhvt.models import MultiLabelHead

pytestmark = pytest.mark.usefixtures('mmaction_scope')


def many_hot(*labels: int, num_classes: int = 4) -> ActionDataSample:
    label = torch.zeros(num_classes)
    label[list(labels)] = 1
    return ActionDataSample().set_gt_label(label)


def test_multi_label_loss() -> None:
    head = MODELS.build(dict(type='mmhvt.MultiLabelHead', num_classes=4, in_channels=8, init_scale=1.0))
    head.init_weights()
    features = torch.randn(3, 8)
    samples = [many_hot(0, 2), many_hot(), many_hot(3)]
    losses = head.loss(features, samples)
    labels = torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert list(losses) == ['loss_cls']
    assert torch.allclose(losses['loss_cls'], F.binary_cross_entropy_with_logits(head(features), labels))
    # a batch of one, as the last of an epoch may be
    (alone,) = head.loss(features[:1], samples[:1]).values()
    assert torch.allclose(alone, F.binary_cross_entropy_with_logits(head(features[:1]), labels[:1]))


def test_multi_label_scores_are_the_largest_over_views() -> None:
    head = MultiLabelHead(num_classes=4, in_channels=8, init_scale=1.0)
    head.init_weights()
    features = torch.randn(2 * 30, 8)  # 10 clips of 3 crops of 2 videos
    samples = head.predict(features, [many_hot(0), many_hot(1)])
    expected = head(features).sigmoid().reshape(2, 30, 4).max(1).values
    assert torch.equal(torch.stack([sample.pred_score for sample in samples]), expected)
    assert not torch.allclose(expected.sum(1), torch.ones(2))


def test_mean_average_precision_of_several_labels() -> None:
    metric = AccMetric(metric_list='mean_average_precision')
    scores = torch.tensor([[0.9, 0.1, 0.8, 0.5], [0.8, 0.7, 0.4, 0.5], [0.3, 0.6, 0.6, 0.5]])
    samples = [many_hot(0, 1).set_pred_score(scores[0]), many_hot(1).set_pred_score(scores[1])]
    samples.append(many_hot(0, 2).set_pred_score(scores[2]))
    metric.process([], [sample.to_dict() for sample in samples])
    # ranks of the positives by class: (1, 3), (1, 3), (2); the fourth class has none and does not count
    expected = np.mean([(1 + 2 / 3) / 2, (1 + 2 / 3) / 2, 1 / 2])
    assert metric.evaluate(3) == {'acc/mean_average_precision': pytest.approx(expected)}


def test_wrong_multi_label() -> None:
    head = MultiLabelHead(num_classes=4, in_channels=8, average_clips=None)
    with pytest.raises(ValueError, match=r'labels of shape \(4,\), got \(1,\): set multi_class=True and num_classes=4'):
        head.loss(torch.randn(1, 8), [ActionDataSample().set_gt_label(2)])
    with pytest.raises(ValueError, match="takes no average_clips, got 'prob'"):
        MultiLabelHead(num_classes=4, in_channels=8, average_clips='prob')
    with pytest.raises(ValueError, match='takes no label_smooth_eps, got 0.1'):
        MultiLabelHead(num_classes=4, in_channels=8, label_smooth_eps=0.1)
