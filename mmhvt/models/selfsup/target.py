"""What the masked auto-encoder reconstructs: pixels (papers/smvit, section 4)."""

from collections.abc import Sequence

from torch import Tensor


def pixel_patches(x: Tensor, patch: Sequence[int]) -> Tensor:
    """The pixels behind each token of the decoder.

    Of a token of several frames it is the first frame: neighbouring frames look alike, and to predict all would
    make the last layer as many times wider. The order of values is the public weights': channels first for images,
    last for video.

    Args:
        x: (N, C, [T,] H, W).
        patch: Frames and pixels of a token, ([t,] h, w).

    Returns:
        Tensor: (N, tokens in row-major order, C · h · w).
    """
    *frames, height, width = patch
    if frames:
        x = x[:, :, :: frames[0]]
    x = x.unfold(-2, height, height).unfold(-2, width, width)  # (N, C, [T,] H, W, h, w)
    x = x.movedim(1, -1) if frames else x.movedim(1, -3)
    return x.flatten(-3).flatten(1, -2)


def normalise(patches: Tensor) -> Tensor:
    """(…, values) with mean 0 and variance 1 over the values of each patch."""
    mean, var = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
    return (patches - mean) / (var + 1e-6).sqrt()
