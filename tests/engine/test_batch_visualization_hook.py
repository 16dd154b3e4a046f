"""Pictures of batches as the model sees them."""

import copy
import random
import re
import uuid
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmaction.models import ActionDataPreprocessor
from mmdet.models import DetDataPreprocessor
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, DefaultScope
from mmengine.runner import Runner
from mmpretrain.models import ClsDataPreprocessor
from torch import nn

from helpers import ROOT
from helpers.ava_recipes import micro_ava, on_moving_actors
from helpers.coco_recipes import FASTER, read_coco
from helpers.recipes import smaller
from mmhvt.engine.hooks import BatchVisualizationHook
from mmhvt.engine.hooks import batch_pictures as batches
from mmhvt.engine.hooks.batch_pictures import Shown, box_texts, draw_batch, label_text, pixels, show_samples
from mmhvt.synthetic.moving_actors import write_dataset
from mmhvt.synthetic.shapes_coco import FORMS

HOOK = dict(type='mmhvt.BatchVisualizationHook')
BLENDING = dict(type='mmhvt.MixupCutmix', num_classes=4)


def pictures(config: Config) -> dict[str, np.ndarray]:
    """Saved pictures by name."""
    found = Path(config.work_dir).glob('*/vis_data/vis_image/*.png')
    return {path.name: cv2.imread(str(path))[..., ::-1] for path in found}


def run(config: Config, tmp_path: Path, name: str, hook: dict | None) -> Runner:
    """A finished training in a folder of its own."""
    config = copy.deepcopy(config)
    config.merge_from_dict(dict(work_dir=str(tmp_path / name), experiment_name=uuid.uuid4().hex))
    if hook:
        config.default_hooks.batch = hook
    runner = Runner.from_cfg(config)
    runner.train()
    runner.random = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    return runner


@pytest.fixture
def amp(monkeypatch: pytest.MonkeyPatch) -> dict:
    """MMEngine's wrapper of mixed precision, which asks for a GPU, on the CPU."""
    wrapper = 'mmengine.optim.optimizer.amp_optimizer_wrapper'
    monkeypatch.setattr(f'{wrapper}.is_cuda_available', lambda: True)
    monkeypatch.setattr(f'{wrapper}.GradScaler', lambda: torch.amp.GradScaler('cpu'))
    return dict(type='AmpOptimWrapper', dtype='bfloat16')


@pytest.mark.parametrize('precision', ['float32', 'amp'])
def test_training_is_the_same_to_the_bit(precision: str, config: Config, amp: dict, tmp_path: Path) -> None:
    config.model.data_preprocessor.blending = BLENDING
    config.model.backbone.drop_path_rate = 0.3
    if precision == 'amp':
        config.optim_wrapper.update(amp)
    without = run(config, tmp_path, 'without', None)
    shown = run(config, tmp_path, 'with', dict(HOOK, iterations=[1, 3], interval=2))
    for one, other in zip(without.model.state_dict().values(), shown.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(without.random[0], shown.random[0]) and without.random[1:] == shown.random[1:]
    losses = [runner.message_hub.get_scalar('train/loss').data[0].tolist() for runner in (without, shown)]
    assert len(losses[0]) == 3 and losses[0] == losses[1]
    assert set(pictures(shown.cfg)) == {'train_batch_1.png', 'train_batch_2.png', 'train_batch_3.png'}
    assert not pictures(without.cfg)


def test_off_by_default() -> None:
    for path in (ROOT / 'configs/_base_').glob('default_runtime*.py'):
        hooks = Config.fromfile(path).default_hooks
        assert not any('BatchVisualization' in str(hook) for hook in hooks.values())
    assert type(BatchVisualizationHook(enabled=False)) is not BatchVisualizationHook


def test_what_the_model_sees(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames and labels are those that go into the model, after flips and blending."""
    config.model.data_preprocessor.blending = BLENDING
    config.train_dataloader.dataset.metainfo = dict(classes=('up', 'down', 'a $x$', 'b $y$'))
    seen, drawn = [], []
    forward = nn.Module.__call__

    def record(module: nn.Module, *args, **kwargs) -> object:
        if type(module).__name__ == 'Recognizer3D':
            seen.append((kwargs['inputs'].clone(), [sample.gt_label.clone() for sample in kwargs['data_samples']]))
        return forward(module, *args, **kwargs)

    def draw(shown: list, title: str) -> np.ndarray:
        drawn.append((shown, title))
        return draw_batch(shown, title)

    monkeypatch.setattr(batches, 'draw_batch', draw)
    config.default_hooks.batch = dict(HOOK, iterations=[1], max_samples=3)
    runner = Runner.from_cfg(config)
    monkeypatch.setattr(type(runner.model), '__call__', record, raising=False)
    runner.train()
    (shown, title), (inputs, labels) = drawn[0], seen[0]
    assert len(drawn) == 1 and len(shown) == 3
    assert 'iteration 1: 3 of (4, 1, 3, 4, 32, 32)' in title
    assert min(label.max() for label in labels) < 1, 'nothing was blended'
    for sample, frames, label in zip(shown, inputs, labels, strict=False):
        expected = (frames[0] * 64 + 128).round().clamp(0, 255).permute(1, 2, 3, 0).numpy().astype(np.uint8)
        np.testing.assert_array_equal(sample.frames, expected)
        text, file = sample.caption.splitlines()
        assert file.endswith('.mp4')
        names = ('up', 'down', 'a $x$', 'b $y$')
        parts = [re.fullmatch(r'(?:([01]\.\d\d) )?(.+)', part) for part in text.split(', ')]
        assert {part[2]: float(part[1] or 1) for part in parts} == pytest.approx(
            {name: float(value) for name, value in zip(names, label, strict=True) if value >= 0.005}, abs=0.005
        )
    (picture,) = pictures(config).values()
    np.testing.assert_array_equal(picture, draw_batch(shown, title))


# ------------------------------------------------------------------------------------------------------------- pixels

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
FRAMES = np.random.RandomState(0).randint(0, 256, (2, 4, 6, 8, 3), np.uint8)  # (N, T, H, W, RGB)


@pytest.mark.parametrize('swapped', [False, True])
@pytest.mark.parametrize('layout', ['NCTHW', 'views', 'detector', 'NCHW'])
def test_videos_in_their_colors(layout: str, swapped: bool) -> None:
    """Frames are decoded as RGB, unless the config says that they are BGR."""
    preprocessor = ActionDataPreprocessor(
        mean=MEAN, std=STD, to_rgb=swapped, format_shape='NCHW' if layout == 'NCHW' else 'NCTHW'
    )
    loaded = torch.from_numpy(FRAMES[..., ::-1].copy() if swapped else FRAMES)
    clips = loaded.permute(0, 4, 1, 2, 3)[:, None]  # (N, 1, C, T, H, W)
    if layout == 'views':
        clips = torch.cat([clips[..., :2, :, :], clips[..., 2:, :, :]], 1)
    elif layout == 'NCHW':
        clips = loaded.permute(0, 1, 4, 2, 3)
    elif layout == 'detector':
        clips = clips[:, 0]
    if swapped and layout != 'NCHW':  # mmaction swaps the axis before the last three or four
        assert clips.shape[-4] == 3
    data = preprocessor(dict(inputs=list(clips), data_samples=[None, None]), training=True)
    np.testing.assert_array_equal(pixels(data['inputs'], preprocessor, 8), FRAMES)
    np.testing.assert_array_equal(pixels(data['inputs'], preprocessor, 2), FRAMES[:, [0, 3]])


@pytest.mark.parametrize('swapped', [False, True])
@pytest.mark.parametrize('kind', [ClsDataPreprocessor, DetDataPreprocessor])
def test_images_in_their_colors(kind: type, swapped: bool) -> None:
    """Images are loaded as BGR."""
    option = 'to_rgb' if kind is ClsDataPreprocessor else 'bgr_to_rgb'
    preprocessor = kind(mean=MEAN, std=STD, **{option: swapped})
    loaded = torch.from_numpy(FRAMES[:, 0, ..., ::-1].copy()).permute(0, 3, 1, 2)
    data = preprocessor(dict(inputs=list(loaded), data_samples=None) if kind is ClsDataPreprocessor else
                        dict(inputs=list(loaded)), training=True)  # fmt: skip
    np.testing.assert_array_equal(pixels(data['inputs'], preprocessor, 8), FRAMES[:, :1])
    other = 'bgr' if swapped else 'rgb'
    np.testing.assert_array_equal(pixels(data['inputs'], preprocessor, 8, other), FRAMES[:, :1, ..., ::-1])


def test_gray_images_and_values_that_are_not_normalized() -> None:
    preprocessor = ClsDataPreprocessor()
    gray = torch.arange(256.0).view(1, 1, 16, 16)
    expected = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16, 1).repeat(3, -1)
    np.testing.assert_array_equal(pixels(preprocessor(dict(inputs=gray))['inputs'], preprocessor, 1), expected)
    assert pixels(torch.full((1, 3, 2, 2), torch.nan), preprocessor, 1).max() == 0


@pytest.mark.parametrize('shape', [(2, 17, 8, 8), (2, 3, 8), (2, 1, 17, 4, 8, 8)])
def test_inputs_that_are_no_pictures(shape: tuple[int, ...]) -> None:
    preprocessor = ActionDataPreprocessor(format_shape='NCTHW')
    with pytest.raises(ValueError, match=r'inputs of shape \(2, .*\) are not pictures: .* 1 or 3 channels'):
        pixels(torch.zeros(shape), preprocessor, 8)


# ------------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ('label', 'text'),
    [
        (torch.tensor([1]), 'b'),
        (torch.tensor([0, 2]), 'a, c'),
        (torch.tensor([-1]), 'no label'),
        (torch.tensor([9]), 'class 9'),
        (torch.tensor([0.0, 1.0, 1.0]), 'b, c'),
        (torch.tensor([0.25, 0.001, 0.749]), '0.75 c, 0.25 a'),
        (torch.tensor([0.2] * 5), '0.20 a, 0.20 b, 0.20 c, 0.20 class 3, 1 more'),
        (None, ''),
    ],
)
def test_labels(label: torch.Tensor | None, text: str) -> None:
    assert label_text(SimpleNamespace(gt_label=label), ['a', 'b', 'c']) == text
    # of mmpretrain, the soft label goes before the hard one
    assert label_text(SimpleNamespace(gt_label=torch.tensor([0]), gt_score=label), ['a', 'b', 'c']) == (text or 'a')


def test_labels_of_boxes() -> None:
    assert box_texts(torch.tensor([1, 0]), ['a', 'b']) == ['b', 'a']
    assert box_texts(torch.tensor([[0, 1, 1], [0, 0, 1]]), ['a', 'b']) == ['a\nb', 'b']
    assert box_texts(torch.tensor([[1, 1], [0, 1]]), None) == ['class 0\nclass 1', 'class 1']


def first_batch(config: Config) -> tuple[dict, nn.Module, object]:
    """Two samples of a recipe after its data preprocessor."""
    with DefaultScope.overwrite_default_scope(config.default_scope):
        dataset = DATASETS.build(config.train_dataloader.dataset)
        preprocessor = MODELS.build(config.model.data_preprocessor)
    return preprocessor(pseudo_collate([dataset[0], dataset[1]]), True), preprocessor, dataset


@pytest.fixture
def boxes_drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """Frames, boxes and captions that are drawn."""
    calls, draw = [], batches.draw_boxes

    def record(frame: np.ndarray, boxes: np.ndarray, captions: list) -> np.ndarray:
        calls.append((frame, boxes, [text for text, _ in captions]))
        return draw(frame, boxes, captions)

    monkeypatch.setattr(batches, 'draw_boxes', record)
    return calls


def test_boxes_of_ava(tmp_path: Path, boxes_drawn: list) -> None:
    write_dataset(tmp_path / 'actors', videos=1, val_videos=1, seconds=5, processes=1)
    config = on_moving_actors(micro_ava('SMViT'), tmp_path / 'actors', tmp_path / 'work')
    data, preprocessor, dataset = first_batch(config)
    frames = pixels(data['inputs'], preprocessor, 4)
    shown = show_samples(frames, data['data_samples'], lambda sample: dataset.metainfo['classes'])
    instances = data['data_samples'][0].gt_instances
    frame, shares, captions = boxes_drawn[0]
    height, width = frames.shape[2:4]
    assert frame.shape[0] == height * round(240 / height)
    np.testing.assert_allclose(shares * [width, height, width, height], instances.bboxes.numpy(), rtol=1e-5)
    # AVA's class 1 is the first name
    names = dataset.metainfo['classes']
    assert [text.split('\n') for text in captions] == [
        [names[number - 1] for number in row.nonzero().flatten()] for row in instances.labels
    ]
    assert all(captions) and boxes_drawn[1][2] == [''] * len(captions), 'captions stand on the first frame alone'
    assert (shown[0].frames != frames[0].repeat(round(240 / height), 1).repeat(round(240 / height), 2)).any()


def test_boxes_of_coco(shapes: Path, boxes_drawn: list) -> None:
    config = read_coco(FASTER)
    config.train_dataloader.dataset.update(
        data_root=f'{shapes}/', ann_file='annotations/instances_train.json', data_prefix=dict(img='train/'),
        metainfo=dict(classes=tuple(FORMS)), filter_cfg=None,
        pipeline=smaller(config.train_dataloader.dataset.pipeline, 4),
    )  # fmt: skip
    data, preprocessor, dataset = first_batch(config)
    frames = pixels(data['inputs'], preprocessor, 4)
    shown = show_samples(frames, data['data_samples'], lambda sample: dataset.metainfo['classes'])
    for sample, (_, shares, captions), frame in zip(data['data_samples'], boxes_drawn, frames, strict=True):
        height, width = frame.shape[1:3]
        boxes = sample.gt_instances.bboxes
        np.testing.assert_allclose(shares * [width, height, width, height], boxes.numpy(), rtol=1e-5)
        assert captions == [tuple(FORMS)[label] for label in sample.gt_instances.labels]
    # the image is that of the pipeline, in RGB, and padding has the color of mean
    sample = data['data_samples'][0]
    assert shown[0].caption == Path(sample.img_path).name
    assert draw_batch(shown, 'title').shape[2] == 3


@pytest.mark.parametrize('frames', [1, 3])
def test_all_frames_are_on_the_picture(frames: int) -> None:
    colors = [(250, 10, 20), (10, 240, 20), (10, 20, 230)]
    shown = [Shown(np.full((frames, 8, 8, 3), color, np.uint8), 'a $b$ \n$') for color in colors]
    picture = draw_batch(shown, 'title')
    areas = [int((picture == color).all(-1).sum()) for color in colors]
    assert min(areas) > 5000 and max(areas) < 1.1 * min(areas)
    assert sum(areas) > 0.4 * picture.shape[0] * picture.shape[1]


# ------------------------------------------------------------------------------------------------------------- errors

WRONG = {
    'iteration 0': (dict(iterations=[0]), r'iterations=\[0\]'),
    'no list': (dict(iterations=3), 'iterations=3'),
    'interval 0': (dict(interval=0), 'interval=0'),
    'a word': (dict(interval='epoch'), "interval='epoch'"),
    'samples': (dict(max_samples=0), 'max_samples=0'),
    'order': (dict(channel_order='rbg'), "channel_order='rbg': choose from None, rgb, bgr"),
    'nothing': (dict(iterations=[]), 'iterations is empty and interval is None'),
    'unknown': (dict(iteration=[1]), 'unknown option iteration, did you mean iterations'),
}


@pytest.mark.parametrize('case', WRONG)
def test_wrong_options(case: str, config: Config) -> None:
    options, says = WRONG[case]
    config.default_hooks.batch = dict(HOOK, **options)
    with pytest.raises(ValueError, match=f'BatchVisualizationHook.*{says}') as error:
        Runner.from_cfg(config)
    assert '\n' not in str(error.value)


def test_a_visualizer_that_saves_nothing(config: Config) -> None:
    config.visualizer.vis_backends = []
    config.default_hooks.batch = dict(HOOK)
    with pytest.raises(ValueError, match='the visualizer has no backend .*LocalVisBackend'):
        Runner.from_cfg(config).train()


class Other(ActionDataPreprocessor):
    """Gives a batch of another form."""

    def forward(self, data: dict, training: bool = False) -> dict:
        data = super().forward(data, training)
        return data | dict(inputs=data['inputs'].flatten(1))


def test_batches_of_another_form(config: Config) -> None:
    config.default_hooks.batch = dict(HOOK)
    runner = Runner.from_cfg(config)
    runner.model.data_preprocessor = Other(format_shape='NCTHW')
    with pytest.raises(ValueError, match=r'Other: inputs of shape \(4, 12288\) are not pictures'):
        runner.train()


def test_a_model_that_does_without_its_preprocessor(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    config.default_hooks.batch = dict(HOOK)
    runner = Runner.from_cfg(config)
    step = lambda data, optim_wrapper: dict(loss=torch.zeros(()))  # noqa: E731
    monkeypatch.setattr(runner.model, 'train_step', step)
    with pytest.raises(ValueError, match='Recognizer3D trained on a batch that did not go through'):
        runner.train()
