"""MViTv2 for images of its authors (facebookresearch/mvit).

Names and options are PySlowFast's, but images are pooled as images: kernels have two axes, and there are no options for
video. A model that does not pool by convolutions is treated as PySlowFast's, which is equivalent.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...source import StateDict, register
from .common import join_class_position
from .pyslowfast import PySlowFastMViT

# options with a number for each axis, and whether these come in rows after the number of a block
_PER_AXIS = dict(
    PATCH_KERNEL=False,
    PATCH_STRIDE=False,
    PATCH_PADDING=False,
    POOL_KVQ_KERNEL=False,
    POOL_KV_STRIDE_ADAPTIVE=False,
    POOL_Q_STRIDE=True,
    POOL_KV_STRIDE=True,
)
_VIDEO = dict(PATCH_2D=True, SEP_POS_EMBED=False, REL_POS_TEMPORAL=False, USE_MEAN_POOLING=False, REV={}, NUM_FRAMES=1)


@register(priority=20)
class FairMViT(PySlowFastMViT):
    """Options are those of the `MVIT` section of a config, with `CROP`, the training crop as one number, of its `DATA`
    section.
    """

    repository, title = 'fair', 'MViTv2 of facebookresearch/mvit'
    aliases, golden = ('facebookresearch', 'facebookresearch/mvit'), None
    required = ('CROP',)
    defaults = {key: value for key, value in PySlowFastMViT.defaults.items() if key not in _VIDEO} | dict(
        CLS_EMBED_ON=False,
        PATCH_KERNEL=[7, 7],
        PATCH_STRIDE=[4, 4],
        PATCH_PADDING=[3, 3],
        POOL_KVQ_KERNEL=[3, 3],
        USE_ABS_POS=False,
        REL_POS_SPATIAL=True,
        RESIDUAL_POOLING=True,
        DIM_MUL_IN_ATT=True,
    )
    fixed = dict(POOL_FIRST=False)
    ignored = ('ZERO_DECAY_POS_CLS', 'REL_POS_ZERO_INIT', 'NUM_CLASSES')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        for key, in_rows in _PER_AXIS.items():
            for row in options[key] or [] if in_rows else [options[key]]:
                if row is not None and len(row) != 2 + in_rows:
                    numbers = 'a block and two strides a row' if in_rows else 'two numbers'
                    raise ValueError(f'{self.title}: {key}={options[key]!r}: give {numbers}; PySlowFast is for video')
        return super().translate(options | _VIDEO)

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names and kernels look like an MViT for images of theirs."""
        pools_images = any('.attn.pool_' in name and value.ndim == 4 for name, value in state_dict.items())
        return pools_images and super().matches(state_dict)

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        return join_class_position(theirs)
