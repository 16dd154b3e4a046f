"""Charades: a clip has the actions that it shows, a test those of the video."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config
from torch import Tensor

from helpers import ROOT
from helpers.numbered_videos import numbers_in, write_numbered
from helpers.training import PACK
from mmhvt.datasets import CharadesDataset, UnreadableVideoError
from mmhvt.datasets.charades_dataset import ClipLabel
from mmhvt.registry import DATASETS

HEADER = 'id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length'
ACTIONS = {'YSKX3': 'c092 1.90 4.20;c147 0.00 2.60;c000 7.50 9.00', '001YG': 'c156 3.00 3.50', 'NONE0': ''}
SCRIPT = '"A person, who ""sits"";\nstands."'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of 200 frames, 8 seconds, and the annotation file of the dataset's form."""
    folder = tmp_path_factory.mktemp('charades')
    for name in ACTIONS:
        write_numbered(folder / f'{name}.mp4', 200, 25)
    rows = [f'{name},HR43,Kitchen,6,7,Yes,{SCRIPT},cup,,{actions},8.00' for name, actions in ACTIONS.items()]
    (folder / 'train.csv').write_text('\n'.join([HEADER, *rows, '']))
    (folder / 'list.txt').write_text('YSKX3.mp4 92 147\n001YG.mp4 156\n')
    return folder


def build(folder: Path, ann: str = 'train.csv', length: int = 4, stride: int = 5, **kwargs) -> CharadesDataset:
    pipeline = [
        dict(type='mmhvt.DecordInit'),
        dict(
            type='mmhvt.SampleFrames',
            clip_len=length,
            frame_interval=stride,
            out_of_bound_opt='repeat_last',
            test_mode=kwargs.get('test_mode', False),
        ),
        dict(type='mmaction.DecordDecode'),
        *PACK,
    ]
    cfg = dict(type='mmhvt.CharadesDataset', ann_file=str(folder / ann), data_prefix=dict(video=str(folder)))
    return DATASETS.build(cfg | dict(pipeline=pipeline, metainfo=dict(classes='charades')) | kwargs)


def labels_of(sample: dict) -> list[int]:
    label: Tensor = sample['data_samples'].gt_label
    assert label.shape == (157,) and set(label.unique().tolist()) <= {0, 1}
    return label.nonzero().flatten().tolist()


def expected(name: str, first: int, last: int) -> list[int]:
    """Actions of which one of the frames from first to last shows something, frame by frame, at 25 frames a second."""
    found = set()
    for action in filter(None, ACTIONS[name].split(';')):
        kind, start, end = action.split()
        found |= {int(kind[1:]) for frame in range(first, last + 1) if float(start) <= frame / 25 <= float(end)}
    return sorted(found)


def test_a_clip_has_the_actions_of_its_frames(folder: Path) -> None:
    np.random.seed(0)
    dataset = build(folder)
    seen = set()
    for index, name in enumerate(ACTIONS):
        for _ in range(30):
            sample = dataset[index]
            (clip,) = numbers_in(sample['inputs'])
            assert labels_of(sample) == expected(name, clip[0], clip[-1])
            seen.add((name, *labels_of(sample)))
    assert {('YSKX3', 92, 147), ('YSKX3', 92), ('YSKX3', 147), ('YSKX3',), ('001YG', 156), ('001YG',)} <= seen
    assert {one for one in seen if one[0] == 'NONE0'} == {('NONE0',)}


@pytest.mark.parametrize('sample_once', [False, True])
def test_each_repeat_has_the_label_of_its_own_clip(sample_once: bool, folder: Path) -> None:
    np.random.seed(0)
    samples = build(folder, num_repeats=8, sample_once=sample_once)[0]
    clips = [numbers_in(sample['inputs'])[0] for sample in samples]
    assert [labels_of(sample) for sample in samples] == [expected('YSKX3', clip[0], clip[-1]) for clip in clips]
    assert (len({clip[0] for clip in clips}) == 1) == sample_once


def test_a_test_has_the_actions_of_the_video(folder: Path) -> None:
    for dataset in (build(folder, test_mode=True), build(folder, 'list.txt', test_mode=True)):
        assert [labels_of(dataset[i]) for i in range(2)][1] == [156]
        assert set(labels_of(dataset[0])) >= {92, 147}
    dataset = build(folder, test_mode=True)
    assert labels_of(dataset[0]) == [0, 92, 147] and labels_of(dataset[2]) == []
    assert (dataset.largest_label, dataset.get_cat_ids(0), dataset.get_cat_ids(2)) == (156, [0, 92, 147], [])
    assert Path(dataset.get_data_info(1)['filename']) == folder / '001YG.mp4'
    (folder / 'unlabeled.txt').write_text('001YG.mp4\n')
    unlabeled = build(folder, 'unlabeled.txt', test_mode=True)
    assert 'gt_label' not in unlabeled[0]['data_samples']


def test_labels_of_whole_videos_are_not_for_training(folder: Path) -> None:
    with pytest.raises(ValueError, match='list.txt has no columns .*not the labels of whole videos') as error:
        build(folder, 'list.txt')
    assert 'Charades_v1_train.csv' in str(error.value) and 'tools/data/check.py charades' in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('AAAAA,c92 1.0 2.0', r"line 3: 'AAAAA,.* has the action 'c92 1.0 2.0': it must be class, start and end"),
        ('AAAAA,c092 1.0', 'line 3: .*it must be class, start and end'),
        ('AAAAA,c092 1.0 inf', 'line 3: .*it must be class, start and end'),
        ('AAAAA,c157 1.0 2.0', 'line 3: .*has label 157, but the dataset names 157 classes'),
        (',c001 1.0 2.0', 'line 3: .*has no id'),
        (f'AAAAA,{"x" * 140_000}', 'line 3: field larger than field limit'),
    ],
)
def test_malformed_lines(row: str, message: str, folder: Path) -> None:
    (folder / 'bad.csv').write_text(f'id,actions\nYSKX3,c001 0.0 1.0\n{row}\n')
    for test_mode in (False, True):
        with pytest.raises(ValueError, match=message):
            build(folder, 'bad.csv', test_mode=test_mode)


def test_other_files_and_pipelines(folder: Path) -> None:
    (folder / 'none.csv').write_text('id,actions\n')
    with pytest.raises(ValueError, match='none.csv is empty'):
        build(folder, 'none.csv')
    with pytest.raises(FileNotFoundError, match='annotation file .*missing.csv does not exist'):
        build(folder, 'missing.csv')
    with pytest.raises(ValueError, match='CharadesDataset needs DecordDecode in its pipeline, got DecordInit'):
        build(folder, pipeline=[dict(type='mmhvt.DecordInit')])
    (folder / 'short.csv').write_text('\ufeffactions,id\r\nc001 0.00 9.00,YSKX3\r\n,\r\n', encoding='utf-8')
    with pytest.raises(ValueError, match='line 3: .*has no id'):
        build(folder, 'short.csv')
    (folder / 'short.csv').write_text('\ufeffactions,id\r\nc001 0.00 9.00,YSKX3\r\n', encoding='utf-8')
    assert labels_of(build(folder, 'short.csv')[0]) == [1]


def test_clips_that_go_round_and_several_clips() -> None:
    info = dict(filename='a.mp4', avg_fps=10.0, start_index=0, label=torch.zeros(3))
    info['actions'] = [(0, 0.0, 0.4), (1, 2.0, 3.0), (2, 5.0, 5.5)]
    two = ClipLabel()(dict(info, num_clips=2, frame_inds=np.array([0, 2, 4, 50, 52, 54])))
    assert two['label'].tolist() == [1, 0, 1] and info['label'].tolist() == [0, 0, 0]
    assert ClipLabel()(dict(info, num_clips=1, frame_inds=np.array([5, 35, 5])))['label'].tolist() == [0, 1, 0]
    with pytest.raises(UnreadableVideoError, match='of a.mp4, whose frame rate is unknown'):
        ClipLabel()(dict(info, avg_fps=float('nan'), num_clips=1, frame_inds=np.array([0])))


def test_recipes_read_it() -> None:
    config = Config.fromfile(ROOT / 'configs/_base_/datasets/charades.py')
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.type == 'mmhvt.CharadesDataset' and loader.dataset.multi_class
