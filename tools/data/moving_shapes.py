"""Writes videos of moving shapes, whose 8 classes differ in motion alone, with annotation files for mmaction2."""

import argparse
import os
import sys

from mmhvt.datasets.moving_shapes import write_dataset


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', help='folder to write: new, empty, or of an earlier call with the same arguments')
    parser.add_argument('--clips-per-class', type=int, default=400, help='training clips of each class')
    parser.add_argument('--val-clips-per-class', type=int, default=50, help='validation clips of each class')
    parser.add_argument('--size', type=int, default=64, help='height and width in pixels')
    parser.add_argument('--frames', type=int, default=24, help='frames of a clip')
    parser.add_argument('--seed', type=int, default=0, help='decides every clip')
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
