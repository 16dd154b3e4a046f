"""Swin for images in its authors' detectors and segmentors (SwinTransformer/Swin-Transformer-Object-Detection and
Swin-Transformer-Semantic-Segmentation), which are mmdet 2 and mmseg 0.

Their `SwinTransformer` norms each output and, unlike mmdet's, merges patches as the classifier does. Necks and heads
keep their names, which are those of mmdet 3. Load what is exported with `strict=False`: `relative_position_index`,
which a model computes, is not exported.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...options import as_tuple
from ...source import Source, StateDict, register
from . import common


@register()
class DetectionSwin(Source):
    """Options are arguments of their `SwinTransformer`; `norm_layer` is 'LN' or 'LN eps=…'."""

    family, repository, title = 'swin', 'detection', "the authors' Swin for detection and segmentation"
    aliases: ClassVar[tuple[str, ...]] = ('Swin-Transformer-Object-Detection', 'Swin-Transformer-Semantic-Segmentation')
    prefix: ClassVar[str] = 'backbone.'
    buffers = common.BUFFERS
    translated = ('backbone.',)
    # heads are mmdet's
    table = common.swin_table('cls_head.fc_cls', 'backbone.', 'norm{i}.{leaf}')
    defaults = dict(
        pretrain_img_size=224,
        patch_size=4,
        in_chans=3,
        embed_dim=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
        window_size=7,
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.2,
        norm_layer='LN',
        patch_norm=True,
        out_indices=(0, 1, 2, 3),
        frozen_stages=-1,
        use_checkpoint=False,
    )
    fixed = common.FIXED | dict(ape=False)
    ignored = ('type', 'pretrained', 'init_cfg')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        frozen = options['frozen_stages']
        return common.authors_cfg(self.title, options) | dict(
            input_size=as_tuple(options['pretrain_img_size']),
            patch_size=as_tuple(options['patch_size']),
            window_size=as_tuple(options['window_size']),
            # theirs counts the patch embedding as 0 and 1
            frozen_stages=max(frozen - 1, 0) if frozen >= 0 else frozen,
            out_indices=tuple(options['out_indices']),
            out_type='featmap',
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like their backbone in a detector or segmentor."""
        table = f'{self.prefix}layers.0.blocks.0.attn.relative_position_bias_table'
        patches = state_dict.get(f'{self.prefix}patch_embed.proj.weight')
        return table in state_dict and getattr(patches, 'ndim', 0) == 4

    def unpack(self, theirs: StateDict) -> StateDict:
        """Blocks numbered across stages, the last norm without a number."""
        return common.number_layers(common.rename_last_norm(theirs, numbered=False), prefix='backbone.')

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        return common.rename_last_norm(common.stage_layers(theirs, prefix='backbone.'), numbered=True)
