"""Writes videos of moving shapes, whose 8 classes differ in motion alone, with annotation files for mmaction2."""

import argparse
import os
import sys

from mmhvt.synthetic.generate import run_generator
from mmhvt.synthetic.moving_shapes import write_dataset


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='folder to write: new, empty, or from an earlier call with the same arguments')
    parser.add_argument('--clips-per-class', type=int, default=400, help='training clips of each class')
    parser.add_argument('--val-clips-per-class', type=int, default=50, help='validation clips of each class')
    parser.add_argument('--size', type=int, default=64, help='height and width in pixels')
    parser.add_argument('--frames', type=int, default=24, help='frames of a clip')
    parser.add_argument('--seed', type=int, default=0, help='decides every clip')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='number of processes that draw')
    return run_generator(parser, write_dataset)


if __name__ == '__main__':
    sys.exit(main())
