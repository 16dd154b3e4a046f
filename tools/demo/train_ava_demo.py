"""Who moves how? Generates videos of several actors, trains and tests a detector of actions with mim, and shows it.

Works in the current folder, as a user would: videos in data/moving_actors, the rest in work_dirs/demo-ava/seedN. A
micro SMViT learns the actions of actors whose boxes are given, and again, with as many steps, from clips that repeat
their key frame. What an earlier call has finished is not done again, and a training that it was interrupted in goes
on; remove the folder to begin anew. The last lines are metrics: the mAP at IoU 0.5 of the model that sees only key
frames, and last that of the model that sees motion.
"""

import argparse
import pickle
import sys
from pathlib import Path

import decord
import numpy as np
from action_video import Colour, KeyFrame, draw_video, iou
from mmaction.evaluation import read_labelmap
from mmengine.config import Config
from train_demo import ROOT, StepError, mim, newest_log, run_program, step
from train_mae_demo import train

from mmhvt.datasets.moving_shapes import write_video

CONFIG = ROOT / 'configs/ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
KEY_FRAME_CONFIG = CONFIG.with_name(CONFIG.stem + '_key-frame.py')
# as the configs have them
DATA = Path('data/moving_actors')
WORK_DIR = Path('work_dirs/demo-ava')

ZOOM = 6
RIGHT, WRONG, NOBODY = (26, 200, 90), (235, 60, 50), (150, 150, 150)


def test(title: str, config: Path, checkpoint: Path, work_dir: Path) -> float:
    """Test with mim, unless there are predictions of it.

    Args:
        title: For the terminal.
        config: To test.
        checkpoint: Of the trained model.
        work_dir: For the log and predictions.pkl.

    Returns:
        mAP at IoU 0.5, as AVAMetric has it.

    Raises:
        StepError: If it fails.
    """
    dump = work_dir / 'predictions.pkl'
    if dump.is_file() and dump.stat().st_mtime > checkpoint.stat().st_mtime:
        print(f'\n=== {title}: done already, {dump}', flush=True)
    else:
        step(title, *mim('test', config, work_dir, '--checkpoint', checkpoint, '--dump', dump))
    return next(entry['mAP/overall'] for entry in newest_log(work_dir, '*/*.json') if 'mAP/overall' in entry)


def read_truth(path: Path, video: str) -> dict[int, list[tuple[np.ndarray, int]]]:
    """Boxes (x1, y1, x2, y2) as shares of the frame, and actions, of a video by timestamp."""
    truth: dict[int, list[tuple[np.ndarray, int]]] = {}
    for line in path.read_text().splitlines():
        name, timestamp, *box, action, _ = line.split(',')
        if name == video:
            truth.setdefault(int(timestamp), []).append((np.array(box, float), int(action)))
    return truth


def judge(
    boxes: np.ndarray, scores: np.ndarray, truth: list[tuple[np.ndarray, int]], names: dict[int, str]
) -> list[tuple[str, Colour]]:
    """Caption and colour of each box at a key frame.

    Args:
        boxes: (actors, 4), shares of the frame.
        scores: (actors, classes), class 0 is none.
        truth: Boxes and actions.
        names: Of the actions.

    Returns:
        The likeliest action with its score; green where it is right, red where it is wrong, grey where a box holds
        nobody.
    """
    captions = []
    for box, score in zip(boxes, scores, strict=True):
        action = int(score[1:].argmax()) + 1
        overlap, actual = max(((iou(box, real), label) for real, label in truth), default=(0.0, 0))
        colour = NOBODY if overlap < 0.5 else RIGHT if actual == action else WRONG
        captions.append((f'{names[action]} {score[action]:.2f}', colour))
    return captions


def write_demo_video(path: Path, dump: Path, config: Config) -> str:
    """Draw what was found in the validation video with the most actors.

    An action stands from half a second before its key frame to half a second behind; its box goes towards what it
    overlaps at the nearer of the other key frames.

    Returns:
        Name of the video.
    """
    with dump.open('rb') as file:  # written by the step before
        predictions = pickle.load(file)
    counts: dict[str, int] = {}
    for prediction in predictions:
        found = len(prediction['pred_instances']['bboxes'])
        counts[prediction['video_id']] = counts.get(prediction['video_id'], 0) + found
    name = max(sorted(counts), key=counts.get)
    found = {p['timestamp']: p['pred_instances'] for p in predictions if p['video_id'] == name}
    truth = read_truth(Path(config.ann_file_val), name)
    with open(config.label_file) as file:
        names = {entry['id']: entry['name'] for entry in read_labelmap(file)[0]}
    video = decord.VideoReader(str(Path(config.val_dataloader.dataset.data_prefix.img) / f'{name}.mp4'))
    fps = video.get_avg_fps()
    key_frames = [KeyFrame(second, np.zeros((0, 4)), []) for second in range(round(len(video) / fps))]
    for second, instances in found.items():
        boxes = np.asarray(instances['bboxes'], float)
        captions = judge(boxes, np.asarray(instances['scores']), truth[second], names)
        key_frames[second] = KeyFrame(second, boxes, captions)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (video[index].asnumpy() for index in range(len(video)))
    write_video(path, draw_video(frames, fps, key_frames, ZOOM), fps)
    return name


def run(videos: int, val_videos: int, min_map: float, max_key_frame_map: float, seed: int) -> None:
    """The whole demo; see the module.

    Raises:
        StepError: If a step fails, or an mAP is not what it has to be.
    """
    generator = [sys.executable, ROOT / 'tools/data/moving_actors.py', DATA]
    step('Generating videos', *generator, '--videos', str(videos), '--val-videos', str(val_videos))
    folder, figures = WORK_DIR / f'seed{seed}', {}
    for name, config, title in [('motion', CONFIG, 'on clips'), ('key_frame', KEY_FRAME_CONFIG, 'on key frames alone')]:
        work_dir = folder / name
        checkpoint = train(f'Training {title}', 'mmaction', config, work_dir / 'train', [f'randomness.seed={seed}'])
        figures[name] = test(f'Testing {title}', config, checkpoint, work_dir / 'test')

    video = folder / 'demo-ava.mp4'
    shown = write_demo_video(video, folder / 'motion/test/predictions.pkl', Config.fromfile(CONFIG))
    print(f'\nvideo: {video}, {shown} with boxes, actions and scores')
    print(f'metric mAP_key_frame={figures["key_frame"]:.4f}')
    print(f'metric mAP={figures["motion"]:.4f}', flush=True)
    if figures['motion'] < min_map:
        raise StepError(f'mAP is {figures["motion"]:.4f}, below the {min_map} that this demo must reach')
    if figures['key_frame'] >= max_key_frame_map:
        stills = figures['key_frame']
        raise StepError(
            f'mAP from key frames alone is {stills:.4f}, not below {max_key_frame_map}: stills tell actions'
        )


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--videos', type=int, default=60, help='training videos')
    parser.add_argument('--val-videos', type=int, default=12, help='validation videos')
    parser.add_argument('--min-map', type=float, default=0.8, help='exit status 1 below this mAP')
    parser.add_argument('--max-key-frame-map', type=float, default=0.4, help='and from this mAP on from key frames')
    parser.add_argument('--seed', type=int, default=0, help='of initialisation and order of clips')
    return run_program(parser, run)


if __name__ == '__main__':
    sys.exit(main())
