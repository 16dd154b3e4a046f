"""Annotation files as people have them, lists without labels, and what MMEngine's wrappers ask of a dataset."""

import re
from pathlib import Path

import cv2  # before decord
import decord
import numpy as np
import pytest
import torch
from mmaction.datasets.transforms import DecordDecode
from mmengine.config import Config
from mmengine.dataset import BaseDataset, ClassBalancedDataset
from mmengine.registry import DefaultScope

from helpers.training import PACK, READ, dataset_cfg, write_video
from mmhvt.analysis.feature_files import read_list
from mmhvt.datasets import UnreadableVideoError
from mmhvt.datasets.edit_lists import open_video
from mmhvt.engine.hooks.exact_resume_hook import Purpose, seed_generators
from mmhvt.registry import DATASETS, TRANSFORMS


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten videos 0.mp4 to 9.mp4, and good.txt with their labels, 0 to 3."""
    root = tmp_path_factory.mktemp('videos')
    for i in range(10):
        write_video(root / f'{i}.mp4', i)
    (root / 'good.txt').write_text(''.join(f'{i}.mp4 {i % 4}\n' for i in range(10)))
    return root


def read(tmp_path: Path, content: str | bytes, **kwargs) -> list[tuple[str, object]]:
    """Paths, without the folder, and labels of a list."""
    content = content.encode() if isinstance(content, str) else content
    (tmp_path / 'ann.txt').write_bytes(content)
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', **kwargs))
    infos = [BaseDataset.get_data_info(dataset, i) for i in range(len(dataset))]
    return [(info['filename'].removeprefix(f'{tmp_path}/'), info['label']) for info in infos]


SEVERAL = dict(multi_class=True, num_classes=4)
TWO = [('a.mp4', 0), ('b.mp4', 1)]
SAME = {
    'lines of Windows': 'a.mp4 0\r\nb.mp4 1\r\n',
    'lines of old Macs': 'a.mp4 0\rb.mp4 1\r',
    'no last newline': 'a.mp4 0\nb.mp4 1',
    'UTF-8 with a mark': '\ufeffa.mp4 0\nb.mp4 1\n',
    'UTF-16 of Windows': '\ufeffa.mp4 0\r\nb.mp4 1\r\n'.encode('utf-16-le'),
    'UTF-16 of Macs': '\ufeffa.mp4 0\nb.mp4 1\n'.encode('utf-16-be'),
    'UTF-32': '\ufeffa.mp4 0\nb.mp4 1\n'.encode('utf-32-le'),
    'tabs': 'a.mp4\t0\nb.mp4\t1\n',
    'columns': 'a.mp4      0\nb.mp4  \t 1   \n',
    'spaces around and between': '  a.mp4 0  \n\n   \n\tb.mp4 1\t\n',
    'commas': 'a.mp4,0\nb.mp4,1\n',
    'commas and spaces': 'a.mp4, 0\nb.mp4, 1\n',
    'semicolons of spreadsheets': 'a.mp4;0\r\nb.mp4;1\r\n',
    'a header': 'path label\na.mp4 0\nb.mp4 1\n',
    'a header of a spreadsheet': '\ufeffVideo,Label\r\na.mp4,0\r\nb.mp4,1\r\n',
    'quotes': '"a.mp4" 0\n"b.mp4" 1\n',
    'quotes of a spreadsheet': '"a.mp4",0\n"b.mp4",1\n',
    'labels with a sign or zeros': 'a.mp4 00\nb.mp4 +1\n',
    'a comma and a space behind most': 'a.mp4, 0\nb.mp4,1\n',
    'CSV of R and pandas': '"path","label"\n"a.mp4",0\n"b.mp4",1\n',
    'all in quotes': '"a.mp4","0"\r\n"b.mp4","1"\r\n',
    'all in quotes, with spaces': '"a.mp4" "0"\n"b.mp4" "1"\n',
    'semicolons, all in quotes': '"a.mp4";"0"\n"b.mp4";"1"\n',
    'a header of another word': 'clip_path,class\na.mp4,0\nb.mp4,1\n',
    'a header of any word': 'Aufnahme;Klasse\na.mp4;0\nb.mp4;1\n',
    'a header with a space': 'Video Name,Class ID\na.mp4,0\nb.mp4,1\n',
    'a header between tabs': 'Video Name\tClass ID\na.mp4\t0\nb.mp4\t1\n',
    'a header of ids': 'id label\na.mp4 0\nb.mp4 1\n',
    'empty columns of a spreadsheet': 'path,label,,\na.mp4,0,,\nb.mp4,1,,\n',
    'an end of file of DOS': 'a.mp4 0\r\nb.mp4 1\r\n\x1a',
    'no-break spaces': 'a.mp4\xa00\n\xa0b.mp4\xa0 1\xa0\n',
    'digits of Japanese keyboards': 'a.mp4 ０\nb.mp4 １\n',
}


@pytest.mark.parametrize('content', SAME.values(), ids=SAME)
def test_lists_of_any_editor(content: str | bytes, tmp_path: Path) -> None:
    assert read(tmp_path, content) == TWO


@pytest.mark.parametrize(
    ('content', 'wanted', 'kwargs'),
    [
        ('"my a.mp4" 0\nb.mp4 1\n', [('my a.mp4', 0), ('b.mp4', 1)], {}),
        ('"say ""hi"".mp4" 0\n', [('say "hi".mp4', 0)], {}),
        ('my a.mp4,0\n', [('my a.mp4', 0)], dict(delimiter=',')),
        ('my a.mp4\t0\n', [('my a.mp4', 0)], dict(delimiter='\t')),
        ('"a,b.mp4",0\n', [('a,b.mp4', 0)], dict(delimiter=',')),
        ('my a.mp4,0\nb.mp4,1\n', [('my a.mp4', 0), ('b.mp4', 1)], {}),
        ('a.mp4|0\n', [('a.mp4', 0)], dict(delimiter='|')),
        ('train\\a.mp4 0\n', [('train/a.mp4', 0)], {}),
        ('größe/ü.mp4 0\n', [('größe/ü.mp4', 0)], {}),
        ('/elsewhere/a.mp4 0\n', [('/elsewhere/a.mp4', 0)], {}),
        ('a.mp4 0\na.mp4 0\n', [('a.mp4', 0)] * 2, {}),
        ('a,b.mp4 0\n', [('a,b.mp4', 0)], {}),
        ('#1.mp4 0\n', [('#1.mp4', 0)], {}),
        ("it's.mp4 0\n", [("it's.mp4", 0)], {}),
        ('a\x0b\u2028.mp4 0\n', [('a\x0b\u2028.mp4', 0)], {}),
        ('path label\n', [('path', 0)], None),
        ('my video.mp4\t3\n', [('my video.mp4', 3)], {}),
        ('b.mp4\t1\nmy video.mp4\t3\n', [('b.mp4', 1), ('my video.mp4', 3)], {}),
        ('b.mp4, 1\nmy video.mp4, 3\n', [('b.mp4', 1), ('my video.mp4', 3)], {}),
        ('my video.mp4; 3\nb.mp4; 1\n', [('my video.mp4', 3), ('b.mp4', 1)], {}),
        ('"my ""q"", v.mp4","3"\nb.mp4,1\n', [('my "q", v.mp4', 3), ('b.mp4', 1)], {}),
        ('my\xa0video.mp4 3\n', [('my\xa0video.mp4', 3)], {}),
        ('5" disk.mp4,3\n', [('5" disk.mp4', 3)], {}),
        ('"a.mp4","3"\n', [('a.mp4', 3)], dict(delimiter=',')),
        ('a.mp4,"0,3"\nb.mp4,1\n', [('a.mp4', [0, 3]), ('b.mp4', [1])], SEVERAL),
        ('path;labels\na.mp4;0,3\nb.mp4;1\n', [('a.mp4', [0, 3]), ('b.mp4', [1])], SEVERAL),
        ('path,labels\na.mp4,"[0, 3]"\nb.mp4,1\n', [('a.mp4', [0, 3]), ('b.mp4', [1])], SEVERAL),
        ('a.mp4 0,3\nb.mp4 1\n', [('a.mp4', [0, 3]), ('b.mp4', [1])], SEVERAL),
        ('a.mp4 0 3\nb.mp4 1\n', [('a.mp4', [0, 3]), ('b.mp4', [1])], dict(multi_class=True, num_classes=4)),
        ('a.mp4,0,3\nb.mp4,1\n', [('a.mp4', [0, 3]), ('b.mp4', [1])], dict(multi_class=True, num_classes=4)),
    ],
)
def test_paths_and_labels(content: str, wanted: list, kwargs: dict | None, tmp_path: Path) -> None:
    if kwargs is None:  # a header is no sample
        with pytest.raises(ValueError, match='ann.txt is empty'):
            read(tmp_path, content)
    else:
        assert read(tmp_path, content, **kwargs) == wanted


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('a.mp4 0\nb.mp4 1_000\n', "line 2: .* not an integer, '1_000'"),
        ('a.mp4 0\nb.mp4 3.0\n', "line 2: .* not an integer, '3.0': write 3"),
        ('a.mp4 0\nb.mp4 1e3\n', "line 2: .* not an integer, '1e3'"),
        ('a.mp4 0\r\rb.mp4 x\r', 'line 3: '),
        ('# my list\na.mp4 0\n', 'line 1: .*not an integer.*no comments|line 1: .*has 2 labels'),
        ('#train list\na.mp4 0\n', "line 1: .* not an integer, 'list': annotation files have no comments"),
        ('a.mp4 0\nb.mp4,1\n', 'line 2: .* has 0 labels: .* separated by'),
        ('a.mp4 0\nC:\\videos\\b.mp4 1\n', 'line 2: .* the Windows drive C:'),
        ('my a.mp4 0\n', 'line 1: .* has 2 labels: .* double quotes'),
        ('a.mp4 0\nb.mp4 9999999999999999999\n', 'line 2: .* has label 9999999999999999999'),
        ('path,label\na.mp4,1\nb.mp4,x\nc.mp4,2\n', "line 3: .* not an integer, 'x'"),
        ('path,label\na.mp4,1\nb.mp4,\nc.mp4,2\n', "line 3: .* has 0 labels.* separated by ','"),
        ('path;label\na.mp4;1\nb.mp4;-1\nc.mp4;2\n', 'line 3: .* has a negative label'),
        ('a.mp4,1\nb.mp4,1.0\nc.mp4,2\n', "line 2: .* not an integer, '1.0': write 1"),
        ('a.mp4\t1\nb.mp4\t1\t2\nc.mp4\t2\n', 'line 2: .* has 2 labels'),
        ('path,label\na.mp4,x\n', "line 2: .* not an integer, 'x'"),
        ('clip_path,class\na.mp4,1\nb.mp4,x\nc.mp4,2\n', "line 3: .* not an integer, 'x'"),
        ('a.mp4,x\nb.mp4,y\n', "line 1: .* not an integer, 'x'"),
        ('a.mp4 x\nb.mp4 1\nc.mp4 2\n', "line 1: .* not an integer, 'x'"),
        ('a.mp4 0,3\n', 'line 1: .* has 2 labels'),
        ('a.mp4,1\n,2\n', 'line 2: .* has no path'),
        ('größe.mp4 0\n'.encode('latin1'), 'line 1 is not UTF-8 .*0xf6.*iconv'),
        ('a.mp4 0\ngröße.mp4 0\n'.encode('latin1'), 'line 2 is not UTF-8'),
        ('a.mp4 0\nb.mp4 1\n'.encode('utf-16-le'), 'line 1 has NUL bytes.*UTF-16'),
        (b'a.mp4 0\nb\0.mp4 1\n', 'line 2 has NUL bytes'),
        (b'\x89PNG\r\n\x1a\n\0\0', 'line 1 is not UTF-8'),
        ('\ufeff', 'is empty'),
        (b'', 'is empty'),
    ],
)
def test_what_has_no_single_meaning_is_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f'ann.txt.*{message}|{message}') as caught:
        read(tmp_path, content, num_classes=4000)
    assert 'ann.txt' in str(caught.value) and '\n' not in str(caught.value)


def test_segments_read_the_same_lists(tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_bytes('\ufeffvideo,start,end,label\r\n"my a.mp4",1,2.5,3\r\n'.encode('utf-16-le'))
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'a.txt', type='mmhvt.SegmentVideoDataset', pipeline=READ))
    assert dataset.get_data_info(0)['segment'] == (1, 2.5) and dataset.get_cat_ids(0) == [3]
    assert dataset.get_data_info(0)['filename'] == f'{tmp_path}/my a.mp4'


@pytest.mark.parametrize('text', ['my a.mp4 0.5 1e2 3', 'my a.mp4,.5,1e2,3', 'my a.mp4\t5e-1\t100.\t3'])
def test_times_of_segments(text: str, tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_text(text.replace('my a.mp4 ', '"my a.mp4" '))
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'a.txt', type='mmhvt.SegmentVideoDataset', pipeline=READ))
    assert dataset.get_data_info(0)['segment'] == (0.5, 100) and dataset.get_cat_ids(0) == [3]


@pytest.mark.parametrize('kwargs', [dict(labels='ignored'), dict(test_mode=True)])
@pytest.mark.parametrize('text', ['a.mp4,1.5,3', 'path,start,end\nmy a.mp4,1.5,3', 'my a.mp4\t1.5\t3', 'a.mp4 1.5 3'])
def test_segments_without_labels(text: str, kwargs: dict, tmp_path: Path) -> None:
    (tmp_path / 'a.txt').write_text(text)
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'a.txt', type='mmhvt.SegmentVideoDataset', pipeline=READ, **kwargs))
    assert len(dataset) == 1 and dataset.get_data_info(0)['segment'] == (1.5, 3) and not dataset.has_labels


# Lists without labels


PATHS = {
    'spaces': ('walk.mp4\nwalk (1).mp4\nmy a.mp4\n', ['walk.mp4', 'walk (1).mp4', 'my a.mp4']),
    'one with spaces': ('my a.mp4\n', ['my a.mp4']),
    'commas': ('a, b.mp4\nc;d.mp4\n', ['a, b.mp4', 'c;d.mp4']),
    'no suffix': ('walk\nwalk (1)\nmy a\n', ['walk', 'walk (1)', 'my a']),
    'quotes': ('"my a.mp4"\n"say ""hi"".mp4"\n', ['my a.mp4', 'say "hi".mp4']),
    'a header': ('path\na.mp4\nmy b.mp4\n', ['a.mp4', 'my b.mp4']),
    'no header': ('clip\nclip2\n', ['clip', 'clip2']),
    'empty labels': ('path,label\na.mp4,\nb.mp4,\n', ['a.mp4', 'b.mp4']),
    'empty labels, spaces': ('Video Name;Label\nmy a.mp4;\nb.mp4;\n', ['my a.mp4', 'b.mp4']),
    'empty labels in quotes': ('"path","label"\n"a.mp4",""\n"b.mp4",""\n', ['a.mp4', 'b.mp4']),
}


@pytest.mark.parametrize('kwargs', [dict(labels='ignored'), dict(test_mode=True)])
@pytest.mark.parametrize(('content', 'wanted'), PATHS.values(), ids=PATHS)
def test_lines_that_are_paths(content: str, wanted: list[str], kwargs: dict, tmp_path: Path) -> None:
    assert read(tmp_path, content, **kwargs) == [(path, -1) for path in wanted]


@pytest.mark.parametrize(
    ('content', 'wanted'),
    [
        ('a.mp4 3\nmy b.mp4 4\n', ['a.mp4', 'my b.mp4']),
        ('walk 1\nwalk (1) 2\ntake 2 3\n', ['walk', 'walk (1)', 'take 2']),
        ('a.mp4,3\nmy b.mp4\nc.mp4\t4\n', ['a.mp4', 'my b.mp4', 'c.mp4']),
        ('a.mp4,jump\nb.mp4,run\n', ['a.mp4', 'b.mp4']),
        ('a\tjump\nmy b\trun\n', ['a', 'my b']),
        ('path,label\na,jump\nb c.d,run\ne.mp4,x\n', ['a', 'b c.d', 'e.mp4']),
        ('path,label\na.mp4,1\nb.mp4,x\nmy c.mp4,2\n', ['a.mp4', 'b.mp4', 'my c.mp4']),
        ('path label\na.mp4 1\nb.mp4 x\n', ['a.mp4', 'b.mp4']),
        ('"path" "label"\n"my a" 1\n', ['my a']),
        ('video one\nvideo two\nvideo 3\n', ['video one', 'video two', 'video']),
        ('"my ""q"", v.mp4",3\nb.mp4,1.0\n', ['my "q", v.mp4', 'b.mp4']),
        ('a.mp4,"1,2"\nb.mp4,-1\n', ['a.mp4', 'b.mp4']),
        ('a.mp4 1 2\nb.mp4 3\n', ['a.mp4', 'b.mp4']),
    ],
)
def test_labels_that_are_ignored_are_no_part_of_paths(content: str, wanted: list[str], tmp_path: Path) -> None:
    assert [path for path, _ in read(tmp_path, content, labels='ignored')] == wanted
    assert read_list(tmp_path / 'ann.txt', tmp_path) == [re.sub('take 2', 'take', path) for path in wanted]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('path,label\na.mp4,1\nb.mp4,x\nc.mp4,2\n', "line 3: .* not an integer, 'x'"),
        ('path,label\na.mp4,1\nb.mp4,\nc.mp4,2\n', 'line 3: .* has 0 labels, unlike line 2'),
        ('path,label\na.mp4,1\nb.mp4,-1\nc.mp4,2\n', 'line 3: .* has a negative label'),
        ('path,label\na.mp4,1\nb.mp4,1.0\nc.mp4,2\n', "line 3: .* not an integer, '1.0'"),
        ('path,label\na.mp4,1\nb.mp4,1,2\nc.mp4,2\n', 'line 3: .* has 2 labels'),
        (',path,label\n0,a.mp4,1\n', 'line 1: .* has no path'),
        ('a.mp4 jump\nb.mp4 run\n', "line 1: .* not an integer, 'jump'"),
        ('a.mp4 1.0\nb.mp4 2.0\n', "line 1: .* not an integer, '1.0'"),
        ('a.mp4,jump\nb.mp4,run\n', "line 1: .* not an integer, 'jump'"),
    ],
)
def test_lists_with_bad_labels_in_test_mode(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f'ann.txt, {message}'):
        read(tmp_path, content, test_mode=True)


def test_lists_without_labels_in_test_mode(videos: Path) -> None:
    """Bugs 4.1: mmaction2 reads them."""
    (videos / 'names.txt').write_text('0.mp4\n1.mp4\n')
    dataset = DATASETS.build(dataset_cfg(videos, 'names.txt', test_mode=True))
    assert len(dataset) == 2 and not dataset.has_labels and dataset.largest_label == -1
    assert 'gt_label' not in dataset[1]['data_samples'] and 'label' not in dataset.get_data_info(0)
    several = DATASETS.build(dataset_cfg(videos, 'names.txt', test_mode=True, multi_class=True, num_classes=3))
    assert 'gt_label' not in several[0]['data_samples']
    with pytest.raises(ValueError, match=r'names.txt, line 1: .* has 0 labels'):
        DATASETS.build(dataset_cfg(videos, 'names.txt'))
    with pytest.raises(ValueError, match="labels='none': choose from None, required, optional, ignored"):
        DATASETS.build(dataset_cfg(videos, 'names.txt', labels='none'))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('0.mp4\n\n1.mp4 1\n', 'line 3: .*has labels, but line 1 has none'),
        ('0.mp4 0\n1.mp4\n', 'line 2: .*has 0 labels, unlike line 1'),
        ('0.mp4\n1.mp4 x\n', 'line 2: .*has labels, but line 1 has none'),
    ],
)
def test_mixed_lists_are_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f'ann.txt, {message}'):
        read(tmp_path, content, test_mode=True)


def test_lists_whose_labels_are_ignored(videos: Path) -> None:
    (videos / 'mixed.txt').write_text('0.mp4\n1.mp4 7\n2.mp4 what\n')
    dataset = DATASETS.build(dataset_cfg(videos, 'mixed.txt', labels='ignored'))
    assert [Path(dataset.get_data_info(i)['filename']).name for i in range(3)] == ['0.mp4', '1.mp4', '2.mp4']
    assert 'gt_label' not in dataset[2]['data_samples']
    with pytest.raises(ValueError, match=r"mixed.txt has no labels \(labels='ignored'\)"):
        dataset.get_cat_ids(0)


@pytest.mark.parametrize('name', ['kinetics400_mae', 'sthv2_mae', 'moving_shapes_mae'])
def test_pretraining_takes_lists_without_labels(name: str, root: Path, videos: Path) -> None:
    dataset = Config.fromfile(root / f'configs/_base_/datasets/{name}.py').train_dataloader.dataset
    (videos / 'names.txt').write_text('0.mp4\n1.mp4\n')
    dataset.update(ann_file=str(videos / 'names.txt'), data_root='', data_prefix=dict(video=str(videos)))
    with DefaultScope.overwrite_default_scope('mmaction'):
        built = DATASETS.build(dataset)
    assert len(built) == 2
    sample = built[0]
    assert (sample[0] if isinstance(sample, list) else sample)['inputs'].shape[1] == 3


# What MMEngine's wrappers and tools ask for


def test_rare_classes_more_often(videos: Path) -> None:
    """Bugs 9."""
    (videos / 'rare.txt').write_text(''.join(f'{i}.mp4 {int(i == 9)}\n' for i in range(10)))
    for kind in (dict(), dict(type='mmhvt.RepeatAugDataset', num_repeats=2)):
        rare = dataset_cfg(videos, 'rare.txt', **kind)
        balanced = DATASETS.build(dict(type='ClassBalancedDataset', oversample_thr=0.4, dataset=rare))
        assert isinstance(balanced, ClassBalancedDataset) and len(balanced) == 11
        assert [balanced.get_cat_ids(i) for i in (0, 10)] == [[0], [1]]
    balanced[10]
    (videos / 'several.txt').write_text('0.mp4 0 2\n1.mp4 0\n')
    several = DATASETS.build(dataset_cfg(videos, 'several.txt', multi_class=True, num_classes=3, lazy_init=True))
    assert [several.get_cat_ids(i) for i in (0, 1, -1)] == [[0, 2], [0], [0]]


def test_subsets_and_indices(videos: Path) -> None:
    dataset = DATASETS.build(dataset_cfg(videos, indices=[3, 5], serialize_data=False))
    assert [dataset.get_cat_ids(i) for i in range(2)] == [[3], [1]]
    part = DATASETS.build(dataset_cfg(videos)).get_subset([9, 2])
    assert [part.get_cat_ids(i) for i in range(2)] == [[1], [2]] and part[0]['data_samples'].gt_label.tolist() == [1]
    lazy = DATASETS.build(dataset_cfg(videos, lazy_init=True))
    assert not lazy._fully_initialized
    lazy.full_init()
    assert len(lazy) == 10 and lazy.has_labels


def test_repeated_samples_have_frames_of_their_own(videos: Path) -> None:
    np.random.seed(0)
    meta = [*READ[:1], dict(READ[1], clip_len=2), READ[2], PACK[0], dict(PACK[1], meta_keys=('frame_inds',))]
    dataset = DATASETS.build(dataset_cfg(videos, type='mmhvt.RepeatAugDataset', num_repeats=4, pipeline=meta))
    samples = dataset[0]
    drawn = {tuple(sample['data_samples'].frame_inds) for sample in samples}
    assert len(samples) == 4 and len(drawn) > 1 and all(len(one) == 2 for one in drawn)
    once = DATASETS.build(
        dataset_cfg(videos, type='mmhvt.RepeatAugDataset', num_repeats=4, sample_once=True, pipeline=meta)
    )
    first, *others = once[0]
    assert all((first['inputs'] == other['inputs']).all() for other in others)
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValueError, match=f'num_repeats must be a positive integer, got {wrong}'):
            DATASETS.build(dataset_cfg(videos, type='mmhvt.RepeatAugDataset', num_repeats=wrong))
    other = [dict(type='mmaction.OpenCVInit'), READ[1], dict(type='mmaction.OpenCVDecode'), *PACK]
    with pytest.raises(ValueError, match='begins with DecordInit.*got OpenCVInit'):
        DATASETS.build(dataset_cfg(videos, type='mmhvt.RepeatAugDataset', pipeline=other))


def test_repeats_of_one_clip_are_decoded_once_and_augmented_apart(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PySlowFast and mae_st fine-tune; Flip changes frames in place."""
    decoded = []
    transform = DecordDecode.transform
    monkeypatch.setattr(
        DecordDecode, 'transform', lambda self, info: decoded.append(len(info['frame_inds'])) or transform(self, info)
    )
    flip = [*READ, dict(type='mmaction.Flip', flip_ratio=0.5), *PACK]
    dataset = DATASETS.build(
        dataset_cfg(videos, type='mmhvt.RepeatAugDataset', num_repeats=8, sample_once=True, pipeline=flip)
    )
    found = []
    for _ in range(2):
        # as a resumed run begins
        seed_generators(7, Purpose.SAMPLE, 3, 1, 0)
        found.append([sample['inputs'] for sample in dataset[0]])
    assert decoded == [4, 4]
    first, *others = found[0]
    same = [torch.equal(first, other) for other in others]
    assert 0 < sum(same) < 7
    assert all(torch.equal(first.flip(-1), other) for other, is_same in zip(others, same, strict=True) if not is_same)
    assert all(map(torch.equal, *found))


# Files that are no videos


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.gif', b'GIF89a' + bytes(40), 'it is a GIF; .*ffmpeg -i .*a.gif .*a.mp4'),
        ('a.webp', b'RIFF\x20\0\0\0WEBPVP8 ' + bytes(40), 'it is a WebP, .*convert it to MP4'),
        ('a.wav', b'RIFF\x20\0\0\0WAVEfmt ' + bytes(40), 'it is an audio file .WAV'),
        ('a.mp3', b'ID3\x04' + bytes(40), 'it is an audio file .MP3'),
        ('a.mp4', b'<!DOCTYPE html><html>404</html>', 'it is a web page'),
        ('a.mp4', b'', 'a.mp4: it is empty'),
        ('a.mp4', b'404: not found\n', 'a.mp4: it is a text file, not a video'),
        ('a.mp4', 'größe'.encode() * 100, 'a.mp4: it is a text file, not a video'),
        ('a.mp4', b'version https://git-lfs.github.com/spec/v1\n', 'run git lfs pull'),
        ('a.mp4', bytes(range(256)) * 4, 'a.mp4: RuntimeError'),
    ],
)
def test_what_is_no_video_says_what_it_is(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / 'ann.txt').write_text(f'{name} 0\n')
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', test_mode=True))
    with pytest.raises(UnreadableVideoError, match=f'cannot read video .*{message}'):
        dataset[0]
    with pytest.raises(UnreadableVideoError, match=message):
        TRANSFORMS.build(dict(type='mmhvt.DecordInit'))(dict(filename=str(tmp_path / name)))


def test_ffmpeg_is_quiet_about_damage(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    path = tmp_path / 'a.mp4'
    write_video(path, 0)
    path.write_bytes(path.read_bytes()[:-100])
    for open_it, is_quiet in ((decord.VideoReader, False), (open_video, True)):
        decord.logging.set_level(decord.logging.ERROR)
        with pytest.raises(RuntimeError):
            open_it(str(path))
        assert ('[mov,mp4' in capfd.readouterr().err) != is_quiet


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tiff'])
def test_pictures_are_no_videos(suffix: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / f'a.{suffix}'), np.zeros((32, 32, 3), np.uint8))
    (tmp_path / 'ann.txt').write_text(f'a.{suffix} 0\n')
    dataset = DATASETS.build(dataset_cfg(tmp_path, 'ann.txt', test_mode=True))
    with pytest.raises(UnreadableVideoError, match='it is an image'):
        dataset[0]
