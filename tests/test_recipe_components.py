"""What recipes need besides a model: of ours, and of mm* where a recipe relies on it."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.evaluation import AccMetric
from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope
from mmpretrain.models import ClsDataPreprocessor, LabelSmoothLoss
from mmpretrain.structures import DataSample
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor
from torch.nn import functional as F

from mmhvt.datasets import FiveCrop, SegmentVideoDataset, ShuffleFrames, ThreeCrop, UnreadableVideoError, VideoDataset
from mmhvt.models import MixupCutmix, MultiLabelHead, RecognitionHead


@pytest.fixture(autouse=True)
def mmaction_scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


# --- blending ---------------------------------------------------------------------------------------------------------


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


# --- several labels ---------------------------------------------------------------------------------------------------


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
    with pytest.raises(ValueError, match=r'labels of shape \(4,\), got \(1,\): the dataset needs multi_class=True'):
        head.loss(torch.randn(1, 8), [ActionDataSample().set_gt_label(2)])
    with pytest.raises(ValueError, match="takes no average_clips, got 'prob'"):
        MultiLabelHead(num_classes=4, in_channels=8, average_clips='prob')
    with pytest.raises(ValueError, match='takes no label_smooth_eps, got 0.1'):
        MultiLabelHead(num_classes=4, in_channels=8, label_smooth_eps=0.1)


# --- crops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('turned', [False, True], ids=['wide', 'high'])
def test_three_crops_cover_the_longer_side(turned: bool) -> None:
    frame = np.arange(32 * 57).reshape(32, 57, 1)
    frame = frame.swapaxes(0, 1) if turned else frame
    frames = [frame, frame + 10_000]
    results = ThreeCrop(crop_size=28).transform(dict(imgs=list(frames)))
    assert len(results['imgs']) == 6 and results['img_shape'] == (28, 28)
    starts = []
    for index, (crop, box) in enumerate(zip(results['imgs'], results['crop_bbox'], strict=True)):
        left, top, right, bottom = box
        assert np.array_equal(crop, frames[index % 2][top:bottom, left:right])
        assert (left if turned else top) == 2, 'centred along the shorter side'
        starts.append(top if turned else left)
    assert starts[::2] == starts[1::2] == [0, 28, 14]


def test_three_crop_equals_mmactions_where_that_works() -> None:
    frames = [np.random.RandomState(0).randint(0, 256, (28, 41, 3), dtype=np.uint8)]
    ours = ThreeCrop(crop_size=28).transform(dict(imgs=frames))
    theirs = TRANSFORMS.build(dict(type='ThreeCrop', crop_size=28)).transform(dict(imgs=frames))
    assert all(np.array_equal(a, b) for a, b in zip(ours['imgs'], theirs['imgs'], strict=True))
    assert np.array_equal(ours['crop_bbox'], theirs['crop_bbox'])


def test_three_crop_of_too_small_frames() -> None:
    with pytest.raises(ValueError, match='crops of 28x28 do not fit into frames of 40x20: put a Resize before it'):
        ThreeCrop(crop_size=28).transform(dict(imgs=[np.zeros((20, 40, 3), np.uint8)]))


@pytest.mark.parametrize('turned', [False, True], ids=['wide', 'high'])
def test_five_crop_covers_the_longer_side(turned: bool) -> None:
    frame = np.arange(28 * 71).reshape(28, 71, 1)
    frame = frame.swapaxes(0, 1) if turned else frame
    frames = [frame, frame + 10_000]
    results = FiveCrop(crop_size=28).transform(dict(imgs=list(frames)))
    assert len(results['imgs']) == 10 and results['img_shape'] == (28, 28)
    starts = []
    for index, (crop, box) in enumerate(zip(results['imgs'], results['crop_bbox'], strict=True)):
        left, top, right, bottom = box
        assert crop.shape == (28, 28, 1) and np.array_equal(crop, frames[index % 2][top:bottom, left:right])
        starts.append(top if turned else left)
    assert starts[::2] == starts[1::2] == [0, 10, 21, 32, 43]
    three = TRANSFORMS.build(dict(type='ThreeCrop', crop_size=28)).transform(dict(imgs=list(frames)))['crop_bbox'][::2]
    # its middle and right ones are rounded otherwise
    assert np.abs(results['crop_bbox'][::2][[0, 4, 2]] - three).max() <= 1


def test_five_crop_needs_frames_as_high_as_the_crops() -> None:
    with pytest.raises(ValueError, match='crops of 28x28 are not as large as the shorter side of frames of 40x32'):
        FiveCrop(crop_size=28).transform(dict(imgs=[np.zeros((32, 40, 3), np.uint8)]))


# --- what recipes rely on in mmaction ---------------------------------------------------------------------------------


def test_erasing_takes_one_region_of_the_whole_clip() -> None:
    settings = dict(erase_prob=1.0, mode='rand', max_area_ratio=1 / 3, fill_color=[114.75] * 3, fill_std=[57.375] * 3)
    erase = TRANSFORMS.build(dict(type='RandomErasing', **settings))
    np.random.seed(0)
    places, noise = set(), []
    for _ in range(20):
        clip = erase.transform(dict(imgs=[np.full((64, 64, 3), 1, np.uint8) for _ in range(4)]))['imgs']
        # noise is 1 in less than a hundredth of the pixels
        erased = np.stack([(frame != 1).any(-1) for frame in clip])
        rows, columns = np.flatnonzero(erased.any((0, 2))), np.flatnonzero(erased.any((0, 1)))
        region = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        assert all(frame[region].all() and frame.sum() == frame[region].sum() for frame in erased)
        places.add((rows[0], columns[0], rows[-1], columns[-1]))
        assert 0.015 < erased[0].mean() < 0.35
        noise.append(np.stack([frame[region] for frame in clip]).astype(float))
    assert len(places) > 15
    assert not np.array_equal(noise[0][0], noise[0][1]), 'frames have noise of their own, as in PySlowFast'
    pixels = np.concatenate([patch.ravel() for patch in noise])
    assert pixels.mean() == pytest.approx(114.75, abs=2) and pixels.std() == pytest.approx(57, abs=2)


def test_segment_sampling() -> None:
    train = TRANSFORMS.build(dict(type='UniformSample', clip_len=16))
    test = TRANSFORMS.build(dict(type='UniformSample', clip_len=16, test_mode=True))
    np.random.seed(0)
    for frames in (16, 37, 160):
        edges = np.linspace(0, frames - 1, 17).round().astype(int)
        drawn = np.stack([train.transform(dict(total_frames=frames, start_index=0))['frame_inds'] for _ in range(300)])
        assert (drawn >= edges[:-1]).all() and (drawn <= edges[1:]).all()
        assert [len(set(column)) for column in drawn.T] == (np.diff(edges) + 1).tolist(), 'all of a segment occur'
        middle = test.transform(dict(total_frames=frames, start_index=0))['frame_inds']
        assert np.abs(middle - (edges[:-1] + edges[1:]) / 2).max() <= 1
    results = ShuffleFrames().transform(dict(results_of(test), imgs=list(range(16))))
    assert sorted(results['imgs']) == list(range(16)), 'shuffles segment-sampled clips too'


def results_of(sample) -> dict:
    return copy.deepcopy(sample.transform(dict(total_frames=50, start_index=0)))


def test_clips_of_a_sparse_test_lie_between_each_other() -> None:
    sample = TRANSFORMS.build(dict(type='UniformSample', clip_len=8, num_clips=4, test_mode=True))
    clips = results_of(sample)['frame_inds'].reshape(4, 8)
    # each over the whole video, and none the same
    assert (clips[:, 0] < 6).all() and (clips[:, -1] > 42).all()
    assert (np.diff(clips, axis=0) > 0).all() and (clips[-1, :-1] < clips[0, 1:]).all()


def test_colour_jitter_is_that_of_the_clip() -> None:
    frame = np.random.RandomState(0).randint(0, 256, (8, 8, 3), dtype=np.uint8)
    np.random.seed(0)
    brightness = TRANSFORMS.build(dict(type='ColorJitter', brightness=0.4, contrast=0.0, saturation=0.0, hue=0.0))
    gains = []
    for _ in range(100):
        clip = brightness.transform(dict(imgs=[frame.copy() for _ in range(3)]))['imgs']
        assert np.array_equal(clip[0], clip[1]) and np.array_equal(clip[0], clip[2]) and clip[0].dtype == np.uint8
        dark = frame < 180
        gains.append(clip[0][dark].mean() / frame[dark].mean())
    assert 0.58 < min(gains) < 0.65 and 1.35 < max(gains) < 1.42


# --- segments of untrimmed videos -------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def untrimmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two videos of 40 frames, 10 in a second, which are as bright as 6 times their number."""
    folder = tmp_path_factory.mktemp('untrimmed')
    for name in ('v_a', 'v_b'):
        writer = cv2.VideoWriter(str(folder / f'{name}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, (32, 32))
        assert writer.isOpened()
        for number in range(40):
            writer.write(np.full((32, 32, 3), 6 * number, np.uint8))
        writer.release()
    return folder


def frames_of(sample: dict) -> list[int]:
    """Numbers of the frames of a sample of :func:`untrimmed`, which the codec made a little darker."""
    return [round(frame.float().mean().item() / 6 + 0.4) for frame in sample['inputs'][0].transpose(0, 1)]


def segments(untrimmed: Path, tmp_path: Path, lines: str, **kwargs) -> SegmentVideoDataset:
    (tmp_path / 'list.txt').write_text(lines)
    pipeline = [
        dict(type='DecordInit'),
        dict(type='UniformSample', clip_len=4),
        dict(type='DecordDecode'),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs'),
    ]
    config = dict(
        type='mmhvt.SegmentVideoDataset',
        ann_file=str(tmp_path / 'list.txt'),
        data_prefix=dict(video=str(untrimmed)),
        pipeline=pipeline,
    )
    return DATASETS.build(config | kwargs)


def test_segments_give_their_own_frames(untrimmed: Path, tmp_path: Path) -> None:
    lines = 'v_a.mp4 1 2.5 3\nv_b.mp4 0 0.3 1\n\nv_a.mp4 3.05 99 0\nv_a.mp4 3.9 4 2\n'
    dataset = segments(untrimmed, tmp_path, lines, num_repeats=2, num_classes=4)
    assert len(dataset) == 4 and (dataset.largest_label, dataset.largest_label_line) == (3, 1)
    np.random.seed(0)
    for index, (first, last, label) in enumerate([(10, 24, 3), (0, 2, 1), (30, 39, 0), (39, 39, 2)]):
        seen = set()
        for _ in range(30):
            samples = dataset[index]
            assert len(samples) == 2
            for sample in samples:
                frames = frames_of(sample)
                assert frames == sorted(frames) and len(frames) == 4
                assert sample['data_samples'].gt_label.tolist() == [label]
                seen.update(frames)
        # all of them, and no other
        assert seen == set(range(first, last + 1))


def test_whole_videos_for_the_test_of_what_segments_trained(untrimmed: Path, tmp_path: Path) -> None:
    pipeline = segments(untrimmed, tmp_path, 'v_a.mp4 1 2 0\n').pipeline.transforms
    (tmp_path / 'videos.txt').write_text('v_a.mp4 0\n')
    sparse = dict(type='UniformSample', clip_len=4, test_mode=True)
    whole = VideoDataset(
        str(tmp_path / 'videos.txt'),
        [dict(type='DecordInit'), sparse, dict(type='DecordDecode'), *pipeline[3:]],
        data_prefix=dict(video=str(untrimmed)),
        test_mode=True,
    )
    assert frames_of(whole[0]) == [4, 14, 24, 33]


def test_segments_behind_the_end_of_their_video(untrimmed: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideoError, match=r'segment from 4.5 to 6 s of .*v_a.mp4, which ends at 4.0 s'):
        segments(untrimmed, tmp_path, 'v_a.mp4 4.5 6 0\n', on_unreadable='raise')[0]
    # another one takes its place
    np.random.seed(0)
    (sample,) = segments(untrimmed, tmp_path, 'v_a.mp4 4.5 6 0\nv_b.mp4 1 2 1\n')[0]
    assert sample['data_samples'].gt_label.tolist() == [1] and set(frames_of(sample)) <= set(range(10, 20))


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('v_a.mp4 1 2', "line 2: 'v_a.mp4 1 2' needs path, start and end in seconds, and label"),
        ('v_a.mp4 one 2 0', "start 'one' and end '2' are not both seconds"),
        ('v_a.mp4 2 1 0', 'from 2 to 1 s: 0 ≤ start < end is needed'),
        ('v_a.mp4 -1 1 0', 'from -1 to 1 s: 0 ≤ start < end is needed'),
        ('v_a.mp4 nan 1 0', 'from nan to 1 s: 0 ≤ start < end is needed'),
        ('v_a.mp4 1 2 cat', 'line 2: .* has a label that is no integer'),
        ('v_a.mp4 1 2 9', r'line 2: .* has label 9, but the dataset has num_classes=4'),
    ],
)
def test_wrong_segments(untrimmed: Path, tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segments(untrimmed, tmp_path, f'v_a.mp4 1 2 0\n{line}\n', num_classes=4)


def annotation(subset: str, *actions: tuple[float, float, str]) -> dict:
    return dict(subset=subset, annotations=[dict(segment=[start, end], label=label) for start, end, label in actions])


def run_untrimmed(videos: Path, tmp_path: Path, content: str, *options: str) -> subprocess.CompletedProcess:
    (tmp_path / 'annotations.json').write_text(content)
    script = Path(__file__).parents[1] / 'tools/data/untrimmed.py'
    command = [sys.executable, script, tmp_path / 'annotations.json', videos, tmp_path / 'out', '--name', 'hacs']
    return subprocess.run([*map(str, command), *options], text=True, capture_output=True)


def test_lists_of_untrimmed_videos(untrimmed: Path, tmp_path: Path) -> None:
    database = dict(
        a=annotation('training', (1, 2.5, 'walk'), (3, 3, 'run'), (3, 4.25, 'run')),
        b=annotation('validation', (0, 1, 'walk'), (1, 3.5, 'run'), (3.5, 4, 'walk')),
        absent=annotation('validation', (0, 1, 'walk')),
        unlabelled=annotation('testing'),
    )
    done = run_untrimmed(untrimmed, tmp_path, json.dumps(dict(database=database)))
    assert done.returncode == 0, done.stderr
    assert '1 segments without length (training)' in done.stdout and '1 absent (validation)' in done.stdout
    lists = {path.name: path.read_text() for path in (tmp_path / 'out').iterdir()}
    assert lists == {
        'hacs_train_list_segments.txt': 'v_a.mp4 1 2.5 1\nv_a.mp4 3 4.25 0\n',
        'hacs_val_list_videos.txt': 'v_b.mp4 0\n',
        'hacs_label_map.txt': 'run\nwalk\n',
    }
    dataset = segments(untrimmed, tmp_path, lists['hacs_train_list_segments.txt'], num_classes=2)
    assert set(frames_of(dataset[1][0])) <= set(range(30, 40))
    (tmp_path / 'classes.txt').write_text('walk\n')
    done = run_untrimmed(
        untrimmed, tmp_path, json.dumps(dict(database=database)), '--classes', str(tmp_path / 'classes.txt')
    )
    assert done.returncode == 1 and 'labels that are not in' in done.stderr and 'run' in done.stderr


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'is no JSON'),
        ('[]', 'its first level is not of the form'),
        ('{"database": {"a": {"subset": "training", "annotations": [{"segment": [1]}]}}}', "video 'a' is not of the"),
        ('{"database": {"x": {"subset": "training", "annotations": []}}}', 'train_list_segments.txt would be empty'),
    ],
)
def test_wrong_annotations_of_untrimmed_videos(untrimmed: Path, tmp_path: Path, content: str, message: str) -> None:
    done = run_untrimmed(untrimmed, tmp_path, content)
    assert done.returncode == 1 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / 'out').exists()
