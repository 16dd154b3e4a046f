"""Names of configs say what is in them, and configs agree with themselves and with those that they start from."""

import re
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope

from helpers import ROOT
from helpers.micro_recipes import by_type, dataset_of, head_of
from helpers.recipes import CLASSIFIERS, read
from mmhvt.datasets.labels import configured_classes

CLASSES = dict(
    kinetics400=400,
    kinetics600=600,
    kinetics700=700,
    kinetics710=710,
    mit=339,
    sthv1=174,
    sthv2=174,
    activitynet=200,
    hacs=200,
    charades=157,
    in1k=1000,
    in21k=19168,
    inat2017=5089,
    inat2018=8142,
    inat2019=1010,
    places365=365,
    moving=8,
    digits=10,
)


@pytest.mark.parametrize('path', CLASSIFIERS, ids=lambda path: path.stem)
def test_config_agrees_with_itself_and_its_name(path: Path) -> None:
    config = read(path)
    model, loaders = config.model, [config.train_dataloader, config.val_dataloader, config.test_dataloader]
    dataset = re.search(f'({"|".join(CLASSES)})[^_]*(_shuffled|_10x5)?$', path.stem)[1]
    classes = CLASSES[dataset]
    assert head_of(config).num_classes == classes
    for loader in filter(None, loaders):
        inner = dataset_of(loader)
        assert 'num_classes' not in inner
        # iNaturalist's names come with its data, ImageNet-21K's are its folders
        if dataset not in ('in21k', 'inat2017', 'inat2018', 'inat2019'):
            with DefaultScope.overwrite_default_scope(config.default_scope):
                assert len(configured_classes(inner)) == classes
        assert inner.get('multi_class', False) == (dataset == 'charades')
        if dataset != 'moving':
            assert {'in1k': 'imagenet', 'in21k': 'imagenet21k'}.get(dataset, dataset) in str(inner)

    # what the pipelines give is what the backbone takes
    size = tuple(model.backbone.input_size) if 'input_size' in model.backbone else (16, 224, 224)
    for loader in filter(None, loaders):
        transforms = by_type(dataset_of(loader).pipeline)
        if len(size) == 3:
            sample = next(transform for transform in transforms.values() if 'clip_len' in transform)
            assert sample.clip_len == size[0]
            sampling = re.search(r'-(\d+)x(\d+)x1-', path.stem)
            if sampling:
                assert (sample.clip_len, sample.frame_interval) == tuple(map(int, sampling.groups()))
            else:
                assert f'-u{sample.clip_len}-' in path.stem
        crops = ('CenterCrop', 'ThreeCrop', 'mmhvt.ThreeCrop', 'mmhvt.FiveCrop')
        crop = next((transforms[name] for name in crops if name in transforms), None)
        given = crop.crop_size if crop else (transforms.get('RandomCrop') or {}).get('size')
        if given is None and len(size) == 3:
            given = transforms['Resize'].scale[0]
        elif given is None:
            given = (transforms.get('RandomResizedCrop') or transforms['Resize']).scale
        assert given == size[-1] == size[-2]

    # the head alone says how many classes there are
    if model.type == 'Recognizer3D':
        blending = model.data_preprocessor.get('blending')
        parts = blending.get('augments', [blending]) if blending else []
    else:
        assert 'num_classes' not in config.data_preprocessor
        augments = model.train_cfg.augments if model.train_cfg else []
        parts = augments if isinstance(augments, list) else [augments]
    assert all(part.get('num_classes') is None for part in parts)

    # the schedule is whole, and for the batch of the name
    end = config.train_cfg.max_epochs
    schedulers = config.param_scheduler
    # one after the other, or a warm-up that scales the decay
    begins = [s.begin for s in schedulers]
    assert begins in ([0, *(s.end for s in schedulers[:-1])], [0] * len(schedulers)) and schedulers[-1].end == end
    gpus, samples = map(int, re.search(r'_(\d+)xb(\d+)-', path.name).groups())
    repeats = config.train_dataloader.dataset.get('num_repeats', 1)
    assert config.train_dataloader.batch_size * repeats == samples
    assert config.auto_scale_lr == dict(enable=False, base_batch_size=gpus * config.train_dataloader.batch_size)


def test_recipes_start_from_recipes() -> None:
    """What a recipe expects in work_dirs/ is what another leaves there, except for weights of other projects."""
    starts = 0
    for path in CLASSIFIERS:
        config = read(path)
        # the classifier of the same file, where one goes on
        checkpoints = {
            part.init_cfg.checkpoint
            for part in (config.model.backbone, head_of(config))
            if (part.get('init_cfg') or {}).get('type') == 'Pretrained'
        }
        assert len(checkpoints) <= 1
        for checkpoint in checkpoints:
            if checkpoint.startswith(('https://', 'work_dirs/beit_')):
                continue
            _, name, file = checkpoint.split('/')
            (earlier,) = (read(other) for other in (ROOT / 'configs').glob(f'*/{name}.py'))
            assert file == f'epoch_{earlier.train_cfg.max_epochs}.pth'
            starts += 1
            ours, theirs = (dict(c.model.backbone) for c in (config, earlier))
            for key in ('arch', 'expand_in', 'with_cls_token', 'pool_mode', 'vit', 'local_layers', 'global_layers'):
                assert ours.get(key) == theirs.get(key), key
    assert starts > 20
