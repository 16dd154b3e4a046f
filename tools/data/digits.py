"""Writes the handwritten digits that come with scikit-learn as PNG files, a folder for each class."""

import argparse
import sys

from mmhvt.synthetic.digits import write_dataset
from mmhvt.synthetic.generate import run_generator


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', help='folder to write: new, empty, or from an earlier call')
    return run_generator(parser, write_dataset)


if __name__ == '__main__':
    sys.exit(main())
