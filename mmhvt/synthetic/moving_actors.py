"""Generated videos of several actors in the format of AVA, whose actions are motions.

An actor is one of the shapes of :mod:`mmhvt.synthetic.shapes`, and walks in an area of its own. It moves in one of
eight ways from one half second (0.5 s, 1.5 s, …) to the next; every full second is a key frame, in the middle of a
move. Then it repeats its move, or chooses another one that keeps it inside its area. A walk played backwards, with the
opposite actions, is as likely, so each place is passed as often in one direction as in the other. Position, angle and
size of an actor say nothing about which of two opposite actions it does, and little about the pair.
"""

import pickle
from functools import partial
from pathlib import Path

import numpy as np

from mmhvt.apis.videos import write_video

from .generate import SPLITS, begin_dataset, check_arguments, draw_in_parallel, finish_dataset
from .moving_shapes import MOTIONS
from .shapes import SHAPE_LEVELS, SHAPES, draw_ground, outline, paint, radii

# Videos differ in their rate, so that the length of a clip has to be counted in seconds.
RATES = (12, 16, 20, 24)
# The frame is 2 x 2 areas, some of which are empty.
AREAS = [(0, 0), (0, 1), (1, 0), (1, 1)]
ACTORS = (2, 4)
# Radius of an actor, as a fraction of the side of its area.
RADIUS = (0.14, 0.28)
# Change of x, y, angle or size per second: fractions of the area, of a turn, and of the range from smallest to largest.
STEPS = ((0.2, 0.35), (0.2, 0.35), (0.3, 0.6), (0.35, 0.65))
# Probability of repeating a move: an action lasts 2 seconds on average, if there is space.
PERSISTENCE = 0.5

# The detector: fraction of actors missed, of key frames with a false box, of key frames whose annotation is wrong, and
# standard deviation of the sides of a box, as a fraction of its width or height.
MISSED = 0.03
FALSE = 0.2
SPOILT = 0.01
JITTER = 0.03


def _is_inside(pose: np.ndarray) -> bool:
    reach = radii(pose[3], RADIUS)
    return 0 <= pose[3] <= 1 and all(reach <= place <= 1 - reach for place in pose[:2])


def draw_walk(moves: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """A walk of one actor.

    Args:
        moves: Length of the walk in seconds.
        rng: Source of all randomness.

    Returns:
        tuple: Names of the moves, and poses (moves + 1, 4) before, between and after them: x and y of the center as
        fractions of the area, angle in turns (any number), size in [0, 1].
    """
    warm_up = 10  # the start is forgotten
    pose = rng.uniform(size=4)
    while not _is_inside(pose):
        pose = rng.uniform(size=4)
    poses, step = [pose], None
    actions: list[str] = []
    while len(actions) < warm_up + moves:
        if step is None or rng.uniform() >= PERSISTENCE or not _is_inside(pose + step):
            choices = {}
            for name, (driven, direction) in MOTIONS.items():
                move = np.zeros(4)
                move[driven] = direction * rng.uniform(*STEPS[driven])
                if _is_inside(pose + move):  # turns always are
                    choices[name] = move
            action = str(rng.choice(list(choices)))
            step = choices[action]
        pose = pose + step
        poses.append(pose)
        actions.append(action)
    return actions[warm_up:], np.stack(poses[warm_up:])


def draw_video(
    seconds: int, fps: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[list[str]], np.ndarray]:
    """A video with its ground truth.

    Args:
        seconds: Length of the video.
        fps: Frames a second.
        size: Height and width in pixels.
        rng: Source of all randomness.

    Returns:
        tuple: Frames (seconds * fps, size, size, 3) uint8 RGB; the action of each actor at second 0, 1, …, as
        [actor][second]; boxes (actors, seconds, 4) at these times, x1, y1, x2, y2 as fractions of the frame.
    """
    actors = rng.integers(ACTORS[0], ACTORS[1] + 1)
    frames = np.repeat(draw_ground(size, rng)[None].astype(np.uint8), seconds * fps, axis=0)
    times = np.arange(seconds * fps) / fps
    actions, boxes, side = [], [], size // 2
    for row, column in rng.permutation(AREAS)[:actors]:
        names, poses = draw_walk(seconds, rng)
        # a move lasts from half a second before its key frame to half a second after it
        poses = np.stack([np.interp(times + 0.5, np.arange(seconds + 1), axis) for axis in poses.T], axis=1)
        polygon = SHAPES[rng.choice(list(SHAPES))] * [rng.choice([-1, 1]) * rng.uniform(0.8, 1), 1]
        y, x = row * side, column * side
        area = frames[:, y : y + side, x : x + side]
        area[:] = paint(poses, polygon, rng.uniform(*SHAPE_LEVELS, 3), area[0], RADIUS)
        corners = (outline(poses[::fps], polygon, RADIUS) + [column, row]) / 2
        boxes.append(np.concatenate([corners.min(1), corners.max(1)], axis=1))
        actions.append(names)
    return frames, actions, np.stack(boxes)


def detect(boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a person detector might find: noisy true boxes, some of them missing, and sometimes a false one.

    Args:
        boxes: (actors, 4), fractions of the frame.
        rng: Source of all randomness.

    Returns:
        (found, 5): x1, y1, x2, y2 and score, in descending order of score. There may be no rows.
    """
    seen = boxes[rng.uniform(size=len(boxes)) >= MISSED]
    sides = np.tile(seen[:, 2:] - seen[:, :2], 2)
    found = np.c_[seen + rng.normal(0, JITTER, seen.shape) * sides, rng.uniform(0.9, 1, len(seen))]
    if rng.uniform() < FALSE:
        corner, side = rng.uniform(0, 0.8, 2), rng.uniform(0.1, 0.2, 2)
        found = np.r_[found, [[*corner, *(corner + side), rng.uniform(0.3, 0.95)]]]
    found[:, :4] = found[:, :4].clip(0, 1)
    return found[np.argsort(-found[:, 4])]


def _video_id(split: str, index: int) -> str:
    return f'{split}_{index:05d}'


def _write_one(
    task: tuple[str, int], out: Path, seconds: int, size: int, seed: int
) -> tuple[list[str], list[str], dict[str, np.ndarray]]:
    """One video. Returns its lines of annotations and exclusions, and its proposals by key frame."""
    split, index = task
    # a video depends on its number alone, not on which process draws it or on how many there are
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    video, fps = _video_id(split, index), int(rng.choice(RATES))
    frames, actions, boxes = draw_video(seconds, fps, size, rng)
    write_video(out / f'videos_{split}' / f'{video}.mp4', frames, fps)
    labels = list(MOTIONS)
    annotations, exclusions, proposals = [], [], {}
    for second in range(1, seconds):  # a clip around them lies in the video
        spoilt = rng.uniform() < SPOILT
        if spoilt:
            exclusions.append(f'{video},{second:04d}')
        for person, names in enumerate(actions):
            # wrong where it is excluded: a model that ignores exclusions learns it
            label = labels.index(names[second]) + 1 if not spoilt else rng.integers(len(labels)) + 1
            box = ','.join(f'{side:.3f}' for side in boxes[person, second])
            annotations.append(f'{video},{second:04d},{box},{label},{person}')
        found = detect(boxes[:, second], rng)
        if len(found):  # AVA's files lack key frames in which nobody was found
            proposals[f'{video},{second:04d}'] = found
    return annotations, exclusions, proposals


def write_dataset(
    out: str | Path,
    videos: int = 60,
    val_videos: int = 12,
    seconds: int = 31,
    size: int = 96,
    seed: int = 0,
    processes: int = 2,
) -> bool:
    """Write videos, and annotations in the format of AVA, which mmaction2's AVADataset reads.

    `out` then holds `videos_train/` and `videos_val/`, the files of AVA in `annotations/`, and `manifest.json` (these
    arguments). Timestamps count the seconds from the start of a video, and each but 0 is a key frame. For SPLIT train
    and val the files are `moving_actors_SPLIT.csv` (video, timestamp, box, action from 1, person: one line each),
    `moving_actors_SPLIT_excluded_timestamps.csv` (key frames whose annotation is wrong),
    `moving_actors_proposals_SPLIT.pkl` (boxes with scores by 'video,timestamp'), and for both
    `moving_actors_action_list.pbtxt`. The arguments alone, except `processes`, determine the contents. Annotation files
    and manifest come last: a folder that an interrupted call left cannot be trained on, and the next call with the same
    arguments finishes it.

    Args:
        out: Folder; new, empty, or left by an earlier call with the same arguments.
        videos: Number of training videos.
        val_videos: Number of validation videos.
        seconds: Length of a video, 2 or more.
        size: Height and width in pixels; a multiple of 4, 64 or more.
        seed: Decides every video; 0 or more.
        processes: Number of processes that draw.

    Returns:
        True if the dataset was written, False if it existed.

    Raises:
        ValueError: If an argument is out of range.
        FileExistsError: If `out` holds anything else.
        OSError: If a file cannot be written.
    """
    out = Path(out)
    arguments = dict(videos=videos, val_videos=val_videos, seconds=seconds, size=size, seed=seed)
    check_arguments(arguments, processes, least=dict(seconds=2, size=64), size_multiple=4)
    counts = {'train': videos, 'val': val_videos}
    folders = {f'videos_{split}': count for split, count in counts.items()}
    if not begin_dataset(out, arguments, folders, 'moving actors'):
        return False
    tasks = [(split, index) for split, count in counts.items() for index in range(count)]
    write = partial(_write_one, out=out, seconds=seconds, size=size, seed=seed)
    parts = draw_in_parallel(write, tasks, processes)
    folder = out / 'annotations'
    folder.mkdir(exist_ok=True)
    for split in counts:
        own = [part for task, part in zip(tasks, parts, strict=True) if task[0] == split]
        name = f'moving_actors_{split}'
        _write_lines(folder / f'{name}.csv', [line for part in own for line in part[0]])
        _write_lines(folder / f'{name}_excluded_timestamps.csv', [line for part in own for line in part[1]])
        proposals = {key: found for part in own for key, found in part[2].items()}
        (folder / f'moving_actors_proposals_{split}.pkl').write_bytes(pickle.dumps(proposals))
    items = [f'item {{\n  name: "{name}"\n  id: {label}\n}}' for label, name in enumerate(MOTIONS, 1)]
    _write_lines(folder / 'moving_actors_action_list.pbtxt', items)
    finish_dataset(out)
    return True


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text(''.join(f'{line}\n' for line in lines))
