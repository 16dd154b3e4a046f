"""Datasets of frames on disk whose errors name the file or line."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from string import Formatter
from typing import Annotated

import mmaction.datasets

from mmhvt.registry import DATASETS
from mmhvt.utils.option_types import Length, Pipeline, Says

from .annotations import Line, check_size, is_label, path_of
from .folders import is_video
from .video_dataset import CheckedDataset

_READERS = ('Decord', 'OpenCV', 'PyAV', 'PIMS')


@DATASETS.register_module()
class RawframeDataset(CheckedDataset, mmaction.datasets.RawframeDataset):
    """mmaction's RawframeDataset, with a folder of frames per video, the checks of :class:`VideoDataset` and repeated
    augmentation.

    A folder is unreadable if RawFrameDecode fails on one of the sampled frames, because the frame is missing or not an
    image. It is treated like an unreadable video. Frames are numbered from `start_index`, and the annotation file has
    their number::

        some/folder 163 1

    It also accepts the settings and the pipeline of :class:`VideoDataset`, so that a recipe for videos reads frames
    with ``type='mmhvt.RawframeDataset'`` and the paths of the files: DecordInit is removed from the pipeline, and
    DecordDecode becomes RawFrameDecode.

    Args:
        ann_file: Path of a file with lines of folder, number of frames and label, or labels with `multi_class`.
            Defaults to '': `data_prefix` has a folder for each class, named after it, with a folder of frames for each
            video.
        pipeline: Configs of the transforms, among them RawFrameDecode. With `num_repeats`, it must begin with a
            transform that samples frames, and RawFrameDecode.
        filename_tmpl: Template of the names of frames. Defaults to 'img_{:05}.jpg'.
        delimiter: Delimiter between the fields of a line; ' ' means any number of spaces and tabs. Defaults to ' '.
        with_offset: Whether lines have the number of frames to skip after the folder. Defaults to False.
        kwargs: Arguments of mmaction's RawframeDataset, and `metainfo`, `num_repeats`, `sample_once`, `on_unreadable`,
            `max_refetch` and `labels` of :class:`VideoDataset`.

    Raises:
        FileNotFoundError: If the annotation file, or the folder of frames, does not exist.
        ValueError: If the file is empty or has a malformed line; the message names file and line. If a class has no
            frames; the message names its folder. If `data_prefix` has no `img`.
    """

    settings = 'data_root, data_prefix, filename_tmpl and start_index'
    prefix, unit = 'img', 'frames'

    def __init__(
        self,
        ann_file: str | None = '',
        pipeline: Pipeline = (),
        data_prefix: dict = dict(img=''),
        filename_tmpl: str = 'img_{:05}.jpg',
        delimiter: Annotated[str, Length(1), Says(' must not be empty')] | None = ' ',
        with_offset: bool = False,
        **kwargs,
    ) -> None:
        if 'img' not in data_prefix:
            raise ValueError(
                f'RawframeDataset needs data_prefix=dict(img=…), the folder of the frames, got {dict(data_prefix)}'
            )
        self.delimiter = delimiter
        self.columns = ('a folder', *['an offset'] * with_offset, 'its number of frames')
        self.unit = f'frames ({filename_tmpl})'
        self._number = re.compile(_pattern(filename_tmpl)).fullmatch
        super().__init__(
            ann_file,
            pipeline=for_frames(pipeline),
            data_prefix=data_prefix,
            filename_tmpl=filename_tmpl,
            with_offset=with_offset,
            **kwargs,
        )

    def _is_file(self, path: str) -> bool:
        return self._number(os.path.basename(path)) is not None

    def _samples_of(self, files: list[tuple[str, int]]) -> list[tuple[dict, int]]:
        """A sample for each folder of frames; frames of optical flow are two files each."""
        videos: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        for path, label in files:
            folder, name = os.path.split(path)
            if found := self._number(name):
                videos[folder, label].add(found['number'])
        return [
            (dict(frame_dir=folder, total_frames=len(numbers)), label) for (folder, label), numbers in videos.items()
        ]

    def _are_columns(self, fields: list[str]) -> bool:
        return all(map(is_label, fields[1:]))

    def _other_kind(self, line: Line) -> str:
        path, given = line.fields[0], line.fields[len(self.columns) :]
        # unless the folder of the frames has the name of the video
        if not is_video(path) or (given and not self.multi_class) or os.path.isdir(self._folder(line)):
            return ''
        return (
            'lists a video, but RawframeDataset needs a folder of frames, their number and the label: give a list of '
            "frames, or set type='mmhvt.VideoDataset' and data_prefix=dict(video=…)"
        )

    def _folder(self, line: Line) -> str:
        return path_of(line, line.fields[0], self.data_prefix['img'])

    def _parse(self, line: Line) -> dict:
        """Parses `frame_dir`, `total_frames` and, with `with_offset`, `offset`."""
        numbers = line.fields[1 : len(self.columns)]
        for name, number in zip(self.columns[1:], numbers, strict=True):
            if not is_label(number):
                raise ValueError(f'{line.where} has {number!r} as {name}: {self._needs(line)}')
            check_size(line, number, name)
        *offset, total = map(int, numbers)
        if not total:
            raise ValueError(f'{line.where} has 0 frames: remove the line or correct the number')
        sample = dict(frame_dir=self._folder(line), total_frames=total)
        return sample | (dict(offset=offset[0]) if offset else {})

    def prepare_data(self, idx: int) -> dict | list[dict]:
        """Returns a sample, or a list of `num_repeats` samples."""
        if hasattr(self, 'num_repeats'):
            return self._repeat(idx, self.num_repeats, self.sample_once)
        return super().prepare_data(idx)


def _pattern(filename_tmpl: str) -> str:
    """Pattern of the names of frames, whose last field is their number."""
    parts = list(Formatter().parse(filename_tmpl))
    last = max((place for place, part in enumerate(parts) if part[1] is not None), default=-1)
    fields = ['' if part[1] is None else r'(?P<number>\d+)' if i == last else r'\w+' for i, part in enumerate(parts)]
    return ''.join(re.escape(part[0]) + field for part, field in zip(parts, fields, strict=True))


def for_frames(pipeline: Sequence[dict | Callable]) -> list[dict | Callable]:
    """Converts a pipeline for videos to one for frames on disk.

    Args:
        pipeline: Transforms, or their configs.

    Returns:
        list: The pipeline without DecordInit, and with RawFrameDecode in place of DecordDecode; likewise for other
        readers.
    """
    found: list[dict | Callable] = []
    for transform in pipeline:
        kind = transform['type'] if isinstance(transform, dict) else type(transform)
        name = (kind if isinstance(kind, str) else kind.__name__).rpartition('.')[2]
        if name in [f'{reader}Decode' for reader in _READERS]:
            found.append(dict(type='mmaction.RawFrameDecode'))
        elif name not in [f'{reader}Init' for reader in _READERS]:
            found.append(transform)
    return found
