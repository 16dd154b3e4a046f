"""Labels a video of any length, a stream or a camera: a recognizer scores clips that slide over it.

    python tools/demo/recognition.py VIDEO --config CONFIG --checkpoint FILE --labels FILE
    python tools/demo/recognition.py rtsp://HOST/PATH --config CONFIG --checkpoint FILE --duration 60 --json FILE
    python tools/demo/recognition.py 0 --config CONFIG --checkpoint FILE --out DIR

CONFIG is that of a recognizer of mmaction2 with any backbone. A clip goes through its test pipeline with one sample of
all crops; it extends over what `clip_len` and `frame_interval` say, and with a sampler that takes the whole video
(UniformSample) over 10 s (--window). A clip begins every second (--every), and the last ends with the video.

It prints, and writes as JSON, a line for each clip as soon as it is scored:

  {"start": 2.0, "end": 4.133, "frames": [50, 104], "labels": [{"name": …, "score": …}, …]}

in seconds and numbers of frames from the start, the end not included, with the best labels first (--top, --score). The
video (--out) has the labels of the clip whose middle is nearest, and no sound.

VIDEO is a file, the URL of a stream (rtsp://, http://, udp://, …) or a camera (0, /dev/video0). It is read once, in
order, to its end, for --duration seconds, or until Ctrl-C; what was seen until then is written, also if a connection is
lost (exit status 1). If the model is slower than a camera or live stream, clips are left out, and frames that the
computer had no time for are dropped: the one before stands for them, so that times are right. Of files, on a web server
too, nothing is left out (--live, --no-live decide otherwise). Memory does not depend on the length of the video.
`mim run mmhvt recognition VIDEO …` is the same.
"""

import argparse
import json as json_lines
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2  # noqa: F401 (before decord: behind its libraries cv2 reads no PNG)
import numpy as np
import torch
from action_video import draw_boxes

from mmhvt.apis.command_line import add_reading_options, exit_status, number
from mmhvt.apis.models import check_device
from mmhvt.apis.recognition import ClipRecognizer, LabeledClip, label_clips, with_labels
from mmhvt.apis.streams import MOST_WAITING_BYTES, FrameSource, stopped_by_interrupt
from mmhvt.apis.writing import check_outputs, mp4_path, whole_file
from mmhvt.datasets.moving_shapes import write_video

COLOR = (26, 140, 220)
WHOLE_FRAME = np.array([[0.0, 0.0, 1.0, 1.0]])


def run(
    video: str,
    config: str,
    checkpoint: str,
    labels: Path | None,
    every: float,
    window: float | None,
    top: int,
    score: float,
    json: Path | None,
    out: Path | None,
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
    for option, value in dict(every=every, window=window, top=top).items():
        if value is not None and value <= 0:
            raise ValueError(f'--{option} {value} has to be positive')
    source = FrameSource(video, fps, live, duration)
    if not every * source.fps >= 1:
        raise ValueError(f'--every {every}: frames of {video} are {1 / source.fps:.4g} s apart, clips at least')
    out = out and mp4_path(out, source.stem)
    check_device(device)
    check_outputs(dict(video=out, JSON=json), [source.path, config, checkpoint, labels])
    recognizer = ClipRecognizer(config, checkpoint, labels, device)
    if not recognizer.has_names:
        print('note: the classes have no names: --labels')
    if source.note:
        print(f'note: {source.note}')
    length, step = recognizer.length(source.fps, window), round(every * source.fps)
    frames = clips = 0

    def best(clip: LabeledClip) -> list[tuple[str, float]]:
        ranked = np.argsort(-clip.scores, kind='stable')[:top]
        return [(recognizer.names[place], float(clip.scores[place])) for place in ranked if clip.scores[place] >= score]

    def tell(clip: LabeledClip) -> None:
        start, end = clip.first / source.fps, (clip.first + clip.length) / source.fps
        found = best(clip)
        texts = [f'{name} {value:.2f}' for name, value in found]
        print(f'{start:8.2f} - {end:8.2f} s: {", ".join(texts) or "no label"}', flush=True)
        if file is not None:
            entry = dict(start=round(start, 3), end=round(end, 3), frames=[clip.first, clip.first + clip.length])
            entry['labels'] = [dict(name=name, score=round(value, 4)) for name, value in found]
            file.write(json_lines.dumps(entry) + '\n')

    def labeled() -> Iterator[tuple[np.ndarray | None, LabeledClip | None]]:
        nonlocal frames, clips
        for frame, clip in label_clips(source, recognizer, length, step):
            frames += frame is not None
            if clip is not None:
                clips += 1
                tell(clip)
            yield frame, clip

    def drawn() -> Iterator[np.ndarray]:
        lag = min(length, MOST_WAITING_BYTES // (3 * source.width * source.height))
        for frame, clip in with_labels(labeled(), step, lag):
            text = '\n'.join(f'{name} {value:.2f}' for name, value in best(clip)) if clip else ''
            yield draw_boxes(frame, WHOLE_FRAME, [(text, COLOR)]) if text else frame

    with ExitStack() as stack:
        file = stack.enter_context(json.open('w', buffering=1)) if json else None
        stack.enter_context(stopped_by_interrupt(source))
        if out:
            write_video(stack.enter_context(whole_file(out)), drawn(), source.fps)
        else:
            for _ in labeled():
                pass
    print(f'{video}: {frames} frames, {clips} clips{"".join(f"; {path}" for path in (out, json) if path)}')
    for note in source.remarks(frames):
        print(f'note: {note}')
    return source.lost


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', metavar='VIDEO', help='file, URL of a stream, or camera (0, /dev/video0)')
    parser.add_argument('--config', required=True, help='of the recognizer: path')
    parser.add_argument('--checkpoint', required=True, help='file or URL')
    parser.add_argument('--labels', type=Path, help="names of the classes, one a line (default: the config's metainfo)")
    parser.add_argument('--every', type=number, default=1.0, help='seconds from clip to clip (default: 1)')
    parser.add_argument('--window', type=number, help='seconds that a clip extends over (default: as the config says)')
    parser.add_argument('--top', type=int, default=3, help='labels to tell at most (default: 3)')
    parser.add_argument('--score', type=number, default=0.0, help='least score to tell (default: 0)')
    parser.add_argument('--json', type=Path, help='file of JSON lines to write')
    parser.add_argument('--out', type=Path, help='MP4 to write, or folder for one of the name of VIDEO')
    add_reading_options(parser)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments = parser.parse_args()
    return exit_status(parser.prog, lambda: run(**vars(arguments)), 'interrupted')


if __name__ == '__main__':
    sys.exit(main())
