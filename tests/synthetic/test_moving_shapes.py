"""Moving shapes: files, determinism, and that nothing but motion tells the classes."""

import subprocess
import sys
from pathlib import Path

import decord
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope

from helpers import ROOT
from mmhvt.registry import TRANSFORMS
from mmhvt.synthetic import clip_files, moving_shapes
from mmhvt.synthetic.moving_shapes import MOTIONS, draw_clip, draw_poses, write_dataset

CONFIGS = sorted((ROOT / 'configs/smvit').glob('smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb*.py'))
SMALL = dict(clips_per_class=2, val_clips_per_class=1, size=32, frames=24)
OPPOSITES = [('up', 'down'), ('left', 'right'), ('clockwise', 'counter-clockwise'), ('growing', 'shrinking')]


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset on disk."""
    out = tmp_path_factory.mktemp('shapes') / 'data' / 'moving_shapes'
    assert write_dataset(out, processes=2, **SMALL)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def decode(path: Path) -> np.ndarray:
    video = decord.VideoReader(str(path))
    return video.get_batch(range(len(video))).asnumpy()


def single_frames(clips_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame at a random time of each clip, and labels."""
    frames, labels = [], []
    for label, motion in enumerate(MOTIONS):
        for index in range(clips_per_class):
            rng = np.random.default_rng([seed, label, index])
            frames.append(draw_clip(motion, 12, 16, rng)[rng.integers(12)])
            labels.append(label)
    return np.stack(frames), np.array(labels)


def test_files_and_annotations(dataset: Path) -> None:
    assert (dataset / 'label_map.txt').read_text().split() == list(MOTIONS)
    for split, count in [('train', 2), ('val', 1)]:
        lines = (dataset / f'moving_shapes_{split}_list_videos.txt').read_text().splitlines()
        assert len(lines) == count * len(MOTIONS)
        for line in lines:
            name, label = line.split()
            assert name.startswith(list(MOTIONS)[int(label)] + '_')
            assert decode(dataset / f'videos_{split}' / name).shape == (24, 32, 32, 3)


def test_compression_keeps_the_picture(dataset: Path) -> None:
    """Decoded frames are those that were drawn, in RGB, to a few gray levels."""
    label = list(MOTIONS).index('right')
    drawn = draw_clip('right', 24, 32, np.random.default_rng([0, 0, label, 1]))
    decoded = decode(dataset / 'videos_train' / 'right_00001.mp4')
    assert np.abs(drawn.astype(int) - decoded).mean() < 6


def test_deterministic_from_the_seed(dataset: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'again', processes=1, **SMALL)
    assert contents(tmp_path / 'again') == contents(dataset)
    write_dataset(tmp_path / 'other', processes=1, seed=1, **SMALL)
    ours, other = contents(dataset), contents(tmp_path / 'other')
    assert all(ours[name] != other[name] for name in ours if name.endswith('.mp4'))


def test_train_and_val_share_no_clip(dataset: Path) -> None:
    videos = [data for name, data in contents(dataset).items() if name.endswith('.mp4')]
    assert len(set(videos)) == len(videos) == 3 * len(MOTIONS)


def test_second_call_does_nothing(dataset: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in dataset.rglob('*')}
    assert not write_dataset(dataset, **SMALL)
    assert before == {p: p.stat().st_mtime_ns for p in dataset.rglob('*')}


def test_other_arguments_and_foreign_folders(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match='made with seed=0'):
        write_dataset(dataset, seed=1, **SMALL)
    (tmp_path / 'mine.txt').write_text('x')
    with pytest.raises(FileExistsError, match='no dataset of moving shapes'):
        write_dataset(tmp_path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']
    for wrong in (dict(size=33), dict(frames=1), dict(clips_per_class=0), dict(seed=-1)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            write_dataset(tmp_path / 'new', **{**SMALL, **wrong})
    assert not (tmp_path / 'new').exists()


def test_lost_videos_are_noticed(tmp_path: Path) -> None:
    write_dataset(tmp_path / 'd', **SMALL)
    next((tmp_path / 'd' / 'videos_val').iterdir()).unlink()
    with pytest.raises(FileExistsError, match='7 of 8 videos'):
        write_dataset(tmp_path / 'd', **SMALL)


def test_interrupted_call_leaves_nothing_that_trains(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / 'd'
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(clip_files, 'draw_in_parallel', interrupted)
        write_dataset(out, **SMALL)
    assert not list(out.glob('*.txt')) and not (out / 'manifest.json').exists()
    with pytest.raises(FileExistsError, match='made with seed=0'):
        write_dataset(out, seed=1, **SMALL)
    assert write_dataset(out, **SMALL)
    assert contents(out) == contents(dataset)


def test_command_line_reports_errors(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('x')
    command = [sys.executable, ROOT / 'tools/data/moving_shapes.py', tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith('moving_shapes.py: ')


@pytest.mark.parametrize('motion', MOTIONS)
def test_motion_moves_its_own_way(motion: str) -> None:
    """The driven coordinate advances evenly in its direction; the others rest."""
    driven, direction = MOTIONS[motion]
    for seed in range(20):
        poses = draw_poses(motion, 24, np.random.default_rng(seed))
        steps = (np.diff(poses, axis=0) + 0.5) % 1 - 0.5
        np.testing.assert_allclose(steps[:, driven], steps[0, driven])
        assert np.sign(steps[0, driven]) == direction
        assert not np.delete(steps, driven, axis=1).any()


@pytest.mark.parametrize(('motion', 'opposite'), OPPOSITES)
def test_opposites_are_time_reversals(motion: str, opposite: str) -> None:
    """From the same draws, a clip backwards moves as its opposite does; speeds and starts have one distribution."""
    driven, direction = MOTIONS[motion]
    assert MOTIONS[opposite] == (driven, -direction)
    poses = draw_poses(motion, 24, np.random.default_rng(3))
    backwards = draw_poses(opposite, 24, np.random.default_rng(3))[::-1]
    shift = (poses - backwards + 0.5) % 1 - 0.5  # equal but for where on the circle the clip starts
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-9)


@pytest.mark.parametrize('time', [0, 11])
def test_poses_say_nothing_at_any_time(time: int) -> None:
    """Each coordinate is uniform at the first and at the last frame, in every class."""
    for motion in MOTIONS:
        poses = np.stack([draw_poses(motion, 12, np.random.default_rng([time, i]))[time] for i in range(400)])
        for coordinate in poses.T:
            # Kolmogorov-Smirnov distance from uniform; 1.95 / sqrt(n) is passed by chance once in a thousand times
            distance = np.abs(np.sort(coordinate) - (np.arange(400) + 0.5) / 400).max()
            assert distance < 1.95 / np.sqrt(400)


def probe(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> float:
    """Accuracy of ridge regression from pixels to classes."""

    def features(frames: np.ndarray) -> np.ndarray:
        gray = frames.mean(-1).reshape(len(frames), -1) / 128 - 1
        return np.c_[gray, gray**2, np.ones(len(gray))]

    x, (frames, labels) = features(train[0]), test
    targets = np.eye(len(MOTIONS))[train[1]]
    weights = np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ targets)
    return float((features(frames).dot(weights).argmax(1) == labels).mean())


def test_single_frame_leaks_nothing() -> None:
    assert probe(single_frames(150, seed=1), single_frames(60, seed=2)) < 0.2  # chance 0.125, deviation 0.015


def test_probe_sees_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: here the place of the shape gives the class away."""
    honest = moving_shapes.draw_poses

    def leaky(motion: str, frames: int, rng: np.random.Generator) -> np.ndarray:
        poses = honest(motion, frames, rng)
        poses[:, :2] = poses[:, :2] * 0.25 + 0.25 * list(MOTIONS).index(motion) % 1
        return poses

    monkeypatch.setattr(moving_shapes, 'draw_poses', leaky)
    assert probe(single_frames(150, seed=1), single_frames(60, seed=2)) > 0.25


def test_unknown_motion() -> None:
    with pytest.raises(ValueError, match="motion='sideways': choose from up, down"):
        draw_poses('sideways', 8, np.random.default_rng(0))


def test_shuffle_frames_permutes_within_clips() -> None:
    shuffle = TRANSFORMS.build(dict(type='mmhvt.ShuffleFrames'))
    np.random.seed(0)
    frames = [np.full((2, 2, 3), i) for i in range(16)]
    orders = []
    for _ in range(5):
        results = shuffle(dict(imgs=frames, num_clips=2, clip_len=8))
        order = [int(frame[0, 0, 0]) for frame in results['imgs']]
        assert sorted(order[:8]) == list(range(8)) and sorted(order[8:]) == list(range(8, 16))
        orders.append(tuple(order))
    assert len(set(orders)) == 5
    with pytest.raises(ValueError, match='2 clips of 8 frames, got 15'):
        shuffle(dict(imgs=frames[:15], num_clips=2, clip_len=8))


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_build_and_run(path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset.parents[1])  # configs read data/moving_shapes
    config = Config.fromfile(path)
    init_default_scope(config.default_scope)
    model = MODELS.build(config.model).eval()
    data = DATASETS.build(config.test_dataloader.dataset)
    assert len(data) == len(MOTIONS) * config.test_dataloader.dataset.get('times', 1)
    sample = data[0]
    assert sample['inputs'].shape == (1, 3, 8, 32, 32)
    assert Path(sample['data_samples'].filename).is_file()
    batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
    with torch.no_grad():
        prediction = model.test_step(batch)[0]
    assert prediction.pred_score.shape == (len(MOTIONS),)


def test_both_configs_are_there() -> None:
    assert len(CONFIGS) == 2
