"""Time and peak memory of a training step beside those of mmaction2's and mmpretrain's models, in one run.

    python tools/analysis/bench_training.py [CASE …] [--device cuda] [--rounds 3]

Every model is a process of its own, in alternation; the weights do not matter, so they are the random initial ones. A
step is forward, sum of outputs, backward. Memory is what the process needs at its peak beyond what it held with the
model built and the input made: of the machine on a CPU, of PyTorch's allocator on a GPU. Seconds are the best over
all rounds.
"""

import argparse

from mmhvt.analysis.benchmarks.training import CASES, compare


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', metavar='CASE', help=f'of {", ".join(CASES)} (default: all)')
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
            compare(case, args.device, args.rounds)
    except RuntimeError as error:
        raise SystemExit(str(error)) from None


if __name__ == '__main__':
    main()
