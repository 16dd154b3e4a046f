"""Video Swin of its authors (SwinTransformer/Video-Swin-Transformer).

Files of recognizers have names with `backbone.` and `cls_head.fc_cls.`, those of a backbone alone neither. Load what is
exported with `strict=False`: `relative_position_index`, which a model computes, is not exported.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...source import Source, StateDict, register
from . import common


@register()
class VideoSwin(Source):
    """Options are arguments of their `SwinTransformer3D`; `norm_layer` is 'LN' or 'LN eps=…'."""

    family, repository, title = 'swin', 'video_swin', "the authors' Video Swin"
    aliases, golden = ('Video-Swin-Transformer', 'video-swin', 'authors'), 'Video-Swin'
    buffers = common.BUFFERS
    table = common.swin_table('cls_head.fc_cls')
    defaults = dict(
        patch_size=(4, 4, 4),
        in_chans=3,
        embed_dim=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
        window_size=(2, 7, 7),
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.2,
        norm_layer='LN',
        patch_norm=False,
        frozen_stages=-1,
        use_checkpoint=False,
    )
    fixed = common.FIXED
    # initialization
    ignored = ('type', 'pretrained', 'pretrained2d')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return common.authors_cfg(self.title, options) | dict(
            patch_size=tuple(options['patch_size']),
            window_size=tuple(options['window_size']),
            frozen_stages=options['frozen_stages'],
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like their backbone or recognizer."""
        return any(
            f'{prefix}norm.weight' in state_dict
            and f'{prefix}layers.0.blocks.0.attn.relative_position_bias_table' in state_dict
            and getattr(state_dict.get(f'{prefix}patch_embed.proj.weight'), 'ndim', 0) == 5
            for prefix in ('', 'backbone.')
        )

    def unpack(self, theirs: StateDict) -> StateDict:
        """Names of a backbone alone, blocks numbered across stages."""
        return common.number_layers({name.removeprefix('backbone.'): value for name, value in theirs.items()})

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`: a recognizer's names if there is a head, a backbone's if not."""
        theirs = common.stage_layers(theirs)
        if not any(name.startswith('cls_head.') for name in theirs):
            return theirs
        return {k if k.startswith('cls_head.') else f'backbone.{k}': v for k, v in theirs.items()}
