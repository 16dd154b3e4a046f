"""Datasets of actions in the format of AVA that say what is wrong with their files before the first step."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable

import mmaction.datasets
import numpy as np
from mmaction.datasets.transforms import RawFrameDecode
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmhvt.registry import DATASETS

from . import ava_files
from .ava_files import Action, examples, key_of
from .reading import name_files


class CheckedActions:
    """What the datasets below share. Stands before one of mmaction's among the bases.

    Files are read by :mod:`mmhvt.datasets.ava_files`, which names file and line of what is malformed.

    Args:
        ann_file: Lines VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON; boxes are shares of the picture, and classes count from
            1 to `num_classes` - 1.
        pipeline: Transforms.
        exclude_file: Lines VIDEO,SECOND of key frames to leave out.
        label_file: Names of classes; needed by `custom_classes` alone.
        proposal_file: Pickled dict, of which nothing is run, or JSON: from 'VIDEO,0902' to boxes (n, 4), or (n, 5) with
            scores. Without an entry the whole picture is a person.
        num_classes: With class 0, which is nobody's.
        custom_classes: Those of `label_file` to learn, renumbered from 1 in their order.
        lazy_init: As MMEngine's.
        kwargs: As mmaction's: data_prefix, person_det_score_thr, timestamp_start, use_frames, fps, test_mode, …

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line, or an entry of the proposals, is malformed; if exclusions leave no key frame; if not one
            key frame has proposals. A warning counts key frames that have none.
    """

    def __init__(
        self,
        ann_file: str,
        pipeline: list,
        exclude_file: str | None = None,
        label_file: str | None = None,
        *,
        proposal_file: str | None = None,
        num_classes: int = 81,
        custom_classes: Iterable[int] | None = None,
        lazy_init: bool = False,
        **kwargs,
    ) -> None:
        if custom_classes is not None:
            custom_classes = ava_files.check_custom_classes(custom_classes, num_classes, label_file)
        # mmaction unpickles proposals whatever is in them, and reads other label files than AVA's as empty
        super().__init__(
            ann_file=ann_file,
            pipeline=pipeline,
            exclude_file=exclude_file,
            label_file=label_file,
            num_classes=num_classes,
            lazy_init=True,
            **kwargs,
        )
        self.proposal_file = proposal_file
        self.custom_classes = None if custom_classes is None else [0, *custom_classes]
        # of frames that are not there OpenCV's errors name the file
        self.pipeline.transforms = [
            transform if isinstance(transform, RawFrameDecode) else name_files([transform])[0]
            for transform in self.pipeline.transforms
        ]
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Reads annotations and proposals."""
        if not self._fully_initialized and self.proposal_file is not None:
            self.proposals = ava_files.read_proposals(self.proposal_file)
        super().full_init()

    def load_data_list(self) -> list[dict]:
        """One dict for a key frame in which there is somebody, as mmaction's."""
        # in mmaction, class 0 is nobody's where a person may do several things
        first_class = 1 if getattr(self, 'multilabel', True) else 0
        classes = self.custom_classes
        actions = ava_files.read_annotations(self.ann_file, None if classes else self.num_classes, first_class)
        self._annotated = {(action.video, action.time) for action in actions}
        records = defaultdict(list)
        for action in actions:
            if classes is None or action.label in classes:
                records[action.video, action.time].append(self._record(action))
        if not records:
            raise ValueError(f'{self.ann_file} has no line of custom_classes={classes[1:]}')
        return [self._sample(video, time, own) for (video, time), own in records.items()]

    def _record(self, action: Action) -> dict:
        label = self.custom_classes.index(action.label) if self.custom_classes else action.label
        return dict(entity_box=np.array(action.box), label=label, entity_id=action.person)

    def _sample(self, video: str, time: int, records: list[dict]) -> dict:
        boxes, labels, persons = self.parse_img_record(records)
        return dict(
            video_id=video,
            timestamp=time,
            img_key=key_of(video, time),
            fps=self._FPS,
            ann=dict(gt_bboxes=boxes, gt_labels=labels, entity_ids=persons),
            **self._place(video),
        )

    def _path(self, video: str) -> str:
        prefix = self.data_prefix['img']
        return video if prefix is None else os.path.join(prefix, video)

    def filter_data(self) -> list[dict]:
        """Leaves key frames of `exclude_file` out, and looks whether proposals are for those that stay."""
        key_frames = [(sample['video_id'], sample['timestamp']) for sample in self.data_list]
        left = ava_files.without_exclusions(self._annotated, self.ann_file, self.exclude_file)
        kept = [sample for sample, frame in zip(self.data_list, key_frames, strict=True) if frame in left]
        if not kept:
            raise ValueError(f'{self.exclude_file} leaves no key frame of custom_classes={self.custom_classes[1:]}')
        print_log(f'{len(kept)} out of {len(key_frames)} frames are valid.', 'current')
        if self.proposals is not None:
            self._check_proposals([sample['img_key'] for sample in kept])
        return kept

    def _check_proposals(self, keys: list[str]) -> None:
        lacking = [key for key in keys if self._proposal_key(key) not in self.proposals]
        if len(lacking) == len(keys):
            videos, others = ({key.rpartition(',')[0] for key in found} for found in (keys, self.proposals))
            raise ValueError(
                f'proposal_file {self.proposal_file} has none of the {len(keys)} key frames of {self.ann_file}: it has '
                f'{examples(self.proposals) or "none at all"}, and what is looked for is {examples(keys)}. '
                + ('Do times count from the same start?' if videos & others else 'Videos have to be named as there')
            )
        if lacking:
            ava_files.warn(
                f'proposal_file {self.proposal_file} lacks {len(lacking)} of the {len(keys)} key frames of '
                f'{self.ann_file} ({examples(lacking)}): the whole picture stands for a person there'
            )

    def _proposal_key(self, img_key: str) -> str:
        return img_key

    @property
    def key_frames(self) -> set[str]:
        """Its key frames, as 'VIDEO,0902'."""
        return {BaseDataset.get_data_info(self, index)['img_key'] for index in range(len(self))}

    def get_cat_ids(self, idx: int) -> list[int]:
        """Classes of the persons in a key frame, for ClassBalancedDataset."""
        labels = BaseDataset.get_data_info(self, idx)['ann']['gt_labels']
        present = labels.any(axis=0).nonzero()[0] if getattr(self, 'multilabel', True) else np.unique(labels)
        return present.tolist()


@DATASETS.register_module()
class AVADataset(CheckedActions, mmaction.datasets.AVADataset):
    """mmaction's AVADataset, of frames or videos. Arguments and errors are those of :class:`CheckedActions`."""

    def _place(self, video: str) -> dict:
        if not self.use_frames:
            return dict(filename=self._path(video), shot_info=None)
        seconds = self.timestamp_end - self.timestamp_start
        return dict(frame_dir=self._path(video), shot_info=(0, seconds * self._FPS))


@DATASETS.register_module()
class AVAKineticsDataset(CheckedActions, mmaction.datasets.AVAKineticsDataset):
    """mmaction's AVAKineticsDataset, of frames. Arguments and errors are those of :class:`CheckedActions`.

    Clips of Kinetics are named VIDEO_START_END by their seconds, and their proposals VIDEO,SECOND. Other videos may
    have names of any length; mmaction takes those that are not of 11 characters for clips of Kinetics.
    """

    def get_timestamp(self, video_id: str) -> tuple[int, int]:
        """Start and end of a video in seconds: of VIDEO_START_END its own, otherwise the dataset's."""
        clip = re.fullmatch(r'.+_(\d+)_(\d+)', video_id)
        if len(video_id) == 11 or clip is None or int(clip[1]) >= int(clip[2]):
            return self.timestamp_start, self.timestamp_end
        return int(clip[1]), int(clip[2])

    def _place(self, video: str) -> dict:
        start, end = self.get_timestamp(video)
        return dict(
            frame_dir=self._path(video),
            shot_info=(1, (end - start) * self._FPS + 1),
            timestamp_start=start,
            timestamp_end=end,
        )

    def _proposal_key(self, img_key: str) -> str:
        """Proposals of a clip of Kinetics stand under the name of its video."""
        if img_key in self.proposals:
            return img_key
        return re.sub(r'_\d+_\d+,', ',', img_key)

    def get_data_info(self, idx: int) -> dict:
        """Annotation and proposals of a key frame."""
        info = super().get_data_info(idx)
        if self.proposals is not None:
            info.pop('scores', None)
            info.update(self._choose_proposals(self.proposals.get(self._proposal_key(info['img_key']))))
        return info

    def _choose_proposals(self, boxes: np.ndarray | None) -> dict:
        if boxes is None:
            return dict(proposals=np.array([[0, 0, 1, 1]]), scores=np.array([1]))
        if boxes.shape[1] == 4:
            return dict(proposals=boxes[: self.num_max_proposals])
        scores = boxes[:, 4]
        boxes = boxes[scores >= min(self.person_det_score_thr, scores.max())][: self.num_max_proposals]
        return dict(proposals=boxes[:, :4], scores=boxes[:, 4])
