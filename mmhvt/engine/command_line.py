"""Command line of tools/train.py and tools/test.py.

Imports torch only to run, not to print the help or reject options.
"""

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

from mmhvt.hub import missing_checkpoint
from mmhvt.utils.configs import CfgOptions, read_config

if TYPE_CHECKING:
    from mmengine.runner import Runner

# what a launcher sets, read by mmengine.dist.init_dist
LAUNCHED = {
    'pytorch': (('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'), 'bash tools/dist_train.sh'),
    'slurm': (('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_NODELIST'), 'bash tools/slurm_train.sh'),
    'mpi': (('OMPI_COMM_WORLD_LOCAL_RANK', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'), 'mpirun'),
}


def seed(text: str) -> int:
    """A seed that NumPy accepts."""
    if not 0 <= (value := int(text)) < 2**32:
        raise argparse.ArgumentTypeError(f'{text} must be from 0 to 4294967295')
    return value


def config_parser(description: str) -> argparse.ArgumentParser:
    """Builds a parser of the options that the runner scripts of OpenMMLab share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints (default: work_dirs/CONFIG_NAME)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=CfgOptions,
        metavar='KEY=VALUE',
        help="override settings of the config: model.backbone.arch=large 'optim_wrapper.optimizer.betas=(0.9,0.95)'",
    )
    parser.add_argument('--launcher', choices=['none', *LAUNCHED], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """Loads the config and applies the options of :func:`config_parser` to it.

    Raises:
        SystemExit: If the file is not a config, an option does not fit it, the work directory is a file, or the
            processes were not started by the launcher.
    """
    variables, script = LAUNCHED.get(args.launcher, ((), ''))
    if missing := [name for name in variables if name not in os.environ]:
        raise SystemExit(
            f'--launcher {args.launcher} needs the environment variables {", ".join(missing)}, which {script} sets; '
            'without --launcher, one process trains'
        )
    if args.launcher == 'pytorch':
        _end_with_parent()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    try:
        cfg = read_config(args.config, args.cfg_options)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    cfg.launcher = args.launcher
    if args.work_dir or not cfg.get('work_dir'):
        cfg.work_dir = args.work_dir or str(Path('work_dirs') / Path(args.config).stem)
    for folder in (Path(cfg.work_dir), *Path(cfg.work_dir).parents):
        if folder.exists() and not folder.is_dir():
            raise SystemExit(f'--work-dir {cfg.work_dir}: {folder} is a file; choose a folder')
    return cfg


def check_checkpoint_exists(option: str, path: str) -> None:
    """Checks that a checkpoint on disk exists, before anything is built.

    Raises:
        SystemExit: If `path` is neither a file nor a URL.
    """
    if '://' not in path and not Path(path).is_file():
        raise SystemExit(f'{option}: {missing_checkpoint(path)}')


def _end_with_parent() -> None:
    """Makes Linux end this process when torchrun is killed; otherwise it would go on training alone."""
    if sys.platform == 'linux':
        pr_set_pdeathsig = 1  # from linux/prctl.h
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def build_runner(cfg: Config) -> 'Runner':
    """Builds MMEngine's runner, or the one that `runner_type` names.

    Raises:
        SystemExit: If a key of the config is misspelled or a value is wrong (:class:`mmhvt.ConfigCheckHook`), or an
            option of a model or hook of mmhvt.
    """
    from mmengine.registry import RUNNERS
    from mmengine.runner import Runner

    from mmhvt.engine.hooks.config_check_hook import check_built_later
    from mmhvt.utils import OptionError

    try:
        check_built_later(cfg)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    try:
        return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    except OptionError as error:
        raise SystemExit(str(error)) from None
