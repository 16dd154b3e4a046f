"""Frames on disk: the checks that videos have, and repeated augmentation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from helpers import ROOT
from helpers.training import PACK, chain_samples, train
from helpers.training import READ as READ_VIDEOS
from mmhvt.datasets import RawframeDataset, UnreadableVideoError
from mmhvt.registry import DATASETS

READ = [
    dict(type='mmaction.SampleFrames', clip_len=4, frame_interval=1, num_clips=1),
    dict(type='mmaction.RawFrameDecode'),
]


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders 0 to 7 of 6 frames each, frame `i` as bright as 20 i; good.txt with labels 0 to 3."""
    root = tmp_path_factory.mktemp('frames')
    for folder in range(8):
        (root / str(folder)).mkdir()
        for number in range(1, 7):
            cv2.imwrite(str(root / f'{folder}/img_{number:05}.jpg'), np.full((32, 32, 3), 20 * number, np.uint8))
    (root / 'good.txt').write_text(''.join(f'{i} 6 {i % 4}\n' for i in range(8)))
    return root


def frames_cfg(frames: Path, ann: str = 'good.txt', **kwargs) -> dict:
    cfg = dict(type='mmhvt.RawframeDataset', ann_file=ann, data_root=str(frames), data_prefix=dict(img=''))
    return cfg | dict(pipeline=READ + PACK) | kwargs


def build(frames: Path, content: str, **kwargs) -> RawframeDataset:
    (frames / 'list.txt').write_bytes(content.encode())
    return DATASETS.build(frames_cfg(frames, 'list.txt', **kwargs))


def numbers_of(sample: dict) -> list[int]:
    return [round(frame.float().mean().item() / 20) for frame in sample['inputs'][0].transpose(0, 1)]


def test_frames_are_read_as_mmaction_reads_them(frames: Path) -> None:
    kwargs = dict(ann_file='good.txt', data_root=str(frames), data_prefix=dict(img=''), pipeline=READ + PACK)
    ours, theirs = (DATASETS.build(dict(type=f'{scope}.RawframeDataset', **kwargs)) for scope in ('mmhvt', 'mmaction'))
    assert [ours.get_data_info(i) for i in range(8)] == [theirs.get_data_info(i) for i in range(8)]
    for index in range(8):
        samples = []
        for dataset in (ours, theirs):
            np.random.seed(index)
            samples.append(dataset[index])
        assert (samples[0]['inputs'] == samples[1]['inputs']).all()
    assert (ours.largest_label, ours.largest_label_line) == (3, 4) and ours.get_cat_ids(5) == [1]


def test_lines_of_frames(frames: Path) -> None:
    dataset = build(frames, '\ufeffframe_dir\ttotal_frames\tlabel\r\n0\t6\t2\r\n"my folder"\t3\t1\r\n')
    assert [dataset.get_data_info(i)['total_frames'] for i in range(2)] == [6, 3]
    assert dataset.get_data_info(1)['frame_dir'] == f'{frames}/my folder'
    dataset = build(frames, '0,2,4,1\n', with_offset=True)
    assert {'offset': 2, 'total_frames': 4, 'label': 1}.items() <= dataset.get_data_info(0).items()
    assert numbers_of(dataset[0]) == [3, 4, 5, 6]
    several = build(frames, '0 6 0 3\n1 6 1\n', multi_class=True, num_classes=4)
    assert several.get_data_info(0)['label'].tolist() == [1, 0, 0, 1] and several.get_cat_ids(0) == [0, 3]
    unlabeled = build(frames, '0 6\n1 6\n', test_mode=True)
    assert not unlabeled.has_labels and 'gt_label' not in unlabeled[0]['data_samples']


@pytest.mark.parametrize('kwargs', [dict(labels='ignored'), dict(test_mode=True)])
@pytest.mark.parametrize(
    'content', ['d/my a,163', 'frame_dir,total_frames\nd/my a,163', 'd/my a\t163', '"d/my a" 163', '"d/my a";"163"']
)
def test_lines_of_frames_without_labels(content: str, kwargs: dict, frames: Path) -> None:
    dataset = build(frames, content, **kwargs)
    info = dataset.get_data_info(0)
    assert len(dataset) == 1 and not dataset.has_labels
    assert (info['frame_dir'], info['total_frames']) == (f'{frames}/d/my a', 163)


def test_frames_whose_labels_are_ignored(frames: Path) -> None:
    dataset = build(frames, 'folder frames label\n0 6 jump\n1 5\n', labels='ignored')
    assert [dataset.get_data_info(i)['total_frames'] for i in range(2)] == [6, 5]
    # or folder 'take' of 2 frames would be read
    with pytest.raises(ValueError, match=r'line 1: .* has 2 labels'):
        build(frames, 'take 2 163 1\n', labels='ignored')


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('1', 'has 1 fields: it needs a folder, its number of frames and one label'),
        ('1 6', 'has 0 labels: it needs a folder, its number of frames and one label'),
        ('1 6 1 2', 'has 2 labels'),
        ('1 six 1', "has 'six' as its number of frames"),
        ('1 -6 1', "has '-6' as its number of frames"),
        ('1 0 1', 'has 0 frames'),
        ('1 6 x', 'has a label that is not an integer'),
        ('1 6 -1', 'has a negative label'),
        ('1 6 4', 'has label 4, but the dataset has num_classes=4'),
    ],
)
def test_malformed_lines_of_frames_are_named(line: str, message: str, frames: Path) -> None:
    with pytest.raises(ValueError, match=f'list.txt, line 3: .*{message}'):
        build(frames, f'0 6 0\n\n{line}\n', num_classes=4)
    with pytest.raises(ValueError, match="line 1: .*has 'x' as an offset"):
        build(frames, '0 x 6 1\n', with_offset=True)


@pytest.mark.parametrize(
    ('break_it', 'message'),
    [
        (lambda folder: (folder / 'img_00003.jpg').unlink(), 'img_00003.jpg.*has 5 files, .* says 6 frames'),
        (lambda folder: (folder / 'img_00003.jpg').write_bytes(b''), 'img_00003.jpg is not an image'),
        (lambda folder: (folder / 'img_00003.jpg').write_bytes(b'no picture'), 'img_00003.jpg is not an image'),
        (lambda folder: [path.unlink() for path in folder.iterdir()] and folder.rmdir(), 'The folder does not exist'),
    ],
)
@pytest.mark.parametrize('num_repeats', [None, 2])
def test_unreadable_frames(break_it, message: str, num_repeats: int | None, frames: Path) -> None:
    (frames / 'bad').mkdir(exist_ok=True)
    for number in range(1, 7):
        cv2.imwrite(str(frames / f'bad/img_{number:05}.jpg'), np.zeros((32, 32, 3), np.uint8))
    break_it(frames / 'bad')
    whole = [dict(READ[0], clip_len=6), READ[1], *PACK]
    content = 'bad 6 0\n' + '0 6 1\n' * 9
    with pytest.raises(
        UnreadableVideoError, match=f'cannot read frames of .*bad: .*{message}.*would not be comparable'
    ):
        build(frames, content, pipeline=whole, test_mode=True)[0]
    np.random.seed(0)
    dataset = build(frames, content, pipeline=whole, num_repeats=num_repeats)
    dataset.hook_reports = True
    samples = dataset[0] if num_repeats else [dataset[0]]
    for sample in samples:
        assert sample['data_samples'].gt_label.tolist() == [1]
        assert list(sample['data_samples'].unreadable) == [f'{frames}/bad']
    with pytest.raises(
        UnreadableVideoError, match='11 videos in a row are unreadable: check .*filename_tmpl and start_index'
    ):
        build(frames, 'bad 6 0\n', pipeline=whole, filename_tmpl='{}.jpg')[0]


def test_one_frame_too_many_in_the_list(frames: Path) -> None:
    whole = [dict(READ[0], clip_len=7), READ[1], *PACK]
    with pytest.raises(UnreadableVideoError, match='img_00007.jpg.*has 6 files, the annotation file says 7 frames'):
        build(frames, '0 7 0\n', pipeline=whole, test_mode=True)[0]


def test_repeated_augmentation_from_frames(frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bugs 11."""
    reads = []
    imread = cv2.imdecode
    monkeypatch.setattr(cv2, 'imdecode', lambda *args: reads.append(1) or imread(*args))
    pipeline = [dict(READ[0], clip_len=2), READ[1], *PACK]
    np.random.seed(0)
    dataset = build(frames, '0 6 0\n', num_repeats=8, pipeline=pipeline)
    samples = dataset[0]
    starts = {numbers_of(sample)[0] for sample in samples}
    assert len(samples) == 8 and len(starts) > 2 and starts <= {1, 2, 3, 4, 5}
    assert all(numbers_of(sample) == [start := numbers_of(sample)[0], start + 1] for sample in samples)
    assert len(reads) <= 6  # each frame once
    once = build(frames, '0 6 0\n', num_repeats=4, sample_once=True, pipeline=pipeline)[0]
    assert len({tuple(numbers_of(sample)) for sample in once}) == 1
    with pytest.raises(ValueError, match='num_repeats must be a positive integer, got 0'):
        build(frames, '0 6 0\n', num_repeats=0)
    assert not hasattr(build(frames, '0 6 0\n'), 'num_repeats')


def test_flow(frames: Path) -> None:
    (frames / 'flow').mkdir(exist_ok=True)
    for number in range(1, 7):
        for axis in 'xy':
            cv2.imwrite(str(frames / f'flow/flow_{axis}_{number:05}.jpg'), np.full((32, 32), 20 * number, np.uint8))
    kwargs = dict(modality='Flow', filename_tmpl='flow_{}_{:05}.jpg', pipeline=READ)
    assert build(frames, 'flow 6 0\n', **kwargs)[0]['imgs'][0].shape == (32, 32, 2)
    (frames / 'flow/flow_x_00002.jpg').write_bytes(b'x')
    (frames / 'flow/flow_y_00002.jpg').write_bytes(b'x')
    whole = dict(kwargs, pipeline=[dict(READ[0], clip_len=6), READ[1]], test_mode=True)
    with pytest.raises(UnreadableVideoError, match='cannot read frames of .*flow: flow_x_00002.jpg is not an image'):
        build(frames, 'flow 6 0\n', **whole)[0]


def test_training_from_frames(config: Config, frames: Path) -> None:
    (frames / 'some.txt').write_text((frames / 'good.txt').read_text() + 'missing 6 0\n')
    config.train_dataloader.dataset = frames_cfg(frames, 'some.txt', num_repeats=2)
    config.train_dataloader.update(batch_size=3, collate_fn=dict(type='repeat_pseudo_collate'))
    config.val_dataloader.dataset = config.test_dataloader.dataset = frames_cfg(frames, test_mode=True)
    config.train_cfg.val_interval = 1
    log = train(config)
    assert '2 of 18 samples were replaced because 1 videos are unreadable' in log
    assert f'cannot read frames of {frames}/missing' in log and 'acc/top1' in log


def test_labels_of_frames_are_checked_before_the_first_step(config: Config, frames: Path) -> None:
    (frames / 'large.txt').write_text('0 6 0\n1 6 7\n')
    config.train_dataloader.dataset = frames_cfg(frames, 'large.txt')
    runner = Runner.from_cfg(config)
    with pytest.raises(ValueError, match=r'num_classes=4, but the largest label .* is 7 \(.*large.txt, line 2\)'):
        runner.train()


# lists of the other kind


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize('kind', ['VideoDataset', 'RepeatAugDataset'])
@pytest.mark.parametrize('content', ['0 6 1\n1 6 0\n', 'd/0,6,1\n', '"my folder" 6 1\n'])
def test_frames_are_no_videos(content: str, kind: str, test_mode: bool, frames: Path) -> None:
    message = f"list.txt, line 1: .* lists frames on disk .* {kind} needs a video .*type='mmhvt.RawframeDataset'"
    kwargs = dict(type=f'mmhvt.{kind}', data_prefix=dict(video=''), pipeline=[*READ_VIDEOS, *PACK], test_mode=test_mode)
    with pytest.raises(ValueError, match=message) as error:
        build(frames, content, **kwargs)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('content', 'kwargs'),
    [
        ('a.mp4 3\n', dict()),
        ('a.mp4 3\n', dict(test_mode=True)),
        ('a.webm,3\n', dict(test_mode=True)),
        ('a.mp4 3 5\n', dict(multi_class=True, num_classes=9)),
        ('0 6 1\na.mp4 3\n', dict()),
    ],
)
def test_videos_are_no_frames(content: str, kwargs: dict, frames: Path) -> None:
    number = content.count('\n')
    message = rf"list.txt, line {number}: 'a\..* lists a video, but RawframeDataset .*type='mmhvt.VideoDataset'"
    with pytest.raises(ValueError, match=message):
        build(frames, content, **kwargs)


def test_lists_that_look_like_the_other_kind(frames: Path) -> None:
    # of a folder that is named after its video
    (frames / 'b.mp4').mkdir(exist_ok=True)
    assert build(frames, 'b.mp4 6\n', test_mode=True).get_data_info(0)['total_frames'] == 6
    assert build(frames, 'a.mp4 6 1\n').get_data_info(0)['label'] == 1
    videos = dict(type='mmhvt.VideoDataset', data_prefix=dict(video=''), pipeline=[*READ_VIDEOS, *PACK])
    several = build(frames, '0 6 1\n', multi_class=True, num_classes=9, **videos)
    assert several.get_cat_ids(0) == [6, 1]
    with pytest.raises(ValueError, match='has 2 labels: it needs a path and one label'):
        build(frames, 'a.mp4 6 1\n', **videos)
    # without a label, nothing tells them apart
    with pytest.raises(UnreadableVideoError, match='it is a folder, not a video; for frames .*mmhvt.RawframeDataset'):
        build(frames, '0 6\n', **videos, test_mode=True)[0]


@pytest.mark.parametrize('repeats', [dict(), dict(num_repeats=2), dict(num_repeats=2, sample_once=True)])
def test_recipes_of_something_something_read_frames(repeats: dict, tmp_path: Path) -> None:
    """V1 as it is handed out, V2 by its type and places, with the pipelines of recipes."""
    for folder in ('3', '78687'):
        (tmp_path / 'sthv1' / folder).mkdir(parents=True)
        for number in range(1, 31):
            assert cv2.imwrite(str(tmp_path / f'sthv1/{folder}/{number:05}.jpg'), np.full((100, 176, 3), 8 * number))
    (tmp_path / 'list.txt').write_text('3 30 40\n78687 30 173\n')
    first = Config.fromfile(ROOT / 'configs/_base_/datasets/sthv1_repeat2.py')
    second = Config.fromfile(ROOT / 'configs/_base_/datasets/sthv2_repeat2.py')
    pipelines = Config.fromfile(ROOT / 'configs/_base_/pipelines/uniformerv2_sth.py')
    places = dict(ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(img=str(tmp_path / 'sthv1')))
    frames = dict(places, type='mmhvt.RawframeDataset', filename_tmpl='{:05}.jpg')
    first.merge_from_dict(dict(train_dataloader=dict(dataset=places), test_dataloader=dict(dataset=places)))
    second.merge_from_dict(dict(train_dataloader=dict(dataset=frames), test_dataloader=dict(dataset=frames)))
    for config in (first, second):
        train = dict(config.train_dataloader.dataset, pipeline=pipelines.train_pipeline)
        train = {key: value for key, value in train.items() if key not in ('num_repeats', 'sample_once')} | repeats
        with DefaultScope.overwrite_default_scope('mmaction'):
            samples = DATASETS.build(train)[0]
            test = DATASETS.build(dict(config.test_dataloader.dataset, pipeline=pipelines.test_pipeline))
        for sample in samples if repeats else [samples]:
            assert sample['inputs'].shape == (1, 3, 16, 224, 224) and sample['data_samples'].gt_label.tolist() == [40]
        sample = test[1]
        assert sample['inputs'].shape == (3, 3, 16, 224, 224) and sample['data_samples'].gt_label.tolist() == [173]
        shown = sample['inputs'][0].float().mean((0, 2, 3)) / 8
        assert shown.diff().min() >= 1 and shown[0] <= 2 and shown[-1] >= 28


@pytest.mark.slow
def test_workers(frames: Path) -> None:
    dataset = build(frames, ''.join(f'{i} 6 {i % 4}\n' for i in range(8)), num_repeats=2)
    loader = DataLoader(
        dataset, 2, num_workers=2, multiprocessing_context='spawn', collate_fn=chain_samples, persistent_workers=True
    )
    for _ in range(2):
        assert [len(batch) for batch in loader] == [4] * 4
