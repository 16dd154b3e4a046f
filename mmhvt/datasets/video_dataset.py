"""Datasets of videos that say which file or line is at fault."""

import logging
import os
import re
from collections.abc import Callable
from typing import Any

import mmaction.datasets
from mmaction.datasets.transforms import DecordDecode, DecordInit
from mmengine.fileio import list_from_file
from mmengine.logging import print_log

from mmhvt.registry import DATASETS


class UnreadableVideoError(RuntimeError):
    """A video that is missing, cut off, empty or no video.

    Args:
        message: Names the file.
        filename: The file alone. Empty after the error crossed from a dataloader worker, which hands on the message.
    """

    def __init__(self, message: str, filename: str = ''):
        super().__init__(message)
        self.filename = filename


def _check_avi(filename: str) -> None:
    """Refuses an AVI that is shorter than its header says.

    mmaction's DecordInit reads from memory, where decord 0.6 runs past the end of such a file and takes the process
    down with it, so there is no exception to catch.
    """
    if not os.path.isfile(filename):
        return
    with open(filename, 'rb') as file:
        head = file.read(12)
    if head[:4] == b'RIFF' and head[8:] == b'AVI ':
        declared, size = int.from_bytes(head[4:8], 'little') + 8, os.path.getsize(filename)
        if size < declared:
            raise OSError(f'cut off after {size} of {declared} bytes')


class NamingFile:
    """DecordInit or DecordDecode, whose errors name the file. No other transform reads, so no other is wrapped: what
    goes wrong there is no fault of the file.
    """

    def __init__(self, transform: Callable):
        self.transform = transform

    def __call__(self, results: dict) -> dict:
        import decord

        # FFmpeg writes hundreds of lines about a damaged file to stderr; what counts of it comes as an exception.
        decord.logging.set_level(decord.logging.QUIET)
        try:
            if isinstance(self.transform, DecordInit):
                _check_avi(results['filename'])
            return self.transform(results)
        except (
            OSError,  # no file, or none that may be read
            RuntimeError,  # decord: no video, no moov atom; seek failed
            AssertionError,  # decord: no frames
            StopIteration,  # decord, mode='efficient': no frame there
            decord.DECORDError,  # decoding failed, or no index of frames
            decord.DECORDLimitReachedError,
        ) as error:
            filename = results['filename']
            # decord puts '[time] source file:line: ' before what it says, once for each thread that hands it on
            reason = re.sub(r'\[\d\d:\d\d:\d\d\] \S+:\d+: ', '', str(error)).strip()
            raise UnreadableVideoError(
                f'cannot read video {filename}: {type(error).__name__}: {reason}', filename
            ) from error

    def __repr__(self) -> str:
        return repr(self.transform)


@DATASETS.register_module()
class VideoDataset(mmaction.datasets.VideoDataset):
    """mmaction's VideoDataset that checks its annotation file and outlives unreadable videos.

    A video is unreadable if DecordInit or DecordDecode of the pipeline fail on it. In training another sample, drawn
    at random, stands in for it, and the sample's metainfo `unreadable` (file -> message) says so;
    :class:`mmhvt.engine.UnreadableVideoHook` warns and counts. With `test_mode` it is always an error, since a metric
    over fewer videos could not be compared. docs/bad_input.md tells what happens to which input.

    Args:
        ann_file: Lines of path and label, or path and labels with `multi_class`. Empty lines are skipped.
        pipeline: Transforms; reads with DecordInit and DecordDecode.
        on_unreadable: 'warn' or 'raise'; in training only.
        max_refetch: Samples to draw in a row for an unreadable one before that is an error.
        kwargs: As mmaction's: data_root, data_prefix, multi_class, num_classes, delimiter, test_mode, …

    Attributes:
        largest_label: The largest label of the annotation file.
        largest_label_line: The first line that has it, from 1.
        hook_reports: Set by the hook, which warns once of a file whatever the number of workers. Without the hook each
            worker warns on its own.

    Raises:
        FileNotFoundError: If there is no annotation file.
        ValueError: If it is empty or a line of it malformed; names file and line.
    """

    def __init__(
        self, ann_file: str, pipeline: list, on_unreadable: str = 'warn', max_refetch: int = 10, **kwargs
    ) -> None:
        if on_unreadable not in ('warn', 'raise'):
            raise ValueError(f"on_unreadable={on_unreadable!r}: choose 'warn' or 'raise'")
        self.on_unreadable = on_unreadable
        self.hook_reports = False
        self._warned: set[str] = set()
        super().__init__(ann_file, pipeline=pipeline, max_refetch=max_refetch, **kwargs)
        self.pipeline.transforms = [
            NamingFile(t) if isinstance(t, DecordInit | DecordDecode) else t for t in self.pipeline.transforms
        ]

    def load_data_list(self) -> list[dict]:
        """Lines of the annotation file as dicts of `filename` and `label`."""
        if self.multi_class and self.num_classes is None:
            raise ValueError('multi_class=True needs num_classes')
        try:
            lines = list_from_file(self.ann_file)
        except FileNotFoundError:
            raise FileNotFoundError(
                f'there is no annotation file {self.ann_file}: set ann_file, relative to data_root if that is given'
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f'{self.ann_file} cannot be read as an annotation file: {error}') from None
        data_list = []
        self.largest_label = -1
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            filename, labels = self._parse(line, number)
            if max(labels) > self.largest_label:
                self.largest_label, self.largest_label_line = max(labels), number
            if self.data_prefix['video'] is not None:
                filename = os.path.join(self.data_prefix['video'], filename)
            data_list.append(dict(filename=filename, label=labels if self.multi_class else labels[0]))
        if not data_list:
            raise ValueError(f'annotation file {self.ann_file} is empty: it needs a line per video, path and label')
        return data_list

    def _parse(self, line: str, number: int) -> tuple[str, list[int]]:
        """Path and labels of a line."""
        where = f'{self.ann_file}, line {number}: {line.strip()!r}'
        fields = [field for field in line.strip().split(self.delimiter) if field]
        labels = fields[1:]
        wanted = 'labels' if self.multi_class else 'one label'
        if not labels or (len(labels) > 1 and not self.multi_class):
            raise ValueError(
                f'{where} has {len(labels)} labels: it needs a path and {wanted}, separated by {self.delimiter!r} '
                '(change that with delimiter, allow several labels with multi_class)'
            )
        try:
            values = [int(label) for label in labels]
        except ValueError:
            raise ValueError(f'{where} has a label that is no integer: it needs a path and {wanted}') from None
        if min(values) < 0:
            raise ValueError(f'{where} has a negative label: labels count from 0')
        if self.num_classes is not None and max(values) >= self.num_classes:
            raise ValueError(
                f'{where} has label {max(values)}, but the dataset has num_classes={self.num_classes}: '
                f'labels go from 0 to {self.num_classes - 1}; num_classes={max(values) + 1} would take this one'
            )
        return fields[0], values

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
            f'{self.max_refetch + 1} videos in a row cannot be read, so very many or all cannot. Are data_root and '
            f'data_prefix right? The last: {next(reversed(unreadable.values()))}',
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
class RepeatAugDataset(VideoDataset, mmaction.datasets.RepeatAugDataset):
    """mmaction's RepeatAugDataset (a video is decoded once for `num_repeats` samples of a batch) with the checks of
    :class:`VideoDataset`. An unreadable video counts for `num_repeats` samples.
    """
