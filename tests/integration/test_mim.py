"""The commands of mim, and configs and models by name, as a user has them: mmhvt installed by pip, far from a clone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config

from helpers.packaging import Scratch, build, check, copy_tree, run
from mmhvt.version import __version__

MICRO = 'smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb'
VIDEO_MODEL = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb'
IMAGE_MODEL = 'mvitv2-tiny_64xb32-300e_in1k'
ONE_EPOCH = ('--cfg-options', 'train_cfg.max_epochs=1', 'param_scheduler.0.end=1', 'param_scheduler.0.total_steps=1')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module', params=[pytest.param('wheel', marks=pytest.mark.thorough), 'editable'])
def installed(request, tmp_path_factory) -> Scratch:
    tree = copy_tree(tmp_path_factory.mktemp('tree'))
    scratch = Scratch(tmp_path_factory.mktemp('installed') / 'venv')
    if request.param == 'wheel':
        scratch.pip('install', '-q', '--no-deps', build(tree, tmp_path_factory.mktemp('dist')))
    else:
        scratch.install_editable(tree)
    return scratch


@pytest.fixture(scope='module')
def root_of_package(installed) -> Path:
    return Path(check(installed.python, '-c', 'import mmhvt; print(mmhvt.__path__[0])').strip())


@pytest.fixture(scope='module')
def elsewhere(installed, tmp_path_factory) -> Path:
    """A folder to work in that has nothing to do with the installation; each has one."""
    return tmp_path_factory.mktemp('elsewhere')


@pytest.fixture(scope='module')
def mim(installed, elsewhere) -> Callable[..., str]:
    """Runs mim and returns what it prints."""
    return lambda *args: check(installed.mim, *args, cwd=elsewhere, CUDA_VISIBLE_DEVICES='')


@pytest.fixture(scope='module')
def python(installed, elsewhere) -> Callable[[str], str]:
    """Runs code that does not import mmhvt and returns the last line that it prints."""

    def call(code: str) -> str:
        assert 'import mmhvt' not in code
        return check(installed.python, '-c', code, cwd=elsewhere, CUDA_VISIBLE_DEVICES='').splitlines()[-1]

    return call


@pytest.fixture(scope='module')
def data(mim) -> None:
    """The videos that the micro configs ask for."""
    mim('run', 'mmhvt', 'moving_shapes', 'data/moving_shapes', '--clips-per-class=2', '--val-clips-per-class=1')


@pytest.fixture(scope='module')
def trained(mim, data, root_of_package, elsewhere) -> Path:
    """Work directory of a training by name, in the repository if there is one."""
    work_dir = (root_of_package.parent if 'site-packages' not in root_of_package.parts else elsewhere) / 'work_dirs'
    out = mim('train', 'mmhvt', MICRO, '--gpus', '0', '--work-dir', work_dir / MICRO, *ONE_EPOCH)
    assert 'Training finished successfully' in out
    return work_dir / MICRO


def test_list(mim) -> None:
    assert [line.split() for line in mim('list').splitlines()].count(['mmhvt', __version__]) == 1


def test_search(mim) -> None:
    assert f'config id: {VIDEO_MODEL}' in mim('search', 'mmhvt', '--model', 'mvitv2', 'smvit')
    assert f"'{IMAGE_MODEL}'" in mim('search', 'mmhvt', '--valid-config')
    kinetics = mim('search', 'mmhvt', '--dataset', 'kinetics-400', '--field', 'parameters')
    assert VIDEO_MODEL in kinetics and IMAGE_MODEL not in kinetics
    assert '34.5m' in mim('search', 'mmhvt', '--config', VIDEO_MODEL)


@pytest.mark.parametrize('name', [MICRO, f'{MICRO}.py'])
def test_test_by_name_after_a_training_that_dumped_the_config(mim, trained, name) -> None:
    assert (trained / f'{MICRO}.py').exists()
    out = mim('test', 'mmhvt', name, '--checkpoint', trained / 'epoch_1.pth', '--work-dir', trained / 'test')
    assert 'Testing finished successfully' in out


def test_train_a_path(mim, data, root_of_package, elsewhere) -> None:
    path = root_of_package / '.mim' / 'configs' / 'smvit' / f'{MICRO}.py'
    out = mim('train', 'mmhvt', path, '--gpus', '0', '--work-dir', elsewhere / 'by-path', *ONE_EPOCH)
    assert 'Training finished successfully' in out


def test_gridsearch(mim, data, elsewhere) -> None:
    out = mim('gridsearch', 'mmhvt', MICRO, '--gpus', '0', '--work-dir', elsewhere / 'search',
              '--search-args', '--train_cfg.max_epochs 1')  # fmt: skip
    assert 'The hyper parameter search finished successfully' in out


def test_run(mim, root_of_package) -> None:
    config = root_of_package / '.mim' / 'configs' / 'mvitv2' / f'{VIDEO_MODEL}.py'
    assert '64.' in mim('run', 'mmhvt', 'get_flops', config)
    assert '--cfg-options' in mim('run', 'mmhvt', 'get_flops', '-h')
    assert '--auto-scale-lr' in mim('train', 'mmhvt', '-h')


def test_download_without_weights(mim, elsewhere) -> None:
    mim('download', 'mmhvt', '--config', IMAGE_MODEL, '--dest', 'downloaded')
    assert [path.name for path in (elsewhere / 'downloaded').iterdir()] == [f'{IMAGE_MODEL}.py']
    assert Config.fromfile(elsewhere / 'downloaded' / f'{IMAGE_MODEL}.py').model.head.num_classes == 1000


@pytest.mark.parametrize(
    ('command', 'name', 'nearest'),
    [
        (('train', 'mmhvt'), 'smvit-micro_1xb16-8x2x1-5e_moving-shape.py', MICRO),
        (('test', 'mmhvt', '--checkpoint', 'x'), 'smvit-micro', MICRO),
        (('gridsearch', 'mmhvt', '--search-args', '--a 1'), 'smvit-micro', MICRO),
        (('download', 'mmhvt', '--config'), 'mvitv2-tinny_64xb32-300e_in1k', IMAGE_MODEL),
        (('search', 'mmhvt', '--config'), 'mvitv2-tinny_64xb32-300e_in1k', IMAGE_MODEL),
    ],
)
def test_unknown_name(installed, elsewhere, command, name, nearest) -> None:
    done = run(installed.mim, *command, name, cwd=elsewhere)
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert line.startswith(f'Error: there is no config {name.removesuffix(".py")}: ') and nearest in line


def test_train_a_config_that_inherits_one_of_the_package(mim, data, elsewhere) -> None:
    (elsewhere / 'mine.py').write_text(
        f"_base_ = 'mmhvt::smvit/{MICRO}.py'\nmodel = dict(backbone=dict(drop_path_rate=0.1))\n"
    )
    out = mim('train', 'mmaction', 'mine.py', '--gpus', '0', '--work-dir', elsewhere / 'mine', *ONE_EPOCH)
    assert 'Training finished successfully' in out


def test_configs_and_models_by_name(python) -> None:
    code = f"""
import json
from mmengine.hub import get_config, get_model
import mmpretrain
print(json.dumps([
    get_config('mmhvt::mvitv2/{VIDEO_MODEL}.py').default_scope,
    type(get_model('mmhvt::smvit/{MICRO}.py')).__name__,
    mmpretrain.list_models('mvitv2-tiny_64xb32'),
    type(mmpretrain.get_model('{IMAGE_MODEL}').backbone).__name__,
]))
"""
    assert json.loads(python(code)) == ['mmaction', 'Recognizer3D', [IMAGE_MODEL], 'MViT']
