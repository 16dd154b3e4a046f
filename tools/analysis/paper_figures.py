"""Compares parameters and multiply-adds of all models with those that the papers print.

    python tools/analysis/paper_figures.py [--family mvit mvitv2]

Prints one row per model: id, table, parameters in millions and multiply-adds / 10⁹ as `paper / ours`, and whether both
hold. The last line is `N of M rows hold`; the exit status is 1 if a row neither holds nor has a stated reason.
"""

import argparse
import sys

import torch

from mmhvt.analysis.paper_figures import compare


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--family', nargs='+', metavar='FAMILY', help='families of the file; all by default')
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        rows = compare(args.family)
    except ValueError as error:
        raise SystemExit(f'{parser.prog}: {error}') from None
    print(f'{"model":32}{"table":16}{"params M, paper / ours":24}{"GFLOPs, paper / ours":28}')
    for row in rows:
        table = f'{row.family} {row.table}'
        print(f'{row.name:32}{table:16}{row.params or ""!s:24}{row.gflops or ""!s:28}{row.status}')
    print(f'{sum(row.holds for row in rows)} of {len(rows)} rows hold')
    return int(any(row.fails for row in rows))


if __name__ == '__main__':
    sys.exit(main())
