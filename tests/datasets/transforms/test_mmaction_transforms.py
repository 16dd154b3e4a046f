"""What recipes rely on in transforms of mmaction2."""

import copy

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from mmhvt.datasets import ShuffleFrames

pytestmark = pytest.mark.usefixtures('mmaction_scope')


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


def test_color_jitter_is_that_of_the_clip() -> None:
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
