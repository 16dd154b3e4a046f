"""Merges the annotations of Kinetics-400, -600 and -700 into Kinetics-710."""

import argparse
import sys

from mmhvt.datasets.kinetics710 import FILE_NAME, SETS, Annotations, merge, write_lists

DETAILS = """
Annotation files are official CSVs (label,youtube_id,time_start,time_end,split) or mmaction's lists (lines of path and
label, files named ID_START_END.mp4 or ID.mp4); they may be mixed. Test files serve only to keep their videos out of the
training list. Written into OUT, all or nothing, as lines of path and label:

  kinetics710_{train,val}_list_videos.txt   labels of Kinetics-710. Training: each YouTube id once, and none that a
                                            validation or test file of any set holds. Validation: each id once.
  kinetics{400,600,700}_{train,val}_list_videos.txt
                                            each set with its own labels, for co-training with three heads. Training:
                                            none that a validation or test file of any set holds.

Of duplicates, the video of Kinetics-400 is kept, or else that of -600. Example:

  python tools/data/kinetics710.py data/kinetics710 --root data \\
      --k400 k400/train.csv k400/val.csv k400/test.csv \\
      --k600 k600/train.csv k600/val.csv k600/test.csv \\
      --k700 data/kinetics700/kinetics700_train_list_videos.txt data/kinetics700/kinetics700_val_list_videos.txt
"""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        usage='%(prog)s [-h] OUT --k400 TRAIN VAL [TEST …] --k600 TRAIN VAL [TEST …] --k700 TRAIN VAL [TEST …] …',
        description=__doc__,
        epilog=DETAILS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', metavar='OUT', help='folder to write the lists into')
    for key, name in SETS.items():
        files = f'annotation files of {name}: training, validation, and test if there are any'
        parser.add_argument(f'--{key}', nargs='+', required=True, metavar='FILE', help=files)
    for key, name in SETS.items():
        parser.add_argument(
            f'--{key}-folder',
            default=f'{name.lower().replace("-", "")}/videos_{{split}}',
            metavar='FOLDER',
            help=f'what to put before the paths of {name}; {{split}} becomes train or val (default: %(default)s)',
        )
    parser.add_argument(
        '--file-name',
        default=FILE_NAME,
        metavar='FORMAT',
        help='path of a video in a CSV, from youtube_id, time_start, time_end and label, with _ for the spaces of '
        'labels (default: %(default)s)',
    )
    parser.add_argument(
        '--root', help='folder that the paths start from: videos that are not there are left out and counted as absent'
    )
    arguments = parser.parse_args()
    sets = []
    for key in SETS:
        train, *others = getattr(arguments, key)
        if not others:
            parser.error(f'--{key} needs a training and a validation file, and test files if there are any')
        sets.append(Annotations(key, train, others[0], others[1:], getattr(arguments, f'{key}_folder')))
    try:
        merged = merge(sets, arguments.root, arguments.file_name)
        files = write_lists(arguments.out, merged)
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    print(merged.report())
    untested = [SETS[annotations.dataset] for annotations in sets if not annotations.tests]
    if untested:
        print(f'no test files of {", ".join(untested)}: their videos may be among the training videos')
    print(f'{arguments.out}: {len(files)} lists written')
    return 0


if __name__ == '__main__':
    sys.exit(main())
