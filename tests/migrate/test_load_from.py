"""Given weights at another length, size or window by `load_from`, as by `init_cfg`, with the head."""

import copy
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from helpers import ROOT
from helpers.training import log_of
from mmhvt import migrate
from mmhvt.registry import DATASETS, MODELS

VIDEO, IMAGE = (8, 32, 32), (32, 32)
# a family, and what it is built with besides `input_size`
FAMILIES = {
    'SMViT': dict(type='mmhvt.SMViT', arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1))),
    'MViT': dict(type='mmhvt.MViT', arch=dict(version=1, embed_dims=8, num_heads=1, depths=(1, 1))),
    'MViTv2': dict(type='mmhvt.MViT', arch=dict(version=2, embed_dims=8, num_heads=1, depths=(1, 1))),
    'Video Swin': dict(
        type='mmhvt.VideoSwin', arch=dict(embed_dims=8, depths=(1, 1), num_heads=(1, 2)), window_size=(2, 4, 4)
    ),
    'UniFormerV2': dict(type='mmhvt.UniFormerV2', arch=dict(embed_dims=24, num_heads=3, depth=2, patch_size=16)),
}
CHANGES = [
    *((family, dict(input_size=(16, 32, 32))) for family in FAMILIES),
    *((family, dict(input_size=(8, 64, 64))) for family in FAMILIES),
    ('SMViT', dict(input_size=(4, 64, 96))),
    ('MViT', dict(input_size=(4, 64, 96))),
    ('Video Swin', dict(window_size=(4, 4, 4))),
    ('Video Swin', dict(window_size=(2, 2, 2))),
]


def recognizer(cfg: Config, family: str, num_classes: int = 4, **backbone) -> Config:
    """The config with another backbone, and a head that is as wide."""
    cfg = copy.deepcopy(cfg)
    out_type = 'cls_token' if family == 'UniFormerV2' else 'avg_featmap'
    backbone = FAMILIES[family] | dict(input_size=VIDEO, out_type=out_type) | backbone
    built = MODELS.build(backbone)
    with torch.no_grad():
        width = built(torch.zeros(1, 3, *built.input_size))[-1].shape[1]
    cfg.model.backbone = backbone
    cfg.model.cls_head.update(in_channels=width, num_classes=num_classes)
    return cfg


def save(cfg: Config, path: Path, seed: int = 1, change: Callable[[dict], dict] = lambda state: state) -> str:
    """What a runner would save of a trained model: every parameter is drawn at random."""
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator)
    torch.save(dict(meta={}, state_dict=change(model.state_dict())), path)
    return str(path)


def load(cfg: Config, path: str, how: str = 'train') -> Runner:
    """A runner that has loaded the file and would begin to train or to test."""
    cfg = copy.deepcopy(cfg)
    cfg.load_from = path
    # two runners of one name within a second share a default scope
    cfg.experiment_name = uuid.uuid4().hex
    runner = Runner.from_cfg(cfg)
    if how == 'train':
        assert runner.train_loop is runner._train_loop
    else:
        runner._test_loop = runner.build_test_loop(runner._test_loop)
    runner.call_hook('before_run')
    runner.load_or_resume()
    return runner


def by_init_cfg(cfg: Config, path: str) -> nn.Module:
    backbone = MODELS.build(dict(cfg.model.backbone, init_cfg=dict(type='Pretrained', checkpoint=path)))
    backbone.init_weights()
    return backbone


@pytest.mark.parametrize(('family', 'change'), CHANGES, ids=lambda value: str(value))
def test_another_length_size_or_window(family: str, change: dict, config: Config, tmp_path: Path) -> None:
    path = save(recognizer(config, family), tmp_path / 'small.pth')
    cfg = recognizer(config, family, **change)
    runner = load(cfg, path)
    backbone, own = runner.model.backbone, torch.load(path)['state_dict']
    expected = by_init_cfg(cfg, path).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in backbone.state_dict().items())
    # what bugs.md misses: the head comes along
    assert torch.equal(runner.model.cls_head.fc_cls.weight, own['cls_head.fc_cls.weight'])
    resized = [name for name, value in backbone.state_dict().items() if own[f'backbone.{name}'].shape != value.shape]
    # as it is said: each tensor that was resized is named with its shapes
    log = log_of(cfg)
    for name in resized:
        before, after = (tuple(value.shape) for value in (own[f'backbone.{name}'], expected[name]))
        assert f'backbone.{name} {before} → {after}' in log
    assert ('resized or derived' in log) == bool(resized)
    # a test may be at another length, too: with a warning
    assert torch.equal(load(cfg, path, 'test').model.cls_head.fc_cls.weight, own['cls_head.fc_cls.weight'])


def test_some_of_these_change_shapes() -> None:
    """So that the test above is not about nothing."""
    changed = set()
    for family, change in CHANGES:
        one, two = (
            MODELS.build(FAMILIES[family] | dict(input_size=VIDEO) | kwargs).state_dict() for kwargs in ({}, change)
        )
        if any(one[name].shape != two[name].shape for name in one):
            changed.add((family, *change))
    assert changed >= {
        ('SMViT', 'input_size'),
        ('MViT', 'input_size'),
        ('MViTv2', 'input_size'),
        ('Video Swin', 'window_size'),
        ('UniFormerV2', 'input_size'),
    }


def test_training_at_another_length_goes_on(config: Config, tmp_path: Path) -> None:
    """The head of another number of classes is told apart from what is resized."""
    path = save(recognizer(config, 'SMViT', input_size=(2, 32, 32)), tmp_path / 'short.pth')
    cfg = recognizer(config, 'SMViT', num_classes=5, input_size=(4, 32, 32))
    cfg.load_from = path
    Runner.from_cfg(cfg).train()
    log = log_of(cfg)
    assert 'backbone.pos_embed.temporal' in log or 'backbone.pos_embed.joint' in log
    assert f'{path}: the whole backbone is loaded, but 2 tensors after it are not: cls_head.fc_cls.weight' in log


def test_averaged_weights_start_from_the_resized(config: Config, tmp_path: Path) -> None:
    path = save(recognizer(config, 'SMViT'), tmp_path / 'small.pth')
    cfg = recognizer(config, 'SMViT', input_size=(8, 64, 64))
    cfg.custom_hooks = [dict(type='EMAHook')]
    runner = load(cfg, path)
    (ema,) = (hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook')
    averaged, own = ema.ema_model.module.state_dict(), runner.model.state_dict()
    assert all(torch.equal(averaged[name], value) for name, value in own.items())


@pytest.mark.parametrize('form', ['bare', 'of DDP'])
def test_forms_of_a_state_dict(form: str, config: Config, tmp_path: Path) -> None:
    def change(state: dict) -> dict:
        return {f'module.{name}': value for name, value in state.items()} if form == 'of DDP' else state

    path = save(recognizer(config, 'MViT'), tmp_path / 'small.pth', change=change)
    state = torch.load(path)['state_dict']
    if form == 'bare':
        torch.save(state, path)
    model = load(recognizer(config, 'MViT', input_size=(8, 64, 64)), path).model
    name = 'cls_head.fc_cls.weight'
    assert torch.equal(model.state_dict()[name], state[f'module.{name}' if form == 'of DDP' else name])


# Other models than recognizers


@DATASETS.register_module()
class Nothing(BaseDataset):
    """Stands where a runner wants a dataset; no sample is asked for."""

    def load_data_list(self) -> list[dict]:
        return [dict(number=i) for i in range(4)]


def other_task(cfg: Config, recipe: str, **backbone) -> Config:
    """The model of another recipe, whose backbone is changed, in a runner that would begin to train it."""
    recipe = Config.fromfile(ROOT / 'configs' / recipe)
    cfg = copy.deepcopy(cfg)
    cfg.model, cfg.default_scope, cfg.custom_imports = recipe.model, recipe.default_scope, recipe.custom_imports
    cfg.model.backbone.update(backbone)
    cfg.train_dataloader = dict(batch_size=2, sampler=dict(type='DefaultSampler'), dataset=dict(type='mmhvt.Nothing'))
    for key in ('dataloader', 'cfg', 'evaluator'):
        cfg[f'val_{key}'] = cfg[f'test_{key}'] = None
    init_default_scope(cfg.default_scope)
    return cfg


def test_pre_training_at_another_length(config: Config, tmp_path: Path) -> None:
    """The decoder's positions are resized with the encoder's; fine-tuning begins from the file as by `init_cfg`."""
    recipe = 'mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb.py'
    path = save(other_task(config, recipe), tmp_path / 'mae.pth')
    cfg = other_task(config, recipe, input_size=(16, 32, 32))
    own, new = torch.load(path)['state_dict'], load(cfg, path).model.state_dict()
    changed = {name for name, value in own.items() if new[name].shape != value.shape}
    assert changed == {'backbone.pos_embed.temporal', 'decoder.pos_embed.joint'}
    assert all(torch.equal(new[name], value) for name, value in own.items() if name not in changed)
    assert all(f'{name} {tuple(own[name].shape)} → {tuple(new[name].shape)}' in log_of(cfg) for name in changed)

    tuned = recognizer(config, 'SMViT', input_size=(4, 32, 32), arch=cfg.model.backbone.arch)
    loaded, expected = load(tuned, path).model.backbone.state_dict(), by_init_cfg(tuned, path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in expected.items() if 'norm' not in name)
    assert 'not in the file and left as initialized: backbone.norm.bias, backbone.norm.weight' in log_of(tuned)


def test_a_detector_starts_from_a_classifier_of_videos(config: Config, tmp_path: Path) -> None:
    """As by `init_cfg`; then it goes on at another size with its heads."""
    pytest.importorskip('mmcv._ext', reason='mmdet needs the compiled ops of mmcv')
    recipe = 'coco/mask-rcnn_smvit-micro_fpn_1xb4-8e_shapes-coco.py'
    cfg = other_task(config, recipe, input_size=(64, 64))
    arch = cfg.model.backbone.arch
    path = save(recognizer(config, 'SMViT', input_size=(4, 64, 64), arch=arch), tmp_path / 'clips.pth')
    loaded, expected = load(cfg, path).model.backbone.state_dict(), by_init_cfg(cfg, path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())
    log = log_of(cfg)
    assert 'patch_embed.proj.weight (48, 3, 3, 7, 7) → (48, 3, 7, 7)' in log and 'the whole backbone is loaded' in log

    init_default_scope(cfg.default_scope)
    path = save(cfg, tmp_path / 'detector.pth')
    larger = other_task(config, recipe, input_size=(96, 96))
    own, new = torch.load(path)['state_dict'], load(larger, path).model.state_dict()
    heads = [name for name in own if not name.startswith('backbone.')]
    assert heads and all(torch.equal(new[name], own[name]) for name in heads)


# What does not fit is still refused


def test_a_test_resizes_and_no_more(config: Config, tmp_path: Path) -> None:
    """An image's weights in a video model start a training; the score of a test of them would mean nothing."""
    cfg = recognizer(config, 'SMViT', input_size=IMAGE)
    path = save(cfg, tmp_path / 'image.pth')
    video = recognizer(config, 'SMViT')
    expected = by_init_cfg(video, path).state_dict()
    loaded = load(video, path).model.backbone.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.items())
    assert 'patch_embed.proj.weight (8, 3, 7, 7) → (8, 3, 3, 7, 7)' in log_of(video)
    with pytest.raises(ValueError, match=r'does not fit the model: .*\(8, 3, 7, 7\) in the checkpoint'):
        load(video, path, 'test')


@pytest.mark.parametrize('how', ['train', 'test'])
@pytest.mark.parametrize('family', FAMILIES)
def test_another_arch_at_another_size_is_refused(
    how: str,
    family: str,
    config: Config,
    tmp_path: Path,
) -> None:
    path = save(recognizer(config, family), tmp_path / 'small.pth')
    arch = dict(FAMILIES[family]['arch'])
    if 'depths' in arch:
        arch['depths'] = (2, *arch['depths'][1:])
    else:
        arch['depth'] += 1
    cfg = recognizer(config, family, arch=arch, input_size=(8, 64, 64))
    with pytest.raises(
        ValueError, match='does not fit the model: .* blocks, patches of .*, but the file .* blocks'
    ) as e:
        load(cfg, path, how)
    assert '\n' not in str(e.value) and str(e.value).startswith(path)


def test_resume_at_another_length(config: Config, tmp_path: Path) -> None:
    """The optimizer's state would not fit."""
    cfg = recognizer(config, 'SMViT', input_size=(2, 32, 32))
    Runner.from_cfg(cfg).train()
    longer = recognizer(config, 'SMViT', input_size=(4, 32, 32))
    longer.load_from, longer.resume, longer.train_cfg.max_epochs = f'{cfg.work_dir}/epoch_1.pth', True, 2
    longer.experiment_name = 'longer' + longer.experiment_name
    with pytest.raises(ValueError, match='Resuming needs the config .* load_from with resume=False .* resized'):
        Runner.from_cfg(longer).train()


def test_windows_that_cannot_be_told(config: Config, tmp_path: Path) -> None:
    """Says why, in place of pointing to `init_cfg`, which refuses them too."""
    path = save(recognizer(config, 'Video Swin'), tmp_path / 'small.pth')
    content = torch.load(path)
    name = 'backbone.blocks.0.attn.rel_pos.table'
    content['state_dict'][name] = content['state_dict'][name][:-2]
    torch.save(content, path)
    with pytest.raises(ValueError, match=r'a table of 145 biases belongs to no windows') as caught:
        load(recognizer(config, 'Video Swin'), path)
    assert 'init_cfg' not in str(caught.value)


@pytest.mark.parametrize('how', ['train', 'test'])
def test_a_file_of_another_library_is_converted(how: str, config: Config, tmp_path: Path) -> None:
    """With its classifier, which `init_cfg` of the backbone leaves out."""
    cfg = recognizer(config, 'SMViT')
    own = torch.load(save(cfg, tmp_path / 'ours.pth'))['state_dict']
    theirs, path = migrate.get_source('hiera.fair').export(own), str(tmp_path / 'theirs.pth')
    for content in (theirs, dict(model_state=theirs)):
        torch.save(content, path)
        state = load(cfg, path, how).model.state_dict()
        assert all(torch.equal(value, own[name]) for name, value in state.items())
    assert f'{path}, a file of hiera.fair, SMViT: loaded {len(own)} parameters' in log_of(cfg)


def test_a_backbone_alone_is_called_so(config: Config, tmp_path: Path) -> None:
    cfg = recognizer(config, 'SMViT')
    torch.save(MODELS.build(cfg.model.backbone).state_dict(), tmp_path / 'backbone.pth')
    with pytest.raises(ValueError, match=r'names do not begin with "backbone\."'):
        load(cfg, str(tmp_path / 'backbone.pth'))
    assert by_init_cfg(cfg, str(tmp_path / 'backbone.pth')) is not None
