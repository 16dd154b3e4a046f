"""Labels of a dataset, whatever its class, without reading a sample."""

import pickle
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dataset import BaseDataset

# whose datasets have labels in their annotations, if they have any
_KNOWN = ('mmaction.', 'mmpretrain.', 'mmhvt.')


class Labels(NamedTuple):
    """Labels of a dataset.

    Args:
        total: Samples.
        largest: The largest label, -1 if there is none.
        where: File or folder, and sample, of the largest.
        several: Whether a sample may have several labels, or any number.
        unlabeled: Samples without a label.
        first_unlabeled: File or folder, and sample, of the first of those.
    """

    total: int
    largest: int
    where: str
    several: bool
    unlabeled: int
    first_unlabeled: str


def labels_of(dataset: object) -> Labels | None:
    """Labels of a dataset without wrappers; None if they cannot be told, or are no class indices.

    Knows MMEngine's BaseDataset with `label` (mmaction) or `gt_label` (mmpretrain) in its annotations, torchvision's
    `targets`, and `get_cat_ids`. Takes 0.7 s for the 1 281 167 samples of ImageNet.
    """
    if isinstance(dataset, BaseDataset):
        return _collect(dataset, (_label(info) for info in _annotations(dataset)))
    if hasattr(dataset, 'targets'):
        return _collect(dataset, iter(dataset.targets))
    if hasattr(dataset, 'get_cat_ids') and hasattr(dataset, '__len__'):
        return _collect(dataset, (dataset.get_cat_ids(i) for i in range(len(dataset))))
    return None


def source_of(dataset: object) -> str:
    """File or folder that the samples of a dataset come from, for messages."""
    if getattr(dataset, 'ann_file', None):
        return str(dataset.ann_file)
    prefix = getattr(dataset, 'data_prefix', None)
    folders = [folder for folder in prefix.values() if folder] if isinstance(prefix, dict) else []
    return str((folders or [getattr(dataset, 'data_root', '') or type(dataset).__name__])[0])


def _annotations(dataset: BaseDataset) -> Iterator[object]:
    """What the dataset keeps of each sample. Its `get_data_info` does more with it than is needed here."""
    dataset.full_init()
    if not dataset.serialize_data:
        return iter(dataset.data_list)
    content = memoryview(dataset.data_bytes)
    return (pickle.loads(content[start:end]) for start, end in pairwise([0, *dataset.data_address.tolist()]))


def _label(info: object) -> object:
    """The label, None if there is none, NotImplemented if it is said in another way."""
    if not isinstance(info, dict) or 'gt_score' in info:
        return NotImplemented
    return info['gt_label'] if 'gt_label' in info else info.get('label')


def _place(dataset: object, index: int) -> str:
    """The file or folder of a sample, and the sample."""
    if isinstance(dataset, BaseDataset):
        info = dataset.get_data_info(index)
        path = next((info[key] for key in ('img_path', 'filename', 'frame_dir', 'audio_path') if key in info), '')
    else:
        path = ''
    return f'{source_of(dataset)}, sample {index + 1}' + (f': {path}' if path else '')


def _collect(dataset: object, labels: Iterator[object]) -> Labels | None:
    largest, at, total = -1, 0, 0
    several = bool(getattr(dataset, 'multi_class', False))
    unlabeled, first = 0, -1
    says_nothing = _says_nothing_by_silence(dataset)
    for index, label in enumerate(labels):
        total += 1
        if label is None:
            if not says_nothing:
                continue
            label = -1
        elif type(label) is not int:
            found = _indices(label)
            if found is None:
                return None
            several = several or found.ndim > 0
            # of several labels there may be none
            label = int(found.max()) if found.size else 0
        if label < 0:
            unlabeled += 1
            first = index if first < 0 else first
        elif label > largest:
            largest, at = label, index
    if not total:
        return None
    if largest >= 0 and largest == getattr(dataset, 'largest_label', None):
        where = f'{source_of(dataset)}, line {dataset.largest_label_line}'
    else:
        where = _place(dataset, at)
    return Labels(total, largest, where, several, unlabeled, _place(dataset, first) if unlabeled else '')


def _indices(label: object) -> np.ndarray | None:
    """Class indices of a sample, an array of any shape; None if its label is something else, such as scores."""
    if isinstance(label, np.ndarray | np.generic | torch.Tensor | Sequence) and not isinstance(label, str):
        found = np.asarray(label)
        if np.issubdtype(found.dtype, np.integer) or not found.size:
            return found
    return None


def _says_nothing_by_silence(dataset: object) -> bool:
    """Whether a sample without `label` in the annotations has none. Datasets of others may find it when asked."""
    known = next((base for base in type(dataset).__mro__ if base.__module__.startswith(_KNOWN)), None)
    return known is not None and type(dataset).get_data_info is known.get_data_info
