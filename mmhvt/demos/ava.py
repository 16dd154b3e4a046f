"""Detection of actions: a micro SMViT learns who moves how in generated videos."""

from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.fileio import load

from mmhvt.apis.labels import read_names
from mmhvt.apis.videos import Video, write_video
from mmhvt.utils.drawing import Color, KeyFrame, draw_video, iou

from .runs import CONFIGS, StepError, generate, mim, print_metrics, read_metrics, run_test, train, training_options

CONFIG = CONFIGS / 'ava/smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py'
KEY_FRAME_CONFIG = CONFIG.with_name(CONFIG.stem + '_key-frame.py')
# as in the configs
DATA = Path('data/moving_actors')
WORK_DIR = Path('work_dirs/demo-ava')

ZOOM = 6
RIGHT, WRONG, NOBODY = (26, 200, 90), (235, 60, 50), (150, 150, 150)


def evaluate(title: str, config: Path, checkpoint: Path, work_dir: Path) -> float:
    """Test with mim, unless predictions of the checkpoint exist.

    Args:
        title: Heading for the terminal.
        config: Config to test.
        checkpoint: Checkpoint of the trained model.
        work_dir: Folder for the log and predictions.pkl.

    Returns:
        mAP at IoU 0.5, as AVAMetric computes it.

    Raises:
        StepError: If it fails.
    """
    dump = work_dir / 'predictions.pkl'
    run_test(title, mim('test', config, work_dir, '--checkpoint', checkpoint, '--dump', dump), checkpoint, dump)
    (average,) = read_metrics(work_dir, 'mAP/overall')
    return average


def read_truth(path: Path, video: str) -> dict[int, list[tuple[np.ndarray, int]]]:
    """Boxes (x1, y1, x2, y2), as fractions of the frame, and actions of a video, by timestamp."""
    truth: dict[int, list[tuple[np.ndarray, int]]] = {}
    for line in path.read_text().splitlines():
        name, timestamp, *box, action, _ = line.split(',')
        if name == video:
            truth.setdefault(int(timestamp), []).append((np.array(box, float), int(action)))
    return truth


def judge(
    boxes: np.ndarray, scores: np.ndarray, truth: list[tuple[np.ndarray, int]], names: dict[int, str]
) -> list[tuple[str, Color]]:
    """Caption and color of each box at a key frame.

    Args:
        boxes: (actors, 4), fractions of the frame.
        scores: (actors, classes), class 0 is no action.
        truth: Boxes and actions.
        names: Names of the actions by number.

    Returns:
        The likeliest action with its score; green where it is right, red where it is wrong, gray where a box contains
        nobody.
    """
    captions = []
    for box, score in zip(boxes, scores, strict=True):
        action = int(score[1:].argmax()) + 1
        overlap, actual = max(((iou(box, real), label) for real, label in truth), default=(0.0, 0))
        color = NOBODY if overlap < 0.5 else RIGHT if actual == action else WRONG
        captions.append((f'{names[action]} {score[action]:.2f}', color))
    return captions


def busiest_video(predictions: list[dict]) -> str:
    """Name of the video with the most boxes."""
    counts: dict[str, int] = {}
    for prediction in predictions:
        found = len(prediction['pred_instances']['bboxes'])
        counts[prediction['video_id']] = counts.get(prediction['video_id'], 0) + found
    return max(sorted(counts), key=counts.__getitem__)


def write_demo_video(path: Path, dump: Path, config: Config) -> str:
    """Draw what was found in the validation video with the most actors.

    An action is shown from half a second before its key frame to half a second after it; its box moves toward the box
    that it overlaps at the nearer of the other key frames.

    Args:
        path: MP4 to write.
        dump: Predictions of `mim test`.
        config: Config that was tested.

    Returns:
        Name of the video.
    """
    predictions = load(dump)
    name = busiest_video(predictions)
    truth = read_truth(Path(config.ann_file_val), name)
    names = read_names(Path(config.label_file))
    video = Video(Path(config.val_dataloader.dataset.data_prefix.img) / f'{name}.mp4')
    key_frames = [KeyFrame(second, np.zeros((0, 4)), []) for second in range(round(len(video) / video.fps))]
    for prediction in predictions:
        if prediction['video_id'] == name:
            second, instances = prediction['timestamp'], prediction['pred_instances']
            boxes = np.asarray(instances['bboxes'], float)
            captions = judge(boxes, np.asarray(instances['scores']), truth[second], names)
            key_frames[second] = KeyFrame(second, boxes, captions)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (video[index] for index in range(len(video)))
    write_video(path, draw_video(frames, video.fps, key_frames, ZOOM), video.fps)
    return name


def run(videos: int, val_videos: int, min_map: float, max_key_frame_map: float, seed: int) -> None:
    """Generate videos, train and test on clips and on key frames alone, and draw what was found.

    Args:
        videos: Number of training videos.
        val_videos: Number of validation videos.
        min_map: mAP on clips that has to be reached.
        max_key_frame_map: mAP on key frames alone that must not be reached.
        seed: Seed of initialization and order of clips.

    Raises:
        StepError: If a step fails, or an mAP is out of its bounds.
    """
    generate('Generating videos', 'moving_actors.py', DATA, videos=videos, val_videos=val_videos)
    folder, figures = WORK_DIR / f'seed{seed}', {}
    for name, config, title in [('motion', CONFIG, 'on clips'), ('key_frame', KEY_FRAME_CONFIG, 'on key frames alone')]:
        work_dir = folder / name
        checkpoint = train(f'Training {title}', 'mmaction', config, work_dir / 'train', training_options(seed))
        figures[name] = evaluate(f'Testing {title}', config, checkpoint, work_dir / 'test')

    video = folder / 'demo-ava.mp4'
    shown = write_demo_video(video, folder / 'motion/test/predictions.pkl', Config.fromfile(CONFIG))
    print(f'\nvideo: {video}, {shown} with boxes, actions and scores')
    print_metrics(mAP_key_frame=figures['key_frame'], mAP=figures['motion'])
    if figures['motion'] < min_map:
        raise StepError(f'mAP is {figures["motion"]:.4f}, below the {min_map} that this demo must reach')
    if figures['key_frame'] >= max_key_frame_map:
        raise StepError(
            f'mAP from key frames alone is {figures["key_frame"]:.4f}, not below {max_key_frame_map}: stills show '
            'actions'
        )
