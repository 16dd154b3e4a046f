"""Reads digits: trains a micro MViTv2 and a micro SMViT on handwritten ones, and draws which they mistake.

Works in the current folder, as a user would: images in data/digits, the rest in work_dirs/demo-image. What an earlier
call has finished is not done again, and a training that it was interrupted in goes on; remove the folder to begin anew.
The last two lines are metrics: accuracy of either on the images that were held out (chance is 0.1).
"""

import argparse
import sys

from mmhvt.demos.image import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=0, help='of initialization, augmentation and order of images')
    parser.add_argument('--epochs', type=int, help='in place of those of the configs')
    parser.add_argument('--min-accuracy', type=float, default=0.97, help='exit status 1 below this accuracy of either')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
