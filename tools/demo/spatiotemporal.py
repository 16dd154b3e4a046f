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

  {"video": …, "frames": …, "fps": …, "size": [width, height], "config": …, "checkpoint": …, "key_frames": [
  {"seconds": 1.0, "frame": 25, "boxes": [
    {"box": [x1, y1, x2, y2] in pixels, "score": of the person or null, "actions": [{"name": …, "score": …}, …]}, …]},
  …]}

Both are written frame by frame, so that memory does not depend on the length of the video, and under their names when
they are whole. `mim run mmhvt spatiotemporal VIDEO …` is the same.
"""

import argparse
import csv
import json
import math
import pickle
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, TextIO

import cv2  # before decord: behind its libraries cv2 reads no PNG
import decord
import numpy as np
import torch
from action_video import KeyFrame, draw_video
from mmaction.datasets.transforms import DecordDecode, DecordInit, RawFrameDecode
from mmdet.apis import inference_detector
from mmdet.models import BaseDetector
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.hub import get_config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import ProgressBar
from torch import nn

from mmhvt.datasets import SampleKeyFrameClip, UnreadableVideoError
from mmhvt.datasets.moving_shapes import write_video
from mmhvt.datasets.video_dataset import NamingFile
from mmhvt.engine.hooks.checkpoint_check_hook import Comparison
from mmhvt.migrate.reading import ArrayUnpickler, read
from mmhvt.models.detectors import ActionDetector

COLOUR = (26, 140, 220)
# of the actions above --action-score, in the picture
MOST_SHOWN = 5
OTHER_VIDEOS = ('.avi', '.flv', '.gif', '.m4v', '.mkv', '.mov', '.mpeg', '.mpg', '.webm', '.wmv')
QUOTED = r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'"


class Video:
    """A file of which no more is held than what is asked for.

    decord decodes ahead of those who take its frames, as far as it gets, so that its memory grows with a video that is
    read from start to end. It reads the clips, as in training, and forgets what is ahead at each; OpenCV reads the
    frames to draw, which are the same.

    Args:
        path: File to read.

    Raises:
        UnreadableVideoError: If the file, or a frame of it, cannot be read; names the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UnreadableVideoError(f'there is no video {path}', str(path))
        self.path = path
        self._reader = self._named(lambda: decord.VideoReader(str(path), num_threads=1))
        self.fps = self._reader.get_avg_fps()
        if not self.fps > 0:
            raise UnreadableVideoError(f'{path} does not tell its frame rate', str(path))
        self.height, self.width, _ = self[0].shape

    def _named(self, read: Callable[[], Any]) -> Any:
        return NamingFile(lambda results: read())(dict(filename=str(self.path)))

    def _read(self, indices: Iterable[int]) -> list[np.ndarray]:
        self._reader.seek(0)  # drops what was decoded ahead
        return [self._reader[int(index)].asnumpy() for index in indices]

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> np.ndarray:
        """Frame (H, W, 3) uint8 RGB."""
        return self._named(lambda: self._read([index])[0])

    def __iter__(self) -> Iterator[np.ndarray]:
        """All frames (H, W, 3) uint8 RGB in order."""
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        for index in range(len(self)):
            there, frame = capture.read()
            if not there:
                raise UnreadableVideoError(
                    f'cannot read video {self.path}: it ends at frame {index} of {len(self)}', str(self.path)
                )
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def get_batch(self, indices: np.ndarray) -> SimpleNamespace:
        """Frames in the way of decord's reader, for DecordDecode."""
        indices, places = np.unique(indices, return_inverse=True)
        frames = self._named(lambda: self._read(indices))
        return SimpleNamespace(asnumpy=lambda: [frames[place] for place in places])


def read_boxes(path: Path, video: str, start: float) -> dict[float, np.ndarray]:
    """Boxes of a file, see the module.

    Args:
        path: File of proposals, annotations or of this program.
        video: Name in the file; one of this program has a single video, whatever its name.
        start: What the file calls the time of the video's first frame.

    Returns:
        (n, 5) by seconds from the start of the video: x1, y1, x2, y2 as shares of the frame, and score or NaN.

    Raises:
        ValueError: If the file cannot be read, or has other videos and not this.
    """
    formats = {'.pkl': _boxes_of_pickle, '.csv': _boxes_of_csv, '.json': _boxes_of_json}
    if path.suffix not in formats:
        raise ValueError(f'{path}: boxes come from files that end with {", ".join(formats)}')
    try:
        found: dict[str, dict[float, np.ndarray]] = formats[path.suffix](path, video)
    except FileNotFoundError:
        raise ValueError(f'there is no file of boxes {path}') from None
    except (OSError, pickle.UnpicklingError, ValueError, LookupError, TypeError, AttributeError, EOFError) as error:
        reason = f'it lacks {error}' if isinstance(error, KeyError) else error
        raise ValueError(f'{path} cannot be read as boxes of the form that --help tells: {reason}') from error
    if found and video not in found:
        some = ', '.join(sorted(found)[:3]) + (' …' if len(found) > 3 else '')
        raise ValueError(f'{path} has boxes of {some}, and none of {video}: the video has to be named as there')
    times = found.get(video, {})
    if endless := [seconds for seconds in times if not math.isfinite(seconds)]:
        raise ValueError(f'{path}: {endless[0]} is no time in seconds')
    return {seconds - start: rows for seconds, rows in times.items()}


def _boxes_of_pickle(path: Path, video: str) -> dict[str, dict[float, np.ndarray]]:
    with path.open('rb') as file:
        content = ArrayUnpickler(file, encoding='latin1').load()  # runs nothing
    boxes: dict[str, dict[float, np.ndarray]] = {}
    for key, rows in content.items():
        name, _, seconds = key.rpartition(',')
        # of nobody there are arrays of any shape
        rows = np.array(rows, float).reshape(len(rows), -1) if len(rows) else np.zeros((0, 5))
        if rows.shape[1] not in (4, 5):
            raise ValueError(f'{key!r} has {rows.shape[1]} columns, not 4 or 5')
        full = np.full((len(rows), 5), np.nan)
        full[:, : rows.shape[1]] = rows
        boxes.setdefault(name, {})[float(seconds)] = full
    return boxes


def _boxes_of_csv(path: Path, video: str) -> dict[str, dict[float, np.ndarray]]:
    # of a person who does several things there are several lines
    found: dict[str, dict[float, dict[tuple[float, ...], float]]] = {}
    with path.open(newline='', encoding='utf-8-sig') as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            try:
                persons = found.setdefault(row[0], {}).setdefault(float(row[1]), {})
                if any(row[2:6]):  # AVA-Kinetics lists key frames without a person
                    x1, y1, x2, y2 = map(float, row[2:6])
                    score = float(row[7]) if len(row) == 8 and not row[6] else np.nan
                    persons.setdefault((x1, y1, x2, y2), score)
            except (ValueError, IndexError) as error:
                raise ValueError(f'line {number}: {error}') from error
    return {
        name: {
            seconds: np.array([(*box, score) for box, score in persons.items()]).reshape(-1, 5)
            for seconds, persons in times.items()
        }
        for name, times in found.items()
    }


def _boxes_of_json(path: Path, video: str) -> dict[str, dict[float, np.ndarray]]:
    content = json.loads(path.read_text())
    width, height = content['size']
    boxes = {}
    for entry in content['key_frames']:
        rows = [(*found['box'], np.nan if found['score'] is None else found['score']) for found in entry['boxes']]
        boxes[float(entry['seconds'])] = np.array(rows, float).reshape(-1, 5) / [width, height, width, height, 1]
    return {video: boxes}


@contextmanager
def naming_config(config: str) -> Iterator[None]:
    """Raises what a config, which is a program, does wrong as a ValueError of one line that names the config."""
    try:
        yield
    except Exception as error:
        what = ''.join(str(error).splitlines()[:1])
        raise ValueError(f'{config} is no config that works here: {type(error).__name__}: {what}') from error


def load_config(path: str) -> Config:
    """A config by its path, or by its name in another library as in mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py.

    Raises:
        ValueError: If there is none, or it has no model or no test pipeline.
    """
    if '::' not in path and not Path(path).is_file():
        raise ValueError(f'{path}: no such config file')
    with naming_config(path):
        cfg = get_config(path) if '::' in path else Config.fromfile(path)
    try:
        get_test_pipeline_cfg(cfg)
    except (AttributeError, RuntimeError, TypeError):
        raise ValueError(f'{path} has no test_dataloader whose dataset has a pipeline') from None
    if 'model' not in cfg:
        raise ValueError(f'{path} has no model')
    return cfg


def load_model(cfg: Config, checkpoint: str, device: str, kind: type[nn.Module]) -> nn.Module:
    """The model of a config with the weights of a checkpoint, of which nothing is run, ready to test.

    Raises:
        ValueError: If the model cannot be built or is not of a kind, or the checkpoint cannot be read, lacks a tensor
            of the model or has it in another shape.
    """
    with naming_config(cfg.filename):
        model = revert_sync_batchnorm(MODELS.build(cfg.model))
    if not isinstance(model, kind):
        wanted = f'{kind.__module__.partition(".")[0]}.{kind.__name__}'
        raise ValueError(f'{cfg.filename}: the model is {type(model).__name__}, and has to be {wanted}')
    content = read(checkpoint)
    comparison = Comparison(model, content)
    problems = {name: what for name, what in comparison.problems.items() if what != 'not in the model'}
    if problems:
        raise ValueError(
            f'{checkpoint} is no checkpoint of {cfg.filename}: {comparison.fit} of the {comparison.total} tensors of '
            f'the model are in it with the right shape. {comparison.text(problems)}'
        )
    model.load_state_dict(content, strict=False)
    model.cfg = cfg  # for mmdet's inference_detector
    return model.to(device).eval()


class PersonDetector:
    """Boxes of a category in a picture by a model of mmdet.

    Args:
        config: Path or name.
        checkpoint: File or URL.
        category: Number of the class of persons.
        device: To run on.

    Raises:
        ValueError: If the config is of no detector in pictures, or the checkpoint does not fit it.
    """

    def __init__(self, config: str, checkpoint: str, category: int, device: str) -> None:
        cfg = load_config(config)
        self.scope, self.category = cfg.get('default_scope', 'mmdet'), category
        with naming_config(config):
            first, *others = get_test_pipeline_cfg(cfg)
            begins = str(first['type'])
        if 'LoadImage' not in begins:
            raise ValueError(f'{config} is no detector: its test pipeline loads no image, but begins by {begins}')
        with DefaultScope.overwrite_default_scope(self.scope):
            self.model = load_model(cfg, checkpoint, device, BaseDetector)
            with naming_config(config):
                self.pipeline = Compose([{**first, 'type': 'mmdet.LoadImageFromNDArray'}, *others])

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """(n, 5) of a frame (H, W, 3) uint8 RGB: x1, y1, x2, y2 as shares of the frame, and score.

        Raises:
            ValueError: If the model finds no boxes but something else.
        """
        with DefaultScope.overwrite_default_scope(self.scope):
            found = inference_detector(self.model, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), self.pipeline)
        if 'pred_instances' not in found or 'bboxes' not in found.pred_instances:
            raise ValueError(f'{self.model.cfg.filename} is no detector: {type(self.model).__name__} gives no boxes')
        persons = found.pred_instances[found.pred_instances.labels == self.category].cpu()
        height, width, _ = frame.shape
        boxes = persons.bboxes.numpy().astype(float) / [width, height, width, height]
        return np.c_[boxes, persons.scores.numpy()]


class ActionFinder:
    """Scores of the actions of persons whose boxes are given.

    Args:
        config: Path.
        checkpoint: File or URL.
        labels: Names of the actions; by default the config's `label_file`, if it is there.
        device: To run on.

    Attributes:
        names: By column of the scores.

    Raises:
        ValueError: If config, checkpoint and names do not fit together.
    """

    def __init__(self, config: str, checkpoint: str, labels: Path | None, device: str) -> None:
        cfg = load_config(config)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmaction')):
            self.model = load_model(cfg, checkpoint, device, ActionDetector)
            with naming_config(config):
                transforms = Compose(get_test_pipeline_cfg(cfg)).transforms
        # the video is open already
        transforms = [transform for transform in transforms if not isinstance(transform, DecordInit)]
        decode = [isinstance(transform, DecordDecode | RawFrameDecode) for transform in transforms]
        if not any(decode) or not any(isinstance(transform, SampleKeyFrameClip) for transform in transforms):
            raise ValueError(
                f'{config}: the test pipeline needs mmhvt.SampleKeyFrameClip, and DecordDecode or RawFrameDecode'
            )
        self.pipeline = Compose([DecordDecode() if is_one else t for t, is_one in zip(transforms, decode, strict=True)])
        self.columns = self.model.roi_head.bbox_head.num_classes
        dataset = cfg.test_dataloader.dataset
        self.names = self._names(labels, dataset.get('label_file'), dataset.get('custom_classes'))

    def _names(self, labels: Path | None, of_config: str | None, custom: list[int] | None) -> dict[int, str]:
        # column 0 is none, or whether there is a person
        ids = dict(enumerate(custom or range(1, self.columns), 1))
        if labels is None and (of_config is None or not Path(of_config).is_file()):
            print(f'note: the actions have no names, {of_config or "label_file of the config"} is not there: --labels')
            return {column: f'action {number}' for column, number in ids.items()}
        named = read_names(labels or Path(of_config))
        if custom and (nameless := sorted(set(custom) - set(named))):
            raise ValueError(f'{labels or of_config} has no name of action {nameless[0]}, one of custom_classes')
        if not custom and max(named) != self.columns - 1:
            raise ValueError(
                f'{labels or of_config} names actions up to number {max(named)}, the head has {self.columns - 1}'
            )
        # AVA evaluates and names 60 of its 80
        return {column: named[number] for column, number in ids.items() if number in named}

    def __call__(self, video: Video, seconds: float, boxes: np.ndarray) -> np.ndarray:
        """Scores (n, columns) of boxes (n, 4), shares of the frame, from the clip about a key frame."""
        sample = dict(
            filename=str(video.path), video_reader=video, total_frames=len(video), avg_fps=video.fps,
            video_id=video.path.stem, img_key=f'{video.path.stem},{seconds:g}', timestamp=seconds, timestamp_start=0,
            proposals=boxes, gt_bboxes=boxes.copy(), gt_labels=np.zeros((len(boxes), self.columns), np.float32),
        )  # fmt: skip
        with torch.no_grad():
            (found,) = self.model.test_step(pseudo_collate([self.pipeline(sample)]))
        return found.pred_instances.scores.cpu().numpy()


def read_names(path: Path) -> dict[int, str]:
    """Names of actions by number from 1: of a label map as AVA's (.pbtxt), or of a text of one name a line.

    Raises:
        ValueError: If there are none, or the label map is not one of names and numbers.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} cannot be read as names of actions: {error}') from error
    if path.suffix.lower() == '.pbtxt' or re.search(r'(?m)^\s*(item|label)\s*:?\s*\{', text):
        names = _names_of_label_map(path, text)
    else:
        names = dict(enumerate((line.strip() for line in text.splitlines() if line.strip()), 1))
    if not names:
        raise ValueError(f'{path} has no names of actions')
    return names


def _names_of_label_map(path: Path, text: str) -> dict[int, str]:
    # mmaction's read_labelmap takes one layout alone, and gives wrong names of others
    text = re.sub(rf'({QUOTED})|#.*', r'\1', text)  # without comments
    item = rf'(?:item|label)\s*:?\s*\{{((?:[^{{}}"\']|{QUOTED})*)\}}'
    if rest := re.sub(item, '', text).split():
        raise ValueError(f'{path} is no label map of items with a name and an id: {" ".join(rest[:5])}')
    names = {}
    for content in re.findall(item, text):
        fields = dict(re.findall(rf'(\w+)\s*:\s*({QUOTED}|[^\s,;]+)', content))
        name, number = fields.get('name', ''), fields.get('id', fields.get('label_id', ''))
        if not name[1:-1].strip() or not number.isdecimal() or not re.fullmatch(QUOTED, name):
            raise ValueError(
                f'{path}: an item needs a name in quotes and a whole number as id: {" ".join(content.split())}'
            )
        names[int(number)] = re.sub(r'\\(.)', r'\1', name[1:-1])
    return names


def inside(rows: np.ndarray) -> np.ndarray:
    """Boxes (n, 5) cut off at the edges of the frame, without those of which nothing is left."""
    rows = rows.copy()
    rows[:, :4] = rows[:, :4].clip(0, 1)
    return rows[(rows[:, 2:4] > rows[:, :2]).all(1)]


def find_actions(
    video: Video,
    times: list[float],
    boxes_at: Callable[[int], np.ndarray | None],
    finder: ActionFinder,
    det_score: float,
    action_score: float,
    counts: Counter,
) -> Iterator[dict]:
    """Key frames as the JSON has them, one after the other.

    Args:
        video: To read clips from.
        times: Seconds of the key frames.
        boxes_at: (n, 5) by number of the frame; None if nothing is known of it.
        finder: Tells actions.
        det_score: Least score of a box that has one.
        action_score: Least score of an action.
        counts: Gets how many key frames are `unknown`, how many `boxes` there are, and how many others have a `low`
            score or lie `outside`.
    """
    scale = np.array([video.width, video.height] * 2)
    for seconds in times:
        index = round(seconds * video.fps)
        rows = boxes_at(index)
        counts['unknown'] += rows is None
        rows = np.zeros((0, 5)) if rows is None else rows
        sure = rows[~(rows[:, 4] < det_score)]
        counts['low'] += len(rows) - len(sure)
        rows = inside(sure)
        counts['outside'] += len(sure) - len(rows)
        counts['boxes'] += len(rows)
        scores = finder(video, seconds, rows[:, :4]) if len(rows) else []
        boxes = []
        for row, line in zip(rows, scores, strict=True):
            ranked = sorted((-float(line[column]), name) for column, name in finder.names.items())
            actions = [dict(name=name, score=round(-minus, 4)) for minus, name in ranked if -minus >= action_score]
            score = None if np.isnan(row[4]) else round(float(row[4]), 4)
            boxes.append(dict(box=(row[:4] * scale).round(2).tolist(), score=score, actions=actions))
        yield dict(seconds=round(seconds, 3), frame=index, boxes=boxes)


def write_json(entries: Iterable[dict], head: dict, file: TextIO) -> Iterator[dict]:
    """Hand on key frames and write each as it passes; `head` stands before them."""
    file.write(f'{json.dumps(head)[:-1]}, "key_frames": [')
    for number, entry in enumerate(entries):
        file.write(',\n' if number else '\n')
        file.write(json.dumps(entry))
        yield entry
    file.write('\n]}\n')


def to_draw(entry: dict, width: int, height: int) -> KeyFrame:
    """A key frame of the JSON as it is drawn."""
    boxes = np.array([found['box'] for found in entry['boxes']]).reshape(-1, 4) / ([width, height] * 2)
    texts = [
        '\n'.join(f'{action["name"]} {action["score"]:.2f}' for action in found['actions'][:MOST_SHOWN])
        for found in entry['boxes']
    ]
    return KeyFrame(entry['seconds'], boxes, [(text, COLOUR) for text in texts])


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name to write to, renamed to `path` in the end; if there is an exception, nothing is left."""
    with TemporaryDirectory(prefix=f'.{path.name}-', dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        yield unfinished
        unfinished.replace(path)


def run(
    video: Path,
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
    device: str,
) -> None:
    """Everything; arguments as --help tells.

    Raises:
        ValueError: If something does not fit or cannot be read.
        OSError: If a file cannot be written.
    """
    if out.suffix.lower() in OTHER_VIDEOS and not out.is_dir():
        raise ValueError(f'--out {out}: MP4 is what is written')
    if out.suffix.lower() != '.mp4':
        out = out / f'{video.stem}.mp4'
    json = json or out.with_suffix('.json')
    inputs = {Path(path).resolve() for path in (video, config, checkpoint, boxes, labels) if path}
    for path in (out, json):
        if path.resolve() in inputs:
            raise ValueError(f'{path} would be overwritten, which is read: choose another name to write')
        if path.is_dir():
            raise ValueError(f'{path} is a folder, and has to be the name of a file to write')
    if out.resolve() == json.resolve():
        raise ValueError(f'{out} cannot be both, video and JSON')
    source = Video(video)
    if not every * source.fps >= 1:
        raise ValueError(f'--every {every}: frames of {video} are {1 / source.fps:.4g} s apart, key frames at least')
    times = []
    while round(len(times) * every * source.fps) < len(source):
        times.append(len(times) * every)
    try:
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f'--device {device}: {str(error).splitlines()[0]}') from error
    for path in (out, json):
        path.parent.mkdir(parents=True, exist_ok=True)
        TemporaryDirectory(dir=path.parent).cleanup()  # fails before the work, not after, if nothing can be written

    given: dict[float, np.ndarray] = {}
    unasked = 0
    if boxes:
        given = read_boxes(boxes, video.stem, boxes_start)
        by_frame = {round(seconds * source.fps): rows for seconds, rows in given.items()}
        unasked = len(given) - len(by_frame.keys() & {round(seconds * source.fps) for seconds in times})
        boxes_at = by_frame.get
    else:
        detector = PersonDetector(det_config, det_checkpoint, det_category, device)

        def boxes_at(index: int) -> np.ndarray:
            return detector(source[index])

    finder = ActionFinder(config, checkpoint, labels, device)
    head = dict(
        video=str(video), frames=len(source), fps=source.fps, size=[source.width, source.height],
        config=config, checkpoint=checkpoint,
    )  # fmt: skip
    counts: Counter = Counter()
    bar = ProgressBar(len(times), file=sys.stderr)
    with ExitStack() as stack:
        stack.callback(print, file=sys.stderr)  # ends the line of the bar
        new_video, new_json = (stack.enter_context(whole_file(path)) for path in (out, json))
        file = stack.enter_context(new_json.open('w'))
        found = find_actions(source, times, boxes_at, finder, det_score, action_score, counts)

        def key_frames() -> Iterator[KeyFrame]:
            for entry in write_json(found, head, file):
                bar.update()
                yield to_draw(entry, source.width, source.height)

        write_video(new_video, draw_video(source, source.fps, key_frames()), source.fps)
    print(f'{out}: {len(source)} frames, {len(times)} key frames, {counts["boxes"]} boxes; {json}')
    if counts['unknown']:
        print(f'note: {boxes} lacks {counts["unknown"]} of the {len(times)} key frames')
    if unasked:
        print(f'note: {unasked} of the {len(given)} times in {boxes} are no key frames: --every, --boxes-start')
    if counts['outside']:
        shares = '; boxes of .pkl and .csv are shares of the frame, not pixels' if boxes else ''
        print(f'note: {counts["outside"]} boxes lie outside the frame or have no area, and are left out{shares}')
    if not counts['boxes']:
        low = f'; {counts["low"]} have a score below {det_score}: --det-score' if counts['low'] else ''
        print(f'note: the video shows no boxes{low}')


def number(text: str) -> float:
    """An option's value: no infinity, no NaN."""
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', metavar='VIDEO', type=Path)
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
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments = parser.parse_args()
    if bool(arguments.det_config) != bool(arguments.det_checkpoint):
        parser.error('--det-config and --det-checkpoint go together')
    try:
        run(**vars(arguments))
    except (OSError, ValueError, UnreadableVideoError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{parser.prog}: interrupted; nothing is written', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
