import gc
import importlib.util
import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

# before any test imports decord: behind decord's libraries cv2 reads no PNG
import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from helpers import ROOT
from helpers.training import dataset_cfg, write_video


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope='session', autouse=True)
def one_thread() -> None:
    """Micro models spend more time on waiting for threads than on anything else."""
    torch.set_num_threads(1)


@pytest.fixture(scope='session', autouse=True)
def unformatted_configs() -> Iterator[None]:
    """Runners print and save their config, which yapf takes half a second to lay out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **kwargs: (text, True))
        yield


def pytest_collection_finish() -> None:
    """Takes what is imported, and thousands of tests, out of what the garbage collector looks through.

    MMEngine collects garbage for each dataset that it builds, which took a second.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope='session')
def load_tool() -> Callable[[str], ModuleType]:
    """Imports a script of tools/ by its path, such as 'golden.py'."""

    def load(path: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / 'tools' / path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(autouse=True)
def quick_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking every compiler for its version takes the runner longer than these trainings."""
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)


@pytest.fixture(scope='session', autouse=True)
def own_names() -> Iterator[None]:
    """Runners of one name within a second would share a log file, in the folder of the first, and a default scope."""
    numbers, setup_env = itertools.count(), Runner.setup_env

    def setup(runner: Runner, env_cfg: dict) -> None:
        setup_env(runner, env_cfg)
        runner._timestamp += f'_{next(numbers)}'

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Runner, 'setup_env', setup)
        yield


@pytest.fixture(scope='session')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten good videos 0.mp4 to 9.mp4, cut.mp4 without its end, all.txt with these, missing.mp4, and labels 0 to 3."""
    root = tmp_path_factory.mktemp('videos')
    for i in range(10):
        write_video(root / f'{i}.mp4', i)
    content = (root / '0.mp4').read_bytes()
    (root / 'cut.mp4').write_bytes(content[: len(content) // 2])
    names = [f'{i}.mp4' for i in range(10)]
    (root / 'good.txt').write_text(''.join(f'{name} {i % 4}\n' for i, name in enumerate(names)))
    (root / 'all.txt').write_text(
        ''.join(f'{name} {i % 4}\n' for i, name in enumerate([*names, 'missing.mp4', 'cut.mp4']))
    )
    (root / 'broken.txt').write_text('missing.mp4 0\ncut.mp4 1\n')
    return root


@pytest.fixture
def config(root: Path, videos: Path, tmp_path: Path) -> Config:
    """A training of one epoch on the good videos with a model of 30 000 parameters, its validation and its test."""
    cfg = Config.fromfile(root / 'configs/_base_/default_runtime.py')

    def loader(test_mode: bool) -> dict:
        return dict(
            batch_size=4,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=not test_mode),
            dataset=dataset_cfg(videos, test_mode=test_mode),
        )

    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path / 'work'),
            experiment_name=uuid.uuid4().hex,
            randomness=dict(seed=0),
            model=dict(
                type='Recognizer3D',
                data_preprocessor=dict(
                    type='ActionDataPreprocessor', mean=[128.0] * 3, std=[64.0] * 3, format_shape='NCTHW'
                ),
                backbone=dict(
                    type='mmhvt.SMViT',
                    arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
                    input_size=(4, 32, 32),
                    out_type='avg_featmap',
                ),
                cls_head=dict(type='mmhvt.RecognitionHead', num_classes=4, in_channels=64, average_clips='prob'),
            ),
            train_dataloader=loader(False),
            val_dataloader=loader(True),
            test_dataloader=loader(True),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1, val_interval=100),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            val_evaluator=dict(type='AccMetric'),
            test_evaluator=dict(type='AccMetric'),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        )
    )
    return cfg


@pytest.fixture(scope='module')
def recipe_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three MP4 files of 200 frames of 80x64, of frames of them on disk, and annotation files."""
    folder = tmp_path_factory.mktemp('videos')
    generator = np.random.RandomState(0)
    for index in range(3):
        writer = cv2.VideoWriter(str(folder / f'{index}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, (80, 64))
        assert writer.isOpened()
        frame = cv2.resize(generator.randint(0, 256, (4, 5, 3), dtype=np.uint8), (80, 64))
        (folder / str(index)).mkdir()
        for shift in range(200):
            writer.write(np.roll(frame, shift, axis=1))
            if shift < 40:
                assert cv2.imwrite(str(folder / f'{index}/{shift + 1:05}.jpg'), np.roll(frame, shift, axis=1))
        writer.release()
    (folder / 'frames.txt').write_text(''.join(f'{index} 40 {index * 60}\n' for index in range(3)))
    (folder / 'list.txt').write_text(''.join(f'{index}.mp4 {index * 60}\n' for index in range(3)))
    (folder / 'segments.txt').write_text('0.mp4 0 4.5 0\n1.mp4 2 7.5 60\n2.mp4 1 9 120\n')
    (folder / 'charades.csv').write_text(
        'id,script,actions\n'
        '0,"A person, who sits.",c000 0.00 8.00\n'
        '1,,c060 0.00 8.00;c001 0.00 8.00\n'
        '2,,c060 0.00 8.00;c120 0.00 8.00;c156 0.00 8.00\n'
    )
    return folder


@pytest.fixture
def mmaction_scope() -> Iterator[None]:
    """The default scope of mmaction2; a runner leaves its own one, and this takes it away again."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture(scope='module')
def recipe_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two classes of four JPEG files of 300x260."""
    folder = tmp_path_factory.mktemp('images')
    generator = np.random.RandomState(0)
    for index in range(8):
        path = folder / f'class_{index % 2}' / f'{index}.jpg'
        path.parent.mkdir(exist_ok=True)
        picture = cv2.resize(generator.randint(0, 256, (4, 5, 3), dtype=np.uint8), (300, 260))
        assert cv2.imwrite(str(path), picture)
    return folder


@pytest.fixture(scope='module')
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images to train on and two to test."""
    from mmhvt.synthetic.shapes_coco import write_dataset

    out = tmp_path_factory.mktemp('shapes') / 'coco'
    write_dataset(out, images=2, val_images=2, size=96, processes=1)
    return out


@pytest.fixture
def mmdet_scope() -> Iterator[None]:
    """The default scope of MMDetection, see :func:`mmaction_scope`."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield
