"""Own data without an annotation file: a folder for each class, of videos, frames or images."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers.training import PACK, READ, frames_cfg, start_run, train, write_frames, write_video
from mmhvt.datasets import RawframeDataset, VideoDataset
from mmhvt.registry import DATASETS


@pytest.fixture(scope='module')
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train: three classes of two videos; val: two of them; and files that are no videos."""
    root = tmp_path_factory.mktemp('classes')
    for split, names in dict(train=('owl', 'cat', 'big dog'), val=('owl', 'cat')).items():
        for seed, name in enumerate(names):
            (root / split / name / 'more').mkdir(parents=True)
            write_video(root / split / name / 'b.mp4', seed)
            shutil.copy(root / split / name / 'b.mp4', root / split / name / 'more/a.MP4')
    (root / 'train/cat/notes.txt').write_text('a file that is no video')
    (root / 'train/cat/._b.mp4').write_text('what macOS leaves on other disks')
    (root / 'train/.ipynb_checkpoints').mkdir()
    (root / 'train/stray.mp4').write_text('beside the folders of the classes')
    return root


def folder_cfg(classes: Path, split: str = 'train', **kwargs) -> dict:
    cfg = dict(type='mmhvt.VideoDataset', data_root=str(classes), data_prefix=dict(video=split), pipeline=READ + PACK)
    return cfg | kwargs


@pytest.mark.parametrize('ann_file', ['', None])
def test_a_folder_for_each_class(ann_file: str | None, classes: Path) -> None:
    dataset = DATASETS.build(folder_cfg(classes, ann_file=ann_file))
    found = [(info['filename'], info['label']) for info in map(dataset.get_data_info, range(len(dataset)))]
    names = ('big dog', 'cat', 'owl')
    assert found == [(f'{classes}/train/{n}/{v}', i) for i, n in enumerate(names) for v in ('b.mp4', 'more/a.MP4')]
    assert dataset.metainfo == dict(classes=names) and dataset.num_classes == 3 and dataset.has_labels
    assert dataset[2]['data_samples'].gt_label.tolist() == [1]
    assert dataset.get_cat_ids(5) == [2]


def test_classes_in_another_order_and_missing_folders(classes: Path) -> None:
    names = ['owl', 'big dog', 'wolf', 'cat']
    dataset = DATASETS.build(folder_cfg(classes, 'val', metainfo=dict(classes=names), test_mode=True))
    assert [dataset.get_data_info(i)['label'] for i in range(len(dataset))] == [3, 3, 0, 0]
    assert dataset.metainfo == dict(classes=tuple(names))


def test_videos_without_labels(classes: Path, tmp_path: Path) -> None:
    """All below the folder for masked pre-training, and those of a folder without others in a test."""
    dataset = DATASETS.build(folder_cfg(classes, labels='ignored', pipeline=READ + PACK))
    paths = [dataset.get_data_info(i)['filename'] for i in range(len(dataset))]
    assert len(paths) == 7 and f'{classes}/train/stray.mp4' in paths and dataset.metainfo == {}
    assert 'label' not in dataset.get_data_info(0)
    write_video(tmp_path / '0.mp4')
    dataset = DATASETS.build(folder_cfg(tmp_path, '', test_mode=True))
    assert len(dataset) == 1 and 'gt_label' not in dataset[0]['data_samples']


def test_several_labels(classes: Path) -> None:
    dataset = DATASETS.build(folder_cfg(classes, multi_class=True))
    assert dataset.get_data_info(2)['label'].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ('change', 'kwargs', 'message'),
    [
        (
            lambda root: shutil.rmtree(root / 'train'),
            {},
            'folder .*/train does not exist: set data_root and data_prefix',
        ),
        (lambda root: (root / 'train/cow').mkdir(), {}, 'folder .*/train/cow has no videos: add some, or remove'),
        (lambda root: None, dict(data_prefix=dict(video='train/owl/more')), 'train/owl/more has no folders: without'),
        (
            lambda root: None,
            dict(metainfo=dict(classes=['cat', 'owl', 'horse'])),
            r'folder .*/train/big dog is not one of the 3 classes in metainfo: rename .*metainfo=dict\(classes=None\)',
        ),
        (lambda root: None, dict(metainfo=dict(classes='kinetics400')), 'is not one of the 400 classes'),
        (lambda root: None, dict(num_classes=4), 'has num_classes=4, but .*/train has 3 folders'),
        (
            lambda root: None,
            dict(data_root='', data_prefix=dict(video='')),
            r'needs ann_file, or data_prefix=dict\(vid',
        ),
        (lambda root: None, dict(data_prefix={}), "data_prefix={} must have 'video', the folder of the videos"),
        (
            lambda root: None,
            dict(labels='ignored', data_prefix=dict(video='train/.ipynb_checkpoints')),
            'has no videos',
        ),
        (lambda root: None, dict(type='mmhvt.SegmentVideoDataset', ann_file=''), 'needs ann_file'),
    ],
)
def test_folders_that_are_wrong(change, kwargs: dict, message: str, classes: Path, tmp_path: Path) -> None:
    shutil.copytree(classes, tmp_path / 'copy')
    change(tmp_path / 'copy')
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        DATASETS.build(folder_cfg(tmp_path / 'copy') | kwargs)
    assert '\n' not in str(error.value)


def test_the_nearest_class_is_named(classes: Path) -> None:
    with pytest.raises(ValueError, match=r"train/owl is not one of the 3 .*\(did you mean 'owls'\?\)"):
        DATASETS.build(folder_cfg(classes, metainfo=dict(classes=['big dog', 'cat', 'owls'])))


def own_config(config: Config, classes: Path, **kwargs) -> Config:
    config.model.cls_head.num_classes = 3
    for mode, split in dict(train='train', val='train', test='val').items():
        config[f'{mode}_dataloader'].dataset = folder_cfg(classes, split, test_mode=mode != 'train', **kwargs)
    return config


def test_checkpoints_have_the_names(classes: Path, config: Config) -> None:
    config = own_config(config, classes)
    train(config)
    checkpoint = f'{config.work_dir}/epoch_1.pth'
    meta = torch.load(checkpoint, weights_only=False)['meta']['dataset_meta']
    assert meta == dict(classes=('big dog', 'cat', 'owl'))
    # two classes of three, so that label 0 is another one: the names of the training are needed
    config.load_from = checkpoint
    with pytest.raises(ValueError, match='names 2 classes: set num_classes=2'):
        start_run(config, 'test')
    config.test_dataloader.dataset.metainfo = dict(classes=['cat', 'big dog', 'owl'])
    config.experiment_name += 'x'
    with pytest.raises(ValueError, match="label 0 is 'big dog' in the checkpoint, but 'cat' in the test dataset"):
        start_run(config, 'test')
    config.test_dataloader.dataset.metainfo = dict(classes=list(meta['classes']))
    config.experiment_name += 'y'
    Runner.from_cfg(config).test()


def test_validation_on_other_folders(classes: Path, config: Config) -> None:
    config = own_config(config, classes)
    config.val_dataloader.dataset.data_prefix = dict(video='val')
    message = "label 0 is 'big dog' in the train dataset, but 'cat' in the val dataset of .*/val: set metainfo"
    with pytest.raises(ValueError, match=message):
        start_run(config)


@pytest.mark.parametrize('classes_of_head', [2, 4])
def test_folders_and_another_head(classes_of_head: int, classes: Path, config: Config) -> None:
    config = own_config(config, classes)
    config.model.cls_head.num_classes = classes_of_head
    with pytest.raises(ValueError, match=f'cls_head has num_classes={classes_of_head}, .*set num_classes=3'):
        start_run(config)


def test_a_recipe_for_videos_reads_frames(classes: Path, config: Config, tmp_path: Path) -> None:
    """Repeated sampling, collate function and pipeline stay as they are."""
    write_frames(tmp_path)
    config.merge_from_dict(
        dict(
            train_dataloader=dict(
                collate_fn=dict(type='repeat_pseudo_collate'),
                dataset=dict(type='mmhvt.RepeatAugDataset', num_repeats=2, data_prefix=dict(video='elsewhere')),
            )
        )
    )
    frames = dict(type='mmhvt.RawframeDataset', data_root=str(tmp_path), ann_file='frames.txt')
    for mode in ('train', 'val'):
        config.merge_from_dict({f'{mode}_dataloader': dict(dataset=frames | dict(data_prefix=dict(img='')))})
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert isinstance(dataset, RawframeDataset)
    assert [len(dataset[0]), dataset[0][0]['inputs'].shape[1:]] == [2, (3, 4, 32, 32)]
    train(config)


def test_frames_in_folders(tmp_path: Path) -> None:
    for label, name in enumerate(('run', 'walk')):
        for video in range(2):
            (tmp_path / name / f'v{video}').mkdir(parents=True)
            for frame in range(1, 7 + label):
                picture = np.full((32, 32, 3), 20 * frame, np.uint8)
                assert cv2.imwrite(str(tmp_path / name / f'v{video}/img_{frame:05}.jpg'), picture)
            (tmp_path / name / f'v{video}/thumbs.db').write_text('')
    cfg = dict(type='mmhvt.RawframeDataset', data_prefix=dict(img=str(tmp_path)), pipeline=READ + PACK)
    dataset = DATASETS.build(cfg)
    found = [dataset.get_data_info(i) for i in range(4)]
    assert [info['frame_dir'] for info in found] == [f'{tmp_path}/{n}/v{v}' for n in ('run', 'walk') for v in (0, 1)]
    assert [(info['total_frames'], info['label']) for info in found] == [(6, 0), (6, 0), (7, 1), (7, 1)]
    assert dataset.metainfo == dict(classes=('run', 'walk')) and dataset[3]['inputs'].shape == (1, 3, 4, 32, 32)
    with pytest.raises(ValueError, match=r'folder .*/run has no frames \(frame_\{\}\.png\)'):
        DATASETS.build(frames_cfg(tmp_path, type='mmhvt.RawframeDataset', ann_file='', filename_tmpl='frame_{}.png'))
    with pytest.raises(ValueError, match=r"needs data_prefix=dict\(img=…\), .* got \{'video': 'x'\}"):
        DATASETS.build(frames_cfg(tmp_path, type='mmhvt.RawframeDataset', data_prefix=dict(video='x')))


def test_optical_flow_in_folders(tmp_path: Path) -> None:
    (tmp_path / 'run/v0').mkdir(parents=True)
    for axis in 'xy':
        for frame in range(1, 4):
            assert cv2.imwrite(str(tmp_path / f'run/v0/flow_{axis}_{frame:04}.jpg'), np.zeros((8, 8), np.uint8))
    dataset = DATASETS.build(
        frames_cfg(
            tmp_path, type='mmhvt.RawframeDataset', ann_file='', filename_tmpl='flow_{}_{:04}.jpg', modality='Flow'
        )
    )
    assert dataset.get_data_info(0)['total_frames'] == 3


def test_videos_repeat_with_either_class(videos: Path) -> None:
    kwargs = dict(ann_file='good.txt', data_root=str(videos), data_prefix=dict(video=''), pipeline=READ + PACK)
    repeated = DATASETS.build(dict(type='mmhvt.RepeatAugDataset', **kwargs))
    assert len(VideoDataset(**kwargs, num_repeats=3)[0]) == 3 and len(repeated[0]) == 4
    assert not hasattr(VideoDataset(**kwargs), 'num_repeats')
    kwargs['pipeline'] = READ[:2] + PACK
    with pytest.raises(ValueError, match='VideoDataset needs a pipeline that begins with DecordInit'):
        VideoDataset(**kwargs, num_repeats=3)


@pytest.mark.parametrize(
    'kwargs',
    [dict(ann_file='list.txt', data_root='data/moving_shapes'), dict(data_prefix=dict(video='data/moving_shapes/x'))],
)
def test_generated_data_names_its_generator(kwargs: dict) -> None:
    with pytest.raises(FileNotFoundError, match='python tools/data/moving_shapes.py data/moving_shapes'):
        DATASETS.build(dict(type='mmhvt.VideoDataset', pipeline=READ + PACK, **kwargs))


@pytest.mark.parametrize(
    ('name', 'kwargs'),
    [
        ('moving_actors', dict(type='mmhvt.AVADataset', num_classes=9)),
        ('shapes_coco', dict(type='mmhvt.CocoDataset')),
    ],
)
def test_generated_detections_name_their_generator(name: str, kwargs: dict) -> None:
    pytest.importorskip('mmcv._ext', reason='detectors need the compiled ops of mmcv')
    cfg = dict(ann_file=f'data/{name}/annotations/list', data_prefix=dict(img='x'), pipeline=[]) | kwargs
    with pytest.raises(
        FileNotFoundError, match=f'list does not exist: generate it with .*{name}.py data/{name}, or mim'
    ):
        DATASETS.build(cfg)


def write_images(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)
        assert cv2.imwrite(str(folder / name / '0.png'), np.zeros((8, 8, 3), np.uint8))


def test_folders_of_images(tmp_path: Path) -> None:
    write_images(tmp_path / 'val', ('cat', 'owl'))
    (tmp_path / 'classes.txt').write_text('owl\ndog\ncat\n')
    cfg = dict(type='mmhvt.CustomDataset', data_root=str(tmp_path), data_prefix='val')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert DATASETS.build(cfg).metainfo == dict(classes=('cat', 'owl'))
        dataset = DATASETS.build(cfg | dict(metainfo=dict(classes='classes.txt')))
        assert dataset.metainfo == dict(classes=('owl', 'dog', 'cat')) and dataset.get_gt_labels().tolist() == [2, 0]
        # names beside those of the folders, as ImageNet's
        dataset = DATASETS.build(cfg | dict(metainfo=dict(classes=('feline', 'bird'))))
        assert dataset.get_gt_labels().tolist() == [0, 1]
        with pytest.raises(ValueError, match="classes='places36' is neither .* places365"):
            DATASETS.build(cfg | dict(metainfo=dict(classes='places36')))
        (tmp_path / 'val/cat/0.png').write_bytes(b'')
        pipeline = [dict(type='LoadImageFromFile')]
        with pytest.raises(ValueError, match=r'cannot read image .*val/cat/0\.png'):
            DATASETS.build(cfg | dict(pipeline=pipeline))[0]
