"""Images in folders or lists, with the names of their classes."""

from collections.abc import Mapping
from typing import Literal

import mmpretrain.datasets
from mmengine.fileio import exists
from mmpretrain.datasets.custom import find_folders, get_samples

from mmhvt.registry import DATASETS

from .folders import does_not_exist
from .images import name_images
from .labels import with_classes


class PlacedImages(mmpretrain.datasets.CustomDataset):
    """Base of the datasets below, whose errors say what to do about a missing list or folder."""

    def load_data_list(self) -> list[dict]:
        """Reads samples with `img_path` and `gt_label`.

        Raises:
            FileNotFoundError: If the list, or the folder of the images, does not exist.
        """
        for what, path in (('annotation file', self.ann_file), ('folder', self.img_prefix)):
            if path and not exists(path):
                raise FileNotFoundError(does_not_exist(what, path, 'set data_root, data_prefix and ann_file'))
        return super().load_data_list()


@DATASETS.register_module()
class CustomDataset(PlacedImages):
    """mmpretrain's CustomDataset, whose classes may be named by a list of this package, and whose folders may lack some
    of the classes.

    Args:
        data_root: Folder that relative paths start from. Defaults to ''.
        metainfo: Its `classes` are the names of the classes: a sequence, the name of a list such as 'places365'
            (:func:`mmhvt.datasets.labels.label_lists`), or a file with one name per line, relative to `data_root`.
            Without `ann_file`, folders with these names have their labels; otherwise folders are numbered in
            alphabetical order, as in mmpretrain. Defaults to None: the names of the folders.
        kwargs: Arguments of mmpretrain's CustomDataset: data_prefix, ann_file, with_label, pipeline, …

    Raises:
        FileNotFoundError: If the list, or the folder of the images, does not exist.
        ValueError: If `classes` is none of these.
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


@DATASETS.register_module()
class ImageNet(PlacedImages, mmpretrain.datasets.ImageNet):
    """mmpretrain's ImageNet, whose errors name the file.

    Args:
        data_root: Folder of `train` and `val`. Defaults to ''.
        split: 'train', 'val' or 'test'; '' for none. Defaults to ''.
        metainfo: Its `classes` replace ImageNet-1K's names. Defaults to None.
        kwargs: Arguments of mmpretrain's ImageNet: data_prefix, ann_file, pipeline, …

    Raises:
        FileNotFoundError: If the list, or the folder of the images, does not exist.
    """

    def __init__(
        self,
        data_root: str = '',
        split: Literal['', 'train', 'val', 'test'] = '',
        metainfo: Mapping | None = None,
        **kwargs,
    ) -> None:
        super().__init__(data_root=data_root, split=split, metainfo=metainfo, **kwargs)
        self.pipeline.transforms = name_images(self.pipeline.transforms)
