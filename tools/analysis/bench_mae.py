"""Multiply-adds and time of a step of masked pre-training, masked units deleted beside masked units kept, in one run.

    python tools/analysis/bench_mae.py [CASE …] [--arch base] [--device cuda] [--rounds 2]

Kept, the encoder computes every token (figure 4c); deleted, visible ones alone (figure 4e). The decoder
computes every token in both. Every measurement is a process of its own, in alternation; the weights do not matter, so
they are the random initial ones. A step is mask, loss, backward, without the optimizer; seconds are the best over all
rounds, one process warming up with a step. Multiply-adds are counted on the meta device, attention as Q Kᵀ and A V.
"""

import argparse

from mmhvt.analysis.benchmarks.mae import CASES, compare
from mmhvt.models.backbones.smvit import ARCHS


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', metavar='CASE', help=f'of {", ".join(CASES)} (default: all)')
    parser.add_argument('--arch', choices=list(ARCHS), default='base')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--rounds', type=int, default=2, metavar='N')
    args = parser.parse_args()
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        parser.error(f'no case {", ".join(unknown)}: choose from {", ".join(CASES)}')
    if args.rounds < 1:
        parser.error(f'--rounds {args.rounds} is not positive')
    try:
        for case in args.cases or CASES:
            compare(case, args.arch, args.device, args.rounds)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


if __name__ == '__main__':
    main()
