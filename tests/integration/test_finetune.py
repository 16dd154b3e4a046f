"""Fine-tuning bases on videos and images of one's own, as a config of a few lines uses them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from helpers import ROOT
from helpers.recipes import narrow
from helpers.training import log_of, write_video

BASES = sorted(path.stem for path in (ROOT / 'configs/_base_/finetune').glob('*.py'))
CLASSES = ('jump', 'run', 'walk')


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """own_videos and own_images: train with 4 files a class, val with 2."""
    root = tmp_path_factory.mktemp('data')
    generator = np.random.RandomState(0)
    for split, files in (('train', 4), ('val', 2)):
        for label, name in enumerate(CLASSES):
            for kind in ('own_videos', 'own_images'):
                (root / kind / split / name).mkdir(parents=True)
            for i in range(files):
                write_video(root / 'own_videos' / split / name / f'{i}.mp4', label)
                picture = generator.randint(256, size=(48, 64, 3), dtype=np.uint8)
                cv2.imwrite(str(root / 'own_images' / split / name / f'{i}.png'), picture)
    return root


def own_config(base: str, folders: Path, tmp_path: Path, lines: str = '') -> Config:
    """What a user writes, at reduced width."""
    head = 'head' if 'image' in base else 'cls_head'
    text = f"_base_ = '{ROOT}/configs/_base_/finetune/{base}.py'\nmodel = dict({head}=dict(num_classes=3))\n"
    if 'image' in base:
        text += ''.join(
            f"{mode}_dataloader = dict(dataset=dict(data_root='{folders}/own_images'))\n"
            for mode in ('train', 'val', 'test')
        )
    else:
        text += ''.join(
            f"{mode}_dataloader = dict(dataset=dict(data_prefix=dict(video='{folders}/own_videos/{split}')))\n"
            for mode, split in (('train', 'train'), ('val', 'val'), ('test', 'val'))
        )
    (tmp_path / 'own.py').write_text(text + lines)
    config = Config.fromfile(tmp_path / 'own.py')
    epochs, batch_size = config.train_cfg.max_epochs, config.train_dataloader.batch_size
    narrow(config)
    config.train_cfg.max_epochs = epochs
    config.train_dataloader.batch_size = batch_size
    config.train_dataloader.pop('num_batch_per_epoch')
    config.update(work_dir=str(tmp_path / 'work'), experiment_name=f'{tmp_path.name}-{base}', randomness=dict(seed=0))
    return config


def test_every_family_has_a_base() -> None:
    assert set(BASES) >= {'mvit_base', 'mvitv2_small', 'smvit_base', 'video_swin_tiny', 'uniformerv2_base'}


@pytest.mark.parametrize('base', BASES)
def test_a_base_trains_on_own_data(base: str, folders: Path, tmp_path: Path) -> None:
    """Schedule, learning rate and names follow from max_epochs, batch_size and the folders."""
    lines = 'train_cfg = dict(max_epochs=2)\n'
    config = own_config(base, folders, tmp_path, lines)
    config.train_dataloader.batch_size = 4
    runner = Runner.from_cfg(config)
    runner.train()
    (scheduler,) = runner.param_schedulers
    assert scheduler.end == 2 * 3  # 12 samples in batches of 4
    rates = [group['initial_lr'] for group in runner.optim_wrapper.optimizer.param_groups]
    assert max(rates) == pytest.approx(1e-4 * 4 / 64)
    assert min(rates) < max(rates)  # layer-wise decay
    assert max(group['lr'] for group in runner.optim_wrapper.optimizer.param_groups) < 1e-4 * 4 / 64 / 100
    assert not [line for line in log_of(config).splitlines() if 'WARNING' in line and 'Set ' in line]
    saved = torch.load(next(Path(config.work_dir).glob('best_*.pth')), weights_only=False)
    assert tuple(saved['meta']['dataset_meta']['classes']) == CLASSES
    assert runner.test()


def test_another_number_of_folders_is_an_error(folders: Path, tmp_path: Path) -> None:
    config = own_config('smvit_base', folders, tmp_path, 'train_cfg = dict(max_epochs=1)\n')
    config.model.cls_head.num_classes = 4
    with pytest.raises(ValueError, match=r'num_classes=4.*3'):
        Runner.from_cfg(config).train()
