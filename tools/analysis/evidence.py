"""Small trainings that show, or fail to show, what the papers claim: `make evidence`, docs/how/evidence.md.

    python tools/analysis/evidence.py [PART …] [--processes 2] [--report]

Works in the current folder: videos in data/evidence, runs and their results in work_dirs/evidence. A second call
resumes where the first one stopped; a run whose settings have changed is repeated. Afterwards, or with --report alone,
writes numbers, figures and the page into docs.
"""

import argparse
from pathlib import Path

from mmhvt.analysis.evidence.experiments import FILE, choose, load
from mmhvt.analysis.evidence.report import write_report
from mmhvt.analysis.evidence.run import EvidenceError, run
from mmhvt.analysis.evidence.store import Store


def main() -> int:
    """Train, measure and report; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('parts', nargs='*', metavar='PART', help='(default: all)')
    parser.add_argument('--processes', type=int, default=2, metavar='N', help='trainings at the same time (default: 2)')
    parser.add_argument('--report', action='store_true', help='train nothing')
    parser.add_argument('--experiments', type=Path, default=FILE, metavar='YAML', help='(default: those of the docs)')
    parser.add_argument('--docs', type=Path, default=Path('docs'), help='folder of the report (default: docs)')
    args = parser.parse_args()
    if args.processes < 1:
        parser.error(f'--processes {args.processes} is not positive')
    try:
        parts = load(args.experiments)
        chosen = choose(args.parts, parts)
    except ValueError as error:
        parser.error(str(error))

    store = Store()
    try:
        if not args.report:
            run(chosen, store, args.processes)
        print(*write_report(parts.values(), chosen, store, args.docs), sep='\n')
    except KeyboardInterrupt:
        print('\nevidence.py: interrupted; the same call goes on')
        return 130
    except (EvidenceError, OSError, ValueError) as error:
        raise SystemExit(f'evidence.py: {error}') from None
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
