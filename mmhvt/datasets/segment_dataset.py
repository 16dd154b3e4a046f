"""Training clips from segments of untrimmed videos.

Paper: UniFormerV2 (https://arxiv.org/abs/2211.09552).
"""

import math
from collections.abc import Callable
from typing import Any

from mmhvt.registry import DATASETS
from mmhvt.utils.option_types import Pipeline

from .annotations import Line, is_number
from .reading import UnreadableVideoError
from .video_dataset import RepeatAugDataset


class SegmentDecordInit:
    """Wrapper of DecordInit that restricts the following sampler to the segment of a sample."""

    def __init__(self, transform: Callable):
        self.transform = transform

    def __call__(self, results: dict) -> dict:
        results = self.transform(results)
        (start, end), fps, total = results['segment'], results['avg_fps'], results['total_frames']
        filename = results['filename']
        if not 0 < fps < math.inf:
            raise UnreadableVideoError(f'cannot read a segment of {filename}, whose frame rate is unknown', filename)
        first, stop = math.floor(min(start * fps, total)), math.ceil(min(end * fps, total))
        if first >= stop:
            raise UnreadableVideoError(
                f'cannot read the segment from {start:g} to {end:g} s of {filename}, which ends at {total / fps:.1f} s',
                filename,
            )
        results.update(start_index=results['start_index'] + first, total_frames=stop - first)
        return results

    def __repr__(self) -> str:
        return repr(self.transform)


@DATASETS.register_module()
class SegmentVideoDataset(RepeatAugDataset):
    """Training clips from segments of untrimmed videos, such as the actions in ActivityNet and HACS.

    "We sample those video clips containing action for training, thus we do not add another background class"
    (UniFormerV2, appendix A). Each line of the annotation file is a segment and a sample, with path, start and end in
    seconds, and label::

        v_abc.mp4 12.5 31.04 7

    Frames are sampled only from the segment. A segment that extends beyond the end of its video is cut there; one that
    begins beyond it is unreadable. To test on whole videos, use :class:`VideoDataset` with a list of paths and labels;
    `tools/data/untrimmed.py` writes both lists.

    Args:
        ann_file: Path of a file with lines as above, which have several labels with `multi_class`.
        pipeline: Configs of the transforms: DecordInit, one that samples frames, DecordDecode, and any others.
        num_repeats: Number of samples per segment, which is decoded once. Each item is a list of them, for the collate
            function `repeat_pseudo_collate`. Defaults to 1.
        kwargs: Arguments of :class:`VideoDataset`.

    Raises:
        FileNotFoundError: If the annotation file does not exist.
        ValueError: If it is empty or has a malformed line. The message names file and line.
    """

    columns = ('a path', 'its start', 'its end in seconds')

    def __init__(self, ann_file: str | None, pipeline: Pipeline, num_repeats: Any = 1, **kwargs) -> None:
        if not ann_file:
            raise ValueError('SegmentVideoDataset needs ann_file, which lists the segments')
        super().__init__(ann_file, pipeline=pipeline, num_repeats=num_repeats, **kwargs)
        self.pipeline.transforms[0] = SegmentDecordInit(self.pipeline.transforms[0])

    def _are_columns(self, fields: list[str]) -> bool:
        return all(map(is_number, fields[1:]))

    def _parse(self, line: Line) -> dict:
        """Parses `filename` and `segment`, (start, end) in seconds."""
        if len(line.fields) < 3 + self.has_labels:
            raise ValueError(
                f'{line.where} needs path, start and end in seconds, and label, separated by {line.delimiter!r}'
            )
        times = line.fields[1:3]
        try:
            start, end = map(float, times)
        except ValueError:
            raise ValueError(f'{line.where}: start {times[0]!r} and end {times[1]!r} must be seconds') from None
        if not 0 <= start < end < math.inf:
            raise ValueError(f'{line.where}: a segment needs 0 ≤ start < end, got {start:g} s to {end:g} s')
        return dict(super()._parse(line), segment=(start, end))
