"""Checks a dataset of the recipes: looks for all files that they expect, and reads some."""

import argparse
import sys

from mmhvt.datasets.layouts import NAMES, check, describe, parts_of

DETAILS = f"""
NAME is one of {', '.join(NAMES)}.
ROOT is the folder that configs call data. docs/guides/data.md says what belongs there. The exit status is 0 if
nothing is missing or broken, and 1 otherwise. No code of any file is run.

  python tools/data/check.py kinetics400 data --sample 100
"""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', metavar='NAME', choices=NAMES)
    parser.add_argument('root', metavar='ROOT', nargs='?', default='data', help='(default: data)')
    parser.add_argument('--sample', type=int, default=20, help='samples of each part to read (default: 20)')
    parser.add_argument('--seed', type=int, default=0, help='decides which ones (default: 0)')
    parser.add_argument('--list', type=int, default=10, metavar='N', help='files to list of each part (default: 10)')
    arguments = parser.parse_args()
    if min(arguments.sample, arguments.list) < 0:
        parser.error('--sample and --list have to be 0 or more')
    parts = parts_of(arguments.name, arguments.root)
    for part in parts:
        check(part, arguments.sample, arguments.seed, progress=True)
        print(describe(part, arguments.list), flush=True)
    whole = sum(part.is_whole for part in parts)
    print(f'{arguments.name}: {whole} of {len(parts)} parts are whole')
    return int(whole < len(parts))


if __name__ == '__main__':
    sys.exit(main())
