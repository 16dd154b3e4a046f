"""Generated images with COCO's annotations: files, what they say, determinism; and that a detector reads and trains."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, DefaultScope
from mmengine.structures import InstanceData
from pycocotools import mask as rle
from pycocotools.coco import COCO
from torchvision.ops import roi_align

from helpers import ROOT
from helpers.detection import detection_sample
from mmhvt.registry import MODELS
from mmhvt.synthetic import shapes_coco
from mmhvt.synthetic.shapes_coco import FORMS, MOST_OBJECTS, draw_image, run_lengths, write_dataset

CONFIG = next((ROOT / 'configs/coco').glob('mask-rcnn_smvit-micro_*_shapes-coco.py'))
SMALL = dict(images=8, val_images=4, size=96)


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset on disk."""
    out = tmp_path_factory.mktemp('coco') / 'data' / 'shapes_coco'
    assert write_dataset(out, processes=2, **SMALL)
    return out


@pytest.fixture(scope='module')
def drawn() -> list[tuple[np.ndarray, list[dict]]]:
    """Images and annotations as they are drawn."""
    return [draw_image(160, np.random.default_rng([7, i])) for i in range(100)]


@pytest.fixture
def config(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The demo's config, where it finds its data."""
    monkeypatch.chdir(dataset.parents[1])
    return Config.fromfile(CONFIG)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def decode(segmentation: list | dict, shape: tuple[int, int]) -> np.ndarray:
    """As COCO's own code."""
    encoded = rle.frPyObjects(segmentation, *shape)
    return rle.decode(rle.merge(encoded) if isinstance(encoded, list) else encoded).astype(bool)


def test_files_and_annotations(dataset: Path) -> None:
    for split, count in [('train', 8), ('val', 4)]:
        coco = COCO(dataset / f'annotations/instances_{split}.json')
        assert [c['name'] for c in coco.dataset['categories']] == list(FORMS)
        assert len(coco.imgs) == count and len(coco.anns) == len(coco.dataset['annotations']) > count
        for image in coco.imgs.values():
            pixels = cv2.imread(str(dataset / split / image['file_name']))
            assert pixels.shape == (image['height'], image['width'], 3)
            assert min(pixels.shape[:2]) >= 72 and max(pixels.shape[:2]) <= 96


def test_what_is_drawn(drawn: list) -> None:
    """Sizes, numbers and kinds that the issue asks for."""
    numbers = [sum(not a['iscrowd'] for a in annotations) for _, annotations in drawn]
    assert min(numbers) == 0 and 15 < max(numbers) <= MOST_OBJECTS
    everything = [a for _, annotations in drawn for a in annotations]
    areas = [a['area'] for a in everything if not a['iscrowd']]
    assert min(areas) < 14**2 and max(areas) > 70**2
    assert {a['category_id'] for a in everything} == set(range(1, len(FORMS) + 1))
    polygons = [isinstance(a['segmentation'], list) for a in everything if not a['iscrowd']]
    assert 0.2 < np.mean(polygons) < 0.8
    crowds = [a for a in everything if a['iscrowd']]
    assert crowds and all(isinstance(a['segmentation']['counts'], list) for a in crowds)
    assert len({pixels.shape for pixels, _ in drawn}) > 80


def test_annotations_are_what_is_seen(drawn: list) -> None:
    """Boxes are tight, areas are counted, no pixel belongs to two instances, and polygons are where the shape is."""
    for pixels, annotations in drawn:
        taken = np.zeros(pixels.shape[:2], int)
        for annotation in annotations:
            mask = decode(annotation['segmentation'], pixels.shape[:2])
            x, y, width, height = annotation['bbox']
            assert width >= 1 and height >= 1
            assert mask[y : y + height, x : x + width].sum() >= 0.95 * mask.sum()
            # COCO's code rounds polygons to pixels in its own way
            slack = 0 if isinstance(annotation['segmentation'], dict) else 1
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert np.abs(box - [x, y, x + width, y + height]).max() <= slack
            assert abs(mask.sum() - annotation['area']) <= slack * (width + height)
            if not slack:
                taken += mask
            assert pixels[mask].max(1).mean() > 100  # a bright shape, whose outline is darker
        assert taken.max() <= 1
        free = np.ones(pixels.shape[:2], np.uint8)
        for annotation in annotations:
            free[decode(annotation['segmentation'], pixels.shape[:2])] = 0
        free = cv2.erode(free, np.ones((5, 5), np.uint8)).astype(bool)
        assert not free.any() or pixels[free].max() <= 70  # nothing but ground is left


@pytest.mark.parametrize('mask', [np.eye(3, 4) > 0, np.ones((2, 3)) > 0, np.zeros((2, 3)) > 0])
def test_run_lengths_are_coco_s(mask: np.ndarray) -> None:
    encoded = run_lengths(mask)
    assert json.loads(json.dumps(encoded)) == encoded
    assert np.array_equal(decode(encoded, mask.shape), mask)


def test_deterministic_from_the_seed(dataset: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / 'again', processes=1, **SMALL)
    assert contents(tmp_path / 'again') == contents(dataset)
    write_dataset(tmp_path / 'other', processes=1, seed=1, **SMALL)
    ours, other = contents(dataset), contents(tmp_path / 'other')
    assert all(ours[name] != other[name] for name in ours)


def test_train_and_val_share_no_image(dataset: Path) -> None:
    images = [data for name, data in contents(dataset).items() if name.endswith('.png')]
    assert len(set(images)) == len(images) == 12


def test_second_call_does_nothing(dataset: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in dataset.rglob('*')}
    assert not write_dataset(dataset, **SMALL)
    assert before == {p: p.stat().st_mtime_ns for p in dataset.rglob('*')}


def test_other_arguments_and_foreign_folders(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match='made with seed=0'):
        write_dataset(dataset, seed=1, **SMALL)
    (tmp_path / 'mine.txt').write_text('x')
    with pytest.raises(FileExistsError, match='no dataset of shapes'):
        write_dataset(tmp_path, **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']
    for wrong in (dict(size=63), dict(images=0), dict(val_images=0), dict(seed=-1), dict(processes=0)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            write_dataset(tmp_path / 'new', **{**SMALL, **wrong})
    assert not (tmp_path / 'new').exists()


def test_lost_images_are_noticed(tmp_path: Path) -> None:
    write_dataset(tmp_path / 'd', **SMALL)
    next((tmp_path / 'd' / 'val').iterdir()).unlink()
    with pytest.raises(FileExistsError, match='3 of 4 images'):
        write_dataset(tmp_path / 'd', **SMALL)


def test_interrupted_call_leaves_nothing_that_trains(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(write: Callable, tasks: list, *args: object, **kwargs: object) -> None:
        write(tasks[0])
        raise KeyboardInterrupt

    out = tmp_path / 'd'
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shapes_coco, 'draw_in_parallel', interrupted)
        write_dataset(out, **SMALL)
    assert sum(1 for _ in out.rglob('*.png')) == 8
    assert not list((out / 'annotations').iterdir()) and not (out / 'manifest.json').exists()
    with pytest.raises(FileExistsError, match='made with seed=0'):
        write_dataset(out, seed=1, **SMALL)
    assert write_dataset(out, processes=1, **SMALL)
    assert contents(out) == contents(dataset)


def test_threads_of_opencv_do_not_stop_it(tmp_path: Path) -> None:
    """Processes that are forked beside them must not wait for them."""
    script = (
        'import sys, cv2, numpy as np\n'
        'from mmhvt.synthetic.shapes_coco import write_dataset\n'
        'cv2.setNumThreads(2)\n'
        'cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (5, 5), 1)\n'
        'write_dataset(sys.argv[1], images=4, val_images=2, size=64)\n'
        'assert cv2.getNumThreads() == 2\n'
    )
    subprocess.run([sys.executable, '-c', script, tmp_path / 'd'], check=True, capture_output=True, timeout=60)
    assert (tmp_path / 'd/manifest.json').is_file()


def test_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, 'imwrite', lambda *args: False)
    with pytest.raises(OSError, match=r'000000\.png cannot be written'):
        write_dataset(tmp_path / 'd', processes=1, **SMALL)
    assert not list((tmp_path / 'd/annotations').iterdir())


def test_command_line_reports_errors(tmp_path: Path) -> None:
    (tmp_path / 'mine.txt').write_text('x')
    command = [sys.executable, ROOT / 'tools/data/shapes_coco.py', tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith('shapes_coco.py: ')


def test_truth_scores_one(config: Config, dataset: Path) -> None:
    """Through mmdet's dataset and metric: the annotations as predictions are perfect, crowds aside."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        spec = config.val_dataloader.dataset
        spec.pipeline.insert(1, dict(type='LoadAnnotations', with_bbox=True, with_mask=True))
        data = DATASETS.build(spec)
        evaluator = Evaluator([config.val_evaluator])
        evaluator.dataset_meta = data.metainfo
        for i in range(len(data)):
            sample = data[i]['data_samples']
            truth = sample.gt_instances
            assert len(truth.masks) == len(truth.bboxes)
            sample.pred_instances = InstanceData(
                bboxes=truth.bboxes.tensor,
                labels=truth.labels,
                scores=torch.ones(len(truth)),
                masks=torch.from_numpy(truth.masks.masks).bool(),
            )
            evaluator.process([sample])
        metrics = evaluator.evaluate(len(data))
    assert metrics['coco/bbox_mAP'] == 1.0 and metrics['coco/segm_mAP_50'] == 1.0


def test_paper_s_heads(config: Config) -> None:
    """Appendix A.2: 2 hidden convolutions in the RPN, 4 in the heads of regions, LayerNorm over channels."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
    assert len(model.rpn_head.rpn_conv) == 2
    heads = model.roi_head
    for convs in (heads.bbox_head.shared_convs, heads.mask_head.convs):
        assert len(convs) == 4
        assert all(type(conv.norm).__name__ == 'LayerNorm2d' for conv in convs)
    assert all(type(conv.norm).__name__ == 'LayerNorm2d' for conv in [*model.neck.lateral_convs, *model.neck.fpn_convs])


@pytest.mark.parametrize('size', [(160, 160), (128, 96), (32, 32), (64, 416), (4, 36)])
def test_strides_at_any_size(size: tuple[int, int], config: Config) -> None:
    """Those that mask units of 32 pixels do not divide, and those that are smaller, included."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model).eval()
    with torch.no_grad():
        maps = model.backbone(torch.rand(2, 3, *size))
    for channels, stride, stage in zip((48, 96, 192, 384), (4, 8, 16, 32), maps, strict=True):
        assert stage.shape == (2, channels, *(-(-n // stride) for n in size))
        assert stage.isfinite().all()


@pytest.mark.parametrize(
    'samples',
    [
        [detection_sample((64, 64), []), detection_sample((64, 64), [])],
        [detection_sample((64, 64), [[5.0, 5.0, 40.0, 30.0]], crowd=True)],
        [detection_sample((20, 24), [[2.0, 3.0, 15.0, 14.0]])],
        [detection_sample((1, 40), [[2.0, 0.0, 15.0, 1.0]])],
        [detection_sample((40, 100), [[2.0, 3.0, 15.0, 14.0]]), detection_sample((96, 30), [[2.0, 3.0, 25.0, 84.0]])],
    ],
    ids=['no annotations', 'all crowd', 'smaller than a mask unit', 'one pixel high', 'padded unequally'],
)
def test_trains_and_predicts_on_odd_input(samples: list[DetDataSample], config: Config) -> None:
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
        model.init_weights()
    inputs = [torch.randint(256, (3, *sample.img_shape), dtype=torch.uint8) for sample in samples]
    optimizer = OptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-4))
    losses = model.train_step(dict(inputs=inputs, data_samples=copy.deepcopy(samples)), optimizer)
    assert losses['loss'].isfinite() and losses['loss'] > 0
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    # nothing but ground has a class, no box and no mask
    found = any(len(sample.gt_instances) for sample in samples)
    assert (losses['loss_bbox'] > 0) == (losses['loss_mask'] > 0) == found

    model.eval()
    with torch.no_grad():
        results = model.test_step(dict(inputs=inputs, data_samples=copy.deepcopy(samples)))
    for result, sample in zip(results, samples, strict=True):
        assert result.pred_instances.bboxes.isfinite().all()
        assert result.pred_instances.masks.shape[1:] == sample.img_shape


def test_regions_are_cut_from_where_they_are(config: Config) -> None:
    """Mmcv's RoIAlign reads memory as if maps were contiguous: norms over channels must not hand it a permuted view."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model).eval()
    rois = torch.tensor([[0.0, 8.0, 12.0, 60.0, 50.0]])
    with torch.no_grad():
        maps = model.extract_feat(torch.rand(1, 3, 64, 96))
        regions = model.roi_head.bbox_roi_extractor(maps, rois)
    expected = roi_align(maps[0], rois, (7, 7), 1 / 4, -1, True)
    torch.testing.assert_close(regions, expected)


def test_unequal_padding(config: Config) -> None:
    """A batch padded unequally finds in each image what the image alone gives, where padding is the same."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model).eval()
        model.init_weights()
    image = torch.randint(256, (3, 64, 96), dtype=torch.uint8)
    small = torch.randint(256, (3, 40, 50), dtype=torch.uint8)
    with torch.no_grad():
        batch = model.test_step(
            dict(inputs=[image, small], data_samples=[detection_sample((64, 96), []), detection_sample((40, 50), [])])
        )
        alone = model.test_step(dict(inputs=[image], data_samples=[detection_sample((64, 96), [])]))
    torch.testing.assert_close(batch[0].pred_instances.bboxes, alone[0].pred_instances.bboxes, rtol=1e-3, atol=1e-2)
    boxes = batch[1].pred_instances.bboxes
    assert (boxes[:, 2] <= 50).all() and (boxes[:, 3] <= 40).all()
