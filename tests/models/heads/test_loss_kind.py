"""Losses of heads and the tasks that they are for."""

import pytest
from torch import nn

from mmhvt.models.heads import MultiLabelHead, RecognitionHead
from mmhvt.models.heads.loss_kind import loss_kind
from mmhvt.registry import MODELS


def test_heads_refuse_losses_of_another_task() -> None:
    sizes = dict(num_classes=4, in_channels=8)
    bce, ce = dict(type='mmaction.BCELossWithLogits'), dict(type='mmaction.CrossEntropyLoss')
    with pytest.raises(ValueError, match=r"softmax .average_clips='prob'.*BCELossWithLogits.*mmhvt.MultiLabelHead"):
        RecognitionHead(**sizes, loss_cls=bce, average_clips='prob')
    RecognitionHead(**sizes, loss_cls=bce, average_clips='score')
    with pytest.raises(ValueError, match=r'multi_class=True, but loss_cls=CrossEntropyLoss'):
        RecognitionHead(**sizes, loss_cls=ce, multi_class=True)
    with pytest.raises(ValueError, match='loss_cls=NLLLoss takes log-probabilities'):
        RecognitionHead(**sizes, loss_cls=dict(type='mmaction.NLLLoss'))
    for loss in (ce, dict(type='mmaction.CBFocalLoss', samples_per_cls=[1] * 4), dict(type='mmpretrain.SeesawLoss')):
        with pytest.raises(ValueError, match='MultiLabelHead: loss_cls=.* takes one label per video'):
            MultiLabelHead(**sizes, loss_cls=loss)
    MultiLabelHead(**sizes, loss_cls=dict(type='mmpretrain.AsymmetricLoss'))


def test_kinds_of_losses() -> None:
    build = lambda name, **kwargs: loss_kind(MODELS.build(dict(type=name, **kwargs)))  # noqa: E731  # noqa: E731
    assert build('mmaction.BCELossWithLogits') == build('mmpretrain.AsymmetricLoss') == 'sigmoid'
    assert build('mmpretrain.CrossEntropyLoss', use_sigmoid=True) == build('mmpretrain.FocalLoss') == 'sigmoid'
    assert build('mmpretrain.LabelSmoothLoss', label_smooth_val=0.1, mode='multi_label', use_sigmoid=True) == 'sigmoid'
    assert (
        build('mmpretrain.LabelSmoothLoss', label_smooth_val=0.1) == build('mmpretrain.CrossEntropyLoss') == 'softmax'
    )
    assert build('mmaction.CrossEntropyLoss') == loss_kind(nn.CrossEntropyLoss()) == 'softmax'
    assert build('mmaction.CBFocalLoss', samples_per_cls=[1]) == 'one-hot'
    assert loss_kind(nn.MSELoss()) is None
