"""Gives a checkpoint's classifier the classes of another label list, by the names of the labels."""

import argparse
import sys
from pathlib import Path

import torch

from mmhvt import migrate
from mmhvt.migrate.labels import label_list, map_classifier

DETAILS = """
LIST is k400, k600, k700, k710 or a text file with one label name a line, in the order of the labels. Kinetics names its
classes differently from set to set; which are the same is known. Every class of the new list must be in the old one.
DST holds the weights alone, in our names. Example, Kinetics-710 to Kinetics-400:

  python tools/checkpoint/map_classifier.py k710.pth k710-as-k400.pth --to k400
"""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'src', help='checkpoint of a recognizer, of ours or of another repository that mmhvt.migrate knows'
    )
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--from', dest='source', default='k710', metavar='LIST', help='what it has (default: k710)')
    parser.add_argument('--to', dest='target', required=True, metavar='LIST', help='what it is to have')
    arguments = parser.parse_args()
    unfinished = Path(f'{arguments.dst}.unfinished')
    try:
        source, target = label_list(arguments.source), label_list(arguments.target)
        state_dict = migrate.load(arguments.src)
        try:
            mapped = map_classifier(state_dict, source, target)
        except ValueError as error:
            raise ValueError(f'{arguments.src}: {error}') from None
        torch.save(dict(state_dict=mapped), unfinished)
        unfinished.replace(arguments.dst)
    except (OSError, RuntimeError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    finally:
        unfinished.unlink(missing_ok=True)
    print(f'{arguments.dst}: classifier of {len(target)} classes, from {len(source)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
