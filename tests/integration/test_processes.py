"""Processes of a distributed training die: it starts again or ends, soon and whole.

Two gloo processes on CPUs stand for GPUs. Each run is started as a user starts it, by tools/dist_train.sh.
"""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from helpers.processes import free_port
from helpers.project import STEPS, Project

FAULT = '''
import os
import signal

import psutil
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Fault(Hook):
    """Ends a process of the first attempt, after an iteration."""

    def __init__(self, victim, iteration, rank=1):
        self.victim, self.iteration, self.rank = victim, iteration, rank

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') != '0' or get_rank() != self.rank:
            return
        if runner.iter != self.iteration:
            return
        if self.victim == 'error':
            raise RuntimeError('a fault on purpose')
        if self.victim == 'hang':
            os.kill(os.getpid(), signal.SIGSTOP)
        process = psutil.Process()
        victim = process.children()[0] if self.victim == 'worker' else process
        print(f'{self.victim} {victim.pid} of rank {self.rank} is killed', flush=True)
        victim.kill()
'''
LIMIT = 60  # seconds from the fault to the end of the last process


@pytest.fixture
def faulty(project: Project) -> Callable[..., Path]:
    """Writes a config of two epochs, with a fault if one is given."""
    (project.folder / 'fault.py').write_text(FAULT)

    def write(name: str, workers: int = 0, **fault: object) -> Path:
        config = project.config(name, batch_size=4, epochs=2)
        lines = ["custom_imports['imports'] += ['fault']", 'env_cfg = dict(dist_cfg=dict(backend="gloo"))']
        lines.append(f'train_dataloader.update(num_workers={workers}, persistent_workers={workers > 0})')
        if fault:
            lines.append(f"custom_hooks += [dict(type='Fault', **{fault})]")
        with open(config, 'a') as file:
            file.write('\n'.join([*lines, '']))
        return config

    return write


@pytest.fixture
def left_behind(project: Project) -> Iterator[Callable[[], list[str]]]:
    """Processes whose working directory is the project's."""

    def processes() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(project.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    yield lambda: [' '.join(process.cmdline()) for process in processes()]
    for process in processes():
        process.kill()


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=False)['state_dict']


def dist_train(project: Project, config: Path, *options: str) -> list[object]:
    return ['bash', project.root / 'tools/dist_train.sh', config, 2, '--work-dir', config.stem, *options]


@pytest.mark.faults
@pytest.mark.parametrize('victim', ['process', 'error'])
def test_restarts_end_with_the_same_weights(
    victim: str, project: Project, faulty: Callable, record_property: Callable
) -> None:
    """A process dies in the second epoch; torchrun starts both again, and they go on from the first."""
    project.run(*dist_train(project, faulty('whole')))
    config = faulty('restarted', victim=victim, iteration=STEPS + 1)
    output = project.run(*dist_train(project, config), PET_MAX_RESTARTS='1')
    assert re.search(r'resum\w+ .*epoch_1\.pth', output, re.IGNORECASE), output
    whole, restarted = (weights(project.folder / name / 'epoch_2.pth') for name in ('whole', 'restarted'))
    assert whole.keys() == restarted.keys()
    assert all(torch.equal(whole[name], restarted[name]) for name in whole)
    record_property('section', 'G restarts')


def end_within_limit(process: subprocess.Popen, left_behind: Callable[[], list[str]]) -> str:
    """What a run prints that must end by itself, with an error, and leave no process behind."""
    started = time.monotonic()
    output, _ = process.communicate(timeout=300)
    assert process.returncode, output
    fault = time.monotonic()
    while (left := left_behind()) and time.monotonic() - fault < LIMIT:
        time.sleep(0.5)
    assert not left, left
    assert time.monotonic() - started < 300
    return output


@pytest.mark.faults
@pytest.mark.parametrize('rank', [0, 1])
@pytest.mark.parametrize('victim', ['process', 'worker', 'error'])
def test_a_dead_process_ends_the_run(
    victim: str, rank: int, project: Project, faulty: Callable, left_behind: Callable, record_property: Callable
) -> None:
    config = faulty('run', workers=1, victim=victim, iteration=1, rank=rank)
    process = project.start(*dist_train(project, config))
    lines = []
    for line in process.stdout:
        lines.append(line)
        if 'is killed' in line or 'a fault on purpose' in line:
            break
    died = time.monotonic()
    output = ''.join(lines) + end_within_limit(process, left_behind)
    assert time.monotonic() - died < LIMIT
    expected = {'process': 'SIGKILL', 'worker': 'killed by signal: Killed', 'error': 'a fault on purpose'}
    assert expected[victim] in output, output
    record_property('section', 'G dead processes')


@pytest.mark.faults
@pytest.mark.parametrize('stop', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda stop: stop.name)
def test_a_stopped_run_leaves_no_process(
    stop: signal.Signals, project: Project, faulty: Callable, left_behind: Callable, record_property: Callable
) -> None:
    process = project.start(*dist_train(project, faulty('run', workers=1)))
    for line in process.stdout:
        if 'Checkpoints will be saved to' in line:
            break
    process.send_signal(stop)
    stopped = time.monotonic()
    end_within_limit(process, left_behind)
    assert time.monotonic() - stopped < LIMIT
    record_property('section', 'G dead processes')


@pytest.mark.faults
def test_two_machines_meet_by_environment_variables(
    project: Project, faulty: Callable, record_property: Callable
) -> None:
    """One process on each of two machines, which are this one; the same weights as two processes of one machine."""
    project.run(*dist_train(project, faulty('one')))
    config = faulty('two')
    environ = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=str(free_port()))
    command = ['bash', project.root / 'tools/dist_train.sh', config, 1, '--work-dir', 'two']
    nodes = [project.start(*command, NODE_RANK=str(rank), **environ) for rank in (1, 0)]
    outputs = [node.communicate()[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    one, two = (weights(project.folder / name / 'epoch_2.pth') for name in ('one', 'two'))
    assert all(torch.equal(one[name], two[name]) for name in one)
    record_property('section', 'G machines')


@pytest.mark.parametrize('script', ['dist_train.sh CONFIG', 'dist_test.sh CONFIG CHECKPOINT'])
@pytest.mark.parametrize(
    ('gpus', 'environ', 'message'),
    [
        ('two', {}, "GPUS is the number of processes on this machine, 1 or more, not 'two'"),
        ('0', {}, "GPUS is the number of processes on this machine, 1 or more, not '0'"),
        ('1', dict(NNODES='2'), 'NNODES=2 needs MASTER_ADDR'),
        ('1', dict(NNODES='2', MASTER_ADDR='127.0.0.1'), 'and NODE_RANK, 0 on that machine'),
        ('1', dict(NNODES='0'), "NNODES is the number of machines, 1 or more, not '0'"),
        ('1', dict(NNODES='2', MASTER_ADDR='127.0.0.1', NODE_RANK='x'), "from 0 to below NNODES=2, not 'x'"),
        ('1', dict(NNODES='2', MASTER_ADDR='127.0.0.1', NODE_RANK='2'), "from 0 to below NNODES=2, not '2'"),
        ('1', dict(PORT='99999'), "PORT is a number to 65535, not '99999'"),
        ('1', dict(PORT='abc'), "PORT is a number to 65535, not 'abc'"),
    ],
)
def test_arguments_of_launchers(
    script: str, gpus: str, environ: dict[str, str], message: str, project: Project
) -> None:
    name, *arguments = script.split()
    process = project.start('bash', project.root / 'tools' / name, *arguments, gpus, **environ)
    output, _ = process.communicate()
    assert process.returncode == 2 and output.count('\n') == 1 and message in output, output


def test_a_port_that_is_taken(project: Project) -> None:
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = str(server.getsockname()[1])
        process = project.start('bash', project.root / 'tools/dist_train.sh', 'CONFIG', 1, PORT=port)
        output, _ = process.communicate()
    assert process.returncode == 2 and f'PORT={port} is taken on this machine' in output, output
