"""Writes a model to a file that runs without mmhvt: ONNX, or a package of PyTorch (.pt2).

    python tools/export.py CONFIG CHECKPOINT
    python tools/export.py CONFIG CHECKPOINT --format pt2 --out model.pt2
    python tools/export.py CONFIG CHECKPOINT --outputs features --shape 8 224 224
    python tools/export.py NAME                     # of this package's metafiles, with its published weights

A recognizer or classifier becomes logits of clips or images, an action detector probabilities of boxes that are an
input, a Faster or Mask R-CNN boxes, scores, labels and masks of an image, and with --outputs features a backbone its
features, a COCO detector's with the maps of its neck. The input is uint8
RGB as readers return it, (N, T, H, W, 3) or (N, H, W, 3), unless --no-preprocess is given. The file is compared with
the model before it gets its name. Its metadata have the classes, clips and views of the config, by which mmhvt_runtime
recognizes videos: docs/guides/export.md. `mim run mmhvt export …` is the same.
"""

import argparse
import sys
from pathlib import Path

import cv2  # noqa: F401 (before decord: after its libraries cv2 reads no PNG)

from mmhvt.apis.command_line import exit_status
from mmhvt.export.exporting import FORMATS, export_model
from mmhvt.export.graphs import OUTPUTS
from mmhvt.export.sizes import DYNAMIC
from mmhvt.utils.configs import CfgOptions


def axes(text: str) -> tuple[str, ...]:
    """'batch,frames' or 'none'."""
    return () if text == 'none' else tuple(axis.strip() for axis in text.split(','))


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='path or name of a config, or PACKAGE::PATH')
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', nargs='?', help='file or URL (default: the published weights of a NAME)'
    )
    parser.add_argument('--out', type=Path, help="file (default: the config's name in the current folder)")
    parser.add_argument('--format', choices=FORMATS, default='onnx', help='default: onnx')
    parser.add_argument('--outputs', choices=OUTPUTS, default='scores', help='default: scores')
    parser.add_argument(
        '--dynamic',
        type=axes,
        metavar='AXES',
        help=f'what may vary in the input: {", ".join(DYNAMIC)}, or none (default: batch; none of COCO detectors)',
    )
    parser.add_argument(
        '--shape', type=int, nargs='+', metavar='N', help="T H W or H W of the input (default: the backbone's)"
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument('--half', action='store_true', help='float16 weights and arithmetic, for GPUs')
    precision.add_argument('--int8', action='store_true', help='8-bit weights of linear layers, for CPUs')
    parser.add_argument(
        '--no-preprocess', dest='preprocess', action='store_false', help='the input is normalized, (N, 3, [T,] H, W)'
    )
    parser.add_argument(
        '--no-compile', dest='compiled', action='store_false', help='a .pt2 with a graph rather than machine code'
    )
    parser.add_argument('--opset', type=int, help='of ONNX (default: 23; 21 for detectors)')
    parser.add_argument('--dataset', help='which head of a co-trained model to export')
    parser.add_argument('--cfg-options', dest='options', nargs='+', action=CfgOptions, help='settings of the config')
    arguments = parser.parse_args()

    def run() -> str:
        path = export_model(**vars(arguments))
        print(f'{path}: {path.stat().st_size / 2**20:.1f} MiB')
        return ''

    return exit_status(parser.prog, run, 'interrupted')


if __name__ == '__main__':
    sys.exit(main())
