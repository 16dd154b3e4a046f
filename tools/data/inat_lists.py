"""Lists of iNaturalist 2017, 2018 and 2019: paths, labels and names of classes from the official annotations."""

import argparse
import sys
from pathlib import Path

from mmhvt.datasets.inat_lists import write_lists

DETAILS = """
ANNOTATIONS are the official train2018.json, val2018.json (or 2017, 2019), which have images, annotations and
categories. Written into OUT/meta, for images that lie under OUT as file_name says (OUT/train_val2018/…):

  train.txt, val.txt   lines of path and label; labels are the ranks of the category ids in ascending order
  classes.txt          names of the categories in the order of their labels

  python tools/data/inat_lists.py train2018.json val2018.json data/inat2018
"""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('train', type=Path, metavar='ANNOTATIONS', help='JSON of the training images')
    parser.add_argument('val', type=Path, metavar='ANNOTATIONS', help='JSON of the validation images')
    parser.add_argument('out', type=Path, metavar='OUT', help='folder of the data set')
    arguments = parser.parse_args()
    try:
        print(write_lists(arguments.train, arguments.val, arguments.out))
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
