"""What a classification loss does to scores, and thereby which task it is for."""

from torch import nn

# by class name, because mmaction, mmpretrain, mmdet and torch each have some; a subclass counts as its base
_KINDS = {
    'BCELossWithLogits': 'sigmoid',
    'BCEWithLogitsLoss': 'sigmoid',
    'FocalLoss': 'sigmoid',
    'MultiLabelSoftMarginLoss': 'sigmoid',
    'CBFocalLoss': 'one-hot',
    'CrossEntropyLoss': 'softmax',
    'NLLLoss': 'log-softmax',
}


def loss_kind(loss: nn.Module) -> str | None:
    """Returns what a classification loss does to scores before it compares them with labels.

    Args:
        loss: Loss of mmaction, mmpretrain, mmdet or torch, or of a class derived from one of theirs.

    Returns:
        str | None: One of

        - 'sigmoid': A sigmoid of each class, for samples with several labels.
        - 'one-hot': The same for one label per sample (CBFocalLoss).
        - 'softmax': A softmax over classes, for one label per sample.
        - 'log-softmax': Nothing; the head has applied a log-softmax (NLLLoss).
        - None: Unknown.
    """
    # mmpretrain's LabelSmoothLoss wraps another loss in `ce`
    use_sigmoid = getattr(getattr(loss, 'ce', loss), 'use_sigmoid', None)
    if isinstance(use_sigmoid, bool):
        return 'sigmoid' if use_sigmoid else 'softmax'
    return next((_KINDS[base.__name__] for base in type(loss).__mro__ if base.__name__ in _KINDS), None)


def softmax_of_sigmoids(head: str, loss: str) -> str:
    """Returns the error message for a head that applies a softmax to scores whose loss applies sigmoids."""
    return (
        f"{head} averages clips by a softmax (average_clips='prob'), but {loss} applies a sigmoid to each class: use "
        "type='mmhvt.MultiLabelHead' for several labels per video, and for one label average_clips='score', which "
        'leaves scores as they are, or CrossEntropyLoss'
    )
