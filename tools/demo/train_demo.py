"""From nothing to a picture: generates videos, trains and tests an SMViT on them with mim, and draws the results.

Works in the current folder, as a user would: videos in data/moving_shapes, the rest in work_dirs/demo. The last three
lines are metrics: top-1 accuracy on the validation videos, the same with the frames of each clip in random order
(chance is 0.125), and the seconds that `mim train` took from start to end, validation and imports included.
"""

import argparse
import sys

from mmhvt.demos.motion import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clips-per-class', type=int, default=400, help='training clips of each class')
    parser.add_argument('--val-clips-per-class', type=int, default=50, help='validation clips of each class')
    parser.add_argument('--min-top1', type=float, default=0.95, help='exit status 1 below this accuracy')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
