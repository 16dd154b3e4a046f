"""mmdet's COCO dataset and resizing, with checks that mmdet lacks."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

import mmcv
import numpy as np
from mmdet.datasets import CocoDataset as MMDET_CocoDataset
from mmdet.datasets.api_wrappers import COCO
from mmdet.datasets.transforms import Resize
from mmengine.logging import print_log

from mmhvt.registry import DATASETS, TRANSFORMS

from .coco_files import check_classes, check_coco, index_coco, named_if_missing, read_coco
from .images import name_images


@DATASETS.register_module()
class CocoDataset(MMDET_CocoDataset):
    """mmdet's CocoDataset, which uses the classes of the annotation file, and checks the file.

    Without classes in `metainfo`, mmdet uses COCO's 80. Here they are the file's `categories`, in their order; in
    COCO's files, these are the same.

    Args:
        ann_file: Path of the annotation file, relative to `data_root`. Defaults to ''.
        metainfo: Dict with `classes`, a tuple of some or all names, in the order of the file, and `palette`. Defaults
            to None.
        kwargs: Arguments of mmdet's CocoDataset.

    Raises:
        FileNotFoundError: If the annotation file does not exist.
        ValueError: If it is not in COCO's format, or an entry is wrong (:func:`mmhvt.datasets.coco_files.check_coco`);
            if classes are not in the order of the file, in which mmdet numbers them; if the pipeline loads masks that
            an annotation lacks; if a loaded image has another size than in the file; if no box is valid, or no image is
            left, where mmdet fails with "need at least one array to concatenate".
    """

    METAINFO: dict = {}  # comes from the file

    _metainfo: dict

    def __init__(self, ann_file: str = '', metainfo: Mapping | None = None, **kwargs) -> None:
        self._has_classes = 'classes' in (metainfo or {})
        self._num_annotations = 0  # of the classes
        super().__init__(ann_file, metainfo, **kwargs)
        self.pipeline.transforms = name_images(self.pipeline.transforms)

    def COCOAPI(self, path: str) -> COCO:  # type: ignore[override]  # a class in mmdet, called the same way
        """Reads and checks the annotation file, before mmdet looks for the classes in it."""
        content = read_coco(path, self.ann_file)
        if 'annotations' not in content and not self.test_mode:
            raise ValueError(f'{self.ann_file} has no annotations to train on')
        self._num_annotations = check_coco(
            content,
            self.ann_file,
            evaluated=self.test_mode,
            masks=any(getattr(transform, 'with_mask', False) for transform in self.pipeline.transforms),
            classes=self._metainfo['classes'] if self._has_classes else None,
        )
        categories = [category['name'] for category in content['categories']]
        if self._has_classes:
            self._check_classes(categories)
        else:
            self._take_classes(categories)
        return index_coco(content)

    def _take_classes(self, categories: list[str]) -> None:
        """Sets the classes of the file, and the usual colors if they are COCO's."""
        coco = MMDET_CocoDataset.METAINFO
        self._metainfo.update(coco if tuple(categories) == coco['classes'] else dict(classes=tuple(categories)))
        names = ', '.join(map(str, categories[:10])) + (', …' if len(categories) > 10 else '')
        print_log(f'{self.ann_file} has {len(categories)} classes: {names}', 'current')

    def _check_classes(self, categories: list[str]) -> None:
        classes: Any = self._metainfo['classes']
        if isinstance(classes, str):
            raise ValueError(f'metainfo has classes={classes!r}, which must be a tuple of names: ({classes!r},)')
        check_classes(self.ann_file, categories, classes)

    def load_data_list(self) -> list[dict]:
        """Reads one sample per image."""
        with named_if_missing(self.ann_file):
            images = super().load_data_list()
        if self._num_annotations and not any(image['instances'] for image in images):
            raise ValueError(
                f"{self.ann_file}: none of the {self._num_annotations} annotations has a valid box. COCO's bbox is x, "
                'y, width, height in pixels, at least 1 wide and high, within the image, and area is positive'
            )
        return images

    def filter_data(self) -> list[dict]:
        """Filters images by `filter_cfg`."""
        images = super().filter_data()
        if not images:
            raise ValueError(
                f'{self.ann_file}: filter_cfg={self.filter_cfg} leaves no image with one of the classes '
                f'{self.metainfo["classes"]}; check that metainfo names the classes of the file'
            )
        return images


@TRANSFORMS.register_module()
class DetResize(Resize):
    """mmdet's Resize, which keeps at least one pixel of each side.

    With ``keep_ratio=True``, mmdet scales the short side of a very thin image to 0 pixels, which OpenCV rejects. Images
    whose sides stay at one pixel or more are resized as in mmdet. It can also be the `resize_type` of RandomResize and
    RandomChoiceResize.

    Args:
        kwargs: Arguments of mmdet's Resize.
    """

    def transform(self, results: dict) -> dict:
        """Resizes image, boxes and masks."""
        if self.keep_ratio:
            old = results['img'].shape[1::-1]
            new = mmcv.rescale_size(old, self.scale or _at_least_one(np.multiply(old, self.scale_factor) + 0.5))
            if min(new) == 0:
                resize = copy(self)
                resize.scale, resize.keep_ratio = _at_least_one(new), False
                return resize.transform(results)
        return super().transform(results)


def _at_least_one(size: Iterable[float]) -> tuple[int, ...]:
    return tuple(max(int(side), 1) for side in size)
