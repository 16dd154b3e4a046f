"""Segments of untrimmed videos, and tools/data/untrimmed.py, which lists them."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmaction.registry import DATASETS

from helpers import ROOT
from mmhvt.datasets import SegmentVideoDataset, UnreadableVideoError, VideoDataset

pytestmark = pytest.mark.usefixtures('mmaction_scope')


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
        ('v_a.mp4 one 2 0', "start 'one' and end '2' must be seconds"),
        ('v_a.mp4 2 1 0', '0 ≤ start < end, got 2 s to 1 s'),
        ('v_a.mp4 -1 1 0', '0 ≤ start < end, got -1 s to 1 s'),
        ('v_a.mp4 nan 1 0', '0 ≤ start < end, got nan s to 1 s'),
        ('v_a.mp4 1 2 cat', 'line 2: .* has a label that is not an integer'),
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
    script = ROOT / 'tools/data/untrimmed.py'
    command = [sys.executable, script, tmp_path / 'annotations.json', videos, tmp_path / 'out', '--name', 'hacs']
    return subprocess.run([*map(str, command), *options], text=True, capture_output=True)


def test_lists_of_untrimmed_videos(untrimmed: Path, tmp_path: Path) -> None:
    database = dict(
        a=annotation('training', (1, 2.5, 'walk'), (3, 3, 'run'), (3, 4.25, 'run')),
        b=annotation('validation', (0, 1, 'walk'), (1, 3.5, 'run'), (3.5, 4, 'walk')),
        absent=annotation('validation', (0, 1, 'walk')),
        unlabeled=annotation('testing'),
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
        ('{', 'is not JSON'),
        ('[]', 'its first level does not have the format'),
        (
            '{"database": {"a": {"subset": "training", "annotations": [{"segment": [1]}]}}}',
            "video 'a' does not have the",
        ),
        ('{"database": {"x": {"subset": "training", "annotations": []}}}', 'train_list_segments.txt would be empty'),
    ],
)
def test_wrong_annotations_of_untrimmed_videos(untrimmed: Path, tmp_path: Path, content: str, message: str) -> None:
    done = run_untrimmed(untrimmed, tmp_path, content)
    assert done.returncode == 1 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


def test_times_beyond_any_video(untrimmed: Path, tmp_path: Path) -> None:
    """Faults D8: an OverflowError."""
    dataset = segments(untrimmed, tmp_path, 'v_a.mp4 1e307 1e308 0\nv_a.mp4 3 1e308 1\n', on_unreadable='raise')
    with pytest.raises(UnreadableVideoError, match=r'cannot read the segment .*v_a.mp4, which ends at 4.0 s'):
        dataset[0]
    assert frames_of(dataset[1][0])[0] >= 30


@pytest.mark.parametrize('repeats', [0, -1, '2', 1.5])
def test_repeats_that_are_none(repeats: object, untrimmed: Path, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError), match='num_repeats'):
        segments(untrimmed, tmp_path, 'v_a.mp4 1 2 0\n', num_repeats=repeats)


def test_segments_in_test_mode_and_by_mmactions_name(untrimmed: Path, tmp_path: Path) -> None:
    dataset = segments(untrimmed, tmp_path, 'v_a.mp4 1 2 0\nv_c.mp4 1 2 0\n', test_mode=True)
    assert 10 <= frames_of(dataset[0][0])[0] < 20
    with pytest.raises(UnreadableVideoError, match='cannot read video .*v_c.mp4: FileNotFoundError'):
        dataset[1]
    pipeline = [dict(type='mmaction.DecordInit'), dict(type='UniformSample', clip_len=4), dict(type='DecordDecode')]
    assert len(segments(untrimmed, tmp_path, 'v_a.mp4 1 2 0\n', pipeline=pipeline)[0][0]['imgs']) == 4
