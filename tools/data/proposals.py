"""Writes boxes of persons as the proposals that AVADataset reads: a pickled dict from 'VIDEO,SECOND' to boxes.

    python tools/data/proposals.py OUT.pkl --boxes FILE…
    python tools/data/proposals.py OUT.pkl --videos DIR --ann-file train.csv val.csv \
        --det-config mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py --det-checkpoint FILE

Boxes come from files, or from any detector of mmdet, which looks at the key frames of --ann-file, or else at each
second of the videos. Files of boxes:

  .csv   lines VIDEO,SECOND,x1,y1,x2,y2, with a score in the last of 7 columns, or in the last of 8 if the one before is
         empty. Annotations, whose last columns are CLASS,PERSON, are boxes without scores.
  .json  {"VIDEO,SECOND": [[x1, y1, x2, y2, score], …], …}, the score is optional; or what tools/demo/spatiotemporal.py
         wrote for one video
  .pkl   the same dict, pickled; no code in it is run

Boxes are fractions of the width and height of the frame, from 0 to 1. Those in pixels are divided by the size of the
videos: --pixels --videos DIR. A video is DIR/VIDEO.mp4, or DIR/VIDEO if its name has a suffix.
`mim run mmhvt proposals OUT.pkl …` is the same.
"""

import argparse
import sys
from pathlib import Path

import torch

from mmhvt.apis.command_line import exit_status, number
from mmhvt.apis.proposals import write_proposals


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out', metavar='OUT.pkl', type=Path, help='pickle to write')
    persons = parser.add_mutually_exclusive_group(required=True)
    persons.add_argument('--boxes', type=Path, nargs='+', default=[], metavar='FILE', help='files of boxes')
    persons.add_argument('--det-config', help='config of a detector of mmdet: path, or mmdet::PATH')
    parser.add_argument('--pixels', action='store_true', help='boxes of FILE are in pixels')
    parser.add_argument('--videos', type=Path, metavar='DIR', help='folder of the videos')
    parser.add_argument(
        '--ann-file', dest='ann_files', type=Path, nargs='+', default=[], metavar='CSV', help='take key frames from it'
    )
    parser.add_argument('--det-checkpoint', help='weights of the detector: file or URL')
    parser.add_argument('--det-category', type=int, default=0, help='index of its person class (default: 0)')
    parser.add_argument('--det-score', type=number, default=0.05, help='lowest score of a box (default: 0.05)')
    parser.add_argument(
        '--timestamp-start',
        type=int,
        default=0,
        help="time of a video's start, as in the dataset (AVA: 900; default: 0)",
    )
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments = parser.parse_args()
    if bool(arguments.det_config) != bool(arguments.det_checkpoint):
        parser.error('--det-config and --det-checkpoint go together')

    def run() -> str:
        print(write_proposals(**vars(arguments)))
        return ''

    return exit_status(parser.prog, run, 'interrupted; nothing is written')


if __name__ == '__main__':
    sys.exit(main())
