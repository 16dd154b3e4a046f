"""Exported models beside eager PyTorch: prints the table of docs/guides/export.md.

    python tools/analysis/benchmark_export.py [CASE …]
    python tools/analysis/benchmark_export.py --full > table.md
    python tools/analysis/benchmark_export.py --weights smvit-micro/recognition=work_dirs/demo/train/epoch_5.pth

Each model is exported to ONNX, and the file compared with the model. Then PyTorch (eager), ONNX Runtime and ONNX
Runtime with 8-bit weights take turns on one clip or image, on as many threads (OMP_NUM_THREADS). A row has the nodes of
the graph, the operators that attend, the largest difference relative to the output's standard deviation, medians over
rounds, and the medians of the ratios within a round: above 1, ONNX Runtime is faster. The last cell is how often 8-bit
weights keep the best class of clips of moving shapes, or of handwritten digits.

CASE is a name or a pattern: 'smvit-*', '*/recognition'. Weights are random unless --weights names a checkpoint; then *
marks the last cell, for which each class's mean score over all clips is subtracted first.
"""

import argparse
import platform
import sys
from contextlib import redirect_stdout
from datetime import date
from importlib.metadata import version
from pathlib import Path

import cv2  # noqa: F401 (before decord: after its libraries cv2 reads no PNG)
import torch

from mmhvt.analysis.benchmarks.exports import HEADER, choose_cases, measure_export
from mmhvt.analysis.benchmarks.measure import Settings


def weights_of(text: str) -> tuple[str, Path]:
    """CASE=FILE."""
    name, _, file = text.partition('=')
    if not file:
        raise argparse.ArgumentTypeError(f'{text!r} is not CASE=FILE')
    return name, Path(file)


def count(text: str) -> int:
    """A number of rounds or clips."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f'{text} is not positive')
    return value


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', metavar='CASE', help='(default: all)')
    parser.add_argument('--full', action='store_true', help="models of the papers' sizes, too (an hour on 2 cores)")
    parser.add_argument('--weights', nargs='+', type=weights_of, default=[], metavar='CASE=FILE', help='checkpoints')
    parser.add_argument('--rounds', type=count, default=10, metavar='N', help='timed rounds (default: 10)')
    parser.add_argument('--clips', type=count, default=64, metavar='N', help='for the last cell (default: 64)')
    return parser.parse_args()


def main() -> int:
    """Measure and print; returns the exit status."""
    args, failed = parse(), False
    try:
        cases = choose_cases(args.cases, args.full)
        weights = dict(args.weights)
        if unknown := [name for name in weights if name not in cases]:
            raise ValueError(f'--weights {", ".join(unknown)}: not among the cases {", ".join(cases)}')
    except ValueError as error:
        print(f'benchmark_export.py: {error}', file=sys.stderr)
        return 2
    print(HEADER, flush=True)
    for name, case in cases.items():
        try:
            with redirect_stdout(sys.stderr):  # what mm* logs is no part of the table
                row = measure_export(name, case, Settings(rounds=args.rounds), weights.get(name), args.clips)
        except (OSError, RuntimeError, ValueError) as error:
            failed = True
            print(f'benchmark_export.py: {name}: {error}', file=sys.stderr, flush=True)
        else:
            print(row.as_markdown(), flush=True)
    if failed:
        return 1
    print(
        f'\n{args.rounds} rounds, {torch.get_num_threads()} threads of {platform.machine()}, PyTorch '
        f'{torch.__version__.partition("+")[0]}, ONNX Runtime {version("onnxruntime")}, {date.today()}.'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
