"""Does masked pre-training help where labels are few? Pre-trains a micro SMViT on unlabeled videos and fine-tunes it.

Works in the current folder, as a user would: videos in data/moving_shapes, those of `make demo`, the rest in
work_dirs/demo-mae/seedN. `mim train mmpretrain` pre-trains on all training videos; `mim train mmaction` fine-tunes on
the few with labels, once from the pre-trained encoder and once from scratch, with as many steps. Finished steps of an
earlier call are skipped, and an interrupted training is resumed; remove the folder to start over. The last two lines
are metrics: top-1 accuracy of each on the validation videos (chance is 0.125).
"""

import argparse
import sys

from mmhvt.demos.mae import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0, help='seed of initialization, masks and order of videos')
    parser.add_argument('--pretraining-epochs', type=int, help="in place of the config's")
    parser.add_argument('--fine-tuning-epochs', type=int, help="in place of the configs'")
    parser.add_argument('--clips-per-class', type=int, default=400, help='training videos of each class')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
