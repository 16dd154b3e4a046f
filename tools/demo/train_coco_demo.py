"""Finds shapes and cuts them out: trains a Mask R-CNN with a micro SMViT on generated images, and draws what it finds.

Works in the current folder, as a user would: images in data/shapes_coco, the rest in work_dirs/demo-coco. Finished
steps of an earlier call are skipped, and an interrupted training is resumed; remove the folder to start over. The last
two lines are metrics of COCO on the validation images: average precision of boxes and of masks at an overlap (IoU) of
0.5.
"""

import argparse
import sys

from mmhvt.demos.coco import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0, help='seed of initialization, sampling and order of images')
    parser.add_argument('--images', type=int, default=1000, help='training images')
    parser.add_argument('--val-images', type=int, default=100, help='validation images')
    parser.add_argument('--epochs', type=int, help="in place of the config's")
    parser.add_argument('--min-bbox', type=float, default=0.6, help='exit status 1 below this AP50 of boxes')
    parser.add_argument('--min-segm', type=float, default=0.5, help='exit status 1 below this AP50 of masks')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
