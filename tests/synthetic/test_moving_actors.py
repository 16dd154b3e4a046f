"""Moving actors: files, determinism, that a still tells no action, and that mmaction2 reads it all from videos."""

import pickle
import sys
from pathlib import Path
from runpy import run_path

import decord
import numpy as np
import pytest
from mmaction.evaluation import read_labelmap
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from helpers import ROOT
from mmhvt.apis.videos import write_video
from mmhvt.registry import TRANSFORMS
from mmhvt.synthetic import moving_actors
from mmhvt.synthetic.moving_actors import RADIUS, detect, draw_video, draw_walk, write_dataset
from mmhvt.synthetic.moving_shapes import MOTIONS
from mmhvt.synthetic.shapes import radii

CONFIGS = sorted((ROOT / 'configs/ava').glob('*micro*_moving-actors*.py'))
SMALL = dict(videos=3, val_videos=2, seconds=5)
OPPOSITES = [('up', 'down'), ('left', 'right'), ('clockwise', 'counter-clockwise'), ('growing', 'shrinking')]


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset on disk."""
    out = tmp_path_factory.mktemp('actors') / 'data' / 'moving_actors'
    with pytest.MonkeyPatch.context() as patch:
        # so that few key frames show them all; one process, which sees it
        patch.setattr(moving_actors, 'SPOILT', 0.2)
        patch.setattr(moving_actors, 'MISSED', 0.2)
        assert write_dataset(out, processes=1, **SMALL)
    return out


def read(path: Path) -> list[list[str]]:
    return [line.split(',') for line in path.read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def decode(path: Path) -> tuple[np.ndarray, float]:
    video = decord.VideoReader(str(path))
    return video.get_batch(range(len(video))).asnumpy(), video.get_avg_fps()


def test_annotations_are_ava_s(dataset: Path) -> None:
    labels, ids = read_labelmap((dataset / 'annotations/moving_actors_action_list.pbtxt').read_text().splitlines())
    assert [label['name'] for label in labels] == list(MOTIONS) and ids == set(range(1, 9))
    for split, count in [('train', 3), ('val', 2)]:
        rows = read(dataset / f'annotations/moving_actors_{split}.csv')
        keys = {(row[0], row[1]) for row in rows}
        assert keys == {(f'{split}_{video:05d}', f'{second:04d}') for video in range(count) for second in range(1, 5)}
        for row in rows:
            x1, y1, x2, y2 = map(float, row[2:6])
            assert 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1
            assert int(row[6]) in ids and 0 <= int(row[7]) < 4
        excluded = read(dataset / f'annotations/moving_actors_{split}_excluded_timestamps.csv')
        assert {tuple(row) for row in excluded} < keys
        proposals = pickle.loads((dataset / f'annotations/moving_actors_proposals_{split}.pkl').read_bytes())
        assert {tuple(key.split(',')) for key in proposals} <= keys
        for found in proposals.values():
            assert found.shape[1] == 5 and found.min() >= 0 and found.max() <= 1


def test_videos_have_their_own_rates(dataset: Path) -> None:
    rates = set()
    for path in dataset.glob('videos_*/*.mp4'):
        frames, fps = decode(path)
        assert frames.shape == (5 * round(fps), 96, 96, 3)
        rates.add(round(fps))
    assert len(rates) > 1 and rates <= set(moving_actors.RATES)


def test_boxes_hold_the_actors() -> None:
    """What differs from the ground at a key frame lies in the boxes, and fills each."""
    frames, actions, boxes = draw_video(6, 12, 96, np.random.default_rng(0))
    assert [len(names) for names in actions] == [6] * len(boxes)
    for second in range(6):
        bright = frames[second * 12].max(-1) > 80  # no ground is
        inside = np.zeros_like(bright)
        for box in boxes[:, second] * 96:
            left, top = (np.floor(box[:2]).astype(int) - 1).clip(0)
            right, bottom = np.ceil(box[2:]).astype(int) + 1  # a pixel more for smooth edges
            part = bright[top:bottom, left:right]
            inside[top:bottom, left:right] = True
            height, width = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
            assert abs(np.ptp(height) + 1 - (box[3] - box[1])) < 4 and abs(np.ptp(width) + 1 - (box[2] - box[0])) < 4
        assert not (bright & ~inside).any()


def test_moves_and_areas() -> None:
    """A move drives its coordinate alone, in its direction, and the actor stays in its area."""
    seen = set()
    for seed in range(20):
        actions, poses = draw_walk(30, np.random.default_rng(seed))
        for action, step in zip(actions, np.diff(poses, axis=0), strict=True):
            driven, direction = MOTIONS[action]
            assert np.sign(step[driven]) == direction and not np.delete(step, driven).any()
        reach = radii(poses[:, 3], RADIUS)[:, None]
        assert (poses[:, :2] >= reach).all() and (poses[:, :2] <= 1 - reach).all()
        seen.update(actions)
    assert seen == set(MOTIONS)


def key_poses(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses at key frames, in the middle of moves, and labels."""
    poses, labels = [], []
    for seed in range(count):
        actions, walk = draw_walk(30, np.random.default_rng([7, seed]))
        poses.append((walk[1:] + walk[:-1]) / 2)
        labels += [list(MOTIONS).index(action) for action in actions]
    return np.concatenate(poses), np.array(labels)


def direction_accuracy(poses: np.ndarray, labels: np.ndarray) -> list[float]:
    """How well one can tell opposites from where, how turned and how large an actor is: nearest neighbors."""
    features = np.c_[poses[:, [0, 1, 3]], np.cos(2 * np.pi * poses[:, 2]), np.sin(2 * np.pi * poses[:, 2])]
    results = []
    for pair in OPPOSITES:
        one, other = (list(MOTIONS).index(name) for name in pair)
        chosen = np.isin(labels, [one, other])
        x, y = features[chosen], labels[chosen] == one
        half = len(x) // 2
        distance = ((x[half:, None] - x[None, :half]) ** 2).sum(-1)
        votes = y[np.argpartition(distance, 25, axis=1)[:, :25]].mean(1) > 0.5
        results.append(float((votes == y[half:]).mean()))
    return results


def test_key_frames_do_not_tell_opposites() -> None:
    poses, labels = key_poses(150)
    counts = np.bincount(labels, minlength=8) / len(labels)
    assert counts.min() > 0.05
    assert max(direction_accuracy(poses, labels)) < 0.57  # of about 500 each: 3 standard deviations


def test_the_probe_sees_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: here actors go left and right in halves of their own."""
    poses, labels = key_poses(150)
    right, left = (labels == list(MOTIONS).index(name) for name in ('right', 'left'))
    poses[right, 0] += 0.5
    poses[left, 0] -= 0.5
    assert direction_accuracy(poses, labels)[1] > 0.9


def test_detector_noise() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.95]])
    found = [detect(boxes, rng) for _ in range(500)]
    assert all((np.diff(f[:, 4]) <= 0).all() for f in found)
    counts = np.bincount([len(f) for f in found])
    assert len(counts) == 4 and counts[2] > 300 and counts[1] > 5 and counts[3] > 50
    assert len(detect(boxes[:0], np.random.default_rng(1))) == 0
    deviation = np.stack([f[np.argmin(np.abs(f[:, 0] - 0.1)), :4] for f in found if len(f) == 2]) - boxes[0]
    assert 0.004 < np.median(np.abs(deviation)) < 0.01


def test_deterministic_from_the_seed(tmp_path: Path) -> None:
    for name, processes, seed in [('one', 1, 0), ('two', 2, 0), ('other', 1, 1)]:
        write_dataset(tmp_path / name, videos=2, val_videos=1, seconds=3, processes=processes, seed=seed)
    one, two, other = (contents(tmp_path / name) for name in ('one', 'two', 'other'))
    assert one == two
    assert all(one[name] != other[name] for name in one if name.endswith(('.mp4', '.pkl')))


def test_second_call_and_wrong_arguments(dataset: Path, tmp_path: Path) -> None:
    before = contents(dataset)
    assert not write_dataset(dataset, **SMALL)
    assert contents(dataset) == before
    with pytest.raises(FileExistsError, match='made with seed=0'):
        write_dataset(dataset, seed=1, **SMALL)
    for wrong in (dict(size=98), dict(size=32), dict(seconds=1), dict(videos=0), dict(seed=-1)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            write_dataset(tmp_path / 'new', **{**SMALL, **wrong})
    assert not (tmp_path / 'new').exists()


def test_command_line_reports_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'mine.txt').write_text('x')
    monkeypatch.setattr(sys, 'argv', ['moving_actors.py', str(tmp_path)])
    with pytest.raises(SystemExit, match='1'):
        run_path(str(ROOT / 'tools/data/moving_actors.py'), run_name='__main__')
    assert capsys.readouterr().err.startswith('moving_actors.py: ')


def clip_of(seconds: float, fps: float, frames: int, **kwargs: int) -> dict:
    sample = TRANSFORMS.build(dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=2, **kwargs))
    return sample(
        dict(timestamp=900 + seconds, timestamp_start=900, avg_fps=fps, total_frames=frames, filename='x.mp4')
    )


@pytest.mark.parametrize('fps', [12, 23.976, 25, 30, 60])
def test_clips_count_seconds(fps: float) -> None:
    """Frames lie at the same times, whatever the rate of the video."""
    clip = clip_of(7, fps, round(fps * 20), target_fps=16)
    wanted = 7 + (np.arange(8) - 4) * 2 / 16
    assert np.abs(clip['frame_inds'] / fps - wanted).max() <= 0.5 / fps + 1e-9
    assert clip['frame_inds'][4] == round(7 * fps)


def test_clips_at_the_ends() -> None:
    assert clip_of(0, 30, 100)['frame_inds'].tolist() == [0, 0, 0, 0, 0, 2, 4, 6]
    assert clip_of(3, 30, 92)['frame_inds'].tolist() == [82, 84, 86, 88, 90, 91, 91, 91]
    assert clip_of(0, 30, 1)['frame_inds'].tolist() == [0] * 8  # a video shorter than the clip
    with pytest.raises(ValueError, match='x.mp4 lasts 3.1 s and has no key frame at timestamp 904'):
        clip_of(4, 30, 92)
    with pytest.raises(ValueError, match='check timestamp_start=900'):
        clip_of(-1, 30, 92)
    with pytest.raises(ValueError, match='frame_interval must be positive, got 0'):
        TRANSFORMS.build(dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=0))


def test_key_frame_is_repeated() -> None:
    repeat = TRANSFORMS.build(dict(type='mmhvt.RepeatKeyFrame'))
    assert repeat(clip_of(2, 30, 100))['frame_inds'].tolist() == [60] * 8


def test_frames_are_those_of_their_time(tmp_path: Path) -> None:
    """Through decord: the gray level of a frame is its time."""
    for fps in (12, 25):
        frames = np.stack([np.full((32, 32, 3), 25 * i / fps, np.uint8) for i in range(10 * fps)])
        write_video(tmp_path / 'gray.mp4', frames, fps)
        results = dict(filename=str(tmp_path / 'gray'), timestamp=5, timestamp_start=0)
        for step in (
            dict(type='mmaction.DecordInit'),
            dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=8, target_fps=16),
            dict(type='mmaction.DecordDecode'),
        ):
            results = TRANSFORMS.build(step)(results)
        times = np.array([frame.mean() for frame in results['imgs']]) / 25
        np.testing.assert_allclose(times, 3 + np.arange(8) / 2, atol=0.2)


def test_configs_read_the_dataset(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset.parents[1])  # configs read data/moving_actors
    assert len(CONFIGS) == 2
    for path in CONFIGS:
        config = Config.fromfile(path)
        init_default_scope(config.default_scope)
        for split, loader in [('train', config.train_dataloader), ('val', config.val_dataloader)]:
            data = DATASETS.build(loader.dataset)
            keys = {tuple(row[:2]) for row in read(dataset / f'annotations/moving_actors_{split}.csv')}
            excluded = read(dataset / f'annotations/moving_actors_{split}_excluded_timestamps.csv')
            assert len(data) == len(keys) - len(excluded)
            for sample in data:
                assert sample['inputs'].shape == (3, 8, 96, 96)
                moves = bool((sample['inputs'] != sample['inputs'][:, :1]).any())
                assert moves == ('key-frame' not in path.stem)
                truth = sample['data_samples'].gt_instances
                assert truth.labels.sum(1).tolist() == [1] * len(truth.bboxes)
                assert truth.labels.shape[1] == config.model.roi_head.bbox_head.num_classes == 9
