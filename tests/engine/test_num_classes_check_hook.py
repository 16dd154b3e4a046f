"""More labels than classes, and the other way round."""

import copy
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from helpers.training import dataset_cfg, frames_cfg, start_run, train, write_frames
from mmhvt.engine.hooks.dataset_labels import labels_of
from mmhvt.engine.hooks.num_classes_check_hook import Head, Task
from mmhvt.registry import DATASETS


@pytest.mark.parametrize('eps', [0.0, 0.1])
@pytest.mark.parametrize('mode', ['train', 'val', 'test'])
def test_too_few_classes_stop_before_the_first_step(mode: str, eps: float, config: Config, videos: Path) -> None:
    (videos / 'large.txt').write_text('0.mp4 0\n1.mp4 7\n2.mp4 7\n')
    config.model.cls_head.label_smooth_eps = eps
    config[f'{mode}_dataloader'].dataset.ann_file = 'large.txt'
    runner = Runner.from_cfg(config)
    message = (
        f'cls_head has num_classes=4, but the largest label of the {mode} annotations is 7 '
        r'\(.*large.txt, line 2\).*set num_classes=8'
    )
    with pytest.raises(ValueError, match=message):
        # the validation of a training is checked with it
        runner.test() if mode == 'test' else runner.train()
    assert runner.iter == 0


def test_more_classes_than_labels_are_a_warning(config: Config) -> None:
    config.model.cls_head.num_classes = 6
    assert 'classes from 4 on have no sample' in train(config)


def test_classes_of_blending_and_of_several_labels(config: Config, videos: Path) -> None:
    blending = copy.deepcopy(config)
    blending.model.data_preprocessor.blending = dict(
        type='RandomBatchAugment',
        augments=[dict(type='MixupBlending', num_classes=4), dict(type='CutmixBlending', num_classes=5)],
    )
    with pytest.raises(ValueError, match=r'CutmixBlending\) has num_classes=5, but cls_head has num_classes=4'):
        train(blending)
    config.train_dataloader.dataset = dataset_cfg(videos, multi_class=True, num_classes=6)
    with pytest.raises(ValueError, match=r'cls_head has num_classes=4, but the multi_class .* has num_classes=6'):
        train(config)


def test_the_head_alone_has_the_number(config: Config, videos: Path) -> None:
    """Blending of any kind, and samples with several labels."""
    config.model.data_preprocessor.blending = dict(
        type='RandomBatchAugment',
        augments=[
            dict(type='MixupBlending', num_classes=None),
            dict(type='CutmixBlending', num_classes=None),
            dict(type='mmhvt.MixupCutmix'),
        ],
        probs=[0.2, 0.2, 0.2],  # none of them otherwise
    )
    runner = Runner.from_cfg(config)
    runner.train()
    blending = runner.model.data_preprocessor.blending
    assert [part.num_classes for part in (blending, *blending.augments[:3])] == [4] * 4

    config.model.data_preprocessor.blending = None
    config.model.cls_head = dict(
        type='mmhvt.MultiLabelHead', num_classes=4, in_channels=64, loss_cls=dict(type='BCELossWithLogits')
    )
    config.work_dir += '-labels'
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.train_dataloader.dataset = dataset_cfg(videos, multi_class=True)
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.train_dataloader.dataset[5]['data_samples'].gt_label.tolist() == [0, 1, 0, 0]


def test_numbers_that_nobody_says(config: Config, videos: Path) -> None:
    config.model.data_preprocessor.blending = dict(type='mmhvt.MixupCutmix')
    config.default_hooks.num_classes_check = dict(type='mmhvt.NumClassesCheckHook', enabled=False)
    with pytest.raises(ValueError, match='MixupCutmix needs the number of classes: num_classes, or mmhvt.NumClasses'):
        train(config)
    dataset = DATASETS.build(dataset_cfg(videos, multi_class=True))
    with pytest.raises(ValueError, match='multi_class=True needs the number of classes: num_classes, names in'):
        dataset.get_data_info(0)


@pytest.mark.parametrize('mode', ['train', 'val', 'test'])
def test_names_of_another_number(mode: str, config: Config) -> None:
    config[f'{mode}_dataloader'].dataset.metainfo = dict(classes=list('abcde'))
    message = f'cls_head has num_classes=4, but the {mode} dataset of .*good.txt names 5 classes: set num_classes=5 if'
    with pytest.raises(ValueError, match=message):
        start_run(config, 'test' if mode == 'test' else 'train')
    # published names that do not belong to own data
    config[f'{mode}_dataloader'].dataset.metainfo = dict(classes='kinetics400')
    with pytest.raises(ValueError, match=r'names 400 classes: .*metainfo=dict\(classes=…\) of the datasets.*None'):
        start_run(config, 'test' if mode == 'test' else 'train')


def test_names_within_wrappers_reach_the_checkpoint(config: Config) -> None:
    names = ('a', 'b', 'c', 'd')
    inner = config.train_dataloader.dataset | dict(metainfo=dict(classes=names))
    config.train_dataloader.dataset = dict(type='RepeatDataset', times=1, dataset=inner)
    train(config)
    checkpoint = torch.load(f'{config.work_dir}/epoch_1.pth', weights_only=False)
    assert checkpoint['meta']['dataset_meta'] == dict(classes=names)


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


def test_one_hot_labels_of_images_take_the_number_of_the_head(images: Config) -> None:
    images.model.data_preprocessor.pop('num_classes')
    images.model.train_cfg = dict(augments=[dict(type='Mixup', alpha=0.8), dict(type='mmhvt.models.MixupCutmix')])
    runner = Runner.from_cfg(images)
    runner.train()
    assert runner.iter == 2 and runner.model.data_preprocessor.num_classes == 2


def test_folders_and_more_classes(images: Config) -> None:
    """A forgotten num_classes: predictions would have no names."""
    images.model.head.num_classes = images.model.data_preprocessor.num_classes = 1000
    with pytest.raises(ValueError, match='^head has num_classes=1000, but the train .* names 2 classes: set'):
        start_run(images)


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
        rf'{path}/dog/0.png\)\. Labels start at 0: set num_classes=2'
    )
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0


@pytest.mark.parametrize('how', ['train', 'val', 'test'])
def test_a_list_of_images(how: str, images: Config, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('cat/0.png 0\ndog/1.png 5\n')
    images[f'{how}_dataloader'].dataset.ann_file = str(tmp_path / 'list.txt')
    with pytest.raises(ValueError, match=rf'the {how} annotations is 5 \(.*list.txt, sample 2: .*dog/1.png\)'):
        start_run(images, 'test' if how == 'test' else 'train')


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
        start_run(images)


@pytest.mark.parametrize('kind', ['ImageNet', 'Places205'])
def test_named_datasets_of_images(kind: str, images: Config, tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('cat/0.png 3\ndog/1.png 1\n')
    prefix = dict(data_root=str(tmp_path / 'images'), ann_file=str(tmp_path / 'list.txt'))
    images.train_dataloader.dataset = dict(type=kind, pipeline=IMAGE_PIPELINE, **prefix)
    with pytest.raises(ValueError, match=r'the largest label of the train annotations is 3 \(.*, sample 1: .*cat/0'):
        start_run(images)


def test_images_without_labels(images: Config) -> None:
    images.val_dataloader.dataset.with_label = False
    with pytest.raises(ValueError, match='4 of the 4 samples of the val annotations have no label.*Accuracy of val_ev'):
        start_run(images)
    images.val_evaluator = dict(type='DumpResults', out_file_path=f'{images.work_dir}/scores.pkl')
    start_run(images)


def test_weights_and_blending_of_images(images: Config) -> None:
    for loss, message in [
        (dict(type='CrossEntropyLoss', class_weight=[1.0] * 3), 'CrossEntropyLoss.* a class_weight of 3 classes'),
        (dict(type='LabelSmoothLoss', label_smooth_val=0.1, num_classes=5), 'LabelSmoothLoss.* has num_classes=5'),
        (dict(type='SeesawLoss', num_classes=3), 'SeesawLoss.* has num_classes=3'),
    ]:
        images.model.head.loss = loss
        with pytest.raises(ValueError, match=f'head.loss_module .{message}, but head has num_classes=2'):
            start_run(images)
    images.model.head.loss = dict(type='CrossEntropyLoss', class_weight=[1.0, 2.0])
    images.model.train_cfg = dict(augments=[dict(type='Mixup', alpha=0.8)])
    images.model.data_preprocessor.update(num_classes=7, to_onehot=True)
    with pytest.raises(ValueError, match='to_onehot=True has num_classes=7, but head has num_classes=2'):
        start_run(images)


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
        with pytest.raises(ValueError, match='several labels per sample, but head .ImageHead.*MultiLabelLinearClsHead'):
            start_run(images)
    images.model.head = dict(type='MultiLabelLinearClsHead', num_classes=2, in_channels=64)
    with pytest.raises(ValueError, match='has several labels per sample, but Accuracy of val_evaluator takes one'):
        start_run(images)
    images.val_evaluator = dict(type='MultiLabelMetric')
    Runner.from_cfg(images).train()
    images.model.head.num_classes = 1
    with pytest.raises(ValueError, match=r'the train annotations is 1 \(.*several.json, sample 1: .*cat/0.png'):
        start_run(images)
    images.model.head.update(num_classes=2, loss=dict(type='CrossEntropyLoss'))
    with pytest.raises(
        ValueError, match='MultiLabelLinearClsHead. applies a sigmoid.*CrossEntropyLoss. takes one label'
    ):
        start_run(images)


def test_binary_cross_entropy_on_one_label_is_a_way_to_train(images: Config) -> None:
    """As ResNet strikes back and DeiT III do it."""
    images.model.head.loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    images.model.train_cfg = dict(augments=[dict(type='Mixup', alpha=0.8)])
    images.model.data_preprocessor.to_onehot = True
    start_run(images)


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
        start_run(config, where)
    # without labels accuracy is 0.0000, of which nothing was said
    loader.dataset = dataset('X 0\nX\n')
    needs = 'training' if how == 'train' else f'AccMetric of {how}_evaluator'
    with pytest.raises(ValueError, match=rf'1 of the 2 samples of the {how} .*sample 2: .*but {needs} needs one'):
        start_run(config, where)


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
        start_run(config, 'test')


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


def test_weights_of_a_loss(config: Config) -> None:
    for loss, message in [
        (dict(type='CrossEntropyLoss', class_weight=[1.0] * 3), 'CrossEntropyLoss. has a class_weight of 3 classes'),
        (dict(type='CBFocalLoss', samples_per_cls=[5] * 6), 'CBFocalLoss. has num_classes=6'),
    ]:
        config.model.cls_head.loss_cls = loss
        with pytest.raises(ValueError, match=f'cls_head.loss_cls .{message}, but cls_head has num_classes=4'):
            start_run(config)
    config.model.cls_head.loss_cls = dict(type='CrossEntropyLoss', class_weight=[1.0] * 4)
    start_run(config)


def test_heads_of_mmaction_with_losses_of_another_task(config: Config) -> None:
    config.model.cls_head = dict(
        type='I3DHead', num_classes=4, in_channels=64, loss_cls=dict(type='BCELossWithLogits'), average_clips='prob'
    )
    config.model.backbone.update(out_type='featmap', as_tuple=False)
    for how in ('train', 'test'):
        with pytest.raises(
            ValueError, match=r'cls_head .I3DHead. averages clips by a softmax .*loss_cls .BCELossWithLogits'
        ):
            start_run(config, how)


def test_scores_of_each_view_for_a_metric_of_videos(config: Config) -> None:
    """As by default in mmaction, which the metric noticed after an epoch. The advice is one that the checks take."""
    config.model.cls_head.pop('average_clips')
    with pytest.raises(ValueError, match="average_clips=None .* AccMetric of val_.*: use average_clips='prob'"):
        start_run(config)
    config.model.cls_head.loss_cls = dict(type='BCELossWithLogits')
    with pytest.raises(ValueError, match="use average_clips='score' or type='mmhvt.MultiLabelHead'"):
        start_run(config)


def several(config: Config, videos: Path, *modes: str) -> Config:
    for mode in modes:
        config[f'{mode}_dataloader'].dataset.update(multi_class=True, num_classes=4)
    return config


def test_data_and_metrics_of_another_task(config: Config, videos: Path) -> None:
    with pytest.raises(
        ValueError, match=r'the train dataset of .*good.txt has several labels .*CrossEntropyLoss. takes one'
    ):
        start_run(several(copy.deepcopy(config), videos, 'train'))
    with pytest.raises(ValueError, match=r'several labels per sample, but AccMetric.mean_class_.* of val_evaluator'):
        start_run(several(copy.deepcopy(config), videos, 'val'))
    one = copy.deepcopy(config)
    one.test_evaluator.metric_list = 'mean_average_precision'
    with pytest.raises(
        ValueError, match=r'one label per sample, but AccMetric.mean_average_precision. of test_evaluator'
    ):
        start_run(one, 'test')
    config.model.cls_head = dict(type='mmhvt.MultiLabelHead', num_classes=4, in_channels=64)
    with pytest.raises(ValueError, match=r'MultiLabelHead. takes several: .*multi_class=True and num_classes=4'):
        start_run(copy.deepcopy(config))
    config = several(config, videos, 'train', 'val')
    config.val_evaluator.metric_list = 'mean_average_precision'
    start_run(config)


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
        start_run(config)
    config.train_dataloader.dataset = dataset('c')
    with pytest.raises(
        ValueError, match="NameDataset names the train dataset of .*good.txt 'c', but CoTrainingHead has heads for a, b"
    ):
        start_run(config)
    config.train_dataloader.dataset = dataset('a')
    start_run(config)


@pytest.mark.parametrize('how', ['val', 'test'])
def test_views_a_few_at_a_time_and_a_larger_batch(how: str, config: Config) -> None:
    """Bugs 18: it was mmaction's AssertionError in the middle of the run."""
    config.model.test_cfg = dict(max_testing_views=2)
    config.val_dataloader.batch_size = config.test_dataloader.batch_size = 1
    start_run(config, 'test')
    config[f'{how}_dataloader'].batch_size = 4
    with pytest.raises(ValueError, match=rf'max_testing_views=2 .*{how}_dataloader has batch_size=4: set batch_size=1'):
        start_run(config, 'test' if how == 'test' else 'train')


def test_a_new_task_is_one_more_row(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(runner: Runner, model: nn.Module, head: Head) -> None:
        found.append((head.name, head.num_classes, head.loss[0]))

    found: list[tuple[str, int, str]] = []
    rows = (Task('cls_head', 'loss_cls', check), Task('backbone.no_head', 'loss', check))
    monkeypatch.setattr('mmhvt.engine.hooks.num_classes_check_hook.TASKS', rows)
    start_run(config)
    assert found == [('cls_head', 4, 'cls_head.loss_cls')]
