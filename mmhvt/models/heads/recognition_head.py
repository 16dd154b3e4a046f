"""Recognition head of hierarchical transformers: dropout and one linear layer."""

import logging
from functools import cache

from mmaction.models.heads import BaseHead
from mmengine.logging import print_log
from mmengine.model import trunc_normal_init
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.migrate.labels import align, label_list, map_classifier
from mmhvt.registry import MODELS

from .loss_kind import loss_kind, softmax_of_sigmoids


@cache
def _log_once(message: str) -> None:
    # a checkpoint is compared before it is loaded, and then loaded: two times the same
    print_log(message, 'current', logging.INFO)


@MODELS.register_module()
class RecognitionHead(BaseHead):
    """Dropout and a linear classifier on a backbone's pooled feature (papers/smvit, table 11: dropout).

    Args:
        num_classes: Classes.
        in_channels: Channels of the backbone's last stage.
        dropout_ratio: Of the feature, before the classifier.
        init_scale: Factor of the classifier's initial weights; near 0 the first predictions are uniform.
        loss_cls: Config of the loss.
        labels: 'k710->k400': a classifier of Kinetics-710 that is loaded, by `load_from` or `init_cfg`, becomes one of
            Kinetics-400 (papers/uniformerv2, appendix F). A classifier of Kinetics-400 is loaded as it is, so that
            resuming and testing need no other config. Both sides are k400, k600, k700, k710 or text files with a label
            name a line; classes that the left side lacks keep their initial rows.
        kwargs: As mmaction's BaseHead has them: average_clips, label_smooth_eps, topk, multi_class, and init_cfg, where
            `dict(type='Pretrained', checkpoint=…)` takes the classifier of any file that :mod:`mmhvt.migrate` knows.

    Raises:
        ValueError: If loss and scores are of different tasks: a softmax over classes (`average_clips='prob'`) of scores
            that a sigmoid for each is learned of, a loss that wants log-probabilities, or one of a single label with
            `multi_class`. If `labels` has another form, no class in common, as many classes on both sides or not
            `num_classes` on the right; and, in loading, if the classifier's number of classes is neither side's.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout_ratio: float = 0.0,
        init_scale: float = 0.001,
        loss_cls: dict = dict(type='mmaction.CrossEntropyLoss'),
        labels: str | None = None,
        **kwargs,
    ):
        super().__init__(num_classes, in_channels, loss_cls, **kwargs)
        self._check_loss()
        self.init_scale = init_scale
        self.dropout = nn.Dropout(dropout_ratio)
        self.fc_cls = nn.Linear(in_channels, num_classes)
        self.labels = labels
        if labels is not None:
            self._set_labels(labels)
            self._register_load_state_dict_pre_hook(self._map_classifier)

    def _check_loss(self) -> None:
        """Refuses a loss that is not one of these scores."""
        loss, kind = type(self.loss_cls).__name__, loss_kind(self.loss_cls)
        if kind == 'sigmoid' and self.average_clips == 'prob':
            raise ValueError(softmax_of_sigmoids('RecognitionHead', f'loss_cls={loss}'))
        if kind == 'log-softmax':
            raise ValueError(
                f'RecognitionHead gives scores, but loss_cls={loss} takes log-probabilities: CrossEntropyLoss would do'
            )
        if self.multi_class and kind == 'softmax':
            raise ValueError(
                f'RecognitionHead with multi_class=True has loss_cls={loss}, which is for one label a video: '
                "type='mmhvt.MultiLabelHead' would do"
            )

    def _set_labels(self, labels: str) -> None:
        sides = [side.strip() for side in labels.split('->')]
        if len(sides) != 2:
            raise ValueError(f"RecognitionHead: labels={labels!r} is not of the form 'k710->k400'")
        self._source, self._target = map(label_list, sides)
        if len(self._target) != self.num_classes:
            raise ValueError(
                f'RecognitionHead: labels={labels!r} ends with {len(self._target)} classes, num_classes is '
                f'{self.num_classes}'
            )
        if len(self._source) == len(self._target):
            raise ValueError(
                f'RecognitionHead: labels={labels!r} has {len(self._source)} classes on both sides, so that what a '
                'loaded classifier has cannot be told from its size: tools/checkpoint/convert.py --labels maps the file'
            )
        self._common = sum(place is not None for place in align(self._source, self._target))
        if not self._common:
            raise ValueError(f'RecognitionHead: labels={labels!r} has no class in common')

    def _map_classifier(self, state_dict: dict, prefix: str, *_) -> None:
        """Before loading: maps the rows of a classifier that has the classes of the left side."""
        name = f'{prefix}fc_cls'
        weight = state_dict.get(f'{name}.weight')
        if weight is None or len(weight) == self.num_classes:
            return
        if len(weight) != len(self._source):
            raise ValueError(
                f'{name}.weight of the checkpoint has {len(weight)} classes: labels={self.labels!r} takes '
                f'{len(self._source)}, or {self.num_classes} as they are'
            )
        initial = {f'{name}.{key}': value for key, value in self.fc_cls.named_parameters()}
        state_dict.update(map_classifier(state_dict, self._source, self._target, name, initial))
        _log_once(f'{name}: {self._common} of {self.num_classes} classes from the {len(weight)} of the checkpoint')

    def init_weights(self) -> None:
        """Truncated normal of deviation 0.02 and bias 0.02, both times `init_scale`, as the public SMViT code; what
        `init_cfg` says goes on top.

        Raises:
            ValueError: If a checkpoint has no classifier, or one of other classes or channels.
        """
        if not self.is_init:
            trunc_normal_init(self.fc_cls, std=0.02 * self.init_scale, bias=0.02 * self.init_scale)
        cfgs = self.init_cfg or []
        cfgs = [cfgs] if isinstance(cfgs, dict) else list(cfgs)
        self.init_cfg = [cfg for cfg in cfgs if cfg['type'] != 'Pretrained']
        super().init_weights()
        self.init_cfg = cfgs
        for cfg in cfgs:
            if cfg['type'] == 'Pretrained':
                self._load_classifier(cfg['checkpoint'], cfg.get('prefix', 'cls_head.'))

    def _load_classifier(self, path: str, prefix: str) -> None:
        content = migrate.load(path)
        found = {name.removeprefix(prefix): value for name, value in content.items() if name.startswith(prefix)}
        if 'fc_cls.weight' not in found:
            raise ValueError(f'{path} holds no classifier {prefix}fc_cls: the file of a whole recognizer does')
        try:
            self.load_state_dict(found)
        except RuntimeError as error:
            reason = '; '.join(line.strip() for line in str(error).splitlines()[1:])
            raise ValueError(
                f'{path} does not fit the head of {self.num_classes} classes, labels={self.labels!r}: {reason}'
            ) from error

    def forward(self, x: Tensor | tuple[Tensor, ...], **kwargs) -> Tensor:
        """(N, in_channels), or a tuple that ends with it -> scores (N, num_classes).

        Raises:
            ValueError: If the feature is not pooled or has other channels.
        """
        x = x[-1] if isinstance(x, tuple | list) else x
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'RecognitionHead takes features (N, {self.in_channels}), got {tuple(x.shape)}: '
                "the backbone needs out_type='avg_featmap' or 'cls_token' and as many channels in its last stage"
            )
        # fp32 under autocast too: mmaction takes scores to NumPy, which has no bfloat16
        return self.fc_cls(self.dropout(x)).float()
