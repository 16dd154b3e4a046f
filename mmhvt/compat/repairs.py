"""Repairs of what keeps the released OpenMMLab packages from being imported or run with current packages.

mmaction2 1.2.0, the latest release, is from 2023. Changed behavior belongs not here, but in a class of mmhvt that a
config names. ``python -m mmhvt.compat`` prints this table.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ['REPAIRS', 'Repair', 'release']


@dataclass(frozen=True)
class Repair:
    """A text replacement in the source of one module.

    Attributes:
        name: Short name for the report.
        module: Full name of the module.
        broken: Text to replace wherever it occurs. Does not occur in a module that needs no repair.
        repaired: Replacement with the same number of lines, so that tracebacks keep their line numbers.
        reason: What fails without the repair.
        is_due: Function that takes the path of the module's file and returns whether the broken text fails in this
            environment. Defaults to always.
    """

    name: str
    module: str
    broken: str
    repaired: str
    reason: str
    is_due: Callable[[Path], bool] = lambda path: True


def release(version: str) -> tuple[int, ...]:
    """Parses the release of a version: (2, 11, 0) for '2.11.0+cu130'. A release candidate counts as its release."""
    numbers = re.match(r'[\d.]*\d', version)
    if numbers is None:
        raise ValueError(f'{version!r} is not a version: it does not begin with numbers')
    return tuple(int(part) for part in numbers[0].split('.'))


def mmcv_is_newer(path: Path) -> bool:
    import mmcv

    return release(mmcv.__version__) >= (2, 2)


def drn_is_missing(path: Path) -> bool:
    return not (path.parent / 'drn').is_dir()


def is_at_least(distribution: str, minimum: str) -> Callable[[Path], bool]:
    """Returns a test of whether a distribution is installed in version ``minimum`` or newer. Does not import it."""

    def is_due(path: Path) -> bool:
        try:
            return release(version(distribution)) >= release(minimum)
        except PackageNotFoundError:
            return False

    return is_due


def has_no_cuda(path: Path) -> bool:
    import torch

    return not torch.cuda.is_available()


def late_function(module: str, name: str) -> str:
    """Returns an expression for a function or class that is imported when it is called."""
    return f"__import__('mmhvt.compat.late', fromlist=['']).late_function('{module}', '{name}')"


def late_class(module: str, name: str, registry: str) -> str:
    """Returns a statement with which a package exports a registered class without importing it."""
    return (
        f'from mmengine.registry import {registry}; from mmhvt.compat.late import late_class; '
        f"__getattr__ = late_class('{module}', '{name}', {registry})"
    )


NUMPY_2 = is_at_least('numpy', '2.0')
NOTHING_LOADED = (
    'nothing is loaded from a file of another library or model, with only a warning; models with a backbone of mmhvt '
    'convert or reject the file, and all others are left alone'
)
IMPORTED_BY_ALL = 'every program imports what few use'

REPAIRS = [
    Repair(
        name='mmcv version',
        module='mmaction',
        broken="mmcv_maximum_version = '2.2.0'",
        repaired="mmcv_maximum_version = '2.4.0'",
        reason='mmaction asserts mmcv < 2.2.0, but the maintained mmcv is 2.3 and has everything that mmaction uses',
        is_due=mmcv_is_newer,
    ),
    Repair(
        name='localizer DRN',
        module='mmaction.models.localizers',
        broken='from .drn.drn import DRN',
        repaired='from mmhvt.compat.missing import DRN',
        reason='the wheel lacks the folder drn: importing mmaction.models fails; building a DRN raises a clear error',
        is_due=drn_is_missing,
    ),
    Repair(
        name='uint8 arithmetic in ColorJitter',
        module='mmaction.datasets.transforms.processing',
        broken='(hsv[..., 0] + offset) % 180',
        repaired='(hsv[..., 0].astype(np.int16) + offset) % 180',
        reason='NumPy 2 refuses to add a negative int to uint8, which NumPy 1 widened; negative hue shifts fail',
        is_due=NUMPY_2,
    ),
    Repair(
        name='np.bool in ImgAug',
        module='mmaction.datasets.transforms.wrappers',
        broken="if digit_version(np.__version__) >= digit_version('1.24.0'):",
        repaired="if not hasattr(np, 'bool'):",
        reason="the transform replaces NumPy 2's np.bool with Python's bool in the whole process",
        is_due=NUMPY_2,
    ),
    Repair(
        name='np.NAN in AVA metric',
        module='mmaction.evaluation.functional.ava_evaluation.metrics',
        broken='np.NAN',
        repaired='np.nan',
        reason='NumPy 2.0 removed it; AVAMetric fails on a class that is detected but has no ground truth',
        is_due=NUMPY_2,
    ),
    Repair(
        name='np.Inf in pose transforms',
        module='mmaction.datasets.transforms.pose_transforms',
        broken='np.Inf',
        repaired='np.inf',
        reason='NumPy 2.0 removed it; PoseCompact fails',
        is_due=NUMPY_2,
    ),
    Repair(
        name='np.Inf in frame_extract',
        module='mmaction.utils.misc',
        broken='np.Inf',
        repaired='np.inf',
        reason='NumPy 2.0 removed it; frame_extract(short_side=...) fails',
        is_due=NUMPY_2,
    ),
    Repair(
        name='np.trapz in accuracy',
        module='mmaction.evaluation.functional.accuracy',
        broken='np.trapz',
        repaired='np.trapezoid',
        reason='NumPy 2.4 removed it; average_recall_at_avg_proposals fails',
        is_due=is_at_least('numpy', '2.4'),
    ),
    Repair(
        name='np.in1d in retrieval',
        module='mmaction.evaluation.metrics.multimodal_metric',
        broken='np.in1d',
        repaired='np.isin',
        reason='NumPy 2.4 removed it; RetrievalRecall fails',
        is_due=is_at_least('numpy', '2.4'),
    ),
    Repair(
        name='pytorchvideo',
        module='mmaction.datasets.transforms.wrappers',
        broken='import pytorchvideo.transforms as ptv_trans',
        repaired=(
            'import sys, torchvision.transforms._functional_tensor as functional_tensor; '
            "sys.modules.setdefault('torchvision.transforms.functional_tensor', functional_tensor); "
            'import pytorchvideo.transforms as ptv_trans'
        ),
        reason='pytorchvideo 0.1.5 imports a module that torchvision 0.17 made private; PytorchVideoWrapper fails',
        is_due=is_at_least('torchvision', '0.17'),
    ),
    Repair(
        name='transformers in mmaction',
        module='mmaction.utils.dependency',
        broken='WITH_MULTIMODAL = all(',
        repaired='WITH_MULTIMODAL = False and all(',
        reason=(
            'transformers 4.56 moved what the VindLU models import, so importing mmaction.models fails; '
            'building a VindLU model raises an ImportError'
        ),
        is_due=is_at_least('transformers', '4.56'),
    ),
    Repair(
        name='transformers in mmpretrain',
        module='mmpretrain.utils.dependency',
        broken='WITH_MULTIMODAL = all(',
        repaired='WITH_MULTIMODAL = False and all(',
        reason=(
            'transformers 5 removed what the multimodal models import, so importing mmpretrain.models, which '
            'mmaction.models imports, fails'
        ),
        is_due=is_at_least('transformers', '5.0'),
    ),
    Repair(
        name='moviepy',
        module='mmaction.visualization.video_backend',
        broken='from moviepy.editor import',
        repaired='from moviepy import',
        reason='moviepy 2 has no moviepy.editor; the inferencers cannot write videos',
        is_due=is_at_least('moviepy', '2.0'),
    ),
    Repair(
        name='moviepy in vis_cam',
        # the script itself cannot be repaired, since it is run and not imported
        module='mmaction.utils.gradcam_utils',
        broken='import matplotlib.pyplot as plt',
        repaired="import matplotlib.pyplot as plt, moviepy, sys; sys.modules.setdefault('moviepy.editor', moviepy)",
        reason='moviepy 2 has no moviepy.editor; tools/visualizations/vis_cam.py cannot write what it draws',
        is_due=is_at_least('moviepy', '2.0'),
    ),
    Repair(
        name='process groups without CUDA',
        module='mmengine.dist.utils',
        broken='torch.cuda.set_device(local_rank)',
        repaired='torch.cuda.is_available() and torch.cuda.set_device(local_rank)',
        reason='mmengine selects a CUDA device for every backend, including gloo on CPU',
        is_due=has_no_cuda,
    ),
    Repair(
        name='nccl without CUDA',
        module='mmengine.dist.utils',
        broken='torch_dist.init_process_group(backend=backend, **kwargs)',
        repaired="torch_dist.init_process_group(backend='gloo' if backend == 'nccl' else backend, **kwargs)",
        reason='nccl, the default of every runner, does not support CPU; gloo does',
        is_due=has_no_cuda,
    ),
    Repair(
        name='DistributedDataParallel without CUDA',
        module='mmengine.runner.runner',
        broken="[int(os.environ['LOCAL_RANK'])]",
        repaired="[int(os.environ['LOCAL_RANK'])] if next(model.parameters()).device.type != 'cpu' else None",
        reason='mmengine passes a device id, which DistributedDataParallel rejects for a model on CPU',
        is_due=has_no_cuda,
    ),
    Repair(
        name='mmhvt:: in configs',
        module='mmengine.config.utils',
        broken='MODULE2PACKAGE = {',
        repaired="MODULE2PACKAGE = {'mmhvt': 'mmhvt',",
        reason="MMEngine knows a fixed list of packages; _base_ = 'mmhvt::...' and get_config('mmhvt::...') fail",
    ),
    Repair(
        name='scope of mmhvt:: in configs',
        module='mmengine.config.config',
        broken='return cfg_path, scope',
        repaired="return cfg_path, None if scope == 'mmhvt' else scope",
        reason=(
            'a base of another package is built in the scope of that package, but the scope of our configs is '
            'mmaction, mmdet or mmpretrain'
        ),
    ),
    Repair(
        name='names of configs of other packages',
        module='mmengine.config.utils',
        broken="""\
    cfg_path = osp.join(package_path, '.mim', 'configs', cfg_name)
    check_file_exist(cfg_path)
""",
        repaired="""\
    from mmhvt.hub import config_path
    cfg_path = config_path(osp.join(package_path, '.mim', 'configs'), cfg_name)
""",
        reason="the error for an unknown config, as in _base_ = 'mmhvt::...', names no known one",
    ),
    Repair(
        name='metafiles',
        module='mmengine.config.utils',
        broken='cfg_meta = load(meta_path)',
        repaired='from mmhvt.compat.late import load_naming; cfg_meta = load_naming(cfg_path, meta_path)',
        reason=(
            "each _base_ = 'mmaction::...' reads all metafiles of the package, which takes 0.1 to 0.2 seconds; the "
            'repair reads only those that name the config'
        ),
    ),
    Repair(
        name='layout of configs',
        module='mmengine.config.config',
        broken='from yapf.yapflib.yapf_api import FormatCode',
        repaired='from mmhvt.compat.late import format_code as FormatCode',
        reason=(
            'yapf formats the text of a config up to six times per run, each taking 0.2 to 1 second; with the repair, '
            'once'
        ),
    ),
    Repair(
        name='ZeroRedundancyOptimizer',
        module='mmengine.optim.optimizer',
        broken='from .zero_optimizer import ZeroRedundancyOptimizer',
        repaired=late_class('mmengine.optim.optimizer.zero_optimizer', 'ZeroRedundancyOptimizer', 'OPTIMIZERS'),
        reason=f'{IMPORTED_BY_ALL}: torch.distributed.optim, which compiles eight optimizers to TorchScript',
    ),
    Repair(
        name='ZeroRedundancyOptimizer in mmengine.optim',
        module='mmengine.optim',
        broken='OptimWrapperDict, ZeroRedundancyOptimizer,',
        repaired='OptimWrapperDict, __getattr__,',
        reason=f'{IMPORTED_BY_ALL}: torch.distributed.optim, which compiles eight optimizers to TorchScript',
    ),
    Repair(
        name='MMFullyShardedDataParallel',
        module='mmengine.model.wrappers',
        broken="""\
    from .fully_sharded_distributed import \\
        MMFullyShardedDataParallel  # noqa:F401
""",
        repaired=f"""\
    {late_class('mmengine.model.wrappers.fully_sharded_distributed', 'MMFullyShardedDataParallel', 'MODEL_WRAPPERS')}

""",
        reason=f'{IMPORTED_BY_ALL}: FSDP, and with it torch._dynamo and sympy',
    ),
    Repair(
        name='MMFullyShardedDataParallel in mmengine.model',
        module='mmengine.model',
        broken='from .wrappers import MMFullyShardedDataParallel',
        repaired='from .wrappers import __getattr__',
        reason=f'{IMPORTED_BY_ALL}: FSDP, and with it torch._dynamo and sympy',
    ),
    Repair(
        name='FSDPStrategy',
        module='mmengine._strategy',
        broken='from .fsdp import FSDPStrategy',
        repaired=late_class('mmengine._strategy.fsdp', 'FSDPStrategy', 'STRATEGIES'),
        reason=f'{IMPORTED_BY_ALL}: FSDP, and with it torch._dynamo and sympy',
    ),
    Repair(
        name='scipy.stats in mmaction',
        module='mmaction.datasets.transforms.pose_transforms',
        broken='from scipy.stats import mode',
        repaired=f'mode = {late_function("scipy.stats", "mode")}',
        reason=f'{IMPORTED_BY_ALL}: scipy.stats, for one transform of skeletons',
    ),
    Repair(
        name='scikit-learn in PAAHead',
        module='mmdet.models.dense_heads.paa_head',
        broken='import sklearn.mixture as skm',
        repaired=(
            'from types import SimpleNamespace; '
            f'skm = SimpleNamespace(GaussianMixture={late_function("sklearn.mixture", "GaussianMixture")})'
        ),
        reason=f'{IMPORTED_BY_ALL}: scikit-learn and pandas, for one detector',
    ),
    Repair(
        name='scikit-learn in tracking',
        module='mmdet.models.task_modules.tracking.interpolation',
        broken="""\
    from sklearn.gaussian_process import GaussianProcessRegressor as GPR
    from sklearn.gaussian_process.kernels import RBF
""",
        repaired=f"""\
    GPR = {late_function('sklearn.gaussian_process', 'GaussianProcessRegressor')}
    RBF = {late_function('sklearn.gaussian_process.kernels', 'RBF')}
""",
        reason=f'{IMPORTED_BY_ALL}: scikit-learn and pandas, for one tracking method',
    ),
    Repair(
        name='torch._dynamo in torchvision',
        module='torchvision.ops.roi_align',
        broken='from torch._dynamo.utils import is_compile_supported',
        repaired=f'is_compile_supported = {late_function("torch._dynamo.utils", "is_compile_supported")}',
        reason='importing torchvision imports torch._dynamo and sympy, which takes 1.5 seconds',
    ),
    Repair(
        name='scope of get_model',
        module='mmengine.hub.hub',
        broken="models_module = importlib.import_module(f'{package}.utils')",
        repaired='models_module = importlib.import_module(f\'{cfg.get("default_scope", package)}.utils\')',
        reason='get_model builds in the scope of the package, not in the scope of the config, which has Recognizer3D',
    ),
    Repair(
        name='models of mmhvt in inferencers',
        module='mmengine.infer.infer',
        broken="raise ValueError(f'Cannot find model: {model} in {self.scope}')",
        repaired=(
            'from mmhvt.hub import model_of_inferencer; return model_of_inferencer(model, self.scope, '
            "[other['Name'] for other in BaseInferencer._get_models_from_metafile(repo_or_mim_dir)])"
        ),
        reason='an inferencer finds models by name only in the package of its scope',
    ),
    Repair(
        name='models of mmhvt in mmpretrain',
        module='mmpretrain.apis.model',
        broken='cls.__mmpretrain_registered = True',
        repaired='cls.__mmpretrain_registered = True; from mmhvt.hub import register_models; register_models(cls)',
        reason='list_models and get_model know only the models of mmpretrain',
    ),
    Repair(
        name='names in mmpretrain',
        module='mmpretrain.apis.model',
        broken="""\
            raise ValueError(
                f'Failed to find model "{model_name}". please use '
                '`mmpretrain.list_models` to get all available names.')
""",
        repaired="""\
            from mmhvt.hub import nearest
            raise ValueError(f'Failed to find model "{model_name}": '
                             + nearest(model_name, cls._models_dict))
""",
        reason='the error for an unknown model names no known one',
    ),
    Repair(
        name='scope of mmpretrain.get_model',
        module='mmpretrain.apis.model',
        broken="DefaultScope.overwrite_default_scope('mmpretrain')",
        repaired="DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmpretrain'))",
        reason='get_model builds the recognizers and detectors that its hub knows in the scope of mmpretrain',
    ),
    Repair(
        name='inference_model',
        module='mmpretrain.apis.model',
        broken='inferencer_type = inferencer_type[0]',
        repaired='inferencer_type = inferencer_type[0] if inferencer_type else None',
        reason='a model of a task without an inferencer raises an IndexError instead of the error that says so',
    ),
    Repair(
        name='path of a wheel in mim',
        module='mim.utils.utils',
        broken='first_file = str(dist.files[0])',
        repaired="first_file = str(next((f for f in dist.files if f.name == '__init__.py'), dist.files[0]))",
        reason=(
            'mim mistakes the folder of the first installed file for the package. If a distribution is named like its '
            'module, this is NAME.dist-info: mim list, search, train and run do not find mmhvt'
        ),
    ),
    Repair(
        name='path of an editable install in mim',
        module='mim.utils.utils',
        broken="""\
                    path = osp.realpath(path)
                return path
""",
        repaired="""\
                    path = osp.realpath(path)
                return next((e.path for e in os.scandir(path) if osp.isdir(osp.join(e.path, '.mim'))), path)
""",
        reason='mim mistakes the whole repository for the package, and finds configs in it, in .mim and in work_dirs',
    ),
    Repair(
        name='configs by name in mim',
        module='mim.utils.utils',
        broken="""\
    files = []
    for _root, _, _files in os.walk(root, followlinks=followlinks):
""",
        repaired="""\
    from mmhvt.compat.mim import find_configs; files = find_configs(root, base_name) if followlinks else []
    for _root, _, _files in () if followlinks else os.walk(root):
""",
        reason=(
            'mim train, test and gridsearch look for a config in the whole package instead of its configs, so that '
            'dumped configs make a name ambiguous; the error for an unknown name lists no known one'
        ),
    ),
    Repair(
        name='torch in mim',
        module='mim.utils.utils',
        broken="""\
    import torch
    import torch_npu  # noqa: F401
""",
        repaired="""\
    import torch_npu  # noqa: F401
    import torch
""",
        reason=(
            'every command of mim imports torch to look for an NPU, which takes 2 seconds; with the repair, only where '
            'torch_npu is installed'
        ),
    ),
    *(
        Repair(
            name=f'help of the script in mim {command}',
            module=f'mim.commands.{command}',
            broken="subprocess.check_output([PYTHON, train_script, '-h'])",
            repaired="__import__('mmhvt.compat.mim', fromlist=['']).options_of_script(train_script)",
            reason='mim starts the script twice, first to look for --gpus in its help, which takes up to 5 seconds',
        )
        for command in ('train', 'gridsearch')
    ),
    Repair(
        name='help on tools in mim',
        module='mim.utils.default',
        broken='OFFICIAL_MODULES = [',
        repaired="OFFICIAL_MODULES = ['mmhvt',",
        reason=(
            'mim run mmhvt TOOL -h says that mmhvt is not a codebase; mim train mmhvt -h shows no options of train.py'
        ),
    ),
    Repair(
        name='pandas in mim',
        module='mim.commands.search',
        broken='from pandas import DataFrame, Series',
        repaired=f'Series = DataFrame = {late_function("pandas", "DataFrame")}',
        reason='every command of mim imports pandas, which takes half a second; only mim search uses it',
    ),
    Repair(
        name='commands of mim',
        module='mim.cli',
        broken="""\
        with open(fn) as f:
            code = compile(f.read(), fn, 'exec')
            eval(code, ns, ns)
        return ns['cli']
""",
        repaired="""\
        from importlib import import_module


        return import_module(f'mim.commands.{name}').cli
""",
        reason='mim executes the source of a command instead of importing it, so repairs of commands do not apply',
    ),
    Repair(
        name='models without weights in mim download',
        module='mim.commands.download',
        broken="""\
        checkpoint_urls = model_info[config]['weight']
        for checkpoint_url in checkpoint_urls.split(','):
""",
        repaired="""\
        checkpoint_urls, filename = model_info[config].get('weight'), None
        for checkpoint_url in checkpoint_urls.split(',') if isinstance(checkpoint_urls, str) else []:
""",
        reason='a model without weights raises an AttributeError, and its config cannot be downloaded',
    ),
    Repair(
        name='names in mim download',
        module='mim.commands.download',
        broken="""\
        raise ValueError(
            highlighted_error(f'Expected configs: {valid_configs}, but got '
                              f'{invalid_configs}'))
""",
        repaired="""\
        from mmhvt.compat.mim import unknown_config

        raise unknown_config(min(invalid_configs), valid_configs)
""",
        reason='the error for an unknown config prints the names of all models',
    ),
    Repair(
        name='names in mim search',
        module='mim.commands.search',
        broken="""\
        raise ValueError(
            highlighted_error(
                f'Expected configs: {valid_configs}, but got {invalid_configs}'
            ))
""",
        repaired="""\
        from mmhvt.compat.mim import unknown_config


        raise unknown_config(min(invalid_configs), valid_configs)
""",
        reason='the error for an unknown config prints the names of all models',
    ),
    Repair(
        name='pickles in checkpoints',
        module='mmengine.runner.checkpoint',
        broken="""\
    if weights_only is None:
        if digit_version(TORCH_VERSION) >= digit_version('2.6.0'):
            try:
                allowlist = get_torch_safe_globals()
                with torch.serialization.safe_globals(allowlist):
                    return torch.load(
                        file, map_location=map_location, weights_only=True)
            except UnpicklingError as e:
                msg = (f'Could not safely load weights: {e}. '
                       'Falling back to weights_only=False. '
                       'In the future this might be removed.')
                print_log(msg, level=logging.WARNING)
                return torch.load(
                    file, map_location=map_location, weights_only=False)
        else:
            return torch.load(file, map_location=map_location)
    else:
        return torch.load(
            file, map_location=map_location, weights_only=weights_only)
""",
        repaired="""\
    from mmhvt.migrate.reading import load

    # an unrestricted pickle would run arbitrary code
    return load(file, map_location)















""",
        reason='load_from and resume fall back to unpickling an unsafe file, which may run arbitrary code',
    ),
    Repair(
        name='pickles in downloaded checkpoints',
        module='mmengine.runner.checkpoint',
        broken="""\
    rank, world_size = get_dist_info()
    if rank == 0:
        checkpoint = load_url(
            filename,
            model_dir=model_dir,
            map_location=map_location,
            progress=progress)
    if world_size > 1:
        torch.distributed.barrier()
        if rank > 0:
            checkpoint = load_url(
                filename,
                model_dir=model_dir,
                map_location=map_location,
                progress=progress)
    return checkpoint
""",
        repaired="""\
    if model_dir is not None:
        return load_url(
            filename,
            model_dir=model_dir,
            map_location=map_location,
            progress=progress, weights_only=True)

    from mmhvt.migrate.reading import fetch


    # downloads once a machine, and has a progress bar



    return load_from_local(fetch(filename), map_location)

""",
        reason='files from a URL are unpickled without any restriction, which may run arbitrary code',
    ),
    *(
        Repair(
            name=f'configs in checkpoints of {runner}',
            module=f'mmengine.runner.{module}',
            broken="""\
            config = mmengine.Config.fromstring(
                checkpoint['meta']['config'], file_format='.py')
""",
            repaired="""\
            # a config is a program
            config = {}
""",
            reason='resume runs the text meta.config of a checkpoint as a program, to read gpu_ids of MMCV 1 from it',
        )
        for runner, module in {'Runner': 'runner', 'FlexibleRunner': '_flexible_runner'}.items()
    ),
    Repair(
        name='configs in checkpoints of inferencers',
        module='mmengine.infer.infer',
        broken="""\
            cfg.update(
                Config.fromstring(cfg_string, file_format='.py')._cfg_dict)
""",
        repaired="""\
            raise ValueError(f'{weights}: the config in a checkpoint is a program, which is not run; '
                             'name the config file, or the model, that the weights belong to')
""",
        reason='an inferencer that gets only weights runs the config in the checkpoint as a program',
    ),
    Repair(
        name='pickles of data',
        module='mmengine.fileio.handlers.pickle_handler',
        broken='return pickle.load(file, **kwargs)',
        repaired='from mmhvt.migrate.pickles import read_results; return read_results(file, **kwargs)',
        reason='pickled annotation files, proposals and dumped results may run arbitrary code',
    ),
    Repair(
        name='objects in YAML',
        module='mmengine.fileio.handlers.yaml_handler',
        broken="kwargs.setdefault('Loader', Loader)",
        repaired=("from mmhvt.utils.plain_yaml import PlainLoader; kwargs.setdefault('Loader', PlainLoader)"),
        reason='a YAML file, for example of annotations, may call any function (!!python/object/apply), or never end',
    ),
    Repair(
        name='names of damaged files',
        module='mmengine.fileio.io',
        broken="""\
        if handler.str_like:
            with StringIO(file_backend.get_text(file)) as f:
                obj = handler.load_from_fileobj(f, **kwargs)
        else:
            with BytesIO(file_backend.get(file)) as f:
                obj = handler.load_from_fileobj(f, **kwargs)
""",
        repaired="""\
        from mmhvt.utils.files import parse

        obj = parse(handler, file_backend, file, kwargs)



""",
        reason='the error for an unreadable JSON, YAML or pickle does not name the file',
    ),
    *(
        Repair(
            name=f'pipes and devices in {function}',
            module='mmengine.fileio.backends.local_backend',
            broken=broken,
            repaired=repaired,
            reason='a pipe or device in place of an annotation, label or video file is read without end',
        )
        for function, broken, repaired in (
            (
                'get',
                """\
        with open(filepath, 'rb') as f:
            value = f.read()
        return value
""",
                """\
        from mmhvt.utils.files import require_file
        with open(require_file(filepath), 'rb') as f:
            return f.read()
""",
            ),
            (
                'get_text',
                """\
        with open(filepath, encoding=encoding) as f:
            text = f.read()
        return text
""",
                """\
        from mmhvt.utils.files import require_file
        with open(require_file(filepath), encoding=encoding) as f:
            return f.read()
""",
            ),
            (
                'get_local_path',
                '        yield filepath\n',
                '        from mmhvt.utils.files import require_file; require_file(filepath); yield filepath\n',
            ),
        )
    ),
    Repair(
        name='scalars on a full disk',
        module='mmengine.visualization.vis_backend',
        broken="""\
        with open(file_path, 'a+') as f:
            dump(value_dict, f, file_format=file_format)
            f.write('\\n')
""",
        repaired="""\
        from mmhvt.engine.durable import append_line

        append_line(file_path, dump(value_dict, file_format=file_format))
""",
        reason='a log line that does not fit on the disk ends the training, with an error that does not name the file',
    ),
    Repair(
        name='checkpoints of other libraries',
        module='mmengine.runner.checkpoint',
        broken="""\
    return _load_checkpoint_to_model(model, checkpoint, strict, logger,
                                     revise_keys)
""",
        repaired="""\
    from mmhvt.migrate.whole import prepare; revise_keys = prepare(model, checkpoint, filename, revise_keys)
    return _load_checkpoint_to_model(model, checkpoint, strict, logger, revise_keys)
""",
        reason=NOTHING_LOADED,
    ),
    Repair(
        name='checkpoints of other libraries in inferencers',
        module='mmengine.infer.infer',
        broken='        self._load_weights_to_model(model, checkpoint, cfg)\n',
        repaired=(
            '        from mmhvt.migrate.whole import prepare; prepare(model, checkpoint, weights); '
            'self._load_weights_to_model(model, checkpoint, cfg)\n'
        ),
        reason=NOTHING_LOADED,
    ),
    *(
        Repair(
            name=f'checkpoints of other libraries in {runner}',
            module=f'mmengine.runner.{module}',
            broken="self.call_hook('after_load_checkpoint', checkpoint=checkpoint)\n",
            repaired=(
                'from mmhvt.engine.hooks.checkpoint_check_hook import check_checkpoint; '
                'check_checkpoint(self, checkpoint); '
                "self.call_hook('after_load_checkpoint', checkpoint=checkpoint)\n"
            ),
            reason=f'{NOTHING_LOADED}, in configs without CheckpointCheckHook',
        )
        for runner, module in {'Runner': 'runner', 'FlexibleRunner': '_flexible_runner'}.items()
    ),
]
