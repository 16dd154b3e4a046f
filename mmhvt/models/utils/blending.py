"""Blending of the samples of a batch."""

from typing import Annotated

import torch
from mmaction.models.utils.blending_utils import BaseMiniBatchBlending
from torch import Tensor

from mmhvt.registry import MODELS
from mmhvt.utils.option_types import Number, Range

Alpha = Annotated[float, Range(high=1000)]


@MODELS.register_module()
class MixupCutmix(BaseMiniBatchBlending):
    """Mixup for one half of a batch, CutMix for the other (arXiv:2104.11227, appendices D.1 and D.5).

    The first, third, … samples are mixed, the second, fourth, … are cut, each with the preceding sample of its half. So
    the two clips that repeated augmentation takes from a video go to different halves and are not blended with each
    other. Each half shares one ratio; a half with a single sample stays as it is. Labels become soft; the head adds
    label smoothing (`label_smooth_eps`), which yields the targets of timm and PySlowFast.

    Pass it to mmaction's ActionDataPreprocessor as `blending`, by the name `mmhvt.MixupCutmix`. mmpretrain's
    ClsDataPreprocessor gets it through the classifier's `train_cfg=dict(augments=…)`. Its registry of batch augments
    supports no other scope, so there the type is `mmhvt.models.MixupCutmix`.

    Args:
        num_classes: Number of classes. Defaults to None: :class:`mmhvt.NumClassesCheckHook` sets the head's before
            training, and mmpretrain's one-hot labels imply it.
        mixup_alpha: Parameter of the Beta distribution that Mixup's ratio is drawn from.
        cutmix_alpha: Parameter of the Beta distribution that CutMix's ratio is drawn from.

    Raises:
        ValueError: If an alpha is not positive. In training, if `num_classes` is not known.
    """

    num_classes: int | None

    def __init__(self, num_classes: Number | None = None, mixup_alpha: Alpha = 0.8, cutmix_alpha: Alpha = 1.0) -> None:
        super().__init__(num_classes)  # type: ignore[arg-type]  # kept for do_blending only
        for name, alpha in dict(mixup_alpha=mixup_alpha, cutmix_alpha=cutmix_alpha).items():
            if not alpha > 0:
                raise ValueError(f'MixupCutmix: {name} must be greater than 0, got {alpha}')
        with torch.device('cpu'):  # their distributions check their values, which the meta device does not have
            # from an integer they make an integer tensor, from which nothing can be sampled
            from torchvision.transforms import v2  # imports torch._dynamo, which takes a second

            self.mixup, self.cutmix = v2.MixUp(alpha=float(mixup_alpha)), v2.CutMix(alpha=float(cutmix_alpha))

    def __call__(self, imgs: Tensor, labels: Tensor | list) -> tuple[Tensor, Tensor | list]:
        """Blend a batch.

        Args:
            imgs: (B, views, C, T, H, W) clips or (B, C, H, W) images, float.
            labels: Data samples of mmaction, or one-hot labels (B, num_classes) of mmpretrain.

        Returns:
            tuple: The same, blended. Labels are soft.
        """
        if isinstance(labels, Tensor):
            return self.do_blending(imgs, labels)
        if self.num_classes is None:
            raise ValueError(
                'MixupCutmix needs the number of classes: num_classes, or mmhvt.NumClassesCheckHook among the hooks, '
                'which takes it from the head'
            )
        return super().__call__(imgs, labels)

    def do_blending(self, imgs: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(B, …, H, W) and (B, num_classes) -> the same, blended.

        Raises:
            ValueError: If the labels have another number of classes.
        """
        if label.ndim != 2 or self.num_classes not in (None, label.shape[1]):
            raise ValueError(
                f'MixupCutmix has num_classes={self.num_classes}, but the labels are of shape {tuple(label.shape)}: '
                f'they must be (B, {self.num_classes or "classes"})'
            )
        blended, soft = torch.empty_like(imgs), torch.empty_like(label, dtype=imgs.dtype)
        for start, blend in enumerate((self.mixup, self.cutmix)):
            half = slice(start, None, 2)
            if len(imgs[half]):
                # torchvision takes images (B, C, H, W); axes between B and H make no difference to it
                out, soft[half] = blend(imgs[half].flatten(1, -3), label[half])
                blended[half] = out.reshape(imgs[half].shape)
        return blended, soft
