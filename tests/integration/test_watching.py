"""Runs in view: TensorBoard in each package, batches of two processes, and the page about it pasted."""

import copy
import re
import uuid
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, EventAccumulator

from helpers.coco_recipes import OURS_SWIN, micro_coco
from helpers.micro_recipes import micro_images
from helpers.pages import blocks, paste
from helpers.project import Project
from mmhvt.analysis.logs import read_run

pytestmark = pytest.mark.slow

PAGE = 'guides/watching.md'
# the line of the page
(LINE,) = re.findall(r'^visualizer = .*$', dict(blocks(PAGE))['python'], re.M)


def events(work_dir: Path) -> EventAccumulator:
    """What TensorBoard reads of the first run in a folder, the training."""
    file = min(work_dir.rglob('events.out.tfevents.*'))
    found = EventAccumulator(str(file), size_guidance={SCALARS: 0, IMAGES: 0})
    found.Reload()
    return found


def watch(config: Config, tmp_path: Path) -> EventAccumulator:
    """Trains an epoch with the line of the page, and pictures of batches."""
    config.dump(tmp_path / 'base.py')
    (tmp_path / 'own.py').write_text(f"_base_ = 'base.py'\n{LINE}\n")
    config = Config.fromfile(tmp_path / 'own.py')
    config.merge_from_dict(dict(experiment_name=uuid.uuid4().hex, work_dir=str(tmp_path / 'work')))
    config.default_hooks.batch = dict(type='mmhvt.BatchVisualizationHook')
    config.default_hooks.logger.update(interval=1)
    Runner.from_cfg(config).train()
    return events(tmp_path / 'work')


def check(found: EventAccumulator, work_dir: Path, metric: str) -> None:
    """Curves are those of scalars.json, and the picture of the batch is there."""
    run = read_run(work_dir, 'run')
    for name in ('loss', 'lr'):
        points = {event.step: event.value for event in found.Scalars(name)}
        assert points == pytest.approx(run.train[name], rel=1e-5) and points
    (event,) = found.Scalars(metric)
    assert event.step == 1 and event.value == pytest.approx(next(iter(run.val[metric].values())), rel=1e-5)
    (image,) = found.Images('train_batch')
    shown = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    (file,) = work_dir.glob('*/vis_data/vis_image/train_batch_1.png')
    np.testing.assert_array_equal(shown, cv2.imread(str(file)))
    assert shown.std() > 10


def test_mmaction(config: Config, tmp_path: Path) -> None:
    config.train_cfg.val_interval = 1
    check(watch(config, tmp_path), tmp_path / 'work', 'acc/top1')


def test_mmpretrain(recipe_images: Path, tmp_path: Path) -> None:
    config = micro_images('mvitv2/mvitv2-tiny_64xb32-300e_in1k', recipe_images, tmp_path / 'work')
    config.train_cfg.update(max_epochs=1, val_interval=1)
    check(watch(config, tmp_path), tmp_path / 'work', 'accuracy/top1')


def test_mmdet(shapes: Path, tmp_path: Path, mmdet_scope: None) -> None:
    check(watch(micro_coco(OURS_SWIN, shapes, tmp_path / 'work'), tmp_path), tmp_path / 'work', 'coco/bbox_mAP')


def test_in_place_of_the_local_backend(config: Config, tmp_path: Path) -> None:
    """The option that the page names for command lines."""
    config = copy.deepcopy(config)
    config.merge_from_dict({'visualizer.vis_backends.0.type': 'TensorboardVisBackend'})
    with DefaultScope.overwrite_default_scope('mmaction'):
        Runner.from_cfg(config).train()
    assert events(Path(config.work_dir)).Scalars('loss')
    assert not list(Path(config.work_dir).rglob('scalars.json'))


def test_two_processes(project: Project) -> None:
    """The first one saves its share of the batch; losses are those without the hook."""
    path = project.config('two', batch_size=4)
    script = project.root / 'tools/dist_train.sh'
    options = [
        '--cfg-options',
        'default_hooks.batch.type=mmhvt.BatchVisualizationHook',
        'default_hooks.batch.interval=2',
    ]
    project.run('bash', script, path, '2', '--work-dir', 'shown', *options)
    project.run('bash', script, path, '2', '--work-dir', 'plain')
    assert project.losses('shown') == project.losses('plain')
    found = sorted(file.name for file in (project.folder / 'shown').rglob('*.png'))
    assert found == ['train_batch_1.png', 'train_batch_2.png', 'train_batch_4.png']


def test_page(tmp_path: Path) -> None:
    written = paste(PAGE, tmp_path)
    run = read_run(tmp_path / 'work_dirs/watched', 'watched')
    assert run.epoch_length == 6 and sorted(run.val['acc/top1']) == [6, 12, 18, 24, 30]
    assert events(tmp_path / 'work_dirs/watched').Images('train_batch')
    for name in ('curves.png', 'both.png'):
        assert cv2.imread(str(tmp_path / name)).std() > 10
    (tested,) = (re.search(r'acc/top1: (\d\.\d+)', text)[1] for block, text in written.items() if 'test.py' in block)
    page = (tmp_path / 'mistakes/index.html').read_text()
    assert f'<td class="number">{tested}</td>' in page
    sources = re.findall(r'<img src="([^"]+)"', page)
    wrong = round(24 * (1 - float(tested)))
    assert len(sources) == min(wrong, 12) and all((tmp_path / 'mistakes' / source).is_file() for source in sources)
