"""A folder of configs, a micro recipe on moving shapes, and commands that run them as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path

from helpers import ROOT
from helpers.processes import free_port

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


def moving_shapes(folder: Path) -> Path:
    """Moving shapes, four clips for each of the eight classes."""
    command = [sys.executable, ROOT / 'tools/data/moving_shapes.py', folder / 'data']
    sizes = ['--clips-per-class', '4', '--val-clips-per-class', '1', '--size', '32', '--processes', '1']
    subprocess.run([*map(str, command), *sizes], check=True, capture_output=True)
    return folder / 'data'


class Project:
    """Writes configs of a micro SMViT into a folder, and runs commands there.

    Args:
        data: Folder of :func:`moving_shapes`.
        folder: Where to work.
    """

    root = ROOT

    def __init__(self, data: Path, folder: Path):
        self.data, self.folder = data, folder
        (folder / 'loss_recorder.py').write_text(LOSS_RECORDER)
        # files of the installed package, as mim and users see them
        self.base = next((ROOT / 'configs/smvit').glob('smvit-micro_*moving-shapes-rgb.py'))

    def config(self, name: str, batch_size: int = 8, epochs: int = 1) -> Path:
        path = self.folder / f'{name}.py'
        path.write_text(CONFIG.format(base=self.base, data=self.data, batch_size=batch_size, epochs=epochs))
        return path

    def start(self, *command: object, **environ: str) -> subprocess.Popen:
        """Starts a command; what it prints is `output` of :meth:`end`."""
        environ = {
            'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            'PYTHONPATH': str(self.folder),
            'OMP_NUM_THREADS': '1',
            'CUDA_VISIBLE_DEVICES': '',  # two processes share no GPU
            'PORT': str(free_port()),
        } | environ
        return subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | environ,
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, *command: object, **environ: str) -> str:
        """Runs a command to its end and returns what it printed."""
        process = self.start(*command, **environ)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def losses(self, work_dir: str) -> dict[int, float]:
        content = json.loads((self.folder / work_dir / 'loss.json').read_text())
        return {int(step): loss for step, loss in content.items()}
