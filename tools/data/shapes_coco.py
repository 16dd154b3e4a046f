"""Writes images of overlapping shapes with annotation files like COCO's, for detection and instance segmentation."""

import argparse
import os
import sys

from mmhvt.synthetic.generate import run_generator
from mmhvt.synthetic.shapes_coco import write_dataset


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='folder to write: new, empty, or from an earlier call with the same arguments')
    parser.add_argument('--images', type=int, default=1000, help='training images')
    parser.add_argument('--val-images', type=int, default=100, help='validation images')
    parser.add_argument('--size', type=int, default=160, help='largest height and width in pixels')
    parser.add_argument('--seed', type=int, default=0, help='decides every image')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='number of processes that draw')
    return run_generator(parser, write_dataset)


if __name__ == '__main__':
    sys.exit(main())
