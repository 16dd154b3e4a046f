"""Detection of actions in a whole video, stream or camera: boxes and actions are written as JSON and drawn."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from mmengine.utils import ProgressBar

from mmhvt.utils.drawing import BLUE, KeyFrame, draw_boxes, draw_video

from .actions import ActionFinder, KeyFrameFinder, PersonDetector, file_key_frames, stream_key_frames
from .boxes import read_boxes
from .models import check_device
from .streams import FrameSource, RecentFrames, check_interval, stopped_by_interrupt
from .videos import write_video
from .writing import KeyFrameWriter, check_outputs, mp4_path, whole_file

# actions drawn per person at most; the JSON has all
MOST_SHOWN = 5


class GivenBoxes:
    """Boxes from a file for the frames of a video.

    Args:
        path: File, see :func:`~mmhvt.apis.boxes.read_boxes`.
        source: The video.
        start: Time of the video's first frame in the file.

    Attributes:
        total: Number of times in the file.
        unused: Number of these times without a key frame so far.
    """

    def __init__(self, path: Path, source: FrameSource, start: float) -> None:
        times = read_boxes(path, source.stem, start)
        self._rows = {round(seconds * source.fps): rows for seconds, rows in times.items()}
        self.total = self.unused = len(times)

    def __call__(self, video: RecentFrames, index: int) -> np.ndarray | None:
        """(n, 5) boxes at a frame; None if the file does not list the frame."""
        self.unused -= index in self._rows
        return self._rows.get(index)


def to_draw(entry: dict, width: int, height: int) -> KeyFrame:
    """Convert a key frame of the JSON for drawing.

    Args:
        entry: Key frame with boxes in pixels.
        width: Width of the frames.
        height: Height of the frames.
    """
    boxes = np.array([found['box'] for found in entry['boxes']]).reshape(-1, 4) / ([width, height] * 2)
    texts = [
        '\n'.join(f'{action["name"]} {action["score"]:.2f}' for action in found['actions'][:MOST_SHOWN])
        for found in entry['boxes']
    ]
    return KeyFrame(entry['seconds'], boxes, [(text, BLUE) for text in texts])


def draw_file(source: FrameSource, find: KeyFrameFinder, every: float, writer: KeyFrameWriter) -> Iterator[np.ndarray]:
    """Frames of a file with the boxes of its key frames, which `writer` writes."""
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
        print(file=sys.stderr)  # ends the progress bar's line


def draw_stream(
    source: FrameSource, find: KeyFrameFinder, every: float, writer: KeyFrameWriter
) -> Iterator[np.ndarray]:
    """Frames of a stream with the boxes of its last key frame; `writer` writes all key frames."""
    shown = KeyFrame(0, np.zeros((0, 4)), [])
    for frame, entry in stream_key_frames(source, find, every):
        if entry is not None:
            writer.write(entry)
            shown = to_draw(entry, source.width, source.height)
            persons = [text.replace('\n', ', ') or 'no action' for text, _ in shown.captions]
            print(f'{entry["seconds"]:8.2f} s: {"; ".join(persons) or "nobody"}', flush=True)
        yield draw_boxes(frame, shown.boxes, shown.captions)


def _write(video: Path, json: Path, source: FrameSource, find: KeyFrameFinder, every: float, head: dict) -> int:
    """Write both files completely or not at all; return the number of frames."""
    count = 0
    with ExitStack() as stack:
        if source.is_stream:
            stack.enter_context(stopped_by_interrupt(source))
        new_video, new_json = (stack.enter_context(whole_file(path)) for path in (video, json))
        writer = KeyFrameWriter(stack.enter_context(new_json.open('w')), head)

        def drawn() -> Iterator[np.ndarray]:
            nonlocal count
            for frame in (draw_stream if source.is_stream else draw_file)(source, find, every, writer):
                count += 1
                yield frame

        write_video(new_video, drawn(), source.fps)
        writer.close(dict(frames=count))
    return count


def _notes(find: KeyFrameFinder, boxes: Path | None, given: GivenBoxes | None, det_score: float) -> Iterator[str]:
    """What the user should know about the boxes."""
    counts = find.counts
    if counts['skipped']:
        yield f'{counts["skipped"]} key frames were left out, since the model is too slow for --every'
    if counts['unknown']:
        yield f'{boxes} lacks {counts["unknown"]} of the {counts["key_frames"]} key frames'
    if given is not None and given.unused:
        yield f'{given.unused} of the {given.total} times in {boxes} are not key frames: check --every, --boxes-start'
    if counts['outside']:
        shares = '; boxes in .pkl and .csv are fractions of the frame, not pixels' if boxes else ''
        yield f'{counts["outside"]} boxes lie outside the frame or have no area, and are left out{shares}'
    if not counts['boxes']:
        low = f'; {counts["low"]} have a score below {det_score} (--det-score)' if counts['low'] else ''
        yield f'the video shows no boxes{low}'


def detect_actions(
    video: str,
    config: str,
    checkpoint: str,
    out: Path,
    *,
    json: Path | None = None,
    boxes: Path | None = None,
    boxes_start: float = 0.0,
    det_config: str | None = None,
    det_checkpoint: str | None = None,
    det_category: int = 0,
    det_score: float = 0.8,
    labels: Path | None = None,
    action_score: float = 0.5,
    every: float = 1.0,
    duration: float | None = None,
    fps: float | None = None,
    live: bool | None = None,
    device: str = 'cpu',
) -> str:
    """Find the actions of the persons in a video; write a JSON, and the video with boxes.

    Persons come from `boxes`, or from the detector of `det_config`.

    Args:
        video: File, stream URL or camera, as :class:`~mmhvt.apis.FrameSource` accepts it.
        config: Path of the config of a :class:`mmhvt.models.ActionDetector`.
        checkpoint: File or URL.
        out: MP4 to write, or folder for one that is named after the video.
        json: JSON to write. Defaults to a file beside the video.
        boxes: File of boxes, see :func:`~mmhvt.apis.boxes.read_boxes`.
        boxes_start: Time of the video's first frame in `boxes`. Defaults to 0.
        det_config: Path or name of the config of a detector of mmdet.
        det_checkpoint: File or URL of the detector's weights.
        det_category: Index of the detector's person class. Defaults to 0.
        det_score: Lowest score of a person. Defaults to 0.8.
        labels: File of the names of actions. Defaults to the config's `label_file`.
        action_score: Lowest score of an action. Defaults to 0.5.
        every: Seconds between key frames. Defaults to 1.
        duration: Seconds to read. Defaults to the whole video.
        fps: Frames a second, if the video gives a wrong rate or none.
        live: Whether frames are dropped to stay near the present. Defaults to True for cameras and live streams.
        device: Device of the models. Defaults to 'cpu'.

    Returns:
        Reason why a stream ended early, in which case what came before is written; empty if it did not.

    Raises:
        ValueError: If arguments, configs and checkpoints do not fit together, or a file cannot be read.
        UnreadableVideoError: If the video cannot be read.
        OSError: If a file cannot be written.
    """
    if not boxes and not (det_config and det_checkpoint):
        raise ValueError('boxes come from a file (--boxes), or from a detector (--det-config and --det-checkpoint)')
    source = FrameSource(video, fps, live, duration)
    out = mp4_path(out, source.stem)
    json = json or out.with_suffix('.json')
    check_interval(every, source, 'key frames')
    check_device(device)
    check_outputs(dict(video=out, JSON=json), [source.path, config, checkpoint, boxes, labels])

    given = GivenBoxes(boxes, source, boxes_start) if boxes else None
    boxes_at: Callable[[RecentFrames, int], np.ndarray | None]
    if given is not None:
        boxes_at = given
    elif det_config and det_checkpoint:
        detector = PersonDetector(det_config, det_checkpoint, det_category, device)

        def boxes_at(video: RecentFrames, index: int) -> np.ndarray:
            return detector(video[index])

    size = (source.width, source.height)
    find = KeyFrameFinder(
        ActionFinder(config, checkpoint, labels, device),
        boxes_at,
        size=size,
        fps=source.fps,
        det_score=det_score,
        action_score=action_score,
    )
    if source.note:
        print(f'note: {source.note}')
    head = dict(video=video, fps=source.fps, size=size, config=config, checkpoint=checkpoint)
    frames = _write(out, json, source, find, every, head)
    print(f'{out}: {frames} frames, {find.counts["key_frames"]} key frames, {find.counts["boxes"]} boxes; {json}')
    for note in (*source.remarks(frames), *_notes(find, boxes, given, det_score)):
        print(f'note: {note}')
    return source.lost and f'{source.lost}; what came before is written'
