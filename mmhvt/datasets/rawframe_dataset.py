"""Datasets of frames on disk that say which file or line is at fault."""

import mmaction.datasets

from mmhvt.registry import DATASETS

from .annotations import Line, is_label, path_of
from .video_dataset import CheckedDataset, check_repeats


@DATASETS.register_module()
class RawframeDataset(CheckedDataset, mmaction.datasets.RawframeDataset):
    """mmaction's RawframeDataset, a folder of frames for each video, with the checks of :class:`VideoDataset` and
    repeated augmentation.

    A folder is unreadable if RawFrameDecode fails on a frame that it wants, because it is missing or no picture;
    then happens what happens to an unreadable video. Frames are counted from `start_index`, and the annotation file
    tells how many there are::

        some/folder 163 1

    Args:
        ann_file: Lines of folder, number of frames and label, or labels with `multi_class`; `with_offset` wants the
            number of frames to skip behind the folder.
        pipeline: Transforms; reads with RawFrameDecode. With `num_repeats` it begins with one that samples frames, and
            RawFrameDecode.
        num_repeats: Samples of a video whose frames are read once. Each item is then a list of them, for the collate
            function `repeat_pseudo_collate`.
        sample_once: Whether they have the same frames.
        delimiter: Between the fields of a line; ' ' means any number of spaces and tabs.
        kwargs: As mmaction's, and `on_unreadable`, `max_refetch`, `labels` as :class:`VideoDataset` has them.

    Raises:
        FileNotFoundError: If there is no annotation file.
        ValueError: If it is empty or a line of it malformed; names file and line.
    """

    settings = 'data_root, data_prefix, filename_tmpl and start_index'

    def __init__(
        self,
        ann_file: str,
        pipeline: list,
        num_repeats: int | None = None,
        sample_once: bool = False,
        delimiter: str | None = ' ',
        with_offset: bool = False,
        **kwargs,
    ) -> None:
        self.delimiter = delimiter
        self.columns = ('a folder', *['an offset'] * with_offset, 'its number of frames')
        # UnreadableVideoHook takes what has it for a dataset that gives lists
        if num_repeats is not None:
            self.num_repeats = check_repeats(num_repeats)
        self.sample_once = sample_once
        super().__init__(ann_file, pipeline=pipeline, with_offset=with_offset, **kwargs)

    def _are_columns(self, fields: list[str]) -> bool:
        return all(map(is_label, fields[1:]))

    def _parse(self, line: Line) -> dict:
        """`frame_dir`, `total_frames`, and `offset` if there are such, of a line."""
        folder, *numbers = line.fields[: len(self.columns)]
        for name, number in zip(self.columns[1:], numbers, strict=True):
            if not is_label(number):
                raise ValueError(f'{line.where}: {number!r} is not {name}, {self._needs(line)}')
        *offset, total = map(int, numbers)
        if not total:
            raise ValueError(f'{line.where} has 0 frames: take out the line, or count again')
        sample = dict(frame_dir=path_of(line, folder, self.data_prefix['img']), total_frames=total)
        return sample | (dict(offset=offset[0]) if offset else {})

    def prepare_data(self, idx: int) -> dict | list[dict]:
        """A sample, or `num_repeats` of a video."""
        if hasattr(self, 'num_repeats'):
            return self._repeat(idx, self.num_repeats, self.sample_once)
        return super().prepare_data(idx)
