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

    The first, third, … sample is mixed, the second, fourth, … is cut, each with the sample before it in its half. So
    the two clips that repeated augmentation takes from a video go to different halves and are not blended with each
    other. Half of a batch shares one ratio; a half of one sample stays as it is. Labels become soft; the head adds
    label smoothing (`label_smooth_eps`), with the targets that timm and PySlowFast have.

    Goes into mmaction's ActionDataPreprocessor as `blending`, where the name `mmhvt.MixupCutmix` is known, and into
    mmpretrain's ClsDataPreprocessor through `train_cfg=dict(augments=…)` of the classifier, whose registry of batch
    augments takes no other scope: there the type is `mmhvt.models.MixupCutmix`.

    Args:
        num_classes: Number of classes. Defaults to None, that of the head, which :class:`mmhvt.NumClassesCheckHook`
            sets before training; mmpretrain's one-hot labels have it themselves.
        mixup_alpha: Of the Beta distribution that mixup's ratio is drawn from.
        cutmix_alpha: Of the Beta distribution that CutMix's ratio is drawn from.

    Raises:
        ValueError: If an alpha is not positive. In training, if `num_classes` is not known.
    """

    num_classes: int | None

    def __init__(self, num_classes: Number | None = None, mixup_alpha: Alpha = 0.8, cutmix_alpha: Alpha = 1.0) -> None:
        super().__init__(num_classes)  # type: ignore[arg-type]  # kept for do_blending alone
        for name, alpha in dict(mixup_alpha=mixup_alpha, cutmix_alpha=cutmix_alpha).items():
            if not alpha > 0:
                raise ValueError(f'MixupCutmix: {name} must be greater than 0, got {alpha}')
        with torch.device('cpu'):  # their distributions check their values, which the meta device does not have
            # of an integer they make a tensor of integers, from which nothing can be drawn
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
                # torchvision takes images (B, C, H, W); what stands between B and H is all alike to it
                out, soft[half] = blend(imgs[half].flatten(1, -3), label[half])
                blended[half] = out.reshape(imgs[half].shape)
        return blended, soft
