"""Video Swin of mmaction2 (`mmaction.models.SwinTransformer3D` in a `Recognizer3D`).

Its norms are numbered by stages, the last one's too. Load what is exported with `strict=False`:
`relative_position_index`, which a model computes, is not exported.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...source import Source, StateDict, register
from . import common

_NORM = re.compile(r'backbone\.norm\d+\.')


@register()
class MMActionVideoSwin(Source):
    """Options are arguments of their `SwinTransformer3D`."""

    family, repository, title = 'swin', 'mmaction', "mmaction2's Video Swin"
    aliases = ('mmaction2', 'video-swin')
    buffers = common.BUFFERS
    signature = ('backbone.layers.0.blocks.0.attn.relative_position_bias_table',)
    table = common.swin_table('cls_head.fc_cls', 'backbone.', 'norm{i}.{leaf}')
    required = ('arch',)
    defaults = dict(
        patch_size=(2, 4, 4),
        in_channels=3,
        window_size=(8, 7, 7),
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.1,
        norm_cfg=dict(type='LN'),
        patch_norm=True,
        frozen_stages=-1,
        with_cp=False,
        out_indices=(3,),
    )
    fixed = common.FIXED | dict(act_cfg=dict(type='GELU'), out_after_downsample=False)
    # initialization
    ignored = ('type', 'pretrained', 'pretrained2d', 'init_cfg')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return options | dict(
            type='mmhvt.VideoSwin',
            arch=common.named_arch(self.title, options['arch']),
            patch_size=tuple(options['patch_size']),
            window_size=tuple(options['window_size']),
            norm_cfg=dict(options['norm_cfg']),
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like their recognizer."""
        video = getattr(state_dict.get('backbone.patch_embed.proj.weight'), 'ndim', 0) == 5
        return video and super().matches(state_dict) and any(map(_NORM.match, state_dict))

    def unpack(self, theirs: StateDict) -> StateDict:
        """Blocks numbered across stages, the last norm without a number."""
        return common.number_layers(common.rename_last_norm(theirs, numbered=False), prefix='backbone.')

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        return common.rename_last_norm(common.stage_layers(theirs, prefix='backbone.'), numbered=True)
