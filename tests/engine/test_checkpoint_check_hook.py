"""Checkpoints that do not fit stop a run before its first step."""

import copy
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine import Config
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn

from helpers.training import log_of, start_run, train
from mmhvt.engine import CheckpointCheckHook
from mmhvt.registry import MODELS


@pytest.fixture(scope='session')
def save_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Writes what a change to a training checkpoint makes of it."""

    def save(checkpoint: dict, change: Callable[[dict], object] = lambda c: c) -> str:
        path = str(tmp_path_factory.mktemp('checkpoint') / 'file.pth')
        torch.save(change(dict(checkpoint)), path)
        return path

    return save


@pytest.fixture
def checkpoint(config: Config) -> dict:
    """What one epoch of training of `config` saves."""
    cfg = copy.deepcopy(config)
    cfg.work_dir, cfg.experiment_name = f'{config.work_dir}_before', uuid.uuid4().hex
    train(cfg)
    return torch.load(f'{cfg.work_dir}/epoch_1.pth', weights_only=False)


def other_model(cfg: Config) -> Config:
    """Wider and deeper, so that names and shapes differ."""
    cfg.model.backbone.arch = dict(embed_dims=16, num_heads=1, depths=(1, 1, 2, 1))
    cfg.model.cls_head.in_channels = 128
    return cfg


def run(cfg: Config, path: str, how: str) -> None:
    cfg.load_from, cfg.resume = path, how == 'resume'
    runner = Runner.from_cfg(cfg)
    runner.test() if how == 'test' else runner.train()


# one that other recipes start from
START = 'mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb'


@pytest.mark.parametrize('how', ['train', 'test', 'resume', 'init_cfg'])
def test_a_start_that_is_not_there_says_which_recipe_makes_it(how: str, config: Config, tmp_path: Path) -> None:
    path = f'{tmp_path}/work_dirs/{START}/epoch_200.pth'
    message = (
        f'there is no checkpoint {path}: training with configs/mvit/{START}.py writes it .mim train mmhvt {START}.'
    )
    if how == 'init_cfg':
        config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=path)
    with pytest.raises((ValueError, FileNotFoundError), match=f'^{message}$'):
        Runner.from_cfg(config).train() if how == 'init_cfg' else run(config, path, how)
    other = str(tmp_path / 'epoch_1.pth')
    with pytest.raises(FileNotFoundError, match=f'^there is no checkpoint {other}$'):
        run(config, other, 'train')


@pytest.mark.parametrize('how', ['train', 'test', 'resume'])
def test_checkpoint_of_another_model(how: str, config: Config, checkpoint: dict, save_checkpoint: Callable) -> None:
    path = save_checkpoint(checkpoint)
    model = Runner.from_cfg(other_model(config)).model.state_dict()
    # biases of layers as wide as one of the other model
    fit = sum(checkpoint['state_dict'].get(name, torch.ones(())).shape == value.shape for name, value in model.items())
    assert fit < len(model) / 4
    with pytest.raises(ValueError) as caught:
        run(config, path, how)
    message = str(caught.value)
    assert message.startswith(
        f'{path} does not fit the model: {fit} of the {len(model)} tensors of the model are in it'
    )
    assert '(8, 3, 3, 7, 7) in the checkpoint, (16, 3, 3, 7, 7) in the model' in message
    assert 'more. ' in message and '\n' not in message and len(message) < 800


CHANGES = {
    'as saved': lambda c: c,
    'bare': lambda c: c['state_dict'],
    'of DDP': lambda c: dict(state_dict={f'module.{name}': value for name, value in c['state_dict'].items()}),
}


@pytest.mark.parametrize('how', ['train', 'test'])
@pytest.mark.parametrize('change', CHANGES.values(), ids=CHANGES)
def test_checkpoints_that_fit(
    how: str, change: Callable, config: Config, checkpoint: dict, save_checkpoint: Callable
) -> None:
    run(config, save_checkpoint(checkpoint, change), how)
    assert 'tensors after it are not' not in log_of(config)


def test_resume_goes_on(config: Config, checkpoint: dict, save_checkpoint: Callable) -> None:
    config.train_cfg.max_epochs = 2
    run(config, save_checkpoint(checkpoint), 'resume')
    assert 'resumed epoch: 1, iter: 3' in log_of(config)
    # and once more from the directory's latest
    config.train_cfg.max_epochs = 3
    config.load_from, config.experiment_name = None, uuid.uuid4().hex
    assert 'resumed epoch: 2, iter: 6' in train(config)


def test_resume_with_averaged_weights(config: Config) -> None:
    config.custom_hooks = [dict(type='EMAHook')]
    train(config)
    config.train_cfg.max_epochs, config.resume, config.experiment_name = 2, True, uuid.uuid4().hex
    assert 'resumed epoch: 1, iter: 3' in train(config)
    run(config, f'{config.work_dir}/epoch_2.pth', 'test')


@pytest.mark.parametrize('lacking', ['optimizer', 'message_hub'])
def test_resume_needs_the_whole_state(
    lacking: str, config: Config, checkpoint: dict, save_checkpoint: Callable
) -> None:
    del checkpoint[lacking]
    with pytest.raises(ValueError, match=f'cannot be resumed, it lacks {lacking}: load_from with resume=False'):
        run(config, save_checkpoint(checkpoint), 'resume')


def test_another_head_is_for_training_only(config: Config, checkpoint: dict, save_checkpoint: Callable) -> None:
    path = save_checkpoint(checkpoint)
    config.model.cls_head.num_classes = 5
    run(copy.deepcopy(config), path, 'train')
    assert (
        f'{path}: the whole backbone is loaded, but 2 tensors after it are not: '
        'cls_head.fc_cls.weight: (4, 64) in the checkpoint, (5, 64) in the model'
    ) in log_of(config)
    for how in ('test', 'resume'):
        with pytest.raises(ValueError, match=r'does not fit the model: .* cls_head\.fc_cls\.weight: \(4, 64\)'):
            run(copy.deepcopy(config), path, how)


def test_missing_and_surplus_tensors_of_the_backbone(
    config: Config, checkpoint: dict, save_checkpoint: Callable
) -> None:
    weights = checkpoint['state_dict']
    less = {name: value for name, value in weights.items() if name != 'backbone.blocks.3.norm1.weight'}
    for state, problem in [
        (less, 'backbone.blocks.3.norm1.weight: missing in the checkpoint'),
        (
            weights | {'backbone.blocks.4.norm1.weight': torch.ones(64)},
            'backbone.blocks.4.norm1.weight: not in the model',
        ),
    ]:
        path = save_checkpoint(dict(state_dict=state))
        for how in ('train', 'test'):
            with pytest.raises(ValueError, match=problem):
                run(copy.deepcopy(config), path, how)


class Renamed(BaseModel):
    """Takes `old` for `weight`, as a module with a history does."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 2))
        self._register_load_state_dict_pre_hook(self.rename)

    def forward(self, inputs: torch.Tensor, data_samples: list | None = None, mode: str = 'tensor') -> torch.Tensor:
        return inputs

    @staticmethod
    def rename(state_dict: dict, prefix: str, *_) -> None:
        if f'{prefix}old' in state_dict:
            state_dict[f'{prefix}weight'] = state_dict.pop(f'{prefix}old')


class TTA(BaseTTAModel):
    def merge_preds(self, data_samples_list: list) -> list:
        return data_samples_list


def test_conversions_and_wrappers_of_the_model_count() -> None:
    runner = SimpleNamespace(model=TTA(Renamed()), _resume=False, _load_from='a.pth', _train_loop=None)
    for name in ('weight', 'old'):
        checkpoint = {name: torch.ones(3, 2)}
        CheckpointCheckHook().after_load_checkpoint(runner, checkpoint)
        assert list(checkpoint) == [name]
    with pytest.raises(ValueError, match='a.pth does not fit .* 0 of the 1 .* weight: missing'):
        CheckpointCheckHook().after_load_checkpoint(runner, {'other': torch.ones(3, 2)})


def test_no_state_dict(config: Config, save_checkpoint: Callable) -> None:
    with pytest.raises(ValueError, match='holds a list, not a state dict'):
        run(config, save_checkpoint({}, lambda _: [1, 2]), 'test')


@pytest.mark.parametrize('how', ['train', 'test', 'resume'])
@pytest.mark.parametrize('kind', ['cut', 'empty', 'text'])
def test_checkpoints_that_are_no_file_of_torch(how: str, kind: str, config: Config, tmp_path: Path) -> None:
    path = tmp_path / 'bad.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(1000))), path)
    content = path.read_bytes()
    path.write_bytes(dict(cut=content[: len(content) * 9 // 10], empty=b'', text=b'404: Not Found')[kind])
    reason = dict(cut='it is cut off after', empty='it is empty', text='it is not a file of torch.save')[kind]
    with pytest.raises(ValueError, match=f'{path} cannot be read as a checkpoint: {reason}'):
        run(config, str(path), how)


def test_without_the_checkpoint_check_mmengine_loads_what_fits(config: Config, tmp_path: Path) -> None:
    torch.save(dict(state_dict={'other': torch.ones(1)}), tmp_path / 'other.pth')
    config.load_from = str(tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='does not fit the model'):
        start_run(config, 'test')
    config.default_hooks.checkpoint_check.enabled = False
    start_run(config, 'test')


@pytest.fixture
def whole(config: Config, tmp_path: Path) -> tuple[str, dict]:
    """A file of the whole recognizer, and its state dict."""
    init_default_scope('mmaction')
    state = MODELS.build(config.model).state_dict()
    torch.save(dict(meta={}, state_dict=state), tmp_path / 'whole.pth')
    return str(tmp_path / 'whole.pth'), state


@pytest.mark.parametrize(
    'head', [None, dict(type='mmhvt.FeatureHead', average_clips='score')], ids=['none', 'FeatureHead']
)
def test_a_model_of_features_takes_the_whole_file(head: dict | None, config: Config, whole: tuple[str, dict]) -> None:
    config.load_from, state = whole
    del config.model['cls_head']
    if head:
        config.model.cls_head = head
    backbone = start_run(config, 'test').model.backbone.state_dict()
    assert all(torch.equal(value, state[f'backbone.{name}']) for name, value in backbone.items())
    log = log_of(config)
    assert log.count('2 tensors that it does not have are left out: cls_head.fc_cls.bias, cls_head.fc_cls.weight') == 1


def test_a_model_of_features_still_needs_its_backbone(config: Config, whole: tuple[str, dict]) -> None:
    config.load_from, state = whole
    del config.model['cls_head']
    torch.save({name: value for name, value in state.items() if 'blocks.1.' not in name}, config.load_from)
    with pytest.raises(ValueError, match=r'does not fit the model: .*blocks\.1\..*: missing in the checkpoint'):
        start_run(config, 'test')


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
        start_run(config, 'test')
    start_run(config)
    assert f'left out 1: {token[0]}' in log_of(config)
