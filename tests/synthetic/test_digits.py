"""Handwritten digits as a folder of images."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image
from sklearn.datasets import load_digits

from helpers import ROOT
from mmhvt.synthetic.digits import write_dataset

TOOL = ROOT / 'tools/data/digits.py'
CONFIG = ROOT / 'configs/smvit/smvit-micro_1xb32-15e_digits.py'


@pytest.fixture(scope='module')
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp('digits') / 'data/digits'
    assert write_dataset(out)
    return out


def test_pictures_are_those_of_scikit_learn(digits: Path) -> None:
    source = load_digits()
    paths = {int(path.stem): path for path in digits.rglob('*.png')}
    assert sorted(paths) == list(range(1797)) and len(list((digits / 'val').rglob('*.png'))) == 599
    for index, (image, label) in enumerate(zip(source.images, source.target, strict=True)):
        path = paths[index]
        assert path.relative_to(digits).parts[:2] == ('train' if index % 3 else 'val', str(label))
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (8, 8) and np.abs(pixels * (16 / 255) - image).max() < 0.04


def test_each_digit_is_in_both_parts(digits: Path) -> None:
    for part, least in (('train', 110), ('val', 50)):
        assert min(len(list((digits / part / str(digit)).iterdir())) for digit in range(10)) >= least


def test_dataset_of_the_config_reads_them(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(digits.parents[1])
    config = Config.fromfile(CONFIG)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        train, val = (DATASETS.build(config[f'{mode}_dataloader'].dataset) for mode in ('train', 'val'))
    assert (len(train), len(val)) == (1198, 599) and ''.join(val.CLASSES) == '0123456789'
    for dataset in (train, val):
        sample = dataset[0]
        assert sample['inputs'].shape == (3, 32, 32)
        assert sample['data_samples'].gt_label.item() == int(Path(sample['data_samples'].img_path).parent.name)


def test_statistics_are_those_of_the_images(digits: Path) -> None:
    pixels = np.stack([np.asarray(Image.open(path)) for path in (digits / 'train').rglob('*.png')])
    preprocessor = Config.fromfile(CONFIG).data_preprocessor
    assert preprocessor.mean[0] == pytest.approx(pixels.mean(), abs=1)
    assert preprocessor.std[0] == pytest.approx(pixels.std(), abs=1)


def test_tool_finishes_what_was_interrupted_and_refuses_other_folders(tmp_path: Path) -> None:
    def call(folder: Path) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, TOOL, folder], capture_output=True, text=True)

    out = tmp_path / 'digits'
    assert call(out).stdout.strip() == f'{out}: written'
    assert call(out).stdout.strip() == f'{out}: there already, nothing to do'
    (out / 'manifest.json').rename(out / 'manifest.unfinished.json')
    lost = next((out / 'val').rglob('*.png'))
    lost.unlink()
    assert call(out).stdout.strip() == f'{out}: written' and lost.is_file()
    lost.unlink()
    result = call(out)
    assert result.returncode == 1 and f'{lost.parent} has ' in result.stderr
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/thesis.tex').touch()
    assert call(tmp_path / 'other').returncode == 1 and not (tmp_path / 'other/train').exists()
