"""Lists of ActivityNet or HACS: action segments to train on, whole videos to test on."""

import argparse
import sys
from pathlib import Path

from mmhvt.datasets.untrimmed_lists import write_lists

DETAILS = """
ANNOTATIONS is activity_net.v1-3.min.json, HACS_segments_v1.1.1.json or another of their form: database -> id -> subset,
annotations (segment, label). VIDEOS has the videos, named ID or v_ID with any extension. Written into OUT:

  NAME_train_list_segments.txt   path, start and end in seconds, label: a line for each action of the training videos
  NAME_val_list_videos.txt       path and label of the validation videos; of several labels, the one of most seconds
  NAME_label_map.txt             names of the classes in the order of their labels: alphabetical, or those of --classes

  python tools/data/untrimmed.py activity_net.v1-3.min.json data/ActivityNet/videos data/ActivityNet --name activitynet
"""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('annotations', metavar='ANNOTATIONS', type=Path)
    parser.add_argument('videos', metavar='VIDEOS', type=Path)
    parser.add_argument('out', metavar='OUT', type=Path)
    parser.add_argument('--name', required=True, help='activitynet or hacs: start of the names of the lists')
    parser.add_argument('--classes', type=Path, help='file of class names, one per line, in the order of their labels')
    arguments = parser.parse_args()
    try:
        print(write_lists(**vars(arguments)))
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
