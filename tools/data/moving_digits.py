"""Writes videos of moving handwritten digits, whose class is the digit, the motion or both, with annotation files."""

import argparse
import os
import sys

from mmhvt.synthetic.generate import run_generator
from mmhvt.synthetic.moving_digits import CLASSES, write_dataset


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='folder to write: new, empty, or from an earlier call with the same arguments')
    parser.add_argument('--classes', choices=list(CLASSES), default='digit-direction', help='kind of classes')
    parser.add_argument('--clips-per-class', type=int, default=100, help='training clips of each class')
    parser.add_argument('--val-clips-per-class', type=int, default=20, help='validation clips of each class')
    parser.add_argument('--size', type=int, default=32, help='height and width in pixels')
    parser.add_argument('--frames', type=int, default=16, help='frames of a clip')
    parser.add_argument('--seed', type=int, default=0, help='decides every clip')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='number of processes that draw')
    return run_generator(parser, write_dataset)


if __name__ == '__main__':
    sys.exit(main())
