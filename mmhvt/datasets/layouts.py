"""Where the datasets of the recipes are, and whether they are complete."""

import os
import random
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS
from rich.console import Console
from rich.progress import track

import mmhvt

from .images import name_images
from .known_files import path_of_video
from .reading import UnreadableVideoError

# which base of configs/_base_/datasets reads them
_BASES = {name: name for name in (
    'activitynet', 'ava21', 'ava22', 'ava_kinetics', 'charades', 'hacs', 'imagenet', 'imagenet21k', 'kinetics400',
    'kinetics400-600-700', 'kinetics600', 'kinetics700', 'kinetics710', 'mit', 'places365', 'sthv2',
)} | dict(
    coco='coco_instance_ms-crop', inat2017='inat', inat2018='inat', inat2019='inat', sthv1='sthv1_repeat2',
)  # fmt: skip
NAMES = sorted(_BASES)
# keys of a dataset's config that have a path, and training options that a check does not need
_FILES = ('ann_file', 'exclude_file', 'label_file', 'proposal_file')
_REPEATS = ('num_repeats', 'sample_once')
# three frames, spread over the video
_READ_VIDEO: list[dict] = [
    dict(type='mmhvt.DecordInit'),
    dict(type='mmaction.UniformSample', clip_len=3, test_mode=True),
    dict(type='mmaction.DecordDecode'),
]
_READ_KEY_FRAME: list[dict] = [
    dict(type='mmhvt.SampleKeyFrameClip', clip_len=3, frame_interval=15),
    dict(type='mmaction.RawFrameDecode'),
]
_READ_IMAGE: list[dict] = [dict(type='mmpretrain.LoadImageFromFile')]


@dataclass
class Part:
    """A training or validation set, and what a check found.

    Attributes:
        name: 'train', 'val', 'test', or several of them.
        config: Config of the dataset, with paths below the root.
        expected: Paths of its files and folders.
        total: Number of samples.
        classes: Number of classes that occur, and of all classes; None if samples have none or it is not known.
        sampled: Number of samples that were read.
        missing: What does not exist.
        broken: What cannot be read, and why.
    """

    name: str
    config: dict[str, Any]
    expected: list[str]
    total: int = 0
    classes: tuple[int, int] | None = None
    sampled: int = 0
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing or broken."""
        return not self.missing and not self.broken


def parts_of(name: str, root: str | Path = 'data') -> list[Part]:
    """The parts of a dataset. Parts that read the same files are one.

    Args:
        name: One of :data:`NAMES`.
        root: Folder that configs call 'data'. Defaults to 'data'.

    Raises:
        ValueError: If there is no dataset with this name.
    """
    if name not in _BASES:
        raise ValueError(f'there is no dataset {name!r} in the recipes; choose from {", ".join(NAMES)}')
    config = Config.fromfile(Path(mmhvt.__file__).parent / f'.mim/configs/_base_/datasets/{_BASES[name]}.py')
    found: list[Part] = []
    for mode in ('train', 'val', 'test'):
        loader = config.get(f'{mode}_dataloader')
        for dataset in _innermost(loader.dataset.to_dict()) if loader else ():
            dataset.update(dict(data_root=f'data/{name}') if _BASES[name] == 'inat' else {})
            dataset = _below(dataset, str(root))
            same = [part for part in found if part.expected == _expected(dataset)]
            if same:
                same[0].name += '' if mode in same[0].name else f', {mode}'
            else:
                found.append(Part(mode, dataset, _expected(dataset)))
    return found


def _innermost(dataset: dict) -> Iterator[dict]:
    """The configs of the datasets within wrappers."""
    inner = dataset.get('datasets') or [dataset['dataset']] if {'dataset', 'datasets'} & dataset.keys() else []
    for part in inner:
        yield from _innermost(part)
    if not inner:
        yield deepcopy(dataset)


def _below(value: Any, root: str) -> Any:
    """A config with `root` in place of 'data'."""
    if isinstance(value, dict):
        return {key: _below(part, root) for key, part in value.items()}
    if isinstance(value, str) and (value == 'data' or value.startswith('data/')):
        return root + value[len('data') :]
    return value


def _expected(dataset: dict) -> list[str]:
    """Paths of files, and then of folders."""
    root = dataset.get('data_root') or ''
    prefixes = dataset.get('data_prefix') or dataset.get('split') or ''
    files = [dataset[key] for key in _FILES if dataset.get(key)]
    names = (dataset.get('metainfo') or {}).get('classes')
    files += [names] if isinstance(names, str) and os.path.splitext(names)[1] else []
    folders = list(prefixes.values()) if isinstance(prefixes, dict) else [prefixes]
    return [os.path.join(root, path).rstrip('/') for path in (*files, *folders)]


def _build(dataset: dict) -> BaseDataset:
    """Builds the dataset so that samples are read but not augmented, and unreadable videos are errors."""
    kind = dataset['type'] if '.' in dataset['type'] else f'mmpretrain.{dataset["type"]}'
    dataset = {key: value for key, value in dataset.items() if key not in _REPEATS}
    if 'AVA' in kind:
        pipeline = _READ_KEY_FRAME
    elif kind.startswith('mmpretrain.') or kind in ('mmhvt.CocoDataset', 'mmhvt.CustomDataset', 'mmhvt.ImageNet'):
        pipeline = _READ_IMAGE
    else:
        pipeline = _READ_VIDEO
        dataset['on_unreadable'] = 'raise'
        kind = kind.replace('RepeatAugDataset', 'VideoDataset')
    built = DATASETS.build(dict(dataset, type=kind, pipeline=deepcopy(pipeline)))
    if pipeline is _READ_IMAGE:
        built.pipeline.transforms = name_images(built.pipeline.transforms)
    return built


def check(part: Part, sample: int = 20, seed: int = 0, progress: bool = False) -> None:
    """Checks a part and fills in what was found: looks for all files, and reads some.

    Args:
        part: Part from :func:`parts_of`.
        sample: Number of samples to read, drawn at random. Defaults to 20.
        seed: Seed of the draw. Defaults to 0.
        progress: Whether to draw a progress bar on stderr. Defaults to False.
    """
    part.missing = [path for path in part.expected if not os.path.exists(path)]
    if part.missing:
        return
    try:
        dataset = _build(part.config)
    except Exception as error:  # from any library that reads annotations
        part.broken = [_line(error)]
        return
    part.total = len(dataset)

    def tracked(indices: Sequence[int], what: str) -> Iterable[int]:
        return track(indices, f'{part.name}: {what}', console=Console(stderr=True), disable=not progress)

    labels: set[int] = set()
    lacks: dict[str, str] = {}
    whole: dict[int, str] = {}
    for index in tracked(range(part.total), 'looking for files'):
        info = dataset.get_data_info(index)
        labels |= _labels_of(info)
        path = info.get('img_path') or info.get('frame_dir') or path_of_video(info['filename'])
        if path not in lacks:
            lacks[path] = _lack(path, info)
        whole.update({} if lacks[path] else {index: path})
    part.missing = list(filter(None, lacks.values()))
    names = dataset.metainfo.get('classes')
    part.classes = (len(labels), len(names)) if labels and names else None
    chosen = sorted(random.Random(seed).sample(list(whole), min(sample, len(whole))))
    part.sampled = len(chosen)
    for index in tracked(chosen, 'reading'):
        try:
            dataset.prepare_data(index)
        except Exception as error:  # from any decoder
            line = _line(error)
            part.broken.append(line if whole[index] in line else f'{whole[index]}: {line}')


def _line(error: Exception) -> str:
    """An error in one line, with its type unless it is one of ours or the system's."""
    text = ' '.join(str(error).split())
    return text if isinstance(error, OSError | UnreadableVideoError | ValueError) else f'{type(error).__name__}: {text}'


def _labels_of(info: dict) -> set[int]:
    """Labels of a sample of videos or of classified images."""
    label = info.get('label', info.get('gt_label', -1))
    found = {label} if isinstance(label, int) else set(label.nonzero().flatten().tolist())
    return found - {-1}


def _lack(path: str, info: dict) -> str:
    """What a sample lacks: its file, its folder, or frames in it; '' if nothing."""
    if 'frame_dir' not in info:
        return '' if os.path.isfile(path) else path
    if not os.path.isdir(path):
        return path
    if 'total_frames' not in info:
        return ''
    first = info['start_index'] + info.get('offset', 0)
    wanted = {info['filename_tmpl'].format(number) for number in range(first, first + info['total_frames'])}
    lacking = sorted(wanted - set(os.listdir(path)))
    return f'{os.path.join(path, lacking[0])}, {len(lacking)} of {len(wanted)} frames in all' if lacking else ''


def describe(part: Part, most: int = 10) -> str:
    """Returns what was found in a part, as lines of text.

    Args:
        part: Part that was checked.
        most: Maximum number of missing files, and of broken files, to list. Defaults to 10.
    """
    lines = [part.name, *(f'  {path}{": missing" * (path in part.missing)}' for path in part.expected)]
    if part.total:
        classes = f' of {part.classes[0]} of {part.classes[1]} classes' if part.classes else ''
        broken = f', {len(part.broken)} of them broken' if part.broken else ''
        lines += [f'  {part.total} samples{classes}, {part.sampled} read{broken}']
    absent = [path for path in part.missing if path not in part.expected]
    for what, found in (('missing', absent), ('broken', part.broken)):
        lines += [f'  {what}: {one}' for one in found[:most]]
        lines += [f'  {what}: {len(found) - most} more'] * (len(found) > most)
    return '\n'.join(lines)
