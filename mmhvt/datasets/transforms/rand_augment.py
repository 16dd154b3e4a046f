"""RandAugment that treats a clip as one picture."""

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional as F

# F.affine and F.rotate would compute the grid anew for each frame
from torchvision.transforms.v2.functional._geometry import _affine_grid, _get_inverse_affine_matrix

from mmhvt.registry import TRANSFORMS
from mmhvt.utils.option_types import CheckedFloat, CheckedInt, Range

# The strength of an operation is in [0, 1]. The ranges are those of the "increasing" set
# of timm and PySlowFast ('rand-m…-inc1'): a greater strength always moves further from the input.
#
# Results are those of torchvision on the whole clip. It is faster here to process a frame at a time, which stays in the
# cache, and to use tables of the 256 levels for operations on single values.

Operation = Callable[[torch.Tensor, float, int], torch.Tensor]
# as an image with one channel
_LEVELS = torch.arange(256, dtype=torch.uint8).view(1, 1, 256)


def _sign() -> int:
    return 1 if np.random.random() < 0.5 else -1


def _factor(strength: float) -> float:
    """Factor of an enhancement, in either direction: 1 changes nothing."""
    return max(0.1, 1.0 + _sign() * strength * 0.9)


def _by_frame(clip: torch.Tensor, operation: Callable[[np.ndarray], np.ndarray]) -> torch.Tensor:
    """Applies an operation on frames (H, W, C) to a clip (T, C, H, W)."""
    frames = np.ascontiguousarray(clip.permute(0, 2, 3, 1).numpy())
    return torch.from_numpy(np.stack([operation(frame) for frame in frames])).permute(0, 3, 1, 2)


def _planes(frame: np.ndarray) -> torch.Tensor:
    """(H, W, C) to contiguous (C, H, W)."""
    return torch.from_numpy(np.stack(cv2.split(frame)))


def _by_table(operation: Callable[[torch.Tensor, float], torch.Tensor]) -> Operation:
    """An operation that treats equal values alike, wherever they are."""

    def apply(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
        table = operation(_LEVELS, strength).numpy().ravel()
        return _by_frame(clip, lambda frame: cv2.LUT(frame, table))

    return apply


def _auto_contrast(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    def stretch(frame: np.ndarray) -> np.ndarray:
        extremes = torch.tensor([cv2.minMaxLoc(plane)[:2] for plane in cv2.split(frame)], dtype=torch.uint8)
        table = F.autocontrast(torch.clamp(_LEVELS, *extremes.view(3, 2, 1, 1).unbind(1)))
        return cv2.LUT(frame, table.permute(1, 2, 0).numpy())

    return _by_frame(clip, stretch)


def _equalize(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    def table_of(counts: np.ndarray) -> np.ndarray:
        step = (counts.sum() - counts[counts.nonzero()[0][-1]]) // 255
        if not step:
            return np.arange(256)
        return np.concatenate([[0], (np.cumsum(counts)[:-1] + step // 2) // step]).clip(max=255)

    def flatten(frame: np.ndarray) -> np.ndarray:
        counts = [cv2.calcHist([frame], [channel], None, [256], [0, 256]).ravel().astype(int) for channel in range(3)]
        return cv2.LUT(frame, np.stack([table_of(each) for each in counts], -1)[None].astype(np.uint8))

    return _by_frame(clip, flatten)


def _contrast(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    factor = _factor(strength)

    def blend(frame: np.ndarray) -> np.ndarray:
        mean = F.rgb_to_grayscale(_planes(frame)).float().mean()
        table = _LEVELS.mul(factor).add_(mean, alpha=1.0 - factor).clamp_(0, 255).to(torch.uint8)
        return cv2.LUT(frame, table.numpy().ravel())

    return _by_frame(clip, blend)


def _color(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    factor = _factor(strength)
    return _by_frame(clip, lambda frame: cv2.merge([*F.adjust_saturation(_planes(frame), factor).numpy()]))


def _warp(
    clip: torch.Tensor,
    fill: int,
    angle: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    center: tuple[float, float] = (0.5, 0.5),
) -> torch.Tensor:
    """Rotate by degrees and shear about a relative center; `shear` holds tangents."""
    height, width = clip.shape[-2:]
    matrix = _get_inverse_affine_matrix(
        [(center[0] - 0.5) * width, (center[1] - 0.5) * height],
        -(angle % 360),
        [0.0, 0.0],
        1.0,
        [math.degrees(math.atan(s)) for s in shear],
    )
    theta = torch.tensor(matrix, dtype=torch.float32).view(1, 2, 3)
    grid = _affine_grid(theta, w=width, h=height, ow=width, oh=height)
    sample = partial(grid_sample, grid=grid, mode='bilinear', padding_mode='zeros', align_corners=False)
    inside = sample(torch.ones(1, 1, height, width))

    def move(frame: np.ndarray) -> np.ndarray:
        moved = sample(_planes(frame)[None].float()).sub_(fill).mul_(inside).add_(fill).round_().to(torch.uint8)
        return cv2.merge([*moved[0].numpy()])

    return _by_frame(clip, move)


def _rotate(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    return _warp(clip, fill, angle=_sign() * strength * 30.0)


def _shear(clip: torch.Tensor, strength: float, fill: int, axis: int) -> torch.Tensor:
    """Shear along an axis, x or y, about the top left corner."""
    shear = [0.0, 0.0]
    shear[axis] = _sign() * strength * 0.3
    return _warp(clip, fill, shear=(shear[0], shear[1]), center=(0.0, 0.0))


def _translate(clip: torch.Tensor, strength: float, fill: int, dim: int) -> torch.Tensor:
    """Shift along a dimension by whole pixels."""
    size = clip.shape[dim]
    shift = round(_sign() * strength * 0.45 * size)
    length = size - abs(shift)
    moved = torch.full_like(clip, fill)
    moved.narrow(dim, max(0, shift), length).copy_(clip.narrow(dim, max(0, -shift), length))
    return moved


def _solarize(levels: torch.Tensor, strength: float) -> torch.Tensor:
    return torch.where(levels.short() < 256 - int(strength * 256), levels, 255 - levels)


def _solarize_add(levels: torch.Tensor, strength: float) -> torch.Tensor:
    return torch.where(levels < 128, levels + int(strength * 110), levels)


# name: operation(clip (T, C, H, W) uint8, strength, fill) -> clip of the same shape and type
OPERATIONS: dict[str, Operation] = {
    'AutoContrast': _auto_contrast,
    'Equalize': _equalize,
    'Invert': lambda clip, strength, fill: F.invert(clip),
    'Rotate': _rotate,
    'Posterize': lambda clip, strength, fill: F.posterize(clip, max(1, 4 - int(strength * 4))),
    'Solarize': _by_table(_solarize),
    'SolarizeAdd': _by_table(_solarize_add),
    'Color': _color,
    'Contrast': _contrast,
    'Brightness': _by_table(lambda levels, strength: F.adjust_brightness(levels, _factor(strength))),
    'Sharpness': lambda clip, strength, fill: F.adjust_sharpness(clip, _factor(strength)),
    'ShearX': partial(_shear, axis=0),
    'ShearY': partial(_shear, axis=1),
    'TranslateX': partial(_translate, dim=-1),
    'TranslateY': partial(_translate, dim=-2),
}


@TRANSFORMS.register_module()
class RandAugment(BaseTransform):
    """Random operations on all frames of a clip alike (Cubuk et al., 2020).

    The operations, their strengths and their directions are drawn once per clip, so that motion
    within it is preserved. mmaction2's ``TorchVisionWrapper`` draws anew for each frame.
    The defaults are timm's and PySlowFast's 'rand-m7-n4-mstd0.5-inc1', the setting of the papers' recipes. Operations
    and ranges differ from torchvision's, and the strength is random, too. timm's version takes one PIL image.

    Required keys: ``imgs``, a sequence of (H, W, 3) uint8 frames in RGB. Modified keys: ``imgs``.
    Boxes and keypoints are not transformed, so this is for recognition.

    Args:
        magnitude: Mean strength of an operation, 0 to 10.
        magnitude_std: Standard deviation of the strength, which is drawn for each operation
            from a normal distribution and clipped to 0 to 10.
        num_ops: Operations drawn for a clip, with replacement.
        prob: Probability with which a drawn operation is applied.
        fill: Gray value, 0 to 255, of areas from outside the frame.

    Raises:
        ValueError: If a setting is out of its range, or frames are not (H, W, 3) uint8.
    """

    def __init__(
        self,
        magnitude: CheckedFloat = 7,
        magnitude_std: CheckedFloat = 0.5,
        num_ops: CheckedInt = 4,
        prob: CheckedFloat = 0.5,
        fill: Annotated[int, Range(0, 255)] = 128,
    ) -> None:
        if not 0 <= magnitude <= 10:
            raise ValueError(f'RandAugment: magnitude must be between 0 and 10, got {magnitude}')
        if magnitude_std < 0:
            raise ValueError(f'RandAugment: magnitude_std must not be negative, got {magnitude_std}')
        if num_ops < 1:
            raise ValueError(f'RandAugment: num_ops must be at least 1, got {num_ops}')
        if not 0 <= prob <= 1:
            raise ValueError(f'RandAugment: prob must be between 0 and 1, got {prob}')
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std
        self.num_ops = num_ops
        self.prob = prob
        self.fill = fill

    def transform(self, results: dict) -> dict:
        """Augment ``results['imgs']``."""
        frames = np.stack(results['imgs'])
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise ValueError(
                f'RandAugment needs (H, W, 3) uint8 frames, got {frames.shape[1:]} {frames.dtype}: '
                'put it after decoding and before FormatShape'
            )
        clip = torch.from_numpy(frames).permute(0, 3, 1, 2)  # (T, C, H, W)
        for name in np.random.choice(list(OPERATIONS), self.num_ops):
            if np.random.random() >= self.prob:
                continue
            magnitude = np.clip(np.random.normal(self.magnitude, self.magnitude_std), 0, 10)
            clip = OPERATIONS[name](clip, float(magnitude) / 10, self.fill)
        results['imgs'] = list(np.ascontiguousarray(clip.permute(0, 2, 3, 1).numpy()))
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(magnitude={self.magnitude}, magnitude_std={self.magnitude_std}, '
            f'num_ops={self.num_ops}, prob={self.prob}, fill={self.fill})'
        )
