"""What tools/train.py and tools/test.py have in common."""

import argparse
import os
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser of the options that every OpenMMLab runner script takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/NAME-OF-CONFIG)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help="override settings of the config: model.backbone.arch=large 'optim_wrapper.optimizer.betas=(0.9,0.95)'",
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by the launcher')
    return parser


def load_config(args: argparse.Namespace) -> Config:
    """The config with the options of :func:`config_parser` in it.

    Raises:
        SystemExit: If the file does not exist.
    """
    if not Path(args.config).is_file():
        raise SystemExit(f'{args.config}: no such config file')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    cfg.launcher = args.launcher
    if args.work_dir or not cfg.get('work_dir'):
        cfg.work_dir = args.work_dir or str(Path('work_dirs') / Path(args.config).stem)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    return cfg


def build_runner(cfg: Config) -> Runner:
    """MMEngine's runner, or the one that `runner_type` names."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
