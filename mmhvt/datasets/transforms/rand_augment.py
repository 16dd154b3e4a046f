"""RandAugment that treats a clip as one picture."""

import math
from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from mmhvt.registry import TRANSFORMS
from mmhvt.utils.option_types import CheckedFloat, CheckedInt, Range

# The strength that an operation gets is in [0, 1]. The ranges are those of the "increasing" set
# of timm and PySlowFast ('rand-m…-inc1'): a greater strength always moves further from the input.


def _sign() -> int:
    return 1 if np.random.random() < 0.5 else -1


def _warp(clip: torch.Tensor, fill: int, translate: tuple = (0, 0), shear: tuple = (0, 0)) -> torch.Tensor:
    """Shift by whole pixels and shear about the top left corner; `shear` holds tangents."""
    return F.affine(
        clip,
        angle=0.0,
        translate=[round(t) for t in translate],
        scale=1.0,
        shear=[math.degrees(math.atan(s)) for s in shear],
        interpolation=InterpolationMode.BILINEAR,
        fill=fill,
        center=[0, 0],
    )


def _rotate(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    return F.rotate(clip, _sign() * strength * 30.0, interpolation=InterpolationMode.BILINEAR, fill=fill)


def _solarize(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    return torch.where(clip.short() < 256 - int(strength * 256), clip, 255 - clip)


def _solarize_add(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
    return torch.where(clip < 128, clip + int(strength * 110), clip)


def _enhance(adjust: Callable) -> Callable:
    """An `adjust` of torchvision, whose factor 1 changes nothing, in either direction."""

    def operation(clip: torch.Tensor, strength: float, fill: int) -> torch.Tensor:
        return adjust(clip, max(0.1, 1.0 + _sign() * strength * 0.9))

    return operation


# name: operation(clip (T, C, H, W) uint8, strength, fill) -> clip of the same shape and type
OPERATIONS: dict[str, Callable[[torch.Tensor, float, int], torch.Tensor]] = {
    'AutoContrast': lambda clip, strength, fill: F.autocontrast(clip),
    'Equalize': lambda clip, strength, fill: F.equalize(clip),
    'Invert': lambda clip, strength, fill: F.invert(clip),
    'Rotate': _rotate,
    'Posterize': lambda clip, strength, fill: F.posterize(clip, max(1, 4 - int(strength * 4))),
    'Solarize': _solarize,
    'SolarizeAdd': _solarize_add,
    'Color': _enhance(F.adjust_saturation),
    'Contrast': _enhance(F.adjust_contrast),
    'Brightness': _enhance(F.adjust_brightness),
    'Sharpness': _enhance(F.adjust_sharpness),
    'ShearX': lambda clip, strength, fill: _warp(clip, fill, shear=(_sign() * strength * 0.3, 0)),
    'ShearY': lambda clip, strength, fill: _warp(clip, fill, shear=(0, _sign() * strength * 0.3)),
    'TranslateX': lambda clip, strength, fill: _warp(
        clip, fill, translate=(_sign() * strength * 0.45 * clip.shape[-1], 0)
    ),
    'TranslateY': lambda clip, strength, fill: _warp(
        clip, fill, translate=(0, _sign() * strength * 0.45 * clip.shape[-2])
    ),
}


@TRANSFORMS.register_module()
class RandAugment(BaseTransform):
    """Random operations on all frames of a clip alike (Cubuk et al., 2020).

    The operations, their strengths and their directions are drawn once a clip, so that motion
    within it stays what it was. mmaction2's ``TorchVisionWrapper`` draws anew for each frame.
    The defaults are timm's and PySlowFast's 'rand-m7-n4-mstd0.5-inc1', the setting of the papers' recipes: other
    operations and ranges than torchvision's, with a strength that is drawn, too. timm's takes one PIL image.

    Required keys: ``imgs``, a sequence of (H, W, 3) uint8 frames in RGB. Modified keys: ``imgs``.
    Boxes and keypoints are not moved along, so this is for recognition.

    Args:
        magnitude: Mean strength of an operation, 0 to 10.
        magnitude_std: Standard deviation of the strength, which is drawn for each operation
            from a normal distribution and clipped to 0 to 10.
        num_ops: Operations drawn for a clip, with replacement.
        prob: Probability with which a drawn operation is applied.
        fill: Gray value, 0 to 255, of what moves in from outside the frame.

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
            raise ValueError(f'RandAugment: magnitude must be within 0 and 10, got {magnitude}')
        if magnitude_std < 0:
            raise ValueError(f'RandAugment: magnitude_std must not be negative, got {magnitude_std}')
        if num_ops < 1:
            raise ValueError(f'RandAugment: num_ops must be at least 1, got {num_ops}')
        if not 0 <= prob <= 1:
            raise ValueError(f'RandAugment: prob must be within 0 and 1, got {prob}')
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
        results['imgs'] = list(clip.permute(0, 2, 3, 1).contiguous().numpy())
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(magnitude={self.magnitude}, magnitude_std={self.magnitude_std}, '
            f'num_ops={self.num_ops}, prob={self.prob}, fill={self.fill})'
        )
