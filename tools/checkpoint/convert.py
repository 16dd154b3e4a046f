"""Converts a checkpoint of another repository into one that mmaction, mmpretrain and mmdet load.

    python tools/checkpoint/convert.py SRC DST.pth [--source NAME] [--config CONFIG] [--labels FROM TO]
        [--backbone-only] [--safetensors]

`mim run mmhvt convert SRC DST.pth` is the same.
"""

import argparse
import sys

from mmhvt import migrate
from mmhvt.migrate.conversion import convert_checkpoint

DETAILS = """
SRC is a file or URL as published: .pth, .pt, .pyth, .pkl of detectron2, .npz, .safetensors, TorchScript of CLIP. Its
source, a family and a repository such as mvit.timm, is recognized by its tensor names; --source overrides that. Without
--config, the weights are unchanged, under our names. With it, they fit the config's model: positions are resized to its
input, image weights are inflated for video, and the classifier has its name; what does not fit its backbone is an
error. So is a classifier that was trained on something that the model lacks, such as a class token, unless
--backbone-only leaves the classifier out. A table says what became of the tensors.

--labels gives the classifier the classes of another list, by their names. FROM and TO are k400, k600, k700, k710, whose
different names for the same class are known, or text files with one class name per line, in the order of the labels;
every class of TO has to be in FROM.

  python tools/checkpoint/convert.py k400.pyth mvitv2-s.pth
  python tools/checkpoint/convert.py vit_b16.pt vit-b.pth --config my_config.py --safetensors
  python tools/checkpoint/convert.py k710.pth k710-as-k400.pth --labels k710 k400
"""


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=DETAILS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('src', help='file or URL of the checkpoint')
    parser.add_argument('dst', help='.pth to write')
    names = ', '.join(sorted(source.name for source in migrate.all_sources()))
    parser.add_argument('--source', metavar='NAME', help=names)
    parser.add_argument('--config', help="for this config's model: its sizes, its head's names")
    parser.add_argument('--labels', nargs=2, metavar=('FROM', 'TO'), help='label lists of the classifier')
    parser.add_argument('--backbone-only', action='store_true', help='leave out what follows the backbone')
    parser.add_argument(
        '--safetensors', dest='with_safetensors', action='store_true', help='write DST with suffix .safetensors, too'
    )
    arguments = parser.parse_args()
    try:
        paths = convert_checkpoint(**vars(arguments))
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    print(f'written: {", ".join(map(str, paths))}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
