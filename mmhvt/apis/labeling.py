"""Recognition of files, streams and cameras: labels are printed, written as JSON lines and drawn."""

import json as json_lines
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmhvt.analysis.feature_files import find_videos, output_names, read_list
from mmhvt.datasets import UnreadableVideoError
from mmhvt.utils.drawing import BLUE, draw_boxes

from .models import check_device
from .recognition import ClipRecognizer, Label, LabeledClip, best_labels, label_clips, with_labels
from .streams import (
    MOST_WAITING_BYTES,
    FrameSource,
    check_interval,
    check_readable,
    kind_of,
    stem_of,
    stopped_by_interrupt,
)
from .timeline import Timeline
from .videos import write_video
from .writing import check_outputs, mp4_path, whole_file

WHOLE_FRAME = np.array([[0.0, 0.0, 1.0, 1.0]])
LISTS = ('.txt', '.csv', '.tsv')
PICTURES = ('.png', '.pdf', '.svg', '.jpg')
# of class names in the terminal, in columns
WIDEST_NAME = 40
# eighths of a column
BLOCKS = '▏▎▍▌▋▊▉█'


class Outputs(NamedTuple):
    """Files to write for a video; None for those not requested.

    Args:
        video: MP4 with captions.
        timeline: Picture of the labels over time.
    """

    video: Path | None
    timeline: Path | None


def list_sources(videos: Iterable[str], root: Path | None = None) -> list[str]:
    """Files, streams and cameras, each once: folders and lists are replaced by the videos in them.

    Args:
        videos: Files, folders, lists of files (.txt, .csv, .tsv), URLs and cameras.
        root: Folder that paths start from. Defaults to the working directory, or to the folder of a list for its paths.

    Raises:
        ValueError: If a list cannot be read, or there is no video in a folder.
    """
    found: dict[str, None] = {}
    for video in videos:
        path = Path(video)
        if kind_of(video) != 'file' or video.lower().startswith('file://'):
            found[video] = None
        elif path.suffix.lower() in LISTS:
            folder = root or path.parent
            found.update(dict.fromkeys(map(str, find_videos(read_list(path, folder), folder))))
        else:
            found.update(dict.fromkeys(map(str, find_videos([video], root or Path()))))
    return list(found)


def plan_outputs(sources: Sequence[str], out: Path | None, timeline: Path | None) -> dict[str, Outputs]:
    """The files to write for each source.

    Args:
        sources: Files, streams and cameras.
        out: MP4, or folder for MP4s named after the sources.
        timeline: Picture, or folder.

    Raises:
        ValueError: If several sources would share one file, or the video would not be an MP4.
    """
    files = [source for source in sources if kind_of(source) == 'file' and '://' not in source]
    stems = {source: stem_of(source) for source in sources}
    if files:
        stems.update(zip(files, output_names([Path(file) for file in files]), strict=True))
    if len(sources) > 1:
        for option, path in dict(out=out, timeline=timeline).items():
            if path and path.suffix.lower() in ('.mp4', *PICTURES) and not path.is_dir():
                raise ValueError(f'--{option} {path} is one file, and there are {len(sources)} videos: name a folder')

    def picture(stem: str) -> Path | None:
        if timeline is None or (timeline.suffix.lower() in PICTURES and not timeline.is_dir()):
            return timeline
        return timeline / f'{stem}.png'

    return {source: Outputs(out and mp4_path(out, stem), picture(stem)) for source, stem in stems.items()}


def draw_bars(labels: Sequence[Label], width: int, blocks: bool = True) -> str:
    """Lines of names, scores and bars, for a terminal.

    Args:
        labels: Classes with scores; bars show those in [0, 1].
        width: Columns of the terminal.
        blocks: Whether the terminal can show block characters; '#' otherwise. Defaults to True.
    """
    column = min(WIDEST_NAME, max(map(cell_len, (label.name for label in labels)), default=0))
    most = max(8, width - column - 11)
    lines = []
    for name, score in labels:
        share = min(max(score, 0.0), 1.0) * most
        if blocks:
            whole, eighths = divmod(round(share * 8), 8)
            bar = BLOCKS[-1] * whole + (BLOCKS[eighths - 1] if eighths else '')
        else:
            bar = '#' * round(share)
        lines.append(f'  {set_cell_size(name, column)} {score:7.3f} {bar}'.rstrip())
    return '\n'.join(lines)


def _shows_blocks(file: TextIO) -> bool:
    try:
        BLOCKS.encode(file.encoding or 'ascii')
    except UnicodeEncodeError:
        return False
    return True


class _JsonLines:
    """File of JSON lines, each flushed as it is written; without lines, there is no file.

    Args:
        path: File to write; None for none.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file: TextIO | None = None

    def __enter__(self) -> '_JsonLines':
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, entry: dict, labels: Sequence[Label]) -> None:
        """Adds a line, an entry and its labels."""
        if self.path is None:
            return
        if self._file is None:
            self._file = self.path.open('w', buffering=1)
        entry = dict(entry, labels=[dict(name=name, score=round(score, 4)) for name, score in labels])
        self._file.write(json_lines.dumps(entry) + '\n')


class _LabeledSource:
    """Frames of a source with the labels of clips, which are printed and written as soon as they are known.

    Args:
        source: Video to read.
        recognizer: Model that scores clips.
        length: Frames of a clip.
        step: Frames from the start of a clip to the start of the next.
        top: Number of labels of a clip.
        score: Lowest score of a label; None for no limit.
        file: JSON lines.
        timeline: Picture over time; None for none.

    Attributes:
        frames: Number of frames so far.
        clips: Number of clips so far.
    """

    def __init__(
        self,
        source: FrameSource,
        recognizer: ClipRecognizer,
        length: int,
        step: int,
        top: int,
        score: float | None,
        file: _JsonLines,
        timeline: Timeline | None,
    ) -> None:
        self._source, self._recognizer, self._length, self._step = source, recognizer, length, step
        self._top, self._score, self._file, self._timeline = top, score, file, timeline
        self.frames = self.clips = 0

    def __iter__(self) -> Iterator[tuple[np.ndarray | None, LabeledClip | None]]:
        """As :func:`label_clips`."""
        for frame, clip in label_clips(self._source, self._recognizer, self._length, self._step):
            self.frames += frame is not None
            if clip is not None:
                self.clips += 1
                self._report(clip)
            yield frame, clip

    def drawn(self) -> Iterator[np.ndarray]:
        """Frames with the labels of the clip whose middle is nearest."""
        lag = min(self._length, MOST_WAITING_BYTES // (3 * self._source.width * self._source.height))
        for frame, clip in with_labels(self, self._step, lag):
            text = '\n'.join(self._texts(clip)) if clip else ''
            yield draw_boxes(frame, WHOLE_FRAME, [(text, BLUE)]) if text else frame

    def _best(self, clip: LabeledClip) -> list[Label]:
        return best_labels(clip.scores, self._recognizer.names, self._top, self._score)

    def _texts(self, clip: LabeledClip) -> list[str]:
        return [f'{name} {value:.2f}' for name, value in self._best(clip)]

    def _report(self, clip: LabeledClip) -> None:
        start, end = clip.times(self._source.fps)
        print(f'{start:8.2f} - {end:8.2f} s: {", ".join(self._texts(clip)) or "no label"}', flush=True)
        if self._timeline is not None:
            self._timeline.add(start, end, clip.scores)
        entry = dict(
            video=self._source.name,
            start=round(start, 3),
            end=round(end, 3),
            frames=[clip.first, clip.first + clip.length],
        )
        self._file.write(entry, self._best(clip))


class _Run:
    """Labels each video in turn.

    Args:
        recognizer: Model.
        json: JSON lines.
        every: Seconds from clip to clip; None for one result per file.
        window: Length of a clip in seconds; None for what the config says.
        top: Number of labels.
        score: Lowest score of a label; None for no limit.
    """

    def __init__(
        self,
        recognizer: ClipRecognizer,
        json: _JsonLines,
        every: float | None,
        window: float | None,
        top: int,
        score: float | None,
    ) -> None:
        self._recognizer, self._json, self._every, self._window = recognizer, json, every, window
        self._top, self._score = top, score

    def label_whole(self, video: str) -> None:
        """Print the best classes of a file."""
        scores = self._recognizer.score_video(video)
        labels = best_labels(scores, self._recognizer.names, self._top, self._score)
        width = shutil.get_terminal_size().columns
        print(video)
        print(draw_bars(labels, width, _shows_blocks(sys.stdout)) or '  no label', flush=True)
        self._json.write(dict(video=video), labels)

    def label_over_time(self, source: FrameSource, every: float, outputs: Outputs) -> None:
        """Print the best classes of clips of a source, and draw them where asked for."""
        recognizer = self._recognizer
        if source.note:
            print(f'note: {source.note}')
        timeline = Timeline(recognizer.names) if outputs.timeline else None
        labeled = _LabeledSource(
            source,
            recognizer,
            length=recognizer.length(source.fps, self._window),
            step=round(every * source.fps),
            top=self._top,
            score=self._score,
            file=self._json,
            timeline=timeline,
        )
        with ExitStack() as stack:
            stack.enter_context(stopped_by_interrupt(source))
            if outputs.video:
                write_video(stack.enter_context(whole_file(outputs.video)), labeled.drawn(), source.fps)
            else:
                for _ in labeled:
                    pass
            if timeline is not None and outputs.timeline and labeled.clips:
                timeline.draw(stack.enter_context(whole_file(outputs.timeline)), Path(source.name).name)
        paths = (outputs.video, outputs.timeline if labeled.clips else None, self._json.path)
        written = ''.join(f'; {path}' for path in paths if path)
        print(f'{source.name}: {labeled.frames} frames, {labeled.clips} clips{written}')
        for note in source.remarks(labeled.frames):
            print(f'note: {note}')


def recognize_videos(
    videos: Sequence[str],
    model: str,
    checkpoint: str | None = None,
    labels: Path | None = None,
    *,
    video_root: Path | None = None,
    every: float | None = None,
    window: float | None = None,
    top: int | None = None,
    score: float | None = None,
    json: Path | None = None,
    out: Path | None = None,
    timeline: Path | None = None,
    duration: float | None = None,
    fps: float | None = None,
    live: bool | None = None,
    device: str | None = None,
) -> str:
    """Label videos: print their best classes and, where asked for, write and draw them.

    A file gets one result, from all views of the config's test pipeline. With `every`, `window`, `out`, `timeline`,
    `duration`, `fps` or `live`, and for streams and cameras, labels are those of clips that slide over the video.

    Args:
        videos: Files, folders, lists of files (.txt, .csv, .tsv), URLs of streams, and cameras.
        model: Name of a model of this package, or path of the config of a recognizer of mmaction2.
        checkpoint: File or URL. Defaults to the published weights of the named model.
        labels: File of the class names, one per line, or name of a list such as 'kinetics400'. Defaults to the names
            in the checkpoint or config.
        video_root: Folder that paths start from. Defaults to the working directory, or to the folder of a list for its
            paths.
        every: Seconds from clip to clip. Defaults to 1.
        window: Length of a clip in seconds. Defaults to what the config says.
        top: Number of labels. Defaults to 5, and to 3 for clips.
        score: Lowest score of a label. Defaults to none.
        json: File of JSON lines to write.
        out: MP4 to write, or folder for MP4s named after the videos.
        timeline: Picture of the labels over time to write, or folder for pictures named after the videos.
        duration: Seconds to read. Defaults to the whole video.
        fps: Frames a second, if a video gives a wrong rate or none.
        live: Whether frames are dropped to stay near the present. Defaults to True for cameras and live streams.
        device: Device of the model. Defaults to the first GPU, if there is one.

    Returns:
        What went wrong with some videos, or with the rest of one; empty if nothing did.

    Raises:
        ValueError: If arguments, config and checkpoint do not fit together, or a file cannot be read.
        UnreadableVideoError: If the only video cannot be read.
        OSError: If a file cannot be written.
    """
    for option, value in dict(every=every, window=window, top=top).items():
        if value is not None and value <= 0:
            raise ValueError(f'--{option} {value} has to be positive')
    sources = list_sources(videos, video_root)
    plan = plan_outputs(sources, out, timeline)
    slides = any(option is not None for option in (every, window, out, timeline, duration, fps, live))
    every = 1.0 if every is None else every

    def opened(video: str) -> FrameSource | None:
        """The source if clips slide over it; None for a file that is recognized as a whole."""
        if not slides and kind_of(video) == 'file':
            check_readable(video)
            return None
        source = FrameSource(video, fps, live, duration)
        check_interval(every, source, 'clips')
        return source

    # an unreadable only video fails before the model is loaded
    first = opened(sources[0]) if len(sources) == 1 else None
    if device:
        check_device(device)
    written = {f'{kind} of {video}': path for video in sources for kind, path in plan[video]._asdict().items()}
    inputs = [video for video in sources if kind_of(video) == 'file']
    check_outputs(dict(written, JSON=json), [*inputs, *videos, model, checkpoint, labels])
    recognizer = ClipRecognizer(model, checkpoint, labels, device)
    if not recognizer.has_names:
        print('note: the classes have no names: --labels')
    top = top or (3 if slides else 5)
    problems = []
    columns = TextColumn('videos'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(
        *columns, console=Console(stderr=True), disable=len(sources) == 1, redirect_stdout=sys.stdout.isatty()
    )
    with progress, _JsonLines(json) as file:
        run = _Run(recognizer, file, every, window, top, score)
        for video in progress.track(sources):
            try:
                source = first or opened(video)
                if source is None:
                    run.label_whole(video)
                    continue
                run.label_over_time(source, every, plan[video])
            except (UnreadableVideoError, ValueError) as error:
                if len(sources) == 1:
                    raise
                problems.append(str(error))
                print(error, file=sys.stderr)
                continue
            if source.lost:
                problems.append(f'{source.lost}; what came before is written')
                if len(sources) > 1:
                    print(problems[-1], file=sys.stderr)
            if source.stopped:
                break
    if len(sources) > 1 and problems:
        return f'{len(problems)} of {len(sources)} videos cannot be read to their end, see above'
    return ''.join(problems)
