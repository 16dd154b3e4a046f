"""COCO's dataset without images, and the resizing of very thin images."""

import gzip
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset as MMDET_CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, Resize
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.registry import TRANSFORMS, init_default_scope
from pycocotools import mask as mask_utils

from mmhvt.datasets import CocoDataset, DetResize
from mmhvt.evaluation import CocoMetric


@pytest.fixture
def ann_file(tmp_path: Path) -> str:
    content = dict(
        images=[dict(id=1, file_name='a.png', height=40, width=50)],
        annotations=[dict(id=1, image_id=1, category_id=1, bbox=[5, 5, 10, 10], area=100, iscrowd=0)],
        categories=[dict(id=1, name='circle')],
    )
    (tmp_path / 'instances.json').write_text(json.dumps(content))
    return str(tmp_path / 'instances.json')


def dataset(ann_file: str, name: str = 'circle', **filter_cfg) -> CocoDataset:
    metainfo = dict(classes=(name,))
    return CocoDataset(ann_file=ann_file, metainfo=metainfo, filter_cfg=filter_cfg, data_prefix=dict(img=''))


def test_images_that_pass_the_filter(ann_file: str) -> None:
    assert len(dataset(ann_file, filter_empty_gt=True, min_size=32)) == 1


def test_a_filter_that_leaves_no_image(ann_file: str) -> None:
    message = r"instances\.json: filter_cfg=\{'filter_empty_gt': True\} leaves no image .* classes \('square',\)"
    with pytest.raises(ValueError, match=message):
        dataset(ann_file, name='square', filter_empty_gt=True)
    with pytest.raises(ValueError, match="'min_size': 41"):
        dataset(ann_file, min_size=41)


# ---- classes, and files that are wrong


@pytest.fixture
def content() -> dict:
    """Two images with an object of the second and the fourth of four categories, whose numbers are in no order."""
    box = dict(bbox=[5, 5, 10, 10], area=100, iscrowd=0, segmentation=[[5, 5, 15, 5, 15, 15]])
    return dict(
        images=[dict(id=n, file_name=f'{n}.png', height=40, width=50) for n in (1, 2)],
        annotations=[dict(box, id=1, image_id=1, category_id=9), dict(box, id=2, image_id=2, category_id=7)],
        categories=[dict(id=n, name=name) for n, name in ((4, 'cat'), (9, 'dog'), (2, 'cow'), (7, 'hen'))],
    )


def read(content: object, folder: Path, **kwargs) -> CocoDataset:
    path = folder / 'own.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return CocoDataset(ann_file=str(path), data_prefix=dict(img=''), **kwargs)


def labels(found: CocoDataset) -> list[int]:
    return [instance['bbox_label'] for image in found for instance in image['instances']]


@pytest.mark.parametrize('metainfo', [None, dict(), dict(note='mine')])
def test_classes_of_the_file(metainfo: dict | None, content: dict, tmp_path: Path) -> None:
    found = read(content, tmp_path, metainfo=metainfo)
    assert found.metainfo['classes'] == ('cat', 'dog', 'cow', 'hen') and 'palette' not in found.metainfo
    assert found.metainfo.get('note') == (metainfo or {}).get('note') and labels(found) == [1, 3]
    lazy = read(content, tmp_path, metainfo=metainfo, lazy_init=True)
    assert 'classes' not in lazy.metainfo
    lazy.full_init()
    assert lazy.metainfo == found.metainfo


def test_classes_of_coco_have_its_colors(content: dict, tmp_path: Path) -> None:
    theirs = MMDET_CocoDataset.METAINFO
    content['categories'] = [dict(id=n, name=name) for n, name in enumerate(theirs['classes'], 1)]
    assert read(content, tmp_path).metainfo == theirs
    content['categories'].reverse()
    assert read(content, tmp_path).metainfo == dict(classes=theirs['classes'][::-1])


def test_some_classes(content: dict, tmp_path: Path) -> None:
    for classes, wanted in (
        (('dog', 'hen'), [0, 1]),
        (['cat', 'dog'], [1]),
        (('cat', 'dog', 'cow', 'hen', 'x'), [1, 3]),
    ):
        found = read(content, tmp_path, metainfo=dict(classes=classes))
        assert labels(found) == wanted and found.metainfo['classes'] == classes
    # mmdet gives labels in the order of the file, and these names
    path = str(tmp_path / 'own.json')
    for classes in (('hen', 'dog'), ('x', 'dog', 'hen'), ('dog', 'x', 'hen')):
        assert labels(MMDET_CocoDataset(path, dict(classes=classes), data_prefix=dict(img=''))) == [0, 1]
        message = r"own\.json has the classes \['dog', 'hen'\], and metainfo .*: labels would have wrong names"
        with pytest.raises(ValueError, match=message) as error:
            read(content, tmp_path, metainfo=dict(classes=classes))
        assert ("('x' not in the file)" in str(error.value)) == ('x' in classes)
    with pytest.raises(ValueError, match=r"metainfo has classes='dog', which must be a tuple of names: \('dog',\)"):
        read(content, tmp_path, metainfo=dict(classes=('dog')))


def without(key: str, kind: str) -> dict:
    return {kind: lambda entries: [{k: v for k, v in entry.items() if k != key} for entry in entries]}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (without('area', 'annotations'), "annotation 1 has no area. In COCO's format, each annotation has area, bbox"),
        (without('bbox', 'annotations'), 'annotation 1 has no bbox'),
        (without('iscrowd', 'annotations'), 'annotation 1 has no iscrowd'),
        (without('width', 'images'), 'image 1 has no width'),
        (without('file_name', 'images'), 'image 1 has no file_name'),
        (without('id', 'annotations'), 'annotation at position 1 in the file has no id. In'),
        (without('image_id', 'annotations'), 'annotation 1 has no image_id. In'),
        (without('name', 'categories'), 'category 4 has no name. In'),
        (dict(categories=lambda _: [dict(id=1, name='a'), dict(id=2, name='a')]), "has two categories named 'a'"),
        (
            dict(annotations=lambda own: [dict(each, bbox=[0.1, 0.1, 0.2, 0.2]) for each in own]),
            'none of the 2 annotations has a valid box. .* in pixels',
        ),
        (dict(annotations=lambda own: [dict(each, bbox=[5, 5, 0, 9]) for each in own]), 'at least 1 wide and high'),
    ],
)
def test_what_is_wrong_with_a_file(changes: dict, message: str, content: dict, tmp_path: Path) -> None:
    for kind, change in changes.items():
        content[kind] = change(content[kind])
    with pytest.raises(ValueError, match=rf'own\.json.*{message}') as error:
        read(content, tmp_path, test_mode=True)
    assert '\n' not in str(error.value)


def test_crowds_need_not_be_marked_to_train(content: dict, tmp_path: Path) -> None:
    content['annotations'] = without('iscrowd', 'annotations')['annotations'](content['annotations'])
    assert labels(read(content, tmp_path)) == [1, 3]


def test_files_that_are_no_annotations(tmp_path: Path) -> None:
    for text in ('', '[]', '{"images": [', 'a,b\n'):
        with pytest.raises(ValueError, match=r"own\.json is not an annotation file in COCO's format"):
            read(text, tmp_path)
    with pytest.raises(FileNotFoundError, match='annotation file nowhere/a.json does not exist: set ann_file'):
        CocoDataset(ann_file='a.json', data_root='nowhere')


@pytest.mark.parametrize(('key', 'entries'), [('category_id', 'categories'), ('image_id', 'images')])
def test_annotations_of_no_category_or_image(key: str, entries: str, content: dict, tmp_path: Path) -> None:
    content['annotations'][0][key] = 3
    with pytest.raises(ValueError, match=f'annotation 1 has {key}=3, which is not the id of one of the . {entries} '):
        read(content, tmp_path)
    for annotation in content['annotations']:
        annotation[key] = str(annotation[key])
    with pytest.raises(ValueError, match=f'annotation 1 has {key}="3", which is not the id of one of the . {entries} '):
        read(content, tmp_path)


MASKS = [dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
# 2000 pixels of an image of 50 × 40, and of one of 5 × 4
RLE = dict(size=[40, 50], counts=[0, 2000])
SHORT = mask_utils.encode(np.ones((4, 5), np.uint8, order='F'))['counts'].decode()
# changes of the second annotation, and what is said of it
BROKEN_ANNOTATIONS = {
    'bbox of 3': (dict(bbox=[1, 2, 3]), r'bbox=\[1, 2, 3\]: it must be four finite numbers, x, y, width, height in'),
    'bbox NaN': (dict(bbox=[1, 2, 3, math.nan]), r'bbox=\[1, 2, 3, NaN\]: it must be four finite'),
    'bbox inf': (dict(bbox=[1, 2, 3, math.inf]), 'four finite numbers'),
    'bbox of text': (dict(bbox=['1', '2', '3', '4']), 'four finite numbers'),
    'bbox of hundreds of digits': (dict(bbox=[1, 2, 3, 10**400]), 'four finite numbers'),
    'bbox null': (dict(bbox=None), 'bbox=null: it must be four'),
    'bbox as dict': (dict(bbox=dict(x=1, y=2, w=3, h=4)), 'four finite numbers'),
    'negative width': (
        dict(bbox=[10, 5, -5, 10]),
        r'bbox=\[10, 5, -5, 10\] in an image of 50 × 40: .* not be negative',
    ),
    'bbox far outside': (dict(bbox=[1, 1, 1e6, 5]), 'far outside of the image'),
    'area of text': (dict(area='100'), 'area="100": it must be a finite number'),
    'area NaN': (dict(area=math.nan), 'area=NaN: it must be a finite number'),
    'negative area': (dict(area=-3), 'area=-3: it must not be negative'),
    'iscrowd 2': (dict(iscrowd=2), 'iscrowd=2: it must be 0 or 1'),
    'iscrowd as text': (dict(iscrowd='0'), 'iscrowd="0": it must be 0 or 1'),
    'id of the first': (dict(id=1), 'occurs twice: each annotation needs an id of its own'),
    'id as list': (dict(id=[1]), r'has id=\[1\]: it must be an integer or a string'),
    'image as list': (dict(image_id=[1]), r'has image_id=\[1\]: it must be an integer'),
    'unknown image': (dict(image_id=77), 'image_id=77, which is not the id of one of the 2 images'),
    'unknown category': (dict(category_id=77), 'category_id=77, which is not the id of one of the 4 categories'),
    'no segmentation': (dict(segmentation=[]), r'in 2\.png has no segmentation'),
    'odd polygon': (dict(segmentation=[[5, 5, 15, 5, 15]]), 'a polygon has 5 coordinates, but needs x and y of each'),
    'empty polygon': (dict(segmentation=[[]]), 'a polygon has 0 coordinates'),
    'polygon of two points': (dict(segmentation=[[5, 5, 15, 5]]), 'it has no polygon of three points or more'),
    'polygon with NaN': (dict(segmentation=[[5, 5, 15, 5, 15, math.nan]]), 'must be a list of polygons .* finite'),
    'polygon of text': (dict(segmentation=[['a'] * 6]), 'must be a list of polygons'),
    'polygon without brackets': (dict(segmentation=[5, 5, 15, 5, 15, 15]), 'must be a list of polygons'),
    'polygon far outside': (dict(segmentation=[[5, 5, 15, 5, 1e9, 15]]), 'a point is far outside of the image'),
    'mask as path': (dict(segmentation='mask.png'), 'must be a list of polygons'),
    'RLE of another size': (dict(segmentation=dict(RLE, size=[50, 40])), r'its size must be .* \[40, 50\]'),
    'RLE without size': (dict(segmentation=dict(counts=[0, 2000])), 'its size must be'),
    'RLE too short': (dict(segmentation=dict(RLE, counts=[0, 20])), 'its counts are 20 pixels, but the image has 2000'),
    'RLE too short, compressed': (dict(segmentation=dict(RLE, counts=SHORT)), 'its counts are 20 pixels, but'),
    'RLE of other letters': (dict(segmentation=dict(RLE, counts='hello~')), 'its counts are not RLE'),
    'RLE of nothing': (dict(segmentation=dict(RLE, counts='')), 'its counts are not RLE'),
    'negative RLE': (dict(segmentation=dict(RLE, counts=[-1, 2001])), 'its counts are not RLE'),
    'RLE of text': (dict(segmentation=dict(RLE, counts=['a'])), 'its counts are not RLE'),
}
# changes of the second image
BROKEN_IMAGES = {
    'width 0': (dict(width=0), 'has width 0 and height 40: they must be pixels, integers from 1'),
    'half a pixel': (dict(height=40.5), 'height 40.5'),
    'width as text': (dict(width='50'), 'width="50": it must be a finite number'),
    'no name': (dict(file_name=''), 'has file_name="": it must be the path of a file'),
    'name as number': (dict(file_name=7), 'has file_name=7'),
    'NUL in the name': (dict(file_name='a\0.png'), 'must be the path of a file'),
    'id of the first': (dict(id=1), 'occurs twice'),
    'id of another type': (dict(id='2'), 'has another type than 1: ids must be all integers, or all strings'),
}
BROKEN_FILES = {
    'list': ([], r'it has a list \(\[\]\), but needs a dict with images, annotations and categories'),
    'no images': (dict(annotations=[], categories=[]), 'it has no images, but needs a list of images'),
    'images as dict': (dict(images=dict(), annotations=[], categories=[]), r'it has images=\{\}, but needs a list'),
    'empty': ('', 'it is not JSON'),
    'cut': ('{"images": [', 'it is not JSON'),
    'nested': ('[' * 200_000, 'it is not JSON'),
    'number of 5000 digits': ('1' * 5000, 'it is not JSON'),
    'compressed': (gzip.compress(b'{}'), 'it is compressed. Unpack it with gunzip'),
    'LATIN1': ('{"a": "\xfc"}'.encode('latin1'), 'it is not UTF-8 at byte 7'),
    'binary': (bytes(range(256)), 'it is not JSON'),
}


def metric(content: object, folder: Path, **kwargs) -> CocoMetric:
    path = folder / 'own.json'
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return CocoMetric(ann_file=str(path), **{'metric': ['bbox', 'segm'], **kwargs})


def refused(content: dict, message: str, folder: Path) -> None:
    """By the dataset in training and in tests, and by the metric."""
    init_default_scope('mmdet')
    for build in (
        lambda: read(content, folder, pipeline=MASKS),
        lambda: read(content, folder, pipeline=MASKS, test_mode=True),
        lambda: metric(content, folder),
    ):
        with pytest.raises(ValueError, match=rf'own\.json.*{message}') as error:
            build()
        assert '\n' not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize('name', BROKEN_ANNOTATIONS)
def test_broken_annotations(name: str, content: dict, tmp_path: Path) -> None:
    changes, message = BROKEN_ANNOTATIONS[name]
    content['annotations'][1].update(changes)
    known = changes.get('id', 2)
    place = known if isinstance(known, int) else 'at position 2 in the file'
    refused(content, f'annotation {place} .*{message}', tmp_path)


@pytest.mark.parametrize('name', BROKEN_IMAGES)
def test_broken_images(name: str, content: dict, tmp_path: Path) -> None:
    changes, message = BROKEN_IMAGES[name]
    content['images'][1].update(changes)
    refused(content, f'image {json.dumps(changes.get("id", 2))} .*{message}', tmp_path)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((50, 40, 3), np.uint8), r'image .*1\.png has 40 × 50 pixels, but 50 × 40 in the annotation file'),
        (b'', r'cannot read image .*1\.png'),
        (b'no image', r'cannot read image .*1\.png: .*failed to load image'),
    ],
)
def test_images_that_are_not_those_of_the_file(
    image: np.ndarray | bytes, message: str, content: dict, tmp_path: Path
) -> None:
    data = image if isinstance(image, bytes) else cv2.imencode('.png', image)[1].tobytes()
    (tmp_path / '1.png').write_bytes(data)
    (tmp_path / 'own.json').write_text(json.dumps(content))
    init_default_scope('mmdet')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]
    found = CocoDataset('own.json', data_root=str(tmp_path), data_prefix=dict(img=''), pipeline=pipeline)
    with pytest.raises(ValueError, match=message):
        found[0]


@pytest.mark.parametrize('name', BROKEN_FILES)
def test_broken_files(name: str, tmp_path: Path) -> None:
    content, message = BROKEN_FILES[name]
    data = (
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    for build in (metric, lambda data, folder: CocoDataset(str(folder / 'own.json'), data_prefix=dict(img=''))):
        (tmp_path / 'own.json').write_bytes(data)
        with pytest.raises(ValueError, match=rf"own\.json is not an annotation file in COCO's format: .*{message}"):
            build(data, tmp_path)
    with pytest.raises(ValueError, match='is a folder, not a file'):
        CocoMetric(ann_file=str(tmp_path))
    with pytest.raises(FileNotFoundError, match='annotation file nowhere.json does not exist: set ann_file'):
        CocoMetric(ann_file='nowhere.json')


@pytest.mark.parametrize('entry', [None, 7, 'text', []])
@pytest.mark.parametrize('kind', ['annotation', 'image', 'category'])
def test_entries_that_are_no_dicts(kind: str, entry: object, content: dict, tmp_path: Path) -> None:
    entries = content[dict(category='categories').get(kind, f'{kind}s')]
    entries.insert(1, entry)
    refused(content, f'{kind} at position 2 in the file is .* it must be a dict with', tmp_path)


def test_broken_categories(content: dict, tmp_path: Path) -> None:
    for changes, message in (
        (dict(id=4), 'category 4 occurs twice'),
        (dict(name='cat'), "has two categories named 'cat'"),
        (dict(name=None), 'category 9 has name=None: it must be a string'),
    ):
        categories = [dict(category) for category in content['categories']]
        categories[1].update(changes)
        refused(dict(content, categories=categories), message, tmp_path)
    refused(dict(content, categories=[]), 'its list of categories is empty', tmp_path)


def test_corners_in_the_place_of_sizes(content: dict, tmp_path: Path) -> None:
    """Boxes as x1, y1, x2, y2 trained without a word."""
    for annotation, box in zip(content['annotations'], ([5, 5, 15, 15], [30, 20, 45, 35]), strict=True):
        annotation['bbox'] = box
    message = r'1 of 2 boxes end outside .* annotation 2, .* seem to be x1, y1, x2, y2, .* \[x1, y1, x2 - x1, y2 - y1\]'
    refused(content, message, tmp_path)
    # the upper left corner is at the lower right one
    for annotation in content['annotations']:
        annotation['bbox'] = [45, 35, 15, 15]
    refused(content, '2 of 2 boxes end outside of their images, .* x, y its upper left corner', tmp_path)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-32'])
def test_what_is_legal(encoding: str, content: dict, tmp_path: Path) -> None:
    """As in COCO's files: an image without objects, crowds as RLE, tiny boxes and areas, parts of two points; ids that
    are texts or 0; boxes that are a little too large.
    """
    init_default_scope('mmdet')
    first, second = content['annotations']
    rle = mask_utils.encode(np.ones((40, 50), np.uint8, order='F'))['counts'].decode()
    content['images'].append(dict(id=3, file_name='3.png', height=40, width=50))
    content['annotations'] += [
        dict(first, id='a', iscrowd=1, segmentation=RLE),
        dict(first, id=0, segmentation=dict(RLE, counts=rle)),
        dict(second, id=7, bbox=[5, 5, 0.5, 10], area=0.2),
        dict(second, id=8, bbox=[5, 5, 0, 10], area=0),
        dict(second, id=9, segmentation=[[5, 5, 15, 5], *second['segmentation']]),
        dict(second, id=10, bbox=[-1, -1, 51.5, 41.5], iscrowd=False, extra=None),
    ]
    if encoding == 'utf-16':
        for entries, key in ((content['images'], 'id'), (content['annotations'], 'image_id')):
            for entry in entries:
                entry[key] = f'image {entry[key]}'
    (tmp_path / 'own.json').write_bytes(json.dumps(content).encode(encoding))
    for test_mode in (False, True):
        found = CocoDataset(str(tmp_path / 'own.json'), data_prefix=dict(img=''), pipeline=MASKS, test_mode=test_mode)
        images = [found.get_data_info(index) for index in range(3)]
        assert [len(image['instances']) for image in images] == [3, 3, 0]
        load = LoadAnnotations(with_bbox=True, with_mask=True)
        masks = [load(dict(each, ori_shape=(40, 50)))['gt_masks'].masks for each in images]
        assert [each.shape for each in masks] == [(3, 40, 50), (3, 40, 50), (0, 40, 50)]
        assert masks[0][1].all() and masks[0][2].all()
    evaluated = CocoMetric(ann_file=str(tmp_path / 'own.json'), metric=['bbox', 'segm'])
    evaluated.dataset_meta = found.metainfo
    whole = mask_utils.encode(np.ones((40, 50), np.uint8, order='F'))
    for image in content['images']:
        found = dict(bboxes=np.array([[5.0, 5, 15, 15]]), scores=np.array([0.9]), labels=np.array([1]), masks=[whole])
        pred = {key: torch.from_numpy(value) if key != 'masks' else value for key, value in found.items()}
        evaluated.process({}, [dict(pred_instances=pred, img_id=image['id'], ori_shape=(40, 50))])
    scores = evaluated.evaluate(3)
    assert 0 < scores['coco/bbox_mAP'] <= 1 and scores['coco/segm_mAP'] > 0


def test_sets_without_annotations(content: dict, tmp_path: Path) -> None:
    """As COCO's test-dev."""
    del content['annotations']
    assert len(read(content, tmp_path, test_mode=True)) == 2
    assert metric(content, tmp_path, format_only=True, outfile_prefix=str(tmp_path))
    with pytest.raises(ValueError, match=r'own\.json has no annotations to train on'):
        read(content, tmp_path)
    with pytest.raises(ValueError, match=r'own\.json has no annotations to evaluate'):
        metric(content, tmp_path)


@pytest.mark.parametrize('missing', [None, []])
def test_masks_that_are_not_there(missing: list | None, content: dict, tmp_path: Path) -> None:
    boxes = dict(type='LoadAnnotations', with_bbox=True)
    masks = dict(boxes, with_mask=True)
    init_default_scope('mmdet')
    assert len(read(content, tmp_path, pipeline=[masks], lazy_init=True)) == 2
    content['annotations'][1]['segmentation'] = missing
    assert len(read(content, tmp_path, pipeline=[boxes])) == 2
    with pytest.raises(
        ValueError, match=r'annotation 2 in 2\.png has no segmentation, but the pipeline or the metric needs masks'
    ):
        read(content, tmp_path, pipeline=[masks])


# ---- sizes


def sample(height: int, width: int, masks: type) -> dict:
    """An image whose only object fills it."""
    corners = np.array([0.0, 0, width, 0, width, height, 0, height])
    content = np.ones((1, height, width), np.uint8) if masks is BitmapMasks else [[corners]]
    return dict(
        img=np.random.RandomState(0).randint(0, 256, (height, width, 3), dtype=np.uint8),
        img_shape=(height, width),
        gt_bboxes=HorizontalBoxes(torch.tensor([[0.0, 0.0, width, height]])),
        gt_masks=masks(content, height, width),
    )


@pytest.mark.parametrize('masks', [BitmapMasks, PolygonMasks])
@pytest.mark.parametrize('size', [dict(scale=(30, 20)), dict(scale_factor=0.1)], ids=str)
def test_a_thin_image_keeps_a_pixel(size: dict, masks: type) -> None:
    with pytest.raises(cv2.error, match='inv_scale'):
        Resize(keep_ratio=True, **size).transform(sample(1, 300, masks))
    found = DetResize(keep_ratio=True, **size).transform(sample(1, 300, masks))
    assert found['img'].shape == (1, 30, 3) and found['img_shape'] == (1, 30)
    assert found['scale_factor'] == (0.1, 1.0)
    assert found['gt_bboxes'].tensor.tolist() == [[0, 0, 30, 1]]
    assert (found['gt_masks'].height, found['gt_masks'].width) == (1, 30)


@pytest.mark.parametrize('size', [dict(scale=(30, 20)), dict(scale_factor=0.1)], ids=str)
def test_other_images_are_resized_as_by_mmdet(size: dict) -> None:
    ours, theirs = (
        kind(keep_ratio=True, **size).transform(sample(90, 120, BitmapMasks)) for kind in (DetResize, Resize)
    )
    assert np.array_equal(ours['img'], theirs['img']) and ours['scale_factor'] == theirs['scale_factor']
    assert np.array_equal(ours['gt_masks'].masks, theirs['gt_masks'].masks)


def test_random_resizing_takes_it() -> None:
    init_default_scope('mmdet')
    for name, size in (
        ('RandomResize', dict(scale=(300, 300), ratio_range=(0.1, 0.1))),
        ('RandomChoiceResize', dict(scales=[(30, 20)])),
    ):
        resize = TRANSFORMS.build(dict(type=name, resize_type='mmhvt.DetResize', keep_ratio=True, **size))
        assert resize(sample(1, 300, BitmapMasks))['img'].shape == (1, 30, 3)
