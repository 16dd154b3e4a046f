"""Boxes of persons at key frames, from files or from a detector, as proposals in AVA's format."""

import json
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path

import cv2  # noqa: F401 (before decord: after its libraries cv2 reads no PNG)
import numpy as np
from mmengine.utils import track_iter_progress

from mmhvt.datasets.ava_files import key_of, read_annotations, read_proposals

from .boxes import inside, read_boxes
from .models import check_device
from .videos import Video
from .writing import check_outputs, whole_file

Proposals = dict[str, np.ndarray]


def write_proposals(
    out: Path,
    *,
    boxes: Iterable[Path] = (),
    pixels: bool = False,
    videos: Path | None = None,
    ann_files: Iterable[Path] = (),
    det_config: str | None = None,
    det_checkpoint: str | None = None,
    det_category: int = 0,
    det_score: float = 0.05,
    timestamp_start: int = 0,
    device: str = 'cpu',
) -> str:
    """Write a pickled dict from 'VIDEO,0902' to boxes (n, 4), or (n, 5) with scores, as fractions of the frame.

    Boxes come from files, or from a detector of mmdet. mmaction2's AVADataset and mmhvt's read them as `proposal_file`.

    Args:
        out: Pickle to write.
        boxes: Files that :func:`mmhvt.datasets.ava_files.read_proposals` reads, or JSON of `tools/demo/spatiotemporal`.
        pixels: Whether the boxes in files are in pixels of `videos`. Defaults to False.
        videos: Folder of the videos: VIDEO.mp4, or VIDEO if the name has a suffix, as the datasets read them.
        ann_files: Annotations whose key frames the detector looks at. Defaults to every second of each MP4.
        det_config: Path or name of the config of a detector of mmdet.
        det_checkpoint: File or URL of the detector's weights.
        det_category: Index of the detector's person class. Defaults to 0.
        det_score: Lowest score of a detected box. Defaults to 0.05; datasets filter again by `person_det_score_thr`.
        timestamp_start: Time of a video's first frame in the annotations, in seconds. Defaults to 0.
        device: Device of the detector. Defaults to 'cpu'.

    Returns:
        What was written, and what the user should know about it.

    Raises:
        ValueError: If arguments do not fit together, or a file, config or checkpoint is malformed.
        UnreadableVideoError: If a video cannot be read.
        OSError: If a file does not exist or cannot be written.
    """
    boxes, ann_files = list(boxes), list(ann_files)
    if out.suffix not in ('.pkl', '.pickle'):
        raise ValueError(f'{out}: proposals are written as a pickle, NAME.pkl')
    if bool(boxes) == bool(det_config and det_checkpoint):
        raise ValueError('boxes come from files (--boxes), or from a detector (--det-config and --det-checkpoint)')
    if videos is None and (pixels or det_config):
        raise ValueError(f'{"--pixels" if pixels else "--det-config"} needs the folder of the videos: --videos')
    if videos is not None and not videos.is_dir():
        raise ValueError(f'--videos {videos}: there is no such folder')
    check_outputs(dict(proposals=out), [*boxes, *ann_files, det_config, det_checkpoint])
    if det_config and det_checkpoint and videos:
        from .actions import PersonDetector  # here, since it needs mmdet

        check_device(device)
        detector = PersonDetector(det_config, det_checkpoint, det_category, device)
        wanted = _annotated(ann_files, videos) if ann_files else _every_second(videos)
        looked_at = _detect(detector, wanted, timestamp_start, det_score)
        found = {key: rows for key, rows in looked_at.items() if len(rows)}
    else:
        found = _of_files(boxes, partial(_size, videos) if pixels else None, timestamp_start)
        looked_at = found
    with whole_file(out) as path:
        path.write_bytes(pickle.dumps(found))
    nobody = len(looked_at) - len(found)
    return f'{out}: {sum(map(len, found.values()))} boxes in {len(found)} key frames' + (
        f'; {nobody} others show nobody with a score of {det_score}, and datasets use the whole frame there'
        if nobody
        else ''
    )


def _file(videos: Path, name: str) -> Path:
    """The file of a video, as mmhvt's DecordInit finds it."""
    return videos / name if Path(name).suffix else videos / f'{name}.mp4'


@cache
def _size(videos: Path, name: str) -> tuple[int, int]:
    video = Video(_file(videos, name))
    return video.width, video.height


def _of_files(paths: list[Path], size_of: Callable[[str], tuple[int, int]] | None, start: int) -> Proposals:
    found: Proposals = {}
    for path in paths:
        own = _of_demo(path, start) if _is_of_demo(path) else read_proposals(str(path), size_of)
        if twice := found.keys() & own.keys():
            raise ValueError(f'{path} has boxes at {min(twice)!r}, and so has a file before it')
        found.update(own)
    if not found:
        raise ValueError(f'{", ".join(map(str, paths))}: there are no boxes')
    return found


def _is_of_demo(path: Path) -> bool:
    if path.suffix != '.json' or not path.is_file():
        return False
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False  # read_proposals reports it
    return isinstance(content, dict) and {'video', 'key_frames'} <= content.keys()


def _of_demo(path: Path, start: int) -> Proposals:
    video = Path(json.loads(path.read_bytes())['video']).stem
    found = {}
    for seconds, rows in read_boxes(path, video, 0).items():
        if not float(seconds).is_integer():
            raise ValueError(f'{path} has a key frame at {seconds} s, and AVA counts whole seconds: --every 1')
        if len(rows := inside(rows)):
            found[key_of(video, int(seconds) + start)] = rows[:, :4] if np.isnan(rows[:, 4]).any() else rows
    return found


def _annotated(ann_files: list[Path], videos: Path) -> Iterator[tuple[Path, str, list[int]]]:
    """Files, names and times of videos, in order of the annotations."""
    times: dict[str, set[int]] = {}
    for path in ann_files:
        for action in read_annotations(str(path), first_class=0, needs_person=False):
            times.setdefault(action.video, set()).add(action.time)
    for name, own in times.items():
        yield _file(videos, name), name, sorted(own)


def _every_second(videos: Path) -> Iterator[tuple[Path, str, None]]:
    files = sorted(videos.glob('*.mp4'))
    if not files:
        raise ValueError(f'--videos {videos}: there are no MP4 files; --ann-file names others')
    for path in files:
        yield path, path.stem, None


def _detect(
    detector: Callable[[np.ndarray], np.ndarray],
    wanted: Iterable[tuple[Path, str, list[int] | None]],
    start: int,
    det_score: float,
) -> Proposals:
    """Boxes (n, 5) of a detector by key frame, also where n is 0."""
    found: Proposals = {}
    for path, name, times in track_iter_progress(list(wanted)):
        video = Video(path)
        for time in count(start) if times is None else times:
            index = round((time - start) * video.fps)
            if not 0 <= index < len(video):
                if times is None:
                    break
                raise ValueError(
                    f'{path} lasts {len(video) / video.fps:.1f} s and has no key frame at timestamp {time}, '
                    f'{time - start} s from its start: check --timestamp-start {start}'
                )
            rows = inside(detector(video[index]))
            rows = rows[rows[:, 4] >= det_score]
            found[key_of(name, time)] = rows[np.argsort(-rows[:, 4])]
    return found
