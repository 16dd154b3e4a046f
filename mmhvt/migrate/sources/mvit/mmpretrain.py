"""MViT for images of mmpretrain (`mmpretrain.models.MViT` in an `ImageClassifier`)."""

from typing import Any

from ...options import as_tuple
from ...source import register
from .openmmlab import OpenMMLabMViT, mvit_table


@register()
class MMPretrainMViT(OpenMMLabMViT):
    """Options are arguments of their `MViT`."""

    repository, title, aliases = 'mmpretrain', "mmpretrain's MViT", ('mmcls',)
    axes, modes = 2, {'bilinear': 'bilinear', 'bicubic': 'bicubic'}
    table = mvit_table('head.fc')
    defaults = OpenMMLabMViT.common | dict(
        img_size=224,
        interpolate_mode='bicubic',
        pool_kernel=(3, 3),
        adaptive_kv_stride=4,
        rel_pos_spatial=True,
        patch_cfg=dict(kernel_size=7, stride=4, padding=3),
    )

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return super().translate(options) | dict(
            input_size=as_tuple(options['img_size']),
            kv_stride=(options['adaptive_kv_stride'],) * 2,
            rel_pos='space' if options['rel_pos_spatial'] else 'none',
            out_type='avg_featmap',
        )
