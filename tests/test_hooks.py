# ruff: noqa: F811 - fixtures of test_bad_input
"""The checks of hooks on any dataset, head, batch and metric, and how to do without them (docs/bad_input.md)."""

import copy
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.config import DictAction
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import FUNCTIONS, init_default_scope
from mmengine.runner import Runner
from test_bad_input import PACK, config, dataset_cfg, log_of, quick_runner, train, videos  # noqa: F401 - fixtures
from torch import nn

from mmhvt.engine import CheckpointCheckHook, UnreadableVideoHook
from mmhvt.engine.hooks.dataset_labels import labels_of
from mmhvt.engine.hooks.wrapped_datasets import innermost_datasets
from mmhvt.models.heads import MultiLabelHead, RecognitionHead
from mmhvt.models.heads.loss_kind import loss_kind
from mmhvt.registry import DATASETS, MODELS

HOOKS = {
    'checkpoint_check': 'CheckpointCheckHook',
    'num_classes_check': 'NumClassesCheckHook',
    'unreadable_video': 'UnreadableVideoHook',
}


def start(cfg: Config, how: str = 'train') -> Runner:
    """A runner that has checked what it checks before the first step, and loaded what it is to load."""
    runner = Runner.from_cfg(copy.deepcopy(cfg))
    if how == 'train':
        assert runner.train_loop is runner._train_loop
        if runner._val_loop is not None:
            assert runner.val_loop is runner._val_loop
    else:
        runner._test_loop = runner.build_test_loop(runner._test_loop)
    runner.call_hook('before_run')
    runner.load_or_resume()
    if how == 'train':
        runner.call_hook('before_train')
    return runner


# Doing without


@pytest.mark.parametrize('name', HOOKS)
def test_each_hook_can_be_left_out(name: str, config: Config) -> None:
    names = lambda runner: [type(hook).__name__ for hook in runner.hooks]  # noqa: E731
    assert set(HOOKS.values()) <= set(names(Runner.from_cfg(copy.deepcopy(config))))
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    config.merge_from_dict(parser.parse_args(['--cfg-options', f'default_hooks.{name}=None']).cfg_options)
    config.experiment_name = uuid.uuid4().hex
    left = names(Runner.from_cfg(config))
    assert HOOKS[name] not in left and set(HOOKS.values()) - {HOOKS[name]} <= set(left)


def test_a_config_that_inherits_leaves_hooks_out(root: Path, tmp_path: Path) -> None:
    (tmp_path / 'mine.py').write_text(
        f"_base_ = ['{root}/configs/_base_/default_runtime.py']\n"
        'default_hooks = dict(checkpoint_check=None, num_classes_check=None, unreadable_video=None, timer=None)\n'
    )
    kept = []
    hooks = Config.fromfile(tmp_path / 'mine.py').default_hooks
    Runner.register_default_hooks(SimpleNamespace(register_hook=kept.append), hooks)
    assert not [hook for hook in kept if hook['type'].startswith('mmhvt.') or hook['type'] == 'IterTimerHook']
    assert {'LoggerHook', 'CheckpointHook'} <= {hook['type'] for hook in kept}


def test_without_the_checkpoint_check_mmengine_loads_what_fits(config: Config, tmp_path: Path) -> None:
    torch.save(dict(state_dict={'other': torch.ones(1)}), tmp_path / 'other.pth')
    config.load_from = str(tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='does not fit the model'):
        start(config, 'test')
    config.default_hooks.checkpoint_check = None
    config.experiment_name = uuid.uuid4().hex
    start(config, 'test')


# Surplus tensors


@pytest.fixture
def whole(config: Config, tmp_path: Path) -> tuple[str, dict]:
    """A file of the whole recognizer, and its state dict."""
    init_default_scope('mmaction')
    state = MODELS.build(config.model).state_dict()
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'whole.pth')
    return str(tmp_path / 'whole.pth'), state


@pytest.mark.parametrize('head', [None, dict(type='FeatureHead', average_clips='score')], ids=['none', 'FeatureHead'])
def test_a_model_of_features_takes_the_whole_file(head: dict | None, config: Config, whole: tuple[str, dict]) -> None:
    config.load_from, state = whole
    del config.model['cls_head']
    if head:
        config.model.cls_head = head
    backbone = start(config, 'test').model.backbone.state_dict()
    assert all(torch.equal(value, state[f'backbone.{name}']) for name, value in backbone.items())
    log = log_of(config)
    assert log.count('2 tensors that it does not have are left out: cls_head.fc_cls.bias, cls_head.fc_cls.weight') == 1


def test_a_model_of_features_still_needs_its_backbone(config: Config, whole: tuple[str, dict]) -> None:
    config.load_from, state = whole
    del config.model['cls_head']
    torch.save({name: value for name, value in state.items() if 'blocks.1.' not in name}, config.load_from)
    with pytest.raises(ValueError, match=r'does not fit the model: .*blocks\.1\..*: missing in the checkpoint'):
        start(config, 'test')


class Cascade(BaseModel):
    """Two stages, one after the other."""

    def __init__(self, stages: int = 2) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Linear(2, 2) for _ in range(stages))

    def forward(self, inputs: torch.Tensor, data_samples: list | None = None, mode: str = 'tensor') -> torch.Tensor:
        return inputs


def test_surplus_that_would_compute_something_is_refused() -> None:
    runner = SimpleNamespace(model=Cascade(2), _resume=False, _load_from='a.pth', _train_loop=None)
    hook = CheckpointCheckHook()
    hook.after_load_checkpoint(runner, Cascade(2).state_dict() | {'teacher.weight': torch.ones(2)})
    with pytest.raises(ValueError, match=r'a\.pth does not fit .* 4 of the 4 .*stages\.2\.weight: not in the model'):
        hook.after_load_checkpoint(runner, Cascade(3).state_dict())


def test_a_class_token_is_no_surplus_to_a_test(config: Config, tmp_path: Path) -> None:
    """A model without it computes something else with the same parameters; a training may start from it."""
    init_default_scope('mmaction')
    arch = dict(version=2, embed_dims=8, num_heads=1, depths=(1, 1))
    config.model.backbone = dict(type='mmhvt.MViT', arch=arch, input_size=(4, 32, 32), out_type='avg_featmap')
    config.model.cls_head.in_channels = 16
    model = copy.deepcopy(config.model)
    model.backbone.with_cls_token = True
    state = MODELS.build(model).state_dict()
    token = [name for name in state if name.endswith('cls_token')]
    assert token
    torch.save(dict(state_dict=state), tmp_path / 'token.pth')
    config.load_from = str(tmp_path / 'token.pth')
    with pytest.raises(ValueError, match=rf'does not fit the model: .*{token[0]}: not in the model'):
        start(config, 'test')
    config.experiment_name = uuid.uuid4().hex
    start(config)
    assert f'left out 1: {token[0]}' in log_of(config)


# Batches


@FUNCTIONS.register_module()
def takes_lists(batch: list) -> list | dict:
    return pseudo_collate(batch)


@DATASETS.register_module()
class OwnClips(BaseDataset):
    """A dataset of somebody who knows nothing of ours."""

    def load_data_list(self) -> list[dict]:
        return [dict(number=i) for i in range(8)]

    def __getitem__(self, idx: int) -> dict:
        return dict(inputs=torch.zeros(1, 3, 4, 32, 32), data_samples=None)


def write_frames(folder: Path, videos: int = 4, frames: int = 8) -> None:
    """img_00001.jpg … in a folder for each video, and frames.txt with labels 0 and 1."""
    for video in range(videos):
        (folder / f'v{video}').mkdir(parents=True)
        for frame in range(1, frames + 1):
            picture = np.full((32, 32, 3), 10 * frame, np.uint8)
            assert cv2.imwrite(str(folder / f'v{video}/img_{frame:05}.jpg'), picture)
    (folder / 'frames.txt').write_text(''.join(f'v{video} {frames} {video % 2}\n' for video in range(videos)))


def frames_cfg(folder: Path, **kwargs) -> dict:
    return dict(
        type='RawframeDataset',
        ann_file='frames.txt',
        data_root=str(folder),
        data_prefix=dict(img=''),
        pipeline=[
            dict(type='SampleFrames', clip_len=4, frame_interval=1, num_clips=1),
            dict(type='RawFrameDecode'),
            *PACK,
        ],
    ) | copy.deepcopy(kwargs)


@pytest.mark.parametrize('kind', ['VideoDataset', 'RawframeDataset', 'OwnClips'])
def test_a_collate_fn_of_lists_for_a_dataset_of_samples(
    kind: str, config: Config, videos: Path, tmp_path: Path
) -> None:
    """Bugs 11: it was a TypeError in UnreadableVideoHook."""
    if kind == 'RawframeDataset':
        write_frames(tmp_path / 'frames')
        dataset = frames_cfg(tmp_path / 'frames')
    else:
        dataset = dataset_cfg(videos) if kind == 'VideoDataset' else dict(type='mmhvt.OwnClips')
    config.train_dataloader.update(dataset=dataset, collate_fn=dict(type='repeat_pseudo_collate'))
    runner = Runner.from_cfg(config)
    with pytest.raises(ValueError, match=f"collate_fn=dict.type='repeat_pseudo_collate'.*{kind} gives one sample"):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('collate', ['pseudo_collate', 'default_collate'])
def test_a_collate_fn_of_samples_for_a_dataset_of_lists(collate: str, config: Config, videos: Path) -> None:
    pipeline = [dict(type='DecordInit'), dict(type='SampleFrames', clip_len=4), dict(type='DecordDecode'), *PACK]
    repeat = dataset_cfg(videos, type='mmhvt.RepeatAugDataset', num_repeats=3, pipeline=pipeline)
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=repeat)
    config.train_dataloader.collate_fn = dict(type=collate)
    with pytest.raises(ValueError, match=f'RepeatAugDataset gives a list.*collate_fn={collate}.*repeat_pseudo_collate'):
        train(config)


SAMPLE = SimpleNamespace(metainfo=dict(unreadable={'a.mp4': 'cannot read a.mp4'}))
BATCHES = {
    'none': None,
    'text': ['inputs', 'data_samples'],
    'loaders of several datasets': [dict(inputs=[], data_samples=[SAMPLE])],
    'tuple': (torch.zeros(2), torch.zeros(2)),
    'tensor': torch.zeros(2),
    'no samples': dict(inputs=[]),
    'samples of None': dict(inputs=[], data_samples=None),
    'samples in branches': dict(inputs={}, data_samples=dict(sup=[SAMPLE])),
    'samples without metainfo': dict(data_samples=[None, 3, dict(), SimpleNamespace(metainfo=None)]),
    'a mark of somebody else': dict(data_samples=[SimpleNamespace(metainfo=dict(unreadable=True))]),
}


@pytest.mark.parametrize('batch', BATCHES.values(), ids=BATCHES)
def test_batches_of_other_shapes_are_left_alone(batch: object, tmp_path: Path) -> None:
    warnings = []
    loader = SimpleNamespace(dataset=SimpleNamespace(), collate_fn=pseudo_collate)
    logger = SimpleNamespace(warning=warnings.append)
    runner = SimpleNamespace(train_dataloader=loader, logger=logger, epoch=0, log_dir=str(tmp_path))
    hook = UnreadableVideoHook()
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    hook.before_train_iter(runner, 0, batch)
    hook.after_train_epoch(runner)
    assert not warnings
    hook.before_train_iter(runner, 1, dict(data_samples=[SAMPLE]))
    assert warnings == ['cannot read a.mp4; training goes on with another sample']


def test_attributes_that_are_no_datasets() -> None:
    for other in (SimpleNamespace(dataset='k400'), SimpleNamespace(dataset=None), SimpleNamespace(datasets='ab')):
        assert list(innermost_datasets(other)) == [other]
    a, b = SimpleNamespace(), SimpleNamespace()
    assert list(innermost_datasets(SimpleNamespace(datasets=dict(one=a, two=b)))) == [a, b]


# Labels of images


def write_images(folder: Path, classes: tuple[str, ...] = ('cat', 'dog'), each: int = 2) -> Path:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for i in range(each):
            assert cv2.imwrite(str(folder / name / f'{i}.png'), np.full((32, 32, 3), 20 * i, np.uint8))
    return folder


IMAGE_PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]


@pytest.fixture
def images(root: Path, tmp_path: Path) -> Config:
    """A training on two folders of images, with a head of one class."""
    folder = write_images(tmp_path / 'images')
    cfg = Config.fromfile(root / 'configs/_base_/default_runtime_image.py')

    def loader(shuffle: bool) -> dict:
        return dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=shuffle),
            dataset=dict(type='CustomDataset', data_prefix=str(folder), pipeline=IMAGE_PIPELINE),
        )

    cfg.merge_from_dict(
        dict(
            work_dir=str(tmp_path / 'work'),
            experiment_name=uuid.uuid4().hex,
            visualizer=None,
            model=dict(
                type='ImageClassifier',
                data_preprocessor=dict(num_classes=2, mean=[128.0] * 3, std=[64.0] * 3),
                backbone=dict(
                    type='mmhvt.SMViT',
                    arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)),
                    input_size=(32, 32),
                    out_type='avg_featmap',
                ),
                head=dict(type='mmhvt.ImageHead', num_classes=2, in_channels=64),
            ),
            train_dataloader=loader(True),
            val_dataloader=loader(False),
            test_dataloader=loader(False),
            train_cfg=dict(by_epoch=True, max_epochs=1, val_interval=1),
            val_cfg=dict(),
            test_cfg=dict(),
            val_evaluator=dict(type='Accuracy', topk=(1,)),
            test_evaluator=dict(type='Accuracy', topk=(1,)),
            optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        )
    )
    return cfg


def test_images_that_fit_train(images: Config) -> None:
    runner = Runner.from_cfg(images)
    runner.train()
    assert runner.iter == 2


def test_two_folders_and_one_class(images: Config, tmp_path: Path) -> None:
    """Bugs 16: it was an IndexError, on a GPU a device-side assert."""
    images.model.head.num_classes = 1
    runner = Runner.from_cfg(images)
    path = tmp_path / 'images'
    message = (
        rf'^head has num_classes=1, but the largest label of the train annotations is 1 \({path}, sample 3: '
        rf'{path}/dog/0.png\)\. Labels count from 0: num_classes=2 would do'
    )
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('how', ['train', 'val', 'test'])
def test_a_list_of_images(how: str, images: Config, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('cat/0.png 0\ndog/1.png 5\n')
    images[f'{how}_dataloader'].dataset.ann_file = str(tmp_path / 'list.txt')
    with pytest.raises(ValueError, match=rf'the {how} annotations is 5 \(.*list.txt, sample 2: .*dog/1.png\)'):
        start(images, 'test' if how == 'test' else 'train')


WRAPPERS = {
    'RepeatDataset': lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
    'ConcatDataset': lambda inner: dict(type='ConcatDataset', datasets=[inner, inner]),
    'ClassBalancedDataset': lambda inner: dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=inner),
    'KFoldDataset': lambda inner: dict(type='KFoldDataset', fold=0, num_splits=2, dataset=inner),
}


@pytest.mark.parametrize('wrap', WRAPPERS.values(), ids=WRAPPERS)
def test_wrapped_images(wrap: Callable[[dict], dict], images: Config) -> None:
    images.model.head.num_classes = 1
    images.train_dataloader.dataset = wrap(images.train_dataloader.dataset)
    with pytest.raises(ValueError, match='head has num_classes=1, but the largest label of the train annotations is 1'):
        start(images)


@pytest.mark.parametrize('kind', ['ImageNet', 'Places205'])
def test_named_datasets_of_images(kind: str, images: Config, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('cat/0.png 3\ndog/1.png 1\n')
    prefix = dict(data_root=str(tmp_path / 'images'), ann_file=str(tmp_path / 'list.txt'))
    images.train_dataloader.dataset = dict(type=kind, pipeline=IMAGE_PIPELINE, **prefix)
    with pytest.raises(ValueError, match=r'the largest label of the train annotations is 3 \(.*, sample 1: .*cat/0'):
        start(images)


def test_images_without_labels(images: Config) -> None:
    images.val_dataloader.dataset.with_label = False
    with pytest.raises(ValueError, match='4 of the 4 samples of the val annotations have no label.*Accuracy of val_ev'):
        start(images)
    images.val_evaluator = dict(type='DumpResults', out_file_path=f'{images.work_dir}/scores.pkl')
    images.experiment_name = uuid.uuid4().hex
    start(images)


def test_weights_and_blending_of_images(images: Config) -> None:
    for loss, message in [
        (dict(type='CrossEntropyLoss', class_weight=[1.0] * 3), 'CrossEntropyLoss.* a class_weight of 3 classes'),
        (dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=5), 'LabelSmoothLoss.* has num_classes=5'),
        (dict(type='SeesawLoss', num_classes=3), 'SeesawLoss.* has num_classes=3'),
    ]:
        images.model.head.loss = loss
        images.experiment_name = uuid.uuid4().hex
        with pytest.raises(ValueError, match=f'head.loss_module .{message}, but head has num_classes=2'):
            start(images)
    images.model.head.loss = dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0])
    images.model.train_cfg = dict(augments=[dict(type='Mixup', alpha=0.8)])
    images.model.data_preprocessor.update(num_classes=7, to_onehot=True)
    images.experiment_name = uuid.uuid4().hex
    with pytest.raises(ValueError, match='one-hot labels of num_classes=7, but head has num_classes=2'):
        start(images)


def multi_label(images: Config, tmp_path: Path) -> Config:
    (tmp_path / 'several.json').write_text(
        '{"metainfo": {"classes": ["a", "b"]}, "data_list": ['
        '{"img_path": "cat/0.png", "gt_label": [0, 1]}, {"img_path": "dog/1.png", "gt_label": []}]}'
    )
    for name in ('train', 'val', 'test'):
        images[f'{name}_dataloader'].dataset = dict(
            type='MultiLabelDataset',
            ann_file=str(tmp_path / 'several.json'),
            data_prefix=str(tmp_path / 'images'),
            pipeline=IMAGE_PIPELINE,
        )
    return images


def test_several_labels_of_an_image(images: Config, tmp_path: Path) -> None:
    images = multi_label(images, tmp_path)
    for loss in (dict(type='CrossEntropyLoss'), dict(type='CrossEntropyLoss', use_sigmoid=True)):
        images.model.head.loss = loss
        images.experiment_name = uuid.uuid4().hex
        with pytest.raises(ValueError, match='several labels a sample, but head .ImageHead.*MultiLabelLinearClsHead'):
            start(images)
    images.model.head = dict(type='MultiLabelLinearClsHead', num_classes=2, in_channels=64)
    with pytest.raises(ValueError, match='gives several labels a sample, but Accuracy of val_evaluator is for one'):
        start(images)
    images.val_evaluator = dict(type='MultiLabelMetric')
    Runner.from_cfg(images).train()
    images.model.head.num_classes = 1
    images.experiment_name = uuid.uuid4().hex
    with pytest.raises(ValueError, match=r'the train annotations is 1 \(.*several.json, sample 1: .*cat/0.png'):
        start(images)
    images.model.head.update(num_classes=2, loss=dict(type='CrossEntropyLoss'))
    with pytest.raises(ValueError, match='MultiLabelLinearClsHead. scores by a sigmoid.*CrossEntropyLoss. is one of'):
        start(images)


def test_binary_cross_entropy_on_one_label_is_a_way_to_train(images: Config) -> None:
    """As ResNet strikes back and DeiT III do it."""
    images.model.head.loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    images.model.train_cfg = dict(augments=[dict(type='Mixup', alpha=0.8)])
    images.model.data_preprocessor.to_onehot = True
    start(images)


# Labels of videos and frames, in mmaction's own datasets


@pytest.mark.parametrize('how', ['train', 'val', 'test'])
@pytest.mark.parametrize('kind', ['VideoDataset', 'RawframeDataset'])
def test_own_datasets_of_mmaction(kind: str, how: str, config: Config, videos: Path, tmp_path: Path) -> None:
    write_frames(tmp_path / 'frames')

    def dataset(text: str) -> dict:
        if kind == 'VideoDataset':
            (tmp_path / 'list.txt').write_text(text.replace('X', '0.mp4'))
            cfg = dataset_cfg(videos, str(tmp_path / 'list.txt'), type='VideoDataset')
        else:
            (tmp_path / 'frames/list.txt').write_text(text.replace('X', 'v0 8'))
            cfg = frames_cfg(tmp_path / 'frames', ann_file='list.txt')
        return cfg | dict(test_mode=how != 'train')

    loader = config[f'{how}_dataloader']
    where = 'test' if how == 'test' else 'train'
    loader.dataset = dataset('X 0\nX 7\n')
    with pytest.raises(ValueError, match=rf'the {how} annotations is 7 \(.*list.txt, sample 2: .*(v0|0.mp4)'):
        start(config, where)
    # without labels accuracy is 0.0000, of which nothing was said
    loader.dataset = dataset('X 0\nX\n')
    config.experiment_name = uuid.uuid4().hex
    needs = 'training' if how == 'train' else f'AccMetric of {how}_evaluator'
    with pytest.raises(ValueError, match=rf'1 of the 2 samples of the {how} .*sample 2: .*but {needs} needs one'):
        start(config, where)


def test_scores_of_videos_without_labels(config: Config, videos: Path, tmp_path: Path) -> None:
    """MMEngine's DumpResults is a metric that needs none."""
    (tmp_path / 'list.txt').write_text('0.mp4\n1.mp4\n')
    config.test_dataloader.dataset = dataset_cfg(
        videos, str(tmp_path / 'list.txt'), type='VideoDataset', test_mode=True
    )
    config.test_evaluator = dict(type='DumpResults', out_file_path=str(tmp_path / 'scores.pkl'))
    Runner.from_cfg(config).test()
    assert (tmp_path / 'scores.pkl').exists()


def test_own_lists_without_labels(config: Config, videos: Path, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('0.mp4\n1.mp4\n')
    config.test_dataloader.dataset = dataset_cfg(videos, str(tmp_path / 'list.txt'), test_mode=True)
    with pytest.raises(ValueError, match='2 of the 2 samples of the test .*but AccMetric of test_evaluator needs one'):
        start(config, 'test')


class Silent(BaseDataset):
    """Finds labels when it is asked for a sample: what it keeps of samples tells nothing."""

    def load_data_list(self) -> list[dict]:
        return [dict(number=i) for i in range(4)]

    def get_data_info(self, idx: int) -> dict:
        return super().get_data_info(idx) | dict(label=9)


def test_what_cannot_be_told_is_not_said() -> None:
    assert labels_of(Silent()).unlabeled == 0
    assert labels_of(SimpleNamespace()) is None
    assert labels_of(SimpleNamespace(targets=[0.5, 1.5])) is None
    assert labels_of(SimpleNamespace(targets=['cat'])) is None
    found = labels_of(SimpleNamespace(targets=torch.tensor([0, 4, 2])))
    assert (found.largest, found.several, found.where) == (4, False, 'SimpleNamespace, sample 2')


def test_labels_of_a_million_samples_are_quick(tmp_path: Path) -> None:
    count = 1_281_167 // 10
    lines = (f'n0{i % 1000:07}/n0{i % 1000:07}_{i}.JPEG {i % 1000}\n' for i in range(count))
    (tmp_path / 'train.txt').write_text(''.join(lines))
    init_default_scope('mmpretrain')
    from mmpretrain.registry import DATASETS as IMAGES

    dataset = IMAGES.build(
        dict(type='ImageNet', data_root=str(tmp_path), data_prefix='', ann_file='train.txt', pipeline=[])
    )
    start = time.process_time()
    found = labels_of(dataset)
    # 0.1 s on a quiet core
    assert time.process_time() - start < 1.0
    assert (found.total, found.largest, found.unlabeled) == (count, 999, 0)


# Losses, scores and metrics


def test_weights_of_a_loss(config: Config) -> None:
    for loss, message in [
        (dict(type='CrossEntropyLoss', class_weight=[1.0] * 3), 'CrossEntropyLoss. has a class_weight of 3 classes'),
        (dict(type='CBFocalLoss', samples_per_cls=[5] * 6), 'CBFocalLoss. has num_classes=6'),
    ]:
        config.model.cls_head.loss_cls = loss
        config.experiment_name = uuid.uuid4().hex
        with pytest.raises(ValueError, match=f'cls_head.loss_cls .{message}, but cls_head has num_classes=4'):
            start(config)
    config.model.cls_head.loss_cls = dict(type='CrossEntropyLoss', class_weight=[1.0] * 4)
    config.experiment_name = uuid.uuid4().hex
    start(config)


def test_heads_refuse_losses_of_another_task() -> None:
    sizes = dict(num_classes=4, in_channels=8)
    bce, ce = dict(type='mmaction.BCELossWithLogits'), dict(type='mmaction.CrossEntropyLoss')
    with pytest.raises(ValueError, match=r"softmax .average_clips='prob'.*BCELossWithLogits.*mmhvt.MultiLabelHead"):
        RecognitionHead(**sizes, loss_cls=bce, average_clips='prob')
    RecognitionHead(**sizes, loss_cls=bce, average_clips='score')
    with pytest.raises(ValueError, match=r'multi_class=True has loss_cls=CrossEntropyLoss'):
        RecognitionHead(**sizes, loss_cls=ce, multi_class=True)
    with pytest.raises(ValueError, match='loss_cls=NLLLoss takes log-probabilities'):
        RecognitionHead(**sizes, loss_cls=dict(type='mmaction.NLLLoss'))
    for loss in (ce, dict(type='mmaction.CBFocalLoss', samples_per_cls=[1] * 4), dict(type='mmpretrain.SeesawLoss')):
        with pytest.raises(ValueError, match='MultiLabelHead scores by a sigmoid.* is for one label a video'):
            MultiLabelHead(**sizes, loss_cls=loss)
    MultiLabelHead(**sizes, loss_cls=dict(type='mmpretrain.AsymmetricLoss'))


def test_kinds_of_losses() -> None:
    build = lambda name, **kwargs: loss_kind(MODELS.build(dict(type=name, **kwargs)))  # noqa: E731
    assert build('mmaction.BCELossWithLogits') == build('mmpretrain.AsymmetricLoss') == 'sigmoid'
    assert build('mmpretrain.CrossEntropyLoss', use_sigmoid=True) == build('mmpretrain.FocalLoss') == 'sigmoid'
    assert build('mmpretrain.LabelSmoothLoss', label_smooth_val=0.1, mode='multi_label', use_sigmoid=True) == 'sigmoid'
    assert (
        build('mmpretrain.LabelSmoothLoss', label_smooth_val=0.1) == build('mmpretrain.CrossEntropyLoss') == 'softmax'
    )
    assert build('mmaction.CrossEntropyLoss') == loss_kind(nn.CrossEntropyLoss()) == 'softmax'
    assert build('mmaction.CBFocalLoss', samples_per_cls=[1]) == 'one-hot'
    assert loss_kind(nn.MSELoss()) is None


def test_heads_of_mmaction_with_losses_of_another_task(config: Config) -> None:
    config.model.cls_head = dict(
        type='I3DHead', num_classes=4, in_channels=64, loss_cls=dict(type='BCELossWithLogits'), average_clips='prob'
    )
    config.model.backbone.out_type = 'featmap'
    for how in ('train', 'test'):
        config.experiment_name = uuid.uuid4().hex
        with pytest.raises(ValueError, match=r'cls_head .I3DHead. scores by a softmax .*loss_cls .BCELossWithLogits'):
            start(config, how)


def test_scores_of_each_view_for_a_metric_of_videos(config: Config) -> None:
    """As by default in mmaction, which the metric noticed after an epoch. The advice is one that the checks take."""
    config.model.cls_head.pop('average_clips')
    with pytest.raises(ValueError, match="average_clips=None, .* AccMetric of val_.* average_clips='prob' would"):
        start(config)
    config.model.cls_head.loss_cls = dict(type='BCELossWithLogits')
    with pytest.raises(ValueError, match="average_clips='score', or type='mmhvt.MultiLabelHead', would do"):
        start(config)


def several(config: Config, videos: Path, *modes: str) -> Config:
    for mode in modes:
        config[f'{mode}_dataloader'].dataset.update(multi_class=True, num_classes=4)
    return config


def test_data_and_metrics_of_another_task(config: Config, videos: Path) -> None:
    with pytest.raises(
        ValueError, match=r'the train dataset of .*good.txt gives several labels .*CrossEntropyLoss. is'
    ):
        start(several(copy.deepcopy(config), videos, 'train'))
    with pytest.raises(ValueError, match=r'several labels a sample, but AccMetric.mean_class_.* of val_evaluator'):
        start(several(copy.deepcopy(config), videos, 'val'))
    one = copy.deepcopy(config)
    one.test_evaluator.metric_list = 'mean_average_precision'
    with pytest.raises(
        ValueError, match=r'one label a sample, but AccMetric.mean_average_precision. of test_evaluator'
    ):
        start(one, 'test')
    config.model.cls_head = dict(type='mmhvt.MultiLabelHead', num_classes=4, in_channels=64)
    with pytest.raises(ValueError, match=r'MultiLabelHead. is for several labels .*multi_class=True and num_classes=4'):
        start(copy.deepcopy(config))
    config = several(config, videos, 'train', 'val')
    config.val_evaluator.metric_list = 'mean_average_precision'
    start(config)


def test_heads_of_several_datasets(config: Config, videos: Path) -> None:
    """Each dataset goes by the classes of its own head."""

    def dataset(name: str) -> dict:
        pipeline = [*dataset_cfg(videos)['pipeline'], dict(type='mmhvt.NameDataset', name=name)]
        return dataset_cfg(videos, pipeline=pipeline)

    head = dict(type='mmhvt.RecognitionHead', in_channels=64, average_clips='prob')
    heads = dict(a=dict(head, num_classes=4), b=dict(head, num_classes=3))
    config.model.cls_head = dict(type='mmhvt.CoTrainingHead', heads=heads)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[dataset('a'), dataset('b')])
    with pytest.raises(
        ValueError, match=r'cls_head.heads.b has num_classes=3, but the largest .* is 3 .*good.txt, line'
    ):
        start(config)
    config.train_dataloader.dataset = dataset('c')
    with pytest.raises(ValueError, match="good.txt is named 'c' by NameDataset, but CoTrainingHead has heads for a, b"):
        start(config)
    config.train_dataloader.dataset = dataset('a')
    start(config)


@pytest.mark.parametrize('how', ['val', 'test'])
def test_views_a_few_at_a_time_and_a_larger_batch(how: str, config: Config) -> None:
    """Bugs 18: it was mmaction's AssertionError in the middle of the run."""
    config.model.test_cfg = dict(max_testing_views=2)
    config.val_dataloader.batch_size = config.test_dataloader.batch_size = 1
    start(config, 'test')
    config[f'{how}_dataloader'].batch_size = 4
    config.experiment_name = uuid.uuid4().hex
    with pytest.raises(ValueError, match=rf'max_testing_views=2 .*{how}_dataloader has batch_size=4: batch_size=1'):
        start(config, 'test' if how == 'test' else 'train')
