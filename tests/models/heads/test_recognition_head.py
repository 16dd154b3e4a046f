"""The head of recognizers."""

import pytest
import torch
from mmaction.structures import ActionDataSample

from mmhvt.models import RecognitionHead


def test_head_computes_loss_under_bfloat16() -> None:
    head = RecognitionHead(5, 8)
    samples = [ActionDataSample().set_gt_label(label) for label in (0, 3)]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = head.loss((torch.randn(2, 8),), samples)
    assert losses['loss_cls'].dtype == torch.float32 and 'top1_acc' in losses


def test_head_pools_what_backbones_return() -> None:
    head = RecognitionHead(5, 8)
    head.init_weights()
    assert head(torch.randn(2, 8)).shape == (2, 5)
    assert head.fc_cls.weight.std() < 1e-4
    torch.nn.init.normal_(head.fc_cls.weight)
    video, token = torch.randn(2, 8, 4, 4, 4), torch.randn(2, 8)
    pooled = head(video.mean((2, 3, 4)))
    for maps in (video, (video,), [video], (token, video), [token, video], ([token, video],)):
        torch.testing.assert_close(head(maps), pooled)
    torch.testing.assert_close(head(video[:, :, 0]), head(video[:, :, 0].mean((2, 3))))
    torch.testing.assert_close(head(([video, token],)), head(token))  # a map and a class token
    # the sum of the channels of all outputs: the last comes first
    slow, fast = torch.randn(2, 6, 2, 4, 4), torch.randn(2, 2, 8, 4, 4)
    torch.testing.assert_close(head((slow, fast)), head(torch.cat([fast.mean((2, 3, 4)), slow.mean((2, 3, 4))], 1)))


def test_head_says_what_it_takes() -> None:
    head = RecognitionHead(5, 8)
    with pytest.raises(ValueError, match="out_type='avg_featmap'"):
        head((torch.randn(2, 4, 8),))
    with pytest.raises(ValueError, match='in_channels=8, but the backbone returns 6 channels: set in_channels=6'):
        head(torch.randn(2, 6, 4, 4))


def test_each_model_logs_once_how_it_maps_a_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = []
    monkeypatch.setattr('mmhvt.models.heads.recognition_head.print_log', lambda message, *_: logged.append(message))
    state = RecognitionHead(710, 4).state_dict()
    for _ in range(2):
        head = RecognitionHead(400, 4, labels='k710->k400')
        for _ in range(2):  # CheckpointCheckHook compares a file before it is loaded
            head.load_state_dict(dict(state))
    assert logged == ["fc_cls: 400 of 400 classes from the checkpoint's 710 classes"] * 2
