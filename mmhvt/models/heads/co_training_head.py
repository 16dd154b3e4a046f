"""Head for training on several datasets at once, each with its own labels.

Paper: UniFormerV2 (https://arxiv.org/abs/2211.09552).
"""

from collections.abc import Mapping
from typing import Annotated

import torch
from mmaction.utils import SampleList
from mmengine.model import BaseModule, ModuleDict
from torch import Tensor

from mmhvt.registry import MODELS
from mmhvt.utils.option_configs import InitCfg
from mmhvt.utils.option_types import Length, Says

from .pooling import Features

Heads = Annotated[Mapping[str, dict], Length(1), Says(': give a head for each dataset, dict(k400=dict(type=…), …)')]


@MODELS.register_module()
class CoTrainingHead(BaseModule):
    """One head per dataset on a shared backbone (UniFormerV2, section 4.2 and table 9e: K400/600/700).

    Each sample goes to the head of the dataset that its metainfo `dataset` names, which :class:`mmhvt.NameDataset`
    writes at the end of the pipeline. All samples have the same weight in the loss. The head of a dataset without
    samples in the batch gets zero gradients, since DistributedDataParallel waits for them.

    A checkpoint with a single head (`cls_head.fc_cls.…`) is loaded into every head, which may map its classes with
    `labels` of :class:`RecognitionHead`.

    Args:
        heads: Config of the head of each dataset.
        init_cfg: MMEngine's initialization config. Defaults to None.

    Raises:
        ValueError: If `heads` is empty. In training and prediction, if a sample names no dataset or one without a head,
            or if its label is too large for the head.
    """

    def __init__(self, heads: Heads, init_cfg: InitCfg = None):
        super().__init__(init_cfg)
        self.heads = ModuleDict({dataset: MODELS.build(head) for dataset, head in heads.items()})
        self._register_load_state_dict_pre_hook(self._copy_to_all_heads)

    def _copy_to_all_heads(self, state_dict: dict, prefix: str, *_) -> None:
        """Copies the parameters of a single head to all heads, before they are loaded."""
        single = [key for key in state_dict if key.startswith(prefix) and not key.startswith(f'{prefix}heads.')]
        for key in single:
            value = state_dict.pop(key)
            for dataset in self.heads:
                state_dict[f'{prefix}heads.{dataset}.{key.removeprefix(prefix)}'] = value

    def forward(self, x: Features, **kwargs) -> dict[str, Tensor]:
        """Computes the scores of all heads.

        Args:
            x: Input of the heads.

        Returns:
            dict[str, Tensor]: Scores (N, num_classes) by dataset.
        """
        return {dataset: head(x, **kwargs) for dataset, head in self.heads.items()}

    def _split(self, feats: Features, samples: SampleList) -> dict[str, tuple[Features, SampleList]]:
        """Features and samples by dataset."""
        if isinstance(feats, tuple | list) and len(feats) == 1:  # heads of mmaction2 take tensors
            (feats,) = feats
        for sample in samples:
            if sample.get('dataset') not in self.heads:
                raise ValueError(
                    f'CoTrainingHead has heads for {", ".join(self.heads)}, but a sample has dataset='
                    f"{sample.get('dataset')!r}: end the pipeline with dict(type='mmhvt.NameDataset', name=…)"
                )
        parts = {}
        for dataset in self.heads:
            indices = [index for index, sample in enumerate(samples) if sample.get('dataset') == dataset]
            parts[dataset] = _select(feats, indices, len(samples)), [samples[index] for index in indices]
        return parts

    def loss(self, feats: Features, data_samples: SampleList, **kwargs) -> dict[str, Tensor]:
        """Computes the losses, averaged over all samples, and what else the heads log, prefixed with their dataset."""
        losses: dict[str, Tensor] = {}
        for dataset, (some_feats, samples) in self._split(feats, data_samples).items():
            head = self.heads[dataset]
            if not samples:
                # an empty sum of scores is zero and has gradients with respect to all parameters of the head
                found = dict(loss_cls=head(some_feats, **kwargs).sum())
            else:
                self._check_labels(samples, dataset)
                found = head.loss(some_feats, samples, **kwargs)
            for name, value in found.items():
                if 'loss' in name:
                    losses[name] = losses.get(name, 0) + value * (len(samples) / max(len(data_samples), 1))
                else:
                    losses[f'{dataset}_{name}'] = value
        return losses

    def _check_labels(self, samples: SampleList, dataset: str) -> None:
        num_classes = getattr(self.heads[dataset], 'num_classes', None)
        labels = torch.cat([sample.gt_label.reshape(-1) for sample in samples])
        if num_classes and not labels.is_floating_point() and labels.max() >= num_classes:
            raise ValueError(
                f'a sample of dataset {dataset!r} has label {int(labels.max())}, but its head has '
                f'num_classes={num_classes}: check the name that mmhvt.NameDataset gives the dataset'
            )

    def predict(self, feats: Features, data_samples: SampleList, **kwargs) -> SampleList:
        """Adds to each sample the scores and labels that the head of its dataset predicts."""
        for dataset, (some_feats, samples) in self._split(feats, data_samples).items():
            if samples:
                self.heads[dataset].predict(some_feats, samples, **kwargs)
        return data_samples


def _select(feats: Features, indices: list[int], num_samples: int) -> Features:
    """The features of some samples, whose views are consecutive, in whatever tuples and lists a backbone returns."""
    if isinstance(feats, tuple | list):
        return tuple(_select(each, indices, num_samples) for each in feats)
    return feats.unflatten(0, (num_samples, -1))[indices].flatten(0, 1) if num_samples else feats
