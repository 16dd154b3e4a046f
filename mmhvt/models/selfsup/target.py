"""Targets of the masked auto-encoder: pixels (Hiera, https://arxiv.org/abs/2306.00989, section 4)."""

from collections.abc import Sequence

from torch import Tensor


def pixel_patches(x: Tensor, patch: Sequence[int]) -> Tensor:
    """Pixels of each token of the decoder.

    A token that spans several frames has the pixels of the first one: neighboring frames look alike, and predicting all
    of them would make the last layer several times wider. The order of values is that of the public weights: channels
    first for images, channels last for video.

    Args:
        x: Images or clips (N, C, [T,] H, W).
        patch: Frames and pixels of a token per axis, ([t,] h, w).

    Returns:
        Tensor: (N, number of tokens, C · h · w), tokens in row-major order.
    """
    *frames, height, width = patch
    if frames:
        x = x[:, :, :: frames[0]]
    x = x.unfold(-2, height, height).unfold(-2, width, width)  # (N, C, [T,] H, W, h, w)
    x = x.movedim(1, -1) if frames else x.movedim(1, -3)
    return x.flatten(-3).flatten(1, -2)


def normalize(patches: Tensor) -> Tensor:
    """Normalize the values of each patch (..., values) to mean 0 and variance 1."""
    mean, var = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
    return (patches - mean) / (var + 1e-6).sqrt()
