"""All recipes, at reduced width, and small data of their annotation formats at the paths where they expect it."""

import copy
import functools
import itertools
import json
import os
import pickle
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.datasets import CocoDataset
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from helpers import ROOT
from mmhvt.datasets.labels import configured_classes
from mmhvt.models.backbones.mvit import ARCHS as MVIT_ARCHS
from mmhvt.synthetic import moving_actors, shapes_coco

RECIPES = sorted(path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_')
# configs of published weights whose models differ from the papers' recipes
PUBLISHED = [path for path in RECIPES if '3rdparty' in path.stem]
# recipes of models with one classifier: neither masked pre-training nor detection
CLASSIFIERS = [path for path in RECIPES if path.parent.name not in ('mae', 'ava', 'coco') and path not in PUBLISHED]
MODES = ('train', 'val', 'test')
# where data stands and how many classes it has is no part of what a recipe does with it
PLACES = ('ann_file', 'data_root', 'data_prefix', 'label_file', 'exclude_file', 'proposal_file', 'num_classes')
PLACES += ('metainfo',)
# keys of pipelines that hold sides in pixels
SIDES = ('scale', 'scales', 'scale_range', 'size', 'crop_size')


@functools.cache
def _parse(path: Path) -> Config:
    return Config.fromfile(path)


def read(name: str | Path) -> Config:
    """The config of a path, or of a name under configs/ such as 'mvit/mvit-base-...'."""
    return copy.deepcopy(_parse(name if isinstance(name, Path) else ROOT / 'configs' / f'{name}.py'))


def family(path: Path) -> str:
    """'smvit' of mae_smvit-base_….py, mask-rcnn_smvit-base_….py and smvit-base_….py."""
    return re.search(r'(?:^|_)(mvitv2|mvit|smvit|video-swin|swin|uniformerv2|vit)-', path.stem)[1]


# ------------------------------------------------------------------------------------ what a recipe is made of


def outline(value: Any) -> Any:
    """A setting without its numbers: which parts there are, with which options."""
    if isinstance(value, dict):
        return {key: outline(part) for key, part in sorted(value.items()) if key not in PLACES}
    if isinstance(value, list | tuple):
        parts = [outline(part) for part in value]
        return 'numbers' if parts and all(part == 'number' for part in parts) else parts
    return 'number' if isinstance(value, int | float) and not isinstance(value, bool) else value


def combination(config: Config) -> str:
    """Datasets, pipelines, blending, metrics, loops, optimizer and schedule of a recipe, numbers aside."""
    keys = [f'{mode}_{part}' for mode in MODES for part in ('dataloader', 'cfg', 'evaluator')]
    keys += ['tta_model', 'tta_pipeline', 'optim_wrapper', 'param_scheduler', 'data_preprocessor']
    parts = {key: config.get(key) for key in keys}
    model = config.model
    parts['model'] = [model.type, model.backbone.type, model.get('data_preprocessor')]
    parts['model'] += [model.get('train_cfg')] if model.type == 'ImageClassifier' else []  # its batch augmentation
    return json.dumps(outline(parts), default=str)


def combinations() -> dict[str, Path]:
    """One recipe of each combination."""
    found: dict[str, Path] = {}
    for path in RECIPES:
        found.setdefault(combination(_parse(path)), path)
    return found


# ------------------------------------------------------------------------------------------------------- reduced width


def innermost(dataset: dict) -> Iterator[dict]:
    """The configs of datasets that wrappers hold."""
    if 'dataset' in dataset or 'datasets' in dataset:
        for part in dataset.get('datasets') or [dataset.dataset]:
            yield from innermost(part)
    else:
        yield dataset


def smaller(value: Any, factor: float, key: str = '') -> Any:
    """A pipeline for pictures of a fraction of the sides."""
    if isinstance(value, dict):
        return {name: smaller(part, factor, name) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(smaller(part, factor, key) for part in value)
    is_side = key in SIDES and isinstance(value, int) and not isinstance(value, bool) and value > 1
    return round(value / factor) if is_side else value


def narrow(config: Config) -> Config:
    """The recipe with few channels on small pictures, from scratch and in two steps an epoch; all else as it stands."""
    model, backbone = config.model, config.model.backbone
    if 'micro' not in Path(config.filename).stem:
        kind = backbone.type.removeprefix('mmhvt.')
        side = 224 if 'input_size' not in backbone else backbone.input_size[-1]
        patch = 14 if kind == 'UniFormerV2' and backbone.arch == 'large' else 16
        factor = side / (4 * patch)
        narrow_backbone(backbone, kind)
        if 'neck' in model:
            factor = 4
            model.test_cfg.get('rcnn', model.test_cfg).score_thr = 0.0  # something is found
        elif 'input_size' in backbone:
            backbone.input_size = (*backbone.input_size[:-2], *(round(n / factor) for n in backbone.input_size[-2:]))
        elif kind == 'SMViT':
            backbone.input_size = (16, 64, 64)
        fit_heads(config)
        for mode in MODES:
            for dataset in innermost(loader.dataset) if (loader := config.get(f'{mode}_dataloader')) else ():
                dataset.pipeline = smaller(dataset.pipeline, factor)
        if 'tta_pipeline' in config:
            config.tta_pipeline = smaller(config.tta_pipeline, factor)
        padding = model.get('data_preprocessor') or {}
        if padding.get('pad_size_divisor', 1) > 32:
            padding.pad_size_divisor = round(padding.pad_size_divisor / factor)
    for part in (backbone, *heads_of(model)):
        part.init_cfg = None
    config.load_from = None
    config.train_dataloader.num_batch_per_epoch = 2
    for mode in MODES:
        if loader := config.get(f'{mode}_dataloader'):
            loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
    fit_device(config)
    config.train_cfg.update(max_epochs=1)
    if config.get('val_cfg') is not None:
        config.train_cfg.update(val_begin=1, val_interval=1)
    return config


def fit_device(config: Config) -> None:
    """Takes mixed precision from a recipe where there is no accelerator, which MMEngine's is for."""
    if not torch.cuda.is_available() and config.optim_wrapper.get('type') == 'AmpOptimWrapper':
        config.optim_wrapper = {
            key: value for key, value in config.optim_wrapper.items() if key not in ('type', 'loss_scale', 'dtype')
        }


def narrow_backbone(backbone: dict, kind: str) -> None:
    small = dict(embed_dims=16, num_heads=1)
    if kind == 'UniFormerV2':
        depth, patch = dict(base=(12, 16), large=(24, 14))[backbone.arch]
        backbone.arch = dict(small, depth=depth, patch_size=patch)
        backbone.pop('patch_size', None)
    elif kind == 'MViT':
        backbone.update(small, depths=(1,) * len(MVIT_ARCHS[backbone.get('arch', 'v2_small')].depths))
    else:
        heads = (1, 1, 1, 1) if kind == 'VideoSwin' else 1
        backbone.arch = dict(embed_dims=16, num_heads=heads, depths=(1, 1, 1, 1))


def heads_of(model: dict) -> list[dict]:
    """Heads of recognizers and classifiers."""
    head = model.get('cls_head') or model.get('head')
    return [] if head is None else list(head.heads.values()) if 'heads' in head else [head]


def fit_heads(config: Config, width: int = 16) -> None:
    """Gives what stands behind the backbone as few channels."""
    model = config.model
    if model.type == 'mmhvt.MAE':
        model.setdefault('decoder', {}).update(embed_dims=24, depth=1, num_heads=2)
        return
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'):
        backbone = MODELS.build(dict(copy.deepcopy(model.backbone), init_cfg=None))
    for head in heads_of(model):
        head.in_channels = backbone.embed_dims
    if model.type == 'mmhvt.ActionDetector':
        model.roi_head.bbox_head.in_channels = backbone.embed_dims
        return
    if 'neck' not in model:
        return
    out = backbone(torch.empty(1, 3, 64, 64, device='meta'))
    plain = len(out) == 1  # a pyramid of one map
    model.neck.update(in_channels=out[0].shape[1] if plain else [x.shape[1] for x in out], out_channels=width)
    if model.type == 'DINO':
        fit_dino(model, width)
        return
    if 'roi_head' not in model:
        model.bbox_head.update(in_channels=width, feat_channels=width)
        model.test_cfg.update(nms_pre=50, max_per_img=5)
        return
    roi = model.roi_head
    model.rpn_head.update(in_channels=width, feat_channels=width)
    for extractor in (roi.bbox_roi_extractor, roi.get('mask_roi_extractor', {})):
        extractor['out_channels'] = width
    for head in roi.bbox_head if isinstance(roi.bbox_head, list) else [roi.bbox_head]:
        head.update(in_channels=width, fc_out_channels=32)
        if 'Conv' in head.type:
            head.conv_out_channels = width
    if 'mask_head' in roi:
        roi.mask_head.update(in_channels=width, conv_out_channels=width)
    model.train_cfg.rpn_proposal.update(nms_pre=50, max_per_img=20)
    model.test_cfg.rpn.update(nms_pre=50, max_per_img=20)
    model.test_cfg.rcnn.max_per_img = 5


def fit_dino(model: dict, width: int) -> None:
    """Gives DINO's transformer few channels, layers and queries."""
    model.neck.norm_cfg.num_groups = 4
    for part in (model.encoder, model.decoder):
        part.num_layers = 1
        for layer, config in part.layer_cfg.items():
            inner = dict(feedforward_channels=width) if 'ffn' in layer else dict(num_heads=2)
            config.update(inner, embed_dims=width)
    model.positional_encoding.num_feats = width // 2
    model.bbox_head.embed_dims = width
    model.num_queries = model.dn_cfg.group_cfg.num_dn_queries = 20
    model.test_cfg.max_per_img = 5


# ---------------------------------------------------------------------------------------------------------------- data


def link(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


class Data:
    """Writes what recipes read below `folder`, at the paths that they name.

    A list has four samples in training and four in tests, a few pictures and videos serve for all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        random = np.random.RandomState(0)
        for index in range(4):
            picture = cv2.resize(random.randint(0, 256, (4, 5, 3), dtype=np.uint8), (96, 80))
            assert cv2.imwrite(str(folder / f'{index}.jpg'), picture)
            writer = cv2.VideoWriter(str(folder / f'{index}.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 25, (96, 80))
            assert writer.isOpened()
            for shift in range(220):
                writer.write(np.roll(picture, shift, axis=1))
            writer.release()

    def write(self, config: Config) -> None:
        """The files of all datasets of a recipe."""
        for mode in MODES:
            loader = config.get(f'{mode}_dataloader')
            for dataset in innermost(loader.dataset) if loader else ():
                kind = dataset.type.rpartition('.')[2]
                root = self.folder / dataset.get('data_root', '')
                write = dict(
                    CocoDataset=self._coco,
                    AVADataset=self._ava,
                    AVAKineticsDataset=self._ava,
                    ImageNet=partial(self._image_folders, config.model),
                    CustomDataset=partial(self._image_folders, config.model),
                    RawframeDataset=self._frames,
                )
                write.get(kind, self._videos)(dataset, root)
                if str(dataset.get('metainfo', {}).get('classes')).endswith('.txt'):
                    names = [f'class {label}' for label in range(config.model.head.num_classes)]
                    (root / dataset.metainfo.classes).write_text('\n'.join(names))

    def _videos(self, dataset: dict, root: Path) -> None:
        ann_file = root / dataset.ann_file
        if ann_file.exists():
            return
        classes = len(configured_classes(dataset) or range(8))
        labels = [str(index * (classes - 1) // 3) for index in range(4)]
        if dataset.type == 'mmhvt.SegmentVideoDataset':
            labels = [f'{index}.25 {index + 4}.5 {label}' for index, label in enumerate(labels)]
        ann_file.parent.mkdir(parents=True, exist_ok=True)
        lines = [f'some_class/{index}.mp4 {label}\n' for index, label in enumerate(labels)]
        if dataset.type == 'mmhvt.CharadesDataset':
            actions = [f'c{int(label):03} 0.25 4.50;c{classes - 1:03} 2.00 9.00' for label in labels]
            lines = ['id,actions\n', *(f'some_class/{index},{text}\n' for index, text in enumerate(actions))]
        ann_file.write_text(''.join(lines))
        for index in range(4):
            link(self.folder / f'{index}.mp4', root / dataset.data_prefix.video / f'some_class/{index}.mp4')

    def _frames(self, dataset: dict, root: Path) -> None:
        ann_file = root / dataset.ann_file
        classes = len(configured_classes(dataset))
        ann_file.parent.mkdir(parents=True, exist_ok=True)
        ann_file.write_text(''.join(f'{index} 40 {index * (classes - 1) // 3}\n' for index in range(4)))
        for index, number in itertools.product(range(4), range(1, 41)):
            name = dataset.filename_tmpl.format(number)
            link(self.folder / f'{(index + number) % 4}.jpg', root / dataset.data_prefix.img / str(index) / name)

    def _image_folders(self, model: dict, dataset: dict, root: Path) -> None:
        prefix = dataset.get('data_prefix') or dataset.get('split', '')
        # masked pre-training has no head, but mmpretrain's ImageNet its 1000 classes
        classes = model.head.num_classes if 'num_classes' in (model.get('head') or {}) else 1000
        names = [f'n{number:05d}' for number in range(2 if dataset.get('ann_file') else classes)]
        if isinstance(dataset.get('metainfo', {}).get('classes'), tuple | list):
            names = list(dataset.metainfo.classes)
        for name in names:
            (root / prefix / name).mkdir(parents=True, exist_ok=True)
        for index in range(4):
            link(self.folder / f'{index}.jpg', root / prefix / f'{names[index % 2]}/{index}.JPEG')
        if dataset.get('ann_file'):
            ann_file = root / dataset.ann_file
            ann_file.parent.mkdir(exist_ok=True)
            ann_file.write_text(''.join(f'n{index % 2:05d}/{index}.JPEG {index}\n' for index in range(4)))

    def _coco(self, dataset: dict, root: Path) -> None:
        if (root / 'annotations').exists():
            return
        shapes_coco.write_dataset(root, images=4, val_images=4, size=96, processes=1)
        if 'classes' in dataset.get('metainfo', {}):
            return
        for split in ('train', 'val'):
            (root / split).rename(root / f'{split}2017')
            content = json.loads((root / f'annotations/instances_{split}.json').read_text())
            names = CocoDataset.METAINFO['classes']
            content['categories'] = [dict(id=number, name=name) for number, name in enumerate(names, 1)]
            (root / f'annotations/instances_{split}2017.json').write_text(json.dumps(content))

    def _ava(self, dataset: dict, root: Path) -> None:
        ann_file = root / dataset.ann_file
        if ann_file.exists():
            return
        if not dataset.get('use_frames', True):
            moving_actors.write_dataset(ann_file.parents[1], videos=1, val_videos=1, seconds=5, processes=1)
            return
        ann_file.parent.mkdir(parents=True, exist_ok=True)
        video, frames = '0f39OWEqJ24', root / dataset.data_prefix.img
        seconds = (902, 903, 904, 905)
        for number in range(1, 10 * 30):
            link(self.folder / f'{number % 4}.jpg', frames / video / f'img_{number:05d}.jpg')
        box = '0.200,0.300,0.600,0.900'
        rows = [f'{video},{second:04d},{box},{action},0\n' for second in seconds for action in (12, 80)]
        proposals = {f'{video},{second:04d}': np.array([[0.2, 0.3, 0.6, 0.9, 0.97]]) for second in seconds}
        if dataset.type.endswith('AVAKineticsDataset') and not dataset.get('test_mode'):
            clip = 'o3lCwWyyc_s_000012_000022'
            rows.append(f'{clip},0017,{box},11,0\n')
            proposals['o3lCwWyyc_s,0017'] = proposals[f'{video},0902']
            for number in range(1, 10 * 30 + 1):
                link(self.folder / f'{number % 4}.jpg', frames / clip / f'img_{number:05d}.jpg')
        ann_file.write_text(''.join(rows))
        (root / dataset.exclude_file).write_text(f'{video},0901\n')
        (root / dataset.label_file).write_text(
            ''.join(f'item {{\n  name: "action {number}"\n  id: {number}\n}}\n' for number in (1, 11, 12, 17, 79, 80))
        )
        (root / dataset.proposal_file).write_bytes(pickle.dumps(proposals))


K400 = {
    size: next((ROOT / 'configs/smvit').glob(f'smvit-{size}-*_kinetics400-rgb.py'))
    for size in ('base', 'large', 'huge')
}
SWIN_STHV2 = 'video_swin/video-swin-base-p244-w1677_k400-pre_8xb8-u32-60e_sthv2-rgb'
UNIFORMER_STHV2 = 'uniformerv2/uniformerv2-base-p16_clip-pre_8xb32-u16-22e_sthv2-rgb'
UNIFORMER_CO_TRAINING = 'uniformerv2/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-600-700-rgb'
