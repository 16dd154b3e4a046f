"""Clips that a core loads in a second, by the training set of a config.

    python -m mmhvt.datasets.loading_speed CONFIG [--items 20] [--cfg-options train_dataloader.dataset.ann_file=…]

What loads is one thread, whose CPU time counts, as in a worker of the data loader. A GPU that takes so many clips a
second needs its clips / these cores.
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
    """Clips that a core loads in a second, of random samples of a dataset. Threads are left as they are.

    Args:
        dataset: Its samples, or with repeated augmentation lists of them, count one each.
        items: Number of samples, or lists, after one that is not counted.
        seed: Of their choice.
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
    print(f'{speed:.1f} clips/s a core')


if __name__ == '__main__':
    main()
