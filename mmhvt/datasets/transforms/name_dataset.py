"""Samples that know which dataset they come from."""

from mmcv.transforms import BaseTransform

from mmhvt.registry import TRANSFORMS


@TRANSFORMS.register_module()
class NameDataset(BaseTransform):
    """Writes the name of a dataset to the metainfo `dataset` of the packed sample, as the last transform of a pipeline.

    :class:`mmhvt.models.CoTrainingHead` and :class:`mmhvt.evaluation.DatasetAccMetric` read it.

    Args:
        name: Name of the dataset.

    Raises:
        ValueError: If the sample is not packed yet.
    """

    def __init__(self, name: str):
        self.name = name

    def transform(self, results: dict) -> dict:
        """Sets the metainfo of ``results['data_samples']``."""
        if 'data_samples' not in results:
            raise ValueError(f'NameDataset(name={self.name!r}) goes after PackActionInputs: it needs a packed sample')
        results['data_samples'].set_metainfo(dict(dataset=self.name))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(name={self.name!r})'
