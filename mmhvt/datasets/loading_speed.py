"""Clips per second that one core loads from the training set of a config.

    python -m mmhvt.datasets.loading_speed CONFIG [--items 20] [--cfg-options train_dataloader.dataset.ann_file=…]

As in a worker of the data loader, one thread loads; its CPU time is measured. A GPU needs as many cores as the clips
that it processes per second, divided by this number.
"""

import argparse
import time

import cv2
import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, init_default_scope

from mmhvt.utils.configs import CfgOptions, read_config


def clips_per_second(dataset: BaseDataset, items: int = 20, seed: int = 0) -> float:
    """Returns the clips per second that one core loads from random samples of a dataset. Threads are left as they are.

    Args:
        dataset: Dataset of samples, or with repeated augmentation of lists of them. Each sample counts as one clip.
        items: Number of samples, or lists, after one that is not counted.
        seed: Seed of their choice.
    """
    order = np.random.RandomState(seed).randint(len(dataset), size=items + 1)
    dataset[int(order[0])]
    clips, start = 0, time.process_time()
    for index in order[1:]:
        item = dataset[int(index)]
        clips += len(item) if isinstance(item, list) else 1
    return clips / (time.process_time() - start)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--items', type=int, default=20, help='samples of the dataset (default: 20)')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    try:
        cfg = read_config(args.config, args.cfg_options)
        init_default_scope(cfg.get('default_scope', 'mmaction'))
        speed = clips_per_second(DATASETS.build(cfg.train_dataloader.dataset), args.items)
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
    print(f'{speed:.1f} clips/s per core')


if __name__ == '__main__':
    main()
