"""Features of videos from a config's backbone, clip by clip; with --scores, also the class scores of each clip.

    python tools/analysis/extract_features.py CONFIG CHECKPOINT VIDEO_OR_FOLDER… --out DIR
    python tools/analysis/extract_features.py CONFIG CHECKPOINT --list FILE --out features.h5 --stride 16

Frames go through the config's test pipeline, and clips are those that it tests; with --stride, a window slides over the
video. --list has one video per line, with or without labels. For each video NAME.mp4 there are

  NAME.npy          (clips, C), as the classifier sees them; maps with --pool none
  NAME.stage1.npy   … for several stages (--stage 0 1 2)
  NAME.scores.npy   (clips, classes) with --scores
  NAME.json         frames and seconds of the clips, and with --scores the best classes of each

or, if --out ends with .h5, datasets of these names, with the times as attributes. NAME is the path below --video-root,
or below the folder that all videos of the call share: calls with parts of a list need the same --video-root. A second
call resumes an interrupted one. Videos that cannot be read are listed at the end, and the exit status is 1.
`mim run mmhvt extract_features …` is the same.
"""

import argparse
import math
import re
import sys
from pathlib import Path

import torch

from mmhvt.analysis.extractor import POOLS
from mmhvt.analysis.features import extract_features
from mmhvt.models.backbones.base import OUT_TYPES
from mmhvt.utils.configs import CfgOptions


def distance(text: str) -> tuple[float, bool]:
    """'16' frames or '0.5s'."""
    found = re.fullmatch(r'(\d+\.?\d*|\.\d+)\s*(s?)', text)
    value, in_seconds = (float(found[1]), bool(found[2])) if found else (0.0, False)
    if not value or not in_seconds and value != int(value):
        raise argparse.ArgumentTypeError(f'{text!r} is neither a whole number of frames, as 16, nor seconds, as 0.5s')
    return value, in_seconds


def positive(text: str) -> int:
    """A count."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f'{value} is not positive')
    return value


def rate(text: str) -> float:
    """A frame rate."""
    if not math.isfinite(value := float(text)) or value <= 0:
        raise argparse.ArgumentTypeError(f'{text} is no frame rate')
    return value


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='path, or PACKAGE::PATH')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='file or URL, also of another repository')
    parser.add_argument('videos', metavar='VIDEO', nargs='*', help='file, or folder of files')
    parser.add_argument('--list', type=Path, metavar='FILE', help='one video per line, with or without labels')
    parser.add_argument('--video-root', type=Path, metavar='DIR', help='folder that paths start from')
    parser.add_argument('--out', required=True, type=Path, help='folder for .npy files, or an .h5 file')
    what = parser.add_argument_group('what is written')
    what.add_argument('--stage', type=int, nargs='+', metavar='N', help="backbone stages (default: the config's)")
    what.add_argument('--out-type', choices=OUT_TYPES, help="backbone output (default: the config's)")
    what.add_argument('--pool', choices=POOLS, default='mean', help='of maps: mean (default), over space, or none')
    what.add_argument('--scores', action='store_true', help='class scores, too')
    what.add_argument('--labels', metavar='NAMES', help='class names: k400, k600, k700, k710, or a file, one per line')
    what.add_argument('--dtype', choices=('float32', 'float16'), default='float32', help='data type of the arrays')
    what.add_argument('--overwrite', action='store_true', help='redo videos that are done')
    which = parser.add_argument_group("which clips (default: the config's test pipeline says)")
    which.add_argument('--stride', type=distance, help='slide a window by this many frames, or by seconds, as 0.5s')
    which.add_argument('--num-clips', type=positive, metavar='N', help='number of clips, spread over the video')
    which.add_argument('--clip-len', type=positive, metavar='N', help='frames of a clip')
    which.add_argument('--frame-interval', type=positive, metavar='N', help='from one frame of a clip to the next')
    which.add_argument('--fps', type=rate, help='sample videos at this frame rate (default: their own)')
    which.add_argument('--center-crop', action='store_true', help='only the middle one of several crops')
    how = parser.add_argument_group('how')
    how.add_argument('--batch-size', type=positive, default=8, metavar='N', help='clips at once (default: 8)')
    how.add_argument('--num-workers', type=int, default=2, metavar='N', help='processes that read (default: 2)')
    how.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    how.add_argument('--amp', action='store_true', help='mixed precision')
    how.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    return parser


def main() -> int:
    """Command line; returns the exit status."""
    parser = build_parser()
    args = parser.parse_intermixed_args()
    if args.labels and not args.scores:
        parser.error('--labels names the classes of --scores')
    try:
        return extract_features(**vars(args))
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    except torch.cuda.OutOfMemoryError as error:
        print(f'{parser.prog}: {str(error).splitlines()[0]} A smaller --batch-size needs less', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{parser.prog}: interrupted; the same command resumes', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
