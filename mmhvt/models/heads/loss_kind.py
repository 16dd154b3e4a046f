"""Which scores a loss is of, and with it which task."""

from torch import nn

# names of classes, because mmaction, mmpretrain, mmdet and torch have some each; a subclass counts as its base
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
    """What a loss of classification makes of scores before it compares them with labels.

    Args:
        loss: Of mmaction, mmpretrain, mmdet or torch, or derived from one.

    Returns:
        'sigmoid': Each class on its own, for samples with several labels.
        'one-hot': The same, but of one label a sample (CBFocalLoss).
        'softmax': Classes compete, for samples with one label.
        'log-softmax': As softmax, which the head has applied already (NLLLoss).
        None: Of a loss that is not known.
    """
    # mmpretrain's LabelSmoothLoss keeps another in `ce`
    use_sigmoid = getattr(getattr(loss, 'ce', loss), 'use_sigmoid', None)
    if isinstance(use_sigmoid, bool):
        return 'sigmoid' if use_sigmoid else 'softmax'
    return next((_KINDS[base.__name__] for base in type(loss).__mro__ if base.__name__ in _KINDS), None)


def softmax_of_sigmoids(scores: str, loss: str) -> str:
    """What to say where `scores` come from a softmax, and `loss` learns a sigmoid for each class."""
    return (
        f"{scores} scores by a softmax (average_clips='prob'), but {loss} learns a sigmoid for each class: for several "
        "labels a video type='mmhvt.MultiLabelHead' would do, for one average_clips='score', which leaves scores as "
        'they are, or CrossEntropyLoss'
    )
