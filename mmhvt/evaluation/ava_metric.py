"""Mean average precision of detected actions, with files that are checked when the metric is built."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mmaction.evaluation
from mmaction.evaluation import ava_eval, results2csv

from mmhvt.datasets import ava_files
from mmhvt.datasets.ava_files import examples, key_of
from mmhvt.registry import METRICS
from mmhvt.utils.option_types import CheckedInt, Number


@METRICS.register_module()
class AVAMetric(mmaction.evaluation.AVAMetric):
    """mmaction's AVAMetric, mAP at IoU 0.5 over the annotated key frames, with checks of its files.

    Persons in key frames that were not tested count as missed, with a warning. Key frames of `exclude_file` are
    ignored, as in AVA's own evaluation; mmaction counts the persons in them as missed, too.

    Args:
        ann_file: Path of a file with lines VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON, like the dataset's. PERSON is
            optional.
        exclude_file: Path of a file with lines VIDEO,SECOND of key frames to leave out, or None.
        label_file: Path of a file with the names of the classes to evaluate, one per line or in AVA's format, or None
            for all classes.
        options: Metrics; the only one is mAP. Defaults to ('mAP',).
        num_classes: Number of classes, including class 0, the background. Defaults to None: one more than the number of
            `custom_classes` or the largest class of `label_file`, or 81 without either.
        custom_classes: The dataset's `custom_classes`. Defaults to None, all.
        kwargs: Arguments of mmaction's AVAMetric: action_thr, collect_device, prefix.

    Attributes:
        key_frames: Key frames to evaluate, as 'VIDEO,0902'.
        annotated: All key frames of `ann_file`.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a line of a file is malformed, or no line of `ann_file` is to be evaluated. In evaluation, if
            none of the key frames was tested.
    """

    def __init__(
        self,
        ann_file: str,
        exclude_file: str | None,
        label_file: str | None,
        options: Sequence[str] = ('mAP',),
        num_classes: Number | None = None,
        custom_classes: Iterable[CheckedInt] | None = None,
        **kwargs,
    ) -> None:
        if num_classes is None:
            num_classes = ava_files.default_num_classes(custom_classes, label_file)
        if tuple(options) != ('mAP',):
            raise ValueError(f"AVAMetric: options must be ('mAP',), got {options!r}")
        if custom_classes is not None:
            custom_classes = ava_files.check_custom_classes(custom_classes, num_classes, label_file)
        super().__init__(
            ann_file, exclude_file, label_file, num_classes=num_classes, custom_classes=custom_classes, **kwargs
        )
        self._is_compared = False
        if label_file is None:
            self._names = {label: str(label) for label in range(1, num_classes)}
        else:
            self._names = ava_files.read_label_map(label_file)
        counting = set(custom_classes or self._names)
        if custom_classes is None and (largest := max(counting)) >= num_classes:
            ava_files.warn(
                f'AVAMetric: label_file {label_file} has classes up to {largest}, but num_classes={num_classes}: '
                f'classes from {num_classes} on cannot be detected'
            )
        actions = ava_files.read_annotations(ann_file, None if custom_classes else num_classes, needs_person=False)
        key_frames = {(action.video, action.time) for action in actions}
        left = ava_files.without_exclusions(key_frames, ann_file, exclude_file)
        self._actions = [a for a in actions if a.label in counting and (a.video, a.time) in left]
        self.annotated = {key_of(*frame) for frame in key_frames}
        self.key_frames = {key_of(action.video, action.time) for action in self._actions}
        if not self._actions:
            raise ValueError(
                f'AVAMetric: no line of {ann_file} is to be evaluated: its classes are '
                f'{sorted({a.label for a in actions})[:10]}, and those of '
                f'{"custom_classes" if custom_classes else label_file} are {sorted(counting)[:10]}'
                + (f'; {exclude_file} excludes {len(key_frames - left)} key frames' if exclude_file else '')
            )

    def process(self, data_batch: Sequence, data_samples: Sequence[dict]) -> None:
        """Stores the boxes and scores of a batch.

        Raises:
            ValueError: If a sample lacks the name of its video or its timestamp.
        """
        for sample in data_samples:
            if 'video_id' not in sample or 'timestamp' not in sample:
                raise ValueError("AVAMetric needs 'video_id' and 'timestamp' among the meta_keys of PackActionInputs")
        super().process(data_batch, data_samples)

    def compute_metrics(self, results: list[dict]) -> dict:
        """Computes the metrics with mmaction's evaluation.

        Raises:
            ValueError: If none of the key frames was tested.
        """
        if not self._is_compared:
            tested = {key_of(result['video_id'], int(result['timestamp'])) for result in results}
            self.compare_with(tested, 'the results have')
        if not any(len(boxes) for result in results for boxes in result['outputs']):
            ava_files.warn(f'AVAMetric: no score exceeds action_thr={self.action_thr}, so mAP is nan')
        # mmaction's own reader accepts fewer spellings than ours, so it gets rewritten files
        with TemporaryDirectory() as folder:
            truth, names, found = (str(Path(folder, name)) for name in ('truth.csv', 'names.pbtxt', 'found.csv'))
            Path(truth).write_text(''.join(map(_line, self._actions)), encoding='utf-8')
            Path(names).write_text(''.join(map(_item, self._names.items())), encoding='utf-8')
            results2csv(results, found, self.custom_classes)
            return ava_eval(found, 'mAP', names, truth, None, custom_classes=self.custom_classes)

    def compare_with(self, keys: set[str], owner: str) -> None:
        """Compares the key frames to evaluate with those that are tested. A run does so once.

        Args:
            keys: Key frames that are or will be tested, as 'VIDEO,0902'.
            owner: Subject and verb of the message: 'the test dataset has'.

        Raises:
            ValueError: If the two have none in common.
        """
        if not self.key_frames & keys:
            raise ValueError(
                f'AVAMetric evaluates {len(self.key_frames)} key frames of {self.ann_file} '
                f'({examples(self.key_frames)}), of which {owner} none, but {examples(keys) or "no key frames"}: '
                'use the same annotations for dataset and metric'
            )
        self._is_compared = True
        if missed := self.key_frames - keys:
            ava_files.warn(
                f'AVAMetric: {len(missed)} of the {len(self.key_frames)} key frames of {self.ann_file} are not tested '
                f'({examples(missed)}): persons in them count as missed'
            )
        if idle := keys - self.annotated:
            ava_files.warn(
                f'AVAMetric: {len(idle)} of the {len(keys)} tested key frames are not in {self.ann_file} '
                f'({examples(idle)}): detections in them are ignored'
            )


def _line(action: ava_files.Action) -> str:
    return f'{key_of(action.video, action.time)},{",".join(map(repr, action.box))},{action.label},{action.person}\n'


def _item(item: tuple[int, str]) -> str:
    label, name = item
    name = name.replace('"', "'")  # mmaction's reader takes what is between the first two quotes
    return f'item {{\n  name: "{name}"\n  id: {label}\n}}\n'
