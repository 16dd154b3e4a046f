"""Scripts of mmaction2, mmpretrain and mmdet that take a config run on configs of ours (docs/guides/mm_tools.md)."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers import ROOT

pytestmark = pytest.mark.slow

VIDEOS = f'{ROOT}/configs/smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
SHAPES = f'{ROOT}/configs/coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
IMAGES = f'{ROOT}/configs/_base_/finetune/mvitv2_tiny_image.py'
# the hook's last checkpoint without optimizer, with its hash in its name
PUBLISHING = "default_hooks = dict(checkpoint=dict(published_keys=['meta', 'state_dict']))\n"


def run(*args: object, cwd: Path, status: int = 0) -> str:
    environment = dict(os.environ, OMP_NUM_THREADS='1', MPLBACKEND='Agg', PYTHONPATH='')
    done = subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == status, f'{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout + done.stderr


def tool(package: str, script: str) -> Path:
    return Path(import_module(package).__file__).parent / f'.mim/tools/{script}.py'


def prepare(folder: Path, config: str) -> Path:
    """A training of an epoch, and the scores of its test, in a folder; returns it."""
    (folder / 'own.py').write_text(config)
    run(ROOT / 'tools/train.py', 'own.py', '--work-dir', 'work', cwd=folder)
    test = ('own.py', 'work/epoch_1.pth', '--dump', 'scores.pkl', '--work-dir', 'tested')
    run(ROOT / 'tools/test.py', *test, cwd=folder)
    (folder / 'log.json').write_text(next((folder / 'work').glob('*/vis_data/scalars.json')).read_text())
    return folder


@pytest.fixture(scope='module')
def mmaction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('mmaction')
    data = folder / 'data/moving_shapes'
    clips = ('--clips-per-class', 2, '--val-clips-per-class', 1, '--processes', 1)
    run(ROOT / 'tools/data/moving_shapes.py', data, *clips, cwd=folder)
    loaders = ''.join(
        f'{mode}_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)\n'
        for mode in ('train', 'val', 'test')
    )
    return prepare(folder, f"_base_ = '{VIDEOS}'\n{loaders}train_cfg = dict(max_epochs=1)\n{PUBLISHING}")


@pytest.fixture(scope='module')
def mmpretrain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('mmpretrain')
    generator = np.random.RandomState(0)
    for split, number in (('train', 6), ('val', 4)):
        for name in ('dark', 'light'):
            (folder / 'data/own_images' / split / name).mkdir(parents=True)
            for i in range(number):
                picture = generator.randint(128, size=(48, 64, 3)) + 127 * (name == 'light')
                cv2.imwrite(str(folder / f'data/own_images/{split}/{name}/{i}.png'), picture.astype(np.uint8))
    loaders = ''.join(
        f'{mode}_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False)\n'
        for mode in ('train', 'val', 'test')
    )
    return prepare(
        folder,
        f"_base_ = '{IMAGES}'\n{loaders}train_cfg = dict(max_epochs=1)\n"
        'arch = dict(_delete_=True, version=2, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))\n'
        'model = dict(backbone=dict(arch=arch, init_cfg=None), head=dict(num_classes=2, in_channels=128))\n',
    )


@pytest.fixture(scope='module')
def mmdet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    folder = tmp_path_factory.mktemp('mmdet')
    data = folder / 'data/shapes_coco'
    run(ROOT / 'tools/data/shapes_coco.py', data, '--images', 8, '--val-images', 4, '--processes', 1, cwd=folder)
    loaders = ''.join(
        f'{mode}_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)\n'
        for mode in ('train', 'val', 'test')
    )
    return prepare(folder, f"_base_ = '{SHAPES}'\n{loaders}train_cfg = dict(max_epochs=1)\n")


# without the model there is no layer-wise decay
PLAIN = '--cfg-options optim_wrapper.constructor=DefaultOptimWrapperConstructor'
# the name that the script asks for
MMACTION_TYPE = '--cfg-options test_dataloader.dataset.type=VideoDataset'
TOOLS = [
    ('mmaction', 'analysis_tools/check_videos', f'own.py --split test {MMACTION_TYPE}', ''),
    ('mmaction', 'analysis_tools/confusion_matrix', 'own.py scores.pkl --show-path matrix.png', 'matrix.png'),
    ('mmaction', 'analysis_tools/confusion_matrix', 'own.py work/epoch_1.pth --out matrix.pkl', 'matrix.pkl'),
    ('mmaction', 'analysis_tools/eval_metric', 'own.py scores.pkl', ''),
    ('mmaction', 'analysis_tools/get_flops', 'own.py --shape 1 3 8 32 32', ''),
    ('mmaction', 'analysis_tools/print_config', 'own.py', ''),
    ('mmaction', 'analysis_tools/report_accuracy', '--preds scores.pkl --coefficients 1', ''),
    ('mmaction', 'visualizations/browse_dataset', 'own.py browsed --phase val --show-number 2', 'browsed'),
    ('mmaction', 'visualizations/vis_scheduler', 'own.py --not-show --save-path rates.png -d 64', 'rates.png'),
    ('mmpretrain', 'analysis_tools/analyze_logs', 'plot_curve log.json --keys loss --out curve.png', 'curve.png'),
    ('mmpretrain', 'analysis_tools/analyze_results', 'own.py scores.pkl --out-dir analyzed', 'analyzed'),
    ('mmpretrain', 'analysis_tools/confusion_matrix', 'own.py scores.pkl --show-path matrix.png', 'matrix.png'),
    ('mmpretrain', 'analysis_tools/eval_metric', 'scores.pkl --metric type=Accuracy topk=1', ''),
    ('mmpretrain', 'analysis_tools/get_flops', 'own.py --shape 224 224', ''),
    ('mmpretrain', 'misc/print_config', 'own.py', ''),
    ('mmpretrain', 'misc/verify_dataset', 'own.py --num-process 1 --out-path broken.log', ''),
    ('mmpretrain', 'visualization/browse_dataset', 'own.py --not-show --output-dir browsed -n 2', 'browsed'),
    ('mmpretrain', 'visualization/vis_scheduler', f'own.py --not-show -s rates.png -d 64 {PLAIN}', 'rates.png'),
    ('mmpretrain', 'kfold-cross-valid', 'own.py --num-splits 2 --fold 0 --work-dir folds', 'folds'),
    ('mmdet', 'analysis_tools/analyze_logs', 'plot_curve log.json --style ggplot --out curve.png', 'curve.png'),
    ('mmdet', 'analysis_tools/analyze_results', 'own.py scores.pkl analyzed --topk 1', 'analyzed'),
    ('mmdet', 'analysis_tools/browse_dataset', 'own.py --not-show --output-dir browsed', 'browsed'),
    ('mmdet', 'analysis_tools/confusion_matrix', 'own.py scores.pkl matrix', 'matrix/confusion_matrix.png'),
    ('mmdet', 'analysis_tools/eval_metric', 'own.py scores.pkl', ''),
    ('mmdet', 'analysis_tools/get_flops', 'own.py --num-images 1', ''),
    ('mmdet', 'misc/print_config', 'own.py --save-path ./printed.py', 'printed.py'),
]  # fmt: skip


# one of each package, which reads config, checkpoint or scores; the others are thorough
FIRST = {
    'mmaction analysis_tools/confusion_matrix own.py work/epoch_1.pth --out matrix.pkl',
    'mmpretrain analysis_tools/analyze_results own.py scores.pkl --out-dir analyzed',
    'mmdet analysis_tools/browse_dataset own.py --not-show --output-dir browsed',
}


@pytest.mark.parametrize(
    ('package', 'script', 'args', 'written'),
    [pytest.param(*tool, marks=[] if ' '.join(tool[:3]) in FIRST else pytest.mark.thorough) for tool in TOOLS],
    ids=lambda value: value.replace('/', ' '),
)
def test_tool(package: str, script: str, args: str, written: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(package)
    run(tool(package, script), *args.split(), cwd=folder)
    assert not written or any(True for _ in folder.glob(written)), sorted(path.name for path in folder.iterdir())


def test_mmengine_publishes(mmaction: Path) -> None:
    """As publish_model.py of the packages, which PyTorch keeps from reading a runner's checkpoint."""
    (published,) = (mmaction / 'work').glob('epoch_1-????????.pth')
    assert published.stat().st_size < (mmaction / 'work/epoch_1.pth').stat().st_size
    assert 'acc/top1' in run(ROOT / 'tools/test.py', 'own.py', published, '--work-dir', 'tested', cwd=mmaction)


# what docs/guides/mm_tools.md says cannot run, and why
BROKEN = [
    ('mmaction', 'analysis_tools/analyze_logs', 'plot_curve log.json --keys loss --out curve.png', 'IndexError'),
    ('mmaction', 'analysis_tools/bench_processing', 'own.py', "cannot import name 'Config' from 'mmcv'"),
    ('mmaction', 'deployment/publish_model', 'work/epoch_1.pth published.pth', 'Weights only load failed'),
    ('mmpretrain', 'model_converters/publish_model', 'work/epoch_1.pth published.pth', 'Weights only load failed'),
    ('mmdet', 'model_converters/publish_model', 'work/epoch_1.pth published.pth', 'Weights only load failed'),
]  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize(('package', 'script', 'args', 'error'), BROKEN, ids=lambda value: value.replace('/', ' '))
def test_a_tool_that_does_not_run(
    package: str, script: str, args: str, error: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(package)
    assert error in run(tool(package, script), *args.split(), cwd=folder, status=1)
