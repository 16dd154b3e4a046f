"""Who moves how? Generates videos of several actors, trains and tests a detector of actions with mim, and shows it.

Works in the current folder, as a user would: videos in data/moving_actors, the rest in work_dirs/demo-ava/seedN. A
micro SMViT learns the actions of actors whose boxes are given, and again, with as many steps, from clips that repeat
their key frame. Finished steps of an earlier call are skipped, and an interrupted training is resumed; remove the
folder to start over. The last lines are metrics: the mAP at IoU 0.5 of the model that sees only key frames, and last
that of the model that sees motion.
"""

import argparse
import sys

from mmhvt.demos.ava import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--videos', type=int, default=60, help='training videos')
    parser.add_argument('--val-videos', type=int, default=12, help='validation videos')
    parser.add_argument('--min-map', type=float, default=0.8, help='exit status 1 below this mAP')
    parser.add_argument('--max-key-frame-map', type=float, default=0.4, help='and at or above this mAP from key frames')
    parser.add_argument('--seed', type=int, default=0, help='seed of initialization and order of clips')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
