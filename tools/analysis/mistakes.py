"""Shows what a model confuses: a page with the confusion matrix, accuracy by class, and the worst mistakes.

    python tools/test.py CONFIG CHECKPOINT --dump predictions.pkl
    python tools/analysis/mistakes.py CONFIG predictions.pkl --out DIR

Writes DIR/index.html, to be opened in a browser, and the clips of the worst mistakes as GIFs, or images as PNGs, in
DIR/clips. The folder needs nothing outside of it. With more than 30 classes, the page lists the most confused pairs
instead of the matrix. The predictions are a pickle; nothing in it is run.
`mim run mmhvt mistakes CONFIG predictions.pkl --out DIR` is the same.
"""

import argparse
import sys
from pathlib import Path

from mmhvt.analysis.mistakes import write_report
from mmhvt.utils.configs import CfgOptions


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the test, of mmaction or mmpretrain')
    parser.add_argument('predictions', type=Path, help='what tools/test.py --dump FILE.pkl wrote')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument(
        '--worst', type=int, default=20, metavar='N', help='mistakes to show, the worst first (default: %(default)s)'
    )
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    args = parser.parse_args()
    try:
        remarks = write_report(args.config, args.predictions, args.out, args.worst, args.cfg_options)
    except (OSError, ValueError) as error:
        raise SystemExit(f'mistakes.py: {error}') from None
    for remark in remarks:
        print(f'mistakes.py: {remark}', file=sys.stderr)
    print(args.out / 'index.html')


if __name__ == '__main__':
    main()
