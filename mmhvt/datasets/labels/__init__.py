"""Names of classes: lists of public datasets by name, and files.

README.md in this folder says where the lists come from.
"""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine.fileio import exists, get
from mmengine.registry import DATASETS

from mmhvt.datasets.folders import does_not_exist

_FOLDER = Path(__file__).parent
_QUOTED = r'"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'"


def label_lists() -> list[str]:
    """Names of the lists in this package, such as 'kinetics400'."""
    return sorted(path.stem for path in _FOLDER.glob('*.txt'))


def read_classes(source: str | os.PathLike, data_root: str | None = None) -> tuple[str, ...]:
    """Names of the classes, in the order of their labels.

    Args:
        source: Name of a list of :func:`label_lists`, or file with one name per line.
        data_root: Folder that a relative path may start from. Defaults to the working directory.

    Raises:
        FileNotFoundError: If `source` is the path of a file that does not exist.
        ValueError: If `source` is neither, or the file has no names. The message suggests the nearest lists.
    """
    source = os.fspath(source)
    known = label_lists()
    paths = [_FOLDER / f'{source}.txt'] if source in known else [os.path.join(data_root or '', source), source]
    path = next((path for path in paths if exists(path)), None)
    if path is None and (os.path.dirname(source) or os.path.splitext(source)[1]):
        remedy = 'it must contain the names of the classes, one per line'
        raise FileNotFoundError(does_not_exist('', str(paths[0]), remedy))
    if path is None or os.path.isdir(path):
        near = get_close_matches(source, known, 3) or known
        raise ValueError(
            f'classes={source!r} is neither a file of names, one per line, nor one of the label lists of mmhvt: '
            f'{", ".join(near)}'
        )
    try:
        lines = names_in(bytes(get(path)).decode('utf-8-sig'))
    except UnicodeDecodeError:
        raise ValueError(f'{path} cannot be read as names of classes: it is not UTF-8 text') from None
    names = tuple(lines)
    if not names:
        raise ValueError(f'{path} has no names of classes: it needs one per line, in the order of the labels')
    return names


def names_in(text: str) -> list[str]:
    """Names in a text with one per line. Empty lines are skipped."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def is_label_map(path: str | os.PathLike, text: str) -> bool:
    """Whether a file of names is in AVA's format, and not a list of one name per line."""
    return os.fspath(path).lower().endswith('.pbtxt') or bool(re.search(r'(?m)^\s*(item|label)\s*:?\s*\{', text))


def numbered_names(path: str | os.PathLike, text: str) -> dict[int, str]:
    """Names of classes by number from 1.

    Args:
        path: Path of the file, for messages.
        text: Its text in UTF-8: item { name: "bend" id: 1 } or label { name: "bend" label_id: 1 } for each, with
            comments after #, or one name per line, numbered from 1.

    Raises:
        ValueError: If it is neither, a class or a name of the list occurs twice, or a class is below 1. The message
            names file and line.
    """
    if not is_label_map(path, text):
        lines = [line.strip() for line in text.splitlines()]
        for number, name in enumerate(lines, 1):
            if name and lines.index(name) < number - 1:
                raise ValueError(f'{path}, line {number} has the class {name!r} for the second time')
        return dict(enumerate(names_in(text), 1))
    # mmaction's read_labelmap accepts only one layout, and returns wrong names for others. Without comments:
    text = re.sub(rf'({_QUOTED})|#.*', r'\1', text)
    found: dict[int, str] = {}
    end = 0
    for item in re.finditer(rf'(?:item|label)\s*:?\s*\{{((?:[^{{}}"\']|{_QUOTED})*)\}}', text):
        _check_rest(path, text, end, item.start())
        end, where = item.end(), f'{path}, line {text.count(chr(10), 0, item.start()) + 1}'
        fields: dict[str, str] = dict(re.findall(rf'(\w+)\s*:\s*({_QUOTED}|[^\s,;]+)', item[1]))
        name, label = fields.get('name', ''), fields.get('id', fields.get('label_id', ''))
        if not name[1:-1].strip() or not re.fullmatch(r'-?[0-9]+', label) or not re.fullmatch(_QUOTED, name):
            raise ValueError(
                f'{where}: an item needs a name in quotes and a whole number as id: {" ".join(item[1].split())!r}'
            )
        if int(label) < 1:
            raise ValueError(f'{where} has class {label}: classes start at 1, since class 0 is the background')
        if int(label) in found:
            raise ValueError(f'{where} has class {label} for the second time')
        found[int(label)] = re.sub(r'\\(.)', r'\1', name[1:-1])
    _check_rest(path, text, end, len(text))
    return found


def _check_rest(path: str | os.PathLike, text: str, start: int, end: int) -> None:
    """Rejects text of a label map that belongs to no item."""
    if rest := text[start:end].split():
        line = text.count('\n', 0, text.index(rest[0], start)) + 1
        raise ValueError(
            f'{path}, line {line} is not a label map of items with a name and an id, item {{ name: "bend" id: 1 }}: '
            f'{" ".join(rest[:5])!r}'
        )


def with_classes(metainfo: Mapping | None, data_root: str | None = None) -> dict:
    """Returns the `metainfo` of a dataset, with the names of `classes` in place of the name of a list, or a file.

    Args:
        metainfo: Argument of a dataset of MMEngine. `classes` is a sequence of names, the name of a list, a file, or
            None for no names.
        data_root: Folder that a relative path may start from. Defaults to the working directory.

    Raises:
        ValueError: See :func:`read_classes`; if `classes` is empty or has another type.
    """
    found = dict(metainfo or {})
    classes = found.pop('classes', None)
    if isinstance(classes, str | os.PathLike):
        found['classes'] = read_classes(classes, data_root)
    elif classes is not None:
        if not isinstance(classes, Sequence) or not classes or not all(isinstance(name, str) for name in classes):
            raise ValueError(
                f'metainfo: classes={classes!r} must be names of classes, a file of names, or one of the label lists '
                f'of mmhvt: {", ".join(label_lists())}'
            )
        found['classes'] = tuple(classes)
    return found


def configured_classes(dataset: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the classes in a dataset's config, without building the dataset; None if it has none.

    The default scope is that of the config.

    Args:
        dataset: Config of a dataset, which may be wrapped: the names are those of the first inner dataset.

    Raises:
        ValueError: See :func:`read_classes`.
    """
    while not {'metainfo', 'ann_file', 'pipeline'} & set(dataset) and ('dataset' in dataset or 'datasets' in dataset):
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    classes = with_classes(dataset.get('metainfo'), dataset.get('data_root')).get('classes')
    if classes is None and (kind := dataset.get('type')) is not None:
        # such as mmpretrain's ImageNet
        with DATASETS.switch_scope_and_registry(None) as registry:
            found = registry.get(kind) if isinstance(kind, str) else kind
        classes = getattr(found, 'METAINFO', {}).get('classes')
    return None if classes is None else tuple(classes)
