"""Recognizes a video from a checkout, without installation: python runtime/recognize.py --model FILE.onnx VIDEO"""

import sys

from mmhvt_runtime import main

if __name__ == '__main__':
    sys.exit(main())
