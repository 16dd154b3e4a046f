"""Draws the curves of one or more runs, training and validation, as a picture.

    python tools/analysis/plot_log.py WORK_DIR [--keys loss top1] [--out curves.png]
    python tools/analysis/plot_log.py WORK_DIR OTHER_WORK_DIR scalars.json --keys loss

A run is a work directory, or a log of mmengine (`vis_data/scalars.json`). The logs of a run that was resumed are
joined: later values replace earlier ones of the same steps. A key is the name of a logged value or its end: `top1` is
`acc/top1` of validation and `top1_acc` of training.
`mim run mmhvt plot_log WORK_DIR` is the same.
"""

import argparse
import sys
from pathlib import Path

from mmhvt.analysis.logs import draw_logs


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='work directory or log')
    parser.add_argument('--keys', nargs='+', metavar='KEY', help='values to draw (default: loss and validation)')
    parser.add_argument(
        '--out', type=Path, default=Path('curves.png'), metavar='FILE', help='picture to write (default: %(default)s)'
    )
    args = parser.parse_args()
    try:
        remarks = draw_logs(args.runs, args.keys, args.out)
    except (OSError, ValueError) as error:
        raise SystemExit(f'plot_log.py: {error}') from None
    for remark in remarks:
        print(f'plot_log.py: {remark}', file=sys.stderr)
    print(args.out)


if __name__ == '__main__':
    main()
