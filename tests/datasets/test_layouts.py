"""tools/data/check.py: what the recipes expect of each dataset, and what is missing or broken in it."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import cv2  # before decord
import numpy as np
import pytest
from mmengine import Config
from mmengine.registry import DefaultScope

from helpers import ROOT
from helpers.pages import blocks
from helpers.recipes import Data
from mmhvt.datasets.layouts import _BASES, NAMES, Part, _build, check, describe, parts_of
from mmhvt.registry import DATASETS

IMAGES = dict(imagenet=1000, imagenet21k=1000, inat2017=8, inat2018=8, inat2019=8, places365=365)


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(tmp_path_factory.mktemp('layouts'))


def write(data: Data, name: str) -> Path:
    """Small files of a dataset, where its base expects them; returns the root."""
    config = Config.fromfile(ROOT / f'configs/_base_/datasets/{_BASES[name]}.py')
    config.model = dict(head=dict(num_classes=IMAGES.get(name, 1)))
    if _BASES[name] == 'inat':
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            loader.dataset.data_root = f'data/{name}'
    data.write(config)
    return data.folder / 'data'


def checked(name: str, root: Path, sample: int = 100) -> list[Part]:
    parts = parts_of(name, root)
    for part in parts:
        check(part, sample)
    return parts


def test_every_base_of_the_recipes_has_a_name() -> None:
    used = set()
    for path in (ROOT / 'configs').glob('*/**/*.py'):
        used |= set(re.findall(r'\.\./_base_/datasets/([\w-]+)\.py', path.read_text()))
    # what is generated or comes with a package, and one's own data
    used -= {name for name in used if re.match('own_|moving_|shapes_|digits', name)}
    assert used >= set(_BASES.values())
    # those with other pipelines read the same files
    for other in used - set(_BASES.values()):
        config = Config.fromfile(ROOT / f'configs/_base_/datasets/{other}.py')
        name = re.match('[a-z]+[0-9]*', other)[0]
        (part, *_) = parts_of(name, 'data')
        dataset = config.train_dataloader.dataset
        prefix = dataset.get('data_prefix') or dataset.get('split')
        folder = next(iter(prefix.values())) if isinstance(prefix, dict) else prefix
        assert f'{dataset.get("data_root", "")}/{folder}'.replace('//', '/').strip('/') in part.expected


@pytest.mark.parametrize('name', NAMES)
def test_a_whole_dataset(name: str, data: Data) -> None:
    parts = checked(name, write(data, name))
    modes = 'train' if name == 'imagenet21k' else 'train val test'
    assert sorted(', '.join(part.name for part in parts).replace(',', '').split()) == sorted(
        modes.split() * (3 if name == 'kinetics400-600-700' else 1)
    )
    for part in parts:
        assert part.is_whole and part.total == part.sampled >= 4, describe(part)
        assert all(str(data.folder / 'data') in path for path in part.expected)
        assert ': missing' not in describe(part) and f'{part.total} samples' in describe(part)
        assert part.classes is None or part.classes[0] <= part.classes[1]


def remove(path: Path) -> str:
    path.unlink()
    return 'missing'


def cut(path: Path) -> str:
    content = path.read_bytes()
    path.unlink()  # files of Data share their content
    path.write_bytes(content[: len(content) // 20])
    return 'broken'


FILES = {
    'kinetics400': ('videos_val/some_class/2.mp4', [remove, cut]),
    'charades': ('videos/some_class/2.mp4', [remove, cut]),
    'activitynet': ('../ActivityNet/videos/some_class/2.mp4', [remove, cut]),
    'sthv1': ('rawframes/2/00020.jpg', [remove, cut]),
    'imagenet': ('val/n00001/1.JPEG', [cut]),
    'inat2018': ('n00001/1.JPEG', [remove, cut]),
    'coco': ('val2017/000000000005.jpg', [remove, cut]),
    'ava22': ('../ava/rawframes/0f39OWEqJ24/img_00061.jpg', [cut]),
}


@pytest.mark.parametrize(('name', 'how'), [(name, how) for name, (_, ways) in FILES.items() for how in ways])
def test_what_is_missing_or_broken_is_listed(
    name: str, how: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    root = write(Data(tmp_path), name)
    path = root / name / FILES[name][0]
    if name == 'coco':
        path = sorted(path.parent.iterdir())[0]
    what = how(path.resolve())
    parts = checked(name, root)
    found = [line for part in parts for line in (part.missing if what == 'missing' else part.broken)]
    assert found and all(path.name in line for line in found)
    assert all('\n' not in line for line in found)
    assert not [line for part in parts for line in (part.broken if what == 'missing' else part.missing)]
    monkeypatch.setattr(sys, 'argv', ['check.py', name, str(root), '--sample', '100'])
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(ROOT / 'tools/data/check.py'), run_name='__main__')
    printed = capsys.readouterr()
    assert status.value.code == 1 and f'  {what}: {found[0]}' in printed.out
    assert re.search(rf'{name}: [01] of 2 parts are whole\n$', printed.out)
    assert 'looking for files' in printed.err


def test_what_is_expected_is_named(tmp_path: Path) -> None:
    (part, other) = checked('charades', tmp_path)
    assert part.missing == [f'{tmp_path}/charades/Charades_v1_train.csv', f'{tmp_path}/charades/videos']
    assert other.name == 'val, test' and not part.is_whole and part.total == 0
    assert f'  {tmp_path}/charades/videos: missing' in describe(part).splitlines()
    root = write(Data(tmp_path), 'charades')
    (root / 'charades/Charades_v1_train.csv').write_text('id,actions\n0,c157 1 2\n')
    (root / 'charades/Charades_v1_test.csv').write_text('a.mp4 157\n')
    for part in checked('charades', root):
        assert len(part.broken) == 1 and re.match('.*Charades_v1_t(rain|est).csv', part.broken[0])
    with pytest.raises(
        ValueError, match="there is no dataset 'kinetics' in the recipes; choose from activitynet, ava21"
    ):
        parts_of('kinetics')


def test_a_sample_is_drawn_by_its_seed_and_lists_are_cut(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(data, 'kinetics400')
    read = []
    monkeypatch.setattr('mmhvt.datasets.VideoDataset.prepare_data', lambda self, index: read.append(index))
    for seed in (1, 1, 2, 5):
        (part, _) = parts_of('kinetics400', root)
        check(part, 2, seed)
        assert part.sampled == 2
    assert read[:2] == read[2:4] and len({tuple(read[i : i + 2]) for i in (0, 4, 6)}) > 1
    part = Part('train', {}, ['a'], missing=[f'{n}.mp4' for n in range(12)])
    assert describe(part, most=10).splitlines()[-2:] == ['  missing: 9.mp4', '  missing: 2 more']


@pytest.mark.parametrize('name', NAMES)
def test_a_recipe_without_its_data_says_what_it_looked_for_and_what_checks_it(name: str, tmp_path: Path) -> None:
    part, *_ = parts_of(name, tmp_path / 'data')
    with pytest.raises(FileNotFoundError) as error:
        _build(part.config)
    message = str(error.value)
    assert any(message.split(' does not exist: ')[0].endswith(path) for path in part.expected), message
    found = re.search(r'python tools/data/check.py (\S+) (\S+) checks the layout$', message)
    # lists of the three are those of Kinetics-710
    assert found[1] == name.replace('kinetics400-600-700', 'kinetics710') and found[2] == f'{tmp_path}/data'
    assert '\n' not in message


def test_missing_images_and_lists(tmp_path: Path) -> None:
    (tmp_path / 'data/inat2018/meta').mkdir(parents=True)
    (tmp_path / 'data/inat2018/meta/classes.txt').write_text('a\nb\n')
    part, *_ = parts_of('inat2018', tmp_path / 'data')
    with pytest.raises(FileNotFoundError, match='annotation file .*meta/train.txt does not exist: .*check.py inat2018'):
        _build(part.config)
    (tmp_path / 'data/imagenet/meta').mkdir(parents=True)
    (tmp_path / 'data/imagenet/meta/train.txt').write_text('a.jpg 0\n')
    part, *_ = parts_of('imagenet', tmp_path / 'data')
    with pytest.raises(FileNotFoundError, match='folder .*data/imagenet/train does not exist: .*check.py imagenet'):
        _build(part.config)


def test_the_config_of_docs_reads_frames(tmp_path: Path) -> None:
    ((_, text),) = [block for block in blocks('guides/data.md') if block[0] == 'python']
    (tmp_path / 'frames.py').write_text(text)
    config = Config.fromfile(tmp_path / 'frames.py')
    for folder in ('train', 'val'):
        (tmp_path / 'data/sthv2/rawframes' / folder).mkdir(parents=True)
        for number in range(1, 6):
            cv2.imwrite(str(tmp_path / f'data/sthv2/rawframes/{folder}/img_{number:05}.jpg'), np.full((60, 90, 3), 99))
        (tmp_path / f'data/sthv2/sthv2_{folder}_list_rawframes.txt').write_text(f'{folder} 5 173\n')
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.ann_file.startswith('data/sthv2/')
        loader.dataset.ann_file = str(tmp_path / loader.dataset.ann_file)
        loader.dataset.data_prefix.img = str(tmp_path / loader.dataset.data_prefix.img)
        with DefaultScope.overwrite_default_scope('mmaction'):
            sample = DATASETS.build(loader.dataset)[0]
        assert sample['inputs'].shape[1:] == (3, 16, 224, 224) and sample['data_samples'].gt_label.tolist() == [173]


def braces(text: str) -> set[str]:
    """What a shell makes of a path with braces."""
    if not (found := re.search(r'\{([^{}]*)\}', text)):
        return {text}
    before, after = text[: found.start()], text[found.end() :]
    return set().union(*(braces(before + choice + after) for choice in found[1].split(',')))


@pytest.mark.parametrize('name', NAMES)
def test_docs_lay_it_out(name: str) -> None:
    text = (ROOT / 'docs/guides/data.md').read_text()
    assert f'`{name}`' in text
    paths = set().union(*map(braces, re.findall(r'^data/\S+', text, re.M)))
    for expected in (path for part in parts_of(name) for path in part.expected):
        # Kinetics-600 and -700 are laid out as 400
        alike = re.sub('kinetics[67]00', 'kinetics400', expected)
        assert any(f'{path}/'.startswith(f'{alike}/') for path in paths), alike
