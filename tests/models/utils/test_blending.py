"""Blending of clips and images, and of their labels."""

import copy

import pytest
import torch
from mmaction.models.utils import MixupBlending
from mmaction.structures import ActionDataSample
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models import ClsDataPreprocessor, LabelSmoothLoss
from mmpretrain.structures import DataSample
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor
from torch.nn import functional as F

from mmhvt.models import MixupCutmix, RecognitionHead

pytestmark = pytest.mark.usefixtures('mmaction_scope')


def test_blending_and_label_smoothing_combine_as_in_timm() -> None:
    with DefaultScope.overwrite_default_scope('mmaction'):
        head = MODELS.build(dict(type='mmhvt.RecognitionHead', num_classes=5, in_channels=8, label_smooth_eps=0.1))
    labels, share = torch.tensor([1, 3]), 0.3
    samples = [ActionDataSample().set_gt_label(int(label)) for label in labels]
    blending = MixupBlending(num_classes=5, alpha=0.8)
    blending.beta.sample = lambda: torch.tensor(share)
    clips = torch.rand(2, 1, 3, 4, 8, 8)
    while True:  # until the two are mixed with each other rather than with themselves
        mixed, mixed_samples = blending(clips, copy.deepcopy(samples))
        if not torch.allclose(mixed, clips):
            break
    assert torch.allclose(mixed, share * clips + (1 - share) * clips.flip(0))
    scores = torch.randn(2, 5)
    loss = head.loss_by_feat(scores, mixed_samples)['loss_cls']
    target = mixup_target(labels, num_classes=5, lam=share, smoothing=0.1)
    assert torch.allclose(loss, SoftTargetCrossEntropy()(scores, target))


def numbered(batch: int, *shape: int) -> Tensor:
    """A batch whose sample i is i + 1 everywhere."""
    return (torch.arange(batch) + 1.0).reshape(-1, *[1] * len(shape)).expand(-1, *shape).clone()


def targets(scores: Tensor, share: float, others: Tensor) -> Tensor:
    return share * scores + (1 - share) * others


@pytest.mark.parametrize('shape', [(1, 3, 4, 16, 16), (3, 16, 16)], ids=['clips', 'images'])
def test_half_of_a_batch_is_mixed_and_half_is_cut(shape: tuple) -> None:
    clips, labels = numbered(8, *shape), F.one_hot(torch.arange(8), 10)
    before = clips.clone()
    blended, soft = MixupCutmix(num_classes=10)(clips, labels)
    assert torch.equal(clips, before) and blended.shape == clips.shape
    for half, is_cut in ((range(0, 8, 2), False), (range(1, 8, 2), True)):
        shares = set()
        for place, index in enumerate(half):
            other = half[place - 1]
            values = blended[index].unique()
            share = float(soft[index, index])
            assert 0 < share < 1 and float(soft[index, other]) == pytest.approx(1 - share, abs=1e-6)
            if is_cut:
                assert values.tolist() == sorted([index + 1, other + 1])
                kept = (blended[index] == index + 1).float()
                assert kept.mean().item() == pytest.approx(share, abs=1e-6)
                # one rectangle over all frames and channels
                assert torch.equal(kept, kept.reshape(-1, 16, 16)[0].expand_as(kept))
            else:
                assert values.numel() == 1
                assert values.item() == pytest.approx(share * (index + 1) + (1 - share) * (other + 1), rel=1e-5)
            shares.add(round(share, 4))
        assert len(shares) == 1
    assert torch.allclose(soft.sum(1), torch.ones(8))


def test_alphas_shape_the_ratios() -> None:
    def spread(**alphas: float) -> list[float]:
        blend = MixupCutmix(num_classes=4, **alphas)
        draws = [blend(numbered(4, 3, 64, 64), torch.eye(4))[1].diagonal()[:2] for _ in range(300)]
        return torch.stack(draws).std(0).tolist()

    # Beta(0.8, 0.8) and, for small alphas, nearly 0 or 1
    assert spread()[0] == pytest.approx((1 / 4 / 2.6) ** 0.5, rel=0.1)
    mixup, cutmix = spread(mixup_alpha=0.01, cutmix_alpha=100.0)
    assert mixup > 0.45 and cutmix < 0.2


def test_clips_of_a_video_are_not_blended_with_each_other() -> None:
    # as a loader with repeated augmentation 2 delivers them: 4 clips of 2 videos, the papers' batch on a GPU
    _, soft = MixupCutmix(num_classes=2)(numbered(4, 1, 3, 2, 8, 8), F.one_hot(torch.tensor([0, 0, 1, 1]), 2))
    assert ((soft > 0) & (soft < 1)).all()


def test_blending_of_what_is_left_of_an_epoch() -> None:
    blend = MixupCutmix(num_classes=3)
    clips, soft = blend(numbered(1, 3, 8, 8), torch.eye(3)[:1])
    assert torch.equal(clips, numbered(1, 3, 8, 8)) and torch.equal(soft, torch.eye(3)[:1])
    clips, soft = blend(numbered(3, 3, 8, 8), torch.eye(3))
    assert torch.equal(clips[1], numbered(3, 3, 8, 8)[1]) and not torch.equal(clips[0], numbered(3, 3, 8, 8)[0])


def test_blending_in_the_preprocessor_of_mmaction() -> None:
    config = dict(
        type='ActionDataPreprocessor',
        mean=[1.0] * 3,
        std=[2.0] * 3,
        format_shape='NCTHW',
        blending=dict(type='mmhvt.MixupCutmix', num_classes=5),
    )
    preprocessor = MODELS.build(config)
    clips = [clip.to(torch.uint8) for clip in numbered(4, 1, 3, 2, 8, 8)]

    def data() -> dict:
        return dict(inputs=clips, data_samples=[ActionDataSample().set_gt_label(label) for label in range(4)])

    trained, tested = preprocessor(data(), training=True), preprocessor(data(), training=False)
    assert trained['inputs'].shape == (4, 1, 3, 2, 8, 8)
    assert [sample.gt_label.shape for sample in trained['data_samples']] == [(5,)] * 4
    assert not torch.equal(trained['inputs'], tested['inputs'])
    assert [sample.gt_label.tolist() for sample in tested['data_samples']] == [[0], [1], [2], [3]]


def test_blending_in_the_preprocessor_of_mmpretrain() -> None:
    augments = dict(type='mmhvt.models.MixupCutmix', num_classes=5)
    preprocessor = ClsDataPreprocessor(num_classes=5, batch_augments=dict(augments=augments))
    images = [image.to(torch.uint8) for image in numbered(4, 3, 8, 8)]
    data = dict(inputs=images, data_samples=[DataSample().set_gt_label(label) for label in range(4)])
    out = preprocessor(data, training=True)
    scores = torch.stack([sample.gt_score for sample in out['data_samples']])
    assert out['inputs'].shape == (4, 3, 8, 8) and not torch.equal(out['inputs'], numbered(4, 3, 8, 8))
    assert torch.allclose(scores.sum(1), torch.ones(4)) and ((scores > 0).sum(1) == 2).any()
    # with the loss of the image recipes: the targets of timm
    predicted = torch.randn(4, 5)
    smoothing = LabelSmoothLoss(label_smooth_val=0.1, mode='original', num_classes=5)
    found = smoothing(predicted, scores)
    assert torch.allclose(found, SoftTargetCrossEntropy()(predicted, 0.9 * scores + 0.1 / 5))


def test_label_smoothing_of_blended_labels() -> None:
    head = RecognitionHead(num_classes=5, in_channels=8, label_smooth_eps=0.1)
    labels = torch.tensor([0, 1, 3, 4])
    samples = [ActionDataSample().set_gt_label(int(label)) for label in labels]
    clips, samples = MixupCutmix(num_classes=5)(numbered(4, 1, 3, 2, 8, 8), samples)
    share = samples[0].gt_label[0].item()
    scores = torch.randn(2, 5)
    loss = head.loss_by_feat(scores, [samples[0], samples[2]])['loss_cls']
    target = mixup_target(labels[::2], num_classes=5, lam=share, smoothing=0.1)
    assert torch.allclose(loss, SoftTargetCrossEntropy()(scores, target))


def test_wrong_blending() -> None:
    with pytest.raises(ValueError, match='mixup_alpha must be greater than 0, got 0'):
        MixupCutmix(num_classes=3, mixup_alpha=0)
    with pytest.raises(ValueError, match='cutmix_alpha must be greater than 0, got -1'):
        MixupCutmix(num_classes=3, cutmix_alpha=-1)
    with pytest.raises(ValueError, match=r'num_classes=3, but the labels are of shape \(2, 4\)'):
        MixupCutmix(num_classes=3)(numbered(2, 3, 8, 8), torch.eye(4)[:2])
