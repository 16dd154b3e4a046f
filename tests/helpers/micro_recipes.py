"""Recipes at the size of a test, on small data."""

import copy
from pathlib import Path

import torch
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import MODELS, PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner
from torch import nn

from helpers.recipes import fit_device, read


def by_type(pipeline: list[dict]) -> dict[str, dict]:
    """The last transform of each type."""
    return {transform.type: transform for transform in pipeline}


def build_on_meta(config: Config) -> nn.Module:
    """The model without its preprocessor, which draws its blending from distributions that need values."""
    model = copy.deepcopy(config.model)
    model.pop('data_preprocessor', None)
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'):
        return MODELS.build(model)


def head_of(config: Config) -> dict:
    """The head, or the first of several."""
    head = config.model.get('cls_head') or config.model.head
    return head.heads.k400 if 'heads' in head else head


def dataset_of(loader: dict) -> dict:
    """The dataset within wrappers, or the first of several."""
    dataset = loader.dataset
    return dataset.datasets[0] if 'datasets' in dataset else dataset.get('dataset', dataset)


def learning_rates(config: Config, epoch_length: int) -> list[float]:
    """One for each iteration of the training."""
    optimizer = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.optimizer.lr)
    schedulers = [
        PARAM_SCHEDULERS.build(copy.deepcopy(cfg), default_args=dict(optimizer=optimizer, epoch_length=epoch_length))
        for cfg in config.param_scheduler
    ]
    rates = []
    for _ in range(config.train_cfg.max_epochs * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            if not scheduler.by_epoch or len(rates) % epoch_length == 0:
                scheduler.step()
    return rates


def shrink(config: Config) -> None:
    """Gives a recipe's model fewer channels and layers."""
    backbone, channels = config.model.backbone, 128
    heads = (1, 1, 1, 1) if backbone.type == 'mmhvt.VideoSwin' else 1
    if backbone.type == 'mmhvt.UniFormerV2':
        depth, channels = int(backbone.global_layers.removeprefix('last ')), 16
        backbone.arch = dict(embed_dims=16, num_heads=1, depth=depth, patch_size=16 if backbone.arch == 'base' else 14)
    else:
        backbone.arch = dict(embed_dims=16, num_heads=heads, depths=(1, 1, 1, 1))
    for head in config.model.cls_head.get('heads', dict(only=config.model.cls_head)).values():
        head.in_channels = channels


def micro(path: Path, videos: Path, work_dir: Path) -> Config:
    """A recipe on another backbone size and other data, otherwise as it stands."""
    config = read(path)
    shrink(config)
    config.model.backbone.init_cfg = None
    for head in config.model.cls_head.get('heads', dict(only=config.model.cls_head)).values():
        head.init_cfg = None
    files = {
        'mmhvt.SegmentVideoDataset': 'segments.txt',
        'mmhvt.CharadesDataset': 'charades.csv',
        'mmhvt.RawframeDataset': 'frames.txt',
    }
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=min(loader.batch_size, 2))
        for dataset in loader.dataset.get('datasets', [loader.dataset]):
            ann_file = videos / files.get(dataset.type, 'list.txt')
            dataset.update(ann_file=str(ann_file), data_prefix={key: str(videos) for key in dataset.data_prefix})
    fit_device(config)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


def datasets(config: Config) -> list:
    """Of training, validation and test."""
    loaders = (config.train_dataloader, config.val_dataloader, config.test_dataloader)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        return [DATASETS.build(loader.dataset) for loader in loaders]


def train_and_test(config: Config, epochs: int = 1) -> dict:
    """What the test of a model says that was trained for a moment; all parameters have to change, and stay finite."""
    config.train_cfg.update(max_epochs=epochs, val_begin=epochs, val_interval=1)
    runner = Runner.from_cfg(config)
    before = {}

    class Remember(Hook):
        def before_train(self, runner: Runner) -> None:
            before.update({name: value.clone() for name, value in runner.model.named_parameters()})

    runner.register_hook(Remember())
    runner.train()
    after = dict(runner.model.named_parameters())
    assert all(value.isfinite().all() for value in after.values())
    unchanged = [name for name, value in after.items() if torch.equal(before[name], value)]
    # what is added to all keys alike does not change attention
    still = [name for name in unchanged if not name.endswith('pool_k.norm.bias')]
    assert not still, still
    return runner.test()


def micro_images(name: str, images: Path, work_dir: Path) -> Config:
    """An image recipe on another backbone size and other data, otherwise as it stands."""
    config = read(name)
    config.model.backbone.arch = dict(
        version=2 if name.startswith('mvitv2') else 1, embed_dims=16, num_heads=1, depths=(1, 1, 1, 1)
    )
    config.model.backbone.init_cfg = None
    config.model.head.in_channels = 128
    # of which two have images
    names = [f'class_{label}' for label in range(config.model.head.num_classes)]
    for loader in filter(None, (config.train_dataloader, config.val_dataloader, config.test_dataloader)):
        loader.update(num_workers=0, persistent_workers=False, batch_size=4)
        loader.dataset = dict(
            type='mmhvt.CustomDataset',
            data_root=str(images),
            metainfo=dict(classes=names),
            pipeline=loader.dataset.pipeline,
        )
    fit_device(config)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config


def micro_mae(name: str, data: Path, work_dir: Path) -> Config:
    """A recipe on fewer channels and other data, otherwise as it stands."""
    config = read(f'mae/{name}')
    config.model.backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 1, 1, 1))
    config.model.decoder.update(embed_dims=24, depth=1, num_heads=2)
    loader = config.train_dataloader
    loader.update(num_workers=0, persistent_workers=False, batch_size=2)
    if 'in1k' in name:
        loader.dataset = dict(type='CustomDataset', data_root=str(data), pipeline=loader.dataset.pipeline)
    else:
        loader.dataset.update(ann_file=str(data / 'list.txt'), data_prefix=dict(video=str(data)))
    config.train_cfg.max_epochs = 1
    fit_device(config)
    config.work_dir = str(work_dir)
    config.randomness = dict(seed=0)
    return config
