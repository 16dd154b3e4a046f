"""Training on several datasets at once, each with labels of its own."""

from collections.abc import Mapping

import torch
from mmaction.utils import SampleList
from mmengine.model import BaseModule, ModuleDict
from torch import Tensor

from mmhvt.registry import MODELS


@MODELS.register_module()
class CoTrainingHead(BaseModule):
    """A head for each dataset on one backbone (papers/uniformerv2, section 4.2 and table 9e: K400/600/700).

    A sample goes to the head of the dataset that its metainfo `dataset` names; :class:`mmhvt.datasets.NameDataset`, the
    last transform of a pipeline, writes it there. Each sample counts the same in the loss, whatever its dataset. A
    dataset without a sample in a batch adds zeros to the gradients of its head, so that DDP has them all.

    A checkpoint of one head (`cls_head.fc_cls.…`) is loaded into all of them, each of which may map its classes:
    `labels` of :class:`RecognitionHead`.

    Args:
        heads: Dataset -> config of its head.
        init_cfg: MMEngine's.

    Raises:
        ValueError: In training and prediction, if a sample names no dataset or one without a head, or has a label that
            its head lacks.
    """

    def __init__(self, heads: Mapping[str, dict], init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if not heads:
            raise ValueError('CoTrainingHead needs a head for each dataset, heads=dict(k400=dict(type=…), …)')
        self.heads = ModuleDict({dataset: MODELS.build(head) for dataset, head in heads.items()})
        self._register_load_state_dict_pre_hook(self._spread)

    def _spread(self, state_dict: dict, prefix: str, *_) -> None:
        """Before loading: gives the parameters of a single head to all."""
        single = [key for key in state_dict if key.startswith(prefix) and not key.startswith(f'{prefix}heads.')]
        for key in single:
            value = state_dict.pop(key)
            for dataset in self.heads:
                state_dict[f'{prefix}heads.{dataset}.{key.removeprefix(prefix)}'] = value

    def forward(self, x: Tensor | tuple[Tensor, ...], **kwargs) -> dict[str, Tensor]:
        """Features (N, in_channels), or a tuple that ends with them -> dataset: scores (N, num_classes)."""
        return {dataset: head(x, **kwargs) for dataset, head in self.heads.items()}

    def _split(self, feats: Tensor | tuple[Tensor, ...], samples: SampleList) -> dict[str, tuple[Tensor, SampleList]]:
        """Features and samples of each dataset. A sample may have several features, one after the other: its views."""
        feats = feats[-1] if isinstance(feats, tuple | list) else feats
        for sample in samples:
            if sample.get('dataset') not in self.heads:
                raise ValueError(
                    f'CoTrainingHead has heads for {", ".join(self.heads)}, but a sample has '
                    f"dataset={sample.get('dataset')!r}: end the pipeline with dict(type='mmhvt.NameDataset', name=…)"
                )
        views = feats.unflatten(0, (len(samples), -1))
        parts = {}
        for dataset in self.heads:
            places = [place for place, sample in enumerate(samples) if sample.get('dataset') == dataset]
            parts[dataset] = views[places].flatten(0, 1), [samples[place] for place in places]
        return parts

    def loss(self, feats: Tensor | tuple[Tensor, ...], data_samples: SampleList, **kwargs) -> dict[str, Tensor]:
        """Losses, averaged over all samples, and for each dataset of the batch what its head logs besides."""
        losses = {}
        for dataset, (some_feats, samples) in self._split(feats, data_samples).items():
            head = self.heads[dataset]
            if not samples:
                # zero, of which every parameter of the head has a gradient
                found = dict(loss_cls=head(some_feats, **kwargs).sum())
            else:
                self._check_labels(samples, dataset)
                found = head.loss(some_feats, samples, **kwargs)
            for name, value in found.items():
                if 'loss' in name:
                    losses[name] = losses.get(name, 0) + value * (len(samples) / len(data_samples))
                else:
                    losses[f'{dataset}_{name}'] = value
        return losses

    def _check_labels(self, samples: SampleList, dataset: str) -> None:
        num_classes = getattr(self.heads[dataset], 'num_classes', None)
        labels = torch.cat([sample.gt_label.reshape(-1) for sample in samples])
        if num_classes and not labels.is_floating_point() and labels.max() >= num_classes:
            raise ValueError(
                f'a sample of {dataset!r} has label {int(labels.max())}, but its head has num_classes={num_classes}: '
                'is its dataset named right?'
            )

    def predict(self, feats: Tensor | tuple[Tensor, ...], data_samples: SampleList, **kwargs) -> SampleList:
        """Scores and labels of each sample by the head of its dataset, in place."""
        for dataset, (some_feats, samples) in self._split(feats, data_samples).items():
            if samples:
                self.heads[dataset].predict(some_feats, samples, **kwargs)
        return data_samples
