"""Who does what in a video: finds persons, tells their actions, and writes the video with boxes, and a JSON.

    python tools/demo/spatiotemporal.py VIDEO --config CONFIG --checkpoint FILE --boxes FILE --out DIR
    python tools/demo/spatiotemporal.py VIDEO --config CONFIG --checkpoint FILE --out DIR \
        --det-config mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py --det-checkpoint FILE

CONFIG of the actions is one of configs/ava or another whose model is mmhvt.ActionDetector; its test pipeline reads the
clips, from the video also where it names frames on disk. A key frame comes every second (--every). At each, persons are
found by a detector of mmdet, or their boxes read from a file:

  .pkl   proposals of AVA: a dict from 'VIDEO,SECOND' to x1, y1, x2, y2 (shares of the frame), and a score
  .csv   lines of AVA: VIDEO,SECOND,x1,y1,x2,y2 and more; with an empty 7th column the 8th is a score
  .json  what this program wrote

VIDEO there is the name of the file without folder and suffix. The written video has the size and rate of VIDEO and no
sound; pixels that are not square (anamorphic video) are written as they are coded. An action stands from half way to
the key frame before to half way to the next. The JSON:

  {"video": …, "fps": …, "size": [width, height], "config": …, "checkpoint": …, "key_frames": [
  {"seconds": 1.0, "frame": 25, "boxes": [
    {"box": [x1, y1, x2, y2] in pixels, "score": of the person or null, "actions": [{"name": …, "score": …}, …]}, …]},
  …], "frames": …}

VIDEO may be a stream (rtsp://, http://, udp://, …) or a camera (0, /dev/video0) too. It is read once, in order, to its
end, for --duration seconds, or until Ctrl-C; what was seen until then is written, also if the connection is lost (exit
status 1). An action stands there from its key frame on. If the model is slower than a camera or live stream, key frames
are left out, and frames that the computer had no time for are dropped: the one before stands in the video for them, so
that it keeps time. Of files, on a web server too, nothing is left out (--live, --no-live decide otherwise).

Both are written frame by frame, so that memory does not depend on the length of the video, and under their names when
they are whole. `mim run mmhvt spatiotemporal VIDEO …` is the same.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2  # noqa: F401 (before decord: behind its libraries cv2 reads no PNG)
import numpy as np
import torch
from action_video import KeyFrame, draw_boxes, draw_video
from mmengine.utils import ProgressBar

from mmhvt.apis.actions import ActionFinder, KeyFrameFinder, PersonDetector, file_key_frames, stream_key_frames
from mmhvt.apis.boxes import inside, read_boxes  # noqa: F401
from mmhvt.apis.command_line import add_reading_options, exit_status, number
from mmhvt.apis.labels import read_names  # noqa: F401
from mmhvt.apis.models import check_device, load_config, load_model  # noqa: F401
from mmhvt.apis.streams import FrameSource, RecentFrames, stopped_by_interrupt
from mmhvt.apis.writing import KeyFrameWriter, check_outputs, mp4_path, whole_file
from mmhvt.datasets.moving_shapes import write_video

COLOUR = (26, 140, 220)
# of the actions above --action-score, in the picture
MOST_SHOWN = 5


def to_draw(entry: dict, width: int, height: int) -> KeyFrame:
    """A key frame of the JSON as it is drawn."""
    boxes = np.array([found['box'] for found in entry['boxes']]).reshape(-1, 4) / ([width, height] * 2)
    texts = [
        '\n'.join(f'{action["name"]} {action["score"]:.2f}' for action in found['actions'][:MOST_SHOWN])
        for found in entry['boxes']
    ]
    return KeyFrame(entry['seconds'], boxes, [(text, COLOUR) for text in texts])


def draw_file(source: FrameSource, find: KeyFrameFinder, every: float, writer: KeyFrameWriter) -> Iterator[np.ndarray]:
    """Frames of a file with what its key frames tell, which go to `writer`."""
    frames = min(source.announced or 0, (source.duration or math.inf) * source.fps)
    bar = ProgressBar(max(0, math.ceil((frames - 0.5) / (every * source.fps))), file=sys.stderr)

    def key_frames() -> Iterator[KeyFrame]:
        for entry in file_key_frames(source, find, every):
            writer.write(entry)
            bar.update()
            yield to_draw(entry, source.width, source.height)

    try:
        yield from draw_video(source.frames(), source.fps, key_frames())
    finally:
        print(file=sys.stderr)  # ends the line of the bar


def draw_stream(
    source: FrameSource, find: KeyFrameFinder, every: float, writer: KeyFrameWriter
) -> Iterator[np.ndarray]:
    """Frames of a stream with what its last key frame told, which goes to `writer`."""
    shown = KeyFrame(0, np.zeros((0, 4)), [])
    for frame, entry in stream_key_frames(source, find, every):
        if entry is not None:
            writer.write(entry)
            shown = to_draw(entry, source.width, source.height)
            persons = [text.replace('\n', ', ') or 'no action' for text, _ in shown.captions]
            print(f'{entry["seconds"]:8.2f} s: {"; ".join(persons) or "nobody"}', flush=True)
        yield draw_boxes(frame, shown.boxes, shown.captions)


def run(
    video: str,
    config: str,
    checkpoint: str,
    out: Path,
    json: Path | None,
    boxes: Path | None,
    boxes_start: float,
    det_config: str | None,
    det_checkpoint: str | None,
    det_category: int,
    det_score: float,
    labels: Path | None,
    action_score: float,
    every: float,
    duration: float | None,
    fps: float | None,
    live: bool | None,
    device: str,
) -> str:
    """Everything; arguments as --help tells.

    Returns:
        Why a stream ended before it should; empty if it did not.

    Raises:
        ValueError: If something does not fit or cannot be read.
        OSError: If a file cannot be written.
    """
    source = FrameSource(video, fps, live, duration)
    out = mp4_path(out, source.stem)
    json = json or out.with_suffix('.json')
    if not every * source.fps >= 1:
        raise ValueError(f'--every {every}: frames of {video} are {1 / source.fps:.4g} s apart, key frames at least')
    check_device(device)
    check_outputs(dict(video=out, JSON=json), [source.path, config, checkpoint, boxes, labels])

    given: dict[int, np.ndarray] = {}
    if boxes:
        times = read_boxes(boxes, source.stem, boxes_start)
        given = {round(seconds * source.fps): rows for seconds, rows in times.items()}
        unasked = len(times)

        def boxes_at(video: RecentFrames, index: int) -> np.ndarray | None:
            nonlocal unasked
            unasked -= index in given
            return given.get(index)
    else:
        detector = PersonDetector(det_config, det_checkpoint, det_category, device)

        def boxes_at(video: RecentFrames, index: int) -> np.ndarray:
            return detector(video[index])

    finder = ActionFinder(config, checkpoint, labels, device)
    size = (source.width, source.height)
    find = KeyFrameFinder(finder, boxes_at, size, source.fps, det_score, action_score)
    if source.note:
        print(f'note: {source.note}')
    frames, counts = 0, find.counts
    with ExitStack() as stack:
        if source.is_stream:
            stack.enter_context(stopped_by_interrupt(source))
        new_video, new_json = (stack.enter_context(whole_file(path)) for path in (out, json))
        writer = KeyFrameWriter(
            stack.enter_context(new_json.open('w')),
            dict(video=video, fps=source.fps, size=size, config=config, checkpoint=checkpoint),
        )

        def drawn() -> Iterator[np.ndarray]:
            nonlocal frames
            for frame in (draw_stream if source.is_stream else draw_file)(source, find, every, writer):
                frames += 1
                yield frame

        write_video(new_video, drawn(), source.fps)
        writer.close(dict(frames=frames))
    print(f'{out}: {frames} frames, {counts["key_frames"]} key frames, {counts["boxes"]} boxes; {json}')
    for note in source.remarks(frames):
        print(f'note: {note}')
    if counts['skipped']:
        print(f'note: {counts["skipped"]} key frames were left out, since the model is slower: --every')
    if counts['unknown']:
        print(f'note: {boxes} lacks {counts["unknown"]} of the {counts["key_frames"]} key frames')
    if boxes and unasked:
        print(f'note: {unasked} of the {len(times)} times in {boxes} are no key frames: --every, --boxes-start')
    if counts['outside']:
        shares = '; boxes of .pkl and .csv are shares of the frame, not pixels' if boxes else ''
        print(f'note: {counts["outside"]} boxes lie outside the frame or have no area, and are left out{shares}')
    if not counts['boxes']:
        low = f'; {counts["low"]} have a score below {det_score}: --det-score' if counts['low'] else ''
        print(f'note: the video shows no boxes{low}')
    return source.lost


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', metavar='VIDEO', help='file, URL of a stream, or camera (0, /dev/video0)')
    parser.add_argument('--config', required=True, help='of the actions: path')
    parser.add_argument('--checkpoint', required=True, help='of the actions: file or URL')
    parser.add_argument('--out', required=True, type=Path, help='MP4 to write, or folder for one of the name of VIDEO')
    parser.add_argument('--json', type=Path, help='to write (default: beside the video)')
    persons = parser.add_mutually_exclusive_group(required=True)
    persons.add_argument('--boxes', type=Path, help='file of the boxes of persons')
    persons.add_argument('--det-config', help='of a detector of mmdet: path, or mmdet::PATH')
    parser.add_argument('--boxes-start', type=number, default=0.0, help="time of VIDEO's start in --boxes (AVA's: 900)")
    parser.add_argument('--det-checkpoint', help='of the detector: file or URL')
    parser.add_argument('--det-category', type=int, default=0, help='number of persons among its classes (default: 0)')
    parser.add_argument('--det-score', type=number, default=0.8, help='least score of a person (default: 0.8)')
    parser.add_argument('--labels', type=Path, help="names of the actions (default: the config's label_file)")
    parser.add_argument('--action-score', type=number, default=0.5, help='least score of an action (default: 0.5)')
    parser.add_argument('--every', type=number, default=1.0, help='seconds from key frame to key frame (default: 1)')
    add_reading_options(parser)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments = parser.parse_args()
    if bool(arguments.det_config) != bool(arguments.det_checkpoint):
        parser.error('--det-config and --det-checkpoint go together')
    return exit_status(parser.prog, lambda: run(**vars(arguments)), 'interrupted; nothing is written')


if __name__ == '__main__':
    sys.exit(main())
