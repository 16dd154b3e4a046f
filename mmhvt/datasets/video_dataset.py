"""Video datasets whose errors name the file or line, and the base that they share with datasets of frames."""

import logging
from collections.abc import Mapping
from copy import deepcopy
from numbers import Integral
from typing import Annotated, Any, Literal

import mmaction.datasets
import numpy as np
from mmaction.datasets.base import BaseActionDataset
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmhvt.registry import DATASETS
from mmhvt.utils.option_types import Number, Pipeline, Range, Says

from .annotations import Line, is_label, parse_labels, path_of, read_lines
from .folders import class_folders, files_by_class, files_in, is_video
from .known_files import KnownFiles
from .labels import with_classes
from .reading import UnreadableVideoError, wrap_readers

__all__ = ['CheckedDataset', 'RepeatAugDataset', 'UnreadableVideoError', 'VideoDataset']

MaxRefetch = Annotated[int, Range(0), Says(' must be an integer from 0')]


class CheckedDataset(BaseActionDataset):
    """Base of :class:`VideoDataset` and :class:`RawframeDataset`, to be inherited before mmaction's class.

    Args:
        ann_file: Path of the annotation file. Defaults to '': the samples of each class are in a folder of its name.
        pipeline: Configs of the transforms.
        metainfo: Its `classes` are the names of the classes: a sequence, the name of a list of
            :func:`mmhvt.datasets.labels.label_lists`, such as 'kinetics400', or a file with one name per line. Defaults
            to None: with an annotation file no names, without one the names of the folders in alphabetical order.
        data_root: Folder that relative paths start from. Defaults to ''.
        num_classes: Number of classes, against which labels are checked. Defaults to None: the number of names, if
            there are any. With `multi_class` and neither, :class:`mmhvt.NumClassesCheckHook` sets it to that of the
            head.
        num_repeats: Number of samples per video, which is read once. Each item is then a list of them, for the collate
            function `repeat_pseudo_collate`. Defaults to None, a single sample.
        sample_once: Whether these samples share their frames. Defaults to False.
        on_unreadable: What to do about an unreadable video in training: 'warn' (and use another sample) or 'raise'.
            Defaults to 'warn'.
        max_refetch: Maximum number of further samples to try for an unreadable one. Defaults to 10.
        labels: 'required'; 'optional' (either all lines have labels or none); or 'ignored' (only paths are read, which
            may then contain spaces). Defaults to 'optional' in test mode and 'required' otherwise.
        test_mode: Whether the dataset is for validation or test, where unreadable videos are always errors. Defaults to
            False.
        kwargs: Arguments of mmaction's dataset: data_prefix, multi_class, …

    Attributes:
        largest_label: Largest label of the annotation file, or -1 if it has none or there is no file.
        largest_label_line: Number of the first line with this label, from 1.
        has_labels: Whether the samples have labels. If not, they have no `label`.
        known_files: Videos that could not be opened, which are not opened again until they change.
        hook_reports: Set by :class:`mmhvt.UnreadableVideoHook`, which warns about each file once, whatever the number
            of workers. Without the hook each worker warns by itself.
    """

    # fields of a line before the labels, and arguments that locate files, for messages
    columns: tuple[str, ...] = ('a path',)
    settings = 'data_root and data_prefix'
    delimiter: str | None = ' '
    # key of data_prefix, and what is there, for messages
    prefix, unit = 'video', 'videos'
    num_classes: int | None

    def __init__(
        self,
        ann_file: str | None = '',
        pipeline: Pipeline = (),
        metainfo: Mapping | None = None,
        data_root: str | None = '',
        num_classes: Number | None = None,
        num_repeats: Any = None,
        sample_once: bool = False,
        on_unreadable: Literal['warn', 'raise'] = 'warn',
        max_refetch: MaxRefetch = 10,
        labels: Literal[None, 'required', 'optional', 'ignored'] = None,
        test_mode: bool = False,
        **kwargs,
    ) -> None:
        self.on_unreadable = on_unreadable
        self.labels = labels or ('optional' if test_mode else 'required')
        self.hook_reports = False
        self.known_files = KnownFiles()
        self._warned: set[str] = set()
        metainfo = with_classes(metainfo, data_root)
        names: tuple[str, ...] | None = metainfo.get('classes')
        if num_classes is not None and names and len(names) != num_classes:
            raise ValueError(
                f'{type(self).__name__} has num_classes={num_classes}, but metainfo names {len(names)} classes: set '
                'metainfo=dict(classes=…) to the names of your classes, or to None for no names'
            )
        self._are_named = num_classes is None and names is not None
        # UnreadableVideoHook recognizes datasets of lists by this attribute
        if num_repeats is not None:
            self.num_repeats = check_repeats(num_repeats)
        self.sample_once = sample_once
        super().__init__(
            ann_file or '',
            pipeline=pipeline,
            metainfo=metainfo,
            data_root=data_root,
            num_classes=len(names) if num_classes is None and names else num_classes,
            max_refetch=max_refetch,
            test_mode=test_mode,
            **kwargs,
        )
        self.pipeline.transforms = wrap_readers(self.pipeline.transforms, self.known_files)
        if num_repeats is not None:
            self._check_repeatable()

    def _check_repeatable(self) -> None:
        """Raises a ValueError if the pipeline does not begin with the transforms that read the frames of a sample."""

    def load_data_list(self) -> list[dict]:
        """Reads samples with `label`: an index, or a list of them with `multi_class`; -1 if there are no labels."""
        self.largest_label, self.largest_label_line = -1, 0
        if not self.ann_file:
            return self._find_samples()
        lines = read_lines(
            self.ann_file, self.delimiter, self.labels, self.multi_class, len(self.columns), self._are_columns
        )
        # either all lines have labels or none
        first = lines[0]
        self.has_labels = self.labels == 'required' or (
            self.labels == 'optional' and len(first.fields) > len(self.columns)
        )
        return [self._sample(line, first) for line in lines]

    def _find_samples(self) -> list[dict]:
        """Finds the samples of classes that have a folder each, or all samples of a folder without labels."""
        folder = self.data_prefix.get(self.prefix) or ''
        if not folder:
            raise ValueError(
                f'{type(self).__name__} needs ann_file, or data_prefix=dict({self.prefix}=…): the folder that has '
                f'a folder of {self.unit} for each class'
            )
        folders = class_folders(folder, self.unit)
        self.has_labels = self.labels != 'ignored'
        if not self.has_labels or (self.labels == 'optional' and not folders):
            files, self.has_labels = files_in(folder, {'': -1}, self._is_file), False
            if not files:
                raise ValueError(f'folder {folder} has no {self.unit}')
        else:
            names, files = files_by_class(folder, self._metainfo.get('classes'), self._is_file, self.unit)
            self._name_classes(folder, names)
        return [dict(sample, label=[label] if self.multi_class else label) for sample, label in self._samples_of(files)]

    def _name_classes(self, folder: str, names: tuple[str, ...]) -> None:
        """Names the classes after the folders."""
        if self.num_classes not in (None, len(names)):
            raise ValueError(
                f'{type(self).__name__} has num_classes={self.num_classes}, but {folder} has {len(names)} folders, one '
                'for each class'
            )
        self._metainfo['classes'] = names
        self.num_classes = len(names)

    def _is_file(self, path: str) -> bool:
        """Whether a file is, or belongs to, a sample."""
        raise NotImplementedError

    def _samples_of(self, files: list[tuple[str, int]]) -> list[tuple[dict, int]]:
        """Samples of files, and their labels."""
        raise NotImplementedError

    def _are_columns(self, fields: list[str]) -> bool:
        """Whether the fields before the labels are valid."""
        return True

    def _other_kind(self, line: Line) -> str:
        """What a line is, and what would read it, if it belongs to another kind of list; otherwise ''."""
        return ''

    def _sample(self, line: Line, first: Line) -> dict:
        given = line.fields[len(self.columns) :]
        if other := self._other_kind(line):
            raise ValueError(f'{line.where} {other}')
        if len(line.fields) < len(self.columns):
            raise ValueError(f'{line.where} has {len(line.fields)} fields: {self._needs(line)}')
        sample = self._parse(line)
        # for frames, 'take 2 163 1' would be the folder 'take'
        is_doubtful = len(self.columns) > 1 and len(given) > 1 and all(map(is_label, given)) and not self.multi_class
        if self.labels == 'ignored' and not is_doubtful:
            given = []
        elif not given and not self.has_labels:
            pass
        elif not self.has_labels and self.labels != 'ignored':
            raise ValueError(f'{line.where} has labels, but line {first.number} has none: label all lines or none')
        elif not given or (len(given) > 1 and not self.multi_class):
            others = f', unlike line {first.number}' if self.labels == 'optional' and not given else ''
            raise ValueError(
                f'{line.where} has {len(given)} labels{others}: {self._needs(line)} (set another delimiter, put paths '
                'with spaces in double quotes, or allow several labels with multi_class)'
            )
        labels = parse_labels(line, given, self.num_classes, self._are_named)
        if labels and max(labels) > self.largest_label:
            self.largest_label, self.largest_label_line = max(labels), line.number
        labels = labels or [-1]
        return dict(sample, label=labels if self.multi_class else labels[0])

    def _needs(self, line: Line) -> str:
        """The fields that a line needs, for messages."""
        wanted = 'labels' if self.multi_class else 'one label'
        return f'it needs {", ".join(self.columns)} and {wanted}, separated by {line.delimiter!r}'

    def _parse(self, line: Line) -> dict:
        """Parses a sample without its label."""
        raise NotImplementedError

    def get_data_info(self, idx: int) -> dict:
        """Returns the annotation of a sample, without `label` if there are no labels.

        Raises:
            ValueError: If samples have several labels, and the number of classes is unknown.
        """
        if self.multi_class and self.num_classes is None:
            raise ValueError(
                f'{type(self).__name__} with multi_class=True needs the number of classes: num_classes, names in '
                'metainfo=dict(classes=…), or mmhvt.NumClassesCheckHook, which takes it from the head'
            )
        info = super().get_data_info(idx)
        if not self.has_labels:
            # metrics could take -1 for a class
            del info['label']
        return info

    def get_cat_ids(self, idx: int) -> list[int]:
        """Returns the labels of a sample, for MMEngine's ClassBalancedDataset.

        Raises:
            ValueError: If the annotation file has no labels.
        """
        label = BaseDataset.get_data_info(self, idx)['label']
        if not self.has_labels:
            where = self.ann_file or self.data_prefix[self.prefix]
            raise ValueError(f'cannot balance classes: {where} has no labels (labels={self.labels!r})')
        return list(label) if self.multi_class else [label]

    def _repeat(self, idx: int, num_repeats: int, sample_once: bool = False) -> list[dict]:
        """Returns samples of a video that is decoded once. Each has its own augmentation, and its own frames unless
        `sample_once`.

        The pipeline consists of a transform that opens the file (none for frames on disk), one that samples frames, one
        that decodes them, and the rest.
        """
        transforms = self.pipeline.transforms
        opens = 0 if 'frame_dir' in (info := self.get_data_info(idx)) else 1
        for transform in transforms[:opens]:
            info = transform(info)
        sample, decode, *rest = transforms[opens:]
        drawn = [sample(dict(info)) for _ in range(1 if sample_once else num_repeats)]
        indices = [np.ravel(one['frame_inds']) for one in drawn]
        info = decode(dict(drawn[0], frame_inds=np.concatenate(indices)))
        images, stops = info.pop('imgs'), np.cumsum([len(some) for some in indices])
        clips = [(some, images[stop - len(some) : stop]) for some, stop in zip(indices, stops, strict=True)]
        if sample_once:
            # transforms may change frames in place
            clips = [(some, deepcopy(frames)) for some, frames in clips * num_repeats]
        samples = []
        for some, frames in clips:
            data = dict(deepcopy(info), imgs=frames, frame_inds=some)
            for transform in rest:
                data = transform(data)
            samples.append(data)
        return samples

    def __getitem__(self, idx: int) -> Any:
        """Returns a sample. In training, a random one replaces it if its video is unreadable.

        Raises:
            UnreadableVideoError: In test mode or with ``on_unreadable='raise'``, or after `max_refetch` further
                samples. The message names the file.
        """
        may_replace = not self.test_mode and self.on_unreadable == 'warn'
        unreadable = {}
        for _ in range(self.max_refetch + 1):
            try:
                data = super().__getitem__(idx)
            except UnreadableVideoError as error:
                if not may_replace:
                    raise UnreadableVideoError(f'{error}. {self._advice()}', error.filename) from None
                unreadable[error.filename] = str(error)
                idx = self._rand_another()
            else:
                if unreadable:
                    self._report(data, unreadable)
                return data
        raise UnreadableVideoError(
            f'{self.max_refetch + 1} videos in a row are unreadable: check {self.settings}. The last one: '
            f'{next(reversed(unreadable.values()))}',
            next(reversed(unreadable)),
        )

    def _advice(self) -> str:
        remedy = f'Repair the file or remove {f"its line from {self.ann_file}" if self.ann_file else "it"}'
        if self.test_mode:
            return f'{remedy}; metrics over the other videos alone would not be comparable'
        return f"{remedy}, or set on_unreadable='warn' to train on another sample instead"

    def _report(self, data: Any, unreadable: dict[str, str]) -> None:
        if self.hook_reports:
            unopened = tuple(name for name in unreadable if name in self.known_files)
            for sample in data if isinstance(data, list) else [data]:
                sample['data_samples'].set_metainfo(dict(unreadable=unreadable, unopened=unopened))
            return
        for filename in unreadable.keys() - self._warned:
            print_log(f'{unreadable[filename]}; training continues with another sample', 'current', logging.WARNING)
        self._warned.update(unreadable)


@DATASETS.register_module()
class VideoDataset(CheckedDataset, mmaction.datasets.VideoDataset):
    """mmaction's VideoDataset with a checked annotation file and tolerance of unreadable videos.

    A video is unreadable if DecordInit or DecordDecode of the pipeline fails on it. In training, a random sample
    replaces it, whose metainfo `unreadable` maps the file to the error message; :class:`mmhvt.UnreadableVideoHook`
    warns and counts. In test mode an unreadable video is always an error, since metrics over fewer videos would not be
    comparable. docs/guides/bad_input.md lists what happens to which input.

    From a video with an edit list (:mod:`mmhvt.datasets.edit_lists`), only frames that a player shows are sampled.

    Args:
        ann_file: Path of a file with lines of path and label, or path and labels with `multi_class`. Empty lines are
            skipped. Defaults to '': `data_prefix` has a folder of videos for each class, named after it. Nested folders
            are searched, and files without the extension of a video are left out. With ``labels='ignored'``, all videos
            under `data_prefix` are used, as in test mode if it has no folders.
        pipeline: Configs of the transforms, among them DecordInit and DecordDecode. With `num_repeats`, it must begin
            with DecordInit, a transform that samples frames, and DecordDecode.
        metainfo: Its `classes` are the names of the classes: a sequence, the name of a list such as 'kinetics400'
            (:func:`mmhvt.datasets.labels.label_lists`), or a file with one name per line. They become part of
            checkpoints, and predictions get these names. Defaults to None: with an annotation file no names, without
            one those of the folders in alphabetical order.
        num_classes: Number of classes. Defaults to None, that of the names or of the head.
        num_repeats: Number of samples per video, which is decoded once. Each item is then a list of them, for the
            collate function `repeat_pseudo_collate`. Defaults to None, a single sample.
        sample_once: Whether these samples share their frames. Defaults to False.
        on_unreadable: What to do about an unreadable video in training: 'warn' (and use another sample) or 'raise'.
            Defaults to 'warn'.
        max_refetch: Maximum number of further samples to try for an unreadable one. Defaults to 10.
        labels: 'required'; 'optional' (either all lines have labels or none); or 'ignored' (only paths are read, which
            may then contain spaces). Defaults to 'optional' in test mode and 'required' otherwise.
        kwargs: Arguments of mmaction's VideoDataset: data_root, data_prefix, multi_class, delimiter, test_mode, …

    Raises:
        FileNotFoundError: If the annotation file, or the folder of videos, does not exist.
        ValueError: If the file is empty or has a malformed line; the message names file and line. If a class has no
            video; the message names its folder. If the pipeline does not begin as `num_repeats` requires.
    """

    _is_file = staticmethod(is_video)

    def _samples_of(self, files: list[tuple[str, int]]) -> list[tuple[dict, int]]:
        """A sample for each file."""
        return [(dict(filename=path), label) for path, label in files]

    def _check_repeatable(self) -> None:
        opened_by = [repr(transform).partition('(')[0] for transform in self.pipeline.transforms[:3]]
        if opened_by[::2] != ['DecordInit', 'DecordDecode']:
            raise ValueError(
                f'{type(self).__name__} needs a pipeline that begins with DecordInit, a sampler and DecordDecode, got '
                f'{", ".join(opened_by)}'
            )

    def _other_kind(self, line: Line) -> str:
        path, *rest = line.fields
        if (
            len(self.columns) > 1
            or self.multi_class
            or len(rest) != 2
            or is_video(path)
            or not all(map(is_label, rest))
        ):
            return ''
        return (
            f'lists frames on disk (folder, number of frames, label), but {type(self).__name__} needs a video and its '
            "label: give a list of videos, or set type='mmhvt.RawframeDataset' and data_prefix=dict(img=…)"
        )

    def prepare_data(self, idx: int) -> dict | list[dict]:
        """Returns a sample, or a list of `num_repeats` samples."""
        if hasattr(self, 'num_repeats'):
            return self._repeat(idx, self.num_repeats, self.sample_once)
        return super().prepare_data(idx)

    def _parse(self, line: Line) -> dict:
        """Parses `filename`."""
        return dict(filename=path_of(line, line.fields[0], self.data_prefix['video']))


@DATASETS.register_module()
class RepeatAugDataset(VideoDataset):
    """mmaction's RepeatAugDataset, which decodes a video once for several samples of a batch, with the checks of
    :class:`VideoDataset`.

    It is VideoDataset with `num_repeats`. An unreadable video counts as `num_repeats` samples.

    Args:
        ann_file, pipeline, kwargs: Arguments of VideoDataset.
        num_repeats: Number of samples per video. Each item is a list of them, for the collate function
            `repeat_pseudo_collate`. Defaults to 4.

    Raises:
        FileNotFoundError, ValueError: Like VideoDataset.
    """

    def __init__(self, ann_file: str | None = '', pipeline: Pipeline = (), num_repeats: Any = 4, **kwargs) -> None:
        super().__init__(ann_file, pipeline=pipeline, num_repeats=num_repeats, **kwargs)


def check_repeats(num_repeats: int) -> int:
    """Returns `num_repeats`.

    Raises:
        ValueError: If it is not a positive integer.
    """
    is_whole = isinstance(num_repeats, Integral) and not isinstance(num_repeats, bool)
    if not is_whole or not 1 <= num_repeats <= 1000:
        raise ValueError(f'num_repeats must be a positive integer, got {num_repeats!r}')
    return num_repeats
