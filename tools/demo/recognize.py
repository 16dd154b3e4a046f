"""Recognizes videos: prints the best classes of each, or labels them over time by clips that slide over them.

    python tools/demo/recognize.py VIDEO --model NAME
    python tools/demo/recognize.py VIDEO FOLDER list.txt --model CONFIG --checkpoint FILE --json results.jsonl
    python tools/demo/recognize.py VIDEO --model CONFIG --checkpoint FILE --every 1 --timeline out.png --out DIR
    python tools/demo/recognize.py rtsp://HOST/PATH --model CONFIG --checkpoint FILE --duration 60
    python tools/demo/recognize.py 0 --model CONFIG --checkpoint FILE

A model is a NAME of this package's metafiles (`mim search mmhvt`) with its published weights, or the CONFIG of any
recognizer of mmaction2 with a checkpoint. Classes are named by the checkpoint, else by the config, or by --labels.

A file is recognized as in a test, from all views of the config's test pipeline, and its five best classes are printed
(--top). For a folder, all videos in it are recognized; for a list (.txt, .csv), those in its lines, with or without
labels after the paths. A video that cannot be read is named, the others are recognized, and the exit status is 1.

With --every, --window, --timeline, --out, --duration, --fps or --live, and for streams and cameras, clips slide over
the video: one begins every second (--every), and the last ends with the video. A clip is one sample with all crops. Its
length (--window) is what `clip_len` and `frame_interval` say, or 10 s if the sampler draws from the whole video
(UniformSample). The three best labels of a clip are printed as soon as it is scored. --timeline draws the scores over
time; --out writes the video with the labels of the clip whose middle is nearest, without sound.

--json writes a line for each file, or clip:

  {"video": …, "labels": [{"name": …, "score": …}, …]}
  {"video": …, "start": 2.0, "end": 4.133, "frames": [50, 104], "labels": [{"name": …, "score": …}, …]}

with times in seconds and numbers of frames from the start, the end not included, and the best labels first.

Streams are URLs (rtsp://, http://, udp://, …), cameras 0 or /dev/video0. They are read once, in order, to their end,
for --duration seconds, or until Ctrl-C; what was seen until then is written, even if a connection is lost (exit status
1). If the model is slower than a camera or live stream, clips are left out, and frames that the computer has no time
for are dropped: the previous one replaces them, so that times are right. Nothing is left out of files, even on a web
server (--live and --no-live change that). Memory does not depend on the length of the video.
`mim run mmhvt recognize VIDEO …` is the same.
"""

import argparse
import sys
from pathlib import Path

import cv2  # noqa: F401 (before decord: after its libraries cv2 reads no PNG)

from mmhvt.apis import recognize_videos
from mmhvt.apis.command_line import add_reading_options, exit_status, number


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'videos', metavar='VIDEO', nargs='+', help='file, folder, list of files, URL of a stream, or camera (0)'
    )
    parser.add_argument('--model', required=True, help='name of a model, path of a config, or mmaction::PATH')
    parser.add_argument('--checkpoint', help='file or URL (default: the published weights of the named model)')
    parser.add_argument('--labels', type=Path, help="class names, one per line (default: the checkpoint's or config's)")
    parser.add_argument('--video-root', type=Path, metavar='DIR', help='folder that paths start from, in lists too')
    parser.add_argument('--top', type=int, help='number of labels to show (default: 5; 3 for a clip)')
    parser.add_argument('--score', type=number, help='lowest score to show (default: any)')
    parser.add_argument('--json', type=Path, help='file of JSON lines to write')
    time = parser.add_argument_group('labels over time')
    time.add_argument('--every', type=number, help='seconds from clip to clip (default: 1)')
    time.add_argument('--window', type=number, help='length of a clip in seconds (default: what the config says)')
    time.add_argument('--timeline', type=Path, help='picture to write, or folder for one named after VIDEO')
    time.add_argument('--out', type=Path, help='MP4 to write, or folder for one named after VIDEO')
    add_reading_options(parser)
    parser.add_argument('--device', help='default: the first GPU, or else cpu')
    arguments = parser.parse_args()
    return exit_status(parser.prog, lambda: recognize_videos(**vars(arguments)), 'interrupted')


if __name__ == '__main__':
    sys.exit(main())
