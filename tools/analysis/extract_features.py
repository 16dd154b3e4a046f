"""Features of videos by the backbone of a config, clip by clip; with --scores, what its classifier says of each clip.

    python tools/analysis/extract_features.py CONFIG CHECKPOINT VIDEO_OR_FOLDER… --out DIR
    python tools/analysis/extract_features.py CONFIG CHECKPOINT --list FILE --out features.h5 --stride 16

Frames go through the config's test pipeline, and clips are those that it tests; with --stride a window slides over the
video. --list has a video a line, with or without labels. For each video NAME.mp4 there are

  NAME.npy          (clips, C), as the classifier sees them; maps with --pool none
  NAME.stage1.npy   … of several stages (--stage 0 1 2)
  NAME.scores.npy   (clips, classes) with --scores
  NAME.json         frames and seconds of the clips, and with --scores the best classes of each

or, if --out ends with .h5, datasets of these names, with the times as attributes. NAME is the path below --video-root,
or below the folder that all videos of the call share: calls with parts of a list need the same --video-root. A second
call goes on where one was interrupted. Videos that cannot be read are listed in the end, and the exit status is 1.
`mim run mmhvt extract_features …` is the same.
"""

import argparse
import math
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.hub import get_config
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mmhvt.analysis.feature_files import find_videos, open_output, output_names, read_list
from mmhvt.analysis.features import POOLS, Extractor, Preprocessing, choose_sampling, describe, extract
from mmhvt.apis.labels import check_names
from mmhvt.apis.models import check_device, count_classes
from mmhvt.migrate.labels import label_list
from mmhvt.models.backbones.base import OUT_TYPES

MOST_LISTED = 20


def load_config(path: str, options: dict | None) -> Config:
    """A config by its path, or by its name in another library as in mmpretrain::resnet/resnet50_8xb32_in1k.py.

    Raises:
        ValueError: If there is none, it does not run, or it has no model.
    """
    if '::' not in path and not Path(path).is_file():
        raise ValueError(f'{path}: no such config file')
    with naming(path):
        cfg = get_config(path) if '::' in path else Config.fromfile(path)
        cfg.merge_from_dict(options or {})
        if 'model' not in cfg:
            raise ValueError('it has no model')
    return cfg


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Errors of a config, which is a program and may raise any, as one line that names it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    except Exception as error:
        what = ''.join(str(error).splitlines()[:1])
        raise ValueError(f'{path}: {type(error).__name__}: {what}') from error


@contextmanager
def bars(names: list[str]) -> Iterator:
    """Two progress bars on stderr, of videos and of the clips of one; gives what `extract` calls."""
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        videos = progress.add_task('videos', total=len(names))
        clips = progress.add_task('clips', total=None)

        def show(video: int, done: int, count: int) -> None:
            progress.update(clips, description=names[video][-40:], completed=done, total=count)
            if done == count:
                progress.advance(videos)

        yield show


def run(args: argparse.Namespace) -> int:
    """Everything; arguments as --help tells. Returns the exit status.

    Raises:
        ValueError: If something does not fit or cannot be read.
        OSError: If a file cannot be written.
    """
    root = args.video_root or Path()
    videos = find_videos([*args.videos, *(read_list(args.list, root) if args.list else [])], root)
    if not videos:
        raise ValueError('no videos are given: name some, or a --list of them')
    names = output_names(videos, args.video_root)
    cfg = load_config(args.config, args.cfg_options)
    check_device(args.device)
    classes = [names[0] for names in label_list(args.labels)] if args.labels else None
    stride, in_seconds = args.stride or (None, False)
    with naming(args.config):
        preprocessing = Preprocessing(cfg, args.center_crop)
        sampling = choose_sampling(
            preprocessing, args.clip_len, args.frame_interval, stride, in_seconds, args.fps, args.num_clips
        )
        extractor = Extractor(
            cfg, args.checkpoint, args.stage, args.out_type, args.pool, args.scores, args.device, args.amp,
            preprocessing.flat,
        )  # fmt: skip
    if classes and (known := count_classes(extractor.model, preprocessing.dataset)):
        check_names(classes, known, f'--labels {args.labels}')
    if extractor.report:
        print(f'{args.checkpoint}: {extractor.report}')
    options = dict(stage=args.stage, out_type=args.out_type, pool=args.pool, scores=args.scores, amp=args.amp)
    settings = describe(cfg, args.checkpoint, sampling, preprocessing, dtype=args.dtype, **options)
    if args.overwrite and args.out.suffix.lower() in ('.h5', '.hdf5'):
        args.out.unlink(missing_ok=True)
        shutil.rmtree(args.out.with_name(f'{args.out.name}.parts'), ignore_errors=True)
    out = open_output(args.out, settings)
    out.remove_stale()
    if args.overwrite:
        for name in names:
            out.forget(name)
    todo = [i for i, name in enumerate(names) if not out.done(name, videos[i])]
    if len(todo) < len(names):
        print(f'{len(names) - len(todo)} of {len(names)} videos are there')
    videos, names = [videos[i] for i in todo], [names[i] for i in todo]
    with bars(names) as progress:
        done = extract(
            videos, names, extractor, preprocessing, sampling, out, args.batch_size, args.num_workers, args.dtype,
            classes, progress,
        )  # fmt: skip
    out.finish()
    print(f'{args.out}: {done.clips} clips of {done.done} videos')
    if done.short:
        print(f'note: {done.short} videos are shorter than a clip; their last frame is repeated')
    if done.endless:
        print(f'note: features of {done.endless} videos are not finite numbers: --dtype float32, or without --amp')
    for path, why in list(done.failed.items())[:MOST_LISTED]:
        print(f'not done: {path}: {why}', file=sys.stderr)
    if done.failed:
        rest = ', the first of which are above' if len(done.failed) > MOST_LISTED else ''
        print(f'{len(done.failed)} of {len(videos)} videos are not done{rest}', file=sys.stderr)
    return int(bool(done.failed))


def distance(text: str) -> tuple[float, bool]:
    """'16' frames or '0.5s'."""
    found = re.fullmatch(r'(\d+\.?\d*|\.\d+)\s*(s?)', text)
    value, in_seconds = (float(found[1]), bool(found[2])) if found else (0.0, False)
    if not value or not in_seconds and value != int(value):
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number of frames as 16, and no seconds as 0.5s')
    return value, in_seconds


def positive(text: str) -> int:
    """A count."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f'{value} is not positive')
    return value


def rate(text: str) -> float:
    """Frames a second."""
    if not math.isfinite(value := float(text)) or value <= 0:
        raise argparse.ArgumentTypeError(f'{text} is no rate')
    return value


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG', help='path, or PACKAGE::PATH')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', help='file or URL, also of another repository')
    parser.add_argument('videos', metavar='VIDEO', nargs='*', help='file, or folder of files')
    parser.add_argument('--list', type=Path, metavar='FILE', help='a video a line, with or without labels')
    parser.add_argument('--video-root', type=Path, metavar='DIR', help='what paths begin at')
    parser.add_argument('--out', required=True, type=Path, help='folder for .npy, or a file .h5')
    what = parser.add_argument_group('what is written')
    what.add_argument('--stage', type=int, nargs='+', metavar='N', help="of the backbone (default: the config's)")
    what.add_argument('--out-type', choices=OUT_TYPES, help="of the backbone (default: the config's)")
    what.add_argument('--pool', choices=POOLS, default='mean', help='maps: mean (default), over space alone, or none')
    what.add_argument('--scores', action='store_true', help='class scores too')
    what.add_argument('--labels', metavar='NAMES', help='of the classes: k400, k600, k700, k710, or a name a line')
    what.add_argument('--dtype', choices=('float32', 'float16'), default='float32', help='of the arrays')
    what.add_argument('--overwrite', action='store_true', help='do videos anew that are there')
    which = parser.add_argument_group("which clips (default: the config's test pipeline says)")
    which.add_argument('--stride', type=distance, help='slide: frames from window to window, or seconds as 0.5s')
    which.add_argument('--num-clips', type=positive, metavar='N', help='so many, spread over the video')
    which.add_argument('--clip-len', type=positive, metavar='N', help='frames of a clip')
    which.add_argument('--frame-interval', type=positive, metavar='N', help='frames from one of a clip to the next')
    which.add_argument('--fps', type=rate, help='see videos at this rate (default: their own)')
    which.add_argument('--center-crop', action='store_true', help='the middle one of several crops')
    how = parser.add_argument_group('how')
    how.add_argument('--batch-size', type=positive, default=8, metavar='N', help='clips at once (default: 8)')
    how.add_argument('--num-workers', type=int, default=2, metavar='N', help='processes that read (default: 2)')
    how.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    how.add_argument('--amp', action='store_true', help='mixed precision')
    how.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override settings')
    return parser


def main() -> int:
    """Command line; returns the exit status."""
    parser = build_parser()
    args = parser.parse_intermixed_args()
    if args.labels and not args.scores:
        parser.error('--labels names the classes of --scores')
    try:
        return run(args)
    except (OSError, ValueError) as error:
        print(f'{parser.prog}: {error}', file=sys.stderr)
        return 1
    except torch.cuda.OutOfMemoryError as error:
        print(f'{parser.prog}: {str(error).splitlines()[0]} A smaller --batch-size needs less', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'\n{parser.prog}: interrupted; the same command goes on', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
