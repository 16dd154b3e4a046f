"""Pooling of whatever backbones return."""

from typing import Any

import torch
from torch import Tensor

Features = Tensor | tuple | list


def last_output(x: Any) -> Tensor:
    """The last of nested tuples and lists; of a pair of a map and a class token, the class token.

    Such pairs are what MViT of mmaction2 and older ViTs of mmpretrain return for each stage.
    """
    while isinstance(x, tuple | list):
        x = x[-1]
    return x


def pool_features(x: Features, head: str, in_channels: int) -> Tensor:
    """Mean over space and time of what a backbone returns.

    Args:
        x: Features (N, C), maps (N, C, H, W) or (N, C, T, H, W), or a tuple or list of outputs. The last is used if it
            has `in_channels` channels. If all outputs together have them, they are concatenated from last to first like
            in mmaction2's SlowFastHead, whose classifiers thus fit.
        head: Name of the head, for messages.
        in_channels: Number of channels that the head takes.

    Returns:
        Tensor: (N, in_channels).

    Raises:
        ValueError: For tokens, or another number of channels; says which options would do.
    """
    outputs = [last_output(out) for out in x] if isinstance(x, tuple | list) else [x]
    last = _mean(outputs[-1], head)
    channels = [out.shape[1] for out in outputs]
    if channels[-1] == in_channels:
        return last
    if sum(channels) == in_channels:
        return torch.cat([last, *(_mean(out, head) for out in outputs[-2::-1])], 1)
    found, fits = str(channels[-1]), f'set in_channels={channels[-1]}'
    if len(outputs) > 1:
        found = f'{len(outputs)} outputs of {", ".join(map(str, channels))}'
        fits += f' for the last or in_channels={sum(channels)} for all'
    raise ValueError(f'{head} has in_channels={in_channels}, but the backbone returns {found} channels: {fits}')


def _mean(x: Tensor, head: str) -> Tensor:
    check_pooled_or_map(x, head)
    return x if x.ndim == 2 else x.flatten(2).mean(2)


def check_pooled_or_map(x: Tensor, head: str) -> None:
    """Check that an output is (N, C) or a map.

    Raises:
        ValueError: If it has other axes, as tokens do.
    """
    if x.ndim not in (2, 4, 5):
        raise ValueError(
            f'{head} takes features (N, C) or maps (N, C, [T,] H, W), got {tuple(x.shape)}: the backbone needs '
            "out_type='avg_featmap', 'cls_token' or 'featmap'"
        )
