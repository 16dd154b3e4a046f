"""Swin for images of its authors (microsoft/Swin-Transformer).

Where a whole stage is smaller than its window, theirs has smaller tables of relative positions, which ours does not
have; no published model is such. Load what is exported with `strict=False`: `relative_position_index` and `attn_mask`,
which a model computes, are not exported.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...options import as_tuple
from ...source import Source, StateDict, register
from . import common


@register()
class MicrosoftSwin(Source):
    """Options are arguments of their `SwinTransformer`; `norm_layer` is 'LN' or 'LN eps=…'."""

    family, repository, title = 'swin', 'microsoft', "the authors' Swin"
    aliases = ('Swin-Transformer', 'authors')
    buffers = common.BUFFERS
    # timm's begin stages with a merging and do not end them with one
    signature = ('layers.0.blocks.0.attn.relative_position_bias_table', 'layers.0.downsample.reduction.weight')
    table = common.swin_table('head')
    defaults = dict(
        img_size=224,
        patch_size=4,
        in_chans=3,
        embed_dim=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
        window_size=7,
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.1,
        norm_layer='LN',
        patch_norm=True,
        use_checkpoint=False,
    )
    fixed = common.FIXED | dict(ape=False)
    ignored = ('type', 'num_classes', 'fused_window_process')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return common.authors_cfg(self.title, options) | dict(
            input_size=as_tuple(options['img_size']),
            patch_size=as_tuple(options['patch_size']),
            window_size=as_tuple(options['window_size']),
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like their classifier."""
        return super().matches(state_dict) and getattr(state_dict.get('patch_embed.proj.weight'), 'ndim', 0) == 4

    def unpack(self, theirs: StateDict) -> StateDict:
        """Blocks numbered across stages."""
        return common.number_layers(theirs)

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        return common.stage_layers(theirs)
