"""Models of other implementations, at any input size, without dropout: it is random, and off in ours.

Shapes: sizes are (H, W) of images or (T, H, W) of clips, in pixels and frames.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from unittest import mock

from torch import Tensor, nn

# fraction of mask units that masked pre-training deletes in video (Hiera, table 3b)
MASK_RATIO = 0.9


@dataclass(frozen=True)
class Peer:
    """Another implementation.

    Attributes:
        module: Module to import.
        install: Arguments of `pip install`.
    """

    module: str
    install: str

    @property
    def installed(self) -> bool:
        """Whether it can be imported."""
        return find_spec(self.module) is not None


PEERS = {
    'torchvision': Peer('torchvision', 'torchvision'),
    'mmaction2': Peer('mmaction', 'mmaction2==1.2.0'),
    'mmpretrain': Peer('mmpretrain', 'onedl-mmpretrain'),
    'timm': Peer('timm', 'timm'),
    'hiera': Peer('hiera', 'hiera-transformer==0.1.4'),
    # all its requirements are installed, except Triton, which is of no use on a CPU
    'hiera-optim': Peer('hiera_optim', '--no-deps hiera-optim==0.2.1'),
}


def construct(path: str, **options: Any) -> nn.Module:
    """A model by the path of its class or function."""
    module, name = path.rsplit('.', 1)
    return without_dropout(getattr(importlib.import_module(module), name)(**options))


def without_dropout(model: nn.Module) -> nn.Module:
    """The model with every rate of dropout and stochastic depth at 0."""
    for module in model.modules():
        if 'Drop' in type(module).__name__ or 'Stochastic' in type(module).__name__:
            for rate in ('p', 'drop_prob'):
                if hasattr(module, rate):
                    setattr(module, rate, 0.0)
    return model


def torchvision_mvit(name: str, size: Sequence[int]) -> nn.Module:
    """The 'mvit_v1_b' or 'mvit_v2_s' of torchvision for clips of a given size, which its functions do not accept."""
    from torchvision.models.video import mvit

    build = mvit.MViT

    def resized(**options: Any) -> nn.Module:
        return build(**options | dict(temporal_size=size[0], spatial_size=tuple(size[1:])))

    with mock.patch.object(mvit, 'MViT', resized):
        return construct(f'torchvision.models.video.{name}')


# options of the video models in hiera/hiera.py; those for images are the defaults
HIERA_VIDEO = dict(
    q_stride=(1, 2, 2),
    mask_unit_size=(1, 8, 8),
    patch_kernel=(3, 7, 7),
    patch_stride=(2, 4, 4),
    patch_padding=(1, 3, 3),
    sep_pos_embed=True,
)
HIERA_ARCHS: dict[str, dict[str, Any]] = {
    'base': dict(embed_dim=96, num_heads=1, stages=(2, 3, 16, 3)),
    'large': dict(embed_dim=144, num_heads=2, stages=(2, 6, 36, 4)),
}


class HieraLoss(nn.Module):
    """The loss of Hiera's masked pre-training, with our ratio of deleted mask units."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, [T,] H, W) -> scalar."""
        return self.model(x, mask_ratio=MASK_RATIO)[0]


def hiera(arch: str, size: Sequence[int], masked: bool = False, optimized: bool = False) -> nn.Module:
    """facebookresearch/hiera's model.

    Args:
        arch: Key of :data:`HIERA_ARCHS`.
        size: ([T,] H, W), multiples of 32 pixels.
        masked: Whether to pre-train it masked. Defaults to False.
        optimized: Whether to apply hiera-optim. Defaults to False.
    """
    from hiera import hiera as backbones
    from hiera import hiera_mae

    options = HIERA_ARCHS[arch] | (HIERA_VIDEO if len(size) == 3 else {})
    if masked:
        model = hiera_mae.MaskedAutoencoderHiera(input_size=tuple(size), q_pool=2, **options)
    else:
        model = backbones.Hiera(input_size=tuple(size), **options)
    if optimized:
        # on import, its adapter looks for names that are in another module of the PyPI package
        backbones.MaskedAutoencoderHiera = hiera_mae.MaskedAutoencoderHiera
        backbones.apply_fusion_head = hiera_mae.apply_fusion_head
        from hiera_optim import optimize

        model._grad_checkpointing = False  # its forward reads it
        optimize(model)
    return HieraLoss(model) if masked else model
