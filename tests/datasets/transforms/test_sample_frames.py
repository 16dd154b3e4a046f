"""Clips with strides in time are those that PySlowFast cuts, in training and testing, from MP4s of any frame rate."""

import math
from fractions import Fraction
from pathlib import Path

import mmaction.datasets.transforms
import numpy as np
import pytest

from helpers.numbered_videos import numbers_in, write_numbered
from helpers.training import PACK
from mmhvt.datasets import SampleFrames, UnreadableVideoError
from mmhvt.registry import DATASETS, TRANSFORMS

RATES = (15, 25, 30, 60)
LENGTHS = dict(whole=200, short=20, one=1)


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos RATE_whole.mp4 of 200 frames, RATE_short.mp4 of 20 and RATE_one.mp4 of one."""
    folder = tmp_path_factory.mktemp('rates')
    for rate in RATES:
        for name, frames in LENGTHS.items():
            write_numbered(folder / f'{rate}_{name}.mp4', frames, rate)
    return folder


def build(videos: Path, name: str, kind: str = 'mmhvt.VideoDataset', test_mode: bool = False, **sample) -> object:
    sampler = dict(type='mmhvt.SampleFrames', target_fps=30, out_of_bound_opt='repeat_last', test_mode=test_mode)
    pipeline = [dict(type='mmhvt.DecordInit'), sampler | sample, dict(type='mmaction.DecordDecode'), *PACK]
    (videos / f'{name}.txt').write_text(f'{name}.mp4 0\n')
    repeats = dict(num_repeats=2) if kind == 'mmhvt.RepeatAugDataset' else {}
    cfg = dict(type=kind, ann_file=str(videos / f'{name}.txt'), data_prefix=dict(video=str(videos)), **repeats)
    return DATASETS.build(dict(cfg, pipeline=pipeline, test_mode=test_mode))


def clip_length(frames: int, stride: int, rate: int) -> Fraction:
    """Frames of the video that a clip lasts (slowfast/datasets/decoder.py: clip_sizes)."""
    return max(Fraction(1), Fraction(frames * stride * rate, 30))


def offsets(frames: int, length: Fraction) -> list[int]:
    """Frames of a clip after its first (slowfast/datasets/decoder.py: temporal_sampling)."""
    return [math.floor(place * (length - 1) / max(frames - 1, 1)) for place in range(frames)]


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('name', LENGTHS)
@pytest.mark.parametrize(('frames', 'stride', 'clips'), [(16, 4, 5), (8, 3, 10), (16, 4, 1), (32, 3, 3)])
def test_testing_takes_the_frames_of_pyslowfast(
    rate: int, name: str, frames: int, stride: int, clips: int, videos: Path
) -> None:
    total, length = LENGTHS[name], clip_length(frames, stride, rate)
    space = max(total - length, 0)
    starts = [math.floor(space / 2)] if clips == 1 else [k * math.floor(space / (clips - 1)) for k in range(clips)]
    expected = [[min(start + offset, total - 1) for offset in offsets(frames, length)] for start in starts]
    dataset = build(videos, f'{rate}_{name}', test_mode=True, clip_len=frames, frame_interval=stride, num_clips=clips)
    assert numbers_in(dataset[0]['inputs']) == expected


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('kind', ['mmhvt.VideoDataset', 'mmhvt.RepeatAugDataset'])
@pytest.mark.parametrize('name', LENGTHS)
def test_training_takes_the_frames_of_pyslowfast(rate: int, kind: str, name: str, videos: Path) -> None:
    np.random.seed(0)
    total, length = LENGTHS[name], clip_length(16, 4, rate)
    dataset = build(videos, f'{rate}_{name}', kind, clip_len=16, frame_interval=4)
    found = dataset[0]
    for sample in found if isinstance(found, list) else [found]:
        (clip,) = numbers_in(sample['inputs'])
        assert 0 <= clip[0] <= max(total - length, 0)
        assert clip == [min(clip[0] + offset, total - 1) for offset in offsets(16, length)]


@pytest.mark.parametrize('rate', RATES)
def test_training_draws_every_start(rate: int) -> None:
    np.random.seed(0)
    sample = SampleFrames(clip_len=8, frame_interval=2, target_fps=30, out_of_bound_opt='repeat_last')
    info = dict(total_frames=40, start_index=0, avg_fps=float(rate))
    starts = {int(sample(dict(info))['frame_inds'][0]) for _ in range(2000)}
    assert starts == set(range(math.floor(40 - clip_length(8, 2, rate)) + 1))


def test_a_short_video_holds_its_last_frame_and_mmactions_that_of_the_clip() -> None:
    info = dict(total_frames=50, start_index=0, avg_fps=30.0)
    kwargs = dict(clip_len=16, frame_interval=4, out_of_bound_opt='repeat_last', test_mode=True)
    for target in (None, 30):
        ours, theirs = (
            TRANSFORMS.build(dict(type=f'{scope}.SampleFrames', target_fps=target, **kwargs))(dict(info))['frame_inds']
            for scope in ('mmhvt', 'mmaction')
        )
        assert (ours[ours < 49] == theirs[: sum(ours < 49)]).all()
        assert set(ours[ours >= 49]) == {49} and theirs[-1] < 49
    sample = SampleFrames(**kwargs)
    assert sample(dict(info, start_index=1))['frame_inds'].tolist() == [*range(1, 50, 4), 50, 50, 50]


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('kwargs', [dict(), dict(keep_tail_frames=True), dict(num_clips=3), dict(target_fps=25)])
def test_what_mmaction_samples_within_a_video(test_mode: bool, kwargs: dict) -> None:
    """`out_of_bound_opt='loop'`, by default, is mmaction's in all."""
    for total in (1, 7, 31, 32, 33, 63, 64, 65, 300):
        found = []
        for owner in (SampleFrames, mmaction.datasets.transforms.SampleFrames):
            np.random.seed(total)
            sample = owner(clip_len=8, frame_interval=4, test_mode=test_mode, **kwargs)
            found.append(sample(dict(total_frames=total, start_index=1, avg_fps=50.0)))
        assert (found[0].pop('frame_inds') == found[1].pop('frame_inds')).all()
        assert found[0] == found[1]


def test_a_jitter_of_each_frame() -> None:
    np.random.seed(0)
    sample = SampleFrames(clip_len=8, frame_interval=4, num_clips=3, test_mode=True, temporal_jitter=True)
    frames = sample(dict(total_frames=300, start_index=0))['frame_inds'].reshape(3, 8)
    steps = frames[:2] - [[0], [136]] - np.arange(0, 32, 4)
    assert steps.min() == 0 and steps.max() == 3


@pytest.mark.parametrize('fps', [0.0, -1.0, math.inf, math.nan])
def test_a_video_without_a_frame_rate(fps: float) -> None:
    sample = SampleFrames(clip_len=4, frame_interval=2, target_fps=30)
    with pytest.raises(
        UnreadableVideoError, match='sample frames of a.mp4 at 30 per second: its frame rate is unknown'
    ):
        sample(dict(filename='a.mp4', total_frames=9, start_index=0, avg_fps=fps))
    assert SampleFrames(4, 2)(dict(total_frames=9, start_index=0, avg_fps=fps))['frame_inds'].tolist()


def test_frames_on_disk_count_one_by_one() -> None:
    for info in (dict(), dict(avg_fps=None)):
        sample = SampleFrames(clip_len=4, frame_interval=2, target_fps=30, test_mode=True)
        found = sample(dict(total_frames=8, start_index=1, **info))['frame_inds']
        assert found.tolist() == [1, 3, 5, 8]
