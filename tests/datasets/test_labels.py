"""Label lists of the package, and names of classes that datasets read from lists and files."""

from pathlib import Path

import pytest
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import DefaultScope

from helpers.training import dataset_cfg
from mmhvt.datasets import kinetics710
from mmhvt.datasets.labels import configured_classes, label_lists, read_classes, with_classes
from mmhvt.registry import DATASETS

SIZES = dict(
    activitynet=200, ava=80, charades=157, kinetics400=400, kinetics600=600, kinetics700=700, kinetics710=710,
    mit=339, places365=365, sthv1=174, sthv2=174,
)  # fmt: skip


def test_lists_are_whole() -> None:
    assert label_lists() == sorted(SIZES)
    for name, size in SIZES.items():
        names = read_classes(name)
        assert len(names) == len(set(names)) == size
        assert all(one == one.strip() and one.isprintable() for one in names)


@pytest.mark.parametrize('dataset', ['k400', 'k600', 'k700', 'k710'])
def test_kinetics_is_numbered_as_published_checkpoints(dataset: str) -> None:
    assert read_classes(f'kinetics{dataset[1:]}') == kinetics710.labels(dataset)


def test_order_of_the_other_lists() -> None:
    # Something-Something V2, ActivityNet and Places365 are in the order of code points
    for name in ('sthv2', 'activitynet', 'places365'):
        assert list(read_classes(name)) == sorted(read_classes(name))
    assert set(read_classes('sthv1')) == set(read_classes('sthv2'))
    places = dict(
        sthv1={0: 'Holding something', 173: 'Poking a hole into some substance'},
        sthv2={0: 'Approaching something with your camera', 173: 'Wiping something off of something'},
        charades={0: 'Holding some clothes', 156: 'Someone is eating something'},
        # one less than AVA's number
        ava={11: 'stand', 16: 'carry/hold (an object)', 78: 'talk to (e.g., self, a person, a group)'},
        mit={0: 'clapping', 2: 'dropping'},
        places365={8: 'apartment_building/outdoor', 364: 'zen_garden'},
    )
    for name, some in places.items():
        assert {label: read_classes(name)[label] for label in some} == some


def test_files_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'mine.txt').write_bytes('\ufeffjump high\r\n\r\n  läuft  \r\n'.encode())
    names = ('jump high', 'läuft')
    assert read_classes(tmp_path / 'mine.txt') == read_classes('mine.txt', str(tmp_path)) == names
    monkeypatch.chdir(tmp_path)
    assert read_classes('mine.txt') == names
    (tmp_path / 'empty.txt').write_text('\n \n')
    (tmp_path / 'latin.txt').write_bytes('läuft'.encode('latin-1'))
    for file, message in dict(empty='has no names', latin='is not UTF-8 text').items():
        with pytest.raises(ValueError, match=f'{file}.txt.* {message}'):
            read_classes(f'{file}.txt')
    for path in ('missing.txt', 'meta/missing'):
        with pytest.raises(FileNotFoundError, match=f'^data/{path} does not exist: .* names of the classes'):
            read_classes(path, 'data')


def test_an_unknown_list_has_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"classes='kinetic400' is neither .* of mmhvt: kinetics400"):
        read_classes('kinetic400')
    with pytest.raises(ValueError, match=f'of mmhvt: {", ".join(sorted(SIZES))}$'):
        read_classes('xyz')


@pytest.mark.parametrize('classes', [(), [1, 2], 5, {'a': 1}])
def test_classes_of_another_type(classes: object) -> None:
    with pytest.raises(ValueError, match='must be names of classes'):
        with_classes(dict(classes=classes))


def test_metainfo_of_datasets(videos: Path) -> None:
    names = ('a', 'b', 'c', 'd')
    dataset = DATASETS.build(dataset_cfg(videos, metainfo=dict(classes=list(names), task='play')))
    assert dataset.metainfo == dict(classes=names, task='play') and dataset.num_classes == 4
    dataset = DATASETS.build(dataset_cfg(videos, metainfo=dict(classes='kinetics400')))
    assert dataset.metainfo['classes'] == kinetics710.labels('k400')
    for metainfo in (None, dict(), dict(classes=None)):
        dataset = DATASETS.build(dataset_cfg(videos, metainfo=metainfo))
        assert dataset.metainfo == {} and dataset.num_classes is None
    wrapped = MMENGINE_DATASETS.build(
        dict(type='RepeatDataset', times=2, dataset=dataset_cfg(videos, metainfo=dict(classes=names)))
    )
    assert wrapped.metainfo == dict(classes=names)


def test_metainfo_that_does_not_fit(videos: Path) -> None:
    with pytest.raises(ValueError, match='num_classes=3, but metainfo names 4 classes: set metainfo'):
        DATASETS.build(dataset_cfg(videos, num_classes=3, metainfo=dict(classes=list('abcd'))))
    with pytest.raises(ValueError, match=r"good.txt, line 4: '3.mp4 3' has label 3, but the dataset names 3 classes"):
        DATASETS.build(dataset_cfg(videos, metainfo=dict(classes=list('abc'))))
    with pytest.raises(ValueError, match="classes='kinetics40' is neither"):
        DATASETS.build(dataset_cfg(videos, metainfo=dict(classes='kinetics40')))


def test_classes_of_configs(tmp_path: Path) -> None:
    (tmp_path / 'c.txt').write_text('a\nb\n')
    video = dict(type='mmhvt.VideoDataset', data_root=str(tmp_path), ann_file='x', metainfo=dict(classes='c.txt'))
    concat = dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', times=2, dataset=video), {}])
    assert configured_classes(video) == configured_classes(concat) == ('a', 'b')
    assert configured_classes(dict(type='mmhvt.VideoDataset', ann_file='x')) is None
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        assert configured_classes(dict(type='ImageNet', pipeline=[]))[0].startswith('tench')
