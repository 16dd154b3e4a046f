"""Segments of untrimmed videos."""

import math
from collections.abc import Callable

from mmhvt.registry import DATASETS

from .annotations import Line, is_number
from .reading import UnreadableVideoError
from .video_dataset import RepeatAugDataset


class _InSegment:
    """DecordInit that shows what samples frames behind it no more of a video than its segment."""

    def __init__(self, transform: Callable):
        self.transform = transform

    def __call__(self, results: dict) -> dict:
        results = self.transform(results)
        (start, end), fps, total = results['segment'], results['avg_fps'], results['total_frames']
        first, stop = math.floor(start * fps), min(math.ceil(end * fps), total)
        if first >= stop:
            filename = results['filename']
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
    (papers/uniformerv2, appendix A). Each line of the annotation file is a segment and a sample: path, start and end in
    seconds, label::

        v_abc.mp4 12.5 31.04 7

    The pipeline is that of any other dataset; what samples frames knows those of the segment alone. A segment that goes
    on behind the end of its video stops there; one that begins there counts as unreadable. For tests over whole videos
    :class:`VideoDataset` takes a list of path and label; `tools/data/untrimmed.py` writes both lists.

    Args:
        ann_file: Lines as above, or with several labels with `multi_class`.
        pipeline: Begins with DecordInit, one that samples frames, and DecordDecode.
        num_repeats: Samples of a segment that is read once. Each item is a list of them, for the collate function
            `repeat_pseudo_collate`.
        kwargs: As :class:`VideoDataset` has them.

    Raises:
        FileNotFoundError: If there is no annotation file.
        ValueError: If it is empty or a line of it malformed; names file and line.
    """

    columns = ('a path', 'its start', 'its end in seconds')

    def __init__(self, ann_file: str, pipeline: list, num_repeats: int = 1, **kwargs) -> None:
        super().__init__(ann_file, pipeline=pipeline, num_repeats=num_repeats, **kwargs)
        self.pipeline.transforms[0] = _InSegment(self.pipeline.transforms[0])

    def _are_columns(self, fields: list[str]) -> bool:
        return all(map(is_number, fields[1:]))

    def _parse(self, line: Line) -> dict:
        """`filename` and `segment`, (start, end) in seconds, of a line."""
        if len(line.fields) < 3 + self.has_labels:
            raise ValueError(
                f'{line.where} needs path, start and end in seconds, and label, separated by {line.delimiter!r}'
            )
        times = line.fields[1:3]
        try:
            start, end = map(float, times)
        except ValueError:
            raise ValueError(f'{line.where}: start {times[0]!r} and end {times[1]!r} are not both seconds') from None
        if not 0 <= start < end < math.inf:
            raise ValueError(f'{line.where}: the segment from {start:g} to {end:g} s: 0 ≤ start < end is needed')
        return dict(super()._parse(line), segment=(start, end))
