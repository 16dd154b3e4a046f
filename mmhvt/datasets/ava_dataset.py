"""Datasets in AVA's format that check their files before the first step."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import mmaction.datasets
import numpy as np
from mmaction.datasets.transforms import RawFrameDecode
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmhvt.registry import DATASETS
from mmhvt.utils.option_types import CheckedInt, Number, Pipeline

from . import ava_files
from .ava_files import Action, examples, key_of
from .known_files import KnownFiles
from .labels import with_classes
from .reading import DecodeErrorWrapper, UnreadableVideoError, wrap_readers


class NamedFrames(DecodeErrorWrapper):
    """Wrapper of RawFrameDecode whose error for a broken frame names the frame, like the error for a missing one."""

    def _read(self, results: dict, filename: str) -> dict:
        try:
            return super()._read(results, filename)
        except UnreadableVideoError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise error.__cause__ from None
            raise


class CheckedActions(BaseDataset):
    """Shared part of the datasets below, to be inherited before mmaction's class.

    Files are read by :mod:`mmhvt.datasets.ava_files`, whose errors name file and line. Key frames without a person and
    empty proposals are skipped.

    Args:
        ann_file: Path of a file with lines VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON. Boxes are relative to the size of the
            frame, and classes are from 1 to `num_classes` - 1.
        pipeline: Configs of the transforms.
        exclude_file: Path of a file with lines VIDEO,SECOND of key frames to leave out. Defaults to None.
        label_file: Path of a file with the names of the classes, one per line or in AVA's format, which
            `custom_classes` needs. Defaults to None.
        proposal_file: Path of a JSON, pickle or CSV file (:func:`mmhvt.datasets.ava_files.read_proposals`). JSON and
            pickle hold a dict from 'VIDEO,0902' to boxes (n, 4), or (n, 5) with scores; a pickle is read without
            running code. For a key frame without an entry, the whole frame is used. Defaults to None: the boxes of all
            persons in `ann_file`, in training and in tests.
        num_classes: Number of classes, including class 0, the background. Defaults to None: one more than the number of
            `custom_classes` or the largest class of `label_file`, or 81 without either.
        custom_classes: Classes of `label_file` to learn, which are renumbered from 1 in the given order. Defaults to
            None, all.
        metainfo: Its `classes` are the names of the classes from 1 on, which checkpoints carry: a sequence, the name of
            a list of :func:`mmhvt.datasets.labels.label_lists`, or a file. Defaults to None: those in `label_file`.
        lazy_init: Whether to read the files only when they are needed. Defaults to False.
        kwargs: Arguments of mmaction's dataset: data_prefix, person_det_score_thr, timestamp_start, use_frames, fps,
            test_mode, …

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a line, or an entry of the proposals, is malformed, if exclusions leave no key frame, or if no
            key frame has proposals. A warning states the number of key frames without proposals.
    """

    def __init__(
        self,
        ann_file: str,
        pipeline: Pipeline,
        exclude_file: str | None = None,
        label_file: str | None = None,
        *,
        proposal_file: str | None = None,
        num_classes: Number | None = None,
        custom_classes: Iterable[CheckedInt] | None = None,
        metainfo: Mapping | None = None,
        lazy_init: bool = False,
        **kwargs,
    ) -> None:
        if num_classes is None:
            num_classes = ava_files.default_num_classes(custom_classes, label_file)
        if custom_classes is not None:
            custom_classes = ava_files.check_custom_classes(custom_classes, num_classes, label_file)
        metainfo = with_classes(metainfo, kwargs.get('data_root'))
        names = metainfo.get('classes')
        if names is None:
            names = ava_files.names_of_all(label_file, num_classes, custom_classes)
        elif custom_classes is not None and len(names) >= max(custom_classes):
            names = tuple(names[number - 1] for number in custom_classes)
        if names and len(names) != num_classes - 1:
            raise ValueError(
                f'{type(self).__name__}: metainfo names {len(names)} classes, but num_classes={num_classes} needs '
                f'{num_classes - 1}, as class 0 is the background: set metainfo=dict(classes=…) to the names of your '
                'classes, or to None'
            )
        # mmaction unpickles proposals without restrictions, and reads label files in other formats as empty
        super().__init__(
            ann_file=ann_file,
            pipeline=pipeline,
            exclude_file=exclude_file,
            label_file=label_file,
            num_classes=num_classes,
            metainfo=metainfo | (dict(classes=names) if names else {}),
            lazy_init=True,
            **kwargs,
        )
        self.proposal_file = proposal_file
        self.custom_classes = None if custom_classes is None else [0, *custom_classes]
        self.known_files = KnownFiles()
        self.pipeline.transforms = [
            NamedFrames(one) if isinstance(one, RawFrameDecode) else wrap_readers([one], self.known_files)[0]
            for one in self.pipeline.transforms
        ]
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Reads annotations and proposals."""
        if not self._fully_initialized and self.proposal_file is not None:
            self.proposals = ava_files.read_proposals(self.proposal_file)
        super().full_init()

    def load_data_list(self) -> list[dict]:
        """Reads one sample per key frame with a person."""
        # mmaction reserves class 0 for the background if persons may have several labels
        first_class = 1 if getattr(self, 'multilabel', True) else 0
        classes = self.custom_classes
        actions = ava_files.read_annotations(self.ann_file, None if classes else self.num_classes, first_class)
        self._annotated = {(action.video, action.time) for action in actions}
        records = defaultdict(list)
        for action in actions:
            if classes is None or action.label in classes:
                records[action.video, action.time].append(self._record(action))
        if not records:
            raise ValueError(f'{self.ann_file} has no line with one of custom_classes={(classes or [])[1:]}')
        if self.proposal_file is None:
            self.proposals = _boxes_of(actions)
            self._say_that_boxes_are_annotated()
        return [self._sample(video, time, own) for (video, time), own in records.items()]

    def _say_that_boxes_are_annotated(self) -> None:
        said = f'{type(self).__name__}: no proposal_file, so the boxes of persons are those of {self.ann_file}'
        if self.test_mode:
            ava_files.warn(f"{said}: a test on them has a higher mAP than on a detector's boxes, which papers report")
        else:
            print_log(said, 'current')

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
        """Removes the key frames of `exclude_file`, and checks the proposals of the others."""
        key_frames = [(sample['video_id'], sample['timestamp']) for sample in self.data_list]
        left = ava_files.without_exclusions(self._annotated, self.ann_file, self.exclude_file)
        kept = [sample for sample, frame in zip(self.data_list, key_frames, strict=True) if frame in left]
        if not kept:
            classes = (self.custom_classes or [])[1:]
            raise ValueError(f'{self.exclude_file} leaves no key frame with custom_classes={classes}')
        print_log(f'{len(kept)} out of {len(key_frames)} frames are valid.', 'current')
        if self.proposal_file is not None:
            self._check_proposals([sample['img_key'] for sample in kept])
        return kept

    def _check_proposals(self, keys: list[str]) -> None:
        lacking = [key for key in keys if self._proposal_key(key) not in self.proposals]
        if len(lacking) == len(keys):
            videos, others = ({key.rpartition(',')[0] for key in found} for found in (keys, self.proposals))
            raise ValueError(
                f'proposal_file {self.proposal_file} has none of the {len(keys)} key frames of {self.ann_file}: it has '
                f'{examples(self.proposals) or "no key frames"}, but needs {examples(keys)}. '
                + ('Check that times have the same origin' if videos & others else 'Use the same video names')
            )
        if lacking:
            ava_files.warn(
                f'proposal_file {self.proposal_file} lacks {len(lacking)} of the {len(keys)} key frames of '
                f'{self.ann_file} ({examples(lacking)}): the whole frame is used there'
            )

    def _proposal_key(self, img_key: str) -> str:
        return img_key

    @property
    def key_frames(self) -> set[str]:
        """Key frames of the dataset, as 'VIDEO,0902'."""
        return {BaseDataset.get_data_info(self, index)['img_key'] for index in range(len(self))}

    def get_cat_ids(self, idx: int) -> list[int]:
        """Returns the classes of the persons in a key frame, for ClassBalancedDataset."""
        labels = BaseDataset.get_data_info(self, idx)['ann']['gt_labels']
        present = labels.any(axis=0).nonzero()[0] if getattr(self, 'multilabel', True) else np.unique(labels)
        return present.tolist()


def _boxes_of(actions: Iterable[Action]) -> dict[str, np.ndarray]:
    """Boxes (n, 4) of all persons by key frame, whatever they do."""
    boxes: dict[str, dict[tuple, None]] = defaultdict(dict)  # a person is in several lines
    for action in actions:
        boxes[key_of(action.video, action.time)][action.box] = None
    return {key: np.array(list(own)) for key, own in boxes.items()}


@DATASETS.register_module()
class AVADataset(CheckedActions, mmaction.datasets.AVADataset):
    """mmaction's AVADataset of frames or videos, with the arguments and errors of :class:`CheckedActions`."""

    def _place(self, video: str) -> dict:
        if not self.use_frames:
            return dict(filename=self._path(video), shot_info=None)
        seconds = self.timestamp_end - self.timestamp_start
        return dict(frame_dir=self._path(video), shot_info=(0, seconds * self._FPS))


@DATASETS.register_module()
class AVAKineticsDataset(CheckedActions, mmaction.datasets.AVAKineticsDataset):
    """mmaction's AVAKineticsDataset of frames, with the arguments and errors of :class:`CheckedActions`.

    Kinetics clips are named VIDEO_START_END, in seconds, and their proposals VIDEO,SECOND. Other videos may have names
    of any length; mmaction takes names that do not have 11 characters for Kinetics clips.
    """

    def get_timestamp(self, video_id: str) -> tuple[int, int]:
        """Returns the start and end of a video in seconds: its own for VIDEO_START_END, otherwise the dataset's."""
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
        """Key of the proposals, which for a Kinetics clip has the name of its video."""
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
