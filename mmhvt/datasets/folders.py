"""Samples from folders without an annotation file, and messages about missing files."""

import os
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from torchvision.datasets.folder import make_dataset

# of containers that decord reads
VIDEO_EXTENSIONS = (
    '.3gp', '.asf', '.avi', '.flv', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.ogv', '.ts',
    '.vob', '.webm', '.wmv',
)  # fmt: skip
# default folders of the recipes' datasets, and their names for tools/data/check.py
_CHECKED = dict(ActivityNet='activitynet', HACS='hacs', ava='ava22') | {name: name for name in (
    'ava_kinetics', 'charades', 'coco', 'imagenet', 'imagenet21k', 'inat2017', 'inat2018', 'inat2019', 'kinetics400',
    'kinetics600', 'kinetics700', 'kinetics710', 'mit', 'places365', 'sthv1', 'sthv2',
)}  # fmt: skip
_GENERATED = ('digits', 'moving_actors', 'moving_shapes', 'shapes_coco')


def is_video(path: str) -> bool:
    """Whether a file is a video by its extension."""
    return path.lower().endswith(VIDEO_EXTENSIONS)


def files_by_class(
    folder: str, classes: Sequence[str] | None, fits: Callable[[str], bool], what: str
) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    """Finds the files of classes that have a folder each, like torchvision's DatasetFolder.

    Hidden files and folders are left out.

    Args:
        folder: Folder that contains a folder for each class.
        classes: Names of the classes in the order of their labels; some may have no folder. None for the names of the
            folders, in alphabetical order.
        fits: Function that takes a path and returns whether the file belongs to a sample.
        what: What the files are, for messages.

    Returns:
        tuple: Names of the classes, and files with their labels, in the order of folders and names.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it has no folders, or one of them is not a class or has no such file.
    """
    found = class_folders(folder, what)
    if not found:
        raise ValueError(
            f'{folder} has no folders: without ann_file, it needs a folder of {what} for each class, named after it'
        )
    names = tuple(found if classes is None else classes)
    if unknown := [name for name in found if name not in names]:
        near = ''.join(f' (did you mean {one!r}?)' for one in get_close_matches(unknown[0], names, 1))
        raise ValueError(
            f'folder {os.path.join(folder, unknown[0])} is not one of the {len(names)} classes in metainfo{near}: '
            'rename or remove it, or set metainfo=dict(classes=None) to name the classes after the folders'
        )
    files = files_in(folder, {name: names.index(name) for name in found}, fits)
    filled = {label for _, label in files}
    if empty := [name for name in found if names.index(name) not in filled]:
        raise ValueError(f'folder {os.path.join(folder, empty[0])} has no {what}: add some, or remove the folder')
    return names, files


def class_folders(folder: str, what: str) -> list[str]:
    """Names of the folders in a folder, in alphabetical order.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    if not os.path.isdir(folder):
        remedy = f'set data_root and data_prefix to where the {what} are, or ann_file to a list of them'
        raise FileNotFoundError(does_not_exist('folder', folder, remedy))
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith('.'))


def files_in(folder: str, labels: dict[str, int], fits: Callable[[str], bool]) -> list[tuple[str, int]]:
    """Files under some subfolders of a folder, with the subfolders' labels. Subfolder '' is the folder itself."""

    def is_shown(path: str) -> bool:
        return fits(path) and not re.search(r'(^|[/\\])\.', os.path.relpath(path, folder))

    return make_dataset(folder, labels, is_valid_file=is_shown, allow_empty=True)


def does_not_exist(what: str, path: str, remedy: str = '') -> str:
    """Returns the message for a missing file or folder. It has the command that generates the data, or the one that
    checks the layout of a recipe's dataset.

    Args:
        what: What is missing; may be ''.
        path: Path, such as data/moving_shapes/videos_train.
        remedy: Another remedy. Defaults to ''.
    """
    for place in (Path(path), *Path(path).parents):
        name = place.name
        if name in _GENERATED:
            remedy = f'generate it with python tools/data/{name}.py {place}, or mim run mmhvt {name} {place}'
            break
        if name in _CHECKED:
            name = 'ava21' if name == 'ava' and 'v2.1' in path else _CHECKED[name]
            check = f'python tools/data/check.py {name} {place.parent} checks the layout'
            remedy = f'{remedy}; {check}' if remedy else check
            break
    return f'{what} {path} does not exist'.lstrip() + (f': {remedy}' if remedy else '')
