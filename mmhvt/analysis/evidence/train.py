"""One training, in a process of its own or after others."""

import copy
import os
import shutil
import sys
import time
from pathlib import Path

import cv2
import torch
from mmengine.config import Config

from mmhvt.analysis.config_complexity import measure_config
from mmhvt.demos.runs import curve
from mmhvt.engine.command_line import build_runner

from .experiments import RUNS, Training


def prepare_worker(folder: Path = RUNS) -> None:
    """One thread for a process, and what runners print into a file."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    log = os.open(folder / 'workers.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())


def train(training: Training) -> dict[str, float]:
    """Train, validate and test a model by MMEngine's runner, as `mim train` would.

    Returns:
        `loss` of the last logged steps and `seconds` of CPU time. Of recognizers also `top1` on the validation clips,
        `params` and `multiply_adds`; of tested ones `top1_shuffled`, the accuracy of the test.

    Raises:
        SystemExit: If the config has a key or value that a runner refuses.
    """
    cfg = Config(copy.deepcopy(training.config))
    shutil.rmtree(training.work_dir, ignore_errors=True)
    cfg.work_dir = str(training.work_dir)
    # runners of one name share a log file
    cfg.experiment_name = training.key
    start = time.process_time()
    runner = build_runner(cfg)
    runner.train()
    result = dict(loss=curve(training.work_dir, 'loss')[-1][1])
    if cfg.get('val_dataloader') is not None:
        _, cost = measure_config(Config(copy.deepcopy(training.config)))
        top1 = curve(training.work_dir, 'acc/top1')[-1][1]
        result |= dict(top1=top1, params=cost.params, multiply_adds=cost.multiply_adds)
    if training.tested:
        result['top1_shuffled'] = float(runner.test()['acc/top1'])
    return result | dict(seconds=time.process_time() - start)
