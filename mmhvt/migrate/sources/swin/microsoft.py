"""The authors' Swin for images (microsoft/Swin-Transformer), also after SimMIM and MoBY
(SwinTransformer/Transformer-SSL).

Where a whole stage is smaller than its window, theirs has smaller tables of relative positions, which are the middle of
ours; they are not cut again for export. Files of SimMIM and MoBY have the model as an encoder. Load what is exported
with `strict=False`: `relative_position_index` and `attn_mask`, which a model computes, are not exported.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
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
        """Whether names look like their classifier, or like its pre-trained encoder."""
        prefix = _prefix(state_dict)
        has_all = all(f'{prefix}{name}' in state_dict for name in self.signature)
        return has_all and getattr(state_dict.get(f'{prefix}patch_embed.proj.weight'), 'ndim', 0) == 4

    def left_out(self, reference_state_dict: Mapping[str, Tensor]) -> dict[str, str]:
        """Decoders, second encoders and the like of pre-training."""
        prefix = _prefix(reference_state_dict)
        spare = [k for k in reference_state_dict if not k.startswith(prefix) or k == f'{prefix}mask_token']
        return super().left_out(reference_state_dict) | dict.fromkeys(spare, 'only for pre-training')

    def unpack(self, theirs: StateDict) -> StateDict:
        """Names of a classifier, blocks numbered across stages, tables of one size."""
        prefix = _prefix(theirs)
        return common.number_layers({name.removeprefix(prefix): v for name, v in _same_tables(theirs).items()})

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        return common.stage_layers(theirs)


def _prefix(names: Mapping[str, Tensor]) -> str:
    """Prefix of the model in a file of pre-training."""
    return 'encoder.' if f'encoder.{MicrosoftSwin.signature[0]}' in names else ''


def _same_tables(theirs: StateDict) -> StateDict:
    """Tables ((2 M − 1)², heads) of stages that are smaller than their window of M, in the middle of one of M."""
    sides = {k: math.isqrt(len(v)) for k, v in theirs.items() if k.endswith('.relative_position_bias_table')}
    padding = {name: (max(sides.values()) - side) // 2 for name, side in sides.items() if side < max(sides.values())}
    for name, pad in padding.items():
        square = theirs[name].t().unflatten(1, (sides[name], sides[name]))
        theirs[name] = F.pad(square, (pad, pad, pad, pad)).flatten(1).t()
    return theirs
