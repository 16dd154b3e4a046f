"""Who does what in a video: finds persons and their actions, and writes the video with boxes, and a JSON.

    python tools/demo/spatiotemporal.py VIDEO --config CONFIG --checkpoint FILE --boxes FILE --out DIR
    python tools/demo/spatiotemporal.py VIDEO --config CONFIG --checkpoint FILE --out DIR \
        --det-config mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py --det-checkpoint FILE

CONFIG of the actions is one of configs/ava or another whose model is mmhvt.ActionDetector; its test pipeline reads the
clips, from the video even if it names frames on disk. A key frame comes every second (--every). At each, a detector of
mmdet finds persons, or their boxes are read from a file:

  .pkl   proposals of AVA: a dict from 'VIDEO,SECOND' to x1, y1, x2, y2 (fractions of the frame), and a score
  .csv   lines of AVA: VIDEO,SECOND,x1,y1,x2,y2 and more; with an empty 7th column the 8th is a score
  .json  what this program wrote

VIDEO there is the name of the file without folder and suffix. The written video has the size and rate of VIDEO and no
sound; pixels that are not square (anamorphic video) are written as they are coded. An action is shown around its key
frame, from halfway to the previous one to halfway to the next. The JSON:

  {"video": …, "fps": …, "size": [width, height], "config": …, "checkpoint": …, "key_frames": [
  {"seconds": 1.0, "frame": 25, "boxes": [
    {"box": [x1, y1, x2, y2] in pixels, "score": of the person or null, "actions": [{"name": …, "score": …}, …]}, …]},
  …], "frames": …}

VIDEO may also be a stream (rtsp://, http://, udp://, …) or a camera (0, /dev/video0). It is read once, in order, to its
end, for --duration seconds, or until Ctrl-C; what was seen until then is written, even if the connection is lost (exit
status 1). An action is then shown from its key frame on. If the model is slower than a camera or live stream, key
frames are left out, and frames that the computer has no time for are dropped: the previous one replaces them in the
video, so that it keeps time. Nothing is left out of files, even on a web server (--live and --no-live change that).

Both files are written frame by frame, so that memory does not depend on the length of the video, and get their names
when they are complete. `mim run mmhvt spatiotemporal VIDEO …` is the same.
"""

import argparse
import sys
from pathlib import Path

import cv2  # noqa: F401 (before decord: after its libraries cv2 reads no PNG)
import torch

from mmhvt.apis import detect_actions
from mmhvt.apis.command_line import add_reading_options, exit_status, number


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', metavar='VIDEO', help='file, URL of a stream, or camera (0, /dev/video0)')
    parser.add_argument('--config', required=True, help='config of the actions: path')
    parser.add_argument('--checkpoint', required=True, help='weights of the actions: file or URL')
    parser.add_argument('--out', required=True, type=Path, help='MP4 to write, or folder for one named after VIDEO')
    parser.add_argument('--json', type=Path, help='file to write (default: beside the video)')
    persons = parser.add_mutually_exclusive_group(required=True)
    persons.add_argument('--boxes', type=Path, help='file of the boxes of persons')
    persons.add_argument('--det-config', help='config of a detector of mmdet: path, or mmdet::PATH')
    parser.add_argument('--boxes-start', type=number, default=0.0, help="time of VIDEO's start in --boxes (AVA's: 900)")
    parser.add_argument('--det-checkpoint', help='weights of the detector: file or URL')
    parser.add_argument('--det-category', type=int, default=0, help='index of its person class (default: 0)')
    parser.add_argument('--det-score', type=number, default=0.8, help='lowest score of a person (default: 0.8)')
    parser.add_argument('--labels', type=Path, help="names of the actions (default: the config's label_file)")
    parser.add_argument('--action-score', type=number, default=0.5, help='lowest score of an action (default: 0.5)')
    parser.add_argument('--every', type=number, default=1.0, help='seconds between key frames (default: 1)')
    add_reading_options(parser)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments = parser.parse_args()
    if bool(arguments.det_config) != bool(arguments.det_checkpoint):
        parser.error('--det-config and --det-checkpoint go together')
    return exit_status(parser.prog, lambda: detect_actions(**vars(arguments)), 'interrupted; nothing is written')


if __name__ == '__main__':
    sys.exit(main())
