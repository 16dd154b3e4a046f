"""Segments of untrimmed videos."""

import math
from collections.abc import Callable

from mmhvt.registry import DATASETS

from .video_dataset import RepeatAugDataset, UnreadableVideoError


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

    def __init__(self, ann_file: str, pipeline: list, num_repeats: int = 1, **kwargs) -> None:
        super().__init__(ann_file, pipeline=pipeline, num_repeats=num_repeats, **kwargs)
        self.pipeline.transforms[0] = _InSegment(self.pipeline.transforms[0])

    def load_data_list(self) -> list[dict]:
        """Lines of the annotation file as dicts of `filename`, `label` and `segment`, (start, end) in seconds."""
        self._segments: list[tuple[float, float]] = []
        data_list = super().load_data_list()
        return [dict(info, segment=segment) for info, segment in zip(data_list, self._segments, strict=True)]

    def _parse(self, line: str, number: int) -> tuple[str, list[int]]:
        """Path and labels of a line; its segment is put aside."""
        where = f'{self.ann_file}, line {number}: {line.strip()!r}'
        path, *fields = (field for field in line.strip().split(self.delimiter) if field)
        if len(fields) < 3:
            raise ValueError(
                f'{where} needs path, start and end in seconds, and label, separated by {self.delimiter!r}'
            )
        try:
            start, end = map(float, fields[:2])
        except ValueError:
            raise ValueError(f'{where}: start {fields[0]!r} and end {fields[1]!r} are not both seconds') from None
        if not 0 <= start < end < math.inf:
            raise ValueError(f'{where}: the segment from {start:g} to {end:g} s: 0 ≤ start < end is needed')
        self._segments.append((start, end))
        return super()._parse((self.delimiter or ' ').join([path, *fields[2:]]), number)
