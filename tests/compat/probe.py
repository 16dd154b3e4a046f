"""Tries what mmhvt.compat repairs, for test_compat.py: ``python probe.py FOLDER``, in a process of its own.

Imports the heavy packages that need no repair, then forks a child a case; each imports mmaction afresh, with some
repairs left out. FOLDER is a scratch folder, on PYTHONPATH, with stand-ins for packages that only some users have.
Prints a JSON object: case -> what was tried -> 'ok' or the error.
"""

import contextlib
import json
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import cv2
import matplotlib.pyplot  # noqa: F401
import numpy as np
import torch

from mmhvt.compat import hook

FOLDER = Path(sys.argv[1])
IMPORTS = ['mmcv version', 'localizer DRN', 'transformers in mmaction', 'transformers in mmpretrain']


def mmaction() -> None:
    import mmaction.models  # noqa: F401


def drn() -> None:
    from mmaction.registry import MODELS
    from mmaction.utils import register_all_modules

    register_all_modules()
    try:
        MODELS.build(dict(type='DRN'))
    except NotImplementedError as error:
        assert 'wheel' in str(error)


def color_jitter() -> None:
    from mmaction.datasets.transforms import ColorJitter

    red = np.full((2, 2, 3), (200, 10, 10), np.uint8)
    # hues are half degrees: 25 to the left of red is magenta, of blue nearly as much as of red
    assert ColorJitter.adjust_hue(red, -0.1)[0, 0].tolist() == [200, 10, 168]


def img_aug() -> None:
    from mmaction.datasets.transforms import ImgAug

    with contextlib.suppress(ImportError):  # imgaug itself may be missing
        ImgAug('default')
    assert np.bool is not bool


def ava_metric() -> None:
    from mmaction.evaluation.functional.ava_evaluation.metrics import compute_average_precision

    assert np.isnan(compute_average_precision(None, None))


def pose_compact() -> None:
    from mmaction.datasets.transforms import PoseCompact

    PoseCompact().transform(dict(keypoint=np.ones((1, 2, 3, 2), np.float32), img_shape=(8, 8)))


def frame_extract() -> None:
    from mmaction.utils import frame_extract

    video = str(FOLDER / 'video.mp4')
    writer = cv2.VideoWriter(video, cv2.VideoWriter_fourcc(*'mp4v'), 4, (32, 48))
    writer.write(np.zeros((48, 32, 3), np.uint8))
    writer.release()
    _, frames = frame_extract(video, short_side=16, out_dir=str(FOLDER))
    assert frames[0].shape == (24, 16, 3)


def average_recall() -> None:
    from mmaction.evaluation import average_recall_at_avg_proposals

    truth, proposals = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0, 0.9], [2.0, 3.0, 0.5]])
    average_recall_at_avg_proposals({'a': truth}, {'a': proposals}, 2, max_avg_proposals=2)


def retrieval() -> None:
    from mmaction.evaluation.metrics.multimodal_metric import RetrievalRecall

    assert RetrievalRecall.calculate([[0, 1]], [[1]], topk=2, pred_indices=True, target_indices=True)[0] == 100


def pytorchvideo() -> None:
    from mmaction.datasets.transforms import PytorchVideoWrapper

    PytorchVideoWrapper('RandAugment')


def moviepy() -> None:
    from mmaction.visualization import LocalVisBackend

    LocalVisBackend(str(FOLDER)).add_video('video', np.zeros((2, 8, 8, 3), np.uint8), out_type='gif')


def vis_cam() -> None:
    from mmaction.models import Recognizer3D
    from mmaction.utils import GradCAM

    model = Recognizer3D.__new__(Recognizer3D)
    torch.nn.Module.__init__(model)
    model.layer = torch.nn.Identity()
    GradCAM(model, 'layer')
    from moviepy.editor import ImageSequenceClip  # noqa: F401


def group(backend: str) -> None:
    from mmengine.dist import init_dist

    init_dist('pytorch', backend=backend, init_method=f'file://{FOLDER}/{backend}{os.getpid()}', rank=0, world_size=1)
    torch.distributed.destroy_process_group()


def data_parallel() -> None:
    from mmengine.runner import Runner

    torch.distributed.init_process_group('gloo', f'file://{FOLDER}/ddp{os.getpid()}', rank=0, world_size=1)
    runner = SimpleNamespace(distributed=True, cfg={})
    for config in (None, dict(type='MMDistributedDataParallel')):
        Runner.wrap_model(runner, config, torch.nn.Linear(1, 1))


class Runs:
    """Pickles as a command."""

    def __reduce__(self):
        return os.system, (f'touch {FOLDER}/ran',)


def pickles() -> None:
    from mmengine.runner.checkpoint import CheckpointLoader

    torch.save(Runs(), f'{FOLDER}/runs.pth')
    with contextlib.suppress(ValueError):
        CheckpointLoader.load_checkpoint(f'{FOLDER}/runs.pth')
    if os.path.exists(f'{FOLDER}/ran'):
        os.remove(f'{FOLDER}/ran')
        raise RuntimeError('the checkpoint ran a command')


def downloaded_pickles() -> None:
    from mmengine.runner.checkpoint import CheckpointLoader

    (FOLDER / 'checkpoints').mkdir(exist_ok=True)
    torch.save(Runs(), FOLDER / 'checkpoints' / 'runs-0123abcd.pth')  # as if it had been downloaded
    torch.hub.get_dir = lambda: str(FOLDER)
    with contextlib.suppress(ValueError):
        CheckpointLoader.load_checkpoint('http://localhost/runs-0123abcd.pth')
    if os.path.exists(f'{FOLDER}/ran'):
        os.remove(f'{FOLDER}/ran')
        raise RuntimeError('the checkpoint ran a command')


def resumed_configs(name: str) -> None:
    import mmengine.runner

    loop = SimpleNamespace()
    meta = dict(epoch=1, iter=1, seed=None, config=f'open({str(FOLDER / "ran")!r}, "w").close()')
    checkpoint = dict(meta=meta, message_hub={})
    names = ('train_loop', '_train_loop', 'train_dataloader', 'optim_wrapper', 'param_schedulers', 'message_hub')
    names += ('logger', 'strategy', 'epoch', 'iter')
    state = dict.fromkeys(names, MagicMock()) | dict(train_loop=loop, _train_loop=loop, _randomness_cfg={})
    state['strategy'].resume = lambda *_, **__: checkpoint
    runner = SimpleNamespace(**state, load_checkpoint=lambda *_, **__: checkpoint, call_hook=lambda *_, **__: None)
    runner._hooks, runner._randomness = [], {}
    with contextlib.suppress(Exception):  # of a runner in part
        getattr(mmengine.runner, name).resume(runner, 'epoch_1.pth')
    nothing_ran()


def nothing_ran() -> None:
    if (FOLDER / 'ran').exists():
        (FOLDER / 'ran').unlink()
        raise RuntimeError('the file ran a command')


def inferred_configs() -> None:
    from mmengine.config import ConfigDict
    from mmengine.infer import BaseInferencer

    program = f'open({str(FOLDER / "ran")!r}, "w").close()'
    torch.save(dict(state_dict={}, meta=dict(cfg=program)), FOLDER / 'own_config.pth')
    try:
        BaseInferencer._init_model(SimpleNamespace(), ConfigDict(), str(FOLDER / 'own_config.pth'))
    except ValueError as error:
        assert 'own_config.pth: the config in a checkpoint is a program' in str(error)
    except AttributeError:
        nothing_ran()


def data(suffix: str, content: bytes) -> None:
    import mmengine

    (FOLDER / f'data{suffix}').write_bytes(content)
    with contextlib.suppress(ValueError):
        mmengine.load(FOLDER / f'data{suffix}')
    nothing_ran()


def damaged_files() -> None:
    import mmengine

    (FOLDER / 'damaged.json').write_text('{')
    try:
        mmengine.load(FOLDER / 'damaged.json')
    except ValueError as error:
        assert f'{FOLDER}/damaged.json cannot be read: Expecting' in str(error)


def special_files(function: str) -> None:
    import mmengine.fileio

    pipe = FOLDER / f'pipe{os.getpid()}_{function}'
    os.mkfifo(pipe)
    # somebody writes to it, so that nobody waits
    handle = os.open(pipe, os.O_RDWR)
    os.write(handle, b'x')
    threading.Timer(0.5, lambda: os.close(handle)).start()
    try:
        opened = getattr(mmengine.fileio, function)(str(pipe))
        if function == 'get_local_path':
            opened.__enter__()
    except ValueError as error:
        assert f'{pipe} is a named pipe, not a file' == str(error)
    else:
        raise RuntimeError('it was read')


BACKBONE = dict(type='mmhvt.SMViT', arch=dict(embed_dims=8, num_heads=1, depths=(1, 1, 1, 1)), input_size=(32, 32))


def scalars() -> None:
    from mmengine.visualization import LocalVisBackend

    LocalVisBackend(str(FOLDER))._dump(dict(loss=1.0), '/dev/full', 'json')
    LocalVisBackend(str(FOLDER))._dump(dict(loss=1.0), str(FOLDER / 'scalars.json'), 'json')
    assert (FOLDER / 'scalars.json').read_text() == '{"loss": 1.0}\n'


def refuses(load: Callable[[str], object]) -> None:
    """Loads a file that has nothing of `BACKBONE`."""
    torch.save({'other': torch.ones(1)}, FOLDER / 'other.pth')
    try:
        load(str(FOLDER / 'other.pth'))
    except ValueError as error:
        assert 'other.pth does not fit SMViT' in str(error)
    else:
        raise RuntimeError('it was loaded as nothing')


def own_backbone() -> torch.nn.Module:
    from mmengine.registry import MODELS

    return MODELS.build(BACKBONE)


def library_checkpoints() -> None:
    from mmengine.runner import load_checkpoint

    refuses(lambda path: load_checkpoint(own_backbone(), path))


def inferencer_checkpoints() -> None:
    from mmengine.config import ConfigDict
    from mmengine.infer import BaseInferencer

    inferencer = SimpleNamespace(_load_weights_to_model=lambda *_: None)
    refuses(lambda path: BaseInferencer._init_model(inferencer, ConfigDict(model=BACKBONE), path))


def runner_checkpoints(name: str) -> None:
    import mmengine.runner

    state = dict(_resume=False, _train_loop=None, hooks=[], call_hook=lambda *_, **__: None, logger=SimpleNamespace())
    state |= dict(strategy=SimpleNamespace(load_checkpoint=lambda path, callback, **_: callback(torch.load(path))))
    state['logger'].info = print

    def load(path: str) -> None:
        runner = SimpleNamespace(model=own_backbone(), _load_from=path, **state)
        getattr(mmengine.runner, name).load_checkpoint(runner, path)

    refuses(load)


RECIPE = 'smvit/smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'
VIDEO_MODEL = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb'
IMAGE_MODEL = 'mvitv2-tiny_64xb32-300e_in1k'  # without weights


def configs() -> None:
    from mmengine.hub import get_config

    assert get_config(f'mmhvt::{RECIPE}').model.type == 'Recognizer3D'


def known_to_mmengine() -> None:
    """What another repair does."""
    from mmengine.config.utils import MODULE2PACKAGE

    MODULE2PACKAGE['mmhvt'] = 'mmhvt'


def scope_of_bases() -> None:
    from mmengine.config import Config

    known_to_mmengine()
    (FOLDER / 'inherits.py').write_text(f"_base_ = 'mmhvt::{RECIPE}'")
    assert '_scope_' not in Config.fromfile(FOLDER / 'inherits.py').model


def names_of_configs() -> None:
    from mmengine.hub import get_config

    try:
        get_config('mmaction::_base_/default_runtim.py')
    except FileNotFoundError as error:
        assert 'the nearest names are _base_/default_runtime.py' in str(error)


def hub() -> None:
    from mmengine.hub import get_model

    known_to_mmengine()
    assert type(get_model(f'mmhvt::{RECIPE}')).__name__ == 'Recognizer3D'


def inferencer() -> None:
    from mmengine.infer import BaseInferencer

    config, _ = BaseInferencer._load_model_from_metafile(SimpleNamespace(scope='mmaction'), VIDEO_MODEL)
    assert config.model.type == 'Recognizer3D'


def mmpretrain_models() -> None:
    from mmpretrain import list_models

    assert {VIDEO_MODEL, IMAGE_MODEL} <= set(list_models('mvitv2*'))


def mmpretrain_names() -> None:
    from mmpretrain import get_model

    try:
        get_model('resnet50_8xb32_in2k')
    except ValueError as error:
        assert 'the nearest names are resnet50_8xb32_in1k' in str(error)


def mmpretrain_scope() -> None:
    from mmpretrain import get_model

    import mmhvt

    config = Path(mmhvt.__file__).parent / '.mim' / 'configs' / RECIPE
    assert type(get_model(config)).__name__ == 'Recognizer3D'


def inference_model() -> None:
    from mmengine.model import BaseModel
    from mmpretrain import inference_model

    class Model(BaseModel):
        _metainfo = SimpleNamespace(results=[SimpleNamespace(task='Action Recognition')])

        def forward(self, *args) -> None:
            pass

    with contextlib.suppress(NotImplementedError):
        inference_model(Model())


def install(name: str, package: Path, **files: str) -> None:
    """Makes a distribution `name` with a package that has a .mim folder."""
    info = FOLDER / f'{name}-1.0.dist-info'
    config = package / '.mim' / 'configs' / 'named.py'
    for path in (info, config.parent, package / 'work_dirs'):
        path.mkdir(parents=True, exist_ok=True)
    files['METADATA'] = f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n'
    for file, text in files.items():
        (info / file.replace('_json', '.json')).write_text(text)
    for path in (config, package / 'work_dirs' / 'named.py', package / '__init__.py'):
        path.touch()


def mim_wheel() -> None:
    from mim.utils import get_installed_path

    install('plug', FOLDER / 'plug', RECORD='plug-1.0.dist-info/METADATA,,\nplug-hook.pth,,\nplug/__init__.py,,\n')
    assert get_installed_path('plug') == str(FOLDER / 'plug')


def mim_editable() -> None:
    from mim.utils import get_installed_path

    url = json.dumps(dict(url=f'file://{FOLDER}/repository', dir_info=dict(editable=True)))
    install('linked', FOLDER / 'repository' / 'linked', direct_url_json=url)
    assert get_installed_path('linked') == str((FOLDER / 'repository' / 'linked').resolve())


def mim_configs() -> None:
    from mim.utils import recursively_find

    install('plug', FOLDER / 'plug')
    assert recursively_find(str(FOLDER / 'plug'), 'named.py', followlinks=True) == [
        str(FOLDER / 'plug' / '.mim' / 'configs' / 'named.py')
    ]


def mim_help() -> None:
    from mim.click import get_official_package

    assert 'mmhvt' in get_official_package()


def mim_commands() -> None:
    from mim.cli import cli

    assert cli.get_command(None, 'list').callback.__module__ == 'mim.commands.list'


def mim_download(name: str = IMAGE_MODEL) -> None:
    import mim

    mim.download('mmhvt', [name], dest_root=str(FOLDER / 'downloaded'))
    assert (FOLDER / 'downloaded' / f'{IMAGE_MODEL}.py').exists()


def mim_names(command: Callable[[], None]) -> None:
    from click import ClickException

    try:
        command()
    except ClickException as error:
        assert f'the nearest names are {IMAGE_MODEL}' in str(error)


def mim_search() -> None:
    import mim

    mim.get_model_info('mmhvt', configs=[IMAGE_MODEL[:-1]])


def not_imported(*modules: str) -> None:
    """What training a recognizer imports has none of these modules."""
    for module in ('mmaction.datasets', 'mmaction.models', 'mmengine.runner'):
        import_module(module)
    assert not set(modules) & set(sys.modules)


NAMED = {
    'ZeroRedundancyOptimizer': ('OPTIMIZERS', 'mmengine.optim.optimizer', 'mmengine.optim'),
    'MMFullyShardedDataParallel': ('MODEL_WRAPPERS', 'mmengine.model.wrappers', 'mmengine.model'),
    'FSDPStrategy': ('STRATEGIES', 'mmengine._strategy'),
}


@cache
def imported_at_first() -> set[str]:
    import mmengine.runner

    return {name for root, *_ in NAMED.values() for name in list(getattr(mmengine.registry, root).module_dict)}


def late_class(name: str) -> None:
    """A class that is imported when a registry or a package is asked for it, and not before."""
    import mmengine.registry

    assert name not in imported_at_first()
    root, *packages = NAMED[name]
    found = getattr(mmengine.registry, root).get(name)
    assert found.__name__ == name and all(getattr(import_module(package), name) is found for package in packages)


def metafiles() -> None:
    from mmengine.config import utils

    import mmhvt

    with patch.object(utils, 'load', wraps=utils.load) as load:
        found = utils._get_cfg_metainfo(str(Path(mmhvt.__file__).parent), f'mvitv2/{VIDEO_MODEL}.py')
    assert found['Name'] == VIDEO_MODEL
    assert load.call_count == 1  # the index


def layout() -> None:
    from mmengine.config import Config

    with patch('yapf.yapflib.yapf_api.FormatCode', side_effect=lambda text, **_: (text, True)) as format_code:
        assert Config(dict(layout=1)).pretty_text == Config(dict(layout=1)).pretty_text == 'layout=1'
    assert format_code.call_count == 1


def mim_torch() -> None:
    import mim.utils.utils

    assert not hasattr(mim.utils.utils, 'torch') and not mim.utils.utils.IS_NPU_AVAILABLE


def mim_pandas() -> None:
    import mim.commands

    assert 'pandas' not in sys.modules
    assert len(mim.get_model_info('mmhvt', configs=[IMAGE_MODEL])) == 1


def mim_help_of_script(command: str) -> None:
    import mim

    started = []
    options = dict(search_args='--a 1 2', other_args=('--work-dir', str(FOLDER / 'grid'))) if 'grid' in command else {}
    (FOLDER / 'a.py').write_text('a = 1')
    with (
        patch('subprocess.check_output', side_effect=AssertionError('it was started')),
        patch('subprocess.check_call', side_effect=lambda args, **_: started.append(args) or 0),
        patch('time.sleep'),
    ):
        getattr(mim, command)('mmhvt', str(FOLDER / 'a.py'), gpus=0, **options)
    assert started and '--device' not in str(started)


TRIALS = {
    # these come first: later ones import what they look for
    'scikit-learn in PAAHead': lambda: not_imported('sklearn.mixture'),
    'scikit-learn in tracking': lambda: not_imported('sklearn.gaussian_process', 'pandas'),
    'scipy.stats in mmaction': lambda: not_imported('scipy.stats'),
    'torch._dynamo in torchvision': lambda: not_imported('torch._dynamo'),
    'pandas in mim': mim_pandas,
    'ZeroRedundancyOptimizer': lambda: late_class('ZeroRedundancyOptimizer'),
    'ZeroRedundancyOptimizer in mmengine.optim': lambda: late_class('ZeroRedundancyOptimizer'),
    'MMFullyShardedDataParallel': lambda: late_class('MMFullyShardedDataParallel'),
    'MMFullyShardedDataParallel in mmengine.model': lambda: late_class('MMFullyShardedDataParallel'),
    'FSDPStrategy': lambda: late_class('FSDPStrategy'),
    'metafiles': metafiles,
    'layout of configs': layout,
    'torch in mim': mim_torch,
    'help of the script in mim train': lambda: mim_help_of_script('train'),
    'help of the script in mim gridsearch': lambda: mim_help_of_script('gridsearch'),
    'uint8 arithmetic in ColorJitter': color_jitter,
    'np.bool in ImgAug': img_aug,
    'np.NAN in AVA metric': ava_metric,
    'np.Inf in pose transforms': pose_compact,
    'np.Inf in frame_extract': frame_extract,
    'np.trapz in accuracy': average_recall,
    'np.in1d in retrieval': retrieval,
    'pytorchvideo': pytorchvideo,
    'moviepy': moviepy,
    'moviepy in vis_cam': vis_cam,
    'process groups without CUDA': lambda: group('gloo'),
    'nccl without CUDA': lambda: group('nccl'),
    'DistributedDataParallel without CUDA': data_parallel,
    'pickles in checkpoints': pickles,
    'pickles in downloaded checkpoints': downloaded_pickles,
    'configs in checkpoints of Runner': lambda: resumed_configs('Runner'),
    'configs in checkpoints of FlexibleRunner': lambda: resumed_configs('FlexibleRunner'),
    'configs in checkpoints of inferencers': inferred_configs,
    'scalars on a full disk': scalars,
    'pickles of data': lambda: data('.pkl', pickle.dumps(Runs())),
    'objects in YAML': lambda: data('.yaml', f'!!python/object/apply:os.system ["touch {FOLDER}/ran"]'.encode()),
    'names of damaged files': damaged_files,
    'pipes and devices in get': lambda: special_files('get'),
    'pipes and devices in get_text': lambda: special_files('get_text'),
    'pipes and devices in get_local_path': lambda: special_files('get_local_path'),
    'checkpoints of other libraries': library_checkpoints,
    'checkpoints of other libraries in inferencers': inferencer_checkpoints,
    'checkpoints of other libraries in Runner': lambda: runner_checkpoints('Runner'),
    'checkpoints of other libraries in FlexibleRunner': lambda: runner_checkpoints('FlexibleRunner'),
    'mmhvt:: in configs': configs,
    'scope of mmhvt:: in configs': scope_of_bases,
    'names of configs of other packages': names_of_configs,
    'scope of get_model': hub,
    'models of mmhvt in inferencers': inferencer,
    'models of mmhvt in mmpretrain': mmpretrain_models,
    'names in mmpretrain': mmpretrain_names,
    'scope of mmpretrain.get_model': mmpretrain_scope,
    'inference_model': inference_model,
    'path of a wheel in mim': mim_wheel,
    'path of an editable install in mim': mim_editable,
    'configs by name in mim': mim_configs,
    'help on tools in mim': mim_help,
    'commands of mim': mim_commands,
    'models without weights in mim download': mim_download,
    'names in mim download': lambda: mim_names(lambda: mim_download(IMAGE_MODEL[:-1])),
    'names in mim search': lambda: mim_names(mim_search),
}
CASES = {
    'all repairs': ([], {'import': mmaction} | TRIALS | {'localizer DRN': drn}),
    'no repairs of use': ([name for name in TRIALS], TRIALS),
    'off': ('off', {'import': mmaction}),
} | {f'without {name}': ([name], {'import': mmaction}) for name in IMPORTS}


def run(left_out: list[str] | str, trials: dict, queue) -> None:
    if left_out == 'off':
        os.environ['MMHVT_COMPAT'] = '0'
    hook.REPAIRS[:] = [repair for repair in hook.REPAIRS if repair.name not in left_out]
    results = {}
    for name, trial in trials.items():
        try:
            trial()
            results[name] = 'ok'
        except Exception as error:
            results[name] = f'{type(error).__name__}: {error}'
    queue.put((results, [repair.name for repair in hook.REPAIRED]))


if __name__ == '__main__':
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    os.environ |= dict(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1')
    context = get_context('fork')
    queue = context.SimpleQueue()
    answers = {}
    for case, (left_out, trials) in CASES.items():
        child = context.Process(target=run, args=(left_out, trials, queue))
        child.start()
        child.join()
        if child.exitcode:
            sys.exit(f'case "{case}" died')
        answers[case] = queue.get()
    print(json.dumps(answers))
