"""Export: the model of the recognition demo recognizes videos where there is no PyTorch."""

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmhvt.apis import ActionRecogInferencer
from mmhvt.synthetic.moving_shapes import MOTIONS

from .motion import CONFIG, DATA
from .motion import WORK_DIR as MODEL_DIR
from .runs import TOOLS, StepError, generate, step, train, training_options

# in a checkout; distributions of mmhvt lack it
RUNTIME = TOOLS.parent / 'runtime'
WORK_DIR = Path('work_dirs/demo-export')
TOLERANCE = 1e-4


class Comparison(NamedTuple):
    """A video, and how it is recognized.

    Args:
        video: Path.
        label: Best class of the runtime.
        runtime: Its score.
        reference: Score of that class by mmaction2's inferencer.
        difference: Largest difference over all classes.
    """

    video: Path
    label: str
    runtime: float
    reference: float
    difference: float


def make_environment(folder: Path) -> Path:
    """Install the runtime, and what it needs, into a new virtual environment.

    Args:
        folder: Folder of the environment; one from an earlier call is replaced.

    Returns:
        Path: Its folder of programs.

    Raises:
        StepError: If it fails, or PyTorch can be imported there.
    """
    uv = shutil.which('uv', path=str(Path(sys.executable).parent)) or shutil.which('uv')
    if uv is None:
        raise StepError('this demo needs uv, which `make base` installs: pip install uv')
    if not RUNTIME.is_dir():
        raise StepError(f'there is no {RUNTIME}: this demo needs a checkout of mmhvt')
    # a build leaves files in the folder that it builds from
    source = folder.with_name('runtime')
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(RUNTIME, source, ignore=shutil.ignore_patterns('__pycache__', 'build', '*.egg-info'))
    programs = folder / 'bin'
    step('Making an environment without PyTorch', uv, 'venv', '--quiet', '--clear', '--python', sys.executable, folder)
    # uv knows an earlier build by the date of pyproject.toml alone
    install = (uv, 'pip', 'install', '--compile-bytecode', '--refresh-package', 'mmhvt-runtime')
    step('Installing the runtime into it', *install, '--python', programs / 'python', source)
    found = subprocess.run([programs / 'python', '-c', 'import torch'], capture_output=True, env=_environment())
    if not found.returncode:
        raise StepError(f'{folder} has PyTorch, without which the runtime should do')
    return programs


def _environment() -> dict[str, str]:
    """Variables of the environment, without packages that this process sees."""
    return {key: value for key, value in os.environ.items() if not key.startswith('PYTHON')}


def recognize(program: Path, model: Path, video: Path) -> tuple[dict[str, float], float]:
    """Scores of all classes by `mmhvt-recognize`, and the seconds from its start to its end.

    Raises:
        StepError: If it fails.
    """
    command = [program, '--model', model, video, '--json', '--top', len(MOTIONS)]
    start = time.monotonic()
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=_environment())
    seconds = time.monotonic() - start
    if done.returncode:
        raise StepError(f'recognizing {video} failed: {done.stderr.strip()}')
    return {label['name']: label['score'] for label in json.loads(done.stdout)['labels']}, seconds


def compare(videos: Sequence[Path], checkpoint: Path, model: Path, program: Path) -> tuple[list[Comparison], float]:
    """Recognize videos by the runtime and by mmaction2's inferencer.

    Args:
        videos: Videos.
        checkpoint: Weights of :data:`.motion.CONFIG`.
        model: ONNX file of them.
        program: `mmhvt-recognize`.

    Returns:
        A comparison for each video, and the seconds from the start of the runtime to its first prediction.

    Raises:
        StepError: If the runtime fails, or has other classes.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Failed to add')  # it draws nothing here
        inferencer = ActionRecogInferencer(str(CONFIG), str(checkpoint), device='cpu')
    inferencer.show_progress = False
    found, seconds = [], []
    for video in videos:
        scores, took = recognize(program, model, video)
        seconds.append(took)
        reference = inferencer(str(video))['predictions'][0]['pred_scores']
        expected = dict(zip(MOTIONS, reference, strict=True))
        if scores.keys() != expected.keys():
            raise StepError(f'{model} has the classes {", ".join(scores)} instead of {", ".join(expected)}')
        label = max(scores, key=scores.__getitem__)
        difference = max(abs(scores[name] - expected[name]) for name in expected)
        found.append(Comparison(video, label, scores[label], expected[label], difference))
    return found, seconds[0]


def print_table(comparisons: Sequence[Comparison]) -> None:
    """Print a line for each video."""
    print(f'\n{"video":28} {"label":18} {"runtime":>9} {"PyTorch":>9} {"largest difference":>19}')
    for video, label, runtime, reference, difference in comparisons:
        print(f'{video.name:28} {label:18} {runtime:9.6f} {reference:9.6f} {difference:19.1e}')


def run(clips_per_class: int, val_clips_per_class: int, epochs: int | None) -> None:
    """Train the model of the recognition demo unless it is there, export it, and compare the runtime with PyTorch.

    Args:
        clips_per_class: Training clips of each class.
        val_clips_per_class: Validation clips of each class.
        epochs: Epochs of training; None for those of the config.

    Raises:
        StepError: If a step fails, or scores differ.
    """
    programs = make_environment(WORK_DIR / 'venv')  # what fails without a network comes first
    counts = dict(clips_per_class=clips_per_class, val_clips_per_class=val_clips_per_class)
    generate('Generating videos', 'moving_shapes.py', DATA, **counts)
    checkpoint = train('Training', 'mmaction', CONFIG, MODEL_DIR / 'train', training_options(0, epochs))
    model = WORK_DIR / 'model.onnx'
    step('Exporting', sys.executable, TOOLS / 'export.py', CONFIG, checkpoint, '--out', model)
    videos = [DATA / f'videos_val/{motion}_00000.mp4' for motion in MOTIONS]
    found, seconds = compare(videos, checkpoint, model, programs / 'mmhvt-recognize')
    print_table(found)
    largest = max(each.difference for each in found)
    print(f'\nmodel: {model}, recognized by {programs / "mmhvt-recognize"}')
    print(f'metric largest_difference={largest:.1e}')
    print(f'metric seconds_to_first={seconds:.2f}', flush=True)
    if not largest <= TOLERANCE:
        raise StepError(f'scores of the runtime differ from those of PyTorch by {largest:.1e}, above {TOLERANCE}')
