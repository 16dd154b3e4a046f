"""Speed and memory of our models beside all other implementations, in one process, and whether they reach our goals.

    python tools/analysis/benchmark.py [CASE …] --peers [--device cuda --amp bf16] [--compile] [--json FILE]
    python tools/analysis/benchmark.py CASE … --peers --profile
    python tools/analysis/benchmark.py --markdown FILE …
    python tools/analysis/benchmark.py --plot FILE PNG

Models take turns, and the weights do not matter, so they are random. Inference is a forward pass; a training step is a
forward and a backward pass, without optimizer and dropout. A row has for each model the median, its share of the rate
at which the same run multiplies matrices, and the median over rounds of its time / ours: above 1, ours is faster.
Memory is the peak of a training step beyond model and input: of a process of its own on a CPU, of PyTorch's allocator
on a GPU.

CASE is a case, a pattern ('smvit-*'), or a group: 'goals', the default, has all cases with a goal, 'cost' those that
--plot draws. With --peers, the exit status is 1 if a ratio misses its goal, or cannot be judged because a peer is not
installed (pip install -r requirements/peers.txt). Goals are for fp32 without compiler on a CPU, and for bf16 on a GPU.
"""

import argparse
from pathlib import Path

import torch

from mmhvt.analysis.benchmarks.cases import choose
from mmhvt.analysis.benchmarks.cost import draw
from mmhvt.analysis.benchmarks.measure import Settings
from mmhvt.analysis.benchmarks.peers import PEERS
from mmhvt.analysis.benchmarks.profile import KINDS, OTHERS, profile_case
from mmhvt.analysis.benchmarks.results import Row, as_markdown, load, save
from mmhvt.analysis.benchmarks.run import measure_case


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', default=['goals'], metavar='CASE', help='(default: goals)')
    parser.add_argument('--peers', action='store_true', help='measure other implementations and judge the goals')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--amp', choices=('bf16',), help='autocast')
    parser.add_argument('--compile', action='store_true', help='torch.compile every model')
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='timed rounds (default: 5)')
    parser.add_argument('--no-memory', dest='memory', action='store_false', help='leave out memory')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the rows, after each case')
    parser.add_argument('--profile', action='store_true', help='instead, print where the time of a training step goes')
    parser.add_argument('--markdown', type=Path, nargs='+', metavar='FILE', help='print the table of earlier --json')
    parser.add_argument('--plot', type=Path, nargs=2, metavar=('FILE', 'PNG'), help='draw costs of an earlier --json')
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error(f'--rounds {args.rounds} is not positive')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: PyTorch sees no GPU')
    if args.profile and args.device == 'cuda':
        parser.error('--profile: on a CPU only')
    return args


def show_profiles(cases: list[str], settings: Settings) -> None:
    """Print a table for each case: milliseconds by kind of operation and model."""
    for case in choose(cases):
        found = dict(profile_case(case, settings))
        print(f'| {case}, ms | {" | ".join(found)} |', '| --- ' * (len(found) + 1) + '|', sep='\n')
        for kind in [*KINDS, OTHERS]:
            print(f'| {kind} | {" | ".join(f"{took[kind]:.0f}" for took in found.values())} |', flush=True)


def measure(args: argparse.Namespace, settings: Settings) -> list[Row]:
    """Measure and print rows."""
    rows: list[Row] = []
    for case in choose(args.cases):
        for row in measure_case(case, settings):
            rows.append(row)
            print(row, *row.verdicts, sep='  ', flush=True)
        if args.json:
            save(args.json, rows, settings)
    return rows


def judge(rows: list[Row]) -> int:
    """Print what misses its goal; returns the exit status."""
    for name in sorted({name for row in rows for name in row.missing}):
        print(f'{name} is not installed: pip install {PEERS[name].install}')
    verdicts = [(row, verdict) for row in rows for verdict in row.verdicts]
    missed = [(row, verdict) for row, verdict in verdicts if not verdict.met]
    for row, verdict in missed:
        print(f'missed: {row.case} {row.mode}: {verdict}')
    if verdicts:
        print(f'{len(verdicts) - len(missed)} of {len(verdicts)} goals reached')
    return int(bool(missed))


def main() -> None:
    """Measure, or show what was measured."""
    args = parse()
    settings = Settings(args.device, args.amp, args.compile, args.rounds, args.peers, args.memory)
    try:
        if args.markdown:
            print(as_markdown(load(args.markdown)))
        elif args.plot:
            draw(args.plot[1], load(args.plot[:1]))
        elif args.profile:
            show_profiles(args.cases, settings)
        else:
            raise SystemExit(judge(measure(args, settings)))
    except (OSError, RuntimeError, ValueError) as error:
        raise SystemExit(f'benchmark.py: {error}') from None


if __name__ == '__main__':
    main()
