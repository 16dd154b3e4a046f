"""Files that a runner is given as a checkpoint and that are something else: one error that names the file."""

import copy
import pickle
import struct
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from mmengine import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from torch import nn

from helpers.training import log_of

_TRAINED: list[dict] = []


@pytest.fixture
def checkpoint(config: Config) -> dict:
    """What one epoch of training of `config` saves; the training happens once."""
    if not _TRAINED:
        cfg = copy.deepcopy(config)
        cfg.work_dir, cfg.experiment_name = f'{config.work_dir}_before', uuid.uuid4().hex
        cfg.optim_wrapper.optimizer.momentum = 0.9
        cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.5, end=3, by_epoch=False)]
        Runner.from_cfg(cfg).train()
        _TRAINED.append(torch.load(f'{cfg.work_dir}/epoch_1.pth', weights_only=False))
    return copy.deepcopy(_TRAINED[0])


def run(config: Config, path: Path | str, resume: bool = False) -> Runner:
    """Trains from a file, for one epoch in all."""
    cfg = copy.deepcopy(config)
    cfg.load_from, cfg.resume, cfg.experiment_name = str(path), resume, uuid.uuid4().hex
    cfg.optim_wrapper.optimizer.momentum = 0.9
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.5, end=3, by_epoch=False)]
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def refusal(config: Config, path: Path | str, resume: bool = False) -> str:
    """The error, of one line that names the file; no step is made."""
    with pytest.raises(ValueError) as caught:
        run(config, path, resume)
    message = str(caught.value)
    assert Path(path).name in message and '\n' not in message and 'weights_only' not in message
    assert 'Epoch(train)' not in log_of(config)
    return message


def script(path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(path))


def archive(path: Path) -> None:
    with zipfile.ZipFile(path, 'w') as file:
        file.writestr('notes.txt', 'nothing')


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    'script.pt': (script, 'does not fit the model'),
    'arrays.npz': (lambda path: np.savez(path, weight=np.ones(3)), 'does not fit the model'),
    'detectron2.pkl': (
        lambda path: path.write_bytes(pickle.dumps(dict(model=dict(weight=np.ones(3, 'f4'))))),
        'does not fit the model',
    ),
    'whole.safetensors': (
        lambda path: safetensors.torch.save_file(dict(weight=torch.ones(3)), path),
        'does not fit the model',
    ),
    'any.zip': (archive, 'it is a zip file, but not of torch.save'),
    'list.pth': (lambda path: torch.save([1, 2], path), 'holds a list, not a state dict'),
    'states.pth': (lambda path: torch.save(dict(state_dict=[1]), path), 'its state_dict is a list'),
    'tensor.pth': (lambda path: torch.save(torch.ones(3), path), 'holds a Tensor, not a state dict'),
    'empty.pth': (lambda path: path.touch(), 'it is empty'),
    'page.pth': (lambda path: path.write_text('<!DOCTYPE html>' * 50), 'it is not a file of torch.save'),
    'lies.safetensors': (lambda path: path.write_bytes(struct.pack('<Q', 1 << 40) + b'{}'), 'header'),
}


@pytest.mark.parametrize('name', FILES)
def test_files_of_others(name: str, config: Config, tmp_path: Path) -> None:
    write, reason = FILES[name]
    write(tmp_path / name)
    assert reason in refusal(config, tmp_path / name)


@pytest.mark.faults
@pytest.mark.parametrize('name', FILES)
def test_files_of_others_resumed(name: str, config: Config, tmp_path: Path) -> None:
    write, _ = FILES[name]
    write(tmp_path / name)
    refusal(config, tmp_path / name, resume=True)


def put(*keys, value: object) -> Callable[[dict], None]:
    """A change to a checkpoint."""

    def change(content: dict) -> None:
        *outer, last = keys
        for key in outer:
            content = content[key]
        content[last] = value

    return change


def drop(*keys) -> Callable[[dict], None]:
    def change(content: dict) -> None:
        *outer, last = keys
        for key in outer:
            content = content[key]
        del content[last]

    return change


def nested(depth: int) -> list:
    """A list whose text has as many characters as two to the power of its depth."""
    found: list = []
    for _ in range(depth):
        found = [found, found]
    return found


def log(**attributes) -> HistoryBuffer:
    """A log of losses with other attributes, or with none."""
    found = HistoryBuffer([1.0] * 3, [1] * 3)
    if not attributes:
        vars(found).clear()
    vars(found).update(attributes)
    return found


def in_itself(content: dict) -> None:
    content['message_hub']['runtime_info']['x'] = endless = []
    endless.append(endless)


def of_another_optimizer(content: dict) -> None:
    group = content['optimizer']['param_groups'][0]
    for key in ('momentum', 'dampening'):
        del group[key]
    group['betas'] = (0.9, 0.999)


def view_of_a_state(content: dict) -> None:
    state = content['optimizer']['state'][0]
    state['momentum_buffer'] = state['momentum_buffer'].flatten()[:1].clone().expand(state['momentum_buffer'].shape)


WEIGHT, NAN = 'backbone.blocks.0.norm1.weight', float('nan')
RESUMED: dict[str, tuple[Callable[[dict], object], str]] = {
    'no meta': (put('meta', value=None), 'it lacks meta'),
    'a list for meta': (put('meta', value=[1]), 'it lacks meta'),
    'text for an epoch': (put('meta', 'epoch', value='3'), 'meta.epoch'),
    'a negative epoch': (put('meta', 'epoch', value=-1), 'meta.epoch is -1'),
    'truth for an epoch': (put('meta', 'epoch', value=True), 'meta.epoch is True'),
    'an endless epoch': (put('meta', 'epoch', value=1 << 70), 'meta.epoch'),
    'a negative iteration': (put('meta', 'iter', value=-3), 'meta.iter is -3'),
    'a fraction of iterations': (put('meta', 'iter', value=1.5), 'meta.iter'),
    'a text for the seed': (put('meta', 'seed', value='x'), 'meta.seed'),
    'a seed that NumPy does not take': (put('meta', 'seed', value=1 << 32), 'meta.seed is 4294967296'),
    'a seed without end': (put('meta', 'seed', value=nested(60)), 'meta is nested without end'),
    'a number for the hub': (put('message_hub', value=7), 'it lacks message_hub'),
    'nothing in the hub': (put('message_hub', value={}), 'message_hub has no dict of log_scalars'),
    'a list in the hub': (put('message_hub', 'runtime_info', value=[]), 'message_hub has no dict of runtime_info'),
    'a log of nothing': (put('message_hub', 'log_scalars', 'train/loss', value=log()), "the log of 'train/loss'"),
    'a log of words': (
        put('message_hub', 'log_scalars', 'train/loss', value=log(_log_history=np.array(['x'] * 3))),
        "the log of 'train/loss'",
    ),
    'a log with a function': (
        put('message_hub', 'log_scalars', 'train/loss', value=log(update=3)),
        "the log of 'train/loss'",
    ),
    'a number for what is kept': (put('message_hub', 'runtime_info', 'keep_ckpt_ids', value=7), 'keep_ckpt_ids in'),
    'paths for what is kept': (put('message_hub', 'runtime_info', 'keep_ckpt_ids', value=['../x']), 'keep_ckpt_ids in'),
    'a text for the best score': (
        put('message_hub', 'runtime_info', 'best_score', value='x'),
        'best_score in its mess',
    ),
    'no number for the best score': (put('message_hub', 'runtime_info', 'best_score', value=NAN), 'best_score in its'),
    'a number for the best one': (put('message_hub', 'runtime_info', 'best_ckpt', value=7), 'best_ckpt in its'),
    'a text for a resumed key': (put('message_hub', 'resumed_keys', 'epoch', value='x'), "has 'x' for the resumed key"),
    'no optimizer': (put('optimizer', value={}), 'optimizer has no dict of state'),
    'a list for the optimizer': (put('optimizer', value=[]), 'it lacks optimizer'),
    'no groups': (put('optimizer', 'param_groups', value=[]), 'optimizer has 0 parameter groups'),
    'numbers for groups': (put('optimizer', 'param_groups', 0, value=3), 'group 0 of its optimizer has no list'),
    'fewer parameters': (put('optimizer', 'param_groups', 0, 'params', value=[0]), 'group 0 of its optimizer has 1'),
    'a text for the rate': (
        put('optimizer', 'param_groups', 0, 'lr', value='x'),
        'group 0 of its optimizer has lr=',
    ),
    'a state of nothing': (put('optimizer', 'state', 10**6, value={}), 'optimizer has a state for 1000000'),
    'a state of another shape': (
        put('optimizer', 'state', 0, value=dict(momentum_buffer=torch.ones(1, 2, 3, 4, 5))),
        'optimizer has momentum_buffer of (1, 2, 3, 4, 5)',
    ),
    'another optimizer': (of_another_optimizer, 'lacks momentum, which SGD needs: it is from another optimizer'),
    'half a state': (put('optimizer', 'state', 0, value=dict(step=3)), 'has momentum_buffer=None for parameter 0'),
    'a state in words': (put('optimizer', 'state', 0, 'momentum_buffer', value='x'), "has momentum_buffer='x' for"),
    'a list in a state': (put('optimizer', 'state', 0, 'x', value=[[1]]), "has 'x'=a list for parameter 0"),
    'a state of one number': (view_of_a_state, 'of which it holds only a part'),
    'texts for rates': (put('param_schedulers', 0, 'base_values', value=['x']), 'has base_values='),
    'no number for the rate': (put('optimizer', 'param_groups', 0, 'lr', value=NAN), 'has lr=nan'),
    'a number for the scaler': (put('optimizer', 'loss_scaler', value=7), 'loss_scaler=7'),
    'a number for averages': (put('ema_state_dict', value=7), 'ema_state_dict is 7'),
    'averages of another shape': (
        put('ema_state_dict', value={f'module.{WEIGHT}': torch.ones(3)}),
        f'ema_state_dict has (3,) for module.{WEIGHT} of (8,)',
    ),
    'no schedules': (put('param_schedulers', value=[]), 'param_schedulers are 0 schedules, but the run has 1'),
    'schedules left out': (drop('param_schedulers'), 'param_schedulers are None'),
    'numbers for schedules': (put('param_schedulers', value=[3]), 'param_schedulers[0] is no LinearLR'),
    'another schedule': (put('param_schedulers', value=[dict(gamma=2)]), 'param_schedulers[0] is no LinearLR'),
    'a schedule in words': (
        put('param_schedulers', 0, 'last_step', value='x'),
        'param_schedulers[0] has last_step=',
    ),
    'integers': (put('state_dict', WEIGHT, value=torch.ones(8, dtype=torch.int64)), f'{WEIGHT} is int64'),
    'complex numbers': (put('state_dict', WEIGHT, value=torch.ones(8) * 1j), f'{WEIGHT} is complex64'),
    'not a number': (put('state_dict', WEIGHT, value=torch.full((8,), torch.nan)), 'have NaN or infinite values'),
    'a text': (put('state_dict', WEIGHT, value='x'), f'{WEIGHT} is a str'),
    'no values': (put('state_dict', WEIGHT, value=torch.ones(8, device='meta')), f'{WEIGHT} has no values'),
    'few values': (put('state_dict', WEIGHT, value=torch.ones(8).to_sparse()), f'{WEIGHT} is sparse'),
    'a number for a name': (put('state_dict', 7, value=torch.ones(8)), 'its state_dict has a int as a name'),
    'a hub without end': (put('message_hub', 'runtime_info', 'x', value=nested(60)), 'message_hub is nested without'),
    'a hub in itself': (in_itself, 'message_hub is nested without end'),
    'a group without end': (put('optimizer', 'param_groups', 0, 'x', value=nested(60)), 'optimizer is nested without'),
    'a number for a name of the hub': (
        put('message_hub', 'runtime_info', 7, value=7),
        'runtime_info in its message_hub',
    ),
    'no values of a state': (
        put('optimizer', 'state', 0, 'momentum_buffer', value=torch.ones(8, device='meta')),
        'of which it holds only a part',
    ),
}
LOADED = ('integers', 'complex numbers', 'not a number', 'a text', 'no values', 'few values', 'a number for a name')
FIRST = ('no meta', 'a number for the hub', 'no optimizer', 'fewer parameters', 'no schedules', 'a negative epoch')


@pytest.mark.parametrize(
    'name', [pytest.param(name, marks=[] if name in FIRST else pytest.mark.faults) for name in RESUMED]
)
def test_states_that_cannot_be_resumed(name: str, config: Config, checkpoint: dict, tmp_path: Path) -> None:
    change, reason = RESUMED[name]
    change(checkpoint)
    torch.save(checkpoint, tmp_path / 'odd.pth')
    assert reason in refusal(config, tmp_path / 'odd.pth', resume=True)


@pytest.mark.parametrize('name', LOADED)
def test_weights_that_are_none(name: str, config: Config, checkpoint: dict, tmp_path: Path) -> None:
    change, reason = RESUMED[name]
    change(checkpoint)
    torch.save(checkpoint, tmp_path / 'odd.pth')
    assert reason in refusal(config, tmp_path / 'odd.pth')


@pytest.mark.parametrize('hooked', [True, False])
def test_resume_runs_no_config(hooked: bool, config: Config, checkpoint: dict, tmp_path: Path) -> None:
    """MMCV 1 wrote meta.config, which MMEngine's runner would execute."""
    mark = tmp_path / 'ran'
    for key in ('config', 'cfg'):
        checkpoint['meta'][key] = f'open({str(mark)!r}, "w").close()\ngpu_ids = [0, 1]\n'
    checkpoint['message_hub']['runtime_info']['cfg'] = checkpoint['meta']['cfg']
    torch.save(checkpoint, tmp_path / 'evil.pth')
    if not hooked:
        config.default_hooks = {}
    config.train_cfg.max_epochs = 2
    assert run(config, tmp_path / 'evil.pth', resume=True).epoch == 2
    assert not mark.exists()


def test_what_is_whole_goes_on(config: Config, checkpoint: dict, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / 'whole.pth')
    config.train_cfg.max_epochs = 2
    assert run(config, tmp_path / 'whole.pth', resume=True).iter == 6
