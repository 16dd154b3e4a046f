"""Draws where a model sees a class: class activation maps of each stage over the frames of a video, or on an image.

    python tools/analysis/saliency.py VIDEO --config CONFIG --checkpoint FILE [--class NAME|N] --out DIR

Writes DIR/VIDEO.png, a row for each stage, and DIR/VIDEO.gif, the stages side by side; for an image, the PNG alone. The
frames are those of the middle clip and crop of the config's test pipeline. --distance also writes
DIR/VIDEO_distance.json and .png, the mean attention distance of each head of each layer.
`mim run mmhvt saliency VIDEO …` is the same.
"""

import argparse
from pathlib import Path

from mmhvt.analysis.saliency import draw_saliency
from mmhvt.datasets import UnreadableVideoError
from mmhvt.utils.configs import CfgOptions


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('input', type=Path, help='video, or image if the config tests images')
    parser.add_argument('--config', required=True, help='config of mmaction2 or mmpretrain, or name of a model')
    parser.add_argument('--checkpoint', help='file or URL (default: the one that the metafile names)')
    parser.add_argument('--class', dest='label', metavar='NAME|N', help='class (default: the one that is predicted)')
    parser.add_argument('--labels', type=Path, metavar='FILE', help='names of the classes, one per line')
    parser.add_argument('--stages', type=int, nargs='+', metavar='N', help='stages, or layers of a ViT (default: four)')
    parser.add_argument('--distance', action='store_true', help='write mean attention distances, too')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write to')
    parser.add_argument('--device', default='cpu', help='device of the model')
    parser.add_argument('--cfg-options', nargs='+', action=CfgOptions, metavar='KEY=VALUE', help='override settings')
    args = parser.parse_args()
    try:
        line, files = draw_saliency(
            args.input,
            args.config,
            args.checkpoint,
            args.out,
            label=args.label,
            labels=args.labels,
            stages=args.stages,
            distance=args.distance,
            device=args.device,
            options=args.cfg_options,
        )
    except (OSError, ValueError, UnreadableVideoError) as error:
        raise SystemExit(f'saliency.py: {error}') from None
    print(line, *files, sep='\n')


if __name__ == '__main__':
    main()
