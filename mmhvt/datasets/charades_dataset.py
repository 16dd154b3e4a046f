"""Charades, whose clips are labeled with the actions that they show."""

import csv
import io
import math
import re
from typing import Any

import numpy as np
import torch

from mmhvt.registry import DATASETS
from mmhvt.utils.option_types import Pipeline

from .annotations import Line, parse_labels, path_of, read_text
from .reading import UnreadableVideoError
from .video_dataset import VideoDataset

_ACTION = re.compile(r'\s*c(\d{3}) (\d+(?:\.\d*)?) (\d+(?:\.\d*)?)\s*')


class ClipLabel:
    """Transform after the decoder that labels a clip with the actions from its first to its last frame.

    Required keys: ``actions`` (tuples of label, start and end in seconds), ``frame_inds``, ``num_clips``,
    ``start_index``, ``avg_fps``, ``filename``. Modified keys: ``label``, (num_classes,) of zeros and ones.
    """

    def __call__(self, results: dict) -> dict:
        """Sets the label.

        Raises:
            UnreadableVideoError: If the frame rate of the video is unknown.
        """
        fps, filename = results['avg_fps'], results['filename']
        if not 0 < fps < math.inf:
            raise UnreadableVideoError(
                f'cannot determine the actions of a clip of {filename}, whose frame rate is unknown', filename
            )
        times = (np.reshape(results['frame_inds'], (results['num_clips'], -1)) - results['start_index']) / fps
        shown = [
            label for label, start, end in results['actions'] if ((start <= times.max(1)) & (times.min(1) <= end)).any()
        ]
        results['label'] = torch.zeros_like(results['label']).index_fill_(0, torch.tensor(shown, dtype=torch.long), 1)
        return results


@DATASETS.register_module()
class CharadesDataset(VideoDataset):
    """Charades, read from its own annotation files.

    In training, a clip has the actions that take place between its first and its last frame, which may be none; in
    test mode it has all actions of its video (PySlowFast, slowfast/datasets/charades.py). The annotation files are
    ``Charades_v1_train.csv`` and ``Charades_v1_test.csv`` of the dataset (https://prior.allenai.org/projects/charades),
    with the columns `id`, for the video ID.mp4, and `actions`, such as ``c092 11.90 21.20;c147 0.00 12.60``: class,
    start and end in seconds.

    Args:
        ann_file: Path of such a file; in test mode also of a list of videos and all their labels, as for
            :class:`VideoDataset`.
        pipeline: Configs of the transforms, among them DecordInit and DecordDecode.
        kwargs: Arguments of :class:`VideoDataset`. `multi_class` is True.

    Raises:
        FileNotFoundError: If the annotation file does not exist.
        ValueError: If it is a list of whole videos and not in test mode, or has a malformed line; the message names
            file and line.
    """

    def __init__(self, ann_file: str, pipeline: Pipeline = (), **kwargs: Any) -> None:
        super().__init__(ann_file, pipeline=pipeline, **dict(kwargs, multi_class=True))
        if not self.test_mode:
            names = [repr(transform).partition('(')[0] for transform in self.pipeline.transforms]
            if 'DecordDecode' not in names:
                raise ValueError(f'CharadesDataset needs DecordDecode in its pipeline, got {", ".join(names)}')
            self.pipeline.transforms.insert(names.index('DecordDecode') + 1, ClipLabel())

    def load_data_list(self) -> list[dict]:
        """Reads samples with `filename`, `label`, all actions of the video, and `actions`, with their times."""
        try:
            rows = csv.DictReader(io.StringIO(read_text(self.ann_file)))
            if not {'id', 'actions'} <= set(rows.fieldnames or ()):
                if self.test_mode:
                    return super().load_data_list()
                raise ValueError(
                    f"{self.ann_file} has no columns 'id' and 'actions'. Training needs the times of the actions, not "
                    'the labels of whole videos: set ann_file to Charades_v1_train.csv, which comes with the dataset; '
                    'python tools/data/check.py charades checks the layout'
                )
            self.has_labels = self.labels != 'ignored'
            self.largest_label, self.largest_label_line = -1, 0
            samples = [self._video(row, rows.line_num) for row in rows]
        except csv.Error as error:
            raise ValueError(f'{self.ann_file}, line {rows.line_num + 1}: {error}') from None
        if not samples:
            raise ValueError(f'annotation file {self.ann_file} is empty: it lists no video')
        return samples

    def _video(self, row: dict[str, str | None], number: int) -> dict:
        """Returns the sample of a row that ends at line `number`."""
        name, text = row['id'] or '', row['actions'] or ''
        line = Line([name], self.ann_file, number, f'{name},…,{text}', ',')
        if not name:
            raise ValueError(f'{line.where} has no id')
        actions = []
        for action in filter(str.strip, text.split(';')):
            found = _ACTION.fullmatch(action)
            if not found:
                raise ValueError(
                    f'{line.where} has the action {action!r}: it must be class, start and end, as in c092 11.90 21.20'
                )
            (label,) = parse_labels(line, [found[1]], self.num_classes, self._are_named)
            actions.append((label, float(found[2]), float(found[3])))
        labels = sorted({label for label, _, _ in actions})
        if labels and labels[-1] > self.largest_label:
            self.largest_label, self.largest_label_line = labels[-1], number
        filename = path_of(line, f'{name}.mp4', self.data_prefix['video'])
        return dict(filename=filename, label=labels, actions=actions)
