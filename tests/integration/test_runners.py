"""The stock runners as a user calls them: mim, torch.distributed.run, our tools; several processes; resuming.

Each run is a process of its own on real MP4 files. Its pipeline is the test one, without random crops, so that two
runs that should agree can be compared step by step.
"""

import re
import sys
from pathlib import Path

import pytest

from helpers.processes import free_port
from helpers.project import STEPS, Project


@pytest.fixture(scope='module')
def losses(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """Loss of each step of two epochs in one process, with which the other ways to take them are compared."""
    project = Project(clips, tmp_path_factory.mktemp('one_process'))
    project.run(sys.executable, project.root / 'tools/train.py', project.config('one', 8, 2), '--work-dir', 'one')
    return project.losses('one')


@pytest.mark.slow
def test_mim_trains_and_tests(project) -> None:
    config = project.config('by_mim')
    project.run('mim', 'train', 'mmaction', config, '--work-dir', 'work', '--gpus', '0')
    assert len(project.losses('work')) == STEPS
    output = project.run(
        'mim', 'test', 'mmaction', config, '--checkpoint', 'work/epoch_1.pth', '--work-dir', 'test', '--gpus', '0'
    )
    assert 'acc/top1' in output


@pytest.mark.slow
@pytest.mark.parametrize('name', ['mvitv2/mvitv2', pytest.param('video_swin/video-swin', marks=pytest.mark.thorough)])
def test_micro_models_learn_motion_through_mim(project, root, tmp_path, name) -> None:
    """Half of the demo's clips, as many epochs, the recipe as it is: chance is 0.125, one frame tells nothing."""
    sizes = ['--clips-per-class', '200', '--val-clips-per-class', '20']
    project.run(sys.executable, root / 'tools/data/moving_shapes.py', tmp_path / 'data/moving_shapes', *sizes)
    config = next((root / 'configs').glob(f'{name}-micro_*moving-shapes-rgb.py'))
    output = project.run('mim', 'train', 'mmaction', config, '--work-dir', 'work', '--gpus', '0')
    top1 = [float(value) for value in re.findall(r'Epoch\(val\).*acc/top1: ([0-9.]+)', output)]
    assert len(top1) == 5 and top1[-1] > 0.6


@pytest.mark.slow
@pytest.mark.thorough
def test_local_uniblocks_decide_whether_motion_is_learned_through_mim(project, root, tmp_path) -> None:
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
def test_two_gloo_processes_learn_as_one(project, losses) -> None:
    """The same global batch in one process and in two: losses agree to 1e-4 of their value at every step.

    The batch is the same set of clips, summed in another order: differences are rounding, amplified over steps.
    """
    tools = project.root / 'tools'
    project.run('bash', tools / 'dist_train.sh', project.config('two', 4, 2), 2, '--work-dir', 'two')
    two = project.losses('two')
    assert len(losses) == 2 * STEPS and losses.keys() == two.keys()
    assert two == pytest.approx(losses, rel=1e-4)
    assert max(losses.values()) - min(losses.values()) > 1e-3, 'nothing was learned, so nothing was compared'
    output = project.run('bash', tools / 'dist_test.sh', project.folder / 'two.py', 'two/epoch_2.pth', 2)
    assert 'acc/top1' in output


@pytest.mark.slow
def test_mmactions_own_script_under_torch_distributed(project) -> None:
    import mmaction

    script = Path(mmaction.__file__).parent / '.mim/tools/train.py'
    project.run(
        sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={free_port()}',
        script, project.config('stock', 4), '--launcher', 'pytorch', '--work-dir', 'stock')  # fmt: skip
    assert len(project.losses('stock')) == STEPS


@pytest.mark.slow
def test_a_resumed_run_goes_on_as_if_nothing_had_happened(project, losses) -> None:
    train = project.root / 'tools/train.py'
    project.run(sys.executable, train, project.config('first', epochs=1), '--work-dir', 'parts')
    assert sorted(project.losses('parts')) == list(range(STEPS))
    project.run(sys.executable, train, project.config('second', epochs=2), '--work-dir', 'parts', '--resume')
    resumed = project.losses('parts')
    assert sorted(resumed) == list(range(STEPS, 2 * STEPS))
    assert resumed == pytest.approx({step: losses[step] for step in resumed}, rel=1e-5)
    output = project.run(
        sys.executable, project.root / 'tools/test.py', project.folder / 'second.py', 'parts/epoch_2.pth'
    )
    assert 'acc/top1' in output
