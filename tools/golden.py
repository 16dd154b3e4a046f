"""Compares models with golden files: outputs of the papers' own code for fixed weights and inputs.

    python tools/golden.py FILE.json …

A golden file holds a reference model's config, the names and shapes of its state dict, an input's shape and
the outputs' statistics and first and last values. The weights are a function of their names, so our model
gets the same through mmhvt.migrate. Prints one row per file, with the largest difference relative to the
output's standard deviation; the last line is `N of M goldens hold`, the exit status 1 if one does not.
"""

import argparse
import math
import sys
import traceback
from pathlib import Path

from mmhvt.analysis.goldens import TOLERANCE, check


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='+', type=Path, metavar='FILE')
    parser.add_argument('--traceback', action='store_true', help='show where a file failed')
    args = parser.parse_args()
    held = 0
    for path in args.files:
        try:
            found = check(path)
        except (ValueError, KeyError, RuntimeError, OSError) as error:
            if args.traceback:
                traceback.print_exc()
            print(f'{path.stem:32} FAILED   {error}')
            continue
        name, worst = max(found.items(), key=lambda item: math.inf if math.isnan(item[1]) else item[1])
        holds = worst <= TOLERANCE
        held += holds
        print(f'{path.stem:32} {"holds" if holds else "DIFFERS"}   {worst:.1e} at {name}')
    print(f'{held} of {len(args.files)} goldens hold')
    return int(held < len(args.files))


if __name__ == '__main__':
    sys.exit(main())
