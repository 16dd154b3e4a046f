"""COCO's metric, with an annotation file that is checked when the metric is built."""

import logging
from collections.abc import Sequence

from mmdet.evaluation.metrics import CocoMetric as MMDET_CocoMetric
from mmengine.fileio import get_local_path
from mmengine.logging import print_log

from mmhvt.datasets.coco_files import check_classes, check_coco, index_coco, named_if_missing, read_coco
from mmhvt.registry import METRICS


@METRICS.register_module()
class CocoMetric(MMDET_CocoMetric):
    """mmdet's CocoMetric, which checks its annotation file.

    The annotations are renumbered, since pycocotools treats one with id 0 as missing.

    Args:
        ann_file: Path of the annotation file. Defaults to None: the annotations of the dataset.
        metric: 'bbox', 'segm', 'proposal' or 'proposal_fast', or a list of them. Defaults to 'bbox'.
        format_only: Whether to write results without an evaluation, as for the test set. Defaults to False.
        backend_args: Arguments of the file backend. Defaults to None.
        sort_categories: Whether to sort the categories by their ids. Defaults to False.
        kwargs: Arguments of mmdet's CocoMetric.

    Raises:
        FileNotFoundError: If the annotation file does not exist.
        ValueError: If it is not in COCO's format, or an entry is wrong, see
            :func:`mmhvt.datasets.coco_files.check_coco`.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | list[str] = 'bbox',
        format_only: bool = False,
        backend_args: dict | None = None,
        sort_categories: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(metric=metric, format_only=format_only, backend_args=backend_args, **kwargs)
        self.ann_file = ann_file
        if ann_file is None:
            return
        with named_if_missing(ann_file), get_local_path(ann_file, backend_args=backend_args) as path:
            content = read_coco(path, ann_file)
        if 'annotations' not in content and not format_only:
            raise ValueError(f'CocoMetric: {ann_file} has no annotations to evaluate; format_only=True writes results')
        check_coco(content, ann_file, evaluated=True, masks='segm' in self.metrics and not format_only)
        for number, annotation in enumerate(content.get('annotations', ()), 1):
            annotation['id'] = number
        if sort_categories:
            content['categories'].sort(key=lambda category: category['id'])
        self._coco_api = index_coco(content)

    def compare_images(self, classes: Sequence[str] | None, images: set, owner: str) -> None:
        """Compares the annotation file with what is to be evaluated.

        Args:
            classes: Names of the classes of the dataset, if known.
            images: Ids of its images.
            owner: What has them, for messages: 'the val dataset of FILE'.

        Raises:
            ValueError: If classes are in another order than in the file, or it lacks an image.
        """
        if self.ann_file is None or self._coco_api is None:
            return
        if classes is not None:
            check_classes(self.ann_file, [each['name'] for each in self._coco_api.dataset['categories']], classes)
        own = set(self._coco_api.imgs)
        if lacking := images - own:
            raise ValueError(
                f'CocoMetric: {self.ann_file} has {len(own)} images, but lacks {len(lacking)} of the {len(images)} of '
                f'{owner}, such as id {next(iter(lacking))!r}: use the same annotation file for dataset and metric'
            )
        if missed := own - images:
            print_log(
                f'CocoMetric: {len(missed)} of the {len(own)} images of {self.ann_file} are not in {owner}: objects in '
                'them count as missed',
                'current',
                logging.WARNING,
            )
