"""The stock runners as a user calls them: mim, torch.distributed.run, our tools; several processes; resuming.

Each run is a process of its own on real MP4 files. Its pipeline is the test one, without random crops, so that two
runs that should agree can be compared step by step.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = 4  # of an epoch
CONFIG = """
_base_ = ['{base}']
custom_imports = dict(imports=['mmhvt', 'loss_recorder'], allow_failed_imports=False)
data_root = '{data}'
pipeline = [
    dict(type='DecordInit'),
    dict(type='SampleFrames', clip_len=8, frame_interval=2, num_clips=1, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')]
dataset = dict(_delete_=True, type='mmhvt.VideoDataset', ann_file='{data}/moving_shapes_train_list_videos.txt',
               data_prefix=dict(video='{data}/videos_train'), pipeline=pipeline)
train_dataloader = dict(batch_size={batch_size}, num_workers=0, persistent_workers=False, dataset=dataset)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(**dataset, test_mode=True))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs={epochs}, val_interval=1)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=6, end=6, by_epoch=True)]
custom_hooks = [dict(type='LossRecorder')]
randomness = dict(seed=1)
"""
LOSS_RECORDER = '''
import json
from pathlib import Path

from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class LossRecorder(Hook):
    """Writes each step's loss over the global batch to work_dir/loss.json, keyed by iteration."""

    def before_train(self, runner):
        self.losses = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        loss = outputs['loss'].detach().clone()
        all_reduce(loss, 'mean')
        self.losses[runner.iter] = loss.item()

    def after_train(self, runner):
        if is_main_process():
            (Path(runner.work_dir) / 'loss.json').write_text(json.dumps(self.losses))
'''


@pytest.fixture(scope='module')
def data(root, tmp_path_factory) -> Path:
    """Moving shapes, four clips for each of the eight classes."""
    folder = tmp_path_factory.mktemp('shapes')
    command = [sys.executable, root / 'tools/data/moving_shapes.py', folder / 'data']
    sizes = ['--clips-per-class', '4', '--val-clips-per-class', '1', '--size', '32', '--processes', '1']
    subprocess.run([*map(str, command), *sizes], check=True, capture_output=True)
    return folder / 'data'


@pytest.fixture
def project(root, data, tmp_path):
    """Writes configs and runs commands; returns what they print."""
    return Project(root, data, tmp_path)


class Project:
    def __init__(self, root: Path, data: Path, folder: Path):
        self.root, self.data, self.folder = root, data, folder
        (folder / 'loss_recorder.py').write_text(LOSS_RECORDER)
        # files of the installed package, as mim and users see them
        self.base = next((root / 'configs/smvit').glob('smvit-micro_*moving-shapes-rgb.py'))

    def config(self, name: str, batch_size: int = 8, epochs: int = 1) -> Path:
        path = self.folder / f'{name}.py'
        path.write_text(CONFIG.format(base=self.base, data=self.data, batch_size=batch_size, epochs=epochs))
        return path

    def run(self, *command: str | Path) -> str:
        environ = os.environ | {
            'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            'PYTHONPATH': str(self.folder),
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',  # two processes share no GPU
            'PORT': str(free_port()),
        }
        result = subprocess.run(
            [str(part) for part in command],
            env=environ, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        assert result.returncode == 0, result.stdout
        return result.stdout

    def losses(self, work_dir: str) -> dict[int, float]:
        content = json.loads((self.folder / work_dir / 'loss.json').read_text())
        return {int(step): loss for step, loss in content.items()}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_mim_trains_and_tests(project):
    config = project.config('by_mim')
    project.run('mim', 'train', 'mmaction', config, '--work-dir', 'work', '--gpus', '0')
    assert len(project.losses('work')) == STEPS
    output = project.run(
        'mim', 'test', 'mmaction', config, '--checkpoint', 'work/epoch_1.pth', '--work-dir', 'test', '--gpus', '0'
    )
    assert 'acc/top1' in output


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mvitv2/mvitv2', 'video_swin/video-swin'])
def test_micro_models_learn_motion_through_mim(project, root, tmp_path, name):
    """Half of the demo's clips, as many epochs, the recipe as it is: chance is 0.125, one frame tells nothing."""
    sizes = ['--clips-per-class', '200', '--val-clips-per-class', '20']
    project.run(sys.executable, root / 'tools/data/moving_shapes.py', tmp_path / 'data/moving_shapes', *sizes)
    config = next((root / 'configs').glob(f'{name}-micro_*moving-shapes-rgb.py'))
    output = project.run('mim', 'train', 'mmaction', config, '--work-dir', 'work', '--gpus', '0')
    top1 = [float(value) for value in re.findall(r'Epoch\(val\).*acc/top1: ([0-9.]+)', output)]
    assert len(top1) == 5 and top1[-1] > 0.6


@pytest.mark.slow
def test_local_uniblocks_decide_whether_motion_is_learned_through_mim(project, root, tmp_path):
    """The demo's clips and both recipes as they are: an image ViT on each frame stays at chance, 0.125; the same with
    local UniBlocks learns.
    """
    project.run(sys.executable, root / 'tools/data/moving_shapes.py', tmp_path / 'data/moving_shapes')
    top1 = {}
    for name in ('micro', 'micro-mean-pooling'):
        config = next((root / 'configs/uniformerv2').glob(f'uniformerv2-{name}_*moving-shapes-rgb.py'))
        output = project.run('mim', 'train', 'mmaction', config, '--work-dir', name, '--gpus', '0')
        top1[name] = [float(value) for value in re.findall(r'Epoch\(val\).*acc/top1: ([0-9.]+)', output)]
        assert len(top1[name]) == 5
    assert top1['micro'][-1] > 0.9 and max(top1['micro-mean-pooling']) < 0.3, top1


@pytest.mark.slow
def test_two_gloo_processes_learn_as_one(project):
    """The same global batch in one process and in two: losses agree to 1e-4 of their value at every step.

    The batch is the same set of clips, summed in another order: differences are rounding, amplified over steps.
    """
    tools = project.root / 'tools'
    project.run(sys.executable, tools / 'train.py', project.config('one', 8, 2), '--work-dir', 'one')
    project.run('bash', tools / 'dist_train.sh', project.config('two', 4, 2), 2, '--work-dir', 'two')
    one, two = project.losses('one'), project.losses('two')
    assert len(one) == 2 * STEPS and one.keys() == two.keys()
    assert two == pytest.approx(one, rel=1e-4)
    assert max(one.values()) - min(one.values()) > 1e-3, 'nothing was learned, so nothing was compared'
    output = project.run('bash', tools / 'dist_test.sh', project.folder / 'two.py', 'two/epoch_2.pth', 2)
    assert 'acc/top1' in output


@pytest.mark.slow
def test_mmactions_own_script_under_torch_distributed(project):
    import mmaction

    script = Path(mmaction.__file__).parent / '.mim/tools/train.py'
    project.run(
        sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={free_port()}',
        script, project.config('stock', 4), '--launcher', 'pytorch', '--work-dir', 'stock')  # fmt: skip
    assert len(project.losses('stock')) == STEPS


@pytest.mark.slow
def test_a_resumed_run_goes_on_as_if_nothing_had_happened(project):
    train = project.root / 'tools/train.py'
    project.run(sys.executable, train, project.config('whole', epochs=2), '--work-dir', 'whole')
    project.run(sys.executable, train, project.config('first', epochs=1), '--work-dir', 'parts')
    assert sorted(project.losses('parts')) == list(range(STEPS))
    project.run(sys.executable, train, project.config('second', epochs=2), '--work-dir', 'parts', '--resume')
    resumed, whole = project.losses('parts'), project.losses('whole')
    assert sorted(resumed) == list(range(STEPS, 2 * STEPS))
    assert resumed == pytest.approx({step: whole[step] for step in resumed}, rel=1e-5)
    output = project.run(
        sys.executable, project.root / 'tools/test.py', project.folder / 'whole.py', 'parts/epoch_2.pth'
    )
    assert 'acc/top1' in output
