"""Recognition head: dropout and a linear classifier.

Papers: Hiera (https://arxiv.org/abs/2306.00989), UniFormerV2 (https://arxiv.org/abs/2211.09552).
"""

import logging
from collections.abc import Sequence
from typing import Annotated

from mmaction.models.heads import BaseHead
from mmaction.utils import SampleList
from mmengine.logging import print_log
from mmengine.model import trunc_normal_init
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.migrate.labels import align, label_list, map_classifier
from mmhvt.migrate.report import compare, format_problems
from mmhvt.registry import MODELS
from mmhvt.utils.init_cfg import split_pretrained
from mmhvt.utils.option_configs import ActionLoss
from mmhvt.utils.option_types import Channels, Number, Positive, Range, Rate

from .loss_kind import loss_kind, softmax_of_sigmoids
from .pooling import Features, pool_features

TopK = Annotated[int, Range(1, 1_000_000)]


@MODELS.register_module()
class RecognitionHead(BaseHead):
    """Dropout and a linear classifier on a backbone's pooled feature (Hiera, table 11: dropout).

    Takes what backbones of mmhvt, mmaction2 and mmpretrain return, and averages maps.

    Args:
        num_classes: Number of classes.
        in_channels: Number of channels of the backbone's last stage.
        dropout_ratio: Dropout probability of the feature. Defaults to 0.
        init_scale: Factor of the classifier's initial weights. Near 0, the first predictions are uniform. Defaults to
            0.001.
        loss_cls: Config of the loss. Defaults to mmaction's CrossEntropyLoss.
        labels: Label mapping of loaded classifiers. With 'k710->k400', a Kinetics-710 classifier that `load_from` or
            `init_cfg` loads becomes one of Kinetics-400 (UniFormerV2, appendix F), and a Kinetics-400 classifier is
            loaded as it is, so that resuming and testing need no separate config. Each side is k400, k600, k700, k710
            or a text file with one label name per line. Classes that the left side lacks keep their initial weights.
            Defaults to None.
        label_smooth_eps: Share of the target spread evenly over all classes; None for 0. Defaults to 0.
        topk: Values of k for which the top-k accuracy of a batch is logged. Defaults to (1, 5).
        kwargs: Arguments of mmaction's BaseHead: average_clips, multi_class, init_cfg.
            ``init_cfg=dict(type='Pretrained', checkpoint=…)`` loads the classifier of any file that
            :mod:`mmhvt.migrate` knows.

    Raises:
        ValueError: If loss and scores belong to different tasks: ``average_clips='prob'``, a softmax, with a loss on
            sigmoids; a loss on log-probabilities; or a single-label loss with `multi_class`. If `labels` is malformed,
            if its sides have no class in common or the same number of classes, or if the right side does not have
            `num_classes`. While loading, if the classifier's number of classes matches neither side.
    """

    init_cfg: dict | list | None

    def __init__(
        self,
        num_classes: Number,
        in_channels: Channels,
        dropout_ratio: Rate = 0.0,
        init_scale: Positive = 0.001,
        loss_cls: ActionLoss = dict(type='mmaction.CrossEntropyLoss'),
        labels: str | None = None,
        label_smooth_eps: Rate | None = 0.0,
        topk: TopK | Sequence[TopK] = (1, 5),
        **kwargs,
    ):
        super().__init__(
            num_classes,
            in_channels,
            loss_cls,
            label_smooth_eps=label_smooth_eps or 0.0,
            topk=tuple(topk) if isinstance(topk, Sequence) else (int(topk),),  # lists come from JSON or --cfg-options
            **kwargs,
        )
        self._check_loss()
        self.init_scale = init_scale
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc_cls = nn.Linear(in_channels, num_classes)
        self.labels = labels
        if labels is not None:
            self._set_labels(labels)
            self._logged: set[str] = set()
            self._register_load_state_dict_pre_hook(self._map_classifier)

    def _check_loss(self) -> None:
        """Checks that the loss fits the scores."""
        loss, kind = type(self.loss_cls).__name__, loss_kind(self.loss_cls)
        if kind == 'sigmoid' and self.average_clips == 'prob':
            raise ValueError(softmax_of_sigmoids('RecognitionHead', f'loss_cls={loss}'))
        if kind == 'log-softmax':
            raise ValueError(
                f'RecognitionHead: loss_cls={loss} takes log-probabilities, but the head returns scores: use '
                'CrossEntropyLoss'
            )
        if self.multi_class and kind == 'softmax':
            raise ValueError(
                f'RecognitionHead: multi_class=True, but loss_cls={loss} takes one label per video: use '
                "type='mmhvt.MultiLabelHead'"
            )

    def _set_labels(self, labels: str) -> None:
        sides = [side.strip() for side in labels.split('->')]
        if len(sides) != 2:
            raise ValueError(f"RecognitionHead: labels must have the form 'k710->k400', got {labels!r}")
        self._source, self._target = map(label_list, sides)
        if len(self._target) != self.num_classes:
            raise ValueError(
                f'RecognitionHead: labels={labels!r} maps to {len(self._target)} classes, but num_classes='
                f'{self.num_classes}'
            )
        if len(self._source) == len(self._target):
            raise ValueError(
                f'RecognitionHead: labels={labels!r} has {len(self._source)} classes on both sides, so the size of a '
                'classifier does not tell which classes it has: map the file with tools/checkpoint/convert.py --labels'
            )
        self._num_common = sum(place is not None for place in align(self._source, self._target))
        if not self._num_common:
            raise ValueError(f'RecognitionHead: the two sides of labels={labels!r} have no class in common')

    def _map_classifier(self, state_dict: dict, prefix: str, *_) -> None:
        """Maps the rows of a classifier that has the classes of the left side, before it is loaded."""
        name = f'{prefix}fc_cls'
        weight = state_dict.get(f'{name}.weight')
        if weight is None or len(weight) == self.num_classes:
            return
        if len(weight) != len(self._source):
            raise ValueError(
                f'{name}.weight in the checkpoint has {len(weight)} classes, but labels={self.labels!r} takes '
                f'{len(self._source)} or {self.num_classes}'
            )
        initial = {f'{name}.{key}': value for key, value in self.fc_cls.named_parameters()}
        state_dict.update(map_classifier(state_dict, self._source, self._target, name, initial))
        self._log_once(
            f"{name}: {self._num_common} of {self.num_classes} classes from the checkpoint's {len(weight)} classes"
        )

    def _log_once(self, message: str) -> None:
        # CheckpointCheckHook runs the loading hooks when it compares a state dict before loading
        if message not in self._logged:
            self._logged.add(message)
            print_log(message, 'current', logging.INFO)

    def init_weights(self) -> None:
        """Initializes the classifier with a truncated normal of standard deviation 0.02 and with bias 0.02, both
        multiplied by `init_scale`, like Hiera's public code. Then applies `init_cfg`.

        Raises:
            ValueError: If a checkpoint has no classifier, or one with other classes or channels.
        """
        if not self.is_init:
            trunc_normal_init(self.fc_cls, std=0.02 * self.init_scale, bias=0.02 * self.init_scale)
        init_cfg = self.init_cfg
        self.init_cfg, checkpoints = split_pretrained(init_cfg)
        super().init_weights()
        self.init_cfg = init_cfg
        for cfg in checkpoints:
            self._load_classifier(cfg['checkpoint'], cfg.get('prefix', 'cls_head.'))

    def _load_classifier(self, path: str, prefix: str) -> None:
        state_dict = migrate.load(path)
        found = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
        if 'fc_cls.weight' not in found:
            raise ValueError(f'{path} has no classifier {prefix}fc_cls: use the file of a whole recognizer')
        problems = compare(self, found).problems
        if problems:
            raise ValueError(
                f'{path} does not fit the head with num_classes={self.num_classes} and labels={self.labels!r}: '
                f'{format_problems(problems)}'
            )
        self.load_state_dict(found)

    def forward(self, x: Features, num_segs: int | None = None, fcn_test: bool = False, **kwargs) -> Tensor:
        """Computes scores.

        Args:
            x: Features (N, in_channels), maps (N, in_channels, [T,] H, W), or a tuple or list that ends with one; see
                :func:`pool_features`.
            num_segs: Number of frames of each video, which Recognizer2D passes to an image backbone as N samples. Their
                features are averaged. Defaults to None if samples are videos.
            fcn_test: Whether Recognizer2D has merged the frames of a video into one map. Defaults to False.

        Returns:
            Tensor: (N, num_classes), or (N / num_segs, num_classes); float32.

        Raises:
            ValueError: For tokens, or another number of channels; says which options would do.
        """
        x = pool_features(x, type(self).__name__, self.in_channels)
        if num_segs and not fcn_test:
            x = x.unflatten(0, (-1, num_segs)).mean(1)
        # float32 under autocast, too: mmaction converts scores to NumPy, which lacks bfloat16
        return self.fc_cls(self.dropout(x)).float()

    def loss_by_feat(self, cls_scores: Tensor, data_samples: SampleList) -> dict[str, Tensor]:
        """Computes the loss of scores (N, num_classes); zero for no samples."""
        return super().loss_by_feat(cls_scores, data_samples) if data_samples else dict(loss_cls=cls_scores.sum())

    def predict_by_feat(self, cls_scores: Tensor, data_samples: SampleList) -> SampleList:
        """Adds scores and labels to the samples, of which there may be none."""
        return super().predict_by_feat(cls_scores, data_samples) if data_samples else data_samples
