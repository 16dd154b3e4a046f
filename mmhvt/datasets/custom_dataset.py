"""Images in folders or lists, with the names of their classes."""

from collections.abc import Mapping

import mmpretrain.datasets
from mmpretrain.datasets.custom import find_folders, get_samples

from mmhvt.registry import DATASETS

from .images import name_images
from .labels import with_classes


@DATASETS.register_module()
class CustomDataset(mmpretrain.datasets.CustomDataset):
    """mmpretrain's CustomDataset, whose classes may be named by a list of this package, and whose folders may lack some
    of the classes.

    Args:
        data_root: Folder that relative paths start from. Defaults to ''.
        metainfo: Its `classes` are the names of the classes: a sequence, the name of a list such as 'places365'
            (:func:`mmhvt.datasets.labels.label_lists`), or a file with one name a line, relative to `data_root`.
            Without `ann_file`, folders with these names have their labels; otherwise folders are numbered in
            alphabetical order, as mmpretrain does. Defaults to None: the names of the folders.
        kwargs: Arguments of mmpretrain's CustomDataset: data_prefix, ann_file, with_label, pipeline, …

    Raises:
        ValueError: If `classes` is neither.
    """

    def __init__(self, data_root: str | None = '', metainfo: Mapping | None = None, **kwargs) -> None:
        super().__init__(data_root=data_root, metainfo=with_classes(metainfo, data_root), **kwargs)
        self.pipeline.transforms = name_images(self.pipeline.transforms)

    def _find_samples(self) -> list:
        classes = self.CLASSES
        if not self.with_label or classes is None:
            return super()._find_samples()
        folders, _ = find_folders(self.img_prefix)
        if not folders or not set(folders) <= set(classes):
            return super()._find_samples()
        samples, _ = get_samples(self.img_prefix, {name: classes.index(name) for name in folders}, self.is_valid_file)
        return samples or super()._find_samples()
