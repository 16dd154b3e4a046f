"""Writes videos of several actors that move in 8 ways, with annotations in the format of AVA, for mmaction2."""

import argparse
import os
import sys

from mmhvt.synthetic.generate import run_generator
from mmhvt.synthetic.moving_actors import write_dataset


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='folder to write: new, empty, or from an earlier call with the same arguments')
    parser.add_argument('--videos', type=int, default=60, help='training videos')
    parser.add_argument('--val-videos', type=int, default=12, help='validation videos')
    parser.add_argument('--seconds', type=int, default=31, help='length of a video; each second but 0 is a key frame')
    parser.add_argument('--size', type=int, default=96, help='height and width in pixels')
    parser.add_argument('--seed', type=int, default=0, help='decides every video')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='number of processes that draw')
    return run_generator(parser, write_dataset)


if __name__ == '__main__':
    sys.exit(main())
