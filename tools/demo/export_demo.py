"""From a trained model to a recognizer without PyTorch: exports the model of `make demo`, and recognizes videos by it.

Works in the current folder, as a user would: videos in data/moving_shapes, the model in work_dirs/demo, trained here if
it is not there, the rest in work_dirs/demo-export. Exports the model to ONNX by tools/export.py, installs the runtime
into a new environment, recognizes a validation video of each class by `mmhvt-recognize` there, and compares all scores
with those of mmaction2's inferencer here. The last two lines are metrics: the largest difference, and the seconds that
`mmhvt-recognize` took for the first video, imports included. The exit status is 1 if a score differs by more than 1e-4.
"""

import argparse
import sys

import cv2  # noqa: F401 (before decord: after its libraries cv2 reads no PNG)

from mmhvt.demos.export import run
from mmhvt.demos.runs import run_program


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clips-per-class', type=int, default=400, help='training clips of each class')
    parser.add_argument('--val-clips-per-class', type=int, default=50, help='validation clips of each class')
    parser.add_argument('--epochs', type=int, help="length of training (default: the config's)")
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
