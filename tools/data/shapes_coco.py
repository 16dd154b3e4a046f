"""Writes images of overlapping shapes with annotation files as COCO's, for detection and instance segmentation."""

import argparse
import os
import sys

from mmhvt.datasets.shapes_coco import write_dataset


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='folder to write: new, empty, or of an earlier call with the same arguments')
    parser.add_argument('--images', type=int, default=1000, help='training images')
    parser.add_argument('--val-images', type=int, default=100, help='validation images')
    parser.add_argument('--size', type=int, default=160, help='largest height and width in pixels')
    parser.add_argument('--seed', type=int, default=0, help='decides every image')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='draw at the same time')
    arguments = parser.parse_args()
    try:
        wrote = write_dataset(**vars(arguments))
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{parser.prog}: interrupted; the same call again finishes {arguments.out}', file=sys.stderr)
        return 130
    print(f'{arguments.out}: {"written" if wrote else "there already, nothing to do"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
