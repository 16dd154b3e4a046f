"""Compares SMViT's position embedding on larger images: stretched, and kept to its windows.

    python tools/analysis/plot_positions.py [CHECKPOINT] [--grid 256 256] [--out PNG]

CHECKPOINT is a file or URL of an SMViT for square images, from any source of mmhvt.migrate. Without one, a made-up
table stands in for it: the sum of a pattern that repeats in every mask unit and one that varies slowly, of equal
variance. Prints a row for each measure: of the table as it was trained, and on a grid of that many tokens (256² for
1024² pixels) of 'joint', which is stretched, and of 'windowed'. Draws which tokens are similar to one in the middle.
"""

import argparse
from pathlib import Path

from mmhvt.analysis.positions import UNIT, draw, measure, read_table, stand_in


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', nargs='?', help='file or URL (default: a table that stands in for one)')
    parser.add_argument('--grid', type=int, nargs=2, default=(256, 256), metavar=('H', 'W'), help='tokens')
    parser.add_argument('--out', type=Path, metavar='PNG', help='picture to draw')
    args = parser.parse_args()
    if any(side < unit for side, unit in zip(args.grid, UNIT, strict=True)):
        parser.error(f'--grid {args.grid[0]} {args.grid[1]} is less than a mask unit of {UNIT[0]} {UNIT[1]} tokens')
    try:
        table = read_table(args.checkpoint) if args.checkpoint else stand_in()
        if args.out:
            draw(args.out, table, args.grid)
    except (OSError, ValueError) as error:
        raise SystemExit(f'plot_positions.py: {error}') from None
    print(f'| | trained | joint {args.grid[0]}×{args.grid[1]} | windowed {args.grid[0]}×{args.grid[1]} |')
    print('| --- | --- | --- | --- |')
    for name, *values in measure(table, args.grid):
        print(f'| {name} | {" | ".join(f"{value:.2f}" for value in values)} |')


if __name__ == '__main__':
    main()
