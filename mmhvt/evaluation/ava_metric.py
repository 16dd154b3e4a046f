"""Mean average precision of actions whose files are read and checked when the metric is built."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mmaction.evaluation
from mmaction.evaluation import ava_eval, results2csv

from mmhvt.datasets import ava_files
from mmhvt.datasets.ava_files import examples, key_of
from mmhvt.registry import METRICS


@METRICS.register_module()
class AVAMetric(mmaction.evaluation.AVAMetric):
    """mmaction's AVAMetric: mAP at IoU 0.5 over the key frames that are annotated, with checks of its files.

    Persons in key frames that were not tested count as missed, with a warning. Key frames of `exclude_file` have no
    part in it, as in AVA's own evaluation (mmaction counts the persons in them as missed, too).

    Args:
        ann_file: Lines VIDEO,SECOND,x1,y1,x2,y2,CLASS and mostly PERSON, as the dataset's.
        exclude_file: Lines VIDEO,SECOND of key frames to leave out, or None.
        label_file: The classes that count, with their names; None for all.
        num_classes: With class 0, which is nobody's.
        custom_classes: As the dataset's.
        options: ('mAP',); there are no others.
        kwargs: As mmaction's: action_thr, collect_device, prefix.

    Attributes:
        key_frames: Those that count, as 'VIDEO,0902'.
        annotated: All in `ann_file`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line of a file is malformed, or nothing of `ann_file` counts; in evaluation, if none of the key
            frames that count was tested.
    """

    def __init__(
        self,
        ann_file: str,
        exclude_file: str | None,
        label_file: str | None,
        options: Sequence[str] = ('mAP',),
        num_classes: int = 81,
        custom_classes: Iterable[int] | None = None,
        **kwargs,
    ) -> None:
        if tuple(options) != ('mAP',):
            raise ValueError(f"AVAMetric: options={options!r}, but there is ('mAP',) alone")
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
                f'AVAMetric: label_file {label_file} goes up to class {largest}, but num_classes={num_classes}: '
                f'classes from {num_classes} on cannot be found'
            )
        actions = ava_files.read_annotations(ann_file, None if custom_classes else num_classes, needs_person=False)
        key_frames = {(action.video, action.time) for action in actions}
        left = ava_files.without_exclusions(key_frames, ann_file, exclude_file)
        self._actions = [a for a in actions if a.label in counting and (a.video, a.time) in left]
        self.annotated = {key_of(*frame) for frame in key_frames}
        self.key_frames = {key_of(action.video, action.time) for action in self._actions}
        if not self._actions:
            raise ValueError(
                f'AVAMetric: no line of {ann_file} counts: its classes are {sorted({a.label for a in actions})[:10]}, '
                f'and those of {"custom_classes" if custom_classes else label_file} are {sorted(counting)[:10]}'
                + (f'; {exclude_file} excludes {len(key_frames - left)} key frames' if exclude_file else '')
            )

    def process(self, data_batch: Sequence, data_samples: Sequence[dict]) -> None:
        """Keeps boxes and scores.

        Raises:
            ValueError: If samples do not say which key frame they are of.
        """
        for sample in data_samples:
            if 'video_id' not in sample or 'timestamp' not in sample:
                raise ValueError("AVAMetric: PackActionInputs has to have 'video_id' and 'timestamp' among meta_keys")
        super().process(data_batch, data_samples)

    def compute_metrics(self, results: list[dict]) -> dict:
        """Metrics as mmaction computes them."""
        if not self._is_compared:
            tested = {key_of(result['video_id'], int(result['timestamp'])) for result in results}
            self.compare_with(tested, 'was tested')
        if not any(len(boxes) for result in results for boxes in result['outputs']):
            ava_files.warn(f'AVAMetric: no score is above action_thr={self.action_thr}, so that mAP is nan')
        # what mmaction reads is written for it, so that it needs not be able to read what we can
        with TemporaryDirectory() as folder:
            truth, names, found = (str(Path(folder, name)) for name in ('truth.csv', 'names.pbtxt', 'found.csv'))
            Path(truth).write_text(''.join(map(_line, self._actions)), encoding='utf-8')
            Path(names).write_text(''.join(map(_item, self._names.items())), encoding='utf-8')
            results2csv(results, found, self.custom_classes)
            return ava_eval(found, 'mAP', names, truth, None, custom_classes=self.custom_classes)

    def compare_with(self, keys: set[str], done: str) -> None:
        """Compares with key frames that are tested, or will be; that a run does once.

        Raises:
            ValueError: If none of them counts.
        """
        if not self.key_frames & keys:
            raise ValueError(
                f'AVAMetric: none of the {len(self.key_frames)} key frames of {self.ann_file} that count '
                f'({examples(self.key_frames)}) {done}, but {examples(keys) or "none at all"}: '
                'give dataset and metric the same annotations'
            )
        self._is_compared = True
        if missed := self.key_frames - keys:
            ava_files.warn(
                f'AVAMetric: of the {len(self.key_frames)} key frames of {self.ann_file} that count, {len(missed)} are '
                f'not tested ({examples(missed)}): persons in them count as missed'
            )
        if idle := keys - self.annotated:
            ava_files.warn(
                f'AVAMetric: of the {len(keys)} key frames that are tested, {len(idle)} are not in {self.ann_file} '
                f'({examples(idle)}), and what is found in them does not count'
            )


def _line(action: ava_files.Action) -> str:
    return f'{key_of(action.video, action.time)},{",".join(map(repr, action.box))},{action.label},{action.person}\n'


def _item(item: tuple[int, str]) -> str:
    label, name = item
    return f'item {{\n  name: "{name}"\n  id: {label}\n}}\n'
