"""Datasets of videos that say which file or line is at fault, and what they have in common with those of frames."""

import logging
from copy import deepcopy
from typing import Any

import mmaction.datasets
import numpy as np
from mmaction.datasets.base import BaseActionDataset
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmhvt.registry import DATASETS

from .annotations import Line, is_label, parse_labels, path_of, read_lines
from .reading import NamingFile, UnreadableVideoError, name_files

__all__ = ['CheckedDataset', 'NamingFile', 'RepeatAugDataset', 'UnreadableVideoError', 'VideoDataset']


class CheckedDataset(BaseActionDataset):
    """Base of :class:`VideoDataset` and :class:`RawframeDataset`, to stand before mmaction's class.

    Attributes:
        largest_label: The largest label of the annotation file, -1 if it has none.
        largest_label_line: The first line that has it, from 1.
        has_labels: Whether the annotation file has labels. Without, a sample has none.
        hook_reports: Set by :class:`mmhvt.engine.UnreadableVideoHook`, which warns once of a file whatever the number
            of workers. Without the hook each worker warns on its own.
    """

    # fields of a line before the labels, and arguments that say where files are, for messages
    columns: tuple[str, ...] = ('a path',)
    settings = 'data_root and data_prefix'
    delimiter: str | None = ' '

    def __init__(
        self,
        ann_file: str,
        pipeline: list,
        on_unreadable: str = 'warn',
        max_refetch: int = 10,
        labels: str | None = None,
        test_mode: bool = False,
        **kwargs,
    ) -> None:
        for name, value, choices in [
            ('on_unreadable', on_unreadable, ('warn', 'raise')),
            ('labels', labels, (None, 'required', 'optional', 'ignored')),
        ]:
            if value not in choices:
                some = ', '.join(map(repr, choices[:-1]))
                raise ValueError(f'{name}={value!r}: choose {some} or {choices[-1]!r}')
        self.on_unreadable = on_unreadable
        self.labels = labels or ('optional' if test_mode else 'required')
        self.hook_reports = False
        self._warned: set[str] = set()
        super().__init__(ann_file, pipeline=pipeline, max_refetch=max_refetch, test_mode=test_mode, **kwargs)
        self.pipeline.transforms = name_files(self.pipeline.transforms)

    def load_data_list(self) -> list[dict]:
        """Samples of the annotation file, with `label`: an index, or several with `multi_class`; -1 without labels."""
        if self.multi_class and self.num_classes is None:
            raise ValueError('multi_class=True needs num_classes')
        self.largest_label, self.largest_label_line = -1, 0
        lines = read_lines(
            self.ann_file, self.delimiter, self.labels, self.multi_class, len(self.columns), self._are_columns
        )
        # a list has labels throughout, or nowhere
        first = lines[0]
        self.has_labels = self.labels == 'required' or (
            self.labels == 'optional' and len(first.fields) > len(self.columns)
        )
        return [self._sample(line, first) for line in lines]

    def _are_columns(self, fields: list[str]) -> bool:
        """Whether the fields before the labels make sense."""
        return True

    def _sample(self, line: Line, first: Line) -> dict:
        given = line.fields[len(self.columns) :]
        if len(line.fields) < len(self.columns):
            raise ValueError(f'{line.where} has {len(line.fields)} of the fields: {self._needs(line)}')
        sample = self._parse(line)
        # of frames 'take 2 163 1' would be folder 'take'
        is_doubtful = len(self.columns) > 1 and len(given) > 1 and all(map(is_label, given)) and not self.multi_class
        if self.labels == 'ignored' and not is_doubtful:
            given = []
        elif not given and not self.has_labels:
            pass
        elif not self.has_labels and self.labels != 'ignored':
            raise ValueError(f'{line.where} has labels, but line {first.number} has none: all lines need them, or none')
        elif not given or (len(given) > 1 and not self.multi_class):
            others = f', as line {first.number} has them' if self.labels == 'optional' and not given else ''
            raise ValueError(
                f'{line.where} has {len(given)} labels{others}: {self._needs(line)} '
                '(change that with delimiter, put paths with spaces in double quotes, allow several labels with '
                'multi_class)'
            )
        labels = parse_labels(line, given, self.num_classes)
        if labels and max(labels) > self.largest_label:
            self.largest_label, self.largest_label_line = max(labels), line.number
        labels = labels or [-1]
        return dict(sample, label=labels if self.multi_class else labels[0])

    def _needs(self, line: Line) -> str:
        """What a line needs, for messages."""
        wanted = 'labels' if self.multi_class else 'one label'
        return f'it needs {", ".join(self.columns)} and {wanted}, separated by {line.delimiter!r}'

    def _parse(self, line: Line) -> dict:
        """A sample without its label."""
        raise NotImplementedError

    def get_data_info(self, idx: int) -> dict:
        """As mmaction's; without labels in the annotation file there is no `label`, of which a metric could make 0."""
        info = super().get_data_info(idx)
        if not self.has_labels:
            del info['label']
        return info

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels of a sample, for MMEngine's ClassBalancedDataset.

        Raises:
            ValueError: If the annotation file has no labels.
        """
        label = BaseDataset.get_data_info(self, idx)['label']
        if not self.has_labels:
            raise ValueError(f'{self.ann_file} has no labels (labels={self.labels!r}), so no classes can be balanced')
        return list(label) if self.multi_class else [label]

    def _repeat(self, idx: int, num_repeats: int, sample_once: bool = False) -> list[dict]:
        """Samples of a video that is read once: each has frames and a view of its own.

        The pipeline is what opens the file (nothing for frames on disk), samples, decodes, and the rest.
        """
        transforms = self.pipeline.transforms
        opens = 0 if 'frame_dir' in (info := self.get_data_info(idx)) else 1
        for transform in transforms[:opens]:
            info = transform(info)
        sample, decode, *rest = transforms[opens:]
        drawn = [sample(dict(info)) for _ in range(1 if sample_once else num_repeats)]
        drawn = drawn * num_repeats if sample_once else drawn
        indices = [np.ravel(one['frame_inds']) for one in drawn]
        info = decode(dict(drawn[0], frame_inds=np.concatenate(indices)))
        images, stops = info.pop('imgs'), np.cumsum([len(some) for some in indices])
        samples = []
        for some, stop in zip(indices, stops, strict=True):
            data = dict(deepcopy(info), imgs=images[stop - len(some) : stop], frame_inds=some)
            for transform in rest:
                data = transform(data)
            samples.append(data)
        return samples

    def __getitem__(self, idx: int) -> Any:
        """A sample; in training another one if the video of `idx` is unreadable.

        Raises:
            UnreadableVideoError: Names the file.
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
            f'{self.max_refetch + 1} videos in a row cannot be read, so very many or all cannot. Are '
            f'{self.settings} right? The last: {next(reversed(unreadable.values()))}',
            next(reversed(unreadable)),
        )

    def _advice(self) -> str:
        remedy = f'Repair the file or take its line out of {self.ann_file}'
        if self.test_mode:
            return f'{remedy}: a metric over the other videos alone could not be compared'
        return f"{remedy}, or set on_unreadable='warn' to train on another sample in its place"

    def _report(self, data: Any, unreadable: dict[str, str]) -> None:
        if self.hook_reports:
            for sample in data if isinstance(data, list) else [data]:
                sample['data_samples'].set_metainfo(dict(unreadable=unreadable))
            return
        for filename in unreadable.keys() - self._warned:
            print_log(f'{unreadable[filename]}; trains on another sample', 'current', logging.WARNING)
        self._warned.update(unreadable)


@DATASETS.register_module()
class VideoDataset(CheckedDataset, mmaction.datasets.VideoDataset):
    """mmaction's VideoDataset that checks its annotation file and outlives unreadable videos.

    A video is unreadable if DecordInit or DecordDecode of the pipeline fail on it. In training another sample, drawn
    at random, stands in for it, and the sample's metainfo `unreadable` (file -> message) says so;
    :class:`mmhvt.engine.UnreadableVideoHook` warns and counts. With `test_mode` it is always an error, since a metric
    over fewer videos could not be compared. docs/bad_input.md tells what happens to which input.

    Of a video with an edit list (:mod:`mmhvt.datasets.edit_lists`), what samples frames knows those that a player
    shows.

    Args:
        ann_file: Lines of path and label, or path and labels with `multi_class`. Empty lines are skipped.
        pipeline: Transforms; reads with DecordInit and DecordDecode.
        on_unreadable: 'warn' or 'raise'; in training only.
        max_refetch: Samples to draw in a row for an unreadable one before that is an error.
        labels: 'required', 'optional' (all lines have them, or none) or 'ignored' (no more than the path is read, which
            may then have spaces in it).
            Optional with `test_mode`, else required.
        kwargs: As mmaction's: data_root, data_prefix, multi_class, num_classes, delimiter, test_mode, …

    Raises:
        FileNotFoundError: If there is no annotation file.
        ValueError: If it is empty or a line of it malformed; names file and line.
    """

    def _parse(self, line: Line) -> dict:
        """`filename` of a line."""
        return dict(filename=path_of(line, line.fields[0], self.data_prefix['video']))


@DATASETS.register_module()
class RepeatAugDataset(VideoDataset):
    """mmaction's RepeatAugDataset (a video is decoded once for `num_repeats` samples of a batch) with the checks of
    :class:`VideoDataset`. An unreadable video counts for `num_repeats` samples. For frames on disk
    :class:`RawframeDataset` has `num_repeats`.

    Args:
        ann_file: As VideoDataset's.
        pipeline: Begins with DecordInit, one that samples frames, and DecordDecode.
        num_repeats: Samples of a video. Each item is a list of them, for the collate function `repeat_pseudo_collate`.
        sample_once: Whether they have the same frames.
        kwargs: As VideoDataset's.
    """

    def __init__(
        self, ann_file: str, pipeline: list, num_repeats: int = 4, sample_once: bool = False, **kwargs
    ) -> None:
        self.num_repeats, self.sample_once = check_repeats(num_repeats), sample_once
        super().__init__(ann_file, pipeline=pipeline, **kwargs)
        opened_by = [repr(transform).partition('(')[0] for transform in self.pipeline.transforms[:3]]
        if opened_by[::2] != ['DecordInit', 'DecordDecode']:
            raise ValueError(
                f'{type(self).__name__} needs a pipeline that begins with DecordInit, one that samples frames, and '
                f'DecordDecode; this begins with {", ".join(opened_by)}'
            )

    def prepare_data(self, idx: int) -> list[dict]:
        """`num_repeats` samples of a video."""
        return self._repeat(idx, self.num_repeats, self.sample_once)


def check_repeats(num_repeats: int) -> int:
    """The number, if it is one of repetitions.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(num_repeats, int) or num_repeats < 1:
        raise ValueError(f'num_repeats={num_repeats!r} has to be a whole number, 1 or more')
    return num_repeats
