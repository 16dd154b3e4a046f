"""Reads digits: trains a micro MViTv2 and a micro SMViT on handwritten ones, and draws those that they misclassify.

Works in the current folder, as a user would: images in data/digits, the rest in work_dirs/demo-image. Finished steps of
an earlier call are skipped, and an interrupted training is resumed; remove the folder to start over. The last two lines
are metrics: accuracy of each model on the images that were held out (chance is 0.1).
"""

import argparse
import sys

from mmhvt.demos.image import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0, help='seed of initialization, augmentation and order of images')
    parser.add_argument('--epochs', type=int, help="in place of the configs'")
    parser.add_argument('--min-accuracy', type=float, default=0.97, help='exit status 1 if one is below this accuracy')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
