"""Annotation files with random damage: an error that names the file, or a dataset and a metric that work."""

import copy
import json
import math
import pickle
import random
from collections.abc import Callable
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmaction.evaluation.functional import ava_utils
from mmdet.datasets.transforms import LoadAnnotations
from mmengine.registry import init_default_scope
from pycocotools import mask as mask_utils

from mmhvt.datasets import AVADataset, CocoDataset
from mmhvt.evaluation import AVAMetric, CocoMetric

# in the place of a value of JSON or a pickle
VALUES = [
    None, True, False, -1, 0, 1, 3, 77, 0.5, -0.0, 1e9, -1e9, 1e308, math.nan, math.inf, -math.inf, 10**400, '', 'x',
    '1', '٣', '\0', 'a' * 10_000, [], [[]], [None], {}, [1, 2, 3], [1, 2, 3, 4, 5], [[1, 2], [3]],
    dict(size=[40, 50], counts='hello'),
]  # fmt: skip
# in the place of a field of a line
TOKENS = [
    '', ' ', 'x', '-1', '0', '99', '0.5', '1e400', 'nan', 'inf', '-inf', '1_0', '٣', '"', '\0', ';', '\t', ',', ',,',
    'film,902',
]  # fmt: skip


def places(content: Any, path: tuple = ()) -> list[tuple]:
    """Paths to everything in a file's content."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [found for key, value in entries for found in [(*path, key), *places(value, (*path, key))]]


def damaged(content: Any, rng: random.Random) -> Any:
    """A copy with one value replaced, removed, doubled or exchanged."""
    content = copy.deepcopy(content)
    *path, key = rng.choice(places(content))
    parent = content
    for step in path:
        parent = parent[step]
    match rng.randrange(4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
        case 2:
            *path, other = rng.choice(places(content))
            parent[key] = copy.deepcopy(rng.choice(VALUES))
        case _:
            parent[key] = copy.deepcopy(rng.choice(VALUES))
    return content


def damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    """A file that is cut, or has other bytes in it."""
    at = rng.randrange(len(data))
    return data[:at] if rng.random() < 0.4 else data[:at] + rng.randbytes(rng.randrange(1, 4)) + data[at + 1 :]


def damaged_lines(text: str, rng: random.Random) -> str:
    """Lines of which a field is replaced, removed or added."""
    lines = [line.split(',') for line in text.splitlines()]
    fields = rng.choice(lines)
    at = rng.randrange(len(fields))
    match rng.randrange(5):
        case 0:
            del fields[at]
        case 1:
            fields.insert(at, rng.choice(TOKENS))
        case 2:
            lines.insert(rng.randrange(len(lines) + 1), [rng.choice(TOKENS)])
        case _:
            fields[at] = rng.choice(TOKENS)
    return '\n'.join(map(','.join, lines))


def count_held(damages: list[tuple[str, bytes]], folder: Path, use: Callable[[], None], record: Callable) -> None:
    """Uses each damaged file in the place of the good one; records how many are refused by name, or can be used."""
    failures = []
    for name, data in damages:
        path = folder / name
        good = path.read_bytes()
        path.write_bytes(data)
        try:
            use()
        except (ValueError, FileNotFoundError) as error:
            if name not in str(error) or '\n' in str(error) or len(str(error)) > 1000:
                failures.append((repr(error)[:300], name, data[:1000]))
        except Exception as error:
            failures.append((repr(error)[:300], name, data[:1000]))
        path.write_bytes(good)
    record('section', 'F annotations')
    record('tried', len(damages))
    record('held', len(damages) - len(failures))
    assert not failures, '\n'.join(map(str, failures[:5]))


@pytest.mark.faults
def test_damaged_files_of_coco(tmp_path: Path, record_property: Callable) -> None:
    rng = random.Random(0)
    box = dict(bbox=[5, 5, 10, 10], area=100, iscrowd=0, segmentation=[[5, 5, 15, 5, 15, 15]])
    whole = mask_utils.encode(np.ones((40, 50), np.uint8, order='F'))
    rle = dict(size=[40, 50], counts=whole['counts'].decode())
    content = dict(
        images=[dict(id=n, file_name=f'{n}.png', height=40, width=50) for n in (1, 2)],
        annotations=[
            dict(box, id=1, image_id=1, category_id=9),
            dict(box, id=2, image_id=2, category_id=7, segmentation=rle),
            dict(box, id=3, image_id=2, category_id=7, iscrowd=1, segmentation=dict(rle, counts=[0, 2000])),
        ],
        categories=[dict(id=n, name=name) for n, name in ((9, 'dog'), (7, 'hen'))],
    )
    data = json.dumps(content).encode()
    (tmp_path / 'own.json').write_bytes(data)
    damages = [json.dumps(damaged(content, rng)).encode() for _ in range(500)]
    damages += [damaged_bytes(data, rng) for _ in range(200)]
    init_default_scope('mmdet')
    load = LoadAnnotations(with_bbox=True, with_mask=True)

    def use() -> None:
        path = str(tmp_path / 'own.json')
        trained = CocoDataset(path, data_prefix=dict(img=''), pipeline=[load])
        for index in range(len(trained)):
            image = trained.get_data_info(index)
            load(dict(image, ori_shape=(image['height'], image['width'])))
        metric = CocoMetric(path, metric=['bbox', 'segm'])
        metric.dataset_meta = trained.metainfo
        for image in trained.load_data_list():
            found = dict(bboxes=torch.tensor([[5.0, 5, 15, 15]]), scores=torch.ones(1), labels=torch.zeros(1).long())
            mask = mask_utils.encode(np.ones((image['height'], image['width']), np.uint8, order='F'))
            sample = dict(pred_instances=dict(found, masks=[mask]), img_id=image['img_id'])
            metric.process({}, [dict(sample, ori_shape=(image['height'], image['width']))])
        metric.evaluate(len(trained))

    count_held([('own.json', one) for one in damages], tmp_path, use, record_property)


@pytest.mark.faults
@pytest.mark.filterwarnings('ignore:Mean of empty slice')
def test_damaged_files_of_ava(tmp_path: Path, record_property: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ava_utils.multiprocessing, 'Pool', lambda _: ThreadPool(1))  # in place of 32 processes
    rng = random.Random(0)
    files = {
        'actions.csv': (
            'film,0902,0.1,0.2,0.5,0.6,1,0\nfilm,0903,0.1,0.2,0.5,0.6,3,0\nfilm,0904,,,,,,\nb,1,0,0,1,1,2,1\n'
        ),
        'excluded.csv': 'film,0903\nfilm,0905\n',
        'actions.pbtxt': ''.join(f'item {{\n  name: "action {n}"\n  id: {n}\n}}\n' for n in range(1, 9)),
        'proposals.csv': 'film,0902,0.1,0.2,0.5,0.6,0.9\nb,1,0,0,1,1,0.8\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    boxes = {'film,0902': [[0.1, 0.2, 0.5, 0.6, 0.95]], 'b,0001': [[0.0, 0.0, 0.5, 1.0, 0.3]], 'film,0903': []}
    (tmp_path / 'proposals.pkl').write_bytes(pickle.dumps(boxes))
    (tmp_path / 'proposals.json').write_text(json.dumps(boxes))
    damages = [(name, damaged_lines(text, rng).encode()) for name, text in files.items() for _ in range(250)]
    damages += [(name, damaged_bytes(text.encode(), rng)) for name, text in files.items() for _ in range(100)]
    for name, write in (('proposals.pkl', pickle.dumps), ('proposals.json', lambda found: json.dumps(found).encode())):
        damages += [(name, write(damaged(boxes, rng))) for _ in range(250)]
        damages += [(name, damaged_bytes(write(boxes), rng)) for _ in range(100)]

    def use() -> None:
        names = {name: str(tmp_path / name) for name in ('actions.csv', 'excluded.csv', 'actions.pbtxt')}
        own = dict(zip(('ann_file', 'exclude_file', 'label_file'), names.values(), strict=True))
        for proposals in ('proposals.pkl', 'proposals.json', 'proposals.csv'):
            path = str(tmp_path / proposals)
            found = AVADataset(**own, pipeline=[], proposal_file=path, num_classes=9, serialize_data=False)
            samples = [found.get_data_info(index) for index in range(len(found))]
            assert all(np.isfinite(sample['proposals']).all() for sample in samples)
        metric = AVAMetric(**own, num_classes=9)
        results = [np.array([[0.1, 0.2, 0.5, 0.6, 0.9]]) for _ in range(8)]
        keys = [sample['img_key'].rpartition(',') for sample in samples]
        scores = [dict(video_id=video, timestamp=int(time), outputs=results) for video, _, time in keys]
        metric.compute_metrics(scores)

    count_held(damages, tmp_path, use, record_property)
